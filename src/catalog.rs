//! Hubs and elements: mapping files read, validated, compiled, and swapped as a whole on reload.

use std::{collections::BTreeMap, fmt, sync::Arc};

use arc_swap::ArcSwap;

pub mod element;
pub mod hub;
pub mod read;

pub use element::{Authentication, BasicSpec, ClientAuthentication, ConfigurationEntry, HostSpec, Identity, OAuth2Spec};
pub use hub::Hub;
pub use read::Problem;

/// One connector, compiled: its identity and its operations.
#[derive(Debug)]
pub struct Element {
    /// The descriptive part.
    pub identity: Identity,
}

impl std::ops::Deref for Element {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

/// All hubs and elements, as one immutable set.
#[derive(Debug, Default)]
pub struct Catalog {
    hubs: BTreeMap<String, Arc<Hub>>,
    elements: BTreeMap<String, Arc<Element>>,
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

    /// The elements by key.
    pub fn elements(&self) -> impl Iterator<Item = &Arc<Element>> {
        self.elements.values()
    }

    /// The element with this key or number.
    pub fn element(&self, key_or_id: &str) -> Option<&Arc<Element>> {
        self.elements.get(key_or_id).or_else(|| {
            let id: i64 = key_or_id.parse().ok()?;
            self.elements.values().find(|element| element.id == id)
        })
    }
}

/// The catalog in force: readers take a snapshot, a reload swaps it whole.
pub type Shared = Arc<ArcSwap<Catalog>>;

/// A set of mapping files that was refused, with everything that is wrong in it.
#[derive(Debug)]
pub struct Refused(pub Vec<Problem>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
