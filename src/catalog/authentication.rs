//! How an element's calls are authenticated: one way, or several of which an instance's configuration chooses.

use http::HeaderName;
use serde_json::{Map, Value};

use super::{element::ConfigurationEntry, read::Node};
use crate::mapping::{Reference, Root, TextTemplate};

mod oauth1;
mod oauth2;
mod signing;

pub use oauth1::{OAuth1Spec, SignatureMethod};
pub use oauth2::{
    ClientAuthentication, GrantKind, OAuth2Spec, RevocationAuthorization, RevokeSpec, RevokedToken, TokenPlace,
};
pub use signing::AwsSignature4Spec;

/// The configuration key that chooses where an element has several authentications.
pub const CHOICE_KEY: &str = "authentication.type";

/// A value from an instance's configuration: that of one key, or a text with `{config.…}` and `{secret.…}`.
#[derive(Debug, Clone, PartialEq)]
pub enum Credential {
    /// The value under a configuration key, secret or not.
    Key(String),
    /// A text.
    Text(TextTemplate),
}

impl Credential {
    /// The configuration keys it takes.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::Key(key) => vec![key],
            Self::Text(text) => text.references().map(|reference| reference.key.as_str()).collect(),
        }
    }
}

/// HTTP Basic.
#[derive(Debug, Clone, PartialEq)]
pub struct BasicSpec {
    /// The user name.
    pub username: Credential,
    /// The password; empty where the instance has none.
    pub password: Credential,
}

/// Where an API key travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In this header.
    Header(HeaderName),
    /// In this parameter of the query.
    Query(String),
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeySpec {
    /// Where it travels.
    pub place: KeyPlace,
    /// What stands before the key.
    pub prefix: String,
    /// The configuration key.
    pub key: String,
}

/// Headers and parameters made of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadersSpec {
    /// Headers by name.
    pub headers: Vec<(HeaderName, TextTemplate)>,
    /// Parameters of the query by name.
    pub query: Vec<(String, TextTemplate)>,
}

/// How calls to the provider are authenticated.
#[derive(Debug, Clone, PartialEq)]
pub enum Authentication {
    /// OAuth 2, an access token in a header.
    OAuth2(Box<OAuth2Spec>),
    /// OAuth 1.0a, every call signed.
    OAuth1(Box<OAuth1Spec>),
    /// HTTP Basic.
    Basic(BasicSpec),
    /// An API key.
    ApiKey(ApiKeySpec),
    /// Headers made of the configuration.
    Headers(HeadersSpec),
    /// What the server asks for: a digest (RFC 7616), or Basic where that is allowed.
    Digest {
        /// Name and password.
        credentials: BasicSpec,
        /// Whether Basic will do where the server offers nothing better.
        basic: bool,
    },
    /// AWS Signature Version 4.
    AwsSignature4(Box<AwsSignature4Spec>),
    /// Nothing.
    None,
}

