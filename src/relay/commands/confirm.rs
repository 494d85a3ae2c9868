//! `!bestätigen`: a fax number is right, and answers may go there; or the address of a new conversation is.

use tracing::info;

use super::{Effect, Request};
use crate::{
    model::{ChannelKind, ConversationId},
    phrases::{Phrase, StartPhrase},
    rules::starting::needs_confirmation,
    store::{AddressConfirmation, EventStep, StoreError},
};

/// An address that somebody confirmed.
pub(in crate::relay) struct ConfirmedAddress {
    event_id: String,
    speaker: String,
}

pub(super) async fn prepare(request: &Request<'_>) -> Result<Result<Effect, Phrase>, StoreError> {
    let doubt = request.answered.and_then(|letter| letter.open_doubt.clone());
    if let Some(doubt) = doubt {
        return Ok(Ok(Effect::Confirm(doubt)));
    }
    if request.line.channel.kind() != ChannelKind::Kim {
        return Ok(Err(Phrase::NothingToConfirm));
    }
    let facts = request.ctx.store.address_of_started(request.conversation).await?;
    Ok(match facts {
        None => Err(Phrase::NothingToConfirm),
        Some(facts) if facts.is_confirmed => Err(Phrase::OfStart(StartPhrase::ConfirmedBefore)),
        Some(facts) if !needs_confirmation(facts) => Err(Phrase::NothingToConfirm),
        Some(_) => Ok(Effect::ConfirmAddress(Box::new(ConfirmedAddress {
            event_id: request.message.event_id.to_string(),
            speaker: request.message.sender.to_string(),
        }))),
    })
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    doubt: &str,
) -> Result<Phrase, StoreError> {
    let is_settled = step.settle_doubt(conversation, doubt).await?;
    Ok(if is_settled { Phrase::CallerConfirmed } else { Phrase::NothingToConfirm })
}

pub(super) async fn run_address(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    confirmed: &ConfirmedAddress,
) -> Result<Phrase, StoreError> {
    let ConfirmedAddress { event_id, speaker } = confirmed;
    let said = match step.confirm_address(conversation, (event_id, speaker)).await? {
        AddressConfirmation::Now => {
            info!(conversation.id = %conversation, "A speaker confirmed the address of conversation {conversation}");
            StartPhrase::Confirmed { member: speaker.clone() }
        }
        AddressConfirmation::Before => StartPhrase::ConfirmedBefore,
        AddressConfirmation::NotShown => StartPhrase::NotShownYet,
    };
    Ok(Phrase::OfStart(said))
}
