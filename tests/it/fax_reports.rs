//! What a fax gateway says of a fax of ours moves it on, and what it says of a call; with the profile of
//! HylaFAX (FAX-4, FAX-5, FAX-27 to FAX-35).

use umstieg::{
    model::FateWhy,
    phrases::{FaxPhrase, Phrase},
};

use umstieg_world::client::{SeenEvent, SeenTimeline};

use crate::{
    phrases::{HANDED_TO_REPORTING_FAX, SOME_TIME, told},
    stage::Stage,
};

const NUMBER: &str = "03023125999";

async fn stage() -> Stage {
    Stage::of_profile("hylafax").await
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

/// FAX-27, FAX-28: the own mail server could not hand a fax to its gateway, and says so under its own name. It
/// is known by the name that the envelope bore; that the mail arrived, nobody is believed who is not the gateway.
#[tokio::test]
async fn fax_28_a_mail_server_that_cannot_reach_the_gateway_is_heard() {
    let mut stage = stage().await;
    stage.gateway.start().await.unwrap();
    let file = a_fax_comes(&stage).await;
    let answer = stage.anna.send_text(&file.room_id, "Bitte um Rückruf").await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_REPORTING_FAX).await;
    let id = stage.query("select message_id from dispatches").await;
    let bounce = |number: u8, action: &str, id: &str| {
        format!(
            "From: MAILER-DAEMON@relay.example\nTo: {line}\nSubject: Zustellung\n\
             Date: Mon, 23 Nov 2026 08:0{number}:00 +0100\nMessage-ID: <b{number}@relay>\n\
             MIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nNotiz {number}.\n\
             --b\nContent-Type: message/delivery-status\n\n\
             Reporting-MTA: dns; relay.example\nOriginal-Envelope-Id: {id}\n\n\
             Final-Recipient: rfc822; {NUMBER}@fax.example\nAction: {action}\n\
             Status: {status}\n\n--b--\n",
            line = stage.fax_line,
            status = if action == "failed" { "5.4.4" } else { "2.0.0" },
        )
    };
    stage.receive_fax(&bounce(1, "delivered", &id)).await;
    let parked = "select count(*) from letters where state = 'parked'";
    stage.database_says(parked, "1").await;
    stage.receive_fax(&bounce(2, "failed", "fremd@fax.local")).await;
    stage.database_says(parked, "2").await;
    assert_eq!(stage.query("select state from dispatches").await, "accepted");
    stage.receive_fax(&bounce(3, "failed", &id)).await;
    stage.database_says("select state from dispatches", "undelivered").await;
    assert_eq!(stage.query(parked).await, "2");
    let failed = Phrase::OfFax(FaxPhrase::NotSent { at: SOME_TIME, why: FateWhy::MailServer });
    stage.anna_is_told(&failed).await;
}

/// FAX-27 to FAX-33: the tag finds the fax, requeued is not final, a report that comes again changes nothing.
#[tokio::test]
async fn fax_29_a_gateways_reports_move_a_fax_on() {
    let mut stage = stage().await;
    stage.gateway.start().await.unwrap();
    let file = a_fax_comes(&stage).await;
    let answer = stage.anna.send_text(&file.room_id, "Bitte um Rückruf").await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_REPORTING_FAX).await;
    let mail = &stage.mails_of_faxes(1).await[0];
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
    stage.database_says("select count(*) from letters", "7").await;
    stage.database_says("select count(*) from letters where state <> 'posted'", "0").await;
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
    told(&stage.anna, &one, &HANDED_TO_REPORTING_FAX).await;
    let two = stage.anna.send_text(&file.room_id, "Zwei").await.unwrap();
    told(&stage.anna, &two, &HANDED_TO_REPORTING_FAX).await;
    let failed = |job| format!("facsimile job {job} to {NUMBER} failed");
    let words =
        format!("Your job to {NUMBER} failed because:\n\nNo answer from remote; too many\n");
    stage.receive_fax(&report(&stage.fax_line, &failed(1), &words)).await;
    stage.anna_is_told(&unplaced("+493023125999", "failed")).await;
    let states = "select string_agg(state, ' ' order by id) from dispatches";
    assert_eq!(stage.query(states).await, "accepted accepted");

    let (_, tag) = reports_of(&stage.mails_of_faxes(2).await[0]);
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

