//! Which room a letter comes into, and what an answer answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;
use time::{OffsetDateTime, macros::datetime};
use umstieg::{
    channel::ThreadBy,
    model::{ChannelName, ConversationId, Correspondent, Letter, LetterId, MailAddress, MessageId},
    phrases::Phrase,
    rules::threading::{Ancestors, Known, Placement, place},
    store::{Database, Placed, Placing, Store, seal::OuterKey},
};
use umstieg_world::World;

use crate::{
    databases,
    stage::{Stage, kim_mail, message_id},
};

const NOW: OffsetDateTime = datetime!(2026-11-23 08:00 UTC);

// ---------------------------------------------------------------- ids that several mails bear

/// R08, KIM-8: some systems give two mails one Message-ID. What answers it may mean either.
#[tokio::test]
async fn r08_an_id_that_two_letters_bear_leads_into_neither_of_their_rooms() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let letter = |id: &str, subject: &str, more: &str, words: &str| {
        kim_mail(&erik, &stage.practice, id, subject, more, words)
    };
    stage.receive(&letter("gleich@x", "Patient A", "", "Zu Patient A")).await;
    let a = stage.anna_sees("Zu Patient A").await.room_id;
    stage.receive(&letter("gleich@x", "Patient B", "", "Zu Patient B")).await;
    let b = stage.anna_sees("Zu Patient B").await.room_id;
    assert_ne!(a, b);

    let more = "In-Reply-To: <gleich@x>\nReferences: <gleich@x>\n";
    stage.receive(&letter("c@x", "Nachtrag Patient B", more, "Nachtrag zu Patient B")).await;
    let c = stage.anna_sees("Nachtrag zu Patient B").await.room_id;
    assert!(c != a && c != b, "a letter that may be about either patient is in the room of one");
    stage.anna_is_told(&Phrase::UnknownThread).await;

    // What follows it names it, which is enough.
    let more = "In-Reply-To: <c@x>\nReferences: <gleich@x> <c@x>\n";
    stage.receive(&letter("d@x", "Nachtrag Patient B", more, "Und noch eines")).await;
    assert_eq!(stage.anna_sees("Und noch eines").await.room_id, c);
}

/// R08: an id that was named in two conversations belongs to neither.
#[tokio::test]
async fn r08_an_id_that_was_seen_in_two_conversations_leads_into_neither() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let letter = |id: &str, more: &str, words: &str| {
        kim_mail(&erik, &stage.practice, id, "Befund", more, words)
    };
    stage.receive(&letter("a@x", "", "Brief A")).await;
    let a = stage.anna_sees("Brief A").await.room_id;
    stage.receive(&letter("b@x", "", "Brief B")).await;
    let b = stage.anna_sees("Brief B").await.room_id;
    // It answers B, and names A as well.
    let more = "In-Reply-To: <b@x>\nReferences: <a@x> <b@x>\n";
    stage.receive(&letter("c@x", more, "Zu B mit A")).await;
    assert_eq!(stage.anna_sees("Zu B mit A").await.room_id, b);
    // It answers both at once.
    stage.receive(&letter("d@x", "In-Reply-To: <a@x> <b@x>\n", "Zu beiden")).await;
    let d = stage.anna_sees("Zu beiden").await.room_id;
    assert!(d != a && d != b, "what answers two letters is in the room of one");
    stage.receive(&letter("e@x", "In-Reply-To: <a@x>\n", "Zu A oder B")).await;
    let e = stage.anna_sees("Zu A oder B").await.room_id;
    assert!(e != a && e != b && e != d, "an id of two rooms leads into one of them");
}

/// B22: on its way our own id was folded in the middle.
#[tokio::test]
async fn b22_an_answer_whose_ids_were_folded_comes_into_its_room() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.anna.send_text(&letter.room_id, "Danke für den Befund").await.unwrap();
    let ours = message_id(&stage.mails(&erik, 1).await[0]);
    let folded = ours.replace('@', "\n @");
    let more = format!("In-Reply-To:\n <{folded}>\nReferences: <{folded}>\n");
    stage.receive(&kim_mail(&erik, &stage.practice, "a2@x", "AW: Befund", &more, "Gefaltet")).await;
    assert_eq!(stage.anna_sees("Gefaltet").await.room_id, letter.room_id);
    // A claim that cannot be read opens a room, and says so.
    let more = "In-Reply-To: Ihre Nachricht von gestern\n";
    stage.receive(&kim_mail(&erik, &stage.practice, "a3@x", "AW: Befund", more, "Unlesbar")).await;
    let room = stage.anna_sees("Unlesbar").await.room_id;
    assert_ne!(room, letter.room_id);
    let hint = stage.anna_is_told(&Phrase::UnknownThread).await;
    assert_eq!(hint.room_id, room);
}

// ---------------------------------------------------------------- the rule and its table as a model

