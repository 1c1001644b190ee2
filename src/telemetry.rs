//! Logs and metrics: how lines look and where they go, and the names of everything that is counted.
//!
//! A log line carries names and numbers, never a token, a body, an e-mail address or a query string. Every line of a
//! request stands in one span called `request` that holds its id. Metric labels come from closed sets; no instance id
//! and no path ever is one.

mod access;
mod lines;
mod timestamp;

use std::{
    io,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, writer::BoxMakeWriter},
    util::{SubscriberInitExt, TryInitError},
};

pub use self::access::Answered;
use self::{access::Access, lines::Lines, timestamp::Timestamp};
use crate::config::{Log, LogFormat};

/// Names of metrics, as they stand in `/metrics`.
pub mod metric {
    /// Requests answered; labels `method`, `status` (class), `route` (template).
    pub const HTTP_REQUESTS: &str = "hubgate_http_requests_total";
    /// Seconds to the head of the answer; label `route`.
    pub const HTTP_DURATION: &str = "hubgate_http_request_duration_seconds";
    /// Requests being answered.
    pub const HTTP_IN_FLIGHT: &str = "hubgate_http_requests_in_flight";
    /// Open connections.
    pub const CONNECTIONS: &str = "hubgate_connections";
    /// Failures answered; labels `code`, `origin`.
    pub const ERRORS: &str = "hubgate_errors_total";
    /// Reloads of the catalog; label `outcome` (`ok`, `refused`).
    pub const CATALOG_RELOADS: &str = "hubgate_catalog_reloads_total";
    /// Calls to providers, token endpoints included; label `outcome` (status class, `timeout`, `unreachable`, `refused`,
    /// `down`: not made, the breaker was open or no slot free).
    pub const PROVIDER_REQUESTS: &str = "hubgate_provider_requests_total";
    /// Seconds to the head of a provider's answer, repeats included.
    pub const PROVIDER_DURATION: &str = "hubgate_provider_request_duration_seconds";
    /// Grant refreshes; label `outcome` (`ok`, `dead`, `failed`).
    pub const GRANT_REFRESHES: &str = "hubgate_grant_refreshes_total";
    /// Idle grants that were due to be refreshed, lest the provider forget them; label `outcome` (`kept`, `dead`, `failed`,
    /// `later`: nothing to do yet).
    pub const GRANT_KEEP_ALIVES: &str = "hubgate_grant_keep_alives_total";
    /// Refreshed grants that wait in the journal until the store takes them.
    pub const GRANTS_SPILLED: &str = "hubgate_grants_spilled";
    /// Reads through the response cache; label `outcome` (`hit`, `miss`, `coalesced`, `expired`, `request`).
    pub const CACHE_REQUESTS: &str = "hubgate_cache_requests_total";
    /// Questions to the cache that nodes share; label `outcome` (`hit`, `miss`, `stored`, `failed`, `skipped`).
    pub const SHARED_CACHE: &str = "hubgate_shared_cache_requests_total";
    /// Calls counted against budgets that nodes share; label `outcome` (`counted`, `refused`, `failed`, `skipped`: counted by
    /// this node for itself).
    pub const SHARED_RATES: &str = "hubgate_shared_rates_total";
}

/// Where log lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, where a container's logs are looked for.
    Stdout,
    /// Standard error, when standard output carries an answer.
    Stderr,
}

/// Starts logging for the whole process.
///
/// # Errors
/// When the process logs already.
pub fn init_logs(settings: &Log, output: Output) -> Result<(), TryInitError> {
    let writer = match output {
        Output::Stdout => {
            standard_output().map_or_else(|| BoxMakeWriter::new(io::stdout), |lines| BoxMakeWriter::new(lines.clone()))
        }
        Output::Stderr => BoxMakeWriter::new(io::stderr),
    };
    subscriber(settings, writer).try_init()?;
    // Only now are lines ours to write.
    if let (Output::Stdout, Some(lines)) = (output, standard_output()) {
        ACCESS.get_or_init(|| Access::of(settings, lines));
    }
    Ok(())
}

static ACCESS: OnceLock<Option<Access>> = OnceLock::new();

