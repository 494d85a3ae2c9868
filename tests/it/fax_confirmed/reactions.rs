//! A sign at the preview of a fax: the front desk confirms with one touch on a telephone.

use serde_json::{Value, json};
use umstieg::{
    model::WhyAsked,
    phrases::{Phrase, SendingPhrase},
};

use super::{of_fax, with_fax};
use crate::{
    phrases::{HANDED_TO_FAX, told},
    stage::Stage,
};

impl Stage {
    /// Anna puts a sign to an event; returns the event that says so.
    pub(crate) async fn anna_reacts(&self, room: &str, to: &str, key: &str) -> String {
        self.signs(&self.anna_id, room, (to, key)).await
    }

    /// The pictures that the bot showed, in order.
    async fn pictures(&self) -> Vec<(Vec<u8>, Value)> {
        let bot = self.bot_id();
        let seen = self.anna.seen();
        let mut pictures = Vec::new();
        for message in seen.messages().filter(|message| message.msgtype() == "m.image") {
            if message.sender == bot {
                let info = message.content["info"].clone();
                pictures.push((self.anna.download(message).await.unwrap(), info));
            }
        }
        pictures
    }
}

/// FAX-25: other signs, signs elsewhere and a ghost's lead to nothing. The right one on the newest preview is
/// what `!faxen` is, once; the picture in the preview is of the paper that leaves.
#[tokio::test]
async fn fax_25_the_sign_on_the_preview_sends_the_fax_and_no_other_does() {
    let (stage, room) = with_fax("send = \"confirm\"\n", "030 5550174").await;
    let of = (WhyAsked::Always, "+49 30 5550174 (DE)");
    let letter = stage.anna_sees("Ein Fax").await;
    let said = stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    let first = stage.anna_sees_preview(of, 0).await;
    let (picture, info) = stage.pictures().await.pop().unwrap();
    assert_eq!(info["mimetype"], "image/png");
    assert_eq!(picture.get(..4), Some(b"\x89PNG".as_slice()));

    stage.anna_reacts(&room, first.event_id(), "👍").await;
    stage.anna_reacts(&room, &said, "✅").await;
    stage.anna_reacts(&room, letter.event_id(), "✅").await;
    let sign = json!({ "m.relates_to": {
        "rel_type": "m.annotation", "event_id": first.event_id(), "key": "✅",
    } });
    let path = format!("/_matrix/client/v3/rooms/{room}/send/m.reaction/of-a-ghost");
    let (status, answer) = stage.try_as(&letter.sender, "PUT", &path, &sign).await;
    assert_eq!(status, 200, "{answer}");

    stage.anna.edit(&room, &said, "Bitte um Rückruf bis zwölf Uhr").await.unwrap();
    let second = stage.anna_sees_preview(of, 1).await;
    stage.anna_reacts(&room, first.event_id(), "✅").await;
    told(&stage.anna, first.event_id(), &of_fax(SendingPhrase::PreviewIsOld)).await;
    stage.all_events_are_read().await;
    stage.database_says("select state from dispatches", "previewed").await;
    assert_eq!(stage.faxes().await.len(), 0);

    stage.anna_reacts(&room, second.event_id(), "✅\u{FE0F}").await;
    let member = stage.anna_id.clone();
    told(&stage.anna, second.event_id(), &of_fax(SendingPhrase::Confirmed { member })).await;
    stage.anna_is_told(&HANDED_TO_FAX).await;
    stage.until("the fax is at its gateway", async || stage.faxes().await.len() == 1).await;
    let papers = stage.papers().await;
    assert_eq!(stage.faxes().await, [papers[1].clone()], "it leaves as it was shown");
    let told_of = "select count(*) from posts";
    let before = stage.query(told_of).await;
    stage.anna_reacts(&room, second.event_id(), "✅").await;
    stage.all_events_are_read().await;
    stage.database_says(told_of, &before).await;
    assert_eq!(stage.faxes().await.len(), 1);
}

/// FAX-25: a sign that was taken back before anything left counts for nothing, also when the gateway was
/// away meanwhile. One that is taken back later says that it is too late.
#[tokio::test]
async fn fax_25_a_sign_counts_only_while_it_stands() {
    let (mut stage, room) = with_fax("send = \"confirm\"\n", "030 5550175").await;
    let of = (WhyAsked::Always, "+49 30 5550175 (DE)");
    stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    let shown = stage.anna_sees_preview(of, 0).await;
    stage.gateway.kill();
    let sign = stage.anna_reacts(&room, shown.event_id(), "✅").await;
    stage.anna.redact(&room, &sign).await.unwrap();
    stage.gateway.start().await.unwrap();
    stage.all_events_are_read().await;
    stage.database_says("select state from dispatches", "previewed").await;

    let sign = stage.anna_reacts(&room, shown.event_id(), "✅").await;
    stage.anna_is_told(&HANDED_TO_FAX).await;
    stage.until("the fax is at its gateway", async || stage.faxes().await.len() == 1).await;
    stage.anna.redact(&room, &sign).await.unwrap();
    stage.anna_is_told(&Phrase::OfSending(SendingPhrase::TakenBackTooLate)).await;
    assert_eq!(stage.faxes().await.len(), 1);
}
