//! How answers say what has become of a call or of a row.

use axum::{http::HeaderName, response::Response};
use serde_json::{Value, json};

use crate::{
    crm::{Kind, Wrong},
    http,
};

/// An answer that says no to a call as a whole, or one row's outcome.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) details: Value,
}

impl Failure {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: json!({}) }
    }

    pub(super) fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The row's identifier is unknown.
    pub(super) fn unknown_id() -> Self {
        Self::new(400, "INVALID_DATA", "the id given seems to be invalid")
    }

    /// The first thing that is wrong with a row.
    pub(super) fn field(name: &str, wrong: Wrong) -> Self {
        let at = json!({"api_name": name, "json_path": format!("$.data[0].{name}")});
        match wrong {
            Wrong::Missing => Self::new(400, "MANDATORY_NOT_FOUND", "required field not found").with(at),
            Wrong::Kind(kind) => {
                let mut at = at;
                if let Some(members) = at.as_object_mut() {
                    members.insert("expected_data_type".to_owned(), json!(word(kind)));
                }
                Self::new(400, "INVALID_DATA", "invalid data").with(at)
            }
            Wrong::Link(_) => Self::new(400, "INVALID_DATA", "the id given seems to be invalid").with(at),
            Wrong::Choice | Wrong::Fixed | Wrong::Unknown => Self::new(400, "INVALID_DATA", "invalid data").with(at),
        }
    }

    pub(super) fn body(&self) -> Value {
        json!({"code": self.code, "details": self.details, "message": self.message, "status": "error"})
    }

    pub(super) fn answer(&self) -> Response {
        http::json(self.status, &self.body())
    }
}

/// The word for a kind of data.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Number => "double",
        Kind::Flag => "boolean",
        Kind::Date => "date",
        Kind::Moment => "datetime",
        Kind::List => "jsonarray",
        Kind::Map => "jsonobject",
    }
}

/// The provider's answer for a fault's status.
pub(crate) fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let failure = match status {
        401 => Failure::new(401, "INVALID_TOKEN", "invalid oauth token"),
        403 => Failure::new(403, "NO_PERMISSION", "permission denied"),
        404 => Failure::new(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one"),
        429 => Failure::new(429, "TOO_MANY_REQUESTS", "You have exceeded the maximum number of calls"),
        _ => Failure::new(status, "INTERNAL_ERROR", "Internal Server Error"),
    };
    let answer = failure.answer();
    match retry_after {
        Some(seconds) => http::with_header(answer, HeaderName::from_static("retry-after"), &seconds.to_string()),
        None => answer,
    }
}
