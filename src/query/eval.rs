//! Evaluates a filter over a record in memory, for what the provider could not do.
//!
//! A field is a dotted path; a member whose name holds the dots is found too. Through and at an array, any element
//! counts (`tags = 'draft'`). Texts compare exactly, `LIKE` in any case; numbers and dates compare as such where both
//! sides read as such, dates also with epoch milliseconds; booleans bare or quoted. Missing is null.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{
    ast::{CompareOp, Expr, Value},
    moment::Moment,
    pattern,
};

/// Whether `record` passes the filter.
pub fn matches(expr: &Expr, record: &Json) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| matches(part, record)),
        Expr::Or(parts) => parts.iter().any(|part| matches(part, record)),
        Expr::Not(inner) => !matches(inner, record),
        Expr::Compare { field, op, value } => compare(record, field, *op, value),
        Expr::In { field, values, negated } => values.iter().any(|value| is_equal(record, field, value)) != *negated,
        Expr::IsNull { field, negated } => is_null(record, field) != *negated,
        Expr::Like { field, pattern, negated } => {
            let like = |json: &Json| match json {
                Json::String(text) => pattern::matches(pattern, text),
                Json::Number(number) => pattern::matches(pattern, &number.to_string()),
                _ => false,
            };
            any(record, field, &like) != *negated
        }
    }
}

/// Whether `accept` holds for any value at `path` in `record`; nulls and missing members are not asked.
pub fn any(record: &Json, path: &str, accept: &dyn Fn(&Json) -> bool) -> bool {
    match record {
        Json::Array(items) => items.iter().any(|item| any(item, path, accept)),
        Json::Null => false,
        _ if path.is_empty() => accept(record),
        Json::Object(members) => {
            if let Some(member) = members.get(path) {
                return any(member, "", accept);
            }
            // The shortest member name that leads on: `a.b` may be one member, then `c` inside it.
            path.match_indices('.').any(|(at, _)| {
                let (head, tail) = (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default());
                !tail.is_empty() && members.get(head).is_some_and(|member| any(member, tail, accept))
            })
        }
        _ => false,
    }
}

fn is_null(record: &Json, field: &str) -> bool {
    !any(record, field, &|_| true)
}

fn is_equal(record: &Json, field: &str, value: &Value) -> bool {
    match value {
        Value::Null => is_null(record, field),
        value => any(record, field, &|json| equal(json, value)),
    }
}

fn compare(record: &Json, field: &str, op: CompareOp, value: &Value) -> bool {
    let holds: fn(Ordering) -> bool = match op {
        CompareOp::Eq => return is_equal(record, field, value),
        CompareOp::Ne => return !is_equal(record, field, value),
        CompareOp::Lt => Ordering::is_lt,
        CompareOp::Le => Ordering::is_le,
        CompareOp::Gt => Ordering::is_gt,
        CompareOp::Ge => Ordering::is_ge,
    };
    any(record, field, &|json| order(json, value).is_some_and(holds))
}

fn equal(json: &Json, value: &Value) -> bool {
    match (json, value) {
        (Json::Bool(held), value) => value.as_bool() == Some(*held),
        (Json::String(text), Value::Boolean(_)) => text.eq_ignore_ascii_case(value.as_text()),
        // Two texts: `'007'` is not `'7'`, but one instant may be written in two ways.
        (Json::String(held), Value::Text(text)) => {
            held == text || matches!((Moment::parse(held), Moment::parse(text)), (Some(a), Some(b)) if a.at == b.at)
        }
        (json, value) => order(json, value) == Some(Ordering::Equal),
    }
}

