//! Dispatches against a model: whoever speaks, at whatever time, and however attempts end, are
//! broken off or overtaken, each message leaves in one mail and one attempt at a time goes on.

use proptest::prelude::*;
use time::OffsetDateTime;
use umstieg::{
    model::{ConversationId, DeliveryState, LetterId},
    rules::reported::{Follows, follows, follows_late},
    store::{Attempt, MayLeave, Resolution, StoredDispatch},
};

use crate::{
    model::{Taken, run, take, taken},
    tables::{COLLECT, COLLECT_AT_MOST, NOW, SpokenPart, StoreTables, name, notice},
};

const AUTHORS: [&str; 2] = ["@anna:x", "@bert:x"];

#[derive(Debug, Clone)]
enum DispatchesStep {
    /// Before that, the clock goes on, or is set back.
    SpokenPart {
        author: usize,
        answers: usize,
        seconds: i64,
        taken: Taken,
    },
    /// An event is told once more.
    SaysAgain {
        which: prop::sample::Index,
        author: usize,
    },
    Close {
        taken: Taken,
    },
    Begin,
    Leave,
    TryLater {
        taken: Taken,
    },
    IsNone,
    Settle {
        to: DeliveryState,
        taken: Taken,
    },
    Withdraw {
        taken: Taken,
    },
    Decide {
        which: prop::sample::Index,
        resolution: Resolution,
        taken: Taken,
    },
    /// A report about a dispatch comes, whatever it says.
    Report {
        which: prop::sample::Index,
        said: DeliveryState,
        taken: Taken,
    },
    /// A task goes on with a dispatch in an old state.
    Overtaken {
        which: prop::sample::Index,
        with: With,
    },
}

#[derive(Debug, Clone, Copy)]
enum With {
    Begin,
    Leave,
    TryLater,
    IsNone,
    Settle(DeliveryState),
}

fn step() -> impl Strategy<Value = DispatchesStep> {
    let which = any::<prop::sample::Index>;
    let resolution = prop_oneof![3 => Just(Resolution::Retry), 1 => Just(Resolution::Drop)];
    let settled = || {
        prop::sample::select(vec![
            DeliveryState::Accepted,
            DeliveryState::Failed,
            DeliveryState::Unclear,
        ])
    };
    let with = prop_oneof![
        Just(With::Begin),
        Just(With::Leave),
        Just(With::TryLater),
        Just(With::IsNone),
        settled().prop_map(With::Settle),
    ];
    prop_oneof![
        8 => (0..2_usize, 0..2_usize, -40..60_i64, taken()).prop_map(
            |(author, answers, seconds, taken)| DispatchesStep::SpokenPart { author, answers, seconds, taken }
        ),
        1 => (which(), 0..2_usize).prop_map(|(which, author)| DispatchesStep::SaysAgain { which, author }),
        5 => taken().prop_map(|taken| DispatchesStep::Close { taken }),
        6 => Just(DispatchesStep::Begin),
        5 => Just(DispatchesStep::Leave),
        2 => taken().prop_map(|taken| DispatchesStep::TryLater { taken }),
        1 => Just(DispatchesStep::IsNone),
        5 => (settled(), taken()).prop_map(|(to, taken)| DispatchesStep::Settle { to, taken }),
        1 => taken().prop_map(|taken| DispatchesStep::Withdraw { taken }),
        3 => (which(), resolution, taken())
            .prop_map(|(which, resolution, taken)| DispatchesStep::Decide { which, resolution, taken }),
        6 => (which(), said_by_reports(), taken())
            .prop_map(|(which, said, taken)| DispatchesStep::Report { which, said, taken }),
        4 => (which(), with).prop_map(|(which, with)| DispatchesStep::Overtaken { which, with }),
    ]
}

fn said_by_reports() -> impl Strategy<Value = DeliveryState> {
    prop::sample::select(vec![
        DeliveryState::Delayed,
        DeliveryState::Relayed,
        DeliveryState::Delivered,
        DeliveryState::Read,
        DeliveryState::Discarded,
        DeliveryState::Undelivered,
    ])
}

/// A dispatch as it should be.
#[derive(Debug, Clone)]
struct ModelDispatch {
    author: usize,
    answers: usize,
    opened_at: OffsetDateTime,
    closes_at: OffsetDateTime,
    events: Vec<String>,
    state: DeliveryState,
    attempts: i32,
    begun: i64,
    may_have_arrived: bool,
    /// Its Message-ID may be known outside, and a body began to leave under it.
    is_named: bool,
    has_left: bool,
    /// What reports said while an attempt was under way, and the number of that attempt.
    told_early: Vec<(DeliveryState, i64)>,
}

