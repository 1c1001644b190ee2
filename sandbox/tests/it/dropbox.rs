//! Dropbox: what it does and what it refuses.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fixture, json as read};

impl Fixture {
    async fn rpc(&self, route: &str, body: Value) -> (u16, Value) {
        read(self.request(Method::POST, &format!("/2/{route}")).json(&body).send().await.unwrap()).await
    }

    async fn put(&self, arg: Value, body: impl Into<reqwest::Body>) -> (u16, Value) {
        self.content("files/upload", arg, body).await
    }

    async fn content(&self, route: &str, arg: Value, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self
            .request(Method::POST, &format!("/2/{route}"))
            .header("dropbox-api-arg", ascii(&arg))
            .header("content-type", "application/octet-stream")
            .body(body);
        read(request.send().await.unwrap()).await
    }

    async fn get_file(&self, path: &str, range: Option<&str>) -> reqwest::Response {
        let mut request =
            self.request(Method::POST, "/2/files/download").header("dropbox-api-arg", ascii(&json!({"path": path})));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        request.send().await.unwrap()
    }
}

/// JSON as it may stand in a header.
fn ascii(value: &Value) -> String {
    let write = |letter: char| {
        if letter.is_ascii() { letter.to_string() } else { format!("\\u{:04x}", u32::from(letter)) }
    };
    value.to_string().chars().map(write).collect::<Vec<_>>().concat()
}

fn summary(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error_summary"].as_str().unwrap_or_default().trim_end_matches("/..."))
}

#[tokio::test]
async fn lists_the_root_in_pages() {
    let fixture = Fixture::new("dropbox").await;
    let (status, page) = fixture.rpc("files/list_folder", json!({"path": "", "limit": 2})).await;
    assert_eq!(status, 200);
    assert_eq!(page["entries"].as_array().unwrap().len(), 2);
    assert_eq!(page["entries"][0][".tag"], "folder");
    assert_eq!(page["entries"][0]["path_display"], "/Documents");
    assert!(page["entries"][0].get("server_modified").is_none(), "folders have no dates");
    assert_eq!(page["has_more"], true);
    let (_, last) = fixture.rpc("files/list_folder/continue", json!({"cursor": page["cursor"]})).await;
    assert_eq!(last["has_more"], false);
    let names: Vec<_> = last["entries"].as_array().unwrap().iter().map(|entry| entry["name"].clone()).collect();
    assert_eq!(names, ["readme.md", "Reports"]);
    // The last cursor goes on with what changes.
    fixture.rpc("files/create_folder_v2", json!({"path": "/New"})).await;
    let (_, changes) = fixture.rpc("files/list_folder/continue", json!({"cursor": last["cursor"]})).await;
    assert_eq!(changes["entries"][0]["path_lower"], "/new");
    let (_, all) = fixture.rpc("files/list_folder", json!({"path": "", "recursive": true})).await;
    assert_eq!(all["entries"].as_array().unwrap().len(), 12);
    let (status, latest) = fixture.rpc("files/list_folder/get_latest_cursor", json!({"path": ""})).await;
    assert_eq!(status, 200);
    let (_, none) = fixture.rpc("files/list_folder/continue", json!({"cursor": latest["cursor"]})).await;
    assert_eq!(none["entries"], json!([]));
}

