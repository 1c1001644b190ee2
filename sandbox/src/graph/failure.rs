//! How Graph says no.

use axum::{http::header, response::Response};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::{
    core::random_hex,
    http::{json as json_response, with_header},
    oauth::Denied,
};

/// A call's result, or why there is none.
pub(super) type Outcome<T = Response> = Result<T, Failure>;

/// Why a call fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// The token.
    Denied(Denied),
    /// Status, code and message.
    Said(u16, &'static str, String),
    /// This machine.
    Io(std::io::Error),
}

impl Failure {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Said(400, "invalidRequest", message.into())
    }

    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Denied(_) => 401,
            Self::Said(status, ..) => *status,
            Self::Io(_) => 500,
        }
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Denied(_) => "InvalidAuthenticationToken",
            Self::Said(_, code, _) => code,
            Self::Io(_) => "generalException",
        }
    }
}

/// Nothing is under this id or path.
pub(super) fn not_found() -> Failure {
    Failure::Said(404, "itemNotFound", "The resource could not be found.".to_owned())
}

/// Another item has the name.
pub(super) fn name_in_use() -> Failure {
    Failure::Said(409, "nameAlreadyExists", "The specified item name already exists.".to_owned())
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// The answer to an outcome.
pub(super) fn answer(outcome: Outcome) -> Response {
    match outcome {
        Ok(response) => response,
        Err(failure) => refuse(&failure),
    }
}

fn refuse(failure: &Failure) -> Response {
    let message = match failure {
        Failure::Denied(Denied::Missing) => "Access token is empty.".to_owned(),
        Failure::Denied(Denied::Expired) => "Lifetime validation failed, the token is expired.".to_owned(),
        Failure::Denied(_) => "CompactToken parsing failed with error code: 80049217".to_owned(),
        Failure::Said(_, _, message) => message.clone(),
        Failure::Io(error) => {
            tracing::warn!(%error, "the sandbox's disk failed");
            "An unspecified error has occurred.".to_owned()
        }
    };
    let answer = json_response(failure.status(), &body(failure.code(), &message));
    if failure.status() == 401 {
        return with_header(
            answer,
            header::WWW_AUTHENTICATE,
            "Bearer realm=\"\", authorization_uri=\"\", error=\"invalid_token\"",
        );
    }
    answer
}

/// The body of an error.
pub(super) fn body(code: &str, message: &str) -> Value {
    json!({ "error": {
        "code": code,
        "message": message,
        "innerError": {
            "date": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true).trim_end_matches('Z'),
            "request-id": random_hex(16),
            "client-request-id": random_hex(16),
        },
    }})
}

/// What a fault's status looks like.
pub(super) fn fault(status: u16, _retry_after: Option<u64>) -> Response {
    let (code, message) = match status {
        401 => ("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
        403 => ("accessDenied", "The caller does not have permission to perform the action."),
        404 => ("itemNotFound", "The resource could not be found."),
        409 => ("nameAlreadyExists", "The specified item name already exists."),
        412 => ("resourceModified", "The resource has changed since the caller last read it."),
        429 => ("activityLimitReached", "The request has been throttled"),
        503 => ("serviceNotAvailable", "The service is not available."),
        507 => ("quotaLimitReached", "The user has reached their quota limit."),
        _ if status >= 500 => ("generalException", "An unspecified error has occurred."),
        _ => ("invalidRequest", "The request is malformed or incorrect."),
    };
    json_response(status, &body(code, message))
}
