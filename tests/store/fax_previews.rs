//! Faxes that a person confirms: whatever is edited, deleted, interrupted, confirmed early, late or twice,
//! what leaves is the paper that was confirmed last, and it leaves once.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use serde_json::json;
use umstieg::{
    model::{ConversationId, DeliveryState},
    store::{
        Composition, EditSays, EventStep, FaxConfirmation, IncomingEvent, MayLeave, NewPart,
        NewPreview, Previewed, Resolution, StoredDispatch, StoredPart,
    },
};

use crate::{
    model::run,
    tables::{COLLECT, COLLECT_AT_MOST, NOW, StoreTables, after, id, notice},
};

const ANNA: &str = "@anna:x";

#[derive(Debug, Clone)]
enum FaxStep {
    /// The message says something else: one of three versions, so that an old one may come again.
    Edit(u8),
    Redact,
    /// An attempt is made. With `edited`, the message changes while the paper is written.
    Try {
        edited: Option<u8>,
        /// Whether the confirmation is taken back meanwhile.
        taken_back: bool,
        ends: Ends,
    },
    /// The previews so far are in the room, and the gateway knows it.
    Echo,
    /// Somebody confirms: a preview, or without one the message.
    Confirm(Option<prop::sample::Index>),
    /// Somebody puts the sign to a post of a preview, or without one to the message.
    React(Option<(prop::sample::Index, u8)>),
    /// The command or the sign that confirmed the newest preview is taken back.
    TakeBack,
    Retry,
}

#[derive(Debug, Clone, Copy)]
enum Ends {
    Accepted,
    Later,
    /// The answer was lost.
    Unclear,
    /// The gateway was killed before anything left.
    Killed,
}

fn step() -> impl Strategy<Value = FaxStep> {
    let ends = prop::sample::select(vec![Ends::Accepted, Ends::Later, Ends::Unclear, Ends::Killed]);
    let edited = prop_oneof![4 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    let which = prop_oneof![
        1 => Just(None),
        2 => any::<prop::sample::Index>().prop_map(Some),
    ];
    let post = prop_oneof![
        1 => Just(None),
        4 => (any::<prop::sample::Index>(), 0..3_u8).prop_map(Some),
    ];
    prop_oneof![
        3 => (0..3_u8).prop_map(FaxStep::Edit),
        1 => Just(FaxStep::Redact),
        8 => (edited, prop::bool::weighted(0.2), ends)
            .prop_map(|(edited, taken_back, ends)| FaxStep::Try { edited, taken_back, ends }),
        6 => Just(FaxStep::Echo),
        4 => which.prop_map(FaxStep::Confirm),
        4 => post.prop_map(FaxStep::React),
        2 => Just(FaxStep::TakeBack),
        1 => Just(FaxStep::Retry),
    ]
}

/// One fax, as the room sees it.
struct FaxRoom<'t> {
    tables: &'t StoreTables,
    conversation: ConversationId,
    room: String,
    events: u32,
    message: String,
    /// What the message says; nothing once it was deleted.
    says: Option<String>,
    /// Each preview: its paper, and whether it is in the room.
    previews: Vec<(String, bool)>,
    /// The paper that was confirmed last, as long as no newer one was shown and nobody took that back.
    confirmed: Option<String>,
    /// The event that confirmed the newest preview, taken back or not.
    confirmed_in: Option<String>,
    retries: usize,
    left: Vec<String>,
}

