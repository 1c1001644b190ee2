//! Computations in flight, each shared by all who ask the same.
//!
//! The future is polled by whichever of its callers is polled, so it goes on when the first one leaves. The table holds
//! it weakly: when the last caller leaves, it is dropped, and its place in the table with it.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use super::{entry::Entry, generation::Generation, key::CacheKey};
use crate::error::{Error, Result};

/// An entry, and whether it is kept.
type Output = (Arc<Entry>, bool);
type Work = BoxFuture<'static, Result<Output, Arc<Error>>>;
type Id = (CacheKey, Generation);

/// The table of computations.
#[derive(Default)]
pub(super) struct Flights {
    table: Mutex<HashMap<Id, (u64, WeakShared<Work>)>>,
    last: AtomicU64,
}

/// Takes a computation out of the table when it ends or is dropped.
struct Place {
    flights: Arc<Flights>,
    id: Id,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.flights.lock();
        if table.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            table.remove(&self.id);
        }
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, (u64, WeakShared<Work>)>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result of the computation under way for `id`, or of `work`; and whether it was this `work`.
    pub(super) async fn join(
        self: &Arc<Self>,
        id: Id,
        work: impl Future<Output = Result<Output>> + Send + 'static,
    ) -> (Result<Output>, bool) {
        let (shared, leads) = self.enter(id, work);
        let result = shared.await.map_err(|error| copy(&error));
        (result, leads)
    }

    fn enter(
        self: &Arc<Self>,
        id: Id,
        work: impl Future<Output = Result<Output>> + Send + 'static,
    ) -> (Shared<Work>, bool) {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let place = Place { flights: Arc::clone(self), id: id.clone(), number };
        let own: Work = async move {
            let _place = place;
            shield(work).await.map_err(Arc::new)
        }
        .boxed();
        // Nothing may be dropped that is the last of a computation while the table is locked: its place locks it too.
        let own = own.shared();
        let mut table = self.lock();
        let running = table.get(&id).and_then(|(_, weak)| weak.upgrade());
        let (shared, leads) = match (running, own.downgrade()) {
            (Some(running), _) => (running, false),
            (None, Some(weak)) => {
                table.insert(id, (number, weak));
                (own.clone(), true)
            }
            (None, None) => (own.clone(), true),
        };
        drop(table);
        drop(own);
        (shared, leads)
    }
}

/// `work`, a panic of it being an error.
pub(super) async fn shield<T>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(_) => Err(Error::internal("the computation of an answer panicked")),
    }
}

/// An error of the same content, for one of several callers.
fn copy(error: &Arc<Error>) -> Error {
    let mut copy = Error::new(error.kind(), error.public());
    if let Some(fault) = error.provider() {
        copy = copy.with_provider(fault.clone());
    }
    for detail in error.details() {
        copy = copy.with_detail(detail.pointer.clone(), detail.detail.clone());
    }
    if let Some(after) = error.retry_after() {
        copy = copy.with_retry_after(after);
    }
    copy.with_source(Arc::clone(error))
}
