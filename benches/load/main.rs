//! The load bench: hubgate beside plain proxies on one machine, in one run.
//!
//! ```text
//! cargo bench --bench load                      every scenario, at 16, 64 and 256 connections
//! cargo bench --bench load -- a b e --quick     some of them, short
//! ```
//!
//! Driver and provider are in this process; what is measured are the processes it starts: nginx, a static axum
//! program, a naive gateway, and the release build of hubgate with a store, metrics, request ids and logs. Every answer
//! is compared with an independent translation before anything is timed. The main figure is the processor time of the
//! process tree per request, which neighbours on the machine disturb least; ratios are taken inside each round.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench prints its table, and says what is wrong by failing"
)]

mod documents;
mod driver;
mod machine;
mod nginx;
mod options;
mod process;
mod programs;
mod provider;
mod report;
mod rig;
mod rounds;
mod scenarios;
mod served;
mod wire;

use std::{error::Error, process::ExitCode};

use options::Options;

/// Anything that ends the bench, or a scenario, early.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    if let Some(role) = programs::role() {
        return finish(programs::run(role));
    }
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        // Whatever ends first, the children end with the values that hold them.
        tokio::select! {
            ended = scenarios::run(options) => ended,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
        }
    });
    finish(ended)
}

fn finish(ended: Outcome<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