impl<'t> FaxRoom<'t> {
    async fn new(tables: &'t StoreTables) -> Self {
        static ROOMS: AtomicU32 = AtomicU32::new(0);
        let room = format!("!fax{}:x", ROOMS.fetch_add(1, Ordering::Relaxed));
        let mut here = Self {
            tables,
            conversation: tables.conversation().await,
            message: String::new(),
            says: Some("v0".to_owned()),
            room,
            events: 0,
            previews: Vec::new(),
            confirmed: None,
            confirmed_in: None,
            retries: 0,
            left: Vec::new(),
        };
        here.message = here.tell("m.room.message", json!({ "body": "v0" }), ANNA).await;
        let mut step = here.step(&here.message).await;
        let new = NewPart {
            conversation: here.conversation,
            author: ANNA,
            event_id: &here.message,
            part: &StoredPart::Text("v0".to_owned()),
            answers: None,
            collect: COLLECT,
            collect_at_most: COLLECT_AT_MOST,
            message_id: &id(&format!(
                "of{}@x",
                here.room.trim_matches(['!', ':']).replace(':', "-")
            )),
            at: NOW,
        };
        step.collect(new).await.unwrap();
        step.commit().await.unwrap();
        tables.closed(here.conversation).await;
        here
    }

    /// `/sync` tells of an event.
    async fn tell(&mut self, kind: &str, content: serde_json::Value, sender: &str) -> String {
        self.events += 1;
        let event_id = format!("${}-{}", self.room, self.events);
        self.tell_as(&event_id, kind, &content, sender).await;
        event_id
    }

    async fn tell_as(&self, event_id: &str, kind: &str, content: &serde_json::Value, sender: &str) {
        let event = IncomingEvent {
            event_id: event_id.to_owned(),
            room_id: self.room.clone(),
            sender: sender.to_owned(),
            event: json!({
                "event_id": event_id, "sender": sender, "type": kind, "content": content,
            }),
        };
        self.tables.store.receive_sync("@bot:x", "s", &[], &[event], NOW).await.unwrap();
    }

