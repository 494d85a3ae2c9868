//! `!vertrauen`: confirms the new identity of a member.

use tracing::warn;

use super::{Effect, Request};
use crate::{
    model::ConversationId,
    phrases::Phrase,
    relay::identities,
    store::{EventStep, StoreError},
};

pub(super) async fn prepare(
    request: &Request<'_>,
    person: Option<&str>,
) -> Result<Result<Effect, Phrase>, StoreError> {
    let Request { ctx, line, message, .. } = request;
    let asked = identities::asked_for(ctx, line, &message.room_id, &message.sender, person).await?;
    Ok(asked.map(|(user_id, key)| Effect::Trust(user_id, key)))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    user_id: String,
    key: &str,
) -> Result<Phrase, StoreError> {
    if !step.confirm_identity(&user_id, key).await? {
        return Ok(Phrase::TrustNothing { user_id });
    }
    warn!(conversation.id = %conversation, "A speaker confirmed a member's new identity");
    Ok(Phrase::TrustConfirmed { user_id })
}
