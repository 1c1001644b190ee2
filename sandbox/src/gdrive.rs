//! Google Drive, API v3: files and folders by opaque id, folders being files of a type of their own; names need not be
//! unique; answers hold four members unless `fields` asks for more; searches are written in a query language.

mod about;
mod authorization;
mod body;
mod comments;
mod download;
mod drives;
mod failure;
mod files;
mod listing;
mod mask;
mod permissions;
mod query;
mod related;
mod revisions;
mod sessions;
mod shape;
mod store;
mod upload;
mod view;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method},
    response::Response,
    routing::{get, post, put},
};
use serde_json::{Value, json};

pub(crate) use self::authorization::rules;
use self::{
    failure::{Failure, Outcome},
    mask::Mask,
    sessions::Session,
    store::{Drive, Item},
};
use crate::{
    content::{Content, Hash},
    core::{Core, Provider, hold},
    http::{self, Form, form},
};

/// The scope that allows everything.
const FULL_SCOPE: &str = "https://www.googleapis.com/auth/drive";
/// The scope that allows reading.
const READ_SCOPE: &str = "https://www.googleapis.com/auth/drive.readonly";

/// The imitation's state.
pub(crate) struct Api {
    core: Arc<Core>,
    drives: Mutex<HashMap<u32, Drive>>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

/// The API on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let api = Arc::new(Api { core: Arc::clone(core), drives: Mutex::default(), sessions: Mutex::default() });
    let router = Router::new()
        .route("/drive/v3/about", get(about::read))
        .route("/drive/v3/files", get(listing::list).post(files::create))
        .route("/drive/v3/files/trash", axum::routing::delete(files::empty_trash))
        .route("/drive/v3/files/{id}", get(files::read).patch(files::update).delete(files::delete))
        .route("/drive/v3/files/{id}/copy", post(files::copy))
        .route("/drive/v3/files/{id}/export", get(download::export))
        .route("/drive/v3/files/{id}/permissions", get(permissions::list).post(permissions::create))
        .route(
            "/drive/v3/files/{id}/permissions/{permission}",
            get(permissions::read).patch(permissions::update).delete(permissions::delete),
        )
        .route("/drive/v3/files/{id}/revisions", get(revisions::list))
        .route("/drive/v3/files/{id}/revisions/{revision}", get(revisions::read).delete(revisions::delete))
        .route("/drive/v3/files/{id}/comments", get(comments::list).post(comments::create))
        .route(
            "/drive/v3/files/{id}/comments/{comment}",
            get(comments::read).patch(comments::update).delete(comments::delete),
        )
        .route("/drive/v3/drives", get(drives::list).post(drives::create))
        .route("/drive/v3/drives/{id}", get(drives::read).patch(drives::update).delete(drives::delete))
        .route("/upload/drive/v3/files", post(upload::create).put(sessions::continued).delete(sessions::cancelled))
        .route(
            "/upload/drive/v3/files/{id}",
            put(sessions::continued_with_id).patch(upload::replace).delete(sessions::cancelled),
        )
        .route("/uc", get(download::shared))
        .route("/file/d/{id}/view", get(download::page))
        .route("/thumbnails/{id}", get(download::thumbnail))
        .route("/_control/virtual", post(make_virtual))
        .with_state(Arc::clone(&api));
    let origin = &core.origin;
    Provider {
        router,
        urls: vec![("api", format!("{origin}/drive/v3")), ("upload", format!("{origin}/upload/drive/v3"))],
        configuration: vec![
            ("base.url", format!("{origin}/drive/v3")),
            ("upload.url", format!("{origin}/upload/drive/v3")),
        ],
        credentials: Vec::new(),
        reset: Box::new(move || {
            hold(&api.drives).clear();
            hold(&api.sessions).clear();
        }),
        failure: failure::fault,
    }
}

/// One call: whose it is and what its query says.
struct Call {
    account: u32,
    query: Form,
}

