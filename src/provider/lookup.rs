//! What an element asks before its operations: where the instance's things are, kept for a few minutes.

use serde_json::Value;
use tokio::time::Instant;

use super::{Connection, Engine, request::unfilled, scope::CallScope};
use crate::{
    catalog::{Element, Operation, Step},
    error::{Error, Kind, Result},
    mapping::{Reference, Root},
};

impl Engine {
    /// Makes the lookups that `operation` uses, or those another lookup needs, and puts what they found into `scope`.
    pub(super) async fn look_up(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &Operation,
        scope: &mut CallScope<'_>,
        deadline: Instant,
    ) -> Result<()> {
        if element.lookups.is_empty() {
            return Ok(());
        }
        let wanted = wanted(element, operation);
        for lookup in element.lookups.iter().filter(|lookup| wanted.contains(&lookup.name)) {
            let found = Box::pin(self.found(element, connection, lookup, scope, deadline)).await?;
            scope.lookup.insert(lookup.name.clone(), found);
        }
        Ok(())
    }

    /// What a lookup finds.
    pub(super) async fn found(
        &self,
        element: &Element,
        connection: &Connection,
        lookup: &Step,
        scope: &CallScope<'_>,
        deadline: Instant,
    ) -> Result<Value> {
        let call = lookup.calls.iter().find(|call| call.when.as_ref().is_none_or(|when| when.holds(scope)));
        let Some(call) = call else {
            return Err(Error::bad_request(format!(
                "The instance's configuration does not say where its {} is",
                lookup.name
            )));
        };
        if let Some(give) = &call.give {
            return Ok(give.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default());
        }
        let url = self.request(element, connection, call, scope, deadline)?.url;
        let key = (connection.instance_id, format!("{} {url}", call.method));
        if let Some(known) = self.lookups.get(&key) {
            return Ok(known);
        }
        let answer = self.json(element, connection, call, scope, &[], deadline).await?;
        let found = call.answer.record.get(&answer).filter(|found| !found.is_null()).cloned().ok_or_else(|| {
            Error::new(Kind::ProviderFailed, format!("The provider's answer does not tell the {}", lookup.name))
        })?;
        self.lookups.insert(key, found.clone());
        Ok(found)
    }
}

/// The names of the lookups in use: by the operation, the headers of all calls, the addressing of its target, and by
/// other lookups in use.
pub(super) fn wanted(element: &Element, operation: &Operation) -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    let note = |wanted: &mut Vec<String>, reference: &Reference| {
        if reference.root == Root::Lookup && !wanted.contains(&reference.key) {
            wanted.push(reference.key.clone());
        }
    };
    wanted.extend(operation.needs.iter().filter(|(root, ..)| *root == Root::Lookup).map(|(_, name, _)| name.clone()));
    if operation.hub.target.is_some()
        && let Some(addressing) = &element.addressing
    {
        addressing.visit(&mut |reference| note(&mut wanted, reference));
    }
    for (_, template) in &element.headers {
        template.visit(&mut |reference| note(&mut wanted, reference));
    }
    for lookup in element.lookups.iter().rev() {
        if wanted.contains(&lookup.name) {
            for call in &lookup.calls {
                call.visit(&mut |reference| note(&mut wanted, reference));
            }
        }
    }
    wanted
}
