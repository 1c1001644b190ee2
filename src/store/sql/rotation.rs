//! Master keys taking turns: the database knows which one seals, and what is sealed under which.

use async_trait::async_trait;
use sqlx::Row as _;

use super::{
    DbConnection, DbRow, DbStore,
    accounts::{self, ORGANIZATION, USER},
    in_time, instances, keys,
};
use crate::{
    error::{Error as PublicError, Kind, Result as PublicResult},
    store::{
        Actor, MasterKey, MasterKeys, action,
        audit::{self, Entry},
        error::{Error, Result},
        records::time,
        seal::Sealer,
    },
};

/// Rows that are sealed anew in one transaction.
const BATCH: i64 = 50;

/// Where something is sealed under a master key.
#[derive(Clone, Copy)]
enum Table {
    Organizations,
    Users,
    Instances,
}

impl Table {
    /// The rows after `$1` that are sealed under another key than `$2`, locked.
    const fn stale(self) -> &'static str {
        match self {
            Self::Organizations => concat!(
                "SELECT id, key_id, secret_sealed FROM organization WHERE id > $1 AND key_id <> $2 ORDER BY id LIMIT $3",
                for_update!()
            ),
            Self::Users => concat!(
                "SELECT id, key_id, secret_sealed FROM account_user WHERE id > $1 AND key_id <> $2 ORDER BY id LIMIT $3",
                for_update!()
            ),
            Self::Instances => concat!(
                "SELECT id, key_id, data_key, data_key_id, token_sealed FROM instance WHERE id > $1 AND key_id <> $2 \
                 ORDER BY id LIMIT $3",
                for_update!()
            ),
        }
    }

    const fn fresh(self) -> &'static str {
        match self {
            Self::Organizations => {
                "UPDATE organization SET secret_sealed = $1, secret_digest = $2, key_id = $3 WHERE id = $4"
            }
            Self::Users => "UPDATE account_user SET secret_sealed = $1, secret_digest = $2, key_id = $3 WHERE id = $4",
            Self::Instances => "UPDATE instance SET data_key = $1, token_digest = $2, key_id = $3 WHERE id = $4",
        }
    }

    /// What is sealed in this row, and the digest it is found by, under `key_id`.
    fn sealed(self, sealer: &Sealer, row: &DbRow, id: i64, key_id: &str) -> Result<(Vec<u8>, [u8; 32])> {
        let old: String = row.try_get("key_id")?;
        let account = |table| {
            let place = accounts::secret_of(table, id);
            let plain = sealer.open(place, &old, row.try_get("secret_sealed")?)?;
            let secret = std::str::from_utf8(&plain).map_err(|_| Error::Corrupt { what: "secret" })?;
            Ok((sealer.seal(place, key_id, &plain)?, sealer.digest_under(key_id, table, secret)?))
        };
        match self {
            Self::Organizations => account(ORGANIZATION),
            Self::Users => account(USER),
            Self::Instances => {
                let place = instances::place(id, "data_key");
                let plain = sealer.open(place, &old, row.try_get("data_key")?)?;
                let (data_key, data_key_id) = instances::data_key(sealer, row, id)?;
                let token = data_key.open(instances::place(id, "token"), data_key_id, row.try_get("token_sealed")?)?;
                let token = std::str::from_utf8(&token).map_err(|_| Error::Corrupt { what: "token" })?;
                let digest = sealer.digest_under(key_id, instances::TABLE, token)?;
                Ok((sealer.seal(place, key_id, &plain)?, digest))
            }
        }
    }
}

const UNDER: &str = "SELECT (SELECT COUNT(*) FROM organization WHERE key_id = $1) \
                     + (SELECT COUNT(*) FROM account_user WHERE key_id = $1) \
                     + (SELECT COUNT(*) FROM instance WHERE key_id = $1) \
                     + (SELECT COUNT(*) FROM audit_head WHERE key_id = $1)";

async fn rows_under(tx: &mut DbConnection, key_id: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(UNDER).bind(key_id).fetch_one(tx).await?)
}

impl DbStore {
    async fn reseal_table(&self, table: Table) -> Result<u64> {
        let (mut after, mut done) = (0_i64, 0);
        loop {
            let mut tx = in_time(self, self.begin()).await?;
            let key_id = in_time(self, keys::sealing(&mut tx)).await?;
            let query = sqlx::query(table.stale()).bind(after).bind(&key_id).bind(BATCH);
            let rows = in_time(self, query.fetch_all(&mut *tx)).await?;
            for row in &rows {
                after = row.try_get("id")?;
                let (sealed, digest) = table.sealed(&self.sealer, row, after, &key_id)?;
                let query = sqlx::query(table.fresh()).bind(sealed).bind(digest.as_slice()).bind(&key_id).bind(after);
                in_time(self, query.execute(&mut *tx)).await?;
                done += 1;
            }
            in_time(self, tx.commit()).await?;
            if rows.is_empty() {
                return Ok(done);
            }
        }
    }

