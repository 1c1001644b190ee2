//! `orderBy` and `fields`: comma lists of names.

use super::parse::{MAX_LENGTH, ParseError};

/// The most names in one list.
const MAX_NAMES: usize = 256;

/// Which end of an order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// The field, a dotted path.
    pub field: String,
    /// Which end comes first.
    pub direction: Direction,
}

/// Reads `orderBy`: `name`, `name desc`, `modifiedDate desc, name asc`; an empty text is no order.
///
/// # Errors
/// [`ParseError`] for an empty name or a word other than `asc` and `desc` after it.
pub fn parse_order_by(source: &str) -> Result<Vec<Order>, ParseError> {
    items(source)?
        .into_iter()
        .map(|(at, item)| {
            let (name, rest) = name(source, at, item)?;
            let word = rest.trim();
            let direction = if word.is_empty() || word.eq_ignore_ascii_case("asc") {
                Direction::Ascending
            } else if word.eq_ignore_ascii_case("desc") {
                Direction::Descending
            } else {
                let at = at + item.len() - rest.trim_start().len();
                return Err(ParseError::new(source, at, "asc, desc, a comma or the end"));
            };
            Ok(Order { field: name, direction })
        })
        .collect()
}

/// Reads `fields`: names between commas, in order, without repeats; an empty text is no selection.
///
/// # Errors
/// [`ParseError`] for an empty name or one with blanks that is not quoted.
pub fn parse_fields(source: &str) -> Result<Vec<String>, ParseError> {
    let mut names: Vec<String> = Vec::new();
    for (at, item) in items(source)? {
        let (name, rest) = name(source, at, item)?;
        if !rest.trim().is_empty() {
            let at = at + item.len() - rest.trim_start().len();
            return Err(ParseError::new(source, at, "a comma or the end"));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The items between the commas outside quotes, each with its place, trimmed.
fn items(source: &str) -> Result<Vec<(usize, &str)>, ParseError> {
    if source.len() > MAX_LENGTH {
        let (expected, found) = (format!("at most {MAX_LENGTH} bytes"), format!("{} bytes", source.len()));
        return Err(ParseError { at: MAX_LENGTH..source.len(), expected, found });
    }
    if source.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut bounds = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (at, c) in source.char_indices() {
        match (c, quote) {
            (',', None) => {
                bounds.push(start..at);
                start = at + 1;
            }
            ('`' | '"' | '\'', None) => quote = Some((c, at)),
            (c, Some((open, _))) if c == open => quote = None,
            _ => {}
        }
    }
    if let Some((_, at)) = quote {
        return Err(ParseError::new(source, at, "a quoted name that is closed"));
    }
    bounds.push(start..source.len());
    if bounds.len() > MAX_NAMES {
        return Err(ParseError::new(source, start, format!("at most {MAX_NAMES} names")));
    }
    let trim = |range: std::ops::Range<usize>| {
        let item = source.get(range.clone()).unwrap_or_default();
        (range.start + item.len() - item.trim_start().len(), item.trim())
    };
    Ok(bounds.into_iter().map(trim).collect())
}

/// Splits an item into its name (quotes taken off) and what follows.
fn name<'s>(source: &str, at: usize, item: &'s str) -> Result<(String, &'s str), ParseError> {
    let fail = || ParseError::new(source, at, "a field name");
    let quote = item.chars().next().filter(|c| ['`', '"', '\''].contains(c));
    let (name, rest) = match quote {
        Some(quote) => {
            let (name, rest) = item.get(1..).and_then(|inner| inner.split_once(quote)).ok_or_else(fail)?;
            (name, rest)
        }
        None => item.split_at_checked(item.find(char::is_whitespace).unwrap_or(item.len())).ok_or_else(fail)?,
    };
    if name.is_empty() || name.split('.').any(str::is_empty) && quote.is_none() {
        return Err(fail());
    }
    Ok((name.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(source: &str) -> Vec<(String, bool)> {
        let orders = parse_order_by(source).unwrap();
        orders.into_iter().map(|o| (o.field, o.direction == Direction::Descending)).collect()
    }

    #[test]
    fn reads_orders() {
        assert_eq!(order(""), []);
        assert_eq!(order("name"), [("name".into(), false)]);
        assert_eq!(order(" modifiedDate DESC ,a.b asc"), [("modifiedDate".into(), true), ("a.b".into(), false)]);
        assert_eq!(order("`Modified Time` desc"), [("Modified Time".into(), true)]);
    }

    #[test]
    fn says_what_is_wrong_with_an_order() {
        let error = parse_order_by("name, size down").unwrap_err();
        assert_eq!(error.to_string(), "at position 11: expected asc, desc, a comma or the end, found `down`");
        assert!(parse_order_by("name,,b").is_err());
        assert!(parse_order_by("`name").is_err());
        assert!(parse_order_by(&"a,".repeat(300)).is_err());
    }

    #[test]
    fn reads_fields() {
        assert_eq!(parse_fields("id, name,id,'A B',a.b").unwrap(), ["id", "name", "A B", "a.b"]);
        assert_eq!(parse_fields(" ").unwrap(), Vec::<String>::new());
        assert!(parse_fields("a b").is_err());
        assert!(parse_fields("a,").is_err());
    }
}
