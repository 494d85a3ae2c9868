//! What a practice sees of it, on real servers.

use umstieg::{
    model::FateWhy,
    phrases::{FaxPhrase, Phrase},
};
use umstieg_world::client::{SeenEvent, SeenTimeline};

use crate::{
    fax_stage::{mail, two_pages},
    phrases::{HANDED_TO_FAX, HANDED_TO_REPORTING_FAX, SOME_TIME, told},
    stage::Stage,
};

/// Promise 1: the mail has a fax of two pages, and words in it that begin as "no fax came" does.
#[tokio::test]
async fn a_fax_beside_the_words_for_none_is_in_a_room() {
    let stage = Stage::new().await;
    let words = "Fax not received? Here it is once more.\nDr. Test";
    let files = [("fax.pdf", "application/pdf", two_pages())];
    let files = files.each_ref().map(|(name, kind, bytes)| (*name, *kind, bytes.as_slice()));
    stage.receive_fax(&mail("Neues Fax von 030 5550181", words, &files)).await;
    let shown = stage.files_shown("1").await;
    assert!(shown.contains(&"fax.pdf".to_owned()), "the fax is in no room: {shown:?}");
}

/// FAX-25, promise 3: the caller withholds their number, and their machine names another one. An answer to it
/// waits for a person.
#[tokio::test]
async fn an_answer_to_a_number_that_only_a_machine_names_waits() {
    let stage = Stage::with_profile("efax").await;
    let subject = "eFax from \"030 5550184\" - 2 page(s), Caller-ID: anonymous";
    let files = [("fax.pdf", "application/pdf", two_pages())];
    let files = files.each_ref().map(|(name, kind, bytes)| (*name, *kind, bytes.as_slice()));
    stage.receive_fax(&mail(subject, "You have received a 2 page fax.", &files)).await;
    let first = |seen: &SeenTimeline| seen.messages().find(|event| event.has_file()).cloned();
    let fax: SeenEvent = stage.anna.wait_for("the fax", first).await.unwrap();
    stage.anna.send_text(&fax.room_id, "Der Befund von Frau Test").await.unwrap();
    // It stays in the room until a person has confirmed the number.
    stage.anna_is_told(&Phrase::CallerNotConfirmed).await;
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
}

/// What a mail server says of the mail to the fax service.
fn of_the_mail(stage: &Stage, id: &str, (action, status): (&str, &str)) -> String {
    format!(
        "From: MAILER-DAEMON <gateway@fax.example>\nTo: {}\nSubject: Bericht\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nEin Bericht.\n\
         --b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mail\nOriginal-Message-ID: <{id}>\n\n\
         Final-Recipient: rfc822; 493023125993@fax.example\nAction: {action}\nStatus: {status}\n\n\
         --b--\n",
        stage.fax_line
    )
}

/// "Reports of mail servers are about the mail to the gateway": no fax was tried, and no number was dialled.
#[tokio::test]
async fn a_mail_server_s_report_is_not_told_as_the_fax_service_s() {
    let stage = Stage::new().await;
    stage.receive_fax("From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 23125993\nDate: Mon, 23 Nov 2026 08:00:00 +0100\n\nEin Fax\n").await;
    let room = stage.anna_sees("Ein Fax").await.room_id;
    let answer = stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_FAX).await;
    let id = stage.query("select message_id from dispatches").await;
    stage.receive_fax(&of_the_mail(&stage, &id, ("delayed", "4.4.1"))).await;
    stage.database_says("select state from dispatches", "delayed").await;
    stage.receive_fax(&of_the_mail(&stage, &id, ("failed", "5.1.1"))).await;
    stage.database_says("select state from dispatches", "undelivered").await;
    stage.database_says("select count(*) from posts where state <> 'sent'", "0").await;
    stage.last_is_seen_by(&stage.anna).await;
    let told = |phrase| stage.anna_was_told(&Phrase::OfFax(phrase));
    let tried = crate::phrases::saying(
        &stage.anna.seen(),
        &Phrase::OfFax(FaxPhrase::TriesAgain { at: SOME_TIME }),
    )
    .count();
    let no_number = told(FaxPhrase::NotSent { at: SOME_TIME, why: FateWhy::NoSuchRecipient });
    assert_eq!(
        (tried, no_number),
        (0, 0),
        "the room was told that the fax service has tried, or that the fax number does not exist"
    );
}

/// Promise 3: an address without the number, or with a place that is none, would bring every fax to the same
/// mailbox. A profile that says so is refused; so are settings.
#[tokio::test]
async fn an_address_without_a_number_is_refused_in_the_settings_too() {
    for address in ["{nummer}@{domain}", "fax@{domain}"] {
        let mut stage = Stage::before_start(|channels| channels).await;
        let line = format!("[channel.fax]\naddress = {address:?}\n");
        stage.edit_settings(&[("[channel.fax]\n", &line)]);
        if stage.gateway.start().await.is_err() {
            continue;
        }
        stage.receive_fax("From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 5550187\nDate: Mon, 23 Nov 2026 08:00:00 +0100\n\nEin Fax\n").await;
        let room = stage.anna_sees("Ein Fax").await.room_id;
        stage.anna.send_text(&room, "Der Befund von Frau Test").await.unwrap();
        stage.anna_is_told(&HANDED_TO_FAX).await;
        panic!(
            "with address = {address:?} the gateway starts, and a fax was handed over for nobody's number"
        );
    }
}

