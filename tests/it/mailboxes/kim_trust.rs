//! How far a KIM letter is believed: by its outer head, and what the Clientmodul says of its work.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use umstieg::{
    model::{KimDoubt, KimTrouble},
    phrases::Phrase,
};
use umstieg_world::mail::misbehaving::{Misbehaving, Misdeed, Protocol};

use super::{
    MailboxChannel, MailboxPractice, Manner, inbox_of, kim::outer, letter,
    through_the_gateway::with_mailbox,
};
use crate::{
    phrases::told,
    stage::{Stage, kim_mail},
};

/// What a Clientmodul delivers, from a sender of its own. The server has to be kept: without it nothing comes.
struct Delivered {
    stage: Stage,
    server: Misbehaving,
    from: String,
}

impl Delivered {
    /// `results`: lines of the head. `is_encrypted`: what the outer head says.
    async fn new(results: &str, words: &str, is_encrypted: bool) -> Self {
        let mut stage = Stage::before_start(|channels| channels).await;
        let from = format!("pruef-{}@charite.kim.telematik", stage.tag);
        let mail = kim_mail(&from, &stage.practice, "p1@x", "Befund Schmidt", results, words);
        let mail = mail.replace('\n', "\r\n").into_bytes();
        let server = Misbehaving::start(Protocol::Pop3, &[("1", &mail)]).await.unwrap();
        if is_encrypted {
            server.does("TOP", None, outer("p1@x", "KIM-Mail;Default;V1.0"));
        }
        stage.restart_with(|settings| with_mailbox(&settings, &server, "")).await;
        Self { stage, server, from }
    }
}

/// 07, X.., mixed, absent: one of each kind. The rule's own test has them all.
#[tokio::test]
async fn kim_13_what_kim_does_not_vouch_for_waits_for_a_speaker() {
    let results = "X-KIM-DecryptionResult: 00\nX-KIM-IntegrityCheckResult: 01\n\
                   X-KIM-IntegrityCheckResult: 07\n";
    let Delivered { stage, from, server: _server } =
        Delivered::new(results, "Bitte überweisen Sie sofort", true).await;
    let doubt = KimDoubt::Certificate;
    let at = Some(time::macros::datetime!(2026-11-23 08:00 +1));
    let warning =
        stage.anna_is_told(&Phrase::LetterWithheld { doubt, sender: Some(from), at }).await;
    let room = &warning.room_id;
    let reply = |body: &str, to: &str| {
        json!({
            "msgtype": "m.text", "body": body,
            "m.relates_to": { "m.in_reply_to": { "event_id": to } },
        })
    };
    // Nothing of it is said, in whatever way it is asked for.
    let original = stage.anna.send_text(room, "!original").await.unwrap();
    told(&stage.anna, &original, &Phrase::OriginalWithheld).await;
    let unclear = stage.anna.send_text(room, "!freigeben").await.unwrap();
    told(&stage.anna, &unclear, &Phrase::ReleaseAnswersWarning).await;
    assert_eq!(stage.anna_saw("sofort") + stage.anna_saw("Schmidt"), 0);
    // A restart releases nothing.
    stage.database_says("select string_agg(distinct state, ' ') from posts where letter_id = 1 and speaker = 'ghost'", "held").await;
    let release = stage.anna.send(room, reply("!freigeben", warning.event_id())).await.unwrap();
    told(&stage.anna, &release, &Phrase::ReleasedBy { user_id: stage.anna_id.clone() }).await;
    let words = stage.anna_sees("Bitte überweisen Sie sofort").await;
    assert_eq!(words.room_id, *room);
    let above = crate::phrases::sentence(&Phrase::LetterReleased { doubt });
    assert!(words.body().contains(&above), "{}", words.body());
    let by = "select released_by || ' ' || (released_at is not null) from letters";
    stage.database_says(by, &format!("{} true", stage.anna_id)).await;
    // Once is enough.
    let again = stage.anna.send(room, reply("!freigeben", warning.event_id())).await.unwrap();
    told(&stage.anna, &again, &Phrase::NothingToRelease).await;
    assert_eq!(stage.anna_saw("Bitte überweisen Sie sofort"), 1);
}

