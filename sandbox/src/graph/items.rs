//! Items of a drive: read, list, make, change, delete, copy.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::Response,
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{
    Api, Call,
    failure::{Failure, Outcome, answer, not_found},
    finding, members, sharing,
    sites::secret,
    store::{Conflict, Drive},
    transfer, unknown,
    view::{self, Tell},
};
use crate::{
    core::hold,
    http::{empty, header_text, json as json_response, with_header},
};

/// How long a copy takes when nobody asks how far it is, in milliseconds.
const COPY_MS: i64 = 300;

/// A copy on its way.
pub(super) struct Job {
    drive: String,
    account: u32,
    item: String,
    parent: String,
    name: Option<String>,
    due_ms: i64,
    asked: u32,
    /// Whether it is done, and what came of it.
    outcome: Option<Result<String, (&'static str, String)>>,
}

/// What an address below a drive means: an item that is there, or a place where one could be.
pub(super) enum Place {
    Item(String),
    /// A name in a folder.
    Free {
        folder: String,
        names: Vec<String>,
    },
}

impl Place {
    /// The item, which must be there.
    pub(super) fn item(self) -> Outcome<String> {
        match self {
            Self::Item(id) => Ok(id),
            Self::Free { .. } => Err(not_found()),
        }
    }
}

/// A call below a drive: `tail` is what follows the drive before a path, `after` what follows the path.
pub(super) async fn drive_call(
    api: &Api,
    call: &Call,
    drive: &str,
    tail: &[String],
    path: Option<Vec<String>>,
    after: Vec<String>,
    body: Body,
) -> Outcome {
    let segments: Vec<&str> = tail.iter().map(String::as_str).collect();
    let (start, mut rest) = match segments.as_slice() {
        [] if path.is_none() && call.method == "GET" => {
            let query = call.query(&["$select"])?;
            let shown = api.drive(call, drive, |drive| Ok(view::drive(drive, &api.core.origin)))?;
            return Ok(json_response(200, &query.selected(shown)?));
        }
        ["root", rest @ ..] => (None, rest.to_vec()),
        ["items", id, rest @ ..] => (Some((*id).to_owned()), rest.to_vec()),
        [search] if search.starts_with("search(") => (None, vec![*search]),
        _ => return Err(unknown(call)),
    };
    let place = api.drive(call, drive, |drive| {
        let start = start.filter(|id| id != "root").unwrap_or_else(|| drive.root.clone());
        let start = drive.item(&start)?.id.clone();
        Ok(match &path {
            Some(path) => match drive.find(&start, path) {
                Some(item) => Place::Item(item.id.clone()),
                None => Place::Free { folder: start, names: path.clone() },
            },
            None => Place::Item(start),
        })
    })?;
    if path.is_some() {
        if !rest.is_empty() {
            return Err(Failure::invalid("Resource not found for the segment."));
        }
        rest = after.iter().map(String::as_str).collect();
    }
    match (call.method.as_str(), rest.as_slice()) {
        ("GET", []) => read(api, call, drive, &place.item()?),
        ("PATCH", []) => update(api, call, drive, &place.item()?, &members(body).await?),
        ("DELETE", []) => delete(api, call, drive, &place.item()?),
        ("GET", ["children"]) => children(api, call, drive, &place.item()?),
        ("POST", ["children"]) => create(api, call, drive, &place.item()?, &members(body).await?),
        ("POST", ["copy"]) => copy(api, call, drive, &place.item()?, &members(body).await?),
        ("GET", ["content"]) => transfer::content(api, call, drive, &place.item()?, None),
        ("PUT", ["content"]) => transfer::put(api, call, drive, place, body).await,
        ("POST", ["createUploadSession"]) => transfer::open(api, call, drive, place, body).await,
        ("POST", ["createLink"]) => sharing::create_link(api, call, drive, &place.item()?, &members(body).await?),
        ("GET", ["permissions"]) => sharing::permissions(api, call, drive, &place.item()?),
        ("GET", ["permissions", id]) => sharing::permission(api, call, drive, &place.item()?, id),
        ("DELETE", ["permissions", id]) => sharing::revoke(api, call, drive, &place.item()?, id),
        ("GET", ["versions"]) => sharing::versions(api, call, drive, &place.item()?),
        ("GET", ["versions", id]) => sharing::version(api, call, drive, &place.item()?, id),
        ("GET", ["versions", id, "content"]) => transfer::content(api, call, drive, &place.item()?, Some(id)),
        ("GET", ["delta" | "delta()"]) => finding::delta(api, call, drive, &place.item()?),
        ("GET", [search]) if search.starts_with("search(") => finding::search(api, call, drive, &place.item()?, search),
        _ => Err(unknown(call)),
    }
}

fn read(api: &Api, call: &Call, drive: &str, id: &str) -> Outcome {
    let query = call.query(&["$select", "$expand"])?;
    let shown = api.drive(call, drive, |drive| Ok(api.show(drive, drive.item(id)?, Tell::Path)))?;
    Ok(json_response(200, &query.selected(shown)?))
}

fn children(api: &Api, call: &Call, drive: &str, id: &str) -> Outcome {
    let query = call.query(&["$top", "$skiptoken", "$select", "$orderby", "$expand"])?;
    let order = match query.form.get("$orderby") {
        None => ("name", false),
        Some(text) => {
            let (field, way) = text.trim().split_once(' ').unwrap_or_else(|| (text.trim(), "asc"));
            let known = ["name", "size", "lastModifiedDateTime"].into_iter().find(|known| *known == field);
            match (known, way.trim()) {
                (Some(field), "asc" | "desc") => (field, way.trim() == "desc"),
                _ => return Err(Failure::invalid("Cannot order by this property.")),
            }
        }
    };
    let items = api.drive(call, drive, |drive| {
        if drive.item(id)?.is_file() {
            return Err(Failure::invalid("The item is not a folder."));
        }
        let mut children = drive.children(id);
        children.sort_by(|one, other| {
            let by = match order.0 {
                "size" => drive.size(one).cmp(&drive.size(other)),
                "lastModifiedDateTime" => one.modified.cmp(&other.modified),
                _ => one.name.to_lowercase().cmp(&other.name.to_lowercase()),
            };
            let by = if order.1 { by.reverse() } else { by };
            by.then_with(|| one.id.cmp(&other.id))
        });
        Ok(children.into_iter().map(|item| api.show(drive, item, Tell::Path)).collect())
    })?;
    Ok(json_response(200, &query.page(&api.core.origin, &call.path, items)?))
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Outcome<Option<&'a str>> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::invalid(format!("'{name}' should be a string."))),
    }
}

