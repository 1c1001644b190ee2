//! Templates: texts and JSON values with `{references}` into what is known about a call.

use std::borrow::Cow;

use serde_json::{Map, Value};

use self::filter::Filter;
use super::{ApplyError, CompileError, Path, codec::plain, path::Step};

mod filter;

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
    /// The top members of the provider's record that the fields wanted are read from.
    Members,
    /// Answers of earlier steps, by name.
    Steps,
    /// What the element's lookups found, by name.
    Lookup,
    /// In a call that completes an item of a list: that item.
    Item,
    /// What a walk is at: `folder`, `item`, `items`, `rest`.
    Walk,
    /// The uploaded file: `size`, `contentType`; once it has been sent in parts its hashes.
    File,
    /// In upload sessions: the answer that opened the session.
    Session,
    /// In upload sessions: the part at hand.
    Chunk,
    /// In upload sessions: the answer to the part.
    Answer,
    /// In upload sessions: what was kept of the parts' answers.
    Parts,
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
    ("members", Root::Members),
    ("object", Root::Object),
    ("steps", Root::Steps),
    ("lookup", Root::Lookup),
    ("item", Root::Item),
    ("walk", Root::Walk),
    ("file", Root::File),
    ("session", Root::Session),
    ("chunk", Root::Chunk),
    ("answer", Root::Answer),
    ("parts", Root::Parts),
    ("folder", Root::Folder),
    ("ref", Root::Ref),
    ("unique", Root::Unique),
    ("now", Root::Now),
];

/// Gives values to references.
pub trait Scope {
    /// The value under `root`; `key` is the first member for keyed roots, otherwise empty.
    fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>>;

    /// Whether nobody can say yet what is under `root`; a reference to it then stands for itself, in its braces.
    fn is_open(&self, _root: Root, _key: &str) -> bool {
        false
    }
}

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
            Root::Steps
            | Root::Walk
            | Root::Lookup
            | Root::Target
            | Root::Destination
            | Root::Page
            | Root::File
            | Root::Chunk
            | Root::Folder => {
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
        let filters = parts.map(|filter| Filter::compile(filter, source)).collect::<Result<_, _>>()?;
        Ok(Self { root, key, path, optional, filters, source: source.to_owned() })
    }

    /// Its value in `scope`; `None` when it is absent or null.
    pub fn value<'s>(&self, scope: &'s dyn Scope) -> Option<Cow<'s, Value>> {
        if self.is_open(scope) {
            return Some(Cow::Owned(Value::String(self.placeholder())));
        }
        let found = match scope.value(self.root, &self.key) {
            Some(Cow::Borrowed(root)) => self.path.get(root).map(Cow::Borrowed),
            Some(Cow::Owned(root)) if self.path.is_root() => Some(Cow::Owned(root)),
            Some(Cow::Owned(root)) => self.path.get(&root).cloned().map(Cow::Owned),
            None => None,
        };
        let mut value = found.filter(|value| !value.is_null());
        for filter in &self.filters {
            value = filter.apply(value);
        }
        value
    }

    /// Its value encoded for the path of a URL: one segment, or with the filter `segments` one for each part between
    /// slashes, each with a slash before it.
    fn encoded(
        &self,
        value: &Value,
        encode: &dyn Fn(&str) -> Result<String, ApplyError>,
    ) -> Result<String, ApplyError> {
        let text = plain(value);
        // Its own filter has encoded it already.
        if self.filters.last() == Some(&Filter::EncodedPath) {
            return Ok(text.into_owned());
        }
        if !self.filters.contains(&Filter::Segments) {
            return encode(&text);
        }
        let parts = text.split('/').filter(|part| !part.is_empty());
        parts.map(|part| encode(part).map(|part| format!("/{part}"))).collect()
    }

    /// The parameter, or the member of the body, that it is and nothing else.
    pub(super) fn given(&self) -> Option<&str> {
        match (self.root, self.path.steps()) {
            _ if !self.filters.is_empty() => None,
            (Root::Query | Root::Header, _) => Some(&self.key),
            (Root::Body, Some([Step::Key(member)])) => Some(member),
            _ => None,
        }
    }

    /// Whether its value is not known yet.
    pub fn is_open(&self, scope: &dyn Scope) -> bool {
        scope.is_open(self.root, &self.key)
    }

    /// What stands for it while its value is not known.
    pub fn placeholder(&self) -> String {
        format!("{{{}}}", self.source())
    }

    /// The inside of its braces, without the mark of what may be absent.
    pub(super) fn source(&self) -> String {
        let (head, filters) = self.source.find('|').map_or((self.source.as_str(), ""), |at| self.source.split_at(at));
        format!("{}{filters}", head.trim().trim_end_matches('?'))
    }

    /// Whether its absence is a mistake.
    pub fn is_required(&self) -> bool {
        !self.optional && !self.filters.iter().any(|filter| matches!(filter, Filter::Default(_)))
    }

    fn required<'s>(&self, scope: &'s dyn Scope) -> Result<Option<Cow<'s, Value>>, ApplyError> {
        match self.value(scope) {
            None if !self.optional => Err(ApplyError::new(format!("`{}` is missing", self.source))),
            value => Ok(value),
        }
    }
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
                    Some(value) => text.push_str(&plain(&value)),
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
                    Some(value) => text.push_str(&reference.encoded(&value, encode)?),
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
    /// An object; a member whose value is absent is left out. The members of what [`SPREAD`] names come first.
    Object(Vec<(String, Self)>),
}

/// The member of an object template in whose place the members of its value are put.
const SPREAD: &str = "...";

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
        self.value(scope).map(|value| value.map(Cow::into_owned))
    }

    /// As [`Self::render`], without a copy of what is there already.
    ///
    /// # Errors
    /// When a required reference is absent.
    pub fn value<'s>(&'s self, scope: &'s dyn Scope) -> Result<Option<Cow<'s, Value>>, ApplyError> {
        Ok(match self {
            Self::Literal(value) => Some(Cow::Borrowed(value)),
            Self::Reference(reference) => reference.required(scope)?,
            Self::Text(template) => template.render(scope)?.map(|text| Cow::Owned(Value::String(text))),
            Self::Array(items) => {
                let mut rendered = Vec::with_capacity(items.len());
                for item in items {
                    rendered.extend(item.render(scope)?);
                }
                Some(Cow::Owned(Value::Array(rendered)))
            }
            Self::Object(members) => object(members, scope)?.map(|object| Cow::Owned(Value::Object(object))),
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

/// The members that are there; `None` when none of them is, for then the object is left out itself.
fn object(members: &[(String, ValueTemplate)], scope: &dyn Scope) -> Result<Option<Map<String, Value>>, ApplyError> {
    let mut rendered = Map::new();
    if let Some((_, template)) = members.iter().find(|(key, _)| key == SPREAD)
        && let Some(spread) = template.render(scope)?
    {
        if spread.is_string() && template.is_open(scope) {
            rendered.insert(SPREAD.to_owned(), spread.clone());
        }
        let all = if let Value::Array(all) = spread { all } else { vec![spread] };
        for one in all {
            if let Value::Object(one) = one {
                rendered.extend(one);
            }
        }
    }
    for (key, member) in members.iter().filter(|(key, _)| key != SPREAD) {
        if let Some(value) = member.render(scope)? {
            rendered.insert(key.clone(), value);
        }
    }
    Ok((!rendered.is_empty() || members.is_empty()).then_some(rendered))
}

#[cfg(test)]
mod tests;
