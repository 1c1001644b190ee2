//! `where` of `GET /elements`: a filter over the catalog entries, and the word `abridged`.

use serde_json::{Value, json};

use super::entry;
use crate::{
    catalog::Catalog,
    error::{Error, Result},
    query::{self, CompareOp, Expr},
};

/// Not a property of elements: asks for entries without resources and configuration.
const ABRIDGED: &str = "abridged";

pub(super) struct Filter {
    expr: Expr,
    abridged: bool,
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let expr = query::parse(text).map_err(|error| {
            Error::bad_request(format!("Error parsing query: {error}")).with_detail("where", error.to_string())
        })?;
        let abridged = asks_abridged(&expr);
        Ok(Self { expr, abridged })
    }

    /// The entries that pass.
    pub(super) fn apply(&self, catalog: &Catalog) -> Result<Vec<Value>> {
        let passing = catalog.entries().filter(|element| {
            let mut record = entry::abridged(element);
            if let Value::Object(members) = &mut record {
                members.insert(ABRIDGED.to_owned(), json!(self.abridged));
            }
            query::eval::matches(&self.expr, &record)
        });
        passing
            .map(|element| if self.abridged { Ok(entry::abridged(element)) } else { entry::full(element, catalog) })
            .collect()
    }
}

fn asks_abridged(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(asks_abridged),
        Expr::Compare { field, op: CompareOp::Eq, value } => field == ABRIDGED && value.as_bool() == Some(true),
        _ => false,
    }
}
