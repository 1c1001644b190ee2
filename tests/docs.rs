//! The documentation: held against the routes, and read as an app would read it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use hubgate::{
    catalog::{self, Found},
    openapi,
};
use serde_json::{Value, json};

#[path = "hub/support.rs"]
#[allow(dead_code, reason = "shared with the hub tests, which use all of it")]
mod support;

const SERVER: &str = "http://127.0.0.1:8080/elements/api-v2";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone())))
        .collect()
}

/// `.route("…", get(…).post(…))` of the files below `src/api`, with `let name = get(…)…;` read in place of its name.
fn routed() -> BTreeSet<(String, String)> {
    fn files(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"), &mut found);
    let mut routes = BTreeSet::new();
    for file in found {
        // The health checks are not part of the contract, and hubs have documents of their own.
        if file.ends_with("health.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let values: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("let ")?.strip_suffix(';')?.split_once(" = "))
            .collect();
        for part in text.split(".route(").skip(1) {
            let mut depth = 1;
            let end = part.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            let Some((path, handlers)) = part[..end.unwrap()].trim().trim_end_matches(',').split_once(',') else {
                continue;
            };
            let path = path.trim().trim_matches('"');
            let handlers = values.get(handlers.trim()).copied().unwrap_or(handlers);
            if path.contains("{*") || handlers.trim().starts_with("to_docs") || handlers.contains("Redirect") {
                continue;
            }
            for method in METHODS.iter().filter(|method| handlers.contains(&format!("{method}("))) {
                routes.insert(((*method).to_owned(), path.to_owned()));
            }
        }
    }
    routes
}

#[test]
fn the_platform_is_documented_as_it_is_routed() {
    let (documented, routed) = (documented(&openapi::platform(SERVER)), routed());
    assert!(routed.len() > 40, "{routed:?}");
    let only =
        |these: &BTreeSet<_>, those: &BTreeSet<_>| these.difference(those).cloned().collect::<Vec<(String, String)>>();
    assert_eq!(only(&routed, &documented), [], "routes without a description");
    assert_eq!(only(&documented, &routed), [], "descriptions without a route");
}

#[test]
fn every_hub_is_documented_as_its_calls_are_found() {
    let catalog = catalog::open(None).unwrap();
    for hub in catalog.hubs() {
        let document = openapi::hub(hub, SERVER);
        let routes = catalog.routes(&hub.key).unwrap();
        let mut told = BTreeSet::new();
        for (method, path) in documented(&document) {
            let operation = &document["paths"][&path][&method];
            let below = path.strip_prefix(&format!("/hubs/{}/", hub.key)).unwrap();
            let Some(expected) = operation["x-operation"].as_str() else {
                assert!(below == "ping" || below.starts_with("objects"), "{path}");
                continue;
            };
            let segments: Vec<String> = below.split('/').map(|one| one.trim_matches(['{', '}']).to_owned()).collect();
            match routes.find(&method.to_uppercase(), &segments) {
                Found::Operation(found, _) => assert_eq!(found.id(), expected, "{method} {path}"),
                other => panic!("{method} {path} leads to {other:?}"),
            }
            told.insert(expected.to_owned());
        }
        let all: BTreeSet<String> = hub.operations().map(|operation| operation.id()).collect();
        assert_eq!(told, all, "{}", hub.key);
    }
}

/// Everything that refers somewhere, and every operation's id.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(to) = object.get("$ref").and_then(Value::as_str) {
                found.push(to.to_owned());
            }
            object.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn documents_are_whole() {
    let catalog = catalog::open(None).unwrap();
    let mut documents = vec![openapi::platform(SERVER)];
    documents.extend(catalog.hubs().map(|hub| openapi::hub(hub, SERVER)));
    for element in catalog.elements().map(Result::unwrap) {
        documents.push(openapi::element(element, catalog.hub(&element.hub).unwrap(), SERVER));
    }
    let older: Vec<Value> = documents.iter().map(|document| openapi::swagger(document, SERVER)).collect();
    for document in documents.iter().chain(&older) {
        let title = &document["info"]["title"];
        let mut found = Vec::new();
        references(document, &mut found);
        assert!(!found.is_empty(), "{title}");
        for reference in found {
            assert!(
                document.pointer(reference.strip_prefix('#').unwrap()).is_some(),
                "{title}: {reference} leads nowhere"
            );
        }
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id), "{title}: {id} twice");
                let named: Vec<&str> = operation["parameters"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|parameter| parameter["in"] == "path")
                    .map(|parameter| parameter["name"].as_str().unwrap())
                    .collect();
                let in_path: Vec<&str> =
                    path.split('/').filter_map(|one| one.strip_prefix('{')?.strip_suffix('}')).collect();
                assert_eq!(named, in_path, "{title}: {path}");
                assert!(operation["responses"]["200"].is_object(), "{title}: {path}");
            }
        }
    }
    for document in older {
        assert_eq!((&document["swagger"], &document["basePath"]), (&json!("2.0"), &json!("/elements/api-v2")));
        assert_eq!(document["host"], "127.0.0.1:8080");
    }
}

