//! `hubgate pages`: a page about each element, made of its mapping files.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{Failure, load, say};
use crate::{
    catalog::{self, Refused},
    config::Sources,
    error::Error,
    pages,
};

const AFTER: &str = "\
Writes DIR/<key>.md for every element of the catalog, and an index in DIR/README.md. Files of other names are left alone.

Examples:
  hubgate pages docs/elements
  hubgate pages --check docs/elements";

/// Write a page about each element
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Where the pages go; made when it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Write nothing; exit with 1 when a page is missing or says something else
    #[arg(long)]
    check: bool,
}

fn wrong(refused: &Refused) -> Failure {
    Failure::Failed(Error::bad_request(refused.to_string()))
}

pub(super) fn run(arguments: &Arguments, sources: &Sources) -> Result<ExitCode, Failure> {
    let config = load(sources)?;
    let catalog = catalog::open(Some(&config.catalog.path)).map_err(|refused| wrong(&refused))?;
    let pages = pages::pages(&catalog).map_err(wrong)?;
    let mut stale = 0;
    if !arguments.check {
        fs::create_dir_all(&arguments.directory)?;
    }
    for (name, text) in &pages {
        let path = arguments.directory.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        stale += 1;
        if arguments.check {
            say(format!("{} is not what the mapping files say", path.display()))?;
        } else {
            fs::write(&path, text)?;
        }
    }
    if arguments.check {
        return Ok(if stale == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    say(format!("{} pages, {stale} of them new or changed", pages.len()))?;
    Ok(ExitCode::SUCCESS)
}
