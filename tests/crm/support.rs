//! An element of the CRM hub over its sandbox, run through the engine.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hubgate::{
    catalog::{self, Catalog, Element},
    clock::SystemClock,
    error::{Error, Result},
    provider::{Connection, Credentials, Engine, Invocation, Limits, Outcome, PageRequest, Token},
    query,
    upstream::{
        Body, Request, Transport,
        client::{Client, Settings},
        guard::Guard,
    },
};
use sandbox::{CodeRequest, Running};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

const CALLBACK: &str = "https://app.example/callback";

/// One uniform call.
#[derive(Clone, Default)]
pub(crate) struct Ask {
    pub(crate) operation: String,
    pub(crate) path: Vec<(String, String)>,
    pub(crate) filter: Option<String>,
    pub(crate) order: Option<String>,
    pub(crate) fields: Vec<String>,
    pub(crate) size: u64,
    pub(crate) body: Value,
    pub(crate) native: bool,
    pub(crate) count: bool,
    pub(crate) position: Option<hubgate::provider::Position>,
}

impl Ask {
    pub(crate) fn new(operation: &str) -> Self {
        Self { operation: operation.to_owned(), size: 200, ..Self::default() }
    }

    pub(crate) fn id(self, id: &str) -> Self {
        self.named("id", id)
    }

    pub(crate) fn named(mut self, name: &str, value: &str) -> Self {
        self.path.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn filter(mut self, filter: &str) -> Self {
        self.filter = Some(filter.to_owned());
        self
    }

    pub(crate) fn order(mut self, order: &str) -> Self {
        self.order = Some(order.to_owned());
        self
    }

    pub(crate) fn fields(mut self, fields: &[&str]) -> Self {
        self.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    pub(crate) fn size(mut self, size: u64) -> Self {
        self.size = size;
        self
    }

    pub(crate) fn native(mut self) -> Self {
        self.native = true;
        self
    }

    pub(crate) fn count(mut self) -> Self {
        self.count = true;
        self
    }
}

/// One element connected to its sandbox.
pub(crate) struct Connected {
    pub(crate) element: Arc<Element>,
    pub(crate) connection: Connection,
    pub(crate) engine: Engine,
    pub(crate) sandbox: Running,
}

/// Fixed credentials; a renewal is one more token of the same code.
struct Fixed {
    tokens: Vec<SecretString>,
}

#[async_trait::async_trait]
impl Credentials for Fixed {
    async fn token(&self, _: Instant) -> Result<Token> {
        Ok(Token { secret: self.tokens[0].clone(), signer: None, generation: 0 })
    }

    async fn renew(&self, seen: i64, _: Instant) -> Result<Token> {
        let next = usize::try_from(seen + 1).unwrap();
        let secret = self.tokens.get(next).cloned().ok_or_else(|| Error::internal("no further token"))?;
        Ok(Token { secret, signer: None, generation: seen + 1 })
    }
}

pub(crate) fn catalog() -> Catalog {
    catalog::open(None).unwrap_or_else(|refused| panic!("{refused}"))
}

fn client() -> Client {
    Client::new(Guard::new(&["127.0.0.1"]).unwrap(), Settings::default(), Arc::new(SystemClock)).unwrap()
}

async fn token(sandbox: &Running, client: &Client, form: &[(&str, &str)]) -> Value {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(form)
        .extend_pairs([("client_id", sandbox.client_id.as_str()), ("client_secret", sandbox.client_secret.as_str())]);
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let request = Request {
        method: Method::POST,
        url: sandbox.url("token").parse().unwrap(),
        headers,
        sensitive: Vec::new(),
        body: Body::Bytes(text.finish().into()),
        hosts: Arc::new([]),
        deadline: soon(),
        idle: Duration::from_secs(5),
        follow_redirects: false,
        retryable: false,
    };
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status, StatusCode::OK);
    let chunks: Vec<Bytes> = response.body.try_collect().await.unwrap();
    serde_json::from_slice(&chunks.concat()).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

impl Connected {
    pub(crate) async fn new(key: &str) -> Self {
        let sandbox = sandbox::start(key, "127.0.0.1:0").await.unwrap();
        let client = client();
        let element = Arc::clone(catalog().element(key).unwrap_or_else(|| panic!("no element {key}")).unwrap());
        let code = sandbox.code(&CodeRequest::new(CALLBACK)).unwrap();
        let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
        let first = token(&sandbox, &client, &form).await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", first["refresh_token"].as_str().unwrap())];
        let second = token(&sandbox, &client, &form).await;
        let secret = |answer: &Value| SecretString::from(answer["access_token"].as_str().unwrap().to_owned());
        let tokens = vec![secret(&first), secret(&second)];
        // What a connected instance has: the captured root of the API, or an override that points at the sandbox.
        let base = first["instance_url"].as_str().map_or_else(|| sandbox.url("api").to_owned(), str::to_owned);
        let connection = Connection {
            instance_id: 1,
            configuration: Map::from_iter([("base.url".to_owned(), json!(base))]),
            secrets: BTreeMap::new(),
            credentials: Arc::new(Fixed { tokens }),
        };
        let engine = Engine::new(Arc::new(client), Limits::default());
        Self { element, connection, engine, sandbox }
    }

    pub(crate) async fn try_ask(&self, ask: Ask) -> Result<Outcome> {
        let operation = self.element.operation(&ask.operation).unwrap_or_else(|| panic!("no {}", ask.operation));
        let invocation = Invocation {
            parent: None,
            operation: Arc::clone(operation),
            path: ask.path,
            query: Map::new(),
            headers: Map::new(),
            body: ask.body,
            pass: HeaderMap::new(),
            native: ask.native || operation.hub.native,
            fields: ask.fields,
            filter: ask.filter.map(|text| query::parse(&text).unwrap()),
            local_filter: None,
            order: ask.order.map_or_else(Vec::new, |text| query::parse_order_by(&text).unwrap()),
            page: PageRequest { size: ask.size, position: ask.position, drop: 0 },
            iso_dates: false,
            raw: false,
            keep_nulls: false,
            count: ask.count,
            paths: true,
            without: Vec::new(),
            deadline: soon(),
        };
        Box::pin(self.engine.run(&self.element, &self.connection, &invocation, None)).await
    }

    #[track_caller]
    pub(crate) fn ask(&self, ask: Ask) -> impl Future<Output = Outcome> {
        let name = format!("{} {}", self.element.key, ask.operation);
        async move {
            self.try_ask(ask).await.and_then(Outcome::opened).unwrap_or_else(|error| panic!("{name}: {}", told(&error)))
        }
    }

    pub(crate) async fn record(&self, ask: Ask) -> Value {
        match self.ask(ask).await {
            Outcome::Record(record) => Value::Object(record),
            _ => panic!("no record"),
        }
    }

    pub(crate) async fn list(&self, ask: Ask) -> Vec<Value> {
        match self.ask(ask).await {
            Outcome::List { items, .. } => items.into_iter().map(Value::Object).collect(),
            _ => panic!("no list"),
        }
    }
}

pub(crate) fn told(error: &Error) -> String {
    let fault = error.provider().map(|fault| format!("{} {:?} {:?}", fault.status, fault.code, fault.message));
    format!("{:?} {} {fault:?}", error.kind(), error.public())
}
