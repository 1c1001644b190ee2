//! Google Drive: names that repeat, paths walked upwards, the trash, shared drives and exports.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded};

const KEY: &str = "googledrive";

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap_or_else(|| panic!("no id: {record}")).to_owned()
}

/// How often the provider was asked for one file or folder by its id.
async fn reads(hub: &Gateway) -> u64 {
    let counters = hub.control(KEY, Method::GET, "/counters", &json!(null)).await;
    counters["routes"]["GET /drive/v3/files/{id}"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn of_several_with_one_name_a_path_means_the_one_changed_last() {
    let hub = Gateway::demo();
    let first = hub.upload(KEY, "/files?path=/Twins/a.txt", b"first").await.expect(200).body;
    let other = hub.upload(KEY, "/files?path=/Other/a.txt", b"second").await.expect(200).body;
    // Through the gateway no second file of a name comes to be; the provider itself makes one.
    hub.json(KEY, Method::PATCH, &format!("/files/{}/metadata", id(&other)), &json!({"path": "/Twins/a.txt"}))
        .await
        .expect(409);
    for path in ["/Twins/a.txt", "/Twins"] {
        hub.control(KEY, Method::POST, "/virtual", &json!({"path": path, "size": 7})).await;
    }
    let by_path = "/files/metadata?path=/Twins/a.txt";
    let listed = hub.get(KEY, "/folders/contents?path=/Twins").await.expect(200);
    assert_eq!(listed.names(), ["a.txt", "a.txt"], "the folder is meant where a folder is wanted");
    assert_eq!(hub.get(KEY, by_path).await.expect(200).body["size"], 7);
    let own = format!("/files/{}/metadata", id(&first));
    hub.json(KEY, Method::PATCH, &own, &json!({"description": "changed last"})).await.expect(200);
    for _ in 0..3 {
        assert_eq!(hub.get(KEY, by_path).await.expect(200).body["id"], first["id"]);
    }
    // What is deleted by path is what was read by path; then the other one has the name alone.
    hub.delete(KEY, "/files?path=/Twins/a.txt").await.expect(200);
    assert_eq!(hub.get(KEY, by_path).await.expect(200).body["size"], 7);
}

#[tokio::test]
async fn paths_are_walked_once_per_folder_and_only_when_wanted() {
    let hub = Gateway::demo();
    for name in ["a", "b", "c"] {
        hub.upload(KEY, &format!("/files?path=/One/Two/{name}.txt"), b"x").await.expect(200);
    }
    let folder = id(&hub.get(KEY, "/folders/metadata?path=/One/Two").await.expect(200).body);
    let before = reads(&hub).await;
    let contents = format!("/folders/{folder}/contents");
    let listed = hub.get(KEY, &contents).await.expect(200);
    for record in listed.list() {
        assert_eq!(record["path"], format!("/One/Two/{}", record["name"].as_str().unwrap()));
    }
    // The folder itself is looked at, then the two folders above, each once.
    assert_eq!(reads(&hub).await - before, 3);
    let before = reads(&hub).await;
    let listed = hub.get(KEY, &format!("{contents}?calculateFolderPath=false")).await.expect(200);
    assert!(listed.list().iter().all(|record| record.get("path").is_none()));
    let listed = hub.get(KEY, &format!("{contents}?fields=name,size")).await.expect(200);
    assert!(listed.list().iter().all(|record| record.get("path").is_none()));
    assert_eq!(reads(&hub).await - before, 2);
    // An order made here loses no path.
    let ordered = hub.get(KEY, &format!("{contents}?orderBy=name%20desc&pageSize=2")).await.expect(200);
    assert_eq!(
        (ordered.names(), &ordered.list()[0]["path"]),
        (vec!["c.txt".into(), "b.txt".into()], &json!("/One/Two/c.txt"))
    );
    let refused = hub.get(KEY, &format!("{contents}?where={}", encoded("path='/x'"))).await.expect(400);
    assert!(refused.body["message"].as_str().unwrap().contains("`path`"), "{}", refused.body);
    // A search below a folder finds nothing beside it.
    hub.upload(KEY, "/files?path=/Elsewhere/a.txt", b"x").await.expect(200);
    let found = hub.get(KEY, "/search?text=a.txt&path=/One").await.expect(200);
    assert_eq!((found.list().len(), &found.list()[0]["path"]), (1, &json!("/One/Two/a.txt")));
    assert_eq!(hub.get(KEY, "/search?text=a.txt&path=/").await.expect(200).list().len(), 2);
}

#[tokio::test]
async fn names_with_quotes_reach_only_their_own() {
    let hub = Gateway::demo();
    let name = "it's \\ 'x' or name = 'y";
    let path = encoded(&format!("/{name}"));
    let made = hub.upload(KEY, &format!("/files?path={path}"), b"x").await.expect(200).body;
    assert_eq!(made["name"], name);
    assert_eq!(hub.get(KEY, &format!("/files/metadata?path={path}")).await.expect(200).body["id"], made["id"]);
    let wanted = encoded(&format!("name='{}'", name.replace('\\', "\\\\").replace('\'', "''")));
    assert_eq!(hub.get(KEY, &format!("/folders/contents?path=/&where={wanted}")).await.expect(200).names(), [name]);
    hub.get(KEY, &format!("/folders/{}/contents", encoded("x' in parents or 'root"))).await.expect(404);
}

#[tokio::test]
async fn what_is_deleted_lies_in_the_trash_until_it_is_emptied() {
    let hub = Gateway::demo();
    let made = hub.upload(KEY, "/files?path=/Bin/a.txt", b"x").await.expect(200).body;
    let own = format!("/files/{}", id(&made));
    let folder = hub.get(KEY, "/folders/metadata?path=/Bin").await.expect(200).body;
    hub.delete(KEY, &format!("/folders/{}", id(&folder))).await.expect(200);
    // All that lies in a deleted folder is gone with it, although the provider still has it.
    for path in [own.clone(), format!("{own}/metadata"), format!("{own}/links"), format!("{own}/revisions")] {
        hub.get(KEY, &path).await.expect(404);
    }
    hub.delete(KEY, &own).await.expect(404);
    hub.json(KEY, Method::POST, &format!("{own}/copy"), &json!({"path": "/back.txt"})).await.expect(404);
    let again = hub.upload(KEY, "/files?path=/Bin/a.txt", b"x").await.expect(200).body;
    assert_ne!(again["parentFolderId"], folder["id"], "the trash is no place to put things");
    hub.delete(KEY, &format!("{own}?emptyTrash=true")).await.expect(200);
    hub.delete(KEY, &format!("{own}?emptyTrash=true")).await.expect(404);
}

#[tokio::test]
async fn documents_are_exported_and_shared_drives_are_seen_by_their_id() {
    let hub = Gateway::demo();
    let drives = hub.get(KEY, "/team-drives").await.expect(200);
    let drive = id(drives.list().iter().find(|drive| drive["name"] == "Team Sandbox").unwrap());
    hub.get(KEY, "/files/metadata?path=/plan.txt").await.expect(404);
    let within = format!("teamDriveId={drive}");
    let plan = hub.get(KEY, &format!("/files/metadata?path=/plan.txt&{within}")).await.expect(200).body;
    assert_eq!(plan["path"], "/plan.txt");
    // Outside of its drive nothing is at that path, so none is told.
    let alone = hub.get(KEY, &format!("/files/{}/metadata", id(&plan))).await.expect(200).body;
    assert_eq!((&alone["id"], alone.get("path")), (&plan["id"], None));
    let made = hub.upload(KEY, &format!("/files?path=/Made/in.txt&{within}"), b"x").await.expect(200).body;
    assert_eq!(made["path"], "/Made/in.txt");
    for (query, found) in [("", 0), (within.as_str(), 1), ("includeTeamDrives=true", 1)] {
        let hits = hub.get(KEY, &format!("/search?text=in.txt&{query}")).await.expect(200);
        assert_eq!(hits.list().len(), found, "{query}");
    }
    let minutes = format!("/files?path=/Minutes&{within}");
    let pdf = hub.get(KEY, &minutes).await.expect(200);
    assert_eq!((pdf.header("content-type"), &pdf.bytes[..5]), ("application/pdf", &b"%PDF-"[..]));
    let text = hub.get(KEY, &format!("{minutes}&mediaType=text/plain")).await.expect(200);
    assert_eq!(text.bytes, b"Minutes of the first meeting.\n");
    let wrong = hub.get(KEY, &format!("{minutes}&mediaType=image/gif")).await.expect(400);
    assert_eq!(wrong.body["providerMessage"], "The requested conversion is not supported.");
    hub.get(KEY, "/files?path=/Documents").await.expect(400);
}

#[tokio::test]
async fn details_of_a_file() {
    let hub = Gateway::demo();
    let made = hub.upload(KEY, "/files?path=/Details/a.txt", b"one").await.expect(200).body;
    hub.upload(KEY, "/files?path=/Details/a.txt&overwrite=true", b"two").await.expect(200);
    let own = format!("/files/{}", id(&made));
    let revisions = hub.get(KEY, &format!("{own}/revisions")).await.expect(200);
    let sizes: Vec<&Value> = revisions.list().iter().map(|one| &one["size"]).collect();
    assert_eq!((sizes, &revisions.list()[0]["filePath"]), (vec![&json!(3), &json!(3)], &json!("/Details/a.txt")));
    // Comments: the newest first.
    for text in ["first", "second"] {
        hub.json(KEY, Method::POST, &format!("{own}/comments"), &json!({"comment": text})).await.expect(200);
    }
    let comments = hub.get(KEY, &format!("{own}/comments")).await.expect(200);
    assert_eq!(comments.list().iter().map(|one| &one["comment"]).collect::<Vec<_>>(), ["second", "first"]);
    // Custom properties stand beside the type, and a null takes one away.
    let properties = format!("{own}/metadata/properties");
    let set = json!({"properties": {"customKey": "a", "other": "b"}});
    let record = hub.json(KEY, Method::PATCH, &properties, &set).await.expect(200).body;
    assert_eq!(record["properties"], json!({"mimeType": "text/plain", "customKey": "a", "other": "b"}));
    let record = hub.json(KEY, Method::PATCH, &properties, &json!({"properties": {"other": null}})).await.expect(200);
    assert_eq!(record.body["properties"], json!({"mimeType": "text/plain", "customKey": "a"}));
    // Links are made once, and end only by being taken back.
    let link = format!("{own}/links");
    let first = hub.get(KEY, &link).await.expect(200).body;
    assert_eq!(hub.get(KEY, &link).await.expect(200).body["providerViewLink"], first["providerViewLink"]);
    hub.get(KEY, &format!("{link}?visibility=TEAM_ONLY")).await.expect(400);
    hub.get(KEY, &format!("{link}?expires=2030-01-01")).await.expect(400);
    let permissions = format!("{own}/permissions");
    assert_eq!(hub.get(KEY, &permissions).await.expect(200).list().len(), 2);
    hub.delete(KEY, &link).await.expect(200);
    assert_eq!(hub.get(KEY, &permissions).await.expect(200).list().len(), 1);
    // A quota that is used up is a 403 at this provider.
    let quota = json!({"path": "/drive/v3/about", "status": 403, "retry_after": 70, "times": 1});
    hub.control(KEY, Method::POST, "/faults", &quota).await;
    let limited = hub.get(KEY, "/storage").await.expect(429);
    assert_eq!(limited.header("retry-after"), "70");
}

#[tokio::test]
async fn a_folder_whose_copy_fails_leaves_everything_as_it_was() {
    let hub = Gateway::demo();
    for name in ["a/one.txt", "a/in/two.txt", "b/kept.txt"] {
        hub.upload(KEY, &format!("/files?path=/Whole/{name}"), b"x").await.expect(200);
    }
    let source = id(&hub.get(KEY, "/folders/metadata?path=/Whole/a").await.expect(200).body);
    let two = id(&hub.get(KEY, "/files/metadata?path=/Whole/a/in/two.txt").await.expect(200).body);
    let copy = format!("/folders/{source}/copy?overwrite=true");
    let to = json!({"path": "/Whole/b"});
    let kept = async |names: &[&str]| {
        assert_eq!(hub.get(KEY, "/folders/contents?path=/Whole&orderBy=name").await.expect(200).names(), ["a", "b"]);
        assert_eq!(hub.get(KEY, "/folders/contents?path=/Whole/b&orderBy=name").await.expect(200).names(), names);
    };
    // In the middle of the walk.
    let fault = json!({"method": "POST", "path": format!("/drive/v3/files/{two}/copy"), "status": 403, "times": 1});
    hub.control(KEY, Method::POST, "/faults", &fault).await;
    let failed = hub.json(KEY, Method::POST, &copy, &to).await.expect(403);
    let told = failed.body["message"].as_str().unwrap();
    assert!(told.contains("failed at `two.txt`") && told.ends_with("has been taken back"), "{}", failed.body);
    assert!(failed.body["providerMessage"].is_string(), "{}", failed.body);
    kept(&["kept.txt"]).await;
    // At the very end, when the old one is in the trash already.
    let old = id(&hub.get(KEY, "/folders/metadata?path=/Whole/b").await.expect(200).body);
    let fault = json!({"method": "PATCH", "path": "/drive/v3/files/", "skip": 1, "status": 403, "times": 1});
    hub.control(KEY, Method::POST, "/faults", &fault).await;
    hub.json(KEY, Method::POST, &copy, &to).await.expect(403);
    kept(&["kept.txt"]).await;
    assert_eq!(id(&hub.get(KEY, "/folders/metadata?path=/Whole/b").await.expect(200).body), old);
    hub.json(KEY, Method::POST, &copy, &to).await.expect(200);
    kept(&["in", "one.txt"]).await;
    hub.json(KEY, Method::POST, &format!("/folders/{two}/copy"), &json!({"path": "/Whole/c"})).await.expect(404);
}
