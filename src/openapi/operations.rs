//! The operations of a hub as path items.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Described, Object, schemas};
use crate::catalog::{
    HubOperation,
    hub::{ANY_PARENT, AnswerKind, Location, Parameter, ParameterKind, RequestKind},
};

impl Described<'_> {
    /// All paths, each below the server's root.
    pub(super) fn paths(&self) -> Map<String, Value> {
        let mut paths = Map::new();
        let served = |operation: &&std::sync::Arc<HubOperation>| {
            self.element.is_none_or(|element| element.operation(&operation.id()).is_some())
        };
        for operation in self.hub.operations().filter(served) {
            for (path, _) in operation.all_paths().filter(|(_, parent)| self.has_below(operation, *parent)) {
                for method in std::iter::once(&operation.method).chain(&operation.aliases) {
                    self.add(&mut paths, path, method, self.operation(operation, path, method, None));
                }
            }
        }
        self.add_built_in(&mut paths);
        for object in self.objects {
            self.add_object(&mut paths, object);
        }
        tell_apart(&mut paths);
        paths
    }

    /// Whether the element carries out the operation below such a parent.
    fn has_below(&self, operation: &HubOperation, parent: Option<&str>) -> bool {
        self.element.is_none_or(|element| match parent {
            Some(ANY_PARENT) => element.relations.get(&operation.resource).is_some_and(|relations| {
                relations.all().any(|one| !one.lacks.iter().any(|(name, _)| *name == operation.name))
            }),
            parent => element.operation_below(operation, parent).is_ok(),
        })
    }

    fn add(&self, paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
        let path = format!("/hubs/{}/{}", self.hub.key, path.trim_start_matches('/'));
        let item = paths.entry(path).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(method.to_lowercase(), operation);
        }
    }

    fn operation(&self, operation: &HubOperation, path: &str, method: &str, object: Option<&Object>) -> Value {
        let record = |model: &str| match object {
            Some(object) => reference(&schemas::object_name(&object.name)),
            None if operation.native || !self.hub.models.contains_key(model) => {
                json!({"type": "object", "additionalProperties": true})
            }
            None => reference(model),
        };
        let mut told = json!({
            "operationId": operation_id(method, path),
            "summary": operation.summary,
            "tags": [object.map_or(operation.resource.as_str(), |object| object.name.as_str())],
            "parameters": parameters(operation, path),
            "responses": responses(operation, method, &record),
            "x-operation": operation.id(),
        });
        let body = match &operation.request {
            RequestKind::None => None,
            RequestKind::Record => {
                let resource = self.hub.resources.get(&operation.resource);
                let model =
                    operation.model.as_deref().or_else(|| resource.and_then(|resource| resource.model.as_deref()));
                Some(json!({"application/json": {"schema": record(model.unwrap_or_default())}}))
            }
            RequestKind::Object(members) => {
                Some(json!({"application/json": {"schema": self.object_body(operation, members)}}))
            }
            RequestKind::Upload { part } => Some(json!({"multipart/form-data": {"schema": {
                "type": "object", "required": [part], "properties": {part: {"type": "string", "format": "binary"}},
            }}})),
        };
        if let (Some(content), Value::Object(told)) = (body, &mut told) {
            told.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
        }
        told
    }

    fn object_body(&self, operation: &HubOperation, members: &[(String, bool)]) -> Value {
        let model = operation.model.as_deref().or(match &operation.answer {
            AnswerKind::Record(model) | AnswerKind::List(model) => Some(model.as_str()),
            _ => None,
        });
        let model = model.and_then(|model| self.hub.models.get(model));
        let schema = |name: &str| {
            let field = model.and_then(|model| model.field(name));
            field.map_or_else(|| json!({}), |field| schemas::of_kind(field.kind))
        };
        let properties: Map<String, Value> = members.iter().map(|(name, _)| (name.clone(), schema(name))).collect();
        let required: Vec<&str> =
            members.iter().filter(|(_, required)| *required).map(|(name, _)| name.as_str()).collect();
        let mut body = json!({"type": "object", "properties": properties});
        if let (Value::Object(body), false) = (&mut body, required.is_empty()) {
            body.insert("required".to_owned(), json!(required));
        }
        body
    }

    /// What every element answers without a mapping.
    fn add_built_in(&self, paths: &mut Map<String, Value>) {
        let any = json!({"type": "object", "additionalProperties": true});
        let simple = |path: &str, summary: &str, schema: Value| {
            let parameters: Vec<Value> = path_parameters(path).into_iter().chain([explain()]).collect();
            json!({
                "operationId": operation_id("GET", path), "summary": summary, "tags": ["instance"],
                "parameters": parameters,
                "responses": with_errors(json!({"description": "It went well", "content": {"application/json": {"schema": schema}}}), &[]),
            })
        };
        let ping = simple("/ping", "Whether the provider answers through this instance", any.clone());
        self.add(paths, "/ping", "GET", ping);
        if self.element.is_none_or(|element| element.describe.is_some()) {
            let names = json!({"type": "array", "items": {"type": "string"}});
            self.add(
                paths,
                "/objects",
                "GET",
                simple("/objects", "The hub's resources and the provider's objects", names),
            );
            let path = "/objects/{objectName}/metadata";
            self.add(paths, path, "GET", simple(path, "The fields of an object", any));
        }
    }

    /// The generic operations, said of one object of the account.
    fn add_object(&self, paths: &mut Map<String, Value>, object: &Object) {
        let generic = self.hub.operations().filter(|operation| {
            operation.native && self.element.is_some_and(|element| element.operation(&operation.id()).is_some())
        });
        for operation in generic {
            let paths_of_all = operation.all_paths().filter(|(_, parent)| self.has_below(operation, *parent));
            for path in paths_of_all.map(|(path, _)| path).filter(|path| path.contains("{objectName}")) {
                let concrete = path.replace("{objectName}", &object.name);
                // A child's path names a second object, which stays open.
                for method in std::iter::once(&operation.method).chain(&operation.aliases) {
                    let told = self.operation(operation, &concrete, method, Some(object));
                    self.add(paths, &concrete, method, told);
                }
            }
        }
    }
}

