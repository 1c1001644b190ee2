//! Where an instance's credentials come from: a code, tokens from elsewhere, or keys in its configuration.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    draft::{Draft, External},
    settings::Needs,
};
use crate::{
    catalog::Authentication,
    clock::SharedClock,
    error::{Detail, Error, Result},
    grant::{Access, Grants, OAuth1, OAuth2},
    instance::configuration::{MASK, text},
    provider::{Credentials, Signer, Token},
    store::NewGrant,
};

/// How the caller proves the connection.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// An authorization code to exchange.
    Code { code: SecretString, verifier: Option<SecretString> },
    /// A request token that the end user has approved (OAuth 1).
    Verifier { token: SecretString, verifier: SecretString, secret: SecretString },
    /// Nothing but the configuration: the provider gives tokens for what stands there.
    Keys,
    /// An access token of OAuth 1 that was got elsewhere, and its secret.
    Signed { access: SecretString, secret: Option<SecretString> },
    /// Tokens that were got elsewhere.
    Tokens { access: Option<SecretString>, refresh: Option<SecretString>, expires_in: Option<Duration> },
}

impl Source {
    /// What `draft` offers to an authentication with tokens; `None` when it offers nothing.
    ///
    /// # Errors
    /// What the provider said instead of giving a code.
    pub(super) fn of(authentication: &Authentication, draft: &Draft, external: External) -> Result<Option<Self>> {
        if !authentication.uses_tokens() {
            return Ok(None);
        }
        if authentication.oauth1().is_some() {
            return Self::of_oauth1(draft, external);
        }
        if let Some(data) = &draft.provider_data {
            if let Some(code) = &data.code {
                return Ok(Some(Self::Code { code: code.clone(), verifier: data.verifier.clone() }));
            }
            if data.access.is_some() || data.refresh.is_some() {
                let (access, refresh) = (data.access.clone(), data.refresh.clone());
                return Ok(Some(Self::Tokens { access, refresh, expires_in: data.expires_in }));
            }
            if let Some(error) = &data.error {
                return Err(Error::bad_request("The provider did not grant access")
                    .with_detail("/providerData/error", format!("the provider answered `{error}` instead of a code")));
            }
        }
        if external != External::Initial {
            return Ok(None);
        }
        let Some(sent) = draft.configuration.as_ref().map(|sent| &sent.0) else { return Ok(None) };
        let value = |key: &str| sent.get(key).and_then(text).filter(|text| text != MASK && !text.trim().is_empty());
        let access = value("oauth.user.token").map(SecretString::from);
        let refresh = value("oauth.user.refresh_token").map(SecretString::from);
        let expires_in = value("expires_in").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        Ok((access.is_some() || refresh.is_some()).then_some(Self::Tokens { access, refresh, expires_in }))
    }

    /// What `draft` offers to OAuth 1: an approved request token, or an access token from elsewhere.
    fn of_oauth1(draft: &Draft, external: External) -> Result<Option<Self>> {
        if let Some(data) = &draft.provider_data {
            let given = |name: &str| data.parameters.0.get(name).and_then(text).map(SecretString::from);
            match (given("oauth_token"), given("oauth_verifier"), given("secret")) {
                (Some(token), Some(verifier), Some(secret)) => {
                    return Ok(Some(Self::Verifier { token, verifier, secret }));
                }
                (None, None, None) => {}
                (token, verifier, secret) => {
                    let error = Error::bad_request("Missing credentials in providerData");
                    let lacking = [("oauth_token", token), ("oauth_verifier", verifier), ("secret", secret)];
                    return Err(lacking.into_iter().filter(|(_, given)| given.is_none()).fold(
                        error,
                        |error, (name, _)| {
                            error.with_detail(
                                format!("/providerData/{name}"),
                                format!("is missing: {}", origin_of(name)),
                            )
                        },
                    ));
                }
            }
            if given("denied").is_some() || data.error.is_some() {
                return Err(Error::bad_request("The provider did not grant access")
                    .with_detail("/providerData", "the end user did not approve"));
            }
        }
        if external != External::Initial {
            return Ok(None);
        }
        let Some(sent) = draft.configuration.as_ref().map(|sent| &sent.0) else { return Ok(None) };
        let value = |key: &str| sent.get(key).and_then(text).filter(|text| text != MASK && !text.trim().is_empty());
        Ok(value("oauth.user.token").map(|access| Self::Signed {
            access: SecretString::from(access),
            secret: value("oauth.user.token.secret").map(SecretString::from),
        }))
    }

    /// What the configuration must hold for it.
    pub(super) fn needs(source: Option<&Self>) -> Needs {
        match source {
            Some(Self::Tokens { refresh: Some(_), .. } | Self::Signed { .. }) => Needs::Refresh,
            Some(Self::Tokens { refresh: None, .. }) => Needs::Token,
            Some(Self::Code { .. } | Self::Verifier { .. } | Self::Keys) | None => Needs::Everything,
        }
    }

    /// What is missing when an OAuth 2 element is offered nothing.
    pub(super) fn absent(authentication: &Authentication, external: External) -> Vec<Detail> {
        let detail = |pointer: &str, detail: &str| Detail { pointer: pointer.to_owned(), detail: detail.to_owned() };
        match external {
            External::None if authentication.oauth1().is_some() => ["oauth_token", "oauth_verifier", "secret"]
                .into_iter()
                .map(|name| detail(&format!("/providerData/{name}"), &format!("is missing: {}", origin_of(name))))
                .collect(),
            External::None => vec![detail(
                "/providerData/code",
                "is missing: send the `code` that the provider gave to the callback URL",
            )],
            External::Initial => vec![detail(
                "/configuration/oauth.user.token",
                "is missing: with externalAuthentication `initial`, send `oauth.user.token` or `oauth.user.refresh_token`",
            )],
        }
    }
}

