//! The provider's error answers: an array of objects with a message and a code.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::http;

/// One refusal, with its HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The fields concerned; only refusals of a record have the member.
    pub(super) fields: Option<Vec<String>>,
}

impl Failure {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: None }
    }

    /// A 400.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A 404 for a record or resource that never was.
    pub(super) fn missing() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    /// Names the fields the refusal is about.
    pub(super) fn about(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields = Some(fields.into_iter().map(Into::into).collect());
        self
    }

    fn body(&self) -> Value {
        let mut body = json!({"message": self.message, "errorCode": self.code});
        if let (Some(fields), Some(object)) = (&self.fields, body.as_object_mut()) {
            object.insert("fields".to_owned(), json!(fields));
        }
        json!([body])
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        http::json(self.status, &self.body())
    }
}

/// What the provider answers on a bad day, by status.
pub(super) fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let failure = match status {
        401 => session(),
        403 | 429 => Failure::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        404 => Failure::missing(),
        503 => Failure::new(503, "SERVER_UNAVAILABLE", "The server is temporarily unable to respond"),
        400..=499 => Failure::new(status, "UNKNOWN_EXCEPTION", "The request could not be carried out"),
        _ => Failure::new(
            status,
            "UNKNOWN_EXCEPTION",
            "An unexpected error occurred. Please include this ErrorId if you contact support: 1382749203-14857 (-1284018324)",
        ),
    };
    let response = failure.into_response();
    match retry_after {
        Some(seconds) => http::with_header(response, axum::http::header::RETRY_AFTER, &seconds.to_string()),
        None => response,
    }
}

/// An access token that is unknown, expired or revoked.
pub(super) fn session() -> Failure {
    Failure::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
}
