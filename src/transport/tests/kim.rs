//! What a Clientmodul wants of a mail: reports, and a call context.

use std::{convert::Infallible, time::Duration};

use super::{
    scripted::{PLAIN, ScriptedServer, account, chain},
    smtp::{FROM, TO, clientmodul, send_mail},
};
use crate::{
    model::{AccountTrouble, Envelope, MailAddress, MessageId, Outcome, Reached, Reply, Why},
    rules::accounts::{AccountSight, sight_of},
    transport::{
        MailServer, MailServerErrorKind,
        smtp::{probe_login_over, submit_over},
        submit,
    },
};

const MAIL: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";
const BODY: &[u8] = b"Subject: x\r\n\r\n..dot\r\n.\r\n";

fn asking() -> MailServer {
    MailServer { ask_for_reports: true, ..account() }
}

fn accepted(reports_requested: bool) -> Outcome {
    let reply = Reply { code: 250, enhanced: None, text: "ok".to_owned() };
    Outcome::Accepted { reply, reports_requested }
}

fn end() -> ScriptedServer {
    ScriptedServer::new().on("DATA", "354 go\r\n").hear_body(BODY).say("250 ok\r\n")
}

fn from_headers() -> String {
    format!("{FROM} RET=HDRS")
}

fn to_notify() -> String {
    format!("{TO} NOTIFY=SUCCESS,FAILURE,DELAY")
}

#[tokio::test(start_paused = true)]
async fn kim_30_reports_are_asked_for_where_offered_and_the_outcome_says_so() {
    let agrees = clientmodul().on(&from_headers(), "250 ok\r\n").on(&to_notify(), "250 ok\r\n");
    assert_eq!(send_mail(agrees.and(end()), &asking(), MAIL).await, accepted(true));

    // Not offered, or not wanted: not asked for.
    let plain = |start: ScriptedServer| start.on(TO, "250 ok\r\n").and(end());
    let without_dsn = ScriptedServer::new()
        .say("220 x\r\n")
        .on("EHLO [127.0.0.1]", "250-x\r\n250-DSM\r\n250-XDSN\r\n250 AUTH PLAIN\r\n")
        .on(&format!("AUTH PLAIN {PLAIN}"), "235 ok\r\n")
        .on("MAIL FROM:<erik@hrst.kim.telematik>", "250 ok\r\n");
    assert_eq!(send_mail(plain(without_dsn), &asking(), MAIL).await, accepted(false));
    let offered = clientmodul().on(FROM, "250 ok\r\n");
    assert_eq!(send_mail(plain(offered), &account(), MAIL).await, accepted(false));
}

/// FAX-27, FAX-37: the envelope names the fax, and to whom it was addressed.
#[tokio::test(start_paused = true)]
async fn fax_27_fax_37_the_envelope_bears_the_name_of_a_fax_and_its_address() {
    let address = |text| MailAddress::new(text).unwrap();
    let envelope = Envelope {
        sender: address("praxis+u0c0f@praxis.example"),
        id: Some(MessageId::new("0c0f+1@fax.local").unwrap()),
        wants_success: false,
        ..Envelope::new(address("praxis@praxis.example"), address("fax=+4930123@gw.example"))
    };
    let server = clientmodul()
        .on(
            "MAIL FROM:<praxis+u0c0f@praxis.example> SIZE=20 RET=HDRS ENVID=0c0f+2B1@fax.local",
            "250 ok\r\n",
        )
        .on(
            "RCPT TO:<fax=+4930123@gw.example> NOTIFY=FAILURE,DELAY \
             ORCPT=rfc822;fax+3D+2B4930123@gw.example",
            "250 ok\r\n",
        )
        .and(end());
    let outcome = server
        .play(async |io| {
            submit_over(io, &asking(), &envelope, MAIL, async || Ok::<_, Infallible>(())).await
        })
        .await;
    // Only what went wrong is reported: silence says nothing.
    assert_eq!(outcome, accepted(false));
}

