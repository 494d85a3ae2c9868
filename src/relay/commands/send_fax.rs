//! `!faxen`: a fax that was shown may leave, as it was shown.

use tracing::info;

use super::{Effect, Request};
use crate::{
    model::ConversationId,
    phrases::{Phrase, RightsPhrase, SendingPhrase},
    relay::Line,
    store::{EventStep, FaxConfirmation, StoreError},
};

/// A confirmation that somebody wrote.
pub(in crate::relay) struct WrittenConfirmation {
    replies_to: String,
    event_id: String,
    speaker: String,
    /// Whether it takes another person than the author.
    takes_two: bool,
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
        takes_two: request.line.channel.rights.two_for_fax,
    })))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    written: &WrittenConfirmation,
) -> Result<Phrase, StoreError> {
    let WrittenConfirmation { replies_to, event_id, speaker, takes_two } = written;
    if *takes_two && is_own(step, conversation, replies_to, speaker).await? {
        return Ok(Phrase::OfRights(RightsPhrase::AnotherForFax));
    }
    let confirmation = step.confirm_fax(conversation, replies_to, (event_id, speaker)).await?;
    if confirmation == FaxConfirmation::Now {
        info!(conversation.id = %conversation, "A speaker confirmed a fax of conversation {conversation}");
    }
    Ok(phrase_of(confirmation, speaker))
}

/// Whether a fax is this speaker's own.
async fn is_own(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    message: &str,
    speaker: &str,
) -> Result<bool, StoreError> {
    let author = step.author_of_fax(conversation, message).await?;
    Ok(author.is_some_and(|author| author == speaker))
}

/// A speaker puts the sign of a confirmation to what is or was a preview. Returns what is said of it, if anything is.
pub(in crate::relay) async fn approve(
    step: &mut EventStep<'_>,
    line: &Line,
    conversation: ConversationId,
    preview: &str,
    (event_id, speaker): (&str, &str),
) -> Result<Option<Phrase>, StoreError> {
    if line.channel.rights.two_for_fax && is_own(step, conversation, preview, speaker).await? {
        return Ok(Some(Phrase::OfRights(RightsPhrase::AnotherForFax)));
    }
    let confirmation = step.approve_fax(conversation, preview, (event_id, speaker)).await?;
    Ok(phrase_of_sign(confirmation, speaker))
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
fn phrase_of_sign(confirmation: FaxConfirmation, speaker: &str) -> Option<Phrase> {
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
