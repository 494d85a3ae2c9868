//! The two roads, end to end, with a client, a homeserver and mail servers that are not ours.

use umstieg::phrases::Phrase;

use crate::{
    phrases::{HANDED_TO_FAX, HANDED_TO_KIM, sentence},
    stage::{Stage, kim_mail, message_id},
};

#[tokio::test]
async fn a_kim_letter_is_answered_and_the_next_one_comes_back_into_the_same_room() {
    // Long enough for both messages to be read before the first one's mail is closed.
    let stage = Stage::with(|mut channels| {
        channels[0].collect_seconds = 8;
        channels
    })
    .await;
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "a1@x", "Befund", "", "Guten Tag")).await;

    let letter = stage.anna_sees("Guten Tag").await;
    assert!(letter.sender_name.contains("Dr. Erik Muster"), "{}", letter.sender_name);
    assert!(letter.sender_name.contains(&erik), "{}", letter.sender_name);
    assert!(letter.body().starts_with("Befund"), "{}", letter.body());

    let question = stage
        .anna
        .reply(&letter.room_id, letter.event_id(), "Danke, wir melden uns")
        .await
        .unwrap();
    let pdf = b"%PDF-1.4 test";
    stage.anna.send_file(&letter.room_id, "Überweisung.pdf", "application/pdf", pdf).await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    let mail = &mails[0];
    assert!(mail.contains("In-Reply-To: <a1@x>"), "{mail}");
    assert!(mail.contains("References: <a1@x>"), "{mail}");
    assert!(mail.contains("Subject: Re: Befund"), "{mail}");
    assert!(mail.contains("Danke, wir melden uns"), "{mail}");
    assert!(mail.contains("application/pdf"), "one mail holds text and file: {mail}");
    let notice = stage.anna_is_told(&HANDED_TO_KIM).await;
    assert_eq!(notice.reply_to(), Some(question.as_str()));

    let answered = message_id(mail);
    let more = format!("In-Reply-To: <{answered}>\nReferences: <a1@x> <{answered}>\n");
    stage
        .receive(&kim_mail(&erik, &stage.practice, "a2@x", "AW: Befund", &more, "Noch etwas"))
        .await;
    let next = stage.anna_sees("Noch etwas").await;
    assert_eq!(next.room_id, letter.room_id);
}

#[tokio::test]
async fn a_fax_is_answered_by_a_fax() {
    let stage = Stage::new().await;
    let fax = "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 23125999\n\
               Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
               Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n\
               1 page\n--b\nContent-Type: application/pdf; name=fax.pdf\n\
               Content-Disposition: attachment; filename=fax.pdf\n\
               Content-Transfer-Encoding: base64\n\nJVBERi0xLjQgZmF4\n--b--\n";
    stage.receive_fax(fax).await;
    let file = stage
        .anna
        .wait_for("the fax", |seen| seen.messages().find(|event| event.has_file()).cloned())
        .await
        .unwrap();
    let number = "+493023125999".to_owned();
    assert_eq!(file.sender_name, sentence(&Phrase::GhostFax { number }));
    assert_eq!(stage.anna.download(&file).await.unwrap(), b"%PDF-1.4 fax");

    stage.anna.send_text(&file.room_id, "Bitte um Rückruf").await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
    let mail = &stage.mails_of_faxes(1).await[0];
    assert!(mail.contains("To: 493023125999@fax.example"), "{mail}");
    assert!(mail.contains("application/pdf"), "{mail}");
    assert!(!mail.contains("text/plain"), "a gateway would print it as a page: {mail}");
}
