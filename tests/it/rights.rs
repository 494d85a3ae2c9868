//! Who of a team may do what, and what takes two of them.

use time::macros::datetime;
use umstieg::{
    model::{KimDoubt, WhyAsked},
    phrases::{Phrase, RightsPhrase, SendingPhrase},
};
use umstieg_world::Client;

use crate::{
    fax_confirmed::of_fax,
    phrases::{HANDED_TO_FAX, told},
    stage::{Stage, kim_mail},
};

/// A practice of Anna and Bert, whose channels say this of rights.
async fn with_rights(rights: impl FnOnce(&str, &str) -> String) -> (Stage, Client) {
    let mut stage = Stage::before_start(|channels| channels).await;
    let bert = stage.colleague("bert").await;
    let (anna_id, bert_id) = (stage.anna_id.clone(), bert.user_id.clone());
    let rights = rights(&anna_id, &bert_id);
    stage
        .restart_with(|settings| {
            settings
                .replace(
                    &format!("team = [{anna_id:?}]"),
                    &format!("team = [{anna_id:?}, {bert_id:?}]"),
                )
                .replace("send = \"on\"\n", "send = \"confirm\"\n")
                .replace("[channel.inbox]", &format!("[channel.rights]\n{rights}\n[channel.inbox]"))
        })
        .await;
    (stage, bert)
}

fn only(user: &str) -> Phrase {
    Phrase::OfRights(RightsPhrase::OnlyThese { members: user.to_owned() })
}

#[tokio::test]
async fn a_fax_leaves_when_another_person_than_its_author_confirms_it() {
    let (stage, bert) = with_rights(|_, _| "two_persons = [\"fax\"]".to_owned()).await;
    let fax = "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 5550181\n\
               Date: Mon, 23 Nov 2026 08:00:00 +0100\n\nEin Fax\n";
    stage.receive_fax(fax).await;
    let room = stage.anna_sees("Ein Fax").await.room_id;
    bert.wait_for("the fax", |seen| seen.message_with("Ein Fax").cloned()).await.unwrap();
    stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    let of = (WhyAsked::Always, "+49 30 5550181 (DE)");
    let preview = stage.anna_sees_preview(of, 0).await;

    let another = Phrase::OfRights(RightsPhrase::AnotherForFax);
    let asked = stage.anna.reply(&room, preview.event_id(), "!faxen").await.unwrap();
    told(&stage.anna, &asked, &another).await;
    stage.anna_reacts(&room, preview.event_id(), "✅").await;
    told(&stage.anna, preview.event_id(), &another).await;
    stage.all_events_are_read().await;
    assert_eq!(stage.query("select state from dispatches").await, "previewed");

    let asked = bert.reply(&room, preview.event_id(), "!faxen").await.unwrap();
    let confirmed = SendingPhrase::Confirmed { member: bert.user_id.clone() };
    told(&bert, &asked, &of_fax(confirmed)).await;
    stage.anna_is_told(&HANDED_TO_FAX).await;
    assert_eq!(stage.faxes().await.len(), 1);
}

#[tokio::test]
async fn a_withheld_letter_is_shown_when_two_persons_release_it() {
    let (stage, bert) = with_rights(|_, _| "two_persons = [\"release\"]".to_owned()).await;
    let erik = stage.correspondent("erik").await;
    let more =
        "X-KOM-LE-Version: 1.5\nX-KIM-DecryptionResult: 00\nX-KIM-IntegrityCheckResult: 08\n";
    stage.receive(&kim_mail(&erik, &stage.practice, "w1@x", "Frage", more, "Bitte Befund")).await;
    let at = Some(datetime!(2026-11-23 08:00 +1));
    let (doubt, sender) = (KimDoubt::Altered, Some(erik));
    let withheld = Phrase::LetterWithheld { doubt, sender, at };
    let warning = stage.anna_is_told(&withheld).await;
    let room = &warning.room_id;
    let asks = Phrase::OfRights(RightsPhrase::ReleaseAsked { member: stage.anna_id.clone() });
    for _ in 0..2 {
        let asked = stage.anna.reply(room, warning.event_id(), "!freigeben").await.unwrap();
        told(&stage.anna, &asked, &asks).await;
    }
    assert_eq!(stage.query("select count(*) from posts where state = 'held'").await, "1");
    bert.wait_for("the warning", |seen| {
        seen.messages_in(room).find(|said| said.event_id() == warning.event_id()).map(|_| ())
    })
    .await
    .unwrap();
    let asked = bert.reply(room, warning.event_id(), "!freigeben").await.unwrap();
    told(&bert, &asked, &Phrase::ReleasedBy { user_id: bert.user_id.clone() }).await;
    stage.anna_sees("Bitte Befund").await;
}

#[tokio::test]
async fn what_only_some_may_is_refused_to_the_others_with_their_names() {
    let lists = |_: &str, bert: &str| {
        format!("confirm = [{bert:?}]\nrelease = [{bert:?}]\nadmit = [{bert:?}]")
    };
    let (stage, bert) = with_rights(lists).await;
    let clara = stage.colleague("clara").await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = &letter.room_id;
    bert.wait_for("the letter", |seen| {
        seen.messages_in(room).find(|said| said.event_id() == letter.event_id()).map(|_| ())
    })
    .await
    .unwrap();
    let command = format!("!einlassen {}", clara.user_id);
    let asked = stage.anna.send_text(room, &command).await.unwrap();
    told(&stage.anna, &asked, &only(&bert.user_id)).await;
    assert_eq!(stage.query("select count(*) from admitted").await, "0");
    let asked = bert.send_text(room, &command).await.unwrap();
    told(&bert, &asked, &Phrase::MemberAdmitted { user_id: clara.user_id.clone() }).await;
    // She answers as before.
    stage.anna.reply(room, letter.event_id(), "Danke sehr").await.unwrap();
    assert!(stage.mails(&erik, 1).await[0].contains("Danke sehr"));

    let fax = "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 5550182\n\
               Date: Mon, 23 Nov 2026 08:00:00 +0100\n\nEin Fax\n";
    stage.receive_fax(fax).await;
    let room = stage.anna_sees("Ein Fax").await.room_id;
    stage.anna.send_text(&room, "Bitte um Rückruf").await.unwrap();
    let of = (WhyAsked::Always, "+49 30 5550182 (DE)");
    let preview = stage.anna_sees_preview(of, 0).await;
    let asked = stage.anna.reply(&room, preview.event_id(), "!faxen").await.unwrap();
    told(&stage.anna, &asked, &only(&bert.user_id)).await;
    stage.anna_reacts(&room, preview.event_id(), "✅").await;
    told(&stage.anna, preview.event_id(), &only(&bert.user_id)).await;
    assert_eq!(
        stage.query("select state from dispatches where state = 'previewed'").await,
        "previewed"
    );
}
