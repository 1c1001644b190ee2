//! Renders filters and orders for infix query languages: `name = 'x' and modifiedTime > '2020-01-31T00:00:00Z'`.
//!
//! Texts and times stand in single quotes, in which a backslash escapes; booleans and numbers are bare. These languages
//! compare texts without case, and their `contains` finds words by their beginning: both find more than was asked, so
//! [`Rendered::exact`] tells whether the answer must be filtered again. What would find less is refused.

use super::{
    ast::{CompareOp, Expr},
    column::{ColumnKind, Condition, Literal, RenderError, Resolve, check_name},
    lists::{Direction, Order},
    normal::without_nulls,
    pattern::{Shape, shape},
};

/// A rendered filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The condition; it can be joined to others with `and` as it stands.
    pub text: String,
    /// Whether the target answers exactly this filter; otherwise its answer holds more and has to be filtered again.
    pub exact: bool,
}

/// The condition.
///
/// # Errors
/// [`RenderError`] naming the field and the operator that cannot be rendered.
pub fn render(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<Rendered, RenderError> {
    let expr = without_nulls(expr.clone());
    let mut exact = true;
    let text = match &expr {
        Expr::And(_) => write(&expr, resolve, &mut exact)?,
        other => group(other, resolve, &mut exact)?,
    };
    Ok(Rendered { text, exact })
}

/// The keys to order by.
///
/// # Errors
/// [`RenderError::Field`] for a field the resolver does not know.
pub fn order_by(orders: &[Order], resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let mut keys = Vec::with_capacity(orders.len());
    for order in orders {
        let column = resolve(&order.field)?;
        check_name(&column.name, &order.field, '.')?;
        let direction = if order.direction == Direction::Ascending { "" } else { " desc" };
        keys.push(format!("{}{direction}", column.name));
    }
    Ok(keys.join(","))
}

/// `text` in single quotes.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn write(expr: &Expr, resolve: &Resolve<'_, '_>, exact: &mut bool) -> Result<String, RenderError> {
    match expr {
        Expr::And(parts) => join(parts, " and ", resolve, exact),
        Expr::Or(parts) => join(parts, " or ", resolve, exact),
        Expr::Not(inner) => {
            let mut inside = true;
            let text = write(inner, resolve, &mut inside)?;
            if !inside {
                return Err(RenderError::no_word("NOT", expr));
            }
            Ok(format!("not ({text})"))
        }
        Expr::Compare { field, op, value } => {
            let condition = named(expr, field, resolve)?;
            let literal = condition.literal(value)?;
            let text = matches!(literal, Literal::Text(_)) && condition.column.kind == ColumnKind::Text;
            match op {
                CompareOp::Eq => *exact &= !text,
                _ if text => return Err(condition.unsupported("texts are compared without case there")),
                _ => {}
            }
            Ok(format!("{} {} {}", condition.column.name, op.as_str(), written(literal)))
        }
        Expr::In { field, values, negated } => {
            let condition = named(expr, field, resolve)?;
            let text = condition.column.kind == ColumnKind::Text;
            if *negated && text {
                return Err(condition.unsupported("texts are compared without case there"));
            }
            *exact &= !text;
            let (sign, glue) = if *negated { ("!=", " and ") } else { ("=", " or ") };
            let name = &condition.column.name;
            let terms: Vec<String> = values
                .iter()
                .map(|value| Ok(format!("{name} {sign} {}", written(condition.literal(value)?))))
                .collect::<Result<_, _>>()?;
            Ok(if terms.len() > 1 { format!("({})", terms.join(glue)) } else { terms.concat() })
        }
        Expr::IsNull { field, .. } => {
            Err(named(expr, field, resolve)?.unsupported("the language has no word for a missing value"))
        }
        Expr::Like { field, pattern, negated } => {
            let condition = named(expr, field, resolve)?;
            condition.check_like()?;
            let name = &condition.column.name;
            *exact = false;
            match shape(pattern) {
                _ if *negated => Err(condition.unsupported("what finds more than was asked cannot be turned round")),
                Shape::Whole(text) => Ok(format!("{name} = {}", quote(&text))),
                // One word, so that it is clear what its beginning is.
                Shape::Prefix(text) if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                    Ok(format!("{name} contains {}", quote(&text)))
                }
                _ => Err(condition.unsupported("only the beginning of a word can be looked for")),
            }
        }
    }
}

