//! Box: what it does and what it refuses.

use reqwest::{
    Method, Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::support::{Fixture, json as read};

impl Fixture {
    async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        read(self.request(method, path).json(&body).send().await.unwrap()).await
    }

    async fn multipart(&self, path: &str, form: Form) -> (u16, Value) {
        read(self.request(Method::POST, path).multipart(form).send().await.unwrap()).await
    }

    async fn upload_file(&self, name: &str, parent: &str, text: &'static str) -> (u16, Value) {
        let attributes = json!({"name": name, "parent": {"id": parent}}).to_string();
        let form = Form::new().text("attributes", attributes).part("file", Part::text(text).file_name(name.to_owned()));
        self.multipart("/api/2.0/files/content", form).await
    }

    /// The id of an item in a folder.
    async fn id(&self, folder: &str, name: &str) -> String {
        let (_, items) = self.get(&format!("/2.0/folders/{folder}/items")).await;
        let entries = items["entries"].as_array().unwrap();
        entries.iter().find(|entry| entry["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn follow(&self, answer: Response, range: Option<&str>) -> Response {
        assert_eq!(answer.status(), 302);
        let mut request = self.client.get(answer.headers()["location"].to_str().unwrap());
        if let Some(range) = range {
            request = request.header("range", range);
        }
        request.send().await.unwrap()
    }
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    assert_eq!(answer.1["type"], "error", "{answer:?}");
    assert_eq!(answer.1["status"], answer.0);
    assert!(answer.1["request_id"].is_string() && answer.1["help_url"].is_string());
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn lists_the_root_by_offset_and_by_marker() {
    let fixture = Fixture::new("box").await;
    let (status, page) = fixture.get("/2.0/folders/0/items?limit=2&offset=1").await;
    assert_eq!(status, 200);
    assert_eq!(
        (page["total_count"].as_u64(), page["offset"].as_u64(), page["limit"].as_u64()),
        (Some(4), Some(1), Some(2))
    );
    let entry = &page["entries"][0];
    assert_eq!((entry["type"].as_str(), entry["name"].as_str()), (Some("folder"), Some("Pictures")));
    assert!(entry["id"].as_str().unwrap().parse::<u64>().is_ok());
    assert_eq!(entry.get("size"), None, "listings are brief unless fields are asked for");
    let (_, page) = fixture.get("/2.0/folders/0/items?fields=size,parent,nonsense&sort=name&direction=DESC").await;
    let file = page["entries"].as_array().unwrap().last().unwrap();
    let mut names: Vec<_> = file.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["etag", "id", "parent", "size", "type"]);
    assert_eq!(file["parent"]["id"], "0");

    let mut path = "/2.0/folders/0/items?usemarker=true&limit=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let (status, page) = fixture.get(&path).await;
        assert_eq!((status, page.get("total_count")), (200, None));
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["name"].clone()));
        let Some(marker) = page["next_marker"].as_str() else { break };
        path = format!("/2.0/folders/0/items?usemarker=true&limit=3&marker={marker}");
    }
    assert_eq!(seen, ["Documents", "Pictures", "Reports", "readme.md"]);
}

#[tokio::test]
async fn refuses_malformed_queries() {
    let fixture = Fixture::new("box").await;
    for path in [
        "/2.0/folders/0/items?limit=abc",
        "/2.0/folders/0/items?limit=1001",
        "/2.0/folders/0/items?limit=-1",
        "/2.0/folders/0/items?offset=x",
        "/2.0/folders/0/items?offset=10001",
        "/2.0/folders/0/items?usemarker=maybe",
        "/2.0/folders/0/items?usemarker=true&marker=zzz",
        "/2.0/folders/0/items?sort=colour",
        "/2.0/folders/0/items?direction=UP",
        "/2.0/search",
        "/2.0/search?query=",
        "/2.0/search?query=a&limit=201",
        "/2.0/search?query=a&type=thing",
        "/2.0/search?query=a&updated_at_range=yesterday",
    ] {
        assert_eq!(code(&fixture.get(path).await), (400, "bad_request"), "{path}");
    }
    let documents = fixture.id("0", "Documents").await;
    let answer =
        fixture.request(Method::DELETE, &format!("/2.0/folders/{documents}?recursive=maybe")).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    for path in ["/2.0/folders/1", "/2.0/folders/abc", "/2.0/files/0", "/2.0/folders/1/items"] {
        assert_eq!(code(&fixture.get(path).await), (404, "not_found"), "{path}");
    }
    assert_eq!(code(&fixture.get(&format!("/2.0/files/{documents}")).await), (404, "not_found"), "a folder is no file");
}

#[tokio::test]
async fn tokens_are_needed() {
    let fixture = Fixture::new("box").await;
    let answer = fixture.bare(Method::GET, "/2.0/folders/0").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer realm="));
    fixture.control("/tokens/expire", json!(null)).await;
    let answer = fixture.request(Method::GET, "/2.0/folders/0").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
}

