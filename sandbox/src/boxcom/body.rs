//! Reading JSON bodies: known members must have the right type, unknown ones are ignored.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    failure::{Failure, Outcome},
    store::Link,
    view::{timestamp, user_mini},
};
use crate::core::random_hex;

/// A body's members.
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Reads a JSON object.
    pub(super) fn read(body: &[u8]) -> Outcome<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(Failure::invalid(
                "entity-body",
                "Invalid value. Entity body should be a correctly nested resource attribute name/value pair",
            )),
        }
    }

    /// A text, absent or there.
    pub(super) fn text(&self, name: &str) -> Outcome<Option<&str>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(Failure::invalid(name, format!("Invalid value '{value}'. '{name}' should be a string"))),
        }
    }

    /// A text that must be there.
    pub(super) fn needed_text(&self, name: &str) -> Outcome<&str> {
        self.text(name)?.ok_or_else(|| Failure::missing(name))
    }

    /// The members themselves.
    pub(super) fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    /// An object among the members.
    pub(super) fn object(&self, name: &str) -> Outcome<Option<Self>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self(members.clone()))),
            Some(value) => {
                Err(Failure::invalid(name, format!("Invalid value '{value}'. '{name}' should be an object")))
            }
        }
    }

    /// An object that must be there.
    pub(super) fn needed_object(&self, name: &str) -> Outcome<Self> {
        self.object(name)?.ok_or_else(|| Failure::missing(name))
    }

    /// A text that must be one of a few words.
    pub(super) fn needed_word(&self, name: &str, known: &[&str]) -> Outcome<&str> {
        let word = self.needed_text(name)?;
        if known.contains(&word) {
            return Ok(word);
        }
        Err(Failure::invalid(name, format!("Invalid value '{word}'. Expected one of {}.", known.join(", "))))
    }

    /// The id inside `parent`.
    pub(super) fn parent(&self) -> Outcome<Option<&str>> {
        match self.0.get("parent") {
            None => Ok(None),
            Some(Value::Object(parent)) => match parent.get("id") {
                Some(Value::String(id)) => Ok(Some(id)),
                None => Err(Failure::missing("parent.id")),
                Some(value) => {
                    Err(Failure::invalid("parent.id", format!("Invalid value '{value}'. 'id' should be a string")))
                }
            },
            Some(value) => {
                Err(Failure::invalid("parent", format!("Invalid value '{value}'. 'parent' should be an object")))
            }
        }
    }

    /// The id inside `parent`, which must be there.
    pub(super) fn needed_parent(&self) -> Outcome<&str> {
        self.parent()?.ok_or_else(|| Failure::missing("parent"))
    }

    /// What is to become of a file's lock.
    pub(super) fn lock(&self, new_id: u64, account: u32, now: DateTime<Utc>) -> Outcome<Change<Value>> {
        let members = match self.0.get("lock") {
            None => return Ok(Change::Keep),
            Some(Value::Null) => return Ok(Change::Remove),
            Some(_) => self.needed_object("lock")?,
        };
        if let Some(word) = members.text("access")?.or(members.text("type")?)
            && word != "lock"
        {
            return Err(Failure::invalid("lock.access", format!("Invalid value '{word}'. Expected lock.")));
        }
        let expires = members.time("expires_at")?;
        if expires.is_some_and(|at| at <= now) {
            return Err(Failure::invalid("lock.expires_at", "The date must be in the future."));
        }
        let prevented = match members.0.get("is_download_prevented") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(prevented)) => *prevented,
            Some(_) => return Err(Failure::invalid("lock.is_download_prevented", "should be a boolean")),
        };
        Ok(Change::Set(json!({
            "type": "lock",
            "id": new_id.to_string(),
            "created_by": user_mini(account),
            "created_at": timestamp(now),
            "expires_at": expires.map(timestamp),
            "is_download_prevented": prevented,
        })))
    }

    /// A point in time.
    pub(super) fn time(&self, name: &str) -> Outcome<Option<DateTime<Utc>>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        parse_time(name, text).map(Some)
    }

    /// A list of texts.
    pub(super) fn texts(&self, name: &str) -> Outcome<Option<Vec<String>>> {
        let wrong = || Failure::invalid(name, format!("'{name}' should be a list of strings"));
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Array(list)) => {
                let texts = list.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong));
                texts.collect::<Outcome<Vec<_>>>().map(Some)
            }
            Some(_) => Err(wrong()),
        }
    }

    /// What is to become of the shared link: nothing, none, or this one.
    pub(super) fn shared_link(&self, now: DateTime<Utc>, old: Option<&Link>) -> Outcome<Change<Link>> {
        let members = match self.0.get("shared_link") {
            None => return Ok(Change::Keep),
            Some(Value::Null) => return Ok(Change::Remove),
            Some(Value::Object(members)) => Self(members.clone()),
            Some(_) => return Err(Failure::invalid("shared_link", "'shared_link' should be an object")),
        };
        let access = members.text("access")?.or_else(|| old.map(|link| link.access.as_str())).unwrap_or("open");
        if !matches!(access, "open" | "company" | "collaborators") {
            return Err(Failure::invalid("access", format!("Invalid value '{access}'.")));
        }
        let unshared_at = members.time("unshared_at")?;
        if unshared_at.is_some_and(|at| at <= now) {
            return Err(Failure::invalid("unshared_at", "The date must be in the future."));
        }
        let password = members.text("password")?.is_some();
        if password && access != "open" {
            return Err(Failure::invalid("password", "A password is possible for open access only."));
        }
        let can_download = match members.0.get("permissions").and_then(|all| all.get("can_download")) {
            None => true,
            Some(Value::Bool(can)) => *can && access != "collaborators",
            Some(_) => return Err(Failure::invalid("can_download", "'can_download' should be a boolean")),
        };
        let secret = old.map_or_else(|| random_hex(16), |link| link.secret.clone());
        Ok(Change::Set(Link { secret, access: access.to_owned(), password, unshared_at, can_download }))
    }
}

/// What an update does to an optional part.
pub(super) enum Change<T> {
    Keep,
    Remove,
    Set(T),
}

/// Reads a point in time.
pub(super) fn parse_time(name: &str, text: &str) -> Outcome<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text);
    time.map(|time| time.to_utc()).map_err(|_| Failure::invalid(name, format!("Invalid value '{text}'.")))
}
