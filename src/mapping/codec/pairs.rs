//! Pairs of a name and a value at the provider, which are texts here: `name=value`, or `name` where the value is empty.
//!
//! A name that has a `=` of its own is told with `%3D` in its place, and so its `%` is `%25`: every pair has a text that
//! means it and nothing else.

use serde_json::{Map, Value};

use super::{CompileError, only, scalar_text};

/// The members in which the provider keeps the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    name: String,
    value: String,
}

impl Pairs {
    /// Compiles `{"name": "Key", "value": "Value"}`.
    ///
    /// # Errors
    /// When one of them is not named.
    pub(super) fn compile(argument: &Value) -> Result<Self, CompileError> {
        let wrong = || CompileError::new("should be an object that names two members: `name` and `value`");
        let object = argument.as_object().ok_or_else(wrong)?;
        only(object, &["name", "value"])?;
        let member = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        Self::of(member("name"), member("value")).ok_or_else(wrong)
    }

    /// Pairs in the members `name` and `value`, which have to be two.
    pub fn of(name: &str, value: &str) -> Option<Self> {
        let named = !name.is_empty() && !value.is_empty() && name != value;
        named.then(|| Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// The provider's pairs as texts; what has no name is passed over.
    pub(super) fn read(&self, value: &Value) -> Option<Value> {
        let text = |item: &Value| {
            let name = scalar_text(item.get(&self.name)?)?.replace('%', "%25").replace('=', "%3D");
            let value = item.get(&self.value).and_then(scalar_text).unwrap_or_default();
            Some(Value::String(if value.is_empty() { name } else { format!("{name}={value}") }))
        };
        Some(Value::Array(value.as_array()?.iter().filter_map(text).collect()))
    }

    /// The pairs that texts (or one text) mean, each once; `None` for anything else.
    pub fn write(&self, value: &Value) -> Option<Value> {
        let pair = |(name, value): (String, String)| {
            let members = [(self.name.clone(), name), (self.value.clone(), value)];
            Value::Object(members.into_iter().map(|(key, text)| (key, Value::String(text))).collect::<Map<_, _>>())
        };
        Some(Value::Array(parted(value)?.into_iter().map(pair).collect()))
    }
}

/// The names and values that texts mean, each once.
pub(in crate::mapping) fn parted(value: &Value) -> Option<Vec<(String, String)>> {
    let texts = match value {
        Value::Array(items) => items.iter().map(scalar_text).collect::<Option<Vec<_>>>()?,
        one => vec![scalar_text(one)?],
    };
    let mut pairs = Vec::new();
    for text in texts {
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        let name = name.replace("%3D", "=").replace("%3d", "=").replace("%25", "%");
        let pair = (name, value.to_owned());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    Some(pairs)
}
