//! hubgate: one uniform HTTP API per category of cloud services (a *hub*), carried to whichever provider
//! (an *element*) an end user has connected (an *instance*).
//!
//! ```text
//! app ──▶ api ──▶ gateway ──▶ cache ──▶ grant ──▶ mapping ──▶ provider ──▶ upstream ──▶ the provider
//!                    │                     │
//!                 instance ────────────▶ store
//! ```
//!
//! - [`app`]: composition root, builds everything from the configuration
//! - [`config`]: settings: defaults, file, environment, flags
//! - [`error`]: the one error
//! - [`api`]: the HTTP surface (axum): router, extractors, one file per area
//! - [`gateway`]: the way of one request from operation to uniform answer
//! - [`catalog`]: hubs and elements: read, validate, compile, reload
//! - [`mapping`]: the mapping language; pure
//! - [`query`]: `where`, `orderBy`, `fields`; pure
//! - [`openapi`]: descriptions of the API, made from the catalog
//! - [`pages`]: pages about elements, for people
//! - [`provider`]: runs a compiled operation against a provider
//! - [`upstream`]: the outbound HTTP stack with its guard and limits
//! - [`grant`]: OAuth: authorize URL, code exchange, refresh journal, states
//! - [`instance`]: instances and their configuration; the token directory
//! - [`cache`]: the response cache
//! - [`store`]: persistence and the sealing of secrets
//! - [`clock`]: time as a dependency
//! - [`recent`]: what each thread met last
//! - [`telemetry`]: tracing, metrics, redaction

pub mod api;
pub mod app;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod gateway;
pub mod grant;
pub mod instance;
pub mod mapping;
pub mod openapi;
pub mod pages;
pub mod provider;
pub mod query;
pub mod recent;
pub mod store;
pub mod telemetry;
pub mod upstream;
