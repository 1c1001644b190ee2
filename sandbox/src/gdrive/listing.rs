//! Lists of files, and searches.

use std::{cmp::Ordering, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, Method},
    response::Response,
};
use serde_json::json;

use super::{
    Api, Call,
    failure::{Failure, Outcome, answer},
    mask::Mask,
    query,
    store::{Drive, Item},
    view,
};
use crate::http;

/// What files can be ordered by.
const KEYS: &[&str] = &[
    "createdTime",
    "folder",
    "modifiedByMeTime",
    "modifiedTime",
    "name",
    "name_natural",
    "quotaBytesUsed",
    "recency",
    "sharedWithMeTime",
    "starred",
    "viewedByMeTime",
];

/// `GET /files`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let default = "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType,resourceKey)";
        let mask = Mask::read(call.query.get("fields"), "FileList", default)?;
        let size = call.page_size(100, 1000)?;
        let text = |name: &str| call.query.get(name).map_or("", String::as_str);
        let wanted = match text("q") {
            "" => None,
            q => Some(query::parse(q)?),
        };
        let orders = orders(text("orderBy"))?;
        let within = within(&call)?;
        let question = format!("{}|{}|{within:?}", text("q"), text("orderBy"));
        let origin = &api.core.origin;
        api.drive(call.account, |drive| {
            for parent in wanted.iter().flat_map(query::Term::parents) {
                if drive.find(parent, within != Within::Own).is_err() {
                    return Err(Failure::NotFound(String::new()));
                }
            }
            if let Within::Drive(id) = &within
                && !drive.shared.contains_key(id)
            {
                return Err(Failure::NoSuch("drive", id.clone()));
            }
            let mut found: Vec<&Item> = drive
                .all()
                .filter(|item| !drive.is_root(&item.id) && within.holds(item))
                .filter(|item| wanted.as_ref().is_none_or(|wanted| wanted.meets(drive, item)))
                .collect();
            found.sort_by(|a, b| compare(&orders, a, b).then_with(|| b.number.cmp(&a.number)));
            let (page, next) = call.page(found, size, &question)?;
            let files: Vec<_> = page.into_iter().map(|item| view::file(drive, item, origin)).collect();
            let mut body = json!({ "kind": "drive#fileList", "incompleteSearch": false, "files": files });
            if let (Some(next), Some(body)) = (next, body.as_object_mut()) {
                body.insert("nextPageToken".to_owned(), json!(next));
            }
            Ok(http::json(200, &mask.apply(&body)))
        })
    })())
}

/// Where files are looked for.
#[derive(Debug, PartialEq, Eq)]
enum Within {
    /// In the account's own tree.
    Own,
    /// There and in all shared drives.
    All,
    /// In one shared drive.
    Drive(String),
}

impl Within {
    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Own => item.drive.is_none(),
            Self::All => true,
            Self::Drive(id) => item.drive.as_ref() == Some(id),
        }
    }
}

fn within(call: &Call) -> Outcome<Within> {
    let include = call.flag("includeItemsFromAllDrives")? || call.flag("includeTeamDriveItems")?;
    if include && !call.all_drives()? {
        return Err(Failure::parameter(
            "includeItemsFromAllDrives",
            "The includeItemsFromAllDrives parameter requires supportsAllDrives to be true.".to_owned(),
        ));
    }
    let id = call.query.get("driveId").or_else(|| call.query.get("teamDriveId"));
    let corpora = call.query.get("corpora").map_or("user", String::as_str);
    match (corpora, id) {
        ("drive", Some(_)) | ("allDrives", None) if !include => Err(Failure::parameter(
            "corpora",
            "The specified corpora needs includeItemsFromAllDrives to be true.".to_owned(),
        )),
        ("drive", Some(id)) => Ok(Within::Drive(id.clone())),
        ("drive", None) | (_, Some(_)) => Err(Failure::parameter(
            "driveId",
            "The driveId parameter must be specified if and only if corpora is set to drive.".to_owned(),
        )),
        ("allDrives", None) => Ok(Within::All),
        ("user" | "domain", None) => Ok(if include { Within::All } else { Within::Own }),
        _ => Err(Failure::invalid("corpora")),
    }
}

fn orders(text: &str) -> Outcome<Vec<(&'static str, bool)>> {
    let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
    keys.map(|key| {
        let (name, descending) = match key.split_once(' ') {
            Some((name, "desc")) => (name, true),
            Some(_) => return Err(Failure::invalid("orderBy")),
            None => (key, false),
        };
        let known = KEYS.iter().find(|known| **known == name).ok_or_else(|| Failure::invalid("orderBy"))?;
        Ok((*known, descending))
    })
    .collect()
}

fn compare(orders: &[(&str, bool)], a: &Item, b: &Item) -> Ordering {
    let size = |item: &Item| item.content().map_or(0, |content| content.size);
    for (key, descending) in orders {
        let order = match *key {
            "createdTime" => a.created.cmp(&b.created),
            "folder" => b.is_folder().cmp(&a.is_folder()),
            "name" | "name_natural" => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
            "quotaBytesUsed" => size(a).cmp(&size(b)),
            "starred" => b.starred.cmp(&a.starred),
            _ => a.modified.cmp(&b.modified),
        };
        let order = if *descending { order.reverse() } else { order };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Refuses an update of what is not the account's to change.
pub(super) fn check_changeable(drive: &Drive, id: &str) -> Outcome<()> {
    if drive.is_root(id) { Err(super::failure::FORBIDDEN) } else { Ok(()) }
}
