//! What clients are told of a dispatch: in the transaction of its state, once each, and only those that
//! want to be told.

use proptest::prelude::*;
use serde_json::{Value, json};
use umstieg::{
    model::{ConversationId, DeliveryState, StatusForm},
    rules::status::{ANSWER_TYPE, BRIDGED_TYPE},
    store::{IncomingEvent, NewPart, Resolution, StatusWish, StoredPart, StoredPost},
};

use crate::{
    model::{Taken, run, take, taken},
    tables::{COLLECT, COLLECT_AT_MOST, NOW, StoreTables, after, id, notice},
};

const ANNA: &str = "@anna:x";

/// Who wants what, of what is said in a conversation.
#[derive(Clone, Copy)]
struct Wishing<'t> {
    tables: &'t StoreTables,
    conversation: ConversationId,
    room: &'t str,
}

impl Wishing<'_> {
    /// Anna says something, and her client has these wishes.
    async fn says(&self, event_id: &str, wishes: &[StatusWish]) {
        let Self { tables, conversation, room } = *self;
        let event = json!({ "event_id": event_id, "sender": ANNA, "type": "m.room.message" });
        let event = IncomingEvent {
            event_id: event_id.to_owned(),
            room_id: room.to_owned(),
            sender: ANNA.to_owned(),
            event,
        };
        tables.store.receive_sync("@bot:x", "s", &[], &[event], NOW).await.unwrap();
        let events = tables.store.new_events(room, 100).await.unwrap();
        let row = events.iter().find(|event| event.event_id == event_id).unwrap().id;
        let mut step = tables.store.event_step(row, NOW).await.unwrap().unwrap();
        let new = NewPart {
            conversation,
            author: ANNA,
            event_id,
            part: &StoredPart::Text(event_id.to_owned()),
            answers: None,
            collect: COLLECT,
            collect_at_most: COLLECT_AT_MOST,
            message_id: &id(&format!("of{event_id}@kim.local")),
            at: NOW,
        };
        step.collect(new).await.unwrap();
        step.wishes(event_id, wishes).await.unwrap();
        // Its event is read once more.
        step.wishes(event_id, wishes).await.unwrap();
        step.commit().await.unwrap();
    }

    /// What waits to be said to clients, by the event it is about.
    async fn told(&self) -> Vec<StoredPost> {
        let mut waiting = self.tables.waiting(self.conversation).await;
        waiting.retain(|post| post.event_type.is_some());
        waiting
    }

    /// What bridges would have said of an event, in order.
    async fn bridged(&self, event: &str) -> Vec<Value> {
        let told = self.told().await.into_iter();
        told.filter(|post| {
            post.event_type.as_deref() == Some(BRIDGED_TYPE)
                && post.content["m.relates_to"]["event_id"] == json!(event)
        })
        .map(|post| post.content)
        .collect()
    }

    /// The answers of gematik's form: the event and the status of each.
    async fn answers(&self) -> Vec<(String, String)> {
        let text =
            |content: &Value, at: &str| content.pointer(at).unwrap().as_str().unwrap().to_owned();
        let told = self.told().await;
        told.iter()
            .filter(|post| post.event_type.as_deref() == Some(ANSWER_TYPE))
            .map(|post| {
                let status = text(&post.content, "/de.gematik.response.status/status");
                (text(&post.content, "/m.relates_to/event_id"), status)
            })
            .collect()
    }
}

const ASKS: StatusWish = StatusWish { form: StatusForm::Gematik, until: None };
const FOLLOWS: StatusWish = StatusWish { form: StatusForm::Beeper, until: None };

#[tokio::test]
async fn tim_15_who_asked_is_answered_once_and_nobody_else() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let wishing = Wishing { tables: &tables, conversation, room: "!r:x" };
    let until = after(60);
    wishing.says("$1", &[StatusWish { until: Some(until), ..ASKS }]).await;
    wishing.says("$2", &[]).await;
    wishing.says("$3", &[ASKS]).await;
    // What was taken back does not leave, and is not answered for.
    tables.sql("update dispatch_parts set withdrawn = true where event_id = '$3'").await;
    tables.closed(conversation).await;
    let attempt = tables.leaves(conversation).await;
    assert!(wishing.told().await.is_empty(), "nothing is decided");
    let settle = async || {
        let (state, said) = (DeliveryState::Accepted, notice("handed over"));
        store.settle_dispatch(&attempt, state, "250", &said, None, NOW).await
    };
    tables.all_or_nothing(settle).await;
    tables.unchanged(settle()).await;
    assert_eq!(wishing.answers().await, [("$1".to_owned(), "success".to_owned())]);
    let told = wishing.told().await;
    assert_eq!((told[0].txn_id.as_str(), told[0].until), ("s$1", Some(until)));
    // What a report says later is for people.
    let letter = tables.letter().await;
    assert!(tables.reported("of$1@kim.local", letter, DeliveryState::Undelivered).await.unwrap());
    assert_eq!(wishing.told().await.len(), 1);
    // Nobody waits for it any more.
    store.post_is_late(told[0].id).await.unwrap();
    assert!(wishing.told().await.is_empty());
    tables.unchanged(store.post_is_late(told[0].id)).await;
}

