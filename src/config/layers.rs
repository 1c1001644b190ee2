//! Lays the sources over each other and collects everything that is wrong with any of them.
//!
//! Every key is read into its section alone, so that each finding belongs to exactly one place and none hides another.

use serde::Deserialize;
use toml::{Table, Value};
use tracing_subscriber::filter::Targets;

use super::{Config, Invalid, Override, Problem, Sources};

const PREFIX: &str = "HUBGATE_";
/// What platforms call the setting `store.database_url`.
const DATABASE_URL: &str = "DATABASE_URL";
const ELEMENTS: &str = "elements";
const SECTIONS: [&str; 11] =
    ["server", "metrics", "log", "store", "catalog", "egress", "cache", "limits", "links", "grants", ELEMENTS];

pub(super) fn load(sources: &Sources) -> Result<Config, Invalid> {
    let mut layers = Layers::default();
    if let Some(path) = &sources.file {
        layers.file(path);
    }
    // The usual name first, so that our own wins over it.
    if let Some((_, value)) = sources.environment.iter().find(|(name, _)| name == DATABASE_URL) {
        match value.to_str() {
            Some(value) => layers.set(DATABASE_URL, "store", "database_url", &[Value::String(value.to_owned())]),
            None => layers.complain(DATABASE_URL, "is not UTF-8"),
        }
    }
    for (name, value) in &sources.environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        match value.to_str() {
            Some(value) => layers.variable(name, value),
            None => layers.complain(name, "is not UTF-8"),
        }
    }
    for Override { section, key, value, flag } in &sources.overrides {
        layers.set(flag, section, key, &readings(value));
    }
    layers.finish()
}

#[derive(Default)]
struct Layers {
    accepted: Table,
    problems: Vec<Problem>,
}

impl Layers {
    fn complain(&mut self, place: &str, message: impl Into<String>) {
        self.problems.push(Problem { place: place.to_owned(), message: message.into() });
    }

