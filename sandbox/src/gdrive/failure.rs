//! How Google's APIs say no.

use axum::{http::header, response::Response};
use serde_json::{Map, Value, json};

use crate::{
    http::{empty, json as json_response, with_header},
    oauth::Denied,
};

/// A call's result, or why there is none.
pub(super) type Outcome<T = Response> = Result<T, Failure>;

/// Why a call fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// The token.
    Denied(Denied),
    /// Nothing has this id.
    NotFound(String),
    /// Nothing inside a file has this id: what kind of thing, and the id.
    NoSuch(&'static str, String),
    /// A parameter with a value that cannot be: its name, the reason, the message.
    Parameter(String, &'static str, String),
    /// Any other error: status, reason, message.
    Other(u16, &'static str, &'static str),
    /// The range is beyond the end.
    Range(u64),
    /// This machine.
    Io(std::io::Error),
}

impl Failure {
    /// `Invalid Value`, as most parameters are refused.
    pub(super) fn invalid(name: &str) -> Self {
        Self::Parameter(name.to_owned(), "invalid", "Invalid Value".to_owned())
    }

    /// A parameter refused with words of its own.
    pub(super) fn parameter(name: &str, message: String) -> Self {
        Self::Parameter(name.to_owned(), "invalidParameter", message)
    }

    /// A parameter that must be there.
    pub(super) fn required(name: &str) -> Self {
        let message = format!("The '{name}' parameter is required for this method.");
        Self::Parameter(name.to_owned(), "required", message)
    }
}

/// The token's scopes do not allow this.
pub(super) const SCOPES: Failure = Failure::Other(
    403,
    "insufficientPermissions",
    "Insufficient Permission: Request had insufficient authentication scopes.",
);

/// What the user may not do with a file.
pub(super) const FORBIDDEN: Failure =
    Failure::Other(403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file.");

/// A body that is no JSON of the right shape.
pub(super) const PARSE: Failure = Failure::Other(400, "parseError", "Parse Error");

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// The answer to an outcome.
pub(super) fn answer(outcome: Outcome) -> Response {
    match outcome {
        Ok(response) => response,
        Err(failure) => refuse(failure),
    }
}

fn refuse(failure: Failure) -> Response {
    match failure {
        Failure::Denied(Denied::Missing) => error(
            403,
            "forbidden",
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
            None,
        ),
        Failure::Denied(Denied::Malformed | Denied::Unknown | Denied::Expired | Denied::Revoked) => {
            let location = Some(("Authorization", "header"));
            let answer = error(401, "authError", "Invalid Credentials", location);
            with_header(
                answer,
                header::WWW_AUTHENTICATE,
                "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"",
            )
        }
        Failure::NotFound(id) => {
            error(404, "notFound", &format!("File not found: {id}."), Some(("fileId", "parameter")))
        }
        Failure::NoSuch(kind, id) => {
            let (title, location) = match kind {
                "permission" => ("Permission", "permissionId"),
                "revision" => ("Revision", "revisionId"),
                "drive" => ("Shared drive", "driveId"),
                _ => ("Comment", "commentId"),
            };
            error(404, "notFound", &format!("{title} not found: {id}."), Some((location, "parameter")))
        }
        Failure::Parameter(name, reason, message) => error(400, reason, &message, Some((&name, "parameter"))),
        Failure::Other(status, reason, message) => error(status, reason, message, None),
        Failure::Range(size) => with_header(empty(416), header::CONTENT_RANGE, &format!("bytes */{size}")),
        Failure::Io(failed) => {
            tracing::warn!(error = %failed, "the sandbox's disk failed");
            error(500, "internalError", "Internal Error", None)
        }
    }
}

fn error(status: u16, reason: &str, message: &str, location: Option<(&str, &str)>) -> Response {
    let domain =
        if reason.ends_with("RateLimitExceeded") || reason == "rateLimitExceeded" { "usageLimits" } else { "global" };
    let mut one = Map::new();
    one.insert("message".to_owned(), json!(message));
    one.insert("domain".to_owned(), json!(domain));
    one.insert("reason".to_owned(), json!(reason));
    if let Some((location, kind)) = location {
        one.insert("location".to_owned(), json!(location));
        one.insert("locationType".to_owned(), json!(kind));
    }
    let body = json!({ "error": { "code": status, "message": message, "errors": [Value::Object(one)] } });
    json_response(status, &body)
}

/// What a fault's status looks like: a 403 that comes with a `Retry-After` is the user's quota, which is used up.
pub(super) fn fault(status: u16, retry_after: Option<u64>) -> Response {
    match (status, retry_after) {
        (401, _) => refuse(Failure::Denied(Denied::Expired)),
        (403, Some(_)) => error(403, "userRateLimitExceeded", "User Rate Limit Exceeded", None),
        (403, None) => refuse(FORBIDDEN),
        (404, _) => refuse(Failure::NotFound(String::new())),
        (429, _) => error(429, "rateLimitExceeded", "Rate Limit Exceeded", None),
        (503, _) => error(503, "backendError", "Backend Error", None),
        _ if status >= 500 => error(status, "internalError", "Internal Error", None),
        _ => error(status, "badRequest", "Bad Request", None),
    }
}
