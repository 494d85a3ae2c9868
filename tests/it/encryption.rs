//! Encrypted portals, seen with third-party clients: matrix-js-sdk, which refuses devices that their
//! owner did not sign, and matrix-nio.

mod audience;
mod belief;
mod browser;
mod cost;
mod delegated;
mod first_contact;
mod heavy;
mod idle;
mod interfaces;
mod late_keys;
mod members;
mod nobody_reads;
mod pins;
mod reactions;
mod rooms;
mod sessions;
mod team;
mod unread;
mod words;

use serde_json::{Value, json};
use umstieg_world::{
    Client, JsClient, JsOptions,
    client::{ClientTrust, SeenEvent},
};

use crate::{
    phrases::{HANDED_TO_KIM, hears},
    stage::{Stage, kim_mail, message_id},
};

/// Anna with matrix-js-sdk: a signed device that believes signed devices only.
pub(crate) async fn strict_anna(stage: &Stage) -> JsClient {
    let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
    let name = anna_name(stage);
    JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap()
}

/// Anna's name at the homeserver.
fn anna_name(stage: &Stage) -> String {
    stage.anna_id.trim_start_matches('@').split(':').next().unwrap().to_owned()
}

/// Anna with matrix-nio: an unsigned device.
pub(crate) async fn unsigned_anna(stage: &Stage) -> Client {
    let name = anna_name(stage);
    Client::login_encrypted(&stage.world.homeserver, &name, "geheim").await.unwrap()
}

/// Sends an event as it is, as the owner of a token. Returns its id.
pub(crate) async fn send_raw(
    stage: &Stage,
    token: &str,
    room: &str,
    kind: &str,
    content: &Value,
) -> String {
    let txn = umstieg_txn();
    let path = format!("/_matrix/client/v3/rooms/{room}/send/{kind}/{txn}");
    let homeserver = &stage.world.homeserver;
    let (status, answer) = homeserver.request("PUT", &path, token, Some(content)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer["event_id"].as_str().unwrap().to_owned()
}

/// A name for a request that no other request has.
fn umstieg_txn() -> String {
    format!("t{}", rand::random::<u64>())
}

/// An event as the homeserver has it.
async fn raw_event(stage: &Stage, room: &str, event_id: &str) -> Value {
    let path = format!("/_matrix/client/v3/rooms/{room}/event/{event_id}");
    stage.as_bot("GET", &path, &Value::Null).await
}

/// Has a room ask for another session after this many posts.
async fn rotate_after(stage: &Stage, room: &str, posts: u64) {
    let content = json!({ "algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": posts });
    let path = format!("/_matrix/client/v3/rooms/{room}/state/m.room.encryption");
    stage.as_bot("PUT", &path, &content).await;
    let noted =
        format!("select encryption ->> 'rotation_period_msgs' from rooms where room_id = '{room}'");
    stage.database_says(&noted, &posts.to_string()).await;
}

/// The session an event was encrypted with.
async fn session(stage: &Stage, room: &str, event_id: &str) -> String {
    let event = raw_event(stage, room, event_id).await;
    event["content"]["session_id"].as_str().unwrap().to_owned()
}

/// A letter with a file.
pub(crate) fn letter_with_file(
    from: &str,
    to: &str,
    id: &str,
    subject: &str,
    text: &str,
    file: (&str, &[u8]),
) -> String {
    use base64::Engine as _;
    let (name, bytes) = file;
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!(
        "From: \"Dr. Erik Muster\" <{from}>\nTo: <{to}>\nSubject: {subject}\nMessage-ID: <{id}>\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n{text}\n\
         --b\nContent-Type: application/pdf; name={name}\n\
         Content-Disposition: attachment; filename={name}\n\
         Content-Transfer-Encoding: base64\n\n{encoded}\n--b--\n"
    )
}

pub(crate) async fn sees(client: &Client, words: &str) -> SeenEvent {
    client
        .wait_for(&format!("a message with {words:?}"), |seen| seen.message_with(words).cloned())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_strict_client_reads_every_post_and_its_answers_leave() {
    let mut stage = Stage::encrypted("cross-signed").await;
    // Long enough for both messages to be read before the first one's mail is closed.
    stage.edit_settings(&[("collect_seconds = 1\n", "collect_seconds = 8\n")]);
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "e1@x", "Befund", "", "Guten Tag")).await;

    let letter = sees(&anna, "Guten Tag").await;
    assert!(letter.encrypted, "{letter:?}");
    let question = anna.reply(&letter.room_id, letter.event_id(), "Danke sehr").await.unwrap();
    let pdf = b"%PDF-1.4 verschluesselt";
    anna.send_file(&letter.room_id, "Brief.pdf", "application/pdf", pdf).await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    let mail = &mails[0];
    assert!(mail.contains("Danke sehr"), "{mail}");
    assert!(mail.contains("Brief.pdf"), "{mail}");
    let notice = hears(&anna, &HANDED_TO_KIM).await;
    assert_eq!(notice.reply_to(), Some(question.as_str()));

    let answered = message_id(mail);
    let more = format!("In-Reply-To: <{answered}>\nReferences: <e1@x> <{answered}>\n");
    stage
        .receive(&kim_mail(&erik, &stage.practice, "e2@x", "AW: Befund", &more, "Noch etwas"))
        .await;
    let next = sees(&anna, "Noch etwas").await;
    assert_eq!(next.room_id, letter.room_id);
    anna.wait_for("nothing doubtful", |seen| {
        let is_clear = seen.undecipherable().next().is_none() && seen.shielded().next().is_none();
        is_clear.then_some(())
    })
    .await
    .unwrap();
}
