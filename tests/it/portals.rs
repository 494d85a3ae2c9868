//! The rooms of conversations: how they are made, kept, followed and replaced.

use serde_json::{Value, json};
use umstieg::phrases::Phrase;
use umstieg_world::{SynapseOptions, World, WorldOptions, client::SeenEvent};

use crate::{
    phrases::{HANDED_TO_KIM, saying, sentence},
    stage::{Stage, kim_mail, message_id},
};

/// The content of one piece of state; `None` when the room has none.
fn content<'a>(state: &'a [Value], event_type: &str) -> Option<&'a Value> {
    state.iter().find(|event| event["type"] == event_type).map(|event| &event["content"])
}

/// A first letter from Dr. Muster; returns his address and the letter as Anna sees it.
async fn first_letter(stage: &Stage) -> (String, SeenEvent) {
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "p1@x", "Befund", "", "Guten Tag")).await;
    let letter = stage.anna_sees("Guten Tag").await;
    (erik, letter)
}

/// A further letter of the same thread.
async fn next_letter(stage: &Stage, erik: &str, id: &str, words: &str) {
    let more = "In-Reply-To: <p1@x>\nReferences: <p1@x>\n";
    stage.receive(&kim_mail(erik, &stage.practice, id, "AW: Befund", more, words)).await;
}

/// What Dr. Muster is called in a room.
fn ghost_of(erik: &str) -> String {
    sentence(&Phrase::GhostKim { name: format!("Dr. Erik Muster · {erik}") })
}

/// How often a message with these words is in Anna's rooms.
fn times_seen(stage: &Stage, words: &str) -> usize {
    stage.anna.seen().messages().filter(|message| message.body().contains(words)).count()
}

#[tokio::test]
async fn tim_1_2_3_29_a_new_portal_is_as_ti_messenger_asks_and_names_nobody() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let state = stage.state(&letter.room_id).await;

    let create = content(&state, "m.room.create").unwrap();
    assert_eq!(create["type"], "de.gematik.tim.roomtype.default.v1", "TIM-1");
    assert_eq!(create["room_version"], "10", "TIM-1");
    let of = |event_type: &str| content(&state, event_type).unwrap_or(&Value::Null).clone();
    assert_eq!(of("m.room.history_visibility")["history_visibility"], "invited", "TIM-1");
    assert_eq!(of("m.room.join_rules")["join_rule"], "invite", "TIM-1");
    assert_eq!(of("m.room.guest_access")["guest_access"], "forbidden");

    let name = of("m.room.name")["name"].as_str().unwrap().to_owned();
    let number = stage.query("select id from conversations").await.parse().unwrap();
    let label = "Praxis kim".to_owned();
    assert_eq!(name, sentence(&Phrase::RoomName { label, number }));
    assert_eq!(of("de.gematik.tim.room.name")["name"], name.as_str(), "TIM-2");
    assert_eq!(
        content(&state, "m.room.topic").is_some(),
        content(&state, "de.gematik.tim.room.topic").is_some(),
        "TIM-2"
    );

    for event_type in ["m.bridge", "uk.half-shot.bridge"] {
        let mark = of(event_type);
        assert_eq!(mark["bridgebot"], stage.bot_id().as_str(), "{event_type}");
        assert_eq!(mark["protocol"]["id"], "kim", "{event_type}");
    }
    let service = of("io.element.functional_members");
    assert_eq!(service["service_members"], json!([stage.bot_id()]));

    // TIM-29: neither the person nor the matter is in the state, which is never encrypted. The name
    // in the room is the exception a person needs; a ghost's id holds its address.
    let alias = of("m.room.canonical_alias");
    let local = erik.split('@').next().unwrap();
    for event in state.iter().filter(|event| event["type"] != "m.room.member") {
        // Who said something is a user id, and a ghost said none of it.
        assert_eq!(event["sender"], stage.bot_id().as_str());
        let text = event["content"].to_string();
        for marker in ["Befund", "Muster", "Guten", local, "charite"] {
            assert!(!text.contains(marker), "{marker} in {text}");
        }
    }
    if let Some(alias) = alias["alias"].as_str() {
        assert!(alias.starts_with(&format!("#{}", stage.gateway.slot().prefix)), "{alias}");
    }

    // TIM-3: the ghost was invited with the room itself, the team after it, each alone.
    let members = stage.members(&letter.room_id).await;
    let joined = members.values().filter(|membership| *membership == "join").count();
    assert_eq!((members.len(), joined), (3, 3), "{members:?}");
    let ghost = members.keys().find(|user| **user == letter.sender).unwrap();
    let invited_in_create = stage
        .as_bot(
            "GET",
            &format!("/_matrix/client/v3/rooms/{}/messages", letter.room_id),
            &Value::Null,
        )
        .await;
    assert!(invited_in_create["chunk"].is_array());
    assert!(ghost.contains(&stage.gateway.slot().prefix));
    // TIM-16: who it is, and that it comes from outside.
    assert_eq!(letter.sender_name, ghost_of(&erik));
}

