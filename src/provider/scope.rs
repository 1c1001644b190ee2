//! What the templates of a call can refer to.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::{
    Connection, Invocation,
    rare::{Empty, Rare},
};
use crate::{
    catalog::Operation,
    error::{Error, Result},
    mapping::{Naming, Root, Scope, time},
};

/// A place in a provider's tree, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: Option<String>,
    pub(super) path: Option<String>,
    pub(super) name: Option<String>,
    pub(super) parent_id: Option<String>,
    pub(super) parent_path: Option<String>,
    pub(super) kind: Option<&'static str>,
    /// What the provider is told: its id, or a path, or one of its own references.
    pub(super) reference: Option<String>,
}

impl Empty for Place {
    fn empty() -> &'static Self {
        static NOWHERE: Place =
            Place { id: None, path: None, name: None, parent_id: None, parent_path: None, kind: None, reference: None };
        &NOWHERE
    }
}

impl Place {
    fn value(&self, key: &str) -> Option<Value> {
        let text = match key {
            "id" => self.id.as_deref(),
            "path" => self.path.as_deref(),
            "name" => self.name.as_deref(),
            "parentId" => self.parent_id.as_deref(),
            "parentPath" => self.parent_path.as_deref(),
            "kind" => self.kind,
            "ref" => self.reference.as_deref(),
            _ => None,
        };
        text.map(|text| Value::String(text.to_owned()))
    }
}

/// A name that is no path.
pub(super) fn single_name(name: Option<&str>) -> Result<Option<&str>> {
    match name.filter(|name| name.contains('/')) {
        Some(name) => Err(Error::bad_request(format!("`{name}` is not a name: it holds a /"))
            .with_detail("/name", "should be a single name; use `path` to move")),
        None => Ok(name),
    }
}

/// What of a call that is only explained nobody knows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Open {
    /// What of the target was not told.
    pub(super) target: bool,
    /// What of the destination was not told.
    pub(super) destination: bool,
    /// Where the page begins.
    pub(super) cursor: bool,
    /// The fields wanted.
    pub(super) fields: bool,
}

/// Provider's names of fields, a list of texts.
#[derive(Clone)]
pub(super) enum Names {
    /// All of the operation's plan, and nothing besides: the same for most of its calls.
    Own(Arc<Value>),
    Other(Box<Value>),
}

impl Names {
    /// Those of what one field is read from.
    pub(super) fn of(column: Option<&String>) -> Self {
        Self::Other(Box::new(column.into_iter().cloned().map(Value::String).collect()))
    }

    /// The plan's, if it is those.
    pub(super) fn own(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Own(names) => Some(names),
            Self::Other(_) => None,
        }
    }

    fn value(&self) -> &Value {
        match self {
            Self::Own(names) => names,
            Self::Other(names) => names,
        }
    }
}

/// What a secret is shown as.
pub(super) const MASK: &str = "***";

/// What is made for one uniform call, once and only where it is asked for: most calls need none of it.
#[derive(Default)]
pub(super) struct Made {
    unique: OnceLock<Value>,
    now: OnceLock<Value>,
}

impl Made {
    fn unique(&self, instance_id: i64) -> &Value {
        self.unique.get_or_init(|| {
            let mut random = [0_u8; 8];
            // Without randomness the name is merely less unlikely to be taken.
            if getrandom::fill(&mut random).is_err() {
                random = instance_id.to_be_bytes();
            }
            Value::String(hex::encode(random))
        })
    }

    fn now(&self) -> &Value {
        self.now.get_or_init(|| Value::String(time::rfc3339(chrono::Utc::now())))
    }
}

/// The scope of one uniform call.
#[derive(Clone)]
pub(super) struct CallScope<'a> {
    connection: &'a Connection,
    path: &'a [(String, String)],
    query: Option<&'a Map<String, Value>>,
    headers: Option<&'a Map<String, Value>>,
    body: &'a Value,
    pub(super) record: Rare<Value>,
    pub(super) target: Rare<Place>,
    pub(super) destination: Rare<Place>,
    pub(super) page: Rare<Map<String, Value>>,
    pub(super) filter: Option<Box<Value>>,
    pub(super) order: Option<Box<Value>>,
    pub(super) select: Option<Names>,
    pub(super) members: Option<Names>,
    pub(super) object: Option<Value>,
    pub(super) steps: Rare<Map<String, Value>>,
    pub(super) lookup: Rare<Map<String, Value>>,
    pub(super) item: Option<Box<Value>>,
    pub(super) walk: Rare<Map<String, Value>>,
    pub(super) file: Rare<Map<String, Value>>,
    pub(super) session: Rare<Value>,
    pub(super) chunk: Rare<Map<String, Value>>,
    pub(super) answer: Rare<Value>,
    pub(super) parts: Rare<Value>,
    pub(super) folder: Rare<Map<String, Value>>,
    pub(super) reference: Option<Box<Value>>,
    /// Whether nothing is asked of the provider: what it would tell stays open.
    pub(super) open: Option<Open>,
    pub(super) made: Arc<Made>,
}

