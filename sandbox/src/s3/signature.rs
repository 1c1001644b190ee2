//! Checking signatures: AWS Signature Version 4, in the headers of a call or in its query.

use axum::http::{HeaderMap, Method, Uri};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use sha2::{Digest, Sha256};

use super::{ACCESS_KEY, REGION, SECRET_KEY, api::Query, failure::Failure, store::iso};
use crate::http;

/// Everything but what RFC 3986 calls unreserved.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the caller's clock may be off, in minutes.
const SKEW: i64 = 15;
/// The longest a signature in a query holds, in seconds.
const LONGEST: i64 = 604_800;

/// What a signature says of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// Nothing.
    Unsigned,
    /// Its SHA-256, in hexadecimal.
    Sha256(String),
}

/// One call as it came.
pub(super) struct Signed<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a Query,
    pub(super) now: DateTime<Utc>,
}

/// The parts of a credential.
struct Scope<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    end: &'a str,
}

impl Signed<'_> {
    /// Checks the signature; gives what it says of the payload.
    pub(super) fn check(&self) -> Result<Payload, Failure> {
        let header = http::header_text(self.headers, "authorization");
        let in_query = self.query.get("X-Amz-Algorithm").is_some() || self.query.get("X-Amz-Signature").is_some();
        match header {
            Some(_) if in_query => Err(Failure::argument(
                "Authorization",
                "…",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
            )),
            Some(header) => self.by_header(header),
            None if in_query => self.by_query(),
            None => Err(Failure::new("AccessDenied", "Access Denied")),
        }
    }

    fn by_header(&self, header: &str) -> Result<Payload, Failure> {
        let Some(fields) = header.strip_prefix(ALGORITHM) else {
            return Err(Failure::argument("Authorization", "…", "Unsupported Authorization Type"));
        };
        let malformed = |what: &str| {
            Failure::new("AuthorizationHeaderMalformed", format!("The authorization header is malformed; {what}"))
        };
        let field = |name: &str| {
            let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| malformed(&format!("the field {name} is missing")))
        };
        let (credential, names, given) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
        let scope = Scope::read(credential).ok_or_else(|| malformed("the Credential is mal-formed"))?;
        scope.check(&malformed)?;
        let date = http::header_text(self.headers, "x-amz-date")
            .and_then(moment)
            .or_else(|| http::header_text(self.headers, "date").and_then(http_moment))
            .ok_or_else(|| {
                Failure::new("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
            })?;
        if date.format("%Y%m%d").to_string() != scope.date {
            return Err(malformed("the date in the Credential is not that of the request"));
        }
        if (self.now - date).abs() > TimeDelta::minutes(SKEW) {
            return Err(Failure::new(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )
            .with("RequestTime", date.format("%Y%m%dT%H%M%SZ").to_string())
            .with("ServerTime", iso(self.now))
            .with("MaxAllowedSkewMilliseconds", (SKEW * 60_000).to_string()));
        }
        let Some(hash) = http::header_text(self.headers, "x-amz-content-sha256") else {
            return Err(Failure::new(
                "InvalidRequest",
                "Missing required header for this request: x-amz-content-sha256",
            ));
        };
        let payload = match hash {
            "UNSIGNED-PAYLOAD" => Payload::Unsigned,
            streaming if streaming.starts_with("STREAMING-") => {
                return Err(Failure::not_implemented("x-amz-content-sha256"));
            }
            hash if hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()) => Payload::Sha256(hash.to_owned()),
            other => {
                return Err(Failure::argument(
                    "x-amz-content-sha256",
                    other,
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.",
                ));
            }
        };
        self.compare(&scope, date, names, hash, given)?;
        Ok(payload)
    }

    fn by_query(&self) -> Result<Payload, Failure> {
        let wrong = |what: &str| Failure::new("AuthorizationQueryParametersError", what);
        let needed = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
        let value = |name: &str| self.query.get(name).ok_or_else(|| wrong(needed));
        if value("X-Amz-Algorithm")? != ALGORITHM {
            return Err(wrong("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\""));
        }
        let scope = Scope::read(value("X-Amz-Credential")?)
            .ok_or_else(|| wrong("Error parsing the X-Amz-Credential parameter; the Credential is mal-formed"))?;
        scope.check(&|what| wrong(&format!("Error parsing the X-Amz-Credential parameter; {what}")))?;
        let date = moment(value("X-Amz-Date")?)
            .ok_or_else(|| wrong("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
        if date.format("%Y%m%d").to_string() != scope.date {
            return Err(wrong("Invalid credential date. This date is not the same as X-Amz-Date."));
        }
        let expires: i64 = value("X-Amz-Expires")?.parse().map_err(|_| wrong("X-Amz-Expires should be a number"))?;
        if !(0..=LONGEST).contains(&expires) {
            return Err(wrong(
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
            ));
        }
        if date > self.now + TimeDelta::minutes(SKEW) {
            return Err(Failure::new("AccessDenied", "Request is not yet valid"));
        }
        let end = date + TimeDelta::seconds(expires);
        if end < self.now {
            return Err(Failure::new("AccessDenied", "Request has expired")
                .with("X-Amz-Expires", expires.to_string())
                .with("Expires", iso(end))
                .with("ServerTime", iso(self.now)));
        }
        let hash = self.query.get("X-Amz-Content-Sha256").unwrap_or("UNSIGNED-PAYLOAD");
        self.compare(&scope, date, value("X-Amz-SignedHeaders")?, hash, value("X-Amz-Signature")?)?;
        Ok(if hash == "UNSIGNED-PAYLOAD" { Payload::Unsigned } else { Payload::Sha256(hash.to_owned()) })
    }

    /// Compares the signature that was given with the one that is right.
    fn compare(
        &self,
        scope: &Scope<'_>,
        date: DateTime<Utc>,
        names: &str,
        hash: &str,
        given: &str,
    ) -> Result<(), Failure> {
        let signed: Vec<&str> = names.split(';').collect();
        let sent = self.headers.keys().map(axum::http::HeaderName::as_str);
        let missing: Vec<&str> = std::iter::once("host")
            .chain(sent.filter(|name| name.starts_with("x-amz-")))
            .filter(|name| !signed.contains(name))
            .collect();
        if !missing.is_empty() {
            return Err(Failure::new(
                "AccessDenied",
                "There were headers present in the request which were not signed",
            )
            .with("HeadersNotSigned", missing.join(", ")));
        }
        if self.headers.contains_key("x-amz-security-token") || self.query.get("X-Amz-Security-Token").is_some() {
            return Err(Failure::new("InvalidToken", "The provided token is malformed or otherwise invalid."));
        }
        let canonical = self.canonical(&signed, hash);
        let time = date.format("%Y%m%dT%H%M%SZ");
        let text = format!(
            "{ALGORITHM}\n{time}\n{}/{}/{}/{}\n{}",
            scope.date,
            scope.region,
            scope.service,
            scope.end,
            hex::encode(Sha256::digest(canonical.as_bytes()))
        );
        let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
        for part in [scope.date, scope.region, scope.service, scope.end] {
            key = hmac(&key, part.as_bytes());
        }
        if hex::encode(hmac(&key, text.as_bytes())) == given {
            return Ok(());
        }
        Err(Failure::new(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        )
        .with("AWSAccessKeyId", ACCESS_KEY)
        .with("StringToSign", text)
        .with("SignatureProvided", given)
        .with("CanonicalRequest", canonical))
    }

    fn canonical(&self, signed: &[&str], hash: &str) -> String {
        let path: Vec<String> = self
            .uri
            .path()
            .split('/')
            .map(|segment| strict(&percent_decode(segment.as_bytes()).collect::<Vec<u8>>()))
            .collect();
        let mut pairs: Vec<(String, String)> = self
            .query
            .pairs()
            .filter(|(name, _)| *name != "X-Amz-Signature")
            .map(|(name, value)| (strict(name.as_bytes()), strict(value.as_bytes())))
            .collect();
        pairs.sort();
        let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut lines = String::new();
        for name in signed {
            let values: Vec<String> = self
                .headers
                .get_all(*name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            lines.extend([*name, ":", &values.join(","), "\n"]);
        }
        format!("{}\n{}\n{}\n{lines}\n{}\n{hash}", self.method, path.join("/"), pairs.join("&"), signed.join(";"))
    }
}

impl<'a> Scope<'a> {
    fn read(credential: &'a str) -> Option<Self> {
        let mut parts = credential.split('/');
        let scope = Self {
            key: parts.next()?,
            date: parts.next()?,
            region: parts.next()?,
            service: parts.next()?,
            end: parts.next()?,
        };
        parts.next().is_none().then_some(scope)
    }

    fn check(&self, malformed: &dyn Fn(&str) -> Failure) -> Result<(), Failure> {
        if self.key != ACCESS_KEY {
            return Err(Failure::new(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )
            .with("AWSAccessKeyId", self.key));
        }
        if self.region != REGION {
            let what = format!("the region '{}' is wrong; expecting '{REGION}'", self.region);
            return Err(malformed(&what).with("Region", REGION));
        }
        if self.service != "s3" {
            return Err(malformed(&format!(
                "incorrect service \"{}\". This endpoint belongs to \"s3\".",
                self.service
            )));
        }
        if self.end != "aws4_request" {
            return Err(malformed(&format!(
                "incorrect terminal \"{}\". This endpoint uses \"aws4_request\".",
                self.end
            )));
        }
        Ok(())
    }
}

/// A time as signatures tell it.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok().map(|time| time.and_utc())
}

/// A time as headers tell it.
pub(super) fn http_moment(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|time| time.with_timezone(&Utc))
}

fn strict(bytes: &[u8]) -> String {
    percent_encode(bytes, STRICT).to_string()
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        },
    )
}
