//! How many calls an instance and an account may make: counted in this process, told in `RateLimit` headers.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use moka::sync::Cache;

use crate::{
    config::Limits,
    error::{Error, Kind},
};

/// Whose budgets are kept; the least used are forgotten, and begin with a full one.
const MAX_KEYS: u64 = 100_000;
const WINDOW: Duration = Duration::from_secs(60);

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// The rate limits of all instances and accounts.
#[derive(Debug)]
pub struct Rates {
    instances: Option<Rate>,
    accounts: Option<Rate>,
    clock: DefaultClock,
}

#[derive(Debug)]
struct Rate {
    name: &'static str,
    per_minute: NonZeroU32,
    known: Cache<i64, Arc<Limiter>>,
}

/// What is left of one budget, as `RateLimit` and `RateLimit-Policy` say it
/// (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Whose budget it is: `instance` or `account`.
    pub name: &'static str,
    /// Calls in a minute.
    pub quota: u32,
    /// Calls left.
    pub remaining: u32,
    /// Seconds until the budget is whole again; after a refusal, until the next call is taken.
    pub reset_s: u64,
}

/// A budget is used up.
#[derive(Debug)]
pub struct Exceeded {
    /// The budget.
    pub allowance: Allowance,
    /// The refusal for the caller.
    pub error: Error,
}

impl Rates {
    /// The limits as configured.
    pub fn new(limits: &Limits) -> Self {
        let rate = |name, per_minute: Option<NonZeroU32>| {
            per_minute.map(|per_minute| Rate {
                name,
                per_minute,
                known: Cache::builder().max_capacity(MAX_KEYS).time_to_idle(WINDOW * 2).build(),
            })
        };
        Self {
            instances: rate("instance", limits.instance_per_minute),
            accounts: rate("account", limits.account_per_minute),
            clock: DefaultClock::default(),
        }
    }

    /// Whether there is any limit at all.
    pub const fn any(&self) -> bool {
        self.instances.is_some() || self.accounts.is_some()
    }

    /// Counts a call and gives back what is left of the budgets it counts against.
    ///
    /// # Errors
    /// [`Exceeded`] with [`Kind::TooManyRequests`], which says when to come again.
    pub fn take(&self, instance: Option<i64>, account: Option<i64>) -> Result<Vec<Allowance>, Box<Exceeded>> {
        let mut left = Vec::with_capacity(2);
        for (rate, key) in [(&self.instances, instance), (&self.accounts, account)] {
            if let (Some(rate), Some(key)) = (rate, key) {
                left.push(rate.take(key, &self.clock)?);
            }
        }
        Ok(left)
    }
}

impl Rate {
    fn take(&self, key: i64, clock: &DefaultClock) -> Result<Allowance, Box<Exceeded>> {
        let quota = self.per_minute.get();
        let limiter = self.known.get_with(key, || {
            let limiter = RateLimiter::direct(Quota::per_minute(self.per_minute));
            Arc::new(limiter.with_middleware::<StateInformationMiddleware>())
        });
        match limiter.check() {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity().min(quota);
                let used = u64::from(quota - remaining);
                let reset_s = (used * WINDOW.as_secs()).div_ceil(u64::from(quota));
                Ok(Allowance { name: self.name, quota, remaining, reset_s })
            }
            Err(until) => {
                let wait = until.wait_time_from(clock.now());
                let reset_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let text = format!("This {} has made {quota} calls in a minute; that is its limit", self.name);
                let error = Error::new(Kind::TooManyRequests, text).with_retry_after(wait);
                Err(Box::new(Exceeded {
                    allowance: Allowance { name: self.name, quota, remaining: 0, reset_s },
                    error,
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_budget() {
        let limits = Limits {
            instance_per_minute: NonZeroU32::new(2),
            account_per_minute: NonZeroU32::new(3),
            ..Limits::default()
        };
        let rates = Rates::new(&limits);
        let remaining = |instance, account| {
            let left = rates.take(instance, account).map_err(|exceeded| exceeded.allowance.name)?;
            Ok::<_, &str>(left.iter().map(|allowance| allowance.remaining).collect::<Vec<_>>())
        };
        assert_eq!(remaining(Some(1), Some(9)), Ok(vec![1, 2]));
        assert_eq!(remaining(Some(1), Some(9)), Ok(vec![0, 1]));
        assert_eq!(remaining(Some(1), Some(9)), Err("instance"));
        assert_eq!(remaining(Some(2), Some(9)), Ok(vec![1, 0]));
        assert_eq!(remaining(Some(2), Some(9)), Err("account"));
        assert_eq!(remaining(Some(3), Some(8)), Ok(vec![1, 2]));
        let refused = rates.take(Some(1), None).unwrap_err();
        assert!(refused.error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(30)), "{refused:?}");
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let rates = Rates::new(&Limits::default());
        assert!(!rates.any());
        assert_eq!(rates.take(Some(1), Some(1)).unwrap(), []);
    }
}
