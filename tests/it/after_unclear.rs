//! What may have arrived stays unclear, whatever becomes of later attempts.

use umstieg::phrases::Phrase;
use umstieg_world::AddressTrouble;

use crate::{
    encryption::{sees, strict_anna},
    phrases::{HANDED_TO_KIM, of_trouble, saying, sentence, told},
    stage::{Stage, kim_mail},
};

/// The mail server's reply to the answer is lost.
pub(crate) async fn its_word_got_lost(stage: &Stage) {
    stage
        .query(
            "update dispatches set state = 'unclear';
             insert into parked (kind, item_id, channel, reason, parked_at)
             select 'dispatch', id, 'kim', 'unclear', now() from dispatches",
        )
        .await;
}

/// An answer that was handed over, and of which the server's word got lost. Gives its correspondent, its
/// room, its message and the notice about it.
async fn an_unclear_answer(stage: &Stage) -> (String, String, String, String) {
    let (erik, letter) = stage.letter_from("erik").await;
    let room = letter.room_id;
    let said = stage.anna.send_text(&room, "Bitte 5 mg geben").await.unwrap();
    stage.mails(&erik, 1).await;
    let notice = told(&stage.anna, &said, &HANDED_TO_KIM).await;
    its_word_got_lost(stage).await;
    (erik, room, said, notice.event_id().to_owned())
}

/// L121: unclear, tried once more, and deleted while it waits: the recipient may have it.
#[tokio::test]
async fn what_was_unclear_and_is_deleted_after_erneut_is_not_called_not_handed_over() {
    let stage = Stage::new().await;
    let (erik, room, said, notice) = an_unclear_answer(&stage).await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLater)).unwrap();
    let again = stage.anna.send_text(&room, "!erneut").await.unwrap();
    told(&stage.anna, &again, &Phrase::RetryMayDouble).await;
    stage.database_says("select state from dispatches", "waiting").await;
    stage.anna.redact(&room, &said).await.unwrap();
    stage.database_says("select state from dispatches", "withdrawn").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    stage.last_is_seen_by(&stage.anna).await;
    let shown = stage.anna.seen().shown_body(&notice).unwrap().to_owned();
    assert_eq!(stage.mails(&erik, 1).await.len(), 1, "it is with Dr. Muster");
    assert_eq!(shown, sentence(&Phrase::WithdrawalUnclear));
}

/// L122: unclear, tried once more, and refused: the fate of the first attempt is unknown.
#[tokio::test]
async fn what_was_unclear_and_is_refused_after_erneut_is_not_called_undelivered() {
    let stage = Stage::new().await;
    let (erik, room, _, notice) = an_unclear_answer(&stage).await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::Refuse)).unwrap();
    let again = stage.anna.send_text(&room, "!erneut").await.unwrap();
    told(&stage.anna, &again, &Phrase::RetryMayDouble).await;
    stage.database_says("select state from dispatches", "failed").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    stage.last_is_seen_by(&stage.anna).await;
    let shown = stage.anna.seen().shown_body(&notice).unwrap().to_owned();
    assert_eq!(stage.mails(&erik, 1).await.len(), 1, "it is with Dr. Muster");
    let said = Box::new(of_trouble(AddressTrouble::Refuse));
    assert_eq!(shown, sentence(&Phrase::DispatchAfterUnclear { said }));
}

/// L123: unclear, tried once more, and held for an edit whose key does not come: the recipient may have
/// the earlier version.
#[tokio::test]
async fn what_was_unclear_and_is_held_for_a_key_is_not_called_not_passed_on() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "h1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    let said = anna.send_text(&room, "Bitte 50 mg geben").await.unwrap();
    stage.mails(&erik, 1).await;
    told(&anna, &said, &HANDED_TO_KIM).await;
    its_word_got_lost(&stage).await;
    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLater)).unwrap();
    let again = anna.send_text(&room, "!erneut").await.unwrap();
    told(&anna, &again, &Phrase::RetryMayDouble).await;
    stage.database_says("select state from dispatches", "waiting").await;
    stage
        .query(&format!(
            "create function waits() returns trigger language plpgsql as
             $$ begin new.state := 'waiting'; new.session_id := 'spaeter'; return new; end $$;
             create trigger waits before insert on room_events
             for each row when (new.sender = '{}') execute function waits()",
            stage.anna_id
        ))
        .await;
    anna.edit(&room, &said, "Bitte 5 mg geben").await.unwrap();
    stage.database_says("select state from dispatches", "withdrawn").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    stage.last_is_seen_by(&anna).await;
    assert_eq!(stage.mails(&erik, 1).await.len(), 1, "it is with Dr. Muster");
    let untrue = Phrase::EditWithoutKey;
    assert_eq!(saying(&anna.seen(), &untrue).count(), 0, "{}", anna.seen());
}

/// L124: the gateway itself ended before the first byte of a body left: no connection broke.
#[tokio::test]
async fn what_was_interrupted_by_ourselves_is_not_called_a_connection_that_broke_after_all_was_sent()
 {
    let mut stage = Stage::with(|mut channels| {
        channels[0].collect_seconds = 60;
        channels
    })
    .await;
    let (_, letter) = stage.letter_from("erik").await;
    let said = stage.anna.send_text(&letter.room_id, "Bitte 5 mg geben").await.unwrap();
    stage.database_says("select string_agg(state, ' ') from dispatches", "collecting").await;
    stage.gateway.kill();
    // Its state after the commit of `body_leaves`, and before the first byte.
    stage.query("update dispatches set state = 'sending_body', begun = 1, attempts = 1").await;
    stage.gateway.start().await.unwrap();
    let notice = told(&stage.anna, &said, &Phrase::DispatchUnclearInterrupted).await;
    assert_eq!(notice.body(), sentence(&Phrase::DispatchUnclearInterrupted));
}
