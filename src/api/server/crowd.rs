//! Who gives way when connections run short: whoever has kept us waiting longest.
//!
//! Without it a few silent connections for each file the process may open would keep everybody else out until their
//! deadlines, and the next ones after them.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use crate::config::Server;

/// How often it is looked whether somebody keeps us waiting for too long, or a place is free.
const LOOK: Duration = Duration::from_millis(500);
const LOOK_FOR_PLACE: Duration = Duration::from_millis(50);
/// Nobody has to leave who has been waiting for less: a head may be on its way, or lie unread because we are busy.
const GRACE: Duration = Duration::from_millis(500);
/// The part of all places that is cleared at once: looking for who waits longest costs a look at everybody.
const CLEARED: usize = 64;

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Crowd {
    places: Arc<Semaphore>,
    /// How many places there are.
    most: usize,
    /// How long anybody may keep us waiting while it is crowded.
    patience: Duration,
    members: Mutex<Members>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Members {
    next: u64,
    present: BTreeMap<u64, (Calls, CancellationToken)>,
    /// Until when it counts as crowded.
    crowded_until: Option<Instant>,
}

/// How a connection has to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// When the calls in flight are answered.
    Finishing,
    /// It kept us waiting, and gives way to others.
    AtOnce,
}

/// A connection's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    leave: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    /// Everybody has to leave when `stop` is cancelled.
    pub(super) fn new(settings: &Server, stop: CancellationToken) -> Arc<Self> {
        let most = most(settings.max_connections.min(Semaphore::MAX_PERMITS), open_files());
        if most < settings.max_connections {
            tracing::info!(
                "at most {most} connections at a time, not {}: the process may open too few files (ulimit -n)",
                settings.max_connections
            );
        }
        let places = Arc::new(Semaphore::new(most));
        // Half of what is given when there is room: in a burst, some of it went by before we came to accept them.
        let patience = settings.header_timeout() / 2;
        Arc::new(Self { places, most, patience, members: Mutex::default(), stop })
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place, and has others give way for it.
    pub(super) async fn enter(self: &Arc<Self>, calls: Calls) -> Place {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
                break permit;
            }
            self.make_room();
            // Where nobody can give way, all are being served.
            let freed = tokio::time::timeout(LOOK_FOR_PLACE, Arc::clone(&self.places).acquire_owned());
            if let Ok(Ok(permit)) = freed.await {
                break permit;
            }
        };
        let leave = self.stop.child_token();
        let mut members = self.members();
        let number = members.next;
        members.next += 1;
        members.present.insert(number, (calls, leave.clone()));
        if members.present.len() > self.most / 2 {
            members.crowded_until = Some(Instant::now() + 4 * self.patience);
        }
        drop(members);
        Place { crowd: Arc::clone(self), number, leave, _permit: permit }
    }

    /// Has those leave who have kept us waiting longest: a few, and at least one if there is one.
    pub(super) fn make_room(&self) {
        let now = Instant::now();
        let members = self.members();
        let mut waiting: Vec<_> = members
            .present
            .values()
            .filter(|(_, leave)| !leave.is_cancelled())
            // A slow upload that moves is spared here, as long as nobody is kept waiting for too long.
            .filter_map(|(calls, leave)| Some((calls.waiting_since()?, leave)))
            .filter(|(since, _)| *since + GRACE <= now)
            .collect();
        waiting.sort_unstable_by_key(|(since, _)| *since);
        for (_, leave) in waiting.into_iter().take(self.cleared()) {
            leave.cancel();
        }
    }

    /// How many leave at once; where there are few places not so few that a burst waits longer for its turn than for its end.
    fn cleared(&self) -> usize {
        (self.most / CLEARED).max(4).min(self.most / 8).max(1)
    }

    /// While it is crowded, and for a while after, has those leave who keep us waiting for too long.
    pub(super) async fn keep_order(self: Arc<Self>) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = look.tick().await;
            let members = self.members();
            if members.crowded_until.is_none_or(|until| until < now) {
                continue;
            }
            for (calls, leave) in members.present.values() {
                if calls.worth_nothing_since().is_some_and(|since| since + self.patience <= now) {
                    leave.cancel();
                }
            }
        }
    }
}

