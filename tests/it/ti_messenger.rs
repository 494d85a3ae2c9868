//! At a homeserver that enforces TI-Messenger's rules: who may invite whom, which servers there are.

use std::time::Duration;

use serde_json::json;
use umstieg_world::{
    RequestLimits, Surroundings, SynapseOptions, TiMessengerRules, World, WorldOptions,
    synapse::PERMISSIONS,
};

use crate::{
    encryption::{sees, strict_anna},
    phrases::{HANDED_TO_KIM, hears},
    proxy::{Passed, Proxy, ProxyRefusal},
    stage::{Stage, kim_mail},
};

/// A world whose homeserver is one of TI-Messenger, of this version. Its users allow this by default.
async fn world_that(
    default_permission: &'static str,
    version: &'static str,
) -> (World, &'static Surroundings) {
    limited_world(default_permission, version, RequestLimits::None).await
}

/// The same, with these limits.
async fn limited_world(
    default_permission: &'static str,
    version: &'static str,
    limits: RequestLimits,
) -> (World, &'static Surroundings) {
    let rules = TiMessengerRules {
        default_permission,
        version,
        federation: vec!["klinik.test".to_owned(), "kasse.test!".to_owned()],
    };
    let synapse = SynapseOptions {
        slots: 1,
        may_set_display_name: false,
        ti_messenger: Some(rules),
        limits,
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

/// TIM-7: such a homeserver refuses to invite a user who is not there. Nobody else waits, and the user is
/// invited with the next letter once the account is made.
#[tokio::test]
async fn tim_7_a_member_whose_account_is_made_later_is_invited_with_the_next_letter() {
    let (world, around) = world_that("block all", "1.2").await;
    let mut stage = Stage::in_world(around, |channels| channels).await;
    let later = stage.world.homeserver.user_id(&format!("spaeter-{}", stage.tag));
    stage.edit_settings(&[(
        &format!("team = [{:?}]", stage.anna_id),
        &format!("team = [{later:?}, {:?}]", stage.anna_id),
    )]);
    stage.gateway.start().await.unwrap();
    let (erik, letter) = stage.letter_from("erik").await;
    stage.database_says("select state from letters", "posted").await;
    let failed = stage.gateway.metric("umstieg_invites_failed_total").await;
    assert!(failed >= 1.0, "{failed}");

    let colleague = stage.colleague("spaeter").await;
    assert_eq!(colleague.user_id, later);
    let more = format!("In-Reply-To: <erster-{erik}>\nReferences: <erster-{erik}>\n");
    let mail = kim_mail(&erik, &stage.practice, "s2@x", "AW: Befund", &more, "Nun auch hier");
    stage.receive(&mail).await;
    let seen = colleague.wait_for("the second letter", |seen| {
        seen.message_with("Nun auch hier").map(|seen| seen.room_id.clone())
    });
    assert_eq!(seen.await.unwrap(), letter.room_id);
    assert_eq!(stage.query("select count(*) from rooms").await, "1");
    drop((stage, world));
}

/// How many conversations begin at once, more than each limit lets pass at once.
const BURST: usize = 15;

/// TIM-28: the application service is exempt from the limits, as its registration says; people are not.
/// Anna may join ten rooms and one more in ten seconds, and her words are limited as well.
#[tokio::test]
async fn tim_28_a_burst_of_letters_passes_the_limits_of_the_reference() {
    let (world, around) = limited_world("allow all", "1.1", RequestLimits::Reference).await;
    let mut stage = Stage::in_world(around, |channels| channels).await;
    stage.gateway.start().await.unwrap();
    let mut letters = Vec::new();
    let answer = |words: &str| format!("Antwort auf {}", words.replace("Brief", "B."));
    for number in 0..BURST {
        let from = stage.correspondent(&format!("arzt{number}")).await;
        let words = format!("Brief Nummer {number}.");
        let id = format!("b{number}@x");
        let mail = kim_mail(&from, &stage.practice, &id, "Befund", "", &words);
        letters.push((from, words, mail));
    }
    let mails: Vec<(&[u8], &str)> =
        letters.iter().map(|(_, _, mail)| (mail.as_bytes(), stage.practice.as_str())).collect();
    stage.world.mail.deliver_all(&mails).await.unwrap();
    let posted = "select count(*) from letters where state = 'posted'";
    stage.database_says(posted, &BURST.to_string()).await;
    for (from, words, _) in &letters {
        let seen = stage.anna.wait_for_within(Duration::from_secs(180), words, |seen| {
            seen.message_with(words).cloned()
        });
        let letter = seen.await.unwrap();
        stage.anna.send_text(&letter.room_id, &answer(words)).await.unwrap();
        let mails = stage.mails(from, 1).await;
        assert!(mails[0].contains(&answer(words)), "{}", mails[0]);
    }
    for (_, words, _) in &letters {
        assert_eq!(stage.anna_saw(words), 1, "{words}");
    }
    assert_eq!(stage.query("select count(*) from parked").await, "0");
    drop((stage, world));
}

/// TIM-28: where a limit holds for the bot's `/sync`, it is asked again when the homeserver says, and the
/// letters come.
#[tokio::test]
async fn tim_28_the_sync_waits_as_long_as_a_limit_says() {
    const LIMIT: Duration = Duration::from_secs(12);
    let mut stage = Stage::before_start(|channels| channels).await;
    let proxy = Proxy::before(&stage.world.homeserver.url).await;
    let url = format!("url = {:?}", stage.world.homeserver.url);
    stage.edit_settings(&[(&url, &format!("url = {:?}", proxy.url))]);
    proxy.refuse(ProxyRefusal {
        what: "GET /_matrix/client/v3/sync",
        status: axum::http::StatusCode::TOO_MANY_REQUESTS,
        body: r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":12000}"#,
    });
    stage.gateway.launch().await.unwrap();
    let syncs = || {
        let is_sync = |passed: &Passed| passed.what == "GET /_matrix/client/v3/sync";
        proxy.passed().into_iter().filter(is_sync).map(|passed| passed.at).collect::<Vec<_>>()
    };
    stage.until("the limit was met three times", async || syncs().len() >= 3).await;
    for pair in syncs().windows(2) {
        // A hair less: the wait began at the gateway, the clock of this test at the proxy.
        let waited = pair[1] - pair[0] + Duration::from_millis(20);
        assert!(waited >= LIMIT, "asked again after {waited:?}");
    }
    proxy.refuse_no_more();
    stage.letter_from("erik").await;
}
