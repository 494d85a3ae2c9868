//! A fax that leaves is the right paper to the right number: it is shown first, and leaves when a person
//! has confirmed what was shown.

mod reactions;

use umstieg::{
    model::WhyAsked,
    phrases::{HasText, Phrase, SendingPhrase},
};
use umstieg_world::client::SeenEvent;

use crate::{
    phrases::{HANDED_TO_FAX, saying, told},
    stage::Stage,
};

/// Where the settings of the stages let faxes leave.
const SEND: &str = "send = \"on\"\n";

/// A practice whose settings say this of faxes, and the room of a fax from this number.
async fn with_fax(send: &str, number: &str) -> (Stage, String) {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.restart_with(|settings| settings.replace(SEND, send)).await;
    let fax = format!(
        "From: Fax <gateway@fax.example>\nSubject: Neues Fax von {number}\n\
         Date: Mon, 23 Nov 2026 08:00:00 +0100\n\nEin Fax\n"
    );
    stage.receive_fax(&fax).await;
    let room = stage.anna_sees("Ein Fax").await.room_id;
    (stage, room)
}

pub(crate) fn of_fax(phrase: SendingPhrase) -> Phrase {
    Phrase::OfSending(phrase)
}

/// The words of a preview.
fn preview(why: WhyAsked, number: &str) -> Phrase {
    let number = number.to_owned();
    of_fax(SendingPhrase::Preview { number, why, pages: 1, files: 0, text: HasText(true) })
}

impl Stage {
    /// Waits for the preview of this number, the one after `earlier` others.
    pub(crate) async fn anna_sees_preview(
        &self,
        (why, number): (WhyAsked, &str),
        earlier: usize,
    ) -> SeenEvent {
        let phrase = preview(why, number);
        self.anna
            .wait_for("a preview", |seen| saying(seen, &phrase).nth(earlier).cloned())
            .await
            .unwrap()
    }

    /// The papers that the bot showed, in order.
    async fn papers(&self) -> Vec<Vec<u8>> {
        let bot = self.bot_id();
        let files: Vec<SeenEvent> = self
            .anna
            .seen()
            .messages()
            .filter(|message| message.msgtype() == "m.file" && message.sender == bot)
            .cloned()
            .collect();
        let mut papers = Vec::new();
        for file in files {
            papers.push(self.anna.download(&file).await.unwrap());
        }
        papers
    }

    /// The documents that were handed over to the fax gateway.
    pub(crate) async fn faxes(&self) -> Vec<Vec<u8>> {
        let mails = self.mails("gateway@fax.example", 0).await;
        let mine = mails.iter().filter(|mail| mail.contains(&self.fax_line));
        let paper = |mail: &String| {
            let mail = mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap();
            mail.attachment(0).unwrap().contents().to_vec()
        };
        mine.map(paper).collect()
    }
}

/// FAX-25: the paper that was shown last leaves, byte for byte, once, and only after the confirmation of
/// just that preview.
#[tokio::test]
async fn fax_25_a_fax_leaves_as_it_was_shown_and_confirmed_last() {
    let (mut stage, room) = with_fax("send = \"confirm\"\n", "030 5550171").await;
    let of = (WhyAsked::Always, "+49 30 5550171 (DE)");
    let said = stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    let first = stage.anna_sees_preview(of, 0).await;
    assert_eq!(first.reply_to(), Some(said.as_str()));
    stage.database_says("select state from dispatches", "previewed").await;

    // An edit makes another paper: the old preview is worth nothing.
    stage.anna.edit(&room, &said, "Bitte um Rückruf bis zwölf Uhr").await.unwrap();
    let second = stage.anna_sees_preview(of, 1).await;
    let late = stage.anna.reply(&room, first.event_id(), "!faxen").await.unwrap();
    told(&stage.anna, &late, &of_fax(SendingPhrase::PreviewIsOld)).await;
    let bare = stage.anna.send_text(&room, "!faxen").await.unwrap();
    told(&stage.anna, &bare, &of_fax(SendingPhrase::SendAnswersPreview)).await;

    // Nothing is forgotten when the gateway is killed.
    stage.gateway.kill();
    stage.gateway.start().await.unwrap();
    assert_eq!(stage.faxes().await.len(), 0, "nothing leaves by itself");
    let yes = stage.anna.reply(&room, second.event_id(), "!faxen").await.unwrap();
    let member = stage.anna_id.clone();
    told(&stage.anna, &yes, &of_fax(SendingPhrase::Confirmed { member })).await;
    stage.anna_is_told(&HANDED_TO_FAX).await;
    stage.until("the fax is at its gateway", async || stage.faxes().await.len() == 1).await;
    let papers = stage.papers().await;
    assert_eq!(papers.len(), 2);
    assert_ne!(papers[0], papers[1]);
    assert_eq!(stage.faxes().await, [papers[1].clone()], "it leaves as it was shown");

    let again = stage.anna.reply(&room, second.event_id(), "!fax").await.unwrap();
    told(&stage.anna, &again, &of_fax(SendingPhrase::HasLeft)).await;
    assert_eq!(stage.faxes().await.len(), 1);
}

/// With `on`, a fax to a number that the gateway's caller id names leaves at once; with `off`, and without
/// the setting, none does.
#[tokio::test]
async fn fax_25_no_fax_leaves_where_the_settings_do_not_say_so() {
    let (mut stage, room) = with_fax("", "030 5550172").await;
    let said = stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    told(&stage.anna, &said, &of_fax(SendingPhrase::Off)).await;
    stage.database_says("select count(*) from dispatches", "0").await;
    let on = "[channel.fax]\nsend = \"on\"\n";
    stage.restart_with(|settings| settings.replace("[channel.fax]\n", on)).await;
    stage.anna.send_text(&room, "Jetzt aber").await.unwrap();
    stage.anna_is_told(&HANDED_TO_FAX).await;
    stage.until("the fax is at its gateway", async || stage.faxes().await.len() == 1).await;
    stage.database_says("select count(*) from fax_previews", "0").await;
}

/// A fax that was shown and is deleted does not leave, whoever confirms it then.
#[tokio::test]
async fn fax_25_what_is_deleted_after_its_preview_does_not_leave() {
    let (stage, room) = with_fax("send = \"confirm\"\n", "030 5550173").await;
    let said = stage.anna.send_text(&room, "Doch nicht").await.unwrap();
    let shown = stage.anna_sees_preview((WhyAsked::Always, "+49 30 5550173 (DE)"), 0).await;
    stage.anna.redact(&room, &said).await.unwrap();
    stage.database_says("select state from dispatches", "withdrawn").await;
    let yes = stage.anna.reply(&room, shown.event_id(), "!faxen").await.unwrap();
    told(&stage.anna, &yes, &of_fax(SendingPhrase::SendWithdrawn)).await;
    assert_eq!(stage.faxes().await.len(), 0);
}
