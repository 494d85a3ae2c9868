//! What speakers ask for besides answers: one transaction with the note that their command was acted
//! upon, so that it is done once. The room is told what was done.

use sqlx::PgConnection;

use super::{ConfirmedBy, EventStep, Job, StoreError, identities, jobs};
use crate::model::ConversationId;

/// The outcome of letting a user in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetIn {
    /// The user is invited, and gets the keys from now on.
    Now,
    /// The user was let in before, and is there or invited.
    Before,
}

impl EventStep<'_> {
    /// A speaker lets a user in. A user who was let in before and is no longer there, or could not
    /// be invited, is invited once more.
    pub async fn admit(
        &mut self,
        conversation: ConversationId,
        user_id: &str,
    ) -> Result<LetIn, StoreError> {
        let changed = sqlx::query!(
            "insert into admitted (conversation_id, user_id, state, changed_at)
             values ($1, $2, 'in', $3)
             on conflict (conversation_id, user_id) do update
             set state = 'in',
                 changed_at = excluded.changed_at
             where admitted.state <> 'in'",
            conversation.0,
            user_id,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        if changed == 0 && self.is_in_the_portal(conversation, user_id).await? {
            return Ok(LetIn::Before);
        }
        is_invited_anew(&mut self.transaction, conversation, user_id).await?;
        Ok(LetIn::Now)
    }

    async fn is_in_the_portal(
        &mut self,
        conversation: ConversationId,
        user_id: &str,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"select exists (
                 select 1
                 from rooms as portal
                 join room_members as member on member.room_id = portal.room_id
                 where portal.conversation_id = $1
                   and portal.state <> 'gone'
                   and member.user_id = $2
                   and member.membership in ('join', 'invite')
             ) as "is_there!""#,
            conversation.0,
            user_id,
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }

    /// A speaker sends a user out again: the user gets no more keys, and is removed. `false`: no
    /// speaker had let the user in.
    pub async fn dismiss(
        &mut self,
        conversation: ConversationId,
        user_id: &str,
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query!(
            "update admitted
             set state = 'out',
                 changed_at = $3
             where conversation_id = $1
               and user_id = $2
               and state in ('in', 'asked')",
            conversation.0,
            user_id,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        if changed == 0 {
            return Ok(false);
        }
        is_invited_anew(&mut self.transaction, conversation, user_id).await?;
        sqlx::query!(
            "update room_readers
             set until = $3
             where user_id = $2
               and until is null
               and room_id in (select room_id from rooms where conversation_id = $1)",
            conversation.0,
            user_id,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(true)
    }

    /// A speaker confirmed what was doubtful about a caller. `false`: it was confirmed before.
    pub async fn settle_doubt(
        &mut self,
        conversation: ConversationId,
        doubt: &str,
    ) -> Result<bool, StoreError> {
        let settled = sqlx::query!(
            "insert into settled_doubts (conversation_id, doubt, settled_at)
             values ($1, $2, $3)
             on conflict do nothing",
            conversation.0,
            doubt,
            self.at,
        )
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        Ok(settled == 1)
    }

    /// A speaker confirmed a user's new identity; see [`super::Store::confirm_identity`].
    pub async fn confirm_identity(&mut self, user_id: &str, key: &str) -> Result<bool, StoreError> {
        let by = ConfirmedBy::Speaker;
        Ok(identities::confirm(&mut self.transaction, user_id, key, by, self.at).await?)
    }
}

/// Earlier invitations and tries count no more; a job looks after the room.
async fn is_invited_anew(
    connection: &mut PgConnection,
    conversation: ConversationId,
    user_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update rooms
         set invited = array_remove(invited, $2)
         where conversation_id = $1
           and $2 = any (invited)",
        conversation.0,
        user_id,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "delete from told_of_members
         where user_id = $2
           and what <> 'identity'
           and room_id in (select room_id from rooms where conversation_id = $1)",
        conversation.0,
        user_id,
    )
    .execute(&mut *connection)
    .await?;
    jobs::add(connection, &Job::SendPosts(conversation), None).await
}
