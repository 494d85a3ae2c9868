//! Absence notes: told in the thread of the answer they are about, once a day, and nothing else is taken
//! for one (KIM-21).

use umstieg::phrases::Phrase;
use umstieg_world::client::{SeenEvent, SeenTimeline};

use crate::{
    phrases::{HANDED_TO_KIM, hears, saying, sentence},
    reports::have_come,
    stage::{Stage, kim_mail, message_id},
};

/// The answer that a machine answers: to whom it went, the letter it answers, and its Message-ID.
pub(crate) struct Away {
    pub(crate) erik: String,
    pub(crate) letter: SeenEvent,
    pub(crate) about: String,
}

impl Away {
    pub(crate) async fn on(stage: &Stage) -> Self {
        let (erik, letter) = stage.letter_from("erik").await;
        stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
        let about = message_id(&stage.mails(&erik, 1).await[0]);
        stage.anna_is_told(&HANDED_TO_KIM).await;
        Self { erik, letter, about }
    }

    /// The note of a KIM provider, as far as its form is known (assumed: the sample S8 is constructed).
    pub(crate) fn note(&self, stage: &Stage, id: &str, words: &str) -> String {
        note_of(&self.erik, stage, id, &format!("In-Reply-To: <{}>\n", self.about), words)
    }

    /// What stands above the words of such a note.
    fn says(&self, again: u64) -> String {
        let sender = format!("Dr. Erik Muster <{}>", self.erik);
        sentence(&Phrase::AutomaticNote { sender, says_absent: true, again })
    }
}

pub(crate) fn note_of(from: &str, stage: &Stage, id: &str, more: &str, words: &str) -> String {
    kim_mail(from, &stage.practice, id, "Abwesenheit", more, words)
        .replace("KIM-Mail;Default;V1.0", "KIM-Mail;Abwesend;V1.0")
}

#[tokio::test]
async fn kim_21_an_absence_note_is_told_in_its_thread_and_once_a_day() {
    let mut stage = Stage::new().await;
    let away = Away::on(&stage).await;
    let room = &away.letter.room_id;
    stage.receive(&away.note(&stage, "n1@x", "Ich bin bis Montag verreist.")).await;
    let told = stage.anna_sees("Ich bin bis Montag verreist.").await;
    assert_eq!(&told.room_id, room);
    assert!(told.body().starts_with(&away.says(0)), "{}", told.body());
    assert_eq!(told.content["msgtype"], "m.notice");
    assert_ne!(told.sender, stage.bot_id());

    // The same words again, also after a restart, with other blanks, and by another program.
    stage.receive(&away.note(&stage, "n2@x", "Ich bin bis  Montag\nverreist.")).await;
    have_come(&stage, 3).await;
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    stage.receive(&away.note(&stage, "n3@x", "Ich bin bis Montag verreist.")).await;
    let by_a_program = format!("In-Reply-To: <{}>\nAuto-Submitted: auto-replied\n", away.about);
    let by_a_program = kim_mail(
        &away.erik,
        &stage.practice,
        "n4@x",
        "Abwesenheit",
        &by_a_program,
        "Ich bin bis Montag verreist.",
    );
    stage.receive(&by_a_program).await;
    have_come(&stage, 5).await;
    assert_eq!(stage.anna_saw("verreist"), 1);
    let kept = "select count(*) from letters where state = 'duplicate' and repeats = 2";
    assert_eq!(stage.query(kept).await, "3");

    // Other words are news.
    stage.receive(&away.note(&stage, "n5@x", "Ich bin bis Dienstag verreist.")).await;
    stage.anna_sees("bis Dienstag").await;

    // Nothing answers a note: neither what is said next, nor what is said in reply to it.
    stage.anna.send_text(room, "Noch etwas").await.unwrap();
    stage.mails(&away.erik, 2).await;
    stage.anna.reply(room, told.event_id(), "Gute Reise").await.unwrap();
    let mails = stage.mails(&away.erik, 3).await;
    for mail in &mails {
        assert!(mail.contains("In-Reply-To: <erster-"), "{mail}");
    }
    stage.anna.reply(room, told.event_id(), "!original").await.unwrap();
    hears(&stage.anna, &Phrase::OriginalFollows).await;
    let is_file = |seen: &SeenTimeline| seen.messages_in(room).find(|m| m.has_file()).cloned();
    let file = stage.anna.wait_for("the note", is_file).await.unwrap();
    let original = stage.anna.download(&file).await.unwrap();
    assert!(String::from_utf8_lossy(&original).contains("Message-ID: <n1@x>"));

    // A day later it is told once more, and how often it came meanwhile.
    stage.query("update absence_notes set told_at = told_at - interval '1 day'").await;
    stage.receive(&away.note(&stage, "n6@x", "Ich bin bis Montag verreist.")).await;
    let of_today = away.says(3);
    let is_it = |seen: &SeenTimeline| seen.message_with(&of_today).cloned();
    stage.anna.wait_for("the note of the next day", is_it).await.unwrap();
    assert_eq!(stage.query("select count(*) from conversations").await, "1");
}

