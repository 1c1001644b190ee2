//! The retry budget: retries are a share of the calls, so an outage is not multiplied.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// One retry per this many calls.
const CALLS_PER_RETRY: f64 = 5.0;
/// Retries that can be saved up.
const MOST: f64 = 20.0;
/// How long it takes for one retry to come back without calls, so that rare callers have some too.
const REFILL: Duration = Duration::from_secs(2);

/// A budget of retries for one origin: 20 % of its calls, plus one every two seconds.
#[derive(Debug)]
pub struct Budget(Mutex<State>);

#[derive(Debug)]
struct State {
    retries: f64,
    at: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(State { retries: MOST / 2.0, at: Instant::now() }))
    }
}

impl Budget {
    /// Counts a call.
    pub fn deposit(&self) {
        self.deposit_at(Instant::now());
    }

    /// Takes one retry, if there is one.
    pub fn withdraw(&self) -> bool {
        self.withdraw_at(Instant::now())
    }

    fn deposit_at(&self, now: Instant) {
        self.update(now, |retries| (true, retries + 1.0 / CALLS_PER_RETRY));
    }

    fn withdraw_at(&self, now: Instant) -> bool {
        self.update(now, |retries| if retries >= 1.0 { (true, retries - 1.0) } else { (false, retries) })
    }

    fn update(&self, now: Instant, change: impl FnOnce(f64) -> (bool, f64)) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refill = now.duration_since(state.at).as_secs_f64() / REFILL.as_secs_f64();
        let (answer, retries) = change((state.retries + refill).min(MOST));
        *state = State { retries: retries.min(MOST), at: now };
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_a_fifth() {
        let (budget, now) = (Budget::default(), Instant::now());
        while budget.withdraw_at(now) {}
        let mut retries = 0;
        for _ in 0..100 {
            budget.deposit_at(now);
            retries += i32::from(budget.withdraw_at(now));
        }
        assert!((19..=20).contains(&retries), "{retries}");
        while budget.withdraw_at(now) {}
        assert!(budget.withdraw_at(now + REFILL));
        assert!(!budget.withdraw_at(now + REFILL));
    }
}
