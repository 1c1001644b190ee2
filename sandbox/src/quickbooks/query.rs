//! The query language: `SELECT * FROM Customer WHERE … ORDERBY … STARTPOSITION n MAXRESULTS m`.
//!
//! Conditions are joined by AND; there is no OR, no NOT, no `!=`. Values stand in single quotes, booleans bare. Without a
//! word on `Active` only active records of name lists are found.

use std::cmp::Ordering;

use serde_json::Value;

use super::{
    entity::{Entity, named},
    failure::Failure,
    store::Record,
};

/// The most records of an answer, and how many it has unless told otherwise.
const MOST: usize = 1000;
const USUAL: usize = 100;

/// A query that was read.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) entity: &'static Entity,
    pub(super) count: bool,
    tests: Vec<(String, String, Vec<String>)>,
    orders: Vec<(String, bool)>,
    pub(super) start: usize,
    pub(super) most: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, Failure> {
    let mut found = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            _ if character.is_whitespace() => {}
            '\'' => {
                let mut inside = String::new();
                loop {
                    match characters.next() {
                        Some('\\') => inside.extend(characters.next()),
                        Some('\'') => break,
                        Some(other) => inside.push(other),
                        None => return Err(Failure::query("QueryParserError: a string is not closed")),
                    }
                }
                found.push(Token::Text(inside));
            }
            '<' | '>' | '=' | '!' | '(' | ')' | ',' | '*' => {
                let mut sign = character.to_string();
                if matches!(character, '<' | '>' | '!') && characters.peek() == Some(&'=') {
                    sign.extend(characters.next());
                }
                found.push(Token::Sign(sign));
            }
            _ if character.is_alphanumeric() || matches!(character, '_' | '.' | '-') => {
                let mut word = character.to_string();
                while let Some(next) =
                    characters.peek().filter(|next| next.is_alphanumeric() || matches!(next, '_' | '.' | '-'))
                {
                    word.push(*next);
                    characters.next();
                }
                found.push(Token::Word(word));
            }
            other => return Err(Failure::query(format!("QueryParserError: Encountered \"{other}\""))),
        }
    }
    Ok(found)
}

struct Reader(std::vec::IntoIter<Token>, Option<Token>);

impl Reader {
    fn take(&mut self) -> Option<Token> {
        self.1.take().or_else(|| self.0.next())
    }

    /// Takes the next word when it is this one.
    fn word(&mut self, wanted: &str) -> bool {
        match self.take() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted) => true,
            other => {
                self.1 = other;
                false
            }
        }
    }

    fn sign(&mut self, wanted: &str) -> bool {
        match self.take() {
            Some(Token::Sign(sign)) if sign == wanted => true,
            other => {
                self.1 = other;
                false
            }
        }
    }

    fn unexpected(&mut self) -> Failure {
        Failure::query(format!("QueryParserError: Encountered {:?}", self.take()))
    }

    fn any_word(&mut self) -> Result<String, Failure> {
        match self.take() {
            Some(Token::Word(word)) => Ok(word),
            other => {
                self.1 = other;
                Err(self.unexpected())
            }
        }
    }

    fn value(&mut self) -> Result<String, Failure> {
        match self.take() {
            Some(Token::Text(text)) => Ok(text),
            Some(Token::Word(word)) if matches!(word.as_str(), "true" | "false") || word.parse::<f64>().is_ok() => {
                Ok(word)
            }
            other => {
                self.1 = other;
                Err(self.unexpected())
            }
        }
    }

    fn number(&mut self) -> Result<usize, Failure> {
        let word = self.any_word()?;
        word.parse().map_err(|_| Failure::query(format!("QueryParserError: Encountered \"{word}\"")))
    }
}

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Query, Failure> {
    let mut reader = Reader(tokens(text)?.into_iter(), None);
    if !reader.word("select") {
        return Err(reader.unexpected());
    }
    let count = reader.word("count");
    if count {
        if !(reader.sign("(") && reader.sign("*") && reader.sign(")")) {
            return Err(reader.unexpected());
        }
    } else if !reader.sign("*") {
        return Err(Failure::query("QueryParserError: only `*` and `COUNT(*)` can be selected here"));
    }
    if !reader.word("from") {
        return Err(reader.unexpected());
    }
    let name = reader.any_word()?;
    let entity = named(&name).ok_or_else(|| Failure::query(format!("QueryValidationError: {name} is no entity")))?;
    let mut query = Query { entity, count, tests: Vec::new(), orders: Vec::new(), start: 1, most: USUAL };
    let filterable = |name: String| {
        let known = entity.filters.contains(&name.as_str())
            || matches!(name.as_str(), "Id" | "MetaData.CreateTime" | "MetaData.LastUpdatedTime");
        if known {
            Ok(name)
        } else {
            let detail = format!("QueryValidationError: property '{name}' is not queryable");
            Err(Failure::invalid("4001", "Invalid query", detail))
        }
    };
    if reader.word("where") {
        loop {
            let name = filterable(reader.any_word()?)?;
            let operator = match reader.take() {
                Some(Token::Sign(sign)) if matches!(sign.as_str(), "=" | "<" | ">" | "<=" | ">=") => sign,
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("like") => "like".to_owned(),
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("in") => "in".to_owned(),
                other => {
                    reader.1 = other;
                    return Err(reader.unexpected());
                }
            };
            let mut values = Vec::new();
            if operator == "in" {
                if !reader.sign("(") {
                    return Err(reader.unexpected());
                }
                loop {
                    values.push(reader.value()?);
                    if !reader.sign(",") {
                        break;
                    }
                }
                if !reader.sign(")") {
                    return Err(reader.unexpected());
                }
            } else {
                values.push(reader.value()?);
            }
            query.tests.push((name, operator, values));
            if !reader.word("and") {
                break;
            }
        }
    }
    let ordered = if reader.word("orderby") { true } else { reader.word("order") && reader.word("by") };
    if ordered {
        loop {
            let name = filterable(reader.any_word()?)?;
            let down = reader.word("desc");
            if !down {
                reader.word("asc");
            }
            query.orders.push((name, down));
            if !reader.sign(",") {
                break;
            }
        }
    }
    if reader.word("startposition") {
        query.start = reader.number()?.max(1);
    }
    if reader.word("maxresults") {
        query.most = reader.number()?;
        if !(1..=MOST).contains(&query.most) {
            return Err(Failure::query(format!(
                "QueryValidationError: value {} for maxResults is invalid",
                query.most
            )));
        }
    }
    match reader.take() {
        None => Ok(query),
        other => {
            reader.1 = other;
            Err(reader.unexpected())
        }
    }
}

