//! Reports about dispatches: the dispatch's room is told of them, whoever they are from.

use umstieg::phrases::Phrase;
use umstieg_world::client::SeenEvent;

use crate::{
    phrases::{HANDED_TO_FAX, HANDED_TO_KIM, saying, sentence, told},
    stage::{Stage, kim_mail, message_id},
};

fn came(from: &str) -> Phrase {
    Phrase::ReportCame { from: Some(from.to_owned()), is_earlier: false }
}

/// A report that anybody can write.
fn report(from: &str, to: &str, id: &str, about: &str, words: &str) -> String {
    format!(
        "From: {from}\nTo: {to}\nSubject: Bericht\nMessage-ID: <{id}>\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain; charset=utf-8\n\n{words}\n\
         --b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mail\nOriginal-Message-ID: <{about}>\n\nAction: failed\n\
         --b--\n"
    )
}

/// Erik, his letter, Anna's answer, and the Message-ID that the answer bore.
async fn answered(stage: &Stage) -> (String, SeenEvent, String, String) {
    let (erik, letter) = stage.letter_from("erik").await;
    let answer = stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    let id = message_id(&stage.mails(&erik, 1).await[0]);
    stage.anna_is_told(&HANDED_TO_KIM).await;
    (erik, letter, answer, id)
}

/// Waits until so many letters came, and nothing waits to be placed or said.
async fn is_quiet(stage: &Stage, letters: usize) {
    let placed = "select count(*) from letters where state <> 'stored'";
    stage.database_says(placed, &letters.to_string()).await;
    stage.database_says("select count(*) from letters where state = 'stored'", "0").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    stage.last_is_seen_by(&stage.anna).await;
}

/// KIM-29: a real mail server takes a mail for a mailbox that does not exist, and reports later. The
/// report has a room of its own, and the room of the answer is told of it.
#[tokio::test]
async fn kim_29_the_room_of_an_answer_is_told_of_a_mail_server_s_report() {
    let stage = Stage::new().await;
    let erik = format!("erik-{}@charite.kim.telematik", stage.tag);
    stage.receive(&kim_mail(&erik, &stage.practice, "b1@x", "Befund", "", "Bitte antworten")).await;
    let letter = stage.anna_sees("Bitte antworten").await;
    let room = &letter.room_id;
    let answer = stage.anna.send_text(room, "Danke, wir melden uns.").await.unwrap();
    let notice =
        told(&stage.anna, &answer, &came("mailer-daemon@mail.example.kim.telematik")).await;
    assert_eq!((&notice.room_id, &notice.sender), (room, &stage.bot_id()));
    let report = stage.anna_sees("A message that you sent could not be delivered").await;
    assert_ne!(&report.room_id, room);
    assert_ne!(report.sender, stage.bot_id());

    // Nothing that is said in the room answers the report, not even what replies to the notice.
    stage.anna.reply(room, notice.event_id(), "Was nun?").await.unwrap();
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "2").await;
    let answered = "select string_agg(distinct in_reply_to, ' ') from dispatches";
    assert_eq!(stage.query(answered).await, "b1@x");
}

/// L170: whoever knows a Message-ID can write a report: its words are its author's, never the
/// gateway's, and the room of the answer is told once, however many come.
#[tokio::test]
async fn l170_a_report_does_not_speak_as_the_gateway_and_is_told_of_once() {
    let stage = Stage::new().await;
    let (_, letter, answer, id) = answered(&stage).await;
    let frieda = stage.correspondent("frieda").await;
    let forged = sentence(&HANDED_TO_KIM);
    for number in 1..=3 {
        let mail = report(&frieda, &stage.practice, &format!("r{number}@x"), &id, &forged)
            .replace("Subject: Bericht\n", "");
        stage.receive(&mail).await;
    }
    told(&stage.anna, &answer, &came(&frieda)).await;
    is_quiet(&stage, 4).await;
    assert_eq!(stage.anna_was_told(&came(&frieda)), 1);
    let seen = stage.anna.seen();
    let reports = seen
        .messages()
        .filter(|m| m.body().contains("Geschrieben am") && m.body().contains(&forged));
    for report in reports {
        assert_ne!(report.sender, stage.bot_id());
        assert_ne!(report.room_id, letter.room_id);
    }
    let said = saying(&seen, &HANDED_TO_KIM).filter(|m| m.sender == stage.bot_id()).count();
    assert_eq!(said, 1, "only what the gateway itself said");
}

/// L170: of several authors none is named alone, and one that cannot be read is none.
#[tokio::test]
async fn l170_the_author_of_a_report_is_named_only_where_there_is_one() {
    let stage = Stage::new().await;
    let (erik, _, answer, id) = answered(&stage).await;
    let from = format!("{erik}, frieda@charite.kim.telematik");
    stage.receive(&report(&from, &stage.practice, "r1@x", &id, "Ging nicht durch")).await;
    told(&stage.anna, &answer, &Phrase::ReportCame { from: None, is_earlier: false }).await;
}

/// FAX-12: what a fax channel does not take from its author is no report either. A report about
/// another channel's answer is a letter like any other.
#[tokio::test]
async fn fax_12_a_stranger_s_report_tells_a_fax_room_nothing() {
    let stage = Stage::new().await;
    let fax = "From: Fax <gateway@fax.example>\nSubject: Fax received from \"030 23125991\"\n\
               Date: Mon, 23 Nov 2026 08:00:00 +0100\nMessage-ID: <fax1@x>\n\nEin Fax\n";
    stage.receive_fax(fax).await;
    let letter = stage.anna_sees("Ein Fax").await;
    stage.anna.send_text(&letter.room_id, "Bitte um Rückruf").await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
    let id = stage.query("select message_id from dispatches").await;
    let stranger = "boese@evil.example";
    stage.receive_fax(&report(stranger, &stage.fax_line, "r1@x", &id, "0900 anrufen")).await;
    let frieda = stage.correspondent("frieda").await;
    stage.receive(&report(&frieda, &stage.practice, "r2@x", &id, "Über den KIM-Kanal")).await;
    stage.anna_sees("Über den KIM-Kanal").await;
    is_quiet(&stage, 3).await;
    assert_eq!(stage.query("select count(*) from parked where kind = 'letter'").await, "1");
    assert_eq!(stage.query("select count(*) from posts where txn_id like 'r%'").await, "0");
}

/// R14: what the Clientmodul could not decrypt is never deleted, whatever form it has.
#[tokio::test]
async fn r14_what_could_not_be_decrypted_stays_also_in_the_form_of_a_report() {
    let stage = Stage::with(|mut channels| {
        channels[0].more_inbox = "after_relay = \"delete\"\n".to_owned();
        channels[0].more = "[channel.kim]\nmailbox = \"owned\"\n".to_owned();
        channels
    })
    .await;
    let (erik, _, _, id) = answered(&stage).await;
    let words = "Der Konnektor war nicht erreichbar";
    let result = "X-KIM-DecryptionResult: 03\nX-KIM-Fehlermeldung: 4011\nMIME-Version";
    let mail = report(&erik, &stage.practice, "r1@x", &id, words).replace("MIME-Version", result);
    stage.receive(&mail).await;
    stage.anna_sees(words).await;
    is_quiet(&stage, 2).await;
    // What came after it is deleted, so what may be deleted was.
    stage.letter_from("frieda").await;
    stage.database_says("select count(*) from letters where deleted_at is not null", "2").await;
    let left = stage.world.mail.mails(&stage.practice).unwrap();
    assert!(left.iter().any(|mail| String::from_utf8_lossy(mail).contains(words)));
}
