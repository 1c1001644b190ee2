//! A running gateway: its listeners and how it ends.

use std::{io, net::SocketAddr};

use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Front, operations_router,
    server::{Tls, Workers, serve, serve_by},
};
use crate::{
    app::App,
    error::{Error, Kind, Result},
    telemetry,
};

/// Connections that may wait to be accepted. Those of a burst that find no place there are lost, without a word to
/// either side.
const BACKLOG: u32 = 4096;

/// A gateway that serves on its listeners until [`stop`](Self::stop).
#[derive(Debug)]
pub struct Serving {
    app: App,
    /// Where the API listens.
    pub address: SocketAddr,
    /// Where metrics and health checks listen, if they do.
    pub metrics_address: Option<SocketAddr>,
    api: JoinHandle<bool>,
    operations: Option<JoinHandle<bool>>,
    stop_operations: CancellationToken,
    upkeep: JoinHandle<()>,
    tls: Option<Tls>,
}

impl Serving {
    /// Binds the configured listeners and begins to serve, in the runtime of whoever awaits it.
    ///
    /// # Errors
    /// When an address cannot be bound, or the TLS certificate cannot be used.
    pub async fn start(app: App) -> Result<Self> {
        Self::start_with(app, 0).await
    }

    /// As [`start`](Self::start), with so many threads of their own that serve the connections of the API.
    ///
    /// # Errors
    /// As [`start`](Self::start), and when the machine gives no thread.
    #[expect(clippy::unused_async, reason = "what it starts lives in the runtime of whoever awaits it")]
    pub async fn start_with(app: App, workers: usize) -> Result<Self> {
        let workers = Workers::start(workers).map_err(Error::internal)?;
        let recorder = telemetry::metrics_recorder().map_err(Error::internal)?;
        let server = app.config.server.clone();
        let tls = Tls::load(&server)?;
        let (listener, address) = bind("server.listen", server.listen)?;
        let stop_operations = CancellationToken::new();
        let mut metrics_address = None;
        let mut operations = None;
        if let Some(listen) = app.config.metrics.listen {
            let (listener, address) = bind("metrics.listen", listen)?;
            metrics_address = Some(address);
            let front = Front::new(app.clone(), operations_router(app.clone(), recorder.clone()), false);
            let (settings, stop) = (server.clone(), stop_operations.clone());
            operations = Some(tokio::spawn(async move { serve(listener, front, &settings, None, stop).await }));
        }
        let front = Front::of_api(app.clone());
        let stop = app.shutdown.clone();
        if let Some(tls) = tls.clone() {
            app.tracker.spawn(tls.follow(app.shutdown.clone()));
        }
        let accepting = tls.clone();
        let api = tokio::spawn(async move { serve_by(workers, listener, front, &server, accepting, stop).await });
        let upkeep = tokio::spawn(async move {
            let mut due = tokio::time::interval(telemetry::UPKEEP_INTERVAL);
            loop {
                due.tick().await;
                recorder.run_upkeep();
            }
        });
        app.watch_catalog();
        app.keep_grants_alive();
        app.prepare_elements();
        Ok(Self { app, address, metrics_address, api, operations, stop_operations, upkeep, tls })
    }

    /// Reads anew what the running gateway takes from files: mapping files, the TLS certificate.
    ///
    /// What is wrong with them is logged, and the old ones serve on.
    pub async fn reload(&self) {
        if let Some(tls) = &self.tls {
            tls.reload_and_tell();
        }
        // Its findings are logged.
        drop(self.app.reload_catalog().await);
    }

    /// Takes no new connections, lets calls in flight finish, then closes everything.
    ///
    /// Gives back whether all of them finished in time.
    pub async fn stop(self) -> bool {
        self.app.shutdown.cancel();
        let drained = self.api.await.unwrap_or(false);
        self.app.close().await;
        // The last to go, so that the drain can be watched.
        self.stop_operations.cancel();
        if let Some(operations) = self.operations {
            operations.abort();
        }
        self.upkeep.abort();
        drained
    }
}

fn bind(key: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let refused = |error: io::Error| {
        Error::new(Kind::Internal, format!("{key}: cannot listen on {address}: {error}")).with_source(error)
    };
    let listener = listen(address).map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart need not wait for the connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
