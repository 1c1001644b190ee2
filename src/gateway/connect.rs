//! How instances come to be, change and go.
//!
//! Creation goes: element ▸ effective configuration (element default, operator, instance) ▸ required keys and hosts ▸
//! tokens (a code is exchanged, or they came from elsewhere) ▸ the element's probe call with the fresh credentials ▸
//! one transaction that stores instance and sealed grant. Whatever fails before the last step leaves nothing behind.
//!
//! A code works once, so everything from its exchange on runs in a task of its own: a caller who hangs up loses neither
//! the tokens nor the instance.
//!
//! Precedence: what the provider's token answer says of an account (such as the root of its API) is captured into the
//! instance's configuration and wins over what was sent, because the next refresh will say it again.

mod change;
mod connections;
mod connector;
mod credentials;
pub mod draft;
mod egress;
mod keeper;
mod proof;
pub mod settings;
mod template;

pub use self::{
    connector::{Connector, Parts, Probe},
    draft::{Draft, External, Mode, ProviderData, Sent},
    keeper::Keeper,
    settings::oauth2,
};

/// Whose instance it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The organization.
    pub organization_id: i64,
    /// The user.
    pub user_id: i64,
}

/// The JSON pointer of a configuration key in an instance body.
pub fn configuration_pointer(key: &str) -> String {
    format!("/configuration/{}", key.replace('~', "~0").replace('/', "~1"))
}
