//! Attacks on what reports do: what is said to people is shown, and what is true of one mail is said of no other.

use umstieg::{model::FateWhy, phrases::Phrase};
use umstieg_world::AddressTrouble;

use crate::{
    after_unclear::its_word_got_lost,
    phrases::{HANDED_TO_FAX, HANDED_TO_KIM, SOME_TIME, hears, is_shown, says, told},
    reports::{Reports, have_come},
    stage::{Stage, message_id},
};

/// Erik's address, his room, Anna's answer, what the room was told of it, and its Message-ID.
struct Answered {
    erik: String,
    room: String,
    answer: String,
    notice: String,
    about: String,
}

async fn answered(stage: &Stage, words: &str) -> Answered {
    let (erik, letter) = stage.letter_from("erik").await;
    let answer = stage.anna.send_text(&letter.room_id, words).await.unwrap();
    let about = message_id(&stage.mails(&erik, 1).await[0]);
    let notice = told(&stage.anna, &answer, &HANDED_TO_KIM).await.event_id().to_owned();
    Answered { erik, room: letter.room_id, answer, notice, about }
}

/// A mail server says this of the answer.
async fn delivery(stage: &Stage, of: &Answered, id: &str, action: &str, status: &str) {
    let (recipient, about) = (of.erik.clone(), of.about.clone());
    Reports { stage, recipient, about }.delivery(id, action, status).await;
}

/// It waits for another attempt, which does not come during the test.
async fn waits_after_erneut(stage: &Stage, of: &Answered, expected: &Phrase) {
    stage.world.mail.set_trouble(&of.erik, Some(AddressTrouble::TryLater)).unwrap();
    let again = stage.anna.send_text(&of.room, "!erneut").await.unwrap();
    told(&stage.anna, &again, expected).await;
    stage.database_says("select state from dispatches where attempts > 0", "waiting").await;
    stage.query("update dispatches set next_attempt_at = now() + interval '10 minutes'").await;
}

/// Promise 1: a system answers with its findings and with the receipt for the request in one mail. What
/// is said to people, and the document, are shown in a room.
#[tokio::test]
async fn l179_findings_that_bring_a_receipt_along_are_shown() {
    let stage = Stage::new().await;
    let of = answered(&stage, "Bitte um den Befund").await;
    let parts = |words: &str| {
        format!(
            "--b\nContent-Type: text/plain; charset=utf-8\n\n{words}\n\
             --b\nContent-Type: application/pdf; name=befund.pdf\n\
             Content-Disposition: attachment; filename=befund.pdf\n\n%PDF-1.4\n\
             --b\nContent-Type: message/disposition-notification\n\n\
             Final-Recipient: rfc822; {}\nOriginal-Message-ID: <{}>\n\
             Disposition: automatic-action/MDN-sent-automatically; displayed\n--b--\n",
            of.erik, of.about
        )
    };
    let mails = [
        ("Content-Type: multipart/report; boundary=b", "Bitte Marcumar absetzen"),
        (
            "Auto-Submitted: auto-generated\nContent-Type: multipart/mixed; boundary=b",
            "Kalium 7,1: bitte sofort anrufen",
        ),
    ];
    for (number, (head, words)) in mails.into_iter().enumerate() {
        let mail = format!(
            "From: {}\nTo: {}\nSubject: Befund\nMessage-ID: <l{number}@x>\n\
             Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n{head}\n\n{}",
            of.erik,
            stage.practice,
            parts(words)
        );
        stage.receive(&mail).await;
    }
    have_come(&stage, 3).await;
    let shown = mails.map(|(_, words)| stage.anna_saw(words));
    assert_eq!(shown, [1, 1], "the findings are in a room");
}

/// Promise 1: the findings come as a letter within the receipt's mail. It is no mail of ours that came back:
/// people have to see it.
#[tokio::test]
async fn l189_a_letter_within_a_receipt_is_shown() {
    let stage = Stage::new().await;
    let of = answered(&stage, "Bitte um den Befund").await;
    let mail = format!(
        "From: {0}\nTo: {1}\nSubject: Befund\nMessage-ID: <l1@x>\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; boundary=b\n\n\
         --b\nContent-Type: text/plain; charset=utf-8\n\nAngezeigt\n\
         --b\nContent-Type: message/disposition-notification\n\n\
         Final-Recipient: rfc822; {0}\nOriginal-Message-ID: <{2}>\n\
         Disposition: automatic-action/MDN-sent-automatically; displayed\n\
         --b\nContent-Type: message/rfc822\n\n\
         From: labor@charite.kim.telematik\nSubject: Kalium 7,1\nMessage-ID: <befund@labor>\n\
         Content-Type: text/plain; charset=utf-8\n\nBitte sofort anrufen\n--b--\n",
        of.erik, stage.practice, of.about
    );
    stage.receive(&mail).await;
    have_come(&stage, 2).await;
    let seen = stage.anna.seen();
    let has_findings = seen.messages().any(|m| m.has_file() || m.body().contains("sofort anrufen"));
    assert!(has_findings, "the findings are in a room");
}

