//! The documents hub: the same steps with the same expectations on every element.
//!
//! What an element may lack stands in its mapping files ([`Element::answered`]), never here.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    capability::Element,
    support::{Gateway, Reply, encoded, send},
};

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap_or_else(|| panic!("no id: {record}")).to_owned()
}

#[tokio::test]
async fn a_file_lives_the_same_life_everywhere() {
    let hub = Gateway::demo();
    for can in hub.elements_of(&["documents"]).await {
        let element = can.key.as_str();
        // Made with its missing parents.
        let made =
            hub.upload(element, "/hubs/documents/files?path=/Life/deep%20er/plan.txt", b"first").await.expect(200).body;
        assert_eq!(made["name"], "plan.txt", "{element}");
        assert_eq!(made["path"], "/Life/deep er/plan.txt", "{element}");
        assert_eq!(made["size"], 5, "{element}");
        assert_eq!(made["directory"], false, "{element}");
        assert_eq!(made["properties"]["mimeType"], "text/plain", "{element}");
        for date in ["createdDate", "modifiedDate"] {
            assert_eq!(made[date].is_i64(), can.reads("files", date), "{element}: {date} of {made}");
        }
        assert!(made.get("raw").is_none() && made.get("extension").is_none(), "{element}: {made}");

        // Read by path and by id, in both spellings.
        let read = hub.get(element, "/hubs/documents/files?path=/Life/deep%20er/plan.txt").await.expect(200);
        assert_eq!(read.bytes, b"first", "{element}");
        assert_eq!(read.header("content-type"), "text/plain", "{element}");
        assert!(read.header("content-disposition").contains("plan.txt"), "{element}");
        let by_id = format!("/files/{}", id(&made));
        assert_eq!(hub.get(element, &by_id).await.expect(200).bytes, b"first", "{element}");
        let metadata = hub.get(element, &format!("{by_id}/metadata?raw=true&isoDates=true")).await.expect(200).body;
        assert!(metadata["modifiedDate"].as_str().unwrap().ends_with('Z'), "{element}: {metadata}");
        assert!(metadata["raw"].is_object(), "{element}");

        // Over what is there only on demand.
        let again = hub.upload(element, "/files?path=/Life/deep%20er/plan.txt", b"second").await.expect(409);
        assert!(again.body["message"].as_str().unwrap().contains("overwrite=true"), "{element}: {}", again.body);
        hub.upload(element, "/files?path=/Life/deep%20er/plan.txt&overwrite=true", b"second").await.expect(200);
        assert_eq!(hub.get(element, &by_id).await.expect(200).bytes, b"second", "{element}");

        // Renamed, moved, copied.
        let place = renamed_and_moved(&hub, &can, &made).await;
        copied(&hub, &can, &place).await;

        // Gone, by path and by id; folders go by their id too.
        hub.upload(element, "/files?path=/Life/spare.txt", b"x").await.expect(200);
        hub.delete(element, "/hubs/documents/files?path=/Life/spare.txt").await.expect(200);
        assert_eq!(hub.get(element, "/files/metadata?path=/Life/spare.txt").await.status, 404, "{element}");
        hub.delete(element, &format!("/files/{}", id(&place))).await.expect(200);
        // Where folders are but the beginnings of names, one that nothing is left in is gone: so there is something in it.
        hub.upload(element, "/files?path=/Life/deep%20er/last.txt", b"x").await.expect(200);
        let folder = hub.get(element, "/folders/metadata?path=/Life/deep%20er").await.expect(200).body;
        assert_eq!(folder["directory"], true, "{element}");
        hub.delete(element, &format!("/files/{}", id(&folder))).await.expect(200);
        hub.get(element, &format!("/folders/{}/metadata", id(&folder))).await.expect(404);
    }
}

