//! The exact shape of requests, and what becomes of the answers, against a stand-in for the
//! homeserver. `tests/it` meets a real one.

mod sync;

use std::time::Duration;

use bytes::Bytes;
use ruma::{DeviceId, RoomId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path, query_param},
};

use super::*;
use crate::model::{ChannelKind, Correspondent, GhostName, MailAddress};

const TOKEN: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
const ROOM: &str = "/_matrix/client/v3/rooms/!r:hs.example";

fn homeserver_at(base_url: &str) -> Homeserver {
    Homeserver::new(HomeserverAccess {
        base_url: base_url.parse().unwrap(),
        server_name: "hs.example".try_into().unwrap(),
        as_token: "our_secret".into(),
        bot_localpart: "_umstieg_bot".to_owned(),
        user_prefix: "_umstieg_".to_owned(),
        extra_roots_pem: Vec::new(),
    })
    .unwrap()
}

/// A client, and a homeserver that answers every request of this kind in the same way.
async fn answering(
    http_method: &str,
    at: &str,
    answer: ResponseTemplate,
) -> (Homeserver, MockServer) {
    let server = MockServer::start().await;
    answer_on(&server, http_method, at, answer).await;
    (homeserver_at(&server.uri()), server)
}

async fn answer_on(server: &MockServer, http_method: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(http_method)).and(path(at)).respond_with(answer).mount(server).await;
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn refused(status: u16, errcode: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "errcode": errcode, "error": "no" }))
}

/// The requests, oldest first; every request must carry our token.
async fn asked(server: &MockServer) -> Vec<Request> {
    let requests = server.received_requests().await.unwrap();
    for request in &requests {
        assert_eq!(request.headers["authorization"], "Bearer our_secret", "{}", request.url);
    }
    requests
}

/// The query without its order.
fn query(request: &Request) -> Value {
    request.url.query_pairs().map(|(name, value)| (name.into_owned(), json!(value))).collect()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn device() -> &'static DeviceId {
    "UMSTIEG".into()
}

fn voice() -> Voice<'static> {
    Voice { user: ghost(), device: device() }
}

fn ghost() -> &'static UserId {
    <&UserId>::try_from("@_umstieg_fax_49301234567:hs.example").unwrap()
}

fn room() -> &'static RoomId {
    <&RoomId>::try_from("!r:hs.example").unwrap()
}

fn plan() -> PortalPlan<'static> {
    PortalPlan {
        kind: ChannelKind::Fax,
        alias_token: TOKEN,
        name: "Fax 4711",
        ghost: ghost(),
        encrypted: true,
    }
}

#[test]
fn a_ghosts_user_id_fits_and_leads_back_to_its_correspondent() {
    let homeserver = homeserver_at("http://localhost");
    // `@` + `_umstieg_` + name + `:hs.example`
    assert_eq!(homeserver.room_for_ghost_name(), 255 - 1 - 9 - 11);
    let address = MailAddress::new("praxis@mueller.kim.telematik").unwrap();
    let correspondent = Correspondent::Mail(address);
    let name = GhostName::of(&correspondent, homeserver.room_for_ghost_name()).unwrap();
    let user = homeserver.ghost_user_id(&name).unwrap();
    assert_eq!(user, "@_umstieg_kim_praxis=40mueller.kim.telematik:hs.example");
    assert_eq!(homeserver.correspondent_of(&user), Some(correspondent));
    for stranger in [
        "@_umstieg_kim_praxis=40mueller.kim.telematik:elsewhere.example",
        "@kim_praxis=40mueller.kim.telematik:hs.example",
        "@_umstieg_bot:hs.example",
    ] {
        assert_eq!(homeserver.correspondent_of(stranger.try_into().unwrap()), None, "{stranger}");
    }
}

