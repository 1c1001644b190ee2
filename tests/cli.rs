//! The binary, as a shell or a container meets it.

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
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

fn hubgate(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubgate"));
    command.current_dir(dir);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HUBGATE_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL");
    command
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    hubgate(dir).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_command_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["demo", "--help"],
        &["check", "--help"],
        &["health", "--help"],
        &["account", "create", "--help"],
        &["migrate", "--help"],
        &["audit", "verify", "--help"],
        &["key", "list", "--help"],
        &["key", "add", "--help"],
        &["key", "rotate", "--help"],
        &["key", "remove", "--help"],
        &["backup", "--help"],
        &["restore", "--help"],
    ] {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let help = text(&output.stdout);
        assert!(help.contains("Usage: hubgate"), "{help}");
        assert!(arguments.len() == 1 || help.contains("Examples:"), "{help}");
    }
}

#[test]
fn wrong_usage_and_wrong_settings_exit_with_2_on_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["account", "create"], "--organization"),
        (&["serve", "--listen", "nowhere"], "--listen: \"nowhere\" is no address"),
        (&["serve", "--config", "missing.toml"], "missing.toml: cannot be read"),
        (&["check", "missing"], "missing is not a directory"),
    ] {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_built_in_mapping_files_pass_their_check() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).ends_with("no problems\n"), "{}", text(&output.stdout));
}

#[test]
fn a_broken_mapping_file_is_told_with_place_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let element = dir.path().join("mine/elements/acme");
    std::fs::create_dir_all(&element).unwrap();
    let file = r#"{"id": "7", "key": "acme", "nmae": "Acme", "hub": "documents", "authentication": {"type": "none"},
                   "hosts": {"api": "https://api.acme.example"}}"#;
    std::fs::write(element.join("element.json"), file).unwrap();
    let output = run(dir.path(), &["check", "mine"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("elements/acme/element.json: ")).collect();
    assert!(lines.iter().any(|line| line.contains("nmae") && line.contains("name")), "{said}");
    assert!(lines.iter().any(|line| line.contains("/id")), "{said}");
}

#[test]
fn an_account_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let create = ["account", "create", "--organization", "Acme", "--email", "ada@acme.example", "--json"];
    let output = run(dir.path(), &create);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let account: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(account["organizationSecret"].as_str().unwrap().len(), 32);
    assert!(account["userSecret"].as_str().unwrap().len() >= 43);
    assert!(dir.path().join("hubgate-data/master.key").exists());
    let again = run(dir.path(), &create);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).starts_with("hubgate: "));
}

/// A running `hubgate serve`; killed when dropped.
struct Server(Child);

impl Server {
    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serve_does_not_start_with_faulty_mapping_files() {
    let dir = tempfile::tempdir().unwrap();
    let acme = dir.path().join("mappings/elements/acme");
    std::fs::create_dir_all(&acme).unwrap();
    std::fs::write(acme.join("element.json"), r#"{"key": "acme", "hub": "documents", "hots": {}}"#).unwrap();
    let output = run(dir.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    for part in
        ["the mapping files are refused", "elements/acme/element.json: /hots: unknown key", "did you mean `hosts`?"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn serve_logs_reloads_and_stops_as_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("mappings")).unwrap();
    let mut command = hubgate(dir.path());
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("HUBGATE_LOG__FORMAT", "json")
        .env("HUBGATE_METRICS__LISTEN", "")
        .env("HUBGATE_CATALOG__WATCH", "false")
        .stdout(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut log = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let mut wait_for = |message: &str| -> Value {
        loop {
            let line: Value = serde_json::from_str(&log.next().expect("a line").unwrap()).unwrap();
            if line["message"].as_str().unwrap().contains(message) {
                break line;
            }
        }
    };
    let listening = wait_for("listening");
    let address = listening["address"].as_str().unwrap();
    assert!(get(address, "/readyz").starts_with("HTTP/1.1 200"));
    let answered = wait_for("answered");
    assert_eq!(answered["route"], "/readyz");
    assert_eq!(answered["span"]["request_id"].as_str().unwrap().len(), 24);
    assert_eq!(run(dir.path(), &["health", "--ready", "--address", address]).status.code(), Some(0));

    // A broken set is refused, the old one serves on; then a good one is taken.
    let broken = dir.path().join("mappings/elements/acme");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("element.json"), "{").unwrap();
    server.signal("HUP");
    wait_for("refused");
    assert!(get(address, "/elements/api-v2/elements/keys").starts_with("HTTP/1.1 200"));
    std::fs::remove_dir_all(&broken).unwrap();
    server.signal("HUP");
    wait_for("reloaded");

    server.signal("TERM");
    wait_for("stopped");
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    let down = run(dir.path(), &["health", "--address", address]);
    assert_eq!(down.status.code(), Some(1));
    assert!(text(&down.stderr).contains("does not answer"));
}
