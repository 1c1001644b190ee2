//! The breaker: an origin that keeps failing is left alone for a while, so that its callers fail at once.
//!
//! Only what says that the origin itself is unwell counts: no connection, one that broke, no answer in time, a gateway's
//! 502, 503 or 504. A 500 may be one caller's own bad request, a 429 is about quotas.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// When the breaker opens and for how long; the defaults are what production runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Failures within the window before the origin may be judged. Default 10.
    pub failures: u32,
    /// The window. Default 10 s.
    pub window: Duration,
    /// The first pause; it doubles with every probe that fails. Default 2 s.
    pub pause: Duration,
    /// The longest pause. Default 30 s.
    pub max_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: 10,
            window: Duration::from_secs(10),
            pause: Duration::from_secs(2),
            max_pause: Duration::from_secs(30),
        }
    }
}

/// The breaker of one origin. It opens when at least half of the calls of a window failed, and enough of them; after the
/// pause one call goes through as a probe, whose outcome closes it or opens it again for longer.
#[derive(Debug)]
pub struct Breaker {
    settings: Arc<Settings>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Calls go through. The window before this one counts as well, by the share of it that is not past yet.
    Closed { since: Instant, now: Tally, before: Tally },
    /// None does until then.
    Open { until: Instant, pause: Duration },
    /// One does.
    Probing { since: Instant, pause: Duration },
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    calls: u32,
    failures: u32,
}

/// Leave to call, and the duty to say what came of it. Dropped without a word (a caller who hung up), it says nothing,
/// and another call may be the probe.
#[derive(Debug)]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
    told: bool,
}

impl Breaker {
    /// A closed one.
    pub fn new(settings: Arc<Settings>) -> Self {
        let state = closed(Instant::now());
        Self { settings, state: Mutex::new(state) }
    }

    /// Leave to call.
    ///
    /// # Errors
    /// The time after which it is worth asking again.
    pub fn admit(&self) -> Result<Pass<'_>, Duration> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let pass = |probe| Pass { breaker: self, probe, told: false };
        match *state {
            State::Closed { .. } => Ok(pass(false)),
            State::Open { until, .. } if now < until => Err(until - now),
            State::Open { pause, .. } => {
                *state = State::Probing { since: now, pause };
                Ok(pass(true))
            }
            // A probe that hangs is not waited for for ever.
            State::Probing { since, pause } if now.duration_since(since) >= self.settings.max_pause => {
                *state = State::Probing { since: now, pause };
                Ok(pass(true))
            }
            State::Probing { pause, .. } => Err(pause),
        }
    }

    fn tell(&self, probe: bool, failed: bool) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            State::Probing { pause, .. } if probe && failed => {
                let pause = pause.saturating_mul(2).min(self.settings.max_pause);
                State::Open { until: now + pause, pause }
            }
            // Whoever is answered has found the origin well.
            State::Probing { .. } if !failed => closed(now),
            State::Closed { since, now: tally, before } => self.counted(since, tally, before, failed, now),
            // What was under way when it opened changes nothing.
            other => other,
        };
    }

    fn counted(&self, since: Instant, tally: Tally, before: Tally, failed: bool, now: Instant) -> State {
        let window = self.settings.window.max(Duration::from_millis(1));
        let (since, mut tally, before) = match now.duration_since(since) {
            past if past < window => (since, tally, before),
            past if past < window * 2 => (since + window, Tally::default(), tally),
            _ => (now, Tally::default(), Tally::default()),
        };
        tally.calls = tally.calls.saturating_add(1);
        tally.failures = tally.failures.saturating_add(u32::from(failed));
        let share = 1.0 - now.duration_since(since).as_secs_f64() / window.as_secs_f64();
        let failures = f64::from(tally.failures) + f64::from(before.failures) * share;
        let calls = f64::from(tally.calls) + f64::from(before.calls) * share;
        if failed && failures >= f64::from(self.settings.failures) && failures * 2.0 >= calls {
            return State::Open { until: now + self.settings.pause, pause: self.settings.pause };
        }
        State::Closed { since, now: tally, before }
    }

    fn give_up_probe(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Probing { pause, .. } = *state {
            *state = State::Open { until: Instant::now(), pause };
        }
    }
}

impl Pass<'_> {
    /// Says what came of the call.
    pub fn tell(mut self, failed: bool) {
        self.told = true;
        self.breaker.tell(self.probe, failed);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe && !self.told {
            self.breaker.give_up_probe();
        }
    }
}

fn closed(since: Instant) -> State {
    State::Closed { since, now: Tally::default(), before: Tally::default() }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(Arc::default())
    }

    fn calls(breaker: &Breaker, failed: bool, count: usize) -> usize {
        (0..count).filter(|_| breaker.admit().map(|pass| pass.tell(failed)).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_enough_failures_and_lets_one_probe_through() {
        let breaker = breaker();
        assert_eq!(calls(&breaker, true, 50), 10);
        assert_eq!(breaker.admit().unwrap_err(), Duration::from_secs(2));
        advance(Duration::from_secs(2)).await;
        let probe = breaker.admit().unwrap();
        assert!(breaker.admit().is_err(), "one probe at a time");
        probe.tell(true);
        assert_eq!(breaker.admit().unwrap_err(), Duration::from_secs(4));
        advance(Duration::from_secs(4)).await;
        breaker.admit().unwrap().tell(false);
        assert_eq!(calls(&breaker, false, 50), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_has_an_end() {
        let breaker = breaker();
        calls(&breaker, true, 10);
        for pause in [2, 4, 8, 16, 30, 30] {
            assert_eq!(breaker.admit().unwrap_err(), Duration::from_secs(pause));
            advance(Duration::from_secs(pause)).await;
            breaker.admit().unwrap().tell(true);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_failures_among_many_answers_are_borne() {
        let breaker = breaker();
        for _ in 0..200 {
            assert_eq!(calls(&breaker, false, 2) + calls(&breaker, true, 1), 3);
        }
        // Nor do rare ones add up.
        for _ in 0..50 {
            assert_eq!(calls(&breaker, true, 1), 1);
            advance(Duration::from_secs(3)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_nobody_waits_for_is_given_to_the_next_call() {
        let breaker = breaker();
        calls(&breaker, true, 10);
        advance(Duration::from_secs(2)).await;
        drop(breaker.admit().unwrap());
        breaker.admit().unwrap().tell(false);
        assert_eq!(calls(&breaker, false, 5), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_is_replaced() {
        let breaker = breaker();
        calls(&breaker, true, 10);
        advance(Duration::from_secs(2)).await;
        let hanging = breaker.admit().unwrap();
        advance(Duration::from_secs(30)).await;
        breaker.admit().unwrap().tell(false);
        hanging.tell(true);
        assert_eq!(calls(&breaker, false, 5), 5);
    }
}
