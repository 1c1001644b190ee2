//! Connections that are ready to use: made once for an instance as it stands, not once for each call.

use std::sync::Arc;

use moka::sync::Cache;

use crate::{catalog::Element, error::Result, provider::Connection, recent::Near, store::InstanceRecord};

/// Instances whose connection is kept; as many as the directory keeps records of.
const KEPT: u64 = 10_000;

/// The connections of the instances in use.
pub(super) struct Connections(Near<i64, Kept>);

/// A connection with what it was made of. Both are held, so that the same address means the same thing.
struct Kept {
    element: Arc<Element>,
    record: Arc<InstanceRecord>,
    connection: Arc<Connection>,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self(Near::new(Cache::new(KEPT)))
    }

    /// The connection of `record` through `element`; made anew when either is another one than before.
    pub(super) fn of(
        &self,
        element: &Arc<Element>,
        record: &Arc<InstanceRecord>,
        make: impl FnOnce() -> Result<Connection>,
    ) -> Result<Arc<Connection>> {
        let fits = |kept: &Kept| Arc::ptr_eq(&kept.element, element) && Arc::ptr_eq(&kept.record, record);
        if let Some(kept) = self.0.get(&record.id, fits) {
            return Ok(Arc::clone(&kept.connection));
        }
        let connection = Arc::new(make()?);
        let kept =
            Kept { element: Arc::clone(element), record: Arc::clone(record), connection: Arc::clone(&connection) };
        self.0.insert(record.id, Arc::new(kept));
        Ok(connection)
    }

    /// Lets go of an instance's connection and the secrets in it.
    pub(super) fn forget(&self, instance_id: i64) {
        self.0.invalidate(&instance_id);
    }
}
