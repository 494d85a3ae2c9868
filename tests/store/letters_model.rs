//! Letters against a model: whatever comes, is tried, broken off, parked and taken up again, each mail
//! has one place, and the oldest that waits is the next.

use proptest::prelude::*;
use umstieg::{
    model::{ConversationId, LetterState, NewPost},
    store::{Attempt, Placed, Placing, Resolution, Saved},
};
use umstieg_world::broken_off;

use crate::{
    model::{Taken, run, take, taken},
    tables::{NOW, StoreTables, erik, name, placing, post},
};

#[derive(Debug, Clone)]
enum LettersStep {
    /// A mail; two of one content are repeats.
    Comes { content: u8 },
    /// A known mail comes once more.
    ComesAgain { which: prop::sample::Index },
    /// The next letter is tried, after an attempt that was broken off.
    Turn { interrupted: Option<u8>, then: Then, taken: Taken },
    /// A person decides about one that is parked.
    Decide { which: prop::sample::Index, resolution: Resolution, taken: Taken },
    /// The oldest post of the newest conversation is sent.
    Said { taken: Taken },
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Nothing,
    IsNone,
    Park,
    Place { continues: bool, posts: u8 },
}

fn step() -> impl Strategy<Value = LettersStep> {
    let then = prop_oneof![
        1 => Just(Then::Nothing),
        1 => Just(Then::IsNone),
        2 => Just(Then::Park),
        5 => (any::<bool>(), 0..3_u8)
            .prop_map(|(continues, posts)| Then::Place { continues, posts }),
    ];
    let which = any::<prop::sample::Index>;
    let resolution = prop_oneof![Just(Resolution::Retry), Just(Resolution::Drop)];
    prop_oneof![
        4 => (0..5_u8).prop_map(|content| LettersStep::Comes { content }),
        1 => which().prop_map(|which| LettersStep::ComesAgain { which }),
        6 => (prop::option::weighted(0.3, 0..6_u8), then, taken())
            .prop_map(|(interrupted, then, taken)| LettersStep::Turn { interrupted, then, taken }),
        2 => (which(), resolution, taken())
            .prop_map(|(which, resolution, taken)| LettersStep::Decide { which, resolution, taken }),
        2 => taken().prop_map(|taken| LettersStep::Said { taken }),
    ]
}

/// A letter as it should be.
#[derive(Debug, Clone)]
struct ModelLetter {
    content: u8,
    state: LetterState,
    attempts: i32,
    conversation: Option<ConversationId>,
    /// Posts that wait, by name.
    waiting: Vec<String>,
}

struct LettersModel<'t> {
    tables: &'t StoreTables,
    channel: String,
    letters: Vec<ModelLetter>,
    newest: Option<ConversationId>,
}

