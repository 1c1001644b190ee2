//! Sealing: what is secret leaves the process only as XChaCha20-Poly1305 ciphertext bound to its place.
//!
//! From the master key three keys are derived: one seals (accounts' secrets and the data keys of instances), one
//! digests what must be looked up (HMAC-SHA256), one makes stateless tokens. Each instance has a data key of its own,
//! wrapped by the master key, under which its token, secret configuration and grant are sealed: deleting the instance
//! destroys the key.
//!
//! There may be several master keys, by their ids: the database says which of them seals what is new (and every row, which
//! one sealed it), the others open what they sealed until it is sealed anew. See [`super::rotation`].
//!
//! A sealed value is `version (1) | nonce (24) | ciphertext | tag (16)`; its associated data is
//! `table|row|column|key id`, so it opens nowhere but in the row and column it was written for.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    error::{Error, Result},
    key::KeyFile,
};

const VERSION: u8 = 1;
const NONCE: usize = 24;

/// Where a sealed value lives; part of its associated data.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The table.
    pub table: &'static str,
    /// The row's id.
    pub row: i64,
    /// The column.
    pub column: &'static str,
}

impl Place {
    fn associated(self, key_id: &str) -> Vec<u8> {
        format!("{}|{}|{}|{key_id}", self.table, self.row, self.column).into_bytes()
    }

    fn broken(self) -> Error {
        Error::Sealed { table: self.table, column: self.column, row: self.row }
    }
}

/// The keys of one installation. Cheap to clone, and all clones see a key file that was changed.
#[derive(Clone)]
pub struct Sealer(Arc<Shared>);

struct Shared {
    ring: ArcSwap<Vec<Arc<Keys>>>,
    file: Option<KeyFile>,
}

/// What is derived from one master key.
struct Keys {
    id: String,
    seal: XChaCha20Poly1305,
    token: XChaCha20Poly1305,
    lookup: Zeroizing<[u8; 32]>,
    check: [u8; 32],
}

impl Keys {
    fn derive(master: &[u8; 32]) -> Self {
        let derive = |purpose: &str| Zeroizing::new(digest(master, &[b"hubgate key 1|", purpose.as_bytes()]));
        Self {
            id: id_of(master),
            seal: cipher(&derive("seal")),
            token: cipher(&derive("token")),
            lookup: derive("lookup"),
            check: digest(master, &[b"hubgate key 1|check"]),
        }
    }

    fn digest(&self, kind: &str, secret: &str) -> [u8; 32] {
        digest(&self.lookup, &[kind.as_bytes(), b"|", secret.as_bytes()])
    }
}

fn ring_of(masters: &[Zeroizing<[u8; 32]>]) -> Vec<Arc<Keys>> {
    masters.iter().map(|master| Arc::new(Keys::derive(master))).collect()
}

