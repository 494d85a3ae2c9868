//! What the homeserver deletes by itself: files before the gateway has fetched them, and rooms while a
//! letter is on its way.

use serde_json::json;
use umstieg::phrases::Phrase;

use crate::{
    phrases::told,
    stage::{Stage, kim_mail},
};

/// Uploads a file as Anna; gives where it is, as `server/id`.
async fn uploaded(stage: &Stage, token: &str) -> String {
    let path = "/_matrix/media/v3/upload?filename=datei";
    let body = json!({ "befund": "unauffällig" });
    let (status, answer) =
        stage.world.homeserver.request("POST", path, token, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer["content_uri"].as_str().unwrap().trim_start_matches("mxc://").to_owned()
}

/// TIM-21: a homeserver deletes its files after a while, or an admin locks one. The sender is told, and what
/// others say, and what he says later, leaves.
#[tokio::test]
async fn tim_21_a_file_that_our_homeserver_deleted_is_told_of_and_stops_no_other_answer() {
    let mut stage = Stage::new().await;
    let bert = stage.colleague("bert").await;
    let anna_alone = format!("team = [{:?}]", stage.anna_id);
    let both = format!("team = [{:?}, {:?}]", stage.anna_id, bert.user_id);
    stage.restart_with(|settings| settings.replace(&anna_alone, &both)).await;
    let (erik, letter) = stage.letter_from("erik").await;
    let room = letter.room_id;
    stage
        .until("Bert is in the room", async || {
            stage.members(&room).await.get(&bert.user_id).is_some_and(|word| word == "join")
        })
        .await;
    let (token, admin) = (stage.token_of(&stage.anna_id).await, stage.admin_token().await);

    // While the gateway is away, so that it cannot have fetched them. Another person's words end an answer.
    stage.gateway.stop();
    let mut files = Vec::new();
    for (name, method, way, words) in [
        ("Geloescht.pdf", "DELETE", "/_synapse/admin/v1/media", "Bitte 5 mg geben"),
        ("Gesperrt.pdf", "POST", "/_synapse/admin/v1/media/quarantine", "Und 10 mg am Abend"),
    ] {
        let media = uploaded(&stage, &token).await;
        let file = json!({
            "msgtype": "m.file", "body": name, "url": format!("mxc://{media}"),
            "info": { "mimetype": "application/pdf", "size": 27 },
        });
        files.push((name, stage.anna.send(&room, file).await.unwrap()));
        let path = format!("{way}/{media}");
        let body = (method == "POST").then(|| json!({}));
        let (status, answer) =
            stage.world.homeserver.request(method, &path, &admin, body.as_ref()).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        bert.send_text(&room, words).await.unwrap();
    }
    stage.gateway.start().await.unwrap();
    let mails = stage.mails(&erik, 2).await;
    for (mail, words) in mails.iter().zip(["Bitte 5 mg geben", "Und 10 mg am Abend"]) {
        assert!(mail.contains(words), "{mail}");
    }
    for (name, event) in &files {
        told(&stage.anna, event, &Phrase::FileLost { file_name: (*name).to_owned() }).await;
    }
    let lost = "select count(*) from parked where reason = 'media_lost'";
    stage.database_says(lost, "2").await;
    stage.anna.send_text(&room, "Danach gesagt").await.unwrap();
    assert!(stage.mails(&erik, 3).await[2].contains("Danach gesagt"));
}

/// TIM-20: a room is purged, as by a homeserver that tidies away, while a letter for it lies in the mailbox.
#[tokio::test]
async fn tim_20_a_letter_for_a_room_that_was_purged_meanwhile_comes_once_in_another_room() {
    let mut stage = Stage::new().await;
    let (erik, first) = stage.letter_from("erik").await;
    let admin = stage.admin_token().await;
    stage.gateway.stop();
    let more = format!("In-Reply-To: <erster-{erik}>\nReferences: <erster-{erik}>\n");
    let mail = kim_mail(&erik, &stage.practice, "z2@x", "AW: Befund", &more, "Wartete im Postfach");
    stage.receive(&mail).await;
    let homeserver = &stage.world.homeserver;
    let path = format!("/_synapse/admin/v2/rooms/{}", first.room_id);
    let body = json!({ "purge": true, "force_purge": true });
    let (status, answer) = homeserver.request("DELETE", &path, &admin, Some(&body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let path =
        format!("/_synapse/admin/v2/rooms/delete_status/{}", answer["delete_id"].as_str().unwrap());
    stage
        .until("the room is purged", async || {
            let (_, answer) = homeserver.request("GET", &path, &admin, None).await.unwrap();
            answer["status"] == "complete"
        })
        .await;
    stage.gateway.start().await.unwrap();
    let next = stage.anna_sees_elsewhere("Wartete im Postfach", &first.room_id).await;
    let hint = stage.anna_is_told(&Phrase::ContinuesOlderRoom).await;
    assert_eq!(hint.room_id, next.room_id);
    stage.database_says("select count(*) from posts where state <> 'sent'", "0").await;
    assert_eq!(stage.anna_saw("Wartete im Postfach"), 1);
    stage.anna.send_text(&next.room_id, "Angekommen").await.unwrap();
    assert!(stage.mails(&erik, 1).await[0].contains("Angekommen"));
    assert_eq!(stage.query("select count(*) from parked").await, "0");
}
