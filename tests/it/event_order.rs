//! The order of `/sync` says what was said first, whichever door was faster.

use std::time::Duration;

use serde_json::json;
use time::{OffsetDateTime, macros::datetime};
use umstieg::{
    model::{ConversationId, LetterId},
    store::{Database, IncomingEvent, Store, seal::OuterKey},
};
use umstieg_world::{World, gateway::sealing_key};

const ROOM: &str = "!raum:praxis.example";
const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

async fn store() -> Store {
    let world = World::shared().await.unwrap();
    let url = world.postgres.create_fresh_database().await.unwrap();
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

/// A conversation about two patients, whose letters stand in the room as `$brief1` and `$brief2`.
async fn two_letters(store: &Store) -> ConversationId {
    sqlx::raw_sql(
        "insert into conversations (channel, correspondent, created_at)
             values ('kim', 'erik@charite.kim.telematik', now());
         insert into portals (conversation_id, alias_token, room_id, state, created_at)
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
