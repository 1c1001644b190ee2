//! Shared links.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use chrono::{DateTime, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{
    Api, Caller, args,
    failure::{self, Failure, Outcome},
    files::check_path,
    transfer,
    tree::{Kind, Node, timestamp},
};
use crate::{
    core::{hold, random_hex},
    http,
};

/// A link to a file or folder.
#[derive(Clone, Debug)]
pub(super) struct Link {
    account: u32,
    /// The id of what it leads to.
    target: String,
    secret: String,
    url: String,
    visibility: String,
    expires: Option<DateTime<Utc>>,
    password: Option<String>,
    allow_download: bool,
}

/// `sharing/create_shared_link_with_settings`
pub(super) fn create(api: &Api, caller: &Caller, arg: args::CreateSharedLink) -> Outcome {
    check_path("path", &arg.path, &["id:", "rev:", "ns:"])?;
    let (key, node) = live(api, caller, &arg.path)?;
    let existing =
        hold(&api.links).iter().find(|link| link.account == caller.account && link.target == node.id).cloned();
    if let Some(link) = existing {
        let metadata = json!({ ".tag": "metadata", "metadata": describe(&link, &key, &node) });
        return Err(Failure::nested("shared_link_already_exists", metadata));
    }
    let invalid = || Failure::nested("settings_error", json!({ ".tag": "invalid_settings" }));
    let (mut visibility, mut expires, mut password, mut allow_download) = ("public".to_owned(), None, None, true);
    if let Some(settings) = arg.settings {
        let wants_password =
            settings.require_password.unwrap_or(false) || settings.requested_visibility.as_deref() == Some("password");
        if wants_password != settings.link_password.is_some() {
            return Err(invalid());
        }
        if settings.expires.is_some_and(|expires| expires <= api.core.now()) {
            return Err(invalid());
        }
        let team = settings.requested_visibility.as_deref() == Some("team_only")
            || matches!(settings.audience.as_deref(), Some("team" | "members"));
        if team {
            // The account is nobody's team member.
            return Err(Failure::nested("settings_error", json!({ ".tag": "not_authorized" })));
        }
        if wants_password {
            "password".clone_into(&mut visibility);
        }
        expires = settings.expires;
        password = settings.link_password;
        allow_download = settings.allow_download.unwrap_or(true);
    }
    let secret = random_hex(8);
    let kind = if matches!(node.kind, Kind::Folder) { "fo" } else { "fi" };
    let name = utf8_percent_encode(&node.name, NON_ALPHANUMERIC);
    let url = format!("{}/scl/{kind}/{secret}/{name}?rlkey={}&dl=0", api.core.origin, random_hex(12));
    let link = Link {
        account: caller.account,
        target: node.id.clone(),
        secret,
        url,
        visibility,
        expires,
        password,
        allow_download,
    };
    let answer = describe(&link, &key, &node);
    hold(&api.links).push(link);
    Ok(answer)
}

/// `sharing/list_shared_links`
pub(super) fn list(api: &Api, caller: &Caller, arg: &args::ListSharedLinks) -> Outcome {
    if arg.cursor.is_some() {
        return Err(Failure::tag("reset"));
    }
    let wanted = match arg.path.as_deref() {
        None => None,
        Some("") => Some(String::new()),
        Some(path) => {
            check_path("path", path, &["id:", "rev:", "ns:"])?;
            Some(live(api, caller, path)?.0)
        }
    };
    let direct = arg.direct_only.unwrap_or(false);
    let links = hold(&api.links).clone();
    let links: Vec<Value> = links
        .iter()
        .filter(|link| link.account == caller.account)
        .filter_map(|link| {
            let (key, node) = live(api, caller, &link.target).ok()?;
            let shown = match wanted.as_deref() {
                None => true,
                Some("") => false,
                // Without direct_only the links of the folders above count too.
                Some(wanted) => *wanted == key || (!direct && wanted.starts_with(&format!("{key}/"))),
            };
            shown.then(|| describe(link, &key, &node))
        })
        .collect();
    Ok(json!({ "links": links, "has_more": false }))
}

/// `sharing/revoke_shared_link`
pub(super) fn revoke(api: &Api, caller: &Caller, arg: &args::RevokeSharedLink) -> Outcome {
    if !arg.url.starts_with("http") {
        return Err(Failure::tag("shared_link_malformed"));
    }
    let mut links = hold(&api.links);
    let at = links.iter().position(|link| link.url == arg.url && link.account == caller.account);
    links.remove(at.ok_or_else(|| Failure::tag("shared_link_not_found"))?);
    Ok(Value::Null)
}

/// What a shared link leads to: the file itself instead of a preview page.
pub(super) async fn open(
    State(api): State<Arc<Api>>,
    Path((_, secret, _)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let link = hold(&api.links).iter().find(|link| link.secret == secret).cloned();
    let Some(link) = link.filter(|link| link.expires.is_none_or(|expires| expires > api.core.now())) else {
        return http::empty(404);
    };
    if link.password.is_some() || !link.allow_download {
        return http::empty(403);
    }
    match api.drive(link.account, |drive| drive.file(&link.target)) {
        Ok((_, _, version)) => failure::answer("scl", transfer::send(&version.content, &headers).await),
        Err(_) => http::empty(404),
    }
}

fn live(api: &Api, caller: &Caller, path: &str) -> Outcome<(String, Node)> {
    api.drive(caller.account, |drive| {
        if path.starts_with("rev:") {
            return drive.file(path).map(|(key, node, _)| (key, node)).map_err(|error| Failure::lookup("path", error));
        }
        let (key, node) = drive.live(path).map_err(|error| Failure::lookup("path", error))?;
        Ok((key, node.clone()))
    })
}

/// A link's metadata.
fn describe(link: &Link, key: &str, node: &Node) -> Value {
    let mut map = Map::new();
    let tag = if matches!(node.kind, Kind::Folder) { "folder" } else { "file" };
    map.insert(".tag".to_owned(), json!(tag));
    map.insert("url".to_owned(), json!(link.url));
    map.insert("id".to_owned(), json!(node.id));
    map.insert("name".to_owned(), json!(node.name));
    if let Some(expires) = link.expires {
        map.insert("expires".to_owned(), json!(timestamp(expires)));
    }
    map.insert("path_lower".to_owned(), json!(key));
    map.insert(
        "link_permissions".to_owned(),
        json!({
            "can_revoke": true,
            "resolved_visibility": { ".tag": link.visibility },
            "requested_visibility": { ".tag": link.visibility },
            "visibility_policies": [
                { "policy": { ".tag": "public" }, "resolved_policy": { ".tag": "public" }, "allowed": true },
                { "policy": { ".tag": "password" }, "resolved_policy": { ".tag": "password" }, "allowed": true },
            ],
            "can_set_expiry": true,
            "can_remove_expiry": true,
            "allow_download": link.allow_download,
            "can_allow_download": true,
            "can_disallow_download": true,
            "allow_comments": true,
            "team_restricts_comments": false,
            "require_password": link.password.is_some(),
        }),
    );
    if let Kind::File(version) = &node.kind {
        map.insert("client_modified".to_owned(), json!(timestamp(version.client_modified)));
        map.insert("server_modified".to_owned(), json!(timestamp(version.server_modified)));
        map.insert("rev".to_owned(), json!(version.rev));
        map.insert("size".to_owned(), json!(version.content.size));
    }
    Value::Object(map)
}
