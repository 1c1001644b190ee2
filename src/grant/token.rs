//! One call to a token endpoint: the form out, the answer or a classified failure back.
//!
//! What an answer means is decided by the JSON `error`, not by the status: providers send `invalid_grant` with 400,
//! 401 and 403 alike, and some send errors with 200.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use url::{Url, form_urlencoded};

use super::{
    oauth::{ClientAuth, OAuth2},
    timing,
};
use crate::{
    clock::SharedClock,
    error::{Error, Kind, ProviderFault},
    store::NewGrant,
    upstream::{Body, Request, Response, Transport},
};

const MAX_BODY: usize = 64 * 1024;
const MAX_WORDS: usize = 500;
/// The longest silence of a token endpoint.
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// A hundred years; a longer life is nonsense.
const LONGEST_LIFE_MS: i64 = 100 * 366 * 24 * 3600 * 1000;

/// What a token endpoint answered.
#[derive(Clone)]
pub struct Answer {
    /// The access token.
    pub access: SecretString,
    /// The refresh token, where the provider sent one.
    pub refresh: Option<SecretString>,
    /// The access token's secret, of OAuth 1.
    pub secret: Option<SecretString>,
    /// When the access token expires; `None` is unknown.
    pub expires_at: Option<DateTime<Utc>>,
    /// The members named by [`OAuth2::capture`], as instance configuration.
    pub capture: Map<String, Value>,
    /// How long the refresh token lives that nobody uses.
    idle: Option<Duration>,
    members: Value,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Answer {
    /// Another member of the answer, by dotted path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        member(&self.members, path)
    }

    /// The tokens, to be stored.
    pub fn grant(&self) -> NewGrant {
        NewGrant {
            access: Some(self.access.clone()),
            refresh: self.refresh.clone(),
            expires_at: self.expires_at,
            secret: self.secret.clone(),
            keep_alive_in: Some(timing::keep_alive(self.idle)),
        }
    }
}

/// Why there is no [`Answer`].
#[derive(Debug)]
pub(super) enum Failure {
    /// The grant (or the code) is dead.
    Dead(ProviderFault),
    /// The client is refused: the fault is the element's or the operator's.
    Client(ProviderFault),
    /// Refused for another reason.
    Refused(ProviderFault),
    /// Nothing was sent, nor would be at another try.
    Blocked(Error),
    /// The provider does not serve.
    Down {
        kind: Kind,
        fault: Option<ProviderFault>,
        retry_after: Option<Duration>,
        /// No answer was read: the request may have been carried out, and a repeat may tell.
        lost: bool,
    },
}

/// Sends a form to the token endpoint.
pub(super) async fn call(
    transport: &dyn Transport,
    clock: &SharedClock,
    oauth: &OAuth2,
    url: Url,
    form: &[(&str, &str)],
    deadline: Instant,
) -> Result<Answer, Failure> {
    // Taken before sending: the token is younger than this, never older.
    let before = clock.now();
    let (status, headers, members) = ask(transport, request(oauth, url, form, deadline), deadline).await?;
    let refused = members.get("error").is_some_and(|error| !error.is_null());
    let access = members.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    match access {
        Some(access) if status.is_success() && !refused => Ok(answer(oauth, access, &members, before)),
        _ => Err(classify(oauth, status, &headers, &members, form, before)),
    }
}

/// Sends a signed request, whose answer is a token and its secret (OAuth 1).
pub(super) async fn call_oauth1(
    transport: &dyn Transport,
    clock: &SharedClock,
    reader: &OAuth2,
    request: Request,
    hidden: &[(&str, &str)],
) -> Result<Answer, Failure> {
    let (before, deadline) = (clock.now(), request.deadline);
    let (status, headers, members) = ask(transport, request, deadline).await?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("oauth_token"), text("oauth_token_secret")) {
        (Some(token), Some(secret)) if status.is_success() => {
            let secret = SecretString::from(secret.to_owned());
            Ok(Answer { secret: Some(secret), expires_at: None, ..answer(reader, token, &members, before) })
        }
        _ => match classify(reader, status, &headers, &members, hidden, before) {
            // These endpoints refuse in words of their own, if in any.
            Failure::Down { fault: Some(fault), .. } if status.is_client_error() => Err(Failure::Refused(fault)),
            failure => Err(failure),
        },
    }
}

async fn ask(
    transport: &dyn Transport,
    request: Request,
    deadline: Instant,
) -> Result<(StatusCode, HeaderMap, Value), Failure> {
    let answered = timeout_at(deadline, async {
        let response = transport.send(request).await?;
        let head = (response.status, response.headers.clone());
        Ok::<_, Error>((head, read(response).await?))
    });
    let ((status, headers), body) = match answered.await {
        Ok(Ok(answered)) => answered,
        Ok(Err(error)) => return Err(unanswered(error)),
        Err(_) => return Err(down(Kind::ProviderTimeout, None, None, true)),
    };
    let members = decode(&headers, &body);
    Ok((status, headers, members))
}

