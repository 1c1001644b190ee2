//! `hubgate demo --json`: one line once everything is ready, and everything in it works.

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
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A running demo; killed when dropped.
struct Demo {
    process: Child,
    line: Value,
    rest: BufReader<std::process::ChildStdout>,
}

impl Demo {
    fn start(data: Option<&Path>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubgate"));
        command.args(["demo", "--json", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        let mut process = command.spawn().unwrap();
        let mut rest = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        rest.read_line(&mut line).unwrap();
        let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { process, line, rest }
    }

    fn text(&self, pointer: &str) -> &str {
        self.line.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {}", self.line))
    }

    fn get(&self, path: &str, authorization: &str) -> (u16, Value) {
        let (host, base) = self.text("/baseUrl").strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "GET /{base}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn interrupt(mut self) {
        let status = Command::new("kill").args(["-s", "INT", &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
        let mut more = String::new();
        self.rest.read_to_string(&mut more).unwrap();
        assert_eq!(more, "", "one line is all there is on standard output");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn every_element_has_a_connected_instance() {
    let demo = Demo::start(None);
    let sandboxes = demo.line["sandboxes"].as_object().unwrap();
    assert!(!sandboxes.is_empty());
    for (key, urls) in sandboxes {
        assert!(urls["api"].is_string(), "{key}: {urls}");
        assert!(demo.line["instances"].get(key).is_some(), "{key} is not connected");
    }
    let account = format!("User {}, Organization {}", demo.text("/userSecret"), demo.text("/organizationSecret"));
    let (status, instances) = demo.get("/instances", &account);
    assert_eq!(status, 200);
    assert_eq!(instances.as_array().unwrap().len(), demo.line["instances"].as_object().unwrap().len());
    for (key, instance) in demo.line["instances"].as_object().unwrap() {
        assert!(instance["id"].is_i64());
        let token = format!("Element {}", instance["token"].as_str().unwrap());
        let (status, pong) = demo.get("/ping", &token);
        assert_eq!((status, &pong["endpoint"]), (200, &Value::from(key.as_str())), "{pong}");
    }
    // A token alone suffices; what comes along must be right, and be of the same house.
    let token = demo.text("/instances/box/token").to_owned();
    let user = demo.text("/userSecret").to_owned();
    let path = "/hubs/documents/folders/contents?path=/";
    for (authorization, expected) in [
        (format!("Element {token}"), 200),
        (format!("token: {token},user   {user}"), 200),
        (format!("Element {token}, {account}"), 200),
        (format!("Element {token}, User wrong"), 401),
        (format!("Element {token}, Organization {user}"), 401),
        ("Element wrong".to_owned(), 401),
        (account, 401),
        (String::new(), 401),
    ] {
        let (status, body) = demo.get(path, &authorization);
        assert_eq!(status, expected, "{authorization}: {body}");
        assert!(status == 200 || body["code"] == "unauthorized" && body["requestId"].is_string(), "{body}");
    }
    demo.interrupt();
}

#[test]
fn a_kept_data_directory_keeps_the_account_the_instances_and_their_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let first = Demo::start(Some(dir.path()));
    let kept = ["/userSecret", "/organizationSecret", "/instances"].map(|at| first.line.pointer(at).unwrap().clone());
    first.interrupt();
    let second = Demo::start(Some(dir.path()));
    assert_eq!(
        kept,
        ["/userSecret", "/organizationSecret", "/instances"].map(|at| second.line.pointer(at).unwrap().clone())
    );
    for instance in second.line["instances"].as_object().unwrap().values() {
        let (status, body) = second.get("/ping", &format!("Element {}", instance["token"].as_str().unwrap()));
        assert_eq!(status, 200, "{body}");
    }
    second.interrupt();
}
