//! What people say about a matter: one transaction with the note that their event was acted upon.

use super::{
    EventStep, StoreError,
    matters::{StepOrigin, keep, lock, steps_that_count, take},
};
use crate::{
    model::ConversationId,
    rules::matters::{self, Matter, MatterStep},
};

/// What a step of a person came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatterMoved {
    pub before: Matter,
    pub after: Matter,
}

impl EventStep<'_> {
    /// A member takes a step, by a command or by a sign (its event, and the conversation in whose room it
    /// stands). `None`: the conversation is a tray, which asks nothing of anybody.
    pub async fn move_matter(
        &mut self,
        conversation: ConversationId,
        step: &MatterStep,
        author: &str,
        sign: Option<(&str, ConversationId)>,
    ) -> Result<Option<MatterMoved>, StoreError> {
        let (connection, at) = (&mut *self.transaction, self.at);
        let Some(before) = lock(connection, conversation, at).await? else { return Ok(None) };
        let origin = StepOrigin { author: Some(author), sign, ..StepOrigin::default() };
        let after = take(connection, conversation, &before, (step, origin), at).await?;
        Ok(Some(MatterMoved { before, after }))
    }

    /// The conversation that an event in the room of this one is about: a post of a letter is about its
    /// own, a line of a tray about the one it names. `None`: it is about none.
    pub async fn conversation_behind(
        &mut self,
        room_of: ConversationId,
        event_id: &str,
    ) -> Result<Option<ConversationId>, StoreError> {
        let found = sqlx::query_scalar!(
            r#"select coalesce(
                 line.conversation_id,
                 case when post.letter_id is not null then post.conversation_id end
             ) as "conversation"
             from posts as post
             left join tray_lines as line on line.txn_id = post.txn_id
             where post.event_id = $2
               and post.conversation_id = $1
             limit 1"#,
            room_of.0,
            event_id,
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(found.flatten().map(ConversationId))
    }

    /// A sign that had moved a matter is gone: the matter stands where the other steps lead. `false`: it
    /// had moved none.
    pub async fn sign_is_gone(
        &mut self,
        room_of: ConversationId,
        event_id: &str,
    ) -> Result<bool, StoreError> {
        let (connection, at) = (&mut *self.transaction, self.at);
        let conversation = sqlx::query_scalar!(
            "select conversation_id
             from matter_steps
             where sign = $1
               and sign_in = $2
               and taken_back_at is null",
            event_id,
            room_of.0,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(conversation) = conversation.map(ConversationId) else { return Ok(false) };
        let Some(before) = lock(connection, conversation, at).await? else { return Ok(false) };
        sqlx::query!("update matter_steps set taken_back_at = $2 where sign = $1", event_id, at,)
            .execute(&mut *connection)
            .await?;
        let steps = steps_that_count(connection, conversation).await?;
        let after = matters::after_all(&steps).unwrap_or_else(|| Matter::new(at));
        if after.differs(&before) {
            keep(connection, conversation, &after).await?;
        }
        Ok(true)
    }
}
