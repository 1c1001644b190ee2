//! Box, API 2.0: items by numeric id, the root is folder `0`; uploads are multipart on a path of their own, downloads a
//! redirect to a signed address.

mod authorization;
mod body;
mod comments;
mod download;
mod enterprise;
mod failure;
mod files;
mod folders;
mod lookup;
mod metadata;
mod records;
mod sessions;
mod store;
mod upload;
mod view;

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{self as stream, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    http::HeaderMap,
    response::Response,
    routing::{delete, get, options, post},
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
    sessions: sessions::Sessions,
}

/// The API on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let api = Arc::new(Api {
        core: Arc::clone(core),
        drives: Mutex::default(),
        signed: Mutex::default(),
        sessions: sessions::Sessions::default(),
    });
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
        .route("/2.0/files/{id}/versions/{key}", get(files::version))
        .route("/2.0/files/{id}/trash", delete(files::purge))
        .route("/2.0/folders/{id}/trash", delete(folders::purge))
        .route("/2.0/files/{id}/comments", get(comments::list))
        .route("/2.0/comments", post(comments::create))
        .route("/2.0/comments/{id}", get(comments::read).put(comments::update).delete(comments::delete))
        .route("/2.0/folders/{id}/collaborations", get(comments::collaborations))
        .route("/2.0/collaborations", post(comments::invite))
        .route(
            "/2.0/collaborations/{id}",
            get(comments::collaboration).put(comments::change_role).delete(comments::end),
        )
        .route("/2.0/groups", get(enterprise::groups).post(enterprise::create_group))
        .route(
            "/2.0/groups/{id}",
            get(enterprise::group).put(enterprise::update_group).delete(enterprise::delete_group),
        )
        .route("/2.0/users", get(enterprise::users).post(enterprise::create_user))
        .route("/2.0/users/{id}", get(enterprise::user).put(enterprise::update_user).delete(enterprise::delete_user))
        .route("/2.0/webhooks", get(enterprise::webhooks).post(enterprise::create_webhook))
        .route(
            "/2.0/webhooks/{id}",
            get(enterprise::webhook).put(enterprise::update_webhook).delete(enterprise::delete_webhook),
        )
        .route("/2.0/metadata_templates/{scope}", get(metadata::templates).post(metadata::create_template))
        .route(
            "/2.0/metadata_templates/{scope}/{key}/schema",
            get(metadata::template).put(metadata::update_template).delete(metadata::delete_template),
        )
        .route("/2.0/files/{id}/metadata", get(metadata::all))
        .route(
            "/2.0/files/{id}/metadata/{scope}/{key}",
            get(metadata::read).post(metadata::create).put(metadata::update).delete(metadata::remove),
        )
        .route("/2.0/search", get(lookup::search))
        .route("/2.0/users/me", get(lookup::me))
        .route("/api/2.0/files/content", post(upload::create).options(upload::preflight))
        .route("/api/2.0/files/{id}/content", post(upload::replace))
        .route("/api/2.0/files/upload_sessions", post(sessions::create))
        .route("/api/2.0/files/{id}/upload_sessions", post(sessions::create_version))
        .route(
            "/api/2.0/files/upload_sessions/{session}",
            get(sessions::read).put(sessions::part).delete(sessions::abort),
        )
        .route("/api/2.0/files/upload_sessions/{session}/parts", get(sessions::parts))
        .route("/api/2.0/files/upload_sessions/{session}/commit", post(sessions::commit))
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
        credentials: Vec::new(),
        reset: Box::new(move || {
            hold(&api.drives).clear();
            hold(&api.signed).clear();
            api.sessions.clear();
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

/// A whole request, for routes that need no more of it than this.
struct In {
    api: Arc<Api>,
    id: String,
    scope: String,
    key: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

impl FromRequest<Arc<Api>> for In {
    type Rejection = Response;

    fn from_request(request: Request, api: &Arc<Api>) -> impl Future<Output = Result<Self, Response>> + Send {
        let api = Arc::clone(api);
        async move {
            let (mut parts, body) = request.into_parts();
            // A route without names in its path has none.
            let names = Path::<HashMap<String, String>>::from_request_parts(&mut parts, &()).await;
            let mut names = names.map(|Path(names)| names).unwrap_or_default();
            let mut name = |name: &str| names.remove(name).unwrap_or_default();
            let (id, scope, key) = (name("id"), name("scope"), name("key"));
            let body = stream::to_bytes(body, 1 << 20).await.map_err(|_| http::empty(413))?;
            let query = parts.uri.query().map(str::to_owned);
            Ok(Self { api, id, scope, key, query, headers: parts.headers, body })
        }
    }
}

impl In {
    /// The API, and the call once its token is checked.
    fn admit(&self) -> Outcome<(&Api, Call<'_>)> {
        Ok((&self.api, self.api.admit(&self.headers, self.query.as_deref())?))
    }
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
