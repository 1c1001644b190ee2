//! The master key: loaded or made, and held against the database.

use std::path::Path;

use sqlx::Row as _;

use super::DbConnection;
use crate::{
    error::Result as PublicResult,
    store::{
        error::{Error, Result},
        key,
        seal::Sealer,
    },
};

/// Loads or makes the master key and checks that it is the database's; `tx` keeps other processes from doing the same.
///
/// The caller commits.
pub(super) async fn unlock(tx: &mut DbConnection, file: &Path, database: &str, now: i64) -> PublicResult<Sealer> {
    let known = known_keys(&mut *tx).await?;
    let sealer = match key::load(file)? {
        Some(sealer) => sealer,
        None if known.is_empty() => key::create(file)?,
        None => {
            return Err(key::refuse(format!(
                "The database {database} exists, but its master key file {} is missing. Put it back from the backup, or \
                 copy it from another node: without it nothing that is sealed in the database can be read",
                file.display()
            )));
        }
    };
    if known.is_empty() {
        sqlx::query("INSERT INTO master_key (key_id, check_value, created_at) VALUES ($1, $2, $3)")
            .bind(sealer.key_id())
            .bind(sealer.check_value().as_slice())
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(Error::from)?;
    }
    if known.iter().all(|(id, check)| id == sealer.key_id() && check == sealer.check_value()) {
        return Ok(sealer);
    }
    Err(key::refuse(format!(
        "The master key in {} is not the one that the database {database} was made with. Use the key file that belongs to \
         it; nothing was changed",
        file.display()
    )))
}

async fn known_keys(tx: &mut DbConnection) -> Result<Vec<(String, Vec<u8>)>> {
    let rows = sqlx::query("SELECT key_id, check_value FROM master_key").fetch_all(tx).await?;
    rows.iter().map(|row| Ok((row.try_get("key_id")?, row.try_get("check_value")?))).collect()
}
