//! Parting a filter into what the provider does and what is left to us.

use super::ast::Expr;

/// Parts `expr` at its top-level `AND`: what `pushable` accepts, and the rest.
///
/// Both halves together are the filter; pushed parts keep their order. A part that mixes both (an `OR` with a local
/// half) is local as a whole.
pub fn split(expr: Expr, pushable: &dyn Fn(&Expr) -> bool) -> (Option<Expr>, Option<Expr>) {
    if pushable(&expr) {
        return (Some(expr), None);
    }
    let Expr::And(parts) = expr else { return (None, Some(expr)) };
    let (mut pushed, mut local) = (Vec::new(), Vec::new());
    for part in parts {
        // A parenthesised AND inside is the same conjunction.
        let (yes, no) = split(part, pushable);
        pushed.extend(yes);
        local.extend(no);
    }
    (Expr::all(pushed), Expr::all(local))
}
