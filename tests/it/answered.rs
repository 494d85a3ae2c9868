//! What an answer answers, where it goes, and what has to be confirmed before it does.

use serde_json::json;
use time::macros::datetime;
use umstieg::{
    model::{KimDoubt, WhyAsked},
    phrases::{HasText, Phrase, SendingPhrase},
};
use umstieg_world::gateway::PracticeChannel;

use crate::{
    phrases::{HANDED_TO_FAX, SOME_TIME, sentence, told},
    stage::{Stage, kim_mail},
};

/// One room for everything exchanged with a correspondent.
fn one_room(mut channels: Vec<PracticeChannel>, collect: u32) -> Vec<PracticeChannel> {
    for channel in &mut channels {
        channel.collect_seconds = collect;
    }
    channels[0].more = "thread_by = \"correspondent\"\n".to_owned();
    channels
}

/// The mail with these words.
fn with<'m>(mails: &'m [String], words: &str) -> &'m String {
    mails.iter().find(|mail| mail.contains(words)).unwrap_or_else(|| panic!("{words}: {mails:?}"))
}

fn answers(mail: &str, subject: &str, id: &str) {
    let subject = format!("Subject: Re: {subject}");
    let id = format!("In-Reply-To: <{id}>");
    assert!(mail.contains(&subject) && mail.contains(&id), "not {subject}, {id}: {mail}");
}

/// R09: with `thread_by = "correspondent"` one room holds letters about several patients. An answer
/// to one of them has its subject, and is filed with it on the other side.
#[tokio::test]
async fn r09_an_answer_answers_the_letter_it_replies_to() {
    let stage = Stage::with(|channels| one_room(channels, 8)).await;
    let erik = stage.correspondent("erik").await;
    let letter = |id: &str, subject: &str, words: &str| {
        kim_mail(&erik, &stage.practice, id, subject, "", words)
    };
    stage.receive(&letter("a@x", "Patient A", "Soll A das Mittel weiter nehmen?")).await;
    let a = stage.anna_sees("Soll A das Mittel").await;
    let to_a = stage.anna.send_text(&a.room_id, "Zu A, bevor B kam").await.unwrap();
    answers(&stage.mails(&erik, 1).await[0], "Patient A", "a@x");
    stage.receive(&letter("b@x", "Patient B", "Soll B das Mittel weiter nehmen?")).await;
    let b = stage.anna_sees("Soll B das Mittel").await;
    assert_eq!(a.room_id, b.room_id);

    // Said within the time in which an answer is gathered: three letters are answered by three
    // mails, in the order in which they were said.
    let room = &a.room_id;
    stage.anna.reply(room, a.event_id(), "Ja, A weiter nehmen.").await.unwrap();
    stage.anna.send_text(room, "Ohne Bezug gesagt").await.unwrap();
    stage.anna.reply(room, &to_a, "Noch etwas zu A").await.unwrap();
    let in_thread = serde_json::json!({
        "msgtype": "m.text", "body": "Im Faden zu A",
        "m.relates_to": {
            "rel_type": "m.thread", "event_id": a.event_id(), "is_falling_back": true,
            "m.in_reply_to": { "event_id": b.event_id() },
        },
    });
    stage.anna.send(room, in_thread).await.unwrap();
    let mails = stage.mails(&erik, 4).await;
    answers(with(&mails, "Ja, A weiter nehmen."), "Patient A", "a@x");
    answers(with(&mails, "Ohne Bezug gesagt"), "Patient B", "b@x");
    let last = with(&mails, "Noch etwas zu A");
    answers(last, "Patient A", "a@x");
    assert!(last.contains("Im Faden zu A"), "{last}");
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "4").await;
}

/// R09: what was written before a letter came does not answer it, although it leaves afterwards.
#[tokio::test]
async fn r09_an_answer_answers_no_letter_that_came_after_it() {
    let stage = Stage::with(|channels| one_room(channels, 8)).await;
    let erik = stage.correspondent("erik").await;
    let letter = |id: &str, subject: &str, words: &str| {
        kim_mail(&erik, &stage.practice, id, subject, "", words)
    };
    stage.receive(&letter("a@x", "Patient A", "Brief zu A")).await;
    let room = stage.anna_sees("Brief zu A").await.room_id;
    stage.anna.send_text(&room, "Ja, weiter nehmen.").await.unwrap();
    stage.receive(&letter("b@x", "Patient B", "Brief zu B")).await;
    stage.anna_sees("Brief zu B").await;
    // The same person, a moment later: another letter, another mail.
    stage.anna.send_text(&room, "Nein, absetzen.").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    answers(with(&mails, "Ja, weiter nehmen."), "Patient A", "a@x");
    answers(with(&mails, "Nein, absetzen."), "Patient B", "b@x");
}