/// Renames and moves `made`, by id and by path; gives it where it ended.
async fn renamed_and_moved(hub: &Gateway, can: &Element, made: &Value) -> Value {
    let element = can.key.as_str();
    let by_id = format!("/files/{}/metadata", id(made));
    let renamed = hub.json(element, Method::PATCH, &by_id, &json!({"name": "plan b.txt"})).await;
    let Some(renamed) = can.answered("files.updateMetadata", renamed, 200) else { return made.clone() };
    assert_eq!(renamed.body["path"], "/Life/deep er/plan b.txt", "{element}");
    let by_path = "/hubs/documents/files/metadata?path=/Life/deep%20er/plan%20b.txt";
    let moved = hub.json(element, Method::PATCH, by_path, &json!({"path": "/Life/plan c.txt"})).await.expect(200).body;
    assert_eq!(moved["path"], "/Life/plan c.txt", "{element}");
    let same =
        hub.json(element, Method::PATCH, &format!("/files/{}/metadata", id(&moved)), &moved).await.expect(200).body;
    assert_eq!(same["path"], moved["path"], "{element}: a record sent back changes nothing");
    moved
}

async fn copied(hub: &Gateway, can: &Element, source: &Value) {
    let element = can.key.as_str();
    let copy = async |query: &str, to: &str| -> Reply {
        let path = format!("/files/{}/copy{query}", id(source));
        hub.json(element, Method::POST, &path, &json!({"path": to})).await
    };
    let Some(made) = can.answered("files.copy", copy("", "/Life/copy.txt").await, 200) else { return };
    assert_eq!(made.body["path"], "/Life/copy.txt", "{element}");
    assert_eq!(hub.get(element, "/files?path=/Life/copy.txt").await.expect(200).bytes, b"second", "{element}");
    copy("", "/Life/copy.txt").await.expect(409);
    copy("?overwrite=true", "/Life/copy.txt").await.expect(200);
    let itself = copy("?overwrite=true", source["path"].as_str().unwrap()).await;
    assert_eq!(itself.status, 400, "{element}: {}", itself.body);
    let path = format!("/files?path={}", encoded(source["path"].as_str().unwrap()));
    assert_eq!(hub.get(element, &path).await.expect(200).bytes, b"second", "{element}: still there");
}

