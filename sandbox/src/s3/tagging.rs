//! Tags of objects: a few pairs of a key and a value, apart from the content.

use std::{borrow::Cow, collections::BTreeMap};

use axum::{body::Body, http::HeaderMap, response::Response};
use percent_encoding::percent_decode_str;

use super::{
    api::{Call, document, with_headers},
    failure::Failure,
    store::Versioning,
    xml::{Node, Xml},
};
use crate::http;

/// By key, in whose order they are told.
pub(super) type Tags = BTreeMap<String, String>;

/// Tags of one object, at most.
const MOST: usize = 10;
/// The longest key and the longest value, in the units of UTF-16.
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;
/// What keys and values may have beside letters, digits and blanks.
const SIGNS: &str = "_.:/=+-@";
/// The beginning of the keys that Amazon keeps to itself.
const RESERVED: &str = "aws:";

/// The tags that a write's header gives its object.
pub(super) fn announced(headers: &HeaderMap) -> Result<Tags, Failure> {
    let Some(value) = headers.get("x-amz-tagging") else { return Ok(Tags::new()) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let wrong = || {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        Failure::argument("x-amz-tagging", &text, message)
    };
    let decoded = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8().map(Cow::into_owned).ok();
    let mut pairs = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let pair = decoded(key).zip(decoded(value)).filter(|_| !value.contains('=')).ok_or_else(wrong)?;
        if pairs.iter().any(|(known, _)| *known == pair.0) {
            return Err(wrong());
        }
        pairs.push(pair);
    }
    checked(pairs)
}

/// The tags of an object, or of one version of it.
pub(super) fn get(call: &Call<'_>) -> Result<Response, Failure> {
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let (version, object) = bucket.version(&call.key, call.query.get("versionId"))?;
    let body = Xml::document("Tagging", |xml| {
        xml.element("TagSet", |xml| {
            for (key, value) in &object.tags {
                xml.element("Tag", |xml| {
                    xml.text("Key", key);
                    xml.text("Value", value);
                });
            }
        });
    });
    let id = (bucket.versioning != Versioning::Never).then(|| ("x-amz-version-id", version.id.clone()));
    Ok(with_headers(document(body), id))
}

/// Other tags in place of all that were there.
pub(super) async fn put(call: &Call<'_>, body: Body) -> Result<Response, Failure> {
    let wanted = Node::read(&call.announced()?.digested_document(body).await?, "Tagging")?;
    let set = wanted.all("TagSet").next().ok_or_else(Failure::malformed_xml)?;
    let pair = |tag: &Node| Some((tag.member("Key")?.to_owned(), tag.member("Value")?.to_owned()));
    let pairs: Vec<_> = set.all("Tag").map(pair).collect::<Option<_>>().ok_or_else(Failure::malformed_xml)?;
    set_tags(call, checked(pairs)?, 200)
}

/// No tags any more.
pub(super) fn delete(call: &Call<'_>) -> Result<Response, Failure> {
    set_tags(call, Tags::new(), 204)
}

fn set_tags(call: &Call<'_>, tags: Tags, status: u16) -> Result<Response, Failure> {
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let id = bucket.version(&call.key, call.query.get("versionId"))?.0.id.clone();
    let object = bucket.object_mut(&call.key, &id).ok_or_else(Failure::internal)?;
    object.tags = tags;
    let id = (bucket.versioning != Versioning::Never).then_some(("x-amz-version-id", id));
    Ok(with_headers(http::empty(status), id))
}

fn checked(pairs: Vec<(String, String)>) -> Result<Tags, Failure> {
    let invalid = |message: &str| Err(Failure::new("InvalidTag", message));
    if pairs.len() > MOST {
        return Err(Failure::new("BadRequest", format!("Object tags cannot be greater than {MOST}")));
    }
    let taken = |text: &str, longest: usize| {
        let known = |c: char| c.is_alphanumeric() || c.is_whitespace() || SIGNS.contains(c);
        text.encode_utf16().count() <= longest && text.chars().all(known)
    };
    let mut tags = Tags::new();
    for (key, value) in pairs {
        if key.is_empty() || !taken(&key, LONGEST_KEY) {
            return invalid("The TagKey you have provided is invalid");
        }
        if key.to_lowercase().starts_with(RESERVED) {
            return invalid("System tags cannot be added/updated by requester");
        }
        if !taken(&value, LONGEST_VALUE) {
            return invalid("The TagValue you have provided is invalid");
        }
        if tags.insert(key, value).is_some() {
            return invalid("Cannot provide multiple Tags with the same key");
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<Vec<(String, String)>, String> {
        let headers =
            HeaderMap::from_iter([(axum::http::HeaderName::from_static("x-amz-tagging"), header.parse().unwrap())]);
        announced(&headers).map(|tags| tags.into_iter().collect()).map_err(|failure| failure.parts().0.to_owned())
    }

    #[test]
    fn headers_are_read_as_queries() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let all = vec![pair("a b", "c+d"), pair("one", ""), pair("ä=1", "x")];
        assert_eq!(of("one&%C3%A4%3D1=x&a%20b=c%2Bd"), Ok(all));
        assert_eq!(of("a+b="), Ok(vec![pair("a b", "")]));
        assert_eq!(of(""), Ok(Vec::new()));
        for wrong in ["a=b=c", "a&a", "a=%FF"] {
            assert_eq!(of(wrong), Err("InvalidArgument".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn what_s3_takes_has_bounds() {
        let key = |length: usize| "k".repeat(length);
        assert!(of(&format!("{}={}", key(128), key(256))).is_ok());
        for wrong in
            [key(129), format!("a={}", key(257)), "%7B".into(), "a=%25".into(), "aws%3Aown=1".into(), "=a".into()]
        {
            assert_eq!(of(&wrong), Err("InvalidTag".to_owned()), "{wrong}");
        }
        let many = |count: usize| (0..count).map(|number| format!("t{number}")).collect::<Vec<_>>().join("&");
        assert!(of(&many(10)).is_ok());
        assert_eq!(of(&many(11)), Err("BadRequest".to_owned()));
    }
}
