//! Groups, users and webhooks.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{
    In,
    body::Members,
    failure::{Failure, Outcome, answer},
    records::{at, by_marker, by_offset},
    view::{timestamp, user_mini},
};
use crate::http::json as json_response;

/// `POST /groups`
pub(super) async fn create_group(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let members = Members::read(&input.body)?;
        let name = members.needed_text("name")?;
        let now = timestamp(api.core.now());
        api.drive(call.account, |drive| {
            if drive.records.of("group").any(|known| at(known, "/name") == name) {
                return Err(Failure::Other(409, "conflict", "A group with this name already exists"));
            }
            let id = drive.fresh_id();
            let group = json!({
                "type": "group", "id": id.to_string(), "name": name, "group_type": "managed_group",
                "created_at": now, "modified_at": now,
            });
            drive.records.put("group", id, group.clone());
            Ok(json_response(201, &group))
        })
    })())
}

/// `GET /groups`
pub(super) async fn groups(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| {
            let all: Vec<Value> = drive.records.of("group").cloned().collect();
            Ok(json_response(200, &by_offset(&call, &all)?))
        })
    })())
}

/// `GET /groups/{id}`
pub(super) async fn group(input: In) -> Response {
    input.show("group")
}

/// `PUT /groups/{id}`
pub(super) async fn update_group(input: In) -> Response {
    input.update("group", &["name"])
}

/// `DELETE /groups/{id}`
pub(super) async fn delete_group(input: In) -> Response {
    input.remove("group")
}

/// `POST /users`
pub(super) async fn create_user(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let members = Members::read(&input.body)?;
        let name = members.needed_text("name")?;
        let app_only = members.all().get("is_platform_access_only") == Some(&json!(true));
        let login = if app_only { "AppUser@boxdevedition.com" } else { members.needed_text("login")? };
        let now = timestamp(api.core.now());
        api.drive(call.account, |drive| {
            let own = user_mini(call.account);
            let taken = own.get("login") == Some(&json!(login))
                || drive.records.of("user").any(|known| at(known, "/login") == login && !app_only);
            if taken {
                return Err(Failure::Other(
                    409,
                    "user_login_already_used",
                    "User with the specified login already exists",
                ));
            }
            let id = drive.fresh_id();
            let user = json!({
                "type": "user", "id": id.to_string(), "name": name, "login": login,
                "created_at": now, "modified_at": now, "language": "en", "timezone": "America/Los_Angeles",
                "space_amount": 10_737_418_240_u64, "space_used": 0, "max_upload_size": 5_368_709_120_u64,
                "status": "active", "job_title": "", "phone": "", "address": "", "avatar_url": "",
                "notification_email": null,
            });
            drive.records.put("user", id, user.clone());
            Ok(json_response(201, &user))
        })
    })())
}

/// `GET /users`: those of the enterprise, the caller first.
pub(super) async fn users(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let marked = call.flag("usemarker")?;
        api.drive(call.account, |drive| {
            let own = Value::Object(user_mini(call.account));
            let all: Vec<Value> = std::iter::once(own).chain(drive.records.of("user").cloned()).collect();
            let page = if marked { by_marker(&call, &all, 1000)? } else { by_offset(&call, &all)? };
            Ok(json_response(200, &page))
        })
    })())
}

/// `GET /users/{id}`
pub(super) async fn user(input: In) -> Response {
    input.show("user")
}

/// `PUT /users/{id}`
pub(super) async fn update_user(input: In) -> Response {
    input.update("user", &["name", "login", "language", "timezone", "job_title", "phone", "address", "status"])
}

/// `DELETE /users/{id}`
pub(super) async fn delete_user(input: In) -> Response {
    input.remove("user")
}

/// What a trigger's name begins with.
const TRIGGERS: &[&str] = &[
    "FILE.",
    "FOLDER.",
    "COMMENT.",
    "TASK_ASSIGNMENT.",
    "METADATA_INSTANCE.",
    "COLLABORATION.",
    "SHARED_LINK.",
    "WEBHOOK.",
    "SIGN_REQUEST.",
];

/// `POST /webhooks`
pub(super) async fn create_webhook(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let members = Members::read(&input.body)?;
        let target = members.needed_object("target")?;
        let kind = target.needed_word("type", &["file", "folder"])?;
        let id = target.needed_text("id")?;
        let address = address(&members)?.ok_or_else(|| Failure::missing("address"))?;
        let triggers = triggers(&members)?.ok_or_else(|| Failure::missing("triggers"))?;
        let now = timestamp(api.core.now());
        api.drive(call.account, |drive| {
            if kind == "file" {
                drive.file(id)?;
            } else {
                drive.folder(id)?;
            }
            let taken = |known: &Value| at(known, "/target/id") == id && at(known, "/address") == address;
            if drive.records.of("webhook").any(taken) {
                return Err(Failure::Other(409, "conflict", "A webhook for this target and address already exists"));
            }
            let number = drive.fresh_id();
            let webhook = json!({
                "type": "webhook", "id": number.to_string(), "target": { "type": kind, "id": id },
                "created_by": user_mini(call.account), "created_at": now, "address": address, "triggers": triggers,
            });
            drive.records.put("webhook", number, webhook.clone());
            Ok(json_response(201, &webhook))
        })
    })())
}

fn address(members: &Members) -> Outcome<Option<&str>> {
    match members.text("address")? {
        Some(address) if !address.starts_with("https://") => {
            Err(Failure::invalid("address", "The notification URL must use HTTPS"))
        }
        address => Ok(address),
    }
}

fn triggers(members: &Members) -> Outcome<Option<Vec<String>>> {
    let Some(triggers) = members.texts("triggers")? else { return Ok(None) };
    let known = |trigger: &String| TRIGGERS.iter().any(|prefix| trigger.starts_with(prefix));
    if triggers.is_empty() || !triggers.iter().all(known) {
        return Err(Failure::invalid("triggers", "There is an unknown trigger, or none"));
    }
    Ok(Some(triggers))
}

/// `GET /webhooks`
pub(super) async fn webhooks(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| {
            let all: Vec<Value> = drive.records.of("webhook").cloned().collect();
            Ok(json_response(200, &by_marker(&call, &all, 200)?))
        })
    })())
}

/// `GET /webhooks/{id}`
pub(super) async fn webhook(input: In) -> Response {
    input.show("webhook")
}

/// `PUT /webhooks/{id}`
pub(super) async fn update_webhook(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let members = Members::read(&input.body)?;
        let mut change = Map::new();
        if let Some(address) = address(&members)? {
            change.insert("address".to_owned(), json!(address));
        }
        if let Some(triggers) = triggers(&members)? {
            change.insert("triggers".to_owned(), json!(triggers));
        }
        api.drive(call.account, |drive| Ok(json_response(200, &drive.records.change("webhook", &input.id, change)?)))
    })())
}

/// `DELETE /webhooks/{id}`
pub(super) async fn delete_webhook(input: In) -> Response {
    input.remove("webhook")
}

impl In {
    /// Changes those of a record's members that may be; each is a text.
    fn update(&self, kind: &'static str, names: &[&str]) -> Response {
        answer((|| {
            let (api, call) = self.admit()?;
            let members = Members::read(&self.body)?;
            let mut change = Map::new();
            for name in names {
                if let Some(text) = members.text(name)? {
                    change.insert((*name).to_owned(), json!(text));
                }
            }
            change.insert("modified_at".to_owned(), timestamp(api.core.now()));
            api.drive(call.account, |drive| Ok(json_response(200, &drive.records.change(kind, &self.id, change)?)))
        })())
    }
}
