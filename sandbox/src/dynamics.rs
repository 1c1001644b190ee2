//! An imitation of Dynamics 365: the Web API (OData 4) of one organization, version 9.2.
//!
//! What a client sends is checked against the tables' columns; lookups are set by `@odata.bind` and answered as
//! `_name_value`; pages are asked for by a preference, and `$skip` is refused; a change that names a row nobody knows
//! makes it, unless the client says that it has to be there.

mod api;
mod failure;
mod filter;
mod metadata;
mod row;
mod schema;
mod seed;
mod store;

use std::sync::Arc;

use axum::{Router, response::Response, routing::any};
use serde_json::{Map, Value, json};

use crate::{
    core::{Core, Provider},
    http,
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// Where the interface is.
const API: &str = "/api/data/v9.2";

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "dynamicscrmadfs",
        authorize_path: "/organizations/oauth2/v2.0/authorize",
        token_paths: &["/organizations/oauth2/v2.0/token"],
        revoke_path: None,
        revoke_wants_client: false,
        client_auth: ClientAuth::Either,
        pkce: true,
        redirect: Redirect::Required,
        redirect_at_token: true,
        scope_required: true,
        optional_scope: false,
        default_scope: Some("offline_access https://org.crm.dynamics.com/user_impersonation"),
        code_seconds: 600,
        access_seconds: 3900,
        announces_expiry: true,
        refresh: Refresh::Renewed(90 * 24 * 3_600),
        refreshable: |query| {
            query.get("scope").is_some_and(|scope| scope.split_whitespace().any(|one| one == "offline_access"))
        },
        access_prefix: "eyJ0",
        refresh_prefix: "0.AX",
        members,
        refusal: refuse,
    }
}

fn members(issued: &Issued<'_>) -> Map<String, Value> {
    let members = json!({"token_type": "Bearer", "scope": issued.scope, "ext_expires_in": 3900});
    members.as_object().cloned().unwrap_or_default()
}

fn refuse(refusal: Refusal) -> Response {
    let (status, error, number, told) = match refusal {
        Refusal::NotForm | Refusal::Missing(_) => {
            (400, "invalid_request", 900_144, "The request body must contain a parameter that is missing.")
        }
        Refusal::UnsupportedGrantType => {
            (400, "unsupported_grant_type", 70_003, "The app requested an unsupported grant type.")
        }
        Refusal::UnsupportedResponseType => {
            (400, "unsupported_response_type", 700_054, "The response type is not supported.")
        }
        Refusal::UnknownClient => {
            (400, "unauthorized_client", 700_016, "The application was not found in the directory.")
        }
        Refusal::WrongSecret | Refusal::WrongClientAuth => {
            (401, "invalid_client", 7_000_215, "Invalid client secret provided.")
        }
        Refusal::UnknownCode | Refusal::ExpiredCode => {
            (400, "invalid_grant", 70_008, "The provided authorization code has expired.")
        }
        Refusal::UsedCode => (400, "invalid_grant", 54_005, "The authorization code was already redeemed."),
        Refusal::RedirectMismatch | Refusal::BadRedirect => {
            (400, "invalid_request", 50_011, "The redirect URI does not match.")
        }
        Refusal::BadChallenge | Refusal::BadVerifier => {
            (400, "invalid_grant", 501_481, "The code verifier does not match.")
        }
        Refusal::UnknownRefreshToken | Refusal::UnknownToken => {
            (400, "invalid_grant", 9_002_313, "The request is malformed or invalid.")
        }
        Refusal::DeadRefreshToken => {
            (400, "invalid_grant", 700_082, "The refresh token has expired due to inactivity.")
        }
    };
    let trace = crate::core::random_hex(16);
    let body = json!({
        "error": error, "error_description": format!("AADSTS{number}: {told} Trace ID: {trace}"), "error_codes": [number],
        "trace_id": trace, "correlation_id": trace,
    });
    http::json(status, &body)
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let org = Arc::new(api::Org::new(Arc::clone(core)));
    let router = Router::new().route("/api/data/v9.2/{*path}", any(api::data)).with_state(Arc::clone(&org));
    Provider {
        router,
        urls: vec![("api", format!("{}{API}", core.origin))],
        configuration: vec![("oauth.resource.url", core.origin.clone()), ("base.url", core.origin.clone())],
        credentials: Vec::new(),
        reset: Box::new(move || org.reset()),
        failure: failure::by_status,
    }
}
