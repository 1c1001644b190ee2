//! Uploads in parts.

use std::collections::BTreeMap;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::StreamExt;
use md5::{Digest, Md5};

use super::{
    OWNER,
    api::{Call, document, with_headers},
    failure::Failure,
    objects,
    store::{Object, Part, Upload, iso},
    tagging,
    xml::{Node, Xml},
};
use crate::{
    content::{self, Content, Hash, Intake},
    core::random_hex,
    http,
};

/// The smallest part but the last.
const SMALLEST: u64 = 5 * 1024 * 1024;
/// The highest number of a part.
const MOST: u32 = 10_000;
/// Entries of a page, at most.
const PAGE: usize = 1000;

fn no_upload(id: &str) -> Failure {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    Failure::new("NoSuchUpload", message).with("UploadId", id)
}

impl Call<'_> {
    fn upload_id(&self) -> &str {
        self.query.get("uploadId").unwrap_or_default()
    }
}

/// The upload a call means.
fn upload<'a>(uploads: &'a mut BTreeMap<String, Upload>, call: &Call<'_>) -> Result<&'a mut Upload, Failure> {
    let id = call.upload_id();
    uploads.get_mut(id).filter(|upload| upload.key == call.key).ok_or_else(|| no_upload(id))
}

pub(super) fn start(call: &Call<'_>) -> Result<Response, Failure> {
    call.announced()?;
    let (headers, tags) = (objects::kept(call.headers)?, tagging::announced(call.headers)?);
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let id = random_hex(32);
    let upload = Upload { key: call.key.clone(), started: call.now(), headers, tags, parts: BTreeMap::new() };
    bucket.uploads.insert(id.clone(), upload);
    Ok(document(Xml::document("InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("UploadId", &id);
    })))
}

/// One part, of the body or of another object.
pub(super) async fn part(call: &Call<'_>, body: Body) -> Result<Response, Failure> {
    let given = call.query.get("partNumber").unwrap_or_default();
    let number = given.parse::<u32>().ok().filter(|number| (1..=MOST).contains(number)).ok_or_else(|| {
        Failure::argument(
            "partNumber",
            given,
            format!("Part number must be an integer between 1 and {MOST}, inclusive"),
        )
    })?;
    upload(&mut call.state().bucket(&call.bucket)?.uploads, call)?;
    let copied = call.headers.contains_key("x-amz-copy-source");
    let content =
        if copied { copied_part(call).await? } else { call.announced()?.content(&call.service.core, body).await? };
    let (etag, now) = (content.hash.clone(), call.now());
    let mut state = call.state();
    // It may have been given up meanwhile.
    let upload = upload(&mut state.bucket(&call.bucket)?.uploads, call)?;
    upload.parts.insert(number, Part { content, modified: now });
    if copied {
        return Ok(document(Xml::document("CopyPartResult", |xml| {
            xml.text("LastModified", &iso(now));
            xml.text("ETag", &format!("\"{etag}\""));
        })));
    }
    Ok(with_headers(http::empty(200), [("etag", format!("\"{etag}\""))]))
}

async fn copied_part(call: &Call<'_>) -> Result<Content, Failure> {
    let (_, object, _) = objects::source(call)?;
    let size = object.content.size;
    let range = http::header_text(call.headers, "x-amz-copy-source-range");
    let (start, end) = match (content::range(range, size), range) {
        (Some(Ok(range)), _) => range,
        (None, None) => (0, size),
        _ => {
            return Err(Failure::argument(
                "x-amz-copy-source-range",
                range.unwrap_or_default(),
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
            ));
        }
    };
    if end - start > objects::LARGEST_COPY {
        return Err(Failure::new(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    let mut intake = Intake::new(Hash::Md5);
    append(call, &mut intake, &object.content, start, end).await?;
    intake.finish().await.map_err(|_| Failure::internal())
}

async fn append(call: &Call<'_>, intake: &mut Intake, content: &Content, start: u64, end: u64) -> Result<(), Failure> {
    let body = content.body(start, end).await.map_err(|_| Failure::internal())?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Failure::internal())?;
        intake.push(&call.service.core.spool, &piece).await.map_err(|_| Failure::internal())?;
    }
    Ok(())
}

/// Makes an object of the parts.
pub(super) async fn complete(call: &Call<'_>, body: Bytes) -> Result<Response, Failure> {
    let wanted = Node::read(&body, "CompleteMultipartUpload")?;
    let (parts, headers, tags) = {
        let mut state = call.state();
        let upload = upload(&mut state.bucket(&call.bucket)?.uploads, call)?;
        (chosen(&wanted, upload)?, upload.headers.clone(), upload.tags.clone())
    };
    let mut sums = Md5::new();
    let mut intake = Intake::new(Hash::Md5);
    for part in &parts {
        sums.update(hex::decode(&part.content.hash).unwrap_or_default());
        append(call, &mut intake, &part.content, 0, part.content.size).await?;
    }
    let content = intake.finish().await.map_err(|_| Failure::internal())?;
    let etag = format!("{}-{}", hex::encode(sums.finalize()), parts.len());
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    // Of two that complete it the first does.
    upload(&mut bucket.uploads, call)?;
    let id = objects::write(call, bucket, Object { content, etag: etag.clone(), headers, tags })?;
    bucket.uploads.remove(call.upload_id());
    let body = Xml::document("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", &call.location_of_key());
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("ETag", &format!("\"{etag}\""));
    });
    Ok(with_headers(document(body), id.map(|id| ("x-amz-version-id", id))))
}

