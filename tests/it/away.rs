//! Postgres, or the homeserver as a whole, is away in the middle of something: that says nothing
//! about the letter, post, event or answer it was about, however long it lasts.

use std::time::Duration;

use serde_json::{Value, json};
use umstieg::{
    model::{ChannelName, ConversationId, MailKey, MessageId},
    relay,
    store::{FetchedFrom, IncomingEvent, MailboxPlace, NewLetter, NewPart, StoredPart},
};

use crate::{
    accounts::CountingServer,
    clocks::Set,
    proxy::Proxy,
    stage::{Stage, conversations},
};

/// More often than anything is tried.
const TIMES: usize = 12;

/// A gateway's parts whose tables can be full.
struct GatewayParts {
    stage: Stage,
    set: Set,
    server: CountingServer,
}

impl GatewayParts {
    async fn new() -> Self {
        Self::at(None).await
    }

    async fn at(proxy: Option<&Proxy>) -> Self {
        let server = CountingServer::start().await;
        server.take_all();
        let stage = Stage::before_start(|mut channels| {
            channels[0].outbox_port = Some(server.smtp);
            channels
        })
        .await;
        if let Some(proxy) = proxy {
            let url = |url: &str| format!("url = {url:?}");
            stage.edit_settings(&[(&url(&stage.world.homeserver.url), &url(&proxy.url))]);
        }
        assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
        let mut set = Set::new(&stage).await;
        set.ctx.attempts_max = 2;
        stage
            .query(
                "create function is_full() returns trigger language plpgsql as
                 $$ begin raise exception 'full' using errcode = '53100'; end $$;
                 create function dies() returns trigger language plpgsql as
                 $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$",
            )
            .await;
        Self { stage, set, server }
    }

    /// From now on Postgres refuses this.
    async fn breaks(&self, when: &str, how: &str) {
        let sql = format!("create trigger broken before {when} execute function {how}()");
        self.stage.query(&sql).await;
    }

    async fn is_whole(&self, table: &str) {
        self.stage.query(&format!("drop trigger broken on {table}")).await;
    }

    async fn conversation(&self) -> ConversationId {
        self.stage.query(&conversations("kim", &["erik@charite.kim.telematik"])).await;
        ConversationId(1)
    }

    async fn letter(&self) -> ChannelName {
        let (store, kim) = (&self.set.ctx.store, ChannelName::new("kim").unwrap());
        let (place, now) =
            (MailboxPlace::new("pop3", "localhost", 995, "praxis", ""), self.set.ctx.clock.now());
        let mailbox = store.mailbox(&kim, &place, 0, now).await.unwrap().id;
        let mut letter = NewLetter::new(store);
        letter.take(b"From: <erik@charite.kim.telematik>\r\n\r\nGuten Tag\r\n").await.unwrap();
        let arrival = FetchedFrom {
            channel: &kim,
            mailbox,
            key: &MailKey::new("1").unwrap(),
            listed_bytes: None,
            head_only: false,
            out_of_reach: false,
            too_large: false,
            at: now,
        };
        letter.finish(arrival).await.unwrap();
        kim
    }

    async fn nothing_is_parked(&self) {
        assert_eq!(self.stage.query("select count(*) from parked").await, "0");
    }
}

#[tokio::test]
async fn a_letter_is_not_given_up_because_postgres_was_full_or_away() {
    let case = GatewayParts::new().await;
    let kim = case.letter().await;
    for how in ["is_full", "dies"] {
        case.breaks("insert on posts for each row", how).await;
        for _ in 0..TIMES {
            assert!(relay::place_letters(&case.set.ctx, &kim).await.is_err());
        }
        case.is_whole("posts").await;
    }
    // And neither where that it was no attempt cannot be noted at once.
    case.breaks("insert on posts for each row", "is_full").await;
    let down = "update of attempts on letters for each row when (new.attempts < old.attempts)";
    let sql = format!("create trigger down before {down} execute function is_full()");
    case.stage.query(&sql).await;
    for _ in 0..TIMES {
        assert!(relay::place_letters(&case.set.ctx, &kim).await.is_err());
    }
    case.stage.query("drop trigger down on letters").await;
    case.is_whole("posts").await;
    relay::place_letters(&case.set.ctx, &kim).await.unwrap();
    assert_eq!(case.stage.query("select state from letters").await, "placed");
    case.nothing_is_parked().await;
}

