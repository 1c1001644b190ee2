//! A quota on demand: so many calls in a window, told and refused as the provider does.

use std::sync::Mutex;

use axum::{
    http::{HeaderName, HeaderValue},
    response::Response,
};
use serde::Deserialize;

use crate::core::hold;

/// A quota, as `POST /_control/quota` sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quota {
    /// Calls in a window.
    pub(crate) limit: u64,
    /// The window's length in seconds.
    pub(crate) window_s: u32,
}

/// The quota in force, if any, and what is used of it.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<Option<State>>);

#[derive(Debug, Clone, Copy)]
struct State {
    quota: Quota,
    used: u64,
    ends_ms: i64,
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    limit: u64,
    remaining: u64,
    /// Seconds until the window ends, at least one.
    reset_s: u64,
    /// The call is over the limit.
    pub(crate) refused: bool,
}

impl Quotas {
    pub(crate) fn set(&self, quota: Option<Quota>) {
        *hold(&self.0) = quota.map(|quota| State { quota, used: 0, ends_ms: i64::MIN });
    }

    /// Counts a call.
    pub(crate) fn count(&self, now_ms: i64) -> Option<Standing> {
        let mut state = hold(&self.0);
        let state = state.as_mut()?;
        if now_ms >= state.ends_ms {
            state.used = 0;
            state.ends_ms = now_ms + i64::from(state.quota.window_s) * 1000;
        }
        let refused = state.used >= state.quota.limit;
        state.used += u64::from(!refused);
        let left_ms = u64::try_from(state.ends_ms - now_ms).unwrap_or_default();
        Some(Standing {
            limit: state.quota.limit,
            remaining: state.quota.limit - state.used,
            reset_s: left_ms.div_ceil(1000).max(1),
            refused,
        })
    }
}

impl Standing {
    /// The status with which this provider refuses.
    pub(crate) fn status(provider: &str) -> u16 {
        if provider == "sfdc" { 403 } else { 429 }
    }

    /// Whether this provider's refusals say how long to wait.
    pub(crate) fn retry_after(self, provider: &str) -> Option<u64> {
        (!matches!(provider, "sfdc" | "hubspot" | "googledrive" | "pipedrive" | "quickbooks")).then_some(self.reset_s)
    }

    /// Says on an answer where the call stands, as this provider does.
    pub(crate) fn tell(self, provider: &str, response: &mut Response) {
        let headers = match provider {
            "sfdc" => vec![("sforce-limit-info", format!("api-usage={}/{}", self.limit - self.remaining, self.limit))],
            "hubspot" => vec![
                ("x-hubspot-ratelimit-max", self.limit.to_string()),
                ("x-hubspot-ratelimit-remaining", self.remaining.to_string()),
                ("x-hubspot-ratelimit-interval-milliseconds", "10000".to_owned()),
            ],
            "closeio" => vec![(
                "ratelimit",
                format!("limit={}, remaining={}, reset={}", self.limit, self.remaining, self.reset_s),
            )],
            "pipedrive" => vec![
                ("x-ratelimit-limit", self.limit.to_string()),
                ("x-ratelimit-remaining", self.remaining.to_string()),
                ("x-ratelimit-reset", self.reset_s.to_string()),
            ],
            "graph" => vec![
                ("ratelimit-limit", self.limit.to_string()),
                ("ratelimit-remaining", self.remaining.to_string()),
                ("ratelimit-reset", self.reset_s.to_string()),
            ],
            "dynamicscrmadfs" => {
                vec![("x-ms-ratelimit-burst-remaining-xrm-requests", self.remaining.to_string())]
            }
            _ => Vec::new(),
        };
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        if let Some(seconds) = self.retry_after(provider).filter(|_| self.refused) {
            response.headers_mut().insert(axum::http::header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_down_refuses_and_begins_anew() {
        let quotas = Quotas::default();
        assert_eq!(quotas.count(0), None);
        quotas.set(Some(Quota { limit: 2, window_s: 10 }));
        let seen: Vec<(u64, bool, u64)> = [0, 1_000, 2_500, 10_000]
            .into_iter()
            .map(|now| quotas.count(now).map(|one| (one.remaining, one.refused, one.reset_s)).unwrap())
            .collect();
        assert_eq!(seen, [(1, false, 10), (0, false, 9), (0, true, 8), (1, false, 10)]);
    }
}
