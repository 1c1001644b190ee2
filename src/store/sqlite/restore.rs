//! The embedded store put back from a backup: looked through first, and put where no database is.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde_json::json;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::{
    DATABASE, LOCK, MIGRATIONS, audit,
    backup::{BACKUP, InstanceKeys, Unfinished, beside, faults, open_alone},
    instances, keys, make_dir,
};
use crate::{
    clock::SharedClock,
    error::Result as PublicResult,
    store::{
        Actor, Restored, Settings, action,
        audit::Entry,
        error::{Error, Result},
        key::{self, refuse},
        migration,
        seal::{Place, Sealer},
    },
};

/// Puts the backup `from`, with the `keys` of its instances, where the store of `settings` is to be.
pub(in crate::store) async fn restore(
    settings: &Settings,
    from: &Path,
    instance_keys: &Path,
    clock: &SharedClock,
) -> PublicResult<Restored> {
    let dir = settings.data_dir.as_path();
    let (target, shown) = (dir.join(DATABASE), from.display());
    let failed = |error: io::Error| refuse(format!("The backup {shown} cannot be put back: {error}"));
    make_dir(dir).map_err(failed)?;
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join(LOCK));
    let lock = lock.map_err(failed)?;
    if lock.try_lock().is_err() {
        return Err(refuse(format!("The store in {} is in use; stop the gateway first", dir.display())));
    }
    for path in [target.clone(), beside(&target, "-wal"), beside(&target, "-shm")] {
        if fs::symlink_metadata(&path).is_ok() {
            return Err(refuse(format!(
                "{} exists already, and nothing is overwritten. Move it away, or name another data directory with --data",
                path.display()
            )));
        }
    }
    let instance_keys = InstanceKeys::read(instance_keys)?;
    let draft = Unfinished::beside(&target).map_err(failed)?;
    fs::copy(from, draft.path()).map_err(failed)?;
    // The copy took the mode of the backup along.
    fs::set_permissions(draft.path(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(failed)?;
    let broken = |error: Error| refuse(format!("{shown} is no backup that `hubgate backup` made")).with_source(error);
    let mut database = open_alone(draft.path()).await.map_err(broken)?;
    let mark: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut database)
        .await
        .map_err(|error| broken(error.into()))?;
    if mark != BACKUP {
        return Err(refuse(format!("{shown} is no backup that `hubgate backup` made")));
    }
    if let Some(faults) = faults(&mut database).await.map_err(broken)? {
        return Err(refuse(format!("The backup {shown} is damaged: {faults}")));
    }
    let name = shown.to_string();
    MIGRATIONS.run(&mut database).await.map_err(|error| migration::refused(&MIGRATIONS, &name, error))?;
    let key_file = settings.master_key_file.clone().unwrap_or_else(|| dir.join(key::USUAL));
    let now = clock.now().timestamp_millis();
    let mut tx = database.begin().await.map_err(Error::from)?;
    let sealer = keys::unlock(&mut tx, &key_file, &name, now).await?;
    let restored = give_back(&mut tx, &sealer, &instance_keys).await.map_err(|error| {
        refuse(format!(
            "The backup {shown} and its instance keys do not open with the master key in {}",
            key_file.display()
        ))
        .with_source(error)
    })?;
    let chain = audit::unlock(&mut tx, &sealer, now).await?;
    let details = json!({"instances": restored.instances, "deletedSince": restored.deleted_since});
    let actor = Actor::default();
    let entry = Entry { actor: &actor, owner: None, action: action::STORE_RESTORED, instances: &[], details };
    audit::append(&mut tx, chain.as_ref(), now, &entry).await?;
    tx.commit().await.map_err(Error::from)?;
    sqlx::query("PRAGMA application_id = 0").execute(&mut database).await.map_err(Error::from)?;
    database.close().await.map_err(Error::from)?;
    draft.place(&target).map_err(failed)?;
    Ok(restored)
}

/// Gives each instance its key back, and drops those that have none any more.
async fn give_back(tx: &mut SqliteConnection, sealer: &Sealer, keys: &InstanceKeys) -> Result<Restored> {
    let known: BTreeMap<i64, _> = keys.keys.iter().map(|key| (key.instance, key)).collect();
    let mut restored = Restored { instances: 0, deleted_since: 0 };
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM instance ORDER BY id").fetch_all(&mut *tx).await?;
    for id in ids {
        let Some(key) = known.get(&id) else {
            sqlx::query("DELETE FROM instance WHERE id = $1").bind(id).execute(&mut *tx).await?;
            restored.deleted_since += 1;
            continue;
        };
        let place = Place { table: "instance", row: id, column: "data_key" };
        let wrapped = key.wrapped().ok_or(Error::Corrupt { what: "instance key" })?;
        let plain = sealer.open(place, &key.master_key, &wrapped)?;
        // Under the master key that its row names: the file of keys may be from after a rotation.
        let key_id: String =
            sqlx::query_scalar("SELECT key_id FROM instance WHERE id = $1").bind(id).fetch_one(&mut *tx).await?;
        let row = sqlx::query("UPDATE instance SET data_key = $1 WHERE id = $2 RETURNING *")
            .bind(sealer.seal(place, &key_id, &plain)?)
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        // Its token opens, so it is the key.
        let opened = instances::record(sealer, &row)?;
        restored.instances += usize::from(opened.id == id);
    }
    // An id that was given to an instance after the backup is not given to another one.
    sqlx::query("UPDATE sqlite_sequence SET seq = MAX(seq, $1) WHERE name = 'instance'")
        .bind(keys.last_id)
        .execute(&mut *tx)
        .await?;
    for row in sqlx::query("SELECT id, key_id, secret_sealed FROM account_user").fetch_all(&mut *tx).await? {
        let (id, key_id): (i64, String) = (row.try_get("id")?, row.try_get("key_id")?);
        let place = Place { table: "account_user", row: id, column: "secret" };
        sealer.open(place, &key_id, row.try_get("secret_sealed")?)?;
    }
    Ok(restored)
}
