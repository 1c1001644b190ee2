//! The refresh protocol, R2 to R6; runs in a task of its own.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Access, Cached, Inner, Seen, Want, busy, flight::Outcome, oauth::OAuth2, outage, step::Step, step::Verdict, timing,
    token, token::Failure,
};
use crate::{
    error::{Error, Kind, Result},
    store::{GrantRecord, GrantState, Lease, RefreshFailure},
};

/// How often the row is looked at while somebody else refreshes.
const POLL: Duration = Duration::from_millis(25);
/// How long an answer is tried to be stored. It is not given up lightly: the provider may not give it again.
const STORE_FOR: Duration = Duration::from_hours(1);
/// Short: once the store is well others may find that the lease has run out.
const STORE_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long the store may take before the answer is written down elsewhere.
const SPILL_AFTER: Duration = Duration::from_millis(200);

/// The test's hook said that the process dies here.
struct Crashed;

/// How new tokens are got.
#[derive(Clone, Copy)]
enum Means<'a> {
    /// By the refresh token.
    Refresh(&'a SecretString),
    /// By the instance's own keys.
    Keys,
}

/// What one turn of the protocol came to.
enum Turn {
    Done(Result<Access>),
    /// The row changed, or is somebody else's: look again.
    Again,
}

impl Inner {
    /// Runs the protocol to its end. `None`: crashed (in a test).
    pub(super) async fn refresh(&self, id: i64, want: Want, oauth: &OAuth2) -> Option<Outcome> {
        // Long enough for the lease of a holder that died to run out.
        let give_up = Instant::now() + self.settings.lease + self.settings.wait;
        let mut charged = false;
        let outcome = loop {
            match self.turn(id, want, oauth, &mut charged).await {
                Err(Crashed) => return None,
                Ok(Turn::Done(outcome)) => break outcome,
                Ok(Turn::Again) if Instant::now() < give_up => sleep(POLL).await,
                Ok(Turn::Again) => break Err(busy("Another process refreshes the access token")),
            }
        };
        if let Err(error) = &outcome {
            tracing::warn!(instance.id = id, kind = error.kind().code(), ?error, "no access token");
        }
        Some(outcome.map_err(Arc::new))
    }

    async fn turn(&self, id: i64, want: Want, oauth: &OAuth2, charged: &mut bool) -> Result<Turn, Crashed> {
        // What is in the row was spent by us, if something is on its way into it.
        match self.recover_all_of(id).await {
            Ok(true) => {}
            Ok(false) => return Ok(Turn::Again),
            Err(error) => return done(Err(error)),
        }
        let seen = self.seen();
        let row = match self.store.grant(id).await {
            Ok(Some(row)) => row,
            Ok(None) => return done(Err(reauth("There are no OAuth tokens for this instance"))),
            Err(error) => return done(Err(error)),
        };
        let now = self.clock.now();
        if row.state == GrantState::ReauthRequired {
            self.forget(id);
            return done(Err(reauth(dead_text(row.reauth_reason.as_deref()))));
        }
        let access = row.access.as_ref().map(|token| access(&row, token));
        let forced = matches!(want, Want::Newer(seen) if row.generation <= seen);
        let due_at = timing::due_at(&row, &self.settings);
        if let Some(access) = access.as_ref().filter(|_| !forced && now < due_at) {
            return done(Ok(self.publish(id, access, due_at, seen)));
        }
        // What is left to those who come for a token that is due, but works.
        let old = access.clone().filter(|access| !forced && timing::works(access.expires_at, now));

        let means = match row.refresh.as_ref() {
            Some(refresh) => Means::Refresh(refresh),
            None if oauth.keys_form().is_some() => Means::Keys,
            None => return self.without_refresh_token(&row, old, forced, seen).await,
        };
        if forced && !*charged {
            *charged = true;
            if let Some(access) = access.filter(|_| !self.forced.take(id, now)) {
                return done(Ok(access));
            }
        }
        if let Some(error) = self.breakers.check(oauth, now) {
            return done(self.fall_back(id, old, now + POLL, error, seen));
        }
        if let Some(next) = row.next_attempt_at.filter(|next| now < *next) {
            let left = (next - now).to_std().unwrap_or_default();
            let error = outage(Kind::ProviderUnreachable, None, Some(left));
            return done(self.fall_back(id, old, next, error, seen));
        }
        if row.lease_until.is_some_and(|until| now <= until) {
            return match old {
                Some(old) => done(Ok(self.publish(id, &old, now + TimeDelta::seconds(1), seen))),
                None => Ok(Turn::Again),
            };
        }

        self.step(Step::BeforeIntent)?;
        // The lease outlasts every call that begins before this.
        let begin_by = Instant::now() + self.settings.lease.saturating_sub(self.settings.token_timeout);
        let lease = self.store.begin_refresh(id, row.generation, &self.owner, self.settings.lease).await;
        match lease {
            Ok(Some(lease)) => self.spend(&row, means, lease, begin_by, old.map(|old| (old, seen)), oauth).await,
            Ok(None) => Ok(Turn::Again),
            Err(error) => done(self.fall_back(id, old, now + TimeDelta::seconds(1), error, seen)),
        }
    }

