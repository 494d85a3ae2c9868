//! What the database is trusted with: nothing hangs in a transaction without an end, no letter
//! takes another one's name, and what cannot move does not block anything.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ruma::OwnedUserId;
use serde_json::json;
use time::OffsetDateTime;
use umstieg::{
    model::{ChannelName, ConversationId, MailKey, MailboxId, MessageId, Notice, Substance},
    relay,
    rules::renaming::Renaming,
    store::{
        Database, FetchedFrom, IncomingEvent, Job, MailboxPlace, MayLeave, NewLetter, NewPart,
        OneGateway, Resolution, Saved, Store, StoredPart, seal::OuterKey,
    },
};
use umstieg_world::{Surroundings, World, broken_off};

use crate::{
    clocks::Set,
    databases,
    stage::{Stage, conversations},
};

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-25 12:00 UTC);

/// A separate database, without a gateway.
pub(crate) struct Tables {
    pub(crate) store: Store,
    url: String,
    key: OuterKey,
    world: &'static Surroundings,
}

impl Tables {
    /// With a pool of one connection: the next caller gets the one that was used before.
    pub(crate) async fn new() -> Self {
        let world = World::shared().await.unwrap();
        let url = databases::migrated(&world.postgres).await;
        let key = OuterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let store = Database::connect(&url, 1).await.unwrap().migrate(&key, NOW).await.unwrap();
        Self { store, url, key, world }
    }

    /// As others see it: over a separate connection.
    pub(crate) async fn sql(&self, sql: &str) -> String {
        let name = self.url.rsplit('/').next().unwrap();
        self.world.postgres.query(name, sql).await.unwrap().trim().to_owned()
    }
}

/// Work is dropped at every point at which it waits, as a time limit or a stop does it. What the next
/// caller does on the same connection is visible to everybody as soon as it returns.
async fn what_comes_next_holds(
    tables: &Tables,
    store: &Store,
    work: impl AsyncFn(&Store),
    name: &str,
) {
    for steps in 0.. {
        assert!(steps < 200, "{name} never ends");
        let is_done = broken_off(work(store), steps).await;
        let user = format!("@{name}{steps}:x");
        let seen = format!("select count(*) from identities where user_id = '{user}'");
        let identity = [(OwnedUserId::try_from(user).unwrap(), "key".to_owned())];
        store.identities_seen(&BTreeMap::from(identity), NOW).await.unwrap();
        let seen = tables.sql(&seen);
        assert_eq!(seen.await, "1", "{name} was broken off at step {steps}");
        if is_done {
            return;
        }
    }
}

#[tokio::test]
async fn work_that_was_broken_off_leaves_no_transaction_open() {
    let tables = Tables::new().await;
    tables.sql(&conversations("kim", &["erik@charite.kim.telematik"])).await;
    let mut gate = OneGateway::take(&tables.url).await.unwrap();
    let epoch = gate.begin().await.unwrap();
    let gateway = Database::connect_in(&tables.url, 1, epoch).await.unwrap();
    let gateway = gateway.open(&tables.key).await.unwrap();
    for (who, store) in [("b", &tables.store), ("g", &gateway)] {
        let begins = async |store: &Store| drop(store.pool().begin().await);
        what_comes_next_holds(&tables, store, begins, &format!("{who}begin")).await;
        let commits = async |store: &Store| {
            let transaction = store.pool().begin().await.unwrap();
            transaction.commit().await.unwrap();
        };
        what_comes_next_holds(&tables, store, commits, &format!("{who}commit")).await;
        let rolls_back = async |store: &Store| {
            let transaction = store.pool().begin().await.unwrap();
            transaction.rollback().await.unwrap();
        };
        what_comes_next_holds(&tables, store, rolls_back, &format!("{who}rollback")).await;
        let nests = async |store: &Store| {
            let mut transaction = store.pool().begin().await.unwrap();
            drop(sqlx::Acquire::begin(&mut transaction).await);
        };
        what_comes_next_holds(&tables, store, nests, &format!("{who}nest")).await;
        let receives = async |store: &Store| {
            let event = IncomingEvent {
                event_id: "$1".to_owned(),
                room_id: "!r:x".to_owned(),
                sender: "@anna:x".to_owned(),
                event: json!({}),
            };
            drop(store.receive_transaction("1", &[event], NOW).await);
        };
        what_comes_next_holds(&tables, store, receives, &format!("{who}receive")).await;
        let says = async |store: &Store| {
            let content = json!({ "body": "x" });
            let notice = Notice { substance: Substance::Word, content };
            drop(store.add_bot_post(ConversationId(1), "t", &notice).await);
        };
        what_comes_next_holds(&tables, store, says, &format!("{who}say")).await;
        let wakes = async |store: &Store| drop(store.wake_what_waits(NOW).await);
        what_comes_next_holds(&tables, store, wakes, &format!("{who}wake")).await;
    }
}

