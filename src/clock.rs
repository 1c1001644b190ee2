//! Time as a dependency, so that tests can move it instead of sleeping.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Tells the wall-clock time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// How much time has passed since some moment, whatever is done to the wall clock meanwhile.
    fn steady(&self) -> Duration;
}

/// A clock shared by everything that needs one.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn steady(&self) -> Duration {
        START.elapsed()
    }
}

/// A clock that runs with the machine's but can be moved, for tests and drills.
#[derive(Debug, Default)]
pub struct ShiftedClock {
    offset_ms: AtomicI64,
    passed_ms: AtomicU64,
}

impl ShiftedClock {
    /// Moves the clock by `delta`: forwards as if so much time had passed, backwards as if it had been set.
    pub fn shift(&self, delta: TimeDelta) {
        let delta = delta.num_milliseconds();
        self.offset_ms.fetch_add(delta, Ordering::SeqCst);
        self.passed_ms.fetch_add(u64::try_from(delta).unwrap_or_default(), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::milliseconds(self.offset_ms.load(Ordering::SeqCst))
    }
    fn steady(&self) -> Duration {
        START.elapsed() + Duration::from_millis(self.passed_ms.load(Ordering::SeqCst))
    }
}
