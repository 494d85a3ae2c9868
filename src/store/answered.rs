//! Which letter a room message answers, and what has to be known before it does.

use super::{Store, StoreError};
use crate::model::{ConversationId, LetterId, ServiceId};

/// The letter a room message answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredLetter {
    pub id: LetterId,
    /// The conversation it went to since.
    pub went_to: Option<ConversationId>,
    /// Its sender wants answers elsewhere, and they go there.
    pub goes_elsewhere: bool,
    /// What a person has to confirm first.
    pub open_doubt: Option<String>,
    /// Its words wait for a speaker who releases them.
    pub is_withheld: bool,
    /// The Dienstkennung of the receipt that a person may send for it.
    pub receipt_as: Option<ServiceId>,
}

impl Store {
    /// The letter that a room message answers: the one behind the first of `relates_to` that has
    /// one, else the newest that was in its room when it was written.
    ///
    /// A letter is behind its own posts, behind what was said about them, and behind the answers to
    /// it and the notices about those. Nothing answers an absence note. The order of `/sync` tells
    /// what was written first: neither a clock nor a faster door has a say.
    pub async fn answered_letter(
        &self,
        conversation: ConversationId,
        event_id: &str,
        relates_to: &[&str],
    ) -> Result<Option<AnsweredLetter>, StoreError> {
        for event in relates_to {
            if let Some(letter) = self.letter_behind(conversation, event).await? {
                return self.answered(conversation, letter).await;
            }
        }
        match self.newest_before(conversation, event_id).await? {
            Some(letter) => self.answered(conversation, letter).await,
            None => Ok(None),
        }
    }

    /// The newest letter that was in the room of an event when that was written.
    async fn newest_before(
        &self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"with said as (
                 select room_id, place
                 from room_events
                 where event_id = $2
             ),
             stood as (
                 select
                     letter.id,
                     -- The room of an echo that is not there any more is the one the conversation had.
                     coalesce(
                         echo.room_id,
                         (
                             select portal.room_id
                             from rooms as portal
                             where portal.conversation_id = $1
                               and portal.created_at <= post.sent_at
                             order by portal.created_at desc, portal.id desc
                             limit 1
                         )
                     ) as room_id
                 from letters as letter
                 join posts as post on post.letter_id = letter.id
                 left join room_events as echo on echo.event_id = post.event_id
                 where letter.conversation_id = $1
                   and not exists (
                       select 1 from absence_notes as note where note.letter_id = letter.id
                   )
                   and post.state = 'sent'
                   -- An echo that is not there any more came long ago; one without a place came
                   -- after all that have one.
                   and case
                       when echo.id is null then post.echoed_at is not null
                       else echo.place < coalesce(
                           (select place from said),
                           9223372036854775807
                       )
                   end
             )
             select coalesce(
                 (select max(id) from stood where room_id = (select room_id from said)),
                 -- A room in which no letter stands goes on where another one ended.
                 (select max(id) from stood),
                 -- The room was opened for the first, unless a speaker had it opened.
                 (
                     select min(id)
                     from letters
                     where conversation_id = $1
                       and not exists (
                           select 1
                           from conversations
                           where conversations.id = $1
                             and conversations.started_in is not null
                       )
                       and not exists (
                           select 1 from absence_notes as note where note.letter_id = letters.id
                       )
                 )
             )"#,
            conversation.0,
            event_id,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    async fn letter_behind(
        &self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select coalesce(post.letter_id, dispatch.letter_id) as "letter_id?"
             from posts as post
             left join dispatches as dispatch on dispatch.id = post.dispatch_id
             where post.event_id = $2
               and post.conversation_id = $1
               -- Nothing answers an absence note.
               and not exists (
                   select 1 from absence_notes as note where note.letter_id = post.letter_id
               )
             union all
             select dispatch.letter_id
             from dispatch_parts as part
             join dispatches as dispatch on dispatch.id = part.dispatch_id
             where part.event_id = $2
               and dispatch.conversation_id = $1
             limit 1"#,
            conversation.0,
            event_id,
        )
        .fetch_optional(&self.pool)
        .await?
        .flatten())
    }

    async fn answered(
        &self,
        conversation: ConversationId,
        letter: i64,
    ) -> Result<Option<AnsweredLetter>, StoreError> {
        let row = sqlx::query!(
            r#"select
                 letter.id,
                 nullif(letter.conversation_id, $1) as went_to,
                 letter.answer_to is not null as "goes_elsewhere!",
                 coalesce(letter.kept_back = 'withheld', false)
                     and letter.released_at is null as "is_withheld!",
                 letter.receipt_as,
                 case when settled.doubt is null then letter.caller_doubt end as open_doubt
             from letters as letter
             left join settled_doubts as settled
                 on settled.conversation_id = $1
                and settled.doubt = letter.caller_doubt
             where letter.id = $2"#,
            conversation.0,
            letter,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| AnsweredLetter {
            id: LetterId(row.id),
            went_to: row.went_to.map(ConversationId),
            goes_elsewhere: row.goes_elsewhere,
            open_doubt: row.open_doubt,
            is_withheld: row.is_withheld,
            receipt_as: row.receipt_as.as_deref().and_then(ServiceId::new),
        }))
    }
}
