//! The pool of connections, and how it gets rid of those that went silent.
//!
//! A call that is left off in its midst leaves a connection of which nobody knows where it stands. The pool asks every
//! connection for a sign of life when it comes back, without a limit: one that says nothing would be missing for ever. So
//! for a while after something went wrong each connection that comes back is asked here first, briefly, and thrown away
//! if it says nothing; and when connections stay away all the same, a new pool takes the place of the old one.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{Instant, timeout};

use super::{ACQUIRE, CLOSE, PING, TRUSTED};
use crate::error::{Error, Kind, Result};

/// How long connections are not trusted after something went wrong.
const WARY: Duration = Duration::from_secs(30);
/// How long more connections may be out than there are calls, until those are given up. Longer than one is asked.
const STRAY: Duration = Duration::from_secs(3);

/// Whether something went wrong lately.
struct Doubt {
    start: Instant,
    /// Milliseconds after `start`.
    until: AtomicU64,
}

impl Doubt {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn raise(&self) {
        let wary = u64::try_from(WARY.as_millis()).unwrap_or_default();
        self.until.fetch_max(self.now().saturating_add(wary), Ordering::SeqCst);
    }

    fn is_raised(&self) -> bool {
        self.now() < self.until.load(Ordering::SeqCst)
    }

    /// Whether a connection that comes back may be used again.
    async fn clear(&self, connection: &mut PgConnection) -> sqlx::Result<bool> {
        if !self.is_raised() {
            return Ok(true);
        }
        match timeout(PING, connection.ping()).await {
            Ok(answered) => answered.map(|()| true),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }
}

/// The connections of this node.
pub(super) struct Pool {
    current: ArcSwap<PgPool>,
    options: PgConnectOptions,
    max_connections: u32,
    doubt: Arc<Doubt>,
    /// Calls under way; each has one connection at the most.
    calls: AtomicUsize,
    /// Since when more connections are out than that, in milliseconds after the start, plus one; 0 is not at all.
    strays_since: AtomicU64,
}

impl Pool {
    pub(super) fn new(options: PgConnectOptions, max_connections: u32) -> Self {
        let doubt = Arc::new(Doubt { start: Instant::now(), until: AtomicU64::new(0) });
        let current = ArcSwap::from_pointee(connect(&options, max_connections, &doubt));
        let (calls, strays_since) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { current, options, max_connections, doubt, calls, strays_since }
    }

    /// How connections are made.
    pub(super) const fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// The pool of now.
    pub(super) fn now(&self) -> PgPool {
        PgPool::clone(&self.current.load())
    }

    /// What `call` comes to within `longest`.
    pub(super) async fn within<T>(&self, longest: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
        // Dropped in the order back from the last: the doubt is there before the call lets go of its connection.
        let mut call = pin!(timeout(longest, call));
        let mut under_way = UnderWay::new(self);
        let outcome = call.as_mut().await.unwrap_or_else(|_| {
            Err(Error::new(Kind::Unavailable, "The store does not answer").with_retry_after(Duration::from_secs(1)))
        });
        under_way.well = outcome.as_ref().err().is_none_or(|error| error.kind() != Kind::Unavailable);
        drop(under_way);
        self.look_for_strays();
        outcome
    }

    fn look_for_strays(&self) {
        if !self.doubt.is_raised() {
            return;
        }
        let pool = self.current.load();
        let out = usize::try_from(pool.size()).unwrap_or(usize::MAX).saturating_sub(pool.num_idle());
        if out <= self.calls.load(Ordering::SeqCst) {
            self.strays_since.store(0, Ordering::SeqCst);
            return;
        }
        let (now, since) = (self.doubt.now() + 1, self.strays_since.load(Ordering::SeqCst));
        if since == 0 {
            self.strays_since.store(now, Ordering::SeqCst);
        } else if Duration::from_millis(now.saturating_sub(since)) > STRAY
            && self.strays_since.compare_exchange(since, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        {
            self.begin_anew();
        }
    }

    fn begin_anew(&self) {
        tracing::warn!("connections to the database do not come back; they are given up");
        let fresh = connect(&self.options, self.max_connections, &self.doubt);
        let old = self.current.swap(Arc::new(fresh));
        self.doubt.until.store(0, Ordering::SeqCst);
        // What is under way in the old one ends there.
        tokio::spawn(async move { drop(timeout(CLOSE, old.close()).await) });
    }

    pub(super) async fn close(&self) {
        if timeout(CLOSE, self.now().close()).await.is_err() {
            tracing::warn!("the database did not take leave in time");
        }
    }
}

fn connect(options: &PgConnectOptions, max_connections: u32, doubt: &Arc<Doubt>) -> PgPool {
    let doubt = Arc::clone(doubt);
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                Ok(meta.idle_for < TRUSTED || matches!(timeout(PING, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .after_release(move |connection, _| {
            let doubt = Arc::clone(&doubt);
            Box::pin(async move { doubt.clear(connection).await })
        })
        .connect_lazy_with(options.clone())
}

/// A call that is under way; dropped before it is done, or when it did not end well, it raises the doubt.
struct UnderWay<'a> {
    pool: &'a Pool,
    well: bool,
}

impl<'a> UnderWay<'a> {
    fn new(pool: &'a Pool) -> Self {
        pool.calls.fetch_add(1, Ordering::SeqCst);
        Self { pool, well: false }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.well {
            self.pool.doubt.raise();
        }
        self.pool.calls.fetch_sub(1, Ordering::SeqCst);
    }
}