/// The id of a master key: it tells keys apart, and nothing of the key.
pub(super) fn id_of(master: &[u8; 32]) -> String {
    hex::encode(digest(master, &[b"hubgate key 1|id"]).first_chunk::<4>().unwrap_or(&[0; 4]))
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("key_ids", &self.key_ids()).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Derives the keys from one master key.
    pub fn new(master: &[u8; 32]) -> Self {
        Self(Arc::new(Shared { ring: ArcSwap::from_pointee(vec![Arc::new(Keys::derive(master))]), file: None }))
    }

    /// The keys of a file; a later change of the file is taken up.
    pub(super) fn of(file: KeyFile, masters: &[Zeroizing<[u8; 32]>]) -> Self {
        Self(Arc::new(Shared { ring: ArcSwap::from_pointee(ring_of(masters)), file: Some(file) }))
    }

    /// The keys of several masters, whatever becomes of their file.
    pub(super) fn of_all(masters: &[Zeroizing<[u8; 32]>]) -> Self {
        Self(Arc::new(Shared { ring: ArcSwap::from_pointee(ring_of(masters)), file: None }))
    }

    /// Takes up the key file as it is now, or waits until somebody else has.
    ///
    /// Whoever meets what none of his keys fits asks here and looks once more before he gives up: a key is written to
    /// the file before anything is sealed under it.
    pub(super) fn reload(&self) {
        if let Some(file) = &self.0.file {
            file.if_changed(|masters| self.take(masters));
        }
    }

    fn take(&self, masters: &[Zeroizing<[u8; 32]>]) {
        let before = self.0.ring.load();
        let ring = ring_of(masters);
        if !ring.iter().any(|keys| before.iter().any(|known| known.id == keys.id)) {
            tracing::error!("the master key file has none of the keys in use; it is not taken up");
            return;
        }
        let ids: Vec<&str> = ring.iter().map(|keys| keys.id.as_str()).collect();
        tracing::info!(keys = ?ids, "the master key file is taken up");
        self.0.ring.store(Arc::new(ring));
    }

    fn ring(&self) -> Guard<Arc<Vec<Arc<Keys>>>> {
        if self.0.file.as_ref().is_some_and(KeyFile::is_due) {
            self.reload();
        }
        self.0.ring.load()
    }

    /// What the first key of the ring makes of it.
    fn with_first<T>(&self, make: impl FnOnce(&Keys) -> T) -> Option<T> {
        self.ring().first().map(|keys| make(keys))
    }

    fn find(&self, key_id: &str) -> Result<Arc<Keys>> {
        let find = || self.ring().iter().find(|keys| keys.id == key_id).cloned();
        find()
            .or_else(|| {
                self.reload();
                find()
            })
            .ok_or_else(|| Error::KeyMissing { key: key_id.to_owned() })
    }

    /// Opens with whichever key fits.
    fn open_with_any(&self, associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let open = || self.ring().iter().find_map(|keys| open(&keys.token, associated, sealed));
        open().or_else(|| {
            self.reload();
            open()
        })
    }

    /// The ids of the master keys, in the order of the file.
    pub fn key_ids(&self) -> Vec<String> {
        self.ring().iter().map(|keys| keys.id.clone()).collect()
    }

    /// Proves that a database was made under this master key.
    pub(super) fn check_value(&self, key_id: &str) -> Result<[u8; 32]> {
        Ok(self.find(key_id)?.check)
    }

    /// The keyed digest of a secret of this `kind`, for this process's own use.
    pub fn digest(&self, kind: &str, secret: &str) -> [u8; 32] {
        self.with_first(|keys| keys.digest(kind, secret)).unwrap_or_default()
    }

    /// The keyed digest under which a secret of this `kind` is looked up in rows of one master key.
    pub(super) fn digest_under(&self, key_id: &str, kind: &str, secret: &str) -> Result<[u8; 32]> {
        Ok(self.find(key_id)?.digest(kind, secret))
    }

    /// The keyed digests under which it may be found, one for each master key.
    pub(super) fn digests(&self, kind: &str, secret: &str) -> Vec<[u8; 32]> {
        self.ring().iter().map(|keys| keys.digest(kind, secret)).collect()
    }

    /// Seals a value for one place under one master key.
    pub(super) fn seal(&self, place: Place, key_id: &str, plaintext: &[u8]) -> Result<Vec<u8>> {
        seal(&self.find(key_id)?.seal, &place.associated(key_id), plaintext)
    }

    /// Opens a value that was sealed for this place.
    pub(super) fn open(&self, place: Place, key_id: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        open(&self.find(key_id)?.seal, &place.associated(key_id), sealed).ok_or_else(|| place.broken())
    }

    /// Makes a data key and wraps it for one place.
    pub(super) fn new_data_key(&self, place: Place, key_id: &str) -> Result<(DataKey, Vec<u8>)> {
        let key = Zeroizing::new(random::<32>()?);
        Ok((DataKey(cipher(&key)), self.seal(place, key_id, key.as_slice())?))
    }

    /// Unwraps the data key of one place.
    pub(super) fn data_key(&self, place: Place, key_id: &str, wrapped: &[u8]) -> Result<DataKey> {
        let key = self.open(place, key_id, wrapped)?;
        let key: &[u8; 32] = key.as_slice().try_into().map_err(|_| place.broken())?;
        Ok(DataKey(cipher(key)))
    }

    /// Makes a URL-safe token that only this installation can make and read, good for one purpose.
    ///
    /// The text is confidential and authentic; whoever needs it to expire puts the time into it.
    pub fn seal_token(&self, purpose: &str, plaintext: &[u8]) -> String {
        // Never to be reached without random bytes; an empty token opens for nobody.
        self.seal_bytes(purpose, plaintext).map(|sealed| URL_SAFE_NO_PAD.encode(sealed)).unwrap_or_default()
    }

    /// Seals bytes that leave this installation for a while, good for one purpose.
    pub fn seal_bytes(&self, purpose: &str, plaintext: &[u8]) -> Option<Vec<u8>> {
        self.with_first(|keys| seal(&keys.token, &token_associated(purpose), plaintext).ok()).flatten()
    }

    /// Opens bytes sealed by [`seal_bytes`](Self::seal_bytes) for the same purpose.
    pub fn open_bytes(&self, purpose: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open_with_any(&token_associated(purpose), sealed)
    }

    /// Reads a token made by [`seal_token`](Self::seal_token) for the same purpose.
    pub fn open_token(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        self.open_with_any(&token_associated(purpose), &sealed).map(|plain| plain.to_vec())
    }
}

