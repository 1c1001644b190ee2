//! The search call: groups of filters, an order, a page.

use std::{cmp::Ordering, collections::BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    failure::Failure,
    object::{Object, named},
    property::{Kind, Property, moment},
    store::{Record, Store, token},
};

/// Groups of filters in a search, filters in a group, filters in all.
const FILTERS: (usize, usize, usize) = (5, 6, 18);
/// Records in a page.
const PAGE: usize = 200;
/// Records that paging can reach.
const REACH: usize = 10_000;
/// Characters of a query.
const QUERY: usize = 3000;

/// Runs a search.
pub(super) fn search(store: &Store, object: &Object, body: &Map<String, Value>) -> Result<Value, Failure> {
    let filters = groups(store, object, body)?;
    let order = order(store, object, body)?;
    let query = text(body, "query")?.unwrap_or_default().to_lowercase();
    if query.chars().count() > QUERY {
        return Err(Failure::invalid(format!("The search query can have at most {QUERY} characters.")));
    }
    let limit = count(body, "limit")?.unwrap_or(10);
    let after = count(body, "after")?.unwrap_or(0);
    if !(1..=PAGE).contains(&limit) {
        return Err(Failure::invalid(format!("The limit must be between 1 and {PAGE}, but was {limit}.")));
    }
    if after + limit > REACH {
        return Err(Failure::invalid(format!("Paging is limited to the first {REACH} results of a search.")));
    }
    let wanted = strings(body, "properties")?;
    let matches = |record: &&Record| {
        (filters.is_empty() || filters.iter().any(|group| group.iter().all(|filter| filter.passes(record))))
            && (query.is_empty() || found(object, record, &query))
    };
    let mut records: Vec<&Record> = store.records(object, false).filter(matches).collect();
    if let Some((property, descending)) = order {
        records.sort_by(|a, b| {
            let (a, b) = (value(a, property), value(b, property));
            let empty = a.is_empty().cmp(&b.is_empty());
            let order = compare(property.kind, a, b).unwrap_or_else(|| a.to_lowercase().cmp(&b.to_lowercase()));
            empty.then(if descending { order.reverse() } else { order })
        });
    }
    let total = records.len();
    let page = records.into_iter().skip(after).take(limit);
    let results: Vec<Value> = page.map(|record| store.shown(object, record, &wanted, &[])).collect();
    let mut answer = json!({"total": total, "results": results});
    if let Some(members) = answer.as_object_mut().filter(|_| after + limit < total) {
        members.insert("paging".to_owned(), json!({"next": {"after": (after + limit).to_string()}}));
    }
    Ok(answer)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    Between,
    In,
    NotIn,
    Has,
    HasNot,
    Token,
    NotToken,
}

const OPERATORS: [(&str, Operator); 13] = [
    ("EQ", Operator::Eq),
    ("NEQ", Operator::Neq),
    ("LT", Operator::Lt),
    ("LTE", Operator::Lte),
    ("GT", Operator::Gt),
    ("GTE", Operator::Gte),
    ("BETWEEN", Operator::Between),
    ("IN", Operator::In),
    ("NOT_IN", Operator::NotIn),
    ("HAS_PROPERTY", Operator::Has),
    ("NOT_HAS_PROPERTY", Operator::HasNot),
    ("CONTAINS_TOKEN", Operator::Token),
    ("NOT_CONTAINS_TOKEN", Operator::NotToken),
];

enum Filter<'a> {
    Property(OfProperty<'a>),
    /// Associated with these records of another type.
    Linked(BTreeSet<u64>),
}

impl Filter<'_> {
    fn passes(&self, record: &Record) -> bool {
        match self {
            Self::Property(filter) => filter.passes(record),
            Self::Linked(ids) => ids.contains(&record.id),
        }
    }
}

struct OfProperty<'a> {
    property: &'a Property,
    operator: Operator,
    /// One value, two for a range, or the list.
    values: Vec<String>,
}

impl OfProperty<'_> {
    fn passes(&self, record: &Record) -> bool {
        let held = value(record, self.property);
        let kind = self.property.kind;
        let first = self.values.first().map(String::as_str).unwrap_or_default();
        let ordered = |wanted: &str| if held.is_empty() { None } else { compare(kind, held, wanted) };
        let equal = || equals(kind, held, first);
        match self.operator {
            Operator::Eq => equal(),
            Operator::Neq => !equal(),
            Operator::Lt => ordered(first) == Some(Ordering::Less),
            Operator::Lte => ordered(first).is_some_and(Ordering::is_le),
            Operator::Gt => ordered(first) == Some(Ordering::Greater),
            Operator::Gte => ordered(first).is_some_and(Ordering::is_ge),
            Operator::Between => {
                let last = self.values.last().map(String::as_str).unwrap_or_default();
                ordered(first).is_some_and(Ordering::is_ge) && ordered(last).is_some_and(Ordering::is_le)
            }
            Operator::In => self.listed(held),
            Operator::NotIn => !self.listed(held),
            Operator::Has => !held.is_empty(),
            Operator::HasNot => held.is_empty(),
            Operator::Token => contains(held, first),
            Operator::NotToken => !contains(held, first),
        }
    }

    /// Whether the value is in the list, whose texts have to be in lower case.
    fn listed(&self, held: &str) -> bool {
        let kind = self.property.kind;
        self.values.iter().any(|wanted| match kind {
            Kind::Text => !held.is_empty() && held.to_lowercase() == *wanted,
            _ => equals(kind, held, wanted),
        })
    }
}

