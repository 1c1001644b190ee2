//! The sections, their keys, units and defaults.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::{NonZero, NonZeroU32},
    path::PathBuf,
    thread,
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de};
use url::Url;

/// More threads than any machine has processors would only be a slip of the hand.
const MOST_WORKERS: usize = 1024;

/// `[server]`: the API's listener and its limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on; port 0 takes a free one. Default `127.0.0.1:8080`.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The URL under which callers reach this gateway, for links in answers. Default: the `Host` of the request.
    #[serde(deserialize_with = "optional_url")]
    pub public_url: Option<Url>,
    /// The largest JSON body in bytes. Default 1 MiB.
    pub body_limit_bytes: usize,
    /// The largest upload in bytes. Default: no limit of ours.
    pub upload_limit_bytes: Option<u64>,
    /// Seconds from a request's last received byte to the head of its answer. Default 60.
    pub request_timeout_s: u64,
    /// Seconds in which a request's head must have arrived. Default 10.
    pub header_timeout_s: u64,
    /// Seconds of waiting in which a request's body must bring a further 8 KiB, or its end. Default 12.
    pub body_timeout_s: u64,
    /// Seconds a connection may be silent: between requests, or while it does not take our answer. Default 75.
    pub idle_timeout_s: u64,
    /// Seconds that calls in flight are given at shutdown. Default 30.
    pub drain_s: u64,
    /// The most connections at a time, and at most three quarters of the files the process may open; for further ones
    /// those leave that have kept us waiting longest. Default 10000.
    pub max_connections: usize,
    /// The most calls being answered at a time; further ones get 503 with `Retry-After` at once. Default 4000.
    pub max_in_flight: usize,
    /// Threads that serve connections, each of them with what it serves to itself. Default: one for each processor.
    pub workers: Option<NonZeroU32>,
    /// A PEM file with the certificate and its chain: the API is served by TLS. Read anew when it changes and on SIGHUP.
    /// Needs `tls_key_file`. Default: none, plain HTTP.
    pub tls_cert_file: Option<PathBuf>,
    /// A PEM file with the certificate's private key.
    pub tls_key_file: Option<PathBuf>,
    /// Origins whose scripts may read answers: `*` or exact origins such as `https://app.example`. Default `["*"]`
    /// (credentials travel in a header that a browser never adds by itself).
    pub allowed_origins: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: loopback(8080),
            public_url: None,
            body_limit_bytes: 1024 * 1024,
            upload_limit_bytes: None,
            request_timeout_s: 60,
            header_timeout_s: 10,
            body_timeout_s: 12,
            idle_timeout_s: 75,
            drain_s: 30,
            max_connections: 10_000,
            max_in_flight: 4_000,
            workers: None,
            tls_cert_file: None,
            tls_key_file: None,
            allowed_origins: vec!["*".to_owned()],
        }
    }
}

impl Server {
    /// From a request's last received byte to the head of its answer.
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_s)
    }

    /// In which a request's head must have arrived.
    pub const fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_s)
    }

    /// In which a request's body must bring something worth waiting for.
    pub const fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_s)
    }

    /// How long a connection may be silent.
    pub const fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_s)
    }

    /// Threads that serve connections.
    pub fn workers(&self) -> usize {
        let given = self.workers.map(|count| usize::try_from(count.get()).unwrap_or(MOST_WORKERS));
        let workers = given.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
        workers.min(MOST_WORKERS)
    }

    /// What calls in flight are given at shutdown.
    pub const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }
}

/// `[metrics]`: the metrics listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Address and port of the Prometheus endpoint `/metrics`; an empty text turns it off. Default `127.0.0.1:9464`.
    #[serde(deserialize_with = "optional_address")]
    pub listen: Option<SocketAddr>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: Some(loopback(9464)) }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line per event.
    #[default]
    Human,
    /// One JSON object per event.
    Json,
}

/// `[log]`: logging.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `human` or `json`. Default `human`.
    pub format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as `info,hubgate::grant=debug`.
    /// Default `info`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: "info".to_owned() }
    }
}

/// What an acknowledged write to the embedded store survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// Everything, also that the power fails.
    #[default]
    Full,
    /// The end of the process; when the power fails, the latest writes are lost.
    Normal,
}

/// `[store]`: where state is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// The data directory, made on first start; with `database_url` it holds only the journal of refreshed grants that the
    /// database could not take. Default `hubgate-data`.
    pub data_dir: PathBuf,
    /// The file with the master key, made (mode 0600) on first start. Default: `master.key` in the data directory; with
    /// `database_url` it must be named, and be the same on all nodes.
    pub master_key_file: Option<PathBuf>,
    /// A PostgreSQL database (`postgres://user:password@host/name?sslmode=require`) that any number of nodes share; the
    /// variable `DATABASE_URL` sets it, too. Default: an SQLite database in the data directory.
    #[serde(deserialize_with = "database_url")]
    pub database_url: Option<SecretString>,
    /// The most connections of this node to PostgreSQL. Default 10.
    pub max_connections: u32,
    /// `full`: a write to the embedded store is on the disk before it is acknowledged. `normal`: that is left to the
    /// system, which is faster and loses the latest writes, also refreshed grants, when the power fails. Default `full`.
    pub synchronous: Synchronous,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("hubgate-data"),
            master_key_file: None,
            database_url: None,
            max_connections: 10,
            synchronous: Synchronous::Full,
        }
    }
}

