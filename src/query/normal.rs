//! Normal forms: null comparisons spelled out, negations pushed to the conditions, OR of ANDs.

use super::ast::{CompareOp, Expr, Value};

/// Rewrites comparisons with a bare `null` as `IS [NOT] NULL`; order comparisons with it stay as they are.
pub(super) fn without_nulls(expr: Expr) -> Expr {
    match expr {
        Expr::And(parts) => Expr::And(parts.into_iter().map(without_nulls).collect()),
        Expr::Or(parts) => Expr::Or(parts.into_iter().map(without_nulls).collect()),
        Expr::Not(inner) => Expr::Not(Box::new(without_nulls(*inner))),
        Expr::Compare { field, op: CompareOp::Eq, value: Value::Null } => Expr::IsNull { field, negated: false },
        Expr::Compare { field, op: CompareOp::Ne, value: Value::Null } => Expr::IsNull { field, negated: true },
        Expr::In { field, mut values, negated } if values.contains(&Value::Null) => {
            values.retain(|value| *value != Value::Null);
            let null = Expr::IsNull { field: field.clone(), negated };
            if values.is_empty() {
                return null;
            }
            let rest = Expr::In { field, values, negated };
            if negated { Expr::And(vec![rest, null]) } else { Expr::Or(vec![rest, null]) }
        }
        other => other,
    }
}

/// Moves every `NOT` into the conditions; two-valued: the complement of `<` is `>=` or null.
pub(super) fn without_not(expr: Expr, negate: bool) -> Expr {
    let all = |parts: Vec<Expr>| parts.into_iter().map(|part| without_not(part, negate)).collect();
    match expr {
        Expr::Not(inner) => without_not(*inner, !negate),
        Expr::And(parts) if negate => Expr::Or(all(parts)),
        Expr::Or(parts) if negate => Expr::And(all(parts)),
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        condition if !negate => condition,
        Expr::Compare { field, op, value } => {
            let (op, ordered) = match op {
                CompareOp::Eq => (CompareOp::Ne, false),
                CompareOp::Ne => (CompareOp::Eq, false),
                CompareOp::Lt => (CompareOp::Ge, true),
                CompareOp::Le => (CompareOp::Gt, true),
                CompareOp::Gt => (CompareOp::Le, true),
                CompareOp::Ge => (CompareOp::Lt, true),
            };
            let null = ordered.then(|| Expr::IsNull { field: field.clone(), negated: false });
            let flipped = Expr::Compare { field, op, value };
            match null {
                Some(null) => Expr::Or(vec![flipped, null]),
                None => flipped,
            }
        }
        Expr::In { field, values, negated } => Expr::In { field, values, negated: !negated },
        Expr::IsNull { field, negated } => Expr::IsNull { field, negated: !negated },
        Expr::Like { field, pattern, negated } => Expr::Like { field, pattern, negated: !negated },
    }
}

/// The filter as an OR of ANDs of conditions; `None` when that takes more than `max` groups.
pub(super) fn groups(expr: &Expr, max: usize) -> Option<Vec<Vec<Expr>>> {
    fn spread(expr: &Expr, max: usize) -> Option<Vec<Vec<Expr>>> {
        match expr {
            Expr::Or(parts) => {
                let mut groups = Vec::new();
                for part in parts {
                    groups.append(&mut spread(part, max)?);
                    if groups.len() > max {
                        return None;
                    }
                }
                Some(groups)
            }
            Expr::And(parts) => {
                let mut groups = vec![Vec::new()];
                for part in parts {
                    let more = spread(part, max)?;
                    if groups.len() * more.len() > max {
                        return None;
                    }
                    groups = groups
                        .iter()
                        .flat_map(|group| more.iter().map(move |other| [group.as_slice(), other].concat()))
                        .collect();
                }
                Some(groups)
            }
            condition => Some(vec![vec![condition.clone()]]),
        }
    }
    spread(&without_not(without_nulls(expr.clone()), false), max)
}
