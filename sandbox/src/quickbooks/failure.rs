//! The provider's error answers.

use axum::{
    http::HeaderName,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{core::random_hex, http};

/// One refusal.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
    pub(super) detail: String,
    pub(super) kind: &'static str,
}

impl Failure {
    /// A request that is not valid.
    pub(super) fn invalid(code: &'static str, message: &'static str, detail: impl Into<String>) -> Self {
        Self { status: 400, code, message, detail: detail.into(), kind: "ValidationFault" }
    }

    /// A record nobody knows, or one that is gone.
    pub(super) fn missing() -> Self {
        let detail = "Object Not Found : Something you're trying to use has been made inactive. Check the fields with accounts, \
                      customers, items, vendors or employees.";
        Self::invalid("610", "Object Not Found", detail)
    }

    /// A required member that is not there.
    pub(super) fn required(name: &str) -> Self {
        let detail = format!("Required parameter {name} is missing in the request");
        Self::invalid("2020", "Required param missing, need to supply the required value for the API", detail)
    }

    /// A query that cannot be read.
    pub(super) fn query(detail: impl Into<String>) -> Self {
        Self::invalid("4000", "Error parsing query", detail)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = json!({"Message": self.message, "Detail": self.detail, "code": self.code, "element": ""});
        let now = chrono::Utc::now().to_rfc3339();
        told(http::json(self.status, &json!({"Fault": {"Error": [error], "type": self.kind}, "time": now})))
    }
}

/// An answer with the number by which the provider would find the call.
pub(super) fn told(answer: Response) -> Response {
    http::with_header(answer, HeaderName::from_static("intuit_tid"), &format!("1-{}", random_hex(16)))
}

/// A call without an access token that is valid.
pub(super) fn unauthorized() -> Response {
    let detail = "Token expired: AB01234567890";
    Failure {
        status: 401,
        kind: "AUTHENTICATION",
        ..Failure::invalid("3200", "message=ApplicationAuthenticationFailed; errorCode=003200; statusCode=401", detail)
    }
    .into_response()
}

/// What the provider answers on a bad day, by status.
pub(super) fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let of = |code, message, kind| Failure { status, code, message, detail: message.to_owned(), kind }.into_response();
    let response = match status {
        401 => unauthorized(),
        403 => of("3100", "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403", "AUTHORIZATION"),
        404 => Failure::missing().into_response(),
        429 => of("3001", "message=ThrottleExceeded; errorCode=003001; statusCode=429", "THROTTLE"),
        502..=504 => http::raw(status, "text/html; charset=utf-8", "<html><body>Service Unavailable</body></html>"),
        500 => of("10000", "An application error has occurred while processing your request", "SystemFault"),
        _ => of("6000", "A business validation error has occurred while processing your request", "ValidationFault"),
    };
    match retry_after {
        Some(seconds) => http::with_header(response, axum::http::header::RETRY_AFTER, &seconds.to_string()),
        None => response,
    }
}
