//! A wrong password: providers lock an account after a few, and with it its mailbox (KIM-6).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use umstieg::{
    model::{AccountSide, AccountTrouble, ConversationId, MessageId},
    phrases::{Phrase, Trouble},
    store::{NewPart, StoredPart},
};

use crate::{
    phrases::{SOME_TIME, says},
    stage::{Stage, conversations, kim_mail},
};

/// A mail server that counts logins, and refuses them as long as a test wants. It speaks as much of
/// SMTP and POP3 as a gateway says before it has nothing to say.
pub(crate) struct CountingServer {
    pub(crate) smtp: u16,
    pop3: u16,
    shared: Arc<LoginCounts>,
    _servers: JoinSet<()>,
}

#[derive(Default)]
struct LoginCounts {
    logins: AtomicUsize,
    mails: AtomicUsize,
    /// The Message-IDs of all mails whose body came, in order.
    ids: Mutex<Vec<String>>,
    takes_all: AtomicBool,
}

impl CountingServer {
    pub(crate) async fn start() -> Self {
        let mut servers = JoinSet::new();
        let shared = Arc::<LoginCounts>::default();
        let mut ports = Vec::new();
        for is_smtp in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ports.push(listener.local_addr().unwrap().port());
            let shared = shared.clone();
            servers.spawn(async move {
                let mut sessions = JoinSet::new();
                loop {
                    let (connection, _) = listener.accept().await.unwrap();
                    sessions.spawn(serve(connection, is_smtp, shared.clone()));
                }
            });
        }
        Self { smtp: ports[0], pop3: ports[1], shared, _servers: servers }
    }

    /// Takes every login from now on.
    pub(crate) fn take_all(&self) {
        self.shared.takes_all.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mails(&self) -> usize {
        self.shared.mails.load(Ordering::SeqCst)
    }

    pub(crate) fn message_ids(&self) -> Vec<String> {
        self.shared.ids.lock().unwrap().clone()
    }

    fn logins(&self) -> usize {
        self.shared.logins.load(Ordering::SeqCst)
    }
}

async fn serve(connection: TcpStream, is_smtp: bool, shared: Arc<LoginCounts>) -> Option<()> {
    let (reading, mut writing) = connection.into_split();
    let mut lines = BufReader::new(reading).lines();
    let greeting: &[u8] = if is_smtp { b"220 ready\r\n" } else { b"+OK ready\r\n" };
    writing.write_all(greeting).await.ok()?;
    let mut is_body = false;
    while let Some(line) = lines.next_line().await.ok()? {
        if is_body && line != "." {
            if let Some(id) = line.strip_prefix("Message-ID: ") {
                shared.ids.lock().unwrap().push(id.to_owned());
            }
            continue;
        }
        let word = line.split([' ', ':']).next().unwrap_or_default();
        if matches!(word, "AUTH" | "PASS") {
            shared.logins.fetch_add(1, Ordering::SeqCst);
        }
        let is_welcome = shared.takes_all.load(Ordering::SeqCst);
        is_body = word == "DATA";
        let answer: &[u8] = match (word, is_smtp) {
            ("EHLO", true) => b"250-x\r\n250 AUTH PLAIN\r\n",
            ("AUTH", true) if !is_welcome => b"535 5.7.8 no\r\n",
            ("AUTH", true) => b"235 ok\r\n",
            ("DATA", true) => b"354 go on\r\n",
            (".", true) => {
                shared.mails.fetch_add(1, Ordering::SeqCst);
                b"250 ok\r\n"
            }
            (_, true) => b"250 ok\r\n",
            ("PASS", false) if !is_welcome => b"-ERR [AUTH] no\r\n",
            ("CAPA", false) => b"+OK\r\nUIDL\r\nTOP\r\nUSER\r\n.\r\n",
            ("UIDL" | "LIST", false) => b"+OK\r\n.\r\n",
            (_, false) => b"+OK\r\n",
        };
        writing.write_all(answer).await.ok()?;
    }
    None
}

