//! The rules of an instance's configuration: what is secret, what a mask means, how values are merged and listed.
//!
//! Values come as strings, booleans, numbers or objects and are kept as they came; only secrets are always text. A
//! secret leaves the process as [`MASK`], and a mask that comes back changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::catalog::ConfigurationEntry;

/// What stands for a secret in every answer; sent back, it means "as it was".
pub const MASK: &str = "********";

/// The key that switches events on.
pub const EVENTS_ENABLED: &str = "event.notification.enabled";

/// The key under which an instance says for how many seconds past its time a cached answer may stand in for a provider
/// that fails (`stale-if-error`, RFC 5861).
pub const STALE_IF_ERROR: &str = "cache.stale.if.error";

/// The longest that can be asked for: a week.
pub const MAX_STALE_S: u64 = 7 * 24 * 3600;

/// What `configuration` says under [`STALE_IF_ERROR`]; zero when it says nothing.
///
/// # Errors
/// When the value is no whole number of seconds up to [`MAX_STALE_S`], as a number or as text.
pub fn stale_if_error(configuration: &Map<String, Value>) -> Result<Duration, String> {
    let seconds = match configuration.get(STALE_IF_ERROR) {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) if text.trim().is_empty() => Some(0),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    match seconds.filter(|seconds| *seconds <= MAX_STALE_S) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(format!("must be a whole number of seconds, {MAX_STALE_S} at most; 0 takes no stale answers")),
    }
}

/// Keys that the contract knows as secrets, whatever an element's file says of them.
const SECRET_KEYS: [&str; 13] = [
    "password",
    "oauth.api.key",
    "oauth.api.secret",
    "oauth.user.token",
    "oauth.user.refresh_token",
    "oauth.user.token.secret",
    "oauth.request.token",
    "oauth.request.token.secret",
    "event.notification.basic.password",
    "event.notification.signature.key",
    "aws.api.key",
    "aws.api.secret",
    "user.password",
];

/// Keys that the contract answers in clear, also where an element has their values sealed at rest.
const SHOWN_KEYS: [&str; 1] = ["username"];

/// Last parts of a key that speak of a secret, for keys that no element entry describes.
const SECRET_ENDINGS: [&str; 12] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api_token",
    "access_key",
    "secret_key",
    "private_key",
    "consumer_secret",
    "token_secret",
];

/// Keys whose values are grants: they are sealed with the grant and never stood in the configuration.
pub const GRANT_KEYS: [&str; 4] =
    ["oauth.user.token", "oauth.user.refresh_token", "oauth.user.token.secret", "oauth.user.refresh_time"];

/// Whether the value under `key` is a secret: by the contract, else by the element, else by what the key's last part says.
pub fn is_secret(entries: &[ConfigurationEntry], key: &str) -> bool {
    if SECRET_KEYS.contains(&key) {
        return true;
    }
    if let Some(entry) = entries.iter().find(|entry| entry.key == key) {
        return entry.secret || entry.kind.eq_ignore_ascii_case("PASSWORD");
    }
    let last = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    SECRET_ENDINGS.iter().any(|ending| last == *ending || last.ends_with(&format!("_{ending}")))
}

/// The text of a configuration value: strings as they are, everything else as JSON; none for null.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Whether a value says "nothing": null or blank text.
pub fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// An instance's own configuration: the values in clear and the secrets beside them.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// Everything that may be read back.
    pub clear: Map<String, Value>,
    /// Everything that leaves only as a mask.
    pub secrets: BTreeMap<String, SecretString>,
}

impl Values {
    /// Whether there is a value under `key`.
    pub fn contains(&self, key: &str) -> bool {
        self.clear.contains_key(key) || self.secrets.contains_key(key)
    }

