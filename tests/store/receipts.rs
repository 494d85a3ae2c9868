//! Receipts that a person has sent: one for each letter, a mail of its own, in its turn.

use umstieg::{
    model::{ConversationId, DeliveryState, LetterId, ServiceId},
    rules::acts::Whereabouts,
    store::{IncomingEvent, MayLeave, NewReceipt, Placing, ReceiptSent, Resolution, StoreError},
};

use crate::tables::{NOW, SpokenPart, StoreTables, after, erik, id, name, notice, placing};

const ANNA: &str = "@anna:x";
const BERT: &str = "@bert:x";
const ROOM: &str = "!r:x";

fn service() -> ServiceId {
    ServiceId::new("KIM-Mail;Default;V1.0").unwrap()
}

/// A conversation that a letter opened which asks for a receipt.
async fn asked_for(tables: &StoreTables) -> (ConversationId, LetterId) {
    let (letter, kim, erik, service) = (tables.letter().await, name("kim"), erik(), service());
    let own = id("a@x");
    let placing = Placing {
        receipt_as: Some(&service),
        message_id: Some(&own),
        ..placing(letter, &kim, &erik)
    };
    (tables.place(placing).await, letter)
}

/// The row of a command's event.
async fn command(tables: &StoreTables, event_id: &str) -> i64 {
    let event = IncomingEvent {
        event_id: event_id.to_owned(),
        room_id: ROOM.to_owned(),
        sender: ANNA.to_owned(),
        event: serde_json::json!({ "event_id": event_id, "sender": ANNA, "type": "m.room.message" }),
    };
    tables.store.receive_sync("@bot:x", "s", &[], &[event], NOW).await.unwrap();
    let events = tables.store.new_events(ROOM, 100).await.unwrap();
    events.iter().find(|event| event.event_id == event_id).unwrap().id
}

/// Acts upon a command; nothing if that was done before.
async fn asks(
    tables: &StoreTables,
    (conversation, letter): (ConversationId, LetterId),
    row: i64,
    (author, event_id): (&str, &str),
) -> Result<Option<ReceiptSent>, StoreError> {
    let Some(mut step) = tables.store.event_step(row, NOW).await? else { return Ok(None) };
    let (service, message_id) = (service(), id(&format!("q{event_id}@kim.local")));
    let new = NewReceipt {
        conversation,
        letter,
        author,
        event_id,
        service: &service,
        message_id: &message_id,
    };
    let sent = step.send_receipt(new).await?;
    step.commit().await?;
    Ok(Some(sent))
}

#[tokio::test]
async fn kim_31_a_letter_gets_one_receipt_whoever_asks_and_however_often() {
    let tables = StoreTables::new().await;
    let (conversation, letter) = asked_for(&tables).await;
    let of = (conversation, letter);
    let row = command(&tables, "$1").await;
    tables.all_or_nothing(async || asks(&tables, of, row, (ANNA, "$1")).await).await;
    assert_eq!(tables.jobs().await, format!("hand_over {conversation}"));
    assert_eq!(tables.unchanged(asks(&tables, of, row, (ANNA, "$1"))).await, None);
    let head = tables.head(conversation).await.unwrap();
    assert_eq!((head.receipt_as, head.answers), (Some(service()), Some(letter)));
    assert_eq!(head.first_event.as_deref(), Some("$1"), "its notices answer the command");

    let before = |state| Some(ReceiptSent::Before(ANNA.to_owned(), Some(state)));
    let row = command(&tables, "$2").await;
    let again = asks(&tables, of, row, (BERT, "$2")).await.unwrap();
    assert_eq!(again, before(DeliveryState::Collecting));
    tables.closed(conversation).await;
    let attempt = tables.leaves(conversation).await;
    let (failed, said, kim) = (DeliveryState::Failed, notice("failed"), name("kim"));
    let parked = Some((&kim, "x"));
    tables.store.settle_dispatch(&attempt, failed, "", &said, parked, NOW).await.unwrap();
    let row = command(&tables, "$3").await;
    let again = asks(&tables, of, row, (BERT, "$3")).await.unwrap();
    assert_eq!(again, before(failed));
    // It is tried again as every dispatch is, under its own Message-ID.
    let item = tables.store.parked().await.unwrap().remove(0);
    tables.store.resolve_parked(item.id, Resolution::Retry, NOW).await.unwrap();
    let head = tables.head(conversation).await.unwrap();
    assert_eq!(head.message_id, id("q$1@kim.local"));
    tables.hands_over(conversation).await;
    assert_eq!(tables.states("dispatches").await, "accepted");
}

/// A text that is written at the same time is a mail of its own, also when the clock is set back.
#[tokio::test]
async fn kim_31_nothing_is_gathered_into_a_receipt() {
    let tables = StoreTables::new().await;
    let (conversation, letter) = asked_for(&tables).await;
    let row = command(&tables, "$1").await;
    asks(&tables, (conversation, letter), row, (ANNA, "$1")).await.unwrap();
    let says = SpokenPart {
        conversation,
        author: ANNA,
        message_id: "2",
        answers: Some(letter),
        at: after(-60),
    };
    tables.collect(says).await.unwrap();
    let dispatches = "select count(*), count(receipt_as) from dispatches";
    assert_eq!(tables.sql(dispatches).await, "2|1");
    let parts = "select receipt_as is null from dispatch_parts
                 join dispatches on dispatches.id = dispatch_id";
    assert_eq!(tables.sql(parts).await, "t");
}

