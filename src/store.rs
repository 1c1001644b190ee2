//! Persistence: traits, the SQLite implementation, migrations, and the sealing of secrets.
//!
//! Everybody else sees `Arc<dyn Store>`; no SQL type leaves this module. Secrets (grants, secret configuration,
//! instance tokens, user and organization secrets) are sealed before they reach the database, see [`seal`].
//!
//! Writes are durable when the call returns (`synchronous=FULL`) and go through one connection, so that a storage
//! fault is an answer ([`Kind::Unavailable`](crate::error::Kind::Unavailable)), never a panic.
//!
//! ```no_run
//! # async fn demo() -> hubgate::error::Result<()> {
//! use std::sync::Arc;
//! use hubgate::{clock::SystemClock, store};
//! let store = store::open(&store::Settings::new("hubgate-data"), Arc::new(SystemClock)).await?;
//! store.ping().await?;
//! # Ok(()) }
//! ```

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value};

pub use self::records::{
    CreatedAccount, GrantRecord, GrantState, InstanceChange, InstanceFilter, InstanceRecord, Lease, NewAccount,
    NewGrant, NewInstance, Organization, RefreshFailure, User,
};
use crate::{clock::SharedClock, error::Result};

mod error;
mod key;
mod records;
pub mod seal;
mod sqlite;

/// Where the store lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of the database; made (0700) when it is missing.
    pub data_dir: PathBuf,
    /// The master key file; `None` is `master.key` in the data directory, made (0600) on the first start.
    pub master_key_file: Option<PathBuf>,
}

impl Settings {
    /// A store in `data_dir`, with its master key beside it.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), master_key_file: None }
    }
}

/// Opens the store, making the data directory, the database and the master key file on the first start.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) with a text that says what to do: the master key file is missing
/// for an existing database, readable by others, malformed, or not the database's; the database was made by a newer
/// version; the directory or the file cannot be read or written.
pub async fn open(settings: &Settings, clock: SharedClock) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(sqlite::SqliteStore::open(settings, clock).await?))
}

/// The whole store.
#[async_trait]
pub trait Store: Accounts + Instances + Grants {
    /// Tells whether the store answers.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::error::Kind::Unavailable) or [`Kind::Internal`](crate::error::Kind::Internal).
    async fn ping(&self) -> Result<()>;

    /// The keys of this store, for sealed stateless tokens and keyed digests.
    fn sealer(&self) -> &seal::Sealer;

    /// Finishes what is being written and closes the database. Later calls answer `Unavailable`.
    async fn close(&self);
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

    /// The organization's secret, opened.
    async fn organization_secret(&self, id: i64) -> Result<Option<SecretString>>;

    /// The user with this id.
    async fn user(&self, id: i64) -> Result<Option<User>>;

    /// The user whose secret this is.
    async fn user_by_secret(&self, secret: &str) -> Result<Option<User>>;

    /// The user with this e-mail address, whatever its case.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>>;

    /// The user's secret, opened.
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
    async fn delete_instance(&self, id: i64) -> Result<bool>;
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

    /// Declares the grant dead, and the instance not valid. `false`: generation or epoch moved on, nothing is written.
    async fn mark_reauth(&self, instance_id: i64, epoch: i64, seen_generation: i64, reason: &str) -> Result<bool>;
}