impl Place {
    /// What becomes of `connection`; an error when it has to leave.
    pub(super) async fn stay<T>(&self, connection: impl Future<Output = T>) -> Result<T, Leave> {
        let stayed = self.leave.run_until_cancelled(connection).await;
        stayed.ok_or_else(|| if self.crowd.stop.is_cancelled() { Leave::Finishing } else { Leave::AtOnce })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.members().present.remove(&self.number);
    }
}

/// As many as are wanted, but a quarter of the files is for everything else: calls to providers, the store.
fn most(wanted: usize, files: Option<usize>) -> usize {
    files.map_or(wanted, |files| wanted.min(files - files / 4)).max(1)
}

/// How many files the process may open, where the system tells.
fn open_files() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use hyper::Version;
    use metrics::Gauge;

    use super::*;

    fn crowd(most: usize) -> Arc<Crowd> {
        let settings = Server { max_connections: most, header_timeout_s: 1, ..Server::default() };
        Crowd::new(&settings, CancellationToken::new())
    }

    #[test]
    fn files_bound_the_connections_and_leave_room_for_the_rest() {
        assert_eq!(most(10_000, None), 10_000);
        assert_eq!(most(10_000, Some(1024)), 768);
        assert_eq!(most(10_000, Some(1 << 20)), 10_000);
        assert_eq!(most(10_000, Some(0)), 1);
        assert!(open_files().is_none_or(|files| files > 10));
    }

    #[test]
    fn of_few_places_some_are_cleared_at_once_and_not_half_of_them() {
        for (most, cleared) in [(1, 1), (8, 1), (20, 2), (85, 4)] {
            assert_eq!(crowd(most).cleared(), cleared, "{most}");
        }
    }

    #[tokio::test]
    async fn who_waits_longest_gives_way_and_who_is_served_does_not() {
        let crowd = crowd(2);
        let served = Calls::new(Gauge::noop());
        let _call = served.begin(Version::HTTP_11, Some(0));
        let first = crowd.enter(served).await;
        let second = crowd.enter(Calls::new(Gauge::noop())).await;
        let leaving = async {
            assert_eq!(second.stay(std::future::pending::<()>()).await, Err(Leave::AtOnce));
            drop(second);
        };
        let (third, ()) = tokio::join!(crowd.enter(Calls::new(Gauge::noop())), leaving);
        assert!(!first.leave.is_cancelled() && !third.leave.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_keeps_a_crowd_waiting_for_long() {
        let crowd = crowd(4);
        let _keeper = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(Arc::clone(&crowd).keep_order()));
        let alone = crowd.enter(Calls::new(Gauge::noop())).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!alone.leave.is_cancelled(), "there is room");
        let _second = crowd.enter(Calls::new(Gauge::noop())).await;
        let served = Calls::new(Gauge::noop());
        let _call = served.begin(Version::HTTP_11, Some(0));
        let third = crowd.enter(served).await;
        assert_eq!(alone.stay(std::future::pending::<()>()).await, Err(Leave::AtOnce));
        assert!(!third.leave.is_cancelled());
    }
    #[tokio::test(start_paused = true)]
    async fn single_bytes_of_a_body_are_no_reason_to_wait_in_a_crowd() {
        let crowd = crowd(2);
        let _keeper = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(Arc::clone(&crowd).keep_order()));
        let calls = Calls::new(Gauge::noop());
        let _call = calls.begin(Version::HTTP_11, Some(0));
        let dripping = crowd.enter(calls.clone()).await;
        let upload = Calls::new(Gauge::noop());
        let _other = upload.begin(Version::HTTP_11, Some(0));
        let moving = crowd.enter(upload.clone()).await;
        let mut spent = Duration::ZERO;
        for _ in 0..20 {
            let awaited = (calls.await_body(spent), upload.await_body(Duration::ZERO));
            tokio::time::sleep(Duration::from_millis(100)).await;
            spent += Duration::from_millis(100);
            drop(awaited);
        }
        assert!(dripping.leave.is_cancelled() && !moving.leave.is_cancelled());
    }
}
