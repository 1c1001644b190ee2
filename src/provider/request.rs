//! Builds the outbound request of a call.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::{Connection, Engine, Token, Upload, multipart, scope::CallScope};
use crate::{
    catalog::{
        Authentication, Call, Element, HostSpec,
        call::{CallBody, CallPath, Format},
    },
    error::{Error, Kind, Result},
    mapping::{ApplyError, Scope, TextTemplate, codec::scalar_text},
    upstream::{Body, Request, url as outbound},
};

/// A mapping expression could not be filled in: the caller left something out that this element needs.
pub(super) fn unfilled(error: &ApplyError) -> Error {
    Error::bad_request(format!("This element needs a value that the request does not give: {}", error.message))
}

impl Engine {
    /// The request of `call`, without credentials.
    pub(super) fn request(
        &self,
        element: &Element,
        connection: &Connection,
        call: &Call,
        scope: &CallScope<'_>,
        deadline: Instant,
    ) -> Result<Request> {
        let base = base_url(element, connection, &call.host, scope)?;
        let mut query: Vec<(&str, String)> = Vec::with_capacity(call.query.len());
        for (name, template) in &call.query {
            if let Some(value) = template.render(scope).map_err(|error| unfilled(&error))? {
                query.push((name, scalar_text(&value).unwrap_or_else(|| value.to_string())));
            }
        }
        let url = match &call.path {
            CallPath::Template(template) => {
                let path = template
                    .render_encoded(scope, &|value| {
                        outbound::segment(value).map_err(|error| ApplyError::new(error.public().to_owned()))
                    })
                    .map_err(|error| unfilled(&error))?
                    .unwrap_or_default();
                outbound::build(&base, &path, &query)?
            }
            CallPath::Given(reference) => {
                let given = reference
                    .value(scope)
                    .and_then(|value| scalar_text(&value))
                    .ok_or_else(|| Error::new(Kind::ProviderFailed, "The provider gave no address of the next page"))?;
                let mut url = outbound::follow(&base, &given)?;
                for (name, value) in &query {
                    url.query_pairs_mut().append_pair(name, value);
                }
                url
            }
        };
        let mut headers = HeaderMap::new();
        for (name, template) in element.headers.iter().chain(&call.headers) {
            if let Some(value) = template.render(scope).map_err(|error| unfilled(&error))? {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(Error::internal)?;
                headers.insert(name, header_value(&value)?);
            }
        }
        let body = match &call.body {
            CallBody::None | CallBody::File | CallBody::Multipart(_) => Body::Empty,
            CallBody::Json(template) => {
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                let value = template
                    .render(scope)
                    .map_err(|error| unfilled(&error))?
                    .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                Body::Bytes(serde_json::to_vec(&value).map_err(Error::internal)?.into())
            }
            CallBody::Form(template) => {
                headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/x-www-form-urlencoded"));
                let value = template.render(scope).map_err(|error| unfilled(&error))?.unwrap_or(Value::Null);
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in value.as_object().into_iter().flatten() {
                    form.append_pair(name, &scalar_text(value).unwrap_or_else(|| value.to_string()));
                }
                Body::Bytes(form.finish().into())
            }
        };
        if call.answer.format == Format::Stream {
            // A file passes as it is: compressed on the way, its length and ranges would be another's.
            headers.entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        }
        if call.answer.format == Format::Json {
            headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        }
        Ok(Request {
            method: call.method.clone(),
            url,
            headers,
            sensitive: Vec::new(),
            body,
            hosts: std::sync::Arc::clone(&element.egress),
            deadline,
            idle: self.limits.idle,
            follow_redirects: call.answer.format == Format::Stream,
            retryable: call.repeatable,
        })
    }
}

