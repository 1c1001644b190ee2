//! Bytes: downloads, exports of the provider's own documents, and what shared links lead to.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method, header},
    response::Response,
};

use super::{
    Api, Call,
    failure::{Failure, Outcome, answer},
    store::Item,
};
use crate::{
    content::{self, Content},
    core::hold,
    http::{self, empty, form, header_text, with_header},
};

/// The most that an export gives.
const EXPORT_LIMIT: u64 = 10 * 1024 * 1024;

const DOCUMENT: &[(&str, &str)] = &[
    ("text/plain", "txt"),
    ("application/pdf", "pdf"),
    ("text/html", "html"),
    ("application/rtf", "rtf"),
    ("application/epub+zip", "epub"),
    ("application/vnd.oasis.opendocument.text", "odt"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
];
const SPREADSHEET: &[(&str, &str)] = &[
    ("text/csv", "csv"),
    ("application/pdf", "pdf"),
    ("text/tab-separated-values", "tsv"),
    ("application/x-vnd.oasis.opendocument.spreadsheet", "ods"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
];
const PRESENTATION: &[(&str, &str)] = &[
    ("text/plain", "txt"),
    ("application/pdf", "pdf"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
];

/// What a document of this type can be exported as: types and endings.
pub(super) fn export_formats(mime: &str) -> &'static [(&'static str, &'static str)] {
    match mime.rsplit('.').next() {
        Some("document") => DOCUMENT,
        Some("spreadsheet") => SPREADSHEET,
        Some("presentation") => PRESENTATION,
        _ => &[],
    }
}

/// `GET /files/{id}?alt=media`
pub(super) async fn media(api: &Api, call: &Call, id: &str, headers: &HeaderMap) -> Outcome {
    let all = call.all_drives()?;
    let (mime, content) = api.drive(call.account, |drive| {
        let item = drive.find(id, all)?;
        let content = item.content().filter(|_| !item.is_native()).cloned();
        let content = content.ok_or(Failure::Other(
            403,
            "fileNotDownloadable",
            "Only files with binary content can be downloaded. Use Export with Docs Editors files.",
        ))?;
        Ok::<_, Failure>((item.mime.clone(), content))
    })?;
    send(&mime, &content, headers).await
}

/// A content, or the range of it that is asked for.
pub(super) async fn send(mime: &str, content: &Content, headers: &HeaderMap) -> Outcome {
    let size = content.size;
    let (status, start, end) = match content::range(header_text(headers, "range"), size) {
        None => (200, 0, size),
        Some(Ok((start, end))) => (206, start, end),
        Some(Err(content::Unsatisfiable)) => return Err(Failure::Range(size)),
    };
    let answer = http::raw(status, mime, content.body(start, end).await?);
    let answer = with_header(answer, header::CONTENT_LENGTH, &(end - start).to_string());
    Ok(if status == 206 {
        with_header(answer, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1))
    } else {
        answer
    })
}

/// `GET /files/{id}/export?mimeType=…`
pub(super) async fn export(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let wanted = call.query.get("mimeType").filter(|text| !text.is_empty());
        let wanted = wanted.ok_or_else(|| Failure::required("mimeType"))?.clone();
        // Exports do not ask whether the client knows of shared drives.
        let item = api.drive(call.account, |drive| drive.find(&id, true).cloned())?;
        if !item.is_native() || item.is_folder() {
            return Err(Failure::Other(403, "fileNotExportable", "Export only supports Docs Editors files."));
        }
        if !export_formats(&item.mime).iter().any(|(mime, _)| *mime == wanted) {
            return Err(Failure::Other(400, "badRequest", "The requested conversion is not supported."));
        }
        let content = item.content().ok_or(Failure::NotFound(id))?;
        if content.size > EXPORT_LIMIT {
            return Err(Failure::Other(403, "exportSizeLimitExceeded", "This file is too large to be exported."));
        }
        let plain = wanted.starts_with("text/plain") || wanted.starts_with("text/csv");
        let body = content.body(0, content.size).await?;
        if plain {
            return Ok(http::raw(200, &wanted, body));
        }
        // Other formats only begin like what they are said to be.
        let bytes = axum::body::to_bytes(body, usize::try_from(EXPORT_LIMIT).unwrap_or(usize::MAX)).await;
        let bytes = bytes.map_err(|error| Failure::Io(std::io::Error::other(error)))?;
        let mut made = if wanted == "application/pdf" { b"%PDF-1.4\n".to_vec() } else { Vec::new() };
        made.extend_from_slice(&bytes);
        Ok(http::raw(200, &wanted, made))
    };
    answer(outcome.await)
}

/// A file that anyone may read, whoever owns it.
fn open_to_all(api: &Api, id: &str) -> Option<Item> {
    let drives = hold(&api.drives);
    let item = drives.values().find_map(|drive| drive.get(id).filter(|item| !drive.is_trashed(item)))?;
    item.permissions.iter().any(|permission| permission.kind == "anyone").then(|| item.clone())
}

/// `GET /uc?id=…`: the download address of a shared file.
pub(super) async fn shared(State(api): State<Arc<Api>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = form(query.unwrap_or_default().as_bytes());
    let found = query.get("id").and_then(|id| open_to_all(&api, id));
    match found.as_ref().and_then(|item| Some((&item.mime, item.content()?))) {
        Some((mime, content)) => answer(send(mime, content, &headers).await),
        None => empty(404),
    }
}

/// `GET /file/d/{id}/view`: the page of a shared file.
pub(super) async fn page(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Response {
    match open_to_all(&api, &id) {
        Some(item) => http::raw(200, "text/plain; charset=utf-8", item.name),
        None => empty(404),
    }
}

/// `GET /thumbnails/{id}`: the address of a thumbnail, which is good without credentials; the picture itself serves.
pub(super) async fn thumbnail(State(api): State<Arc<Api>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let found = hold(&api.drives).values().find_map(|drive| drive.get(&id).cloned());
    let image = found.filter(|item| item.mime.starts_with("image/"));
    match image.as_ref().and_then(|item| Some((&item.mime, item.content()?))) {
        Some((mime, content)) => answer(send(mime, content, &headers).await),
        None => empty(404),
    }
}