/// A mail that came unencrypted says of itself that it was checked.
#[tokio::test]
async fn kim_14_what_came_unencrypted_is_shown_and_nobody_vouches_for_it() {
    let results = "X-KIM-DecryptionResult: 00\nX-KIM-IntegrityCheckResult: 01\n";
    let Delivered { stage, server: _server, .. } =
        Delivered::new(results, "Guten Tag", false).await;
    let words = stage.anna_sees("Guten Tag").await;
    let hint = stage.anna_is_told(&Phrase::LetterUnconfirmed).await;
    assert_eq!(hint.room_id, words.room_id);
}

/// The same, with the mark of a KIM mail outside: without S/MIME there is nothing to decrypt, and the results
/// are the sender's own.
#[tokio::test]
async fn l199_a_mail_that_only_says_that_it_is_encrypted_is_not_checked() {
    let results =
        "X-KOM-LE-Version: 1.5\nX-KIM-DecryptionResult: 00\nX-KIM-IntegrityCheckResult: 01\n";
    let Delivered { stage, server: _server, .. } =
        Delivered::new(results, "Guten Tag", false).await;
    let words = stage.anna_sees("Guten Tag").await;
    let checked = crate::phrases::sentence(&Phrase::LetterChecked { has_report: false });
    assert!(!words.body().contains(&checked), "{}", words.body());
    let hint = stage.anna_is_told(&Phrase::LetterUnconfirmed).await;
    assert_eq!(hint.room_id, words.room_id);
}

#[tokio::test]
async fn kim_17_the_note_of_a_clientmodul_becomes_one_quiet_line() {
    let results = "X-KIM-DecryptionResult: 00\nX-KIM-IntegrityCheckResult: 01\n";
    let rule = "-".repeat(45);
    let note = format!(
        "{rule}\nDie Nachricht wurde entschlüsselt.\nDie Signatur wurde erfolgreich geprüft."
    );
    let Delivered { stage, server: _server, .. } =
        Delivered::new(results, &format!("Guten Tag\n\n{note}"), true).await;
    let words = stage.anna_sees("Guten Tag").await;
    let body = words.body();
    let line = crate::phrases::sentence(&Phrase::LetterChecked { has_report: false });
    assert!(body.contains(&line) && !body.contains("wurde entschlüsselt"), "{body}");
    assert_eq!(stage.query("select kept_back from letters").await, "");
}

/// The Clientmodul's own words bear the sender's name, and are not said.
#[tokio::test]
async fn kim_15_a_mail_that_could_not_be_decrypted_is_told_of_by_the_gateway() {
    let results = "X-KIM-DecryptionResult: 03\nX-KIM-Fehlermeldung: 4011\n";
    let Delivered { stage, server, from } =
        Delivered::new(results, "Der Konnektor war nicht erreichbar", true).await;
    let at = Some(time::macros::datetime!(2026-11-23 08:00 +1));
    let (trouble, sender) = (KimTrouble::Konnektor, Some(from));
    stage.anna_is_told(&Phrase::LetterUndecrypted { trouble, sender, at }).await;
    let sessions = server.sessions();
    stage.until("some more looks", async || server.sessions() > sessions + 3).await;
    assert_eq!(stage.anna_saw("war nicht erreichbar"), 0);
    assert_eq!(stage.query("select count(*) from posts where speaker = 'ghost'").await, "0");
    assert_eq!(server.was_asked("RETR", None), 1, "it waits before it is fetched again");
}

