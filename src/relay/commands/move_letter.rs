//! `!verschieben` and `!abtrennen`, in answer to a letter: it belongs into another room of its correspondent,
//! or gets one of its own.

use tracing::info;

use super::{Effect, Request, rooms::NamedRoom};
use crate::{
    channel::ThreadBy,
    model::{ConversationId, LetterId, Notice},
    phrases::{MovePhrase, Phrase},
    relay::notices::notice,
    store::{EventStep, LetterMoved, MovingLetter, StoreError},
};

/// A letter that goes elsewhere.
pub(in crate::relay) struct PlannedMove {
    letter: LetterId,
    to: Option<ConversationId>,
    speaker: String,
    event_id: String,
    /// What is said there.
    there: Notice,
    /// What is said here.
    here: MovePhrase,
}

/// Into the room that is named.
pub(super) async fn prepare(
    request: &Request<'_>,
    room: Option<&str>,
) -> Result<Result<Effect, Phrase>, StoreError> {
    let letter = match asked_of(request) {
        Ok(letter) => letter,
        Err(phrase) => return Ok(Err(Phrase::OfMove(phrase))),
    };
    let named = match NamedRoom::find(request, room).await? {
        Ok(named) => named,
        Err(phrase) => return Ok(Err(Phrase::OfMove(phrase))),
    };
    let here = MovePhrase::Moved { link: named.link };
    let there = MovePhrase::MovedHere { link: request.link() };
    Ok(Ok(planned(request, (letter, Some(named.conversation)), here, there)))
}

/// Into a room of its own.
pub(super) fn prepare_split(request: &Request<'_>) -> Result<Effect, Phrase> {
    let letter = asked_of(request).map_err(Phrase::OfMove)?;
    if request.line.channel.thread_by == ThreadBy::Correspondent {
        return Err(Phrase::OfMove(MovePhrase::OneRoomEach));
    }
    let there = MovePhrase::SplitFrom { link: request.link() };
    Ok(planned(request, (letter, None), MovePhrase::Split, there))
}

/// Only as an answer: a speaker says which letter is meant.
fn asked_of(request: &Request<'_>) -> Result<LetterId, MovePhrase> {
    match request.answered.filter(|_| request.is_reply()) {
        None => Err(MovePhrase::WhichLetter),
        Some(letter) if letter.went_to.is_some() => Err(MovePhrase::Gone),
        Some(letter) => Ok(letter.id),
    }
}

fn planned(
    request: &Request<'_>,
    (letter, to): (LetterId, Option<ConversationId>),
    here: MovePhrase,
    there: MovePhrase,
) -> Effect {
    Effect::Move(Box::new(PlannedMove {
        letter,
        to,
        speaker: request.message.sender.to_string(),
        event_id: request.message.event_id.to_string(),
        there: notice(request.line, &Phrase::OfMove(there)),
        here,
    }))
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    from: ConversationId,
    planned: &PlannedMove,
) -> Result<Phrase, StoreError> {
    let PlannedMove { letter, to, speaker, event_id, there: notice, here } = planned;
    let moving = MovingLetter { letter: *letter, from, to: *to, speaker, event_id, notice };
    let said = match step.move_letter(moving).await? {
        LetterMoved::To(to) => {
            info!(letter.id = %letter, "A speaker moved letter {letter} from conversation {from} to {to}");
            here.clone()
        }
        LetterMoved::NotYet => MovePhrase::NotYet,
        LetterMoved::Gone => MovePhrase::Gone,
    };
    Ok(Phrase::OfMove(said))
}
