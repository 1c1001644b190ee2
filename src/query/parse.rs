//! The grammar of `where`.
//!
//! ```text
//! filter    = and ( OR and )*
//! and       = unary ( AND unary )*
//! unary     = NOT unary | "(" filter ")" | condition
//! condition = field ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) value
//!           | field [ NOT ] LIKE quoted
//!           | field [ NOT ] IN "(" value ( "," value )* ")"
//!           | field IS [ NOT ] NULL
//! field     = bare dotted name | `…` | "…" | '…'
//! value     = '…' | "…" | number | true | false | null | date | date-time
//! ```
//!
//! Keywords in any case; blanks around symbols optional. Inside quotes the quote is doubled or follows a backslash, and
//! `\\` is one backslash; any other backslash stands for itself (so `\%` reaches the pattern of a `LIKE`).

use std::{fmt, ops::Range};

use winnow::{
    Parser,
    ascii::{Caseless, digit1, multispace0},
    combinator::{alt, empty, eof, not, opt, peek},
    error::ParserError,
    stream::{LocatingSlice, Location, Stateful, Stream},
    token::{any, one_of, take_till, take_while},
};

use super::{
    ast::{CompareOp, Expr, Value, continues_name, is_reserved, starts_name},
    moment::Moment,
};
use crate::error::{Error, Kind};

/// The most levels of parentheses and `NOT`.
pub const MAX_DEPTH: usize = 32;
/// The longest filter, in bytes.
pub const MAX_LENGTH: usize = 8 * 1024;
/// The most conditions in one filter.
pub const MAX_TERMS: usize = 256;

/// Why a `where`, `orderBy` or `fields` could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The bytes of the input at which reading stopped.
    pub at: Range<usize>,
    /// What could have stood there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at position {}: expected {}, found {}", self.at.start, self.expected, self.found)
    }
}

impl std::error::Error for ParseError {}

impl ParseError {
    /// The error at byte `at` of `source`, with what is found there.
    pub(super) fn new(source: &str, at: usize, expected: impl Into<String>) -> Self {
        let rest = source.get(at..).unwrap_or_default();
        let mut chars = rest.chars();
        let length = match chars.next() {
            None => 0,
            Some(c) if continues_name(c) => {
                rest.chars().take(40).take_while(|c| continues_name(*c)).map(char::len_utf8).sum()
            }
            Some(c) => c.len_utf8(),
        };
        let found = match rest.get(..length) {
            None | Some("") => "the end".to_owned(),
            Some(token) => format!("`{token}`"),
        };
        Self { at: at..at + length, expected: expected.into(), found }
    }

    /// The error as the caller of `parameter` sees it.
    pub fn into_error(self, parameter: &str) -> Error {
        Error::new(Kind::BadRequest, format!("Error parsing query: `{parameter}` {self}"))
            .with_detail(parameter, self.to_string())
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        error.into_error("where")
    }
}

/// Reads a filter.
///
/// Cost: one pass; recursion is bounded by [`MAX_DEPTH`].
///
/// # Errors
/// [`ParseError`] with the place and what was expected there; also for a filter past one of the limits.
pub fn parse(source: &str) -> Result<Expr, ParseError> {
    if source.len() > MAX_LENGTH {
        let expected = format!("at most {MAX_LENGTH} bytes");
        let found = format!("{} bytes", source.len());
        return Err(ParseError { at: MAX_LENGTH..source.len(), expected, found });
    }
    let mut input = Stateful { input: LocatingSlice::new(source), state: State::default() };
    filter(&mut input)
        .and_then(
            |expr| if spaced(eof, &mut input) { Ok(expr) } else { Err(Fail::here(&mut input, "AND, OR or the end")) },
        )
        .map_err(|fail| ParseError::new(source, fail.at, fail.expected))
}

type Input<'i> = Stateful<LocatingSlice<&'i str>, State>;

/// What is counted while reading.
#[derive(Debug, Default)]
struct State {
    depth: usize,
    terms: usize,
}

/// A failure on its way up: the place, and what would have been right.
#[derive(Debug)]
struct Fail {
    at: usize,
    expected: &'static str,
}