#[tokio::test]
async fn a_user_is_registered_without_logging_in() {
    let at = "/_matrix/client/v3/register";
    let answer = ok(json!({ "user_id": "@_umstieg_bot:hs.example" }));
    let (homeserver, server) = answering("POST", at, answer).await;
    homeserver.register("_umstieg_bot").await.unwrap();
    let requests = asked(&server).await;
    // No request can be made as a user who does not exist yet.
    assert_eq!(query(&requests[0]), json!({}));
    assert_eq!(
        body(&requests[0]),
        json!({
            "type": "m.login.application_service",
            "username": "_umstieg_bot",
            "inhibit_login": true,
        })
    );
}

#[tokio::test]
async fn tim_5_a_user_who_is_there_is_as_good_as_registered() {
    let at = "/_matrix/client/v3/register";
    let (homeserver, _server) = answering("POST", at, refused(400, "M_USER_IN_USE")).await;
    homeserver.register("_umstieg_bot").await.unwrap();
    let (homeserver, _server) = answering("POST", at, refused(400, "M_EXCLUSIVE")).await;
    assert_eq!(homeserver.register("mfa").await.unwrap_err().kind(), ErrorKind::Never);
}

#[tokio::test]
async fn tim_29_a_device_is_made_whose_name_says_nothing() {
    for status in [200, 201] {
        let answer = ResponseTemplate::new(status).set_body_json(json!({}));
        let at = "/_matrix/client/v3/devices/UMSTIEG";
        let (homeserver, server) = answering("PUT", at, answer).await;
        homeserver.ensure_device(ghost(), device()).await.unwrap();
        let requests = asked(&server).await;
        assert_eq!(query(&requests[0]), json!({ "user_id": ghost() }));
        assert_eq!(body(&requests[0]), json!({ "display_name": "Umstieg" }));
    }
}

#[tokio::test]
async fn tim_16_a_homeserver_that_names_users_itself_is_no_fault() {
    let at = format!("/_matrix/client/v3/profile/{}/displayname", ghost());
    for (answer, expected) in [
        (ok(json!({})), Some(true)),
        (refused(400, "M_FORBIDDEN"), Some(false)),
        (refused(403, "M_FORBIDDEN"), Some(false)),
        (refused(429, "M_LIMIT_EXCEEDED"), None),
        (refused(500, "M_UNKNOWN"), None),
    ] {
        let (homeserver, server) = answering("PUT", &at, answer).await;
        assert_eq!(homeserver.set_displayname(ghost(), "Fax").await.ok(), expected);
        assert_eq!(body(&asked(&server).await[0]), json!({ "displayname": "Fax" }));
    }
}

/// TIM-1, 2, 3, 29: the golden form of a portal.
#[tokio::test]
async fn tim_1_a_portal_is_opened_in_one_request() {
    let answer = ok(json!({ "room_id": "!r:hs.example" }));
    let (homeserver, server) = answering("POST", "/_matrix/client/v3/createRoom", answer).await;
    assert_eq!(homeserver.create_portal(&plan()).await.unwrap(), room());
    let requests = asked(&server).await;
    assert_eq!(requests.len(), 1);
    let bot = "@_umstieg_bot:hs.example";
    assert_eq!(query(&requests[0]), json!({ "user_id": bot }));
    let bridge = json!({
        "bridgebot": bot,
        "creator": bot,
        "protocol": { "id": "fax", "displayname": "Fax" },
        "channel": { "id": "0123456789abcdef0123456789abcdef" },
    });
    let bridge_key = "umstieg/fax/0123456789abcdef0123456789abcdef";
    assert_eq!(
        body(&requests[0]),
        json!({
            // No `visibility`: private is what leaving it out means.
            "creation_content": { "type": "de.gematik.tim.roomtype.default.v1" },
            "room_version": "10",
            "preset": "private_chat",
            "room_alias_name": "_umstieg_0123456789abcdef0123456789abcdef",
            "invite": ["@_umstieg_fax_49301234567:hs.example"],
            "power_level_content_override": {
                "users": { bot: 100 },
                "users_default": 0,
                "events_default": 0,
                "state_default": 50,
                "invite": 50,
                "kick": 50,
                "ban": 50,
                "redact": 50,
            },
            "initial_state": [
                { "type": "m.room.join_rules", "state_key": "", "content": { "join_rule": "invite" } },
                {
                    "type": "m.room.history_visibility", "state_key": "",
                    "content": { "history_visibility": "invited" },
                },
                {
                    "type": "m.room.guest_access", "state_key": "",
                    "content": { "guest_access": "forbidden" },
                },
                {
                    "type": "m.room.encryption", "state_key": "",
                    "content": { "algorithm": "m.megolm.v1.aes-sha2" },
                },
                { "type": "m.room.name", "state_key": "", "content": { "name": "Fax 4711" } },
                {
                    "type": "de.gematik.tim.room.name", "state_key": "",
                    "content": { "name": "Fax 4711" },
                },
                { "type": "m.bridge", "state_key": bridge_key, "content": bridge },
                { "type": "uk.half-shot.bridge", "state_key": bridge_key, "content": bridge },
                {
                    "type": "io.element.functional_members", "state_key": "",
                    "content": { "service_members": [bot] },
                },
            ],
        })
    );
}

