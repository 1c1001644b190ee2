//! A transport that plays recorded calls.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use http::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Map, Value};
use url::Url;

use super::{
    compare::{Comparison, Difference, short, step},
    format::{Body as Recorded, Call, Part},
};
use crate::{
    error::{Error, Result},
    upstream::{self, Body, Response, Transport},
};

/// Plays recorded calls in their order, and notes every difference.
pub(super) struct Player {
    state: Mutex<State>,
    calls: Vec<Call>,
    /// Where the calls stand in the file.
    pointer: String,
}

#[derive(Default)]
struct State {
    made: usize,
    comparison: Comparison,
    found: Vec<Difference>,
}

impl Player {
    pub(super) fn new(calls: Vec<Call>, pointer: String) -> Self {
        Self { state: Mutex::default(), calls, pointer }
    }

    /// The differences, calls never made among them, and what is known of the random text.
    pub(super) fn finish(&self) -> (Vec<Difference>, Comparison) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = std::mem::take(&mut state.found);
        if found.is_empty() {
            found.extend(self.calls.iter().skip(state.made).map(|call| Difference {
                pointer: call.pointer.clone(),
                message: format!(
                    "the call {} {} was recorded, but is not made",
                    call.method,
                    state.comparison.filled(&call.url)
                ),
            }));
        }
        (found, std::mem::take(&mut state.comparison))
    }

    fn play(&self, sent: &Sent) -> Result<Response> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let Some(call) = self.calls.get(state.made) else {
            state.found.push(Difference {
                pointer: self.pointer.clone(),
                message: format!("the call {} {} is made, but was not recorded{}", sent.method, sent.url, sent.told()),
            });
            return Err(Error::internal("a call that was not recorded"));
        };
        state.made += 1;
        let differences = sent.against(call, &mut state.comparison);
        if !differences.is_empty() {
            let below = format!("{}/request", call.pointer);
            state.found.extend(
                differences.into_iter().map(|one| Difference { pointer: format!("{below}{}", one.pointer), ..one }),
            );
            return Err(Error::internal("a call other than the recorded one"));
        }
        reply(call, &state.comparison)
    }
}

impl Transport for Player {
    fn send(&self, request: upstream::Request) -> BoxFuture<'_, Result<Response>> {
        Box::pin(async move {
            let body = match request.body {
                Body::Empty => None,
                Body::Bytes(bytes) => Some(bytes),
                Body::Stream { stream, .. } => {
                    let chunks: Vec<Bytes> = stream.try_collect().await.map_err(Error::internal)?;
                    Some(chunks.concat().into())
                }
            };
            let sent = Sent { method: request.method.to_string(), url: request.url, headers: request.headers, body };
            self.play(&sent)
        })
    }
}

fn reply(call: &Call, comparison: &Comparison) -> Result<Response> {
    let mut headers = HeaderMap::new();
    let reply = &call.reply;
    let bytes: Bytes = match (&reply.json, &reply.text) {
        (Some(json), _) => {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            serde_json::to_vec(&comparison.filled_value(json)).map_err(Error::internal)?.into()
        }
        (None, Some(text)) => comparison.filled(text).into_bytes().into(),
        (None, None) => Bytes::new(),
    };
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(Error::internal)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        headers.insert(name, HeaderValue::from_str(&text).map_err(Error::internal)?);
    }
    Ok(Response {
        status: StatusCode::from_u16(reply.status).map_err(Error::internal)?,
        headers,
        body: stream::iter([Ok(bytes)]).boxed(),
    })
}

/// A request as it went out.
struct Sent {
    method: String,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Sent {
    fn against(&self, call: &Call, comparison: &mut Comparison) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut note = |pointer: &str, message: String| found.push(Difference { pointer: pointer.to_owned(), message });
        if self.method != call.method {
            note("/method", format!("recorded as {}, but {} {} is sent", call.method, self.method, self.url));
        }
        match Url::parse(&call.url) {
            Err(error) => note("/url", format!("`{}` is not an absolute URL ({error})", call.url)),
            Ok(wanted) => {
                if !comparison.same(&root(&wanted), &root(&self.url))
                    || pairs(&wanted).len() != pairs(&self.url).len()
                    || pairs(&wanted)
                        .iter()
                        .zip(&pairs(&self.url))
                        .any(|(wanted, is)| wanted.0 != is.0 || !comparison.same(&wanted.1, &is.1))
                {
                    note(
                        "/url",
                        format!("recorded as {}, but {} is sent", comparison.filled(&call.url), readable(&self.url)),
                    );
                }
            }
        }
        for (name, wanted) in &call.headers {
            let is = self.headers.get(name).and_then(|value| value.to_str().ok());
            for one in header(wanted, is, comparison) {
                note(&format!("{}{}", step("/headers", name), one.pointer), one.message);
            }
        }
        found.extend(self.body_against(&call.body, comparison));
        found
    }

