//! The filter language of lists: `where` (CEQL), `orderBy` and `fields`; pure.
//!
//! Owns the grammar ([`parse()`]), the syntax tree ([`Expr`]) with its printer (its `Display`), the renderers into what
//! providers understand ([`soql`], [`coql`], [`filter_groups`], [`condition_tree`], [`odata`], [`flat`], [`infix`],
//! [`params`]; one file each), and the local evaluation of
//! what could not be pushed down ([`eval`], [`order`]). It refuses to guess: a field or operator that a target cannot
//! express is a [`RenderError`] naming both.
//!
//! ```
//! use hubgate::query;
//!
//! let filter = query::parse("name like 'a%' AND (size > 10 or tags IS NULL)")?;
//! assert_eq!(filter.to_string(), "name LIKE 'a%' AND (size > 10 OR tags IS NULL)");
//! let record = serde_json::json!({"name": "Abc", "size": 11});
//! assert!(query::eval::matches(&filter, &record));
//! # Ok::<(), query::ParseError>(())
//! ```
//!
//! Invariants: `parse(print(e)) == e`; every parsed filter is at most [`MAX_DEPTH`] deep and has at most [`MAX_TERMS`]
//! conditions, so everything downstream may recurse. Logic is two-valued: a missing field is null, `x != 'a'` holds for
//! a null `x`, an order comparison with null does not, and `NOT` is the exact complement.

mod ast;
mod column;
pub mod condition_tree;
pub mod coql;
pub mod eval;
pub mod filter_groups;
pub mod flat;
pub mod infix;
mod lists;
mod moment;
mod normal;
pub mod odata;
pub mod order;
pub mod params;
mod parse;
pub mod pattern;
pub mod soql;
mod split;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use self::{
    ast::{CompareOp, Expr, Value},
    column::{Column, ColumnKind, Encoder, Operator, Operators, RenderError, Resolve},
    lists::{Direction, Order, parse_fields, parse_order_by},
    moment::Moment,
    parse::{MAX_DEPTH, MAX_LENGTH, MAX_TERMS, ParseError, parse},
    split::split,
};
