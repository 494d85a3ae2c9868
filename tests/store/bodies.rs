//! A body leaves only as its room shows it at that moment, and what its event was read for holds once.

use serde_json::{Value, json};
use umstieg::{
    model::{ConversationId, DeliveryState},
    store::{
        Composition, EditSays, EventStep, IncomingEvent, MayLeave, NewPart, ParkedKind, Resolution,
        StoredDispatch, StoredPart, WaitForEdit,
    },
};

use crate::tables::{COLLECT, COLLECT_AT_MOST, NOW, StoreTables, after, id, notice};

const ANNA: &str = "@anna:x";
const BERT: &str = "@bert:x";
const ROOM: &str = "!r:x";

fn event(event_id: &str, sender: &str, kind: &str, content: &Value) -> IncomingEvent {
    IncomingEvent {
        event_id: event_id.to_owned(),
        room_id: ROOM.to_owned(),
        sender: sender.to_owned(),
        event: json!({
            "event_id": event_id, "sender": sender, "type": kind, "content": content,
        }),
    }
}

fn message(event_id: &str, sender: &str) -> IncomingEvent {
    event(event_id, sender, "m.room.message", &json!({ "body": event_id }))
}

fn edit(event_id: &str, sender: &str, of: &str) -> IncomingEvent {
    let relation = json!({ "rel_type": "m.replace", "event_id": of });
    event(event_id, sender, "m.room.message", &json!({ "m.relates_to": relation }))
}

fn redaction(event_id: &str, of: &str) -> IncomingEvent {
    event(event_id, ANNA, "m.room.redaction", &json!({ "redacts": of }))
}

/// `/sync` tells of events.
async fn tells(tables: &StoreTables, events: &[IncomingEvent]) {
    tables.store.receive_sync("@bot:x", "s", &[], events, NOW).await.unwrap();
}

/// A step that acts upon an unread event.
async fn step<'t>(tables: &'t StoreTables, event_id: &str) -> EventStep<'t> {
    let events = tables.store.new_events(ROOM, 100).await.unwrap();
    let event = events.iter().find(|event| event.event_id == event_id).unwrap();
    tables.store.event_step(event.id, NOW).await.unwrap().unwrap()
}

/// Puts a room message into a dispatch, in the step of its event.
async fn collect(
    step: &mut EventStep<'_>,
    conversation: ConversationId,
    (event_id, author): (&str, &str),
) {
    let new = NewPart {
        conversation,
        author,
        event_id,
        part: &StoredPart::Text(event_id.to_owned()),
        answers: None,
        collect: COLLECT,
        collect_at_most: COLLECT_AT_MOST,
        message_id: &id(&format!("of{event_id}@kim.local")),
        at: NOW,
    };
    step.collect(new).await.unwrap();
}

async fn reads(tables: &StoreTables, conversation: ConversationId, event_id: &str) {
    let mut step = step(tables, event_id).await;
    collect(&mut step, conversation, (event_id, ANNA)).await;
    step.commit().await.unwrap();
}

/// What an edit says becomes known.
async fn reads_edit(tables: &StoreTables, edit: &str, of: &str) {
    let mut step = step(tables, edit).await;
    let part = StoredPart::Text(edit.to_owned());
    step.edit_says(edit, ROOM, ANNA, of, EditSays::Part(&part)).await.unwrap();
    step.commit().await.unwrap();
}

/// A closed dispatch of `$1` and `$2`.
async fn two_messages(tables: &StoreTables) -> (ConversationId, StoredDispatch) {
    let conversation = tables.conversation().await;
    tells(tables, &[message("$1", ANNA), message("$2", ANNA)]).await;
    reads(tables, conversation, "$1").await;
    reads(tables, conversation, "$2").await;
    (conversation, tables.closed(conversation).await)
}

fn words(composition: &Composition) -> Vec<&str> {
    let words = composition.parts.iter().map(|part| match &part.part {
        StoredPart::Text(word) => word.as_str(),
        other => panic!("{other:?}"),
    });
    words.collect()
}

