//! OAuth 1.0a (RFC 5849): request token, consent, access token, and calls that are signed one by one.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

pub use self::signature::Signature;
use self::signature::encode;
use super::{Answer, Grants, OAuth2, oauth, outage, refused, token, token::Failure};
use crate::{
    error::{Error, Result},
    upstream::{Body, Request},
};

mod signature;

/// One client (consumer) at one provider.
#[derive(Clone)]
pub struct OAuth1 {
    /// Where a request token is got.
    pub request_token_url: String,
    /// Where the end user is sent with it.
    pub authorize_url: String,
    /// Where it is exchanged.
    pub access_token_url: String,
    /// How requests are signed.
    pub signature: Signature,
    /// The realm named in the header.
    pub realm: Option<String>,
    /// Whether the parameters travel in the query instead of the header.
    pub in_query: bool,
    /// The consumer key.
    pub consumer_key: String,
    /// The consumer secret.
    pub consumer_secret: SecretString,
    /// Where the provider sends the end user back to.
    pub callback: Option<String>,
    /// Further parameters of the authorize URL.
    pub authorize_params: Vec<(String, String)>,
    /// Members of the token answer that become instance configuration: (configuration key, member).
    pub capture: Vec<(String, String)>,
    /// The hosts that may be called.
    pub hosts: Arc<[String]>,
}

impl fmt::Debug for OAuth1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth1").field("request_token_url", &self.request_token_url).finish_non_exhaustive()
    }
}

impl OAuth1 {
    /// The URL that the end user's browser is sent to with a request token.
    ///
    /// # Errors
    /// [`Kind::BadRequest`](crate::error::Kind::BadRequest) when the authorize URL is not an absolute URL.
    pub fn authorize_url(&self, request_token: &str) -> Result<Url> {
        let mut url = oauth::parse_url(&self.authorize_url, "authorization")?;
        url.query_pairs_mut().append_pair("oauth_token", request_token).extend_pairs(&self.authorize_params);
        Ok(url)
    }

    /// Signs `request` for the holder of a token.
    ///
    /// The parameters of a form body are signed along; nothing of the request may change afterwards.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) when the system gives no random bytes.
    pub fn sign(&self, request: &mut Request, token: &SecretString, secret: Option<&SecretString>) -> Result<()> {
        let secret = secret.map_or("", |secret| secret.expose_secret());
        self.sign_with(request, &[("oauth_token", token.expose_secret())], secret)
    }

    fn sign_with(&self, request: &mut Request, further: &[(&str, &str)], secret: &str) -> Result<()> {
        let mut nonce = [0_u8; 16];
        getrandom::fill(&mut nonce).map_err(|error| Error::internal(error.to_string()))?;
        let (nonce, timestamp) = (hex::encode(nonce), chrono::Utc::now().timestamp().to_string());
        let own = [
            ("oauth_consumer_key", self.consumer_key.as_str()),
            ("oauth_signature_method", self.signature.name()),
            ("oauth_timestamp", &timestamp),
            ("oauth_nonce", &nonce),
            ("oauth_version", "1.0"),
        ];
        let mut parameters: Vec<(String, String)> =
            own.iter().chain(further).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut signed = parameters.clone();
        signed.extend(form_of(request));
        let secrets = (self.consumer_secret.expose_secret(), secret);
        let signature = self.signature.sign(request.method.as_str(), &request.url, &signed, secrets);
        parameters.push(("oauth_signature".to_owned(), signature));
        if self.in_query {
            request.url.query_pairs_mut().extend_pairs(parameters);
            return Ok(());
        }
        let realm = self.realm.iter().map(|realm| format!("realm=\"{}\"", encode(realm)));
        let written = parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", encode(value)));
        let header = format!("OAuth {}", realm.chain(written).collect::<Vec<_>>().join(", "));
        let mut header = HeaderValue::from_str(&header).map_err(Error::internal)?;
        header.set_sensitive(true);
        request.headers.insert(AUTHORIZATION, header);
        request.sensitive.push(AUTHORIZATION);
        Ok(())
    }

    /// What reads answers and words as for OAuth 2.
    fn reader(&self) -> OAuth2 {
        OAuth2 {
            client_secret: Some(self.consumer_secret.clone()),
            capture: self.capture.clone(),
            hosts: Arc::clone(&self.hosts),
            ..OAuth2::default()
        }
    }
}

/// The parameters of a form body.
fn form_of(request: &Request) -> Vec<(String, String)> {
    let is_form = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    match &request.body {
        Body::Bytes(bytes) if is_form => form_urlencoded::parse(bytes).into_owned().collect(),
        _ => Vec::new(),
    }
}

