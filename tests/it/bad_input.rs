//! Bad input, end to end: hostile and broken mail, and a door that any client may try.
//!
//! `letters.rs` shows what is read from such mail; here it goes through real servers into a room,
//! and afterwards the gateway still works.

use std::{fmt::Write as _, time::Duration};

use base64::Engine as _;
use serde_json::{Value, json};

use umstieg::phrases::Phrase;
use umstieg_world::client::SeenEvent;

use crate::{
    phrases::{HANDED_TO_KIM, says, sentence},
    stage::Stage,
};

/// The beginning of a mail to the practice, up to its own headers.
fn head(id: &str) -> String {
    format!("Date: Mon, 23 Nov 2026 08:00:00 +0100\nMessage-ID: <{id}@x>\nMIME-Version: 1.0\n")
}

const FROM: &str = "From: Dr. Erik Muster <erik@charite.kim.telematik>\n";

/// How long 50 MB may be on their way where nothing is optimised and others work as well.
const LARGE_FILE: std::time::Duration = std::time::Duration::from_secs(240);

impl Stage {
    /// Puts bytes into the practice's KIM mailbox, and waits for words in a room.
    async fn shows(&self, mail: impl AsRef<[u8]>, words: &str) -> SeenEvent {
        self.world.mail.deliver(mail.as_ref(), &self.practice).await.unwrap();
        self.anna_sees(words).await
    }

    /// Waits for the file of this name in a room, and fetches it.
    async fn file(&self, room: &str, name: &str) -> (SeenEvent, Vec<u8>) {
        let file = self
            .anna
            .wait_for_within(LARGE_FILE, &format!("the file {name}"), |seen| {
                seen.messages_in(room).find(|m| m.has_file() && m.body() == name).cloned()
            })
            .await
            .unwrap();
        let bytes = self.anna.download(&file).await.unwrap();
        (file, bytes)
    }