    async fn step(&self, event_id: &str) -> EventStep<'t> {
        let events = self.tables.store.new_events(&self.room, 1000).await.unwrap();
        let event = events.iter().find(|event| event.event_id == event_id).unwrap();
        self.tables.store.event_step(event.id, NOW).await.unwrap().unwrap()
    }

    async fn edit(&mut self, version: u8) {
        if self.says.is_none() {
            return;
        }
        let text = format!("v{version}");
        let relation = json!({ "rel_type": "m.replace", "event_id": self.message });
        let edit = self.tell("m.room.message", json!({ "m.relates_to": relation }), ANNA).await;
        let mut step = self.step(&edit).await;
        let part = StoredPart::Text(text.clone());
        let says = EditSays::Part(&part);
        step.edit_says(&edit, &self.room, ANNA, &self.message, says).await.unwrap();
        let stood = step.standing_of(self.conversation, &self.message).await.unwrap().unwrap();
        step.is_shown_anew(&stood).await.unwrap();
        step.commit().await.unwrap();
        self.says = Some(text);
    }

    async fn redact(&mut self) {
        if self.says.is_none() {
            return;
        }
        let content = json!({ "redacts": self.message });
        let redaction = self.tell("m.room.redaction", content, ANNA).await;
        let mut step = self.step(&redaction).await;
        let stood = step.standing_of(self.conversation, &self.message).await.unwrap().unwrap();
        step.withdraw(&stood, &notice("withdrawn")).await.unwrap();
        step.commit().await.unwrap();
        self.says = None;
    }

    /// What would stand on the paper.
    fn paper(composed: &Composition) -> String {
        let words = composed.parts.iter().map(|part| match &part.part {
            StoredPart::Text(word) => word.as_str(),
            other => panic!("{other:?}"),
        });
        words.collect()
    }

    /// A sign that is put to something, and what comes of it.
    async fn react(&mut self, target: &str) -> FaxConfirmation {
        let relation = json!({ "rel_type": "m.annotation", "event_id": target, "key": "✅" });
        let event = self.tell("m.reaction", json!({ "m.relates_to": relation }), ANNA).await;
        let mut step = self.step(&event).await;
        let said = step.approve_fax(self.conversation, target, (&event, ANNA)).await.unwrap();
        step.commit().await.unwrap();
        if said == FaxConfirmation::Now {
            self.confirmed = self.previews.last().map(|(paper, _)| paper.clone());
            self.confirmed_in = Some(event);
        }
        said
    }

    /// Returns the state in which the fax was when the gateway read of it.
    async fn take_back(&mut self) -> Option<DeliveryState> {
        let confirmed_in = self.confirmed_in.clone()?;
        let content = json!({ "redacts": confirmed_in });
        let redaction = self.tell("m.room.redaction", content, ANNA).await;
        self.confirmed = None;
        let mut step = self.step(&redaction).await;
        let state = step.confirmation_taken_back(self.conversation, &confirmed_in).await.unwrap();
        step.commit().await.unwrap();
        state
    }

    async fn attempt(&mut self, edited: Option<u8>, ends: Ends) {
        self.attempt_while(edited, false, ends).await;
    }

    async fn attempt_while(&mut self, edited: Option<u8>, taken_back: bool, ends: Ends) {
        let store = &self.tables.store;
        let Some(head) = self.tables.head(self.conversation).await else { return };
        if head.state != DeliveryState::Waiting {
            return;
        }
        let Some(attempt) = store.begin_attempt(&head).await.unwrap() else { return };
        let composed = store.composition(attempt.id).await.unwrap();
        if let Some(version) = edited {
            self.edit(version).await;
        }
        let paper = Self::paper(&composed);
        if paper.is_empty() || matches!(ends, Ends::Killed) {
            let later = after(0);
            store.dispatch_again_at(&attempt, later, "killed", None).await.unwrap();
            return;
        }
        let confirmed = store.confirmed_preview(attempt.id).await.unwrap();
        if taken_back {
            self.take_back().await;
        }
        if confirmed.as_ref() == Some(&paper) {
            self.leave(&attempt, (&composed, &paper), ends).await;
        } else {
            self.show(&attempt, (&composed, &paper)).await;
        }
    }

    async fn show(&mut self, attempt: &StoredDispatch, (composed, paper): (&Composition, &str)) {
        let (picture, file, words) = (notice("picture"), notice("paper"), notice("look"));
        // Not of every page there is a picture.
        let picture = paper.ends_with(['0', '1']).then_some(&picture);
        let (file, words) = (&file, &words);
        let new = NewPreview { composed, shown: paper, picture, file, words, at: NOW };
        match self.tables.store.preview_fax(attempt, new).await.unwrap() {
            Previewed::Waits => {
                assert_eq!(
                    self.says.as_deref(),
                    Some(paper),
                    "a preview shows what the room shows"
                );
                let is_shown = self.previews.last().is_some_and(|(shown, _)| shown == paper)
                    && self.confirmed_in.is_none();
                if !is_shown {
                    self.previews.push((paper.to_owned(), false));
                    self.confirmed_in = None;
                }
                self.confirmed = None;
            }
            Previewed::Changed => {}
            Previewed::Stopped => panic!("no other task moves it"),
        }
    }

    async fn leave(
        &mut self,
        attempt: &StoredDispatch,
        (composed, paper): (&Composition, &str),
        ends: Ends,
    ) {
        let store = &self.tables.store;
        match store.body_leaves(attempt, composed).await.unwrap() {
            MayLeave::Leaves => {}
            MayLeave::Changed => return,
            MayLeave::Stopped => panic!("no other task moves it"),
        }
        assert_eq!(self.says.as_deref(), Some(paper), "what leaves is what the room shows");
        assert_eq!(self.confirmed.as_deref(), Some(paper), "and what was confirmed last");
        let leaving = self.tables.head(self.conversation).await.unwrap();
        match ends {
            Ends::Accepted => {
                let accepted = DeliveryState::Accepted;
                let told = notice("accepted");
                store.settle_dispatch(&leaving, accepted, "", &told, None, NOW).await.unwrap();
                self.left.push(paper.to_owned());
            }
            Ends::Later | Ends::Killed => {
                store.dispatch_again_at(&leaving, NOW, "later", None).await.unwrap();
            }
            Ends::Unclear => {
                let (unclear, told) = (DeliveryState::Unclear, notice("unclear"));
                let fax = crate::tables::name("kim");
                let parked = Some((&fax, "unclear"));
                store.settle_dispatch(&leaving, unclear, "", &told, parked, NOW).await.unwrap();
                self.left.push(paper.to_owned());
            }
        }
    }

    /// The names of the posts of each preview: file, words and, where there is one, picture.
    async fn names(&self) -> Vec<(String, String, String)> {
        let sql = format!(
            "select preview.file_txn_id, preview.words_txn_id,
                 coalesce(preview.picture_txn_id, 'none')
             from fax_previews as preview
             join dispatches as dispatch on dispatch.id = preview.dispatch_id
             where dispatch.conversation_id = {}
             order by preview.id",
            self.conversation
        );
        let rows = self.tables.sql(&sql).await;
        let row = |row: &str| {
            let names: Vec<&str> = row.split('|').collect();
            let [file, words, picture] = names.try_into().ok()?;
            Some((file.to_owned(), words.to_owned(), picture.to_owned()))
        };
        rows.split(", ").filter_map(row).collect()
    }

    async fn echo(&mut self) {
        let names = self.names().await;
        assert_eq!(names.len(), self.previews.len(), "each paper is shown once");
        for ((file, words, picture), (_, in_room)) in names.iter().zip(&mut self.previews) {
            if *in_room {
                continue;
            }
            for txn_id in [picture, file, words].into_iter().filter(|name| *name != "none") {
                let event_id = format!("${txn_id}");
                let event = IncomingEvent {
                    event_id: event_id.clone(),
                    room_id: self.room.clone(),
                    sender: "@bot:x".to_owned(),
                    event: json!({
                        "event_id": event_id, "sender": "@bot:x", "type": "m.room.message",
                        "content": {},
                    }),
                };
                let store = &self.tables.store;
                store.receive_sync("@bot:x", "s", &[], &[event], NOW).await.unwrap();
                store.post_echoed(txn_id, &event_id, NOW).await.unwrap();
            }
            *in_room = true;
        }
    }

    async fn confirm(&mut self, which: Option<prop::sample::Index>) {
        let names = self.names().await;
        let (to, place) = match which {
            Some(which) if !names.is_empty() => {
                let place = which.index(names.len());
                (format!("${}", names[place].1), Some(place))
            }
            _ => (self.message.clone(), None),
        };
        let waits = self.state().await == "previewed";
        let event = self.tell("m.room.message", json!({ "body": "!faxen" }), ANNA).await;
        let mut step = self.step(&event).await;
        let said = step.confirm_fax(self.conversation, &to, (&event, ANNA)).await.unwrap();
        step.commit().await.unwrap();
        let newest = self.previews.last();
        let is_newest = place.is_none_or(|place| place + 1 == self.previews.len());
        let may = waits && is_newest && newest.is_some_and(|(_, in_room)| *in_room);
        assert_eq!(said == FaxConfirmation::Now, may, "{said:?}");
        if may {
            self.confirmed = newest.map(|(paper, _)| paper.clone());
            self.confirmed_in = Some(event);
        }
    }

    /// The same by a sign: only on a post of the newest preview.
    async fn approve(&mut self, which: Option<(prop::sample::Index, u8)>) {
        let names = self.names().await;
        let waits = self.state().await == "previewed";
        let newest = self.previews.last().is_some_and(|(_, in_room)| *in_room);
        let Some((which, post)) = which.filter(|_| !names.is_empty()) else {
            let message = self.message.clone();
            assert_eq!(self.react(&message).await, FaxConfirmation::Nothing);
            return;
        };
        let place = which.index(names.len());
        let (file, words, picture) = &names[place];
        let target = match post {
            0 if picture != "none" => picture,
            1 => words,
            _ => file,
        };
        // What is not in the room has no event that a sign could be put to.
        let in_room = self.previews[place].1;
        let target = if in_room { format!("${target}") } else { "$early".to_owned() };
        let said = self.react(&target).await;
        let may = waits && newest && place + 1 == names.len();
        assert_eq!(said == FaxConfirmation::Now, may, "{said:?}");
        assert_eq!(said == FaxConfirmation::Nothing, !in_room, "{said:?}");
    }

    async fn state(&self) -> String {
        let of = self.conversation;
        self.tables.sql(&format!("select state from dispatches where conversation_id = {of}")).await
    }

    async fn retry(&mut self) {
        for item in self.tables.store.parked().await.unwrap() {
            self.retries += 1;
            let (id, retry) = (item.id, Resolution::Retry);
            self.tables.store.resolve_parked(id, retry, NOW).await.unwrap();
        }
    }
}