impl<'a> CallScope<'a> {
    /// The scope of a call that belongs to no uniform call.
    pub(super) fn bare(connection: &'a Connection) -> Self {
        Self {
            connection,
            path: &[],
            query: None,
            headers: None,
            body: Value::empty(),
            record: Rare::default(),
            target: Rare::default(),
            destination: Rare::default(),
            page: Rare::default(),
            filter: None,
            order: None,
            select: None,
            members: None,
            object: None,
            steps: Rare::default(),
            lookup: Rare::default(),
            item: None,
            walk: Rare::default(),
            file: Rare::default(),
            session: Rare::default(),
            chunk: Rare::default(),
            answer: Rare::default(),
            parts: Rare::default(),
            folder: Rare::default(),
            reference: None,
            open: None,
            made: Arc::default(),
        }
    }

    /// A scope of its own for one of several calls.
    pub(super) fn fork(&self) -> Self {
        self.clone()
    }

    /// Puts what `name` says of the fields wanted where templates of `operation` look for it.
    pub(super) fn name_fields(&mut self, operation: &Operation, name: impl Fn(Naming) -> Result<Names>) -> Result<()> {
        if operation.needs(Root::Select, "") {
            self.select = Some(name(Naming::Columns)?);
        }
        if operation.needs(Root::Members, "") {
            self.members = Some(name(Naming::Members)?);
        }
        Ok(())
    }

    /// The scope of `invocation`.
    pub(super) fn new(connection: &'a Connection, invocation: &'a Invocation) -> Self {
        Self {
            path: &invocation.path,
            query: Some(&invocation.query),
            headers: Some(&invocation.headers),
            body: &invocation.body,
            ..Self::bare(connection)
        }
    }
}

impl Scope for CallScope<'_> {
    fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>> {
        let owned = |value: Value| Some(Cow::Owned(value));
        match root {
            Root::Config => self.connection.configuration.get(key).map(Cow::Borrowed),
            Root::Secret if self.open.is_some() => {
                self.connection.secrets.get(key).and_then(|_| owned(Value::String(MASK.to_owned())))
            }
            Root::Secret => owned(Value::String(self.connection.secrets.get(key)?.expose_secret().to_owned())),
            Root::Path => {
                owned(Value::String(self.path.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())?))
            }
            Root::Query => self.query?.get(key).map(Cow::Borrowed),
            Root::Header => self.headers?.get(key).map(Cow::Borrowed),
            Root::Body => Some(Cow::Borrowed(self.body)),
            Root::Record => Some(Cow::Borrowed(&self.record)),
            Root::Target => self.target.value(key).map(Cow::Owned),
            Root::Destination => self.destination.value(key).map(Cow::Owned),
            Root::Page => self.page.get(key).map(Cow::Borrowed),
            Root::Where => self.filter.as_deref().map(Cow::Borrowed),
            Root::OrderBy => self.order.as_deref().map(Cow::Borrowed),
            Root::Select => self.select.as_ref().map(|names| Cow::Borrowed(names.value())),
            Root::Members => self.members.as_ref().map(|names| Cow::Borrowed(names.value())),
            Root::Object => self.object.as_ref().map(Cow::Borrowed),
            Root::Walk => self.walk.get(key).map(Cow::Borrowed),
            Root::Steps => self.steps.get(key).map(Cow::Borrowed),
            Root::Lookup => self.lookup.get(key).map(Cow::Borrowed),
            Root::Item => self.item.as_deref().map(Cow::Borrowed),
            Root::File => self.file.get(key).map(Cow::Borrowed),
            Root::Session => Some(Cow::Borrowed(&self.session)),
            Root::Chunk => self.chunk.get(key).map(Cow::Borrowed),
            Root::Answer => Some(Cow::Borrowed(&self.answer)),
            Root::Parts => Some(Cow::Borrowed(&self.parts)),
            Root::Folder => self.folder.get(key).map(Cow::Borrowed),
            Root::Ref => self.reference.as_deref().map(Cow::Borrowed),
            Root::Unique => Some(Cow::Borrowed(self.made.unique(self.connection.instance_id))),
            Root::Now => Some(Cow::Borrowed(self.made.now())),
        }
    }

    fn is_open(&self, root: Root, key: &str) -> bool {
        let Some(open) = self.open else { return false };
        match root {
            Root::Steps => !self.steps.contains_key(key),
            Root::Lookup => !self.lookup.contains_key(key),
            Root::Walk => !self.walk.contains_key(key),
            Root::Target => open.target && self.target.value(key).is_none(),
            Root::Destination => open.destination && self.destination.value(key).is_none(),
            Root::Page => open.cursor && key == "cursor",
            Root::Select => open.fields && self.select.is_none(),
            Root::Members => open.fields && self.members.is_none(),
            Root::Item => self.item.is_none(),
            Root::File => !self.file.contains_key(key),
            Root::Session => self.session.is_null(),
            Root::Chunk => !self.chunk.contains_key(key),
            Root::Answer => self.answer.is_null(),
            Root::Parts => self.parts.is_null(),
            Root::Folder => !self.folder.contains_key(key),
            Root::Ref => self.reference.is_none(),
            Root::Unique => true,
            Root::Config
            | Root::Secret
            | Root::Path
            | Root::Query
            | Root::Header
            | Root::Body
            | Root::Record
            | Root::Where
            | Root::OrderBy
            | Root::Object
            | Root::Now => false,
        }
    }
}
