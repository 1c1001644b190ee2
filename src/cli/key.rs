//! `hubgate key`: another master key, while gateways serve.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};

use super::{Failure, load, runtime, say};
use crate::{
    clock::SystemClock,
    config::Sources,
    store::{self, Settings},
};

/// Master keys: list, rotate, remove
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Data directory [default: hubgate-data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell which keys there are, and how much is sealed under each
    #[command(after_help = "Examples:\n  hubgate key list")]
    List,
    /// Put a new key behind the others in the key file, for `rotate` to use
    #[command(after_help = AFTER_ADD)]
    Add,
    /// Seal everything anew under another key, while gateways serve
    #[command(after_help = AFTER_ROTATE)]
    Rotate,
    /// Take a key out of use and out of the key file
    #[command(after_help = AFTER_REMOVE)]
    Remove {
        /// The key's id, as `list` and `rotate` tell it
        #[arg(value_name = "ID")]
        id: String,
    },
}

const AFTER_ADD: &str = "\
Needed with PostgreSQL only, where every node has a key file of its own: add a key on one node, copy its file to the others,
then rotate. Running gateways take the file up by themselves.

Examples:
  hubgate key add";

const AFTER_ROTATE: &str = "\
With the embedded store a new key is made; with PostgreSQL the one that `hubgate key add` made is used. What is new is
sealed under it from then on, and what is there is sealed anew row by row; gateways serve meanwhile. Stopped half-way, the
same command goes on. The old key stays in the file until it is removed.

Examples:
  hubgate key rotate
  hubgate key rotate --data /data";

const AFTER_REMOVE: &str = "\
Refused while anything is sealed under the key. With PostgreSQL run it on every node; the first one takes the key out of
use, and each one out of its own file. Backups from before the rotation need the old key: keep a copy of it as long as you
want to be able to use them, and destroy every copy to make them unreadable.

Examples:
  hubgate key remove 5b1e09aa";

pub(super) fn run(arguments: &Arguments, sources: Sources) -> Result<ExitCode, Failure> {
    let config = load(&sources.with_flag("--data", "store", "data_dir", arguments.data.clone()))?;
    let (settings, clock) = (Settings::from(&config.store), Arc::new(SystemClock));
    let runtime = runtime()?;
    match &arguments.command {
        Command::List => {
            let (known, held) = runtime.block_on(store::list_keys(&settings, clock))?;
            for key in &known {
                let state = match key.removed_at {
                    Some(at) => format!("removed {}", at.format("%F")),
                    None if key.seals => "seals what is new".to_owned(),
                    None => "opens what it sealed".to_owned(),
                };
                say(format_args!("{}  {}  {} rows  {state}", key.id, key.created_at.format("%F"), key.rows))?;
            }
            for id in held.iter().filter(|id| known.iter().all(|key| key.id != **id)) {
                say(format_args!("{id}  new, for `hubgate key rotate`"))?;
            }
        }
        Command::Add => {
            let id = runtime.block_on(store::add_key(&settings, clock))?;
            say(format_args!("{id} is in the key file; copy the file to every node, then run `hubgate key rotate`"))?;
        }
        Command::Rotate => {
            let rotated = runtime.block_on(store::rotate_key(&settings, clock))?;
            let how =
                if rotated.turned { "seals from now on" } else { "seals already; the rotation to it was finished" };
            say(format_args!("{} {how}; {} rows sealed anew", rotated.key, rotated.rows))?;
            for id in &rotated.spare {
                say(format_args!("{id} is not needed any more: `hubgate key remove {id}`"))?;
            }
        }
        Command::Remove { id } => {
            runtime.block_on(store::remove_key(&settings, clock, id))?;
            say(format_args!("{id} is removed"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