impl ModelDispatch {
    fn is_open(&self) -> bool {
        self.state == DeliveryState::Collecting
    }

    fn is_settled(&self) -> bool {
        use DeliveryState::{Collecting, HandingOver, SendingBody, Waiting};
        !matches!(self.state, Collecting | Waiting | HandingOver | SendingBody)
    }

    /// What reports said early counts once the attempt has ended; that it arrived, before the next one.
    fn catches_up(&mut self) {
        use DeliveryState::{Delivered, Discarded, HandingOver, Read, Waiting};
        loop {
            let is_settled = self.is_settled();
            let waits = matches!(self.state, Waiting | HandingOver) && self.has_left;
            let counts = |said: DeliveryState| {
                is_settled || waits && matches!(said, Delivered | Read | Discarded)
            };
            let Some(at) = self.told_early.iter().position(|(said, _)| counts(*said)) else {
                return;
            };
            let (said, begun) = self.told_early.remove(at);
            let follows = follows_late(self.state, self.has_left, said, begun < self.begun);
            if let Follows::Becomes(to) = follows {
                self.state = to;
            }
        }
    }
}

struct DispatchesModel<'t> {
    tables: &'t StoreTables,
    conversation: ConversationId,
    letters: [Option<LetterId>; 2],
    now: OffsetDateTime,
    dispatches: Vec<ModelDispatch>,
    /// Every dispatch that a task ever held, with its place.
    hands: Vec<(usize, StoredDispatch)>,
    said: Vec<String>,
}

