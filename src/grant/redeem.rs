//! First tokens without a code: from a refresh token that was acquired elsewhere, or by the instance's own keys.

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::{Answer, Grants, Inner, OAuth2, outage, refused, token, token::Failure};
use crate::error::{Error, Result};

impl Grants {
    /// Redeems a refresh token that no instance holds yet. Nothing is stored.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub async fn redeem(&self, oauth: &OAuth2, refresh: &SecretString, deadline: Instant) -> Result<Answer> {
        let inner = &*self.0;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())];
        let deadline = deadline.min(Instant::now() + inner.settings.token_timeout);
        let url = oauth.refresh_endpoint()?;
        let called = token::call(&*inner.transport, &inner.clock, oauth, url, &form, deadline).await;
        called.map_err(|failure| match failure {
            Failure::Dead(fault) | Failure::Refused(fault) => refused("The provider refused the refresh token", fault),
            Failure::Client(fault) => refused("The provider refused the client id or its secret", fault),
            Failure::Blocked(error) => error,
            Failure::Down { kind, fault, retry_after, .. } => outage(kind, fault, retry_after),
        })
    }

    /// Gets tokens by what the instance is configured with (client credentials, user name and password).
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange); [`Kind::Internal`](crate::error::Kind::Internal) when that takes a code.
    pub async fn grant_by_keys(&self, oauth: &OAuth2, deadline: Instant) -> Result<Answer> {
        let deadline = deadline.min(Instant::now() + self.0.settings.token_timeout);
        self.0.by_keys(oauth, deadline).await.map_err(|failure| match failure {
            Failure::Dead(fault) | Failure::Refused(fault) => refused("The provider refused the credentials", fault),
            Failure::Client(fault) => refused("The provider refused the client id, its secret or the scope", fault),
            Failure::Blocked(error) => error,
            Failure::Down { kind, fault, retry_after, .. } => outage(kind, fault, retry_after),
        })
    }
}

impl Inner {
    /// One call that gets tokens by the instance's own keys.
    pub(super) async fn by_keys(&self, oauth: &OAuth2, deadline: Instant) -> Result<Answer, Failure> {
        let takes_a_code = || Failure::Blocked(Error::internal("these tokens take an authorization code"));
        let form = oauth.keys_form().ok_or_else(takes_a_code)?;
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let url = oauth.exchange_endpoint().map_err(Failure::Blocked)?;
        token::call(&*self.transport, &self.clock, oauth, url, &form, deadline).await
    }
}
