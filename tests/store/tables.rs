//! A separate database for each test, and the rows that other rows need. Nothing is inserted by SQL:
//! rows come about as they do in the gateway.

use std::{
    collections::BTreeMap,
    panic::Location,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgPoolOptions};
use time::{Duration, OffsetDateTime, macros::datetime};
use tokio::sync::OnceCell;
use umstieg::{
    model::{
        ChannelName, ConversationId, Correspondent, DeliveryState, LetterId, MailAddress, MailKey,
        MailboxId, MessageId, NewPost, Notice, Speaker, Substance,
    },
    rules::reported::{Follows, follows, follows_late, is_news},
    store::{
        Database, FetchedFrom, MailboxPlace, MayLeave, NewLetter, NewPart, NewReport, Placed,
        Placing, Portal, ReportStep, ReportTaken, Saved, Store, StoreError, StoredDispatch,
        StoredPart, StoredPost, seal::OuterKey,
    },
};
use umstieg_world::{Cluster, Postgres, broken_off};
use uuid::Uuid;

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

pub(crate) fn after(seconds: i64) -> OffsetDateTime {
    NOW + Duration::seconds(seconds)
}

/// A migrated database, made once: each test has a copy of it.
async fn migrated(postgres: &Cluster, key: &OuterKey) -> &'static str {
    static MIGRATED: OnceCell<String> = OnceCell::const_new();
    MIGRATED
        .get_or_init(|| async {
            let url = postgres.create_fresh_database().await.unwrap();
            let store = Database::connect(&url, 1).await.unwrap().migrate(key, NOW).await.unwrap();
            // No client may be connected to the database that is copied.
            store.pool().close().await;
            url.rsplit('/').next().unwrap().to_owned()
        })
        .await
}

/// How long a dispatch stays open for more.
pub(crate) const COLLECT: std::time::Duration = std::time::Duration::from_secs(30);
pub(crate) const COLLECT_AT_MOST: std::time::Duration = std::time::Duration::from_secs(120);

/// A room message that leaves; its event is named as the dispatch is that it may open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpokenPart<'a> {
    pub(crate) conversation: ConversationId,
    pub(crate) author: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) answers: Option<LetterId>,
    pub(crate) at: OffsetDateTime,
}

/// A separate database, without a gateway.
pub(crate) struct StoreTables {
    pub(crate) store: Store,
    /// As others see it.
    others: PgPool,
    keys: AtomicU32,
}

impl StoreTables {
    /// With a pool of one connection: the next caller gets the one that was broken off.
    pub(crate) async fn new() -> Self {
        let postgres = Postgres::shared().await.unwrap();
        let key = OuterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let template = migrated(postgres, &key).await;
        let url = postgres.create_fresh_copy(template).await.unwrap();
        let store = Database::connect(&url, 1).await.unwrap().open(&key).await.unwrap();
        let others = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        Self { store, others, keys: AtomicU32::new(0) }
    }

    /// The rows of a query: fields by `|`, rows by `, `.
    pub(crate) async fn sql(&self, sql: &str) -> String {
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = sqlx::raw_sql(sql).fetch_all(&self.others).await.unwrap();
        let fields = |row: &sqlx::postgres::PgRow| {
            let field = |at| row.try_get_raw(at).unwrap().as_str().unwrap_or_default().to_owned();
            (0..row.len()).map(field).collect::<Vec<_>>().join("|")
        };
        rows.iter().map(fields).collect::<Vec<_>>().join(", ")
    }

    /// The states of all rows of a table, in their order.
    pub(crate) async fn states(&self, table: &str) -> String {
        self.sql(&format!("select state from {table} order by id")).await
    }

    /// The keys of all jobs.
    pub(crate) async fn jobs(&self) -> String {
        self.sql("select key from graphile_worker._private_jobs order by key").await
    }

    /// The jobs that some work leaves behind: earlier ones are gone.
    pub(crate) async fn wakes<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> String {
        self.sql("delete from graphile_worker._private_jobs").await;
        work.await.unwrap();
        self.jobs().await
    }

