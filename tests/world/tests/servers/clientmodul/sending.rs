//! (f) recipients, (g) what is said after DATA, (h) senders and changes; reports.

use umstieg_world::{
    Clientmodul,
    clientmodul::{
        CardState, CmStep, DsnForm, KimProtocol, Mishap, MishapRule, RecipientCheck,
        RecipientState, ready_made,
    },
};

use super::plain_client::{CLINIC, PRACTICE, PlainClient, practice_and_clinic};

const ELSEWHERE: &str = "labor@sued.kim.telematik";
const UNKNOWN: &str = "niemand@nirgends.kim.telematik";

fn mail() -> Vec<u8> {
    ready_made::chat(PRACTICE, CLINIC, "Frage", "our-1@kim.local", "Guten Tag")
}

/// What RETR brings of the newest mail of an account.
async fn newest(module: &Clientmodul, address: &str) -> String {
    let count = module.uidls(address).unwrap().len();
    let mut client = PlainClient::pop3(module, address).await;
    let mail = client.ask(&format!("RETR {count}")).await;
    client.say("QUIT").await;
    mail
}

#[tokio::test]
async fn kim_38_f_an_old_clientmodul_refuses_recipients_at_once() {
    let module = practice_and_clinic().await;
    module.switch(|it| it.recipients_checked = RecipientCheck::AtRcpt);
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    client.say(&format!("MAIL FROM:<{PRACTICE}>")).await;
    assert!(client.say(&format!("RCPT TO:<{UNKNOWN}>")).await.starts_with("550 "));
    assert!(client.say("DATA").await.starts_with("503 "));
}

#[tokio::test]
async fn kim_38_f_a_new_one_takes_them_out_later_and_writes_a_mail() {
    let module = practice_and_clinic().await;
    module.set_recipient(ELSEWHERE, RecipientState::NotEncryptable);
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    let answer = client.submit(PRACTICE, &[CLINIC, UNKNOWN, ELSEWHERE], &mail()).await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!(module.uidls(CLINIC).unwrap().len(), 1);
    let error = newest(&module, PRACTICE).await;
    for line in [
        "X-KIM-Fehlermeldung: 4003\r\nX-KIM-Fehlermeldung: 4004\r\n",
        "In-Reply-To: <our-1@kim.local>",
        "Final-Recipient: rfc822; niemand@nirgends.kim.telematik\r\nAction: failed",
        "Final-Recipient: rfc822; labor@sued.kim.telematik\r\nAction: failed",
        "versendet werden an: niemand@nirgends.kim.telematik, labor@sued.kim.telematik",
    ] {
        assert!(error.contains(line), "{line}: {error}");
    }
    let answer = client.submit(PRACTICE, &[UNKNOWN], &mail()).await;
    assert!(answer.starts_with("451 "), "nobody is left: {answer}");
    for (as_found, code) in
        [(RecipientState::OldVersion, "4001"), (RecipientState::SeveralTelematikIds, "4005")]
    {
        module.set_recipient(ELSEWHERE, as_found);
        client.submit(PRACTICE, &[CLINIC, ELSEWHERE], &mail()).await;
        let error = newest(&module, PRACTICE).await;
        assert!(error.contains(&format!("X-KIM-Fehlermeldung: {code}")), "{error}");
    }
    module.switch(|it| it.error_mail_has_status = false);
    client.submit(PRACTICE, &[CLINIC, UNKNOWN], &mail()).await;
    let error = newest(&module, PRACTICE).await;
    assert!(error.contains("versendet werden an: niemand@nirgends"), "{error}");
    assert!(!error.contains("Final-Recipient"), "{error}");
    let journal = module.journal();
    let refusals: Vec<_> =
        journal.submissions[0].recipients.iter().map(|it| it.refusal.as_deref()).collect();
    assert_eq!(refusals, [None, Some("4003"), Some("4004")]);
}

#[tokio::test]
async fn kim_38_f_large_mails_go_only_to_whom_takes_them() {
    let module = practice_and_clinic().await;
    module.set_recipient(ELSEWHERE, RecipientState::UsableSmallOnly);
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    let large = [mail(), b"0123456789abcdef\r\n".repeat(900_000)].concat();
    assert!(client.submit(PRACTICE, &[ELSEWHERE], &large).await.starts_with("451 "));
    assert!(client.submit(PRACTICE, &[ELSEWHERE, CLINIC], &large).await.starts_with("250 "));
    assert!(newest(&module, PRACTICE).await.contains("X-KIM-Fehlermeldung: 4001"));
}

