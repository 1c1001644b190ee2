//! The documents hub beyond files and folders: revisions, comments, and what single elements add.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::Gateway;

fn id(record: &Value) -> &str {
    record["id"].as_str().unwrap_or_else(|| panic!("no id: {record}"))
}

#[tokio::test]
async fn revisions_are_listed_and_read_by_path_and_by_id() {
    let hub = Gateway::demo();
    // Box leaves the current one out, Dropbox does not.
    for (element, count) in [("box", 2), ("dropbox", 3)] {
        let mut file = Value::Null;
        for text in ["one", "two!", "three"] {
            let path = "/files?path=/Rev/a.txt&overwrite=true";
            file = hub.upload(element, path, text.as_bytes()).await.expect(200).body;
        }
        let by_path = hub.get(element, "/hubs/documents/files/revisions?path=/Rev/a.txt").await.expect(200);
        assert_eq!(by_path.list().len(), count, "{element}: {}", by_path.body);
        let by_id = hub.get(element, &format!("/files/{}/revisions", id(&file))).await.expect(200);
        assert_eq!(by_path.body, by_id.body, "{element}");
        let last = by_path.list().last().unwrap().clone();
        assert_eq!((&last["fileId"], &last["filePath"]), (&file["id"], &json!("/Rev/a.txt")), "{element}: {last}");
        assert_eq!((&last["fileName"], &last["size"]), (&json!("a.txt"), &json!(3)), "{element}: {last}");
        for path in [
            format!("/files/revisions/{}?path=/Rev/a.txt", id(&last)),
            format!("/files/{}/revisions/{}", id(&file), id(&last)),
        ] {
            assert_eq!(hub.get(element, &path).await.expect(200).body, last, "{element}: {path}");
        }
        // Two pages of one are one page of two.
        let first = hub.get(element, "/files/revisions?path=/Rev/a.txt&pageSize=1").await.expect(200);
        let token = first.header("elements-next-page-token").to_owned();
        let path = format!("/files/revisions?path=/Rev/a.txt&pageSize=1&nextPage={token}");
        let second = hub.get(element, &path).await.expect(200);
        let both: Vec<Value> = first.list().iter().chain(second.list()).cloned().collect();
        let two = hub.get(element, "/files/revisions?path=/Rev/a.txt&pageSize=2").await.expect(200);
        assert_eq!(&both, two.list(), "{element}");
        hub.upload(element, "/files?path=/Rev/other.txt", b"x").await.expect(200);
        let foreign = format!("/files/revisions/{}?path=/Rev/other.txt", id(&last));
        hub.get(element, &foreign).await.expect(404);
        hub.get(element, "/files/revisions?path=/Rev/gone.txt").await.expect(404);
    }
}

#[tokio::test]
async fn comments_live_by_path_and_by_id_the_oldest_first() {
    let hub = Gateway::demo();
    let file = hub.upload("box", "/files?path=/Talk/a.txt", b"x").await.expect(200).body;
    let other = hub.upload("box", "/files?path=/Talk/b.txt", b"x").await.expect(200).body;
    let by_path = "/hubs/documents/files/comments";
    let mut made = Vec::new();
    for text in ["first", "second", "third"] {
        let body = json!({"comment": text});
        let comment =
            hub.json("box", Method::POST, &format!("{by_path}?path=/Talk/a.txt"), &body).await.expect(200).body;
        assert_eq!((&comment["comment"], &comment["fileId"]), (&json!(text), &file["id"]), "{comment}");
        assert!(comment["createdDate"].is_i64() && comment["author"]["name"].is_string(), "{comment}");
        made.push(comment);
    }
    let listed = hub.get("box", &format!("/files/{}/comments", id(&file))).await.expect(200);
    assert_eq!(listed.list(), &made);
    let third = hub.get("box", &format!("{by_path}?path=/Talk/a.txt&pageSize=1&page=3&raw=true")).await.expect(200);
    assert_eq!(third.list()[0]["raw"]["message"], "third");
    assert_eq!(third.header("elements-next-page-token"), "");
    let one = format!("{by_path}/{}", id(&made[0]));
    let path = format!("{one}?path=/Talk/a.txt");
    let changed = hub.json("box", Method::PATCH, &path, &json!({"comment": "better"})).await.expect(200).body;
    assert_eq!(changed["comment"], "better");
    assert_eq!(hub.get("box", &path).await.expect(200).body["comment"], "better");
    // Through another file nobody reads or deletes it.
    hub.get("box", &format!("{one}?path=/Talk/b.txt")).await.expect(404);
    hub.delete("box", &format!("/files/{}/comments/{}", id(&other), id(&made[0]))).await.expect(404);
    hub.delete("box", &path).await.expect(200);
    hub.get("box", &path).await.expect(404);
    hub.get("box", &format!("{by_path}?path=/Talk/gone.txt")).await.expect(404);
    hub.json("box", Method::POST, &format!("{by_path}?path=/Talk/a.txt"), &json!({})).await.expect(400);
}

