//! A new provider needs a mapping file and nothing else: this test writes one, serves it, and uses it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde_json::{Value, json};

use super::support::{client, form, send};

const KEY: &str = "k3y-of-the-shelf";

type Shelf = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;
type Parameters = Query<BTreeMap<String, String>>;

fn entry(path: &str, size: usize) -> Value {
    json!({"kind": "doc", "title": path.rsplit('/').next(), "location": path, "bytes": size.to_string(), "changed": "2024-05-06 07:08:09"})
}

fn missing() -> Response {
    (StatusCode::GONE, Json(json!({"problem": {"text": "nothing on the shelf there", "sort": "E7"}}))).into_response()
}

fn refused(headers: &HeaderMap) -> bool {
    headers.get("x-shelf-key").is_none_or(|key| key != KEY)
}

async fn list(State(shelf): State<Shelf>, Query(query): Parameters, headers: HeaderMap) -> Response {
    if refused(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let folder = query["folder"].trim_end_matches('/').to_owned();
    let (start, count) = (query["start"].parse::<usize>().unwrap(), query["count"].parse::<usize>().unwrap());
    let shelf = shelf.lock().unwrap();
    let all: Vec<Value> = shelf
        .iter()
        .filter(|(path, _)| path.rsplit_once('/').is_some_and(|(parent, _)| parent == folder))
        .map(|(path, bytes)| entry(path, bytes.len()))
        .collect();
    let page: Vec<Value> = all.iter().skip(start).take(count).cloned().collect();
    Json(json!({"result": {"rows": page, "left": all.len().saturating_sub(start + count)}})).into_response()
}

async fn look(State(shelf): State<Shelf>, Query(query): Parameters) -> Response {
    match shelf.lock().unwrap().get(&query["at"]) {
        Some(bytes) => Json(json!({"result": entry(&query["at"], bytes.len())})).into_response(),
        None => missing(),
    }
}

async fn take_down(State(shelf): State<Shelf>, Query(query): Parameters) -> Response {
    if shelf.lock().unwrap().remove(&query["at"]).is_some() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        missing()
    }
}

async fn store(State(shelf): State<Shelf>, Query(query): Parameters, bytes: Bytes) -> Response {
    shelf.lock().unwrap().insert(query["at"].clone(), bytes.to_vec());
    Json(json!({"result": entry(&query["at"], bytes.len())})).into_response()
}

async fn content(State(shelf): State<Shelf>, Query(query): Parameters) -> Response {
    shelf.lock().unwrap().get(&query["at"]).map_or_else(missing, |bytes| bytes.clone().into_response())
}

/// A provider that nobody has heard of.
async fn provider() -> String {
    let router = Router::new()
        .route("/v9/rows", get(list))
        .route("/v9/row", get(look).delete(take_down))
        .route("/v9/content", put(store).get(content))
        .with_state(Shelf::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}/v9")
}

fn mapping(root: &str) -> Value {
    let look =
        json!({"method": "GET", "path": "/row", "query": {"at": "{target.path}"}, "answer": {"record": "$.result"}});
    json!({
        "id": 990_001, "key": "shelf", "name": "Shelf", "description": "A shelf", "hub": "documents",
        "configuration": [{"key": "shelf.key", "name": "Key", "type": "PASSWORD", "required": true, "secret": true}],
        "authentication": {"type": "apiKey", "header": "X-Shelf-Key", "key": "shelf.key"},
        "hosts": {"api": root}, "egress": ["127.0.0.1"], "unsupported": {"*": "A shelf only holds things"},
        "probe": {"method": "GET", "path": "/rows", "query": {"folder": "/", "start": "0", "count": "1"}},
        "errorMessage": ["$.problem.text"], "errorCode": ["$.problem.sort"],
        "errors": [{"status": 410, "as": 404, "message": "No file or folder is there"}],
        "addressing": {"by": "path", "fields": "files"},
        "resources": {
            "files": {
                "resource": "files",
                "fields": {
                    "id": {"path": "$.location", "codec": "pathId"}, "name": "$.title", "path": "$.location",
                    "size": {"path": "$.bytes", "codec": "integerText"}, "modifiedDate": "$.changed",
                    "directory": {"path": "$.kind", "codec": {"words": {"true": "box", "false": "doc"}}},
                    "parentFolderId": {"path": "$.location", "codec": "parentPathId"},
                    "properties.mimeType": {"path": "$.title", "codec": "mediaType"},
                    "mimeType": {"path": "$.title", "codec": "mediaType"}, "extension": {"path": "$.title", "codec": "extension"}
                },
                "unsupported": {
                    "refId": "a shelf knows paths only", "createdDate": "not kept", "description": "not kept", "tags": "not kept"
                },
                "operations": {
                    "upload": {
                        "method": "PUT", "path": "/content", "query": {"at": "{target.path}"}, "file": true, "answer": {"record": "$.result"}
                    },
                    "download": {"method": "GET", "path": "/content", "query": {"at": "{target.path}"}, "answer": {"format": "stream"}},
                    "delete": {"method": "DELETE", "path": "/row", "query": {"at": "{target.path}"}, "answer": {"format": "none"}},
                    "getMetadata": look
                }
            },
            "folders": {
                "resource": "folders", "fields": "files",
                "operations": {
                    "listContents": {
                        "method": "GET", "path": "/rows",
                        "query": {"folder": "{target.path}", "start": "{page.offset}", "count": "{page.size}"},
                        "answer": {"items": "$.result.rows"},
                        "paging": {"max": 3, "offset": true}
                    }
                }
            }
        }
    })
}