    async fn reseal_log(&self) -> Result<u64> {
        let mut tx = in_time(self, self.begin()).await?;
        let key_id = in_time(self, keys::sealing(&mut tx)).await?;
        let query = concat!("SELECT key_id, key_sealed FROM audit_head WHERE id = 1 AND key_id <> $1", for_update!());
        let query = sqlx::query(query).bind(&key_id);
        let Some(row) = in_time(self, query.fetch_optional(&mut *tx)).await? else { return Ok(0) };
        let old: String = row.try_get("key_id")?;
        let plain = self.sealer.open(audit::KEY, &old, row.try_get("key_sealed")?)?;
        let query = sqlx::query("UPDATE audit_head SET key_sealed = $1, key_id = $2 WHERE id = 1")
            .bind(self.sealer.seal(audit::KEY, &key_id, &plain)?)
            .bind(&key_id);
        in_time(self, query.execute(&mut *tx)).await?;
        in_time(self, tx.commit()).await?;
        Ok(1)
    }

    async fn turn_to(&self, key_id: &str) -> Result<()> {
        let check = self.sealer.check_value(key_id)?;
        let mut tx = self.begin().await?;
        // Waits for those who are sealing under the key before.
        sqlx::query("UPDATE master_key SET seals = $1 WHERE seals").bind(false).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO master_key (key_id, check_value, created_at, seals) VALUES ($1, $2, $3, $4)")
            .bind(key_id)
            .bind(check.as_slice())
            .bind(self.now())
            .bind(true)
            .execute(&mut *tx)
            .await?;
        self.note_key(&mut tx, action::KEY_ROTATED, key_id).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn note_key(&self, tx: &mut DbConnection, action: &'static str, key_id: &str) -> Result<()> {
        let actor = Actor::default();
        let details = serde_json::json!({"key": key_id});
        self.note(tx, &Entry { actor: &actor, owner: None, action, instances: &[], details }).await
    }

    async fn retire(&self, key_id: &str) -> PublicResult<()> {
        let mut tx = in_time(self, self.begin()).await?;
        let query = concat!("SELECT seals FROM master_key WHERE key_id = $1 AND removed_at IS NULL", for_update!());
        let query = sqlx::query_scalar(query).bind(key_id);
        let seals: Option<bool> = in_time(self, query.fetch_optional(&mut *tx)).await?;
        let rows = in_time(self, rows_under(&mut tx, key_id)).await?;
        let in_use = |text: String| Err(PublicError::new(Kind::Conflict, text));
        match seals {
            None => return Err(PublicError::not_found(format!("There is no key {key_id} to remove"))),
            Some(true) => return in_use(format!("The key {key_id} seals what is new; rotate first")),
            Some(false) if rows > 0 => {
                return in_use(format!(
                    "{rows} rows are still sealed under {key_id}; finish `hubgate key rotate` first"
                ));
            }
            Some(false) => {}
        }
        let query =
            sqlx::query("UPDATE master_key SET removed_at = $1 WHERE key_id = $2").bind(self.now()).bind(key_id);
        in_time(self, query.execute(&mut *tx)).await?;
        in_time(self, self.note_key(&mut tx, action::KEY_REMOVED, key_id)).await?;
        in_time(self, tx.commit()).await?;
        Ok(())
    }

    async fn known_master_keys(&self) -> Result<Vec<MasterKey>> {
        let mut tx = in_time(self, self.begin_snapshot()).await?;
        let query = sqlx::query("SELECT * FROM master_key ORDER BY created_at, key_id");
        let rows = in_time(self, query.fetch_all(&mut *tx)).await?;
        let mut known = Vec::with_capacity(rows.len());
        for row in rows {
            let id: String = row.try_get("key_id")?;
            known.push(MasterKey {
                created_at: time(row.try_get("created_at")?)?,
                seals: row.try_get("seals")?,
                removed_at: row.try_get::<Option<i64>, _>("removed_at")?.map(time).transpose()?,
                rows: in_time(self, rows_under(&mut tx, &id)).await?.unsigned_abs(),
                id,
            });
        }
        Ok(known)
    }
}

#[async_trait]
impl MasterKeys for DbStore {
    async fn master_keys(&self) -> PublicResult<Vec<MasterKey>> {
        Ok(self.known_master_keys().await?)
    }

    async fn seal_with(&self, key_id: &str) -> PublicResult<()> {
        Ok(self.turn_to(key_id).await?)
    }

    async fn reseal(&self) -> PublicResult<u64> {
        let mut done = self.reseal_log().await?;
        for table in [Table::Organizations, Table::Users, Table::Instances] {
            done += self.reseal_table(table).await?;
        }
        Ok(done)
    }

    async fn retire_key(&self, key_id: &str) -> PublicResult<()> {
        self.retire(key_id).await
    }
}
