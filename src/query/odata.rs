//! Renders filters and orders for OData v4: `$filter` and `$orderby`.
//!
//! A pattern becomes `startswith`, `endswith`, `contains` or `eq`; `IN` becomes a chain of `eq`, as `in` came only with
//! 4.01. A quoted GUID on a column of unknown kind is written bare, as the protocol wants it.

use super::{
    ast::{CompareOp, Expr, Value},
    column::{Condition, Literal, RenderError, Resolve, check_name},
    lists::{Direction, Order},
    normal::without_nulls,
    pattern::{Shape, shape},
};

/// The value of `$filter`, not yet percent-encoded.
///
/// # Errors
/// [`RenderError`] naming the field and the operator that cannot be rendered.
pub fn render(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    write(&without_nulls(expr.clone()), resolve)
}

/// The value of `$orderby`, not yet percent-encoded.
///
/// # Errors
/// [`RenderError::Field`] for a field the resolver does not know.
pub fn order_by(orders: &[Order], resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let mut keys = Vec::with_capacity(orders.len());
    for order in orders {
        let column = resolve(&order.field)?;
        check_name(&column.name, &order.field, '/')?;
        let direction = if order.direction == Direction::Ascending { "asc" } else { "desc" };
        keys.push(format!("{} {direction}", column.name));
    }
    Ok(keys.join(","))
}

/// `text` as a string literal.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn write(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    match expr {
        Expr::And(parts) => join(parts, " and ", resolve),
        Expr::Or(parts) => join(parts, " or ", resolve),
        Expr::Not(inner) => Ok(format!("not ({})", write(inner, resolve)?)),
        Expr::Compare { field, op, value } => {
            let condition = named(expr, field, resolve)?;
            let word = match op {
                CompareOp::Eq => "eq",
                CompareOp::Ne => "ne",
                CompareOp::Lt => "lt",
                CompareOp::Le => "le",
                CompareOp::Gt => "gt",
                CompareOp::Ge => "ge",
            };
            Ok(format!("{} {word} {}", condition.column.name, literal(&condition, value)?))
        }
        Expr::In { field, values, negated } => {
            let condition = named(expr, field, resolve)?;
            let (word, glue) = if *negated { ("ne", " and ") } else { ("eq", " or ") };
            let name = &condition.column.name;
            let terms: Vec<String> = values
                .iter()
                .map(|value| Ok(format!("{name} {word} {}", literal(&condition, value)?)))
                .collect::<Result<_, _>>()?;
            Ok(if terms.len() > 1 { format!("({})", terms.join(glue)) } else { terms.concat() })
        }
        Expr::IsNull { field, negated } => {
            let condition = named(expr, field, resolve)?;
            Ok(format!("{} {} null", condition.column.name, if *negated { "ne" } else { "eq" }))
        }
        Expr::Like { field, pattern, negated } => {
            let condition = named(expr, field, resolve)?;
            condition.check_like()?;
            let name = &condition.column.name;
            let call = match shape(pattern) {
                Shape::Whole(text) => format!("{name} eq {}", quote(&text)),
                Shape::Prefix(text) => format!("startswith({name},{})", quote(&text)),
                Shape::Suffix(text) => format!("endswith({name},{})", quote(&text)),
                Shape::Contains(text) => format!("contains({name},{})", quote(&text)),
                Shape::Everything => format!("{name} ne null"),
                Shape::Other => {
                    return Err(condition.unsupported("only patterns like 'x', 'x%', '%x' and '%x%' can be sent"));
                }
            };
            Ok(if *negated { format!("not ({call})") } else { call })
        }
    }
}

fn named<'e, 'c>(expr: &Expr, field: &'e str, resolve: &Resolve<'_, 'c>) -> Result<Condition<'e, 'c>, RenderError> {
    let condition = Condition::new(expr, field, resolve)?;
    check_name(&condition.column.name, field, '/')?;
    Ok(condition)
}

fn join(parts: &[Expr], glue: &str, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let terms: Vec<String> = parts
        .iter()
        .map(|part| {
            let text = write(part, resolve)?;
            Ok(if matches!(part, Expr::And(_) | Expr::Or(_)) { format!("({text})") } else { text })
        })
        .collect::<Result<_, _>>()?;
    Ok(terms.join(glue))
}

fn literal(condition: &Condition<'_, '_>, value: &Value) -> Result<String, RenderError> {
    Ok(match condition.literal(value)? {
        Literal::Text(text) if condition.column.kind == super::ColumnKind::Other && is_guid(&text) => text,
        Literal::Text(text) => quote(&text),
        other => other.into_text(),
    })
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_order_by, testing::resolve};
    use super::*;

    fn odata(filter: &str) -> String {
        match render(&parse(filter).unwrap(), &resolve) {
            Ok(text) => text,
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn renders_every_construct() {
        for (filter, expected) in [
            ("name = 'O''Brien'", "P_name eq 'O''Brien'"),
            ("name != null AND size >= '5'", "P_name ne null and P_size ge 5"),
            ("active = 'true' OR born < '2020-01-02'", "P_active eq true or P_born lt 2020-01-02"),
            ("changed > '2020-01-02'", "P_changed gt 2020-01-02T00:00:00Z"),
            ("name LIKE 'a%' AND name LIKE '%b'", "startswith(P_name,'a') and endswith(P_name,'b')"),
            ("name NOT LIKE '%a''%'", "not (contains(P_name,'a'''))"),
            ("name LIKE 'a'", "P_name eq 'a'"),
            ("name IN ('a','b')", "(P_name eq 'a' or P_name eq 'b')"),
            ("name NOT IN ('a','b')", "(P_name ne 'a' and P_name ne 'b')"),
            ("name IN ('a')", "P_name eq 'a'"),
            ("NOT (size=1 AND size=2) AND name=''", "not (P_size eq 1 and P_size eq 2) and P_name eq ''"),
            ("(size=1 OR size=2) AND size=3", "(P_size eq 1 or P_size eq 2) and P_size eq 3"),
            ("other = \"2b45d4a0-0000-4000-8000-00155d00ab01\"", "P_other eq 2b45d4a0-0000-4000-8000-00155d00ab01"),
        ] {
            assert_eq!(odata(filter), expected, "{filter}");
        }
    }

    #[test]
    fn refuses_with_field_and_operator() {
        assert!(odata("name LIKE 'a%b'").contains("`LIKE` on the field `name` is not supported: only patterns"));
        assert!(odata("frozen = 'a'").contains("`=` on the field `frozen`"));
        assert!(odata("evil = 'a'").contains("`evil`"));
    }

    #[test]
    fn orders() {
        let orders = parse_order_by("name desc, size").unwrap();
        assert_eq!(order_by(&orders, &resolve).unwrap(), "P_name desc,P_size asc");
    }
}
