//! The store's own faults and what a caller learns of them.

use std::time::Duration;

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
    /// The system gives no random bytes, or the cipher refused.
    #[error("sealing failed")]
    Sealing,
}

/// Shorthand inside the store.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Error> for Public {
    fn from(error: Error) -> Self {
        let Error::Database(cause) = &error else { return Self::internal(error) };
        match cause {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Self::new(Kind::Conflict, "It exists already").with_source(error)
            }
            sqlx::Error::Database(database) if transient(database.code().as_deref()) => unavailable(error),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
                unavailable(error)
            }
            _ => Self::internal(error),
        }
    }
}

fn unavailable(error: Error) -> Public {
    Public::new(Kind::Unavailable, "The store cannot serve just now")
        .with_retry_after(Duration::from_secs(1))
        .with_source(error)
}

/// Whether an (extended) SQLite result code may pass by itself: BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
fn transient(code: Option<&str>) -> bool {
    let code = code.and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
    matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14)
}
