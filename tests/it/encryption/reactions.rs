//! Reactions: the gateway sends none, and those of people lead to nothing (TIM-12, TIM-29), but for the one sign
//! that confirms the preview of a fax (`fax_confirmed`).

use serde_json::json;

use super::{sees, send_raw, strict_anna};
use crate::stage::{Stage, kim_mail};

#[tokio::test]
async fn a_reaction_leaves_nothing_anywhere() {
    let mut stage = Stage::encrypted("cross-signed").await;
    let anna = strict_anna(&stage).await;
    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "r1@x", "Befund", "", "Wort Zimtstern")).await;
    let letter = sees(&anna, "Wort Zimtstern").await;
    let room = &letter.room_id;
    anna.send_text(room, "Antwort Lebkuchen").await.unwrap();
    stage.mails(&erik, 1).await;
    // Its notice is saved with its state.
    stage.database_says("select state from dispatches", "accepted").await;
    let posts = stage.query("select count(*) from posts").await;
    let token = stage.token_of(&stage.anna_id).await;
    let react = async |key: &str, to: &str| {
        let relation = json!({ "rel_type": "m.annotation", "event_id": to, "key": key });
        let content = json!({ "m.relates_to": relation });
        send_raw(&stage, &token, room, "m.reaction", &content).await
    };
    let thumb = react("👍", letter.event_id()).await;
    // Some clients let people react with words.
    react("Spekulatius", letter.event_id()).await;
    let path = format!("/_matrix/client/v3/rooms/{room}/redact/{thumb}/{}", super::umstieg_txn());
    let homeserver = &stage.world.homeserver;
    let (status, answer) =
        homeserver.request("PUT", &path, &token, Some(&json!({}))).await.unwrap();
    assert_eq!(status, 200, "{answer}");

    // What is said afterwards goes its way; nothing went before it.
    anna.send_text(room, "Zum Schluss").await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    assert!(mails[1].contains("Zum Schluss") && !mails[1].contains("Spekulatius"), "{}", mails[1]);
    stage.all_events_are_read().await;
    assert_eq!(stage.texts_of_dispatches().await, ["Antwort Lebkuchen", "Zum Schluss"]);
    // The one new post is the state of the second answer.
    let news = format!("select count(*) - {posts} from posts");
    stage.database_says(&news, "1").await;
    // The gateway reacted to nothing, and the homeserver holds no word of letters or answers.
    let of_ours = format!(
        "select count(*) from events where room_id = '{room}' and type = 'm.reaction'
         and sender <> '{}'",
        stage.anna_id
    );
    assert_eq!(stage.synapse(&of_ours).await.trim(), "0");
    let events = format!("select json from event_json where room_id = '{room}'");
    let events = stage.synapse(&events).await;
    assert!(events.contains("Spekulatius"), "the reactions are in the room");
    for word in ["Zimtstern", "Lebkuchen", "Zum Schluss", "Befund"] {
        assert!(!events.contains(word), "{word} stands open at the homeserver");
    }
    assert!(!stage.gateway.log().contains("Spekulatius"));
}
