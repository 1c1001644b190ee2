//! Renders filters and orders for SOQL, the SQL-like query language.
//!
//! Literals follow the column: texts in single quotes, numbers, booleans and dates bare. A column of unknown kind takes
//! the value as the caller wrote it. Names must be dotted words, so nothing of a caller's can leave its place.

use super::{
    ast::{Expr, Value},
    column::{Condition, Literal, RenderError, Resolve, check_name},
    lists::{Direction, Order},
    moment::Moment,
    normal::without_nulls,
    pattern::{self, Piece},
};

/// The condition after `WHERE`.
///
/// # Errors
/// [`RenderError`] naming the field and the operator that cannot be rendered.
pub fn render(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    write(&without_nulls(expr.clone()), resolve)
}

/// The keys after `ORDER BY`; nulls last, as everywhere in the gateway.
///
/// # Errors
/// [`RenderError::Field`] for a field the resolver does not know.
pub fn order_by(orders: &[Order], resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let mut keys = Vec::with_capacity(orders.len());
    for order in orders {
        let column = resolve(&order.field)?;
        check_name(&column.name, &order.field, '.')?;
        let direction = if order.direction == Direction::Ascending { "ASC" } else { "DESC" };
        keys.push(format!("{} {direction} NULLS LAST", column.name));
    }
    Ok(keys.join(", "))
}

/// `text` in single quotes.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    text.chars().for_each(|c| escape(&mut out, c));
    out.push('\'');
    out
}

fn escape(out: &mut String, c: char) {
    match c {
        '\'' => out.push_str("\\'"),
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        c => out.push(c),
    }
}

fn write(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    match expr {
        Expr::And(parts) => join(parts, " AND ", resolve),
        Expr::Or(parts) => join(parts, " OR ", resolve),
        Expr::Not(inner) => Ok(format!("(NOT {})", group(inner, resolve)?)),
        Expr::Compare { field, op, value } => {
            let condition = named(expr, field, resolve)?;
            let value = literal(&condition, value)?;
            Ok(format!("{} {} {value}", condition.column.name, op.as_str()))
        }
        Expr::In { field, values, negated } => {
            let condition = named(expr, field, resolve)?;
            let values: Vec<String> =
                values.iter().map(|value| literal(&condition, value)).collect::<Result<_, _>>()?;
            let not = if *negated { "NOT " } else { "" };
            Ok(format!("{} {not}IN ({})", condition.column.name, values.join(", ")))
        }
        Expr::IsNull { field, negated } => {
            let condition = named(expr, field, resolve)?;
            Ok(format!("{} {} null", condition.column.name, if *negated { "!=" } else { "=" }))
        }
        Expr::Like { field, pattern, negated } => {
            let condition = named(expr, field, resolve)?;
            condition.check_like()?;
            let like = format!("{} LIKE {}", condition.column.name, like(pattern));
            Ok(if *negated { format!("(NOT {like})") } else { like })
        }
    }
}

fn named<'e, 'c>(expr: &Expr, field: &'e str, resolve: &Resolve<'_, 'c>) -> Result<Condition<'e, 'c>, RenderError> {
    let condition = Condition::new(expr, field, resolve)?;
    check_name(&condition.column.name, field, '.')?;
    Ok(condition)
}

fn join(parts: &[Expr], glue: &str, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let terms: Vec<String> = parts.iter().map(|part| group(part, resolve)).collect::<Result<_, _>>()?;
    Ok(terms.join(glue))
}

