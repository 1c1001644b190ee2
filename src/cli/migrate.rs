//! `hubgate migrate`: the store brought to the schema of this version.

use std::{process::ExitCode, sync::Arc};

use clap::Args;

use super::{Failure, load, runtime, say};
use crate::{
    clock::SystemClock,
    config::Sources,
    store::{self, Settings},
};

const AFTER: &str = "\
`hubgate serve` does the same at its start; run this first where a new version is rolled out node by node, or where nodes
may not change the schema. Several at once are safe. A database that is newer than this version is refused and not
touched. Exit code 0: the store is at the newest schema; 1: it is not.

Examples:
  hubgate migrate
  DATABASE_URL=postgres://hubgate@db.internal/hubgate HUBGATE_STORE__MASTER_KEY_FILE=/run/hubgate.key hubgate migrate";

/// Bring the store to the schema of this version
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Data directory, made when missing [default: hubgate-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

pub(super) fn run(arguments: &Arguments, sources: Sources) -> Result<ExitCode, Failure> {
    let config = load(&sources.with_flag("--data", "store", "data_dir", arguments.data.clone()))?;
    let schema = runtime()?.block_on(async {
        let store = store::open(&Settings::from(&config.store), Arc::new(SystemClock)).await?;
        let schema = store.schema();
        store.close().await;
        Ok::<_, Failure>(schema)
    })?;
    say(format_args!("the store is at schema {schema}"))?;
    Ok(ExitCode::SUCCESS)
}
