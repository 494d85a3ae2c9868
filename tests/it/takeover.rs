//! Two gateways on one database: the first lost it without knowing, the second took over.
//!
//! The first is stopped (SIGSTOP) for longer than its lock lives, at a moment the test chooses, and
//! goes on after the second has taken its place.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use umstieg::{
    model::{ConversationId, DeliveryState, MessageId},
    store::{
        Database, MayLeave, NewPart, OneGateway, OpenError, Store, StoredPart, seal::OuterKey,
    },
};
use umstieg_world::{AddressTrouble, World, WorldOptions, ports::Port};

use crate::{
    databases,
    proxy::{HoldMoment, Proxy},
    stage::{Stage, conversations, kim_mail},
};

/// A second gateway with the settings of the first, but its own doors. It ends with this value.
struct Second {
    process: tokio::process::Child,
    _folder: tempfile::TempDir,
    _doors: Vec<Port>,
}

impl Second {
    /// Starts it until the database is its own: it refuses as long as the first has it.
    async fn take_over(stage: &Stage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = std::fs::read_to_string(stage.gateway.settings_file()).unwrap();
        let (mut lines, mut doors) = (Vec::new(), Vec::new());
        for line in settings.lines() {
            if line.starts_with("listen = ") {
                let door = Port::reserve().unwrap();
                lines.push(format!("listen = \"127.0.0.1:{}\"", door.number()));
                doors.push(door);
            } else {
                lines.push(line.to_owned());
            }
        }
        let file = folder.path().join("umstieg.toml");
        std::fs::write(&file, lines.join("\n")).unwrap();
        let registration = stage.gateway.settings_file().with_file_name("registration.yaml");
        std::fs::copy(registration, folder.path().join("registration.yaml")).unwrap();
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(stage.gateway.settings_file().with_file_name("umstieg.log"))
            .unwrap();
        let process = tokio::process::Command::new(env!("CARGO_BIN_EXE_umstieg"))
            .args(["--settings", &file.display().to_string(), "run"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { process, _folder: folder, _doors: doors }
    }
}

fn signal(stage: &Stage, signal: Signal) {
    let id = i32::try_from(stage.gateway.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

/// The first gateway is stopped, and Postgres has lost its connections.
async fn stop_the_first(stage: &Stage) {
    signal(stage, Signal::STOP);
    stage
        .query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name = 'umstieg gateway'",
        )
        .await;
    stage
        .database_says(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name = 'umstieg gateway'",
            "0",
        )
        .await;
}

/// The second has the database, and the first goes on; it must end by itself.
async fn let_the_first_go_on(stage: &Stage) {
    signal(stage, Signal::CONT);
    let before = "another gateway is running on this database";
    stage.until("the first has noticed", async || stage.gateway.log().contains(before)).await;
}

/// An SMTP server that holds its answer back until it is let go, and counts the mails it took.
struct SlowServer {
    port: u16,
    /// How many mails came to their end, and what was said last.
    seen: watch::Receiver<(usize, String)>,
    goes_on: watch::Sender<bool>,
    _server: JoinSet<()>,
}

impl SlowServer {
    /// `holds_at`: the command after which nothing is answered; `.` is the end of a mail.
    async fn start(holds_at: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (says, seen) = watch::channel((0, String::new()));
        let (goes_on, may_go_on) = watch::channel(false);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                sessions.spawn(serve(connection, holds_at, says.clone(), may_go_on.clone()));
            }
        });
        Self { port, seen, goes_on, _server: server }
    }

    fn mails(&self) -> usize {
        self.seen.borrow().0
    }

    async fn hears(&self, command: &str) {
        let mut seen = self.seen.clone();
        let heard = seen.wait_for(|(_, said)| said == command);
        tokio::time::timeout(Duration::from_secs(60), heard).await.unwrap().unwrap();
    }
}