#[tokio::test]
async fn folders_are_made_listed_copied_and_deleted() {
    let hub = Gateway::demo();
    for can in hub.elements_of(&["documents"]).await {
        let element = can.key.as_str();
        let made = hub
            .json(
                element,
                Method::POST,
                "/hubs/documents/folders",
                &json!({"path": "/Tree/a", "name": "a", "directory": true}),
            )
            .await
            .expect(200)
            .body;
        assert_eq!((&made["path"], &made["directory"]), (&json!("/Tree/a"), &json!(true)), "{element}");
        hub.json(element, Method::POST, "/folders", &json!({"path": "/Tree/a"})).await.expect(409);
        let wrong =
            hub.json(element, Method::POST, "/folders", &json!({"path": "/Tree/x", "name": "y"})).await.expect(400);
        assert_eq!(wrong.body["message"], "Folder name provided and folder name in path do not match", "{element}");
        for (name, size) in [("one.txt", 1), ("two.csv", 2), ("three.txt", 3), ("Four.txt", 4)] {
            hub.upload(element, &format!("/files?path=/Tree/a/{name}"), &vec![b'x'; size]).await.expect(200);
        }
        let listed = hub.get(element, "/hubs/documents/folders/contents?path=/Tree/a").await.expect(200);
        let mut names = listed.names();
        names.sort();
        assert_eq!(names, ["Four.txt", "one.txt", "three.txt", "two.csv"], "{element}");
        assert_eq!(listed.header("elements-returned-count"), "4", "{element}");
        assert_eq!(listed.header("elements-next-page-token"), "", "{element}");
        assert_eq!(
            hub.get(element, &format!("/folders/{}/contents", id(&made))).await.expect(200).list().len(),
            4,
            "{element}"
        );

        // Two pages of two are one page of four, by token and by number.
        let first = hub.get(element, "/folders/contents?path=/Tree/a&pageSize=2&nextPage=").await.expect(200);
        let token = first.header("elements-next-page-token").to_owned();
        assert!(!token.is_empty(), "{element}");
        let second = hub
            .get(element, &format!("/folders/contents?path=/Tree/a&pageSize=2&page=1&nextPage={token}"))
            .await
            .expect(200);
        assert_eq!(second.header("elements-next-page-token"), "", "{element}");
        let both: Vec<Value> = first.list().iter().chain(second.list()).cloned().collect();
        assert_eq!(
            &both,
            hub.get(element, "/folders/contents?path=/Tree/a&pageSize=4").await.expect(200).list(),
            "{element}"
        );
        assert_eq!(
            hub.get(element, "/folders/contents?path=/Tree/a&pageSize=2&page=2").await.expect(200).list(),
            second.list(),
            "{element}"
        );
        assert!(
            hub.get(element, "/folders/contents?path=/Tree/a&pageSize=2&page=9").await.expect(200).list().is_empty(),
            "{element}"
        );
        hub.get(element, &format!("/folders/contents?path=/Tree&nextPage={token}")).await.expect(400);

        // Filters and order that no provider of these knows.
        for (filter, expected) in [
            ("extension='.csv'", vec!["two.csv"]),
            ("name like 't%'", vec!["three.txt", "two.csv"]),
            ("name IN ('one.txt','nope')", vec!["one.txt"]),
            ("mimeType='text/plain' and size > 2", vec!["Four.txt", "three.txt"]),
            ("directory='true'", vec![]),
        ] {
            let path = format!("/folders/contents?path=/Tree/a&where={}&orderBy=name", encoded(filter));
            let found = hub.get(element, &path).await.expect(200);
            assert_eq!(found.names(), expected, "{element}: {filter}");
        }
        let filtered = format!("/folders/contents?path=/Tree/a&pageSize=1&where={}", encoded("extension='txt'"));
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let page = hub.get(element, &format!("{filtered}&nextPage={token}")).await.expect(200);
            assert_eq!(page.list().len(), 1, "{element}");
            found.extend(page.names());
            token = page.header("elements-next-page-token").to_owned();
            if token.is_empty() {
                break;
            }
        }
        found.sort();
        assert_eq!(found, ["Four.txt", "one.txt", "three.txt"], "{element}");
        let unknown =
            hub.get(element, &format!("/folders/contents?path=/Tree/a&where={}", encoded("nam='x'"))).await.expect(400);
        assert!(unknown.body["message"].as_str().unwrap().contains("`name`"), "{element}: {}", unknown.body);
        hub.get(element, &format!("/folders/contents?path=/Tree/a&where={}", encoded("name='x"))).await.expect(400);
        let largest =
            hub.get(element, "/folders/contents?path=/Tree/a&orderBy=size%20desc&pageSize=2").await.expect(200);
        assert_eq!(largest.names(), ["Four.txt", "three.txt"], "{element}");
        assert!(!largest.header("elements-next-page-token").is_empty(), "{element}");

        // Searching sees names below the folder.
        let found = hub.get(element, "/hubs/documents/search?path=/Tree&text=three").await;
        if let Some(found) = can.answered("search.search", found, 200) {
            assert_eq!(found.names(), ["three.txt"], "{element}");
            hub.get(element, "/search?path=/NoSuchFolder&text=three").await.expect(400);
            // Without a text it is all that lies there.
            let all = hub.get(element, "/search?path=/Tree/a&orderBy=name").await.expect(200);
            assert_eq!(all.names(), ["Four.txt", "one.txt", "three.txt", "two.csv"], "{element}");
            hub.get(element, "/search?path=/NoSuchFolder").await.expect(400);
            let all = hub.get(element, "/search").await.expect(200).names();
            for name in ["Welcome.txt", "three.txt"] {
                assert!(all.iter().any(|found| found == name), "{element}: {name} of {all:?}");
            }
        }

        let kept = folder_copied_and_renamed(&hub, &can, &made).await;
        hub.delete(element, &format!("/hubs/documents/folders?path={}", encoded(&kept))).await.expect(200);
        hub.get(element, &format!("/folders/contents?path={}", encoded(&kept))).await.expect(404);
        let root = hub.get(element, "/folders/metadata?path=/").await.expect(200).body;
        assert_eq!((&root["path"], &root["directory"]), (&json!("/"), &json!(true)), "{element}");
        assert!(
            hub.get(element, "/folders/contents?path=/").await.expect(200).names().contains(&"Tree".to_owned()),
            "{element}"
        );
    }
}

