//! A provider whose rules are settings: an authorization server, and an API that wants what the test says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// What a refresh does to the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// None in the answer.
    Silent,
    /// The same again.
    Same,
    /// A new one; the old one is dead.
    Kill,
    /// A new one; the old one lives on.
    Keep,
    /// A new one at every second refresh, which kills the old one; the same in between.
    Sometimes,
    /// There are no refresh tokens.
    None,
}

#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) rotation: Rotation,
    /// The client authenticates by HTTP Basic, and by nothing else.
    pub(crate) basic: bool,
    pub(crate) expires_in: Option<u64>,
    /// Refusals have status 200.
    pub(crate) polite: bool,
    /// What stands before the token in API calls.
    pub(crate) scheme: &'static str,
    /// What refused codes and refresh tokens are called.
    pub(crate) dead: &'static str,
    /// Credentials that the API wants instead of a token: (`header NAME` or `query NAME`, value).
    pub(crate) wanted: Vec<(&'static str, String)>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            rotation: Rotation::Silent,
            basic: false,
            expires_in: Some(3600),
            polite: false,
            scheme: "Bearer",
            dead: "invalid_grant",
            wanted: Vec::new(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Book {
    /// Token calls by grant type.
    pub(crate) granted: BTreeMap<String, u32>,
    /// Forms of token calls, each with `path`.
    pub(crate) forms: Vec<BTreeMap<String, String>>,
    /// Presentations of refresh tokens that are dead.
    pub(crate) spent: u32,
    /// Revocations: `METHOD path?query | authorization | body`.
    pub(crate) revoked: Vec<String>,
    /// Paths of API calls.
    pub(crate) calls: Vec<String>,
    pub(crate) password: String,
    access: BTreeSet<String>,
    refresh: BTreeSet<String>,
    serial: u32,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) origin: String,
    rules: Arc<Rules>,
    book: Arc<Mutex<Book>>,
}

impl Server {
    pub(crate) async fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let book = Book { password: "s3cret".to_owned(), ..Book::default() };
        let server = Self { origin, rules: Arc::new(rules), book: Arc::new(Mutex::new(book)) };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Every access token is refused from now on.
    pub(crate) fn expire(&self) {
        self.book().access.clear();
    }

    /// So is every refresh token.
    pub(crate) fn forget(&self) {
        let mut book = self.book();
        book.access.clear();
        book.refresh.clear();
    }

    pub(crate) fn granted(&self, grant: &str) -> u32 {
        self.book().granted.get(grant).copied().unwrap_or_default()
    }

    fn refuse(&self, status: u16, error: &str, words: &str) -> Response {
        let status = if self.rules.polite { 200 } else { status };
        (StatusCode::from_u16(status).unwrap(), Json(json!({"error": error, "error_description": words})))
            .into_response()
    }

    fn token(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        let mut form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        form.insert("path".to_owned(), path.to_owned());
        self.book().forms.push(form.clone());
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let by_header = authorization == format!("Basic {}", STANDARD.encode("app-1:app-secret"));
        let by_form = field("client_id") == "app-1" && field("client_secret") == "app-secret";
        if by_header != self.rules.basic || by_form == self.rules.basic {
            return self.refuse(401, "invalid_client", "who are you");
        }
        let mut book = self.book();
        let right = match field("grant_type") {
            "authorization_code" => field("code").starts_with("good"),
            "refresh_token" => {
                let live = book.refresh.contains(field("refresh_token"));
                book.spent += u32::from(!live);
                live
            }
            "client_credentials" => true,
            "password" => field("username") == "ann" && field("password") == book.password,
            other => return self.refuse(400, "unsupported_grant_type", other),
        };
        if !right {
            return self.refuse(400, self.rules.dead, "that is over");
        }
        *book.granted.entry(field("grant_type").to_owned()).or_default() += 1;
        let answer = self.issue(&mut book, form.get("refresh_token"));
        Json(answer).into_response()
    }

    fn issue(&self, book: &mut Book, presented: Option<&String>) -> Value {
        book.serial += 1;
        let (access, fresh) = (format!("access-{}", book.serial), format!("refresh-{}", book.serial));
        book.access.insert(access.clone());
        let mut answer = Map::new();
        answer.insert("access_token".to_owned(), json!(access));
        answer.insert("api_domain".to_owned(), json!(format!("{}/moved", self.origin)));
        if let Some(life) = self.rules.expires_in {
            answer.insert("expires_in".to_owned(), json!(life));
        }
        let rotates = match (self.rules.rotation, presented) {
            (Rotation::None, _) => false,
            (_, None) | (Rotation::Kill | Rotation::Keep, _) => true,
            (Rotation::Sometimes, _) => book.serial.is_multiple_of(2),
            (Rotation::Silent | Rotation::Same, _) => false,
        };
        if rotates {
            if let (Some(old), Rotation::Kill | Rotation::Sometimes) = (presented, self.rules.rotation) {
                book.refresh.remove(old);
            }
            book.refresh.insert(fresh.clone());
            answer.insert("refresh_token".to_owned(), json!(fresh));
        } else if let (Some(old), Rotation::Same | Rotation::Sometimes) = (presented, self.rules.rotation) {
            answer.insert("refresh_token".to_owned(), json!(old));
        }
        Value::Object(answer)
    }

    fn api(&self, headers: &HeaderMap, uri: &Uri) -> Response {
        let mut book = self.book();
        book.calls.push(uri.path().to_owned());
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let admitted = if self.rules.wanted.is_empty() {
            header("authorization")
                .strip_prefix(&format!("{} ", self.rules.scheme))
                .is_some_and(|token| book.access.contains(token))
        } else {
            self.rules.wanted.iter().all(|(place, value)| match place.split_once(' ').unwrap() {
                ("header", name) => header(name) == *value,
                (_, name) => query.get(name) == Some(value),
            })
        };
        if admitted {
            return Json(json!({"used": 1, "total": 2, "shared": 0})).into_response();
        }
        (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_token", "error_description": "not you"})))
            .into_response()
    }
}

async fn answer(State(server): State<Server>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path();
    if path.ends_with("/token") {
        return server.token(path, &headers, &body);
    }
    if path.starts_with("/revoke") {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let expired = authorization.strip_prefix("Bearer ").is_some_and(|token| !server.book().access.contains(token));
        if expired {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let told = format!("{method} {uri} | {authorization} | {}", String::from_utf8_lossy(&body));
        server.book().revoked.push(told);
        return StatusCode::OK.into_response();
    }
    server.api(&headers, &uri)
}

/// An element whose whole API is one call that wants credentials.
pub(crate) fn element(origin: &str, configuration: Value, authentication: Value) -> Value {
    json!({
        "id": 9001, "key": "acme", "name": "Acme", "description": "A provider of the tests", "hub": "documents", "unsupported": {"*": "A provider of the tests does little"},
        "configuration": configuration, "authentication": authentication,
        "hosts": {"api": format!("{origin}/v1")}, "egress": ["api.acme.example"],
        "errorMessage": ["$.error_description"], "errorCode": ["$.error"],
        "probe": {"method": "GET", "path": "/me"},
        "resources": {"storage": {
            "resource": "storage", "fields": {"used": "$.used", "total": "$.total", "shared": "$.shared"},
            "operations": {"get": {"method": "GET", "path": "/space"}}
        }}
    })
}

/// The entries of an OAuth client.
pub(crate) fn client_entries(callback: bool) -> Vec<Value> {
    let mut entries = vec![
        json!({"key": "oauth.api.key", "name": "Key", "required": true, "secret": true}),
        json!({"key": "oauth.api.secret", "name": "Secret", "type": "PASSWORD", "required": true, "secret": true}),
    ];
    if callback {
        entries.push(json!({"key": "oauth.callback.url", "name": "Callback", "required": true}));
    }
    entries
}
