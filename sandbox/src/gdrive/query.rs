//! The query language of `q`: conditions like `name contains 'x'` or `'id' in parents`, joined by `and`, `or` and `not`.
//! Texts stand in single quotes, in which a backslash escapes. Without parentheses `and` and `or` are taken from left to
//! right, whichever comes first.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::{
    failure::{Failure, Outcome},
    store::{Drive, Item},
};

/// How deep queries nest at most.
const DEPTH: usize = 32;

/// A condition on files.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    And(Box<Term>, Box<Term>),
    Or(Box<Term>, Box<Term>),
    Not(Box<Term>),
    /// A text compared: `=`, `!=` or `contains`.
    Text(Field, String, String),
    /// A point in time compared.
    Time(Field, String, DateTime<Utc>),
    /// A truth value that has to be so.
    Flag(Field, bool),
    /// `'…' in …`
    In(String, Field),
    /// `properties has { key='…' and value='…' }`
    Has(Field, String, String),
}

/// What can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    FullText,
    MimeType,
    Modified,
    Created,
    Viewed,
    Trashed,
    Starred,
    SharedWithMe,
    Parents,
    People,
    Properties,
    AppProperties,
}

const FIELDS: &[(&str, Field)] = &[
    ("name", Field::Name),
    ("fullText", Field::FullText),
    ("mimeType", Field::MimeType),
    ("modifiedTime", Field::Modified),
    ("createdTime", Field::Created),
    ("viewedByMeTime", Field::Viewed),
    ("trashed", Field::Trashed),
    ("starred", Field::Starred),
    ("sharedWithMe", Field::SharedWithMe),
    ("parents", Field::Parents),
    ("owners", Field::People),
    ("writers", Field::People),
    ("readers", Field::People),
    ("properties", Field::Properties),
    ("appProperties", Field::AppProperties),
];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

fn wrong() -> Failure {
    Failure::invalid("q")
}

fn tokens(source: &str) -> Outcome<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = source;
    'next: while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        for sign in ["!=", "<=", ">=", "=", "<", ">", "(", ")", "{", "}"] {
            if let Some(after) = rest.strip_prefix(sign) {
                found.push(Token::Sign(sign));
                rest = after;
                continue 'next;
            }
        }
        if let Some(after) = rest.strip_prefix('\'') {
            let mut text = String::new();
            let mut chars = after.char_indices();
            loop {
                match chars.next().ok_or_else(wrong)? {
                    (at, '\'') => {
                        rest = after.get(at + 1..).unwrap_or_default();
                        break;
                    }
                    (_, '\\') => match chars.next().ok_or_else(wrong)? {
                        (_, escaped @ ('\'' | '\\')) => text.push(escaped),
                        _ => return Err(wrong()),
                    },
                    (_, letter) => text.push(letter),
                }
            }
            found.push(Token::Text(text));
            continue;
        }
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return Err(wrong());
        }
        found.push(Token::Word(word.to_owned()));
        rest = after;
    }
    Ok(found)
}

/// Reads a query.
pub(super) fn parse(source: &str) -> Outcome<Term> {
    let mut parser = Parser { tokens: tokens(source)?.into_iter().peekable() };
    let term = parser.terms(0)?;
    if parser.tokens.next().is_some() { Err(wrong()) } else { Ok(term) }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn word(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word))).is_some()
    }

    fn sign(&mut self, sign: &'static str) -> Outcome<()> {
        self.tokens.next_if_eq(&Token::Sign(sign)).map(|_| ()).ok_or_else(wrong)
    }

    fn text(&mut self) -> Outcome<String> {
        match self.tokens.next() {
            Some(Token::Text(text)) => Ok(text),
            _ => Err(wrong()),
        }
    }

    fn terms(&mut self, depth: usize) -> Outcome<Term> {
        let mut term = self.term(depth)?;
        loop {
            if self.word("and") {
                term = Term::And(Box::new(term), Box::new(self.term(depth)?));
            } else if self.word("or") {
                term = Term::Or(Box::new(term), Box::new(self.term(depth)?));
            } else {
                return Ok(term);
            }
        }
    }

    fn term(&mut self, depth: usize) -> Outcome<Term> {
        if depth > DEPTH {
            return Err(wrong());
        }
        if self.word("not") {
            return Ok(Term::Not(Box::new(self.term(depth + 1)?)));
        }
        match self.tokens.next().ok_or_else(wrong)? {
            Token::Sign("(") => {
                let inner = self.terms(depth + 1)?;
                self.sign(")")?;
                Ok(inner)
            }
            Token::Text(value) => {
                if !self.word("in") {
                    return Err(wrong());
                }
                match self.field()? {
                    field @ (Field::Parents | Field::People) => Ok(Term::In(value, field)),
                    _ => Err(wrong()),
                }
            }
            Token::Word(name) => self.compare(find(&name)?),
            Token::Sign(_) => Err(wrong()),
        }
    }

    fn field(&mut self) -> Outcome<Field> {
        match self.tokens.next() {
            Some(Token::Word(name)) => find(&name),
            _ => Err(wrong()),
        }
    }

    fn compare(&mut self, field: Field) -> Outcome<Term> {
        if self.word("contains") {
            let text = self.text()?;
            return match field {
                Field::Name | Field::FullText | Field::MimeType => Ok(Term::Text(field, "contains".to_owned(), text)),
                _ => Err(wrong()),
            };
        }
        if self.word("has") {
            return self.has(field);
        }
        // A lone truth value means that it is true.
        if field == Field::SharedWithMe && !matches!(self.tokens.peek(), Some(Token::Sign("=" | "!="))) {
            return Ok(Term::Flag(field, true));
        }
        let Some(Token::Sign(sign)) = self.tokens.next() else { return Err(wrong()) };
        let equality = matches!(sign, "=" | "!=");
        match field {
            Field::Name | Field::MimeType if equality => Ok(Term::Text(field, sign.to_owned(), self.text()?)),
            Field::Modified | Field::Created | Field::Viewed if !matches!(sign, "(" | ")" | "{" | "}") => {
                Ok(Term::Time(field, sign.to_owned(), moment(&self.text()?)?))
            }
            Field::Trashed | Field::Starred | Field::SharedWithMe if equality => {
                let value = if self.word("true") {
                    true
                } else if self.word("false") {
                    false
                } else {
                    return Err(wrong());
                };
                Ok(Term::Flag(field, value == (sign == "=")))
            }
            _ => Err(wrong()),
        }
    }

    fn has(&mut self, field: Field) -> Outcome<Term> {
        if !matches!(field, Field::Properties | Field::AppProperties) {
            return Err(wrong());
        }
        self.sign("{")?;
        let mut pair = [String::new(), String::new()];
        for (at, name) in ["key", "value"].into_iter().enumerate() {
            if at == 1 && !self.word("and") || !self.word(name) {
                return Err(wrong());
            }
            self.sign("=")?;
            if let Some(place) = pair.get_mut(at) {
                *place = self.text()?;
            }
        }
        self.sign("}")?;
        let [key, value] = pair;
        Ok(Term::Has(field, key, value))
    }
}

