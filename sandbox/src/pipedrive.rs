//! An imitation of Pipedrive: its API, version 2 and what is left of version 1, and its tokens.
//!
//! The authorization server takes the client's id and secret from a Basic header only, and its answer tells where the
//! API is. A user's own API token is taken too. Version 2 pages by cursor and changes records with PATCH; version 1
//! (notes, leads, users) pages by `start` and `limit`.

mod api;
mod schema;
mod seed;

use std::sync::Arc;

use axum::{Router, http::HeaderName, response::Response, routing::any};
use serde_json::{Map, Value, json};

use crate::{
    core::{Core, Provider},
    http,
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// The API token of the first user.
const TOKEN: &str = "5e0b1f7c2d9a4e63b8f10c7d2a9e4b6f1c3d5e7a";

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "pipedrive",
        authorize_path: "/oauth/authorize",
        token_paths: &["/oauth/token"],
        revoke_path: Some("/oauth/revoke"),
        revoke_wants_client: true,
        client_auth: ClientAuth::Basic,
        pkce: false,
        redirect: Redirect::Registered,
        redirect_at_token: true,
        scope_required: false,
        optional_scope: false,
        default_scope: None,
        code_seconds: 300,
        access_seconds: 3600,
        announces_expiry: true,
        refresh: Refresh::Same,
        refreshable: |_| true,
        access_prefix: "v1u:",
        refresh_prefix: "",
        members,
        refusal: refuse,
    }
}

fn members(issued: &Issued<'_>) -> Map<String, Value> {
    Map::from_iter([
        ("token_type".to_owned(), "Bearer".into()),
        (
            "scope".to_owned(),
            "base,deals:full,contacts:full,activities:full,products:full,leads:full,users:read".into(),
        ),
        ("api_domain".to_owned(), issued.origin.into()),
    ])
}

fn refuse(refusal: Refusal) -> Response {
    let status = if refusal.code() == "invalid_client" { 401 } else { 400 };
    http::json(status, &json!({"success": false, "error": refusal.code(), "message": refusal.describe()}))
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let company = Arc::new(api::Company::new(Arc::clone(core)));
    Provider {
        router: Router::new()
            .route("/api/{version}/{*path}", any(api::call))
            .route("/v1/{*path}", any(api::call))
            .with_state(Arc::clone(&company)),
        urls: vec![("api", core.origin.clone())],
        configuration: vec![("base.url", core.origin.clone())],
        credentials: Vec::new(),
        reset: Box::new(move || company.reset()),
        failure: by_status,
    }
}

/// The provider's answer for a status.
fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let error = match status {
        401 => "unauthorized access",
        403 => "Scope and URL mismatch",
        404 => "Resource not found",
        429 => "Request over limit",
        _ => "Something went wrong",
    };
    let mut answer = failure(status, error);
    if let Some(seconds) = retry_after {
        answer = http::with_header(answer, HeaderName::from_static("retry-after"), &seconds.to_string());
        answer = http::with_header(answer, HeaderName::from_static("x-ratelimit-remaining"), "0");
        answer = http::with_header(answer, HeaderName::from_static("x-ratelimit-reset"), &seconds.to_string());
    }
    answer
}

/// An answer that says no.
fn failure(status: u16, error: &str) -> Response {
    let code = match status {
        400 => "ERR_SCHEMA_VALIDATION_FAILED",
        404 => "ERR_NOT_FOUND",
        _ => "ERR_GENERIC",
    };
    let body = json!({"success": false, "error": error, "error_info": "Please check the developer documentation.",
        "data": null, "additional_data": null, "code": code});
    http::json(status, &body)
}
