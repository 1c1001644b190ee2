//! What is not known yet: references that stand for themselves, and conditions that nobody can decide.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Condition, Root, Scope, ValueTemplate};

/// A scope that knows nothing: every reference stands for itself.
struct Unknown;

impl Scope for Unknown {
    fn value(&self, _: Root, _: &str) -> Option<Cow<'_, Value>> {
        None
    }

    fn is_open(&self, _: Root, _: &str) -> bool {
        true
    }
}

impl ValueTemplate {
    /// The template as a mapping file has it.
    pub fn source(&self) -> Value {
        self.render(&Unknown).ok().flatten().unwrap_or_default()
    }

    /// Whether a value of it is not known yet.
    pub fn is_open(&self, scope: &dyn Scope) -> bool {
        let mut open = false;
        self.visit(&mut |reference| open |= reference.is_open(scope));
        open
    }
}

impl Condition {
    /// Whether it holds; `None` while that hangs on what is not known yet.
    pub fn decide(&self, scope: &dyn Scope) -> Option<bool> {
        if let Self::All(conditions) = self {
            let decided: Vec<Option<bool>> = conditions.iter().map(|condition| condition.decide(scope)).collect();
            if decided.contains(&Some(false)) {
                return Some(false);
            }
            return (!decided.contains(&None)).then_some(true);
        }
        let mut open = false;
        self.visit(&mut |reference| open |= reference.is_open(scope));
        (!open).then(|| self.holds(scope))
    }

    /// The condition as a mapping file has it.
    pub fn source(&self) -> Value {
        match self {
            Self::Truthy(reference) => Value::String(reference.source()),
            Self::Falsy(reference) => Value::String(format!("!{}", reference.source())),
            Self::Is(reference, wanted) => Value::Object(Map::from_iter([(reference.source(), wanted.source())])),
            Self::IsNot(reference, wanted) => {
                Value::Object(Map::from_iter([(format!("!{}", reference.source()), wanted.source())]))
            }
            Self::All(conditions) => {
                let mut members = Map::new();
                let mut others = Vec::new();
                for source in conditions.iter().map(Self::source) {
                    match source {
                        Value::Object(source) => members.extend(source),
                        other => others.push(other),
                    }
                }
                if others.is_empty() {
                    return Value::Object(members);
                }
                if !members.is_empty() {
                    others.push(Value::Object(members));
                }
                Value::Array(others)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::TextTemplate, *};

    /// Knows the query and nothing of the steps.
    struct Half;

    impl Scope for Half {
        fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>> {
            (root == Root::Query && key == "a").then(|| Cow::Owned(json!("1")))
        }

        fn is_open(&self, root: Root, _: &str) -> bool {
            root == Root::Steps
        }
    }

    #[test]
    fn open_references_stand_for_themselves() {
        let text = TextTemplate::compile("/x/{steps.made.id|text}/{query.a}").unwrap();
        assert_eq!(text.render(&Half).unwrap().unwrap(), "/x/{steps.made.id|text}/1");
        let value =
            ValueTemplate::compile(&json!({"...": "{steps.made?}", "a": "{query.a}", "b": "{query.b?}"})).unwrap();
        assert_eq!(value.render(&Half).unwrap().unwrap(), json!({"...": "{steps.made}", "a": "1"}));
        assert!(value.is_open(&Half));
    }

    #[test]
    fn what_hangs_on_the_unknown_is_not_decided() {
        for (condition, decided) in [
            (json!("query.a"), Some(true)),
            (json!("!query.a"), Some(false)),
            (json!("steps.made.id"), None),
            (json!({"query.a": "1", "!steps.made.kind": "x"}), None),
            (json!({"query.a": "2", "steps.made.kind": "x"}), Some(false)),
            (json!({"query.a": "{steps.made.id}"}), None),
            (json!(["query.a", {"query.a": "1"}]), Some(true)),
        ] {
            let compiled = Condition::compile(&condition).unwrap();
            assert_eq!(compiled.decide(&Half), decided, "{condition}");
            assert_eq!(compiled.source(), condition);
        }
    }
}
