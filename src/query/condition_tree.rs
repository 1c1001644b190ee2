//! Renders filters as a JSON tree of conditions: `and` and `or` nodes over typed field conditions.
//!
//! ```json
//! {"type": "and", "queries": [{"type": "object_type", "object_type": "person"},
//!   {"type": "field_condition", "field": {"type": "regular_field", "object_type": "person", "field_name": "title"},
//!    "condition": {"type": "text", "mode": "full_words", "value": "CTO"}}]}
//! ```
//!
//! Texts are found by their words, so a text condition finds at least what is asked and possibly more;
//! [`Rendered::exact`] tells. A column `custom.X` is the account's own field X; another dotted column is a field of a
//! related object.

use serde_json::{Value as Json, json};

use super::{
    ast::{CompareOp, Expr, Value},
    column::{ColumnKind, Condition, Literal, RenderError, Resolve},
    moment::Moment,
    normal::{without_not, without_nulls},
    pattern::{Shape, shape},
};

/// What a target's tree is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'t> {
    /// The object searched.
    pub object: &'t str,
    /// Columns whose values are compared whole (identifiers, choices), not by their words.
    pub terms: &'t [String],
}

/// A rendered filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The tree.
    pub tree: Json,
    /// Whether the target answers exactly this filter; otherwise its answer holds more and has to be filtered again.
    pub exact: bool,
}

/// Renders `expr` as a tree about `target`.
///
/// # Errors
/// [`RenderError`] naming the field and operator that cannot be rendered.
pub fn render(expr: &Expr, resolve: &Resolve<'_, '_>, target: &Target<'_>) -> Result<Rendered, RenderError> {
    let mut exact = true;
    let expr = without_not(without_nulls(expr.clone()), false);
    let conditions = write(&expr, resolve, target, &mut exact)?;
    let object = json!({"type": "object_type", "object_type": target.object});
    Ok(Rendered { tree: json!({"type": "and", "queries": [object, conditions]}), exact })
}

fn write(expr: &Expr, resolve: &Resolve<'_, '_>, target: &Target<'_>, exact: &mut bool) -> Result<Json, RenderError> {
    let mut all = |parts: &[Expr], word: &str| {
        let queries: Vec<Json> =
            parts.iter().map(|part| write(part, resolve, target, exact)).collect::<Result<_, _>>()?;
        Ok(json!({"type": word, "queries": queries}))
    };
    let (field, negated) = match expr {
        Expr::And(parts) => return all(parts, "and"),
        Expr::Or(parts) => return all(parts, "or"),
        Expr::Not(_) => return Err(RenderError::no_word("NOT", expr)),
        Expr::Compare { field, op, .. } => (field, *op == CompareOp::Ne),
        Expr::In { field, negated, .. } | Expr::IsNull { field, negated } | Expr::Like { field, negated, .. } => {
            (field, *negated)
        }
    };
    let condition = Condition::new(expr, field, resolve)?;
    let (what, whole) = match expr {
        Expr::IsNull { .. } => (json!({"type": "exists"}), true),
        Expr::Compare { op, value, .. } => compare(&condition, *op, value, target)?,
        Expr::In { values, .. } => {
            if !compares_whole(&condition, target) {
                return alternatives(&condition, values, negated, target, exact);
            }
            let values: Vec<String> =
                values.iter().map(|value| Ok(condition.literal(value)?.into_text())).collect::<Result<_, _>>()?;
            (json!({"type": "term", "values": values}), true)
        }
        Expr::Like { pattern, .. } => {
            condition.check_like()?;
            match shape(pattern) {
                Shape::Whole(text) => (words(&condition, &text, "full_words")?, false),
                Shape::Prefix(text) => (words(&condition, &text, "beginning_of_words")?, false),
                Shape::Everything => (json!({"type": "exists"}), true),
                _ => return Err(condition.unsupported("only patterns like 'x' and 'x%' can be sent")),
            }
        }
        Expr::And(_) | Expr::Or(_) | Expr::Not(_) => {
            return Err(RenderError::Shape("a condition was expected, not a group of them".to_owned()));
        }
    };
    // What finds more than is asked, turned round, would find less.
    if negated && !whole {
        return Err(condition.unsupported("a search by words cannot be turned round"));
    }
    *exact &= whole && !is_related(&condition);
    // A null test asks for what is not there.
    let negate = if matches!(expr, Expr::IsNull { .. }) { !negated } else { negated };
    place(&condition, what, negate, target)
}

