//! Small helpers for reading requests and writing answers.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

/// Decoded `application/x-www-form-urlencoded` pairs; of a repeated name the last value counts.
pub(crate) type Form = BTreeMap<String, String>;

/// Reads a query string or a form body.
pub(crate) fn form(encoded: &[u8]) -> Form {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}

/// An answer with a JSON body.
pub(crate) fn json(status: u16, body: &Value) -> Response {
    raw(status, "application/json", body.to_string())
}

/// An answer with a body of any type.
pub(crate) fn raw(status: u16, content_type: &str, body: impl Into<Body>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, content_type.to_owned())], body.into()).into_response()
}

/// An answer without a body.
pub(crate) fn empty(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// A request header as text.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The media type of the request body, lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = header_text(headers, "content-type")?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Adds a header to an answer; a value that is no header value is left out.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
    response
}
