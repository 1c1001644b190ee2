//! AWS Signature Version 4: in the header of a request, and in the query of a link.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    error::{Error, Kind, Result},
    upstream::{Body, Request},
};

/// Everything but what RFC 3986 calls unreserved.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands for the hash of a body that is not known in advance.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Headers that are signed where they are present, besides `host` and those of the signature itself.
const SIGNED: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::DATE, header::RANGE, HeaderName::from_static("content-md5")];

/// Keys and scope of signatures.
pub(in crate::provider) struct Signer {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) session_token: Option<String>,
    pub(super) region: String,
    pub(super) service: String,
}

impl Signer {
    /// Puts date, hash and signature on `request`, whose other headers are all there.
    pub(in crate::provider) fn sign(&self, request: &mut Request, now: DateTime<Utc>) -> Result<()> {
        let hash = match &request.body {
            Body::Empty => hex::encode(Sha256::digest(b"")),
            Body::Bytes(bytes) => hex::encode(Sha256::digest(bytes)),
            Body::Stream { .. } => UNSIGNED.to_owned(),
        };
        let time = now.format("%Y%m%dT%H%M%SZ").to_string();
        put(&mut request.headers, "x-amz-date", &time)?;
        put(&mut request.headers, "x-amz-content-sha256", &hash)?;
        if let Some(token) = &self.session_token {
            put(&mut request.headers, "x-amz-security-token", token)?;
        }
        let mut headers = vec![("host".to_owned(), host(&request.url))];
        for (name, value) in &request.headers {
            if SIGNED.contains(name) || name.as_str().starts_with("x-amz-") {
                let value = String::from_utf8_lossy(value.as_bytes());
                headers.push((name.as_str().to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
        }
        headers.sort();
        let (canonical, signed) = self.canonical(&request.method, &request.url, &headers, &hash);
        let signature = self.signature(&canonical, now);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={signed}, Signature={signature}",
            self.access_key,
            self.scope(now)
        );
        put(&mut request.headers, "authorization", &value)?;
        if let Some(value) = request.headers.get_mut(header::AUTHORIZATION) {
            value.set_sensitive(true);
        }
        request.sensitive.extend([
            header::AUTHORIZATION,
            HeaderName::from_static("x-amz-security-token"),
            HeaderName::from_static("x-amz-date"),
            HeaderName::from_static("x-amz-content-sha256"),
        ]);
        Ok(())
    }

    /// `url` with a signature that lets anybody make this call for `seconds`.
    pub(in crate::provider) fn presign(&self, method: &Method, mut url: Url, now: DateTime<Utc>, seconds: u64) -> Url {
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
                .append_pair("X-Amz-Credential", &format!("{}/{}", self.access_key, self.scope(now)))
                .append_pair("X-Amz-Date", &now.format("%Y%m%dT%H%M%SZ").to_string())
                .append_pair("X-Amz-Expires", &seconds.to_string());
            if let Some(token) = &self.session_token {
                query.append_pair("X-Amz-Security-Token", token);
            }
            query.append_pair("X-Amz-SignedHeaders", "host");
        }
        let headers = [("host".to_owned(), host(&url))];
        let (canonical, _) = self.canonical(method, &url, &headers, UNSIGNED);
        let signature = self.signature(&canonical, now);
        url.query_pairs_mut().append_pair("X-Amz-Signature", &signature);
        url
    }

    fn scope(&self, now: DateTime<Utc>) -> String {
        format!("{}/{}/{}/aws4_request", now.format("%Y%m%d"), self.region, self.service)
    }

    /// The canonical request, and the names of the signed headers.
    fn canonical(&self, method: &Method, url: &Url, headers: &[(String, String)], hash: &str) -> (String, String) {
        let mut path = reencoded(url.path());
        if self.service != "s3" {
            // Every service but this one encodes the encoded path.
            path = path.split('/').map(strict).collect::<Vec<_>>().join("/");
        }
        let mut query: Vec<(String, String)> =
            url.query_pairs().map(|(name, value)| (strict(&name), strict(&value))).collect();
        query.sort();
        let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let signed: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let signed = signed.join(";");
        let mut lines = String::new();
        for (name, value) in headers {
            // Writing to a string cannot fail.
            let _written = writeln!(lines, "{name}:{value}");
        }
        (format!("{method}\n{path}\n{}\n{lines}\n{signed}\n{hash}", query.join("&")), signed)
    }

    fn signature(&self, canonical: &str, now: DateTime<Utc>) -> String {
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{}",
            now.format("%Y%m%dT%H%M%SZ"),
            self.scope(now),
            hex::encode(Sha256::digest(canonical.as_bytes()))
        );
        let date = now.format("%Y%m%d").to_string();
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [date.as_str(), &self.region, &self.service, "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        hex::encode(hmac(&key, text.as_bytes()))
    }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }
        Err(_) => Vec::new(),
    }
}

