//! A database that does not answer and does not hang up either: a firewall that forgot a connection, a
//! cable that was pulled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::stage::{Stage, kim_mail};

/// A proxy before Postgres. What is said while it swallows never arrives, and no connection ends.
struct Hole {
    port: u16,
    swallows: watch::Sender<bool>,
    /// The next answer to who asks for the lock gets lost, with all that would follow it.
    loses_the_lock: Arc<AtomicBool>,
    has_lost: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

/// One connection.
struct HoleConnection {
    swallows: watch::Receiver<bool>,
    loses_the_lock: Arc<AtomicBool>,
    has_lost: Arc<AtomicBool>,
    asks_for_it: AtomicBool,
    is_lost: AtomicBool,
}

impl HoleConnection {
    /// Looks at what is passed on, and says whether it gets lost.
    fn loses(&self, bytes: &[u8], is_answer: bool) -> bool {
        if !is_answer {
            let asks = bytes.windows(20).any(|words| words == b"pg_try_advisory_lock");
            if asks && self.loses_the_lock.swap(false, SeqCst) {
                self.asks_for_it.store(true, SeqCst);
            }
        } else if self.asks_for_it.load(SeqCst) && holds_a_row(bytes) {
            self.is_lost.store(true, SeqCst);
            self.has_lost.store(true, SeqCst);
        }
        self.is_lost.load(SeqCst)
    }
}

/// Whether one of these messages of Postgres is a row.
fn holds_a_row(mut messages: &[u8]) -> bool {
    while let [kind, a, b, c, d, ..] = *messages {
        if kind == b'D' {
            return true;
        }
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap();
        messages = messages.get(1 + length..).unwrap_or_default();
    }
    false
}

impl Hole {
    async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (swallows, seen) = watch::channel(false);
        let loses_the_lock = Arc::<AtomicBool>::default();
        let has_lost = Arc::<AtomicBool>::default();
        let (loses, lost) = (loses_the_lock.clone(), has_lost.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let link = HoleConnection {
                    swallows: seen.clone(),
                    loses_the_lock: loses.clone(),
                    has_lost: lost.clone(),
                    asks_for_it: AtomicBool::new(false),
                    is_lost: AtomicBool::new(false),
                };
                connections.spawn(async move {
                    // Also a new one leads nowhere, and is taken all the same.
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let ((near_in, near_out), (far_in, far_out)) =
                        (near.into_split(), far.into_split());
                    tokio::join!(
                        pass(near_in, far_out, &link, false),
                        pass(far_in, near_out, &link, true)
                    );
                });
            }
        });
        Self { port: own, swallows, loses_the_lock, has_lost, _tasks: tasks }
    }
}

/// One direction. A connection from which bytes were swallowed stays open and dead for ever.
async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    link: &HoleConnection,
    is_answer: bool,
) {
    let mut buffer = vec![0; 65_536];
    let mut is_dead = *link.swallows.borrow();
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        is_dead = is_dead || *link.swallows.borrow() || link.loses(&buffer[..read], is_answer);
        if is_dead {
            if read == 0 {
                // Neither side is told that it ended.
                std::future::pending::<()>().await;
            }
            continue;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn postgres_is(stage: &Stage) -> String {
    let settings = std::fs::read_to_string(stage.gateway.settings_file()).unwrap();
    let (_, monitoring) = settings.split_once("[monitoring]\nlisten = \"").unwrap();
    let address = monitoring.split('"').next().unwrap();
    // The doors are open all the time.
    let answer = reqwest::get(format!("http://{address}/health/ready")).await.unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    let state = body["parts"]["postgres"].as_str().unwrap().to_owned();
    assert_eq!(status == 200, state == "ready" && body["status"] == "ready", "{body}");
    state
}

/// A database that swallows counts as down within seconds, and work goes on when it is back, both
/// on connections that live and on those that are dead for ever.
#[tokio::test]
async fn a_database_that_swallows_is_noticed_and_work_goes_on_when_it_is_back() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let hole = Hole::before(stage.world.postgres.port).await;
    let (old, new) =
        (format!("127.0.0.1:{}/", stage.world.postgres.port), format!("127.0.0.1:{}/", hole.port));
    stage.edit_settings(&[(&old, &new)]);
    stage.gateway.start().await.unwrap();
    let (erik, letter) = stage.letter_from("erik").await;
    for (number, silence) in [(1, Duration::from_secs(6)), (2, Duration::from_secs(40))] {
        let begun = Instant::now();
        hole.swallows.send_replace(true);
        let words = format!("Aus dem Loch {number}");
        let mail = kim_mail(&erik, &stage.practice, &format!("loch{number}@x"), "AW", "", &words);
        stage.receive(&mail).await;
        stage.anna.send_text(&letter.room_id, &format!("Antwort {number}")).await.unwrap();
        stage
            .until_within(Duration::from_secs(20), "it is told as down", async || {
                postgres_is(&stage).await != "ready"
            })
            .await;
        stage
            .until_within(silence + Duration::from_secs(20), "the silence is over", async || {
                assert_ne!(postgres_is(&stage).await, "ready", "{number}");
                begun.elapsed() > silence
            })
            .await;
        hole.swallows.send_replace(false);
        stage
            .until_within(Duration::from_secs(60), "it is ready again", async || {
                postgres_is(&stage).await == "ready" && stage.gateway.is_ready().await
            })
            .await;
        stage.anna_sees(&words).await;
        let mails = stage.mails(&erik, number).await;
        assert_eq!(mails.len(), number, "each answer once");
        assert_eq!(stage.anna_saw(&words), 1);
    }
    assert!(stage.gateway.id().is_some());
    stage.lives_on().await;
}

/// B72: the lock is granted, and the answer gets lost with its connection, which stays open at
/// Postgres: a balancer keeps it, and does not notice that the gateway no longer waits. So the
/// gateway itself holds the lock, and it goes on.
#[tokio::test]
async fn b72_a_lock_whose_answer_was_lost_keeps_nobody_out() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let hole = Hole::before(stage.world.postgres.port).await;
    let (old, new) =
        (format!("127.0.0.1:{}/", stage.world.postgres.port), format!("127.0.0.1:{}/", hole.port));
    stage.edit_settings(&[(&old, &new)]);
    stage.gateway.start().await.unwrap();
    stage.letter_from("erik").await;
    let life = stage.gateway.id();
    hole.loses_the_lock.store(true, SeqCst);
    stage
        .query(
            "select count(pg_terminate_backend(pid))
             from pg_locks
             where locktype = 'advisory'
               and database = (select oid from pg_database where datname = current_database())",
        )
        .await;
    stage.until("the answer was lost", async || hole.has_lost.load(SeqCst)).await;
    stage
        .until_within(Duration::from_secs(60), "the database is held again", async || {
            stage.gateway.is_ready().await
        })
        .await;
    stage.lives_on().await;
    assert_eq!(stage.gateway.id(), life, "the process went on");
}