/// `IN` over words: one alternative per value.
fn alternatives(
    condition: &Condition<'_, '_>,
    values: &[Value],
    negated: bool,
    target: &Target<'_>,
    exact: &mut bool,
) -> Result<Json, RenderError> {
    if negated {
        return Err(condition.unsupported("a search by words cannot be turned round"));
    }
    let mut queries = Vec::with_capacity(values.len());
    for value in values {
        let (what, whole) = compare(condition, CompareOp::Eq, value, target)?;
        *exact &= whole && !is_related(condition);
        queries.push(place(condition, what, false, target)?);
    }
    Ok(json!({"type": "or", "queries": queries}))
}

fn compares_whole(condition: &Condition<'_, '_>, target: &Target<'_>) -> bool {
    target.terms.contains(&condition.column.name)
}

fn is_related(condition: &Condition<'_, '_>) -> bool {
    condition.column.name.split_once('.').is_some_and(|(object, _)| object != "custom")
}

/// A comparison; whether it finds exactly what is asked.
fn compare(
    condition: &Condition<'_, '_>,
    op: CompareOp,
    value: &Value,
    target: &Target<'_>,
) -> Result<(Json, bool), RenderError> {
    let equal = matches!(op, CompareOp::Eq | CompareOp::Ne);
    if equal && compares_whole(condition, target) {
        return Ok((json!({"type": "term", "values": [condition.literal(value)?.into_text()]}), true));
    }
    let instant = |at: chrono::DateTime<chrono::Utc>| json!({"type": "fixed_utc", "value": Moment { at, date_only: false }.to_rfc3339()});
    let second = chrono::TimeDelta::seconds(1);
    match (condition.literal(value)?, op) {
        (Literal::Boolean(flag), CompareOp::Eq | CompareOp::Ne) => {
            Ok((json!({"type": "boolean", "value": flag}), true))
        }
        (Literal::Number(text), _) => {
            let number: Json =
                serde_json::from_str(&text).map_err(|_| condition.misfit(value, "the field is a number"))?;
            let words: &[&str] = match op {
                CompareOp::Eq | CompareOp::Ne => &["gte", "lte"],
                CompareOp::Lt => &["lt"],
                CompareOp::Le => &["lte"],
                CompareOp::Gt => &["gt"],
                CompareOp::Ge => &["gte"],
            };
            let mut range = json!({"type": "number_range"});
            if let Some(members) = range.as_object_mut() {
                members.extend(words.iter().map(|word| ((*word).to_owned(), number.clone())));
            }
            Ok((range, true))
        }
        // The target knows "from" and "before"; what falls between is told apart afterwards.
        (Literal::DateTime(at), CompareOp::Ge) => {
            Ok((json!({"type": "moment_range", "on_or_after": instant(at)}), true))
        }
        (Literal::DateTime(at), CompareOp::Gt) => {
            Ok((json!({"type": "moment_range", "on_or_after": instant(at)}), false))
        }
        (Literal::DateTime(at), CompareOp::Lt) => Ok((json!({"type": "moment_range", "before": instant(at)}), true)),
        (Literal::DateTime(at), CompareOp::Le) => {
            Ok((json!({"type": "moment_range", "before": instant(at + second)}), false))
        }
        (Literal::DateTime(at), CompareOp::Eq) => {
            let (from, to) = (instant(at), instant(at + second));
            Ok((json!({"type": "moment_range", "on_or_after": from, "before": to}), false))
        }
        (Literal::Text(text), CompareOp::Eq | CompareOp::Ne) => Ok((words(condition, &text, "full_words")?, false)),
        _ => Err(condition.unsupported("the provider's search cannot compare so")),
    }
}

/// A search for words in a text.
fn words(condition: &Condition<'_, '_>, text: &str, mode: &str) -> Result<Json, RenderError> {
    let is_text = matches!(condition.column.kind, ColumnKind::Text | ColumnKind::Other);
    if !is_text || !text.chars().any(char::is_alphanumeric) {
        return Err(condition.unsupported("the provider searches for words, and there is none"));
    }
    Ok(json!({"type": "text", "mode": mode, "value": text}))
}

