//! Letters pass a virus scanner before anything of them is uploaded (KIM-20): the real clamd, and one that
//! answers nonsense.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    task::JoinSet,
    time::{Duration, Instant},
};
use umstieg::{phrases::Phrase, transport::test_virus};
use umstieg_world::{
    Clamd,
    clamd::{STREAM_BYTES_MAX, SUSPICIOUS_WORDS},
    client::SeenTimeline,
};

use crate::{
    doors::health,
    phrases::hears,
    stage::{Stage, kim_mail},
};

/// A practice whose gateway is not started, with a scanner at this address.
async fn stage_with(address: &str, more: &str) -> Stage {
    let stage = Stage::before_start(|mut channels| {
        channels[0].more_inbox = "after_relay = \"delete\"\n".to_owned();
        channels[0].more_kim.push_str("mailbox = \"owned\"\n");
        channels
    })
    .await;
    let section = format!("[virus_scanner]\naddress = {address:?}\n{more}\n[monitoring]");
    stage.edit_settings(&[("[monitoring]", &section)]);
    stage
}

/// A mail with files in base64.
fn with_files(
    stage: &Stage,
    from: &str,
    id: &str,
    words: &str,
    files: &[(&str, Vec<u8>)],
) -> String {
    let mut parts = format!("--b\nContent-Type: text/plain; charset=utf-8\n\n{words}\n");
    for (name, bytes) in files {
        let encoded = STANDARD.encode(bytes);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        parts.push_str(&format!(
            "--b\nContent-Type: application/octet-stream; name={name}\n\
             Content-Transfer-Encoding: base64\n\
             Content-Disposition: attachment; filename={name}\n\n{}\n",
            lines.join("\n")
        ));
    }
    kim_mail(from, &stage.practice, id, "Befund", "", &format!("{parts}--b--"))
        .replace("text/plain; charset=utf-8\n\n--b", "multipart/mixed; boundary=b\n\n--b")
}

fn found(file_name: &str) -> Phrase {
    let virus = "Eicar-Test-Signature.UNOFFICIAL".to_owned();
    Phrase::FileInfected { file_name: file_name.to_owned(), virus }
}

async fn answers_original(stage: &Stage, to: &str, room: &str, expected: &Phrase) {
    let ask = json!({
        "msgtype": "m.text", "body": "!original",
        "m.relates_to": { "m.in_reply_to": { "event_id": to } },
    });
    stage.anna.send(room, ask).await.unwrap();
    hears(&stage.anna, expected).await;
}

/// A file with a virus is not uploaded; the words and the other file come. Nor is the mail handed out.
#[tokio::test]
async fn kim_20_an_infected_file_stays_out_and_everything_else_comes() {
    let mut clamd = Clamd::prepare().unwrap();
    clamd.start().await.unwrap();
    let mut stage = stage_with(&clamd.address(), "bytes_max = 1048576\n").await;
    let check = stage.gateway.command(&["check"]).await.unwrap();
    let table = String::from_utf8(check.stdout).unwrap();
    assert!(table.contains("(EICAR); ClamAV "), "{table}");
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let files = [("rechnung.exe", test_virus()), ("befund.txt", b"Alles gut".to_vec())];
    stage.receive(&with_files(&stage, &erik, "v1@x", "Anbei der Befund", &files)).await;
    let words = stage.anna_sees("Anbei der Befund").await;
    let room = &words.room_id;
    stage.anna_is_told(&found("rechnung.exe")).await;
    let is_file = |seen: &SeenTimeline| seen.messages_in(room).find(|m| m.has_file()).cloned();
    let file = stage.anna.wait_for("the clean file", is_file).await.unwrap();
    assert_eq!(stage.anna.download(&file).await.unwrap(), b"Alles gut");
    assert_eq!(stage.query("select count(*) from posts where media is not null").await, "1");
    let virus = "Eicar-Test-Signature.UNOFFICIAL".to_owned();
    answers_original(&stage, words.event_id(), room, &Phrase::OriginalInfected { virus }).await;

    // Something in the text: the words come, with what is known of them.
    let text = format!("Bitte klicken {SUSPICIOUS_WORDS}");
    let files = [("harmlos.txt", b"Harmlos".to_vec())];
    stage.receive(&with_files(&stage, &erik, "v2@x", &text, &files)).await;
    let virus = "Umstieg-Suspicious.UNOFFICIAL".to_owned();
    stage.anna_is_told(&Phrase::LetterInfected { virus, files: 1 }).await;
    stage.anna_sees("Bitte klicken").await;

    // A file that is too large for the settings, and one that is too large for clamd.
    let large = vec![b'a'; 1024 * 1024 + 1];
    stage.receive(&with_files(&stage, &erik, "v3@x", "Sehr gross", &[("bild.bin", large)])).await;
    stage.anna_is_told(&Phrase::FileUnscanned { file_name: "bild.bin".to_owned() }).await;
    let words = stage.anna_sees("Sehr gross").await;
    answers_original(&stage, words.event_id(), &words.room_id, &Phrase::OriginalUnscanned).await;
    assert_eq!(stage.query("select count(*) from posts where media is not null").await, "1");
    stage
        .restart_with(|settings| {
            settings.replace("bytes_max = 1048576", "bytes_max = 9000000\nlarge_files = \"pass\"")
        })
        .await;
    let large = vec![b'a'; STREAM_BYTES_MAX + 1];
    stage.receive(&with_files(&stage, &erik, "v4@x", "Noch mehr", &[("film.bin", large)])).await;
    stage.anna_is_told(&Phrase::FilePassed { file_name: "film.bin".to_owned() }).await;
    stage.database_says("select count(*) from posts where media is not null", "2").await;

    // What is clean is deleted from the mailbox; what the scanner found something in stays there.
    stage.letter_from("frieda").await;
    let gone =
        "select string_agg(id::text, ' ' order by id) from letters where deleted_at is not null";
    stage.database_says(gone, "4 5").await;
    let log = stage.gateway.log();
    assert!(log.contains("The virus scanner found something in letter 1"), "{log}");
    for secret in ["rechnung", "Befund", "erik"] {
        assert!(!log.contains(secret), "KIM-36: {secret}");
    }
}