/// Promises 1 and 4: what was unclear waits for its next attempt, and its author corrects it; the room
/// says that the next attempt takes the corrected words. A report that the first mail arrived is about
/// the earlier words: the correction still leaves, and is not called delivered.
#[tokio::test]
async fn l180_a_report_about_the_earlier_words_does_not_swallow_the_correction() {
    let stage = Stage::new().await;
    let of = answered(&stage, "Bitte 50 mg geben").await;
    its_word_got_lost(&stage).await;
    waits_after_erneut(&stage, &of, &Phrase::RetryMayDouble).await;
    stage.anna.edit(&of.room, &of.answer, "Bitte 5 mg geben").await.unwrap();
    hears(&stage.anna, &Phrase::EditNextTime).await;
    delivery(&stage, &of, "r1@x", "delivered", "2.0.0").await;
    have_come(&stage, 2).await;
    let mails = stage.mails(&of.erik, 1).await.join("\n");
    assert!(!mails.contains("Bitte 5 mg"), "only the earlier words left:\n{mails}");
    assert_eq!(
        stage.query("select state from dispatches").await,
        "waiting",
        "the correction leaves with the next attempt, as the room was told"
    );
}

/// Promise 4: what was handed over and bounced is not called "not handed over" when its author takes it
/// back before it leaves again.
#[tokio::test]
async fn l181_what_bounced_and_is_deleted_after_erneut_is_not_called_not_handed_over() {
    let stage = Stage::new().await;
    let of = answered(&stage, "Bitte 50 mg geben").await;
    delivery(&stage, &of, "r1@x", "failed", "5.2.2").await;
    let bounced = Phrase::DispatchUndelivered { at: SOME_TIME, why: FateWhy::MailboxFull };
    let notice = told(&stage.anna, &of.answer, &bounced).await.event_id().to_owned();
    waits_after_erneut(&stage, &of, &Phrase::RetryQueued).await;
    stage.anna.redact(&of.room, &of.answer).await.unwrap();
    stage.database_says("select state from dispatches", "withdrawn").await;
    have_come(&stage, 2).await;
    assert_eq!(stage.mails(&of.erik, 1).await.len(), 1, "it is with Dr. Muster");
    let seen = stage.anna.seen();
    for event in [&notice, &of.notice] {
        let shown = seen.shown_body(event).unwrap();
        assert!(!says(shown, &Phrase::DispatchWithdrawn), "{shown}");
    }
}

/// Promise 4: where "delivered" stands and another report says that it was lost, the room does not go
/// on showing "delivered" at the answer.
#[tokio::test]
async fn l182_what_is_contradicted_is_not_shown_as_delivered() {
    let stage = Stage::new().await;
    let of = answered(&stage, "Danke").await;
    delivery(&stage, &of, "r1@x", "delivered", "2.0.0").await;
    let delivered = Phrase::DispatchDelivered { at: SOME_TIME };
    is_shown(&stage.anna, &of.notice, &delivered).await;
    delivery(&stage, &of, "r2@x", "failed", "5.1.1").await;
    told(&stage.anna, &of.answer, &Phrase::DispatchContradicted).await;
    have_come(&stage, 3).await;
    let shown = stage.anna.seen().shown_body(&of.notice).unwrap().to_owned();
    assert!(!says(&shown, &delivered), "{shown}");
}

/// Promise 4: what a mail server delivered to the fax service is not called delivered to the other side,
/// which has no mailbox: whether the fax went through is another matter.
#[tokio::test]
async fn l184_what_reached_the_fax_service_is_not_called_delivered_to_the_other_side() {
    let stage = Stage::new().await;
    let fax = "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 23125973\n\
               Date: Mon, 23 Nov 2026 08:00:00 +0100\nMessage-ID: <fax73@x>\n\nEin Fax\n";
    stage.receive_fax(fax).await;
    let letter = stage.anna_sees("Ein Fax").await;
    let answer = stage.anna.send_text(&letter.room_id, "Bitte um Rueckruf").await.unwrap();
    let notice = told(&stage.anna, &answer, &HANDED_TO_FAX).await.event_id().to_owned();
    let about = stage.query("select message_id from dispatches").await;
    let mail = format!(
        "From: Mail <gateway@fax.example>\nTo: {}\nSubject: Zugestellt\nMessage-ID: <r1@x>\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain; charset=utf-8\n\nEin Bericht.\n\
         --b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; fax.example\nOriginal-Message-ID: <{about}>\n\n\
         Final-Recipient: rfc822; 493023125973@fax.example\nAction: delivered\nStatus: 2.0.0\n\
         --b--\n",
        stage.fax_line
    );
    stage.receive_fax(&mail).await;
    have_come(&stage, 2).await;
    let shown = stage.anna.seen().shown_body(&notice).unwrap().to_owned();
    assert!(!says(&shown, &Phrase::DispatchDelivered { at: SOME_TIME }), "{shown}");
}