/// Puts a condition on its field: the object's own, the account's own, or a related object's.
fn place(condition: &Condition<'_, '_>, what: Json, negate: bool, target: &Target<'_>) -> Result<Json, RenderError> {
    let name = condition.column.name.as_str();
    let on = |field: Json, negate: bool, what: Json| {
        let mut node = json!({"type": "field_condition", "field": field, "condition": what});
        if let (true, Some(members)) = (negate, node.as_object_mut()) {
            members.insert("negate".to_owned(), Json::Bool(true));
        }
        node
    };
    let regular =
        |object: &str, name: &str| json!({"type": "regular_field", "object_type": object, "field_name": name});
    Ok(match name.split_once('.') {
        None => on(regular(target.object, name), negate, what),
        Some(("custom", id)) => on(json!({"type": "custom_field", "custom_field_id": id}), negate, what),
        Some(_) if negate => {
            return Err(condition.unsupported("of several values the provider cannot tell which one is meant"));
        }
        Some((related, member)) => json!({"type": "has_related", "this_object_type": target.object,
            "related_object_type": related, "related_query": {"type": "and", "queries": [on(regular(related, member), false, what)]}}),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Column, parse, testing};
    use super::*;

    fn resolve(field: &str) -> Result<Column<'static>, RenderError> {
        let mut column = testing::resolve(match field {
            "email" | "own" => "name",
            other => other,
        })?;
        match field {
            "email" => column.name = "person_email.email".to_owned(),
            "own" => column.name = "custom.cf_1".to_owned(),
            _ => {}
        }
        Ok(column)
    }

    /// The condition without the frame around it, and whether it is exact.
    fn rendered(filter: &str) -> Result<(Json, bool), String> {
        let terms = ["P_status".to_owned()];
        let target = Target { object: "person", terms: &terms };
        let rendered = render(&parse(filter).unwrap(), &resolve, &target).map_err(|error| error.to_string())?;
        assert_eq!(rendered.tree["queries"][0], json!({"type": "object_type", "object_type": "person"}));
        Ok((rendered.tree["queries"][1].clone(), rendered.exact))
    }

    fn on(name: &str, condition: Json) -> Json {
        let field = json!({"type": "regular_field", "object_type": "person", "field_name": name});
        json!({"type": "field_condition", "field": field, "condition": condition})
    }

    #[test]
    fn renders_every_construct() {
        let text = |value: &str, mode: &str| json!({"type": "text", "mode": mode, "value": value});
        let utc = |value: &str| json!({"type": "fixed_utc", "value": value});
        let mut not_open = on("P_status", json!({"type": "term", "values": ["OPEN!"]}));
        not_open["negate"] = json!(true);
        let mut none = on("P_name", json!({"type": "exists"}));
        none["negate"] = json!(true);
        for (filter, expected, exact) in [
            ("name = 'Ada'", on("P_name", text("Ada", "full_words")), false),
            ("name LIKE 'Ad%'", on("P_name", text("Ad", "beginning_of_words")), false),
            ("status != 'open'", not_open.clone(), true),
            ("NOT status = 'open'", not_open, true),
            ("status IN ('open')", on("P_status", json!({"type": "term", "values": ["OPEN!"]})), true),
            ("size = 5", on("P_size", json!({"type": "number_range", "gte": 5, "lte": 5})), true),
            ("size > 5.5", on("P_size", json!({"type": "number_range", "gt": 5.5})), true),
            ("active = 'true'", on("P_active", json!({"type": "boolean", "value": true})), true),
            ("name IS NULL", none, true),
            ("name IS NOT NULL", on("P_name", json!({"type": "exists"})), true),
            (
                "changed >= '2020-01-02'",
                on("P_changed", json!({"type": "moment_range", "on_or_after": utc("2020-01-02T00:00:00Z")})),
                true,
            ),
            (
                "changed <= '2020-01-02T00:00:00Z'",
                on("P_changed", json!({"type": "moment_range", "before": utc("2020-01-02T00:00:01Z")})),
                false,
            ),
            (
                "size = 1 OR size = 2",
                json!({"type": "or", "queries": [on("P_size", json!({"type": "number_range", "gte": 1, "lte": 1})),
                    on("P_size", json!({"type": "number_range", "gte": 2, "lte": 2}))]}),
                true,
            ),
            (
                "own = 'x'",
                json!({"type": "field_condition", "field": {"type": "custom_field", "custom_field_id": "cf_1"},
                    "condition": text("x", "full_words")}),
                false,
            ),
            (
                "email = 'a@b.test'",
                json!({"type": "has_related", "this_object_type": "person", "related_object_type": "person_email",
                    "related_query": {"type": "and", "queries": [{"type": "field_condition",
                        "field": {"type": "regular_field", "object_type": "person_email", "field_name": "email"},
                        "condition": text("a@b.test", "full_words")}]}}),
                false,
            ),
        ] {
            assert_eq!(rendered(filter), Ok((expected, exact)), "{filter}");
        }
    }

    #[test]
    fn refuses_what_would_find_too_little() {
        for filter in [
            "name != 'Ada'",
            "name NOT IN ('a')",
            "name NOT LIKE 'a%'",
            "name LIKE '%a'",
            "name = '&'",
            "born > '2020-01-01'",
            "email IS NULL",
        ] {
            assert!(rendered(filter).unwrap_err().starts_with('`'), "{filter}");
        }
    }
}
