//! Composition root: builds everything from the configuration and hands out the parts.

pub mod accounts;
pub mod reload;

use std::{ops::Deref, sync::Arc};

use arc_swap::ArcSwap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::accounts::AccountDirectory;
use crate::{
    catalog::{self, Catalog},
    clock::SharedClock,
    config::Config,
    error::{Error, Kind, Result},
    instance::Directory,
    store::{self, Store},
};

/// The running gateway: cheap to clone, its [`Parts`] by dereference.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// Everything a request may need.
pub struct Parts {
    /// The settings.
    pub config: Arc<Config>,
    /// Time.
    pub clock: SharedClock,
    /// Persistence.
    pub store: Arc<dyn Store>,
    /// Hubs and elements in force.
    pub catalog: catalog::Shared,
    /// Users and organizations by secret.
    pub accounts: AccountDirectory,
    /// Instances by token.
    pub directory: Arc<Directory>,
    /// Work that goes on without its caller; awaited at shutdown.
    pub tracker: TaskTracker,
    /// Cancelled when the process is asked to stop: readiness goes, no new connection is taken.
    pub shutdown: CancellationToken,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    /// Opens the store, reads the catalog and builds the rest.
    ///
    /// # Errors
    /// When the store cannot be opened or the mapping files are refused; the text says what is wrong.
    pub async fn build(config: Config, clock: SharedClock) -> Result<Self> {
        let settings = store::Settings {
            data_dir: config.store.data_dir.clone(),
            master_key_file: config.store.master_key_file.clone(),
        };
        let catalog = catalog::open(Some(&config.catalog.path))
            .map_err(|refused| Error::new(Kind::Internal, format!("the mapping files are refused:\n{refused}")))?;
        let store = store::open(&settings, Arc::clone(&clock)).await?;
        Ok(Self::assemble(config, clock, store, catalog))
    }

    fn assemble(config: Config, clock: SharedClock, store: Arc<dyn Store>, catalog: Catalog) -> Self {
        let config = Arc::new(config);
        Self(Arc::new(Parts {
            config,
            clock,
            accounts: AccountDirectory::new(Arc::clone(&store)),
            directory: Arc::new(Directory::new(Arc::clone(&store))),
            store,
            catalog: Arc::new(ArcSwap::from_pointee(catalog)),
            tracker: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        }))
    }

    /// Waits for work that goes on without its caller, then closes the store. Call once no request is in flight.
    pub async fn close(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        self.store.close().await;
    }
}