/// `expr`, in parentheses if it is an AND or an OR: the language refuses to mix them bare.
fn group(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<String, RenderError> {
    let text = write(expr, resolve)?;
    Ok(if matches!(expr, Expr::And(_) | Expr::Or(_)) { format!("({text})") } else { text })
}

fn literal(condition: &Condition<'_, '_>, value: &Value) -> Result<String, RenderError> {
    Ok(match condition.literal(value)? {
        Literal::Text(text) => quote(&text),
        Literal::Number(text) => text,
        // Bare dates of an unknown column: written as they came, but never with a zone the language does not read.
        Literal::Bare(text) => match Moment::parse(&text) {
            Some(moment) if !moment.date_only => moment.to_rfc3339(),
            _ => text,
        },
        other => other.into_text(),
    })
}

fn like(pattern: &str) -> String {
    let mut out = String::from("'");
    for piece in pattern::pieces(pattern) {
        match piece {
            Piece::Any => out.push('%'),
            Piece::One => out.push('_'),
            Piece::Char('%') => out.push_str("\\%"),
            Piece::Char('_') => out.push_str("\\_"),
            Piece::Char(c) => escape(&mut out, c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::super::{parse, testing::resolve};
    use super::*;

    fn soql(filter: &str) -> String {
        match render(&parse(filter).unwrap(), &resolve) {
            Ok(text) => text,
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn types_literals_by_column() {
        for (filter, expected) in [
            ("name = 'O''Brien'", "P_name = 'O\\'Brien'"),
            ("name = 12", "P_name = '12'"),
            ("size > '007'", "P_size > 7"),
            ("size = 1.50", "P_size = 1.50"),
            ("active = 'TRUE'", "P_active = true"),
            ("born = '2020-01-02'", "P_born = 2020-01-02"),
            ("changed >= '2020-01-02 03:04:05'", "P_changed >= 2020-01-02T03:04:05Z"),
            ("changed < 1577934245678", "P_changed < 2020-01-02T03:04:05.678Z"),
            ("changed < 2020-01-02T03:04:05+01:00", "P_changed < 2020-01-02T02:04:05Z"),
            ("other = 'x' AND other = 5", "P_other = 'x' AND P_other = 5"),
            ("status = 'open'", "P_status = 'OPEN!'"),
        ] {
            assert_eq!(soql(filter), expected, "{filter}");
        }
    }

    #[test]
    fn renders_every_construct() {
        for (filter, expected) in [
            ("name LIKE 'a%_\\%'", "P_name LIKE 'a%_\\%'"),
            ("name NOT LIKE '%''\\\\'", "(NOT P_name LIKE '%\\'\\\\')"),
            ("name IN ('a', 'b')", "P_name IN ('a', 'b')"),
            ("name NOT IN ('a', null)", "P_name NOT IN ('a') AND P_name != null"),
            ("name = null OR name IS NOT NULL", "P_name = null OR P_name != null"),
            ("NOT (size = 1 OR size = 2) AND name = ''", "(NOT (P_size = 1 OR P_size = 2)) AND P_name = ''"),
            ("size=1 AND (size=2 OR size=3 AND size=4)", "P_size = 1 AND (P_size = 2 OR (P_size = 3 AND P_size = 4))"),
        ] {
            assert_eq!(soql(filter), expected, "{filter}");
        }
    }

    #[test]
    fn refuses_with_field_and_operator() {
        for (filter, part) in [
            ("nmae = 'x'", "`nmae` cannot be filtered by"),
            ("frozen LIKE 'x'", "`LIKE` on the field `frozen`"),
            ("status LIKE 'x'", "`LIKE` on the field `status`"),
            ("size = 'big'", "the value `big` of `size = …` does not fit"),
            ("size > null", "null has no order"),
            ("born > '2020-01-02T03:04:05Z'", "is a date"),
            ("evil = 1", "`evil` cannot be filtered by"),
        ] {
            let text = soql(filter);
            assert!(text.starts_with("! ") && text.contains(part), "{filter}: {text}");
        }
    }

    #[test]
    fn orders() {
        let orders = super::super::parse_order_by("name desc, size").unwrap();
        assert_eq!(order_by(&orders, &resolve).unwrap(), "P_name DESC NULLS LAST, P_size ASC NULLS LAST");
    }
}