/// B23: who a letter is from and where its answer belongs are two things.
#[tokio::test]
async fn b23_an_answer_goes_where_the_sender_wants_it_and_the_room_says_so_before() {
    let stage = Stage::new().await;
    let (noreply, station) =
        (stage.correspondent("noreply").await, stage.correspondent("station4").await);
    let letter = |id: &str, reply_to: &str, words: &str| {
        let more = format!("Reply-To: {reply_to}\n");
        kim_mail(&noreply, &stage.practice, id, "Entlassbrief", &more, words)
    };
    stage.receive(&letter("a@x", &format!("Station 4 <{station}>"), "An die Station")).await;
    let room = stage.anna_sees("An die Station").await;
    assert!(room.sender_name.contains(&noreply), "the room is the sender's: {}", room.sender_name);
    let address = station.clone();
    stage.anna_is_told(&Phrase::AnswersGoElsewhere { address, has_more: false }).await;
    stage.anna.send_text(&room.room_id, "Danke an die Station").await.unwrap();
    assert!(stage.mails(&station, 1).await[0].contains("Danke an die Station"));
    let (at, address) = (SOME_TIME, station.clone());
    stage.anna_is_told(&Phrase::DispatchAcceptedElsewhere { at, address }).await;

    // Where no answer can go is said, and it goes to the sender.
    stage.receive(&letter("b@x", "praxis@praxis.example", "Nach draussen")).await;
    let room = stage.anna_sees("Nach draussen").await.room_id;
    let address = Some("praxis@praxis.example".to_owned());
    let hint = stage.anna_is_told(&Phrase::AnswersWantedElsewhere { address }).await;
    assert_eq!(hint.room_id, room);
    stage.anna.send_text(&room, "Trotzdem").await.unwrap();
    assert!(stage.mails(&noreply, 1).await[0].contains("Trotzdem"));

    // Answers to ourselves are none; but this sender reads none either.
    stage.receive(&letter("c@x", &stage.practice.clone(), "An uns selbst")).await;
    let room = stage.anna_sees("An uns selbst").await.room_id;
    let hint = stage.anna_is_told(&Phrase::SenderReadsNoAnswers).await;
    assert_eq!(hint.room_id, room);
    assert_eq!(stage.mails(&station, 1).await.len(), 1);
}

/// B24: to whom else it went, when it was written, and that it is urgent.
#[tokio::test]
async fn b24_a_letter_shows_copies_date_and_urgency() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let more = "Cc: Dr. Ast <ast@praxis-ast.kim.telematik>,\n Pflegedienst \
                <pd@pflege.kim.telematik>\nImportance: high\nX-Priority: 1\n";
    stage
        .receive(&kim_mail(&erik, &stage.practice, "a@x", "Konsil", more, "Bitte abstimmen"))
        .await;
    let letter = stage.anna_sees("Bitte abstimmen").await;
    let who = [
        "Dr. Ast <ast@praxis-ast.kim.telematik>".to_owned(),
        "Pflegedienst <pd@pflege.kim.telematik>".to_owned(),
    ];
    for phrase in [
        Phrase::LetterUrgent,
        Phrase::LetterWritten { at: datetime!(2026-11-23 08:00:00 +01:00) },
        Phrase::LetterAlsoTo { who: who.into(), more: 0 },
    ] {
        assert!(letter.body().contains(&sentence(&phrase)), "{phrase:?}: {}", letter.body());
    }
    assert!(!letter.body().contains(&stage.practice), "we know that we got it");
}

/// A fax as HylaFAX mails it.
fn fax(station: &str, caller: &str, words: &str) -> String {
    format!(
        "From: Fax <gateway@fax.example>\nSubject: Facsimile received from {station}\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=hf\n\n--hf\n\
         Content-Type: text/plain; charset=utf-8\n\nrecvq/fax00042.tif:\n\
         \u{20}         Sender: {station}\n           Pages: 2\n         CallID1: {caller}\n\
         \u{20}        CallID2: {words}\n\n--hf\nContent-Type: application/pdf; name=fax.pdf\n\
         Content-Transfer-Encoding: base64\n\nJVBERi0xLjQgZmF4\n--hf--\n"
    )
}

