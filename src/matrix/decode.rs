//! Raw event → [`RoomEvent`]: the one place where an event of a room is understood.
//!
//! Pure and total: any member of the room may have written the event, so any field may be missing
//! or of any type. What is not understood is [`RoomEvent::Other`], never an error and never a
//! panic.

mod files;
mod words;

use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::Value;

use self::{
    files::{file, gallery, holds_a_file},
    words::{Fallbacks, words},
};
use crate::model::{
    Encrypted, FileForm, Member, Membership, MessageKind, Reaction, Redaction, RoomEvent,
    RoomMessage, StatusRequest,
};

/// Types that a person does not write: they concern clients among themselves.
const NOT_FOR_PEOPLE: [&str; 7] = [
    "m.",
    "org.matrix.",
    "io.element.",
    "im.vector.",
    "de.gematik.response.status",
    "uk.half-shot.",
    "de.gematik.tim.",
];

/// Exceptions from [`NOT_FOR_PEOPLE`]: people wrote these, and expect them to arrive.
const FOR_PEOPLE: [&str; 12] = [
    "m.sticker",
    "m.poll.start",
    "org.matrix.msc3381.poll.start",
    // Extensible events (MSC1767 and those that build on it).
    "m.message",
    "m.emote",
    "m.file",
    "m.image",
    "m.audio",
    "m.video",
    "m.voice",
    "m.location",
    "m.gallery",
];

/// Understands one event, as a transaction or a `/sync` delivered it (with its `room_id`).
///
/// This is where encryption comes in: an `m.room.encrypted` event is decrypted first, and its
/// content is understood as if it had come unencrypted.
pub fn decode(event: &Value) -> RoomEvent {
    understood(event).unwrap_or(RoomEvent::Other)
}

fn understood(event: &Value) -> Option<RoomEvent> {
    let head = EventHead::of(event)?;
    let content = event.get("content");
    // A redacted event keeps its place and loses its content: there is nothing left to relay.
    let is_redacted = event.pointer("/unsigned/redacted_because").is_some()
        || content.and_then(Value::as_object).is_some_and(serde_json::Map::is_empty);
    let state_key = event.get("state_key").and_then(Value::as_str);
    match (text(event, "type")?, state_key) {
        ("m.room.member", Some(user)) => Some(RoomEvent::Member(Member {
            room_id: head.room_id,
            user: UserId::parse(user).ok()?,
            membership: Membership::from_word(text(content?, "membership")?)?,
            displayname: text(content?, "displayname").map(one_line),
        })),
        ("m.room.tombstone", Some("")) => Some(RoomEvent::Tombstone {
            room_id: head.room_id,
            replacement: RoomId::parse(text(content?, "replacement_room")?).ok()?,
        }),
        ("m.room.encryption", Some("")) => Some(RoomEvent::Encryption(content?.clone())),
        (_, Some(_)) => None,
        // In room versions below 11 the server vouches for the upper field only.
        ("m.room.redaction", None) => {
            let redacts = text(event, "redacts").or_else(|| text(content?, "redacts"))?;
            Some(RoomEvent::Redaction(Redaction {
                event_id: head.event_id,
                room_id: head.room_id,
                sender: head.sender,
                redacts: EventId::parse(redacts).ok()?,
            }))
        }
        (_, None) if is_redacted => None,
        ("m.reaction", None) => {
            let relation = content?.get("m.relates_to")?;
            (text(relation, "rel_type")? == "m.annotation").then_some(())?;
            Some(RoomEvent::Reaction(Reaction {
                event_id: head.event_id,
                room_id: head.room_id,
                sender: head.sender,
                target: EventId::parse(text(relation, "event_id")?).ok()?,
                key: text(relation, "key")?.to_owned(),
            }))
        }
        ("m.room.encrypted", None) => Some(RoomEvent::Encrypted(Encrypted {
            event_id: head.event_id,
            room_id: head.room_id,
            sender: head.sender,
        })),
        (event_type, None) => message(head, event_type, content).map(RoomEvent::Message),
    }
}

/// What every event has.
struct EventHead {
    event_id: OwnedEventId,
    room_id: OwnedRoomId,
    sender: OwnedUserId,
    sent_at_ms: i64,
}

impl EventHead {
    fn of(event: &Value) -> Option<Self> {
        Some(Self {
            event_id: EventId::parse(text(event, "event_id")?).ok()?,
            room_id: RoomId::parse(text(event, "room_id")?).ok()?,
            sender: UserId::parse(text(event, "sender")?).ok()?,
            sent_at_ms: event.get("origin_server_ts").and_then(Value::as_i64).unwrap_or(0),
        })
    }
}

fn message(head: EventHead, event_type: &str, content: Option<&Value>) -> Option<RoomMessage> {
    let nothing = Value::Null;
    let content = content.unwrap_or(&nothing);
    let relation = content.get("m.relates_to");
    let event_of = |value: Option<&Value>| {
        value.and_then(|value| text(value, "event_id")).and_then(|id| EventId::parse(id).ok())
    };
    let relation_type = relation.and_then(|relation| text(relation, "rel_type"));
    let replaces = event_of(relation).filter(|_| relation_type == Some("m.replace"));
    // In a thread, an answer without this mark is meant for clients that know no threads.
    let is_falling_back = relation
        .and_then(|relation| relation.get("is_falling_back"))
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let answered = event_of(relation.and_then(|relation| relation.get("m.in_reply_to")));
    // A repetition of what is answered is there whether the answer is meant or not.
    let of_reply = answered.is_some() || replaces.is_some();
    let replies_to = answered.filter(|_| !is_falling_back);

    let corrected = replaces.as_ref().and_then(|_| content.get("m.new_content"));
    let kind = match event_type {
        "m.room.message" => {
            kind_of_message(
                corrected.unwrap_or(content),
                Fallbacks {
                    // Without its new content, a correction is only what old clients show.
                    of_correction: replaces.is_some() && corrected.is_none(),
                    of_reply,
                },
            )?
        }
        other => kind_of_event(other, corrected.unwrap_or(content))?,
    };
    let EventHead { event_id, room_id, sender, sent_at_ms } = head;
    Some(RoomMessage { event_id, room_id, sender, sent_at_ms, kind, replies_to, replaces })
}

