//! The front door under pressure: too many calls, too fast calls, TLS, requests that two parsers read differently.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]
#![allow(dead_code, reason = "shared with another test, which uses the rest")]

#[path = "front_door/raw.rs"]
mod raw;
#[path = "instances/support.rs"]
mod support;
#[path = "front_door/tls.rs"]
mod tls;

use std::{num::NonZeroU32, sync::Arc};

use axum::{Router, routing::get};
use hubgate::api::{Front, server};
use support::Gateway;
use tokio::{net::TcpListener, sync::Notify};

#[tokio::test]
async fn calls_over_the_limit_are_turned_away_at_once_and_health_checks_are_not() {
    let gateway = Gateway::start(&[], |config| config.server.max_in_flight = 2).await;
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, gate) = (Arc::clone(&entered), Arc::clone(&leave));
    let slow = async move || {
        inside.notify_one();
        gate.notified().await;
        "done"
    };
    let routes = Router::new().route("/slow", get(slow)).route("/healthz", get(async || "ok"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (front, app) = (Front::new(gateway.app.clone(), routes, true), gateway.app.clone());
    tokio::spawn(async move { server::serve(listener, front, &app.config.server, None, app.shutdown.clone()).await });
    let ask = |path: &str| {
        let call = gateway.client.get(format!("{base}{path}"));
        async move { call.send().await.unwrap() }
    };
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(tokio::spawn(ask("/slow")));
        entered.notified().await;
    }
    let refused = ask("/slow").await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "overloaded");
    assert_eq!(ask("/healthz").await.status(), 200);
    leave.notify_waiters();
    for call in held {
        assert_eq!(call.await.unwrap().text().await.unwrap(), "done");
    }
    let again = tokio::spawn(ask("/slow"));
    entered.notified().await;
    leave.notify_one();
    assert_eq!(again.await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_account_that_calls_too_fast_is_told_when_to_come_again_and_others_are_served() {
    let gateway = Gateway::start(&[], |config| config.limits.account_per_minute = NonZeroU32::new(3)).await;
    let (ann, ben) = (gateway.user("ann@acme.example").await, gateway.user("ben@bolt.example").await);
    for remaining in (0..3).rev() {
        let answer = ann.get("/instances").await;
        // There are none yet.
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"account\";q=3;w=60"));
        let left = format!("\"account\";r={remaining};t={}", (3 - remaining) * 20);
        assert_eq!(answer.header("ratelimit"), Some(left.as_str()));
    }
    let refused = ann.get("/instances").await;
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit").unwrap(), format!("\"account\";r=0;t={wait}"));
    assert_eq!(refused.refused(429)["code"], "too-many-requests");
    assert_eq!(ben.get("/instances").await.status, 404);
}
