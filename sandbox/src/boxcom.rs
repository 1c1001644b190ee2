//! Box, API 2.0: items by numeric id, the root is folder `0`; uploads are multipart on a path of their own, downloads a
//! redirect to a signed address.

mod authorization;
mod body;
mod download;
mod failure;
mod files;
mod folders;
mod lookup;
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
    http::HeaderMap,
    response::Response,
    routing::{get, options, post},
};
use serde_json::{Value, json};

pub(crate) use self::authorization::rules;
use self::{
    download::Signed,
    failure::{Failure, Outcome, PRECONDITION},
    store::{Drive, Item},
    view::Fields,
};
use crate::{
    content::{Content, Hash},
    core::{Core, Provider, hold},
    http::{self, Form, form, header_text},
};

/// The imitation's state.
pub(crate) struct Api {
    core: Arc<Core>,
    drives: Mutex<HashMap<u32, Drive>>,
    signed: Mutex<HashMap<String, Signed>>,
}

/// The API on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let api = Arc::new(Api { core: Arc::clone(core), drives: Mutex::default(), signed: Mutex::default() });
    let router = Router::new()
        .route("/2.0/folders", post(folders::create))
        .route("/2.0/folders/{id}", get(folders::read).put(folders::update).delete(folders::delete))
        .route("/2.0/folders/{id}/items", get(folders::items))
        .route("/2.0/folders/{id}/copy", post(folders::copy))
        .route("/2.0/files/content", options(upload::preflight))
        .route("/2.0/files/{id}", get(files::read).put(files::update).delete(files::delete))
        .route("/2.0/files/{id}/content", get(download::content).options(upload::preflight_version))
        .route("/2.0/files/{id}/copy", post(files::copy))
        .route("/2.0/files/{id}/versions", get(files::versions))
        .route("/2.0/search", get(lookup::search))
        .route("/2.0/users/me", get(lookup::me))
        .route("/api/2.0/files/content", post(upload::create).options(upload::preflight))
        .route("/api/2.0/files/{id}/content", post(upload::replace))
        .route("/d/1/{secret}/download", get(download::signed))
        .route("/shared/static/{name}", get(download::shared))
        .route("/s/{secret}", get(download::page))
        .route("/_control/virtual", post(make_virtual))
        .with_state(Arc::clone(&api));
    let origin = &core.origin;
    Provider {
        router,
        urls: vec![("api", format!("{origin}/2.0")), ("upload", format!("{origin}/api/2.0"))],
        configuration: vec![("base.url", format!("{origin}/2.0")), ("upload.url", format!("{origin}/api/2.0"))],
        reset: Box::new(move || {
            hold(&api.drives).clear();
            hold(&api.signed).clear();
        }),
        failure: failure::fault,
    }
}

/// One call: whose it is and what its query says.
struct Call<'a> {
    account: u32,
    query: Form,
    headers: &'a HeaderMap,
    fields: Fields,
}

impl Api {
    /// Checks the token and reads the query.
    fn admit<'a>(&self, headers: &'a HeaderMap, query: Option<&str>) -> Outcome<Call<'a>> {
        let access = self.core.oauth.check(headers).map_err(Failure::Denied)?;
        let query = form(query.unwrap_or_default().as_bytes());
        let fields = Fields::read(query.get("fields"));
        Ok(Call { account: access.account, query, headers, fields })
    }

    /// Acts on an account's files.
    fn drive<T>(&self, account: u32, act: impl FnOnce(&mut Drive) -> T) -> T {
        let mut drives = hold(&self.drives);
        act(drives.entry(account).or_insert_with(|| Drive::seeded(account, self.core.now())))
    }

    /// An item as the call asks for it.
    fn show(&self, call: &Call<'_>, drive: &Drive, item: &Item) -> Value {
        Value::Object(view::item(drive, item, &call.fields, &self.core.origin))
    }
}

impl Call<'_> {
    /// A number among the query parameters.
    fn number(&self, name: &str, default: u64, limit: u64) -> Outcome<usize> {
        let number = match self.query.get(name) {
            None => default,
            Some(text) => match text.parse() {
                Ok(number) if number <= limit => number,
                _ => return Err(Failure::invalid(name, format!("Invalid value '{text}'."))),
            },
        };
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// A truth value among the query parameters, in any case: Box's own client for Python sends `True`.
    fn flag(&self, name: &str) -> Outcome<bool> {
        match self.query.get(name) {
            None => Ok(false),
            Some(text) => text
                .to_ascii_lowercase()
                .parse()
                .map_err(|_| Failure::invalid(name, format!("Invalid value '{text}'. Expected true or false."))),
        }
    }

    /// A query parameter that is one of a few words.
    fn word<'a>(&'a self, name: &str, known: &[&str]) -> Outcome<Option<&'a str>> {
        match self.query.get(name).map(String::as_str) {
            Some(text) if !known.iter().any(|word| word.eq_ignore_ascii_case(text)) => {
                Err(Failure::invalid(name, format!("Invalid value '{text}'. Expected one of {}.", known.join(", "))))
            }
            word => Ok(word),
        }
    }

    /// Refuses the call when `If-Match` names another state.
    fn check_match(&self, item: &Item) -> Outcome<()> {
        match header_text(self.headers, "if-match") {
            Some(etag) if etag.trim_matches('"') != item.etag.to_string() => Err(PRECONDITION),
            _ => Ok(()),
        }
    }

    /// Whether `If-None-Match` names this state.
    fn unchanged(&self, item: &Item) -> bool {
        header_text(self.headers, "if-none-match").is_some_and(|etag| etag.trim_matches('"') == item.etag.to_string())
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
        let id = drive.store(&new.path, content, now)?;
        Some(Value::Object(view::item(drive, drive.item(id)?, &Fields::read(None), &api.core.origin)))
    });
    match made {
        Some(item) => http::json(200, &item),
        None => http::json(409, &json!({ "error": "the path is taken or no name" })),
    }
}
