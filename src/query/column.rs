//! What a renderer knows of a field at the provider, and how a value becomes a literal there.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    ast::{CompareOp, Expr, Value},
    moment::Moment,
    parse::is_number,
};
use crate::error::{Error, Kind};

/// A field at the provider, as a renderer needs it.
pub struct Column<'c> {
    /// The provider's name of the field.
    pub name: String,
    /// How values are written.
    pub kind: ColumnKind,
    /// What may be pushed down on it.
    pub operators: Operators,
    /// Translates a uniform value into the provider's, before it is written (an enum, a date form); a `LIKE` on a
    /// column with an encoder is refused, as a pattern cannot be translated.
    pub encode: Option<Encoder<'c>>,
}

/// Translates a value; the error says what is wrong with it.
pub type Encoder<'c> = Box<dyn Fn(&Value) -> Result<Value, String> + 'c>;

/// Finds the column of a uniform field.
pub type Resolve<'a, 'c> = dyn Fn(&str) -> Result<Column<'c>, RenderError> + 'a;

/// How values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// Text, quoted where the target quotes.
    Text,
    /// A number; a quoted one is taken too.
    Number,
    /// A boolean; a quoted one is taken too.
    Boolean,
    /// A calendar date.
    Date,
    /// An instant; also taken: epoch milliseconds, a date (its midnight UTC).
    DateTime,
    /// Unknown: a value is written as the caller wrote it, quoted or bare.
    Other,
}

/// An operator as permissions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `LIKE`
    Like,
    /// `NOT LIKE`
    NotLike,
    /// `IN`
    In,
    /// `NOT IN`
    NotIn,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
}

impl Operator {
    /// All operators.
    pub const ALL: [Self; 12] = [
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Le,
        Self::Gt,
        Self::Ge,
        Self::Like,
        Self::NotLike,
        Self::In,
        Self::NotIn,
        Self::IsNull,
        Self::IsNotNull,
    ];

    /// The operator as the grammar writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Like => "LIKE",
            Self::NotLike => "NOT LIKE",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
        }
    }

    /// The operator written `text`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let text = if text == "<>" { "!=" } else { text };
        Self::ALL.into_iter().find(|operator| operator.as_str().eq_ignore_ascii_case(text))
    }

    /// The operator of a condition; `None` for `AND`, `OR`, `NOT`.
    pub const fn of(expr: &Expr) -> Option<Self> {
        Some(match expr {
            Expr::And(_) | Expr::Or(_) | Expr::Not(_) => return None,
            Expr::Compare { op, .. } => match op {
                CompareOp::Eq => Self::Eq,
                CompareOp::Ne => Self::Ne,
                CompareOp::Lt => Self::Lt,
                CompareOp::Le => Self::Le,
                CompareOp::Gt => Self::Gt,
                CompareOp::Ge => Self::Ge,
            },
            Expr::In { negated: false, .. } => Self::In,
            Expr::In { negated: true, .. } => Self::NotIn,
            Expr::IsNull { negated: false, .. } => Self::IsNull,
            Expr::IsNull { negated: true, .. } => Self::IsNotNull,
            Expr::Like { negated: false, .. } => Self::Like,
            Expr::Like { negated: true, .. } => Self::NotLike,
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Operators(u16);

impl Operators {
    /// No operator.
    pub const NONE: Self = Self(0);
    /// Every operator.
    pub const ALL: Self = Self((1 << 12) - 1);

    /// This set and `operator`.
    #[must_use]
    pub const fn with(self, operator: Operator) -> Self {
        Self(self.0 | 1 << operator as u16)
    }

    /// This set but `operator`.
    #[must_use]
    pub const fn without(self, operator: Operator) -> Self {
        Self(self.0 & !(1 << operator as u16))
    }

    /// Whether `operator` is in the set.
    pub const fn contains(self, operator: Operator) -> bool {
        self.0 & 1 << operator as u16 != 0
    }
}

impl FromIterator<Operator> for Operators {
    fn from_iter<I: IntoIterator<Item = Operator>>(operators: I) -> Self {
        operators.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Why a filter or an order cannot be written for a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The target does not know the field.
    #[error("the field `{field}` cannot be filtered by{}", .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Field {
        /// The field.
        field: String,
        /// A known field with a similar name.
        nearest: Option<String>,
    },
    /// The target cannot apply the operator to the field.
    #[error("`{operator}` on the field `{field}` is not supported: {reason}")]
    Operator {
        /// The field.
        field: String,
        /// The operator.
        operator: Operator,
        /// Why not.
        reason: String,
    },
    /// The value does not fit the field.
    #[error("the value `{value}` of `{field} {operator} …` does not fit: {reason}")]
    Value {
        /// The field.
        field: String,
        /// The operator.
        operator: Operator,
        /// The value.
        value: String,
        /// What would fit.
        reason: String,
    },
    /// The filter as a whole has a shape the target has no words for.
    #[error("{0}")]
    Shape(String),
}

/// Fields that a message names at most.
const NAMED: usize = 8;

impl RenderError {
    /// The target has no `word` to join or turn round the conditions of `expr` with.
    pub(super) fn no_word(word: &str, expr: &Expr) -> Self {
        Self::Shape(format!("this provider has no `{word}`, here over {}", Self::named(expr)))
    }

    /// The filter takes more of the target's `what` than the `max` it has room for.
    pub(super) fn too_much(what: &str, max: usize, expr: &Expr) -> Self {
        Self::Shape(format!("the filter over {} takes more than {max} {what}", Self::named(expr)))
    }

    fn named(expr: &Expr) -> String {
        let fields: Vec<&str> = expr.fields().into_iter().take(NAMED).collect();
        format!("the field{} `{}`", if fields.len() == 1 { "" } else { "s" }, fields.join("`, `"))
    }
}

impl From<RenderError> for Error {
    fn from(error: RenderError) -> Self {
        let text = error.to_string();
        Self::new(Kind::BadRequest, format!("Unsupported query: {text}")).with_detail("where", text)
    }
}

/// A value ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(String),
    Boolean(bool),
    Date(NaiveDate),
    DateTime(DateTime<Utc>),
    /// Of a column of unknown kind, bare: written as it came.
    Bare(String),
}

impl Literal {
    /// The value as unquoted text.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Bare(text) => text,
            Self::Boolean(value) => value.to_string(),
            Self::Date(date) => date.to_string(),
            Self::DateTime(at) => Moment { at, date_only: false }.to_rfc3339(),
        }
    }
}