/// What writes the line of each call past the library; `None` where the library does it.
fn access() -> Option<&'static Access> {
    ACCESS.get()?.as_ref()
}

static STANDARD_OUTPUT: OnceLock<Option<Lines<io::Stdout>>> = OnceLock::new();

/// The lines to standard output; `None` when there can be no thread for them.
fn standard_output() -> Option<&'static Lines<io::Stdout>> {
    STANDARD_OUTPUT.get_or_init(|| Lines::to(io::stdout()).ok()).as_ref()
}

/// Writes out the log lines that wait still; for the end of the process.
pub fn flush_logs() {
    if let Some(Some(lines)) = STANDARD_OUTPUT.get() {
        lines.send();
    }
}

fn subscriber<W>(settings: &Log, writer: W) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse_lossy(&settings.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_timer(Timestamp).with_writer(writer);
    match settings.format {
        LogFormat::Human => Box::new(builder.with_ansi(false).with_target(false).finish()),
        LogFormat::Json => {
            Box::new(builder.json().flatten_event(true).with_span_list(false).with_current_span(true).finish())
        }
    }
}

static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// The process's metrics recorder; the first call installs it (the `metrics` facade knows one per process).
///
/// # Errors
/// When another recorder is installed already.
pub fn metrics_recorder() -> Result<PrometheusHandle, BuildError> {
    const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
    // Held throughout: a second caller waits until the first has installed it. A handle is whole or absent, so a
    // poisoned lock harms nothing.
    let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = recorder.as_ref() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    describe();
    Ok(recorder.insert(handle).clone())
}

/// Begins to install the recorder, so that the first call of [`metrics_recorder`] waits for less: its clock is measured
/// against the system's, which can take 200 ms.
pub fn prepare_metrics() {
    let preparing = std::thread::Builder::new().name("metrics".to_owned()).spawn(metrics_recorder);
    if let Err(error) = preparing {
        tracing::debug!(%error, "metrics are prepared when they are needed");
    }
}

/// How often [`PrometheusHandle::run_upkeep`] is due.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(metric::HTTP_REQUESTS, "Requests answered");
    describe_histogram!(metric::HTTP_DURATION, "Seconds to the head of the answer");
    describe_gauge!(metric::HTTP_IN_FLIGHT, "Requests being answered");
    describe_gauge!(metric::CONNECTIONS, "Open connections");
    describe_counter!(metric::ERRORS, "Failures answered");
    describe_counter!(metric::CATALOG_RELOADS, "Reloads of the catalog");
    describe_counter!(metric::PROVIDER_REQUESTS, "Calls to providers");
    describe_histogram!(metric::PROVIDER_DURATION, "Seconds to the head of a provider's answer");
    describe_counter!(metric::GRANT_REFRESHES, "Grant refreshes");
    describe_counter!(metric::GRANT_KEEP_ALIVES, "Idle grants that were due to be refreshed");
    describe_gauge!(metric::GRANTS_SPILLED, "Refreshed grants that wait until the store takes them");
    describe_counter!(metric::SHARED_RATES, "Calls counted against budgets that nodes share");
    describe_counter!(metric::CACHE_REQUESTS, "Reads through the response cache");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = Log { format, level: "info".to_owned() };
        tracing::subscriber::with_default(subscriber(&log, move || writer.clone()), || {
            let _span = tracing::info_span!("request", request_id = "0123").entered();
            tracing::info!(answer = 42, "it happened");
            tracing::debug!("too fine");
        });
        lines.text()
    }

    #[test]
    fn a_json_line_carries_the_request_id() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json)).unwrap();
        assert_eq!(line["message"], "it happened");
        assert_eq!(line["answer"], 42);
        assert_eq!(line["span"]["request_id"], "0123");
    }

    #[test]
    fn a_human_line_carries_the_request_id() {
        let line = logged(LogFormat::Human);
        assert!(line.contains("it happened") && line.contains("0123") && !line.contains("too fine"), "{line}");
    }

    #[test]
    fn the_recorder_is_one_for_the_process() {
        metrics_recorder().unwrap();
        metrics::counter!(metric::ERRORS, "code" => "internal", "origin" => "gateway").increment(1);
        assert!(metrics_recorder().unwrap().render().contains("hubgate_errors_total"));
    }
}