/// `[catalog]`: where mapping files come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Catalog {
    /// A directory laid over the built-in mapping files (a hub or element in it replaces the one of the same key whole);
    /// ignored when absent. Default `mappings`.
    pub path: PathBuf,
    /// Whether a change in that directory reloads the catalog, as SIGHUP does. Default true.
    pub watch: bool,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { path: PathBuf::from("mappings"), watch: true }
    }
}

/// `[egress]`: what may be called beyond the elements' own hosts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Hosts (`api.example.com`, `*.example.com`), addresses, networks (`10.1.0.0/16`), each also as `host:port`.
    /// An address, a network or a loopback name here also lifts the refusal of private addresses for itself.
    /// Default: none.
    pub allow: Vec<String>,
}

/// `[cache]`: the response cache.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// All entries together, in bytes. Default 64 MiB.
    pub max_bytes: u64,
    /// The largest body that is kept, in bytes. Default 1 MiB.
    pub max_entry_bytes: usize,
    /// A Redis (`redis://:password@host:6379/0`, `rediss://` with TLS) in which nodes share answers, sealed,
    /// and count rates together. Default: none.
    #[serde(deserialize_with = "redis_url")]
    pub redis_url: Option<SecretString>,
}

impl Default for Cache {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024 * 1024, max_entry_bytes: 1024 * 1024, redis_url: None }
    }
}

/// `[limits]`: limits on the work for one instance or one answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls of one instance that are on their way to its provider at a time. Default 64.
    pub instance_concurrency: usize,
    /// Calls of all instances that are on their way to one provider host at a time. Default 1000.
    pub origin_concurrency: usize,
    /// Calls that one instance may make in a minute, at this node or, with `cache.redis_url`, at all nodes with the same Redis.
    /// Default: no limit.
    pub instance_per_minute: Option<NonZeroU32>,
    /// Calls that one account may make in a minute, its instances' together, counted likewise. Default: no limit.
    pub account_per_minute: Option<NonZeroU32>,
    /// The largest JSON answer that is read from a provider, in bytes (files stream and have no limit). Default 16 MiB.
    pub max_response_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            instance_concurrency: 64,
            origin_concurrency: 1000,
            instance_per_minute: None,
            account_per_minute: None,
            max_response_bytes: 16 * 1024 * 1024,
        }
    }
}

/// `[links]`: links that work without credentials.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Links {
    /// Seconds a download link works. Default 3600.
    pub ttl_s: u64,
}

impl Default for Links {
    fn default() -> Self {
        Self { ttl_s: 3600 }
    }
}

/// `[grants]`: OAuth grants and their refresh.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Seconds before its expiry at which a token is refreshed. Default: a tenth of its lifetime, between 60 s and
    /// 15 min.
    pub refresh_margin_s: Option<u64>,
    /// Seconds a call waits for a refresh that another one runs. Default 12.
    pub wait_s: u64,
    /// Seconds a token endpoint is given for its answer. Default 10.
    pub token_timeout_s: u64,
    /// Seconds after which a refresh that gave no sign of life may be taken over. Default 30.
    pub lease_s: u64,
}

impl Default for Grants {
    fn default() -> Self {
        Self { refresh_margin_s: None, wait_s: 12, token_timeout_s: 10, lease_s: 30 }
    }
}

/// `[elements.<key>]`, by element key.
pub type Elements = BTreeMap<String, ElementSettings>;

/// `[elements.<key>]`: the operator's settings for one element.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElementSettings {
    /// Values of the element's configuration keys, as defaults of all its instances (`"oauth.api.key" = "…"`).
    pub configuration: BTreeMap<String, String>,
}

impl fmt::Debug for ElementSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values can be client secrets.
        f.debug_struct("ElementSettings").field("configuration", &self.configuration.keys()).finish()
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn parse_address<E: de::Error>(text: &str) -> Result<SocketAddr, E> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        E::custom(format_args!("{text:?} is no address and port; write one such as 127.0.0.1:8080 or [::]:8080"))
    })
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse_address(&String::deserialize(deserializer)?)
}

fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    match String::deserialize(deserializer)?.trim() {
        "" => Ok(None),
        text => parse_address(text).map(Some),
    }
}

fn optional_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    match String::deserialize(deserializer)?.trim() {
        "" => Ok(None),
        text => Url::parse(text).map(Some).map_err(|error| de::Error::custom(format_args!("{text:?}: {error}"))),
    }
}

/// A URL with one of these schemes and a host. It can hold a password, so no message repeats it.
fn service_url<'de, D: Deserializer<'de>>(
    deserializer: D,
    schemes: &[&str],
    example: &str,
) -> Result<Option<SecretString>, D::Error> {
    let text = SecretString::from(String::deserialize(deserializer)?);
    let given = text.expose_secret().trim();
    if given.is_empty() {
        return Ok(None);
    }
    match Url::parse(given) {
        Ok(url) if schemes.contains(&url.scheme()) => Ok(Some(SecretString::from(given))),
        Ok(_) => Err(de::Error::custom(format_args!(
            "the URL must begin with {}://; write {example}",
            schemes.join(":// or ")
        ))),
        Err(error) => Err(de::Error::custom(format_args!("no URL ({error}); write {example}"))),
    }
}

fn database_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    service_url(deserializer, &["postgres", "postgresql"], "postgres://user:password@host/database")
}

fn redis_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    service_url(deserializer, &["redis", "rediss"], "redis://:password@host:6379/0")
}