#[tokio::test]
async fn tim_15_what_failed_is_an_error_in_the_room_s_words_and_what_is_unclear_waits() {
    let tables = StoreTables::new().await;
    let (store, conversation) = (&tables.store, tables.conversation().await);
    let wishing = Wishing { tables: &tables, conversation, room: "!r:x" };
    let ends = async |event: &str, state, said: &str| {
        wishing.says(event, &[ASKS]).await;
        tables.closed(conversation).await;
        let attempt = tables.leaves(conversation).await;
        let said = notice(said);
        store.settle_dispatch(&attempt, state, "", &said, None, NOW).await.unwrap();
    };
    ends("$1", DeliveryState::Failed, "Nicht zugestellt.").await;
    let told = wishing.told().await;
    let words = told[0].content.pointer("/de.gematik.response.status/messages/0/de.gematik.text");
    assert_eq!(words, Some(&json!([{ "body": "Nicht zugestellt." }])));

    ends("$2", DeliveryState::Unclear, "Unklar.").await;
    assert_eq!(wishing.answers().await.len(), 1);
    // A report says that it arrived after all.
    let letter = tables.letter().await;
    assert!(tables.reported("of$2@kim.local", letter, DeliveryState::Delivered).await.unwrap());
    let both = [("$1", "error"), ("$2", "success")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(wishing.answers().await, both);
}

/// After a restore, what the room has under the same name is not said again.
#[tokio::test]
async fn tim_15_an_answer_that_the_room_has_is_not_said_again() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    let wishing = Wishing { tables: &tables, conversation, room: "!r:x" };
    let found = [("s$1".to_owned(), "$answer".to_owned())];
    tables.store.posts_found(&found, NOW).await.unwrap();
    wishing.says("$1", &[ASKS]).await;
    tables.closed(conversation).await;
    tables.hands_over(conversation).await;
    assert!(wishing.told().await.is_empty());
    let sent = "select event_id from posts where txn_id = 's$1' and state = 'sent'";
    assert_eq!(tables.sql(sent).await, "$answer");
}

#[derive(Debug, Clone)]
enum StatusStep {
    Says {
        asks: bool,
    },
    /// The oldest dispatch leaves as far as it can, and its attempt ends so.
    Ends {
        to: DeliveryState,
        taken: Taken,
    },
    TryLater {
        taken: Taken,
    },
    /// A person decides about what is parked.
    Decide {
        which: prop::sample::Index,
        taken: Taken,
    },
    /// A report comes, and comes once more.
    Report {
        which: prop::sample::Index,
        said: DeliveryState,
        taken: Taken,
    },
}

fn step() -> impl Strategy<Value = StatusStep> {
    use DeliveryState::{Accepted, Delayed, Delivered, Discarded, Failed, Read, Relayed};
    use DeliveryState::{Unclear, Undelivered};
    let which = any::<prop::sample::Index>;
    let ends = prop::sample::select(vec![Accepted, Failed, Unclear]);
    let said =
        prop::sample::select(vec![Delayed, Relayed, Delivered, Read, Discarded, Undelivered]);
    prop_oneof![
        3 => any::<bool>().prop_map(|asks| StatusStep::Says { asks }),
        6 => (ends, taken()).prop_map(|(to, taken)| StatusStep::Ends { to, taken }),
        2 => taken().prop_map(|taken| StatusStep::TryLater { taken }),
        3 => (which(), taken()).prop_map(|(which, taken)| StatusStep::Decide { which, taken }),
        5 => (which(), said, taken())
            .prop_map(|(which, said, taken)| StatusStep::Report { which, said, taken }),
    ]
}

