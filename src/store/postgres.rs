//! The shared store: one PostgreSQL database for all nodes.
//!
//! What is PostgreSQL's own is in this file and below; the statements are shared with SQLite, see `sql/`. Leases and
//! pauses of refreshes are in the time of the database, so that no node's clock decides about another's.

use std::{path::Path, str::FromStr as _, sync::LazyLock, time::Duration};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgRow},
};
use tokio::time::{Instant, timeout};
use tracing::log::LevelFilter;

use self::{listen::Pulse, pool::Pool};
use super::{
    Follower, Generations, Settings, Store,
    audit::Chain,
    error::{Error, Result},
    key,
    migration::{self, migrations},
    seal::Sealer,
};
use crate::{
    clock::SharedClock,
    error::{Error as PublicError, Kind, Result as PublicResult},
};

/// The time of the database in SQL.
macro_rules! db_now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

/// What locks a row that is read, for a transaction that is going to change it.
macro_rules! for_update {
    () => {
        " FOR NO KEY UPDATE"
    };
}

/// What locks rows that are read, and leaves out those that somebody else has locked.
macro_rules! skip_locked {
    () => {
        " FOR NO KEY UPDATE SKIP LOCKED"
    };
}

/// What keeps a row that is read as it is until the transaction ends.
macro_rules! for_share {
    () => {
        " FOR SHARE"
    };
}

#[path = "sql/accounts.rs"]
mod accounts;
#[path = "sql/audit.rs"]
mod audit;
pub(super) mod bounded;
mod generations;
#[path = "sql/grants.rs"]
mod grants;
#[path = "sql/instances.rs"]
mod instances;
#[path = "sql/keys.rs"]
mod keys;
mod listen;
mod pool;
#[path = "sql/rotation.rs"]
mod rotation;

type Db = Postgres;
type DbConnection = PgConnection;
type DbRow = PgRow;
type DbStore = PostgresStore;

pub(super) static MIGRATIONS: LazyLock<Migrator> = migrations!(
    "postgres"; "0001_accounts_instances_grants", "0002_audit_log", "0003_master_keys", "0004_keep_alive",
);

/// How long a caller waits for a connection; as long as the database is away, each waits for so long.
const ACQUIRE: Duration = Duration::from_secs(2);
/// How long the database may take for one statement, in milliseconds.
const STATEMENT_MS: u32 = 5_000;
/// A connection that was idle for so long is tried before it is used.
const TRUSTED: Duration = Duration::from_millis(500);
/// How long the database may take to let the first connection in, and for each step of a start but a migration.
const CONNECT: Duration = Duration::from_secs(20);
/// As long as it takes.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);
const PING: Duration = Duration::from_secs(1);
const CLOSE: Duration = Duration::from_secs(5);
/// Nodes that start at once look at the master key one after the other. Any number would do.
const KEY_LOCK: i64 = 0x6875_6267_6174_6501;

/// The store over one PostgreSQL database.
pub(super) struct PostgresStore {
    pool: Pool,
    sealer: Sealer,
    /// The key of the audit log; `None` when its head is gone.
    chain: Option<Chain>,
    clock: SharedClock,
    pulse: Pulse,
    /// The longest that one step of a walk through a table takes.
    patience: Duration,
}

impl PostgresStore {
    /// Connects, brings the database to the newest schema, and unlocks it.
    pub(super) async fn open(settings: &Settings, url: &SecretString, clock: SharedClock) -> PublicResult<Self> {
        let Some(key_file) = settings.master_key_file.as_deref() else {
            return Err(key::refuse(
                "store.master_key_file is missing: with store.database_url all nodes need the same master key. Name a \
                 file; the first start makes it, and every other node needs a copy of it",
            ));
        };
        let options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|error| key::refuse("store.database_url cannot be used").with_source(error))?
            .application_name("hubgate")
            .log_statements(LevelFilter::Trace)
            .log_slow_statements(LevelFilter::Debug, Duration::from_secs(1));
        let (sealer, chain) = prepare(&options, key_file, &clock).await?;
        let options = options.options([
            ("statement_timeout", STATEMENT_MS),
            ("lock_timeout", STATEMENT_MS),
            ("idle_in_transaction_session_timeout", 2 * STATEMENT_MS),
        ]);
        let pool = Pool::new(options, settings.max_connections);
        Ok(Self { pool, sealer, chain, clock, pulse: Pulse::default(), patience: settings.patience })
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.now().begin().await?)
    }

    /// A transaction that reads everything as it is at one moment.
    async fn begin_snapshot(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.now().begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
    }

    fn reader(&self) -> PgPool {
        self.pool.now()
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// The time that leases and pauses are in where the database has none, which it has.
    fn agreed(&self) -> i64 {
        self.now()
    }
}

