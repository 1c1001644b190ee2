//! What a provider says of its quota: budgets for the caller, and how long to wait.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, header};
use serde_json::Value;
use tokio::time::Instant;

use super::Engine;
use crate::{
    catalog::{
        Element,
        quota::{BudgetSource, BudgetSpec, Quota, TimeForm, WaitSource},
    },
    mapping::codec::scalar_text,
};

/// How often one call is repeated because the quota was used up.
pub(super) const MOST_WAITS: u32 = 4;
/// The longest wait that a call is held for; a longer one is the caller's to see.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The wait that callers are told of where nobody says anything.
const UNKNOWN_WAIT: Duration = Duration::from_mins(1);
/// How long a report is passed on that says of no end itself.
const LASTS: Duration = Duration::from_secs(60);

/// A budget as the provider reported it last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Budget {
    name: String,
    limit: Option<u64>,
    remaining: u64,
    /// When it is renewed.
    reset: Option<Instant>,
    window_s: Option<u64>,
}

/// What one answer reported.
#[derive(Debug, Clone)]
pub(super) struct Report {
    at: Instant,
    budgets: Vec<Budget>,
}

impl Engine {
    /// Remembers what an answer says of an instance's budgets.
    pub(super) fn note_budgets(&self, element: &Element, instance_id: i64, headers: &HeaderMap) {
        let Some(quota) = &element.quota else { return };
        let (at, now) = (Instant::now(), Utc::now());
        let budgets: Vec<Budget> = quota.budgets.iter().filter_map(|spec| read(spec, headers, at, now)).collect();
        if !budgets.is_empty() {
            self.budgets.insert(instance_id, Arc::new(Report { at, budgets }));
        }
    }

    /// The budgets that the provider reported last for an instance, as `RateLimit-Policy` and `RateLimit`.
    ///
    /// Empty where it reports none, or the last report is too old to mean anything.
    pub fn budgets(&self, instance_id: i64) -> Vec<(HeaderName, String)> {
        let Some(report) = self.budgets.get(&instance_id) else { return Vec::new() };
        let now = Instant::now();
        let (mut policy, mut left) = (Vec::new(), Vec::new());
        for budget in &report.budgets {
            if budget.reset.unwrap_or(report.at + LASTS) <= now {
                continue;
            }
            if let Some(limit) = budget.limit {
                let window = budget.window_s.map_or_else(String::new, |window| format!(";w={window}"));
                policy.push(format!("\"{}\";q={limit}{window}", budget.name));
            }
            let reset = budget.reset.map_or_else(String::new, |reset| format!(";t={}", whole_seconds(reset - now)));
            left.push(format!("\"{}\";r={}{reset}", budget.name, budget.remaining));
        }
        let named = [("ratelimit-policy", policy), ("ratelimit", left)];
        named
            .into_iter()
            .filter(|(_, items)| !items.is_empty())
            .map(|(name, items)| (HeaderName::from_static(name), items.join(", ")))
            .collect()
    }
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn read(spec: &BudgetSpec, headers: &HeaderMap, at: Instant, now: DateTime<Utc>) -> Option<Budget> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let whole = |name: &HeaderName| text(name).and_then(number);
    let (limit, remaining, reset) = match &spec.source {
        BudgetSource::Headers { limit, remaining, reset } => (
            limit.as_ref().and_then(whole),
            whole(remaining)?,
            reset.as_ref().and_then(|(name, form)| duration(text(name)?, *form, now)),
        ),
        BudgetSource::Pairs(name) => {
            let text = text(name)?;
            let member = |wanted: &str| {
                let mut pairs = text.split([',', ';']).filter_map(|pair| pair.split_once('='));
                pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
            };
            (
                member("limit").and_then(number),
                member("remaining").and_then(number)?,
                member("reset").and_then(|value| duration(value, TimeForm::Seconds, now)),
            )
        }
        BudgetSource::Usage(name) => {
            let (used, all) = text(name)?.split_once('/')?;
            let used = used.rsplit(['=', ' ']).next().and_then(number)?;
            let digits: String = all.trim().chars().take_while(char::is_ascii_digit).collect();
            let all: u64 = digits.parse().ok()?;
            (Some(all), all.saturating_sub(used), None)
        }
    };
    Some(Budget {
        name: spec.name.clone(),
        limit,
        remaining,
        reset: reset.and_then(|left| at.checked_add(left)),
        window_s: spec.window_s,
    })
}

/// A whole number, also one that is written with a fraction; nothing below zero.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and a cast saturates")]
        (number >= 0.0).then_some(number as u64)
    })
}

/// The longest wait that means anything.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;

fn duration(text: &str, form: TimeForm, now: DateTime<Utc>) -> Option<Duration> {
    let value: f64 = text.trim().parse().ok()?;
    let seconds = match form {
        TimeForm::Seconds => value,
        TimeForm::Milliseconds => value / 1000.0,
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact in 53 bits")]
        TimeForm::Epoch => value - now.timestamp_millis() as f64 / 1000.0,
    };
    (seconds.is_finite() && seconds < LONGEST).then(|| Duration::from_secs_f64(seconds.max(0.0)))
}