/// B27: a machine with a wrong station id would put patient data into a stranger's tray.
#[tokio::test]
async fn b27_the_calling_number_decides_and_an_answer_in_doubt_is_confirmed_first() {
    let stage = Stage::new().await;
    let mine = async |words: &str| {
        let mails = stage.mails("gateway@fax.example", 0).await;
        mails.iter().filter(|m| m.contains(&stage.fax_line) && m.contains(words)).count()
    };
    stage.receive_fax(&fax("030 5550999", "0305550123", "erstes Fax")).await;
    let first = stage.anna_sees("erstes Fax").await;
    let number = "+49305550123".to_owned();
    assert_eq!(first.sender_name, sentence(&Phrase::GhostFax { number: number.clone() }));
    let station = "+49305550999".to_owned();
    let differ = Phrase::FaxNumbersDiffer { number: number.clone(), station };
    let hint = stage.anna_is_told(&differ).await;
    assert_eq!(hint.room_id, first.room_id);
    let room = &first.room_id;
    let said = stage.anna.send_text(room, "Zu früh gesagt").await.unwrap();
    let refusal = stage.anna_is_told(&Phrase::CallerNotConfirmed).await;
    assert_eq!(refusal.reply_to(), Some(said.as_str()));
    stage.anna.send_text(room, "!bestätigen").await.unwrap();
    stage.anna_is_told(&Phrase::CallerConfirmed).await;
    let said = stage.anna.send_text(room, "Bestätigt gesagt").await.unwrap();
    // The first answer is shown before it leaves (FAX-25).
    let why = WhyAsked::Differs;
    let shown = "+49 30 5550123 (DE)".to_owned();
    let phrase =
        SendingPhrase::Preview { number: shown, why, pages: 1, files: 0, text: HasText(true) };
    told(&stage.anna, &said, &Phrase::OfSending(phrase)).await;
    stage.anna.reply(room, &said, "!faxen").await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
    stage.until("the fax is at its gateway", async || mine("To: 49305550123@").await == 1).await;

    // The same machine again: the room is not asked twice.
    stage.receive_fax(&fax("030 5550999", "0305550123", "zweites Fax")).await;
    assert_eq!(stage.anna_sees("zweites Fax").await.room_id, *room);
    stage.anna.send_text(room, "Ohne Frage").await.unwrap();
    stage.until("the fax is at its gateway", async || mine("To: 49305550123@").await == 2).await;

    // This one stays unconfirmed; it comes into a separate room.
    stage.receive_fax(&fax("030 5550123", "anonymous", "drittes Fax")).await;
    let third = stage.anna_sees("drittes Fax").await;
    assert_ne!(third.room_id, *room, "whoever calls itself so is in the room of the true number");
    assert_eq!(third.sender_name, sentence(&Phrase::GhostClaimedFax { number: number.clone() }));
    stage.anna_is_told(&Phrase::FaxNumberClaimed { number }).await;
    stage.anna.send_text(&third.room_id, "Unbestätigt").await.unwrap();
    stage
        .until("the second refusal", async || stage.anna_was_told(&Phrase::CallerNotConfirmed) == 2)
        .await;
    stage.anna.send_text(&third.room_id, "!confirm").await.unwrap();
    stage
        .until("the second thanks", async || stage.anna_was_told(&Phrase::CallerConfirmed) == 2)
        .await;
    stage.anna.send_text(&third.room_id, "Jetzt aber").await.unwrap();
    stage.until("the fax is at its gateway", async || mine("To: 49305550123@").await == 3).await;
    stage.anna.send_text(&third.room_id, "!bestätigen").await.unwrap();
    stage.anna_is_told(&Phrase::NothingToConfirm).await;
    stage.database_says("select count(*) from dispatches", "3").await;
}

