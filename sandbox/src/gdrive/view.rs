//! Files, permissions, revisions and comments as the API shows them; masks take away from that.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::{
    download::export_formats,
    store::{Comment, Drive, Item, Permission, Revision},
};
use crate::core::person;

/// A point in time.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The account's person.
pub(super) fn user(account: u32) -> Value {
    let person = person(account);
    json!({
        "kind": "drive#user",
        "displayName": person.full(),
        "me": true,
        "permissionId": format!("{:020}", 10_000_000_000_u64 + u64::from(person.number)),
        "emailAddress": person.email,
    })
}

/// A file with all its members.
pub(super) fn file(drive: &Drive, item: &Item, origin: &str) -> Value {
    let id = &item.id;
    let trashed = drive.is_trashed(item);
    let person = user(drive.account);
    let folder = item.is_folder();
    let root = drive.is_root(id);
    let mut file = Map::new();
    let mut put = |name: &str, value: Value| file.insert(name.to_owned(), value);
    put("kind", json!("drive#file"));
    put("id", json!(id));
    put("name", json!(item.name));
    put("mimeType", json!(item.mime));
    put("starred", json!(item.starred));
    put("trashed", json!(trashed));
    put("explicitlyTrashed", json!(item.trashed.is_some()));
    put("spaces", json!(["drive"]));
    put("version", json!(item.version.to_string()));
    put("createdTime", json!(time(item.created)));
    put("modifiedTime", json!(time(item.modified)));
    put("modifiedByMe", json!(true));
    put("modifiedByMeTime", json!(time(item.modified)));
    put("lastModifyingUser", person.clone());
    put("shared", json!(item.permissions.len() > 1 || item.drive.is_some()));
    put("webViewLink", json!(format!("{origin}/file/d/{id}/view?usp=drivesdk")));
    put("iconLink", json!(format!("{origin}/icons/{}", item.mime)));
    put("writersCanShare", json!(true));
    put("copyRequiresWriterPermission", json!(false));
    put("isAppAuthorized", json!(true));
    put(
        "capabilities",
        json!({
            "canAddChildren": folder, "canListChildren": folder, "canCopy": !folder, "canDownload": !folder,
            "canComment": !folder, "canEdit": true, "canRename": !root, "canDelete": !root, "canTrash": !root,
            "canUntrash": !root, "canShare": true, "canReadRevisions": !folder,
        }),
    );
    put("permissionIds", item.permissions.iter().map(|permission| json!(permission.id)).collect());
    match &item.drive {
        None => {
            put("ownedByMe", json!(true));
            put("owners", json!([person]));
            put("permissions", item.permissions.iter().map(permission).collect());
        }
        Some(shared) => {
            put("driveId", json!(shared));
            put("teamDriveId", json!(shared));
            put("hasAugmentedPermissions", json!(false));
        }
    }
    if let Some(parent) = &item.parent {
        put("parents", json!([parent]));
    }
    if let Some(at) = item.trashed {
        put("trashedTime", json!(time(at)));
    }
    if let Some(description) = &item.description {
        put("description", json!(description));
    }
    for (name, pairs) in [("properties", &item.properties), ("appProperties", &item.app_properties)] {
        if !pairs.is_empty() {
            put(name, json!(pairs));
        }
    }
    if item.is_native() {
        if !folder {
            let formats = export_formats(&item.mime).iter();
            let links: BTreeMap<&str, String> = formats
                .map(|(mime, ending)| {
                    (*mime, format!("{origin}/feeds/download/documents/export/Export?id={id}&exportFormat={ending}"))
                })
                .collect();
            put("exportLinks", json!(links));
        }
        put("quotaBytesUsed", json!("0"));
        put("hasThumbnail", json!(false));
    } else if let Some(revision) = item.revisions.last() {
        let size = revision.content.size.to_string();
        let ending = item.name.rsplit_once('.').map_or("", |(_, ending)| ending);
        put("size", json!(size));
        put("quotaBytesUsed", json!(size));
        put("sha1Checksum", json!(revision.content.hash));
        put("headRevisionId", json!(revision.id));
        put("originalFilename", json!(revision.name));
        put("fileExtension", json!(ending));
        put("fullFileExtension", json!(ending));
        put("webContentLink", json!(format!("{origin}/uc?id={id}&export=download")));
        let image = item.mime.starts_with("image/");
        put("hasThumbnail", json!(image));
        put("thumbnailVersion", json!(if image { "1" } else { "0" }));
        if image {
            put("thumbnailLink", json!(format!("{origin}/thumbnails/{id}?sz=s220")));
        }
    }
    Value::Object(file)
}

/// A permission.
pub(super) fn permission(permission: &Permission) -> Value {
    let mut shown = json!({
        "kind": "drive#permission", "id": permission.id, "type": permission.kind, "role": permission.role,
    });
    let mut put = |name: &str, value: Value| {
        if let Some(shown) = shown.as_object_mut() {
            shown.insert(name.to_owned(), value);
        }
    };
    if let Some(email) = &permission.email {
        put("emailAddress", json!(email));
        put("displayName", json!(email.split('@').next().unwrap_or_default()));
        put("deleted", json!(false));
        put("pendingOwner", json!(false));
    }
    if let Some(domain) = &permission.domain {
        put("domain", json!(domain));
        put("displayName", json!(domain));
    }
    if matches!(permission.kind.as_str(), "anyone" | "domain") {
        put("allowFileDiscovery", json!(permission.discoverable));
    }
    if let Some(at) = permission.expires {
        put("expirationTime", json!(time(at)));
    }
    shown
}

/// A revision.
pub(super) fn revision(item: &Item, revision: &Revision, account: u32) -> Value {
    let mut shown = json!({
        "kind": "drive#revision", "id": revision.id, "mimeType": revision.mime, "modifiedTime": time(revision.modified),
        "keepForever": false, "published": false, "lastModifyingUser": user(account),
    });
    if let Some(shown) = shown.as_object_mut().filter(|_| !item.is_native()) {
        shown.insert("size".to_owned(), json!(revision.content.size.to_string()));
        shown.insert("originalFilename".to_owned(), json!(revision.name));
    }
    shown
}

/// A comment; a deleted one has lost its words.
pub(super) fn comment(comment: &Comment, account: u32) -> Value {
    let person = person(account);
    let author = json!({ "kind": "drive#user", "displayName": person.full(), "me": true });
    let mut shown = json!({
        "kind": "drive#comment", "id": comment.id, "createdTime": time(comment.created),
        "modifiedTime": time(comment.modified), "deleted": comment.deleted, "resolved": false, "author": author,
        "replies": [],
    });
    if let Some(shown) = shown.as_object_mut().filter(|_| !comment.deleted) {
        let html = comment.content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        shown.insert("content".to_owned(), json!(comment.content));
        shown.insert("htmlContent".to_owned(), json!(html));
    }
    shown
}

/// A shared drive.
pub(super) fn shared_drive(id: &str, name: &str, created: DateTime<Utc>) -> Value {
    json!({
        "kind": "drive#drive", "id": id, "name": name, "createdTime": time(created), "hidden": false,
        "colorRgb": "#0f9d58",
        "capabilities": { "canAddChildren": true, "canListChildren": true, "canDeleteDrive": true, "canRenameDrive": true },
        "restrictions": { "domainUsersOnly": false, "driveMembersOnly": false },
    })
}
