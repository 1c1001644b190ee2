//! What items look like: the standard fields, the few of a listing, or those that are asked for.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{
    records::at,
    store::{Drive, Item, Link, ROOT, Version},
};
use crate::core::person;

/// The fields of a file when none are asked for.
const FILE: &[&str] = &[
    "type",
    "id",
    "file_version",
    "sequence_id",
    "etag",
    "sha1",
    "name",
    "description",
    "size",
    "path_collection",
    "created_at",
    "modified_at",
    "trashed_at",
    "purged_at",
    "content_created_at",
    "content_modified_at",
    "created_by",
    "modified_by",
    "owned_by",
    "shared_link",
    "parent",
    "item_status",
];

/// The fields of a folder when none are asked for.
const FOLDER: &[&str] = &[
    "type",
    "id",
    "sequence_id",
    "etag",
    "name",
    "created_at",
    "modified_at",
    "description",
    "size",
    "path_collection",
    "created_by",
    "modified_by",
    "trashed_at",
    "purged_at",
    "content_created_at",
    "content_modified_at",
    "owned_by",
    "shared_link",
    "folder_upload_email",
    "parent",
    "item_status",
    "item_collection",
];

/// The fields of an entry in a listing when none are asked for.
const ENTRY: &[&str] = &["type", "id", "file_version", "sequence_id", "etag", "sha1", "name"];

/// What there always is.
const BASE: &[&str] = &["type", "id", "etag"];

/// Which fields to show.
#[derive(Clone, Debug)]
pub(super) struct Fields(Option<Vec<String>>);

impl Fields {
    /// Reads the `fields` query parameter.
    pub(super) fn read(query: Option<&String>) -> Self {
        Self(query.map(|fields| fields.split(',').map(|field| field.trim().to_owned()).collect()))
    }

    /// Whether `item_collection` is wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|fields| fields.iter().any(|field| field == name))
    }

    /// What is asked for of all there is, or the standard fields.
    pub(super) fn pick(&self, mut all: Map<String, Value>, standard: &[&str]) -> Map<String, Value> {
        let chosen = match &self.0 {
            None => standard.to_vec(),
            Some(fields) => {
                let more = fields.iter().map(String::as_str).filter(|field| !BASE.contains(field));
                BASE.iter().copied().chain(more).collect()
            }
        };
        chosen.into_iter().filter_map(|name| all.remove(name).map(|value| (name.to_owned(), value))).collect()
    }

    /// A user, of whom nothing but type and id is always shown.
    pub(super) fn user(&self, drive: &Drive) -> Map<String, Value> {
        let all = user_full(drive);
        if self.0.is_none() {
            return all;
        }
        self.pick(all, &[])
    }
}

/// The time in Box's format.
pub(super) fn timestamp(at: DateTime<Utc>) -> Value {
    // Box answers in Pacific time.
    let zone = FixedOffset::west_opt(8 * 3600);
    json!(zone.map(|zone| at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false)))
}

/// An item by itself.
pub(super) fn item(drive: &Drive, item: &Item, fields: &Fields, origin: &str) -> Map<String, Value> {
    fields.pick(full(drive, item, origin), if item.is_file() { FILE } else { FOLDER })
}

/// An item in a listing.
pub(super) fn entry(drive: &Drive, item: &Item, fields: &Fields, origin: &str) -> Value {
    Value::Object(fields.pick(full(drive, item, origin), ENTRY))
}

/// An item in a conflict, or as somebody's parent.
pub(super) fn mini(item: &Item) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("type".to_owned(), json!(item.kind()));
    map.insert("id".to_owned(), json!(item.id.to_string()));
    if let Some(version) = item.versions.last() {
        map.insert("file_version".to_owned(), file_version(version));
    }
    map.insert("sequence_id".to_owned(), json!(item.etag.to_string()));
    map.insert("etag".to_owned(), json!(item.etag.to_string()));
    if let Some(version) = item.versions.last() {
        map.insert("sha1".to_owned(), json!(version.content.hash));
    }
    map.insert("name".to_owned(), json!(item.name));
    map
}

fn root_mini() -> Value {
    json!({ "type": "folder", "id": "0", "sequence_id": null, "etag": null, "name": "All Files" })
}

/// The root folder.
pub(super) fn root(drive: &Drive, fields: &Fields) -> Map<String, Value> {
    let user = Value::Object(user_mini(drive.account));
    let mut all = root_mini().as_object().cloned().unwrap_or_default();
    for name in ["created_at", "modified_at", "trashed_at", "purged_at", "content_created_at", "content_modified_at"] {
        all.insert(name.to_owned(), Value::Null);
    }
    for name in ["shared_link", "folder_upload_email", "parent"] {
        all.insert(name.to_owned(), Value::Null);
    }
    all.insert("description".to_owned(), json!(""));
    all.insert("size".to_owned(), json!(drive.size(ROOT)));
    all.insert("path_collection".to_owned(), json!({ "total_count": 0, "entries": [] }));
    all.insert("created_by".to_owned(), json!({ "type": "user", "id": "", "name": "", "login": "" }));
    all.insert("modified_by".to_owned(), user.clone());
    all.insert("owned_by".to_owned(), user);
    all.insert("item_status".to_owned(), json!("active"));
    fields.pick(all, FOLDER)
}

