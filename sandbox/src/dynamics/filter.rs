//! `$filter` and `$orderby`: what is imitated of the query language.
//!
//! Comparisons, `and`, `or`, `not`, parentheses, and the functions `contains`, `startswith` and `endswith`. Names have to
//! be columns, and a literal has to have its column's type.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate};
use serde_json::Value;

use super::{
    failure::Failure,
    schema::{Column, Kind, Table},
    store::Row,
};

/// A condition.
pub(super) enum Test<'t> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(&'t Column, String, Value),
    Call(String, &'t Column, String),
}

/// Reads a condition.
pub(super) fn parse<'t>(text: &str, table: &'t Table) -> Result<Test<'t>, Failure> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens, at: 0, table, depth: 0 };
    let test = reader.any()?;
    match reader.peek() {
        None => Ok(test),
        Some(token) => Err(syntax(&format!("unexpected '{token}'"))),
    }
}

fn syntax(problem: &str) -> Failure {
    Failure::query(format!("Syntax error in $filter: {problem}"))
}

fn tokens(text: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | ',' => 1,
            '\'' => {
                let mut end = None;
                let mut characters = rest.char_indices().skip(1).peekable();
                while let Some((at, character)) = characters.next() {
                    if character == '\'' {
                        if characters.peek().is_some_and(|(_, next)| *next == '\'') {
                            characters.next();
                        } else {
                            end = Some(at + 1);
                            break;
                        }
                    }
                }
                end.ok_or_else(|| syntax("an unterminated string literal"))?
            }
            _ => rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '\'')).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        found.push(token.to_owned());
        rest = after.trim_start();
    }
    Ok(found)
}

struct Reader<'t> {
    tokens: Vec<String>,
    at: usize,
    table: &'t Table,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Result<String, Failure> {
        let token = self.tokens.get(self.at).cloned().ok_or_else(|| syntax("it ends too early"))?;
        self.at += 1;
        Ok(token)
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Failure> {
        let token = self.next()?;
        if token == wanted { Ok(()) } else { Err(syntax(&format!("'{wanted}' expected, not '{token}'"))) }
    }

    fn any(&mut self) -> Result<Test<'t>, Failure> {
        self.depth += 1;
        if self.depth > 50 {
            return Err(syntax("it is nested too deeply"));
        }
        let mut parts = vec![self.all()?];
        while self.peek() == Some("or") {
            self.at += 1;
            parts.push(self.all()?);
        }
        self.depth -= 1;
        Ok(Test::Any(parts))
    }

    fn all(&mut self) -> Result<Test<'t>, Failure> {
        let mut parts = vec![self.one()?];
        while self.peek() == Some("and") {
            self.at += 1;
            parts.push(self.one()?);
        }
        Ok(Test::All(parts))
    }

    fn one(&mut self) -> Result<Test<'t>, Failure> {
        match self.next()?.as_str() {
            "(" => {
                let inside = self.any()?;
                self.expect(")")?;
                Ok(inside)
            }
            "not" => {
                self.depth += 1;
                if self.depth > 50 {
                    return Err(syntax("it is nested too deeply"));
                }
                let inside = self.one()?;
                self.depth -= 1;
                Ok(Test::Not(Box::new(inside)))
            }
            function @ ("contains" | "startswith" | "endswith") => {
                let function = function.to_owned();
                self.expect("(")?;
                let column = self.column()?;
                self.expect(",")?;
                let text = string(&self.next()?).ok_or_else(|| syntax("a string expected"))?;
                self.expect(")")?;
                if !matches!(column.kind, Kind::Text(_) | Kind::Memo) {
                    return Err(syntax(&format!("no function signature for {function} on '{}'", column.name)));
                }
                Ok(Test::Call(function, column, text.to_lowercase()))
            }
            _ => {
                self.at -= 1;
                let column = self.column()?;
                let operator = self.next()?;
                if !matches!(operator.as_str(), "eq" | "ne" | "gt" | "ge" | "lt" | "le") {
                    return Err(syntax(&format!("'{operator}' is no operator")));
                }
                let token = self.next()?;
                let value = literal(column, &token).ok_or_else(|| {
                    Failure::query(format!(
                        "A binary operator with incompatible types was detected. Found operand {token} for '{}'.",
                        column.name
                    ))
                })?;
                Ok(Test::Compare(column, operator, value))
            }
        }
    }

    fn column(&mut self) -> Result<&'t Column, Failure> {
        let name = self.next()?;
        self.table.property(&name).ok_or_else(|| undeclared(&name, self.table))
    }
}

