//! What imitations of CRM providers share: fields with types, rows of JSON, tests of rows, and their order.
//!
//! A provider's module says what its fields are and how its refusals look; what is wrong with a record is found here.

use std::{cmp::Ordering, collections::BTreeMap};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value};

/// A record, in the provider's own shape.
pub(crate) type Row = Map<String, Value>;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Flag,
    Date,
    Moment,
    List,
    Map,
}

/// Who may write a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Free,
    /// A new record needs it.
    Required,
    /// Needed by a new record, and fixed then.
    Once,
    /// Only the provider.
    Fixed,
}

/// A field of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) access: Access,
    pub(crate) choices: &'static [&'static str],
    /// The object whose identifiers it holds.
    pub(crate) link: Option<&'static str>,
    /// Whether the account made it.
    pub(crate) custom: bool,
}

impl Field {
    pub(crate) const fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
        Self { name, label, kind, access: Access::Free, choices: &[], link: None, custom: false }
    }

    pub(crate) const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    pub(crate) const fn choices(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = choices;
        self
    }

    pub(crate) const fn link(mut self, object: &'static str) -> Self {
        self.link = Some(object);
        self
    }

    pub(crate) const fn custom(mut self) -> Self {
        self.custom = true;
        self
    }
}

/// What is wrong with one member of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Unknown,
    Fixed,
    Missing,
    Kind(Kind),
    Choice,
    Link(&'static str),
}

/// Looks at a record that is sent: a whole new one, or the changes to one that is there.
pub(crate) fn problems(
    fields: &[Field],
    body: &Row,
    new: bool,
    exists: &dyn Fn(&str, &Value) -> bool,
) -> Vec<(String, Wrong)> {
    let mut problems = Vec::new();
    for (name, value) in body {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            problems.push((name.clone(), Wrong::Unknown));
            continue;
        };
        if let Some(wrong) = wrong(field, value, new, exists) {
            problems.push((name.clone(), wrong));
        }
    }
    if new {
        let needed = |field: &&Field| matches!(field.access, Access::Required | Access::Once);
        for field in fields.iter().filter(needed) {
            if body.get(field.name).is_none_or(|value| value.is_null() || *value == "") {
                problems.push((field.name.to_owned(), Wrong::Missing));
            }
        }
    }
    problems
}

fn wrong(field: &Field, value: &Value, new: bool, exists: &dyn Fn(&str, &Value) -> bool) -> Option<Wrong> {
    match field.access {
        Access::Fixed => return Some(Wrong::Fixed),
        Access::Once if !new => return Some(Wrong::Fixed),
        // Found by the check for what is missing.
        Access::Required | Access::Once if new && (value.is_null() || *value == "") => return None,
        Access::Required if value.is_null() || *value == "" => return Some(Wrong::Missing),
        _ => {}
    }
    if value.is_null() {
        return None;
    }
    let fits = match field.kind {
        // An identifier may be a number.
        Kind::Text if field.link.is_some() => value.is_string() || value.is_number(),
        Kind::Text => value.is_string(),
        Kind::Number => value.is_number(),
        Kind::Flag => value.is_boolean(),
        Kind::Date => value.as_str().is_some_and(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()),
        Kind::Moment => value.as_str().is_some_and(|text| moment(text).is_some()),
        Kind::List => value.is_array(),
        Kind::Map => value.is_object(),
    };
    if !fits {
        return Some(Wrong::Kind(field.kind));
    }
    if !field.choices.is_empty() && value.as_str().is_some_and(|text| !field.choices.contains(&text)) {
        return Some(Wrong::Choice);
    }
    field.link.filter(|object| !exists(object, value)).map(Wrong::Link)
}

/// The rows of all objects, in the order of their creation.
#[derive(Default)]
pub(crate) struct Tables {
    rows: BTreeMap<&'static str, Vec<Row>>,
}

