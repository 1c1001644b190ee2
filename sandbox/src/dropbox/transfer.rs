//! Contents: uploads, upload sessions, downloads and temporary links.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, header},
    response::Response,
};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    Api, Caller, args,
    failure::{self, Failure, Outcome},
    files::check_path,
    parse,
    sessions::SessionError,
    tree::WriteError,
    users,
};
use crate::{
    content::{self, Content, Hash, Intake},
    core::{hold, random_hex},
    http::{self, form, header_text},
};

/// The most bytes of one request (150 MiB); what is bigger needs an upload session.
const REQUEST_LIMIT: u64 = 150 * 1024 * 1024;

/// The argument of a content route: in the `Dropbox-API-Arg` header or the `arg` query parameter.
fn argument<T: DeserializeOwned>(headers: &HeaderMap, query: Option<&str>) -> Outcome<T> {
    if let Some(value) = headers.get("dropbox-api-arg") {
        let Ok(text) = value.to_str() else {
            let text = "HTTP header \"Dropbox-API-Arg\": could not decode input as JSON (header values must be ASCII)";
            return Err(Failure::Bad(text.to_owned()));
        };
        return parse(text.as_bytes(), "HTTP header \"Dropbox-API-Arg\"");
    }
    let query = form(query.unwrap_or_default().as_bytes());
    let Some(text) = query.get("arg") else {
        let text = "Must provide HTTP header \"Dropbox-API-Arg\" or URL parameter \"arg\".";
        return Err(Failure::Bad(text.to_owned()));
    };
    parse(text.as_bytes(), "URL parameter \"arg\"")
}

fn octets(headers: &HeaderMap) -> Result<(), Failure> {
    let listed = "\"application/octet-stream\", \"text/plain; charset=dropbox-cors-hack\"";
    failure::content_type(headers, &["application/octet-stream", "text/plain"], listed)
}

/// Takes a body into an intake; true when it is bigger than one request may be.
async fn receive(api: &Api, intake: &mut Intake, body: Body) -> Outcome<bool> {
    let mut pieces = body.into_data_stream();
    let mut received = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Failure::Bad(format!("the body ended early: {error}")))?;
        received += piece.len() as u64;
        if received > REQUEST_LIMIT {
            return Ok(true);
        }
        intake.push(&api.core.spool, &piece).await?;
    }
    Ok(false)
}

/// `files/upload`
pub(super) async fn upload(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let route = "files/upload";
    let outcome = async {
        let caller = api.admit(&headers, Some("files.content.write"))?;
        octets(&headers)?;
        let arg: args::Upload = argument(&headers, query.as_deref())?;
        check_path("path", &arg.path, &["id:", "ns:"])?;
        let expected = arg.content_hash.clone();
        check_hash(expected.as_deref())?;
        let mut intake = Intake::new(Hash::Blocks);
        if receive(&api, &mut intake, body).await? {
            return Err(Failure::tag("payload_too_large"));
        }
        let content = intake.finish().await?;
        if expected.is_some_and(|expected| expected != content.hash) {
            return Err(Failure::tag("content_hash_mismatch"));
        }
        let written = commit(&api, &caller, &arg.into(), content)?;
        written.map_err(|error| {
            let session = format!("pid_upload_session:{}", random_hex(20));
            Failure::Endpoint(json!({ ".tag": "path", "reason": error.json(), "upload_session_id": session }))
        })
    };
    answer(route, outcome.await.map(Value::Object))
}

/// Puts a content where the commit says.
fn commit(
    api: &Api,
    caller: &Caller,
    arg: &args::Commit,
    content: Content,
) -> Outcome<Result<Map<String, Value>, WriteError>> {
    let now = api.core.now();
    api.drive(caller.account, |drive| {
        if drive.used().saturating_add(content.size) > users::ALLOCATED {
            return Err(Failure::nested("path", json!({ ".tag": "insufficient_space" })));
        }
        let modified = arg.client_modified.unwrap_or(now);
        Ok(drive.write(&arg.path, content, &arg.mode, arg.autorename, arg.strict_conflict, modified, now))
    })
}

