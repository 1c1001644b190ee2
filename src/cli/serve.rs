//! `hubgate serve`: the gateway until it is told to stop.

use std::{io, process::ExitCode, sync::Arc};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, load};
use crate::{
    api::Serving,
    app::App,
    clock::SystemClock,
    config::Sources,
    telemetry::{self, Output},
    upstream,
};

const AFTER: &str = "\
Settings: built-in defaults, then the file (--config), then HUBGATE_SECTION__KEY from the environment, then flags.
SIGTERM or SIGINT stops it once the calls in flight are done (server.drain_s); a second signal stops it at once.
SIGHUP reads the mapping files and the TLS certificate anew. Logs go to standard output.

Examples:
  hubgate serve
  hubgate serve --config /etc/hubgate.toml --listen 0.0.0.0:8080
  HUBGATE_LOG__FORMAT=json HUBGATE_STORE__DATA_DIR=/data hubgate serve";

/// Serve the API
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Data directory, made when missing [default: hubgate-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Directory of mapping files laid over the built-in ones [default: mappings]
    #[arg(long, value_name = "DIR")]
    mappings: Option<String>,
}

pub(super) fn run(arguments: &Arguments, sources: Sources) -> Result<ExitCode, Failure> {
    let sources = sources
        .with_flag("--listen", "server", "listen", arguments.listen.clone())
        .with_flag("--data", "store", "data_dir", arguments.data.clone())
        .with_flag("--mappings", "catalog", "path", arguments.mappings.clone());
    let config = load(&sources)?;
    start_logs(&config.log, Output::Stdout)?;
    telemetry::prepare_metrics();
    // It accepts connections and looks after things; calls are served by workers of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let app = App::build(config, Arc::new(SystemClock)).await?;
        let mut signals = Signals::new()?;
        let serving = Serving::start_with(app.clone(), app.config.server.workers()).await?;
        tracing::info!(address = %serving.address, metrics = ?serving.metrics_address, "listening");
        // Not before: there may be but one processor to start with.
        upstream::read_authorities();
        attend(&mut signals, app, serving).await
    });
    // After a second signal nothing is waited for.
    runtime.shutdown_background();
    outcome
}

/// Starts logging, and sends panics there without their text, which can quote data.
pub(super) fn start_logs(settings: &crate::config::Log, output: Output) -> Result<(), Failure> {
    telemetry::init_logs(settings, output).map_err(|error| Failure::Io(io::Error::other(error)))?;
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, "a panic");
    }));
    Ok(())
}

/// The signals a server listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until a signal ends it.
pub(super) async fn attend(signals: &mut Signals, app: App, serving: Serving) -> Result<ExitCode, Failure> {
    loop {
        tokio::select! {
            _ = signals.hang_up.recv() => serving.reload().await,
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
        }
    }
    tracing::info!(drain_s = app.config.server.drain_s, "stopping once the calls in flight are done");
    tokio::select! {
        drained = serving.stop() => {
            if drained {
                tracing::info!("stopped");
            } else {
                tracing::warn!("stopped with calls still in flight");
            }
            Ok(ExitCode::SUCCESS)
        }
        () = signals.stop() => {
            tracing::warn!("stopped at once by a second signal");
            Ok(ExitCode::FAILURE)
        }
    }
}
