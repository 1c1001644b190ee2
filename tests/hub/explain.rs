//! `?explain=true`: what would be asked of the provider is told, and nothing is asked.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    capability::Element,
    support::{Gateway, Reply, encoded, form, send},
};

/// A hub's operations, as its files have them: method and path.
fn operations(hub: &str) -> Vec<(Method, String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/hubs").join(hub);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        for operation in file["operations"].as_object().into_iter().flat_map(serde_json::Map::values) {
            for path in operation["paths"].as_array().unwrap() {
                let method = operation["method"].as_str().unwrap().parse().unwrap();
                found.push((method, path.as_str().unwrap().to_owned(), operation["request"].clone()));
            }
        }
    }
    found
}

/// Each `{name}` of a path as an id.
fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{objectName}" => "Thing",
        segment if segment.starts_with('{') => "4711",
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Asks to explain a call, and checks that the answer holds no credentials.
async fn explained(hub: &Gateway, element: &str, method: Method, path: &str, body: &Value) -> Reply {
    let mark = if path.contains('?') { '&' } else { '?' };
    let mut request = hub.request(element, method, &format!("{path}{mark}explain=true"));
    if body.is_object() {
        request = request.json(body);
    }
    let reply = send(request).await;
    let text = String::from_utf8_lossy(&reply.bytes).into_owned();
    for secret in ["Bearer ", "\"authorization\"", hub.token(element).as_str()] {
        assert!(!text.contains(secret), "{element} {path}: `{secret}` in {text}");
    }
    for call in reply.body["calls"].as_array().into_iter().flatten() {
        let told = call["lacks"].is_string() || call["method"].is_string() && call["url"].is_string();
        assert!(told, "{element} {path}: {call}");
    }
    reply
}

/// The calls of the operation itself.
fn own(reply: &Reply) -> Vec<&Value> {
    reply.body["calls"].as_array().unwrap().iter().filter(|call| call["for"] == "the operation").collect()
}

#[tokio::test]
async fn no_operation_of_any_element_calls_its_provider() {
    let hub = Gateway::demo();
    for name in ["crm", "documents", "helpdesk", "finance"] {
        let elements = hub.told["instances"].as_object().unwrap().keys();
        for element in elements.filter(|key| belongs(&hub, key, name)) {
            let before = hub.calls(element).await;
            let mut told = 0;
            for (method, path, request) in operations(name) {
                let body = if request.is_null() {
                    json!(null)
                } else {
                    json!({"name": "b.txt", "path": "/Explained/b.txt", "lastName": "Byron"})
                };
                let query = if path.contains("{id}") { "" } else { "?path=/Explained/a.txt" };
                let path = format!("/hubs/{name}{}{query}", filled(&path));
                let reply = explained(&hub, element, method.clone(), &path, &body).await;
                assert!(reply.status.as_u16() < 500, "{element} {method} {path}: {}", reply.body);
                told += u32::from(reply.status == 200);
            }
            for path in ["/ping", "/objects", "/objects/contacts/metadata"] {
                explained(&hub, element, Method::GET, path, &json!(null)).await;
            }
            assert!(told > 8, "{element}: only {told} operations are explained");
            assert_eq!(hub.calls(element).await, before, "{element} was called");
        }
    }
}

fn belongs(hub: &Gateway, element: &str, name: &str) -> bool {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/elements").join(element).join("element.json");
    assert!(hub.told["instances"][element].is_object());
    let own: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    own["hub"] == name
}

#[tokio::test]
async fn a_filter_is_shown_where_it_is_applied() {
    let hub = Gateway::demo();
    let by = |can: &Element, who: &str| can.filters_by("contacts", "email", "=", who);
    for can in hub.elements_of(&["crm", "marketing"]).await {
        let path = format!("/hubs/crm/contacts?where={}&pageSize=7", encoded("email = 'ada@example.test'"));
        let reply = explained(&hub, &can.key, Method::GET, &path, &json!(null)).await.expect(200);
        let (pushed, here) = (&reply.body["where"]["pushedDown"], &reply.body["where"]["here"]);
        if by(&can, "provider") {
            assert!(pushed.to_string().contains("ada@example.test"), "{can}: {}", reply.body);
            assert!(here.is_null(), "{can}: {}", reply.body);
            let sent = own(&reply).iter().any(|call| call.to_string().contains("ada@example.test"));
            assert!(sent, "{can}: {}", reply.body);
        } else {
            assert!(by(&can, "gateway"), "{can}");
            assert!(here["where"].as_str().unwrap().contains("email"), "{can}: {}", reply.body);
            assert!(here["recordsAtMost"].as_u64().unwrap() > 0, "{can}: {}", reply.body);
        }
        assert_eq!(reply.body["paging"]["pageSize"], 7, "{can}");
    }
    // In the provider's own language.
    let path = format!("/hubs/crm/contacts?where={}", encoded("lastName = 'O''Neil' AND email IS NOT NULL"));
    let soql = explained(&hub, "sfdc", Method::GET, &path, &json!(null)).await.expect(200);
    assert_eq!(soql.body["where"]["language"], "soql");
    let condition = soql.body["where"]["pushedDown"].as_str().unwrap().to_owned();
    assert!(condition.contains("LastName = 'O\\'Neil'"), "{condition}");
    assert!(own(&soql)[0]["query"]["q"].as_str().unwrap().contains(&condition), "{}", soql.body);
    let odata = explained(&hub, "dynamicscrmadfs", Method::GET, &path, &json!(null)).await.expect(200);
    assert!(own(&odata)[0]["query"]["$filter"].as_str().unwrap().contains("lastname eq 'O''Neil'"), "{}", odata.body);
}