#[test]
fn fax_25_what_leaves_is_what_was_confirmed_last_and_leaves_once() {
    run(step(), async |tables, steps| {
        let mut room = FaxRoom::new(tables).await;
        for step in steps {
            match step {
                FaxStep::Edit(version) => room.edit(version).await,
                FaxStep::Redact => room.redact().await,
                FaxStep::Try { edited, taken_back, ends } => {
                    room.attempt_while(edited, taken_back, ends).await;
                }
                FaxStep::Echo => room.echo().await,
                FaxStep::Confirm(which) => room.confirm(which).await,
                FaxStep::React(which) => room.approve(which).await,
                FaxStep::TakeBack => {
                    room.take_back().await;
                }
                FaxStep::Retry => room.retry().await,
            }
            assert!(room.left.len() <= 1 + room.retries, "{:?}", room.left);
        }
    });
}

/// Before its preview is in the room nobody can have seen it.
#[tokio::test]
async fn fax_25_each_confirmation_has_an_answer_of_its_own() {
    let tables = StoreTables::new().await;
    let mut room = FaxRoom::new(&tables).await;
    let confirm = async |room: &mut FaxRoom<'_>, to: &str| {
        let event = room.tell("m.room.message", json!({ "body": "!faxen" }), ANNA).await;
        let mut step = room.step(&event).await;
        let said = step.confirm_fax(room.conversation, to, (&event, ANNA)).await.unwrap();
        step.commit().await.unwrap();
        said
    };
    let message = room.message.clone();
    assert_eq!(confirm(&mut room, "$elsewhere").await, FaxConfirmation::Nothing);
    assert_eq!(confirm(&mut room, &message).await, FaxConfirmation::NotShown);
    room.attempt(None, Ends::Accepted).await;
    assert_eq!(room.state().await, "previewed");
    assert_eq!(confirm(&mut room, &message).await, FaxConfirmation::NotShown);
    room.echo().await;
    let first = format!("${}", room.names().await[0].1);
    room.edit(1).await;
    assert_eq!(confirm(&mut room, &first).await, FaxConfirmation::Rewritten);
    room.attempt(None, Ends::Accepted).await;
    room.echo().await;
    assert_eq!(confirm(&mut room, &first).await, FaxConfirmation::Old);
    let second = format!("${}", room.names().await[1].0);
    assert_eq!(confirm(&mut room, &second).await, FaxConfirmation::Now);
    room.confirmed = Some("v1".to_owned());
    assert_eq!(confirm(&mut room, &second).await, FaxConfirmation::Before(ANNA.to_owned()));
    room.attempt(None, Ends::Accepted).await;
    assert_eq!(room.state().await, "accepted");
    assert_eq!(confirm(&mut room, &message).await, FaxConfirmation::Left);
    assert_eq!(room.left, ["v1"]);

    let mut room = FaxRoom::new(&tables).await;
    room.attempt(None, Ends::Accepted).await;
    room.echo().await;
    room.redact().await;
    let message = room.message.clone();
    assert_eq!(confirm(&mut room, &message).await, FaxConfirmation::Withdrawn);
}

