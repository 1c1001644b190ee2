//! Dropbox, API v2: every route is a POST; failures of a route are 409 with a tagged union, malformed requests are 400
//! with plain text.

mod args;
mod authorization;
mod failure;
mod files;
mod listing;
mod properties;
mod sessions;
mod sharing;
mod tags;
mod team;
mod transfer;
mod tree;
mod users;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
    routing::{get, post},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) use self::authorization::rules;
use self::{
    failure::{Failure, Outcome},
    properties::Properties,
    sessions::Sessions,
    sharing::Link,
    team::Member,
    tree::Drive,
};
use crate::{
    content::{Content, Hash},
    core::{Core, Provider, hold},
    http,
};

/// The imitation's state.
pub(crate) struct Api {
    core: Arc<Core>,
    drives: Mutex<HashMap<u32, Drive>>,
    sessions: Sessions,
    links: Mutex<Vec<Link>>,
    properties: Mutex<Properties>,
    tags: Mutex<tags::Tags>,
    /// The members of the team that each grant is for.
    teams: Mutex<HashMap<u64, Vec<Member>>>,
    /// What the addresses of temporary links lead to.
    temporary: Mutex<HashMap<String, Content>>,
}

/// The API on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let api = Arc::new(Api {
        core: Arc::clone(core),
        drives: Mutex::default(),
        sessions: Sessions::default(),
        links: Mutex::default(),
        properties: Mutex::default(),
        tags: Mutex::default(),
        teams: Mutex::default(),
        temporary: Mutex::default(),
    });
    let router = Router::new()
        .route("/2/files/upload", post(transfer::upload))
        .route("/2/files/download", post(transfer::download).get(transfer::download))
        .route("/2/files/upload_session/start", post(transfer::session_start))
        .route("/2/files/upload_session/append_v2", post(transfer::session_append))
        .route("/2/files/upload_session/finish", post(transfer::session_finish))
        .route("/2/{namespace}/{*route}", post(call))
        .route("/temporary/{secret}", get(transfer::temporary))
        .route("/scl/{kind}/{secret}/{name}", get(sharing::open))
        .route("/_control/virtual", post(make_virtual))
        .with_state(Arc::clone(&api));
    Provider {
        router,
        urls: vec![
            ("api", core.origin.clone()),
            ("content", core.origin.clone()),
            ("revoke", format!("{}/2/auth/token/revoke", core.origin)),
        ],
        configuration: vec![("base.url", core.origin.clone()), ("content.url", core.origin.clone())],
        credentials: Vec::new(),
        reset: Box::new(move || {
            hold(&api.drives).clear();
            hold(&api.links).clear();
            hold(&api.properties).clear();
            hold(&api.tags).clear();
            hold(&api.teams).clear();
            hold(&api.temporary).clear();
            api.sessions.clear();
        }),
        failure: failure::fault,
    }
}

/// Who calls.
struct Caller {
    account: u32,
    /// Of a team: the member.
    member: Option<Member>,
}

impl Api {
    /// Acts on an account's files.
    fn drive<T>(&self, account: u32, act: impl FnOnce(&mut Drive) -> T) -> T {
        let mut drives = hold(&self.drives);
        act(drives.entry(account).or_insert_with(|| Drive::seeded(self.core.now(), account)))
    }

    /// Checks the token and its scope.
    fn admit(&self, headers: &HeaderMap, scope: Option<&str>) -> Result<Caller, Failure> {
        let access = self.core.oauth.check(headers).map_err(Failure::Denied)?;
        match (scope, &access.scope) {
            (Some(needed), Some(granted)) if !granted.split(' ').any(|scope| scope == needed) => {
                Err(Failure::MissingScope(needed.to_owned()))
            }
            // A token is taken back by whoever has it.
            (None, _) => Ok(Caller { account: access.account, member: None }),
            _ => self.caller(&access, headers),
        }
    }
}