impl Grants {
    /// Gets a request token and its secret, with which the end user is sent to the provider.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub async fn request_token(&self, oauth1: &OAuth1, deadline: Instant) -> Result<(SecretString, SecretString)> {
        let callback = oauth1.callback.as_deref().unwrap_or("oob");
        let url = oauth::parse_url(&oauth1.request_token_url, "request token")?;
        let called = self.call_signed(oauth1, url, &[("oauth_callback", callback)], "", deadline).await;
        let answer = called.map_err(|failure| told(failure, "The provider refused a request token"))?;
        let secret = answer.secret.ok_or_else(|| {
            Error::new(crate::error::Kind::ProviderFailed, "The provider gave a request token without its secret")
        })?;
        Ok((answer.access, secret))
    }

    /// Exchanges a request token that the end user has approved. Nothing is stored.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub async fn exchange_verifier(
        &self,
        oauth1: &OAuth1,
        request_token: &SecretString,
        secret: &SecretString,
        verifier: &SecretString,
        deadline: Instant,
    ) -> Result<Answer> {
        let url = oauth::parse_url(&oauth1.access_token_url, "access token")?;
        let further = [("oauth_token", request_token.expose_secret()), ("oauth_verifier", verifier.expose_secret())];
        let called = self.call_signed(oauth1, url, &further, secret.expose_secret(), deadline).await;
        called.map_err(|failure| told(failure, "The provider refused the request token or its verifier"))
    }

    async fn call_signed(
        &self,
        oauth1: &OAuth1,
        url: Url,
        further: &[(&str, &str)],
        secret: &str,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let deadline = deadline.min(Instant::now() + self.0.settings.token_timeout);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let mut request = Request {
            method: Method::POST,
            url,
            headers,
            sensitive: Vec::new(),
            body: Body::Bytes(Bytes::new()),
            hosts: Arc::clone(&oauth1.hosts),
            deadline,
            idle: token::IDLE,
            follow_redirects: false,
            retryable: false,
        };
        oauth1.sign_with(&mut request, further, secret).map_err(Failure::Blocked)?;
        // What was sent is not repeated to the caller, should the provider repeat it.
        let mut hidden = further.to_vec();
        hidden.push(("secret", secret));
        token::call_oauth1(&*self.0.transport, &self.0.clock, &oauth1.reader(), request, &hidden).await
    }
}

fn told(failure: Failure, text: &str) -> Error {
    match failure {
        Failure::Dead(fault) | Failure::Client(fault) | Failure::Refused(fault) => refused(text, fault),
        Failure::Blocked(error) => error,
        Failure::Down { kind, fault, retry_after, .. } => outage(kind, fault, retry_after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth1(in_query: bool) -> OAuth1 {
        OAuth1 {
            request_token_url: String::new(),
            authorize_url: "https://p.example/authorize?a=1".to_owned(),
            access_token_url: String::new(),
            signature: Signature::Plaintext,
            realm: Some("r 1".to_owned()),
            in_query,
            consumer_key: "ck".to_owned(),
            consumer_secret: SecretString::from("canary-consumer"),
            callback: None,
            authorize_params: vec![("lang".to_owned(), "en".to_owned())],
            capture: Vec::new(),
            hosts: Arc::from([]),
        }
    }

    fn signed(in_query: bool) -> Request {
        let mut request = Request {
            method: Method::GET,
            url: "https://p.example/x?b=2".parse().unwrap(),
            headers: HeaderMap::new(),
            sensitive: Vec::new(),
            body: Body::Empty,
            hosts: Arc::from([]),
            deadline: Instant::now(),
            idle: token::IDLE,
            follow_redirects: false,
            retryable: false,
        };
        let (token, secret) = (SecretString::from("tk"), SecretString::from("ts"));
        oauth1(in_query).sign(&mut request, &token, Some(&secret)).unwrap();
        request
    }

    #[test]
    fn parameters_travel_in_the_header_or_in_the_query() {
        let request = signed(false);
        let header = request.headers[AUTHORIZATION].to_str().unwrap().to_owned();
        assert!(header.starts_with("OAuth realm=\"r%201\", oauth_consumer_key=\"ck\", "), "{header}");
        assert!(header.ends_with("oauth_token=\"tk\", oauth_signature=\"canary-consumer%26ts\""), "{header}");
        assert_eq!((request.url.as_str(), request.sensitive.len()), ("https://p.example/x?b=2", 1));
        let request = signed(true);
        assert!(request.headers.is_empty());
        assert!(request.url.as_str().ends_with("&oauth_token=tk&oauth_signature=canary-consumer%26ts"));
        assert_ne!(signed(true).url, signed(true).url, "every call has a nonce of its own");
    }

    #[test]
    fn sends_the_end_user_with_the_request_token() {
        let url = oauth1(false).authorize_url("rt 1").unwrap();
        assert_eq!(url.as_str(), "https://p.example/authorize?a=1&oauth_token=rt+1&lang=en");
        assert!(!format!("{:?}", oauth1(false)).contains("canary"));
    }
}
