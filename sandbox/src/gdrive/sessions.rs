//! Resumable uploads: a session whose address is its key, and chunks that come in order.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, header},
    response::Response,
};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    Api, Call,
    body::Members,
    failure::{Failure, Outcome, answer},
    files, upload,
};
use crate::{
    content::{Hash, Intake},
    core::{hold, random_hex},
    http::{self, empty, form, header_text, with_header},
};

/// Every chunk but the last is a multiple of this.
const CHUNK: u64 = STEP as u64;
const STEP: usize = 256 * 1024;

/// An upload under way.
pub(super) struct Session {
    call: Call,
    id: Option<String>,
    members: Members,
    mime: Option<String>,
    /// The announced size.
    total: Option<u64>,
    state: Mutex<State_>,
}

enum State_ {
    Open(Box<Intake>),
    Done(Value),
}

/// Starts a session.
pub(super) async fn begin(api: &Api, call: Call, id: Option<String>, headers: &HeaderMap, body: Body) -> Outcome {
    let bytes = axum::body::to_bytes(body, 1 << 20).await.map_err(|_| super::failure::PARSE)?;
    let members = Members::file(&bytes)?;
    let total = match header_text(headers, "x-upload-content-length").map(str::parse::<u64>) {
        None => None,
        Some(Ok(size)) if size <= upload::FILE_LIMIT => Some(size),
        Some(_) => return Err(Failure::Other(400, "badRequest", "Bad Request")),
    };
    if let (None, Some(parent)) = (&id, members.parent()?) {
        let all = call.all_drives()?;
        api.drive(call.account, |drive| drive.folder(parent, all).map(|_| ()))?;
    }
    if let Some(total) = total {
        api.drive(call.account, |drive| drive.check_room(total))?;
    }
    let mime = header_text(headers, "x-upload-content-type").map(str::to_owned);
    let key = random_hex(24);
    let tail = id.as_ref().map_or_else(String::new, |id| format!("/{id}"));
    let location = format!("{}/upload/drive/v3/files{tail}?uploadType=resumable&upload_id={key}", api.core.origin);
    let state = Mutex::new(State_::Open(Box::new(Intake::new(Hash::Sha1))));
    hold(&api.sessions).insert(key, Arc::new(Session { call, id, members, mime, total, state }));
    Ok(with_header(empty(200), header::LOCATION, &location))
}

/// `PUT` to a session's address.
pub(super) async fn continued(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(go_on(&api, query.as_deref(), &headers, body).await)
}

/// [`continued`] for a session that gives a file a new content.
pub(super) async fn continued_with_id(
    State(api): State<Arc<Api>>,
    Path(_): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(go_on(&api, query.as_deref(), &headers, body).await)
}

/// `DELETE` of a session's address: whoever asks gets the status of a request that its client has closed.
pub(super) async fn cancelled(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    let query = form(query.unwrap_or_default().as_bytes());
    let known = query.get("upload_id").and_then(|key| hold(&api.sessions).remove(key));
    answer(known.map(|_| empty(499)).ok_or_else(|| Failure::NotFound(String::new())))
}

/// What a `Content-Range` says: the first byte and the one after the last, if any come; the size of all, if known.
struct Announced {
    span: Option<(u64, u64)>,
    total: Option<u64>,
}

fn announced(header: &str) -> Option<Announced> {
    let (span, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    if span == "*" {
        return Some(Announced { span: None, total });
    }
    let (first, last) = span.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && total.is_none_or(|total| last < total))
        .then_some(Announced { span: Some((first, last + 1)), total })
}

async fn go_on(api: &Api, query: Option<&str>, headers: &HeaderMap, body: Body) -> Outcome {
    let query = form(query.unwrap_or_default().as_bytes());
    let wrong = |message| Failure::Other(400, "badRequest", message);
    let session = query.get("upload_id").and_then(|key| hold(&api.sessions).get(key).cloned());
    let session = session.ok_or_else(|| Failure::NotFound(String::new()))?;
    let mut state = session.state.lock().await;
    let State_::Open(intake) = &mut *state else {
        let State_::Done(file) = &*state else { return Err(wrong("Bad Request")) };
        return Ok(http::json(200, file));
    };
    let range = match header_text(headers, "content-range") {
        None => None,
        Some(text) => Some(announced(text).ok_or_else(|| wrong("Failed to parse Content-Range header."))?),
    };
    let total = range.as_ref().and_then(|range| range.total).or(session.total);
    if let Some(Announced { span: None, .. }) = range
        && total != Some(intake.size)
    {
        return Ok(incomplete(intake.size));
    }
    let span = range.as_ref().and_then(|range| range.span);
    if let Some((first, end)) = span {
        if first != intake.size {
            return Err(wrong("Invalid request.  The range does not begin where the upload stands."));
        }
        let last = range.as_ref().and_then(|range| range.total) == Some(end);
        if !last && (end - first) % CHUNK != 0 {
            return Err(wrong(
                "Invalid request.  The number of bytes uploaded is required to be equal or greater than 262144, except for the final request (it's recommended to be the exact multiple of 262144).",
            ));
        }
    }
    let before = intake.size;
    let mut pieces = body.into_data_stream();
    // What breaks off is kept in whole steps only.
    let mut pending = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        pending.extend_from_slice(&piece.map_err(|error| Failure::Io(std::io::Error::other(error)))?);
        while pending.len() >= STEP {
            upload::take(api, intake, &pending.split_to(STEP)).await?;
        }
    }
    upload::take(api, intake, &pending).await?;
    if let Some((first, end)) = span
        && intake.size != before + (end - first)
    {
        return Err(wrong("The body is not of the length that Content-Range tells."));
    }
    let complete = match (&range, total) {
        (None, total) => total.is_none_or(|total| total == intake.size),
        (Some(range), _) => range.total == Some(intake.size),
    };
    if !complete {
        return Ok(incomplete(intake.size));
    }
    let taken = std::mem::replace(&mut **intake, Intake::new(Hash::Sha1));
    let media = Some((taken.finish().await?, session.mime.clone()));
    let made = match &session.id {
        Some(id) => files::change(api, &session.call, id, &session.members, media)?,
        None => files::make(api, &session.call, &session.members, media)?,
    };
    let (parts, body) = made.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.map_err(|error| Failure::Io(std::io::Error::other(error)))?;
    *state = State_::Done(serde_json::from_slice(&bytes).unwrap_or_default());
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// More is expected; how much is here.
fn incomplete(size: u64) -> Response {
    let answer = empty(308);
    if size == 0 { answer } else { with_header(answer, header::RANGE, &format!("bytes=0-{}", size - 1)) }
}
