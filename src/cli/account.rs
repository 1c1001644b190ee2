//! `hubgate account create`: an organization with its first user.

use std::{process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Failure, load, runtime, say};
use crate::{
    clock::SystemClock,
    config::Sources,
    store::{self, NewAccount},
};

/// Accounts: organizations and users
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
}

const AFTER: &str = "\
The secrets are shown this once; the store keeps them sealed.

Examples:
  hubgate account create --organization Acme --email ada@acme.example
  hubgate account create --organization Acme --email ada@acme.example --data /data --json";

/// Make an organization and its first user, and print their secrets
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
struct Create {
    /// Name of the organization
    #[arg(long, value_name = "NAME")]
    organization: String,
    /// The user's e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// The user's first name
    #[arg(long, value_name = "NAME", default_value = "")]
    first_name: String,
    /// The user's last name
    #[arg(long, value_name = "NAME", default_value = "")]
    last_name: String,
    /// Data directory, made when missing [default: hubgate-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, sources: Sources) -> Result<ExitCode, Failure> {
    let Command::Create(create) = &arguments.command;
    let config = load(&sources.with_flag("--data", "store", "data_dir", create.data.clone()))?;
    let settings = store::Settings::from(&config.store);
    let new = NewAccount {
        organization: create.organization.clone(),
        email: create.email.clone(),
        first_name: create.first_name.clone(),
        last_name: create.last_name.clone(),
        ..NewAccount::default()
    };
    let created = runtime()?.block_on(async {
        let store = store::open(&settings, Arc::new(SystemClock)).await?;
        let created = store.create_account(new).await;
        store.close().await;
        created
    })?;
    let user_secret = created.user_secret.expose_secret();
    let organization_secret = created.organization_secret.expose_secret();
    if create.json {
        say(json!({
            "organizationId": created.organization.id,
            "organizationSecret": organization_secret,
            "userId": created.user.id,
            "userSecret": user_secret,
        }))?;
    } else {
        say(format_args!(
            "organization {} ({})\n  secret  {organization_secret}\nuser {} ({})\n  secret  {user_secret}\n\n\
             Authorization: User {user_secret}, Organization {organization_secret}\n\n\
             The secrets are not shown again.",
            created.organization.id, created.organization.name, created.user.id, created.user.email,
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