#[tokio::test]
async fn refuses_malformed_requests_with_400_and_text() {
    let fixture = Fixture::new("dropbox").await;
    for (route, body) in [
        ("files/list_folder", json!({"path": "/"})),
        ("files/list_folder", json!({})),
        ("files/list_folder", json!({"path": "", "limit": "100"})),
        ("files/list_folder", json!({"path": "", "limit": 0})),
        ("files/list_folder", json!({"path": "", "limit": 2001})),
        ("files/list_folder", json!({"path": "", "recursve": true})),
        ("files/list_folder", json!({"path": "Documents"})),
        ("files/list_folder", json!([""])),
        ("files/list_folder/continue", json!({"cursor": "nonsense"})),
        ("files/get_metadata", json!({"path": ""})),
        ("files/get_metadata", json!({"path": "/"})),
        ("files/get_metadata", json!({"path": "rev:xyz"})),
        ("files/create_folder_v2", json!({"path": "id:abc"})),
        ("files/delete_v2", json!({"path": "/readme.md", "parent_rev": "X"})),
        ("files/move_v2", json!({"from_path": "/readme.md"})),
        ("files/search_v2", json!({"query": "a", "options": {"max_results": 1001}})),
        ("files/search_v2", json!({"query": "a", "options": {"file_status": "gone"}})),
        ("files/search_v2", json!({"query": "a", "options": {"path": "/"}})),
        ("files/list_revisions", json!({"path": "/readme.md", "limit": 101})),
        (
            "sharing/create_shared_link_with_settings",
            json!({"path": "/readme.md", "settings": {"requested_visibility": "everyone"}}),
        ),
        ("users/get_current_account", json!({})),
    ] {
        let answer = fixture.request(Method::POST, &format!("/2/{route}")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{route} {body}");
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"), "{route} {body}");
        let text = answer.text().await.unwrap();
        assert!(text.starts_with(&format!("Error in call to API function \"{route}\": ")), "{text}");
    }
    let form = fixture.request(Method::POST, "/2/files/list_folder").form(&[("path", "")]).send().await.unwrap();
    assert_eq!(form.status(), 400);
    let get = fixture.request(Method::GET, "/2/files/list_folder").send().await.unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn tokens_are_needed() {
    let fixture = Fixture::new("dropbox").await;
    let post = |request: reqwest::RequestBuilder| async {
        read(request.json(&json!({"path": ""})).send().await.unwrap()).await
    };
    assert_eq!(post(fixture.bare(Method::POST, "/2/files/list_folder")).await.0, 400);
    let answer = post(fixture.bare(Method::POST, "/2/files/list_folder").bearer_auth("x")).await;
    assert_eq!(summary(&answer), (401, "invalid_access_token"));
    assert_eq!(answer.1["error"][".tag"], "invalid_access_token");
    fixture.control("/tokens/expire", json!(null)).await;
    let answer = fixture.rpc("files/list_folder", json!({"path": ""})).await;
    assert_eq!(summary(&answer), (401, "expired_access_token"));

    let mut fixture = Fixture::new("dropbox").await;
    let answer = fixture.request(Method::POST, "/2/auth/token/revoke").send().await.unwrap();
    assert_eq!(read(answer).await, (200, Value::Null));
    assert_eq!(summary(&fixture.rpc("files/list_folder", json!({"path": ""})).await), (401, "invalid_access_token"));
    let request = sandbox::CodeRequest::new(crate::support::REDIRECT).scope("account_info.read");
    let (_, token) = read(fixture.exchange(&fixture.provider.code(&request).unwrap()).await).await;
    fixture.access = token["access_token"].as_str().unwrap().to_owned();
    let answer = fixture.rpc("files/list_folder", json!({"path": ""})).await;
    assert_eq!(summary(&answer), (401, "missing_scope"));
    assert_eq!(answer.1["error"]["required_scope"], "files.metadata.read");
}

#[tokio::test]
async fn uploads_and_downloads() {
    let fixture = Fixture::new("dropbox").await;
    let (status, made) =
        fixture.put(json!({"path": "/A/Größe.txt", "client_modified": "2026-01-02T03:04:05Z"}), "hello").await;
    assert_eq!(status, 200);
    assert_eq!(made.get(".tag"), None);
    assert_eq!(made["path_lower"], "/a/größe.txt");
    assert_eq!(made["size"], 5);
    assert_eq!(made["client_modified"], "2026-01-02T03:04:05Z");
    assert_eq!(made["content_hash"], "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50");
    assert!(made["rev"].as_str().unwrap().len() >= 9);

    let answer = fixture.get_file("/a/GRÖSSE.txt", None).await;
    assert_eq!(answer.status(), 409, "ß is not ss in lower case");
    let answer = fixture.get_file("/a/GRÖßE.TXT", None).await;
    assert_eq!(answer.status(), 200);
    let result = answer.headers()["dropbox-api-result"].to_str().unwrap().to_owned();
    assert!(result.is_ascii());
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["name"], "Größe.txt");
    assert_eq!(answer.text().await.unwrap(), "hello");

    let answer = fixture.get_file(made["id"].as_str().unwrap(), Some("bytes=1-3")).await;
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.headers()["content-range"], "bytes 1-3/5");
    assert_eq!(answer.text().await.unwrap(), "ell");
    assert_eq!(fixture.get_file("/a/größe.txt", Some("bytes=9-")).await.status(), 416);
    assert_eq!(summary(&read(fixture.get_file("/A", None).await).await), (409, "path/not_file"));
    assert_eq!(summary(&read(fixture.get_file("/none", None).await).await), (409, "path/not_found"));
}