/// FAX-32, FAX-39: what is kept of each fax, with the gateway's own words; and the mails go when they are as old
/// as the settings say, with the rows as evidence.
#[tokio::test]
async fn fax_39_each_fax_is_recorded_and_its_mail_goes_when_it_is_old() {
    let mut stage = stage().await;
    stage.edit_settings(&[("profile = \"hylafax\"", "profile = \"hylafax\"\nkeep_days = 30")]);
    stage.gateway.start().await.unwrap();
    let file = a_fax_comes(&stage).await;
    let answer = stage.anna.send_text(&file.room_id, "Bitte um Rückruf").await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_REPORTING_FAX).await;
    let (_, tag) = reports_of(&stage.mails_of_faxes(1).await[0]);
    let failed = format!("facsimile job {tag} (7) to {NUMBER} failed");
    let words = format!("Your job to {NUMBER} failed because:\n\nNo answer from remote");
    stage.receive_fax(&report(&stage.fax_line, &failed, &words)).await;
    let not_sent = FaxPhrase::NotSent { at: SOME_TIME, why: FateWhy::NoAnswer };
    stage.anna_is_told(&Phrase::OfFax(not_sent)).await;

    let records = records(&stage).await;
    let rows: Vec<Vec<&str>> =
        records.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let [came, left, wrote] = rows.as_slice() else { panic!("{records}") };
    // Day, time, channel, way, number, other side, pages, bytes, state, digest.
    assert_eq!(&came[2..4], ["fax", "in"]);
    assert_eq!((came[5], came[8], came[9].len()), ("+493023125999", "posted", 64));
    assert_eq!(&left[2..4], ["fax", "out"]);
    assert_eq!((left[5], left[6], left[8]), ("+493023125999", "1", "undelivered"));
    assert_eq!(left[9].len(), 64);
    assert_eq!(wrote.join(" "), "the fax gateway wrote: No answer from remote");
    assert!(!records.contains("Rückruf"), "nothing of what was on it");

    let raw = "select string_agg(octet_length(raw)::text, ' ' order by id) from letters";
    let before = stage.query(raw).await;
    let purged = "select count(*) from letters where purged_at is not null";
    stage.query("update letters set received_at = now() - interval '31 days' where id = 1").await;
    stage.database_says(purged, "1").await;
    let after = stage.query(raw).await;
    assert!(before != after && before.split(' ').nth(1) == after.split(' ').nth(1), "{after}");
    assert!(self::records(&stage).await.contains("its mail is deleted (keep_days)"));
    stage.anna.reply(&file.room_id, file.event_id(), "!original").await.unwrap();
    stage.anna_is_told(&Phrase::OfFax(FaxPhrase::MailPurged)).await;
    // The mail is known still.
    stage.receive_fax(&fax("fax1", "", "")).await;
    stage.database_says("select count(*) from letters where state = 'duplicate'", "1").await;
    stage.lives_on().await;
}

/// What `umstieg fax records` prints.
async fn records(stage: &Stage) -> String {
    let output = stage.gateway.command(&["--lang", "en", "fax", "records"]).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `umstieg fax test`: the page leaves, and the command ends with what the gateway reports; no room hears of it.
#[tokio::test]
async fn fax_22_a_test_page_is_followed_to_its_report() {
    let mut stage = stage().await;
    stage.gateway.start().await.unwrap();
    let file = a_fax_comes(&stage).await;
    for (count, completed) in [("1", true), ("2", false)] {
        let (output, ()) = tokio::join!(
            stage.gateway.command(&["--lang", "de", "fax", "test", "030 23125997"]),
            async {
                stage.database_says("select count(*) from fax_tests", count).await;
                let newest = "select message_id from fax_tests order by id desc limit 1";
                let id = stage.query(newest).await;
                let tag = format!("u{}", id.split('@').next().unwrap().replace('-', ""));
                let subject = |word| format!("facsimile job {tag} (7) to 03023125997 {word}");
                let (subject, words) = match completed {
                    true => (subject("completed"), "Your job was completed.\n\n   Pages: 1\n"),
                    false => (subject("failed"), "It failed because:\n\nBusy signal detected"),
                };
                stage.receive_fax(&report(&stage.fax_line, &subject, words)).await;
            }
        );
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.success(), completed, "{said}");
        let expected =
            if completed { "Gesendet, so meldet es" } else { "war bei allen Versuchen besetzt" };
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
    stage.database_says("select count(*) from letters where state <> 'posted'", "0").await;

    // Without a tag a number does not say whether the test or an answer was meant.
    stage.query("update fax_tests set number = '+493023125999', said = null").await;
    let answer = stage.anna.send_text(&file.room_id, "Bitte um Rückruf").await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_REPORTING_FAX).await;
    let failed = format!("facsimile job 9 to {NUMBER} failed");
    stage.receive_fax(&report(&stage.fax_line, &failed, "Busy signal detected")).await;
    stage.anna_is_told(&unplaced("+493023125999", "failed")).await;
    assert_eq!(stage.query("select state from dispatches").await, "accepted");

    for (number, words) in [("0900 1234567", "besonderen Preis"), ("112", "keine Faxnummer")] {
        let output = stage.gateway.command(&["--lang", "de", "fax", "test", number]).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{number}: {said}");
    }
}
