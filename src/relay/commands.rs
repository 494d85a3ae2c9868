//! What a person asks the gateway for in a portal. The commands are rows of
//! [`COMMANDS`](crate::model::COMMANDS); each has its own file for what it does.

mod admit;
mod confirm;
mod dismiss;
mod help;
mod join;
mod matter;
mod move_letter;
mod name;
pub(super) mod original;
mod receipt;
mod release;
mod retry;
pub(super) mod rooms;
pub(super) mod send_fax;
mod start;
mod trust;

use super::{Ctx, Line};
use crate::{
    model::{ChannelKind, ConversationId, LetterId, RoomCommand, RoomLink, RoomMessage},
    phrases::Phrase,
    rules::commands::Asked,
    store::{AnsweredLetter, Conversation, EventStep, StoreError},
};

/// What a command comes to, once everything is looked up: the step of its event holds a connection,
/// and must not ask for a second one.
pub(super) enum Effect {
    /// Nothing is done, for this reason; or what was asked is said.
    Refused(Phrase),
    Unknown(String),
    Help,
    Original(LetterId),
    /// On a channel of this kind.
    Retry(ChannelKind),
    /// The person let in.
    Admit(String),
    /// The person sent out.
    Dismiss(String),
    /// The person with a new identity, and its key.
    Trust(String, String),
    /// The doubt about a caller.
    Confirm(String),
    Release(Box<release::AskedRelease>),
    Receipt(Box<receipt::AskedReceipt>),
    SendFax(Box<send_fax::WrittenConfirmation>),
    Name(Box<name::SpokenName>),
    Move(Box<move_letter::PlannedMove>),
    Join(Box<join::PlannedJoin>),
    Start(Box<start::PreparedStart>),
    ConfirmAddress(Box<confirm::ConfirmedAddress>),
    Matter(Box<matter::SpokenStep>),
}

impl Effect {
    /// The letter that follows the answer to the room.
    pub(super) fn original(&self) -> Option<LetterId> {
        match self {
            Self::Original(letter) => Some(*letter),
            _ => None,
        }
    }
}

/// A command in its room.
pub(super) struct Request<'a> {
    pub ctx: &'a Ctx,
    pub line: &'a Line,
    pub conversation: ConversationId,
    pub message: &'a RoomMessage,
    /// The letter that an answer in this place would answer.
    pub answered: Option<&'a AnsweredLetter>,
}

impl Request<'_> {
    /// Whether it answers a message of the room.
    fn is_reply(&self) -> bool {
        self.message.replies_to.is_some()
    }

    /// A link to this room.
    fn link(&self) -> RoomLink {
        RoomLink::to(&self.message.room_id, self.ctx.homeserver.server_name())
    }

    /// Looks up what is asked for; changes nothing.
    pub(super) async fn prepare(&self, asked: &Asked) -> Result<Effect, StoreError> {
        let (command, argument) = match asked {
            Asked::Unknown(word) => return Ok(Effect::Unknown(word.clone())),
            Asked::Known { command, argument } => (command.command, argument.as_deref()),
        };
        let effect = match command {
            RoomCommand::Help => Ok(Effect::Help),
            RoomCommand::Original => original::prepare(self).await?,
            RoomCommand::Retry => Ok(Effect::Retry(self.line.channel.kind())),
            RoomCommand::Admit => admit::prepare(self, argument).await?,
            RoomCommand::Dismiss => dismiss::prepare(self, argument),
            RoomCommand::Trust => trust::prepare(self, argument).await?,
            RoomCommand::Confirm => confirm::prepare(self).await?,
            RoomCommand::SendFax => send_fax::prepare(self),
            RoomCommand::Name => name::prepare(self, argument).await?,
            RoomCommand::Move => move_letter::prepare(self, argument).await?,
            RoomCommand::Split => move_letter::prepare_split(self),
            RoomCommand::Join => join::prepare(self, argument).await?,
            RoomCommand::StartKim => start::prepare(self, ChannelKind::Kim, argument).await?,
            RoomCommand::StartFax => start::prepare(self, ChannelKind::Fax, argument).await?,
            RoomCommand::Release => release::prepare(self),
            RoomCommand::Receipt => receipt::prepare(self),
            RoomCommand::Take | RoomCommand::HandOver | RoomCommand::Done | RoomCommand::Open => {
                matter::prepare(self, command, argument).await?
            }
        };
        Ok(effect.unwrap_or_else(Effect::Refused))
    }
}

/// Does what was asked within the step of its event, so that it is done once. Returns what the room
/// is told.
pub(super) async fn run(
    step: &mut EventStep<'_>,
    conversation: &Conversation,
    effect: Effect,
) -> Result<Phrase, StoreError> {
    let id = conversation.id;
    match effect {
        Effect::Refused(phrase) => Ok(phrase),
        Effect::Unknown(command) => Ok(Phrase::UnknownCommand { command }),
        Effect::Help => Ok(help::run()),
        Effect::Original(_) => Ok(original::run()),
        Effect::Retry(kind) => retry::run(step, id, kind).await,
        Effect::Admit(user_id) => admit::run(step, id, user_id).await,
        Effect::Dismiss(user_id) => dismiss::run(step, id, user_id).await,
        Effect::Trust(user_id, key) => trust::run(step, id, user_id, &key).await,
        Effect::Confirm(doubt) => confirm::run(step, id, &doubt).await,
        Effect::Release(asked) => release::run(step, &asked).await,
        Effect::Receipt(asked) => receipt::run(step, id, &asked).await,
        Effect::SendFax(written) => send_fax::run(step, id, &written).await,
        Effect::Start(prepared) => start::run(step, &prepared).await,
        Effect::ConfirmAddress(confirmed) => confirm::run_address(step, id, &confirmed).await,
        Effect::Name(spoken) => name::run(step, id, &spoken).await,
        Effect::Move(planned) => move_letter::run(step, id, &planned).await,
        Effect::Join(planned) => join::run(step, id, &planned).await,
        Effect::Matter(spoken) => matter::run(step, id, &spoken).await,
    }
}
