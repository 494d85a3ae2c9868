//! The homeserver brings events.

use std::sync::Arc;

use ::metrics::counter;
use axum::{
    Json,
    extract::{Path, State, rejection::BytesRejection, rejection::PathRejection},
    http::StatusCode,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tracing::{error, warn};

use super::{Doors, Errcode, MatrixRefusal};
use crate::{matrix::RawEvent, store::IncomingEvent};

/// Longest transaction name, in bytes; Synapse counts. Postgres could not index a much longer one.
const TXN_ID_BYTES_MAX: usize = 255;

/// Saves a transaction, and acknowledges it when Postgres has committed it.
///
/// It is refused only as a whole and only if saving it is impossible: the homeserver brings a
/// refused transaction again until it is taken, and holds back all that follow. So an event of an
/// unknown type is saved like any other, and an event without a name is counted and left out.
pub(super) async fn receive(
    State(doors): State<Arc<Doors>>,
    txn_id: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, MatrixRefusal> {
    let bad = |errcode| MatrixRefusal::new(StatusCode::BAD_REQUEST, errcode);
    let Path(txn_id) = txn_id.map_err(|_| bad(Errcode::InvalidParam))?;
    if txn_id.len() > TXN_ID_BYTES_MAX || txn_id.chars().any(char::is_control) {
        return Err(bad(Errcode::InvalidParam));
    }
    let body = body_of(body)?;
    let transaction = read(&body)?;
    let events: Vec<IncomingEvent> = transaction
        .iter()
        .filter_map(|json| RawEvent::read(json, None))
        .map(|RawEvent { event_id, room_id, sender, event }| IncomingEvent {
            event_id,
            room_id,
            sender,
            event,
        })
        .collect();
    let nameless = transaction.len() - events.len();
    if nameless > 0 {
        counter!("umstieg_matrix_events_nameless_total").increment(nameless as u64);
        warn!(events = nameless, "Left out events without a usable name");
    }
    let now = doors.clock.now();
    match doors.store.receive_transaction(&txn_id, &events, now).await {
        Ok(0) => Ok(Json(json!({}))),
        Ok(_) => {
            (doors.heard)(&events);
            Ok(Json(json!({})))
        }
        Err(cause) => {
            error!(error = &cause as &dyn std::error::Error, "Could not save a transaction");
            Err(MatrixRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, Errcode::Unknown))
        }
    }
}

/// The body, if all of it came and it is within the limit.
pub(super) fn body_of(body: Result<Bytes, BytesRejection>) -> Result<Bytes, MatrixRefusal> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            MatrixRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, Errcode::TooLarge)
        }
        _ => MatrixRefusal::new(StatusCode::BAD_REQUEST, Errcode::NotJson),
    })
}

/// The transaction's events, each still unread.
fn read(body: &[u8]) -> Result<Vec<&RawValue>, MatrixRefusal> {
    #[derive(Deserialize)]
    struct Transaction<'a> {
        #[serde(borrow, default)]
        events: Vec<&'a RawValue>,
    }
    serde_json::from_slice::<Transaction<'_>>(body).map(|transaction| transaction.events).map_err(
        |error| {
            let errcode = if error.is_data() { Errcode::BadJson } else { Errcode::NotJson };
            MatrixRefusal::new(StatusCode::BAD_REQUEST, errcode)
        },
    )
}
