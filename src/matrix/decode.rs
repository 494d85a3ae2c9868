//! Raw event → [`RoomEvent`]: the one place where an event of a room is understood.
//!
//! Pure and total: an event was written by whoever was in the room, so any field may be missing or
//! of any type. What is not understood is [`RoomEvent::Other`], never an error and never a panic.

use ruma::{EventId, MxcUri, OwnedEventId, OwnedMxcUri, OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::Value;

use crate::model::{
    Encrypted, FileForm, Member, Membership, MessageKind, Redaction, RoomEvent, RoomFile,
    RoomMessage, Words,
};

/// Longest file name, in bytes: what common file systems take.
const FILE_NAME_BYTES_MAX: usize = 255;

/// What a file is called whose sender gave no usable name.
const FILE_NAME_DEFAULT: &str = "attachment";

/// Longest MIME type, in bytes (RFC 6838 §4.2: twice 127 and the slash).
const MEDIA_TYPE_BYTES_MAX: usize = 255;

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

/// Exceptions from [`NOT_FOR_PEOPLE`]: a person wrote these, and expects them to arrive.
const FOR_PEOPLE: [&str; 3] = ["m.sticker", "m.poll.start", "org.matrix.msc3381.poll.start"];

/// Understands one event, as a transaction or a `/sync` delivered it (with its `room_id`).
///
/// Encryption enters here: an `m.room.encrypted` event is decrypted first, and what it held is
/// understood as if it had come in the clear.
pub fn decode(event: &Value) -> RoomEvent {
    understood(event).unwrap_or(RoomEvent::Other)
}

fn understood(event: &Value) -> Option<RoomEvent> {
    let head = Head::of(event)?;
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
        ("m.room.encrypted", None) => Some(RoomEvent::Encrypted(Encrypted {
            event_id: head.event_id,
            room_id: head.room_id,
            sender: head.sender,
        })),
        (event_type, None) => message(head, event_type, content).map(RoomEvent::Message),
    }
}

/// What every event has.
struct Head {
    event_id: OwnedEventId,
    room_id: OwnedRoomId,
    sender: OwnedUserId,
    sent_at_ms: i64,
}

impl Head {
    fn of(event: &Value) -> Option<Self> {
        Some(Self {
            event_id: EventId::parse(text(event, "event_id")?).ok()?,
            room_id: RoomId::parse(text(event, "room_id")?).ok()?,
            sender: UserId::parse(text(event, "sender")?).ok()?,
            sent_at_ms: event.get("origin_server_ts").and_then(Value::as_i64).unwrap_or(0),
        })
    }
}

fn message(head: Head, event_type: &str, content: Option<&Value>) -> Option<RoomMessage> {
    let nothing = Value::Null;
    let content = content.unwrap_or(&nothing);
    let relation = content.get("m.relates_to");
    let event_of = |value: Option<&Value>| {
        value.and_then(|value| text(value, "event_id")).and_then(|id| EventId::parse(id).ok())
    };
    let relation_type = relation.and_then(|relation| text(relation, "rel_type"));
    let replaces = event_of(relation).filter(|_| relation_type == Some("m.replace"));
    // In a thread, an answer without this mark is there for clients that know no threads.
    let is_falling_back = relation
        .and_then(|relation| relation.get("is_falling_back"))
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let replies_to = event_of(relation.and_then(|relation| relation.get("m.in_reply_to")))
        .filter(|_| !is_falling_back);

    let corrected = replaces.as_ref().and_then(|_| content.get("m.new_content"));
    let kind = match event_type {
        "m.room.message" => {
            kind_of_message(
                corrected.unwrap_or(content),
                Fallbacks {
                    // Without its new content a correction is only what old clients show.
                    of_correction: replaces.is_some() && corrected.is_none(),
                    of_reply: replies_to.is_some(),
                },
            )?
        }
        other => kind_of_event(other, content)?,
    };
    let Head { event_id, room_id, sender, sent_at_ms } = head;
    Some(RoomMessage { event_id, room_id, sender, sent_at_ms, kind, replies_to, replaces })
}

