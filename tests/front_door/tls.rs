//! TLS at the listener.

use std::{path::Path, time::Duration};

use hubgate::config::Config;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::support::Gateway;

const LONG: Duration = Duration::from_secs(60);

/// A new certificate for `localhost` in `directory`, for callers as the authority that they trust.
fn issue(directory: &Path) -> Certificate {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("tls.key"), signing_key.serialize_pem()).unwrap();
    std::fs::write(directory.join("tls.crt"), cert.pem()).unwrap();
    Certificate::from_pem(cert.pem().as_bytes()).unwrap()
}

fn with_tls(config: &mut Config, directory: &Path) {
    config.server.tls_cert_file = Some(directory.join("tls.crt"));
    config.server.tls_key_file = Some(directory.join("tls.key"));
    config.server.header_timeout_s = 1;
}

#[expect(clippy::disallowed_methods, reason = "this client is the application's, not the gateway's")]
fn client(trusted: Certificate) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).pool_max_idle_per_host(0).build().unwrap()
}

fn url(gateway: &Gateway) -> String {
    let port = gateway.base.rsplit(':').next().unwrap().split('/').next().unwrap();
    format!("https://localhost:{port}/healthz")
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = issue(directory.path());
    let gateway = Gateway::start(&[], |config| with_tls(config, directory.path())).await;
    let first = client(trusted);
    let answer = first.get(url(&gateway)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));

    let second = client(issue(directory.path()));
    let until = Instant::now() + LONG;
    // Its change has to be noticed first.
    while let Err(error) = second.get(url(&gateway)).send().await {
        assert!(error.is_connect() && Instant::now() < until, "{error:?}");
        tokio::task::yield_now().await;
    }
    assert!(first.get(url(&gateway)).send().await.unwrap_err().is_connect(), "the old one is no longer shown");
    // A half-written file changes nothing.
    std::fs::write(directory.path().join("tls.crt"), "-----BEGIN CERT").unwrap();
    for _ in 0..20 {
        assert_eq!(second.get(url(&gateway)).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn whoever_does_not_shake_hands_is_put_out() {
    let directory = tempfile::tempdir().unwrap();
    let trusted = issue(directory.path());
    let gateway = Gateway::start(&[], |config| with_tls(config, directory.path())).await;
    let address = gateway.base.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    for first in ["", "\u{16}\u{3}\u{1}", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        drop(timeout(LONG, stream.read_to_end(&mut rest)).await.unwrap());
        assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    }
    assert_eq!(client(trusted).get(url(&gateway)).send().await.unwrap().status(), 200);
}
