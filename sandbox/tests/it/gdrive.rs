//! Google Drive: what it does and what it refuses.

use reqwest::{Method, Response};
use sandbox::CodeRequest;
use serde_json::{Value, json};

use crate::support::{Fixture, REDIRECT, json as read};

const KEY: &str = "googledrive";
const FILES: &str = "/drive/v3/files";

impl Fixture {
    async fn drive_get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    async fn drive_send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        read(self.request(method, path).json(&body).send().await.unwrap()).await
    }

    async fn file_in(&self, parent: &str, name: &str) -> Value {
        let body = json!({"name": name, "parents": [parent]});
        self.drive_send(Method::POST, &format!("{FILES}?fields=*"), body).await.1
    }

    async fn find(&self, q: &str) -> (u16, Value) {
        let request = self.request(Method::GET, FILES).query(&[("q", q), ("fields", "files(id,name)")]);
        read(request.send().await.unwrap()).await
    }

    async fn chunk(&self, location: &str, range: &str, bytes: Vec<u8>) -> Response {
        self.client.put(location).header("content-range", range).body(bytes).send().await.unwrap()
    }
}

#[track_caller]
fn reason(answer: &(u16, Value)) -> (u16, &str) {
    let error = &answer.1["error"];
    assert_eq!(error["code"], answer.0, "{answer:?}");
    assert_eq!(error["errors"][0]["message"], error["message"]);
    (answer.0, error["errors"][0]["reason"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn answers_only_what_is_asked_for() {
    let fixture = Fixture::new(KEY).await;
    let (_, root) = fixture.drive_get(&format!("{FILES}/root")).await;
    let mut members: Vec<&String> = root.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["id", "kind", "mimeType", "name"]);
    let file = fixture.file_in("root", "a.bin").await;
    assert_eq!((file["size"].as_str(), &file["parents"]), (Some("0"), &json!([root["id"]])));
    let (_, listed) = fixture.drive_get(&format!("{FILES}?fields=files(name,capabilities/canEdit)&pageSize=1")).await;
    assert_eq!(listed, json!({"files": [{"name": "a.bin", "capabilities": {"canEdit": true}}]}));
    for wrong in
        ["?fields=files(sise)", "?fields=files(id", "?pageSize=1001", "?orderBy=size", "?pageToken=x", "?corpora=all"]
    {
        assert_eq!(fixture.drive_get(&format!("{FILES}{wrong}")).await.0, 400, "{wrong}");
    }
    for path in ["/drive/v3/about", &format!("{FILES}/{}/comments", file["id"].as_str().unwrap())] {
        assert_eq!(reason(&fixture.drive_get(path).await), (400, "required"));
    }
}

#[tokio::test]
async fn searches_in_its_own_language() {
    let fixture = Fixture::new(KEY).await;
    fixture.file_in("root", "Ada's plan.txt").await;
    fixture.file_in("root", "Ada's plan.txt").await;
    for (q, hits) in [
        ("name = 'ada\\'s plan.txt'", 2),
        ("name contains 'pla'", 2),
        ("name contains 'lan'", 0),
        ("'root' in parents and mimeType = 'application/vnd.google-apps.folder'", 3),
        ("mimeType contains 'text/' and not name contains 'q1'", 4),
        ("trashed = true", 0),
        ("modifiedTime < '2020-01-01T00:00:00'", 0),
    ] {
        let (status, found) = fixture.find(q).await;
        assert_eq!((status, found["files"].as_array().map(Vec::len)), (200, Some(hits)), "{q}");
    }
    assert_eq!(reason(&fixture.find("name like 'x'").await), (400, "invalid"));
    assert_eq!(reason(&fixture.find("'nowhere' in parents").await), (404, "notFound"));
}

#[tokio::test]
async fn moves_between_folders_and_keeps_what_is_trashed() {
    let fixture = Fixture::new(KEY).await;
    let folder = json!({"name": "F", "mimeType": "application/vnd.google-apps.folder"});
    let folder = fixture.drive_send(Method::POST, FILES, folder).await.1;
    let (folder, file) = (folder["id"].as_str().unwrap(), fixture.file_in("root", "a").await);
    let own = format!("{FILES}/{}", file["id"].as_str().unwrap());
    let parents = json!({"parents": [folder]});
    assert_eq!(reason(&fixture.drive_send(Method::PATCH, &own, parents).await), (403, "fieldNotWritable"));
    let added = format!("{own}?addParents={folder}");
    assert_eq!(reason(&fixture.drive_send(Method::PATCH, &added, json!({})).await), (403, "cannotAddParent"));
    let moved = format!("{added}&removeParents=root&fields=parents");
    assert_eq!(fixture.drive_send(Method::PATCH, &moved, json!({})).await, (200, json!({"parents": [folder]})));
    let trash = json!({"trashed": true});
    assert_eq!(fixture.drive_send(Method::PATCH, &format!("{FILES}/{folder}"), trash.clone()).await.0, 200);
    let (_, state) = fixture.drive_get(&format!("{own}?fields=trashed,explicitlyTrashed")).await;
    assert_eq!(state, json!({"trashed": true, "explicitlyTrashed": false}));
    assert_eq!(fixture.request(Method::DELETE, "/drive/v3/files/trash").send().await.unwrap().status(), 204);
    assert_eq!(reason(&fixture.drive_get(&own).await), (404, "notFound"));
    let root = format!("{FILES}/root");
    assert_eq!(reason(&fixture.drive_send(Method::PATCH, &root, trash).await), (403, "insufficientFilePermissions"));
    let copy = fixture.drive_send(Method::POST, &format!("{root}/copy"), json!({})).await;
    assert_eq!(reason(&copy), (403, "cannotCopyFile"));
}

#[tokio::test]
async fn takes_a_file_in_chunks() {
    const CHUNK: usize = 256 * 1024;
    let fixture = Fixture::new(KEY).await;
    let begin = |body: Value| {
        fixture.request(Method::POST, "/upload/drive/v3/files?uploadType=resumable&fields=name,size").json(&body)
    };
    let begun = begin(json!({"name": "big.bin"})).send().await.unwrap();
    assert_eq!(begun.status(), 200);
    let location = begun.headers()["location"].to_str().unwrap().to_owned();
    let total = CHUNK + 10;
    let status = fixture.chunk(&location, &format!("bytes */{total}"), Vec::new()).await;
    assert_eq!((status.status().as_u16(), status.headers().get("range")), (308, None));
    let short = fixture.chunk(&location, &format!("bytes 0-99/{total}"), vec![0; 100]).await;
    assert_eq!(short.status(), 400, "a chunk that is not the last has a whole number of 256 KiB");
    let first = fixture.chunk(&location, &format!("bytes 0-{}/{total}", CHUNK - 1), vec![0; CHUNK]).await;
    assert_eq!(
        (first.status().as_u16(), &first.headers()["range"]),
        (308, &format!("bytes=0-{}", CHUNK - 1).parse().unwrap())
    );
    let gap = fixture.chunk(&location, &format!("bytes {}-{}/{total}", CHUNK + 1, total - 1), vec![0; 9]).await;
    assert_eq!(gap.status(), 400);
    let last = fixture.chunk(&location, &format!("bytes {CHUNK}-{}/{total}", total - 1), vec![0; 10]).await;
    let made = json!({"name": "big.bin", "size": total.to_string()});
    assert_eq!(read(last).await, (200, made.clone()));
    // Whoever missed the answer asks again.
    assert_eq!(read(fixture.chunk(&location, &format!("bytes */{total}"), Vec::new()).await).await, (200, made));
    let nowhere = begin(json!({"name": "x", "parents": ["nowhere"]})).send().await.unwrap();
    assert_eq!(reason(&read(nowhere).await), (404, "notFound"));
}

#[tokio::test]
async fn shared_drives_are_for_clients_that_know_them() {
    let fixture = Fixture::new(KEY).await;
    let (_, drives) = fixture.drive_get("/drive/v3/drives").await;
    let drive = drives["drives"][0]["id"].as_str().unwrap();
    assert_eq!(reason(&fixture.drive_get(&format!("{FILES}/{drive}")).await), (404, "notFound"));
    let within = format!("{FILES}?corpora=drive&driveId={drive}");
    assert_eq!(fixture.drive_get(&within).await.0, 400);
    let (_, listed) =
        fixture.drive_get(&format!("{within}&includeItemsFromAllDrives=true&supportsAllDrives=true")).await;
    let minutes = listed["files"].as_array().unwrap().iter().find(|file| file["name"] == "Minutes").unwrap();
    let own = format!("{FILES}/{}", minutes["id"].as_str().unwrap());
    let media = fixture.drive_get(&format!("{own}?alt=media&supportsAllDrives=true")).await;
    assert_eq!(reason(&media), (403, "fileNotDownloadable"));
    let export = format!("{own}/export?mimeType=text/plain");
    assert_eq!(fixture.drive_get(&export).await, (200, json!("Minutes of the first meeting.\n")));
    assert_eq!(reason(&fixture.drive_get(&format!("{own}/export?mimeType=image/gif")).await), (400, "badRequest"));
    let full = fixture.request(Method::DELETE, &format!("/drive/v3/drives/{drive}")).send().await.unwrap();
    assert_eq!(reason(&read(full).await), (403, "teamDriveNotEmpty"));
}

#[tokio::test]
async fn grants_stay_the_same_and_need_consent() {
    let mut fixture = Fixture::new(KEY).await;
    let (status, renewed) = read(fixture.renew(&fixture.refresh.clone()).await).await;
    assert_eq!((status, renewed.get("refresh_token")), (200, None));
    let mut silent = CodeRequest::new(REDIRECT);
    silent.extra.retain(|(name, _)| name != "prompt");
    let (_, answer) = read(fixture.exchange(&fixture.provider.code(&silent).unwrap()).await).await;
    assert_eq!(answer.get("refresh_token"), None, "who has consented before is not asked again, and gets none");
    let revoke = fixture.client.post(fixture.provider.url("revoke")).form(&[("token", &fixture.refresh)]);
    assert_eq!(revoke.send().await.unwrap().status(), 200);
    let (status, dead) = read(fixture.renew(&fixture.refresh.clone()).await).await;
    assert_eq!((status, &dead["error"]), (400, &json!("invalid_grant")));
    assert_eq!(reason(&fixture.drive_get(&format!("{FILES}/root")).await), (401, "authError"));
    let read_only = CodeRequest::new(REDIRECT).scope("https://www.googleapis.com/auth/drive.readonly");
    let (_, answer) = read(fixture.exchange(&fixture.provider.code(&read_only).unwrap()).await).await;
    fixture.access = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(fixture.drive_get(&format!("{FILES}/root")).await.0, 200);
    let refused = fixture.drive_send(Method::POST, FILES, json!({"name": "x"})).await;
    assert_eq!(reason(&refused), (403, "insufficientPermissions"));
}