/// The key of one instance.
pub(super) struct DataKey(XChaCha20Poly1305);

impl DataKey {
    /// The id of an instance's first data key.
    pub(super) const FIRST: i64 = 1;

    /// Seals a value for one place.
    pub(super) fn seal(&self, place: Place, key_id: i64, plaintext: &[u8]) -> Result<Vec<u8>> {
        seal(&self.0, &place.associated(&key_id.to_string()), plaintext)
    }

    /// Opens a value that was sealed for this place.
    pub(super) fn open(&self, place: Place, key_id: i64, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        open(&self.0, &place.associated(&key_id.to_string()), sealed).ok_or_else(|| place.broken())
    }
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Sealing)?;
    Ok(bytes)
}

fn token_associated(purpose: &str) -> Vec<u8> {
    format!("token|{purpose}").into_bytes()
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(Key::from_slice(key))
}

pub(super) fn digest(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // A key of the hash's block size needs no check of its length; the zeros are what HMAC would pad with.
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = <Hmac<Sha256> as Mac>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn seal(cipher: &XChaCha20Poly1305, associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let nonce = random::<NONCE>()?;
    let payload = Payload { msg: plaintext, aad: associated };
    let ciphertext = cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| Error::Sealing)?;
    let mut sealed = Vec::with_capacity(1 + NONCE + ciphertext.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

fn open(cipher: &XChaCha20Poly1305, associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (&VERSION, rest) = sealed.split_first()? else { return None };
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>()?;
    let payload = Payload { msg: ciphertext, aad: associated };
    cipher.decrypt(XNonce::from_slice(nonce), payload).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { table: "instance", row: 7, column: "token" };

    #[test]
    fn opens_only_at_its_place_and_under_its_key() {
        let sealer = Sealer::new(&[1; 32]);
        let id = id_of(&[1; 32]);
        let sealed = sealer.seal(PLACE, &id, b"canary").unwrap();
        assert_eq!(sealer.open(PLACE, &id, &sealed).unwrap().as_slice(), b"canary");
        for other in [
            Place { row: 8, ..PLACE },
            Place { column: "secrets", ..PLACE },
            Place { table: "instance_grant", ..PLACE },
        ] {
            assert!(sealer.open(other, &id, &sealed).is_err());
        }
        assert!(sealer.open(PLACE, "other", &sealed).is_err());
        assert!(Sealer::new(&[2; 32]).open(PLACE, &id, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(sealer.open(PLACE, &id, &altered).is_err(), "byte {at}");
        }
        assert!(sealer.open(PLACE, &id, &sealed[..10]).is_err());
    }

    #[test]
    fn a_token_is_bound_to_its_purpose() {
        let sealer = Sealer::new(&[1; 32]);
        let token = sealer.seal_token("cursor", b"after 7");
        assert_eq!(sealer.open_token("cursor", &token).as_deref(), Some(b"after 7".as_slice()));
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_eq!(sealer.open_token("link", &token), None);
        assert_eq!(sealer.open_token("cursor", ""), None);
        assert_eq!(sealer.open_token("cursor", "!!"), None);
        assert_eq!(sealer.open_token("cursor", token.get(1..).unwrap()), None);
        assert_eq!(Sealer::new(&[2; 32]).open_token("cursor", &token), None);
        assert_ne!(token, sealer.seal_token("cursor", b"after 7"));
    }

    #[test]
    fn digests_differ_by_kind_and_key() {
        let sealer = Sealer::new(&[1; 32]);
        assert_eq!(sealer.digest("user", "x"), sealer.digest("user", "x"));
        assert_ne!(sealer.digest("user", "x"), sealer.digest("instance", "x"));
        assert_ne!(sealer.digest("user", "x"), Sealer::new(&[2; 32]).digest("user", "x"));
    }

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex::encode(digest(&key, &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", Sealer::new(&[0x5a; 32]));
        assert!(shown.starts_with("Sealer { key_ids: [") && !shown.contains("5a5a"), "{shown}");
    }
}
