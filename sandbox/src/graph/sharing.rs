//! Links, permissions and versions.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use chrono::DateTime;
use serde_json::{Map, Value};

use super::{
    Api, Call,
    failure::{Failure, Outcome, not_found},
    sites::secret,
    store::{Link, Owner},
    view,
};
use crate::http::{self, empty, json as json_response};

/// `POST …/createLink`: an existing link of the same kind is given back.
pub(super) fn create_link(api: &Api, call: &Call, drive: &str, id: &str, body: &Map<String, Value>) -> Outcome {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let kind = text("type").ok_or_else(|| Failure::invalid("Parameter Missing: type"))?;
    let scope = text("scope").unwrap_or("anonymous");
    if !matches!(kind, "view" | "edit" | "embed") || !matches!(scope, "anonymous" | "organization" | "users") {
        return Err(Failure::invalid("One of the provided arguments is not acceptable."));
    }
    let now = api.core.now();
    let expires = match text("expirationDateTime") {
        None => None,
        Some(text) => {
            let at = DateTime::parse_from_rfc3339(text).map_err(|_| Failure::invalid("Invalid expirationDateTime."))?;
            Some(at.to_utc()).filter(|at| *at > now).map_or_else(
                || Err(Failure::invalid("The expirationDateTime must be in the future.")),
                |at| Ok(Some(at)),
            )?
        }
    };
    let password = text("password").is_some_and(|text| !text.is_empty());
    api.drive(call, drive, |drive| {
        let item = drive.item(id)?;
        if item.parent.is_none() {
            return Err(Failure::invalid("The root cannot be shared."));
        }
        if password && matches!(drive.owner, Owner::Site(_)) {
            return Err(Failure::invalid("Passwords are for personal accounts only."));
        }
        let same = |link: &&Link| link.kind == kind && link.scope == scope && link.password == password;
        if let Some(link) = item.links.iter().find(same) {
            return Ok(json_response(200, &view::link(link, &api.core.origin)));
        }
        let link = Link { id: secret(), kind: kind.to_owned(), scope: scope.to_owned(), password, expires };
        let shown = view::link(&link, &api.core.origin);
        drive.change(id, |item| item.links.push(link));
        Ok(json_response(201, &shown))
    })
}

/// `GET …/permissions`
pub(super) fn permissions(api: &Api, call: &Call, drive: &str, id: &str) -> Outcome {
    let query = call.query(&["$select", "$top", "$skiptoken"])?;
    let items = api.drive(call, drive, |drive| {
        let links = drive.item(id)?.links.iter().map(|link| view::link(link, &api.core.origin));
        Ok([view::owner_permission(drive)].into_iter().chain(links).collect())
    })?;
    Ok(json_response(200, &query.page(&api.core.origin, &call.path, items)?))
}

/// `GET …/permissions/{id}`
pub(super) fn permission(api: &Api, call: &Call, drive: &str, id: &str, wanted: &str) -> Outcome {
    api.drive(call, drive, |drive| {
        let link = drive.item(id)?.links.iter().find(|link| link.id == wanted);
        link.map(|link| json_response(200, &view::link(link, &api.core.origin))).ok_or_else(not_found)
    })
}

/// `DELETE …/permissions/{id}`
pub(super) fn revoke(api: &Api, call: &Call, drive: &str, id: &str, wanted: &str) -> Outcome {
    api.drive(call, drive, |drive| {
        if !drive.item(id)?.links.iter().any(|link| link.id == wanted) {
            return Err(not_found());
        }
        drive.change(id, |item| item.links.retain(|link| link.id != wanted));
        Ok(empty(204))
    })
}

/// `GET …/versions`: the newest first, which is the current one.
pub(super) fn versions(api: &Api, call: &Call, drive: &str, id: &str) -> Outcome {
    let query = call.query(&["$select", "$top", "$skiptoken"])?;
    let items = api.drive(call, drive, |drive| {
        let item = drive.item(id)?;
        if !item.is_file() {
            return Err(Failure::invalid("The item is not a file."));
        }
        let numbered = item.versions.iter().enumerate().rev();
        Ok(numbered.map(|(index, version)| view::version(drive, version, index + 1)).collect())
    })?;
    Ok(json_response(200, &query.page(&api.core.origin, &call.path, items)?))
}

/// `GET …/versions/{id}`
pub(super) fn version(api: &Api, call: &Call, drive: &str, id: &str, wanted: &str) -> Outcome {
    api.drive(call, drive, |drive| {
        let number: usize = wanted.strip_suffix(".0").and_then(|text| text.parse().ok()).unwrap_or(0);
        let versions = &drive.item(id)?.versions;
        let version = number.checked_sub(1).and_then(|index| versions.get(index)).ok_or_else(not_found)?;
        Ok(json_response(200, &view::version(drive, version, number)))
    })
}

/// `GET /share/{id}`: the page of a link.
pub(super) async fn page(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Response {
    let now = api.core.now();
    let name = api.tenant(|tenant| {
        let (item, link) = tenant.drives.iter().find_map(|drive| drive.linked(&id))?;
        link.expires.is_none_or(|at| at > now).then(|| item.name.clone())
    });
    match name {
        Some(name) => http::raw(200, "text/plain; charset=utf-8", name),
        None => empty(404),
    }
}