#[tokio::test]
async fn a_filter_means_the_same_however_it_is_quoted() {
    let hub = Gateway::demo();
    for can in hub.elements_of(&["crm", "marketing"]).await {
        let mut told: Vec<Value> = Vec::new();
        for filter in
            ["lastName='O''Neil'", "`lastName` = \"O'Neil\"", "( 'lastName'='O''Neil' )", "lastName = 'O\\'Neil'"]
        {
            let path = format!("/hubs/crm/contacts?where={}", encoded(filter));
            told.push(
                explained(&hub, &can.key, Method::GET, &path, &json!(null)).await.expect(200).body["where"].take(),
            );
        }
        assert!(told[0].to_string().contains("Neil"), "{can}: {}", told[0]);
        assert!(told.iter().all(|one| *one == told[0]), "{can}: {told:?}");
    }
}

#[tokio::test]
async fn what_only_the_provider_could_tell_stays_in_braces() {
    let hub = Gateway::demo();
    let body = json!({"lastName": "Byron"});
    let made = explained(&hub, "sfdc", Method::POST, "/hubs/crm/contacts", &body).await.expect(200);
    let calls = own(&made);
    assert_eq!(calls[0]["method"], "POST");
    assert_eq!(calls[0]["body"], json!({"LastName": "Byron"}));
    assert_eq!(calls[0]["step"], "created");
    assert!(calls[1]["url"].as_str().unwrap().ends_with("/sobjects/Contact/{steps.created.id}"), "{}", made.body);
    // Native bodies as they are.
    let native = json!({"Name": "Ltd", "Any__c": 1});
    let made = explained(&hub, "sfdc", Method::POST, "/hubs/crm/Account", &native).await.expect(200);
    assert_eq!(own(&made)[0]["body"], native);
}

#[tokio::test]
async fn an_upload_is_explained_without_its_file() {
    let hub = Gateway::demo();
    for can in hub.elements_of(&["documents"]).await {
        let before = hub.calls(&can.key).await;
        let (content_type, body) = form("a.txt", b"never read");
        let path = "/hubs/documents/files?path=/Explained/a.txt&explain=true";
        let request = hub.request(&can.key, Method::POST, path).header("Content-Type", content_type).body(body);
        let reply = send(request).await.expect(200);
        let bare = send(hub.request(&can.key, Method::POST, path)).await.expect(200);
        assert_eq!(bare.body["operation"], reply.body["operation"], "{can}: a file need not be sent");
        assert!(reply.body["calls"].to_string().contains("{file}"), "{can}: {}", reply.body);
        assert_eq!(hub.calls(&can.key).await, before, "{can}");
        assert_eq!(hub.get(&can.key, "/files/metadata?path=/Explained/a.txt").await.status, 404, "{can}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_as_usual() {
    let hub = Gateway::demo();
    // What fields there are is known from an earlier call.
    let path = format!("/hubs/crm/contacts?where={}", encoded("lastName = 'x'"));
    hub.get("sfdc", &path).await.expect(200);
    let before = hub.calls("sfdc").await;
    for path in [
        "/hubs/crm/contacts?explain=perhaps".to_owned(),
        format!("/hubs/crm/contacts?explain=true&where={}", encoded("lastName === 'x'")),
        format!("/hubs/crm/contacts?explain=true&where={}", encoded("nothing = 'x'")),
        "/hubs/crm/contacts?explain=true&pageSize=0".to_owned(),
    ] {
        let reply = hub.get("sfdc", &path).await.expect(400);
        assert!(reply.body["message"].is_string(), "{path}");
    }
    let post = hub.json("sfdc", Method::POST, "/hubs/crm/contacts?explain=perhaps", &json!({"lastName": "x"})).await;
    assert_eq!(post.status, 400);
    assert_eq!(hub.get("sfdc", "/hubs/crm/nothing/here/at/all/either?explain=true").await.status, 404);
    assert_eq!(hub.calls("sfdc").await, before);
    // Never from the cache, never into it.
    let told = hub.get("sfdc", "/hubs/crm/contacts?explain=1").await.expect(200);
    assert_eq!(told.header("cache-status"), "");
    assert!(hub.get("sfdc", "/hubs/crm/contacts?explain=0").await.expect(200).body.is_array());
}

#[tokio::test]
async fn what_is_done_item_by_item_is_told_once() {
    let hub = Gateway::demo();
    let copy = "/folders/copy?path=/Documents";
    let copy = explained(&hub, "googledrive", Method::POST, copy, &json!({"path": "/Copy"})).await.expect(200);
    let repeated: Vec<&str> = own(&copy).iter().filter_map(|call| call["repeated"].as_str()).collect();
    assert!(
        repeated.len() == 2 && repeated[0].contains("each folder") && repeated[1].contains("each item"),
        "{}",
        copy.body
    );
    let search = explained(&hub, "box", Method::GET, "/search?path=/Documents", &json!(null)).await.expect(200);
    let walked = search.body["calls"].as_array().unwrap().iter().find(|call| call["for"] == "going over").unwrap();
    assert_eq!(walked["query"]["limit"], "1000", "{walked}");
    let tags = "/folders/contents?path=/Documents&fetchTags=true";
    let tags = explained(&hub, "dropbox", Method::GET, tags, &json!(null)).await.expect(200);
    assert!(tags.body["calls"].to_string().contains("each 100 records"), "{}", tags.body);
}
