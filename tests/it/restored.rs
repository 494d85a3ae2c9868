//! A database that was replaced by an older copy of itself: what it says and does of what it does not
//! know.

use serde_json::json;
use umstieg::phrases::Phrase;
use umstieg_world::{AddressTrouble, JsClient, JsOptions, client::ClientTrust};

use crate::{
    encryption::{sees, strict_anna},
    phrases::{HANDED_TO_KIM, hears, of_trouble, says, told},
    stage::{Stage, kim_mail},
};

/// L127: the room knows a notice that the copy does not, and the copy says something else: the two have
/// different names.
#[tokio::test]
async fn after_a_restore_the_room_shows_what_became_of_an_answer() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.edit_settings(&[("collect_seconds = 1", "collect_seconds = 15")]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "n1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    let said = anna.send_text(&room, "Antwort").await.unwrap();
    stage.database_says("select string_agg(state, ' ') from dispatches", "collecting").await;
    stage.gateway.stop();
    let (database, copy) = (stage.database.clone(), format!("{}_copy", stage.database));
    stage.copy_database(&database, &copy).await;

    stage.world.mail.set_trouble(&erik, Some(AddressTrouble::TryLater)).unwrap();
    stage.gateway.start().await.unwrap();
    let notice = told(&anna, &said, &of_trouble(AddressTrouble::TryLater)).await;
    stage.gateway.stop();
    stage.world.mail.set_trouble(&erik, None).unwrap();
    stage.copy_database(&copy, &database).await;
    stage.gateway.start().await.unwrap();
    stage.mails(&erik, 1).await;
    stage.database_says("select state from dispatches", "accepted").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    let shown = anna.wait_for("the true state", |seen| {
        let is_said = seen.messages().any(|m| says(m.body(), &HANDED_TO_KIM));
        let is_shown = seen.shown_body(notice.event_id()).is_some_and(|b| says(b, &HANDED_TO_KIM));
        (is_said || is_shown).then_some(())
    });
    shown.await.unwrap();
}

/// L128: even where portals are not encrypted, what people wrote since does not leave once more, and
/// each is told.
#[tokio::test]
async fn after_a_restore_what_people_wrote_since_does_not_leave_once_more() {
    let mut stage = Stage::new().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.all_events_are_read().await;
    stage.gateway.stop();
    let (database, copy) = (stage.database.clone(), format!("{}_copy", stage.database));
    stage.copy_database(&database, &copy).await;
    stage.gateway.start().await.unwrap();
    stage.anna.send_text(&letter.room_id, "Bitte 5 mg geben").await.unwrap();
    stage.mails(&erik, 1).await;
    stage.anna_is_told(&HANDED_TO_KIM).await;
    stage.gateway.stop();
    stage.copy_database(&copy, &database).await;
    stage.gateway.start().await.unwrap();
    stage.database_says("select bool_or(of_copy) from sync_positions", "f").await;
    stage.anna.send_text(&letter.room_id, "Danach").await.unwrap();
    stage
        .until("what was said last has left", async || {
            stage.mails(&erik, 0).await.iter().any(|mail| mail.contains("Danach"))
        })
        .await;
    stage.all_events_are_read().await;
    let mails = stage.mails(&erik, 1).await;
    let times = mails.iter().filter(|mail| mail.contains("Bitte 5 mg geben")).count();
    assert_eq!(times, 1, "one answer left {times} times");
    stage.anna_is_told(&Phrase::MessageBeforeCopy).await;
}

/// L129: a user was sent out since, and could not be removed: it reads nothing, and speakers are asked
/// again.
#[tokio::test]
async fn who_was_sent_out_reads_nothing_after_a_restore() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "q1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    let name = format!("neugierig-{}", stage.tag);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
    let spy = JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap();
    let token = stage.admin_token().await;
    let path = format!("/_synapse/admin/v1/rooms/{room}/make_room_admin");
    let body = json!({ "user_id": spy.user_id });
    let homeserver = &stage.world.homeserver;
    let (status, answer) = homeserver.request("POST", &path, &token, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    hears(&anna, &Phrase::StrangerPresent { user_id: spy.user_id.clone() }).await;
    let asked = anna.send_text(&room, &format!("!einlassen {}", spy.user_id)).await.unwrap();
    told(&anna, &asked, &Phrase::MemberAdmitted { user_id: spy.user_id.clone() }).await;
    let next = async |stage: &Stage, id: &str, words: &str| {
        let more = "In-Reply-To: <q1@x>\nReferences: <q1@x>\n";
        stage.receive(&kim_mail(&erik, &stage.practice, id, "AW: Befund", more, words)).await;
        sees(&anna, words).await
    };
    next(&stage, "q2@x", "Auch fuer ihn").await;
    sees(&spy, "Auch fuer ihn").await;
    stage.database_says("select count(*) from posts where state = 'pending'", "0").await;
    stage.gateway.stop();
    let (database, copy) = (stage.database.clone(), format!("{}_copy", stage.database));
    stage.copy_database(&database, &copy).await;
    stage.gateway.start().await.unwrap();
    let asked = anna.send_text(&room, &format!("!ausladen {}", spy.user_id)).await.unwrap();
    told(&anna, &asked, &Phrase::MemberDismissed { user_id: spy.user_id.clone() }).await;
    next(&stage, "q3@x", "Nicht mehr fuer ihn").await;
    stage.gateway.stop();
    stage.copy_database(&copy, &database).await;
    stage.gateway.start().await.unwrap();
    let secret = next(&stage, "q4@x", "Vertraulich nach der Rueckkehr").await;
    let hidden = spy.wait_for("an event without its key", |seen| {
        let is_read = seen.message_with("Vertraulich nach der Rueckkehr").is_some();
        let is_hidden = seen.undecipherable().any(|e| e.event_id() == secret.event_id());
        (is_read || is_hidden).then_some(is_hidden)
    });
    assert!(hidden.await.unwrap(), "who was sent out reads the letter");
    hears(&anna, &Phrase::MemberAskedAnew { user_id: spy.user_id.clone() }).await;
}
