//! Files and folders, apart from their contents.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method},
    response::Response,
};

use super::{
    Api, Call,
    body::Members,
    download,
    failure::{Failure, Outcome, answer},
    listing::check_changeable,
    store::{Drive, FOLDER, NATIVE, New},
};
use crate::{content::Content, http};

/// `GET /files/{id}`: what is known of a file, or with `alt=media` its bytes.
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let call = api.admit(&method, &headers, query.as_deref())?;
        if call.query.get("alt").is_some_and(|alt| alt == "media") {
            return download::media(&api, &call, &id, &headers).await;
        }
        let all = call.all_drives()?;
        api.drive(call.account, |drive| {
            let item = drive.find(&id, all)?;
            Ok(http::json(200, &api.show(&call, drive, item)?))
        })
    };
    answer(outcome.await)
}

/// Makes a file of what the members and the upload say, and answers it.
pub(super) fn make(api: &Api, call: &Call, members: &Members, media: Option<(Content, Option<String>)>) -> Outcome {
    let all = call.all_drives()?;
    let now = api.core.now();
    api.drive(call.account, |drive| {
        let root = drive.root.clone();
        let parent = drive.folder(members.parent()?.unwrap_or(&root), all)?.id.clone();
        if members.has("id") {
            return Err(Failure::Parameter("id".into(), "invalid", "The provided file ID is not usable.".into()));
        }
        let (content, sent) = media.map_or((None, None), |(content, sent)| (Some(content), sent));
        let mime = members.text("mimeType")?.map(str::to_owned).or(sent);
        let mime = mime.unwrap_or_else(|| "application/octet-stream".to_owned());
        if mime == FOLDER && content.is_some() {
            return Err(Failure::Other(400, "badRequest", "Bad Request"));
        }
        if !mime.starts_with(NATIVE) {
            drive.check_room(content.as_ref().map_or(0, |content| content.size))?;
        }
        let name = members.text("name")?.unwrap_or("Untitled").to_owned();
        let id = drive.add(New { name, mime, parent, content }, now);
        describe(drive, &id, members)?;
        let item = drive.get_mut(&id)?;
        if let Some(at) = members.time("createdTime")? {
            item.created = at;
        }
        if let Some(at) = members.time("modifiedTime")? {
            item.modified = at;
        }
        let item = drive.find(&id, true)?;
        Ok(http::json(200, &api.show(call, drive, item)?))
    })
}

/// Writes what can be said about a file at any time.
fn describe(drive: &mut Drive, id: &str, members: &Members) -> Outcome<()> {
    let item = drive.get_mut(id)?;
    if let Some(description) = members.text("description")? {
        item.description = Some(description.to_owned()).filter(|text| !text.is_empty());
    }
    if let Some(starred) = members.flag("starred")? {
        item.starred = starred;
    }
    members.pairs("properties", &mut item.properties)?;
    members.pairs("appProperties", &mut item.app_properties)
}

/// `POST /files`: a folder, or a file without contents.
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        make(&api, &call, &Members::file(&body)?, None)
    })())
}

