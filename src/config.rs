//! Settings: built-in defaults, then a TOML file, then `HUBGATE_*` from the environment, then command-line flags.
//!
//! Each later layer wins over the earlier ones, key by key. Nothing else in hubgate reads the environment. A setting
//! that is unknown or unreadable stops the start, and all such settings are named at once, each with its place.
//!
//! ```
//! let config = hubgate::config::Config::default();
//! assert_eq!(config.server.listen.port(), 8080);
//! assert_eq!(config.server.request_timeout().as_secs(), 60);
//! ```

mod layers;
mod sections;

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

pub use sections::{
    Cache, Catalog, Egress, ElementSettings, Elements, Grants, Limits, Links, Log, LogFormat, Metrics, Server, Store,
    Synchronous,
};

/// All settings, one struct per section.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The API's listener and its limits.
    pub server: Server,
    /// The metrics listener.
    pub metrics: Metrics,
    /// Logging.
    pub log: Log,
    /// Where state is kept.
    pub store: Store,
    /// Where mapping files come from.
    pub catalog: Catalog,
    /// What may be called beyond the elements' own hosts.
    pub egress: Egress,
    /// The response cache.
    pub cache: Cache,
    /// Limits on the work for one instance or one answer.
    pub limits: Limits,
    /// Links that work without credentials.
    pub links: Links,
    /// OAuth grants and their refresh.
    pub grants: Grants,
    /// The operator's configuration per element key.
    pub elements: Elements,
}

/// A flag of the command line that sets one key.
#[derive(Debug, Clone)]
pub struct Override {
    /// The section's name.
    pub section: &'static str,
    /// The key within the section.
    pub key: &'static str,
    /// The value as it was given.
    pub value: String,
    /// The flag as the user knows it, for messages.
    pub flag: &'static str,
}

/// Where settings come from, besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file, if one is named.
    pub file: Option<PathBuf>,
    /// Environment variables; only `HUBGATE_*` and `DATABASE_URL` are looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags.
    pub overrides: Vec<Override>,
}

impl Sources {
    /// The process's environment and, if named, a file.
    pub fn of_process(file: Option<&Path>) -> Self {
        Self { file: file.map(Path::to_owned), environment: std::env::vars_os().collect(), overrides: Vec::new() }
    }

    /// Adds a flag, if it was given.
    pub fn with_flag(
        mut self,
        flag: &'static str,
        section: &'static str,
        key: &'static str,
        value: Option<String>,
    ) -> Self {
        self.overrides.extend(value.map(|value| Override { section, key, value, flag }));
        self
    }
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// [`Invalid`] with every unknown or unreadable setting of every layer.
    pub fn load(sources: &Sources) -> Result<Self, Invalid> {
        layers::load(sources)
    }
}

/// One setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands: a file and key, an environment variable, a flag.
    pub place: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// The settings cannot be used; holds everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Every finding.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        for Problem { place, message } in &self.problems {
            write!(f, "\n  {place}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}
