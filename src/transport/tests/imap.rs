use std::time::Duration;

use tokio::task::JoinSet;

use super::scripted::{PLAIN, ScriptedServer, account, chain};
use crate::{
    model::MailKey,
    transport::{
        Fault, Fetched, KeyList, Login, MailServer, MailServerError, MailServerErrorKind, Mailbox,
        MailboxProtocol, Waited, wire::BoxedIo,
    },
};

async fn open(io: BoxedIo) -> Result<Mailbox, MailServerError> {
    Mailbox::open_over(io, MailboxProtocol::Imap, &account()).await
}

fn key(text: &str) -> MailKey {
    MailKey::new(text).unwrap()
}

fn greeted(capabilities: &str) -> ScriptedServer {
    ScriptedServer::new()
        .say("* OK [CAPABILITY IMAP4rev1] ready {5}\r\n")
        .on("u1 CAPABILITY", &format!("* CAPABILITY {capabilities}\r\nu1 OK\r\n"))
}

/// Up to the selected INBOX: the next command is `u5`.
fn inbox_with(capabilities: &str) -> ScriptedServer {
    greeted("IMAP4rev1 AUTH=PLAIN")
        .on("u2 AUTHENTICATE PLAIN", "+ \r\n")
        .on(PLAIN, "u2 OK in\r\n")
        .on("u3 CAPABILITY", &format!("* CAPABILITY IMAP4rev1 {capabilities}\r\nu3 OK\r\n"))
        .on(
            "u4 SELECT INBOX",
            "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nu4 OK [READ-WRITE] done\r\n",
        )
}

fn inbox() -> ScriptedServer {
    inbox_with("UIDPLUS IDLE")
}