    /// Without a refresh token an expired grant is dead; one that only the API refused may recover.
    async fn without_refresh_token(
        &self,
        row: &GrantRecord,
        old: Option<Access>,
        forced: bool,
        seen: Seen,
    ) -> Result<Turn, Crashed> {
        let (id, now) = (row.instance_id, self.clock.now());
        if let Some(old) = old {
            return done(Ok(self.publish(id, &old, old.expires_at.unwrap_or(DateTime::<Utc>::MAX_UTC), seen)));
        }
        if forced && row.access.is_some() && timing::works(row.expires_at, now) {
            return done(Err(reauth("The provider refuses the access token, and there is no refresh token")));
        }
        match self.store.mark_reauth(id, row.epoch, row.generation, "expired, without a refresh token").await {
            Ok(true) => {
                self.changed(id);
                done(Err(reauth(dead_text(Some("expired, without a refresh token")))))
            }
            Ok(false) => Ok(Turn::Again),
            Err(error) => done(Err(error)),
        }
    }

    /// R3 and what follows from the answer. The lease is ours, the intent is committed.
    async fn spend(
        &self,
        row: &GrantRecord,
        means: Means<'_>,
        lease: Lease,
        begin_by: Instant,
        old: Option<(Access, Seen)>,
        oauth: &OAuth2,
    ) -> Result<Turn, Crashed> {
        let (id, mut uncertain) = (row.instance_id, lease.uncertain);
        self.step(Step::AfterIntent)?;
        // Whoever was held up (a stopped process, a store that took its time) may have lost the lease to another.
        if Instant::now() >= begin_by {
            return Ok(Turn::Again);
        }
        let mut called = self.call(means, oauth).await;
        let in_time = Instant::now() < begin_by;
        if !uncertain && in_time && matches!(called, Err(Failure::Down { lost: true, .. })) {
            // R6: whether the token was spent is not known. Providers with a grace period answer a repeat.
            self.step(Step::BeforeReplay)?;
            uncertain = true;
            called = self.call(means, oauth).await;
        }
        self.step(Step::AfterProviderAnswer)?;
        let failure = match called {
            Ok(answer) => return self.commit(row, lease, &answer).await,
            Err(failure) => failure,
        };
        let now = self.clock.now();
        let (error, next) = match failure {
            Failure::Dead(fault) => {
                let code = fault.code.as_deref().unwrap_or("dead");
                let reason = if uncertain {
                    format!("lost rotation ({code})")
                } else {
                    format!("refused by the provider ({code})")
                };
                return match self.store.mark_reauth(id, lease.epoch, row.generation, &reason).await {
                    Ok(true) => {
                        tracing::warn!(instance.id = id, reason, "the grant is dead");
                        count("dead");
                        self.changed(id);
                        done(Err(reauth(dead_text(Some(&reason))).with_provider(fault)))
                    }
                    Ok(false) => Ok(Turn::Again),
                    Err(error) => done(Err(error)),
                };
            }
            Failure::Client(fault) => (self.breakers.trip(oauth, fault, now), None),
            Failure::Blocked(error) => (error, None),
            Failure::Refused(fault) => {
                let pause = timing::backoff(row.fail_count, None, &self.settings);
                (outage(Kind::ProviderFailed, Some(fault), Some(pause)), Some(pause))
            }
            Failure::Down { kind, fault, retry_after, lost } => {
                uncertain |= lost;
                let pause = timing::backoff(row.fail_count, retry_after, &self.settings);
                (outage(kind, fault, Some(pause)), Some(pause))
            }
        };
        count("failed");
        let next = next.and_then(|pause| TimeDelta::from_std(pause).ok()).map(|pause| now + pause);
        let failure = RefreshFailure { error: words(&error), next_attempt_at: next, uncertain };
        match self.store.fail_refresh(id, lease.epoch, failure).await {
            Ok(true) => {}
            // Somebody took over: what became of it is in the row.
            Ok(false) => return Ok(Turn::Again),
            // The lease runs out by itself.
            Err(failed) => tracing::error!(instance.id = id, error = ?failed, "a failed refresh could not be noted"),
        }
        let Some((old, seen)) = old else { return done(Err(error)) };
        done(self.fall_back(id, Some(old), next.unwrap_or(now + TimeDelta::seconds(1)), error, seen))
    }