/// What Postgres refuses for the letter's own sake is the letter's own affair.
#[tokio::test]
async fn a_letter_that_postgres_never_takes_is_given_up() {
    let case = GatewayParts::new().await;
    let kim = case.letter().await;
    case.stage
        .query(
            "create function never() returns trigger language plpgsql as
             $$ begin raise exception 'no' using errcode = '54000'; end $$",
        )
        .await;
    case.breaks("insert on posts for each row", "never").await;
    for _ in 0..2 {
        assert!(relay::place_letters(&case.set.ctx, &kim).await.is_err());
    }
    relay::place_letters(&case.set.ctx, &kim).await.unwrap();
    assert_eq!(case.stage.query("select state from letters").await, "parked");
}

#[tokio::test]
async fn a_post_is_not_given_up_because_postgres_was_full_or_away() {
    let mut case = GatewayParts::new().await;
    let kim = case.letter().await;
    relay::place_letters(&case.set.ctx, &kim).await.unwrap();
    for how in ["is_full", "dies"] {
        case.breaks("insert on rooms for each row", how).await;
        for _ in 0..TIMES {
            assert!(relay::send_posts(&case.set.ctx, ConversationId(1)).await.is_err());
        }
        case.is_whole("rooms").await;
    }
    assert_eq!(case.stage.query("select max(attempts) from posts").await, "0");
    case.stage.gateway.start().await.unwrap();
    case.stage.database_says("select state from letters", "posted").await;
    case.nothing_is_parked().await;
}

#[tokio::test]
async fn an_event_is_not_given_up_because_postgres_was_full_or_away() {
    let case = GatewayParts::new().await;
    let (ctx, conversation) = (&case.set.ctx, case.conversation().await);
    case.stage
        .query(
            "insert into rooms (conversation_id, alias_token, room_id, state, created_at)
             values (1, gen_random_uuid(), '!r:x', 'open', now())",
        )
        .await;
    let event = IncomingEvent {
        event_id: "$1".to_owned(),
        room_id: "!r:x".to_owned(),
        sender: case.stage.anna_id.clone(),
        event: json!({
            "type": "m.room.message", "event_id": "$1", "room_id": "!r:x",
            "sender": case.stage.anna_id, "origin_server_ts": 1,
            "content": { "msgtype": "m.text", "body": "Antwort" },
        }),
    };
    let now = ctx.clock.now();
    ctx.store.receive_sync("@bot:x", "s", &[], &[event], now).await.unwrap();
    for how in ["is_full", "dies"] {
        case.breaks("insert on dispatches for each row", how).await;
        for _ in 0..TIMES {
            assert!(relay::read_room(ctx, "!r:x").await.is_err());
        }
        case.is_whole("dispatches").await;
    }
    relay::read_room(ctx, "!r:x").await.unwrap();
    let collects = "select count(*) from dispatches where state = 'collecting'";
    assert_eq!(case.stage.query(collects).await, "1");
    assert!(ctx.store.head_dispatch(conversation).await.unwrap().is_some());
    case.nothing_is_parked().await;
}

