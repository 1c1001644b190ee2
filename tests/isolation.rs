//! Nobody reaches what is another's: every route that the API's own description lists, for every kind of stranger; and no
//! secret stands anywhere in clear.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]
#![allow(dead_code, reason = "shared with other tests, which use the rest")]

#[path = "auth/server.rs"]
mod server;
#[path = "instances/support.rs"]
mod support;

use std::{
    collections::BTreeSet,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
};

use reqwest::Method;
use serde_json::{Value, json};
use server::{Rules, Server, client_entries, element};
use support::Gateway;

/// The log of the whole process, at its finest.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        let log = Self::default();
        let target = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || target.clone());
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        log
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// One operation of the API's description.
struct Operation {
    method: Method,
    path: String,
    open: bool,
    statuses: BTreeSet<u16>,
    ids: bool,
}

async fn operations(gateway: &Gateway, document: &str) -> Vec<Operation> {
    let url = format!("{}/docs/openapi/{document}", gateway.base);
    let document: Value = gateway.client.get(url).send().await.unwrap().json().await.unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            if !operation.is_object() || operation.get("responses").is_none() {
                continue;
            }
            let statuses = operation["responses"].as_object().unwrap().keys().filter_map(|code| code.parse().ok());
            found.push(Operation {
                method,
                path: path.clone(),
                open: operation.get("security").is_some_and(|security| security.as_array().unwrap().is_empty()),
                statuses: statuses.collect(),
                ids: path.contains("/instances/{id}"),
            });
        }
    }
    found
}

/// The path with its parameters filled in.
fn filled(path: &str, instance: &str) -> String {
    let mut path = path.replace("/instances/{id}", &format!("/instances/{instance}")).replace("{element}", "acme");
    path = path.replace("{hub}", "documents").replace("{file}", "swagger-ui.css").replace("{type}", "oauth2");
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, "x");
    }
    path
}

fn connect(code: &str) -> Value {
    json!({
        "name": "x", "element": {"key": "acme"}, "providerData": {"code": code},
        "configuration": {
            "oauth.api.key": "app-1", "oauth.api.secret": "app-secret", "oauth.callback.url": "https://app.example/cb"
        }
    })
}

fn authentication(server: &Server) -> Value {
    let origin = &server.origin;
    json!({
        "type": "oauth2", "authorizeUrl": format!("{origin}/authorize"), "tokenUrl": format!("{origin}/token"),
        "clientAuthentication": "body"
    })
}

