//! Running a checked query over the records.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::super::{
    record::{self, Record},
    store::Tables,
};
use super::{
    Operator,
    check::{Column, Plan, Test},
    value::{Held, Wanted, matches},
};

/// What a query finds.
#[derive(Debug)]
pub(in super::super) enum Rows {
    /// How many there are, when only that was asked for.
    Count(usize),
    /// The rows, as answers show them.
    Records(Vec<Value>),
}

/// Runs a query; deleted records are found too when asked for.
pub(in super::super) fn run(plan: &Plan<'_>, tables: &Tables, deleted: bool) -> Rows {
    let mut found: Vec<&Record> = tables
        .records(plan.object.name)
        .filter(|record| deleted || !record::is_deleted(record))
        .filter(|record| plan.filter.as_ref().is_none_or(|test| passes(test, record, tables)))
        .collect();
    if !plan.order.is_empty() {
        let mut keyed: Vec<(Vec<Held>, &Record)> = found
            .into_iter()
            .map(|record| (plan.order.iter().map(|sort| held(&sort.column, record, tables)).collect(), record))
            .collect();
        keyed.sort_by(|(a, _), (b, _)| {
            let each = a.iter().zip(b).zip(&plan.order).map(|((a, b), sort)| match (a, b) {
                (Held::Null, Held::Null) => Ordering::Equal,
                (Held::Null, _) | (_, Held::Null) => {
                    let first = a.order(b);
                    if sort.nulls_last { first.reverse() } else { first }
                }
                _ if sort.descending => b.order(a),
                _ => a.order(b),
            });
            each.fold(Ordering::Equal, Ordering::then)
        });
        found = keyed.into_iter().map(|(_, record)| record).collect();
    }
    let found = found.into_iter().skip(plan.offset).take(plan.limit.unwrap_or(usize::MAX));
    match &plan.columns {
        None => Rows::Count(found.count()),
        Some(columns) => Rows::Records(found.map(|record| row(plan.object.name, columns, record, tables)).collect()),
    }
}

/// The record that a chain of references leads to.
fn follow<'r>(column: &Column<'_>, record: &'r Record, tables: &'r Tables) -> Option<&'r Record> {
    column.hops.iter().try_fold(record, |record, hop| tables.get(record.get(hop.name)?.as_str()?))
}

fn held(column: &Column<'_>, record: &Record, tables: &Tables) -> Held {
    let record = follow(column, record, tables);
    Held::of(column.field.kind, record.and_then(|record| record.get(column.field.name)))
}

fn passes(test: &Test<'_>, record: &Record, tables: &Tables) -> bool {
    match test {
        Test::And(inner) => inner.iter().all(|test| passes(test, record, tables)),
        Test::Or(inner) => inner.iter().any(|test| passes(test, record, tables)),
        Test::Not(inner) => !passes(inner, record, tables),
        Test::Compare { column, operator, wanted } => compare(&held(column, record, tables), *operator, wanted),
        Test::In { column, negated, wanted } => {
            let held = held(column, record, tables);
            wanted.iter().any(|wanted| compare(&held, Operator::Equal, wanted)) != *negated
        }
    }
}

fn compare(held: &Held, operator: Operator, wanted: &Wanted) -> bool {
    let (from, to) = match wanted {
        Wanted::Pattern(pattern) => return matches!(held, Held::Text(text) if matches(pattern, text)),
        Wanted::One(wanted) => match operator {
            Operator::Equal => return held == wanted,
            Operator::Unequal => return held != wanted,
            _ => (wanted, None),
        },
        Wanted::Between(from, to) => (from, Some(to)),
    };
    if *held == Held::Null {
        return operator == Operator::Unequal;
    }
    let before = held.order(from) == Ordering::Less;
    let after = match to {
        Some(to) => held.order(to) != Ordering::Less,
        None => held.order(from) == Ordering::Greater,
    };
    match operator {
        Operator::Less => before,
        Operator::AtMost => !after,
        Operator::Greater => after,
        Operator::AtLeast => !before,
        Operator::Equal => !before && !after,
        Operator::Unequal => before || after,
        Operator::Like => false,
    }
}

fn row(object: &str, columns: &[Column<'_>], record: &Record, tables: &Tables) -> Value {
    let mut row = Map::new();
    row.insert("attributes".to_owned(), record::attributes(object, record));
    for column in columns {
        put(&mut row, column, &column.hops, record, tables);
    }
    Value::Object(row)
}

/// Puts one column's value into a row, inside an object for every relationship followed.
fn put(
    row: &mut Map<String, Value>,
    column: &Column<'_>,
    hops: &[&super::super::schema::Field],
    record: &Record,
    tables: &Tables,
) {
    let Some((hop, rest)) = hops.split_first() else {
        row.insert(column.field.name.to_owned(), record::shown(column.field, record));
        return;
    };
    let Some(name) = hop.relationship else { return };
    let target = record.get(hop.name).and_then(Value::as_str).and_then(|id| tables.find(id));
    let Some((object, target)) = target else {
        row.insert(name.to_owned(), Value::Null);
        return;
    };
    let inner = row.entry(name).or_insert_with(|| json!({"attributes": record::attributes(object, target)}));
    if let Value::Object(inner) = inner {
        put(inner, column, rest, target, tables);
    }
}
