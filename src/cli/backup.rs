//! `hubgate backup` and `hubgate restore`: the embedded store into a file and back.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;

use super::{Failure, load, runtime, say};
use crate::{
    clock::SystemClock,
    config::Sources,
    store::{self, Settings},
};

const AFTER_BACKUP: &str = "\
The gateway may run meanwhile. A backup is two files: FILE, the database without the keys of its instances, and the file of
these keys, which every backup replaces. What is in them is sealed; without the master key file, which is in neither, they
open nothing. Keep as many FILEs as you like, but only the latest keys: then the tokens of an instance that was deleted
cannot be brought back from any of them. FILE is never overwritten.

A store on PostgreSQL is backed up with pg_dump.

Examples:
  hubgate backup /backup/hubgate-2026-01-31.db
  hubgate backup /backup/hubgate.db --keys /vault/instance.keys";

const AFTER_RESTORE: &str = "\
The backup is looked through, brought to the schema of this version, and held against the master key, before it is put
where no database is: an existing one is never overwritten, and a gateway that runs is noticed. Instances that the keys no
longer know were deleted since; they are left out. OAuth tokens are those of the moment of the backup: where a provider has
replaced them since, the instance has to be authenticated anew.

Examples:
  hubgate restore /backup/hubgate-2026-01-31.db
  hubgate restore /backup/hubgate.db --keys /vault/instance.keys --data /data";

/// Back the embedded store up, while it is served
#[derive(Debug, Args)]
#[command(after_help = AFTER_BACKUP)]
pub(super) struct Backup {
    /// The backup; must not exist yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The keys of its instances; replaced [default: instance.keys beside FILE]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Data directory [default: hubgate-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

/// Put the embedded store back from a backup
#[derive(Debug, Args)]
#[command(after_help = AFTER_RESTORE)]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The keys of its instances [default: instance.keys beside FILE]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Data directory, made when missing [default: hubgate-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

fn keys_of(file: &Path, given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(|| file.with_file_name("instance.keys"))
}

pub(super) fn back_up(arguments: &Backup, sources: Sources) -> Result<ExitCode, Failure> {
    let config = load(&sources.with_flag("--data", "store", "data_dir", arguments.data.clone()))?;
    let (file, keys) = (arguments.file.as_path(), keys_of(&arguments.file, arguments.keys.as_ref()));
    let made = runtime()?.block_on(store::back_up(&Settings::from(&config.store), file, &keys))?;
    say(format_args!(
        "{}: {} instances, schema {}; opens with master key {}\n{}: the keys of the instances; keep the latest only",
        file.display(),
        made.instances,
        made.schema,
        made.master_keys.join(", "),
        keys.display(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(arguments: &Restore, sources: Sources) -> Result<ExitCode, Failure> {
    let config = load(&sources.with_flag("--data", "store", "data_dir", arguments.data.clone()))?;
    let (file, keys) = (arguments.file.as_path(), keys_of(&arguments.file, arguments.keys.as_ref()));
    let settings = Settings::from(&config.store);
    let restored = runtime()?.block_on(store::restore(&settings, file, &keys, Arc::new(SystemClock)))?;
    let left = match restored.deleted_since {
        0 => String::new(),
        left => format!("; {left} that were deleted since are left out"),
    };
    say(format_args!("{} instances put back into {}{left}", restored.instances, config.store.data_dir.display()))?;
    Ok(ExitCode::SUCCESS)
}