#[tokio::test]
async fn locks_collaborations_and_the_enterprise_of_box() {
    let hub = Gateway::demo();
    let file = hub.upload("box", "/files?path=/Team/a.txt", b"x").await.expect(200).body;
    let lock = format!("/files/{}/lock", id(&file));
    let wanted = json!({"is_download_prevented": false, "expires_at": "2040-12-12T10:55:30-08:00"});
    let locked = hub.json("box", Method::PUT, &lock, &wanted).await.expect(200).body;
    assert_eq!((&locked["type"], &locked["is_download_prevented"]), (&json!("lock"), &json!(false)));
    hub.delete("box", &lock).await.expect(200);

    let folder = hub.get("box", "/folders/metadata?path=/Team").await.expect(200).body;
    let shared = format!("/folders/{}/collaborations", id(&folder));
    let guest = json!({"accessible_by": {"type": "user", "login": "guest@example.com"}, "role": "viewer"});
    let made = hub.json("box", Method::POST, &shared, &guest).await.expect(200).body;
    hub.json("box", Method::POST, &shared, &guest).await.expect(400);
    assert_eq!(hub.get("box", &shared).await.expect(200).list(), std::slice::from_ref(&made));
    let one = format!("{shared}/{}", id(&made));
    let changed = hub.json("box", Method::PATCH, &one, &json!({"role": "editor"})).await.expect(200).body;
    assert_eq!(changed["role"], "editor");
    hub.delete("box", &one).await.expect(200);
    hub.get("box", &one).await.expect(404);

    let hook = json!({"target": {"type": "folder", "id": id(&folder)}, "address": "https://app.test/hook", "triggers": ["FILE.UPLOADED"]});
    for (path, new, change, wrong) in [
        ("/groups", json!({"name": "Support"}), json!({"name": "Help"}), json!({})),
        ("/users", json!({"name": "Cy", "login": "cy@example.com"}), json!({"name": "Cyd"}), json!({"name": "Di"})),
        ("/webhooks", hook, json!({"address": "https://app.test/other"}), json!({"address": "http://app.test"})),
    ] {
        let made = hub.json("box", Method::POST, path, &new).await.expect(200).body;
        hub.json("box", Method::POST, path, &new).await.expect(409);
        hub.json("box", Method::POST, path, &wrong).await.expect(400);
        let one = format!("{path}/{}", id(&made));
        assert_eq!(hub.get("box", &one).await.expect(200).body, made, "{path}");
        assert!(hub.get("box", path).await.expect(200).list().contains(&made), "{path}");
        let changed = hub.json("box", Method::PATCH, &one, &change).await.expect(200).body;
        for (name, value) in change.as_object().unwrap() {
            assert_eq!(&changed[name], value, "{path}");
        }
        hub.delete("box", &one).await.expect(200);
        hub.get("box", &one).await.expect(404);
    }
}

