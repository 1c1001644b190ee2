//! Uploads in one request: the bytes alone, or `multipart/related` with what is known of the file before them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method},
    response::Response,
};
use futures_util::StreamExt;

use super::{
    Api,
    body::Members,
    failure::{Failure, Outcome, answer},
    files,
    related::{MALFORMED, Parts},
    sessions,
};
use crate::{
    content::{Content, Hash, Intake},
    http::{header_text, media_type},
};

/// The most bytes of one file.
pub(super) const FILE_LIMIT: u64 = 5 << 40;
/// The most bytes of what is known of a file.
const METADATA_LIMIT: usize = 1 << 20;

/// `POST /upload/drive/v3/files`
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(upload(&api, &method, None, query.as_deref(), &headers, body).await)
}

/// `PATCH /upload/drive/v3/files/{id}`
pub(super) async fn replace(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(upload(&api, &method, Some(id), query.as_deref(), &headers, body).await)
}

async fn upload(
    api: &Api,
    method: &Method,
    id: Option<String>,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Outcome {
    let call = api.admit(method, headers, query)?;
    if let Some(id) = &id {
        let all = call.all_drives()?;
        api.drive(call.account, |drive| drive.find(id, all).map(|_| ()))?;
    }
    let (members, media) = match call.query.get("uploadType").map(String::as_str) {
        Some("media") => {
            let content = receive(api, body).await?;
            (Members::default(), (content, media_type(headers)))
        }
        Some("multipart") => related(api, headers, body).await?,
        Some("resumable") => return sessions::begin(api, call, id, headers, body).await,
        _ => return Err(Failure::invalid("uploadType")),
    };
    match id {
        Some(id) => files::change(api, &call, &id, &members, Some(media)),
        None => files::make(api, &call, &members, Some(media)),
    }
}

async fn receive(api: &Api, body: Body) -> Outcome<Content> {
    let mut intake = Intake::new(Hash::Sha1);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        take(api, &mut intake, &piece.map_err(|error| Failure::Io(std::io::Error::other(error)))?).await?;
    }
    Ok(intake.finish().await?)
}

/// Takes a piece of a file, which may not grow too large.
pub(super) async fn take(api: &Api, intake: &mut Intake, piece: &[u8]) -> Outcome<()> {
    if intake.size + piece.len() as u64 > FILE_LIMIT {
        return Err(Failure::Other(413, "uploadTooLarge", "The upload is too large."));
    }
    Ok(intake.push(&api.core.spool, piece).await?)
}

/// Reads a body of two parts: JSON, then the file, whose bytes are not held in memory.
async fn related(api: &Api, headers: &HeaderMap, body: Body) -> Outcome<(Members, (Content, Option<String>))> {
    if media_type(headers).as_deref() != Some("multipart/related") {
        return Err(Failure::Other(400, "badContent", "Bad content type. Please use multipart/related."));
    }
    let boundary = header_text(headers, "content-type").and_then(boundary).ok_or(MALFORMED)?;
    let mut parts = Parts::new(body, &boundary);
    let first = parts.next().await?.ok_or(MALFORMED)?;
    if first.content_type.is_some_and(|kind| kind != "application/json") {
        return Err(Failure::Other(400, "badContent", "The first part should be JSON."));
    }
    let mut metadata = Vec::new();
    while let Some(piece) = parts.piece().await? {
        if metadata.len() + piece.len() > METADATA_LIMIT {
            return Err(MALFORMED);
        }
        metadata.extend_from_slice(&piece);
    }
    let members = Members::file(&metadata)?;
    let second = parts.next().await?.ok_or(MALFORMED)?;
    let mut intake = Intake::new(Hash::Sha1);
    while let Some(piece) = parts.piece().await? {
        take(api, &mut intake, &piece).await?;
    }
    if parts.next().await?.is_some() {
        return Err(MALFORMED);
    }
    Ok((members, (intake.finish().await?, second.content_type)))
}

/// The boundary that a content type announces.
fn boundary(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1);
    let value = parameters
        .filter_map(|one| one.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?
        .1;
    Some(value.trim_matches('"').to_owned()).filter(|value| !value.is_empty())
}
