//! Requests byte by byte: what RFC 9112 has a server refuse is refused, and the connection is not read on.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::support::Gateway;

/// What comes back for `request` until the other side closes.
async fn answer(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may be closed before it has all.
    drop(stream.write_all(request).await);
    let mut came = Vec::new();
    drop(timeout(Duration::from_secs(60), stream.read_to_end(&mut came)).await.unwrap());
    String::from_utf8_lossy(&came).into_owned()
}

fn address(gateway: &Gateway) -> String {
    gateway.base.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned()
}

/// A request whose smuggled second half would be answered by a server that read the framing otherwise.
fn smuggling(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /healthz HTTP/1.1\r\nHost: t\r\n{headers}\r\n\r\n{body}GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n")
        .into_bytes()
}

#[tokio::test]
async fn framing_that_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_answered() {
    let gateway = Gateway::start(&[], |config| config.server.header_timeout_s = 2).await;
    let at = address(&gateway);
    for headers in [
        "Content-Length: 4\r\nContent-Length: 6",
        "Content-Length: +2",
        "Content-Length: 2, 2",
        "Content-Length: -1",
        "Content-Length: 2a",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        " Content-Length: 4",
        "X: a\r\n b",
        "X: a\rb",
        "X: a\0b",
        "X y: z",
        "X",
        ": z",
        "Host: u",
        "host: t",
    ] {
        let text = answer(&at, &smuggling(headers, "0\r\n\r\n")).await;
        assert!(text.starts_with("HTTP/1.1 400 "), "{headers:?}: {text}");
        assert_eq!(
            (text.matches("HTTP/1.1 2").count(), text.matches("HTTP/1.1 4").count()),
            (0, 1),
            "{headers:?}: {text}"
        );
    }
    // RFC 9112 section 6.3: the transfer coding counts, and the connection is closed after the answer.
    for headers in
        ["Transfer-Encoding: chunked\r\nContent-Length: 4", "Content-Length: 4\r\nTransfer-Encoding: chunked"]
    {
        let text = answer(&at, &smuggling(headers, "0\r\n\r\n")).await;
        assert!(text.starts_with("HTTP/1.1 4") && text.contains("connection: close"), "{headers:?}: {text}");
        assert_eq!(
            (text.matches("HTTP/1.1 2").count(), text.matches("HTTP/1.1 4").count()),
            (0, 1),
            "{headers:?}: {text}"
        );
    }
}

#[tokio::test]
async fn heads_that_are_no_heads_are_refused() {
    let gateway = Gateway::start(&[], |config| {
        config.server.header_timeout_s = 2;
        config.server.idle_timeout_s = 2;
    })
    .await;
    let at = address(&gateway);
    let long = "a".repeat(70_000);
    let many = "x: y\r\n".repeat(120);
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET /healthz HTTP/9.9\r\nHost: t\r\n\r\n".to_owned(), "400"),
        ("GET /healthz\r\n\r\n".to_owned(), "400"),
        ("POST /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "400"),
        ("GET  /healthz HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(), "400"),
        ("G@T /healthz HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}\u{2}".repeat(20) + "\r\n\r\n", "400"),
        (format!("GET /healthz HTTP/1.1\r\nHost: t\r\n{many}\r\n"), "431"),
        (format!("GET /healthz HTTP/1.1\r\nHost: t\r\nx: {long}\r\n\r\n"), "431"),
        (format!("GET /{long} HTTP/1.1\r\nHost: t\r\n\r\n"), "4"),
    ] {
        let text = answer(&at, request.as_bytes()).await;
        let shown: String = request.chars().take(80).collect();
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{shown:?}: {text:?}");
    }
}

#[tokio::test]
async fn odd_paths_are_answers_and_never_another_path() {
    let gateway = Gateway::start(&[], |config| config.server.idle_timeout_s = 2).await;
    let at = address(&gateway);
    for path in ["/../healthz", "/./healthz", "/%2e%2e/healthz", "/x/../healthz", "/%zz", "/\u{e9}", "*", "/healthz%00"]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        let text = answer(&at, request.as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 4"), "{path}: {text}");
    }
    // RFC 9112 section 3.2.2: the absolute form is read as what it says.
    let text = answer(&at, b"GET http://t/healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}