#[tokio::test]
async fn custom_fields_of_box_and_dropbox() {
    let hub = Gateway::demo();
    let file = hub.upload("box", "/files?path=/Fields/a.txt", b"x").await.expect(200).body;
    let template = json!({"scope": "enterprise", "displayName": "Contract", "fields": [{"type": "string", "key": "party", "displayName": "Party"}]});
    let made = hub.json("box", Method::POST, "/custom-fields-templates", &template).await.expect(200).body;
    assert_eq!((&made["templateKey"], &made["fields"][0]["key"]), (&json!("contract"), &json!("party")));
    let more = json!({"op": "addField", "data": {"displayName": "Category", "key": "category", "type": "string"}, "scope": "enterprise"});
    let edited = hub.json("box", Method::PUT, "/custom-fields/templates/contract", &more).await.expect(200).body;
    assert_eq!(edited["fields"][1]["key"], "category");
    assert_eq!(hub.get("box", "/custom-fields-enterprise-templates").await.expect(200).list(), &vec![edited]);
    let fields = format!("/files/{}/custom-fields", id(&file));
    let new = json!({"template": "contract", "fields": {"party": "Ada"}});
    assert_eq!(hub.json("box", Method::POST, &fields, &new).await.expect(200).body["party"], "Ada");
    hub.json("box", Method::POST, &fields, &new).await.expect(409);
    let change = json!({"template": "contract", "scope": "enterprise", "path": "/party", "value": "Bo"});
    assert_eq!(hub.json("box", Method::PATCH, &fields, &change).await.expect(200).body["party"], "Bo");
    let one = format!("/files/{}/custom-fields-templates/contract/custom-fields?scope=enterprise", id(&file));
    assert_eq!(hub.get("box", &one).await.expect(200).body["party"], "Bo");
    assert_eq!(hub.get("box", &fields).await.expect(200).list().len(), 1);
    hub.delete("box", &one).await.expect(200);
    hub.get("box", &one).await.expect(404);
    hub.delete("box", "/custom-fields-templates/contract?scope=enterprise").await.expect(200);

    hub.upload("dropbox", "/files?path=/Fields/a.txt", b"x").await.expect(200);
    let field = |name: &str| json!({"name": name, "description": "one", "type": "string"});
    let template = json!({"name": "Security", "description": "How secret", "fields": [field("Policy")]});
    let made = hub.json("dropbox", Method::POST, "/custom-fields-templates", &template).await.expect(200).body;
    let key = made["template_id"].as_str().unwrap();
    let one = format!("/custom-fields-templates/{key}");
    let edited =
        hub.json("dropbox", Method::PUT, &one, &json!({"add_fields": [field("Owner")]})).await.expect(200).body;
    assert_eq!(edited["fields"][1]["name"], "Owner");
    let ids = hub.get("dropbox", "/custom-fields-templates").await.expect(200);
    assert_eq!(ids.list(), &vec![json!({"template_id": key})]);
    let fields = format!("/files/custom-fields-templates/{key}/custom-fields?path=/Fields/a.txt");
    hub.get("dropbox", &fields).await.expect(404);
    let value = |name: &str, value: &str| json!({"name": name, "value": value});
    let new = json!({"fields": [value("Policy", "Public")]});
    let made = hub.json("dropbox", Method::POST, &fields, &new).await.expect(200).body;
    assert_eq!(made["fields"], new["fields"]);
    hub.json("dropbox", Method::POST, &fields, &new).await.expect(409);
    let change = json!({"add_or_update_fields": [value("Owner", "Ada")], "remove_fields": ["Policy"]});
    let changed = hub.json("dropbox", Method::PUT, &fields, &change).await.expect(200).body;
    assert_eq!(changed["fields"], json!([value("Owner", "Ada")]));
    let strange = json!({"add_or_update_fields": [value("Nope", "x")]});
    hub.json("dropbox", Method::PUT, &fields, &strange).await.expect(400);
    let all = hub.get("dropbox", "/files/custom-fields?path=/Fields/a.txt").await.expect(200);
    assert_eq!(all.list().len(), 1);
    hub.delete("dropbox", &fields).await.expect(200);
    hub.delete("dropbox", &one).await.expect(200);
    hub.get("dropbox", &one).await.expect(404);
}

