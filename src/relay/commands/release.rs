//! `!freigeben`: shows a letter that KIM does not vouch for (KIM-13).

use tracing::warn;

use super::{Effect, Request};
use crate::{
    model::LetterId,
    phrases::{Phrase, RightsPhrase},
    store::{EventStep, StoreError},
};

/// A release that somebody wants.
pub(in crate::relay) struct AskedRelease {
    letter: LetterId,
    speaker: String,
    /// Whether it takes two persons.
    takes_two: bool,
}

/// Only as an answer to the warning: a speaker says which letter is meant.
pub(super) fn prepare(request: &Request<'_>) -> Result<Effect, Phrase> {
    let letter = request.answered.filter(|letter| letter.is_withheld);
    let letter = letter.ok_or(Phrase::NothingToRelease)?;
    if !request.is_reply() {
        return Err(Phrase::ReleaseAnswersWarning);
    }
    let speaker = request.message.sender.to_string();
    let takes_two = request.line.channel.rights.two_for_release;
    Ok(Effect::Release(Box::new(AskedRelease { letter: letter.id, speaker, takes_two })))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    asked: &AskedRelease,
) -> Result<Phrase, StoreError> {
    let AskedRelease { letter, speaker, takes_two } = asked;
    if *takes_two && !step.second_release(*letter, speaker).await? {
        let member = speaker.clone();
        return Ok(Phrase::OfRights(RightsPhrase::ReleaseAsked { member }));
    }
    if !step.release(*letter, speaker).await? {
        return Ok(Phrase::NothingToRelease);
    }
    warn!(letter.id = %letter, "A speaker released letter {letter}, for which KIM does not vouch");
    Ok(Phrase::ReleasedBy { user_id: speaker.clone() })
}