/// Whatever happens to dispatches, however often and wherever it is broken off: a client that asked is
/// answered at most once, and so that the answer was true when it was given.
#[test]
fn tim_15_no_sequence_answers_twice_or_without_being_asked() {
    run(step(), async |tables, steps| {
        let conversation = tables.conversation().await;
        let room = format!("!r{conversation}:x");
        let wishing = Wishing { tables, conversation, room: &room };
        let mut asked = Vec::new();
        let mut said = Vec::new();
        let mut answered: Vec<(String, String)> = Vec::new();
        for step in steps {
            match step {
                StatusStep::Says { asks } => {
                    let event = format!("${conversation}-{}", said.len());
                    wishing.says(&event, if asks { &[ASKS, FOLLOWS] } else { &[] }).await;
                    said.push(event.clone());
                    asked.extend(asks.then_some(event));
                }
                StatusStep::Ends { to, taken } => ends(tables, conversation, to, taken).await,
                StatusStep::TryLater { taken } => {
                    let Some(attempt) = begins(tables, conversation).await else { continue };
                    let said = notice("later");
                    take(taken, async || {
                        tables.store.dispatch_again_at(&attempt, NOW, "x", Some(&said)).await
                    })
                    .await;
                }
                StatusStep::Decide { which, taken } => {
                    let parked = tables.store.parked().await.unwrap();
                    if parked.is_empty() {
                        continue;
                    }
                    let id = which.get(&parked).id;
                    let retry = Resolution::Retry;
                    take(taken, async || tables.store.resolve_parked(id, retry, NOW).await).await;
                }
                StatusStep::Report { which, said: fate, taken } => {
                    if said.is_empty() {
                        continue;
                    }
                    let about = format!("of{}@kim.local", which.get(&said));
                    let letter = tables.letter().await;
                    take(taken, async || tables.reported(&about, letter, fate).await).await;
                    tables.caught_up(conversation).await.unwrap();
                }
            }
            let now = wishing.answers().await;
            assert!(now.starts_with(&answered), "an answer changed: {answered:?} {now:?}");
            answered = now;
            let events: Vec<&String> = answered.iter().map(|(event, _)| event).collect();
            assert!(events.iter().all(|event| asked.contains(event)), "{events:?} of {asked:?}");
            let once = events.iter().enumerate().all(|(at, event)| !events[..at].contains(event));
            assert!(once, "{events:?}");
            for event in &asked {
                goes_forward(&wishing.bridged(event).await);
            }
            agrees(tables, conversation).await;
        }
    });
}

/// Nothing is said twice in a row, and after a success only a delivery or a failure.
fn goes_forward(said: &[Value]) {
    for pair in said.windows(2) {
        let [before, next] = pair else { continue };
        assert_ne!(before, next);
        if before["status"] == json!("SUCCESS") {
            let is_delivered =
                next["delivered_to_users"].as_array().is_some_and(|all| !all.is_empty());
            assert!(is_delivered || next["status"] == json!("FAIL_RETRIABLE"), "{said:#?}");
        }
    }
}

/// Every message that asked, and whose dispatch is where an answer is certain, has one.
async fn agrees(tables: &StoreTables, conversation: ConversationId) {
    let unanswered = format!(
        "select part.event_id
         from status_wishes as wish
         join dispatch_parts as part on part.event_id = wish.event_id
         join dispatches as dispatch on dispatch.id = part.dispatch_id
         where dispatch.conversation_id = {conversation}
           and wish.form = 'gematik'
           and wish.said is null
           and (dispatch.state in ('accepted', 'delayed', 'relayed', 'delivered', 'read', 'discarded')
               or (dispatch.state in ('failed', 'undelivered') and not dispatch.may_have_arrived))"
    );
    assert_eq!(tables.sql(&unanswered).await, "");
}

/// Begins an attempt at the oldest dispatch, if one can begin.
async fn begins(
    tables: &StoreTables,
    conversation: ConversationId,
) -> Option<umstieg::store::StoredDispatch> {
    let head = tables.head(conversation).await?;
    if head.state == DeliveryState::Collecting {
        tables.store.close_dispatch(&head, NOW).await.unwrap();
    }
    let head = tables.head(conversation).await?;
    tables.store.begin_attempt(&head).await.unwrap()
}

async fn ends(tables: &StoreTables, conversation: ConversationId, to: DeliveryState, taken: Taken) {
    let Some(attempt) = begins(tables, conversation).await else { return };
    let composed = tables.store.composition(attempt.id).await.unwrap();
    tables.store.body_leaves(&attempt, &composed).await.unwrap();
    let (said, kim) = (notice(to.word()), crate::tables::name("kim"));
    let parked = to.needs_a_person().then_some((&kim, to.word()));
    take(taken, async || tables.store.settle_dispatch(&attempt, to, "x", &said, parked, NOW).await)
        .await;
}