/// TIM-16: many practices forbid users to name themselves.
#[tokio::test]
async fn tim_16_a_ghost_is_named_also_where_users_may_not_name_themselves() {
    let synapse =
        SynapseOptions { slots: 1, may_set_display_name: false, ..SynapseOptions::default() };
    let world = World::start(WorldOptions { synapse }, |_| {}).await.unwrap();
    let surroundings = Box::leak(Box::new(world.surroundings()));
    let mut stage = Stage::in_world(surroundings, |channels| channels).await;
    stage.gateway.start().await.unwrap();
    let (erik, letter) = first_letter(&stage).await;
    assert_eq!(letter.sender_name, ghost_of(&erik));
    drop(stage);
    drop(world);
}

#[tokio::test]
async fn who_came_to_the_team_later_is_invited_at_the_next_start() {
    let mut stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let berta = stage.colleague("berta").await;
    let (anna_id, berta_id) = (stage.anna_id.clone(), berta.user_id.clone());
    let team = format!("team = [{anna_id:?}]");
    stage.restart_with(|s| s.replace(&team, &format!("team = [{anna_id:?}, {berta_id:?}]"))).await;

    stage
        .until("Berta is in the room", async || {
            stage.members(&letter.room_id).await.get(&berta_id).is_some_and(|m| m == "join")
        })
        .await;
    next_letter(&stage, &erik, "p2@x", "Auch für Berta").await;
    let seen = berta
        .wait_for("the next letter", |seen| seen.message_with("Auch für Berta").cloned())
        .await
        .unwrap();
    assert_eq!(seen.room_id, letter.room_id);

    // Who left is not invited again, neither by a letter nor by a start.
    berta.leave(&letter.room_id).await.unwrap();
    let gone = format!("select membership from room_members where user_id = '{berta_id}'");
    stage.database_says(&gone, "leave").await;
    stage.restart_with(|settings| settings).await;
    next_letter(&stage, &erik, "p3@x", "Ohne Berta").await;
    stage.anna_sees("Ohne Berta").await;
    assert_eq!(stage.members(&letter.room_id).await[&berta_id], "leave");
}

#[tokio::test]
async fn a_letter_into_a_room_that_everybody_left_calls_them_back() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    stage.anna.leave(&letter.room_id).await.unwrap();
    let left = format!("select membership from room_members where user_id = '{}'", stage.anna_id);
    stage.database_says(&left, "leave").await;
    next_letter(&stage, &erik, "p2@x", "Noch jemand da?").await;
    let next = stage.anna_sees("Noch jemand da?").await;
    assert_eq!(next.room_id, letter.room_id);
}

#[tokio::test]
async fn tim_20_a_room_that_an_admin_deleted_is_replaced_and_old_threads_lead_there() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    stage.anna.send_text(&letter.room_id, "Erste Antwort").await.unwrap();
    let answered = message_id(&stage.mails(&erik, 1).await[0]);
    stage.anna_is_told(&HANDED_TO_KIM).await;

    let (admin, homeserver) = (stage.admin_token().await, &stage.world.homeserver);
    let path = format!("/_synapse/admin/v2/rooms/{}", letter.room_id);
    let body = json!({ "purge": true });
    let (status, answer) = homeserver.request("DELETE", &path, &admin, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    // Letters come while it is being deleted, and after.
    next_letter(&stage, &erik, "p2@x", "Während des Löschens").await;
    let path =
        format!("/_synapse/admin/v2/rooms/delete_status/{}", answer["delete_id"].as_str().unwrap());
    stage
        .until("the room is deleted", async || {
            let (_, answer) = homeserver.request("GET", &path, &admin, None).await.unwrap();
            answer["status"] == "complete"
        })
        .await;
    let more = format!("In-Reply-To: <{answered}>\nReferences: <p1@x> <{answered}>\n");
    let mail = kim_mail(&erik, &stage.practice, "p3@x", "AW: Befund", &more, "Nach dem Löschen");
    stage.receive(&mail).await;

    let next = stage.anna_sees_elsewhere("Nach dem Löschen", &letter.room_id).await;
    let hint = stage.anna_is_told(&Phrase::ContinuesOlderRoom).await;
    assert_eq!(hint.room_id, next.room_id);
    stage.database_says("select count(*) from posts where state <> 'sent'", "0").await;
    assert_eq!(times_seen(&stage, "Nach dem Löschen"), 1);
    assert!(times_seen(&stage, "Während des Löschens") <= 1);
    assert_eq!(stage.query("select count(*) from conversations").await, "1");

    stage.anna.send_text(&next.room_id, "Zweite Antwort").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Zweite Antwort"), "{}", mails[1]);
    assert!(mails[1].contains("In-Reply-To: <p3@x>"), "{}", mails[1]);
}