#[tokio::test]
async fn a_body_does_not_leave_when_its_room_shows_something_else_by_then() {
    // What happens after the composing, and what the next one says.
    let all: [(&str, &[IncomingEvent], &[&str]); 4] = [
        ("an edit that nobody can read", &[edit("$e", ANNA, "$1")], &["waits", "$2"]),
        ("one message is deleted", &[redaction("$r", "$2")], &["$1"]),
        ("all of it is deleted", &[redaction("$r", "$2"), redaction("$s", "$1")], &[]),
        (
            "an edit that is deleted, and an edit",
            &[edit("$e", ANNA, "$1"), edit("$f", ANNA, "$2"), redaction("$r", "$e")],
            &["$1", "waits"],
        ),
    ];
    for (what, happens, expected) in all {
        let tables = StoreTables::new().await;
        let (store, (conversation, head)) = (&tables.store, two_messages(&tables).await);
        let composed = store.composition(head.id).await.unwrap();
        assert_eq!(words(&composed), ["$1", "$2"]);
        let attempt = store.begin_attempt(&head).await.unwrap().unwrap();
        tells(&tables, happens).await;
        assert_eq!(
            store.body_leaves(&attempt, &composed).await.unwrap(),
            MayLeave::Changed,
            "{what}"
        );
        let waits = tables.head(conversation).await.unwrap();
        assert_eq!((waits.state, waits.attempts), (DeliveryState::Waiting, 1), "{what}");
        // That attempt is over, even for a task that goes on with it.
        let again = store.body_leaves(&attempt, &composed);
        assert_eq!(tables.unchanged(again).await, MayLeave::Stopped, "{what}");
        let shown = store.composition(head.id).await.unwrap();
        let says: Vec<&str> = expected.iter().copied().filter(|word| *word != "waits").collect();
        assert_eq!((words(&shown), shown.waits), (says, expected.contains(&"waits")), "{what}");
    }
}

#[tokio::test]
async fn what_does_not_change_what_is_shown_stops_no_body() {
    let tables = StoreTables::new().await;
    let (store, (conversation, head)) = (&tables.store, two_messages(&tables).await);
    let composed = store.composition(head.id).await.unwrap();
    let attempt = store.begin_attempt(&head).await.unwrap().unwrap();
    // Another person's edit does not count; what is done to other events, or told of another room, is
    // not ours.
    let elsewhere =
        IncomingEvent { room_id: "!other:x".to_owned(), ..redaction("$elsewhere", "$2") };
    let happens = [edit("$e", BERT, "$1"), redaction("$r", "$x"), elsewhere, message("$3", ANNA)];
    tells(&tables, &happens).await;
    reads(&tables, conversation, "$3").await;
    let leaves = async || store.body_leaves(&attempt, &composed).await;
    tables.all_or_nothing(leaves).await;
    assert_eq!(tables.unchanged(leaves()).await, MayLeave::Stopped, "it leaves once");
    let head = tables.head(conversation).await.unwrap();
    assert_eq!((head.state, head.said_as), (DeliveryState::SendingBody, Some(composed.mark())));
}

#[tokio::test]
async fn what_is_done_to_a_message_after_its_body_began_to_leave_is_too_late() {
    let tables = StoreTables::new().await;
    let (store, (conversation, head)) = (&tables.store, two_messages(&tables).await);
    tells(&tables, &[edit("$e", ANNA, "$1")]).await;
    reads_edit(&tables, "$e", "$1").await;
    tables.leaves(conversation).await;
    let left = [StoredPart::Text("$e".to_owned()), StoredPart::Text("$2".to_owned())];
    tells(&tables, &[edit("$f", ANNA, "$1"), redaction("$r", "$2")]).await;
    reads_edit(&tables, "$f", "$1").await;
    assert_eq!(store.dispatch_parts(head.id).await.unwrap(), left, "as it left");
    // If it leaves once more, that is another mail.
    let shown = store.composition(head.id).await.unwrap();
    assert_eq!(words(&shown), ["$f"]);
    let said_as = tables.head(conversation).await.unwrap().said_as.unwrap();
    assert_ne!(shown.mark(), said_as);
}

/// A key may be late: what is read first is not always what was said first.
#[tokio::test]
async fn a_dispatch_says_its_messages_in_the_order_of_the_room() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    tells(&tables, &[message("$1", ANNA), message("$2", ANNA), message("$3", ANNA)]).await;
    for event_id in ["$3", "$1", "$2"] {
        reads(&tables, conversation, event_id).await;
    }
    let head = tables.closed(conversation).await;
    let composed = tables.store.composition(head.id).await.unwrap();
    assert_eq!(words(&composed), ["$1", "$2", "$3"]);
    assert_eq!(composed.mark(), tables.store.composition(head.id).await.unwrap().mark());
}

