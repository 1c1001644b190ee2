//! Reads mapping files as a tree that remembers where each value stands.
//!
//! serde would stop at the first mistake and could not say where it is; a [`Node`] notes every problem with file, JSON
//! pointer, what is wrong and what would be right, and lets the reading go on.

use std::{cell::RefCell, fmt, rc::Rc};

use http::HeaderName;
use serde_json::{Map, Value};

/// One mistake in a mapping file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as a path below the mapping directory.
    pub file: String,
    /// Where in the file: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What would be right, where that can be said.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "(the whole file)" } else { &self.pointer };
        write!(f, "{}: {pointer}: {}", self.file, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// Collects problems while files are read.
#[derive(Debug, Clone, Default)]
pub struct Problems(Rc<RefCell<Vec<Problem>>>);

impl Problems {
    /// Notes one.
    pub fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Takes all, in order of file and place, without repetitions.
    pub fn take(&self) -> Vec<Problem> {
        let mut all = std::mem::take(&mut *self.0.borrow_mut());
        all.sort();
        all.dedup();
        all
    }
}

/// A value of a mapping file together with its place.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// The value.
    pub value: &'a Value,
    pointer: String,
    file: &'a str,
    problems: &'a Problems,
}

impl<'a> Node<'a> {
    /// The root of `file`.
    pub fn root(file: &'a str, value: &'a Value, problems: &'a Problems) -> Self {
        Self { value, pointer: String::new(), file, problems }
    }

    /// A value that stands at `pointer` of `file`.
    pub fn part(file: &'a str, pointer: &str, value: &'a Value, problems: &'a Problems) -> Self {
        Self { value, pointer: pointer.to_owned(), file, problems }
    }

    /// The file this node stands in.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// The JSON pointer of this node.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Notes a problem here.
    pub fn problem(&self, message: impl Into<String>) {
        self.note(self.pointer.clone(), message.into(), None);
    }

    /// Notes a problem here, with what would be right.
    pub fn problem_hint(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.note(self.pointer.clone(), message.into(), Some(hint.into()));
    }

    /// Notes the mistake of an expression that stands here.
    pub fn compile_error(&self, error: &crate::mapping::CompileError) {
        self.note(format!("{}{}", self.pointer, error.pointer), error.message.clone(), error.hint.clone());
    }

    fn note(&self, pointer: String, message: String, hint: Option<String>) {
        self.problems.push(Problem { file: self.file.to_owned(), pointer, message, hint });
    }

    fn at(&self, step: &str, value: &'a Value) -> Self {
        let mut pointer = String::with_capacity(self.pointer.len() + 1 + step.len());
        pointer.push_str(&self.pointer);
        pointer.push('/');
        if step.contains(['~', '/']) {
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        } else {
            pointer.push_str(step);
        }
        Self { value, pointer, file: self.file, problems: self.problems }
    }

