//! Who may do what with a file.

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
    store::{Drive, Permission},
    view,
};
use crate::http;

const DEFAULT: &str = "kind,id,type,role";
const ROLES: &[&str] = &["owner", "organizer", "fileOrganizer", "writer", "commenter", "reader"];

fn show(call: &Call, permission: &Permission) -> Outcome {
    let mask = Mask::read(call.query.get("fields"), "Permission", DEFAULT)?;
    Ok(http::json(200, &mask.apply(&view::permission(permission))))
}

fn find<'a>(drive: &'a Drive, call: &Call, file: &str, id: &str) -> Outcome<&'a Permission> {
    let item = drive.find(file, call.all_drives()?)?;
    let found = item.permissions.iter().find(|permission| permission.id == id);
    found.ok_or_else(|| Failure::NoSuch("permission", id.to_owned()))
}

/// `GET /files/{id}/permissions`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let default = format!("kind,nextPageToken,permissions({DEFAULT})");
        let mask = Mask::read(call.query.get("fields"), "PermissionList", &default)?;
        let size = call.page_size(100, 100)?;
        let all = call.all_drives()?;
        let permissions =
            api.drive(call.account, |drive| Ok::<_, Failure>(drive.find(&id, all)?.permissions.clone()))?;
        let (page, next) = call.page(permissions, size, &id)?;
        let shown: Vec<Value> = page.iter().map(view::permission).collect();
        let mut body = json!({ "kind": "drive#permissionList", "permissions": shown });
        if let (Some(next), Some(body)) = (next, body.as_object_mut()) {
            body.insert("nextPageToken".to_owned(), json!(next));
        }
        Ok(http::json(200, &mask.apply(&body)))
    })())
}

/// `GET /files/{id}/permissions/{permission}`
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    method: Method,
    Path((file, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        api.drive(call.account, |drive| show(&call, find(drive, &call, &file, &id)?))
    })())
}

/// `POST /files/{id}/permissions`: who is allowed already is changed.
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    method: Method,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let members = Members::read(&body)?;
        let kind = members.needed("type")?;
        let role = role(&members)?.ok_or_else(|| Failure::required("role"))?;
        if role == "owner" && !call.flag("transferOwnership")? {
            let message = "The transferOwnership parameter must be enabled when the permission role is 'owner'.";
            return Err(Failure::Other(403, "forbidden", message));
        }
        let discoverable = members.flag("allowFileDiscovery")?.unwrap_or(false);
        let (id, email, domain) = match kind {
            "user" | "group" => {
                let email = members.needed("emailAddress")?;
                if !email.contains('@') {
                    return Err(Failure::Other(
                        400,
                        "invalidSharingRequest",
                        "Bad Request. User message: \"The address is not valid.\"",
                    ));
                }
                (number(email), Some(email.to_owned()), None)
            }
            "domain" => {
                let domain = members.needed("domain")?;
                (format!("{}k", number(domain)), None, Some(domain.to_owned()))
            }
            "anyone" if discoverable => ("anyone".to_owned(), None, None),
            "anyone" => ("anyoneWithLink".to_owned(), None, None),
            _ => return Err(Failure::invalid("permission.type")),
        };
        if matches!(kind, "anyone" | "domain") && !matches!(role.as_str(), "writer" | "commenter" | "reader") {
            return Err(Failure::invalid("permission.role"));
        }
        let expires = expiry(&api, &members, kind)?;
        let made = Permission { id, kind: kind.to_owned(), role, email, domain, discoverable, expires };
        let all = call.all_drives()?;
        api.drive(call.account, |drive| {
            let file = drive.find(&file, all)?.id.clone();
            let item = drive.get_mut(&file)?;
            match item.permissions.iter_mut().find(|permission| permission.id == made.id) {
                Some(known) if known.role != "owner" => *known = made.clone(),
                Some(known) => return show(&call, known),
                None => item.permissions.push(made.clone()),
            }
            item.version += 1;
            show(&call, &made)
        })
    })())
}

/// `PATCH /files/{id}/permissions/{permission}`: the role and the end.
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
        let members = Members::read(&body)?;
        if ["type", "emailAddress", "domain", "id"].iter().any(|name| members.has(name)) {
            let message = "The resource body includes fields which are not directly writable.";
            return Err(Failure::Other(403, "fieldNotWritable", message));
        }
        let role = role(&members)?;
        api.drive(call.account, |drive| {
            let known = find(drive, &call, &file, &id)?.clone();
            if known.role == "owner" || role.as_deref() == Some("owner") {
                return Err(super::failure::FORBIDDEN);
            }
            let expires = expiry(&api, &members, &known.kind)?;
            let file = drive.find(&file, true)?.id.clone();
            let item = drive.get_mut(&file)?;
            let place = item.permissions.iter_mut().find(|permission| permission.id == known.id);
            let place = place.ok_or_else(|| Failure::NoSuch("permission", id.clone()))?;
            if let Some(role) = role {
                place.role = role;
            }
            if call.flag("removeExpiration")? {
                place.expires = None;
            }
            place.expires = expires.or(place.expires);
            show(&call, place)
        })
    })())
}

/// `DELETE /files/{id}/permissions/{permission}`
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    method: Method,
    Path((file, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        api.drive(call.account, |drive| {
            if find(drive, &call, &file, &id)?.role == "owner" {
                return Err(super::failure::FORBIDDEN);
            }
            let file = drive.find(&file, true)?.id.clone();
            drive.get_mut(&file)?.permissions.retain(|permission| permission.id != id);
            Ok(http::empty(204))
        })
    })())
}

fn role(members: &Members) -> Outcome<Option<String>> {
    match members.text("role")? {
        None => Ok(None),
        Some(role) if ROLES.contains(&role) => Ok(Some(role.to_owned())),
        Some(_) => Err(Failure::invalid("permission.role")),
    }
}

/// When a permission ends: only those of users and groups do, within a year.
fn expiry(api: &Api, members: &Members, kind: &str) -> Outcome<Option<chrono::DateTime<chrono::Utc>>> {
    let Some(at) = members.time("expirationTime")? else { return Ok(None) };
    let now = api.core.now();
    if !matches!(kind, "user" | "group") {
        return Err(Failure::Other(403, "cannotSetExpiration", "Expiration dates cannot be set on this item."));
    }
    if at <= now || at > now + chrono::TimeDelta::days(366) {
        return Err(Failure::invalid("permission.expirationTime"));
    }
    Ok(Some(at))
}

/// A permission's id: always the same for the same address.
fn number(address: &str) -> String {
    let sum = address.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("{sum:020}")
}
