//! A provider with a strict token endpoint, a store, an account with one instance, and nodes to be started on them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::get,
};
use chrono::{TimeDelta, Utc};
use hubgate::{
    app::App,
    clock::{SharedClock, SystemClock},
    config::{Config, ElementSettings},
    store::{self, NewAccount, NewGrant, NewInstance, Settings, Store},
};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::{
    cable::Cable,
    database::Database,
    nothing_else,
    support::{Reply, client, send},
    token_server::{Policy, TokenServer},
};

pub(crate) const CONTENTS: &str = "/hubs/documents/folders/contents?path=/&pageSize=200";

type Shelf = Arc<Mutex<BTreeSet<String>>>;

#[derive(Clone)]
struct Api {
    shelf: Shelf,
    provider: Arc<TokenServer>,
    calls: Arc<AtomicUsize>,
    pause_ms: Arc<AtomicU64>,
}

impl Api {
    fn refused(&self, headers: &HeaderMap) -> bool {
        let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        !token.is_some_and(|token| self.provider.api(token))
    }
}

fn entry(path: &str) -> Value {
    json!({"kind": "doc", "title": path.rsplit('/').next(), "location": path, "bytes": "1", "changed": "2024-05-06 07:08:09"})
}

async fn list(State(api): State<Api>, headers: HeaderMap) -> Response {
    if api.refused(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    api.calls.fetch_add(1, Ordering::SeqCst);
    let pause = api.pause_ms.load(Ordering::SeqCst);
    if pause > 0 {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    let rows: Vec<Value> = api.shelf.lock().unwrap().iter().map(|path| entry(path)).collect();
    Json(json!({"result": {"rows": rows}})).into_response()
}

async fn take_down(
    State(api): State<Api>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> StatusCode {
    if api.refused(&headers) {
        return StatusCode::UNAUTHORIZED;
    }
    if api.shelf.lock().unwrap().remove(&query["at"]) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

fn mapping(api: &str, provider: &TokenServer) -> Value {
    json!({
        "id": 990_002, "key": "shelf", "name": "Shelf", "description": "A shelf", "hub": "documents",
        "configuration": [
            {"key": "oauth.api.key", "name": "Client id", "required": true, "secret": true},
            {"key": "oauth.api.secret", "name": "Client secret", "type": "PASSWORD", "required": true, "secret": true},
            {"key": "oauth.callback.url", "name": "Callback URL", "required": true}
        ],
        "authentication": {
            "type": "oauth2", "authorizeUrl": provider.url("/authorize"), "tokenUrl": provider.url("/token"),
            "clientAuthentication": "body", "refreshTokenIdleDays": 60
        },
        "hosts": {"api": api}, "egress": ["127.0.0.1"], "unsupported": {"*": "A shelf only holds things"},
        "addressing": {"by": "path", "fields": "files"},
        "resources": {
            "files": {
                "resource": "files",
                "fields": {
                    "id": {"path": "$.location", "codec": "pathId"}, "name": "$.title", "path": "$.location",
                    "size": {"path": "$.bytes", "codec": "integerText"}, "modifiedDate": "$.changed",
                    "directory": {"path": "$.kind", "codec": {"words": {"true": "box", "false": "doc"}}},
                    "parentFolderId": {"path": "$.location", "codec": "parentPathId"},
                    "properties.mimeType": {"path": "$.title", "codec": "mediaType"},
                    "mimeType": {"path": "$.title", "codec": "mediaType"}, "extension": {"path": "$.title", "codec": "extension"}
                },
                "unsupported": {
                    "refId": "a shelf knows paths only", "createdDate": "not kept", "description": "not kept", "tags": "not kept"
                },
                "operations": {
                    "delete": {"method": "DELETE", "path": "/row", "query": {"at": "{target.path}"}, "answer": {"format": "none"}}
                }
            },
            "folders": {
                "resource": "folders", "fields": "files",
                "operations": {
                    "listContents": {
                        "method": "GET", "path": "/rows", "query": {"folder": "{target.path}"},
                        "answer": {"items": "$.result.rows"}
                    }
                }
            }
        }
    })
}

/// Where a house keeps what must last.
pub(crate) enum Kept {
    /// The embedded store, in this directory.
    Files(PathBuf),
    /// A database of this test.
    Server(Box<Database>),
    /// A database at this URL.
    At(String),
}

/// What all nodes have in common.
pub(crate) struct House {
    kept: Kept,
    pub(crate) provider: Arc<TokenServer>,
    pub(crate) shelf: Shelf,
    /// How long the provider takes for a list.
    pub(crate) pause_ms: Arc<AtomicU64>,
    pub(crate) instance: i64,
    /// How many files a node may have open; 0 for no limit of its own.
    pub(crate) open_files: usize,
    pub(crate) account: String,
    pub(crate) token: String,
    owner: (i64, i64),
    calls: Arc<AtomicUsize>,
    dir: tempfile::TempDir,
}

impl House {
    /// `None`: there is no database server, and the test called `test` is skipped.
    pub(crate) async fn build(test: &str, expired: bool) -> Option<Self> {
        let database = Database::new(test).await?;
        Some(Self::furnish(Kept::Server(Box::new(database)), Policy::default(), expired).await)
    }

    /// A house with the embedded store, for one node.
    pub(crate) async fn embedded(expired: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Kept::Files(dir.path().join("data"));
        Self::furnish_in(dir, files, Policy::default(), expired).await
    }

    pub(crate) async fn furnish(kept: Kept, policy: Policy, expired: bool) -> Self {
        Self::furnish_in(tempfile::tempdir().unwrap(), kept, policy, expired).await
    }

    async fn furnish_in(dir: tempfile::TempDir, kept: Kept, policy: Policy, expired: bool) -> Self {
        let provider = Arc::new(TokenServer::start(policy).await);
        let (shelf, calls, pause_ms) = (Shelf::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicU64>::default());
        let api = Api {
            shelf: Arc::clone(&shelf),
            provider: Arc::clone(&provider),
            calls: Arc::clone(&calls),
            pause_ms: Arc::clone(&pause_ms),
        };
        let router = Router::new().route("/rows", get(list)).route("/row", axum::routing::delete(take_down));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router.with_state(api)).await.unwrap() });
        nothing_else::lay_over_all(&dir.path().join("mappings"));
        let file = dir.path().join("mappings/elements/shelf.json");
        std::fs::write(file, mapping(&root, &provider).to_string()).unwrap();

        let mut house = Self {
            kept,
            provider,
            shelf,
            pause_ms,
            instance: 0,
            open_files: 0,
            account: String::new(),
            token: String::new(),
            owner: (0, 0),
            calls,
            dir,
        };
        let store = house.open().await;
        let new = NewAccount { organization: "O".to_owned(), email: "a@b.example".to_owned(), ..NewAccount::default() };
        let made = store.create_account(new).await.unwrap();
        let (user, organization) = (made.user_secret.expose_secret(), made.organization_secret.expose_secret());
        house.account = format!("User {user}, Organization {organization}");
        house.owner = (made.organization.id, made.user.id);
        (house.instance, house.token) = house.move_in(&*store, expired).await;
        store.close().await;
        house
    }

    /// The store, opened beside the nodes; the embedded one only while none runs.
    async fn open(&self) -> Arc<dyn Store> {
        let mut settings = Settings::new("nowhere");
        match &self.kept {
            Kept::Files(data) => settings = Settings::new(data),
            Kept::Server(database) => settings.database_url = Some(SecretString::from(database.url(None))),
            Kept::At(url) => settings.database_url = Some(SecretString::from(url.clone())),
        }
        settings.master_key_file = Some(self.key());
        store::open(&settings, Arc::new(SystemClock)).await.unwrap()
    }

    /// One more instance, with a grant of its own: its id, and how it calls.
    async fn move_in(&self, store: &dyn Store, expired: bool) -> (i64, String) {
        let (access, refresh) = self.provider.first();
        let left = if expired { TimeDelta::minutes(-1) } else { TimeDelta::hours(9) };
        let new = NewInstance {
            organization_id: self.owner.0,
            user_id: self.owner.1,
            element_id: 990_002,
            element_key: "shelf".to_owned(),
            name: "mine".to_owned(),
            grant: Some(NewGrant {
                access: Some(SecretString::from(access)),
                refresh: Some(SecretString::from(refresh)),
                expires_at: Some(Utc::now() + left),
                secret: None,
                keep_alive_in: None,
            }),
            ..NewInstance::default()
        };
        let instance = store.insert_instance(new).await.unwrap();
        (instance.id, format!("Element {}", instance.token.expose_secret()))
    }

    /// So many further instances whose tokens have expired; how they call.
    pub(crate) async fn expired_guests(&self, number: usize) -> Vec<String> {
        let store = self.open().await;
        let mut guests = Vec::new();
        for _ in 0..number {
            guests.push(self.move_in(&*store, true).await.1);
        }
        store.close().await;
        guests
    }

    /// The directory of the embedded store.
    pub(crate) fn data(&self) -> PathBuf {
        let Kept::Files(data) = &self.kept else { panic!("a house with the embedded store") };
        data.clone()
    }

    /// The journals of refreshed grants of all nodes, and how long they are.
    pub(crate) fn journals(&self) -> Vec<(PathBuf, u64)> {
        let dir = match &self.kept {
            Kept::Files(data) => data.clone(),
            Kept::Server(_) | Kept::At(_) => self.dir.path().join("hubgate-data"),
        };
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let files = entries.filter(|entry| entry.file_name().to_str().unwrap().ends_with(".journal"));
        files.filter_map(|file| Some((file.path(), file.metadata().ok()?.len()))).collect()
    }

    /// The embedded store is at another place from now on.
    pub(crate) fn move_to(&mut self, data: PathBuf) {
        self.kept = Kept::Files(data);
    }

    /// A gateway in this process, not served.
    pub(crate) async fn app(&self, clock: SharedClock) -> App {
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut config = Config::default();
        match &self.kept {
            Kept::Files(data) => config.store.data_dir.clone_from(data),
            Kept::Server(database) => config.store.database_url = Some(SecretString::from(database.url(None))),
            Kept::At(url) => config.store.database_url = Some(SecretString::from(url.clone())),
        }
        if config.store.database_url.is_some() {
            config.store.data_dir = self.dir.path().join("hubgate-data");
        }
        config.store.master_key_file = Some(self.key());
        config.catalog.path = self.dir.path().join("mappings");
        config.egress.allow = vec!["127.0.0.1".to_owned()];
        let own = [
            ("oauth.api.key", "client"),
            ("oauth.api.secret", "canary-client-secret"),
            ("oauth.callback.url", "https://app.example/cb"),
        ];
        let configuration = own.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        config.elements.insert("shelf".to_owned(), ElementSettings { configuration });
        App::build(config, clock).await.unwrap()
    }

    /// Changes the element's mapping.
    pub(crate) fn remap(&self, change: impl FnOnce(&mut Value)) {
        let file = self.dir.path().join("mappings/elements/shelf.json");
        let mut mapping: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        change(&mut mapping);
        std::fs::write(file, mapping.to_string()).unwrap();
    }

    /// This test's database.
    pub(crate) fn database(&self) -> &Database {
        let Kept::Server(database) = &self.kept else { panic!("a house with a database of its own") };
        database
    }

    /// How often the provider was asked for a list.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// `hubgate` with the settings of this house.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = std::env::var_os("CHAOS_HUBGATE").unwrap_or_else(|| env!("CARGO_BIN_EXE_hubgate").into());
        let mut command = Command::new(&program);
        if self.open_files > 0 {
            command = Command::new("sh");
            command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &self.open_files.to_string()]).arg(program);
        }
        match &self.kept {
            Kept::Files(data) => command.env_remove("DATABASE_URL").env("HUBGATE_STORE__DATA_DIR", data),
            Kept::Server(database) => command.env("DATABASE_URL", database.url(None)),
            Kept::At(url) => command.env("DATABASE_URL", url),
        };
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env("HUBGATE_STORE__MASTER_KEY_FILE", self.key())
            .env("HUBGATE_CATALOG__PATH", self.dir.path().join("mappings"))
            .env("HUBGATE_EGRESS__ALLOW", "127.0.0.1")
            .env("HUBGATE_METRICS__LISTEN", "")
            .env("HUBGATE_LOG__FORMAT", "json")
            .env("HUBGATE_ELEMENTS__SHELF__OAUTH_API_KEY", "client")
            .env("HUBGATE_ELEMENTS__SHELF__OAUTH_API_SECRET", "canary-client-secret")
            .env("HUBGATE_ELEMENTS__SHELF__OAUTH_CALLBACK_URL", "https://app.example/cb");
        command
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// A node that serves, with further environment.
    pub(crate) async fn node(&self, environment: &[(&str, &str)]) -> Node {
        self.serve(environment).await
    }

    /// A node that reaches the database through `cable`.
    pub(crate) async fn node_by(&self, cable: &Cable, environment: &[(&str, &str)]) -> Node {
        let url = self.database().url(Some(cable.address));
        self.serve(&[environment, &[("DATABASE_URL", url.as_str())]].concat()).await
    }

    async fn serve(&self, environment: &[(&str, &str)]) -> Node {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs(environment.iter().copied()).stdout(Stdio::piped());
        // The start waits for the database, which may be reached through a cable of this runtime.
        tokio::task::spawn_blocking(move || command.spawn().map(Node::started).unwrap())
            .await
            .unwrap()
            .known_as(&self.account, &self.token)
    }

    /// Lets answers be cached, and the change lie long enough in the past.
    pub(crate) async fn enable_caching(&self, node: &Node) {
        let change = json!({"cachingEnabled": true, "cacheTimeToLive": 3600});
        let path = format!("/instances/{}", self.instance);
        let request = node.client.request(Method::PATCH, format!("{}{path}", node.base));
        send(request.header("Authorization", &node.account).json(&change)).await.expect(200);
        self.database().raw("UPDATE instance SET updated_at = updated_at - 60000, version = version + 1").await;
    }
}