impl Authentication {
    /// The contract's word for it, in `authentication.type`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::OAuth2(spec) => match spec.grant {
                GrantKind::AuthorizationCode => "oauth2",
                GrantKind::Password => "oauth2Password",
                GrantKind::ClientCredentials => "custom",
            },
            Self::OAuth1(_) => "oauth1",
            Self::Basic(_) | Self::Digest { .. } => "basic",
            Self::ApiKey(_) | Self::Headers(_) | Self::AwsSignature4(_) | Self::None => "custom",
        }
    }

    /// Its OAuth 2 description.
    pub fn oauth2(&self) -> Option<&OAuth2Spec> {
        match self {
            Self::OAuth2(spec) => Some(spec),
            _ => None,
        }
    }

    /// Its OAuth 1 description.
    pub fn oauth1(&self) -> Option<&OAuth1Spec> {
        match self {
            Self::OAuth1(spec) => Some(spec),
            _ => None,
        }
    }

    /// Whether calls carry tokens of a grant.
    pub fn uses_tokens(&self) -> bool {
        matches!(self, Self::OAuth2(_) | Self::OAuth1(_))
    }

    /// Whether an end user has to be sent to the provider.
    pub fn needs_consent(&self) -> bool {
        match self {
            Self::OAuth2(spec) => spec.grant == GrantKind::AuthorizationCode,
            Self::OAuth1(_) => true,
            _ => false,
        }
    }

    /// Whether tokens are got by the configuration alone.
    pub fn gets_tokens_by_keys(&self) -> bool {
        self.uses_tokens() && !self.needs_consent()
    }

    /// The configuration keys whose values prove who calls; a change of one is a change of credentials.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::OAuth2(spec) => spec.keys(),
            Self::Basic(spec) | Self::Digest { credentials: spec, .. } => {
                spec.username.keys().into_iter().chain(spec.password.keys()).collect()
            }
            Self::AwsSignature4(spec) => spec.keys(),
            Self::ApiKey(spec) => vec![&spec.key],
            Self::Headers(spec) => {
                let headers = spec.headers.iter().map(|(_, text)| text);
                let all = headers.chain(spec.query.iter().map(|(_, text)| text));
                all.flat_map(TextTemplate::references).map(|reference| reference.key.as_str()).collect()
            }
            Self::OAuth1(_) | Self::None => Vec::new(),
        }
    }

    /// Parameters of the callback that become configuration: (configuration key, parameter).
    pub fn callback(&self) -> &[(String, String)] {
        match self {
            Self::OAuth2(spec) => &spec.callback,
            Self::OAuth1(spec) => &spec.callback,
            _ => &[],
        }
    }

    /// The configuration keys that what the provider says sets: no caller can know their values.
    pub fn captured_keys(&self) -> Vec<&str> {
        let capture: &[(String, String)] = match self {
            Self::OAuth2(spec) => &spec.capture,
            Self::OAuth1(spec) => &spec.capture,
            _ => &[],
        };
        capture.iter().chain(self.callback()).map(|(key, _)| key.as_str()).collect()
    }

    /// The URLs that the gateway calls, as templates.
    pub fn urls(&self) -> Vec<&str> {
        match self {
            Self::OAuth2(spec) => spec.urls(),
            Self::OAuth1(spec) => spec.urls(),
            _ => Vec::new(),
        }
    }
}

/// All authentications of an element; the first is the one of instances that choose none.
#[derive(Debug, Clone, PartialEq)]
pub struct Authentications {
    first: (String, Authentication),
    others: Vec<(String, Authentication)>,
}

impl From<Authentication> for Authentications {
    fn from(only: Authentication) -> Self {
        Self { first: (only.word().to_owned(), only), others: Vec::new() }
    }
}