/// Puts the element's credentials on a request.
pub(super) fn authorize(
    request: &mut Request,
    element: &Element,
    connection: &Connection,
    token: Option<&Token>,
) -> Result<()> {
    let secret = |key: &str| {
        connection
            .secrets
            .get(key)
            .map(|secret| secret.expose_secret().to_owned())
            .or_else(|| connection.configuration.get(key).and_then(scalar_text))
    };
    let (name, value) = match &element.authentication {
        Authentication::None => return Ok(()),
        Authentication::OAuth2(_) => {
            let Some(token) = token else { return Ok(()) };
            (header::AUTHORIZATION, format!("Bearer {}", token.secret.expose_secret()))
        }
        Authentication::Basic(spec) => {
            use base64::Engine as _;
            let pair = format!(
                "{}:{}",
                secret(&spec.username).unwrap_or_default(),
                secret(&spec.password).unwrap_or_default()
            );
            (header::AUTHORIZATION, format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
        }
        Authentication::ApiKey { header, prefix, key } => {
            let name = HeaderName::from_bytes(header.as_bytes()).map_err(Error::internal)?;
            (name, format!("{prefix}{}", secret(key).unwrap_or_default()))
        }
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| {
        Error::new(Kind::ReauthRequired, "The stored credentials hold characters that no header can carry")
    })?;
    value.set_sensitive(true);
    request.headers.insert(name.clone(), value);
    request.sensitive.push(name);
    Ok(())
}

/// Puts the uploaded file into a request whose call carries one.
pub(super) fn attach(
    request: &mut Request,
    call: &Call,
    scope: &CallScope<'_>,
    upload: &mut Option<Prepared>,
) -> Result<()> {
    match &call.body {
        CallBody::File => {
            let file = take(upload)?;
            request.headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
            request.body = file;
        }
        CallBody::Multipart(parts) => {
            let file = if parts.iter().any(|part| part.json.is_none()) { Some(take(upload)?) } else { None };
            let (content_type, body) = multipart::encode(parts, scope, file)?;
            request.headers.insert(header::CONTENT_TYPE, content_type);
            request.body = body;
        }
        CallBody::None | CallBody::Json(_) | CallBody::Form(_) => {}
    }
    Ok(())
}

/// Whether a call carries the uploaded file.
pub(super) fn carries_file(call: &Call) -> bool {
    match &call.body {
        CallBody::File => true,
        CallBody::Multipart(parts) => parts.iter().any(|part| part.json.is_none()),
        CallBody::None | CallBody::Json(_) | CallBody::Form(_) => false,
    }
}

/// An upload, the small ones held so that they can be sent twice.
pub(super) enum Prepared {
    /// All of it.
    Small(Bytes),
    /// A stream, which can be taken once.
    Large(Option<Body>),
}

/// Up to this many bytes an upload is held in memory, so that a call can be repeated after a token refresh.
const SMALL_UPLOAD: usize = 1 << 20;

/// Reads the beginning of an upload.
pub(super) async fn prepare(upload: Upload) -> Result<Prepared> {
    let mut stream = upload.stream;
    let mut head: Vec<Bytes> = Vec::new();
    let mut size = 0_usize;
    while size <= SMALL_UPLOAD {
        match stream.try_next().await {
            Ok(Some(chunk)) => {
                size += chunk.len();
                head.push(chunk);
            }
            Ok(None) => {
                if let Some(announced) = upload.size.filter(|announced| *announced != size as u64) {
                    return Err(wrong_size(announced));
                }
                return Ok(Prepared::Small(head.concat().into()));
            }
            Err(error) => return Err(broken_upload(error)),
        }
    }
    let stream = stream::iter(head.into_iter().map(Ok)).chain(stream).boxed();
    Ok(Prepared::Large(Some(Body::Stream { stream, length: upload.size })))
}

fn wrong_size(announced: u64) -> Error {
    Error::bad_request(format!("The file is not of the announced size, {announced} bytes"))
        .with_detail("size", "should be the file's size in bytes")
}

fn broken_upload(error: std::io::Error) -> Error {
    Error::bad_request("The upload broke off or is not a well-formed multipart body").with_source(error)
}

fn take(upload: &mut Option<Prepared>) -> Result<Body> {
    match upload {
        Some(Prepared::Small(bytes)) => Ok(Body::Bytes(bytes.clone())),
        Some(Prepared::Large(body)) => body.take().ok_or_else(|| {
            Error::new(
                Kind::Unavailable,
                "The provider wanted the file again, which only the sender can do: please send it once more",
            )
            .with_retry_after(std::time::Duration::from_secs(1))
        }),
        None => Err(Error::bad_request("The request carries no file")),
    }
}

/// A header value: text as it is, anything else as JSON in ASCII.
fn header_value(value: &Value) -> Result<HeaderValue> {
    let text = match value {
        Value::Object(_) | Value::Array(_) => ascii_json(value),
        other => scalar_text(other).unwrap_or_default(),
    };
    HeaderValue::from_str(&text).map_err(|_| {
        Error::bad_request("A value that has to travel in a header holds characters that no header can carry")
    })
}

/// JSON with everything beyond ASCII (and DEL) escaped.
fn ascii_json(value: &Value) -> String {
    let escaped = |unit: u16| format!("\\u{unit:04x}");
    value.to_string().chars().fold(String::new(), |mut text, character| {
        if character.is_ascii() && character != '\u{7f}' {
            text.push(character);
        } else {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&escaped(*unit)));
        }
        text
    })
}

/// The root of a host's URLs for this connection.
fn base_url(element: &Element, connection: &Connection, name: &str, scope: &CallScope<'_>) -> Result<Url> {
    let host = find_host(element, name)?;
    let configured =
        |key: &str| connection.configuration.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let default = |host: &HostSpec| -> Result<Url> {
        let template = TextTemplate::compile(&host.url).map_err(Error::internal)?;
        let text = template
            .render(scope as &dyn Scope)
            .map_err(|error| {
                Error::bad_request(format!("The instance's configuration is not complete: {}", error.message))
            })?
            .unwrap_or_default();
        parse_base(&format!("{}{}", text.trim_end_matches('/'), host.path))
    };
    if let Some(url) = configured(&host.configuration) {
        return parse_base(&format!("{}{}", url.trim_end_matches('/'), host.path));
    }
    let own = default(host)?;
    // A root moved by `base.url` takes the element's other roots along: same origin, own path.
    if host.name != "api" {
        let api = find_host(element, "api")?;
        if let Some(moved) = configured(&api.configuration) {
            let moved = parse_base(moved)?;
            if default(api).is_ok_and(|usual| usual.origin() != moved.origin()) {
                return parse_base(&format!(
                    "{}{}",
                    moved.origin().ascii_serialization(),
                    own.path().trim_end_matches('/')
                ));
            }
        }
    }
    Ok(own)
}

fn find_host<'a>(element: &'a Element, name: &str) -> Result<&'a HostSpec> {
    element
        .hosts
        .iter()
        .find(|host| host.name == name)
        .ok_or_else(|| Error::internal(format!("element `{}` has no host `{name}`", element.key)))
}

fn parse_base(text: &str) -> Result<Url> {
    outbound::base(text).map_err(|error| {
        Error::bad_request(format!("The instance's configuration holds an unusable URL: {}", error.public()))
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn header_json_is_ascii() {
        assert_eq!(ascii_json(&json!({"path": "/é😀"})), r#"{"path":"/\u00e9\ud83d\ude00"}"#);
    }
}
