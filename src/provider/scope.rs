//! What the templates of a call can refer to.

use std::borrow::Cow;

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::{Connection, Invocation};
use crate::mapping::{Root, Scope, time};

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

/// The scope of one uniform call.
pub(super) struct CallScope<'a> {
    connection: &'a Connection,
    path: &'a [(String, String)],
    query: Option<&'a Map<String, Value>>,
    headers: Option<&'a Map<String, Value>>,
    body: &'a Value,
    pub(super) record: Value,
    pub(super) target: Place,
    pub(super) destination: Place,
    pub(super) page: Map<String, Value>,
    pub(super) filter: Option<Value>,
    pub(super) order: Option<Value>,
    pub(super) select: Option<Value>,
    pub(super) object: Option<Value>,
    pub(super) steps: Map<String, Value>,
    pub(super) file: Map<String, Value>,
    pub(super) folder: Map<String, Value>,
    pub(super) reference: Option<Value>,
    unique: Value,
    now: Value,
}

static NULL: Value = Value::Null;

impl<'a> CallScope<'a> {
    /// The scope of a call that belongs to no uniform call.
    pub(super) fn bare(connection: &'a Connection) -> Self {
        let mut random = [0_u8; 8];
        // Without randomness the name is merely less unlikely to be taken.
        if getrandom::fill(&mut random).is_err() {
            random = connection.instance_id.to_be_bytes();
        }
        Self {
            connection,
            path: &[],
            query: None,
            headers: None,
            body: &NULL,
            record: Value::Null,
            target: Place::default(),
            destination: Place::default(),
            page: Map::new(),
            filter: None,
            order: None,
            select: None,
            object: None,
            steps: Map::new(),
            file: Map::new(),
            folder: Map::new(),
            reference: None,
            unique: Value::String(hex::encode(random)),
            now: Value::String(time::rfc3339(chrono::Utc::now())),
        }
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
            Root::Where => self.filter.as_ref().map(Cow::Borrowed),
            Root::OrderBy => self.order.as_ref().map(Cow::Borrowed),
            Root::Select => self.select.as_ref().map(Cow::Borrowed),
            Root::Object => self.object.as_ref().map(Cow::Borrowed),
            Root::Steps => self.steps.get(key).map(Cow::Borrowed),
            Root::File => self.file.get(key).map(Cow::Borrowed),
            Root::Folder => self.folder.get(key).map(Cow::Borrowed),
            Root::Ref => self.reference.as_ref().map(Cow::Borrowed),
            Root::Unique => Some(Cow::Borrowed(&self.unique)),
            Root::Now => Some(Cow::Borrowed(&self.now)),
        }
    }
}
