//! Instances.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sqlx::{QueryBuilder, Row as _};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    Db, DbConnection, DbRow, DbStore,
    accounts::{UNSEALED, new_secret, text},
    keys,
};
use crate::{
    error::{Error as PublicError, Kind, Result as PublicResult},
    store::{
        Actor, InstanceChange, InstanceFilter, InstanceRecord, Instances, NewInstance, action,
        audit::Entry,
        error::{Error, Result},
        records::time,
        seal::{DataKey, Place, Sealer},
    },
};

pub(super) const TABLE: &str = "instance";
const PAGE: u32 = 200;

pub(super) fn place(row: i64, column: &'static str) -> Place {
    Place { table: TABLE, row, column }
}

/// The data key of the instance in this row (columns `id`, `key_id`, `data_key`, `data_key_id`).
pub(super) fn data_key(sealer: &Sealer, row: &DbRow, id: i64) -> Result<(DataKey, i64)> {
    let (key_id, wrapped): (String, Vec<u8>) = (row.try_get("key_id")?, row.try_get("data_key")?);
    Ok((sealer.data_key(place(id, "data_key"), &key_id, &wrapped)?, row.try_get("data_key_id")?))
}

pub(super) fn record(sealer: &Sealer, row: &DbRow) -> Result<InstanceRecord> {
    let id = row.try_get("id")?;
    let (key, key_id) = data_key(sealer, row, id)?;
    let open = |column, sealed: Vec<u8>| key.open(place(id, column), key_id, &sealed);
    let secrets = open("secrets", row.try_get("secrets_sealed")?)?;
    let token = open("token", row.try_get("token_sealed")?)?;
    Ok(InstanceRecord {
        id,
        organization_id: row.try_get("organization_id")?,
        user_id: row.try_get("user_id")?,
        element_id: row.try_get("element_id")?,
        element_key: row.try_get("element_key")?,
        name: row.try_get("name")?,
        tags: json(row.try_get("tags")?, "tags")?,
        configuration: json(row.try_get("configuration")?, "configuration")?,
        secrets: open_secrets(&secrets)?,
        token: text(&token, "token")?,
        disabled: row.try_get("disabled")?,
        valid: row.try_get("valid")?,
        caching_enabled: row.try_get("caching_enabled")?,
        cache_ttl_s: row.try_get::<i64, _>("cache_ttl_s")?.unsigned_abs(),
        max_cache_size: row.try_get::<i64, _>("max_cache_size")?.unsigned_abs(),
        external_authentication: row.try_get("external_authentication")?,
        events_enabled: row.try_get("events_enabled")?,
        trace_logging: row.try_get("trace_logging")?,
        created_at: time(row.try_get("created_at")?)?,
        updated_at: time(row.try_get("updated_at")?)?,
        version: row.try_get("version")?,
    })
}

fn json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| Error::Corrupt { what })
}

fn to_json<T: serde::Serialize>(value: &T, what: &'static str) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Error::Corrupt { what })
}

fn open_secrets(plain: &[u8]) -> Result<BTreeMap<String, SecretString>> {
    let entries: BTreeMap<String, String> =
        serde_json::from_slice(plain).map_err(|_| Error::Corrupt { what: "secret configuration" })?;
    Ok(entries.into_iter().map(|(key, value)| (key, SecretString::from(value))).collect())
}

fn secrets_json(secrets: &BTreeMap<String, SecretString>) -> Result<Zeroizing<String>> {
    let entries: BTreeMap<&str, &str> =
        secrets.iter().map(|(key, value)| (key.as_str(), value.expose_secret())).collect();
    to_json(&entries, "secret configuration").map(Zeroizing::new)
}

fn folded(name: &str, element_key: &str) -> String {
    format!("{}\n{}", name.to_lowercase(), element_key.to_lowercase())
}

