//! An authorization server, parametrised by a provider's own rules.
//!
//! It knows one client. Codes are single-use, short-lived and bound to the client and the redirect address; what a
//! refresh answers, and what becomes of the old refresh token, is the provider's [`Rules`].

mod endpoints;
mod page;
mod rules;
mod tokens;

use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use url::Url;

pub use self::rules::Refusal;
use self::tokens::{Code, Tokens};
pub(crate) use self::{
    endpoints::router,
    rules::{ClientAuth, Redirect, Refresh, Rules},
    tokens::{Access, Denied, Issued},
};
use crate::{
    core::{SandboxClock, Settings, hold, random_hex},
    http::Form,
};

/// The redirect address that is taken when an authorization request names none.
pub(crate) const REGISTERED_REDIRECT: &str = "http://127.0.0.1:8080/callback";

/// The authorization server of one imitation.
pub(crate) struct Server {
    pub(crate) rules: Rules,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    origin: String,
    clock: Arc<SandboxClock>,
    auto_approve: AtomicBool,
    access_seconds: Mutex<Option<i64>>,
    tokens: Mutex<Tokens>,
    /// What comes to the redirect address beside the code.
    callback: OnceLock<Vec<(&'static str, String)>>,
}

/// What a client asks an end user to approve, for [`crate::Running::code`].
#[derive(Clone, Debug)]
pub struct CodeRequest {
    /// Where the code would be sent.
    pub redirect_uri: String,
    /// The scope asked for, as the provider spells it.
    pub scope: Option<String>,
    /// The number of the account that approves: 1 (the default) or 2.
    pub account: u32,
    /// Further query parameters of the authorization request.
    pub extra: Vec<(String, String)>,
}

impl CodeRequest {
    /// Asks for everything the provider grants, refresh token included, for the first account.
    pub fn new(redirect_uri: &str) -> Self {
        Self {
            redirect_uri: redirect_uri.to_owned(),
            scope: None,
            account: 1,
            extra: [("token_access_type", "offline"), ("access_type", "offline"), ("prompt", "consent")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
        }
    }

    /// The same for another account.
    pub fn account(mut self, account: u32) -> Self {
        self.account = account;
        self
    }

    /// The same for a scope.
    pub fn scope(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }
}

impl Server {
    pub(crate) fn new(rules: Rules, origin: String, clock: Arc<SandboxClock>, settings: &Settings) -> Self {
        Self {
            client_id: format!("{}-sandbox-client", rules.name),
            client_secret: format!("{}-sandbox-secret", rules.name),
            rules,
            origin,
            clock,
            auto_approve: AtomicBool::new(settings.auto_approve),
            access_seconds: Mutex::new(settings.access_seconds),
            tokens: Mutex::default(),
            callback: OnceLock::new(),
        }
    }