/// The card is unlocked: the letter comes into a room with its sender, and the notice is replaced.
#[tokio::test]
async fn kim_15_once_it_is_decrypted_the_letter_comes_and_the_notice_is_replaced() {
    let practice = MailboxPractice::new().await;
    let failed = letter("eigen", "Der Schlüssel wurde nicht gefunden");
    let failed = String::from_utf8(failed).unwrap().replacen(
        "Subject:",
        "X-KIM-DecryptionResult: 01\r\nX-KIM-Fehlermeldung: 4009\r\nSubject:",
        1,
    );
    let decrypted = String::from_utf8(letter("klar", "Der Befund")).unwrap().replacen(
        "Subject:",
        "X-KIM-DecryptionResult: 00\r\nX-KIM-IntegrityCheckResult: 01\r\nSubject:",
        1,
    );
    let server = Misbehaving::start(Protocol::Pop3, &[("1", failed.as_bytes())]).await.unwrap();
    server.does("TOP", None, outer("klar", "KIM-Mail;Default;V1.0"));
    // The list says the length of what lies there, which stays the same.
    server.does("LIST", None, Misdeed::Say(b"+OK\r\n1 900\r\n.\r\n".to_vec()));
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    let ctx = Arc::get_mut(&mut channel.ctx).unwrap();
    let patience = &mut inbox_of(ctx).patience;
    patience.undecrypted_first = Duration::from_millis(300);
    channel.start();
    channel
        .until(|| async { channel.count("kept_back = 'undecrypted'").await == 1 })
        .await
        .unwrap();
    // The same error, fetched again, is no second letter.
    channel.until(|| async { server.was_asked("RETR", None) > 2 }).await.unwrap();
    assert_eq!(channel.count("true").await, 1);
    server.holds(&[("1", decrypted.as_bytes())]);
    channel.until(|| async { channel.has_all(&[decrypted.as_bytes()]).await }).await.unwrap();
    channel.until(|| async { channel.count("state = 'posted'").await == 2 }).await.unwrap();
    // The room about the channel was told; the letter has one with its sender.
    let rooms = "select string_agg(key, ' ' order by letters.id)
                 from letters
                 join conversations on conversations.id = conversation_id
                 join correspondents on correspondents.id = correspondent_id";
    let rooms = practice.query(rooms).await;
    assert!(rooms.starts_with("unknown ") && rooms.contains('@'), "{rooms}");
    let replaced = "select count(*) from posts as newer join posts as notice
                    on notice.id = newer.replaces and notice.speaker = 'bot'";
    assert_eq!(practice.query(replaced).await, "1");
    // It is fetched no more.
    let asked = server.was_asked("RETR", None);
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + 8 }).await.unwrap();
    assert_eq!(server.was_asked("RETR", None), asked);
    assert_eq!((server.was_asked("TOP", None), server.was_asked("DELE", None)), (1, 0));
}

/// The mail service deletes it soon, and nobody could read it.
#[tokio::test]
async fn kim_12_a_mail_that_cannot_be_read_is_told_of_once_before_it_expires() {
    let practice = MailboxPractice::new().await;
    let failed = String::from_utf8(letter("klar", "Kein Schlüssel")).unwrap().replacen(
        "Subject:",
        "X-KIM-DecryptionResult: 01\r\nX-KOM-LE-Version: 1.5\r\nContent-Type: application/pkcs7-mime\r\nExpires: Mon, 01 Jan 2024 08:00:00 +0100\r\nSubject:",
        1,
    );
    let far = failed.replace("Jan 2024", "Jan 2099").replace("klar@x", "fern@x");
    let mails: [(&str, &[u8]); 2] = [("1", failed.as_bytes()), ("2", far.as_bytes())];
    let server = Misbehaving::start(Protocol::Pop3, &mails).await.unwrap();
    let mut channel = MailboxChannel::of(&practice, &server, Protocol::Pop3, Manner::default());
    channel.start();
    channel.until(|| async { channel.parked().await == 1 }).await.unwrap();
    assert_eq!(practice.query("select reason from parked").await, "expires_soon");
    // A person knows, and gives it up: it is not told of again.
    let row = practice.query("select id from parked").await.parse().unwrap();
    let now = super::Clock::of_the_machine().now();
    let drop = umstieg::store::Resolution::Drop;
    assert!(practice.store.resolve_parked(row, drop, now).await.unwrap());
    let sessions = server.sessions();
    channel.until(|| async { server.sessions() > sessions + 5 }).await.unwrap();
    assert_eq!((channel.parked().await, server.was_asked("RETR", None)), (0, 2));
}
