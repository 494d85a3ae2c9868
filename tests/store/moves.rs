//! What people put right about threads, against a model: each letter is in one conversation and said there
//! once, and what answers it goes where it is now.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::json;
use sqlx::types::Uuid;
use umstieg::{
    channel::ThreadBy,
    model::{ConversationId, Correspondent, LetterId, MessageId},
    rules::threading::{Ancestors, Known, place},
    store::{EventStep, IncomingEvent, LetterMoved, MovingLetter, Placing, StoreError},
};

use crate::{
    model::{Taken, run, take, taken},
    tables::{NOW, StoreTables, id, mail_of, name, notice, placing, post},
};

const ROOM: &str = "!moves:x";

#[derive(Debug, Clone)]
enum MovesStep {
    /// A letter comes: a new one, or the answer to an earlier one.
    Comes {
        answers: Option<prop::sample::Index>,
        /// Whether all of it is said at once.
        is_said: bool,
    },
    /// What waits in a conversation is said.
    Said {
        conversation: prop::sample::Index,
    },
    /// A letter goes into another conversation, or gets its own.
    Moved {
        letter: prop::sample::Index,
        to: Option<prop::sample::Index>,
        taken: Taken,
    },
    Joined {
        from: prop::sample::Index,
        to: prop::sample::Index,
        taken: Taken,
    },
}

fn step() -> impl Strategy<Value = MovesStep> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (prop::option::weighted(0.7, index()), prop::bool::weighted(0.9))
            .prop_map(|(answers, is_said)| MovesStep::Comes { answers, is_said }),
        1 => index().prop_map(|conversation| MovesStep::Said { conversation }),
        3 => (index(), prop::option::weighted(0.6, index()), taken())
            .prop_map(|(letter, to, taken)| MovesStep::Moved { letter, to, taken }),
        1 => (index(), index(), taken())
            .prop_map(|(from, to, taken)| MovesStep::Joined { from, to, taken }),
    ]
}

struct SeenLetter {
    row: LetterId,
    message_id: MessageId,
    /// Those it names, oldest first.
    ancestors: Vec<MessageId>,
    conversation: ConversationId,
    /// Whether all of it was said where it is.
    is_said: bool,
}

struct Moves<'t> {
    tables: &'t StoreTables,
    erik: Correspondent,
    run: String,
    letters: Vec<SeenLetter>,
    conversations: Vec<ConversationId>,
    joined: HashMap<ConversationId, ConversationId>,
    events: usize,
}

impl<'t> Moves<'t> {
    fn new(tables: &'t StoreTables) -> Self {
        let run = Uuid::new_v4().simple().to_string();
        Self {
            tables,
            erik: mail_of(&format!("{run}@charite.kim.telematik")),
            run,
            letters: Vec::new(),
            conversations: Vec::new(),
            joined: HashMap::new(),
            events: 0,
        }
    }

    /// Where a conversation goes on.
    fn goes_on(&self, conversation: ConversationId) -> ConversationId {
        self.joined.get(&conversation).copied().unwrap_or(conversation)
    }

    async fn comes(&mut self, answers: Option<usize>, is_said: bool) {
        let (number, kim) = (self.letters.len(), name("kim"));
        let answered = answers.map(|at| &self.letters[at]);
        let mut ancestors = answered.map(|letter| letter.ancestors.clone()).unwrap_or_default();
        ancestors.extend(answered.map(|letter| letter.message_id.clone()));
        let message_id = id(&format!("{number}-{}@x", self.run));
        let letter = umstieg::model::Letter {
            message_id: Some(message_id.clone()),
            in_reply_to: answered.map(|letter| letter.message_id.clone()).into_iter().collect(),
            references: ancestors.clone(),
            ..Default::default()
        };
        let named = Ancestors::of(&letter);
        let known = self.tables.store.known_threads(&kim, &self.erik, &ancestors).await.unwrap();
        let placed = place(
            ThreadBy::Thread,
            &named,
            Known {
                is_nameless: false,
                own: Some(&message_id),
                seen: &known.by_message_id,
                answered_in: None,
                newest: known.newest,
            },
        );
        let expected = answered.map(|letter| self.goes_on(letter.conversation));
        assert_eq!(placed.conversation(), expected, "what answers a letter goes where it is");
        let row = self.tables.letter().await;
        let posts = [
            post(&format!("l{}-{number}p0", self.run)),
            post(&format!("l{}-{number}p1", self.run)),
        ];
        let placing = Placing {
            conversation: placed.conversation(),
            message_id: Some(&message_id),
            ancestors: &ancestors,
            posts: &posts,
            ..placing(row, &kim, &self.erik)
        };
        let conversation = self.tables.place(placing).await;
        if expected.is_none() {
            self.conversations.push(conversation);
        }
        self.letters.push(SeenLetter { row, message_id, ancestors, conversation, is_said: false });
        if is_said {
            self.say(conversation).await;
        }
    }

