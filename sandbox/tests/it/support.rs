//! A client for the tests.

use reqwest::{Client, Method, RequestBuilder, Response, redirect::Policy};
use sandbox::{CodeRequest, Running, Settings};
use serde_json::Value;

pub(crate) const REDIRECT: &str = "http://127.0.0.1:9/callback";

/// A running imitation with a connected client.
pub(crate) struct Fixture {
    pub(crate) provider: Running,
    pub(crate) client: Client,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Fixture {
    pub(crate) async fn new(key: &str) -> Self {
        Self::with(key, &Settings::default()).await
    }

    pub(crate) async fn with(key: &str, settings: &Settings) -> Self {
        let provider = sandbox::start_with(key, "127.0.0.1:0", settings).await.unwrap();
        let mut fixture = Self { provider, client: client(), access: String::new(), refresh: String::new() };
        fixture.connect(1).await;
        fixture
    }

    /// Connects another account, or the same one anew.
    pub(crate) async fn connect(&mut self, account: u32) {
        let code = self.provider.code(&CodeRequest::new(REDIRECT).account(account)).unwrap();
        let answer = self.exchange(&code).await;
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        body["access_token"].as_str().unwrap().clone_into(&mut self.access);
        body["refresh_token"].as_str().unwrap().clone_into(&mut self.refresh);
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Response {
        let mut all = vec![
            ("client_id", self.provider.client_id.as_str()),
            ("client_secret", self.provider.client_secret.as_str()),
        ];
        all.extend_from_slice(form);
        self.client.post(self.provider.url("token")).form(&all).send().await.unwrap()
    }

    pub(crate) async fn exchange(&self, code: &str) -> Response {
        self.token(&[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)]).await
    }

    pub(crate) async fn renew(&self, refresh: &str) -> Response {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await
    }

    /// A request without credentials; the path is relative to the origin.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.provider.origin()))
    }

    /// A request with the access token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.access)
    }

    /// A control request with a JSON body.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let answer = self.bare(Method::POST, &format!("/_control{path}")).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "the product's guarded client is not for driving sandboxes in tests")]
pub(crate) fn client() -> Client {
    // Another test may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().redirect(Policy::none()).no_proxy().build().unwrap()
}

/// Status and JSON body.
pub(crate) async fn json(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
