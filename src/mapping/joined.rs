//! Paths put together from what a record tells of the folders above it.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{CompileError, Path, codec};

/// How a record's path is put together.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    above: Above,
    /// Where an ancestor's name is, and the record's own.
    name: Path,
    then: Then,
}

#[derive(Debug, Clone, PartialEq)]
enum Above {
    /// The list of ancestors, the root first.
    List(Path),
    /// The path of the parent as a part of a URL: what follows its first colon counts.
    Url(Path),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Path,
    Id,
    ParentId,
}

impl Joined {
    /// Compiles the argument of the codec.
    pub(super) fn compile(argument: &Value) -> Result<Self, CompileError> {
        let path = |key: &str| -> Result<Option<Path>, CompileError> {
            let Some(source) = argument.get(key).and_then(Value::as_str) else { return Ok(None) };
            Path::compile(source).map(Some).map_err(|error| error.below(key))
        };
        let missing = |key: &str| CompileError::new(format!("`{key}` is missing")).hint(format!("add `{key}`: a path"));
        let above = match (path("parents")?, path("parent")?) {
            (Some(list), None) => Above::List(list),
            (None, Some(url)) => Above::Url(url),
            (None, None) => return Err(missing("parents")),
            (Some(_), Some(_)) => {
                return Err(CompileError::new("has both `parents` and `parent`").hint("keep the one the record has"));
            }
        };
        let then = match argument.get("then").map(Value::as_str) {
            None => Then::Path,
            Some(Some("pathId")) => Then::Id,
            Some(Some("parentPathId")) => Then::ParentId,
            Some(_) => {
                return Err(CompileError::new("is neither `pathId` nor `parentPathId`").below("then"));
            }
        };
        Ok(Self { above, name: path("name")?.ok_or_else(|| missing("name"))?, then })
    }

    /// The path (or id) of `record`; `None` where it does not tell what is above it.
    pub(super) fn read(&self, record: &Value) -> Option<Value> {
        let path = self.path(record)?;
        Some(Value::String(match self.then {
            Then::Path => path,
            Then::Id => codec::path_id(&path),
            Then::ParentId => codec::path_id(codec::parent(&path)?),
        }))
    }

    fn path(&self, record: &Value) -> Option<String> {
        let name = |item: &Value| self.name.get(item)?.as_str().map(str::to_owned);
        match &self.above {
            Above::List(list) => {
                let parents = list.get(record)?.as_array()?;
                if parents.is_empty() {
                    return Some("/".to_owned());
                }
                let mut path = String::new();
                for item in parents.iter().skip(1).chain(std::iter::once(record)) {
                    path.push('/');
                    path.push_str(&name(item)?);
                }
                Some(path)
            }
            Above::Url(url) => {
                let url = url.get(record)?.as_str()?;
                let below = url.split_once(':').map_or(url, |(_, below)| below);
                let parent = percent_decode_str(below).decode_utf8().ok()?;
                let segments = parent.split('/').filter(|segment| !segment.is_empty());
                let mut path: String = segments.flat_map(|segment| ["/", segment]).collect();
                path.push('/');
                path.push_str(&name(record)?);
                Some(path)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn joins_the_parents_url_and_the_name() {
        let read = |then: Option<&str>, parent: Value| {
            let mut argument = json!({"parent": "$.above.path", "name": "$.name"});
            if let Some(then) = then {
                argument["then"] = json!(then);
            }
            Joined::compile(&argument).unwrap().read(&json!({"name": "c #1.txt", "above": {"path": parent}}))
        };
        assert_eq!(read(None, json!("/drives/d!1/root:/a%20b/x%25")), Some(json!("/a b/x%/c #1.txt")));
        assert_eq!(read(None, json!("/drive/root:")), Some(json!("/c #1.txt")));
        assert_eq!(read(Some("pathId"), json!("/drive/root:/a")), Some(json!("%252Fa%252Fc%2B%25231.txt")));
        assert_eq!(read(Some("parentPathId"), json!("/drive/root:/a")), Some(json!("%252Fa")));
        assert_eq!(read(Some("parentPathId"), json!("/drive/root:")), Some(json!("%252F")));
        assert_eq!(read(None, Value::Null), None);
        assert!(Joined::compile(&json!({"name": "$.name"})).is_err());
        assert!(Joined::compile(&json!({"parent": "$.p", "parents": "$.q", "name": "$.name"})).is_err());
        assert!(Joined::compile(&json!({"parent": "$.p", "name": "$.name", "then": "size"})).is_err());
    }
}
