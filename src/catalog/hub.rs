//! The uniform contract of one hub: its models, resources, operations and parameters.

use std::{collections::BTreeMap, sync::Arc};

use super::read::Node;

/// The type of a model's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// true or false.
    Boolean,
    /// A point in time given as epoch milliseconds, or as RFC 3339 when the caller asks for `isoDates=true`.
    Timestamp,
    /// A point in time given as an RFC 3339 string.
    DateTime,
    /// A calendar date, `2024-01-31`.
    Date,
    /// A list of strings.
    List,
    /// An open map.
    Map,
}

const FIELD_KINDS: &[(&str, FieldKind)] = &[
    ("text", FieldKind::Text),
    ("integer", FieldKind::Integer),
    ("number", FieldKind::Number),
    ("boolean", FieldKind::Boolean),
    ("timestamp", FieldKind::Timestamp),
    ("datetime", FieldKind::DateTime),
    ("date", FieldKind::Date),
    ("list", FieldKind::List),
    ("map", FieldKind::Map),
];

impl FieldKind {
    /// The word for it in hub files.
    pub fn word(self) -> &'static str {
        FIELD_KINDS.iter().find(|(_, kind)| *kind == self).map_or("text", |(word, _)| word)
    }
}

/// One field of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The uniform name; dots make nested objects.
    pub name: String,
    /// Its type.
    pub kind: FieldKind,
    /// Whether callers may not write it.
    pub read_only: bool,
    /// Whether the gateway itself makes it, so that elements need no line for it.
    pub computed: bool,
    /// Whether it only serves filters and is never answered.
    pub hidden: bool,
    /// Whether an element that has no place for it need not say so.
    pub optional: bool,
    /// What it is.
    pub description: String,
}

/// The shape of a uniform record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its fields, in the order they are answered.
    pub fields: Vec<Field>,
}

impl Model {
    /// The field with this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Where a parameter is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// The query string.
    Query,
    /// A request header.
    Header,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Any string.
    Text,
    /// A whole number.
    Integer,
    /// true or false (any case).
    Boolean,
    /// Strings, comma-separated or repeated.
    List,
    /// An absolute path of the documents kind.
    Path,
    /// A calendar date or RFC 3339 time.
    Date,
}

/// One parameter of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub location: Location,
    /// Its type.
    pub kind: ParameterKind,
    /// Whether the call fails without it.
    pub required: bool,
    /// The allowed values (compared without case); empty for any.
    pub values: Vec<String>,
    /// What it does.
    pub description: String,
    /// What the caller of a wrong value is told instead of the usual words.
    pub message: Option<String>,
    /// A filter that this parameter means, with `{}` for its value: `createdDate >= {}`.
    pub filter: Option<String>,
    /// It is true, where it is not given, when a filter, an order or the fields wanted name this field.
    pub implied_by: Option<String>,
}

/// What an operation reads from the request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// Nothing.
    None,
    /// A uniform record of the resource's model.
    Record,
    /// A multipart form with a part that is streamed to the provider.
    Upload {
        /// The part's name.
        part: String,
    },
    /// A JSON object with these members: (name, required).
    Object(Vec<(String, bool)>),
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerKind {
    /// One record of a model.
    Record(String),
    /// A page of records of a model.
    List(String),
    /// A file's bytes.
    File,
    /// Nothing.
    Empty,
}

/// What a `path` or `{id}` of an operation points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Either.
    Any,
}

/// Where an operation's target comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// Whether it is named by the body's `path` instead of the query's.
    pub in_body: bool,
    /// Whether the operation works without one.
    pub optional: bool,
}

/// The parent that stands for every object of the provider.
pub const ANY_PARENT: &str = "*";

/// A path of an operation below a parent record: `/accounts/{parentId}/notes/{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested {
    /// The resource the parent is a record of; [`ANY_PARENT`] for any object, which the path then names as `{parent}`.
    pub parent: String,
    /// The path, with `{parentId}` for the parent.
    pub path: String,
}

/// One verb on one resource of a hub.
#[derive(Debug, Clone, PartialEq)]
pub struct HubOperation {
    /// The resource.
    pub resource: String,
    /// The verb's name: `list`, `get`, `upload`, …
    pub name: String,
    /// The HTTP method, in capitals.
    pub method: String,
    /// Further methods that mean the same.
    pub aliases: Vec<String>,
    /// The paths below the hub, each with `{name}` placeholders.
    pub paths: Vec<String>,
    /// The paths below records that such a record belongs to.
    pub nested: Vec<Nested>,
    /// One line for people.
    pub summary: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// What it reads.
    pub request: RequestKind,
    /// What it answers.
    pub answer: AnswerKind,
    /// What its `path` or `{id}` points at, in hubs whose records live in a tree.
    pub target: Option<Target>,
    /// Whether the body's `path` and `name` say where something goes.
    pub destination: bool,
    /// Whether the provider's own records pass through, in any mode.
    pub native: bool,
    /// Whether a required target path must be given although it is written in the query (by-path forms).
    pub model: Option<String>,
}