/// Every route with a JSON body.
async fn call(
    State(api): State<Arc<Api>>,
    Path((namespace, route)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let route = format!("{namespace}/{route}");
    transfer::answer(&route, dispatch(&api, &route, &headers, &body))
}

fn dispatch(api: &Api, route: &str, headers: &HeaderMap, body: &[u8]) -> Outcome {
    if route.starts_with("team/") {
        return team::call(api, route, headers, body);
    }
    let read = Some("files.metadata.read");
    let write = Some("files.content.write");
    let scope = match route {
        "files/list_folder"
        | "files/list_folder/continue"
        | "files/list_folder/get_latest_cursor"
        | "files/get_metadata"
        | "files/search_v2"
        | "files/search/continue_v2"
        | "files/list_revisions"
        | "files/tags/get"
        | "file_properties/templates/get_for_user"
        | "file_properties/templates/list_for_user" => read,
        "files/create_folder_v2" | "files/delete_v2" | "files/move_v2" | "files/copy_v2" => write,
        "files/tags/add"
        | "files/tags/remove"
        | "file_properties/templates/add_for_user"
        | "file_properties/templates/update_for_user"
        | "file_properties/templates/remove_for_user"
        | "file_properties/properties/add"
        | "file_properties/properties/update"
        | "file_properties/properties/remove" => Some("files.metadata.write"),
        "files/get_temporary_link" => Some("files.content.read"),
        "sharing/create_shared_link_with_settings" | "sharing/revoke_shared_link" => Some("sharing.write"),
        "sharing/list_shared_links" => Some("sharing.read"),
        "users/get_current_account" | "users/get_space_usage" | "check/user" => Some("account_info.read"),
        "auth/token/revoke" => None,
        _ => return Err(Failure::NoRoute),
    };
    let caller = &api.admit(headers, scope)?;
    match route {
        "users/get_current_account"
        | "users/get_space_usage"
        | "auth/token/revoke"
        | "file_properties/templates/list_for_user" => {
            no_argument(headers, body)?;
            match route {
                "users/get_current_account" => Ok(users::current_account(caller)),
                "users/get_space_usage" => Ok(users::space_usage(api, caller)),
                "file_properties/templates/list_for_user" => Ok(properties::list_templates(api, caller)),
                _ => Ok(users::revoke_token(api, headers)),
            }
        }
        "files/list_folder" => listing::list_folder(api, caller, argument(headers, body)?),
        "files/list_folder/continue" => listing::list_folder_continue(api, caller, &argument(headers, body)?),
        "files/list_folder/get_latest_cursor" => listing::latest_cursor(api, caller, argument(headers, body)?),
        "files/search_v2" => listing::search(api, caller, argument(headers, body)?),
        "files/search/continue_v2" => listing::search_continue(api, caller, &argument(headers, body)?),
        "files/get_metadata" => files::get_metadata(api, caller, &argument(headers, body)?),
        "files/create_folder_v2" => files::create_folder(api, caller, &argument(headers, body)?),
        "files/delete_v2" => files::delete(api, caller, &argument(headers, body)?),
        "files/move_v2" => files::relocate(api, caller, &argument(headers, body)?, false),
        "files/copy_v2" => files::relocate(api, caller, &argument(headers, body)?, true),
        "files/tags/add" => tags::add(api, caller, &argument(headers, body)?),
        "files/tags/remove" => tags::remove(api, caller, &argument(headers, body)?),
        "files/tags/get" => tags::get(api, caller, &argument(headers, body)?),
        "files/list_revisions" => files::list_revisions(api, caller, &argument(headers, body)?),
        "files/get_temporary_link" => transfer::temporary_link(api, caller, &argument(headers, body)?),
        "sharing/create_shared_link_with_settings" => sharing::create(api, caller, argument(headers, body)?),
        "sharing/list_shared_links" => sharing::list(api, caller, &argument(headers, body)?),
        "sharing/revoke_shared_link" => sharing::revoke(api, caller, &argument(headers, body)?),
        "file_properties/templates/add_for_user" => properties::add_template(api, caller, argument(headers, body)?),
        "file_properties/templates/get_for_user" => properties::get_template(api, caller, &argument(headers, body)?),
        "file_properties/templates/update_for_user" => {
            properties::update_template(api, caller, argument(headers, body)?)
        }
        "file_properties/templates/remove_for_user" => {
            properties::remove_template(api, caller, &argument(headers, body)?)
        }
        "file_properties/properties/add" => properties::add(api, caller, argument(headers, body)?),
        "file_properties/properties/update" => properties::update(api, caller, argument(headers, body)?),
        "file_properties/properties/remove" => properties::remove(api, caller, &argument(headers, body)?),
        "check/user" => users::check(&argument(headers, body)?),
        _ => Err(Failure::NoRoute),
    }
}

/// Reads a JSON body strictly.
fn argument<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Failure> {
    let expected = ["application/json", "text/plain"];
    failure::content_type(
        headers,
        &expected,
        "\"application/json\", \"application/json; charset=utf-8\", \"text/plain; charset=dropbox-cors-hack\"",
    )?;
    parse(body, "request body")
}

/// Reads the JSON of an argument strictly; `place` says where it came from.
fn parse<T: DeserializeOwned>(text: &[u8], place: &str) -> Result<T, Failure> {
    let value: Value =
        serde_json::from_slice(text).map_err(|_| Failure::Bad(format!("{place}: could not decode input as JSON")))?;
    if !value.is_object() {
        return Err(Failure::Bad(format!("{place}: expected object, got {}", kind(&value))));
    }
    serde_json::from_value(value).map_err(|error| Failure::Bad(format!("{place}: {error}")))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A route without an argument takes no body, or `null`.
fn no_argument(headers: &HeaderMap, body: &[u8]) -> Result<(), Failure> {
    if body.is_empty() {
        return Ok(());
    }
    let expected = ["application/json", "text/plain"];
    failure::content_type(
        headers,
        &expected,
        "\"application/json\", \"application/json; charset=utf-8\", \"text/plain; charset=dropbox-cors-hack\"",
    )?;
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Null) => Ok(()),
        Ok(value) => Err(Failure::Bad(format!("request body: expected null, got {}", kind(&value)))),
        Err(_) => Err(Failure::Bad("request body: could not decode input as JSON".to_owned())),
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
    let Ok(content) = tokio::task::spawn_blocking(move || Content::pattern(Hash::Blocks, size)).await else {
        return http::empty(500);
    };
    let now = api.core.now();
    let written = api.drive(new.account.unwrap_or(1), |drive| {
        drive.write(&new.path, content, &tree::Mode::Overwrite, false, false, now, now)
    });
    match written {
        Ok(metadata) => http::json(200, &Value::Object(metadata)),
        Err(error) => http::json(409, &error.json()),
    }
}
