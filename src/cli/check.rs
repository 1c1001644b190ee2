//! `hubgate check`: mapping files validated, and their examples run.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{Failure, load};
use crate::{catalog, config::Sources, gateway::examples};

const AFTER: &str = "\
Reads the built-in mapping files with those of PATH laid over them, and tells everything that is wrong at once: file,
JSON pointer, what is wrong, what would be right. Exit code 0: nothing; 1: something.

Examples:
  hubgate check
  hubgate check ./mappings";

/// Validate mapping files and run their examples
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Directory of mapping files [default: catalog.path of the settings]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, sources: &Sources) -> Result<ExitCode, Failure> {
    let config = load(sources)?;
    if let Some(path) = arguments.path.as_ref().filter(|path| !path.is_dir()) {
        return Err(Failure::Usage(format!("{} is not a directory", path.display())));
    }
    let directory = arguments.path.as_ref().unwrap_or(&config.catalog.path);
    let mut out = std::io::stdout().lock();
    let files = match catalog::files(Some(directory)) {
        Ok(files) => files,
        Err(refused) => {
            writeln!(out, "{refused}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let report = examples::check(&files);
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    writeln!(out, "{report}")?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
