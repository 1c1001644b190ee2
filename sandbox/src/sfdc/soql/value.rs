//! What a record holds and what a condition wants, made comparable.

use std::cmp::Ordering;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use serde_json::Value;

use super::super::{schema::Kind, time};

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Held {
    Null,
    Boolean(bool),
    Number(f64),
    /// In lower case: texts are compared without case.
    Text(String),
    /// Compared as it is.
    Id(String),
    Date(NaiveDate),
    Moment(DateTime<Utc>),
}

impl Held {
    /// Reads a stored value by its field's type.
    pub(super) fn of(kind: Kind, value: Option<&Value>) -> Self {
        let read = match value {
            Some(Value::Bool(flag)) => Some(Self::Boolean(*flag)),
            Some(Value::Number(number)) => number.as_f64().map(Self::Number),
            Some(Value::String(text)) => match kind {
                Kind::Id | Kind::Reference => Some(Self::Id(text.clone())),
                Kind::Date => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self::Date),
                Kind::DateTime => time::moment(text).map(Self::Moment),
                _ => Some(Self::Text(text.to_lowercase())),
            },
            _ => None,
        };
        read.unwrap_or(Self::Null)
    }

    /// The order between two values of one type; nulls come first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) | (Self::Id(a), Self::Id(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Moment(a), Self::Moment(b)) => a.cmp(b),
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            _ => Ordering::Greater,
        }
    }
}

/// A literal, read by the type of the field it is compared with.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    One(Held),
    /// From the first value to before the second.
    Between(Held, Held),
    Pattern(Vec<Glob>),
}

/// A part of a `LIKE` pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glob {
    Char(char),
    /// `_`
    One,
    /// `%`
    Any,
}

/// A `LIKE` pattern; an escaped sign stands for itself.
pub(super) fn pattern(chars: &[(char, bool)]) -> Vec<Glob> {
    let part = |(c, escaped): &(char, bool)| match (c, escaped) {
        ('%', false) => vec![Glob::Any],
        ('_', false) => vec![Glob::One],
        (c, _) => c.to_lowercase().map(Glob::Char).collect(),
    };
    chars.iter().flat_map(part).collect()
}

/// Whether a text in lower case matches a pattern, in time proportional to both lengths.
pub(super) fn matches(pattern: &[Glob], text: &str) -> bool {
    // The set of pattern positions reachable so far.
    let mut states = vec![false; pattern.len() + 1];
    let close = |states: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            if pattern.get(at) == Some(&Glob::Any) && states.get(at) == Some(&true) {
                set(states, at + 1);
            }
        }
    };
    set(&mut states, 0);
    close(&mut states);
    for c in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (at, part) in pattern.iter().enumerate() {
            if states.get(at) != Some(&true) {
                continue;
            }
            match part {
                Glob::Any => set(&mut next, at),
                Glob::One => set(&mut next, at + 1),
                Glob::Char(wanted) if *wanted == c => set(&mut next, at + 1),
                Glob::Char(_) => {}
            }
        }
        close(&mut next);
        states = next;
    }
    states.last() == Some(&true)
}

fn set(states: &mut [bool], at: usize) {
    if let Some(state) = states.get_mut(at) {
        *state = true;
    }
}

/// The days a name such as `TODAY` stands for: from the first to before the second.
pub(super) fn days(name: &str, count: i64, now: DateTime<Utc>) -> Option<(NaiveDate, NaiveDate)> {
    let today = now.date_naive();
    let tomorrow = today.succ_opt()?;
    let month = today.with_day(1)?;
    let year = month.with_month(1)?;
    let (one, twelve) = (Months::new(1), Months::new(12));
    let count = Days::new(count.unsigned_abs());
    Some(match name {
        "TODAY" => (today, tomorrow),
        "YESTERDAY" => (today.pred_opt()?, today),
        "TOMORROW" => (tomorrow, tomorrow.succ_opt()?),
        "THIS_MONTH" => (month, month.checked_add_months(one)?),
        "LAST_MONTH" => (month.checked_sub_months(one)?, month),
        "NEXT_MONTH" => (month.checked_add_months(one)?, month.checked_add_months(Months::new(2))?),
        "THIS_YEAR" => (year, year.checked_add_months(twelve)?),
        "LAST_YEAR" => (year.checked_sub_months(twelve)?, year),
        "NEXT_YEAR" => (year.checked_add_months(twelve)?, year.checked_add_months(Months::new(24))?),
        "LAST_N_DAYS" => (today.checked_sub_days(count)?, tomorrow),
        "NEXT_N_DAYS" => (tomorrow, tomorrow.checked_add_days(count)?),
        _ => return None,
    })
}

/// Midnight of a day.
pub(super) fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(pattern_text: &str, text: &str) -> bool {
        let chars: Vec<_> = pattern_text.chars().map(|c| (c, false)).collect();
        matches(&pattern(&chars), &text.to_lowercase())
    }

    #[test]
    fn matches_patterns_without_case() {
        assert!(like("A%", "acme"));
        assert!(like("%ME", "Acme"));
        assert!(like("a_me", "acme"));
        assert!(like("%", ""));
        assert!(!like("a_me", "ame"));
        assert!(!like("b%", "acme"));
        assert!(!like("", "a"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        assert!(!like(&"%a".repeat(200), &"b".repeat(5000)));
    }

    #[test]
    fn an_escaped_sign_stands_for_itself() {
        assert!(matches(&pattern(&[('1', false), ('%', true)]), "1%"));
        assert!(!matches(&pattern(&[('1', false), ('%', true)]), "12"));
    }
}
