//! Taking a body in, while it is checked against what was said of it.

use axum::{body::Body, http::HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::StreamExt;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{failure::Failure, signature::Payload};
use crate::{
    content::{Content, Hash, Intake},
    core::Core,
    http,
};

/// The largest body of one call.
const LARGEST: u64 = 5 * 1024 * 1024 * 1024;
/// The largest document of XML.
const LARGEST_DOCUMENT: usize = 2 * 1024 * 1024;

/// What was said of a body.
pub(super) struct Announced {
    length: Option<u64>,
    md5: Option<String>,
    payload: Payload,
    checksums: Vec<(&'static str, Vec<u8>, Sum)>,
}

/// A checksum in progress.
enum Sum {
    Crc32(crc32fast::Hasher),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Announced {
    /// Reads what the headers say.
    pub(super) fn read(headers: &HeaderMap, payload: Payload) -> Result<Self, Failure> {
        for refused in ["x-amz-trailer", "x-amz-server-side-encryption", "x-amz-acl"] {
            // Private is what every object is here.
            if headers.get(refused).is_some_and(|value| value != "private") {
                return Err(Failure::not_implemented(refused));
            }
        }
        let invalid = || Failure::new("InvalidDigest", "The Content-MD5 you specified was invalid.");
        let md5 = match http::header_text(headers, "content-md5") {
            None => None,
            Some(text) => {
                let sum = STANDARD.decode(text).map_err(|_| invalid())?;
                if sum.len() != 16 {
                    return Err(invalid());
                }
                Some(hex::encode(sum))
            }
        };
        let mut checksums = Vec::new();
        for (name, value) in headers {
            let Some(kind) = name.as_str().strip_prefix("x-amz-checksum-") else { continue };
            let (name, sum) = match kind {
                "crc32" => ("crc32", Sum::Crc32(crc32fast::Hasher::new())),
                "sha1" => ("sha1", Sum::Sha1(Sha1::new())),
                "sha256" => ("sha256", Sum::Sha256(Sha256::new())),
                // These tell how the checksum of a whole is made of those of its parts, or ask for it in answers.
                "type" | "algorithm" | "mode" => continue,
                _ => return Err(Failure::not_implemented(name.as_str())),
            };
            let wanted = STANDARD.decode(value.as_bytes()).map_err(|_| {
                Failure::new("InvalidRequest", format!("Value for x-amz-checksum-{name} header is invalid."))
            })?;
            checksums.push((name, wanted, sum));
        }
        let length = http::header_text(headers, "content-length").and_then(|text| text.parse().ok());
        Ok(Self { length, md5, payload, checksums })
    }

    /// Whether anything was said of the content itself.
    pub(super) fn digested(&self) -> bool {
        self.md5.is_some() || !self.checksums.is_empty()
    }

    /// Takes an object's content, or a part's.
    pub(super) async fn content(mut self, core: &Core, body: Body) -> Result<Content, Failure> {
        let Some(length) = self.length else {
            return Err(Failure::new("MissingContentLength", "You must provide the Content-Length HTTP header."));
        };
        if length > LARGEST {
            return Err(Failure::new("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
                .with("ProposedSize", length.to_string())
                .with("MaxSizeAllowed", LARGEST.to_string()));
        }
        let mut hash = Sha256::new();
        let mut intake = Intake::new(Hash::Md5);
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| incomplete())?;
            if matches!(self.payload, Payload::Sha256(_)) {
                hash.update(&piece);
            }
            self.update(&piece);
            intake.push(&core.spool, &piece).await.map_err(|_| Failure::internal())?;
        }
        if intake.size != length {
            return Err(incomplete());
        }
        let content = intake.finish().await.map_err(|_| Failure::internal())?;
        self.compare(&hex::encode(hash.finalize()), &content.hash)?;
        Ok(content)
    }

    /// Takes a document of which something has to be said.
    pub(super) async fn digested_document(self, body: Body) -> Result<Bytes, Failure> {
        if !self.digested() {
            let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            return Err(Failure::new("InvalidRequest", message));
        }
        self.document(body).await
    }

    /// Takes a document.
    pub(super) async fn document(mut self, body: Body) -> Result<Bytes, Failure> {
        let bytes = axum::body::to_bytes(body, LARGEST_DOCUMENT).await.map_err(|_| incomplete())?;
        self.update(&bytes);
        let md5 = Content::of(Hash::Md5, bytes.clone()).hash;
        self.compare(&hex::encode(Sha256::digest(&bytes)), &md5)?;
        Ok(bytes)
    }

    fn update(&mut self, piece: &[u8]) {
        for (_, _, sum) in &mut self.checksums {
            match sum {
                Sum::Crc32(sum) => sum.update(piece),
                Sum::Sha1(sum) => sum.update(piece),
                Sum::Sha256(sum) => sum.update(piece),
            }
        }
    }

    fn compare(self, sha256: &str, md5: &str) -> Result<(), Failure> {
        if let Payload::Sha256(wanted) = &self.payload
            && wanted != sha256
        {
            return Err(Failure::new(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
            .with("ClientComputedContentSHA256", wanted)
            .with("S3ComputedContentSHA256", sha256));
        }
        if let Some(wanted) = &self.md5
            && wanted != md5
        {
            return Err(Failure::new("BadDigest", "The Content-MD5 you specified did not match what we received.")
                .with("ExpectedDigest", wanted)
                .with("CalculatedDigest", md5));
        }
        for (name, wanted, sum) in self.checksums {
            let sum = match sum {
                Sum::Crc32(sum) => sum.finalize().to_be_bytes().to_vec(),
                Sum::Sha1(sum) => sum.finalize().to_vec(),
                Sum::Sha256(sum) => sum.finalize().to_vec(),
            };
            if sum != wanted {
                let message =
                    format!("The {} you specified did not match the calculated checksum.", name.to_uppercase());
                return Err(Failure::new("BadDigest", message));
            }
        }
        Ok(())
    }
}

fn incomplete() -> Failure {
    Failure::new(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
}
