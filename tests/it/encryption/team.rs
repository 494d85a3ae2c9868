//! F18, F19: a user who is put back into `team` comes back into its rooms, and a room in which nobody
//! can read is as deserted as one that nobody has joined.

use umstieg::phrases::Phrase;
use umstieg_world::{
    JsClient, JsOptions,
    client::{ClientTrust, SeenTimeline},
};

use super::{anna_name, sees, strict_anna};
use crate::{
    phrases::{hears, saying, told},
    stage::{Stage, kim_mail},
};

async fn signed(stage: &Stage, name: &str) -> JsClient {
    let name = format!("{name}-{}", stage.tag);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
    JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap()
}

async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <t1@x>\nReferences: <t1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

async fn member_is(stage: &Stage, room: &str, user: &str, membership: &str) {
    let sql = format!(
        "select membership from room_members where user_id = '{user}' and room_id = '{room}'"
    );
    stage.database_says(&sql, membership).await;
}

fn times(client: &JsClient, words: &str) -> usize {
    client.seen().messages().filter(|m| m.body().contains(words)).count()
}

/// F18: a start with a typo in `team` takes Bert out of the room. After the name is corrected he is
/// invited again, once, and is told of the letter he missed, not of the one he has read.
#[tokio::test]
async fn f18_who_is_put_back_into_the_team_comes_back_into_its_rooms() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let bert = signed(&stage, "bert").await;
    let team = |team: &[&str]| format!("team = {team:?}");
    let right = team(&[&stage.anna_id, &bert.user_id]);
    let typo = team(&[&stage.anna_id, &bert.user_id.replacen("bert", "bret", 1)]);
    stage.edit_settings(&[(&team(&[&stage.anna_id]), &right)]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "t1@x", "Befund", "", "Erstens")).await;
    let room = sees(&bert, "Erstens").await.room_id;
    sees(&anna, "Erstens").await;
    member_is(&stage, &room, &bert.user_id, "join").await;

    stage.gateway.stop();
    stage.edit_settings(&[(&right, &typo)]);
    stage.gateway.start().await.unwrap();
    member_is(&stage, &room, &bert.user_id, "leave").await;
    next_letter(&stage, &erik, "t2@x", "Zweitens").await;
    sees(&anna, "Zweitens").await;

    stage.gateway.stop();
    stage.edit_settings(&[(&typo, &right)]);
    stage.gateway.start().await.unwrap();
    member_is(&stage, &room, &bert.user_id, "join").await;
    let missed = Phrase::LettersMissed { user_id: bert.user_id.clone(), letters: 1 };
    hears(&bert, &missed).await;
    next_letter(&stage, &erik, "t3@x", "Drittens").await;
    sees(&bert, "Drittens").await;
    assert_eq!(saying(&bert.seen(), &missed).count(), 1, "{}", bert.seen());
    assert_eq!(times(&bert, "Zweitens"), 0, "{}", bert.seen());

    // Letters and starts respect that he leaves by himself.
    bert.leave(&room).await.unwrap();
    member_is(&stage, &room, &bert.user_id, "leave").await;
    stage.gateway.stop();
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "t4@x", "Viertens").await;
    sees(&anna, "Viertens").await;
    assert_eq!(stage.members(&room).await[&bert.user_id], "leave");
}

/// F18: the same for a user whom a speaker sends out and lets in again.
#[tokio::test]
async fn f18a_who_is_let_in_again_is_told_of_what_came_meanwhile() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let carla = signed(&stage, "carla").await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "t1@x", "Befund", "", "Erstens")).await;
    let room = sees(&anna, "Erstens").await.room_id;
    let carla_id = || carla.user_id.clone();
    let admitted = Phrase::MemberAdmitted { user_id: carla_id() };
    let dismissed = Phrase::MemberDismissed { user_id: carla_id() };
    let missed_one = Phrase::LettersMissed { user_id: carla_id(), letters: 1 };
    let command = async |word: &str, answer: &Phrase| {
        let asked = anna.send_text(&room, &format!("{word} {}", carla.user_id)).await.unwrap();
        told(&anna, &asked, answer).await;
    };
    command("!einlassen", &admitted).await;
    hears(&carla, &missed_one).await;
    next_letter(&stage, &erik, "t2@x", "Zweitens").await;
    sees(&carla, "Zweitens").await;
    command("!ausladen", &dismissed).await;
    member_is(&stage, &room, &carla.user_id, "leave").await;
    next_letter(&stage, &erik, "t3@x", "Drittens").await;
    sees(&anna, "Drittens").await;
    command("!einlassen", &admitted).await;
    let again = |seen: &SeenTimeline| (saying(seen, &missed_one).count() == 2).then_some(());
    carla.wait_for("the notice about the second letter she missed", again).await.unwrap();
}

/// F19: Anna has joined, with an unsigned client.
#[tokio::test]
async fn f19_a_portal_in_which_nobody_can_read_is_an_alarm_until_somebody_can() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let options = JsOptions { cross_signed: false, trust: ClientTrust::AnyDevice };
    let homeserver = &stage.world.homeserver;
    let _unsigned =
        JsClient::login(homeserver, &anna_name(&stage), "geheim", options).await.unwrap();
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "t1@x", "Befund", "", "Guten Tag")).await;
    let joined = format!("select membership from room_members where user_id = '{}'", stage.anna_id);
    stage.database_says(&joined, "join").await;
    stage.database_says("select count(*) from posts where unshown", "1").await;
    next_letter(&stage, &erik, "t2@x", "Noch etwas").await;
    stage.database_says("select count(*) from posts where unshown", "2").await;

    let deserted = "select count(*) from rooms where deserted_since is not null";
    stage.database_says(deserted, "1").await;
    // The time the channel sets has passed.
    stage.query("update rooms set deserted_since = now() - interval '1 day'").await;
    let parked = "select kind || ' ' || reason from parked where resolved_at is null";
    stage.database_says(parked, "portal nobody_can_read").await;
    let list = stage.parked(&["list"]).await;
    assert!(list.contains("nobody_can_read"), "{list}");
    let is_shown = async || {
        stage.gateway.metrics().await.lines().any(|line| line == "umstieg_portals_deserted 1")
    };
    stage.until("the figure shows it", is_shown).await;
    next_letter(&stage, &erik, "t3@x", "Immer noch").await;
    stage.database_says("select count(*) from posts where unshown", "3").await;
    assert_eq!(stage.query("select count(*) from parked").await, "1");

    let anna = strict_anna(&stage).await;
    sees(&anna, "Immer noch").await;
    stage.database_says("select count(*) from parked where resolved_at is null", "0").await;
    stage.database_says(deserted, "0").await;
}
