//! Tags of files and folders: the same everywhere where there are such, and refused where there are none.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::Gateway;

/// The tags of a record, in order; none where it tells of none.
fn tags(record: &Value) -> Vec<&str> {
    let mut tags: Vec<&str> =
        record["tags"].as_array().map_or_else(Vec::new, |tags| tags.iter().map(|tag| tag.as_str().unwrap()).collect());
    tags.sort_unstable();
    tags
}

#[tokio::test]
async fn tags_are_set_and_told_where_the_provider_has_such() {
    let hub = Gateway::demo();
    let (mut with, mut folders_without) = (0, 0);
    for can in hub.elements_of(&["documents"]).await {
        let element = can.key.as_str();
        hub.upload(element, "/files?path=/Tagged/plain.txt", b"x").await.expect(200);
        let listing = "/folders/contents?path=/Tagged&orderBy=name";
        if !can.reads("files", "tags") {
            let patch = async |path: &str| hub.json(element, Method::PATCH, path, &json!({"tags": ["one"]})).await;
            for refused in [
                hub.upload(element, "/files?path=/Tagged/a.txt&tags=one", b"x").await,
                hub.json(element, Method::POST, "/folders", &json!({"path": "/Tagged/in", "tags": ["one"]})).await,
                patch("/files/metadata?path=/Tagged/plain.txt").await,
                patch("/folders/metadata?path=/Tagged").await,
                hub.get(element, "/search?path=/Tagged&tags=one").await,
            ] {
                assert_eq!(refused.status, 400, "{element}: {}", refused.body);
                assert!(refused.body["message"].as_str().unwrap().contains("tags"), "{element}: {}", refused.body);
            }
            let listed = hub.get(element, &format!("{listing}&fetchTags=true")).await.expect(200);
            assert_eq!(
                (listed.names(), listed.list()[0].get("tags")),
                (vec!["plain.txt".to_owned()], None),
                "{element}"
            );
            continue;
        }
        with += 1;
        // Where folders have none, everything else is as everywhere.
        let of_folders = can.takes("folders.create", "tags");
        folders_without += u32::from(!of_folders);
        let in_folder = |tags: &'static [&'static str]| if of_folders { tags.to_vec() } else { Vec::new() };
        let made = hub.upload(element, "/files?path=/Tagged/a.txt&tags=one,two", b"x").await.expect(200).body;
        assert_eq!(tags(&made), ["one", "two"], "{element}: {made}");
        let mut new = json!({"path": "/Tagged/in", "tags": ["two"]});
        if !of_folders {
            let refused = hub.json(element, Method::POST, "/folders", &new).await.expect(400).body;
            assert!(refused["message"].as_str().unwrap().contains("not of folders"), "{element}: {refused}");
            new["tags"] = json!([]);
        }
        let made = hub.json(element, Method::POST, "/folders", &new).await.expect(200).body;
        assert_eq!((tags(&made), &made["path"]), (in_folder(&["two"]), &json!("/Tagged/in")), "{element}: {made}");

        // Listings tell them on demand only.
        let listed = hub.get(element, listing).await.expect(200);
        assert!(listed.list().iter().all(|record| record.get("tags").is_none()), "{element}: {}", listed.body);
        let listed = hub.get(element, &format!("{listing}&fetchTags=true")).await.expect(200);
        let told: Vec<_> =
            listed.list().iter().map(|record| (record["name"].as_str().unwrap(), tags(record))).collect();
        assert_eq!(
            told,
            [("a.txt", vec!["one", "two"]), ("in", in_folder(&["two"])), ("plain.txt", vec![])],
            "{element}"
        );

        // What is given takes the place of all that were there, also while something moves.
        let change = async |path: &str, body: Value| -> Value {
            let path = format!("{path}/metadata?path=/Tagged/{}", body["of"].as_str().unwrap());
            let mut body = body;
            body.as_object_mut().unwrap().remove("of");
            hub.json(element, Method::PATCH, &path, &body).await.expect(200).body
        };
        let changed = change("/files", json!({"of": "a.txt", "tags": ["two", "three"]})).await;
        assert_eq!(tags(&changed), ["three", "two"], "{element}: {changed}");
        let moved = change("/files", json!({"of": "a.txt", "name": "b.txt", "tags": ["two", "four"]})).await;
        assert_eq!((tags(&moved), &moved["path"]), (vec!["four", "two"], &json!("/Tagged/b.txt")), "{element}");
        if of_folders {
            let folder = change("/folders", json!({"of": "in", "tags": ["five"]})).await;
            assert_eq!(tags(&folder), ["five"], "{element}: {folder}");
        } else {
            for kind in ["files", "folders"] {
                let path = format!("/{kind}/metadata?path=/Tagged/in");
                let refused =
                    hub.json(element, Method::PATCH, &path, &json!({"tags": ["five"]})).await.expect(400).body;
                assert!(refused["message"].as_str().unwrap().contains("not of folders"), "{element}: {refused}");
            }
            let gone =
                hub.json(element, Method::PATCH, "/files/metadata?path=/Tagged/no.txt", &json!({"tags": ["x"]})).await;
            assert_eq!(gone.status, 404, "{element}: {}", gone.body);
        }
        let found =
            async |query: &str| hub.get(element, &format!("/search?path=/Tagged&{query}")).await.expect(200).names();
        assert_eq!(found("tags=two").await, ["b.txt"], "{element}");
        assert_eq!(found("tags=two,four").await, ["b.txt"], "{element}");
        assert!(found("tags=two,five").await.is_empty(), "{element}: all of them");
        let filtered = hub.get(element, &format!("{listing}&where=tags%3D'four'")).await.expect(200);
        assert_eq!(filtered.names(), ["b.txt"], "{element}: a filter that names them needs no further word");
        let none = change("/folders", json!({"of": "in", "tags": []})).await;
        assert!(tags(&none).is_empty(), "{element}: {none}");
        let listed = hub.get(element, &format!("{listing}&fetchTags=true")).await.expect(200);
        let told: Vec<_> = listed.list().iter().map(tags).collect();
        assert_eq!(told, [vec!["four", "two"], vec![], vec![]], "{element}: {}", listed.body);
    }
    assert!(with > 2 && folders_without > 0, "{with} elements have tags, {folders_without} of them of files alone");
}

