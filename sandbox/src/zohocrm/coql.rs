//! The query language: `select … from … where … order by … limit offset, count`.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{
    outcome::Failure,
    schema::{Module, named},
};
use crate::crm::{Check, Test};

/// Rows in a page.
const PAGE: usize = 2000;
/// Conditions in a query, and fields selected.
const MOST: (usize, usize) = (25, 200);
/// Records that are reached, and fields that order.
const REACH: (usize, usize) = (100_000, 10);

/// A query.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) module: &'static Module,
    pub(super) fields: Vec<String>,
    pub(super) test: Test,
    pub(super) order: Vec<(String, bool)>,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    Sign(String),
}

/// Reads a query.
pub(super) fn parse(source: &str) -> Result<Query, Failure> {
    let tokens = tokens(source)?;
    let mut reader = Reader { tokens: &tokens, at: 0, module: None, terms: 0 };
    reader.query()
}

fn unclear(near: &str) -> Failure {
    Failure::new(400, "SYNTAX_ERROR", "error occured while parsing the query").with(json!({ "near": near }))
}

fn tokens(source: &str) -> Result<Vec<Token>, Failure> {
    let mut tokens = Vec::new();
    let mut chars = source.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
        } else if c == '\'' {
            chars.next();
            let mut text = String::new();
            loop {
                match chars.next().ok_or_else(|| unclear("'"))? {
                    // Two of them are one that does not end the text.
                    '\'' => {
                        if chars.next_if_eq(&'\'').is_none() {
                            break;
                        }
                        text.push('\'');
                    }
                    '\\' => text.push(chars.next().ok_or_else(|| unclear("\\"))?),
                    other => text.push(other),
                }
            }
            tokens.push(Token::Text(text));
        } else if c.is_ascii_digit() || c == '-' {
            let mut text = String::new();
            while let Some(digit) = chars.next_if(|c| c.is_ascii_digit() || matches!(c, '-' | '.')) {
                text.push(digit);
            }
            tokens.push(Token::Number(text));
        } else if c.is_alphanumeric() || c == '_' {
            let mut text = String::new();
            while let Some(letter) = chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '.')) {
                text.push(letter);
            }
            tokens.push(Token::Word(text));
        } else {
            chars.next();
            let mut sign = c.to_string();
            if matches!(c, '!' | '<' | '>') && chars.peek() == Some(&'=') {
                sign.push('=');
                chars.next();
            }
            tokens.push(Token::Sign(sign));
        }
    }
    Ok(tokens)
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    module: Option<&'static Module>,
    terms: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(next)) if next == sign);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, word: &str) -> Result<(), Failure> {
        if self.keyword(word) { Ok(()) } else { Err(unclear(word)) }
    }

    fn word(&mut self) -> Result<String, Failure> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(unclear(&format!("{other:?}"))),
        }
    }

    fn query(&mut self) -> Result<Query, Failure> {
        self.need("select")?;
        let mut names = vec![self.word()?];
        while self.sign(",") {
            names.push(self.word()?);
        }
        self.need("from")?;
        let name = self.word()?;
        let invalid = || Failure::new(400, "INVALID_QUERY", "the module name given seems to be invalid");
        let module = named(&name).ok_or_else(invalid)?;
        self.module = Some(module);
        for name in &names {
            self.known(name)?;
        }
        if names.len() > MOST.1 {
            return Err(Failure::new(400, "LIMIT_EXCEEDED", "more than 200 fields are selected"));
        }
        // Without a condition there is no query.
        self.need("where")?;
        let test = self.condition()?;
        if self.terms > MOST.0 {
            return Err(Failure::new(400, "LIMIT_EXCEEDED", "more than 25 criteria are given"));
        }
        let mut order = Vec::new();
        if self.keyword("order") {
            self.need("by")?;
            loop {
                let name = self.word()?;
                self.known(&name)?;
                let descending = self.keyword("desc");
                if !descending {
                    self.keyword("asc");
                }
                if order.iter().any(|(known, _)| *known == name) {
                    return Err(
                        Failure::new(400, "DUPLICATE_DATA", "duplicate data").with(json!({ "column_name": name }))
                    );
                }
                order.push((name, descending));
                if !self.sign(",") {
                    break;
                }
            }
        }
        let (mut offset, mut limit) = (0, 200);
        if self.keyword("limit") {
            limit = self.count()?;
            if self.sign(",") {
                offset = limit;
                limit = self.count()?;
            } else if self.keyword("offset") {
                offset = self.count()?;
            }
        }
        if !(1..=PAGE).contains(&limit) || offset.saturating_add(limit) > REACH.0 || order.len() > REACH.1 {
            return Err(Failure::new(400, "LIMIT_EXCEEDED", "the limit, the offset or the order is out of range"));
        }
        match self.next() {
            None => Ok(Query { module, fields: names, test, order, offset, limit }),
            Some(token) => Err(unclear(&format!("{token:?}"))),
        }
    }

    fn count(&mut self) -> Result<usize, Failure> {
        match self.next() {
            Some(Token::Number(text)) => text.parse().map_err(|_| unclear(&text)),
            other => Err(unclear(&format!("{other:?}"))),
        }
    }

    fn known(&self, name: &str) -> Result<(), Failure> {
        let first = name.split('.').next().unwrap_or_default();
        if self.module.is_some_and(|module| module.fields.iter().any(|field| field.name == first)) {
            return Ok(());
        }
        Err(Failure::new(400, "INVALID_QUERY", "column given seems to be invalid").with(json!({ "column_name": name })))
    }

    /// A condition, or two sides in parentheses.
    fn condition(&mut self) -> Result<Test, Failure> {
        if !self.sign("(") {
            return self.comparison();
        }
        let left = self.condition()?;
        let test = if self.keyword("and") {
            Test::All(vec![left, self.condition()?])
        } else if self.keyword("or") {
            Test::Any(vec![left, self.condition()?])
        } else {
            left
        };
        if self.sign(")") { Ok(test) } else { Err(unclear(")")) }
    }

    fn comparison(&mut self) -> Result<Test, Failure> {
        self.terms += 1;
        let name = self.word()?;
        self.known(&name)?;
        let negated = self.keyword("not");
        let check = if self.keyword("in") {
            if !self.sign("(") {
                return Err(unclear("in"));
            }
            let mut values = vec![self.value()?];
            while self.sign(",") {
                values.push(self.value()?);
            }
            if !self.sign(")") {
                return Err(unclear(")"));
            }
            Check::In(values)
        } else if self.keyword("like") {
            let pattern = crate::crm::text_of(&self.value()?);
            let (start, end) = (!pattern.starts_with('%'), !pattern.ends_with('%'));
            let text = pattern.trim_matches('%').to_owned();
            if start && end { Check::In(vec![json!(text)]) } else { Check::Part { text, start, end } }
        } else if !negated && self.keyword("is") {
            let negated = self.keyword("not");
            self.need("null")?;
            let test = Test::At(name, Check::Present);
            return Ok(if negated { test } else { Test::Not(Box::new(test)) });
        } else if !negated {
            let sign = match self.next() {
                Some(Token::Sign(sign)) => sign,
                other => return Err(unclear(&format!("{other:?}"))),
            };
            let value = self.value()?;
            match sign.as_str() {
                "=" => Check::In(vec![value]),
                "!=" => return Ok(Test::Not(Box::new(Test::At(name, Check::In(vec![value]))))),
                "<" => Check::Order(Ordering::is_lt, value),
                "<=" => Check::Order(Ordering::is_le, value),
                ">" => Check::Order(Ordering::is_gt, value),
                ">=" => Check::Order(Ordering::is_ge, value),
                _ => return Err(unclear(&sign)),
            }
        } else {
            return Err(unclear("not"));
        };
        let test = Test::At(name, check);
        Ok(if negated { Test::Not(Box::new(test)) } else { test })
    }

    fn value(&mut self) -> Result<Value, Failure> {
        match self.next() {
            Some(Token::Text(text) | Token::Number(text)) => Ok(json!(text)),
            Some(Token::Word(word)) if matches!(word.as_str(), "true" | "false") => Ok(json!(word)),
            other => Err(unclear(&format!("{other:?}"))),
        }
    }
}
