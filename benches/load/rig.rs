//! Everything that runs during a comparison: provider, nginx, the two axum programs, hubgate.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
};

use tempfile::TempDir;

use super::{
    Outcome,
    nginx::Nginx,
    options::Options,
    process::{Process, command},
    programs,
    provider::Provider,
    served::{self, Setting},
};

/// The mapping files of the bench's own elements.
pub fn mappings() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/load/mappings")
}

/// What all scenarios share.
pub struct Rig {
    pub options: Options,
    pub binary: PathBuf,
    pub provider: Provider,
    pub home: TempDir,
}

/// A child of this executable.
#[derive(Debug)]
pub struct Program {
    pub process: Process,
    pub address: SocketAddr,
}

impl Rig {
    pub fn new(options: Options) -> Outcome<Self> {
        let binary = match &options.binary {
            Some(binary) => std::path::absolute(binary)?,
            None => served::build()?,
        };
        let provider = Provider::start(options.file_bytes)?;
        Ok(Self { options, binary, provider, home: tempfile::tempdir()? })
    }

    /// What a hubgate with a data directory of its own runs with.
    pub fn setting(&self, name: &str) -> Setting {
        Setting {
            binary: self.binary.clone(),
            home: self.home.path().join(name),
            provider: self.provider.address,
            mappings: mappings(),
            database: None,
        }
    }

    pub async fn nginx(&self) -> Outcome<Nginx> {
        Nginx::start(self.home.path(), self.provider.address).await
    }

    /// Starts `static` or `naive`.
    pub fn program(&self, role: &str) -> Outcome<Program> {
        let mut command = command(std::env::current_exe()?);
        command.env(programs::ROLE, role).env(programs::PROVIDER, format!("http://{}", self.provider.address));
        let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::inherit()))?;
        let mut line = String::new();
        let stdout = process.stdout().ok_or("no pipe")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| format!("the program `{role}` did not start: {line}"))?;
        Ok(Program { process, address })
    }
}
