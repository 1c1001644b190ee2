//! What is stored, as the rest of the house sees it: secrets opened, but never printable.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{
    audit::Actor,
    error::{Error, Result},
};

/// The longest that a provider whose token endpoint fails is left alone.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The moment that is stored as so many milliseconds since 1970.
pub(super) fn time(millis: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).ok_or(Error::Corrupt { what: "time" })
}

/// A customer of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// The id.
    pub id: i64,
    /// The name.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A user of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: i64,
    /// The organization.
    pub organization_id: i64,
    /// The e-mail address, unique in this installation whatever its case.
    pub email: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// An organization to make, with its first user.
#[derive(Debug, Clone, Default)]
pub struct NewAccount {
    /// The organization's name.
    pub organization: String,
    /// The user's e-mail address.
    pub email: String,
    /// The user's first name.
    pub first_name: String,
    /// The user's last name.
    pub last_name: String,
    /// The organization's secret; `None` makes one (32 hex digits).
    pub organization_secret: Option<SecretString>,
    /// The user's secret; `None` makes one (256 bit, base64).
    pub user_secret: Option<SecretString>,
    /// Who makes it.
    pub actor: Actor,
}

/// What [`create_account`](super::Accounts::create_account) made; the only place where the secrets are in clear.
#[derive(Debug, Clone)]
pub struct CreatedAccount {
    /// The organization.
    pub organization: Organization,
    /// Its first user.
    pub user: User,
    /// The organization's secret.
    pub organization_secret: SecretString,
    /// The user's secret.
    pub user_secret: SecretString,
}

/// One authenticated connection of one account to one element.
#[derive(Debug, Clone)]
pub struct InstanceRecord {
    /// The id; never used again.
    pub id: i64,
    /// The organization it belongs to.
    pub organization_id: i64,
    /// The user it belongs to.
    pub user_id: i64,
    /// The element's id.
    pub element_id: i64,
    /// The element's key.
    pub element_key: String,
    /// The name.
    pub name: String,
    /// The tags, in the order given.
    pub tags: Vec<String>,
    /// The configuration that may be seen.
    pub configuration: Map<String, Value>,
    /// The configuration that may not.
    pub secrets: BTreeMap<String, SecretString>,
    /// The instance token.
    pub token: SecretString,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Whether its credentials are believed to work; `false` once the grant is dead.
    pub valid: bool,
    /// Whether answers are cached.
    pub caching_enabled: bool,
    /// How long they are kept, in seconds.
    pub cache_ttl_s: u64,
    /// How many are kept.
    pub max_cache_size: u64,
    /// How the credentials came: `none` or `initial`.
    pub external_authentication: String,
    /// Whether events are on.
    pub events_enabled: bool,
    /// Whether trace logging is on.
    pub trace_logging: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change; see [`update_instance`](super::Instances::update_instance).
    pub version: i64,
}

/// An instance to store.
#[derive(Debug, Clone)]
pub struct NewInstance {
    /// The organization it belongs to.
    pub organization_id: i64,
    /// The user it belongs to.
    pub user_id: i64,
    /// The element's id.
    pub element_id: i64,
    /// The element's key.
    pub element_key: String,
    /// The name.
    pub name: String,
    /// The tags; doubles are dropped.
    pub tags: Vec<String>,
    /// The configuration that may be seen.
    pub configuration: Map<String, Value>,
    /// The configuration that may not.
    pub secrets: BTreeMap<String, SecretString>,
    /// The instance token; `None` makes one (256 bit, base64).
    pub token: Option<SecretString>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Whether its credentials are believed to work.
    pub valid: bool,
    /// Whether answers are cached.
    pub caching_enabled: bool,
    /// How long they are kept, in seconds.
    pub cache_ttl_s: u64,
    /// How many are kept.
    pub max_cache_size: u64,
    /// How the credentials came: `none` or `initial`.
    pub external_authentication: String,
    /// Whether events are on.
    pub events_enabled: bool,
    /// Whether trace logging is on.
    pub trace_logging: bool,
    /// The OAuth grant, for elements that have one.
    pub grant: Option<NewGrant>,
    /// Who makes it.
    pub actor: Actor,
}

impl Default for NewInstance {
    fn default() -> Self {
        Self {
            organization_id: 0,
            user_id: 0,
            element_id: 0,
            element_key: String::new(),
            name: String::new(),
            tags: Vec::new(),
            configuration: Map::new(),
            secrets: BTreeMap::new(),
            token: None,
            disabled: false,
            valid: true,
            caching_enabled: false,
            cache_ttl_s: 0,
            max_cache_size: 0,
            external_authentication: "none".to_owned(),
            events_enabled: false,
            trace_logging: false,
            grant: None,
            actor: Actor::default(),
        }
    }
}

