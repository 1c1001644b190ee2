//! Calls about objects.

use std::collections::BTreeMap;

use axum::{body::Body, http::HeaderMap, response::Response};

use super::{
    api::{Call, decoded, document, with_headers},
    conditions::{self, Read},
    failure::Failure,
    store::{Bucket, Object, Version, Versioning, http_date, iso},
    tagging,
    xml::{Node, Xml},
};
use crate::{content, http};

/// The headers besides the user's own that are kept with an object.
const KEPT: [&str; 6] =
    ["content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires"];
/// The headers of the answer to a read that its query can set.
const OVERRIDES: [&str; 6] = KEPT;
/// What the user's own headers may have in bytes.
const USER_BYTES: usize = 2048;
/// Objects that are deleted by one call, at most.
const MANY: usize = 1000;
/// The largest object that one call copies.
pub(super) const LARGEST_COPY: u64 = 5 * 1024 * 1024 * 1024;

/// The content of an object, or what HEAD tells of it.
pub(super) async fn get(call: &Call<'_>) -> Result<Response, Failure> {
    if call.query.has("partNumber") {
        return Err(Failure::not_implemented("partNumber"));
    }
    let (version, object, versioned) = {
        let mut state = call.state();
        let bucket = state.bucket(&call.bucket)?;
        let (version, object) = bucket.version(&call.key, call.query.get("versionId"))?;
        (version.clone(), object.clone(), bucket.versioning != Versioning::Never)
    };
    let mut headers = described(&version, &object, versioned);
    if let Read::NotModified = conditions::read(call.headers, "", &version, &object)? {
        headers.retain(|(name, _)| *name != "content-type");
        return Ok(with_headers(http::empty(304), headers));
    }
    headers.extend(object.headers.iter().map(|(name, value)| (name.as_str(), value.clone())));
    for name in OVERRIDES {
        if let Some(value) = call.query.get(&format!("response-{name}")) {
            headers.push((name, value.to_owned()));
        }
    }
    let size = object.content.size;
    let range = http::header_text(call.headers, "range");
    let (status, start, end) = match content::range(range, size) {
        None => (200, 0, size),
        Some(Ok((start, end))) => {
            headers.push(("content-range", format!("bytes {start}-{}/{size}", end - 1)));
            (206, start, end)
        }
        Some(Err(content::Unsatisfiable)) => {
            return Err(Failure::new("InvalidRange", "The requested range is not satisfiable")
                .with("RangeRequested", range.unwrap_or_default())
                .with("ActualObjectSize", size.to_string())
                .header("content-range", format!("bytes */{size}")));
        }
    };
    headers.push(("content-length", (end - start).to_string()));
    let body = if call.method == "HEAD" {
        Body::empty()
    } else {
        object.content.body(start, end).await.map_err(|_| Failure::internal())?
    };
    Ok(with_headers(http::raw(status, "binary/octet-stream", body), headers))
}

/// What every read tells of an object.
fn described(version: &Version, object: &Object, versioned: bool) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("etag", format!("\"{}\"", object.etag)),
        ("last-modified", http_date(version.modified)),
        ("accept-ranges", "bytes".to_owned()),
    ];
    if versioned {
        headers.push(("x-amz-version-id", version.id.clone()));
    }
    if !object.tags.is_empty() {
        headers.push(("x-amz-tagging-count", object.tags.len().to_string()));
    }
    headers
}

