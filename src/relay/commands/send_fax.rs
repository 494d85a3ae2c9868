//! `!faxen`: a fax that was shown may leave, as it was shown.

use tracing::info;

use super::{Effect, Request};
use crate::{
    model::ConversationId,
    phrases::{Phrase, SendingPhrase},
    store::{EventStep, FaxConfirmation, StoreError},
};

/// A confirmation that somebody wrote.
pub(in crate::relay) struct WrittenConfirmation {
    replies_to: String,
    event_id: String,
    speaker: String,
}

/// Only as an answer: a speaker says which fax is meant.
pub(super) fn prepare(request: &Request<'_>) -> Result<Effect, Phrase> {
    if request.line.channel.fax_send().is_none() {
        return Err(Phrase::OfSending(SendingPhrase::NothingToSend));
    }
    let message = request.message;
    let replies_to = message.replies_to.as_ref();
    let replies_to = replies_to.ok_or(Phrase::OfSending(SendingPhrase::SendAnswersPreview))?;
    Ok(Effect::SendFax(Box::new(WrittenConfirmation {
        replies_to: replies_to.to_string(),
        event_id: message.event_id.to_string(),
        speaker: message.sender.to_string(),
    })))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    written: &WrittenConfirmation,
) -> Result<Phrase, StoreError> {
    let WrittenConfirmation { replies_to, event_id, speaker } = written;
    let confirmation = step.confirm_fax(conversation, replies_to, (event_id, speaker)).await?;
    if confirmation == FaxConfirmation::Now {
        info!(conversation.id = %conversation, "A speaker confirmed a fax of conversation {conversation}");
    }
    Ok(phrase_of(confirmation, speaker))
}

fn phrase_of(confirmation: FaxConfirmation, speaker: &str) -> Phrase {
    Phrase::OfSending(match confirmation {
        FaxConfirmation::Now => SendingPhrase::Confirmed { member: speaker.to_owned() },
        FaxConfirmation::Before(member) => SendingPhrase::ConfirmedBefore { member },
        FaxConfirmation::Nothing => SendingPhrase::NothingToSend,
        FaxConfirmation::Old => SendingPhrase::PreviewIsOld,
        FaxConfirmation::NotShown => SendingPhrase::PreviewFollows,
        FaxConfirmation::Rewritten => SendingPhrase::BeingRewritten,
        FaxConfirmation::Left => SendingPhrase::HasLeft,
        FaxConfirmation::Failed => SendingPhrase::SendFailed,
        FaxConfirmation::Withdrawn => SendingPhrase::SendWithdrawn,
    })
}

/// What is said of a sign that was put to a preview. Where several people put theirs to it, or one does so
/// late, nothing went wrong and nothing is said.
pub(in crate::relay) fn phrase_of_sign(
    confirmation: FaxConfirmation,
    speaker: &str,
) -> Option<Phrase> {
    match confirmation {
        FaxConfirmation::Nothing | FaxConfirmation::Before(_) | FaxConfirmation::Left => None,
        FaxConfirmation::Now
        | FaxConfirmation::Old
        | FaxConfirmation::NotShown
        | FaxConfirmation::Rewritten
        | FaxConfirmation::Failed
        | FaxConfirmation::Withdrawn => Some(phrase_of(confirmation, speaker)),
    }
}