/// `R12`: five conversations, one wrong password. The inbox, whose password is right, goes on; each
/// room is told; the right password, which comes with a restart, is tried at once.
#[tokio::test]
async fn a_refused_login_of_the_outbox_is_not_tried_once_for_each_conversation() {
    let server = CountingServer::start().await;
    let mut stage = Stage::with(|mut channels| {
        channels[0].outbox_port = Some(server.smtp);
        channels
    })
    .await;
    let mut rooms = Vec::new();
    for number in 0..5 {
        rooms.push(stage.letter_from(&format!("konto{number}")).await.1.room_id);
    }
    for room in &rooms {
        stage.anna.send_text(room, "Antwort").await.unwrap();
    }
    stage.until("a login was refused", async || server.logins() > 0).await;
    let begun = Instant::now();
    // The room is told what it waits for, and until when: either its own next attempt, or the account's.
    let waits = [
        Phrase::DispatchTryLater { trouble: Trouble::Login, next: SOME_TIME },
        Phrase::DispatchWaitsForAccount,
    ];
    for room in &rooms {
        stage
            .anna
            .wait_for("what the answer waits for", |seen| {
                let mut told = seen.messages_in(room);
                told.find(|m| waits.iter().any(|phrase| says(m.body(), phrase))).map(|_| ())
            })
            .await
            .unwrap();
    }
    let states = "select count(*) from dispatches where state = 'waiting'";
    stage.database_says(states, "5").await;
    // The inbox waits at most once, though it has the same account.
    let address = stage.correspondent("danach").await;
    stage.receive(&kim_mail(&address, &stage.practice, "d@x", "Befund", "", "Danach")).await;
    stage.anna_sees("Danach").await;
    let rest = Duration::from_secs(60).saturating_sub(begun.elapsed());
    stage
        .until_within(rest + Duration::from_secs(5), "a minute is over", async || {
            begun.elapsed() > Duration::from_secs(60)
        })
        .await;
    assert!(server.logins() <= 3, "{} wrong logins within a minute", server.logins());
    assert_eq!(stage.query("select count(*) from parked").await, "0");

    server.take_all();
    stage.restart_with(|settings| settings).await;
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "5").await;
    assert_eq!(server.mails(), 5);
}

/// `R12`: the inbox and the outbox of two channels, all with one account.
#[tokio::test]
async fn inbox_and_outbox_share_what_was_refused() {
    let server = CountingServer::start().await;
    let (smtp, pop3) = (server.smtp, server.pop3);
    let mut stage = Stage::before_start(|mut channels| {
        channels[0].outbox_port = Some(smtp);
        channels.truncate(1);
        channels
    })
    .await;
    let settings = std::fs::read_to_string(stage.gateway.settings_file()).unwrap();
    // Its inbox is the same server, without TLS.
    let (before, inbox) = settings.split_once("[channel.inbox]\n").unwrap();
    let (inbox, after) = inbox.split_once("[channel.outbox]").unwrap();
    let inbox: Vec<String> = inbox
        .lines()
        .map(|line| match line.split(' ').next().unwrap_or_default() {
            "port" => format!("port = {pop3}\ntls = \"none\""),
            "ca_file" => String::new(),
            _ => line.to_owned(),
        })
        .collect();
    let settings =
        format!("{before}[channel.inbox]\n{}\n[channel.outbox]{after}", inbox.join("\n"));
    std::fs::write(stage.gateway.settings_file(), settings).unwrap();
    stage.gateway.start().await.unwrap();
    stage.until("a login was refused", async || server.logins() > 0).await;
    let begun = Instant::now();
    stage
        .query(&conversations(
            "kim",
            &[
                "k1@x.kim.telematik",
                "k2@x.kim.telematik",
                "k3@x.kim.telematik",
                "k4@x.kim.telematik",
                "k5@x.kim.telematik",
            ],
        ))
        .await;
    let store = stage.store().await;
    for number in 1..=5 {
        let part = NewPart {
            conversation: ConversationId(number),
            author: "@a:b",
            event_id: &format!("${number}"),
            part: &StoredPart::Text("Antwort".to_owned()),
            answers: None,
            collect: Duration::ZERO,
            collect_at_most: Duration::ZERO,
            message_id: &MessageId::new(&format!("{number}@kim.local")).unwrap(),
            at: time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000),
        };
        store.collect(part).await.unwrap();
    }
    stage
        .until("they were looked after", async || {
            stage.query("select count(*) from dispatches where next_attempt_at is not null").await
                == "5"
        })
        .await;
    stage
        .until_within(Duration::from_secs(70), "a minute is over", async || {
            begun.elapsed() > Duration::from_secs(60)
        })
        .await;
    assert!(server.logins() <= 3, "{} wrong logins within a minute", server.logins());
}

