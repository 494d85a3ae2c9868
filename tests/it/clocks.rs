//! Clocks that are set: nothing waits for a day because of it, and nothing leaves twice.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use time::OffsetDateTime;
use umstieg::{
    app,
    config::{load, read_registration},
    model::{Clock, ConversationId, MessageId},
    relay::{self, Ctx},
    store::{NewPart, StoredPart},
};

use crate::{
    accounts::CountingServer,
    stage::{Stage, conversations},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What the gateway's parts need, with a clock the test sets.
pub(crate) struct Set {
    pub(crate) ctx: Ctx,
    now: Arc<Mutex<OffsetDateTime>>,
}

impl Set {
    pub(crate) async fn new(stage: &Stage) -> Self {
        let settings = load(&stage.gateway.settings_file(), &|_| None).unwrap().settings;
        let tokens = read_registration(&settings).unwrap().tokens;
        let now = Arc::new(Mutex::new(time::macros::datetime!(2026-11-25 12:00 UTC)));
        let shown = now.clone();
        let clock = Clock::new(move || *shown.lock().unwrap());
        let ctx = app::ctx(&settings, &tokens, stage.store().await, clock).unwrap();
        Self { ctx, now }
    }

    fn back(&self, by: Duration) {
        *self.now.lock().unwrap() -= by;
    }

    pub(crate) fn forward(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }

    /// A person says something, and the gateway goes on collecting for a minute.
    pub(crate) async fn said(&self, conversation: ConversationId, event_id: &str) {
        let part = NewPart {
            conversation,
            author: "@anna:example.org",
            event_id,
            part: &StoredPart::Text(format!("Antwort {event_id}")),
            answers: None,
            collect: Duration::from_secs(60),
            collect_at_most: Duration::from_secs(120),
            message_id: &MessageId::new(&format!("{conversation}{}@kim.local", event_id.len()))
                .unwrap(),
            at: self.ctx.clock.now(),
        };
        self.ctx.store.collect(part).await.unwrap();
    }

    pub(crate) async fn hand_over(&self, conversation: ConversationId) {
        relay::hand_over(&self.ctx, conversation).await.unwrap();
    }
}

/// A database, and settings whose first channel hands over to this server. The gateway does not run.
pub(crate) async fn parts_before(server: &CountingServer) -> Stage {
    let stage = Stage::before_start(|mut channels| {
        channels[0].outbox_port = Some(server.smtp);
        channels
    })
    .await;
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    stage
}

/// The clock is set back, or forward, while an answer is gathered and while one waits.
#[tokio::test]
async fn a_clock_that_is_set_keeps_no_answer_back_and_sends_none_twice() {
    let server = CountingServer::start().await;
    server.take_all();
    let stage = parts_before(&server).await;
    stage
        .query(&conversations(
            "kim",
            &[
                "k1@charite.kim.telematik",
                "k2@charite.kim.telematik",
                "k3@charite.kim.telematik",
                "k4@charite.kim.telematik",
            ],
        ))
        .await;
    let set = Set::new(&stage).await;
    let state = async |id: i64| {
        stage.query(&format!("select state from dispatches where conversation_id = {id}")).await
    };

    // Without anybody touching the clock it waits for its time.
    set.said(ConversationId(1), "$1").await;
    set.hand_over(ConversationId(1)).await;
    assert_eq!(state(1).await, "collecting");
    set.forward(Duration::from_secs(61));
    set.hand_over(ConversationId(1)).await;
    assert_eq!((state(1).await.as_str(), server.mails()), ("accepted", 1));

    // Set back by a day while it is gathered: it does not wait for tomorrow.
    set.said(ConversationId(2), "$22").await;
    set.back(DAY);
    set.ctx.store.wake_what_waits(set.ctx.clock.now()).await.unwrap();
    let woken = "select count(*) from graphile_worker._private_jobs
                 where key = 'hand_over 2' and run_at <= now()";
    assert_eq!(stage.query(woken).await, "1", "the sweep finds it");
    set.hand_over(ConversationId(2)).await;
    assert_eq!((state(2).await.as_str(), server.mails()), ("accepted", 2));

    // Set back by a day while it waits for its next attempt.
    set.said(ConversationId(3), "$333").await;
    stage
        .query("update dispatches set next_attempt_at = '2026-11-26 12:00 UTC' where conversation_id = 3")
        .await;
    set.forward(Duration::from_secs(61));
    set.hand_over(ConversationId(3)).await;
    assert_eq!((state(3).await.as_str(), server.mails()), ("accepted", 3));

    // Set forward by a day: it leaves at once, and once.
    set.said(ConversationId(4), "$4444").await;
    set.forward(DAY);
    set.hand_over(ConversationId(4)).await;
    set.back(DAY);
    set.hand_over(ConversationId(4)).await;
    assert_eq!((state(4).await.as_str(), server.mails()), ("accepted", 4));
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}

/// Set back by less than an hour: what waits does not wait that much longer.
#[tokio::test]
async fn a_clock_set_back_by_half_an_hour_delays_no_answer_by_that() {
    let server = CountingServer::start().await;
    server.take_all();
    let stage = parts_before(&server).await;
    stage
        .query(&conversations("kim", &["k1@charite.kim.telematik", "k2@charite.kim.telematik"]))
        .await;
    let set = Set::new(&stage).await;
    let state = async |id: i64| {
        stage.query(&format!("select state from dispatches where conversation_id = {id}")).await
    };
    let woken = async |id: i64| {
        stage.query("delete from graphile_worker._private_jobs returning 1").await;
        set.ctx.store.wake_what_waits(set.ctx.clock.now()).await.unwrap();
        let sql = format!(
            "select count(*) from graphile_worker._private_jobs
             where key = 'hand_over {id}' and run_at <= now()"
        );
        stage.query(&sql).await
    };

    // While it is gathered, which takes two minutes at most.
    set.said(ConversationId(1), "$1").await;
    set.back(Duration::from_secs(30 * 60));
    assert_eq!(woken(1).await, "1", "the sweep finds it");
    set.hand_over(ConversationId(1)).await;
    assert_eq!((state(1).await.as_str(), server.mails()), ("accepted", 1));

    // While it waits for its next attempt, which comes after a quarter of an hour at most.
    set.said(ConversationId(2), "$22").await;
    set.forward(Duration::from_secs(61));
    let next = set.ctx.clock.now() + Duration::from_secs(15 * 60);
    stage
        .query(&format!(
            "update dispatches set next_attempt_at = '{next}' where conversation_id = 2 returning 1"
        ))
        .await;
    set.hand_over(ConversationId(2)).await;
    assert_eq!(state(2).await, "waiting", "it keeps its own time");
    set.back(Duration::from_secs(30 * 60));
    assert_eq!(woken(2).await, "1", "the sweep finds it");
    set.hand_over(ConversationId(2)).await;
    assert_eq!((state(2).await.as_str(), server.mails()), ("accepted", 2));
}

/// An edit without its key came while the clock was a day ahead: its message, and what was said after
/// it, wait no longer for it than for any other.
#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nothing_behind_an_unreadable_edit() {
    let server = CountingServer::start().await;
    server.take_all();
    let stage = parts_before(&server).await;
    stage.query(&conversations("kim", &["erik@charite.kim.telematik"])).await;
    let (set, conversation) = (Set::new(&stage).await, ConversationId(1));
    for event in ["$1", "$22"] {
        set.said(conversation, event).await;
        set.forward(Duration::from_secs(180));
        stage
            .query(&format!(
                "insert into room_events (event_id, room_id, sender, door, received_at, state)
                 values ('{event}', '!r:x', '@anna:example.org', 'sync', now(), 'done')"
            ))
            .await;
    }
    // The edit came while the clock was a day ahead.
    let came = set.ctx.clock.now() + Duration::from_secs(24 * 3600);
    stage
        .query(&format!(
            "insert into room_acts (event_id, room_id, author, target, kind, received_at)
             values ('$edit', '!r:x', '@anna:example.org', '$1', 'edit', '{came}')"
        ))
        .await;
    for _ in 0..3 {
        set.forward(Duration::from_secs(3600));
        // As the sweep does.
        set.ctx.store.nothing_comes_later(set.ctx.clock.now()).await.unwrap();
        relay::hold_what_waits(&set.ctx).await.unwrap();
        set.hand_over(conversation).await;
    }
    assert_eq!(server.mails(), 1, "what was said behind it waits for a day");
}
