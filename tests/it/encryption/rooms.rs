//! Rooms that are not encrypted, or not yet, and words said in the clear in those that are.

use serde_json::{Value, json};
use umstieg::phrases::Phrase;

use super::{raw_event, sees, strict_anna};
use crate::{
    phrases::{hears, says, told},
    stage::{Stage, kim_mail, message_id},
};

const ENCRYPTED: &str = "key_wait_seconds = 3";
const UNENCRYPTED: &str = "required = false";

#[tokio::test]
async fn what_is_said_in_the_clear_does_not_leave_an_encrypted_room() {
    let mut stage = Stage::encrypted("any-device").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "c1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;

    let open = stage.anna.send_text(&room, "Offen gesagt").await.unwrap();
    told(&anna, &open, &Phrase::MessageNotEncrypted).await;
    let file =
        stage.anna.send_file(&room, "offen.pdf", "application/pdf", b"%PDF-1.4").await.unwrap();
    told(&anna, &file, &Phrase::MessageNotEncrypted).await;
    let command = stage.anna.send_text(&room, "!hilfe").await.unwrap();
    told(&anna, &command, &Phrase::MessageNotEncrypted).await;
    let closed = anna.send_text(&room, "Verschluesselt gesagt").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Verschluesselt gesagt"), "{}", mails[0]);
    // Nor is what left changed by words in the clear.
    stage.anna.edit(&room, &closed, "Anders gesagt").await.unwrap();
    told(&anna, &closed, &Phrase::EditTooLate).await;
    assert_eq!(stage.texts_of_dispatches().await, ["Verschluesselt gesagt"]);
}

/// A portal of the time before, with one letter in it.
async fn open_portal(stage: &mut Stage) -> (String, String) {
    stage.edit_settings(&[(ENCRYPTED, UNENCRYPTED)]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "o1@x", "Befund", "", "Noch offen")).await;
    let letter = stage.anna_sees("Noch offen").await;
    assert!(!letter.encrypted);
    (erik, letter.room_id)
}

async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <o1@x>\nReferences: <o1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

#[tokio::test]
async fn a_portal_of_the_time_before_is_encrypted_and_goes_on() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let (erik, room) = open_portal(&mut stage).await;
    stage.gateway.stop();
    let anna = strict_anna(&stage).await;
    stage.edit_settings(&[(UNENCRYPTED, ENCRYPTED)]);
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "o2@x", "Nun verschluesselt").await;
    let next = sees(&anna, "Nun verschluesselt").await;
    assert_eq!(next.room_id, room);
    assert!(next.encrypted);
    anna.send_text(&room, "Ebenfalls").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Ebenfalls"), "{}", mails[0]);
    assert_eq!(anna.seen().shielded().count(), 0, "{}", anna.seen());
}

#[tokio::test]
async fn a_portal_that_may_not_be_encrypted_is_left_for_an_encrypted_one() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let (erik, room) = open_portal(&mut stage).await;
    let path = format!("/_matrix/client/v3/rooms/{room}/state/m.room.power_levels");
    let mut levels = stage.as_bot("GET", &path, &Value::Null).await;
    levels["events"]["m.room.encryption"] = json!(100);
    levels["users"][stage.bot_id()] = json!(50);
    stage.as_bot("PUT", &path, &levels).await;
    stage.gateway.stop();
    let anna = strict_anna(&stage).await;
    stage.edit_settings(&[(UNENCRYPTED, ENCRYPTED)]);
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "o2@x", "Nicht hierher").await;

    let notice = hears(&anna, &Phrase::RoomNotEncrypted).await;
    assert_eq!(notice.room_id, room);
    assert!(!notice.encrypted);
    let next = sees(&anna, "Nicht hierher").await;
    assert_ne!(next.room_id, room);
    assert!(next.encrypted);
    anna.send_text(&next.room_id, "Im neuen Raum").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Im neuen Raum"), "{}", mails[0]);

    // What comes later goes there as well, and the old room hears nothing more.
    let more = format!("In-Reply-To: <{}>\n", message_id(&mails[0]));
    stage.receive(&kim_mail(&erik, &stage.practice, "o3@x", "AW: Befund", &more, "Weiter")).await;
    assert_eq!(sees(&anna, "Weiter").await.room_id, next.room_id);
    let events =
        format!("select string_agg(json, E'\\n') from event_json where room_id = '{room}'");
    let events = stage.synapse(&events).await;
    assert!(events.contains("Noch offen"), "{events}");
    assert!(!events.contains("Nicht hierher") && !events.contains("Weiter"), "{events}");
    let bodies = events.lines().filter_map(|line| {
        let event: Value = serde_json::from_str(line).ok()?;
        event["content"]["body"].as_str().map(str::to_owned)
    });
    let times = bodies.filter(|body| says(body, &Phrase::RoomNotEncrypted)).count();
    assert_eq!(times, 1, "{events}");
}

#[tokio::test]
async fn tim_4_an_upgraded_room_stays_encrypted() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "o1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    stage.empower_anna(&room).await;
    stage.let_people_invite(&stage.bot_id()).await;
    let token = stage.token_of(&stage.anna_id).await;
    let path = format!("/_matrix/client/v3/rooms/{room}/upgrade");
    let homeserver = &stage.world.homeserver;
    let body = json!({ "new_version": "11" });
    let (status, answer) = homeserver.request("POST", &path, &token, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let replacement = answer["replacement_room"].as_str().unwrap().to_owned();
    anna.invite(&replacement, &stage.bot_id()).await.unwrap();
    let hint = hears(&anna, &Phrase::ContinuesOlderRoom).await;
    assert_eq!(hint.room_id, replacement);
    assert!(hint.encrypted);
    next_letter(&stage, &erik, "o2@x", "Im neuen Raum").await;
    let next = sees(&anna, "Im neuen Raum").await;
    assert_eq!(next.room_id, replacement);
    let event = raw_event(&stage, &replacement, next.event_id()).await;
    assert_eq!(event["type"], "m.room.encrypted");
    anna.send_text(&replacement, "Antwort dort").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Antwort dort"), "{}", mails[0]);
    assert_eq!(anna.seen().undecipherable().count(), 0, "{}", anna.seen());
}
