//! The doors for the homeserver and for a monitor.
//!
//! A door checks who asks, saves what was brought, and acknowledges. The worker finds out what it
//! means: anything that happened here before the 200 would hold up every event behind it.

mod errors;
mod health;
mod metrics;
mod ping;
mod queries;
mod transactions;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::{any, get, post, put},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub use errors::{Errcode, MatrixRefusal};
pub use health::{Monitoring, PartState, Readiness};

use crate::{
    model::Clock,
    store::{IncomingEvent, Store},
};

/// Longest transaction, in bytes. A homeserver sends at most 100 events of at most 64 KiB each in
/// one; whatever else it contains (typing, receipts, device keys) is short.
const TRANSACTION_BYTES_MAX: usize = 10 * 1024 * 1024;

/// How long a request may take from its first byte to our answer. Synapse gives up after 60 s, and
/// does not hear answers after that.
const KNOCK_TIMEOUT: Duration = Duration::from_secs(40);

/// Is told of new events that arrived.
pub type Heard = Arc<dyn Fn(&[IncomingEvent]) + Send + Sync>;

/// What the doors need.
#[derive(Clone)]
pub struct Doors {
    /// The registration's `hs_token`: a client that has it is the homeserver.
    pub hs_token: SecretString,
    pub store: Store,
    pub clock: Clock,
    pub heard: Heard,
}

/// The application service's doors, at their paths and at those from before Matrix 1.0.
pub fn router(doors: Doors) -> Router {
    let doors = Arc::new(doors);
    Router::new()
        .route("/_matrix/app/v1/transactions/{txn_id}", put(transactions::receive))
        .route("/_matrix/app/v1/users/{user_id}", get(queries::user))
        .route("/_matrix/app/v1/rooms/{alias}", get(queries::room))
        .route("/_matrix/app/v1/ping", post(ping::ping))
        .route("/_matrix/app/v1/thirdparty/{*rest}", any(queries::not_ours))
        .route("/transactions/{txn_id}", put(transactions::receive))
        .route("/users/{user_id}", get(queries::user))
        .route("/rooms/{alias}", get(queries::room))
        .route("/_matrix/app/unstable/thirdparty/{*rest}", any(queries::not_ours))
        .method_not_allowed_fallback(queries::wrong_method)
        .route_layer(middleware::from_fn_with_state(Arc::clone(&doors), homeserver_only))
        .fallback(queries::not_ours)
        .layer(DefaultBodyLimit::max(TRANSACTION_BYTES_MAX))
        .layer(middleware::from_fn(in_time))
        .with_state(doors)
}

/// The doors for a monitor: `/health/live`, `/health/ready` and `/metrics`. They ask for no token
/// and show no personal data; they may be on another address than the others.
pub fn monitoring_router(monitoring: Monitoring) -> Router {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .with_state(Arc::new(monitoring))
}

/// Lets through only clients that know the `hs_token`, before anything of the body is read.
async fn homeserver_only(
    State(doors): State<Arc<Doors>>,
    request: Request,
    next: Next,
) -> Result<Response, MatrixRefusal> {
    let shown = shown_token(&request)
        .ok_or_else(|| MatrixRefusal::new(StatusCode::UNAUTHORIZED, Errcode::MissingToken))?;
    let expected = doors.hs_token.expose_secret().as_bytes();
    // An empty token would be one that everybody knows.
    if !expected.is_empty() && bool::from(shown.as_bytes().ct_eq(expected)) {
        Ok(next.run(request).await)
    } else {
        Err(MatrixRefusal::new(StatusCode::FORBIDDEN, Errcode::Forbidden))
    }
}

/// The token from the header, or from the query where homeservers put it before Matrix 1.4.
fn shown_token(request: &Request) -> Option<String> {
    if let Some(header) = request.headers().get(header::AUTHORIZATION) {
        let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned());
    }
    url::form_urlencoded::parse(request.uri().query()?.as_bytes())
        .find(|(name, _)| name == "access_token")
        .map(|(_, token)| token.into_owned())
}

/// Ends a request whose bytes do not come, or whose answer does not.
async fn in_time(request: Request, next: Next) -> Result<Response, MatrixRefusal> {
    tokio::time::timeout(KNOCK_TIMEOUT, next.run(request))
        .await
        .map_err(|_| MatrixRefusal::new(StatusCode::GATEWAY_TIMEOUT, Errcode::Unknown))
}

#[cfg(test)]
mod tests;