#[tokio::test]
async fn kim_38_g_all_that_may_be_said_after_data() {
    let module = practice_and_clinic().await;
    for (mishap, expected, ends) in [
        (Mishap::not_sent(), "451 ", false),
        (Mishap::no_sender_certificate(), "553 ", false),
        (Mishap::quota_exceeded(), "521 ", false),
        (Mishap::too_large(), "552 5.3.4", false),
        (Mishap::service_away(), "454 ", false),
        (Mishap::service_timeout(), "421 ", true),
        (Mishap::HangUp, "", true),
        (Mishap::Delay(1), "250 ", false),
    ] {
        module.goes_wrong(MishapRule::once(CmStep::EndOfData, mishap.clone()).of(PRACTICE));
        let mut client = PlainClient::smtp(&module, PRACTICE).await;
        let answer = client.submit(PRACTICE, &[CLINIC], &mail()).await;
        assert!(answer.starts_with(expected), "{mishap:?}: {answer}");
        if !ends {
            assert!(client.say("NOOP").await.starts_with("250 "));
        }
    }
    let journal = module.journal();
    assert_eq!((journal.submissions.len(), journal.accepted().count()), (8, 1));
    assert_eq!(module.uidls(CLINIC).unwrap().len(), 1);

    module.set_card(PRACTICE, CardState::Locked).unwrap();
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    assert!(client.submit(PRACTICE, &[CLINIC], &mail()).await.starts_with("451 "));
    module.set_card(PRACTICE, CardState::Unlocked).unwrap();
    module.set_recipient(PRACTICE, RecipientState::NoCertificate);
    assert!(client.submit(PRACTICE, &[CLINIC], &mail()).await.starts_with("553 "));
    module.set_recipient(PRACTICE, RecipientState::Usable);
    module.switch(|it| it.size_max = 100);
    assert!(client.submit(PRACTICE, &[CLINIC], &mail()).await.starts_with("552 5.3.4"));
}

#[tokio::test]
async fn kim_38_g_a_mail_may_be_taken_and_nobody_told() {
    let module = practice_and_clinic().await;
    for (mishap, heard) in [(Mishap::HangUpUnanswered, ""), (Mishap::HangUpAnswered, "250 ")] {
        module.goes_wrong(MishapRule::once(CmStep::EndOfData, mishap));
        let mut client = PlainClient::smtp(&module, PRACTICE).await;
        let answer = client.submit(PRACTICE, &[CLINIC], &mail()).await;
        assert!(answer.starts_with(heard) && answer.is_empty() == heard.is_empty(), "{answer}");
        assert_eq!(client.line().await, "");
    }
    assert_eq!(module.journal().accepted().count(), 2);
    assert_eq!(module.uidls(CLINIC).unwrap().len(), 2);
}

#[tokio::test]
async fn kim_38_g_an_answer_is_held_until_it_is_released() {
    let module = practice_and_clinic().await;
    module.goes_wrong(MishapRule::once(CmStep::EndOfData, Mishap::Hold));
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    let submits = async { client.submit(PRACTICE, &[CLINIC], &mail()).await };
    let releases = async {
        let at_its_end = |journal: &umstieg_world::clientmodul::CmJournal| {
            journal.count(KimProtocol::Smtp, "END") == 1
        };
        module.until("the final dot", at_its_end).await.unwrap();
        assert!(module.uidls(CLINIC).unwrap().is_empty());
        module.release();
    };
    let (answer, ()) = tokio::join!(submits, releases);
    assert!(answer.starts_with("250 "), "{answer}");
}

#[tokio::test]
async fn kim_38_h_a_sender_is_who_is_logged_in() {
    let module = practice_and_clinic().await;
    let written = String::from_utf8(mail()).unwrap();
    let from = format!("From: {PRACTICE}\r\n");
    let with = |field: &str| format!("{field}\r\n{written}");
    for (mail_from, mail, is_taken) in [
        (PRACTICE, written.clone(), true),
        (CLINIC, written.clone(), false),
        (PRACTICE, written.replacen(PRACTICE, CLINIC, 1), false),
        (PRACTICE, written.replace(&from, ""), false),
        (PRACTICE, with(from.trim_end()), false),
        (PRACTICE, with(&format!("Sender: {CLINIC}")), false),
        (PRACTICE, with("Reply-To: praxis@mueller.example"), false),
        (PRACTICE, with("Reply-To: a@b.kim.telematik-test"), true),
        (
            PRACTICE,
            written.replace("text/plain", "text/plain\r\nContent-Disposition: x-kas"),
            false,
        ),
    ] {
        let mut client = PlainClient::smtp(&module, PRACTICE).await;
        let answer = client.submit(mail_from, &[CLINIC], mail.as_bytes()).await;
        assert_eq!(answer.starts_with("250 "), is_taken, "{answer} {mail}");
    }
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    let foreign = written.replacen(PRACTICE, "a@b.example", 1);
    let answer = client.submit(PRACTICE, &[PRACTICE], foreign.as_bytes()).await;
    assert!(answer.starts_with("250 "), "to oneself everything may go: {answer}");
}

