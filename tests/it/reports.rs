//! Reports about dispatches: they stand beside the dispatch they are about, whoever they are from.

use umstieg::phrases::Phrase;
use umstieg_world::client::SeenEvent;

use crate::{
    phrases::{saying, told},
    stage::{Stage, kim_mail},
};

/// A correspondent whose mailbox does not exist: the mail server accepts a mail to it, and sends a
/// report some moments later.
async fn letter_from_nowhere(stage: &Stage) -> (String, SeenEvent) {
    let erik = format!("erik-{}@charite.kim.telematik", stage.tag);
    stage.receive(&kim_mail(&erik, &stage.practice, "b1@x", "Befund", "", "Bitte antworten")).await;
    (erik, stage.anna_sees("Bitte antworten").await)
}

/// As our mail server's reports name their author.
fn of_the_mail_server() -> Phrase {
    Phrase::ReportCame { from: Some("mailer-daemon@mail.example.kim.telematik".to_owned()) }
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

/// KIM-29: the report of a real mail server stands in the room of the answer, said by the bot, and is
/// no letter that anybody answers.
#[tokio::test]
async fn kim_29_the_report_of_a_mail_server_stands_beside_the_answer_it_is_about() {
    let stage = Stage::new().await;
    let (_, letter) = letter_from_nowhere(&stage).await;
    let room = &letter.room_id;
    let answer = stage.anna.send_text(room, "Danke, wir melden uns.").await.unwrap();
    let came = told(&stage.anna, &answer, &of_the_mail_server()).await;
    assert_eq!((&came.room_id, &came.sender), (room, &stage.bot_id()));
    let report = stage.anna_sees("A message that you sent could not be delivered").await;
    assert_eq!((&report.room_id, &report.sender), (room, &stage.bot_id()));

    // Nothing answers the report, neither what follows it nor what replies to it.
    stage.anna.send_text(room, "Noch etwas dazu").await.unwrap();
    stage.anna.reply(room, report.event_id(), "Ist das angekommen?").await.unwrap();
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "2").await;
    let answered = "select string_agg(distinct in_reply_to, ' ') from dispatches";
    assert_eq!(stage.query(answered).await, "b1@x");
    stage
        .until("a second report", async || {
            saying(&stage.anna.seen(), &of_the_mail_server()).count() == 2
        })
        .await;
    assert_eq!(stage.query("select count(*) from conversations").await, "1");

    // The original of what is replied to is the report.
    stage.anna.reply(room, report.event_id(), "!original").await.unwrap();
    let is_the_report = "select letter.reports_on is not null
         from posts
         join letters as letter on letter.id = letter_id
         where txn_id like 'e$%'";
    stage.database_says(is_the_report, "t").await;
}

/// A report is found by its channel and the Message-ID it names, and by nothing else: not by whom it
/// is from, not by what it replies to in another channel.
#[tokio::test]
async fn kim_29_a_report_about_no_dispatch_of_its_channel_is_a_letter_of_its_author() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let frieda = stage.correspondent("frieda").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "e1@x", "Befund", "", "Von Erik")).await;
    let letter = stage.anna_sees("Von Erik").await;
    let answer = stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    stage.mails(&erik, 1).await;
    let id = stage.query("select message_id from dispatches").await;

    // Whoever knows the id can report; the room is told who says so.
    stage.receive(&report(&frieda, &stage.practice, "r1@x", &id, "Ging nicht durch")).await;
    told(&stage.anna, &answer, &Phrase::ReportCame { from: Some(frieda.clone()) }).await;
    let beside = stage.anna_sees("Ging nicht durch").await;
    assert_eq!((&beside.room_id, &beside.sender), (&letter.room_id, &stage.bot_id()));

    let unknown = report(&erik, &stage.practice, "r2@x", "sonst@x", "Zu keinem von uns");
    stage.receive(&unknown).await;
    let elsewhere = stage.anna_sees("Zu keinem von uns").await;
    assert_eq!(elsewhere.sender, letter.sender, "it is Erik's letter");
    stage
        .receive_fax(&report("fax@gateway.example", &stage.fax_line, "r3@x", &id, "Vom Fax"))
        .await;
    stage.database_says("select count(*) from letters where reports_on is not null", "1").await;
    stage.database_says("select count(*) from letters where state = 'stored'", "0").await;
}
