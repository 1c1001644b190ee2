//! The search: a tree of conditions, an order, a page with a cursor.

use std::cmp::Ordering;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    api::view,
    failure::Failure,
    schema::{Object, named},
};
use crate::crm::{self, Check, Row, Tables, Test};

/// Records in a page.
const PAGE: usize = 200;

/// Runs a search.
pub(super) fn search(tables: &Tables, body: &Row) -> Result<Value, Failure> {
    let query = body.get("query").ok_or_else(|| Failure::parameter("query", "This field is required."))?;
    let object = target(query)?;
    let test = tree(query, object)?;
    let limit = match body.get("_limit") {
        None | Some(Value::Null) => PAGE,
        Some(limit) => limit
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (1..=PAGE).contains(limit))
            .ok_or_else(|| Failure::parameter("_limit", format!("Must be between 1 and {PAGE}.")))?,
    };
    let skip = match body.get("cursor").and_then(Value::as_str) {
        None => 0,
        Some(cursor) => URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<usize>().ok())
            .ok_or_else(|| Failure::parameter("cursor", "Invalid cursor."))?,
    };
    let mut rows: Vec<&Row> = tables.rows(object.name).iter().filter(|row| test.passes(row)).collect();
    for key in body.get("sort").and_then(Value::as_array).into_iter().flatten().rev() {
        let name = key.pointer("/field/field_name").and_then(Value::as_str);
        let name = name.filter(|name| object.fields.iter().any(|field| field.name == *name));
        let name = name.ok_or_else(|| Failure::parameter("sort", "Unknown field."))?;
        crm::sort(&mut rows, name, key.get("direction").is_some_and(|word| word == "desc"));
    }
    let fields: Option<Vec<&str>> = body
        .get("_fields")
        .and_then(|fields| fields.get(object.name))
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect());
    let data: Vec<Value> = rows
        .iter()
        .skip(skip)
        .take(limit)
        .map(|row| {
            let mut shown: Row = match &fields {
                // Unless told otherwise only the identifier is answered.
                None => view(tables, Some(object), row).into_iter().filter(|(name, _)| name == "id").collect(),
                Some(fields) => {
                    let view = view(tables, Some(object), row);
                    view.into_iter().filter(|(name, _)| fields.contains(&name.as_str())).collect()
                }
            };
            shown.insert("__object_type".to_owned(), json!(object.name));
            Value::Object(shown)
        })
        .collect();
    let end = skip + data.len();
    let cursor = (end < rows.len()).then(|| URL_SAFE_NO_PAD.encode(end.to_string()));
    let mut answer = json!({"data": data, "cursor": cursor});
    if let (Some(Value::Bool(true)), Some(members)) = (body.get("include_counts"), answer.as_object_mut()) {
        members.insert("count".to_owned(), json!({"limited": rows.len(), "total": rows.len()}));
    }
    Ok(answer)
}

/// The object that a query is for: a node says it.
fn target(query: &Value) -> Result<&'static Object, Failure> {
    fn find(node: &Value) -> Option<&str> {
        if node.get("type").is_some_and(|word| word == "object_type") {
            return node.get("object_type").and_then(Value::as_str);
        }
        node.get("queries").and_then(Value::as_array)?.iter().find_map(find)
    }
    find(query)
        .and_then(named)
        .filter(|object| object.searched)
        .ok_or_else(|| Failure::parameter("query", "The query must name an object type that can be searched."))
}

fn tree(node: &Value, object: &Object) -> Result<Test, Failure> {
    let unclear = |what: &str| Failure::parameter("query", format!("Invalid query: {what}."));
    let queries = |node: &Value| -> Result<Vec<Test>, Failure> {
        let list = node.get("queries").and_then(Value::as_array).ok_or_else(|| unclear("queries are missing"))?;
        list.iter().map(|node| tree(node, object)).collect()
    };
    let test = match node.get("type").and_then(Value::as_str) {
        Some("and") => Test::All(queries(node)?),
        Some("or") => Test::Any(queries(node)?),
        Some("object_type") => Test::All(Vec::new()),
        Some("has_related") => {
            let member = match (object.name, node.get("related_object_type").and_then(Value::as_str)) {
                ("contact", Some("contact_email")) => "emails",
                ("contact", Some("contact_phone")) => "phones",
                ("lead", Some("address")) => "addresses",
                _ => return Err(unclear("unknown related object type")),
            };
            let inner = node.get("related_query").ok_or_else(|| unclear("related_query is missing"))?;
            below(inner, member)?
        }
        Some("field_condition") => {
            let name = match node.pointer("/field/type").and_then(Value::as_str) {
                Some("regular_field") => node.pointer("/field/field_name").and_then(Value::as_str).map(str::to_owned),
                Some("custom_field") => {
                    node.pointer("/field/custom_field_id").and_then(Value::as_str).map(|id| format!("custom.{id}"))
                }
                _ => None,
            };
            let name = name.filter(|name| object.fields.iter().any(|field| field.name == name));
            condition(node, name.ok_or_else(|| unclear("unknown field"))?)?
        }
        _ => return Err(unclear("unknown type")),
    };
    Ok(if node.get("negate") == Some(&Value::Bool(true)) { Test::Not(Box::new(test)) } else { test })
}

