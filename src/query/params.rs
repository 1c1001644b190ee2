//! Renders filters for providers that filter by plain query parameters: `?status=open&owner=7`.
//!
//! Only equalities joined by `AND` can be said so; `IN` is written as one comma list where the column permits it.

use super::{
    ast::{CompareOp, Expr},
    column::{Condition, RenderError, Resolve},
    normal::without_nulls,
};

/// The parameters, in the filter's order, not yet percent-encoded.
///
/// # Errors
/// [`RenderError`] for `OR`, `NOT`, every operator but `=` and `IN`, and a field used twice.
pub fn render(expr: &Expr, resolve: &Resolve<'_, '_>) -> Result<Vec<(String, String)>, RenderError> {
    let mut params = Vec::new();
    collect(&without_nulls(expr.clone()), resolve, &mut params)?;
    Ok(params)
}

fn collect(expr: &Expr, resolve: &Resolve<'_, '_>, params: &mut Vec<(String, String)>) -> Result<(), RenderError> {
    let (condition, value) = match expr {
        Expr::And(parts) => return parts.iter().try_for_each(|part| collect(part, resolve, params)),
        Expr::Or(_) => return Err(RenderError::Shape("`OR` is not supported here".to_owned())),
        Expr::Not(_) => return Err(RenderError::Shape("`NOT` is not supported here".to_owned())),
        Expr::Compare { field, op: CompareOp::Eq, value } => {
            let condition = Condition::new(expr, field, resolve)?;
            let value = condition.literal(value)?.into_text();
            (condition, value)
        }
        Expr::In { field, values, negated: false } => {
            let condition = Condition::new(expr, field, resolve)?;
            let mut list = Vec::with_capacity(values.len());
            for value in values {
                let text = condition.literal(value)?.into_text();
                if text.contains(',') {
                    return Err(condition.misfit(value, "a comma parts the values of a list here"));
                }
                list.push(text);
            }
            (condition, list.join(","))
        }
        Expr::Compare { field, .. }
        | Expr::In { field, .. }
        | Expr::IsNull { field, .. }
        | Expr::Like { field, .. } => {
            return Err(Condition::new(expr, field, resolve)?.unsupported("only `=` can be sent"));
        }
    };
    if params.iter().any(|(name, _)| *name == condition.column.name) {
        return Err(condition.unsupported("the field can be used only once"));
    }
    params.push((condition.column.name, value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{parse, testing::resolve};
    use super::*;

    fn params(filter: &str) -> String {
        match render(&parse(filter).unwrap(), &resolve) {
            Ok(params) => params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn renders_equalities() {
        assert_eq!(params("name = 'a b' AND (size = '7' AND active = 'true')"), "P_name=a b&P_size=7&P_active=true");
        assert_eq!(params("size IN (1, 2)"), "P_size=1,2");
        assert_eq!(params("changed = 1577934245000"), "P_changed=2020-01-02T03:04:05Z");
    }

    #[test]
    fn refuses_the_rest() {
        for (filter, part) in [
            ("name = 'a' OR size = 1", "`OR`"),
            ("NOT name = 'a'", "`NOT`"),
            ("size > 1", "`>` on the field `size` is not supported: only `=`"),
            ("name LIKE 'a%'", "`LIKE` on the field `name`"),
            ("name IS NULL", "`IS NULL` on the field `name`"),
            ("name = null", "`IS NULL` on the field `name`"),
            ("name IN ('a,b')", "a comma"),
            ("name = 'a' AND name = 'b'", "only once"),
        ] {
            let text = params(filter);
            assert!(text.starts_with("! ") && text.contains(part), "{filter}: {text}");
        }
    }
}
