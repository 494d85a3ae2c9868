//! Reports about dispatches: what names the Message-ID and the recipient moves the state that the room
//! shows; everything else is a letter.

use umstieg::{model::FateWhy, phrases::Phrase};
use umstieg_world::client::{SeenEvent, SeenTimeline};

use crate::{
    after_unclear::its_word_got_lost,
    phrases::{HANDED_TO_FAX, HANDED_TO_KIM, SOME_TIME, hears, saying, says, sentence, told},
    stage::{Stage, kim_mail, message_id},
};

const DELIVERED: Phrase = Phrase::DispatchDelivered { at: SOME_TIME };
const READ: Phrase = Phrase::DispatchRead { at: SOME_TIME };

fn undelivered(why: FateWhy) -> Phrase {
    Phrase::DispatchUndelivered { at: SOME_TIME, why }
}

fn came(from: &str) -> Phrase {
    Phrase::ReportCame { from: Some(from.to_owned()), is_earlier: false }
}

/// A report that anybody can write: it names the Message-ID, and no recipient.
fn report(from: &str, to: &str, id: &str, about: &str, words: &str) -> String {
    report_of(from, to, id, about, words, "Action: failed\n")
}

/// A report with these fields about recipients.
fn report_of(from: &str, to: &str, id: &str, about: &str, words: &str, fields: &str) -> String {
    format!(
        "From: {from}\nTo: {to}\nSubject: Bericht\nMessage-ID: <{id}>\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain; charset=utf-8\n\n{words}\n\
         --b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mail\nOriginal-Message-ID: <{about}>\n\n{fields}\
         --b--\n"
    )
}

/// What a mail server and a mail program say of an answer to somebody.
pub(crate) struct Reports<'s> {
    pub(crate) stage: &'s Stage,
    pub(crate) recipient: String,
    pub(crate) about: String,
}

impl Reports<'_> {
    /// A delivery report (RFC 3464).
    pub(crate) async fn delivery(&self, id: &str, action: &str, status: &str) {
        let fields = format!(
            "Final-Recipient: rfc822; {}\nAction: {action}\nStatus: {status}\n",
            self.recipient
        );
        let from = "MAILER-DAEMON@charite.kim.telematik";
        let mail = report_of(from, &self.stage.practice, id, &self.about, "Ein Bericht.", &fields);
        self.stage.receive(&mail).await;
    }

    /// The recipient's mail program says that the answer was displayed (RFC 8098).
    pub(crate) async fn displayed(&self, id: &str) {
        let mail = format!(
            "From: {0}\nTo: {1}\nSubject: Gelesen\nMessage-ID: <{id}>\n\
             Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nGelesen.\n\
             --b\nContent-Type: message/disposition-notification\n\n\
             Final-Recipient: rfc822; {0}\nOriginal-Message-ID: <{2}>\n\
             Disposition: manual-action/MDN-sent-manually; displayed\n--b--\n",
            self.recipient, self.stage.practice, self.about
        );
        self.stage.receive(&mail).await;
    }

    /// Waits until so many reports were kept, and nothing waits to be said.
    async fn are_kept(&self, count: usize) {
        self.stage.database_says("select count(*) from reports", &count.to_string()).await;
        is_quiet(self.stage).await;
    }
}

/// Erik, his letter, Anna's answer, and the Message-ID that the answer bore.
async fn answered(stage: &Stage) -> (String, SeenEvent, String, String) {
    let (erik, letter) = stage.letter_from("erik").await;
    let answer = stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    let id = message_id(&stage.mails(&erik, 1).await[0]);
    stage.anna_is_told(&HANDED_TO_KIM).await;
    (erik, letter, answer, id)
}

/// Waits until nothing waits to be placed or said.
async fn is_quiet(stage: &Stage) {
    stage.database_says("select count(*) from letters where state = 'stored'", "0").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    stage.last_is_seen_by(&stage.anna).await;
}

/// Waits until so many letters came, and nothing waits to be placed or said.
pub(crate) async fn have_come(stage: &Stage, letters: usize) {
    let placed = "select count(*) from letters where state <> 'stored'";
    stage.database_says(placed, &letters.to_string()).await;
    is_quiet(stage).await;
}

