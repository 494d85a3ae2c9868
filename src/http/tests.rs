//! Every path and every error of the doors, without a database. `tests/it` checks with a database
//! what is saved.

use axum::{
    body::Body,
    http::{Method, Request},
};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch;
use tower::ServiceExt;

use super::*;
use crate::store::seal::{DataKey, Seal};

const TOKEN: &str = "the_homeservers_own_secret";
const TRANSACTION: &str = "/_matrix/app/v1/transactions/1";

/// Doors whose database is away: whatever gets as far as being saved is answered with 500.
fn doors() -> Router {
    let pool = sqlx::postgres::PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(300))
        .connect_lazy("postgres://nobody@127.0.0.1:1/none")
        .unwrap();
    router(Doors {
        hs_token: TOKEN.into(),
        store: Store::new(pool, Seal::new([&DataKey::random(1)]).unwrap()),
        clock: Clock::new(|| OffsetDateTime::UNIX_EPOCH),
        heard: Arc::new(|_| {}),
    })
}

async fn answer(router: Router, request: Request<Body>) -> (u16, Value) {
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Sends a request as the homeserver does.
async fn knock(method: Method, path: &str, body: impl Into<Body>) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Authorization", format!("Bearer {TOKEN}"))
        .body(body.into())
        .unwrap();
    answer(doors(), request).await
}

/// Status and error code of a refusal; every refusal has a sentence too.
fn refusal(answer: &(u16, Value)) -> (u16, &str) {
    assert!(answer.1["error"].is_string(), "{answer:?}");
    (answer.0, answer.1["errcode"].as_str().unwrap())
}

#[tokio::test]
async fn only_who_knows_the_token_gets_in() {
    let get = |header: Option<&str>, query: &str| {
        let mut request = Request::builder().uri(format!("/_matrix/app/v1/users/@a:b{query}"));
        if let Some(header) = header {
            request = request.header("Authorization", header);
        }
        request.body(Body::empty()).unwrap()
    };
    let bearer = format!("Bearer {TOKEN}");
    let query = format!("?access_token={TOKEN}");
    for (header, query, expected) in [
        (None, "", (401, "M_MISSING_TOKEN")),
        (Some("Basic x"), "", (401, "M_MISSING_TOKEN")),
        (Some("Bearer"), "", (401, "M_MISSING_TOKEN")),
        (Some("Bearer "), "", (403, "M_FORBIDDEN")),
        (Some("Bearer wrong"), "", (403, "M_FORBIDDEN")),
        (Some("Bearer the_homeservers_own_secre"), "", (403, "M_FORBIDDEN")),
        (Some("Bearer the_homeservers_own_secret1"), "", (403, "M_FORBIDDEN")),
        (None, "?access_token=wrong", (403, "M_FORBIDDEN")),
        // A right query does not repair a wrong header.
        (Some("Bearer wrong"), &query, (403, "M_FORBIDDEN")),
        (Some(&bearer), "", (404, "M_NOT_FOUND")),
        (Some(&bearer.replace("Bearer", "bearer")), "", (404, "M_NOT_FOUND")),
        (None, &query, (404, "M_NOT_FOUND")),
    ] {
        let answer = answer(doors(), get(header, query)).await;
        assert_eq!(refusal(&answer), expected, "{header:?} {query}");
    }
}

