//! Hubs and elements: mapping files read, validated, compiled, and swapped as a whole on reload.
//!
//! A [`Catalog`] is one immutable set. [`load::load`] makes it from [`source::Files`], or says everything that is wrong
//! with them; [`reload`] swaps the one in force, or leaves it when the new set is refused. What serves ([`open`]) has its
//! built-in elements compiled when they are first used.

use std::{collections::BTreeMap, fmt, path::Path as FilePath, sync::Arc};

use arc_swap::ArcSwap;
use http::HeaderName;
use serde_json::Value;

use crate::{
    error::Error,
    mapping::{Path, Plan, ValueTemplate, condition::Match, xml::Vocabulary},
};

pub mod addressing;
pub mod answer;
pub mod authentication;
pub mod call;
pub mod element;
mod entry;
pub mod filtering;
mod heritage;
pub mod hub;
pub mod ids;
pub mod lazy;
mod lines;
pub mod load;
mod offer;
pub mod operation;
pub mod parameters;
pub mod parents;
pub mod quota;
pub mod read;
pub mod routes;
pub mod serving;
pub mod session;
mod sheet;
pub mod source;
mod support;
pub mod wait;
pub mod walk;

pub use addressing::Addressing;
pub use authentication::{Authentication, Authentications, OAuth2Spec};
pub use call::{Call, ErrorRule};
pub use element::{ConfigurationEntry, HostSpec, Identity};
pub use entry::Entry;
pub use hub::{Hub, HubOperation};
pub use ids::Ids;
pub use offer::Offer;
pub use operation::{Operation, Step};
pub use parents::Relation;
pub use read::Problem;
pub use routes::{Found, Routes};
pub use session::Session;
pub use support::Unsupported;

/// How a provider tells what objects and fields it has.
#[derive(Debug, Clone)]
pub struct Describe {
    /// Lists the objects.
    pub objects: Option<Call>,
    /// Where an object's name is in an item of that list.
    pub names: Path,
    /// Lists the fields of `{object}`.
    pub fields: Option<Call>,
    /// The lines from a field's description to the contract's metadata.
    pub plan: Plan,
    /// What an item of that list looks like when the account made the object itself.
    pub made_by_account: Option<Match>,
    /// What tells the choices of fields, where that call does not; each finds a list, or what a later one needs.
    pub choices: Vec<Step>,
    /// Objects that the list does not tell of.
    pub further_objects: Vec<String>,
    /// Fields that every account has and the call does not tell of, by object: name and type.
    pub standard: Vec<(String, Vec<(String, String)>)>,
}

/// A recorded-style pair: a uniform request, the provider calls it causes, and the uniform answer.
#[derive(Debug, Clone)]
pub struct Example {
    /// `resource.operation`.
    pub operation: String,
    /// The file it stands in.
    pub file: String,
    /// Where in the file.
    pub pointer: String,
    /// The example itself.
    pub value: Value,
}

/// One connector, compiled: its identity and its operations.
#[derive(Debug)]
pub struct Element {
    /// The descriptive part.
    pub identity: Arc<Identity>,
    /// Its operations by `resource.operation`.
    pub operations: BTreeMap<String, Arc<Operation>>,
    /// What it cannot do, with the reasons.
    pub unsupported: Unsupported,
    /// When two of its ids name the same record.
    pub ids: Ids,
    /// How its records belong to parents, by resource.
    pub relations: BTreeMap<String, parents::Relations>,
    /// Its field lines by resource.
    pub plans: BTreeMap<String, Arc<Plan>>,
    /// Headers of every call.
    pub headers: Vec<(HeaderName, ValueTemplate)>,
    /// The names it uses in XML, where it speaks XML.
    pub xml: Option<Vocabulary>,
    /// What its error answers mean.
    pub errors: Vec<ErrorRule>,
    /// Where the provider's own words are in an error answer, first found first.
    pub error_message: Vec<Path>,
    /// Where its error code is.
    pub error_code: Vec<Path>,
    /// Where it tells of its quota.
    pub quota: Option<quota::Quota>,
    /// How it names things in a tree.
    pub addressing: Option<Addressing>,
    /// What is asked before its operations, in order, as far as they use it.
    pub lookups: Vec<Step>,
    /// A cheap call that validates credentials.
    pub probe: Option<Call>,
    /// How it tells what objects and fields it has.
    pub describe: Option<Describe>,
    /// Its examples.
    pub examples: Vec<Example>,
    /// File and pointer of each resource, for messages.
    pub places: BTreeMap<String, (String, String)>,
}