fn create(api: &Api, call: &Call, drive: &str, parent: &str, body: &Map<String, Value>) -> Outcome {
    let name = text(body, "name")?.ok_or_else(|| Failure::invalid("Parameter Missing: name"))?;
    if !body.get("folder").is_some_and(Value::is_object) {
        return Err(Failure::invalid("Only folders can be made like this; upload a file's content instead."));
    }
    let conflict = Conflict::read(text(body, "@microsoft.graph.conflictBehavior")?, Conflict::Fail)?;
    let now = api.core.now();
    let shown = api.drive(call, drive, |drive| {
        let (id, _) = drive.add(parent, name, None, conflict, now)?;
        let description = text(body, "description")?.map(str::to_owned);
        drive.change(&id, |item| item.description = description);
        Ok(api.show(drive, drive.item(&id)?, Tell::Path))
    })?;
    Ok(json_response(201, &shown))
}

/// The folder that a `parentReference` names, by id or by path.
fn referred(drive: &Drive, reference: &Value) -> Outcome<Option<String>> {
    let Value::Object(reference) = reference else {
        return Err(Failure::invalid("'parentReference' should be an object."));
    };
    if text(reference, "driveId")?.is_some_and(|id| id != drive.id) {
        return Err(Failure::Said(400, "notSupported", "Items cannot go to another drive like this.".to_owned()));
    }
    if let Some(id) = text(reference, "id")? {
        // The alias that addresses take is none here.
        return Ok(Some(drive.item(id)?.id.clone()));
    }
    let Some(path) = text(reference, "path")? else { return Ok(None) };
    let (_, below) = path.split_once("root:").ok_or_else(|| Failure::invalid("The parent's path has no root."))?;
    let below = percent_decode_str(below).decode_utf8_lossy().into_owned();
    let names: Vec<String> = below.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    drive.find(&drive.root, &names).map(|item| Some(item.id.clone())).ok_or_else(not_found)
}

