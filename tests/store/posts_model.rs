//! Posts against a model: whatever is heard of them, twice or broken off, each is said once and in its
//! order, and a person is asked about exactly what waits for one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use umstieg::{
    model::{ConversationId, LetterId, PostId, PostState},
    store::{Attempt, Resolution},
};
use umstieg_world::broken_off;

use crate::{
    model::{Taken, run, take, taken},
    tables::{NOW, StoreTables, after, erik, name, notice, placing},
};

const REASONS: [&str; 2] = ["refused", "unreachable"];

#[derive(Debug, Clone)]
enum PostsStep {
    Letter {
        posts: u8,
    },
    Notice {
        taken: Taken,
    },
    /// An attempt, after one that was broken off.
    Begins {
        which: prop::sample::Index,
        interrupted: Option<u8>,
        is_none: bool,
    },
    PutOff {
        which: prop::sample::Index,
        taken: Taken,
    },
    Sent {
        which: prop::sample::Index,
        taken: Taken,
    },
    Echoed {
        which: prop::sample::Index,
        taken: Taken,
    },
    Parked {
        which: prop::sample::Index,
        reason: usize,
        taken: Taken,
    },
    /// A person decides about a row.
    Decide {
        which: prop::sample::Index,
        resolution: Resolution,
        taken: Taken,
    },
}

fn step() -> impl Strategy<Value = PostsStep> {
    let which = any::<prop::sample::Index>;
    let resolution = prop_oneof![Just(Resolution::Retry), Just(Resolution::Drop)];
    prop_oneof![
        3 => (1..4_u8).prop_map(|posts| PostsStep::Letter { posts }),
        2 => taken().prop_map(|taken| PostsStep::Notice { taken }),
        3 => (which(), prop::option::weighted(0.3, 0..6_u8), any::<bool>()).prop_map(
            |(which, interrupted, is_none)| PostsStep::Begins { which, interrupted, is_none }
        ),
        1 => (which(), taken()).prop_map(|(which, taken)| PostsStep::PutOff { which, taken }),
        4 => (which(), taken()).prop_map(|(which, taken)| PostsStep::Sent { which, taken }),
        4 => (which(), taken()).prop_map(|(which, taken)| PostsStep::Echoed { which, taken }),
        4 => (which(), 0..2_usize, taken())
            .prop_map(|(which, reason, taken)| PostsStep::Parked { which, reason, taken }),
        3 => (which(), resolution, taken())
            .prop_map(|(which, resolution, taken)| PostsStep::Decide { which, resolution, taken }),
    ]
}

/// A post as it should be.
#[derive(Debug, Clone)]
struct Post {
    id: PostId,
    txn_id: String,
    letter: Option<LetterId>,
    state: PostState,
    attempts: i32,
    /// Why it is parked.
    reason: Option<usize>,
}

struct PostsModel<'t> {
    tables: &'t StoreTables,
    conversation: ConversationId,
    posts: Vec<Post>,
    /// The letter that opened it, and says nothing.
    first: LetterId,
    /// Those behind it: `placed`, `posted` or `dropped`.
    letters: BTreeMap<LetterId, &'static str>,
    number: u32,
}

