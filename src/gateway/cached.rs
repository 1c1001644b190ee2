//! Reads through the response cache.

use std::sync::Arc;

use super::{
    Gateway,
    call::{Answer, Call, Resolved},
};
use crate::{
    catalog::{HubOperation, Operation},
    error::Result,
    provider::Connection,
    store::InstanceRecord,
};

impl Gateway {
    /// Answers a read from the cache where the instance allows it.
    pub(super) async fn read_through_cache(
        &self,
        call: Call,
        resolved: &Resolved,
        operation: Arc<Operation>,
        connection: Connection,
    ) -> Result<Answer> {
        self.carry_out(call, resolved, operation, connection).await
    }

    /// A write happened: what it may have changed is no longer answered from the cache.
    #[expect(clippy::unused_self, reason = "the cache comes with the next step")]
    pub(super) fn written(&self, _instance: &InstanceRecord, _operation: &HubOperation) {}
}
