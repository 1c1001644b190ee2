//! Microsoft Graph v1.0, files and sites: items by id and by path (`root:/a/b:/children`), copies that are monitored,
//! upload sessions, downloads by redirect.

mod address;
mod authorization;
mod failure;
mod finding;
mod items;
mod query;
mod sharing;
mod sites;
mod store;
mod transfer;
mod view;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, Method, Uri},
    response::Response,
    routing::{any, get, post},
};
use serde_json::{Map, Value, json};

pub(crate) use self::authorization::rules;
use self::{
    address::Address,
    failure::{Failure, Outcome, answer, not_found},
    items::Job,
    query::Query,
    sites::Site,
    store::{Drive, Item, Owner},
    transfer::{Session, Signed},
    view::Tell,
};
use crate::{
    content::{Content, Hash},
    core::{Core, Provider, hold, person},
    http::{self, Form, form, json as json_response},
};

/// The most of a JSON body that is read.
const BODY_LIMIT: usize = 1024 * 1024;

/// The imitation's state.
pub(crate) struct Api {
    core: Arc<Core>,
    tenant: Mutex<Option<Tenant>>,
    signed: Mutex<HashMap<String, Signed>>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    jobs: Mutex<HashMap<String, Job>>,
}

/// Everybody's files, and the sites.
struct Tenant {
    drives: Vec<Drive>,
    sites: Vec<Site>,
    /// Files that the control API has put into all drives, those too that are made later.
    planted: Vec<Planted>,
}

/// A file in all drives.
struct Planted {
    /// Only in this person's; else also in the tenant's first library.
    account: Option<u32>,
    path: String,
    content: Content,
}

impl Planted {
    fn is_for(&self, owner: &Owner) -> bool {
        match *owner {
            Owner::Person(number) => self.account.is_none_or(|account| account == number),
            Owner::Site(number) => number == 0 && self.account.is_none(),
        }
    }
}

impl Tenant {
    fn drive_mut(&mut self, id: &str, account: u32) -> Outcome<&mut Drive> {
        self.drives.iter_mut().find(|drive| drive.id == id && open(drive, account)).ok_or_else(not_found)
    }

    /// A person's own drive, made at first use. Each consent has one of its own, so that several connectors to this API
    /// do not get into each other's way.
    fn own(&mut self, account: u32, grant: u64, now: chrono::DateTime<chrono::Utc>) -> String {
        let id = format!("{account:0>4}{grant:0>4}c3d4e5f6");
        if !self.drives.iter().any(|drive| drive.id == id) {
            let mut drive = Drive::new(&id, "OneDrive", Owner::Person(account), now);
            store::seed(&mut drive, &person(account).full(), now);
            let owner = drive.owner.clone();
            for file in self.planted.iter().filter(|file| file.is_for(&owner)) {
                drive.store(&file.path, file.content.clone(), now);
            }
            self.drives.push(drive);
        }
        id
    }

    /// Puts a file into every drive it is for; tells whether it had a place in all of them.
    fn plant(&mut self, file: Planted, now: chrono::DateTime<chrono::Utc>) -> bool {
        let mut placed = true;
        for drive in self.drives.iter_mut().filter(|drive| file.is_for(&drive.owner)) {
            placed &= drive.store(&file.path, file.content.clone(), now).is_some();
        }
        self.planted.push(file);
        placed
    }
}

fn open(drive: &Drive, account: u32) -> bool {
    match drive.owner {
        Owner::Person(number) => number == account,
        Owner::Site(_) => true,
    }
}

/// The API on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let api = Arc::new(Api {
        core: Arc::clone(core),
        tenant: Mutex::default(),
        signed: Mutex::default(),
        sessions: Mutex::default(),
        jobs: Mutex::default(),
    });
    let router = Router::new()
        .route("/v1.0/{*rest}", any(call))
        .route("/download/{secret}", get(transfer::download))
        .route("/monitor/{secret}", get(items::monitor))
        .route("/upload/{secret}", get(transfer::status).put(transfer::chunk).delete(transfer::cancel))
        .route("/share/{id}", get(sharing::page))
        .route("/_control/virtual", post(make_virtual))
        .with_state(Arc::clone(&api));
    let origin = &core.origin;
    Provider {
        router,
        urls: vec![("api", format!("{origin}/v1.0"))],
        configuration: vec![
            ("base.url", format!("{origin}/v1.0")),
            ("sharepoint.site.address", format!("https://{}", sites::HOST)),
        ],
        credentials: Vec::new(),
        reset: Box::new(move || {
            *hold(&api.tenant) = None;
            hold(&api.signed).clear();
            hold(&api.sessions).clear();
            hold(&api.jobs).clear();
        }),
        failure: failure::fault,
    }
}

/// One call below `/v1.0`.
pub(super) struct Call {
    account: u32,
    grant: u64,
    method: Method,
    path: String,
    form: Form,
    headers: HeaderMap,
}

impl Call {
    fn query(&self, known: &[&str]) -> Outcome<Query> {
        Query::read(self.form.clone(), known)
    }