async fn serve(
    connection: TcpStream,
    holds_at: &str,
    says: watch::Sender<(usize, String)>,
    mut may_go_on: watch::Receiver<bool>,
) -> Option<()> {
    let (reading, mut writing) = connection.into_split();
    let mut lines = BufReader::new(reading).lines();
    writing.write_all(b"220 ready\r\n").await.ok()?;
    let mut is_body = false;
    while let Some(line) = lines.next_line().await.ok()? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        if is_body && line != "." {
            continue;
        }
        says.send_modify(|(_, said)| word.clone_into(said));
        if word == holds_at {
            may_go_on.wait_for(|goes_on| *goes_on).await.ok()?;
        }
        let answer: &[u8] = match word.as_str() {
            "EHLO" => b"250-x\r\n250 AUTH PLAIN\r\n",
            "AUTH" => b"235 ok\r\n",
            "DATA" => b"354 go on\r\n",
            "." => {
                says.send_modify(|(mails, _)| *mails += 1);
                b"250 ok\r\n"
            }
            _ => b"250 ok\r\n",
        };
        is_body = word == "DATA";
        writing.write_all(answer).await.ok()?;
    }
    None
}

/// `R13`: stopped before its mail's body could leave: the second one sends it, and no other.
#[tokio::test]
async fn an_answer_leaves_once_when_its_gateway_was_replaced_before_the_body() {
    for holds_at in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let server = SlowServer::start(holds_at).await;
        let stage = Stage::with(|mut channels| {
            channels[0].outbox_port = Some(server.port);
            channels
        })
        .await;
        let (_, letter) = stage.letter_from("erik").await;
        stage.anna.send_text(&letter.room_id, "Antwort").await.unwrap();
        server.hears(holds_at).await;
        stage.database_says("select state from dispatches", "handing_over").await;
        stop_the_first(&stage).await;
        let second = Second::take_over(&stage).await;
        stage.database_says("select epoch from gateway", "2").await;
        stage.database_says("select attempts from dispatches", "2").await;
        // Both may send now, as far as the server is concerned.
        signal(&stage, Signal::CONT);
        server.goes_on.send_replace(true);
        stage.database_says("select state from dispatches", "accepted").await;
        let_the_first_go_on(&stage).await;
        assert_eq!(server.mails(), 1, "{holds_at}");
        assert_eq!(stage.query("select attempts from dispatches").await, "2");
        drop(second);
    }
}

/// `R13`: stopped while the body leaves: the outcome is unknown, so the room is told so. When a
/// person has it sent again, the first gateway does not end its mail.
#[tokio::test]
async fn a_body_on_its_way_is_not_ended_by_a_gateway_that_was_replaced() {
    // A body that does not fit into what the kernel keeps: the first hangs in the middle of it.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (reads_on, may_read) = watch::channel(false);
    let (ended, mut endings) = watch::channel(0_usize);
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut sessions = JoinSet::new();
        let mut number = 0;
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            number += 1;
            let (mut may_read, ended) = (may_read.clone(), ended.clone());
            let is_first = number == 1;
            sessions.spawn(async move {
                let (reading, mut writing) = connection.into_split();
                let mut lines = BufReader::new(reading).lines();
                writing.write_all(b"220 ready\r\n").await.ok()?;
                let mut is_body = false;
                while let Some(line) = lines.next_line().await.ok()? {
                    if is_body && line != "." {
                        continue;
                    }
                    let answer: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
                        "EHLO" => b"250-x\r\n250 AUTH PLAIN\r\n",
                        "AUTH" => b"235 ok\r\n",
                        "DATA" => b"354 go on\r\n",
                        "." => {
                            ended.send_modify(|ended| *ended += 1);
                            b"250 ok\r\n"
                        }
                        _ => b"250 ok\r\n",
                    };
                    is_body = line == "DATA";
                    writing.write_all(answer).await.ok()?;
                    if is_body && is_first {
                        may_read.wait_for(|may_read| *may_read).await.ok()?;
                    }
                }
                Some(())
            });
        }
    });
    let stage = Stage::with(|mut channels| {
        channels[0].outbox_port = Some(port);
        channels
    })
    .await;
    let (_, letter) = stage.letter_from("erik").await;
    let file = vec![b'x'; 6 * 1024 * 1024];
    stage
        .anna
        .send_file(&letter.room_id, "bild.bin", "application/octet-stream", &file)
        .await
        .unwrap();
    stage.database_says("select state from dispatches", "sending_body").await;
    stop_the_first(&stage).await;
    let second = Second::take_over(&stage).await;
    stage.database_says("select state from dispatches", "unclear").await;
    let id = stage.query("select id from parked where resolved_at is null").await;
    stage.parked(&["retry", &id]).await;
    stage.database_says("select state from dispatches", "accepted").await;
    assert_eq!(*endings.borrow_and_update(), 1);
    signal(&stage, Signal::CONT);
    reads_on.send_replace(true);
    let_the_first_go_on(&stage).await;
    stage.until("the first has ended", async || !stage.gateway.is_ready().await).await;
    assert_eq!(*endings.borrow(), 1, "the first one ended its mail all the same");
    drop(second);
}