#[tokio::test]
async fn an_instance_is_documented_with_the_objects_of_its_account() {
    let gateway = support::Gateway::demo();
    let id = gateway.instance_id("sfdc");
    let read = async |path: &str| support::send(gateway.platform(reqwest::Method::GET, path)).await;
    let document = read(&format!("/docs/openapi/instances/{id}")).await.expect(200).body;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], gateway.base.as_str());
    let own = &document["paths"]["/hubs/crm/My_Object__c/{id}"]["get"];
    let schema = own["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        .as_str()
        .unwrap_or_else(|| panic!("{own}"));
    let schema = document.pointer(schema.strip_prefix('#').unwrap()).unwrap();
    assert_eq!(schema["properties"]["Name"]["type"], "string", "{schema}");
    assert!(document["paths"]["/hubs/crm/contacts"]["post"].is_object());

    let wanted = read(&format!("/docs/openapi/instances/{id}?objects=Account")).await.expect(200).body;
    assert!(wanted["paths"]["/hubs/crm/Account"]["get"].is_object());
    read(&format!("/docs/openapi/instances/{id}?objects=NoSuchThing")).await.expect(404);

    let swagger = read(&format!("/instances/{id}/docs")).await.expect(200).body;
    assert_eq!(swagger["swagger"], "2.0");
    let contacts = &swagger["paths"]["/hubs/crm/contacts"]["get"];
    assert!(
        contacts["parameters"].as_array().unwrap().iter().any(|one| one["name"] == "where" && one["type"] == "string")
    );
    assert_eq!(contacts["responses"]["200"]["schema"]["items"]["$ref"], "#/definitions/contact");
    let one = read(&format!("/instances/{id}/docs/GET-contacts")).await.expect(200).body;
    assert_eq!(one["paths"].as_object().unwrap().len(), 1);
    let models = read(&format!("/instances/{id}/docs/GET-contacts/definitions")).await.expect(200).body;
    assert!(models["contact"]["properties"]["email"].is_object(), "{models}");
    read(&format!("/instances/{id}/docs/GET-nothing")).await.expect(404);

    let own = support::send(gateway.request("sfdc", reqwest::Method::GET, "/instances/docs")).await.expect(200).body;
    assert_eq!(own, swagger);
    let stranger = support::send(gateway.bare(reqwest::Method::GET, &format!("/docs/openapi/instances/{id}"))).await;
    assert_eq!(stranger.status, 401, "{}", stranger.body);
    let element = support::send(gateway.bare(reqwest::Method::GET, "/elements/box/docs?operationId=GET-files")).await;
    let element = element.expect(200).body;
    assert_eq!(element["paths"]["/hubs/documents/files"]["get"]["produces"], json!(["application/octet-stream"]));
}

#[tokio::test]
async fn the_page_comes_with_all_it_needs() {
    let gateway = support::Gateway::demo();
    let root = gateway.base.strip_suffix("/elements/api-v2").unwrap();
    let to = support::send(gateway.bare(reqwest::Method::GET, &format!("{root}/docs"))).await.expect(307);
    assert_eq!(to.header("location"), "/elements/api-v2/docs");
    let page = support::send(gateway.bare(reqwest::Method::GET, "/docs")).await.expect(200);
    let html = String::from_utf8(page.bytes.clone()).unwrap();
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let mut parts = 0;
    for part in html.split(['"', '\'']).filter(|part| part.starts_with("docs/assets/")) {
        parts += 1;
        let asset = support::send(gateway.bare(reqwest::Method::GET, &format!("/{part}"))).await.expect(200);
        assert!(!asset.bytes.is_empty() && !asset.header("content-type").is_empty(), "{part}");
    }
    assert_eq!(parts, 4);
    assert!(!html.contains("http://") && !html.contains("https://"), "nothing from elsewhere");
    support::send(gateway.bare(reqwest::Method::GET, "/docs/assets/..%2fpage.html")).await.expect(404);
}

#[test]
fn the_pages_about_elements_are_what_the_mapping_files_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/elements");
    let catalog = catalog::open(None).unwrap();
    for (name, text) in hubgate::pages::pages(&catalog).unwrap() {
        let there = fs::read_to_string(directory.join(&name)).unwrap_or_default();
        assert!(there == text, "docs/elements/{name} is out of date: run `hubgate pages docs/elements`");
    }
    for element in catalog.elements().map(Result::unwrap) {
        assert!(!element.setup.is_empty(), "{}: nobody says how to register an app", element.key);
    }
}