/// A mail without a date and an id: nothing but its bytes tells it from another one.
const BARE: &[u8] = b"From: <erik@charite.kim.telematik>\r\nSubject: x\r\n\r\nOhne Datum\r\n";

async fn arrives(
    store: &Store,
    channel: &str,
    mailbox: MailboxId,
    key: &str,
    mail: &[u8],
) -> Saved {
    let mut letter = NewLetter::new(store);
    letter.take(mail).await.unwrap();
    let arrival = FetchedFrom {
        channel: &ChannelName::new(channel).unwrap(),
        mailbox,
        key: &MailKey::new(key).unwrap(),
        listed_bytes: None,
        head_only: false,
        out_of_reach: false,
        too_large: false,
        at: NOW,
    };
    letter.finish(arrival).await.unwrap()
}

async fn migrated() -> (Stage, Set) {
    let stage = Stage::before_start(|channels| channels).await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let set = Set::new(&stage).await;
    (stage, set)
}

const UNSAID: &str = "select count(*) from letters
     where not exists (select 1 from posts where posts.letter_id = letters.id)";

/// A letter's name is made of its key, and a server may give the key to another mail: of the same
/// bytes, where nothing else tells two mails apart.
#[tokio::test]
async fn a_letter_never_hides_behind_the_name_of_another() {
    let (stage, set) = migrated().await;
    let (store, kim) = (&set.ctx.store, ChannelName::new("kim").unwrap());
    let place = MailboxPlace::new("pop3", "localhost", 995, "praxis", "");
    let mailbox = store.mailbox(&kim, &place, 0, NOW).await.unwrap().id;
    assert_eq!(arrives(store, "kim", mailbox, "1", BARE).await, Saved::New);
    relay::place_letters(&set.ctx, &kim).await.unwrap();
    // The server renames it, and gives its old name to another mail.
    store.mails_left(mailbox, &[MailKey::new("1").unwrap()], &[], NOW).await.unwrap();
    assert_eq!(arrives(store, "kim", mailbox, "2", BARE).await, Saved::Known);
    assert_eq!(arrives(store, "kim", mailbox, "1", BARE).await, Saved::New);
    relay::place_letters(&set.ctx, &kim).await.unwrap();
    assert_eq!(stage.query(UNSAID).await, "0");
    assert_eq!(stage.query("select count(*) from letters where state = 'placed'").await, "2");
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}

/// The name of a channel is part of it, and a new channel may be called as another one was.
#[tokio::test]
async fn a_letter_of_a_new_channel_is_said_though_an_old_one_bore_its_name() {
    let (stage, set) = migrated().await;
    let (store, kim) = (&set.ctx.store, ChannelName::new("kim").unwrap());
    let letter = b"From: <erik@charite.kim.telematik>\r\nMessage-ID: <a@x>\r\n\
                   Date: Mon, 23 Nov 2026 08:00:00 +0100\r\nSubject: x\r\n\r\nAn beide\r\n";
    for user in ["alt", "neu"] {
        let place = MailboxPlace::new("pop3", "localhost", 995, user, "");
        let mailbox = store.mailbox(&kim, &place, 0, NOW).await.unwrap().id;
        assert_eq!(arrives(store, "kim", mailbox, "1", letter).await, Saved::New);
        relay::place_letters(&set.ctx, &kim).await.unwrap();
        if user == "alt" {
            let to = ChannelName::new("alt").unwrap();
            store.rename_channels(&[Renaming { from: "kim".to_owned(), to }]).await.unwrap();
        }
    }
    assert_eq!(stage.query(UNSAID).await, "0");
    assert_eq!(stage.query("select count(*) from letters where state = 'placed'").await, "2");
}

