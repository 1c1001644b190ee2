//! The syntax tree of a filter, and its printer.

use std::fmt;

/// A filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expr {
    /// All of these hold (two or more).
    And(Vec<Expr>),
    /// At least one of these holds (two or more).
    Or(Vec<Expr>),
    /// This does not hold.
    Not(Box<Expr>),
    /// A field compared with a value.
    Compare {
        /// The field, a dotted path.
        field: String,
        /// How it is compared.
        op: CompareOp,
        /// What it is compared with.
        value: Value,
    },
    /// A field is (not) one of several values.
    In {
        /// The field.
        field: String,
        /// The values (one or more).
        values: Vec<Value>,
        /// `NOT IN`.
        negated: bool,
    },
    /// A field is (not) null or missing.
    IsNull {
        /// The field.
        field: String,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// A field's text does (not) match a pattern with `%` and `_`.
    Like {
        /// The field.
        field: String,
        /// The pattern, its escapes (`\%`, `\_`) still in it; see [`pattern`](super::pattern).
        pattern: String,
        /// `NOT LIKE`.
        negated: bool,
    },
}

/// How a field is compared with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `!=` (also written `<>`)
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A value as it was written; the variant tells whether it stood in quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// In quotes: a text, but also a date, a number or a boolean that the caller chose to quote.
    Text(String),
    /// A bare number, digit for digit.
    Number(String),
    /// Bare `true` or `false`.
    Boolean(bool),
    /// A bare ISO 8601 date or date-time, character for character.
    Date(String),
    /// Bare `null`.
    Null,
}

impl Expr {
    /// `field = value`.
    pub fn eq(field: impl Into<String>, value: Value) -> Self {
        Self::Compare { field: field.into(), op: CompareOp::Eq, value }
    }

    /// Calls `visit` with every field of the filter, in order, repeats included.
    pub fn visit_fields<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|one| one.visit_fields(visit)),
            Self::Not(inner) => inner.visit_fields(visit),
            Self::Compare { field, .. }
            | Self::In { field, .. }
            | Self::IsNull { field, .. }
            | Self::Like { field, .. } => visit(field),
        }
    }

    /// Every field of the filter, in order of first use, without repeats.
    pub fn fields(&self) -> Vec<&str> {
        let mut fields = Vec::new();
        self.visit_fields(&mut |field| {
            if !fields.contains(&field) {
                fields.push(field);
            }
        });
        fields
    }

    /// All of `parts`: nothing, the single one, or their `AND`.
    pub fn all(mut parts: Vec<Expr>) -> Option<Expr> {
        if parts.len() > 1 { Some(Self::And(parts)) } else { parts.pop() }
    }

    /// Any of `parts`: nothing, the single one, or their `OR`.
    pub fn any(mut parts: Vec<Expr>) -> Option<Expr> {
        if parts.len() > 1 { Some(Self::Or(parts)) } else { parts.pop() }
    }
}

impl CompareOp {
    /// The operator as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

impl Value {
    /// Whether the value stood in quotes.
    pub const fn is_quoted(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// The value as text, quotes apart.
    pub fn as_text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Date(text) => text,
            Self::Boolean(true) => "true",
            Self::Boolean(false) => "false",
            Self::Null => "null",
        }
    }

    /// The value as a boolean, bare or quoted, in any case.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }
}

/// Words that cannot stand as a bare field name.
const RESERVED: [&str; 7] = ["and", "or", "not", "in", "is", "like", "null"];

/// Whether `name` is a word of the grammar, in any case.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// Whether a bare field name may start with `c`.
pub(super) fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// Whether a bare field name may go on with `c`.
pub(super) fn continues_name(c: char) -> bool {
    starts_name(c) || c.is_numeric() || c == '.' || c == '-'
}

/// Whether `name` can be written without quotes.
pub(super) fn is_bare(name: &str) -> bool {
    name.starts_with(starts_name)
        && name.chars().all(continues_name)
        && !name.split('.').any(str::is_empty)
        && !is_reserved(name)
}

/// Writes `text` between two `quote`s, which are doubled inside; a backslash is doubled too.
fn write_quoted(f: &mut fmt::Formatter<'_>, quote: char, text: &str) -> fmt::Result {
    use fmt::Write as _;
    f.write_char(quote)?;
    for c in text.chars() {
        if c == quote || c == '\\' {
            f.write_char(c)?;
        }
        f.write_char(c)?;
    }
    f.write_char(quote)
}

fn write_field(f: &mut fmt::Formatter<'_>, field: &str) -> fmt::Result {
    if is_bare(field) { f.write_str(field) } else { write_quoted(f, '`', field) }
}

/// Writes `parts` with `word` between them; those that bind no tighter than `word` go into parentheses.
fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], word: &str, or: bool) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            write!(f, " {word} ")?;
        }
        let loose = match part {
            Expr::Or(_) => true,
            Expr::And(_) => !or,
            _ => false,
        };
        if loose { write!(f, "({part})")? } else { write!(f, "{part}")? }
    }
    Ok(())
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: bool| if negated { "NOT " } else { "" };
        match self {
            Self::And(parts) => write_joined(f, parts, "AND", false),
            Self::Or(parts) => write_joined(f, parts, "OR", true),
            Self::Not(inner) if matches!(**inner, Self::And(_) | Self::Or(_)) => write!(f, "NOT ({inner})"),
            Self::Not(inner) => write!(f, "NOT {inner}"),
            Self::Compare { field, op, value } => {
                write_field(f, field)?;
                write!(f, " {} {value}", op.as_str())
            }
            Self::In { field, values, negated } => {
                write_field(f, field)?;
                write!(f, " {}IN (", not(*negated))?;
                for (n, value) in values.iter().enumerate() {
                    if n > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_str(")")
            }
            Self::IsNull { field, negated } => {
                write_field(f, field)?;
                write!(f, " IS {}NULL", not(*negated))
            }
            Self::Like { field, pattern, negated } => {
                write_field(f, field)?;
                write!(f, " {}LIKE ", not(*negated))?;
                write_quoted(f, '\'', pattern)
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_quoted(f, '\'', text),
            Self::Number(_) | Self::Boolean(_) | Self::Date(_) | Self::Null => f.write_str(self.as_text()),
        }
    }
}
