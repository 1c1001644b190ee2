//! A provider as small as it can be: a token endpoint, a revocation endpoint, and one call that wants credentials.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};

/// What happened at the provider.
#[derive(Default)]
pub(crate) struct Journal {
    /// Token calls that have arrived, answered or not.
    pub(crate) token_calls: u32,
    pub(crate) exchanges: u32,
    pub(crate) refreshes: u32,
    pub(crate) probes: u32,
    pub(crate) revoked: Vec<String>,
    valid: BTreeSet<String>,
    down: bool,
}

#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) origin: String,
    pub(crate) journal: Arc<Mutex<Journal>>,
    /// Token calls wait here; it has room unless a test takes it.
    pub(crate) gate: Arc<Semaphore>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self { origin, journal: Arc::default(), gate: Arc::new(Semaphore::new(64)) };
        let router = Router::new()
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/v1/me", get(me))
            .route("/v1/me/", get(me))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        provider
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Journal) -> T) -> T {
        look(&mut self.journal.lock().unwrap())
    }

    /// Lets `token` in, as if it had been granted elsewhere.
    pub(crate) fn admit(&self, token: &str) {
        self.with(|journal| journal.valid.insert(token.to_owned()));
    }

    pub(crate) fn arrived(&self) -> u32 {
        self.with(|journal| journal.token_calls)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.with(|journal| journal.down = down);
    }

    /// Element files for it: `acme` with OAuth 2, `ledger` with user name and password.
    pub(crate) fn files(&self) -> [(&'static str, Value); 2] {
        let origin = &self.origin;
        let acme = json!({
            "id": 9001, "key": "acme", "name": "Acme Files", "description": "A provider of the tests", "hub": "documents", "unsupported": {"*": "A provider of the tests does little"},
            "configuration": [
                {"key": "oauth.api.key", "name": "Key", "required": true, "secret": true},
                {"key": "oauth.api.secret", "name": "Secret", "type": "PASSWORD", "required": true, "secret": true},
                {"key": "oauth.callback.url", "name": "Callback", "type": "TEXTFIELD_1000", "required": true},
                {"key": "filter.response.nulls", "name": "Nulls", "type": "BOOLEAN", "default": "true"},
                {"key": "region", "name": "Region", "type": "COMBO", "default": "eu",
                 "options": [{"value": "eu", "description": "Europe"}, {"value": "us", "description": "America"}]}
            ],
            "authentication": {
                "type": "oauth2", "authorizeUrl": format!("{origin}/authorize"), "tokenUrl": format!("{origin}/token"),
                "revokeUrl": format!("{origin}/revoke"), "capture": {"base.url": "api_root"}
            },
            "hosts": {"api": format!("{origin}/unset")},
            "egress": ["api.acme.example", "*.files.acme.example"],
            "errorMessage": ["$.error_description", "$.error"],
            "errorCode": ["$.error"],
            "probe": {"method": "GET", "path": "/me"}
        });
        let ledger = json!({
            "id": 9002, "key": "ledger", "name": "Ledger", "description": "A provider of the tests", "hub": "documents", "unsupported": {"*": "A provider of the tests does little"},
            "configuration": [
                {"key": "username", "name": "User", "required": true},
                {"key": "password", "name": "Password", "type": "PASSWORD", "required": true, "secret": true}
            ],
            "authentication": {"type": "basic"},
            "hosts": {"api": format!("{origin}/v1")},
            "egress": ["api.ledger.example"],
            "errorMessage": ["$.error_description", "$.error"],
            "errorCode": ["$.error"],
            "probe": {"method": "GET", "path": "/me"}
        });
        [("acme", acme), ("ledger", ledger)]
    }
}

fn fields(form: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn refusal(status: StatusCode, error: &str, words: &str) -> Response {
    (status, Json(json!({"error": error, "error_description": words}))).into_response()
}

async fn token(State(provider): State<Provider>, form: String) -> Response {
    let form = fields(&form);
    provider.with(|journal| journal.token_calls += 1);
    let _room = provider.gate.acquire().await.unwrap();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("client_id") != "app-1" || field("client_secret") != "app-secret" {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client", "who are you");
    }
    let number = match field("grant_type") {
        "authorization_code" => {
            let number = provider.with(|journal| {
                journal.exchanges += 1;
                journal.exchanges
            });
            if !field("code").starts_with("good") || field("redirect_uri") != "https://app.example/cb" {
                return refusal(StatusCode::BAD_REQUEST, "invalid_grant", "code doesn't exist or has expired");
            }
            number
        }
        "refresh_token" => {
            if !field("refresh_token").starts_with("refresh") {
                return refusal(StatusCode::BAD_REQUEST, "invalid_grant", "refresh token is malformed");
            }
            100 + provider.with(|journal| {
                journal.refreshes += 1;
                journal.refreshes
            })
        }
        other => return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", other),
    };
    let access = if field("code") == "good-but-useless" { "useless".to_owned() } else { format!("access-{number}") };
    if access != "useless" {
        provider.admit(&access);
    }
    Json(json!({
        "access_token": access, "refresh_token": format!("refresh-{number}"), "token_type": "bearer", "expires_in": 3600,
        "api_root": format!("{}/v1", provider.origin)
    }))
    .into_response()
}

async fn revoke(State(provider): State<Provider>, form: String) -> StatusCode {
    let form = fields(&form);
    provider.with(|journal| journal.revoked.push(form.get("token").cloned().unwrap_or_default()));
    StatusCode::OK
}

async fn me(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let right = format!("Basic {}", STANDARD.encode("ann:s3cret"));
    let (down, known) = provider.with(|journal| {
        journal.probes += 1;
        let known = sent.strip_prefix("Bearer ").is_some_and(|token| journal.valid.contains(token)) || sent == right;
        (journal.down, known)
    });
    match (down, known) {
        (true, _) => refusal(StatusCode::SERVICE_UNAVAILABLE, "down", "come back later"),
        (false, true) => Json(json!({"id": 1})).into_response(),
        (false, false) => refusal(StatusCode::UNAUTHORIZED, "invalid_token", "these credentials do not work"),
    }
}