/// What one step of a walk through a table comes to; the walk takes as long as it takes, but not the wait for an answer.
async fn in_time<T, E>(store: &PostgresStore, step: impl Future<Output = Result<T, E>>) -> Result<T>
where
    Error: From<E>,
{
    Ok(timeout(store.patience, step).await.map_err(|_| Error::Silent)??)
}

/// Migrates and unlocks over a connection without time limits of the server: a migration may take long, and waits for one
/// that another node runs.
async fn prepare(
    options: &PgConnectOptions,
    key_file: &Path,
    clock: &SharedClock,
) -> PublicResult<(Sealer, Option<Chain>)> {
    let shown = shown(options);
    let failed = |error: sqlx::Error| key::refuse(format!("The database {shown} cannot be opened")).with_source(error);
    let silent = |_| key::refuse(format!("The database {shown} does not answer"));
    let connected = timeout(CONNECT, PgConnection::connect_with(options)).await;
    let mut connection = connected.map_err(silent)?.map_err(failed)?;
    let nothing_due = timeout(CONNECT, is_up_to_date(&mut connection)).await.map_err(silent)?;
    // Takes an advisory lock: of several nodes that start at once one migrates, and the others find it done.
    timeout(if nothing_due { CONNECT } else { FOR_EVER }, MIGRATIONS.run(&mut connection))
        .await
        .map_err(silent)?
        .map_err(|error| migration::refused(&MIGRATIONS, &shown, error))?;
    let unlocked = async {
        let mut tx = connection.begin().await.map_err(failed)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(KEY_LOCK).execute(&mut *tx).await.map_err(failed)?;
        let now = clock.now().timestamp_millis();
        let sealer = keys::unlock(&mut tx, key_file, &shown, now).await?;
        let chain = audit::unlock(&mut tx, &sealer, now).await?;
        tx.commit().await.map_err(failed)?;
        Ok((sealer, chain))
    };
    let unlocked = timeout(CONNECT, unlocked).await.map_err(silent)?;
    match timeout(CLOSE, connection.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the connection of the start did not close well"),
        Err(_) => tracing::debug!("the connection of the start did not close in time"),
    }
    unlocked
}

/// Whether the newest migration has been made.
async fn is_up_to_date(connection: &mut PgConnection) -> bool {
    let newest = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations WHERE success").fetch_one(connection);
    // Where the table is missing there is everything to do.
    newest.await.is_ok_and(|newest: Option<i64>| newest == Some(migration::newest(&MIGRATIONS)))
}

/// The database as the operator knows it, without the password.
fn shown(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or("(default)");
    match options.get_socket() {
        Some(socket) => format!("{name} at {}", socket.display()),
        None => format!("{name} at {}:{}", options.get_host(), options.get_port()),
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn ping(&self) -> PublicResult<()> {
        let away = |text: &str| PublicError::new(Kind::Unavailable, text).with_retry_after(Duration::from_secs(1));
        let query = sqlx::query("SELECT key_id FROM master_key WHERE NOT pg_is_in_recovery() LIMIT 1");
        let asked = async { Ok(query.fetch_optional(&self.reader()).await.map_err(Error::from)?) };
        match self.pool.within(PING, asked).await? {
            Some(_) => Ok(()),
            None => Err(away("The database is a standby, which takes no writes")),
        }
    }

    fn schema(&self) -> i64 {
        migration::newest(&MIGRATIONS)
    }

    fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    fn believes(&self, read_at: Instant) -> bool {
        self.pulse.believes(read_at)
    }

    async fn follow(&self, follower: &dyn Follower) {
        listen::follow(self.pool.options(), &self.pulse, follower).await;
    }

    fn generations(&self) -> Option<&dyn Generations> {
        Some(self)
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
