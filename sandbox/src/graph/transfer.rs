//! Contents: uploads at once or in a session, downloads by a redirect to an address that needs no token.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, header},
    response::Response,
};
use bytes::BytesMut;
use futures_util::TryStreamExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    Api, Call,
    failure::{Failure, Outcome, answer, name_in_use, not_found},
    items::Place,
    sites::secret,
    store::{Conflict, check_name},
    view::{Tell, time},
};
use crate::{
    content::{self, Content, Hash, Intake},
    core::hold,
    http::{self, empty, header_text, json as json_response, with_header},
};

/// How long a download address is good for, in milliseconds.
const SIGNED_MS: i64 = 60 * 60 * 1000;
/// The most bytes of an upload at once.
const SMALL: u64 = 250 * 1024 * 1024;
/// What every piece of a session but the last is a multiple of, and the most bytes of one.
const STEP: usize = 320 * 1024;
const PIECE: u64 = 60 * 1024 * 1024;

/// What a download address leads to.
#[derive(Clone)]
pub(super) struct Signed {
    name: String,
    content: Content,
    expires_ms: i64,
}

/// An upload session; only one request at a time can append to it.
pub(super) struct Session {
    drive: String,
    account: u32,
    folder: String,
    name: String,
    conflict: Conflict,
    expires: chrono::DateTime<chrono::Utc>,
    state: tokio::sync::Mutex<Option<Received>>,
}

struct Received {
    intake: Intake,
    total: Option<u64>,
}

impl Api {
    /// A download address for a content.
    pub(super) fn sign(&self, name: &str, content: &Content) -> String {
        let secret = secret();
        let expires_ms = self.core.clock().now_ms() + SIGNED_MS;
        let signed = Signed { name: name.to_owned(), content: content.clone(), expires_ms };
        let mut all = hold(&self.signed);
        // Every listing signs its files: those that are over make room.
        if all.len() > 10_000 {
            all.clear();
        }
        all.insert(secret.clone(), signed);
        format!("{}/download/{secret}", self.core.origin)
    }
}

/// `GET …/content`, of a version when one is named.
pub(super) fn content(api: &Api, call: &Call, drive: &str, id: &str, version: Option<&str>) -> Outcome {
    let location = api.drive(call, drive, |drive| {
        let item = drive.item(id)?;
        if !item.is_file() {
            return Err(Failure::invalid("You cannot get content for a folder"));
        }
        let last = item.versions.len();
        let number = match version {
            None => last,
            Some(text) => text.strip_suffix(".0").and_then(|text| text.parse().ok()).unwrap_or(0),
        };
        if version.is_some() && number == last {
            return Err(Failure::invalid("You cannot get the content of the current version"));
        }
        let found = number.checked_sub(1).and_then(|index| item.versions.get(index)).ok_or_else(not_found)?;
        Ok(api.sign(&item.name, &found.content))
    })?;
    Ok(with_header(empty(302), header::LOCATION, &location))
}

/// `GET /download/{secret}`
pub(super) async fn download(State(api): State<Arc<Api>>, Path(secret): Path<String>, headers: HeaderMap) -> Response {
    let signed = hold(&api.signed).get(&secret).cloned();
    match signed.filter(|signed| signed.expires_ms > api.core.clock().now_ms()) {
        Some(signed) => answer(send(&signed, &headers).await),
        None => http::raw(404, "text/plain; charset=utf-8", "This address has expired"),
    }
}

async fn send(signed: &Signed, headers: &HeaderMap) -> Outcome {
    let size = signed.content.size;
    let (status, start, end) = match content::range(header_text(headers, "range"), size) {
        None => (200, 0, size),
        Some(Ok((start, end))) => (206, start, end),
        Some(Err(content::Unsatisfiable)) => {
            return Ok(with_header(empty(416), header::CONTENT_RANGE, &format!("bytes */{size}")));
        }
    };
    let answer = http::raw(status, "application/octet-stream", signed.content.body(start, end).await?);
    let answer = with_header(answer, header::CONTENT_LENGTH, &(end - start).to_string());
    let answer = with_header(answer, header::ACCEPT_RANGES, "bytes");
    let name = utf8_percent_encode(&signed.name, NON_ALPHANUMERIC);
    let plain = |letter: char| if letter.is_ascii_graphic() && letter != '"' { letter } else { '_' };
    let ascii: String = signed.name.chars().map(plain).collect();
    let answer = with_header(
        answer,
        header::CONTENT_DISPOSITION,
        &format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{name}"),
    );
    Ok(if status == 206 {
        with_header(answer, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1))
    } else {
        answer
    })
}

