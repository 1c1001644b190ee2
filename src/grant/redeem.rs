//! Tokens from a refresh token that was acquired elsewhere.

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::{Answer, Grants, OAuth2, outage, refused, token, token::Failure};
use crate::error::Result;

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
}