impl PostsModel<'_> {
    /// What is new waits.
    async fn added(&mut self, letter: Option<LetterId>) {
        for post in self.tables.waiting(self.conversation).await {
            if self.posts.iter().all(|known| known.id != post.id) {
                let (id, txn_id, state) = (post.id, post.txn_id, PostState::Pending);
                self.posts.push(Post { id, txn_id, letter, state, attempts: 0, reason: None });
            }
        }
    }

    fn new_name(&mut self) -> String {
        self.number += 1;
        format!("{}-{}", self.conversation, self.number)
    }

    /// With the last of its posts a letter is in the room, or given up.
    fn settle(&mut self, letter: Option<LetterId>, to: &'static str) {
        let Some(id) = letter else { return };
        let waits = |post: &Post| {
            post.letter == letter && matches!(post.state, PostState::Pending | PostState::Parked)
        };
        let is_settled = !self.posts.iter().any(waits);
        let state = self.letters.get_mut(&id).unwrap();
        if is_settled && *state == "placed" {
            *state = to;
        }
    }

    async fn take(&mut self, step: PostsStep) {
        let (tables, store) = (self.tables, &self.tables.store);
        match step {
            PostsStep::Letter { posts } => {
                let names: Vec<String> = (0..posts).map(|_| self.new_name()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let (letter, _) = tables.said_by_letter(self.conversation, &names).await;
                self.letters.insert(letter, "placed");
                self.added(Some(letter)).await;
            }
            PostsStep::Notice { taken } => {
                let (txn_id, said, id) = (self.new_name(), notice("x"), self.conversation);
                let say = async || store.add_bot_post(id, &txn_id, &said).await;
                let jobs = tables.wakes(async { Ok(take(taken, say).await) }).await;
                assert_eq!(jobs, format!("send_posts {id}"));
                self.added(None).await;
            }
            PostsStep::Begins { which, interrupted, is_none } => {
                let Some(post) = pick(&mut self.posts, which) else { return };
                if let Some(steps) = interrupted {
                    broken_off(store.post_begins(post.id), steps.into()).await;
                }
                let attempts = store.post_begins(post.id).await.unwrap();
                assert_eq!(attempts.is_some(), post.state == PostState::Pending);
                let Some(attempts) = attempts else { return };
                let interruptions = attempts - post.attempts - 1;
                assert!((0..=i32::from(interrupted.is_some())).contains(&interruptions));
                post.attempts = attempts;
                if is_none {
                    store.attempt_is_none(Attempt::Post(post.id)).await.unwrap();
                    post.attempts -= 1;
                }
            }
            PostsStep::PutOff { which, taken } => {
                let Some(post) = pick(&mut self.posts, which) else { return };
                let put_off = async || store.post_again_at(post.id, 7, after(60)).await;
                let noted = take(taken, put_off).await;
                assert!(noted.is_none_or(|noted| noted == (post.state == PostState::Pending)));
                if post.state == PostState::Pending {
                    post.attempts = 7;
                }
            }
            PostsStep::Sent { which, taken } => {
                let Some(post) = pick(&mut self.posts, which) else { return };
                let event = format!("${}", post.txn_id);
                take(taken, async || store.post_sent(post.id, &event, NOW).await).await;
                self.is_sent(which);
            }
            PostsStep::Echoed { which, taken } => {
                let Some(post) = pick(&mut self.posts, which) else { return };
                let event = format!("${}", post.txn_id);
                take(taken, async || store.post_echoed(&post.txn_id, &event, NOW).await).await;
                self.is_sent(which);
            }
            PostsStep::Parked { which, reason, taken } => {
                let Some(post) = pick(&mut self.posts, which) else { return };
                let park = async || store.park_post(post.id, "kim", REASONS[reason], NOW).await;
                take(taken, park).await;
                if post.state == PostState::Pending {
                    (post.state, post.reason) = (PostState::Parked, Some(reason));
                }
            }
            PostsStep::Decide { which, resolution, taken } => {
                let rows = self.rows().await;
                if rows.is_empty() {
                    return;
                }
                let (row, reason, _) = rows[which.index(rows.len())];
                let decide = async || store.resolve_parked(row, resolution, NOW).await;
                let jobs = tables.wakes(async { Ok(take(taken, decide).await) }).await;
                assert_eq!(jobs, format!("send_posts {}", self.conversation));
                self.is_decided(reason, resolution);
            }
        }
    }

    fn is_sent(&mut self, which: prop::sample::Index) {
        let post = pick(&mut self.posts, which).unwrap();
        (post.state, post.reason) = (PostState::Sent, None);
        let letter = post.letter;
        self.settle(letter, "posted");
    }

    fn is_decided(&mut self, reason: usize, resolution: Resolution) {
        let mut letters = Vec::new();
        for post in self.posts.iter_mut().filter(|post| post.reason == Some(reason)) {
            post.state = match resolution {
                Resolution::Retry => PostState::Pending,
                Resolution::Drop => PostState::Dropped,
            };
            (post.attempts, post.reason) = (0, None);
            letters.push(post.letter);
        }
        if resolution == Resolution::Drop {
            for letter in letters {
                self.settle(letter, "dropped");
            }
        }
    }

    /// What a person is asked about in this conversation: rows, reasons, and how much waits there.
    async fn rows(&self) -> Vec<(i64, usize, i64)> {
        let parked = self.tables.store.parked().await.unwrap();
        let is_ours = |item: &i64| self.posts.iter().any(|post| post.id.0 == *item);
        let rows = parked.into_iter().filter(|item| is_ours(&item.item));
        let reason = |word: &str| REASONS.iter().position(|reason| *reason == word).unwrap();
        rows.map(|item| (item.id, reason(&item.reason), item.things)).collect()
    }

    async fn compare(&self) {
        let there = format!(
            "select concat_ws(' ', state, attempts) from posts
             where conversation_id = {} order by id",
            self.conversation
        );
        let posts = self.posts.iter().map(|p| format!("{} {}", p.state.word(), p.attempts));
        assert_eq!(self.tables.sql(&there).await, posts.collect::<Vec<_>>().join(", "));
        let waiting = self.posts.iter().filter(|post| post.state == PostState::Pending);
        let waiting: Vec<&str> = waiting.map(|post| post.txn_id.as_str()).collect();
        assert_eq!(self.tables.waiting_names(self.conversation).await, waiting.join(" "));
        // A row for each reason for which something waits, and no other.
        let mut asked: Vec<(usize, i64)> =
            self.rows().await.into_iter().map(|(_, reason, things)| (reason, things)).collect();
        asked.sort_unstable();
        let count = |reason| self.posts.iter().filter(|p| p.reason == Some(reason)).count();
        let should = [0, 1].map(|reason| (reason, i64::try_from(count(reason)).unwrap()));
        let should: Vec<(usize, i64)> = should.into_iter().filter(|row| row.1 > 0).collect();
        assert_eq!(asked, should);
        let there = format!(
            "select state from letters
             where conversation_id = {} and id <> {} order by id",
            self.conversation, self.first
        );
        let letters: Vec<&str> = self.letters.values().copied().collect();
        assert_eq!(self.tables.sql(&there).await, letters.join(", "));
    }
}

fn pick(posts: &mut [Post], which: prop::sample::Index) -> Option<&mut Post> {
    if posts.is_empty() { None } else { Some(&mut posts[which.index(posts.len())]) }
}

#[test]
fn posts_are_what_the_model_says_after_each_step() {
    run(step(), async |tables, steps| {
        let first = tables.letter().await;
        let conversation = tables.place(placing(first, &name("kim"), &erik())).await;
        let (posts, letters) = (Vec::new(), BTreeMap::new());
        let mut model = PostsModel { tables, conversation, posts, first, letters, number: 0 };
        for step in [PostsStep::Letter { posts: 3 }].into_iter().chain(steps) {
            model.take(step).await;
            model.compare().await;
        }
    });
}
