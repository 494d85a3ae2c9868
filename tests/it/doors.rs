//! The doors of the gateway: what the homeserver brings, twice, late or never; and what the
//! gateway tells of itself.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use ruma::OwnedDeviceId;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use umstieg::matrix::{Homeserver, HomeserverAccess};
use umstieg_world::{World, WorldOptions, client::SeenEvent};

use crate::{
    phrases::HANDED_TO_KIM,
    stage::{Stage, kim_mail},
};

async fn first_letter(stage: &Stage) -> (String, SeenEvent) {
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "d1@x", "Befund", "", "Guten Tag")).await;
    let letter = stage.anna_sees("Guten Tag").await;
    (erik, letter)
}

/// Knocks at the gateway's door as the homeserver does.
pub(crate) async fn knock(stage: &Stage, txn_id: &str, events: &[Value]) {
    let slot = stage.gateway.slot();
    let url = format!("http://127.0.0.1:{}/_matrix/app/v1/transactions/{txn_id}", slot.port);
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .put(url)
        .bearer_auth(&slot.hs_token)
        .body(json!({ "events": events }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

fn words(stage: &Stage, room: &str, event_id: &str, body: &str) -> Value {
    json!({
        "type": "m.room.message", "event_id": event_id, "room_id": room, "sender": stage.anna_id,
        "origin_server_ts": 1, "content": { "msgtype": "m.text", "body": body },
    })
}

#[tokio::test]
async fn tim_22_an_event_counts_once_however_often_and_by_whatever_door_it_comes() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let room = &letter.room_id;
    // By Synapse's transaction, then again by hand under another name, twice.
    let event_id = stage.anna.send_text(room, "Einmal gesagt").await.unwrap();
    stage.mails(&erik, 1).await;
    let event = words(&stage, room, &event_id, "Einmal gesagt");
    for txn_id in ["by-hand-1", "by-hand-2", "by-hand-2"] {
        knock(&stage, txn_id, std::slice::from_ref(&event)).await;
    }
    // What `/sync` does not tell of is kept, and not acted upon.
    knock(&stage, "by-hand-2", &[words(&stage, room, "$never:x", "Nie gesagt")]).await;
    // What comes after all of this is read after it.
    stage.anna.send_text(room, "Danach").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Danach"), "{}", mails[1]);
    let unread =
        format!("select count(*) from room_events where state = 'new' and room_id = '{room}'");
    stage.database_says(&unread, "0").await;
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "2").await;
    let count = format!("select count(*) from room_events where event_id = '{event_id}'");
    assert_eq!(stage.query(&count).await, "1");
    assert_eq!(stage.mails(&erik, 2).await.len(), 2);
    let untold = "select state from room_events where event_id = '$never:x'";
    assert_eq!(stage.query(untold).await, "fetched");
}

/// What was swallowed, one request after the other.
type Swallowed = Arc<Mutex<String>>;

/// Answers every request with 200 and forgets it, as a proxy might that went mad.
async fn swallow(port: u16) -> (JoinSet<()>, Swallowed) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let swallowed = Swallowed::default();
    let kept = swallowed.clone();
    let mut thief = JoinSet::new();
    thief.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(swallow_one(stream, kept.clone()));
        }
    });
    (thief, swallowed)
}

async fn swallow_one(mut stream: TcpStream, kept: Swallowed) {
    let (mut request, mut buffer) = (Vec::new(), vec![0; 65_536]);
    while !is_whole(&request) {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let _ = stream.write_all(answer.as_bytes()).await;
    kept.lock().unwrap().push_str(&String::from_utf8_lossy(&request));
}

/// Whether a request is there with its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).into_owned();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    request.len() >= head.len() + 4 + length
}

