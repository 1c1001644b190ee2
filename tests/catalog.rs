//! The catalog over HTTP, with the mapping files that are built in.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

use std::sync::Arc;

use hubgate::{
    api::Serving,
    app::App,
    clock::SystemClock,
    config::{Config, ElementSettings},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

struct Gateway {
    serving: Serving,
    _dir: tempfile::TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn keys(&self) -> Vec<&str> {
        self.body.as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect()
    }
}

impl Gateway {
    async fn start(operator: &[(&str, &str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen.set_port(0);
        config.metrics.listen = None;
        config.store.data_dir = dir.path().join("data");
        config.catalog.path = dir.path().join("mappings");
        for &(element, key, value) in operator {
            let settings: &mut ElementSettings = config.elements.entry(element.to_owned()).or_default();
            settings.configuration.insert(key.to_owned(), value.to_owned());
        }
        let app = App::build(config, Arc::new(SystemClock)).await.unwrap();
        Self { serving: Serving::start(app).await.unwrap(), _dir: dir }
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.serving.address).await.unwrap();
        let request = format!(
            "{method} /elements/api-v2{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }
}

#[tokio::test]
async fn hubs_and_their_elements_are_listed() {
    let gateway = Gateway::start(&[]).await;
    let hubs = gateway.get("/hubs").await;
    assert_eq!(hubs.status, 200);
    assert!(hubs.keys().contains(&"documents"), "{}", hubs.body);
    let keys = gateway.get("/hubs/keys").await;
    assert!(keys.body.as_array().unwrap().contains(&json!("documents")));
    let hub = gateway.get("/hubs/documents").await.body;
    for (name, kind) in [("id", "number"), ("name", "string"), ("description", "string"), ("active", "bool")] {
        let found = &hub[name];
        assert!(found.is_number() || found.is_string() || found.is_boolean(), "{name} is no {kind}: {hub}");
    }
    let elements = gateway.get("/hubs/documents/elements").await;
    assert!(elements.keys().contains(&"box") && elements.keys().contains(&"dropbox"));
    assert_eq!(elements.body[0].get("resources"), None);
    let hydrated = gateway.get("/hubs?hydrate=true").await;
    let documents = hydrated.body.as_array().unwrap().iter().find(|hub| hub["key"] == "documents").unwrap().clone();
    assert!(documents["elements"].as_array().unwrap().len() >= 2);
}

#[tokio::test]
async fn unknown_names_are_404_in_the_contracts_form() {
    let gateway = Gateway::start(&[]).await;
    for (path, message) in [
        ("/hubs/nope", "No hub found"),
        ("/hubs/nope/elements", "No hub found"),
        ("/elements/nope", "No element found"),
        ("/elements/999999/metadata", "No element found"),
        ("/elements/nope/oauth/url", "No element found"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.body["message"], message, "{path}");
    }
}

#[tokio::test]
async fn an_element_is_found_by_key_and_by_number_and_shows_no_secret() {
    let gateway = Gateway::start(&[("box", "oauth.api.secret", "hunter2"), ("box", "oauth.api.key", "k3y")]).await;
    let by_key = gateway.get("/elements/box").await;
    assert_eq!(by_key.status, 200);
    let by_id = gateway.get(&format!("/elements/{}", by_key.body["id"])).await;
    assert_eq!(by_key.body, by_id.body);
    assert_eq!(by_key.body["typeOauth"], true);
    assert_eq!(by_key.body["authentication"]["type"], "oauth2");
    let resources = by_key.body["resources"].as_array().unwrap();
    assert!(resources.iter().any(|resource| resource["path"].as_str().unwrap().starts_with("/hubs/documents/files")));
    let entries = by_key.body["configuration"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["key"] == "oauth.api.secret" && entry["required"] == true));
    let text = by_key.body.to_string();
    assert!(!text.contains("hunter2") && !text.contains("k3y"));
}

#[tokio::test]
async fn elements_are_filtered_and_paged() {
    let gateway = Gateway::start(&[]).await;
    let where_ = async |filter: &str| gateway.get(&format!("/elements?where={}", filter.replace(' ', "%20"))).await;
    assert_eq!(where_("key='box'").await.keys(), ["box"]);
    assert_eq!(where_("key in ('box', 'dropbox')").await.keys(), ["box", "dropbox"]);
    let abridged = where_("key = 'box' AND abridged='true'").await;
    assert_eq!(abridged.keys(), ["box"]);
    assert_eq!(abridged.body[0].get("configuration"), None);
    assert_eq!(where_("private='true' AND abridged='true'").await.body, json!([]));
    assert_eq!(where_("extended='true'").await.body, json!([]));
    let broken = where_("key =").await;
    assert_eq!(broken.status, 400);
    assert!(broken.body["message"].as_str().unwrap().starts_with("Error parsing query"));

    let first = gateway.get("/elements/keys?pageSize=1").await;
    assert_eq!(first.body, json!(["amazons3"]));
    assert_eq!(first.header("elements-returned-count"), Some("1"));
    let next = first.header("elements-next-page-token").unwrap();
    let second = gateway.get(&format!("/elements/keys?pageSize=1&nextPage={next}")).await;
    assert_ne!(first.body, second.body);
    let all = gateway.get("/elements/keys").await;
    assert_eq!(all.header("elements-next-page-token"), None);
    assert_eq!(all.header("elements-total-count"), first.header("elements-total-count"));
}

#[tokio::test]
async fn metadata_has_the_required_members() {
    let gateway = Gateway::start(&[]).await;
    let plain = gateway.get("/elements/box/metadata").await.body;
    for name in ["id", "key", "name", "description"] {
        assert!(!plain[name].is_null(), "{name}");
    }
    assert_eq!(plain["events"], json!({"supported": false, "methods": []}));
    let expanded = gateway.get("/elements/box/metadata?expand=true").await.body;
    assert!(!expanded["resources"].as_array().unwrap().is_empty());
    assert_eq!(expanded["authenticationType"], "oauth2");
    assert!(gateway.get("/elements/metadata").await.keys().contains(&"box"));
}

#[tokio::test]
async fn metadata_tells_what_an_element_can_do() {
    let gateway = Gateway::start(&[]).await;
    let matrix = |key: &str| format!("/elements/{key}/metadata?expand=true");
    let told = gateway.get(&matrix("sfdc")).await.body["capabilities"]["contacts"].take();
    assert_eq!(told["operations"]["create"], json!({"supported": true}));
    let email = &told["fields"]["email"];
    assert_eq!((&email["read"], &email["create"], &email["update"]), (&json!(true), &json!(true), &json!(true)));
    let by_provider = email["where"]["provider"].as_array().unwrap();
    assert!(by_provider.contains(&json!("=")) && by_provider.contains(&json!("LIKE")), "{email}");
    assert_eq!(email["orderBy"], "provider");
    assert_eq!(told["fields"]["createdDate"]["create"], false);

    let told = gateway.get(&matrix("dropbox")).await.body["capabilities"]["folders"].take();
    let name = &told["fields"]["name"];
    assert_eq!(name["where"].get("provider"), None, "{name}");
    assert!(name["where"]["gateway"].as_array().unwrap().contains(&json!("IN")), "{name}");
    assert!(told["operations"]["listContents"]["maxPageSize"].as_u64().is_some_and(|size| size > 0), "{told}");
    assert_eq!(told["operations"]["listContents"].get("refuses"), None, "{told}");
    let refused = told["operations"]["create"]["refuses"].as_object().unwrap();
    let (names, why): (Vec<_>, Vec<_>) =
        refused.iter().map(|(name, why)| (name.as_str(), why.as_str().unwrap())).unzip();
    assert_eq!(names, ["description"]);
    assert!(why.iter().all(|why| why.contains("keeps no descriptions")), "{why:?}");

    let users = gateway.get(&matrix("hubspot")).await.body["capabilities"]["users"].take();
    assert_eq!(users["operations"]["create"]["supported"], false);
    assert!(users["operations"]["create"]["reason"].as_str().is_some_and(|why| !why.is_empty()), "{users}");
}

#[tokio::test]
async fn the_consent_url_is_made_from_what_is_sent_and_what_the_operator_set() {
    let gateway =
        Gateway::start(&[("box", "oauth.api.key", "operators"), ("box", "oauth.api.secret", "hunter2")]).await;
    let url = |answer: &Answer| url::Url::parse(answer.body["oauthUrl"].as_str().unwrap()).unwrap();
    let value = |url: &url::Url, name: &str| {
        url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    };

    let sent = gateway
        .get("/elements/dropbox/oauth/url?apiKey=k%2B1&apiSecret=hunter2&callbackUrl=https://app.example/cb&scope=a%20b&state=s")
        .await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    assert_eq!(sent.body["element"], "dropbox");
    let consent = url(&sent);
    assert_eq!(value(&consent, "response_type").as_deref(), Some("code"));
    assert_eq!(value(&consent, "client_id").as_deref(), Some("k+1"));
    assert_eq!(value(&consent, "redirect_uri").as_deref(), Some("https://app.example/cb"));
    assert_eq!(value(&consent, "scope").as_deref(), Some("a b"));
    assert_eq!(value(&consent, "state").as_deref(), Some("s"));
    assert!(!sent.body.to_string().contains("hunter2"));

    let body = json!({"callbackUrl": "https://app.example/cb", "scope": null}).to_string();
    let posted = gateway.call("POST", "/elements/box/oauth/url", &body).await;
    assert_eq!(posted.status, 200, "{}", posted.body);
    assert_eq!(value(&url(&posted), "client_id").as_deref(), Some("operators"));
    assert_eq!(value(&url(&posted), "state").as_deref(), Some("box"));
    assert!(!posted.body.to_string().contains("hunter2"));

    let missing = gateway.get("/elements/dropbox/oauth/url?apiSecret=x").await;
    assert_eq!(missing.status, 400);
    assert_eq!(missing.body["message"], "Missing parameters: apiKey, callbackUrl");
    assert_eq!(gateway.call("POST", "/elements/box/oauth/url", "{").await.status, 400);
}
