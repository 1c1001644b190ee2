//! Renders filters and orders for SQL-like queries that know no more than conditions joined by AND.
//!
//! There is no OR, no NOT, no `!=` and no test for null: these are refused by name. Every value is quoted, booleans apart.

use super::{
    ast::{CompareOp, Expr, Value},
    column::{Condition, Literal, RenderError, Resolve, check_name},
    lists::{Direction, Order},
    pattern::{self, Piece},
};

/// The condition after `WHERE`.
///
/// # Errors
/// [`RenderError`] naming what cannot be rendered.
pub fn render(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    match expr {
        Expr::And(parts) => {
            let terms: Vec<String> = parts.iter().map(|part| render(part, resolve)).collect::<Result<_, _>>()?;
            Ok(terms.join(" AND "))
        }
        Expr::Or(_) => Err(RenderError::no_word("OR", expr)),
        Expr::Not(_) => Err(RenderError::no_word("NOT", expr)),
        Expr::Compare { field, op, value } => {
            let condition = named(expr, field, resolve)?;
            if *op == CompareOp::Ne {
                return Err(condition.unsupported("this provider has no such operator"));
            }
            if *value == Value::Null {
                return Err(condition.unsupported("this provider cannot ask for what is empty"));
            }
            Ok(format!("{} {} {}", condition.column.name, op.as_str(), literal(&condition, value)?))
        }
        Expr::In { field, values, negated } => {
            let condition = named(expr, field, resolve)?;
            if *negated {
                return Err(condition.unsupported("this provider has no such operator"));
            }
            let values: Vec<String> =
                values.iter().map(|value| literal(&condition, value)).collect::<Result<_, _>>()?;
            Ok(format!("{} IN ({})", condition.column.name, values.join(", ")))
        }
        Expr::IsNull { field, .. } => {
            let condition = named(expr, field, resolve)?;
            Err(condition.unsupported("this provider cannot ask for what is empty"))
        }
        Expr::Like { field, pattern, negated } => {
            let condition = named(expr, field, resolve)?;
            condition.check_like()?;
            if *negated {
                return Err(condition.unsupported("this provider has no such operator"));
            }
            let mut text = String::new();
            for piece in pattern::pieces(pattern) {
                match piece {
                    Piece::Any => text.push('%'),
                    Piece::Char(c) if c != '%' => text.push(c),
                    _ => return Err(condition.unsupported("only `%` stands for other characters here")),
                }
            }
            Ok(format!("{} LIKE {}", condition.column.name, quote(&text)))
        }
    }
}

/// The keys after `ORDERBY`.
///
/// # Errors
/// [`RenderError::Field`] for a field the resolver does not know.
pub fn order_by(orders: &[Order], resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let mut keys = Vec::with_capacity(orders.len());
    for order in orders {
        let column = resolve(&order.field)?;
        check_name(&column.name, &order.field, '.')?;
        let direction = if order.direction == Direction::Ascending { "ASC" } else { "DESC" };
        keys.push(format!("{} {direction}", column.name));
    }
    Ok(keys.join(", "))
}

fn named<'e, 'c>(expr: &Expr, field: &'e str, resolve: &Resolve<'_, 'c>) -> Result<Condition<'e, 'c>, RenderError> {
    let condition = Condition::new(expr, field, resolve)?;
    check_name(&condition.column.name, field, '.')?;
    Ok(condition)
}

fn literal(condition: &Condition<'_, '_>, value: &Value) -> Result<String, RenderError> {
    Ok(match condition.literal(value)? {
        Literal::Text(text) => quote(&text),
        other => match other.into_text().as_str() {
            flag @ ("true" | "false") => flag.to_owned(),
            text => quote(text),
        },
    })
}

/// `text` in single quotes.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_order_by, testing::resolve};
    use super::*;

    fn flat(filter: &str) -> String {
        match render(&parse(filter).unwrap(), &resolve) {
            Ok(text) => text,
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn renders_what_it_can() {
        for (filter, expected) in [
            ("name = 'O''Brien'", "P_name = 'O\\'Brien'"),
            ("size >= 5 AND active = 'true'", "P_size >= '5' AND P_active = true"),
            ("name LIKE 'a%' AND (size = 1 AND size < 3)", "P_name LIKE 'a%' AND P_size = '1' AND P_size < '3'"),
            ("name IN ('a', 'b')", "P_name IN ('a', 'b')"),
            ("changed > '2020-01-02'", "P_changed > '2020-01-02T00:00:00Z'"),
        ] {
            assert_eq!(flat(filter), expected, "{filter}");
        }
    }

    #[test]
    fn refuses_the_rest_by_name() {
        for (filter, part) in [
            ("name = 'a' OR size = 1", "no `OR`, here over the fields `name`, `size`"),
            ("NOT (size = 1 AND name = 'a')", "no `NOT`, here over the fields `size`, `name`"),
            ("name != 'a'", "`!=` on the field `name`"),
            ("name NOT IN ('a','b')", "`NOT IN` on the field `name`"),
            ("name IS NULL", "`IS NULL` on the field `name`"),
            ("name LIKE 'a_'", "`LIKE` on the field `name`"),
        ] {
            let text = flat(filter);
            assert!(text.starts_with("! ") && text.contains(part), "{filter}: {text}");
        }
    }

    #[test]
    fn orders() {
        let orders = parse_order_by("name desc, size").unwrap();
        assert_eq!(order_by(&orders, &resolve).unwrap(), "P_name DESC, P_size ASC");
    }
}
