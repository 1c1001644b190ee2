//! What is particular to the elements on Microsoft Graph: watched copies, names that mean something in a URL, ids made of
//! paths, sites and their libraries.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded, form, send};

const ELEMENTS: [&str; 4] = ["onedrive", "onedrivev2", "onedrivebusiness", "sharepoint"];

/// The calls that the sandbox has had on paths that begin so.
async fn called(hub: &Gateway, path: &str) -> Vec<Value> {
    let log = hub.control("onedrive", Method::GET, "/log", &json!(null)).await;
    let calls = log.as_array().or_else(|| log["calls"].as_array()).cloned().unwrap_or_default();
    calls.into_iter().filter(|call| call["path"].as_str().unwrap().starts_with(path)).collect()
}

#[tokio::test]
async fn names_keep_every_character() {
    let hub = Gateway::demo();
    for element in ELEMENTS {
        let path = format!("/{element} #1/50% of 'it'; a+b.txt");
        let made = hub.upload(element, &format!("/files?path={}", encoded(&path)), b"kept").await.expect(200).body;
        assert_eq!(made["path"], json!(path), "{element}");
        assert!(!made["parentFolderId"].is_null(), "{element}");
        assert_eq!(hub.get(element, &format!("/files?path={}", encoded(&path))).await.expect(200).bytes, b"kept");
        let found = hub.get(element, &format!("/search?text={}", encoded("of 'it'"))).await.expect(200);
        assert!(found.list().iter().any(|hit| hit["path"] == json!(path)), "{element}: {}", found.body);
        let by_id = format!("/files/{}", made["id"].as_str().unwrap());
        assert_eq!(hub.get(element, &by_id).await.expect(200).bytes, b"kept", "{element}");
    }
}

#[tokio::test]
async fn a_copy_is_watched_without_the_token() {
    let hub = Gateway::demo();
    for element in ["onedrive", "sharepoint"] {
        let body = json!({"path": "/Reports copy"});
        let made = hub.json(element, Method::POST, "/folders/copy?path=/Reports", &body).await.expect(200).body;
        assert_eq!(made["path"], "/Reports copy", "{element}");
        hub.get(element, "/files?path=/Reports%20copy/2026/q1.csv").await.expect(200);
        hub.json(element, Method::POST, "/folders/copy?path=/Reports", &body).await.expect(409);
    }
    let polls = called(&hub, "/monitor/").await;
    assert!(polls.len() >= 4, "{polls:?}");
    assert!(polls.iter().all(|call| call["headers"].get("authorization").is_none()), "{polls:?}");
    assert!(polls.iter().all(|call| call["status"] != 401));
}

#[tokio::test]
async fn ids_are_made_of_paths_where_they_are_promised_to_be() {
    let hub = Gateway::demo();
    let made = hub.upload("sharepoint", "/files?path=/My%20Folder/a.txt", b"1").await.expect(200).body;
    assert_eq!(made["id"], "%252FMy%2BFolder%252Fa.txt");
    assert_eq!(made["parentFolderId"], "%252FMy%2BFolder");
    let by_reference = format!("/files/{}/metadata", made["refId"].as_str().unwrap());
    assert_eq!(hub.get("sharepoint", &by_reference).await.expect(200).body["id"], made["id"]);
    let inside = hub.get("sharepoint", "/folders/%252FMy%2BFolder/contents").await.expect(200);
    assert_eq!(inside.names(), ["a.txt"]);
    let (content_type, body) = form("b.bin", b"2");
    let beside = hub.request("sharepoint", Method::POST, "/files?path=/b.txt&folderId=%25252FMy%252BFolder&size=1");
    let beside = send(beside.header("Content-Type", content_type).body(body)).await.expect(200).body;
    assert_eq!(beside["path"], "/My Folder/b.txt");
    let root = hub.get("sharepoint", "/folders/metadata?path=/").await.expect(200).body;
    assert_eq!((root["id"].as_str(), root["path"].as_str()), (Some("%252F"), Some("/")));
    let own = hub.get("onedrive", "/folders/metadata?path=/Documents").await.expect(200).body;
    assert!(own["id"].as_str().unwrap().contains('!'), "{own}");
}

#[tokio::test]
async fn the_subsite_header_chooses_the_site() {
    let hub = Gateway::demo();
    let at = |site: &'static str, method: Method, path: &str| {
        hub.request("sharepoint", method, path).header("Subsite", site)
    };
    let (content_type, body) = form("a.bin", b"here");
    let upload = at("/sites/team", Method::POST, "/files?path=/only%20here.txt&size=4");
    send(upload.header("Content-Type", content_type).body(body)).await.expect(200);
    assert_eq!(send(at("/sites/team", Method::GET, "/files?path=/only%20here.txt")).await.expect(200).bytes, b"here");
    hub.get("sharepoint", "/files?path=/only%20here.txt").await.expect(404);
    send(at("/marketing", Method::GET, "/files?path=/only%20here.txt")).await.expect(404);
    let nowhere = send(at("/sites/none", Method::GET, "/folders/contents?path=/")).await.expect(404).body;
    assert_eq!(nowhere["message"], "No site is there");
    let below = send(at("/sites/team", Method::GET, "/sub-sites")).await.expect(200);
    assert_eq!(below.list()[0]["displayName"], "Plans");
    let lists = hub.get("sharepoint", "/sites/lists").await.expect(200);
    assert_eq!(lists.list().len(), 3, "{}", lists.body);
    let items = "/sites/lists/Announcements/items";
    let new = json!({"fields": {"Title": "New"}});
    let made = hub.json("sharepoint", Method::POST, items, &new).await.expect(200).body;
    let one = format!("{items}/{}", made["id"].as_str().unwrap());
    hub.json("sharepoint", Method::PATCH, &one, &json!({"Title": "Newer"})).await.expect(200);
    assert_eq!(hub.get("sharepoint", &one).await.expect(200).body["fields"]["Title"], "Newer");
    hub.delete("sharepoint", &one).await.expect(200);
    hub.get("sharepoint", &one).await.expect(404);
}

#[tokio::test]
async fn links_come_and_go_and_revisions_are_all_told() {
    let hub = Gateway::demo();
    for element in ["onedrive", "sharepoint"] {
        let link = hub.get(element, "/files/links?path=/readme.md&expires=2099-01-01").await.expect(200).body;
        assert_eq!(link["providerLinkExpires"], "2099-01-01T00:00:00Z", "{element}: {link}");
        let page = link["providerViewLink"].as_str().unwrap().to_owned();
        assert_eq!(send(hub.bare(Method::GET, &page)).await.status, 200, "{element}");
        hub.get(element, "/files/links?path=/readme.md&visibility=PASSWORD").await.expect(400);
        hub.delete(element, "/files/links?path=/readme.md").await.expect(200);
        assert_eq!(send(hub.bare(Method::GET, &page)).await.status, 404, "{element}");
        hub.upload(element, "/files?path=/readme.md&overwrite=true", b"two").await.expect(200);
        let revisions = hub.get(element, "/files/revisions?path=/readme.md").await.expect(200);
        assert_eq!(revisions.list().len(), 2, "{element}: {}", revisions.body);
        assert_eq!(revisions.list()[0]["size"], 3, "{element}: the current one is the first");
    }
    let changes = hub.get("onedrivebusiness", "/changes").await.expect(200);
    assert!(changes.names().contains(&"readme.md".to_owned()), "{}", changes.body);
}
