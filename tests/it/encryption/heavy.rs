//! Users who make much of what every other user's encryption has to pass: keys without an end, and
//! messages to the bot's device.

use serde_json::json;

use super::{sees, strict_anna};
use crate::stage::{Stage, kim_mail};

/// More than an answer may have, and less than Synapse takes.
const ENDLESS: usize = 9_000_000;

/// A user logs in once more, with a device whose keys have no end. Returns once the gateway asked for them.
async fn uploads_endless_keys(stage: &Stage, user_id: &str) {
    let homeserver = &stage.world.homeserver;
    let name = user_id.trim_start_matches('@').split(':').next().unwrap();
    let login = json!({
        "type": "m.login.password", "password": "geheim",
        "identifier": { "type": "m.id.user", "user": name },
    });
    let (_, session) =
        homeserver.request("POST", "/_matrix/client/v3/login", "", Some(&login)).await.unwrap();
    let device = session["device_id"].as_str().unwrap();
    let keys = json!({
        "device_keys": {
            "user_id": user_id, "device_id": device,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": {
                format!("ed25519:{device}"): "AAAA", format!("curve25519:{device}"): "AAAA",
                "endless:1": "A".repeat(ENDLESS),
            },
            "signatures": {},
        },
    });
    let token = session["access_token"].as_str().unwrap();
    let upload = "/_matrix/client/v3/keys/upload";
    let asked = async || stage.gateway.requests().await["keys_query"];
    let before = asked().await;
    let (status, answer) = homeserver.request("POST", upload, token, Some(&keys)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    stage.until("the gateway asks for the keys", async || asked().await > before).await;
}

/// `L160`: the fax line has its own team. The device keys that a member of it uploads do not matter to the
/// rooms of the KIM account.
#[tokio::test]
async fn l160_a_member_with_endless_keys_keeps_nobody_else_from_being_heard() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let bert = stage.colleague("bert").await;
    let file = stage.gateway.settings_file();
    let settings = std::fs::read_to_string(&file).unwrap();
    let team = |user: &str| format!("team = [{user:?}]");
    let (kim, fax) = settings.rsplit_once(&team(&stage.anna_id)).unwrap();
    std::fs::write(&file, format!("{kim}{}{fax}", team(&bert.user_id))).unwrap();
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "h1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    let handed_over = async |count: &str| {
        stage
            .until(&format!("{count} answers are handed over"), async || {
                let accepted = "select count(*) from dispatches where state = 'accepted'";
                stage.query(accepted).await == count
            })
            .await;
    };
    anna.reply(&letter.room_id, letter.event_id(), "Vorher").await.unwrap();
    handed_over("1").await;

    stage
        .receive_fax(
            "From: Fax <gateway@fax.example>\nSubject: Neues Fax von 030 5550123\n\
             Date: Mon, 23 Nov 2026 08:00:00 +0100\nMessage-ID: <f@x>\n\nPages: 1\n",
        )
        .await;
    let joined = format!(
        "select count(*) from room_members where user_id = '{}' and membership = 'join'",
        bert.user_id
    );
    stage.database_says(&joined, "1").await;
    uploads_endless_keys(&stage, &bert.user_id).await;

    anna.reply(&letter.room_id, letter.event_id(), "Danach").await.unwrap();
    handed_over("2").await;
}

/// `L164`: every user of the homeserver may send messages to the bot's device. However many a stranger
/// sends, the key of the team's words comes within seconds.
#[tokio::test]
async fn l164_messages_of_a_stranger_to_the_bot_s_device_keep_no_answer_waiting() {
    const MESSAGES: usize = 4_000;
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "h1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    stage.gateway.stop();

    let stranger = stage.colleague("fremd").await;
    let token = stage.token_of(&stranger.user_id).await;
    let noise = json!({ "messages": { stage.bot_id(): { "*": { "noise": true } } } });
    let homeserver = &stage.world.homeserver;
    for batch in 0..MESSAGES / 20 {
        let sent = (0..20).map(|number| {
            let path =
                format!("/_matrix/client/v3/sendToDevice/org.example.noise/b{batch}n{number}");
            let (token, noise) = (&token, &noise);
            async move { homeserver.request("PUT", &path, token, Some(noise)).await.unwrap().0 }
        });
        for status in futures_util::future::join_all(sent).await {
            assert_eq!(status, 200);
        }
    }
    stage.gateway.start().await.unwrap();
    anna.reply(&letter.room_id, letter.event_id(), "Antwort").await.unwrap();
    stage
        .until("the answer is handed over", async || {
            let accepted = "select count(*) from dispatches where state = 'accepted'";
            stage.query(accepted).await == "1"
        })
        .await;
}

/// `L160b`: the same within one team.
#[tokio::test]
async fn l160b_a_member_with_endless_keys_keeps_no_letter_from_the_others() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    let bert = stage.colleague("bert").await;
    let team = |users: &[&str]| format!("team = {users:?}");
    let both = team(&[&stage.anna_id, &bert.user_id]);
    stage.edit_settings(&[(&team(&[&stage.anna_id]), &both)]);
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "h1@x", "Befund", "", "Erstens")).await;
    sees(&anna, "Erstens").await;
    uploads_endless_keys(&stage, &bert.user_id).await;
    stage.receive(&kim_mail(&erik, &stage.practice, "h2@x", "Befund", "", "Zweitens")).await;
    stage
        .until("the second letter is in its room", async || {
            let posted = "select count(*) from letters where state = 'posted'";
            stage.query(posted).await == "2"
        })
        .await;
}
