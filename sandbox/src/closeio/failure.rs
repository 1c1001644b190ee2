//! The answers that say no.

use axum::{http::HeaderName, response::Response};
use serde_json::{Map, Value, json};

use crate::{crm::Wrong, http};

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Failure {
    /// One sentence.
    pub(super) fn error(status: u16, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "error": message.into() }) }
    }

    /// A request that is wrong as a whole.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, body: json!({"errors": [message.into()], "field-errors": {}}) }
    }

    /// One parameter that is wrong.
    pub(super) fn parameter(name: &str, message: impl Into<String>) -> Self {
        Self { status: 400, body: json!({"errors": [], "field-errors": {name: message.into()}}) }
    }

    /// Members of a record that are wrong.
    pub(super) fn fields(problems: &[(String, Wrong)]) -> Self {
        let told: Map<String, Value> =
            problems.iter().map(|(name, wrong)| (name.clone(), json!(describe(*wrong)))).collect();
        Self { status: 400, body: json!({"errors": [], "field-errors": told}) }
    }

    /// Nothing of this kind has this identifier.
    pub(super) fn missing(label: &str) -> Self {
        Self::error(404, format!("Empty query: {label} does not exist."))
    }

    pub(super) fn answer(&self) -> Response {
        http::json(self.status, &self.body)
    }
}

fn describe(wrong: Wrong) -> String {
    match wrong {
        Wrong::Unknown => "Unknown field.".to_owned(),
        Wrong::Fixed => "This field can't be changed.".to_owned(),
        Wrong::Missing => "This field is required.".to_owned(),
        Wrong::Kind(kind) => format!("Expected {kind:?}.").to_lowercase(),
        Wrong::Choice => "Not a valid choice.".to_owned(),
        Wrong::Link(object) => format!("Object does not exist ({object})."),
    }
}

/// The provider's answer for a fault's status.
pub(crate) fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let seconds = retry_after.unwrap_or(1);
    let body = match status {
        401 => json!({"error": "The server could not verify that you are authorized to access the URL requested."}),
        429 => json!({"error": {"rate_reset": seconds, "rate_limit": 240, "rate_window": 60,
            "message": "API call count exceeded for this 60 second window"}}),
        _ => json!({"error": format!("Something went wrong ({status}).")}),
    };
    let mut answer = http::json(status, &body);
    if status == 429 {
        answer = rate(answer, 0, seconds);
    }
    match retry_after {
        Some(_) => http::with_header(answer, HeaderName::from_static("retry-after"), &seconds.to_string()),
        None => answer,
    }
}

/// Tells what is left of the budget.
pub(super) fn rate(answer: Response, remaining: u64, reset: u64) -> Response {
    let text = format!("limit=240, remaining={remaining}, reset={reset}");
    http::with_header(answer, HeaderName::from_static("ratelimit"), &text)
}
