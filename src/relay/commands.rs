//! What a person asks the gateway for in a portal.

use super::{Ctx, Line, damage::UNCLEAR, identities, members};
use crate::{
    model::{LetterId, RoomEvent},
    phrases::Phrase,
    rules::routing::Command,
    store::{AnsweredLetter, Conversation, EventStep, StoreError},
};

/// What a command needs to be looked up, or does at another place, before the step of its event:
/// that holds a connection, and asks for no second one. Doing it twice does nothing twice.
#[derive(Default)]
pub(super) struct Prepared {
    /// What the room is told.
    phrase: Option<Phrase>,
    /// The letter that follows.
    pub(super) original: Option<LetterId>,
}

pub(super) async fn prepare(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    event: &RoomEvent,
    command: &Command,
    answered: Option<&AnsweredLetter>,
) -> Result<Prepared, StoreError> {
    let id = conversation.id;
    let phrase = match command {
        Command::Original => {
            // The one it answers, as an answer would.
            let original = answered.map(|letter| letter.id);
            return Ok(Prepared { original, ..Prepared::default() });
        }
        Command::Admit(person) => members::admit(ctx, line, id, person.as_deref()).await?,
        Command::Dismiss(person) => members::dismiss(ctx, line, id, person.as_deref()).await?,
        Command::Trust(person) => {
            let RoomEvent::Message(message) = event else { return Ok(Prepared::default()) };
            let (room, speaker) = (&message.room_id, &message.sender);
            identities::confirm(ctx, line, id, room, speaker, person.as_deref()).await?
        }
        Command::Confirm => match answered.and_then(|letter| letter.open_doubt.as_deref()) {
            Some(doubt) => {
                ctx.store.settle_doubt(id, doubt, ctx.clock.now()).await?;
                Phrase::CallerConfirmed
            }
            None => Phrase::NothingToConfirm,
        },
        Command::Help | Command::Retry | Command::Unknown(_) => return Ok(Prepared::default()),
    };
    Ok(Prepared { phrase: Some(phrase), ..Prepared::default() })
}

/// Does what was asked within the step of its event, so that it is done once, and says what the
/// room is told.
pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: &Conversation,
    command: Command,
    prepared: Prepared,
) -> Result<Phrase, StoreError> {
    if let Some(phrase) = prepared.phrase {
        return Ok(phrase);
    }
    Ok(match command {
        Command::Original if prepared.original.is_some() => Phrase::OriginalFollows,
        Command::Original => Phrase::OriginalMissing,
        Command::Retry => retry(step, conversation).await?,
        Command::Unknown(command) => Phrase::UnknownCommand { command },
        Command::Help
        | Command::Admit(_)
        | Command::Dismiss(_)
        | Command::Trust(_)
        | Command::Confirm => Phrase::CommandsHelp,
    })
}

/// Hands over once more what failed or is unclear in this conversation.
async fn retry(
    step: &mut EventStep<'_>,
    conversation: &Conversation,
) -> Result<Phrase, StoreError> {
    let parked = step.retry_parked(conversation.id).await?;
    Ok(match parked.iter().any(|(item, may_double)| *may_double || item.reason == UNCLEAR) {
        _ if parked.is_empty() => Phrase::RetryNothing,
        true => Phrase::RetryMayDouble,
        false => Phrase::RetryQueued,
    })
}