/// The headers that are kept with an object.
pub(super) fn kept(headers: &HeaderMap) -> Result<BTreeMap<String, String>, Failure> {
    let mut kept = BTreeMap::new();
    let mut size = 0;
    for (name, value) in headers {
        let user = name.as_str().strip_prefix("x-amz-meta-");
        if user.is_none() && !KEPT.contains(&name.as_str()) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        size += user.map_or(0, |user| user.len() + value.len());
        kept.insert(name.as_str().to_owned(), value);
    }
    if size > USER_BYTES {
        return Err(Failure::new("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
            .with("Size", size.to_string())
            .with("MaxSizeAllowed", USER_BYTES.to_string()));
    }
    Ok(kept)
}

/// An object in one piece.
pub(super) async fn put(call: &Call<'_>, body: Body) -> Result<Response, Failure> {
    call.state().bucket(&call.bucket)?;
    let (headers, tags) = (kept(call.headers)?, tagging::announced(call.headers)?);
    let content = call.announced()?.content(&call.service.core, body).await?;
    let etag = content.hash.clone();
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let id = write(call, bucket, Object { content, etag: etag.clone(), headers, tags })?;
    let told = id.map(|id| ("x-amz-version-id", id));
    Ok(with_headers(http::empty(200), told.into_iter().chain([("etag", format!("\"{etag}\""))])))
}

/// Puts an object in its place where the conditions of the call hold; gives the version's identifier.
pub(super) fn write(call: &Call<'_>, bucket: &mut Bucket, object: Object) -> Result<Option<String>, Failure> {
    conditions::write(call.headers, &call.key, bucket.current(&call.key).map(|(_, there)| there))?;
    Ok(bucket.put(&call.key, object, call.now()))
}

/// What a copy is made of.
pub(super) fn source(call: &Call<'_>) -> Result<(Version, Object, bool), Failure> {
    let header = http::header_text(call.headers, "x-amz-copy-source").unwrap_or_default();
    let (path, id) = match header.split_once("?versionId=") {
        Some((path, id)) => (path, Some(id)),
        None => (header, None),
    };
    let path = decoded(path)?;
    let invalid = || {
        Failure::argument(
            "x-amz-copy-source",
            header,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    };
    let (name, key) =
        path.trim_start_matches('/').split_once('/').filter(|(_, key)| !key.is_empty()).ok_or_else(invalid)?;
    let mut state = call.state();
    let bucket = state.bucket(name)?;
    let (version, object) = bucket.version(key, id)?;
    if let Read::NotModified = conditions::read(call.headers, "x-amz-copy-source-", version, object)? {
        return Err(Failure::precondition("x-amz-copy-source-If-None-Match"));
    }
    let itself = name == call.bucket && key == call.key && id.is_none();
    Ok((version.clone(), object.clone(), itself))
}

/// A copy of another object.
pub(super) fn copy(call: &Call<'_>) -> Result<Response, Failure> {
    call.announced()?;
    let (source_version, mut object, itself) = source(call)?;
    if object.content.size > LARGEST_COPY {
        let message =
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
        return Err(Failure::new("InvalidRequest", message));
    }
    let replaces = |name: &str, message: &str| match http::header_text(call.headers, name) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(Failure::argument(name, other, message)),
    };
    let replace = replaces("x-amz-metadata-directive", "Unknown metadata directive.")?;
    if replaces("x-amz-tagging-directive", "Unknown tagging directive.")? {
        object.tags = tagging::announced(call.headers)?;
    }
    if itself && !replace {
        return Err(Failure::new(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    if replace {
        object.headers = kept(call.headers)?;
    }
    // A copy in one piece has the sum of its content.
    object.etag.clone_from(&object.content.hash);
    let etag = object.etag.clone();
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let id = write(call, bucket, object)?;
    let body = Xml::document("CopyObjectResult", |xml| {
        xml.text("LastModified", &iso(call.now()));
        xml.text("ETag", &format!("\"{etag}\""));
    });
    let source_id = (source_version.id != "null").then_some(("x-amz-copy-source-version-id", source_version.id));
    let id = id.map(|id| ("x-amz-version-id", id));
    Ok(with_headers(document(body), source_id.into_iter().chain(id)))
}

/// Deletes an object, or one version of it; that there is none is no failure.
pub(super) fn delete(call: &Call<'_>) -> Result<Response, Failure> {
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let (id, marker) = removed(bucket, &call.key, call.query.get("versionId"), call);
    let id = id.map(|id| ("x-amz-version-id", id));
    let marker = marker.then(|| ("x-amz-delete-marker", "true".to_owned()));
    Ok(with_headers(http::empty(204), id.into_iter().chain(marker)))
}

/// Deletes; gives the identifier of the version that is meant, and whether that is a delete marker.
fn removed(bucket: &mut Bucket, key: &str, id: Option<&str>, call: &Call<'_>) -> (Option<String>, bool) {
    if let Some(id) = id {
        let marker = bucket.delete_version(key, id);
        return (Some(id.to_owned()), marker);
    }
    let id = bucket.delete(key, call.now());
    let marker = id.is_some();
    (id, marker)
}

/// Deletes what a document names.
pub(super) async fn delete_many(call: &Call<'_>, body: Body) -> Result<Response, Failure> {
    let wanted = Node::read(&call.announced()?.digested_document(body).await?, "Delete")?;
    let quiet = wanted.member("Quiet") == Some("true");
    let objects: Vec<&Node> = wanted.all("Object").collect();
    if objects.is_empty() || objects.len() > MANY || objects.iter().any(|object| object.member("Key").is_none()) {
        return Err(Failure::malformed_xml());
    }
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    Ok(document(Xml::document("DeleteResult", |xml| {
        for object in objects {
            let (key, id) = (object.member("Key").unwrap_or_default(), object.member("VersionId"));
            if key.is_empty() {
                let failure =
                    Failure::new("UserKeyMustBeSpecified", "The bucket POST must contain the specified field name.");
                let (code, message) = failure.parts();
                xml.element("Error", |xml| {
                    xml.text("Key", key);
                    xml.text("Code", code);
                    xml.text("Message", message);
                });
                continue;
            }
            let (removed_id, marker) = removed(bucket, key, id, call);
            if quiet {
                continue;
            }
            xml.element("Deleted", |xml| {
                xml.text("Key", key);
                if let Some(id) = id {
                    xml.text("VersionId", id);
                }
                if marker {
                    xml.text("DeleteMarker", "true");
                    xml.text("DeleteMarkerVersionId", &removed_id.unwrap_or_default());
                }
            });
        }
    })))
}
