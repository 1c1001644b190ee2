//! Renders filters as JSON filter groups: an OR of groups, each an AND of filters.
//!
//! ```json
//! [{"filters": [{"propertyName": "email", "operator": "EQ", "value": "a@b.c"}]}]
//! ```
//!
//! All values are strings; dates are epoch milliseconds. `LIKE` becomes a token search, which finds at least what the
//! pattern finds but possibly more; [`Rendered::exact`] tells whether the answer must be filtered again.

use serde_json::{Value as Json, json};

use super::{
    ast::{CompareOp, Expr, Value},
    column::{ColumnKind, Condition, Literal, RenderError, Resolve},
    lists::{Direction, Order},
    normal::groups,
    pattern::{Shape, shape},
};

/// How many groups and filters the target takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups in one search.
    pub max_groups: usize,
    /// Filters in one group.
    pub max_filters: usize,
    /// Filters in one search.
    pub max_total: usize,
    /// Whether the texts of `IN` and `NOT_IN` are sent in lower case, for targets that compare them so.
    pub lowercase_in: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_groups: 5, max_filters: 6, max_total: 18, lowercase_in: false }
    }
}

/// A rendered filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The value of `filterGroups`.
    pub groups: Json,
    /// Whether the target answers exactly this filter; otherwise its answer holds more and has to be filtered again.
    pub exact: bool,
}

/// Renders `expr` as filter groups.
///
/// # Errors
/// [`RenderError`] naming the field and operator that cannot be rendered, or the limit that is passed.
pub fn render(expr: &Expr, resolve: &Resolve<'_, '_>, limits: &Limits) -> Result<Rendered, RenderError> {
    let too_much = |what: &str, max: usize| RenderError::too_much(what, max, expr);
    let groups = groups(expr, limits.max_groups).ok_or_else(|| too_much("alternatives (OR)", limits.max_groups))?;
    let mut exact = true;
    let mut total = 0;
    let mut rendered = Vec::with_capacity(groups.len());
    for group in &groups {
        let filters: Vec<Json> =
            group.iter().map(|one| filter(one, resolve, limits, &mut exact)).collect::<Result<_, _>>()?;
        if filters.len() > limits.max_filters {
            return Err(too_much("conditions in one alternative", limits.max_filters));
        }
        total += filters.len();
        rendered.push(json!({ "filters": filters }));
    }
    if total > limits.max_total {
        return Err(too_much("conditions", limits.max_total));
    }
    Ok(Rendered { groups: Json::Array(rendered), exact })
}

/// The value of `sorts`.
///
/// # Errors
/// [`RenderError::Field`] for a field the resolver does not know.
pub fn sorts(orders: &[Order], resolve: &Resolve<'_, '_>) -> Result<Json, RenderError> {
    let mut sorts = Vec::with_capacity(orders.len());
    for order in orders {
        let direction = if order.direction == Direction::Ascending { "ASCENDING" } else { "DESCENDING" };
        sorts.push(json!({ "propertyName": resolve(&order.field)?.name, "direction": direction }));
    }
    Ok(Json::Array(sorts))
}

fn filter(expr: &Expr, resolve: &Resolve<'_, '_>, limits: &Limits, exact: &mut bool) -> Result<Json, RenderError> {
    match expr {
        Expr::Compare { field, op, value } => {
            let condition = Condition::new(expr, field, resolve)?;
            let operator = match op {
                CompareOp::Eq => "EQ",
                CompareOp::Ne => "NEQ",
                CompareOp::Lt => "LT",
                CompareOp::Le => "LTE",
                CompareOp::Gt => "GT",
                CompareOp::Ge => "GTE",
            };
            let value = literal(&condition, value)?;
            Ok(json!({ "propertyName": condition.column.name, "operator": operator, "value": value }))
        }
        Expr::In { field, values, negated } => {
            let condition = Condition::new(expr, field, resolve)?;
            let mut texts = Vec::with_capacity(values.len());
            for value in values {
                let text = literal(&condition, value)?;
                let lower = limits.lowercase_in && condition.column.kind == ColumnKind::Text;
                texts.push(if lower { text.to_lowercase() } else { text });
            }
            let operator = if *negated { "NOT_IN" } else { "IN" };
            Ok(json!({ "propertyName": condition.column.name, "operator": operator, "values": texts }))
        }
        Expr::IsNull { field, negated } => {
            let condition = Condition::new(expr, field, resolve)?;
            let operator = if *negated { "HAS_PROPERTY" } else { "NOT_HAS_PROPERTY" };
            Ok(json!({ "propertyName": condition.column.name, "operator": operator }))
        }
        Expr::Like { field, pattern, negated } => {
            let condition = Condition::new(expr, field, resolve)?;
            condition.check_like()?;
            let name = &condition.column.name;
            if *negated {
                return Err(condition.unsupported("a token search cannot be turned round"));
            }
            let (token, value) = match shape(pattern) {
                Shape::Everything => return Ok(json!({ "propertyName": name, "operator": "HAS_PROPERTY" })),
                Shape::Whole(text) => {
                    return Ok(json!({ "propertyName": name, "operator": "EQ", "value": text }));
                }
                Shape::Prefix(text) => (text.clone(), format!("{text}*")),
                Shape::Suffix(text) => (text.clone(), format!("*{text}")),
                Shape::Contains(text) => (text.clone(), format!("*{text}*")),
                Shape::Other => {
                    return Err(condition.unsupported("only patterns like 'x', 'x%', '%x' and '%x%' can be sent"));
                }
            };
            // Past a blank or a sign the target's tokens end, and it would find less than the pattern does.
            if !token.chars().all(|c| c.is_alphanumeric() || matches!(c, '@' | '.' | '-' | '_')) {
                return Err(condition.unsupported("the pattern must be within one word"));
            }
            *exact = false;
            Ok(json!({ "propertyName": name, "operator": "CONTAINS_TOKEN", "value": value }))
        }
        Expr::And(_) | Expr::Or(_) | Expr::Not(_) => {
            Err(RenderError::Shape("a condition was expected, not a group of them".to_owned()))
        }
    }
}