/// KIM-29: a real mail server takes a mail for a mailbox that does not exist, and reports later. The
/// room of the answer is told so where the answer stands, by a new message; nobody reads a letter of
/// a machine.
#[tokio::test]
async fn kim_29_what_a_mail_server_could_not_deliver_is_said_at_the_answer() {
    let stage = Stage::new().await;
    let erik = format!("erik-{}@charite.kim.telematik", stage.tag);
    stage.receive(&kim_mail(&erik, &stage.practice, "b1@x", "Befund", "", "Bitte antworten")).await;
    let letter = stage.anna_sees("Bitte antworten").await;
    let room = &letter.room_id;
    let answer = stage.anna.send_text(room, "Danke, wir melden uns.").await.unwrap();
    told(&stage.anna, &answer, &HANDED_TO_KIM).await;
    let notice = told(&stage.anna, &answer, &undelivered(FateWhy::NoSuchRecipient)).await;
    assert_eq!((&notice.room_id, &notice.sender), (room, &stage.bot_id()));
    assert_eq!(stage.query("select state from dispatches").await, "undelivered");
    have_come(&stage, 2).await;
    assert_eq!(stage.query("select count(*) from conversations").await, "1");
    assert_eq!(stage.query("select reason from parked").await, "undelivered");

    // The report itself is to be had, as it came.
    stage.anna.reply(room, notice.event_id(), "!original").await.unwrap();
    hears(&stage.anna, &Phrase::OriginalFollows).await;
    let is_file = |seen: &SeenTimeline| seen.messages_in(room).find(|m| m.has_file()).cloned();
    let file = stage.anna.wait_for("the report", is_file).await.unwrap();
    let report = stage.anna.download(&file).await.unwrap();
    assert!(String::from_utf8_lossy(&report).contains("message/delivery-status"));

    // It leaves again when a person says so, as another mail: the report is not about that one.
    let first = stage.query("select message_id from dispatches").await;
    stage.world.mail.add_mailbox(&erik, "pw").await.unwrap();
    let again = stage.anna.send_text(room, "!erneut").await.unwrap();
    told(&stage.anna, &again, &Phrase::RetryQueued).await;
    let mails = stage.mails(&erik, 1).await;
    assert_ne!(message_id(&mails[0]), first);
    stage.database_says("select state from dispatches", "accepted").await;
    is_quiet(&stage).await;
    let shown = stage.anna.seen().shown_body(notice.event_id()).unwrap().to_owned();
    assert!(says(&shown, &HANDED_TO_KIM), "{shown}");
}

/// KIM-29: delivered, then read, is shown where "handed over" stood; reports that come twice or late
/// change nothing, and no report has a room.
#[tokio::test]
async fn kim_29_the_state_at_an_answer_moves_forwards_only() {
    let stage = Stage::new().await;
    let (erik, letter, answer, about) = answered(&stage).await;
    let notice = told(&stage.anna, &answer, &HANDED_TO_KIM).await;
    let reports = Reports { stage: &stage, recipient: erik, about };
    let shown = || stage.anna.seen().shown_body(notice.event_id()).unwrap().to_owned();

    reports.delivery("r1@x", "delayed", "4.4.1").await;
    reports.are_kept(1).await;
    assert!(says(&shown(), &Phrase::DispatchDelayed { at: SOME_TIME }), "{}", shown());
    // KIM-30: the code of a real report of KIM contradicts its action, which decides.
    reports.delivery("r2@x", "delivered", "4.0.0").await;
    reports.are_kept(2).await;
    assert!(says(&shown(), &DELIVERED), "{}", shown());
    reports.displayed("r3@x").await;
    reports.are_kept(3).await;
    assert!(says(&shown(), &READ), "{}", shown());

    let said = stage.query("select count(*) from posts").await;
    reports.delivery("r4@x", "delivered", "2.0.0").await;
    reports.delivery("r5@x", "delayed", "4.4.1").await;
    reports.displayed("r6@x").await;
    reports.are_kept(6).await;
    assert!(says(&shown(), &READ), "{}", shown());
    assert_eq!(stage.query("select count(*) from posts").await, said);
    assert_eq!(stage.query("select count(*) from conversations").await, "1");
    assert_eq!(stage.anna.seen().messages().filter(|m| m.body().contains("Bericht.")).count(), 0);

    // Nothing that is said in the room answers a report.
    stage.anna.send_text(&letter.room_id, "Noch etwas").await.unwrap();
    stage.database_says("select count(*) from dispatches where in_reply_to is not null", "2").await;
    let answered = "select count(distinct in_reply_to) from dispatches";
    assert_eq!(stage.query(answered).await, "1");
}

/// KIM-29: where two reports contradict each other, the room hears of it anew, and a person asks.
#[tokio::test]
async fn kim_29_reports_that_contradict_each_other_are_said_to() {
    let stage = Stage::new().await;
    let (erik, _, answer, about) = answered(&stage).await;
    let reports = Reports { stage: &stage, recipient: erik, about };
    reports.delivery("r1@x", "delivered", "2.0.0").await;
    reports.are_kept(1).await;
    reports.delivery("r2@x", "failed", "5.1.1").await;
    told(&stage.anna, &answer, &Phrase::DispatchContradicted).await;
    reports.are_kept(2).await;
    assert_eq!(stage.query("select state from dispatches").await, "contradicted");
    let parked = stage.parked(&["list"]).await;
    assert!(parked.contains("contradicted"), "{parked}");
}

