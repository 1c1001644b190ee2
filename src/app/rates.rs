//! How many calls an instance and an account may make, told in `RateLimit` headers.
//!
//! Each process counts for itself. With Redis all of them count together, and a process goes by its own count while Redis
//! does not answer; so it keeps its own in any case.

mod shared;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use moka::sync::Cache;

use self::shared::Shared;
use crate::{
    cache::Link,
    config::Limits,
    error::{Error, Kind},
    store::seal::Sealer,
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
    shared: Option<Shared>,
    clock: DefaultClock,
}

/// One budget that a call counts against.
#[derive(Debug, Clone, Copy)]
struct Budget {
    name: &'static str,
    /// Whose it is.
    key: i64,
    per_minute: NonZeroU32,
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
    /// The limits as configured, counted together with all nodes that have the same Redis, if there is one.
    pub fn new(limits: &Limits, redis: Option<(Arc<Link>, Sealer)>) -> Self {
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
            shared: redis.map(|(link, sealer)| Shared::new(link, sealer)),
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
    pub async fn take(&self, instance: Option<i64>, account: Option<i64>) -> Result<Vec<Allowance>, Box<Exceeded>> {
        let limits = [(&self.instances, instance), (&self.accounts, account)];
        let limits = limits.into_iter().filter_map(|(rate, key)| rate.as_ref().zip(key));
        let budgets: Vec<(&Rate, Budget)> = limits.map(|(rate, key)| (rate, rate.budget(key))).collect();
        let here = self.take_here(&budgets);
        let Some(shared) = self.shared.as_ref().filter(|_| !budgets.is_empty()) else { return here };
        let budgets: Vec<Budget> = budgets.into_iter().map(|(_, budget)| budget).collect();
        shared.take(&budgets).await.unwrap_or(here)
    }

    fn take_here(&self, budgets: &[(&Rate, Budget)]) -> Result<Vec<Allowance>, Box<Exceeded>> {
        budgets.iter().map(|(rate, budget)| rate.take(budget, &self.clock)).collect()
    }
}

/// What is told when a budget is used up, and there is so long to wait.
fn exceeded(budget: &Budget, wait: Duration) -> Exceeded {
    let quota = budget.per_minute.get();
    let text = format!("This {} has made {quota} calls in a minute; that is its limit", budget.name);
    let reset_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let error = Error::new(Kind::TooManyRequests, text).with_retry_after(wait);
    Exceeded { allowance: Allowance { name: budget.name, quota, remaining: 0, reset_s }, error }
}

impl Rate {
    const fn budget(&self, key: i64) -> Budget {
        Budget { name: self.name, key, per_minute: self.per_minute }
    }

    fn take(&self, budget: &Budget, clock: &DefaultClock) -> Result<Allowance, Box<Exceeded>> {
        let quota = self.per_minute.get();
        let limiter = self.known.get_with(budget.key, || {
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
            Err(until) => Err(Box::new(exceeded(budget, until.wait_time_from(clock.now())))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_has_its_own_budget() {
        let limits = Limits {
            instance_per_minute: NonZeroU32::new(2),
            account_per_minute: NonZeroU32::new(3),
            ..Limits::default()
        };
        let rates = Rates::new(&limits, None);
        let remaining = async |instance, account| {
            let left = rates.take(instance, account).await.map_err(|exceeded| exceeded.allowance.name)?;
            Ok::<_, &str>(left.iter().map(|allowance| allowance.remaining).collect::<Vec<_>>())
        };
        assert_eq!(remaining(Some(1), Some(9)).await, Ok(vec![1, 2]));
        assert_eq!(remaining(Some(1), Some(9)).await, Ok(vec![0, 1]));
        assert_eq!(remaining(Some(1), Some(9)).await, Err("instance"));
        assert_eq!(remaining(Some(2), Some(9)).await, Ok(vec![1, 0]));
        assert_eq!(remaining(Some(2), Some(9)).await, Err("account"));
        assert_eq!(remaining(Some(3), Some(8)).await, Ok(vec![1, 2]));
        let refused = rates.take(Some(1), None).await.unwrap_err();
        assert!(refused.error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(30)), "{refused:?}");
    }

    #[tokio::test]
    async fn without_a_limit_nothing_is_counted() {
        let rates = Rates::new(&Limits::default(), None);
        assert!(!rates.any());
        assert_eq!(rates.take(Some(1), Some(1)).await.unwrap(), []);
    }
}