/// A change of an instance; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct InstanceChange {
    /// The name.
    pub name: Option<String>,
    /// All tags.
    pub tags: Option<Vec<String>>,
    /// The whole configuration that may be seen.
    pub configuration: Option<Map<String, Value>>,
    /// The whole configuration that may not.
    pub secrets: Option<BTreeMap<String, SecretString>>,
    /// Whether it is switched off.
    pub disabled: Option<bool>,
    /// Whether its credentials are believed to work.
    pub valid: Option<bool>,
    /// Whether answers are cached.
    pub caching_enabled: Option<bool>,
    /// How long they are kept, in seconds.
    pub cache_ttl_s: Option<u64>,
    /// How many are kept.
    pub max_cache_size: Option<u64>,
    /// How the credentials came.
    pub external_authentication: Option<String>,
    /// Whether events are on.
    pub events_enabled: Option<bool>,
    /// Whether trace logging is on.
    pub trace_logging: Option<bool>,
    /// A fresh grant.
    pub grant: Option<NewGrant>,
    /// Who changes it.
    pub actor: Actor,
}

/// Which instances to list.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter {
    /// Of this organization.
    pub organization_id: i64,
    /// Of this user.
    pub user_id: Option<i64>,
    /// Of the element with this key.
    pub element_key: Option<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// With this text in the name or the element's key, whatever its case.
    pub search: Option<String>,
    /// After this id.
    pub after_id: Option<i64>,
    /// At most so many; zero is the store's default of 200.
    pub limit: u32,
}

/// Tokens to store.
#[derive(Debug, Clone, Default)]
pub struct NewGrant {
    /// The access token.
    pub access: Option<SecretString>,
    /// The refresh token; on a refresh `None` keeps the old one.
    pub refresh: Option<SecretString>,
    /// When the access token expires; `None` is unknown.
    pub expires_at: Option<DateTime<Utc>>,
    /// The OAuth 1 token secret.
    pub secret: Option<SecretString>,
    /// In which time the refresh token, if there is one, is to be looked at, lest it die of idleness; `None` is at once.
    pub keep_alive_in: Option<Duration>,
}

/// Where a grant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantState {
    /// Its tokens are good as far as we know.
    Valid,
    /// A refresh is under way, or was when its process died.
    Refreshing,
    /// The token endpoint fails; the next try is at `next_attempt_at`.
    ProviderDown,
    /// Proved dead: no further token calls until fresh credentials come.
    ReauthRequired,
}

impl GrantState {
    /// The name, as it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Refreshing => "refreshing",
            Self::ProviderDown => "provider_down",
            Self::ReauthRequired => "reauth_required",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Valid, Self::Refreshing, Self::ProviderDown, Self::ReauthRequired]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A stored grant, opened.
#[derive(Debug, Clone)]
pub struct GrantRecord {
    /// The instance.
    pub instance_id: i64,
    /// Grows with every stored set of tokens.
    pub generation: i64,
    /// Grows with every lease; fences a holder whose lease ran out.
    pub epoch: i64,
    /// Where it stands.
    pub state: GrantState,
    /// The access token.
    pub access: Option<SecretString>,
    /// The refresh token.
    pub refresh: Option<SecretString>,
    /// The OAuth 1 token secret.
    pub secret: Option<SecretString>,
    /// When the access token expires; `None` is unknown.
    pub expires_at: Option<DateTime<Utc>>,
    /// When these tokens were stored.
    pub obtained_at: DateTime<Utc>,
    /// Who refreshes.
    pub lease_owner: Option<String>,
    /// Until when nobody else may.
    pub lease_until: Option<DateTime<Utc>>,
    /// Since when the refresh token may have been spent without our knowing the answer.
    pub intent_at: Option<DateTime<Utc>>,
    /// Failures in a row.
    pub fail_count: u32,
    /// No try before this; never later than after the [`LONGEST_PAUSE`].
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When the refresh token is to be looked at; `None` is never.
    pub keep_alive_at: Option<DateTime<Utc>>,
    /// What the last failure was.
    pub last_error: Option<String>,
    /// Why fresh credentials are needed.
    pub reauth_reason: Option<String>,
}

/// The right to refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The fence: whoever has a smaller one writes nothing.
    pub epoch: i64,
    /// Whether an earlier try with this generation's refresh token ended without a known answer.
    pub uncertain: bool,
}

/// How a refresh failed.
#[derive(Debug, Clone)]
pub struct RefreshFailure {
    /// What happened, without a secret.
    pub error: String,
    /// No try before this; `None` leaves the grant as it was (the fault is not the grant's).
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Whether the refresh token may have been spent.
    pub uncertain: bool,
}

/// A master key that the database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKey {
    /// Its id.
    pub id: String,
    /// Since when the database knows it.
    pub created_at: DateTime<Utc>,
    /// Whether it seals what is new.
    pub seals: bool,
    /// Since when it is not needed any more.
    pub removed_at: Option<DateTime<Utc>>,
    /// How many rows are sealed under it.
    pub rows: u64,
}
