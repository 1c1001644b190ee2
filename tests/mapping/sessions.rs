//! Upload sessions of the kinds that no built-in element may have: told by examples of an element made up here.

use hubgate::{catalog::source::Files, gateway::examples};
use serde_json::{Value, json};

const FILE: &str = "elements/acmedrive/examples/uploads.json";

/// What is wrong with an element whose uploads go as `session` says, making `calls` for the file `hello world`.
fn problems(session: &Value, calls: &Value) -> Vec<String> {
    let mut files = Files::built_in();
    let element = json!({"extends": "dropbox", "id": 99_001, "key": "acmedrive", "name": "Acme Drive"});
    let plain = json!({"method": "POST", "host": "content", "path": "/plain", "file": true});
    let mut step = plain;
    step["session"] = session.clone();
    let resource = json!({"resource": "files", "operations": {"upload": {"steps": [step]}}});
    let metadata = metadata();
    let example = json!({"examples": [{
        "operation": "files.upload", "name": "in parts",
        "request": {"query": {"path": "/hello.txt"}, "file": "hello world", "parts": 4}, "calls": calls,
        "answer": {"body": {
            "id": "%252Fhello.txt", "refId": "id:1", "name": "hello.txt", "path": "/hello.txt", "size": 11, "directory": false,
            "createdDate": 1_715_529_038_000_u64, "modifiedDate": 1_715_587_262_000_u64, "parentFolderId": "%252F",
            "properties": {"mimeType": "text/plain"}
        }}
    }]});
    assert_eq!(metadata["size"], 11);
    files.0.insert("elements/acmedrive/element.json".to_owned(), element.to_string());
    files.0.insert("elements/acmedrive/files.json".to_owned(), resource.to_string());
    files.0.insert(FILE.to_owned(), example.to_string());
    let problems = examples::check(&files).problems;
    // Its other operations have no examples here.
    let own = |problem: &&hubgate::catalog::Problem| {
        problem.file == FILE || problem.file.contains("acmedrive") && problem.pointer.contains("upload")
    };
    problems.iter().filter(own).map(ToString::to_string).collect()
}

fn metadata() -> Value {
    json!({"id": "id:1", "name": "hello.txt", "path_display": "/hello.txt", "path_lower": "/hello.txt", "size": 11,
           "client_modified": "2024-05-12T15:50:38Z", "server_modified": "2024-05-13T08:01:02Z"})
}

#[test]
fn an_address_in_a_header_and_ranges_that_arrived() {
    let url = "https://content.dropboxapi.com/sessions/1";
    let session = json!({
        "above": 4,
        "start": {"method": "POST", "host": "content", "path": "/sessions", "json": {"name": "{target.name}"},
                  "answer": {"include": {"url": "Location"}}},
        "part": {"method": "PUT", "urlFrom": "session.url", "file": true, "accept": 308, "answer": {"include": {"range": "Range"}},
                 "headers": {"Content-Range": "bytes {chunk.offset}-{chunk.end}/{file.size|default:*}"}},
        "status": {"method": "PUT", "urlFrom": "session.url", "accept": [308], "answer": {"include": {"range": "Range"}},
                   "headers": {"Content-Range": "bytes */{file.size|default:*}"}},
        "arrived": {"path": "$.range", "told": "received", "absent": "nothing"},
        "done": {"$.id": {"present": true}},
    });
    let put = |range: &str, text: &str, reply: Value| {
        let headers = json!({"Authorization": "Bearer access-token", "Content-Range": range});
        let mut request = json!({"method": "PUT", "url": url, "headers": headers});
        if !text.is_empty() {
            request["text"] = json!(text);
        }
        json!({"request": request, "reply": reply})
    };
    let calls = json!([
        {"request": {"method": "POST", "url": "https://content.dropboxapi.com/sessions", "body": {"name": "hello.txt"}},
         "reply": {"headers": {"Location": url}}},
        put("bytes 0-3/11", "hell", json!({"status": 308, "headers": {"Range": "bytes=0-3"}})),
        // Less than the part was taken.
        put("bytes 4-7/11", "o wo", json!({"status": 308, "headers": {"Range": "bytes=0-5"}})),
        put("bytes 6-7/11", "wo", json!({"status": 503})),
        put("bytes */11", "", json!({"status": 308, "headers": {"Range": "bytes=0-7"}})),
        put("bytes 8-10/11", "rld", json!({"status": 503})),
        // The answer that was the file was lost.
        put("bytes */11", "", json!({"status": 201, "body": metadata()})),
    ]);
    assert_eq!(problems(&session, &calls), Vec::<String>::new());
}

#[test]
fn a_url_elsewhere_that_is_a_key_itself_and_ranges_still_wanted() {
    let url = "https://1.store.example/up?key=k";
    let session = json!({
        "above": 4,
        "start": {"method": "POST", "path": "/createUploadSession"},
        "part": {"method": "PUT", "urlFrom": "session.uploadUrl", "authenticated": false, "file": true,
                 "headers": {"Content-Range": "bytes {chunk.offset}-{chunk.end}/{file.size}"}},
        "status": {"method": "GET", "urlFrom": "session.uploadUrl", "authenticated": false},
        "arrived": {"path": "$.nextExpectedRanges", "told": "missing"},
        "done": {"$.id": {"present": true}},
        "abort": {"method": "DELETE", "urlFrom": "session.uploadUrl", "authenticated": false, "answer": {"format": "none"}},
    });
    let put = |range: &str, text: &str, reply: Value| {
        let headers = json!({"Authorization": null, "Content-Range": range});
        json!({"request": {"method": "PUT", "url": url, "headers": headers, "text": text}, "reply": reply})
    };
    let start = json!({"request": {"method": "POST", "url": "https://api.dropboxapi.com/createUploadSession",
                                   "headers": {"Authorization": "Bearer access-token"}},
                       "reply": {"body": {"uploadUrl": url}}});
    let calls = json!([
        start,
        put("bytes 0-3/11", "hell", json!({"status": 202, "body": {"nextExpectedRanges": ["4-10"]}})),
        put("bytes 4-7/11", "o wo", json!({"status": 500})),
        {"request": {"method": "GET", "url": url, "headers": {"Authorization": null}},
         "reply": {"body": {"nextExpectedRanges": ["4-10"]}}},
        put("bytes 4-7/11", "o wo", json!({"status": 202, "body": {"nextExpectedRanges": ["8-10"]}})),
        put("bytes 8-10/11", "rld", json!({"status": 201, "body": metadata()})),
    ]);
    assert_eq!(problems(&session, &calls), Vec::<String>::new());
    // What fails for good is given up, and a session that is gone is not a file that is not there.
    let calls = json!([
        start,
        put("bytes 0-3/11", "hell", json!({"status": 404})),
        {"request": {"method": "DELETE", "url": url, "headers": {"Authorization": null}}, "reply": {"status": 204}},
    ]);
    let found = problems(&session, &calls);
    assert!(found.len() == 1 && found[0].contains("502"), "{found:?}");
}

#[test]
fn mistakes_of_a_session_are_told() {
    let session = json!({
        "above": 4, "align": 3, "size": 8, "start": {"method": "POST", "path": "/s"}, "part": {"method": "PUT", "path": "/p"},
        "status": {"method": "GET", "path": "/p"}, "abort": {"method": "DELETE", "path": "/p/{query.path}"},
    });
    let found = problems(&session, &json!([])).join("\n");
    for expected in
        ["/session/size: parts of 8 bytes", "/session/part: carries no file", "add `arrived`", "`abort` refers"]
    {
        assert!(found.contains(expected), "{expected}: {found}");
    }
}