#[tokio::test]
async fn every_door_asks_for_the_token() {
    for (method, path) in [
        (Method::PUT, TRANSACTION),
        (Method::GET, "/_matrix/app/v1/users/@a:b"),
        (Method::GET, "/_matrix/app/v1/rooms/%23a:b"),
        (Method::POST, "/_matrix/app/v1/ping"),
        (Method::GET, "/_matrix/app/v1/thirdparty/protocol/kim"),
        (Method::PUT, "/transactions/1"),
        (Method::GET, "/users/@a:b"),
        (Method::GET, "/rooms/%23a:b"),
        (Method::GET, "/_matrix/app/unstable/thirdparty/user"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(refusal(&answer(doors(), request).await), (401, "M_MISSING_TOKEN"), "{path}");
    }
}

#[tokio::test]
async fn tim_5_asking_for_a_ghost_does_not_make_it() {
    for path in ["/_matrix/app/v1/users", "/users"] {
        let path = format!("{path}/@_umstieg_kim_a=40b.kim.telematik:hs.example");
        let answer = knock(Method::GET, &path, Body::empty()).await;
        assert_eq!(refusal(&answer), (404, "M_NOT_FOUND"));
    }
    for path in ["/_matrix/app/v1/rooms/%23_umstieg_1:hs.example", "/rooms/%23a:hs.example"] {
        let answer = knock(Method::GET, path, Body::empty()).await;
        assert_eq!(refusal(&answer), (404, "M_NOT_FOUND"));
    }
}

#[tokio::test]
async fn what_is_not_here_is_said_in_the_error_form() {
    for (method, path, expected) in [
        (Method::GET, "/_matrix/app/v1/thirdparty/protocol/kim", (404, "M_UNRECOGNIZED")),
        (Method::GET, "/_matrix/app/unstable/thirdparty/user", (404, "M_UNRECOGNIZED")),
        (Method::GET, "/_matrix/app/v2/anything", (404, "M_UNRECOGNIZED")),
        (Method::GET, "/", (404, "M_UNRECOGNIZED")),
        (Method::POST, TRANSACTION, (405, "M_UNRECOGNIZED")),
        (Method::DELETE, "/_matrix/app/v1/users/@a:b", (405, "M_UNRECOGNIZED")),
    ] {
        let answer = knock(method, path, Body::empty()).await;
        assert_eq!(refusal(&answer), expected, "{path}");
    }
}

#[tokio::test]
async fn a_ping_is_answered() {
    let path = "/_matrix/app/v1/ping";
    assert_eq!(knock(Method::POST, path, r#"{"transaction_id":"t"}"#).await, (200, json!({})));
    assert_eq!(knock(Method::POST, path, "{}").await, (200, json!({})));
    assert_eq!(refusal(&knock(Method::POST, path, "").await), (400, "M_NOT_JSON"));
    assert_eq!(refusal(&knock(Method::POST, path, "7").await), (400, "M_BAD_JSON"));
}

#[tokio::test]
async fn a_transaction_that_is_none_is_refused() {
    for (body, expected) in [
        ("", "M_NOT_JSON"),
        ("{", "M_NOT_JSON"),
        ("hello", "M_NOT_JSON"),
        ("[]x", "M_NOT_JSON"),
        ("7", "M_BAD_JSON"),
        (r#"{"events":{}}"#, "M_BAD_JSON"),
        (r#"{"events":7}"#, "M_BAD_JSON"),
    ] {
        let answer = knock(Method::PUT, TRANSACTION, body).await;
        assert_eq!(refusal(&answer), (400, expected), "{body}");
    }
    let answer = knock(Method::PUT, TRANSACTION, vec![b'"', 0xff, 0xfe, b'"']).await;
    assert_eq!(answer.0, 400);
}

#[tokio::test]
async fn a_transaction_without_a_usable_name_is_refused() {
    for name in ["%00", "a%0Ab", "%ff", &"1".repeat(256)] {
        let path = format!("/_matrix/app/v1/transactions/{name}");
        let answer = knock(Method::PUT, &path, r#"{"events":[]}"#).await;
        assert_eq!(refusal(&answer), (400, "M_INVALID_PARAM"), "{name}");
    }
}

#[tokio::test]
async fn a_transaction_beyond_the_limit_is_refused() {
    let within = format!(r#"{{"x":"{}"}}"#, "a".repeat(TRANSACTION_BYTES_MAX - 8));
    let beyond = format!("{within} ");
    assert_eq!(within.len(), TRANSACTION_BYTES_MAX);
    assert_eq!(refusal(&knock(Method::PUT, TRANSACTION, beyond).await), (413, "M_TOO_LARGE"));
    assert_eq!(refusal(&knock(Method::PUT, TRANSACTION, within).await), (500, "M_UNKNOWN"));
}

/// 500 tells the homeserver to bring it again; a 200 here would lose the events.
#[tokio::test]
async fn a_transaction_that_cannot_be_saved_is_not_acknowledged() {
    let event = json!({
        "type": "m.room.message", "event_id": "$e", "room_id": "!r:b", "sender": "@a:b",
        "content": { "msgtype": "m.text", "body": "x" },
    });
    for body in [json!({ "events": [event] }), json!({ "events": [] }), json!({})] {
        for path in [TRANSACTION, "/transactions/1"] {
            let answer = knock(Method::PUT, path, body.to_string()).await;
            assert_eq!(refusal(&answer), (500, "M_UNKNOWN"), "{path} {body}");
        }
    }
}

/// They get as far as the database, which a refusal for their form would not.
#[tokio::test]
async fn a_transaction_with_unknown_or_broken_events_is_not_refused_for_them() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    for events in [
        r#"{"type":"x.unknown","event_id":"$e","room_id":"!r:b","sender":"@a:b"}"#,
        r#"{"type":7,"event_id":["$e"]}"#,
        "null, 7, [], \"text\", {}",
        r#"{"event_id":"$e","room_id":"!r:b","sender":"@a:b","content":{"body":"\ud800 \u0000"}}"#,
        &deep,
    ] {
        let body = format!(r#"{{"events":[{events}]}}"#);
        let answer = knock(Method::PUT, TRANSACTION, body).await;
        assert_eq!(refusal(&answer), (500, "M_UNKNOWN"));
    }
}

/// A body that never ends, as after a cut cable.
#[tokio::test(start_paused = true)]
async fn a_knock_that_does_not_go_on_is_ended() {
    let stuck =
        Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let answer = knock(Method::PUT, TRANSACTION, stuck).await;
    assert_eq!(refusal(&answer), (504, "M_UNKNOWN"));
}

fn monitoring(readiness: Readiness) -> Router {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    ::metrics::with_local_recorder(&recorder, || {
        ::metrics::counter!("umstieg_test_total", "endpoint" => "send").increment(3);
    });
    // The sender may be gone: the last state stays.
    let (_, readiness) = watch::channel(readiness);
    monitoring_router(Monitoring { readiness, metrics })
}

fn get(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_process_is_alive_whatever_its_parts_do() {
    let mut readiness = Readiness::default();
    readiness.set("postgres", PartState::Down);
    let answer = answer(monitoring(readiness), get("/health/live")).await;
    assert_eq!(answer, (200, json!({ "status": "live" })));
}

#[tokio::test]
async fn the_gateway_is_ready_when_each_part_it_needs_is() {
    for (parts, expected) in [
        (&[][..], 503),
        (&[("postgres", PartState::Ready)], 200),
        (&[("postgres", PartState::Ready), ("praxis-kim", PartState::Impaired)], 200),
        (&[("postgres", PartState::Ready), ("homeserver", PartState::Starting)], 503),
        (&[("postgres", PartState::Down), ("homeserver", PartState::Ready)], 503),
        (&[("postgres", PartState::Stopping)], 503),
    ] {
        let mut readiness = Readiness::default();
        for (part, state) in parts {
            readiness.set(part, *state);
        }
        let (status, body) = answer(monitoring(readiness), get("/health/ready")).await;
        assert_eq!(status, expected, "{parts:?}");
        for (part, state) in parts {
            assert_eq!(body["parts"][part], state.word());
        }
        assert_eq!(body["status"], if expected == 200 { "ready" } else { "not ready" });
    }
}

#[tokio::test]
async fn figures_come_in_the_format_of_prometheus() {
    let response = monitoring(Readiness::default()).oneshot(get("/metrics")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.contains(r#"umstieg_test_total{endpoint="send"} 3"#), "{body}");
}
