//! Keys that do not come, and keys that come late.

use serde_json::json;
use umstieg::phrases::Phrase;

use super::{sees, strict_anna, umstieg_txn};
use crate::{
    phrases::{is_shown, says, told},
    stage::{Stage, kim_mail},
};

#[tokio::test]
async fn a_message_whose_key_comes_late_is_kept_told_of_and_relayed_once() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "k1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;

    // The bot's inbox is emptied while the gateway is away.
    stage.gateway.stop();
    let bot = stage.bot_id();
    let question = anna.send_text(&room, "Kommt der Schluessel").await.unwrap();
    let of_anna =
        format!("user_id = '{bot}' and message_json::jsonb ->> 'sender' = '{}'", stage.anna_id);
    let select =
        format!("select message_json from device_inbox where {of_anna} order by stream_id");
    let taken = stage.synapse(&select).await;
    let taken: Vec<&str> = taken.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!(!taken.is_empty(), "Anna shared her key");
    stage.synapse(&format!("delete from device_inbox where {of_anna}")).await;
    stage.gateway.start().await.unwrap();

    let notice = told(&anna, &question, &Phrase::MessageWithoutKey).await;
    stage
        .until("the message counted", async || {
            stage.gateway.metric("umstieg_events_waiting_for_keys").await > 0.5
        })
        .await;
    assert!(stage.world.mail.mails(&erik).unwrap().is_empty());
    stage.gateway.kill();

    // The key comes after all, and after another restart.
    let device = stage
        .query(&format!(
            "select device_id from devices where user_id = '{bot}' and state = 'ready'"
        ))
        .await;
    let token = stage.token_of(&stage.anna_id).await;
    for message in &taken {
        let path = format!("/_matrix/client/v3/sendToDevice/m.dummy/{}", umstieg_txn());
        let body = json!({ "messages": { bot.as_str(): { device.as_str(): {} } } });
        let homeserver = &stage.world.homeserver;
        let (status, answer) = homeserver.request("PUT", &path, &token, Some(&body)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        let message = message.replace('\'', "''");
        stage
            .synapse(&format!(
                "update device_inbox set message_json = '{message}'
                 where {of_anna} and message_json::jsonb ->> 'type' = 'm.dummy'"
            ))
            .await;
    }
    stage.gateway.start().await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Kommt der Schluessel"), "{}", mails[0]);
    is_shown(&anna, notice.event_id(), &Phrase::MessageReadableNow).await;
    anna.send_text(&room, "Danach").await.unwrap();
    stage.mails(&erik, 2).await;
    assert_eq!(stage.texts_of_dispatches().await, ["Kommt der Schluessel", "Danach"]);
    let notices = anna.seen();
    let notices = notices
        .messages()
        .filter(|m| m.edit_of().is_none() && m.reply_to() == Some(question.as_str()))
        .filter(|m| says(m.body(), &Phrase::MessageWithoutKey))
        .count();
    assert_eq!(notices, 1, "told once");
    stage
        .until("nothing counted", async || {
            stage.gateway.metric("umstieg_events_waiting_for_keys").await < 0.5
        })
        .await;
}

/// The key can come between two messages that were sent in quick succession. What was said first is
/// first in the mail.
#[tokio::test]
async fn what_waited_for_a_key_goes_before_what_was_said_after_it() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "o1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    anna.send_text(&room, "Bitte 5 mg").await.unwrap();
    stage.mails(&erik, 1).await;

    // The next message is treated as one whose key is missing, although it is there.
    let session = stage.query("select session_id from room_events where session_id <> ''").await;
    stage
        .query(&format!(
            "create function waits() returns trigger language plpgsql as
             $$ begin new.state := 'waiting'; new.session_id := '{session}'; return new; end $$;
             create trigger waits before insert on room_events
             for each row when (new.sender = '{}') execute function waits()",
            stage.anna_id
        ))
        .await;
    anna.send_text(&room, "Nein, doch nicht").await.unwrap();
    stage.database_says("select count(*) from room_events where state = 'waiting'", "1").await;
    stage.query("drop trigger waits on room_events").await;
    anna.send_text(&room, "Bitte 50 mg").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Bitte 50 mg"), "{}", mails[1]);
    assert_eq!(
        stage.texts_of_dispatches().await,
        ["Bitte 5 mg", "Nein, doch nicht", "Bitte 50 mg"]
    );
}