impl HubOperation {
    /// `resource.name`, the operation's name in mapping files, keys and metrics.
    pub fn id(&self) -> String {
        [self.resource.as_str(), ".", self.name.as_str()].concat()
    }

    /// All its paths, each with the parent it is below, if it is.
    pub fn all_paths(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let plain = self.paths.iter().map(|path| (path.as_str(), None));
        plain.chain(self.nested.iter().map(|nested| (nested.path.as_str(), Some(nested.parent.as_str()))))
    }

    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        self.method == "GET"
    }
}

/// One resource of a hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its name in paths.
    pub name: String,
    /// The model of its records.
    pub model: Option<String>,
    /// Whether an element that lacks it need not say so.
    pub optional: bool,
    /// The resources whose records such a record can belong to: its operations have paths below them.
    pub parents: Vec<String>,
    /// Its operations.
    pub operations: Vec<Arc<HubOperation>>,
}

impl Resource {
    /// The operation with this name.
    pub fn operation(&self, name: &str) -> Option<&Arc<HubOperation>> {
        self.operations.iter().find(|operation| operation.name == name)
    }
}

/// One hub.
#[derive(Debug, Clone)]
pub struct Hub {
    /// The catalog number.
    pub id: i64,
    /// The key in paths.
    pub key: String,
    /// The name for people.
    pub name: String,
    /// What it covers.
    pub description: String,
    /// Whether an instance may ask for the provider's own records (`response.model: native`).
    pub native: bool,
    /// The parameters that every operation has beside its own.
    pub parameters: Vec<Parameter>,
    /// The models by name.
    pub models: BTreeMap<String, Arc<Model>>,
    /// The resources by name.
    pub resources: BTreeMap<String, Arc<Resource>>,
}

impl Hub {
    /// Reads `hub.json`; resources are added by [`Hub::read_resource`].
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&["id", "key", "name", "description", "native", "parameters", "models", "extends"])?;
        let mut models = BTreeMap::new();
        if let Some(list) = node.get("models") {
            for (name, model) in list.members() {
                models.insert(name.to_owned(), Arc::new(read_model(name, &model)));
            }
        }
        Some(Self {
            id: i64::try_from(node.require("id")?.number()?).unwrap_or(i64::MAX),
            key: node.require_text("key")?,
            name: node.require_text("name")?,
            description: node.require_text("description")?,
            native: node.flag("native", false),
            parameters: read_parameters(node),
            models,
            resources: BTreeMap::new(),
        })
    }

    /// Reads one resource file into this hub.
    pub(super) fn read_resource(&mut self, node: &Node<'_>) -> Option<()> {
        node.object(&["resource", "model", "optional", "parents", "operations"])?;
        let name = node.require_text("resource")?;
        let parents = node.texts("parents");
        let model = node.opt_text("model");
        if let Some(wanted) = &model
            && !self.models.contains_key(wanted)
        {
            let known: Vec<&str> = self.models.keys().map(String::as_str).collect();
            if let Some(place) = node.get("model") {
                place.problem_hint(format!("no model `{wanted}` in this hub"), super::read::nearest(wanted, &known));
            }
        }
        let operations = node.require("operations")?;
        let operations = operations
            .members()
            .iter()
            .filter_map(|(operation, place)| read_operation(&name, operation, model.as_deref(), place))
            .map(|mut operation| {
                let further = self.parameters.iter().filter(|common| {
                    !operation.parameters.iter().any(|own| own.name.eq_ignore_ascii_case(&common.name))
                });
                let further: Vec<Parameter> = further.cloned().collect();
                operation.parameters.extend(further);
                operation.nested = nested(&operation.paths, &parents);
                Arc::new(operation)
            })
            .collect();
        let optional = node.flag("optional", false);
        self.resources.insert(name.clone(), Arc::new(Resource { name, model, optional, parents, operations }));
        Some(())
    }

    /// All operations.
    pub fn operations(&self) -> impl Iterator<Item = &Arc<HubOperation>> {
        self.resources.values().flat_map(|resource| resource.operations.iter())
    }
}

/// The paths of an operation below each of `parents`.
fn nested(paths: &[String], parents: &[String]) -> Vec<Nested> {
    let below = |parent: &String| {
        let place = if parent == ANY_PARENT { "{parent}" } else { parent.as_str() };
        let nested = paths.iter().map(|path| format!("/{place}/{{parentId}}{path}"));
        nested.map(|path| Nested { parent: parent.clone(), path }).collect::<Vec<_>>()
    };
    parents.iter().flat_map(below).collect()
}

