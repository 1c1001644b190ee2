//! What objects and fields a provider tells of, asked once and kept for a few minutes.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Connection, Engine, scope::CallScope};
use crate::{
    catalog::Element,
    error::{Error, Kind, Result},
    mapping::codec::scalar_text,
};

/// One field of an object, as the provider describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDescription {
    /// The provider's name of it.
    pub name: String,
    /// Whether the account made it.
    pub custom: bool,
    /// The contract's type word: `string`, `number`, `boolean`, `date`, `datetime`, …
    pub kind: String,
    /// The description in the contract's shape.
    pub record: Map<String, Value>,
}

impl FieldDescription {
    /// Whether the provider can filter by it; it can, unless the description says no.
    pub(super) fn is_filterable(&self) -> bool {
        self.record.get("filterable") != Some(&Value::Bool(false))
    }

    /// Whether its values are a list of choices.
    pub(super) fn is_choice(&self) -> bool {
        self.record.get("picklistValues").and_then(Value::as_array).is_some_and(|choices| !choices.is_empty())
    }
}

impl Engine {
    /// The fields of `object`; empty when the element cannot describe.
    ///
    /// # Errors
    /// What the provider said.
    pub async fn describe(
        &self,
        element: &Element,
        connection: &Connection,
        object: &str,
        deadline: Instant,
    ) -> Result<Arc<Vec<FieldDescription>>> {
        let Some((describe, call)) =
            element.describe.as_ref().and_then(|describe| Some((describe, describe.fields.as_ref()?)))
        else {
            return Ok(Arc::default());
        };
        let key = (connection.instance_id, object.to_lowercase());
        if let Some(known) = self.descriptions.get(&key) {
            return Ok(known);
        }
        let mut scope = CallScope::bare(connection);
        scope.object = Some(Value::String(object.to_owned()));
        let answer = self.json(element, connection, call, &scope, &[], deadline).await?;
        let fields = call.answer.items.get(&answer).and_then(Value::as_array).map_or_else(Vec::new, |items| {
            items.iter().filter_map(|item| field(describe.plan.read(item, false, true))).collect()
        });
        let fields = Arc::new(fields);
        // Instance 0 is a connection that is only being made: nothing of it is kept.
        if connection.instance_id != 0 {
            self.descriptions.insert(key, Arc::clone(&fields));
        }
        Ok(fields)
    }

    /// The names of the objects the provider has.
    ///
    /// # Errors
    /// What the provider said, or that this element cannot tell.
    pub async fn objects(&self, element: &Element, connection: &Connection, deadline: Instant) -> Result<Vec<String>> {
        let Some(describe) = &element.describe else {
            return Err(Error::new(Kind::Unsupported, format!("The element `{}` has no objects", element.key)));
        };
        let mut names: Vec<String> = describe.custom_objects.clone();
        if let Some(call) = &describe.objects {
            let scope = CallScope::bare(connection);
            let answer = self.json(element, connection, call, &scope, &[], deadline).await?;
            let items = call.answer.items.get(&answer).and_then(Value::as_array);
            for name in items.into_iter().flatten().filter_map(|item| describe.names.get(item).and_then(scalar_text)) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }
}

fn field(record: Map<String, Value>) -> Option<FieldDescription> {
    Some(FieldDescription {
        name: record.get("vendorPath")?.as_str()?.to_owned(),
        custom: record.get("custom").and_then(Value::as_bool).unwrap_or(false),
        kind: record.get("type").and_then(Value::as_str).unwrap_or("string").to_owned(),
        record,
    })
}
