//! Whether the disk takes what is written, and which connections are good after it did not.
//!
//! A commit that failed is not acknowledged; its connection is closed, with the files on which a write or a sync failed,
//! and a new one opened. Nothing acknowledged rests on what such a sync was for: SQLite writes the frames of a failed
//! commit anew, and repeats a failed checkpoint whole.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::time::{Instant, timeout};

use crate::{
    error::{Error, Kind, Result},
    store::{error::disk_fault, key::refuse},
};

/// For how long a successful write shows that writing is possible.
const PROVED: Duration = Duration::from_secs(10);
/// How often it is tried again while it is not.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a try may take.
const LONGEST: Duration = Duration::from_secs(3);
/// How much room there must be again: with less the next few writes would fail as the last one did.
const ROOM: usize = 256 * 1024;

/// A file for trying.
const TRIAL: &str = ".hubgate-trial";

/// What is known of the disk.
pub(super) struct Disk {
    /// A file for trying, which is removed at once.
    trial: PathBuf,
    state: Mutex<State>,
    /// One try at a time; who comes meanwhile waits for what it shows.
    trying: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// When something was written last.
    proved: Option<Instant>,
    /// Why nothing can be written, and when that was found last.
    fault: Option<(&'static str, Instant)>,
    /// The latest failure; a connection from before it is not used again.
    broken: Option<Instant>,
}

impl Disk {
    pub(super) fn new(dir: &Path) -> Self {
        Self { trial: dir.join(TRIAL), state: Mutex::default(), trying: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a connection of this age may be used.
    pub(super) fn trusts(&self, age: Duration) -> bool {
        self.state().broken.is_none_or(|broken| broken.elapsed() > age)
    }

    /// What a failed attempt to write shows.
    fn note(&self, error: &sqlx::Error) {
        if let Some(text) = disk_fault(error) {
            self.state().broken = Some(Instant::now());
            self.fail(text, error);
        }
    }

    fn fail(&self, text: &'static str, cause: &dyn std::error::Error) {
        if self.state().fault.replace((text, Instant::now())).is_none() {
            tracing::error!("{text} ({cause}); this node is not ready until it can be");
        }
    }

    /// Tells whether something can be written just now; tries it when it is not known.
    ///
    /// After a failure only a try shows the contrary: of the writes of callers the small ones may succeed by luck.
    pub(super) async fn writable(self: &Arc<Self>, pool: &SqlitePool) -> Result<()> {
        let _turn = self.trying.lock().await;
        let (fault, proved) = {
            let state = self.state();
            (state.fault, state.proved)
        };
        match fault {
            Some((text, found)) if found.elapsed() < AGAIN => return Err(refusal(text)),
            None if proved.is_some_and(|at| at.elapsed() < PROVED) => return Ok(()),
            _ => {}
        }
        let tried = timeout(LONGEST, self.attempt(pool, fault.is_some())).await;
        let refused = match tried {
            Ok(Ok(())) => {
                if self.state().fault.take().is_some() {
                    tracing::info!("the store can be written to again");
                }
                None
            }
            Ok(Err(Some(text))) => Some(text),
            // Nothing was learned: somebody else writes, and for long.
            Ok(Err(None)) | Err(_) => fault.map(|(text, _)| text),
        };
        refused.map_or(Ok(()), |text| Err(refusal(text)))
    }

    /// Writes something. `Err(None)`: it says nothing about the disk.
    async fn attempt(self: &Arc<Self>, pool: &SqlitePool, after_fault: bool) -> Result<(), Option<&'static str>> {
        if after_fault {
            let trial = self.trial.clone();
            let tried = tokio::task::spawn_blocking(move || try_room(&trial)).await.map_err(|_| None)?;
            if let Err(error) = tried {
                let text = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        "The store cannot be written to: its disk is full"
                    }
                    _ => "The store cannot be written to: its disk fails",
                };
                self.fail(text, &error);
                return Err(Some(text));
            }
        }
        let tried = async {
            let mut writing = Writing::begin(pool, self).await?;
            // A page of its own is written and synced, whether or not it changes.
            sqlx::query("PRAGMA user_version = 0").execute(&mut *writing).await?;
            writing.commit().await
        };
        tried.await.map_err(|error| disk_fault(&error))
    }
}

fn refusal(text: &'static str) -> Error {
    Error::new(Kind::Unavailable, text).with_retry_after(AGAIN)
}

/// Why the store in `dir` cannot be opened: its disk, if that takes nothing, or else what was found.
pub(super) fn explain(dir: &Path, found: Error) -> Error {
    // Where nothing was made yet, what is above it tells.
    let here = Path::new(".");
    let mut above = dir.ancestors().map(|above| if above == Path::new("") { here } else { above });
    let Some(there) = above.find(|above| above.is_dir()) else { return found };
    let Err(error) = try_room(&there.join(TRIAL)) else { return found };
    if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return found;
    }
    let text =
        format!("The disk of the data directory {} is full ({error}): make room, and start again", dir.display());
    refuse(text).with_source(found)
}

/// Takes some room on the disk and gives it back.
fn try_room(trial: &Path) -> io::Result<()> {
    let written = File::create(trial).and_then(|mut file| {
        file.write_all(&vec![0; ROOM])?;
        file.sync_all()
    });
    let removed = fs::remove_file(trial);
    written.and(removed)
}

/// A transaction that may write.
pub(super) struct Writing {
    transaction: Transaction<'static, Sqlite>,
    disk: Arc<Disk>,
}

impl Writing {
    pub(super) async fn begin(pool: &SqlitePool, disk: &Arc<Disk>) -> sqlx::Result<Self> {
        let begun = pool.begin_with("BEGIN IMMEDIATE").await;
        let transaction = begun.inspect_err(|error| disk.note(error))?;
        Ok(Self { transaction, disk: Arc::clone(disk) })
    }

    /// Ends the transaction; what it wrote is on the disk then.
    pub(super) async fn commit(self) -> sqlx::Result<()> {
        let committed = self.transaction.commit().await;
        match &committed {
            Ok(()) => self.disk.state().proved = Some(Instant::now()),
            Err(error) => self.disk.note(error),
        }
        committed
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}