#[tokio::test(start_paused = true)]
async fn kim_30_the_mail_leaves_without_the_request_where_it_is_refused() {
    for code in [501, 504, 555] {
        let no = format!("{code} 5.5.4 unknown parameter\r\n");
        let declines_both = clientmodul()
            .on(&from_headers(), &no)
            .on(FROM, "250 ok\r\n")
            .on(&to_notify(), &no)
            .on(TO, "250 ok\r\n");
        let declines_notify = clientmodul()
            .on(&from_headers(), "250 ok\r\n")
            .on(&to_notify(), &no)
            .on(TO, "250 ok\r\n");
        let declines_ret = clientmodul()
            .on(&from_headers(), &no)
            .on(FROM, "250 ok\r\n")
            .on(&to_notify(), "250 ok\r\n");
        for (server, asked) in
            [(declines_both, false), (declines_notify, false), (declines_ret, true)]
        {
            let outcome = send_mail(server.and(end()), &asking(), MAIL).await;
            assert_eq!(outcome, accepted(asked), "{code}");
        }
    }
    // What is wrong with the address itself stays wrong.
    let unknown = || "550 5.1.1 unknown\r\n";
    let server = clientmodul()
        .on(&from_headers(), "250 ok\r\n")
        .on(&to_notify(), unknown())
        .on("QUIT", "221\r\n");
    let outcome = send_mail(server, &asking(), MAIL).await;
    assert!(matches!(outcome, Outcome::Refused { at: Reached::Recipient, .. }), "{outcome:?}");
}

/// Some close the connection with the 501 itself: the next attempt does not ask.
#[tokio::test(start_paused = true)]
async fn kim_30_a_server_that_hangs_up_at_the_request_is_not_asked_again() {
    let server = asking();
    let hangs_up = clientmodul()
        .on(&from_headers(), "250 ok\r\n")
        .on(&to_notify(), "501 5.5.4 syntax\r\n")
        .hear(TO);
    let outcome = send_mail(hangs_up, &server, MAIL).await;
    assert!(matches!(outcome, Outcome::TryLater { at: Reached::Recipient, .. }), "{outcome:?}");
    let next = clientmodul().on(FROM, "250 ok\r\n").on(TO, "250 ok\r\n").and(end());
    assert_eq!(send_mail(next, &server, MAIL).await, accepted(false));
}

/// A wrong call context is no wrong password, and is not tried again and again.
#[tokio::test(start_paused = true)]
async fn kim_6_a_wrong_call_context_is_a_mistake_in_the_settings_and_tried_once_an_hour() {
    let refuses = || {
        ScriptedServer::new()
            .say("220 x\r\n")
            .on("EHLO [127.0.0.1]", "250-x\r\n250 AUTH PLAIN\r\n")
            .on(&format!("AUTH PLAIN {PLAIN}"), "501 5.5.4 Mandant unknown\r\n")
            .hear_nothing_more()
    };
    let server = account();
    let error = refuses().play(async |io| probe_login_over(io, &server).await).await.unwrap_err();
    assert_eq!(error.kind(), MailServerErrorKind::UserName, "{}", chain(&error));
    assert_eq!(error.trouble(), Some(AccountTrouble::Settings));
    let hour = Duration::from_secs(3600);
    assert_eq!(server.login_waits(), Some(hour));
    for _ in 0..3 {
        tokio::time::advance(hour).await;
        let outcome = send_mail(refuses(), &server, MAIL).await;
        let sight = sight_of(&outcome);
        assert_eq!(sight, Some(AccountSight::Trouble(AccountTrouble::Settings)));
        assert_eq!(server.login_waits(), Some(hour));
    }
}

#[tokio::test]
async fn kim_6_a_server_that_cannot_be_reached_is_away() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = MailServer { host: "127.0.0.1".to_owned(), port, ..account() };
    let address = |text| MailAddress::new(text).unwrap();
    let envelope = Envelope::new(address("a@b.example"), address("c@d.example"));
    let outcome = submit(&server, &envelope, MAIL, async || Ok::<_, Infallible>(())).await;
    let Outcome::TryLater { at: Reached::Connect, why: Why::NoSession(trouble, sentence) } =
        outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(trouble, AccountTrouble::Away);
    assert!(!sentence.contains('@'), "{sentence}");
}
