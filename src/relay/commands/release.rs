//! `!freigeben`: shows a letter that KIM does not vouch for (KIM-13).

use tracing::warn;

use super::{Effect, Request};
use crate::{
    model::LetterId,
    phrases::Phrase,
    store::{EventStep, StoreError},
};

/// Only as an answer to the warning: a speaker says which letter is meant.
pub(super) fn prepare(request: &Request<'_>) -> Result<Effect, Phrase> {
    let letter = request.answered.filter(|letter| letter.is_withheld);
    let letter = letter.ok_or(Phrase::NothingToRelease)?;
    if !request.is_reply() {
        return Err(Phrase::ReleaseAnswersWarning);
    }
    Ok(Effect::Release(letter.id, request.message.sender.to_string()))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    letter: LetterId,
    speaker: String,
) -> Result<Phrase, StoreError> {
    if !step.release(letter, &speaker).await? {
        return Ok(Phrase::NothingToRelease);
    }
    warn!(letter.id = %letter, "A speaker released letter {letter}, for which KIM does not vouch");
    Ok(Phrase::ReleasedBy { user_id: speaker })
}
