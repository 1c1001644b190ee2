//! The control API under `/_control`: what tests and the demo may do that no client of the real provider could.
//!
//! Bodies and answers are JSON; an unknown member is refused with 400.
//!
//! | request | effect |
//! |---|---|
//! | `POST /_control/faults` | sets one [`Fault`] or a list of them; answers `{"faults": […]}` |
//! | `GET`, `DELETE /_control/faults` | lists or clears the faults |
//! | `POST`, `DELETE /_control/quota` | `{"limit": n, "window_s": n}`: so many calls of the API in a window, told and refused as the provider does |
//! | `POST /_control/tokens/expire` | every access token issued so far is expired; answers `{"affected": n}` |
//! | `POST /_control/tokens/revoke` | every access token issued so far is revoked |
//! | `POST /_control/refresh/revoke` | every refresh token issued so far is dead |
//! | `POST /_control/settings` | `{"auto_approve": bool?, "access_seconds": n or null?}` |
//! | `POST /_control/clock` | `{"advance_s": n}` moves the imitation's time ahead |
//! | `GET /_control/counters` | see [`crate::Counters`]; `DELETE` sets them to nothing |
//! | `GET`, `DELETE /_control/log` | `{"calls": [Call …]}`, the last 10 000 [`crate::Call`]s, oldest first |
//! | `POST /_control/log` | `{"bodies": n}`: from now on the log keeps the first n bytes (at most 262144; 0 for none) of each request's and answer's body |
//! | `POST /_control/code` | `{"redirect_uri": …, "scope": …?, "account": n?}` gives `{"code": …}` without a browser |
//! | `GET /_control/client` | `{"client_id": …, "client_secret": …, "credentials": {…}}`: the client that is registered, and the keys of a provider that asks nobody for consent |
//! | `POST /_control/virtual` | (dropbox, box, googledrive) `{"path": "/a/b.bin", "size": n, "account": n?}` makes a file of any size that takes no room; answers its metadata |
//! | `POST /_control/reset` | everything back to the start, the tokens included |

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::Response,
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    core::{Core, Provider},
    faults::Fault,
    http,
    kept::KEPT_LIMIT,
    oauth::CodeRequest,
    quota::Quota,
};

/// The provider's parts that the middleware and the control API need.
pub(crate) struct Controlled {
    pub(crate) core: Arc<Core>,
    pub(crate) provider: Arc<ProviderParts>,
}

/// See [`Provider`].
pub(crate) struct ProviderParts {
    credentials: BTreeMap<&'static str, String>,
    reset: Box<dyn Fn() + Send + Sync>,
    pub(crate) failure: fn(u16, Option<u64>) -> Response,
}

impl Controlled {
    /// Splits a provider into its routes and the parts kept here.
    pub(crate) fn new(core: Arc<Core>, provider: Provider) -> (Router, Self) {
        let credentials = provider.credentials.into_iter().collect();
        let parts = ProviderParts { credentials, reset: provider.reset, failure: provider.failure };
        (provider.router, Self { core, provider: Arc::new(parts) })
    }

    /// Puts everything back to the start.
    pub(crate) fn reset(&self) {
        (self.provider.reset)();
        self.core.oauth.reset();
        self.core.faults.clear();
        self.core.quotas.set(None);
        self.core.calls.clear_counters();
        self.core.calls.clear_log();
        self.core.calls.keep_bodies(0);
    }
}

/// The control API's routes.
pub(crate) fn router(controlled: &Arc<Controlled>) -> Router {
    Router::new()
        .route("/_control/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .route("/_control/quota", post(set_quota).delete(clear_quota))
        .route("/_control/tokens/expire", post(expire))
        .route("/_control/tokens/revoke", post(revoke))
        .route("/_control/refresh/revoke", post(revoke_refresh))
        .route("/_control/settings", post(settings))
        .route("/_control/clock", post(clock))
        .route("/_control/counters", get(counters).delete(clear_counters))
        .route("/_control/log", get(log).post(keep_bodies).delete(clear_log))
        .route("/_control/code", post(code))
        .route("/_control/client", get(client))
        .route("/_control/reset", post(reset))
        .with_state(Arc::clone(controlled))
}

type Control = State<Arc<Controlled>>;

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Fault>),
    One(Box<Fault>),
}

async fn add_faults(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |faults: OneOrMany| {
        match faults {
            OneOrMany::Many(faults) => controlled.core.faults.add(faults),
            OneOrMany::One(fault) => controlled.core.faults.add([*fault]),
        }
        faults_answer(&controlled)
    })
}