fn order(json: &Json, value: &Value) -> Option<Ordering> {
    let text = value.as_text();
    match json {
        Json::Number(number) => {
            let held = number.to_string();
            numbers(&held, text).or_else(|| {
                let held = Moment::from_epoch_ms(number.as_i64()?)?;
                Some(held.at.cmp(&Moment::parse(text)?.at))
            })
        }
        Json::String(held) => {
            let moments = || Some(Moment::parse(held)?.at.cmp(&Moment::parse(text)?.at));
            match value {
                Value::Null | Value::Boolean(_) => None,
                Value::Number(_) => numbers(held, text)
                    .or_else(|| Some(Moment::parse(held)?.at.cmp(&Moment::from_epoch_ms(text.parse().ok()?)?.at))),
                Value::Date(_) => moments(),
                Value::Text(_) => numbers(held, text).or_else(moments).or_else(|| Some(held.as_str().cmp(text))),
            }
        }
        Json::Bool(held) => Some(held.cmp(&value.as_bool()?)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Compares two numbers, exactly where both are whole.
fn numbers(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.trim(), b.trim());
    if let (Ok(a), Ok(b)) = (a.parse::<i128>(), b.parse::<i128>()) {
        return Some(a.cmp(&b));
    }
    let read = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    read(a)?.partial_cmp(&read(b)?)
}

/// The record reduced to `fields` (dotted paths); what it does not have is left out, no field means the whole record.
pub fn select(record: Json, fields: &[String]) -> Json {
    fn keep(from: &Json, path: &str, into: &mut serde_json::Map<String, Json>) {
        let Json::Object(members) = from else { return };
        if let Some(member) = members.get(path) {
            into.insert(path.to_owned(), member.clone());
            return;
        }
        let Some((head, tail)) = path.split_once('.') else { return };
        if let Some(member @ Json::Object(_)) = members.get(head) {
            let mut inner = match into.remove(head) {
                Some(Json::Object(inner)) => inner,
                _ => serde_json::Map::new(),
            };
            keep(member, tail, &mut inner);
            into.insert(head.to_owned(), Json::Object(inner));
        }
    }
    if fields.is_empty() || !record.is_object() {
        return record;
    }
    let mut kept = serde_json::Map::new();
    for field in fields {
        keep(&record, field, &mut kept);
    }
    Json::Object(kept)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::parse, *};

    #[test]
    fn decides_as_documented() {
        let record = json!({
            "name": "Plan.pdf", "size": 20480, "directory": false, "flag": "TRUE", "code": "007",
            "modifiedDate": 1_577_934_245_678_i64, "iso": "2020-01-02T03:04:05+01:00", "empty": null,
            "tags": ["draft", "x"], "address": {"city": "Bern"}, "a.b": {"c": 1}, "Modified Time": "2020-06-01 00:00:00",
            "amount": "12.50", "contacts": [{"email": "a@x.test"}, {"email": "b@x.test"}]
        });
        for (filter, expected) in [
            ("name = 'Plan.pdf'", true),
            ("name = 'plan.pdf'", false),
            ("name LIKE 'plan%'", true),
            ("name NOT LIKE 'plan%'", false),
            ("missing NOT LIKE 'plan%'", true),
            ("size > 20000 AND size < '20481'", true),
            ("size = 20480.0", true),
            ("directory = 'false' AND directory = false AND directory != true", true),
            ("flag = true", true),
            ("code = '7'", false),
            ("code = 7", true),
            ("code < '8'", true),
            ("modifiedDate > '2020-01-02' AND modifiedDate < 2020-01-03", true),
            ("modifiedDate = '2020-01-02T03:04:05.678Z'", true),
            ("iso = '2020-01-02T02:04:05Z'", true),
            ("iso > 1577934245678", false),
            ("'Modified Time' >= '2020-06-01'", true),
            ("empty IS NULL AND missing IS NULL AND name IS NOT NULL", true),
            ("missing = null AND name != null", true),
            ("missing != 'x'", true),
            ("missing < 5 OR missing >= 5", false),
            ("NOT missing < 5", true),
            ("tags = 'draft'", true),
            ("tags != 'draft'", false),
            ("tags IN ('y', 'x')", true),
            ("tags NOT IN ('y', 'z')", true),
            ("missing IN ('y', null)", true),
            ("address.city = 'Bern'", true),
            ("`a.b.c` = 1", true),
            ("address = 'Bern'", false),
            ("contacts.email = 'b@x.test'", true),
            ("amount > 9", true),
            ("name > 'A' AND name < 'Z'", true),
            ("NOT (name = 'x' OR size = 1)", true),
        ] {
            assert_eq!(matches(&parse(filter).unwrap(), &record), expected, "{filter}");
        }
    }

    #[test]
    fn selects() {
        let record = json!({"id": 1, "a": {"b": 2, "c": 3}, "d.e": 4});
        let fields = |list: &str| super::super::parse_fields(list).unwrap();
        assert_eq!(select(record.clone(), &fields("")), record);
        assert_eq!(select(record.clone(), &fields("a.b,id,d.e,x")), json!({"a": {"b": 2}, "id": 1, "d.e": 4}));
        assert_eq!(select(record, &fields("a.b,a.c")), json!({"a": {"b": 2, "c": 3}}));
    }
}
