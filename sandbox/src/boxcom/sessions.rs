//! Upload sessions: large files in parts of one size, put together at the end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use axum::{
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, header},
    response::Response,
};
use base64::Engine as _;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{
    Api, Call,
    body::Members,
    failure::{Failure, Outcome, answer},
    store::New,
    upload::{FILE_LIMIT, uploaded},
};
use crate::{
    content::{Content, Hash, Intake},
    core::{hold, random_hex},
    http::{empty, header_text, json as json_response, with_header},
};

/// Smaller files take no session.
const SMALLEST: u64 = 20_000_000;
/// The size of every part but the last.
const PART: u64 = 8 * 1024 * 1024;

/// The sessions that are open.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    pub(super) fn clear(&self) {
        hold(&self.0).clear();
    }
}

/// One session.
#[derive(Clone)]
struct Session {
    account: u32,
    /// The folder and name of a new file, or the file and its new name.
    place: Place,
    size: u64,
    parts: BTreeMap<u64, Part>,
    /// How often it has been asked to commit: the first time the parts are not put together yet.
    commits: u32,
}

#[derive(Clone)]
enum Place {
    New { folder: String, name: String },
    Version { file: String, name: Option<String> },
}

#[derive(Clone)]
struct Part {
    id: String,
    content: Content,
}

impl Part {
    fn json(&self, offset: u64) -> Value {
        json!({ "part_id": self.id, "offset": offset, "size": self.content.size, "sha1": self.content.hash })
    }
}

const NO_SESSION: Failure = Failure::Other(404, "not_found", "The upload session does not exist or has expired");

impl Api {
    /// Acts on a session of the caller's.
    fn session<T>(&self, call: &Call<'_>, id: &str, act: impl FnOnce(&mut Session) -> T) -> Outcome<T> {
        let mut sessions = hold(&self.sessions.0);
        let session = sessions.get_mut(id).filter(|session| session.account == call.account);
        session.map(act).ok_or(NO_SESSION)
    }

    fn open(&self, call: &Call<'_>, place: Place, size: u64) -> Response {
        let id = random_hex(16).to_uppercase();
        let session = Session { account: call.account, place, size, parts: BTreeMap::new(), commits: 0 };
        let shown = self.shown(&id, &session);
        hold(&self.sessions.0).insert(id, session);
        json_response(201, &shown)
    }

    fn shown(&self, id: &str, session: &Session) -> Value {
        let url = format!("{}/api/2.0/files/upload_sessions/{id}", self.core.origin);
        let expires = self.core.now() + chrono::TimeDelta::days(7);
        json!({
            "type": "upload_session", "id": id, "session_expires_at": expires.to_rfc3339(), "part_size": PART,
            "total_parts": session.size.div_ceil(PART), "num_parts_processed": session.parts.len(),
            "session_endpoints": {
                "upload_part": url, "status": url, "abort": url, "list_parts": format!("{url}/parts"),
                "commit": format!("{url}/commit"), "log_event": format!("{url}/log"),
            },
        })
    }
}

/// The size a session is opened for.
fn wanted_size(body: &[u8]) -> Outcome<u64> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Failure::invalid("entity-body", "JSON is expected"))?;
    let size = match body.get("file_size") {
        None => return Err(Failure::Other(400, "missing_file_size", "'file_size' is required")),
        Some(size) => size.as_u64(),
    };
    match size {
        None => Err(Failure::Other(400, "invalid_file_size", "'file_size' should be a number")),
        Some(size) if size < SMALLEST => {
            Err(Failure::Other(400, "file_size_too_small", "The file is too small for an upload session"))
        }
        Some(size) if size > FILE_LIMIT => {
            Err(Failure::Other(413, "file_size_limit_exceeded", "File size exceeds the folder owner's file size limit"))
        }
        Some(size) => Ok(size),
    }
}

/// `POST /files/upload_sessions`
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let members = Members::read(&body)?;
        let missing = |code| Failure::Other(400, code, "A required parameter is missing");
        let folder = members.text("folder_id")?.ok_or_else(|| missing("missing_destination"))?.to_owned();
        let name = members.text("file_name")?.ok_or_else(|| missing("missing_file_name"))?.to_owned();
        let size = wanted_size(&body)?;
        api.drive(call.account, |drive| drive.check_name(drive.folder_id(&folder)?, &name, None, true))?;
        Ok(api.open(&call, Place::New { folder, name }, size))
    })())
}

/// `POST /files/{id}/upload_sessions`
pub(super) async fn create_version(
    State(api): State<Arc<Api>>,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let name = Members::read(&body)?.text("file_name")?.map(str::to_owned);
        let size = wanted_size(&body)?;
        api.drive(call.account, |drive| match (drive.file(&file)?, &name) {
            (item, Some(name)) => drive.check_name(item.parent, name, Some(item.id), true),
            (_, None) => Ok(()),
        })?;
        Ok(api.open(&call, Place::Version { file, name }, size))
    })())
}

/// `GET /files/upload_sessions/{session}`
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let session = api.session(&call, &id, |session| session.clone())?;
        Ok(json_response(200, &api.shown(&id, &session)))
    })())
}

/// `DELETE /files/upload_sessions/{session}`
pub(super) async fn abort(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        api.session(&call, &id, |_| ())?;
        hold(&api.sessions.0).remove(&id);
        Ok(empty(204))
    })())
}

