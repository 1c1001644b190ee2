//! Refreshed grants that the store could not take: written to the journal, stored as soon as it can.
//!
//! As long as a grant is here the row holds a token that has been spent, so nobody in this process refreshes it. What was
//! written down is stored only over the very token that it was got with, and never over a later generation.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::{Grants, Inner, token};
use crate::{
    error::{Kind, Result},
    store::{
        Actor, By, GrantRecord, GrantState, InstanceChange, InstanceRecord, Lease,
        journal::{Journal, Spilled},
    },
    telemetry::metric,
};

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What waits for the store.
pub(super) struct Spill {
    journal: Option<Arc<Journal>>,
    /// By instance and generation.
    waiting: Mutex<BTreeMap<(i64, i64), Arc<Spilled>>>,
    draining: AtomicBool,
}

impl Spill {
    pub(super) fn new(journal: Option<Arc<Journal>>) -> Self {
        Self { journal, waiting: Mutex::default(), draining: AtomicBool::new(false) }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<(i64, i64), Arc<Spilled>>> {
        // Single inserts and removes: there is no half-done state to fear.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest of an instance.
    fn first_of(&self, id: i64) -> Option<Arc<Spilled>> {
        self.waiting().range((id, i64::MIN)..=(id, i64::MAX)).next().map(|(_, record)| Arc::clone(record))
    }

    fn all(&self) -> Vec<Arc<Spilled>> {
        self.waiting().values().cloned().collect()
    }

    fn keep(&self, record: Arc<Spilled>) {
        let mut waiting = self.waiting();
        waiting.insert((record.instance_id, record.generation), record);
        tell(waiting.len());
    }

    fn drop(&self, record: &Spilled) {
        let mut waiting = self.waiting();
        waiting.remove(&(record.instance_id, record.generation));
        tell(waiting.len());
    }
}

fn tell(waiting: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a number of instances")]
    metrics::gauge!(metric::GRANTS_SPILLED).set(waiting as f64);
}

fn fingerprint(refresh: Option<&SecretString>) -> Option<[u8; 32]> {
    refresh.map(|refresh| Sha256::digest(refresh.expose_secret()).into())
}

impl Grants {
    /// Stores what processes that died had written down. To be called before anything is refreshed; what cannot be stored
    /// now is tried again in the background, and by whoever needs it.
    pub async fn replay(&self) {
        let inner = &self.0;
        let Some(journal) = inner.spill.journal.clone() else { return };
        let Ok(found) = tokio::task::spawn_blocking(move || journal.take_over()).await else { return };
        if found.is_empty() {
            return;
        }
        tracing::warn!(grants = found.len(), "refreshed grants are in the journal that may not be in the store");
        for record in found {
            inner.spill.keep(Arc::new(record));
        }
        inner.pass().await;
        let inner = Arc::clone(inner);
        inner.clone().tracker.spawn(async move { inner.drain().await });
    }
}

impl Inner {
    /// Writes an answer down, once.
    pub(super) async fn spill(
        &self,
        written: &mut Option<Arc<Spilled>>,
        row: &GrantRecord,
        lease: Lease,
        answer: &token::Answer,
    ) {
        let (None, Some(journal)) = (&written, self.spill.journal.clone()) else { return };
        let record = Arc::new(Spilled {
            instance_id: row.instance_id,
            epoch: lease.epoch,
            generation: row.generation,
            spent: fingerprint(row.refresh.as_ref()),
            grant: answer.grant(),
            configuration: answer.capture.clone(),
        });
        let writing = Arc::clone(&record);
        let id = row.instance_id;
        match tokio::task::spawn_blocking(move || journal.append(&writing)).await {
            Ok(Ok(())) => {
                tracing::warn!(instance.id = id, "the store is slow or away: a refreshed grant is in the journal");
                self.spill.keep(Arc::clone(&record));
                *written = Some(record);
            }
            Ok(Err(error)) => {
                tracing::error!(instance.id = id, %error, "a refreshed grant could not be written to the journal");
            }
            Err(error) => tracing::error!(instance.id = id, %error, "the journal failed"),
        }
    }

    /// The store has it.
    pub(super) async fn settle(&self, record: &Spilled) {
        self.spill.drop(record);
        let Some(journal) = self.spill.journal.clone() else { return };
        let (id, generation) = (record.instance_id, record.generation);
        // Left undone, it is found at the next start to be stored already.
        if let Err(error) = tokio::task::spawn_blocking(move || journal.settle(id, generation)).await {
            tracing::warn!(instance.id = id, %error, "the journal could not be cleared");
        }
    }

    /// Stores what waits of one instance. `false`: not just now.
    pub(super) async fn recover_all_of(&self, id: i64) -> Result<bool> {
        while let Some(record) = self.spill.first_of(id) {
            if !self.recover(&record).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tries again and again until nothing waits, or the process stops.
    pub(super) async fn drain(&self) {
        if self.spill.waiting().is_empty() || self.spill.draining.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut pause = PAUSE_MIN;
        while !self.spill.waiting().is_empty() && !self.tracker.is_closed() {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            self.pass().await;
        }
        self.spill.draining.store(false, Ordering::SeqCst);
    }

    async fn pass(&self) {
        for record in self.spill.all() {
            match self.recover(&record).await {
                Ok(_) => {}
                Err(error) if error.kind() == Kind::Unavailable => {
                    tracing::debug!(?error, "the journal waits for the store");
                    return;
                }
                Err(error) => {
                    tracing::error!(
                        instance.id = record.instance_id,
                        ?error,
                        "a grant of the journal cannot be stored"
                    );
                }
            }
        }
    }

    /// Stores one. `false`: not just now, somebody else has the lease or the row.
    async fn recover(&self, record: &Spilled) -> Result<bool> {
        let (id, generation) = (record.instance_id, record.generation);
        let (Some(instance), Some(row)) = (self.store.instance(id).await?, self.store.grant(id).await?) else {
            tracing::info!(instance.id = id, "a grant of the journal is of no instance any more; it is dropped");
            self.settle(record).await;
            return Ok(true);
        };
        let dead = row.state == GrantState::ReauthRequired;
        let newer = row.generation != generation || fingerprint(row.refresh.as_ref()) != record.spent;
        if newer || (dead && record.grant.refresh.is_none()) {
            tracing::info!(
                instance.id = id,
                generation,
                stored = row.generation,
                "the journal's grant does not belong on top of what is stored; it is dropped"
            );
            self.settle(record).await;
            return Ok(true);
        }
        let stored = if dead {
            self.revive(record, &instance, &row).await?
        } else if row.epoch != record.epoch && row.lease_until.is_some_and(|until| self.clock.now() <= until) {
            // Somebody tries the old token. What comes of it decides.
            false
        } else {
            let (grant, configuration) = (record.grant.clone(), record.configuration.clone());
            self.store.commit_refresh(id, row.epoch, generation, grant, configuration).await?
        };
        if stored {
            tracing::info!(instance.id = id, generation = generation + 1, "a grant of the journal is stored");
            self.settle(record).await;
            self.changed(id);
        }
        Ok(stored)
    }

    /// The spent token was presented by somebody who could not know better, and refused. The one that came in its place
    /// may well be good.
    async fn revive(&self, record: &Spilled, instance: &InstanceRecord, row: &GrantRecord) -> Result<bool> {
        let mut grant = record.grant.clone();
        grant.secret = grant.secret.or_else(|| row.secret.clone());
        let mut configuration = instance.configuration.clone();
        configuration.extend(record.configuration.clone());
        let change = InstanceChange {
            configuration: Some(configuration),
            grant: Some(grant),
            actor: Actor { by: By::Gateway, request: None },
            ..InstanceChange::default()
        };
        match self.store.update_instance(instance.id, instance.version, change).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
