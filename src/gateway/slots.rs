//! How many calls one instance has under way at a provider at the same time.

use std::time::Duration;

use moka::sync::Cache;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    error::{Error, Kind, Result},
    recent::Near,
    upstream::slot,
};

/// Instances whose slots are kept; the least used are forgotten.
const MAX_INSTANCES: u64 = 100_000;

/// The slots of all instances. Cheap to clone.
///
/// Slots that are forgotten while a call holds one of them are there anew for who comes next.
#[derive(Debug, Clone)]
pub struct Slots {
    each: usize,
    known: Near<i64, Semaphore>,
}

impl Slots {
    /// `each` slots for every instance (at least one).
    pub fn new(each: usize) -> Self {
        let known = Cache::builder().max_capacity(MAX_INSTANCES).time_to_idle(Duration::from_secs(300)).build();
        Self { each: each.clamp(1, Semaphore::MAX_PERMITS), known: Near::new(known) }
    }

    /// Waits for a slot of `instance`; it is free again when the permit is dropped.
    ///
    /// # Errors
    /// [`Kind::TooManyRequests`] when none is free before `deadline`.
    pub fn enter(
        &self,
        instance: i64,
        deadline: Instant,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit>> + Send + use<> {
        let each = self.each;
        let slots = self.known.get_with(&instance, || Semaphore::new(each));
        slot(
            &slots,
            || deadline,
            move || {
                let text = format!("This instance has {each} calls under way already and none ended in time");
                Error::new(Kind::TooManyRequests, text).with_retry_after(Duration::from_secs(1))
            },
        )
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