/// `GET /files/upload_sessions/{session}/parts`
pub(super) async fn parts(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let (offset, limit) = (call.number("offset", 0, 1_000_000)?, call.number("limit", 100, 1000)?);
        let all: Vec<Value> =
            api.session(&call, &id, |session| session.parts.iter().map(|(offset, part)| part.json(*offset)).collect())?;
        let entries: Vec<&Value> = all.iter().skip(offset).take(limit).collect();
        Ok(json_response(
            200,
            &json!({ "total_count": all.len(), "offset": offset, "limit": limit, "entries": entries }),
        ))
    })())
}

/// The SHA-1 in a `Digest` header, in hexadecimal.
fn digest(headers: &HeaderMap) -> Outcome<String> {
    let text = header_text(headers, "digest").and_then(|text| text.strip_prefix("sha="));
    let text = text.ok_or_else(|| Failure::missing("digest"))?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    bytes.map(hex::encode).map_err(|_| Failure::invalid("digest", "The digest should be SHA-1 in Base64"))
}

const BAD_DIGEST: Failure = Failure::Other(412, "precondition_failed", "The digest does not match the content");

/// `PUT /files/upload_sessions/{session}`
pub(super) async fn part(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = async {
        let call = api.admit(&headers, query.as_deref())?;
        let sum = digest(&headers)?;
        let range = header_text(&headers, "content-range").ok_or_else(|| Failure::missing("content-range"))?;
        let size = api.session(&call, &id, |session| session.size)?;
        let (start, end) = check_range(range, size)?;
        let mut intake = Intake::new(Hash::Sha1);
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| Failure::invalid("entity-body", format!("Cut off: {error}")))?;
            if intake.size + piece.len() as u64 > end - start {
                return Err(Failure::invalid("content-range", "The body is longer than its range"));
            }
            intake.push(&api.core.spool, &piece).await?;
        }
        if intake.size != end - start {
            return Err(Failure::invalid("content-range", "The body is shorter than its range"));
        }
        let content = intake.finish().await?;
        if content.hash != sum {
            return Err(BAD_DIGEST);
        }
        let part = Part { id: random_hex(4).to_uppercase(), content };
        let shown = part.json(start);
        api.session(&call, &id, |session| match session.parts.entry(start) {
            // What has been uploaded cannot be changed, nor sent once more.
            std::collections::btree_map::Entry::Occupied(_) => {
                Err(Failure::Other(409, "conflict", "The part overlaps with one that has been uploaded"))
            }
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(part);
                Ok(())
            }
        })??;
        Ok(json_response(200, &json!({ "part": shown })))
    };
    answer(outcome.await)
}

/// The bytes `bytes a-b/total` means; they have to be one of the session's parts.
fn check_range(text: &str, size: u64) -> Outcome<(u64, u64)> {
    let wrong = || Failure::Other(416, "range_not_satisfiable", "The content range is none of the session's parts");
    let (range, total) = text.strip_prefix("bytes ").and_then(|text| text.split_once('/')).ok_or_else(wrong)?;
    let (first, last) = range.split_once('-').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let (first, end, total) = (number(first)?, number(last)?.checked_add(1).ok_or_else(wrong)?, number(total)?);
    let whole = total == size && first % PART == 0 && end == (first + PART).min(size) && first < end;
    if whole { Ok((first, end)) } else { Err(wrong()) }
}

/// `POST /files/upload_sessions/{session}/commit`
pub(super) async fn commit(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let outcome = async {
        let call = api.admit(&headers, query.as_deref())?;
        let sum = digest(&headers)?;
        let session = api.session(&call, &id, |session| {
            session.commits += 1;
            session.clone()
        })?;
        let wanted: Vec<Value> = session.parts.iter().map(|(offset, part)| part.json(*offset)).collect();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if body.get("parts").and_then(Value::as_array).is_none_or(|parts| *parts != wanted) {
            return Err(Failure::invalid("parts", "The parts are not those that have been uploaded"));
        }
        if session.parts.values().map(|part| part.content.size).sum::<u64>() != session.size {
            return Err(Failure::invalid("parts", "Parts are missing"));
        }
        if session.commits == 1 {
            return Ok(with_header(empty(202), header::RETRY_AFTER, "1"));
        }
        let content = whole(&api, &session).await?;
        if content.hash != sum {
            return Err(BAD_DIGEST);
        }
        let now = api.core.now();
        let made = api.drive(call.account, |drive| match session.place {
            Place::New { folder, name } => {
                let folder = drive.folder_id(&folder)?;
                let id = drive.add(New::file(&name, folder, content), now)?;
                uploaded(&api, &call, drive, id, 201)
            }
            Place::Version { file, name } => {
                let item = drive.file(&file)?;
                call.check_match(item)?;
                let number = item.id;
                drive.replace(number, content, name, None, now)?;
                uploaded(&api, &call, drive, number, 201)
            }
        })?;
        hold(&api.sessions.0).remove(&id);
        Ok(made)
    };
    answer(outcome.await)
}

/// The parts as one content, read and written piece by piece.
async fn whole(api: &Api, session: &Session) -> Outcome<Content> {
    let mut intake = Intake::new(Hash::Sha1);
    for part in session.parts.values() {
        let mut pieces = part.content.body(0, part.content.size).await?.into_data_stream();
        while let Some(piece) = pieces.next().await {
            intake.push(&api.core.spool, &piece.map_err(std::io::Error::other)?).await?;
        }
    }
    Ok(intake.finish().await?)
}
