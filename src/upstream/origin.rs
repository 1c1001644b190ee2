//! What is kept of one origin: its breaker, its retry budget, its slots.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use url::Position;

use super::{
    breaker::{self, Breaker, Pass},
    budget::Budget,
    slot::slot,
};
use crate::{
    error::{Error, Kind, Result},
    recent::Near,
};

/// Origins whose state is kept; the least used are forgotten.
const MAX_ORIGINS: u64 = 10_000;
/// How long a call waits for a slot: a burst passes, a provider that hangs makes nobody wait for it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// All origins that were called lately. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Origins {
    known: Near<String, Origin>,
    breaker: Arc<breaker::Settings>,
    slots: usize,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) budget: Budget,
    breaker: Breaker,
    slots: Arc<Semaphore>,
    most: usize,
}

impl Origins {
    pub(super) fn new(breaker: breaker::Settings, slots: usize) -> Self {
        let slots = slots.clamp(1, Semaphore::MAX_PERMITS);
        Self { known: Near::new(Cache::new(MAX_ORIGINS)), breaker: Arc::new(breaker), slots }
    }

    pub(super) fn get(&self, url: &url::Url) -> Arc<Origin> {
        // Scheme, host and port; an outbound URL has no user.
        self.known.get_with(&url[..Position::BeforePath], || Origin {
            budget: Budget::default(),
            breaker: Breaker::new(Arc::clone(&self.breaker)),
            slots: Arc::new(Semaphore::new(self.slots)),
            most: self.slots,
        })
    }
}

impl Origin {
    /// Leave for one attempt.
    ///
    /// # Errors
    /// [`Kind::ProviderDown`] while the breaker is open.
    pub(super) fn admit(&self) -> Result<Pass<'_>> {
        self.breaker.admit().map_err(|wait| {
            Error::new(Kind::ProviderDown, "The provider failed too often just now and is left alone for a moment")
                .with_retry_after(wait)
        })
    }

    /// A slot for a call, free again when it is dropped.
    ///
    /// # Errors
    /// [`Kind::ProviderDown`] when none is free soon.
    pub(super) fn enter(&self, deadline: Instant) -> impl Future<Output = Result<OwnedSemaphorePermit>> + Send {
        let most = self.most;
        slot(
            &self.slots,
            move || deadline.min(Instant::now() + LONGEST_WAIT),
            move || {
                let text = format!("{most} calls to the provider are under way already and none of them ended");
                Error::new(Kind::ProviderDown, text).with_retry_after(LONGEST_WAIT)
            },
        )
    }
}