fn literal(condition: &Condition<'_, '_>, value: &Value) -> Result<String, RenderError> {
    Ok(match condition.literal(value)? {
        Literal::Date(date) => date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis().to_string(),
        Literal::DateTime(at) => at.timestamp_millis().to_string(),
        other => other.into_text(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_order_by, testing::resolve};
    use super::*;

    fn rendered(filter: &str) -> Result<Rendered, RenderError> {
        render(&parse(filter).unwrap(), &resolve, &Limits::default())
    }

    /// Short form: groups by `|`, filters by `&`.
    fn short(filter: &str) -> String {
        let groups = match rendered(filter) {
            Ok(rendered) => rendered.groups,
            Err(error) => return format!("! {error}"),
        };
        let filter = |filter: &Json| {
            let value =
                filter.get("value").or_else(|| filter.get("values")).map(|v| format!(" {v}")).unwrap_or_default();
            format!("{} {}{value}", filter["propertyName"].as_str().unwrap(), filter["operator"].as_str().unwrap())
        };
        let group =
            |group: &Json| group["filters"].as_array().unwrap().iter().map(filter).collect::<Vec<_>>().join(" & ");
        groups.as_array().unwrap().iter().map(group).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn is_the_documented_json() {
        assert_eq!(
            rendered("name = 'a' AND size IN (1,2)").unwrap().groups,
            json!([{"filters": [
                {"propertyName": "P_name", "operator": "EQ", "value": "a"},
                {"propertyName": "P_size", "operator": "IN", "values": ["1", "2"]},
            ]}])
        );
    }

    #[test]
    fn renders_every_construct() {
        for (filter, expected) in [
            ("size >= '5' OR size < 2", r#"P_size GTE "5" | P_size LT "2""#),
            ("born = '2020-01-02'", r#"P_born EQ "1577923200000""#),
            ("changed > 2020-01-02T03:04:05.678Z", r#"P_changed GT "1577934245678""#),
            ("active != 'false'", r#"P_active NEQ "false""#),
            ("name IS NULL OR name IS NOT NULL", "P_name NOT_HAS_PROPERTY | P_name HAS_PROPERTY"),
            ("name = null", "P_name NOT_HAS_PROPERTY"),
            (
                "name LIKE 'ab%' AND name LIKE '%@b.test'",
                r#"P_name CONTAINS_TOKEN "ab*" & P_name CONTAINS_TOKEN "*@b.test""#,
            ),
            ("name LIKE '%ab%'", r#"P_name CONTAINS_TOKEN "*ab*""#),
            ("name LIKE 'ab'", r#"P_name EQ "ab""#),
            ("NOT (name = 'a' OR name IN ('b'))", r#"P_name NEQ "a" & P_name NOT_IN ["b"]"#),
            ("NOT size < 5", r#"P_size GTE "5" | P_size NOT_HAS_PROPERTY"#),
            (
                "(size=1 OR size=2) AND (name='a' OR name='b')",
                r#"P_size EQ "1" & P_name EQ "a" | P_size EQ "1" & P_name EQ "b" | P_size EQ "2" & P_name EQ "a" | P_size EQ "2" & P_name EQ "b""#,
            ),
        ] {
            assert_eq!(short(filter), expected, "{filter}");
        }
    }

    #[test]
    fn tells_whether_it_is_exact() {
        assert!(rendered("name = 'a'").unwrap().exact);
        assert!(!rendered("name = 'a' OR name LIKE 'a%'").unwrap().exact);
    }

    #[test]
    fn keeps_to_the_limits() {
        let or = |n: usize| vec!["size=1"; n].join(" OR ");
        let and = |n: usize| vec!["size=1"; n].join(" AND ");
        assert!(rendered(&or(5)).is_ok());
        assert!(short(&or(6)).contains("more than 5 alternatives"));
        assert!(rendered(&and(6)).is_ok());
        assert!(short(&and(7)).contains("more than 6 conditions in one alternative"));
        let wide = vec![format!("({})", and(5)); 4].join(" OR ");
        assert!(short(&wide).contains("more than 18 conditions"));
        // Spread out this would be 2^60 groups; it is refused, not computed.
        assert!(short(&vec!["(size=1 OR size=2)"; 60].join(" AND ")).contains("more than 5 alternatives"));
    }

    #[test]
    fn refuses_what_tokens_cannot_say() {
        for filter in ["name LIKE 'a b%'", "name LIKE 'a%b'", "name NOT LIKE 'a%'", "name LIKE 'a_'", "size LIKE '1%'"]
        {
            assert!(short(filter).starts_with("! `"), "{filter}: {}", short(filter));
        }
    }

    #[test]
    fn lowers_lists_where_asked() {
        let limits = Limits { lowercase_in: true, ..Limits::default() };
        let groups = render(&parse("name IN ('Ab')").unwrap(), &resolve, &limits).unwrap().groups;
        assert_eq!(groups[0]["filters"][0]["values"], json!(["ab"]));
    }

    #[test]
    fn sorts_as_json() {
        let orders = parse_order_by("name desc").unwrap();
        assert_eq!(sorts(&orders, &resolve).unwrap(), json!([{"propertyName": "P_name", "direction": "DESCENDING"}]));
    }
}
