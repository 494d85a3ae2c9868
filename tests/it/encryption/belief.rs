//! What the gateway believes: messages of an unsigned device, and messages that were altered, copied
//! or wrapped in another person's name.

use serde_json::{Value, json};
use umstieg::phrases::Phrase;

use super::{letter_with_file, raw_event, sees, send_raw, strict_anna, unsigned_anna};
use crate::{
    phrases::{HANDED_TO_KIM, hears, told},
    stage::{Stage, kim_mail},
};

#[tokio::test]
async fn an_unsigned_device_speaks_where_any_device_is_believed_and_nowhere_else() {
    let mut stage = Stage::encrypted("any-device").await;
    // Long enough for both messages to be read before the first one's mail is closed.
    stage.edit_settings(&[("collect_seconds = 1\n", "collect_seconds = 8\n")]);
    let unsigned = unsigned_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let pdf = b"%PDF-1.4 der Befund";
    let letter = letter_with_file(
        &erik,
        &stage.practice,
        "b1@x",
        "Befund",
        "Guten Tag",
        ("Befund.pdf", pdf),
    );
    stage.receive(&letter).await;
    let letter = sees(&unsigned, "Guten Tag").await;
    let room = &letter.room_id;
    let file = sees(&unsigned, "Befund.pdf").await;
    assert!(letter.encrypted && file.encrypted, "{letter}\n{file}");
    assert_eq!(unsigned.download(&file).await.unwrap(), pdf);

    unsigned.send_text(room, "Danke vom alten Handy").await.unwrap();
    unsigned.send_file(room, "Brief.pdf", "application/pdf", b"%PDF-1.4 Brief").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Danke vom alten Handy"), "{}", mails[0]);
    assert!(mails[0].contains("Brief.pdf"), "{}", mails[0]);
    hears(&unsigned, &HANDED_TO_KIM).await;
    assert_eq!(unsigned.seen().undecipherable().count(), 0, "{}", unsigned.seen());

    // The same device in the same room, after the practice has decided otherwise.
    stage.gateway.stop();
    let anna = strict_anna(&stage).await;
    stage.edit_settings(&[("trust = \"any-device\"", "trust = \"cross-signed\"")]);
    stage.gateway.start().await.unwrap();
    let kept = unsigned.send_text(room, "Nicht bestaetigt").await.unwrap();
    told(&anna, &kept, &Phrase::MessageNotBelieved).await;
    anna.send_text(room, "Vom eigenen Handy").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Vom eigenen Handy"), "{}", mails[1]);
    let texts = stage.texts_of_dispatches().await;
    assert_eq!(texts, ["Danke vom alten Handy", "Vom eigenen Handy"]);
    // It reads why, and nothing of what is written.
    told(&unsigned, &kept, &Phrase::MessageNotBelieved).await;
    let more = "In-Reply-To: <b1@x>\nReferences: <b1@x>\n";
    stage.receive(&kim_mail(&erik, &stage.practice, "b2@x", "AW: Befund", more, "Nachtrag")).await;
    let next = sees(&anna, "Nachtrag").await;
    let hidden = unsigned.wait_for("what it has no key for", |seen| {
        seen.undecipherable().find(|event| event.event_id == next.event_id).cloned()
    });
    hidden.await.unwrap();
}

#[tokio::test]
async fn what_is_altered_copied_or_forged_does_not_leave_where_signed_devices_are_believed() {
    nothing_forged_leaves("cross-signed").await;
}

#[tokio::test]
async fn what_is_altered_copied_or_forged_does_not_leave_where_any_device_is_believed() {
    nothing_forged_leaves("any-device").await;
}