    /// Knocks at the door of the application service.
    async fn knock(&self, token: &str, txn_id: &str, body: String) -> u16 {
        let port = self.gateway.slot().port;
        let url = format!("http://127.0.0.1:{port}/_matrix/app/v1/transactions/{txn_id}");
        let request = reqwest::Client::new().put(url).bearer_auth(token).body(body);
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn kim_18_broken_mime_is_shown_as_far_as_it_goes_and_the_original_stays_to_be_had() {
    let stage = Stage::new().await;
    let mail = format!(
        "{}{FROM}Subject: =?utf-8?Q?Kaputt=C3?= =?nowhere?B?####?=\n\
         Content-Type: multipart/mixed; boundary=\"b\n\n--b\nContent-Type: text/plain; charset=nix\n\
         Content-Transfer-Encoding: base64\n\n!!! kein base64 !!!\n--c\n\nLesbarer Rest\n",
        head("mime")
    );
    let letter = stage.shows(&mail, "Kaputt").await;
    stage.anna_is_told(&Phrase::LetterDefects).await;
    stage.anna.reply(&letter.room_id, letter.event_id(), "!original").await.unwrap();
    let original = stage
        .anna
        .wait_for("the original", |seen| seen.messages().find(|m| m.has_file()).cloned())
        .await
        .unwrap();
    let bytes = stage.anna.download(&original).await.unwrap();
    let text = String::from_utf8(bytes).unwrap().replace("\r\n", "\n");
    assert!(text.ends_with(&mail), "{text}");
    stage.lives_on().await;
}

/// The most memory the gateway ever had, in MiB.
fn peak_memory(stage: &Stage) -> usize {
    let id = stage.gateway.id().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

/// A mail with one attachment of this size that does not compress.
fn mail_with_file(id: &str, from_and_subject: &str, bytes: usize) -> (String, Vec<u8>) {
    let mut state = 1_u64;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(bytes)
    .collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(&content);
    let mut mail = format!(
        "{}{from_and_subject}Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\
         Anbei die Bilder\n--b\nContent-Type: application/zip; name=bilder.zip\n\
         Content-Disposition: attachment; filename=bilder.zip\n\
         Content-Transfer-Encoding: base64\n\n",
        head(id)
    );
    for line in encoded.as_bytes().chunks(76) {
        mail.extend(line.iter().map(|byte| char::from(*byte)));
        mail.push('\n');
    }
    mail.push_str("--b--\n");
    (mail, content)
}

/// How much memory the gateway may need at most for a mail of 68 MB, in MiB: its own, and pieces of
/// the mail (`large_files` says which). About 95 were measured.
const MEMORY_MAX: usize = 150;

#[tokio::test]
async fn kim_10_a_file_of_50_mb_arrives_whole_in_bounded_memory() {
    let stage = Stage::new().await;
    let subject = format!("{FROM}Subject: Grosse Bilder\n");
    let (mail, content) = mail_with_file("gross", &subject, 50_000_000);
    stage.world.mail.deliver(mail.as_bytes(), &stage.practice).await.unwrap();
    let letter = stage
        .anna
        .wait_for_within(Duration::from_secs(240), "the letter with the pictures", |seen| {
            seen.message_with("Anbei die Bilder").cloned()
        })
        .await
        .unwrap();
    let (file, bytes) = stage.file(&letter.room_id, "bilder.zip").await;
    assert_eq!(file.content["info"]["size"], 50_000_000);
    assert!(bytes == content, "the file differs; it has {} bytes", bytes.len());
    stage.lives_on().await;
    let peak = peak_memory(&stage);
    println!("the gateway had at most {peak} MiB");
    assert!(peak <= MEMORY_MAX, "{peak} MiB");
}

/// KIM-10: the limit holds for what comes; a larger mail is not lost, it stays in the mailbox.
#[tokio::test]
async fn kim_10_of_a_mail_above_the_limit_the_head_is_shown_and_later_mails_come() {
    let stage = Stage::with(|mut channels| {
        for channel in &mut channels {
            channel.more_inbox = "mail_bytes_max = 1_048_576\nafter_relay = \"delete\"".to_owned();
            if channel.kind == "kim" {
                channel.more_kim.push_str("mailbox = \"owned\"\n");
            }
        }
        channels
    })
    .await;
    // POP3.
    let subject = format!("{FROM}Subject: Zu viele Bilder\n");
    let (mail, _) = mail_with_file("zugross", &subject, 3_000_000);
    let letter = stage.shows(&mail, "Zu viele Bilder").await;
    let hint = stage.anna_is_told(&Phrase::LetterTooLarge { limit_mib: 1 }).await;
    assert_eq!(hint.room_id, letter.room_id);
    // IMAP.
    let subject = "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 23125998\n";
    let (fax, _) = mail_with_file("faxzugross", subject, 3_000_000);
    stage.receive_fax(&fax).await;
    let hint = stage
        .anna
        .wait_for("the hint at the fax", |seen| {
            seen.messages()
                .find(|m| {
                    m.room_id != letter.room_id
                        && says(m.body(), &Phrase::LetterTooLarge { limit_mib: 1 })
                })
                .cloned()
        })
        .await
        .unwrap();
    stage
        .receive_fax(
            "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 23125998\n\
                       Date: Mon, 23 Nov 2026 09:00:00 +0100\n\nDas naechste Fax\n",
        )
        .await;
    assert_eq!(stage.anna_sees("Das naechste Fax").await.room_id, hint.room_id);
    stage.lives_on().await;
    assert_eq!(stage.anna_was_told(&Phrase::LetterTooLarge { limit_mib: 1 }), 2, "said once each");
    // The small ones are deleted, as the settings want; of the large ones there is no other copy.
    stage.database_says("select count(*) from letters where deleted_at is not null", "2").await;
    for address in [&stage.practice, &stage.fax_line] {
        let left = stage.world.mail.mails(address).unwrap();
        assert_eq!(left.len(), 1, "{address}");
        assert!(left[0].len() > 3_000_000, "{address}");
    }
}

#[tokio::test]
async fn ten_thousand_headers_are_survived() {
    let stage = Stage::new().await;
    let many = (0..10_000).fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "X-Kopfzeile-{number}: {number}");
        all
    });
    // Of a mail that KIM decrypted, nobody could tell what the Clientmodul says behind them.
    let mail = format!(
        "X-World-Untouched: yes\n{FROM}{}Subject: Viele Kopfzeilen\n{many}\nDer Text\n",
        head("kopf")
    );
    let letter = stage.shows(&mail, "Viele Kopfzeilen").await;
    assert!(!letter.body().contains("X-Kopfzeile"), "{}", letter.body());
    stage.anna_is_told(&Phrase::LetterHeadCut).await;
    stage.lives_on().await;
}

