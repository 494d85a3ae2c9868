//! Who takes care of a conversation: each step once, whatever is broken off, and against a small model that
//! thinks through the whole history each time.

use proptest::prelude::*;
use serde_json::json;
use umstieg::{
    model::{
        ChannelKind, ConversationId, Correspondent, DeliveryState, LetterId, MatterState, TrayNews,
    },
    rules::matters::MatterStep,
    store::{EventStep, IncomingEvent, MatterMoved, Placing},
};
use umstieg_world::broken_off;

use crate::{
    model::run,
    tables::{NOW, StoreTables, after, erik, mail_of, name, notice, placing},
};

const ANNA: &str = "@anna:x";
const BERT: &str = "@bert:x";

/// A row of `matters`, as `state holder news`.
const STANDS: &str = "select concat_ws(' ', state, holder, news) from matters order by 1";

impl StoreTables {
    /// An event in the room of a conversation, and the step that acts upon it.
    async fn says_event(&self, room: &str, event_id: &str, sender: &str) {
        let event = IncomingEvent {
            event_id: event_id.to_owned(),
            room_id: room.to_owned(),
            sender: sender.to_owned(),
            event: json!({ "event_id": event_id, "sender": sender, "type": "m.x", "content": {} }),
        };
        self.store.receive_sync("@bot:x", "s", &[], &[event], NOW).await.unwrap();
    }

    async fn step_of(&self, room: &str, event_id: &str) -> EventStep<'_> {
        let events = self.store.new_events(room, 1000).await.unwrap();
        let event = events.iter().find(|event| event.event_id == event_id).unwrap();
        self.store.event_step(event.id, NOW).await.unwrap().unwrap()
    }

    /// A person takes a step.
    async fn moves(
        &self,
        (room, event_id): (&str, &str),
        conversation: ConversationId,
        (author, moves): (&str, &MatterStep),
        is_sign: bool,
    ) -> Option<MatterMoved> {
        self.says_event(room, event_id, author).await;
        let mut step = self.step_of(room, event_id).await;
        let sign = is_sign.then_some((event_id, conversation));
        let moved = step.move_matter(conversation, moves, author, sign).await.unwrap();
        step.commit().await.unwrap();
        moved
    }

    /// A further letter into a conversation.
    async fn further_letter(&self, conversation: ConversationId, with: &Correspondent) -> LetterId {
        let (letter, kim) = (self.letter().await, name("kim"));
        let placing = placing(letter, &kim, with);
        self.place(Placing { conversation: Some(conversation), ..placing }).await;
        letter
    }
}

/// What the tray is told is saved with the note that it was told; a letter into what is open is none.
#[tokio::test]
async fn a_letter_opens_its_conversation_and_is_told_of_once() {
    let tables = StoreTables::new().await;
    let letter = tables.letter().await;
    let (kim, erik) = (name("kim"), erik());
    let place = async || tables.store.place_letter(placing(letter, &kim, &erik)).await;
    tables.all_or_nothing(place).await;
    assert_eq!(tables.sql(STANDS).await, "open new");
    let conversation = tables.store.conversation_of(letter).await.unwrap().unwrap();
    tables.further_letter(conversation, &erik).await;
    assert_eq!(tables.sql("select step from matter_steps").await, "letter, letter");
    assert_eq!(tables.sql(STANDS).await, "open new");

    assert_eq!(tables.store.matter_news(None, 10).await.unwrap(), [], "it has no room yet");
    tables.room(conversation, "!r:x").await;
    let news = tables.store.matter_news(Some(conversation), 10).await.unwrap().pop().unwrap();
    assert_eq!((news.letter, news.news, news.is_settled), (letter, TrayNews::New, false));
    let said = notice("Neuer Brief");
    let channel = (&kim, ChannelKind::Kim);
    let tell = async || tables.store.tell_matter_news(&news, channel, Some(&said), NOW).await;
    tables.all_or_nothing(tell).await;
    assert!(!tables.unchanged(tell()).await);
    let tray = tables.sql("select conversation_id from channel_notices").await;
    let lines = "select post.conversation_id, line.conversation_id
                 from tray_lines as line join posts as post using (txn_id)";
    assert_eq!(tables.sql(lines).await, format!("{tray}|{conversation}"));
    assert_eq!(tables.store.matter_news(None, 10).await.unwrap(), []);
    assert_eq!(tables.sql(STANDS).await, "open", "the tray asks nothing of anybody");
}

