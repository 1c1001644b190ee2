//! The interface: which method and address does what.

use std::sync::{Arc, MutexGuard};

use axum::{
    body::Body,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderName, Method, Uri},
    response::Response,
};
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use super::{
    Service,
    failure::Failure,
    intake::Announced,
    listing, multipart, objects,
    signature::{Payload, Signed},
    store, tagging, versions,
};
use crate::{
    core::{hold, random_hex},
    http,
};

/// The longest key, in bytes.
const LONGEST_KEY: usize = 1024;

/// What S3 can be asked about beside the content, and this imitation has nothing to say of.
const NOT_IMITATED: [&str; 28] = [
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "renameObject",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "torrent",
    "website",
];

/// A query, decoded, in the order it came in.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn read(uri: &Uri) -> Self {
        Self(url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A number within bounds, or the default where it is not given.
    pub(super) fn number(&self, name: &str, otherwise: usize, most: usize) -> Result<usize, Failure> {
        let Some(text) = self.get(name) else { return Ok(otherwise) };
        let wrong =
            |_| Failure::argument(name, text, format!("Provided {name} not an integer or within integer range"));
        let number: i32 = text.parse().map_err(wrong)?;
        usize::try_from(number).map(|number| number.min(most)).map_err(|_| {
            Failure::argument(name, text, format!("Argument {name} must be an integer between 0 and 2147483647"))
        })
    }
}

/// One call whose signature holds.
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Query,
    pub(super) bucket: String,
    pub(super) key: String,
    payload: Payload,
}

/// Every call.
pub(super) async fn call(
    State(service): State<Arc<Service>>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = match Call::new(&service, &uri, &method, &headers) {
        Ok(call) => Box::pin(call.route(body)).await,
        Err(failure) => Err(failure),
    };
    let mut answer = answer.unwrap_or_else(|failure| failure.answer());
    if method == Method::HEAD {
        // Nothing of a refusal is told but its status.
        *answer.body_mut() = Body::empty();
    }
    for (name, value) in [
        ("x-amz-request-id", random_hex(8).to_uppercase()),
        ("x-amz-id-2", random_hex(24)),
        ("server", "AmazonS3".to_owned()),
    ] {
        answer = http::with_header(answer, HeaderName::from_static(name), &value);
    }
    answer
}

impl<'a> Call<'a> {
    fn new(service: &'a Service, uri: &Uri, method: &'a Method, headers: &'a HeaderMap) -> Result<Self, Failure> {
        let query = Query::read(uri);
        let path = uri.path().trim_start_matches('/');
        let (bucket, key) = match uri.path().strip_prefix('/').and_then(|path| path.split_once('/')) {
            Some((bucket, key)) => (bucket, key),
            None => (path, ""),
        };
        let signed = Signed { method, uri, headers, query: &query, now: service.core.now() };
        let payload = signed.check()?;
        let (bucket, key) = (decoded(bucket)?, decoded(key)?);
        if key.len() > LONGEST_KEY {
            return Err(Failure::new("KeyTooLongError", "Your key is too long")
                .with("Size", key.len().to_string())
                .with("MaxSizeAllowed", LONGEST_KEY.to_string()));
        }
        if let Some(asked) = NOT_IMITATED.iter().find(|name| query.has(name)) {
            return Err(Failure::not_implemented(asked));
        }
        Ok(Self { service, method, headers, query, bucket, key, payload })
    }

    async fn route(&self, body: Body) -> Result<Response, Failure> {
        let has = |name| self.query.has(name);
        match (self.method.as_str(), self.bucket.is_empty(), self.key.is_empty()) {
            ("GET", true, _) => Ok(self.list_buckets()),
            (method, true, _) => Err(Failure::method(method, "SERVICE")),
            (_, _, true) if has("tagging") => Err(Failure::not_implemented("tagging")),
            ("GET", _, true) if has("location") => self.location(),
            ("GET", _, true) if has("versioning") => self.versioning(),
            ("GET", _, true) if has("versions") => versions::list(self),
            ("GET", _, true) if has("uploads") => multipart::list_uploads(self),
            ("GET", _, true) => listing::list(self),
            ("HEAD", _, true) => self.head_bucket(),
            ("PUT", _, true) if has("versioning") => self.set_versioning(self.document(body).await?),
            ("PUT", _, true) => self.create_bucket(self.document(body).await?),
            ("POST", _, true) if has("delete") => objects::delete_many(self, body).await,
            ("DELETE", _, true) => self.delete_bucket(),
            (method, _, true) => Err(Failure::method(method, "BUCKET")),
            ("GET", ..) if has("tagging") => tagging::get(self),
            ("PUT", ..) if has("tagging") => tagging::put(self, body).await,
            ("DELETE", ..) if has("tagging") => tagging::delete(self),
            ("GET", ..) if has("uploadId") => multipart::list_parts(self),
            ("GET" | "HEAD", ..) => objects::get(self).await,
            ("PUT", ..) if has("uploadId") || has("partNumber") => multipart::part(self, body).await,
            ("PUT", ..) if self.headers.contains_key("x-amz-copy-source") => objects::copy(self),
            ("PUT", ..) => objects::put(self, body).await,
            ("POST", ..) if has("uploads") => multipart::start(self),
            ("POST", ..) if has("uploadId") => multipart::complete(self, self.document(body).await?).await,
            ("DELETE", ..) if has("uploadId") => multipart::abort(self),
            ("DELETE", ..) => objects::delete(self),
            (method, ..) => Err(Failure::method(method, "OBJECT")),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, store::State> {
        hold(&self.service.state)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.service.core.now()
    }

    /// What is said of the body.
    pub(super) fn announced(&self) -> Result<Announced, Failure> {
        Announced::read(self.headers, self.payload.clone())
    }

    async fn document(&self, body: Body) -> Result<bytes::Bytes, Failure> {
        self.announced()?.document(body).await
    }

    /// The address of the object.
    pub(super) fn location_of_key(&self) -> String {
        format!("{}/{}/{}", self.service.core.origin, self.bucket, self.key)
    }
}

/// A part of an address.
pub(super) fn decoded(text: &str) -> Result<String, Failure> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Failure::new("InvalidURI", "Couldn't parse the specified URI."))
}

/// An answer with a document.
pub(super) fn document(body: String) -> Response {
    http::raw(200, "application/xml", body)
}

/// Puts headers on an answer.
pub(super) fn with_headers<'h>(mut answer: Response, headers: impl IntoIterator<Item = (&'h str, String)>) -> Response {
    for (name, value) in headers {
        if let Ok(name) = name.parse::<HeaderName>() {
            answer = http::with_header(answer, name, &value);
        }
    }
    answer
}
