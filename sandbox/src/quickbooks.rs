//! An imitation of QuickBooks Online: the accounting interface, version 3, of one company.
//!
//! The company is in the path; records carry a token that every change has to know; lists are asked for in a query
//! language that has no OR. The refresh token stays the same for a day, then a new one comes and the old one dies.

mod api;
mod entity;
mod failure;
mod query;
mod seed;
mod store;

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

/// The company's identifier, which comes to the callback.
const REALM: &str = "9130350000000001";

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "quickbooks",
        authorize_path: "/connect/oauth2",
        token_paths: &["/oauth2/v1/tokens/bearer"],
        revoke_path: None,
        revoke_wants_client: false,
        client_auth: ClientAuth::Basic,
        pkce: false,
        redirect: Redirect::Required,
        redirect_at_token: true,
        scope_required: true,
        optional_scope: false,
        default_scope: Some("com.intuit.quickbooks.accounting"),
        code_seconds: 600,
        access_seconds: 3600,
        announces_expiry: true,
        refresh: Refresh::Aging { fresh: 86_400, life: 8_726_400 },
        refreshable: |_| true,
        access_prefix: "eyJlbmMi",
        refresh_prefix: "RT1-",
        members,
        refusal: refuse,
    }
}

fn members(_issued: &Issued<'_>) -> Map<String, Value> {
    let members = json!({"token_type": "bearer", "x_refresh_token_expires_in": 8_726_400});
    members.as_object().cloned().unwrap_or_default()
}

fn refuse(refusal: Refusal) -> Response {
    let (status, error, told) = match refusal {
        Refusal::UnknownClient | Refusal::WrongSecret | Refusal::WrongClientAuth | Refusal::Missing("client_id") => {
            (401, "invalid_client", "The client credentials are not valid")
        }
        Refusal::UnsupportedGrantType | Refusal::Missing("grant_type") => {
            (400, "unsupported_grant_type", "The grant type is not supported")
        }
        Refusal::UnknownCode | Refusal::UsedCode | Refusal::ExpiredCode => {
            (400, "invalid_grant", "Invalid authorization code")
        }
        Refusal::UnknownRefreshToken | Refusal::DeadRefreshToken => {
            (400, "invalid_grant", "Incorrect or invalid refresh token")
        }
        _ => (400, "invalid_request", "The request is not valid"),
    };
    http::json(status, &json!({"error": error, "error_description": told}))
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    core.oauth.tell(vec![("realmId", REALM.to_owned())]);
    let company = Arc::new(api::Company::new(Arc::clone(core)));
    let router = Router::new()
        .route("/v3/company/{realm}/{*path}", any(api::data))
        .route("/v2/oauth2/tokens/revoke", post(api::revoke))
        .with_state(Arc::clone(&company));
    Provider {
        router,
        urls: vec![("api", core.origin.clone()), ("revoke", format!("{}/v2/oauth2/tokens/revoke", core.origin))],
        configuration: vec![("base.url", core.origin.clone())],
        credentials: Vec::new(),
        reset: Box::new(move || company.reset()),
        failure: failure::by_status,
    }
}
