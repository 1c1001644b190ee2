//! OAuth grants: authorize URL, code exchange, and tokens that are always fresh.
//!
//! A grant is never lost and never spent twice: a refresh is announced in the store before the provider is called
//! (intent, under a lease with a fencing epoch), its answer is stored before anyone uses it, and it runs in a task of
//! its own, so that a caller who hangs up does not cancel it.
//!
//! ```text
//! R0  fresh in memory ─────────────────────────────────▶ use
//! R1  one refresh per instance and process, callers wait (bounded)
//! R2  store: lease + epoch + intent        COMMIT
//! R3  token endpoint (no redirects, bounded, one replay when the answer was lost)
//! R4  store: next generation               COMMIT, fenced by the epoch; while it fails: the journal on disk
//! R5  only now: memory, callers
//! R6  died between R2 and R4: the intent is there, the lease runs out; one replay with the old token
//! ```
//!
//! An outage never kills a grant: only the provider's own word (`invalid_grant` and what the element names beside it)
//! does, and `invalid_client` is the element's fault, not the grant's.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use url::Url;

use self::{
    flight::{Flights, Outcome},
    token::Failure,
};
pub use self::{
    oauth::{ClientAuth, Grant, OAuth2, Pkce},
    oauth1::{OAuth1, Signature},
    revoke::{Revocation, Revoker, TokenPlace},
    step::{Hook, Step, Verdict},
    timing::{LOOK_AGAIN, jittered},
    token::Answer,
};
use crate::{
    clock::SharedClock,
    error::{Error, Kind, Result},
    store::{Store, journal::Journal},
    upstream::Transport,
};

mod breaker;
mod flight;
mod oauth;
mod oauth1;
mod redeem;
mod refresh;
mod revoke;
mod spill;
mod step;
mod timing;
mod token;

/// How patient a caller with a token that still works is, as a part of [`Settings::wait`].
const PATIENCE: u32 = 4;

/// Bounds and waits of the refresh protocol.
#[derive(Clone)]
pub struct Settings {
    /// The longest a caller waits for a refresh.
    pub wait: Duration,
    /// The longest one call to a token endpoint takes.
    pub token_timeout: Duration,
    /// How long nobody else refreshes an instance; must be more than twice `token_timeout`.
    pub lease: Duration,
    /// The longest time before its expiry at which a token is refreshed (a tenth of its life otherwise).
    pub refresh_margin: Duration,
    /// The longest pause between two tries at a failing token endpoint.
    pub backoff_max: Duration,
    /// How long an element's refused client is left alone.
    pub breaker: Duration,
    /// How many access tokens are kept in memory.
    pub cache_entries: u64,
    /// Where a refreshed grant is written down that the store cannot take.
    pub journal: Option<Arc<Journal>>,
    /// Called at every step of a refresh, for crash tests.
    pub hook: Option<Hook>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(12),
            token_timeout: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            refresh_margin: Duration::from_mins(15),
            backoff_max: Duration::from_mins(5),
            breaker: Duration::from_secs(30),
            cache_entries: 100_000,
            journal: None,
            hook: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("wait", &self.wait)
            .field("token_timeout", &self.token_timeout)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// An access token to call the provider with.
#[derive(Debug, Clone)]
pub struct Access {
    /// The token.
    pub token: SecretString,
    /// Its secret, of OAuth 1.
    pub secret: Option<SecretString>,
    /// Which set of tokens it is of; what [`Grants::renew`] is told after a 401.
    pub generation: i64,
    /// When it expires; `None` is unknown.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Which token a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// One that is not due.
    Fresh,
    /// One of a later generation than the one the provider refused.
    Newer(i64),
}

#[derive(Clone)]
struct Cached {
    access: Access,
    /// From here on it is due.
    refresh_at: DateTime<Utc>,
    /// When its reading from the store began.
    read_at: Instant,
}

/// When a row was read: at which moment, and before which forgetting.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    epoch: u64,
}

/// Called with the instance whose configuration or validity a refresh changed.
type Listener = Box<dyn Fn(i64) + Send + Sync>;

/// The grants of all instances. Cheap to clone.
#[derive(Clone)]
pub struct Grants(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    settings: Settings,
    tracker: TaskTracker,
    /// This process, in leases.
    owner: String,
    cache: Cache<i64, Cached>,
    flights: Flights,
    breakers: breaker::Breakers,
    forced: breaker::Budget,
    listener: OnceLock<Listener>,
    spill: spill::Spill,
    /// Grows whenever something is forgotten; tells tokens read before it from tokens read after it.
    epoch: AtomicU64,
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants").field("owner", &self.0.owner).finish_non_exhaustive()
    }
}