/// The event whose thread a message stands in, whether it answers another one there or not.
pub fn thread_root(event: &Value) -> Option<&str> {
    let relation = event.get("content")?.get("m.relates_to")?;
    if text(relation, "rel_type") != Some("m.thread") {
        return None;
    }
    text(relation, "event_id")
}

/// What a body may carry for clients that know no relations.
#[derive(Clone, Copy)]
struct Fallbacks {
    of_correction: bool,
    of_reply: bool,
}

fn kind_of_message(content: &Value, fallbacks: Fallbacks) -> Option<MessageKind> {
    let words = || words(content, fallbacks);
    let other = || MessageKind::Other { fallback: fallback_text(content) };
    // A file we cannot have. Its body is a name or a caption: sent as a text, it would pass for
    // the answer, and the sender would hear that it was handed over.
    let no_file = || MessageKind::Other { fallback: None };
    Some(match text(content, "msgtype") {
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
        // Two clients checking each other: nobody said anything.
        Some("m.key.verification.request") => return None,
        _ => other(),
    })
}

/// An event of a type of its own: a gematik form, a sticker, whatever comes next.
fn kind_of_event(event_type: &str, content: &Value) -> Option<MessageKind> {
    let gematik_text = gematik_text(content);
    let is_for_people = gematik_text.is_some()
        || FOR_PEOPLE.contains(&event_type)
        || !NOT_FOR_PEOPLE.iter().any(|prefix| event_type.starts_with(prefix));
    is_for_people.then(|| MessageKind::Other { fallback: fallback_text(content) })
}

/// Every event of a form that clients may not know carries `de.gematik.text` (TIM-11); events of
/// other origin carry at least a body.
fn fallback_text(content: &Value) -> Option<String> {
    gematik_text(content)
        .or_else(|| text(content, "body").map(tidy))
        .filter(|text| !text.is_empty())
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
    (!joined.is_empty()).then_some(joined)
}

fn words(content: &Value, fallbacks: Fallbacks) -> Words {
    let mut body = tidy(text(content, "body").unwrap_or_default());
    let mut html = text(content, "formatted_body")
        .filter(|_| text(content, "format") == Some("org.matrix.custom.html"))
        .map(tidy);
    if fallbacks.of_reply {
        body = without_reply_fallback(body);
        html = html.map(without_html_reply_fallback);
    }
    if fallbacks.of_correction
        && let Some(corrected) = body.strip_prefix("* ")
    {
        body = corrected.to_owned();
        html = None;
    }
    Words { body, html }
}

