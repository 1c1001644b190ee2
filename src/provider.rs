//! Runs a compiled operation against a provider: builds the calls, follows pages, classifies errors, decodes answers.
//!
//! No type here belongs to one provider; what differs between them is in the compiled [`Operation`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    catalog::{Element, Ids, Operation, Relation},
    error::Result,
    grant::OAuth1,
    query::{Expr, Order},
    upstream::{ByteStream, Transport, url::Queries},
};

mod abandon;
mod ancestors;
mod authorize;
mod begin;
mod capability;
mod complete;
mod decode;
mod describe;
mod explain;
mod filter;
mod list;
mod lookup;
mod multipart;
mod parent;
mod quota;
mod rare;
mod request;
mod run;
mod scope;
mod send;
mod session;
mod sign;
mod sink;
mod steps;
mod tree;
mod upload;
mod wait;
mod walk;

pub use capability::capabilities;
pub use describe::{FieldDescription, ObjectName};

/// An access token and the generation of the grant it belongs to.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub secret: SecretString,
    /// What calls are signed with for it (OAuth 1).
    pub signer: Option<Arc<Signer>>,
    /// The grant's generation.
    pub generation: i64,
}

/// Signs calls with an OAuth 1 token and its secret.
#[derive(Debug)]
pub struct Signer {
    /// The client.
    pub oauth1: OAuth1,
    /// The token's secret.
    pub secret: Option<SecretString>,
}

/// Gives access tokens for one instance.
#[async_trait::async_trait]
pub trait Credentials: Send + Sync {
    /// A token that should still work.
    ///
    /// # Errors
    /// When the grant is dead, or no token can be had before `deadline`.
    async fn token(&self, deadline: Instant) -> Result<Token>;

    /// A token newer than generation `seen`, which the provider refused.
    ///
    /// # Errors
    /// As [`Credentials::token`].
    async fn renew(&self, seen: i64, deadline: Instant) -> Result<Token>;
}

/// What a call needs to know of one instance.
#[derive(Clone)]
pub struct Connection {
    /// The instance.
    pub instance_id: i64,
    /// Its effective configuration: element default < operator < instance; no secrets.
    pub configuration: Map<String, Value>,
    /// Its secret configuration.
    pub secrets: BTreeMap<String, SecretString>,
    /// Its access tokens; for elements without OAuth nothing asks for them.
    pub credentials: Arc<dyn Credentials>,
}

/// A file on its way to the provider.
pub struct Upload {
    /// Its bytes.
    pub stream: ByteStream,
    /// Their number, if the caller told.
    pub size: Option<u64>,
    /// Their number as the length of the request has it, if it ends with the file as senders' forms do.
    pub likely_size: Option<u64>,
    /// Its media type, if the caller told.
    pub content_type: Option<String>,
    /// Sends it in parts of (where the mapping has the say) so many bytes, however small it is: for examples.
    pub parts: Option<u64>,
}

/// Which page of a list is wanted.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// Records wanted.
    pub size: u64,
    /// Where to go on: what an earlier page gave.
    pub position: Option<Position>,
    /// Records to pass over first (`page=n` without a position).
    pub drop: u64,
}

/// A place in a provider's list.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The provider's cursor of the page.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The provider's offset of the page, or ours in a list ordered here.
    #[serde(rename = "o", default)]
    pub offset: u64,
    /// Items of that page to pass over.
    #[serde(rename = "s", default)]
    pub skip: u64,
    /// The page size the provider was asked for.
    #[serde(rename = "p", default)]
    pub page: u64,
}

/// The record that a call is below.
#[derive(Debug, Clone)]
pub struct Parent {
    /// How records belong to it.
    pub relation: Arc<Relation>,
    /// The resource, or the provider's object, that it is a record of.
    pub name: String,
    /// Its id.
    pub id: String,
    /// How its ids compare.
    pub ids: Ids,
}

/// One uniform call, validated.
pub struct Invocation {
    /// What is to be done.
    pub operation: Arc<Operation>,
    /// The names of the path.
    pub path: Vec<(String, String)>,
    /// The record it is below, and how records belong to it.
    pub parent: Option<Parent>,
    /// The parameters, in their types.
    pub query: Map<String, Value>,
    /// The header parameters.
    pub headers: Map<String, Value>,
    /// The body.
    pub body: Value,
    /// Request headers that pass through to a streamed answer (`Range`, `If-Range`).
    pub pass: HeaderMap,
    /// Whether records pass unmapped in both directions.
    pub native: bool,
    /// The uniform fields wanted; empty for all.
    pub fields: Vec<String>,
    /// The filter.
    pub filter: Option<Expr>,
    /// A filter of parameters, which is always applied here too.
    pub local_filter: Option<Expr>,
    /// The order.
    pub order: Vec<Order>,
    /// The page, for lists.
    pub page: PageRequest,
    /// Whether times are wanted as RFC 3339.
    pub iso_dates: bool,
    /// Uniform fields that are left out.
    pub without: Vec<&'static str>,
    /// Whether the provider's own record is wanted under `raw`.
    pub raw: bool,
    /// Whether null members are kept.
    pub keep_nulls: bool,
    /// Whether the number of all records is wanted.
    pub count: bool,
    /// Whether paths are wanted that have to be made of the folders above a record.
    pub paths: bool,
    /// The end of all work on it.
    pub deadline: Instant,
}

