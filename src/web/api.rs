//! For machines: whether the process lives, whether it is ready, and its metrics.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// What the daemon answers to machines.
#[async_trait]
pub trait Machines: Send + Sync {
    /// What keeps it from working: the database, the planner's progress, settings that its peers do not share. Empty: it is
    /// ready.
    async fn obstacles(&self) -> Vec<String>;

    /// All metrics as OpenMetrics text.
    async fn metrics(&self) -> String;
}

/// What the listener for machines works with.
#[derive(Clone)]
pub struct Internal {
    /// The daemon.
    pub daemon: Arc<dyn Machines>,
}

#[derive(serde::Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

/// The listener for machines.
pub fn internal_router(internal: Internal) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(1024))
        .with_state(internal)
}

async fn readyz(State(internal): State<Internal>) -> Response {
    let reasons = internal.daemon.obstacles().await;
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(Ready { ready, reasons })).into_response()
}

async fn metrics(State(internal): State<Internal>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], internal.daemon.metrics().await).into_response()
}
