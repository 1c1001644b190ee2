//! Microsoft's authorization server, v2.0: every refresh answers with a new refresh token, and the old one goes on.

use axum::response::Response;
use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::{
    core::random_hex,
    http::{self, Form},
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// The rules of `login.microsoftonline.com/common/oauth2/v2.0/authorize` and `…/token`.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "graph",
        authorize_path: "/common/oauth2/v2.0/authorize",
        token_paths: &["/common/oauth2/v2.0/token"],
        revoke_path: None,
        revoke_wants_client: false,
        client_auth: ClientAuth::Either,
        pkce: true,
        redirect: Redirect::Required,
        redirect_at_token: true,
        scope_required: true,
        optional_scope: false,
        default_scope: Some("Files.ReadWrite.All Sites.ReadWrite.All User.Read offline_access"),
        code_seconds: 600,
        access_seconds: 3_599,
        announces_expiry: true,
        refresh: Refresh::Renewed(90 * 24 * 3_600),
        refreshable,
        access_prefix: "EwB",
        refresh_prefix: "M.C5",
        members,
        refusal,
    }
}

fn refreshable(query: &Form) -> bool {
    query.get("scope").is_some_and(|scope| scope.split_whitespace().any(|scope| scope == "offline_access"))
}

fn members(issued: &Issued<'_>) -> Map<String, Value> {
    let granted = issued.scope.unwrap_or_default().split_whitespace().filter(|scope| *scope != "offline_access");
    Map::from_iter([
        ("token_type".to_owned(), json!("Bearer")),
        ("scope".to_owned(), json!(granted.collect::<Vec<_>>().join(" "))),
        ("ext_expires_in".to_owned(), json!(3_599)),
    ])
}

fn refusal(refusal: Refusal) -> Response {
    let (status, number, text) = match refusal {
        Refusal::UnknownClient => (400, 700_016, "Application was not found in the directory".to_owned()),
        Refusal::WrongSecret => (401, 7_000_215, "Invalid client secret provided".to_owned()),
        Refusal::UnknownCode | Refusal::BadVerifier => {
            (400, 70_000, "The provided value for the 'code' parameter is not valid".to_owned())
        }
        Refusal::UsedCode => (400, 54_005, "OAuth2 Authorization code was already redeemed".to_owned()),
        Refusal::ExpiredCode => (400, 70_008, "The provided authorization code is expired".to_owned()),
        Refusal::RedirectMismatch => (400, 50_011, "The redirect URI does not match".to_owned()),
        Refusal::UnknownRefreshToken => (400, 9_002_313, "The request is malformed or invalid".to_owned()),
        Refusal::DeadRefreshToken => (
            400,
            50_173,
            "The provided grant has expired due to it being revoked, a fresh auth token is needed".to_owned(),
        ),
        Refusal::Missing(name) => {
            (400, 900_144, format!("The request body must contain the following parameter: '{name}'"))
        }
        Refusal::UnsupportedGrantType => (400, 70_003, "The app requested an unsupported grant type".to_owned()),
        other => (400, 90_000, other.describe()),
    };
    let (trace, correlation) = (random_hex(16), random_hex(16));
    let at = Utc::now().format("%Y-%m-%d %H:%M:%SZ").to_string();
    let body = json!({
        "error": refusal.code(),
        "error_description": format!("AADSTS{number}: {text}. Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"),
        "error_codes": [number],
        "timestamp": at,
        "trace_id": trace,
        "correlation_id": correlation,
    });
    http::json(status, &body)
}