#[tokio::test]
async fn an_event_is_acted_upon_once_and_wholly() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    tells(&tables, &[message("$1", ANNA)]).await;
    let event = store.new_events(ROOM, 100).await.unwrap()[0].id;
    // In its step something is gathered and said. It ends before it is committed.
    let acts = async || {
        let Some(mut step) = store.event_step(event, NOW).await? else { return Ok(()) };
        collect(&mut step, conversation, ("$1", ANNA)).await;
        step.say(conversation, "n", &notice("x")).await?;
        step.commit().await
    };
    let broken = async || {
        let mut step = store.event_step(event, NOW).await?.unwrap();
        collect(&mut step, conversation, ("$1", ANNA)).await;
        drop(step);
        store.ping().await
    };
    tables.unchanged(broken()).await;
    assert_eq!(tables.wakes(broken()).await, "");
    tables.all_or_nothing(acts).await;
    assert_eq!(tables.jobs().await, format!("hand_over {conversation}, send_posts {conversation}"));
    tables.unchanged(acts()).await;
    assert!(store.new_events(ROOM, 100).await.unwrap().is_empty());
    // It comes by the other door, and by the same one again.
    store.receive_transaction("t", &[message("$1", ANNA)], NOW).await.unwrap();
    tells(&tables, &[message("$1", ANNA)]).await;
    assert!(store.new_events(ROOM, 100).await.unwrap().is_empty());
}

/// The edit's key does not come: its message leaves neither as before nor as it should.
#[tokio::test]
async fn a_message_is_held_for_an_edit_once_and_its_dispatch_ends_with_its_last() {
    let tables = StoreTables::new().await;
    let (store, (conversation, head)) = (&tables.store, two_messages(&tables).await);
    tells(&tables, &[edit("$e", ANNA, "$1"), edit("$f", ANNA, "$2")]).await;
    let hold = async |edit: &str, of: &str| {
        let (txn_id, said) = (format!("u{edit}"), |_| notice("held"));
        store.hold_for_edit(conversation, edit, of, &txn_id, said, after(1)).await
    };
    tables.all_or_nothing(async || hold("$e", "$1").await).await;
    assert_eq!(tables.jobs().await, format!("hand_over {conversation}, send_posts {conversation}"));
    assert_eq!(tables.unchanged(hold("$e", "$1")).await, WaitForEdit::NotWaitedFor);
    assert_eq!(
        tables.unchanged(hold("$f", "$1")).await,
        WaitForEdit::NotWaitedFor,
        "no edit of it"
    );
    assert_eq!(tables.unchanged(hold("$e", "$x")).await, WaitForEdit::NoPart);
    assert_eq!(tables.head(conversation).await.unwrap().id, head.id);
    assert_eq!(hold("$f", "$2").await.unwrap(), WaitForEdit::Held);
    assert_eq!(tables.head(conversation).await, None);
    assert_eq!(tables.states("dispatches").await, "withdrawn");
    // With the key it comes back, in its own dispatch.
    reads_edit(&tables, "$e", "$1").await;
    tells(&tables, &[message("$key", ANNA)]).await;
    let mut step = step(&tables, "$key").await;
    let stood = step.standing_of(conversation, "$1").await.unwrap().unwrap();
    let new = NewPart {
        conversation,
        author: ANNA,
        event_id: "$1",
        part: &StoredPart::Text(String::new()),
        answers: None,
        collect: COLLECT,
        collect_at_most: COLLECT_AT_MOST,
        message_id: &id("back@kim.local"),
        at: after(2),
    };
    step.come_back(&stood, new).await.unwrap();
    step.commit().await.unwrap();
    let back = tables.head(conversation).await.unwrap();
    assert_eq!(words(&store.composition(back.id).await.unwrap()), ["$e"]);
}

/// Part of what was said was not heard: what waits may have been taken back in it.
#[tokio::test]
async fn behind_a_gap_nothing_leaves_by_itself() {
    let tables = StoreTables::new().await;
    let (store, (conversation, head)) = (&tables.store, two_messages(&tables).await);
    tells(&tables, &[message("$3", ANNA)]).await;
    let lost = async || {
        let (told, at_dispatch) = (notice("gap"), |_| notice("at dispatch"));
        let told = ("g", &told);
        store.history_lost(conversation, ROOM, "kim", told, at_dispatch, NOW).await
    };
    tables.all_or_nothing(lost).await;
    tables.unchanged(lost()).await;
    assert_eq!(tables.states("dispatches").await, "failed");
    assert!(store.new_events(ROOM, 100).await.unwrap().is_empty());
    assert_eq!(store.begin_attempt(&head).await.unwrap(), None);
    let parked = store.parked().await.unwrap();
    let kinds: Vec<ParkedKind> = parked.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, [ParkedKind::Gap, ParkedKind::Dispatch]);
    assert_eq!(tables.waiting(conversation).await.len(), 2);
    // A person has looked.
    assert!(store.resolve_parked(parked[1].id, Resolution::Retry, NOW).await.unwrap());
    tables.leaves(conversation).await;
    // Nothing may declare failed what may have left.
    tables.unchanged(lost()).await;
    assert_eq!(tables.states("dispatches").await, "sending_body");
}
