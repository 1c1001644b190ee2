//! The laws of field lines: what is written is read again, and every field of a model has a place.
//!
//! [`round_trip`] is the law itself, for one value of one field; [`check`] holds a few telling values against it, the
//! property tests many random ones.

use serde_json::{Map, Value, json};

use crate::{
    catalog::{
        Catalog, Element, Problem,
        hub::{Field, FieldKind, Model},
    },
    mapping::{Access, Codec, Line, Plan, WriteMode},
};

/// Whether a line both writes and reads, for any record, and loses nothing of a value of its own.
pub fn is_two_way(plan: &Plan, line: &Line) -> bool {
    // What these lose is nothing that a caller can have written.
    let loses = line.loss.is_some() && !matches!(line.codec, Codec::Words { .. } | Codec::First | Codec::DateOfTime);
    !loses
        && matches!(line.access, Access::ReadWrite | Access::Create)
        && line.when.is_none()
        // Several lines for one field, or for one place at the provider, give back what was written only together.
        && plan.lines.iter().filter(|other| other.name == line.name || other.path == line.path).count() == 1
}

/// Writes `value` into the field of `line` and reads it again.
///
/// # Errors
/// What came back instead, in words. A value that the line refuses is no breach of the law: `Ok(false)`.
pub fn round_trip(plan: &Plan, line: &Line, value: &Value) -> Result<bool, String> {
    let mut body = Map::new();
    put(&mut body, &line.name, value.clone());
    let Ok(written) = plan.write(&body, WriteMode::Create) else { return Ok(false) };
    let read = plan.read(&written, line.timestamp && value.is_string(), true);
    match get(&read, &line.name) {
        Some(is) if is == value => Ok(true),
        is => Err(format!(
            "{value} is written as {written} and read again as {}",
            is.map_or_else(|| "nothing".to_owned(), Value::to_string)
        )),
    }
}

fn put(body: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            body.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = body.entry(first.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

fn get<'a>(record: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        None => record.get(name),
        Some((first, rest)) => get(record.get(first)?.as_object()?, rest),
    }
}

/// Telling values of a field behind this codec.
fn samples(codec: &Codec, field: Option<&Field>) -> Vec<Value> {
    if let Codec::Words { pairs, .. } = codec {
        return pairs.iter().map(|(uniform, _)| uniform.clone()).collect();
    }
    match codec {
        Codec::PathId => return vec![json!("%252F"), json!("%252Fa%2Bb%252F%25C3%25A9")],
        Codec::Rooted => return vec![json!("/"), json!("/a b")],
        _ => {}
    }
    match field.map(|field| field.kind) {
        Some(FieldKind::Text) | None => vec![json!("Ada"), json!("Ada Lovelace"), json!("é 日本 \"'\\"), json!("42")],
        Some(FieldKind::Integer) => vec![json!(0), json!(-7), json!(9_007_199_254_740_991_i64)],
        Some(FieldKind::Number) => vec![json!(0), json!(12.5), json!(-3)],
        Some(FieldKind::Boolean) => vec![json!(true), json!(false)],
        Some(FieldKind::Timestamp) => vec![json!(0), json!(1_704_067_200_123_i64)],
        Some(FieldKind::DateTime) => vec![json!("2024-02-29T23:59:59Z"), json!("2024-01-01T00:00:00.120Z")],
        Some(FieldKind::Date) => vec![json!("2024-02-29")],
        Some(FieldKind::List) => vec![json!([]), json!(["a"]), json!(["a", "b c"])],
        Some(FieldKind::Map) => vec![json!({"a": 1})],
    }
}

/// Holds the lines of every plan of an element against the law.
pub(super) fn check(catalog: &Catalog, element: &Element) -> Vec<Problem> {
    let models = catalog.hub(&element.hub).map(|hub| &hub.models);
    let mut problems = Vec::new();
    for operation in element.operations.values() {
        let model = operation.hub.model.as_ref().and_then(|name| models?.get(name));
        for line in operation.plan.lines.iter().filter(|line| is_two_way(&operation.plan, line)) {
            let (file, pointer) = element.places.get(&operation.hub.resource).cloned().unwrap_or_default();
            problems.extend(breach(&operation.plan, line, model.map(AsRef::as_ref)).map(|message| Problem {
                file,
                pointer: format!("{pointer}/fields/{}", line.name.replace('~', "~0").replace('/', "~1")),
                message,
                hint: Some("use a codec that gives back what it writes, declare \"access\": \"read\", or give the line a path of its own".to_owned()),
            }));
        }
    }
    problems
}

fn breach(plan: &Plan, line: &Line, model: Option<&Model>) -> Option<String> {
    let values = samples(&line.codec, model.and_then(|model| model.field(&line.name)));
    let mut taken = false;
    for value in &values {
        match round_trip(plan, line, value) {
            Ok(was_taken) => taken |= was_taken,
            Err(message) => return Some(format!("what is written to `{}` is not read again: {message}", line.name)),
        }
    }
    (!taken).then(|| {
        format!(
            "nothing of the field's type can be written to `{}`: its codec takes none of {}",
            line.name,
            json!(values)
        )
    })
}