impl Tables {
    pub(crate) fn rows(&self, object: &str) -> &[Row] {
        self.rows.get(object).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn row(&self, object: &str, id: &str) -> Option<&Row> {
        self.rows(object).iter().find(|row| is(row, id))
    }

    pub(crate) fn row_mut(&mut self, object: &str, id: &str) -> Option<&mut Row> {
        self.rows.get_mut(object)?.iter_mut().find(|row| is(row, id))
    }

    pub(crate) fn add(&mut self, object: &'static str, row: Row) {
        self.rows.entry(object).or_default().push(row);
    }

    /// Takes a row away. False when it is not there.
    pub(crate) fn remove(&mut self, object: &str, id: &str) -> bool {
        let Some(rows) = self.rows.get_mut(object) else { return false };
        let before = rows.len();
        rows.retain(|row| !is(row, id));
        rows.len() < before
    }
}

fn is(row: &Row, id: &str) -> bool {
    row.get("id").is_some_and(|held| text_of(held) == id)
}

/// A scalar as text; nothing for anything else.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// A time in one of the forms that these providers read.
pub(crate) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, form) {
            return Some(at.and_utc());
        }
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| date.and_time(chrono::NaiveTime::MIN).and_utc())
}

/// What a search asks of a row.
#[derive(Debug)]
pub(crate) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    /// Of the values at this path, through lists, one passes.
    At(String, Check),
}

/// What is asked of one value.
#[derive(Debug)]
pub(crate) enum Check {
    /// There is one, and it is not empty.
    Present,
    /// It is one of these; texts in any case.
    In(Vec<Value>),
    /// It compares so with the value.
    Order(fn(Ordering) -> bool, Value),
    /// It has all these words, or words that begin with them.
    Words { words: Vec<String>, beginnings: bool },
    /// It begins with, ends with or holds the text.
    Part { text: String, start: bool, end: bool },
}

impl Test {
    pub(crate) fn passes(&self, row: &Row) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.passes(row)),
            Self::Any(tests) => tests.iter().any(|test| test.passes(row)),
            Self::Not(test) => !test.passes(row),
            Self::At(path, check) => row_has(row, path, &|value| check.passes(value)),
        }
    }
}

impl Check {
    fn passes(&self, value: &Value) -> bool {
        match self {
            Self::Present => *value != "" && value.as_object().is_none_or(|members| !members.is_empty()),
            Self::In(wanted) => wanted.iter().any(|wanted| compare(value, wanted) == Some(Ordering::Equal)),
            Self::Order(holds, wanted) => compare(value, wanted).is_some_and(holds),
            Self::Words { words, beginnings } => {
                let held = self::words(&text_of(value));
                let meets = |held: &String, word: &String| {
                    if *beginnings { held.starts_with(word.as_str()) } else { held == word }
                };
                !words.is_empty() && words.iter().all(|word| held.iter().any(|held| meets(held, word)))
            }
            Self::Part { text, start, end } => {
                let (held, text) = (text_of(value).to_lowercase(), text.to_lowercase());
                match (start, end) {
                    (true, false) => held.starts_with(&text),
                    (false, true) => held.ends_with(&text),
                    _ => held.contains(&text),
                }
            }
        }
    }
}

/// Whether one of the values at `path` passes; a list stands for its items, a missing value for none.
pub(crate) fn row_has(row: &Row, path: &str, accept: &dyn Fn(&Value) -> bool) -> bool {
    // A member's own name may hold dots.
    if let Some(value) = row.get(path) {
        return match value {
            Value::Null => false,
            Value::Array(items) => items.iter().any(accept),
            value => accept(value),
        };
    }
    let Some((head, rest)) = path.split_once('.') else { return false };
    match row.get(head) {
        Some(Value::Object(members)) => row_has(members, rest, accept),
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_object).any(|members| row_has(members, rest, accept))
        }
        _ => false,
    }
}

