//! The CRM providers, driven over sockets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::assigning_clones,
    reason = "a test ends where something is not as it should be"
)]

mod closeio;
mod hubspot;
mod hubspot_search;
mod pipedrive;
mod sfdc;
mod sfdc_query;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the other test binary, which uses all of it")]
mod support;
mod zohocrm;
