//! The audit log.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row as _};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Db, DbConnection, DbRow, DbStore, in_time, keys};
use crate::{
    error::Result as PublicResult,
    store::{
        Actor, Audit, AuditFilter, AuditRecord, AuditVerdict, By, action,
        audit::{self, Chain, Columns, Entry},
        error::{Error, Result},
        records::time,
        seal::{self, Sealer},
    },
};

/// Records that are looked through at a time.
const STRETCH: usize = 1000;
const FIRST: [u8; 32] = [0; 32];

struct Head {
    seq: i64,
    hash: Vec<u8>,
    mac: Vec<u8>,
    key_sealed: Vec<u8>,
    key_id: Option<String>,
}

impl Head {
    async fn read(tx: &mut DbConnection) -> Result<Option<Self>> {
        let query = sqlx::query(concat!("SELECT * FROM audit_head WHERE id = 1", for_update!()));
        Self::of(query.fetch_optional(tx).await?)
    }

    fn of(row: Option<DbRow>) -> Result<Option<Self>> {
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Self {
            seq: row.try_get("seq")?,
            hash: row.try_get("hash")?,
            mac: row.try_get("mac")?,
            key_sealed: row.try_get("key_sealed")?,
            key_id: row.try_get("key_id")?,
        }))
    }

    fn is_ours(&self, chain: &Chain) -> bool {
        chain.mac(self.seq, &self.hash).ct_eq(&self.mac).into()
    }
}

/// Opens the log's key; on the first start it is made, and the log begun. `None`: the head is gone, and so is the key.
pub(super) async fn unlock(tx: &mut DbConnection, sealer: &Sealer, now: i64) -> Result<Option<Chain>> {
    let Some(head) = Head::read(&mut *tx).await? else { return Ok(None) };
    if let Some(key_id) = &head.key_id {
        let key = sealer.open(audit::KEY, key_id, &head.key_sealed)?;
        let key: [u8; 32] = key.as_slice().try_into().map_err(|_| Error::Corrupt { what: "key of the audit log" })?;
        return Ok(Some(Chain::new(Zeroizing::new(key))));
    }
    let key = Zeroizing::new(seal::random::<32>()?);
    let key_id = keys::sealing(&mut *tx).await?;
    let sealed = sealer.seal(audit::KEY, &key_id, key.as_slice())?;
    let chain = Chain::new(key);
    sqlx::query("UPDATE audit_head SET seq = 0, hash = $1, mac = $2, key_sealed = $3, key_id = $4 WHERE id = 1")
        .bind(FIRST.as_slice())
        .bind(chain.mac(0, &FIRST).as_slice())
        .bind(sealed)
        .bind(key_id)
        .execute(&mut *tx)
        .await?;
    let actor = Actor { by: By::Gateway, request: None };
    let details = serde_json::json!({});
    let begun = Entry { actor: &actor, owner: None, action: action::LOG_BEGUN, instances: &[], details };
    append(tx, Some(&chain), now, &begun).await?;
    Ok(Some(chain))
}

