//! The provider's error answers.

use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http;

/// One refusal.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A query the interface does not take.
    pub(super) fn query(message: impl Into<String>) -> Self {
        Self::new(400, "0x80060888", message)
    }

    /// A body the interface does not take.
    pub(super) fn payload(set: &str, message: &str) -> Self {
        let message = format!("Error identified in Payload provided by the user for Entity :'{set}', {message}");
        Self::new(400, "0x80048d19", message)
    }

    /// A row nobody knows.
    pub(super) fn missing(label: &str, id: &str) -> Self {
        Self::new(404, "0x80040217", format!("Entity '{label}' With Id = {id} Does Not Exist"))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        http::json(self.status, &json!({"error": {"code": self.code, "message": self.message}}))
    }
}

/// What the provider answers on a bad day, by status.
pub(super) fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let response = match status {
        401 => unauthorized(),
        403 => Failure::new(403, "0x80040220", "Principal user is missing prvReadAccount privilege").into_response(),
        404 => Failure::missing("account", "00000000-0000-0000-0000-000000000000").into_response(),
        412 => Failure::new(412, "0x80060882", "The version of the existing record doesn't match").into_response(),
        429 => {
            let message = "Number of requests exceeded the limit of 6000 over time window of 300 seconds.";
            Failure::new(429, "0x80072322", message).into_response()
        }
        502..=504 => http::raw(status, "text/html; charset=utf-8", "<html><body>Service Unavailable</body></html>"),
        _ => Failure::new(status, "0x80040216", "An unexpected error occurred.").into_response(),
    };
    match retry_after {
        Some(seconds) => http::with_header(response, axum::http::header::RETRY_AFTER, &seconds.to_string()),
        None => response,
    }
}

/// A call without an access token that is valid.
pub(super) fn unauthorized() -> Response {
    let challenge = "Bearer authorization_uri=https://login.microsoftonline.com/organizations/oauth2/authorize";
    http::with_header(http::empty(401), axum::http::header::WWW_AUTHENTICATE, challenge)
}