/// What came of a call.
pub enum Outcome {
    /// One record.
    Record(Map<String, Value>),
    /// A page of records.
    List {
        /// The records.
        items: Vec<Map<String, Value>>,
        /// Where the next page begins, if there is more.
        next: Option<Position>,
        /// The number of all records, where known.
        total: Option<u64>,
        /// A remark for the caller (a page size that was lowered).
        remark: Option<String>,
    },
    /// One record, or a page of records as a list, as JSON text ready to be sent.
    Text {
        /// The text.
        json: Bytes,
        /// What is known of the page, if it is one.
        page: Option<PageFacts>,
    },
    /// A file's bytes.
    File {
        /// 200 or 206.
        status: StatusCode,
        /// The headers that pass.
        headers: HeaderMap,
        /// The bytes.
        body: ByteStream,
        /// The file's name, where it is known.
        name: Option<String>,
    },
    /// Nothing.
    Empty,
}

/// What is known of a page besides its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageFacts {
    /// Its records.
    pub count: u64,
    /// Where the next page begins, if there is more.
    pub next: Option<Position>,
    /// The number of all records, where known.
    pub total: Option<u64>,
    /// A remark for the caller (a page size that was lowered).
    pub remark: Option<String>,
}

/// Bounds of the engine's work.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest JSON answer of a provider, in bytes.
    pub response_bytes: usize,
    /// The longest silence in a streamed body.
    pub idle: Duration,
    /// How often a call is repeated because the provider's quota was used up.
    pub quota_waits: u32,
    /// Whether every answer is read as a document, also those that need none: for comparison.
    pub documents: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            response_bytes: 16 << 20,
            idle: Duration::from_secs(30),
            quota_waits: quota::MOST_WAITS,
            documents: false,
        }
    }
}

/// Runs operations.
#[derive(Clone)]
pub struct Engine {
    transport: Arc<dyn Transport>,
    limits: Limits,
    descriptions: moka::sync::Cache<(i64, String), Arc<Vec<FieldDescription>>>,
    lookups: moka::sync::Cache<(i64, String), Value>,
    /// What providers reported last of an instance's quota.
    budgets: moka::sync::Cache<i64, Arc<quota::Report>>,
    /// The ids of root folders by what they are asked for by.
    roots: moka::sync::Cache<(i64, String), String>,
    challenges: sign::Challenges,
    queries: Arc<Queries>,
}

impl Engine {
    /// An engine over `transport`.
    pub fn new(transport: Arc<dyn Transport>, limits: Limits) -> Self {
        let descriptions =
            moka::sync::Cache::builder().max_capacity(2_000).time_to_live(Duration::from_secs(300)).build();
        let lookups = moka::sync::Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(300)).build();
        let roots = moka::sync::Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(300)).build();
        let budgets = moka::sync::Cache::builder().max_capacity(10_000).build();
        let challenges = sign::Challenges::new();
        Self { transport, limits, descriptions, lookups, budgets, roots, challenges, queries: Arc::default() }
    }

    /// Validates credentials with the element's probe call; an element without one is taken at its word.
    ///
    /// # Errors
    /// What the provider said against them.
    pub async fn probe(&self, element: &Element, connection: &Connection, deadline: Instant) -> Result<()> {
        let Some(call) = &element.probe else { return Ok(()) };
        let scope = scope::CallScope::bare(connection);
        self.json(element, connection, call, &scope, &[], deadline).await.map(drop)
    }

    /// Forgets what is known of an instance's objects and places.
    pub fn forget(&self, instance_id: i64) {
        for (key, _) in &self.lookups {
            if key.0 == instance_id {
                self.lookups.invalidate(key.as_ref());
            }
        }
        self.budgets.invalidate(&instance_id);
        // At most a few thousand entries are ever here, and an instance rarely changes.
        for (key, _) in &self.descriptions {
            if key.0 == instance_id {
                self.descriptions.invalidate(key.as_ref());
            }
        }
        for (key, _) in &self.roots {
            if key.0 == instance_id {
                self.roots.invalidate(key.as_ref());
            }
        }
    }

    /// Forgets what is known of all instances: nobody knows what has changed.
    pub fn forget_all(&self) {
        self.lookups.invalidate_all();
        self.budgets.invalidate_all();
        self.descriptions.invalidate_all();
        self.roots.invalidate_all();
    }
}
