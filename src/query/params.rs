//! Renders filters for providers that filter by plain query parameters: `?status=open&owner=7`.
//!
//! Only conditions joined by `AND` can be said so, each by the parameter that means its column and operator; `IN` is
//! written as one comma list.

use super::{
    ast::Expr,
    column::{Condition, Operator, RenderError, Resolve},
    normal::without_nulls,
};

/// A parameter, and the condition it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The provider's name of the field.
    pub column: String,
    /// The operator.
    pub operator: Operator,
    /// The parameter's name.
    pub name: String,
}

/// The parameters, in the filter's order, not yet percent-encoded.
///
/// # Errors
/// [`RenderError`] for `OR`, `NOT`, a condition that no parameter means, and a parameter used twice.
pub fn render(
    expr: &Expr,
    resolve: &Resolve<'_, '_>,
    known: &[Parameter],
) -> Result<Vec<(String, String)>, RenderError> {
    let mut params = Vec::new();
    collect(&without_nulls(expr.clone()), resolve, known, &mut params)?;
    Ok(params)
}

fn collect(
    expr: &Expr,
    resolve: &Resolve<'_, '_>,
    known: &[Parameter],
    params: &mut Vec<(String, String)>,
) -> Result<(), RenderError> {
    let field = match expr {
        Expr::And(parts) => return parts.iter().try_for_each(|part| collect(part, resolve, known, params)),
        Expr::Or(_) => return Err(RenderError::no_word("OR", expr)),
        Expr::Not(_) => return Err(RenderError::no_word("NOT", expr)),
        Expr::Compare { field, .. }
        | Expr::In { field, .. }
        | Expr::IsNull { field, .. }
        | Expr::Like { field, .. } => field,
    };
    let condition = Condition::new(expr, field, resolve)?;
    let means =
        |parameter: &&Parameter| parameter.operator == condition.operator && parameter.column == condition.column.name;
    let Some(parameter) = known.iter().find(means) else {
        return Err(condition.unsupported("the provider has no parameter for it"));
    };
    let value = match expr {
        Expr::Compare { value, .. } => condition.literal(value)?.into_text(),
        Expr::In { values, .. } => {
            let mut list = Vec::with_capacity(values.len());
            for value in values {
                let text = condition.literal(value)?.into_text();
                if text.contains(',') {
                    return Err(condition.misfit(value, "a comma parts the values of a list here"));
                }
                list.push(text);
            }
            list.join(",")
        }
        _ => return Err(condition.unsupported("a parameter cannot say it")),
    };
    // An empty parameter is no filter to most providers.
    if value.is_empty() {
        return Err(condition.unsupported("a parameter cannot be empty"));
    }
    if params.iter().any(|(name, _)| *name == parameter.name) {
        return Err(condition.unsupported("the parameter can be used only once"));
    }
    params.push((parameter.name.clone(), value));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{parse, testing::resolve};
    use super::*;

    fn params(filter: &str) -> String {
        let known = [
            ("P_name", "=", "name"),
            ("P_size", "=", "size"),
            ("P_size", "IN", "sizes"),
            ("P_active", "=", "active"),
            ("P_changed", ">=", "since"),
        ];
        let known = known.map(|(column, operator, name)| Parameter {
            column: column.to_owned(),
            operator: Operator::parse(operator).unwrap(),
            name: name.to_owned(),
        });
        match render(&parse(filter).unwrap(), &resolve, &known) {
            Ok(params) => params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn renders_what_has_a_parameter() {
        assert_eq!(params("name = 'a b' AND (size = '7' AND active = 'true')"), "name=a b&size=7&active=true");
        assert_eq!(params("size IN (1, 2)"), "sizes=1,2");
        assert_eq!(params("changed >= 1577934245000"), "since=2020-01-02T03:04:05Z");
    }

    #[test]
    fn refuses_the_rest() {
        for (filter, part) in [
            ("name = 'a' OR size = 1", "`OR`"),
            ("NOT name = 'a'", "`NOT`"),
            ("size > 1", "`>` on the field `size` is not supported: the provider has no parameter"),
            ("changed = 1577934245000", "`=` on the field `changed`"),
            ("name LIKE 'a%'", "`LIKE` on the field `name`"),
            ("name IS NULL", "`IS NULL` on the field `name`"),
            ("name = null", "`IS NULL` on the field `name`"),
            ("name = ''", "cannot be empty"),
            ("name = 'a' AND name = 'b'", "only once"),
        ] {
            let text = params(filter);
            assert!(text.starts_with("! ") && text.contains(part), "{filter}: {text}");
        }
    }
}