#[tokio::test]
async fn a_ghost_that_was_removed_is_brought_back_under_its_name() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    stage.empower_anna(&letter.room_id).await;
    let token = stage.token_of(&stage.anna_id).await;
    let path = format!("/_matrix/client/v3/rooms/{}/kick", letter.room_id);
    let body = json!({ "user_id": letter.sender });
    let (status, answer) =
        stage.world.homeserver.request("POST", &path, &token, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");

    next_letter(&stage, &erik, "p2@x", "Wieder da").await;
    let next = stage.anna_sees("Wieder da").await;
    assert_eq!(next.room_id, letter.room_id);
    assert_eq!(next.sender_name, ghost_of(&erik), "TIM-16");
    assert_eq!(times_seen(&stage, "Wieder da"), 1);
}

#[tokio::test]
async fn a_room_from_which_the_bot_was_removed_is_replaced() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    stage.empower_anna(&letter.room_id).await;
    let token = stage.token_of(&stage.anna_id).await;
    // A user with the same power cannot remove the bot, unless the bot has less.
    let path = format!("/_matrix/client/v3/rooms/{}/state/m.room.power_levels", letter.room_id);
    let mut levels = stage.as_bot("GET", &path, &Value::Null).await;
    levels["users"][stage.bot_id()] = json!(50);
    stage.as_bot("PUT", &path, &levels).await;
    let path = format!("/_matrix/client/v3/rooms/{}/kick", letter.room_id);
    let body = json!({ "user_id": stage.bot_id() });
    let (status, answer) =
        stage.world.homeserver.request("POST", &path, &token, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    stage.database_says("select state from rooms", "gone").await;

    next_letter(&stage, &erik, "p2@x", "Im neuen Raum").await;
    let next = stage.anna_sees_elsewhere("Im neuen Raum", &letter.room_id).await;
    let hint = stage.anna_is_told(&Phrase::ContinuesOlderRoom).await;
    assert_eq!(hint.room_id, next.room_id);
}

/// No speaker may be mute where letters are said: a room that silences the ghost is replaced.
#[tokio::test]
async fn a_room_in_which_the_ghost_may_not_speak_is_replaced() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let path = format!("/_matrix/client/v3/rooms/{}/state/m.room.power_levels", letter.room_id);
    let mut levels = stage.as_bot("GET", &path, &Value::Null).await;
    levels["events_default"] = json!(50);
    stage.as_bot("PUT", &path, &levels).await;
    next_letter(&stage, &erik, "p2@x", "Trotzdem gehört").await;
    stage.anna_sees_elsewhere("Trotzdem gehört", &letter.room_id).await;
}

