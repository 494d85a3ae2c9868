//! What a person says in a portal, and what becomes of it.

use std::time::Duration;

use serde_json::json;
use umstieg::phrases::Phrase;
use umstieg_world::{AddressTrouble, client::SeenEvent, gateway::PracticeChannel};

use crate::{
    phrases::{HANDED_TO_FAX, HANDED_TO_KIM, of_trouble, says, sentence},
    stage::{Stage, kim_mail},
};

/// A stage with a letter from Dr. Muster; answers are gathered for `collect` seconds.
struct LetterStage {
    stage: Stage,
    erik: String,
    letter: SeenEvent,
}

impl LetterStage {
    async fn new(collect: u32) -> Self {
        Self::with(|channels| gathering(channels, collect)).await
    }

    async fn with(change: impl FnOnce(Vec<PracticeChannel>) -> Vec<PracticeChannel>) -> Self {
        Self::on(Stage::with(change).await).await
    }

    async fn on(stage: Stage) -> Self {
        let erik = stage.correspondent("erik").await;
        stage.receive(&kim_mail(&erik, &stage.practice, "a1@x", "Befund", "", "Guten Tag")).await;
        let letter = stage.anna_sees("Guten Tag").await;
        Self { stage, erik, letter }
    }

    fn room(&self) -> &str {
        &self.letter.room_id
    }

    async fn say(&self, words: &str) -> String {
        self.stage.anna.send_text(self.room(), words).await.unwrap()
    }

    async fn mails(&self, count: usize) -> Vec<String> {
        self.stage.mails(&self.erik, count).await
    }

    /// Waits for a notice that answers this event and says this in the end, and gives what Anna reads.
    async fn notice_at(&self, event_id: &str, phrase: &Phrase) -> String {
        self.stage
            .anna
            .wait_for(&format!("{phrase:?} at the message"), |seen| {
                let notice = seen.messages().find(|m| m.reply_to() == Some(event_id))?;
                let shown = seen.shown_body(notice.event_id())?;
                says(shown, phrase).then(|| shown.to_owned())
            })
            .await
            .unwrap()
    }
}

fn gathering(channels: Vec<PracticeChannel>, seconds: u32) -> Vec<PracticeChannel> {
    channels.into_iter().map(|c| PracticeChannel { collect_seconds: seconds, ..c }).collect()
}

/// A mail as a reader would see it.
fn read(mail: &str) -> mail_parser::Message<'_> {
    mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap()
}

/// A fax of the gateway stand-in, from this subject.
fn fax(subject: &str) -> String {
    format!(
        "From: Fax <gateway@fax.example>\nSubject: {subject}\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\nMIME-Version: 1.0\n\
         Content-Type: application/pdf; name=fax.pdf\n\
         Content-Disposition: attachment; filename=fax.pdf\n\
         Content-Transfer-Encoding: base64\n\nJVBERi0xLjQgZmF4\n"
    )
}

/// A document of one page.
fn pdf(text: &str) -> Vec<u8> {
    let page = umstieg::document::FaxPage { text: text.to_owned(), ..Default::default() };
    umstieg::document::letter_pdf(&page).unwrap()
}

#[tokio::test]
async fn what_is_said_close_together_is_one_mail_and_what_comes_later_another() {
    let case = LetterStage::new(8).await;
    case.say("Grüße 🌻 aus der Praxis").await;
    let name = "Über/weisung Müller 🩺.pdf";
    case.stage
        .anna
        .send_file(case.room(), name, "application/pdf", b"%PDF-1.4 \xe4")
        .await
        .unwrap();
    let mails = case.mails(1).await;
    let mail = read(&mails[0]);
    assert!(mail.body_text(0).unwrap().contains("Grüße 🌻 aus der Praxis"), "{}", mails[0]);
    let file = mail.attachment(0).unwrap();
    assert_eq!(file.contents(), b"%PDF-1.4 \xe4");
    let name = mail_parser::MimeHeaders::attachment_name(file).unwrap();
    assert!(name.contains("weisung Müller 🩺.pdf") && !name.contains('/'), "{name}");

    case.stage.anna_is_told(&HANDED_TO_KIM).await;
    case.say("Und noch etwas").await;
    let mails = case.mails(2).await;
    assert!(read(&mails[1]).body_text(0).unwrap().contains("Und noch etwas"), "{}", mails[1]);
    assert!(!mails[1].contains("weisung"), "{}", mails[1]);
    case.stage.database_says("select count(*) from dispatches where state = 'accepted'", "2").await;
}

