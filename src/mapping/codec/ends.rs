//! What stands before and after a text.

use serde_json::Value;

use super::{CompileError, only};

/// What stands before and after a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    before: String,
    after: String,
}

impl Ends {
    /// Reads `{"before": …, "after": …}`; either may be left out.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn compile(argument: &Value) -> Result<Self, CompileError> {
        let ends = argument
            .as_object()
            .filter(|ends| !ends.is_empty() && ends.values().all(Value::is_string))
            .ok_or_else(|| CompileError::new("should be an object with the texts `before` and `after`"))?;
        only(ends, &["before", "after"])?;
        let end = |key: &str| ends.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { before: end("before"), after: end("after") })
    }

    /// The text between the ends.
    pub(super) fn put(&self, text: &str) -> Value {
        Value::String(format!("{}{text}{}", self.before, self.after))
    }

    /// The text without its ends; nothing when it has not both.
    pub(super) fn take(&self, text: &str) -> Option<Value> {
        let inside = text.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        Some(Value::String(inside.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Codec;

    #[test]
    fn takes_ends_away_and_puts_them_back() {
        let between = Codec::compile(&json!({"between": {"before": "/accounts(", "after": ")"}})).unwrap();
        assert_eq!(between.read(&json!("/accounts(7)")), Some(json!("7")));
        assert_eq!(between.read(&json!("/contacts(7)")), None);
        assert_eq!(between.write(&json!("7")).unwrap(), json!("/accounts(7)"));
        assert!(between.write(&json!(7)).is_err());
        let around = Codec::compile(&json!({"around": {"before": "_", "after": "_value"}})).unwrap();
        assert_eq!(around.read(&json!("ownerid")), Some(json!("_ownerid_value")));
        assert_eq!(around.write(&json!("_ownerid_value")).unwrap(), json!("ownerid"));
        assert!(around.write(&json!("ownerid")).is_err());
        for wrong in [json!("x"), json!({}), json!({"befor": "x"}), json!({"before": 1})] {
            assert!(Codec::compile(&json!({"between": wrong})).is_err());
        }
    }
}