/// FAX-15: a device that has no name says where it is (RFC 5321 §4.1.3). Its faxes are taken like any other: the
/// sender of the envelope decides nothing.
#[tokio::test]
async fn a_device_without_a_name_may_deliver() {
    let door = crate::fax_door::AtTheDoor::open().await;
    let mut server = door.connect().await;
    assert!(server.say("EHLO [192.168.1.20]").await.starts_with("250 "));
    let heard = server.say("MAIL FROM:<fax@[192.168.1.20]>").await;
    assert!(heard.starts_with("250 "), "for good: {heard}");
}

/// Promise 4, FAX-31: of a report that is too large, because it brings the document back, only the head is
/// fetched. It does not say how many of two pages were sent.
#[tokio::test]
async fn the_head_of_a_report_alone_does_not_say_sent() {
    let mut stage = Stage::before_start(|mut channels| {
        channels[1].more_inbox = "mail_bytes_max = 65536\n".to_owned();
        channels
    })
    .await;
    stage.edit_settings(&[("profile = \"generic\"", "profile = \"hylafax\"")]);
    stage.gateway.start().await.unwrap();
    let words = "recvq/fax1.tif:\n  Sender: 030 5550190\n  Pages: 1\n CallID1: 0305550190\n";
    let files = [("fax.pdf", "application/pdf", b"%PDF-1.4 fax".as_slice())];
    stage.receive_fax(&mail("Fax received from \"030 5550190\"", words, &files)).await;
    let first = |seen: &SeenTimeline| seen.messages().find(|event| event.has_file()).cloned();
    let fax: SeenEvent = stage.anna.wait_for("the fax", first).await.unwrap();
    let long = "Eine Zeile des Befundes\n".repeat(70);
    let answer = stage.anna.send_text(&fax.room_id, &long).await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_REPORTING_FAX).await;
    assert_eq!(stage.query("select fax_pages from dispatches").await, "2");
    let id = stage.query("select message_id from dispatches").await;
    let tag = format!("u{}", id.split('@').next().unwrap().replace('-', ""));
    let subject = format!("facsimile job {tag} (7) to 0305550190 completed");
    let document = vec![0x55; 100_000];
    let files = [("doc.pdf", "application/pdf", document.as_slice())];
    stage.receive_fax(&mail(&subject, "Your job was completed.\n\n   Pages: 1\n", &files)).await;
    stage.database_says("select count(*) from letters where state = 'posted'", "2").await;
    let state = stage.query("select state from dispatches").await;
    assert_ne!(state, "delivered", "the report says that one of two pages was sent");
}

/// "Where a profile says no reports, the room reads that the fax went to the gateway, and no more": it must not
/// let the team wait for a report that never comes.
#[tokio::test]
async fn where_no_report_comes_none_is_promised() {
    let stage = Stage::new().await;
    stage.receive_fax("From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 5550193\nDate: Mon, 23 Nov 2026 08:00:00 +0100\n\nEin Fax\n").await;
    let room = stage.anna_sees("Ein Fax").await.room_id;
    let answer = stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    stage.database_says("select state from dispatches", "accepted").await;
    let said = stage
        .anna
        .wait_for("what became of it", |seen| {
            let about = |m: &&SeenEvent| m.reply_to() == Some(answer.as_str());
            seen.messages().find(about).map(|m| m.body().to_owned())
        })
        .await
        .unwrap();
    assert!(!said.contains("noch nicht"), "the profile has no reports, and the room reads: {said}");
}

/// Decision 25: without our tag "only bad news" counts, because "it makes a person look, and hides nothing". That
/// the service tries again, and that nobody has to do anything, is no such news.
#[tokio::test]
async fn a_report_without_the_tag_does_not_calm_the_team() {
    let stage = Stage::with_profile("hylafax").await;
    let words = "recvq/fax1.tif:\n  Sender: 030 5550195\n  Pages: 1\n CallID1: 0305550195\n";
    let files = [("fax.pdf", "application/pdf", b"%PDF-1.4 fax".as_slice())];
    stage.receive_fax(&mail("Fax received from \"030 5550195\"", words, &files)).await;
    let first = |seen: &SeenTimeline| seen.messages().find(|event| event.has_file()).cloned();
    let fax: SeenEvent = stage.anna.wait_for("the fax", first).await.unwrap();
    let answer = stage.anna.send_text(&fax.room_id, "Bitte um Rückruf").await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_REPORTING_FAX).await;
    let forged = "facsimile job 9 to 0305550195 requeued";
    stage
        .receive_fax(&mail(forged, "Your job was not sent because:\n\nBusy signal detected", &[]))
        .await;
    stage.database_says("select count(*) from letters where state = 'posted'", "2").await;
    assert_eq!(stage.query("select state from dispatches").await, "accepted");
}

/// FAX-35: "transcripts of a session reach no room", whichever profile reads the mail.
#[tokio::test]
async fn a_transcript_reaches_no_room() {
    let stage = Stage::new().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faxes");
    let sample = std::fs::read(folder.join("hylafax_en_broken_for_the_admin.eml")).unwrap();
    let sample =
        String::from_utf8_lossy(&sample).replace("hylafax@gateway.example", "gateway@fax.example");
    stage.receive_fax(&sample).await;
    stage.files_shown("1").await;
    let seen = stage.anna.seen();
    let shown = seen.messages().find(|message| message.body().contains("SESSION BEGIN"));
    assert!(shown.is_none(), "{}", shown.unwrap().body());
}
