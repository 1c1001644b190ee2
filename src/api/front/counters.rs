//! What is counted of every answer.
//!
//! The `metrics` facade makes a key and looks it up with every use of a name; here that is done once for each set of
//! labels. Labels come from closed sets (verbs, classes of statuses, templates of routes), so the table stays small.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use axum::http::Method;
use metrics::{Counter, Histogram};

use crate::telemetry::metric;

/// The counters in use, by route.
#[derive(Default)]
pub(super) struct Counters(RwLock<HashMap<String, Route>>);

/// The counters of one set of labels.
pub(super) struct Tally {
    answered: Counter,
    duration: Histogram,
}

impl Tally {
    /// Counts one answer.
    pub(super) fn count(&self, elapsed: Duration) {
        self.answered.increment(1);
        self.duration.record(elapsed.as_secs_f64());
    }
}

/// The counters of one route.
struct Route {
    duration: Histogram,
    /// By verb and class of status.
    answered: Vec<(&'static str, &'static str, Counter)>,
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counters")
    }
}

impl Counters {
    /// What counts answers with these labels, once there was one.
    pub(super) fn tally(&self, route: &str, method: &'static str, status: u16) -> Option<Tally> {
        let class = status_class(status);
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let route = known.get(route)?;
        let (.., counter) = route.answered.iter().find(|(known, status, _)| *known == method && *status == class)?;
        Some(Tally { answered: counter.clone(), duration: route.duration.clone() })
    }

    /// Counts one answer.
    pub(super) fn count(&self, route: &str, method: &'static str, status: u16, elapsed: Duration) {
        let class = status_class(status);
        // A table is whole at any time, so a poisoned lock harms nothing.
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.get(route).is_some_and(|route| route.count(method, class, elapsed)) {
            return;
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(route.to_owned()).or_insert_with(|| Route {
            duration: metrics::histogram!(metric::HTTP_DURATION, "route" => route.to_owned()),
            answered: Vec::new(),
        });
        if !entry.count(method, class, elapsed) {
            let labels = [("method", method.to_owned()), ("status", class.to_owned()), ("route", route.to_owned())];
            let counter = metrics::counter!(metric::HTTP_REQUESTS, &labels);
            counter.increment(1);
            entry.duration.record(elapsed.as_secs_f64());
            entry.answered.push((method, class, counter));
        }
    }
}

impl Route {
    /// Counts, if these labels are known.
    fn count(&self, method: &str, class: &str, elapsed: Duration) -> bool {
        let found = self.answered.iter().find(|(known, status, _)| *known == method && *status == class);
        if let Some((.., counter)) = found {
            counter.increment(1);
            self.duration.record(elapsed.as_secs_f64());
        }
        found.is_some()
    }
}

/// The verb as a label.
pub(super) fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn status_class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
