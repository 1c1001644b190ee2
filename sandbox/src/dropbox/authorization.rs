//! Dropbox's authorization server: refreshing answers without a refresh token, and the old one goes on.

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::{
    http,
    oauth::{ClientAuth, Issued, Redirect, Refresh, Refusal, Rules},
};

/// Everything the app may do, which is what a token gets when no scope is asked for.
pub(super) const SCOPES: &str = "account_info.read files.content.read files.content.write files.metadata.read \
                                 files.metadata.write sharing.read sharing.write";

/// The rules of `www.dropbox.com/oauth2/authorize` and `api.dropboxapi.com/oauth2/token`.
pub(crate) fn rules() -> Rules {
    Rules {
        name: "dropbox",
        authorize_path: "/oauth2/authorize",
        token_paths: &["/oauth2/token"],
        revoke_path: None,
        revoke_wants_client: false,
        client_auth: ClientAuth::Either,
        pkce: true,
        redirect: Redirect::Shown,
        redirect_at_token: true,
        scope_required: false,
        optional_scope: false,
        default_scope: None,
        code_seconds: 600,
        access_seconds: 14_400,
        announces_expiry: true,
        refresh: Refresh::Silent,
        refreshable: |query| query.get("token_access_type").is_some_and(|kind| kind == "offline"),
        access_prefix: "sl.u.",
        refresh_prefix: "",
        members,
        refusal,
    }
}

/// The account id of an account number.
pub(super) fn account_id(account: u32) -> String {
    format!("dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQ{account:03}")
}

fn members(issued: &Issued<'_>) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("token_type".to_owned(), json!("bearer"));
    if issued.first {
        members.insert("scope".to_owned(), json!(issued.scope.unwrap_or(SCOPES)));
        members.insert("uid".to_owned(), json!(format!("1209{:03}", issued.account)));
        members.insert("account_id".to_owned(), json!(account_id(issued.account)));
    }
    members
}

fn refusal(refusal: Refusal) -> Response {
    let describe = match refusal {
        Refusal::UnknownCode => "code doesn't exist or has expired".to_owned(),
        Refusal::ExpiredCode => "code has expired (within the last hour)".to_owned(),
        Refusal::UsedCode => "code has already been used".to_owned(),
        Refusal::BadVerifier => "invalid code verifier".to_owned(),
        Refusal::UnknownRefreshToken => "refresh token is malformed".to_owned(),
        Refusal::DeadRefreshToken => "refresh token is invalid or revoked".to_owned(),
        Refusal::UnsupportedGrantType => "unsupported grant type".to_owned(),
        Refusal::Missing(name) => format!("missing required field \"{name}\""),
        other => other.describe(),
    };
    http::json(400, &json!({ "error": refusal.code(), "error_description": describe }))
}
