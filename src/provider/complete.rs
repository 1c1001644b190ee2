//! Reads again the items of a list that the provider tells incompletely, a few at a time.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::{Connection, Engine, scope::CallScope};
use crate::{
    catalog::{Element, Operation},
    error::{Kind, Result},
};

/// Items read at the same time.
const AT_ONCE: usize = 8;

impl Engine {
    /// The items of a page, each complete; one that is gone by now is left out.
    pub(super) async fn completed(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &Operation,
        scope: &CallScope<'_>,
        items: Vec<Value>,
        deadline: Instant,
    ) -> Result<Vec<Value>> {
        let Some(complete) = &operation.complete else { return Ok(items) };
        if complete.call.when.as_ref().is_some_and(|when| !when.holds(scope)) {
            return Ok(items);
        }
        let list = scope;
        let read = |item: Value| async move {
            if complete.items.as_ref().is_some_and(|incomplete| !incomplete.holds(&item)) {
                return Ok(Some(item));
            }
            let mut scope = CallScope::bare(connection);
            scope.lookup.clone_from(&list.lookup);
            scope.object.clone_from(&list.object);
            scope.select.clone_from(&list.select);
            scope.members.clone_from(&list.members);
            scope.item = Some(item);
            match self.json(element, connection, &complete.call, &scope, &operation.errors, deadline).await {
                Ok(answer) => Ok(complete.call.answer.record.get(&answer).cloned()),
                Err(error) if error.kind() == Kind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        };
        let read: Vec<Option<Value>> =
            stream::iter(items.into_iter().map(read)).buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }
}