/// Numbers operation ids that two paths share: `/a/b` and `/a-b` read alike.
fn tell_apart(paths: &mut Map<String, Value>) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let Some(id) = operation.get_mut("operationId") else { continue };
        let times = seen.entry(id.as_str().unwrap_or_default().to_owned()).or_insert(0);
        *times += 1;
        if *times > 1 {
            *id = json!(format!("{}-{times}", id.as_str().unwrap_or_default()));
        }
    }
}

/// `GET-files-id-metadata`.
fn operation_id(method: &str, path: &str) -> String {
    let words: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| segment.trim_matches(['{', '}']).to_owned())
        .collect();
    format!("{method}-{}", words.join("-"))
}

/// A reference to a schema of the document.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect()
}

/// Parameters that every list takes: name, type, what it does.
const OF_LISTS: &[(&str, &str, &str)] = &[
    ("where", "string", "A filter: `name = 'Ada' AND modifiedDate > '2024-01-01T00:00:00Z'`"),
    ("orderBy", "string", "Fields to order by, each with `asc` or `desc`, parted by commas"),
    ("fields", "string", "Only these fields, parted by commas"),
    ("pageSize", "integer", "The largest number of records in the answer"),
    ("nextPage", "string", "The token of the header Elements-Next-Page-Token of the page before"),
    ("page", "integer", "The number of the page, from 1; `nextPage` is the better way"),
    ("returnTotalCount", "boolean", "Tells the number of all records in Elements-Total-Count"),
];

/// The parameter that every call of a hub takes.
fn explain() -> Value {
    json!({"name": "explain", "in": "query", "schema": {"type": "boolean"},
        "description": "Answers with the provider calls that would be made, without making them"})
}

fn parameters(operation: &HubOperation, path: &str) -> Vec<Value> {
    let mut list = path_parameters(path);
    let names_target = path.contains("{id}");
    list.extend(
        operation
            .parameters
            .iter()
            // With the id in the path, `path` in the query says nothing.
            .filter(|parameter| !(names_target && parameter.name == "path" && operation.target.is_some()))
            .map(|parameter| self::parameter(parameter, operation, names_target)),
    );
    if matches!(operation.answer, AnswerKind::List(_)) {
        for (name, kind, description) in OF_LISTS {
            if !operation.parameters.iter().any(|parameter| parameter.name == *name) {
                let schema =
                    if *name == "pageSize" { json!({"type": kind, "minimum": 1}) } else { json!({"type": kind}) };
                list.push(json!({"name": name, "in": "query", "description": description, "schema": schema}));
            }
        }
    }
    list.push(explain());
    list
}