/// Conditions on the members of a list of the record.
fn below(node: &Value, member: &str) -> Result<Test, Failure> {
    match node.get("type").and_then(Value::as_str) {
        Some("and") => {
            let list = node.get("queries").and_then(Value::as_array).into_iter().flatten();
            Ok(Test::All(list.map(|node| below(node, member)).collect::<Result<_, _>>()?))
        }
        Some("field_condition") => {
            let name = node.pointer("/field/field_name").and_then(Value::as_str);
            let known = ["email", "phone", "type", "city", "state", "zipcode", "country", "address_1"];
            let name = name.filter(|name| known.contains(name));
            let name = name.ok_or_else(|| Failure::parameter("query", "Invalid query: unknown related field."))?;
            condition(node, format!("{member}.{name}"))
        }
        _ => Err(Failure::parameter("query", "Invalid query: unknown type.")),
    }
}

fn condition(node: &Value, name: String) -> Result<Test, Failure> {
    let unclear = |what: &str| Failure::parameter("query", format!("Invalid condition: {what}."));
    let condition = node.get("condition").ok_or_else(|| unclear("it is missing"))?;
    let check = match condition.get("type").and_then(Value::as_str) {
        Some("exists") => Check::Present,
        Some("term") => {
            let values = condition.get("values").and_then(Value::as_array).filter(|values| !values.is_empty());
            Check::In(values.ok_or_else(|| unclear("values are missing"))?.clone())
        }
        Some("boolean") => Check::In(vec![condition.get("value").cloned().ok_or_else(|| unclear("value is missing"))?]),
        Some("text") => {
            let value = condition.get("value").and_then(Value::as_str).unwrap_or_default();
            let words = crm::words(value);
            if words.is_empty() {
                return Err(unclear("the text has no words"));
            }
            match condition.get("mode").and_then(Value::as_str) {
                Some("full_words") => Check::Words { words, beginnings: false },
                Some("beginning_of_words") => Check::Words { words, beginnings: true },
                Some("phrase") => Check::Part { text: value.to_owned(), start: false, end: false },
                _ => return Err(unclear("unknown mode")),
            }
        }
        Some(kind @ ("number_range" | "moment_range")) => return range(condition, kind, &name),
        _ => return Err(unclear("unknown type")),
    };
    Ok(Test::At(name, check))
}

/// The word of a bound, and how a value has to compare with it.
type Bound = (&'static str, fn(Ordering) -> bool);

fn range(condition: &Value, kind: &str, name: &str) -> Result<Test, Failure> {
    let unclear = |what: &str| Failure::parameter("query", format!("Invalid condition: {what}."));
    let words: &[Bound] = if kind == "number_range" {
        &[("gt", Ordering::is_gt), ("gte", Ordering::is_ge), ("lt", Ordering::is_lt), ("lte", Ordering::is_le)]
    } else {
        &[("on_or_after", Ordering::is_ge), ("before", Ordering::is_lt)]
    };
    let mut tests = Vec::new();
    for (word, holds) in words {
        let Some(bound) = condition.get(*word).filter(|bound| !bound.is_null()) else { continue };
        let value = if kind == "number_range" {
            Some(bound).filter(|bound| bound.is_number()).cloned()
        } else {
            let utc = bound.get("type").is_some_and(|word| word == "fixed_utc");
            let value = bound.get("value").and_then(Value::as_str).filter(|text| utc && crm::moment(text).is_some());
            value.map(|text| json!(text))
        };
        let value = value.ok_or_else(|| unclear("a bound is not of its kind"))?;
        tests.push(Test::At(name.to_owned(), Check::Order(*holds, value)));
    }
    if tests.is_empty() { Err(unclear("a range needs a bound")) } else { Ok(Test::All(tests)) }
}
