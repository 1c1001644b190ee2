//! Extractors and replies whose refusals have the one error shape.

use std::{convert::Infallible, time::Duration};

use axum::{
    RequestPartsExt,
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        HeaderMap, HeaderValue,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::error::Failure;
use crate::{
    app::App,
    error::{Error, Kind},
};

/// When this request's answer must begin; everything done for it is bounded by this instant.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

impl<S: Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let set = parts.extensions.get::<Self>().copied();
        Ok(set.unwrap_or_else(|| Self(Instant::now() + Duration::from_mins(1))))
    }
}

/// This request's id, as the answer's header has it.
#[derive(Debug, Clone)]
pub struct RequestId(pub std::sync::Arc<str>);

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self("".into())))
    }
}

/// A JSON body of at most `server.body_limit_bytes`, arrived within `server.request_timeout_s`.
///
/// A body without a `Content-Type` is taken for JSON; any other type is refused.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        check_json_type(&parts.headers)?;
        let bytes = read(&parts.headers, body, app).await?;
        if bytes.is_empty() {
            return Err(Error::bad_request("The request has no body; it needs a JSON body").into());
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| not_json(&error).into())
    }
}

/// A JSON body that may be missing, or `null`: then `None`. What [`Json`] says holds otherwise.
#[derive(Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest<App> for OptionalJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, app).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(None));
        }
        check_json_type(&parts.headers)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| not_json(&error).into())
    }
}

/// The parameters of the query string, into `T`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send + 'static, S: Sync + Send> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        match parts.extract::<axum::extract::Query<T>>().await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(refused) => {
                Err(Error::bad_request(format!("The query string cannot be read: {}", inner(&refused))).into())
            }
        }
    }
}

/// The parameters of the path, into `T`.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send + 'static, S: Sync + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        match parts.extract::<axum::extract::Path<T>>().await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(refused) => Err(Error::bad_request(format!("The path cannot be read: {}", inner(&refused))).into()),
        }
    }
}

/// A JSON answer with status 200.
#[derive(Debug)]
pub struct Reply<T>(pub T);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response(),
            Err(error) => Failure(Error::internal(error)).into_response(),
        }
    }
}

fn inner(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn check_json_type(headers: &HeaderMap) -> Result<(), Error> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(Error::new(Kind::UnsupportedMediaType, "This operation reads Content-Type: application/json"))
}

/// Says where the JSON is wrong, without quoting it: a body can hold secrets.
fn not_json(error: &serde_json::Error) -> Error {
    use serde_json::error::Category;
    let message = match error.classify() {
        Category::Data => format!("The JSON body does not fit: {error}"),
        Category::Eof => format!("The JSON body ends too early, at line {} column {}", error.line(), error.column()),
        Category::Io | Category::Syntax => {
            format!("The body is not JSON: line {} column {}", error.line(), error.column())
        }
    };
    Error::bad_request(message)
}

async fn read(headers: &HeaderMap, body: Body, app: &App) -> Result<Bytes, Error> {
    let limit = app.config.server.body_limit_bytes;
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut stream = body.into_data_stream();
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    let collected = tokio::time::timeout(app.config.server.request_timeout(), async {
        let mut whole = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| Error::bad_request("The request's body broke off").with_source(error))?;
            if whole.len() + chunk.len() > limit {
                return Ok(None);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Some(whole.freeze()))
    });
    match collected.await {
        Ok(Ok(Some(whole))) => Ok(whole),
        Ok(Ok(None)) => Err(too_large(limit)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::new(Kind::RequestTimeout, "The request's body did not arrive in time")),
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(Kind::PayloadTooLarge, format!("The body is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
    }

    #[test]
    fn json_has_several_names() {
        for ok in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(check_json_type(&typed(ok)).is_ok(), "{ok}");
        }
        assert!(check_json_type(&HeaderMap::new()).is_ok());
        for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"] {
            assert_eq!(check_json_type(&typed(wrong)).unwrap_err().kind(), Kind::UnsupportedMediaType, "{wrong}");
        }
    }

    #[test]
    fn a_broken_body_is_not_quoted() {
        let error = serde_json::from_str::<serde_json::Value>("{\"password\": hunter2}").unwrap_err();
        let message = not_json(&error).to_string();
        assert!(message.contains("line 1") && !message.contains("hunter2"), "{message}");
    }
}
