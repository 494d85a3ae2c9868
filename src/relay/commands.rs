//! What a person asks the gateway for in a portal.

use super::{Ctx, Line, hand_over::UNCLEAR, identities, members};
use crate::{
    model::{LetterId, RoomEvent},
    phrases::Phrase,
    rules::routing::Command,
    store::{AnsweredLetter, Conversation, Resolution, StoreError},
};

/// Does what was asked, and says what the room is told, and which letter's original follows.
pub(super) async fn run(
    ctx: &Ctx,
    line: &Line,
    conversation: &Conversation,
    event: &RoomEvent,
    command: Command,
    answered: Option<AnsweredLetter>,
) -> Result<(Phrase, Option<LetterId>), StoreError> {
    match command {
        Command::Help => Ok((Phrase::CommandsHelp, None)),
        Command::Unknown(command) => Ok((Phrase::UnknownCommand { command }, None)),
        Command::Original => {
            let letter = original(ctx, conversation, event).await?;
            let phrase = letter.map_or(Phrase::OriginalMissing, |_| Phrase::OriginalFollows);
            Ok((phrase, letter))
        }
        Command::Retry => Ok((retry(ctx, conversation).await?, None)),
        Command::Admit(person) => {
            Ok((members::admit(ctx, line, conversation.id, person.as_deref()).await?, None))
        }
        Command::Dismiss(person) => {
            Ok((members::dismiss(ctx, line, conversation.id, person.as_deref()).await?, None))
        }
        Command::Trust(person) => {
            let RoomEvent::Message(message) = event else {
                return Ok((Phrase::CommandsHelp, None));
            };
            let (room, speaker) = (&message.room_id, &message.sender);
            let person = person.as_deref();
            let phrase =
                identities::confirm(ctx, line, conversation.id, room, speaker, person).await?;
            Ok((phrase, None))
        }
        Command::Confirm => match answered.and_then(|letter| letter.open_doubt) {
            Some(doubt) => {
                ctx.store.settle_doubt(conversation.id, &doubt, ctx.clock.now()).await?;
                Ok((Phrase::CallerConfirmed, None))
            }
            None => Ok((Phrase::NothingToConfirm, None)),
        },
    }
}

/// The letter as it came: the one the command answers, else the newest.
async fn original(
    ctx: &Ctx,
    conversation: &Conversation,
    event: &RoomEvent,
) -> Result<Option<LetterId>, StoreError> {
    let RoomEvent::Message(message) = event else { return Ok(None) };
    let answered = match &message.replies_to {
        Some(event_id) => ctx.store.letter_of_event(conversation.id, event_id.as_str()).await?,
        None => None,
    };
    match answered {
        Some(letter) => Ok(Some(letter)),
        None => Ok(ctx.store.newest_letter(conversation.id).await?.map(|letter| letter.id)),
    }
}

/// Hands over once more what failed or is unclear in this conversation.
async fn retry(ctx: &Ctx, conversation: &Conversation) -> Result<Phrase, StoreError> {
    let parked = ctx.store.parked_dispatches(conversation.id).await?;
    for item in &parked {
        ctx.store.resolve_parked(item.id, Resolution::Retry, ctx.clock.now()).await?;
    }
    Ok(match parked.iter().any(|item| item.reason == UNCLEAR) {
        _ if parked.is_empty() => Phrase::RetryNothing,
        true => Phrase::RetryMayDouble,
        false => Phrase::RetryQueued,
    })
}
