//! Whose token is this? Answered from memory, keyed by digest, with bounded misses.
//!
//! Two bounded maps: digest of a token ▸ instance id (a token never changes its instance), and id ▸ record. A change of
//! an instance forgets its record only, so [`Directory::forget`] is O(1) and nothing ever walks all instances. Unknown
//! tokens are remembered for a while in a third, bounded map, and no more than [`LOOKUPS`] look-ups reach the store at a
//! time, so that a flood of guesses costs memory and store a constant.
//!
//! Invariant: a caller that starts after `forget(id)` returned never sees a record read before it. A record that the store
//! no longer [believes](Store::believes) is read anew, so that what other nodes changed holds here within a second.
//!
//! In front of it all each thread remembers the tokens that it met last, so that a busy instance costs no digest and no
//! look-up in what all threads share. It holds records weakly, and none of them past a [`Directory::forget`] of any.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq as _;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    error::{Error, Kind, Result},
    recent::Recent,
    store::{InstanceRecord, Store},
};

/// Records kept in memory.
const RECORDS: u64 = 10_000;
/// Known tokens kept in memory; an entry is forty bytes.
const TOKENS: u64 = 100_000;
/// Unknown tokens remembered.
const UNKNOWN: u64 = 10_000;
/// Look-ups in the store at a time.
pub const LOOKUPS: usize = 16;
/// How long a record is believed without asking the store, also while it hears of all changes.
const BELIEVED: Duration = Duration::from_secs(30);
/// How long an unknown token is taken to be unknown still.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
/// Tokens that each thread remembers.
const RECENT: usize = 4096;
/// No token is longer; anything longer is not looked up.
const LONGEST_TOKEN: usize = 512;

type Digest = [u8; 32];

/// Called with the instance that turned out to have changed.
type Listener = Box<dyn Fn(i64) + Send + Sync>;

/// Instances by token and by id, in memory first.
pub struct Directory {
    store: Arc<dyn Store>,
    tokens: Cache<Digest, i64>,
    records: Cache<i64, Entry>,
    unknown: Cache<Digest, ()>,
    recent: Recent<Met>,
    lookups: Semaphore,
    /// Grows with every [`Directory::forget`], before and after; tells records read before one from records read after it.
    epoch: AtomicU64,
    listener: OnceLock<Listener>,
}

#[derive(Clone)]
struct Entry {
    record: Arc<InstanceRecord>,
    epoch: u64,
    /// When its reading began.
    read_at: Instant,
}

/// A record that was found by its token, while it is good: to be asked of the [`Directory`] again.
#[derive(Debug, Clone)]
pub struct Met {
    record: Weak<InstanceRecord>,
    /// The epoch in which it was looked for.
    epoch: u64,
    read_at: Instant,
}

/// Why a look-up gave no record; shared by all who waited for it.
#[derive(Debug)]
enum Miss {
    Unknown,
    Failed(Error),
}