impl std::ops::Deref for Element {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl Element {
    /// The operation of this id (`resource.operation`).
    pub fn operation(&self, id: &str) -> Option<&Arc<Operation>> {
        self.operations.get(id)
    }

    /// Whether its provider tells with its answers how much of a quota is left.
    pub fn reports_budgets(&self) -> bool {
        self.quota.as_ref().is_some_and(|quota| !quota.budgets.is_empty())
    }
}

/// All hubs and elements, as one immutable set.
#[derive(Debug, Default)]
pub struct Catalog {
    hubs: BTreeMap<String, Arc<Hub>>,
    routes: BTreeMap<String, Routes>,
    elements: BTreeMap<String, Arc<Entry>>,
}

impl Catalog {
    /// The hubs by key.
    pub fn hubs(&self) -> impl Iterator<Item = &Arc<Hub>> {
        self.hubs.values()
    }

    /// The hub with this key.
    pub fn hub(&self, key: &str) -> Option<&Arc<Hub>> {
        self.hubs.get(key)
    }

    /// The routes of the hub with this key.
    pub fn routes(&self, hub: &str) -> Option<&Routes> {
        self.routes.get(hub)
    }

    /// The elements by key, compiled or not.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.elements.values()
    }

    /// The element with this key or number, compiled or not.
    pub fn entry(&self, key_or_id: &str) -> Option<&Arc<Entry>> {
        self.elements.get(key_or_id).or_else(|| {
            let id: i64 = key_or_id.parse().ok()?;
            self.elements.values().find(|element| element.id == id)
        })
    }

    /// Compiles the element with this key, if there is one, for those who will need it. What is wrong with it they are told.
    pub fn compile(&self, key: &str) {
        let compiled = self.element(key);
        if let Some(Err(refused)) = compiled {
            tracing::error!("the element `{key}` cannot be used: {refused}");
        }
    }

    /// The elements by key; compiles those that are not.
    pub fn elements(&self) -> impl Iterator<Item = Result<&Arc<Element>, &Refused>> {
        self.entries().map(|entry| entry.element())
    }

    /// The element with this key or number; compiles it if it is not.
    pub fn element(&self, key_or_id: &str) -> Option<Result<&Arc<Element>, &Refused>> {
        self.entry(key_or_id).map(|entry| entry.element())
    }
}

/// The catalog in force: readers take a snapshot, a reload swaps it whole.
pub type Shared = Arc<ArcSwap<Catalog>>;

/// A set of mapping files that was refused, with everything that is wrong in it.
#[derive(Debug, Clone)]
pub struct Refused(pub Vec<Problem>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// A fault of a catalog that serves already: nobody who calls can do anything about it.
impl From<&Refused> for Error {
    fn from(refused: &Refused) -> Self {
        Self::internal(refused.clone())
    }
}

/// Reads the built-in files with those of `directory` laid over them (when it is there), to serve them: elements that
/// rest on built-in files alone are compiled when they are first used.
///
/// # Errors
/// Every problem of every file of the directory; one that cannot be read is one.
pub fn open(directory: Option<&FilePath>) -> Result<Catalog, Refused> {
    serving::to_serve(of_directory(directory)?)
}

/// The built-in files with those of `directory` laid over them.
///
/// # Errors
/// When the directory is there and cannot be read.
pub fn files(directory: Option<&FilePath>) -> Result<source::Files, Refused> {
    Ok(source::Files::built_in().overlaid(of_directory(directory)?))
}

fn of_directory(directory: Option<&FilePath>) -> Result<source::Files, Refused> {
    let Some(directory) = directory.filter(|directory| directory.is_dir()) else { return Ok(source::Files::default()) };
    source::Files::directory(directory).map_err(|error| {
        Refused(vec![Problem {
            file: directory.display().to_string(),
            pointer: String::new(),
            message: format!("cannot be read: {error}"),
            hint: None,
        }])
    })
}

/// Swaps the catalog in force for a newly read one; a refused set changes nothing. What was compiled is so again, before
/// anybody has to wait for it.
///
/// # Errors
/// As [`open`].
pub fn reload(shared: &Shared, directory: Option<&FilePath>) -> Result<(), Refused> {
    let new = open(directory)?;
    for used in shared.load().entries().filter(|entry| entry.is_compiled()) {
        new.compile(&used.key);
    }
    shared.store(Arc::new(new));
    Ok(())
}