#[tokio::test]
async fn two_people_write_two_mails_and_only_speakers_write_at_all() {
    let stage = Stage::before_start(|channels| channels).await;
    let (berta, clara) = (stage.colleague("berta").await, stage.colleague("clara").await);
    let (anna_id, berta_id, clara_id) =
        (stage.anna_id.clone(), berta.user_id.clone(), clara.user_id.clone());
    let mut stage = stage;
    stage
        .restart_with(|settings| {
            let team = format!("team = [{anna_id:?}]");
            let all = format!(
                "team = [{anna_id:?}, {berta_id:?}, {clara_id:?}]\nspeakers = [{anna_id:?}, {berta_id:?}]"
            );
            settings.replace(&team, &all).replace("collect_seconds = 1", "collect_seconds = 8")
        })
        .await;
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "a1@x", "Befund", "", "An alle")).await;
    let letter = stage.anna_sees("An alle").await;
    for colleague in [&berta, &clara] {
        colleague
            .wait_for("the letter", |seen| seen.message_with("An alle").cloned())
            .await
            .unwrap();
    }
    let refused = clara.send_text(&letter.room_id, "Ich darf nicht").await.unwrap();
    stage.anna.send_text(&letter.room_id, "Von Anna").await.unwrap();
    berta.send_text(&letter.room_id, "Von Berta").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    let holds = |mail: &String, words: &str| mail.contains(words);
    let of_anna = mails.iter().find(|m| holds(m, "Von Anna")).unwrap();
    assert!(!holds(of_anna, "Von Berta"), "{of_anna}");
    let notice = stage.anna_is_told(&Phrase::NotASpeaker).await;
    assert_eq!(notice.reply_to(), Some(refused.as_str()));
    stage.database_says("select count(*) from dispatches where state = 'accepted'", "2").await;
    assert!(!stage.mails(&erik, 2).await.iter().any(|m| holds(m, "Ich darf nicht")));
}

#[tokio::test]
async fn tim_14_edits_and_redactions_before_the_hand_over_count() {
    let case = LetterStage::new(15).await;
    let (stage, room) = (&case.stage, case.room());
    let first = case.say("Termin um 9 Uhr").await;
    stage.anna.edit(room, &first, "Termin um 10 Uhr").await.unwrap();
    let second = case.say("Das war an jemand anderen").await;
    stage.anna.redact(room, &second).await.unwrap();
    let mails = case.mails(1).await;
    assert!(mails[0].contains("Termin um 10 Uhr"), "{}", mails[0]);
    assert!(!mails[0].contains("9 Uhr") && !mails[0].contains("jemand"), "{}", mails[0]);
    case.notice_at(&first, &HANDED_TO_KIM).await;

    // Nothing is left of it: nothing leaves, and the room is told.
    let third = case.say("Bitte vergessen").await;
    let states = "select string_agg(state, ' ' order by id) from dispatches";
    // What is taken back before it is read was never going to leave, and nothing is said about it.
    stage.database_says(states, "accepted collecting").await;
    stage.anna.redact(room, &third).await.unwrap();
    case.notice_at(&third, &Phrase::DispatchWithdrawn).await;
    stage.database_says(states, "accepted withdrawn").await;

    // After that they are too late, and the room is told that as well.
    stage.anna.edit(room, &first, "Termin um 11 Uhr").await.unwrap();
    stage.anna_is_told(&Phrase::EditTooLate).await;
    stage.anna.redact(room, &first).await.unwrap();
    stage.anna_is_told(&Phrase::WithdrawalTooLate).await;
    assert_eq!(case.mails(1).await.len(), 1);
}