impl Directory {
    /// A directory over `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            tokens: Cache::new(TOKENS),
            records: Cache::builder().max_capacity(RECORDS).time_to_live(BELIEVED).build(),
            unknown: Cache::builder().max_capacity(UNKNOWN).time_to_live(UNKNOWN_FOR).build(),
            recent: Recent::new(RECENT),
            lookups: Semaphore::new(LOOKUPS),
            epoch: AtomicU64::new(0),
            listener: OnceLock::new(),
        }
    }

    /// Sets who is told when a record that was read anew turns out to have been changed, or deleted, by somebody else.
    ///
    /// Only the first call counts.
    pub fn on_change(&self, listener: impl Fn(i64) + Send + Sync + 'static) {
        if self.listener.set(Box::new(listener)).is_err() {
            tracing::warn!("a second listener for changed instances is ignored");
        }
    }

    /// The instance whose token this is.
    ///
    /// # Errors
    /// Those of [`Instances::instance_by_token`](crate::store::Instances::instance_by_token).
    pub async fn by_token(&self, token: &str) -> Result<Option<Arc<InstanceRecord>>> {
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Ok(None);
        }
        if let Some(record) = self.recalled(token) {
            return Ok(Some(record));
        }
        let epoch = self.epoch.load(Ordering::SeqCst);
        let found = Box::pin(self.looked_up(token)).await?;
        if let Some(Entry { record, read_at, .. }) = &found {
            self.recent.put(token, Met { record: Arc::downgrade(record), epoch, read_at: *read_at });
        }
        Ok(found.map(|found| found.record))
    }

    /// The instance whose token this is, if this thread met it lately and nothing has changed since.
    fn recalled(&self, token: &str) -> Option<Arc<InstanceRecord>> {
        self.met(token).and_then(|met| met.record.upgrade())
    }

    /// How this thread met the instance whose token this is, if it did lately and nothing has changed since.
    pub fn met(&self, token: &str) -> Option<Met> {
        self.recent.read(token, |met| {
            let record = met.record.upgrade().filter(|_| self.knows(met))?;
            let same: bool = record.token.expose_secret().as_bytes().ct_eq(token.as_bytes()).into();
            same.then(|| met.clone())
        })
    }

    /// Whether the record of then is the record of now: no instance has changed since, as far as is known here.
    pub fn knows(&self, met: &Met) -> bool {
        met.epoch == self.epoch.load(Ordering::SeqCst)
            && met.read_at.elapsed() < BELIEVED
            && self.store.believes(met.read_at)
            && met.record.strong_count() > 0
    }

    async fn looked_up(&self, token: &str) -> Result<Option<Entry>> {
        let digest = self.store.sealer().digest("directory", token);
        if let Some(id) = self.tokens.get(&digest).await {
            if let Some(entry) = self.entry(id).await? {
                return Ok(Some(entry));
            }
            self.tokens.invalidate(&digest).await;
        }
        if self.unknown.get(&digest).await.is_some() {
            return Ok(None);
        }
        match self.tokens.try_get_with(digest, self.look_up(token)).await {
            Ok(id) => self.entry(id).await,
            Err(miss) => match &*miss {
                Miss::Unknown => {
                    self.unknown.insert(digest, ()).await;
                    Ok(None)
                }
                Miss::Failed(error) => Err(again(error)),
            },
        }
    }

    /// The instance with this id.
    ///
    /// # Errors
    /// Those of [`Instances::instance`](crate::store::Instances::instance).
    pub async fn by_id(&self, id: i64) -> Result<Option<Arc<InstanceRecord>>> {
        Ok(self.entry(id).await?.map(|entry| entry.record))
    }

    async fn entry(&self, id: i64) -> Result<Option<Entry>> {
        let (came, seen) = (Instant::now(), self.epoch.load(Ordering::SeqCst));
        let known = self.records.get(&id).await;
        if let Some(entry) = &known {
            if self.store.believes(entry.read_at) {
                return Ok(known);
            }
            self.records.invalidate(&id).await;
        }
        let found = loop {
            match self.records.try_get_with(id, self.load(id)).await {
                // Somebody else's read: begun before a change that was over when we came, or too long ago.
                Ok(entry) if entry.epoch < seen || (entry.read_at < came && !self.store.believes(entry.read_at)) => {
                    self.records.invalidate(&id).await;
                }
                Ok(entry) => {
                    self.drop_if_overtaken(id, entry.epoch).await;
                    break Some(entry);
                }
                Err(miss) => match &*miss {
                    Miss::Unknown => break None,
                    Miss::Failed(error) => return Err(again(error)),
                },
            }
        };
        if let (Some(old), Some(listener)) = (known, self.listener.get())
            && found.as_ref().is_none_or(|new| new.record.version != old.record.version)
        {
            listener(id);
        }
        Ok(found)
    }

    /// Makes the next caller read the instance from the store; call it after every change.
    pub async fn forget(&self, id: i64) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.records.invalidate(&id).await;
        // Who found the old record in between may remember it, but for an epoch that is over now.
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// [`forget`](Self::forget), unless the record in memory is of `version` or later.
    pub async fn forget_before(&self, id: i64, version: i64) {
        if self.records.get(&id).await.is_none_or(|entry| entry.record.version < version) {
            self.forget(id).await;
        }
    }

    /// Makes every next caller read the store: nobody knows what has changed.
    pub fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.records.invalidate_all();
        self.unknown.invalidate_all();
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes up a new instance, in case its token was asked for before it was there.
    pub async fn admit(&self, record: &InstanceRecord) {
        let digest = self.store.sealer().digest("directory", record.token.expose_secret());
        self.unknown.invalidate(&digest).await;
    }

    async fn load(&self, id: i64) -> Result<Entry, Miss> {
        let _permit = self.lookups.acquire().await;
        let (read_at, epoch) = (Instant::now(), self.epoch.load(Ordering::SeqCst));
        match self.store.instance(id).await {
            Ok(Some(record)) => Ok(Entry { record: Arc::new(record), epoch, read_at }),
            Ok(None) => Err(Miss::Unknown),
            Err(error) => Err(Miss::Failed(error)),
        }
    }

    async fn look_up(&self, token: &str) -> Result<i64, Miss> {
        let _permit = self.lookups.acquire().await;
        let (read_at, epoch) = (Instant::now(), self.epoch.load(Ordering::SeqCst));
        match self.store.instance_by_token(token).await {
            Ok(Some(record)) => {
                let id = record.id;
                self.records.insert(id, Entry { record: Arc::new(record), epoch, read_at }).await;
                self.drop_if_overtaken(id, epoch).await;
                Ok(id)
            }
            Ok(None) => Err(Miss::Unknown),
            Err(error) => Err(Miss::Failed(error)),
        }
    }

    /// Our record went in before we looked at the epoch, and `forget` moves the epoch before it throws out: whichever
    /// way the two interleave, a record read before the change does not stay.
    async fn drop_if_overtaken(&self, id: i64, epoch: u64) {
        if self.epoch.load(Ordering::SeqCst) != epoch {
            self.records.invalidate(&id).await;
        }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("records", &self.records.entry_count())
            .field("tokens", &self.tokens.entry_count())
            .field("unknown", &self.unknown.entry_count())
            .finish_non_exhaustive()
    }
}