/// A receipt has no room message, and leaves all the same; reports are about it.
#[tokio::test]
async fn kim_31_a_receipt_leaves_without_words_and_is_reported_on() {
    let tables = StoreTables::new().await;
    let (conversation, letter) = asked_for(&tables).await;
    let row = command(&tables, "$1").await;
    asks(&tables, (conversation, letter), row, (ANNA, "$1")).await.unwrap();
    tables.closed(conversation).await;
    let head = tables.head(conversation).await.unwrap();
    let attempt = tables.store.begin_attempt(&head).await.unwrap().unwrap();
    let composed = tables.store.composition(attempt.id).await.unwrap();
    assert!(composed.parts.is_empty() && !composed.waits);
    let leaves = tables.store.body_leaves(&attempt, &composed).await.unwrap();
    assert_eq!(leaves, MayLeave::Leaves);
    let (accepted, said) = (DeliveryState::Accepted, notice("accepted"));
    tables.store.settle_dispatch(&attempt, accepted, "250", &said, None, NOW).await.unwrap();
    let found = tables.store.reported_dispatch(&name("kim"), &[id("q$1@kim.local")]).await.unwrap();
    let found = found.unwrap();
    assert!(found.is_receipt && found.first_event.as_deref() == Some("$1"));
    let report = tables.letter().await;
    assert!(tables.reported("q$1@kim.local", report, DeliveryState::Delivered).await.unwrap());
    assert_eq!(tables.states("dispatches").await, "delivered");
}

/// Keeps that Anna deleted this event, as a door tells of it, and does what follows from that.
async fn deleted(
    tables: &StoreTables,
    conversation: ConversationId,
    (event_id, of): (&str, &str),
    is_read: bool,
) -> Option<Whereabouts> {
    let event = IncomingEvent {
        event_id: event_id.to_owned(),
        room_id: ROOM.to_owned(),
        sender: ANNA.to_owned(),
        event: serde_json::json!({
            "event_id": event_id, "sender": ANNA, "type": "m.room.redaction", "redacts": of,
        }),
    };
    tables.store.receive_sync("@bot:x", event_id, &[], &[event], NOW).await.unwrap();
    if !is_read {
        return None;
    }
    let events = tables.store.new_events(ROOM, 100).await.unwrap();
    let row = events.iter().find(|event| event.event_id == event_id).unwrap().id;
    let mut step = tables.store.event_step(row, NOW).await.unwrap().unwrap();
    let said = |_| notice("withdrawn");
    let was = step.take_back_receipt(conversation, of, said).await.unwrap();
    step.commit().await.unwrap();
    was
}

/// KIM-31: who deletes the command takes the receipt back while it is here, and may ask again. What
/// leaves is decided when the body begins to leave, whether the deletion was read by then or not.
#[tokio::test]
async fn kim_31_a_receipt_whose_command_is_deleted_does_not_leave() {
    let tables = StoreTables::new().await;
    let of @ (conversation, _) = asked_for(&tables).await;
    let row = command(&tables, "$1").await;
    asks(&tables, of, row, (ANNA, "$1")).await.unwrap();
    let other = deleted(&tables, conversation, ("$d0", "$0"), true).await;
    assert_eq!((other, tables.states("dispatches").await), (None, "collecting".to_owned()));
    let was = deleted(&tables, conversation, ("$d1", "$1"), true).await;
    assert_eq!(was, Some(Whereabouts::InHouse));
    assert_eq!(tables.states("dispatches").await, "withdrawn");

    let row = command(&tables, "$2").await;
    let again = asks(&tables, of, row, (ANNA, "$2")).await.unwrap();
    assert_eq!(again, Some(ReceiptSent::Now));
    tables.closed(conversation).await;
    let head = tables.head(conversation).await.unwrap();
    let attempt = tables.store.begin_attempt(&head).await.unwrap().unwrap();
    let composed = tables.store.composition(attempt.id).await.unwrap();
    assert!(!composed.is_taken_back);
    deleted(&tables, conversation, ("$d2", "$2"), false).await;
    let leaves = tables.store.body_leaves(&attempt, &composed).await.unwrap();
    assert_eq!(leaves, MayLeave::Changed);
    assert!(tables.store.composition(attempt.id).await.unwrap().is_taken_back);
    tables.store.withdraw_empty(&attempt, &notice("withdrawn"), NOW).await.unwrap();

    let row = command(&tables, "$3").await;
    assert_eq!(asks(&tables, of, row, (ANNA, "$3")).await.unwrap(), Some(ReceiptSent::Now));
    tables.closed(conversation).await;
    tables.hands_over(conversation).await;
    let was = deleted(&tables, conversation, ("$d3", "$3"), true).await;
    assert_eq!(was, Some(Whereabouts::Gone));
    assert_eq!(tables.states("dispatches").await, "withdrawn, withdrawn, accepted");
}
