//! How many calls one instance has under way at a provider at the same time.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::error::{Error, Kind, Result};

/// Instances whose slots are kept; the least used are forgotten.
const MAX_INSTANCES: u64 = 100_000;

/// The slots of all instances. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Slots {
    each: usize,
    known: Cache<i64, Arc<Semaphore>>,
}

impl Slots {
    /// `each` slots for every instance (at least one).
    pub fn new(each: usize) -> Self {
        let known = Cache::builder().max_capacity(MAX_INSTANCES).time_to_idle(Duration::from_secs(300)).build();
        Self { each: each.clamp(1, Semaphore::MAX_PERMITS), known }
    }

    /// Waits for a slot of `instance`; it is free again when the permit is dropped.
    ///
    /// # Errors
    /// [`Kind::TooManyRequests`] when none is free before `deadline`.
    pub async fn enter(&self, instance: i64, deadline: Instant) -> Result<OwnedSemaphorePermit> {
        let slots = self.known.get_with(instance, || Arc::new(Semaphore::new(self.each)));
        match timeout_at(deadline, slots.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(closed)) => Err(Error::internal(closed)),
            Err(_) => Err(Error::new(
                Kind::TooManyRequests,
                format!("This instance has {} calls under way already and none ended in time", self.each),
            )
            .with_retry_after(Duration::from_secs(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_instance_waits_for_itself_and_not_for_others() {
        let slots = Slots::new(1);
        let soon = Instant::now() + Duration::from_secs(5);
        let held = slots.enter(1, soon).await.unwrap();
        drop(slots.enter(2, soon).await.unwrap());
        assert_eq!(slots.enter(1, soon).await.unwrap_err().kind(), Kind::TooManyRequests);
        drop(held);
        drop(slots.enter(1, soon).await.unwrap());
    }
}
