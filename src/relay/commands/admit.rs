//! `!einlassen`: lets a person from outside the team read along.

use tracing::info;

use super::{Effect, Request};
use crate::{
    model::ConversationId,
    phrases::Phrase,
    relay::members,
    store::{EventStep, LetIn, StoreError},
};

pub(super) fn prepare(request: &Request<'_>, person: Option<&str>) -> Result<Effect, Phrase> {
    members::outside_of_team(request.ctx, request.line, person).map(Effect::Admit)
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    user_id: String,
) -> Result<Phrase, StoreError> {
    Ok(match step.admit(conversation, &user_id).await? {
        LetIn::Now => {
            info!(conversation.id = %conversation, "A speaker let a person into a portal");
            Phrase::MemberAdmitted { user_id }
        }
        LetIn::Before => Phrase::MemberHereAlready { user_id },
    })
}