/// What left is an answer to what came before it was begun, and to nothing that came later.
#[tokio::test]
async fn only_an_answer_to_the_newest_letter_closes_what_is_open() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    tables.says(conversation, ANNA, "a1@x").await;
    assert_eq!(tables.sql(STANDS).await, "open new", "nothing has left");
    tables.closed(conversation).await;
    tables.hands_over(conversation).await;
    assert_eq!(tables.sql(STANDS).await, "answered new");

    tables.further_letter(conversation, &erik()).await;
    assert_eq!(tables.sql(STANDS).await, "open new");
    tables.says(conversation, ANNA, "a2@x").await;
    tables.further_letter(conversation, &erik()).await;
    tables.closed(conversation).await;
    tables.hands_over(conversation).await;
    assert_eq!(tables.sql(STANDS).await, "open new", "it was begun before the newest letter");

    tables.says(conversation, ANNA, "a3@x").await;
    tables.closed(conversation).await;
    tables.hands_over(conversation).await;
    assert_eq!(tables.sql(STANDS).await, "answered new");
    // A report opens it again, and only a bad one.
    let report = tables.letter().await;
    assert!(tables.reported("a3@x", report, DeliveryState::Delivered).await.unwrap());
    assert_eq!(tables.sql(STANDS).await, "answered new");
    let report = tables.letter().await;
    assert!(tables.reported("a2@x", report, DeliveryState::Undelivered).await.unwrap());
    assert_eq!(tables.sql(STANDS).await, "open new");
}

/// A sign that is gone moved nothing; what others did since stays.
#[tokio::test]
async fn a_sign_that_is_gone_moved_nothing() {
    let tables = StoreTables::new().await;
    let conversation = tables.conversation().await;
    tables.room(conversation, "!r:x").await;
    let take = MatterStep::Take(ANNA.to_owned());
    tables.moves(("!r:x", "$hand"), conversation, (ANNA, &take), true).await.unwrap();
    assert_eq!(tables.sql(STANDS).await, "taken @anna:x new");
    tables.moves(("!r:x", "$tick"), conversation, (BERT, &MatterStep::Done), true).await.unwrap();
    assert_eq!(tables.sql(STANDS).await, "done new");

    let other = tables.conversation_with(&mail_of("otto@charite.kim.telematik")).await;
    let gone = async |event_id: &str, sign: &str, room_of| {
        tables.says_event("!r:x", event_id, ANNA).await;
        let mut step = tables.step_of("!r:x", event_id).await;
        let is_gone = step.sign_is_gone(room_of, sign).await.unwrap();
        step.commit().await.unwrap();
        is_gone
    };
    let stands = "select state, holder from matters order by conversation_id limit 1";
    assert!(!gone("$g0", "$tick", other).await, "nobody takes back a sign from another room");
    assert!(!gone("$g1", "$nothing", conversation).await);
    assert_eq!(tables.sql(stands).await, "done|");
    assert!(gone("$g2", "$hand", conversation).await);
    assert_eq!(tables.sql(stands).await, "done|", "Bert has said so since");
    assert!(gone("$g3", "$tick", conversation).await);
    assert_eq!(tables.sql(stands).await, "open|");
    assert!(!gone("$g4", "$tick", conversation).await);
    let who = "select step, author, taken_back_at is not null from matter_steps
               where author is not null order by id";
    assert_eq!(tables.sql(who).await, "take|@anna:x|t, done|@bert:x|t");
}

