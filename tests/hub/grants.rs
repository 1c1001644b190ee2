//! Grants as callers see them: expired, rotated, refused, and providers that are down.

use reqwest::Method;
use serde_json::json;

use super::support::{Gateway, send};

const CALLS: [(&str, &str); 4] = [
    ("dropbox", "/hubs/documents/folders/contents?path=/"),
    ("box", "/hubs/documents/folders/contents?path=/"),
    ("sfdc", "/hubs/crm/accounts?pageSize=1"),
    ("hubspot", "/hubs/crm/accounts?pageSize=1"),
];

#[tokio::test]
async fn an_expired_token_is_refreshed_once_for_a_thousand_callers() {
    let hub = Gateway::demo();
    for (element, path) in CALLS {
        for round in 1..=2 {
            hub.control(element, Method::POST, "/tokens/expire", &json!({})).await;
            hub.control(element, Method::DELETE, "/counters", &json!(null)).await;
            let asked = (0..if round == 1 { 1_000 } else { 10 }).map(|_| hub.get(element, path));
            let replies = futures_util::future::join_all(asked).await;
            let wrong: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
            assert!(wrong.is_empty(), "{element}: {} refused, the first: {:?}", wrong.len(), wrong[0]);
            let counters = hub.control(element, Method::GET, "/counters", &json!(null)).await;
            let refreshes: u64 = counters["token_calls"].as_object().map_or(0, |calls| {
                calls
                    .iter()
                    .filter(|(grant, _)| grant.as_str() == "refresh_token")
                    .map(|(_, n)| n.as_u64().unwrap())
                    .sum()
            });
            assert_eq!(refreshes, 1, "{element}, round {round}: {counters}");
        }
    }
}

#[tokio::test]
async fn a_refused_refresh_token_asks_for_a_new_connection_and_gets_it() {
    let hub = Gateway::demo();
    for (element, path) in CALLS {
        hub.control(element, Method::POST, "/tokens/expire", &json!({})).await;
        hub.control(element, Method::POST, "/refresh/revoke", &json!({})).await;
        let refused = hub.get(element, path).await.expect(401);
        assert_eq!(refused.body["code"], "reauth-required", "{element}: {}", refused.body);
        hub.control(element, Method::DELETE, "/counters", &json!(null)).await;
        hub.get(element, path).await.expect(401);
        let counters = hub.control(element, Method::GET, "/counters", &json!(null)).await;
        assert_eq!(counters["total"], 0, "{element}: no further call: {counters}");

        let id = hub.instance_id(element);
        let record = send(hub.platform(Method::GET, &format!("/instances/{id}"))).await.expect(200).body;
        assert_eq!(record["valid"], false, "{element}: {record}");
        let callback = record["configuration"]["oauth.callback.url"].as_str().unwrap();
        let code = hub.control(element, Method::POST, "/code", &json!({"redirect_uri": callback})).await;
        let fresh = json!({"providerData": {"code": code["code"]}});
        let healed = send(hub.platform(Method::PATCH, &format!("/instances/{id}")).json(&fresh)).await.expect(200).body;
        assert_eq!(
            (&healed["id"], &healed["token"]),
            (&record["id"], &record["token"]),
            "{element}: id and token stay"
        );
        hub.get(element, path).await.expect(200);
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_not_the_instances_fault() {
    let hub = Gateway::demo();
    hub.control("box", Method::POST, "/tokens/expire", &json!({})).await;
    hub.control("box", Method::POST, "/faults", &json!({"path": "/oauth2/token", "status": 503, "times": 1})).await;
    let down = hub.get("box", "/folders/contents?path=/").await;
    assert!(matches!(down.status.as_u16(), 502 | 503), "{}", down.body);
    assert_ne!(down.body["code"], "reauth-required");
    // It heals by itself; how soon is its own affair, so ask until it has.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let again = hub.get("box", "/folders/contents?path=/").await;
        if again.status == 200 {
            break;
        }
        assert_ne!(again.body["code"], "reauth-required");
        assert!(std::time::Instant::now() < until, "never healed: {}", again.body);
    }
}