impl Authentications {
    /// Each with its word, the default first.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Authentication)> {
        std::iter::once(&self.first).chain(&self.others).map(|(word, one)| (word.as_str(), one))
    }

    /// Whether an instance has a choice.
    pub fn is_choice(&self) -> bool {
        !self.others.is_empty()
    }

    /// The one of instances that choose none.
    pub fn usual(&self) -> &Authentication {
        &self.first.1
    }

    /// The word of [`Authentications::usual`].
    pub fn usual_word(&self) -> &str {
        &self.first.0
    }

    /// The word and authentication that a value of [`CHOICE_KEY`] chooses.
    pub fn choose(&self, word: Option<&str>) -> (&str, &Authentication) {
        let found = word
            .filter(|_| self.is_choice())
            .and_then(|word| self.all().find(|(known, _)| known.eq_ignore_ascii_case(word.trim())));
        found.unwrap_or((&self.first.0, &self.first.1))
    }

    /// The one that this configuration chooses.
    pub fn of(&self, configuration: &Map<String, Value>) -> &Authentication {
        let word = if self.is_choice() { configuration.get(CHOICE_KEY).and_then(Value::as_str) } else { None };
        self.choose(word).1
    }

    /// Reads `authentication` of element.json, and completes the configuration entries by the one that chooses.
    pub(super) fn read(node: &Node<'_>, configuration: &mut Vec<ConfigurationEntry>) -> Option<Self> {
        let read = if node.get("choices").is_some() { Self::read_choices(node)? } else { read_one(node)?.into() };
        read.check_entries(node, configuration);
        if read.is_choice() {
            read.offer(configuration);
        }
        Some(read)
    }

    fn read_choices(node: &Node<'_>) -> Option<Self> {
        node.object(&["choices", "default"])?;
        let choices = node.get("choices")?;
        let mut read: Vec<(String, Authentication)> = choices
            .members()
            .into_iter()
            .filter_map(|(word, place)| Some((word.to_owned(), read_one(&place)?)))
            .collect();
        if let Some(default) = node.get("default") {
            let words: Vec<(&str, usize)> =
                read.iter().enumerate().map(|(index, (word, _))| (word.as_str(), index)).collect();
            let index = default.word(&words)?;
            let first = read.remove(index);
            read.insert(0, first);
        }
        if read.len() < 2 {
            choices
                .problem_hint("is a choice of less than two", "name at least two, or write the one without `choices`");
            return None;
        }
        let mut read = read.into_iter();
        Some(Self { first: read.next()?, others: read.collect() })
    }

    /// Every key that proves who calls has to have an entry, and `for` has to name choices that there are.
    fn check_entries(&self, node: &Node<'_>, configuration: &[ConfigurationEntry]) {
        for key in self.all().flat_map(|(_, one)| one.keys()) {
            // OAuth keys and passwords are the contract's own: an element may leave them to the operator.
            let common = key.starts_with("oauth.") || key == "password";
            if !common && !configuration.iter().any(|entry| entry.key == key) {
                node.problem_hint(
                    format!("takes the configuration key `{key}`, which is not under `configuration`"),
                    format!("add {{\"key\": \"{key}\", …}} to `configuration`"),
                );
            }
        }
        for (entry, word) in configuration.iter().flat_map(|entry| entry.choices.iter().map(move |word| (entry, word)))
        {
            if !self.is_choice() || !self.all().any(|(known, _)| known == word) {
                let known: Vec<&str> = self.all().map(|(word, _)| word).collect();
                let hint =
                    if self.is_choice() { super::read::nearest(word, &known) } else { "leave `for` out".to_owned() };
                node.problem_hint(format!("the entry `{}` is for `{word}`, which is no choice", entry.key), hint);
            }
        }
    }

    /// The entry that chooses: the element's own, with the words as options, or a new one.
    fn offer(&self, configuration: &mut Vec<ConfigurationEntry>) {
        let options = || self.all().map(|(word, _)| (word.to_owned(), word.to_owned())).collect();
        match configuration.iter_mut().find(|entry| entry.key == CHOICE_KEY) {
            Some(entry) => {
                if entry.options.is_empty() {
                    entry.options = options();
                }
                entry.default.get_or_insert_with(|| self.first.0.clone());
            }
            None => configuration.insert(
                0,
                ConfigurationEntry {
                    key: CHOICE_KEY.to_owned(),
                    name: "Authentication type".to_owned(),
                    description: "How calls to the provider are authenticated".to_owned(),
                    kind: "COMBO".to_owned(),
                    required: false,
                    default: Some(self.first.0.clone()),
                    secret: false,
                    hide_from_console: false,
                    options: options(),
                    choices: Vec::new(),
                },
            ),
        }
    }
}

