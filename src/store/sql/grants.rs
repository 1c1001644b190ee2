//! The journal of grants.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use sqlx::Row as _;

use super::{DbConnection, DbRow, DbStore, accounts::text, instances};
use crate::{
    error::Result as PublicResult,
    store::{
        Actor, By, GrantRecord, GrantState, Grants, LONGEST_PAUSE, Lease, NewGrant, RefreshFailure, action,
        audit::Entry,
        error::{Error, Result},
        records::time,
        seal::{DataKey, Place, Sealer},
    },
};

/// [`LONGEST_PAUSE`] in milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "an hour")]
const LONGEST_PAUSE_MS: i64 = LONGEST_PAUSE.as_millis() as i64;

fn place(row: i64, column: &'static str) -> Place {
    Place { table: "instance_grant", row, column }
}

struct Sealed {
    access: Option<Vec<u8>>,
    refresh: Option<Vec<u8>>,
    secret: Option<Vec<u8>>,
}

fn seal(key: &DataKey, key_id: i64, id: i64, grant: &NewGrant) -> Result<Sealed> {
    let seal = |column, value: &Option<SecretString>| {
        value.as_ref().map(|value| key.seal(place(id, column), key_id, value.expose_secret().as_bytes())).transpose()
    };
    Ok(Sealed {
        access: seal("access", &grant.access)?,
        refresh: seal("refresh", &grant.refresh)?,
        secret: seal("secret", &grant.secret)?,
    })
}

/// The grant in this row, at `now` by this node's clock and `agreed` by the one of leases, unless the database has its own.
///
/// What nodes agree about (leases, pauses) is stored in the time of the database and shown in this node's time.
fn record(sealer: &Sealer, row: &DbRow, now: i64, agreed: i64) -> Result<GrantRecord> {
    let id = row.try_get("instance_id")?;
    let ahead = now.saturating_sub(row.try_get::<Option<i64>, _>("db_now")?.unwrap_or(agreed));
    let (key, _) = instances::data_key(sealer, row, id)?;
    let key_id = row.try_get("grant_key_id")?;
    let open = |column, sealed: Option<Vec<u8>>| {
        sealed.map(|sealed| text(&key.open(place(id, column), key_id, &sealed)?, "token")).transpose()
    };
    let moment = |column: &str| row.try_get::<Option<i64>, _>(column)?.map(time).transpose();
    let agreed =
        |column: &str| row.try_get::<Option<i64>, _>(column)?.map(|at| time(at.saturating_add(ahead))).transpose();
    let state: &str = row.try_get("state")?;
    Ok(GrantRecord {
        instance_id: id,
        generation: row.try_get("generation")?,
        epoch: row.try_get("epoch")?,
        state: GrantState::from_name(state).ok_or(Error::Corrupt { what: "state of a grant" })?,
        access: open("access", row.try_get("access_sealed")?)?,
        refresh: open("refresh", row.try_get("refresh_sealed")?)?,
        secret: open("secret", row.try_get("secret_sealed")?)?,
        expires_at: moment("expires_at")?,
        obtained_at: time(row.try_get("obtained_at")?)?,
        lease_owner: row.try_get("lease_owner")?,
        lease_until: agreed("lease_until")?,
        intent_at: agreed("intent_at")?,
        fail_count: u32::try_from(row.try_get::<i64, _>("fail_count")?).unwrap_or(u32::MAX),
        // Later than that it is only because the clock was set back while nothing ran.
        next_attempt_at: agreed("next_attempt_at")?
            .filter(|next| next.timestamp_millis() <= now.saturating_add(LONGEST_PAUSE_MS)),
        keep_alive_at: agreed("keep_alive_at")?,
        last_error: row.try_get("last_error")?,
        reauth_reason: row.try_get("reauth_reason")?,
    })
}

/// In how many milliseconds the grant is to be looked at.
fn keep_alive(grant: &NewGrant) -> i64 {
    grant.keep_alive_in.map_or(0, |after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 2))
}