    /// The whole content of our tables.
    pub(crate) async fn all(&self) -> BTreeMap<String, String> {
        static EACH: OnceCell<String> = OnceCell::const_new();
        let each = EACH.get_or_init(|| {
            self.sql(
                "select string_agg(format(
                     $$select %L, coalesce(string_agg(r::text, ' / ' order by r::text), '') from %I r$$,
                     relname, relname), ' union all ')
                 from pg_class
                 where relnamespace = 'public'::regnamespace
                   and relkind = 'r'",
            )
        });
        let each = AssertSqlSafe(each.await.clone());
        let rows = sqlx::raw_sql(each).fetch_all(&self.others).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Does what must change nothing, and gives what it says.
    #[track_caller]
    pub(crate) fn unchanged<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> impl Future<Output = T> {
        let place = Location::caller();
        async move {
            let before = self.all().await;
            let said = work.await.unwrap_or_else(|error| panic!("{place}: {error}"));
            let after = self.all().await;
            let changed = after.keys().filter(|table| before[*table] != after[*table]);
            let changed: Vec<&String> = changed.collect();
            assert!(changed.is_empty(), "{place}: {changed:?} changed");
            said
        }
    }

    /// Does some work again and again, breaking it off at each point at which it waits, until it comes
    /// to its end: always all of it holds, with its wake-ups, or nothing.
    #[track_caller]
    pub(crate) fn all_or_nothing<T>(
        &self,
        work: impl AsyncFn() -> Result<T, StoreError>,
    ) -> impl Future<Output = ()> {
        let place = Location::caller();
        async move {
            self.sql("delete from graphile_worker._private_jobs").await;
            let mut seen = vec![(self.all().await, self.jobs().await)];
            for steps in 0.. {
                assert!(steps < 200, "{place}: it never ends");
                let is_done = broken_off(work(), steps).await;
                // A broken-off transaction is rolled back before the next caller has its
                // connection.
                self.store.ping().await.unwrap();
                seen.push((self.all().await, self.jobs().await));
                if is_done {
                    break;
                }
            }
            seen.dedup();
            assert_eq!(seen.len(), 2, "{place}: it is done in one step");
        }
    }

    /// A new mail comes into the mailbox of `kim`, and is its newest letter.
    pub(crate) async fn letter(&self) -> LetterId {
        self.letter_of("kim").await
    }

    /// The same of another channel.
    pub(crate) async fn letter_of(&self, channel: &str) -> LetterId {
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        let (key, mail) = (format!("key-{number}"), format!("Subject: {number}\r\n\r\nx\r\n"));
        let mailbox = self.mailbox(channel).await;
        assert_eq!(self.comes(channel, mailbox, &key, &mail).await, Saved::New);
        self.store.letter_of(mailbox, &MailKey::new(&key).unwrap()).await.unwrap().unwrap()
    }

    /// An unused name for a channel.
    pub(crate) fn new_channel(&self) -> String {
        format!("c{}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn mailbox(&self, channel: &str) -> MailboxId {
        let place = MailboxPlace::new("pop3", "localhost", 995, channel, "");
        self.store.mailbox(&name(channel), &place, 0, NOW).await.unwrap().id
    }

    /// A mail comes whole.
    pub(crate) async fn comes(
        &self,
        channel: &str,
        mailbox: MailboxId,
        key: &str,
        mail: &str,
    ) -> Saved {
        let mut letter = NewLetter::new(&self.store);
        letter.take(mail.as_bytes()).await.unwrap();
        let (channel, key) = (name(channel), MailKey::new(key).unwrap());
        letter.finish(fetched(&channel, mailbox, &key)).await.unwrap()
    }

    /// Gives a letter its place.
    pub(crate) async fn place(&self, placing: Placing<'_>) -> ConversationId {
        match self.store.place_letter(placing).await.unwrap() {
            Placed::In(conversation) => conversation,
            other => panic!("{other:?}"),
        }
    }

    /// A conversation with a correspondent on `kim`, opened by a letter that says nothing.
    pub(crate) async fn conversation_with(&self, somebody: &Correspondent) -> ConversationId {
        let letter = self.letter().await;
        self.place(placing(letter, &name("kim"), somebody)).await
    }

    /// The same with Erik.
    pub(crate) async fn conversation(&self) -> ConversationId {
        self.conversation_with(&erik()).await
    }

    /// A letter of a conversation, and its posts by name.
    pub(crate) async fn said_by_letter(
        &self,
        conversation: ConversationId,
        txn_ids: &[&str],
    ) -> (LetterId, Vec<StoredPost>) {
        let (letter, kim, erik) = (self.letter().await, name("kim"), erik());
        let posts: Vec<NewPost> = txn_ids.iter().map(|txn_id| post(txn_id)).collect();
        let placing = placing(letter, &kim, &erik);
        self.place(Placing { conversation: Some(conversation), posts: &posts, ..placing }).await;
        let mut waiting = self.waiting(conversation).await;
        waiting.retain(|post| txn_ids.contains(&post.txn_id.as_str()));
        (letter, waiting)
    }

    pub(crate) async fn waiting(&self, conversation: ConversationId) -> Vec<StoredPost> {
        self.store.pending_posts(conversation, 100).await.unwrap()
    }

    /// The names of what waits to be said, in its order.
    pub(crate) async fn waiting_names(&self, conversation: ConversationId) -> String {
        let waiting = self.waiting(conversation).await;
        waiting.iter().map(|post| post.txn_id.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// A person says something, which opens a dispatch of this Message-ID or goes into an open one.
    pub(crate) async fn says(&self, conversation: ConversationId, author: &str, message_id: &str) {
        self.collect(SpokenPart { conversation, author, message_id, answers: None, at: NOW })
            .await
            .unwrap();
    }

    pub(crate) async fn collect(&self, says: SpokenPart<'_>) -> Result<(), StoreError> {
        let SpokenPart { conversation, author, message_id, answers, at } = says;
        let new = NewPart {
            conversation,
            author,
            event_id: &format!("${message_id}"),
            part: &StoredPart::Text(message_id.to_owned()),
            answers,
            collect: COLLECT,
            collect_at_most: COLLECT_AT_MOST,
            message_id: &id(message_id),
            at,
        };
        self.store.collect(new).await
    }

    pub(crate) async fn head(&self, conversation: ConversationId) -> Option<StoredDispatch> {
        self.store.head_dispatch(conversation).await.unwrap()
    }

    /// The oldest dispatch of a conversation with Erik, closed.
    pub(crate) async fn closed(&self, conversation: ConversationId) -> StoredDispatch {
        let head = self.head(conversation).await.unwrap();
        self.store.close_dispatch(&head, NOW).await.unwrap();
        self.head(conversation).await.unwrap()
    }

    /// An attempt at the oldest dispatch, whose body begins to leave.
    pub(crate) async fn leaves(&self, conversation: ConversationId) -> StoredDispatch {
        let head = self.head(conversation).await.unwrap();
        let attempt = self.store.begin_attempt(&head).await.unwrap().unwrap();
        let composed = self.store.composition(attempt.id).await.unwrap();
        assert_eq!(self.store.body_leaves(&attempt, &composed).await.unwrap(), MayLeave::Leaves);
        self.head(conversation).await.unwrap()
    }

    /// The oldest dispatch is taken over by its channel.
    pub(crate) async fn hands_over(&self, conversation: ConversationId) {
        let attempt = self.leaves(conversation).await;
        let (accepted, said) = (DeliveryState::Accepted, notice("accepted"));
        self.store.settle_dispatch(&attempt, accepted, "250", &said, None, NOW).await.unwrap();
    }

    /// Judges a report about the dispatch of a Message-ID, and takes it, as the gateway does. `false`:
    /// no report can be about it.
    pub(crate) async fn reported(
        &self,
        message_id: &str,
        letter: LetterId,
        said: DeliveryState,
    ) -> Result<bool, StoreError> {
        let (kim, notice) = (name("kim"), notice("reported"));
        loop {
            let found = self.store.reported_dispatch(&kim, &[id(message_id)]).await?;
            let Some(dispatch) = found else { return Ok(false) };
            let new = NewReport {
                words: None,
                letter,
                fingerprint: None,
                dispatch: &dispatch,
                said,
                why: None,
                at: NOW,
            };
            let taken = match follows(dispatch.state.unwrap(), dispatch.has_left, said) {
                Follows::Impossible => return Ok(false),
                Follows::Becomes(to) => {
                    let step = report_step(to, &notice, &kim);
                    self.store.take_report(new, Some(step), false).await?
                }
                Follows::Waits => self.store.take_report(new, None, true).await?,
                Follows::IsKnown => self.store.take_report(new, None, false).await?,
            };
            if taken != ReportTaken::Moved {
                return Ok(true);
            }
        }
    }

    /// Judges the reports that waited for the end of an attempt, as the gateway does.
    pub(crate) async fn caught_up(&self, conversation: ConversationId) -> Result<(), StoreError> {
        let (kim, notice) = (name("kim"), notice("reported"));
        while let Some(report) = self.store.waiting_report(conversation).await? {
            let dispatch = &report.dispatch;
            let state = dispatch.state.unwrap();
            let judged = follows_late(state, dispatch.has_left, report.said, report.is_overtaken);
            let step = match judged {
                Follows::Becomes(to) => Some(report_step(to, &notice, &kim)),
                _ => None,
            };
            self.store.end_waiting_report(&report, step, NOW).await?;
        }
        Ok(())
    }

    /// An open room of a conversation.
    pub(crate) async fn room(&self, conversation: ConversationId, room: &str) -> Portal {
        let portal = self.store.add_portal(conversation, Uuid::new_v4(), NOW).await.unwrap();
        self.store.portal_has_room(portal.id, room, None).await.unwrap();
        self.store.portal_is_open(portal.id).await.unwrap();
        self.store.portal(conversation).await.unwrap().unwrap()
    }
}

fn report_step<'a>(
    to: DeliveryState,
    notice: &'a Notice,
    channel: &'a ChannelName,
) -> ReportStep<'a> {
    let parked_for = to.needs_a_person().then_some(channel);
    ReportStep { to, notice, is_news: is_news(to), parked_for }
}