/// Copies a folder that holds folders, over what is there only on demand, and never into itself.
async fn copied_again(hub: &Gateway, can: &Element, folder: &Value) {
    let element = can.key.as_str();
    hub.upload(element, "/files?path=/Tree/a/in/deeper/x.txt", b"deep").await.expect(200);
    let by_id = format!("/folders/{}/copy", id(folder));
    let copy = async |query: &str, to: &str| {
        hub.json(element, Method::POST, &format!("{by_id}{query}"), &json!({"path": to})).await
    };
    let made = copy("", "/Tree/d").await.expect(200).body;
    assert_eq!((&made["path"], &made["directory"]), (&json!("/Tree/d"), &json!(true)), "{element}");
    let deep = "/files?path=/Tree/d/in/deeper/x.txt";
    assert_eq!(hub.get(element, deep).await.expect(200).bytes, b"deep", "{element}");
    copy("", "/Tree/d").await.expect(409);
    hub.upload(element, "/files?path=/Tree/a/in/deeper/x.txt&overwrite=true", b"deeper").await.expect(200);
    copy("?overwrite=true", "/Tree/d").await.expect(200);
    assert_eq!(hub.get(element, deep).await.expect(200).bytes, b"deeper", "{element}");
    for into in ["/Tree/a", "/Tree/a/in/itself"] {
        let itself = copy("?overwrite=true", into).await;
        assert_eq!(itself.status, 400, "{element}: {into}: {}", itself.body);
    }
    hub.get(element, "/folders/metadata?path=/Tree/a/in/itself").await.expect(404);
    let names = hub.get(element, "/folders/contents?path=/Tree&orderBy=name").await.expect(200).names();
    assert_eq!(names, ["a", "b", "d"], "{element}: nothing half-made stays");
    hub.delete(element, "/folders?path=/Tree/d").await.expect(200);
    hub.delete(element, "/folders?path=/Tree/a/in").await.expect(200);
}

/// Copies the folder and renames the copy; gives the path of a folder that may go.
async fn folder_copied_and_renamed(hub: &Gateway, can: &Element, folder: &Value) -> String {
    let element = can.key.as_str();
    let path = |record: &Value| record["path"].as_str().unwrap().to_owned();
    let copies = format!("/folders/copy?path={}", encoded(&path(folder)));
    let copy = hub.json(element, Method::POST, &copies, &json!({"path": "/Tree/b"})).await;
    let last = match can.answered("folders.copy", copy, 200) {
        None => folder.clone(),
        Some(copy) => {
            assert_eq!(copy.body["path"], "/Tree/b", "{element}");
            assert_eq!(
                hub.get(element, "/folders/contents?path=/Tree/b").await.expect(200).list().len(),
                4,
                "{element}"
            );
            copied_again(hub, can, folder).await;
            copy.body
        }
    };
    let renamed =
        hub.json(element, Method::PATCH, &format!("/folders/{}/metadata", id(&last)), &json!({"name": "c"})).await;
    match can.answered("folders.updateMetadata", renamed, 200) {
        None => path(&last),
        Some(renamed) => {
            assert_eq!(renamed.body["path"], "/Tree/c", "{element}");
            assert_eq!(
                hub.get(element, "/folders/contents?path=/Tree/c").await.expect(200).list().len(),
                4,
                "{element}: what is in it comes along"
            );
            path(&renamed.body)
        }
    }
}

