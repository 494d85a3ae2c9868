use std::time::Duration;

use super::scripted::{PASSWORD, PLAIN, ScriptedServer, USER, account, chain};
use crate::{
    model::MailKey,
    transport::{
        Fault, Fetched, KeyList, MailServerError, MailServerErrorKind, Mailbox, MailboxProtocol,
        Waited, wire::BoxedIo,
    },
};

async fn open(io: BoxedIo) -> Result<Mailbox, MailServerError> {
    Mailbox::open_over(io, MailboxProtocol::Pop3, &account()).await
}

fn key(text: &str) -> MailKey {
    MailKey::new(text).unwrap()
}

fn greeted() -> ScriptedServer {
    ScriptedServer::new().say("+OK KOM-LE Clientmodul POP3\r\n")
}

/// A Clientmodul up to the login, as gemSpec_CM_KOMLE 3.4.5 shows it.
fn clientmodul() -> ScriptedServer {
    greeted()
        .on("CAPA", "+OK\r\nTOP\r\nUSER\r\nSASL PLAIN\r\nUIDL\r\n.\r\n")
        .on("AUTH PLAIN", "+ \r\n")
        .on(PLAIN, "+OK\r\n")
}

fn with_mails(uidl: &str) -> ScriptedServer {
    clientmodul().on("UIDL", &format!("+OK\r\n{uidl}.\r\n"))
}

