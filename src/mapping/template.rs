//! Templates: texts and JSON values with `{references}` into what is known about a call.

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::{Map, Value};

use super::{ApplyError, CompileError, Path, codec, codec::scalar_text, time};

/// Where a reference looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    /// The instance's configuration, the element's defaults included.
    Config,
    /// The instance's secret configuration.
    Secret,
    /// A `{name}` of the uniform path.
    Path,
    /// A parameter of the uniform call.
    Query,
    /// A header parameter of the uniform call.
    Header,
    /// The uniform request body.
    Body,
    /// The provider-shaped record made from the body by the field lines.
    Record,
    /// What the call is about: `id`, `path`, `name`, `parentId`, `parentPath`, `kind`.
    Target,
    /// Where it goes: the same members.
    Destination,
    /// Paging: `size`, `cursor`, `offset`, `number`.
    Page,
    /// The rendered filter.
    Where,
    /// The rendered order.
    OrderBy,
    /// The provider's names of the fields wanted.
    Select,
    /// The provider's name of the object.
    Object,
    /// Answers of earlier steps, by name.
    Steps,
    /// The uploaded file: `size`, `contentType`, `name`.
    File,
    /// In addressing calls: the folder at hand (`id`, `name`).
    Folder,
    /// In addressing calls: the reference to resolve.
    Ref,
    /// A random text, the same throughout one call.
    Unique,
    /// The time of the call, RFC 3339.
    Now,
}

const ROOTS: &[(&str, Root)] = &[
    ("config", Root::Config),
    ("secret", Root::Secret),
    ("path", Root::Path),
    ("query", Root::Query),
    ("header", Root::Header),
    ("body", Root::Body),
    ("record", Root::Record),
    ("target", Root::Target),
    ("destination", Root::Destination),
    ("page", Root::Page),
    ("where", Root::Where),
    ("orderBy", Root::OrderBy),
    ("select", Root::Select),
    ("object", Root::Object),
    ("steps", Root::Steps),
    ("file", Root::File),
    ("folder", Root::Folder),
    ("ref", Root::Ref),
    ("unique", Root::Unique),
    ("now", Root::Now),
];

/// Gives values to references.
pub trait Scope {
    /// The value under `root`; `key` is the first member for keyed roots, otherwise empty.
    fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>>;
}

/// A one-way conversion at the end of a reference: `{query.tags|csv}`.
#[derive(Debug, Clone, PartialEq)]
enum Filter {
    Csv,
    Json,
    Text,
    Integer,
    Lower,
    Upper,
    Base64,
    Rootless,
    DateTime,
    Default(Value),
    Before(String),
}

const FILTERS: &[&str] =
    &["csv", "json", "text", "integer", "lower", "upper", "base64", "rootless", "datetime", "default:…", "before:…"];

/// A compiled reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Where it looks.
    pub root: Root,
    /// The first member, for keyed roots.
    pub key: String,
    /// The rest.
    path: Path,
    /// Whether its absence is no mistake: what holds it is left out.
    pub optional: bool,
    filters: Vec<Filter>,
    source: String,
}

impl Reference {
    /// Compiles the inside of the braces.
    ///
    /// # Errors
    /// When root, path or filter are unknown.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        let mut parts = source.split('|');
        let head = parts.next().unwrap_or_default().trim();
        let (head, optional) = head.strip_suffix('?').map_or((head, false), |head| (head, true));
        let (root, rest) = match head.find(['.', '[']) {
            Some(at) => head.split_at(at),
            None => (head, ""),
        };
        let root = ROOTS.iter().find(|(word, _)| *word == root).map(|(_, root)| *root).ok_or_else(|| {
            let known: Vec<&str> = ROOTS.iter().map(|(word, _)| *word).collect();
            CompileError::new(format!("`{{{source}}}`: unknown reference `{root}`"))
                .hint(format!("known: {}; write {{{{ for a brace", known.join(", ")))
        })?;
        let (key, path) = match root {
            Root::Config | Root::Secret | Root::Path | Root::Query | Root::Header => {
                let key = rest.strip_prefix('.').unwrap_or_default();
                if key.is_empty() {
                    return Err(CompileError::new(format!("`{{{source}}}` needs a name after the dot")));
                }
                (key.to_owned(), Path::root())
            }
            Root::Steps | Root::Target | Root::Destination | Root::Page | Root::File | Root::Folder => {
                let rest = rest.strip_prefix('.').unwrap_or_default();
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let (key, rest) = rest.split_at(end);
                if key.is_empty() {
                    return Err(CompileError::new(format!("`{{{source}}}` needs a name after the dot")));
                }
                (key.to_owned(), Path::compile(&format!("${rest}"))?)
            }
            _ => (String::new(), Path::compile(&format!("${rest}"))?),
        };
        let filters = parts.map(|filter| compile_filter(filter, source)).collect::<Result<_, _>>()?;
        Ok(Self { root, key, path, optional, filters, source: source.to_owned() })
    }

    /// Its value in `scope`; `None` when it is absent or null.
    pub fn value(&self, scope: &dyn Scope) -> Option<Value> {
        let found = scope.value(self.root, &self.key);
        let mut value = found.as_deref().and_then(|root| self.path.get(root)).filter(|value| !value.is_null()).cloned();
        for filter in &self.filters {
            value = apply(filter, value);
        }
        value
    }

    fn required(&self, scope: &dyn Scope) -> Result<Option<Value>, ApplyError> {
        match self.value(scope) {
            None if !self.optional => Err(ApplyError::new(format!("`{}` is missing", self.source))),
            value => Ok(value),
        }
    }
}

