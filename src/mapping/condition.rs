//! Conditions: when a step, a call or a field line counts.

use serde_json::{Map, Value};

use super::{CompileError, Path, Reference, Scope, ValueTemplate};

/// A condition over the scope of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The reference has a value other than false, 0, empty text or list.
    Truthy(Reference),
    /// The opposite.
    Falsy(Reference),
    /// The reference has this value.
    Is(Reference, Box<ValueTemplate>),
    /// The reference has another value, or none.
    IsNot(Reference, Box<ValueTemplate>),
    /// All of these.
    All(Vec<Self>),
}

impl Condition {
    /// Compiles a condition: `"query.overwrite"`, `"!query.overwrite"`, `{"target.kind": "folder"}`,
    /// `{"!target.kind": "folder"}`, or a list of these that must all hold.
    ///
    /// # Errors
    /// When a reference is wrong or the shape is none of these.
    pub fn compile(value: &Value) -> Result<Self, CompileError> {
        match value {
            Value::String(source) => match source.strip_prefix('!') {
                Some(source) => Ok(Self::Falsy(optional(source)?)),
                None => Ok(Self::Truthy(optional(source)?)),
            },
            Value::Object(members) => Ok(Self::All(
                members
                    .iter()
                    .map(|(source, wanted)| {
                        let plain = source.strip_prefix('!');
                        let reference = optional(plain.unwrap_or(source)).map_err(|error| error.below(source))?;
                        let wanted = Box::new(ValueTemplate::compile(wanted).map_err(|error| error.below(source))?);
                        Ok(if plain.is_some() { Self::IsNot(reference, wanted) } else { Self::Is(reference, wanted) })
                    })
                    .collect::<Result<_, CompileError>>()?,
            )),
            Value::Array(items) => Ok(Self::All(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Self::compile(item).map_err(|error| error.below(&index.to_string())))
                    .collect::<Result<_, _>>()?,
            )),
            _ => Err(CompileError::new(
                "a condition is a reference, `!` and a reference, an object of values, or a list of these",
            )),
        }
    }

    /// Whether it holds in `scope`.
    pub fn holds(&self, scope: &dyn Scope) -> bool {
        match self {
            Self::Truthy(reference) => reference.value(scope).is_some_and(|value| truthy(&value)),
            Self::Falsy(reference) => !reference.value(scope).is_some_and(|value| truthy(&value)),
            Self::Is(reference, wanted) => is(reference, wanted, scope),
            Self::IsNot(reference, wanted) => !is(reference, wanted, scope),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(scope)),
        }
    }

    /// The parameter, or the member of the body, that only has to be given for it to hold.
    pub fn given(&self) -> Option<&str> {
        match self {
            Self::Truthy(reference) => reference.given(),
            _ => None,
        }
    }

    /// Calls `visit` with every reference.
    pub fn visit(&self, visit: &mut dyn FnMut(&Reference)) {
        match self {
            Self::Truthy(reference) | Self::Falsy(reference) => visit(reference),
            Self::Is(reference, wanted) | Self::IsNot(reference, wanted) => {
                visit(reference);
                wanted.visit(visit);
            }
            Self::All(conditions) => conditions.iter().for_each(|condition| condition.visit(visit)),
        }
    }
}

fn is(reference: &Reference, wanted: &ValueTemplate, scope: &dyn Scope) -> bool {
    reference.value(scope) == wanted.value(scope).ok().flatten()
}

fn optional(source: &str) -> Result<Reference, CompileError> {
    let (head, filters) = source.find('|').map_or((source, ""), |at| source.split_at(at));
    let head = head.trim().trim_end_matches('?');
    Reference::compile(&format!("{head}?{filters}"))
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
    }
}

/// A test of one JSON document: every path must meet its test.
#[derive(Debug, Clone, PartialEq)]
pub struct Match(Vec<(Path, Test)>);

/// What is wanted of the values at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Is(Value),
    OneOf(Vec<Value>),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Present(bool),
}

