//! URLs from a base and a path that cannot leave it.
//!
//! Values are percent-encoded whole, one segment each, and never joined to a base: `Url::join` would let `//host`,
//! `\\host` or a tab before them change the host. What is built is compared with what the URL parser made of it; any
//! difference (a dot segment taken away, a character dropped) is an error, not another resource.

use std::borrow::Cow;

use ::url::{Position, Url};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{
    error::{Error, Result},
    recent::Recent,
};

/// The longest URL that is built, in bytes.
pub const MAX_URL: usize = 16 * 1024;

/// Room for a URL as they usually are.
const LIKELY: usize = 256;

/// Everything but the unreserved characters of RFC 3986.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `value` as one whole path segment.
///
/// # Errors
/// [`Kind::BadRequest`](crate::error::Kind::BadRequest) for an empty value, `.`, `..` and control characters.
pub fn segment(value: &str) -> Result<String> {
    if value.is_empty() {
        return Err(Error::bad_request("An id or name in the path is empty"));
    }
    if matches!(value, "." | "..") {
        return Err(Error::bad_request("An id or name in the path must not be `.` or `..`"));
    }
    if value.chars().any(char::is_control) {
        return Err(Error::bad_request("An id or name in the path has a control character"));
    }
    Ok(component(value))
}

/// `value` as several path segments, parted at its slashes; leading and trailing slashes are left out.
///
/// # Errors
/// As [`segment`], for each.
pub fn segments(value: &str) -> Result<String> {
    let parts: Vec<String> = value.trim_matches('/').split('/').map(segment).collect::<Result<_>>()?;
    Ok(parts.join("/"))
}

/// `value` with everything but unreserved characters escaped, for a query or a part of a segment.
///
/// Alone it does not protect a path (`..` passes); [`build`] checks the whole.
pub fn component(value: &str) -> String {
    Cow::from(utf8_percent_encode(value, &ESCAPED)).into_owned()
}

/// Reads the base of a provider's URLs: `http(s)://host[:port][/prefix]`.
///
/// # Errors
/// [`Kind::BadRequest`](crate::error::Kind::BadRequest) for anything else: other schemes, user info, query, fragment,
/// dot segments.
pub fn base(text: &str) -> Result<Url> {
    let fail = |what: &str| Error::bad_request(format!("The base URL {what}"));
    let text = text.trim();
    if text.len() > MAX_URL {
        return Err(fail("is too long"));
    }
    if text.chars().any(|c| c.is_control() || c == '\\' || c.is_whitespace()) {
        return Err(fail("has a blank, a backslash or a control character"));
    }
    let url = Url::parse(text).map_err(|error| fail("cannot be read").with_source(error))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(fail("must be https://host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail("must not have a user name"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(fail("must not have a query or a fragment"));
    }
    check_path(url.path().trim_end_matches('/'))?;
    // `https://h/a/../b` and `https:h` parse, but are not what was written.
    let written = text.trim_end_matches('/');
    let tail = written.split_once("://").map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    if url.path().trim_matches('/') != tail.trim_matches('/') || !text.contains("://") {
        return Err(fail("has a path that is read differently than it is written"));
    }
    Ok(url)
}

/// `pairs` of names and values as a query, encoded.
pub fn query<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    let mut text = String::with_capacity(LIKELY);
    for (n, (name, value)) in pairs.iter().enumerate() {
        if n > 0 {
            text.push('&');
        }
        text.extend(utf8_percent_encode(name.as_ref(), &ESCAPED));
        text.push('=');
        text.extend(utf8_percent_encode(value.as_ref(), &ESCAPED));
    }
    text
}

/// The URL of `path` below `base`, with `query` (made by [`query`]).
///
/// `path` is already encoded, parts of it by [`segment`]; its leading slash is optional, a trailing one is kept.
///
/// # Errors
/// [`Kind::BadRequest`](crate::error::Kind::BadRequest) when the path would not stay what and where it is: dot segments
/// (also encoded), empty segments, raw characters that end or change a path; or for a URL past [`MAX_URL`].
pub fn build(base: &Url, path: &str, query: &str) -> Result<Url> {
    below(base, with_query(base, query), path, query)
}

/// URLs with queries that come again and again: such a query is read by the URL parser once, not for each call.
#[derive(Debug)]
pub struct Queries(Recent<Url>);

impl Default for Queries {
    fn default() -> Self {
        /// Queries that a thread remembers.
        const KEPT: usize = 128;
        Self(Recent::new(KEPT))
    }
}

impl Queries {
    /// As [`build`].
    ///
    /// # Errors
    /// As [`build`].
    pub fn build(&self, base: &Url, path: &str, query: &str) -> Result<Url> {
        let key = (base.as_str(), query);
        let same = |known: &Url| known[..Position::AfterPath] == *base.as_str() && known.query() == Some(query);
        let known = self.0.read(key, |known| same(known).then(|| known.clone()));
        let root = known.unwrap_or_else(|| {
            let root = with_query(base, query);
            self.0.put(key, root.clone());
            root
        });
        below(base, root, path, query)
    }
}