    async fn call(&self, means: Means<'_>, oauth: &OAuth2) -> Result<token::Answer, Failure> {
        let deadline = Instant::now() + self.settings.token_timeout;
        let Means::Refresh(refresh) = means else { return self.by_keys(oauth, deadline).await };
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())];
        let url = oauth.refresh_endpoint().map_err(Failure::Blocked)?;
        match token::call(&*self.transport, &self.clock, oauth, url, &form, deadline).await {
            // The keys still stand, whatever became of the refresh token.
            Err(Failure::Dead(_)) if oauth.keys_form().is_some() => self.by_keys(oauth, deadline).await,
            called => called,
        }
    }

    /// R4 and R5. While the store fails the answer is kept, in memory and in the journal, and tried again.
    async fn commit(&self, row: &GrantRecord, lease: Lease, answer: &token::Answer) -> Result<Turn, Crashed> {
        let (id, until) = (row.instance_id, Instant::now() + STORE_FOR);
        let mut pause = POLL;
        let mut written = None;
        let seen = loop {
            let (grant, capture) = (answer.grant(), answer.capture.clone());
            let seen = self.seen();
            let storing = self.store.commit_refresh(id, lease.epoch, row.generation, grant, capture);
            tokio::pin!(storing);
            let stored = match timeout(SPILL_AFTER, &mut storing).await {
                Ok(stored) => stored,
                Err(_) => {
                    self.spill(&mut written, row, lease, answer).await;
                    storing.await
                }
            };
            match stored {
                Ok(true) => break seen,
                // What is written down is settled by the next turn.
                Ok(false) => return Ok(Turn::Again),
                Err(error) => {
                    self.spill(&mut written, row, lease, answer).await;
                    // A shutdown does not wait for a store that is away: the next start goes on.
                    let rests = written.is_some() && self.tracker.is_closed();
                    if rests || Instant::now() >= until {
                        return done(Err(error));
                    }
                    tracing::error!(instance.id = id, ?error, "a refreshed grant could not be stored yet");
                    sleep(pause).await;
                    pause = (pause * 2).min(STORE_PAUSE_MAX);
                }
            }
        };
        if let Some(record) = written {
            self.settle(&record).await;
        }
        self.step(Step::AfterCommit)?;
        tracing::debug!(instance.id = id, generation = row.generation + 1, "refreshed");
        count("ok");
        let fresh = GrantRecord {
            generation: row.generation + 1,
            expires_at: answer.expires_at,
            obtained_at: self.clock.now(),
            ..row.clone()
        };
        let access = self.publish(id, &access(&fresh, &answer.access), timing::due_at(&fresh, &self.settings), seen);
        if !answer.capture.is_empty()
            && let Some(listener) = self.listener.get()
        {
            listener(id);
        }
        done(Ok(access))
    }

    /// The old token while it works, until the next try; otherwise the error.
    fn fall_back(&self, id: i64, old: Option<Access>, next: DateTime<Utc>, error: Error, seen: Seen) -> Result<Access> {
        let Some(old) = old else { return Err(error) };
        tracing::debug!(instance.id = id, ?error, "the old access token is used");
        let until = old.expires_at.map_or(next, |expires_at| next.min(expires_at));
        Ok(self.publish(id, &old, until, seen))
    }

    /// R5: a later generation is never replaced by an earlier one.
    fn publish(&self, id: i64, access: &Access, refresh_at: DateTime<Utc>, seen: Seen) -> Access {
        let cached = Cached { access: access.clone(), refresh_at, read_at: seen.at };
        self.cache.entry(id).and_upsert_with(|known| match known.map(moka::Entry::into_value) {
            Some(known) if known.access.generation > access.generation => known,
            _ => cached,
        });
        if self.epoch.load(Ordering::SeqCst) != seen.epoch {
            // Something was forgotten since the row was read, perhaps for its sake.
            self.cache.invalidate(&id);
        }
        access.clone()
    }

    /// The token in memory, if the store still believes it.
    pub(super) fn known(&self, id: i64) -> Option<Cached> {
        self.cache.get(&id).filter(|cached| self.store.believes(cached.read_at))
    }

    pub(super) fn forget(&self, id: i64) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate(&id);
    }

    fn seen(&self) -> Seen {
        Seen { at: Instant::now(), epoch: self.epoch.load(Ordering::SeqCst) }
    }

    /// The instance is not valid any more.
    pub(super) fn changed(&self, id: i64) {
        self.forget(id);
        if let Some(listener) = self.listener.get() {
            listener(id);
        }
    }

    fn step(&self, step: Step) -> Result<(), Crashed> {
        match self.settings.hook.as_ref().map(|hook| hook(step)) {
            Some(Verdict::Crash) => Err(Crashed),
            _ => Ok(()),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "its callers end with it")]
