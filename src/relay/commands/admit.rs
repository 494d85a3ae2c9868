//! `!einlassen`: lets a person from outside the team read along.

use tracing::info;

use super::{Effect, Request};
use crate::{
    model::ConversationId,
    phrases::{InsuredPhrase, InsuredUser, Phrase},
    relay::members,
    rules::audience::Insured,
    store::{EventStep, LetIn, StoreError},
};

pub(super) async fn prepare(
    request: &Request<'_>,
    person: Option<&str>,
) -> Result<Result<Effect, Phrase>, StoreError> {
    let Request { ctx, line, conversation, message, .. } = *request;
    let user_id = match members::outside_of_team(ctx, line, person) {
        Ok(user_id) => user_id,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let room = message.room_id.as_str();
    let insured = members::insured_newcomer(ctx, line, conversation, room, &user_id).await?;
    Ok(match insured {
        Insured::No | Insured::Alone => Ok(Effect::Admit(user_id)),
        Insured::Barred => Err(InsuredPhrase::NotAdmitted { member: InsuredUser(user_id) }),
        Insured::Second => Err(InsuredPhrase::NotASecond { member: InsuredUser(user_id) }),
    }
    .map_err(Phrase::OfInsured))
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