async fn list_faults(State(controlled): Control) -> Response {
    faults_answer(&controlled)
}

async fn clear_faults(State(controlled): Control) -> Response {
    controlled.core.faults.clear();
    faults_answer(&controlled)
}

fn faults_answer(controlled: &Controlled) -> Response {
    http::json(200, &json!({ "faults": controlled.core.faults.list() }))
}

async fn set_quota(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |quota: Quota| {
        controlled.core.quotas.set(Some(quota));
        http::empty(204)
    })
}

async fn clear_quota(State(controlled): Control) -> Response {
    controlled.core.quotas.set(None);
    http::empty(204)
}

async fn expire(State(controlled): Control) -> Response {
    http::json(200, &json!({ "affected": controlled.core.oauth.expire_access_tokens() }))
}

async fn revoke(State(controlled): Control) -> Response {
    http::json(200, &json!({ "affected": controlled.core.oauth.revoke_access_tokens() }))
}

async fn revoke_refresh(State(controlled): Control) -> Response {
    http::json(200, &json!({ "affected": controlled.core.oauth.revoke_refresh_tokens() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSettings {
    auto_approve: Option<bool>,
    /// A number, or null for the provider's own.
    #[serde(default, deserialize_with = "given")]
    access_seconds: Option<Value>,
}

/// Tells an explicit null from an absent member.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

async fn settings(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |new: NewSettings| {
        let oauth = &controlled.core.oauth;
        if let Some(automatic) = new.auto_approve {
            oauth.set_auto_approve(automatic);
        }
        match new.access_seconds.as_ref().map(|seconds| (seconds.is_null(), seconds.as_i64())) {
            Some((false, None)) => {
                return http::json(400, &json!({ "error": "access_seconds must be a number or null" }));
            }
            Some((_, seconds)) => oauth.set_access_seconds(seconds),
            None => {}
        }
        let body = json!({ "auto_approve": oauth.auto_approve(), "access_seconds": oauth.access_seconds() });
        http::json(200, &body)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: u32,
}

async fn clock(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |advance: Advance| {
        controlled.core.clock().advance(i64::from(advance.advance_s));
        http::json(200, &json!({ "now": controlled.core.now().to_rfc3339() }))
    })
}

async fn counters(State(controlled): Control) -> Response {
    http::json(200, &json!(controlled.core.calls.counters(&controlled.core)))
}

async fn clear_counters(State(controlled): Control) -> Response {
    controlled.core.calls.clear_counters();
    controlled.core.oauth.clear_spent_presentations();
    http::empty(204)
}

async fn log(State(controlled): Control) -> Response {
    http::json(200, &json!({ "calls": controlled.core.calls.log() }))
}

async fn clear_log(State(controlled): Control) -> Response {
    controlled.core.calls.clear_log();
    http::empty(204)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bodies {
    bodies: usize,
}

async fn keep_bodies(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |wanted: Bodies| {
        if wanted.bodies > KEPT_LIMIT {
            return http::json(400, &json!({ "error": format!("bodies must be at most {KEPT_LIMIT}") }));
        }
        controlled.core.calls.keep_bodies(wanted.bodies);
        http::empty(204)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCode {
    redirect_uri: String,
    scope: Option<String>,
    account: Option<u32>,
}

async fn code(State(controlled): Control, body: Bytes) -> Response {
    with(&body, |new: NewCode| {
        let mut request = CodeRequest::new(&new.redirect_uri).account(new.account.unwrap_or(1));
        request.scope = new.scope;
        match controlled.core.oauth.code(&request) {
            Ok(code) => http::json(200, &json!({ "code": code })),
            Err(refusal) => http::json(400, &json!({ "error": refusal.describe() })),
        }
    })
}

async fn client(State(controlled): Control) -> Response {
    let oauth = &controlled.core.oauth;
    let body = json!({
        "client_id": oauth.client_id,
        "client_secret": oauth.client_secret,
        "credentials": controlled.provider.credentials,
    });
    http::json(200, &body)
}

async fn reset(State(controlled): Control) -> Response {
    controlled.reset();
    http::empty(204)
}

/// Reads a control request's body.
fn with<T: DeserializeOwned>(body: &[u8], act: impl FnOnce(T) -> Response) -> Response {
    match serde_json::from_slice(body) {
        Ok(value) => act(value),
        Err(error) => http::json(400, &json!({ "error": error.to_string() })),
    }
}