impl Fail {
    /// The failure at the next thing that is not a blank.
    fn here(input: &mut Input<'_>, expected: &'static str) -> Self {
        blank(input);
        Self { at: input.current_token_start(), expected }
    }
}

impl<'i> ParserError<Input<'i>> for Fail {
    type Inner = Self;

    fn from_input(input: &Input<'i>) -> Self {
        Self { at: input.current_token_start(), expected: "something else" }
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

fn blank(input: &mut Input<'_>) {
    spaced(empty, input);
}

/// Whether `parser` matches after blanks; nothing is consumed when it does not.
fn spaced<'i, O>(parser: impl Parser<Input<'i>, O, Fail>, input: &mut Input<'i>) -> bool {
    matches!(opt((multispace0, parser)).parse_next(input), Ok(Some(_)))
}

fn keyword(word: &'static str, input: &mut Input<'_>) -> bool {
    spaced((Caseless(word), not(one_of(continues_name))), input)
}

/// Counts one level of nesting around `inner`.
fn deeper<'i>(input: &mut Input<'i>, inner: impl FnOnce(&mut Input<'i>) -> Result<Expr, Fail>) -> Result<Expr, Fail> {
    if input.state.depth >= MAX_DEPTH {
        return Err(Fail::here(input, "at most 32 levels of parentheses and NOT"));
    }
    input.state.depth += 1;
    let result = inner(input);
    input.state.depth -= 1;
    result
}

fn filter(input: &mut Input<'_>) -> Result<Expr, Fail> {
    let first = conjunction(input)?;
    if !keyword("OR", input) {
        return Ok(first);
    }
    let mut parts = vec![first, conjunction(input)?];
    while keyword("OR", input) {
        parts.push(conjunction(input)?);
    }
    Ok(Expr::Or(parts))
}

fn conjunction(input: &mut Input<'_>) -> Result<Expr, Fail> {
    let first = unary(input)?;
    if !keyword("AND", input) {
        return Ok(first);
    }
    let mut parts = vec![first, unary(input)?];
    while keyword("AND", input) {
        parts.push(unary(input)?);
    }
    Ok(Expr::And(parts))
}

fn unary(input: &mut Input<'_>) -> Result<Expr, Fail> {
    if keyword("NOT", input) {
        return deeper(input, |input| Ok(Expr::Not(Box::new(unary(input)?))));
    }
    if !spaced('(', input) {
        return condition(input);
    }
    deeper(input, |input| {
        let inner = filter(input)?;
        if spaced(')', input) { Ok(inner) } else { Err(Fail::here(input, "AND, OR or a closing parenthesis")) }
    })
}

fn condition(input: &mut Input<'_>) -> Result<Expr, Fail> {
    if input.state.terms >= MAX_TERMS {
        return Err(Fail::here(input, "at most 256 conditions"));
    }
    input.state.terms += 1;
    let field = field(input)?;
    if let Some(op) = symbol(input) {
        return Ok(Expr::Compare { field, op, value: value(input)? });
    }
    if keyword("IS", input) {
        let negated = keyword("NOT", input);
        return if keyword("NULL", input) {
            Ok(Expr::IsNull { field, negated })
        } else {
            Err(Fail::here(input, if negated { "NULL" } else { "NULL or NOT NULL" }))
        };
    }
    let negated = keyword("NOT", input);
    if keyword("LIKE", input) {
        blank(input);
        return match peek_char(input) {
            Some('\'' | '"') => Ok(Expr::Like { field, pattern: quoted(input)?, negated }),
            _ => Err(Fail::here(input, "a pattern in quotes")),
        };
    }
    if keyword("IN", input) {
        return Ok(Expr::In { field, values: value_list(input)?, negated });
    }
    let expected =
        if negated { "LIKE or IN" } else { "an operator (=, !=, <>, <, <=, >, >=, LIKE, NOT LIKE, IN, NOT IN, IS)" };
    Err(Fail::here(input, expected))
}

fn symbol(input: &mut Input<'_>) -> Option<CompareOp> {
    blank(input);
    let symbol: Result<_, Fail> = opt(alt((
        "=".value(CompareOp::Eq),
        "!=".value(CompareOp::Ne),
        "<>".value(CompareOp::Ne),
        "<=".value(CompareOp::Le),
        ">=".value(CompareOp::Ge),
        "<".value(CompareOp::Lt),
        ">".value(CompareOp::Gt),
    )))
    .parse_next(input);
    symbol.ok().flatten()
}

fn peek_char(input: &Input<'_>) -> Option<char> {
    input.peek_token()
}

fn field(input: &mut Input<'_>) -> Result<String, Fail> {
    const EXPECTED: &str = "a field name (quote it with `…` if it is a keyword or has blanks)";
    blank(input);
    let start = input.current_token_start();
    let fail = Fail { at: start, expected: EXPECTED };
    let name = match peek_char(input) {
        Some('`' | '"' | '\'') => quoted(input)?,
        Some(c) if starts_name(c) => {
            let name: &str = take_while(1.., continues_name).parse_next(input)?;
            if is_reserved(name) || name.split('.').any(str::is_empty) {
                return Err(fail);
            }
            name.to_owned()
        }
        _ => return Err(fail),
    };
    if name.is_empty() { Err(fail) } else { Ok(name) }
}

fn value_list(input: &mut Input<'_>) -> Result<Vec<Value>, Fail> {
    if !spaced('(', input) {
        return Err(Fail::here(input, "a list of values in parentheses"));
    }
    let mut values = vec![value(input)?];
    while spaced(',', input) {
        values.push(value(input)?);
    }
    if spaced(')', input) { Ok(values) } else { Err(Fail::here(input, "a comma or a closing parenthesis")) }
}

fn value(input: &mut Input<'_>) -> Result<Value, Fail> {
    const EXPECTED: &str = "a value (a text in quotes, a number, true, false, null or an ISO date)";
    blank(input);
    let start = input.current_token_start();
    let fail = Fail { at: start, expected: EXPECTED };
    if let Some('\'' | '"') = peek_char(input) {
        return quoted(input).map(Value::Text);
    }
    let token: &str = take_while(0.., |c: char| c.is_alphanumeric() || "_.:+-".contains(c)).parse_next(input)?;
    if token.eq_ignore_ascii_case("null") {
        Ok(Value::Null)
    } else if token.eq_ignore_ascii_case("true") {
        Ok(Value::Boolean(true))
    } else if token.eq_ignore_ascii_case("false") {
        Ok(Value::Boolean(false))
    } else if is_number(token) {
        Ok(Value::Number(token.to_owned()))
    } else if Moment::parse_bare(token).is_some() {
        Ok(Value::Date(token.to_owned()))
    } else {
        Err(fail)
    }
}

/// Whether `token` is a decimal number: sign, digits, fraction, exponent.
pub(super) fn is_number(token: &str) -> bool {
    let digits = || digit1::<&str, winnow::error::EmptyError>;
    (opt('-'), digits(), opt(('.', digits())), opt((one_of(['e', 'E']), opt(one_of(['+', '-'])), digits())), eof)
        .parse(token)
        .is_ok()
}

/// Reads a quoted text; the next character is the quote.
fn quoted(input: &mut Input<'_>) -> Result<String, Fail> {
    let start = input.current_token_start();
    let quote: char = any(input)?;
    let mut text = String::new();
    loop {
        let plain: &str = take_till(0.., [quote, '\\']).parse_next(input)?;
        text.push_str(plain);
        let Some(c) = peek_char(input) else {
            return Err(Fail { at: start, expected: "a quoted text that is closed" });
        };
        let _: char = any(input)?;
        let escaped: Option<char> = peek(opt(one_of([quote, '\\']))).parse_next(input)?;
        match (c, escaped) {
            ('\\', Some(next)) => {
                text.push(next);
                let _: char = any(input)?;
            }
            ('\\', None) => text.push('\\'),
            (_, Some(next)) if next == quote => {
                text.push(quote);
                let _: char = any(input)?;
            }
            _ => return Ok(text),
        }
    }
}