/// Upgrades a portal as an admin's client does, inviting the bot into the new room as well.
async fn upgrade(stage: &Stage, room: &str, version: &str) -> String {
    stage.empower_anna(room).await;
    stage.let_people_invite(&stage.bot_id()).await;
    let token = stage.token_of(&stage.anna_id).await;
    let path = format!("/_matrix/client/v3/rooms/{room}/upgrade");
    let body = json!({ "new_version": version });
    let (status, answer) =
        stage.world.homeserver.request("POST", &path, &token, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let replacement = answer["replacement_room"].as_str().unwrap().to_owned();
    stage.anna.invite(&replacement, &stage.bot_id()).await.unwrap();
    replacement
}

async fn an_upgraded_room_is_followed(version: &str) {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let replacement = upgrade(&stage, &letter.room_id, version).await;

    // Anna's answer counts as soon as the bot hears it, before any further letter.
    let hint = stage.anna_is_told(&Phrase::ContinuesOlderRoom).await;
    assert_eq!(hint.room_id, replacement);
    stage.anna_is_told(&Phrase::RoomUpgraded).await;
    stage.anna.send_text(&replacement, "Antwort im neuen Raum").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Antwort im neuen Raum"), "{}", mails[0]);
    assert!(mails[0].contains("In-Reply-To: <p1@x>"), "{}", mails[0]);

    next_letter(&stage, &erik, "p2@x", "Brief im neuen Raum").await;
    let next = stage.anna_sees("Brief im neuen Raum").await;
    assert_eq!(next.room_id, replacement);
    assert_eq!(next.sender_name, letter.sender_name, "TIM-16");
    let state = stage.state(&replacement).await;
    assert_eq!(content(&state, "m.room.create").unwrap()["room_version"], version);
    let name = content(&state, "m.room.name").unwrap();
    assert_eq!(content(&state, "de.gematik.tim.room.name"), Some(name), "TIM-2");
    assert!(content(&state, "m.bridge").is_some());
    assert_eq!(stage.query("select count(*) from rooms where state = 'open'").await, "1");
}

#[tokio::test]
async fn tim_4_a_room_upgraded_to_version_9_is_followed() {
    an_upgraded_room_is_followed("9").await;
}

#[tokio::test]
async fn tim_4_a_room_upgraded_to_version_11_is_followed() {
    an_upgraded_room_is_followed("11").await;
}

/// B54: whose ids have no server name.
#[tokio::test]
async fn tim_4_a_room_upgraded_to_version_12_is_followed() {
    an_upgraded_room_is_followed("12").await;
}

/// B55: a member bans the ghost. The next letter is said in another room.
#[tokio::test]
async fn a_room_whose_ghost_is_banned_is_replaced() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let members = stage.members(&letter.room_id).await;
    let ghost =
        members.keys().find(|user| **user != stage.bot_id() && **user != stage.anna_id).unwrap();
    let path = format!("/_matrix/client/v3/rooms/{}/ban", letter.room_id);
    stage.as_bot("POST", &path, &json!({ "user_id": ghost })).await;
    next_letter(&stage, &erik, "p2@x", "Im neuen Raum").await;
    stage.anna_sees_elsewhere("Im neuen Raum", &letter.room_id).await;
}

/// Writes a tombstone that names `room` as the successor of Anna's portal.
async fn forge_tombstone(stage: &Stage, portal: &str, room: &str) {
    let path = format!("/_matrix/client/v3/rooms/{portal}/state/m.room.tombstone");
    let body = json!({ "body": "moved", "replacement_room": room });
    stage.as_bot("PUT", &path, &body).await;
}

/// A letter must not follow a tombstone into a room that is not the successor: neither one whose
/// members are strangers, nor another patient's portal.
#[tokio::test]
async fn tim_4_a_forged_tombstone_leads_nowhere() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let mallory = stage.colleague("mallory").await;
    let trap = mallory.create_room(&[], false).await.unwrap();
    let token = stage.token_of(&mallory.user_id).await;
    let path = format!("/_matrix/client/v3/rooms/{trap}/state/m.room.join_rules");
    let open = json!({ "join_rule": "public" });
    stage.world.homeserver.request("PUT", &path, &token, Some(&open)).await.unwrap();
    forge_tombstone(&stage, &letter.room_id, &trap).await;
    stage.database_says("select state from rooms", "gone").await;
    next_letter(&stage, &erik, "p2@x", "Nicht für Mallory").await;
    stage.anna_sees_elsewhere("Nicht für Mallory", &letter.room_id).await;
    assert!(mallory.seen().message_with("Nicht für Mallory").is_none());
    stage
        .until("the bot is out of the foreign room", async || {
            let path = format!("/_matrix/client/v3/rooms/{trap}/joined_members");
            stage.try_as(&stage.bot_id(), "GET", &path, &Value::Null).await.0 == 403
        })
        .await;
}

#[tokio::test]
async fn tim_4_a_tombstone_that_names_another_portal_leads_nowhere() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let frieda = stage.correspondent("frieda").await;
    stage.receive(&kim_mail(&frieda, &stage.practice, "f1@x", "Labor", "", "Von Frieda")).await;
    let other = stage.anna_sees("Von Frieda").await;
    assert_ne!(other.room_id, letter.room_id);
    forge_tombstone(&stage, &letter.room_id, &other.room_id).await;
    let gone = "select count(*) from rooms where state = 'gone'";
    stage.database_says(gone, "1").await;
    next_letter(&stage, &erik, "p2@x", "Nur Erik").await;
    let next = stage.anna_sees_elsewhere("Nur Erik", &letter.room_id).await;
    assert_ne!(next.room_id, other.room_id);
    stage
        .receive(&kim_mail(
            &frieda,
            &stage.practice,
            "f2@x",
            "AW: Labor",
            "In-Reply-To: <f1@x>\n",
            "Wieder Frieda",
        ))
        .await;
    assert_eq!(stage.anna_sees("Wieder Frieda").await.room_id, other.room_id);
}

