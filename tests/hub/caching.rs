//! The response cache as callers see it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;

use super::support::{Gateway, send};

async fn enable(hub: &Gateway, element: &str, seconds: u64) {
    let id = hub.instance_id(element);
    let change = json!({"cachingEnabled": true, "cacheTimeToLive": seconds, "maxCacheSize": 100});
    let changed = send(hub.platform(Method::PATCH, &format!("/instances/{id}")).json(&change)).await.expect(200).body;
    assert_eq!((&changed["cachingEnabled"], &changed["cacheTimeToLive"]), (&json!(true), &json!(seconds)));
}

#[tokio::test]
async fn a_read_is_answered_again_until_a_write() {
    let hub = Gateway::demo();
    let path = "/hubs/documents/folders/contents?path=/";
    let plain = hub.get("box", path).await.expect(200);
    assert_eq!(plain.header("cache-status"), "", "caching is off unless asked for");
    enable(&hub, "box", 300).await;
    let first = hub.get("box", path).await.expect(200);
    assert!(first.header("cache-status").contains("fwd="), "{}", first.header("cache-status"));
    let before = hub.calls("box").await;
    let second = hub.get("box", path).await.expect(200);
    assert!(second.header("cache-status").contains("hit"), "{}", second.header("cache-status"));
    assert_eq!((&first.body, first.header("etag")), (&second.body, second.header("etag")));
    assert!(!second.header("age").is_empty());
    assert_eq!(hub.calls("box").await, before, "the provider was not asked");

    let known = hub.request("box", Method::GET, path).header("If-None-Match", second.header("etag"));
    let unchanged = send(known).await.expect(304);
    assert!(unchanged.bytes.is_empty());
    let fresh = send(hub.request("box", Method::GET, path).header("Cache-Control", "no-cache")).await.expect(200);
    assert!(!fresh.header("cache-status").contains("hit"), "{}", fresh.header("cache-status"));

    hub.json("box", Method::POST, "/folders", &json!({"path": "/New one"})).await.expect(200);
    let after = hub.get("box", path).await.expect(200);
    assert!(after.names().contains(&"New one".to_owned()), "a write is seen at once");

    // Another instance is asked for itself.
    enable(&hub, "dropbox", 300).await;
    let other = hub.get("dropbox", path).await.expect(200);
    assert!(!other.header("cache-status").contains("hit"));
}

#[tokio::test]
async fn a_read_that_is_known_by_its_text_is_told_apart_by_what_else_matters() {
    let hub = Gateway::demo();
    let (element, path) = ("dropboxbusiness", "/hubs/documents/folders/contents?path=/&pageSize=2");
    enable(&hub, element, 300).await;
    let plain = hub.get(element, path).await.expect(200);
    // Often enough for every worker to know it.
    for _ in 0..16 {
        let again = hub.get(element, path).await.expect(200);
        assert!(again.header("cache-status").contains("hit"), "{}", again.header("cache-status"));
        assert_eq!((again.body, again.headers["etag"].clone()), (plain.body.clone(), plain.headers["etag"].clone()));
    }
    let ask =
        |name: &'static str, value: &str| send(hub.request(element, Method::GET, path).header(name, value.to_owned()));
    let unchanged = ask("If-None-Match", plain.header("etag")).await.expect(304);
    assert_eq!(unchanged.header("elements-element-instance-id"), plain.header("elements-element-instance-id"));
    assert!(!ask("Cache-Control", "max-age=0").await.expect(200).header("cache-status").contains("hit"));
    // A parameter that stands in a header: somebody else's files.
    let members = hub.get(element, "/hubs/documents/members").await.expect(200).body;
    let another = members[1]["profile"]["team_member_id"].as_str().unwrap().to_owned();
    let theirs = ask("Elements-As-Team-Member", &another).await;
    assert!(!theirs.header("cache-status").contains("hit"), "{}", theirs.header("cache-status"));
    for other in ["path=/&pageSize=1", "pageSize=2&path=/", "path=%2F&pageSize=2&where=name%3D'x'"] {
        let reply = hub.get(element, &format!("/hubs/documents/folders/contents?{other}")).await.expect(200);
        // The same question in another order is the same.
        assert_eq!(reply.header("cache-status").contains("hit"), other.starts_with("pageSize=2"), "{other}");
    }
    let enabled = format!("/instances/{}/enabled", hub.instance_id(element));
    send(hub.platform(Method::DELETE, &enabled)).await.expect(200);
    for _ in 0..4 {
        hub.get(element, path).await.expect(403);
    }
    send(hub.platform(Method::PUT, &enabled)).await.expect(200);
    hub.get(element, path).await.expect(200);
    send(hub.platform(Method::DELETE, &format!("/instances/{}", hub.instance_id(element)))).await.expect(200);
    for _ in 0..4 {
        hub.get(element, path).await.expect(401);
    }
}

