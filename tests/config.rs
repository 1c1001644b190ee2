//! Settings and their layers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

use std::{ffi::OsString, path::PathBuf};

use hubgate::config::{Config, Invalid, LogFormat, Override, Sources};

fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hubgate.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn problems(result: Result<Config, Invalid>) -> Vec<(String, String)> {
    result.unwrap_err().problems.into_iter().map(|problem| (problem.place, problem.message)).collect()
}

fn listen(value: &str) -> Override {
    Override { section: "server", key: "listen", value: value.to_owned(), flag: "--listen" }
}

#[test]
fn defaults_alone_are_a_valid_configuration() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.metrics.listen.unwrap().to_string(), "127.0.0.1:9464");
    assert!(config.egress.allow.is_empty());
}

#[test]
fn later_layers_win_key_by_key() {
    let (_dir, path) = file(
        r#"
        [server]
        listen = "127.0.0.1:1111"
        drain_s = 5
        body_limit_bytes = 10

        [metrics]
        listen = ""

        [elements.acme.configuration]
        "oauth.api.key" = "from the file"
        "oauth.callback.url" = "https://app.example/cb"
        "#,
    );
    let sources = Sources {
        file: Some(path),
        environment: environment(&[
            ("HUBGATE_SERVER__LISTEN", "localhost:2222"),
            ("HUBGATE_SERVER__DRAIN_S", "6"),
            ("HUBGATE_LOG__FORMAT", "json"),
            ("HUBGATE_CATALOG__WATCH", "false"),
            ("HUBGATE_EGRESS__ALLOW", "127.0.0.1, *.corp.example"),
            ("HUBGATE_ELEMENTS__ACME__OAUTH_API_KEY", "12345"),
            ("HUBGATE_CONFIG", "elsewhere.toml"),
            ("HUBGATE_PORT", "tcp://10.0.0.1:80"),
            ("HUBGATE_SERVICE_HOST", "10.0.0.1"),
            ("OTHER", "x"),
        ]),
        overrides: vec![listen("[::1]:0")],
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.server.listen.to_string(), "[::1]:0");
    assert_eq!(config.server.drain_s, 6);
    assert_eq!(config.server.body_limit_bytes, 10);
    assert_eq!(config.metrics.listen, None);
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(!config.catalog.watch);
    assert_eq!(config.egress.allow, ["127.0.0.1", "*.corp.example"]);
    let acme = &config.elements["acme"].configuration;
    assert_eq!(acme["oauth.api.key"], "12345");
    assert_eq!(acme["oauth.callback.url"], "https://app.example/cb");
}

#[test]
fn every_bad_setting_is_named_with_its_place() {
    let (_dir, path) = file(
        r#"
        [server]
        lisen = "127.0.0.1:1"
        drain_s = "soon"

        [serverr]
        x = 1

        [limits]
        instance_concurrency = 0
        "#,
    );
    let sources = Sources {
        file: Some(path.clone()),
        environment: environment(&[
            ("HUBGATE_LOG__FORMAT", "xml"),
            ("HUBGATE_SERVER_LISTEN", "127.0.0.1:1"),
            ("HUBGATE_SEVER__LISTEN", "127.0.0.1:1"),
            ("HUBGATE_LOG__LEVEL", "hubgate=loud"),
        ]),
        overrides: vec![listen("nowhere")],
    };
    let problems = problems(Config::load(&sources));
    let file = path.display().to_string();
    let expected = [
        (format!("{file}: server.drain_s"), "u64"),
        (format!("{file}: server.lisen"), "`listen`"),
        (format!("{file}: serverr"), "did you mean server?"),
        ("HUBGATE_LOG__FORMAT".to_owned(), "`human`"),
        ("HUBGATE_SERVER_LISTEN".to_owned(), "HUBGATE_SERVER__LISTEN"),
        ("HUBGATE_SEVER__LISTEN".to_owned(), "did you mean server?"),
        ("--listen".to_owned(), "127.0.0.1:8080"),
        ("limits.instance_concurrency".to_owned(), "at least 1"),
        ("log.level".to_owned(), "hubgate=loud"),
    ];
    for (place, part) in &expected {
        assert!(
            problems.iter().any(|(found, message)| found == place && message.contains(part)),
            "{place}: …{part}… is not in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn a_file_that_is_not_there_or_not_toml_is_said_so_without_its_text() {
    let missing = Sources { file: Some(PathBuf::from("/nonexistent/x.toml")), ..Sources::default() };
    assert!(problems(Config::load(&missing))[0].1.contains("cannot be read"));

    let (_dir, path) = file("[server]\nlisten = \"127.0.0.1:1\"\nsecret = = hunter2\n");
    let broken = problems(Config::load(&Sources { file: Some(path.clone()), ..Sources::default() }));
    assert_eq!(broken[0].0, format!("{}:3", path.display()));
    assert!(!broken[0].1.contains("hunter2"), "{broken:?}");
}

#[test]
fn element_configuration_is_not_printed() {
    let sources = Sources {
        environment: environment(&[("HUBGATE_ELEMENTS__ACME__OAUTH_API_SECRET", "hunter2")]),
        ..Sources::default()
    };
    let printed = format!("{:?}", Config::load(&sources).unwrap());
    assert!(printed.contains("oauth.api.secret") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn addresses_of_services_are_secrets() {
    let load =
        |pairs: &[(&str, &str)]| Config::load(&Sources { environment: environment(pairs), ..Sources::default() });
    let url = "postgres://me:hunter2@db.example/hubgate?sslmode=require";
    let redis = ("HUBGATE_CACHE__REDIS_URL", "redis://:hunter3@cache.example");
    let key = ("HUBGATE_STORE__MASTER_KEY_FILE", "/run/key");
    let config = load(&[("DATABASE_URL", url), redis, key]).unwrap();
    let printed = format!("{config:?}");
    assert!(config.store.database_url.is_some() && config.cache.redis_url.is_some());
    assert!(!printed.contains("hunter"), "{printed}");
    // Our own name wins, and nothing is nothing.
    assert!(load(&[("DATABASE_URL", url), ("HUBGATE_STORE__DATABASE_URL", "")]).unwrap().store.database_url.is_none());

    let place = |pairs: &[(&str, &str)]| problems(load(pairs)).remove(0);
    assert_eq!(place(&[("DATABASE_URL", url)]).0, "store.master_key_file");
    assert_eq!(place(&[redis]).0, "cache.redis_url");
    for wrong in ["mysql://me:hunter2@db.example/x", "hunter2", "postgres://me:hunter2@db.example:port/x"] {
        let (place, message) = place(&[("DATABASE_URL", wrong), key]);
        assert_eq!(place, "DATABASE_URL");
        assert!(message.contains("write postgres://") && !message.contains("hunter2"), "{message}");
    }
}

#[test]
fn the_documented_configuration_is_the_default_one() {
    let document = include_str!("../docs/configuration.md");
    let example = document.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (_dir, path) = file(example);
    let documented = Config::load(&Sources { file: Some(path), ..Sources::default() }).unwrap();
    assert_eq!(format!("{documented:?}"), format!("{:?}", Config::load(&Sources::default()).unwrap()));
    // What stands behind a comment sign is no less right.
    let (_dir, path) = file(&example.replace("\n# ", "\n"));
    Config::load(&Sources { file: Some(path), ..Sources::default() }).unwrap();
}
