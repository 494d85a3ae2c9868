//! The order of `/sync` says what was said first, whichever door was faster.

use std::time::Duration;

use serde_json::json;
use time::{OffsetDateTime, macros::datetime};
use umstieg::{
    model::{ConversationId, LetterId},
    phrases::Phrase,
    store::{Database, IncomingEvent, Store, seal::OuterKey},
};
use umstieg_world::{World, gateway::sealing_key};

use crate::{
    databases,
    encryption::{sees, strict_anna},
    phrases::saying,
    stage::{Stage, conversations, kim_mail},
};

const ROOM: &str = "!raum:praxis.example";
const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

async fn store() -> Store {
    let world = World::shared().await.unwrap();
    let url = databases::migrated(&world.postgres).await;
    let key = OuterKey::from_base64(&sealing_key()).unwrap();
    Database::connect(&url, 4).await.unwrap().migrate(&key, NOW).await.unwrap()
}

fn event(event_id: &str) -> IncomingEvent {
    let sender = "@wer:praxis.example";
    let event = json!({
        "type": "m.room.message", "event_id": event_id, "room_id": ROOM, "sender": sender,
        "content": { "msgtype": "m.text", "body": "x" },
    });
    IncomingEvent {
        event_id: event_id.to_owned(),
        room_id: ROOM.to_owned(),
        sender: sender.to_owned(),
        event,
    }
}

/// A conversation about two patients, whose letters are in the room as `$brief1` and `$brief2`.
async fn two_letters(store: &Store) -> ConversationId {
    sqlx::query(sqlx::AssertSqlSafe(conversations("kim", &["erik@charite.kim.telematik"])))
        .execute(store.pool())
        .await
        .unwrap();
    sqlx::raw_sql(
        "insert into rooms (conversation_id, alias_token, room_id, state, created_at)
             values (1, gen_random_uuid(), '!raum:praxis.example', 'open', now());
         insert into letters (channel, mail_key, received_at, raw, head_only, state, conversation_id)
             select 'kim', 'k' || n, now(), '', false, 'posted', 1 from generate_series(1, 2) as n;
         insert into posts (conversation_id, letter_id, speaker, txn_id, content, state, event_id)
             select 1, n, 'ghost', 't' || n, '', 'sent', '$brief' || n
             from generate_series(1, 2) as n",
    )
    .execute(store.pool())
    .await
    .unwrap();
    ConversationId(1)
}

/// R09: Synapse loses the transaction with a message, and brings the echo of the next letter: what
/// was written before that letter does not answer it.
#[tokio::test]
async fn r09_a_lost_transaction_makes_no_answer_answer_a_later_letter() {
    let store = store().await;
    let conversation = two_letters(&store).await;
    let now = NOW;
    let later = now + Duration::from_secs(5);
    store.receive_transaction("1", &[event("$brief1")], now).await.unwrap();
    store.receive_sync("@bot:x", "s1", &[], &[event("$brief1")], now).await.unwrap();
    // "$antwort" was said here, and lost; then the second letter came.
    store.receive_transaction("3", &[event("$brief2")], later).await.unwrap();
    let told = [event("$antwort"), event("$brief2"), event("$danach")];
    store.receive_sync("@bot:x", "s2", &[], &told, later).await.unwrap();
    let answered = async |event| {
        let letter = store.answered_letter(conversation, event, &[]).await.unwrap();
        letter.map(|letter| letter.id)
    };
    assert_eq!(answered("$antwort").await, Some(LetterId(1)));
    assert_eq!(answered("$danach").await, Some(LetterId(2)));
}

/// R09: the same when `/sync` tells of the message before it tells of the letter.
#[tokio::test]
async fn r09_an_echo_without_a_place_stands_behind_what_has_one() {
    let store = store().await;
    let conversation = two_letters(&store).await;
    let now = NOW;
    store.receive_sync("@bot:x", "s1", &[], &[event("$brief1")], now).await.unwrap();
    store.receive_transaction("3", &[event("$brief2")], now).await.unwrap();
    store.receive_sync("@bot:x", "s2", &[], &[event("$antwort")], now).await.unwrap();
    let letter = store.answered_letter(conversation, "$antwort", &[]).await.unwrap();
    assert_eq!(letter.map(|letter| letter.id), Some(LetterId(1)));
}

/// Two messages of one answer, from two devices; the key of the first comes while the answer is still
/// being gathered. What was said first comes first.
#[tokio::test]
async fn what_is_gathered_leaves_in_the_order_the_room_shows() {
    let stage = Stage::with(|mut channels| {
        channels[0].collect_seconds = 15;
        channels
    })
    .await;
    let (erik, letter) = stage.letter_from("erik").await;
    let (anna, room) = (&stage.anna, &letter.room_id);
    stage
        .query(&format!(
            "create function waits() returns trigger language plpgsql as
             $$ begin new.state := 'waiting'; new.session_id := 'spaeter'; return new; end $$;
             create trigger waits before insert on room_events
             for each row when (new.sender = '{}') execute function waits()",
            stage.anna_id
        ))
        .await;
    anna.send_text(room, "Bitte 50 mg geben").await.unwrap();
    stage
        .database_says(
            "select count(*) from room_events where state = 'waiting' and place > 0",
            "1",
        )
        .await;
    stage.query("drop trigger waits on room_events").await;
    anna.send_text(room, "Nein, doch nicht").await.unwrap();
    stage.database_says("select count(*) from dispatch_parts", "1").await;
    // The key comes.
    stage.query("update room_events set state = 'new' where state = 'waiting'").await;
    anna.send_text(room, "Gruss").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    let at = |words: &str| mails[0].find(words).unwrap_or_else(|| panic!("{}", mails[0]));
    assert!(at("Bitte 50 mg geben") < at("Nein, doch nicht"), "{}", mails[0]);
}

/// An event that says nothing calls itself an edit: clients show nothing of it, and nothing waits for it.
#[tokio::test]
async fn what_is_no_edit_keeps_no_answer_back() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.edit_settings(&[("collect_seconds = 1\n", "collect_seconds = 6\n")]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "t1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    let token = stage.token_of(&stage.anna_id).await;
    let said = anna.send_text(&room, "Bitte 5 mg geben").await.unwrap();
    let content = json!({ "m.relates_to": { "rel_type": "m.replace", "event_id": said } });
    let path = format!("/_matrix/client/v3/rooms/{room}/send/org.matrix.msc4075.call.notify/t1");
    let homeserver = &stage.world.homeserver;
    let (status, answer) = homeserver.request("PUT", &path, &token, Some(&content)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    stage.all_events_are_read().await;
    anna.send_text(&room, "Danach").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert_eq!(stage.query("select count(*) from dispatches where state = 'withdrawn'").await, "0");
    assert!(mails[0].contains("Bitte 5 mg geben"), "{}", mails[0]);
    for untrue in [Phrase::EditWithoutKey, Phrase::EditWithoutKeyUnclear] {
        assert_eq!(saying(&anna.seen(), &untrue).count(), 0, "{}", anna.seen());
    }
}