/// Bert may answer letters too, and has Anna's ciphertext as everybody in the room has.
async fn nothing_forged_leaves(trust: &str) {
    let mut stage = Stage::encrypted(trust).await;
    let anna = strict_anna(&stage).await;
    let bert = stage.colleague("bert").await;
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{:?}, {:?}]", stage.anna_id, bert.user_id),
    )]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "f1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    let room = &letter.room_id;
    let member = format!(
        "select membership from room_members where user_id = '{}' and room_id = '{room}'",
        bert.user_id
    );
    stage.database_says(&member, "join").await;
    let original = anna.send_text(room, "Einmal gesagt").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Einmal gesagt"), "{}", mails[0]);
    let said = raw_event(&stage, room, &original).await["content"].clone();
    let tokens = [stage.token_of(&stage.anna_id).await, stage.token_of(&bert.user_id).await];
    let [as_anna, as_bert] = &tokens;

    // Altered: in the words, in the name of the session, in what is no message at all.
    let ciphertext = said["ciphertext"].as_str().unwrap();
    let middle = ciphertext.len() / 2;
    let altered: String = ciphertext
        .char_indices()
        .map(|(place, c)| match c {
            'A' if place == middle => 'B',
            _ if place == middle => 'A',
            _ => c,
        })
        .collect();
    let with = |name: &str, value: Value| {
        let mut content = said.clone();
        content[name] = value;
        content
    };
    let contents = [
        with("ciphertext", altered.into()),
        with("ciphertext", "nichts".into()),
        with("session_id", "x".repeat(20_000).into()),
        with("session_id", "a\0b".into()),
        with("algorithm", "m.megolm.v0".into()),
        json!({ "algorithm": "m.megolm.v1.aes-sha2" }),
    ];
    for content in contents {
        let event = send_raw(&stage, as_anna, room, "m.room.encrypted", &content).await;
        told(&anna, &event, &Phrase::MessageBroken).await;
    }
    // In Bert's name, who does not own the session.
    let copied = send_raw(&stage, as_bert, room, "m.room.encrypted", &said).await;
    told(&anna, &copied, &Phrase::MessageNotBelieved).await;
    // Once more in Anna's, as an attacker with her password could do, or the homeserver.
    send_raw(&stage, as_anna, room, "m.room.encrypted", &said).await;
    stage.all_events_are_read().await;
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    send_raw(&stage, as_anna, room, "m.room.encrypted", &said).await;

    anna.send_text(room, "Zum Schluss").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Zum Schluss"), "{}", mails[1]);
    stage.all_events_are_read().await;
    assert_eq!(stage.texts_of_dispatches().await, ["Einmal gesagt", "Zum Schluss"]);
    assert_eq!(stage.query("select count(*) from dispatches").await, "2");
}

/// The homeserver did not check what is inside the encryption: it does not tell who is a member,
/// nor how a room is encrypted.
#[tokio::test]
async fn no_state_of_a_room_is_taken_from_inside_the_encryption() {
    let mut stage = Stage::encrypted("any-device").await;
    let anna = unsigned_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "s1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    let room = &letter.room_id;
    let first = anna.send_text(room, "Zuerst").await.unwrap();
    let token = stage.token_of(&stage.anna_id).await;
    let mallory = stage.world.homeserver.user_id("mallory");
    let encryption = "select encryption::text from rooms where state = 'open'";
    let before = stage.query(encryption).await;

    let member = |user: &str, membership: &str| json!({ "type": "m.room.member", "state_key": user, "content": { "membership": membership } });
    let payloads = [
        member(&mallory, "join"),
        member(&stage.bot_id(), "leave"),
        json!({ "type": "m.room.encryption", "state_key": "",
                "content": { "algorithm": "none", "rotation_period_msgs": 1_000_000 } }),
        json!({ "type": "m.room.tombstone", "state_key": "",
                "content": { "body": "", "replacement_room": "!anderswo:example.org" } }),
        json!({ "type": "m.room.redaction", "redacts": first, "content": {} }),
        json!({ "type": "m.room.encrypted", "content": { "algorithm": "m.megolm.v1.aes-sha2" } }),
    ];
    // The same way, a message is one.
    let words = json!({ "type": "m.room.message",
                        "content": { "msgtype": "m.text", "body": "Zuletzt" } });
    // All of it is encrypted before any of it is sent: Anna's client believes what it reads there,
    // and would give the bot no more keys, because it takes the bot for gone.
    let mut contents = Vec::new();
    for payload in payloads.into_iter().chain([words]) {
        contents.push(anna.encrypt(room, payload).await.unwrap());
    }
    for content in contents {
        send_raw(&stage, &token, room, "m.room.encrypted", &content).await;
    }
    stage
        .until("both messages in dispatches", async || {
            stage.texts_of_dispatches().await == ["Zuerst", "Zuletzt"]
        })
        .await;
    stage.all_events_are_read().await;

    let strangers = format!("select count(*) from room_members where user_id = '{mallory}'");
    assert_eq!(stage.query(&strangers).await, "0");
    assert_eq!(stage.query(encryption).await, before);
    assert_eq!(stage.query("select count(*) from rooms where upgraded_at is null").await, "1");
    stage.mails(&erik, 1).await;
}