/// The parts that a document names, in its order.
fn chosen<'a>(wanted: &'a Node, upload: &Upload) -> Result<Vec<Part>, Failure> {
    let named: Vec<&Node> = wanted.all("Part").collect();
    if named.is_empty() {
        return Err(Failure::malformed_xml());
    }
    let read = |node: &&'a Node| {
        let number = node.member("PartNumber").and_then(|text| text.parse::<u32>().ok());
        number.zip(node.member("ETag")).ok_or_else(Failure::malformed_xml)
    };
    let named: Vec<(u32, &str)> = named.iter().map(read).collect::<Result<_, _>>()?;
    if !named.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(Failure::new(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ));
    }
    let mut parts: Vec<Part> = Vec::new();
    for (at, (number, etag)) in named.iter().enumerate() {
        let etag = etag.trim_matches('"');
        let part = upload.parts.get(number).filter(|part| part.content.hash == etag).ok_or_else(|| {
            Failure::new("InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
                .with("PartNumber", number.to_string())
                .with("ETag", etag)
        })?;
        if part.content.size < SMALLEST && at + 1 < named.len() {
            return Err(Failure::new(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
            )
            .with("ProposedSize", part.content.size.to_string())
            .with("MinSizeAllowed", SMALLEST.to_string())
            .with("PartNumber", number.to_string()));
        }
        parts.push(part.clone());
    }
    Ok(parts)
}

pub(super) fn abort(call: &Call<'_>) -> Result<Response, Failure> {
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    upload(&mut bucket.uploads, call)?;
    bucket.uploads.remove(call.upload_id());
    Ok(http::empty(204))
}

pub(super) fn list_parts(call: &Call<'_>) -> Result<Response, Failure> {
    let max = call.query.number("max-parts", PAGE, PAGE)?;
    let after = call.query.number("part-number-marker", 0, usize::MAX)?;
    let mut state = call.state();
    let upload = upload(&mut state.bucket(&call.bucket)?.uploads, call)?;
    let left: Vec<(&u32, &Part)> = upload
        .parts
        .iter()
        .filter(|(number, _)| usize::try_from(**number).is_ok_and(|number| number > after))
        .collect();
    Ok(document(Xml::document("ListPartsResult", |xml| {
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("UploadId", call.upload_id());
        xml.element("Owner", |xml| xml.text("ID", OWNER));
        xml.text("StorageClass", "STANDARD");
        xml.text("PartNumberMarker", &after.to_string());
        xml.text("MaxParts", &max.to_string());
        let truncated = left.len() > max;
        xml.text("IsTruncated", if truncated { "true" } else { "false" });
        if let Some((number, _)) = left.iter().take(max).next_back().filter(|_| truncated) {
            xml.text("NextPartNumberMarker", &number.to_string());
        }
        for (number, part) in left.iter().take(max) {
            xml.element("Part", |xml| {
                xml.text("PartNumber", &number.to_string());
                xml.text("LastModified", &iso(part.modified));
                xml.text("ETag", &format!("\"{}\"", part.content.hash));
                xml.text("Size", &part.content.size.to_string());
            });
        }
    })))
}

/// The uploads under way whose keys begin so; pages are not imitated, for there are never as many.
pub(super) fn list_uploads(call: &Call<'_>) -> Result<Response, Failure> {
    for paging in ["key-marker", "upload-id-marker", "delimiter"] {
        if call.query.get(paging).is_some_and(|value| !value.is_empty()) {
            return Err(Failure::not_implemented(paging));
        }
    }
    let prefix = call.query.get("prefix").unwrap_or_default();
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let mut uploads: Vec<(&String, &Upload)> =
        bucket.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix)).collect();
    uploads.sort_by(|(_, one), (_, other)| (&one.key, one.started).cmp(&(&other.key, other.started)));
    Ok(document(Xml::document("ListMultipartUploadsResult", |xml| {
        xml.text("Bucket", &call.bucket);
        xml.text("Prefix", prefix);
        xml.text("MaxUploads", &PAGE.to_string());
        xml.text("IsTruncated", "false");
        for (id, upload) in &uploads {
            xml.element("Upload", |xml| {
                xml.text("Key", &upload.key);
                xml.text("UploadId", id);
                xml.text("StorageClass", "STANDARD");
                xml.text("Initiated", &iso(upload.started));
                xml.element("Owner", |xml| xml.text("ID", OWNER));
            });
        }
    })))
}