/// The refusal of a name that no column has.
pub(super) fn undeclared(name: &str, table: &Table) -> Failure {
    Failure::query(format!("Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{}'.", table.name))
}

fn string(token: &str) -> Option<String> {
    Some(token.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}

/// A literal of the column's type, as rows hold it.
fn literal(column: &Column, token: &str) -> Option<Value> {
    if token == "null" {
        return Some(Value::Null);
    }
    match column.kind {
        Kind::Text(_) | Kind::Memo => string(token).map(Value::from),
        Kind::Int | Kind::Choice(_) | Kind::State(_) => token.parse::<i64>().ok().map(Value::from),
        Kind::Number | Kind::Money => token.parse::<f64>().ok().map(Value::from),
        Kind::Flag => token.parse::<bool>().ok().map(Value::from),
        Kind::Date => NaiveDate::parse_from_str(token, "%Y-%m-%d").ok().map(|date| date.to_string().into()),
        Kind::Time => DateTime::parse_from_rfc3339(token)
            .ok()
            .map(|time| super::store::written(time.with_timezone(&chrono::Utc)).into())
            .or_else(|| {
                NaiveDate::parse_from_str(token, "%Y-%m-%d").ok().map(|date| format!("{date}T00:00:00Z").into())
            }),
        Kind::Key | Kind::Lookup(_) => {
            let groups: Vec<usize> = token.split('-').map(str::len).collect();
            let hex = token.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
            (groups == [8, 4, 4, 4, 12] && hex).then(|| token.to_lowercase().into())
        }
    }
}

impl Test<'_> {
    /// Whether a row meets it.
    pub(super) fn holds(&self, row: &Row) -> bool {
        let value = |column: &Column| row.get(column.name).cloned().unwrap_or_default();
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Self::Not(inside) => !inside.holds(row),
            Self::Call(function, column, text) => {
                let value = value(column).as_str().unwrap_or_default().to_lowercase();
                match function.as_str() {
                    "contains" => value.contains(text.as_str()),
                    "startswith" => value.starts_with(text.as_str()),
                    _ => value.ends_with(text.as_str()),
                }
            }
            Self::Compare(column, operator, wanted) => {
                let value = value(column);
                match operator.as_str() {
                    "eq" => order(&value, wanted) == Ordering::Equal,
                    "ne" => order(&value, wanted) != Ordering::Equal,
                    _ if value.is_null() || wanted.is_null() => false,
                    "gt" => order(&value, wanted) == Ordering::Greater,
                    "ge" => order(&value, wanted) != Ordering::Less,
                    "lt" => order(&value, wanted) == Ordering::Less,
                    _ => order(&value, wanted) != Ordering::Greater,
                }
            }
        }
    }
}

/// The order of two values of a column; texts without case, nothing first.
pub(super) fn order(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::String(one), Value::String(other)) => one.to_lowercase().cmp(&other.to_lowercase()),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        _ => one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// Reads `$orderby`: columns and whether they descend.
pub(super) fn orders<'t>(text: &str, table: &'t Table) -> Result<Vec<(&'t Column, bool)>, Failure> {
    text.split(',')
        .map(|key| {
            let mut words = key.split_whitespace();
            let name = words.next().unwrap_or_default();
            let column = table.property(name).ok_or_else(|| undeclared(name, table))?;
            match (words.next(), words.next()) {
                (None | Some("asc"), None) => Ok((column, false)),
                (Some("desc"), None) => Ok((column, true)),
                _ => Err(Failure::query("Syntax error in $orderby")),
            }
        })
        .collect()
}
