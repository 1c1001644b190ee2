//! Persistence: traits, SQLite for one node and PostgreSQL for many, migrations, and the sealing of secrets.
//!
//! Everybody else sees `Arc<dyn Store>`; no SQL type leaves this module. Secrets (grants, secret configuration,
//! instance tokens, user and organization secrets) are sealed before they reach the database, see [`seal`].
//!
//! Writes are durable when the call returns; a storage fault is an answer
//! ([`Kind::Unavailable`](crate::error::Kind::Unavailable)), never a panic. Both databases run the same statements
//! (`sql/`) and pass the same tests.
//!
//! ```no_run
//! # async fn demo() -> hubgate::error::Result<()> {
//! use std::sync::Arc;
//! use hubgate::{clock::SystemClock, store};
//! let store = store::open(&store::Settings::new("hubgate-data"), Arc::new(SystemClock)).await?;
//! store.ping().await?;
//! # Ok(()) }
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::time::Instant;

pub use self::{
    audit::{Actor, AuditFilter, AuditRecord, AuditVerdict, By, action},
    records::{
        CreatedAccount, GrantRecord, GrantState, InstanceChange, InstanceFilter, InstanceRecord, LONGEST_PAUSE, Lease,
        MasterKey, NewAccount, NewGrant, NewInstance, Organization, RefreshFailure, User,
    },
    rotation::{Rotated, add_key, list_keys, remove_key, rotate_key},
};
use crate::{clock::SharedClock, config, error::Result};

pub mod audit;
mod error;
pub mod journal;
mod key;
mod migration;
#[allow(clippy::duplicate_mod, reason = "the statements in sql/ are compiled for either database")]
mod postgres;
mod records;
mod rotation;
pub mod seal;
#[allow(clippy::duplicate_mod, reason = "the statements in sql/ are compiled for either database")]
mod sqlite;

/// Where the store lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of the embedded database and of the journal of refreshed grants; made (0700) when it is missing.
    pub data_dir: PathBuf,
    /// The master key file; `None` is `master.key` in the data directory, made (0600) on the first start.
    pub master_key_file: Option<PathBuf>,
    /// The URL of a PostgreSQL database; `None` is an SQLite database in the data directory.
    pub database_url: Option<SecretString>,
    /// The most connections to PostgreSQL.
    pub max_connections: u32,
    /// What an acknowledged write to SQLite survives.
    pub synchronous: config::Synchronous,
    /// The longest that one call to PostgreSQL takes.
    pub patience: Duration,
}

/// Longer than a caller waits for a connection and the database for a lock or a statement, so that it can say so itself.
const PATIENCE: Duration = Duration::from_secs(8);

impl Settings {
    /// A store in `data_dir`, with its master key beside it.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), ..Self::from(&config::Store::default()) }
    }
}

impl From<&config::Store> for Settings {
    fn from(config: &config::Store) -> Self {
        Self {
            data_dir: config.data_dir.clone(),
            master_key_file: config.master_key_file.clone(),
            database_url: config.database_url.clone(),
            max_connections: config.max_connections,
            synchronous: config.synchronous,
            patience: PATIENCE,
        }
    }
}

/// Opens the store and brings it to the newest schema, making the data directory, the SQLite database and the master key
/// file on the first start.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) with a text that says what to do: the master key file is missing
/// for an existing database, readable by others, malformed, or not the database's; the database was made by a newer
/// version, or cannot be reached; the directory or the file cannot be read or written.
pub async fn open(settings: &Settings, clock: SharedClock) -> Result<Arc<dyn Store>> {
    Ok(match &settings.database_url {
        Some(url) => {
            let store = postgres::PostgresStore::open(settings, url, clock).await?;
            Arc::new(postgres::bounded::Bounded::new(store, settings.patience))
        }
        None => Arc::new(sqlite::SqliteStore::open(settings, clock).await?),
    })
}

/// Backs the embedded store up, while it is served or not: its database into `to`, which must not exist, and the keys of
/// its instances into `keys`, which are replaced. Neither holds the master key.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) with a text that says what to do: the store is on PostgreSQL, there
/// is none, or one of the files cannot be written.
pub async fn back_up(settings: &Settings, to: &Path, keys: &Path) -> Result<BackedUp> {
    sqlite::backup::embedded_only(settings, "back up")?;
    sqlite::backup::back_up(settings, to, keys).await
}

/// Puts a backup back where the embedded store is to be.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) with a text that says what to do: the store is on PostgreSQL, in use
/// or there already; the backup is damaged, by a newer version or of another master key.
pub async fn restore(settings: &Settings, from: &Path, keys: &Path, clock: SharedClock) -> Result<Restored> {
    sqlite::backup::embedded_only(settings, "restore")?;
    sqlite::restore::restore(settings, from, keys, &clock).await
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// How many instances.
    pub instances: usize,
    /// The schema of the database.
    pub schema: i64,
    /// The ids of the master keys that it needs.
    pub master_keys: Vec<String>,
}

