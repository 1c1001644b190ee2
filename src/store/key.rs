//! The master key file: one line, `hubgate-key-1 <32 bytes, base64>`, readable by its owner only.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::seal::{self, Sealer};
use crate::error::{Error, Kind, Result};

const PREFIX: &str = "hubgate-key-1 ";

/// An error whose text tells the operator what to do.
pub(super) fn refuse(text: impl Into<String>) -> Error {
    Error::new(Kind::Internal, text)
}

/// Reads the key file; `None` when there is none.
///
/// # Errors
/// When others may read it, or it is not a key file.
pub(super) fn load(path: &Path) -> Result<Option<Sealer>> {
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
        || refuse(format!("{shown} is not a master key file (one line: `{PREFIX}` and 32 bytes in base64)"));
    let encoded = text.trim().strip_prefix(PREFIX).ok_or_else(malformed)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| malformed())?);
    let key: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| malformed())?;
    Ok(Some(Sealer::new(key)))
}

/// Makes a new key file, or reads the one that another process made meanwhile.
///
/// The file appears complete or not at all: it is written beside its place, synced, and linked.
pub(super) fn create(path: &Path) -> Result<Sealer> {
    let shown = path.display();
    let write = || -> io::Result<()> {
        let parent = parent(path);
        fs::create_dir_all(&parent)?;
        let key = Zeroizing::new(seal::random::<32>().map_err(io::Error::other)?);
        let mark = hex::encode(seal::random::<8>().map_err(io::Error::other)?);
        let draft = parent.join(format!(".master-key-{mark}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let line = Zeroizing::new(format!("{PREFIX}{}\n", STANDARD.encode(key.as_slice())));
        let linked = file
            .set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.write_all(line.as_bytes()))
            .and_then(|()| file.sync_all())
            .and_then(|()| match fs::hard_link(&draft, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            });
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
