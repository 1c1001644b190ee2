//! Uploads: multipart, the attributes before the bytes; and the check beforehand.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::{Value, json};

use super::{
    Api, Call,
    body::Members,
    failure::{FORBIDDEN, Failure, Outcome, answer},
    store::{Drive, New},
};
use crate::{
    content::{Content, Hash, Intake},
    http::{header_text, json as json_response},
};

/// The most bytes of one file for the kind of account that is imitated.
pub(super) const FILE_LIMIT: u64 = 5 * 1024 * 1024 * 1024;

/// The attributes do not come before the bytes.
const LATE_METADATA: Failure =
    Failure::Other(400, "metadata_after_file_contents", "Metadata should be placed before the file contents");

/// What a multipart body brought.
struct Received {
    attributes: Option<Members>,
    content: Content,
}

/// `POST /files/content`
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = async {
        let call = api.admit(&headers, query.as_deref())?;
        let received = receive(&api, &headers, body, true).await?;
        let members = received.attributes.ok_or_else(|| Failure::missing("attributes"))?;
        let (name, parent) = (members.needed_text("name")?, members.needed_parent()?);
        let (created, modified) = (members.time("content_created_at")?, members.time("content_modified_at")?);
        let now = api.core.now();
        api.drive(call.account, |drive| {
            let parent = drive.folder_id(parent)?;
            let new = New {
                content_created: created,
                content_modified: modified,
                ..New::file(name, parent, received.content)
            };
            let id = drive.add(new, now)?;
            uploaded(&api, &call, drive, id, 201)
        })
    };
    answer(outcome.await)
}

/// `POST /files/{id}/content`
pub(super) async fn replace(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = async {
        let call = api.admit(&headers, query.as_deref())?;
        api.drive(call.account, |drive| call.check_match(drive.file(&id)?))?;
        let received = receive(&api, &headers, body, false).await?;
        let (name, modified) = match &received.attributes {
            Some(members) => (members.text("name")?.map(str::to_owned), members.time("content_modified_at")?),
            None => (None, None),
        };
        let now = api.core.now();
        api.drive(call.account, |drive| {
            let item = drive.file(&id)?;
            call.check_match(item)?;
            let number = item.id;
            drive.replace(number, received.content, name, modified, now)?;
            uploaded(&api, &call, drive, number, 200)
        })
    };
    answer(outcome.await)
}

pub(super) fn uploaded(api: &Api, call: &Call<'_>, drive: &Drive, id: u64, status: u16) -> Outcome {
    let item = drive.item(id).ok_or(FORBIDDEN)?;
    Ok(json_response(status, &json!({ "total_count": 1, "entries": [api.show(call, drive, item)] })))
}

/// Reads a multipart body: `attributes` first, then the file, whose bytes are not held in memory.
async fn receive(api: &Api, headers: &HeaderMap, body: Body, attributes_first: bool) -> Outcome<Received> {
    let boundary = header_text(headers, "content-type").and_then(|text| multer::parse_boundary(text).ok());
    let boundary = boundary.ok_or_else(|| Failure::invalid("content-type", "multipart/form-data is expected"))?;
    let limits = Constraints::new().size_limit(SizeLimit::new().for_field("attributes", 64 * 1024));
    let mut parts = Multipart::with_constraints(body.into_data_stream(), boundary, limits);
    let broken = |error: multer::Error| Failure::invalid("entity-body", format!("Invalid multipart body: {error}"));
    let mut attributes = None;
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        if part.name() == Some("attributes") {
            let bytes = part.bytes().await.map_err(broken)?;
            attributes = Some(Members::read(&bytes)?);
            continue;
        }
        if part.file_name().is_none() && part.name() != Some("file") {
            // Box ignores parts it does not know.
            while part.chunk().await.map_err(broken)?.is_some() {}
            continue;
        }
        if attributes_first && attributes.is_none() {
            return Err(LATE_METADATA);
        }
        let mut intake = Intake::new(Hash::Sha1);
        while let Some(piece) = part.chunk().await.map_err(broken)? {
            if intake.size + piece.len() as u64 > FILE_LIMIT {
                return Err(Failure::Other(
                    413,
                    "file_size_limit_exceeded",
                    "File size exceeds the folder owner's file size limit",
                ));
            }
            intake.push(&api.core.spool, &piece).await?;
        }
        drop(part);
        let content = intake.finish().await?;
        if let Some(late) = parts.next_field().await.map_err(broken)?
            && late.name() == Some("attributes")
        {
            return Err(LATE_METADATA);
        }
        match header_text(headers, "content-md5") {
            Some(sum) if !sum.eq_ignore_ascii_case(&content.hash) => {
                return Err(Failure::Other(
                    400,
                    "bad_digest",
                    "The specified content-md5 did not match what we received",
                ));
            }
            _ => return Ok(Received { attributes, content }),
        }
    }
    Err(Failure::missing("file"))
}

/// `OPTIONS /files/content`: whether an upload would be accepted.
pub(super) async fn preflight(State(api): State<Arc<Api>>, headers: HeaderMap, body: Bytes) -> Response {
    answer((|| {
        let call = api.admit(&headers, None)?;
        let members = Members::read(&body)?;
        let (name, parent) = (members.needed_text("name")?, members.needed_parent()?);
        api.drive(call.account, |drive| drive.check_name(drive.folder_id(parent)?, name, None, true))?;
        accepted(&api, &body, "files/content")
    })())
}

/// `OPTIONS /files/{id}/content`: whether a new version would be accepted.
pub(super) async fn preflight_version(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, None)?;
        let name = if body.is_empty() { None } else { Members::read(&body)?.text("name")?.map(str::to_owned) };
        api.drive(call.account, |drive| {
            let item = drive.file(&id)?;
            match name {
                Some(name) => drive.check_name(item.parent, &name, Some(item.id), true),
                None => Ok(()),
            }
        })?;
        accepted(&api, &body, &format!("files/{id}/content"))
    })())
}

fn accepted(api: &Api, body: &[u8], path: &str) -> Outcome {
    let size = serde_json::from_slice::<Value>(body).ok().and_then(|body| body.get("size").cloned());
    match size.as_ref().map(Value::as_u64) {
        Some(None) => Err(Failure::invalid("size", "'size' should be a number")),
        Some(Some(size)) if size > FILE_LIMIT => {
            Err(Failure::Other(413, "file_size_limit_exceeded", "File size exceeds the folder owner's file size limit"))
        }
        _ => {
            let url = format!("{}/api/2.0/{path}", api.core.origin);
            Ok(json_response(200, &json!({ "upload_url": url, "upload_token": null })))
        }
    }
}
