//! Strangers who invite the bot or a ghost. Declining takes long where the stranger's homeserver is silent.

use crate::{
    proxy::Proxy,
    stage::{Stage, kim_mail},
};

/// A gateway behind a proxy, working on as much at once as the settings say by default.
async fn behind_a_proxy() -> (Stage, Proxy) {
    let mut stage = Stage::before_start(|channels| channels).await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let url = |url: &str| format!("url = {url:?}");
    stage.edit_settings(&[
        (&url(&stage.world.homeserver.url), &url(&proxy.url)),
        ("concurrency = 16", "concurrency = 4"),
    ]);
    stage.gateway.start().await.unwrap();
    (stage, proxy)
}

/// Invitations that wait to be declined, and those that are being declined.
async fn declining(stage: &Stage) -> usize {
    let sql = "select count(*) from graphile_worker._private_jobs where key like 'decline %'";
    stage.query(sql).await.parse().unwrap()
}

/// `L162`: the homeserver answers once the inviter's homeserver did, or had its time. Meanwhile the gateway
/// hears what the team says.
#[tokio::test]
async fn l162_invitations_of_the_bot_that_take_long_to_decline_keep_no_answer_from_leaving() {
    let (stage, proxy) = behind_a_proxy().await;
    let (erik, letter) = stage.letter_from("erik").await;
    stage.anna.send_text(&letter.room_id, "Vorher").await.unwrap();
    stage.mails(&erik, 1).await;

    proxy.keep_back_answers(&["POST", "/leave"]);
    let stranger = stage.colleague("fremd").await;
    for _ in 0..4 {
        stranger.create_room(&[&stage.bot_id()], false).await.unwrap();
    }
    stage.until("they are being declined", async || declining(&stage).await >= 4).await;
    stage.anna.send_text(&letter.room_id, "Danach").await.unwrap();
    stage
        .until("the answer is handed over", async || {
            stage.query("select count(*) from dispatches where state = 'accepted'").await == "2"
        })
        .await;
}

/// `L163`: the same with invitations of a ghost: letters find their place.
#[tokio::test]
async fn l163_invitations_of_a_ghost_that_take_long_to_decline_keep_no_letter_waiting() {
    let (stage, proxy) = behind_a_proxy().await;
    let (_, letter) = stage.letter_from("erik").await;

    proxy.keep_back_answers(&["POST", "/leave"]);
    let stranger = stage.colleague("fremd").await;
    for _ in 0..12 {
        stranger.create_room(&[&letter.sender], false).await.unwrap();
    }
    stage.until("they are being declined", async || declining(&stage).await >= 12).await;
    let address = stage.correspondent("danach").await;
    stage.receive(&kim_mail(&address, &stage.practice, "2@x", "Befund", "", "Danach")).await;
    // It lies in the mailbox, and is fetched.
    stage.database_says("select count(*) from letters", "2").await;
    stage
        .until("the letter is in its room", async || {
            stage.query("select count(*) from letters where state = 'posted'").await == "2"
        })
        .await;
}

/// `L165`: of a room that is no portal nothing is kept for ever.
#[tokio::test]
async fn l165_of_foreign_rooms_nothing_is_kept_for_ever() {
    let stage = Stage::new().await;
    let (_, letter) = stage.letter_from("erik").await;
    let stranger = stage.colleague("fremd").await;
    let mut rooms = Vec::new();
    for _ in 0..5 {
        rooms.push(stranger.create_room(&[&letter.sender], false).await.unwrap());
    }
    // Those of an earlier stage may be told of, too.
    let foreign = format!("where of.room_id in ('{}')", rooms.join("', '"));
    let events = format!("select count(distinct room_id) from room_events as of {foreign}");
    stage.database_says(&events, "5").await;
    // Declined, and more than a week ago by now.
    let ago = format!(
        "update room_events as of set received_at = received_at - interval '8 days' {foreign}"
    );
    let declined = || stage.gateway.log().matches("Declined an invitation").count();
    stage.until("all are declined", async || declined() >= 5).await;
    // Again and again: what the gateway itself said there comes back later.
    let are_forgotten = async || {
        stage.query(&ago).await;
        stage.query(&events).await == "0"
    };
    stage.until("the events are forgotten", are_forgotten).await;
    let kept = "select count(*) from leases
                where what like 'read_room %'
                  and not exists (select 1 from rooms where 'read_room ' || room_id = what)";
    stage.database_says(kept, "0").await;
}