struct Served {
    child: Child,
    base: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `hubgate serve` over `data`, with the mapping files of `mappings`.
fn serve(data: &std::path::Path, mappings: &std::path::Path) -> Served {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hubgate"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("HUBGATE_STORE__DATA_DIR", data)
        .env("HUBGATE_CATALOG__PATH", mappings)
        .env("HUBGATE_EGRESS__ALLOW", "127.0.0.1")
        .env("HUBGATE_METRICS__LISTEN", "")
        .env("HUBGATE_LOG__FORMAT", "json")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("it ends without listening").unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        let text = line.to_string();
        if let Some(at) = text.find("127.0.0.1:") {
            let address: String =
                text[at..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
            break address;
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    Served { child, base: format!("http://{address}/elements/api-v2") }
}

#[tokio::test]
async fn a_mapping_file_alone_makes_an_element() {
    let root = provider().await;
    let directory = tempfile::tempdir().unwrap();
    let (data, mappings) = (directory.path().join("data"), directory.path().join("mappings"));
    std::fs::create_dir_all(mappings.join("elements")).unwrap();
    std::fs::write(mappings.join("elements/shelf.json"), mapping(&root).to_string()).unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_hubgate"))
        .args(["account", "create", "--organization", "Readers", "--email", "a@b.test", "--json"])
        .env("HUBGATE_STORE__DATA_DIR", &data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let account = format!(
        "User {}, Organization {}",
        made["userSecret"].as_str().unwrap(),
        made["organizationSecret"].as_str().unwrap()
    );
    let served = serve(&data, &mappings);
    let http = client();
    let url = |path: &str| format!("{}{path}", served.base);

    let element = send(http.get(url("/elements/shelf"))).await.expect(200).body;
    assert_eq!(element["hub"], "documents");
    let wanted = |key: &str| json!({"name": "mine", "element": {"key": "shelf"}, "configuration": {"shelf.key": key}});
    let create = |body: Value| http.post(url("/instances")).header("Authorization", &account).json(&body);
    let wrong = send(create(wanted("wrong"))).await;
    assert!(wrong.status.is_client_error(), "the probe refuses it: {}", wrong.body);
    let incomplete = send(create(json!({"name": "mine", "element": {"key": "shelf"}}))).await.expect(400);
    assert!(incomplete.body["message"].as_str().unwrap().contains("shelf.key"), "{}", incomplete.body);
    let instance = send(create(wanted(KEY))).await.expect(200).body;
    assert_eq!(instance["configuration"]["shelf.key"], "********");
    let token = format!("Element {}", instance["token"].as_str().unwrap());
    let call = |request: reqwest::RequestBuilder| send(request.header("Authorization", &token));

    for number in 1..=7 {
        let (content_type, body) = form("x", format!("book {number}").as_bytes());
        let upload = http.post(url(&format!("/hubs/documents/files?path=/b{number}.txt")));
        let made = call(upload.header("Content-Type", content_type).body(body)).await.expect(200).body;
        assert_eq!((&made["size"], &made["modifiedDate"]), (&json!(6), &json!(1_714_979_289_000_i64)));
    }
    let all =
        call(http.get(url("/hubs/documents/folders/contents?path=/&orderBy=name%20desc&pageSize=2"))).await.expect(200);
    assert_eq!(all.names(), ["b7.txt", "b6.txt"]);
    let page = call(http.get(url("/folders/contents?path=/&pageSize=2&page=3"))).await.expect(200);
    assert_eq!(page.names(), ["b5.txt", "b6.txt"]);
    assert_eq!(call(http.get(url("/files?path=/b3.txt"))).await.expect(200).bytes, b"book 3");
    call(http.delete(url("/files?path=/b3.txt"))).await.expect(200);
    let gone = call(http.get(url("/files/metadata?path=/b3.txt"))).await.expect(404);
    assert_eq!(gone.body["providerMessage"], "nothing on the shelf there");
    // A changed file is taken up while it serves; a broken one changes nothing.
    let file = mappings.join("elements/shelf.json");
    for name in ["Shelf two", "Shelf three"] {
        std::fs::write(&file, "{ broken").unwrap();
        let mut changed = mapping(&root);
        changed["name"] = json!(name);
        std::fs::write(&file, changed.to_string()).unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let seen = send(http.get(url("/elements/shelf"))).await.expect(200).body;
            if seen["name"] == name {
                break;
            }
            assert!(std::time::Instant::now() < until, "{name} is not taken up");
        }
    }
    let cannot = call(http.get(url("/storage"))).await;
    assert!(cannot.status.is_client_error(), "{}", cannot.body);
    assert!(cannot.body["message"].as_str().unwrap().contains("does not support"), "{}", cannot.body);
}