/// Promise 4: a receipt says that the mail was shown. A file of this one was not.
#[tokio::test]
async fn l193_no_receipt_is_sent_for_a_mail_whose_file_is_not_shown() {
    let mut clamd = Clamd::prepare().unwrap();
    clamd.start().await.unwrap();
    let mut stage = stage_with(&clamd.address(), "").await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let asks = format!(
        "X-KOM-LE-Version: 1.5\nX-KIM-DecryptionResult: 00\nX-KIM-IntegrityCheckResult: 01\n\
         Disposition-Notification-To: <{erik}>\nFrom:"
    );
    for (id, bytes) in [("v1@x", b"Alles gut".to_vec()), ("v2@x", test_virus())] {
        let words = format!("Anbei der Befund {id}");
        let mail = with_files(&stage, &erik, id, &words, &[("befund.txt", bytes)]);
        stage.receive(&mail.replacen("From:", &asks, 1)).await;
        stage.anna_sees(&words).await;
    }
    let offered = "select string_agg(id::text, ' ' order by id) from letters
                   where receipt_as is not null";
    assert_eq!(stage.query(offered).await, "1");
}

/// While the scanner is away nothing passes: the letter waits, the team hears of it once, and once that it
/// is over.
#[tokio::test]
async fn kim_20_letters_wait_for_a_scanner_that_is_away() {
    let mut clamd = Clamd::prepare().unwrap();
    let mut stage = stage_with(&clamd.address(), "").await;
    let check = stage.gateway.command(&["check"]).await.unwrap();
    assert_eq!(check.status.code(), Some(1));
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let files = [("rechnung.exe", test_virus())];
    stage.receive(&with_files(&stage, &erik, "v1@x", "Anbei die Rechnung", &files)).await;
    stage.receive(&kim_mail(&erik, &stage.practice, "v2@x", "Frage", "", "Guten Tag")).await;
    stage.database_says("select count(*) from letters where attempts > 0 or id = 2", "1").await;
    let state = async || health(&stage, "/health/ready").await;
    stage
        .until("the monitor says so", async || {
            let (status, body) = state().await;
            status == 200 && body["parts"]["virus_scanner"] == "impaired"
        })
        .await;
    assert_eq!(stage.gateway.metric("umstieg_virus_scanner_up").await, 0.0);
    // A quarter of an hour later.
    stage.query("update account_troubles set since = since - interval '20 minutes'").await;
    // In a room for each channel.
    let in_both = async || stage.anna_was_told(&Phrase::ScannerAway) == 2;
    stage.until("both rooms are told", in_both).await;
    assert_eq!(stage.query("select count(*) from letters where state = 'stored'").await, "2");
    assert_eq!(stage.query("select count(*) from posts where speaker = 'ghost'").await, "0");

    clamd.start().await.unwrap();
    stage.anna_sees("Anbei die Rechnung").await;
    stage.anna_sees("Guten Tag").await;
    stage.anna_is_told(&found("rechnung.exe")).await;
    stage.anna_is_told(&Phrase::ScannerWorks).await;
    assert_eq!(stage.anna_was_told(&Phrase::ScannerAway), 2);
    stage.database_says("select count(*) from account_troubles where stands", "0").await;
    assert_eq!(stage.query("select count(*) from parked").await, "0");
    assert_eq!(stage.gateway.metric("umstieg_virus_scanner_up").await, 1.0);
}

