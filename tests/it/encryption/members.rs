//! Who is given the key of a post: the members of the room, with the devices they have by then.

use serde_json::json;
use umstieg::phrases::Phrase;
use umstieg_world::{JsClient, JsOptions, client::ClientTrust};

use super::{sees, session, strict_anna};
use crate::{
    phrases::told,
    stage::{Stage, kim_mail},
};

/// A further letter of the same thread.
async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <m1@x>\nReferences: <m1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

async fn js(stage: &Stage, user_id: &str, cross_signed: bool) -> JsClient {
    let name = user_id.trim_start_matches('@').split(':').next().unwrap();
    let options = JsOptions { cross_signed, trust: ClientTrust::AnyDevice };
    JsClient::login(&stage.world.homeserver, name, "geheim", options).await.unwrap()
}

#[tokio::test]
async fn who_left_gets_no_key_and_who_came_reads_on() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let bert_id = stage.world.homeserver.user_id(&format!("bert-{}", stage.tag));
    stage.world.homeserver.register_user(&format!("bert-{}", stage.tag), "geheim").await.unwrap();
    let bert = js(&stage, &bert_id, true).await;
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{:?}, {bert_id:?}]", stage.anna_id),
    )]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "m1@x", "Befund", "", "Erstens")).await;
    let first = sees(&bert, "Erstens").await;
    let room = first.room_id.clone();
    let membership = |user: &str, word: &str| {
        let sql = format!(
            "select membership from room_members where room_id = '{room}' and user_id = '{user}'"
        );
        (sql, word.to_owned())
    };
    let (sql, join) = membership(&bert_id, "join");
    stage.database_says(&sql, &join).await;
    // In use: the next post would go with the same session.
    next_letter(&stage, &erik, "m2@x", "Zweitens").await;
    let second = sees(&bert, "Zweitens").await;

    // Bert is removed, and what comes for his device now stays in its inbox.
    bert.end().await.unwrap();
    let inbox = format!("select count(*) from device_inbox where user_id = '{bert_id}'");
    let kick = format!("/_matrix/client/v3/rooms/{room}/kick");
    stage.as_bot("POST", &kick, &json!({ "user_id": bert_id })).await;
    let (sql, leave) = membership(&bert_id, "leave");
    stage.database_says(&sql, &leave).await;
    let before = stage.synapse(&inbox).await;
    next_letter(&stage, &erik, "m3@x", "Drittens").await;
    let third = sees(&anna, "Drittens").await;
    assert_eq!(stage.synapse(&inbox).await, before, "no key for who was removed");
    let old = session(&stage, &room, second.event_id()).await;
    let new = session(&stage, &room, third.event_id()).await;
    assert_ne!(old, new, "the session was changed");

    // Carla comes, and reads what is said from then on.
    let carla_name = format!("carla-{}", stage.tag);
    stage.world.homeserver.register_user(&carla_name, "geheim").await.unwrap();
    let carla = js(&stage, &stage.world.homeserver.user_id(&carla_name), true).await;
    let asked = anna.send_text(&room, &format!("!einlassen {}", carla.user_id)).await.unwrap();
    told(&anna, &asked, &Phrase::MemberAdmitted { user_id: carla.user_id.clone() }).await;
    let (sql, join) = membership(&carla.user_id, "join");
    stage.database_says(&sql, &join).await;
    next_letter(&stage, &erik, "m4@x", "Viertens").await;
    let fourth = sees(&carla, "Viertens").await;
    assert!(fourth.encrypted);
    assert!(carla.seen().message_with("Drittens").is_none(), "{}", carla.seen());
    sees(&anna, "Viertens").await;
    // She leaves by herself.
    carla.leave(&room).await.unwrap();
    let (sql, leave) = membership(&carla.user_id, "leave");
    stage.database_says(&sql, &leave).await;
    next_letter(&stage, &erik, "m5@x", "Fuenftens").await;
    let fifth = sees(&anna, "Fuenftens").await;
    let old = session(&stage, &room, fourth.event_id()).await;
    let new = session(&stage, &room, fifth.event_id()).await;
    assert_ne!(old, new, "the session was changed");
    assert_eq!(anna.seen().undecipherable().count(), 0, "{}", anna.seen());
}

#[tokio::test]
async fn a_device_made_while_the_gateway_was_away_reads_the_next_post() {
    let mut stage = Stage::encrypted("any-device").await;
    let anna = js(&stage, &stage.anna_id, true).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "m1@x", "Befund", "", "Erstens")).await;
    let room = sees(&anna, "Erstens").await.room_id;

    // While it runs.
    let phone = js(&stage, &stage.anna_id, false).await;
    let told = format!(
        "select dirty from crypto_tracked_users as tracked
         join devices on devices.id = tracked.device
         where tracked.user_id = '{}' and devices.user_id like '%\\_kim\\_erik%'",
        stage.anna_id
    );
    stage.database_says(&told, "t").await;
    next_letter(&stage, &erik, "m2@x", "Zweitens").await;
    sees(&phone, "Zweitens").await;
    // While it is away.
    stage.gateway.stop();
    let laptop = js(&stage, &stage.anna_id, false).await;
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "m3@x", "Drittens").await;
    sees(&laptop, "Drittens").await;
    sees(&phone, "Drittens").await;
    // What it says is understood.
    laptop.send_text(&room, "Vom neuen Rechner").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Vom neuen Rechner"), "{}", mails[0]);
}

/// B74: Bert leaves the one room he shares with us, gets a new phone, and is invited to the next one.
/// Nothing told us of his phone, because he shared no room.
#[tokio::test]
async fn b74_who_comes_back_with_another_device_reads_the_letter_he_is_invited_for() {
    let mut stage = Stage::encrypted("any-device").await;
    let anna = js(&stage, &stage.anna_id, true).await;
    let bert_id = stage.world.homeserver.user_id(&format!("bert-{}", stage.tag));
    stage.world.homeserver.register_user(&format!("bert-{}", stage.tag), "geheim").await.unwrap();
    let bert = js(&stage, &bert_id, false).await;
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{:?}, {bert_id:?}]", stage.anna_id),
    )]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "m1@x", "Befund", "", "Erstens")).await;
    let room = sees(&bert, "Erstens").await.room_id;
    sees(&anna, "Erstens").await;
    bert.leave(&room).await.unwrap();
    let marked = format!(
        "select bool_and(dirty)::text from crypto_tracked_users where user_id = '{bert_id}'"
    );
    stage.database_says(&marked, "true").await;
    // The ghost speaks meanwhile, and checks all users whose devices changed.
    next_letter(&stage, &erik, "m2@x", "Zweitens").await;
    sees(&anna, "Zweitens").await;
    stage
        .until("the ghost has looked after Bert", async || {
            let sql = format!(
                "select bool_or(not dirty)::text from crypto_tracked_users where user_id = '{bert_id}'"
            );
            stage.query(&sql).await == "true"
        })
        .await;
    bert.end().await.unwrap();
    let phone = js(&stage, &bert_id, false).await;

    stage.receive(&kim_mail(&erik, &stage.practice, "m3@x", "Neues", "", "Drittens")).await;
    assert_ne!(sees(&phone, "Drittens").await.room_id, room);
}