/// KIM-23: what smuggles a line end into a header must not get one out of us either.
#[tokio::test]
async fn kim_23_line_ends_in_encoded_words_make_no_headers() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let evil = "=?utf-8?Q?Befund=0D=0ABcc:_alle@evil.kim.telematik=0D=0A=0D=0AText?=";
    let mail = format!("{}From: {evil} <{erik}>\nSubject: {evil}\n\nGuten Tag\n", head("zeilen"));
    let letter = stage.shows(&mail, "Guten Tag").await;
    let subject = letter.body().lines().next().unwrap();
    assert!(subject.starts_with("Befund") && subject.contains("Bcc:"), "{}", letter.body());
    assert!(!letter.sender_name.contains(['\r', '\n']), "{}", letter.sender_name);
    stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    let (headers, _) = mails[0]
        .replace("\r\n", "\n")
        .split_once("\n\n")
        .map(|(h, b)| (h.to_owned(), b.to_owned()))
        .unwrap();
    assert!(!headers.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{headers}");
    assert!(headers.contains("Subject:") && mails[0].contains("Danke"), "{}", mails[0]);
    stage.lives_on().await;
}

#[tokio::test]
async fn a_zip_of_zips_is_a_file_and_never_opened() {
    let stage = Stage::new().await;
    let mail = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/letters/zip_of_zips.eml"))
        .unwrap();
    stage.world.mail.deliver(&mail, &stage.practice).await.unwrap();
    let file = stage
        .anna
        .wait_for("the archive", |seen| seen.messages().find(|m| m.has_file()).cloned())
        .await
        .unwrap();
    assert_eq!(file.content["info"]["mimetype"], "application/zip");
    assert!(stage.anna.download(&file).await.unwrap().starts_with(b"PK"));
    stage.lives_on().await;
    let files = stage.anna.seen().messages().filter(|m| m.has_file()).count();
    assert_eq!(files, 1, "{}", stage.anna.seen());
}