#[tokio::test]
async fn a_portal_whose_alias_is_taken_is_looked_up() {
    let at = "/_matrix/client/v3/createRoom";
    let (homeserver, server) = answering("POST", at, refused(400, "M_ROOM_IN_USE")).await;
    let error = homeserver.create_portal(&plan()).await.unwrap_err();
    assert!(matches!(error, CreateError::AliasTaken));

    let directory =
        "/_matrix/client/v3/directory/room/%23_umstieg_0123456789abcdef0123456789abcdef:hs.example";
    let answer = ok(json!({ "room_id": "!r:hs.example", "servers": ["hs.example"] }));
    answer_on(&server, "GET", directory, answer).await;
    assert_eq!(homeserver.resolve_alias(TOKEN).await.unwrap().unwrap(), room());

    let (homeserver, _server) = answering("GET", directory, refused(404, "M_NOT_FOUND")).await;
    assert_eq!(homeserver.resolve_alias(TOKEN).await.unwrap(), None);
}

#[tokio::test]
async fn tim_7_a_portal_that_may_not_be_opened_is_no_alias_taken() {
    let at = "/_matrix/client/v3/createRoom";
    let (homeserver, _server) = answering("POST", at, refused(403, "M_FORBIDDEN")).await;
    let CreateError::Failed(error) = homeserver.create_portal(&plan()).await.unwrap_err() else {
        panic!("not a failure")
    };
    assert_eq!(error.kind(), ErrorKind::Never);
}

fn state_of_our_portal() -> Vec<Value> {
    let bot = "@_umstieg_bot:hs.example";
    vec![
        json!({ "type": "m.room.create", "state_key": "", "sender": bot, "content": {} }),
        json!({
            "type": "m.room.member", "state_key": bot, "sender": bot,
            "content": { "membership": "join" },
        }),
        json!({
            "type": "m.bridge", "state_key": "x", "sender": bot,
            "content": {
                "protocol": { "id": "fax" },
                "channel": { "id": "0123456789abcdef0123456789abcdef" },
            },
        }),
        json!("something nobody can read"),
    ]
}