fn value<'r>(record: &'r Record, property: &Property) -> &'r str {
    record.properties.get(&property.name).map(String::as_str).unwrap_or_default()
}

fn equals(kind: Kind, held: &str, wanted: &str) -> bool {
    !held.is_empty()
        && compare(kind, held, wanted).map_or_else(|| held.to_lowercase() == wanted.to_lowercase(), Ordering::is_eq)
}

/// The order of two values by their kind; nothing when one is not of the kind.
fn compare(kind: Kind, a: &str, b: &str) -> Option<Ordering> {
    match kind {
        Kind::Number => Some(a.parse::<f64>().ok()?.total_cmp(&b.parse::<f64>().ok()?)),
        Kind::Date | Kind::DateTime => Some(moment(a)?.cmp(&moment(b)?)),
        Kind::Text | Kind::Choice | Kind::Flag => Some(a.to_lowercase().cmp(&b.to_lowercase())),
    }
}

/// Whether a text has a word that matches, where `*` stands for anything.
fn contains(held: &str, wanted: &str) -> bool {
    let (held, wanted) = (held.to_lowercase(), wanted.to_lowercase());
    let words = held.split(|c: char| !c.is_alphanumeric()).chain(held.split_whitespace()).chain([held.as_str()]);
    words.filter(|word| !word.is_empty()).any(|word| glob(&wanted, word))
}

fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether every word of a query begins a word of the record.
fn found(object: &Object, record: &Record, query: &str) -> bool {
    let values = object.searched.iter().filter_map(|name| record.properties.get(*name));
    let held = values.map(|value| value.to_lowercase()).collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = held
        .split(|c: char| !c.is_alphanumeric())
        .chain(held.split_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    query.split_whitespace().all(|wanted| words.iter().any(|word| word.starts_with(wanted)))
}

fn groups<'s>(store: &'s Store, object: &Object, body: &Map<String, Value>) -> Result<Vec<Vec<Filter<'s>>>, Failure> {
    let (most_groups, most_in_group, most) = FILTERS;
    let mut groups = Vec::new();
    let mut read = |list: &Value| {
        let filters = array(list, "filters")?;
        if filters.len() > most_in_group {
            return Err(Failure::invalid(format!("A filter group can have at most {most_in_group} filters.")));
        }
        groups.push(filters.iter().map(|filter| self::filter(store, object, filter)).collect::<Result<Vec<_>, _>>()?);
        Ok(())
    };
    if let Some(list) = body.get("filterGroups") {
        let list = array(list, "filterGroups")?;
        if list.len() > most_groups {
            return Err(Failure::invalid(format!("A search can have at most {most_groups} filter groups.")));
        }
        for group in list {
            let Some(filters) = group.get("filters") else {
                return Err(Failure::unreadable("Some required fields were not set: [filters]"));
            };
            read(filters)?;
        }
    }
    if let Some(filters) = body.get("filters").filter(|_| body.get("filterGroups").is_none()) {
        read(filters)?;
    }
    if groups.iter().map(Vec::len).sum::<usize>() > most {
        return Err(Failure::invalid(format!("A search can have at most {most} filters in all.")));
    }
    Ok(groups)
}

