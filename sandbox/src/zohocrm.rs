//! An imitation of Zoho CRM: its API, version 8, and its accounts server.
//!
//! Scopes are parted by commas; the token answer and the callback tell where the API and the accounts server of the
//! user's region are; a refresh gives no new refresh token; what goes wrong with a token is told with status 200. The
//! provider's limit of ten tokens in ten minutes is set by whoever wants it, as a fault of the token endpoint. Records
//! are written in rows, each with its own outcome, so that an answer with a good status can tell of a failure.

mod api;
mod coql;
mod describe;
mod outcome;
mod rows;
mod schema;
mod search;
mod seed;

use std::sync::Arc;

use axum::{
    Router,
    response::Response,
    routing::{any, post},
};
use serde_json::{Map, Value, json};

use crate::{
    core::{Core, Provider},
    http,
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// Where tokens are given back, in the query.
const REVOKE: &str = "/oauth/v2/token/revoke";

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "zohocrm",
        authorize_path: "/oauth/v2/auth",
        token_paths: &["/oauth/v2/token"],
        revoke_path: None,
        revoke_wants_client: false,
        client_auth: ClientAuth::Body,
        pkce: false,
        redirect: Redirect::Required,
        redirect_at_token: true,
        scope_required: true,
        optional_scope: false,
        default_scope: Some(
            "ZohoCRM.modules.ALL,ZohoCRM.settings.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.coql.READ",
        ),
        code_seconds: 120,
        access_seconds: 3600,
        announces_expiry: true,
        refresh: Refresh::Silent,
        refreshable: |query| query.get("access_type").is_some_and(|kind| kind == "offline"),
        access_prefix: "1000.",
        refresh_prefix: "1000.",
        members,
        refusal: refuse,
    }
}

fn members(issued: &Issued<'_>) -> Map<String, Value> {
    Map::from_iter([
        ("token_type".to_owned(), "Bearer".into()),
        ("scope".to_owned(), issued.scope.unwrap_or_default().into()),
        ("api_domain".to_owned(), issued.origin.into()),
    ])
}

/// The accounts server says no with a good status.
fn refuse(refusal: Refusal) -> Response {
    let error = match refusal {
        Refusal::UnknownClient => "invalid_client",
        Refusal::WrongSecret | Refusal::WrongClientAuth => "invalid_client_secret",
        Refusal::RedirectMismatch | Refusal::BadRedirect => "invalid_redirect_uri",
        Refusal::UnsupportedGrantType => "unsupported_grant_type",
        Refusal::UnknownCode
        | Refusal::UsedCode
        | Refusal::ExpiredCode
        | Refusal::UnknownRefreshToken
        | Refusal::DeadRefreshToken => "invalid_code",
        _ => "general_error",
    };
    http::json(200, &json!({ "error": error }))
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    core.oauth.tell(vec![("location", "us".to_owned()), ("accounts-server", core.origin.clone())]);
    let organization = Arc::new(api::Organization::new(Arc::clone(core)));
    Provider {
        router: Router::new()
            .route("/crm/v8/{*path}", any(api::call))
            .route(REVOKE, post(api::revoke))
            .with_state(Arc::clone(&organization)),
        urls: vec![("api", core.origin.clone()), ("revoke", format!("{}{REVOKE}", core.origin))],
        configuration: vec![("base.url", core.origin.clone()), ("accounts.server", core.origin.clone())],
        credentials: Vec::new(),
        reset: Box::new(move || organization.reset()),
        failure: outcome::by_status,
    }
}
