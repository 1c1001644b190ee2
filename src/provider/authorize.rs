//! Puts an instance's credentials on a request.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    Connection, Token,
    sign::{Challenge, signer},
};
use crate::{
    catalog::{
        Authentication,
        authentication::{Credential, KeyPlace},
    },
    error::{Error, Kind, Result},
    mapping::{Root, Scope, TextTemplate, codec::scalar_text},
    upstream::Request,
};

/// Puts the element's credentials on a request.
pub(super) fn authorize(
    request: &mut Request,
    authentication: &Authentication,
    connection: &Connection,
    token: Option<&Token>,
    challenge: Option<&Challenge>,
) -> Result<()> {
    match authentication {
        Authentication::None => Ok(()),
        Authentication::Digest { credentials, .. } => {
            // Before the server has said what it wants nothing is sent.
            let Some(challenge) = challenge else { return Ok(()) };
            let (username, password) =
                (filled(connection, &credentials.username)?, filled(connection, &credentials.password)?);
            let value = challenge.answer(&username, &password, request)?;
            put(request, &header::AUTHORIZATION, &value)
        }
        Authentication::AwsSignature4(spec) => signer(connection, spec)?.sign(request, chrono::Utc::now()),
        Authentication::OAuth2(spec) => {
            let Some(token) = token else { return Ok(()) };
            let token = token.secret.expose_secret();
            let blank = if spec.scheme.is_empty() { "" } else { " " };
            put(request, &spec.header, &[&spec.scheme, blank, token].concat())
        }
        Authentication::OAuth1(_) => match token.map(|token| (token, &token.signer)) {
            Some((token, Some(signer))) => signer.oauth1.sign(request, &token.secret, signer.secret.as_ref()),
            // Examples are played without a client to sign for.
            Some((token, None)) => {
                let value = format!("OAuth oauth_token=\"{}\"", token.secret.expose_secret());
                put(request, &header::AUTHORIZATION, &value)
            }
            None => Ok(()),
        },
        Authentication::Basic(spec) => {
            let value = basic(&filled(connection, &spec.username)?, &filled(connection, &spec.password)?);
            put(request, &header::AUTHORIZATION, &value)
        }
        Authentication::ApiKey(spec) => {
            let value = format!("{}{}", spec.prefix, connection.configured(&spec.key).unwrap_or_default());
            match &spec.place {
                KeyPlace::Header(name) => put(request, name, &value),
                KeyPlace::Query(name) => {
                    request.url.query_pairs_mut().append_pair(name, &value);
                    Ok(())
                }
            }
        }
        Authentication::Headers(spec) => {
            for (name, text) in &spec.headers {
                if let Some(value) = rendered(connection, text)? {
                    put(request, name, &value)?;
                }
            }
            for (name, text) in &spec.query {
                if let Some(value) = rendered(connection, text)? {
                    request.url.query_pairs_mut().append_pair(name, &value);
                }
            }
            Ok(())
        }
    }
}

fn put(request: &mut Request, name: &HeaderName, value: &str) -> Result<()> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Error::new(Kind::ReauthRequired, "The stored credentials hold characters that no header can carry")
    })?;
    value.set_sensitive(true);
    request.headers.insert(name.clone(), value);
    request.sensitive.push(name.clone());
    Ok(())
}

/// The value of a header with Basic credentials.
pub(super) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

pub(super) fn filled(connection: &Connection, credential: &Credential) -> Result<String> {
    match credential {
        Credential::Key(key) => Ok(connection.configured(key).unwrap_or_default()),
        Credential::Text(text) => Ok(rendered(connection, text)?.unwrap_or_default()),
    }
}

pub(super) fn rendered(connection: &Connection, text: &TextTemplate) -> Result<Option<String>> {
    text.render(connection)
        .map_err(|error| Error::bad_request(format!("The instance's configuration is not complete: {}", error.message)))
}

impl Connection {
    /// The text under a configuration key, secret or not.
    pub(super) fn configured(&self, key: &str) -> Option<String> {
        let secret = self.secrets.get(key).map(|secret| secret.expose_secret().to_owned());
        secret.or_else(|| self.configuration.get(key).and_then(scalar_text))
    }
}

