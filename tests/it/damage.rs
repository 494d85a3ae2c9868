//! One damaged value of any table stops nothing else: it is set aside where a person sees it, and
//! no flow takes it for a failure of Postgres.

use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;
use umstieg::{
    model::{
        ChannelKind, ChannelName, ConversationId, Correspondent, DeliveryState, DispatchId,
        LetterId, MailKey, MessageId, NewPost, Notice, PostId, Speaker, Substance,
    },
    phrases::Phrase,
    store::{
        Database, FetchedFrom, MailboxPlace, NewLetter, NewPart, Placing, Resolution, Store,
        StoreError, StoredDispatch, StoredPart, seal::OuterKey,
    },
};
use umstieg_world::World;

use crate::{
    databases,
    encryption::{sees, strict_anna},
    phrases::{saying, told},
    stage::{Stage, conversations, kim_mail},
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

/// A separate database, without a gateway.
struct DamagedDatabase {
    store: Store,
    name: String,
    world: &'static umstieg_world::Surroundings,
}

impl DamagedDatabase {
    async fn new() -> Self {
        let world = World::shared().await.unwrap();
        let url = databases::migrated(&world.postgres).await;
        let database = Database::connect(&url, 2).await.unwrap();
        let store = database.migrate(&OuterKey::from_base64(KEY).unwrap(), now()).await.unwrap();
        let name = url.rsplit('/').next().unwrap().to_owned();
        Self { store, name, world }
    }

    async fn sql(&self, sql: &str) -> String {
        self.world.postgres.query(&self.name, sql).await.unwrap().trim().to_owned()
    }

    /// One row of everything, and for letters and posts a sound one after it.
    async fn fill(&self) {
        self.sql(
            "truncate correspondents, conversations, letters, letter_pieces, thread_ids, rooms, posts, dispatches,
                 dispatch_parts, parked, devices, room_events restart identity cascade",
        )
        .await;
        let store = &self.store;
        let channel = ChannelName::new("kim").unwrap();
        let place = MailboxPlace::new("pop3", "localhost", 995, "praxis", "");
        let mailbox = store.mailbox(&channel, &place, 0, now()).await.unwrap().id;
        for key in ["1", "2"] {
            let mut letter = NewLetter::new(store);
            letter.take(b"From: a@b.kim.telematik\r\n\r\nx").await.unwrap();
            let arrival = FetchedFrom {
                channel: &channel,
                mailbox,
                key: &MailKey::new(key).unwrap(),
                listed_bytes: None,
                head_only: false,
                out_of_reach: false,
                too_large: false,
                at: now(),
            };
            letter.finish(arrival).await.unwrap();
        }
        self.sql(&conversations("kim", &["erik@charite.kim.telematik"])).await;
        let notice = Notice { substance: Substance::Word, content: json!({ "body": "x" }) };
        for txn_id in ["t1", "t2"] {
            store.add_bot_post(ConversationId(1), txn_id, &notice).await.unwrap();
        }
        store
            .collect(NewPart {
                conversation: ConversationId(1),
                author: "@anna:example.org",
                event_id: "$1",
                part: &StoredPart::Text("Antwort".to_owned()),
                answers: None,
                collect: Duration::ZERO,
                collect_at_most: Duration::ZERO,
                message_id: &MessageId::new("1@kim.local").unwrap(),
                at: now(),
            })
            .await
            .unwrap();
        self.sql(
            "insert into rooms (conversation_id, alias_token, room_id, state, created_at)
             values (1, gen_random_uuid(), '!r:x', 'open', now())",
        )
        .await;
        store.name_device("@bot:x", "D", now()).await.unwrap();
        store.park_post(PostId(2), "kim", "send", now()).await.unwrap();
    }

    /// Everything the gateway reads of these tables.
    async fn read_all(&self) -> Vec<(&'static str, Result<(), StoreError>)> {
        let store = &self.store;
        let channel = ChannelName::new("kim").unwrap();
        let erik = Correspondent::from_key(ChannelKind::Kim, "erik@charite.kim.telematik").unwrap();
        let conversation = ConversationId(1);
        let bytes = async {
            let Some(pieces) = store.letter_pieces(LetterId(1)).await? else { return Ok(()) };
            store.letter_piece(&pieces, 0).await.map(drop)
        };
        vec![
            ("letters", store.next_stored_letter(&channel).await.map(drop)),
            ("letters", store.newest_letter(conversation).await.map(drop)),
            ("letters", bytes.await),
            ("posts", store.pending_posts(conversation, 10).await.map(drop)),
            ("dispatches", store.head_dispatch(conversation).await.map(drop)),
            ("dispatch_parts", store.dispatch_parts(DispatchId(1)).await.map(drop)),
            ("dispatches", store.dispatch_counts().await.map(drop)),
            ("conversations", store.conversation(conversation).await.map(drop)),
            ("conversations", store.known_threads(&channel, &erik, &[]).await.map(drop)),
            ("rooms", store.portal(conversation).await.map(drop)),
            ("devices", store.live_device("@bot:x").await.map(drop)),
            ("devices", store.devices_to_drain(now(), 10).await.map(drop)),
            ("parked", store.parked().await.map(drop)),
            ("parked", store.parked_count().await.map(drop)),
            ("jobs", store.wake_what_waits(now()).await),
            ("strangers", store.park_strange_letters(now()).await.map(drop)),
            ("strangers", store.park_strange_posts(now()).await.map(drop)),
            ("strangers", store.strange_dispatches().await.map(drop)),
        ]
    }
}

/// R19: every column that is read back, damaged in each possible way. The code that reads it learns
/// that it is damaged, and where, and not that Postgres failed; no other code learns anything.
#[tokio::test]
async fn r19_a_damaged_value_of_any_table_is_told_from_a_database_that_is_away() {
    let tables = DamagedDatabase::new().await;
    // What a table would refuse, damage does not ask.
    for (table, rule) in [
        ("letters", "letters_state_check"),
        ("posts", "posts_state_check"),
        ("posts", "posts_speaker_check"),
        ("posts", "posts_substance_check"),
        ("dispatches", "dispatches_state_check"),
        ("rooms", "rooms_state_check"),
        ("devices", "devices_state_check"),
    ] {
        tables.sql(&format!("alter table {table} drop constraint if exists {rule}")).await;
    }
    let deep = format!("'{}{}'", "[".repeat(500), "]".repeat(500));
    for (table, column, value, is_met) in [
        ("letters", "raw", "'\\x0102'", true),
        ("letters", "raw", "raw || '\\x00'", true),
        ("letters", "received_at", "'infinity'", true),
        ("letters", "received_at", "'200000-01-01'", true),
        ("letters", "attempts", "2147483647", false),
        ("letters", "mail_key", "'ä ö ü'", false),
        ("letters", "channel", "'Ä'", false),
        ("letters", "state", "'verloren'", false),
        ("posts", "content", "'\\x'", true),
        ("posts", "content", "set_byte(content, 40, get_byte(content, 40) # 1)", true),
        ("posts", "media", "'\\x0102'", true),
        ("posts", "speaker", "'niemand'", true),
        ("posts", "substance", "'nichts'", true),
        ("posts", "file_index", "-7", true),
        ("posts", "next_attempt_at", "'infinity'", true),
        ("posts", "next_attempt_at", "'-infinity'", true),
        ("posts", "attempts", "-2147483648", false),
        ("posts", "state", "'verloren'", false),
        ("dispatches", "message_id", "'ä ö'", true),
        ("dispatches", "message_id", "''", true),
        ("dispatches", "in_reply_to", "'ä ö'", true),
        ("dispatches", "ancestors", "array['a@b', null]", true),
        ("dispatches", "ancestors", "array['ä ö']", true),
        ("dispatches", "subject", "'\\x0102'", true),
        ("dispatches", "opened_at", "'infinity'", true),
        ("dispatches", "closes_at", "'infinity'", true),
        ("dispatches", "next_attempt_at", "'infinity'", true),
        ("dispatches", "attempts", "2147483647", false),
        ("dispatches", "state", "'verloren'", false),
        ("dispatch_parts", "content", "'\\x0102'", true),
        ("rooms", "room_id", "'kein Raum'", true),
        ("rooms", "state", "'verloren'", true),
        ("rooms", "upgraded_at", "'infinity'", true),
        ("rooms", "invited", "array[null]::text[]", false),
        ("rooms", "encryption", deep.as_str(), true),
        ("devices", "made_at", "'infinity'", true),
        ("devices", "state", "'verloren'", true),
        ("devices", "inbox_drained_at", "'infinity'", false),
        ("parked", "kind", "'verloren'", false),
        ("parked", "parked_at", "'infinity'", false),
        ("correspondents", "key", "'kein Name'", false),
    ] {
        tables.fill().await;
        tables.sql(&format!("update {table} set {column} = {value} where id = 1")).await;
        let mut met = 0;
        for (reader, read) in tables.read_all().await {
            match read {
                Ok(()) => {}
                Err(StoreError::Damaged(damaged)) => {
                    met += 1;
                    assert_eq!(reader, table, "{damaged} is met by who reads {reader}");
                    assert_eq!(damaged.row_of(table), Some(1), "{damaged}");
                    assert!(!damaged.to_string().contains("verloren"), "{damaged}");
                }
                Err(error) => panic!("{table}.{column} = {value}: {reader} says {error:?}"),
            }
        }
        assert_eq!(met > 0, is_met, "{table}.{column} = {value}");
    }
}

/// R19: a row that no query asks for, because its state is no word, waits for a person.
#[tokio::test]
async fn r19_a_state_that_nobody_knows_is_parked_and_not_passed_over() {
    let tables = DamagedDatabase::new().await;
    tables.sql("alter table letters drop constraint letters_state_check").await;
    tables.sql("alter table posts drop constraint posts_state_check").await;
    tables.sql("alter table dispatches drop constraint dispatches_state_check").await;
    tables.fill().await;
    for table in ["letters", "posts", "dispatches"] {
        tables.sql(&format!("update {table} set state = 'verloren' where id = 1")).await;
    }
    tables.sql("update letters set channel = 'KIM!' where id = 2").await;
    let store = &tables.store;
    assert_eq!(store.park_strange_letters(now()).await.unwrap(), 2);
    assert_eq!(store.park_strange_posts(now()).await.unwrap(), 1);
    let strange = store.strange_dispatches().await.unwrap();
    assert_eq!(strange[0].id, DispatchId(1));
    let say = |state: DeliveryState| {
        let content = json!({ "body": state.word() });
        Notice { substance: Substance::Word, content }
    };
    let channel = ChannelName::new("kim").unwrap();
    assert!(store.settle_damaged_dispatch(DispatchId(1), say, &channel, now()).await.unwrap());
    assert!(!store.settle_damaged_dispatch(DispatchId(1), say, &channel, now()).await.unwrap());
    // It is unknown whether it left.
    assert_eq!(tables.sql("select state from dispatches").await, "unclear");
    let parked = store.parked().await.unwrap();
    let kinds: Vec<_> = parked.iter().map(|item| item.kind.word()).collect();
    assert_eq!(kinds, ["post", "letter", "letter", "post", "dispatch"]);
    assert_eq!(store.park_strange_letters(now()).await.unwrap(), 0);
}

/// Every guarded step, from every state: it is taken where the types say so, and changes nothing
/// elsewhere.
#[tokio::test]
async fn every_step_in_the_database_is_one_that_the_types_allow() {
    use umstieg::model::{LetterState, PostState};
    let tables = DamagedDatabase::new().await;
    let store = &tables.store;
    let channel = ChannelName::new("kim").unwrap();
    let erik = Correspondent::from_key(ChannelKind::Kim, "erik@charite.kim.telematik").unwrap();
    let post = NewPost {
        speaker: Speaker::Bot,
        substance: Substance::Word,
        txn_id: "l1p0".to_owned(),
        content: json!({}),
        file_index: None,
        made: None,
    };
    tables.fill().await;
    tables.sql("update posts set letter_id = 1 where id = 1").await;
    for before in LetterState::ALL {
        for step in ["place", "repeat", "park", "sent", "retry", "drop"] {
            tables.sql("delete from parked where kind = 'letter'").await;
            tables.sql("update posts set state = 'pending', event_id = null where id = 1").await;
            tables
                .sql(&format!(
                    "update letters set state = '{}', conversation_id = 1 where id = 1",
                    before.word()
                ))
                .await;
            let row = "insert into parked (kind, item_id, channel, reason, parked_at)
                       values ('letter', 1, 'kim', 'x', now()) returning id";
            match step {
                "place" => {
                    let placing = Placing {
                        letter: LetterId(1),
                        channel: &channel,
                        correspondent: &erik,
                        conversation: Some(ConversationId(1)),
                        fingerprint: None,
                        message_id: None,
                        ancestors: &[],
                        answer_to: None,
                        caller_doubt: None,
                        receipt_as: None,
                        posts: std::slice::from_ref(&post),
                        is_read: false,
                        stays: false,
                        kept_back: None,
                        again_at: None,
                        note: None,
                        at: now(),
                    };
                    store.place_letter(placing).await.unwrap();
                }
                "repeat" => store.mark_repeat(LetterId(1), LetterId(2)).await.unwrap(),
                "park" => drop(store.park_letter(&channel, LetterId(1), "x", now()).await.unwrap()),
                "sent" => store.post_sent(PostId(1), "$e", now()).await.unwrap(),
                _ => {
                    let id = tables.sql(row).await.lines().next().unwrap().parse().unwrap();
                    let resolution =
                        if step == "retry" { Resolution::Retry } else { Resolution::Drop };
                    store.resolve_parked(id, resolution, now()).await.unwrap();
                }
            }
            let after = tables.sql("select state from letters where id = 1").await;
            let after = LetterState::from_word(&after).unwrap();
            assert!(after == before || before.to(after).is_ok(), "{step}: {before:?} {after:?}");
        }
    }
    for before in PostState::ALL {
        for step in ["sent", "echo", "park", "again"] {
            let sql = format!(
                "update posts set state = '{}', event_id = null, echoed_at = null where id = 1",
                before.word()
            );
            tables.sql(&sql).await;
            let moved = match step {
                "sent" => store.post_sent(PostId(1), "$e", now()).await.map(|()| true),
                "echo" => store.post_echoed("t1", "$e", now()).await.map(|()| true),
                "park" => store.park_post(PostId(1), "kim", "x", now()).await,
                _ => store.post_again_at(PostId(1), 1, now()).await,
            };
            let after = tables.sql("select state from posts where id = 1").await;
            let after = PostState::from_word(&after).unwrap();
            assert!(after == before || before.to(after).is_ok(), "{step}: {before:?} {after:?}");
            if step == "park" {
                assert_eq!(moved.unwrap(), before == PostState::Pending);
            }
        }
    }
    let notice = Notice { substance: Substance::Word, content: json!({ "body": "x" }) };
    for before in DeliveryState::ALL {
        for step in ["begin", "leaves", "again", "close", "accepted", "failed", "unclear"] {
            let sql = format!(
                "update dispatches set state = '{}', begun = 0 where id = 1",
                before.word()
            );
            tables.sql(&sql).await;
            let known = StoredDispatch {
                id: DispatchId(1),
                conversation: ConversationId(1),
                state: before,
                message_id: MessageId::new("1@kim.local").unwrap(),
                opened_at: now(),
                closes_at: now(),
                subject: String::new(),
                answers: None,
                answer_to: None,
                in_reply_to: None,
                ancestors: Vec::new(),
                attempts: 0,
                begun: 0,
                said_as: None,
                next_attempt_at: None,
                first_event: None,
                may_have_arrived: false,
                receipt_as: None,
            };
            match step {
                "begin" => drop(store.begin_attempt(&known).await.unwrap()),
                "leaves" => {
                    let composed = store.composition(known.id).await.unwrap();
                    let _ = store.body_leaves(&known, &composed).await.unwrap();
                }
                "again" => store.dispatch_again_at(&known, now(), "x", None).await.unwrap(),
                "close" => store.close_dispatch(&known, now()).await.unwrap(),
                state => {
                    let state = DeliveryState::from_word(state).unwrap();
                    store.settle_dispatch(&known, state, "x", &notice, None, now()).await.unwrap();
                }
            }
            let after = tables.sql("select state from dispatches where id = 1").await;
            let after = DeliveryState::from_word(&after).unwrap();
            assert!(after == before || before.to(after).is_ok(), "{step}: {before:?} {after:?}");
        }
    }
}

/// R19: nine of ten conversations have something damaged. The tenth does not notice, everything
/// damaged waits for a person or is made again, and readiness says that Postgres is well.
#[tokio::test]
async fn r19_whatever_is_damaged_everything_else_passes() {
    let mut stage = Stage::new().await;
    let mut rooms = Vec::new();
    for number in 0..6 {
        rooms.push(stage.letter_from(&format!("arzt{number}")).await);
    }
    // One answer each waits for a server that is busy.
    for (address, letter) in &rooms {
        stage
            .world
            .mail
            .set_trouble(address, Some(umstieg_world::AddressTrouble::TryLater))
            .unwrap();
        stage.anna.send_text(&letter.room_id, &format!("Antwort an {address}")).await.unwrap();
    }
    let waiting = "select count(*) from dispatches where state = 'waiting' and attempts > 0";
    stage.database_says(waiting, "6").await;
    stage.gateway.stop();
    for (number, damage) in [
        "update dispatches set message_id = 'ä ö' where conversation_id = 1",
        "update dispatch_parts set content = '\\x0102' where dispatch_id =
             (select id from dispatches where conversation_id = 2)",
        "update dispatches set next_attempt_at = 'infinity' where conversation_id = 3",
        "update correspondents set key = 'kein Name'
         where id = (select correspondent_id from conversations where id = 4)",
        "update rooms set room_id = 'kein Raum' where conversation_id = 5",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(
            stage
                .query(&format!("with done as ({damage} returning 1) select count(*) from done"))
                .await,
            "1",
            "{number}"
        );
    }
    stage.query("insert into posts (conversation_id, speaker, txn_id, content) values (6, 'ghost', 'kaputt', '\\x01')").await;
    for (address, _) in &rooms {
        stage.world.mail.set_trouble(address, None).unwrap();
    }
    stage.gateway.start().await.unwrap();
    for (number, (address, _)) in rooms.iter().enumerate() {
        let more = format!("In-Reply-To: <erster-{address}>\n");
        let words = format!("Zweiter Brief Nummer {number}");
        let mail = kim_mail(address, &stage.practice, &format!("z{number}@x"), "AW", &more, &words);
        stage.receive(&mail).await;
    }
    // What is damaged of an answer or of a room says nothing against the next letter.
    for number in [0, 1, 2, 5] {
        stage.anna_sees(&format!("Zweiter Brief Nummer {number}")).await;
    }
    let moved = stage.anna_sees("Zweiter Brief Nummer 4").await;
    assert_ne!(moved.room_id, rooms[4].1.room_id, "its room is not known any more");
    // The sound answers leave; the room is told of the damaged ones.
    stage.mails(&rooms[4].0, 1).await;
    stage.mails(&rooms[5].0, 1).await;
    stage.database_says("select count(*) from dispatches where state = 'failed'", "4").await;
    stage.anna_is_told(&Phrase::DispatchDamaged).await;
    stage
        .until("all of it is parked", async || {
            let list = stage.parked(&["list"]).await;
            // The correspondent of the fourth can no longer be named.
            let names_it =
                |line: &str| line.contains("conversation") && line.contains("correspondent");
            list.matches("dispatch").count() == 4
                && list.contains("seal_broken")
                && list.lines().any(names_it)
        })
        .await;
    stage
        .until("all of it is counted", async || {
            stage.gateway.metric("umstieg_damaged_total").await >= 5.0
        })
        .await;
    let log = stage.gateway.log();
    assert!(!log.contains("kein Name") && !log.contains("panicked"), "{log}");
    assert!(!log.contains("The sweep could not"), "{log}");
    stage.lives_on().await;
}

/// R19: the keys of a ghost's device do not open, and neither does any of its sessions with others.
/// The ghost speaks from a new device that its identity signs, and everybody reads it. What Anna
/// encrypts with a session that can no longer be opened leaves, or she is told to send it again, and
/// then it leaves.
#[tokio::test]
async fn r19_a_ghost_whose_keys_are_damaged_speaks_with_new_ones() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "k1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    anna.send_text(&room, "Zuerst").await.unwrap();
    stage.mails(&erik, 1).await;
    stage.gateway.stop();
    let damaged = stage
        .query(
            "with damaged as (
                 update crypto_records
                 set sealed = '\\x0102'
                 from devices
                 where devices.id = crypto_records.device
                   and (kind = 'account' and devices.user_id not like '%bot:%'
                       or kind = 'olm_session')
                 returning 1
             )
             select count(*) > 1 from damaged",
        )
        .await;
    assert_eq!(damaged, "t");
    stage.gateway.start().await.unwrap();
    let more = "In-Reply-To: <k1@x>\n";
    stage.receive(&kim_mail(&erik, &stage.practice, "k2@x", "AW", more, "Danach")).await;
    assert_eq!(sees(&anna, "Danach").await.room_id, room);
    let said = anna.send_text(&room, "Zuletzt").await.unwrap();
    let has_left = || stage.world.mail.mails(&erik).unwrap().len() == 2;
    let is_told = || {
        let seen = anna.seen();
        saying(&seen, &Phrase::MessageWithoutKey).any(|m| m.reply_to() == Some(said.as_str()))
    };
    stage.until("it left, or she knows", async || has_left() || is_told()).await;
    if !has_left() {
        told(&anna, &said, &Phrase::MessageWithoutKey).await;
        anna.send_text(&room, "Zuletzt").await.unwrap();
    }
    assert!(stage.mails(&erik, 2).await[1].contains("Zuletzt"));
    assert_eq!(stage.query("select count(*) from parked").await, "0");
    assert!(stage.gateway.metric("umstieg_damaged_total").await > 0.5);
}
