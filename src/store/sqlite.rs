//! The embedded store: one SQLite file in WAL mode, one writing connection, a few reading ones.
//!
//! The SQL is kept portable (`$1` binds, `RETURNING`, no SQLite-only functions), so that another database can stand
//! behind the same traits; what is SQLite's own is in this file.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    ConnectOptions as _, Row as _, Sqlite, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tracing::log::LevelFilter;

use super::{
    Settings, Store,
    error::{Error, Result},
    key,
    seal::Sealer,
};
use crate::{clock::SharedClock, error::Result as PublicResult};

mod accounts;
mod grants;
mod instances;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

const DATABASE: &str = "hubgate.db";
const MASTER_KEY: &str = "master.key";
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
    clock: SharedClock,
    /// Shared by every process that has the database open; see [`SqliteStore::release_leases`].
    lock: File,
}

impl SqliteStore {
    pub(super) async fn open(settings: &Settings, clock: SharedClock) -> PublicResult<Self> {
        let dir = settings.data_dir.as_path();
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
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .log_statements(LevelFilter::Trace)
            .log_slow_statements(LevelFilter::Debug, Duration::from_secs(1));
        let pool = |connections: u32| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
        let write = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        MIGRATIONS.run(&write).await.map_err(|error| migration_refused(&path, error))?;
        let sealer = unlock(settings, &write, &path, clock.now()).await?;
        let read = pool(READERS).connect_with(options.pragma("query_only", "ON")).await.map_err(failed)?;
        let lock_path = dir.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| key::refuse(format!("{} cannot be opened: {error}", lock_path.display())))?;
        let store = Self { write, read, sealer, clock, lock };
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
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> PublicResult<()> {
        // The table is read, so that a database that vanished is noticed.
        sqlx::query("SELECT key_id FROM master_key LIMIT 1").execute(&self.read).await.map_err(Error::from)?;
        Ok(())
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

/// Loads or makes the master key and checks that it is the database's.
async fn unlock(settings: &Settings, pool: &SqlitePool, path: &Path, now: DateTime<Utc>) -> PublicResult<Sealer> {
    let file = settings.master_key_file.clone().unwrap_or_else(|| settings.data_dir.join(MASTER_KEY));
    let known = known_keys(pool).await?;
    let sealer = match key::load(&file)? {
        Some(sealer) => sealer,
        None if known.is_empty() => key::create(&file)?,
        None => {
            return Err(key::refuse(format!(
                "The database {} exists, but its master key file {} is missing. Put it back from the backup: without \
                 it nothing that is sealed in the database can be read",
                path.display(),
                file.display()
            )));
        }
    };
    if known.is_empty() {
        sqlx::query(
            "INSERT INTO master_key (key_id, check_value, created_at) VALUES ($1, $2, $3) ON CONFLICT (key_id) DO NOTHING",
        )
        .bind(sealer.key_id())
        .bind(sealer.check_value().as_slice())
        .bind(now.timestamp_millis())
        .execute(pool)
        .await
        .map_err(Error::from)?;
    }
    // Read again: another process may have been first, with a key file of its own.
    let matches = |(id, check): &(String, Vec<u8>)| id == sealer.key_id() && check == sealer.check_value();
    if known_keys(pool).await?.iter().all(matches) {
        return Ok(sealer);
    }
    Err(key::refuse(format!(
        "The master key in {} is not the one that the database {} was made with. Use the key file that belongs to it; \
         nothing was changed",
        file.display(),
        path.display()
    )))
}

async fn known_keys(pool: &SqlitePool) -> Result<Vec<(String, Vec<u8>)>> {
    let rows = sqlx::query("SELECT key_id, check_value FROM master_key").fetch_all(pool).await?;
    rows.iter().map(|row| Ok((row.try_get("key_id")?, row.try_get("check_value")?))).collect()
}

fn migration_refused(path: &Path, error: MigrateError) -> crate::error::Error {
    let path = path.display();
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    let text = match &error {
        MigrateError::VersionMissing(version) => format!(
            "The database {path} was made by a newer version of hubgate (schema {version}; this version knows schemas \
             up to {newest}). Use that version, or a backup from before the upgrade"
        ),
        MigrateError::VersionMismatch(version) => {
            format!(
                "The database {path} has another schema {version} than this version of hubgate: it is not to be used"
            )
        }
        _ => format!("The database {path} cannot be brought to schema {newest}"),
    };
    key::refuse(text).with_source(error)
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

fn time(millis: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).ok_or(Error::Corrupt { what: "time" })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