/// A sign on the preview confirms, once; taken back before the fax leaves, the fax is shown anew, and
/// signs of others that stand there count for nothing any more.
#[tokio::test]
async fn fax_25_a_sign_confirms_and_can_be_taken_back_until_the_fax_leaves() {
    let tables = StoreTables::new().await;
    let mut room = FaxRoom::new(&tables).await;
    room.attempt(None, Ends::Accepted).await;
    room.echo().await;
    let (file, words, picture) = room.names().await[0].clone();
    assert_eq!(room.react("$elsewhere").await, FaxConfirmation::Nothing);
    assert_eq!(room.react(&format!("${picture}")).await, FaxConfirmation::Now);
    let before = FaxConfirmation::Before(ANNA.to_owned());
    assert_eq!(room.react(&format!("${words}")).await, before, "a second sign");
    assert_eq!(room.take_back().await, Some(DeliveryState::Waiting));
    assert_eq!(room.react(&format!("${file}")).await, FaxConfirmation::NotShown);
    room.attempt(None, Ends::Accepted).await;
    assert_eq!(room.state().await, "previewed", "it is shown anew");
    room.echo().await;
    assert_eq!(room.react(&format!("${file}")).await, FaxConfirmation::Old);
    let anew = room.names().await[1].0.clone();
    assert_eq!(room.react(&format!("${anew}")).await, FaxConfirmation::Now);
    // While the paper is written and the gateway is on its way to the fax server.
    room.attempt_while(None, true, Ends::Accepted).await;
    assert_eq!(room.left, [""; 0]);
    room.attempt(None, Ends::Accepted).await;
    room.echo().await;
    let last = room.names().await[2].0.clone();
    assert_eq!(room.react(&format!("${last}")).await, FaxConfirmation::Now);
    room.attempt(None, Ends::Accepted).await;
    assert_eq!(room.left, ["v0"]);
    assert_eq!(room.take_back().await, Some(DeliveryState::Accepted), "too late");
    assert_eq!(room.react(&format!("${last}")).await, FaxConfirmation::Left);
}

