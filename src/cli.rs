//! The command line. Exit codes: 0 done, 1 it failed or found faults, 2 wrong usage or settings.

mod account;
mod audit;
mod backup;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod health;
mod key;
mod migrate;
mod pages;
mod serve;

use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, Invalid, Sources},
    error::Error,
    telemetry,
};

const EXIT_CODES: &str = "Exit codes: 0 done, 1 it failed or found faults, 2 wrong usage or settings.";

/// One uniform HTTP API per category of cloud services, over whichever provider an end user has connected.
#[derive(Debug, Parser)]
#[command(name = "hubgate", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Arguments {
    /// Settings file (TOML)
    #[arg(long, global = true, env = "HUBGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    #[cfg(feature = "demo")]
    Demo(demo::Arguments),
    Check(check::Arguments),
    Pages(pages::Arguments),
    Account(account::Arguments),
    Audit(audit::Arguments),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Key(key::Arguments),
    Migrate(migrate::Arguments),
    Health(health::Arguments),
}

/// Parses the process's arguments and does what they say.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let printed = error.print();
            let code = if error.use_stderr() { 2 } else { 0 };
            return ExitCode::from(if printed.is_ok() { code } else { 1 });
        }
    };
    let code = match run(arguments) {
        Ok(code) => code,
        Err(error) => error.report(),
    };
    telemetry::flush_logs();
    code
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let sources = Sources::of_process(arguments.config.as_deref());
    match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments, sources),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(&arguments, sources),
        Command::Check(arguments) => check::run(&arguments, &sources),
        Command::Pages(arguments) => pages::run(&arguments, &sources),
        Command::Account(arguments) => account::run(&arguments, sources),
        Command::Audit(arguments) => audit::run(&arguments, sources),
        Command::Backup(arguments) => backup::back_up(&arguments, sources),
        Command::Restore(arguments) => backup::restore(&arguments, sources),
        Command::Key(arguments) => key::run(&arguments, sources),
        Command::Migrate(arguments) => migrate::run(&arguments, sources),
        Command::Health(arguments) => health::run(&arguments, sources),
    }
}

/// Why a command ends with something else than 0.
#[derive(Debug)]
enum Failure {
    /// The settings cannot be used.
    Settings(Invalid),
    /// The command cannot be meant like this.
    Usage(String),
    /// It went wrong.
    Failed(Error),
    /// Nothing could be written or waited for.
    Io(io::Error),
}

impl Failure {
    fn report(&self) -> ExitCode {
        let (code, text) = match self {
            Self::Settings(invalid) => (2, invalid.to_string()),
            Self::Usage(text) => (2, text.clone()),
            Self::Failed(error) => (1, chain(error)),
            Self::Io(error) => (1, error.to_string()),
        };
        // Where standard error is closed there is nobody to tell.
        drop(writeln!(io::stderr(), "hubgate: {text}"));
        ExitCode::from(code)
    }
}

/// An error with its causes, as far as they say something new.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::Settings(invalid)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes one line to standard output.
fn say(line: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn load(sources: &Sources) -> Result<Config, Invalid> {
    Config::load(sources)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_chain_says_nothing_twice() {
        let error = Error::internal(io::Error::other("disk"));
        assert_eq!(chain(&error), "Internal server error: disk");
        let told = Error::unauthorized("no disk").with_source(io::Error::other("disk"));
        assert_eq!(chain(&told), "no disk");
    }
}
