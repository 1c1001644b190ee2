//! A place among calls of which only so many may be under way at a time.

use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, Ready, ready};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::error::{Error, Result};

/// One of `slots`, free again when the permit is dropped; where none is free, it is waited for `until` then.
///
/// # Errors
/// What `late` makes when none came free in time.
pub fn slot(
    slots: &Arc<Semaphore>,
    until: impl FnOnce() -> Instant,
    late: impl FnOnce() -> Error + Send + 'static,
) -> Either<Ready<Result<OwnedSemaphorePermit>>, BoxFuture<'static, Result<OwnedSemaphorePermit>>> {
    // Nearly always one is free: a clock, a timer and the room for both are only for who waits.
    if let Ok(permit) = Arc::clone(slots).try_acquire_owned() {
        return Either::Left(ready(Ok(permit)));
    }
    let (slots, until) = (Arc::clone(slots), until());
    Either::Right(Box::pin(async move {
        match timeout_at(until, slots.acquire_owned()).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => Err(late()),
        }
    }))
}