fn request(oauth: &OAuth2, url: Url, form: &[(&str, &str)], deadline: Instant) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(form);
    body.extend_pairs(client(oauth, &mut headers));
    Request {
        method: Method::POST,
        url,
        headers,
        sensitive: Vec::new(),
        body: Body::Bytes(Bytes::from(body.finish())),
        hosts: oauth.hosts.clone(),
        deadline,
        idle: IDLE,
        follow_redirects: false,
        retryable: false,
    }
}

/// Authenticates the client: in the headers, or by the members given back.
pub(super) fn client<'a>(oauth: &'a OAuth2, headers: &mut HeaderMap) -> Vec<(&'static str, &'a str)> {
    let secret = oauth.client_secret.as_ref().map(ExposeSecret::expose_secret);
    if let (ClientAuth::Basic, Some(secret)) = (oauth.client_auth, secret) {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encode(&oauth.client_id), encode(secret)));
        if let Ok(mut value) = HeaderValue::from_str(&format!("Basic {pair}")) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        return Vec::new();
    }
    let mut members = Vec::new();
    if !oauth.client_id.is_empty() {
        members.push(("client_id", oauth.client_id.as_str()));
    }
    members.extend(secret.map(|secret| ("client_secret", secret)));
    members
}

async fn read(mut response: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.body.next().await {
        let broke =
            |error| Error::new(Kind::ProviderUnreachable, "The provider broke off its answer").with_source(error);
        body.extend_from_slice(&chunk.map_err(broke)?);
        if body.len() > MAX_BODY {
            // Not a token answer; what it is, is told by the status.
            return Ok(Vec::new());
        }
    }
    Ok(body)
}

fn unanswered(error: Error) -> Failure {
    match error.kind() {
        Kind::ProviderUnreachable | Kind::ProviderTimeout | Kind::ProviderFailed => {
            down(error.kind(), error.provider().cloned(), error.retry_after(), true)
        }
        Kind::ProviderDown | Kind::Unavailable | Kind::TooManyRequests => {
            down(Kind::ProviderUnreachable, None, error.retry_after(), false)
        }
        _ => Failure::Blocked(error),
    }
}

fn down(kind: Kind, fault: Option<ProviderFault>, retry_after: Option<Duration>, lost: bool) -> Failure {
    Failure::Down { kind, fault, retry_after, lost }
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(body) {
        return value;
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // OAuth 1 answers are forms, whatever their type says.
    if kind.starts_with("application/x-www-form-urlencoded") || body.starts_with(b"oauth_") {
        let pairs = form_urlencoded::parse(body);
        return Value::Object(pairs.map(|(key, value)| (key.into_owned(), Value::from(value.into_owned()))).collect());
    }
    Value::Null
}

fn answer(oauth: &OAuth2, access: &str, members: &Value, before: DateTime<Utc>) -> Answer {
    let refresh = members.get("refresh_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let default = oauth.default_lifetime.and_then(|life| TimeDelta::from_std(life).ok());
    let life = members.get("expires_in").and_then(seconds).or(default);
    let capture = oauth.capture.iter().filter_map(|(key, path)| {
        let value = match member(members, path)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return None,
        };
        Some((key.clone(), Value::String(value)))
    });
    Answer {
        idle: oauth.refresh_idle,
        access: SecretString::from(access.to_owned()),
        refresh: refresh.map(|token| SecretString::from(token.to_owned())),
        secret: None,
        expires_at: life.and_then(|life| before.checked_add_signed(life)),
        capture: capture.collect(),
        members: members.clone(),
    }
}

/// A life in seconds: a number or a number in a string; zero and nonsense are unknown.
fn seconds(value: &Value) -> Option<TimeDelta> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    #[expect(clippy::cast_possible_truncation, reason = "a float to integer cast saturates; milliseconds are enough")]
    let millis = (seconds * 1000.0) as i64;
    (1..=LONGEST_LIFE_MS).contains(&millis).then(|| TimeDelta::milliseconds(millis))
}

fn member<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

