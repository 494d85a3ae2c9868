//! Conversations that speakers begin: each command begins one, and nothing goes to a new address before a
//! person has confirmed it.

use serde_json::json;
use umstieg::{
    model::{ChannelKind, ConversationId, Correspondent, DeliveryState},
    rules::starting::{AddressFacts, needs_confirmation},
    store::{
        AddressConfirmation, Begun, EventStep, IncomingEvent, MayLeave, NewConversation, Previewed,
        StoreError,
    },
};

use crate::tables::{NOW, StoreTables, erik, id, name, notice, placing};

const ROOM: &str = "!start:x";
const NONE: AddressFacts =
    AddressFacts { has_written: false, was_reached: false, is_confirmed: false };

impl StoreTables {
    /// `/sync` tells of an event in a room of its own.
    async fn told_of(&self, event_id: &str, kind: &str, content: serde_json::Value) {
        let event = IncomingEvent {
            event_id: event_id.to_owned(),
            room_id: ROOM.to_owned(),
            sender: "@anna:x".to_owned(),
            event: json!({
                "event_id": event_id, "sender": "@anna:x", "type": kind, "content": content,
            }),
        };
        self.store.receive_sync("@bot:x", "s", &[], &[event], NOW).await.unwrap();
    }

    /// The row of an event that nobody acted upon yet.
    async fn row(&self, event_id: &str) -> i64 {
        let events = self.store.new_events(ROOM, 1000).await.unwrap();
        events.iter().find(|event| event.event_id == event_id).unwrap().id
    }

    async fn step(&self, event_id: &str) -> EventStep<'_> {
        let row = self.row(event_id).await;
        self.store.event_step(row, NOW).await.unwrap().unwrap()
    }

    /// A command begins a conversation; nothing if it was acted upon before.
    async fn begins_once(
        &self,
        row: i64,
        event_id: &str,
        correspondent: &Correspondent,
        is_only_one: bool,
    ) -> Result<Option<Begun>, StoreError> {
        let (kim, opening) = (name("kim"), notice("opening"));
        let Some(mut step) = self.store.event_step(row, NOW).await? else { return Ok(None) };
        let new = NewConversation {
            channel: &kim,
            correspondent,
            subject: Some("Befund Schmidt"),
            event_id,
            opening: &opening,
            is_only_one,
        };
        let begun = step.begin_conversation(new).await?;
        step.commit().await?;
        Ok(Some(begun))
    }

    /// The same of a command that nobody acted upon yet.
    async fn begins(&self, event_id: &str, is_only_one: bool) -> Begun {
        let row = self.row(event_id).await;
        let begun = self.begins_once(row, event_id, &erik(), is_only_one).await;
        begun.unwrap().unwrap()
    }

    /// A conversation with Erik whose first words stand in its room.
    async fn begun(&self) -> ConversationId {
        self.told_of("$kim", "m.room.message", json!({ "body": "!kim" })).await;
        let Begun::Now(id) = self.begins("$kim", false).await else {
            panic!("nothing was there before")
        };
        let posts = self.waiting(id).await;
        self.store.post_sent(posts[0].id, "$opening", NOW).await.unwrap();
        self.told_of("$opening", "m.room.message", json!({ "body": "opening" })).await;
        id
    }

    async fn confirms(&self, id: ConversationId, event_id: &str) -> AddressConfirmation {
        self.told_of(event_id, "m.room.message", json!({ "body": "!bestätigen" })).await;
        let mut step = self.step(event_id).await;
        let said = step.confirm_address(id, (event_id, "@anna:x")).await.unwrap();
        step.commit().await.unwrap();
        said
    }

    async fn takes_back(&self, event_id: &str) {
        let redaction = format!("$back{}", event_id.trim_start_matches('$'));
        self.told_of(&redaction, "m.room.redaction", json!({ "redacts": event_id })).await;
    }

    async fn facts(&self, id: ConversationId) -> AddressFacts {
        self.store.address_of_started(id).await.unwrap().unwrap()
    }

    /// An attempt at the oldest dispatch finds that nobody has confirmed its address.
    async fn waits(&self, id: ConversationId) -> Previewed {
        let head = self.head(id).await.unwrap();
        let attempt = self.store.begin_attempt(&head).await.unwrap().unwrap();
        let composed = self.store.composition(attempt.id).await.unwrap();
        self.store.wait_for_address(&attempt, &composed, &notice("waits")).await.unwrap()
    }
}