fn read_one(node: &Node<'_>) -> Option<Authentication> {
    #[derive(Clone, Copy)]
    enum Word {
        OAuth2,
        OAuth1,
        Basic,
        ApiKey,
        Headers,
        Digest,
        BasicOrDigest,
        AwsSignature4,
        None,
    }
    let word = node.require("type")?.word(&[
        ("oauth2", Word::OAuth2),
        ("oauth1", Word::OAuth1),
        ("basic", Word::Basic),
        ("apiKey", Word::ApiKey),
        ("headers", Word::Headers),
        ("digest", Word::Digest),
        ("basicOrDigest", Word::BasicOrDigest),
        ("awsSignature4", Word::AwsSignature4),
        ("none", Word::None),
    ])?;
    match word {
        Word::OAuth2 => OAuth2Spec::read(node).map(|spec| Authentication::OAuth2(Box::new(spec))),
        Word::OAuth1 => OAuth1Spec::read(node).map(|spec| Authentication::OAuth1(Box::new(spec))),
        Word::Basic => read_basic(node).map(Authentication::Basic),
        Word::Digest => Some(Authentication::Digest { credentials: read_basic(node)?, basic: false }),
        Word::BasicOrDigest => Some(Authentication::Digest { credentials: read_basic(node)?, basic: true }),
        Word::AwsSignature4 => AwsSignature4Spec::read(node).map(|spec| Authentication::AwsSignature4(Box::new(spec))),
        Word::ApiKey => read_api_key(node).map(Authentication::ApiKey),
        Word::Headers => {
            node.object(&["type", "headers", "query"])?;
            let spec = HeadersSpec {
                headers: texts(node, "headers", |name, place| place.header_name(name)),
                query: texts(node, "query", |name, _| Some(name.to_owned())),
            };
            if spec.headers.is_empty() && spec.query.is_empty() {
                node.problem_hint("names neither headers nor query", "add `headers` (or `query`), by name");
            }
            Some(Authentication::Headers(spec))
        }
        Word::None => {
            node.object(&["type"])?;
            Some(Authentication::None)
        }
    }
}

fn read_basic(node: &Node<'_>) -> Option<BasicSpec> {
    node.object(&["type", "username", "password"])?;
    Some(BasicSpec { username: credential(node, "username")?, password: credential(node, "password")? })
}

fn read_api_key(node: &Node<'_>) -> Option<ApiKeySpec> {
    node.object(&["type", "header", "query", "prefix", "key"])?;
    let place = match (node.opt_text("header"), node.opt_text("query")) {
        (Some(header), None) => KeyPlace::Header(node.header_name(&header)?),
        (None, Some(query)) => KeyPlace::Query(query),
        (None, None) => {
            node.problem_hint("says not where the key travels", "add `header` or `query`");
            return None;
        }
        (Some(_), Some(_)) => {
            node.problem_hint("has both `header` and `query`", "leave one out");
            return None;
        }
    };
    Some(ApiKeySpec { place, prefix: node.opt_text("prefix").unwrap_or_default(), key: node.require_text("key")? })
}

/// The member `name`: a configuration key (by default of the member's own name), or a text with references.
fn credential(node: &Node<'_>, name: &str) -> Option<Credential> {
    let Some(place) = node.get(name) else { return Some(Credential::Key(name.to_owned())) };
    let source = place.text()?;
    if source.contains(['{', '}']) {
        text(&place, source).map(Credential::Text)
    } else {
        Some(Credential::Key(source.to_owned()))
    }
}

fn texts<N>(node: &Node<'_>, key: &str, named: impl Fn(&str, &Node<'_>) -> Option<N>) -> Vec<(N, TextTemplate)> {
    node.get(key).map_or_else(Vec::new, |place| {
        let read = |(name, item): (&str, Node<'_>)| Some((named(name, &item)?, text(&item, item.text()?)?));
        place.members().into_iter().filter_map(read).collect()
    })
}

/// A text of the configuration: nothing of a call may stand in it.
fn text(place: &Node<'_>, source: &str) -> Option<TextTemplate> {
    let template = TextTemplate::compile(source).map_err(|error| place.compile_error(&error)).ok()?;
    let strange = |reference: &&Reference| !matches!(reference.root, Root::Config | Root::Secret);
    if template.references().find(strange).is_some() {
        place.problem_hint("refers to a call", "only {config.…} and {secret.…} are known here");
        return None;
    }
    Some(template)
}