/// One message for all that waits, once for each as it stands.
#[tokio::test]
async fn a_tray_is_reminded_of_all_in_one_message_and_once() {
    let tables = StoreTables::new().await;
    let kim = name("kim");
    let channel = (&kim, ChannelKind::Kim);
    for number in 0..60 {
        let letter = tables.letter().await;
        let who = mail_of(&format!("k{number}@charite.kim.telematik"));
        let placing = Placing { at: after(number), ..placing(letter, &kim, &who) };
        tables.place(placing).await;
    }
    let (open, in_all) = tables.store.open_matters(&kim, 20).await.unwrap();
    assert_eq!((open.len(), in_all), (20, 60));
    assert!(open.is_sorted_by_key(|matter| matter.waits_since));
    assert_eq!(open[0].correspondent, "k0@charite.kim.telematik");

    let reminder = tables.store.reminder(&kim, after(40), 20).await.unwrap();
    assert_eq!((reminder.matters.len(), reminder.in_all), (20, 41));
    let said = notice("Das wartet");
    let times = (None, after(40));
    let remind = async || tables.store.remind_tray(channel, times, &said, after(100)).await;
    tables.all_or_nothing(remind).await;
    assert!(!tables.unchanged(remind()).await);
    assert_eq!(tables.store.reminder(&kim, after(40), 20).await.unwrap().in_all, 0);
    assert_eq!(tables.sql("select count(*) from posts").await, "1");
    assert_eq!(tables.store.reminded_at(&kim).await.unwrap(), Some(after(100)));

    // Who takes it now has the whole time, and is reminded again.
    let first = open[0].conversation;
    tables.room(first, "!r:x").await;
    let take = MatterStep::Take(ANNA.to_owned());
    tables.moves(("!r:x", "$take"), first, (ANNA, &take), false).await.unwrap();
    let taken = tables.store.reminder(&kim, after(40), 20).await.unwrap();
    assert_eq!(taken.matters.len(), 1);
    assert_eq!(taken.matters[0].holder.as_deref(), Some(ANNA));
    assert_eq!(taken.matters[0].waits_since, after(0), "the letter has waited since it came");
    let counts = tables.store.open_counts().await.unwrap();
    assert_eq!((counts[0].count, counts[0].oldest), (60, after(0)));
}

/// A clock that is set back: what was noted as later has stood since now.
#[tokio::test]
async fn what_has_waited_since_tomorrow_has_waited_since_now() {
    let tables = StoreTables::new().await;
    tables.conversation().await;
    tables.store.nothing_comes_later(after(-3600)).await.unwrap();
    let counts = tables.store.open_counts().await.unwrap();
    assert_eq!(counts[0].oldest, after(-3600));
    let reminder = tables.store.reminder(&name("kim"), after(-3600), 20).await.unwrap();
    assert_eq!(reminder.in_all, 1);
}

#[derive(Debug, Clone)]
enum DeskStep {
    Letter,
    /// An answer is begun and leaves; a letter may come between the two.
    Answer {
        letter_between: bool,
    },
    Moves {
        by: usize,
        to: Option<usize>,
        kind: u8,
        is_sign: bool,
        /// It is broken off where it waits for the n-th time, and then taken.
        killed: Option<u8>,
    },
    /// One of the signs is gone.
    Gone(prop::sample::Index, Option<u8>),
}

fn step() -> impl Strategy<Value = DeskStep> {
    let killed = || prop::option::weighted(0.3, 0..10_u8);
    prop_oneof![
        3 => Just(DeskStep::Letter),
        2 => any::<bool>().prop_map(|letter_between| DeskStep::Answer { letter_between }),
        6 => (0..2_usize, prop::option::weighted(0.2, 0..2_usize), 0..3_u8, any::<bool>(), killed())
            .prop_map(|(by, to, kind, is_sign, killed)| {
                DeskStep::Moves { by, to, kind, is_sign, killed }
            }),
        3 => (any::<prop::sample::Index>(), killed())
            .prop_map(|(which, killed)| DeskStep::Gone(which, killed)),
    ]
}