/// Writes one more record. To be called last in a transaction: it takes the lock that all writers of records need.
pub(super) async fn append(tx: &mut DbConnection, chain: Option<&Chain>, now: i64, entry: &Entry<'_>) -> Result<()> {
    let lost = || Error::Corrupt { what: "head of the audit log (see `hubgate audit verify`)" };
    let (Some(chain), Some(head)) = (chain, Head::read(&mut *tx).await?) else { return Err(lost()) };
    // What somebody else wrote there must not become ours by being built upon.
    if !head.is_ours(chain) {
        return Err(lost());
    }
    let (seq, instances) = (head.seq + 1, audit::ids(entry.instances));
    let details = entry.details.to_string();
    let (organization_id, user_id) = entry.owner.unzip();
    let hash = chain.hash(
        &head.hash,
        &Columns {
            seq,
            at: now,
            actor: entry.actor.by.name(),
            actor_id: entry.actor.by.id(),
            organization_id,
            user_id,
            action: entry.action,
            instances: &instances,
            request_id: entry.actor.request.as_deref(),
            details: &details,
        },
    );
    sqlx::query(
        "INSERT INTO audit_log (seq, at, actor, actor_id, organization_id, user_id, action, instances, request_id, \
         details, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(seq)
    .bind(now)
    .bind(entry.actor.by.name())
    .bind(entry.actor.by.id())
    .bind(organization_id)
    .bind(user_id)
    .bind(entry.action)
    .bind(instances)
    .bind(entry.actor.request.as_deref())
    .bind(details)
    .bind(hash.as_slice())
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE audit_head SET seq = $1, hash = $2, mac = $3 WHERE id = 1")
        .bind(seq)
        .bind(hash.as_slice())
        .bind(chain.mac(seq, &hash).as_slice())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

fn record(row: &DbRow) -> Result<AuditRecord> {
    let (instances, details): (&str, &str) = (row.try_get("instances")?, row.try_get("details")?);
    Ok(AuditRecord {
        seq: row.try_get("seq")?,
        at: time(row.try_get("at")?)?,
        actor: row.try_get("actor")?,
        actor_id: row.try_get("actor_id")?,
        action: row.try_get("action")?,
        instances: instances.split(',').filter_map(|id| id.parse().ok()).collect(),
        request_id: row.try_get("request_id")?,
        details: serde_json::from_str(details).map_err(|_| Error::Corrupt { what: "details of an audit record" })?,
        hash: row.try_get("hash")?,
    })
}

/// The hash that this record should have.
fn expected(chain: &Chain, before: &[u8], row: &DbRow) -> Result<[u8; 32]> {
    Ok(chain.hash(
        before,
        &Columns {
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            actor_id: row.try_get("actor_id")?,
            organization_id: row.try_get("organization_id")?,
            user_id: row.try_get("user_id")?,
            action: row.try_get("action")?,
            instances: row.try_get("instances")?,
            request_id: row.try_get("request_id")?,
            details: row.try_get("details")?,
        },
    ))
}

impl DbStore {
    /// Writes a record as the last thing in `tx`; the caller commits.
    pub(super) async fn note(&self, tx: &mut DbConnection, entry: &Entry<'_>) -> Result<()> {
        append(tx, self.chain.as_ref(), self.now(), entry).await
    }

    async fn list_records(&self, filter: &AuditFilter) -> Result<(Vec<AuditRecord>, Option<i64>)> {
        let mut query = QueryBuilder::<Db>::new("SELECT * FROM audit_log WHERE organization_id = ");
        query.push_bind(filter.organization_id).push(" AND user_id = ").push_bind(filter.user_id);
        if let Some(id) = filter.instance_id {
            query.push(" AND instances LIKE ").push_bind(format!("%,{id},%"));
        }
        if let Some(action) = &filter.action {
            query.push(" AND action = ").push_bind(action.clone());
        }
        for (condition, bound) in
            [(" AND at >= ", filter.since_ms), (" AND at < ", filter.until_ms), (" AND seq < ", filter.before)]
        {
            if let Some(bound) = bound {
                query.push(condition).push_bind(bound);
            }
        }
        // One more than asked for tells whether there is a next page.
        query.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(filter.limit) + 1);
        let rows = query.build().fetch_all(&self.reader()).await?;
        let more = rows.len() > filter.limit as usize;
        let records = rows.iter().take(filter.limit as usize).map(record).collect::<Result<Vec<_>>>()?;
        let next = records.last().map(|record| record.seq).filter(|_| more);
        Ok((records, next))
    }

    async fn look_through(&self) -> Result<AuditVerdict> {
        let broken = |record, reason| Ok(AuditVerdict::Broken { record, reason });
        let mut tx = in_time(self, self.begin_snapshot()).await?;
        let row = sqlx::query("SELECT * FROM audit_head WHERE id = 1").fetch_optional(&mut *tx);
        let row = in_time(self, row).await?;
        let (Some(head), Some(chain)) = (Head::of(row)?, &self.chain) else {
            return broken(0, "the head of the log is gone");
        };
        let (mut before, mut last, mut from) = (FIRST.to_vec(), 0, i64::MIN);
        loop {
            let query = sqlx::query("SELECT * FROM audit_log WHERE seq > $1 ORDER BY seq LIMIT $2");
            let rows = query.bind(from).bind(i64::try_from(STRETCH).unwrap_or(i64::MAX)).fetch_all(&mut *tx);
            let rows = in_time(self, rows).await?;
            for row in &rows {
                from = row.try_get("seq")?;
                if from < last + 1 {
                    return broken(from, "it was put in");
                }
                if from > last + 1 {
                    return broken(last + 1, "it is gone");
                }
                let hash: Vec<u8> = row.try_get("hash")?;
                if !bool::from(expected(chain, &before, row)?.ct_eq(&hash)) {
                    return broken(from, "it is not what was written");
                }
                (before, last) = (hash, from);
            }
            if rows.len() < STRETCH {
                break;
            }
        }
        if last < head.seq {
            return broken(last + 1, "it is gone, and all that came after it");
        }
        if last > head.seq {
            return broken(head.seq + 1, "the head of the log does not know it");
        }
        if head.hash != before || !head.is_ours(chain) {
            return broken(last, "the head of the log is not what was written");
        }
        Ok(AuditVerdict::Whole { records: last, head: hex::encode(before) })
    }
}

#[async_trait]
impl Audit for DbStore {
    async fn note_read(&self, actor: &Actor, owner: (i64, i64), instances: &[i64]) -> PublicResult<()> {
        let mut tx = self.begin().await?;
        let details = serde_json::json!({});
        let entry = Entry { actor, owner: Some(owner), action: action::INSTANCE_READ, instances, details };
        self.note(&mut tx, &entry).await?;
        tx.commit().await.map_err(Error::from)?;
        Ok(())
    }

    async fn audit_records(&self, filter: &AuditFilter) -> PublicResult<(Vec<AuditRecord>, Option<i64>)> {
        Ok(self.list_records(filter).await?)
    }

    async fn audit_hash(&self, seq: i64) -> PublicResult<Option<String>> {
        let query = sqlx::query_scalar("SELECT hash FROM audit_log WHERE seq = $1").bind(seq);
        let hash: Option<Vec<u8>> = query.fetch_optional(&self.reader()).await.map_err(Error::from)?;
        Ok(hash.map(hex::encode))
    }

    async fn verify_audit(&self) -> PublicResult<AuditVerdict> {
        Ok(self.look_through().await?)
    }
}