/// What was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// How many instances.
    pub instances: usize,
    /// How many were left out: their keys are gone.
    pub deleted_since: usize,
}

/// The whole store.
#[async_trait]
pub trait Store: Accounts + Instances + Grants + Audit + MasterKeys {
    /// Tells whether the store answers, and takes what is written.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::error::Kind::Unavailable) or [`Kind::Internal`](crate::error::Kind::Internal).
    async fn ping(&self) -> Result<()>;

    /// The schema the database is at.
    fn schema(&self) -> i64;

    /// The keys of this store, for sealed stateless tokens and keyed digests.
    fn sealer(&self) -> &seal::Sealer;

    /// Whether what was read at `read_at` may still be given out without asking again.
    ///
    /// A store that other nodes write to says no a moment after `read_at`, unless [`follow`](Self::follow) hears of their
    /// changes just now: together less than a second.
    fn believes(&self, _read_at: Instant) -> bool {
        true
    }

    /// Tells `follower` what other nodes change, for as long as the future is polled; a store without other nodes has
    /// nothing to tell and returns at once.
    async fn follow(&self, _follower: &dyn Follower) {}

    /// The generations that response caches of several nodes agree about; `None` where there is one node.
    fn generations(&self) -> Option<&dyn Generations> {
        None
    }

    /// Finishes what is being written and closes the database. Later calls answer `Unavailable`.
    async fn close(&self);
}

/// What was changed in the store, by whichever node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// An instance: it has this version now, or is gone ([`i64::MAX`]).
    Instance {
        /// The instance.
        id: i64,
        /// Its version.
        version: i64,
    },
    /// Some organization or user.
    Accounts,
    /// Nobody knows what: changes may have been missed.
    Everything,
}

/// Who is told of changes.
#[async_trait]
pub trait Follower: Send + Sync {
    /// Forgets what `change` made stale; returns when nobody who comes after it can see what was before.
    async fn changed(&self, change: Change);
}

/// How far writes through an instance have come, for response caches that several nodes keep.
///
/// An answer computed under one generation is not given out under another. The common faults are those of [`Accounts`].
#[async_trait]
pub trait Generations: Send + Sync {
    /// The generation of one resource; `None` while a write to it is under way, when nothing may be kept or given out.
    async fn generation(&self, instance_id: i64, resource: &str) -> Result<Option<i64>>;

    /// Announces a write that takes no longer than `longest`.
    async fn begin_write(&self, instance_id: i64, resource: &str, longest: Duration) -> Result<()>;

    /// Tells that an announced write is over, however it ended: the next generation begins.
    async fn end_write(&self, instance_id: i64, resource: &str) -> Result<()>;
}

/// Organizations and users.
///
/// Every method fails with [`Kind::Unavailable`](crate::error::Kind::Unavailable) when the database cannot serve just
/// now, and with [`Kind::Internal`](crate::error::Kind::Internal) when a stored value cannot be read.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an organization with its first user; the secrets are in the answer and nowhere else in clear.
    ///
    /// # Errors
    /// [`Kind::Conflict`](crate::error::Kind::Conflict) when the e-mail address or a given secret is taken.
    async fn create_account(&self, new: NewAccount) -> Result<CreatedAccount>;

    /// The organization with this id.
    async fn organization(&self, id: i64) -> Result<Option<Organization>>;

    /// The organization whose secret this is.
    async fn organization_by_secret(&self, secret: &str) -> Result<Option<Organization>>;

    /// The organization's secret, opened for its operator; the reading is recorded.
    async fn organization_secret(&self, id: i64) -> Result<Option<SecretString>>;

    /// The user with this id.
    async fn user(&self, id: i64) -> Result<Option<User>>;

    /// The user whose secret this is.
    async fn user_by_secret(&self, secret: &str) -> Result<Option<User>>;

    /// The user with this e-mail address, whatever its case.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>>;

    /// The user's secret, opened for its operator; the reading is recorded.
    async fn user_secret(&self, id: i64) -> Result<Option<SecretString>>;
}

/// Instances with their configuration.
///
/// The common faults are those of [`Accounts`].
#[async_trait]
pub trait Instances: Send + Sync {
    /// Stores a new instance with its grant, if any, in one transaction.
    ///
    /// # Errors
    /// [`Kind::Conflict`](crate::error::Kind::Conflict) when a given token is taken.
    async fn insert_instance(&self, new: NewInstance) -> Result<InstanceRecord>;

    /// The instance with this id.
    async fn instance(&self, id: i64) -> Result<Option<InstanceRecord>>;

    /// The instance whose token this is.
    async fn instance_by_token(&self, token: &str) -> Result<Option<InstanceRecord>>;