/// TIM-19: a command is one step and begins one conversation, however often its event is read.
#[tokio::test]
async fn tim_19_a_command_begins_one_conversation_in_one_step() {
    let tables = StoreTables::new().await;
    tables.told_of("$kim", "m.room.message", json!({ "body": "!kim" })).await;
    let (row, erik) = (tables.row("$kim").await, erik());
    let begins = async || tables.begins_once(row, "$kim", &erik, false).await;
    tables.all_or_nothing(begins).await;
    assert_eq!(tables.unchanged(begins()).await, None);
    assert_eq!(tables.sql("select count(*) from conversations").await, "1");
    assert_eq!(tables.sql("select started_in from conversations").await, "$kim");
    let id = tables.sql("select id from conversations").await.parse().unwrap();
    let none = ConversationId(id + 1);
    let id = ConversationId(id);
    assert_eq!(tables.waiting_names(id).await, "s$kim");
    let started = tables.store.started_conversation(id).await.unwrap().unwrap();
    assert_eq!(started.subject.as_deref(), Some("Befund Schmidt"));
    let clear = "select position('Befund'::bytea in subject) from conversations";
    assert_eq!(tables.sql(clear).await, "0", "sealed");
    assert!(tables.store.started_conversation(none).await.unwrap().is_none());
}

/// With one room for each correspondent, a second command leads to the first room.
#[tokio::test]
async fn tim_19_where_everything_has_one_room_there_is_no_second_one() {
    let tables = StoreTables::new().await;
    let first = tables.conversation().await;
    for event in ["$a", "$b", "$c"] {
        tables.told_of(event, "m.room.message", json!({ "body": "!kim" })).await;
    }
    assert_eq!(tables.begins("$a", true).await, Begun::Before(first, None));
    tables.room(first, "!erik:x").await;
    let there = Begun::Before(first, Some("!erik:x".to_owned()));
    assert_eq!(tables.begins("$b", true).await, there);
    assert!(matches!(tables.begins("$c", false).await, Begun::Now(_)));
    assert_eq!(tables.sql("select count(*) from conversations").await, "2");
}

/// TIM-19: what is said before the confirmation waits for it, and its room is told once.
#[tokio::test]
async fn tim_19_nothing_goes_to_a_new_address_before_it_is_confirmed() {
    let tables = StoreTables::new().await;
    let id = tables.begun().await;
    assert_eq!(tables.facts(id).await, NONE);
    tables.says(id, "@anna:x", "1@kim.local").await;
    tables.closed(id).await;
    assert_eq!(tables.waits(id).await, Previewed::Waits);
    assert_eq!(tables.head(id).await, None, "it waits for a person, and no attempt is made");
    assert_eq!(tables.sql("select state from dispatches").await, "previewed");
    let told = "select count(*) from posts where dispatch_id is not null";
    assert_eq!(tables.sql(told).await, "1");

    assert_eq!(tables.confirms(id, "$yes").await, AddressConfirmation::Now);
    assert_eq!(tables.confirms(id, "$again").await, AddressConfirmation::Before);
    assert!(tables.facts(id).await.is_confirmed);
    assert_eq!(tables.sql("select state from dispatches").await, "waiting");
    assert!(tables.jobs().await.contains(&format!("hand_over {id}")));

    // Taken back: it waits again, and is not told again.
    tables.takes_back("$yes").await;
    assert_eq!(tables.facts(id).await, NONE);
    assert_eq!(tables.waits(id).await, Previewed::Waits);
    assert_eq!(tables.sql(told).await, "1");
    assert_eq!(tables.confirms(id, "$anew").await, AddressConfirmation::Now);
    tables.hands_over(id).await;
    tables.takes_back("$anew").await;
    let reached = AddressFacts { was_reached: true, ..NONE };
    assert_eq!(tables.facts(id).await, reached);
    assert!(!needs_confirmation(reached));
}