fn with_query(base: &Url, query: &str) -> Url {
    let mut url = base.clone();
    url.set_query(Some(query).filter(|query| !query.is_empty()));
    url
}

/// `url`, which is `base` with `query`, with `path` below its own.
fn below(base: &Url, mut url: Url, path: &str, query: &str) -> Result<Url> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if !path.is_empty() {
        let (inner, slash) = path.strip_suffix('/').map_or((path, ""), |inner| (inner, "/"));
        check_parts(inner)?;
        let full = [base.path().trim_end_matches('/'), "/", inner, slash].concat();
        url.set_path(&full);
        // The second wall: whatever the checks missed, the parser made the same of it.
        if url.path() != full {
            return Err(outside());
        }
    }
    if url.as_str().len() > MAX_URL {
        return Err(Error::bad_request("The request to the provider is too long: its URL passes the limit"));
    }
    if !same_origin(&url, base) || url.query().unwrap_or_default() != query || url.fragment().is_some() {
        return Err(outside());
    }
    Ok(url)
}

fn outside() -> Error {
    Error::bad_request("The path leaves the provider's base URL")
}

/// The URL of a link the provider gave for its own next page: absolute, or a path on the base's host.
///
/// # Errors
/// [`Kind::ProviderFailed`](crate::error::Kind::ProviderFailed) for a link to another origin.
pub fn follow(base: &Url, link: &str) -> Result<Url> {
    let failed =
        || Error::new(crate::error::Kind::ProviderFailed, "The provider's link to the next page leads to another host");
    let sane = link.len() <= MAX_URL && !link.chars().any(|c| c.is_control() || c == '\\');
    let url = match link.strip_prefix('/') {
        Some(rest) if sane && !rest.starts_with('/') => Url::parse(&format!("{}{link}", origin(base))),
        None if sane => Url::parse(link),
        _ => return Err(failed()),
    };
    let url = url.map_err(|error| failed().with_source(error))?;
    let clean = url.username().is_empty() && url.password().is_none();
    if clean && same_origin(&url, base) { Ok(url) } else { Err(failed()) }
}

/// A URL the provider gave for something of its own, on whatever host; the egress guard has the last word on it.
///
/// # Errors
/// [`Kind::ProviderFailed`](crate::error::Kind::ProviderFailed) for anything but an absolute `http(s)` URL.
pub fn given(link: &str) -> Result<Url> {
    let failed = || Error::new(crate::error::Kind::ProviderFailed, "The provider gave an address that cannot be used");
    if link.len() > MAX_URL || link.chars().any(|c| c.is_control() || c == '\\') {
        return Err(failed());
    }
    let url = Url::parse(link).map_err(|error| failed().with_source(error))?;
    let plain = matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
    if plain && url.host().is_some() { Ok(url) } else { Err(failed()) }
}

/// Whether both have the same scheme, host and port.
pub fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

/// Scheme, host and port of a base, which has no user.
fn origin(base: &Url) -> &str {
    &base[..Position::BeforePath]
}

/// Checks an encoded path (empty, or starting with a slash): no empty segment, no dots, no stray character.
fn check_path(path: &str) -> Result<()> {
    path.strip_prefix('/').map_or(Ok(()), check_parts)
}

/// Checks an encoded path without its leading slash.
fn check_parts(path: &str) -> Result<()> {
    for part in path.split('/') {
        let encoded = part.contains('%');
        let decoded: Cow<'_, [u8]> = if encoded { percent_decode_str(part).into() } else { part.as_bytes().into() };
        if part.is_empty() || !part.bytes().all(is_sane) || matches!(&*decoded, b"." | b"..") {
            return Err(Error::bad_request("The path to the provider has an empty, dotted or unreadable part"));
        }
        // What is not encoded is sane already.
        if encoded && decoded.iter().any(u8::is_ascii_control) {
            return Err(Error::bad_request("The path to the provider has a control character"));
        }
    }
    Ok(())
}