    /// The text under `key`, secret or not.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.secrets.get(key) {
            Some(secret) => Some(secret.expose_secret().to_owned()),
            None => self.clear.get(key).and_then(text),
        }
    }

    /// Puts `value` under `key`, on the side it belongs to; null takes it away.
    pub fn put(&mut self, entries: &[ConfigurationEntry], key: &str, value: Value) {
        if is_secret(entries, key) {
            self.clear.shift_remove(key);
            match text(&value) {
                Some(text) => self.secrets.insert(key.to_owned(), SecretString::from(text)),
                None => self.secrets.remove(key),
            };
        } else if value.is_null() {
            self.clear.shift_remove(key);
            self.secrets.remove(key);
        } else {
            self.secrets.remove(key);
            self.clear.insert(key.to_owned(), value);
        }
    }

    /// Takes the value under `key` away.
    pub fn remove(&mut self, key: &str) {
        self.clear.shift_remove(key);
        self.secrets.remove(key);
    }

    /// PATCH: each sent key replaces its value, null takes it away, everything else stays.
    ///
    /// A mask changes nothing. Neither does a value that says what already holds by `inherited` (the element's default
    /// or the operator's setting): an answer that is sent back must not pin what it only showed.
    pub fn merge(&mut self, entries: &[ConfigurationEntry], inherited: &Self, sent: &Map<String, Value>) {
        for (key, value) in sent {
            if value.as_str() == Some(MASK) || (!self.contains(key) && inherited.says(key, value)) {
                continue;
            }
            self.put(entries, key, value.clone());
        }
    }

    /// PUT: like [`Values::merge`], but keys that are neither sent nor `kept` go.
    ///
    /// Kept are the values that the provider's token answer gave, which no caller can know.
    pub fn replace(
        &mut self,
        entries: &[ConfigurationEntry],
        inherited: &Self,
        kept: &BTreeSet<String>,
        sent: &Map<String, Value>,
    ) {
        self.clear.retain(|key, _| sent.contains_key(key) || kept.contains(key));
        self.secrets.retain(|key, _| sent.contains_key(key) || kept.contains(key));
        self.merge(entries, inherited, sent);
    }

    /// These values laid over `below`: what is set here wins.
    pub fn over(&self, below: &Self) -> Self {
        let mut all = below.clone();
        for (key, value) in &self.clear {
            all.secrets.remove(key);
            all.clear.insert(key.clone(), value.clone());
        }
        for (key, secret) in &self.secrets {
            all.clear.shift_remove(key);
            all.secrets.insert(key.clone(), secret.clone());
        }
        all
    }

    /// Everything in one map, the secrets as [`MASK`] (but a `username` is answered in clear, as the contract has it).
    pub fn masked(&self) -> Map<String, Value> {
        let mut all = self.clear.clone();
        for (key, secret) in &self.secrets {
            let shown = if SHOWN_KEYS.contains(&key.as_str()) { secret.expose_secret() } else { MASK };
            all.insert(key.clone(), Value::String(shown.to_owned()));
        }
        all
    }

    fn says(&self, key: &str, value: &Value) -> bool {
        self.text(key).is_some() && self.text(key) == text(value)
    }
}

/// One configuration item of an instance, as `GET /instances/{id}/configuration` lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its number, see [`item_id`].
    pub id: u64,
    /// Its key.
    pub key: String,
    /// A short name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The value that holds, masked; null when there is none.
    pub value: Value,
    /// The contract's field type, `TEXTFIELD_1000` and its like.
    pub kind: String,
    /// Whether an instance cannot be without it.
    pub required: bool,
    /// Whether a console has no field for it.
    pub hide_from_console: bool,
}

/// The number of the item `key` of `instance_id`.
///
/// The first six bytes of the SHA-256 of `instance id NUL key`: it needs no table, survives restarts, reloads and a new
/// order in the element's file, and fits the 53 bits that every JSON reader keeps exactly.
pub fn item_id(instance_id: i64, key: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(instance_id.to_string());
    hash.update([0]);
    hash.update(key);
    hash.finalize().iter().take(6).fold(0, |id, byte| (id << 8) | u64::from(*byte))
}

/// The items of an instance: the element's entries in their order, then the keys that only the instance has.
pub fn items(instance_id: i64, entries: &[ConfigurationEntry], effective: &Values) -> Vec<Item> {
    let values = effective.masked();
    let declared = entries.iter().map(|entry| Item {
        id: item_id(instance_id, &entry.key),
        key: entry.key.clone(),
        name: entry.name.clone(),
        description: entry.description.clone(),
        value: values.get(&entry.key).cloned().unwrap_or_default(),
        kind: entry.kind.clone(),
        required: entry.required,
        hide_from_console: entry.hide_from_console,
    });
    let others =
        values.iter().filter(|(key, _)| !entries.iter().any(|entry| entry.key == **key)).map(|(key, value)| {
            let kind = match value {
                Value::Bool(_) => "BOOLEAN",
                Value::Array(_) | Value::Object(_) => "TEXTAREA",
                _ if is_secret(entries, key) => "PASSWORD",
                _ => "TEXTFIELD_1000",
            };
            Item {
                id: item_id(instance_id, key),
                key: key.clone(),
                name: key.clone(),
                description: String::new(),
                value: value.clone(),
                kind: kind.to_owned(),
                required: false,
                hide_from_console: true,
            }
        });
    declared.chain(others).collect()
}

/// The item that `wanted` names by its number or by its key.
pub fn find_item(items: Vec<Item>, wanted: &str) -> Option<Item> {
    let number = wanted.parse::<u64>().ok();
    let at = items
        .iter()
        .position(|item| number == Some(item.id))
        .or_else(|| items.iter().position(|item| item.key == wanted))?;
    items.into_iter().nth(at)
}

#[cfg(test)]
#[path = "configuration/tests.rs"]
mod tests;