/// A running `hubgate serve`, killed on drop.
pub(crate) struct Node {
    child: Child,
    /// The API's root.
    pub(crate) base: String,
    account: String,
    token: String,
    pub(crate) client: reqwest::Client,
}

impl Node {
    fn started(mut child: Child) -> Self {
        let output = child.stdout.take().unwrap();
        // From now on it is killed on every way out.
        let mut node =
            Self { child, base: String::new(), account: String::new(), token: String::new(), client: client() };
        let mut lines = BufReader::new(output).lines();
        let address = loop {
            let line = lines.next().expect("it ends without listening").unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        node.base = format!("http://{address}/elements/api-v2");
        node
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Waits for its end; its exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        let until = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(tokio::time::Instant::now() < until, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Memory it holds in RAM, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://").split('/').next().unwrap()
    }

    fn known_as(mut self, account: &str, token: &str) -> Self {
        (self.account, self.token) = (account.to_owned(), token.to_owned());
        self
    }

    /// GET through the instance.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        send(self.client.get(format!("{}{path}", self.base)).header("Authorization", &self.token)).await
    }

    /// DELETE through the instance.
    pub(crate) async fn delete(&self, path: &str) -> Reply {
        send(self.client.delete(format!("{}{path}", self.base)).header("Authorization", &self.token)).await
    }

    /// A call of the account's owner.
    pub(crate) async fn platform(&self, method: Method, path: &str) -> Reply {
        send(self.client.request(method, format!("{}{path}", self.base)).header("Authorization", &self.account)).await
    }

    /// The status of the readiness check.
    pub(crate) async fn ready(&self) -> u16 {
        let root = self.base.trim_end_matches("/elements/api-v2");
        send(self.client.get(format!("{root}/readyz"))).await.status.as_u16()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Host and port of a Redis: `TEST_REDIS` (then a must) or the usual one; `None`: the test called `test` is skipped.
pub(crate) async fn redis(test: &str) -> Option<String> {
    let given = std::env::var_os("TEST_REDIS").map(|address| address.into_string().unwrap());
    let address = given.clone().unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    match tokio::net::TcpStream::connect(&address).await {
        Ok(_) => Some(address),
        Err(error) if given.is_some() => panic!("TEST_REDIS cannot be used: {error}"),
        Err(error) => {
            drop(writeln!(std::io::stderr(), "!! SKIPPED: {test}: no Redis ({error}); set TEST_REDIS"));
            None
        }
    }
}
