//! What is needed to speak OAuth 2 with one provider, and the two URLs and secrets a browser sees.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{revoke::Revocation, timing};
use crate::error::{Error, Result};

/// How the client authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form.
    #[default]
    Body,
    /// HTTP Basic (RFC 6749 2.3.1).
    Basic,
}

/// How the first tokens are got.
#[derive(Clone, Default)]
pub enum Grant {
    /// An authorization code is exchanged.
    #[default]
    Code,
    /// The client's id and secret are enough.
    ClientCredentials,
    /// User name and password.
    Password {
        /// The user name.
        username: String,
        /// The password.
        password: SecretString,
    },
}

/// One client at one provider.
#[derive(Clone)]
pub struct OAuth2 {
    /// How the first tokens are got.
    pub grant: Grant,
    /// Where the end user is sent.
    pub authorize_url: String,
    /// Where codes are exchanged.
    pub token_url: String,
    /// Where refresh tokens are exchanged, when elsewhere.
    pub refresh_url: Option<String>,
    /// How tokens are given back.
    pub revocation: Option<Revocation>,
    /// How the client authenticates.
    pub client_auth: ClientAuth,
    /// What separates scopes.
    pub scope_separator: String,
    /// Further parameters of the authorize URL.
    pub authorize_params: Vec<(String, String)>,
    /// Further parameters of the calls that get the first tokens.
    pub token_params: Vec<(String, String)>,
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: Option<SecretString>,
    /// Where the provider sends the end user back to.
    pub redirect_uri: Option<String>,
    /// The scope asked for.
    pub scope: Option<String>,
    /// Whether PKCE (S256) is used.
    pub pkce: bool,
    /// Error codes that mean a dead grant, besides `invalid_grant`.
    pub dead_errors: Vec<String>,
    /// The access token's life when the answer does not say.
    pub default_lifetime: Option<Duration>,
    /// How long a refresh token lives that nobody uses; `None` is for ever.
    pub refresh_idle: Option<Duration>,
    /// Members of the answer that become instance configuration: (configuration key, dotted path).
    pub capture: Vec<(String, String)>,
    /// The hosts that may be called.
    pub hosts: Arc<[String]>,
}

impl Default for OAuth2 {
    fn default() -> Self {
        Self {
            grant: Grant::Code,
            authorize_url: String::new(),
            token_url: String::new(),
            refresh_url: None,
            revocation: None,
            client_auth: ClientAuth::Body,
            scope_separator: " ".to_owned(),
            authorize_params: Vec::new(),
            token_params: Vec::new(),
            client_id: String::new(),
            client_secret: None,
            redirect_uri: None,
            scope: None,
            pkce: false,
            dead_errors: Vec::new(),
            default_lifetime: None,
            refresh_idle: None,
            capture: Vec::new(),
            hosts: Arc::from([]),
        }
    }
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("token_url", &self.token_url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl OAuth2 {
    /// How old a grant is at the least when its refresh token is used for no other reason than to keep it alive.
    pub fn first_keep_alive(idle: Duration) -> Duration {
        idle.mul_f64(0.4)
    }

    /// When a grant that is new now is to be looked at: before half of the time is over in which its refresh token dies,
    /// at moments that differ from grant to grant.
    pub fn keep_alive_in(&self) -> Duration {
        timing::keep_alive(self.refresh_idle)
    }

    /// The URL that the end user's browser is sent to.
    ///
    /// `extra` comes last and replaces a parameter of the same name (but not `response_type`, `client_id` and
    /// `state`).
    ///
    /// # Errors
    /// [`Kind::BadRequest`](crate::error::Kind::BadRequest) when the authorize URL is not an absolute URL.
    pub fn authorize_url(&self, state: &str, extra: &[(String, String)]) -> Result<Url> {
        let mut url = parse_url(&self.authorize_url, "authorization")?;
        let mut params: Vec<(&str, String)> =
            vec![("response_type", "code".to_owned()), ("client_id", self.client_id.clone())];
        if let Some(uri) = &self.redirect_uri {
            params.push(("redirect_uri", uri.clone()));
        }
        params.extend(self.asked_scope().map(|scope| ("scope", scope)));
        if !state.is_empty() {
            params.push(("state", state.to_owned()));
        }
        for (name, value) in self.authorize_params.iter().chain(extra) {
            match params.iter_mut().find(|(known, _)| known == name) {
                Some((known, old)) if !matches!(*known, "response_type" | "client_id" | "state") => {
                    old.clone_from(value);
                }
                Some(_) => {}
                None => params.push((name, value.clone())),
            }
        }
        url.query_pairs_mut().extend_pairs(params);
        Ok(url)
    }

    /// The scope asked for, as the provider wants it written.
    fn asked_scope(&self) -> Option<String> {
        self.scope.as_deref().map(|scope| self.joined(scope)).filter(|scope| !scope.is_empty())
    }

    /// What gets tokens by the instance's own keys, without any end user; `None` when that takes a code.
    pub(super) fn keys_form(&self) -> Option<Vec<(&str, String)>> {
        let mut form = match &self.grant {
            Grant::Code => return None,
            Grant::ClientCredentials => vec![("grant_type", "client_credentials".to_owned())],
            Grant::Password { username, password } => vec![
                ("grant_type", "password".to_owned()),
                ("username", username.clone()),
                ("password", password.expose_secret().to_owned()),
            ],
        };
        form.extend(self.asked_scope().map(|scope| ("scope", scope)));
        form.extend(self.token_params.iter().map(|(name, value)| (name.as_str(), value.clone())));
        Some(form)
    }

    /// The scope with the provider's separator, however the caller separated it.
    fn joined(&self, scope: &str) -> String {
        let comma = self.scope_separator.contains(',');
        let parts = scope.split(|char: char| char.is_whitespace() || (comma && char == ','));
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&self.scope_separator)
    }

    pub(super) fn exchange_endpoint(&self) -> Result<Url> {
        parse_url(&self.token_url, "token")
    }

    pub(super) fn refresh_endpoint(&self) -> Result<Url> {
        parse_url(self.refresh_url.as_ref().unwrap_or(&self.token_url), "token")
    }

    /// What tells this client from every other, without telling its secret.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let secret = self.client_secret.as_ref().map_or("", |secret| secret.expose_secret());
        for part in [self.refresh_url.as_ref().unwrap_or(&self.token_url).as_str(), &self.client_id, secret] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.finalize().into()
    }
}

