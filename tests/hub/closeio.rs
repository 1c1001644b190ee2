//! What is particular to Close: a search of words behind exact filters, fields of the account's own, offsets and cursors.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded, send};

async fn emails(hub: &Gateway, filter: &str) -> Vec<String> {
    let path = format!("/contacts?orderBy=email&where={}", encoded(filter));
    let found = hub.get("closeio", &path).await.expect(200);
    found.list().iter().map(|contact| contact["email"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn filters_are_exact_although_the_search_is_not() {
    let hub = Gateway::demo();
    let account = hub.get("closeio", "/accounts?pageSize=1").await.expect(200).list()[0]["id"].clone();
    for (first, last) in [("Ada", "Byron"), ("Ada Byron", "King")] {
        let contact = json!({"firstName": first, "lastName": last, "accountId": account, "email": format!("{}@filter.test", last.to_lowercase())});
        hub.json("closeio", Method::POST, "/contacts", &contact).await.expect(200);
    }
    for (filter, expected) in [
        ("lastName = 'Byron'", vec!["byron@filter.test"]),
        ("lastName = 'King' AND firstName = 'Ada Byron'", vec!["king@filter.test"]),
        ("email = 'king@filter.test'", vec!["king@filter.test"]),
        ("email LIKE '%@filter.test'", vec!["byron@filter.test", "king@filter.test"]),
        ("lastName = 'Byron' OR email IN ('king@filter.test')", vec!["byron@filter.test", "king@filter.test"]),
        ("lastName = 'byron'", vec![]),
    ] {
        assert_eq!(emails(&hub, filter).await, expected, "{filter}");
    }
    let of_account = hub
        .get("closeio", &format!("/contacts?where={}", encoded(&format!("accountId = {account}").replace('"', "'"))))
        .await;
    assert_eq!(of_account.expect(200).list().len(), 3, "an id is compared whole");
    let log = hub.control("closeio", Method::GET, "/log", &Value::Null).await;
    let searches =
        log["calls"].as_array().unwrap().iter().filter(|call| call["path"] == "/api/v1/data/search/").count();
    assert!(searches >= 6, "the provider narrows what is read: {searches}");
}

#[tokio::test]
async fn searches_page_like_lists() {
    let hub = Gateway::demo();
    let lead = hub.get("closeio", "/accounts?pageSize=1").await.expect(200).list()[0]["id"].clone();
    for number in 0..7 {
        let contact =
            json!({"firstName": "Page", "lastName": format!("Turner{number}"), "title": "Turner", "accountId": lead});
        hub.json("closeio", Method::POST, "/contacts", &contact).await.expect(200);
    }
    for filter in ["", "createdDate >= '2001-01-01T00:00:00Z'", "title = 'Turner'"] {
        let path = format!("/contacts?where={}", encoded(filter));
        let all = hub.get("closeio", &path).await.expect(200).list().clone();
        let (mut pages, mut token) = (Vec::new(), String::new());
        loop {
            let page = hub.get("closeio", &format!("{path}&pageSize=3&nextPage={}", encoded(&token))).await.expect(200);
            pages.extend(page.list().clone());
            token = page.header("elements-next-page-token").to_owned();
            if token.is_empty() {
                break;
            }
        }
        assert!(all.len() >= 7 && pages == all, "{filter}");
    }
}

#[tokio::test]
async fn the_accounts_own_fields_are_told_and_filtered_by() {
    let hub = Gateway::demo();
    let fields = hub.get("closeio", "/objects/contacts/metadata?customFieldsOnly=true").await.expect(200).body;
    let color =
        fields["fields"].as_array().unwrap().iter().find(|field| field["displayName"] == "Favorite color").unwrap();
    let path = color["path"].as_str().unwrap();
    assert_eq!(emails(&hub, &format!("{path} = 'teal'")).await, ["maya.ekstrom@northwind.example.com"]);
    let refused = hub.json("closeio", Method::POST, "/contacts", &json!({"lastName": "Nobody"})).await.expect(400);
    assert_eq!(refused.body["providerMessage"], "This field is required.");
}

#[tokio::test]
async fn an_app_connects_with_consent_beside_the_key() {
    let hub = Gateway::demo();
    let client = hub.control("closeio", Method::GET, "/client", &Value::Null).await;
    hub.control("closeio", Method::POST, "/settings", &json!({"auto_approve": true})).await;
    let callback = "http://127.0.0.1:8080/callback";
    let asked = format!(
        "/elements/closeio/oauth/url?authentication.type=oauth2&state=s1&apiKey={}&callbackUrl={}",
        encoded(client["client_id"].as_str().unwrap()),
        encoded(callback)
    );
    let consent = send(hub.platform(Method::GET, &asked)).await.expect(200).body;
    let address = consent["oauthUrl"].as_str().unwrap();
    assert_eq!(url::Url::parse(address).unwrap().path(), "/oauth2/authorize/", "{address}");
    let back = send(hub.bare(Method::GET, address)).await.expect(302);
    let back = url::Url::parse(back.header("location")).unwrap();
    let came = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(came("state").as_deref(), Some("s1"), "{back}");

    let mut body = json!({"name": "an app", "element": {"key": "closeio"}, "configuration": {
        "authentication.type": "oauth2", "oauth.callback.url": callback,
        "oauth.api.key": client["client_id"], "oauth.api.secret": client["client_secret"]}});
    let refused = send(hub.platform(Method::POST, "/instances").json(&body)).await.expect(400);
    assert!(refused.body.to_string().contains("/providerData/code"), "{}", refused.body);
    body["providerData"] = json!({"code": came("code").unwrap()});
    let made = send(hub.platform(Method::POST, "/instances").json(&body)).await.expect(200).body;
    assert_eq!(made["element"]["authentication"]["type"], "oauth2", "{made}");
    assert_eq!(made["configuration"]["oauth.user.token"], "********", "{made}");
    let token = format!("Element {}", made["token"].as_str().unwrap());
    let read = || hub.bare(Method::GET, "/hubs/crm/contacts?pageSize=2").header("Authorization", &token);
    let first = send(read()).await.expect(200).body;
    // Each refresh brings a new refresh token, and the one before is dead.
    for _ in 0..2 {
        hub.control("closeio", Method::POST, "/tokens/expire", &json!({})).await;
        assert_eq!(send(read()).await.expect(200).body, first);
    }
    assert_eq!(hub.get("closeio", "/contacts?pageSize=2").await.expect(200).body, first, "the key's instance goes on");
    let log = hub.control("closeio", Method::GET, "/log", &Value::Null).await;
    let schemes = |scheme: &str| {
        let calls = log["calls"].as_array().unwrap().iter();
        calls.filter(|call| call["path"] == "/api/v1/contact/" && call["headers"]["authorization"] == scheme).count()
    };
    assert!(schemes("Bearer …") >= 3 && schemes("Basic …") >= 1, "{log}");
    let counters = hub.control("closeio", Method::GET, "/counters", &Value::Null).await;
    assert_eq!(counters["token_calls"]["refresh_token"], 2, "{counters}");
    assert_eq!(counters["spent_refresh_presentations"], 0, "{counters}");

    send(hub.platform(Method::DELETE, &format!("/instances/{}", made["id"]))).await.expect(200);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        assert!(std::time::Instant::now() < until, "the tokens are not given back");
        let log = hub.control("closeio", Method::GET, "/log", &Value::Null).await;
        let calls = log["calls"].as_array().unwrap();
        if let Some(call) = calls.iter().find(|call| call["path"] == "/oauth2/revoke/") {
            assert_eq!((&call["method"], &call["status"]), (&json!("POST"), &json!(200)), "{call}");
            break;
        }
    }
}
