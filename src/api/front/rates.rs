//! The rate limits that a call was counted against, for its answer.

use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::app::rates::Allowance;

const LEFT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is written down while a call is handled and told with its answer. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct Ledger(Arc<OnceLock<Vec<Allowance>>>);

impl Ledger {
    /// Writes down what is left; the first word stands.
    pub(in crate::api) fn note(&self, left: Vec<Allowance>) {
        self.0.get_or_init(|| left);
    }

    /// Adds `RateLimit` and `RateLimit-Policy`; what stands there already (a provider's budgets) stays.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        for allowance in self.0.get().into_iter().flatten() {
            let Allowance { name, quota, remaining, reset_s } = allowance;
            for (header, text) in [
                (POLICY, format!("\"{name}\";q={quota};w=60")),
                (LEFT, format!("\"{name}\";r={remaining};t={reset_s}")),
            ] {
                if let Ok(value) = HeaderValue::from_str(&text) {
                    headers.append(header, value);
                }
            }
        }
    }
}
