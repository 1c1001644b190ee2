//! Google's authorization server: refresh tokens stay the same until they are revoked, and come only to clients that ask
//! for offline access with a consent of its own (the accounts have consented to the client before).

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::{
    http,
    http::Form,
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// The rules of `accounts.google.com/o/oauth2/v2/auth` and `oauth2.googleapis.com/token`.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "googledrive",
        authorize_path: "/o/oauth2/v2/auth",
        token_paths: &["/token"],
        revoke_path: Some("/revoke"),
        revoke_wants_client: false,
        client_auth: ClientAuth::Either,
        pkce: false,
        redirect: Redirect::Required,
        redirect_at_token: true,
        scope_required: true,
        optional_scope: false,
        default_scope: Some(super::FULL_SCOPE),
        code_seconds: 600,
        access_seconds: 3_599,
        announces_expiry: true,
        refresh: Refresh::Silent,
        refreshable,
        access_prefix: "ya29.",
        refresh_prefix: "1//0",
        members,
        refusal,
    }
}

fn refreshable(query: &Form) -> bool {
    let offline = query.get("access_type").is_some_and(|kind| kind == "offline");
    offline && query.get("prompt").is_some_and(|prompt| prompt.split_whitespace().any(|word| word == "consent"))
}

fn members(issued: &Issued<'_>) -> Map<String, Value> {
    Map::from_iter([
        ("scope".to_owned(), json!(issued.scope.unwrap_or_default())),
        ("token_type".to_owned(), json!("Bearer")),
    ])
}

fn refusal(refusal: Refusal) -> Response {
    let (status, code, describe) = match refusal {
        Refusal::UnknownClient => (401, "invalid_client", "The OAuth client was not found.".to_owned()),
        Refusal::WrongSecret | Refusal::WrongClientAuth => (401, "invalid_client", "Unauthorized".to_owned()),
        Refusal::UnknownCode | Refusal::UsedCode | Refusal::ExpiredCode => {
            (400, "invalid_grant", "Bad Request".to_owned())
        }
        Refusal::UnknownRefreshToken => (400, "invalid_grant", "Bad Request".to_owned()),
        Refusal::DeadRefreshToken => (400, "invalid_grant", "Token has been expired or revoked.".to_owned()),
        Refusal::RedirectMismatch => (400, "redirect_uri_mismatch", "Bad Request".to_owned()),
        Refusal::UnknownToken => (400, "invalid_token", "Token expired or revoked".to_owned()),
        Refusal::UnsupportedGrantType => {
            (400, "unsupported_grant_type", "Invalid grant_type: the value is not supported".to_owned())
        }
        Refusal::Missing(name) => (400, "invalid_request", format!("Missing required parameter: {name}")),
        other => (400, other.code(), other.describe()),
    };
    http::json(status, &json!({ "error": code, "error_description": describe }))
}
