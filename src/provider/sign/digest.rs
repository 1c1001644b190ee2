//! Digest access authentication (RFC 7616): reads a server's challenge, answers it.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU32, Ordering},
};

use http::{HeaderMap, header};
use md5::{Digest as _, Md5};
use sha2::Sha256;

/// The hash of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    fn hex(self, text: &str) -> String {
        match self {
            Self::Md5 => hex::encode(Md5::digest(text.as_bytes())),
            Self::Sha256 => hex::encode(Sha256::digest(text.as_bytes())),
        }
    }
}

/// What a server asks for.
#[derive(Debug)]
pub(in crate::provider) enum Challenge {
    /// Name and password as they are.
    Basic,
    /// A digest.
    Digest(Digest),
}

/// A digest challenge, and how often it has been answered.
#[derive(Debug)]
pub(in crate::provider) struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// The word the server used, to be given back as it was.
    algorithm: Option<String>,
    hash: Hash,
    session: bool,
    /// Whether `qop=auth` is offered; without it the older form of RFC 2069 is used.
    qop: bool,
    count: AtomicU32,
}

impl Challenge {
    /// The strongest challenge of an answer that we can meet; Basic only where `basic` allows it.
    pub(super) fn read(headers: &HeaderMap, basic: bool) -> Option<Self> {
        let mut best: Option<Digest> = None;
        let mut offers_basic = false;
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            for (scheme, parameters) in challenges(&String::from_utf8_lossy(value.as_bytes())) {
                if scheme.eq_ignore_ascii_case("basic") {
                    offers_basic = true;
                } else if scheme.eq_ignore_ascii_case("digest")
                    && let Some(digest) = Digest::of(&parameters)
                    && best.as_ref().is_none_or(|best| digest.hash > best.hash)
                {
                    best = Some(digest);
                }
            }
        }
        best.map(Self::Digest).or_else(|| (basic && offers_basic).then_some(Self::Basic))
    }
}

impl Digest {
    fn of(parameters: &[(String, String)]) -> Option<Self> {
        let get = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let algorithm = get("algorithm");
        let (hash, session) = match algorithm.as_deref().unwrap_or("MD5").to_ascii_uppercase().as_str() {
            "MD5" => (Hash::Md5, false),
            "MD5-SESS" => (Hash::Md5, true),
            "SHA-256" => (Hash::Sha256, false),
            "SHA-256-SESS" => (Hash::Sha256, true),
            _ => return None,
        };
        let qop = match get("qop") {
            // A server that insists on the body's hash cannot be met with a streamed body.
            Some(offered) if !offered.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")) => return None,
            offered => offered.is_some(),
        };
        Some(Self {
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm,
            hash,
            session,
            qop,
            count: AtomicU32::new(0),
        })
    }

    /// The `Authorization` value of the next request under this challenge.
    pub(super) fn answer(&self, username: &str, password: &str, method: &str, uri: &str, cnonce: &str) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let nc = format!("{count:08x}");
        let hash = |text: &str| self.hash.hex(text);
        let mut secret = hash(&format!("{username}:{}:{password}", self.realm));
        if self.session {
            secret = hash(&format!("{secret}:{}:{cnonce}", self.nonce));
        }
        let request = hash(&format!("{method}:{uri}"));
        let response = if self.qop {
            hash(&format!("{secret}:{}:{nc}:{cnonce}:auth:{request}", self.nonce))
        } else {
            hash(&format!("{secret}:{}:{request}", self.nonce))
        };
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            quoted(username),
            quoted(&self.realm),
            quoted(&self.nonce)
        );
        if let Some(algorithm) = &self.algorithm {
            let _written = write!(value, ", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            let _written = write!(value, ", opaque=\"{}\"", quoted(opaque));
        }
        if self.qop {
            let _written = write!(value, ", qop=auth, nc={nc}, cnonce=\"{cnonce}\"");
        } else if self.session {
            let _written = write!(value, ", cnonce=\"{cnonce}\"");
        }
        value
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A scheme and its parameters.
type Read = (String, Vec<(String, String)>);

/// The challenges of one `WWW-Authenticate` header, which may hold several with commas between them.
fn challenges(text: &str) -> Vec<Read> {
    let mut found: Vec<Read> = Vec::new();
    for item in items(text) {
        // `Scheme name=value` begins a challenge, `name=value` goes on with it, `Scheme` stands alone.
        let head = item.split('=').next().unwrap_or_default().trim_end();
        let (scheme, parameter) = match head.split_once(char::is_whitespace) {
            Some((scheme, _)) => (Some(scheme), item.get(scheme.len()..).unwrap_or_default().trim_start()),
            None if !item.contains('=') => (Some(item), ""),
            None => (None, item),
        };
        if let Some(scheme) = scheme {
            found.push((scheme.to_owned(), Vec::new()));
        }
        if let (Some((name, value)), Some((_, parameters))) = (parameter.split_once('='), found.last_mut()) {
            parameters.push((name.trim().to_ascii_lowercase(), unquoted(value.trim())));
        }
    }
    found
}

/// The parts between commas that are in no quotes.
fn items(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut inside, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' if !inside => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        out.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    out
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        headers
    }

    fn digest(values: &[&'static str]) -> Digest {
        match Challenge::read(&headers(values), true) {
            Some(Challenge::Digest(digest)) => digest,
            other => panic!("{other:?}"),
        }
    }

    const SHA: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
                       nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                       opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    const MD5: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
                       nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                       opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    // The example of RFC 7616, 3.9.1.
    #[test]
    fn answers_the_published_example() {
        let answer = |one: &Digest| one.answer("Mufasa", "Circle of Life", "GET", "/dir/index.html", CNONCE);
        let md5 = answer(&digest(&[MD5]));
        assert!(md5.contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""), "{md5}");
        assert!(md5.contains("nc=00000001") && md5.contains("algorithm=MD5"), "{md5}");
        // The stronger one is taken, wherever it stands.
        let both = digest(&[MD5, SHA]);
        let sha = answer(&both);
        assert!(sha.contains("response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""), "{sha}");
        assert!(answer(&both).contains("nc=00000002"), "the count goes up");
    }

    // The example of RFC 2069 as corrected by its erratum 749.
    #[test]
    fn answers_servers_without_qop() {
        let old = digest(&["Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\""]);
        let answer = old.answer("Mufasa", "CircleOfLife", "GET", "/dir/index.html", "x");
        assert!(answer.contains("response=\"1949323746fe6a43ef61f9606e7febea\""), "{answer}");
        assert!(!answer.contains("nc="), "{answer}");
    }

    #[test]
    fn reads_several_challenges_in_one_header() {
        let one = headers(&["Basic realm=\"a, \\\"b\\\"\", Digest realm=\"r\", nonce=\"n\", qop=\"auth\", stale=true"]);
        assert!(matches!(Challenge::read(&one, true), Some(Challenge::Digest(_))));
        assert!(matches!(Challenge::read(&headers(&["Negotiate, Basic realm=\"x\""]), true), Some(Challenge::Basic)));
        assert!(Challenge::read(&headers(&["Basic realm=\"x\""]), false).is_none());
        assert!(Challenge::read(&headers(&["Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""]), true).is_none());
        assert!(Challenge::read(&headers(&["Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256"]), true).is_none());
    }
}
