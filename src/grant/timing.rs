//! When a token is due, and when to try again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Settings, oauth::OAuth2};
use crate::store::{GrantRecord, LONGEST_PAUSE};

/// A token that expires sooner than this is of no use any more.
const LAST_USE: TimeDelta = TimeDelta::seconds(5);
const MARGIN_MIN: Duration = Duration::from_mins(1);
/// When a grant is looked at whose refresh token, as far as its element says, does not die of idleness.
pub const LOOK_AGAIN: Duration = Duration::from_hours(7 * 24);
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Whether a token may still be used.
pub(super) fn works(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    expires_at.is_none_or(|at| now + LAST_USE < at)
}

/// When a grant's access token is due: a tenth of its life before its end, at least a minute, at most the setting's
/// margin and half its life, spread by a fifth so that grants made together are not refreshed together.
pub(super) fn due_at(row: &GrantRecord, settings: &Settings) -> DateTime<Utc> {
    let Some(expires_at) = row.expires_at else { return DateTime::<Utc>::MAX_UTC };
    let life = (expires_at - row.obtained_at).to_std().unwrap_or_default();
    let margin = (life / 10).max(MARGIN_MIN).min(settings.refresh_margin).min(life / 2);
    // The same for the same tokens, whoever computes it: two callers agree on whether it is due.
    let spread =
        u64::from_ne_bytes(row.instance_id.to_ne_bytes()).wrapping_mul(31).wrapping_add(row.generation.unsigned_abs());
    let margin = margin.mul_f64(around(spread.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    TimeDelta::from_std(margin).ok().and_then(|margin| expires_at.checked_sub_signed(margin)).unwrap_or(expires_at)
}

/// The pause after so many failures before this one; a provider's Retry-After is believed up to [`LONGEST_PAUSE`].
pub(super) fn backoff(failures: u32, retry_after: Option<Duration>, settings: &Settings) -> Duration {
    let pause = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(failures.min(20))).min(settings.backoff_max);
    pause.mul_f64(around(random())).max(retry_after.unwrap_or_default()).min(LONGEST_PAUSE)
}

/// A factor from 0.8 to 1.2.
fn around(seed: u64) -> f64 {
    0.8 + 0.4 * unit(seed)
}

/// From 0 to 1.
fn unit(seed: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the top 32 bits are exact")]
    let unit = (seed >> 32) as f64 / f64::from(u32::MAX);
    unit
}

/// A random number between two.
pub fn jittered(from: f64, to: f64) -> f64 {
    from + (to - from) * unit(random())
}

/// When a new grant is to be looked at, so that its refresh token does not die of idleness.
pub(super) fn keep_alive(idle: Option<Duration>) -> Duration {
    match idle {
        Some(idle) => OAuth2::first_keep_alive(idle) + idle.mul_f64(jittered(0.0, 0.1)),
        // The element may learn of it by then.
        None => LOOK_AGAIN.mul_f64(jittered(0.8, 1.2)),
    }
}

/// A random number; the same one always, should the system have none.
pub(super) fn random() -> u64 {
    getrandom::u64().unwrap_or(0x8000_0000_0000_0000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::GrantState;

    fn margin_of(life_s: i64) -> f64 {
        let now = Utc::now();
        let row = GrantRecord {
            instance_id: 7,
            generation: 1,
            epoch: 1,
            state: GrantState::Valid,
            access: None,
            refresh: None,
            secret: None,
            expires_at: Some(now + TimeDelta::seconds(life_s)),
            obtained_at: now,
            lease_owner: None,
            lease_until: None,
            intent_at: None,
            fail_count: 0,
            next_attempt_at: None,
            keep_alive_at: None,
            last_error: None,
            reauth_reason: None,
        };
        (row.expires_at.unwrap() - due_at(&row, &Settings::default())).as_seconds_f64()
    }

    #[test]
    fn the_margin_is_a_tenth_within_bounds_and_never_most_of_the_life() {
        for (life, low, high) in [
            (3600, 288.0, 432.0),
            (60, 24.0, 36.0),
            (300, 48.0, 72.0),
            (1_000_000, 720.0, 1080.0),
            (0, 0.0, 0.0),
            (-5, 0.0, 0.0),
        ] {
            let margin = margin_of(life);
            assert!((low..=high).contains(&margin), "{life}: {margin}");
        }
    }

    #[test]
    fn a_grant_is_looked_at_before_half_of_its_idle_time_is_over() {
        let day = Duration::from_hours(24);
        for _ in 0..100 {
            let after = keep_alive(Some(60 * day));
            assert!((24 * day..=30 * day).contains(&after), "{after:?}");
            let after = keep_alive(None);
            assert!((5 * day..=9 * day).contains(&after), "{after:?}");
        }
    }

    #[test]
    fn the_pause_doubles_up_to_its_bound_and_honours_the_provider() {
        let settings = Settings::default();
        for (failures, seconds) in [(0, 1.0), (1, 2.0), (4, 16.0), (30, 300.0)] {
            let pause = backoff(failures, None, &settings).as_secs_f64();
            assert!((seconds * 0.79..=seconds * 1.21).contains(&pause), "{failures}: {pause}");
        }
        assert_eq!(backoff(0, Some(Duration::from_secs(77)), &settings), Duration::from_secs(77));
        assert_eq!(backoff(0, Some(Duration::from_secs(100_000)), &settings), LONGEST_PAUSE);
    }
}
