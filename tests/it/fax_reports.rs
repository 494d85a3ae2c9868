//! What a fax gateway says of a fax of ours moves it on, and what it says of a call; with the profile of
//! HylaFAX (FAX-4, FAX-5, FAX-27 to FAX-35).

use umstieg::{
    model::FateWhy,
    phrases::{FaxPhrase, Phrase},
};

use umstieg_world::client::{SeenEvent, SeenTimeline};

use crate::{
    phrases::{HANDED_TO_FAX, SOME_TIME, told},
    stage::Stage,
};

const NUMBER: &str = "03023125999";

async fn stage() -> Stage {
    let stage = Stage::before_start(|channels| channels).await;
    stage.edit_settings(&[("profile = \"generic\"", "profile = \"hylafax\"")]);
    stage
}

/// A fax as HylaFAX brings it.
fn fax(id: &str, words: &str, more: &str) -> String {
    format!(
        "From: HylaFAX <gateway@fax.example>\nSubject: Fax received from \"030 23125999\"\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\n\
         recvq/{id}.tif:\n      Sender: 030 23125999\n       Pages: 1\n     CallID1: {NUMBER}\n{words}\n\
         --b\nContent-Type: application/pdf; name={id}.pdf\n\
         Content-Disposition: attachment; filename={id}.pdf\n\n%PDF-1.4 {id}\n{more}--b--\n"
    )
}

/// A fax comes; returns what Anna sees of it first.
async fn a_fax_comes(stage: &Stage) -> SeenEvent {
    stage.receive_fax(&fax("fax1", "", "")).await;
    let first = |seen: &SeenTimeline| seen.messages().find(|event| event.has_file()).cloned();
    stage.anna.wait_for("the fax", first).await.unwrap()
}

/// What HylaFAX writes about a fax, with the transcript that it adds.
fn report(to: &str, subject: &str, words: &str) -> String {
    format!(
        "From: HylaFAX <gateway@fax.example>\nTo: {to}\nSubject: {subject}\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\n{words}\n\n\
         ---- Transcript of session follows ----\n\nNov 23 08:00:00.01: [12]: SESSION BEGIN 0001\n\
         --b\nContent-Type: application/pdf; name=doc.pdf\n\
         Content-Disposition: attachment; filename=doc.pdf\n\n%PDF-1.4 returned\n--b--\n"
    )
}

/// The address that a mail to the gateway wants reports at, and its tag.
fn reports_of(mail: &str) -> (String, String) {
    let field = |name: &str| {
        let line = mail.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    (field("X-FAX-MailAddr:"), field("X-FAX-JobTag:"))
}

/// FAX-27 to FAX-33: the tag finds the fax, requeued is not final, a report that comes again changes nothing.
#[tokio::test]
async fn fax_29_a_gateways_reports_move_a_fax_on() {
    let mut stage = stage().await;
    stage.gateway.start().await.unwrap();
    let file = a_fax_comes(&stage).await;
    let answer = stage.anna.send_text(&file.room_id, "Bitte um Rückruf").await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_FAX).await;
    let mails = stage.mails("gateway@fax.example", 1).await;
    let mail = mails.iter().find(|mail| mail.contains(&stage.fax_line)).unwrap();
    assert!(mail.contains(&format!("To: {NUMBER}@fax.example")), "{mail}");
    // What people wrote stands on the paper alone.
    assert!(
        !mail.contains("In-Reply-To") && mail.lines().any(|line| line == "Subject: Fax"),
        "{mail}"
    );
    let (to, tag) = reports_of(mail);
    assert_eq!(to, stage.fax_line.replace('@', &format!("+{tag}@")));

    // Whoever knows the number alone cannot say that it was sent.
    let forged = format!("facsimile job 9 to {NUMBER} completed");
    stage
        .receive_fax(&report(&stage.fax_line, &forged, "Your job was completed.\n Pages: 1"))
        .await;
    stage.anna_is_told(&unplaced("+493023125999", "sent")).await;
    assert_eq!(stage.query("select state from dispatches").await, "accepted");

    let of_another = "facsimile job 9 to 03023125998 completed";
    stage.receive_fax(&report(&to, of_another, "Your job was completed.\n Pages: 1")).await;
    stage.anna_is_told(&unplaced("+493023125998", "sent")).await;
    assert_eq!(stage.query("select state from dispatches").await, "accepted");

    let requeued = format!("facsimile job {tag} (7) to {NUMBER} requeued");
    let busy = format!("Your job to {NUMBER} was not sent because:\n\nBusy signal detected");
    stage.receive_fax(&report(&stage.fax_line, &requeued, &busy)).await;
    stage.anna_is_told(&Phrase::OfFax(FaxPhrase::TriesAgain { at: SOME_TIME })).await;

    let completed = format!("facsimile job {tag} (7) to Praxis ({NUMBER}) completed");
    let done = report(&stage.fax_line, &completed, "Your job was completed.\n\n   Pages: 1\n");
    stage.receive_fax(&done).await;
    let sent = Phrase::OfFax(FaxPhrase::Sent { at: SOME_TIME, pages: Some(1) });
    stage.anna_is_told(&sent).await;
    assert_eq!(stage.query("select state from dispatches").await, "delivered");

    // A copy, and what was overtaken.
    stage.receive_fax(&done.replace("08:00:00 +", "08:00:01 +")).await;
    stage.receive_fax(&report(&to, &requeued, &busy).replace("08:00:00 +", "08:00:02 +")).await;
    stage.database_says("select count(*) from letters where state <> 'posted'", "0").await;
    stage.database_says("select count(*) from letters", "7").await;
    assert_eq!(stage.query("select state from dispatches").await, "delivered");
    nothing_of_machines_is_shown(&stage).await;
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}