/// A moderator of the room takes something back that must not leave.
#[tokio::test]
async fn tim_14_a_redaction_by_somebody_with_power_counts_too() {
    let case = LetterStage::new(30).await;
    let boss = case.stage.colleague("chefin").await;
    let path = format!("/_matrix/client/v3/rooms/{}/state/m.room.power_levels", case.room());
    let mut levels = case.stage.as_bot("GET", &path, &json!(null)).await;
    levels["users"][&boss.user_id] = json!(50);
    case.stage.as_bot("PUT", &path, &levels).await;
    case.stage.anna.invite(case.room(), &boss.user_id).await.unwrap_err();
    let invite = format!("/_matrix/client/v3/rooms/{}/invite", case.room());
    case.stage.as_bot("POST", &invite, &json!({ "user_id": boss.user_id })).await;
    boss.wait_for("the room", |seen| {
        seen.message_with("Guten Tag").map(|_| ()).or_else(|| {
            seen.events
                .iter()
                .any(|e| e.room_id == case.letter.room_id && e.event_id.is_some())
                .then_some(())
        })
    })
    .await
    .unwrap();
    let event = case.say("Darf nicht hinaus").await;
    // A message that is taken back before it is read was never going to leave, and nothing is said
    // about it.
    case.stage.database_says("select state from dispatches", "collecting").await;
    boss.redact(case.room(), &event).await.unwrap();
    case.notice_at(&event, &Phrase::DispatchWithdrawn).await;
    case.stage.database_says("select state from dispatches", "withdrawn").await;
}

/// TIM-11: one of each kind a client sends, gathered into one mail.
#[tokio::test]
async fn tim_11_every_kind_of_message_leaves_or_is_refused_and_notices_never_leave() {
    let case = LetterStage::new(20).await;
    let (anna, room) = (&case.stage.anna, case.room());
    let png = b"\x89PNG\r\n\x1a\nx";
    anna.send_file(room, "Bild.png", "image/png", png).await.unwrap();
    anna.send(room, json!({ "msgtype": "m.emote", "body": "winkt" })).await.unwrap();
    anna.send(
        room,
        json!({ "msgtype": "m.location", "body": "Praxis", "geo_uri": "geo:52.5,13.4" }),
    )
    .await
    .unwrap();
    anna.send(room, json!({ "msgtype": "m.notice", "body": "Bin ein Automat" })).await.unwrap();
    let text = json!({ "msgtype": "de.gematik.x", "body": "", "de.gematik.text": [{ "body": "Strukturiert" }] });
    anna.send(room, text).await.unwrap();
    let unknown = anna.send(room, json!({ "msgtype": "x.unknown", "body": "" })).await.unwrap();
    case.notice_at(&unknown, &Phrase::MessageNotTransferable).await;
    let sticker = json!({ "body": "Daumen hoch", "url": "mxc://x/y", "info": {} });
    send_event(&case, "m.sticker", &sticker).await;
    let poll = send_event(&case, "m.poll.start", &json!({ "m.poll": {} })).await;
    case.notice_at(&poll, &Phrase::MessageNotTransferable).await;
    // A file with words about it (Matrix 1.10): both leave.
    let uri = anna_s_upload(&case).await;
    let captioned = json!({
        "msgtype": "m.file", "body": "Wie besprochen", "filename": "Brief.pdf", "url": uri,
        "info": { "mimetype": "application/pdf", "size": 8 },
    });
    anna.send(room, captioned).await.unwrap();
    anna.send(room, json!({ "msgtype": "m.audio", "body": "Diktat.ogg", "url": uri, "info": { "mimetype": "audio/ogg" } }))
        .await
        .unwrap();
    let mails = case.mails(1).await;
    let mail = read(&mails[0]);
    let body: String = (0..mail.text_body_count()).filter_map(|i| mail.body_text(i)).collect();
    for words in
        ["winkt", "Praxis", "geo:52.5,13.4", "Strukturiert", "Daumen hoch", "Wie besprochen"]
    {
        assert!(body.contains(words), "{words}: {}", mails[0]);
    }
    assert!(!mails[0].contains("Automat"), "{}", mails[0]);
    let names: Vec<_> = mail
        .attachments()
        .filter_map(|part| mail_parser::MimeHeaders::attachment_name(part))
        .collect();
    assert_eq!(names, ["Bild.png", "Brief.pdf", "Diktat.ogg"]);
    assert_eq!(mail.attachment(0).unwrap().contents(), png);
}

/// Sends an event of another type as Anna.
async fn send_event(case: &LetterStage, event_type: &str, content: &serde_json::Value) -> String {
    let token = case.stage.token_of(&case.stage.anna_id).await;
    let path = format!("/_matrix/client/v3/rooms/{}/send/{event_type}/t-{event_type}", case.room());
    let homeserver = &case.stage.world.homeserver;
    let (_, answer) = homeserver.request("PUT", &path, &token, Some(content)).await.unwrap();
    answer["event_id"].as_str().unwrap().to_owned()
}

