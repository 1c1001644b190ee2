//! The master key file: for each key a line, `hubgate-key-1 <32 bytes, base64>`, readable by its owner only.
//!
//! A running gateway takes a changed file up by itself: within a second, and at once when it meets what its keys do not
//! open.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::seal::{self, Sealer};
use crate::error::{Error, Kind, Result};

/// Where the key file is when nobody says otherwise: in the data directory.
pub(super) const USUAL: &str = "master.key";
const PREFIX: &str = "hubgate-key-1 ";
/// From one look at the file to the next, in milliseconds.
const LOOK_MS: u64 = 1000;

/// An error whose text tells the operator what to do.
pub(super) fn refuse(text: impl Into<String>) -> Error {
    Error::new(Kind::Internal, text)
}

/// Reads the key file; `None` when there is none.
///
/// # Errors
/// When others may read it, or it is not a key file.
pub(super) fn load(path: &Path) -> Result<Option<Sealer>> {
    // Before it is read, so that no change is missed.
    let stamp = Stamp::of(path);
    Ok(read(path)?.map(|masters| Sealer::of(KeyFile::new(path, stamp), &masters)))
}

/// The master keys in the file, in its order.
pub(super) fn read(path: &Path) -> Result<Option<Vec<Master>>> {
    let shown = path.display();
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse(format!("The master key file {shown} cannot be read: {error}"))),
    };
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refuse(format!(
            "The master key file {shown} has mode {mode:04o}: others than its owner can reach it. Run: chmod 600 {shown}"
        )));
    }
    let text = fs::read_to_string(path)
        .map_err(|error| refuse(format!("The master key file {shown} cannot be read: {error}")))?;
    let text = Zeroizing::new(text);
    let malformed =
        || refuse(format!("{shown} is not a master key file (for each key a line: `{PREFIX}` and 32 bytes in base64)"));
    let mut masters = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let encoded = line.strip_prefix(PREFIX).ok_or_else(malformed)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| malformed())?);
        masters.push(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| malformed())?));
    }
    if masters.is_empty() { Err(malformed()) } else { Ok(Some(masters)) }
}

/// The bytes of a master key.
pub(super) type Master = Zeroizing<[u8; 32]>;

/// What tells that a file was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, i64, i64, u64);

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        Some(Self(meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
    }
}

/// A key file that is watched for changes.
pub(super) struct KeyFile {
    path: PathBuf,
    seen: Mutex<Option<Stamp>>,
    start: Instant,
    /// When to look again, in milliseconds after `start`.
    next: AtomicU64,
}

impl KeyFile {
    fn new(path: &Path, stamp: Option<Stamp>) -> Self {
        Self { path: path.to_owned(), seen: Mutex::new(stamp), start: Instant::now(), next: AtomicU64::new(LOOK_MS) }
    }

    /// Hands over the keys in the file if it was changed since it was looked at last; who comes meanwhile waits.
    pub(super) fn if_changed(&self, take: impl FnOnce(&[Master])) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        if *seen == stamp {
            return;
        }
        *seen = stamp;
        match read(&self.path) {
            Ok(Some(masters)) => take(&masters),
            Ok(None) => tracing::error!(file = %self.path.display(), "the master key file is gone"),
            Err(error) => tracing::error!(%error, "the master key file is not taken up"),
        }
    }

    /// Whether it is time to look again.
    pub(super) fn is_due(&self) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        now >= next && self.next.compare_exchange(next, now + LOOK_MS, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Writes other keys into an existing file; it is replaced as a whole.
pub(super) fn write(path: &Path, masters: &[Master]) -> Result<()> {
    // A link stays a link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let replace = || -> io::Result<()> {
        let draft = draft(&path, masters)?;
        fs::rename(&draft, &path)?;
        File::open(parent(&path))?.sync_all()
    };
    replace().map_err(|error| refuse(format!("The master key file {} cannot be written: {error}", path.display())))
}

/// A file beside `path` that holds these keys.
fn draft(path: &Path, masters: &[Master]) -> io::Result<PathBuf> {
    let mark = hex::encode(seal::random::<8>().map_err(io::Error::other)?);
    let draft = parent(path).join(format!(".master-key-{mark}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    for master in masters {
        let line = Zeroizing::new(format!("{PREFIX}{}\n", STANDARD.encode(master.as_slice())));
        file.write_all(line.as_bytes())?;
    }
    file.sync_all()?;
    Ok(draft)
}

/// A new key.
pub(super) fn generate() -> Result<Master> {
    Ok(Zeroizing::new(seal::random::<32>()?))
}

/// Makes a new key file, or reads the one that another process made meanwhile.
///
/// The file appears complete or not at all: it is written beside its place, synced, and linked.
pub(super) fn create(path: &Path) -> Result<Sealer> {
    let shown = path.display();
    let master = generate()?;
    let write = || -> io::Result<()> {
        let parent = parent(path);
        fs::create_dir_all(&parent)?;
        let draft = draft(path, &[master])?;
        let linked = match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        };
        fs::remove_file(&draft)?;
        linked?;
        File::open(&parent)?.sync_all()
    };
    write().map_err(|error| refuse(format!("The master key file {shown} cannot be made: {error}")))?;
    load(path)?.ok_or_else(|| refuse(format!("The master key file {shown} vanished")))
}

/// The directory that `path` is in.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
