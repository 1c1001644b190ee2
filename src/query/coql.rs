//! Renders filters and orders for COQL, an SQL-like language whose `AND` and `OR` take two sides, each in parentheses.
//!
//! All values but numbers and booleans stand in single quotes; a quote is doubled, a backslash takes another.

use super::{
    ast::{CompareOp, Expr, Value},
    column::{Condition, Literal, RenderError, Resolve, check_name},
    lists::{Direction, Order},
    moment::Moment,
    normal::{without_not, without_nulls},
    pattern::{Shape, shape},
};

/// The conditions that one query can have.
const MAX_TERMS: usize = 25;
/// The values that one `in` can have.
const MAX_VALUES: usize = 50;

/// The condition after `where`.
///
/// # Errors
/// [`RenderError`] naming the field and the operator that cannot be rendered, or the limit that is passed.
pub fn render(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let expr = without_not(without_nulls(expr.clone()), false);
    if terms(&expr) > MAX_TERMS {
        return Err(RenderError::too_much("conditions", MAX_TERMS, &expr));
    }
    write(&expr, resolve)
}

/// The keys after `order by`.
///
/// # Errors
/// [`RenderError::Field`] for a field the resolver does not know.
pub fn order_by(orders: &[Order], resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let mut keys = Vec::with_capacity(orders.len());
    for order in orders {
        let column = resolve(&order.field)?;
        check_name(&column.name, &order.field, '.')?;
        let direction = if order.direction == Direction::Ascending { "asc" } else { "desc" };
        keys.push(format!("{} {direction}", column.name));
    }
    Ok(keys.join(", "))
}

fn terms(expr: &Expr) -> usize {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().map(terms).sum(),
        Expr::Not(inner) => terms(inner),
        _ => 1,
    }
}

fn write(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    match expr {
        Expr::And(parts) => join(parts, "and", resolve),
        Expr::Or(parts) => join(parts, "or", resolve),
        Expr::Not(_) => Err(RenderError::no_word("NOT", expr)),
        Expr::Compare { field, op, value } => {
            let condition = named(expr, field, resolve)?;
            let word = match op {
                CompareOp::Eq => "=",
                CompareOp::Ne => "!=",
                CompareOp::Lt => "<",
                CompareOp::Le => "<=",
                CompareOp::Gt => ">",
                CompareOp::Ge => ">=",
            };
            Ok(format!("{} {word} {}", condition.column.name, literal(&condition, value)?))
        }
        Expr::In { field, values, negated } => {
            let condition = named(expr, field, resolve)?;
            if values.len() > MAX_VALUES {
                return Err(condition.unsupported(format!("a list can have at most {MAX_VALUES} values")));
            }
            let list: Vec<String> = values.iter().map(|value| literal(&condition, value)).collect::<Result<_, _>>()?;
            let word = if *negated { "not in" } else { "in" };
            Ok(format!("{} {word} ({})", condition.column.name, list.join(", ")))
        }
        Expr::IsNull { field, negated } => {
            let condition = named(expr, field, resolve)?;
            Ok(format!("{} {}", condition.column.name, if *negated { "is not null" } else { "is null" }))
        }
        Expr::Like { field, pattern, negated } => {
            let condition = named(expr, field, resolve)?;
            condition.check_like()?;
            let text = match shape(pattern) {
                Shape::Whole(text) => text,
                Shape::Prefix(text) => format!("{text}%"),
                Shape::Suffix(text) => format!("%{text}"),
                Shape::Contains(text) => format!("%{text}%"),
                Shape::Everything => {
                    return Ok(format!(
                        "{} {}",
                        condition.column.name,
                        if *negated { "is null" } else { "is not null" }
                    ));
                }
                Shape::Other => {
                    return Err(condition.unsupported("only patterns like 'x', 'x%', '%x' and '%x%' can be sent"));
                }
            };
            // The language has no way to write a percent sign that is one.
            if text.trim_matches('%').contains('%') {
                return Err(condition.unsupported("the pattern holds a percent sign"));
            }
            let word = if *negated { "not like" } else { "like" };
            Ok(format!("{} {word} {}", condition.column.name, quote(&text)))
        }
    }
}

/// `(a and b)`, `((a and b) and c)`: two sides at a time.
fn join(parts: &[Expr], word: &str, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let mut whole = String::new();
    for part in parts {
        let part = write(part, resolve)?;
        whole = if whole.is_empty() { part } else { format!("({whole} {word} {part})") };
    }
    Ok(whole)
}

fn named<'e, 'c>(expr: &Expr, field: &'e str, resolve: &Resolve<'_, 'c>) -> Result<Condition<'e, 'c>, RenderError> {
    let condition = Condition::new(expr, field, resolve)?;
    check_name(&condition.column.name, field, '.')?;
    Ok(condition)
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn literal(condition: &Condition<'_, '_>, value: &Value) -> Result<String, RenderError> {
    Ok(match condition.literal(value)? {
        Literal::Number(text) => text,
        Literal::Boolean(flag) => flag.to_string(),
        // The provider's offsets are written out.
        Literal::DateTime(at) => quote(&Moment { at, date_only: false }.to_rfc3339().replace('Z', "+00:00")),
        other => quote(&other.into_text()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_order_by, testing::resolve};
    use super::*;

    fn coql(filter: &str) -> String {
        match render(&parse(filter).unwrap(), &resolve) {
            Ok(text) => text,
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn renders_every_construct() {
        for (filter, expected) in [
            ("name = 'O''Brien'", "P_name = 'O''Brien'"),
            (r"name = 'a\b'", r"P_name = 'a\\b'"),
            ("name = 'a' AND size >= '5' AND active = true", "((P_name = 'a' and P_size >= 5) and P_active = true)"),
            ("name = 'a' OR (name = 'b' AND size < 2)", "(P_name = 'a' or (P_name = 'b' and P_size < 2))"),
            ("changed > '2020-01-02'", "P_changed > '2020-01-02T00:00:00+00:00'"),
            ("born = '2020-01-02'", "P_born = '2020-01-02'"),
            ("name IN ('a','b')", "P_name in ('a', 'b')"),
            ("size NOT IN (1,2)", "P_size not in (1, 2)"),
            ("name IS NULL", "P_name is null"),
            ("name != null", "P_name is not null"),
            ("name LIKE 'a%'", "P_name like 'a%'"),
            ("name NOT LIKE '%a%'", "P_name not like '%a%'"),
            ("name LIKE '%'", "P_name is not null"),
            ("NOT (name = 'a' OR size = 1)", "(P_name != 'a' and P_size != 1)"),
        ] {
            assert_eq!(coql(filter), expected, "{filter}");
        }
    }

    #[test]
    fn refuses_with_field_and_operator() {
        assert!(coql("name LIKE 'a%b'").contains("`LIKE` on the field `name`"));
        assert!(coql(r"name LIKE 'a\%b'").contains("percent sign"));
        assert!(coql("evil = 'a'").contains("`evil`"));
        assert!(coql(&vec!["size = 1"; 26].join(" OR ")).contains("more than 25"));
        let list = vec!["1"; 51].join(",");
        assert!(coql(&format!("size IN ({list})")).contains("at most 50"));
    }

    #[test]
    fn orders() {
        let orders = parse_order_by("name desc, size").unwrap();
        assert_eq!(order_by(&orders, &resolve).unwrap(), "P_name desc, P_size asc");
    }
}
