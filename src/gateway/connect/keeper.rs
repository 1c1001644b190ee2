//! Keeps refresh tokens alive that die of idleness.
//!
//! Some providers forget a refresh token that nobody has used for weeks (`refreshTokenIdleDays` in the element's mapping). The
//! store knows for each grant when it is to be looked at next. Every node takes a few that are due at a time, and puts
//! each of them off while it is at it, so that no other takes it, too. What is due is refreshed like any other grant, under
//! its lease. Nothing is read that is not due, at the start neither.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{connector::Connector, settings, settings::oauth2};
use crate::{
    error::{Kind, Result},
    grant::{LOOK_AGAIN, OAuth2, jittered},
    store::GrantState,
    telemetry::metric,
};

/// From one look for what is due to the next.
const INTERVAL: Duration = Duration::from_mins(1);
/// How many are taken at a time.
const BATCH: u32 = 32;
/// How many of them are refreshed at the same time.
const AT_ONCE: usize = 4;
/// How long nobody else takes what was taken; longer than a whole batch takes at its slowest.
const HOLD: Duration = Duration::from_mins(20);
/// What one refresh is given.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest pause after a refresh that failed.
const RETRY_MAX: Duration = Duration::from_hours(1);
/// The longest time until a switched-off instance is looked at again.
const DISABLED_MAX: Duration = Duration::from_hours(24);

/// What became of a grant that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// It was refreshed.
    Kept,
    /// The provider does not accept it any more.
    Dead,
    /// It could not be refreshed, and is tried again.
    Failed,
    /// There was nothing to do yet.
    Later,
}

/// The keeper of refresh tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper(Connector);

impl Keeper {
    /// A keeper of the instances of `connector`.
    pub fn new(connector: Connector) -> Self {
        Self(connector)
    }

    /// Looks for what is due until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let work = async {
            // Nodes that start together do not ask together.
            let mut pause = INTERVAL.mul_f64(jittered(0.0, 1.0));
            loop {
                sleep(pause).await;
                pause = match self.turn().await {
                    Ok(taken) if taken >= BATCH as usize => Duration::from_secs(1).mul_f64(jittered(0.0, 1.0)),
                    Ok(_) => INTERVAL.mul_f64(jittered(0.8, 1.2)),
                    Err(error) => {
                        tracing::warn!(?error, "the store cannot tell which grants are to be kept alive");
                        INTERVAL.mul_f64(jittered(0.8, 1.2))
                    }
                };
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Takes some that are due and deals with them; tells how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn turn(&self) -> Result<usize> {
        let taken = self.0.0.store.claim_keep_alives(BATCH, HOLD).await?;
        let number = taken.len();
        let looks = futures_util::stream::iter(taken).for_each_concurrent(AT_ONCE, |id| async move {
            let looked = self.look(id).await.unwrap_or_else(|error| {
                // It stays put off.
                tracing::warn!(instance.id = id, ?error, "a grant that is to be kept alive could not be looked at");
                Looked::Failed
            });
            let outcome = match looked {
                Looked::Kept => "kept",
                Looked::Dead => "dead",
                Looked::Failed => "failed",
                Looked::Later => "later",
            };
            metrics::counter!(metric::GRANT_KEEP_ALIVES, "outcome" => outcome).increment(1);
        });
        looks.await;
        Ok(number)
    }

    async fn look(&self, id: i64) -> Result<Looked> {
        let parts = &self.0.0;
        let (Some(record), Some(grant)) = (parts.store.instance(id).await?, parts.store.grant(id).await?) else {
            return Ok(Looked::Later);
        };
        if grant.refresh.is_none() || grant.state == GrantState::ReauthRequired {
            return Ok(Looked::Later);
        }
        let later = async |after: Duration| {
            parts.store.keep_alive_in(id, grant.generation, after).await.map(|()| Looked::Later)
        };
        let again = LOOK_AGAIN.mul_f64(jittered(0.8, 1.2));
        // An element whose file is away, or that has another authentication by now.
        let Ok(element) = self.0.entry(&record.element_key) else { return later(again).await };
        let effective = self.0.effective(&element, &record);
        if settings::chosen(&element, &effective).1.oauth2().is_none() {
            return later(again).await;
        }
        let oauth = match oauth2(&element, &effective) {
            Ok(oauth) => oauth,
            Err(error) => {
                tracing::warn!(instance.id = id, ?error, "a grant cannot be kept alive as its instance is configured");
                return later(RETRY_MAX).await.map(|_| Looked::Failed);
            }
        };
        let Some(idle) = oauth.refresh_idle else { return later(again).await };
        if record.disabled {
            return later(DISABLED_MAX.min(idle / 8)).await;
        }
        let age = parts.clock.now() - grant.obtained_at;
        if let Some(left) = TimeDelta::from_std(OAuth2::first_keep_alive(idle)).ok().map(|due| due - age)
            && let Ok(left) = left.to_std()
            && !left.is_zero()
        {
            // The mapping says something else than when the grant was stored.
            return later(left + idle.mul_f64(jittered(0.0, 0.1))).await;
        }
        let oauth = std::sync::Arc::new(oauth);
        let renewed = parts.grants.renew(id, grant.generation, &oauth, Instant::now() + PATIENCE).await;
        let retry = RETRY_MAX.min(idle / 16).mul_f64(jittered(0.8, 1.2));
        match renewed {
            Ok(access) if access.generation > grant.generation => {
                tracing::info!(instance.id = id, element.key = %element.key, "an idle grant was kept alive");
                Ok(Looked::Kept)
            }
            Ok(_) => later(retry).await,
            Err(error) if error.kind() == Kind::ReauthRequired => {
                tracing::warn!(instance.id = id, element.key = %element.key, ?error, "an idle grant is dead");
                Ok(Looked::Dead)
            }
            Err(error) => {
                tracing::warn!(instance.id = id, element.key = %element.key, ?error, "an idle grant is not kept alive yet");
                later(retry).await.map(|_| Looked::Failed)
            }
        }
    }
}
