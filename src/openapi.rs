//! Descriptions of the API, made from the catalog that serves it: OpenAPI 3.1, and the contract's Swagger 2.0.
//!
//! [`platform`] describes what does not depend on mapping files, [`hub`] a hub, [`element`] what one element does of its
//! hub, and [`instance`] that with the objects its account has. [`swagger`] turns any of them into Swagger 2.0.

mod operations;
mod platform;
mod schemas;
mod swagger;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub use platform::platform;
pub use swagger::{only, swagger};

use crate::{
    catalog::{Element, Hub},
    provider::FieldDescription,
};

/// An object of an account, as its provider describes it.
pub struct Object {
    /// The provider's name of it.
    pub name: String,
    /// Its fields.
    pub fields: Arc<Vec<FieldDescription>>,
}

/// A hub's API, whatever the element.
pub fn hub(hub: &Hub, server: &str) -> Value {
    Described { hub, element: None, objects: &[] }.document(&format!("{} hub", hub.name), &hub.description, server)
}

/// What an element does of its hub.
pub fn element(element: &Element, hub: &Hub, server: &str) -> Value {
    Described { hub, element: Some(element), objects: &[] }.document(&element.name, &element.description, server)
}

/// What an instance of `element` can do, with the objects of its account.
pub fn instance(element: &Element, hub: &Hub, objects: &[Object], title: &str, server: &str) -> Value {
    Described { hub, element: Some(element), objects }.document(title, &element.description, server)
}

/// What a document is about.
struct Described<'a> {
    hub: &'a Hub,
    element: Option<&'a Element>,
    objects: &'a [Object],
}

impl Described<'_> {
    fn document(&self, title: &str, description: &str, server: &str) -> Value {
        let mut schemas: Map<String, Value> =
            self.hub.models.values().map(|model| (model.name.clone(), schemas::model(model, self.element))).collect();
        for object in self.objects {
            schemas.insert(schemas::object_name(&object.name), schemas::object(&object.fields));
        }
        schemas.insert("error".to_owned(), schemas::error());
        json!({
            "openapi": "3.1.0",
            "info": {"title": title, "description": description, "version": env!("CARGO_PKG_VERSION")},
            "servers": [{"url": server}],
            "security": [{"credentials": []}],
            "paths": self.paths(),
            "components": {"schemas": schemas, "securitySchemes": security_schemes()},
        })
    }
}

fn security_schemes() -> Value {
    json!({"credentials": {
        "type": "apiKey", "in": "header", "name": "Authorization",
        "description": "`User <user secret>, Organization <organization secret>` for the platform; with `, Element <instance token>` (or that alone) for calls through an instance",
    }})
}
