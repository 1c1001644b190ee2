//! Folders.

use std::{cmp::Ordering, sync::Arc};

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{
    Api, Call, In,
    body::{Change, Members},
    failure::{FORBIDDEN, Failure, Outcome, answer},
    store::{Drive, Item, New, ROOT},
    view,
};
use crate::http::{empty, json as json_response};

/// How many entries a page has when nobody says.
const PAGE: u64 = 100;
/// The most entries of a page.
const PAGE_LIMIT: u64 = 1000;
/// The furthest an offset reaches; beyond it there are markers.
pub(super) const OFFSET_LIMIT: u64 = 10_000;

/// `GET /folders/{id}`
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let page = Page::read(&call)?;
        api.drive(call.account, |drive| {
            let folder = drive.folder(&id)?;
            if folder.is_some_and(|folder| call.unchanged(folder)) {
                return Ok(empty(304));
            }
            let mut shown = match folder {
                Some(folder) => view::item(drive, folder, &call.fields, &api.core.origin),
                None => view::root(drive, &call.fields),
            };
            if call.fields.wants("item_collection") {
                let plain = view::Fields::read(None);
                let number = folder.map_or(ROOT, |folder| folder.id);
                shown.insert("item_collection".to_owned(), page.by_offset(drive, number, &plain, &api.core.origin));
            }
            Ok(json_response(200, &Value::Object(shown)))
        })
    })())
}

/// `GET /folders/{id}/items`
pub(super) async fn items(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let page = Page::read(&call)?;
        let marked = call.flag("usemarker")?;
        if !marked && call.query.contains_key("marker") {
            return Err(Failure::invalid("marker", "A marker needs usemarker=true."));
        }
        api.drive(call.account, |drive| {
            let folder = drive.folder_id(&id)?;
            let body = if marked {
                page.by_marker(drive, folder, &call, &api.core.origin)?
            } else {
                page.by_offset(drive, folder, &call.fields, &api.core.origin)
            };
            Ok(json_response(200, &body))
        })
    })())
}

/// Which part of a folder's items, in which order.
struct Page {
    limit: usize,
    offset: usize,
    sort: String,
    descending: bool,
}

impl Page {
    fn read(call: &Call<'_>) -> Outcome<Self> {
        let sort = call.word("sort", &["id", "name", "date", "size"])?.unwrap_or("name").to_ascii_lowercase();
        let descending =
            call.word("direction", &["ASC", "DESC"])?.is_some_and(|word| word.eq_ignore_ascii_case("DESC"));
        let limit = call.number("limit", PAGE, PAGE_LIMIT)?;
        let offset = call.number("offset", 0, OFFSET_LIMIT)?;
        Ok(Self { limit, offset, sort, descending })
    }

    /// Folders come before files, whatever else the order is.
    fn order(&self, one: &Item, other: &Item) -> Ordering {
        let size = |item: &Item| item.versions.last().map(|version| version.content.size);
        let by = match self.sort.as_str() {
            "id" => one.id.cmp(&other.id),
            "date" => one.modified.cmp(&other.modified),
            "size" => size(one).cmp(&size(other)),
            _ => one.name.to_lowercase().cmp(&other.name.to_lowercase()),
        };
        let by = if self.descending { by.reverse() } else { by };
        one.is_file().cmp(&other.is_file()).then(by).then(one.id.cmp(&other.id))
    }

    fn by_offset(&self, drive: &Drive, folder: u64, fields: &view::Fields, origin: &str) -> Value {
        let mut all: Vec<&Item> = drive.children(folder).collect();
        all.sort_by(|one, other| self.order(one, other));
        let total = all.len();
        let shown = all.into_iter().skip(self.offset).take(self.limit);
        let entries: Vec<Value> = shown.map(|item| view::entry(drive, item, fields, origin)).collect();
        json!({
            "total_count": total,
            "entries": entries,
            "offset": self.offset,
            "limit": self.limit,
            "order": [
                { "by": "type", "direction": "ASC" },
                { "by": self.sort, "direction": if self.descending { "DESC" } else { "ASC" } },
            ],
        })
    }

    /// Pages that do not shift when items come and go: folders before files, by id.
    fn by_marker(&self, drive: &Drive, folder: u64, call: &Call<'_>, origin: &str) -> Outcome<Value> {
        let after = match call.query.get("marker").filter(|marker| !marker.is_empty()) {
            None => None,
            Some(marker) => {
                let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
                let place: Option<(bool, u64)> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                Some(place.ok_or_else(|| Failure::invalid("marker", "The marker is not valid."))?)
            }
        };
        let mut all: Vec<&Item> = drive.children(folder).collect();
        all.sort_by_key(|item| (item.is_file(), item.id));
        let mut left = all.into_iter().filter(|item| after.is_none_or(|after| (item.is_file(), item.id) > after));
        let shown: Vec<&Item> = left.by_ref().take(self.limit).collect();
        let next = match (left.next(), shown.last()) {
            (Some(_), Some(last)) => {
                let place = serde_json::to_vec(&(last.is_file(), last.id)).unwrap_or_default();
                json!(URL_SAFE_NO_PAD.encode(place))
            }
            _ => Value::Null,
        };
        let entries: Vec<Value> = shown.iter().map(|item| view::entry(drive, item, &call.fields, origin)).collect();
        Ok(json!({ "entries": entries, "limit": self.limit, "next_marker": next }))
    }
}