/// A scanner that answers, and has no verdict about one letter: that letter is parked, and those behind it
/// pass once it has one about them.
#[tokio::test]
async fn kim_20_a_letter_without_a_verdict_is_parked_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("clamd");
    let scanner = ScriptedClamd::at(&socket);
    let mut stage = stage_with(&format!("unix:{}", socket.display()), "").await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "v1@x", "Frage", "", "Ohne Urteil")).await;
    let within = std::time::Duration::from_secs(150);
    let parked = async || stage.query("select reason from parked").await == "unscannable";
    stage.until_within(within, "it is parked", parked).await;
    assert_eq!(stage.anna_saw("Ohne Urteil"), 0);
    scanner.is_sane.store(true, Ordering::Relaxed);
    stage.lives_on().await;
    let row = stage.query("select id from parked").await;
    stage.parked(&["retry", &row]).await;
    stage.anna_sees("Ohne Urteil").await;
}

/// Promise 1: a hostile mail at which the scanner dies, again and again, is parked where a person sees it,
/// and the letters behind it come.
#[tokio::test]
async fn l191_a_mail_at_which_the_scanner_dies_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("clamd");
    let scanner = FragileClamd::at(&socket);
    let address = format!("unix:{}", socket.display());
    let mut stage = stage_with(&address, "").await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    let poison = String::from_utf8(POISON.to_vec()).unwrap();
    stage.receive(&kim_mail(&erik, &stage.practice, "v1@x", "Frage", "", &poison)).await;
    stage.until("the scanner died", async || scanner.deaths.load(Ordering::Relaxed) > 0).await;
    stage.receive(&kim_mail(&erik, &stage.practice, "v2@x", "Eilt", "", "Kalium 7,1")).await;
    let within = std::time::Duration::from_secs(180);
    let has_come = async || stage.anna_saw("Kalium 7,1") == 1;
    stage.until_within(within, "the letter behind it comes", has_come).await;
    assert_eq!(stage.query("select reason from parked").await, "unscannable");
    assert!(scanner.deaths.load(Ordering::Relaxed) <= 10);
}

/// A scanner that answers questions, and says nonsense about files unless it is sane.
struct ScriptedClamd {
    is_sane: Arc<AtomicBool>,
    _task: JoinSet<()>,
}

impl ScriptedClamd {
    fn at(socket: &std::path::Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let is_sane = Arc::new(AtomicBool::new(false));
        let (sane, mut task) = (is_sane.clone(), JoinSet::new());
        task.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut word = [0; 6];
                if stream.read_exact(&mut word).await.is_err() {
                    continue;
                }
                let answer: &[u8] = match (&word, sane.load(Ordering::Relaxed)) {
                    (b"zPING\0", _) => b"PONG\0",
                    (_, true) => b"stream: OK\0",
                    (_, false) => b"stream: no idea\0",
                };
                if &word != b"zPING\0" {
                    let mut rest = Vec::new();
                    // To the empty chunk.
                    while !rest.ends_with(&[0; 4]) {
                        match stream.read_u8().await {
                            Ok(byte) => rest.push(byte),
                            Err(_) => break,
                        }
                    }
                }
                let _ = stream.write_all(answer).await;
            }
        });
        Self { is_sane, _task: task }
    }
}

/// A scanner that ends at a mail with these bytes in it, and is there again a moment later, as systemd has
/// it.
struct FragileClamd {
    deaths: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

const POISON: &[u8] = b"GIFTIGE-BYTES";

impl FragileClamd {
    fn at(socket: &std::path::Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let deaths = Arc::new(AtomicUsize::new(0));
        let (died, mut task) = (deaths.clone(), JoinSet::new());
        task.spawn(async move {
            let mut away_until = Instant::now();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut word = [0; 6];
                if Instant::now() < away_until || stream.read_exact(&mut word).await.is_err() {
                    continue;
                }
                if &word == b"zPING\0" {
                    let _ = stream.write_all(b"PONG\0").await;
                    continue;
                }
                let mut rest = Vec::new();
                while !rest.ends_with(&[0; 4]) {
                    match stream.read_u8().await {
                        Ok(byte) => rest.push(byte),
                        Err(_) => break,
                    }
                }
                if rest.windows(POISON.len()).any(|bytes| bytes == POISON) {
                    died.fetch_add(1, Ordering::Relaxed);
                    away_until = Instant::now() + Duration::from_secs(2);
                } else {
                    let _ = stream.write_all(b"stream: OK\0").await;
                }
            }
        });
        Self { deaths, _task: task }
    }
}
