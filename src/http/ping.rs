//! The homeserver tests whether it reaches us.

use axum::{Json, extract::rejection::BytesRejection, http::StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Errcode, MatrixRefusal, transactions::body_of};

/// Answers a ping. The homeserver tells the client that asked for the ping that it arrived.
pub(super) async fn ping(
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, MatrixRefusal> {
    let body = body_of(body)?;
    match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Object(_)) => Ok(Json(json!({}))),
        Ok(_) => Err(MatrixRefusal::new(StatusCode::BAD_REQUEST, Errcode::BadJson)),
        Err(_) => Err(MatrixRefusal::new(StatusCode::BAD_REQUEST, Errcode::NotJson)),
    }
}
