use std::{cell::Cell, convert::Infallible, time::Duration};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::scripted::{PLAIN, ScriptedServer, account, chain};
use crate::{
    model::{Envelope, MailAddress, Outcome, Reached, Reply, Why},
    transport::{
        MailServer, MailServerErrorKind,
        smtp::{MailSource, probe_login_over, submit_over},
        submit,
    },
};

const MAIL: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";
const BODY: &[u8] = b"Subject: x\r\n\r\n..dot\r\n.\r\n";

fn envelope() -> Envelope {
    let address = |text| MailAddress::new(text).unwrap();
    Envelope::new(address("erik@hrst.kim.telematik"), address("labor@mvz.kim.telematik"))
}

/// A Clientmodul up to the login, with the keywords of gemSpec_CM_KOMLE Tab_SMTP_Ant_Init.
pub(super) fn clientmodul() -> ScriptedServer {
    ScriptedServer::new()
        .say("220 KOM-LE-Clientmodul ESMTP\r\n")
        .hear("EHLO [127.0.0.1]")
        .say("250-localhost\r\n250-SIZE 35882577\r\n250-AUTH LOGIN PLAIN\r\n")
        .say("250-8BITMIME\r\n250-ENCHANCEDSTATUSCODES\r\n250 DSN\r\n")
        .on(&format!("AUTH PLAIN {PLAIN}"), "235 2.7.0 ok\r\n")
}

pub(super) const FROM: &str = "MAIL FROM:<erik@hrst.kim.telematik> SIZE=20";
pub(super) const TO: &str = "RCPT TO:<labor@mvz.kim.telematik>";

/// The same up to the 354.
fn at_body() -> ScriptedServer {
    clientmodul().on(FROM, "250 ok\r\n").on(TO, "250 ok\r\n").on("DATA", "354 go\r\n")
}

fn at_end() -> ScriptedServer {
    at_body().hear_body(BODY)
}

async fn send(server: ScriptedServer) -> Outcome {
    send_mail(server, &account(), MAIL).await
}

pub(super) async fn send_mail(
    server: ScriptedServer,
    account: &MailServer,
    mail: &[u8],
) -> Outcome {
    server
        .play(async |io| {
            submit_over(io, account, &envelope(), mail, async || Ok::<_, Infallible>(())).await
        })
        .await
}

fn accepted(reply: &str) -> Outcome {
    Outcome::Accepted { reply: read(reply).unwrap(), reports_requested: false }
}

fn refused(at: Reached, reply: &str) -> Outcome {
    Outcome::Refused { at, why: why(reply) }
}

fn later(at: Reached, reply: &str) -> Outcome {
    Outcome::TryLater { at, why: why(reply) }
}

fn unclear(reply: &str) -> Outcome {
    Outcome::Unclear { why: why(reply) }
}

/// `552 5.3.4 too big` is a server's reply; a text that does not begin with a code is a sentence of
/// our own.
fn why(text: &str) -> Why {
    match read(text) {
        Some(reply) => Why::Reply(reply),
        None if text.contains("bytes, and the server takes") => Why::TooLarge(text.to_owned()),
        None => Why::Fault(text.to_owned()),
    }
}

fn read(text: &str) -> Option<Reply> {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let code = code.parse().ok()?;
    let (first, words) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match first.parse().ok() {
        Some(enhanced) => Reply { code, enhanced: Some(enhanced), text: words.to_owned() },
        None => Reply { code, enhanced: None, text: rest.to_owned() },
    })
}

const LOST: &str = "the server closed the connection";
const SILENT: &str = "the server stayed silent for too long";