#[tokio::test]
async fn an_answer_is_not_given_up_because_postgres_was_full_or_away() {
    let case = GatewayParts::new().await;
    let (ctx, conversation) = (&case.set.ctx, case.conversation().await);
    case.set.said(conversation, "$1").await;
    let state = async || case.stage.query("select state from dispatches").await;
    // While it is closed, while its mail is made, and at the last step before its body leaves.
    for (when, table) in [
        ("insert on thread_ids for each row", "thread_ids"),
        (
            "update of state on dispatches for each row when (new.state = 'sending_body')",
            "dispatches",
        ),
    ] {
        for how in ["is_full", "dies"] {
            case.breaks(when, how).await;
            for _ in 0..TIMES {
                case.set.forward(Duration::from_secs(1800));
                let _ = relay::hand_over(ctx, conversation).await;
            }
            case.is_whole(table).await;
            assert!(["collecting", "waiting"].contains(&state().await.as_str()), "{when} {how}");
        }
    }
    assert_eq!(case.server.mails(), 0);
    case.set.forward(Duration::from_secs(1800));
    case.set.hand_over(conversation).await;
    assert_eq!((state().await.as_str(), case.server.mails()), ("accepted", 1));
    assert_eq!(case.stage.query("select attempts from dispatches").await, "1");
    case.nothing_is_parked().await;
}

/// The mail server has said that it took the mail, and Postgres cannot be told for a while.
#[tokio::test]
async fn what_the_mail_server_said_is_remembered_while_postgres_is_away() {
    let case = GatewayParts::new().await;
    let (ctx, conversation) = (&case.set.ctx, case.conversation().await);
    case.stage
        .query(
            "create sequence tried;
             create function fails() returns trigger language plpgsql as
             $$ begin
                 if nextval('tried') % 2 = 0 then
                     raise exception 'full' using errcode = '53100';
                 end if;
                 perform pg_terminate_backend(pg_backend_pid());
                 return new;
             end $$",
        )
        .await;
    case.set.said(conversation, "$1").await;
    let accepts = "update of state on dispatches for each row when (new.state = 'accepted')";
    case.breaks(accepts, "fails").await;
    case.set.forward(Duration::from_secs(1800));
    let (done, ()) = tokio::join!(relay::hand_over(ctx, conversation), async {
        case.stage
            .until("it was tried twice", async || {
                case.stage.query("select last_value >= 3 from tried").await == "t"
            })
            .await;
        case.is_whole("dispatches").await;
    });
    done.unwrap();
    assert_eq!(case.stage.query("select state from dispatches").await, "accepted");
    assert_eq!(case.server.mails(), 1);
    case.nothing_is_parked().await;
}

#[tokio::test]
async fn an_answer_is_not_given_up_because_the_homeserver_was_away() {
    let homeserver = &umstieg_world::World::shared().await.unwrap().homeserver;
    let proxy = Proxy::before(&homeserver.url).await;
    let mut case = GatewayParts::at(Some(&proxy)).await;
    let (ctx, conversation) = (&case.set.ctx, case.conversation().await);
    let upload = "/_matrix/media/v3/upload";
    let token = case.stage.token_of(&case.stage.anna_id).await;
    let (_, answer) = homeserver.request("POST", upload, &token, Some(&json!({}))).await.unwrap();
    let media_uri = answer["content_uri"].as_str().map(str::to_owned).unwrap();
    let part = StoredPart::File {
        media_uri,
        file_name: "befund.json".to_owned(),
        media_type: "application/json".to_owned(),
        caption: None,
        encryption: None::<Value>,
    };
    ctx.store
        .collect(NewPart {
            conversation,
            author: "@anna:x",
            event_id: "$1",
            part: &part,
            answers: None,
            collect: Duration::ZERO,
            collect_at_most: Duration::ZERO,
            message_id: &MessageId::new("1@kim.local").unwrap(),
            at: ctx.clock.now(),
        })
        .await
        .unwrap();
    proxy.is_away(true);
    for _ in 0..TIMES {
        case.set.forward(Duration::from_secs(1800));
        case.set.hand_over(conversation).await;
        assert_eq!(case.stage.query("select state from dispatches").await, "waiting");
    }
    // The room is told, once.
    assert_eq!(case.stage.query("select count(*) from posts").await, "1");
    proxy.is_away(false);
    case.stage.gateway.start().await.unwrap();
    case.stage.database_says("select state from dispatches", "accepted").await;
    assert_eq!(case.server.mails(), 1);
    case.nothing_is_parked().await;
}
