//! How Dropbox says no.

use axum::{http::HeaderMap, response::Response};
use serde_json::{Value, json};

use super::tree::{LookupError, WriteError};
use crate::{
    http::{self, media_type},
    oauth::Denied,
};

/// A route's result, or why there is none.
pub(super) type Outcome<T = Value> = Result<T, Failure>;

/// Why a call fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// 400 with plain text: the request is malformed.
    Bad(String),
    /// 401: the token.
    Denied(Denied),
    /// 401: whom the token acts as.
    Auth(&'static str),
    /// 401: the token's scope.
    MissingScope(String),
    /// 409: the route's own error union.
    Endpoint(Value),
    /// 404: no such route.
    NoRoute,
    /// 416: a range beyond the end.
    Range(u64),
    /// 500: this machine.
    Io(std::io::Error),
}

impl Failure {
    /// A route's error of the form `{".tag": tag, tag: inner}`.
    pub(super) fn nested(tag: &str, inner: Value) -> Self {
        Self::Endpoint(nest(tag, inner))
    }

    /// A route's error of the form `{".tag": tag}`.
    pub(super) fn tag(tag: &str) -> Self {
        Self::Endpoint(json!({ ".tag": tag }))
    }

    pub(super) fn lookup(tag: &str, error: LookupError) -> Self {
        Self::nested(tag, error.json())
    }

    pub(super) fn write(tag: &str, error: WriteError) -> Self {
        Self::nested(tag, error.json())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// `{".tag": tag, tag: inner}`; the members of a struct are put beside the tag instead.
pub(super) fn nest(tag: &str, inner: Value) -> Value {
    json!({ ".tag": tag, tag: inner })
}

/// The answer to an outcome.
pub(super) fn answer(route: &str, outcome: Outcome<Response>) -> Response {
    match outcome {
        Ok(response) => response,
        Err(failure) => refuse(route, failure),
    }
}

fn refuse(route: &str, failure: Failure) -> Response {
    let bad = |text: &str| {
        http::raw(400, "text/plain; charset=utf-8", format!("Error in call to API function \"{route}\": {text}"))
    };
    match failure {
        Failure::Bad(text) => bad(&text),
        Failure::Denied(Denied::Missing) => {
            bad("Must provide HTTP header \"Authorization\" or URL parameter \"authorization\".")
        }
        Failure::Denied(Denied::Malformed) => {
            bad("Invalid authorization value in HTTP header \"Authorization\". Expecting \"Bearer <token>\".")
        }
        Failure::Denied(Denied::Expired) => tagged(401, json!({ ".tag": "expired_access_token" })),
        Failure::Denied(Denied::Unknown | Denied::Revoked) => tagged(401, json!({ ".tag": "invalid_access_token" })),
        Failure::Auth(tag) => tagged(401, json!({ ".tag": tag })),
        Failure::MissingScope(scope) => tagged(401, json!({ ".tag": "missing_scope", "required_scope": scope })),
        Failure::Endpoint(error) => tagged(409, error),
        Failure::NoRoute => http::raw(404, "text/plain; charset=utf-8", format!("Unknown API function: \"{route}\"")),
        Failure::Range(size) => {
            let answer = http::raw(416, "text/plain; charset=utf-8", "Requested range not satisfiable");
            http::with_header(answer, axum::http::header::CONTENT_RANGE, &format!("bytes */{size}"))
        }
        Failure::Io(error) => {
            tracing::warn!(%error, "the sandbox's disk failed");
            http::json(500, &json!({ "error": "Internal Server Error" }))
        }
    }
}

fn tagged(status: u16, error: Value) -> Response {
    http::json(status, &json!({ "error_summary": summary(&error), "error": error }))
}

/// `path/not_found/...`: the tags on the way into the error; clients must not rely on what follows the last slash.
fn summary(error: &Value) -> String {
    let mut tags = Vec::new();
    let mut at = Some(error);
    while let Some(error) = at {
        let Some(tag) = error.get(".tag").and_then(Value::as_str) else { break };
        tags.push(tag);
        at = error.get(tag).or_else(|| error.get("reason"));
    }
    format!("{}/...", tags.join("/"))
}

/// Refuses a request whose media type is not one of those expected.
pub(super) fn content_type(headers: &HeaderMap, expected: &[&str], listed: &str) -> Result<(), Failure> {
    let given = media_type(headers);
    if given.as_deref().is_some_and(|given| expected.contains(&given)) {
        return Ok(());
    }
    let given = http::header_text(headers, "content-type").unwrap_or_default();
    Err(Failure::Bad(format!("Bad HTTP \"Content-Type\" header: \"{given}\". Expecting one of {listed}.")))
}

/// What a fault's status looks like.
pub(super) fn fault(status: u16, retry_after: Option<u64>) -> Response {
    match status {
        429 => http::json(
            429,
            &json!({
                "error_summary": "too_many_requests/...",
                "error": { "reason": { ".tag": "too_many_requests" }, "retry_after": retry_after.unwrap_or(1) },
            }),
        ),
        401 => tagged(401, json!({ ".tag": "expired_access_token" })),
        _ => http::raw(status, "text/plain; charset=utf-8", "Internal Server Error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summarises_by_tags() {
        let conflict = WriteError::FileConflict.json();
        assert_eq!(summary(&nest("path", conflict.clone())), "path/conflict/file/...");
        let upload = json!({ ".tag": "path", "reason": conflict, "upload_session_id": "x" });
        assert_eq!(summary(&upload), "path/conflict/file/...");
        assert_eq!(summary(&json!({ ".tag": "reset" })), "reset/...");
    }
}
