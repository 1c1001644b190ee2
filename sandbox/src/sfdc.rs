//! An imitation of Salesforce: its REST interface, version 59.0, and its query language.
//!
//! Tokens have no announced lifetime, a refresh answers without a refresh token, and the token answer tells where the
//! interface is. Identifiers, field names, refusals and paging follow the provider's description; what is imitated of
//! the query language is told in [`soql`].

mod api;
mod describe;
mod failure;
mod id;
mod org;
mod record;
mod schema;
mod seed;
mod service;
mod soql;
mod store;
mod time;

use std::sync::Arc;

use axum::{
    Router,
    response::Response,
    routing::{any, get},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::{
    core::{Core, Provider},
    http::{self, Form},
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// The interface's version.
const VERSION: &str = "59.0";
/// Where the interface is.
const API: &str = "/services/data/v59.0";

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "sfdc",
        authorize_path: "/services/oauth2/authorize",
        token_paths: &["/services/oauth2/token"],
        revoke_path: Some("/services/oauth2/revoke"),
        revoke_wants_client: false,
        client_auth: ClientAuth::Either,
        pkce: true,
        redirect: Redirect::Required,
        redirect_at_token: true,
        scope_required: false,
        optional_scope: false,
        default_scope: Some("api refresh_token"),
        code_seconds: 900,
        access_seconds: 7200,
        announces_expiry: false,
        refresh: Refresh::Silent,
        refreshable,
        access_prefix: "00D5e000001TaXE!AQ",
        refresh_prefix: "5Aep861",
        members,
        refusal: refuse,
    }
}

/// Without a scope a client gets all that is set up for it, the refresh token included.
fn refreshable(query: &Form) -> bool {
    query
        .get("scope")
        .is_none_or(|scope| scope.split_whitespace().any(|scope| matches!(scope, "refresh_token" | "offline_access")))
}

fn members(issued: &Issued<'_>) -> Map<String, Value> {
    let id = format!("{}/id/{}/{}", issued.origin, org::ORGANIZATION, org::user_id(issued.account));
    let issued_at = issued.now_ms.to_string();
    let signature = Hmac::<Sha256>::new_from_slice(issued.client_secret.as_bytes()).map(|mut mac| {
        mac.update(id.as_bytes());
        mac.update(issued_at.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    let members = json!({
        "signature": signature.unwrap_or_default(),
        "scope": issued.scope.unwrap_or("api refresh_token"),
        "instance_url": issued.origin,
        "id": id,
        "token_type": "Bearer",
        "issued_at": issued_at,
    });
    members.as_object().cloned().unwrap_or_default()
}

fn refuse(refusal: Refusal) -> Response {
    let (code, description) = match refusal {
        Refusal::NotForm | Refusal::UnsupportedGrantType | Refusal::Missing("grant_type") => {
            ("unsupported_grant_type", "grant type not supported")
        }
        Refusal::UnknownClient | Refusal::Missing("client_id") => ("invalid_client_id", "client identifier invalid"),
        Refusal::WrongSecret | Refusal::WrongClientAuth => ("invalid_client", "invalid client credentials"),
        Refusal::UnknownCode => ("invalid_grant", "invalid authorization code"),
        Refusal::UsedCode | Refusal::ExpiredCode => ("invalid_grant", "expired authorization code"),
        Refusal::RedirectMismatch | Refusal::BadRedirect => {
            ("redirect_uri_mismatch", "redirect_uri must match configuration")
        }
        Refusal::BadVerifier => ("invalid_grant", "invalid code verifier"),
        Refusal::UnknownRefreshToken | Refusal::DeadRefreshToken => ("invalid_grant", "expired access/refresh token"),
        Refusal::UnknownToken => ("invalid_token", "invalid token"),
        Refusal::Missing("code") => ("invalid_request", "missing required parameter: code"),
        Refusal::Missing("refresh_token") => ("invalid_request", "missing required parameter: refresh_token"),
        Refusal::Missing("token") => ("invalid_request", "missing required parameter: token"),
        Refusal::Missing(_) | Refusal::UnsupportedResponseType | Refusal::BadChallenge => {
            ("invalid_request", "missing or invalid parameter")
        }
    };
    http::json(400, &json!({"error": code, "error_description": description}))
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let org = Arc::new(org::Org::new(Arc::clone(core)));
    let router = Router::new()
        .route("/services/data", any(api::data))
        .route("/services/data/", any(api::data))
        .route("/services/data/{*path}", any(api::data))
        .route("/services/oauth2/userinfo", get(api::identity).post(api::identity))
        .route("/id/{organization}/{user}", get(api::identity).post(api::identity))
        .with_state(Arc::clone(&org));
    Provider {
        router,
        urls: vec![("api", core.origin.clone())],
        configuration: vec![("base.url", core.origin.clone())],
        credentials: Vec::new(),
        reset: Box::new(move || org.reset()),
        failure: failure::by_status,
    }
}