    /// Sets what comes to the redirect address beside code and state.
    pub(crate) fn tell(&self, callback: Vec<(&'static str, String)>) {
        if self.callback.set(callback).is_err() {
            tracing::debug!("the callback is told once");
        }
    }

    pub(crate) fn told(&self) -> &[(&'static str, String)] {
        self.callback.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Forgets every code and token.
    pub(crate) fn reset(&self) {
        *hold(&self.tokens) = Tokens::default();
    }

    pub(crate) fn auto_approve(&self) -> bool {
        self.auto_approve.load(Ordering::Relaxed)
    }

    pub(crate) fn set_auto_approve(&self, automatic: bool) {
        self.auto_approve.store(automatic, Ordering::Relaxed);
    }

    /// Lifetime of the access tokens issued from now on.
    pub(crate) fn access_seconds(&self) -> i64 {
        hold(&self.access_seconds).unwrap_or(self.rules.access_seconds)
    }

    pub(crate) fn set_access_seconds(&self, seconds: Option<i64>) {
        *hold(&self.access_seconds) = seconds;
    }

    /// Looks at an authorization request as the provider does before it shows its consent page.
    ///
    /// Returns where the answer goes, or nowhere when the request names no address and the provider shows the code.
    pub(crate) fn examine(&self, query: &Form) -> Result<Option<Url>, Refusal> {
        let client = query.get("client_id").ok_or(Refusal::Missing("client_id"))?;
        if *client != self.client_id {
            return Err(Refusal::UnknownClient);
        }
        let redirect = match query.get("redirect_uri") {
            Some(given) => Some(acceptable(given).ok_or(Refusal::BadRedirect)?),
            None => match self.rules.redirect {
                Redirect::Registered => Some(acceptable(REGISTERED_REDIRECT).ok_or(Refusal::BadRedirect)?),
                Redirect::Required => return Err(Refusal::Missing("redirect_uri")),
                Redirect::Shown => None,
            },
        };
        match query.get("response_type").map(String::as_str) {
            Some("code") => {}
            Some(_) => return Err(Refusal::UnsupportedResponseType),
            None => return Err(Refusal::Missing("response_type")),
        }
        if self.rules.scope_required && query.get("scope").is_none_or(|scope| scope.trim().is_empty()) {
            return Err(Refusal::Missing("scope"));
        }
        match query.get("code_challenge_method").map(String::as_str) {
            None | Some("S256" | "plain") => {}
            Some(_) => return Err(Refusal::BadChallenge),
        }
        Ok(redirect)
    }

    /// The scopes that an approval grants: those asked for, and the optional ones, all of which the accounts have.
    fn granted(&self, query: &Form) -> Option<String> {
        let named = |name: &str| query.get(name).map(|text| text.trim()).filter(|scope| !scope.is_empty());
        let optional = named("optional_scope").filter(|_| self.rules.optional_scope);
        let scopes: Vec<&str> = named("scope").into_iter().chain(optional).collect();
        (!scopes.is_empty()).then(|| scopes.join(" "))
    }

    /// Approves an examined authorization request and returns the code.
    pub(crate) fn approve(&self, query: &Form, account: u32) -> String {
        let code = random_hex(20);
        let challenge = query.get("code_challenge").map(|challenge| {
            let hashed = query.get("code_challenge_method").is_some_and(|method| method == "S256");
            (challenge.clone(), hashed)
        });
        hold(&self.tokens).codes.insert(
            code.clone(),
            Code {
                account,
                redirect_uri: query.get("redirect_uri").cloned(),
                scope: self.granted(query),
                challenge: if self.rules.pkce { challenge } else { None },
                refreshable: (self.rules.refreshable)(query),
                expires_ms: self.clock.now_ms() + self.rules.code_seconds * 1000,
                used: false,
            },
        );
        code
    }

    /// Takes an authorization address, as a client would send a browser to it, and answers with the address the
    /// browser is sent back to after the end user has approved.
    pub(crate) fn approve_url(&self, authorize_url: &str, account: u32) -> Result<Url, Refusal> {
        let url = Url::parse(authorize_url).map_err(|_| Refusal::BadRedirect)?;
        let query = crate::http::form(url.query().unwrap_or_default().as_bytes());
        let mut back = self.examine(&query)?.ok_or(Refusal::BadRedirect)?;
        back.query_pairs_mut().append_pair("code", &self.approve(&query, account)).extend_pairs(self.told());
        if let Some(state) = query.get("state") {
            back.query_pairs_mut().append_pair("state", state);
        }
        Ok(back)
    }

    /// An authorization code without a browser.
    pub(crate) fn code(&self, request: &CodeRequest) -> Result<String, Refusal> {
        let mut query: Form = request.extra.iter().cloned().collect();
        query.insert("client_id".to_owned(), self.client_id.clone());
        query.insert("response_type".to_owned(), "code".to_owned());
        query.insert("redirect_uri".to_owned(), request.redirect_uri.clone());
        if let Some(scope) = request.scope.as_deref().or(self.rules.default_scope) {
            query.insert("scope".to_owned(), scope.to_owned());
        }
        self.examine(&query)?;
        Ok(self.approve(&query, request.account))
    }
}

/// A redirect address that a client could have registered: https, or http on the machine itself; no fragment.
fn acceptable(redirect: &str) -> Option<Url> {
    let url = Url::parse(redirect).ok()?;
    let local = matches!(url.host_str()?, "localhost" | "127.0.0.1" | "[::1]");
    let secure = url.scheme() == "https" || (url.scheme() == "http" && local);
    (secure && url.fragment().is_none()).then_some(url)
}