/// `POST /folders`
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let members = Members::read(&body)?;
        let name = members.needed_text("name")?;
        let parent = members.needed_parent()?;
        let now = api.core.now();
        api.drive(call.account, |drive| {
            let parent = drive.folder_id(parent)?;
            let id = drive.add(New::folder(name, parent), now)?;
            created(&api, &call, drive, id)
        })
    })())
}

/// A new folder or copy, with what it holds.
fn created(api: &Api, call: &Call<'_>, drive: &Drive, id: u64) -> Outcome {
    let item = drive.item(id).ok_or(FORBIDDEN)?;
    let mut shown = view::item(drive, item, &call.fields, &api.core.origin);
    add_items(api, call, drive, id, &mut shown);
    Ok(json_response(201, &Value::Object(shown)))
}

fn add_items(api: &Api, call: &Call<'_>, drive: &Drive, id: u64, shown: &mut Map<String, Value>) {
    if call.fields.wants("item_collection") {
        let limit = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let page = Page { limit, offset: 0, sort: "name".to_owned(), descending: false };
        let items = page.by_offset(drive, id, &view::Fields::read(None), &api.core.origin);
        shown.insert("item_collection".to_owned(), items);
    }
}

/// `PUT /folders/{id}`
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
            let number = drive.folder(&id)?.ok_or(FORBIDDEN)?.id;
            change(&api, &call, drive, number, &members)?;
            let item = drive.item(number).ok_or(FORBIDDEN)?;
            let mut shown = view::item(drive, item, &call.fields, &api.core.origin);
            add_items(&api, &call, drive, number, &mut shown);
            Ok(json_response(200, &Value::Object(shown)))
        })
    })())
}

/// Changes an item as a PUT says.
pub(super) fn change(api: &Api, call: &Call<'_>, drive: &mut Drive, id: u64, members: &Members) -> Outcome<()> {
    let now = api.core.now();
    let lock_id = drive.fresh_id();
    let item = drive.item(id).ok_or(FORBIDDEN)?;
    call.check_match(item)?;
    let file = item.is_file();
    let name = members.text("name")?.unwrap_or(&item.name).to_owned();
    let parent = match members.parent()? {
        Some(parent) => drive.folder_id(parent)?,
        None => item.parent,
    };
    let description = members.text("description")?.map(str::to_owned);
    let tags = members.texts("tags")?;
    let link = members.shared_link(now, item.link.as_ref())?;
    let lock = if file { members.lock(lock_id, call.account, now)? } else { Change::Keep };
    if !file {
        drive.check_cycle(id, parent)?;
    }
    drive.check_name(parent, &name, Some(id), file)?;
    drive.place(id, name, parent);
    let item = drive.item_mut(id).ok_or(FORBIDDEN)?;
    if let Some(description) = description {
        item.description = description;
    }
    if let Some(tags) = tags {
        item.tags = tags;
    }
    match link {
        Change::Keep => {}
        Change::Remove => item.link = None,
        Change::Set(link) => item.link = Some(link),
    }
    match lock {
        Change::Keep => {}
        Change::Remove => item.lock = None,
        Change::Set(lock) => item.lock = Some(lock),
    }
    item.touch(now);
    Ok(())
}

/// `DELETE /folders/{id}`
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let recursive = call.flag("recursive")?;
        api.drive(call.account, |drive| {
            let folder = drive.folder(&id)?.ok_or(FORBIDDEN)?;
            call.check_match(folder)?;
            let number = folder.id;
            if !recursive && drive.children(number).next().is_some() {
                return Err(Failure::Other(400, "folder_not_empty", "Cannot delete - folder not empty"));
            }
            drive.delete(number);
            Ok(empty(204))
        })
    })())
}

/// `DELETE /folders/{id}/trash`
pub(super) async fn purge(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| drive.purge(&input.id, false))?;
        Ok(empty(204))
    })())
}

/// `POST /folders/{id}/copy`
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
            let number = drive.folder(&id)?.ok_or(FORBIDDEN)?.id;
            let parent = drive.folder_id(parent)?;
            drive.check_cycle(number, parent)?;
            let copy = drive.copy(number, parent, name, now)?;
            created(&api, &call, drive, copy)
        })
    })())
}