/// A conversation that had to go on in another room: a message in the first one, where the bot still
/// listens, answers the letter that is there.
#[tokio::test]
async fn what_is_written_in_a_room_answers_a_letter_that_stands_in_that_room() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    stage
        .receive(&kim_mail(&erik, &stage.practice, "z1@x", "Befund Schmidt", "", "Guten Tag"))
        .await;
    let first = stage.anna_sees("Guten Tag").await;
    let path = format!("/_matrix/client/v3/rooms/{}/ban", first.room_id);
    stage.as_bot("POST", &path, &json!({ "user_id": first.sender })).await;
    let more = "In-Reply-To: <z1@x>\nReferences: <z1@x>\n";
    let next = kim_mail(&erik, &stage.practice, "z2@x", "Befund Lehmann", more, "Im neuen Raum");
    stage.receive(&next).await;
    let second = stage.anna_sees_elsewhere("Im neuen Raum", &first.room_id).await;
    // The echo of the second letter has its place, so that what is written now comes after it.
    let echoed = "select count(*) > 0 from room_events join posts using (event_id)
                  where posts.letter_id = (select max(id) from letters) and place is not null";
    stage.database_says(echoed, "t").await;
    stage.anna.send_text(&first.room_id, "Zum ersten").await.unwrap();
    answers(with(&stage.mails(&erik, 1).await, "Zum ersten"), "Befund Schmidt", "z1@x");
    stage.anna.send_text(&second.room_id, "Zum zweiten").await.unwrap();
    answers(with(&stage.mails(&erik, 2).await, "Zum zweiten"), "Befund Lehmann", "z2@x");
}

/// KIM-19: what nobody knows is shown above the words, cut, and decides nothing.
#[tokio::test]
async fn kim_19_unknown_fields_of_kim_are_one_quiet_line() {
    let stage = Stage::new().await;
    let erik = stage.correspondent("erik").await;
    let more = "X-KIM-Neu: Wert eins\nX-KIM-Auth: eyJhbGciOi\nX-KIM-Ziel: <b>zwei</b>\n";
    stage.receive(&kim_mail(&erik, &stage.practice, "u1@x", "Befund", more, "Guten Tag")).await;
    let letter = stage.anna_sees("Guten Tag").await;
    let fields = [("X-KIM-Neu", "Wert eins"), ("X-KIM-Ziel", "<b>zwei</b>")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let line = sentence(&Phrase::LetterUnknownFields { fields, more: 0 });
    assert!(letter.body().contains(&line), "{}", letter.body());
    let html = letter.content["formatted_body"].as_str().unwrap();
    assert!(html.contains("&lt;b&gt;zwei") && !html.contains("eyJhbGciOi"), "{html}");
}

/// A letter that claims to be Erik's, of which the Clientmodul says that it is not (08), and that wants its
/// answers at Eve's. What is said in a room that shows no more than the warning does not leave to Eve.
async fn nothing_leaves_to_eve(mut stage: Stage, first: Option<&str>) {
    stage.gateway.start().await.unwrap();
    let (erik, eve) = (stage.correspondent("erik").await, stage.correspondent("eve").await);
    if let Some(words) = first {
        stage.receive(&kim_mail(&erik, &stage.practice, "b1@x", "Befund", "", words)).await;
        stage.anna_sees(words).await;
    }
    let more = format!(
        "X-KOM-LE-Version: 1.5\nX-KIM-DecryptionResult: 00\nX-KIM-IntegrityCheckResult: 08\n\
         Reply-To: <{eve}>\n"
    );
    stage.receive(&kim_mail(&erik, &stage.practice, "b2@x", "Frage", &more, "Bitte Befund")).await;
    let at = Some(datetime!(2026-11-23 08:00 +1));
    let (doubt, sender) = (KimDoubt::Altered, Some(erik));
    let warning = stage.anna_is_told(&Phrase::LetterWithheld { doubt, sender, at }).await;
    let said = stage.anna.send_text(&warning.room_id, "Frau Schmidt: HbA1c 9,1").await.unwrap();
    told(&stage.anna, &said, &Phrase::AnswerToWithheld).await;
    assert_eq!(stage.query("select count(*) from dispatches").await, "0");
}

#[tokio::test]
async fn l195_what_is_said_beside_a_withheld_letter_does_not_leave_to_where_it_wants_answers() {
    nothing_leaves_to_eve(Stage::before_start(|channels| channels).await, None).await;
}

/// One room for each correspondent: the answer was meant for the letter that everybody can read.
#[tokio::test]
async fn l195_a_withheld_letter_does_not_lead_the_answers_in_its_sender_s_room_astray() {
    let stage = Stage::before_start(|mut channels| {
        channels[0].more.push_str("thread_by = \"correspondent\"\n");
        channels
    })
    .await;
    nothing_leaves_to_eve(stage, Some("Wie geht es Frau Schmidt?")).await;
}
