//! The multi-status answers of RFC 4918, as a list of records.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Vocabulary;
use crate::mapping::ApplyError;

/// The namespace of the answers.
const NAMESPACE: &str = "DAV:";

/// One response of an answer that tells of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it is about, below the base.
    pub path: String,
    /// Its status.
    pub status: u16,
}

/// A multi-status answer: `{"items": […]}`, and the responses that failed.
///
/// An item has `path` (decoded, below `base`, without a slash at its end; the base itself is `/`), `href` (as it came), and
/// `properties`: those that the answer gives with a status of 2xx, by the names of `vocabulary`.
///
/// # Errors
/// When it is no well-formed XML, or no multi-status answer.
pub fn read(vocabulary: &Vocabulary, text: &str, base: &str) -> Result<(Value, Vec<Failure>), ApplyError> {
    let mut vocabulary = vocabulary.clone();
    let known = vocabulary.namespaces.iter().find(|(_, uri)| uri == NAMESPACE).map(|(prefix, _)| prefix.clone());
    let prefix = known.unwrap_or_else(|| {
        vocabulary.namespaces.push(("D".to_owned(), NAMESPACE.to_owned()));
        "D".to_owned()
    });
    let name = |local: &str| if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") };
    vocabulary.lists.extend([name("response"), name("propstat"), name("href")]);
    let mut document = vocabulary.read(text)?;
    let Some(root) = document.get_mut(name("multistatus")) else {
        return Err(ApplyError::new("is no multi-status answer"));
    };
    let list = |value: Option<Value>| match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let responses = list(root.get_mut(name("response")).map(Value::take));
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for mut response in responses {
        let failed = response.get(name("status")).and_then(status).filter(|status| *status >= 300);
        let hrefs = list(response.get_mut(name("href")).map(Value::take));
        if let Some(status) = failed {
            let about = hrefs.iter().filter_map(Value::as_str);
            failures.extend(about.map(|href| Failure { path: path(href, base), status }));
            continue;
        }
        let Some(href) = hrefs.first().and_then(Value::as_str).map(str::trim) else { continue };
        let mut properties = Map::new();
        for mut part in list(response.get_mut(name("propstat")).map(Value::take)) {
            let fine = part.get(name("status")).and_then(status).is_none_or(|status| (200..300).contains(&status));
            if let (true, Some(Value::Object(given))) = (fine, part.get_mut(name("prop")).map(Value::take)) {
                properties.extend(given);
            }
        }
        let mut item = Map::new();
        item.insert("path".to_owned(), Value::String(path(href, base)));
        item.insert("href".to_owned(), Value::String(href.to_owned()));
        item.insert("properties".to_owned(), Value::Object(properties));
        items.push(Value::Object(item));
    }
    let mut document = Map::new();
    document.insert("items".to_owned(), Value::Array(items));
    Ok((Value::Object(document), failures))
}

/// The status in `HTTP/1.1 404 Not Found`.
fn status(line: &Value) -> Option<u16> {
    line.as_str()?.split_whitespace().nth(1)?.parse().ok()
}

/// The path of an href (an absolute URL, or an absolute path) below `base`.
fn path(href: &str, base: &str) -> String {
    let href = href.trim();
    let encoded = match href.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => href,
    };
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().trim_end_matches('/').to_owned();
    let (whole, base) = (decode(encoded), decode(base));
    let below = whole.strip_prefix(&base).filter(|below| below.is_empty() || below.starts_with('/')).unwrap_or(&whole);
    if below.is_empty() { "/".to_owned() } else { below.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_was_found() {
        let text = r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:x="urn:x">
          <d:response><d:href>http://h:1/files/a%20b/</d:href>
            <d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype><x:n>1</x:n></d:prop>
              <d:status>HTTP/1.1 200 OK</d:status></d:propstat>
            <d:propstat><d:prop><d:quota/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>
          <d:response><d:href>/files/c</d:href><d:href>/files/d</d:href><d:status>HTTP/1.1 423 Locked</d:status></d:response>
        </d:multistatus>"#;
        let (document, failures) = read(&Vocabulary::default(), text, "/files/").unwrap();
        assert_eq!(
            document,
            json!({"items": [{
                "path": "/a b", "href": "http://h:1/files/a%20b/",
                "properties": {"D:resourcetype": {"D:collection": ""}, "{urn:x}n": "1"}
            }]})
        );
        let failed = |path: &str| Failure { path: path.to_owned(), status: 423 };
        assert_eq!(failures, [failed("/c"), failed("/d")]);
        assert!(read(&Vocabulary::default(), "<a/>", "/").is_err());
    }

    #[test]
    fn paths_are_below_the_base() {
        assert_eq!(path("/dav/", "/dav"), "/");
        assert_eq!(path("/", ""), "/");
        assert_eq!(path("/davs/x", "/dav"), "/davs/x");
        assert_eq!(path("/d%C3%A9/x", "/d%c3%a9"), "/x");
    }
}
