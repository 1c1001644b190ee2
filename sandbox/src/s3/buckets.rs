//! Calls about buckets.

use axum::response::Response;
use bytes::Bytes;

use super::{
    OWNER, REGION,
    api::{Call, document},
    failure::Failure,
    store::{Bucket, Versioning, iso},
    xml::{Node, Xml},
};
use crate::http;

impl Call<'_> {
    pub(super) fn list_buckets(&self) -> Response {
        let state = self.state();
        document(Xml::document("ListAllMyBucketsResult", |xml| {
            xml.element("Owner", |xml| xml.text("ID", OWNER));
            xml.element("Buckets", |xml| {
                for (name, bucket) in &state.buckets {
                    xml.element("Bucket", |xml| {
                        xml.text("Name", name);
                        xml.text("CreationDate", &iso(bucket.created));
                    });
                }
            });
        }))
    }

    pub(super) fn head_bucket(&self) -> Result<Response, Failure> {
        self.state().bucket(&self.bucket)?;
        let region = axum::http::HeaderName::from_static("x-amz-bucket-region");
        Ok(http::with_header(http::empty(200), region, REGION))
    }

    pub(super) fn location(&self) -> Result<Response, Failure> {
        self.state().bucket(&self.bucket)?;
        // The first region is told by saying nothing.
        Ok(document(Xml::document("LocationConstraint", |_| {})))
    }

    pub(super) fn versioning(&self) -> Result<Response, Failure> {
        let versioning = self.state().bucket(&self.bucket)?.versioning;
        Ok(document(Xml::document("VersioningConfiguration", |xml| match versioning {
            Versioning::Never => {}
            Versioning::Enabled => xml.text("Status", "Enabled"),
            Versioning::Suspended => xml.text("Status", "Suspended"),
        })))
    }

    pub(super) fn set_versioning(&self, body: Bytes) -> Result<Response, Failure> {
        let wanted = Node::read(&body, "VersioningConfiguration")?;
        let mut state = self.state();
        state.bucket(&self.bucket)?.versioning = match wanted.member("Status") {
            Some("Enabled") => Versioning::Enabled,
            Some("Suspended") => Versioning::Suspended,
            _ => return Err(Failure::malformed_xml()),
        };
        Ok(http::empty(200))
    }

    pub(super) fn create_bucket(&self, body: Bytes) -> Result<Response, Failure> {
        let name = &self.bucket;
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inner = |c: char| edge(c) || c == '-' || c == '.';
        if !(3..=63).contains(&name.len())
            || !name.chars().all(inner)
            || !name.starts_with(edge)
            || !name.ends_with(edge)
        {
            return Err(
                Failure::new("InvalidBucketName", "The specified bucket is not valid.").with("BucketName", name)
            );
        }
        if !body.is_empty() {
            let wanted = Node::read(&body, "CreateBucketConfiguration")?;
            if wanted.member("LocationConstraint").is_some() {
                return Err(Failure::new(
                    "InvalidLocationConstraint",
                    "The specified location-constraint is not valid",
                ));
            }
        }
        let mut state = self.state();
        // In the first region who owns the bucket may create it again.
        state.buckets.entry(name.clone()).or_insert_with(|| Bucket::new(self.now()));
        let location = axum::http::HeaderName::from_static("location");
        Ok(http::with_header(http::empty(200), location, &format!("/{name}")))
    }

    pub(super) fn delete_bucket(&self) -> Result<Response, Failure> {
        let mut state = self.state();
        let bucket = state.bucket(&self.bucket)?;
        if !bucket.keys.is_empty() {
            let message = "The bucket you tried to delete is not empty";
            return Err(Failure::new("BucketNotEmpty", message).with("BucketName", &self.bucket));
        }
        state.buckets.remove(&self.bucket);
        Ok(http::empty(204))
    }
}
