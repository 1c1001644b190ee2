//! How Box says no.

use axum::{http::header, response::Response};
use serde_json::{Map, Value, json};

use crate::{
    core::random_hex,
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
    /// A parameter or member is wrong or missing.
    Parameter { name: String, reason: &'static str, message: String },
    /// Nothing has this id.
    NotFound { kind: &'static str, id: String },
    /// Another item has the name; what it is.
    NameInUse(Value),
    /// Any other error: status, code, message.
    Other(u16, &'static str, &'static str),
    /// The range is beyond the end.
    Range(u64),
    /// This machine.
    Io(std::io::Error),
}

impl Failure {
    pub(super) fn invalid(name: &str, message: impl Into<String>) -> Self {
        Self::Parameter { name: name.to_owned(), reason: "invalid_parameter", message: message.into() }
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::Parameter { name: name.to_owned(), reason: "missing_parameter", message: format!("'{name}' is required") }
    }
}

/// A precondition on the etag does not hold.
pub(super) const PRECONDITION: Failure = Failure::Other(
    412,
    "precondition_failed",
    "The resource has been modified. Please retrieve the resource again and retry",
);

/// The root, or something beyond the user's rights.
pub(super) const FORBIDDEN: Failure =
    Failure::Other(403, "access_denied_insufficient_permissions", "Access denied - insufficient permission");

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
        Failure::Denied(denied) => {
            let challenge = match denied {
                Denied::Missing => "Bearer realm=\"Service\"".to_owned(),
                Denied::Malformed | Denied::Unknown | Denied::Expired | Denied::Revoked => {
                    "Bearer realm=\"Service\", error=\"invalid_token\", \
                     error_description=\"The access token provided is invalid.\""
                        .to_owned()
                }
            };
            with_header(empty(401), header::WWW_AUTHENTICATE, &challenge)
        }
        Failure::Parameter { name, reason, message } => {
            let context = json!({ "errors": [{ "reason": reason, "name": name, "message": message }] });
            error(400, "bad_request", "Bad Request", Some(context))
        }
        Failure::NotFound { kind, id } => {
            let prefix = if kind == "folder" { "d" } else { "f" };
            let message = format!("Invalid value '{prefix}_{id}'. '{kind}' with value '{prefix}_{id}' not found");
            let context = json!({ "errors": [{ "reason": "invalid_parameter", "name": kind, "message": message }] });
            error(404, "not_found", "Not Found", Some(context))
        }
        Failure::NameInUse(conflicts) => {
            let context = json!({ "conflicts": conflicts });
            error(409, "item_name_in_use", "Item with the same name already exists", Some(context))
        }
        Failure::Other(status, code, message) => error(status, code, message, None),
        Failure::Range(size) => with_header(empty(416), header::CONTENT_RANGE, &format!("bytes */{size}")),
        Failure::Io(failed) => {
            tracing::warn!(error = %failed, "the sandbox's disk failed");
            error(500, "internal_server_error", "Internal Server Error", None)
        }
    }
}

fn error(status: u16, code: &str, message: &str, context: Option<Value>) -> Response {
    let mut body = Map::new();
    body.insert("type".to_owned(), json!("error"));
    body.insert("status".to_owned(), json!(status));
    body.insert("code".to_owned(), json!(code));
    if let Some(context) = context {
        body.insert("context_info".to_owned(), context);
    }
    body.insert("help_url".to_owned(), json!("http://developers.box.com/docs/#errors"));
    body.insert("message".to_owned(), json!(message));
    body.insert("request_id".to_owned(), json!(random_hex(8)));
    json_response(status, &Value::Object(body))
}

/// What a fault's status looks like.
pub(super) fn fault(status: u16, _retry_after: Option<u64>) -> Response {
    match status {
        401 => refuse(Failure::Denied(Denied::Expired)),
        429 => error(429, "rate_limit_exceeded", "Request rate limit exceeded, please slow down", None),
        503 => error(503, "unavailable", "Unavailable", None),
        404 => error(404, "not_found", "Not Found", None),
        403 => error(403, "forbidden", "Forbidden", None),
        _ if status >= 500 => error(status, "internal_server_error", "Internal Server Error", None),
        _ => error(status, "bad_request", "Bad Request", None),
    }
}