fn check_hash(hash: Option<&str>) -> Result<(), Failure> {
    if hash.is_some_and(|hash| hash.len() != 64) {
        return Err(Failure::Bad("HTTP header \"Dropbox-API-Arg\": content_hash: must be 64 characters".to_owned()));
    }
    Ok(())
}

/// `files/upload_session/start`
pub(super) async fn session_start(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let route = "files/upload_session/start";
    let outcome = async {
        let caller = api.admit(&headers, Some("files.content.write"))?;
        octets(&headers)?;
        let arg: args::SessionStart = argument(&headers, query.as_deref())?;
        check_hash(arg.content_hash.as_deref())?;
        if arg.session_type.as_deref() == Some("concurrent") {
            return Err(Failure::Bad("concurrent upload sessions are not part of this sandbox".to_owned()));
        }
        let (id, session) = api.sessions.open(caller.account);
        let mut state = session.state.lock().await;
        if receive(&api, &mut state.intake, body).await? {
            api.sessions.remove(&id);
            return Err(Failure::tag("payload_too_large"));
        }
        state.closed = arg.close;
        Ok(json!({ "session_id": id }))
    };
    answer(route, outcome.await)
}

/// `files/upload_session/append_v2`
pub(super) async fn session_append(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let route = "files/upload_session/append_v2";
    let outcome = async {
        let caller = api.admit(&headers, Some("files.content.write"))?;
        octets(&headers)?;
        let arg: args::SessionAppend = argument(&headers, query.as_deref())?;
        check_hash(arg.content_hash.as_deref())?;
        let refuse = |error: SessionError| Failure::Endpoint(error.json());
        let session = api.sessions.find(&arg.cursor.session_id, caller.account).map_err(refuse)?;
        let mut state = session.state.lock().await;
        if state.closed {
            return Err(refuse(SessionError::Closed));
        }
        if state.intake.size != arg.cursor.offset {
            // Its sender could not read the answer while it still sends.
            let mut rest = body.into_data_stream();
            while let Some(Ok(_)) = rest.next().await {}
            return Err(refuse(SessionError::IncorrectOffset(state.intake.size)));
        }
        if receive(&api, &mut state.intake, body).await? {
            api.sessions.remove(&arg.cursor.session_id);
            return Err(Failure::tag("payload_too_large"));
        }
        state.closed = arg.close;
        Ok(Value::Null)
    };
    answer(route, outcome.await)
}

/// `files/upload_session/finish`
pub(super) async fn session_finish(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let route = "files/upload_session/finish";
    let outcome = async {
        let caller = api.admit(&headers, Some("files.content.write"))?;
        octets(&headers)?;
        let arg: args::SessionFinish = argument(&headers, query.as_deref())?;
        check_path("commit: path", &arg.commit.path, &["id:", "ns:"])?;
        check_hash(arg.content_hash.as_deref())?;
        let refuse = |error: SessionError| Failure::Endpoint(error.at_finish());
        let session = api.sessions.find(&arg.cursor.session_id, caller.account).map_err(refuse)?;
        let mut state = session.state.lock().await;
        if state.intake.size != arg.cursor.offset {
            return Err(refuse(SessionError::IncorrectOffset(state.intake.size)));
        }
        if receive(&api, &mut state.intake, body).await? {
            return Err(Failure::tag("payload_too_large"));
        }
        api.sessions.remove(&arg.cursor.session_id);
        let content = std::mem::replace(&mut state.intake, Intake::new(Hash::Blocks)).finish().await?;
        let written = commit(&api, &caller, &arg.commit, content)?;
        written.map(Value::Object).map_err(|error| Failure::write("path", error))
    };
    answer(route, outcome.await)
}

