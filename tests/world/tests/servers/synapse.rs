use std::collections::BTreeSet;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use umstieg_world::{Slot, World, WorldOptions};

const VERSIONS: &str = "/_matrix/client/versions";

#[tokio::test]
async fn a_ping_is_refused_while_nobody_runs_the_service_and_answered_once_somebody_does() {
    let world = World::shared().await.unwrap();
    let slot = world.homeserver.take_slot().await.unwrap();
    let (path, body) = (format!("/_matrix/client/v1/appservice/{}/ping", slot.id), json!({}));
    let ping_it = || world.homeserver.request("POST", &path, &slot.as_token, Some(&body));

    let (status, answer) = ping_it().await.unwrap();
    assert_eq!(status, 502, "{answer}");
    assert_eq!(answer["errcode"], "M_CONNECTION_FAILED");

    let gateway = TcpListener::bind(("127.0.0.1", slot.port)).await.unwrap();
    let answered = async {
        loop {
            let (mut stream, _) = gateway.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let head = String::from_utf8_lossy(&request[..length]).into_owned();
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.unwrap();
            // What is left of an earlier user of the slot may come first.
            if head.starts_with("POST /_matrix/app/v1/ping") {
                return head;
            }
        }
    };
    let (head, pong) = tokio::join!(answered, ping_it());
    assert!(head.contains(&slot.hs_token), "{head}");
    assert_eq!(pong.unwrap().0, 200);
}

#[tokio::test]
async fn a_slot_owns_its_users_and_aliases_and_no_others() {
    let homeserver = &World::shared().await.unwrap().homeserver;
    let slot = homeserver.take_slot().await.unwrap();
    let register = async |localpart: String| {
        let body = json!({
            "type": "m.login.application_service", "username": localpart, "inhibit_login": true,
        });
        let path = "/_matrix/client/v3/register";
        homeserver.request("POST", path, &slot.as_token, Some(&body)).await.unwrap()
    };
    let own = format!("{}ghost", slot.prefix);
    // 400 if an earlier test of a shared world has made it: M_USER_IN_USE.
    let (status, answer) = register(own.clone()).await;
    assert!(status == 200 || answer["errcode"] == "M_USER_IN_USE", "{answer}");
    let (status, answer) = register("somebody".to_owned()).await;
    assert_eq!((status, answer["errcode"].as_str()), (400, Some("M_EXCLUSIVE")));

    let anna = homeserver.register_user("alias-anna", "geheim").await.unwrap();
    let body = json!({ "room_alias_name": format!("{}room", slot.prefix) });
    let path = "/_matrix/client/v3/createRoom";
    let answer = homeserver.request("POST", path, &anna.access_token, Some(&body)).await.unwrap();
    assert_eq!((answer.0, answer.1["errcode"].as_str()), (400, Some("M_EXCLUSIVE")));
}

#[tokio::test]
async fn nobody_shares_a_slot() {
    let homeserver = &World::shared().await.unwrap().homeserver;
    let (one, two) = tokio::join!(homeserver.take_slot(), homeserver.take_slot());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.id, two.id);
    let of = |value: fn(&Slot) -> String| {
        homeserver.slots.iter().map(value).collect::<BTreeSet<_>>().len()
    };
    for distinct in [
        of(|slot| slot.id.clone()),
        of(|slot| slot.as_token.clone()),
        of(|slot| slot.hs_token.clone()),
        of(|slot| slot.prefix.clone()),
        of(|slot| slot.port.to_string()),
    ] {
        assert_eq!(distinct, homeserver.slots.len());
    }
}

#[tokio::test]
async fn users_and_rooms_survive_a_kill_and_rooms_are_of_version_10() {
    let registration = Slot {
        id: "own".to_owned(),
        as_token: "as".to_owned(),
        hs_token: "hs".to_owned(),
        sender_localpart: "sender".to_owned(),
        prefix: "_own_".to_owned(),
        port: 9,
    }
    .registration("praxis.test");
    let mut world =
        World::start(WorldOptions::with_registration(registration), |_| {}).await.unwrap();
    let anna = world.synapse.register_user("anna", "geheim").await.unwrap();
    assert_eq!(anna.id, world.synapse.user_id("anna"));
    let (status, room) = world
        .synapse
        .request("POST", "/_matrix/client/v3/createRoom", &anna.access_token, Some(&json!({})))
        .await
        .unwrap();
    assert_eq!(status, 200, "{room}");

    world.synapse.kill();
    world.synapse.request("GET", VERSIONS, "", None).await.unwrap_err();
    world.synapse.start_again().await.unwrap();

    let room = room["room_id"].as_str().unwrap();
    let path = format!("/_matrix/client/v3/rooms/{room}/state/m.room.create");
    let (status, create) =
        world.synapse.request("GET", &path, &anna.access_token, None).await.unwrap();
    assert_eq!((status, create["room_version"].as_str()), (200, Some("10")));
    // The caller's own registration is in force.
    let (status, _) = world
        .synapse
        .request("GET", "/_matrix/client/v3/account/whoami", "as", None)
        .await
        .unwrap();
    assert_eq!(status, 200);
}