/// Until Matrix 1.13 an answer repeated what it answers, as lines with `> ` and the sender in
/// angle brackets. A quotation that a person typed lacks the sender, and stays.
fn without_reply_fallback(body: String) -> String {
    if !(body.starts_with("> <@") || body.starts_with("> * <@")) {
        return body;
    }
    let mut lines = body.lines().skip_while(|line| line.starts_with('>')).peekable();
    lines.next_if(|line| line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// The same for HTML: an `mx-reply` element at the very start.
fn without_html_reply_fallback(html: String) -> String {
    match html.split_once("</mx-reply>") {
        Some((before, rest)) if before.trim_start().starts_with("<mx-reply") => rest.to_owned(),
        _ => html,
    }
}

/// A file is a file only when we can fetch it. An encrypted one has its place beside its key.
fn file(form: FileForm, content: &Value) -> Option<RoomFile> {
    let encryption = content.get("file").filter(|file| file.is_object()).cloned();
    let place = encryption.as_ref().map_or_else(|| text(content, "url"), |file| text(file, "url"));
    let uri: OwnedMxcUri = <&MxcUri>::from(place?).to_owned();
    uri.parts().ok()?;
    let body = text(content, "body").unwrap_or_default();
    // Since Matrix 1.10 the body beside a different `filename` is what the sender wrote about it.
    let (file_name, caption) = match text(content, "filename") {
        Some(file_name) if file_name != body => (file_name, Some(tidy(body))),
        Some(file_name) => (file_name, None),
        None => (body, None),
    };
    let info = content.get("info");
    Some(RoomFile {
        form,
        uri,
        file_name: safe_file_name(file_name),
        caption: caption.filter(|caption| !caption.is_empty()),
        media_type: info.and_then(|info| text(info, "mimetype")).and_then(media_type),
        bytes: info.and_then(|info| info.get("size")).and_then(Value::as_u64),
        encryption,
    })
}

/// One path segment: no separators, no control characters, nothing that turns the reading
/// direction (`fdp.exe` shown as `exe.pdf`), and not the names of a folder or its parent.
fn safe_file_name(name: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || "/\\".contains(c)
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut safe = String::new();
    for c in name.trim().chars().map(|c| if is_unsafe(c) { '_' } else { c }) {
        if safe.len() + c.len_utf8() > FILE_NAME_BYTES_MAX {
            break;
        }
        safe.push(c);
    }
    if safe.trim_matches(['.', ' ', '_']).is_empty() { FILE_NAME_DEFAULT.to_owned() } else { safe }
}

/// `type/subtype` without parameters, in lower case (RFC 6838 §4.2).
fn media_type(claimed: &str) -> Option<String> {
    let bare = claimed.split(';').next().unwrap_or_default().trim();
    let (main, sub) = bare.split_once('/')?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let fits = bare.len() <= MEDIA_TYPE_BYTES_MAX && is_name(main) && is_name(sub);
    fits.then(|| bare.to_ascii_lowercase())
}

/// `\n` line ends, tabs, and no other control characters.
fn tidy(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| if c == '\r' { '\n' } else { c })
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// An event of this type and content, sent by a member of the team.
    fn event(event_type: &str, content: Value) -> Value {
        json!({
            "type": event_type, "content": content,
            "event_id": "$e", "room_id": "!r:hs.example", "sender": "@mfa:hs.example",
            "origin_server_ts": 1_700_000_000_123_i64,
        })
    }

    fn said(content: Value) -> RoomMessage {
        said_as("m.room.message", content)
    }

    fn said_as(event_type: &str, content: Value) -> RoomMessage {
        match decode(&event(event_type, content)) {
            RoomEvent::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn plain(body: &str) -> Words {
        Words { body: body.to_owned(), html: None }
    }

    /// What a person reads of it, for tables.
    fn check_text(content: Value, expected: &str) {
        match said(content.clone()).kind {
            MessageKind::Text(words) => assert_eq!(words.body, expected, "{content}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_keeps_who_said_it_when_and_how() {
        let message = said(json!({
            "msgtype": "m.text", "body": "Guten Tag",
            "format": "org.matrix.custom.html", "formatted_body": "<b>Guten</b> Tag",
        }));
        assert_eq!(message.event_id, "$e");
        assert_eq!(message.room_id, "!r:hs.example");
        assert_eq!(message.sender, "@mfa:hs.example");
        assert_eq!(message.sent_at_ms, 1_700_000_000_123);
        assert_eq!((message.replies_to, message.replaces), (None, None));
        let html = Some("<b>Guten</b> Tag".to_owned());
        assert!(message.kind == MessageKind::Text(Words { body: "Guten Tag".to_owned(), html }));
    }

    #[test]
    fn tim_11_every_kind_a_client_must_send_or_show_is_understood() {
        let of = |msgtype: &str| {
            said(json!({ "msgtype": msgtype, "body": "x", "url": "mxc://hs.example/m" })).kind
        };
        assert!(of("m.text") == MessageKind::Text(plain("x")));
        assert!(of("m.notice") == MessageKind::Notice(plain("x")));
        assert!(of("m.emote") == MessageKind::Emote(plain("x")));
        for (msgtype, form) in [
            ("m.file", FileForm::File),
            ("m.image", FileForm::Image),
            ("m.audio", FileForm::Audio),
            ("m.video", FileForm::Video),
        ] {
            assert!(
                matches!(of(msgtype), MessageKind::File(file) if file.form == form),
                "{msgtype}"
            );
        }
        let location =
            said(json!({ "msgtype": "m.location", "body": "hier", "geo_uri": "geo:1,2" }));
        let geo_uri = Some("geo:1,2".to_owned());
        assert!(location.kind == MessageKind::Location { body: "hier".to_owned(), geo_uri });
    }

    #[test]
    fn tim_11_an_unknown_kind_shows_its_fallback() {
        let other =
            |fallback: Option<&str>| MessageKind::Other { fallback: fallback.map(str::to_owned) };
        let cases = [
            ("m.room.message", json!({ "msgtype": "x.new", "body": "Ersatz" }), Some("Ersatz")),
            ("m.room.message", json!({ "msgtype": 7, "body": ["x"] }), None),
            // Its name is not what the sender wanted to say.
            (
                "m.room.message",
                json!({ "msgtype": "m.file", "body": "verschlüsselt", "file": {} }),
                None,
            ),
            (
                "de.gematik.fhir",
                json!({ "de.gematik.text": [{ "body": "a" }, { "body": "b" }, 7] }),
                Some("a\nb"),
            ),
            ("de.gematik.fhir", json!({ "de.gematik.text": "a" }), Some("a")),
            ("de.gematik.fhir", json!({ "de.gematik.text": { "body": "a" } }), Some("a")),
            ("de.praxis.formular", json!({ "feld": 1 }), None),
            ("m.sticker", json!({ "body": "Daumen" }), Some("Daumen")),
            ("m.poll.start", json!({ "m.text": [] }), None),
            // A type that only clients use, unless it says something to people.
            ("m.call.invite", json!({ "de.gematik.text": [{ "body": "Anruf" }] }), Some("Anruf")),
        ];
        for (event_type, content, expected) in cases {
            let shown = format!("{event_type} {content}");
            assert!(said_as(event_type, content).kind == other(expected), "{shown}");
        }
    }

    #[test]
    fn tim_11_a_message_whose_content_could_not_be_read_is_still_a_message() {
        let mut event = event("m.room.message", json!({}));
        event.as_object_mut().unwrap().remove("content");
        let RoomEvent::Message(message) = decode(&event) else { panic!("{event}") };
        assert!(message.kind == MessageKind::Other { fallback: None });
    }

    #[test]
    fn what_clients_say_to_each_other_is_no_message() {
        for (event_type, content) in [
            ("m.reaction", json!({ "m.relates_to": { "rel_type": "m.annotation" } })),
            ("m.call.invite", json!({ "call_id": "1" })),
            ("m.key.verification.start", json!({ "x": 1 })),
            ("m.room.message", json!({ "msgtype": "m.key.verification.request", "body": "x" })),
            ("de.gematik.response.status", json!({ "status": "success" })),
            ("io.element.call.encryption_keys", json!({ "x": 1 })),
        ] {
            assert_eq!(decode(&event(event_type, content)), RoomEvent::Other, "{event_type}");
        }
    }

    #[test]
    fn an_answer_loses_the_repetition_of_what_it_answers() {
        let reply = |body: &str| {
            json!({
                "msgtype": "m.text", "body": body,
                "m.relates_to": { "m.in_reply_to": { "event_id": "$q" } },
            })
        };
        check_text(reply("> <@a:b> Frage\n> zweite Zeile\n\nAntwort\n\nGruß"), "Antwort\n\nGruß");
        check_text(reply("> * <@a:b> winkt\n\nAntwort"), "Antwort");
        check_text(reply("> <@a:b> Frage\nAntwort"), "Antwort");
        check_text(reply("Antwort"), "Antwort");
        // A quotation the person typed is hers.
        check_text(reply("> Laut Befund 3,5 cm\n\nAntwort"), "> Laut Befund 3,5 cm\n\nAntwort");
        check_text(json!({ "msgtype": "m.text", "body": "> <@a:b> x\n\ny" }), "> <@a:b> x\n\ny");
        assert_eq!(said(reply("Antwort")).replies_to.unwrap(), "$q");
    }

    #[test]
    fn an_answer_loses_the_repetition_in_its_html_too() {
        let html = |formatted: &str| {
            let message = said(json!({
                "msgtype": "m.text", "body": "x",
                "format": "org.matrix.custom.html", "formatted_body": formatted,
                "m.relates_to": { "m.in_reply_to": { "event_id": "$q" } },
            }));
            let MessageKind::Text(words) = message.kind else { panic!("no text") };
            words.html.unwrap()
        };
        assert_eq!(html("<mx-reply><blockquote>q</blockquote></mx-reply>A <b>b</b>"), "A <b>b</b>");
        assert_eq!(html("A <mx-reply>q</mx-reply> b"), "A <mx-reply>q</mx-reply> b");
        assert_eq!(html("<mx-reply>never closed"), "<mx-reply>never closed");
    }

    #[test]
    fn an_answer_within_a_thread_is_one_only_when_it_is_meant() {
        let in_thread = |is_falling_back: Value| {
            said(json!({
                "msgtype": "m.text", "body": "x",
                "m.relates_to": {
                    "rel_type": "m.thread", "event_id": "$root",
                    "is_falling_back": is_falling_back,
                    "m.in_reply_to": { "event_id": "$q" },
                },
            }))
            .replies_to
        };
        assert_eq!(in_thread(json!(true)), None);
        assert_eq!(in_thread(json!(false)).unwrap(), "$q");
        assert_eq!(in_thread(json!("yes")).unwrap(), "$q");
    }

    #[test]
    fn r09_a_message_in_a_thread_names_its_root() {
        let root = |relation: Value| {
            let event = json!({ "content": { "m.relates_to": relation } });
            thread_root(&event).map(str::to_owned)
        };
        let thread = json!({ "rel_type": "m.thread", "event_id": "$root" });
        assert_eq!(root(thread).as_deref(), Some("$root"));
        assert_eq!(root(json!({ "rel_type": "m.replace", "event_id": "$x" })), None);
        assert_eq!(root(json!({ "rel_type": "m.thread" })), None);
        assert_eq!(root(json!("m.thread")), None);
    }

    #[test]
    fn tim_14_a_correction_names_what_it_corrects_and_has_the_new_content() {
        let correction = said(json!({
            "msgtype": "m.text", "body": "* richtig",
            "m.new_content": { "msgtype": "m.text", "body": "richtig" },
            "m.relates_to": { "rel_type": "m.replace", "event_id": "$old" },
        }));
        assert_eq!(correction.replaces.unwrap(), "$old");
        assert!(correction.kind == MessageKind::Text(plain("richtig")));
    }

    #[test]
    fn tim_14_a_correction_without_new_content_falls_back_to_its_body() {
        let correction = said(json!({
            "msgtype": "m.text", "body": "* richtig",
            "m.relates_to": { "rel_type": "m.replace", "event_id": "$old" },
        }));
        assert!(correction.kind == MessageKind::Text(plain("richtig")));
    }

    #[test]
    fn tim_14_a_redaction_is_found_in_both_places() {
        let redacts = |event: &Value| match decode(event) {
            RoomEvent::Redaction(redaction) => redaction.redacts.to_string(),
            other => panic!("{other:?}"),
        };
        let mut upper = event("m.room.redaction", json!({ "reason": "Irrtum" }));
        upper["redacts"] = json!("$gone");
        assert_eq!(redacts(&upper), "$gone");
        assert_eq!(redacts(&event("m.room.redaction", json!({ "redacts": "$gone" }))), "$gone");
        // Below room version 11 nobody vouches for the lower field.
        let mut both = event("m.room.redaction", json!({ "redacts": "$forged" }));
        both["redacts"] = json!("$gone");
        assert_eq!(redacts(&both), "$gone");
    }

    #[test]
    fn tim_14_a_redacted_message_says_nothing() {
        assert_eq!(decode(&event("m.room.message", json!({}))), RoomEvent::Other);
        let mut redacted = event("m.room.message", json!({ "msgtype": "m.text", "body": "x" }));
        redacted["unsigned"] = json!({ "redacted_because": {} });
        assert_eq!(decode(&redacted), RoomEvent::Other);
    }

    #[test]
    fn a_file_is_named_after_the_rules_of_matrix_1_10() {
        let file = |body: Value, filename: Value| {
            let content = json!({
                "msgtype": "m.file", "body": body, "filename": filename,
                "url": "mxc://hs.example/abc",
                "info": { "mimetype": "Application/PDF; x=y", "size": 1234 },
            });
            let MessageKind::File(file) = said(content).kind else { panic!("no file") };
            assert_eq!(file.uri, "mxc://hs.example/abc");
            assert_eq!(file.media_type.as_deref(), Some("application/pdf"));
            assert_eq!(file.bytes, Some(1234));
            (file.file_name, file.caption)
        };
        let named =
            |name: &str, caption: Option<&str>| (name.to_owned(), caption.map(str::to_owned));
        assert_eq!(file(json!("a.pdf"), Value::Null), named("a.pdf", None));
        assert_eq!(file(json!("a.pdf"), json!("a.pdf")), named("a.pdf", None));
        assert_eq!(file(json!("Der Befund"), json!("a.pdf")), named("a.pdf", Some("Der Befund")));
        assert_eq!(file(json!(""), json!("a.pdf")), named("a.pdf", None));
        assert_eq!(file(Value::Null, Value::Null), named("attachment", None));
    }

    #[test]
    fn a_file_name_is_one_harmless_path_segment() {
        for (claimed, expected) in [
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("a\r\nb.pdf", "a__b.pdf"),
            ("C:\\befund.pdf", "C:_befund.pdf"),
            ("..", "attachment"),
            ("///", "attachment"),
            ("gpj\u{202e}fdp.exe", "gpj_fdp.exe"),
        ] {
            assert_eq!(safe_file_name(claimed), expected, "{claimed:?}");
        }
        assert_eq!(safe_file_name(&"ä".repeat(200)).len(), 254);
    }

    #[test]
    fn claims_about_a_file_are_checked() {
        for claimed in ["", "pdf", "a/", "/b", "a/b c", "text/plain\r\nX: y", "a/b/c"] {
            assert_eq!(media_type(claimed), None, "{claimed:?}");
        }
        let content =
            json!({ "msgtype": "m.file", "body": "a", "url": "mxc://h/m", "info": { "size": -1 } });
        let MessageKind::File(file) = said(content).kind else { panic!("no file") };
        assert_eq!((file.bytes, file.media_type), (None, None));
    }

    #[test]
    fn a_file_that_lies_elsewhere_is_not_fetched() {
        for url in ["https://evil.example/x", "mxc://", "mxc://a", "mxc://h/../x", ""] {
            let kind = said(json!({ "msgtype": "m.file", "body": "a", "url": url })).kind;
            assert_eq!(kind, MessageKind::Other { fallback: None }, "{url}");
        }
    }

    #[test]
    fn tim_4_a_tombstone_names_the_room_that_goes_on() {
        let mut tombstone =
            event("m.room.tombstone", json!({ "replacement_room": "!new:hs.example" }));
        // Without a state key it is just talk.
        assert_eq!(decode(&tombstone), RoomEvent::Other);
        tombstone["state_key"] = json!("");
        let RoomEvent::Tombstone { room_id, replacement } = decode(&tombstone) else { panic!() };
        assert_eq!((room_id.as_str(), replacement.as_str()), ("!r:hs.example", "!new:hs.example"));
    }

    #[test]
    fn a_member_is_known_by_the_state_key() {
        for word in ["join", "invite", "knock", "leave", "ban"] {
            let mut member =
                event("m.room.member", json!({ "membership": word, "displayname": "A\nB" }));
            member["state_key"] = json!("@kollegin:hs.example");
            let RoomEvent::Member(member) = decode(&member) else { panic!("{word}") };
            assert_eq!(member.user, "@kollegin:hs.example");
            assert_eq!(member.membership.word(), word);
            assert_eq!(member.displayname.as_deref(), Some("A B"));
        }
    }

    #[test]
    fn tim_4_a_room_id_of_version_12_has_no_server() {
        let mut event = event("m.room.message", json!({ "msgtype": "m.text", "body": "x" }));
        event["room_id"] = json!("!MXR5pHHBexample");
        assert!(matches!(decode(&event), RoomEvent::Message(_)));
    }

    #[test]
    fn an_encrypted_event_waits_for_its_key() {
        let encrypted = event("m.room.encrypted", json!({ "algorithm": "m.megolm.v1.aes-sha2" }));
        assert!(matches!(decode(&encrypted), RoomEvent::Encrypted(e) if e.event_id == "$e"));
    }

    #[test]
    fn nothing_of_what_was_said_or_who_said_it_prints() {
        let message =
            decode(&event("m.room.message", json!({ "msgtype": "m.text", "body": "Geheimnis" })));
        assert_eq!(format!("{message:?}"), "RoomMessage($e, text)");
    }

    /// Any JSON, with names and words that events are made of, so that it goes deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            Just("m.room.message".to_owned()),
            Just("m.text".to_owned()),
            Just("m.file".to_owned()),
            Just("m.replace".to_owned()),
            Just("mxc://hs/m".to_owned()),
            Just("$e".to_owned()),
            Just("> <@a:b> x\n\ny".to_owned()),
            Just("<mx-reply></mx-reply>".to_owned()),
            any::<String>(),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            word.prop_map(Value::from),
        ];
        let name = prop_oneof![
            Just("msgtype".to_owned()),
            Just("body".to_owned()),
            Just("url".to_owned()),
            Just("filename".to_owned()),
            Just("info".to_owned()),
            Just("m.relates_to".to_owned()),
            Just("m.in_reply_to".to_owned()),
            Just("m.new_content".to_owned()),
            Just("rel_type".to_owned()),
            Just("event_id".to_owned()),
            Just("de.gematik.text".to_owned()),
            Just("format".to_owned()),
            Just("formatted_body".to_owned()),
            any::<String>(),
        ];
        leaf.prop_recursive(4, 40, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_makes_it_panic(json in any_json()) {
            decode(&json);
        }

        #[test]
        fn no_content_makes_it_panic_or_leaves_control_characters(
            event_type in prop_oneof![Just("m.room.message"), Just("m.room.member"), Just("de.gematik.fhir"), Just("m.room.redaction")],
            content in any_json(),
            state_key in prop::option::of(any_json()),
        ) {
            let mut event = event(event_type, content);
            if let Some(state_key) = state_key {
                event["state_key"] = state_key;
            }
            if let RoomEvent::Message(message) = decode(&event) {
                let texts = match message.kind {
                    MessageKind::Text(words) | MessageKind::Notice(words) | MessageKind::Emote(words) => {
                        vec![words.body, words.html.unwrap_or_default()]
                    }
                    MessageKind::File(file) => {
                        prop_assert!(!file.file_name.is_empty());
                        prop_assert!(!file.file_name.contains(['/', '\\', '\n', '\t']));
                        vec![file.file_name, file.caption.unwrap_or_default()]
                    }
                    MessageKind::Location { body, geo_uri } => vec![body, geo_uri.unwrap_or_default()],
                    MessageKind::Other { fallback } => vec![fallback.unwrap_or_default()],
                };
                for text in texts {
                    prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
                }
            }
        }
    }
}
