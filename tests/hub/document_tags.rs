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
    let mut with = 0;
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
        let made = hub.upload(element, "/files?path=/Tagged/a.txt&tags=one,two", b"x").await.expect(200).body;
        assert_eq!(tags(&made), ["one", "two"], "{element}: {made}");
        let made = json!({"path": "/Tagged/in", "tags": ["two"]});
        let made = hub.json(element, Method::POST, "/folders", &made).await.expect(200).body;
        assert_eq!((tags(&made), &made["path"]), (vec!["two"], &json!("/Tagged/in")), "{element}: {made}");

        // Listings tell them on demand only.
        let listed = hub.get(element, listing).await.expect(200);
        assert!(listed.list().iter().all(|record| record.get("tags").is_none()), "{element}: {}", listed.body);
        let listed = hub.get(element, &format!("{listing}&fetchTags=true")).await.expect(200);
        let told: Vec<_> =
            listed.list().iter().map(|record| (record["name"].as_str().unwrap(), tags(record))).collect();
        assert_eq!(told, [("a.txt", vec!["one", "two"]), ("in", vec!["two"]), ("plain.txt", vec![])], "{element}");

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
        let folder = change("/folders", json!({"of": "in", "tags": ["five"]})).await;
        assert_eq!(tags(&folder), ["five"], "{element}: {folder}");
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
    assert!(with > 1, "only {with} elements have tags");
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