impl DispatchesModel<'_> {
    /// The head as the store gives it, and its place; both know the same.
    async fn head(&mut self) -> Option<(usize, StoredDispatch)> {
        let head = self.tables.head(self.conversation).await;
        let at = self.dispatches.iter().position(|dispatch| !dispatch.is_settled());
        assert_eq!(head.is_some(), at.is_some());
        let (head, at) = (head?, at?);
        let should = &self.dispatches[at];
        assert_eq!((head.state, head.attempts), (should.state, should.attempts));
        assert_eq!((head.begun, head.may_have_arrived), (should.begun, should.may_have_arrived));
        assert_eq!((head.opened_at, head.closes_at), (should.opened_at, should.closes_at));
        assert_eq!(head.first_event.as_ref(), should.events.first());
        assert_eq!(head.answers, self.letters[should.answers]);
        self.hands.push((at, head.clone()));
        Some((at, head))
    }

    async fn says(&mut self, author: usize, answers: usize, event: &str, taken: Taken) {
        let says = SpokenPart {
            conversation: self.conversation,
            author: AUTHORS[author],
            message_id: event,
            answers: self.letters[answers],
            at: self.now,
        };
        let collects = async { Ok(take(taken, async || self.tables.collect(says).await).await) };
        let jobs = self.tables.wakes(collects).await;
        if self.said.iter().any(|said| said == event) {
            assert_eq!(jobs, "");
            return;
        }
        assert_eq!(jobs, format!("hand_over {}", self.conversation));
        self.said.push(event.to_owned());
        let (now, event) = (self.now, format!("${event}"));
        let closes_at = now + COLLECT;
        let is_same =
            |dispatch: &ModelDispatch| (dispatch.author, dispatch.answers) == (author, answers);
        for other in self.dispatches.iter_mut().filter(|d| d.is_open() && !is_same(d)) {
            other.closes_at = other.closes_at.min(now);
        }
        // Only the newest may be open for more: all others were closed by it, or before.
        let newest = self.dispatches.last_mut();
        match newest.filter(|d| d.is_open() && is_same(d) && d.closes_at > now) {
            Some(open) => {
                open.closes_at = closes_at.min(open.opened_at + COLLECT_AT_MOST);
                open.events.push(event);
            }
            None => self.dispatches.push(ModelDispatch {
                author,
                answers,
                opened_at: now,
                closes_at,
                events: vec![event],
                state: DeliveryState::Collecting,
                attempts: 0,
                begun: 0,
                may_have_arrived: false,
                is_named: false,
                has_left: false,
                told_early: Vec::new(),
            }),
        }
    }

    async fn take(&mut self, step: DispatchesStep) {
        let (store, said, kim) = (&self.tables.store, notice("x"), name("kim"));
        match step {
            DispatchesStep::SpokenPart { author, answers, seconds, taken } => {
                self.now += time::Duration::seconds(seconds);
                let event = format!("{}-{}@kim.local", self.conversation, self.said.len());
                return self.says(author, answers, &event, taken).await;
            }
            DispatchesStep::SaysAgain { which, author } => {
                if self.said.is_empty() {
                    return;
                }
                let event = self.said[which.index(self.said.len())].clone();
                return self.says(author, 0, &event, Taken::Once).await;
            }
            DispatchesStep::Decide { which, resolution, taken } => {
                return self.decide(which, resolution, taken).await;
            }
            DispatchesStep::Report { which, said, taken } => {
                return self.is_reported(which, said, taken).await;
            }
            DispatchesStep::Overtaken { which, with } => return self.overtaken(which, with).await,
            _ => {}
        }
        let Some((at, head)) = self.head().await else { return };
        let dispatch = &mut self.dispatches[at];
        let (state, now) = (dispatch.state, self.now);
        match step {
            DispatchesStep::Close { taken } => {
                take(taken, async || store.close_dispatch(&head, now).await).await;
                if state == DeliveryState::Collecting {
                    dispatch.state = DeliveryState::Waiting;
                    dispatch.is_named = true;
                }
            }
            DispatchesStep::Begin => {
                let begun = store.begin_attempt(&head).await.unwrap();
                assert_eq!(begun.is_some(), state == DeliveryState::Waiting);
                if let Some(begun) = begun {
                    dispatch.state = DeliveryState::HandingOver;
                    dispatch.attempts += 1;
                    dispatch.begun += 1;
                    self.hands.push((at, begun));
                }
            }
            DispatchesStep::Leave => {
                let composed = store.composition(head.id).await.unwrap();
                let leaves = store.body_leaves(&head, &composed).await.unwrap();
                assert_eq!(leaves == MayLeave::Leaves, state == DeliveryState::HandingOver);
                if leaves == MayLeave::Leaves {
                    dispatch.has_left = true;
                    dispatch.state = DeliveryState::SendingBody;
                }
            }
            DispatchesStep::TryLater { taken } => {
                let again = async || store.dispatch_again_at(&head, now, "x", Some(&said)).await;
                take(taken, again).await;
                if state != DeliveryState::Collecting {
                    dispatch.state = DeliveryState::Waiting;
                }
            }
            DispatchesStep::IsNone => {
                let attempt = Attempt::Dispatch(head.id, head.begun);
                store.attempt_is_none(attempt).await.unwrap();
                if matches!(state, DeliveryState::HandingOver | DeliveryState::SendingBody) {
                    dispatch.state = DeliveryState::Waiting;
                    dispatch.attempts = (dispatch.attempts - 1).max(0);
                }
            }
            DispatchesStep::Settle { to, taken } => {
                let parked = (to != DeliveryState::Accepted).then_some((&kim, "x"));
                let settle =
                    async || store.settle_dispatch(&head, to, "x", &said, parked, now).await;
                take(taken, settle).await;
                if let Ok(settled) = state.to(to) {
                    dispatch.state = settled;
                }
            }
            DispatchesStep::Withdraw { taken } => {
                take(taken, async || store.withdraw_empty(&head, &said, now).await).await;
                // What may have left is not withdrawn.
                if state != DeliveryState::SendingBody {
                    dispatch.state = DeliveryState::Withdrawn;
                }
            }
            DispatchesStep::SpokenPart { .. }
            | DispatchesStep::SaysAgain { .. }
            | DispatchesStep::Decide { .. }
            | DispatchesStep::Report { .. }
            | DispatchesStep::Overtaken { .. } => {}
        }
    }

    async fn is_reported(&mut self, which: prop::sample::Index, said: DeliveryState, taken: Taken) {
        if self.dispatches.is_empty() {
            return;
        }
        let at = which.index(self.dispatches.len());
        let dispatch = &mut self.dispatches[at];
        let message_id = dispatch.events[0].trim_start_matches('$').to_owned();
        let letter = self.tables.letter().await;
        let reported = async || self.tables.reported(&message_id, letter, said).await;
        let told = take(taken, reported).await;
        let follows = match dispatch.is_named {
            true => follows(dispatch.state, dispatch.has_left, said),
            false => Follows::Impossible,
        };
        if let Some(told) = told {
            assert_eq!(told, follows != Follows::Impossible);
        }
        match follows {
            Follows::Becomes(to) => dispatch.state = to,
            Follows::Waits => dispatch.told_early.push((said, dispatch.begun)),
            Follows::IsKnown | Follows::Impossible => {}
        }
        let is_kept = format!("select count(*) from reports where letter_id = {letter}");
        let kept = if follows == Follows::Impossible { "0" } else { "1" };
        assert_eq!(self.tables.sql(&is_kept).await, kept);
    }

    async fn decide(&mut self, which: prop::sample::Index, resolution: Resolution, taken: Taken) {
        let store = &self.tables.store;
        let ids = self.ids().await;
        let mut parked = store.parked().await.unwrap();
        parked.retain(|item| ids.contains(&item.item));
        if parked.is_empty() {
            return;
        }
        let item = &parked[which.index(parked.len())];
        let at = ids.iter().position(|id| *id == item.item).unwrap();
        take(taken, async || store.resolve_parked(item.id, resolution, NOW).await).await;
        let dispatch = &mut self.dispatches[at];
        let is_unclear = dispatch.state != DeliveryState::Failed;
        let is_another =
            matches!(dispatch.state, DeliveryState::Undelivered | DeliveryState::Contradicted);
        assert!(dispatch.state.needs_a_person());
        if resolution == Resolution::Retry {
            dispatch.state = DeliveryState::Waiting;
            (dispatch.attempts, dispatch.begun) = (0, dispatch.begun + 1);
            dispatch.may_have_arrived |= is_unclear;
            dispatch.has_left &= !is_another;
        }
    }

    /// Changes nothing if another attempt has begun since, or the dispatch was begun again.
    async fn overtaken(&mut self, which: prop::sample::Index, with: With) {
        let is_old =
            |(at, hand): &&(usize, StoredDispatch)| hand.begun < self.dispatches[*at].begun;
        let old: Vec<_> = self.hands.iter().filter(is_old).collect();
        if old.is_empty() {
            return;
        }
        let (_, hand) = old[which.index(old.len())];
        let (store, said, kim) = (&self.tables.store, notice("x"), name("kim"));
        let composed = store.composition(hand.id).await.unwrap();
        let done = self.tables.wakes(async {
            match with {
                With::Begin => assert_eq!(store.begin_attempt(hand).await?, None),
                With::Leave => {
                    assert_eq!(store.body_leaves(hand, &composed).await?, MayLeave::Stopped);
                }
                With::TryLater => store.dispatch_again_at(hand, NOW, "x", Some(&said)).await?,
                With::IsNone => {
                    store.attempt_is_none(Attempt::Dispatch(hand.id, hand.begun)).await?;
                }
                With::Settle(to) => {
                    store.settle_dispatch(hand, to, "x", &said, Some((&kim, "x")), NOW).await?;
                }
            }
            Ok(())
        });
        assert_eq!(done.await, "");
    }

    async fn ids(&self) -> Vec<i64> {
        let conversation = self.conversation;
        let ids =
            format!("select id from dispatches where conversation_id = {conversation} order by id");
        let ids = self.tables.sql(&ids).await;
        ids.split(", ").filter_map(|id| id.parse().ok()).collect()
    }

    async fn compare(&mut self) {
        let there = format!(
            "select concat_ws(' ', state, attempts, begun, may_have_arrived,
                 (select string_agg(event_id, ' ' order by id) from dispatch_parts
                  where dispatch_id = dispatch.id))
             from dispatches as dispatch where conversation_id = {} order by id",
            self.conversation
        );
        let should = self.dispatches.iter().map(|d| {
            let arrived = if d.may_have_arrived { "t" } else { "f" };
            let (state, events) = (d.state.word(), d.events.join(" "));
            format!("{state} {} {} {arrived} {events}", d.attempts, d.begun)
        });
        assert_eq!(self.tables.sql(&there).await, should.collect::<Vec<_>>().join(", "));
        self.head().await;
    }
}

#[test]
fn dispatches_are_what_the_model_says_after_each_step() {
    run(step(), async |tables, steps| {
        let conversation = tables.conversation().await;
        let (letter, _) = tables.said_by_letter(conversation, &[]).await;
        let (letters, now) = ([None, Some(letter)], NOW);
        let (dispatches, hands, said) = (Vec::new(), Vec::new(), Vec::new());
        let mut model =
            DispatchesModel { tables, conversation, letters, now, dispatches, hands, said };
        for step in steps {
            model.take(step).await;
            tables.caught_up(conversation).await.unwrap();
            model.dispatches.iter_mut().for_each(ModelDispatch::catches_up);
            model.compare().await;
        }
    });
}
