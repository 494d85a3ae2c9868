//! R05: the readers of a portal are the team and users a speaker let in, whoever else is there.

use serde_json::json;
use umstieg::phrases::Phrase;
use umstieg_world::{
    JsClient, JsOptions,
    client::{ClientTrust, SeenEvent, SeenTimeline},
};

use super::{sees, send_raw, strict_anna};
use crate::{
    phrases::{hears, saying, told},
    stage::{Stage, kim_mail},
};

/// A person with a device of her own that she has signed.
async fn signed(stage: &Stage, name: &str) -> JsClient {
    let name = format!("{name}-{}", stage.tag);
    stage.world.homeserver.register_user(&name, "geheim").await.unwrap();
    let options = JsOptions { cross_signed: true, trust: ClientTrust::OnlySigned };
    JsClient::login(&stage.world.homeserver, &name, "geheim", options).await.unwrap()
}

async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <q1@x>\nReferences: <q1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

async fn member_is(stage: &Stage, room: &str, user: &str, membership: &str) {
    let sql = format!(
        "select membership from room_members where user_id = '{user}' and room_id = '{room}'"
    );
    stage.database_says(&sql, membership).await;
}

async fn cannot_read(client: &JsClient, event: &SeenEvent) {
    let hidden = |seen: &SeenTimeline| {
        seen.undecipherable().find(|hidden| hidden.event_id() == event.event_id()).map(|_| ())
    };
    client.wait_for("an event without its key", hidden).await.unwrap();
}

