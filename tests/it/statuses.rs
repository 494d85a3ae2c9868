//! What clients are told of a message in events made for them, and that those who did not ask are told
//! nothing.

use serde_json::{Value, json};
use umstieg::{
    phrases::Phrase,
    rules::status::{ANSWER_TYPE, BRIDGED_TYPE},
};
use umstieg_world::{
    AddressTrouble, Client, PracticeChannel,
    client::{SeenEvent, SeenTimeline},
};

use crate::{
    encryption::{sees, strict_anna},
    phrases::{HANDED_TO_KIM, SOME_TIME, told},
    reports::Reports,
    stage::{Stage, kim_mail, message_id},
};

/// A text whose client asks for its status, with this lifetime.
fn asking(body: &str, lifetime: Option<i64>) -> Value {
    let mut block = json!({ "from_device": "ANNA" });
    if let Some(lifetime) = lifetime {
        block["lifetime"] = json!(lifetime);
    }
    json!({ "msgtype": "m.text", "body": body, "de.gematik.request.status": block })
}

fn answers(seen: &SeenTimeline) -> Vec<SeenEvent> {
    seen.events.iter().filter(|event| event.kind == ANSWER_TYPE).cloned().collect()
}

async fn answer(client: &Client) -> SeenEvent {
    let first = |seen: &SeenTimeline| answers(seen).into_iter().next();
    client.wait_for("an answer to a client that asked", first).await.unwrap()
}

/// TIM-15 in an encrypted room: one answer to the message that asked, encrypted, by the bot's device;
/// none to the one that did not ask, nor to the one whose lifetime is over; and after a kill no second
/// one.
#[tokio::test]
async fn tim_15_a_client_that_asked_is_answered_once_and_encrypted() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "s1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    let room = &letter.room_id;

    let quiet = anna.send_text(room, "Ohne Frage").await.unwrap();
    told(&anna, &quiet, &HANDED_TO_KIM).await;
    let late = anna.send(room, asking("Zu spät", Some(0))).await.unwrap();
    told(&anna, &late, &HANDED_TO_KIM).await;
    let asked = anna.send(room, asking("Mit Frage", Some(600_000))).await.unwrap();
    let first = answer(&anna).await;
    assert!(first.encrypted, "{first}");
    assert_eq!(first.sender, stage.bot_id());
    let device = stage
        .query(&format!(
            "select device_id from devices where user_id = '{}' and state <> 'retired'",
            stage.bot_id()
        ))
        .await;
    let mut content = first.content.clone();
    // The mark of a post of ours.
    content.as_object_mut().unwrap().retain(|name, _| !name.starts_with("de.umstieg."));
    assert_eq!(
        content,
        json!({
            ANSWER_TYPE: { "from_device": device, "status": "success" },
            "m.relates_to": { "rel_type": "m.reference", "event_id": asked },
        })
    );

    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    let last = anna.send(room, asking("Noch eine Frage", None)).await.unwrap();
    let of_last = |seen: &SeenTimeline| {
        let all = answers(seen);
        all.iter()
            .any(|answer| answer.content["m.relates_to"]["event_id"] == json!(last))
            .then_some(all)
    };
    let all = anna.wait_for("the second answer", of_last).await.unwrap();
    assert_eq!(all.len(), 2, "{all:#?}");
    let outcome =
        "select string_agg(state, ' ' order by id) from posts where event_type is not null";
    stage.database_says(outcome, "dropped sent sent").await;
}

/// An error has the words of the room.
#[tokio::test]
async fn tim_15_what_cannot_leave_is_an_error_in_words() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::Refuse)).unwrap();
    stage.receive(&kim_mail(&erik, &stage.practice, "s2@x", "Befund", "", "Guten Tag")).await;
    let letter = stage.anna_sees("Guten Tag").await;
    let asked = stage.anna.send(&letter.room_id, asking("Danke", None)).await.unwrap();
    let error = answer(&stage.anna).await;
    assert_eq!(error.content["m.relates_to"]["event_id"], json!(asked));
    let block = &error.content[ANSWER_TYPE];
    assert_eq!(block["status"], json!("error"));
    let words = block["messages"][0]["de.gematik.text"][0]["body"].as_str().unwrap();
    let notice = |seen: &SeenTimeline| {
        seen.messages().find(|m| m.reply_to() == Some(asked.as_str())).cloned()
    };
    let notice = stage.anna.wait_for("what the room is told", notice).await.unwrap();
    assert_eq!(words, notice.body());
}

/// Where a setting says so, a client follows what becomes of its message: handed over, then delivered to
/// the ghost. A report that comes twice says nothing new.
#[tokio::test]
async fn a_client_that_knows_bridges_follows_its_message() {
    let stage = Stage::with(|mut channels: Vec<PracticeChannel>| {
        for channel in &mut channels {
            channel.more = "beeper_status = true\n".to_owned();
        }
        channels
    })
    .await;
    let (erik, letter) = stage.letter_from("erik").await;
    let asked = stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    told(&stage.anna, &asked, &HANDED_TO_KIM).await;
    let reports = Reports {
        stage: &stage,
        recipient: erik.clone(),
        about: message_id(&stage.mails(&erik, 1).await[0]),
    };
    reports.delivery("r1@x", "delivered", "2.0.0").await;
    reports.delivery("r2@x", "delivered", "2.0.0").await;
    stage.database_says("select count(*) from reports", "2").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    let both = |seen: &SeenTimeline| {
        let all: Vec<SeenEvent> =
            seen.events.iter().filter(|event| event.kind == BRIDGED_TYPE).cloned().collect();
        (all.len() >= 2).then_some(all)
    };
    let all = stage.anna.wait_for("both states of the message", both).await.unwrap();
    let users: Vec<&Value> = all.iter().map(|event| &event.content["delivered_to_users"]).collect();
    assert_eq!(users, [&json!([]), &json!([letter.sender])], "{all:#?}");
    for event in &all {
        assert_eq!(event.content["status"], json!("SUCCESS"));
        assert_eq!(event.content["m.relates_to"]["event_id"], json!(asked));
    }
    stage.anna_is_told(&Phrase::DispatchDelivered { at: SOME_TIME }).await;
    let said = "select count(*) from posts where event_type is not null";
    assert_eq!(stage.query(said).await, "2");
}