/// Changes a file by what the members, the query and the upload say, and answers it.
pub(super) fn change(
    api: &Api,
    call: &Call,
    id: &str,
    members: &Members,
    media: Option<(Content, Option<String>)>,
) -> Outcome {
    let all = call.all_drives()?;
    let now = api.core.now();
    api.drive(call.account, |drive| {
        let id = drive.find(id, all)?.id.clone();
        if members.has("parents") {
            let message = "The parents field is not directly writable in update requests. Use the addParents and removeParents parameters instead.";
            return Err(Failure::Other(403, "fieldNotWritable", message));
        }
        if members.has("createdTime") || members.has("id") {
            let message = "The resource body includes fields which are not directly writable.";
            return Err(Failure::Other(403, "fieldNotWritable", message));
        }
        let query = |name: &str| call.query.get(name).filter(|text| !text.is_empty());
        if let Some(added) = query("addParents") {
            let parent = drive.folder(added, all)?.id.clone();
            let current = drive.find(&id, true)?.parent.clone();
            let removed: Vec<&str> = query("removeParents").map_or_else(Vec::new, |list| list.split(',').collect());
            let root = drive.root.clone();
            let leaves = current.iter().any(|at| removed.contains(&at.as_str()) || (*at == root && removed.contains(&"root")));
            if current.as_ref() != Some(&parent) {
                if !leaves {
                    return Err(Failure::Other(403, "cannotAddParent", "Increasing the number of parents is not allowed"));
                }
                drive.place(&id, &parent)?;
            }
        }
        if members.has("name") || members.has("trashed") {
            check_changeable(drive, &id)?;
        }
        describe(drive, &id, members)?;
        let item = drive.get_mut(&id)?;
        item.version += 1;
        if let Some(name) = members.text("name")? {
            name.clone_into(&mut item.name);
            item.modified = now;
        }
        let sent = media.as_ref().and_then(|(_, sent)| sent.clone());
        if let Some(mime) = members.text("mimeType")?.map(str::to_owned).or(sent) {
            item.mime = mime;
        }
        match members.flag("trashed")? {
            Some(true) => item.trashed = item.trashed.or(Some(now)),
            Some(false) => item.trashed = None,
            None => {}
        }
        if members.has("description") || members.has("properties") {
            item.modified = now;
        }
        if let Some((content, _)) = media {
            if item.is_folder() {
                return Err(Failure::Other(400, "badRequest", "Bad Request"));
            }
            drive.check_room(content.size)?;
            drive.revise(&id, content, now);
        }
        if let Some(at) = members.time("modifiedTime")? {
            drive.get_mut(&id)?.modified = at;
        }
        let item = drive.find(&id, true)?;
        Ok(http::json(200, &api.show(call, drive, item)?))
    })
}

/// `PATCH /files/{id}`
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
        change(&api, &call, &id, &Members::file(&body)?, None)
    })())
}

/// `DELETE /files/{id}`: for good, past the trash.
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let all = call.all_drives()?;
        api.drive(call.account, |drive| {
            let id = drive.find(&id, all)?.id.clone();
            check_changeable(drive, &id)?;
            drive.delete(&id);
            Ok(http::empty(204))
        })
    })())
}

/// `DELETE /files/trash`
pub(super) async fn empty_trash(
    State(api): State<Arc<Api>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let wanted = call.query.get("driveId").cloned();
        api.drive(call.account, |drive| {
            let gone: Vec<String> = drive
                .all()
                .filter(|item| item.trashed.is_some() && item.drive == wanted)
                .map(|item| item.id.clone())
                .collect();
            for id in &gone {
                drive.delete(id);
            }
            Ok(http::empty(204))
        })
    })())
}

/// `POST /files/{id}/copy`: folders cannot be copied.
pub(super) async fn copy(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let members = Members::file(&body)?;
        let all = call.all_drives()?;
        let now = api.core.now();
        api.drive(call.account, |drive| {
            let source = drive.find(&id, all)?.clone();
            if source.is_folder() {
                return Err(Failure::Other(403, "cannotCopyFile", "This file cannot be copied by the user."));
            }
            let parent = members.parent()?.map(str::to_owned).or_else(|| source.parent.clone());
            let root = drive.root.clone();
            let parent = drive.folder(parent.as_deref().unwrap_or(&root), all)?.id.clone();
            let name = members.text("name")?.map_or_else(|| format!("Copy of {}", source.name), str::to_owned);
            drive.check_room(source.content().map_or(0, |content| content.size))?;
            let new = New { name, mime: source.mime.clone(), parent, content: source.content().cloned() };
            let copy = drive.add(new, now);
            let made = drive.get_mut(&copy)?;
            made.description.clone_from(&source.description);
            made.properties.clone_from(&source.properties);
            describe(drive, &copy, &members)?;
            let item = drive.find(&copy, true)?;
            Ok(http::json(200, &api.show(&call, drive, item)?))
        })
    })())
}