fn compile_filter(filter: &str, source: &str) -> Result<Filter, CompileError> {
    // What stands before a value is taken with its blanks.
    if let Some(text) = filter.trim_start().strip_prefix("before:") {
        return Ok(Filter::Before(text.to_owned()));
    }
    let filter = filter.trim();
    Ok(match filter {
        "csv" => Filter::Csv,
        "json" => Filter::Json,
        "text" => Filter::Text,
        "integer" => Filter::Integer,
        "lower" => Filter::Lower,
        "upper" => Filter::Upper,
        "base64" => Filter::Base64,
        "rootless" => Filter::Rootless,
        "datetime" => Filter::DateTime,
        _ => match filter.strip_prefix("default:") {
            Some(text) => {
                Filter::Default(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
            }
            None => {
                return Err(CompileError::new(format!("`{{{source}}}`: unknown filter `{filter}`"))
                    .hint(format!("known: {}", FILTERS.join(", "))));
            }
        },
    })
}

fn apply(filter: &Filter, value: Option<Value>) -> Option<Value> {
    if let Filter::Default(default) = filter {
        return value.or_else(|| Some(default.clone()));
    }
    let value = value?;
    let text = |value: &Value| scalar_text(value).unwrap_or_else(|| value.to_string());
    Some(match filter {
        Filter::Csv => match &value {
            Value::Array(items) => Value::String(items.iter().map(text).collect::<Vec<_>>().join(",")),
            other => Value::String(text(other)),
        },
        Filter::Json => Value::String(value.to_string()),
        Filter::Text => Value::String(text(&value)),
        Filter::Integer => codec::Codec::Integer.read(&value)?,
        Filter::Lower => Value::String(text(&value).to_lowercase()),
        Filter::Upper => Value::String(text(&value).to_uppercase()),
        Filter::Base64 => Value::String(base64::engine::general_purpose::STANDARD.encode(text(&value))),
        Filter::Rootless => Value::String(match text(&value).as_str() {
            "/" => String::new(),
            path => path.to_owned(),
        }),
        Filter::DateTime => Value::String(time::rfc3339(time::parse(&value)?)),
        Filter::Before(before) => Value::String(format!("{before}{}", text(&value))),
        Filter::Default(_) => value,
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(String),
    Reference(Reference),
}

/// A text with references.
#[derive(Debug, Clone, PartialEq)]
pub struct TextTemplate {
    parts: Vec<Part>,
}

impl TextTemplate {
    /// Compiles a text; `{{` and `}}` stand for single braces.
    ///
    /// # Errors
    /// When a brace is not closed or a reference is wrong.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(after) = from.strip_prefix('{') {
                let Some((inside, after)) = after.split_once('}') else {
                    return Err(
                        CompileError::new(format!("`{source}`: a brace is not closed")).hint("write {{ for a brace")
                    );
                };
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Reference(Reference::compile(inside)?));
                rest = after;
            } else {
                return Err(CompileError::new(format!("`{source}`: a closing brace without an opening one"))
                    .hint("write }} for a brace"));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// Its references.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Literal(_) => None,
        })
    }

    /// The text in `scope`; `None` when an optional reference is absent.
    ///
    /// # Errors
    /// When a required reference is absent.
    pub fn render(&self, scope: &dyn Scope) -> Result<Option<String>, ApplyError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Reference(reference) => match reference.required(scope)? {
                    None => return Ok(None),
                    Some(value) => text.push_str(&scalar_text(&value).unwrap_or_else(|| value.to_string())),
                },
            }
        }
        Ok(Some(text))
    }

    /// Like [`Self::render`], with `encode` run over each value, so that no value can change the text's structure.
    ///
    /// # Errors
    /// When a required reference is absent or `encode` refuses a value.
    pub fn render_encoded(
        &self,
        scope: &dyn Scope,
        encode: &dyn Fn(&str) -> Result<String, ApplyError>,
    ) -> Result<Option<String>, ApplyError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Reference(reference) => match reference.required(scope)? {
                    None => return Ok(None),
                    Some(value) => text.push_str(&encode(&scalar_text(&value).unwrap_or_else(|| value.to_string()))?),
                },
            }
        }
        Ok(Some(text))
    }

    fn single_reference(&self) -> Option<&Reference> {
        match self.parts.as_slice() {
            [Part::Reference(reference)] => Some(reference),
            _ => None,
        }
    }
}