/// One reminder for one preview, and none for what was confirmed.
#[tokio::test]
async fn fax_25_a_room_is_reminded_once() {
    let tables = StoreTables::new().await;
    let mut room = FaxRoom::new(&tables).await;
    room.attempt(None, Ends::Accepted).await;
    let store = &tables.store;
    assert_eq!(store.unconfirmed_faxes(NOW, 10).await.unwrap(), []);
    let waiting = store.unconfirmed_faxes(after(1), 10).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].first_event.as_deref(), Some(room.message.as_str()));
    for _ in 0..2 {
        store.remind_of_fax(&waiting[0], &notice("waits"), after(1)).await.unwrap();
    }
    let told = "select count(*) from posts where dispatch_id is not null";
    assert_eq!(tables.sql(told).await, "1");
    assert_eq!(store.unconfirmed_faxes(after(9), 10).await.unwrap(), []);
    // What is shown anew may be waited for anew.
    room.edit(2).await;
    room.attempt(None, Ends::Accepted).await;
    assert_eq!(store.unconfirmed_faxes(after(9), 10).await.unwrap().len(), 1);
    assert_eq!(room.state().await, "previewed");
}

/// A person answers a preview while its message waits to be written anew. Where the edit changes nothing on paper
/// no preview follows, and none is promised: the one that stands there can be confirmed afterwards.
#[tokio::test]
async fn fax_25_no_preview_is_promised_where_none_follows() {
    let tables = StoreTables::new().await;
    let mut room = FaxRoom::new(&tables).await;
    room.attempt(None, Ends::Accepted).await;
    room.echo().await;
    let first = format!("${}", room.names().await[0].1);
    room.edit(0).await;
    let event = room.tell("m.room.message", json!({ "body": "!faxen" }), ANNA).await;
    let mut step = room.step(&event).await;
    let said = step.confirm_fax(room.conversation, &first, (&event, ANNA)).await.unwrap();
    step.commit().await.unwrap();
    assert_eq!(said, FaxConfirmation::Rewritten);
    room.attempt(None, Ends::Accepted).await;
    assert_eq!((room.state().await.as_str(), room.names().await.len()), ("previewed", 1));
    let event = room.tell("m.room.message", json!({ "body": "!faxen" }), ANNA).await;
    let mut step = room.step(&event).await;
    let said = step.confirm_fax(room.conversation, &first, (&event, ANNA)).await.unwrap();
    step.commit().await.unwrap();
    assert_eq!(said, FaxConfirmation::Now);
}