/// Between two transactions a pooler lends the connection to another client: the lock would be
/// anybody's. Both connections of ours come out as one.
#[tokio::test]
async fn a_pooler_that_lends_for_a_transaction_is_refused_with_words() {
    let stage = Stage::before_start(|channels| channels).await;
    let pooler = Pooler::before(stage.world.postgres.port, &stage.database).await;
    let (old, new) = (
        format!("127.0.0.1:{}/", stage.world.postgres.port),
        format!("127.0.0.1:{}/", pooler.port),
    );
    stage.edit_settings(&[(&old, &new)]);
    let output = stage.gateway.command(&["run"]).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("lends connections for one transaction"), "{said}");
    assert_eq!(output.status.code(), Some(3), "to try again does not help");
}

/// As much of a pooler in transaction mode as it takes: all clients share one connection, which is
/// free again whenever no transaction is open.
struct Pooler {
    port: u16,
    _tasks: JoinSet<()>,
}

/// One message of Postgres' protocol: its type and the whole of it.
async fn message(from: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = from.read_u8().await.ok()?;
    let length = from.read_i32().await.ok()?;
    let mut whole = vec![kind];
    whole.extend(length.to_be_bytes());
    let body = usize::try_from(length).ok()? - 4;
    let at = whole.len();
    whole.resize(at + body, 0);
    from.read_exact(&mut whole[at..]).await.ok()?;
    Some((kind, whole))
}

impl Pooler {
    async fn before(port: u16, database: &str) -> Self {
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut startup = 196_608_i32.to_be_bytes().to_vec();
        for word in ["user", "umstieg", "database", database, ""] {
            startup.extend(word.as_bytes());
            startup.push(0);
        }
        let length = i32::try_from(startup.len() + 4).unwrap();
        server.write_all(&[&length.to_be_bytes()[..], &startup].concat()).await.unwrap();
        // What the server says about itself is repeated to every client.
        let mut welcome = Vec::new();
        loop {
            let (kind, whole) = message(&mut server).await.unwrap();
            welcome.extend(whole);
            if kind == b'Z' {
                break;
            }
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let server = std::sync::Arc::new(tokio::sync::Mutex::new(server));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                clients.spawn(lend(client, server.clone(), welcome.clone()));
            }
        });
        Self { port: own, _tasks: tasks }
    }
}

async fn lend(
    mut client: TcpStream,
    server: std::sync::Arc<tokio::sync::Mutex<TcpStream>>,
    welcome: Vec<u8>,
) -> Option<()> {
    loop {
        let length = client.read_i32().await.ok()?;
        let mut startup = vec![0; usize::try_from(length).ok()? - 4];
        client.read_exact(&mut startup).await.ok()?;
        // 80877103 asks for TLS.
        if startup == 80_877_103_i32.to_be_bytes() {
            client.write_all(b"N").await.ok()?;
            continue;
        }
        break;
    }
    client.write_all(&welcome).await.ok()?;
    loop {
        let mut asked = Vec::new();
        loop {
            let (kind, whole) = message(&mut client).await?;
            asked.extend(whole);
            match kind {
                b'S' | b'Q' => break,
                b'X' => return None,
                _ => {}
            }
        }
        let mut server = server.lock().await;
        server.write_all(&asked).await.ok()?;
        loop {
            let (kind, whole) = message(&mut server).await?;
            client.write_all(&whole).await.ok()?;
            if kind == b'Z' {
                break;
            }
        }
    }
}
