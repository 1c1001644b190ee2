//! The main job: one request's way from operation to uniform answer.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::{
    cache::ResponseCache, catalog, clock::SharedClock, config::Config, instance::Directory, provider::Engine,
    store::Store,
};

pub mod cached;
pub mod call;
pub mod connect;
pub mod examples;
mod explain;
mod invoke;
mod link;
mod objects;
mod page;
mod recall;
pub mod slots;

pub use call::{Answer, AnswerBody, Call, CallBody, Head, ROOM, Resolved};
pub use connect::{Connector, Keeper};
pub use explain::wants_explanation;
pub use recall::{Again, Recall, Said};

/// Everything a hub call needs.
#[derive(Clone)]
pub struct Gateway {
    /// The settings.
    pub config: Arc<Config>,
    /// Time.
    pub clock: SharedClock,
    /// Persistence, for its keys and for what nodes agree about.
    pub store: Arc<dyn Store>,
    /// Hubs and elements in force.
    pub catalog: catalog::Shared,
    /// Instances by token and id.
    pub directory: Arc<Directory>,
    /// Makes an instance's connection.
    pub connector: Connector,
    /// Runs operations.
    pub engine: Engine,
    /// Bounds the calls of one instance.
    pub slots: slots::Slots,
    /// Keeps answers.
    pub cache: ResponseCache,
    /// What is remembered of reads that were answered from the cache.
    pub recall: Arc<Recall>,
    /// Work that goes on without its caller.
    pub tracker: TaskTracker,
}