impl Api {
    /// Checks the token and its scope, and reads the query.
    fn admit(&self, method: &Method, headers: &HeaderMap, query: Option<&str>) -> Outcome<Call> {
        let access = self.core.oauth.check(headers).map_err(Failure::Denied)?;
        let scopes = access.scope.unwrap_or_default();
        let holds = |wanted: &str| scopes.split_whitespace().any(|scope| scope == wanted);
        if !(holds(FULL_SCOPE) || holds(READ_SCOPE) && *method == Method::GET) {
            return Err(failure::SCOPES);
        }
        let query = form(query.unwrap_or_default().as_bytes());
        if let Some(alt) = query.get("alt").filter(|alt| !matches!(alt.as_str(), "json" | "media")) {
            return Err(Failure::parameter("alt", format!("Invalid value \"{alt}\" for parameter alt")));
        }
        Ok(Call { account: access.account, query })
    }

    /// Acts on an account's files.
    fn drive<T>(&self, account: u32, act: impl FnOnce(&mut Drive) -> T) -> T {
        let mut drives = hold(&self.drives);
        act(drives.entry(account).or_insert_with(|| Drive::seeded(account, self.core.now())))
    }

    /// A file as the call asks for it.
    fn show(&self, call: &Call, drive: &Drive, item: &Item) -> Outcome<Value> {
        let mask = Mask::read(call.query.get("fields"), "File", "kind,id,name,mimeType,resourceKey")?;
        Ok(mask.apply(&view::file(drive, item, &self.core.origin)))
    }
}

impl Call {
    /// A truth value among the query parameters.
    fn flag(&self, name: &str) -> Outcome<bool> {
        match self.query.get(name).map(String::as_str) {
            None | Some("false" | "False") => Ok(false),
            Some("true" | "True") => Ok(true),
            Some(text) => {
                Err(Failure::parameter(name, format!("Invalid value \"{text}\" for parameter {name}: not a boolean")))
            }
        }
    }

    /// Whether the client knows of shared drives, by the name of today or the older one.
    fn all_drives(&self) -> Outcome<bool> {
        Ok(self.flag("supportsAllDrives")? || self.flag("supportsTeamDrives")?)
    }

    /// How many entries a page has.
    fn page_size(&self, default: usize, limit: usize) -> Outcome<usize> {
        match self.query.get("pageSize") {
            None => Ok(default),
            Some(text) => match text.parse() {
                Ok(size) if (1..=limit).contains(&size) => Ok(size),
                _ => Err(Failure::parameter(
                    "pageSize",
                    format!("Invalid value '{text}'. Values must be within the range: [1, {limit}]"),
                )),
            },
        }
    }

    /// One page of `entries`, and the token of the next; a token is good for the question it came with.
    fn page<T>(&self, entries: Vec<T>, size: usize, question: &str) -> Outcome<(Vec<T>, Option<String>)> {
        let sum = question.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let start = match self.query.get("pageToken").filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => {
                let read = token.strip_prefix("~!!~").and_then(|token| token.split_once('-'));
                match read.map(|(at, of)| (usize::from_str_radix(at, 16), of == format!("{sum:x}"))) {
                    Some((Ok(at), true)) => at,
                    _ => return Err(Failure::invalid("pageToken")),
                }
            }
        };
        let more = entries.len() > start.saturating_add(size);
        let next = more.then(|| format!("~!!~{:x}-{sum:x}", start + size));
        Ok((entries.into_iter().skip(start).take(size).collect(), next))
    }
}

/// `POST /_control/virtual {"path", "size", "account"?}`: a file of any size that takes no room.
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
    let size = new.size;
    let Ok(content) = tokio::task::spawn_blocking(move || Content::pattern(Hash::Sha1, size)).await else {
        return http::empty(500);
    };
    let now = api.core.now();
    let made = api.drive(new.account.unwrap_or(1), |drive| {
        let id = drive.store(&new.path, "application/octet-stream", content, now);
        drive.get(&id).map(|item| view::file(drive, item, &api.core.origin))
    });
    match made {
        Some(item) => http::json(200, &item),
        None => http::json(409, &json!({ "error": "the path is no name" })),
    }
}