/// Whether a byte can stand in an encoded path.
fn is_sane(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
        && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_segment(value: &str) -> Result<String> {
        let base = base("https://api.test/v1").unwrap();
        build(&base, &format!("items/{}/x", segment(value)?), "").map(Into::into)
    }

    #[test]
    fn refuses_or_encodes_list_b() {
        for value in ["", ".", "..", "\t//evil.test", "ht\ntp://evil", "\0", "\r\n", "a\u{7f}"] {
            assert!(with_segment(value).is_err(), "{value:?}");
        }
        for (value, encoded) in [
            ("%2e%2e", "%252e%252e"),
            (".%2e", ".%252e"),
            ("..%2f", "..%252f"),
            ("..\\", "..%5C"),
            ("a/b", "a%2Fb"),
            ("//evil.test", "%2F%2Fevil.test"),
            ("\\\\evil.test", "%5C%5Cevil.test"),
            ("/\\evil.test", "%2F%5Cevil.test"),
            ("https://evil", "https%3A%2F%2Fevil"),
            ("@evil", "%40evil"),
            (";/../x", "%3B%2F..%2Fx"),
            ("?x=1", "%3Fx%3D1"),
            ("#f", "%23f"),
            ("%00", "%2500"),
            ("%0d%0a", "%250d%250a"),
            ("é", "%C3%A9"),
            ("\u{2215}", "%E2%88%95"),
            ("\u{ff0e}\u{ff0e}", "%EF%BC%8E%EF%BC%8E"),
        ] {
            assert_eq!(with_segment(value).unwrap(), format!("https://api.test/v1/items/{encoded}/x"), "{value}");
        }
        assert!(with_segment(&"a".repeat(10_000)).is_ok());
        assert!(with_segment(&"a".repeat(20_000)).is_err());
    }

    #[test]
    fn refuses_template_text_that_would_move() {
        let base = base("https://api.test/v1/").unwrap();
        for path in
            ["..", "a/../b", "a/%2e%2E/b", "a/.%2e", "a//b", "//evil", "\\evil", "a?x", "a#x", "a b", "a/%00", "é"]
        {
            assert!(build(&base, path, "").is_err(), "{path}");
        }
        let built = |path: &str| build(&base, path, "").unwrap().to_string();
        assert_eq!(built("/a/b/"), "https://api.test/v1/a/b/");
        assert_eq!(built("root:/x.txt:/content"), "https://api.test/v1/root:/x.txt:/content");
        assert_eq!(built(""), "https://api.test/v1/");
        let asked = build(&base, "q", &query(&[("q", "a+b c&d=é")])).unwrap();
        assert_eq!(asked.as_str(), "https://api.test/v1/q?q=a%2Bb%20c%26d%3D%C3%A9");
    }

    #[test]
    fn queries_that_are_known_belong_to_their_base() {
        let queries = Queries::default();
        let asked = query(&[("fields", "id,name")]);
        let bases = ["https://api.test/v1", "https://api.test/v2/", "https://eu.api.test/v1", "http://api.test/v1"];
        for path in ["items/1", "/items/2/", "", "../v2"] {
            for base in bases.map(base_of) {
                let (known, new) = (queries.build(&base, path, &asked), build(&base, path, &asked));
                assert_eq!(known.ok(), new.ok(), "{base} {path}");
            }
        }
        let built = queries.build(&base_of(bases[1]), "items/3", &asked).unwrap();
        assert_eq!(built.as_str(), "https://api.test/v2/items/3?fields=id%2Cname");
    }

    fn base_of(text: &str) -> Url {
        base(text).unwrap()
    }

    #[test]
    fn reads_bases() {
        for text in ["https://api.test", "http://127.0.0.1:8080", "https://api.test/2.0", " https://api.test/a/b/ "] {
            assert!(base(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "api.test",
            "ftp://api.test",
            "https://u@api.test",
            "https://api.test?x=1",
            "https://api.test/#f",
            "https://api.test/a/../b",
            "https://api.test/%2e%2e/b",
            "https:api.test",
            "https://api.test\\@evil",
            "https://api.test/a//b",
        ] {
            assert!(base(text).is_err(), "{text}");
        }
    }

    #[test]
    fn follows_links_on_the_same_origin() {
        let base = base("https://api.test/v1").unwrap();
        assert_eq!(follow(&base, "/v2/x?c=1").unwrap().as_str(), "https://api.test/v2/x?c=1");
        assert_eq!(follow(&base, "https://api.test:443/y").unwrap().as_str(), "https://api.test/y");
        for link in
            ["//evil/x", "https://evil/x", "http://api.test/x", "\\\\evil", "/\\evil", "x", "https://u@api.test/"]
        {
            assert!(follow(&base, link).is_err(), "{link}");
        }
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_segment(value in ".{0,40}", other in "[./\\\\%a-z0-9?#@:\t\n]{0,20}") {
            let base = base("https://api.test:8443/v1").unwrap();
            for value in [value, other] {
                let Ok(encoded) = segment(&value) else { continue };
                let url = build(&base, &format!("a/{encoded}/z"), &query(&[("q", &value)])).unwrap();
                prop_assert!(same_origin(&url, &base));
                let parts: Vec<&str> = url.path_segments().unwrap().collect();
                prop_assert_eq!(parts.len(), 4);
                prop_assert_eq!(percent_decode_str(parts[2]).decode_utf8().unwrap(), value.as_str());
                prop_assert_eq!(url.query_pairs().next().unwrap().1, value.as_str());
            }
        }

        #[test]
        fn no_path_leaves_the_base(path in "[./\\\\%2eEfF?#@:a]{0,24}") {
            let base = base("https://api.test/v1").unwrap();
            if let Ok(url) = build(&base, &path, "") {
                prop_assert!(same_origin(&url, &base) && url.path().starts_with("/v1"), "{}", url);
            }
        }
    }
}