/// Somebody spoke in each room; the rooms of `weg` are those of a channel that the settings no
/// longer have, and there are a hundred of everything in it. After them comes one of `kim`.
const CROWD: &str = "
    insert into rooms (conversation_id, alias_token, room_id, state, created_at)
    values (1, gen_random_uuid(), '!weg:x', 'open', now()), (2, gen_random_uuid(), '!kim:x', 'open', now());
    insert into dispatches (conversation_id, author, message_id, state, opened_at, closes_at)
    values (1, '@anna:x', '1@kim.local', 'accepted', now(), now()), (2, '@anna:x', '2@kim.local', 'accepted', now(), now());
    insert into room_events (event_id, room_id, sender, event, door, received_at, state, place)
    select '$' || n, case when n > 150 then '!kim:x' else '!weg:x' end, '@anna:x', '\\x00', 'sync', now(), 'done', n
    from generate_series(1, 151) as n;
    insert into dispatch_parts (dispatch_id, event_id, content)
    select case when n > 150 then 2 else 1 end, '$' || n, '\\x00' from generate_series(1, 151) as n;";

/// What the gateway has to say in rooms that it serves does not wait behind rooms that it no longer
/// serves, however many.
#[tokio::test]
async fn what_cannot_move_stands_in_nobodys_way() {
    let (stage, set) = migrated().await;
    for (channel, correspondent) in [("weg", "a@x.kim.telematik"), ("kim", "b@x.kim.telematik")] {
        stage.query(&conversations(channel, &[correspondent])).await;
    }
    stage.query(CROWD).await;

    stage
        .query(
            "insert into room_acts (event_id, room_id, author, target, kind, received_at, is_told_under_way)
             select '$r' || n, case when n > 150 then '!kim:x' else '!weg:x' end, '@anna:x', '$' || n, 'redaction', now(), true
             from generate_series(1, 151) as n",
        )
        .await;
    relay::tell_what_became(&set.ctx).await.unwrap();
    let left = "select count(*) from room_acts where is_told_under_way and room_id = '!kim:x'";
    assert_eq!(stage.query(left).await, "0", "what became of an act is told");

    stage
        .query(&format!(
            "insert into room_events (event_id, room_id, sender, event, door, received_at, state)
             select '$f' || n, case when n > 150 then '!kim:x' else '!weg:x' end, '@anna:x', '\\x00', 'transaction', '2026-11-25 10:00 UTC', 'fetched'
             from generate_series(1, 151) as n;
             insert into sync_positions (user_id, since, updated_at)
             values ('{}', 's', '2026-11-25 12:00 UTC')",
            stage.bot_id()
        ))
        .await;
    relay::park_without_place(&set.ctx).await.unwrap();
    let left = "select count(*) from room_events where state = 'fetched' and room_id = '!kim:x'";
    assert_eq!(stage.query(left).await, "0", "what has no place is parked");

    // Edits of one message that cannot be read, and a later one that can; and one more message.
    stage
        .query(
            "update dispatches set state = 'waiting';
             delete from room_acts;
             insert into room_acts (event_id, room_id, author, target, kind, received_at, state, content)
             select '$e' || n, case when n > 150 then '!kim:x' else '!weg:x' end, '@anna:x',
                 case when n > 150 then '$151' else '$1' end, 'edit', '2026-11-25 10:00 UTC',
                 case when n = 150 then 'says' else 'unread' end, case when n = 150 then '\\x00'::bytea end
             from generate_series(1, 151) as n",
        )
        .await;
    relay::hold_what_waits(&set.ctx).await.unwrap();
    let held = "select held_by from dispatch_parts where event_id = '$151'";
    assert_eq!(stage.query(held).await, "$e151", "what waits too long for an edit is held");
}