impl Match {
    /// Compiles `{"$.path": "value" | [values] | {"startsWith"|"contains": "text"} | {"present": true}}`.
    ///
    /// # Errors
    /// When a path or a test is wrong.
    pub fn compile(value: &Value) -> Result<Self, CompileError> {
        let members = value.as_object().ok_or_else(|| CompileError::new("should be an object from paths to tests"))?;
        let tests = members
            .iter()
            .map(|(source, test)| {
                let path = Path::compile(source).map_err(|error| error.below(source))?;
                Ok((path, compile_test(test).map_err(|error| error.below(source))?))
            })
            .collect::<Result<_, CompileError>>()?;
        Ok(Self(tests))
    }

    /// Whether `document` meets every test.
    pub fn holds(&self, document: &Value) -> bool {
        self.0.iter().all(|(path, test)| test.holds(&path.all(document)))
    }

    /// The paths and what is wanted of each.
    pub(super) fn tests(&self) -> &[(Path, Test)] {
        &self.0
    }

    /// The paths that are looked at.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path)
    }
}

impl Test {
    /// Whether the values found at a path are as wanted.
    pub(super) fn holds(&self, values: &[&Value]) -> bool {
        let texts = || values.iter().filter_map(|value| value.as_str());
        match self {
            Self::Present(wanted) => values.iter().any(|value| !value.is_null()) == *wanted,
            Self::Is(wanted) => values.contains(&wanted),
            Self::OneOf(wanted) => values.iter().any(|value| wanted.contains(value)),
            Self::StartsWith(text) => texts().any(|value| value.starts_with(text)),
            Self::EndsWith(text) => texts().any(|value| value.ends_with(text)),
            Self::Contains(text) => texts().any(|value| value.contains(text)),
        }
    }
}

fn compile_test(test: &Value) -> Result<Test, CompileError> {
    match test {
        Value::Array(values) => Ok(Test::OneOf(values.clone())),
        Value::Object(object) => compile_named_test(object),
        other => Ok(Test::Is(other.clone())),
    }
}

fn compile_named_test(object: &Map<String, Value>) -> Result<Test, CompileError> {
    let known = "known: startsWith, endsWith, contains, present";
    let mut members = object.iter();
    let (Some((word, argument)), None) = (members.next(), members.next()) else {
        return Err(CompileError::new("a test has exactly one word").hint(known));
    };
    let text = || argument.as_str().map(str::to_owned).ok_or_else(|| CompileError::new("should be a text").below(word));
    match word.as_str() {
        "startsWith" => text().map(Test::StartsWith),
        "endsWith" => text().map(Test::EndsWith),
        "contains" => text().map(Test::Contains),
        "present" => argument
            .as_bool()
            .map(Test::Present)
            .ok_or_else(|| CompileError::new("should be true or false").below(word)),
        _ => Err(CompileError::new(format!("unknown test `{word}`")).hint(known)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn knows_what_only_has_to_be_given() {
        let given = |source| Condition::compile(&source).unwrap().given().map(str::to_owned);
        for (source, name) in [("query.tags", "tags"), ("body.tags", "tags"), ("header.Subsite", "Subsite")] {
            assert_eq!(given(json!(source)).as_deref(), Some(name));
        }
        for other in
            [json!("!query.tags"), json!("steps.a.b"), json!("body.a.b"), json!("body.tags|csv"), json!({"query.a": 1})]
        {
            assert_eq!(given(other.clone()), None, "{other}");
        }
    }

    #[test]
    fn matches_documents() {
        let test = Match::compile(&json!({"$.error_summary": {"startsWith": "path/not_found"}})).unwrap();
        assert!(test.holds(&json!({"error_summary": "path/not_found/.."})));
        assert!(!test.holds(&json!({"error_summary": "path/conflict"})));
        let any = Match::compile(&json!({"$[*].errorCode": ["A", "B"]})).unwrap();
        assert!(any.holds(&json!([{"errorCode": "X"}, {"errorCode": "B"}])));
        assert_eq!(Match::compile(&json!({"$.x": {"like": "y"}})).unwrap_err().pointer, "/$.x");
    }
}
