//! The store's own faults and what a caller learns of them.

use std::time::Duration;

use sqlx::{error::DatabaseError, postgres::PgDatabaseError, sqlite::SqliteError};

use crate::error::{Error as Public, Kind};

/// A fault of the store, the private cause of a public error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database refused or failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A stored value has a shape that was never written.
    #[error("stored {what} is unreadable")]
    Corrupt {
        /// Which value.
        what: &'static str,
    },
    /// A sealed value does not open: altered, moved to another row, or of another key.
    #[error("sealed {table}.{column} of row {row} does not open")]
    Sealed {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        row: i64,
    },
    /// Something is sealed under a master key that this process does not have.
    #[error("the master key file lacks the key {key}")]
    KeyMissing {
        /// The key's id.
        key: String,
    },
    /// The database takes what it is asked, and does not answer.
    #[error("the database said nothing in time")]
    Silent,
    /// The system gives no random bytes, or the cipher refused.
    #[error("sealing failed")]
    Sealing,
}

/// Shorthand inside the store.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Error> for Public {
    fn from(error: Error) -> Self {
        if matches!(error, Error::KeyMissing { .. }) {
            return unavailable(JUST_NOW, error);
        }
        if matches!(error, Error::Silent) {
            return unavailable("The store does not answer", error);
        }
        let Error::Database(cause) = &error else { return Self::internal(error) };
        if let Some(text) = disk_fault(cause) {
            return unavailable(text, error);
        }
        match cause {
            sqlx::Error::Database(database) => match Fault::of(database.as_ref()) {
                Fault::Taken => Self::new(Kind::Conflict, "It exists already").with_source(error),
                Fault::Refused(text) => Self::bad_request(text).with_source(error),
                Fault::Passing => unavailable(JUST_NOW, error),
                Fault::Ours => Self::internal(error),
            },
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            // A conversation that broke off: a peer that closes in its midst is told of as an unexpected answer.
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => unavailable(JUST_NOW, error),
            _ => Self::internal(error),
        }
    }
}

const JUST_NOW: &str = "The store cannot serve just now";

fn unavailable(text: &'static str, error: Error) -> Public {
    Public::new(Kind::Unavailable, text).with_retry_after(Duration::from_secs(1)).with_source(error)
}

/// What the disk under the embedded store refuses, if it is the disk.
pub(super) fn disk_fault(error: &sqlx::Error) -> Option<&'static str> {
    let sqlx::Error::Database(database) = error else { return None };
    let code: u32 = database.try_downcast_ref::<SqliteError>()?.code()?.parse().ok()?;
    match code & 0xff {
        // READONLY, IOERR, FULL, CANTOPEN.
        8 => Some("The store cannot be written to: it is read-only"),
        10 | 14 => Some("The store cannot be written to: its disk fails"),
        13 => Some("The store cannot be written to: its disk is full"),
        _ => None,
    }
}

/// Whose fault it is what the database answered.
enum Fault {
    /// Something that must be unique is taken.
    Taken,
    /// The caller's: this cannot be stored.
    Refused(&'static str),
    /// Nobody's: it may pass by itself.
    Passing,
    /// A bug of ours.
    Ours,
}

impl Fault {
    fn of(error: &dyn DatabaseError) -> Self {
        if error.is_unique_violation() {
            return Self::Taken;
        }
        let code = error.code().unwrap_or_default();
        if error.try_downcast_ref::<PgDatabaseError>().is_some() {
            Self::of_postgres(&code)
        } else {
            Self::of_sqlite(&code)
        }
    }

    /// By the SQLSTATE, the first two digits of which are its class.
    fn of_postgres(code: &str) -> Self {
        match (code.get(..2).unwrap_or_default(), code) {
            (_, "22021") => Self::Refused("A text holds a character that cannot be stored (U+0000)"),
            (_, "54000") => Self::Refused("A tag or an address is too long to be stored"),
            // Connection, rollback (deadlock), resources, lock, operator (shutdown, time limit), system; a standby
            // takes no writes, and a role or database can be gone for the time of a failover.
            ("08" | "28" | "3D" | "40" | "53" | "55" | "57" | "58", _) | (_, "25006") => Self::Passing,
            _ => Self::Ours,
        }
    }

    /// By the (extended) result code: BUSY, LOCKED; for the disk's own see [`disk_fault`].
    fn of_sqlite(code: &str) -> Self {
        let code: u32 = code.parse().unwrap_or_default();
        if matches!(code & 0xff, 5 | 6) { Self::Passing } else { Self::Ours }
    }
}