impl LettersModel<'_> {
    async fn comes(&self, number: usize) -> Saved {
        let mailbox = self.tables.mailbox(&self.channel).await;
        let mail = format!("Subject: {number}\r\n\r\nx\r\n");
        self.tables.comes(&self.channel, mailbox, &format!("k{number}"), &mail).await
    }

    async fn take(&mut self, step: LettersStep) {
        match step {
            LettersStep::Comes { content } => {
                assert_eq!(self.comes(self.letters.len()).await, Saved::New);
                self.letters.push(ModelLetter {
                    content,
                    state: LetterState::Stored,
                    attempts: 0,
                    conversation: None,
                    waiting: Vec::new(),
                });
            }
            LettersStep::ComesAgain { which } if !self.letters.is_empty() => {
                let number = which.index(self.letters.len());
                assert_eq!(self.comes(number).await, Saved::Known);
            }
            LettersStep::ComesAgain { .. } => {}
            LettersStep::Turn { interrupted, then, taken } => {
                self.turn(interrupted, then, taken).await
            }
            LettersStep::Decide { which, resolution, taken } => {
                self.decide(which, resolution, taken).await;
            }
            LettersStep::Said { taken } => self.said(taken).await,
        }
    }

    async fn turn(&mut self, interrupted: Option<u8>, then: Then, taken: Taken) {
        let (store, channel) = (&self.tables.store, name(&self.channel));
        let expected = self.letters.iter().position(|l| l.state == LetterState::Stored);
        if let Some(steps) = interrupted {
            broken_off(store.next_stored_letter(&channel), steps.into()).await;
        }
        let next = store.next_stored_letter(&channel).await.unwrap();
        let Some(number) = expected else {
            assert!(next.is_none());
            return;
        };
        let stored = next.unwrap();
        assert_eq!(stored.mail_key, format!("k{number}"));
        let letter = &mut self.letters[number];
        // An interrupted step counts as an attempt, if it got that far.
        let interruptions = stored.attempts - letter.attempts - 1;
        assert!((0..=i32::from(interrupted.is_some())).contains(&interruptions));
        letter.attempts = stored.attempts;
        match then {
            Then::Nothing => {}
            Then::IsNone => {
                store.attempt_is_none(Attempt::Letter(stored.id)).await.unwrap();
                letter.attempts -= 1;
            }
            Then::Park => {
                let park = async || store.park_letter(&channel, stored.id, "unreadable", NOW).await;
                assert_ne!(take(taken, park).await, Some(false));
                letter.state = LetterState::Parked;
            }
            Then::Place { continues, posts } => {
                let continues = self.newest.filter(|_| continues);
                self.place(number, stored.id, continues, posts, taken).await;
            }
        }
    }

    async fn place(
        &mut self,
        number: usize,
        id: umstieg::model::LetterId,
        conversation: Option<ConversationId>,
        posts: u8,
        taken: Taken,
    ) {
        let (store, channel, erik) = (&self.tables.store, name(&self.channel), erik());
        let fingerprint = Some([self.letters[number].content; 32]);
        // Only what has its place has a fingerprint.
        let is_original = |letter: &ModelLetter| {
            let is_placed = letter.conversation.is_some();
            is_placed && letter.content == self.letters[number].content
        };
        let original = store.repeated_by(&channel, id, fingerprint.as_ref()).await.unwrap();
        assert_eq!(original.is_some(), self.letters.iter().any(is_original));
        if let Some(original) = original {
            take(taken, async || store.mark_repeat(id, original).await).await;
            self.letters[number].state = LetterState::Duplicate;
            return;
        }
        let txn_ids: Vec<String> =
            (0..posts).map(|post| format!("{channel}-{number}-{post}")).collect();
        let posts: Vec<NewPost> = txn_ids.iter().map(|txn_id| post(txn_id)).collect();
        let placing =
            Placing { conversation, fingerprint, posts: &posts, ..placing(id, &channel, &erik) };
        let place = async || store.place_letter(placing.clone()).await;
        let mut placed = None;
        let jobs = self.tables.wakes(async {
            placed = take(taken, place).await;
            Ok(())
        });
        let jobs = jobs.await;
        let there = store.conversation_of(id).await.unwrap().unwrap();
        assert_eq!(jobs, format!("send_posts {there}"));
        assert!(placed.is_none_or(|placed| placed == Placed::In(there)));
        assert!(conversation.is_none_or(|conversation| conversation == there));
        let letter = &mut self.letters[number];
        letter.state = if txn_ids.is_empty() { LetterState::Posted } else { LetterState::Placed };
        letter.conversation = Some(there);
        letter.waiting = txn_ids;
        self.newest = self.newest.max(Some(there));
    }

    async fn decide(&mut self, which: prop::sample::Index, resolution: Resolution, taken: Taken) {
        let store = &self.tables.store;
        let mut parked = store.parked().await.unwrap();
        parked.retain(|item| item.channel == self.channel);
        let should = self.letters.iter().filter(|l| l.state == LetterState::Parked).count();
        assert_eq!(parked.len(), should);
        if parked.is_empty() {
            return;
        }
        let item = &parked[which.index(parked.len())];
        let key = format!("select mail_key from letters where id = {}", item.item);
        let key = self.tables.sql(&key).await;
        let number: usize = key.trim_start_matches('k').parse().unwrap();
        take(taken, async || store.resolve_parked(item.id, resolution, NOW).await).await;
        let letter = &mut self.letters[number];
        assert_eq!(letter.state, LetterState::Parked);
        (letter.attempts, letter.state) = match resolution {
            Resolution::Retry => (0, LetterState::Stored),
            Resolution::Drop => (0, LetterState::Dropped),
        };
    }

    async fn said(&mut self, taken: Taken) {
        let Some(newest) = self.newest else { return };
        let waiting = self.tables.waiting(newest).await;
        let should = self.letters.iter().filter(|letter| letter.conversation == Some(newest));
        let mut should: Vec<String> = should.flat_map(|l| l.waiting.clone()).collect();
        let mut there: Vec<String> = waiting.iter().map(|post| post.txn_id.clone()).collect();
        // Letters that were taken up again later stand behind those that were not.
        should.sort();
        there.sort();
        assert_eq!(there, should);
        let Some(post) = waiting.first() else { return };
        let (store, event) = (&self.tables.store, format!("${}", post.txn_id));
        take(taken, async || store.post_sent(post.id, &event, NOW).await).await;
        for letter in &mut self.letters {
            letter.waiting.retain(|txn_id| *txn_id != post.txn_id);
            if letter.state == LetterState::Placed && letter.waiting.is_empty() {
                letter.state = LetterState::Posted;
            }
        }
    }

    async fn compare(&self) {
        let there = format!(
            "select concat_ws(' ', state, attempts, conversation_id)
             from letters where channel = '{}' order by mail_key",
            self.channel
        );
        let mut should: Vec<(String, String)> = Vec::new();
        for (number, letter) in self.letters.iter().enumerate() {
            let conversation = letter.conversation.map(|id| format!(" {id}")).unwrap_or_default();
            let row = format!("{} {}{conversation}", letter.state.word(), letter.attempts);
            should.push((format!("k{number}"), row));
        }
        should.sort();
        let should: Vec<String> = should.into_iter().map(|(_, row)| row).collect();
        assert_eq!(self.tables.sql(&there).await, should.join(", "));
    }
}

#[test]
fn letters_are_what_the_model_says_after_each_step() {
    run(step(), async |tables, steps| {
        let channel = tables.new_channel();
        let mut model = LettersModel { tables, channel, letters: Vec::new(), newest: None };
        for step in steps {
            model.take(step).await;
            model.compare().await;
        }
    });
}
