//! Where it is said what became of an answer.

use umstieg_world::AddressTrouble;

use crate::{
    phrases::{HANDED_TO_KIM, of_trouble, saying, told},
    stage::Stage,
};

/// L125: of two messages the first is deleted before they leave: what became of them is said at the other.
#[tokio::test]
async fn handed_over_is_said_at_what_left_and_not_at_what_was_deleted() {
    let stage = Stage::with(|mut channels| {
        channels[0].collect_seconds = 10;
        channels
    })
    .await;
    let (erik, letter) = stage.letter_from("erik").await;
    let (anna, room) = (&stage.anna, &letter.room_id);
    let wrong = anna.send_text(room, "Fuer einen anderen Patienten").await.unwrap();
    let right = anna.send_text(room, "Bitte 5 mg geben").await.unwrap();
    anna.redact(room, &wrong).await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(!mails[0].contains("anderen Patienten"), "{}", mails[0]);
    let notice = stage.anna_is_told(&HANDED_TO_KIM).await;
    assert_eq!(notice.reply_to(), Some(right.as_str()), "said at {wrong}, which was deleted");
}

/// L126: a user deletes the notice that would be replaced: the next one is a separate message.
#[tokio::test]
async fn a_failure_is_shown_also_where_the_notice_before_it_was_deleted() {
    let stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = &letter.room_id;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLater)).unwrap();
    let said = stage.anna.send_text(room, "Bitte 5 mg geben").await.unwrap();
    let notice = told(&stage.anna, &said, &of_trouble(AddressTrouble::TryLater)).await;
    stage.empower_anna(room).await;
    stage.anna.redact(room, notice.event_id()).await.unwrap();
    let deleted = "select count(*) from room_acts join rooms using (room_id)
                   where room_acts.kind = 'redaction'";
    stage.database_says(deleted, "1").await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::Refuse)).unwrap();
    stage.database_says("select state from dispatches", "failed").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    stage
        .anna
        .wait_for("the failure, where it is shown", |seen| {
            saying(seen, &of_trouble(AddressTrouble::Refuse))
                .find(|m| m.edit_of() != Some(notice.event_id()))
                .map(|_| ())
        })
        .await
        .unwrap();
}
