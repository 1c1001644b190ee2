//! hubgate under test: the release build with a sealed store, metrics, request ids and logs at info.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Outcome,
    nginx::{free_port, reachable},
    process::{Process, command},
    provider::{EXPIRED, TOKEN},
    wire::{Wire, request},
};

/// Where the contract's paths begin.
pub const BASE: &str = "/elements/api-v2";

/// A running hubgate.
#[derive(Debug)]
pub struct Hubgate {
    pub process: Process,
    pub address: SocketAddr,
    /// From exec to the first answer of the readiness check.
    pub ready: Duration,
    account: String,
}

/// What an instance is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kind {
    /// Seconds its answers are cached; 0 for not.
    pub cached_s: u64,
    /// Its access token has expired.
    pub expired: bool,
}

/// What a hubgate runs with.
#[derive(Debug, Clone)]
pub struct Setting {
    pub binary: PathBuf,
    /// Holds the data directory and the configuration.
    pub home: PathBuf,
    pub provider: SocketAddr,
    pub mappings: PathBuf,
    /// A PostgreSQL database in place of the embedded store.
    pub database: Option<String>,
}

impl Setting {
    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// What a store that is no file needs besides: where it is, and a master key of one's own.
    fn shared(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let key = self.home.join("master.key");
        self.database
            .iter()
            .flat_map(move |url| [("DATABASE_URL", url.into()), ("HUBGATE_STORE__MASTER_KEY_FILE", key.clone().into())])
    }

    fn write(&self, listen: SocketAddr) -> Outcome<PathBuf> {
        let file = self.home.join("hubgate.toml");
        let base = format!("http://{}", self.provider);
        let client = "\"oauth.api.key\" = \"id\"\n\"oauth.api.secret\" = \"secret\"\n\"oauth.callback.url\" = \"https://app.example/back\"";
        let token = format!("\"oauth.token.url\" = \"{base}/oauth/token\"");
        let elements: String = ["benchcrm", "benchfiles", "hubspotcrm", "dropbox"]
            .map(|key| format!("[elements.{key}.configuration]\n\"base.url\" = \"{base}\"\n{client}\n{token}\n"))
            .concat();
        let text = format!(
            "[server]\nlisten = \"{listen}\"\nmax_connections = 16000\nidle_timeout_s = 600\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
             [log]\nformat = \"json\"\n[store]\ndata_dir = \"{}\"\n[catalog]\npath = \"{}\"\nwatch = false\n\
             [egress]\nallow = [\"127.0.0.1\"]\n{elements}",
            self.data().display(),
            self.mappings.display(),
        );
        fs::write(&file, text)?;
        Ok(file)
    }

    /// Makes the account; `User …, Organization …`.
    pub fn account(&self) -> Outcome<String> {
        let kept = self.home.join("account");
        if let Ok(account) = fs::read_to_string(&kept) {
            return Ok(account);
        }
        let mut command = Command::new(&self.binary);
        command.envs(self.shared());
        command.args(["account", "create", "--organization", "Bench", "--email", "bench@bench.example", "--json"]);
        let output = command.arg("--data").arg(self.data()).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let told: Value = serde_json::from_slice(&output.stdout)?;
        let secret = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        let account = format!("User {}, Organization {}", secret("userSecret"), secret("organizationSecret"));
        fs::write(kept, &account)?;
        Ok(account)
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) -> Outcome<Hubgate> {
        fs::create_dir_all(&self.home)?;
        let account = self.account()?;
        let address = free_port()?;
        let file = self.write(address)?;
        let mut command = command(&self.binary);
        command.envs(self.shared());
        command.arg("serve").arg("--config").arg(file);
        let started = Instant::now();
        let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::inherit()))?;
        reachable(address, &mut process).await?;
        let mut wire = Wire::open(address).await?;
        let reply = wire.call(&request("GET", "/readyz", &[], &[])).await?;
        if reply.status != 200 {
            return Err("hubgate is not ready".into());
        }
        Ok(Hubgate { process, address, ready: started.elapsed(), account })
    }
}

impl Hubgate {
    /// Makes an instance; its token.
    pub async fn instance(&self, wire: &mut Wire, element: &str, name: &str, kind: Kind) -> Outcome<String> {
        let (token, expires_in) = if kind.expired { (EXPIRED, "1") } else { (TOKEN, "86400") };
        let body = json!({
            "name": name, "element": {"key": element}, "externalAuthentication": "initial",
            "cachingEnabled": kind.cached_s > 0, "cacheTimeToLive": kind.cached_s,
            "configuration": {
                "oauth.user.token": token, "oauth.user.refresh_token": "refresh", "expires_in": expires_in
            }
        });
        let headers = [("Authorization", self.account.as_str())];
        let text = request("POST", &format!("{BASE}/instances"), &headers, &serde_json::to_vec(&body)?);
        let reply = wire.call(&text).await?;
        let answer: Value = serde_json::from_slice(wire.body(reply))?;
        match answer["token"].as_str() {
            Some(token) => Ok(token.to_owned()),
            None => Err(format!("no instance was made: {answer}").into()),
        }
    }

    /// Makes `count` instances of one element.
    pub async fn instances(&self, element: &str, count: usize, kind: Kind) -> Outcome<Vec<String>> {
        let mut wire = Wire::open(self.address).await?;
        let mut tokens = Vec::with_capacity(count);
        for n in 0..count {
            tokens.push(self.instance(&mut wire, element, &format!("{element} {n}"), kind).await?);
        }
        Ok(tokens)
    }
}

/// The requests of `tokens` for one path below the base.
pub fn requests(tokens: &[String], method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Vec<Vec<u8>> {
    let path = format!("{BASE}{path}");
    tokens
        .iter()
        .map(|token| {
            let authorization = format!("Element {token}");
            let headers: Vec<_> =
                std::iter::once(("Authorization", authorization.as_str())).chain(more.iter().copied()).collect();
            request(method, &path, &headers, body)
        })
        .collect()
}

/// The release build, made anew as it is shipped: a bench's own build has other features of its libraries.
pub fn build() -> Outcome<PathBuf> {
    eprintln!("load: cargo build --release …");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--workspace", "--bin", "hubgate", "--quiet"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if !status.success() {
        return Err("the release build failed".into());
    }
    let beside = Path::new(env!("CARGO_BIN_EXE_hubgate"));
    Ok(beside.to_owned())
}
