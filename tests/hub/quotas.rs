//! Quotas: budgets are told in one form, and a call refused for the quota is waited for or answered with 429.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, Reply};

async fn set(hub: &Gateway, element: &str, limit: u64, window_s: u64) {
    // Whatever calls need to know first is known from now on.
    hub.get(element, probe(element)).await.expect(200);
    hub.control(element, Method::POST, "/quota", &json!({"limit": limit, "window_s": window_s})).await;
}

fn probe(element: &str) -> &'static str {
    if matches!(element, "dropbox" | "box" | "onedrive") {
        "/hubs/documents/storage"
    } else {
        "/hubs/crm/contacts?pageSize=5"
    }
}

async fn refusals(hub: &Gateway, element: &str) -> u64 {
    let counters = hub.control(element, Method::GET, "/counters", &json!(null)).await;
    counters["statuses"]["429"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn a_call_over_the_limit_waits_and_is_made_once() {
    let hub = Gateway::demo();
    let folder = json!({"path": "/Within limits"});
    let person = json!({"firstName": "Quinn", "lastName": "Otero", "email": "quinn@example.com"});
    for (element, path, body) in [
        ("dropbox", "/hubs/documents/folders", &folder),
        ("box", "/hubs/documents/folders", &folder),
        ("hubspot", "/hubs/crm/contacts", &person),
    ] {
        set(&hub, element, 1, 1).await;
        hub.get(element, probe(element)).await.expect(200);
        // A second one of these would be a conflict.
        hub.json(element, Method::POST, path, body).await.expect(200);
        hub.get(element, probe(element)).await.expect(200);
        assert!(refusals(&hub, element).await > 0, "{element} refused something on the way");
        hub.control(element, Method::DELETE, "/quota", &json!(null)).await;
        hub.json(element, Method::POST, path, body).await.expect(409);
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_the_callers() {
    let hub = Gateway::demo();
    for (element, told) in
        [("dropbox", None), ("box", None), ("onedrive", None), ("pipedrive", None), ("sfdc", Some(300))]
    {
        set(&hub, element, 1, 3600).await;
        hub.get(element, probe(element)).await.expect(200);
        let limited = hub.get(element, probe(element)).await.expect(429);
        assert_eq!(limited.body["code"], "too-many-requests", "{element}");
        let seconds: u64 = limited.header("retry-after").parse().unwrap();
        match told {
            Some(told) => assert_eq!(seconds, told, "{element}"),
            None => assert!((3000..=3600).contains(&seconds), "{element}: {seconds}"),
        }
        hub.control(element, Method::DELETE, "/quota", &Value::Null).await;
        hub.get(element, probe(element)).await.expect(200);
    }
}

/// What is left of the first budget.
fn remaining(reply: &Reply, budget: &str) -> u64 {
    let told = reply.header("ratelimit").strip_prefix(budget).unwrap();
    told.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn budgets_are_told_in_one_form() {
    let hub = Gateway::demo();
    for (element, limit, policy, budget) in
        [("hubspot", 50, "\"burst\";q=50;w=10", "\"burst\";r="), ("sfdc", 40, "\"daily\";q=40;w=86400", "\"daily\";r=")]
    {
        set(&hub, element, limit, 3600).await;
        let mut left = Vec::new();
        for _ in 0..2 {
            let reply = hub.get(element, probe(element)).await.expect(200);
            assert!(reply.header("ratelimit-policy").starts_with(policy), "{element}: {:?}", reply.headers);
            left.push(remaining(&reply, budget));
        }
        assert!(left[0] < limit && left[1] < left[0], "{element}: {left:?}");
        // Errors tell too.
        let missing = hub.get(element, "/hubs/crm/contacts/nobody-1").await;
        assert!(missing.status.is_client_error(), "{}", missing.body);
        assert!(remaining(&missing, budget) <= left[1], "{element}");
    }
    // A provider that reports no budget is not spoken for.
    assert_eq!(hub.get("box", probe("box")).await.expect(200).header("ratelimit"), "");
}

#[tokio::test]
async fn a_quota_told_with_403_is_waited_for_and_a_plain_403_is_not() {
    let hub = Gateway::demo();
    let (drive, path) = ("googledrive", "/hubs/documents/storage");
    hub.get(drive, path).await.expect(200);
    // The body tells the quota; there is no header.
    let over = json!({"status": 403, "retry_after": 1, "times": 1});
    hub.control(drive, Method::POST, "/faults", &over).await;
    hub.get(drive, path).await.expect(200);
    let counters = hub.control(drive, Method::GET, "/counters", &json!(null)).await;
    assert_eq!(counters["statuses"]["403"], 1, "{counters}");

    hub.control(drive, Method::POST, "/faults", &json!({"status": 403, "times": 1})).await;
    assert_eq!(hub.get(drive, path).await.expect(403).body["code"], "forbidden");
    let counters = hub.control(drive, Method::GET, "/counters", &json!(null)).await;
    assert_eq!(counters["statuses"]["403"], 2, "made once: {counters}");
}