/// An admin of the homeserver makes himself a member of a portal, with the admin interface of
/// Synapse.
#[tokio::test]
async fn r05_whom_an_admin_of_the_homeserver_brings_in_reads_no_letter_until_a_speaker_lets_him_in()
{
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "q1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;

    let spy = signed(&stage, "neugierig").await;
    let token = stage.admin_token().await;
    let path = format!("/_synapse/admin/v1/rooms/{room}/make_room_admin");
    let body = json!({ "user_id": spy.user_id });
    let homeserver = &stage.world.homeserver;
    let (status, answer) = homeserver.request("POST", &path, &token, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    member_is(&stage, &room, &spy.user_id, "join").await;
    let stranger = Phrase::StrangerPresent { user_id: spy.user_id.clone() };
    hears(&anna, &stranger).await;
    next_letter(&stage, &erik, "q2@x", "Vertraulich").await;
    let secret = sees(&anna, "Vertraulich").await;
    cannot_read(&spy, &secret).await;
    next_letter(&stage, &erik, "q3@x", "Immer noch").await;
    let secret = sees(&anna, "Immer noch").await;
    cannot_read(&spy, &secret).await;
    // He cannot let himself in.
    let own = spy.send_text(&room, &format!("!einlassen {}", spy.user_id)).await.unwrap();
    told(&anna, &own, &Phrase::NotASpeaker).await;

    let asked = anna.send_text(&room, &format!("!einlassen {}", spy.user_id)).await.unwrap();
    told(&anna, &asked, &Phrase::MemberAdmitted { user_id: spy.user_id.clone() }).await;
    next_letter(&stage, &erik, "q4@x", "Auch für den Neuen").await;
    sees(&spy, "Auch für den Neuen").await;
    hears(&spy, &Phrase::LettersMissed { user_id: spy.user_id.clone(), letters: 3 }).await;
    assert_eq!(saying(&anna.seen(), &stranger).count(), 1, "{}", anna.seen());

    let asked = anna.send_text(&room, &format!("!ausladen {}", spy.user_id)).await.unwrap();
    told(&anna, &asked, &Phrase::MemberDismissed { user_id: spy.user_id.clone() }).await;
    // He has made himself as powerful as the bot, so he stays; and reads nothing more.
    hears(&anna, &Phrase::MemberNotRemoved { user_id: spy.user_id.clone() }).await;
    next_letter(&stage, &erik, "q5@x", "Nicht mehr für ihn").await;
    let secret = sees(&anna, "Nicht mehr für ihn").await;
    cannot_read(&spy, &secret).await;
}

/// A user who is taken out of the team is taken out of its rooms, even if the gateway was away.
#[tokio::test]
async fn r05_who_was_of_the_team_is_removed_and_gets_no_more_keys() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let bert = signed(&stage, "bert").await;
    let carla = signed(&stage, "carla").await;
    let team = |team: &[&str]| format!("team = {team:?}");
    let all = team(&[&stage.anna_id, &bert.user_id, &carla.user_id]);
    stage.edit_settings(&[(&team(&[&stage.anna_id]), &all)]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    // With the first letter they get to know who writes (decision 8).
    stage.receive(&kim_mail(&erik, &stage.practice, "q1@x", "Befund", "", "Guten Tag")).await;
    for user in [&stage.anna_id, &bert.user_id, &carla.user_id] {
        let joined = format!("select membership from room_members where user_id = '{user}'");
        stage.database_says(&joined, "join").await;
    }
    next_letter(&stage, &erik, "q1b@x", "Vor dem Wechsel").await;
    let room = sees(&anna, "Vor dem Wechsel").await.room_id;
    sees(&bert, "Vor dem Wechsel").await;
    sees(&carla, "Vor dem Wechsel").await;

    stage.gateway.stop();
    // Meanwhile Carla leaves by herself, and the gateway does not hear of it.
    carla.leave(&room).await.unwrap();
    let left = team(&[&stage.anna_id, &carla.user_id]);
    stage.edit_settings(&[(&all, &left)]);
    stage.gateway.start().await.unwrap();
    member_is(&stage, &room, &bert.user_id, "leave").await;
    member_is(&stage, &room, &carla.user_id, "leave").await;
    next_letter(&stage, &erik, "q2@x", "Vertraulich").await;
    sees(&anna, "Vertraulich").await;
    for gone in [&bert, &carla] {
        assert!(gone.seen().message_with("Vertraulich").is_none(), "{}", gone.seen());
        let inbox = format!("select count(*) from room_readers where user_id = '{}'", gone.user_id);
        assert_eq!(stage.query(&inbox).await, "1", "it was one of the readers");
    }
    assert_eq!(stage.members(&room).await[&bert.user_id], "leave");
}

/// R05h: a stranger may ask as often as he likes: he gets nothing of a letter, a few answers, and parks
/// nothing. The same junk from a member of the team is answered, and parks nothing either.
#[tokio::test]
async fn r05h_a_stranger_who_asks_again_and_again_gets_some_answers_and_nothing_else() {
    let mut stage = Stage::encrypted("any-device").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "q1@x", "Befund", "", "Guten Tag")).await;
    let room = sees(&anna, "Guten Tag").await.room_id;
    let spy = signed(&stage, "neugierig").await;
    let token = stage.admin_token().await;
    let path = format!("/_synapse/admin/v1/rooms/{room}/make_room_admin");
    let body = json!({ "user_id": spy.user_id });
    let homeserver = &stage.world.homeserver;
    let (status, answer) = homeserver.request("POST", &path, &token, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    member_is(&stage, &room, &spy.user_id, "join").await;
    hears(&anna, &Phrase::StrangerPresent { user_id: spy.user_id.clone() }).await;
    for command in ["!original", "!hilfe", "!unsinn", "Guten Tag"] {
        for _ in 0..4 {
            spy.send_text(&room, command).await.unwrap();
        }
    }
    let token = stage.token_of(&spy.user_id).await;
    let annas = stage.token_of(&stage.anna_id).await;
    let mut last = String::new();
    for token in [&token, &annas] {
        for session in ["a\u{0}b", "Muell"] {
            let junk = json!({
                "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "\u{0}AwgA", "device_id": "X",
                "sender_key": "x", "session_id": session,
            });
            for _ in 0..3 {
                last = send_raw(&stage, token, &room, "m.room.encrypted", &junk).await;
            }
        }
    }
    anna.send_text(&room, "Zum Schluss").await.unwrap();
    stage.mails(&erik, 1).await;
    let read = format!("select state from room_events where event_id = '{last}'");
    stage.until("all is read", async || stage.query(&read).await != "new").await;
    stage.all_events_are_read().await;
    let answers = format!(
        "select count(*) from posts join room_events as event
         on posts.txn_id in ('a' || event.event_id, 'p' || event.event_id, 'e' || event.event_id)
         where event.sender = '{}'",
        spy.user_id
    );
    let answers: usize = stage.query(&answers).await.parse().unwrap();
    assert!((1..=3).contains(&answers), "{answers}");
    let originals = "select count(*) from posts where txn_id like 'e%'";
    assert_eq!(stage.query(originals).await, "0");
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}
