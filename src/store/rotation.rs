//! A new master key in the place of the old one, while gateways serve.
//!
//! 1. The new key is written to the key file behind the old one. Gateways take the file up by themselves, at once when
//!    they meet something that is sealed under a key they do not have. With PostgreSQL each node has a file of its own, so
//!    this step is the operator's ([`add_key`], then the copies).
//! 2. The database says that the new key seals what is new, and the file has it first.
//! 3. Row by row is sealed anew, in short transactions. Rows of both keys are found meanwhile.
//! 4. The old key is noted as removed, and taken from the file ([`remove_key`]).
//!
//! Stopped at any point, the same command goes on.

use std::path::PathBuf;

use super::{
    MasterKey, Settings, Store, journal,
    key::{self, Master, refuse},
    open,
    seal::{Sealer, id_of},
};
use crate::{
    clock::SharedClock,
    error::{Error, Kind, Result},
};

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The key that seals now.
    pub key: String,
    /// Whether it is a new one, or an earlier rotation was finished.
    pub turned: bool,
    /// How many rows were sealed anew.
    pub rows: u64,
    /// The keys that nothing is sealed under any more.
    pub spare: Vec<String>,
}

fn file(settings: &Settings) -> PathBuf {
    settings.master_key_file.clone().unwrap_or_else(|| settings.data_dir.join(key::USUAL))
}

fn read(settings: &Settings) -> Result<Vec<Master>> {
    let file = file(settings);
    key::read(&file)?.ok_or_else(|| refuse(format!("The master key file {} is missing", file.display())))
}

/// The keys in the file that the database does not know.
fn pending(masters: &[Master], known: &[MasterKey]) -> Option<String> {
    masters.iter().map(|master| id_of(master)).find(|id| known.iter().all(|key| key.id != *id))
}

/// Puts a new key behind the others in the key file; it seals nothing yet. Tells its id.
///
/// # Errors
/// The text says what to do: the store cannot be opened, the file cannot be written, or it has a new key already.
pub async fn add_key(settings: &Settings, clock: SharedClock) -> Result<String> {
    let store = open(settings, clock).await?;
    let added = add(settings, &*store).await;
    store.close().await;
    added
}

async fn add(settings: &Settings, store: &dyn Store) -> Result<String> {
    let mut masters = read(settings)?;
    if let Some(id) = pending(&masters, &store.master_keys().await?) {
        return Err(refuse(format!("{} has a new key already: {id}", file(settings).display())));
    }
    let new = key::generate()?;
    let id = id_of(&new);
    masters.push(new);
    key::write(&file(settings), &masters)?;
    Ok(id)
}

/// Makes another master key the one that seals, and seals everything anew under it.
///
/// # Errors
/// Those of [`add_key`]; with PostgreSQL, when the file has no new key.
pub async fn rotate_key(settings: &Settings, clock: SharedClock) -> Result<Rotated> {
    let store = open(settings, clock).await?;
    let rotated = rotate(settings, &*store).await;
    store.close().await;
    rotated
}

async fn rotate(settings: &Settings, store: &dyn Store) -> Result<Rotated> {
    let known = store.master_keys().await?;
    let sealing = known.iter().find(|key| key.seals).map(|key| key.id.clone()).unwrap_or_default();
    let unfinished = known.iter().any(|key| !key.seals && key.rows > 0);
    let key = match pending(&read(settings)?, &known) {
        _ if unfinished => None,
        Some(id) => Some(id),
        None if settings.database_url.is_some() => {
            return Err(refuse(format!(
                "{} has no new key. Run `hubgate key add`, copy the file to every node, and then rotate: a node without the \
                 new key could not read what is sealed under it",
                file(settings).display()
            )));
        }
        None => Some(add(settings, store).await?),
    };
    let turned = key.is_some();
    if let Some(key) = &key {
        store.sealer().reload();
        store.seal_with(key).await?;
    }
    let key = key.unwrap_or(sealing);
    put_first(settings, &key)?;
    let mut rows = 0;
    // What was made under the old key while we were at it is found in the next round.
    loop {
        match store.reseal().await? {
            0 => break,
            more => rows += more,
        }
    }
    let spare = store.master_keys().await?;
    let spare = spare.into_iter().filter(|known| !known.seals && known.removed_at.is_none() && known.rows == 0);
    Ok(Rotated { key, turned, rows, spare: spare.map(|known| known.id).collect() })
}

/// What is made outside the database (cursors, links, shared answers) is sealed under the first key of the file.
fn put_first(settings: &Settings, id: &str) -> Result<()> {
    let mut masters = read(settings)?;
    let before: Vec<String> = masters.iter().map(|master| id_of(master)).collect();
    masters.sort_by_key(|master| id_of(master) != id);
    if masters.iter().map(|master| id_of(master)).eq(before) {
        return Ok(());
    }
    key::write(&file(settings), &masters)
}

/// Takes a key out of use, and out of the key file.
///
/// # Errors
/// Those of [`MasterKeys::retire_key`](super::MasterKeys::retire_key); [`Kind::Conflict`] when the journal of refreshed
/// grants in the data directory needs the key.
pub async fn remove_key(settings: &Settings, clock: SharedClock, id: &str) -> Result<()> {
    check_journal(settings, id)?;
    let store = open(settings, clock).await?;
    let known = store.master_keys().await;
    let removed = known.as_ref().is_ok_and(|known| known.iter().any(|key| key.id == id && key.removed_at.is_some()));
    // Noted already, but perhaps still in this node's file.
    let retired = if removed { Ok(()) } else { store.retire_key(id).await };
    store.close().await;
    retired?;
    let mut masters = read(settings)?;
    masters.retain(|master| id_of(master) != id);
    key::write(&file(settings), &masters)
}

/// Refuses when a refreshed grant in the journal opens with the key `id` only.
fn check_journal(settings: &Settings, id: &str) -> Result<()> {
    let (mut masters, dir) = (read(settings)?, settings.data_dir.as_path());
    let unread = |masters: &[Master]| {
        journal::locked_out(dir, &Sealer::of_all(masters))
            .map_err(|error| refuse(format!("The journal in {} cannot be read: {error}", dir.display())))
    };
    let before = unread(&masters)?;
    masters.retain(|master| id_of(master) != id);
    let lost = unread(&masters)?.saturating_sub(before);
    if lost == 0 {
        return Ok(());
    }
    let text = format!(
        "{lost} refreshed grants that the store does not have yet are sealed under {id}, in the journal in {}. Start a \
         gateway there, which stores them, and remove the key then",
        dir.display()
    );
    Err(Error::new(Kind::Conflict, text))
}

/// The keys that the database knows, and the ids of those in the key file.
///
/// # Errors
/// Those of [`open`].
pub async fn list_keys(settings: &Settings, clock: SharedClock) -> Result<(Vec<MasterKey>, Vec<String>)> {
    let store = open(settings, clock).await?;
    let known = store.master_keys().await;
    let held = store.sealer().key_ids();
    store.close().await;
    Ok((known?, held))
}