/// A JSON value with references in its texts.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueTemplate {
    /// A value without references.
    Literal(Value),
    /// One reference, its value in its own type.
    Reference(Reference),
    /// A text with references.
    Text(TextTemplate),
    /// A list.
    Array(Vec<Self>),
    /// An object; a member whose value is absent is left out.
    Object(Vec<(String, Self)>),
}

impl ValueTemplate {
    /// Compiles a value.
    ///
    /// # Errors
    /// As [`TextTemplate::compile`], with the place below the value.
    pub fn compile(value: &Value) -> Result<Self, CompileError> {
        Ok(match value {
            Value::String(source) => {
                let template = TextTemplate::compile(source)?;
                if let Some(reference) = template.single_reference() {
                    Self::Reference(reference.clone())
                } else if template.references().next().is_some() {
                    Self::Text(template)
                } else {
                    Self::Literal(Value::String(template.parts.first().map_or_else(String::new, |part| match part {
                        Part::Literal(text) => text.clone(),
                        Part::Reference(_) => String::new(),
                    })))
                }
            }
            Value::Array(items) => Self::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Self::compile(item).map_err(|error| error.below(&index.to_string())))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(key, member)| Ok((key.clone(), Self::compile(member).map_err(|error| error.below(key))?)))
                    .collect::<Result<_, CompileError>>()?,
            ),
            other => Self::Literal(other.clone()),
        })
    }

    /// The value in `scope`; `None` when it is an optional reference and absent, or an object of nothing but such.
    ///
    /// # Errors
    /// When a required reference is absent.
    pub fn render(&self, scope: &dyn Scope) -> Result<Option<Value>, ApplyError> {
        Ok(match self {
            Self::Literal(value) => Some(value.clone()),
            Self::Reference(reference) => reference.required(scope)?,
            Self::Text(template) => template.render(scope)?.map(Value::String),
            Self::Array(items) => {
                let mut rendered = Vec::with_capacity(items.len());
                for item in items {
                    rendered.extend(item.render(scope)?);
                }
                Some(Value::Array(rendered))
            }
            Self::Object(members) => {
                let mut rendered = Map::new();
                for (key, member) in members {
                    if let Some(value) = member.render(scope)? {
                        rendered.insert(key.clone(), value);
                    }
                }
                // An object of which nothing is left is left out itself.
                (!rendered.is_empty() || members.is_empty()).then_some(Value::Object(rendered))
            }
        })
    }

    /// Calls `visit` with every reference.
    pub fn visit(&self, visit: &mut dyn FnMut(&Reference)) {
        match self {
            Self::Literal(_) => {}
            Self::Reference(reference) => visit(reference),
            Self::Text(template) => template.references().for_each(visit),
            Self::Array(items) => items.iter().for_each(|item| item.visit(visit)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.visit(visit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Fixed;
    impl Scope for Fixed {
        fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>> {
            let value = match (root, key) {
                (Root::Config, "base.url") => json!("https://x"),
                (Root::Steps, "created") => json!({"id": 7, ".tag": "file"}),
                (Root::Query, "tags") => json!(["a", "b"]),
                (Root::Target, "path") => json!("/"),
                _ => return None,
            };
            Some(Cow::Owned(value))
        }
    }

    #[test]
    fn renders_typed_values_and_leaves_out_what_is_absent() {
        let template = ValueTemplate::compile(&json!({
            "id": "{steps.created.id}", "tag": "{steps.created['.tag']}", "url": "{config.base.url}/v{{1}}",
            "tags": "{query.tags|csv}", "gone": "{query.limit?}", "five": "{query.limit|default:5}", "root": "{target.path|rootless}",
        }))
        .unwrap();
        assert_eq!(
            template.render(&Fixed).unwrap().unwrap(),
            json!({"id": 7, "tag": "file", "url": "https://x/v{1}", "tags": "a,b", "five": 5, "root": ""})
        );
        let clause =
            TextTemplate::compile("q{config.base.url|before: AT }{query.limit|before: LIMIT |default:}").unwrap();
        assert_eq!(clause.render(&Fixed).unwrap().unwrap(), "q AT https://x");
        let required = TextTemplate::compile("{query.limit}").unwrap();
        assert_eq!(required.render(&Fixed).unwrap_err().message, "`query.limit` is missing");
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let error = ValueTemplate::compile(&json!({"a": ["{qery.x}"]})).unwrap_err();
        assert_eq!(error.pointer, "/a/0");
        assert!(error.hint.unwrap().contains("query"));
        assert!(TextTemplate::compile("{query.x").is_err());
        assert!(TextTemplate::compile("{query.x|nope}").is_err());
    }
}