#[tokio::test]
async fn tim_20_only_a_portal_of_ours_is_adopted() {
    async fn check(state: Vec<Value>, expected: bool) {
        let shown = json!(state).to_string();
        let (homeserver, _server) =
            answering("GET", &format!("{ROOM}/state"), ok(json!(state))).await;
        let is_ours = homeserver.portal_is_ours(room(), ChannelKind::Fax, TOKEN).await.unwrap();
        assert_eq!(is_ours, expected, "{shown}");
    }
    let changed = |index: usize, pointer: &str, value: Value| {
        let mut state = state_of_our_portal();
        *state[index].pointer_mut(pointer).unwrap() = value;
        state
    };
    check(state_of_our_portal(), true).await;
    check(vec![], false).await;
    check(changed(0, "/sender", json!("@mallory:hs.example")), false).await;
    check(changed(1, "/content/membership", json!("leave")), false).await;
    check(changed(2, "/sender", json!("@mallory:hs.example")), false).await;
    check(changed(2, "/content/channel/id", json!("another")), false).await;
    check(changed(2, "/content/protocol/id", json!("kim")), false).await;
    let mut upgraded = state_of_our_portal();
    upgraded.push(json!({ "type": "m.room.tombstone", "state_key": "", "content": {} }));
    check(upgraded, false).await;

    let at = format!("{ROOM}/state");
    let (homeserver, _server) = answering("GET", &at, refused(403, "M_FORBIDDEN")).await;
    assert!(!homeserver.portal_is_ours(room(), ChannelKind::Fax, TOKEN).await.unwrap());
    let (homeserver, _server) = answering("GET", &at, refused(500, "M_UNKNOWN")).await;
    assert!(homeserver.portal_is_ours(room(), ChannelKind::Fax, TOKEN).await.is_err());
}

#[tokio::test]
async fn tim_16_a_ghost_joins_and_is_named_in_one_request() {
    let at = format!("{ROOM}/state/m.room.member/{}", ghost());
    let (homeserver, server) = answering("PUT", &at, ok(json!({ "event_id": "$j" }))).await;
    assert!(homeserver.join_with_name(ghost(), room(), "Fax +49 30 (Fax)").await.unwrap());
    let requests = asked(&server).await;
    assert_eq!(requests.len(), 1);
    assert_eq!(query(&requests[0]), json!({ "user_id": ghost() }));
    assert_eq!(
        body(&requests[0]),
        json!({ "membership": "join", "displayname": "Fax +49 30 (Fax)" })
    );
}

#[tokio::test]
async fn tim_16_a_ghost_that_may_not_name_itself_still_joins() {
    let at = format!("{ROOM}/state/m.room.member/{}", ghost());
    let (homeserver, server) = answering("PUT", &at, refused(403, "M_FORBIDDEN")).await;
    let joined = ok(json!({ "room_id": "!r:hs.example" }));
    answer_on(&server, "POST", "/_matrix/client/v3/join/!r:hs.example", joined).await;
    assert!(!homeserver.join_with_name(ghost(), room(), "Fax").await.unwrap());
}

#[tokio::test]
async fn tim_20_a_ghost_that_is_not_invited_finds_its_portal_gone() {
    let at = format!("{ROOM}/state/m.room.member/{}", ghost());
    let (homeserver, server) = answering("PUT", &at, refused(403, "M_FORBIDDEN")).await;
    let no = refused(403, "M_FORBIDDEN");
    answer_on(&server, "POST", "/_matrix/client/v3/join/!r:hs.example", no).await;
    let error = homeserver.join_with_name(ghost(), room(), "Fax").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
}

/// The bot's and the invitee's membership after an invitation was refused, and what it means.
#[tokio::test]
async fn tim_7_a_refused_invitation_is_told_from_a_lost_portal() {
    let mfa = <&UserId>::try_from("@mfa:other.example").unwrap();
    for (bot, invitee, expected) in [
        ("join", Some("join"), Ok(Invited::Done)),
        ("join", Some("invite"), Ok(Invited::Done)),
        ("join", Some("leave"), Ok(Invited::Refused)),
        ("join", Some("ban"), Ok(Invited::Refused)),
        ("join", None, Ok(Invited::Refused)),
        ("leave", Some("join"), Err(ErrorKind::Gone)),
    ] {
        let at = format!("{ROOM}/invite");
        let (homeserver, server) = answering("POST", &at, refused(403, "M_FORBIDDEN")).await;
        let state = format!("{ROOM}/state/m.room.member");
        let of_bot = ok(json!({ "membership": bot }));
        answer_on(&server, "GET", &format!("{state}/{}", homeserver.bot()), of_bot).await;
        let of_invitee = invitee.map_or(refused(404, "M_NOT_FOUND"), |membership| {
            ok(json!({ "membership": membership }))
        });
        answer_on(&server, "GET", &format!("{state}/{mfa}"), of_invitee).await;
        let invited = homeserver.invite(mfa, room()).await.map_err(|error| error.kind());
        assert_eq!(invited, expected, "{bot} {invitee:?}");
        assert_eq!(body(&asked(&server).await[0]), json!({ "user_id": mfa }));
    }
}

