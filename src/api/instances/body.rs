//! An instance body on its way in: every member checked, every finding named by its JSON pointer, all at once.
//!
//! Members that the contract answers but nobody may set (`id`, `token`, `createdDate`, `user`, …) are passed over, so
//! that an answer can be changed and sent back.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::{
    error::{Detail, Error, Result},
    gateway::connect::{Draft, External, ProviderData, Sent},
    instance::{
        configuration::{is_blank, text},
        text as words,
    },
    store::Actor,
};

/// The largest number that fields of the contract's `int` type hold.
const LARGEST: u64 = i32::MAX as u64;
/// The longest name or tag in characters.
const LONGEST_TEXT: usize = 1024;
/// The most tags of an instance.
const MOST_TAGS: usize = 256;

/// Members of `providerData` with a meaning of their own; others are parameters of the provider's callback.
const KNOWN_DATA: [&str; 6] = ["code", "code_verifier", "access_token", "refresh_token", "expires_in", "error"];

/// Reads the body of POST, PUT and PATCH.
///
/// # Errors
/// [`Kind::BadRequest`](crate::error::Kind::BadRequest) with one detail per finding.
pub(super) fn read(body: &Value) -> Result<Draft> {
    let mut reader = Reader::default();
    let draft = if let Value::Object(members) = body {
        reader.draft(members)
    } else {
        reader.note("", "must be a JSON object");
        Draft::default()
    };
    reader.finish(draft)
}

/// Reads `{"propertyValue": …}`.
///
/// # Errors
/// As [`read`].
pub(super) fn read_property(body: &Value) -> Result<Value> {
    body.get("propertyValue").cloned().ok_or_else(|| {
        Error::bad_request("The body must be an object with `propertyValue`")
            .with_detail("/propertyValue", "is missing")
    })
}

#[derive(Default)]
struct Reader(Vec<Detail>);

impl Reader {
    fn note(&mut self, pointer: &str, detail: &str) {
        self.0.push(Detail { pointer: pointer.to_owned(), detail: detail.to_owned() });
    }

    fn finish<T>(self, read: T) -> Result<T> {
        let message = match self.0.as_slice() {
            [] => return Ok(read),
            [only] if only.pointer.is_empty() => format!("The body {}", only.detail),
            [only] => format!("{} {}", only.pointer, only.detail),
            many => {
                let pointers: Vec<&str> = many.iter().map(|detail| detail.pointer.as_str()).collect();
                format!("Invalid instance: {}", pointers.join(", "))
            }
        };
        Err(self
            .0
            .into_iter()
            .fold(Error::bad_request(message), |error, detail| error.with_detail(detail.pointer, detail.detail)))
    }

    fn draft(&mut self, members: &Map<String, Value>) -> Draft {
        let member = |name: &str| members.get(name).filter(|value| !value.is_null());
        Draft {
            element: member("element").and_then(|value| self.element(value)),
            name: member("name").and_then(|value| self.name(value)),
            tags: member("tags").and_then(|value| self.tags(value)),
            configuration: member("configuration").and_then(|value| self.configuration(value)),
            provider_data: member("providerData").and_then(|value| self.provider_data(value)),
            external: member("externalAuthentication").and_then(|value| self.external(value)),
            caching_enabled: member("cachingEnabled").and_then(|value| self.flag("/cachingEnabled", value)),
            cache_ttl_s: member("cacheTimeToLive").and_then(|value| self.number("/cacheTimeToLive", value)),
            max_cache_size: member("maxCacheSize").and_then(|value| self.number("/maxCacheSize", value)),
            // Whoever asks is put in where it is known.
            actor: Actor::default(),
        }
    }

    fn element(&mut self, value: &Value) -> Option<String> {
        let Some(members) = value.as_object() else {
            self.note("/element", "must be an object with `key` or `id`");
            return None;
        };
        match (members.get("key"), members.get("id")) {
            (Some(Value::String(key)), _) => Some(key.clone()),
            (None | Some(Value::Null), Some(Value::Number(id))) => Some(id.to_string()),
            (None | Some(Value::Null), Some(Value::String(id))) => Some(id.clone()),
            (None | Some(Value::Null), None | Some(Value::Null)) => {
                self.note("/element", "must have `key` or `id`");
                None
            }
            (Some(_), _) => {
                self.note("/element/key", "must be a string");
                None
            }
            (_, Some(_)) => {
                self.note("/element/id", "must be a number");
                None
            }
        }
    }

    fn name(&mut self, value: &Value) -> Option<String> {
        let Some(sent) = value.as_str() else {
            self.note("/name", "must be a string");
            return None;
        };
        let name = words::strip_html(sent);
        if sent.trim().is_empty() {
            self.note("/name", "must not be empty");
        } else if name.chars().count() > LONGEST_TEXT {
            self.note("/name", "must not be longer than 1024 characters");
        }
        // Nothing but markup (`<INSTANCE NAME>`, copied from a guide) names nothing: as if no name had been sent.
        Some(name).filter(|name| !name.is_empty())
    }

    fn tags(&mut self, value: &Value) -> Option<Vec<String>> {
        let Some(list) = value.as_array() else {
            self.note("/tags", "must be a list of strings");
            return None;
        };
        if list.len() > MOST_TAGS {
            self.note("/tags", "must not have more than 256 tags");
            return None;
        }
        let mut tags = Vec::with_capacity(list.len());
        for (at, tag) in list.iter().enumerate() {
            match tag.as_str().or_else(|| tag.get("name").and_then(Value::as_str)) {
                Some(tag) if tag.chars().count() > LONGEST_TEXT => {
                    self.note(&format!("/tags/{at}"), "must not be longer than 1024 characters");
                }
                Some(tag) => tags.push(tag.to_owned()),
                None => self.note(&format!("/tags/{at}"), "must be a string, or an object with `name`"),
            }
        }
        Some(words::clean_tags(tags))
    }