#[tokio::test]
async fn no_sender_and_three_senders_are_shown_and_cannot_be_answered() {
    let stage = Stage::new().await;
    let three = "From: a@x.kim.telematik\nFrom: b@x.kim.telematik\nFrom: c@x.kim.telematik\n";
    let mut rooms = Vec::new();
    for (from, words, hint) in
        [("", "Von niemandem", Phrase::NoSender), (three, "Von dreien", Phrase::SeveralSenders)]
    {
        let mail = format!("{}{from}Subject: Wer\n\n{words}\n", head(&words.replace(' ', "-")));
        let letter = stage.shows(&mail, words).await;
        assert_eq!(letter.sender_name, sentence(&Phrase::GhostUnknownKim));
        assert_eq!(stage.anna_is_told(&hint).await.room_id, letter.room_id);
        let answer = stage.anna.send_text(&letter.room_id, "Wer sind Sie?").await.unwrap();
        let refusal = stage
            .anna
            .wait_for("the refusal", |seen| {
                seen.messages().find(|m| m.reply_to() == Some(&answer)).cloned()
            })
            .await
            .unwrap();
        assert_eq!(refusal.body(), sentence(&Phrase::NoCorrespondentAddress));
        rooms.push(letter.room_id);
    }
    assert_ne!(rooms[0], rooms[1], "two unknown senders may be two people");
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
    stage.lives_on().await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_survived() {
    let stage = Stage::new().await;
    // 8-bit bytes without a declared charset, in header and body.
    let mut mail = format!("{}{FROM}", head("bytes")).into_bytes();
    mail.extend_from_slice(
        b"Subject: M\xfcll \xff\xfe\x80\n\nDer Text \xc3\x28 \xf0\x9f\x92 Ende der Bytes\n",
    );
    stage.shows(&mail, "Ende der Bytes").await;
    // NULs and controls: Postgres takes no U+0000 in text.
    let mut mail = format!("{}{FROM}", head("nul")).into_bytes();
    mail.extend_from_slice(b"Subject: Null\x00en =?utf-8?Q?=00=07=1B?=\nX-Weg: \x00\n\nVor\x00her\x01\x1b[31m Ende der Nullen\n");
    let letter = stage.shows(&mail, "Ende der Nullen").await;
    assert!(!letter.body().contains(['\0', '\x07', '\x1b']), "{:?}", letter.body());
    // A megabyte of noise that never was a mail.
    let noise: Vec<u8> =
        (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    stage.world.mail.deliver(&noise, &stage.practice).await.unwrap();
    stage.lives_on().await;
    stage.database_says("select count(*) from letters where state = 'posted'", "4").await;
}

#[tokio::test]
async fn a_subject_of_a_megabyte_is_cut() {
    let stage = Stage::new().await;
    // In lines that servers let through, folded.
    let long = "lang ".repeat(180);
    let folded = vec![long.trim(); 1_100].join("\n ");
    let mail = format!("{}{FROM}Subject: Sehr {folded}\n\nDer kurze Text\n", head("lang"));
    let letter = stage.shows(&mail, "Der kurze Text").await;
    assert!(letter.body().starts_with("Sehr lang"), "{}", letter.body());
    assert!(letter.body().len() < 1_000, "{} bytes", letter.body().len());
    stage.anna_is_told(&Phrase::LetterHeadCut).await;
    stage.lives_on().await;
}

/// KIM-18: what a client is given to show can neither run nor call home.
#[tokio::test]
async fn kim_18_html_reaches_clients_without_scripts_and_remote_images() {
    let stage = Stage::new().await;
    let html = "<html><head><style>@import url(http://spion.example/a.css)</style>\
        <meta http-equiv=refresh content='0;url=http://spion.example'></head>\
        <body onload=\"x()\" background='http://spion.example/b.png'><h1>Guten Tag</h1>\
        <script>alert(1)</script><img src=\"http://spion.example/pixel.png\" onerror=\"x()\">\
        <p style=\"background:url(http://spion.example/c)\">Ein <b>wichtiger</b> Satz</p>\
        <a href=\"javascript:alert(2)\">Klick</a><iframe src='http://spion.example/d'></iframe>\
        <form action='http://spion.example/e'><input></form><svg onload=x()></svg></body></html>";
    let mail = format!("{}{FROM}Subject: HTML\nContent-Type: text/html\n\n{html}\n", head("html"));
    let letter = stage.shows(&mail, "wichtiger").await;
    let shown = letter.formatted_body();
    assert!(shown.contains("Guten Tag") && shown.contains("wichtiger"), "{shown}");
    assert!(shown.contains("<b>") || shown.contains("<strong>wichtiger"), "{shown}");
    for danger in [
        "spion.example",
        "script",
        "javascript",
        "onload",
        "onerror",
        "<img",
        "style",
        "iframe",
        "<form",
        "<svg",
        "<meta",
        "alert",
    ] {
        assert!(!shown.contains(danger), "{danger}: {shown}");
        assert!(!letter.body().contains(danger), "{danger}: {}", letter.body());
    }
    stage.lives_on().await;
}

/// FAX-12: a mail that did not come from the gateway is quarantined, and a person can see that.
#[tokio::test]
async fn fax_12_who_is_not_the_gateway_brings_no_fax() {
    let stage = Stage::new().await;
    let fax = |from: &str, words: &str| {
        format!("{from}Subject: Neues Fax von 030 23125997\n{}\n{words}\n", head(words))
    };
    for (from, words) in [
        ("From: Fax <fremd@evil.example>\n", "Falsches-Fax-1"),
        ("From: <gateway@fax.example.evil.example>\n", "Falsches-Fax-2"),
        ("From: <gateway@fax.example>\nFrom: <fremd@evil.example>\n", "Falsches-Fax-3"),
        ("", "Falsches-Fax-4"),
    ] {
        stage.receive_fax(&fax(from, words)).await;
    }
    stage.database_says("select count(*) from letters where state = 'parked'", "4").await;
    let list = stage.parked(&["list"]).await;
    assert_eq!(list.matches("sender_not_allowed").count(), 2, "{list}");
    assert_eq!(list.matches("several_senders").count(), 1, "{list}");
    assert_eq!(list.matches("no_sender").count(), 1, "{list}");
    assert!(list.contains("letter") && !list.contains("evil"), "{list}");
    // The real one comes through, and nothing else did.
    stage.receive_fax(&fax("From: Fax <gateway@fax.example>\n", "Echtes-Fax")).await;
    let letter = stage.anna_sees("Echtes-Fax").await;
    let number = "+493023125997".to_owned();
    assert_eq!(letter.sender_name, sentence(&Phrase::GhostFax { number }));
    stage.lives_on().await;
    assert_eq!(stage.anna_saw("Falsches-Fax"), 0);
    assert_eq!(stage.query("select count(*) from conversations where channel = 'fax'").await, "1");
    // What a person gives up is gone from the list.
    let row = list.lines().find(|line| line.contains("no_sender")).unwrap();
    stage.parked(&["drop", row.split_whitespace().next().unwrap()]).await;
    assert!(!stage.parked(&["list"]).await.contains("no_sender"));
}

#[tokio::test]
async fn a_wrong_token_opens_no_door() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("erik").await;
    let forged = json!({ "events": [{
        "type": "m.room.message", "event_id": "$gefaelscht", "room_id": letter.room_id,
        "sender": stage.anna_id, "origin_server_ts": 1,
        "content": { "msgtype": "m.text", "body": "Untergeschobene Antwort" },
    }] })
    .to_string();
    let slot = stage.gateway.slot().clone();
    let nearly = format!("{}x", slot.hs_token);
    for token in ["falsch", "", &slot.as_token, &nearly] {
        let status = stage.knock(token, "gefaelscht", forged.clone()).await;
        assert!([401, 403].contains(&status), "{status}");
    }
    assert_eq!(stage.knock("falsch", "gefaelscht", forged).await, 403);
    let known = "select count(*) from room_events where event_id = '$gefaelscht'";
    assert_eq!(stage.query(known).await, "0");
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
    stage.lives_on().await;
}

/// An event that cannot be understood must not hold up all that follow: the homeserver would bring
/// it again for ever.
#[tokio::test]
async fn unknown_and_malformed_events_are_taken_and_later_ones_still_work() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let token = stage.gateway.slot().hs_token.clone();
    let event = |id: &str, kind: &str, content: Value| {
        json!({ "type": kind, "event_id": id, "room_id": letter.room_id, "sender": stage.anna_id,
                "origin_server_ts": 1, "content": content })
    };
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let known: Vec<Value> = vec![
        event("$wirr-1", "de.unbekannt.art", json!({ "x": [1, null, { "y": "\u{0}" }] })),
        event("$wirr-2", "m.room.message", json!({})),
        event("$wirr-3", "m.room.message", json!("kein Objekt")),
        event("$wirr-4", "m.room.message", json!({ "msgtype": 7, "body": ["x"] })),
        event(
            "$wirr-5",
            "m.room.message",
            json!({ "msgtype": "m.file", "body": "x", "url": "http://x" }),
        ),
        event("$wirr-6", "m.room.member", json!({ "membership": "tanzt" })),
        event("$wirr-7", "m.room.tombstone", json!({ "replacement_room": "!" })),
        event("$wirr-8", "m.room.redaction", json!({ "redacts": 5 })),
        event("$wirr-9", "m.room.encrypted", json!({ "algorithm": "rot13" })),
        json!(null),
        json!(17),
        json!([]),
        json!({}),
        json!({ "type": "m.room.message", "event_id": "", "room_id": "!r", "sender": "@x:y" }),
        json!({ "type": "m.room.message", "event_id": 1, "room_id": 2, "sender": 3 }),
    ];
    let deep = format!(
        r#"{{"type":"m.room.message","event_id":"$tief","room_id":{:?},"sender":{:?},"content":{deep}}}"#,
        letter.room_id, stage.anna_id
    );
    let lone = format!(
        r#"{{"type":"m.room.message","event_id":"$halb","room_id":{:?},"sender":{:?},"content":{{"body":"\ud800","msgtype":"m.text"}}}}"#,
        letter.room_id, stage.anna_id
    );
    let mut events: Vec<String> = known.iter().map(Value::to_string).collect();
    events.extend([deep, lone]);
    let all = format!(r#"{{"events":[{}],"ephemeral":{{}},"was":1}}"#, events.join(","));
    assert_eq!(stage.knock(&token, "wirr-1", all.clone()).await, 200);
    assert_eq!(stage.knock(&token, "wirr-1", all).await, 200, "repeated");
    assert_eq!(stage.knock(&token, "wirr-2", r#"{"events":[]}"#.to_owned()).await, 200);
    // Only a body that is no transaction at all is refused.
    assert_eq!(stage.knock(&token, "wirr-3", "kein JSON".to_owned()).await, 400);
    stage
        .database_says("select count(*) from room_events where event_id like '$wirr-%'", "9")
        .await;
    // As if `/sync` had told of them: they are read.
    let mut told: Vec<String> = (1..=9).map(|number| format!("$wirr-{number}")).collect();
    told.extend(["$tief", "$halb"].map(str::to_owned));
    let now = time::OffsetDateTime::UNIX_EPOCH;
    stage.store().await.receive_sync("@niemand:x", "s", &told, &[], now).await.unwrap();
    stage.all_events_are_read().await;
    let parked = "select count(*) from room_events where state = 'parked'";
    assert_eq!(stage.query(parked).await, "0");

    stage.anna.send_text(&letter.room_id, "Eine spätere Antwort").await.unwrap();
    stage.anna_is_told(&HANDED_TO_KIM).await;
    let mails = stage.mails(&erik, 1).await;
    assert_eq!(mails.len(), 1);
    // Nothing of the disorder left as an answer.
    assert_eq!(stage.texts_of_dispatches().await, ["Eine spätere Antwort"]);
    stage.lives_on().await;
}

/// `L150`: `since` leaves in the mailbox what is surely older. Letters whose dates are written as people do,
/// and in a form that may be any day, are not.
#[tokio::test]
async fn l150_a_letter_whose_date_is_written_as_people_do_is_not_older_than_since() {
    let mut stage = Stage::before_start(|mut channels| {
        channels[0].more_inbox = "since = \"2026-11-01\"\n".to_owned();
        channels
    })
    .await;
    let mail = |id: &str, date: &str| {
        format!(
            "From: Labor <labor@mvz.kim.telematik>\r\nTo: {}\r\nSubject: Laborwerte\r\n\
             Message-ID: <{id}@x>\r\nDate: {date}\r\n\r\nBrief {id}\r\n",
            stage.practice
        )
    };
    stage.receive(&mail("gestern", "23.11.2026 08:00:00 +0100")).await;
    stage.receive(&mail("irgendwann", "11/12/2026 08:00:00 +0100")).await;
    stage.receive(&mail("heute", "Tue, 24 Nov 2026 08:00:00 +0100")).await;
    stage.gateway.start().await.unwrap();
    stage.anna_sees("Brief heute").await;
    stage.anna_sees("Brief gestern").await;
    stage.anna_sees("Brief irgendwann").await;
}