/// A letter of the model: few ids, so that they collide.
#[derive(Debug, Clone)]
struct Sent {
    channel: usize,
    sender: usize,
    own: Option<u8>,
    in_reply_to: Vec<u8>,
    references: Vec<u8>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let ids = || prop::collection::vec(0_u8..7, 0..4);
    (0_usize..2, 0_usize..2, prop::option::weighted(0.9, 0_u8..7), ids(), ids()).prop_map(
        |(channel, sender, own, in_reply_to, references)| Sent {
            channel,
            sender,
            own,
            in_reply_to,
            references,
        },
    )
}

fn id(number: u8) -> MessageId {
    MessageId::new(&format!("{number}@x")).unwrap()
}

/// A mailbox's letters as the gateway places them.
struct Mailroom {
    store: Store,
    pool: PgPool,
    keys: u64,
}

impl Mailroom {
    async fn new() -> Self {
        let world = World::shared().await.unwrap();
        let url = databases::migrated(&world.postgres).await;
        let key = OuterKey::from_base64(OuterKey::random_base64().expose_secret()).unwrap();
        let store = Database::connect(&url, 2).await.unwrap().migrate(&key, NOW).await.unwrap();
        Self { pool: store.pool().clone(), store, keys: 0 }
    }

    /// Places a letter; gives where it went, and whether it was led there by what it names.
    async fn place(
        &mut self,
        channel: &ChannelName,
        sender: &Correspondent,
        sent: &Sent,
    ) -> (ConversationId, bool) {
        self.keys += 1;
        let letter_id: i64 = sqlx::query_scalar(
            "insert into letters (channel, mail_key, received_at, raw, head_only)
             values ($1, $2, now(), '', false)
             returning id",
        )
        .bind(channel.as_str())
        .bind(format!("k{}", self.keys))
        .fetch_one(&self.pool)
        .await
        .unwrap();
        let letter = Letter {
            message_id: sent.own.map(id),
            in_reply_to: sent.in_reply_to.iter().copied().map(id).collect(),
            references: sent.references.iter().copied().map(id).collect(),
            ..Letter::default()
        };
        let ancestors = Ancestors::of(&letter);
        let named: Vec<MessageId> = ancestors.ids().cloned().collect();
        let asked: Vec<MessageId> = named.iter().chain(&letter.message_id).cloned().collect();
        let known = self.store.known_threads(channel, sender, &asked).await.unwrap();
        let facts = Known {
            is_nameless: false,
            own: letter.message_id.as_ref(),
            seen: &known.by_message_id,
            answered_in: letter.message_id.as_ref().and_then(|id| known.awaiting(id)),
            newest: known.newest,
        };
        let conversation = match place(ThreadBy::Thread, &ancestors, facts) {
            Placement::Continue(conversation) => Some(conversation),
            Placement::Open | Placement::OpenDespiteClaim => None,
        };
        let placing = Placing {
            letter: LetterId(letter_id),
            channel,
            correspondent: sender,
            conversation,
            fingerprint: None,
            message_id: letter.message_id.as_ref(),
            ancestors: &named,
            answer_to: None,
            caller_doubt: None,
            receipt_as: None,
            posts: &[],
            is_read: false,
            stays: false,
            kept_back: None,
            again_at: None,
            note: None,
            at: NOW,
        };
        let Placed::In(placed) = self.store.place_letter(placing.clone()).await.unwrap() else {
            panic!("a letter without posts takes no name");
        };
        // A step that is repeated after a crash finds it done.
        self.store.place_letter(Placing { conversation: Some(placed), ..placing }).await.unwrap();
        (placed, conversation.is_some())
    }
}

/// What the model remembers of one correspondent on one channel.
#[derive(Default)]
struct Remembered {
    /// In which conversations an id was seen.
    seen: HashMap<u8, BTreeSet<ConversationId>>,
    /// How many letters have it.
    bearers: HashMap<u8, usize>,
    conversations: BTreeSet<ConversationId>,
}

impl Remembered {
    /// The one place an id leads to.
    fn home(&self, id: u8) -> Option<ConversationId> {
        let seen: Vec<_> = self.seen.get(&id)?.iter().copied().collect();
        let is_single = self.bearers.get(&id).copied().unwrap_or_default() <= 1;
        match seen.as_slice() {
            [only] if is_single => Some(*only),
            _ => None,
        }
    }

    /// Where letters answer a letter of this id, which has not come yet.
    fn awaiting(&self, id: u8) -> Option<ConversationId> {
        self.home(id).filter(|_| !self.bearers.contains_key(&id))
    }

    fn note(&mut self, sent: &Sent, conversation: ConversationId) {
        self.conversations.insert(conversation);
        for id in sent.in_reply_to.iter().chain(&sent.references).chain(&sent.own) {
            self.seen.entry(*id).or_default().insert(conversation);
        }
        if let Some(own) = sent.own {
            *self.bearers.entry(own).or_default() += 1;
        }
    }
}

