//! What the authorization server tells about tokens, and the revocation of a refresh token.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{api::Account, failure::Failure, object::PORTAL, seed::owner};
use crate::{core::person, http};

/// `GET /oauth/v1/access-tokens/{token}`
pub(super) async fn access(State(account): State<Arc<Account>>, Path(token): Path<String>) -> Response {
    match account.core.oauth.check_token(&token) {
        Err(_) => unknown(),
        Ok(access) => {
            let mut answer = about(&token, access.account, access.scope.as_deref());
            if let Some(members) = answer.as_object_mut() {
                members.insert("app_id".to_owned(), json!(2_000_001));
                members.insert("expires_in".to_owned(), json!(account.core.oauth.access_seconds()));
                members.insert("token_type".to_owned(), json!("access"));
            }
            http::json(200, &answer)
        }
    }
}

/// `GET /oauth/v1/refresh-tokens/{token}`
pub(super) async fn refresh(State(account): State<Arc<Account>>, Path(token): Path<String>) -> Response {
    match account.core.oauth.refresh_token_account(&token) {
        None => unknown(),
        Some((number, scope)) => {
            let mut answer = about(&token, number, scope.as_deref());
            if let Some(members) = answer.as_object_mut() {
                members.insert("client_id".to_owned(), json!(account.core.oauth.client_id));
                members.insert("token_type".to_owned(), json!("refresh"));
            }
            http::json(200, &answer)
        }
    }
}

/// `DELETE /oauth/v1/refresh-tokens/{token}`: the access tokens it gave live on.
pub(super) async fn revoke(State(account): State<Arc<Account>>, Path(token): Path<String>) -> Response {
    if account.core.oauth.revoke_refresh_token(&token) { http::empty(204) } else { unknown() }
}

fn about(token: &str, account: u32, scope: Option<&str>) -> Value {
    let scopes: Vec<&str> = scope.unwrap_or_default().split_whitespace().collect();
    json!({
        "token": token,
        "user": person(account).email,
        "hub_domain": "sandbox-1000001.com",
        "scopes": scopes,
        "hub_id": PORTAL,
        "user_id": owner(account).user,
    })
}

fn unknown() -> Response {
    Failure { category: None, ..Failure::new(404, "", "missing or unknown token") }.into_response()
}
