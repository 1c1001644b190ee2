//! An imitation of Close: its API, version 1, its search, and its tokens.
//!
//! An API key is the user of a Basic header without password; an app has tokens that live an hour, and a refresh token
//! that is new after each refresh. Every address ends in a slash. Lists page by `_skip` and `_limit`, and not endlessly;
//! a search pages by cursor.

mod api;
mod failure;
mod schema;
mod search;
mod seed;

use std::sync::Arc;

use axum::{Router, response::Response, routing::any};
use serde_json::{Map, Value, json};

use crate::{
    core::{Core, Provider},
    http,
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// The API key of the organization.
const KEY: &str = "api_2xSandboxKey0000000000.3yOfNobody00000000000000";

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "closeio",
        authorize_path: "/oauth2/authorize/",
        token_paths: &["/oauth2/token/"],
        revoke_path: Some("/oauth2/revoke/"),
        revoke_wants_client: true,
        client_auth: ClientAuth::Body,
        pkce: false,
        redirect: Redirect::Required,
        redirect_at_token: false,
        scope_required: false,
        optional_scope: false,
        default_scope: None,
        code_seconds: 600,
        access_seconds: 3600,
        announces_expiry: true,
        refresh: Refresh::Rotating(180 * 86_400),
        refreshable: |_| true,
        access_prefix: "",
        refresh_prefix: "",
        members,
        refusal: refuse,
    }
}

fn members(issued: &Issued<'_>) -> Map<String, Value> {
    let user = seed::user(issued.account);
    Map::from_iter([
        ("token_type".to_owned(), "Bearer".into()),
        ("scope".to_owned(), "all.full_access offline_access".into()),
        ("organization_id".to_owned(), seed::ORGANIZATION.into()),
        ("user_id".to_owned(), user.into()),
    ])
}

fn refuse(refusal: Refusal) -> Response {
    http::json(400, &json!({"error": refusal.code(), "error_description": refusal.describe()}))
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let organization = Arc::new(api::Organization::new(Arc::clone(core)));
    let root = format!("{}/api/v1", core.origin);
    Provider {
        router: Router::new().route("/api/v1/{*path}", any(api::call)).with_state(Arc::clone(&organization)),
        urls: vec![("api", root.clone())],
        configuration: vec![("base.url", root)],
        credentials: vec![("username", KEY.to_owned())],
        reset: Box::new(move || organization.reset()),
        failure: failure::by_status,
    }
}