fn named<'e, 'c>(expr: &Expr, field: &'e str, resolve: &Resolve<'_, 'c>) -> Result<Condition<'e, 'c>, RenderError> {
    let condition = Condition::new(expr, field, resolve)?;
    check_name(&condition.column.name, field, '.')?;
    Ok(condition)
}

fn join(parts: &[Expr], glue: &str, resolve: &Resolve<'_, '_>, exact: &mut bool) -> Result<String, RenderError> {
    let terms: Vec<String> = parts.iter().map(|part| group(part, resolve, exact)).collect::<Result<_, _>>()?;
    Ok(terms.join(glue))
}

/// `expr`, in parentheses if it is an AND or an OR: without them the languages read from left to right.
fn group(expr: &Expr, resolve: &Resolve<'_, '_>, exact: &mut bool) -> Result<String, RenderError> {
    let text = write(expr, resolve, exact)?;
    Ok(if matches!(expr, Expr::And(_) | Expr::Or(_)) { format!("({text})") } else { text })
}

fn written(literal: Literal) -> String {
    match literal {
        Literal::Number(_) | Literal::Boolean(_) => literal.into_text(),
        other => quote(&other.into_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_order_by, testing::resolve};
    use super::*;

    fn infix(filter: &str) -> String {
        match render(&parse(filter).unwrap(), &resolve) {
            Ok(Rendered { text, exact: true }) => text,
            Ok(Rendered { text, exact: false }) => format!("~ {text}"),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn renders_what_the_language_has() {
        for (filter, expected) in [
            ("name = 'O''Brien\\\\'", "~ P_name = 'O\\'Brien\\\\'"),
            ("other = 'x' AND active = 'true'", "P_other = 'x' and P_active = true"),
            ("other != 'x'", "P_other != 'x'"),
            ("changed >= '2020-01-02'", "P_changed >= '2020-01-02T00:00:00Z'"),
            ("changed < 1577934245678", "P_changed < '2020-01-02T03:04:05.678Z'"),
            ("active = true OR size > '5'", "(P_active = true or P_size > 5)"),
            ("(size = 1 OR size = 2) AND NOT active = true", "(P_size = 1 or P_size = 2) and not (P_active = true)"),
            ("name IN ('a', 'b')", "~ (P_name = 'a' or P_name = 'b')"),
            ("size NOT IN (1, 2)", "(P_size != 1 and P_size != 2)"),
            ("name LIKE 'abc%'", "~ P_name contains 'abc'"),
            ("name LIKE 'a b'", "~ P_name = 'a b'"),
        ] {
            assert_eq!(infix(filter), expected, "{filter}");
        }
    }

    #[test]
    fn refuses_what_would_find_less() {
        for filter in [
            "name != 'x'",
            "name > 'x'",
            "name NOT IN ('a')",
            "NOT name = 'x'",
            "name LIKE '%x%'",
            "name LIKE 'two words%'",
            "name NOT LIKE 'x%'",
            "name IS NULL",
            "frozen = 'a'",
            "evil = 'a'",
        ] {
            assert!(infix(filter).starts_with("! "), "{filter}: {}", infix(filter));
        }
    }

    #[test]
    fn orders() {
        let orders = parse_order_by("changed desc, size").unwrap();
        assert_eq!(order_by(&orders, &resolve).unwrap(), "P_changed desc,P_size");
    }
}
