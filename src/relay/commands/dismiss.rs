//! `!ausladen`: sends out a person whom `!einlassen` let in.

use tracing::info;

use super::{Effect, Request};
use crate::{
    model::ConversationId,
    phrases::Phrase,
    relay::members,
    store::{EventStep, StoreError},
};

pub(super) fn prepare(request: &Request<'_>, person: Option<&str>) -> Result<Effect, Phrase> {
    members::outside_of_team(request.ctx, request.line, person).map(Effect::Dismiss)
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    user_id: String,
) -> Result<Phrase, StoreError> {
    if !step.dismiss(conversation, &user_id).await? {
        return Ok(Phrase::MemberNotAdmitted { user_id });
    }
    info!(conversation.id = %conversation, "A speaker sent a person out of a portal");
    Ok(Phrase::MemberDismissed { user_id })
}
