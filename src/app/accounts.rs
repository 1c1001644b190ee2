//! Users and organizations by their secrets, from memory first.
//!
//! Secrets are kept as keyed digests only. Unknown ones are remembered for a short while and in bounded number, and
//! look-ups in the store are bounded, so that guessing costs the guesser, not the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    error::{Error, Result},
    store::{Organization, Store, User},
};

const KNOWN: u64 = 10_000;
/// How long a secret is believed without asking the store again.
const BELIEVED: Duration = Duration::from_mins(1);
const UNKNOWN: u64 = 10_000;
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
const LOOKUPS: usize = 16;
const LONGEST_SECRET: usize = 512;

type Digest = [u8; 32];

/// Who a secret belongs to.
#[derive(Clone)]
enum Holder {
    User(Arc<User>),
    Organization(Arc<Organization>),
}

/// The accounts of this installation, by secret.
pub struct AccountDirectory {
    store: Arc<dyn Store>,
    /// With the moment in which its reading began.
    known: Cache<Digest, (Holder, Instant)>,
    unknown: Cache<Digest, ()>,
    lookups: Semaphore,
    /// Grows with every [`AccountDirectory::forget_all`].
    epoch: AtomicU64,
}

impl AccountDirectory {
    /// A directory over `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            known: Cache::builder().max_capacity(KNOWN).time_to_live(BELIEVED).build(),
            unknown: Cache::builder().max_capacity(UNKNOWN).time_to_live(UNKNOWN_FOR).build(),
            lookups: Semaphore::new(LOOKUPS),
            epoch: AtomicU64::new(0),
        }
    }

    /// Makes every next caller ask the store: some account has changed.
    pub fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.known.invalidate_all();
        self.unknown.invalidate_all();
    }

    /// The user whose secret this is.
    ///
    /// # Errors
    /// Those of [`Accounts::user_by_secret`](crate::store::Accounts::user_by_secret).
    pub async fn user(&self, secret: &str) -> Result<Option<Arc<User>>> {
        let found = self.holder("directory-user", secret, async || {
            let user = self.store.user_by_secret(secret).await?;
            Ok(user.map(|user| Holder::User(Arc::new(user))))
        });
        Ok(found.await?.and_then(|holder| match holder {
            Holder::User(user) => Some(user),
            Holder::Organization(_) => None,
        }))
    }

    /// The organization whose secret this is.
    ///
    /// # Errors
    /// Those of [`Accounts::organization_by_secret`](crate::store::Accounts::organization_by_secret).
    pub async fn organization(&self, secret: &str) -> Result<Option<Arc<Organization>>> {
        let found = self.holder("directory-organization", secret, async || {
            let organization = self.store.organization_by_secret(secret).await?;
            Ok(organization.map(|organization| Holder::Organization(Arc::new(organization))))
        });
        Ok(found.await?.and_then(|holder| match holder {
            Holder::Organization(organization) => Some(organization),
            Holder::User(_) => None,
        }))
    }

    async fn holder(
        &self,
        kind: &str,
        secret: &str,
        look_up: impl AsyncFnOnce() -> Result<Option<Holder>>,
    ) -> Result<Option<Holder>> {
        if secret.is_empty() || secret.len() > LONGEST_SECRET {
            return Ok(None);
        }
        let digest = self.store.sealer().digest(kind, secret);
        if let Some((holder, read_at)) = self.known.get(&digest).await
            && self.store.believes(read_at)
        {
            return Ok(Some(holder));
        }
        if self.unknown.get(&digest).await.is_some() {
            return Ok(None);
        }
        let _permit = self.lookups.acquire().await.map_err(Error::internal)?;
        let (read_at, epoch) = (Instant::now(), self.epoch.load(Ordering::SeqCst));
        let found = look_up().await?;
        match &found {
            Some(holder) => self.known.insert(digest, (holder.clone(), read_at)).await,
            None => {
                self.known.invalidate(&digest).await;
                self.unknown.insert(digest, ()).await;
            }
        }
        if self.epoch.load(Ordering::SeqCst) != epoch {
            // A change came in between: what was read may be from before it.
            self.known.invalidate(&digest).await;
        }
        Ok(found)
    }
}

impl std::fmt::Debug for AccountDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountDirectory")
    }
}