impl Grants {
    /// Grants over this store; refreshes run in tasks of `tracker`, which a shutdown waits for.
    pub fn new(
        store: Arc<dyn Store>,
        transport: Arc<dyn Transport>,
        clock: SharedClock,
        settings: Settings,
        tracker: TaskTracker,
    ) -> Self {
        let cache = Cache::builder()
            .max_capacity(settings.cache_entries)
            // What another process changed is noticed at the latest now.
            .time_to_live(Duration::from_mins(1))
            .build();
        let breakers = breaker::Breakers::new(settings.breaker);
        let spill = spill::Spill::new(settings.journal.clone());
        Self(Arc::new(Inner {
            store,
            transport,
            clock,
            settings,
            tracker,
            owner: format!("{:016x}", timing::random()),
            cache,
            flights: Flights::default(),
            breakers,
            forced: breaker::Budget::default(),
            listener: OnceLock::new(),
            spill,
            epoch: AtomicU64::new(0),
        }))
    }

    /// Sets who is told when a refresh changed an instance's configuration (captured members) or validity.
    ///
    /// Only the first call counts.
    pub fn on_change(&self, listener: impl Fn(i64) + Send + Sync + 'static) {
        if self.0.listener.set(Box::new(listener)).is_err() {
            tracing::warn!("a second listener for grant changes is ignored");
        }
    }

    /// The URL that the end user's browser is sent to; see [`OAuth2::authorize_url`].
    ///
    /// # Errors
    /// [`Kind::BadRequest`] when the authorize URL is not an absolute URL.
    pub fn authorize_url(&self, oauth: &OAuth2, state: &str, extra: &[(String, String)]) -> Result<Url> {
        oauth.authorize_url(state, extra)
    }

