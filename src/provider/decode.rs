//! What an answer says: its body read as the call tells, with the failures that hide in it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Connection, Engine,
    request::base_url,
    scope::CallScope,
    send::{MESSAGE_CHARS, default_message, denied, judge, kind_of, uniform_status},
    sink::{Sink, Written},
};
use crate::{
    catalog::{Call, Element, ErrorRule, call::Format},
    error::{Error, Kind, ProviderFault, Result},
    mapping::{
        ApplyError,
        xml::multistatus::{self, Failure},
    },
    upstream::{ByteStream, Response, body::collect},
};

/// What became of an answer.
pub(super) enum Decoded {
    /// A document.
    Document(Value),
    /// Its records are in the sink.
    Written(Written),
}

impl Engine {
    /// An answer as a document: its body, read as the call says, and the headers the call wants in it.
    #[expect(clippy::too_many_arguments, reason = "as `send`")]
    pub(super) async fn decode(
        &self,
        element: &Element,
        connection: &Connection,
        call: &Call,
        scope: &CallScope<'_>,
        rules: &[ErrorRule],
        response: Response,
        deadline: Instant,
    ) -> Result<Value> {
        match self.decode_into(element, connection, call, scope, rules, response, None, deadline).await? {
            Decoded::Document(document) => Ok(document),
            Decoded::Written(_) => Err(Error::internal("an answer was written that was to be read")),
        }
    }

    /// As [`Self::decode`], but translated straight into `sink` where that can be.
    #[expect(clippy::too_many_arguments, reason = "as `send`")]
    pub(super) async fn decode_into(
        &self,
        element: &Element,
        connection: &Connection,
        call: &Call,
        scope: &CallScope<'_>,
        rules: &[ErrorRule],
        response: Response,
        sink: Option<&mut Sink<'_>>,
        deadline: Instant,
    ) -> Result<Decoded> {
        let Response { status, headers, body } = response;
        let format = call.answer.format;
        let body = match format {
            Format::None | Format::Stream => Bytes::new(),
            // Where nothing failed an answer may be empty instead.
            Format::Multistatus if status != StatusCode::MULTI_STATUS => Bytes::new(),
            Format::Json | Format::Xml | Format::Multistatus => self.whole(body, deadline).await?,
        };
        if let Some(written) = sink.and_then(|sink| sink.write(element, call, rules, status, &body)) {
            return Ok(Decoded::Written(written));
        }
        let vocabulary = || element.xml.clone().unwrap_or_default();
        let document = match format {
            _ if body.iter().all(u8::is_ascii_whitespace) => Value::Null,
            Format::Xml => vocabulary().read(text(&body)?).map_err(unreadable)?,
            Format::Multistatus => {
                let base = base_url(element, connection, &call.host, scope)?;
                let (document, failures) =
                    multistatus::read(&vocabulary(), text(&body)?, base.path()).map_err(unreadable)?;
                let empty = document.get("items").and_then(Value::as_array).is_none_or(Vec::is_empty);
                // What a reading call may not see is not there for it; a change that failed in part has failed.
                if call.method.as_str() != "PROPFIND" || empty {
                    failed_in_part(&failures)?;
                }
                document
            }
            Format::Json | Format::None | Format::Stream => serde_json::from_slice(&body).map_err(|error| {
                Error::new(Kind::ProviderFailed, "The provider's answer is not JSON").with_source(error)
            })?,
        };
        if call.answer.gone.iter().any(|gone| gone.holds(&document)) {
            return Err(Error::not_found(default_message(404)));
        }
        if let Some(verdict) = denied(element, call, rules, status, &document) {
            if call.tolerate.contains(&verdict.status) {
                return Ok(Decoded::Document(Value::Null));
            }
            return Err(verdict.into_error(status));
        }
        if call.answer.failure.as_ref().is_some_and(|test| test.holds(&document)) {
            // A status of success means nothing here: without a rule it is the provider's failure.
            return Err(judge(element, call, rules, status, &document).into_error(status));
        }
        include(document, &call.answer.include, &headers).map(Decoded::Document)
    }