fn strict(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

/// A path, each segment decoded and encoded strictly.
fn reencoded(path: &str) -> String {
    let encode = |segment: &str| {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        percent_encoding::percent_encode(&bytes, STRICT).to_string()
    };
    if path.is_empty() { "/".to_owned() } else { path.split('/').map(encode).collect::<Vec<_>>().join("/") }
}

/// The `Host` header that will be sent.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<()> {
    let value = HeaderValue::from_str(value).map_err(|_| {
        Error::new(Kind::ReauthRequired, "The stored credentials hold characters that no header can carry")
    })?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    // The examples that AWS publishes in the S3 API reference.
    fn signer() -> Signer {
        Signer {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
            region: "us-east-1".into(),
            service: "s3".into(),
        }
    }

    fn request(method: Method, url: &str, headers: &[(&'static str, &'static str)], body: Body) -> Request {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Request {
            method,
            url: Url::parse(url).unwrap(),
            headers,
            sensitive: Vec::new(),
            body,
            hosts: std::sync::Arc::from([]),
            deadline: tokio::time::Instant::now(),
            idle: std::time::Duration::from_secs(1),
            follow_redirects: false,
            retryable: false,
        }
    }

    #[test]
    fn signs_the_published_examples() {
        let now = Utc.with_ymd_and_hms(2013, 5, 24, 0, 0, 0).unwrap();
        let signature = |mut request: Request| {
            signer().sign(&mut request, now).unwrap();
            let value = request.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
            value.split_once("Signature=").unwrap().1.to_owned()
        };
        let root = "https://examplebucket.s3.amazonaws.com";
        assert_eq!(
            signature(request(Method::GET, &format!("{root}/test.txt"), &[("range", "bytes=0-9")], Body::Empty)),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let headers = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        let body = Body::Bytes("Welcome to Amazon S3.".into());
        assert_eq!(
            signature(request(Method::PUT, &format!("{root}/test$file.text"), &headers, body)),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature(request(Method::GET, &format!("{root}/?lifecycle"), &[], Body::Empty)),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature(request(Method::GET, &format!("{root}/?max-keys=2&prefix=J"), &[], Body::Empty)),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn presigns_the_published_example() {
        let now = Utc.with_ymd_and_hms(2013, 5, 24, 0, 0, 0).unwrap();
        let url = Url::parse("https://examplebucket.s3.amazonaws.com/test.txt").unwrap();
        let signed = signer().presign(&Method::GET, url, now, 86400);
        assert!(
            signed
                .as_str()
                .ends_with("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
            "{signed}"
        );
    }

    #[test]
    fn a_stream_is_not_hashed() {
        use futures_util::StreamExt as _;
        let body = Body::Stream { stream: futures_util::stream::empty().boxed(), length: Some(0) };
        let mut request = request(Method::PUT, "http://127.0.0.1:9000/b/k", &[], body);
        signer().sign(&mut request, Utc::now()).unwrap();
        assert_eq!(request.headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        assert_eq!(host(&request.url), "127.0.0.1:9000");
    }
}
