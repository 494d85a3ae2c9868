//! `!kim` and `!fax`: a speaker begins a conversation, in a room of its own.

use ruma::{OwnedServerName, RoomId};
use tracing::info;

use super::{Effect, Request};
use crate::{
    channel::{FaxSend, number_shown},
    model::{
        ChannelKind, ChannelName, Correspondent, GhostName, MessageKind, Notice, RoomLink,
        WhyNoStart,
    },
    phrases::{MustConfirm, Phrase, SendingPhrase, StartPhrase},
    relay::{Ctx, Line, directory, fax_names, notices::notice},
    rules::starting::{
        NoStartChannel, WantedRecipient, WantedStart, channel_for, needs_confirmation, wanted,
    },
    store::{Begun, EventStep, NewConversation, StoreError},
};

/// A conversation that a speaker wants to begin.
pub(in crate::relay) struct PreparedStart {
    channel: ChannelName,
    correspondent: Correspondent,
    subject: Option<String>,
    event_id: String,
    /// The first words in its room.
    opening: Notice,
    is_only_one: bool,
    /// Our homeserver, through which its rooms are found.
    server: OwnedServerName,
}

pub(super) async fn prepare(
    request: &Request<'_>,
    kind: ChannelKind,
    said: Option<&str>,
) -> Result<Result<Effect, Phrase>, StoreError> {
    match find(request, kind, said) {
        Ok(found) => Ok(Ok(Effect::Start(Box::new(opened(request, found).await?)))),
        Err(phrase) => Ok(Err(phrase)),
    }
}

/// Whom a command means, on which line.
struct FoundStart<'a> {
    line: &'a Line,
    correspondent: Correspondent,
    subject: Option<String>,
}

fn find<'a>(
    request: &Request<'a>,
    kind: ChannelKind,
    said: Option<&str>,
) -> Result<FoundStart<'a>, Phrase> {
    let WantedStart { channel, recipient, subject } =
        wanted(kind, said.unwrap_or_default(), body_of(request)).map_err(refused)?;
    let line = line_for(request, kind, channel.as_deref(), &recipient)?;
    if line.channel.fax_send() == Some(FaxSend::Off) {
        return Err(Phrase::OfSending(SendingPhrase::Off));
    }
    let correspondent = match recipient {
        WantedRecipient::Address(address) => Correspondent::Mail(address),
        WantedRecipient::Number(number) => {
            let number = line.channel.typed_number(&number);
            Correspondent::Fax(number.ok_or(refused(WhyNoStart::NoNumber))?)
        }
    };
    if is_ours(request.ctx, &correspondent) {
        return Err(refused(WhyNoStart::Own));
    }
    line.channel.recipient(&correspondent).map_err(super::super::notices::unreachable_phrase)?;
    let room_for_name = request.ctx.homeserver.room_for_ghost_name();
    GhostName::of(&correspondent, room_for_name).map_err(|_| refused(WhyNoStart::TooLong))?;
    Ok(FoundStart { line, correspondent, subject })
}

fn refused(why: WhyNoStart) -> Phrase {
    Phrase::OfStart(StartPhrase::Refused { why })
}

/// The message as it came.
fn body_of<'a>(request: &Request<'a>) -> &'a str {
    match &request.message.kind {
        MessageKind::Text(words) | MessageKind::Emote(words) | MessageKind::Notice(words) => {
            &words.body
        }
        _ => "",
    }
}

/// The line on which it begins.
fn line_for<'a>(
    request: &Request<'a>,
    kind: ChannelKind,
    named: Option<&str>,
    recipient: &WantedRecipient,
) -> Result<&'a Line, Phrase> {
    let ctx = request.ctx;
    let speaker = request.message.sender.as_str();
    let is_theirs = |line: &&Line| line.channel.kind() == kind && line.channel.lets_speak(speaker);
    let all: Vec<ChannelName> =
        ctx.channels.values().filter(is_theirs).map(|line| line.channel.name.clone()).collect();
    let name = channel_for(named, &request.line.channel.name, &all).map_err(|why| match why {
        NoStartChannel::None => refused(WhyNoStart::NoChannel),
        NoStartChannel::Several(channels) => which_of(&channels, kind, recipient),
    })?;
    ctx.channels.get(&name).ok_or_else(|| refused(WhyNoStart::NoChannel))
}

fn which_of(channels: &[ChannelName], kind: ChannelKind, recipient: &WantedRecipient) -> Phrase {
    let names: Vec<String> = channels.iter().map(ToString::to_string).collect();
    let first = names.first().cloned().unwrap_or_default();
    let recipient = match recipient {
        WantedRecipient::Address(address) => address.as_str(),
        WantedRecipient::Number(number) => number,
    };
    Phrase::OfStart(StartPhrase::WhichChannel {
        channels: names.join(", "),
        command: format!("{}@{first} {recipient}", kind.word()),
    })
}

/// Whether it is an address or number of ours, on whichever channel: it would come back as a letter.
fn is_ours(ctx: &Ctx, correspondent: &Correspondent) -> bool {
    ctx.channels.values().any(|line| match correspondent {
        Correspondent::Mail(address) => line.channel.address == *address,
        Correspondent::Fax(number) => line.channel.fax().is_some_and(|fax| fax.number == *number),
        _ => false,
    })
}

/// What its room is told first. The directory is asked here, for nothing but these words.
async fn opened(request: &Request<'_>, found: FoundStart<'_>) -> Result<PreparedStart, StoreError> {
    let FoundStart { line, correspondent, subject } = found;
    let ctx = request.ctx;
    let channel = line.channel.label.clone();
    let said = subject.clone().unwrap_or_default();
    let phrase = match &correspondent {
        Correspondent::Mail(address) => StartPhrase::OpenedKim {
            address: address.as_str().to_owned(),
            channel,
            subject: said,
            listed: directory::says(ctx, line, address).await?,
            confirm: MustConfirm(needs_confirmation(
                ctx.store.address_known(&line.channel.name, &correspondent).await?,
            )),
        },
        other => {
            let number = other.number().map(number_shown).unwrap_or_default();
            let number = match fax_names::name_of(ctx, line, other, None) {
                Some(name) => format!("{number} · {name}"),
                None => number,
            };
            StartPhrase::OpenedFax { number, channel, subject: said }
        }
    };
    Ok(PreparedStart {
        channel: line.channel.name.clone(),
        is_only_one: line.channel.gathers(&correspondent)
            == crate::channel::ThreadBy::Correspondent,
        correspondent,
        subject,
        event_id: request.message.event_id.to_string(),
        opening: notice(line, &Phrase::OfStart(phrase)),
        server: ctx.homeserver.server_name().to_owned(),
    })
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    prepared: &PreparedStart,
) -> Result<Phrase, StoreError> {
    let new = NewConversation {
        channel: &prepared.channel,
        correspondent: &prepared.correspondent,
        subject: prepared.subject.as_deref(),
        event_id: &prepared.event_id,
        opening: &prepared.opening,
        is_only_one: prepared.is_only_one,
    };
    Ok(Phrase::OfStart(match step.begin_conversation(new).await? {
        Begun::Now(id) => {
            info!(conversation.id = %id, channel.name = %prepared.channel, "A speaker began conversation {id}");
            StartPhrase::Begun
        }
        Begun::Before(_, room_id) => match room_id.and_then(|room| RoomId::parse(room).ok()) {
            Some(room) => StartPhrase::Exists { link: RoomLink::to(&room, &prepared.server) },
            None => StartPhrase::ExistsSoon,
        },
    }))
}
