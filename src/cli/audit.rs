//! `hubgate audit verify`: the audit log held against its own hashes.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};

use super::{Failure, load, runtime, say};
use crate::{
    clock::SystemClock,
    config::Sources,
    store::{self, AuditVerdict, Settings},
};

/// The audit log: who did what
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
}

const AFTER: &str = "\
Looks through the whole log: a record that was changed, taken out or put in is found, and so is a tail that was cut off.
The gateway may run meanwhile. What cannot be seen here is a whole database put back to an earlier state: note the head
that is printed somewhere else, and give it back with --head.

Exit code 0: every record is as it was written; 1: it is not, and the first record that does not fit is told, or the log
could not be looked through.

Examples:
  hubgate audit verify
  hubgate audit verify --head 1042:5b1e…";

/// Look for records that were changed, taken out or put in
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
struct Verify {
    /// A head that was printed earlier; the log must still hold this record
    #[arg(long, value_name = "NUMBER:HASH")]
    head: Option<String>,
    /// Data directory [default: hubgate-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
}

pub(super) fn run(arguments: &Arguments, sources: Sources) -> Result<ExitCode, Failure> {
    let Command::Verify(verify) = &arguments.command;
    let known = verify.head.as_deref().map(head).transpose()?;
    let config = load(&sources.with_flag("--data", "store", "data_dir", verify.data.clone()))?;
    let (verdict, earlier) = runtime()?.block_on(async {
        let store = store::open(&Settings::from(&config.store), Arc::new(SystemClock)).await?;
        let verdict = store.verify_audit().await?;
        let earlier = match &known {
            Some((number, hash)) => Some((number, store.audit_hash(*number).await?.as_ref() == Some(hash))),
            None => None,
        };
        store.close().await;
        Ok::<_, Failure>((verdict, earlier))
    })?;
    match (verdict, earlier) {
        (AuditVerdict::Broken { record, reason }, _) => {
            say(format_args!("the audit log is broken at record {record}: {reason}"))?;
            Ok(ExitCode::FAILURE)
        }
        (AuditVerdict::Whole { .. }, Some((number, false))) => {
            say(format_args!("the audit log is not the one that had record {number} with this hash"))?;
            Ok(ExitCode::FAILURE)
        }
        (AuditVerdict::Whole { records, head }, _) => {
            say(format_args!("{records} records, whole; head {records}:{head}"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn head(text: &str) -> Result<(i64, String), Failure> {
    text.split_once(':')
        .and_then(|(number, hash)| Some((number.parse().ok()?, hash.to_ascii_lowercase())))
        .ok_or_else(|| Failure::Usage(format!("--head: {text:?} is no head; write NUMBER:HASH as it was printed")))
}