#[tokio::test]
async fn refuses_bad_uploads() {
    let fixture = Fixture::new("dropbox").await;
    let post = || fixture.request(Method::POST, "/2/files/upload");
    let octets = || post().header("content-type", "application/octet-stream");
    assert_eq!(octets().body("x").send().await.unwrap().status(), 400, "no argument");
    let arg = json!({"path": "/x"}).to_string();
    assert_eq!(post().header("dropbox-api-arg", &arg).body("x").send().await.unwrap().status(), 400, "no content type");
    let answer = post().header("dropbox-api-arg", &arg).json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), 400, "wrong content type");
    let answer = octets().header("dropbox-api-arg", "{\"path\":\"/é\"}".as_bytes()).body("x").send().await.unwrap();
    assert_eq!(answer.status(), 400, "not ASCII");
    for arg in [
        json!({"path": "/x", "mode": "replace"}),
        json!({"path": "/x", "mode": {".tag": "update"}}),
        json!({"path": "/x", "autorename": "yes"}),
        json!({"path": "/x", "client_modified": "2026-01-02"}),
        json!({"path": "/x", "more": 1}),
        json!({"path": "x"}),
    ] {
        assert_eq!(fixture.put(arg.clone(), "x").await.0, 400, "{arg}");
    }
    let answer = fixture.put(json!({"path": "/x", "content_hash": "0".repeat(64)}), "x").await;
    assert_eq!(summary(&answer), (409, "content_hash_mismatch"));
    let answer = fixture.put(json!({"path": "/readme.md"}), "other").await;
    assert_eq!(summary(&answer), (409, "path/conflict/file"));
    assert_eq!(answer.1["error"]["reason"]["conflict"][".tag"], "file");
    assert!(answer.1["error"]["upload_session_id"].is_string());
    assert_eq!(
        summary(&fixture.put(json!({"path": "/documents", "mode": "overwrite"}), "x").await),
        (409, "path/conflict/folder")
    );
    assert_eq!(summary(&fixture.put(json!({"path": "/readme.md/x"}), "x").await), (409, "path/conflict/file_ancestor"));
    assert_eq!(summary(&fixture.put(json!({"path": "/a//b"}), "x").await), (409, "path/malformed_path"));
    assert_eq!(summary(&fixture.put(json!({"path": "/Thumbs.db"}), "x").await), (409, "path/disallowed_name"));
    let (status, renamed) = fixture.put(json!({"path": "/readme.md", "autorename": true}), "other").await;
    assert_eq!((status, renamed["name"].as_str()), (200, Some("readme (1).md")));
    let (_, now) = fixture.rpc("files/get_metadata", json!({"path": "/readme.md"})).await;
    let update = json!({"path": "/readme.md", "mode": {".tag": "update", "update": now["rev"]}});
    assert_eq!(fixture.put(update.clone(), "v2").await.0, 200);
    assert_eq!(summary(&fixture.put(update, "v3").await), (409, "path/conflict/file"));
}

#[tokio::test]
async fn folders_move_copy_and_vanish() {
    let fixture = Fixture::new("dropbox").await;
    let (status, made) = fixture.rpc("files/create_folder_v2", json!({"path": "/x/Y"})).await;
    assert_eq!(status, 200);
    assert_eq!(made["metadata"]["name"], "Y");
    assert_eq!(made["metadata"].get(".tag"), None);
    let again = fixture.rpc("files/create_folder_v2", json!({"path": "/X/y"})).await;
    assert_eq!(summary(&again), (409, "path/conflict/folder"));
    let (_, renamed) = fixture.rpc("files/create_folder_v2", json!({"path": "/x/Y", "autorename": true})).await;
    assert_eq!(renamed["metadata"]["path_display"], "/x/Y (1)");

    let (status, moved) = fixture.rpc("files/move_v2", json!({"from_path": "/documents", "to_path": "/x/Docs"})).await;
    assert_eq!(status, 200);
    assert_eq!(moved["metadata"][".tag"], "folder");
    let (status, inner) = fixture.rpc("files/get_metadata", json!({"path": "/X/docs/contracts/lease 2026.txt"})).await;
    assert_eq!(status, 200);
    assert_eq!(inner["path_display"], "/x/Docs/Contracts/Lease 2026.txt");
    assert_eq!(
        summary(&fixture.rpc("files/get_metadata", json!({"path": "/documents"})).await),
        (409, "path/not_found")
    );
    let into = fixture.rpc("files/move_v2", json!({"from_path": "/x", "to_path": "/x/z"})).await;
    assert_eq!(summary(&into), (409, "cant_move_folder_into_itself"));
    let gone = fixture.rpc("files/move_v2", json!({"from_path": "/none", "to_path": "/z"})).await;
    assert_eq!(summary(&gone), (409, "from_lookup/not_found"));
    let taken = fixture.rpc("files/move_v2", json!({"from_path": "/x", "to_path": "/readme.md"})).await;
    assert_eq!(summary(&taken), (409, "to/conflict/file"));

    let (status, copied) = fixture.rpc("files/copy_v2", json!({"from_path": "/x/docs", "to_path": "/Copy"})).await;
    assert_eq!(status, 200);
    assert_ne!(copied["metadata"]["id"], moved["metadata"]["id"]);
    let (status, deleted) = fixture.rpc("files/delete_v2", json!({"path": "/x"})).await;
    assert_eq!((status, deleted["metadata"]["name"].as_str()), (200, Some("x")));
    assert_eq!(summary(&fixture.rpc("files/delete_v2", json!({"path": "/x"})).await), (409, "path_lookup/not_found"));
    let (_, gone) = fixture.rpc("files/get_metadata", json!({"path": "/x", "include_deleted": true})).await;
    assert_eq!(gone[".tag"], "deleted");
    assert_eq!(fixture.rpc("files/list_folder", json!({"path": "/copy/contracts"})).await.0, 200);
    let listed = fixture.rpc("files/list_folder", json!({"path": "/readme.md"})).await;
    assert_eq!(summary(&listed), (409, "path/not_folder"));
}

