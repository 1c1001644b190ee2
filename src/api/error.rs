//! Errors on the wire: the one table from [`Kind`] to a status, and the one body.
//!
//! A handler returns [`Failure`]; the answer then only carries the error along, and [`render`] writes the body at the
//! outermost layer, where the request's id is known. What is private (the source chain) goes to the log there, once.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{
        HeaderValue, Response, StatusCode,
        header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::IntoResponse,
};
use serde::Serialize;

use crate::error::{Error, Kind, Origin};

/// A failed request, as handlers return it.
#[derive(Debug)]
pub struct Failure(pub Error);

/// What handlers return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        let mut response = status(self.0.kind()).into_response();
        response.extensions_mut().insert(Carried(Arc::new(self.0)));
        response
    }
}

/// The error inside an answer whose body is not written yet.
#[derive(Debug, Clone)]
struct Carried(Arc<Error>);

/// Whether the answer carries an error.
pub(super) fn is_carried(response: &Response<Body>) -> bool {
    response.extensions().get::<Carried>().is_some()
}

/// Makes the answer carry `error`; its status stays.
pub(super) fn carry(response: &mut Response<Body>, error: Error) {
    response.extensions_mut().insert(Carried(Arc::new(error)));
}

/// The status of each kind.
pub const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::BadRequest | Kind::Unsupported => StatusCode::BAD_REQUEST,
        Kind::Unauthorized | Kind::ReauthRequired => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Kind::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Kind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Kind::ProviderFailed | Kind::ProviderUnreachable => StatusCode::BAD_GATEWAY,
        Kind::ProviderTimeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::ProviderDown | Kind::Overloaded | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    request_id: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_message: Option<&'a str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<WireDetail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<WireProvider<'a>>,
}

#[derive(Serialize)]
struct WireDetail<'a> {
    pointer: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct WireProvider<'a> {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// Writes the body of an answer that carries an error; any other answer is left as it is.
///
/// Logs the error with its private cause: the caller's faults at `debug`, the provider's at `warn`, ours at `error`;
/// what we turn away unseen, in a flood, at `debug`.
pub(super) fn render(response: &mut Response<Body>, request_id: &str) -> Option<Kind> {
    let Carried(error) = response.extensions_mut().remove::<Carried>()?;
    log(&error);
    let body = body(&error, request_id);
    if let Some(after) = error.retry_after() {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(methods) = error.allow().and_then(|methods| HeaderValue::from_str(methods).ok()) {
        // RFC 9110 section 15.5.6.
        response.headers_mut().insert(ALLOW, methods);
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 11.6.1.
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Element realm=\"hubgate\""));
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    Some(error.kind())
}

fn body(error: &Error, request_id: &str) -> Vec<u8> {
    let provider = error.provider();
    let wire = Wire {
        request_id,
        message: error.public(),
        provider_message: provider.and_then(|fault| fault.message.as_deref()),
        code: error.kind().code(),
        errors: error
            .details()
            .iter()
            .map(|detail| WireDetail { pointer: &detail.pointer, detail: &detail.detail })
            .collect(),
        provider: provider.map(|fault| WireProvider { status: fault.status, code: fault.code.as_deref() }),
    };
    serde_json::to_vec(&wire).unwrap_or_default()
}

fn log(error: &Error) {
    let (code, public, at) = (error.kind().code(), error.public(), error.at());
    let provider_status = error.provider().map(|fault| fault.status);
    let cause = causes(error);
    if matches!(error.kind(), Kind::Overloaded | Kind::ProviderDown) {
        return tracing::debug!(code, %at, "turned away: {public}");
    }
    match error.kind().origin() {
        Origin::Client => tracing::debug!(code, provider_status, cause, %at, "refused: {public}"),
        Origin::Provider => tracing::warn!(code, provider_status, cause, %at, "the provider failed: {public}"),
        Origin::Gateway => tracing::error!(code, cause, %at, "failed: {public}"),
    }
}

fn causes(error: &Error) -> Option<String> {
    let first = std::error::Error::source(error)?;
    let chain = std::iter::successors(Some(first), |&error| error.source());
    Some(chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ProviderFault;

    #[test]
    fn the_body_says_all_that_is_public_and_nothing_else() {
        let error = Error::new(Kind::ProviderFailed, "Failed to retrieve the file")
            .with_provider(ProviderFault {
                status: 409,
                code: Some("path".to_owned()),
                message: Some("path/not_found/..".to_owned()),
            })
            .with_detail("/name", "is missing")
            .with_source(std::io::Error::other("private"));
        let body: serde_json::Value = serde_json::from_slice(&body(&error, "5b1f0c0de4b0aa11bb22cc33")).unwrap();
        let expected = serde_json::json!({
            "requestId": "5b1f0c0de4b0aa11bb22cc33",
            "message": "Failed to retrieve the file",
            "providerMessage": "path/not_found/..",
            "code": "provider-failed",
            "errors": [{"pointer": "/name", "detail": "is missing"}],
            "provider": {"status": 409, "code": "path"},
        });
        assert_eq!(body, expected);
        assert_eq!(causes(&error).as_deref(), Some("private"));
    }

    #[test]
    fn the_right_methods_are_told_beside_a_wrong_one() {
        let mut response = Failure(Error::wrong_method("/files", "TRACE", &["GET", "POST"])).into_response();
        assert_eq!(render(&mut response, "id"), Some(Kind::MethodNotAllowed));
        assert_eq!(
            (response.status().as_u16(), &response.headers()[ALLOW]),
            (405, &HeaderValue::from_static("GET, POST"))
        );
    }

    #[test]
    fn retry_after_is_rounded_up() {
        let error =
            Error::new(Kind::TooManyRequests, "slow down").with_retry_after(std::time::Duration::from_millis(1500));
        let mut response = Failure(error).into_response();
        assert_eq!(render(&mut response, "id"), Some(Kind::TooManyRequests));
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    }
}
