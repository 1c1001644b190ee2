//! The members that a codec makes of each item of a list.

use serde_json::Value;

use super::{Codec, CompileError, Path, only};

/// Where a member comes from, and how it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    name: String,
    /// Absent for what is not in the item.
    path: Option<Path>,
    codec: Codec,
}

impl Member {
    /// Compiles a member: a path, or an object of `path` and `codec`.
    ///
    /// # Errors
    /// When it is neither.
    pub(super) fn compile(name: &str, source: &Value) -> Result<Self, CompileError> {
        let object = match source {
            Value::Object(object) => object.clone(),
            path => [("path".to_owned(), path.clone())].into_iter().collect(),
        };
        only(&object, &["path", "codec"])?;
        let codec =
            object.get("codec").map_or(Ok(Codec::Same), Codec::compile).map_err(|error| error.below("codec"))?;
        let path = match object.get("path") {
            None if matches!(codec, Codec::Constant(_)) => None,
            path => Some(Path::compile(path.and_then(Value::as_str).unwrap_or_default())?),
        };
        Ok(Self { name: name.to_owned(), path, codec })
    }

    /// The member as the item tells it; `None` when it does not.
    pub(super) fn read(&self, item: &Value) -> Option<(String, Value)> {
        let told = match &self.path {
            Some(path) => path.get(item)?,
            None => &Value::Null,
        };
        Some((self.name.clone(), self.codec.read(told)?))
    }
}