#[tokio::test(start_paused = true)]
async fn kim_28_a_mail_is_accepted() {
    let server = at_end()
        .say("250 2.0.0 queued as 4F1C for <labor@mvz.kim.telematik>\r\n")
        .on("QUIT", "221 bye\r\n");
    assert_eq!(send(server).await, accepted("250 2.0.0 queued as 4F1C for …"));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_mail_stays_accepted_whatever_quit_comes_to() {
    let hangs_up = at_end().say("250 ok\r\n");
    let is_mute = at_end().say("250 ok\r\n").hear("QUIT").wait(10);
    let complains = at_end().say("250 ok\r\n").on("QUIT", "554 no\r\n");
    for server in [hangs_up, is_mute, complains] {
        assert_eq!(send(server).await, accepted("250 ok"));
    }
}

#[tokio::test(start_paused = true)]
async fn p3_and_kim_28_the_reply_to_the_end_of_data_decides() {
    let cases = [
        ("451 4.3.0 none encryptable", false),
        ("421 4.4.2 timeout", false),
        ("452 4.3.1 full", false),
        ("521 5.2.2 KAS quota", true),
        ("552 5.3.4 too big", true),
        ("553 5.7.1 no certificate", true),
        ("554 5.7.1 rejected", true),
        ("571 5.7.1 blocked", true),
        ("550-5.7.1 two\r\n550 5.7.1 lines", true),
    ];
    for (answer, is_refused) in cases {
        let shown = answer.replace("\r\n550 5.7.1", "").replacen('-', " ", 1);
        let expected =
            if is_refused { refused(Reached::Body, &shown) } else { later(Reached::Body, &shown) };
        let server = at_end().say(format!("{answer}\r\n")).on("QUIT", "221 bye\r\n");
        assert_eq!(send(server).await, expected, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn kim_28_a_connection_lost_before_the_final_dot_is_no_question() {
    for until in
        [clientmodul(), clientmodul().hear(FROM), clientmodul().on(FROM, "250 ok\r\n").hear(TO)]
    {
        assert!(matches!(send(until).await, Outcome::TryLater { .. }));
    }
    assert_eq!(send(at_body_unanswered()).await, later(Reached::Body, LOST));

    // The server reads a part of a large body and is gone: the dot cannot have reached it.
    let large = "0123456789abcde\r\n".repeat(60_000);
    let from = "MAIL FROM:<erik@hrst.kim.telematik> SIZE=1020000";
    let upto_data =
        || clientmodul().on(from, "250 ok\r\n").on(TO, "250 ok\r\n").on("DATA", "354 go\r\n");
    let outcome = send_mail(upto_data().hear_some(100_000), &account(), large.as_bytes()).await;
    assert_eq!(outcome, later(Reached::Body, "the connection failed: broken pipe"));
    let outcome =
        send_mail(upto_data().hear_some(9_000).wait(9), &account(), large.as_bytes()).await;
    assert_eq!(outcome, later(Reached::Body, SILENT));

    // It says why first.
    for (answer, expected) in [
        ("552 5.3.4 too big\r\n", refused(Reached::Body, "552 5.3.4 too big")),
        ("421 4.3.2 going down\r\n", later(Reached::Body, "421 4.3.2 going down")),
    ] {
        let server = upto_data().hear_some(100_000).say(answer);
        assert_eq!(send_mail(server, &account(), large.as_bytes()).await, expected);
    }
}

fn at_body_unanswered() -> ScriptedServer {
    clientmodul().on(FROM, "250 ok\r\n").on(TO, "250 ok\r\n").hear("DATA")
}

#[tokio::test(start_paused = true)]
async fn kim_28_a_connection_lost_after_the_final_dot_is_unclear() {
    let lost = format!("no reply to the mail: {LOST}");
    assert_eq!(send(at_end()).await, unclear(&lost));
    assert_eq!(send(at_end().say("25")).await, unclear(&lost));
    assert_eq!(send(at_end().say("250-half\r\n")).await, unclear(&lost));
    assert_eq!(send(at_end().wait(6)).await, unclear(&format!("no reply to the mail: {SILENT}")));
    assert!(matches!(send(at_end().say("<html>\r\n")).await, Outcome::Unclear { .. }));
    assert!(matches!(send(at_end().say("354 go\r\n")).await, Outcome::Unclear { .. }));
}

/// L60: it may belong to something earlier, and the mail's own reply comes later and says the
/// opposite.
#[tokio::test(start_paused = true)]
async fn l60_an_answer_before_its_time_is_not_the_mail_s_fate() {
    for (early, late) in [("250 2.0.0 ok", "554 5.7.1 no"), ("554 5.7.1 no", "250 2.0.0 ok")] {
        for stray in [early, "2", "5", "\r\n", "250-"] {
            // With the answer to a command: nothing of the body leaves.
            let with_answer = |answer: &str| format!("{answer}\r\n{stray}\r\n");
            for server in [
                clientmodul().on(FROM, &with_answer("250 ok")),
                clientmodul().on(FROM, "250 ok\r\n").on(TO, &with_answer("250 ok")),
                at_body_unanswered().say(with_answer("354 go")),
            ] {
                let asked = Cell::new(false);
                let outcome = server
                    .hear_nothing_more()
                    .play(async |io| {
                        let agree = async || {
                            asked.set(true);
                            Ok::<_, Infallible>(())
                        };
                        submit_over(io, &account(), &envelope(), MAIL, agree).await
                    })
                    .await;
                assert!(matches!(outcome, Outcome::TryLater { .. }), "{stray:?}: {outcome:?}");
                assert!(!asked.get());
            }
            // While the body leaves: without its dot the server has accepted nothing.
            let server = at_body().hear_some(12).say(format!("{stray}\r\n"));
            let outcome = server
                .hear_some(9)
                .hear_nothing_more()
                .play(async |io| {
                    let agree = async || Ok::<_, Infallible>(());
                    submit_over(io, &account(), &envelope(), Slow(2), agree).await
                })
                .await;
            assert!(matches!(outcome, Outcome::TryLater { .. }), "{stray:?}: {outcome:?}");
        }
        // With the answer to the mail, or before it.
        for said in [
            format!("{early}\r\n{late}\r\n"),
            format!("{late}\r\n25"),
            format!("2{late}\r\n"),
            format!("{}\r\n{late}\r\n", early.replacen(' ', "-", 1)),
            format!("\r\n{late}\r\n"),
        ] {
            let outcome = send(at_end().say(said.clone())).await;
            assert!(matches!(outcome, Outcome::Unclear { .. }), "{said:?}: {outcome:?}");
        }
        // Revealed only by one surplus answer.
        let server = at_end()
            .say(format!("{early}\r\n"))
            .hear("QUIT")
            .say(format!("{late}\r\n"))
            .say("221 bye\r\n");
        let outcome = send(server).await;
        assert!(matches!(outcome, Outcome::Unclear { .. }), "{outcome:?}");
    }
}

/// `MAIL` in two pieces, the second after a minute.
struct Slow(usize);

impl MailSource for Slow {
    fn size(&self) -> usize {
        MAIL.len()
    }

    fn is_ascii(&self) -> bool {
        true
    }

    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        self.0 = match self.0 {
            2 => 1,
            1 => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                0
            }
            _ => return Ok(None),
        };
        let (first, second) = MAIL.split_at(12);
        Ok(Some(Bytes::from_static(if self.0 == 1 { first } else { second })))
    }
}

/// L63: a server that says or accepts a little now and then holds up no task for days.
#[tokio::test(start_paused = true)]
async fn l63_every_answer_and_every_mail_has_an_end_in_time() {
    async fn outcome_of(server: ScriptedServer, mail: &[u8]) -> Outcome {
        let (ours, theirs) = tokio::io::duplex(1024);
        // It goes on when the receiver is gone.
        let mut acting = JoinSet::new();
        acting.spawn(server.act(Box::new(ours)));
        let agree = async || Ok::<_, Infallible>(());
        let (account, envelope) = (account(), envelope());
        let submitted = submit_over(Box::new(theirs), &account, &envelope, mail, agree);
        let outcome = tokio::time::timeout(Duration::from_secs(3600), submitted).await;
        acting.abort_all();
        outcome.unwrap()
    }
    fn now_and_then(server: ScriptedServer, line: &str) -> ScriptedServer {
        (0..100).fold(server, |server, _| server.say(line).wait(4))
    }
    let line = "250-still looking at it\r\n";
    for server in [
        now_and_then(ScriptedServer::new(), "220-wait\r\n"),
        now_and_then(clientmodul().hear(FROM), line),
        now_and_then(clientmodul().hear(FROM), "2"),
    ] {
        let outcome = outcome_of(server, MAIL).await;
        assert!(matches!(outcome, Outcome::TryLater { .. }), "{outcome:?}");
    }
    for said in [line, "2"] {
        let outcome = outcome_of(now_and_then(at_end(), said), MAIL).await;
        assert!(matches!(outcome, Outcome::Unclear { .. }), "{outcome:?}");
    }
    let large = "0123456789abcde\r\n".repeat(10_000);
    let begun = clientmodul()
        .on("MAIL FROM:<erik@hrst.kim.telematik> SIZE=170000", "250 ok\r\n")
        .on(TO, "250 ok\r\n")
        .on("DATA", "354 go\r\n");
    let takes_little = (0..100).fold(begun, |server, _| server.hear_some(1000).wait(4));
    let outcome = outcome_of(takes_little, large.as_bytes()).await;
    assert_eq!(outcome, later(Reached::Body, SILENT));
}

/// L65b: the recipient within a word, and its domain alone.
#[tokio::test(start_paused = true)]
async fn l65b_a_reply_names_no_part_of_the_recipient() {
    for reply in [
        "550 5.1.1 no such mailbox: user=labor",
        "550 5.1.1 labor/mvz.kim.telematik unknown",
        "450 4.1.2 Name service error for name=mvz.kim.telematik type=MX: Host not found",
    ] {
        let server = clientmodul()
            .on(FROM, "250 ok\r\n")
            .on(TO, &format!("{reply}\r\n"))
            .on("QUIT", "221\r\n");
        let shown = format!("{:?}", send(server).await);
        assert!(!shown.contains("labor") && !shown.contains("mvz"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn kim_5_signing_may_take_four_minutes() {
    let server = at_end().wait(4).say("250-still\r\n").wait(4).say("250 ok\r\n");
    assert_eq!(send(server).await, accepted("250 still ok"));
}

#[tokio::test(start_paused = true)]
async fn the_body_leaves_only_after_the_caller_agreed() {
    let agreed = Cell::new(0);
    let outcome = at_body()
        .hear_nothing_more()
        .play(async |io| {
            submit_over(io, &account(), &envelope(), MAIL, async || {
                agreed.set(agreed.get() + 1);
                Err("the database is away")
            })
            .await
        })
        .await;
    let why = "not sent: the attempt could not be saved beforehand";
    assert_eq!((outcome, agreed.get()), (later(Reached::Body, why), 1));
}

/// Half a mail has no final dot, so that no server takes it for a whole one.
#[tokio::test(start_paused = true)]
async fn a_mail_that_cannot_be_read_to_its_end_is_broken_off() {
    struct Half(bool);
    impl MailSource for Half {
        fn size(&self) -> usize {
            20
        }

        fn is_ascii(&self) -> bool {
            true
        }

        async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::Error::other("the disk is gone"));
            }
            Ok(Some(Bytes::from_static(b"Subject: x\r\n")))
        }
    }
    let outcome = at_body()
        .hear_some(12)
        .hear_nothing_more()
        .play(async |io| {
            let agreed = async || Ok::<_, Infallible>(());
            submit_over(io, &account(), &envelope(), Half(false), agreed).await
        })
        .await;
    let why = "broken off before its end: the rest of the mail could not be read";
    assert_eq!(outcome, later(Reached::Body, why));
}

#[tokio::test(start_paused = true)]
async fn the_caller_is_not_asked_before_the_server_takes_the_body() {
    for server in [
        clientmodul().on(FROM, "250 ok\r\n").on(TO, "550 no\r\n"),
        clientmodul().on(FROM, "250 ok\r\n").on(TO, "250 ok\r\n").on("DATA", "554 no\r\n"),
        clientmodul().on(FROM, "250 ok\r\n").on(TO, "250 ok\r\n").on("DATA", "250 what\r\n"),
    ] {
        let outcome = server
            .play(async |io| {
                let never = async || -> Result<(), Infallible> { panic!("asked too early") };
                submit_over(io, &account(), &envelope(), MAIL, never).await
            })
            .await;
        assert!(!matches!(outcome, Outcome::Accepted { .. } | Outcome::Unclear { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn kim_28_a_refusal_before_data_is_the_mail_s_and_a_delay_is_not() {
    let at_sender = |answer: &str| clientmodul().on(FROM, answer).on("QUIT", "221 bye\r\n");
    let at_recipient = |answer: &str| {
        clientmodul().on(FROM, "250 ok\r\n").on(TO, answer).on("QUIT", "221 bye\r\n")
    };
    let cases = [
        (at_sender("553 5.7.1 not yours\r\n"), refused(Reached::Sender, "553 5.7.1 not yours")),
        (at_sender("452 4.3.1 full\r\n"), later(Reached::Sender, "452 4.3.1 full")),
        (at_sender("421 bye\r\n"), later(Reached::Sender, "421 bye")),
        // Not logged in after all: not the mail's fault.
        (at_sender("530 5.7.0 login first\r\n"), later(Reached::Login, "530 5.7.0 login first")),
        // An old Clientmodul knows no certificate of the recipient (A_2176).
        (
            at_recipient("550 5.1.1 <labor@mvz.kim.telematik> labor unknown\r\n"),
            refused(Reached::Recipient, "550 5.1.1 … … unknown"),
        ),
        (
            at_recipient("450 4.2.0 greylisted\r\n"),
            later(Reached::Recipient, "450 4.2.0 greylisted"),
        ),
        (at_recipient("421 4.4.2 bye\r\n"), later(Reached::Recipient, "421 4.4.2 bye")),
    ];
    for (server, expected) in cases {
        assert_eq!(send(server).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_mail_greylisted_at_first_is_accepted_at_the_second_try() {
    let first = clientmodul().on(FROM, "250 ok\r\n").on(TO, "450 4.7.1 come back\r\n");
    assert_eq!(send(first).await, later(Reached::Recipient, "450 4.7.1 come back"));
    assert_eq!(send(at_end().say("250 ok\r\n")).await, accepted("250 ok"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_will_not_talk_is_tried_later() {
    let silent_ehlo = || ScriptedServer::new().say("220 x\r\n").hear("EHLO [127.0.0.1]");
    let cases = [
        (ScriptedServer::new(), LOST),
        (ScriptedServer::new().wait(6), SILENT),
        (ScriptedServer::new().say("554 5.3.2 no service\r\n"), "554 5.3.2 no service"),
        (ScriptedServer::new().say("421 4.3.2 too busy\r\n"), "421 4.3.2 too busy"),
        (silent_ehlo(), LOST),
        (silent_ehlo().wait(6), SILENT),
        (silent_ehlo().say("502 5.5.1 no\r\n"), "502 5.5.1 no"),
    ];
    for (server, reply) in cases {
        assert_eq!(send(server).await, later(Reached::Connect, reply));
    }
    let endless = ScriptedServer::new().say("220-x\r\n".repeat(1000));
    assert!(matches!(send(endless).await, Outcome::TryLater { at: Reached::Connect, .. }));
    let long = ScriptedServer::new().say(format!("220 {}\r\n", "x".repeat(1_000_000)));
    assert!(matches!(send(long).await, Outcome::TryLater { at: Reached::Connect, .. }));
}

fn offering(auth: &str) -> ScriptedServer {
    ScriptedServer::new()
        .say("220 x\r\n")
        .on("EHLO [127.0.0.1]", &format!("250-x\r\n250-{auth}\r\n250\r\n"))
}

const USER_64: &str =
    "ZXJpa0BocnN0LmtpbS50ZWxlbWF0aWsjaHJzdC5raW0udGVsZW1hdGlrOjk5NSMxI0tPTV9MRSM3";
const PASSWORD_64: &str = "Z2VoZWltIzogMQ==";

#[tokio::test(start_paused = true)]
async fn kim_2_plain_is_preferred_login_is_the_fallback_and_cram_is_never_used() {
    let login = |start: ScriptedServer| {
        start
            .on("AUTH LOGIN", "334 VXNlcm5hbWU6\r\n")
            .on(USER_64, "334 UGFzc3dvcmQ6\r\n")
            .on(PASSWORD_64, "235 ok\r\n")
            .on("QUIT", "221 bye\r\n")
    };
    let plain = format!("AUTH PLAIN {PLAIN}");
    for server in [
        login(offering("AUTH CRAM-MD5 LOGIN")),
        login(offering("AUTH=LOGIN")),
        login(offering("AUTH PLAIN LOGIN").on(&plain, "504 5.7.4 no\r\n")),
        offering("AUTH PLAIN").on(&plain, "334 \r\n").on(PLAIN, "235 ok\r\n").on("QUIT", "221\r\n"),
    ] {
        server.play(async |io| probe_login_over(io, &account()).await.unwrap()).await;
    }
    let outcome = send(offering("AUTH CRAM-MD5 DIGEST-MD5").hear_nothing_more()).await;
    assert!(matches!(outcome, Outcome::TryLater { at: Reached::Login, .. }));
}

#[tokio::test(start_paused = true)]
async fn kim_6_a_refused_login_is_not_the_mail_s_fault_and_not_tried_twice() {
    for (answer, kind) in [
        ("535 5.7.8 bad credentials", MailServerErrorKind::Credentials),
        ("501 5.5.4 user name incomplete", MailServerErrorKind::UserName),
        ("454 4.7.0 provider away", MailServerErrorKind::Busy),
        ("421 4.4.2 bye", MailServerErrorKind::Busy),
    ] {
        let server = || {
            offering("AUTH LOGIN PLAIN")
                .on(&format!("AUTH PLAIN {PLAIN}"), &format!("{answer}\r\n"))
                .hear_nothing_more()
        };
        assert_eq!(send(server()).await, later(Reached::Login, answer));
        let error =
            server().play(async |io| probe_login_over(io, &account()).await).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", chain(&error));
    }
}

/// B75: the provider is away for hours, and the Clientmodul says so. That is no wrong password.
#[tokio::test(start_paused = true)]
async fn b75_a_provider_that_is_away_is_asked_every_few_minutes() {
    let account = account();
    for _ in 0..12 {
        let server = offering("AUTH PLAIN")
            .on(&format!("AUTH PLAIN {PLAIN}"), "454 4.7.0 provider away\r\n")
            .hear_nothing_more();
        let outcome = send_mail(server, &account, MAIL).await;
        assert_eq!(outcome, later(Reached::Login, "454 4.7.0 provider away"));
        let wait = account.login_waits().unwrap();
        assert!(wait <= Duration::from_secs(5 * 60), "{wait:?}");
        tokio::time::advance(wait).await;
    }
    let back = at_end().say("250 ok\r\n");
    assert_eq!(send_mail(back, &account, MAIL).await, accepted("250 ok"));
    assert_eq!(account.login_waits(), None);
}

#[tokio::test(start_paused = true)]
async fn kim_27_a_mail_larger_than_ehlo_allows_is_refused_before_it_is_begun() {
    let small = || {
        ScriptedServer::new()
            .say("220 x\r\n")
            .on("EHLO [127.0.0.1]", "250-x\r\n250-SIZE 19\r\n250 AUTH PLAIN\r\n")
            .on(&format!("AUTH PLAIN {PLAIN}"), "235 ok\r\n")
            .on("QUIT", "221 bye\r\n")
    };
    let why = "not sent: the mail has 20 bytes, and the server takes 19 at most";
    assert_eq!(send(small()).await, refused(Reached::Sender, why));
    // The transmitted bytes count (RFC 1870): a bare line feed becomes two bytes.
    let outcome = send_mail(small(), &account(), b"0123456789\n012345\n").await;
    assert_eq!(outcome, refused(Reached::Sender, why));
}

#[tokio::test(start_paused = true)]
async fn kim_4_eight_bits_only_where_they_are_offered_and_smtputf8_never() {
    let mail = "Subject: x\r\n\r\nü\r\n".as_bytes();
    let server = clientmodul()
        .on("MAIL FROM:<erik@hrst.kim.telematik> SIZE=18 BODY=8BITMIME", "250 ok\r\n")
        .on(TO, "250 ok\r\n")
        .on("DATA", "354 go\r\n")
        .hear_body([mail, b".\r\n"].concat())
        .say("250 ok\r\n");
    assert_eq!(send_mail(server, &account(), mail).await, accepted("250 ok"));

    let server = offering("AUTH PLAIN")
        .on(&format!("AUTH PLAIN {PLAIN}"), "235 ok\r\n")
        .on("QUIT", "221 bye\r\n");
    let outcome = send_mail(server, &account(), mail).await;
    assert!(matches!(outcome, Outcome::Refused { at: Reached::Sender, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_probe_tells_what_the_server_offers() {
    let server = clientmodul().on("QUIT", "221 bye\r\n");
    let facts = server.play(async |io| probe_login_over(io, &account()).await).await.unwrap();
    assert_eq!((facts.size_max, facts.reports, facts.eight_bit), (Some(35_882_577), true, true));
}

/// Workers run on several threads.
#[test]
fn a_submission_can_move_between_threads() {
    fn check(_: impl Send) {}
    let (account, envelope) = (account(), envelope());
    check(submit(&account, &envelope, MAIL, async || Ok::<_, Infallible>(())));
}
