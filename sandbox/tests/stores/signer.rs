//! Signs calls of S3 as a caller does.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response};
use sandbox::Running;
use sha2::{Digest, Sha256};

const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A caller with keys.
pub(crate) struct Caller {
    pub(crate) provider: Running,
    pub(crate) client: Client,
    pub(crate) access: String,
    pub(crate) secret: String,
    pub(crate) region: String,
    pub(crate) now: Option<DateTime<Utc>>,
}

/// One call to be signed.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    /// Decoded.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl Caller {
    pub(crate) async fn new() -> Self {
        let provider = sandbox::start("amazons3", "127.0.0.1:0").await.unwrap();
        let credential = |name: &str| provider.credentials[&format!("filemanagement.provider.{name}")].clone();
        Self {
            access: credential("access_key"),
            secret: credential("secret_key"),
            region: credential("region_name"),
            client: crate::support::client(),
            now: None,
            provider,
        }
    }

    /// Sends a signed call.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Response {
        let now = self.now.unwrap_or_else(Utc::now);
        let time = now.format("%Y%m%dT%H%M%SZ").to_string();
        let hash = hex::encode(Sha256::digest(call.body));
        let mut headers: BTreeMap<String, String> =
            call.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        headers.insert("host".to_owned(), self.host().to_owned());
        headers.entry("x-amz-content-sha256".to_owned()).or_insert_with(|| hash.clone());
        headers.insert("x-amz-date".to_owned(), time.clone());
        let signed: Vec<&str> = headers.keys().map(String::as_str).collect();
        let lines = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect::<Vec<_>>().concat();
        let query = query(call.query);
        let canonical = format!(
            "{}\n{}\n{query}\n{lines}\n{}\n{}",
            call.method,
            path(call.path),
            signed.join(";"),
            headers["x-amz-content-sha256"]
        );
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
            self.access,
            self.scope(now),
            signed.join(";"),
            self.signature(now, &canonical)
        );
        let url = format!("{}{}?{query}", self.provider.origin(), path(call.path));
        let mut request = self.client.request(call.method.parse::<Method>().unwrap(), url).body(call.body.to_vec());
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        request.header("authorization", authorization).send().await.unwrap()
    }

    /// A signed address.
    pub(crate) fn link(&self, of: &str, seconds: i64) -> String {
        let now = self.now.unwrap_or_else(Utc::now);
        let credential = format!("{}/{}", self.access, self.scope(now));
        let (time, seconds) = (now.format("%Y%m%dT%H%M%SZ").to_string(), seconds.to_string());
        let query = query(&[
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &time),
            ("X-Amz-Expires", &seconds),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        let canonical = format!("GET\n{}\n{query}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD", path(of), self.host());
        let signature = self.signature(now, &canonical);
        format!("{}{}?{query}&X-Amz-Signature={signature}", self.provider.origin(), path(of))
    }

    fn host(&self) -> &str {
        self.provider.origin().strip_prefix("http://").unwrap()
    }

    fn scope(&self, now: DateTime<Utc>) -> String {
        format!("{}/{}/s3/aws4_request", now.format("%Y%m%d"), self.region)
    }

    fn signature(&self, now: DateTime<Utc>, canonical: &str) -> String {
        let sum = hex::encode(Sha256::digest(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{sum}", now.format("%Y%m%dT%H%M%SZ"), self.scope(now));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [now.format("%Y%m%d").to_string().as_str(), &self.region, "s3", "aws4_request", &text] {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(part.as_bytes());
            key = mac.finalize().into_bytes().to_vec();
        }
        hex::encode(key)
    }
}

fn path(text: &str) -> String {
    text.split('/').map(|part| utf8_percent_encode(part, STRICT).to_string()).collect::<Vec<_>>().join("/")
}

fn query(pairs: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", utf8_percent_encode(name, STRICT), utf8_percent_encode(value, STRICT)))
        .collect();
    pairs.sort();
    pairs.join("&")
}
