//! An imitation of HubSpot: its CRM interface, version 3, associations of version 4, and its tokens.
//!
//! All values are text; only the properties asked for are answered; deleting archives. Tokens live half an hour, and a
//! refresh answers with the same refresh token again.

mod api;
mod association;
mod catalog;
mod failure;
mod lists;
mod object;
mod pipeline;
mod property;
mod scope;
mod search;
mod seed;
mod store;
mod tokens;

use std::sync::Arc;

use axum::{
    Router,
    response::Response,
    routing::{any, get},
};
use serde_json::{Map, Value, json};

use crate::{
    core::{Core, Provider},
    http,
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// The header with the access token of the account's private app, which may do everything and does not end.
const PRIVATE_APP: &str = "Bearer pat-na1-00000000-5a4d-4b0c-8e1f-000000000000";

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "hubspot",
        authorize_path: "/oauth/authorize",
        token_paths: &["/oauth/v1/token"],
        revoke_path: Some("/oauth/v3/token/revoke"),
        revoke_wants_client: true,
        client_auth: ClientAuth::Body,
        pkce: false,
        redirect: Redirect::Required,
        redirect_at_token: true,
        scope_required: true,
        optional_scope: true,
        default_scope: Some(scope::ALL),
        code_seconds: 600,
        access_seconds: 1800,
        announces_expiry: true,
        refresh: Refresh::Same,
        refreshable: |_| true,
        access_prefix: "CN-",
        refresh_prefix: "na1-",
        members,
        refusal: refuse,
    }
}

fn members(_issued: &Issued<'_>) -> Map<String, Value> {
    Map::from_iter([("token_type".to_owned(), "bearer".into())])
}

fn refuse(refusal: Refusal) -> Response {
    let (status, message) = match refusal {
        Refusal::NotForm => {
            let body = json!({"status": "error", "message": "HTTP 415 Unsupported Media Type", "correlationId": failure::correlation()});
            return http::json(415, &body);
        }
        Refusal::UnsupportedGrantType | Refusal::Missing("grant_type") => {
            ("BAD_GRANT_TYPE", "missing or unknown grant type")
        }
        Refusal::UnknownClient | Refusal::WrongClientAuth | Refusal::Missing("client_id") => {
            ("BAD_CLIENT_ID", "missing or invalid client id")
        }
        Refusal::WrongSecret => ("BAD_CLIENT_SECRET", "missing or invalid client secret"),
        Refusal::UnknownCode | Refusal::UsedCode | Refusal::Missing("code") => {
            ("BAD_AUTH_CODE", "missing or unknown auth code")
        }
        Refusal::ExpiredCode => ("EXPIRED_AUTH_CODE", "auth code is expired"),
        Refusal::RedirectMismatch => ("MISMATCH_REDIRECT_URI_AUTH_CODE", "auth code and redirect uri mismatch"),
        Refusal::BadRedirect => ("BAD_REDIRECT_URI", "missing or unknown redirect uri"),
        Refusal::UnknownRefreshToken | Refusal::DeadRefreshToken | Refusal::Missing("refresh_token") => {
            ("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        }
        Refusal::Missing(_)
        | Refusal::UnsupportedResponseType
        | Refusal::BadChallenge
        | Refusal::BadVerifier
        | Refusal::UnknownToken => ("error", "Any of the listed authentication credentials are missing"),
    };
    http::json(400, &json!({"status": status, "message": message, "correlationId": failure::correlation()}))
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let account = Arc::new(api::Account::new(Arc::clone(core)));
    let router = Router::new()
        .route("/crm/v3/{*path}", any(api::crm))
        .route("/crm/v4/{*path}", any(api::crm))
        .route("/crm-object-schemas/v3/{*path}", any(api::crm))
        .route("/oauth/v1/access-tokens/{token}", get(tokens::access))
        .route("/oauth/v1/refresh-tokens/{token}", get(tokens::refresh).delete(tokens::revoke))
        .with_state(Arc::clone(&account));
    Provider {
        router,
        urls: vec![("api", core.origin.clone())],
        configuration: vec![("base.url", core.origin.clone())],
        credentials: Vec::new(),
        reset: Box::new(move || account.reset()),
        failure: failure::by_status,
    }
}
