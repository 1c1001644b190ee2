//! The audit log: who made, changed, switched, re-authenticated, deleted and read what.
//!
//! A record is written in the transaction of what it tells of, so there is no change without one and no record of what
//! did not happen. Its hash is an HMAC over the record and the hash before it, under a key of the log's own that is
//! wrapped by the master key: who can write the database, but does not have the master key, cannot make a record fit. The
//! last number and hash stand in a row of their own with an HMAC over them, so a cut tail is noticed, too. What this
//! cannot show is a whole database put back to an earlier state; a head that was noted elsewhere can (`hubgate audit
//! verify --head`).

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::seal::{self, Place};

/// The place of the log's own key.
pub(super) const KEY: Place = Place { table: "audit_head", row: 1, column: "key" };

/// What records tell of.
pub mod action {
    /// The first record of a log.
    pub const LOG_BEGUN: &str = "log.begun";
    /// An organization and its first user were made; their secrets were shown.
    pub const ACCOUNT_CREATED: &str = "account.created";
    /// A user's or an organization's secret was read.
    pub const ACCOUNT_READ: &str = "account.read";
    /// An instance was made.
    pub const INSTANCE_CREATED: &str = "instance.created";
    /// An instance was changed.
    pub const INSTANCE_CHANGED: &str = "instance.changed";
    /// An instance was switched on.
    pub const INSTANCE_ENABLED: &str = "instance.enabled";
    /// An instance was switched off.
    pub const INSTANCE_DISABLED: &str = "instance.disabled";
    /// An instance got fresh credentials.
    pub const INSTANCE_REAUTHENTICATED: &str = "instance.reauthenticated";
    /// An instance's grant proved dead.
    pub const INSTANCE_INVALIDATED: &str = "instance.invalidated";
    /// An instance was deleted.
    pub const INSTANCE_DELETED: &str = "instance.deleted";
    /// The tokens of instances were read.
    pub const INSTANCE_READ: &str = "instance.read";
    /// Another master key seals what is new.
    pub const KEY_ROTATED: &str = "key.rotated";
    /// A master key is not needed any more.
    pub const KEY_REMOVED: &str = "key.removed";
    /// The embedded store was put back from a backup.
    pub const STORE_RESTORED: &str = "store.restored";
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// Somebody at the command line.
    #[default]
    Operator,
    /// The gateway by itself.
    Gateway,
    /// A user, with his secret and his organization's.
    User(i64),
    /// Whoever holds an instance's token.
    Instance(i64),
}

impl By {
    /// The name, as it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Gateway => "gateway",
            Self::User(_) => "user",
            Self::Instance(_) => "instance",
        }
    }

    /// The user's or instance's id.
    pub const fn id(self) -> Option<i64> {
        match self {
            Self::Operator | Self::Gateway => None,
            Self::User(id) | Self::Instance(id) => Some(id),
        }
    }
}

/// Who did it, and in which request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub by: By,
    /// The request's id.
    pub request: Option<Arc<str>>,
}

/// A record to write.
pub(super) struct Entry<'a> {
    pub(super) actor: &'a Actor,
    /// Organization and user whose matter it is.
    pub(super) owner: Option<(i64, i64)>,
    pub(super) action: &'static str,
    pub(super) instances: &'a [i64],
    /// An object, nothing secret in it.
    pub(super) details: Value,
}

/// A stored record.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// Its number: one more than the one before.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: `user`, `instance`, `operator` or `gateway`.
    pub actor: String,
    /// The user's or instance's id.
    pub actor_id: Option<i64>,
    /// What was done, one of [`action`].
    pub action: String,
    /// To which instances.
    pub instances: Vec<i64>,
    /// In which request.
    pub request_id: Option<String>,
    /// What else there is to say; nothing secret.
    pub details: Map<String, Value>,
    /// The hash over this record and all before it.
    pub hash: Vec<u8>,
}