#[tokio::test]
async fn no_route_serves_a_stranger_and_no_secret_is_told() {
    let log = Log::start();
    let server = Server::start(Rules::default()).await;
    let acme = element(&server.origin, json!(client_entries(true)), authentication(&server));
    let gateway = Gateway::start(&[("acme", acme)], |_| {}).await;
    let (ann, ben) = (gateway.account("ann@acme.example").await, gateway.account("ben@bolt.example").await);
    let secret = |secret: &secrecy::SecretString| secrecy::ExposeSecret::expose_secret(secret).to_owned();
    let account = |user: &str, organization: &str| format!("User {user}, Organization {organization}");
    let (ann_user, ann_house) = (secret(&ann.user_secret), secret(&ann.organization_secret));
    let (ben_user, ben_house) = (secret(&ben.user_secret), secret(&ben.organization_secret));
    let call = async |method: &Method, path: &str, authorization: Option<&str>, body: Option<Value>| {
        let mut request = gateway.client.request(method.clone(), format!("{}{path}", gateway.base));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let made = async |authorization: &str, code: &str| {
        let (status, text) = call(&Method::POST, "/instances", Some(authorization), Some(connect(code))).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let (anns, bens) = (account(&ann_user, &ann_house), account(&ben_user, &ben_house));
    let (own, foreign) = (made(&bens, "good-ben").await, made(&anns, "good-ann").await);
    let (off, gone) = (made(&anns, "good-off").await, made(&anns, "good-gone").await);
    let id = foreign["id"].to_string();
    let token = |instance: &Value| instance["token"].as_str().unwrap().to_owned();
    let (status, _) = call(&Method::DELETE, &format!("/instances/{}/enabled", off["id"]), Some(&anns), None).await;
    assert_eq!(status, 200);
    let (status, _) = call(&Method::DELETE, &format!("/instances/{}", gone["id"]), Some(&anns), None).await;
    assert_eq!(status, 200);

    let strangers = [
        ("nobody", None),
        ("garbage", Some("Element garbage".to_owned())),
        ("another scheme", Some(format!("Bearer {}", token(&foreign)))),
        ("a user of another house", Some(account(&ben_user, &ann_house))),
        ("a house without its user", Some(account("garbage", &ann_house))),
        ("another's instance", Some(format!("{bens}, Element {}", token(&foreign)))),
        ("a deleted instance", Some(format!("Element {}", token(&gone)))),
        ("a secret in another's place", Some(format!("Element {ann_user}"))),
    ];
    let mut platform = operations(&gateway, "platform").await;
    let hub = operations(&gateway, "hubs/documents").await;
    let (routes, hub_routes) = (platform.len() + hub.len(), hub.len());
    assert!(routes > 100, "{routes}");
    platform.extend(hub);
    let before = server.book().calls.len();
    let mut tried = 0;
    for (n, operation) in platform.iter().enumerate() {
        let is_hub = n >= routes - hub_routes;
        let path = filled(&operation.path, &id);
        let told = format!("{} {path}", operation.method);
        let body = || matches!(operation.method.as_str(), "POST" | "PUT" | "PATCH").then(|| json!({}));
        for (who, authorization) in &strangers {
            let (status, text) = call(&operation.method, &path, authorization.as_deref(), body()).await;
            tried += 1;
            if operation.open {
                assert!(status < 500, "{told} as {who}: {status} {text}");
            } else {
                assert_eq!(status, 401, "{told} as {who}: {text}");
            }
        }
        if operation.open {
            continue;
        }
        // Ben with what is his own: his account sees nothing of Ann's, his instance nothing of hers.
        if operation.ids {
            let (status, text) = call(&operation.method, &path, Some(&bens), body()).await;
            assert_eq!(status, 404, "{told} as Ben: {text}");
            assert!(operation.statuses.contains(&status), "{told}: {status} is not declared");
            tried += 1;
        } else if !is_hub && operation.method == Method::GET {
            let (status, text) = call(&operation.method, &path, Some(&bens), None).await;
            assert!(operation.statuses.contains(&status), "{told}: {status} is not declared");
            assert!(
                !text.contains(&format!("\"id\":{id},\"name\":\"x\"")) && !text.contains(&token(&foreign)),
                "{told}: {text}"
            );
            tried += 1;
        }
        if is_hub {
            // Unknown operations of this small element are told before the switch is looked at, or after it.
            let asleep = format!("Element {}", token(&off));
            let (status, text) = call(&operation.method, &path, Some(&asleep), body()).await;
            assert!(matches!(status, 400 | 403), "{told} with a disabled instance: {status} {text}");
            assert!(operation.statuses.contains(&status), "{told}: {status} is not declared");
            tried += 1;
        }
    }
    assert!(tried > 1_000, "{tried}");
    assert_eq!(server.book().calls.len(), before, "no stranger's call reached the provider");
    // What is hers is still there, and whole.
    let (status, text) = call(&Method::GET, &format!("/instances/{id}"), Some(&anns), None).await;
    assert_eq!((status, text.contains(&format!("\"id\":{id}"))), (200, true));
    for instance in [&own, &foreign] {
        let (status, _) =
            call(&Method::GET, "/hubs/documents/storage", Some(&format!("Element {}", token(instance))), None).await;
        assert_eq!(status, 200);
    }

    let metrics = hubgate::telemetry::metrics_recorder().unwrap().render();
    gateway.app.close().await;
    let stored = files(gateway.home.path());
    assert!(stored.len() > 10_000, "the store is among it");
    let secrets = [
        ann_user,
        ann_house,
        ben_user,
        ben_house,
        token(&own),
        token(&foreign),
        token(&off),
        token(&gone),
        "access-1".to_owned(),
        "access-2".to_owned(),
        "app-secret".to_owned(),
        "good-ann".to_owned(),
    ];
    let logged = log.text();
    assert!(logged.contains("answered"), "the log was kept");
    for secret in secrets {
        for (place, text) in [("log", &logged), ("metrics", &metrics)] {
            let line = text.lines().find(|line| line.contains(&secret));
            assert!(line.is_none(), "{secret:.6}… stands in the {place}: {line:?}");
        }
        assert!(!contains(&stored, secret.as_bytes()), "{secret:.6}… stands in the store in clear");
    }
}

/// The bytes of every file below `directory`, one after another.
fn files(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        // The mapping files are the test's own.
        if path.file_name().is_some_and(|name| name == "mappings") {
            continue;
        }
        bytes.extend(if path.is_dir() { files(&path) } else { std::fs::read(&path).unwrap() });
    }
    bytes
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}