#[tokio::test]
async fn sessions_assemble_a_file() {
    let fixture = Fixture::new("dropbox").await;
    let (status, started) = fixture.content("files/upload_session/start", json!({}), "abc").await;
    assert_eq!(status, 200);
    let id = &started["session_id"];
    let append = |offset: u64, close: bool| json!({"cursor": {"session_id": id, "offset": offset}, "close": close});
    let wrong = fixture.content("files/upload_session/append_v2", append(1, false), "def").await;
    assert_eq!(summary(&wrong), (409, "incorrect_offset"));
    assert_eq!(wrong.1["error"]["correct_offset"], 3);
    assert_eq!(fixture.content("files/upload_session/append_v2", append(3, true), "def").await, (200, Value::Null));
    let closed = fixture.content("files/upload_session/append_v2", append(6, false), "x").await;
    assert_eq!(summary(&closed), (409, "closed"));
    let finish = |offset: u64| json!({"cursor": {"session_id": id, "offset": offset}, "commit": {"path": "/s.txt", "mode": "add"}});
    let wrong = fixture.content("files/upload_session/finish", finish(5), "").await;
    assert_eq!(summary(&wrong), (409, "lookup_failed/incorrect_offset"));
    let (status, done) = fixture.content("files/upload_session/finish", finish(6), "").await;
    assert_eq!((status, done["size"].as_u64()), (200, Some(6)));
    assert_eq!(fixture.get_file("/s.txt", None).await.text().await.unwrap(), "abcdef");
    let gone = fixture.content("files/upload_session/finish", finish(6), "").await;
    assert_eq!(summary(&gone), (409, "lookup_failed/not_found"));
}

#[tokio::test]
async fn searches_and_lists_revisions() {
    let fixture = Fixture::new("dropbox").await;
    let (status, found) = fixture.rpc("files/search_v2", json!({"query": "csv", "options": {"max_results": 1}})).await;
    assert_eq!((status, found["has_more"].as_bool()), (200, Some(true)));
    assert_eq!(found["matches"][0]["metadata"][".tag"], "metadata");
    assert_eq!(found["matches"][0]["metadata"]["metadata"][".tag"], "file");
    let (_, rest) = fixture.rpc("files/search/continue_v2", json!({"cursor": found["cursor"]})).await;
    assert_eq!((rest["matches"].as_array().unwrap().len(), rest["has_more"].as_bool()), (1, Some(false)));
    let missing = fixture.rpc("files/search_v2", json!({"query": "a", "options": {"path": "/none"}})).await;
    assert_eq!(summary(&missing), (409, "path/not_found"));

    fixture.put(json!({"path": "/readme.md", "mode": "overwrite"}), "v2").await;
    let (status, revisions) = fixture.rpc("files/list_revisions", json!({"path": "/readme.md"})).await;
    assert_eq!(status, 200);
    let entries = revisions["entries"].as_array().unwrap();
    assert_eq!((entries.len(), revisions["is_deleted"].as_bool()), (2, Some(false)));
    let old = format!("rev:{}", entries[1]["rev"].as_str().unwrap());
    assert!(fixture.get_file(&old, None).await.text().await.unwrap().starts_with("# Sandbox"));
    assert_eq!(
        summary(&fixture.rpc("files/list_revisions", json!({"path": "/reports"})).await),
        (409, "path/not_file")
    );
}

