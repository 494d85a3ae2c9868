//! A homeserver that leaves logging in to another service (Matrix 1.15, OAuth 2.0): it takes
//! neither `/login` nor passwords, and asks the other service whose token it is.

use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use umstieg_world::{Client, World, WorldOptions, postgres::Cluster};

use super::{sees, send_raw, strict_anna};
use crate::{
    phrases::{HANDED_TO_KIM, hears},
    stage::{Stage, kim_mail},
};

/// Says whose token it is, as the Matrix Authentication Service does after it has taken over the
/// earlier tokens.
struct LoginService {
    url: String,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct TokensOfBefore {
    cluster: Cluster,
    database: String,
}

impl LoginService {
    async fn beside(world: &World) -> Self {
        let homeserver = world.surroundings().homeserver;
        let tokens = TokensOfBefore {
            cluster: world.surroundings().postgres,
            database: homeserver.database,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/oauth2/introspect", post(introspect)).with_state(tokens);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, _server: server }
    }
}

/// RFC 7662, with the fields Synapse reads.
async fn introspect(State(tokens): State<TokensOfBefore>, form: String) -> Json<Value> {
    let token = form.split('&').find_map(|field| field.strip_prefix("token=")).unwrap_or_default();
    assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{token}");
    let sql =
        format!("select user_id || ' ' || device_id from access_tokens where token = '{token}'");
    let owner = tokens.cluster.query(&tokens.database, &sql).await.unwrap();
    let Some((user, device)) = owner.trim().split_once(' ') else {
        return Json(json!({ "active": false }));
    };
    let name = user.trim_start_matches('@').split(':').next().unwrap();
    Json(json!({
        "active": true,
        "scope": "urn:matrix:client:api:*",
        "username": name,
        "device_id": device,
    }))
}

/// Waits until a client follows the homeserver again, which was restarted. A strict client that
/// learns of a ghost, its key and its post at once hides the post (decision 0008).
async fn has_found_back(stage: &Stage, client: &Client, token: &str) {
    let homeserver = &stage.world.homeserver;
    let make = "/_matrix/client/v3/createRoom";
    let (status, room) = homeserver.request("POST", make, token, Some(&json!({}))).await.unwrap();
    assert_eq!(status, 200, "{room}");
    let room = room["room_id"].as_str().unwrap();
    let words = json!({ "msgtype": "m.text", "body": "Wieder da" });
    send_raw(stage, token, room, "m.room.message", &words).await;
    sees(client, "Wieder da").await;
}

#[tokio::test]
async fn devices_are_made_and_signed_where_login_is_delegated() {
    let mut world = World::start(WorldOptions::with_slots(1), |_| {}).await.unwrap();
    let surroundings = Box::leak(Box::new(world.surroundings()));
    let mut stage = Stage::encrypted_in(surroundings, "cross-signed").await;
    let anna = strict_anna(&stage).await;
    let token = stage.token_of(&stage.anna_id).await;
    let service = LoginService::beside(&world).await;
    world.synapse.delegate_login(&service.url).await.unwrap();
    has_found_back(&stage, &anna, &token).await;
    let password = json!({ "type": "m.login.password", "password": "geheim",
                           "identifier": { "type": "m.id.user", "user": stage.anna_id } });
    let (status, answer) = surroundings
        .homeserver
        .request("POST", "/_matrix/client/v3/login", "", Some(&password))
        .await
        .unwrap();
    assert_eq!((status, &answer["errcode"]), (404, &json!("M_UNRECOGNIZED")), "{answer}");

    stage.gateway.start().await.unwrap();
    let erik = stage.correspondent("erik").await;
    stage.receive(&kim_mail(&erik, &stage.practice, "d1@x", "Befund", "", "Guten Tag")).await;
    let letter = sees(&anna, "Guten Tag").await;
    assert!(letter.encrypted);
    anna.send_text(&letter.room_id, "Danke sehr").await.unwrap();
    let mails = stage.mails(&erik, 1).await;
    assert!(mails[0].contains("Danke sehr"), "{}", mails[0]);
    hears(&anna, &HANDED_TO_KIM).await;
    let seen = anna.seen();
    assert_eq!((seen.undecipherable().count(), seen.shielded().count()), (0, 0), "{seen}");
    drop(stage);
    drop(world);
}