/// Where an upload goes: its folder, which is made where it is missing, and its name.
fn destination(api: &Api, call: &Call, drive: &str, place: Place) -> Outcome<(String, String)> {
    let now = api.core.now();
    api.drive(call, drive, |drive| match place {
        Place::Item(id) => {
            let item = drive.item(&id)?;
            call.check_match(item)?;
            match &item.parent {
                Some(parent) if item.is_file() => Ok((parent.clone(), item.name.clone())),
                _ => Err(name_in_use()),
            }
        }
        Place::Free { folder, names } => {
            let (name, folders) = names.split_last().ok_or_else(not_found)?;
            check_name(name)?;
            let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
            Ok((drive.folders(&folder, &folders, now)?, name.clone()))
        }
    })
}

/// `PUT …/content`
pub(super) async fn put(api: &Api, call: &Call, drive: &str, place: Place, body: Body) -> Outcome {
    let conflict = call.form.get("@microsoft.graph.conflictBehavior").map(String::as_str);
    let conflict = Conflict::read(conflict, Conflict::Replace)?;
    let there = matches!(place, Place::Item(_));
    let (folder, name) = destination(api, call, drive, place)?;
    if there && conflict == Conflict::Fail {
        return Err(name_in_use());
    }
    let mut intake = Intake::new(Hash::Sha1);
    receive(api, &mut intake, body, SMALL).await?;
    let content = intake.finish().await?;
    let now = api.core.now();
    let (status, shown) = api.drive(call, drive, |drive| {
        let (id, replaced) = drive.put(&folder, &name, content, conflict, now)?;
        Ok((if replaced { 200 } else { 201 }, api.show(drive, drive.item(&id)?, Tell::Path)))
    })?;
    Ok(json_response(status, &shown))
}

async fn receive(api: &Api, intake: &mut Intake, body: Body, limit: u64) -> Outcome<u64> {
    let mut pieces = body.into_data_stream();
    let mut size = 0;
    while let Some(piece) = pieces.try_next().await.map_err(|_| Failure::invalid("The body broke off."))? {
        size += piece.len() as u64;
        if size > limit {
            return Err(Failure::Said(
                413,
                "requestEntityTooLarge",
                "The content is too long for this way.".to_owned(),
            ));
        }
        intake.push(&api.core.spool, &piece).await?;
    }
    Ok(size)
}

/// A fragment of a session: of one that breaks off whole steps are kept.
async fn fragment(api: &Api, intake: &mut Intake, body: Body, limit: u64) -> Outcome<u64> {
    let mut pieces = body.into_data_stream();
    let (mut size, mut pending) = (0, BytesMut::new());
    while let Some(piece) = pieces.try_next().await.map_err(|_| Failure::invalid("The body broke off."))? {
        size += piece.len() as u64;
        if size > limit {
            return Err(Failure::invalid("The fragment is longer than its range."));
        }
        pending.extend_from_slice(&piece);
        while pending.len() >= STEP {
            intake.push(&api.core.spool, &pending.split_to(STEP)).await?;
        }
    }
    intake.push(&api.core.spool, &pending).await?;
    Ok(size)
}

/// `POST …/createUploadSession`
pub(super) async fn open(api: &Api, call: &Call, drive: &str, place: Place, body: Body) -> Outcome {
    let bytes = to_bytes(body, super::BODY_LIMIT).await.map_err(|_| Failure::invalid("The body is too long."))?;
    let body: Value = match bytes.as_ref() {
        [] => json!({}),
        bytes => serde_json::from_slice(bytes).map_err(|_| Failure::invalid("Unable to read JSON request payload."))?,
    };
    let wanted = body.pointer("/item/@microsoft.graph.conflictBehavior").and_then(Value::as_str);
    let conflict = Conflict::read(wanted, Conflict::Fail)?;
    if conflict == Conflict::Fail && matches!(place, Place::Item(_)) {
        return Err(name_in_use());
    }
    let (folder, name) = destination(api, call, drive, place)?;
    let expires = api.core.now() + chrono::TimeDelta::days(1);
    let secret = secret();
    let session = Session {
        drive: drive.to_owned(),
        account: call.account,
        folder,
        name,
        conflict,
        expires,
        state: tokio::sync::Mutex::new(Some(Received { intake: Intake::new(Hash::Sha1), total: None })),
    };
    hold(&api.sessions).insert(secret.clone(), Arc::new(session));
    let shown = json!({
        "uploadUrl": format!("{}/upload/{secret}", api.core.origin),
        "expirationDateTime": time(expires),
        "nextExpectedRanges": ["0-"],
    });
    Ok(json_response(200, &shown))
}

