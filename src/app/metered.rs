//! Counts what leaves the process.

use tokio::time::Instant;

use crate::{
    error::{Kind, Result},
    telemetry::metric,
    upstream::{Request, Response, Transport},
};

/// A transport whose calls are counted and timed.
pub(super) struct Metered<T>(pub(super) T);

#[async_trait::async_trait]
impl<T: Transport> Transport for Metered<T> {
    async fn send(&self, request: Request) -> Result<Response> {
        let started = Instant::now();
        let sent = self.0.send(request).await;
        let outcome = match &sent {
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
        };
        metrics::counter!(metric::PROVIDER_REQUESTS, "outcome" => outcome).increment(1);
        metrics::histogram!(metric::PROVIDER_DURATION).record(started.elapsed().as_secs_f64());
        sent
    }
}