fn unplaced(number: &str, says: &'static str) -> Phrase {
    Phrase::OfFax(FaxPhrase::ReportUnplaced { number: Some(number.to_owned()), says })
}

/// FAX-35: no transcript and no document that came back.
async fn nothing_of_machines_is_shown(stage: &Stage) {
    let seen = stage.anna.seen();
    for message in seen.messages() {
        assert!(!message.body().contains("SESSION BEGIN"), "{}", message.body());
        assert!(!message.body().contains("doc.pdf"), "{}", message.body());
        assert!(!message.body().contains("recvq"), "{}", message.body());
    }
}

/// FAX-28, FAX-32: a fax that failed is told with its reason and what to do, found by its number when the
/// report has no tag; where two faxes go to one number, such a report moves none.
#[tokio::test]
async fn fax_28_without_a_tag_the_only_fax_to_a_number_is_meant_and_no_other() {
    let mut stage = stage().await;
    stage.gateway.start().await.unwrap();
    let file = a_fax_comes(&stage).await;
    let one = stage.anna.send_text(&file.room_id, "Eins").await.unwrap();
    told(&stage.anna, &one, &HANDED_TO_FAX).await;
    let two = stage.anna.send_text(&file.room_id, "Zwei").await.unwrap();
    told(&stage.anna, &two, &HANDED_TO_FAX).await;
    let failed = |job| format!("facsimile job {job} to {NUMBER} failed");
    let words =
        format!("Your job to {NUMBER} failed because:\n\nNo answer from remote; too many\n");
    stage.receive_fax(&report(&stage.fax_line, &failed(1), &words)).await;
    stage.anna_is_told(&unplaced("+493023125999", "failed")).await;
    let states = "select string_agg(state, ' ' order by id) from dispatches";
    assert_eq!(stage.query(states).await, "accepted accepted");

    let mails = stage.mails("gateway@fax.example", 2).await;
    let own = |mail: &&String| mail.contains(&stage.fax_line);
    let (_, tag) = reports_of(mails.iter().find(own).unwrap());
    let sent = format!("Fax Auftrag {tag} (1) an {NUMBER} abgeschlossen");
    stage.receive_fax(&report(&stage.fax_line, &sent, "Ihr Fax Auftrag\n   Seiten: 1\n")).await;
    stage.database_says("select count(*) from dispatches where state = 'delivered'", "1").await;
    stage.receive_fax(&report(&stage.fax_line, &failed(2), &words)).await;
    let not_sent = FaxPhrase::NotSent { at: SOME_TIME, why: FateWhy::NoAnswer };
    stage.anna_is_told(&Phrase::OfFax(not_sent)).await;
    let states = "select string_agg(state, ' ' order by state) from dispatches";
    assert_eq!(stage.query(states).await, "delivered undelivered");
    nothing_of_machines_is_shown(&stage).await;
}

/// FAX-4, FAX-5, FAX-35: a fax that broke off is marked, a call without a fax is told of in the channel's
/// room, and a session's transcript is in none.
#[tokio::test]
async fn fax_5_what_did_not_come_is_told_and_what_came_in_part_is_marked() {
    let mut stage = stage().await;
    stage.gateway.start().await.unwrap();
    let words = "\nThe full document was not received because:\n\n    T.30 T2 timeout\n";
    let log = "--b\nContent-Type: text/plain; name=c000000005\n\
               Content-Disposition: attachment; filename=c000000005\n\nSESSION BEGIN 1\n";
    stage.receive_fax(&fax("fax1", words, log)).await;
    let incomplete = FaxPhrase::Incomplete { reason: Some("T.30 T2 timeout".to_owned()) };
    let told = stage.anna_is_told(&Phrase::OfFax(incomplete)).await;
    let missed = "From: HylaFAX <gateway@fax.example>\nSubject: Fax received from \"\"\n\
                  Date: Mon, 23 Nov 2026 08:00:00 +0100\n\nFax not received.\n\n\
                  \tNo sender protocol (T.30 T1 timeout)\n\nSession log follows:\n\nSESSION BEGIN 2\n";
    stage.receive_fax(missed).await;
    let reason = Some("No sender protocol (T.30 T1 timeout)".to_owned());
    let missed =
        stage.anna_is_told(&Phrase::OfFax(FaxPhrase::Missed { number: None, reason })).await;
    assert_ne!(told.room_id, missed.room_id);
    let seen = stage.anna.seen();
    assert_eq!(seen.messages().filter(|message| message.has_file()).count(), 1);
    nothing_of_machines_is_shown(&stage).await;
}
