//! A person confirms a fax that was shown, by a command or by a sign put to its preview, or takes that back.

use super::{FaxConfirmation, wait_again};
use crate::{
    model::{ConversationId, DeliveryState},
    store::{EventStep, Job, Stood, StoreError, jobs},
};

/// The newest preview of a dispatch.
struct NewestPreview {
    id: i64,
    picture_txn_id: Option<String>,
    file_txn_id: String,
    words_txn_id: String,
    /// Unless that was taken back.
    confirmed_by: Option<String>,
    /// Also where it was taken back: then the fax is shown anew.
    was_confirmed: bool,
}

impl EventStep<'_> {
    /// A person puts the sign of a confirmation to a message. It counts only on a preview itself: on
    /// anything else it means whatever people mean by it, and nothing follows.
    pub async fn approve_fax(
        &mut self,
        conversation: ConversationId,
        target: &str,
        (event_id, speaker): (&str, &str),
    ) -> Result<FaxConfirmation, StoreError> {
        match self.fax_behind(conversation, target).await? {
            Some((_, Some(_))) => self.confirm_fax(conversation, target, (event_id, speaker)).await,
            Some((_, None)) | None => Ok(FaxConfirmation::Nothing),
        }
    }

    /// Who wrote the fax that a message is about, if it is about one.
    pub async fn author_of_fax(
        &mut self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<Option<String>, StoreError> {
        let Some((dispatch, _)) = self.fax_behind(conversation, event_id).await? else {
            return Ok(None);
        };
        Ok(sqlx::query_scalar!("select author from dispatches where id = $1", dispatch)
            .fetch_optional(&mut *self.transaction)
            .await?)
    }

    /// Whether a message is a preview of this conversation, or was one.
    pub async fn is_preview(
        &mut self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<bool, StoreError> {
        let behind = self.fax_behind(conversation, event_id).await?;
        Ok(matches!(behind, Some((_, Some(_)))))
    }

    /// The event that confirmed a fax was taken back. Whether the fax still leaves is asked where it
    /// leaves; here its next attempt is made soon, so that it is shown anew. Returns the state of its
    /// dispatch, if there is one.
    pub async fn confirmation_taken_back(
        &mut self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<Option<DeliveryState>, StoreError> {
        let row = sqlx::query!(
            "select dispatch.id, dispatch.state
             from fax_previews as preview
             join dispatches as dispatch on dispatch.id = preview.dispatch_id
             where preview.confirmed_in = $1
               and dispatch.conversation_id = $2
             for update of dispatch",
            event_id,
            conversation.0,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        sqlx::query!(
            "update dispatches
             set next_attempt_at = null
             where id = $1
               and state = 'waiting'",
            row.id,
        )
        .execute(&mut *self.transaction)
        .await?;
        jobs::add(&mut self.transaction, &Job::HandOver(conversation), None).await?;
        Ok(DeliveryState::from_word(&row.state))
    }

    /// A person confirms a fax: `replies_to` is the preview, a message that it holds, or a notice about
    /// it, and `event_id` the command. Only the newest preview can be confirmed, and only when it stood in
    /// the room before the command.
    pub async fn confirm_fax(
        &mut self,
        conversation: ConversationId,
        replies_to: &str,
        (event_id, speaker): (&str, &str),
    ) -> Result<FaxConfirmation, StoreError> {
        let Some((dispatch, named)) = self.fax_behind(conversation, replies_to).await? else {
            return Ok(FaxConfirmation::Nothing);
        };
        let state =
            sqlx::query_scalar!("select state from dispatches where id = $1 for update", dispatch,)
                .fetch_one(&mut *self.transaction)
                .await?;
        let newest = self.newest_preview(dispatch).await?;
        let is_old = named.is_some_and(|named| newest.as_ref().is_none_or(|new| new.id != named));
        match (DeliveryState::from_word(&state), newest) {
            (Some(DeliveryState::Previewed), Some(_)) if is_old => Ok(FaxConfirmation::Old),
            (Some(DeliveryState::Previewed), Some(newest)) => {
                if !self.stood_before(&newest, event_id).await? {
                    return Ok(FaxConfirmation::NotShown);
                }
                self.note_confirmed(conversation, dispatch, newest.id, (event_id, speaker)).await?;
                Ok(FaxConfirmation::Now)
            }
            (
                Some(
                    DeliveryState::Collecting
                    | DeliveryState::Waiting
                    | DeliveryState::HandingOver
                    | DeliveryState::SendingBody,
                ),
                newest,
            ) => Ok(match newest {
                _ if is_old => FaxConfirmation::Old,
                Some(NewestPreview { confirmed_by: Some(by), .. }) => FaxConfirmation::Before(by),
                Some(NewestPreview { was_confirmed: false, .. }) => FaxConfirmation::Rewritten,
                Some(_) | None => FaxConfirmation::NotShown,
            }),
            (Some(DeliveryState::Withdrawn), _) => Ok(FaxConfirmation::Withdrawn),
            (Some(state), _) if state.needs_a_person() => Ok(FaxConfirmation::Failed),
            (Some(DeliveryState::Previewed), None) | (None, _) => Ok(FaxConfirmation::Nothing),
            (Some(_), _) => Ok(FaxConfirmation::Left),
        }
    }

    /// The dispatch that a message is about, and the preview that it is, if it is one.
    async fn fax_behind(
        &mut self,
        conversation: ConversationId,
        event_id: &str,
    ) -> Result<Option<(i64, Option<i64>)>, StoreError> {
        let row = sqlx::query!(
            r#"select preview.dispatch_id as "dispatch!", preview.id as "preview?"
             from posts as post
             join fax_previews as preview
                 on post.txn_id in
                     (preview.picture_txn_id, preview.file_txn_id, preview.words_txn_id)
             where post.event_id = $2
               and post.conversation_id = $1
             union all
             select dispatch.id, null
             from posts as post
             join dispatches as dispatch on dispatch.id = post.dispatch_id
             where post.event_id = $2
               and post.conversation_id = $1
             union all
             select dispatch.id, null
             from dispatch_parts as part
             join dispatches as dispatch on dispatch.id = part.dispatch_id
             where part.event_id = $2
               and dispatch.conversation_id = $1
             limit 1"#,
            conversation.0,
            event_id,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row.map(|row| (row.dispatch, row.preview)))
    }

    async fn newest_preview(&mut self, dispatch: i64) -> Result<Option<NewestPreview>, StoreError> {
        Ok(sqlx::query_as!(
            NewestPreview,
            r#"select
                 id,
                 picture_txn_id,
                 file_txn_id,
                 words_txn_id,
                 case when not was_taken_back(confirmed_in) then confirmed_by end
                     as "confirmed_by: String",
                 confirmed_by is not null as "was_confirmed!"
             from fax_previews
             where dispatch_id = $1
             order by id desc
             limit 1"#,
            dispatch,
        )
        .fetch_optional(&mut *self.transaction)
        .await?)
    }

    /// Whether all posts of a preview were in the room when an event was written, by the order of
    /// `/sync`: nobody confirms what could not be seen.
    async fn stood_before(
        &mut self,
        preview: &NewestPreview,
        event_id: &str,
    ) -> Result<bool, StoreError> {
        let stood = sqlx::query_scalar!(
            r#"select count(*) as "stood!"
             from posts as post
             left join room_events as echo on echo.event_id = post.event_id
             where post.txn_id in ($1, $2, $4)
               and post.state = 'sent'
               -- An echo that is not there any more came long ago.
               and case
                   when echo.id is null then post.echoed_at is not null
                   else echo.place < coalesce(
                       (select place from room_events where event_id = $3),
                       9223372036854775807
                   )
               end"#,
            preview.file_txn_id,
            preview.words_txn_id,
            event_id,
            preview.picture_txn_id,
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(stood == 2 + i64::from(preview.picture_txn_id.is_some()))
    }

    async fn note_confirmed(
        &mut self,
        conversation: ConversationId,
        dispatch: i64,
        preview: i64,
        (event_id, speaker): (&str, &str),
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update fax_previews
             set confirmed_by = $2,
                 confirmed_in = $3,
                 confirmed_at = $4
             where id = $1
               and confirmed_at is null",
            preview,
            speaker,
            event_id,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?;
        wait_again(&mut self.transaction, dispatch).await?;
        jobs::add(&mut self.transaction, &Job::HandOver(conversation), None).await?;
        Ok(())
    }

    /// Something was done to a message of a dispatch: a fax that waits is written anew, and shown anew if
    /// it is another one.
    pub async fn is_shown_anew(&mut self, stood: &Stood) -> Result<(), StoreError> {
        Ok(wait_again(&mut self.transaction, stood.dispatch.0).await?)
    }

    /// Whether a fax of a conversation waits to be confirmed.
    pub async fn fax_waits(&mut self, conversation: ConversationId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from dispatches
                 where conversation_id = $1
                   and state = 'previewed'
             ) as "waits!""#,
            conversation.0,
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }
}