    fn file(&mut self, path: &std::path::Path) {
        let place = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.complain(&place, format!("cannot be read: {error}")),
        };
        let table = match text.parse::<Table>() {
            Ok(table) => table,
            // `message` alone: the full text quotes the line, and a line can hold a secret.
            Err(error) => {
                let line =
                    error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
                let place = line.map_or_else(|| place.clone(), |line| format!("{place}:{line}"));
                return self.complain(&place, format!("is not TOML: {}", error.message()));
            }
        };
        for (section, value) in table {
            let place = format!("{place}: {section}");
            match value {
                _ if !SECTIONS.contains(&section.as_str()) => {
                    self.complain(&place, format!("no such section{}", nearest(&section, &SECTIONS)));
                }
                Value::Table(keys) => {
                    for (key, value) in keys {
                        self.set(&format!("{place}.{key}"), &section, &key, &[value]);
                    }
                }
                _ => self.complain(&place, format!("is a section: write [{section}]")),
            }
        }
    }

    /// `HUBGATE_SECTION__KEY`, or `HUBGATE_ELEMENTS__<ELEMENT>__<CONFIGURATION_KEY>` with `_` for `.` in the last part.
    fn variable(&mut self, name: &str, value: &str) {
        let lower = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
        let parts: Vec<&str> = lower.split("__").collect();
        match *parts.as_slice() {
            [ELEMENTS, element, key] => {
                let key = if key.contains('.') { key.to_owned() } else { key.replace('_', ".") };
                let configuration = Table::from_iter([(key, Value::String(value.to_owned()))]);
                let settings = Table::from_iter([("configuration".to_owned(), Value::Table(configuration))]);
                self.set(name, ELEMENTS, element, &[Value::Table(settings)]);
            }
            [section, key] if SECTIONS.contains(&section) && section != ELEMENTS => {
                self.set(name, section, key, &readings(value));
            }
            [section, _, ..] => {
                self.complain(name, format!("no such section{}", nearest(section, &SECTIONS)));
            }
            // Orchestrators put names such as HUBGATE_PORT or HUBGATE_SERVICE_HOST there; only a slip is ours.
            _ => {
                let slip = SECTIONS.iter().find_map(|section| {
                    let key = lower.strip_prefix(section)?.strip_prefix('_')?;
                    readings(value).iter().any(|value| probe(section, key, value).is_ok()).then_some((*section, key))
                });
                if let Some((section, key)) = slip {
                    let right = format!("{PREFIX}{section}__{key}").to_ascii_uppercase();
                    self.complain(name, format!("section and key are parted by two underscores: write {right}"));
                }
            }
        }
    }

    /// Sets one key to the first reading that its section takes.
    fn set(&mut self, place: &str, section: &str, key: &str, readings: &[Value]) {
        let mut first_error = None;
        for value in readings {
            match probe(section, key, value) {
                Ok(()) => {
                    let keys = self.accepted.entry(section).or_insert_with(|| Value::Table(Table::new()));
                    merge(keys, key, value.clone());
                    return;
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Some(message) = first_error {
            self.complain(place, message);
        }
    }

    fn finish(mut self) -> Result<Config, Invalid> {
        let config = match Config::deserialize(Value::Table(self.accepted.clone())) {
            Ok(config) => config,
            Err(error) => {
                self.complain("configuration", error.message());
                return Err(Invalid { problems: self.problems });
            }
        };
        self.check(&config);
        if self.problems.is_empty() { Ok(config) } else { Err(Invalid { problems: self.problems }) }
    }

    /// What a type alone cannot say.
    fn check(&mut self, config: &Config) {
        let positive = [
            ("server.request_timeout_s", config.server.request_timeout_s),
            ("server.header_timeout_s", config.server.header_timeout_s),
            ("server.idle_timeout_s", config.server.idle_timeout_s),
            ("server.max_connections", config.server.max_connections as u64),
            ("server.max_in_flight", config.server.max_in_flight as u64),
            ("server.body_limit_bytes", config.server.body_limit_bytes as u64),
            ("limits.instance_concurrency", config.limits.instance_concurrency as u64),
            ("limits.origin_concurrency", config.limits.origin_concurrency as u64),
            ("limits.max_response_bytes", config.limits.max_response_bytes as u64),
            ("store.max_connections", u64::from(config.store.max_connections)),
            ("links.ttl_s", config.links.ttl_s),
            ("grants.wait_s", config.grants.wait_s),
            ("grants.token_timeout_s", config.grants.token_timeout_s),
        ];
        for (key, value) in positive {
            if value == 0 {
                self.complain(key, "must be at least 1");
            }
        }
        if config.store.database_url.is_some() && config.store.master_key_file.is_none() {
            let remedy = "must be set with store.database_url: all nodes need the same master key. Name a file; the first \
                          start makes it, and every other node needs a copy of it";
            self.complain("store.master_key_file", remedy);
        }
        if config.cache.redis_url.is_some() && config.store.database_url.is_none() {
            let remedy = "is for several nodes, which need store.database_url as well; one node caches in memory";
            self.complain("cache.redis_url", remedy);
        }
        if config.grants.lease_s <= config.grants.token_timeout_s.saturating_mul(2) {
            self.complain("grants.lease_s", "must be more than twice grants.token_timeout_s");
        }
        for (key, given, other) in [
            ("server.tls_key_file", &config.server.tls_key_file, &config.server.tls_cert_file),
            ("server.tls_cert_file", &config.server.tls_cert_file, &config.server.tls_key_file),
        ] {
            if given.is_none() && other.is_some() {
                self.complain(key, "is missing: certificate and key are given together");
            }
        }
        if let Some(url) = &config.server.public_url
            && (!matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some())
        {
            self.complain("server.public_url", "must be an http or https URL without query and fragment");
        }
        for entry in &config.egress.allow {
            if entry.is_empty() || entry.contains("://") || entry.contains(char::is_whitespace) {
                self.complain(
                    "egress.allow",
                    format!("{entry:?}: write a host, *.host, address or network, with or without :port"),
                );
            }
        }
        if let Err(error) = config.log.level.parse::<Targets>() {
            self.complain("log.level", format!("{:?}: {error}", config.log.level));
        }
    }
}

/// Whether `section` takes `value` under `key`.
fn probe(section: &str, key: &str, value: &Value) -> Result<(), String> {
    let keys = Table::from_iter([(key.to_owned(), value.clone())]);
    let whole = Table::from_iter([(section.to_owned(), Value::Table(keys))]);
    Config::deserialize(Value::Table(whole)).map(drop).map_err(|error| error.message().to_owned())
}

/// What a text from the environment or the command line can mean: itself, a TOML value, a comma-separated list.
fn readings(text: &str) -> Vec<Value> {
    let mut readings = vec![Value::String(text.to_owned())];
    readings.extend(format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value")));
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    readings.push(items.map(|item| Value::String(item.to_owned())).collect::<Vec<_>>().into());
    readings
}

/// Puts `value` under `key`; tables are merged key by key.
fn merge(target: &mut Value, key: &str, value: Value) {
    let Value::Table(target) = target else { return };
    match (target.get_mut(key), value) {
        (Some(existing @ Value::Table(_)), Value::Table(incoming)) => {
            for (key, value) in incoming {
                merge(existing, &key, value);
            }
        }
        (_, value) => {
            target.insert(key.to_owned(), value);
        }
    }
}

/// `; did you mean …?`, where something is near enough.
fn nearest(word: &str, known: &[&str]) -> String {
    let best = known.iter().map(|known| (strsim::jaro_winkler(word, known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, known)) if score > 0.8 => format!("; did you mean {known}?"),
        _ => format!("; there are {}", known.join(", ")),
    }
}