/// The shared error for one more of those who waited.
fn again(error: &Error) -> Error {
    let text = match error.kind() {
        Kind::Internal => "Internal server error",
        _ => error.public(),
    };
    let shared = Error::new(error.kind(), text).with_source(format!("{error:?}"));
    match error.retry_after() {
        Some(after) => shared.with_retry_after(after),
        None => shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SystemClock,
        store::{self, Actor, InstanceChange, NewAccount, NewInstance},
    };

    async fn directory() -> (Directory, Arc<dyn Store>, InstanceRecord, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let store = store::open(&store::Settings::new(home.path()), Arc::new(SystemClock)).await.unwrap();
        let account = NewAccount { organization: "o".into(), email: "a@b.example".into(), ..NewAccount::default() };
        let made = store.create_account(account).await.unwrap();
        let new = NewInstance {
            organization_id: made.organization.id,
            user_id: made.user.id,
            element_key: "acme".into(),
            name: "first".into(),
            ..NewInstance::default()
        };
        let record = store.insert_instance(new).await.unwrap();
        (Directory::new(Arc::clone(&store)), store, record, home)
    }

    #[tokio::test]
    async fn answers_from_memory_until_told_to_forget() {
        let (directory, store, record, _home) = directory().await;
        let token = record.token.expose_secret();
        assert_eq!(directory.by_token(token).await.unwrap().unwrap().name, "first");
        let renamed = InstanceChange { name: Some("second".into()), ..InstanceChange::default() };
        store.update_instance(record.id, record.version, renamed).await.unwrap();
        assert_eq!(directory.by_token(token).await.unwrap().unwrap().name, "first");
        assert_eq!(directory.by_id(record.id).await.unwrap().unwrap().name, "first");
        directory.forget(record.id).await;
        assert_eq!(directory.by_token(token).await.unwrap().unwrap().name, "second");
        store.delete_instance(record.id, &Actor::default()).await.unwrap();
        directory.forget(record.id).await;
        assert!(directory.by_token(token).await.unwrap().is_none());
        assert!(directory.by_id(record.id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn unknown_tokens_take_bounded_room_and_never_match() {
        let (directory, _store, record, _home) = directory().await;
        for guess in ["", "nope", &"x".repeat(LONGEST_TOKEN + 1)] {
            assert!(directory.by_token(guess).await.unwrap().is_none());
        }
        let token = record.token.expose_secret();
        assert!(directory.by_token(&token.to_lowercase()).await.unwrap().is_none());
        assert!(directory.by_token(token).await.unwrap().is_some());
        directory.unknown.run_pending_tasks().await;
        assert!(directory.unknown.entry_count() <= 2);
        assert!(!format!("{directory:?}").contains(token));
    }

    #[tokio::test]
    async fn a_token_asked_for_too_early_works_once_admitted() {
        let (directory, store, record, _home) = directory().await;
        let token = "chosen-by-the-operator";
        assert!(directory.by_token(token).await.unwrap().is_none());
        let new = NewInstance {
            organization_id: record.organization_id,
            user_id: record.user_id,
            element_key: "acme".into(),
            token: Some(token.into()),
            ..NewInstance::default()
        };
        let late = store.insert_instance(new).await.unwrap();
        assert!(directory.by_token(token).await.unwrap().is_none());
        directory.admit(&late).await;
        assert_eq!(directory.by_token(token).await.unwrap().unwrap().id, late.id);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_who_comes_after_a_change_sees_what_was_before() {
        let (directory, store, record, _home) = directory().await;
        let directory = Arc::new(directory);
        let stop = tokio_util::sync::CancellationToken::new();
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (directory, stop, record) = (Arc::clone(&directory), stop.clone(), record.clone());
                tokio::spawn(async move {
                    while !stop.is_cancelled() {
                        directory.by_id(record.id).await.unwrap().unwrap();
                        directory.by_token(record.token.expose_secret()).await.unwrap().unwrap();
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let mut version = record.version;
        for round in 0..40_u64 {
            let change = InstanceChange { cache_ttl_s: Some(round), ..InstanceChange::default() };
            version = store.update_instance(record.id, version, change).await.unwrap().version;
            directory.forget(record.id).await;
            assert_eq!(directory.by_id(record.id).await.unwrap().unwrap().cache_ttl_s, round);
            let by_token = directory.by_token(record.token.expose_secret()).await.unwrap().unwrap();
            assert_eq!(by_token.cache_ttl_s, round);
        }
        stop.cancel();
        for reader in readers {
            reader.await.unwrap();
        }
    }
}
