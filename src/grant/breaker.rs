//! Two brakes: one for clients that a provider refuses, one for tokens that are refused however fresh they are.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;

use super::oauth::OAuth2;
use crate::error::{Error, Kind, ProviderFault};

const REMEMBERED: u64 = 10_000;

/// Clients (id, secret and token URL) that a token endpoint refused, and until when they are left alone.
pub(super) struct Breakers {
    open: Cache<[u8; 32], (DateTime<Utc>, ProviderFault)>,
    pause: Duration,
}

impl Breakers {
    pub(super) fn new(pause: Duration) -> Self {
        Self { open: Cache::new(REMEMBERED), pause }
    }

    /// Remembers a refusal and gives back what callers are told.
    pub(super) fn trip(&self, oauth: &OAuth2, fault: ProviderFault, now: DateTime<Utc>) -> Error {
        let pause = TimeDelta::from_std(self.pause).unwrap_or_default();
        self.open.insert(oauth.fingerprint(), (now + pause, fault.clone()));
        refused(fault, self.pause)
    }

    /// What callers are told while the client is left alone.
    pub(super) fn check(&self, oauth: &OAuth2, now: DateTime<Utc>) -> Option<Error> {
        let (until, fault) = self.open.get(&oauth.fingerprint())?;
        let left = (until - now).to_std().ok().filter(|left| !left.is_zero())?;
        Some(refused(fault, left))
    }
}

fn refused(fault: ProviderFault, left: Duration) -> Error {
    let text =
        "The provider refuses the element's OAuth client (id, secret or scope); the instance itself is not at fault";
    Error::new(Kind::ProviderFailed, text).with_provider(fault).with_retry_after(left)
}

/// How many forced refreshes an instance may have: a few at once, then one in a while.
pub(super) struct Budget(Cache<i64, (f64, DateTime<Utc>)>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Budget {
    const BURST: f64 = 10.0;
    const REFILL_S: f64 = 30.0;

    /// Takes one; `false` when there is none left.
    pub(super) fn take(&self, id: i64, now: DateTime<Utc>) -> bool {
        let (left, since) = self.0.get(&id).unwrap_or((Self::BURST, now));
        let waited = (now - since).as_seconds_f64().max(0.0);
        let left = (left + waited / Self::REFILL_S).min(Self::BURST);
        let granted = left >= 1.0;
        self.0.insert(id, (if granted { left - 1.0 } else { left }, now));
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_burst_and_a_trickle() {
        let (budget, now) = (Budget::default(), Utc::now());
        assert_eq!((0..20).filter(|_| budget.take(1, now)).count(), 10);
        assert!(budget.take(2, now));
        let later = now + TimeDelta::seconds(61);
        assert_eq!((0..20).filter(|_| budget.take(1, later)).count(), 2);
    }

    #[test]
    fn a_refused_client_is_left_alone_for_a_while() {
        let (breakers, now) = (Breakers::new(Duration::from_secs(30)), Utc::now());
        let oauth = OAuth2 { client_id: "a".to_owned(), ..OAuth2::default() };
        breakers.trip(&oauth, ProviderFault::default(), now);
        assert!(breakers.check(&oauth, now + TimeDelta::seconds(29)).is_some());
        assert!(breakers.check(&oauth, now + TimeDelta::seconds(30)).is_none());
        assert!(breakers.check(&OAuth2 { client_id: "b".to_owned(), ..oauth }, now).is_none());
    }
}
