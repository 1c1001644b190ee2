//! What is particular to Zoho CRM: regions, rows that fail with a good status, a query language, parents in modules.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded, send};

/// The calls that the sandbox has had of this method at this path.
async fn calls(hub: &Gateway, method: &str, path: &str) -> Vec<Value> {
    let log = hub.control("zohocrm", Method::GET, "/log", &Value::Null).await;
    let all = log["calls"].as_array().unwrap();
    all.iter().filter(|call| call["method"] == method && call["path"] == path).cloned().collect()
}

async fn emails(hub: &Gateway, filter: &str) -> Vec<String> {
    let path = format!("/contacts?orderBy=email&where={}", encoded(filter));
    let found = hub.get("zohocrm", &path).await.expect(200);
    found.list().iter().map(|contact| contact["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_users_region_comes_with_the_callback_and_the_token() {
    let hub = Gateway::demo();
    let id = hub.instance_id("zohocrm");
    let instance = send(hub.platform(Method::GET, &format!("/instances/{id}"))).await.expect(200).body;
    let origin = hub.told["sandboxes"]["zohocrm"]["api"].as_str().unwrap();
    assert_eq!(instance["configuration"]["accounts.server"], origin, "{instance}");
    assert_eq!(instance["configuration"]["base.url"], origin, "{instance}");
    let consent =
        send(hub.platform(Method::GET, "/elements/zohocrm/oauth/url?state=x")).await.expect(200).body["oauthUrl"]
            .clone();
    let consent = url::Url::parse(consent.as_str().unwrap()).unwrap();
    let asked = |name: &str| consent.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert!(asked("scope").unwrap().contains("ZohoCRM.modules.ALL,ZohoCRM.settings.ALL"), "{consent}");
    assert_eq!(asked("access_type").as_deref(), Some("offline"));

    send(hub.platform(Method::DELETE, &format!("/instances/{id}"))).await.expect(200);
    // The caller need not wait for it.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut given_back = Vec::new();
    while given_back.is_empty() {
        assert!(std::time::Instant::now() < until, "the tokens are not given back");
        given_back = calls(&hub, "POST", "/oauth/v2/token/revoke").await;
    }
    assert!(given_back.len() == 1 && given_back[0]["status"] == 200, "{given_back:?}");
    assert!(given_back[0]["query"].to_string().contains("token="), "{given_back:?}");
}

#[tokio::test]
async fn a_grant_that_has_to_wait_for_tokens_is_not_dead() {
    let hub = Gateway::demo();
    // Ten tokens in ten minutes are all there are.
    let limit = json!({"path": "/oauth/v2/token", "status": 200, "times": 1, "body": {"error": "Access Denied",
        "error_description": "You have made too many requests continuously. Please try again after some time.", "status": "failure"}});
    hub.control("zohocrm", Method::POST, "/tokens/expire", &json!({})).await;
    hub.control("zohocrm", Method::POST, "/faults", &limit).await;
    let refused = hub.get("zohocrm", "/contacts?pageSize=1").await;
    assert!(refused.status.is_server_error() && refused.body["code"] != "reauth-required", "{}", refused.body);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while hub.get("zohocrm", "/contacts?pageSize=1").await.status != 200 {
        assert!(std::time::Instant::now() < until, "it does not heal");
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_no_more_is_told_with_a_good_status() {
    let hub = Gateway::demo();
    hub.control("zohocrm", Method::POST, "/tokens/expire", &json!({})).await;
    hub.control("zohocrm", Method::POST, "/refresh/revoke", &json!({})).await;
    let dead = hub.get("zohocrm", "/contacts?pageSize=1").await.expect(401);
    assert_eq!(dead.body["code"], "reauth-required", "{}", dead.body);
}

#[tokio::test]
async fn rows_that_fail_with_a_good_status_are_failures() {
    let hub = Gateway::demo();
    let refused = hub.json("zohocrm", Method::POST, "/contacts", &json!({"firstName": "Ada"})).await.expect(400);
    assert_eq!(refused.body["providerMessage"], "required field not found", "{}", refused.body);
    let post = calls(&hub, "POST", "/crm/v8/Contacts").await;
    assert_eq!(post[0]["status"], 202, "{post:?}");
    let elsewhere = json!({"lastName": "Byron", "accountId": "554023000000999999"});
    let refused = hub.json("zohocrm", Method::POST, "/contacts", &elsewhere).await.expect(400);
    assert_eq!(refused.body["providerMessage"], "the id given seems to be invalid", "{}", refused.body);
    for id in ["554023000000999999", "nothing"] {
        let path = format!("/contacts/{id}");
        hub.get("zohocrm", &path).await.expect(404);
        hub.json("zohocrm", Method::PATCH, &path, &json!({"lastName": "X"})).await.expect(404);
        hub.delete("zohocrm", &path).await.expect(404);
    }
}

#[tokio::test]
async fn filters_are_asked_in_the_query_language() {
    let hub = Gateway::demo();
    assert_eq!(emails(&hub, "lastName = 'O''Hara'").await, ["sean@ohara.example.com"]);
    let account = hub
        .get("zohocrm", &format!("/accounts?where={}", encoded("name LIKE 'Umbra%'")))
        .await
        .expect(200)
        .list()[0]["id"]
        .clone();
    let at = format!("accountId = '{}' AND title = 'CTO' AND email LIKE '%umbra%'", account.as_str().unwrap());
    assert_eq!(emails(&hub, &at).await, ["giulia.rinaldi@umbra.example.com"]);
    let either = "lastName = 'Nakamura' OR (customFields.Loyalty_Points > 100 AND mobilePhone IS NOT NULL)";
    assert_eq!(emails(&hub, either).await, ["maya.ekstrom@northwind.example.com", "nakamura@example.com"]);
    assert_eq!(emails(&hub, "lastName = 'Nobody'").await, Vec::<String>::new());
    for (filter, name) in [
        ("won = true", "Umbra - service contract"),
        ("closed = true", "Umbra - service contract"),
        ("closed = false", "Northwind - 200 shelves"),
    ] {
        let found = hub.get("zohocrm", &format!("/opportunities?where={}", encoded(filter))).await.expect(200);
        assert_eq!(found.names(), [name], "{filter}");
    }
    let lists = calls(&hub, "GET", "/crm/v8/Contacts").await;
    assert!(lists.is_empty() && !calls(&hub, "POST", "/crm/v8/coql").await.is_empty(), "{lists:?}");
}

#[tokio::test]
async fn notes_find_the_module_of_their_parent() {
    let hub = Gateway::demo();
    for resource in ["contacts", "accounts", "leads", "opportunities"] {
        let parent = hub.get("zohocrm", &format!("/{resource}?pageSize=1")).await.expect(200).list()[0]["id"].clone();
        let note = json!({"title": resource, "body": "x", "parentId": parent});
        let made = hub.json("zohocrm", Method::POST, "/notes", &note).await.expect(200).body;
        assert_eq!((&made["parentId"], &made["title"]), (&parent, &json!(resource)), "{made}");
    }
    let nowhere = json!({"body": "x", "parentId": "554023000000999999"});
    let refused = hub.json("zohocrm", Method::POST, "/notes", &nowhere).await.expect(400);
    assert!(refused.body["message"].as_str().unwrap().contains("parentId"), "{}", refused.body);
    let all = hub.get("zohocrm", "/notes?pageSize=50").await.expect(200);
    let first = hub.get("zohocrm", "/notes?pageSize=2").await.expect(200);
    let token = encoded(first.header("elements-next-page-token"));
    let second = hub.get("zohocrm", &format!("/notes?pageSize=4&nextPage={token}")).await.expect(200);
    assert_eq!([first.list().clone(), second.list().clone()].concat(), all.list()[..6]);
    let found = hub.get("zohocrm", &format!("/notes?where={}", encoded("title = 'leads'"))).await.expect(200);
    assert_eq!(found.list().len(), 1);
}

#[tokio::test]
async fn modules_go_by_their_own_names_and_users_change() {
    let hub = Gateway::demo();
    let names = hub.get("zohocrm", "/objects").await.expect(200).body;
    for name in ["Products", "My_Objects", "Calls"] {
        assert!(names.as_array().unwrap().contains(&json!(name)), "{names}");
    }
    let made = hub.json("zohocrm", Method::POST, "/My_Objects", &json!({"Name": "Third"})).await.expect(200).body;
    let path = format!("/My_Objects/{}", made["id"].as_str().unwrap());
    let changed = hub.json("zohocrm", Method::PATCH, &path, &json!({"Score": 3})).await.expect(200).body;
    assert_eq!((&changed["Name"], &changed["Score"]), (&json!("Third"), &json!(3)));
    let found = hub.get("zohocrm", &format!("/My_Objects?where={}", encoded("Name = 'Third'"))).await.expect(200);
    assert_eq!(found.list().len(), 1);
    hub.delete("zohocrm", &path).await.expect(200);
    hub.get("zohocrm", &path).await.expect(404);
    hub.get("zohocrm", "/Looms").await.expect(404);

    let user = hub.get("zohocrm", "/users?pageSize=1").await.expect(200).list()[0].clone();
    let path = format!("/users/{}", user["id"].as_str().unwrap());
    let changed = hub.json("zohocrm", Method::PATCH, &path, &json!({"phone": "+46 1"})).await.expect(200).body;
    assert_eq!((&changed["phone"], &changed["email"]), (&json!("+46 1"), &user["email"]));
    let refused = hub.json("zohocrm", Method::POST, "/users", &json!({"lastName": "New"})).await.expect(400);
    assert_eq!(refused.body["code"], "unsupported", "{}", refused.body);
}