/// An invalid position in the `/sync`: damaged, or of another homeserver. What was said meanwhile
/// leaves, once and in order, and so does what is said after it.
#[tokio::test]
async fn a_position_that_is_none_makes_nobody_deaf() {
    let mut stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let room = letter.room_id.clone();
    stage.anna.send_text(&room, "Vorher.").await.unwrap();
    stage.mails(&erik, 1).await;
    for damage in ["update sync_positions set since = 'kaputt'", "delete from sync_positions"] {
        stage.gateway.stop();
        stage.query(damage).await;
        let before = stage.mails(&erik, 1).await.concat().matches("Satz ").count();
        let (mut thief, swallowed) = swallow(stage.gateway.slot().port).await;
        for number in 0..5 {
            stage.anna.send_text(&room, &format!("Satz {number}.")).await.unwrap();
        }
        // What was said is told in its order.
        let has_all = async || swallowed.lock().unwrap().contains("Satz 4.");
        stage.until("all was swallowed", has_all).await;
        thief.shutdown().await;
        stage.gateway.start().await.unwrap();
        stage.anna.send_text(&room, "Satz danach.").await.unwrap();
        let satz = async || stage.mails(&erik, 1).await.concat().matches("Satz ").count();
        stage.until("all of it left", async || satz().await >= before + 6).await;
        stage.database_says("select count(*) from dispatches where state <> 'accepted'", "0").await;
        assert_eq!(satz().await, before + 6, "each once");
    }
    assert_eq!(stage.mails(&erik, 1).await.concat().matches("Vorher.").count(), 1);
    let said = stage.texts_of_dispatches().await.concat();
    let five: String = (0..5).map(|number| format!("Satz {number}.")).collect();
    assert!(said.matches(&format!("{five}Satz danach.")).count() == 2, "{said}");
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}

/// Synapse answers a question it heard before from its memory, with its position of then: what a
/// transaction brings would be read before what was said earlier.
#[tokio::test]
async fn where_the_homeserver_stands_is_asked_anew_each_time() {
    let mut stage = Stage::new().await;
    let (_, letter) = first_letter(&stage).await;
    let find = format!("select device_id from devices where user_id = '{}'", stage.bot_id());
    let device: OwnedDeviceId = stage.query(&find).await.into();
    stage.gateway.stop();
    let (world, slot) = (&stage.world.homeserver, stage.gateway.slot());
    let homeserver = Homeserver::new(HomeserverAccess {
        base_url: world.url.parse().unwrap(),
        server_name: world.server_name.as_str().try_into().unwrap(),
        as_token: slot.as_token.clone().into(),
        bot_localpart: format!("{}bot", slot.prefix),
        user_prefix: slot.prefix.clone(),
        extra_roots_pem: Vec::new(),
    })
    .unwrap();
    for number in 0..3 {
        let said = stage.anna.send_text(&letter.room_id, &format!("Satz {number}.")).await.unwrap();
        // What others write at the same time may keep it back for a moment; an old answer stays for
        // two minutes.
        stage
            .until("it is told", async || {
                let batch = homeserver.sync(&device, None, Duration::ZERO).await.unwrap();
                batch.joined.iter().flat_map(|room| &room.timeline).any(|e| e.event_id == said)
            })
            .await;
    }
}

/// What was said while the gateway was away and the first door's transactions were lost: more than
/// one `/sync` brings at once, so that the gap is filled.
#[tokio::test]
async fn what_the_first_door_lost_comes_through_the_second_with_its_gaps_filled() {
    let mut stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let room = letter.room_id.clone();
    stage.database_says("select count(*) from sync_positions", "1").await;
    // The position is after the letter's echo, so that it is known what follows.
    let echoed =
        format!("select count(*) from room_events where event_id = '{}'", letter.event_id());
    stage.database_says(&echoed, "1").await;
    stage.gateway.stop();
    let (mut thief, swallowed) = swallow(stage.gateway.slot().port).await;
    const SAID: usize = 130;
    for number in 0..SAID {
        stage.anna.send_text(&room, &format!("Satz {number:03}.")).await.unwrap();
    }
    // Synapse sends its queue in a few transactions, in the order in which it was said.
    let last = format!("Satz {:03}.", SAID - 1);
    let has_all = async || swallowed.lock().unwrap().contains(&last);
    stage.until("all was swallowed", has_all).await;
    thief.shutdown().await;
    stage.gateway.start().await.unwrap();

    let parts = "select count(*) from dispatch_parts";
    stage.database_says(parts, &SAID.to_string()).await;
    stage.database_says("select count(*) from dispatches where state <> 'accepted'", "0").await;
    let by_sync = stage.query("select count(*) from room_events where door = 'sync' and sender like '@anna%' and event is null").await;
    assert!(by_sync.parse::<usize>().unwrap() >= SAID, "{by_sync}");
    let order = stage.texts_of_dispatches().await.concat();
    let expected: String = (0..SAID).map(|number| format!("Satz {number:03}.")).collect();
    assert_eq!(order, expected, "in the order in which it was said");
    let mails = stage.mails(&erik, 1).await.concat();
    assert_eq!(mails.matches("Satz ").count(), SAID, "each once");
}