/// `R13`: stopped after the homeserver took a post, before it was noted.
#[tokio::test]
async fn a_post_is_said_once_when_its_gateway_was_replaced() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    stage.edit_settings(&[(&stage.world.homeserver.url, &proxy.url)]);
    stage.gateway.start().await.unwrap();
    let (erik, _) = stage.letter_from("erik").await;
    for moment in [HoldMoment::Before, HoldMoment::After] {
        let words = format!("Zweiter Brief {moment:?}");
        proxy.hold(&["PUT", "/send/m.room.message/"], moment);
        let more = format!("In-Reply-To: <erster-{erik}>\nReferences: <erster-{erik}>\n");
        let id = format!("{moment:?}@x");
        stage.receive(&kim_mail(&erik, &stage.practice, &id, "AW", &more, &words)).await;
        stage.until("it is held", async || proxy.holds()).await;
        stop_the_first(&stage).await;
        let settings = std::fs::read_to_string(stage.gateway.settings_file()).unwrap();
        // The second one does not go through the proxy.
        stage.edit_settings(&[(&proxy.url, &stage.world.homeserver.url)]);
        let mut second = Second::take_over(&stage).await;
        std::fs::write(stage.gateway.settings_file(), settings).unwrap();
        stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
        proxy.let_pass();
        let_the_first_go_on(&stage).await;
        stage.anna_sees(&words).await;
        assert_eq!(stage.anna_saw(&words), 1, "{moment:?}");
        second.process.kill().await.unwrap();
        stage.gateway.kill();
        stage.gateway.start().await.unwrap();
        stage.letter_from(&format!("danach-{moment:?}").to_lowercase()).await;
        assert_eq!(stage.anna_saw(&words), 1, "{moment:?}");
    }
}

/// `R13`: stopped while nothing is under way: what comes meanwhile is the second one's.
#[tokio::test]
async fn who_was_stopped_while_an_answer_waited_does_not_send_it() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLater)).unwrap();
    stage.anna.send_text(&letter.room_id, "Antwort").await.unwrap();
    stage.database_says("select state || attempts from dispatches", "waiting1").await;
    stop_the_first(&stage).await;
    stage.world.mail.set_trouble(&erik, None).unwrap();
    let second = Second::take_over(&stage).await;
    stage.database_says("select epoch from gateway", "2").await;
    signal(&stage, Signal::CONT);
    assert_eq!(stage.mails(&erik, 1).await.len(), 1);
    let_the_first_go_on(&stage).await;
    stage.database_says("select state from dispatches", "accepted").await;
    assert_eq!(stage.mails(&erik, 1).await.len(), 1);
    drop(second);
}

/// A separate database with one answer that waits, and its settings' key.
pub(crate) struct Alone {
    pub(crate) url: String,
    pub(crate) key: OuterKey,
}

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-25 12:00 UTC);
const HERE: ConversationId = ConversationId(1);

impl Alone {
    pub(crate) async fn new() -> Self {
        let world = World::shared().await.unwrap();
        let url = databases::migrated(&world.postgres).await;
        let key = OuterKey::from_base64(&umstieg_world::gateway::sealing_key()).unwrap();
        Database::connect(&url, 1).await.unwrap().migrate(&key, NOW).await.unwrap();
        Self { url, key }
    }

    /// A gateway takes the database, whatever the one before does.
    pub(crate) async fn gateway(&self) -> (OneGateway, Store) {
        let mut gate = OneGateway::take(&self.url).await.unwrap();
        let epoch = gate.begin().await.unwrap();
        let database = Database::connect_in(&self.url, 2, epoch).await.unwrap();
        (gate, database.open(&self.key).await.unwrap())
    }

    pub(crate) async fn command(&self) -> Store {
        Database::connect(&self.url, 1).await.unwrap().open(&self.key).await.unwrap()
    }
}