#[tokio::test]
async fn kim_38_h_a_dienstkennung_is_added_and_other_recipients_are_taken_out() {
    let module = practice_and_clinic().await;
    let sent = format!(
        "From: {PRACTICE}\r\nTo: Klinik <{CLINIC}>, privat@post.example\r\nCc: {ELSEWHERE}\r\nBcc: {CLINIC}\r\nSubject: x\r\nMessage-ID: <our-2@kim.local>\r\n\r\n..\r\ntext"
    );
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    // The first dot of a line is the stuffed one.
    assert!(client.submit(PRACTICE, &[CLINIC], sent.as_bytes()).await.starts_with("250 "));
    let got = newest(&module, CLINIC).await;
    assert!(got.contains("X-KIM-Dienstkennung: KIM-Mail;Default;V1.0\r\n"), "{got}");
    assert!(got.contains(&format!("To: \"Klinik\" <{CLINIC}>\r\n")), "{got}");
    assert!(!got.contains("privat@") && !got.contains("Cc: labor"), "{got}");
    assert!(got.contains("\r\n.\r\ntext"), "{got}");
    let journal = module.journal();
    let submission = &journal.submissions[0];
    assert!(submission.complaints.iter().any(|it| it.starts_with("X-KIM-Sendersystem")));
    assert_eq!(submission.recipients[0].parameters, ["NOTIFY=SUCCESS,FAILURE"]);
    assert!(submission.bytes.starts_with(b"From: praxis@"));
}

#[tokio::test]
async fn kim_30_a_delivery_is_reported_to_whom_asked() {
    let module = practice_and_clinic().await;
    for (form, recipient, status) in [
        (DsnForm::Clean, "Final-Recipient: rfc822; klinik@", "Status: 2.0.0"),
        (DsnForm::Sloppy, "Final-Recipient: klinik@", "Status: 4.0.0"),
    ] {
        module.switch(|it| it.dsn_form = form);
        let mut client = PlainClient::smtp(&module, PRACTICE).await;
        client.say(&format!("MAIL FROM:<{PRACTICE}> RET=HDRS ENVID=e-1")).await;
        client.say(&format!("RCPT TO:<{CLINIC}> NOTIFY=SUCCESS,FAILURE")).await;
        client.say("DATA").await;
        client.write(&mail()).await;
        assert!(client.say("\r\n.").await.starts_with("250 "));
        let report = newest(&module, PRACTICE).await;
        for part in [recipient, status, "Action: delivered", "In-Reply-To: <our-1@kim.local>"] {
            assert!(report.contains(part), "{part}: {report}");
        }
        assert_eq!(report.contains("Original-Envelope-Id: e-1"), form == DsnForm::Clean);
        assert!(!report.contains("X-KIM-DecryptionResult"), "{report}");
    }
    let reports = module.uidls(PRACTICE).unwrap().len();
    module.switch(|it| it.dsn_form = DsnForm::Never);
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    client.submit(PRACTICE, &[CLINIC], &mail()).await;
    assert_eq!(module.uidls(PRACTICE).unwrap().len(), reports);
}

#[tokio::test]
async fn kim_29_a_full_mailbox_is_reported_later_and_absence_is_noted() {
    let module = practice_and_clinic().await;
    module.set_recipient(ELSEWHERE, RecipientState::MailboxFull);
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    assert!(client.submit(PRACTICE, &[ELSEWHERE], &mail()).await.starts_with("250 "));
    let report = newest(&module, PRACTICE).await;
    assert!(report.contains("Action: failed\r\nStatus: 5.2.2"), "{report}");

    module.set_absence(CLINIC, Some("Ich bin im Urlaub.")).unwrap();
    client.submit(PRACTICE, &[CLINIC], &mail()).await;
    let note = newest(&module, PRACTICE).await;
    assert!(note.contains("KIM-Mail;Abwesend;V1.0") && note.contains("Urlaub"), "{note}");
    assert!(!note.contains("Auto-Submitted"), "{note}");
    module.switch(|it| it.absence_is_marked = true);
    client.submit(PRACTICE, &[CLINIC], &mail()).await;
    assert!(newest(&module, PRACTICE).await.contains("Auto-Submitted: auto-replied"));
}

#[tokio::test]
async fn kim_16_an_unreadable_mail_sent_to_oneself_is_read_again() {
    let module = practice_and_clinic().await;
    let mail = ready_made::chat(CLINIC, PRACTICE, "Befund", "letter-1@kim.local", "Guten Tag");
    let delivery = umstieg_world::clientmodul::KimDelivery::sealed(&mail);
    let uidl = module.deliver(PRACTICE, delivery).unwrap();
    module.set_card(PRACTICE, CardState::Locked).unwrap();
    let error = newest(&module, PRACTICE).await;
    module.set_card(PRACTICE, CardState::Unlocked).unwrap();
    module.vanishes(PRACTICE, &uidl).unwrap();
    let outer = error.split("Content-Type: message/rfc822\r\n\r\n").nth(1).unwrap();
    let outer = outer.split("\r\n--cm-parts-1--").next().unwrap();
    let forwarded = format!(
        "From: {PRACTICE}\r\nTo: {PRACTICE}\r\nSubject: noch einmal\r\nMessage-ID: <again@kim.local>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n{outer}\r\n--x--\r\n"
    );
    let mut client = PlainClient::smtp(&module, PRACTICE).await;
    assert!(client.submit(PRACTICE, &[PRACTICE], forwarded.as_bytes()).await.starts_with("250 "));
    let read = newest(&module, PRACTICE).await;
    assert!(read.contains("Subject: Befund") && read.contains("Guten Tag"), "{read}");
}
