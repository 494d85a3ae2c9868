//! What people put right about threads: a letter goes into another conversation of its correspondent, or a
//! whole conversation goes on in another one. Each is done within the step of the event that asked for it,
//! and recorded.

use sqlx::PgConnection;

use super::{EventStep, Job, StoreError, jobs, matters};
use crate::{
    model::{ConversationId, LetterId, LetterState, Notice},
    rules::{matters::MatterStep, posts},
};

/// A letter that is to go, and who wants it.
#[derive(Debug, Clone, Copy)]
pub struct MovingLetter<'a> {
    pub letter: LetterId,
    pub from: ConversationId,
    /// `None`: into a conversation of its own.
    pub to: Option<ConversationId>,
    pub speaker: &'a str,
    /// The room message that asked for it.
    pub event_id: &'a str,
    /// What is said there before the letter.
    pub notice: &'a Notice,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterMoved {
    To(ConversationId),
    /// Not all of it is in its room: nothing was done.
    NotYet,
    /// It is in another conversation: nothing was done.
    Gone,
}

impl EventStep<'_> {
    /// Puts a letter into another conversation of the same channel and correspondent, and says it there again.
    /// Its Message-ID leads there from now on, and so do those of the answers to it. What was deleted in the
    /// room is not said again.
    pub async fn move_letter(
        &mut self,
        moving: MovingLetter<'_>,
    ) -> Result<LetterMoved, StoreError> {
        let row = sqlx::query!(
            r#"select
                 state,
                 conversation_id,
                 exists (
                     select 1
                     from posts
                     where posts.letter_id = letters.id
                       and posts.state in ('pending', 'parked')
                 ) as "is_incomplete!"
             from letters
             where id = $1
             for update"#,
            moving.letter.0,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        if row.conversation_id != Some(moving.from.0) {
            return Ok(LetterMoved::Gone);
        }
        if row.is_incomplete || row.state != LetterState::Posted.word() {
            return Ok(LetterMoved::NotYet);
        }
        let to = match moving.to {
            Some(to) => to,
            None => branch(self, moving.from).await?,
        };
        sqlx::query!(
            "insert into moves
                 (letter_id, from_conversation, to_conversation, asked_by, event_id, moved_at)
             values ($1, $2, $3, $4, $5, $6)",
            moving.letter.0,
            moving.from.0,
            to.0,
            moving.speaker,
            moving.event_id,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query!(
            "update letters set conversation_id = $2 where id = $1",
            moving.letter.0,
            to.0,
        )
        .execute(&mut *self.transaction)
        .await?;
        lead_elsewhere(&mut self.transaction, moving, to).await?;
        let is_empty = sqlx::query_scalar!(
            r#"select not exists (select 1 from letters where conversation_id = $1) as "is!""#,
            moving.from.0,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        self.hand_on_matter((moving.from, to), moving.speaker, is_empty).await?;
        self.say(to, &format!("m{}", moving.event_id), moving.notice).await?;
        say_there(&mut self.transaction, moving, to).await?;
        jobs::add(&mut self.transaction, &Job::SendPosts(to), None).await?;
        Ok(LetterMoved::To(to))
    }

    /// Lets a conversation go on in another one of the same channel and correspondent: what names its
    /// Message-IDs goes there from now on. `false`: one of them goes on in the other already, and nothing was
    /// done.
    pub async fn join_conversation(
        &mut self,
        (from, to): (ConversationId, ConversationId),
        (speaker, event_id): (&str, &str),
        notice: &Notice,
    ) -> Result<bool, StoreError> {
        // Both are locked, in one order, so that two rooms cannot join each other at the same time.
        let rows = sqlx::query!(
            "select id, joined_into
             from conversations
             where id in ($1, $2)
             order by id
             for update",
            from.0,
            to.0,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        if rows.len() != 2 || rows.iter().any(|row| row.joined_into.is_some()) {
            return Ok(false);
        }
        sqlx::query!(
            "update conversations set joined_into = $2 where id = $1 or joined_into = $1",
            from.0,
            to.0,
        )
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query!(
            "update thread_ids set conversation_id = $2 where conversation_id = $1",
            from.0,
            to.0,
        )
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query!(
            "insert into moves (from_conversation, to_conversation, asked_by, event_id, moved_at)
             values ($1, $2, $3, $4, $5)",
            from.0,
            to.0,
            speaker,
            event_id,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?;
        self.hand_on_matter((from, to), speaker, true).await?;
        self.say(to, &format!("m{event_id}"), notice).await?;
        Ok(true)
    }

    /// What waited where a letter came from waits where it is now. `is_over`: nothing is left there that could
    /// wait.
    async fn hand_on_matter(
        &mut self,
        (from, to): (ConversationId, ConversationId),
        speaker: &str,
        is_over: bool,
    ) -> Result<(), StoreError> {
        let matter = matters::lock(&mut self.transaction, from, self.at).await?;
        if matter.is_some_and(|matter| matter.state.waits()) {
            self.move_matter(to, &MatterStep::Open, speaker, None).await?;
        }
        if is_over {
            self.move_matter(from, &MatterStep::Done, speaker, None).await?;
        }
        Ok(())
    }
}

/// A new conversation of the same channel and correspondent. It is no news of the correspondent.
async fn branch(
    step: &mut EventStep<'_>,
    from: ConversationId,
) -> Result<ConversationId, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into conversations (channel, correspondent_id, created_at)
         select channel, correspondent_id, $2
         from conversations
         where id = $1
         returning id",
        from.0,
        step.at,
    )
    .fetch_one(&mut *step.transaction)
    .await?;
    Ok(ConversationId(id))
}

/// The ids that mails bear, of the letter and of the answers to it; what is ambiguous stays so.
async fn lead_elsewhere(
    connection: &mut PgConnection,
    moving: MovingLetter<'_>,
    to: ConversationId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update thread_ids
         set conversation_id = $3
         where conversation_id in (
                 $2,
                 (select joined_into from conversations where id = $2)
             )
           and (
               bearer = 'l' || $1::bigint
               or bearer in (
                   select 'd' || id
                   from dispatches
                   where letter_id = $1
                     and conversation_id = $2
               )
           )",
        moving.letter.0,
        moving.from.0,
        to.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Says the posts of the letter once more, in their order, under names made of their old ones. What waits for
/// a release goes along as it is. What a person asked for in the old room, or what answers something there,
/// stays there.
async fn say_there(
    connection: &mut PgConnection,
    moving: MovingLetter<'_>,
    to: ConversationId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update posts
         set conversation_id = $3
         where letter_id = $1
           and conversation_id = $2
           and state = 'held'",
        moving.letter.0,
        moving.from.0,
        to.0,
    )
    .execute(&mut *connection)
    .await?;
    let said = sqlx::query!(
        "select id, txn_id
         from posts as post
         where letter_id = $1
           and conversation_id = $2
           and state = 'sent'
           and not repeated
           and replaces is null
           and not exists (
               select 1
               from room_acts as act
               where act.target = post.event_id
                 and act.kind = 'redaction'
           )
         for update",
        moving.letter.0,
        moving.from.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let going: Vec<i64> = said
        .iter()
        .filter(|post| posts::goes_with_its_letter(&post.txn_id))
        .map(|post| post.id)
        .collect();
    sqlx::query!(
        "with said as (
             update posts
             set repeated = true
             where id = any ($1)
             returning *
         )
         insert into posts
             (conversation_id, letter_id, speaker, substance, txn_id, content, file_index, made, media)
         select $2, letter_id, speaker, substance, txn_id || 'm', content, file_index, made, media
         from said
         order by id",
        &going,
        to.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}