/// Anybody can write "Abwesend" into a head: what is more than a note to an answer of ours is a letter,
/// as often as it comes.
#[tokio::test]
async fn kim_21_what_only_says_that_it_is_an_absence_note_stays_a_letter() {
    let stage = Stage::new().await;
    let away = Away::on(&stage).await;
    let frieda = stage.correspondent("frieda").await;
    let named = format!("In-Reply-To: <{}>\n", away.about);
    let with_file = |id: &str| {
        away.note(&stage, id, "").replace(
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: multipart/mixed; boundary=b",
        ) + "--b\nContent-Type: text/plain\n\nKalium 7,1\n--b\nContent-Type: application/pdf; name=befund.pdf\n\n%PDF\n--b--\n"
    };
    let mut letters = 1;
    for round in 1..=2 {
        let id = |what: &str| format!("{what}{round}@x");
        for mail in [
            note_of(&frieda, &stage, &id("fremd"), &named, "Marcumar absetzen"),
            with_file(&id("datei")),
            note_of(&away.erik, &stage, &id("falsch"), "In-Reply-To: <x@kim.local>\n", "Notfall"),
        ] {
            stage.receive(&mail).await;
            letters += 1;
        }
    }
    have_come(&stage, letters).await;
    let shown = ["Marcumar absetzen", "Kalium 7,1", "Notfall"];
    let is_shown = || async { shown.iter().all(|words| stage.anna_saw(words) == 2) };
    stage.until("each is shown as often as it came", is_shown).await;
    assert_eq!(stage.query("select count(*) from absence_notes").await, "0");
    let seen = stage.anna.seen();
    let files = seen.messages().filter(|m| m.body().contains("befund.pdf")).count();
    assert_eq!(files, 2);
    assert!(saying(&seen, &Phrase::AutomaticLetter { is_report: false }).count() >= 1);
}

/// The Dienstkennung is all that is published of a provider's note: one without any id is about what left
/// last for its sender, and nobody vouches for it.
#[tokio::test]
async fn kim_21_a_note_that_names_no_mail_is_about_the_last_one() {
    let stage = Stage::new().await;
    let away = Away::on(&stage).await;
    let frieda = stage.correspondent("frieda").await;
    for (number, from) in [&away.erik, &away.erik, &frieda, &frieda].into_iter().enumerate() {
        let id = format!("ohne{number}@x");
        stage.receive(&note_of(from, &stage, &id, "", "Bis Montag geschlossen")).await;
    }
    have_come(&stage, 5).await;
    // Twice from whom nothing left, once from whom it did.
    stage.until("all are shown", async || stage.anna_saw("Bis Montag geschlossen") == 3).await;
    assert_eq!(stage.query("select count(*), sum(again) from absence_notes").await, "1|1");
    let seen = stage.anna.seen();
    let note = seen.message_with("hat diese automatische Notiz hinterlassen").unwrap();
    assert_eq!(note.room_id, away.letter.room_id);
    assert!(crate::phrases::says(note.body(), &Phrase::LetterUnconfirmed), "{}", note.body());
}

/// A sender wants answers at a station of theirs, which is away: the room of the answer is told that a note
/// came, and the note has a room of its author's, once a day as well.
#[tokio::test]
async fn kim_21_a_note_of_the_address_at_which_answers_are_wanted_has_its_author_s_room() {
    let stage = Stage::new().await;
    let (erik, station) = (stage.correspondent("erik").await, stage.correspondent("station").await);
    let wanted = format!("Reply-To: <{station}>\n");
    stage
        .receive(&kim_mail(&erik, &stage.practice, "b1@x", "Befund", &wanted, "Bitte dorthin"))
        .await;
    let letter = stage.anna_sees("Bitte dorthin").await;
    stage.anna.send_text(&letter.room_id, "Danke").await.unwrap();
    let about = message_id(&stage.mails(&station, 1).await[0]);
    let named = format!("In-Reply-To: <{about}>\n");
    stage.receive(&note_of(&station, &stage, "n1@x", &named, "Station geschlossen")).await;
    let came = Phrase::ReportCame { from: Some(station.clone()), is_earlier: false };
    let hint = stage.anna_is_told(&came).await;
    assert_eq!(hint.room_id, letter.room_id);
    let note = stage.anna_sees("Station geschlossen").await;
    assert_ne!(note.room_id, letter.room_id);
    // It is known there from now on.
    for number in 2..5 {
        let id = format!("n{number}@x");
        stage.receive(&note_of(&station, &stage, &id, &named, "Station geschlossen")).await;
    }
    have_come(&stage, 5).await;
    assert_eq!(stage.query("select count(*), sum(again) from absence_notes").await, "1|2");
    assert_eq!(stage.query("select count(*) from conversations").await, "2");
    assert_eq!(stage.anna_was_told(&came), 1);
    assert_eq!(stage.mails(&station, 1).await.len(), 1);
}

/// Promise 1: a partner's system answers each request by itself, with the same words. That it says of the
/// second request what it said of the first is news.
#[tokio::test]
async fn l190_an_automatic_answer_to_another_request_is_told() {
    let stage = Stage::new().await;
    let away = Away::on(&stage).await;
    stage.anna.send_text(&away.letter.room_id, "Bitte Rezept fuer Frau Schmidt").await.unwrap();
    let mails = stage.mails(&away.erik, 2).await;
    let second = message_id(&mails[1]);
    assert_ne!(second, away.about);
    for (number, about) in [&away.about, &second].into_iter().enumerate() {
        let named = format!("In-Reply-To: <{about}>\nAuto-Submitted: auto-replied\n");
        let id = format!("m{number}@x");
        let words = "Ihre Anfrage wurde abgelehnt";
        stage
            .receive(&kim_mail(&away.erik, &stage.practice, &id, "Ihre Anfrage", &named, words))
            .await;
    }
    have_come(&stage, 3).await;
    stage.last_is_seen_by(&stage.anna).await;
    assert_eq!(stage.anna_saw("Ihre Anfrage wurde abgelehnt"), 2);
}
