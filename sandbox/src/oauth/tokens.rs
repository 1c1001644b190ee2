//! Codes, access tokens and refresh tokens.

use std::collections::HashMap;

use axum::http::HeaderMap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Refresh, Refusal, Server};
use crate::{
    core::{hold, random_hex},
    http::header_text,
};

/// Everything that has been issued.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, RefreshToken>,
    grants: u64,
    /// How often a refresh token that is dead was presented.
    pub(super) spent_presentations: u64,
}

/// An authorization code.
pub(super) struct Code {
    pub(super) account: u32,
    pub(super) redirect_uri: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) challenge: Option<(String, bool)>,
    pub(super) refreshable: bool,
    pub(super) expires_ms: i64,
    pub(super) used: bool,
}

/// An access token's meaning.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The number of the account that approved.
    pub(crate) account: u32,
    /// One approval is one grant; all tokens that come from it share its number.
    pub(crate) grant: u64,
    /// The scope that was approved.
    pub(crate) scope: Option<String>,
    expires_ms: i64,
    revoked: bool,
}

#[derive(Clone, Debug)]
struct RefreshToken {
    account: u32,
    grant: u64,
    scope: Option<String>,
    expires_ms: Option<i64>,
    issued_ms: i64,
    /// Earned with a proof key instead of a secret, and so refreshed without one.
    public: bool,
    dead: bool,
}

/// Why an API call's token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No `Authorization` header.
    Missing,
    /// Not `Bearer TOKEN`.
    Malformed,
    /// Never issued.
    Unknown,
    /// Too old, or told to be by the control API.
    Expired,
    /// Taken back.
    Revoked,
}

/// What a provider's [`super::Rules::members`] may tell in a token answer.
pub(crate) struct Issued<'a> {
    pub(crate) origin: &'a str,
    pub(crate) client_secret: &'a str,
    pub(crate) account: u32,
    pub(crate) scope: Option<&'a str>,
    pub(crate) now_ms: i64,
    /// The answer to a code, not to a refresh.
    pub(crate) first: bool,
}