fn parameter(parameter: &Parameter, operation: &HubOperation, names_target: bool) -> Value {
    let mut schema = match parameter.kind {
        ParameterKind::Text | ParameterKind::Path => json!({"type": "string"}),
        ParameterKind::Integer => json!({"type": "integer"}),
        ParameterKind::Boolean => json!({"type": "boolean"}),
        ParameterKind::List => json!({"type": "array", "items": {"type": "string"}}),
        ParameterKind::Date => json!({"type": "string", "format": "date"}),
    };
    if let (Value::Object(schema), false) = (&mut schema, parameter.values.is_empty()) {
        schema.insert("enum".to_owned(), json!(parameter.values));
    }
    let by_path = parameter.name == "path"
        && operation.target.as_ref().is_some_and(|target| !target.optional && !target.in_body)
        && !names_target;
    let mut told = json!({
        "name": parameter.name,
        "in": match parameter.location { Location::Query => "query", Location::Header => "header" },
        "schema": schema,
    });
    if let Value::Object(told) = &mut told {
        if parameter.required || by_path {
            told.insert("required".to_owned(), json!(true));
        }
        if !parameter.description.is_empty() {
            told.insert("description".to_owned(), json!(parameter.description));
        }
    }
    told
}

fn responses(operation: &HubOperation, method: &str, record: &dyn Fn(&str) -> Value) -> Value {
    let content = |schema: Value| json!({"application/json": {"schema": schema}});
    let with_body: &[u16] = if matches!(operation.request, RequestKind::None) { &[] } else { OF_BODIES };
    let success = match &operation.answer {
        AnswerKind::Record(model) => json!({"description": "The record", "content": content(record(model))}),
        AnswerKind::List(model) => json!({
            "description": "A page of records",
            "headers": {
                "Elements-Returned-Count": {"description": "Records in this page", "schema": {"type": "integer"}},
                "Elements-Next-Page-Token": {"description": "The token of the next page; absent on the last", "schema": {"type": "string"}},
                "Elements-Total-Count": {"description": "All records, where known", "schema": {"type": "integer"}},
            },
            "content": content(json!({"type": "array", "items": record(model)})),
        }),
        AnswerKind::File => json!({
            "description": "The file",
            // The provider's own type of it.
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }),
        AnswerKind::Empty => json!({"description": "Done"}),
    };
    let mut responses = with_errors(success, with_body);
    if method == "GET" {
        // RFC 9110, section 15.4.5: without content.
        responses.insert("304".to_owned(), json!({"description": "It is still what If-None-Match names"}));
    }
    if let (AnswerKind::File, Some(whole)) = (&operation.answer, responses.get("200").cloned()) {
        responses.insert("206".to_owned(), whole);
        responses.extend(errors(&[416]));
    }
    responses.into()
}

fn with_errors(success: Value, further: &[u16]) -> Map<String, Value> {
    let mut responses = errors(&[400, 401, 403, 404, 409, 429, 502, 503, 504]);
    responses.extend(errors(further));
    responses.insert("200".to_owned(), success);
    responses
}

/// How a request that carries a body can be refused besides: it comes too slowly, is too large, or of the wrong type.
pub(super) const OF_BODIES: &[u16] = &[408, 413, 415];

/// What these statuses mean, all with the one error body.
pub(super) fn errors(statuses: &[u16]) -> Map<String, Value> {
    let error = |status: &u16| {
        let description = match status {
            401 => "Credentials are missing or wrong, or the instance has to be connected anew",
            403 => "The instance is disabled, or the provider does not allow it",
            404 => "Nothing is there",
            408 => "The request's body did not arrive in time",
            409 => "It is in the way of something that is there",
            413 => "The request's body is larger than the limit",
            415 => "The request's body is of another type than the declared one",
            416 => "The file has none of the bytes that Range asks for",
            429 => "A request limit is used up; Retry-After says for how long",
            502 => "The provider failed",
            503 => "Not just now: too many calls, a provider that is down; Retry-After says for how long",
            504 => "The provider did not answer in time",
            _ => "The call is wrong, or the element cannot do it; the message says which",
        };
        let content = json!({"application/json": {"schema": reference("error")}});
        (status.to_string(), json!({"description": description, "content": content}))
    };
    statuses.iter().map(error).collect()
}