#[tokio::test(start_paused = true)]
async fn a_session_is_held_line_by_line_in_packets_of_one_byte() {
    let server = inbox()
        .hear("u5 UID SEARCH ALL")
        .say_one_by_one("* SEARCH 12 3\r\n* 1 FETCH (FLAGS (\\Seen))\r\nu5 OK\r\n")
        .hear("u6 UID FETCH 3 (UID BODY.PEEK[HEADER])")
        .say_one_by_one("* 1 FETCH (UID 3 BODY[HEADER] {6}\r\nA: b\r\n)\r\nu6 OK\r\n")
        .hear("u7 UID FETCH 3 (UID RFC822.SIZE)")
        .say_one_by_one("* 1 FETCH (UID 3 RFC822.SIZE 14)\r\nu7 OK\r\n")
        .hear("u8 UID FETCH 3 (UID BODY.PEEK[])")
        .say_one_by_one("* 1 FETCH (BODY[] {14}\r\nA: b\r\n\r\n{9}\r\n) UID 3)\r\nu8 OK\r\n")
        .on("u9 UID STORE 3,12 +FLAGS.SILENT (\\Deleted)", "u9 OK\r\n")
        .on("u10 UID EXPUNGE 3,12", "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\nu10 OK\r\n")
        .on("u11 LOGOUT", "* BYE\r\nu11 OK\r\n");
    server
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            let list = mailbox.keys().await.unwrap();
            assert_eq!(list, KeyList { keys: vec![key("7.3"), key("7.12")], ..KeyList::default() });
            let header = mailbox.header(&key("7.3")).await.unwrap();
            assert_eq!(header, Fetched::Mail(b"A: b\r\n".to_vec()));
            let mail = mailbox.fetch(&key("7.3"), 14).await.unwrap();
            assert_eq!(mail, Fetched::Mail(b"A: b\r\n\r\n{9}\r\n)".to_vec()));
            let agreed = mailbox.delete(&[key("7.3"), key("7.12"), key("6.1"), key("x")]).await;
            assert_eq!(agreed.unwrap(), [key("7.3"), key("7.12")]);
            mailbox.close().await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_login_by_name_is_quoted_where_plain_is_not_offered() {
    let login = Login { user: r"a\b".to_owned(), password: r#"p"w ß"#.into() };
    let account = MailServer { login, ..account() };
    let server = greeted("IMAP4rev1")
        .on(r#"u2 LOGIN "a\\b" "p\"w ß""#, "u2 OK\r\n")
        .on("u3 CAPABILITY", "* CAPABILITY IMAP4rev1\r\nu3 OK\r\n")
        .on("u4 SELECT INBOX", "* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nu4 OK\r\n");
    let opened =
        server.play(async |io| Mailbox::open_over(io, MailboxProtocol::Imap, &account).await).await;
    assert!(opened.is_ok());
}

#[tokio::test(start_paused = true)]
async fn kim_6_and_7_a_refused_login_is_told_from_a_busy_server() {
    for (answer, expected) in [
        ("u2 NO [AUTHENTICATIONFAILED] erik@hrst\r\n", MailServerErrorKind::Credentials),
        // Not UTF-8, and outside the grammar.
        ("u2 NO b\u{f6}se\r\n", MailServerErrorKind::Credentials),
        ("u2 NO [UNAVAILABLE] later\r\n", MailServerErrorKind::Busy),
        ("u2 NO [INUSE] later\r\n", MailServerErrorKind::Busy),
        ("* BYE bye\r\n", MailServerErrorKind::Broken),
    ] {
        let latin1: Vec<u8> = answer.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let server = greeted("IMAP4rev1 AUTH=PLAIN")
            .on("u2 AUTHENTICATE PLAIN", "+ \r\n")
            .hear(PLAIN)
            .say(latin1);
        let error = server.play(open).await.err().unwrap();
        assert_eq!(error.kind(), expected, "{}", chain(&error));
    }
    let error = greeted("LOGINDISABLED").hear_nothing_more().play(open).await.err().unwrap();
    assert_eq!(error.kind(), MailServerErrorKind::Broken);
    for greeting in ["* PREAUTH hello\r\n", "+OK pop\r\n", ""] {
        let server = ScriptedServer::new().say(greeting).hear_nothing_more();
        let error = server.play(open).await.err().unwrap();
        assert_eq!(error.kind(), MailServerErrorKind::Unreachable, "{greeting:?}");
    }
    let error = ScriptedServer::new().say("* BYE full\r\n").play(open).await.err().unwrap();
    assert_eq!(error.kind(), MailServerErrorKind::Busy);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_refused_cut_off_or_garbled_is_not_an_empty_mailbox() {
    for answer in [
        "u5 NO not now\r\n",
        "u5 BAD what\r\n",
        "",
        "* SEARCH 3 4",
        "* SEARCH 3 4\r\n",
        "* SEARCH drei vier\r\nu5 OK\r\n",
        "* BYE\r\n",
        "* ESEARCH (TAG \"u5\") UID ALL 3,4\r\nu5 OK\r\n",
        "* 1 EXPUNGE\r\nu5 OK\r\n",
    ] {
        let server = inbox().on("u5 UID SEARCH ALL", answer);
        let list = server.play(async |io| open(io).await.unwrap().keys().await).await;
        assert!(list.is_err(), "{answer:?} gave {list:?}");
    }
    let server = inbox().on(
        "u5 UID SEARCH ALL",
        "* 1 EXPUNGE\r\n* X-NEW thing (\r\n* 1 EXPUNGE\r\n* SEARCH\r\nu5 OK\r\n",
    );
    let list = server.play(async |io| open(io).await.unwrap().keys().await).await;
    assert_eq!(list.unwrap(), KeyList::default());
}

/// Fetches mail 3, with at most 100 bytes, from a server that answers with `size` and `answer`.
async fn fetch(size: &str, rest: ScriptedServer) -> Result<Fetched, MailServerError> {
    inbox()
        .on("u5 UID FETCH 3 (UID RFC822.SIZE)", size)
        .and(rest)
        .play(async |io| open(io).await.unwrap().fetch(&key("7.3"), 100).await)
        .await
}

#[tokio::test(start_paused = true)]
async fn b32_b37_what_cannot_be_fetched_is_too_large_withheld_nothing_or_broken() {
    let none = ScriptedServer::new;
    let sized = |size| format!("* 1 FETCH (UID 3 RFC822.SIZE {size})\r\nu5 OK\r\n");
    let body = |answer: &str| none().on("u6 UID FETCH 3 (UID BODY.PEEK[])", answer);

    assert_eq!(fetch(&sized(101), none()).await.unwrap(), Fetched::TooLarge);
    // The size was a lie (KIM-10): neither memory nor time is given to the rest.
    let liar = body("* 1 FETCH (UID 3 BODY[] {500000000}\r\n").say("x".repeat(5000));
    assert_eq!(fetch(&sized(5), liar).await.unwrap(), Fetched::TooLarge);

    // B32: the server's own list has it, so an empty answer is not absence, and a missing size does
    // not mean a missing mail.
    for size in ["u5 OK\r\n", &sized(5), &sized(0)] {
        assert_eq!(fetch(size, body("u6 OK\r\n")).await.unwrap(), Fetched::Nothing);
        let others =
            "* 2 FETCH (UID 4 BODY[] {1}\r\nx)\r\n* 1 FETCH (UID 3 BODY[] NIL)\r\nu6 OK\r\n";
        assert_eq!(fetch(size, body(others)).await.unwrap(), Fetched::Nothing);
        let empty = "* 1 FETCH (UID 3 BODY[] {0}\r\n)\r\nu6 OK\r\n";
        assert_eq!(fetch(size, body(empty)).await.unwrap(), Fetched::Nothing);
        // B37: the bytes that come count, whatever the size says.
        let mail = "* 1 FETCH (UID 3 BODY[] {14}\r\nA: b\r\n\r\nText\r\n)\r\nu6 OK\r\n";
        let whole = Fetched::Mail(b"A: b\r\n\r\nText\r\n".to_vec());
        assert_eq!(fetch(size, body(mail)).await.unwrap(), whole);
    }

    let reply = "NO not today".to_owned();
    let no = body("u6 NO not today\r\n");
    assert_eq!(fetch(&sized(5), no).await.unwrap(), Fetched::Withheld { reply });

    let half = body("* 1 FETCH (UID 3 BODY[] {5}\r\nab");
    let error = fetch(&sized(5), half).await.unwrap_err();
    assert!(matches!(error, MailServerError::Broken { source: Fault::Closed, .. }));
    assert!(fetch(&sized(5), none()).await.is_err());
}

/// A long mail is put into its basket while it comes, and only the requested one.
#[tokio::test(start_paused = true)]
async fn a_long_mail_is_fetched_piece_by_piece() {
    const LENGTH: usize = 200_000;
    let long = "x".repeat(LENGTH);
    let fetched = async |rest: &str, bytes_max: usize| {
        inbox()
            .on("u5 UID FETCH 3 (UID RFC822.SIZE)", "* 1 FETCH (UID 3 RFC822.SIZE 9)\r\nu5 OK\r\n")
            .on("u6 UID FETCH 3 (UID BODY.PEEK[])", rest)
            .play(async |io| open(io).await.unwrap().fetch(&key("7.3"), bytes_max).await)
            .await
    };
    let mail = Fetched::Mail(long.clone().into_bytes());
    for answer in [
        format!("* 1 FETCH (UID 3 BODY[] {{{LENGTH}}}\r\n{long})\r\nu6 OK\r\n"),
        format!("* 1 FETCH (BODY[] {{{LENGTH}}}\r\n{long} UID 3)\r\nu6 OK\r\n"),
    ] {
        assert_eq!(fetched(&answer, LENGTH).await.unwrap(), mail);
        assert_eq!(fetched(&answer, LENGTH - 1).await.unwrap(), Fetched::TooLarge);
    }
    let other = format!("* 2 FETCH (UID 4 BODY[] {{{LENGTH}}}\r\n{long})\r\n");
    let right = format!("* 1 FETCH (UID 3 BODY[] {{{LENGTH}}}\r\n{long})\r\n");
    for answer in [format!("{other}u6 OK\r\n"), format!("{other}{right}u6 OK\r\n")] {
        assert!(fetched(&answer, LENGTH).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_an_earlier_generation_are_gone_without_asking() {
    let server = inbox().hear_nothing_more();
    server
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            for wrong in ["6.3", "7", "7.0", "7.x", "7.3.1", "7.99999999999"] {
                assert_eq!(mailbox.fetch(&key(wrong), 9).await.unwrap(), Fetched::Gone, "{wrong}");
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn without_uidplus_nothing_is_expunged_that_a_person_marked() {
    let marked = |uids| {
        inbox_with("IDLE")
            .on("u5 UID STORE 3 +FLAGS.SILENT (\\Deleted)", "u5 OK\r\n")
            .on("u6 UID SEARCH DELETED", &format!("* SEARCH {uids}\r\nu6 OK\r\n"))
    };
    for (server, expected) in [
        (
            marked("3").on("u7 EXPUNGE", "* 1 EXPUNGE\r\nu7 OK\r\n").on("u8 LOGOUT", "u8 OK\r\n"),
            vec![key("7.3")],
        ),
        // It is marked, and stays until a program expunges.
        (marked("3 9").on("u7 LOGOUT", "u7 OK\r\n"), vec![]),
    ] {
        let agreed = server
            .play(async |io| {
                let mut mailbox = open(io).await.unwrap();
                let agreed = mailbox.delete(&[key("7.3")]).await.unwrap();
                mailbox.close().await.unwrap();
                agreed
            })
            .await;
        assert_eq!(agreed, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_deletion_is_no_deletion() {
    let store = inbox().on("u5 UID STORE 3 +FLAGS.SILENT (\\Deleted)", "u5 NO read-only\r\n");
    let expunge = inbox()
        .on("u5 UID STORE 3 +FLAGS.SILENT (\\Deleted)", "u5 OK\r\n")
        .on("u6 UID EXPUNGE 3", "u6 NO read-only\r\n");
    for server in [store, expunge] {
        let deleted =
            server.play(async |io| open(io).await.unwrap().delete(&[key("7.3")]).await).await;
        assert!(deleted.is_err());
    }
}

async fn wait(server: ScriptedServer, minutes: u64) -> Result<Waited, MailServerError> {
    server
        .play(async |io| {
            let mut mailbox = open(io).await.unwrap();
            mailbox.keys().await.unwrap();
            let waited = mailbox.wait_for_mail(Duration::from_secs(minutes * 60)).await;
            if waited.is_ok() {
                mailbox.keys().await.unwrap();
            }
            waited
        })
        .await
}

fn looked(capabilities: &str) -> ScriptedServer {
    inbox_with(capabilities).on("u5 UID SEARCH ALL", "* SEARCH 3\r\nu5 OK\r\n")
}

#[tokio::test(start_paused = true)]
async fn idle_ends_when_a_mail_comes_and_when_the_time_is_up() {
    let again = |n| {
        ScriptedServer::new()
            .on(&format!("u{n} UID SEARCH ALL"), &format!("* SEARCH 3\r\nu{n} OK\r\n"))
    };
    let comes = looked("IDLE")
        .on("u6 IDLE", "+ idling\r\n")
        .wait(9)
        .say("* OK Still here\r\n* 1 RECENT\r\n* 1 EXPUNGE\r\n* 1 EXISTS\r\n* 2 EXI")
        .wait(1)
        .say("STS\r\n")
        .on("DONE", "u6 OK\r\n")
        .and(again(7));
    assert_eq!(wait(comes, 20).await.unwrap(), Waited::News);

    let never = looked("IDLE").on("u6 IDLE", "+ idling\r\n").on("DONE", "u6 OK\r\n").and(again(7));
    assert_eq!(wait(never, 20).await.unwrap(), Waited::TimeUp);

    // Our limit applies if the caller has none.
    let never = looked("IDLE").on("u6 IDLE", "+ idling\r\n").on("DONE", "u6 OK\r\n").and(again(7));
    let before = tokio::time::Instant::now();
    assert_eq!(wait(never, 600).await.unwrap(), Waited::TimeUp);
    assert_eq!(before.elapsed().as_secs() / 60, 25);

    // A mail that came between the list and IDLE is not waited for.
    let before = inbox_with("IDLE")
        .on("u5 UID SEARCH ALL", "* SEARCH 3\r\n* 3 EXISTS\r\nu5 OK\r\n")
        .and(again(6));
    assert_eq!(wait(before, 20).await.unwrap(), Waited::News);

    assert_eq!(wait(looked("").and(again(6)), 20).await.unwrap(), Waited::Unsupported);
    let lists_only = looked("IDLE").on("u6 IDLE", "u6 BAD what\r\n").and(again(7));
    assert_eq!(wait(lists_only, 20).await.unwrap(), Waited::Unsupported);

    let dies = looked("IDLE").on("u6 IDLE", "+ idling\r\n");
    assert!(wait(dies, 20).await.is_err());
}

/// The server counts three mails and lists two: the third one has not left.
#[tokio::test(start_paused = true)]
async fn a_list_that_is_shorter_than_the_count_says_so() {
    for (answer, is_short) in [
        ("* 3 EXISTS\r\n* SEARCH 3 4\r\nu5 OK\r\n", true),
        ("* 3 EXISTS\r\n* SEARCH 3 4\r\n* 2 EXPUNGE\r\nu5 OK\r\n", false),
        ("* SEARCH 3\r\n* SEARCH 4\r\nu5 OK\r\n", false),
        ("* SEARCH 3 4 5\r\nu5 OK\r\n", false),
    ] {
        let server = inbox().on("u5 UID SEARCH ALL", answer);
        let list = server.play(async |io| open(io).await.unwrap().keys().await).await.unwrap();
        assert_eq!(list.is_short, is_short, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_of_a_hundred_thousand_mails_is_listed() {
    let uids: String = (1..=100_000).map(|uid| format!(" {uid}")).collect();
    let server = inbox().on("u5 UID SEARCH ALL", &format!("* SEARCH{uids}\r\nu5 OK\r\n"));
    let list = server.play(async |io| open(io).await.unwrap().keys().await).await.unwrap();
    assert_eq!((list.keys.len(), list.keys.last()), (100_000, Some(&key("7.100000"))));
}

/// L64: the content of an answer is counted, however it is cut into lines and literals.
#[tokio::test(start_paused = true)]
async fn l64_an_answer_of_many_lines_and_literals_has_an_end() {
    let empty = [vec![b'x'; 100_000], b" {0}\r\n".to_vec()].concat();
    let short = b" {0}\r\n".to_vec();
    let small = [b" {60000}\r\n".to_vec(), vec![b'x'; 60_000]].concat();
    for (piece, times) in [(empty, 400), (short, 2_000_000), (small, 400)] {
        for command in ["SEARCH", "FETCH"] {
            let mut server = ScriptedServer::new()
                .say("* OK ready\r\n")
                .on("u1 CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nu1 OK\r\n")
                .on("u2 AUTHENTICATE PLAIN", "+ \r\n")
                .on(PLAIN, "u2 OK in\r\n")
                .on("u3 CAPABILITY", "* CAPABILITY IMAP4rev1\r\nu3 OK\r\n")
                .on("u4 SELECT INBOX", "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\nu4 OK\r\n");
            if command == "FETCH" {
                server = server
                    .on("u5 UID FETCH 1 (UID RFC822.SIZE)", "u5 OK\r\n")
                    .hear("u6 UID FETCH 1 (UID BODY.PEEK[])");
            } else {
                server = server.hear("u5 UID SEARCH ALL");
            }
            let server = server.say([b"* 1 FETCH (".to_vec(), piece.repeat(times)].concat());
            let (ours, theirs) = tokio::io::duplex(1024 * 1024);
            // When a client has had enough it hangs up, and the server's writing fails.
            let mut acting = JoinSet::new();
            acting.spawn(server.act(Box::new(ours)));
            let protocol = MailboxProtocol::Imap;
            let opened = Mailbox::open_over(Box::new(theirs), protocol, &account()).await;
            let mut mailbox = opened.unwrap();
            if command == "FETCH" {
                let key = MailKey::new("7.1").unwrap();
                let fetched = mailbox.fetch(&key, 1 << 30).await;
                assert!(!matches!(fetched, Ok(Fetched::Mail(_))), "{fetched:?}");
            } else {
                assert!(mailbox.keys().await.is_err());
            }
            assert!(mailbox.is_over());
            drop(mailbox);
            acting.join_next().await.unwrap().unwrap();
        }
    }
}