pub(crate) async fn health(stage: &Stage, path: &str) -> (u16, Value) {
    let settings = std::fs::read_to_string(stage.gateway.settings_file()).unwrap();
    let (_, monitoring) = settings.split_once("[monitoring]\nlisten = \"").unwrap();
    let address = monitoring.split('"').next().unwrap();
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn the_gateway_is_ready_only_while_its_homeserver_answers() {
    let mut world = World::start(WorldOptions::with_slots(1), |_| {}).await.unwrap();
    let surroundings = Box::leak(Box::new(world.surroundings()));
    let mut stage = Stage::in_world(surroundings, |channels| channels).await;
    stage.gateway.start().await.unwrap();
    let (status, body) = health(&stage, "/health/ready").await;
    assert_eq!((status, &body["parts"]["homeserver"]), (200, &json!("ready")), "{body}");

    world.synapse.kill();
    stage.until("it is not ready", async || health(&stage, "/health/ready").await.0 == 503).await;
    let (_, body) = health(&stage, "/health/ready").await;
    assert_eq!(body["parts"]["homeserver"], "down", "{body}");
    assert_eq!(health(&stage, "/health/live").await.0, 200, "a restart would not help");
    // A letter that comes meanwhile is fetched, and reaches the room later.
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "h1@x", "Befund", "", "In der Not")).await;
    stage.database_says("select state from letters", "placed").await;

    world.synapse.start_again().await.unwrap();
    stage.until("it is ready again", async || health(&stage, "/health/ready").await.0 == 200).await;
    stage.anna_sees("In der Not").await;
    drop(stage);
    drop(world);
}

/// What Postgres does not do says nothing about the homeserver and the mailboxes.
#[tokio::test]
async fn what_postgres_refuses_is_no_fault_of_homeserver_or_mailbox() {
    let mut stage = Stage::new().await;
    stage.letter_from("erik").await;
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    stage
        .until("everything was asked once", async || {
            let (_, body) = health(&stage, "/health/ready").await;
            ["homeserver", "kim", "fax"].iter().all(|part| body["parts"][part] == "ready")
        })
        .await;
    for table in ["sync_positions", "mailboxes"] {
        stage.query(&format!("alter table {table} rename to {table}_away")).await;
    }
    for words in ["The bot's /sync failed", "The look into the mailbox failed"] {
        stage.until(words, async || stage.gateway.log().contains(words)).await;
    }
    let (_, body) = health(&stage, "/health/ready").await;
    for part in ["homeserver", "kim", "fax"] {
        assert_eq!(body["parts"][part], "ready", "{body}");
    }
    let metrics = stage.gateway.metrics().await;
    assert!(metrics.contains("umstieg_mailbox_up{channel=\"kim\"} 1"), "{metrics}");
}

#[tokio::test]
async fn the_metrics_move_with_letters_and_answers() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    stage.mails(&erik, 1).await;
    stage.anna_is_told(&HANDED_TO_KIM).await;
    for name in [
        "umstieg_letters_received_total",
        "umstieg_letters_total",
        "umstieg_portals_opened_total",
        "umstieg_hand_over_total",
    ] {
        assert!((stage.gateway.metric(name).await - 1.0).abs() < 0.5, "{name}");
    }
    // A client sees a post before the gateway has the homeserver's answer.
    stage
        .until("both posts are counted", async || {
            stage.gateway.metric("umstieg_posts_total").await >= 2.0
        })
        .await;
    assert!(stage.gateway.metric("umstieg_matrix_requests_total").await > 5.0);
    stage
        .until("the sweep has counted", async || {
            stage.gateway.metric("umstieg_ghosts").await >= 1.0
                && stage.gateway.metric("umstieg_dispatches").await >= 1.0
        })
        .await;
    let figures = stage.gateway.metrics().await;
    assert!(figures.contains("umstieg_mailbox_up{channel=\"kim\"} 1"), "{figures}");
    for marker in ["erik", "Befund", "charite", &letter.room_id, "anna"] {
        assert!(!figures.contains(marker), "{marker} in {figures}");
    }
}