fn classify(
    oauth: &OAuth2,
    status: StatusCode,
    headers: &HeaderMap,
    members: &Value,
    form: &[(&str, &str)],
    now: DateTime<Utc>,
) -> Failure {
    let text = |path: &str| member(members, path).and_then(Value::as_str);
    let codes: Vec<&str> = [
        "error",
        "error.code",
        "error.type",
        "error.status",
        "status",
        "errorCode",
        "error_code",
        "code",
        "oauth_problem",
    ]
    .into_iter()
    .filter_map(text)
    .collect();
    let words = ["error_description", "message", "error.message", "error_summary", "detail"].into_iter().find_map(text);
    let fault = ProviderFault {
        status: status.as_u16(),
        code: codes.first().map(|code| clean(code, oauth, form)),
        message: words.map(|words| clean(words, oauth, form)),
    };
    let is = |known: &str| codes.iter().any(|code| code.eq_ignore_ascii_case(known));
    if is("invalid_grant") || oauth.dead_errors.iter().any(|dead| is(dead)) {
        return Failure::Dead(fault);
    }
    if ["invalid_client", "unauthorized_client", "invalid_scope"].into_iter().any(is) {
        return Failure::Client(fault);
    }
    let busy = status == StatusCode::TOO_MANY_REQUESTS || is("temporarily_unavailable") || is("server_error");
    // Some refuse with a status of success.
    let told = member(members, "error").is_some_and(|error| !error.is_null());
    if !busy && (status.is_client_error() && !codes.is_empty() || status.is_success() && told) {
        return Failure::Refused(fault);
    }
    down(Kind::ProviderFailed, Some(fault), retry_after(headers, now), false)
}

/// The provider's words, bounded and without anything secret that we sent.
fn clean(words: &str, oauth: &OAuth2, form: &[(&str, &str)]) -> String {
    let public = ["grant_type", "redirect_uri", "scope"];
    let secrets = form.iter().filter(|(name, _)| !public.contains(name)).map(|(_, value)| *value);
    let client = oauth.client_secret.as_ref().map(ExposeSecret::expose_secret);
    let mut words = words.to_owned();
    for secret in secrets.chain(client).filter(|secret| !secret.is_empty()) {
        words = words.replace(secret, "********");
    }
    words.chars().filter(|char| !char.is_control()).take(MAX_WORDS).collect()
}

fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    (at.to_utc() - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind_of(status: u16, body: &Value) -> &'static str {
        let oauth = OAuth2 { dead_errors: vec!["BAD_REFRESH_TOKEN".to_owned()], ..OAuth2::default() };
        let status = StatusCode::from_u16(status).unwrap();
        match classify(&oauth, status, &HeaderMap::new(), body, &[], Utc::now()) {
            Failure::Dead(_) => "dead",
            Failure::Client(_) => "client",
            Failure::Refused(_) => "refused",
            Failure::Blocked(_) => "blocked",
            Failure::Down { .. } => "down",
        }
    }

    #[test]
    fn the_error_decides_not_the_status() {
        for status in [200, 400, 401, 403, 500] {
            assert_eq!(kind_of(status, &json!({"error": "invalid_grant"})), "dead", "{status}");
            assert_eq!(kind_of(status, &json!({"error": "invalid_client"})), "client", "{status}");
        }
        assert_eq!(kind_of(400, &json!({"status": "BAD_REFRESH_TOKEN", "message": "m"})), "dead");
        assert_eq!(kind_of(400, &json!({"error": {"code": "invalid_grant"}})), "dead");
        assert_eq!(kind_of(400, &json!({"error": "invalid_request"})), "refused");
        assert_eq!(kind_of(429, &json!({"error": "rate_limited"})), "down");
        assert_eq!(kind_of(400, &json!({"error": "temporarily_unavailable"})), "down");
        assert_eq!(kind_of(403, &Value::Null), "down");
        assert_eq!(kind_of(502, &Value::Null), "down");
        assert_eq!(kind_of(200, &Value::Null), "down");
        assert_eq!(kind_of(200, &json!({"token": "x"})), "down");
        assert_eq!(kind_of(200, &json!({"error": "invalid_code"})), "refused");
        assert_eq!(kind_of(200, &json!({"error": "temporarily_unavailable"})), "down");
    }

    #[test]
    fn a_life_may_be_a_number_a_string_or_unknown() {
        for (value, life) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(" 60.5 "), Some(60)),
            (json!(0), None),
            (json!(-1), None),
            (json!("soon"), None),
            (json!(1e300), None),
            (Value::Null, None),
        ] {
            assert_eq!(seconds(&value).map(|life| life.num_seconds()), life, "{value}");
        }
    }

    #[test]
    fn words_of_the_provider_carry_no_secret_of_ours() {
        let oauth = OAuth2 { client_secret: Some(SecretString::from("s3cret".to_owned())), ..OAuth2::default() };
        let form = [("grant_type", "refresh_token"), ("refresh_token", "R-123")];
        assert_eq!(clean("refresh_token R-123 of s3cret\n", &oauth, &form), "refresh_token ******** of ********");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T00:00:00Z").unwrap().to_utc();
        for (value, seconds) in [("7", Some(7)), ("Sat, 21 Nov 2026 00:01:00 GMT", Some(60)), ("x", None)] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs));
        }
    }
}