#[tokio::test]
async fn the_same_question_at_the_same_time_is_asked_once() {
    let hub = Gateway::demo();
    enable(&hub, "hubspot", 300).await;
    hub.control(
        "hubspot",
        Method::POST,
        "/faults",
        &json!({"path": "/crm/v3/objects/contacts", "times": 1, "latency_ms": 300}),
    )
    .await;
    // What a list needs to know first is known from now on.
    hub.get("hubspot", "/contacts?pageSize=4").await.expect(200);
    let before = hub.calls("hubspot").await;
    let asked = (0..50).map(|_| hub.get("hubspot", "/contacts?pageSize=5"));
    for reply in futures_util::future::join_all(asked).await {
        reply.expect(200);
    }
    assert_eq!(hub.calls("hubspot").await - before, 1);
}

#[tokio::test]
async fn failures_are_not_kept() {
    let hub = Gateway::demo();
    enable(&hub, "hubspot", 300).await;
    hub.control("hubspot", Method::POST, "/faults", &json!({"path": "/crm/v3/objects/contacts", "status": 500})).await;
    hub.get("hubspot", "/contacts?pageSize=6").await.expect(502);
    hub.control("hubspot", Method::DELETE, "/faults", &json!(null)).await;
    hub.get("hubspot", "/contacts?pageSize=6").await.expect(200);
}

#[tokio::test]
async fn an_old_answer_stands_in_for_a_failing_provider_where_the_instance_allows_it() {
    let hub = Gateway::demo();
    let instance = format!("/instances/{}", hub.instance_id("hubspot"));
    let allow = |value: serde_json::Value| {
        let change = json!({"configuration": {"cache.stale.if.error": value}});
        send(hub.platform(Method::PATCH, &instance).json(&change))
    };
    for wrong in [json!("soon"), json!(-1), json!(true), json!(7 * 24 * 3600 + 1)] {
        let refused = allow(wrong).await.expect(400);
        assert!(refused.body.to_string().contains("/configuration/cache.stale.if.error"), "{}", refused.body);
    }
    allow(json!("600")).await.expect(200);
    enable(&hub, "hubspot", 1).await;
    let fresh = hub.get("hubspot", "/contacts?pageSize=3").await.expect(200);
    hub.control("hubspot", Method::POST, "/faults", &json!({"path": "/crm/v3/objects/contacts", "status": 500})).await;
    // Until its second is over, the answer is simply a hit.
    let (begun, mut reply) = (Instant::now(), hub.get("hubspot", "/contacts?pageSize=3").await.expect(200));
    while reply.header("cache-status").contains("hit") && begun.elapsed() < Duration::from_secs(30) {
        reply = hub.get("hubspot", "/contacts?pageSize=3").await.expect(200);
    }
    let status = reply.header("cache-status");
    assert!(status.starts_with("hubgate; fwd=stale; ttl=-") && status.ends_with("detail=stale-if-error"), "{status}");
    assert!(reply.header("age").parse::<u64>().is_ok_and(|age| age >= 1));
    assert_eq!(reply.body, fresh.body);
    // What was never asked cannot stand in, and who asks for a fresh answer is told the truth.
    hub.get("hubspot", "/contacts?pageSize=4").await.expect(502);
    send(hub.request("hubspot", Method::GET, "/contacts?pageSize=3").header("Cache-Control", "no-cache"))
        .await
        .expect(502);
}

/// A connection of the test's own, to send the very same bytes again.
struct Line {
    stream: BufReader<TcpStream>,
}

/// The answer's head, line by line, and its body.
struct Heard {
    lines: Vec<String>,
    body: Vec<u8>,
}

impl Line {
    fn to(hub: &Gateway) -> Self {
        let host = hub.base.strip_prefix("http://").unwrap().split('/').next().unwrap();
        Self { stream: BufReader::new(TcpStream::connect(host).unwrap()) }
    }

    fn ask(&mut self, bytes: &[u8]) -> Heard {
        self.stream.get_mut().write_all(bytes).unwrap();
        self.hear()
    }