/// An attempt was given up by all but the task that makes it, and the dispatch begun again with as
/// many attempts: the task is told that the dispatch is no longer its own.
#[tokio::test]
async fn who_was_overtaken_does_not_go_on_with_a_dispatch_that_was_begun_anew() {
    let tables = Tables::new().await;
    let store = &tables.store;
    tables.sql(&conversations("kim", &["erik@charite.kim.telematik"])).await;
    let conversation = ConversationId(1);
    store
        .collect(NewPart {
            conversation,
            author: "@anna:x",
            event_id: "$1",
            part: &StoredPart::Text("Antwort".to_owned()),
            answers: None,
            collect: Duration::ZERO,
            collect_at_most: Duration::ZERO,
            message_id: &MessageId::new("1@kim.local").unwrap(),
            at: NOW,
        })
        .await
        .unwrap();
    tables.sql("update dispatches set state = 'waiting', subject = null").await;
    let head = store.head_dispatch(conversation).await.unwrap().unwrap();
    let composed = store.composition(head.id).await.unwrap();
    let firsts = store.begin_attempt(&head).await.unwrap().unwrap();
    // A gap has it fail, and a person has it tried again.
    let notice = Notice { substance: Substance::Word, content: json!({ "body": "x" }) };
    let told = ("g", &notice);
    store.history_lost(conversation, "!r:x", "kim", told, |_| notice.clone(), NOW).await.unwrap();
    for item in store.parked().await.unwrap() {
        assert!(store.resolve_parked(item.id, Resolution::Retry, NOW).await.unwrap());
    }
    let head = store.head_dispatch(conversation).await.unwrap().unwrap();
    let seconds = store.begin_attempt(&head).await.unwrap().unwrap();
    assert_eq!(store.body_leaves(&firsts, &composed).await.unwrap(), MayLeave::Stopped);
    assert_eq!(store.body_leaves(&seconds, &composed).await.unwrap(), MayLeave::Leaves);
    // Were it to wait again now, it would leave twice.
    store.dispatch_again_at(&firsts, NOW, "x", None).await.unwrap();
    let state = "select state from dispatches";
    assert_eq!(tables.sql(state).await, "sending_body");
    let failed = umstieg::model::DeliveryState::Unclear;
    store.settle_dispatch(&firsts, failed, "x", &notice, None, NOW).await.unwrap();
    assert_eq!(tables.sql(state).await, "sending_body");
}

/// Rooms that never became portals leave nothing behind; and a time that no clock shows hides no
/// user whose identity changed.
#[tokio::test]
async fn what_is_not_needed_any_more_is_gone_and_odd_times_hide_nothing() {
    let tables = Tables::new().await;
    tables
        .sql(
            "insert into room_events (event_id, room_id, sender, event, door, received_at, state)
             select '$' || n, '!fremd:x', '@eve:x', '\\x00', 'transaction', '2026-11-01', case n when 1 then 'new' else 'fetched' end
             from generate_series(1, 3) as n;
             insert into room_events (event_id, room_id, sender, door, received_at, state)
             values ('$alt', '!fremd:x', '@eve:x', 'transaction', '2026-11-01', 'done'),
                 ('$neu', '!fremd:x', '@eve:x', 'transaction', '2026-11-25', 'done');
             insert into room_acts (event_id, room_id, author, target, kind, received_at)
             values ('$2', '!fremd:x', '@eve:x', '$1', 'redaction', '2026-11-01');
             insert into identities (user_id, pinned, pinned_at, pinned_by, seen, seen_at)
             values ('@a:x', 'k', now(), 'first_seen', 'l', 'infinity'),
                 ('@b:x', 'k', now(), 'first_seen', 'l', '200000-01-01'),
                 ('@c:x', 'k', now(), 'first_seen', 'l', now())",
        )
        .await;
    let store = &tables.store;
    store.forget_before(time::macros::datetime!(2026-11-20 0:00 UTC)).await.unwrap();
    assert_eq!(tables.sql("select string_agg(event_id, ' ') from room_events").await, "$neu");
    assert_eq!(tables.sql("select count(*) from room_acts").await, "0");
    let changed = store.changed_identities().await.unwrap();
    assert_eq!(changed.len(), 3);
}

