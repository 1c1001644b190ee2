//! What differs between the providers' authorization servers.

use axum::response::Response;
use serde_json::{Map, Value};

use super::tokens::Issued;
use crate::http::Form;

/// One provider's rules.
pub(crate) struct Rules {
    /// The provider's key; client id and secret are derived from it.
    pub(crate) name: &'static str,
    pub(crate) authorize_path: &'static str,
    /// Every path the token endpoint answers on; the first one is announced.
    pub(crate) token_paths: &'static [&'static str],
    /// A form endpoint that takes `token`; providers that revoke otherwise have a route of their own.
    pub(crate) revoke_path: Option<&'static str>,
    /// The revocation endpoint wants the client's id and secret.
    pub(crate) revoke_wants_client: bool,
    pub(crate) client_auth: ClientAuth,
    /// Proof keys (RFC 7636) are understood; a client that sends one may leave out its secret.
    pub(crate) pkce: bool,
    pub(crate) redirect: Redirect,
    /// The code's redirect address must come along to the token endpoint when the authorization request had one.
    pub(crate) redirect_at_token: bool,
    pub(crate) scope_required: bool,
    /// Whether an authorization request can name scopes that are granted where the account has them, in `optional_scope`.
    pub(crate) optional_scope: bool,
    /// The scope that [`super::CodeRequest`] asks for when it names none.
    pub(crate) default_scope: Option<&'static str>,
    pub(crate) code_seconds: i64,
    pub(crate) access_seconds: i64,
    /// The token answer carries `expires_in`.
    pub(crate) announces_expiry: bool,
    pub(crate) refresh: Refresh,
    /// Whether an approved request earns a refresh token.
    pub(crate) refreshable: fn(&Form) -> bool,
    pub(crate) access_prefix: &'static str,
    pub(crate) refresh_prefix: &'static str,
    /// Members of the token answer besides `access_token`, `refresh_token` and `expires_in`.
    pub(crate) members: fn(&Issued<'_>) -> Map<String, Value>,
    /// The provider's answer to a refused token or revocation request.
    pub(crate) refusal: fn(Refusal) -> Response,
}

impl Rules {
    /// Of a provider without an authorization server: it has keys or passwords.
    #[allow(dead_code, reason = "for providers to come")]
    pub(crate) fn none(name: &'static str) -> Self {
        Self {
            name,
            authorize_path: "",
            token_paths: &[],
            revoke_path: None,
            revoke_wants_client: false,
            client_auth: ClientAuth::Either,
            pkce: false,
            redirect: Redirect::Required,
            redirect_at_token: false,
            scope_required: false,
            optional_scope: false,
            default_scope: None,
            code_seconds: 0,
            access_seconds: 0,
            announces_expiry: false,
            refresh: Refresh::Silent,
            refreshable: |_| false,
            access_prefix: "",
            refresh_prefix: "",
            members: |_| Map::new(),
            refusal: |_| crate::http::raw(404, "text/plain; charset=utf-8", "No authorization server"),
        }
    }
}

/// Where the token endpoint takes the client's id and secret from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// From the form only.
    Body,
    /// From a Basic `Authorization` header only.
    Basic,
    /// From the form or from a Basic `Authorization` header.
    Either,
}

/// What an authorization request without a redirect address means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// The one that is registered.
    Registered,
    /// It is refused.
    Required,
    /// The code is shown to the end user.
    Shown,
}

/// What a refresh answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// No refresh token: the old one goes on.
    Silent,
    /// The same refresh token again.
    Same,
    /// A new refresh token; the old one is dead. Lives so many seconds.
    Rotating(i64),
    /// A new refresh token; the old one goes on. Lives so many seconds.
    Renewed(i64),
    /// The same token while it is younger than `fresh` seconds; then a new one, and the old one dies. A token that lies
    /// idle for `life` seconds dies.
    Aging {
        /// Seconds.
        fresh: i64,
        /// Seconds.
        life: i64,
    },
}

/// Why an authorization server says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body of the request is not a form.
    NotForm,
    /// A parameter is missing.
    Missing(&'static str),
    /// A grant type the provider does not have.
    UnsupportedGrantType,
    /// A response type other than `code`.
    UnsupportedResponseType,
    /// The client is not known.
    UnknownClient,
    /// The client's secret is wrong or missing.
    WrongSecret,
    /// The client's id and secret came in a way the provider does not take.
    WrongClientAuth,
    /// No such code.
    UnknownCode,
    /// The code has been used.
    UsedCode,
    /// The code is too old.
    ExpiredCode,
    /// The redirect address is not the one the code was sent to.
    RedirectMismatch,
    /// A redirect address that cannot be registered.
    BadRedirect,
    /// An unknown challenge method.
    BadChallenge,
    /// The code verifier is missing or wrong.
    BadVerifier,
    /// No such refresh token.
    UnknownRefreshToken,
    /// The refresh token was replaced by a newer one, was revoked, or is too old.
    DeadRefreshToken,
    /// No such token (at the revocation endpoint).
    UnknownToken,
}

impl Refusal {
    /// The error code of RFC 6749.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotForm
            | Self::Missing(_)
            | Self::BadRedirect
            | Self::BadChallenge
            | Self::WrongClientAuth
            | Self::UnknownToken => "invalid_request",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::UnknownClient | Self::WrongSecret => "invalid_client",
            Self::UnknownCode
            | Self::UsedCode
            | Self::ExpiredCode
            | Self::RedirectMismatch
            | Self::BadVerifier
            | Self::UnknownRefreshToken
            | Self::DeadRefreshToken => "invalid_grant",
        }
    }

    /// A plain description.
    pub fn describe(self) -> String {
        match self {
            Self::NotForm => "The request body must be form-encoded".to_owned(),
            Self::Missing(name) => format!("Missing parameter: {name}"),
            Self::UnsupportedGrantType => "The grant type is unsupported".to_owned(),
            Self::UnsupportedResponseType => "The response type is unsupported".to_owned(),
            Self::UnknownClient | Self::WrongSecret => "The client credentials are invalid".to_owned(),
            Self::WrongClientAuth => "The client credentials must be sent in the request body".to_owned(),
            Self::UnknownCode => "The authorization code is invalid".to_owned(),
            Self::UsedCode => "The authorization code has already been used".to_owned(),
            Self::ExpiredCode => "The authorization code has expired".to_owned(),
            Self::RedirectMismatch => "redirect_uri mismatch".to_owned(),
            Self::BadRedirect => "Invalid redirect_uri".to_owned(),
            Self::BadChallenge => "Invalid code_challenge_method".to_owned(),
            Self::BadVerifier => "Invalid code verifier".to_owned(),
            Self::UnknownRefreshToken => "Invalid refresh token".to_owned(),
            Self::DeadRefreshToken => "Refresh token has expired".to_owned(),
            Self::UnknownToken => "Invalid token".to_owned(),
        }
    }
}