/// B78: two letters answer one that we never had, such as one to someone else with us in copy from
/// the second on. They are one thread; the first opens its room with a hint.
#[tokio::test]
async fn b78_letters_of_a_thread_whose_beginning_is_unknown_share_a_room() {
    let mut mailroom = Mailroom::new().await;
    let channel = ChannelName::new("kim").unwrap();
    let [erik, labor] = ["erik@a.kim.telematik", "labor@a.kim.telematik"]
        .map(|address| Correspondent::Mail(MailAddress::new(address).unwrap()));
    let answer = |own| Sent {
        channel: 0,
        sender: 0,
        own: Some(own),
        in_reply_to: vec![0],
        references: vec![0],
    };
    let (room, is_led) = mailroom.place(&channel, &erik, &answer(1)).await;
    assert!(!is_led);
    assert_eq!(mailroom.place(&channel, &erik, &answer(2)).await, (room, true));
    let (others, is_led) = mailroom.place(&channel, &labor, &answer(3)).await;
    assert!(!is_led && others != room, "never another's");
}

/// L187: a mail server delivers an answer before the letter it answers. Both are one thread, and so are
/// all that follow.
#[tokio::test]
async fn l187_a_letter_that_its_answer_overtook_comes_into_the_room_of_the_answer() {
    let mut mailroom = Mailroom::new().await;
    let channel = ChannelName::new("kim").unwrap();
    let [erik, labor] = ["erik@a.kim.telematik", "labor@a.kim.telematik"]
        .map(|address| Correspondent::Mail(MailAddress::new(address).unwrap()));
    let letter = |own, answers: &[u8]| Sent {
        channel: 0,
        sender: 0,
        own: Some(own),
        in_reply_to: answers.to_vec(),
        references: answers.to_vec(),
    };
    let (room, _) = mailroom.place(&channel, &erik, &letter(1, &[0])).await;
    assert_eq!(mailroom.place(&channel, &erik, &letter(0, &[])).await, (room, true));
    assert_eq!(mailroom.place(&channel, &erik, &letter(2, &[0])).await, (room, true));
    let (others, is_led) = mailroom.place(&channel, &labor, &letter(0, &[])).await;
    assert!(!is_led && others != room, "never another's");
    // A second mail of this name is none that anybody waited for.
    let (second, is_led) = mailroom.place(&channel, &erik, &letter(0, &[])).await;
    assert!(!is_led && second != room);
}

/// R08: whatever ids two correspondents choose on two channels, a letter never comes into the
/// conversation of another, nor by an id that two letters share or two conversations saw; and by an
/// unambiguous id it does.
#[test]
fn r08_no_choice_of_ids_leads_astray() {
    let cases = std::env::var("UMSTIEG_MODEL_CASES").ok().and_then(|n| n.parse().ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mailroom = std::cell::RefCell::new(runtime.block_on(Mailroom::new()));
    let mut runner = TestRunner::new(Config {
        cases: cases.unwrap_or(100),
        failure_persistence: None,
        ..Config::default()
    });
    let round = std::cell::Cell::new(0);
    runner
        .run(&prop::collection::vec(sent(), 1..14), |letters| {
            // Separate names for each round, so that one database is enough for all.
            round.set(round.get() + 1);
            let channels =
                [0, 1].map(|n| ChannelName::new(&format!("kim{n}-{}", round.get())).unwrap());
            let senders = ["erik@x.kim.telematik", "frieda@x.kim.telematik"]
                .map(|address| Correspondent::Mail(MailAddress::new(address).unwrap()));
            let mut model: BTreeMap<(usize, usize), Remembered> = BTreeMap::new();
            for sent in &letters {
                let (channel, sender) = (&channels[sent.channel], &senders[sent.sender]);
                let (went, was_led) =
                    runtime.block_on(mailroom.borrow_mut().place(channel, sender, sent));
                let others: BTreeSet<_> = model
                    .iter()
                    .filter(|(whose, _)| **whose != (sent.channel, sent.sender))
                    .flat_map(|(_, remembered)| remembered.conversations.clone())
                    .collect();
                prop_assert!(!others.contains(&went), "in somebody else's conversation");
                let own = model.entry((sent.channel, sent.sender)).or_default();
                let named: Vec<u8> =
                    sent.in_reply_to.iter().chain(&sent.references).copied().collect();
                let sure: BTreeSet<_> = named
                    .iter()
                    .filter(|id| sent.own != Some(**id))
                    .filter_map(|id| own.home(*id))
                    .collect();
                let awaited = sent.own.filter(|id| !named.contains(id));
                let awaited = awaited.and_then(|id| own.awaiting(id));
                if was_led {
                    let is_sure = sure.contains(&went) || awaited == Some(went);
                    prop_assert!(is_sure, "led by an id that is not sure");
                } else {
                    prop_assert!(!own.conversations.contains(&went), "not in a new room");
                }
                let all_are_sure = named.iter().all(|id| {
                    sent.own != Some(*id) && (own.home(*id).is_some() || !own.seen.contains_key(id))
                });
                if all_are_sure && sure.len() == 1 {
                    prop_assert!(was_led, "a thread that is sure was not followed");
                }
                if awaited.is_some() && !named.iter().any(|id| own.seen.contains_key(id)) {
                    prop_assert!(was_led, "it was answered before it came, and went elsewhere");
                }
                own.note(sent, went);
            }
            Ok(())
        })
        .unwrap();
}