/// Which records to list: those of one account, the latest first.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this organization.
    pub organization_id: i64,
    /// Of this user.
    pub user_id: i64,
    /// About this instance.
    pub instance_id: Option<i64>,
    /// Of this action.
    pub action: Option<String>,
    /// At this moment or later, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Before this moment.
    pub until_ms: Option<i64>,
    /// Before the record of this number.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// What came out when the whole log was looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditVerdict {
    /// Every record is there, as it was written.
    Whole {
        /// How many.
        records: i64,
        /// The last one's hash, in hex digits.
        head: String,
    },
    /// It was tampered with.
    Broken {
        /// The first record that does not fit.
        record: i64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What a record's hash covers beside the one before: every column, in this order.
pub(super) struct Columns<'a> {
    pub(super) seq: i64,
    pub(super) at: i64,
    pub(super) actor: &'a str,
    pub(super) actor_id: Option<i64>,
    pub(super) organization_id: Option<i64>,
    pub(super) user_id: Option<i64>,
    pub(super) action: &'a str,
    pub(super) instances: &'a str,
    pub(super) request_id: Option<&'a str>,
    pub(super) details: &'a str,
}

/// The key of the log: makes and checks the hashes.
pub(super) struct Chain(Zeroizing<[u8; 32]>);

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain")
    }
}

impl Chain {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The hash of the record that follows the one with the hash `before`.
    pub(super) fn hash(&self, before: &[u8], record: &Columns<'_>) -> [u8; 32] {
        let who = (record.actor, record.actor_id, record.organization_id, record.user_id);
        let what = (record.action, record.instances, record.request_id, record.details);
        // JSON, so that no two records have the same text; it cannot fail on texts and numbers.
        let text = serde_json::to_vec(&(record.seq, record.at, who, what)).unwrap_or_default();
        seal::digest(&self.0, &[b"record|", before, b"|", &text])
    }

    /// What proves that the head was written by us.
    pub(super) fn mac(&self, seq: i64, hash: &[u8]) -> [u8; 32] {
        seal::digest(&self.0, &[b"head|", &seq.to_be_bytes(), hash])
    }
}

/// The ids as they are stored.
pub(super) fn ids(instances: &[i64]) -> String {
    let mut text = String::new();
    for id in instances {
        text.push(',');
        text.push_str(&id.to_string());
    }
    if !text.is_empty() {
        text.push(',');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Columns<'_> = Columns {
        seq: 7,
        at: 1,
        actor: "user",
        actor_id: Some(3),
        organization_id: Some(1),
        user_id: Some(3),
        action: action::INSTANCE_CREATED,
        instances: ",9,",
        request_id: None,
        details: "{}",
    };

    #[test]
    fn a_hash_covers_every_column_the_one_before_and_the_key() {
        let chain = Chain::new(Zeroizing::new([1; 32]));
        let hash = chain.hash(&[0; 32], &RECORD);
        assert_eq!(hash, chain.hash(&[0; 32], &RECORD));
        let others = [
            Columns { seq: 8, ..RECORD },
            Columns { at: 2, ..RECORD },
            Columns { actor: "instance", ..RECORD },
            Columns { actor_id: None, ..RECORD },
            Columns { organization_id: Some(2), ..RECORD },
            Columns { user_id: None, ..RECORD },
            Columns { action: action::INSTANCE_DELETED, ..RECORD },
            Columns { instances: ",9,1,", ..RECORD },
            Columns { request_id: Some(""), ..RECORD },
            Columns { details: "{} ", ..RECORD },
        ];
        for other in &others {
            assert_ne!(hash, chain.hash(&[0; 32], other));
        }
        assert_ne!(hash, chain.hash(&[1; 32], &RECORD));
        let another = Chain::new(Zeroizing::new([2; 32]));
        assert_ne!(hash, another.hash(&[0; 32], &RECORD));
        assert_ne!(chain.mac(7, &hash), another.mac(7, &hash));
        assert_ne!(chain.mac(7, &hash), chain.mac(8, &hash));
        assert!(!format!("{chain:?}").contains('1'));
    }

    #[test]
    fn ids_are_stored_so_that_one_is_found_among_several() {
        assert_eq!((ids(&[]), ids(&[7]), ids(&[7, 70])), (String::new(), ",7,".to_owned(), ",7,70,".to_owned()));
    }
}