#[tokio::test]
async fn leaving_a_room_one_is_not_in_is_fine() {
    for answer in [ok(json!({})), refused(403, "M_FORBIDDEN"), refused(404, "M_NOT_FOUND")] {
        let (homeserver, _server) = answering("POST", &format!("{ROOM}/leave"), answer).await;
        homeserver.leave(ghost(), room()).await.unwrap();
    }
}

#[tokio::test]
async fn members_are_those_who_are_there_or_invited() {
    let member = |user: &str, membership: &str| {
        json!({
            "type": "m.room.member", "state_key": user, "sender": user, "event_id": "$m",
            "room_id": "!r:hs.example", "content": { "membership": membership },
        })
    };
    let answer = ok(json!({ "chunk": [
        member("@a:hs.example", "join"), member("@b:hs.example", "invite"),
        member("@c:hs.example", "ban"), member("@d:hs.example", "knock"),
        { "garbage": true }, 7,
    ]}));
    let (homeserver, server) = answering("GET", &format!("{ROOM}/members"), answer).await;
    let members = homeserver.joined_and_invited_members(room()).await.unwrap();
    let users: Vec<_> = members.iter().map(|member| member.user.as_str()).collect();
    assert_eq!(users, ["@a:hs.example", "@b:hs.example"]);
    assert_eq!(query(&asked(&server).await[0])["not_membership"], "leave");
}

#[tokio::test]
async fn tim_4_an_upgraded_room_tells_where_it_goes_on() {
    let at = format!("{ROOM}/state/m.room.tombstone/");
    let answer = ok(json!({ "replacement_room": "!new:hs.example", "body": "x" }));
    let (homeserver, _server) = answering("GET", &at, answer).await;
    assert_eq!(homeserver.replacement_of(room()).await.unwrap().unwrap(), "!new:hs.example");
    let (homeserver, _server) = answering("GET", &at, refused(404, "M_NOT_FOUND")).await;
    assert_eq!(homeserver.replacement_of(room()).await.unwrap(), None);
}

#[tokio::test]
async fn tim_22_a_post_is_sent_under_its_txn_id_from_its_device() {
    let at = format!("{ROOM}/send/m.room.message/u-1-0");
    let (homeserver, server) = answering("PUT", &at, ok(json!({ "event_id": "$e" }))).await;
    let content = json!({ "msgtype": "m.text", "body": "Guten Tag" });
    let event =
        homeserver.send(voice(), room(), "m.room.message", &content, "u-1-0").await.unwrap();
    assert_eq!(event, "$e");
    let requests = asked(&server).await;
    assert_eq!(query(&requests[0]), json!({ "user_id": ghost(), "device_id": "UMSTIEG" }));
    assert_eq!(body(&requests[0]), content);
}

