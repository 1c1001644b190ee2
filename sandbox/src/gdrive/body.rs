//! Reading JSON bodies: known members must have the right type, unknown ones are ignored.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::failure::{Failure, Outcome, PARSE};

/// What of a file only the provider writes.
const READ_ONLY: &[&str] = &[
    "kind",
    "size",
    "version",
    "sha1Checksum",
    "md5Checksum",
    "webViewLink",
    "webContentLink",
    "owners",
    "permissions",
    "permissionIds",
    "capabilities",
    "spaces",
    "headRevisionId",
    "exportLinks",
    "explicitlyTrashed",
    "trashedTime",
    "quotaBytesUsed",
    "shared",
    "ownedByMe",
    "driveId",
    "thumbnailLink",
    "hasThumbnail",
    "iconLink",
    "fileExtension",
    "fullFileExtension",
    "lastModifyingUser",
];

/// A body's members.
#[derive(Debug, Clone, Default)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Reads a JSON object; no body at all is an empty one.
    pub(super) fn read(body: &[u8]) -> Outcome<Self> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(PARSE),
        }
    }

    /// [`Self::read`] for a file, of which much cannot be written.
    pub(super) fn file(body: &[u8]) -> Outcome<Self> {
        let members = Self::read(body)?;
        if READ_ONLY.iter().any(|name| members.0.contains_key(*name)) {
            let message = "The resource body includes fields which are not directly writable.";
            return Err(Failure::Other(403, "fieldNotWritable", message));
        }
        Ok(members)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text, absent or there.
    pub(super) fn text(&self, name: &str) -> Outcome<Option<&str>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(PARSE),
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&self, name: &str) -> Outcome<&str> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| Failure::required(name))
    }

    /// A truth value.
    pub(super) fn flag(&self, name: &str) -> Outcome<Option<bool>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(PARSE),
        }
    }

    /// A point in time.
    pub(super) fn time(&self, name: &str) -> Outcome<Option<DateTime<Utc>>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        DateTime::parse_from_rfc3339(text).map(|at| Some(at.to_utc())).map_err(|_| Failure::invalid(name))
    }

    /// The one folder among `parents`.
    pub(super) fn parent(&self) -> Outcome<Option<&str>> {
        match self.0.get("parents") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(parents)) => match parents.as_slice() {
                [] => Ok(None),
                [Value::String(parent)] => Ok(Some(parent)),
                [_] => Err(PARSE),
                _ => Err(Failure::Other(
                    400,
                    "invalidMultipleParents",
                    "A file cannot be put into more than one folder.",
                )),
            },
            Some(_) => Err(PARSE),
        }
    }

    /// Puts pairs among `pairs`; a null takes one away.
    pub(super) fn pairs(&self, name: &str, pairs: &mut BTreeMap<String, String>) -> Outcome<()> {
        let given = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(given)) => given,
            Some(_) => return Err(PARSE),
        };
        for (key, value) in given {
            match value {
                Value::Null => {
                    pairs.remove(key);
                }
                Value::String(value) if key.len() + value.len() <= 124 => {
                    pairs.insert(key.clone(), value.clone());
                }
                Value::String(_) => {
                    let message = "A property is limited to 124 bytes, key and value together.";
                    return Err(Failure::Other(400, "propertyTooLarge", message));
                }
                _ => return Err(PARSE),
            }
        }
        Ok(())
    }
}
