//! Composition root: builds everything from the configuration and hands out the parts.

pub mod accounts;
mod memories;
mod metered;
pub mod rates;
pub mod reload;
mod watch;

use std::{ops::Deref, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::watch::Watch;
use self::{accounts::AccountDirectory, memories::Memories, metered::Metered, rates::Rates};
use crate::{
    cache::{self, Link, ResponseCache, SharedAnswers},
    catalog::{self, Catalog},
    clock::SharedClock,
    config::Config,
    error::{Error, Kind, Result},
    gateway::{Connector, Gateway, Keeper, cached::Memory, connect, slots::Slots},
    grant::{self, Grants},
    instance::Directory,
    provider::{Engine, Limits},
    store::{self, Store, journal::Journal, seal::Sealer},
    upstream::{self, Transport, client::Client, guard::Guard},
};

/// Where refreshed grants are written down that the store cannot take just now.
fn journal(config: &Config, sealer: &Sealer) -> Result<Option<Arc<Journal>>> {
    match Journal::open(&config.store.data_dir, sealer.clone()) {
        Ok(journal) => Ok(Some(Arc::new(journal))),
        // The embedded store needs the directory for itself.
        Err(error) if config.store.database_url.is_none() => Err(error),
        Err(error) => {
            tracing::warn!(
                %error,
                "there is NO JOURNAL for refreshed grants: one that the database cannot take is lost if this process dies \
                 before it can. Name a directory of this node's own under store.data_dir"
            );
            Ok(None)
        }
    }
}

fn grant_settings(config: &Config, journal: Option<Arc<Journal>>) -> grant::Settings {
    let defaults = grant::Settings::default();
    let given = &config.grants;
    grant::Settings {
        wait: Duration::from_secs(given.wait_s),
        token_timeout: Duration::from_secs(given.token_timeout_s),
        lease: Duration::from_secs(given.lease_s),
        refresh_margin: given.refresh_margin_s.map_or(defaults.refresh_margin, Duration::from_secs),
        journal,
        ..defaults
    }
}

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
    pub accounts: Arc<AccountDirectory>,
    /// Instances by token.
    pub directory: Arc<Directory>,
    /// The rate limits of instances and accounts.
    pub rates: Rates,
    /// What leaves the process goes through this.
    pub transport: Arc<dyn Transport>,
    /// OAuth.
    pub grants: Grants,
    /// Makes, changes and deletes instances.
    pub connector: Connector,
    /// Keeps idle refresh tokens alive.
    pub keeper: Keeper,
    /// Answers hub calls.
    pub gateway: Gateway,
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
        let mut settings = store::Settings::from(&config.store);
        // What waits for the store answers before its own time is over.
        settings.patience = settings.patience.min(config.server.request_timeout().mul_f64(0.8));
        let catalog = catalog::open(Some(&config.catalog.path))
            .map_err(|refused| Error::new(Kind::Internal, format!("the mapping files are refused:\n{refused}")))?;
        let store = store::open(&settings, Arc::clone(&clock)).await?;
        let guard = Guard::new(&config.egress.allow)
            .map_err(|error| Error::new(Kind::Internal, format!("egress.allow: {error}")).with_source(error))?;
        let settings = upstream::client::Settings {
            origin_concurrency: config.limits.origin_concurrency,
            ..upstream::client::Settings::default()
        };
        let client = Client::new(guard, settings, Arc::clone(&clock))?;
        let transport = Arc::new(Metered::new(client));
        let redis = config.cache.redis_url.as_ref().map(Link::new).transpose()?.map(Arc::new);
        let journal = journal(&config, store.sealer())?;
        let app = Self::assemble(config, clock, store, catalog, transport, redis, journal);
        app.grants.replay().await;
        Ok(app)
    }

    fn assemble(
        config: Config,
        clock: SharedClock,
        store: Arc<dyn Store>,
        catalog: Catalog,
        transport: Arc<dyn Transport>,
        redis: Option<Arc<Link>>,
        journal: Option<Arc<Journal>>,
    ) -> Self {
        let config = Arc::new(config);
        let catalog: catalog::Shared = Arc::new(ArcSwap::from_pointee(catalog));
        let tracker = TaskTracker::new();
        let directory = Arc::new(Directory::new(Arc::clone(&store)));
        let grants = Grants::new(
            Arc::clone(&store),
            Arc::clone(&transport),
            Arc::clone(&clock),
            grant_settings(&config, journal),
            tracker.clone(),
        );
        let limits = Limits { response_bytes: config.limits.max_response_bytes, ..Limits::default() };
        let engine = Engine::new(Arc::clone(&transport), limits);
        let cache = ResponseCache::sharing(
            &cache::Settings {
                max_bytes: config.cache.max_bytes,
                max_entry_bytes: config.cache.max_entry_bytes,
                ..cache::Settings::default()
            },
            Arc::clone(&clock),
            redis.clone().map(|link| SharedAnswers::new(link, store.sealer().clone())),
        );
        let memory = Memory { engine: engine.clone(), cache: cache.clone() };
        let accounts = Arc::new(AccountDirectory::new(Arc::clone(&store)));
        let shutdown = CancellationToken::new();
        let memories = Memories {
            directory: Arc::clone(&directory),
            accounts: Arc::clone(&accounts),
            grants: grants.clone(),
            memory: memory.clone(),
        };
        let (followed, stop) = (Arc::clone(&store), shutdown.clone());
        // Without it nothing is believed for long: a drain is slower, but no less right.
        tracker.spawn(async move { stop.run_until_cancelled(followed.follow(&memories)).await });
        let forgetful = (grants.clone(), memory.clone());
        directory.on_change(move |id| {
            forgetful.0.forget(id);
            forgetful.1.forget_one(id);
        });
        let connector = Connector::new(connect::Parts {
            config: Arc::clone(&config),
            clock: Arc::clone(&clock),
            store: Arc::clone(&store),
            catalog: Arc::clone(&catalog),
            grants: grants.clone(),
            directory: Arc::clone(&directory),
            probe: Arc::new(memory),
            tracker: tracker.clone(),
        });
        let keeper = Keeper::new(connector.clone());
        let gateway = Gateway {
            config: Arc::clone(&config),
            clock: Arc::clone(&clock),
            store: Arc::clone(&store),
            catalog: Arc::clone(&catalog),
            directory: Arc::clone(&directory),
            connector: connector.clone(),
            slots: Slots::new(config.limits.instance_concurrency),
            engine,
            cache,
            recall: Arc::default(),
            tracker: tracker.clone(),
        };
        Self(Arc::new(Parts {
            rates: Rates::new(&config.limits, redis.map(|link| (link, store.sealer().clone()))),
            config,
            clock,
            store,
            catalog,
            accounts,
            directory,
            transport,
            grants,
            connector,
            keeper,
            gateway,
            tracker,
            shutdown,
        }))
    }

    /// Uses in the background the refresh tokens that would die of idleness, until shutdown.
    pub fn keep_grants_alive(&self) {
        let (keeper, stop) = (self.keeper.clone(), self.shutdown.clone());
        self.tracker.spawn(async move { keeper.run(&stop).await });
    }

    /// Waits for work that goes on without its caller, then closes the store. Call once no request is in flight.
    pub async fn close(&self) {
        self.shutdown.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        self.store.close().await;
    }
}