fn update(api: &Api, call: &Call, drive: &str, id: &str, body: &Map<String, Value>) -> Outcome {
    let conflict = Conflict::read(text(body, "@microsoft.graph.conflictBehavior")?, Conflict::Fail)?;
    let shown = api.drive(call, drive, |drive| {
        let item = drive.item(id)?;
        call.check_match(item)?;
        let name = text(body, "name")?.unwrap_or(&item.name).to_owned();
        let parent = match body.get("parentReference") {
            None | Some(Value::Null) => None,
            Some(reference) => referred(drive, reference)?,
        };
        match (parent.or_else(|| item.parent.clone()), &item.parent) {
            (Some(parent), Some(_)) => drive.place(id, &name, &parent, conflict)?,
            _ => return Err(Failure::invalid("The root cannot be changed.")),
        }
        if body.contains_key("description") {
            let description = text(body, "description")?.filter(|text| !text.is_empty()).map(str::to_owned);
            drive.change(id, |item| item.description = description);
        }
        Ok(api.show(drive, drive.item(id)?, Tell::Path))
    })?;
    Ok(json_response(200, &shown))
}

fn delete(api: &Api, call: &Call, drive: &str, id: &str) -> Outcome {
    api.drive(call, drive, |drive| {
        let item = drive.item(id)?;
        call.check_match(item)?;
        if item.parent.is_none() {
            return Err(Failure::Said(403, "accessDenied", "The root cannot be deleted.".to_owned()));
        }
        drive.delete(id);
        Ok(empty(204))
    })
}

fn copy(api: &Api, call: &Call, drive: &str, id: &str, body: &Map<String, Value>) -> Outcome {
    let name = text(body, "name")?.map(str::to_owned);
    let parent = api.drive(call, drive, |drive| {
        let item = drive.item(id)?;
        let parent = match body.get("parentReference") {
            None | Some(Value::Null) => None,
            Some(reference) => referred(drive, reference)?,
        };
        parent.or_else(|| item.parent.clone()).ok_or_else(|| Failure::invalid("The root cannot be copied."))
    })?;
    let secret = secret();
    let location = format!("{}/monitor/{secret}", api.core.origin);
    let job = Job {
        drive: drive.to_owned(),
        account: call.account,
        item: id.to_owned(),
        parent,
        name,
        due_ms: api.core.clock().now_ms() + COPY_MS,
        asked: 0,
        outcome: None,
    };
    hold(&api.jobs).insert(secret, job);
    Ok(with_header(empty(202), header::LOCATION, &location))
}

/// Carries out the copies whose time has come.
pub(super) fn finish_due(api: &Api) {
    let now = api.core.clock().now_ms();
    for job in hold(&api.jobs).values_mut().filter(|job| job.due_ms <= now) {
        job.finish(api);
    }
}

impl Job {
    fn finish(&mut self, api: &Api) {
        if self.outcome.is_some() {
            return;
        }
        let now = api.core.now();
        let done = api.tenant(|tenant| {
            let drive = tenant.drive_mut(&self.drive, self.account)?;
            drive.copy(&self.item, &self.parent, self.name.as_deref(), now)
        });
        self.outcome = Some(done.map_err(|failure| match failure {
            Failure::Said(_, code, message) => (code, message),
            other => (other.code(), String::new()),
        }));
    }
}

/// `GET /monitor/{secret}`: how far a copy is; the address is a secret itself, a token with it is refused.
pub(super) async fn monitor(State(api): State<Arc<Api>>, Path(secret): Path<String>, headers: HeaderMap) -> Response {
    answer((|| {
        if header_text(&headers, "authorization").is_some() {
            return Err(Failure::Said(401, "unauthenticated", "A token is not wanted here.".to_owned()));
        }
        let mut jobs = hold(&api.jobs);
        let job = jobs.get_mut(&secret).ok_or_else(not_found)?;
        job.asked += 1;
        if job.asked > 1 {
            job.finish(&api);
        }
        Ok(match &job.outcome {
            _ if job.asked == 1 => json_response(
                202,
                &json!({ "operation": "ItemCopy", "percentageComplete": 27.8, "status": "inProgress" }),
            ),
            None => json_response(202, &json!({ "percentageComplete": 50.0, "status": "inProgress" })),
            Some(Ok(id)) => {
                json_response(200, &json!({ "percentageComplete": 100.0, "resourceId": id, "status": "completed" }))
            }
            Some(Err((code, message))) => json_response(
                200,
                &json!({ "percentageComplete": 0.0, "status": "failed", "errorCode": code, "error": { "code": code, "message": message } }),
            ),
        })
    })())
}