fn find(api: &Api, secret: &str, headers: &HeaderMap) -> Outcome<Arc<Session>> {
    if header_text(headers, "authorization").is_some() {
        return Err(Failure::Said(401, "unauthenticated", "A token is not wanted here.".to_owned()));
    }
    let session = hold(&api.sessions).get(secret).cloned();
    session.filter(|session| session.expires > api.core.now()).ok_or_else(not_found)
}

fn progress(session: &Session, size: u64, status: u16) -> Response {
    let shown = json!({ "expirationDateTime": time(session.expires), "nextExpectedRanges": [format!("{size}-")] });
    json_response(status, &shown)
}

/// `GET /upload/{secret}`
pub(super) async fn status(State(api): State<Arc<Api>>, Path(secret): Path<String>, headers: HeaderMap) -> Response {
    let outcome = async {
        let session = find(&api, &secret, &headers)?;
        let state = session.state.lock().await;
        let state = state.as_ref().ok_or_else(not_found)?;
        Ok(progress(&session, state.intake.size, 200))
    };
    answer(outcome.await)
}

/// `DELETE /upload/{secret}`
pub(super) async fn cancel(State(api): State<Arc<Api>>, Path(secret): Path<String>, headers: HeaderMap) -> Response {
    answer((|| {
        find(&api, &secret, &headers)?;
        hold(&api.sessions).remove(&secret);
        Ok(empty(204))
    })())
}

/// `bytes FIRST-LAST/TOTAL`
fn content_range(headers: &HeaderMap) -> Outcome<(u64, u64, u64)> {
    let read = || {
        let (range, total) = header_text(headers, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, total.parse::<u64>().ok()?))
    };
    let range = read().filter(|(first, last, total)| first <= last && last < total);
    range.ok_or_else(|| Failure::invalid("The Content-Range header is missing or malformed."))
}

/// `PUT /upload/{secret}`
pub(super) async fn chunk(
    State(api): State<Arc<Api>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = async {
        let session = find(&api, &secret, &headers)?;
        let (first, last, total) = content_range(&headers)?;
        let length = last + 1 - first;
        let mut guard = session.state.lock().await;
        let state = guard.as_mut().ok_or_else(not_found)?;
        if state.total.is_some_and(|known| known != total) {
            return Err(Failure::invalid("The total size differs from what was said before."));
        }
        if first != state.intake.size {
            return Err(Failure::Said(
                416,
                "invalidRange",
                "The uploaded fragment is not the one expected next.".to_owned(),
            ));
        }
        if length > PIECE {
            return Err(Failure::Said(413, "requestEntityTooLarge", "A fragment has at most 60 MiB.".to_owned()));
        }
        if last + 1 < total && length % STEP as u64 != 0 {
            return Err(Failure::invalid("The fragment's size is not a multiple of 320 KiB."));
        }
        state.total = Some(total);
        if fragment(&api, &mut state.intake, body, length).await? != length {
            return Err(Failure::invalid("The fragment is not as long as its range."));
        }
        if state.intake.size < total {
            return Ok(progress(&session, state.intake.size, 202));
        }
        let Some(state) = guard.take() else { return Err(not_found()) };
        let content = state.intake.finish().await?;
        hold(&api.sessions).remove(&secret);
        let now = api.core.now();
        let (status, shown) = api.tenant(|tenant| {
            let drive = tenant.drive_mut(&session.drive, session.account)?;
            let (id, replaced) = drive.put(&session.folder, &session.name, content, session.conflict, now)?;
            Ok::<_, Failure>((if replaced { 200 } else { 201 }, api.show(drive, drive.item(&id)?, Tell::Path)))
        })?;
        Ok(json_response(status, &shown))
    };
    answer(outcome.await)
}
