//! Builds the outbound request of a call.

use std::{borrow::Cow, sync::LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::{
    Connection, Engine, multipart,
    scope::{CallScope, Names},
    upload::Prepared,
};
use crate::{
    catalog::{
        Call, Element, HostSpec,
        call::{CallBody, CallPath, Checksum, Format},
    },
    error::{Error, Kind, Result},
    mapping::{
        ApplyError, Scope,
        codec::{plain, scalar_text},
    },
    recent::Recent,
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
        let url =
            match &call.path {
                CallPath::Template(template) => {
                    let path = template
                        .render_encoded(scope, &|value| {
                            outbound::segment(value).map_err(|error| ApplyError::new(error.public().to_owned()))
                        })
                        .map_err(|error| unfilled(&error))?
                        .unwrap_or_default();
                    // What is explained may stand for what nobody knows.
                    let own = scope.select.as_ref().and_then(Names::own).filter(|_| scope.open.is_none());
                    let write = || pairs(call, scope).map(|pairs| outbound::query(&pairs));
                    match call.query.written(own, write)? {
                        Cow::Borrowed(query) => self.queries.build(&base, &path, query)?,
                        Cow::Owned(query) => outbound::build(&base, &path, &query)?,
                    }
                }
                CallPath::Given(reference) => {
                    let given = reference.value(scope).and_then(|value| scalar_text(&value)).ok_or_else(|| {
                        Error::new(Kind::ProviderFailed, "The provider gave no address of the next page")
                    })?;
                    with_query(outbound::follow(&base, &given)?, &pairs(call, scope)?)
                }
                CallPath::Elsewhere(reference) => {
                    let given = reference.value(scope).and_then(|value| scalar_text(&value)).ok_or_else(|| {
                        Error::new(Kind::ProviderFailed, "The provider gave no address to go on with")
                    })?;
                    with_query(outbound::given(&given)?, &pairs(call, scope)?)
                }
            };
        // Room for the credentials as well.
        let mut headers = HeaderMap::with_capacity(element.headers.len() + call.headers.len() + 3);
        let common: &[_] = if call.authenticated { &element.headers } else { &[] };
        // The call's own stands over the one of all calls, also when it says that there is to be none.
        let own = |name: &HeaderName| call.headers.iter().any(|(own, _)| own == name);
        let common = common.iter().filter(|(name, _)| !own(name));
        for (name, template) in common.chain(&call.headers) {
            let value = template.value(scope).map_err(|error| unfilled(&error))?;
            if let Some(value) = value.filter(|value| !value.is_null()) {
                headers.insert(name.clone(), header_value(&value)?);
            }
        }
        let body = match &call.body {
            CallBody::None | CallBody::File | CallBody::Multipart(_) => Body::Empty,
            CallBody::Json(template) => {
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                let value = template
                    .value(scope)
                    .map_err(|error| unfilled(&error))?
                    .unwrap_or_else(|| Cow::Owned(Value::Object(serde_json::Map::new())));
                Body::Bytes(serde_json::to_vec(value.as_ref()).map_err(Error::internal)?.into())
            }
            CallBody::Xml(template) => {
                headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/xml; charset=utf-8"));
                let value = template.render(scope).map_err(|error| unfilled(&error))?.unwrap_or(Value::Null);
                let text = element.xml.clone().unwrap_or_default().write(&value).map_err(|error| {
                    Error::bad_request(format!("The request cannot be written for this element: {}", error.message))
                })?;
                Body::Bytes(text.into())
            }
            CallBody::Form(template) => {
                headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/x-www-form-urlencoded"));
                let value = template.render(scope).map_err(|error| unfilled(&error))?.unwrap_or(Value::Null);
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in value.as_object().into_iter().flatten() {
                    form.append_pair(name, &plain(value));
                }
                Body::Bytes(form.finish().into())
            }
        };
        for (name, checksum) in &call.checksum {
            let bytes = if let Body::Bytes(bytes) = &body { bytes.as_ref() } else { &[] };
            headers.insert(name.clone(), sum(*checksum, bytes)?);
        }
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

/// The parameters of a call's query that have a value.
fn pairs<'c>(call: &'c Call, scope: &CallScope<'_>) -> Result<Vec<(&'c str, String)>> {
    let mut pairs = Vec::with_capacity(call.query.all().len());
    for (name, template) in call.query.all() {
        if let Some(value) = template.value(scope).map_err(|error| unfilled(&error))? {
            let text = match value {
                Cow::Owned(Value::String(text)) => text,
                value => plain(&value).into_owned(),
            };
            pairs.push((name.as_str(), text));
        }
    }
    Ok(pairs)
}

fn with_query(mut url: Url, query: &[(&str, String)]) -> Url {
    for (name, value) in query {
        url.query_pairs_mut().append_pair(name, value);
    }
    url
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
        CallBody::None | CallBody::Json(_) | CallBody::Xml(_) | CallBody::Form(_) => {}
    }
    Ok(())
}

fn take(upload: &mut Option<Prepared>) -> Result<Body> {
    match upload {
        Some(Prepared::Small(bytes)) => Ok(Body::Bytes(bytes.clone())),
        Some(Prepared::Part(part)) => Ok(part.body()),
        Some(Prepared::Parts(_)) => Err(Error::internal("a file that goes in parts is sent as a whole")),
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

/// A checksum as a header carries it.
fn sum(checksum: Checksum, bytes: &[u8]) -> Result<HeaderValue> {
    use base64::Engine as _;
    use sha2::Digest as _;
    let sum = match checksum {
        Checksum::Md5 => md5::Md5::digest(bytes).to_vec(),
        Checksum::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
    };
    HeaderValue::from_str(&base64::engine::general_purpose::STANDARD.encode(sum)).map_err(Error::internal)
}

/// The root of a host's URLs for this connection.
pub(super) fn base_url(element: &Element, connection: &Connection, name: &str, scope: &CallScope<'_>) -> Result<Url> {
    let host = find_host(element, name)?;
    let configured =
        |key: &str| connection.configuration.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let default = |host: &HostSpec| -> Result<Url> {
        let text = host
            .template
            .render(scope as &dyn Scope)
            .map_err(|error| {
                Error::bad_request(format!("The instance's configuration is not complete: {}", error.message))
            })?
            .unwrap_or_default();
        parse_base(&[text.trim_end_matches('/'), &host.path].concat())
    };
    if let Some(url) = configured(&host.configuration) {
        return parse_base(&[url.trim_end_matches('/'), &host.path].concat());
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

/// Reads a base; what was read lately is not read again, for nearly all calls of an element have the same.
fn parse_base(text: &str) -> Result<Url> {
    /// Elements have a few bases, some of them one for each account.
    const KEPT: usize = 256;
    static BASES: LazyLock<Recent<(String, Url)>> = LazyLock::new(|| Recent::new(KEPT));
    if let Some(base) = BASES.read(text, |(known, base)| (known == text).then(|| base.clone())) {
        return Ok(base);
    }
    let base = outbound::base(text).map_err(|error| {
        Error::bad_request(format!("The instance's configuration holds an unusable URL: {}", error.public()))
            .with_source(error)
    })?;
    BASES.put(text, (text.to_owned(), base.clone()));
    Ok(base)
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