#[tokio::test]
async fn links_are_made_listed_opened_and_revoked() {
    let fixture = Fixture::new("dropbox").await;
    let arg = json!({"path": "/readme.md", "settings": {"requested_visibility": "public"}});
    let (status, link) = fixture.rpc("sharing/create_shared_link_with_settings", arg.clone()).await;
    assert_eq!((status, link[".tag"].as_str()), (200, Some("file")));
    let again = fixture.rpc("sharing/create_shared_link_with_settings", arg).await;
    assert_eq!(summary(&again), (409, "shared_link_already_exists/metadata/file"));
    assert_eq!(again.1["error"]["shared_link_already_exists"]["metadata"]["url"], link["url"]);
    let (_, links) = fixture.rpc("sharing/list_shared_links", json!({"path": "/readme.md", "direct_only": true})).await;
    assert_eq!(links["links"][0]["url"], link["url"]);
    let page = fixture.client.get(link["url"].as_str().unwrap()).send().await.unwrap();
    assert!(page.text().await.unwrap().starts_with("# Sandbox"));
    assert_eq!(fixture.rpc("sharing/revoke_shared_link", json!({"url": link["url"]})).await, (200, Value::Null));
    let gone = fixture.rpc("sharing/revoke_shared_link", json!({"url": link["url"]})).await;
    assert_eq!(summary(&gone), (409, "shared_link_not_found"));
    let late = json!({"path": "/readme.md", "settings": {"expires": "2020-01-01T00:00:00Z"}});
    let late = fixture.rpc("sharing/create_shared_link_with_settings", late).await;
    assert_eq!(summary(&late), (409, "settings_error/invalid_settings"));

    let (status, link) = fixture.rpc("files/get_temporary_link", json!({"path": "/readme.md"})).await;
    assert_eq!(status, 200);
    let body = fixture.client.get(link["link"].as_str().unwrap()).send().await.unwrap().text().await.unwrap();
    assert!(body.starts_with("# Sandbox"));
}

#[tokio::test]
async fn accounts_are_apart() {
    let mut fixture = Fixture::new("dropbox").await;
    fixture.put(json!({"path": "/only-here.txt"}), "x").await;
    let (_, space) = fixture.rpc("users/get_space_usage", Value::Null).await;
    assert!(space["used"].as_u64().unwrap() > 0);
    assert_eq!(space["allocation"][".tag"], "individual");
    let answer = fixture.request(Method::POST, "/2/users/get_current_account").send().await.unwrap();
    assert_eq!(read(answer).await.1["email"], "ada@example.com");
    fixture.connect(2).await;
    assert_eq!(
        summary(&fixture.rpc("files/get_metadata", json!({"path": "/only-here.txt"})).await),
        (409, "path/not_found")
    );
    assert_eq!(fixture.rpc("check/user", json!({"query": "hi"})).await, (200, json!({"result": "hi"})));
}

#[tokio::test]
async fn big_files_take_no_room() {
    let fixture = Fixture::new("dropbox").await;
    fixture.control("/virtual", json!({"path": "/big.bin", "size": 10_000_000})).await;
    let first = fixture.get_file("/big.bin", None).await.bytes().await.unwrap();
    assert_eq!(first.len(), 10_000_000);
    let (status, copy) = fixture.put(json!({"path": "/copy.bin"}), first).await;
    let (_, original) = fixture.rpc("files/get_metadata", json!({"path": "/big.bin"})).await;
    assert_eq!((status, &copy["content_hash"]), (200, &original["content_hash"]));
    let tail = fixture.get_file("/copy.bin", Some("bytes=-5")).await;
    assert_eq!(tail.headers()["content-range"], "bytes 9999995-9999999/10000000");
    assert_eq!(
        tail.bytes().await.unwrap(),
        fixture.get_file("/big.bin", Some("bytes=-5")).await.bytes().await.unwrap()
    );
}

#[tokio::test]
async fn rate_limits_look_like_dropbox() {
    let fixture = Fixture::new("dropbox").await;
    fixture.control("/faults", json!({"path": "/2/", "times": 1, "status": 429, "retry_after": 3})).await;
    let (status, body) = fixture.rpc("files/list_folder", json!({"path": ""})).await;
    assert_eq!(status, 429);
    assert_eq!(body["error"]["reason"][".tag"], "too_many_requests");
    assert_eq!(body["error"]["retry_after"], 3);
}