#[tokio::test]
async fn folders_are_made_changed_and_deleted() {
    let fixture = Fixture::new("box").await;
    for body in [
        json!({"nam": "New"}),
        json!({"name": "New"}),
        json!({"name": "New", "parent": "0"}),
        json!({"name": "New", "parent": {}}),
        json!({"name": 3, "parent": {"id": "0"}}),
        json!({"name": "New", "parent": {"id": 0}}),
        json!([]),
    ] {
        assert_eq!(
            code(&fixture.send(Method::POST, "/2.0/folders", body.clone()).await),
            (400, "bad_request"),
            "{body}"
        );
    }
    for name in ["", ".", "..", "a/b", "a\\b", " a", "a ", "a\u{7}"] {
        let body = json!({"name": name, "parent": {"id": "0"}});
        assert_eq!(
            code(&fixture.send(Method::POST, "/2.0/folders", body).await),
            (400, "item_name_invalid"),
            "{name:?}"
        );
    }
    let long = json!({"name": "x".repeat(256), "parent": {"id": "0"}});
    assert_eq!(code(&fixture.send(Method::POST, "/2.0/folders", long).await), (400, "item_name_too_long"));
    let lost = json!({"name": "x", "parent": {"id": "99"}});
    assert_eq!(code(&fixture.send(Method::POST, "/2.0/folders", lost).await), (404, "not_found"));
    let taken = fixture.send(Method::POST, "/2.0/folders", json!({"name": "DOCUMENTS", "parent": {"id": "0"}})).await;
    assert_eq!(code(&taken), (409, "item_name_in_use"));
    assert_eq!(taken.1["context_info"]["conflicts"][0]["name"], "Documents");

    let (status, made) =
        fixture.send(Method::POST, "/2.0/folders", json!({"name": "New", "parent": {"id": "0"}})).await;
    assert_eq!(status, 201);
    assert_eq!(made["etag"], "0");
    assert_eq!(made["path_collection"]["entries"][0]["name"], "All Files");
    assert_eq!(made["item_collection"]["total_count"], 0);
    assert_eq!(made.get("permissions"), None, "not among the standard fields");
    let path = format!("/2.0/folders/{}", made["id"].as_str().unwrap());

    let (status, renamed) = fixture.send(Method::PUT, &path, json!({"name": "Newer", "unknown": 1})).await;
    assert_eq!((status, renamed["name"].as_str(), renamed["etag"].as_str()), (200, Some("Newer"), Some("1")));
    let stale =
        fixture.request(Method::PUT, &path).header("if-match", "0").json(&json!({"name": "X"})).send().await.unwrap();
    assert_eq!(code(&read(stale).await), (412, "precondition_failed"));
    let fresh = fixture.request(Method::GET, &path).header("if-none-match", "1").send().await.unwrap();
    assert_eq!(fresh.status(), 304);

    let documents = fixture.id("0", "Documents").await;
    let contracts = fixture.id(&documents, "Contracts").await;
    let cycle =
        fixture.send(Method::PUT, &format!("/2.0/folders/{documents}"), json!({"parent": {"id": contracts}})).await;
    assert_eq!(code(&cycle), (400, "cyclical_folder_structure"));
    let id = made["id"].clone();
    let (status, moved) =
        fixture.send(Method::PUT, &format!("/2.0/folders/{documents}"), json!({"parent": {"id": id}})).await;
    assert_eq!((status, moved["parent"]["id"] == id), (200, true));
    let (_, deep) = fixture.get(&format!("/2.0/folders/{contracts}")).await;
    let names: Vec<_> =
        deep["path_collection"]["entries"].as_array().unwrap().iter().map(|e| e["name"].clone()).collect();
    assert_eq!(names, ["All Files", "Newer", "Documents"]);

    let (status, copy) =
        fixture.send(Method::POST, &format!("/2.0/folders/{documents}/copy"), json!({"parent": {"id": "0"}})).await;
    assert_eq!((status, copy["item_collection"]["total_count"].as_u64()), (201, Some(2)));
    let no_parent = fixture.send(Method::POST, &format!("/2.0/folders/{documents}/copy"), json!({"name": "x"})).await;
    assert_eq!(code(&no_parent), (400, "bad_request"));

    let delete = async |path: &str| read(fixture.request(Method::DELETE, path).send().await.unwrap()).await;
    assert_eq!(code(&delete(&path).await), (400, "folder_not_empty"));
    assert_eq!(delete(&format!("{path}?recursive=true")).await.0, 204);
    assert_eq!(code(&delete(&path).await), (404, "not_found"));
    assert_eq!(code(&delete("/2.0/folders/0?recursive=true").await).0, 403);
    assert_eq!(code(&fixture.get(&format!("/2.0/folders/{contracts}")).await).0, 404);
}

