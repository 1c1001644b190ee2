//! A provider, a data directory with an account, and gateways to be started on it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::nothing_else;

const PASSWORD: &str = "canary-password";

async fn rows(headers: HeaderMap) -> Response {
    let expected = format!("Basic {}", STANDARD.encode(format!("ann:{PASSWORD}")));
    if headers.get("authorization").is_none_or(|sent| sent.as_bytes() != expected.as_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({"rows": [{"title": "a.txt", "location": "/a.txt", "bytes": 1}]})).into_response()
}

fn mapping(api: &str) -> Value {
    json!({
        "id": 990_003, "key": "shelf", "name": "Shelf", "description": "A shelf", "hub": "documents",
        "configuration": [
            {"key": "username", "name": "Name", "required": true},
            {"key": "password", "name": "Password", "type": "PASSWORD", "required": true, "secret": true}
        ],
        "authentication": {"type": "basic", "username": "username", "password": "password"},
        "hosts": {"api": api}, "egress": ["127.0.0.1"], "unsupported": {"*": "A shelf only holds things"},
        "addressing": {"by": "path", "fields": "files"},
        "resources": {
            "files": {
                "resource": "files",
                "fields": {
                    "id": {"path": "$.location", "codec": "pathId"}, "name": "$.title", "path": "$.location",
                    "size": "$.bytes",
                    "directory": {"path": "$.kind", "codec": {"words": {"true": "box", "false": "doc"}}},
                    "parentFolderId": {"path": "$.location", "codec": "parentPathId"},
                    "properties.mimeType": {"path": "$.title", "codec": "mediaType"},
                    "mimeType": {"path": "$.title", "codec": "mediaType"}, "extension": {"path": "$.title", "codec": "extension"}
                },
                "unsupported": {
                    "refId": "not kept", "createdDate": "not kept", "modifiedDate": "not kept", "description": "not kept",
                    "tags": "not kept"
                },
                "operations": {}
            },
            "folders": {
                "resource": "folders", "fields": "files",
                "operations": {
                    "listContents": {
                        "method": "GET", "path": "/rows", "query": {"folder": "{target.path}"}, "answer": {"items": "$.rows"}
                    }
                }
            }
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "this client is the application's, not the gateway's")]
fn client() -> reqwest::Client {
    // A second test of the process finds it installed.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Everything a command said.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) struct House {
    dir: tempfile::TempDir,
    account: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) id: i64,
    token: String,
}

impl House {
    pub(crate) async fn build() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/rows", get(rows))).await.unwrap() });
        let dir = tempfile::tempdir().unwrap();
        nothing_else::lay_over_all(&dir.path().join("mappings"));
        fs::write(dir.path().join("mappings/elements/shelf.json"), mapping(&api).to_string()).unwrap();
        let mut house = Self { dir, account: String::new() };
        let arguments = ["account", "create", "--organization", "O", "--email", "a@b.example", "--json"];
        let output = house.command(&arguments).output().unwrap();
        let made: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        let secret = |name: &str| made[name].as_str().unwrap().to_owned();
        house.account = format!("User {}, Organization {}", secret("userSecret"), secret("organizationSecret"));
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("data/hubgate.db")
    }

    /// Writes a key file as its owner's only.
    pub(crate) fn put_key(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// `hubgate` with the settings of this house.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubgate"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUBGATE_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_remove("DATABASE_URL")
            .env("HUBGATE_STORE__DATA_DIR", "data")
            .env("HUBGATE_CATALOG__PATH", "mappings")
            .env("HUBGATE_CATALOG__WATCH", "false")
            .env("HUBGATE_EGRESS__ALLOW", "127.0.0.1")
            .env("HUBGATE_METRICS__LISTEN", "")
            .env("HUBGATE_LOG__FORMAT", "json");
        command
    }

    pub(crate) fn serve(&self) -> Node {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line: Value = serde_json::from_str(&lines.next().expect("it ends without listening").unwrap()).unwrap();
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        let base = format!("http://{address}/elements/api-v2");
        Node { child, base, account: self.account.clone(), client: client() }
    }
}

/// A running `hubgate serve`, killed on drop.
pub(crate) struct Node {
    child: Child,
    base: String,
    account: String,
    client: reqwest::Client,
}

impl Node {
    fn request(&self, method: Method, path: &str, authorization: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).header("Authorization", authorization)
    }

    /// A new instance, made by the account's user.
    pub(crate) async fn create(&self) -> Instance {
        let body = json!({
            "name": "x", "element": {"key": "shelf"}, "configuration": {"username": "ann", "password": PASSWORD}
        });
        let answer = self.request(Method::POST, "/instances", &self.account).json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{text}");
        let made: Value = serde_json::from_str(&text).unwrap();
        Instance { id: made["id"].as_i64().unwrap(), token: made["token"].as_str().unwrap().to_owned() }
    }

    pub(crate) async fn delete(&self, instance: &Instance) {
        let path = format!("/instances/{}", instance.id);
        assert_eq!(self.request(Method::DELETE, &path, &self.account).send().await.unwrap().status(), 200);
    }

    /// The status of a call through the instance to its provider.
    pub(crate) async fn contents(&self, instance: &Instance) -> u16 {
        let token = format!("Element {}", instance.token);
        let path = "/hubs/documents/folders/contents?path=/";
        self.request(Method::GET, path, &token).send().await.unwrap().status().as_u16()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
