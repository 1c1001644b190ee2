//! The embedded store: one SQLite file in WAL mode, one writing connection, a few reading ones.
//!
//! What is SQLite's own is in this file; the statements are shared, see `sql/`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions as _, Connection as _, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use tracing::log::LevelFilter;

use self::disk::{Disk, Writing};
use super::{
    Settings, Store,
    audit::Chain,
    error::{Error, Result},
    key,
    migration::{self, migrations},
    seal::Sealer,
};
use crate::{clock::SharedClock, config::Synchronous, error::Result as PublicResult};

/// The time of the database in SQL: there is no other clock than this process's, see [`SqliteStore::agreed`].
macro_rules! db_now {
    () => {
        "CAST(NULL AS BIGINT)"
    };
}

/// What locks a row that is read; a transaction that writes has the whole database to itself.
macro_rules! for_update {
    () => {
        ""
    };
}

/// What locks rows that are read, and leaves out those that somebody else has locked.
macro_rules! skip_locked {
    () => {
        ""
    };
}

/// What keeps a row that is read as it is until the transaction ends.
macro_rules! for_share {
    () => {
        ""
    };
}

#[path = "sql/accounts.rs"]
mod accounts;
#[path = "sql/audit.rs"]
mod audit;
pub(super) mod backup;
mod disk;
#[path = "sql/grants.rs"]
mod grants;
#[path = "sql/instances.rs"]
mod instances;
#[path = "sql/keys.rs"]
mod keys;
pub(super) mod restore;
#[path = "sql/rotation.rs"]
mod rotation;

type Db = Sqlite;
type DbConnection = SqliteConnection;
type DbRow = SqliteRow;
type DbStore = SqliteStore;

pub(super) static MIGRATIONS: LazyLock<Migrator> = migrations!(
    "sqlite"; "0001_accounts_instances_grants", "0002_audit_log", "0003_master_keys", "0004_keep_alive",
);

const DATABASE: &str = "hubgate.db";
const LOCK: &str = "hubgate.lock";
/// How long a statement waits for another process's write to end.
const BUSY: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);
const READERS: u32 = 4;

/// The store over one SQLite file.
pub(super) struct SqliteStore {
    write: SqlitePool,
    read: SqlitePool,
    sealer: Sealer,
    /// The key of the audit log; `None` when its head is gone.
    chain: Option<Chain>,
    clock: SharedClock,
    /// The time when the steady clock began, in milliseconds.
    began: i64,
    disk: Arc<Disk>,
    /// Shared by every process that has the database open; see [`SqliteStore::release_leases`].
    lock: File,
}

impl SqliteStore {
    pub(super) async fn open(settings: &Settings, clock: SharedClock) -> PublicResult<Self> {
        let dir = settings.data_dir.as_path();
        // Of a full disk the database says anything but that it is full, depending on which file finds no room.
        Self::open_in(dir, settings, clock).await.map_err(|error| disk::explain(dir, error))
    }

    async fn open_in(dir: &Path, settings: &Settings, clock: SharedClock) -> PublicResult<Self> {
        make_dir(dir)
            .map_err(|error| key::refuse(format!("The data directory {} cannot be used: {error}", dir.display())))?;
        let path = dir.join(DATABASE);
        let failed = |error: sqlx::Error| {
            key::refuse(format!("The database {} cannot be opened", path.display())).with_source(error)
        };
        private_file(&path).map_err(|error| failed(error.into()))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match settings.synchronous {
                Synchronous::Full => SqliteSynchronous::Full,
                Synchronous::Normal => SqliteSynchronous::Normal,
            })
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .log_statements(LevelFilter::Trace)
            .log_slow_statements(LevelFilter::Debug, Duration::from_secs(1));
        if settings.synchronous == Synchronous::Normal {
            tracing::warn!(
                "store.synchronous is \"normal\": when the power fails, writes that were acknowledged are lost, and with a \
                 refreshed grant its instance's access"
            );
        }
        let disk = Arc::new(Disk::new(dir));
        // The files stay open: to open them anew takes room on the disk, also for a reader.
        let pool = |connections: u32| {
            let options = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
            options.idle_timeout(None).max_lifetime(None)
        };
        let judge = Arc::clone(&disk);
        let writer = pool(1).before_acquire(move |connection, known| {
            // In a transaction still: it was rolled back by a fault, behind the driver's back.
            let fit = !connection.is_in_transaction() && judge.trusts(known.age);
            Box::pin(async move { Ok(fit) })
        });
        let write = writer.connect_with(options.clone()).await.map_err(failed)?;
        let shown = path.display().to_string();
        let mark: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&write).await.map_err(failed)?;
        if mark == backup::BACKUP {
            return Err(key::refuse(format!(
                "{shown} is a backup, without the keys of its instances: put it back with `hubgate restore`"
            )));
        }
        migrate(&write, settings.synchronous, &shown).await?;
        let key_file = settings.master_key_file.clone().unwrap_or_else(|| dir.join(key::USUAL));
        let mut tx = write.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let sealer = keys::unlock(&mut tx, &key_file, &shown, clock.now().timestamp_millis()).await?;
        let chain = audit::unlock(&mut tx, &sealer, clock.now().timestamp_millis()).await?;
        tx.commit().await.map_err(failed)?;
        let read = pool(READERS).connect_with(options.pragma("query_only", "ON")).await.map_err(failed)?;
        let lock_path = dir.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| key::refuse(format!("{} cannot be opened: {error}", lock_path.display())))?;
        let began = clock.now().timestamp_millis().saturating_sub(millis(clock.steady()));
        let store = Self { write, read, sealer, chain, clock, began, disk, lock };
        store.release_leases().await?;
        Ok(store)
    }

    /// Lets a restarted process refresh at once: whoever has the database to itself knows that the owners of all
    /// leases are dead. Their intents stay, so their refreshes count as uncertain.
    async fn release_leases(&self) -> PublicResult<()> {
        let failed = |error: std::io::Error| key::refuse(format!("The lock file cannot be locked: {error}"));
        if self.lock.try_lock().is_ok() {
            sqlx::query(
                "UPDATE instance_grant SET lease_owner = NULL, lease_until = NULL WHERE lease_until IS NOT NULL",
            )
            .execute(&self.write)
            .await
            .map_err(Error::from)?;
            self.lock.unlock().map_err(failed)?;
        }
        // Blocks only while another process is in the lines above.
        self.lock.lock_shared().map_err(failed)
    }

    /// A transaction that may write from its first statement on.
    async fn begin(&self) -> Result<Writing> {
        Ok(Writing::begin(&self.write, &self.disk).await?)
    }

    /// A transaction that reads everything as it is at one moment.
    async fn begin_snapshot(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.read.begin().await?)
    }

    fn reader(&self) -> SqlitePool {
        self.read.clone()
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// The time that leases and pauses are in: it goes on evenly from the start of this process, so that nobody waits longer
    /// because the clock was set back.
    fn agreed(&self) -> i64 {
        self.began.saturating_add(millis(self.clock.steady()))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> PublicResult<()> {
        // The table is read, so that a database that vanished is noticed.
        sqlx::query("SELECT key_id FROM master_key LIMIT 1").execute(&self.read).await.map_err(Error::from)?;
        self.disk.writable(&self.write).await
    }

    fn schema(&self) -> i64 {
        migration::newest(&MIGRATIONS)
    }

    fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the lock file could not be unlocked");
        }
    }
}

