//! The master key: loaded or made, and held against the database.

use std::path::Path;

use sqlx::{QueryBuilder, Row as _};

use super::{Db, DbConnection, DbRow, DbStore};
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
    let ours = sealer.key_ids();
    if known.is_empty() {
        let Some(first) = ours.first() else { return Err(Error::Corrupt { what: "master key" }.into()) };
        sqlx::query("INSERT INTO master_key (key_id, check_value, created_at, seals) VALUES ($1, $2, $3, $4)")
            .bind(first)
            .bind(sealer.check_value(first)?.as_slice())
            .bind(now)
            .bind(true)
            .execute(&mut *tx)
            .await
            .map_err(Error::from)?;
    }
    let fits = |id: &String, check: &[u8]| ours.contains(id) && sealer.check_value(id).is_ok_and(|ours| ours == check);
    let missing: Vec<&str> = known.iter().filter(|(id, check)| !fits(id, check)).map(|(id, _)| id.as_str()).collect();
    if missing.is_empty() {
        return Ok(sealer);
    }
    if missing.len() < known.len() {
        return Err(key::refuse(format!(
            "The master key file {} lacks the key {}, which the database {database} is still sealed with. Copy the file \
             from where the key was rotated, or finish the rotation (`hubgate key rotate`, `hubgate key remove`)",
            file.display(),
            missing.join(", "),
        )));
    }
    Err(key::refuse(format!(
        "The master key in {} is not the one that the database {database} was made with ({}). Use the key file that \
         belongs to it; nothing was changed",
        file.display(),
        missing.join(", "),
    )))
}

async fn known_keys(tx: &mut DbConnection) -> Result<Vec<(String, Vec<u8>)>> {
    let query = sqlx::query("SELECT key_id, check_value FROM master_key WHERE removed_at IS NULL");
    query.fetch_all(tx).await?.iter().map(|row| Ok((row.try_get("key_id")?, row.try_get("check_value")?))).collect()
}

/// The id of the master key that seals what is new; it stays so until the transaction ends.
pub(super) async fn sealing(tx: &mut DbConnection) -> Result<String> {
    // Whoever waited for a rotation to pass finds that the key it waited for seals no more; the next look finds the new one.
    for _ in 0..3 {
        let query = sqlx::query_scalar(concat!("SELECT key_id FROM master_key WHERE seals", for_share!()));
        if let Some(key_id) = query.fetch_optional(&mut *tx).await? {
            return Ok(key_id);
        }
    }
    Err(Error::Corrupt { what: "master key" })
}

impl DbStore {
    /// The row whose column holds the digest of this secret, under whichever master key; `sql` ends before the digests.
    pub(super) async fn by_secret(&self, sql: &'static str, kind: &str, secret: &str) -> Result<Option<DbRow>> {
        let mut digests = self.sealer.digests(kind, secret);
        loop {
            let mut query = QueryBuilder::<Db>::new(sql);
            query.push(" IN (");
            let mut list = query.separated(", ");
            for digest in &digests {
                list.push_bind(digest.to_vec());
            }
            query.push(")");
            if let Some(row) = query.build().fetch_optional(&self.reader()).await? {
                return Ok(Some(row));
            }
            // It may stand there under a key that was made just now.
            self.sealer.reload();
            let now = self.sealer.digests(kind, secret);
            if now == digests {
                break;
            }
            digests = now;
        }
        // Who lacks a key cannot say that there is no such secret.
        let query = sqlx::query_scalar("SELECT key_id FROM master_key WHERE removed_at IS NULL");
        let known: Vec<String> = query.fetch_all(&self.reader()).await?;
        let held = self.sealer.key_ids();
        match known.into_iter().find(|id| !held.contains(id)) {
            Some(key) => Err(Error::KeyMissing { key }),
            None => Ok(None),
        }
    }
}
