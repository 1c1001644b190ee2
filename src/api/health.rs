//! Health checks, and the metrics for Prometheus.

use axum::{
    Router,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use super::{error::Result, extract::Reply};
use crate::{
    app::App,
    error::{Error, Kind},
};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/healthz", get(tell_alive)).route("/readyz", get(tell_ready))
}

pub(super) fn metrics(recorder: PrometheusHandle) -> Router<App> {
    Router::new().route("/metrics", get(async move || render_metrics(&recorder)))
}

/// The process answers; nothing else is looked at, so that a sick database does not get the process killed.
async fn tell_alive() -> Response {
    Reply(json!({"status": "ok"})).into_response()
}

/// Calls can be served: not shutting down, a catalog is loaded, the store answers and takes what is written.
async fn tell_ready(State(app): State<App>) -> Result<Response> {
    if app.shutdown.is_cancelled() {
        return Err(Error::new(Kind::Unavailable, "shutting down").into());
    }
    if app.catalog.load().hubs().next().is_none() {
        return Err(Error::new(Kind::Unavailable, "no catalog is loaded").into());
    }
    if let Err(error) = app.store.ping().await {
        let text = format!("the store does not serve: {}", error.public());
        return Err(Error::new(Kind::Unavailable, text).with_source(error).into());
    }
    Ok(Reply(json!({"status": "ready"})).into_response())
}

fn render_metrics(recorder: &PrometheusHandle) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render()).into_response()
}