/// Uploads a small file as Anna.
async fn anna_s_upload(case: &LetterStage) -> String {
    let token = case.stage.token_of(&case.stage.anna_id).await;
    let path = "/_matrix/media/v3/upload?filename=x";
    let body = json!("12345");
    let homeserver = &case.stage.world.homeserver;
    let (_, answer) = homeserver.request("POST", path, &token, Some(&body)).await.unwrap();
    answer["content_uri"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_original_of_a_letter_is_had_byte_for_byte_and_only_in_its_own_room() {
    let case = LetterStage::new(1).await;
    let stage = &case.stage;
    let more = "In-Reply-To: <a1@x>\n";
    stage
        .receive(&kim_mail(&case.erik, &stage.practice, "a2@x", "AW: Befund", more, "Zweiter"))
        .await;
    stage.anna_sees("Zweiter").await;
    let frieda = stage.correspondent("frieda").await;
    stage.receive(&kim_mail(&frieda, &stage.practice, "f1@x", "Labor", "", "Von Frieda")).await;
    let other = stage.anna_sees("Von Frieda").await;

    let originals = async |count: usize| {
        let files = stage
            .anna
            .wait_for("the original", |seen| {
                let files: Vec<_> =
                    seen.messages_in(case.room()).filter(|m| m.has_file()).cloned().collect();
                (files.len() == count).then_some(files)
            })
            .await
            .unwrap();
        let file = files.last().unwrap().clone();
        assert!(file.body().ends_with(".eml"), "{}", file.body());
        stage.anna.download(&file).await.unwrap()
    };
    let in_mailbox = stage.world.mail.mails(&stage.practice).unwrap();
    let crlf = |mail: &[u8]| String::from_utf8_lossy(mail).replace("\r\n", "\n");

    case.say("!original").await;
    assert_eq!(crlf(&originals(1).await), crlf(&in_mailbox[1]), "the newest letter");
    stage.anna.reply(case.room(), case.letter.event_id(), "!original").await.unwrap();
    assert_eq!(crlf(&originals(2).await), crlf(&in_mailbox[0]), "the letter it answers");
    // An event of another room names nothing here: its letter is for other eyes.
    stage.anna.reply(case.room(), other.event_id(), "!original").await.unwrap();
    assert_eq!(crlf(&originals(3).await), crlf(&in_mailbox[1]), "not Frieda's");
    // The sentence comes first, the file after it.
    let seen = stage.anna.seen();
    let order: Vec<_> = seen
        .messages_in(case.room())
        .filter(|m| m.has_file() || says(m.body(), &Phrase::OriginalFollows))
        .map(SeenEvent::has_file)
        .collect();
    assert_eq!(order, [false, true, false, true, false, true]);
    assert_eq!(stage.mails(&case.erik, 0).await.len(), 0, "a command never leaves");
}

#[tokio::test]
async fn commands_are_answered_and_what_failed_is_sent_once_more() {
    let case = LetterStage::new(1).await;
    let stage = &case.stage;
    let help = case.say("!hilfe").await;
    case.notice_at(&help, &Phrase::CommandsHelp).await;
    let wrong = case.say("!orginal").await;
    case.notice_at(&wrong, &Phrase::UnknownCommand { command: "orginal".to_owned() }).await;
    let nothing = case.say("!erneut").await;
    case.notice_at(&nothing, &Phrase::RetryNothing).await;

    stage.world.mail.set_trouble(&case.erik, Some(AddressTrouble::Refuse)).unwrap();
    let answer = case.say("Kommt nicht an").await;
    case.notice_at(&answer, &of_trouble(AddressTrouble::Refuse)).await;
    stage.world.mail.set_trouble(&case.erik, None).unwrap();
    let again = case.say("!erneut").await;
    case.notice_at(&again, &Phrase::RetryQueued).await;
    // One notice, edited: it now says what is true now.
    case.notice_at(&answer, &HANDED_TO_KIM).await;
    let mails = case.mails(1).await;
    assert!(mails[0].contains("Kommt nicht an"), "{}", mails[0]);
    let seen = stage.anna.seen();
    let notices = seen.messages().filter(|m| m.reply_to() == Some(answer.as_str())).count();
    assert_eq!(notices, 1, "a notice is edited, not repeated:\n{seen}");
}

/// B53: a text as long as an event takes is one mail.
#[tokio::test]
async fn a_long_text_is_one_mail() {
    let case = LetterStage::new(1).await;
    let words: String = (0..3_000).map(|n| format!("Satz {n:04} 💊 ")).collect();
    assert!(words.len() > 42_000);
    case.say(&words).await;
    let mails = case.mails(1).await;
    let mail = read(&mails[0]);
    assert!(mail.body_text(0).unwrap().contains(words.trim_end()));
    case.stage.database_says("select count(*) from dispatches where state = 'accepted'", "1").await;
}

#[tokio::test]
async fn a_large_file_leaves_and_a_larger_one_is_refused() {
    let mut stage = Stage::before_start(|channels| channels).await;
    let limit = "[channel.outbox]\nmail_bytes_max = 20971520\n";
    let large = "[channel.kim]\nlarge_mails = true\n";
    let with_limit = |settings: &str| {
        settings.replace("[channel.outbox]\n", limit).replace("[channel.kim]\n", large)
    };
    stage.restart_with(|settings| with_limit(&settings)).await;
    let case = LetterStage::on(stage).await;
    let large: Vec<u8> =
        (0..14_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (anna, room) = (&case.stage.anna, case.room());
    anna.send_file(room, "MRT.bin", "application/octet-stream", &large).await.unwrap();
    let mails = case.mails(1).await;
    assert!(read(&mails[0]).attachment(0).unwrap().contents() == large, "byte for byte");
    let larger = vec![7; 21 * 1024 * 1024];
    let event =
        anna.send_file(room, "Film.bin", "application/octet-stream", &larger).await.unwrap();
    case.notice_at(&event, &Phrase::MessageTooLarge { limit_mib: 20 }).await;
    // Small enough as a file, too large as a mail.
    let between = vec![7; 18 * 1024 * 1024];
    let event =
        anna.send_file(room, "Serie.bin", "application/octet-stream", &between).await.unwrap();
    case.notice_at(&event, &Phrase::MessageTooLarge { limit_mib: 20 }).await;
    assert_eq!(case.mails(1).await.len(), 1);
}

#[tokio::test]
async fn a_fax_is_made_of_text_and_pages_and_of_nothing_else() {
    let stage = Stage::with(|channels| gathering(channels, 8)).await;
    let number = format!("030 {:08}", std::process::id());
    stage.receive_fax(&fax(&format!("Neues Fax von {number}"))).await;
    let first = stage
        .anna
        .wait_for("the fax", |seen| seen.messages().find(|event| event.has_file()).cloned())
        .await
        .unwrap();
    let room = &first.room_id;
    stage.anna.send_text(room, "Bitte um Rückruf").await.unwrap();
    stage.anna.send_file(room, "Anlage.pdf", "application/pdf", &pdf("Anlage")).await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
    let mine = |mails: Vec<Vec<u8>>| -> Vec<String> {
        let texts = mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned());
        texts.filter(|mail| mail.contains(&stage.fax_line)).collect()
    };
    stage
        .until("the fax is at its gateway", async || {
            mine(stage.world.mail.mails("gateway@fax.example").unwrap()).len() == 1
        })
        .await;
    let mails = mine(stage.world.mail.mails("gateway@fax.example").unwrap());
    let mail = read(&mails[0]);
    assert_eq!(mail.attachment_count(), 1);
    let document = mail.attachment(0).unwrap().contents().to_vec();
    let document = hayro_syntax::Pdf::new(std::sync::Arc::new(document)).unwrap();
    assert_eq!(document.pages().len(), 2, "a sheet with the text, then the file");

    let word = stage
        .anna
        .send_file(room, "Brief.docx", "application/msword", b"PK\x03\x04 no pages")
        .await
        .unwrap();
    let notice =
        stage.anna_is_told(&Phrase::FileNotFaxable { file_name: "Brief.docx".to_owned() }).await;
    assert_eq!(notice.reply_to(), Some(word.as_str()));
    assert_eq!(mine(stage.world.mail.mails("gateway@fax.example").unwrap()).len(), 1);

    // A fax without a number can be read and not be answered.
    stage.receive_fax(&fax("Fax received")).await;
    let unknown = stage
        .anna
        .wait_for_within(Duration::from_secs(60), "the second fax", |seen| {
            seen.messages()
                .find(|m| m.has_file() && m.room_id != *room && m.sender != stage.bot_id())
                .cloned()
        })
        .await
        .unwrap();
    assert_eq!(unknown.sender_name, sentence(&Phrase::GhostUnknownFax));
    stage.anna.send_text(&unknown.room_id, "Wer sind Sie?").await.unwrap();
    stage.anna_is_told(&Phrase::UnknownFaxNotAnswerable).await;
}
