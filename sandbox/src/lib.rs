//! Stateful imitations of providers over HTTP, for the demo, the tests and the benches.
//!
//! Every imitation listens on a port of its own and holds its state in memory: the provider's API, its authorization
//! server (consent page, code, token, refresh and revocation by that provider's rules) and, under `/_control`, switches
//! that the real provider does not have: faults on demand, token expiry, counters, a call log ([`control`]).
//!
//! The aim is to refuse what the provider refuses: an imitation that is more lenient than the original is wrong.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let provider = sandbox::start("dropbox", "127.0.0.1:0").await?;
//! let code = provider.code(&sandbox::CodeRequest::new("http://127.0.0.1:8080/callback")).unwrap_or_default();
//! // exchange `code` at provider.urls["token"] with provider.client_id and provider.client_secret …
//! provider.stop().await;
//! # Ok(())
//! # }
//! ```

mod boxcom;
mod calls;
mod closeio;
mod content;
pub mod control;
mod core;
mod crm;
mod dav;
mod dropbox;
mod dynamics;
pub mod faults;
mod gdrive;
mod graph;
mod http;
mod hubspot;
mod kept;
mod oauth;
mod pipedrive;
mod quickbooks;
mod quota;
mod running;
mod s3;
mod seed;
mod sfdc;
mod wire;
mod zohocrm;

pub use crate::{
    calls::{Call, Counters},
    core::Settings,
    faults::Fault,
    kept::Kept,
    oauth::{CodeRequest, Refusal},
    running::{Running, all, start, start_with},
};