fn without_doubles(tags: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    tags.into_iter().filter(|tag| seen.insert(tag.clone())).collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

async fn put_tags(tx: &mut DbConnection, organization: i64, id: i64, tags: &[String]) -> Result<()> {
    sqlx::query("DELETE FROM instance_tag WHERE instance_id = $1").bind(id).execute(&mut *tx).await?;
    for tag in tags {
        sqlx::query("INSERT INTO instance_tag (organization_id, tag, instance_id) VALUES ($1, $2, $3)")
            .bind(organization)
            .bind(tag)
            .bind(id)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

fn narrow(query: &mut QueryBuilder<Db>, filter: &InstanceFilter) {
    query.push(" FROM instance WHERE organization_id = ").push_bind(filter.organization_id);
    if let Some(user) = filter.user_id {
        query.push(" AND user_id = ").push_bind(user);
    }
    if let Some(key) = &filter.element_key {
        query.push(" AND element_key = ").push_bind(key.clone());
    }
    for tag in &filter.tags {
        query.push(" AND id IN (SELECT instance_id FROM instance_tag WHERE organization_id = ");
        query.push_bind(filter.organization_id).push(" AND tag = ").push_bind(tag.clone()).push(")");
    }
    if let Some(search) = filter.search.as_deref().filter(|search| !search.is_empty()) {
        let mut pattern = String::from("%");
        for char in search.to_lowercase().chars() {
            if matches!(char, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(char);
        }
        pattern.push('%');
        query.push(" AND search_folded LIKE ").push_bind(pattern).push(r" ESCAPE '\'");
    }
}

impl DbStore {
    async fn insert(&self, new: NewInstance) -> Result<InstanceRecord> {
        let now = self.now();
        let token = match new.token {
            Some(token) => token,
            None => new_secret()?,
        };
        let tags = without_doubles(new.tags);
        let secrets = secrets_json(&new.secrets)?;
        let mut tx = self.begin().await?;
        let key_id = keys::sealing(&mut tx).await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO instance (organization_id, user_id, element_id, element_key, name, search_folded, tags, \
             configuration, secrets_sealed, token_digest, token_sealed, data_key, data_key_id, key_id, disabled, valid, \
             caching_enabled, cache_ttl_s, max_cache_size, external_authentication, events_enabled, trace_logging, \
             created_at, updated_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
             $16, $17, $18, $19, $20, $21, $22, $23, $24, 1) RETURNING id",
        )
        .bind(new.organization_id)
        .bind(new.user_id)
        .bind(new.element_id)
        .bind(&new.element_key)
        .bind(&new.name)
        .bind(folded(&new.name, &new.element_key))
        .bind(to_json(&tags, "tags")?)
        .bind(to_json(&new.configuration, "configuration")?)
        .bind(UNSEALED)
        .bind(self.sealer.digest_under(&key_id, TABLE, token.expose_secret())?.as_slice())
        .bind(UNSEALED)
        .bind(UNSEALED)
        .bind(DataKey::FIRST)
        .bind(&key_id)
        .bind(new.disabled)
        .bind(new.valid)
        .bind(new.caching_enabled)
        .bind(signed(new.cache_ttl_s))
        .bind(signed(new.max_cache_size))
        .bind(&new.external_authentication)
        .bind(new.events_enabled)
        .bind(new.trace_logging)
        .bind(now)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        // The id is part of what a value is bound to, so sealing comes after inserting.
        let (key, wrapped) = self.sealer.new_data_key(place(id, "data_key"), &key_id)?;
        let row = sqlx::query(
            "UPDATE instance SET data_key = $1, secrets_sealed = $2, token_sealed = $3 WHERE id = $4 RETURNING *",
        )
        .bind(wrapped)
        .bind(key.seal(place(id, "secrets"), DataKey::FIRST, secrets.as_bytes())?)
        .bind(key.seal(place(id, "token"), DataKey::FIRST, token.expose_secret().as_bytes())?)
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
        put_tags(&mut tx, new.organization_id, id, &tags).await?;
        if let Some(grant) = &new.grant {
            super::grants::replace(&mut tx, &key, DataKey::FIRST, id, grant, (now, self.agreed())).await?;
        }
        let record = record(&self.sealer, &row)?;
        let entry = Entry {
            actor: &new.actor,
            owner: Some((record.organization_id, record.user_id)),
            action: action::INSTANCE_CREATED,
            instances: &[id],
            details: json!({"element": record.element_key}),
        };
        self.note(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(record)
    }

    async fn delete(&self, id: i64, actor: &Actor) -> Result<bool> {
        let mut tx = self.begin().await?;
        let query = sqlx::query("DELETE FROM instance WHERE id = $1 RETURNING organization_id, user_id, element_key");
        let Some(gone) = query.bind(id).fetch_optional(&mut *tx).await? else { return Ok(false) };
        let entry = Entry {
            actor,
            owner: Some((gone.try_get("organization_id")?, gone.try_get("user_id")?)),
            action: action::INSTANCE_DELETED,
            instances: &[id],
            details: json!({"element": gone.try_get::<&str, _>("element_key")?}),
        };
        self.note(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn change(&self, id: i64, version: i64, change: InstanceChange) -> PublicResult<InstanceRecord> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT * FROM instance WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(Error::from)?
            .ok_or_else(|| PublicError::not_found(format!("There is no instance {id}")))?;
        let (key, key_id) = data_key(&self.sealer, &row, id)?;
        let mut record = record(&self.sealer, &row)?;
        let overtaken =
            || PublicError::new(Kind::Conflict, format!("Instance {id} was changed by somebody else meanwhile"));
        if record.version != version {
            return Err(overtaken());
        }
        let (action, actor, changed) = (what(&record, &change), change.actor.clone(), members(&record, &change));
        let fresh = change.grant.is_some();
        let tags = change.tags.map(without_doubles);
        record.tags = tags.clone().unwrap_or(record.tags);
        record.name = change.name.unwrap_or(record.name);
        record.configuration = change.configuration.unwrap_or(record.configuration);
        record.disabled = change.disabled.unwrap_or(record.disabled);
        record.valid = change.valid.unwrap_or(record.valid || fresh);
        record.caching_enabled = change.caching_enabled.unwrap_or(record.caching_enabled);
        record.cache_ttl_s = change.cache_ttl_s.unwrap_or(record.cache_ttl_s);
        record.max_cache_size = change.max_cache_size.unwrap_or(record.max_cache_size);
        record.external_authentication = change.external_authentication.unwrap_or(record.external_authentication);
        record.events_enabled = change.events_enabled.unwrap_or(record.events_enabled);
        record.trace_logging = change.trace_logging.unwrap_or(record.trace_logging);
        record.updated_at = time(now)?;
        record.version += 1;
        // First of all: it takes the row's lock, and whoever lost the race learns it here.
        let written = sqlx::query(
            "UPDATE instance SET name = $1, search_folded = $2, tags = $3, configuration = $4, disabled = $5, valid = $6, \
             caching_enabled = $7, cache_ttl_s = $8, max_cache_size = $9, external_authentication = $10, \
             events_enabled = $11, trace_logging = $12, updated_at = $13, version = $14 WHERE id = $15 AND version = $16",
        )
        .bind(&record.name)
        .bind(folded(&record.name, &record.element_key))
        .bind(to_json(&record.tags, "tags")?)
        .bind(to_json(&record.configuration, "configuration")?)
        .bind(record.disabled)
        .bind(record.valid)
        .bind(record.caching_enabled)
        .bind(signed(record.cache_ttl_s))
        .bind(signed(record.max_cache_size))
        .bind(&record.external_authentication)
        .bind(record.events_enabled)
        .bind(record.trace_logging)
        .bind(now)
        .bind(record.version)
        .bind(id)
        .bind(version)
        .execute(&mut *tx)
        .await
        .map_err(Error::from)?;
        if written.rows_affected() == 0 {
            return Err(overtaken());
        }
        if let Some(tags) = &tags {
            put_tags(&mut tx, record.organization_id, id, tags).await?;
        }
        if let Some(grant) = &change.grant {
            super::grants::replace(&mut tx, &key, key_id, id, grant, (now, self.agreed())).await?;
        }
        if let Some(secrets) = change.secrets {
            let sealed = key.seal(place(id, "secrets"), key_id, secrets_json(&secrets)?.as_bytes())?;
            sqlx::query("UPDATE instance SET secrets_sealed = $1 WHERE id = $2")
                .bind(sealed)
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(Error::from)?;
            record.secrets = secrets;
        }
        let entry = Entry {
            actor: &actor,
            owner: Some((record.organization_id, record.user_id)),
            action,
            instances: &[id],
            details: json!({"element": record.element_key, "changed": changed}),
        };
        self.note(&mut tx, &entry).await?;
        tx.commit().await.map_err(Error::from)?;
        Ok(record)
    }
}

/// What a change is, for its record.
fn what(before: &InstanceRecord, change: &InstanceChange) -> &'static str {
    match change.disabled.filter(|disabled| *disabled != before.disabled) {
        _ if change.grant.is_some() || change.valid == Some(true) => action::INSTANCE_REAUTHENTICATED,
        Some(true) => action::INSTANCE_DISABLED,
        Some(false) => action::INSTANCE_ENABLED,
        None => action::INSTANCE_CHANGED,
    }
}

/// The members that a change gives another value; their names only.
fn members(before: &InstanceRecord, change: &InstanceChange) -> Vec<&'static str> {
    fn differs<T: PartialEq>(before: &T, after: Option<&T>) -> bool {
        after.is_some_and(|after| after != before)
    }
    let clear = |secrets: &BTreeMap<String, SecretString>, others: &BTreeMap<String, SecretString>| {
        secrets.len() == others.len()
            && secrets.iter().all(|(key, one)| {
                others.get(key).is_some_and(|other| {
                    bool::from(one.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes()))
                })
            })
    };
    let all = [
        ("name", differs(&before.name, change.name.as_ref())),
        ("tags", differs(&before.tags, change.tags.as_ref())),
        ("configuration", differs(&before.configuration, change.configuration.as_ref())),
        ("secrets", change.secrets.as_ref().is_some_and(|secrets| !clear(secrets, &before.secrets))),
        ("disabled", differs(&before.disabled, change.disabled.as_ref())),
        ("valid", differs(&before.valid, change.valid.as_ref())),
        ("cachingEnabled", differs(&before.caching_enabled, change.caching_enabled.as_ref())),
        ("cacheTimeToLive", differs(&before.cache_ttl_s, change.cache_ttl_s.as_ref())),
        ("maxCacheSize", differs(&before.max_cache_size, change.max_cache_size.as_ref())),
        ("externalAuthentication", differs(&before.external_authentication, change.external_authentication.as_ref())),
        ("eventsEnabled", differs(&before.events_enabled, change.events_enabled.as_ref())),
        ("traceLoggingEnabled", differs(&before.trace_logging, change.trace_logging.as_ref())),
        ("grant", change.grant.is_some()),
    ];
    all.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
}

/// Merges captured values into the clear configuration of `row`, which the caller has locked; a change that changes
/// nothing keeps the version.
pub(super) async fn merge_configuration(
    tx: &mut DbConnection,
    id: i64,
    row: &DbRow,
    updates: serde_json::Map<String, Value>,
    now: i64,
) -> Result<()> {
    let old: serde_json::Map<String, Value> = json(row.try_get("configuration")?, "configuration")?;
    let mut new = old.clone();
    new.extend(updates);
    if new == old {
        return Ok(());
    }
    sqlx::query("UPDATE instance SET configuration = $1, updated_at = $2, version = version + 1 WHERE id = $3")
        .bind(to_json(&new, "configuration")?)
        .bind(now)
        .bind(id)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

#[async_trait]
impl Instances for DbStore {
    async fn insert_instance(&self, new: NewInstance) -> PublicResult<InstanceRecord> {
        Ok(self.insert(new).await?)
    }

    async fn instance(&self, id: i64) -> PublicResult<Option<InstanceRecord>> {
        let query = sqlx::query("SELECT * FROM instance WHERE id = $1").bind(id);
        let row = query.fetch_optional(&self.reader()).await.map_err(Error::from)?;
        Ok(row.map(|row| record(&self.sealer, &row)).transpose()?)
    }

    async fn instance_by_token(&self, token: &str) -> PublicResult<Option<InstanceRecord>> {
        let row = self.by_secret("SELECT * FROM instance WHERE token_digest", TABLE, token).await?;
        Ok(row.map(|row| record(&self.sealer, &row)).transpose()?)
    }

    async fn list_instances(&self, filter: &InstanceFilter) -> PublicResult<(Vec<InstanceRecord>, Option<i64>)> {
        let limit = if filter.limit == 0 { PAGE } else { filter.limit };
        let mut query = QueryBuilder::new("SELECT *");
        narrow(&mut query, filter);
        if let Some(after) = filter.after_id {
            query.push(" AND id > ").push_bind(after);
        }
        // One more than asked for tells whether there is a next page.
        query.push(" ORDER BY id LIMIT ").push_bind(i64::from(limit) + 1);
        let rows = query.build().fetch_all(&self.reader()).await.map_err(Error::from)?;
        let more = rows.len() > limit as usize;
        let records =
            rows.iter().take(limit as usize).map(|row| record(&self.sealer, row)).collect::<Result<Vec<_>>>()?;
        let next = records.last().map(|record| record.id).filter(|_| more);
        Ok((records, next))
    }

    async fn count_instances(&self, filter: &InstanceFilter) -> PublicResult<u64> {
        let mut query = QueryBuilder::new("SELECT COUNT(*)");
        narrow(&mut query, filter);
        let count: i64 = query.build_query_scalar().fetch_one(&self.reader()).await.map_err(Error::from)?;
        Ok(count.unsigned_abs())
    }

    async fn latest_elements(&self, looked_at: u32) -> PublicResult<Vec<String>> {
        let query = sqlx::query_scalar(
            "SELECT DISTINCT element_key FROM (SELECT element_key FROM instance ORDER BY id DESC LIMIT $1) AS latest \
             ORDER BY element_key",
        );
        Ok(query.bind(i64::from(looked_at)).fetch_all(&self.reader()).await.map_err(Error::from)?)
    }

    async fn update_instance(&self, id: i64, version: i64, change: InstanceChange) -> PublicResult<InstanceRecord> {
        self.change(id, version, change).await
    }

    async fn delete_instance(&self, id: i64, actor: &Actor) -> PublicResult<bool> {
        Ok(self.delete(id, actor).await?)
    }
}
