//! Resources that only some CRM providers have: the same life on each that has them.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded};

#[tokio::test]
async fn products_campaigns_and_cases_live_the_same_life() {
    let hub = Gateway::demo();
    let mut seen = 0;
    for can in hub.elements_of(&["crm"]).await {
        let element = can.key.as_str();
        for (resource, field) in [("products", "name"), ("campaigns", "name"), ("cases", "subject")] {
            if !can.has(resource) {
                let refused = hub.get(element, &format!("/hubs/crm/{resource}")).await.expect(400);
                assert_eq!(refused.body["code"], "unsupported", "{can}: {resource}");
                continue;
            }
            seen += 1;
            let path = format!("/hubs/crm/{resource}");
            let list = hub.get(element, &path).await.expect(200);
            assert!(list.list().iter().all(|record| record["id"].is_string()), "{can}: {}", list.body);
            if !can.does(&format!("{resource}.create")) {
                assert!(!list.list().is_empty(), "{can}: {resource}");
                continue;
            }
            let mut new = json!({field: "Enchantress"});
            if can.creates(resource, "accountId") {
                new["accountId"] = hub.get(element, "/accounts?pageSize=1").await.expect(200).list()[0]["id"].clone();
            }
            let made = hub.json(element, Method::POST, &path, &new).await.expect(200).body;
            let id = made["id"].as_str().unwrap();
            let found = format!("{path}?where={}", encoded(&format!("{field}='Enchantress'")));
            let found = hub.get(element, &found).await.expect(200);
            assert_eq!(found.list().iter().map(|record| &record["id"]).collect::<Vec<_>>(), [&json!(id)], "{can}");
            let change = json!({field: "Countess"});
            let changed = hub.json(element, Method::PATCH, &format!("{path}/{id}"), &change).await.expect(200).body;
            assert_eq!(changed[field], "Countess", "{can}: {changed}");
            let whole: Value = hub.get(element, &format!("{path}/{id}")).await.expect(200).body;
            hub.json(element, Method::PATCH, &format!("{path}/{id}"), &whole).await.expect(200);
            hub.delete(element, &format!("{path}/{id}")).await.expect(200);
            hub.get(element, &format!("{path}/{id}")).await.expect(404);
        }
    }
    assert!(seen > 5, "only {seen} of them");
}