#[tokio::test]
async fn tags_of_a_whole_listing_take_one_call_more() {
    let hub = Gateway::demo();
    for name in ["a", "b", "c"] {
        hub.upload("dropbox", &format!("/files?path=/Many/{name}.txt&tags={name}"), b"x").await.expect(200);
    }
    let before = hub.calls("dropbox").await;
    let listed = hub.get("dropbox", "/folders/contents?path=/Many&fetchTags=true&orderBy=name").await.expect(200);
    assert_eq!(listed.list().iter().map(tags).collect::<Vec<_>>(), [["a"], ["b"], ["c"]]);
    assert_eq!(hub.calls("dropbox").await - before, 2);
    // Single reads tell them where the instance says so.
    let metadata = "/files/metadata?path=/Many/a.txt";
    assert!(hub.get("dropbox", metadata).await.expect(200).body.get("tags").is_none());
    let tagging = json!({"configuration": {"document.tagging": "true"}});
    let instance = format!("/instances/{}", hub.instance_id("dropbox"));
    super::support::send(hub.platform(Method::PATCH, &instance).json(&tagging)).await.expect(200);
    assert_eq!(tags(&hub.get("dropbox", metadata).await.expect(200).body), ["a"]);
    // What the provider does not take is the caller's mistake, told in its words.
    let wrong = json!({"tags": ["no blanks"]});
    let refused = hub.json("dropbox", Method::PATCH, metadata, &wrong).await.expect(400);
    assert!(refused.body["providerMessage"].as_str().unwrap().contains("no blanks"), "{}", refused.body);
    let many: Vec<String> = (0..21).map(|number| format!("t{number}")).collect();
    let refused = hub.json("dropbox", Method::PATCH, metadata, &json!({"tags": many})).await.expect(400);
    assert!(refused.body["message"].as_str().unwrap().contains("at most 20"), "{}", refused.body);
}