/// B90: a tombstone that leads nowhere. People can go on writing in the room, so what they write
/// leaves, or they are told that it does not.
#[tokio::test]
async fn b90_what_is_written_in_a_room_whose_tombstone_leads_nowhere_is_not_lost() {
    let stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    let other = stage.anna.create_room(&[], false).await.unwrap();
    forge_tombstone(&stage, &letter.room_id, &other).await;
    stage.database_says("select upgraded_at is not null from rooms", "t").await;
    stage.anna.send_text(&letter.room_id, "Trotzdem hier").await.unwrap();
    stage.mails(&erik, 1).await;
    let token = stage.token_of(&stage.anna_id).await;
    let path = format!("/_matrix/client/v3/rooms/{other}/state/m.room.join_rules");
    let open = json!({ "join_rule": "public" });
    stage.world.homeserver.request("PUT", &path, &token, Some(&open)).await.unwrap();
    next_letter(&stage, &erik, "p2@x", "Noch einer").await;
    stage.database_says("select count(*) from rooms where state = 'gone'", "1").await;
    stage.anna.send_text(&letter.room_id, "Noch einmal hier").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Noch einmal hier"), "{}", mails[1]);
}

/// A crash between createRoom and our note of it: the room is there, and we do not know it.
#[tokio::test]
async fn a_room_made_before_a_crash_is_adopted_and_not_doubled() {
    let mut stage = Stage::new().await;
    let (erik, letter) = first_letter(&stage).await;
    stage.gateway.kill();
    stage.query("update rooms set room_id = null, state = 'opening', invited = '{}'").await;
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "p2@x", "Nach dem Absturz").await;
    let next = stage.anna_sees("Nach dem Absturz").await;
    assert_eq!(next.room_id, letter.room_id);
    assert_eq!(next.sender_name, letter.sender_name);
    assert_eq!(stage.query("select count(*) from rooms").await, "1");
    assert_eq!(saying(&stage.anna.seen(), &Phrase::ContinuesOlderRoom).count(), 0);
}

/// A room that has our alias and was never finished is left alone.
#[tokio::test]
async fn a_half_made_room_is_not_adopted() {
    let mut stage = Stage::before_start(|channels| channels).await;
    stage.gateway.start().await.unwrap();
    let (erik, letter) = first_letter(&stage).await;
    stage.gateway.stop();
    // As if the next portal's making had broken off right after the alias.
    let token = "11111111-2222-4333-8444-555555555555";
    let alias = format!("{}{}", stage.gateway.slot().prefix, token.replace('-', ""));
    let body = json!({ "room_alias_name": alias, "preset": "private_chat", "room_version": "10" });
    let half = stage.as_bot("POST", "/_matrix/client/v3/createRoom", &body).await;
    stage
        .query(&format!(
            "update rooms set state = 'gone';
             insert into rooms (conversation_id, alias_token, created_at)
             select conversation_id, '{token}', now() from rooms"
        ))
        .await;
    stage.gateway.start().await.unwrap();
    next_letter(&stage, &erik, "p2@x", "In einem ganzen Raum").await;
    let next = stage.anna_sees_elsewhere("In einem ganzen Raum", &letter.room_id).await;
    assert_ne!(half["room_id"], next.room_id.as_str());
    let state = stage.state(&next.room_id).await;
    assert!(content(&state, "m.bridge").is_some());
}

/// A user who starts a chat with a ghost waits for nobody: the invitation is declined, because only
/// a portal leads anywhere.
#[tokio::test]
async fn an_invitation_elsewhere_is_declined() {
    let stage = Stage::new().await;
    let (_, letter) = first_letter(&stage).await;
    for invited in [stage.bot_id(), letter.sender.clone()] {
        stage.let_people_invite(&invited).await;
        let room = stage.anna.create_room(&[&invited], false).await.unwrap();
        let token = stage.token_of(&stage.anna_id).await;
        let path = format!("/_matrix/client/v3/rooms/{room}/state/m.room.member/{invited}");
        stage
            .until("the invitation is declined", async || {
                let answer = stage.world.homeserver.request("GET", &path, &token, None).await;
                answer.unwrap().1["membership"] == "leave"
            })
            .await;
    }
}
