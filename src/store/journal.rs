//! The journal: refreshed grants that the store could not take, kept in a file until it can.
//!
//! A provider that rotates refresh tokens gives each of them once. When it has answered and the store fails, the answer
//! is written here before anything else is tried, so that it outlives the process. Each process has files of its own in
//! the data directory, made when they are needed, locked while it lives and deleted when the store has everything; who
//! starts takes over the files of the dead.
//!
//! Records are sealed under the master key, bound to their instance, epoch and generation ([`Sealer::seal_bytes`]).
//! All that is here blocks: it waits for the disk.

mod format;

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    key::refuse,
    records::NewGrant,
    seal::{self, Sealer},
};
use crate::error::Result;

const PREFIX: &str = "spilled-grants-";
const SUFFIX: &str = ".journal";
/// What a file with damage in it is called once the rest of it is done with.
const DAMAGED: &str = ".damaged";
/// All files of this process together. At some kilobytes a record these are tens of thousands of instances.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
const NUMBERS: usize = 24;

/// A refreshed grant that the store does not have yet.
#[derive(Debug, Clone)]
pub struct Spilled {
    /// The instance.
    pub instance_id: i64,
    /// The lease under which it was got.
    pub epoch: i64,
    /// The generation that it takes the place of.
    pub generation: i64,
    /// SHA-256 of the refresh token that was spent for it; `None` where there was none.
    pub spent: Option<[u8; 32]>,
    /// The tokens.
    pub grant: NewGrant,
    /// Members of the token answer that become instance configuration.
    pub configuration: Map<String, Value>,
}

/// What of a [`Spilled`] is sealed.
#[derive(Serialize, Deserialize)]
struct Plain {
    spent: Option<String>,
    access: Option<String>,
    refresh: Option<String>,
    secret: Option<String>,
    expires_at_ms: Option<i64>,
    configuration: Map<String, Value>,
}

/// One file, locked for as long as it is here.
struct Segment {
    path: PathBuf,
    file: File,
    length: u64,
    /// Whether the next record goes to its end.
    grows: bool,
    /// Whether there is something in it that could not be read.
    damaged: bool,
    /// Instance and generation of the records that the store does not have yet.
    left: BTreeSet<(i64, i64)>,
}

/// The files of this process.
pub struct Journal {
    dir: PathBuf,
    sealer: Sealer,
    max_bytes: u64,
    segments: Mutex<Vec<Segment>>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Journal {
    /// A journal in `dir`, which is made (0700) when it is missing.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) when nothing can be written there.
    pub fn open(dir: &Path, sealer: Sealer) -> Result<Self> {
        let usable = || -> io::Result<()> {
            if !dir.is_dir() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            let probe = dir.join(format!("{PREFIX}{}.probe", mark()?));
            let tried = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&probe).map(drop);
            drop(fs::remove_file(&probe));
            tried
        };
        usable().map_err(|error| {
            refuse(format!("No journal of refreshed grants can be kept in {}: {error}", dir.display()))
        })?;
        Ok(Self { dir: dir.to_owned(), sealer, max_bytes: MAX_BYTES, segments: Mutex::default() })
    }