#[tokio::test]
async fn a_second_gateway_on_one_database_does_not_start() {
    let stage = Stage::new().await;
    let output = stage.gateway.command(&["run"]).await.unwrap();
    // F13: systemd does not start it again.
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("another gateway is running on this database; stop it first"), "{said}");
    stage.until("the first one is ready", async || stage.gateway.is_ready().await).await;
}

/// docs/configuration.md: without this section there is no metrics endpoint and no health endpoint.
#[tokio::test]
async fn without_a_monitoring_section_nothing_is_shown_to_who_has_no_token() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let file = stage.gateway.settings_file();
    let settings = std::fs::read_to_string(&file).unwrap();
    let (before, after) = settings.split_once("[monitoring]\n").unwrap();
    let (_, rest) = after.split_once("\n\n").unwrap();
    std::fs::write(&file, format!("{before}{rest}")).unwrap();
    stage.gateway.launch().await.unwrap();
    stage.letter_from("erik").await;
    let slot = stage.gateway.slot();
    let mut shown = BTreeSet::new();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in
        ["/metrics", "/health/live", "/health/ready", "/health", "/", "/_matrix/app/v1/ping"]
    {
        for token in [None, Some("wrong"), Some(slot.hs_token.as_str())] {
            let url = format!("http://127.0.0.1:{}{path}", slot.port);
            let mut request = client.get(url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let said = answer.text().await.unwrap();
            if !matches!(status, 401 | 403 | 404 | 405) || said.contains("umstieg") {
                shown.insert((path, token.is_some(), status));
            }
        }
    }
    assert!(shown.is_empty(), "{shown:?}");
}

/// `R22`: heads that are half sent, and bodies that never end, while letters and answers pass.
#[tokio::test]
async fn who_holds_the_door_open_holds_nobody_up() {
    let stage = Stage::new().await;
    let port = stage.gateway.slot().port;
    let mut strangers = Vec::new();
    for number in 0..400 {
        let mut stranger = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let head = match number % 4 {
            0 => "",
            1 => "PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\nhost: x\r\nauthorization: Be",
            2 => "PUT /transactions/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n{",
            _ => {
                "PUT /transactions/1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"
            }
        };
        let _ = stranger.write_all(head.as_bytes()).await;
        strangers.push(stranger);
    }
    let (erik, letter) = first_letter(&stage).await;
    stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    stage.mails(&erik, 1).await;
    let by_the_door = "select count(*) from room_events where door = 'transaction'";
    stage.until("the homeserver got in", async || stage.query(by_the_door).await != "0").await;
    drop(strangers);
}

#[tokio::test]
async fn told_to_stop_it_ends_what_it_began_and_loses_nothing() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let (erik, letters) = (stage.correspondent("erik").await, 20);
    for number in 0..letters {
        let id = format!("s{number}@x");
        let mail =
            kim_mail(&erik, &stage.practice, &id, "Befund", "", &format!("Brief {number:02}"));
        stage.receive(&mail).await;
    }
    let run = |stage: &Stage| {
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(stage.gateway.settings_file().with_file_name("umstieg.log"))
            .unwrap();
        tokio::process::Command::new(env!("CARGO_BIN_EXE_umstieg"))
            .args(["--settings", &stage.gateway.settings_file().display().to_string(), "run"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    let mut gateway = run(&stage);
    stage.anna_sees("Brief 0").await;
    let id = gateway.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let status = tokio::time::timeout(Duration::from_secs(40), gateway.wait()).await.unwrap();
    assert_eq!(status.unwrap().code(), Some(0), "{}", stage.gateway.log());
    // Whatever was claimed was finished: nothing is left half done.
    let half = "select count(*) from dispatches where state in ('handing_over', 'sending_body')";
    assert_eq!(stage.query(half).await, "0");
    stage.gateway.start().await.unwrap();
    for number in 0..letters {
        let words = format!("Brief {number:02}");
        stage.anna_sees(&words).await;
        let seen = stage.anna.seen();
        let posts: Vec<_> =
            seen.messages().filter(|message| message.body().contains(&words)).collect();
        let names: BTreeSet<&str> = posts.iter().map(|post| post.event_id()).collect();
        assert_eq!((posts.len(), names.len()), (1, 1), "{words}: {posts:#?}");
    }
}
