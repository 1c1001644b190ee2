//! A gateway on a free port with a fresh store, and a caller that speaks the contract to it.

use std::{path::Path, sync::Arc};

use hubgate::{
    api::Serving,
    app::App,
    clock::SystemClock,
    config::{Config, Sources},
    store::{CreatedAccount, NewAccount},
};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Gateway {
    pub(crate) app: App,
    pub(crate) base: String,
    pub(crate) home: TempDir,
    pub(crate) client: reqwest::Client,
    _serving: Serving,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The answer of a call that must have worked.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The contract's error body of a call that must have failed.
    #[track_caller]
    pub(crate) fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let body = self.json();
        assert_eq!(body["requestId"].as_str().unwrap(), self.header("elements-request-id").unwrap());
        assert!(!body["message"].as_str().unwrap().is_empty());
        body
    }
}

/// The pointers that an error body names.
pub(crate) fn pointers(body: &Value) -> Vec<&str> {
    body["errors"]
        .as_array()
        .map_or_else(Vec::new, |errors| errors.iter().filter_map(|error| error["pointer"].as_str()).collect())
}

/// One who calls, with his credentials.
pub(crate) struct Caller<'a> {
    gateway: &'a Gateway,
    authorization: String,
}

impl Gateway {
    pub(crate) async fn start(elements: &[(&str, Value)], configure: impl FnOnce(&mut Config)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut config = Config::load(&Sources::default()).unwrap();
        config.server.listen.set_port(0);
        config.metrics.listen = None;
        config.store.data_dir = home.path().join("data");
        config.catalog.path = home.path().join("mappings");
        config.catalog.watch = false;
        config.egress.allow = vec!["127.0.0.1".to_owned()];
        write_elements(&config.catalog.path, elements);
        configure(&mut config);
        let app = App::build(config, Arc::new(SystemClock)).await.unwrap();
        let serving = Serving::start(app.clone()).await.unwrap();
        let base = format!("http://{}/elements/api-v2", serving.address);
        Self { app, base, home, client: client(), _serving: serving }
    }

    pub(crate) async fn account(&self, email: &str) -> CreatedAccount {
        let account = NewAccount { organization: "Acme".to_owned(), email: email.to_owned(), ..NewAccount::default() };
        self.app.store.create_account(account).await.unwrap()
    }

    /// A user with an organization of his own.
    pub(crate) async fn user(&self, email: &str) -> Caller<'_> {
        let made = self.account(email).await;
        let (user, organization) = (made.user_secret.expose_secret(), made.organization_secret.expose_secret());
        self.caller(format!("User {user}, Organization {organization}"))
    }

    pub(crate) fn element(&self, token: &Value) -> Caller<'_> {
        self.caller(format!("Element {}", token.as_str().unwrap()))
    }

    fn caller(&self, authorization: String) -> Caller<'_> {
        Caller { gateway: self, authorization }
    }
}

fn write_elements(directory: &Path, elements: &[(&str, Value)]) {
    for (key, element) in elements {
        let folder = directory.join("elements").join(key);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("element.json"), element.to_string()).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "this client is the application's, not the gateway's")]
fn client() -> reqwest::Client {
    // A second test of the process finds it installed.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

impl Caller<'_> {
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self
            .gateway
            .client
            .request(method, format!("{}{path}", self.gateway.base))
            .header("Authorization", &self.authorization);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }
}
