//! What a person asks the gateway for in a portal.

use tracing::{info, warn};

use super::{Ctx, Line, damage::UNCLEAR, identities, members};
use crate::{
    model::{LetterId, RoomEvent},
    phrases::Phrase,
    rules::routing::Command,
    store::{AnsweredLetter, Conversation, EventStep, LetIn, StoreError},
};

/// What a command comes to as far as it is looked up before the step of its event: that holds a
/// connection, and asks for no second one.
#[derive(Default)]
pub(super) enum Prepared {
    /// There is nothing to look up.
    #[default]
    Nothing,
    /// Nothing is done, and this is why.
    Refused(Phrase),
    /// The letter that follows.
    Original(LetterId),
    Admit(String),
    Dismiss(String),
    /// Somebody's new identity, and the key of the one that is meant.
    Trust(String, String),
    /// What was not sure about a caller.
    Confirm(String),
}

impl Prepared {
    /// The letter that follows.
    pub(super) fn original(&self) -> Option<LetterId> {
        match self {
            Self::Original(letter) => Some(*letter),
            _ => None,
        }
    }
}

pub(super) async fn prepare(
    ctx: &Ctx,
    line: &Line,
    event: &RoomEvent,
    command: &Command,
    answered: Option<&AnsweredLetter>,
) -> Result<Prepared, StoreError> {
    let of_member = |person: &Option<String>, wanted: fn(String) -> Prepared| {
        members::outside_of_team(ctx, line, person.as_deref())
            .map_or_else(Prepared::Refused, wanted)
    };
    Ok(match command {
        // The letter that an answer in this place would answer.
        Command::Original => answered.map_or_else(
            || Prepared::Refused(Phrase::OriginalMissing),
            |letter| Prepared::Original(letter.id),
        ),
        Command::Admit(person) => of_member(person, Prepared::Admit),
        Command::Dismiss(person) => of_member(person, Prepared::Dismiss),
        Command::Trust(person) => {
            let RoomEvent::Message(message) = event else { return Ok(Prepared::Nothing) };
            let (room, speaker) = (&message.room_id, &message.sender);
            identities::asked_for(ctx, line, room, speaker, person.as_deref())
                .await?
                .map_or_else(Prepared::Refused, |(user, key)| Prepared::Trust(user, key))
        }
        Command::Confirm => {
            let doubt = answered.and_then(|letter| letter.open_doubt.clone());
            doubt.map_or_else(|| Prepared::Refused(Phrase::NothingToConfirm), Prepared::Confirm)
        }
        Command::Help | Command::Retry | Command::Unknown(_) => Prepared::Nothing,
    })
}

/// Does what was asked within the step of its event, so that it is done once, and says what the
/// room is told.
pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: &Conversation,
    command: Command,
    prepared: Prepared,
) -> Result<Phrase, StoreError> {
    let id = conversation.id;
    Ok(match (prepared, command) {
        (Prepared::Refused(phrase), _) => phrase,
        (Prepared::Original(_), _) => Phrase::OriginalFollows,
        (Prepared::Admit(user_id), _) => match step.admit(id, &user_id).await? {
            LetIn::Now => {
                info!(conversation.id = %id, "A speaker let somebody into a portal");
                Phrase::MemberAdmitted { user_id }
            }
            LetIn::Before => Phrase::MemberHereAlready { user_id },
        },
        (Prepared::Dismiss(user_id), _) => {
            if step.dismiss(id, &user_id).await? {
                info!(conversation.id = %id, "A speaker sent somebody out of a portal");
                Phrase::MemberDismissed { user_id }
            } else {
                Phrase::MemberNotAdmitted { user_id }
            }
        }
        (Prepared::Trust(user_id, key), _) => {
            if step.confirm_identity(&user_id, &key).await? {
                warn!(conversation.id = %id, "A speaker confirmed a member's new identity");
                Phrase::TrustConfirmed { user_id }
            } else {
                Phrase::TrustNothing { user_id }
            }
        }
        (Prepared::Confirm(doubt), _) => {
            if step.settle_doubt(id, &doubt).await? {
                Phrase::CallerConfirmed
            } else {
                Phrase::NothingToConfirm
            }
        }
        (Prepared::Nothing, Command::Retry) => retry(step, conversation).await?,
        (Prepared::Nothing, Command::Unknown(command)) => Phrase::UnknownCommand { command },
        (Prepared::Nothing, _) => Phrase::CommandsHelp,
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
