//! The same through the whole gateway, into rooms.

use umstieg::phrases::Phrase;
use umstieg_world::mail::misbehaving::{Misbehaving, Misdeed, Protocol};

use crate::stage::{Stage, conversations, kim_mail};

/// The settings of the first channel, with this mailbox for its own.
pub(super) fn with_mailbox(settings: &str, server: &Misbehaving, more: &str) -> String {
    let (before, after) = settings.split_once("[channel.inbox]\n").unwrap();
    let (inbox, rest) = after.split_once("[channel.outbox]\n").unwrap();
    let is_other = |line: &&str| {
        !["port", "ca_file", "tls", "after_relay"].iter().any(|key| line.starts_with(key))
    };
    let kept: Vec<&str> = inbox.lines().filter(is_other).collect();
    let owned = if more.contains("\"delete\"") { "mailbox = \"owned\"\n" } else { "" };
    let rest = rest.replacen("[channel.kim]\n", &format!("[channel.kim]\n{owned}"), 1);
    format!(
        "{before}[channel.inbox]\nport = {}\ntls = \"none\"\n{more}\n{}\n[channel.outbox]\n{rest}",
        server.port(),
        kept.join("\n")
    )
}

fn crlf(mail: &str) -> Vec<u8> {
    mail.replace('\n', "\r\n").into_bytes()
}

/// `R06`, `B30`: the server hangs up in the middle of one mail, each time.
#[tokio::test]
async fn r06_b30_a_mail_the_server_cannot_hand_out_holds_up_none_and_is_told_of() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let from = format!("bruch-{}@charite.kim.telematik", stage.tag);
    let mail = |id: &str, subject: &str, words: &str| {
        crlf(&kim_mail(&from, &stage.practice, id, subject, "", words))
    };
    let mails = [
        mail("m1", "Befund", "Vorher"),
        mail("m2", "Nur der Kopf", "Bricht ab"),
        mail("m3", "Befund", "Dringend"),
    ];
    let listed: [(&str, &[u8]); 3] = [("m1", &mails[0]), ("m2", &mails[1]), ("m3", &mails[2])];
    let server = Misbehaving::start(Protocol::Pop3, &listed).await.unwrap();
    server.does("RETR", Some("m2"), Misdeed::BreakOff);
    stage.restart_with(|settings| with_mailbox(&settings, &server, "")).await;
    stage.anna_sees("Vorher").await;
    stage.anna_sees("Dringend").await;
    let head = stage.anna_sees("Nur der Kopf").await;
    let hint = stage.anna_is_told(&Phrase::LetterOutOfReach).await;
    assert_eq!(hint.room_id, head.room_id);
    let parked = stage.parked(&["list"]).await;
    assert!(parked.contains("mail") && parked.contains("broken_off"), "{parked}");
    stage
        .until("the look ends well", async || {
            stage.gateway.metrics().await.contains("umstieg_mailbox_up{channel=\"kim\"} 1")
        })
        .await;
    // It can be fetched again, and a person wants it.
    server.behaves();
    let id = stage.query("select id from parked where kind = 'mail'").await;
    stage.parked(&["retry", &id]).await;
    assert_eq!(stage.anna_sees("Bricht ab").await.room_id, head.room_id);
    stage.database_says("select count(*) from parked where resolved_at is null", "0").await;
}

/// `B35`: too large, and no head can be fetched.
#[tokio::test]
async fn b35_a_mail_too_large_without_a_head_is_told_of_once() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let from = format!("gross-{}@charite.kim.telematik", stage.tag);
    let mail = |id: &str, words: &str| crlf(&kim_mail(&from, &stage.practice, id, "x", "", words));
    let (large, small) = (mail("g", &"Zu lang. ".repeat(20_000)), mail("k", "Klein genug"));
    let server = Misbehaving::start(Protocol::Pop3, &[("1", &large), ("2", &small)]).await.unwrap();
    server.does("TOP", None, Misdeed::Refuse);
    let limit = "mail_bytes_max = 65536";
    stage.restart_with(|settings| with_mailbox(&settings, &server, limit)).await;
    stage.anna_sees("Klein genug").await;
    stage.anna_is_told(&Phrase::MailTooLarge { limit_mib: 0 }).await;
    let sessions = server.sessions();
    stage.until("some more looks", async || server.sessions() > sessions + 5).await;
    assert_eq!(server.was_asked("RETR", Some("1")), 1);
    assert!(stage.parked(&["list"]).await.contains("too_large"));
}

/// `R01`: the practice changes its provider and has the new mailbox emptied. Names begin again
/// there.
#[tokio::test]
async fn r01_nothing_is_deleted_unread_from_a_mailbox_that_took_the_place_of_another() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let from = format!("wechsel-{}@charite.kim.telematik", stage.tag);
    let mail = |id: &str, words: &str| crlf(&kim_mail(&from, &stage.practice, id, "x", "", words));
    let (before, after) =
        (mail("o1@x", "Beim alten Anbieter"), mail("n1@x", "Beim neuen Anbieter"));
    let old = Misbehaving::start(Protocol::Pop3, &[("1", &before)]).await.unwrap();
    stage.restart_with(|settings| with_mailbox(&settings, &old, "")).await;
    stage.anna_sees("Beim alten Anbieter").await;
    stage.database_says("select state from letters", "posted").await;
    let new = Misbehaving::start(Protocol::Pop3, &[("1", &after)]).await.unwrap();
    let delete = "after_relay = \"delete\"";
    stage.restart_with(|settings| with_mailbox(&settings, &new, delete)).await;
    stage.anna_sees("Beim neuen Anbieter").await;
    stage.until("it is deleted", async || new.names().is_empty()).await;
}