/// An answer that waits for its first attempt.
async fn answer(store: &Store) {
    sqlx::query(sqlx::AssertSqlSafe(conversations("kim", &["erik@charite.kim.telematik"])))
        .execute(store.pool())
        .await
        .unwrap();
    let part = NewPart {
        conversation: HERE,
        author: "@anna:example.org",
        event_id: "$1",
        part: &StoredPart::Text("Antwort".to_owned()),
        answers: None,
        collect: Duration::ZERO,
        collect_at_most: Duration::ZERO,
        message_id: &MessageId::new("1@kim.local").unwrap(),
        at: NOW,
    };
    store.collect(part).await.unwrap();
    let head = store.head_dispatch(HERE).await.unwrap().unwrap();
    store.close_dispatch(&head, NOW).await.unwrap();
}

/// `R13`: every step carries the attempt and the gateway that took it.
#[tokio::test]
async fn an_attempt_of_before_the_takeover_does_not_go_on() {
    let alone = Alone::new().await;
    let (first_gate, first) = alone.gateway().await;
    answer(&first).await;
    let head = first.head_dispatch(HERE).await.unwrap().unwrap();
    // It claims the answer, loses the lock without knowing it, and talks to the mail server.
    let firsts = first.begin_attempt(&head).await.unwrap().unwrap();
    drop(first_gate);
    let (_second_gate, second) = loop {
        match OneGateway::take(&alone.url).await {
            Ok(gate) => {
                drop(gate);
                break alone.gateway().await;
            }
            Err(OpenError::AnotherGateway) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let found = second.head_dispatch(HERE).await.unwrap().unwrap();
    assert_eq!(found.state, DeliveryState::HandingOver);
    // Before the second one did anything, the first must not send any more.
    let composed = second.composition(firsts.id).await.unwrap();
    assert!(first.body_leaves(&firsts, &composed).await.is_err());
    assert!(first.dispatch_again_at(&firsts, NOW, "x", None).await.is_err());
    assert!(first.still_ours().await.is_err());
    second.dispatch_again_at(&found, NOW, "interrupted", None).await.unwrap();
    let waits = second.head_dispatch(HERE).await.unwrap().unwrap();
    let seconds = second.begin_attempt(&waits).await.unwrap().unwrap();
    assert_eq!((firsts.attempts, seconds.attempts), (1, 2));
    // Nor by an attempt that is not its own, whichever gateway asks.
    assert_eq!(second.body_leaves(&firsts, &composed).await.unwrap(), MayLeave::Stopped);
    second.dispatch_again_at(&firsts, NOW, "x", None).await.unwrap();
    let stands = second.head_dispatch(HERE).await.unwrap().unwrap();
    assert_eq!((stands.state, stands.attempts), (DeliveryState::HandingOver, 2));
    assert_eq!(second.body_leaves(&seconds, &composed).await.unwrap(), MayLeave::Leaves);
    assert!(second.still_ours().await.is_ok());
    // What an admin does beside a gateway is not stopped.
    alone.command().await.still_ours().await.unwrap();
    alone.command().await.wake_all_unreadable().await.unwrap();
}

/// `R13`: no table is forgotten.
#[tokio::test]
async fn every_table_is_behind_the_fence() {
    let alone = Alone::new().await;
    let store = alone.command().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select relname::text
         from pg_class
         where relnamespace = 'public'::regnamespace
           and relkind = 'r'
           and not exists (
               select 1 from pg_trigger where tgrelid = pg_class.oid and tgname = 'fence'
           )
         order by 1",
    )
    .fetch_all(store.pool())
    .await
    .unwrap();
    assert_eq!(open, ["_sqlx_migrations", "gateway", "seal_keys"]);
    let (_gate, first) = alone.gateway().await;
    sqlx::query("update gateway set epoch = epoch + 1").execute(store.pool()).await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("select event_object_table::text from information_schema.triggers where trigger_name = 'fence' and event_manipulation = 'DELETE'")
            .fetch_all(store.pool())
            .await
            .unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        let delete = sqlx::AssertSqlSafe(format!("delete from {table}"));
        let refused = sqlx::query(delete).execute(first.pool()).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("UM001"), "{table}");
    }
}

