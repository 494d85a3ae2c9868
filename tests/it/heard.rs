//! What people did while the gateway was away, or just before it lost a room, is heard before anything
//! leaves.

use std::time::Duration;

use serde_json::json;
use umstieg_world::AddressTrouble;

use crate::{
    encryption::{sees, strict_anna},
    phrases::{of_trouble, told},
    proxy::{Proxy, ProxyRefusal},
    stage::{Stage, kim_mail},
};

const WRONG: &str = "Fuer einen anderen Patienten";

impl Stage {
    /// The transactions get lost, as Synapse loses them: `/sync` alone tells of what happened.
    async fn lose_transactions(&self) {
        let of_ours = format!("where as_id = '{}'", self.gateway.slot().id);
        let (postgres, database) = (&self.world.postgres, &self.world.homeserver.database);
        let count = format!("select count(*) from application_services_txns {of_ours}");
        self.until("a transaction is there", async || {
            postgres.query(database, &count).await.unwrap().trim() != "0"
        })
        .await;
        let lose = format!("delete from application_services_txns {of_ours}");
        postgres.query(database, &lose).await.unwrap();
    }

    /// An admin closes a room.
    async fn close_room(&self, room: &str) {
        let token = self.admin_token().await;
        let path = format!("/_synapse/admin/v1/rooms/{room}");
        let (homeserver, body) = (&self.world.homeserver, json!({ "purge": false }));
        let (status, answer) =
            homeserver.request("DELETE", &path, &token, Some(&body)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
}

/// An answer is deleted while the gateway is away. At the next start it is due, and the `/sync` that tells
/// of it takes some seconds.
#[tokio::test]
async fn what_was_deleted_while_the_gateway_was_away_does_not_leave_at_its_start() {
    let mut stage = Stage::with(|mut channels| {
        channels[0].collect_seconds = 15;
        channels
    })
    .await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = letter.room_id;
    stage.all_events_are_read().await;
    let wrong = stage.anna.send_text(&room, WRONG).await.unwrap();
    stage.database_says("select string_agg(state, ' ') from dispatches", "collecting").await;
    stage.gateway.stop();
    stage.query("update dispatches set closes_at = now()").await;
    stage.anna.redact(&room, &wrong).await.unwrap();
    stage.lose_transactions().await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    proxy.sync_takes(Duration::from_secs(5));
    let url = |url: &str| format!("url = {url:?}");
    stage.edit_settings(&[(&url(&stage.world.homeserver.url), &url(&proxy.url))]);
    stage.gateway.start().await.unwrap();
    stage.anna.send_text(&room, "Danach").await.unwrap();
    stage
        .until("what was said last has left", async || {
            stage.mails(&erik, 0).await.iter().any(|mail| mail.contains("Danach"))
        })
        .await;
    let mails = stage.mails(&erik, 1).await.join("\n");
    assert!(!mails.contains(WRONG), "a deleted message left:\n{mails}");
}

/// A database is restored in which an answer is still gathered that was corrected since, and left corrected.
#[tokio::test]
async fn after_a_restore_no_words_leave_that_were_corrected_since() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    // The test ends the gathering.
    stage.edit_settings(&[("collect_seconds = 1\n", "collect_seconds = 300\n")]);
    let due = "update dispatches set closes_at = now();
               update graphile_worker._private_jobs set run_at = now()";
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "c1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    let said = anna.send_text(&room, "Bitte 50 mg geben").await.unwrap();
    stage.database_says("select string_agg(state, ' ') from dispatches", "collecting").await;
    stage.gateway.stop();
    let (database, copy) = (stage.database.clone(), format!("{}_copy", stage.database));
    stage.copy_database(&database, &copy).await;
    stage.gateway.start().await.unwrap();
    anna.edit(&room, &said, "Bitte 5 mg geben").await.unwrap();
    stage
        .database_says(
            "select string_agg(room_acts.state, ' ') from room_acts join rooms using (room_id)",
            "says",
        )
        .await;
    stage.query(due).await;
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Bitte 5 mg geben"), "{}", mails[0]);
    stage.database_says("select state from dispatches", "accepted").await;
    stage.gateway.stop();
    stage.copy_database(&copy, &database).await;
    stage.query(due).await;
    stage.gateway.start().await.unwrap();
    let settled = "select count(*) from dispatches where state in ('accepted', 'withdrawn')";
    stage.database_says(settled, "1").await;
    let mails = stage.mails(&erik, 1).await.join("\n");
    assert!(!mails.contains("50 mg"), "what was corrected left:\n{mails}");
}

/// More is said than one `/sync` brings, and then the bot is removed.
#[tokio::test]
async fn what_was_said_before_the_bot_was_removed_is_read_or_told_of() {
    const SAID: usize = 60;
    let mut stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = &letter.room_id;
    stage.all_events_are_read().await;
    stage.gateway.stop();
    for number in 1..=SAID {
        stage.anna.send_text(room, &format!("Satz {number} Ende")).await.unwrap();
    }
    stage.close_room(room).await;
    stage.lose_transactions().await;
    stage.gateway.start().await.unwrap();
    let last = format!("Satz {SAID} Ende");
    stage
        .until("the last sentence has left", async || {
            stage.mails(&erik, 0).await.iter().any(|mail| mail.contains(&last))
        })
        .await;
    stage.all_events_are_read().await;
    let mails = stage.mails(&erik, 1).await.join("\n");
    let is_whole = (1..=SAID).all(|number| mails.contains(&format!("Satz {number} Ende")));
    let gaps = stage.query("select count(*) from parked where kind = 'gap'").await;
    assert!(is_whole || gaps == "1", "neither passed on nor told of:\n{mails}");
}

/// The same with the deletion of an answer that waits among what one `/sync` does not bring.
#[tokio::test]
async fn what_was_deleted_before_the_bot_was_removed_does_not_leave() {
    let mut stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = &letter.room_id;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLater)).unwrap();
    let wrong = stage.anna.send_text(room, WRONG).await.unwrap();
    told(&stage.anna, &wrong, &of_trouble(AddressTrouble::TryLater)).await;
    stage.gateway.stop();
    stage.anna.redact(room, &wrong).await.unwrap();
    for number in 1..=60 {
        let small_talk = json!({ "msgtype": "m.notice", "body": format!("Notiz {number}") });
        stage.anna.send(room, small_talk).await.unwrap();
    }
    stage.close_room(room).await;
    stage.lose_transactions().await;
    // The mail server is well again once the gateway has heard what it hears.
    stage.gateway.start().await.unwrap();
    stage.database_says("select state from rooms order by id limit 1", "gone").await;
    stage.world.mail.set_trouble(&erik, None).unwrap();
    let settled = "select count(*) from dispatches
                   where state in ('accepted', 'failed', 'unclear', 'withdrawn')";
    stage
        .until_within(Duration::from_secs(120), "the answer is settled", async || {
            stage.query(settled).await == "1"
        })
        .await;
    let mails = stage.mails(&erik, 0).await.join("\n");
    assert!(!mails.contains(WRONG), "a deleted answer left:\n{mails}");
}

