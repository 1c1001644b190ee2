//! Shared drives.

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
    store::Drive,
    view,
};
use crate::http;

const DEFAULT: &str = "kind,id,name";

fn show(call: &Call, drive: &Drive, id: &str) -> Outcome {
    let mask = Mask::read(call.query.get("fields"), "Drive", DEFAULT)?;
    let (name, created) = drive.shared.get(id).ok_or_else(|| Failure::NoSuch("drive", id.to_owned()))?;
    Ok(http::json(200, &mask.apply(&view::shared_drive(id, name, *created))))
}

/// `GET /drives`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let default = format!("kind,nextPageToken,drives({DEFAULT})");
        let mask = Mask::read(call.query.get("fields"), "DriveList", &default)?;
        let size = call.page_size(10, 100)?;
        if call.query.get("q").is_some_and(|q| !q.is_empty()) && !call.flag("useDomainAdminAccess")? {
            return Err(Failure::invalid("q"));
        }
        let shared: Vec<Value> = api.drive(call.account, |drive| {
            drive.shared.iter().map(|(id, (name, created))| view::shared_drive(id, name, *created)).collect()
        });
        let (page, next) = call.page(shared, size, "drives")?;
        let mut body = json!({ "kind": "drive#driveList", "drives": page });
        if let (Some(next), Some(body)) = (next, body.as_object_mut()) {
            body.insert("nextPageToken".to_owned(), json!(next));
        }
        Ok(http::json(200, &mask.apply(&body)))
    })())
}

/// `POST /drives?requestId=…`
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        if call.query.get("requestId").is_none_or(String::is_empty) {
            return Err(Failure::required("requestId"));
        }
        let name = Members::read(&body)?.needed("name")?.to_owned();
        let now = api.core.now();
        api.drive(call.account, |drive| {
            let id = drive.make_shared(&name, now);
            show(&call, drive, &id)
        })
    })())
}

/// `GET /drives/{id}`
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        api.drive(call.account, |drive| show(&call, drive, &id))
    })())
}

/// `PATCH /drives/{id}`
pub(super) async fn update(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let members = Members::read(&body)?;
        api.drive(call.account, |drive| {
            let shared = drive.shared.get_mut(&id).ok_or_else(|| Failure::NoSuch("drive", id.clone()))?;
            if let Some(name) = members.text("name")? {
                name.clone_into(&mut shared.0);
            }
            show(&call, drive, &id)
        })
    })())
}

/// `DELETE /drives/{id}`: it has to be empty.
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        api.drive(call.account, |drive| {
            show(&call, drive, &id)?;
            if drive.children(&id).any(|item| !drive.is_trashed(item)) {
                let message = "The shared drive cannot be deleted because it is not empty.";
                return Err(Failure::Other(403, "teamDriveNotEmpty", message));
            }
            drive.drop_shared(&id);
            Ok(http::empty(204))
        })
    })())
}