fn filter<'s>(store: &'s Store, object: &Object, filter: &Value) -> Result<Filter<'s>, Failure> {
    let problem = |problem: &str| {
        let class = "com.hubspot.inbounddb.publicobject.core.v3.search.Filter";
        Failure::unreadable(&format!("Cannot construct instance of `{class}`, problem: {problem}"))
    };
    let members = filter.as_object().ok_or_else(|| problem("a filter must be an object"))?;
    let name = text(members, "propertyName")?.ok_or_else(|| problem("propertyName is required"))?;
    let spoken = text(members, "operator")?.ok_or_else(|| problem("operator is required"))?;
    let Some((_, operator)) = OPERATORS.iter().find(|(known, _)| *known == spoken) else {
        let known: Vec<&str> = OPERATORS.iter().map(|(known, _)| *known).collect();
        let message = format!(
            "Cannot deserialize value of type `com.hubspot.inbounddb.publicobject.core.v3.search.FilterOperator` from String \
             \"{spoken}\": not one of the values accepted for Enum class: [{}]",
            known.join(", ")
        );
        return Err(Failure::unreadable(&message));
    };
    let single = text(members, "value")?;
    let values = match operator {
        Operator::Has | Operator::HasNot if single.is_some() || members.contains_key("values") => {
            return Err(problem(&format!("operator {spoken} does not allow a value")));
        }
        Operator::Has | Operator::HasNot => Vec::new(),
        Operator::In | Operator::NotIn => {
            let values = strings(members, "values")?;
            if values.is_empty() {
                return Err(problem(&format!("operator {spoken} requires values")));
            }
            values
        }
        Operator::Between => {
            let low = single.ok_or_else(|| problem("operator BETWEEN requires a value"))?;
            let high = text(members, "highValue")?.ok_or_else(|| problem("operator BETWEEN requires a highValue"))?;
            vec![low.to_owned(), high.to_owned()]
        }
        _ => vec![single.ok_or_else(|| problem(&format!("operator {spoken} requires a value")))?.to_owned()],
    };
    if let Some(other) = name.strip_prefix("associations.") {
        let other = named(other).ok_or_else(|| unknown(object, name))?;
        if !matches!(operator, Operator::Eq | Operator::In) {
            return Err(Failure::invalid(format!("Associations cannot be searched with operator {spoken}")));
        }
        let ids = values.iter().filter_map(|id| id.parse().ok());
        return Ok(Filter::Linked(ids.flat_map(|id| store.linked(other, id, object)).collect()));
    }
    let property = store.property(object, name).ok_or_else(|| unknown(object, name))?;
    for value in &values {
        let fits = match property.kind {
            Kind::Number => value.parse::<f64>().is_ok_and(f64::is_finite),
            Kind::Date | Kind::DateTime => moment(value).is_some(),
            Kind::Text | Kind::Choice | Kind::Flag => true,
        };
        if !fits {
            let message =
                format!("The value \"{value}\" is not valid for property {name} of type {}.", property.kind.name());
            return Err(Failure::invalid(message));
        }
    }
    Ok(Filter::Property(OfProperty { property, operator: *operator, values }))
}

fn unknown(object: &Object, name: &str) -> Failure {
    let message = format!("No property named {name} exists on object type {}", object.spoken);
    Failure::invalid("There was a problem with the request.")
        .with("errors", json!([{"message": message, "context": {"propertyName": [name]}}]))
}

/// The order: at most one rule, a name or an object.
fn order<'s>(
    store: &'s Store,
    object: &Object,
    body: &Map<String, Value>,
) -> Result<Option<(&'s Property, bool)>, Failure> {
    let Some(rules) = body.get("sorts").filter(|rules| !rules.is_null()) else { return Ok(None) };
    let rules = array(rules, "sorts")?;
    if rules.len() > 1 {
        return Err(Failure::invalid("Only one sorting rule can be applied to a search."));
    }
    let Some(rule) = rules.first() else { return Ok(None) };
    let (name, descending) = match rule {
        Value::String(name) => (name.as_str(), false),
        Value::Object(members) => {
            let name = text(members, "propertyName")?;
            let name = name.ok_or_else(|| Failure::unreadable("Some required fields were not set: [propertyName]"))?;
            let descending = match text(members, "direction")? {
                None | Some("ASCENDING") => false,
                Some("DESCENDING") => true,
                Some(other) => {
                    let message = format!("\"{other}\" is not one of the values accepted: [ASCENDING, DESCENDING]");
                    return Err(Failure::unreadable(&message));
                }
            };
            (name, descending)
        }
        other => return Err(Failure::unreadable(&format!("Cannot read a sorting rule from {}", token(other)))),
    };
    Ok(Some((store.property(object, name).ok_or_else(|| unknown(object, name))?, descending)))
}

fn array<'v>(value: &'v Value, name: &str) -> Result<&'v [Value], Failure> {
    let problem = || {
        Failure::unreadable(&format!(
            "Cannot deserialize value of type `java.util.ArrayList` from {} ({name})",
            token(value)
        ))
    };
    value.as_array().map(Vec::as_slice).ok_or_else(problem)
}

fn text<'v>(members: &'v Map<String, Value>, name: &str) -> Result<Option<&'v str>, Failure> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let message = format!("Cannot deserialize value of type `java.lang.String` from {} ({name})", token(other));
            Err(Failure::unreadable(&message))
        }
    }
}

fn strings(members: &Map<String, Value>, name: &str) -> Result<Vec<String>, Failure> {
    let Some(list) = members.get(name).filter(|list| !list.is_null()) else { return Ok(Vec::new()) };
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        other => {
            let message = format!("Cannot deserialize value of type `java.lang.String` from {} ({name})", token(other));
            Err(Failure::unreadable(&message))
        }
    };
    array(list, name)?.iter().map(text).collect()
}

/// A number, or a text that is one.
fn count(members: &Map<String, Value>, name: &str) -> Result<Option<usize>, Failure> {
    let number = match members.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        Some(_) => None,
    };
    let number = number.filter(|number| *number <= 1_000_000);
    number.map(Some).ok_or_else(|| Failure::invalid(format!("{name} must be a number.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_words_and_patterns() {
        assert!(contains("Head of Purchasing", "purchasing"));
        assert!(!contains("Head of Purchasing", "purch"));
        assert!(contains("Head of Purchasing", "purch*"));
        assert!(contains("maya@example.com", "*@example.com"));
        assert!(contains("maya@example.com", "maya"));
        assert!(!contains("", "*a"));
        assert!(glob("a*b*c", "aXbYc"));
        assert!(!glob("a*b*c", "acb"));
    }
}