#[tokio::test(start_paused = true)]
async fn kim_2_and_4_a_session_is_held_line_by_line_in_packets_of_one_byte() {
    let server = greeted()
        .on("CAPA", "+OK\r\nsasl login plain\r\n.\r\n")
        .on("AUTH PLAIN", "+ \r\n")
        .on(PLAIN, "+OK\r\n")
        .hear("UIDL")
        .say_one_by_one("+OK two\r\n1 aaa\r\n2 bbb\r\n.\r\n")
        .hear("TOP 2 0")
        .say_one_by_one("+OK\r\nSubject: KOM-LE-Nachricht\r\n\r\n.\r\n")
        .hear("RETR 2")
        .say_one_by_one("+OK 5 octets\r\nSubject: x\r\n\r\n..\r\n...\r\n.\r\n")
        .on("DELE 2", "+OK\r\n")
        .on("QUIT", "+OK\r\n");
    server
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            let list = mailbox.keys().await.unwrap();
            assert_eq!(list, KeyList { keys: vec![key("aaa"), key("bbb")], ..KeyList::default() });
            let outer = mailbox.header(&key("bbb")).await.unwrap();
            assert_eq!(outer, Fetched::Mail(b"Subject: KOM-LE-Nachricht\r\n\r\n".to_vec()));
            let mail = mailbox.fetch(&key("bbb"), 100).await.unwrap();
            assert_eq!(mail, Fetched::Mail(b"Subject: x\r\n\r\n.\r\n..\r\n".to_vec()));
            let agreed = mailbox.delete(&[key("bbb"), key("gone")]).await.unwrap();
            assert_eq!(agreed, [key("bbb")]);
            assert_eq!(
                mailbox.wait_for_mail(Duration::from_secs(9)).await.unwrap(),
                Waited::Unsupported
            );
            mailbox.close().await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn kim_2_falls_back_to_user_and_pass() {
    let user = format!("USER {USER}");
    let pass = format!("PASS {PASSWORD}");
    let no_capa = greeted().on("CAPA", "-ERR what?\r\n");
    let no_sasl = greeted().on("CAPA", "+OK\r\nUSER\r\n.\r\n");
    let refuses = greeted()
        .on("CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n")
        .on("AUTH PLAIN", "-ERR unknown mechanism\r\n");
    for start in [no_capa, no_sasl, refuses] {
        let server = start.on(&user, "+OK\r\n").on(&pass, "+OK\r\n").hear_nothing_more();
        // The session ends with the closure, so that the server may see it end.
        server.play(async |io| open(io).await.map(|_| ())).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn kim_6_and_7_a_refused_login_is_told_from_a_busy_mailbox_and_never_tried_twice() {
    let cases = [
        ("-ERR\r\n", MailServerErrorKind::Credentials),
        ("-ERR [AUTH] wrong password\r\n", MailServerErrorKind::Credentials),
        ("-ERR erik is locked\r\n", MailServerErrorKind::Credentials),
        ("-ERR [IN-USE] Mailbox is locked by another POP3 session.\r\n", MailServerErrorKind::Busy),
        ("-ERR [LOGIN-DELAY] later\r\n", MailServerErrorKind::Busy),
        ("-ERR [SYS/TEMP] later\r\n", MailServerErrorKind::Busy),
        ("-ERR timeout\r\n", MailServerErrorKind::Busy),
    ];
    for (answer, expected) in cases {
        let server = greeted()
            .on("CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n")
            .on("AUTH PLAIN", "+ \r\n")
            .on(PLAIN, answer)
            .hear_nothing_more();
        let error = server.play(open).await.err().unwrap();
        assert_eq!(error.kind(), expected, "{answer}");
    }
    let error = clientmodul_refusing().play(open).await.err().unwrap();
    assert_eq!(
        chain(&error),
        "the mail server localhost refuses the login: the server answered: -ERR … unknown"
    );
}

fn clientmodul_refusing() -> ScriptedServer {
    greeted()
        .on("CAPA", "-ERR\r\n")
        .on(&format!("USER {USER}"), &format!("-ERR <{USER}> unknown\r\n"))
        .hear_nothing_more()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_greet_is_unreachable_and_one_that_declines_is_busy() {
    let error = ScriptedServer::new().play(open).await.err().unwrap();
    assert_eq!(error.kind(), MailServerErrorKind::Unreachable);
    let error = ScriptedServer::new().wait(6).play(open).await.err().unwrap();
    assert_eq!(error.kind(), MailServerErrorKind::Unreachable);
    let error = ScriptedServer::new().say("-ERR too many\r\n").play(open).await.err().unwrap();
    assert_eq!(error.kind(), MailServerErrorKind::Busy);
    let error = ScriptedServer::new().say("SSH-2.0-x\r\n").play(open).await.err().unwrap();
    assert_eq!(error.kind(), MailServerErrorKind::Unreachable);
}

/// Fetches mail `a` of a mailbox whose RETR goes on as `rest` says.
async fn retr(rest: ScriptedServer, bytes_max: usize) -> Result<Fetched, MailServerError> {
    with_mails("1 a\r\n")
        .hear("RETR 1")
        .and(rest)
        .play(async |io| open(io).await.unwrap().fetch(&key("a"), bytes_max).await)
        .await
}

#[tokio::test(start_paused = true)]
async fn kim_5_a_stall_of_four_minutes_before_every_line_is_no_fault() {
    let rest = ScriptedServer::new().wait(4).say("+OK\r\n").wait(4).say("a\r\n").wait(4);
    let rest = rest.say("b").wait(4).say("\r\n.\r\n");
    assert_eq!(retr(rest, 100).await.unwrap(), Fetched::Mail(b"a\r\nb\r\n".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn kim_5_a_longer_silence_ends_the_session() {
    let rest = ScriptedServer::new().say("+OK\r\nhalf a li").wait(6);
    let error = retr(rest, 100).await.unwrap_err();
    assert!(matches!(error, MailServerError::Broken { source: Fault::Silent, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn kim_10_a_connection_lost_in_the_middle_gives_no_half_mail() {
    for half in
        ["", "+O", "+OK\r\n", "+OK\r\nSubject: x\r\n\r\n", "+OK\r\na\r\n.", "+OK\r\na\r\n.\r"]
    {
        let error = retr(ScriptedServer::new().say(half), 100).await.unwrap_err();
        assert!(
            matches!(error, MailServerError::Broken { source: Fault::Closed, .. }),
            "{half:?} {error:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn kim_10_an_announced_size_is_not_believed() {
    // The script expects no LIST and no STAT: a client that asked would fail here.
    let long = "x".repeat(70_000);
    let rest = ScriptedServer::new().say(format!("+OK 10 octets\r\n{long}\r\n.\r\n"));
    assert_eq!(
        retr(rest, 100_000).await.unwrap(),
        Fetched::Mail(format!("{long}\r\n").into_bytes())
    );
    let rest = ScriptedServer::new().say("+OK 700000000 octets\r\na\r\n.\r\n");
    assert_eq!(retr(rest, 100).await.unwrap(), Fetched::Mail(b"a\r\n".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_mail_may_have_a_line_of_a_megabyte_and_an_answer_may_not() {
    let line = "x".repeat(1_000_000);
    let rest = ScriptedServer::new().say(format!("+OK\r\n{line}\r\n.\r\n"));
    assert_eq!(
        retr(rest, 2_000_000).await.unwrap(),
        Fetched::Mail(format!("{line}\r\n").into_bytes())
    );
    let error = retr(ScriptedServer::new().say(format!("+OK {line}\r\n")), 100).await.unwrap_err();
    assert!(matches!(error, MailServerError::Broken { source: Fault::TooMuch(_), .. }));
}

#[tokio::test(start_paused = true)]
async fn a_mail_somewhat_too_large_costs_no_session() {
    with_mails("1 a\r\n2 b\r\n")
        .hear("RETR 1")
        .say(format!("+OK\r\n{}\r\n.\r\n", "x".repeat(100_000)))
        .on("RETR 2", "+OK\r\n12345678\r\n.\r\n")
        .on("QUIT", "+OK\r\n")
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            assert_eq!(mailbox.fetch(&key("a"), 10).await.unwrap(), Fetched::TooLarge);
            let exactly = Fetched::Mail(b"12345678\r\n".to_vec());
            assert_eq!(mailbox.fetch(&key("b"), 10).await.unwrap(), exactly);
            mailbox.close().await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_mail_without_end_costs_the_session_and_no_memory() {
    with_mails("1 a\r\n2 b\r\n")
        .hear("RETR 1")
        .say("+OK\r\n")
        .say("x".repeat(20 * 1024 * 1024))
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            assert_eq!(mailbox.fetch(&key("a"), 10).await.unwrap(), Fetched::TooLarge);
            let error = mailbox.fetch(&key("b"), 10).await.unwrap_err();
            assert!(matches!(error, MailServerError::Broken { source: Fault::Over, .. }));
            // Nothing marked for deletion counts, so close must not say that it did (KIM-11).
            assert!(mailbox.close().await.is_err());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn kim_8_a_mailbox_of_a_hundred_thousand_mails_is_listed() {
    let lines: String = (1..=100_000).map(|n| format!("{n} 0000{n:x}5f0c\r\n")).collect();
    let list =
        with_mails(&lines).play(async |io| open(io).await.unwrap().keys().await.unwrap()).await;
    assert_eq!((list.keys.len(), list.nameless), (100_000, 0));
    assert_eq!(list.keys.last(), Some(&key("0000186a05f0c")));
}

#[tokio::test(start_paused = true)]
async fn kim_8_b33_each_mail_of_a_list_has_a_key_of_its_own_unless_it_has_no_name() {
    let long = "x".repeat(71);
    let lines = format!("1 a\r\n2 a\r\n3\r\n4 \r\nx b\r\n5 {long}\r\n6 ü\r\n7  c \r\n");
    let list =
        with_mails(&lines).play(async |io| open(io).await.unwrap().keys().await.unwrap()).await;
    let again = key("a").again(2);
    let (long, odd) = (MailKey::of_odd_name(long.as_bytes()), MailKey::of_odd_name("ü".as_bytes()));
    assert_eq!(list.keys, [key("a"), again.clone(), long, odd, key("c")]);
    assert_eq!(list.shared, [key("a"), again].into());
    assert_eq!(list.nameless, 3);
}

#[tokio::test(start_paused = true)]
async fn a_mail_the_server_withholds_is_not_gone_and_blocks_no_other() {
    with_mails("1 a\r\n2 b\r\n")
        .on("RETR 1", "-ERR card of erik@hrst.kim.telematik locked\r\n")
        .on("RETR 2", "+OK\r\nb\r\n.\r\n")
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            let withheld = Fetched::Withheld { reply: "-ERR card of … locked".to_owned() };
            assert_eq!(mailbox.fetch(&key("a"), 10).await.unwrap(), withheld);
            let mail = Fetched::Mail(b"b\r\n".to_vec());
            assert_eq!(mailbox.fetch(&key("b"), 10).await.unwrap(), mail);
            assert_eq!(mailbox.fetch(&key("z"), 10).await.unwrap(), Fetched::Gone);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn kim_11_a_deletion_counts_only_after_quit_was_confirmed() {
    let cases =
        [("+OK\r\n", true), ("-ERR some not removed\r\n", false), ("", false), ("+O", false)];
    for (answer, expected) in cases {
        let deleted = with_mails("1 a\r\n")
            .on("DELE 1", "+OK\r\n")
            .on("QUIT", answer)
            .play(async |io| {
                let mut mailbox = open(io).await.unwrap();
                mailbox.delete(&[key("a")]).await.unwrap();
                mailbox.close().await.is_ok()
            })
            .await;
        assert_eq!(deleted, expected, "{answer:?}");
    }
}

/// B33: each of two mails under one name is fetched by its own number.
#[tokio::test(start_paused = true)]
async fn b33_two_mails_of_one_name_are_fetched_each() {
    with_mails("1 same\r\n2 same\r\n")
        .on("RETR 1", "+OK\r\na\r\n.\r\n")
        .on("RETR 2", "+OK\r\nb\r\n.\r\n")
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            let keys = mailbox.keys().await.unwrap().keys;
            for (key, mail) in keys.iter().zip(["a\r\n", "b\r\n"]) {
                let fetched = mailbox.fetch(key, 10).await.unwrap();
                assert_eq!(fetched, Fetched::Mail(mail.as_bytes().to_vec()));
            }
        })
        .await;
}

/// B35: a server that gives a whole mail for its head, breaks off in it, or has no heads.
#[tokio::test(start_paused = true)]
async fn b35_a_head_is_had_from_servers_that_give_all() {
    let head = "Subject: x\r\n\r\n";
    let whole = format!("+OK\r\n{head}{}", "x".repeat(20_000_000));
    for (answer, expected) in [
        (format!("+OK\r\n{head}.\r\n"), Some(head)),
        (format!("+OK\r\n{head}Text\r\n.\r\n"), Some(head)),
        (format!("+OK\r\n{head}Te"), Some(head)),
        ("+OK\r\nSubject: x\n\nText\n.\n".to_owned(), Some("Subject: x\n\n")),
        (whole, Some(head)),
        ("+OK\r\nSubject: x\r\n.\r\n".to_owned(), Some("Subject: x\r\n")),
        ("+OK\r\nSubject".to_owned(), None),
        ("-ERR what?\r\n".to_owned(), None),
        ("+OK\r\n.\r\n".to_owned(), None),
    ] {
        let got = with_mails("1 a\r\n")
            .hear("TOP 1 0")
            .say(answer.clone())
            .play(async |io| open(io).await.unwrap().header(&key("a")).await)
            .await;
        let got = match got {
            Ok(Fetched::Mail(head)) => Some(String::from_utf8(head).unwrap()),
            _ => None,
        };
        let shown: String = answer.chars().take(40).collect();
        assert_eq!(got.as_deref(), expected, "{shown:?}");
    }
}

/// A surplus answer would be taken for that of the next command.
#[tokio::test(start_paused = true)]
async fn an_answer_nobody_asked_for_ends_the_session() {
    let server = with_mails("1 a\r\n2 b\r\n").on("DELE 1", "+OK\r\n+OK\r\n");
    let result =
        server.play(async |io| open(io).await.unwrap().delete(&[key("a"), key("b")]).await).await;
    assert!(matches!(result, Err(MailServerError::Broken { source: Fault::Protocol(_), .. })));
    let confirmed = with_mails("1 a\r\n")
        .on("DELE 1", "+OK\r\n")
        .on("QUIT", "+OK\r\n+OK\r\n")
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            mailbox.delete(&[key("a")]).await.unwrap();
            mailbox.close().await
        })
        .await;
    assert!(confirmed.is_err());
}

#[tokio::test(start_paused = true)]
async fn r06_a_mail_of_nothing_is_no_mail() {
    assert_eq!(retr(ScriptedServer::new().say("+OK\r\n.\r\n"), 9).await.unwrap(), Fetched::Nothing);
}

/// B38: in a mailbox whose mails have no names there is nothing to do.
#[tokio::test(start_paused = true)]
async fn b38_a_server_without_uidl_ends_the_session_with_its_words() {
    let server = clientmodul().on("UIDL", "-ERR unknown command\r\n");
    let error = server.play(async |io| open(io).await.unwrap().keys().await).await.unwrap_err();
    let words = "the dialogue with the mail server localhost broke off: the server answered: -ERR unknown command";
    assert_eq!(chain(&error), words);
}

/// Sizes tell mails apart; a server without sizes says nothing.
#[tokio::test(start_paused = true)]
async fn sizes_go_by_key_and_may_be_missing() {
    for (answer, expected) in [
        ("+OK\r\n1 12\r\n2 x\r\n3 5 more\r\n9 1\r\n.\r\n", Some(vec![("a", 12), ("c", 5)])),
        ("-ERR no\r\n", None),
    ] {
        let sizes = with_mails("1 a\r\n2 b\r\n3 c\r\n")
            .on("LIST", answer)
            .play(async |io| {
                let mut mailbox = open(io).await.unwrap();
                mailbox.keys().await.unwrap();
                mailbox.sizes().await.unwrap()
            })
            .await;
        let by_key = |sizes: Vec<(&str, u64)>| {
            sizes.into_iter().map(|(name, bytes)| (key(name), bytes)).collect()
        };
        assert_eq!(sizes, expected.map(by_key));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_half_way_ends_the_session_instead_of_mixing_answers() {
    with_mails("1 a\r\n")
        .hear("RETR 1")
        .wait(1)
        .say("+OK\r\nlate\r\n.\r\n")
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            mailbox.keys().await.unwrap();
            let (a, second) = (key("a"), Duration::from_secs(1));
            assert!(tokio::time::timeout(second, mailbox.fetch(&a, 10)).await.is_err());
            let error = mailbox.fetch(&a, 10).await.unwrap_err();
            assert!(matches!(error, MailServerError::Broken { source: Fault::Over, .. }));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn lists_without_end_are_not_read_to_the_end() {
    let server = greeted().hear("CAPA").say(format!("+OK\r\n{}", "X\r\n".repeat(10_000)));
    let error = server.play(open).await.err().unwrap();
    assert!(matches!(error, MailServerError::Broken { source: Fault::TooMuch(_), .. }));
}

/// L65c: in the log it would name the mailbox's owner at each look.
#[tokio::test(start_paused = true)]
async fn l65c_a_reply_of_a_mailbox_does_not_name_its_owner() {
    let server = ScriptedServer::new()
        .say("+OK ready\r\n")
        .on("CAPA", "-ERR what?\r\n")
        .on(&format!("USER {USER}"), "-ERR maildrop of erik at host=hrst is locked\r\n");
    let opened = server.play(open).await;
    let told = chain(&opened.err().unwrap());
    assert!(told.ends_with("-ERR maildrop of … at … is locked"), "{told}");
}