    /// Refuses the call when `If-Match` names another state.
    fn check_match(&self, item: &Item) -> Outcome<()> {
        let current = format!("{{{}}},{}", item.id, item.etag);
        match http::header_text(&self.headers, "if-match") {
            Some(etag) if etag != "*" && etag.trim_matches('"') != current => {
                Err(Failure::Said(412, "resourceModified", "ETag does not match current item's value".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

async fn call(
    State(api): State<Arc<Api>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(route(&api, method, &uri, query.as_deref(), headers, body).await)
}

async fn route(api: &Api, method: Method, uri: &Uri, query: Option<&str>, headers: HeaderMap, body: Body) -> Outcome {
    let access = api.core.oauth.check(&headers).map_err(Failure::Denied)?;
    let path = uri.path().to_owned();
    let address = Address::read(path.strip_prefix("/v1.0/").unwrap_or_default())?;
    let form = form(query.unwrap_or_default().as_bytes());
    let call = Call { account: access.account, grant: access.grant, method, path, form, headers };
    items::finish_due(api);
    let before: Vec<&str> = address.before.iter().map(String::as_str).collect();
    let (drive, tail): (String, Vec<String>) = match before.as_slice() {
        ["me"] => return Ok(json_response(200, &view::user(person(call.account)))),
        ["me", "drive", tail @ ..] => (api.own(&call), owned(tail)),
        ["drives", id, tail @ ..] => ((*id).to_owned(), owned(tail)),
        ["sites"] if call.method == Method::GET => return api.search_sites(&call),
        ["sites", site, tail @ ..] => {
            // `sites/host:/path:/drive` has the site's path between the colons.
            let (number, tail) = match &address.path {
                Some(path) if tail.is_empty() => (api.site_at(site, path)?, address.after.clone()),
                _ => (api.site(site)?, owned(tail)),
            };
            match tail.as_slice() {
                [drive, tail @ ..] if drive == "drive" => (api.library(number, None)?, tail.to_vec()),
                [lists, list, drive, tail @ ..] if lists == "lists" && drive == "drive" && !tail.is_empty() => {
                    (api.library(number, Some(list))?, tail.to_vec())
                }
                _ => return api.site_call(&call, number, &tail, body).await,
            }
        }
        _ => return Err(Failure::invalid("Resource not found for the segment.")),
    };
    let site_path = before.first() == Some(&"sites") && before.len() == 2;
    let path = address.path.filter(|_| !site_path);
    let after = if site_path { Vec::new() } else { address.after };
    items::drive_call(api, &call, &drive, &tail, path, after, body).await
}

fn owned(tail: &[&str]) -> Vec<String> {
    tail.iter().map(|&segment| segment.to_owned()).collect()
}

impl Api {
    fn tenant<T>(&self, act: impl FnOnce(&mut Tenant) -> T) -> T {
        let mut tenant = hold(&self.tenant);
        act(tenant.get_or_insert_with(|| {
            let (sites, drives) = sites::seeded(self.core.now());
            Tenant { drives, sites, planted: Vec::new() }
        }))
    }

    fn own(&self, call: &Call) -> String {
        let now = self.core.now();
        self.tenant(|tenant| tenant.own(call.account, call.grant, now))
    }

    fn drive<T>(&self, call: &Call, drive: &str, act: impl FnOnce(&mut Drive) -> Outcome<T>) -> Outcome<T> {
        self.tenant(|tenant| act(tenant.drive_mut(drive, call.account)?))
    }

    /// An item as an answer, with its download address.
    fn show(&self, drive: &Drive, item: &Item, tell: Tell) -> Value {
        let download = item.content().map(|content| self.sign(&item.name, content));
        view::item(drive, item, tell, &self.core.origin, download.as_deref())
    }

    fn site(&self, id: &str) -> Outcome<usize> {
        self.tenant(|tenant| {
            let found = tenant.sites.iter().enumerate().position(|(number, _)| Site::id(number) == id);
            if matches!(id, "root" | sites::HOST) { Ok(0) } else { found.ok_or_else(not_found) }
        })
    }

    fn site_at(&self, host: &str, path: &[String]) -> Outcome<usize> {
        let wanted = format!("/{}", path.join("/").to_lowercase());
        self.tenant(|tenant| {
            let found = tenant.sites.iter().position(|site| site.path == wanted);
            found.filter(|_| matches!(host, "root" | sites::HOST)).ok_or_else(not_found)
        })
    }

    /// The drive of a site's library: of the list that is named, or the default one.
    fn library(&self, number: usize, list: Option<&str>) -> Outcome<String> {
        self.tenant(|tenant| {
            let site = tenant.sites.get(number).ok_or_else(not_found)?;
            let drive = match list {
                Some(list) => site.library(&site.find_list(number, &tenant.drives, list)?, &tenant.drives)?,
                None => {
                    let first = site.libraries.first().and_then(|library| tenant.drives.get(*library));
                    first.ok_or_else(not_found)?
                }
            };
            Ok(drive.id.clone())
        })
    }

    fn search_sites(&self, call: &Call) -> Outcome {
        let query = call.query(&["$top", "$skiptoken", "$select"])?;
        let words = call.form.get("search").filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| Failure::invalid("The query parameter 'search' is required."))?;
        let found = self.tenant(|tenant| {
            let all = tenant.sites.iter().enumerate().filter(|(_, site)| site.fits(words));
            all.map(|(number, site)| site.show(number, &self.core.origin)).collect()
        });
        Ok(json_response(200, &query.page(&self.core.origin, &call.path, found)?))
    }

    /// What is asked of a site, its drive apart.
    async fn site_call(&self, call: &Call, number: usize, tail: &[String], body: Body) -> Outcome {
        let segments: Vec<&str> = tail.iter().map(String::as_str).collect();
        let origin = self.core.origin.as_str();
        let body = match call.method {
            Method::POST | Method::PATCH => members(body).await?,
            _ => Map::new(),
        };
        let now = self.core.now();
        let page = |items: Vec<Value>| {
            let query = call.query(&["$top", "$skiptoken", "$select", "$expand"])?;
            Ok(json_response(200, &query.page(origin, &call.path, items)?))
        };
        self.tenant(|tenant| {
            let sites: Vec<(usize, &str)> = tenant.sites.iter().enumerate().map(|(n, site)| (n, site.path)).collect();
            let path = sites.get(number).map_or("", |(_, path)| path);
            let below: Vec<Value> = sites
                .iter()
                .filter(|(_, other)| other.rsplit_once('/').is_some_and(|(above, _)| above == path))
                .filter_map(|(n, _)| Some(tenant.sites.get(*n)?.show(*n, origin)))
                .collect();
            let site = tenant.sites.get_mut(number).ok_or_else(not_found)?;
            match (call.method.as_str(), segments.as_slice()) {
                ("GET", []) => Ok(json_response(200, &site.show(number, origin))),
                ("GET", ["sites"]) => page(below),
                ("GET", ["drives"]) => {
                    let own = site.libraries.iter().filter_map(|library| tenant.drives.get(*library));
                    page(own.map(|drive| view::drive(drive, origin)).collect())
                }
                ("GET", ["lists"]) => page(site.lists(number, &tenant.drives)),
                (method, ["lists", list, rest @ ..]) => {
                    let list = site.find_list(number, &tenant.drives, list)?;
                    match (method, rest) {
                        ("GET", []) => Ok(json_response(200, &list)),
                        ("GET", ["drive"]) => {
                            Ok(json_response(200, &view::drive(site.library(&list, &tenant.drives)?, origin)))
                        }
                        ("GET", ["items"]) => {
                            let expanded = call.form.get("$expand").is_some_and(|text| text.starts_with("fields"));
                            page(site.entries(&list, expanded))
                        }
                        ("POST", ["items"]) => Ok(json_response(201, &site.add_entry(&list, &body, now)?)),
                        ("GET", ["items", id]) => Ok(json_response(200, &site.entry(id)?)),
                        ("PATCH", ["items", id, "fields"]) => Ok(json_response(200, &site.change_entry(id, &body)?)),
                        ("DELETE", ["items", id]) => site.delete_entry(id).map(|()| http::empty(204)),
                        _ => Err(unknown(call)),
                    }
                }
                _ => Err(unknown(call)),
            }
        })
    }
}

/// What Graph says to a call it does not have.
fn unknown(call: &Call) -> Failure {
    Failure::Said(405, "notAllowed", format!("{} is not allowed here.", call.method))
}

/// A JSON object as the body.
async fn members(body: Body) -> Outcome<Map<String, Value>> {
    let bytes: Bytes = to_bytes(body, BODY_LIMIT).await.map_err(|_| Failure::invalid("The body is too long."))?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Failure::invalid("Unable to read JSON request payload.")),
    }
}

/// `POST /_control/virtual {"path", "size", "account"?}`: a file of any size that takes no room, in all drives of the
/// account; without one in everybody's and in the tenant's first library.
async fn make_virtual(State(api): State<Arc<Api>>, body: Bytes) -> Response {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Virtual {
        path: String,
        size: u64,
        account: Option<u32>,
    }
    let new: Virtual = match serde_json::from_slice(&body) {
        Ok(new) => new,
        Err(error) => return http::json(400, &json!({ "error": error.to_string() })),
    };
    let Virtual { path, size, account } = new;
    let names = path.split('/').filter(|name| !name.is_empty());
    if path.trim_matches('/').is_empty() || names.into_iter().any(|name| store::check_name(name).is_err()) {
        return http::json(400, &json!({ "error": "the path is no name" }));
    }
    let Ok(content) = tokio::task::spawn_blocking(move || Content::pattern(Hash::Sha1, size)).await else {
        return http::empty(500);
    };
    let now = api.core.now();
    let told = json!({ "path": path, "size": size });
    if api.tenant(|tenant| tenant.plant(Planted { account, path, content }, now)) {
        http::json(200, &told)
    } else {
        http::json(409, &json!({ "error": "the path is taken" }))
    }
}
