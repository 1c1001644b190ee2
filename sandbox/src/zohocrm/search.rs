//! The criteria of a search: `((Last_Name:equals:Ada)and(Email:starts_with:a))`.

use serde_json::json;

use super::{outcome::Failure, schema::Module};
use crate::crm::{Check, Test};

/// Reads a criterion, or several in parentheses.
pub(super) fn criterion(text: &str, module: &Module) -> Result<Test, Failure> {
    let invalid = || Failure::new(400, "INVALID_QUERY", "Invalid query formed").with(json!({"reason": text}));
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).ok_or_else(invalid)?;
    if inner.starts_with('(') {
        let (mut depth, mut parts, mut start, mut word) = (0_i32, Vec::new(), 0, None);
        for (at, c) in inner.char_indices() {
            match c {
                '(' => {
                    if depth == 0 {
                        let between = inner.get(start..at).unwrap_or_default().trim();
                        if !parts.is_empty() {
                            word = Some(between.to_owned());
                        }
                        start = at;
                    }
                    depth += 1;
                }
                ')' => {
                    depth -= 1;
                    if depth == 0 {
                        parts.push(criterion(inner.get(start..=at).unwrap_or_default(), module)?);
                        start = at + 1;
                    }
                }
                _ => {}
            }
        }
        return match word.as_deref() {
            None | Some("and") => Ok(Test::All(parts)),
            Some("or") => Ok(Test::Any(parts)),
            Some(_) => Err(invalid()),
        };
    }
    let mut parts = inner.splitn(3, ':');
    let (name, operator, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    let value = value.ok_or_else(invalid)?;
    if !module.fields.iter().any(|field| field.name == name) {
        return Err(invalid());
    }
    let one = json!(value);
    let check = match operator {
        "equals" => Check::In(vec![one]),
        "starts_with" => Check::Part { text: value.to_owned(), start: true, end: false },
        "in" => Check::In(value.split(',').map(|value| json!(value)).collect()),
        "greater_than" => Check::Order(std::cmp::Ordering::is_gt, one),
        "greater_equal" => Check::Order(std::cmp::Ordering::is_ge, one),
        "less_than" => Check::Order(std::cmp::Ordering::is_lt, one),
        "less_equal" => Check::Order(std::cmp::Ordering::is_le, one),
        "not_equal" => return Ok(Test::Not(Box::new(Test::At(name.to_owned(), Check::In(vec![one]))))),
        _ => return Err(invalid()),
    };
    Ok(Test::At(name.to_owned(), check))
}
