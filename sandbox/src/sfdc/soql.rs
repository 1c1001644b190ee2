//! The query language: a strict subset of the provider's, refusing what the provider refuses.
//!
//! ```text
//! SELECT field[, field]… | COUNT() | FIELDS(ALL|STANDARD|CUSTOM)  FROM Object  [WHERE condition]
//! [ORDER BY field [ASC|DESC] [NULLS FIRST|LAST][, …]]  [LIMIT n]  [OFFSET n]
//! ```
//!
//! Left out, and refused: subqueries, aggregates other than `COUNT()`, `GROUP BY`, `HAVING`, `TYPEOF`, aliases, `FOR`.

mod check;
mod parser;
mod run;
mod token;
mod value;

use super::failure::Failure;

pub(super) use self::{
    check::check,
    parser::parse,
    run::{Rows, run},
};

/// Conditions nested deeper than this are refused.
const DEPTH: usize = 40;
/// Longer queries are refused.
const LENGTH: usize = 100_000;

/// A query as written, names not yet looked up.
#[derive(Debug)]
pub(super) struct Query {
    text: String,
    select: Select,
    from: Name,
    filter: Option<Condition>,
    order: Vec<Order>,
    limit: Option<usize>,
    offset: usize,
}

#[derive(Debug)]
enum Select {
    Count,
    All(Group, usize),
    Fields(Vec<Path>),
}

/// What `FIELDS()` selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    All,
    Standard,
    Custom,
}

/// A name and where it stands.
#[derive(Clone, Debug)]
struct Name {
    text: String,
    at: usize,
}

/// Relationships to follow, then a field.
#[derive(Clone, Debug)]
struct Path {
    parts: Vec<String>,
    at: usize,
}

#[derive(Debug)]
enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare { path: Path, operator: Operator, value: Literal },
    In { path: Path, negated: bool, values: Vec<Literal> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Like,
}

impl Operator {
    fn is_order(self) -> bool {
        matches!(self, Self::Less | Self::AtMost | Self::Greater | Self::AtLeast)
    }
}

/// A value as written.
#[derive(Clone, Debug)]
enum Literal {
    Null,
    Boolean(bool),
    Number {
        value: f64,
        text: String,
    },
    /// Characters, each with whether it was escaped.
    Text(Vec<(char, bool)>),
    Date(chrono::NaiveDate),
    DateTime(chrono::DateTime<chrono::Utc>),
    /// A name such as `TODAY` or `LAST_N_DAYS:7`.
    Range {
        name: String,
        days: i64,
    },
}

#[derive(Debug)]
struct Order {
    path: Path,
    descending: bool,
    nulls_last: bool,
}

/// A refusal that points at a place of the query.
fn at(text: &str, column: usize, code: &'static str, message: &str) -> Failure {
    let from = column.saturating_sub(60);
    let excerpt: String = text.chars().skip(from).take(100).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let pointer = " ".repeat(column - from);
    Failure::bad(code, format!("\n{excerpt}\n{pointer}^\nERROR at Row:1:Column:{}\n{message}", column + 1))
}

#[cfg(test)]
mod tests;