/// How long to wait before a call that was refused for the quota is repeated, after so many waits.
pub(super) fn wait(quota: Option<&Quota>, headers: &HeaderMap, body: &[u8], waits: u32) -> Duration {
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    asked_wait(quota, headers, &body, Utc::now()).or_else(|| usual_wait(quota, waits)).unwrap_or(UNKNOWN_WAIT)
}

/// How long an answer that refuses for the quota asks to wait; `None` when nothing tells.
fn asked_wait(quota: Option<&Quota>, headers: &HeaderMap, body: &Value, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let named = quota.into_iter().flat_map(|quota| &quota.waits).find_map(|source| match source {
        WaitSource::Header(name, form) => {
            let text = text(name)?;
            duration(text, *form, now).or_else(|| date(text, now))
        }
        WaitSource::Body(path) => duration(&scalar_text(path.get(body)?)?, TimeForm::Seconds, now),
    });
    named.or_else(|| {
        let text = text(&header::RETRY_AFTER)?;
        duration(text, TimeForm::Seconds, now).or_else(|| date(text, now))
    })
}

/// The element's own wait before try `tries` (from 0), where nothing tells.
fn usual_wait(quota: Option<&Quota>, tries: u32) -> Option<Duration> {
    let seconds = quota?.default_wait_s?;
    Some(Duration::from_secs(seconds).saturating_mul(1 << tries.min(MOST_WAITS)))
}

fn date(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let at = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((at.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::{self, source::Files};

    fn quota(value: Value) -> Quota {
        let element = json!({
            "id": 900_001, "key": "acme", "name": "Acme", "description": "d", "hub": "documents", "unsupported": {"*": "nothing is called here"}, "quota": value,
            "authentication": {"type": "none"}, "hosts": {"api": "https://api.acme.example"}
        });
        let mut files = Files::built_in();
        files.0.retain(|path, _| path.starts_with("hubs/"));
        files.0.insert("elements/acme/element.json".to_owned(), element.to_string());
        catalog::load::load(&files).unwrap().element("acme").unwrap().unwrap().quota.clone().unwrap()
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn reads_every_form_of_a_budget() {
        let now = Utc::now();
        let at = Instant::now();
        let epoch = (now.timestamp() + 30).to_string();
        for (spec, sent, limit, remaining, reset_s) in [
            (
                json!({"name": "b", "limit": "X-Max", "remaining": "X-Left", "reset": "X-Reset"}),
                headers(&[("x-max", "100"), ("x-left", "99"), ("x-reset", "7")]),
                Some(100),
                99,
                Some(7),
            ),
            (
                json!({"name": "b", "remaining": "X-Left", "reset": "X-Reset", "resetForm": "epoch"}),
                headers(&[("x-left", "3"), ("x-reset", &epoch)]),
                None,
                3,
                Some(30),
            ),
            (
                json!({"name": "b", "remaining": "X-Left", "reset": "X-Reset", "resetForm": "milliseconds"}),
                headers(&[("x-left", "3"), ("x-reset", "2500")]),
                None,
                3,
                Some(2),
            ),
            (
                json!({"name": "b", "header": "RateLimit", "form": "pairs"}),
                headers(&[("ratelimit", "limit=240, remaining=239, reset=8.3")]),
                Some(240),
                239,
                Some(8),
            ),
            (
                json!({"name": "b", "header": "X-Info", "form": "usage"}),
                headers(&[("x-info", "api-usage=18/5000; per-app-api-usage=17/250(appName=a)")]),
                Some(5000),
                4982,
                None,
            ),
        ] {
            let told = spec.to_string();
            let quota = quota(json!({"budgets": [spec]}));
            let budget = read(&quota.budgets[0], &sent, at, now).unwrap();
            assert_eq!((budget.limit, budget.remaining), (limit, remaining), "{told}");
            let left = budget.reset.map(|reset| (reset - at).as_secs());
            assert!(left == reset_s || left.map(|left| left + 1) == reset_s, "{told}: {left:?}");
            assert_eq!(read(&quota.budgets[0], &HeaderMap::new(), at, now), None, "{told}");
        }
    }

    #[test]
    fn finds_the_wait_in_headers_body_or_the_elements_own_word() {
        let now = Utc::now();
        let quota = quota(json!({
            "wait": ["X-Wait", {"header": "X-Wait-Ms", "form": "milliseconds"}, {"body": "$.error.retry_after"}],
            "defaultWait": 2
        }));
        let wait = |list: &[(&'static str, &str)], body: Value| {
            asked_wait(Some(&quota), &headers(list), &body, now).map(|wait| wait.as_millis())
        };
        assert_eq!(wait(&[("x-wait", "3")], Value::Null), Some(3000));
        assert_eq!(wait(&[("x-wait-ms", "1500")], Value::Null), Some(1500));
        assert_eq!(wait(&[("retry-after", "9")], json!({"error": {"retry_after": "4.5"}})), Some(4500));
        assert_eq!(wait(&[("retry-after", "9")], Value::Null), Some(9000));
        assert_eq!(wait(&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], Value::Null), Some(0));
        assert_eq!(wait(&[("retry-after", "soon")], Value::Null), None);
        assert_eq!(usual_wait(Some(&quota), 0), Some(Duration::from_secs(2)));
        assert_eq!(usual_wait(Some(&quota), 2), Some(Duration::from_secs(8)));
        assert_eq!(usual_wait(None, 0), None);
    }
}
