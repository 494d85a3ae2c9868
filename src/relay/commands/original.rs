//! `!original`: a letter as it came, as a file; in reply to what is said of an answer, the report that
//! says so; in reply to an absence note, the note.

use super::{Effect, Request};
use crate::{
    model::{ConversationId, LetterId},
    phrases::Phrase,
    store::{EventStep, StoreError},
};

pub(super) async fn prepare(request: &Request<'_>) -> Result<Result<Effect, Phrase>, StoreError> {
    let (store, conversation) = (&request.ctx.store, request.conversation);
    if let Some(event) = &request.message.replies_to {
        if let Some(report) = store.report_behind(conversation, event.as_str()).await? {
            return Ok(Ok(Effect::Original(report)));
        }
        if let Some(note) = store.note_behind(conversation, event.as_str()).await? {
            return Ok(Ok(Effect::Original(note)));
        }
    }
    Ok(match request.answered {
        None => Err(Phrase::OriginalMissing),
        // The original holds what is withheld.
        Some(letter) if letter.is_withheld => Err(Phrase::OriginalWithheld),
        Some(letter) => Ok(Effect::Original(letter.id)),
    })
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