/// KIM-6: the team is told once, a restart tells nothing again, and the end is told once.
#[tokio::test]
async fn kim_6_the_team_is_told_once_that_an_account_cannot_be_used_and_once_that_it_can() {
    let server = CountingServer::start().await;
    let mut stage = Stage::with(|mut channels| {
        channels[0].outbox_port = Some(server.smtp);
        channels
    })
    .await;
    let trouble = Phrase::AccountTrouble {
        side: AccountSide::Outbox,
        trouble: AccountTrouble::Login,
        is_kim: true,
    };
    let works = Phrase::AccountWorks { side: AccountSide::Outbox };
    let mut rooms = Vec::new();
    for number in 0..3 {
        rooms.push(stage.letter_from(&format!("karte{number}")).await.1.room_id);
    }
    for room in &rooms {
        stage.anna.send_text(room, "Antwort").await.unwrap();
    }
    let notice = stage.anna_is_told(&trouble).await;
    assert_eq!(notice.sender, stage.bot_id());
    assert!(!rooms.contains(&notice.room_id), "it is about the channel, not about a letter");
    let figure = "umstieg_account_trouble{channel=\"kim\",side=\"outbox\",trouble=\"login\"} 1";
    stage
        .until("the figure says so", async || stage.gateway.metrics().await.contains(figure))
        .await;
    let logins = server.logins();

    // Whenever the answers would be tried next, it is now.
    let now = "update dispatches set next_attempt_at = null where state = 'waiting'";
    stage.gateway.stop();
    stage.query(now).await;
    stage.gateway.start().await.unwrap();
    stage.until("it was tried again", async || server.logins() > logins).await;
    stage.lives_on().await;
    assert_eq!(stage.anna_was_told(&trouble), 1);

    server.take_all();
    stage.gateway.stop();
    stage.query(now).await;
    stage.gateway.start().await.unwrap();
    let over = stage.anna_is_told(&works).await;
    assert_eq!(over.room_id, notice.room_id);
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "3").await;
    assert_eq!((stage.anna_was_told(&trouble), stage.anna_was_told(&works)), (1, 1));
    let stands = "select count(*) from account_troubles where stands or since is not null";
    assert_eq!(stage.query(stands).await, "0");
    stage.gateway.stop();
    let log = stage.gateway.log();
    assert!(log.contains("Told the team that an account cannot be used"));
    for secret in ["KOM_LE", "mueller.kim", umstieg_world::gateway::PASSWORD] {
        assert!(!log.contains(secret), "KIM-36: {secret} in the log");
    }
}

/// A server that takes connections and says nothing for as long as it is kept: its port, and how many
/// connections it has.
async fn silent_server() -> (u16, watch::Receiver<usize>, JoinSet<()>) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let (taken, heard) = watch::channel(0);
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            held.push(connection);
            taken.send_replace(held.len());
        }
    });
    (port, heard, server)
}

/// KIM-37: a Clientmodul that takes the connection and says nothing holds its own account alone, on both
/// sides.
#[tokio::test]
async fn kim_37_an_account_that_stalls_holds_up_no_other() {
    let (port, heard, _server) = silent_server().await;
    let mut stage = Stage::before_start(|mut channels| {
        let mut stalls = channels[0].clone();
        stalls.name = "stockt".to_owned();
        stalls.address = format!("stockt-{}", stalls.address);
        stalls.outbox_port = Some(port);
        channels.insert(0, stalls);
        channels
    })
    .await;
    let settings = std::fs::read_to_string(stage.gateway.settings_file()).unwrap();
    let (before, inbox) = settings.split_once("[channel.inbox]\n").unwrap();
    let (inbox, after) = inbox.split_once("[channel.outbox]").unwrap();
    let inbox: Vec<String> = inbox
        .lines()
        .map(|line| match line.split(' ').next().unwrap_or_default() {
            "port" => format!("port = {port}\ntls = \"none\""),
            "ca_file" => String::new(),
            _ => line.to_owned(),
        })
        .collect();
    let inbox = inbox.join("\n");
    let settings = format!("{before}[channel.inbox]\n{inbox}\n[channel.outbox]{after}");
    std::fs::write(stage.gateway.settings_file(), settings).unwrap();
    stage.gateway.start().await.unwrap();
    stage.until("the silent server is asked", async || *heard.borrow() > 0).await;
    let (address, letter) = stage.letter_from("erik").await;
    stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    stage.mails(&address, 1).await;
}

/// A mail server that takes connections and says nothing holds its own channel's answers, and nothing
/// else: there are more of them than anything else may use at the same time.
#[tokio::test]
async fn a_silent_mail_server_of_one_channel_holds_up_no_other() {
    let (port, heard, _server) = silent_server().await;
    let mut stage = Stage::before_start(|mut channels| {
        channels[0].outbox_port = Some(port);
        channels
    })
    .await;
    stage.edit_settings(&[("concurrency = 16", "concurrency = 2")]);
    stage.gateway.start().await.unwrap();
    for number in 0..4 {
        let (_, letter) = stage.letter_from(&format!("arzt{number}")).await;
        stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    }
    stage.until("the mail server is asked", async || *heard.borrow() >= 2).await;
    stage.lives_on().await;
    assert_eq!(*heard.borrow(), 2, "more than its seats");
}
