//! At a homeserver that enforces TI-Messenger's rules: who may invite whom, which servers there are.

use serde_json::json;
use umstieg_world::{Surroundings, SynapseOptions, TiMessengerRules, World, WorldOptions};

use crate::{
    encryption::{sees, strict_anna},
    phrases::{HANDED_TO_KIM, hears},
    stage::{Stage, kim_mail},
};

/// Account data in which a user says who may invite it (gematik's `permissionConfig_V1`).
const PERMISSIONS: &str = "de.gematik.tim.account.permissionconfig.pro.v1";

/// A world whose homeserver is one of TI-Messenger, of this version. Its users allow this by default.
async fn world_that(
    default_permission: &'static str,
    version: &'static str,
) -> (World, &'static Surroundings) {
    let rules = TiMessengerRules {
        default_permission,
        version,
        federation: vec!["klinik.test", "kasse.test!"],
    };
    let synapse = SynapseOptions {
        slots: 1,
        may_set_display_name: false,
        ti_messenger: Some(rules),
        ..SynapseOptions::default()
    };
    let world = World::start(WorldOptions { synapse }, |_| {}).await.unwrap();
    let surroundings = Box::leak(Box::new(world.surroundings()));
    (world, surroundings)
}

/// The user lets this one invite, and nobody else.
async fn lets_invite(stage: &Stage, user: &str, who: &str) {
    let token = stage.token_of(user).await;
    let path = format!("/_matrix/client/v3/user/{user}/account_data/{PERMISSIONS}");
    let content = json!({ "defaultSetting": "block all", "userExceptions": { who: {} } });
    let homeserver = &stage.world.homeserver;
    let (status, answer) = homeserver.request("PUT", &path, &token, Some(&content)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// TIM-6: a ghost is a user whom nobody may invite. The bot gives itself leave, and only itself.
#[tokio::test]
async fn tim_6_letters_come_and_answers_leave_where_everybody_blocks_invitations() {
    let (world, around) = world_that("block all", "1.1").await;
    let mut stage = Stage::encrypted_in(around, "cross-signed").await;
    lets_invite(&stage, &stage.anna_id, &stage.bot_id()).await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "t1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    anna.send_text(&letter.room_id, "Danke sehr").await.unwrap();
    hears(&anna, &HANDED_TO_KIM).await;
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Danke sehr"), "{}", mails[0]);

    let of_bot = json!({ "defaultSetting": "block all", "userExceptions": { stage.bot_id(): {} } });
    let path =
        format!("/_matrix/client/v3/user/{}/account_data/{PERMISSIONS}?user_id={0}", letter.sender);
    let token = &stage.gateway.slot().as_token;
    let (_, ghost) = stage.world.homeserver.request("GET", &path, token, None).await.unwrap();
    assert_eq!(ghost, of_bot);
    assert_eq!(stage.query("select count(*) from rooms").await, "1");
    drop((stage, world));
}

/// TIM-7: who lets nobody invite him is told of, and keeps the letter from nobody.
#[tokio::test]
async fn tim_7_who_blocks_invitations_keeps_the_letter_from_nobody_else() {
    let (world, around) = world_that("allow all", "1.2").await;
    let mut stage = Stage::in_world(around, |channels| channels).await;
    let bert = stage.colleague("bert").await;
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{:?}, {:?}]", bert.user_id, stage.anna_id),
    )]);
    lets_invite(&stage, &bert.user_id, "@niemand:praxis.test").await;
    stage.gateway.start().await.unwrap();
    let (erik, letter) = stage.letter_from("erik").await;
    assert!(stage.gateway.metric("umstieg_invites_failed_total").await >= 1.0);
    stage.anna.send_text(&letter.room_id, "Danke sehr").await.unwrap();
    assert!(stage.mails(&erik, 1).await[0].contains("Danke sehr"));
    let members = stage.members(&letter.room_id).await;
    assert!(!members.contains_key(&bert.user_id), "{members:?}");
    drop((stage, world));
}
