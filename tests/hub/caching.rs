//! The response cache as callers see it.

use std::time::{Duration, Instant};

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