    async fn say(&mut self, conversation: ConversationId) {
        for post in self.tables.waiting(conversation).await {
            let event = format!("${}", post.txn_id);
            self.tables.store.post_sent(post.id, &event, NOW).await.unwrap();
        }
        for letter in self.letters.iter_mut().filter(|l| l.conversation == conversation) {
            letter.is_said = true;
        }
    }

    /// The step of a new event.
    async fn asked(&mut self) -> (String, i64) {
        self.events += 1;
        let event_id = format!("$ask-{}-{}", self.run, self.events);
        let event = IncomingEvent {
            event_id: event_id.clone(),
            room_id: ROOM.to_owned(),
            sender: "@anna:x".to_owned(),
            event: json!({ "event_id": event_id, "type": "m.room.message" }),
        };
        self.tables.store.receive_sync("@bot:x", "s", &[], &[event], NOW).await.unwrap();
        let row = format!("select id from room_events where event_id = '{event_id}'");
        let row = self.tables.sql(&row).await.parse().unwrap();
        (event_id, row)
    }

    /// Acts upon an event, if it was not acted upon before.
    async fn acts<T>(
        &self,
        event: i64,
        taken: Taken,
        act: impl AsyncFn(&mut EventStep<'_>) -> Result<T, StoreError>,
    ) -> Option<T> {
        let done = take(taken, async || {
            let Some(mut step) = self.tables.store.event_step(event, NOW).await? else {
                return Ok(None);
            };
            let done = act(&mut step).await?;
            step.commit().await?;
            Ok(Some(done))
        });
        done.await.flatten()
    }

    async fn moved(&mut self, at: usize, to: Option<usize>, taken: Taken) {
        let to = to.map(|to| self.goes_on(self.conversations[to]));
        let (event_id, event) = self.asked().await;
        let (letter, from) = (self.letters[at].row, self.letters[at].conversation);
        if to == Some(from) {
            return;
        }
        let said = notice("moved");
        let done = self
            .acts(event, taken, async |step| {
                let (speaker, event_id, notice) = ("@anna:x", event_id.as_str(), &said);
                step.move_letter(MovingLetter { letter, from, to, speaker, event_id, notice }).await
            })
            .await;
        let went = format!("select to_conversation from moves where event_id = '{event_id}'");
        let went = self.tables.sql(&went).await.parse().ok().map(ConversationId);
        assert_eq!(went.is_some(), self.letters[at].is_said, "only what was said as a whole goes");
        match (done, went) {
            (Some(LetterMoved::To(conversation)), Some(went)) => assert_eq!(conversation, went),
            (Some(other), _) => assert_eq!((other, went), (LetterMoved::NotYet, None)),
            (None, _) => {}
        }
        let Some(went) = went else { return };
        if to.is_none() {
            self.conversations.push(went);
        }
        self.letters[at].conversation = went;
        self.letters[at].is_said = false;
    }

    async fn joined(&mut self, from: usize, to: usize, taken: Taken) {
        let (from, to) = (self.conversations[from], self.conversations[to]);
        if from == to {
            return;
        }
        let (event_id, event) = self.asked().await;
        let said = notice("joined");
        let done = self
            .acts(event, taken, async |step| {
                step.join_conversation((from, to), ("@anna:x", &event_id), &said).await
            })
            .await;
        let may = !self.joined.contains_key(&from) && !self.joined.contains_key(&to);
        assert!(done.is_none_or(|done| done == may));
        if may {
            for before in self.joined.values_mut().filter(|before| **before == from) {
                *before = to;
            }
            self.joined.insert(from, to);
        }
    }

    async fn is_right(&self) {
        for letter in &self.letters {
            let there = format!(
                "select conversation_id, count(*), count(*) filter (where state = 'pending')
                 from posts where letter_id = {} and not repeated group by 1",
                letter.row
            );
            let waiting = if letter.is_said { 0 } else { 2 };
            let expected = format!("{}|2|{waiting}", letter.conversation);
            assert_eq!(self.tables.sql(&there).await, expected, "it is said once, where it is");
            let kept = format!("select conversation_id from letters where id = {}", letter.row);
            assert_eq!(self.tables.sql(&kept).await, letter.conversation.to_string());
        }
    }
}

#[test]
fn each_letter_is_in_one_room_and_what_answers_it_goes_there() {
    run(step(), async |tables, steps| {
        let mut moves = Moves::new(tables);
        for step in steps {
            let (letters, conversations) = (moves.letters.len(), moves.conversations.len());
            match step {
                MovesStep::Comes { answers, is_said } => {
                    let answers = answers.filter(|_| letters > 0).map(|at| at.index(letters));
                    moves.comes(answers, is_said).await;
                }
                _ if letters == 0 => {}
                MovesStep::Said { conversation } => {
                    let at = conversation.index(conversations);
                    moves.say(moves.conversations[at]).await;
                }
                MovesStep::Moved { letter, to, taken } => {
                    let to = to.map(|to| to.index(conversations));
                    moves.moved(letter.index(letters), to, taken).await;
                }
                MovesStep::Joined { from, to, taken } => {
                    moves.joined(from.index(conversations), to.index(conversations), taken).await;
                }
            }
            moves.is_right().await;
        }
    });
}