fn read_model(name: &str, node: &Node<'_>) -> Model {
    let fields = node
        .members()
        .into_iter()
        .filter_map(|(field, place)| {
            let (kind, detail) =
                if place.value.is_string() { (place.clone(), None) } else { (place.require("type")?, Some(&place)) };
            if let Some(detail) = detail {
                detail.object(&["type", "readOnly", "computed", "hidden", "optional", "description"])?;
            }
            Some(Field {
                name: field.to_owned(),
                kind: kind.word(FIELD_KINDS)?,
                read_only: detail.is_some_and(|detail| detail.flag("readOnly", false)),
                computed: detail.is_some_and(|detail| detail.flag("computed", false)),
                hidden: detail.is_some_and(|detail| detail.flag("hidden", false)),
                optional: detail.is_some_and(|detail| detail.flag("optional", false)),
                description: detail.and_then(|detail| detail.opt_text("description")).unwrap_or_default(),
            })
        })
        .collect();
    Model { name: name.to_owned(), fields }
}

#[derive(Clone, Copy)]
enum Answer {
    Record,
    List,
    File,
    Empty,
}

fn read_operation(resource: &str, name: &str, model: Option<&str>, node: &Node<'_>) -> Option<HubOperation> {
    node.object(&[
        "method",
        "aliases",
        "paths",
        "summary",
        "parameters",
        "request",
        "answer",
        "target",
        "destination",
        "native",
        "model",
    ])?;
    let model = node.opt_text("model").or_else(|| model.map(str::to_owned));
    let of_model = || model.clone().unwrap_or_default();
    let method = node.require("method")?.word(&[
        ("GET", "GET"),
        ("POST", "POST"),
        ("PUT", "PUT"),
        ("PATCH", "PATCH"),
        ("DELETE", "DELETE"),
    ])?;
    let answer = node.require("answer")?.word(&[
        ("record", Answer::Record),
        ("list", Answer::List),
        ("file", Answer::File),
        ("empty", Answer::Empty),
    ])?;
    Some(HubOperation {
        resource: resource.to_owned(),
        name: name.to_owned(),
        method: method.to_owned(),
        aliases: node.texts("aliases"),
        paths: node.texts("paths"),
        nested: Vec::new(),
        summary: node.opt_text("summary").unwrap_or_default(),
        parameters: read_parameters(node),
        request: node.get("request").and_then(|request| read_request(&request)).unwrap_or(RequestKind::None),
        answer: match answer {
            Answer::Record => AnswerKind::Record(of_model()),
            Answer::List => AnswerKind::List(of_model()),
            Answer::File => AnswerKind::File,
            Answer::Empty => AnswerKind::Empty,
        },
        target: node.get("target").and_then(|target| read_target(&target)),
        destination: node.flag("destination", false),
        native: node.flag("native", false),
        model,
    })
}

fn read_target(node: &Node<'_>) -> Option<Target> {
    node.object(&["kind", "in", "optional"])?;
    let kind = node.require("kind")?.word(&[
        ("file", TargetKind::File),
        ("folder", TargetKind::Folder),
        ("any", TargetKind::Any),
    ])?;
    let in_body = node.get("in").and_then(|place| place.word(&[("query", false), ("body", true)])).unwrap_or(false);
    Some(Target { kind, in_body, optional: node.flag("optional", false) })
}

fn read_request(node: &Node<'_>) -> Option<RequestKind> {
    if node.value.is_string() {
        return node.word(&[("record", ())]).map(|()| RequestKind::Record);
    }
    node.object(&["upload", "object"])?;
    if let Some(part) = node.opt_text("upload") {
        return Some(RequestKind::Upload { part });
    }
    let members = node.require("object")?;
    Some(RequestKind::Object(
        members
            .members()
            .into_iter()
            .map(|(name, place)| (name.to_owned(), place.text() == Some("required")))
            .collect(),
    ))
}

fn read_parameters(node: &Node<'_>) -> Vec<Parameter> {
    node.get("parameters").map_or_else(Vec::new, |list| {
        list.members().iter().filter_map(|(parameter, place)| read_parameter(parameter, place)).collect()
    })
}

fn read_parameter(name: &str, node: &Node<'_>) -> Option<Parameter> {
    node.object(&["in", "type", "required", "values", "description", "filter", "impliedBy", "message"])?;
    Some(Parameter {
        name: name.to_owned(),
        location: node
            .get("in")
            .and_then(|place| place.word(&[("query", Location::Query), ("header", Location::Header)]))
            .unwrap_or(Location::Query),
        kind: node
            .get("type")
            .and_then(|kind| {
                kind.word(&[
                    ("text", ParameterKind::Text),
                    ("integer", ParameterKind::Integer),
                    ("boolean", ParameterKind::Boolean),
                    ("list", ParameterKind::List),
                    ("path", ParameterKind::Path),
                    ("date", ParameterKind::Date),
                ])
            })
            .unwrap_or(ParameterKind::Text),
        required: node.flag("required", false),
        values: node.texts("values"),
        description: node.opt_text("description").unwrap_or_default(),
        filter: node.opt_text("filter"),
        implied_by: node.opt_text("impliedBy"),
        message: node.opt_text("message"),
    })
}