impl Server {
    /// The meaning of an API call's `Authorization: Bearer …`.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<Access, Denied> {
        if !headers.contains_key("authorization") {
            return Err(Denied::Missing);
        }
        let (scheme, token) =
            header_text(headers, "authorization").and_then(|text| text.split_once(' ')).ok_or(Denied::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
            return Err(Denied::Malformed);
        }
        self.check_token(token.trim())
    }

    /// The meaning of an access token.
    pub(crate) fn check_token(&self, token: &str) -> Result<Access, Denied> {
        let tokens = hold(&self.tokens);
        let access = tokens.access.get(token).ok_or(Denied::Unknown)?;
        if access.revoked {
            return Err(Denied::Revoked);
        }
        if access.expires_ms <= self.clock.now_ms() {
            return Err(Denied::Expired);
        }
        Ok(access.clone())
    }

    /// Exchanges an authorization code.
    pub(super) fn exchange(
        &self,
        code: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        secret_given: bool,
    ) -> Result<Map<String, Value>, Refusal> {
        let now = self.clock.now_ms();
        let mut tokens = hold(&self.tokens);
        let entry = tokens.codes.get_mut(code).ok_or(Refusal::UnknownCode)?;
        if entry.used {
            return Err(Refusal::UsedCode);
        }
        if entry.expires_ms <= now {
            return Err(Refusal::ExpiredCode);
        }
        match (&entry.redirect_uri, redirect_uri) {
            (Some(bound), Some(given)) if bound != given => return Err(Refusal::RedirectMismatch),
            (None, Some(given)) if given != super::REGISTERED_REDIRECT => return Err(Refusal::RedirectMismatch),
            (Some(_), None) if self.rules.redirect_at_token => return Err(Refusal::RedirectMismatch),
            _ => {}
        }
        match (&entry.challenge, verifier) {
            (Some((challenge, hashed)), Some(verifier)) => {
                let answer =
                    if *hashed { URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) } else { verifier.to_owned() };
                if answer != *challenge {
                    return Err(Refusal::BadVerifier);
                }
            }
            (Some(_), None) => return Err(Refusal::BadVerifier),
            (None, Some(_)) if self.rules.pkce => return Err(Refusal::BadVerifier),
            (None, _) if !secret_given => return Err(Refusal::WrongSecret),
            (None, _) => {}
        }
        entry.used = true;
        let (account, scope, refreshable) = (entry.account, entry.scope.clone(), entry.refreshable);
        tokens.grants += 1;
        let grant = tokens.grants;
        let refresh = refreshable.then(|| self.new_refresh(&mut tokens, account, grant, scope.clone(), !secret_given));
        Ok(self.issue(&mut tokens, account, grant, scope, refresh, true))
    }

    /// Refreshes.
    pub(super) fn refresh(&self, token: &str, secret_given: bool) -> Result<Map<String, Value>, Refusal> {
        let now = self.clock.now_ms();
        let mut tokens = hold(&self.tokens);
        let entry = tokens.refresh.get(token).cloned().ok_or(Refusal::UnknownRefreshToken)?;
        if entry.dead || entry.expires_ms.is_some_and(|expires| expires <= now) {
            tokens.spent_presentations += 1;
            return Err(Refusal::DeadRefreshToken);
        }
        if !secret_given && !entry.public {
            return Err(Refusal::WrongSecret);
        }
        let answered = match self.rules.refresh {
            Refresh::Silent => None,
            Refresh::Same => Some(token.to_owned()),
            Refresh::Renewed(_) => {
                Some(self.new_refresh(&mut tokens, entry.account, entry.grant, entry.scope.clone(), entry.public))
            }
            Refresh::Aging { fresh, .. } if entry.issued_ms + fresh * 1000 > now => Some(token.to_owned()),
            Refresh::Rotating(_) | Refresh::Aging { .. } => {
                if let Some(old) = tokens.refresh.get_mut(token) {
                    old.dead = true;
                }
                Some(self.new_refresh(&mut tokens, entry.account, entry.grant, entry.scope.clone(), entry.public))
            }
        };
        Ok(self.issue(&mut tokens, entry.account, entry.grant, entry.scope, answered, false))
    }

    fn new_refresh(
        &self,
        tokens: &mut Tokens,
        account: u32,
        grant: u64,
        scope: Option<String>,
        public: bool,
    ) -> String {
        let token = format!("{}{}", self.rules.refresh_prefix, random_hex(24));
        let expires_ms = match self.rules.refresh {
            Refresh::Rotating(seconds) | Refresh::Renewed(seconds) => Some(self.clock.now_ms() + seconds * 1000),
            Refresh::Aging { life, .. } => Some(self.clock.now_ms() + life * 1000),
            Refresh::Silent | Refresh::Same => None,
        };
        let issued_ms = self.clock.now_ms();
        tokens
            .refresh
            .insert(token.clone(), RefreshToken { account, grant, scope, expires_ms, issued_ms, public, dead: false });
        token
    }

    fn issue(
        &self,
        tokens: &mut Tokens,
        account: u32,
        grant: u64,
        scope: Option<String>,
        refresh: Option<String>,
        first: bool,
    ) -> Map<String, Value> {
        let now_ms = self.clock.now_ms();
        let seconds = self.access_seconds();
        let token = format!("{}{}", self.rules.access_prefix, random_hex(32));
        let mut answer = Map::new();
        answer.insert("access_token".to_owned(), json!(token));
        if self.rules.announces_expiry {
            answer.insert("expires_in".to_owned(), json!(seconds));
        }
        if let Some(refresh) = refresh {
            answer.insert("refresh_token".to_owned(), json!(refresh));
        }
        let issued = Issued {
            origin: &self.origin,
            client_secret: &self.client_secret,
            account,
            scope: scope.as_deref(),
            now_ms,
            first,
        };
        answer.extend((self.rules.members)(&issued));
        let access = Access { account, grant, scope, expires_ms: now_ms + seconds * 1000, revoked: false };
        tokens.access.insert(token, access);
        answer
    }

    /// Expires every access token issued so far, as if their time had come. Returns how many.
    pub(crate) fn expire_access_tokens(&self) -> usize {
        let mut tokens = hold(&self.tokens);
        tokens.access.values_mut().for_each(|access| access.expires_ms = i64::MIN);
        tokens.access.len()
    }

    /// Revokes every access token issued so far. Returns how many.
    pub(crate) fn revoke_access_tokens(&self) -> usize {
        let mut tokens = hold(&self.tokens);
        tokens.access.values_mut().for_each(|access| access.revoked = true);
        tokens.access.len()
    }

    /// Revokes every refresh token issued so far; access tokens go on until they expire. Returns how many.
    pub(crate) fn revoke_refresh_tokens(&self) -> usize {
        let mut tokens = hold(&self.tokens);
        tokens.refresh.values_mut().for_each(|refresh| refresh.dead = true);
        tokens.refresh.len()
    }

    /// Takes back the whole grant that a token, of either kind, belongs to. False when the token is not known.
    pub(crate) fn revoke_grant(&self, token: &str) -> bool {
        let mut tokens = hold(&self.tokens);
        let grant = tokens
            .access
            .get(token)
            .map(|access| access.grant)
            .or_else(|| tokens.refresh.get(token).map(|refresh| refresh.grant));
        let Some(grant) = grant else { return false };
        tokens.access.values_mut().filter(|access| access.grant == grant).for_each(|access| access.revoked = true);
        tokens.refresh.values_mut().filter(|refresh| refresh.grant == grant).for_each(|refresh| refresh.dead = true);
        true
    }

    /// Takes back one refresh token, leaving the access tokens it gave. False when it is not known.
    pub(crate) fn revoke_refresh_token(&self, token: &str) -> bool {
        hold(&self.tokens).refresh.get_mut(token).map(|refresh| refresh.dead = true).is_some()
    }

    /// The account and scope behind a live refresh token.
    pub(crate) fn refresh_token_account(&self, token: &str) -> Option<(u32, Option<String>)> {
        let tokens = hold(&self.tokens);
        tokens
            .refresh
            .get(token)
            .filter(|refresh| !refresh.dead)
            .map(|refresh| (refresh.account, refresh.scope.clone()))
    }

    /// How often a dead refresh token was presented.
    pub(crate) fn spent_presentations(&self) -> u64 {
        hold(&self.tokens).spent_presentations
    }

    pub(crate) fn clear_spent_presentations(&self) {
        hold(&self.tokens).spent_presentations = 0;
    }
}