#[tokio::test]
async fn links_download_without_credentials_until_they_are_spoiled() {
    let hub = Gateway::demo();
    for can in hub.elements_of(&["documents"]).await {
        let element = can.key.as_str();
        hub.upload(element, "/files?path=/Links/a.txt", b"for all").await.expect(200);
        let link = hub.get(element, "/hubs/documents/files/links?path=/Links/a.txt").await;
        let Some(link) = can.answered("files.getLink", link, 200) else { continue };
        let link = link.body;
        let known = if link["providerViewLink"].is_string() { "providerViewLink" } else { "providerLink" };
        assert!(link[known].as_str().is_some_and(|url| url.starts_with("http")), "{element}: {link}");
        let again = hub.get(element, "/files/links?path=/Links/a.txt").await.expect(200).body;
        if can.does("files.deleteLink") {
            assert_eq!(link[known], again[known], "{element}: an existing link stays");
        }
        let ours = link["cloudElementsLink"].as_str().unwrap();
        let read = send(hub.bare(Method::GET, ours)).await.expect(200);
        assert_eq!(read.bytes, b"for all", "{element}");
        let part = send(hub.bare(Method::GET, ours).header("Range", "bytes=4-6")).await.expect(206);
        assert_eq!(part.bytes, b"all", "{element}");
        let mut spoiled = ours.to_owned();
        let last = spoiled.pop().unwrap();
        spoiled.push(if last == 'A' { 'B' } else { 'A' });
        send(hub.bare(Method::GET, &spoiled)).await.expect(404);
        can.answered("files.deleteLink", hub.delete(element, "/files/links?path=/Links/a.txt").await, 200);
        let bad = hub.get(element, "/files/links?path=/Links/a.txt&visibility=PASSWORD").await.expect(400);
        assert!(!bad.body["message"].as_str().unwrap().is_empty(), "{element}");
        hub.get(element, "/files/links?path=/Links/a.txt&expires=soon").await.expect(400);
        hub.get(element, "/files/links?path=/Links/a.txt&visibility=NOBODY").await.expect(400);
    }
}

#[tokio::test]
async fn storage_account_and_ping_answer_everywhere() {
    let hub = Gateway::demo();
    for can in hub.elements_of(&["documents"]).await {
        let element = can.key.as_str();
        let storage = hub.get(element, "/hubs/documents/storage").await;
        if let Some(storage) = can.answered("storage.get", storage, 200) {
            assert!(storage.body["used"].is_u64(), "{element}: {}", storage.body);
        }
        if let Some(me) = can.answered("me.get", hub.get(element, "/me").await, 200) {
            assert!(me.body["id"].is_string(), "{element}: {}", me.body);
        }
        let ping = hub.get(element, "/hubs/documents/ping").await.expect(200).body;
        assert_eq!((&ping["endpoint"], &ping["valid"]), (&json!(element), &json!(true)));
        assert!(ping["dateTime"].as_str().unwrap().ends_with('Z'));
    }
}

#[tokio::test]
async fn dropbox_ids_are_made_of_paths_and_its_own_are_taken_too() {
    let hub = Gateway::demo();
    let made = hub.upload("dropbox", "/files?path=/My%20Folder/a%2Bb.txt", b"x").await.expect(200).body;
    assert_eq!(made["id"], "%252FMy%2BFolder%252Fa%252Bb.txt");
    let own = made["refId"].as_str().unwrap();
    assert!(own.starts_with("id:"));
    for form in [made["id"].as_str().unwrap().to_owned(), encoded(made["id"].as_str().unwrap()), own.to_owned()] {
        let metadata = hub.get("dropbox", &format!("/files/{form}/metadata")).await.expect(200).body;
        assert_eq!(metadata["path"], "/My Folder/a+b.txt", "{form}");
    }
    let folder = hub.get("dropbox", "/folders/metadata?path=/my%20folder").await.expect(200).body;
    let contents =
        hub.get("dropbox", &format!("/folders/{}/contents", folder["refId"].as_str().unwrap())).await.expect(200);
    assert_eq!(contents.names(), ["a+b.txt"]);
}