#[tokio::test]
async fn pairs_of_a_store_are_texts() {
    let hub = Gateway::demo();
    let metadata = "/files/metadata?path=/Pairs/a.txt";
    // What a form writes otherwise, what parts a tag, what is there twice, and what needs no `=`.
    let query = "tags=draft&tags=Project%3DBlue%20%2B%20Gr%C3%BCn&tags=a%253Db%3Dc%3Dd&tags=draft&tags=none%3D";
    let kept = ["Project=Blue + Grün", "a%3Db=c=d", "draft", "none"];
    let made = hub.upload("amazons3", &format!("/files?path=/Pairs/a.txt&{query}"), b"x").await.expect(200).body;
    assert_eq!(tags(&made), kept);
    // Single reads tell them where the instance says so, at one more call.
    assert!(hub.get("amazons3", metadata).await.expect(200).body.get("tags").is_none());
    let tagging = json!({"configuration": {"document.tagging": "true"}});
    let instance = format!("/instances/{}", hub.instance_id("amazons3"));
    super::support::send(hub.platform(Method::PATCH, &instance).json(&tagging)).await.expect(200);
    let before = hub.calls("amazons3").await;
    assert_eq!(tags(&hub.get("amazons3", metadata).await.expect(200).body), kept);
    assert_eq!(hub.calls("amazons3").await - before, 2);
    let folder = hub.get("amazons3", "/folders/metadata?path=/Pairs").await.expect(200).body;
    assert_eq!(folder.get("tags"), None, "{folder}");
    // They go along where it is copied or moved, folders and all, and with what goes in parts.
    let to = |path: &str| json!({"path": path});
    hub.json("amazons3", Method::POST, "/folders/copy?path=/Pairs", &to("/Pairs two")).await.expect(200);
    let moved =
        hub.json("amazons3", Method::PATCH, "/files/metadata?path=/Pairs%20two/a.txt", &to("/Pairs two/b.txt")).await;
    assert_eq!(tags(&moved.expect(200).body), kept);
    hub.upload("amazons3", "/files?path=/Pairs/big.bin&tags=large", &vec![7_u8; 17 << 20]).await.expect(200);
    assert_eq!(tags(&hub.get("amazons3", "/files/metadata?path=/Pairs/big.bin").await.expect(200).body), ["large"]);
    let found = hub.get("amazons3", "/search?tags=draft&path=/Pairs").await.expect(200).names();
    assert_eq!(found, ["a.txt"]);
    // What is out for another reason is not asked for its tags.
    let before = hub.calls("amazons3").await;
    let found = hub.get("amazons3", "/search?text=a.txt&tags=draft&path=/Pairs").await.expect(200).names();
    assert_eq!((found, hub.calls("amazons3").await - before), (vec!["a.txt".to_owned()], 2));
    // A listing takes a call for each file, and none for a folder.
    hub.json("amazons3", Method::POST, "/folders", &to("/Pairs/in")).await.expect(200);
    let before = hub.calls("amazons3").await;
    let listed = hub.get("amazons3", "/folders/contents?path=/Pairs&fetchTags=true").await.expect(200);
    assert_eq!((listed.names().len(), hub.calls("amazons3").await - before), (3, 3));
    // What is uploaded over it has its own, or none.
    hub.upload("amazons3", "/files?path=/Pairs/a.txt&overwrite=true", b"y").await.expect(200);
    assert_eq!(hub.get("amazons3", metadata).await.expect(200).body["tags"], json!([]));
    // What the provider does not take is the caller's mistake, told in its words and ours; nothing has moved then.
    let eleven: Vec<String> = (0..11).map(|number| format!("t{number}")).collect();
    for (wrong, why) in [
        (json!(["a=1", "a=2"]), "key of a file's tags once"),
        (json!(["{}"]), "does not take these tags"),
        (json!(["aws:own=1"]), "does not take these tags"),
        (json!(["k".repeat(129)]), "does not take these tags"),
        (json!(eleven), "at most 10"),
    ] {
        for body in [json!({"tags": wrong}), json!({"tags": wrong, "name": "moved.txt"})] {
            let refused = hub.json("amazons3", Method::PATCH, metadata, &body).await.expect(400).body;
            assert!(refused["message"].as_str().unwrap().contains(why), "{body}: {refused}");
            assert!(refused["providerMessage"].is_string(), "{body}: {refused}");
        }
        hub.get("amazons3", metadata).await.expect(200);
    }
}