#[tokio::test]
async fn uploads_and_downloads() {
    let fixture = Fixture::new("box").await;
    let (status, made) = fixture.upload_file("Größe.txt", "0", "hello").await;
    assert_eq!(status, 201);
    let file = &made["entries"][0];
    assert_eq!((made["total_count"].as_u64(), file["size"].as_u64()), (Some(1), Some(5)));
    assert_eq!(file["sha1"], "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
    let id = file["id"].as_str().unwrap();
    let path = format!("/2.0/files/{id}");

    let content = fixture.request(Method::GET, &format!("{path}/content"));
    let answer = content.try_clone().unwrap().send().await.unwrap();
    let whole = fixture.follow(answer, None).await;
    assert_eq!(whole.status(), 200);
    assert!(
        whole.headers()["content-disposition"].to_str().unwrap().contains("filename*=UTF-8''Gr%C3%B6%C3%9Fe%2Etxt")
    );
    assert_eq!(whole.text().await.unwrap(), "hello");
    let part = fixture.follow(content.try_clone().unwrap().send().await.unwrap(), Some("bytes=1-2")).await;
    assert_eq!((part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()), (206, "bytes 1-2/5"));
    assert_eq!(part.text().await.unwrap(), "el");
    let beyond = fixture.follow(content.try_clone().unwrap().send().await.unwrap(), Some("bytes=7-")).await;
    assert_eq!(beyond.status(), 416);
    let answer = content.send().await.unwrap();
    fixture.provider.advance(3_000);
    assert_eq!(fixture.follow(answer, None).await.status(), 403, "the address is signed for a while only");
    assert_eq!(fixture.bare(Method::GET, &format!("{path}/content")).send().await.unwrap().status(), 401);

    // A new version.
    let upload = format!("/api/2.0/files/{id}/content");
    let form = || Form::new().part("file", Part::text("hello again").file_name("x"));
    let stale = fixture.request(Method::POST, &upload).header("if-match", "7").multipart(form()).send().await.unwrap();
    assert_eq!(code(&read(stale).await), (412, "precondition_failed"));
    let (status, next) = fixture.multipart(&upload, form()).await;
    assert_eq!((status, next["entries"][0]["etag"].as_str()), (200, Some("1")));
    let (status, versions) = fixture.get(&format!("{path}/versions")).await;
    assert_eq!((status, versions["total_count"].as_u64()), (200, Some(1)));
    let old = versions["entries"][0]["id"].as_str().unwrap();
    let answer = fixture.request(Method::GET, &format!("{path}/content?version={old}")).send().await.unwrap();
    assert_eq!(fixture.follow(answer, None).await.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn refuses_bad_uploads() {
    let fixture = Fixture::new("box").await;
    let path = "/api/2.0/files/content";
    let attributes = json!({"name": "a.txt", "parent": {"id": "0"}}).to_string();
    let file = || Part::text("x").file_name("a.txt");
    let late = fixture.multipart(path, Form::new().part("file", file()).text("attributes", attributes.clone())).await;
    assert_eq!(code(&late), (400, "metadata_after_file_contents"));
    let none = fixture.multipart(path, Form::new().text("attributes", attributes.clone())).await;
    assert_eq!(code(&none), (400, "bad_request"));
    for bad in
        ["nonsense", "{\"name\":\"a.txt\"}", "{\"name\":\"a.txt\",\"parent\":\"0\"}", "{\"parent\":{\"id\":\"0\"}}"]
    {
        let answer = fixture.multipart(path, Form::new().text("attributes", bad).part("file", file())).await;
        assert_eq!(code(&answer), (400, "bad_request"), "{bad}");
    }
    assert_eq!(code(&fixture.send(Method::POST, path, json!({"name": "a"})).await), (400, "bad_request"));
    let form = Form::new().text("attributes", attributes).part("file", file());
    let wrong =
        fixture.request(Method::POST, path).header("content-md5", "0".repeat(40)).multipart(form).send().await.unwrap();
    assert_eq!(code(&read(wrong).await).0, 400);
    let taken = fixture.upload_file("README.md", "0", "x").await;
    assert_eq!(code(&taken), (409, "item_name_in_use"));
    assert_eq!(taken.1["context_info"]["conflicts"]["type"], "file");
    assert_eq!(code(&fixture.upload_file("a.txt", "77", "x").await), (404, "not_found"));

    let preflight = async |body: Value| fixture.send(Method::OPTIONS, "/2.0/files/content", body).await;
    let (status, answer) = preflight(json!({"name": "a.txt", "size": 5, "parent": {"id": "0"}})).await;
    assert_eq!(status, 200);
    assert!(answer["upload_url"].as_str().unwrap().ends_with("/api/2.0/files/content"));
    assert_eq!(code(&preflight(json!({"name": "readme.md", "parent": {"id": "0"}})).await).0, 409);
    assert_eq!(code(&preflight(json!({"name": "b", "size": "5", "parent": {"id": "0"}})).await).0, 400);
    assert_eq!(code(&preflight(json!({"name": "b", "size": 6_000_000_000_u64, "parent": {"id": "0"}})).await).0, 413);
}

#[tokio::test]
async fn files_are_changed_copied_shared_and_deleted() {
    let fixture = Fixture::new("box").await;
    let id = fixture.id("0", "readme.md").await;
    let documents = fixture.id("0", "Documents").await;
    let path = format!("/2.0/files/{id}");
    let (status, moved) =
        fixture.send(Method::PUT, &path, json!({"name": "Read me.md", "parent": {"id": documents}})).await;
    assert_eq!((status, moved["name"].as_str()), (200, Some("Read me.md")));
    assert_eq!(moved["path_collection"]["total_count"], 2);
    let taken = fixture.send(Method::PUT, &path, json!({"name": "welcome.TXT"})).await;
    assert_eq!(code(&taken), (409, "item_name_in_use"));
    let (status, copy) =
        fixture.send(Method::POST, &format!("{path}/copy"), json!({"parent": {"id": "0"}, "name": "c.md"})).await;
    assert_eq!((status, copy["sha1"] == moved["sha1"], copy["id"] == moved["id"]), (201, true, false));
    assert_eq!(code(&fixture.send(Method::POST, &format!("{path}/copy"), json!({"name": "x"})).await).0, 400);

    let shared = format!("{path}?fields=shared_link");
    let wrong = fixture.send(Method::PUT, &shared, json!({"shared_link": {"access": "everyone"}})).await;
    assert_eq!(code(&wrong).0, 400);
    let (status, link) = fixture.send(Method::PUT, &shared, json!({"shared_link": {"access": "open"}})).await;
    assert_eq!(status, 200);
    let mut names: Vec<_> = link.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["etag", "id", "shared_link", "type"]);
    let download = link["shared_link"]["download_url"].as_str().unwrap();
    let body = fixture.client.get(download).send().await.unwrap().text().await.unwrap();
    assert!(body.starts_with("# Sandbox"));
    let (_, none) = fixture.send(Method::PUT, &shared, json!({"shared_link": null})).await;
    assert_eq!(none["shared_link"], Value::Null);
    assert_eq!(fixture.client.get(download).send().await.unwrap().status(), 404);

    let answer = fixture.request(Method::DELETE, &path).header("if-match", "0").send().await.unwrap();
    assert_eq!(answer.status(), 412);
    assert_eq!(fixture.request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert_eq!(code(&fixture.get(&path).await).0, 404);
}

#[tokio::test]
async fn searches_and_tells_who_is_connected() {
    let fixture = Fixture::new("box").await;
    let (status, found) = fixture.get("/2.0/search?query=csv&limit=1&type=file").await;
    assert_eq!(status, 200);
    assert_eq!((found["total_count"].as_u64(), found["entries"].as_array().unwrap().len()), (Some(2), 1));
    let reports = fixture.id("0", "Reports").await;
    let (_, found) = fixture.get(&format!("/2.0/search?query=csv&ancestor_folder_ids={reports}&fields=name")).await;
    assert_eq!(found["entries"][0]["name"], "q1.csv");
    assert_eq!(code(&fixture.get("/2.0/search?query=csv&ancestor_folder_ids=5").await).0, 404);
    let (status, me) = fixture.get("/2.0/users/me?fields=space_amount,space_used").await;
    assert_eq!(status, 200);
    let mut names: Vec<_> = me.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["id", "space_amount", "space_used", "type"]);
    let (_, root) = fixture.get("/2.0/folders/0").await;
    assert_eq!((root["name"].as_str(), &root["etag"]), (Some("All Files"), &Value::Null));
    assert_eq!(root["item_collection"]["total_count"], 4);
}

#[tokio::test]
async fn rate_limits_look_like_box() {
    let fixture = Fixture::new("box").await;
    fixture.control("/faults", json!({"path": "/2.0/", "times": 1, "status": 429, "retry_after": 9})).await;
    let answer = fixture.request(Method::GET, "/2.0/users/me").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "9");
    assert_eq!(code(&read(answer).await), (429, "rate_limit_exceeded"));
    fixture.control("/virtual", json!({"path": "/deep/big.bin", "size": 5_000_000})).await;
    let deep = fixture.id("0", "deep").await;
    let id = fixture.id(&deep, "big.bin").await;
    let answer = fixture.request(Method::GET, &format!("/2.0/files/{id}/content")).send().await.unwrap();
    assert_eq!(fixture.follow(answer, None).await.bytes().await.unwrap().len(), 5_000_000);
}