pub(crate) fn name(channel: &str) -> ChannelName {
    ChannelName::new(channel).unwrap()
}

pub(crate) fn id(message_id: &str) -> MessageId {
    MessageId::new(message_id).unwrap()
}

pub(crate) fn mail_of(address: &str) -> Correspondent {
    Correspondent::Mail(MailAddress::new(address).unwrap())
}

pub(crate) fn erik() -> Correspondent {
    mail_of("erik@charite.kim.telematik")
}

/// As a look into a mailbox brings it.
pub(crate) fn fetched<'a>(
    channel: &'a ChannelName,
    mailbox: MailboxId,
    key: &'a MailKey,
) -> FetchedFrom<'a> {
    FetchedFrom {
        channel,
        mailbox,
        key,
        listed_bytes: None,
        head_only: false,
        out_of_reach: false,
        too_large: false,
        at: NOW,
    }
}

/// A letter opens a conversation, and says nothing.
pub(crate) fn placing<'a>(
    letter: LetterId,
    channel: &'a ChannelName,
    correspondent: &'a Correspondent,
) -> Placing<'a> {
    Placing {
        letter,
        channel,
        correspondent,
        conversation: None,
        fingerprint: None,
        message_id: None,
        ancestors: &[],
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
    }
}

pub(crate) fn post(txn_id: &str) -> NewPost {
    NewPost {
        speaker: Speaker::Ghost,
        substance: Substance::Content,
        txn_id: txn_id.to_owned(),
        content: json!({ "body": txn_id }),
        file_index: None,
        made: None,
    }
}

pub(crate) fn notice(body: &str) -> Notice {
    Notice { substance: Substance::Word, content: json!({ "body": body }) }
}