    /// Takes over what processes left that are dead; the oldest generation of an instance first.
    pub fn take_over(&self) -> Vec<Spilled> {
        let mut found = Vec::new();
        let paths = files(&self.dir).unwrap_or_else(|error| {
            tracing::error!(dir = %self.dir.display(), %error, "the journal of refreshed grants cannot be looked for");
            Vec::new()
        });
        let mut segments = self.segments();
        for path in paths {
            if segments.iter().any(|segment| segment.path == path) {
                continue;
            }
            match self.read(&path) {
                Ok(Some((segment, records))) => {
                    segments.push(segment);
                    found.extend(records);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "a journal of refreshed grants cannot be read");
                }
            }
        }
        self.sweep(&mut segments);
        found.sort_by_key(|record| (record.instance_id, record.generation));
        found
    }

    /// Writes a record down; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written, or the journal is full.
    pub fn append(&self, record: &Spilled) -> io::Result<()> {
        let bytes = self.seal(record)?;
        let mut segments = self.segments();
        let held: u64 = segments.iter().map(|segment| segment.length).sum();
        if held.saturating_add(bytes.len() as u64) > self.max_bytes {
            return Err(io::Error::other(format!("the journal is full: {held} bytes wait for the store")));
        }
        if !segments.iter().any(|segment| segment.grows) {
            segments.push(self.begin()?);
        }
        let Some(segment) = segments.iter_mut().find(|segment| segment.grows) else {
            return Err(io::Error::other("there is no file"));
        };
        segment.left.insert((record.instance_id, record.generation));
        let written = segment.file.write_all(&bytes).and_then(|()| segment.file.sync_all());
        match written {
            Ok(()) => segment.length += bytes.len() as u64,
            // What of it reached the disk is not known, and is not asked for again: the next one gets a file of its own.
            Err(_) => segment.grows = false,
        }
        written
    }

    /// The store has this record, or something newer: files that hold nothing else go.
    pub fn settle(&self, instance_id: i64, generation: i64) {
        let mut segments = self.segments();
        for segment in segments.iter_mut() {
            segment.left.remove(&(instance_id, generation));
        }
        self.sweep(&mut segments);
    }

    fn segments(&self) -> MutexGuard<'_, Vec<Segment>> {
        // Whole entries are added and taken out: there is no half-done state to fear.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new file, locked, that no other process has taken for one of a dead one.
    fn begin(&self) -> io::Result<Segment> {
        loop {
            let path = self.dir.join(format!("{PREFIX}{}{SUFFIX}", mark()?));
            let mut file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
            if file.try_lock().is_err() || !is_at(&file, &path) {
                continue;
            }
            file.write_all(format::HEAD)?;
            sync_dir(&self.dir)?;
            let length = format::HEAD.len() as u64;
            return Ok(Segment { path, file, length, grows: true, damaged: false, left: BTreeSet::new() });
        }
    }

    /// The file of a dead process, and what can be read of it; `None` when its process lives.
    fn read(&self, path: &Path) -> io::Result<Option<(Segment, Vec<Spilled>)>> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if !is_at(&file, path) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (shown, parsed) = (path.display(), format::parse(&bytes));
        if let Some(at) = parsed.torn {
            tracing::warn!(file = %shown, at, "the last record of a journal was not written to its end; it is dropped");
        }
        for bytes in &parsed.damaged {
            tracing::error!(
                file = %shown, from = bytes.start, to = bytes.end,
                "a journal of refreshed grants is damaged in its midst; what is there is lost, the rest is used, and the \
                 file is kept with the ending {DAMAGED}"
            );
        }
        let mut damaged = !parsed.damaged.is_empty();
        let mut records = Vec::new();
        for (bytes, body) in parsed.records {
            match self.open_record(body) {
                Some(record) => records.push(record),
                None => {
                    damaged = true;
                    tracing::error!(
                        file = %shown, at = bytes.start,
                        "a record of a journal does not open: it is of another master key, or was changed; the file is kept \
                         with the ending {DAMAGED}"
                    );
                }
            }
        }
        let left = records.iter().map(|record| (record.instance_id, record.generation)).collect();
        let length = bytes.len() as u64;
        Ok(Some((Segment { path: path.to_owned(), file, length, grows: false, damaged, left }, records)))
    }

    /// Takes away the files that hold nothing that is needed.
    fn sweep(&self, segments: &mut Vec<Segment>) {
        let before = segments.len();
        segments.retain(|segment| {
            if !segment.left.is_empty() {
                return true;
            }
            let gone = if segment.damaged {
                fs::rename(&segment.path, segment.path.with_extension(format!("journal{DAMAGED}")))
            } else {
                fs::remove_file(&segment.path)
            };
            if let Err(error) = gone {
                // Its records are older than what is stored: read again, they change nothing.
                tracing::warn!(file = %segment.path.display(), %error, "a journal that is done with cannot be taken away");
            }
            false
        });
        if before != segments.len()
            && let Err(error) = sync_dir(&self.dir)
        {
            tracing::debug!(%error, "the directory of the journal could not be synced");
        }
    }

    fn seal(&self, record: &Spilled) -> io::Result<Vec<u8>> {
        let text = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        let plain = Plain {
            spent: record.spent.map(hex::encode),
            access: text(&record.grant.access),
            refresh: text(&record.grant.refresh),
            secret: text(&record.grant.secret),
            expires_at_ms: record.grant.expires_at.map(|at| at.timestamp_millis()),
            configuration: record.configuration.clone(),
        };
        let plain = Zeroizing::new(serde_json::to_vec(&plain)?);
        let numbers = [record.instance_id, record.epoch, record.generation];
        let sealed = self.sealer.seal_bytes(&purpose(numbers), &plain);
        let sealed = sealed.ok_or_else(|| io::Error::other("a record could not be sealed"))?;
        let mut body = numbers.map(i64::to_be_bytes).concat();
        body.extend_from_slice(&sealed);
        format::record(&body).ok_or_else(|| io::Error::other("a record is too long"))
    }

    fn open_record(&self, body: &[u8]) -> Option<Spilled> {
        open_record(&self.sealer, body)
    }
}

fn open_record(sealer: &Sealer, body: &[u8]) -> Option<Spilled> {
    let (numbers, sealed) = body.split_first_chunk::<NUMBERS>()?;
    let number = |at: usize| Some(i64::from_be_bytes(*numbers.get(at * 8..)?.first_chunk()?));
    let numbers @ [instance_id, epoch, generation] = [number(0)?, number(1)?, number(2)?];
    let plain: Plain = serde_json::from_slice(&sealer.open_bytes(&purpose(numbers), sealed)?).ok()?;
    let spent = match plain.spent {
        Some(spent) => Some(hex::decode(spent).ok()?.try_into().ok()?),
        None => None,
    };
    let grant = NewGrant {
        access: plain.access.map(SecretString::from),
        refresh: plain.refresh.map(SecretString::from),
        secret: plain.secret.map(SecretString::from),
        expires_at: plain.expires_at_ms.and_then(DateTime::<Utc>::from_timestamp_millis),
        keep_alive_in: None,
    };
    Some(Spilled { instance_id, epoch, generation, spent, grant, configuration: plain.configuration })
}

/// How many records in the files of `dir` none of the keys of `sealer` opens.
pub(super) fn locked_out(dir: &Path, sealer: &Sealer) -> io::Result<usize> {
    let mut lost = 0;
    for path in files(dir)? {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let records = format::parse(&bytes).records;
        lost += records.iter().filter(|(_, body)| open_record(sealer, body).is_none()).count();
    }
    Ok(lost)
}

/// What a record is bound to.
fn purpose([instance_id, epoch, generation]: [i64; 3]) -> String {
    format!("spilled grant|{instance_id}|{epoch}|{generation}")
}

fn mark() -> io::Result<String> {
    seal::random::<8>().map(hex::encode).map_err(io::Error::other)
}

/// The files of all processes in `dir`.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether the file is the one that is found under `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