/// Waits for nothing: the pool of one connection gives it back at once.
#[tokio::test]
async fn a_connection_that_was_broken_off_is_there_again_at_once() {
    let tables = Tables::new().await;
    let begun = Instant::now();
    for steps in 0..4 {
        broken_off(tables.store.pool().begin(), steps).await;
        tables.store.ping().await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// A place that is woken once more while its job is taken has a second job; the first, given back
/// before it began, would stay for ever, and be counted as work that waits.
#[tokio::test]
async fn a_job_whose_place_was_taken_is_gone_once_it_was_given_back() {
    let tables = Tables::new().await;
    let (store, job) = (&tables.store, Job::SendPosts(ConversationId(1)));
    store.wake(&job, None).await.unwrap();
    let take = "update graphile_worker._private_jobs
                set locked_at = '2026-11-25 11:59:59', locked_by = 'engine', attempts = 1";
    tables.sql(take).await;
    store.wake(&job, None).await.unwrap();
    assert_eq!(store.jobs_waiting().await.unwrap(), 2);
    // While it is taken, it is the engine's.
    store.release_orphaned_jobs(&[1], NOW).await.unwrap();
    assert_eq!(store.jobs_waiting().await.unwrap(), 2);
    let give_back = "select graphile_worker._private_return_jobs('engine', array_agg(id))
                     from graphile_worker._private_jobs where locked_by = 'engine'";
    tables.sql(give_back).await;
    assert_eq!(store.jobs_waiting().await.unwrap(), 2);
    store.release_orphaned_jobs(&[], NOW).await.unwrap();
    let left = "select string_agg(key, ' ') from graphile_worker._private_jobs";
    assert_eq!((store.jobs_waiting().await.unwrap(), tables.sql(left).await), (1, job.key()));
    // A taken job that no task knows is freed, and goes at once.
    tables.sql(take).await;
    store.wake(&job, None).await.unwrap();
    store.release_orphaned_jobs(&[], NOW).await.unwrap();
    assert_eq!(store.jobs_waiting().await.unwrap(), 1);
}

/// Each time the gateway is killed in it, a job has one attempt less. When none is left the engine
/// never takes it again, so the sweep adds it again.
#[tokio::test]
async fn work_whose_job_has_no_attempts_left_is_done_all_the_same() {
    let tables = Tables::new().await;
    let store = &tables.store;
    let (channel, place) =
        (ChannelName::new("kim").unwrap(), MailboxPlace::new("pop3", "h", 995, "u", ""));
    let mailbox = store.mailbox(&channel, &place, 0, NOW).await.unwrap().id;
    arrives(store, "kim", mailbox, "1", BARE).await;
    let left = "select string_agg(key || ' ' || (attempts < max_attempts)::text, ' ')
                from graphile_worker._private_jobs";
    store.wake_what_waits(NOW).await.unwrap();
    assert_eq!(tables.sql(left).await, "place_letters kim true");
    tables.sql("update graphile_worker._private_jobs set attempts = max_attempts").await;
    store.wake_what_waits(NOW).await.unwrap();
    assert_eq!(tables.sql(left).await, "place_letters kim true");
    // One that runs for the last time is not doubled.
    tables
        .sql(
            "update graphile_worker._private_jobs
             set attempts = max_attempts, locked_at = now(), locked_by = 'engine'",
        )
        .await;
    store.wake_what_waits(NOW).await.unwrap();
    assert_eq!(tables.sql(left).await, "place_letters kim false");
}