    /// A body as a whole, within the limit.
    async fn whole(&self, body: ByteStream, deadline: Instant) -> Result<Bytes> {
        collect(body, self.limits.response_bytes, deadline).await.map_err(|error| match error.kind() {
            Kind::PayloadTooLarge => Error::new(
                Kind::ProviderFailed,
                format!("The provider's answer is longer than {} bytes", self.limits.response_bytes),
            ),
            _ => error,
        })
    }
}

fn text(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body)
        .map_err(|error| Error::new(Kind::ProviderFailed, "The provider's answer is not in UTF-8").with_source(error))
}

fn unreadable(error: ApplyError) -> Error {
    Error::new(Kind::ProviderFailed, format!("The provider's answer cannot be read: it {}", error.message))
}

/// The failures of a multi-status answer as one error, which names the first few.
fn failed_in_part(failures: &[Failure]) -> Result<()> {
    let Some(first) = failures.first() else { return Ok(()) };
    let status = StatusCode::from_u16(first.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let named: Vec<String> =
        failures.iter().take(5).map(|failure| format!("`{}` ({})", failure.path, failure.status)).collect();
    let more = if failures.len() > 5 { format!(" and {} more", failures.len() - 5) } else { String::new() };
    Err(Error::new(
        kind_of(uniform_status(status), status),
        format!("The provider did not carry this out for all of it: {}{more}", named.join(", ")),
    )
    .with_provider(ProviderFault { status: first.status, code: None, message: None }))
}

/// An error answer as a document: JSON, XML where the element speaks it, or text.
pub(super) fn document(element: &Element, body: &[u8]) -> Value {
    if let Ok(document) = serde_json::from_slice(body) {
        return document;
    }
    if let (Some(vocabulary), Ok(text)) = (&element.xml, std::str::from_utf8(body))
        && let Ok(document) = vocabulary.read(text)
    {
        return document;
    }
    Value::String(String::from_utf8_lossy(body).chars().take(MESSAGE_CHARS).collect())
}

/// Puts the wanted headers into `document` as members; an empty answer becomes an object of them.
fn include(document: Value, wanted: &[(String, HeaderName)], headers: &HeaderMap) -> Result<Value> {
    if wanted.is_empty() {
        return Ok(document);
    }
    let mut members = match document {
        Value::Object(members) => members,
        Value::Null => Map::new(),
        _ => {
            return Err(Error::new(Kind::ProviderFailed, "The provider's answer is not an object where one should be"));
        }
    };
    for (member, name) in wanted {
        if let Some(value) = headers.get(name) {
            members.insert(member.clone(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
    }
    Ok(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_become_members() {
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("\"a1\""));
        headers.insert("x-name", HeaderValue::from_bytes("é".as_bytes()).unwrap());
        let wanted = |pairs: &[(&str, &'static str)]| -> Vec<(String, HeaderName)> {
            pairs.iter().map(|(member, name)| ((*member).to_owned(), HeaderName::from_static(name))).collect()
        };
        let two = wanted(&[("etag", "etag"), ("name", "x-name"), ("gone", "x-gone")]);
        assert_eq!(include(Value::Null, &two, &headers).unwrap(), json!({"etag": "\"a1\"", "name": "é"}));
        // What the header says stands over what the body says under the same name.
        let one = wanted(&[("etag", "etag")]);
        assert_eq!(
            include(json!({"id": 1, "etag": "old"}), &one, &headers).unwrap(),
            json!({"id": 1, "etag": "\"a1\""})
        );
        assert_eq!(include(json!([1]), &one, &headers).unwrap_err().kind(), Kind::ProviderFailed);
        assert_eq!(include(json!([1]), &[], &headers).unwrap(), json!([1]));
    }
}
