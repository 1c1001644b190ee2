//! The provider's error answers.

use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::{core::random_hex, http};

/// One refusal, with its HTTP status.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) category: Option<&'static str>,
    pub(super) message: String,
    /// Members besides status, message, correlation and category.
    pub(super) more: Map<String, Value>,
}

impl Failure {
    pub(super) fn new(status: u16, category: &'static str, message: impl Into<String>) -> Self {
        Self { status, category: Some(category), message: message.into(), more: Map::new() }
    }

    /// A 400 about what was asked.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "VALIDATION_ERROR", message)
    }

    /// A 400 about a body that cannot be read.
    pub(super) fn unreadable(problem: &str) -> Self {
        let message = format!("Invalid input JSON on line 1, column 1: {problem}");
        Self { category: None, ..Self::new(400, "", message) }
    }

    /// A 404.
    pub(super) fn missing() -> Self {
        Self::new(404, "OBJECT_NOT_FOUND", "resource not found")
    }

    /// The same with one more member.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// A create call without what the object needs.
    pub(super) fn required(object: &str, properties: &[&str]) -> Self {
        let message = format!("Error creating {object}. Some required properties were not set.");
        Self::invalid(message.clone())
            .with("errors", json!([{"message": message, "context": {"properties": properties}}]))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("status".to_owned(), "error".into());
        body.insert("message".to_owned(), self.message.into());
        body.insert("correlationId".to_owned(), correlation().into());
        body.extend(self.more);
        if let Some(category) = self.category {
            body.insert("category".to_owned(), category.into());
        }
        http::json(self.status, &Value::Object(body))
    }
}

/// A fresh identifier in UUID form, by which the provider would find the call in its logs.
pub(super) fn correlation() -> String {
    let hex = random_hex(16);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// What the provider answers on a bad day, by status.
pub(super) fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let response = match status {
        401 => no_credentials().into_response(),
        403 => {
            Failure::new(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call.")
                .into_response()
        }
        404 => Failure::missing().into_response(),
        429 => http::json(
            429,
            &json!({
                "status": "error",
                "message": "You have reached your ten_secondly_rolling limit.",
                "errorType": "RATE_LIMIT",
                "correlationId": correlation(),
                "policyName": "TEN_SECONDLY_ROLLING",
                "groupName": "publicapi:crm:oauth:sandbox:1000001",
            }),
        ),
        400..=499 => Failure::new(status, "VALIDATION_ERROR", "The request is invalid").into_response(),
        502..=504 => {
            http::raw(status, "text/html; charset=utf-8", "<html><body>The service is not available.</body></html>")
        }
        _ => Failure { category: None, ..Failure::new(status, "", "internal error") }.into_response(),
    };
    match retry_after {
        Some(seconds) => http::with_header(response, axum::http::header::RETRY_AFTER, &seconds.to_string()),
        None => response,
    }
}

/// A call without an access token, or with one that was never issued or is taken back.
pub(super) fn no_credentials() -> Failure {
    Failure::new(
        401,
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at \
         https://developers.hubspot.com/docs/methods/auth/oauth-overview",
    )
}

/// A call with an access token that is too old.
pub(super) fn expired(now: chrono::DateTime<chrono::Utc>) -> Failure {
    Failure::new(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired 1 minute(s) ago.")
        .with("context", json!({"expire time": [now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)]}))
}