/// Every field an item has, `item_collection` apart.
fn full(drive: &Drive, item: &Item, origin: &str) -> Map<String, Value> {
    let mut all = mini(item);
    let above = drive.above(item);
    let mut path = vec![root_mini()];
    path.extend(above.iter().rev().map(|folder| Value::Object(mini(folder))));
    let user = Value::Object(user_mini(drive.account));
    let size = item.versions.last().map_or_else(|| drive.size(item.id), |version| version.content.size);
    let parent = above.first().map_or_else(root_mini, |folder| Value::Object(mini(folder)));
    let link = item.link.as_ref().map_or(Value::Null, |link| shared_link(item, link, origin));
    let more = [
        ("description", json!(item.description)),
        ("size", json!(size)),
        ("path_collection", json!({ "total_count": path.len(), "entries": path })),
        ("created_at", timestamp(item.created)),
        ("modified_at", timestamp(item.modified)),
        ("trashed_at", Value::Null),
        ("purged_at", Value::Null),
        ("content_created_at", timestamp(item.content_created)),
        ("content_modified_at", timestamp(item.content_modified)),
        ("created_by", user.clone()),
        ("modified_by", user.clone()),
        ("owned_by", user),
        ("shared_link", link),
        ("parent", parent),
        ("item_status", json!("active")),
        ("tags", json!(item.tags)),
        ("has_collaborations", json!(false)),
        ("is_externally_owned", json!(false)),
        ("permissions", permissions(item)),
    ];
    all.extend(more.map(|(name, value)| (name.to_owned(), value)));
    if item.is_file() {
        let extension = item.name.rsplit_once('.').map_or("", |(_, extension)| extension);
        all.insert("extension".to_owned(), json!(extension));
        all.insert("version_number".to_owned(), json!(item.versions.len().to_string()));
        let comments =
            drive.records.of("comment").filter(|comment| at(comment, "/item/id") == item.id.to_string().as_str());
        all.insert("comment_count".to_owned(), json!(comments.count()));
        all.insert("lock".to_owned(), item.lock.clone().unwrap_or_default());
    } else {
        all.insert("folder_upload_email".to_owned(), Value::Null);
        all.insert("sync_state".to_owned(), json!("not_synced"));
        all.insert("can_non_owners_invite".to_owned(), json!(true));
        all.insert("allowed_shared_link_access_levels".to_owned(), json!(["collaborators", "open", "company"]));
    }
    all
}

fn permissions(item: &Item) -> Value {
    let mut all = json!({
        "can_delete": true, "can_download": true, "can_invite_collaborator": true, "can_rename": true,
        "can_set_share_access": true, "can_share": true,
    });
    let more = if item.is_file() {
        ["can_annotate", "can_comment", "can_preview", "can_upload"].as_slice()
    } else {
        ["can_upload"].as_slice()
    };
    if let Some(all) = all.as_object_mut() {
        all.extend(more.iter().map(|name| ((*name).to_owned(), json!(true))));
    }
    all
}

fn file_version(version: &Version) -> Value {
    json!({ "type": "file_version", "id": version.id.to_string(), "sha1": version.content.hash })
}

/// A version in the list of older ones.
pub(super) fn version(version: &Version, account: u32) -> Value {
    json!({
        "type": "file_version",
        "id": version.id.to_string(),
        "sha1": version.content.hash,
        "name": version.name,
        "size": version.content.size,
        "created_at": timestamp(version.created),
        "modified_at": timestamp(version.created),
        "modified_by": user_mini(account),
        "trashed_at": null,
        "trashed_by": null,
        "restored_at": null,
        "restored_by": null,
        "purged_at": null,
        "uploader_display_name": person(account).full(),
    })
}

fn shared_link(item: &Item, link: &Link, origin: &str) -> Value {
    let file = item.name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let download = format!("{origin}/shared/static/{}.{}", link.secret, utf8_percent_encode(file, NON_ALPHANUMERIC));
    let download = download.trim_end_matches('.');
    json!({
        "url": format!("{origin}/s/{}", link.secret),
        "download_url": (item.is_file() && link.can_download && !link.password).then_some(download),
        "vanity_url": null,
        "vanity_name": null,
        "effective_access": link.access,
        "effective_permission": if link.can_download { "can_download" } else { "can_preview" },
        "is_password_enabled": link.password,
        "unshared_at": link.unshared_at.map(timestamp),
        "download_count": 0,
        "preview_count": 0,
        "access": link.access,
        "permissions": { "can_preview": true, "can_download": link.can_download, "can_edit": false },
    })
}

/// A user in short.
pub(super) fn user_mini(account: u32) -> Map<String, Value> {
    let person = person(account);
    let map = [
        ("type", json!("user")),
        ("id", json!(user_id(account))),
        ("name", json!(person.full())),
        ("login", json!(person.email)),
    ];
    map.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn user_id(account: u32) -> String {
    (11_446_000 + u64::from(account)).to_string()
}

fn user_full(drive: &Drive) -> Map<String, Value> {
    let mut all = user_mini(drive.account);
    let more = [
        ("created_at", json!("2020-03-01T09:30:00-08:00")),
        ("modified_at", json!("2026-06-01T09:30:00-07:00")),
        ("language", json!("en")),
        ("timezone", json!("Europe/Stockholm")),
        ("space_amount", json!(10_737_418_240_u64)),
        ("space_used", json!(drive.size(ROOT))),
        ("max_upload_size", json!(5_368_709_120_u64)),
        ("status", json!("active")),
        ("job_title", json!("")),
        ("phone", json!("")),
        ("address", json!("")),
        ("avatar_url", json!("")),
        ("notification_email", Value::Null),
    ];
    all.extend(more.map(|(name, value)| (name.to_owned(), value)));
    all
}