    fn hear(&mut self) -> Heard {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "the gateway hung up after {lines:?}");
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut heard = Heard { lines, body: Vec::new() };
        let length = heard.header("content-length").map_or(0, |length| length.parse().unwrap());
        heard.body.resize(length, 0);
        self.stream.read_exact(&mut heard.body).unwrap();
        heard
    }
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        self.lines
            .iter()
            .find_map(|line| line.split_once(": ").filter(|(found, _)| *found == name))
            .map(|(_, value)| value)
    }

    /// Whether it was known by its bytes: then what differs every time stands behind the rest.
    fn was_known(&self) -> bool {
        let place = |name: &str| self.lines.iter().position(|line| line.starts_with(name)).unwrap();
        place("elements-request-id") > place("access-control-expose-headers")
    }

    /// What is the same in every such answer, in some order.
    fn lasting(&self) -> Vec<String> {
        let passing = ["age", "date", "cache-status", "elements-request-id", "ratelimit"];
        let mut lines: Vec<_> = self
            .lines
            .iter()
            .filter(|line| !passing.iter().any(|name| line.starts_with(&format!("{name}: "))))
            .cloned()
            .collect();
        lines.sort();
        lines
    }
}

#[tokio::test]
async fn the_same_bytes_get_the_same_answer_without_being_read() {
    let hub = Gateway::demo();
    let (element, path) = ("hubspot", "/hubs/crm/contacts?pageSize=3");
    enable(&hub, element, 300).await;
    let etag = hub.get(element, path).await.expect(200).header("etag").to_owned();
    let token = hub.told["instances"][element]["token"].as_str().unwrap();
    let request = |more: &str| {
        format!("GET /elements/api-v2{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Element {token}\r\n{more}\r\n")
            .into_bytes()
    };
    let mut line = Line::to(&hub);
    for (more, status) in [
        ("", "200 OK"),
        (&*format!("If-None-Match: {etag}\r\n"), "304 Not Modified"),
        ("Origin: https://a.example\r\nConnection: Keep-Alive\r\n", "200 OK"),
    ] {
        let bytes = request(more);
        let first = line.ask(&bytes);
        assert!(!first.was_known() && first.lines[0] == format!("HTTP/1.1 {status}"), "{:?}", first.lines);
        let mut known = line.ask(&bytes);
        for _ in 0..3 {
            known = line.ask(&bytes);
        }
        assert!(known.was_known(), "{:?}", known.lines);
        assert_eq!((known.lasting(), &known.body), (first.lasting(), &first.body));
        assert_ne!(known.header("elements-request-id"), first.header("elements-request-id"));
        assert_eq!(known.header("elements-request-id").map(str::len), Some(24));
        assert!(known.header("cache-status").unwrap().starts_with("hubgate; hit; ttl="), "{:?}", known.lines);
        assert!(known.header("age").is_some() && known.header("date").unwrap().ends_with(" GMT"), "{:?}", known.lines);
        assert_eq!(known.header("ratelimit-policy"), first.header("ratelimit-policy"));
    }
    // In between others, also such as have a body; and two at once, which the general way answers in their order.
    let plain = request("");
    let account = r#"{"name": "Repeated"}"#;
    let post = format!(
        "POST /elements/api-v2/hubs/crm/accounts HTTP/1.1\r\nHost: a\r\nAuthorization: Element {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{account}",
        account.len(),
    );
    assert_eq!(line.ask(post.as_bytes()).lines[0], "HTTP/1.1 200 OK");
    assert!(line.ask(&plain).was_known(), "a body of a known length leaves no doubt");
    let twice = [plain.clone(), plain.clone()].concat();
    for heard in [line.ask(&twice), line.hear(), line.ask(&plain)] {
        assert!(!heard.was_known() && heard.lines[0] == "HTTP/1.1 200 OK", "{:?}", heard.lines);
    }
    let mut line = Line::to(&hub);
    let know = |line: &mut Line| assert!((0..20).any(|_| line.ask(&plain).was_known()));
    know(&mut line);

    // What changes is seen at once: a write, the instance, and that it is no more.
    hub.json(element, Method::POST, "/hubs/crm/contacts", &json!({"lastName": "Repeated"})).await.expect(200);
    let after = line.ask(&plain);
    assert!(!after.was_known() && after.header("cache-status").unwrap().contains("fwd="), "{:?}", after.lines);
    know(&mut line);
    let instance = format!("/instances/{}", hub.instance_id(element));
    send(hub.platform(Method::DELETE, &format!("{instance}/enabled"))).await.expect(200);
    assert_eq!(line.ask(&plain).lines[0], "HTTP/1.1 403 Forbidden");
    send(hub.platform(Method::PUT, &format!("{instance}/enabled"))).await.expect(200);
    know(&mut line);
    send(hub.platform(Method::DELETE, &instance)).await.expect(200);
    assert_eq!(line.ask(&plain).lines[0], "HTTP/1.1 401 Unauthorized");
}