/// The event whose thread a message is in, whether it answers another message there or not.
pub fn thread_root(event: &Value) -> Option<&str> {
    let relation = event.get("content")?.get("m.relates_to")?;
    if text(relation, "rel_type") != Some("m.thread") {
        return None;
    }
    text(relation, "event_id")
}

/// What a client asks about a message of its own (TIM-15): the block `de.gematik.request.status` of its
/// content, by gematik's `statusRequest.json`. A block that breaks the schema asks nothing.
pub fn status_request(event: &Value) -> Option<StatusRequest> {
    let block = event.get("content")?.get("de.gematik.request.status")?;
    text(block, "from_device")?;
    let to_device = match block.get("to_device") {
        None => None,
        Some(device) => Some(device.as_str()?.to_owned()),
    };
    let lifetime_ms = match block.get("lifetime") {
        None => None,
        Some(lifetime) => Some(lifetime.as_i64()?),
    };
    let sent_at_ms = event.get("origin_server_ts").and_then(Value::as_i64)?;
    Some(StatusRequest { to_device, lifetime_ms, sent_at_ms })
}

fn kind_of_message(content: &Value, fallbacks: Fallbacks) -> Option<MessageKind> {
    let words = || words(content, fallbacks);
    let other = || MessageKind::Other { fallback: fallback_text(content) };
    // A file we cannot fetch. Its body is a name or a caption: sent as a text, it would pass for
    // the answer, and the sender would be told that it was handed over.
    let no_file = || MessageKind::Other { fallback: None };
    Some(match text(content, "msgtype") {
        // Without a body it is no message, whatever else it carries.
        Some("m.text" | "m.emote") if !says_words(content) => other(),
        Some("m.text") => MessageKind::Text(words()),
        Some("m.notice") => MessageKind::Notice(words()),
        Some("m.emote") => MessageKind::Emote(words()),
        Some("m.file") => file(FileForm::File, content).map_or_else(no_file, MessageKind::File),
        Some("m.image") => file(FileForm::Image, content).map_or_else(no_file, MessageKind::File),
        Some("m.audio") => file(FileForm::Audio, content).map_or_else(no_file, MessageKind::File),
        Some("m.video") => file(FileForm::Video, content).map_or_else(no_file, MessageKind::File),
        Some("m.location") => MessageKind::Location {
            body: words().body,
            geo_uri: text(content, "geo_uri").map(one_line),
        },
        // Two clients verify each other: no person said anything.
        Some("m.key.verification.request") => return None,
        _ => match gallery(content) {
            Some(gallery) => gallery,
            // A future kind of message: if there is a file in it, its words are a name or a caption.
            None if gematik_text(content).is_none() && holds_a_file(content) => {
                file(FileForm::File, content).map_or_else(no_file, MessageKind::File)
            }
            None => other(),
        },
    })
}

fn says_words(content: &Value) -> bool {
    ["body", "formatted_body"].iter().any(|name| text(content, name).is_some())
}

/// An event of another type: a gematik form, a sticker, whatever comes next.
fn kind_of_event(event_type: &str, content: &Value) -> Option<MessageKind> {
    let gematik_text = gematik_text(content);
    let is_for_people = gematik_text.is_some()
        || FOR_PEOPLE.contains(&event_type)
        || !NOT_FOR_PEOPLE.iter().any(|prefix| event_type.starts_with(prefix));
    // A sticker is what its name says. Words beside any other file would pass for the whole.
    let is_only_words =
        event_type == "m.sticker" || gematik_text.is_some() || !holds_a_file(content);
    let fallback = is_only_words.then(|| fallback_text(content)).flatten();
    is_for_people.then_some(MessageKind::Other { fallback })
}

/// Every event of a form that clients may not know carries `de.gematik.text` (TIM-11); events of
/// other origin carry at least a body.
fn fallback_text(content: &Value) -> Option<String> {
    gematik_text(content)
        .or_else(|| text(content, "body").map(tidy))
        .filter(|text| !text.trim().is_empty())
}

fn gematik_text(content: &Value) -> Option<String> {
    let text_of = |block: &Value| match block {
        Value::String(text) => Some(tidy(text)),
        block => text(block, "body").map(tidy),
    };
    let joined = match content.get("de.gematik.text")? {
        Value::Array(blocks) => blocks.iter().filter_map(text_of).collect::<Vec<_>>().join("\n"),
        block => text_of(block)?,
    };
    (!joined.trim().is_empty()).then_some(joined)
}

/// `\n` line ends, tabs, and no other control characters. Each of those leaves a trace: without
/// one, the figures on its two sides would become one.
fn tidy(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            // The line and page ends of word processors and of old machines.
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' => '\n',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

#[cfg(test)]
mod tests;
