//! A strict authorization server's token endpoint, with counters, faults on demand and a gate instead of sleeps.
//!
//! It accepts what a real one accepts: the right client, a form, a live refresh token. A spent refresh token kills
//! the whole family, unless the policy grants a grace.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, SemaphorePermit},
    task::JoinHandle,
};

/// What becomes of the refresh token at a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// A new one; the old one is dead at once, and presenting it again kills the family.
    Strict,
    /// A new one; the old one may be presented again until the new access token has been used.
    Grace,
    /// None in the answer: the old one stays.
    Keep,
}

/// What goes wrong with the next call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This answer, and nothing done.
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    /// The connection breaks before anything is done.
    DropBefore,
    /// It breaks after everything is done.
    DropAfter,
}

/// How the server behaves.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) rotation: Rotation,
    /// The value of `expires_in`; `Null` leaves it out.
    pub(crate) expires_in: Value,
    /// Further members of the answer.
    pub(crate) extra: Value,
    /// Whether the client must use HTTP Basic.
    pub(crate) basic: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { rotation: Rotation::Strict, expires_in: json!(3600), extra: json!({}), basic: false }
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Calls to the token endpoint.
    pub(crate) calls: usize,
    /// Refreshes carried out.
    pub(crate) rotations: usize,
    /// Spent refresh tokens presented.
    pub(crate) spent: usize,
    /// The most calls at one time.
    pub(crate) concurrent: usize,
}

#[derive(Default)]
struct Book {
    counters: Counters,
    in_flight: usize,
    serial: usize,
    live: HashSet<String>,
    /// Spent refresh tokens and the token that came in their place.
    spent: HashMap<String, String>,
    access: HashSet<String>,
    /// The access token that came with a refresh token.
    beside: HashMap<String, String>,
    faults: VecDeque<Fault>,
    codes: HashMap<String, Option<String>>,
    client: Option<(String, String)>,
}

pub(crate) struct TokenServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    policy: Policy,
    book: Mutex<Book>,
    /// Permits for answers; closed gates have none.
    gate: Semaphore,
    /// One permit per answer that waits at the gate.
    waiting: Semaphore,
}

const OPEN: usize = 1 << 20;

impl TokenServer {
    pub(crate) async fn start(policy: Policy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = Book { client: Some(("client".to_owned(), "canary-client-secret".to_owned())), ..Book::default() };
        let shared =
            Arc::new(Shared { policy, book: Mutex::new(book), gate: Semaphore::new(OPEN), waiting: Semaphore::new(0) });
        let router =
            Router::new().route("/token", post(token)).route("/revoke", post(revoke)).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, task }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book.lock().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A first pair of tokens, as if a code had been exchanged.
    pub(crate) fn first(&self) -> (String, String) {
        let mut book = self.book();
        let (access, refresh) = pair(&mut book);
        book.live.insert(refresh.clone());
        (access, refresh)
    }

    /// A code to exchange, with the challenge of its proof key.
    pub(crate) fn code(&self, challenge: Option<String>) -> String {
        let mut book = self.book();
        book.serial += 1;
        let code = format!("canary-code-{}", book.serial);
        book.codes.insert(code.clone(), challenge);
        code
    }

    pub(crate) fn counters(&self) -> Counters {
        self.book().counters
    }

    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.book().faults.extend(faults);
    }

    /// The end user takes the connection back.
    pub(crate) fn revoke_all(&self) {
        let mut book = self.book();
        book.live.clear();
        book.spent.clear();
        book.access.clear();
    }

    /// All access tokens end; refresh tokens stay.
    #[allow(dead_code, reason = "for the tests of bad days")]
    pub(crate) fn end_access(&self) {
        self.book().access.clear();
    }

    /// Changes the client's secret at the provider.
    pub(crate) fn client_secret(&self, secret: &str) {
        self.book().client = Some(("client".to_owned(), secret.to_owned()));
    }

    /// An API call with this token: whether it is good. Ends the grace of older refresh tokens.
    pub(crate) fn api(&self, access: &str) -> bool {
        let mut book = self.book();
        let good = book.access.contains(access);
        if good && self.shared.policy.rotation == Rotation::Grace {
            book.spent.retain(|_, successor| !successor.starts_with(&format!("{access}|")));
        }
        good
    }

    /// Whether the provider would still honour this refresh token.
    pub(crate) fn honours(&self, refresh: &str) -> bool {
        let book = self.book();
        book.live.contains(refresh)
            || (self.shared.policy.rotation == Rotation::Grace && book.spent.contains_key(refresh))
    }

    /// From now on answers wait: everything is done by then, nothing is said.
    pub(crate) fn hold(&self) {
        self.shared.gate.forget_permits(OPEN);
    }

    /// Waits until an answer waits.
    pub(crate) async fn held(&self) {
        self.shared.waiting.acquire().await.unwrap().forget();
    }

    pub(crate) fn release(&self) {
        self.shared.gate.add_permits(OPEN);
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn pair(book: &mut Book) -> (String, String) {
    book.serial += 1;
    let (access, refresh) = (format!("canary-access-{}", book.serial), format!("canary-refresh-{}", book.serial));
    book.access.insert(access.clone());
    book.beside.insert(refresh.clone(), access.clone());
    (access, refresh)
}

/// The form; empty when it is not one.
fn form(headers: &HeaderMap, body: &str) -> HashMap<String, String> {
    if headers.get("content-type").is_none_or(|kind| kind != "application/x-www-form-urlencoded") {
        return HashMap::new();
    }
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn error(status: u16, code: &str, words: &str) -> Response {
    let body = Json(json!({"error": code, "error_description": words}));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn broken() -> Response {
    let cut = futures_util::stream::iter([Ok("{"), Err(std::io::Error::other("cut"))]);
    Response::new(Body::from_stream(cut))
}

/// Counts a call while it lasts, also when its connection is gone.
struct Counted<'a>(&'a Shared);

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared) -> Self {
        let mut book = shared.book.lock().unwrap();
        book.counters.calls += 1;
        book.in_flight += 1;
        book.counters.concurrent = book.counters.concurrent.max(book.in_flight);
        Self(shared)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.book.lock().unwrap().in_flight -= 1;
    }
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let form = form(&headers, &body);
    let _counted = Counted::new(&shared);
    let (response, cut) = answer(&shared, &headers, &form);
    if shared.gate.available_permits() == 0 {
        shared.waiting.add_permits(1);
    }
    let _passed: SemaphorePermit<'_> = shared.gate.acquire().await.unwrap();
    if cut { broken() } else { response }
}

