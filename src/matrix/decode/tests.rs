//! How events are understood.

mod files;

use proptest::prelude::*;
use serde_json::json;

use super::{
    files::{media_type, safe_file_name},
    *,
};
use crate::model::{ReactionSign, Words};

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

/// How a person reads it, for tables.
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
        assert!(matches!(of(msgtype), MessageKind::File(file) if file.form == form), "{msgtype}");
    }
    let location = said(json!({ "msgtype": "m.location", "body": "hier", "geo_uri": "geo:1,2" }));
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

/// FAX-25: one sign confirms, with or without the mark that some clients add. Two say who takes care.
#[test]
fn fax_25_a_reaction_confirms_with_one_sign_only() {
    let relation = |key: serde_json::Value| json!({ "m.relates_to": { "rel_type": "m.annotation", "event_id": "$p", "key": key } });
    for (key, sign) in [
        ("✅", Some(ReactionSign::Done)),
        ("✅\u{FE0F}", Some(ReactionSign::Done)),
        ("✅🏽", None),
        ("✋", Some(ReactionSign::Take)),
        ("✋🏽", Some(ReactionSign::Take)),
        ("✋\u{FE0F}", Some(ReactionSign::Take)),
        ("👀", Some(ReactionSign::Take)),
        ("👀👀", None),
        ("🖐️", None),
        ("🏽", None),
        ("✔️", None),
        ("☑️", None),
        ("👍", None),
        ("✅✅", None),
        ("✅ ja", None),
        ("!faxen", None),
        ("", None),
    ] {
        let RoomEvent::Reaction(reaction) = decode(&event("m.reaction", relation(json!(key))))
        else {
            panic!("{key}")
        };
        assert_eq!(reaction.sign(), sign, "{key}");
        assert_eq!(reaction.target, "$p");
    }
    for broken in [
        relation(json!(1)),
        json!({ "m.relates_to": { "rel_type": "m.reference", "event_id": "$p", "key": "✅" } }),
        json!({ "m.relates_to": { "rel_type": "m.annotation", "event_id": "p", "key": "✅" } }),
        json!({ "m.relates_to": [] }),
    ] {
        assert_eq!(decode(&event("m.reaction", broken.clone())), RoomEvent::Other, "{broken}");
    }
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
    // A quotation that the person typed stays.
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

/// What leaves says what the room shows; the same holds for files' captions and for corrections.
#[test]
fn what_a_body_lacks_of_its_html_is_said() {
    let html = "<b>Nicht</b> <del>50 mg</del> 5 mg";
    let said_as = |body: &str| {
        json!({ "msgtype": "m.text", "body": body, "format": "org.matrix.custom.html",
                "formatted_body": html })
    };
    let expected = "Nicht ~~50 mg~~ 5 mg";
    check_text(said_as("Nicht 50 mg 5 mg"), expected);
    check_text(said_as(" "), expected);
    check_text(said_as("Etwas anderes"), "Etwas anderes");
    let correction = json!({
        "msgtype": "m.text", "body": "* x", "m.new_content": said_as("Nicht 50 mg 5 mg"),
        "m.relates_to": { "rel_type": "m.replace", "event_id": "$m" },
    });
    check_text(correction, expected);
    let mut file = said_as("Nicht 50 mg 5 mg");
    file["msgtype"] = json!("m.file");
    file["filename"] = json!("a.pdf");
    file["url"] = json!("mxc://hs.example/abc");
    let MessageKind::File(file) = said(file).kind else { panic!("no file") };
    assert_eq!(file.caption.as_deref(), Some(expected));
    // Without a body there are no words, and nothing that could be overlooked.
    let kind = said(json!({ "msgtype": "m.text", "m.text": "Guten Tag" })).kind;
    assert_eq!(kind, MessageKind::Other { fallback: None });
    let blank = said(json!({ "msgtype": "de.example.formular", "body": " ", "felder": [1] })).kind;
    assert_eq!(blank, MessageKind::Other { fallback: None });
}

/// Two figures never become one.
#[test]
fn a_control_character_leaves_a_gap() {
    let check = |sign: char, gap: &str| {
        let content = json!({ "msgtype": "m.text", "body": format!("5{sign}0 mg") });
        check_text(content, &format!("5{gap}0 mg"));
    };
    for sign in ['\u{b}', '\u{c}', '\u{85}', '\r'] {
        check(sign, "\n");
    }
    for sign in ['\0', '\u{8}', '\u{1b}', '\u{1f}', '\u{7f}', '\u{9d}'] {
        check(sign, " ");
    }
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

/// B44: the repetition is removed wherever it is: within a thread, with a name, in a correction.
#[test]
fn b44_an_answer_loses_the_repetition_wherever_it_stands() {
    let in_reply = json!({ "m.in_reply_to": { "event_id": "$q" } });
    let in_thread = json!({
        "rel_type": "m.thread", "event_id": "$root", "is_falling_back": true,
        "m.in_reply_to": { "event_id": "$q" },
    });
    let check = |body: &str, expected: &str| {
        for relation in [&in_reply, &in_thread] {
            let content = json!({ "msgtype": "m.text", "body": body, "m.relates_to": relation });
            check_text(content, expected);
        }
        // In the new content of a correction, with and without the relation beside it.
        for answered in [json!(null), json!({ "event_id": "$q" })] {
            let content = json!({
                "msgtype": "m.text", "body": "* neu",
                "m.new_content": { "msgtype": "m.text", "body": body },
                "m.relates_to": { "rel_type": "m.replace", "event_id": "$m",
                                  "m.in_reply_to": answered },
            });
            check_text(content, expected);
        }
    };
    for (repetition, answer) in [
        ("> <@umstieg_kim_x:praxis.example> Kalium ist 6,8\n\n", "Danke, wir rufen an"),
        ("> <@b:praxis.example> Frage\n> \n> Teil 2\n\n", "Antwort"),
        ("> <@b:praxis.example> Frage\r\n\r\n", "Antwort"),
        ("><@b:praxis.example> Frage\n\n", "Antwort"),
        ("> * <@b:praxis.example> winkt\n\n", "Antwort"),
        ("> <Dr. Erik Muster> Frage\n\n", "Antwort"),
        ("> <Ärztin Öz (Station 4)> Frage\n> mehr\n\n", "Antwort"),
        ("> <@b:praxis.example> Frage\n\n", "> Zitat von mir\nAntwort"),
    ] {
        check(&format!("{repetition}{answer}"), answer);
    }
    // What a person quoted herself stays.
    for typed in [
        "> Laut Befund 3,5 cm\n\nAntwort",
        "> <5 mg> morgens\n\nBitte so lassen",
        "> <Befund> Kalium 6,8\nBitte anrufen",
        "> <Kalium 6,8 mmol/l>\n\nBitte heute noch kontrollieren",
        "> <Befund> Kalium 6,8\n\nBitte anrufen",
        "> <Kalium 6,8> zu hoch\n\nBitte anrufen",
        "> <Dr. Muster>\n\nBitte anrufen",
        "<Dr. Muster> hat angerufen",
    ] {
        check(typed, typed);
    }
    // The HTML has the repetition, and after it a quotation that is the only one in the text.
    for (repetition, answer) in [("", "> Kalium 6,8\n\nzu hoch"), ("> x\n\n", "> Kalium\nzu hoch")]
    {
        check_text(
            json!({
                "msgtype": "m.text", "body": format!("{repetition}{answer}"),
                "format": "org.matrix.custom.html",
                "formatted_body":
                    "<mx-reply>x</mx-reply><blockquote>Kalium</blockquote>zu hoch",
                "m.relates_to": in_reply,
            }),
            answer,
        );
    }
    // Where the HTML says that there is a repetition, there is one.
    check_text(
        json!({
            "msgtype": "m.text", "body": "> In reply to this message\n\nAntwort",
            "format": "org.matrix.custom.html",
            "formatted_body": "<mx-reply><blockquote>x</blockquote></mx-reply>Antwort",
            "m.relates_to": in_reply,
        }),
        "Antwort",
    );
}

/// B51, B56: what leaves as words, what is refused, and what no person said.
#[test]
fn b51_b56_polls_are_refused_and_stickers_are_words() {
    let poll = json!({
        "org.matrix.msc3381.poll.start": { "question": { "org.matrix.msc1767.text": "Dienstag?" } },
        "org.matrix.msc1767.text": "Dienstag?\n1. Ja",
    });
    let cannot = MessageKind::Other { fallback: None };
    assert!(said_as("org.matrix.msc3381.poll.start", poll).kind == cannot);
    let answer = json!({ "m.relates_to": { "rel_type": "m.reference", "event_id": "$p" } });
    assert_eq!(decode(&event("org.matrix.msc3381.poll.response", answer)), RoomEvent::Other);
    let sticker = json!({ "body": "Daumen hoch", "url": "mxc://praxis.example/st" });
    let words = MessageKind::Other { fallback: Some("Daumen hoch".to_owned()) };
    assert!(said_as("m.sticker", sticker).kind == words);
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
    // Below room version 11 the server does not vouch for the lower field.
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
fn tim_4_a_tombstone_names_the_room_that_goes_on() {
    let mut tombstone = event("m.room.tombstone", json!({ "replacement_room": "!new:hs.example" }));
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
        Just("itemtypes".to_owned()),
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
                MessageKind::Gallery { caption, .. } => vec![caption.unwrap_or_default()],
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

#[test]
fn tim_15_a_client_asks_for_the_status_by_gematik_s_schema() {
    let asked = |block: Value| {
        let content =
            json!({ "msgtype": "m.text", "body": "x", "de.gematik.request.status": block });
        let event = json!({ "origin_server_ts": 5, "content": content });
        status_request(&event).map(|asked| (asked.to_device, asked.lifetime_ms, asked.sent_at_ms))
    };
    assert_eq!(asked(json!({ "from_device": "A" })), Some((None, None, 5)));
    let whole = json!({ "from_device": "A", "to_device": "B", "lifetime": 60_000, "more": [] });
    assert_eq!(asked(whole), Some((Some("B".to_owned()), Some(60_000), 5)));
    // What breaks the schema asks nothing.
    for broken in [
        json!({}),
        json!({ "from_device": 1 }),
        json!({ "from_device": "A", "to_device": null }),
        json!({ "from_device": "A", "lifetime": "60" }),
        json!({ "from_device": "A", "lifetime": 1e30 }),
        json!("A"),
        Value::Null,
    ] {
        assert_eq!(asked(broken.clone()), None, "{broken}");
    }
    assert_eq!(status_request(&json!({ "origin_server_ts": 5, "content": {} })), None);
}