    /// One page in the order of ids, and the `after_id` of the next page if there is one.
    async fn list_instances(&self, filter: &InstanceFilter) -> Result<(Vec<InstanceRecord>, Option<i64>)>;

    /// How many instances the filter admits, `after_id` and `limit` aside.
    async fn count_instances(&self, filter: &InstanceFilter) -> Result<u64>;

    /// The elements that the latest instances are of; no more than `looked_at` of these are looked at.
    async fn latest_elements(&self, looked_at: u32) -> Result<Vec<String>>;

    /// Changes an instance, in one transaction with its grant if a new one comes along.
    ///
    /// A new grant replaces the old one: next generation, state `Valid`, no lease; a refresh that is under way with
    /// the old one is fenced off, and the instance is valid again unless the change says otherwise.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound); [`Kind::Conflict`](crate::error::Kind::Conflict) when the
    /// instance has another version than `version`.
    async fn update_instance(&self, id: i64, version: i64, change: InstanceChange) -> Result<InstanceRecord>;

    /// Deletes the instance, its grant and its data key; tells whether it was there.
    async fn delete_instance(&self, id: i64, actor: &Actor) -> Result<bool>;
}

/// The journal of grants: every refresh is announced before the provider is called and stored before it is used.
///
/// The common faults are those of [`Accounts`]. Steps R2 to R6 are the steps of the refresh protocol, see
/// [`crate::grant`].
#[async_trait]
pub trait Grants: Send + Sync {
    /// The instance's grant.
    async fn grant(&self, instance_id: i64) -> Result<Option<GrantRecord>>;

    /// R2: takes the lease and writes the intent, unless the generation moved on, the grant is dead, backs off, or
    /// is leased to somebody.
    async fn begin_refresh(
        &self,
        instance_id: i64,
        seen_generation: i64,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Lease>>;

    /// R4: stores the new grant and merges `configuration` into the instance's, in one transaction. A grant without a
    /// refresh token keeps the old one. `false`: the lease was lost, nothing is written.
    async fn commit_refresh(
        &self,
        instance_id: i64,
        epoch: i64,
        seen_generation: i64,
        grant: NewGrant,
        configuration: Map<String, Value>,
    ) -> Result<bool>;

    /// Gives the lease back without a new grant. `false`: the lease was lost, nothing is written.
    async fn fail_refresh(&self, instance_id: i64, epoch: i64, failure: RefreshFailure) -> Result<bool>;

    /// Takes some grants whose refresh token is to be looked at, those first that have waited longest. Nobody else takes
    /// them for as long as `hold`.
    async fn claim_keep_alives(&self, limit: u32, hold: Duration) -> Result<Vec<i64>>;

    /// Puts the next look at a grant's refresh token off, unless it has another generation by now.
    async fn keep_alive_in(&self, instance_id: i64, generation: i64, after: Duration) -> Result<()>;

    /// Declares the grant dead, and the instance not valid. `false`: generation or epoch moved on, nothing is written.
    async fn mark_reauth(&self, instance_id: i64, epoch: i64, seen_generation: i64, reason: &str) -> Result<bool>;
}

/// The audit log. What changes something writes its own record; see [`audit`].
///
/// The common faults are those of [`Accounts`].
#[async_trait]
pub trait Audit: Send + Sync {
    /// Records that the tokens of `instances` are read by `actor`; to be called before they are given out. `owner`:
    /// organization and user.
    async fn note_read(&self, actor: &Actor, owner: (i64, i64), instances: &[i64]) -> Result<()>;

    /// One page of an account's records, the latest first, and the `before` of the next page if there is one.
    async fn audit_records(&self, filter: &AuditFilter) -> Result<(Vec<AuditRecord>, Option<i64>)>;

    /// The hash of a record, in hex digits.
    async fn audit_hash(&self, seq: i64) -> Result<Option<String>>;

    /// Looks through the whole log, as it is at this moment.
    async fn verify_audit(&self) -> Result<AuditVerdict>;
}

/// The master keys that the database knows; see [`rotate_key`].
///
/// The common faults are those of [`Accounts`].
#[async_trait]
pub trait MasterKeys: Send + Sync {
    /// All of them, the oldest first.
    async fn master_keys(&self) -> Result<Vec<MasterKey>>;

    /// Makes a key that is in the key file the one that seals what is new.
    async fn seal_with(&self, key_id: &str) -> Result<()>;

    /// Seals anew, in short transactions, what is sealed under other keys than the one that seals what is new; tells how
    /// many rows it was.
    async fn reseal(&self) -> Result<u64>;

    /// Notes that a key is not needed any more.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound); [`Kind::Conflict`](crate::error::Kind::Conflict) when it seals
    /// what is new, or something is sealed under it still.
    async fn retire_key(&self, key_id: &str) -> Result<()>;
}