/// `files/download`
pub(super) async fn download(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    let route = "files/download";
    let outcome = async {
        let caller = api.admit(&headers, Some("files.content.read"))?;
        if headers.contains_key("content-type") {
            let listed = "\"text/plain\", \"text/plain; charset=utf-8\", \"application/octet-stream\", \
                          \"application/octet-stream; charset=utf-8\"";
            failure::content_type(&headers, &["text/plain", "application/octet-stream"], listed)?;
        }
        if !body.is_empty() {
            return Err(Failure::Bad("Request body must be empty.".to_owned()));
        }
        let mut arg: args::Download = argument(&headers, query.as_deref())?;
        check_path("path", &arg.path, &["id:", "rev:", "ns:"])?;
        if let Some(rev) = arg.rev.take() {
            arg.path = format!("rev:{rev}");
        }
        let found = api.drive(caller.account, |drive| drive.file(&arg.path));
        let (key, node, version) = found.map_err(|error| Failure::lookup("path", error))?;
        let answer = send(&version.content, &headers).await?;
        let answer = http::with_header(answer, header::ETAG, &format!("W/\"{}\"", version.rev));
        let result = ascii(&Value::Object(node.metadata(&key)).to_string());
        Ok(http::with_header(answer, HeaderName::from_static("dropbox-api-result"), &result))
    };
    failure::answer(route, outcome.await)
}

/// A content, or the range of it that is asked for.
pub(super) async fn send(content: &Content, headers: &HeaderMap) -> Outcome<Response> {
    let size = content.size;
    let (status, start, end) = match content::range(header_text(headers, "range"), size) {
        None => (200, 0, size),
        Some(Ok((start, end))) => (206, start, end),
        Some(Err(content::Unsatisfiable)) => return Err(Failure::Range(size)),
    };
    let answer = http::raw(status, "application/octet-stream", content.body(start, end).await?);
    let answer = http::with_header(answer, header::CONTENT_LENGTH, &(end - start).to_string());
    let answer = http::with_header(answer, header::ACCEPT_RANGES, "bytes");
    Ok(if status == 206 {
        http::with_header(answer, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1))
    } else {
        answer
    })
}

/// JSON text that is safe in a header: everything beyond ASCII as `\uXXXX`.
fn ascii(json: &str) -> String {
    let escape = |unit: &u16| format!("\\u{unit:04x}");
    let write = |letter: char| {
        if letter.is_ascii() && letter != '\x7f' {
            letter.to_string()
        } else {
            letter.encode_utf16(&mut [0; 2]).iter().map(escape).collect::<Vec<_>>().concat()
        }
    };
    json.chars().map(write).collect::<Vec<_>>().concat()
}

/// `files/get_temporary_link`
pub(super) fn temporary_link(api: &Api, caller: &Caller, arg: &args::TemporaryLink) -> Outcome {
    check_path("path", &arg.path, &["id:", "rev:", "ns:"])?;
    let found = api.drive(caller.account, |drive| drive.file(&arg.path));
    let (key, node, version) = found.map_err(|error| Failure::lookup("path", error))?;
    let secret = random_hex(24);
    hold(&api.temporary).insert(secret.clone(), version.content);
    let link = format!("{}/temporary/{secret}", api.core.origin);
    Ok(json!({ "metadata": node.metadata(&key), "link": link }))
}

/// What a temporary link leads to; no token is needed.
pub(super) async fn temporary(State(api): State<Arc<Api>>, Path(secret): Path<String>, headers: HeaderMap) -> Response {
    let content = hold(&api.temporary).get(&secret).cloned();
    let Some(content) = content else { return http::empty(404) };
    failure::answer("temporary", send(&content, &headers).await)
}

/// A JSON result, or the answer to the failure.
pub(super) fn answer(route: &str, outcome: Outcome) -> Response {
    failure::answer(route, outcome.map(|value| http::json(200, &value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_for_headers() {
        assert_eq!(ascii("\"aé😀\""), "\"a\\u00e9\\ud83d\\ude00\"");
    }
}