fn find(name: &str) -> Outcome<Field> {
    FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field).ok_or_else(wrong)
}

/// A point in time as RFC 3339; without a zone it is UTC.
fn moment(text: &str) -> Outcome<DateTime<Utc>> {
    let bare = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let read = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok();
    read.or_else(|| bare().or_else(date).map(|at| at.and_utc())).ok_or_else(wrong)
}

impl Term {
    /// The folders that files are asked to be in.
    pub(super) fn parents(&self) -> Vec<&str> {
        match self {
            Self::And(a, b) | Self::Or(a, b) => a.parents().into_iter().chain(b.parents()).collect(),
            Self::Not(inner) => inner.parents(),
            Self::In(id, Field::Parents) => vec![id],
            _ => Vec::new(),
        }
    }

    /// Whether a file meets it.
    pub(super) fn meets(&self, drive: &Drive, item: &Item) -> bool {
        match self {
            Self::And(a, b) => a.meets(drive, item) && b.meets(drive, item),
            Self::Or(a, b) => a.meets(drive, item) || b.meets(drive, item),
            Self::Not(inner) => !inner.meets(drive, item),
            Self::Text(field, how, text) => {
                let have = if *field == Field::MimeType { &item.mime } else { &item.name };
                match how.as_str() {
                    "=" => have.to_lowercase() == text.to_lowercase(),
                    "!=" => have.to_lowercase() != text.to_lowercase(),
                    _ if *field == Field::MimeType => have.to_lowercase().starts_with(&text.to_lowercase()),
                    _ => words_begin(have, text),
                }
            }
            Self::Time(field, how, at) => {
                let have = if *field == Field::Created { item.created } else { item.modified };
                // Answers tell milliseconds, so that is what counts.
                let (have, at) = (have.timestamp_millis(), at.timestamp_millis());
                match how.as_str() {
                    "=" => have == at,
                    "!=" => have != at,
                    "<" => have < at,
                    "<=" => have <= at,
                    ">" => have > at,
                    _ => have >= at,
                }
            }
            Self::Flag(Field::Trashed, wanted) => drive.is_trashed(item) == *wanted,
            Self::Flag(Field::Starred, wanted) => item.starred == *wanted,
            Self::Flag(_, wanted) => !*wanted,
            Self::In(id, Field::Parents) => {
                let id = if id == "root" { &drive.root } else { id };
                item.parent.as_ref() == Some(id)
            }
            Self::In(person, _) => {
                item.permissions.iter().any(|permission| permission.email.as_ref() == Some(person)) || person == "me"
            }
            Self::Has(field, key, value) => {
                let pairs = if *field == Field::Properties { &item.properties } else { &item.app_properties };
                pairs.get(key) == Some(value)
            }
        }
    }
}

/// Whether each word of `wanted` is the beginning of a word of `name`: what is in the middle of a word is not found.
fn words_begin(name: &str, wanted: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let lower = text.to_lowercase();
        lower
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let have = words(name);
    words(wanted).iter().all(|wanted| have.iter().any(|word| word.starts_with(wanted.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_language_has() {
        for good in [
            "name = 'O\\'Brien \\\\ co'",
            "'root' in parents and trashed = false",
            "not name contains 'x' or (mimeType != 'text/plain' and modifiedTime > '2020-01-02T03:04:05')",
            "createdTime<='2020-01-02T03:04:05+01:00' AND starred=true",
            "properties has { key='a' and value='b' }",
            "sharedWithMe and 'me' in owners",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "name",
            "name = \"x\"",
            "name = 'x",
            "name = 'a\\n'",
            "name > 'x'",
            "size > '5'",
            "trashed = 'false'",
            "modifiedTime contains '2020'",
            "modifiedTime > 'yesterday'",
            "(name = 'x'",
            "name = 'x' name = 'y'",
            "parents in 'root'",
            "name like 'x%'",
            "properties has { key='a' }",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn joins_from_left_to_right() {
        let left = parse("name = 'a' or name = 'b' and starred = true").unwrap();
        assert!(matches!(left, Term::And(first, _) if matches!(*first, Term::Or(..))));
    }

    #[test]
    fn finds_beginnings_of_words() {
        assert!(words_begin("HelloWorld.txt", "hello"));
        assert!(!words_begin("HelloWorld.txt", "world"));
        assert!(words_begin("Annual report 2026.csv", "2026 rep"));
    }
}
