//! Box's authorization server: a refresh token is good for one refresh, which answers with its successor.

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::{
    http,
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// The rules of `account.box.com/api/oauth2/authorize` and `api.box.com/oauth2/token`.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "box",
        authorize_path: "/api/oauth2/authorize",
        token_paths: &["/oauth2/token"],
        revoke_path: Some("/oauth2/revoke"),
        revoke_wants_client: true,
        client_auth: ClientAuth::Body,
        pkce: false,
        redirect: Redirect::Registered,
        redirect_at_token: false,
        scope_required: false,
        optional_scope: false,
        default_scope: None,
        code_seconds: 30,
        access_seconds: 3_600,
        announces_expiry: true,
        refresh: Refresh::Rotating(60 * 24 * 3_600),
        refreshable: |_| true,
        access_prefix: "",
        refresh_prefix: "",
        members,
        refusal,
    }
}

fn members(_: &Issued<'_>) -> Map<String, Value> {
    Map::from_iter([("restricted_to".to_owned(), json!([])), ("token_type".to_owned(), json!("bearer"))])
}

fn refusal(refusal: Refusal) -> Response {
    let describe = match refusal {
        Refusal::UnknownCode | Refusal::UsedCode => "Auth code doesn't exist or is invalid for the client".to_owned(),
        Refusal::ExpiredCode => "The authorization code has expired".to_owned(),
        Refusal::UnknownClient | Refusal::WrongSecret | Refusal::Missing("client_id") => {
            "The client credentials are invalid".to_owned()
        }
        Refusal::Missing("grant_type") | Refusal::UnsupportedGrantType | Refusal::NotForm => {
            "Invalid grant_type parameter or parameter missing".to_owned()
        }
        Refusal::Missing(name) => format!("{name} parameter is missing"),
        other => other.describe(),
    };
    let code = match refusal {
        Refusal::Missing("client_id") => "invalid_client",
        other => other.code(),
    };
    http::json(400, &json!({ "error": code, "error_description": describe }))
}