/// A letter lies in a room that nobody has joined, and the room is closed. The letter is said once more
/// in the next room, and the alarm stays until somebody is there.
#[tokio::test]
async fn a_letter_nobody_saw_is_said_once_more_when_its_room_is_gone() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.anna.accept_invitations(false).await.unwrap();
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "g1@x", "Befund", "", "Kalium 6,8")).await;
    stage.database_says("select state from letters", "posted").await;
    // It has lain there for hours.
    stage.query("update rooms set deserted_since = deserted_since - interval '3 days'").await;
    let alarms = "select count(*) from parked where kind = 'portal' and resolved_at is null";
    stage.database_says(alarms, "1").await;
    let room = stage.query("select room_id from rooms").await;
    stage.close_room(&room).await;
    let again = "select count(*) from posts
                 where letter_id is not null and again = 1 and state = 'sent'";
    stage.until("the letter is said once more", async || stage.query(again).await != "0").await;
    let deserted = "select count(*) from rooms where state = 'open' and deserted_since is not null";
    stage.database_says(deserted, "1").await;
    let next = stage.query("select room_id from rooms where state = 'open'").await;
    stage.anna.join(&next).await.unwrap();
    stage.anna_sees_elsewhere("Kalium 6,8", &room).await;
    stage.database_says(alarms, "0").await;
}

/// `L161`: more was said in one room than one `/sync` brings, and the homeserver fails to tell the rest, for
/// this room alone and at each try. The gateway hears the other rooms.
#[tokio::test]
async fn l161_a_room_whose_history_cannot_be_had_keeps_no_other_from_being_heard() {
    let mut stage = Stage::new().await;
    let (_, broken) = stage.letter_from("erik").await;
    let (berta, other) = stage.letter_from("berta").await;
    stage.all_events_are_read().await;
    stage.gateway.stop();
    for number in 0..60 {
        let notice = json!({ "msgtype": "m.notice", "body": number.to_string() });
        stage.anna.send(&broken.room_id, notice).await.unwrap();
    }
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let what = format!("GET /_matrix/client/v3/rooms/{}/messages", broken.room_id);
    proxy.refuse(ProxyRefusal {
        what: Box::leak(what.into_boxed_str()),
        status: axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        body: r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#,
    });
    let url = |url: &str| format!("url = {url:?}");
    stage.edit_settings(&[(&url(&stage.world.homeserver.url), &url(&proxy.url))]);
    stage.gateway.launch().await.unwrap();
    stage.anna.send_text(&other.room_id, "Antwort an Berta").await.unwrap();
    stage
        .until("the answer of the other room is handed over", async || {
            stage.mails(&berta, 0).await.iter().any(|mail| mail.contains("Antwort an Berta"))
        })
        .await;
}
