//! Files, apart from their contents.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};

use super::{
    Api, In,
    body::Members,
    failure::{FORBIDDEN, Failure, answer},
    folders::{OFFSET_LIMIT, change},
    records::set,
    view,
};
use crate::http::{empty, json as json_response};

/// `GET /files/{id}`
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        api.drive(call.account, |drive| {
            let item = drive.file(&id)?;
            if call.unchanged(item) {
                return Ok(empty(304));
            }
            Ok(json_response(200, &api.show(&call, drive, item)))
        })
    })())
}

/// `PUT /files/{id}`
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let members = Members::read(&body)?;
        api.drive(call.account, |drive| {
            let number = drive.file(&id)?.id;
            change(&api, &call, drive, number, &members)?;
            let item = drive.item(number).ok_or(FORBIDDEN)?;
            Ok(json_response(200, &api.show(&call, drive, item)))
        })
    })())
}

/// `DELETE /files/{id}`
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        api.drive(call.account, |drive| {
            let item = drive.file(&id)?;
            call.check_match(item)?;
            let number = item.id;
            drive.delete(number);
            Ok(empty(204))
        })
    })())
}

/// `POST /files/{id}/copy`
pub(super) async fn copy(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let members = Members::read(&body)?;
        let parent = members.needed_parent()?;
        let name = members.text("name")?;
        let now = api.core.now();
        api.drive(call.account, |drive| {
            let number = drive.file(&id)?.id;
            let parent = drive.folder_id(parent)?;
            let copy = drive.copy(number, parent, name, now)?;
            let item = drive.item(copy).ok_or(FORBIDDEN)?;
            Ok(json_response(201, &api.show(&call, drive, item)))
        })
    })())
}

/// `DELETE /files/{id}/trash`
pub(super) async fn purge(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| drive.purge(&input.id, true))?;
        Ok(empty(204))
    })())
}

/// `GET /files/{id}/versions/{key}`: an older one.
pub(super) async fn version(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| {
            let item = drive.file(&input.id)?;
            let older = item.versions.iter().rev().skip(1);
            let found = older.into_iter().find(|version| version.id.to_string() == input.key);
            let missing = || Failure::NotFound { kind: "file_version", id: input.key.clone() };
            let (place, version) = (item.versions.len(), found.ok_or_else(missing)?);
            let number = item.versions.iter().position(|known| known.id == version.id).map_or(place, |at| at + 1);
            let mut shown = view::version(version, call.account);
            set(&mut shown, "version_number", json!(number.to_string()));
            Ok(json_response(200, &shown))
        })
    })())
}

/// `GET /files/{id}/versions`: the older ones only.
pub(super) async fn versions(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let limit = call.number("limit", 100, 1000)?;
        let offset = call.number("offset", 0, OFFSET_LIMIT)?;
        api.drive(call.account, |drive| {
            let item = drive.file(&id)?;
            let older: Vec<&super::store::Version> = item.versions.iter().rev().skip(1).collect();
            let shown = older.iter().skip(offset).take(limit);
            let entries: Vec<Value> = shown.map(|version| view::version(version, call.account)).collect();
            let body = json!({
                "total_count": older.len(),
                "entries": entries,
                "limit": limit,
                "offset": offset,
                "order": [{ "by": "created_at", "direction": "DESC" }],
            });
            Ok(json_response(200, &body))
        })
    })())
}
