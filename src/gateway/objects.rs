//! What every element answers itself: `/ping`, `/objects`, `/objects/{name}/metadata`.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    Gateway,
    call::{Answer, Head, enabled, json as answer, put},
};
use crate::{
    catalog::{Describe, Element, hub::AnswerKind},
    error::{Error, Kind, Result},
    mapping::{Plan, time},
    openapi::Object,
    provider::{Connection, FieldDescription, ObjectName},
    store::InstanceRecord,
};

/// The largest number of an account's objects in one description of its API.
const DESCRIBED_OBJECTS: usize = 50;

impl Gateway {
    /// Answers a call that no mapping describes.
    pub(super) async fn built_in(&self, call: &Head) -> Result<Option<Answer>> {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match (call.method.as_str(), path.as_slice()) {
            ("GET", ["ping"]) => Box::pin(self.ping(call)).await.map(Some),
            ("GET", ["objects"]) => Box::pin(self.objects(call)).await.map(Some),
            ("GET", ["objects", name, "metadata"]) => Box::pin(self.metadata(call, name)).await.map(Some),
            (_, ["ping" | "objects"] | ["objects", _, "metadata"]) => {
                Err(Error::wrong_method(&format!("/{}", path.join("/")), &call.method, &["GET"]))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn connected(&self, call: &Head) -> Result<(Arc<Element>, Arc<Connection>)> {
        let element = self.connector.element(&call.instance.element_key)?;
        let connection = self.connector.connection(&element, &call.instance)?;
        Ok((element, connection))
    }

    async fn ping(&self, call: &Head) -> Result<Answer> {
        enabled(&call.instance)?;
        let (element, connection) = self.connected(call)?;
        self.engine.probe(&element, &connection, call.deadline).await?;
        let now = time::rfc3339(self.clock.now());
        Ok(answer(&json!({"dateTime": now, "endpoint": element.key, "valid": true}), HeaderMap::new()))
    }

    /// The provider's objects and the hub's resources; with `Elements-Version: Helium` as objects instead of names.
    async fn objects(&self, call: &Head) -> Result<Answer> {
        let (element, connection) = self.connected(call)?;
        let resources = listed_resources(&element);
        let mut objects: Vec<(String, &str)> = resources.into_iter().map(|name| (name, "ceCanonical")).collect();
        for ObjectName { name, .. } in self.engine.objects(&element, &connection, call.deadline).await? {
            if !objects.iter().any(|(known, _)| *known == name) {
                objects.push((name, "vendor"));
            }
        }
        let helium = call
            .headers
            .get("elements-version")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|version| version.trim().eq_ignore_ascii_case("helium"));
        let mut headers = HeaderMap::new();
        put(&mut headers, "elements-returned-count", &objects.len().to_string());
        let list: Vec<Value> = objects
            .into_iter()
            .map(|(name, kind)| if helium { json!({"name": name, "type": kind}) } else { Value::String(name) })
            .collect();
        Ok(answer(&Value::Array(list), headers))
    }

    /// The objects of an instance's account with their fields, for documentation: those `wanted` names, else those the account
    /// made itself; at most [`DESCRIBED_OBJECTS`]. Empty for an element that cannot describe.
    ///
    /// # Errors
    /// What the provider said; a wanted object that it does not have.
    pub async fn described_objects(
        &self,
        instance: &InstanceRecord,
        wanted: &[String],
        deadline: Instant,
    ) -> Result<Vec<Object>> {
        let element = self.connector.element(&instance.element_key)?;
        if element.describe.as_ref().is_none_or(|describe| describe.fields.is_none()) {
            return Ok(Vec::new());
        }
        let connection = self.connector.connect(&element, instance)?;
        let names: Vec<String> = if wanted.is_empty() {
            let all = self.engine.objects(&element, &connection, deadline).await?;
            all.into_iter().filter(|object| object.custom).map(|object| object.name).collect()
        } else {
            wanted.to_vec()
        };
        let mut objects = Vec::new();
        for name in names.into_iter().take(DESCRIBED_OBJECTS) {
            let fields = self.engine.describe(&element, &connection, &name, deadline).await?;
            if fields.is_empty() {
                return Err(Error::not_found(format!("No metadata found for the object `{name}`")));
            }
            objects.push(Object { name, fields });
        }
        Ok(objects)
    }

    async fn metadata(&self, call: &Head, name: &str) -> Result<Answer> {
        let (element, connection) = self.connected(call)?;
        describe_of(&element)?;
        let (object, plan) = object_of(&element, name);
        let fields = self.engine.describe_whole(&element, &connection, &object, call.deadline).await?;
        if fields.is_empty() {
            return Err(Error::not_found(format!("No metadata found for the object `{name}`")));
        }
        let custom_only = call
            .query
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("customFieldsOnly") && value.eq_ignore_ascii_case("true"));
        let fields: Vec<Value> = fields
            .iter()
            .filter(|field| field.custom || !custom_only)
            .flat_map(|field| described(field, plan.map(AsRef::as_ref)))
            .map(Value::Object)
            .collect();
        Ok(answer(&json!({ "fields": fields }), HeaderMap::new()))
    }
}

/// How the element describes objects.
pub(super) fn describe_of(element: &Element) -> Result<&Describe> {
    element
        .describe
        .as_ref()
        .ok_or_else(|| Error::new(Kind::Unsupported, format!("The element `{}` has no objects", element.key)))
}

/// The provider's object behind a name, which may be that of a resource; then also how its records are read.
pub(super) fn object_of<'e>(element: &'e Element, name: &str) -> (String, Option<&'e Arc<Plan>>) {
    match element.plans.iter().find(|(resource, _)| resource.eq_ignore_ascii_case(name)) {
        Some((resource, plan)) => (native_object(element, resource).unwrap_or_else(|| name.to_owned()), Some(plan)),
        None => (name.to_owned(), None),
    }
}

/// The resources of the element whose records can be listed.
fn listed_resources(element: &Element) -> Vec<String> {
    let mut names: Vec<String> = element
        .operations
        .values()
        .filter(|operation| matches!(operation.hub.answer, AnswerKind::List(_)) && !operation.hub.native)
        .map(|operation| operation.hub.resource.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// What the provider calls the object of a resource.
fn native_object(element: &Element, resource: &str) -> Option<String> {
    struct Nothing;
    impl crate::mapping::Scope for Nothing {
        fn value(&self, _: crate::mapping::Root, _: &str) -> Option<std::borrow::Cow<'_, Value>> {
            None
        }
    }
    let operation = element.operations.values().find(|operation| operation.hub.resource == resource)?;
    operation.object.as_ref()?.render(&Nothing).ok().flatten()
}

/// A field in the contract's shape, under each uniform name that a line gives it.
fn described(field: &FieldDescription, plan: Option<&Plan>) -> Vec<Map<String, Value>> {
    let lines = plan.into_iter().flat_map(|plan| &plan.lines);
    let mut paths: Vec<String> =
        lines.filter(|line| line.column.eq_ignore_ascii_case(&field.name)).map(|line| line.name.clone()).collect();
    paths.dedup();
    if paths.is_empty() {
        let open = plan.and_then(|plan| plan.open.as_ref()).filter(|_| field.custom);
        paths.push(open.map_or_else(|| field.name.clone(), |open| format!("{}.{}", open.field, field.name)));
    }
    let under = |path: String| {
        let mut record = field.record.clone();
        record.insert("path".to_owned(), Value::String(path));
        for name in ["mask", "format"] {
            record.entry(name).or_insert(Value::Null);
        }
        record
    };
    paths.into_iter().map(under).collect()
}
