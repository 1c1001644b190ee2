//! What this node remembers of the store, and what it forgets when another node changes something.

use std::sync::Arc;

use async_trait::async_trait;

use super::accounts::AccountDirectory;
use crate::{
    gateway::cached::Memory,
    grant::Grants,
    instance::Directory,
    store::{Change, Follower},
};

/// Everything that was read from the store, or through an instance, and kept.
pub(super) struct Memories {
    pub(super) directory: Arc<Directory>,
    pub(super) accounts: Arc<AccountDirectory>,
    pub(super) grants: Grants,
    pub(super) memory: Memory,
}

#[async_trait]
impl Follower for Memories {
    async fn changed(&self, change: Change) {
        match change {
            Change::Instance { id, version } => {
                self.directory.forget_before(id, version).await;
                self.grants.forget(id);
                self.memory.forget_one(id);
            }
            Change::Accounts => self.accounts.forget_all(),
            Change::Everything => {
                self.directory.forget_all();
                self.accounts.forget_all();
                self.grants.forget_all();
                self.memory.forget_all();
            }
        }
    }
}