#[tokio::test]
async fn links_of_folders_and_wrong_link_parameters() {
    let hub = Gateway::demo();
    for element in ["box", "dropbox"] {
        hub.json(element, Method::POST, "/folders", &json!({"path": "/Shared"})).await.expect(200);
        let link = hub.get(element, "/folders/links?path=/Shared").await.expect(200).body;
        assert!(link["providerViewLink"].as_str().unwrap().starts_with("http"), "{element}: {link}");
        assert!(link.get("cloudElementsLink").is_none(), "{element}: a folder is nothing to download: {link}");
        hub.delete(element, "/folders/links?path=/Shared").await.expect(200);
        hub.upload(element, "/files?path=/Shared/a.txt", b"x").await.expect(200);
        let date = hub.get(element, "/files/links?path=/Shared/a.txt&expires=soon").await.expect(400);
        assert_eq!(date.body["message"], "Invalid link expiration date.", "{element}");
        let word = hub.get(element, "/files/links?path=/Shared/a.txt&visibility=NOBODY").await.expect(400);
        assert_eq!(word.body["message"], "An invalid value was used for a parameter", "{element}");
        let ends = hub.get(element, "/files/links?path=/Shared/a.txt&expires=2040-02-20&raw=true").await.expect(200);
        assert_eq!(ends.body["providerLinkExpires"], "2040-02-20T00:00:00Z", "{element}: {}", ends.body);
        assert!(ends.body["raw"].is_object(), "{element}");
        hub.get(element, "/files?path=/Shared").await.expect(400);
    }
    let file = hub.upload("box", "/files?path=/Bin/a.txt", b"x").await.expect(200).body;
    hub.delete("box", &format!("/files/{}?emptyTrash=true", id(&file))).await.expect(200);
}

#[tokio::test]
async fn a_copy_over_something_that_fails_leaves_everything_as_it_was() {
    let hub = Gateway::demo();
    // How an element puts things in their places: what was there aside, the copy in its place, at last what was there away.
    for (element, method, path, away) in [
        ("box", "PUT", "/2.0/f", ("DELETE", "/2.0/f")),
        ("dropbox", "POST", "/2/files/move_v2", ("POST", "/2/files/delete_v2")),
        ("onedrive", "PATCH", "/v1.0/drives/", ("DELETE", "/v1.0/drives/")),
    ] {
        for (kind, from, to) in [("files", "/Over/a.txt", "/Over/b.txt"), ("folders", "/Over/one", "/Over/two")] {
            for (path, text) in
                [("/Over/a.txt", "new"), ("/Over/b.txt", "old"), ("/Over/one/new.txt", "x"), ("/Over/two/old.txt", "x")]
            {
                hub.upload(element, &format!("/files?path={path}&overwrite=true"), text.as_bytes()).await.expect(200);
            }
            let copy = format!("/{kind}/copy?path={from}&overwrite=true");
            let state = async || {
                let names = async |path: &str| {
                    hub.get(element, &format!("/folders/contents?path={path}&orderBy=name")).await.expect(200).names()
                };
                let text = hub.get(element, "/files?path=/Over/b.txt").await.expect(200).bytes;
                (names("/Over").await, names("/Over/two").await, text)
            };
            let before = state().await;
            for (method, path, skip) in [(method, path, 0), (method, path, 1), (away.0, away.1, 0)] {
                let fault = json!({"method": method, "path": path, "skip": skip, "status": 403, "times": 1});
                hub.control(element, Method::POST, "/faults", &fault).await;
                let failed = hub.json(element, Method::POST, &copy, &json!({"path": to})).await.expect(403).body;
                let told = failed["message"].as_str().unwrap();
                assert!(told.ends_with("what had been done by then has been taken back"), "{element}: {failed}");
                assert_eq!(state().await, before, "{element}: {kind}: {method} {path}, {skip}");
            }
            hub.json(element, Method::POST, &copy, &json!({"path": to})).await.expect(200);
            let (all, inside, text) = state().await;
            assert_eq!(all, before.0, "{element}");
            assert!(kind == "files" && text == b"new" || inside == ["new.txt"], "{element}: {inside:?} {text:?}");
        }
    }
}