    fn body_against(&self, wanted: &Recorded, comparison: &mut Comparison) -> Vec<Difference> {
        let one = |pointer: &str, message: String| vec![Difference { pointer: pointer.to_owned(), message }];
        let bytes = self.body.as_deref().unwrap_or_default();
        match wanted {
            Recorded::None if self.body.is_some() => {
                one("/body", format!("not recorded, but a body is sent{}", self.told()))
            }
            Recorded::None => Vec::new(),
            Recorded::Json(wanted) => match serde_json::from_slice::<Value>(bytes) {
                Ok(is) => prefixed("/body", comparison.value(wanted, &is)),
                Err(_) => one("/body", format!("recorded as JSON, but what is sent is not{}", self.told())),
            },
            Recorded::Form(wanted) => {
                let is: Map<String, Value> = url::form_urlencoded::parse(bytes)
                    .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                    .collect();
                prefixed("/form", comparison.value(&Value::Object(wanted.clone()), &Value::Object(is)))
            }
            Recorded::Text(wanted) if bytes == wanted.as_bytes() => Vec::new(),
            Recorded::Text(wanted) => {
                one("/text", format!("recorded as `{wanted}`, but something else is sent{}", self.told()))
            }
            Recorded::Multipart(wanted) => self.multipart_against(wanted, bytes, comparison),
        }
    }

    fn multipart_against(&self, wanted: &[Part], bytes: &[u8], comparison: &mut Comparison) -> Vec<Difference> {
        let content_type =
            self.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some((_, boundary)) = content_type.split_once("boundary=") else {
            return vec![Difference {
                pointer: "/multipart".into(),
                message: format!("recorded, but no multipart body is sent{}", self.told()),
            }];
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let is: Vec<(String, &str)> = text
            .split(&format!("--{boundary}"))
            .filter_map(|part| part.strip_prefix("\r\n")?.strip_suffix("\r\n")?.split_once("\r\n\r\n"))
            .map(|(head, body)| (head.to_owned(), body))
            .collect();
        if is.len() != wanted.len() {
            return vec![Difference {
                pointer: "/multipart".into(),
                message: format!("recorded with {} parts, but {} are sent", wanted.len(), is.len()),
            }];
        }
        let mut found = Vec::new();
        for (index, (wanted, (head, body))) in wanted.iter().zip(is).enumerate() {
            let place = format!("/multipart/{index}");
            let mut disposition =
                wanted.name.as_ref().map_or_else(String::new, |name| format!("form-data; name=\"{name}\""));
            if let Some(name) = &wanted.file_name {
                disposition = format!("{disposition}; filename=\"{name}\"");
            }
            let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let sent = header("Content-Disposition: ");
            if !comparison.same(&disposition, sent) {
                found.push(Difference {
                    pointer: place.clone(),
                    message: format!("recorded as `{disposition}`, but `{sent}` is sent"),
                });
            }
            let sent = header("Content-Type: ");
            if let Some(kind) = wanted.content_type.as_ref().filter(|kind| *kind != sent) {
                found.push(Difference {
                    pointer: format!("{place}/contentType"),
                    message: format!("recorded as `{kind}`, but `{sent}` is sent"),
                });
            }
            if let Some(json) = &wanted.json {
                let is = serde_json::from_str(body).unwrap_or(Value::Null);
                found.extend(prefixed(&format!("{place}/json"), comparison.value(json, &is)));
            }
            if let Some(text) = wanted.text.as_ref().filter(|text| *text != body) {
                found.push(Difference {
                    pointer: format!("{place}/text"),
                    message: format!("recorded as `{text}`, but `{body}` is sent"),
                });
            }
        }
        found
    }

    /// The body in few words.
    fn told(&self) -> String {
        match &self.body {
            Some(bytes) if !bytes.is_empty() => {
                let text: String = String::from_utf8_lossy(bytes).chars().take(300).collect();
                format!(", with the body {text}")
            }
            _ => String::new(),
        }
    }
}

fn prefixed(prefix: &str, found: Vec<Difference>) -> Vec<Difference> {
    found.into_iter().map(|one| Difference { pointer: format!("{prefix}{}", one.pointer), ..one }).collect()
}

fn header(wanted: &Value, is: Option<&str>, comparison: &mut Comparison) -> Vec<Difference> {
    let one = |message: String| vec![Difference { pointer: String::new(), message }];
    match (wanted, is) {
        (Value::Null, None) => Vec::new(),
        (Value::Null, Some(is)) => one(format!("recorded as absent, but it is `{is}`")),
        (wanted, None) => one(format!("recorded as {}, but it is not sent", short(wanted))),
        (Value::String(wanted), Some(is)) if comparison.same(wanted, is) => Vec::new(),
        (Value::Object(_) | Value::Array(_), Some(is)) => match serde_json::from_str(is) {
            Ok(is) => comparison.value(wanted, &is),
            Err(_) => one(format!("recorded as JSON, but it is `{is}`")),
        },
        (wanted, Some(is)) if serde_json::from_str(is).is_ok_and(|is: Value| is == *wanted) => Vec::new(),
        (wanted, Some(is)) => one(format!("recorded as {}, but it is `{is}`", short(wanted))),
    }
}

/// Origin and path.
fn root(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// The query, in order of names.
fn pairs(url: &Url) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    pairs.sort();
    pairs
}

/// A URL whose query can be read.
fn readable(url: &Url) -> String {
    let query: Vec<String> = url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
    let query = if query.is_empty() { String::new() } else { format!(" (query: {})", query.join(", ")) };
    format!("{url}{query}")
}