/// Brings the schema up to date.
///
/// Nobody waits for a single step to be on the disk: the first commit that is to stay takes them all there, and where the
/// power fails before, the next start does them again.
async fn migrate(pool: &SqlitePool, synchronous: Synchronous, shown: &str) -> PublicResult<()> {
    let failed = |error: sqlx::Error| migration::refused(&MIGRATIONS, shown, error.into());
    let mut writer = pool.acquire().await.map_err(failed)?;
    sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *writer).await.map_err(failed)?;
    let done = MIGRATIONS.run(&mut *writer).await.map_err(|error| migration::refused(&MIGRATIONS, shown, error));
    let again = match synchronous {
        Synchronous::Full => "PRAGMA synchronous = FULL",
        Synchronous::Normal => "PRAGMA synchronous = NORMAL",
    };
    sqlx::query(again).execute(&mut *writer).await.map_err(failed)?;
    done
}

/// What one step of a walk through a table comes to: there is no server to wait for.
async fn in_time<T, E>(_: &SqliteStore, step: impl Future<Output = Result<T, E>>) -> Result<T>
where
    Error: From<E>,
{
    Ok(step.await?)
}

fn make_dir(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes the database file before SQLite does, so that it and its journals are their owner's only.
fn private_file(path: &Path) -> std::io::Result<()> {
    if fs::exists(path)? {
        return Ok(());
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sqlx::Row as _;

    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn commits_reach_the_disk_and_readers_do_not_write() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = SqliteStore::open(&Settings::new(dir.path()), Arc::new(SystemClock)).await.unwrap();
        for (pragma, value) in [
            ("PRAGMA synchronous", 2),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA busy_timeout", 5000),
            ("PRAGMA secure_delete", 1),
        ] {
            let found: i64 = sqlx::query_scalar(pragma).fetch_one(&store.write).await.unwrap();
            assert_eq!(found, value, "{pragma}");
        }
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.write).await.unwrap();
        assert_eq!(mode, "wal");
        assert!(sqlx::query("DELETE FROM instance").execute(&store.read).await.is_err());
    }

    #[tokio::test]
    async fn look_ups_and_pages_use_an_index() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = SqliteStore::open(&Settings::new(dir.path()), Arc::new(SystemClock)).await.unwrap();
        for query in [
            "EXPLAIN QUERY PLAN SELECT * FROM instance WHERE token_digest = x'00'",
            "EXPLAIN QUERY PLAN SELECT element_key FROM instance WHERE id > 0 ORDER BY id DESC LIMIT 9",
            "EXPLAIN QUERY PLAN SELECT instance_id FROM instance_grant WHERE keep_alive_at <= 1 ORDER BY keep_alive_at LIMIT 9",
            "EXPLAIN QUERY PLAN SELECT * FROM organization WHERE secret_digest = x'00'",
            "EXPLAIN QUERY PLAN SELECT * FROM account_user WHERE secret_digest = x'00'",
            "EXPLAIN QUERY PLAN SELECT * FROM instance WHERE organization_id = 1 AND id > 5 ORDER BY id LIMIT 10",
            "EXPLAIN QUERY PLAN SELECT * FROM instance WHERE organization_id = 1 AND id IN \
             (SELECT instance_id FROM instance_tag WHERE organization_id = 1 AND tag = 'x') AND id > 5 ORDER BY id LIMIT 10",
        ] {
            for row in sqlx::query(query).fetch_all(&store.read).await.unwrap() {
                let step: String = row.try_get("detail").unwrap();
                assert!(!step.starts_with("SCAN") && !step.contains("TEMP B-TREE"), "{query}: {step}");
            }
        }
    }
}
