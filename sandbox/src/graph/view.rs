//! What things look like.

use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::store::{Drive, Item, Link, Owner, Version};
use crate::core::{Person, person};

/// What the paths in answers leave as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// What all drives have room for.
const TOTAL: u64 = 5 * 1024 * 1024 * 1024;

/// How much an item tells of where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// With the parent's path.
    Path,
    /// Without, as in searches and deltas.
    Parent,
}

pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn identity(person: &Person) -> Value {
    json!({ "user": { "id": format!("{:0>8}-0000-4000-8000-000000000000", person.number), "displayName": person.full(), "email": person.email } })
}

fn kind(drive: &Drive) -> &'static str {
    match drive.owner {
        Owner::Person(_) => "personal",
        Owner::Site(_) => "documentLibrary",
    }
}

fn owner(drive: &Drive) -> &'static Person {
    match drive.owner {
        Owner::Person(number) => person(number),
        Owner::Site(_) => person(1),
    }
}

/// Names as the segments of a path, each after a slash.
fn below(names: &[String]) -> String {
    names.iter().flat_map(|name| std::iter::once("/").chain(utf8_percent_encode(name, PATH))).collect()
}

/// The path of a folder, as it stands in `parentReference`.
fn reference_path(drive: &Drive, names: &[String]) -> String {
    let root = match drive.owner {
        Owner::Person(_) => "/drive/root:".to_owned(),
        Owner::Site(_) => format!("/drives/{}/root:", drive.id),
    };
    format!("{root}{}", below(names))
}

/// A driveItem; files come with their download address where one is given.
pub(super) fn item(drive: &Drive, item: &Item, tell: Tell, origin: &str, download: Option<&str>) -> Value {
    let names = drive.path(item);
    let who = identity(owner(drive));
    let mut shown = Map::new();
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    if let Some(url) = download {
        put("@microsoft.graph.downloadUrl", json!(url));
    }
    put("id", json!(item.id));
    put("name", json!(item.name));
    put("size", json!(drive.size(item)));
    put("eTag", json!(format!("\"{{{}}},{}\"", item.id, item.etag)));
    put("cTag", json!(format!("\"c:{{{}}},{}\"", item.id, item.versions.len())));
    put("createdDateTime", json!(time(item.created)));
    put("lastModifiedDateTime", json!(time(item.modified)));
    let path = below(&names);
    put("webUrl", json!(format!("{origin}/web/{}{path}", drive.id)));
    if let Some(description) = &item.description {
        put("description", json!(description));
    }
    put("createdBy", who.clone());
    put("lastModifiedBy", who);
    let mut parent =
        Map::from_iter([("driveId".to_owned(), json!(drive.id)), ("driveType".to_owned(), json!(kind(drive)))]);
    if let Some(id) = &item.parent {
        parent.insert("id".to_owned(), json!(id));
        if tell == Tell::Path {
            let above = names.split_last().map_or(&[][..], |(_, above)| above);
            parent.insert("path".to_owned(), json!(reference_path(drive, above)));
            if let Some(name) = above.last() {
                parent.insert("name".to_owned(), json!(name));
            }
        }
    }
    put("parentReference", Value::Object(parent));
    put(
        "fileSystemInfo",
        json!({ "createdDateTime": time(item.created), "lastModifiedDateTime": time(item.modified) }),
    );
    match item.content() {
        Some(content) => {
            let mime = mime(&item.name);
            put("file", json!({ "mimeType": mime, "hashes": { "sha1Hash": content.hash.to_uppercase() } }));
        }
        None => {
            put("folder", json!({ "childCount": drive.children(&item.id).len() }));
        }
    }
    if item.parent.is_none() {
        put("root", json!({}));
    }
    if !item.links.is_empty() {
        put("shared", json!({ "scope": "anonymous" }));
    }
    Value::Object(shown)
}

fn mime(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("txt") => "text/plain",
        Some("csv") => "text/csv",
        Some("md") => "text/markdown",
        Some("pdf") => "application/pdf",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

/// A drive.
pub(super) fn drive(drive: &Drive, origin: &str) -> Value {
    let used: u64 = drive.all().filter_map(|item| item.content().map(|content| content.size)).sum();
    json!({
        "id": drive.id,
        "name": drive.name,
        "description": "",
        "driveType": kind(drive),
        "webUrl": format!("{origin}/web/{}", drive.id),
        "owner": identity(owner(drive)),
        "quota": { "total": TOTAL, "used": used, "remaining": TOTAL.saturating_sub(used), "deleted": 0, "state": "normal" },
    })
}

/// Version number `number` (from 1) of a file.
pub(super) fn version(drive: &Drive, version: &Version, number: usize) -> Value {
    json!({
        "id": format!("{number}.0"),
        "lastModifiedDateTime": time(version.modified),
        "lastModifiedBy": identity(owner(drive)),
        "size": version.content.size,
    })
}

/// A sharing link as a permission.
pub(super) fn link(link: &Link, origin: &str) -> Value {
    let mut shown = Map::from_iter([
        ("id".to_owned(), json!(link.id)),
        ("roles".to_owned(), json!([if link.kind == "edit" { "write" } else { "read" }])),
        ("shareId".to_owned(), json!(format!("u!{}", link.id))),
        ("hasPassword".to_owned(), json!(link.password)),
        (
            "link".to_owned(),
            json!({ "type": link.kind, "scope": link.scope, "webUrl": format!("{origin}/share/{}", link.id), "preventsDownload": false }),
        ),
    ]);
    if let Some(at) = link.expires {
        shown.insert("expirationDateTime".to_owned(), json!(time(at)));
    }
    Value::Object(shown)
}

/// The permission everybody's files have: the owner's.
pub(super) fn owner_permission(drive: &Drive) -> Value {
    json!({ "id": format!("owner-{}", owner(drive).number), "roles": ["owner"], "grantedToV2": identity(owner(drive)) })
}

/// A user.
pub(super) fn user(person: &Person) -> Value {
    json!({
        "id": format!("{:0>8}-0000-4000-8000-000000000000", person.number),
        "displayName": person.full(),
        "givenName": person.given,
        "surname": person.surname,
        "mail": person.email,
        "userPrincipalName": person.email,
    })
}
