//! JSONPath (RFC 9535), parsed once. Singular paths are lowered to direct steps; others run through jsonpath-rust.

use std::fmt;

use jsonpath_rust::{
    parser::{
        model::{JpQuery, Segment, Selector},
        parse_json_path,
    },
    query::js_path_process,
};
use serde_json::{Map, Value};

use super::CompileError;

/// The highest index of a singular path: what is written there makes a list of that length.
const HIGHEST_INDEX: usize = 9_999;

/// One step of a singular path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Key(String),
    /// An item of an array.
    Index(usize),
}

impl Step {
    /// The step that a segment is, when it leads to one place.
    fn of(segment: &Segment) -> Option<Self> {
        match segment {
            Segment::Selector(Selector::Name(name)) => Some(Self::Key(name.clone())),
            Segment::Selector(Selector::Index(index)) => usize::try_from(*index).ok().map(Self::Index),
            _ => None,
        }
    }
}

/// A compiled path.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    source: String,
    form: Form,
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Singular(Box<[Step]>),
    General(Box<JpQuery>),
}

impl Path {
    /// Parses `$…`.
    ///
    /// # Errors
    /// When it is no JSONPath, or uses a regular expression (unbounded work).
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        if let Some(steps) = plain(source) {
            return Ok(Self { source: source.to_owned(), form: Form::Singular(steps.into()) });
        }
        let query = parse_json_path(source).map_err(|error| {
            let mut text = error.to_string();
            text.truncate(text.find('\n').unwrap_or(text.len()));
            CompileError::new(format!("`{source}` is not a JSONPath ({})", text.trim()))
                .hint("write it like $.a.b or $['a b'][0]")
        })?;
        if source.contains("match(") || source.contains("search(") {
            return Err(CompileError::new("regular expressions are not allowed in paths"));
        }
        let steps: Option<Vec<Step>> = query.segments.iter().map(Step::of).collect();
        if steps.iter().flatten().any(|step| matches!(step, Step::Index(index) if *index > HIGHEST_INDEX)) {
            return Err(CompileError::new(format!("`{source}` has an index above {HIGHEST_INDEX}")));
        }
        let form = match steps {
            Some(steps) => Form::Singular(steps.into()),
            None => Form::General(Box::new(query)),
        };
        Ok(Self { source: source.to_owned(), form })
    }

    /// The path `$`.
    pub fn root() -> Self {
        Self { source: "$".to_owned(), form: Form::Singular(Box::default()) }
    }

    /// Whether it leads to the document itself.
    pub fn is_root(&self) -> bool {
        self.steps().is_some_and(<[Step]>::is_empty)
    }

    /// The steps of a singular path.
    pub fn steps(&self) -> Option<&[Step]> {
        match &self.form {
            Form::Singular(steps) => Some(steps),
            Form::General(_) => None,
        }
    }

    /// The path in two: the steps that lead to one place, and what is looked for from there.
    pub(super) fn parted(&self) -> (Vec<Step>, Self) {
        match &self.form {
            Form::Singular(steps) => (steps.to_vec(), Self::root()),
            // A filter that looks at the root has to see the whole.
            Form::General(_) if self.source.matches('$').count() > 1 => (Vec::new(), self.clone()),
            Form::General(query) => {
                let steps: Vec<Step> = query.segments.iter().map_while(Step::of).collect();
                let rest = JpQuery { segments: query.segments.iter().skip(steps.len()).cloned().collect() };
                (steps, Self { source: self.source.clone(), form: Form::General(Box::new(rest)) })
            }
        }
    }

    /// The last member name, which is what query languages call the field.
    pub fn leaf(&self) -> Option<&str> {
        self.steps()?.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// The first value at this path.
    pub fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match &self.form {
            Form::Singular(steps) => steps.iter().try_fold(value, |at, step| match step {
                Step::Key(key) => at.as_object()?.get(key),
                Step::Index(index) => at.as_array()?.get(*index),
            }),
            Form::General(query) => {
                js_path_process(query, value).ok()?.into_iter().next().map(jsonpath_rust::query::QueryRef::val)
            }
        }
    }

    /// Every value at this path.
    pub fn all<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match &self.form {
            Form::Singular(_) => self.get(value).into_iter().collect(),
            Form::General(query) => js_path_process(query, value).map_or_else(
                |_| Vec::new(),
                |found| found.into_iter().map(jsonpath_rust::query::QueryRef::val).collect(),
            ),
        }
    }

    /// Puts `new` at this path, making objects (and lists of one) on the way. Only singular paths can be written.
    pub fn set(&self, value: &mut Value, new: Value) -> bool {
        let Form::Singular(steps) = &self.form else { return false };
        let mut at = value;
        for step in steps {
            match step {
                Step::Key(key) => {
                    if !at.is_object() {
                        *at = Value::Object(Map::new());
                    }
                    let Some(object) = at.as_object_mut() else { return false };
                    at = object.entry(key.clone()).or_insert(Value::Null);
                }
                Step::Index(index) => {
                    if !at.is_array() {
                        *at = Value::Array(Vec::new());
                    }
                    let Some(array) = at.as_array_mut() else { return false };
                    if array.len() <= *index {
                        array.resize(*index + 1, Value::Null);
                    }
                    let Some(item) = array.get_mut(*index) else { return false };
                    at = item;
                }
            }
        }
        *at = new;
        true
    }
}

