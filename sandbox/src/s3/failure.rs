//! The answers that say no.

use axum::{http::HeaderName, response::Response};

use super::xml::Xml;
use crate::{core::random_hex, http};

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Failure {
    code: &'static str,
    message: String,
    /// Further members of the error.
    details: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), headers: Vec::new() }
    }

    /// With a further member.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// With a header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn malformed_xml() -> Self {
        Self::new(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    }

    pub(super) fn no_bucket(name: &str) -> Self {
        Self::new("NoSuchBucket", "The specified bucket does not exist").with("BucketName", name)
    }

    pub(super) fn no_key(key: &str) -> Self {
        Self::new("NoSuchKey", "The specified key does not exist.").with("Key", key)
    }

    pub(super) fn not_implemented(header: &str) -> Self {
        Self::new("NotImplemented", "A header you provided implies functionality that is not implemented")
            .with("Header", header)
    }

    pub(super) fn argument(name: &str, value: &str, message: impl Into<String>) -> Self {
        Self::new("InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    pub(super) fn precondition(condition: &str) -> Self {
        Self::new("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            .with("Condition", condition)
    }

    pub(super) fn method(method: &str, resource: &str) -> Self {
        Self::new("MethodNotAllowed", "The specified method is not allowed against this resource.")
            .with("Method", method)
            .with("ResourceType", resource)
    }

    pub(super) fn internal() -> Self {
        Self::new("InternalError", "We encountered an internal error. Please try again.")
    }

    fn status(&self) -> u16 {
        match self.code {
            "AccessDenied" | "InvalidAccessKeyId" | "RequestTimeTooSkewed" | "SignatureDoesNotMatch" => 403,
            "NoSuchBucket" | "NoSuchKey" | "NoSuchUpload" | "NoSuchVersion" | "NotFound" => 404,
            "MethodNotAllowed" => 405,
            "BucketAlreadyOwnedByYou" | "BucketNotEmpty" => 409,
            "MissingContentLength" => 411,
            "PreconditionFailed" => 412,
            "InvalidRange" => 416,
            "InternalError" => 500,
            "NotImplemented" => 501,
            "SlowDown" => 503,
            _ => 400,
        }
    }

    pub(super) fn answer(&self) -> Response {
        let body = self.body();
        let mut answer = http::raw(self.status(), "application/xml", body);
        for (name, value) in &self.headers {
            answer = http::with_header(answer, HeaderName::from_static(name), value);
        }
        answer
    }

    /// The error alone, as it stands in a body.
    pub(super) fn body(&self) -> String {
        Xml::bare("Error", |xml| {
            xml.text("Code", self.code);
            xml.text("Message", &self.message);
            for (name, value) in &self.details {
                xml.text(name, value);
            }
            xml.text("RequestId", &random_hex(8).to_uppercase());
            xml.text("HostId", &random_hex(24));
        })
    }

    /// Its parts, as a list of outcomes tells them.
    pub(super) fn parts(&self) -> (&'static str, &str) {
        (self.code, &self.message)
    }
}

/// The provider's answer for a fault's status.
pub(super) fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let failure = match status {
        403 => Failure::new("AccessDenied", "Access Denied"),
        404 => Failure::new("NoSuchKey", "The specified key does not exist."),
        412 => Failure::precondition("If-None-Match"),
        429 | 503 => Failure::new("SlowDown", "Please reduce your request rate."),
        500 => Failure::internal(),
        _ => Failure::new("InvalidRequest", format!("Something went wrong ({status}).")),
    };
    let answer = http::raw(status, "application/xml", failure.body());
    match retry_after {
        Some(seconds) => http::with_header(answer, HeaderName::from_static("retry-after"), &seconds.to_string()),
        None => answer,
    }
}
