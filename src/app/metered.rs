//! Counts what leaves the process.

use std::{sync::OnceLock, time::Duration};

use futures_util::future::BoxFuture;
use metrics::{Counter, Histogram};
use tokio::time::Instant;

use crate::{
    error::{Kind, Result},
    telemetry::metric,
    upstream::{Request, Response, Transport},
};

/// A transport whose calls are counted and timed.
pub(super) struct Metered<T> {
    transport: T,
    counters: Counters,
}

impl<T> Metered<T> {
    pub(super) fn new(transport: T) -> Self {
        Self { transport, counters: Counters::default() }
    }
}

/// The outcomes there are, as labels.
const OUTCOMES: [&str; 7] = ["2xx", "4xx", "5xx", "timeout", "refused", "unreachable", "down"];

/// What is counted, looked up once: at the first call the recorder is there, when this is made it may not be yet.
#[derive(Default)]
struct Counters {
    calls: [OnceLock<Counter>; OUTCOMES.len()],
    duration: OnceLock<Histogram>,
}

impl Counters {
    fn count(&self, outcome: &'static str, elapsed: Duration) {
        let known = OUTCOMES.iter().zip(&self.calls).find(|(name, _)| **name == outcome);
        if let Some((_, counter)) = known {
            let counter = counter.get_or_init(|| metrics::counter!(metric::PROVIDER_REQUESTS, "outcome" => outcome));
            counter.increment(1);
        }
        let duration = self.duration.get_or_init(|| metrics::histogram!(metric::PROVIDER_DURATION));
        duration.record(elapsed.as_secs_f64());
    }
}

impl<T: Transport> Transport for Metered<T> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response>> {
        let started = Instant::now();
        let sent = self.transport.send(request);
        Box::pin(async move {
            let sent = sent.await;
            self.counters.count(outcome(&sent), started.elapsed());
            sent
        })
    }
}

fn outcome(sent: &Result<Response>) -> &'static str {
    match sent {
        Ok(response) => match response.status.as_u16() / 100 {
            1..=3 => "2xx",
            4 => "4xx",
            _ => "5xx",
        },
        Err(error) => match error.kind() {
            Kind::ProviderTimeout => "timeout",
            Kind::Forbidden => "refused",
            Kind::ProviderDown => "down",
            _ => "unreachable",
        },
    }
}
