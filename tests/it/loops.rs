//! Loops and storms cannot happen: whatever machines answer each other, the gateway sends what people said
//! and nothing else, and what a room shows stays bounded (KIM-21).

use umstieg::phrases::Phrase;

use crate::{
    absence::{Away, note_of},
    phrases::HANDED_TO_KIM,
    reports::{Reports, have_come},
    stage::{Stage, kim_mail, message_id},
};

/// Waits for so many letters, which may take long.
async fn storm_is_over(stage: &Stage, letters: usize) {
    let over = "select count(*) from letters where state <> 'stored'";
    let within = std::time::Duration::from_secs(240);
    let is_over = || async { stage.query(over).await == letters.to_string() };
    stage.until_within(within, "all of the storm was read", is_over).await;
    have_come(stage, letters).await;
}

/// Everything that the gateway ever handed over, and what lies in the mailboxes of others.
async fn mails_sent(stage: &Stage, recipients: &[&str]) -> (String, usize) {
    let dispatches = stage.query("select count(*) from dispatches").await;
    let mails = recipients.iter().map(|address| stage.world.mail.mails(address).unwrap().len());
    (dispatches, mails.sum())
}

/// A machine answers each mail that it gets at once: with a receipt, a bounce, an absence note, and each of
/// them again about what it sent before.
#[tokio::test]
async fn kim_21_a_machine_that_answers_everything_gets_one_mail() {
    let stage = Stage::new().await;
    let away = Away::on(&stage).await;
    let reports =
        Reports { stage: &stage, recipient: away.erik.clone(), about: away.about.clone() };
    reports.displayed("r1@x").await;
    reports.delivery("r2@x", "failed", "5.1.1").await;
    stage.receive(&away.note(&stage, "n1@x", "Bin verreist")).await;
    // An absence note to an absence note, and a bounce of a bounce.
    let to_note = "In-Reply-To: <n1@x>\nAuto-Submitted: auto-replied\n";
    stage.receive(&note_of(&away.erik, &stage, "n2@x", to_note, "Bin auch verreist")).await;
    let (recipient, about) = (stage.practice.clone(), "r2@x".to_owned());
    Reports { stage: &stage, recipient, about }.delivery("r3@x", "failed", "5.1.1").await;
    have_come(&stage, 6).await;
    assert_eq!(mails_sent(&stage, &[&away.erik]).await, ("1".to_owned(), 1));
    assert_eq!([stage.anna_saw("Bin verreist"), stage.anna_saw("Bin auch verreist")], [1, 1]);
    assert_eq!(stage.query("select count(*) from reports").await, "2");
    stage.lives_on().await;
}

/// Two gateways of ours, each with a person who answers once: each sends the one mail, and both fall silent.
#[tokio::test]
async fn kim_21_two_gateways_do_not_answer_each_other() {
    let (here, there) = (Stage::new().await, Stage::new().await);
    let letter = kim_mail(&there.practice, &here.practice, "b1@x", "Befund", "", "Bitte antworten");
    here.receive(&letter).await;
    let asked = here.anna_sees("Bitte antworten").await;
    here.anna.send_text(&asked.room_id, "Hier die Antwort").await.unwrap();
    let answer = there.anna_sees("Hier die Antwort").await;
    there.anna.send_text(&answer.room_id, "Danke, erledigt").await.unwrap();
    let last = here.anna_sees("Danke, erledigt").await;
    assert_eq!(last.room_id, asked.room_id);
    for stage in [&here, &there] {
        stage.anna_is_told(&HANDED_TO_KIM).await;
        assert_eq!(stage.query("select count(*) from dispatches").await, "1");
        assert_eq!(stage.query("select count(*) from conversations").await, "1");
    }
    have_come(&here, 2).await;
    have_come(&there, 1).await;
    let in_mailboxes = [&here.practice, &there.practice]
        .map(|address| here.world.mail.mails(address).unwrap().len());
    assert_eq!(in_mailboxes, [2, 1], "the letter, and one answer each way");
}

/// A mail of ours comes back as it left, with our marks and our Message-ID; and the self-test of a
/// practice's software lies in the mailbox.
#[tokio::test]
async fn kim_21_a_mail_of_our_own_that_comes_back_is_shown_as_such_and_sent_nowhere() {
    let stage = Stage::new().await;
    let away = Away::on(&stage).await;
    let own = stage.mails(&away.erik, 1).await.remove(0);
    assert!(own.contains("X-KIM-Sendersystem: "), "{own}");
    assert_eq!(message_id(&own), away.about);
    stage.receive(&own).await;
    let hint = stage.anna_is_told(&Phrase::LetterOwn).await;
    assert_ne!(hint.room_id, away.letter.room_id);
    let test = kim_mail(&stage.practice, &stage.practice, "t1@x", "Selbsttest", "", "Selbsttest")
        .replace("KIM-Mail;Default;V1.0", "Selbsttest;Lieferung;V1.0");
    stage.receive(&test).await;
    let alone = "select count(*) from unfetched_mails where reason = 'left_alone'";
    stage.database_says(alone, "1").await;
    have_come(&stage, 2).await;
    assert_eq!(mails_sent(&stage, &[&away.erik]).await, ("1".to_owned(), 1));
    let here = stage.world.mail.mails(&stage.practice).unwrap().len();
    assert_eq!(here, 3, "the letter, the mail that came back, and the self-test");
    // The thread goes on where it was.
    let answer = format!("In-Reply-To: <{}>\n", away.about);
    stage
        .receive(&kim_mail(
            &away.erik,
            &stage.practice,
            "a1@x",
            "Befund",
            &answer,
            "Gern geschehen",
        ))
        .await;
    assert_eq!(stage.anna_sees("Gern geschehen").await.room_id, away.letter.room_id);
}

/// 500 reports about one answer, of all kinds, and 500 absence notes of its recipient; a letter of a person
/// in between comes.
#[tokio::test]
async fn kim_21_a_storm_of_reports_and_absence_notes_leaves_a_handful_of_notices() {
    let stage = Stage::new().await;
    let away = Away::on(&stage).await;
    let reports =
        Reports { stage: &stage, recipient: away.erik.clone(), about: away.about.clone() };
    let said = |what: &str| format!("select count(*) from posts where {what}");
    let before: usize = stage.query(&said("true")).await.parse().unwrap();
    for number in 0..500 {
        let (action, status) =
            [("delayed", "4.4.1"), ("relayed", "2.0.0"), ("delivered", "2.0.0")][number % 3];
        reports.delivery(&format!("r{number}@x"), action, status).await;
        stage.receive(&away.note(&stage, &format!("n{number}@x"), "Bin verreist")).await;
        if number == 250 {
            let letter = kim_mail(&away.erik, &stage.practice, "echt@x", "Eilt", "", "Kalium 7,1");
            stage.receive(&letter).await;
        }
    }
    storm_is_over(&stage, 1002).await;
    stage.anna_sees("Kalium 7,1").await;
    assert_eq!(mails_sent(&stage, &[&away.erik]).await, ("1".to_owned(), 1));
    assert_eq!(stage.anna_saw("Bin verreist"), 1);
    assert_eq!(stage.query("select count(*), sum(again) from absence_notes").await, "1|499");
    assert_eq!(stage.query("select count(*) from reports").await, "500");
    assert_eq!(stage.query("select count(*) from reports where moved").await, "3");
    let now: usize = stage.query(&said("true")).await.parse().unwrap();
    // Three states, the note, the letter.
    assert_eq!(now - before, 5);
    assert_eq!(stage.query("select count(*) from conversations").await, "2");
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}
