//! Connects instances through the public API, as an app would.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use sandbox::Running;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use url::Url;

use crate::{
    app::App,
    error::{Error, Kind, Result},
    upstream::{Body, Request, Transport},
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A connected instance.
#[derive(Debug)]
pub(super) struct Connected {
    /// The element's key.
    pub(super) key: String,
    /// The instance's id, as the API gives it.
    pub(super) id: Value,
    /// The instance's token.
    pub(super) token: String,
}

/// An app of the demo's organization.
pub(super) struct Visitor {
    transport: Arc<dyn Transport>,
    base: String,
    authorization: SecretString,
}

impl Visitor {
    pub(super) fn new(app: &App, base: &str, user: &SecretString, organization: &SecretString) -> Self {
        let authorization = format!("User {}, Organization {}", user.expose_secret(), organization.expose_secret());
        Self { transport: Arc::clone(&app.transport), base: base.to_owned(), authorization: authorization.into() }
    }

    /// Makes an instance of the element, or connects the one of an earlier start anew.
    ///
    /// `None` when there is no such element.
    pub(super) async fn connect(&self, app: &App, key: &str, sandbox: &Running) -> Result<Option<Connected>> {
        if app.catalog.load().entry(key).is_none() {
            tracing::warn!("no mapping files describe the element {key}");
            return Ok(None);
        }
        let name = format!("{key} demo");
        let mut body = if sandbox.credentials.is_empty() {
            json!({"providerData": self.consent(key, sandbox).await?})
        } else {
            json!({"configuration": sandbox.credentials})
        };
        let instance = if let Some(id) = self.find(key, &name).await? {
            self.call("PATCH", &format!("/instances/{id}"), Some(body)).await?
        } else {
            if let Value::Object(body) = &mut body {
                body.extend([
                    ("name".to_owned(), json!(name)),
                    ("element".to_owned(), json!({"key": key})),
                    ("tags".to_owned(), json!(["demo"])),
                ]);
            }
            self.call("POST", "/instances", Some(body)).await?
        };
        let id = instance.get("id").cloned().unwrap_or_default();
        Ok(Some(Connected { key: key.to_owned(), id, token: text(&instance, "token").to_owned() }))
    }

    /// Sends the user for consent, and gives what comes back: the code, and whatever else the provider sends along.
    async fn consent(&self, key: &str, sandbox: &Running) -> Result<Value> {
        let consent = self.call("GET", &format!("/elements/{key}/oauth/url?state=demo"), None).await?;
        let back = sandbox
            .approve(text(&consent, "oauthUrl"), 1)
            .map_err(|refusal| Error::new(Kind::Internal, format!("{key} refuses consent: {refusal:?}")))?;
        let mut data: Map<String, Value> = back
            .query_pairs()
            .filter(|(name, _)| name != "state")
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        if let Some(verifier) = consent.get("codeVerifier") {
            data.insert("code_verifier".to_owned(), verifier.clone());
        }
        Ok(Value::Object(data))
    }

    /// The id of the instance that an earlier start made.
    async fn find(&self, key: &str, name: &str) -> Result<Option<Value>> {
        let found = match self.call("GET", "/instances?tags[]=demo", None).await {
            // An empty list is a 404 in this contract.
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            found => found?,
        };
        let wanted =
            |row: &&Value| row.pointer("/element/key").is_some_and(|found| found == key) && text(row, "name") == name;
        Ok(found.as_array().and_then(|rows| rows.iter().find(wanted)?.get("id").cloned()))
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let url: Url = format!("{}{path}", self.base).parse().map_err(Error::internal)?;
        let header = |text: &str| text.parse().map_err(|error| Error::internal(format!("a header: {error}")));
        let mut request = Request {
            method: method.parse().map_err(|error| Error::internal(format!("{method}: {error}")))?,
            hosts: Arc::from([url.host_str().unwrap_or_default().to_owned()]),
            url,
            headers: http::HeaderMap::new(),
            sensitive: Vec::new(),
            body: Body::Empty,
            deadline: Instant::now() + TIMEOUT,
            idle: TIMEOUT,
            follow_redirects: false,
            retryable: false,
        };
        request.headers.insert(http::header::AUTHORIZATION, header(self.authorization.expose_secret())?);
        if let Some(body) = body {
            request.headers.insert(http::header::CONTENT_TYPE, header("application/json")?);
            request.body = Body::Bytes(serde_json::to_vec(&body).map_err(Error::internal)?.into());
        }
        let response = self.transport.send(request).await?;
        let status = response.status.as_u16();
        let bytes: Vec<bytes::Bytes> = response.body.try_collect().await.map_err(Error::internal)?;
        let answer = serde_json::from_slice(&bytes.concat()).unwrap_or(Value::Null);
        match status {
            200 => Ok(answer),
            404 => Err(Error::not_found("nothing found")),
            status => Err(Error::new(Kind::Internal, format!("{method} {path} answered {status}: {answer}"))),
        }
    }
}

fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}
