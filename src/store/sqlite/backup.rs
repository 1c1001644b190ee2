//! Backups of the embedded store, made while it is served.
//!
//! A backup is two files. The database without the keys of its instances can be kept for years; the keys are in a file of
//! their own that each backup replaces. So an instance that is deleted takes its key with it, and no older database brings
//! its tokens back, unless somebody kept an older file of keys, too.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use super::{BUSY, DATABASE};
use crate::{
    error::Result as PublicResult,
    store::{
        BackedUp, Settings,
        error::{Error, Result},
        key::{parent, refuse},
        seal,
    },
};

/// Tells a backup from a database that can be served: its instances have no keys.
pub(super) const BACKUP: i64 = 0x6875_6267;
const FORMAT: &str = "hubgate-instance-keys-1";

/// The keys of the instances of a backup, as they are wrapped by the master key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceKeys {
    format: String,
    /// The highest id that was ever given to an instance.
    pub(super) last_id: i64,
    pub(super) keys: Vec<InstanceKey>,
}

/// The key of one instance.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceKey {
    pub(super) instance: i64,
    /// The master key that wraps it.
    pub(super) master_key: String,
    /// In base64.
    key: String,
}

impl InstanceKey {
    pub(super) fn wrapped(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.key).ok()
    }
}

impl InstanceKeys {
    pub(super) fn read(path: &Path) -> PublicResult<Self> {
        let shown = path.display();
        let bytes = fs::read(path)
            .map_err(|error| refuse(format!("The file of instance keys {shown} cannot be read: {error}")))?;
        let keys: Option<Self> = serde_json::from_slice(&bytes).ok();
        keys.filter(|keys| keys.format == FORMAT)
            .ok_or_else(|| refuse(format!("{shown} is no file of instance keys that `hubgate backup` made")))
    }

    async fn of(database: &mut SqliteConnection) -> Result<Self> {
        let rows =
            sqlx::query("SELECT id, key_id, data_key FROM instance ORDER BY id").fetch_all(&mut *database).await?;
        let keys = rows.iter().map(|row| {
            let wrapped: Vec<u8> = row.try_get("data_key")?;
            Ok(InstanceKey {
                instance: row.try_get("id")?,
                master_key: row.try_get("key_id")?,
                key: STANDARD.encode(wrapped),
            })
        });
        let keys = keys.collect::<Result<_>>()?;
        let last: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'instance'")
            .fetch_optional(&mut *database)
            .await?;
        Ok(Self { format: FORMAT.to_owned(), last_id: last.unwrap_or_default(), keys })
    }
}

/// A file that is not finished; removed when it is not put in its place.
pub(super) struct Unfinished(PathBuf);

impl Unfinished {
    /// An empty file beside `target`, its owner's only.
    pub(super) fn beside(target: &Path) -> io::Result<Self> {
        let mark = hex::encode(seal::random::<8>().map_err(io::Error::other)?);
        let path = parent(target).join(format!(".hubgate-{mark}"));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts the file where nothing may be yet.
    pub(super) fn place(self, target: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        fs::hard_link(&self.0, target)?;
        sync_parent(target)
    }

    /// Puts the file in the place of another one.
    fn replace(self, target: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        fs::rename(&self.0, target)?;
        sync_parent(target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What was put in place is gone from here, or has a second name.
        drop(fs::remove_file(&self.0));
        drop(fs::remove_file(beside(&self.0, "-journal")));
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

/// `path` with something behind its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Opens a database that no gateway serves: one file, no journal left behind.
pub(super) async fn open_alone(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Delete)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .pragma("secure_delete", "ON");
    Ok(options.connect().await?)
}

/// Tells what SQLite finds wrong with a database.
pub(super) async fn faults(database: &mut SqliteConnection) -> Result<Option<String>> {
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(3)").fetch_all(&mut *database).await?;
    if found != ["ok"] {
        return Ok(Some(found.join("; ")));
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(database).await?.len();
    Ok((dangling > 0).then(|| format!("{dangling} rows refer to rows that are not there")))
}

/// Backs the store of `settings` up into `to`, and the keys of its instances into `keys`.
pub(in crate::store) async fn back_up(settings: &Settings, to: &Path, keys: &Path) -> PublicResult<BackedUp> {
    let (source, shown) = (settings.data_dir.join(DATABASE), to.display());
    if !source.is_file() {
        return Err(refuse(format!("There is no database {} to back up", source.display())));
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(refuse(format!("{shown} exists already; a backup overwrites nothing. Name another file")));
    }
    if fs::exists(keys).unwrap_or(true) {
        InstanceKeys::read(keys)?;
    }
    let made = |error: io::Error| refuse(format!("The backup {shown} cannot be made: {error}"));
    let failed = |error: Error| refuse(format!("The backup {shown} cannot be made")).with_source(error);
    let draft = Unfinished::beside(to).map_err(made)?;
    let (backed_up, instance_keys) = copy(&source, draft.path()).await.map_err(failed)?;
    let text = serde_json::to_vec(&instance_keys).map_err(|error| made(error.into()))?;
    let kept = Unfinished::beside(keys).map_err(made)?;
    OpenOptions::new().write(true).open(kept.path()).and_then(|mut file| file.write_all(&text)).map_err(made)?;
    // Keys that are newer than a database fit it; keys that are older lack some.
    kept.replace(keys).map_err(made)?;
    draft.place(to).map_err(made)?;
    Ok(backed_up)
}

async fn copy(source: &Path, draft: &Path) -> Result<(BackedUp, InstanceKeys)> {
    let options = SqliteConnectOptions::new().filename(source).create_if_missing(false).busy_timeout(BUSY);
    let mut live = options.connect().await?;
    // One moment of it, whatever is written meanwhile.
    sqlx::query("VACUUM INTO $1").bind(draft.display().to_string()).execute(&mut live).await?;
    live.close().await?;
    let mut database = open_alone(draft).await?;
    let keys = InstanceKeys::of(&mut database).await?;
    sqlx::query("UPDATE instance SET data_key = x''").execute(&mut database).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA application_id = {BACKUP}; VACUUM")))
        .execute(&mut database)
        .await?;
    let master_keys = sqlx::query_scalar(
        "SELECT key_id FROM organization UNION SELECT key_id FROM account_user UNION SELECT key_id FROM instance",
    );
    let master_keys = master_keys.fetch_all(&mut database).await?;
    let schema = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut database).await?;
    let faults = faults(&mut database).await?;
    database.close().await?;
    match faults {
        Some(faults) => Err(Error::Database(sqlx::Error::Protocol(format!("the database is damaged: {faults}")))),
        None => Ok((BackedUp { instances: keys.keys.len(), schema, master_keys }, keys)),
    }
}

/// Refuses what only the embedded store can do.
pub(in crate::store) fn embedded_only(settings: &Settings, what: &str) -> PublicResult<()> {
    if settings.database_url.is_none() {
        return Ok(());
    }
    Err(refuse(format!(
        "The store is a PostgreSQL database: {what} it with PostgreSQL's own means (pg_dump and pg_restore, or the \
         archive of its log). The master key file is not in it; keep a copy elsewhere"
    )))
}
