//! `hubgate check`, as it is run from a command line.

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
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::json;

fn check(directory: Option<&Path>) -> Output {
    let empty = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubgate"));
    // An empty working directory: nothing is laid over the built-in files unless the test says so.
    command.arg("check").args(directory).current_dir(empty.path()).env_clear();
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn put(directory: &Path, file: &str, value: &serde_json::Value) {
    let path = directory.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn the_built_in_files_are_in_order() {
    let output = check(None);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).trim_end().ends_with("no problems"), "{}", text(&output.stdout));
}

/// A small element of the documents hub; what is asked of it can be broken in many ways.
fn element() -> serde_json::Value {
    json!({
        "$schema": "../../schema/element.json",
        "id": 9001, "key": "acmedrive", "name": "Acme Drive", "description": "Files of an Acme account", "hub": "documents",
        "authentication": {"type": "none"},
        "hosts": {"api": "https://api.acme.example"},
        "unsupported": {"*": "Acme offers nothing else"}
    })
}

fn storage(fields: &serde_json::Value) -> serde_json::Value {
    json!({
        "$schema": "../../schema/element-resource.json",
        "resource": "storage", "fields": fields,
        "operations": {"get": {"method": "GET", "path": "/quota"}}
    })
}

fn example(answer: &serde_json::Value) -> serde_json::Value {
    json!({"examples": [{
        "operation": "storage.get", "name": "the space",
        "calls": [{
            "request": {"method": "GET", "url": "https://api.acme.example/quota"},
            "reply": {"body": {"shared": 1, "total": 10, "used": 3}}
        }],
        "answer": answer
    }]})
}

#[test]
fn an_element_from_files_alone_is_checked_and_run() {
    let directory = tempfile::tempdir().unwrap();
    put(directory.path(), "elements/acmedrive/element.json", &element());
    put(
        directory.path(),
        "elements/acmedrive/storage.json",
        &storage(&json!({"shared": "$.shared", "total": "$.total", "used": "$.used"})),
    );
    put(
        directory.path(),
        "elements/acmedrive/examples/storage.json",
        &example(&json!({"body": {"shared": 1, "total": 10, "used": 3}})),
    );
    let output = check(Some(directory.path()));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

#[test]
fn what_is_neither_done_nor_declared_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut partial = element();
    partial["unsupported"] = json!({
        "folders": "Acme is flat", "files": "Acme keeps no files", "serch": "?", "storage": "said in error", "me.get": "no accounts"
    });
    put(at, "elements/acmedrive/element.json", &partial);
    let fields = json!({"shared": "$.shared", "total": "$.total", "used": "$.used"});
    put(at, "elements/acmedrive/storage.json", &storage(&fields));
    put(
        at,
        "elements/acmedrive/examples/storage.json",
        &example(&json!({"body": {"shared": 1, "total": 10, "used": 3}})),
    );
    let output = check(Some(at));
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for line in [
        "elements/acmedrive/element.json: /unsupported/serch: the hub `documents` has neither a resource nor an operation `serch`",
        "elements/acmedrive/element.json: /unsupported: `storage` is declared unsupported, but there is `storage.get`",
        "elements/acmedrive/element.json: /unsupported: `acmedrive` neither carries out nor declares unsupported: `search.",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert!(!told.contains("`me.get`"), "{told}");
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut broken = element();
    broken["autentication"] = json!({});
    broken["id"] = json!("9001");
    put(at, "elements/acmedrive/element.json", &broken);
    // A bad path, and the field `used` neither mapped nor declared.
    put(at, "elements/acmedrive/storage.json", &storage(&json!({"shared": "shared[", "total": "$.total"})));
    // An element that loads, without any example, and one whose example fails.
    let mut second = element();
    second["id"] = json!(9002);
    second["key"] = json!("otherdrive");
    put(at, "elements/otherdrive/element.json", &second);
    put(
        at,
        "elements/otherdrive/storage.json",
        &storage(&json!({"shared": "$.shared", "total": "$.total", "used": "$.used"})),
    );
    put(
        at,
        "elements/otherdrive/me.json",
        &json!({
            "resource": "me", "fields": {"id": "$.id", "name": "$.name", "email": "$.email"},
            "operations": {"get": {"method": "GET", "path": "/me"}}
        }),
    );
    put(
        at,
        "elements/otherdrive/examples/storage.json",
        &example(&json!({"body": {"shared": 1, "total": 11, "used": 3}})),
    );
    put(at, "elements/thirddrive/element.json", &json!([]));
    fs::write(at.join("elements/thirddrive/broken.json"), "{").unwrap();

    let output = check(Some(at));
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let line = |start: &str| {
        told.lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("nothing of {start} in:\n{told}"))
            .to_owned()
    };
    let key = line("elements/acmedrive/element.json: /autentication: ");
    assert!(key.contains("unknown key `autentication`") && key.contains("did you mean `authentication`?"), "{key}");
    let kind = line("elements/acmedrive/element.json: /id: ");
    assert!(kind.contains("is a string, should be a whole number"), "{kind}");
    assert!(line("elements/thirddrive/broken.json: ").contains("is not JSON"));
    assert!(line("elements/thirddrive/element.json: (the whole file): ").contains("is an array, should be an object"));
    let path = line("elements/acmedrive/storage.json: /fields/shared: ");
    assert!(path.contains("is not a JSONPath") && path.contains("write it like $.a.b"), "{path}");
    let field = line("elements/acmedrive/storage.json: /fields: ");
    assert!(field.contains("the field `used`") && field.contains("\"unsupported\""), "{field}");
    let missing = line("elements/acmedrive/storage.json: /operations/get: ");
    assert!(missing.contains("no example of `storage.get`"), "{missing}");
    assert!(line("elements/otherdrive/me.json: /operations/get: ").contains("no example of `me.get`"));
    let failing = line("elements/otherdrive/examples/storage.json: /examples/0/answer/body/total: ");
    assert!(failing.contains("recorded as 11, but it is 10"), "{failing}");
    assert!(text(&output.stdout).trim_end().ends_with("9 problems"), "{}", text(&output.stdout));
}

#[test]
fn what_is_no_directory_is_told() {
    let output = check(Some(Path::new("/nowhere/at/all")));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is not a directory"));
}
