//! Is the gateway alive, and does each of its parts work?

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The sources of the monitor's answers.
#[derive(Clone)]
pub struct Monitoring {
    /// The latest state of each part; the task that runs a part tells it.
    pub readiness: watch::Receiver<Readiness>,
    pub metrics: PrometheusHandle,
}

/// The state of each part of the gateway, by its name. The name is a fixed word (`postgres`,
/// `homeserver`) or a channel's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    parts: BTreeMap<String, PartState>,
}

/// The state of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// Not yet at work.
    Starting,
    /// At work.
    Ready,
    /// In trouble, but the gateway works without it: one mailbox of several.
    Impaired,
    /// In trouble, and the gateway does not work without it.
    Down,
    /// Finishing what it began; takes nothing new.
    Stopping,
}

impl PartState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Impaired => "impaired",
            Self::Down => "down",
            Self::Stopping => "stopping",
        }
    }

    fn lets_the_gateway_work(self) -> bool {
        matches!(self, Self::Ready | Self::Impaired)
    }
}

impl Readiness {
    /// Notes the present state of a part.
    pub fn set(&mut self, part: &str, state: PartState) {
        self.parts.insert(part.to_owned(), state);
    }

    /// Whether the gateway works. Before the first part has told its state, it does not.
    pub fn is_ready(&self) -> bool {
        !self.parts.is_empty() && self.parts.values().all(|state| state.lets_the_gateway_work())
    }
}

/// The process answers, and that is all this says. No one should conclude from a mail server that
/// is away that a restart would help.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// 200 when every part that the gateway needs is at work, else 503; with each part's state.
pub(super) async fn ready(State(monitoring): State<Arc<Monitoring>>) -> (StatusCode, Json<Value>) {
    let readiness = monitoring.readiness.borrow().clone();
    let (status, word) = if readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let parts: BTreeMap<&str, &str> =
        readiness.parts.iter().map(|(part, state)| (part.as_str(), state.word())).collect();
    (status, Json(json!({ "status": word, "parts": parts })))
}