    fn configuration(&mut self, value: &Value) -> Option<Sent> {
        let Some(members) = value.as_object() else {
            self.note("/configuration", "must be an object");
            return None;
        };
        if members.keys().any(|key| key.trim().is_empty()) {
            self.note("/configuration/", "is an empty key");
        }
        Some(Sent(members.clone()))
    }

    fn external(&mut self, value: &Value) -> Option<External> {
        match value.as_str() {
            Some("none") => Some(External::None),
            Some("initial") => Some(External::Initial),
            _ => {
                self.note("/externalAuthentication", "must be `none` or `initial`");
                None
            }
        }
    }

    fn provider_data(&mut self, value: &Value) -> Option<ProviderData> {
        let Some(members) = value.as_object() else {
            self.note("/providerData", "must be an object");
            return None;
        };
        let mut word = |name: &str| match members.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.note(&format!("/providerData/{name}"), "must be a string");
                None
            }
        };
        let mut data = ProviderData {
            code: word("code").map(SecretString::from),
            verifier: word("code_verifier").map(SecretString::from),
            access: word("access_token").map(SecretString::from),
            refresh: word("refresh_token").map(SecretString::from),
            expires_in: None,
            error: word("error"),
            parameters: Sent::default(),
        };
        data.parameters.0 = members
            .iter()
            .filter(|(name, _)| !KNOWN_DATA.contains(&name.as_str()))
            .filter_map(|(name, value)| text(value).map(|text| (name.clone(), Value::String(text))))
            .filter(|(_, value)| !is_blank(value))
            .collect();
        data.expires_in = match members.get("expires_in") {
            None | Some(Value::Null) => None,
            Some(life) => {
                let seconds = life.as_u64().or_else(|| life.as_str().and_then(|text| text.trim().parse().ok()));
                if seconds.is_none_or(|seconds| seconds > LARGEST) {
                    self.note("/providerData/expires_in", "must be a number of seconds");
                }
                seconds.map(Duration::from_secs)
            }
        };
        (!data.is_empty()).then_some(data)
    }

    fn flag(&mut self, pointer: &str, value: &Value) -> Option<bool> {
        if !value.is_boolean() {
            self.note(pointer, "must be true or false");
        }
        value.as_bool()
    }

    fn number(&mut self, pointer: &str, value: &Value) -> Option<u64> {
        let number = value.as_u64().filter(|number| *number <= LARGEST);
        if number.is_none() {
            self.note(pointer, "must be a whole number from 0 to 2147483647");
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_the_contracts_example() {
        let draft = read(&json!({
            "name": "<b>Acme</b> for tenant 7", "element": {"key": "acmecrm"}, "providerData": {"code": "auth-code-1"},
            "configuration": {"oauth.api.key": "abc", "event.notification.enabled": false},
            "tags": ["tenant-7", {"id": 1, "name": "x"}], "externalAuthentication": "none",
            "retrieveObjectsAfterInstantiation": false, "cachingEnabled": true, "cacheTimeToLive": 60, "maxCacheSize": 10
        }))
        .unwrap();
        assert_eq!(draft.element.as_deref(), Some("acmecrm"));
        assert_eq!(draft.name.as_deref(), Some("Acme for tenant 7"));
        assert_eq!(draft.tags.as_deref().unwrap(), ["tenant-7", "x"]);
        assert_eq!(draft.provider_data.as_ref().unwrap().code.as_ref().unwrap().expose_secret(), "auth-code-1");
        assert_eq!(draft.configuration.as_ref().unwrap().0.len(), 2);
        assert_eq!((draft.caching_enabled, draft.cache_ttl_s, draft.max_cache_size), (Some(true), Some(60), Some(10)));
        let shown = format!("{draft:?}");
        assert!(!shown.contains("auth-code-1") && !shown.contains("abc"), "{shown}");
    }

    #[test]
    fn reads_tokens_and_numbers_as_text() {
        let draft = read(&json!({
            "element": {"id": 41}, "providerData": {"access_token": "a", "refresh_token": "r", "expires_in": "1800"}
        }))
        .unwrap();
        assert_eq!(draft.element.as_deref(), Some("41"));
        let data = draft.provider_data.unwrap();
        assert_eq!(data.expires_in, Some(Duration::from_secs(1800)));
        assert!(data.code.is_none() && data.refresh.is_some());
        assert!(read(&json!({"providerData": {}})).unwrap().provider_data.is_none());
    }

    #[test]
    fn names_every_finding_by_pointer() {
        let error = read(&json!({
            "element": "acme", "name": 1, "tags": ["a", 2], "configuration": [], "providerData": {"code": 7},
            "externalAuthentication": "later", "cachingEnabled": "yes", "cacheTimeToLive": -1, "maxCacheSize": 1.5
        }))
        .unwrap_err();
        let pointers: Vec<&str> = error.details().iter().map(|detail| detail.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/element",
                "/name",
                "/tags/1",
                "/configuration",
                "/providerData/code",
                "/externalAuthentication",
                "/cachingEnabled",
                "/cacheTimeToLive",
                "/maxCacheSize"
            ]
        );
        assert_eq!(read(&json!([])).unwrap_err().public(), "The body must be a JSON object");
        assert_eq!(read(&json!({"name": " "})).unwrap_err().public(), "/name must not be empty");
        assert_eq!(read(&json!({"name": "<NAME>"})).unwrap().name, None);
    }
}