#[tokio::test]
async fn a_limit_is_told_not_waited_for() {
    let at = format!("{ROOM}/send/m.room.message/t");
    let seconds = refused(429, "M_LIMIT_EXCEEDED").insert_header("Retry-After", "7");
    let both = ResponseTemplate::new(429)
        .set_body_json(json!({ "errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500 }));
    for (answer, expected) in [(seconds, 7000), (both, 2500)] {
        let (homeserver, server) = answering("PUT", &at, answer).await;
        let sent = homeserver.send(voice(), room(), "m.room.message", &json!({}), "t").await;
        let after = Some(Duration::from_millis(expected));
        assert_eq!(sent.unwrap_err().kind(), ErrorKind::Again { after });
        assert_eq!(asked(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn a_homeserver_that_is_away_is_an_outage() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let homeserver = homeserver_at(&format!("http://{address}"));
    let error =
        homeserver.send(voice(), room(), "m.room.message", &json!({}), "t").await.unwrap_err();
    assert!(error.is_outage());
    assert_eq!(error.kind(), ErrorKind::Again { after: None });
    // TIM-29: the address of the request named a room and a ghost.
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("!r:") && !shown.contains("_umstieg_"), "{shown}");
}

/// A file or a person of a homeserver that no longer exists is answered 502: everything else is there.
#[tokio::test]
async fn what_is_away_alone_is_no_outage() {
    let (bad, versions) = (refused(502, "M_UNKNOWN"), "/_matrix/client/versions");
    let at = format!("{ROOM}/send/m.room.message/t");
    let (homeserver, server) = answering("PUT", &at, bad.clone()).await;
    for (answer, is_away) in [(ok(json!({ "versions": ["v1.11"] })), false), (bad, true)] {
        let sent = homeserver.send(voice(), room(), "m.room.message", &json!({}), "t").await;
        let error = sent.unwrap_err();
        assert!(error.is_outage());
        let of_versions = Mock::given(method("GET")).and(path(versions)).respond_with(answer);
        let _of_versions = server.register_as_scoped(of_versions).await;
        assert_eq!(homeserver.is_away(&error).await, is_away);
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_asked_for_again() {
    let at = format!("{ROOM}/send/m.room.message/t");
    for answer in
        [ok(json!({})), ok(json!([])), ResponseTemplate::new(200).set_body_string("<html>")]
    {
        let (homeserver, _server) = answering("PUT", &at, answer).await;
        let error =
            homeserver.send(voice(), room(), "m.room.message", &json!({}), "t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Again { after: None });
        assert!(!error.is_outage());
    }
}

#[tokio::test]
async fn a_redirect_does_not_take_our_token_elsewhere() {
    let elsewhere = MockServer::start().await;
    let answer = ResponseTemplate::new(302).insert_header("Location", elsewhere.uri().as_str());
    let (homeserver, _server) = answering("GET", "/_matrix/client/v3/account/whoami", answer).await;
    assert_eq!(homeserver.whoami().await.unwrap_err().status(), Some(302));
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn tim_29_a_file_is_uploaded_without_its_name() {
    let answer = ok(json!({ "content_uri": "mxc://hs.example/m" }));
    let (homeserver, server) = answering("POST", "/_matrix/media/v3/upload", answer).await;
    let bytes = Bytes::from_static(b"%PDF-1.7");
    let uri = homeserver.upload(ghost(), "application/pdf", Upload::whole(bytes)).await.unwrap();
    assert_eq!(uri, "mxc://hs.example/m");
    let requests = asked(&server).await;
    assert_eq!(query(&requests[0]), json!({ "user_id": ghost() }));
    assert_eq!(requests[0].headers["content-type"], "application/pdf");
    assert_eq!(requests[0].headers["content-length"], "8");
    assert_eq!(requests[0].body, b"%PDF-1.7");
}

#[tokio::test]
async fn a_file_beyond_the_homeservers_limit_is_never_tried_again() {
    let at = "/_matrix/media/v3/upload";
    let (homeserver, _server) = answering("POST", at, refused(413, "M_TOO_LARGE")).await;
    let error = homeserver
        .upload(ghost(), "a/b", Upload::whole(Bytes::from_static(b"x")))
        .await
        .unwrap_err();
    assert!(error.is_too_large() && error.kind() == ErrorKind::Never);
}

#[tokio::test]
async fn tim_13_a_file_is_fetched_with_our_token_and_within_a_bound() {
    let at = "/_matrix/client/v1/media/download/other.example/m";
    let file = ResponseTemplate::new(200).set_body_bytes(vec![7; 1000]);
    let (homeserver, server) = answering("GET", at, file).await;
    let uri = "mxc://other.example/m".into();
    assert_eq!(homeserver.download(uri, 1000).await.unwrap(), vec![7; 1000]);
    assert_eq!(asked(&server).await.len(), 1);
    let error = homeserver.download(uri, 999).await.unwrap_err();
    assert!(error.is_too_large() && error.kind() == ErrorKind::Never);
    for broken in ["https://other.example/m", "mxc://", ""] {
        let error = homeserver.download(broken.into(), 1000).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Never, "{broken}");
    }
}

#[tokio::test]
async fn the_homeservers_limit_for_files_is_read() {
    let at = "/_matrix/client/v1/media/config";
    let (homeserver, _server) = answering("GET", at, ok(json!({ "m.upload.size": 1234 }))).await;
    assert_eq!(homeserver.upload_bytes_max().await.unwrap(), Some(1234));
    let (homeserver, _server) = answering("GET", at, ok(json!({}))).await;
    assert_eq!(homeserver.upload_bytes_max().await.unwrap(), None);
}

/// Behind a proxy that keeps account data back, the refused invitation is what is told.
#[tokio::test]
async fn tim_6_where_account_data_is_not_to_be_had_nothing_is_changed() {
    let at = "/_matrix/client/v3/user/@_umstieg_bot:hs.example/account_data/\
              de.gematik.tim.account.permissionconfig.pro.v1";
    let none = refused(404, "M_NOT_FOUND");
    let (homeserver, server) = answering("GET", at, refused(403, "M_FORBIDDEN")).await;
    assert!(!homeserver.let_bot_invite(homeserver.bot()).await.unwrap());
    server.reset().await;
    answer_on(&server, "GET", at, none).await;
    answer_on(&server, "PUT", at, refused(403, "M_FORBIDDEN")).await;
    assert!(!homeserver.let_bot_invite(homeserver.bot()).await.unwrap());
    assert_eq!(asked(&server).await.len(), 2);
}

#[tokio::test]
async fn a_ping_is_asked_for() {
    let at = "/_matrix/client/v1/appservice/umstieg/ping";
    let (homeserver, server) = answering("POST", at, ok(json!({ "duration_ms": 12 }))).await;
    let duration = homeserver.ping("umstieg", "t").await.unwrap();
    assert_eq!(duration, Duration::from_millis(12));
    assert_eq!(body(&asked(&server).await[0]), json!({ "transaction_id": "t" }));
}

/// Unencrypted rooms are for a laboratory, and stay on their own server.
#[tokio::test]
async fn a_portal_without_encryption_is_not_federated() {
    let answer = ok(json!({ "room_id": "!r:hs.example" }));
    let (homeserver, server) = answering("POST", "/_matrix/client/v3/createRoom", answer).await;
    homeserver.create_portal(&PortalPlan { encrypted: false, ..plan() }).await.unwrap();
    let asked = body(&asked(&server).await[0]);
    assert_eq!(asked["creation_content"]["m.federate"], false);
    let state = asked["initial_state"].as_array().unwrap();
    assert!(state.iter().all(|event| event["type"] != "m.room.encryption"));
}

#[tokio::test]
async fn requests_are_counted_by_what_was_asked() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let at = format!("{ROOM}/send/m.room.message/t");
    let (homeserver, _server) = answering("PUT", &at, ok(json!({ "event_id": "$e" }))).await;
    let guard = ::metrics::set_default_local_recorder(&recorder);
    homeserver.send(voice(), room(), "m.room.message", &json!({}), "t").await.unwrap();
    drop(guard);
    let figures = handle.render();
    assert!(figures.contains(r#"umstieg_matrix_requests_total{endpoint="send"} 1"#), "{figures}");
}
