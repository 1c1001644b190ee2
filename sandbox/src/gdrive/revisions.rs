//! The revisions of a file.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    Api, download,
    failure::{Failure, Outcome, answer},
    mask::Mask,
    store::{Drive, Item, Revision},
    view,
};
use crate::http;

const DEFAULT: &str = "kind,id,mimeType,modifiedTime";

/// The file, which must be one that has revisions.
fn file<'a>(drive: &'a Drive, id: &str) -> Outcome<&'a Item> {
    let item = drive.find(id, true)?;
    if item.is_folder() {
        return Err(Failure::Other(403, "revisionsNotSupported", "The file does not support revisions."));
    }
    Ok(item)
}

fn find<'a>(item: &'a Item, id: &str) -> Outcome<&'a Revision> {
    let found = item.revisions.iter().find(|revision| revision.id == id);
    found.ok_or_else(|| Failure::NoSuch("revision", id.to_owned()))
}

/// `GET /files/{id}/revisions`: oldest first, the current one included.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let default = format!("kind,nextPageToken,revisions({DEFAULT})");
        let mask = Mask::read(call.query.get("fields"), "RevisionList", &default)?;
        let size = call.page_size(200, 1000)?;
        api.drive(call.account, |drive| {
            let item = file(drive, &id)?;
            let (page, next) = call.page(item.revisions.iter().collect(), size, &id)?;
            let shown: Vec<Value> = page.into_iter().map(|one| view::revision(item, one, call.account)).collect();
            let mut body = json!({ "kind": "drive#revisionList", "revisions": shown });
            if let (Some(next), Some(body)) = (next, body.as_object_mut()) {
                body.insert("nextPageToken".to_owned(), json!(next));
            }
            Ok(http::json(200, &mask.apply(&body)))
        })
    })())
}

/// `GET /files/{id}/revisions/{revision}`; with `alt=media` its bytes.
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    method: Method,
    Path((id, revision)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let (item, revision) = api.drive(call.account, |drive| {
            let item = file(drive, &id)?;
            Ok::<_, Failure>((item.clone(), find(item, &revision)?.clone()))
        })?;
        if call.query.get("alt").is_some_and(|alt| alt == "media") {
            if item.is_native() {
                let message = "Only files with binary content can be downloaded. Use Export with Docs Editors files.";
                return Err(Failure::Other(403, "fileNotDownloadable", message));
            }
            return download::send(&revision.mime, &revision.content, &headers).await;
        }
        let mask = Mask::read(call.query.get("fields"), "Revision", DEFAULT)?;
        Ok(http::json(200, &mask.apply(&view::revision(&item, &revision, call.account))))
    };
    answer(outcome.await)
}

/// `DELETE /files/{id}/revisions/{revision}`: one has to be left.
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    method: Method,
    Path((id, revision)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        api.drive(call.account, |drive| {
            let item = file(drive, &id)?;
            find(item, &revision)?;
            if item.is_native() || item.revisions.len() == 1 {
                let message = "The revision cannot be deleted.";
                return Err(Failure::Other(400, "revisionDeletionNotSupported", message));
            }
            let id = item.id.clone();
            drive.get_mut(&id)?.revisions.retain(|one| one.id != revision);
            Ok(http::empty(204))
        })
    })())
}