/// Tokens in hand, not stored yet.
#[derive(Debug)]
pub(super) struct Obtained {
    pub(super) grant: NewGrant,
    /// Members of the token answer that become configuration.
    pub(super) capture: Map<String, Value>,
}

/// Where the caller has a member of `providerData` from.
fn origin_of(name: &str) -> &'static str {
    if name == "secret" {
        "send the `secret` that GET /elements/{key}/oauth/token gave with the request token"
    } else {
        "send what the provider gave to the callback URL"
    }
}

/// What tokens are got with.
pub(super) enum Client {
    /// OAuth 2.
    Two(Box<OAuth2>),
    /// OAuth 1.
    One(Box<OAuth1>),
}

/// Turns what the caller offers into tokens, asking the provider where that takes a call.
pub(super) async fn obtain(
    grants: &Grants,
    clock: &SharedClock,
    client: &Client,
    source: Source,
    deadline: Instant,
) -> Result<Obtained> {
    let settings = match client {
        Client::Two(settings) => settings,
        Client::One(oauth1) => return obtain_signed(grants, oauth1, source, deadline).await,
    };
    let answer = match source {
        Source::Verifier { .. } | Source::Signed { .. } => return Err(no_tokens()),
        Source::Code { code, verifier } => {
            grants.exchange(settings, code.expose_secret(), verifier.as_ref(), deadline).await?
        }
        Source::Keys => grants.grant_by_keys(settings, deadline).await?,
        Source::Tokens { access: None, refresh: Some(refresh), .. } => {
            let mut answer = grants.redeem(settings, &refresh, deadline).await?;
            answer.refresh.get_or_insert(refresh);
            answer
        }
        Source::Tokens { access, refresh, expires_in } => {
            let expires_at = expires_in
                .and_then(|life| TimeDelta::from_std(life).ok())
                .and_then(|life| clock.now().checked_add_signed(life));
            let keep_alive_in = Some(settings.keep_alive_in());
            let grant = NewGrant { access, refresh, expires_at, secret: None, keep_alive_in };
            return Ok(Obtained { grant, capture: Map::new() });
        }
    };
    Ok(Obtained { grant: answer.grant(), capture: answer.capture })
}

async fn obtain_signed(grants: &Grants, oauth1: &OAuth1, source: Source, deadline: Instant) -> Result<Obtained> {
    match source {
        Source::Verifier { token, verifier, secret } => {
            let answer = grants.exchange_verifier(oauth1, &token, &secret, &verifier, deadline).await?;
            Ok(Obtained { grant: answer.grant(), capture: answer.capture })
        }
        Source::Signed { access, secret } => {
            let grant = NewGrant { access: Some(access), secret, ..NewGrant::default() };
            Ok(Obtained { grant, capture: Map::new() })
        }
        Source::Code { .. } | Source::Keys | Source::Tokens { .. } => Err(no_tokens()),
    }
}

/// The credentials of an instance that is being made: one token, nothing to renew it with.
pub(super) struct Fresh {
    token: Option<SecretString>,
    signer: Option<Arc<Signer>>,
}

impl Fresh {
    /// The credentials of an element that has no tokens.
    pub(super) fn none() -> Self {
        Self { token: None, signer: None }
    }

    /// Tokens that were just obtained.
    pub(super) fn of(obtained: &Obtained, client: Client) -> Self {
        let signer = match client {
            Client::One(oauth1) => Some(Arc::new(Signer { oauth1: *oauth1, secret: obtained.grant.secret.clone() })),
            Client::Two(_) => None,
        };
        Self { token: obtained.grant.access.clone(), signer }
    }
}

#[async_trait]
impl Credentials for Fresh {
    async fn token(&self, _deadline: Instant) -> Result<Token> {
        match &self.token {
            Some(token) => Ok(Token { secret: token.clone(), signer: self.signer.clone(), generation: 0 }),
            None => Err(no_tokens()),
        }
    }

    /// The same token again: then the provider's refusal is the answer, in its own words.
    async fn renew(&self, _seen: i64, deadline: Instant) -> Result<Token> {
        self.token(deadline).await
    }
}

/// The credentials of a stored instance: its grant.
pub(super) struct Stored {
    pub(super) grants: Grants,
    pub(super) instance_id: i64,
    pub(super) settings: Arc<OAuth2>,
    /// The client that calls are signed for.
    pub(super) oauth1: Option<OAuth1>,
}

impl Stored {
    fn token_of(&self, access: Access) -> Token {
        let signer = self.oauth1.as_ref().map(|oauth1| Signer { oauth1: oauth1.clone(), secret: access.secret });
        Token { secret: access.token, signer: signer.map(Arc::new), generation: access.generation }
    }
}

#[async_trait]
impl Credentials for Stored {
    async fn token(&self, deadline: Instant) -> Result<Token> {
        let access = self.grants.access(self.instance_id, &self.settings, deadline).await?;
        Ok(self.token_of(access))
    }

    async fn renew(&self, seen: i64, deadline: Instant) -> Result<Token> {
        let access = self.grants.renew(self.instance_id, seen, &self.settings, deadline).await?;
        Ok(self.token_of(access))
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("instance_id", &self.instance_id).finish_non_exhaustive()
    }
}

fn no_tokens() -> Error {
    Error::internal("an element without OAuth was asked for an access token")
}