/// The words of a text, in small letters.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The order of two values: as numbers, as times, or as texts in any case.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), b) => Some(a.to_string().cmp(&text_of(b).to_lowercase())),
        (Value::Number(a), b) => a.as_f64()?.partial_cmp(&text_of(b).parse::<f64>().ok()?),
        (Value::String(a), b) => {
            let b = text_of(b);
            if let (Some(a), Some(b)) = (moment(a), moment(&b)) {
                return Some(a.cmp(&b));
            }
            Some(a.to_lowercase().cmp(&b.to_lowercase()))
        }
        // A link to another record compares by its identifier.
        (Value::Object(a), b) => Some(text_of(a.get("id")?).cmp(&text_of(b))),
        _ => None,
    }
}

/// Orders rows by a field; what has none comes last.
pub(crate) fn sort(rows: &mut [&Row], field: &str, descending: bool) {
    rows.sort_by(|a, b| {
        let (a, b) = (a.get(field).unwrap_or(&Value::Null), b.get(field).unwrap_or(&Value::Null));
        match (a.is_null(), b.is_null()) {
            (false, false) => {
                let order = compare(a, b).unwrap_or(Ordering::Equal);
                if descending { order.reverse() } else { order }
            }
            (a, b) => a.cmp(&b),
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: [Field; 4] = [
        Field::new("id", "ID", Kind::Text).access(Access::Fixed),
        Field::new("name", "Name", Kind::Text).access(Access::Required),
        Field::new("stage", "Stage", Kind::Text).choices(&["new", "old"]),
        Field::new("parent", "Parent", Kind::Text).access(Access::Once).link("thing"),
    ];

    fn row(value: Value) -> Row {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn finds_what_is_wrong() {
        let exists = |_: &str, id: &Value| *id == "1";
        let found = |body: Value, new| problems(&FIELDS, &row(body), new, &exists);
        assert!(found(json!({"name": "a", "parent": "1", "stage": "new"}), true).is_empty());
        assert_eq!(found(json!({"parent": "1"}), true), [("name".to_owned(), Wrong::Missing)]);
        assert_eq!(found(json!({"name": 5}), false), [("name".to_owned(), Wrong::Kind(Kind::Text))]);
        assert_eq!(found(json!({"id": "7"}), false), [("id".to_owned(), Wrong::Fixed)]);
        assert_eq!(found(json!({"parent": "1"}), false), [("parent".to_owned(), Wrong::Fixed)]);
        assert_eq!(found(json!({"stage": "odd"}), false), [("stage".to_owned(), Wrong::Choice)]);
        assert_eq!(found(json!({"name": "a", "parent": "2"}), true), [("parent".to_owned(), Wrong::Link("thing"))]);
        assert_eq!(found(json!({"shoe": 1}), false), [("shoe".to_owned(), Wrong::Unknown)]);
    }

    #[test]
    fn tests_rows() {
        let row = row(json!({"name": "Ada King", "at": "2024-01-01T10:00:00+01:00", "n": 5,
            "emails": [{"email": "a@b.test"}, {"email": "c@d.test"}], "custom.cf_1": "x"}));
        let at = |path: &str, check| Test::At(path.to_owned(), check);
        assert!(at("emails.email", Check::In(vec![json!("C@d.test")])).passes(&row));
        assert!(at("custom.cf_1", Check::Present).passes(&row));
        assert!(at("at", Check::Order(Ordering::is_eq, json!("2024-01-01T09:00:00Z"))).passes(&row));
        assert!(at("n", Check::Order(Ordering::is_gt, json!("4.5"))).passes(&row));
        assert!(at("name", Check::Words { words: words("king"), beginnings: false }).passes(&row));
        assert!(!at("name", Check::Words { words: words("kin"), beginnings: false }).passes(&row));
        assert!(at("name", Check::Words { words: words("kin"), beginnings: true }).passes(&row));
        assert!(!at("gone", Check::Present).passes(&row));
    }
}
