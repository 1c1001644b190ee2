//! From tokens to a query.

use chrono::NaiveDate;

use super::super::time;
use super::{
    Condition, DEPTH, Failure, Group, LENGTH, Literal, Name, Operator, Order, Path, Query, Select, at,
    token::{Kind, Token, tokens},
};

/// The largest `OFFSET`.
const OFFSET: usize = 2000;

/// Reads a query.
pub(in super::super) fn parse(text: &str) -> Result<Query, Failure> {
    if text.chars().count() > LENGTH {
        return Err(Failure::bad("QUERY_TOO_COMPLICATED", "SOQL statements cannot be longer than 100,000 characters"));
    }
    if text.trim().is_empty() {
        return Err(Failure::bad("MALFORMED_QUERY", "SOQL statement cannot be empty"));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0 };
    let query = parser.query()?;
    match parser.peek() {
        Kind::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Kind {
        self.tokens.get(self.next).map_or(&Kind::End, |token| &token.kind)
    }

    fn here(&self) -> usize {
        self.tokens.get(self.next).or_else(|| self.tokens.last()).map_or(0, |token| token.at)
    }

    fn unexpected(&self) -> Failure {
        let message = match self.peek() {
            Kind::End => "unexpected token: '<EOF>'".to_owned(),
            kind => format!("unexpected token: {}", kind.shown()),
        };
        at(self.text, self.here(), "MALFORMED_QUERY", &message)
    }

    fn malformed(&self, message: &str) -> Failure {
        at(self.text, self.here(), "MALFORMED_QUERY", message)
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Kind::Sign(known) if *known == sign);
        self.next += usize::from(found);
        found
    }

    fn need_sign(&mut self, sign: &str) -> Result<(), Failure> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Word(text) if text.eq_ignore_ascii_case(word))
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn need_word(&mut self, word: &str) -> Result<(), Failure> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn name(&mut self) -> Result<Name, Failure> {
        let (Kind::Word(text), place) = (self.peek().clone(), self.here()) else { return Err(self.unexpected()) };
        if is_reserved(&text) {
            return Err(self.unexpected());
        }
        self.next += 1;
        Ok(Name { text, at: place })
    }

    fn path(&mut self) -> Result<Path, Failure> {
        let name = self.name()?;
        let parts: Vec<String> = name.text.split('.').map(str::to_owned).collect();
        if parts.iter().any(|part| part.is_empty() || part.contains(':')) || parts.len() > 6 {
            return Err(at(self.text, name.at, "MALFORMED_QUERY", &format!("unexpected token: '{}'", name.text)));
        }
        Ok(Path { parts, at: name.at })
    }

    fn query(&mut self) -> Result<Query, Failure> {
        self.need_word("SELECT")?;
        let select = self.select()?;
        self.need_word("FROM")?;
        let from = self.name()?;
        let filter = if self.word("WHERE") { Some(self.condition(0)?) } else { None };
        let order = self.order()?;
        let limit = if self.word("LIMIT") { Some(self.count()?) } else { None };
        let place = self.here();
        let offset = if self.word("OFFSET") { self.count()? } else { 0 };
        if offset > OFFSET {
            let message = format!("Maximum SOQL offset allowed is {OFFSET}");
            return Err(at(self.text, place, "NUMBER_OUTSIDE_VALID_RANGE", &message));
        }
        Ok(Query { text: self.text.to_owned(), select, from, filter, order, limit, offset })
    }

    fn select(&mut self) -> Result<Select, Failure> {
        let place = self.here();
        let next_opens = matches!(self.tokens.get(self.next + 1).map(|token| &token.kind), Some(Kind::Sign("(")));
        if next_opens && self.word("COUNT") {
            self.need_sign("(")?;
            self.need_sign(")")?;
            return Ok(Select::Count);
        }
        if next_opens && self.word("FIELDS") {
            self.need_sign("(")?;
            let group = [("ALL", Group::All), ("STANDARD", Group::Standard), ("CUSTOM", Group::Custom)]
                .into_iter()
                .find(|(name, _)| self.word(name))
                .map(|(_, group)| group)
                .ok_or_else(|| self.unexpected())?;
            self.need_sign(")")?;
            return Ok(Select::All(group, place));
        }
        let mut fields = vec![self.path()?];
        while self.sign(",") {
            fields.push(self.path()?);
        }
        Ok(Select::Fields(fields))
    }

    /// Conditions joined by one kind of word: the other kind needs parentheses, as does `NOT` beside either.
    fn condition(&mut self, depth: usize) -> Result<Condition, Failure> {
        if depth > DEPTH {
            return Err(Failure::bad("QUERY_TOO_COMPLICATED", "The query's condition is nested too deeply"));
        }
        if self.word("NOT") {
            return Ok(Condition::Not(Box::new(self.simple(depth)?)));
        }
        let first = self.simple(depth)?;
        if self.is_word("AND") {
            let mut all = vec![first];
            while self.word("AND") {
                all.push(self.simple(depth)?);
            }
            return Ok(Condition::And(all));
        }
        if self.is_word("OR") {
            let mut any = vec![first];
            while self.word("OR") {
                any.push(self.simple(depth)?);
            }
            return Ok(Condition::Or(any));
        }
        Ok(first)
    }

    fn simple(&mut self, depth: usize) -> Result<Condition, Failure> {
        if self.sign("(") {
            let inner = self.condition(depth + 1)?;
            self.need_sign(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        if self.word("NOT") {
            self.need_word("IN")?;
            return Ok(Condition::In { path, negated: true, values: self.values()? });
        }
        if self.word("IN") {
            return Ok(Condition::In { path, negated: false, values: self.values()? });
        }
        let operator = self.operator()?;
        let value = self.literal()?;
        if operator == Operator::Like && !matches!(value, Literal::Text(_)) {
            return Err(self.malformed("LIKE requires a string literal"));
        }
        Ok(Condition::Compare { path, operator, value })
    }

    fn operator(&mut self) -> Result<Operator, Failure> {
        let operator = match self.peek() {
            Kind::Sign("=") => Operator::Equal,
            Kind::Sign("!=") => Operator::Unequal,
            Kind::Sign("<") => Operator::Less,
            Kind::Sign("<=") => Operator::AtMost,
            Kind::Sign(">") => Operator::Greater,
            Kind::Sign(">=") => Operator::AtLeast,
            Kind::Word(word) if word.eq_ignore_ascii_case("LIKE") => Operator::Like,
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(operator)
    }

    fn values(&mut self) -> Result<Vec<Literal>, Failure> {
        self.need_sign("(")?;
        let mut values = vec![self.literal()?];
        while self.sign(",") {
            values.push(self.literal()?);
        }
        self.need_sign(")")?;
        Ok(values)
    }

    fn literal(&mut self) -> Result<Literal, Failure> {
        let literal = match self.peek().clone() {
            Kind::Text(chars) => Literal::Text(chars),
            Kind::Bare(text) => bare(&text).ok_or_else(|| self.unexpected())?,
            Kind::Word(word) => {
                named(&word).ok_or_else(|| self.malformed("Bind variables only allowed in Apex code"))?
            }
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(literal)
    }

    fn order(&mut self) -> Result<Vec<Order>, Failure> {
        let mut order = Vec::new();
        if !self.word("ORDER") {
            return Ok(order);
        }
        self.need_word("BY")?;
        loop {
            let path = self.path()?;
            let descending = !self.word("ASC") && self.word("DESC");
            let mut nulls_last = false;
            if self.word("NULLS") {
                nulls_last = self.word("LAST");
                if !nulls_last {
                    self.need_word("FIRST")?;
                }
            }
            order.push(Order { path, descending, nulls_last });
            if !self.sign(",") {
                return Ok(order);
            }
        }
    }

    fn count(&mut self) -> Result<usize, Failure> {
        let Kind::Bare(text) = self.peek() else { return Err(self.unexpected()) };
        let count = text.parse().map_err(|_| self.unexpected())?;
        self.next += 1;
        Ok(count)
    }
}

/// Words that cannot be names.
fn is_reserved(word: &str) -> bool {
    const RESERVED: [&str; 17] = [
        "AND", "ASC", "DESC", "FROM", "GROUP", "HAVING", "IN", "LIKE", "LIMIT", "NOT", "NULL", "OR", "ORDER", "SELECT",
        "WHERE", "WITH", "USING",
    ];
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// A number, a date or a point in time.
fn bare(text: &str) -> Option<Literal> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        && text.len() == 10
    {
        return Some(Literal::Date(date));
    }
    if text.contains('T') || text.contains(':') {
        return time::moment(text).map(Literal::DateTime);
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'));
    let value = text.parse::<f64>().ok().filter(|value| plain && value.is_finite())?;
    Some(Literal::Number { value, text: text.to_owned() })
}

/// `null`, a truth value, or the name of a range of days.
fn named(word: &str) -> Option<Literal> {
    let upper = word.to_ascii_uppercase();
    Some(match upper.as_str() {
        "NULL" => Literal::Null,
        "TRUE" => Literal::Boolean(true),
        "FALSE" => Literal::Boolean(false),
        "TODAY" | "YESTERDAY" | "TOMORROW" | "THIS_MONTH" | "LAST_MONTH" | "NEXT_MONTH" | "THIS_YEAR" | "LAST_YEAR"
        | "NEXT_YEAR" => Literal::Range { name: upper, days: 0 },
        _ => {
            let (name, days) = upper.split_once(':')?;
            let days = days.parse().ok().filter(|days| (1..=100_000).contains(days))?;
            matches!(name, "LAST_N_DAYS" | "NEXT_N_DAYS").then(|| Literal::Range { name: name.to_owned(), days })?
        }
    })
}
