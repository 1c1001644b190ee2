//! Who calls: Basic (RFC 7617) or Digest (RFC 7616, with MD5 and SHA-256).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use md5::{Digest, Md5};
use sha2::Sha256;

use super::{PASSWORD, REALM, USER};
use crate::{
    core::{hold, random_hex},
    http,
};

/// How long a nonce serves, in minutes.
const NONCE_MINUTES: i64 = 5;

/// The nonces that were given out.
#[derive(Default)]
pub(super) struct Gate {
    nonces: Mutex<BTreeMap<String, Nonce>>,
}

struct Nonce {
    made: DateTime<Utc>,
    /// The counts it has been used with; each serves once.
    used: BTreeSet<String>,
}

/// What is wrong with a digest.
enum Wrong {
    /// The name, the password or the form.
    Answer,
    /// The nonce alone: the caller may try again with another.
    Stale,
}

impl Gate {
    /// Lets the call pass, or gives the answer that asks who is calling.
    pub(super) fn check(&self, request: &Request, now: DateTime<Utc>) -> Result<(), Box<Response>> {
        let given = http::header_text(request.headers(), "authorization").unwrap_or_default();
        let stale = match given.split_once(' ') {
            Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => {
                let wanted = format!("{USER}:{PASSWORD}");
                if STANDARD.decode(encoded.trim()).is_ok_and(|given| given == wanted.as_bytes()) {
                    return Ok(());
                }
                false
            }
            Some((scheme, fields)) if scheme.eq_ignore_ascii_case("digest") => {
                match self.digest(request, &parameters(fields), now) {
                    Ok(()) => return Ok(()),
                    Err(wrong) => matches!(wrong, Wrong::Stale),
                }
            }
            _ => false,
        };
        Err(Box::new(ask(Some((self.fresh(now), stale)))))
    }

    /// A nonce that serves from now on; those too old go.
    fn fresh(&self, now: DateTime<Utc>) -> String {
        let mut nonces = hold(&self.nonces);
        nonces.retain(|_, nonce| now - nonce.made < TimeDelta::minutes(NONCE_MINUTES));
        let text = random_hex(16);
        nonces.insert(text.clone(), Nonce { made: now, used: BTreeSet::new() });
        text
    }

    fn digest(&self, request: &Request, given: &BTreeMap<String, String>, now: DateTime<Utc>) -> Result<(), Wrong> {
        let field = |name: &str| given.get(name).map(String::as_str).ok_or(Wrong::Answer);
        let hash = match given.get("algorithm").map_or("MD5", String::as_str) {
            "MD5" => |text: &str| hex::encode(Md5::digest(text.as_bytes())),
            "SHA-256" => |text: &str| hex::encode(Sha256::digest(text.as_bytes())),
            _ => return Err(Wrong::Answer),
        };
        let (nonce, count, own, uri) = (field("nonce")?, field("nc")?, field("cnonce")?, field("uri")?);
        let asked = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if field("username")? != USER || field("realm")? != REALM || field("qop")? != "auth" || uri != asked {
            return Err(Wrong::Answer);
        }
        let who = hash(&format!("{USER}:{REALM}:{PASSWORD}"));
        let what = hash(&format!("{}:{uri}", request.method()));
        if field("response")? != hash(&format!("{who}:{nonce}:{count}:{own}:auth:{what}")) {
            return Err(Wrong::Answer);
        }
        let mut nonces = hold(&self.nonces);
        let known = nonces.get_mut(nonce).filter(|known| now - known.made < TimeDelta::minutes(NONCE_MINUTES));
        let known = known.ok_or(Wrong::Stale)?;
        if known.used.insert(count.to_owned()) { Ok(()) } else { Err(Wrong::Stale) }
    }
}

/// Asks who is calling; without a nonce, as a fault does, for a name and a password only.
pub(super) fn ask(digest: Option<(String, bool)>) -> Response {
    let mut answer = http::raw(401, "text/plain; charset=utf-8", "Who is calling?\n");
    let mut challenges = Vec::new();
    if let Some((nonce, stale)) = digest {
        let stale = if stale { ", stale=true" } else { "" };
        for algorithm in ["SHA-256", "MD5"] {
            challenges.push(format!(
                "Digest realm=\"{REALM}\", qop=\"auth\", algorithm={algorithm}, nonce=\"{nonce}\"{stale}"
            ));
        }
    }
    challenges.push(format!("Basic realm=\"{REALM}\", charset=\"UTF-8\""));
    for challenge in challenges {
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            answer.headers_mut().append(header::WWW_AUTHENTICATE, value);
        }
    }
    answer
}

/// The parameters of a header; names in lower case, values without quotes.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let mut value = String::new();
        let mut characters = after.trim_start().chars();
        if characters.as_str().starts_with('"') {
            characters.next();
            while let Some(character) = characters.next() {
                match character {
                    '"' => break,
                    '\\' => value.extend(characters.next()),
                    other => value.push(other),
                }
            }
        } else {
            let token = characters.as_str().split(',').next().unwrap_or_default();
            value.push_str(token.trim());
            characters.by_ref().take(token.chars().count()).for_each(drop);
        }
        found.insert(name.trim().to_ascii_lowercase(), value);
        rest = characters.as_str().trim_start_matches([',', ' ', '\t']);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parameters() {
        let read = parameters("username=\"a\\\"b, c\", uri=\"/x?y=1,2\", qop=auth, nc=00000001,Algorithm=SHA-256");
        let wanted = [
            ("username", "a\"b, c"),
            ("uri", "/x?y=1,2"),
            ("qop", "auth"),
            ("nc", "00000001"),
            ("algorithm", "SHA-256"),
        ];
        assert_eq!(read, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