/// All that happened: what it was, and its sign if it has one that is not gone.
type History = Vec<(Happened, Option<String>)>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Happened {
    Letter,
    Answered,
    Taken(&'static str),
    Done,
    Opened,
}

/// Thinks through all of it: what was said last decides, and a letter is never out of sight.
fn stands(history: &History) -> (MatterState, Option<&'static str>) {
    let mut has_it = None;
    let mut state = MatterState::Done;
    for (happened, _) in history {
        match happened {
            Happened::Letter if has_it.is_none() => state = MatterState::Open,
            Happened::Letter => {}
            Happened::Answered if state == MatterState::Done => {}
            Happened::Answered => (state, has_it) = (MatterState::Answered, None),
            Happened::Taken(who) => (state, has_it) = (MatterState::Taken, Some(*who)),
            Happened::Done => (state, has_it) = (MatterState::Done, None),
            Happened::Opened => (state, has_it) = (MatterState::Open, None),
        }
    }
    (state, has_it)
}

async fn sequence(tables: &StoreTables, steps: Vec<DeskStep>) {
    let people = [ANNA, BERT];
    let conversation = tables.conversation().await;
    let room = format!("!{conversation}:x");
    tables.room(conversation, &room).await;
    let mut history: History = vec![(Happened::Letter, None)];
    for (number, step) in steps.into_iter().enumerate() {
        let event_id = format!("${conversation}-{number}");
        match step {
            DeskStep::Letter => {
                tables.further_letter(conversation, &erik()).await;
                history.push((Happened::Letter, None));
            }
            DeskStep::Answer { letter_between } => {
                tables.says(conversation, ANNA, &format!("{conversation}-{number}@x")).await;
                if letter_between {
                    tables.further_letter(conversation, &erik()).await;
                    history.push((Happened::Letter, None));
                }
                tables.closed(conversation).await;
                tables.hands_over(conversation).await;
                if !letter_between {
                    history.push((Happened::Answered, None));
                }
            }
            DeskStep::Moves { by, to, kind, is_sign, killed } => {
                let author = people[by];
                let (moves, happened) = match kind {
                    0 => {
                        let holder = people[to.unwrap_or(by)];
                        (MatterStep::Take(holder.to_owned()), Happened::Taken(holder))
                    }
                    1 => (MatterStep::Done, Happened::Done),
                    _ => (MatterStep::Open, Happened::Opened),
                };
                tables.says_event(&room, &event_id, author).await;
                let sign = is_sign.then_some((event_id.as_str(), conversation));
                let run = async || {
                    let mut step = tables.step_of(&room, &event_id).await;
                    step.move_matter(conversation, &moves, author, sign).await.unwrap();
                    step.commit().await.unwrap();
                };
                killed_and_again(tables, (&room, &event_id), killed, run).await;
                history.push((happened, is_sign.then(|| event_id.clone())));
            }
            DeskStep::Gone(which, killed) => {
                let signs: Vec<String> =
                    history.iter().filter_map(|(_, sign)| sign.clone()).collect();
                if signs.is_empty() {
                    continue;
                }
                let sign = which.get(&signs);
                tables.says_event(&room, &event_id, ANNA).await;
                let run = async || {
                    let mut step = tables.step_of(&room, &event_id).await;
                    step.sign_is_gone(conversation, sign).await.unwrap();
                    step.commit().await.unwrap();
                };
                killed_and_again(tables, (&room, &event_id), killed, run).await;
                history.retain(|(_, its)| its.as_ref() != Some(sign));
            }
        }
        let row = tables
            .sql(&format!(
                "select state, holder from matters where conversation_id = {conversation}"
            ))
            .await;
        let (state, holder) = stands(&history);
        let expected = format!("{}|{}", state.word(), holder.unwrap_or_default());
        assert_eq!(row, expected, "{history:?}");
    }
}

/// Acts upon an event, perhaps after an attempt that was broken off. What was acted upon is not again.
async fn killed_and_again(
    tables: &StoreTables,
    (room, event_id): (&str, &str),
    killed: Option<u8>,
    run: impl AsyncFn(),
) {
    if let Some(steps) = killed {
        broken_off(
            async {
                run().await;
                Ok::<(), ()>(())
            },
            steps.into(),
        )
        .await;
        tables.store.ping().await.unwrap();
        let events = tables.store.new_events(room, 1000).await.unwrap();
        let Some(event) = events.iter().find(|event| event.event_id == event_id) else { return };
        if tables.store.event_step(event.id, NOW).await.unwrap().is_none() {
            return;
        }
    }
    run().await;
}

/// Letters, answers, signs, signs that are gone, and a gateway that is killed, in any order.
#[test]
fn whatever_happens_the_row_says_what_the_history_does() {
    run(step(), sequence);
}
