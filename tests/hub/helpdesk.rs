//! The help desk hub.

use reqwest::Method;
use serde_json::json;

use super::support::{Gateway, encoded};

#[tokio::test]
async fn an_incident_is_opened_commented_and_closed() {
    let hub = Gateway::demo();
    let desk = "sfdcservicecloud";
    let contact = hub.get(desk, "/hubs/helpdesk/contacts?pageSize=1").await.expect(200).list()[0].clone();
    let body = json!({"subject": "Bolt missing", "priority": "High", "contactId": contact["id"], "channel": "Phone"});
    let made = hub.json(desk, Method::POST, "/hubs/helpdesk/incidents", &body).await.expect(200).body;
    assert_eq!((&made["closed"], &made["status"]), (&json!(false), &json!("New")), "{made}");
    assert!(made["number"].is_string(), "{made}");
    let path = format!("/incidents/{}", made["id"].as_str().unwrap());

    let comment = json!({"body": "Sent one.", "public": true});
    let comment = hub.json(desk, Method::POST, &format!("{path}/comments"), &comment).await.expect(200).body;
    hub.json(desk, Method::POST, &format!("{path}/comments"), &json!({"body": "Arrived."})).await.expect(200);
    let all = hub.get(desk, &format!("{path}/comments")).await.expect(200);
    assert_eq!(all.list().iter().map(|one| &one["body"]).collect::<Vec<_>>(), ["Sent one.", "Arrived."]);
    let public = hub.get(desk, &format!("{path}/comments?where={}", encoded("public=true"))).await.expect(200);
    assert_eq!(public.list().len(), 1);
    hub.delete(desk, &format!("{path}/comments/{}", comment["id"].as_str().unwrap())).await.expect(200);

    let closed = hub.json(desk, Method::PATCH, &path, &json!({"status": "Closed"})).await.expect(200).body;
    assert_eq!(closed["closed"], true, "{closed}");
    let filter = encoded("subject='Bolt missing' AND closed=true");
    assert_eq!(hub.get(desk, &format!("/incidents?where={filter}")).await.expect(200).list().len(), 1);
    hub.delete(desk, &path).await.expect(200);
    hub.get(desk, &path).await.expect(404);
    hub.get(desk, &format!("{path}/comments")).await.expect(404);
    // What the element it extends has and this hub has not is no resource here.
    hub.get(desk, "/hubs/helpdesk/leads").await.expect(404);
}

#[tokio::test]
async fn an_article_is_written_and_published() {
    let hub = Gateway::demo();
    let desk = "sfdcservicecloud";
    let body = json!({"title": "How to fix a bolt", "urlName": "bolt", "customFields": {"Answer__c": "Clockwise."}});
    let made = hub.json(desk, Method::POST, "/resources/articles", &body).await.expect(200).body;
    assert_eq!(made["status"], "draft", "{made}");
    let path = format!("/resources/articles/{}", made["id"].as_str().unwrap());
    let told =
        hub.json(desk, Method::PUT, &format!("{path}/status"), &json!({"status": "published"})).await.expect(200);
    assert_eq!((&told.body["status"], &told.body["version"]), (&json!("published"), &json!(1)));
    hub.json(desk, Method::PATCH, &path, &json!({"summary": "x"})).await.expect(403);
    hub.json(desk, Method::PUT, &format!("{path}/status"), &json!({"status": "torn"})).await.expect(400);
    assert!(hub.get(desk, "/resources/categories").await.expect(200).list()[0]["children"].is_array());
    assert!(!hub.get(desk, "/agents").await.expect(200).list().is_empty());
}