fn answer(shared: &Shared, headers: &HeaderMap, form: &HashMap<String, String>) -> (Response, bool) {
    let mut book = shared.book.lock().unwrap();
    let mut cut = false;
    match book.faults.pop_front() {
        Some(Fault::Answer(status, headers, body)) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            return (response, false);
        }
        Some(Fault::DropBefore) => return (broken(), true),
        Some(Fault::DropAfter) => cut = true,
        None => {}
    }
    if !client_is_right(shared, &book, headers, form) {
        return (error(401, "invalid_client", "client credentials are invalid"), cut);
    }
    let response = match form.get("grant_type").map(String::as_str) {
        Some("refresh_token") => refresh(shared.policy.rotation, &shared.policy, &mut book, form),
        Some("authorization_code") => exchange(&shared.policy, &mut book, form),
        _ => error(400, "unsupported_grant_type", "unknown grant type"),
    };
    (response, cut)
}

fn client_is_right(shared: &Shared, book: &Book, headers: &HeaderMap, form: &HashMap<String, String>) -> bool {
    let Some((id, secret)) = &book.client else { return false };
    if shared.policy.basic {
        let expected = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let sent = headers.get("authorization").and_then(|value| value.to_str().ok());
        return sent == Some(&expected) && !form.contains_key("client_secret");
    }
    form.get("client_id") == Some(id) && form.get("client_secret") == Some(secret)
}

fn granted(policy: &Policy, access: &str, refresh: Option<&str>) -> Response {
    let mut body = json!({"access_token": access, "token_type": "bearer"});
    let members = body.as_object_mut().unwrap();
    if let Some(refresh) = refresh {
        members.insert("refresh_token".to_owned(), json!(refresh));
    }
    if !policy.expires_in.is_null() {
        members.insert("expires_in".to_owned(), policy.expires_in.clone());
    }
    members.extend(policy.extra.as_object().unwrap().clone());
    Json(body).into_response()
}

fn refresh(rotation: Rotation, policy: &Policy, book: &mut Book, form: &HashMap<String, String>) -> Response {
    let Some(presented) = form.get("refresh_token").cloned() else { return error(400, "invalid_request", "missing") };
    let dead = || error(400, "invalid_grant", &format!("refresh token {presented} is expired or revoked"));
    if let Some(successor) = book.spent.get(&presented).cloned() {
        book.counters.spent += 1;
        if rotation == Rotation::Grace {
            let (access, refresh) = successor.split_once('|').unwrap();
            return granted(policy, access, Some(refresh));
        }
        book.live.clear();
        book.access.clear();
        return dead();
    }
    if !book.live.contains(&presented) {
        return dead();
    }
    book.counters.rotations += 1;
    let (access, next) = pair(book);
    if rotation == Rotation::Keep {
        return granted(policy, &access, None);
    }
    book.live.remove(&presented);
    book.live.insert(next.clone());
    if rotation == Rotation::Strict
        && let Some(old) = book.beside.remove(&presented)
    {
        book.access.remove(&old);
    }
    book.spent.insert(presented, format!("{access}|{next}"));
    granted(policy, &access, Some(&next))
}

fn exchange(policy: &Policy, book: &mut Book, form: &HashMap<String, String>) -> Response {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sha2::{Digest as _, Sha256};
    let Some(challenge) = form.get("code").and_then(|code| book.codes.remove(code)) else {
        let code = form.get("code").map_or("", String::as_str);
        return error(400, "invalid_grant", &format!("code {code} is not valid"));
    };
    let proof = form.get("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    if proof != challenge {
        return error(400, "invalid_grant", "code verifier mismatch");
    }
    if form.get("redirect_uri").map(String::as_str) != Some("https://app.example/cb") {
        return error(400, "invalid_grant", "redirect uri mismatch");
    }
    let (access, refresh) = pair(book);
    book.live.insert(refresh.clone());
    granted(policy, &access, Some(&refresh))
}

async fn revoke(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> StatusCode {
    let form = form(&headers, &body);
    let mut book = shared.book.lock().unwrap();
    let Some(token) = form.get("token") else { return StatusCode::BAD_REQUEST };
    book.live.remove(token);
    book.access.remove(token);
    StatusCode::OK
}
