//! `hubgate demo`: the gateway with imitations of the providers, an account, and one connected instance per element.

mod connect;
mod report;

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use sandbox::Running;
use secrecy::{ExposeSecret, SecretString};

use self::{
    connect::{Connected, Visitor},
    report::Report,
};
use super::{
    Failure, load, runtime,
    serve::{Signals, attend, start_logs},
};
use crate::{
    api::{BASE, Serving},
    app::App,
    clock::SystemClock,
    config::{Config, Sources},
    error::{Error, Kind, Result},
    store::NewAccount,
    telemetry::Output,
};

const EMAIL: &str = "demo@hubgate.example";
/// Where the consent pages send the user back to; nobody listens there, the code is read from the address.
const CALLBACK: &str = "http://127.0.0.1:8080/callback";

const AFTER: &str = "\
Nothing leaves this machine: every element is pointed at an imitation of its provider on a loopback port. With --data,
the account and the instances are kept and connected anew at the next start; the imitations forget everything.

Examples:
  hubgate demo
  hubgate demo --listen 127.0.0.1:0 --json
  hubgate demo --data ./demo-data";

/// Serve with imitations of the providers, ready to try
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Data directory [default: a fresh one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Print one line of JSON once everything is ready
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, sources: Sources) -> Result<ExitCode, Failure> {
    let fresh = match arguments.data {
        Some(_) => None,
        None => Some(Fresh::make()?),
    };
    let data = arguments.data.clone().or_else(|| fresh.as_ref().map(|fresh| fresh.0.display().to_string()));
    let sources = sources
        .with_flag("--listen", "server", "listen", arguments.listen.clone())
        .with_flag("--data", "store", "data_dir", data)
        // Several demos may run beside each other.
        .with_flag("demo", "metrics", "listen", Some("127.0.0.1:0".to_owned()))
        // A database that serves others is nothing to play with.
        .with_flag("demo", "store", "database_url", Some(String::new()))
        .with_flag("demo", "cache", "redis_url", Some(String::new()));
    let config = load(&sources)?;
    start_logs(&config.log, Output::Stderr)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(serve(config, arguments.json));
    runtime.shutdown_background();
    outcome
}

async fn serve(mut config: Config, json: bool) -> Result<ExitCode, Failure> {
    let mut sandboxes = Vec::new();
    for key in sandbox::all() {
        let running = sandbox::start(key, "127.0.0.1:0").await?;
        point_at(&mut config, &running);
        sandboxes.push(running);
    }
    config.egress.allow.push("127.0.0.1".to_owned());
    let mut signals = Signals::new()?;
    let app = App::build(config, Arc::new(SystemClock)).await?;
    let serving = Serving::start_with(app.clone(), app.config.server.workers()).await?;
    let (user_secret, organization_secret) = account(&app).await?;
    let mut address = serving.address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let base_url = format!("http://{address}{BASE}");
    let visitor = Visitor::new(&app, &base_url, &user_secret, &organization_secret);
    let mut connected = Vec::new();
    for sandbox in &sandboxes {
        for element in sandbox.elements {
            if let Some(instance) = visitor.connect(&app, element, sandbox).await? {
                connected.push(instance);
            }
        }
    }
    let report = Report {
        base_url: &base_url,
        user_secret: user_secret.expose_secret(),
        organization_secret: organization_secret.expose_secret(),
        instances: &connected,
        sandboxes: &sandboxes,
        metrics: serving.metrics_address,
    };
    report.print(&app, json)?;
    let outcome = attend(&mut signals, app, serving).await;
    for sandbox in sandboxes {
        sandbox.stop().await;
    }
    outcome
}

/// Makes the elements of a provider call its imitation instead, as the client that is registered there.
fn point_at(config: &mut Config, running: &Running) {
    for key in running.elements {
        let element = config.elements.entry((*key).to_owned()).or_default();
        element.configuration.extend(running.configuration.clone());
        if !running.credentials.is_empty() {
            continue;
        }
        for (key, value) in [
            ("oauth.api.key", running.client_id.as_str()),
            ("oauth.api.secret", running.client_secret.as_str()),
            ("oauth.callback.url", CALLBACK),
        ] {
            element.configuration.insert(key.to_owned(), value.to_owned());
        }
    }
}

/// The demo's account, made at the first start: its user's secret and its organization's.
async fn account(app: &App) -> Result<(SecretString, SecretString)> {
    let Some(user) = app.store.user_by_email(EMAIL).await? else {
        let created = app
            .store
            .create_account(NewAccount {
                organization: "Demo".to_owned(),
                email: EMAIL.to_owned(),
                first_name: "Demo".to_owned(),
                last_name: "User".to_owned(),
                ..NewAccount::default()
            })
            .await?;
        return Ok((created.user_secret, created.organization_secret));
    };
    let secrets = app.store.user_secret(user.id).await?.zip(app.store.organization_secret(user.organization_id).await?);
    secrets.ok_or_else(|| Error::new(Kind::Internal, "the demo's account in the data directory is incomplete"))
}

/// A data directory that goes with the demo.
struct Fresh(PathBuf);

impl Fresh {
    fn make() -> Result<Self, Failure> {
        let mut name = [0_u8; 8];
        getrandom::fill(&mut name).map_err(Error::internal)?;
        let path = std::env::temp_dir().join(format!("hubgate-demo-{}", hex::encode(name)));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} stays behind: {error}", self.0.display());
        }
    }
}