/// KIM-29: a report settles what was unclear, so that nobody has to ask.
#[tokio::test]
async fn kim_29_a_report_settles_what_was_unclear() {
    let stage = Stage::new().await;
    let (erik, _, answer, about) = answered(&stage).await;
    let notice = told(&stage.anna, &answer, &HANDED_TO_KIM).await;
    its_word_got_lost(&stage).await;
    let reports = Reports { stage: &stage, recipient: erik, about };
    reports.delivery("r1@x", "delivered", "2.0.0").await;
    reports.are_kept(1).await;
    let shown = stage.anna.seen().shown_body(notice.event_id()).unwrap().to_owned();
    assert!(says(&shown, &DELIVERED), "{shown}");
    assert_eq!(stage.query("select count(*) from parked where resolved_at is null").await, "0");
}

/// KIM-29: who knows only the Message-ID, names somebody else, or reports what did not leave, changes
/// no state: it is a letter, and the room is told where it stands.
#[tokio::test]
async fn kim_29_a_forged_report_changes_nothing_and_is_a_letter() {
    let stage = Stage::new().await;
    let (erik, _, answer, about) = answered(&stage).await;
    let frieda = stage.correspondent("frieda").await;
    for (number, recipient) in [&frieda, "erik", &format!("x{erik}")].into_iter().enumerate() {
        let fields = format!("Final-Recipient: rfc822; {recipient}\nAction: failed\n");
        let words = format!("Nummer {number}");
        let id = format!("r{number}@x");
        let mail = report_of(&frieda, &stage.practice, &id, &about, &words, &fields);
        stage.receive(&mail).await;
        stage.anna_sees(&words).await;
    }
    let of_another = Reports { stage: &stage, recipient: erik, about: "fremd@kim.local".into() };
    of_another.delivery("r9@x", "failed", "5.1.1").await;
    told(&stage.anna, &answer, &came(&frieda)).await;
    have_come(&stage, 5).await;
    assert_eq!(stage.query("select state from dispatches").await, "accepted");
    assert_eq!(stage.query("select count(*) from reports").await, "0");
    stage.anna_sees("Ein Bericht.").await;
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
    have_come(&stage, 4).await;
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
    let fax = "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 23125991\n\
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
    have_come(&stage, 3).await;
    assert_eq!(stage.query("select count(*) from parked where kind = 'letter'").await, "1");
    assert_eq!(stage.query("select count(*) from posts where txn_id like 'r%'").await, "0");
}

/// R14: what the Clientmodul could not decrypt is never deleted, whatever form it has.
#[tokio::test]
async fn r14_what_could_not_be_decrypted_stays_also_in_the_form_of_a_report() {
    let stage = Stage::with(|mut channels| {
        channels[0].more_inbox = "after_relay = \"delete\"\n".to_owned();
        channels[0].more_kim.push_str("mailbox = \"owned\"\n");
        channels
    })
    .await;
    let (erik, _, _, id) = answered(&stage).await;
    let words = "Der Konnektor war nicht erreichbar";
    let result = "X-KIM-DecryptionResult: 03\nX-KIM-Fehlermeldung: 4011\nMIME-Version";
    let mail = report(&erik, &stage.practice, "r1@x", &id, words).replace("MIME-Version", result);
    stage.receive(&mail).await;
    stage.anna_sees(words).await;
    have_come(&stage, 2).await;
    // What came after it is deleted, so what may be deleted was.
    stage.letter_from("frieda").await;
    stage.database_says("select count(*) from letters where deleted_at is not null", "2").await;
    let left = stage.world.mail.mails(&stage.practice).unwrap();
    assert!(left.iter().any(|mail| String::from_utf8_lossy(mail).contains(words)));
}

/// KIM-29: the sweep tells the room of an answer that nobody has reported what became of it, in the
/// place of "handed over".
#[tokio::test]
async fn kim_29_an_answer_without_a_report_says_so_after_a_while() {
    let stage = Stage::with(|mut channels| {
        channels[0].more_kim = "delivery_reports = false\nreport_hours = 5\n".to_owned();
        channels
    })
    .await;
    let (_, _, answer, _) = answered(&stage).await;
    let notice = told(&stage.anna, &answer, &HANDED_TO_KIM).await;
    stage
        .query("update dispatches set reports_requested = true, settled_at = now() - interval '6 hours'")
        .await;
    stage
        .database_says("select count(*) from dispatches where silence_told_at is not null", "1")
        .await;
    is_quiet(&stage).await;
    let shown = stage.anna.seen().shown_body(notice.event_id()).unwrap().to_owned();
    assert!(says(&shown, &Phrase::DispatchUnreported { at: SOME_TIME }), "{shown}");
}
