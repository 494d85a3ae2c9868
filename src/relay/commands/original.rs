//! `!original`: a letter as it came, as a file.

use super::{Effect, Request};
use crate::{
    model::{ConversationId, LetterId},
    phrases::Phrase,
    store::{EventStep, StoreError},
};

pub(super) fn prepare(request: &Request<'_>) -> Result<Effect, Phrase> {
    let letter = request.answered.ok_or(Phrase::OriginalMissing)?;
    // The original holds what is withheld.
    if letter.is_withheld {
        return Err(Phrase::OriginalWithheld);
    }
    Ok(Effect::Original(letter.id))
}

pub(super) fn run() -> Phrase {
    Phrase::OriginalFollows
}

/// Puts the letter after what the room was told.
pub(in crate::relay) async fn follow(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    event_id: &str,
    letter: LetterId,
) -> Result<(), StoreError> {
    let txn_id = format!("e{event_id}");
    step.original(conversation, &txn_id, letter).await
}