/// `F4`: a channel that is called otherwise is no new mailbox, and its rooms go on.
#[tokio::test]
async fn f4_a_renamed_channel_goes_on_in_its_rooms() {
    let mut stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.restart_with(|settings| settings.replace("name = \"kim\"", "name = \"kim-neu\"")).await;
    let id = format!("erster-{erik}");
    let more = format!("In-Reply-To: <{id}>\nReferences: <{id}>\n");
    stage.receive(&kim_mail(&erik, &stage.practice, "z@x", "AW", &more, "Unter neuem Namen")).await;
    assert_eq!(stage.anna_sees("Unter neuem Namen").await.room_id, letter.room_id);
    stage.anna.send_text(&letter.room_id, "Antwort unter neuem Namen").await.unwrap();
    stage.mails(&erik, 1).await;
    assert_eq!(stage.anna_saw("Erster Brief von"), 1);
    assert_eq!(stage.query("select count(*) from letters where channel = 'kim'").await, "0");
}

/// `F4`: the table says what would become rooms, and which channel is missing.
#[tokio::test]
async fn f4_check_tells_of_waiting_mails_and_of_channels_that_are_missing() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let erik = stage.correspondent("erik").await;
    for id in ["v1", "v2"] {
        stage.receive(&kim_mail(&erik, &stage.practice, id, "Befund", "", id)).await;
    }
    assert!(stage.gateway.command(&["migrate"]).await.unwrap().status.success());
    let check = async |stage: &Stage| {
        let output = stage.gateway.command(&["check"]).await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, table) = check(&stage).await;
    assert!(
        code == Some(0) && table.contains("2 mails, 2 of them would become letters"),
        "{table}"
    );
    stage.gateway.start().await.unwrap();
    stage.anna_sees("v2").await;
    let (_, table) = check(&stage).await;
    assert!(table.contains("2 mails, all of them known"), "{table}");
    stage.gateway.stop();
    // Another name for the same mailbox, and none for what there was of another.
    stage.query(&conversations("alt", &["x"])).await;
    stage.edit_settings(&[("name = \"kim\"", "name = \"kim-neu\"")]);
    let (code, table) = check(&stage).await;
    assert_eq!(code, Some(0), "{table}");
    assert!(table.contains("channel kim-neu"), "{table}");
    assert!(table.contains("goes on under the name kim-neu"), "{table}");
    assert!(table.contains("channel alt"), "{table}");
}

/// `F5`: with another prefix or server name nothing earlier would be found again.
#[tokio::test]
async fn f5_another_prefix_or_server_name_is_refused() {
    let mut stage = Stage::new().await;
    stage.letter_from("erik").await;
    stage.gateway.stop();
    let prefix = stage.gateway.slot().prefix.clone();
    let file = stage.gateway.settings_file();
    let right = std::fs::read_to_string(&file).unwrap();
    let name = stage.world.homeserver.server_name.clone();
    // As of a database that did not keep them yet: its devices tell, where there are some.
    for (what, from, to) in [
        (
            "user_prefix",
            format!("user_prefix = {prefix:?}"),
            "user_prefix = \"_anders_\"".to_owned(),
        ),
        (
            "server_name",
            format!("server_name = {name:?}"),
            "server_name = \"anders.example\"".to_owned(),
        ),
    ] {
        let other = right.replace(&from, &to).replace(
            &format!("{prefix}bot"),
            if what == "user_prefix" { "_anders_bot" } else { "x" },
        );
        let other = if what == "server_name" { right.replace(&from, &to) } else { other };
        assert_ne!(other, right, "{what}");
        std::fs::write(&file, &other).unwrap();
        // The registration fits, so that nothing else is wrong.
        let made = stage.gateway.command(&["registration", "--force"]).await.unwrap();
        assert!(made.status.success(), "{what}: {made:?}");
        let run = stage.gateway.command(&["run"]).await.unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(3), "{what}: {said}");
        assert!(said.contains(what) && said.contains("nothing was changed"), "{what}: {said}");
        let check = stage.gateway.command(&["check"]).await.unwrap();
        let table = String::from_utf8(check.stdout).unwrap();
        assert_eq!(check.status.code(), Some(1), "{table}");
        assert!(table.contains("names") && table.contains("nothing was changed"), "{table}");
    }
}

/// An answer at which the IMAP parser panics is one unreadable answer: the gateway lives, says nothing
/// of it in its log, and goes on when the server does.
#[tokio::test]
async fn an_answer_the_grammar_trips_over_ends_nothing() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let from = format!("stolper-{}@charite.kim.telematik", stage.tag);
    let mail = crlf(&kim_mail(&from, &stage.practice, "s1", "Befund", "", "Guten Tag"));
    let server = Misbehaving::start(Protocol::Imap, &[("1", &mail)]).await.unwrap();
    server.does(
        "SELECT",
        None,
        Misdeed::Say("* OK [ALERT]Ämulett\r\nu3 NO\r\nu4 NO\r\nu5 NO\r\n".into()),
    );
    stage
        .restart_with(|settings| {
            let settings = with_mailbox(&settings, &server, "");
            settings.replacen("protocol = \"pop3\"", "protocol = \"imap\"", 1)
        })
        .await;
    stage.until("it was asked twice", async || server.was_asked("SELECT", None) > 1).await;
    assert_eq!(stage.query("select epoch from gateway").await, "1", "it began anew");
    server.behaves();
    stage.anna_sees("Guten Tag").await;
    let log = stage.gateway.log();
    assert!(log.contains("this is a bug"), "{log}");
    assert!(!log.contains("mulett"), "{log}");
}
