//! `!original`: a letter as it came, as a file; in reply to what is said of an answer, the report that
//! says so; in reply to an absence note, the note.

use super::{Effect, Request};
use crate::{
    model::{ConversationId, LetterId},
    phrases::{FaxPhrase, Phrase},
    relay::scanning,
    store::{EventStep, StoreError},
};

pub(super) async fn prepare(request: &Request<'_>) -> Result<Result<Effect, Phrase>, StoreError> {
    let (store, conversation) = (&request.ctx.store, request.conversation);
    if let Some(event) = &request.message.replies_to {
        if let Some(report) = store.report_behind(conversation, event.as_str()).await? {
            return unless_infected(request, report).await;
        }
        if let Some(note) = store.note_behind(conversation, event.as_str()).await? {
            return unless_infected(request, note).await;
        }
    }
    Ok(match request.answered {
        None => Err(Phrase::OriginalMissing),
        // The original holds what is withheld.
        Some(letter) if letter.is_withheld => Err(Phrase::OriginalWithheld),
        Some(letter) => return unless_infected(request, letter.id).await,
    })
}

/// What a virus scanner found is handed out to nobody (KIM-20).
async fn unless_infected(
    request: &Request<'_>,
    letter: LetterId,
) -> Result<Result<Effect, Phrase>, StoreError> {
    if request.ctx.store.is_purged(letter).await? {
        return Ok(Err(Phrase::OfFax(FaxPhrase::MailPurged)));
    }
    let stays = scanning::original_stays(request.ctx, letter).await?;
    Ok(stays.map_or(Ok(Effect::Original(letter)), Err))
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
