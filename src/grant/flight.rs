//! One refresh per instance and process: who comes second waits for the first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::Access;
use crate::error::Error;

/// What all who wait get.
pub(super) type Outcome = Result<Access, Arc<Error>>;

type Waiting = HashMap<i64, watch::Receiver<Option<Outcome>>>;

/// The refreshes under way.
#[derive(Default)]
pub(super) struct Flights(Arc<Mutex<Waiting>>);

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    // Single inserts and removes: there is no half-done state to fear.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flights {
    /// The refresh of this instance, begun by `start` if there is none; `true`: begun just now.
    pub(super) fn join(&self, id: i64, start: impl FnOnce(Landing)) -> (watch::Receiver<Option<Outcome>>, bool) {
        let mut waiting = lock(&self.0);
        if let Some(landing) = waiting.get(&id) {
            return (landing.clone(), false);
        }
        let (sender, receiver) = watch::channel(None);
        waiting.insert(id, receiver.clone());
        drop(waiting);
        start(Landing { id, waiting: self.0.clone(), sender });
        (receiver, true)
    }
}

/// The end of a refresh. Dropped without [`land`](Self::land) (a panic, a simulated crash), it tells those who wait
/// that nothing will come.
pub(super) struct Landing {
    id: i64,
    waiting: Arc<Mutex<Waiting>>,
    sender: watch::Sender<Option<Outcome>>,
}

impl Landing {
    pub(super) fn land(self, outcome: Option<Outcome>) {
        // First out of the map, so that whoever is told and asks again starts anew.
        lock(&self.waiting).remove(&self.id);
        self.sender.send_replace(outcome);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut waiting = lock(&self.waiting);
        // After `land` there may be a successor under the same id.
        if waiting.get(&self.id).is_some_and(|receiver| self.sender.subscribe().same_channel(receiver)) {
            waiting.remove(&self.id);
        }
    }
}

/// An error for one more caller; the cause stays with the first, which is logged.
pub(super) fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.public());
    if let Some(fault) = error.provider() {
        copy = copy.with_provider(fault.clone());
    }
    if let Some(after) = error.retry_after() {
        copy = copy.with_retry_after(after);
    }
    copy
}
