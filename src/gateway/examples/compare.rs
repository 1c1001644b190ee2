//! Holds what is there against what was recorded.

use serde_json::{Map, Value};

use super::format::UNIQUE;

/// The text that stands for the time of the call.
const NOW: &str = "{now}";

/// One difference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Below the compared value.
    pub(super) pointer: String,
    pub(super) message: String,
}

/// Compares, and remembers what the random text of a call was.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    unique: Option<String>,
}

impl Comparison {
    /// Whether `is` is the recorded text, in which the random text may stand.
    pub(super) fn same(&mut self, wanted: &str, is: &str) -> bool {
        if wanted == NOW {
            return crate::mapping::time::parse_text(is).is_some();
        }
        let Some((before, after)) = wanted.split_once(UNIQUE) else { return wanted == is };
        if self.unique.is_none() {
            let found = is
                .strip_prefix(before)
                .map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>());
            // What follows must not be taken for a part of it.
            let next = after.split(UNIQUE).next().unwrap_or_default();
            self.unique = found.filter(|found| {
                !found.is_empty() && is.get(before.len() + found.len()..).is_some_and(|rest| rest.starts_with(next))
            });
        }
        self.unique.as_ref().is_some_and(|unique| wanted.replace(UNIQUE, unique) == is)
    }

    /// The recorded text with the random text put in.
    pub(super) fn filled(&self, text: &str) -> String {
        text.replace(UNIQUE, self.unique.as_deref().unwrap_or("{unique}"))
    }

    /// The recorded value with the random text put in.
    pub(super) fn filled_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.filled(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.filled_value(item)).collect()),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(key, member)| (key.clone(), self.filled_value(member))).collect())
            }
            other => other.clone(),
        }
    }

    /// Everything in which `is` differs from `wanted`.
    pub(super) fn value(&mut self, wanted: &Value, is: &Value) -> Vec<Difference> {
        let mut found = Vec::new();
        self.walk(wanted, is, "", &mut found);
        found
    }

    /// Everything in which the members that `wanted` names differ.
    pub(super) fn part(&mut self, wanted: &Map<String, Value>, is: &Value) -> Vec<Difference> {
        let mut found = Vec::new();
        for (key, member) in wanted {
            self.walk(member, is.get(key).unwrap_or(&Value::Null), &step("", key), &mut found);
        }
        found
    }

    fn walk(&mut self, wanted: &Value, is: &Value, pointer: &str, found: &mut Vec<Difference>) {
        let mut note = |pointer: String, message: String| found.push(Difference { pointer, message });
        match (wanted, is) {
            (Value::Object(wanted), Value::Object(is)) => {
                for (key, member) in wanted {
                    match is.get(key) {
                        Some(other) => self.walk(member, other, &step(pointer, key), found),
                        None => found.push(Difference {
                            pointer: step(pointer, key),
                            message: format!("recorded as {}, but it is not there", short(member)),
                        }),
                    }
                }
                for (key, member) in is.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                    found.push(Difference {
                        pointer: step(pointer, key),
                        message: format!("not recorded, but there is {}", short(member)),
                    });
                }
            }
            (Value::Array(wanted), Value::Array(is)) => {
                if wanted.len() != is.len() {
                    note(
                        pointer.to_owned(),
                        format!(
                            "recorded with {} items, but there are {}: {}",
                            wanted.len(),
                            is.len(),
                            short(&Value::Array(is.clone()))
                        ),
                    );
                    return;
                }
                for (index, (wanted, is)) in wanted.iter().zip(is).enumerate() {
                    self.walk(wanted, is, &step(pointer, &index.to_string()), found);
                }
            }
            (Value::String(wanted_text), Value::String(is_text)) => {
                if !self.same(wanted_text, is_text) {
                    note(pointer.to_owned(), format!("recorded as {}, but it is {}", short(wanted), short(is)));
                }
            }
            (wanted, is) => {
                if wanted != is {
                    note(pointer.to_owned(), format!("recorded as {}, but it is {}", short(wanted), short(is)));
                }
            }
        }
    }
}

/// A pointer one step further.
pub(super) fn step(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A value in few words.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string().replace(UNIQUE, "{unique}");
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_every_difference_with_its_place() {
        let mut comparison = Comparison::default();
        let found =
            comparison.value(&json!({"a": {"b": 1}, "c": [1], "d": 1}), &json!({"a": {"b": 2}, "c": [1, 2], "e/f": 1}));
        let pointers: Vec<&str> = found.iter().map(|one| one.pointer.as_str()).collect();
        assert_eq!(pointers, ["/a/b", "/c", "/d", "/e~1f"]);
        assert!(comparison.value(&json!({"a": [1, {"b": null}]}), &json!({"a": [1, {"b": null}]})).is_empty());
    }

    #[test]
    fn the_random_text_is_the_same_throughout() {
        let mut comparison = Comparison::default();
        assert!(comparison.same("/a.0unique0.tmp", "/a.00ff12.tmp"));
        assert!(comparison.same("0unique0", "00ff12"));
        assert!(!comparison.same("0unique0", "00ff13"));
        assert_eq!(comparison.filled("x-0unique0"), "x-00ff12");
    }
}
