//! (i) what happens to sessions of POP3: locks, time-outs, broken connections.

use umstieg_world::{
    Clientmodul,
    clientmodul::{CmStep, KimDelivery, KimProtocol, Mishap, MishapRule, ready_made},
};

use super::plain_client::{CLINIC, PASSWORD, PRACTICE, PlainClient, practice_and_clinic};

async fn with_mails(count: usize) -> (Clientmodul, Vec<String>) {
    let module = practice_and_clinic().await;
    let deliver = |number: usize| {
        let id = format!("{number}@kim.local");
        let mail = ready_made::chat(CLINIC, PRACTICE, "Befund", &id, "Guten Tag");
        module.deliver(PRACTICE, KimDelivery::sealed(&mail)).unwrap()
    };
    let uidls = (0..count).map(deliver).collect();
    (module, uidls)
}

/// A session that gets the lock, when the one before has just ended.
async fn next_session(module: &Clientmodul) -> PlainClient {
    loop {
        let mut client = PlainClient::open(module, KimProtocol::Pop3).await;
        let name = module.user_name(KimProtocol::Pop3, PRACTICE).unwrap();
        if client.log_in(&name, PASSWORD).await == "+OK" {
            return client;
        }
    }
}

#[tokio::test]
async fn kim_7_a_mailbox_has_one_session() {
    let (module, _) = with_mails(1).await;
    let mut first = PlainClient::pop3(&module, PRACTICE).await;
    let name = module.user_name(KimProtocol::Pop3, PRACTICE).unwrap();
    let second = async || {
        let mut client = PlainClient::open(&module, KimProtocol::Pop3).await;
        client.log_in(&name, PASSWORD).await
    };
    assert!(second().await.starts_with("-ERR [IN-USE]"));
    module.switch(|it| it.in_use_code = false);
    assert_eq!(second().await, "-ERR");
    PlainClient::pop3(&module, CLINIC).await;
    first.say("QUIT").await;
    drop(next_session(&module).await);
    next_session(&module).await;
}

#[tokio::test]
async fn kim_38_i_mails_are_deleted_at_quit_and_never_before() {
    let (module, uidls) = with_mails(3).await;
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    assert_eq!(client.say("DELE 1").await, "+OK");
    assert_eq!(client.say("DELE 1").await, "-ERR");
    assert_eq!(client.say("RSET").await, "+OK");
    assert_eq!(client.say("DELE 2").await, "+OK");
    assert!(client.say("STAT").await.starts_with("+OK 2 "));
    assert_eq!(client.ask("UIDL").await, format!("1 {}\r\n3 {}", uidls[0], uidls[2]));
    drop(client);
    let mut client = next_session(&module).await;
    assert_eq!(module.uidls(PRACTICE).unwrap(), uidls, "the connection broke before QUIT");
    client.say("DELE 2").await;
    assert_eq!(client.say("QUIT").await, "+OK");
    assert_eq!(module.uidls(PRACTICE).unwrap(), [uidls[0].clone(), uidls[2].clone()]);
    let journal = module.journal();
    assert_eq!(journal.mail(PRACTICE, &uidls[1]).dele, 2);
    assert!(journal.mail(PRACTICE, &uidls[1]).deleted);
    assert!(!journal.mail(PRACTICE, &uidls[0]).deleted);
}

#[tokio::test]
async fn kim_38_i_a_session_breaks_off_at_any_step() {
    let (module, uidls) = with_mails(1).await;
    let cases = [
        (CmStep::Retr, Mishap::HangUp, "RETR 1", "", false),
        (CmStep::Retr, Mishap::pop3_timeout(), "RETR 1", "-ERR timeout", false),
        (CmStep::Uidl, Mishap::Say("-ERR".to_owned()), "UIDL", "-ERR", true),
        (CmStep::Dele, Mishap::HangUpAnswered, "DELE 1", "+OK", false),
        (CmStep::Pop3Quit, Mishap::HangUp, "QUIT", "", false),
    ];
    for (step, mishap, says, expected, lives) in cases {
        module.goes_wrong(MishapRule::once(step, mishap.clone()).of(PRACTICE));
        let mut client = next_session(&module).await;
        assert_eq!(client.say(says).await, expected, "{mishap:?}");
        if lives {
            assert_eq!(client.say("NOOP").await, "+OK");
        } else {
            assert_eq!(client.line().await, "");
        }
    }
    assert_eq!(module.uidls(PRACTICE).unwrap(), uidls);

    let rule = MishapRule::once(CmStep::Retr, Mishap::BreakOff).at_mail(&uidls[0]);
    module.goes_wrong(rule);
    let mut client = next_session(&module).await;
    assert_eq!(client.say("RETR 1").await, "+OK");
    let mut lines = 0;
    while !client.line().await.is_empty() {
        lines += 1;
    }
    assert!(lines > 3, "it had begun");

    module.goes_wrong(MishapRule::once(CmStep::Pop3Quit, Mishap::HangUpUnanswered));
    let mut client = next_session(&module).await;
    client.say("DELE 1").await;
    assert_eq!(client.say("QUIT").await, "", "deleted, and nobody was told");
    assert!(module.uidls(PRACTICE).unwrap().is_empty());
}

#[tokio::test]
async fn kim_4_commands_in_advance_end_the_session() {
    let (module, _) = with_mails(1).await;
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    client.write(b"UIDL\r\nLIST\r\n").await;
    assert_eq!(client.line().await, "-ERR");
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn kim_5_the_ok_comes_early_and_the_mail_late() {
    let (module, _) = with_mails(1).await;
    module.goes_wrong(MishapRule::once(CmStep::Retr, Mishap::Stall));
    let mut client = PlainClient::pop3(&module, PRACTICE).await;
    assert_eq!(client.say("RETR 1").await, "+OK");
    module.release();
    assert!(client.lines().await.join("\n").contains("Guten Tag"));

    // Who gives up on a stalled mail gets the mailbox back.
    module.goes_wrong(MishapRule::once(CmStep::Retr, Mishap::Stall));
    assert_eq!(client.say("RETR 1").await, "+OK");
    drop(client);
    next_session(&module).await;
}
