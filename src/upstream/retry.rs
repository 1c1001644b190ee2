//! When a call is made again, and after which pause.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

/// What came of one attempt, as far as a retry is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection: nothing was sent.
    NotConnected,
    /// It broke before an answer: the call may have been carried out.
    Broken,
    /// The provider refused it unread (429, 503), and may have said for how long.
    Refused(Option<Duration>),
    /// A gateway on the way failed (408, 502, 504): the call may have been carried out.
    Gateway,
}

/// The failure an answer's head stands for; `None` for an answer that is final.
pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Failure> {
    match status.as_u16() {
        429 | 503 => Some(Failure::Refused(retry_after(headers, now))),
        408 | 502 | 504 => Some(Failure::Gateway),
        _ => None,
    }
}

/// The pause before the next attempt, or `None` when there must not be one.
///
/// `repeatable`: the verb is idempotent, or the caller said a repeat is harmless.
pub(super) fn pause(failure: Failure, repeatable: bool, backoff: Duration) -> Option<Duration> {
    match failure {
        Failure::Refused(Some(asked)) => Some(asked.max(backoff)),
        Failure::NotConnected => Some(backoff),
        Failure::Refused(None) | Failure::Broken | Failure::Gateway => repeatable.then_some(backoff),
    }
}

/// Whether a repeat of the verb leaves the same state.
pub(super) fn is_idempotent(method: &Method) -> bool {
    // What RFC 4918 adds that only reads.
    method.is_idempotent() || method.as_str() == "PROPFIND"
}

/// The backoff before attempt `attempt` (1 = the first retry): doubling, half of it left to `random`.
pub(super) fn backoff(base: Duration, most: Duration, attempt: u32, random: u64) -> Duration {
    let full = base.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(most);
    let half = full / 2;
    let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_millis(random % spread)
}

/// `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some((at.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_may_be_repeated() {
        let backoff = Duration::from_millis(100);
        let second = Some(Duration::from_secs(1));
        for (failure, repeatable, expected) in [
            (Failure::NotConnected, false, Some(backoff)),
            (Failure::Broken, true, Some(backoff)),
            (Failure::Broken, false, None),
            (Failure::Refused(second), false, second),
            (Failure::Refused(Some(Duration::ZERO)), false, Some(backoff)),
            (Failure::Refused(None), true, Some(backoff)),
            (Failure::Refused(None), false, None),
            (Failure::Gateway, false, None),
        ] {
            assert_eq!(pause(failure, repeatable, backoff), expected, "{failure:?} {repeatable}");
        }
    }

    #[test]
    fn reads_retry_after() {
        let now: DateTime<Utc> = "2026-11-21T10:00:00Z".parse().unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sat, 21 Nov 2026 10:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Sat, 21 Nov 2026 09:00:30 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn backs_off_with_jitter() {
        let (base, most) = (Duration::from_millis(100), Duration::from_secs(2));
        for attempt in 1..40 {
            for random in [0, 1, u64::MAX] {
                let pause = backoff(base, most, attempt, random);
                assert!(pause >= base / 2 && pause <= most, "{attempt} {random} {pause:?}");
            }
        }
        assert_eq!(backoff(base, most, 2, 0), Duration::from_millis(100));
    }
}
