//! Comments on files, the oldest first; and who works in a folder with whom.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{
    Call, In,
    body::Members,
    failure::{FORBIDDEN, Failure, Outcome, answer},
    records::{at, by_marker, by_offset, set},
    view::{self, timestamp, user_mini},
};
use crate::{
    core::PEOPLE,
    http::{empty, json as json_response},
};

/// The fields of a comment when none are asked for.
const COMMENT: &[&str] = &["type", "id", "is_reply_comment", "message", "created_by", "created_at", "item"];

fn shown(call: &Call<'_>, comment: &Value) -> Value {
    let all = comment.as_object().cloned().unwrap_or_default();
    Value::Object(call.fields.pick(all, COMMENT))
}

/// `POST /comments`
pub(super) async fn create(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let members = Members::read(&input.body)?;
        let message = members.needed_text("message")?.to_owned();
        let item = members.needed_object("item")?;
        item.needed_word("type", &["file"])?;
        let id = item.needed_text("id")?.to_owned();
        let now = api.core.now();
        api.drive(call.account, |drive| {
            drive.file(&id)?;
            let number = drive.fresh_id();
            let comment = json!({
                "type": "comment",
                "id": number.to_string(),
                "is_reply_comment": false,
                "message": message,
                "created_by": user_mini(call.account),
                "created_at": timestamp(now),
                "modified_at": timestamp(now),
                "item": { "type": "file", "id": id },
            });
            let answer = json_response(201, &shown(&call, &comment));
            drive.records.put("comment", number, comment);
            Ok(answer)
        })
    })())
}

/// `GET /files/{id}/comments`
pub(super) async fn list(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| {
            let id = drive.file(&input.id)?.id.to_string();
            let all = drive.records.of("comment").filter(|comment| at(comment, "/item/id") == id.as_str());
            let all: Vec<Value> = all.map(|comment| shown(&call, comment)).collect();
            Ok(json_response(200, &by_offset(&call, &all)?))
        })
    })())
}

/// `GET /comments/{id}`
pub(super) async fn read(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| Ok(json_response(200, &shown(&call, drive.records.one("comment", &input.id)?))))
    })())
}

/// `PUT /comments/{id}`
pub(super) async fn update(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let members = Members::read(&input.body)?;
        let mut change = Map::new();
        if let Some(message) = members.text("message")? {
            change.insert("message".to_owned(), json!(message));
        }
        change.insert("modified_at".to_owned(), timestamp(api.core.now()));
        api.drive(call.account, |drive| {
            let comment = drive.records.change("comment", &input.id, change)?;
            Ok(json_response(200, &shown(&call, &comment)))
        })
    })())
}

/// `DELETE /comments/{id}`
pub(super) async fn delete(input: In) -> Response {
    input.remove("comment")
}

const ROLES: &[&str] =
    &["editor", "viewer", "previewer", "uploader", "previewer uploader", "viewer uploader", "co-owner"];

/// `POST /collaborations`
pub(super) async fn invite(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let members = Members::read(&input.body)?;
        let item = members.needed_object("item")?;
        let kind = item.needed_word("type", &["file", "folder"])?;
        let id = item.needed_text("id")?;
        let by = members.needed_object("accessible_by")?;
        let role = members.needed_word("role", ROLES)?;
        let expires = members.time("expires_at")?;
        let now = api.core.now();
        api.drive(call.account, |drive| {
            let held = if kind == "file" { drive.file(id)? } else { drive.folder(id)?.ok_or(FORBIDDEN)? };
            let held = Value::Object(view::mini(held));
            let whom = whom(&by)?;
            let taken = |known: &Value| {
                at(known, "/item/id") == at(&held, "/id")
                    && (at(known, "/accessible_by/id") == at(&whom.1, "/id") && whom.1.is_object()
                        || at(known, "/invite_email") == &whom.0 && whom.0.is_string())
            };
            if drive.records.of("collaboration").any(taken) {
                return Err(Failure::Other(400, "user_already_collaborator", "User is already a collaborator"));
            }
            let number = drive.fresh_id();
            let mut made = json!({
                "type": "collaboration",
                "id": number.to_string(),
                "created_by": user_mini(call.account),
                "created_at": timestamp(now),
                "modified_at": timestamp(now),
                "expires_at": expires.map(timestamp),
                "status": if whom.1.is_object() { "accepted" } else { "pending" },
                "role": role,
                "item": held,
            });
            let (member, value) = if whom.1.is_object() { ("accessible_by", whom.1) } else { ("invite_email", whom.0) };
            set(&mut made, member, value);
            let answer = json_response(201, &made);
            drive.records.put("collaboration", number, made);
            Ok(answer)
        })
    })())
}

/// Whom an invitation is for: an address nobody has an account of, or somebody.
fn whom(by: &Members) -> Outcome<(Value, Value)> {
    let kind = by.needed_word("type", &["user", "group"])?;
    match (by.text("id")?, by.text("login")?) {
        (Some(id), _) => Ok((Value::Null, json!({ "type": kind, "id": id, "name": "", "login": "" }))),
        (None, Some(login)) if kind == "user" => match PEOPLE.iter().find(|person| person.email == login) {
            Some(person) => Ok((Value::Null, Value::Object(user_mini(person.number)))),
            None => Ok((json!(login), Value::Null)),
        },
        _ => Err(Failure::missing("accessible_by.id")),
    }
}

/// `GET /folders/{id}/collaborations`
pub(super) async fn collaborations(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        api.drive(call.account, |drive| {
            let id = drive.folder(&input.id)?.ok_or(FORBIDDEN)?.id.to_string();
            let all = drive.records.of("collaboration").filter(|known| at(known, "/item/id") == id.as_str());
            let all: Vec<Value> = all.cloned().collect();
            Ok(json_response(200, &by_marker(&call, &all, 1000)?))
        })
    })())
}

/// `GET /collaborations/{id}`
pub(super) async fn collaboration(input: In) -> Response {
    input.show("collaboration")
}

/// `PUT /collaborations/{id}`
pub(super) async fn change_role(input: In) -> Response {
    answer((|| {
        let (api, call) = input.admit()?;
        let members = Members::read(&input.body)?;
        let mut change = Map::new();
        if members.text("role")?.is_some() {
            change.insert("role".to_owned(), json!(members.needed_word("role", ROLES)?));
        }
        if members.text("status")?.is_some() {
            let status = members.needed_word("status", &["pending", "accepted", "rejected"])?;
            change.insert("status".to_owned(), json!(status));
        }
        if let Some(at) = members.time("expires_at")? {
            change.insert("expires_at".to_owned(), timestamp(at));
        }
        change.insert("modified_at".to_owned(), timestamp(api.core.now()));
        api.drive(call.account, |drive| {
            Ok(json_response(200, &drive.records.change("collaboration", &input.id, change)?))
        })
    })())
}

/// `DELETE /collaborations/{id}`
pub(super) async fn end(input: In) -> Response {
    input.remove("collaboration")
}

impl In {
    /// One record as it is.
    pub(super) fn show(&self, kind: &'static str) -> Response {
        answer((|| {
            let (api, call) = self.admit()?;
            api.drive(call.account, |drive| Ok(json_response(200, drive.records.one(kind, &self.id)?)))
        })())
    }

    /// Forgets a record.
    pub(super) fn remove(&self, kind: &'static str) -> Response {
        answer((|| {
            let (api, call) = self.admit()?;
            api.drive(call.account, |drive| {
                drive.records.remove(kind, &self.id)?;
                Ok(empty(204))
            })
        })())
    }
}
