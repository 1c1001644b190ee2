//! The comments on a file; all that answers insists on `fields`.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    Api, Call,
    body::Members,
    failure::{Failure, Outcome, answer},
    mask::Mask,
    store::{Comment, Drive},
    view,
};
use crate::{core::random_hex, http};

fn show(call: &Call, mask: &Mask, comment: &Comment) -> Response {
    http::json(200, &mask.apply(&view::comment(comment, call.account)))
}

fn find<'a>(drive: &'a Drive, file: &str, id: &str, deleted: bool) -> Outcome<&'a Comment> {
    let comments = &drive.find(file, true)?.comments;
    let found = comments.iter().find(|comment| comment.id == id && (deleted || !comment.deleted));
    found.ok_or_else(|| Failure::NoSuch("comment", id.to_owned()))
}

/// `GET /files/{id}/comments`: what was changed last comes first.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let mask = Mask::required(call.query.get("fields"), "CommentList")?;
        let size = call.page_size(20, 100)?;
        let deleted = call.flag("includeDeleted")?;
        api.drive(call.account, |drive| {
            let comments = &drive.find(&id, true)?.comments;
            let mut comments: Vec<&Comment> = comments.iter().rev().filter(|one| deleted || !one.deleted).collect();
            comments.sort_by_key(|comment| std::cmp::Reverse(comment.modified));
            let (page, next) = call.page(comments, size, &id)?;
            let shown: Vec<Value> = page.into_iter().map(|one| view::comment(one, call.account)).collect();
            let mut body = json!({ "kind": "drive#commentList", "comments": shown });
            if let (Some(next), Some(body)) = (next, body.as_object_mut()) {
                body.insert("nextPageToken".to_owned(), json!(next));
            }
            Ok(http::json(200, &mask.apply(&body)))
        })
    })())
}

/// `POST /files/{id}/comments`
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let mask = Mask::required(call.query.get("fields"), "Comment")?;
        let content = Members::read(&body)?.needed("content")?.to_owned();
        let now = api.core.now();
        api.drive(call.account, |drive| {
            let file = drive.find(&id, true)?;
            if file.is_folder() {
                return Err(super::failure::FORBIDDEN);
            }
            let file = file.id.clone();
            let made =
                Comment { id: format!("AAAA{}", random_hex(4)), content, created: now, modified: now, deleted: false };
            drive.get_mut(&file)?.comments.push(made.clone());
            Ok(show(&call, &mask, &made))
        })
    })())
}

/// `GET /files/{id}/comments/{comment}`
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    method: Method,
    Path((file, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let mask = Mask::required(call.query.get("fields"), "Comment")?;
        let deleted = call.flag("includeDeleted")?;
        api.drive(call.account, |drive| Ok(show(&call, &mask, find(drive, &file, &id, deleted)?)))
    })())
}

/// `PATCH /files/{id}/comments/{comment}`
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    method: Method,
    Path((file, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let mask = Mask::required(call.query.get("fields"), "Comment")?;
        let content = Members::read(&body)?.needed("content")?.to_owned();
        let now = api.core.now();
        api.drive(call.account, |drive| {
            find(drive, &file, &id, false)?;
            change(drive, &file, &id, |comment| {
                comment.content = content;
                comment.modified = now;
            })?;
            Ok(show(&call, &mask, find(drive, &file, &id, false)?))
        })
    })())
}

/// `DELETE /files/{id}/comments/{comment}`
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    method: Method,
    Path((file, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let now = api.core.now();
        api.drive(call.account, |drive| {
            find(drive, &file, &id, false)?;
            change(drive, &file, &id, |comment| {
                comment.deleted = true;
                comment.modified = now;
            })?;
            Ok(http::empty(204))
        })
    })())
}

fn change(drive: &mut Drive, file: &str, id: &str, act: impl FnOnce(&mut Comment)) -> Outcome<()> {
    let file = drive.find(file, true)?.id.clone();
    let item = drive.get_mut(&file)?;
    if let Some(comment) = item.comments.iter_mut().find(|comment| comment.id == id) {
        act(comment);
    }
    Ok(())
}
