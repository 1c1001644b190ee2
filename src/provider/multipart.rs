//! `multipart/form-data` and `multipart/related` on the way out, the file part streamed.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;

use super::{request::unfilled, scope::CallScope};
use crate::{
    catalog::call::Part,
    error::{Error, Result},
    upstream::{Body, ByteStream},
};

/// Encodes `parts`; the one that is no JSON holds `file`.
pub(super) fn encode(parts: &[Part], scope: &CallScope<'_>, file: Option<Body>) -> Result<(HeaderValue, Body)> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| Error::internal(error.to_string()))?;
    let boundary = format!("hubgate-{}", hex::encode(random));
    let mut head = Vec::new();
    let mut tail = Vec::new();
    let mut file = file;
    let mut middle: Option<Body> = None;
    for part in parts {
        let out = if middle.is_some() { &mut tail } else { &mut head };
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if let Some(name) = &part.name {
            out.extend_from_slice(format!("Content-Disposition: form-data; name=\"{}\"", quoted(name)).as_bytes());
        }
        if let Some(template) = &part.file_name
            && let Some(name) = template.render(scope).map_err(|error| unfilled(&error))?
        {
            out.extend_from_slice(format!("; filename=\"{}\"", quoted(&name)).as_bytes());
        }
        if let Some(json) = &part.json {
            let value = json.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default();
            out.extend_from_slice(head_end(part, scope, "application/json")?.as_bytes());
            out.extend_from_slice(&serde_json::to_vec(&value).map_err(Error::internal)?);
            out.extend_from_slice(b"\r\n");
        } else {
            out.extend_from_slice(head_end(part, scope, "application/octet-stream")?.as_bytes());
            middle = file.take();
            tail.extend_from_slice(b"\r\n");
        }
    }
    tail.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let kind = if parts.iter().any(|part| part.name.is_some()) { "form-data" } else { "related" };
    let content_type =
        HeaderValue::from_str(&format!("multipart/{kind}; boundary={boundary}")).map_err(Error::internal)?;
    let body = match middle {
        None | Some(Body::Empty) => {
            head.extend_from_slice(&tail);
            Body::Bytes(head.into())
        }
        Some(Body::Bytes(bytes)) => {
            head.extend_from_slice(&bytes);
            head.extend_from_slice(&tail);
            Body::Bytes(head.into())
        }
        Some(Body::Stream { stream, length }) => {
            let length = length.map(|length| length + (head.len() + tail.len()) as u64);
            let around = |bytes: Vec<u8>| stream::iter([Ok(Bytes::from(bytes))]);
            let stream: ByteStream = around(head).chain(stream).chain(around(tail)).boxed();
            Body::Stream { stream, length }
        }
    };
    Ok((content_type, body))
}

/// The end of a part's head: its media type. A type that no header can carry is no type.
fn head_end(part: &Part, scope: &CallScope<'_>, usual: &str) -> Result<String> {
    let told = match &part.content_type {
        Some(template) => template.render(scope).map_err(|error| unfilled(&error))?,
        None => None,
    };
    let told = told.filter(|text| text.contains('/') && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    let line = if part.name.is_some() { "\r\n" } else { "" };
    Ok(format!("{line}Content-Type: {}\r\n\r\n", told.as_deref().unwrap_or(usual)))
}

/// A name inside quotes, as browsers write it (WHATWG form data): `"`, CR and LF percent-encoded.
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
