//! An idle device of a ghost leaves memory, and speaks on when it is needed.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use time::{Duration, OffsetDateTime};
use umstieg::{
    app, config,
    model::{ChannelName, Clock, ConversationId, MailKey},
    relay::{self, Ctx},
    store::{FetchedFrom, MailboxPlace, NewLetter, Saved},
};
use umstieg_world::client::SeenEvent;

use super::{rotate_after, sees, session, strict_anna};
use crate::stage::{Stage, kim_mail};

/// The flows of a gateway, with a clock that is moved by hand.
struct IdleFlows {
    ctx: Ctx,
    now: Arc<Mutex<OffsetDateTime>>,
}

impl IdleFlows {
    async fn of(stage: &Stage) -> Self {
        let environment = |_: &str| None;
        let file = stage.gateway.settings_file();
        let loaded = config::load(Path::new(&file), &environment).unwrap();
        let registration = config::read_registration(&loaded.settings).unwrap();
        let now = Arc::new(Mutex::new(stage_time()));
        let clock = Clock::new({
            let now = now.clone();
            move || *now.lock().unwrap()
        });
        let ctx =
            app::ctx(&loaded.settings, &registration.tokens, stage.store().await, clock).unwrap();
        Self { ctx, now }
    }

    fn later(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }

    /// Receives a letter, and brings it into the room of the only conversation.
    async fn letter(&self, mail: &str, key: &str) {
        let channel = ChannelName::new("kim").unwrap();
        let (key, now) = (MailKey::new(key).unwrap(), self.ctx.clock.now());
        let mut letter = NewLetter::new(&self.ctx.store);
        letter.take(mail.as_bytes()).await.unwrap();
        let place = MailboxPlace::new("pop3", "localhost", 995, "idle", "");
        let mailbox = self.ctx.store.mailbox(&channel, &place, 0, now).await.unwrap().id;
        let arrival = FetchedFrom {
            channel: &channel,
            mailbox,
            key: &key,
            listed_bytes: None,
            head_only: false,
            out_of_reach: false,
            too_large: false,
            at: now,
        };
        assert_eq!(letter.finish(arrival).await.unwrap(), Saved::New);
        relay::place_letters(&self.ctx, &channel).await.unwrap();
        relay::send_posts(&self.ctx, ConversationId(1)).await.unwrap();
    }
}

fn stage_time() -> OffsetDateTime {
    Clock::of_the_machine().now()
}

#[tokio::test]
async fn what_nobody_knows_any_more_is_tidied_away_once_a_day() {
    let mut stage = Stage::encrypted("cross-signed").await;
    stage.gateway.start().await.unwrap();
    stage.database_says("select count(*) from devices where state = 'ready'", "1").await;
    stage.gateway.stop();
    let flows = IdleFlows::of(&stage).await;
    relay::begin(&flows.ctx).await.unwrap();
    let known = "select count(distinct keys) from (select keys from crypto_peer_devices \
                 union all select keys from crypto_peer_identities) as known";
    let known = stage.query(known).await;
    let leave = "insert into crypto_public_keys values ('\\x01', '{}') returning 1";
    let unused = "select count(*) from crypto_public_keys where sha256 = '\\x01'";
    stage.query(leave).await;
    relay::tidy(&flows.ctx).await.unwrap();
    assert_eq!(stage.query(unused).await, "0");
    // What is used stays.
    assert_eq!(stage.query("select count(*) from crypto_public_keys").await, known);
    stage.query(leave).await;
    flows.later(Duration::hours(23));
    relay::tidy(&flows.ctx).await.unwrap();
    assert_eq!(stage.query(unused).await, "1");
    flows.later(Duration::hours(1));
    relay::tidy(&flows.ctx).await.unwrap();
    assert_eq!(stage.query(unused).await, "0");
}

#[tokio::test]
async fn an_idle_device_leaves_memory_and_speaks_on() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "i1@x", "Befund", "", "Erstens")).await;
    let first = sees(&anna, "Erstens").await;
    rotate_after(&stage, &first.room_id, 5).await;
    stage.gateway.stop();
    let ghost = first.sender.clone();
    let device = format!("select device_id from devices where user_id = '{ghost}'");
    let device_before = stage.query(&device).await;
    let session = async |event: &SeenEvent| session(&stage, &first.room_id, event.event_id()).await;
    let more = "In-Reply-To: <i1@x>\nReferences: <i1@x>\n";
    let mail =
        |id: &str, words: &str| kim_mail(&erik, &stage.practice, id, "AW: Befund", more, words);

    let flows = IdleFlows::of(&stage).await;
    relay::begin(&flows.ctx).await.unwrap();
    flows.letter(&mail("i2@x", "Zweitens"), "i2").await;
    let second = sees(&anna, "Zweitens").await;
    assert_eq!(flows.ctx.devices.loaded(), 2, "the bot and the ghost");
    // Used a moment ago: it stays.
    flows.later(Duration::minutes(9));
    relay::tidy(&flows.ctx).await.unwrap();
    assert_eq!(flows.ctx.devices.loaded(), 2);
    flows.later(Duration::minutes(2));
    relay::tidy(&flows.ctx).await.unwrap();
    assert_eq!(flows.ctx.devices.loaded(), 1, "the bot");

    flows.letter(&mail("i3@x", "Drittens"), "i3").await;
    let third = sees(&anna, "Drittens").await;
    assert_eq!(flows.ctx.devices.loaded(), 2);
    assert_eq!(stage.query(&device).await, device_before);
    assert_eq!(third.sender, ghost);
    for event in [&second, &third] {
        let shield = anna.shield(event).await.unwrap();
        assert!(shield.is_none_or(|shield| shield == umstieg_world::client::Shield::none()));
    }
    assert_ne!(session(&first).await, session(&second).await, "a new start");
    // It goes on with its session, and knows how far that is used.
    assert_eq!(session(&second).await, session(&third).await);
    for number in 4..10 {
        let words = format!("Brief {number}.");
        flows.letter(&mail(&format!("i{number}@x"), &words), &format!("i{number}")).await;
        sees(&anna, &words).await;
    }
    assert_eq!(anna.seen().undecipherable().count(), 0, "{}", anna.seen());
}
