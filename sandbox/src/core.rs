//! What every imitation shares: its address, its clock, its authorization server, its faults and its call log.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use axum::{Router, response::Response};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{calls::Calls, faults::Faults, oauth, quota::Quotas};

/// How an imitation is started; the default is what the real provider does.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Approve every authorization request at once, without showing the consent page.
    pub auto_approve: bool,
    /// Lifetime of access tokens in seconds, instead of the provider's own.
    pub access_seconds: Option<i64>,
}

/// One provider as its module describes it.
pub(crate) struct Provider {
    /// The API's routes (those of the authorization server and the control API are added by the crate).
    pub(crate) router: Router,
    /// Addresses besides `authorize`, `token`, `revoke` and `control`: at least `api`.
    pub(crate) urls: Vec<(&'static str, String)>,
    /// Element configuration that points an element at this imitation, besides the `oauth.*` keys.
    pub(crate) configuration: Vec<(&'static str, String)>,
    /// Instance configuration that connects an account without consent; empty where consent is asked for.
    pub(crate) credentials: Vec<(&'static str, String)>,
    /// Puts the provider's data back to what it was at the start.
    pub(crate) reset: Box<dyn Fn() + Send + Sync>,
    /// Builds the provider's own answer for a fault's status and `Retry-After`.
    pub(crate) failure: fn(u16, Option<u64>) -> Response,
}

/// What the parts of one running imitation share.
pub(crate) struct Core {
    /// `http://host:port`, without a slash at the end.
    pub(crate) origin: String,
    pub(crate) oauth: oauth::Server,
    pub(crate) faults: Faults,
    pub(crate) quotas: Quotas,
    pub(crate) calls: Calls,
    /// Where big uploads are kept; gone when the imitation is.
    pub(crate) spool: Spool,
    clock: Arc<SandboxClock>,
}

impl Core {
    pub(crate) fn new(origin: String, rules: oauth::Rules, settings: &Settings) -> Self {
        let clock = Arc::new(SandboxClock::default());
        Self {
            oauth: oauth::Server::new(rules, origin.clone(), Arc::clone(&clock), settings),
            origin,
            faults: Faults::default(),
            quotas: Quotas::default(),
            calls: Calls::default(),
            spool: Spool::default(),
            clock,
        }
    }

    /// The imitation's time: the machine's, moved ahead by `/_control/clock`.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> &SandboxClock {
        &self.clock
    }
}

/// The machine's time plus what the control API has added.
#[derive(Debug, Default)]
pub(crate) struct SandboxClock {
    ahead_ms: AtomicI64,
}

impl SandboxClock {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::milliseconds(self.ahead_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now().timestamp_millis()
    }

    /// Moves the time ahead.
    pub(crate) fn advance(&self, seconds: i64) {
        self.ahead_ms.fetch_add(seconds.saturating_mul(1000), Ordering::Relaxed);
    }
}

/// A directory for big contents, made at first use and removed with the imitation.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    next: AtomicU64,
}

impl Default for Spool {
    fn default() -> Self {
        Self { directory: std::env::temp_dir().join(format!("sandbox-{}", random_hex(8))), next: AtomicU64::new(1) }
    }
}

impl Spool {
    /// A path nothing is at yet, in a directory that exists.
    pub(crate) fn fresh(&self) -> std::io::Result<PathBuf> {
        std::fs::create_dir_all(&self.directory)?;
        Ok(self.directory.join(self.next.fetch_add(1, Ordering::Relaxed).to_string()))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.next.load(Ordering::Relaxed) > 1
            && let Err(error) = std::fs::remove_dir_all(&self.directory)
        {
            tracing::debug!(%error, "the spool directory could not be removed");
        }
    }
}

/// Locks; a panic of another holder does not matter to an imitation's state.
pub(crate) fn hold<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `bytes` random bytes in lower-case hexadecimal.
pub(crate) fn random_hex(bytes: usize) -> String {
    static FALLBACK: AtomicU64 = AtomicU64::new(0x5eed);
    let mut buffer = vec![0_u8; bytes];
    if getrandom::fill(&mut buffer).is_err() {
        let number = FALLBACK.fetch_add(1, Ordering::Relaxed);
        return format!("{number:0>width$x}", width = bytes * 2);
    }
    hex::encode(buffer)
}

/// A person whose account an end user can connect.
pub(crate) struct Person {
    pub(crate) number: u32,
    pub(crate) given: &'static str,
    pub(crate) surname: &'static str,
    pub(crate) email: &'static str,
}

impl Person {
    pub(crate) fn full(&self) -> String {
        format!("{} {}", self.given, self.surname)
    }
}

/// Everyone with an account; the first one is connected unless the consent says otherwise.
pub(crate) const PEOPLE: [Person; 2] = [
    Person { number: 1, given: "Ada", surname: "Lindqvist", email: "ada@example.com" },
    Person { number: 2, given: "Bo", surname: "Marchetti", email: "bo@example.com" },
];

/// The person with this account number, or the first one.
pub(crate) fn person(number: u32) -> &'static Person {
    let [first, others @ ..] = &PEOPLE;
    others.iter().find(|person| person.number == number).unwrap_or(first)
}