pub(super) fn parse_url(text: &str, what: &str) -> Result<Url> {
    match Url::parse(text) {
        Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err(Error::bad_request(format!("The OAuth {what} URL is not an absolute URL"))),
    }
}

/// A proof key for a code exchange (RFC 7636, S256).
#[derive(Debug, Clone)]
pub struct Pkce {
    /// Kept, and sent with the code.
    pub verifier: SecretString,
    /// Sent with the browser.
    pub challenge: String,
}

impl Pkce {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) when the system gives no random bytes.
    pub fn new() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| Error::internal(error.to_string()))?;
        let verifier = URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self { challenge: challenge(&verifier), verifier: SecretString::from(verifier) })
    }

    /// The parameters of the authorize URL.
    pub fn params(&self) -> [(String, String); 2] {
        [("code_challenge".to_owned(), self.challenge.clone()), ("code_challenge_method".to_owned(), "S256".to_owned())]
    }
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_the_authorize_url() {
        let oauth = OAuth2 {
            authorize_url: "https://provider.example/authorize?prompt=consent".to_owned(),
            client_id: "abc".to_owned(),
            redirect_uri: Some("https://app.example/cb?x=1".to_owned()),
            scope: Some("read, write".to_owned()),
            scope_separator: ",".to_owned(),
            authorize_params: vec![("access".to_owned(), "offline".to_owned())],
            ..OAuth2::default()
        };
        let extra = [
            ("access".to_owned(), "online".to_owned()),
            ("client_id".to_owned(), "evil".to_owned()),
            ("a".to_owned(), "b c".to_owned()),
        ];
        assert_eq!(
            oauth.authorize_url("s&t", &extra).unwrap().as_str(),
            "https://provider.example/authorize?prompt=consent&response_type=code&client_id=abc\
             &redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1&scope=read%2Cwrite&state=s%26t&access=online&a=b+c"
        );
        for bad in ["", "/authorize", "javascript:alert(1)", "mailto:a@b"] {
            let oauth = OAuth2 { authorize_url: bad.to_owned(), ..OAuth2::default() };
            assert!(oauth.authorize_url("", &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn pkce_agrees_with_rfc_7636_appendix_b() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        let pkce = Pkce::new().unwrap();
        assert_eq!(pkce.verifier.expose_secret().len(), 43);
        assert!(!format!("{pkce:?}").contains(pkce.verifier.expose_secret()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let oauth = OAuth2 {
            client_secret: Some(SecretString::from("canary".to_owned())),
            token_params: vec![("k".to_owned(), "canary".to_owned())],
            ..OAuth2::default()
        };
        assert!(!format!("{oauth:?}").contains("canary"));
    }
}