fn value(record: &Record, name: &str) -> Value {
    let mut parts = name.split('.');
    let first = parts.next().and_then(|part| record.get(part));
    let found = parts.fold(first, |found, part| found.and_then(|value| value.get(part))).cloned().unwrap_or_default();
    // A reference is compared by its identifier.
    found.get("value").cloned().unwrap_or(found)
}

fn order(value: &Value, wanted: &str) -> Option<Ordering> {
    match value {
        Value::Number(number) => number.as_f64().partial_cmp(&wanted.parse().ok()),
        Value::Bool(flag) => Some(flag.cmp(&wanted.parse().ok()?)),
        Value::String(text) => {
            let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
            match (time(text), time(wanted)) {
                (Some(one), Some(other)) => Some(one.cmp(&other)),
                _ => Some(text.to_lowercase().cmp(&wanted.to_lowercase())),
            }
        }
        _ => None,
    }
}

/// Whether a text meets a pattern in which `%` stands for anything.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let mut parts = pattern.split('%');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Query {
    fn holds(&self, record: &Record) -> bool {
        let told = self.tests.iter().any(|(name, ..)| name == "Active");
        if self.entity.list && !told && record.get("Active") == Some(&Value::Bool(false)) {
            return false;
        }
        self.tests.iter().all(|(name, operator, values)| {
            let value = value(record, name);
            values.iter().any(|wanted| match operator.as_str() {
                "like" => value.as_str().is_some_and(|text| like(text, wanted)),
                "=" | "in" => order(&value, wanted) == Some(Ordering::Equal),
                "<" => order(&value, wanted) == Some(Ordering::Less),
                ">" => order(&value, wanted) == Some(Ordering::Greater),
                "<=" => matches!(order(&value, wanted), Some(Ordering::Less | Ordering::Equal)),
                _ => matches!(order(&value, wanted), Some(Ordering::Greater | Ordering::Equal)),
            })
        })
    }

    /// The records that meet it, in order.
    pub(super) fn run<'r>(&self, records: impl Iterator<Item = &'r Record>) -> Vec<&'r Record> {
        let mut found: Vec<&Record> = records.filter(|record| self.holds(record)).collect();
        found.sort_by(|one, other| {
            self.orders.iter().fold(Ordering::Equal, |sorted, (name, down)| {
                sorted.then_with(|| {
                    let (one, other) = (value(one, name), value(other, name));
                    let wanted = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                    let sorted = order(&one, &wanted).unwrap_or_else(|| one.is_null().cmp(&other.is_null()));
                    if *down { sorted.reverse() } else { sorted }
                })
            })
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_language_has() {
        let query = parse("select * from Customer where DisplayName like 'O\\'H%' and Active = true orderby Id desc startposition 3 maxresults 7").unwrap();
        assert_eq!((query.start, query.most, query.tests.len()), (3, 7, 2));
        assert!(parse("SELECT COUNT(*) FROM Invoice").unwrap().count);
        for wrong in [
            "SELECT * FROM Nothing",
            "SELECT * FROM Customer WHERE DisplayName = 'a' OR DisplayName = 'b'",
            "SELECT * FROM Customer WHERE DisplayName != 'a'",
            "SELECT * FROM Customer WHERE Notes = 'a'",
            "SELECT * FROM Customer WHERE DisplayName = 'a",
            "SELECT * FROM Customer MAXRESULTS 1001",
            "DELETE FROM Customer",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(like("O'Hara", "o'%a") && like("abc", "%b%") && !like("abc", "b%"));
    }
}