    /// This node as an object whose members must all be in `known`; anything else is noted with the nearest known word.
    pub fn object(&self, known: &[&str]) -> Option<&'a Map<String, Value>> {
        let map = self.map()?;
        for key in map.keys() {
            if !known.contains(&key.as_str()) && key != "$schema" && key != "$comment" {
                let pointer = self.at(key, self.value).pointer;
                self.note(pointer, format!("unknown key `{key}`"), Some(nearest(key, known)));
            }
        }
        Some(map)
    }

    /// This node as an object with free keys.
    pub fn map(&self) -> Option<&'a Map<String, Value>> {
        let map = self.value.as_object();
        if map.is_none() {
            self.wrong_type("an object");
        }
        map
    }

    /// Notes that this value has the wrong type.
    pub fn wrong_type(&self, wanted: &str) {
        self.problem(format!("is {}, should be {wanted}", kind_of(self.value)));
    }

    /// The member `key`, if it is there.
    pub fn get(&self, key: &str) -> Option<Self> {
        self.value.as_object()?.get(key).map(|value| self.at(key, value))
    }

    /// The member `key`; its absence is a problem.
    pub fn require(&self, key: &str) -> Option<Self> {
        let found = self.get(key);
        if found.is_none() {
            match self.value {
                Value::Object(_) => self.problem_hint(format!("`{key}` is missing"), format!("add `{key}`")),
                _ => self.wrong_type("an object"),
            }
        }
        found
    }

    /// The members of an object with free keys.
    pub fn members(&self) -> Vec<(&'a str, Self)> {
        self.map().map_or_else(Vec::new, |map| {
            map.iter()
                .filter(|(key, _)| *key != "$schema" && *key != "$comment")
                .map(|(key, value)| (key.as_str(), self.at(key, value)))
                .collect()
        })
    }

    /// The items of an array.
    pub fn items(&self) -> Vec<Self> {
        match self.value.as_array() {
            Some(items) => items.iter().enumerate().map(|(i, value)| self.at(&i.to_string(), value)).collect(),
            None => {
                self.wrong_type("an array");
                Vec::new()
            }
        }
    }

    /// The items of an array, or this node alone when it is none.
    pub fn one_or_many(&self) -> Vec<Self> {
        if self.value.is_array() { self.items() } else { vec![self.clone()] }
    }

    /// This node as a string.
    pub fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a string");
        }
        text
    }

    /// This node as a boolean.
    pub fn boolean(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("true or false");
        }
        flag
    }

    /// This node as a whole number ≥ 0.
    pub fn number(&self) -> Option<u64> {
        let number = self.value.as_u64();
        if number.is_none() {
            self.wrong_type("a whole number");
        }
        number
    }

    /// The string member `key`, required.
    pub fn require_text(&self, key: &str) -> Option<String> {
        self.require(key)?.text().map(str::to_owned)
    }

    /// The string member `key`, optional.
    pub fn opt_text(&self, key: &str) -> Option<String> {
        self.get(key)?.text().map(str::to_owned)
    }

    /// The boolean member `key`, or `default`.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.get(key).and_then(|node| node.boolean()).unwrap_or(default)
    }

    /// The whole-number member `key`, optional.
    pub fn opt_number(&self, key: &str) -> Option<u64> {
        self.get(key)?.number()
    }

    /// The member `key` as a list of strings (a single string counts as a list of one); empty when absent.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.get(key).map_or_else(Vec::new, |node| {
            node.one_or_many().iter().filter_map(|item| item.text().map(str::to_owned)).collect()
        })
    }

    /// The member `key` as an object of strings; empty when absent.
    pub fn text_map(&self, key: &str) -> Vec<(String, String)> {
        self.get(key).map_or_else(Vec::new, |node| {
            node.members()
                .into_iter()
                .filter_map(|(name, item)| item.text().map(|text| (name.to_owned(), text.to_owned())))
                .collect()
        })
    }

    /// `name`, which stands here, as a header's.
    pub fn header_name(&self, name: &str) -> Option<HeaderName> {
        let read = HeaderName::from_bytes(name.as_bytes()).ok();
        if read.is_none() {
            self.problem_hint(format!("`{name}` is not the name of a header"), "write it like Content-MD5");
        }
        read
    }

    /// One of a closed set of words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.problem_hint(format!("unknown word `{text}`"), nearest(text, &known));
        }
        found
    }
}

/// A sentence with the known word nearest to `word`, or with all of them.
pub fn nearest(word: &str, known: &[&str]) -> String {
    match crate::mapping::nearest(word, known.iter().copied()) {
        Some((score, candidate)) if score > 0.8 => format!("did you mean `{candidate}`?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}

/// What a JSON value is, for messages.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Collects what is read into a list without room for more: it is kept as long as its catalog, and never grows.
pub(super) fn tight<T>(read: impl Iterator<Item = T>) -> Vec<T> {
    let mut list: Vec<T> = read.collect();
    list.shrink_to_fit();
    list
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn notes_unknown_keys_with_the_nearest_word() {
        let problems = Problems::default();
        let value = json!({"a/b": {"metod": 1}});
        let root = Node::root("x.json", &value, &problems);
        let inner = root.get("a/b").unwrap();
        inner.object(&["method", "path"]);
        let noted = problems.take();
        assert_eq!(noted[0].to_string(), "x.json: /a~1b/metod: unknown key `metod`; did you mean `method`?");
    }
}