/// Puts a fresh grant in the place of whatever was there; a refresh that is under way is fenced off.
pub(super) async fn replace(
    tx: &mut DbConnection,
    key: &DataKey,
    key_id: i64,
    id: i64,
    grant: &NewGrant,
    (now, agreed): (i64, i64),
) -> Result<()> {
    let sealed = seal(key, key_id, id, grant)?;
    sqlx::query(concat!(
        "INSERT INTO instance_grant (instance_id, generation, epoch, state, access_sealed, refresh_sealed, secret_sealed, \
         key_id, expires_at, obtained_at, fail_count, keep_alive_at) VALUES ($1, 1, 1, 'valid', $2, $3, $4, $5, $6, $7, 0, \
         CASE WHEN $8 THEN COALESCE(",
        db_now!(),
        ", $9) + $10 END) \
         ON CONFLICT (instance_id) DO UPDATE SET generation = instance_grant.generation + 1, \
         epoch = instance_grant.epoch + 1, state = 'valid', access_sealed = excluded.access_sealed, \
         refresh_sealed = excluded.refresh_sealed, secret_sealed = excluded.secret_sealed, key_id = excluded.key_id, \
         expires_at = excluded.expires_at, obtained_at = excluded.obtained_at, lease_owner = NULL, lease_until = NULL, \
         intent_at = NULL, fail_count = 0, next_attempt_at = NULL, last_error = NULL, reauth_reason = NULL, \
         keep_alive_at = excluded.keep_alive_at",
    ))
    .bind(id)
    .bind(sealed.access)
    .bind(sealed.refresh)
    .bind(sealed.secret)
    .bind(key_id)
    .bind(grant.expires_at.map(|at| at.timestamp_millis()))
    .bind(now)
    .bind(grant.refresh.is_some())
    .bind(agreed)
    .bind(keep_alive(grant))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

impl DbStore {
    /// The time that all nodes agree about: the database's, where it has one.
    async fn agreed_now(&self, tx: &mut DbConnection) -> Result<i64> {
        let db_now: Option<i64> = sqlx::query_scalar(concat!("SELECT ", db_now!())).fetch_one(tx).await?;
        Ok(db_now.unwrap_or_else(|| self.agreed()))
    }

    async fn commit_grant(
        &self,
        id: i64,
        epoch: i64,
        seen: i64,
        grant: NewGrant,
        configuration: Map<String, Value>,
    ) -> Result<bool> {
        let now = self.now();
        let mut tx = self.begin().await?;
        // Everywhere the instance is locked before its grant, so that no two writers wait for each other.
        let query = sqlx::query(concat!(
            "SELECT key_id, data_key, data_key_id, configuration FROM instance WHERE id = $1",
            for_update!()
        ));
        let Some(row) = query.bind(id).fetch_optional(&mut *tx).await? else { return Ok(false) };
        let (key, key_id) = instances::data_key(&self.sealer, &row, id)?;
        let sealed = seal(&key, key_id, id, &grant)?;
        let written = sqlx::query(concat!(
            "UPDATE instance_grant SET generation = generation + 1, state = 'valid', access_sealed = $1, \
             refresh_sealed = COALESCE($2, refresh_sealed), secret_sealed = COALESCE($3, secret_sealed), key_id = $4, \
             expires_at = $5, obtained_at = $6, lease_owner = NULL, lease_until = NULL, intent_at = NULL, fail_count = 0, \
             next_attempt_at = NULL, last_error = NULL, reauth_reason = NULL, \
             keep_alive_at = CASE WHEN $10 OR refresh_sealed IS NOT NULL THEN COALESCE(",
            db_now!(),
            ", $11) + $12 END WHERE instance_id = $7 AND epoch = $8 AND generation = $9",
        ))
        .bind(sealed.access)
        .bind(sealed.refresh)
        .bind(sealed.secret)
        .bind(key_id)
        .bind(grant.expires_at.map(|at| at.timestamp_millis()))
        .bind(now)
        .bind(id)
        .bind(epoch)
        .bind(seen)
        .bind(grant.refresh.is_some())
        .bind(self.agreed())
        .bind(keep_alive(&grant))
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if written == 0 {
            return Ok(false);
        }
        instances::merge_configuration(&mut tx, id, &row, configuration, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn kill_grant(&self, id: i64, epoch: i64, seen: i64, reason: &str) -> Result<bool> {
        let now = self.now();
        let mut tx = self.begin().await?;
        sqlx::query(concat!("SELECT id FROM instance WHERE id = $1", for_update!())).bind(id).execute(&mut *tx).await?;
        let written = sqlx::query(
            "UPDATE instance_grant SET state = 'reauth_required', reauth_reason = $1, lease_owner = NULL, \
             lease_until = NULL, intent_at = NULL, next_attempt_at = NULL, keep_alive_at = NULL \
             WHERE instance_id = $2 AND epoch = $3 AND generation = $4",
        )
        .bind(reason)
        .bind(id)
        .bind(epoch)
        .bind(seen)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if written == 0 {
            return Ok(false);
        }
        let row = sqlx::query(
            "UPDATE instance SET valid = $1, updated_at = $2, version = version + 1 WHERE id = $3 \
             RETURNING organization_id, user_id, element_key",
        )
        .bind(false)
        .bind(now)
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
        let entry = Entry {
            actor: &Actor { by: By::Gateway, request: None },
            owner: Some((row.try_get("organization_id")?, row.try_get("user_id")?)),
            action: action::INSTANCE_INVALIDATED,
            instances: &[id],
            details: json!({"element": row.try_get::<&str, _>("element_key")?}),
        };
        self.note(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn claim(&self, limit: u32, hold: Duration) -> Result<Vec<i64>> {
        let mut tx = self.begin().await?;
        let now = self.agreed_now(&mut tx).await?;
        let ids: Vec<i64> = sqlx::query_scalar(concat!(
            "SELECT instance_id FROM instance_grant WHERE keep_alive_at <= $1 ORDER BY keep_alive_at LIMIT $2",
            skip_locked!()
        ))
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await?;
        for id in &ids {
            sqlx::query("UPDATE instance_grant SET keep_alive_at = $1 WHERE instance_id = $2")
                .bind(now.saturating_add(i64::try_from(hold.as_millis()).unwrap_or(i64::MAX)))
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(ids)
    }
}

#[async_trait]
impl Grants for DbStore {
    async fn grant(&self, instance_id: i64) -> PublicResult<Option<GrantRecord>> {
        let row = sqlx::query(concat!(
            "SELECT g.*, g.key_id AS grant_key_id, i.data_key, i.data_key_id, i.key_id, ",
            db_now!(),
            " AS db_now FROM instance_grant g JOIN instance i ON i.id = g.instance_id WHERE g.instance_id = $1",
        ))
        .bind(instance_id)
        .fetch_optional(&self.reader())
        .await
        .map_err(Error::from)?;
        Ok(row.map(|row| record(&self.sealer, &row, self.now(), self.agreed())).transpose()?)
    }

    async fn begin_refresh(
        &self,
        instance_id: i64,
        seen_generation: i64,
        owner: &str,
        lease: Duration,
    ) -> PublicResult<Option<Lease>> {
        let mut tx = self.begin().await?;
        let query =
            sqlx::query_scalar(concat!("SELECT intent_at FROM instance_grant WHERE instance_id = $1", for_update!()));
        let intent: Option<Option<i64>> =
            query.bind(instance_id).fetch_optional(&mut *tx).await.map_err(Error::from)?;
        let now = self.agreed_now(&mut tx).await?;
        let until = now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        let epoch: Option<i64> = sqlx::query_scalar(
            "UPDATE instance_grant SET epoch = epoch + 1, state = 'refreshing', lease_owner = $1, lease_until = $2, \
             intent_at = $3 WHERE instance_id = $4 AND generation = $5 AND state <> 'reauth_required' \
             AND (lease_until IS NULL OR lease_until < $6) \
             AND (next_attempt_at IS NULL OR next_attempt_at <= $7 OR next_attempt_at > $8) RETURNING epoch",
        )
        .bind(owner)
        .bind(until)
        .bind(now)
        .bind(instance_id)
        .bind(seen_generation)
        .bind(now)
        .bind(now)
        .bind(now.saturating_add(LONGEST_PAUSE_MS))
        .fetch_optional(&mut *tx)
        .await
        .map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        Ok(epoch.map(|epoch| Lease { epoch, uncertain: intent.flatten().is_some() }))
    }

    async fn commit_refresh(
        &self,
        instance_id: i64,
        epoch: i64,
        seen_generation: i64,
        grant: NewGrant,
        configuration: Map<String, Value>,
    ) -> PublicResult<bool> {
        Ok(self.commit_grant(instance_id, epoch, seen_generation, grant, configuration).await?)
    }

    async fn fail_refresh(&self, instance_id: i64, epoch: i64, failure: RefreshFailure) -> PublicResult<bool> {
        let down = failure.next_attempt_at.is_some();
        let mut tx = self.begin().await?;
        let ahead = self.now() - self.agreed_now(&mut tx).await?;
        let query = sqlx::query(
            "UPDATE instance_grant SET state = $1, lease_owner = NULL, lease_until = NULL, \
             intent_at = CASE WHEN $2 THEN intent_at ELSE NULL END, fail_count = fail_count + $3, next_attempt_at = $4, \
             last_error = $5 WHERE instance_id = $6 AND epoch = $7 AND state = 'refreshing'",
        )
        .bind(if down { GrantState::ProviderDown.name() } else { GrantState::Valid.name() })
        .bind(failure.uncertain)
        .bind(i64::from(down))
        .bind(failure.next_attempt_at.map(|at| at.timestamp_millis().saturating_sub(ahead)))
        .bind(failure.error)
        .bind(instance_id)
        .bind(epoch);
        let written = query.execute(&mut *tx).await.map_err(Error::from)?.rows_affected() > 0;
        tx.commit().await.map_err(Error::from)?;
        Ok(written)
    }

    async fn mark_reauth(
        &self,
        instance_id: i64,
        epoch: i64,
        seen_generation: i64,
        reason: &str,
    ) -> PublicResult<bool> {
        Ok(self.kill_grant(instance_id, epoch, seen_generation, reason).await?)
    }

    async fn claim_keep_alives(&self, limit: u32, hold: Duration) -> PublicResult<Vec<i64>> {
        Ok(self.claim(limit, hold).await?)
    }

    async fn keep_alive_in(&self, instance_id: i64, generation: i64, after: Duration) -> PublicResult<()> {
        let query = sqlx::query(concat!(
            "UPDATE instance_grant SET keep_alive_at = COALESCE(",
            db_now!(),
            ", $1) + $2 WHERE instance_id = $3 AND generation = $4 AND keep_alive_at IS NOT NULL"
        ));
        let mut tx = self.begin().await?;
        query
            .bind(self.agreed())
            .bind(i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 2))
            .bind(instance_id)
            .bind(generation)
            .execute(&mut *tx)
            .await
            .map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        Ok(())
    }
}