    /// Exchanges an authorization code for tokens. Nothing is stored.
    ///
    /// # Errors
    /// [`Kind::BadRequest`], with the provider's words, when the provider refuses the code or the client;
    /// [`Kind::ProviderFailed`], [`Kind::ProviderUnreachable`] or [`Kind::ProviderTimeout`] when it does not serve;
    /// [`Kind::Forbidden`] when the token URL's host may not be called.
    pub async fn exchange(
        &self,
        oauth: &OAuth2,
        code: &str,
        verifier: Option<&SecretString>,
        deadline: Instant,
    ) -> Result<Answer> {
        let inner = &*self.0;
        let mut form = vec![("grant_type", "authorization_code"), ("code", code)];
        form.extend(oauth.redirect_uri.as_deref().map(|uri| ("redirect_uri", uri)));
        form.extend(verifier.map(|verifier| ("code_verifier", verifier.expose_secret())));
        form.extend(oauth.token_params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let deadline = deadline.min(Instant::now() + inner.settings.token_timeout);
        let url = oauth.exchange_endpoint()?;
        let called = token::call(&*inner.transport, &inner.clock, oauth, url, &form, deadline).await;
        called.map_err(|failure| match failure {
            Failure::Dead(fault) => refused("The provider refused the authorization code", fault),
            Failure::Client(fault) => refused("The provider refused the client id, its secret or the scope", fault),
            Failure::Refused(fault) => refused("The provider refused the code exchange", fault),
            Failure::Blocked(error) => error,
            Failure::Down { kind, fault, retry_after, .. } => outage(kind, fault, retry_after),
        })
    }

    /// An access token that is not due, refreshed if it has to be.
    ///
    /// # Errors
    /// [`Kind::ReauthRequired`] when the grant is dead or there is none; [`Kind::ProviderFailed`] or
    /// [`Kind::ProviderUnreachable`] (with `retry_after`) when the token endpoint fails and the old token is of no use;
    /// [`Kind::Unavailable`] (with `retry_after`) when the wait for the refresh ended first.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on a refresh under way.
    pub async fn access(&self, instance_id: i64, oauth: &Arc<OAuth2>, deadline: Instant) -> Result<Access> {
        let now = self.0.clock.now();
        let cached = self.0.known(instance_id);
        if let Some(cached) = cached.as_ref().filter(|cached| now < cached.refresh_at) {
            return Ok(cached.access.clone());
        }
        let old = cached.map(|cached| cached.access).filter(|access| timing::works(access.expires_at, now));
        Box::pin(self.obtain(instance_id, Want::Fresh, oauth, deadline, old)).await
    }

    /// A token of a later generation than `seen_generation`, which the provider answered with 401.
    ///
    /// When the stored generation is later already, it is returned without a token call. When refreshing does not help
    /// (many in a row), the token returned is still of `seen_generation`: then the provider's 401 is the answer.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on a refresh under way.
    pub async fn renew(
        &self,
        instance_id: i64,
        seen_generation: i64,
        oauth: &Arc<OAuth2>,
        deadline: Instant,
    ) -> Result<Access> {
        let now = self.0.clock.now();
        let newer = |cached: &Cached| cached.access.generation > seen_generation && now < cached.refresh_at;
        if let Some(cached) = self.0.known(instance_id).filter(newer) {
            return Ok(cached.access);
        }
        self.obtain(instance_id, Want::Newer(seen_generation), oauth, deadline, None).await
    }

    /// Forgets the token in memory: the instance was deleted, or has a fresh grant.
    pub fn forget(&self, instance_id: i64) {
        self.0.forget(instance_id);
    }

    /// Forgets all tokens in memory: nobody knows what has changed.
    pub fn forget_all(&self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
        self.0.cache.invalidate_all();
    }

    async fn obtain(
        &self,
        instance_id: i64,
        want: Want,
        oauth: &Arc<OAuth2>,
        deadline: Instant,
        old: Option<Access>,
    ) -> Result<Access> {
        let longest = self.0.settings.wait;
        let limit = deadline.min(Instant::now() + if old.is_some() { longest / PATIENCE } else { longest });
        loop {
            let (mut landing, ours) = self.join(instance_id, want, oauth);
            let outcome = match timeout_at(limit, landing.wait_for(Option::is_some)).await {
                Ok(Ok(outcome)) => outcome.clone(),
                Ok(Err(_)) => None,
                Err(_) => {
                    return old.ok_or_else(|| busy("The access token is being refreshed"));
                }
            };
            match (outcome, want) {
                (None, _) => return old.ok_or_else(|| busy("The refresh of the access token was interrupted")),
                // Somebody else's refresh, begun for another reason, may have found nothing to do.
                (Some(Ok(access)), Want::Newer(seen)) if access.generation <= seen && !ours => {}
                (Some(Ok(access)), _) => return Ok(access),
                (Some(Err(error)), _) => {
                    let transient = error.kind() != Kind::ReauthRequired;
                    return old.filter(|_| transient).ok_or_else(|| flight::copy(&error));
                }
            }
        }
    }

    /// Joins the refresh of this instance that is under way, or starts one; tells whether it is the caller's own.
    fn join(
        &self,
        instance_id: i64,
        want: Want,
        oauth: &Arc<OAuth2>,
    ) -> (tokio::sync::watch::Receiver<Option<Outcome>>, bool) {
        let inner = &self.0;
        inner.flights.join(instance_id, |landing| {
            let (inner, oauth) = (inner.clone(), oauth.clone());
            inner.clone().tracker.spawn(async move {
                let outcome = inner.refresh(instance_id, want, &oauth).await;
                landing.land(outcome);
                inner.drain().await;
            });
        })
    }
}

fn refused(text: &str, fault: crate::error::ProviderFault) -> Error {
    let words = fault.message.as_ref().or(fault.code.as_ref()).map_or_else(String::new, |words| format!(": {words}"));
    Error::bad_request(format!("{text}{words}")).with_provider(fault)
}

fn outage(kind: Kind, fault: Option<crate::error::ProviderFault>, retry_after: Option<Duration>) -> Error {
    let text = match kind {
        Kind::ProviderTimeout => "The provider's token endpoint did not answer in time",
        Kind::ProviderUnreachable => "The provider's token endpoint cannot be reached",
        _ => "The provider's token endpoint failed",
    };
    let mut error = Error::new(kind, text);
    if let Some(fault) = fault {
        error = error.with_provider(fault);
    }
    if let Some(after) = retry_after {
        error = error.with_retry_after(after);
    }
    error
}

fn busy(text: &str) -> Error {
    Error::new(Kind::Unavailable, format!("{text}; try again")).with_retry_after(Duration::from_secs(1))
}
