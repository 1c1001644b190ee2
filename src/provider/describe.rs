//! What objects and fields a provider tells of, asked once and kept for a few minutes.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Connection, Engine, scope::CallScope};
use crate::{
    catalog::{Call, Element},
    error::{Error, Kind, Result},
    mapping::codec::scalar_text,
};

/// The member of a field's description that lists its choices.
const CHOICES: &str = "picklistValues";

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

/// An object that a provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// The provider's name of it.
    pub name: String,
    /// Whether the account made it.
    pub custom: bool,
}

impl FieldDescription {
    /// Whether the provider can filter by it; it can, unless the description says no.
    pub(super) fn is_filterable(&self) -> bool {
        self.record.get("filterable") != Some(&Value::Bool(false))
    }

    /// Whether its values are identifiers that a query writes bare.
    pub(super) fn is_identifier(&self) -> bool {
        self.record.get("format").and_then(Value::as_str) == Some("uuid")
    }

    /// Whether its values are a list of choices.
    pub(super) fn is_choice(&self) -> bool {
        self.record.get(CHOICES).and_then(Value::as_array).is_some_and(|choices| !choices.is_empty())
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
        let (call, mut fields) = match self.known_fields(element, connection, object) {
            Ok(known) => return Ok(known),
            Err(missing) => missing,
        };
        let key = (connection.instance_id, object.to_lowercase());
        let mut scope = CallScope::bare(connection);
        scope.object = Some(Value::String(object.to_owned()));
        let answer = self.json(element, connection, call, &scope, &[], deadline).await?;
        let told = call.answer.list(&answer, &scope).unwrap_or_default();
        let plan = element.describe.as_ref().map(|describe| &describe.plan);
        fields.extend(told.iter().filter_map(|item| field(plan?.read(item, false, true))));
        let fields = Arc::new(fields);
        // Instance 0 is a connection that is only being made: nothing of it is kept.
        if connection.instance_id != 0 {
            self.descriptions.insert(key, Arc::clone(&fields));
        }
        Ok(fields)
    }

    /// [`Self::describe`], with the choices of fields that further calls tell.
    ///
    /// # Errors
    /// What the provider said.
    pub async fn describe_whole(
        &self,
        element: &Element,
        connection: &Connection,
        object: &str,
        deadline: Instant,
    ) -> Result<Arc<Vec<FieldDescription>>> {
        let fields = self.describe(element, connection, object, deadline).await?;
        let further = element.describe.as_ref().filter(|describe| !describe.choices.is_empty() && !fields.is_empty());
        let Some(describe) = further else { return Ok(fields) };
        let mut scope = CallScope::bare(connection);
        scope.object = Some(Value::String(object.to_owned()));
        let mut fields = fields.to_vec();
        for step in &describe.choices {
            let found = self.found(element, connection, step, &scope, deadline).await?;
            for item in found.as_array().into_iter().flatten() {
                let told = describe.plan.read(item, false, true);
                let name = told.get("vendorPath").and_then(Value::as_str);
                let field = fields.iter_mut().find(|field| Some(field.name.as_str()) == name);
                if let (Some(field), Some(choices)) = (field, told.get(CHOICES)) {
                    field.record.insert(CHOICES.to_owned(), choices.clone());
                }
            }
            scope.lookup.insert(step.name.clone(), found);
        }
        Ok(Arc::new(fields))
    }

    /// The fields of `object`, where nobody has to be asked; else the call that asks, and what is known without it.
    pub(super) fn known_fields<'e>(
        &self,
        element: &'e Element,
        connection: &Connection,
        object: &str,
    ) -> Result<Arc<Vec<FieldDescription>>, (&'e Call, Vec<FieldDescription>)> {
        let Some(describe) = &element.describe else { return Ok(Arc::default()) };
        let standard = describe.standard.iter().find(|(name, _)| name.eq_ignore_ascii_case(object));
        let fields: Vec<FieldDescription> =
            standard.iter().flat_map(|(_, fields)| fields).map(|(name, kind)| known(name, kind)).collect();
        let Some(call) = &describe.fields else { return Ok(Arc::new(fields)) };
        match self.descriptions.get(&(connection.instance_id, object.to_lowercase())) {
            Some(known) => Ok(known),
            None => Err((call, fields)),
        }
    }

    /// The objects the provider has.
    ///
    /// # Errors
    /// What the provider said, or that this element cannot tell.
    pub async fn objects(
        &self,
        element: &Element,
        connection: &Connection,
        deadline: Instant,
    ) -> Result<Vec<ObjectName>> {
        let Some(describe) = &element.describe else {
            return Err(Error::new(Kind::Unsupported, format!("The element `{}` has no objects", element.key)));
        };
        let told = describe.further_objects.iter();
        let mut names: Vec<ObjectName> = told.map(|name| ObjectName { name: name.clone(), custom: false }).collect();
        if let Some(call) = &describe.objects {
            let scope = CallScope::bare(connection);
            let answer = self.json(element, connection, call, &scope, &[], deadline).await?;
            for item in call.answer.list(&answer, &scope).unwrap_or_default() {
                let Some(name) = describe.names.get(&item).and_then(scalar_text) else { continue };
                if !names.iter().any(|known| known.name == name) {
                    let custom = describe.made_by_account.as_ref().is_some_and(|test| test.holds(&item));
                    names.push(ObjectName { name, custom });
                }
            }
        }
        Ok(names)
    }
}

/// A field that the mapping file knows of.
fn known(name: &str, kind: &str) -> FieldDescription {
    let record = serde_json::json!({"vendorPath": name, "vendorDisplayName": name, "displayName": name, "type": kind,
        "vendorNativeType": kind, "vendorRequired": false, "vendorReadOnly": false, "custom": false,
        "filterable": true, "createable": true, "updateable": true});
    FieldDescription {
        name: name.to_owned(),
        custom: false,
        kind: kind.to_owned(),
        record: record.as_object().cloned().unwrap_or_default(),
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
