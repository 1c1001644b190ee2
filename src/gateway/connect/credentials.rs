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
    catalog::{Authentication, Element},
    clock::SharedClock,
    error::{Detail, Error, Result},
    grant::{Grants, OAuth2},
    instance::configuration::{MASK, text},
    provider::{Credentials, Token},
    store::NewGrant,
};

/// How the caller proves the connection.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// An authorization code to exchange.
    Code { code: SecretString, verifier: Option<SecretString> },
    /// Tokens that were got elsewhere.
    Tokens { access: Option<SecretString>, refresh: Option<SecretString>, expires_in: Option<Duration> },
}

impl Source {
    /// What `draft` offers to an OAuth 2 element; `None` when it offers nothing.
    ///
    /// # Errors
    /// What the provider said instead of giving a code.
    pub(super) fn of(element: &Element, draft: &Draft, external: External) -> Result<Option<Self>> {
        if !matches!(element.authentication, Authentication::OAuth2(_)) {
            return Ok(None);
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

    /// What the configuration must hold for it.
    pub(super) fn needs(source: Option<&Self>) -> Needs {
        match source {
            Some(Self::Tokens { refresh: Some(_), .. }) => Needs::Refresh,
            Some(Self::Tokens { refresh: None, .. }) => Needs::Token,
            Some(Self::Code { .. }) | None => Needs::Everything,
        }
    }

    /// What is missing when an OAuth 2 element is offered nothing.
    pub(super) fn absent(external: External) -> Vec<Detail> {
        let detail = |pointer: &str, detail: &str| Detail { pointer: pointer.to_owned(), detail: detail.to_owned() };
        match external {
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

/// Turns what the caller offers into tokens, asking the provider where that takes a call.
pub(super) async fn obtain(
    grants: &Grants,
    clock: &SharedClock,
    settings: &OAuth2,
    source: Source,
    deadline: Instant,
) -> Result<Obtained> {
    let answer = match source {
        Source::Code { code, verifier } => {
            grants.exchange(settings, code.expose_secret(), verifier.as_ref(), deadline).await?
        }
        Source::Tokens { access: None, refresh: Some(refresh), .. } => {
            let mut answer = grants.redeem(settings, &refresh, deadline).await?;
            answer.refresh.get_or_insert(refresh);
            answer
        }
        Source::Tokens { access, refresh, expires_in } => {
            let expires_at = expires_in
                .and_then(|life| TimeDelta::from_std(life).ok())
                .and_then(|life| clock.now().checked_add_signed(life));
            let grant = NewGrant { access, refresh, expires_at, secret: None };
            return Ok(Obtained { grant, capture: Map::new() });
        }
    };
    let grant =
        NewGrant { access: Some(answer.access), refresh: answer.refresh, expires_at: answer.expires_at, secret: None };
    Ok(Obtained { grant, capture: answer.capture })
}

/// The credentials of an instance that is being made: one token, nothing to renew it with.
pub(super) struct Fresh(pub(super) Option<SecretString>);

#[async_trait]
impl Credentials for Fresh {
    async fn token(&self, _deadline: Instant) -> Result<Token> {
        match &self.0 {
            Some(token) => Ok(Token { secret: token.clone(), generation: 0 }),
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
}

#[async_trait]
impl Credentials for Stored {
    async fn token(&self, deadline: Instant) -> Result<Token> {
        let access = self.grants.access(self.instance_id, &self.settings, deadline).await?;
        Ok(Token { secret: access.token, generation: access.generation })
    }

    async fn renew(&self, seen: i64, deadline: Instant) -> Result<Token> {
        let access = self.grants.renew(self.instance_id, seen, &self.settings, deadline).await?;
        Ok(Token { secret: access.token, generation: access.generation })
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