/// The steps of a path like `$.a.b[0]['c d']`, which nearly all are: reading them is most of what it takes to compile an
/// element by the library. `None` says nothing but that the library is to be asked.
fn plain(source: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = source.strip_prefix('$')?;
    while !rest.is_empty() {
        let (step, after) = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            let (name, after) = name.split_at_checked(end)?;
            let is_name = name.starts_with(|c: char| !c.is_ascii_digit());
            (is_name.then(|| Step::Key(name.to_owned()))?, after)
        } else if let Some(name) = rest.strip_prefix("['") {
            let (name, after) = name.split_once("']")?;
            let is_name = name.chars().all(|c| matches!(c, ' '..='~') && !matches!(c, '\'' | '\\' | '('));
            (is_name.then(|| Step::Key(name.to_owned()))?, after)
        } else {
            let (digits, after) = rest.strip_prefix('[')?.split_once(']')?;
            let is_number =
                digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            let index = digits.parse().ok().filter(|index| is_number && *index <= HIGHEST_INDEX);
            (Step::Index(index?), after)
        };
        steps.push(step);
        rest = after;
    }
    Some(steps)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn lowers_singular_paths_and_keeps_general_ones() {
        let value = json!({"a": {"b c": [1, {"d": 2}]}, "list": [{"k": "x", "v": 1}, {"k": "y", "v": 2}]});
        let path = Path::compile("$.a['b c'][1].d").unwrap();
        assert!(path.steps().is_some());
        assert_eq!(path.get(&value), Some(&json!(2)));
        assert_eq!(path.leaf(), Some("d"));
        let general = Path::compile("$.list[?@.k=='y'].v").unwrap();
        assert!(general.steps().is_none());
        assert_eq!(general.get(&value), Some(&json!(2)));
        let (steps, rest) = general.parted();
        assert_eq!(steps, [Step::Key("list".into())]);
        assert_eq!(rest.get(&value["list"]), Some(&json!(2)));
        let absolute = Path::compile("$.list[?@.k==$.list[0].k].v").unwrap();
        assert_eq!((absolute.parted().0.len(), absolute.parted().1.get(&value)), (0, Some(&json!(1))));
        assert_eq!(Path::compile("$['.tag']").unwrap().get(&json!({".tag": "file"})), Some(&json!("file")));
    }

    #[test]
    fn refuses_what_is_no_path() {
        assert!(Path::compile("a.b").unwrap_err().to_string().contains("is not a JSONPath"));
        assert!(Path::compile("$.a[?search(@.b, 'x')]").is_err());
        assert!(Path::compile("$.a[9999].b").is_ok());
        assert!(Path::compile("$.a[90071992547].b").unwrap_err().to_string().contains("above 9999"));
    }

    /// Pieces that make up paths, and near misses.
    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\.[a-zA-Z_][a-zA-Z0-9_]{0,4}",
            "\\['[ -~]{0,4}'\\]",
            "\\[[0-9]{1,5}\\]",
            "[.\\[\\]'\"$@?*0-9a-zé\\\\ -]{0,3}",
        ]
    }

    proptest! {
        #[test]
        fn what_is_read_here_the_library_reads_alike(pieces in prop::collection::vec(piece(), 0..4)) {
            let source = format!("${}", pieces.concat());
            if let Some(steps) = plain(&source) {
                let query = parse_json_path(&source);
                prop_assert!(query.is_ok(), "{source}");
                let theirs: Option<Vec<Step>> = query.unwrap().segments.iter().map(Step::of).collect();
                prop_assert_eq!(Some(steps), theirs, "{}", source);
            }
        }

        #[test]
        fn what_is_set_is_read(keys in prop::collection::vec("[a-z]{1,4}", 1..4), new in any::<i64>()) {
            let path = Path::compile(&format!("$.{}", keys.join("."))).unwrap();
            let mut value = json!({});
            prop_assert!(path.set(&mut value, json!(new)));
            prop_assert_eq!(path.get(&value), Some(&json!(new)));
        }

        #[test]
        fn own_steps_agree_with_the_library(keys in prop::collection::vec("[a-c]", 1..4)) {
            let value = json!({"a": {"b": {"c": 1}, "c": 2}, "b": {"a": {"a": 3}}, "c": 4});
            let source = format!("$.{}", keys.join("."));
            let query = parse_json_path(&source).unwrap();
            let theirs = js_path_process(&query, &value).unwrap().into_iter().next().map(jsonpath_rust::query::QueryRef::val);
            prop_assert_eq!(Path::compile(&source).unwrap().get(&value), theirs);
        }
    }
}