fn done(outcome: Result<Access>) -> Result<Turn, Crashed> {
    Ok(Turn::Done(outcome))
}

fn access(row: &GrantRecord, token: &SecretString) -> Access {
    Access { token: token.clone(), secret: row.secret.clone(), generation: row.generation, expires_at: row.expires_at }
}

fn reauth(text: impl Into<String>) -> Error {
    let text = text.into();
    Error::new(Kind::ReauthRequired, format!("{text}. Update the instance with fresh providerData to connect it again"))
}

fn dead_text(reason: Option<&str>) -> String {
    format!("The instance's OAuth grant is no longer accepted by the provider ({})", reason.unwrap_or("unknown"))
}

/// What is noted in the row.
fn words(error: &Error) -> String {
    let fault = error.provider();
    let detail = fault.and_then(|fault| fault.message.as_ref().or(fault.code.as_ref()));
    let status = fault.map(|fault| format!(" {}", fault.status)).unwrap_or_default();
    format!("{}:{status} {}", error.kind().code(), detail.map_or_else(|| error.public(), String::as_str))
}

/// Counts a refresh that came to an end.
fn count(outcome: &'static str) {
    metrics::counter!(crate::telemetry::metric::GRANT_REFRESHES, "outcome" => outcome).increment(1);
}