/// One condition with its column, its operator permitted.
pub(super) struct Condition<'e, 'c> {
    pub(super) field: &'e str,
    pub(super) operator: Operator,
    pub(super) column: Column<'c>,
}

impl<'e, 'c> Condition<'e, 'c> {
    /// Resolves `field` and checks that the operator of `expr` is permitted on it.
    pub(super) fn new(expr: &Expr, field: &'e str, resolve: &Resolve<'_, 'c>) -> Result<Self, RenderError> {
        let column = resolve(field)?;
        let operator = Operator::of(expr)
            .ok_or_else(|| RenderError::Shape("a condition was expected, not a group of them".to_owned()))?;
        let condition = Self { field, operator, column };
        if condition.column.operators.contains(operator) {
            Ok(condition)
        } else {
            Err(condition.unsupported("the provider cannot filter so"))
        }
    }

    pub(super) fn unsupported(&self, reason: impl Into<String>) -> RenderError {
        RenderError::Operator { field: self.field.to_owned(), operator: self.operator, reason: reason.into() }
    }

    pub(super) fn misfit(&self, value: &Value, reason: impl Into<String>) -> RenderError {
        RenderError::Value {
            field: self.field.to_owned(),
            operator: self.operator,
            value: value.as_text().to_owned(),
            reason: reason.into(),
        }
    }

    /// Refuses a `LIKE` on a column whose values are translated or are no texts.
    pub(super) fn check_like(&self) -> Result<(), RenderError> {
        if self.column.encode.is_some() {
            return Err(self.unsupported("the field's values are translated, a pattern cannot be"));
        }
        match self.column.kind {
            ColumnKind::Text | ColumnKind::Other => Ok(()),
            _ => Err(self.unsupported("the field is no text")),
        }
    }

    /// Translates and types one value.
    pub(super) fn literal(&self, value: &Value) -> Result<Literal, RenderError> {
        let encoded;
        let value = match &self.column.encode {
            None => value,
            Some(encode) => {
                encoded = encode(value).map_err(|reason| self.misfit(value, reason))?;
                &encoded
            }
        };
        let text = value.as_text();
        let misfit = |reason: &str| Err(self.misfit(value, reason));
        if *value == Value::Null {
            return misfit("null has no order; use IS NULL or IS NOT NULL");
        }
        match self.column.kind {
            ColumnKind::Text => Ok(Literal::Text(text.to_owned())),
            ColumnKind::Number if is_number(text.trim()) => Ok(Literal::Number(plain_number(text.trim()))),
            ColumnKind::Number => misfit("the field is a number"),
            ColumnKind::Boolean => match value.as_bool() {
                Some(value) => Ok(Literal::Boolean(value)),
                None => misfit("the field is true or false"),
            },
            ColumnKind::Date => match moment(text).and_then(Moment::as_date) {
                Some(date) => Ok(Literal::Date(date)),
                None => misfit("the field is a date, as in 2020-01-31"),
            },
            ColumnKind::DateTime => match moment(text) {
                Some(moment) => Ok(Literal::DateTime(moment.at)),
                None => misfit("the field is a date-time, as in 2020-01-31T12:00:00Z"),
            },
            ColumnKind::Other => Ok(match value {
                Value::Text(text) => Literal::Text(text.clone()),
                Value::Boolean(value) => Literal::Boolean(*value),
                Value::Number(_) | Value::Date(_) | Value::Null => Literal::Bare(text.to_owned()),
            }),
        }
    }
}

/// A date, a date-time or epoch milliseconds (a bare or quoted whole number).
fn moment(text: &str) -> Option<Moment> {
    Moment::parse(text).or_else(|| text.parse().ok().and_then(Moment::from_epoch_ms))
}

/// A decimal number without the leading zeros that most grammars refuse.
fn plain_number(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let trimmed = digits.trim_start_matches('0');
    let zero = if trimmed.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    format!("{sign}{zero}{trimmed}")
}

/// Refuses a provider name that could end the place it is written to: dotted (or `separator`ed) words only.
pub(super) fn check_name(name: &str, field: &str, separator: char) -> Result<(), RenderError> {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if name.split(separator).all(word) {
        Ok(())
    } else {
        Err(RenderError::Field { field: field.to_owned(), nearest: None })
    }
}
