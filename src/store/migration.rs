//! What a schema that does not fit means to the operator.

use sqlx::migrate::{MigrateError, Migrator};

use super::key::refuse;
use crate::error::Error;

/// The newest schema that `migrations` know.
pub(super) fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Why `database` was not brought to the newest schema.
pub(super) fn refused(migrations: &Migrator, database: &str, error: MigrateError) -> Error {
    let newest = newest(migrations);
    let text = match &error {
        MigrateError::VersionMissing(version) => format!(
            "The database {database} was made by a newer version of hubgate (schema {version}; this version knows schemas \
             up to {newest}). Use that version, or a backup from before the upgrade"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "The database {database} has another schema {version} than this version of hubgate: it is not to be used"
        ),
        _ => format!("The database {database} cannot be brought to schema {newest}"),
    };
    refuse(text).with_source(error)
}
