//! Figures for Prometheus.

use std::sync::Arc;

use axum::{extract::State, http::header, response::IntoResponse};

use super::Monitoring;

/// Prometheus' text format, version 0.0.4.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures as they stand.
pub(super) async fn metrics(State(monitoring): State<Arc<Monitoring>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], monitoring.metrics.render())
}