/// What an authentication's own texts may take.
impl Scope for Connection {
    fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>> {
        match root {
            Root::Config | Root::Secret => self.configured(key).map(|text| Cow::Owned(Value::String(text))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use secrecy::SecretString;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        catalog::{self, Element},
        upstream::Body,
    };

    struct Nobody;

    #[async_trait::async_trait]
    impl super::super::Credentials for Nobody {
        async fn token(&self, _: Instant) -> Result<Token> {
            Err(Error::internal("nobody"))
        }

        async fn renew(&self, _: i64, _: Instant) -> Result<Token> {
            Err(Error::internal("nobody"))
        }
    }

    fn element(authentication: Value) -> Arc<Element> {
        let text = json!({
            "id": 900_001, "key": "acme", "name": "Acme", "description": "d", "hub": "documents", "unsupported": {"*": "nothing is called here"},
            "configuration": [{"key": "user"}, {"key": "api.key", "secret": true}],
            "authentication": authentication, "hosts": {"api": "https://api.acme.example"}
        });
        let mut files = catalog::source::Files::built_in();
        files.0.retain(|path, _| path.starts_with("hubs/"));
        files.0.insert("elements/acme/element.json".to_owned(), text.to_string());
        catalog::load::load(&files).unwrap().element("acme").unwrap().unwrap().clone()
    }

    fn authorized(authentication: Value, chosen: &str) -> (String, String) {
        let element = element(authentication);
        let connection = Connection {
            instance_id: 1,
            configuration: json!({"user": "ann", "authentication.type": chosen}).as_object().unwrap().clone(),
            secrets: BTreeMap::from([("api.key".to_owned(), SecretString::from("k/1"))]),
            credentials: Arc::new(Nobody),
        };
        let mut request = Request {
            method: http::Method::GET,
            url: "https://api.acme.example/x?a=1".parse().unwrap(),
            headers: http::HeaderMap::new(),
            sensitive: Vec::new(),
            body: Body::Empty,
            hosts: Arc::from([]),
            deadline: Instant::now(),
            idle: std::time::Duration::ZERO,
            follow_redirects: false,
            retryable: false,
        };
        let token = Token { secret: SecretString::from("t0k"), signer: None, generation: 1 };
        let authentication = element.authentication.of(&connection.configuration);
        authorize(&mut request, authentication, &connection, Some(&token), None).unwrap();
        assert_eq!(request.sensitive.len(), request.headers.len(), "every such header stays off foreign origins");
        let headers: Vec<String> = request
            .headers
            .iter()
            .map(|(name, value)| {
                assert!(value.is_sensitive());
                format!("{name}: {}", value.to_str().unwrap())
            })
            .collect();
        (headers.join("\n"), request.url.to_string())
    }

    #[test]
    fn every_kind_puts_its_credentials_where_they_belong() {
        let plain = "https://api.acme.example/x?a=1";
        let oauth = |scheme: Value| json!({"type": "oauth2", "authorizeUrl": "https://a.example", "tokenUrl": "https://a.example", "scheme": scheme});
        for (authentication, headers, url) in [
            (json!({"type": "none"}), "", plain),
            (oauth(json!("Bearer")), "authorization: Bearer t0k", plain),
            (oauth(json!("Acme-oauthtoken")), "authorization: Acme-oauthtoken t0k", plain),
            (oauth(json!("")), "authorization: t0k", plain),
            (json!({"type": "basic", "username": "api.key"}), "authorization: Basic ay8xOg==", plain),
            (
                json!({"type": "basic", "username": "{config.user}/token", "password": "{secret.api.key}"}),
                "authorization: Basic YW5uL3Rva2VuOmsvMQ==",
                plain,
            ),
            (json!({"type": "apiKey", "header": "X-Key", "prefix": "T ", "key": "api.key"}), "x-key: T k/1", plain),
            (
                json!({"type": "apiKey", "query": "api_token", "key": "api.key"}),
                "",
                "https://api.acme.example/x?a=1&api_token=k%2F1",
            ),
            (
                json!({"type": "headers", "query": {"v": "2"},
                    "headers": {"X-User": "{config.user}", "X-Sum": "u={config.user};k={secret.api.key}"}}),
                "x-user: ann\nx-sum: u=ann;k=k/1",
                "https://api.acme.example/x?a=1&v=2",
            ),
        ] {
            let named = authentication.to_string();
            assert_eq!(authorized(authentication, ""), (headers.to_owned(), url.to_owned()), "{named}");
        }
    }

    #[test]
    fn the_configuration_chooses() {
        let choices = json!({"choices": {
            "apiKey": {"type": "apiKey", "header": "X-Key", "key": "api.key"},
            "custom": {"type": "basic", "username": "user", "password": "api.key"}
        }, "default": "custom"});
        for (chosen, begins) in
            [("apiKey", "x-key"), ("APIKEY", "x-key"), ("custom", "authorization: Basic"), ("", "authorization: Basic")]
        {
            assert!(authorized(choices.clone(), chosen).0.starts_with(begins), "{chosen}");
        }
    }
}