/// B73: a lock that is taken at each look has to be given back as often.
#[tokio::test]
async fn b73_a_lock_that_was_looked_at_often_is_free_at_once() {
    let alone = Alone::new().await;
    let mut gate = OneGateway::take(&alone.url).await.unwrap();
    let epoch = gate.begin().await.unwrap();
    for _ in 0..5 {
        assert!(gate.holds(epoch, Some(NOW)).await.unwrap());
    }
    let locks = "select count(*) from pg_locks
        where locktype = 'advisory'
          and database = (select oid from pg_database where datname = current_database())";
    let command = alone.command().await;
    let held: i64 = sqlx::query_scalar(locks).fetch_one(command.pool()).await.unwrap();
    assert_eq!(held, 1);
    assert!(matches!(OneGateway::take(&alone.url).await, Err(OpenError::AnotherGateway)));
    assert!(gate.holds(epoch, None).await.unwrap(), "who asks in vain takes nothing away");
    drop(gate);
    while sqlx::query_scalar::<_, i64>(locks).fetch_one(command.pool()).await.unwrap() > 0 {}
    OneGateway::take(&alone.url).await.unwrap();
}

/// `R13`: a gateway that was stopped in the middle of a transaction holds nothing up, and what it
/// wrote there does not count.
#[tokio::test]
async fn who_takes_over_ends_what_the_other_had_begun() {
    let alone = Alone::new().await;
    let (gate, first) = alone.gateway().await;
    answer(&first).await;
    let mut transaction = first.pool().begin().await.unwrap();
    sqlx::query("update dispatches set state = 'sending_body'")
        .execute(&mut *transaction)
        .await
        .unwrap();
    // A gateway that is away for so long has lost the lock.
    sqlx::query("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())")
        .execute(alone.command().await.pool())
        .await
        .unwrap();
    drop(gate);
    let second = loop {
        match OneGateway::take(&alone.url).await {
            Ok(mut gate) => {
                let epoch = gate.begin().await.unwrap();
                let database = Database::connect_in(&alone.url, 2, epoch).await.unwrap();
                break (gate, database.open(&alone.key).await.unwrap());
            }
            Err(OpenError::AnotherGateway) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(transaction.commit().await.is_err());
    let head = second.1.head_dispatch(HERE).await.unwrap().unwrap();
    assert_eq!(head.state, DeliveryState::Waiting);
    let begun = second.1.begin_attempt(&head).await.unwrap();
    assert!(begun.is_some(), "no row of it is locked");
}

/// `R11`: the power fails between the homeserver's taking a post and our hearing of it, and until it
/// is back the homeserver has forgotten the name of the request, which it remembers for a day.
#[tokio::test]
async fn a_post_taken_before_a_long_weekend_is_not_said_once_more() {
    let mut world = World::start(WorldOptions::with_slots(1), |_| {}).await.unwrap();
    let around = Box::leak(Box::new(world.surroundings()));
    let mut stage = Stage::in_world(around, |channels| channels).await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    stage.edit_settings(&[(&stage.world.homeserver.url, &proxy.url)]);
    stage.gateway.start().await.unwrap();
    let (erik, letter) = stage.letter_from("erik").await;
    for round in ["Freitag", "Samstag"] {
        let words = format!("Am {round}");
        proxy.hold(&["PUT", "/send/m.room.message/"], HoldMoment::After);
        let id = format!("erster-{erik}");
        let more = format!("In-Reply-To: <{id}>\nReferences: <{id}>\n");
        let mail = kim_mail(&erik, &stage.practice, &format!("{round}@x"), "AW", &more, &words);
        stage.receive(&mail).await;
        stage.until("the homeserver has taken it", async || proxy.holds()).await;
        if round == "Freitag" {
            stage.gateway.kill();
        }
        world.synapse.kill();
        stage.synapse("delete from event_txn_id_device_id").await;
        let before = proxy.passed().len();
        // On Saturday the gateway has gone on all the time, and the proxy has given up.
        proxy.give_up();
        world.synapse.start_again().await.unwrap();
        if round == "Freitag" {
            stage.gateway.start().await.unwrap();
        }
        stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
        let again = proxy.passed()[before..]
            .iter()
            .filter(|passed| passed.what.contains("/send/m.room.message/") && passed.status == 200)
            .count();
        assert_eq!(again, 0, "{round}: it was said once more");
        stage.anna_sees(&words).await;
        // Whatever comes after it shows that nothing else came.
        let after = format!("Nach {round}");
        let mail = kim_mail(&erik, &stage.practice, &format!("n{round}@x"), "AW", &more, &after);
        stage.receive(&mail).await;
        stage.anna_sees(&after).await;
        let seen = stage.anna.seen();
        let said = seen.messages_in(&letter.room_id).filter(|m| m.body().contains(&words)).count();
        assert_eq!(said, 1, "{round}");
    }
}
