//! What a caller says of an instance, already read from the wire.

use std::{fmt, time::Duration};

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::store::Actor;

/// The members of an instance body; `None` is "not sent".
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The element's key or number.
    pub element: Option<String>,
    /// The name, free of markup.
    pub name: Option<String>,
    /// The tags, free of markup.
    pub tags: Option<Vec<String>>,
    /// The configuration, values as they came.
    pub configuration: Option<Sent>,
    /// What the provider gave the caller.
    pub provider_data: Option<ProviderData>,
    /// Whether tokens were got elsewhere.
    pub external: Option<External>,
    /// Whether answers are cached.
    pub caching_enabled: Option<bool>,
    /// For how many seconds.
    pub cache_ttl_s: Option<u64>,
    /// How many answers.
    pub max_cache_size: Option<u64>,
    /// Who sends it.
    pub actor: Actor,
}

/// A configuration as it was sent: it holds secrets in clear, so its `Debug` shows the keys only.
#[derive(Clone, Default)]
pub struct Sent(pub Map<String, Value>);

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `providerData`: what came back from the authorization. Never answered.
#[derive(Debug, Clone, Default)]
pub struct ProviderData {
    /// An authorization code.
    pub code: Option<SecretString>,
    /// The PKCE verifier of the authorization, when the caller made one.
    pub verifier: Option<SecretString>,
    /// An access token that the caller exchanged itself.
    pub access: Option<SecretString>,
    /// Its refresh token.
    pub refresh: Option<SecretString>,
    /// The access token's remaining life.
    pub expires_in: Option<Duration>,
    /// What the provider said instead of giving a code.
    pub error: Option<String>,
    /// Everything else that the provider's callback brought.
    pub parameters: Sent,
}

impl ProviderData {
    /// Whether it holds nothing to work with.
    pub fn is_empty(&self) -> bool {
        self.code.is_none()
            && self.access.is_none()
            && self.refresh.is_none()
            && self.error.is_none()
            && self.parameters.0.is_empty()
    }
}

/// `externalAuthentication`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum External {
    /// The gateway exchanges the code.
    #[default]
    None,
    /// The first tokens were acquired elsewhere and stand in the configuration.
    Initial,
}

impl External {
    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Initial => "initial",
        }
    }
}

/// How an update treats what is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// PATCH: configuration is merged.
    Merge,
    /// PUT: configuration is replaced.
    Replace,
}