/// The last fence: a confirmation that is taken back while the mail server greets lets nothing leave.
#[tokio::test]
async fn tim_19_a_confirmation_counts_until_the_body_leaves() {
    let tables = StoreTables::new().await;
    let id = tables.begun().await;
    tables.confirms(id, "$yes").await;
    tables.says(id, "@anna:x", "1@kim.local").await;
    tables.closed(id).await;
    let head = tables.head(id).await.unwrap();
    let attempt = tables.store.begin_attempt(&head).await.unwrap().unwrap();
    let composed = tables.store.composition(attempt.id).await.unwrap();
    tables.takes_back("$yes").await;
    assert_eq!(tables.store.body_leaves(&attempt, &composed).await.unwrap(), MayLeave::Changed);
    assert_eq!(tables.waits(id).await, Previewed::Waits);
}

/// Nobody confirms what could not be seen.
#[tokio::test]
async fn tim_19_an_address_is_confirmed_only_after_it_was_shown() {
    let tables = StoreTables::new().await;
    tables.told_of("$kim", "m.room.message", json!({ "body": "!kim" })).await;
    let Begun::Now(id) = tables.begins("$kim", false).await else {
        panic!("nothing was there before")
    };
    assert_eq!(tables.confirms(id, "$early").await, AddressConfirmation::NotShown);
    assert_eq!(tables.facts(id).await, NONE);
}

/// An address that wrote is known, on its channel alone; one whose mail came back is not.
#[tokio::test]
async fn tim_19_an_address_has_a_history_of_its_own_on_each_channel() {
    let tables = StoreTables::new().await;
    let known =
        async |channel: &str| tables.store.address_known(&name(channel), &erik()).await.unwrap();
    assert_eq!(known("kim").await, NONE);
    let id = tables.begun().await;
    tables.confirms(id, "$yes").await;
    tables.says(id, "@anna:x", "1@kim.local").await;
    tables.closed(id).await;
    tables.hands_over(id).await;
    assert!(known("kim").await.was_reached);
    let report = tables.letter().await;
    assert!(tables.reported("1@kim.local", report, DeliveryState::Undelivered).await.unwrap());
    assert_eq!(known("kim").await, NONE, "it came back");
    let letter = tables.letter().await;
    tables.place(placing(letter, &name("kim"), &erik())).await;
    assert_eq!(known("kim").await, AddressFacts { has_written: true, ..NONE });
    assert_eq!(known("labor").await, NONE);
    assert_eq!(id, tables.thread_of("1@kim.local").await, "answers find the conversation");
}

impl StoreTables {
    async fn thread_of(&self, message_id: &str) -> ConversationId {
        let known = self.store.known_threads(&name("kim"), &erik(), &[id(message_id)]).await;
        match known.unwrap().by_message_id.get(&id(message_id)) {
            Some(umstieg::model::Seen::In(conversation)) => *conversation,
            other => panic!("{other:?}"),
        }
    }
}

/// A team is welcomed once, in one step, in the room in which it is told of its accounts.
#[tokio::test]
async fn tim_19_each_channel_has_a_room_of_its_team_once() {
    let tables = StoreTables::new().await;
    let channels = [name("kim"), name("fax")];
    let to_welcome = async || tables.store.channels_to_welcome(&channels).await.unwrap();
    assert_eq!(to_welcome().await, ["kim", "fax"]);
    let room = tables.store.channel_notices(&name("fax"), ChannelKind::Fax, NOW).await.unwrap();
    let said = notice("welcome");
    for (channel, kind) in [("kim", ChannelKind::Kim), ("fax", ChannelKind::Fax)] {
        let channel = name(channel);
        let welcome = async || tables.store.welcome_team((&channel, kind), &said, NOW).await;
        tables.all_or_nothing(welcome).await;
        tables.unchanged(welcome()).await;
    }
    assert_eq!(to_welcome().await, Vec::<String>::new());
    assert_eq!(tables.waiting(room).await.len(), 1);
    assert_eq!(tables.sql("select count(*) from conversations").await, "2");
}
