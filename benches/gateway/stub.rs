//! A homeserver that answers at once and keeps nothing: with it, only our own work is measured.
//!
//! It brings every event it was given back in transactions, as a real one does, so that the gateway
//! has the same work.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{Method, StatusCode, Uri},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use umstieg_world::{Slot, SynapseAccess};

/// Most events in one transaction; as Synapse.
const EVENTS_AT_ONCE: usize = 100;

/// The stub; its tasks end with it.
pub(crate) struct Stub {
    homeserver: SynapseAccess,
    events: Option<mpsc::UnboundedReceiver<Value>>,
    tasks: JoinSet<()>,
}

struct Front {
    server_name: String,
    /// Makes ids unique.
    number: AtomicU64,
    events: mpsc::UnboundedSender<Value>,
}

impl Stub {
    /// Starts it under the server name of the real one.
    pub(crate) async fn start(real: &SynapseAccess) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let front = Arc::new(Front {
            server_name: real.server_name.clone(),
            number: AtomicU64::new(0),
            events: sender,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router =
            Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(front);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut homeserver = real.clone();
        homeserver.url = url;
        Self { homeserver, events: Some(events), tasks }
    }

    pub(crate) fn homeserver(&self) -> &SynapseAccess {
        &self.homeserver
    }

    /// Brings events to the application service of `slot`, one transaction after the other.
    pub(crate) fn bring_events_to(&mut self, slot: &Slot) {
        let mut waiting = self.events.take().unwrap();
        let door = format!("http://127.0.0.1:{}/_matrix/app/v1/transactions", slot.port);
        let token = slot.hs_token.clone();
        self.tasks.spawn(async move {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut number = 0;
            let mut events = Vec::new();
            while waiting.recv_many(&mut events, EVENTS_AT_ONCE).await > 0 {
                number += 1;
                let body = json!({ "events": events }).to_string();
                let send = || {
                    http.put(format!("{door}/{number}"))
                        .bearer_auth(&token)
                        .body(body.clone())
                        .send()
                };
                while !send().await.is_ok_and(|answer| answer.status().is_success()) {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                events.clear();
            }
        });
    }
}

async fn answer(
    State(front): State<Arc<Front>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let path: Vec<&str> = uri.path().trim_start_matches("/_matrix/client/").split('/').collect();
    if uri.path() == "/_matrix/media/v3/upload" {
        let number = front.number.fetch_add(1, Ordering::Relaxed);
        let content_uri = format!("mxc://{}/{number}", front.server_name);
        return (StatusCode::OK, Json(json!({ "content_uri": content_uri })));
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let number = front.number.fetch_add(1, Ordering::Relaxed);
    let server = &front.server_name;
    if let (&Method::GET, ["v3", "rooms", _, "state", ..]) = (&method, path.as_slice()) {
        // Its rooms have no state, and so are not encrypted.
        return (StatusCode::NOT_FOUND, Json(json!({ "errcode": "M_NOT_FOUND" })));
    }
    let answer = match (method, path.as_slice()) {
        (Method::POST, ["v3", "register"]) => {
            let name = body.get("username").and_then(Value::as_str).unwrap_or_default();
            json!({ "user_id": format!("@{name}:{server}") })
        }
        (Method::POST, ["v3", "createRoom"]) => json!({ "room_id": format!("!{number}:{server}") }),
        (Method::PUT, ["v3", "rooms", room, "send" | "state", kind, rest @ ..]) => {
            let query = uri.query().unwrap_or_default().as_bytes();
            let sender = url::form_urlencoded::parse(query)
                .find_map(|(name, value)| (name == "user_id").then(|| value.into_owned()));
            let event_id = format!("${number}");
            let mut event = json!({
                "event_id": event_id,
                "room_id": decoded(room),
                "sender": sender,
                "type": kind,
                "content": body,
                "origin_server_ts": 0,
                "unsigned": {},
            });
            if let (true, [state_key], Some(map)) =
                (*kind == "m.room.member", rest, event.as_object_mut())
            {
                map.insert("state_key".to_owned(), json!(decoded(state_key)));
            }
            // No task listens any more when the benchmark ends.
            let _ = front.events.send(event);
            json!({ "event_id": event_id })
        }
        (Method::GET, ["v3", "sync"]) => json!({ "next_batch": format!("s{number}") }),
        (Method::POST, ["v1", "appservice", _, "ping"]) => json!({ "duration_ms": 1 }),
        _ => json!({}),
    };
    (StatusCode::OK, Json(answer))
}

/// A piece of a path without its percent signs.
fn decoded(text: &str) -> String {
    let query = text.replace('=', "%3D");
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}
