//! The server as a stranger meets it: over sockets, with requests written byte by byte.

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
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, extract::Request, routing};
use hubgate::{
    api::{Front, Serving, server},
    app::App,
    clock::SystemClock,
    config::{Config, Sources},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[path = "support/nothing_else.rs"]
mod nothing_else;

const LONG: Duration = Duration::from_secs(60);

async fn app(settings: &str) -> (tempfile::TempDir, App) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hubgate.toml");
    std::fs::write(&file, settings).unwrap();
    let mut config = Config::load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    config.server.listen.set_port(0);
    config.metrics.listen = Some("127.0.0.1:0".parse().unwrap());
    config.store.data_dir = dir.path().join("data");
    config.catalog.path = dir.path().join("mappings");
    nothing_else::lay_over_all(&config.catalog.path);
    (dir, App::build(config, Arc::new(SystemClock)).await.unwrap())
}

async fn start(settings: &str) -> (tempfile::TempDir, Serving) {
    let (dir, app) = app(settings).await;
    (dir, Serving::start(app).await.unwrap())
}

/// Serves routes of the test's own behind the real front.
async fn serve_routes(settings: &str, routes: Router) -> (tempfile::TempDir, SocketAddr, App) {
    let (dir, app) = app(settings).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (front, config, stop) = (Front::new(app.clone(), routes, true), Arc::clone(&app.config), app.shutdown.clone());
    tokio::spawn(async move { server::serve(listener, front, &config.server, None, stop).await });
    (dir, address, app)
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// Sends `raw` and reads until the other side closes.
async fn send(address: SocketAddr, raw: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(raw.as_bytes()).await.unwrap();
    read(&mut stream).await
}

async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("the connection is closed").unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")).await
}

/// The one shape of errors, with the id of the header.
fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["code"], code, "{body}");
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    let id = body["requestId"].as_str().unwrap();
    assert_eq!(answer.header("elements-request-id"), Some(id));
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn health_and_metrics_are_answered() {
    let (_dir, serving) = start("").await;
    let metrics = serving.metrics_address.unwrap();
    for address in [serving.address, metrics] {
        assert_eq!(get(address, "/healthz").await.json()["status"], "ok");
        assert_eq!(get(address, "/readyz").await.json()["status"], "ready");
    }
    assert_error(&get(serving.address, "/metrics").await, 404, "not-found");
    let page = get(metrics, "/metrics").await;
    assert!(page.header("content-type").unwrap().starts_with("text/plain"));
    assert!(page.body.contains("hubgate_http_requests_total{"), "{}", page.body);
    assert!(page.body.contains("route=\"/healthz\""), "{}", page.body);
    assert!(serving.stop().await);
}

#[tokio::test]
async fn every_refusal_has_the_one_shape() {
    let (_dir, serving) = start("").await;
    let at = serving.address;
    assert_error(&get(at, "/nowhere").await, 404, "not-found");
    // Below the contract nothing is told to strangers, not even what is not there.
    assert_error(&get(at, "/elements/api-v2").await, 401, "unauthorized");
    assert_error(&get(at, "/elements/api-v2/nope").await, 401, "unauthorized");
    let wrong = send(at, "DELETE /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await;
    assert_error(&wrong, 405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), Some("GET,HEAD"));
    assert_error(&send(at, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await, 400, "bad-request");
    let two = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n";
    assert_error(&send(at, two).await, 400, "bad-request");
    assert!(serving.stop().await);
}

#[tokio::test]
async fn an_id_is_taken_over_from_no_one_and_slashes_are_collapsed() {
    let (_dir, serving) = start("").await;
    let raw = "GET //healthz/ HTTP/1.1\r\nHost: t\r\nElements-Request-Id: mine\r\nX-Request-Id: mine\r\n\
               Connection: close\r\n\r\n";
    let answer = send(serving.address, raw).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("elements-request-id").unwrap().len(), 24);
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.starts_with(
        "Elements-Returned-Count, Elements-Total-Count, Elements-Request-Id, Elements-Next-Page-Token, \
         Elements-Trace-Id, Elements-Error, Content-Disposition"
    ));
    let preflight = "OPTIONS /elements/api-v2/hubs HTTP/1.1\r\nHost: t\r\nOrigin: https://app.example\r\n\
                     Access-Control-Request-Method: PATCH\r\nAccess-Control-Request-Headers: authorization\r\n\
                     Connection: close\r\n\r\n";
    let answer = send(serving.address, preflight).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

async fn swallow(request: Request) -> String {
    let read = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    format!("{}", read.map_or(0, |bytes| bytes.len()))
}

#[tokio::test]
async fn a_panic_and_a_stuck_handler_are_answers() {
    let routes = Router::new()
        .route("/panic", routing::get(async || -> String { panic!("secret") }))
        .route("/stuck", routing::get(async || std::future::pending::<String>().await))
        .route("/swallow", routing::post(swallow));
    let (_dir, at, _app) = serve_routes("[server]\nrequest_timeout_s = 1\n", routes).await;
    let panicked = get(at, "/panic").await;
    assert_error(&panicked, 500, "internal");
    assert!(!panicked.body.contains("secret"));
    assert_error(&get(at, "/stuck").await, 504, "provider-timeout");
    let silent = "POST /swallow HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 5\r\n\r\nab";
    assert_error(&send(at, silent).await, 408, "request-timeout");
}

#[tokio::test]
async fn a_body_by_single_bytes_is_given_up_and_one_that_pauses_is_not() {
    let routes = Router::new().route("/swallow", routing::post(swallow));
    let (_dir, at, _app) = serve_routes("[server]\nbody_timeout_s = 2\n", routes).await;
    let head = "POST /swallow HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 40960\r\n\r\n";
    let (from, mut to) = TcpStream::connect(at).await.unwrap().into_split();
    to.write_all(head.as_bytes()).await.unwrap();
    let dripping = async {
        // Never silent for long, and without an end.
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut bytes = Vec::new();
    let reading = async {
        let mut from = from;
        while from.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {}
    };
    tokio::time::timeout(LONG, async { tokio::join!(dripping, reading) }).await.expect("it is closed");
    assert!(String::from_utf8_lossy(&bytes).starts_with("HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&bytes));

    let mut pausing = TcpStream::connect(at).await.unwrap();
    pausing.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..5 {
        // All pauses together are longer than what is given for one.
        tokio::time::sleep(Duration::from_millis(600)).await;
        pausing.write_all(&[b'x'; 8192]).await.unwrap();
    }
    let answer = read(&mut pausing).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "40960"));
}

#[tokio::test]
async fn silent_and_dripping_connections_are_closed() {
    let (_dir, serving) = start("[server]\nheader_timeout_s = 1\nidle_timeout_s = 1\n").await;
    for first in ["", "GET /healthz HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Closed, one way or the other.
        drop(tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await.expect("closed in time"));
    }
    let mut kept = TcpStream::connect(serving.address).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut kept).await.status, 200);
}

#[tokio::test]
async fn connections_over_the_limit_take_the_place_of_a_silent_one() {
    let (_dir, serving) = start("[server]\nmax_connections = 1\nidle_timeout_s = 3600\n").await;
    let mut first = TcpStream::connect(serving.address).await.unwrap();
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
    first.readable().await.unwrap();
    // Answered, for the first one keeps us waiting and gives way.
    assert_eq!(get(serving.address, "/healthz").await.status, 200);
    assert_eq!(read(&mut first).await.status, 200);
}

#[tokio::test]
async fn a_call_in_flight_is_finished_at_shutdown() {
    let (entered, leave) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (inside, gate) = (Arc::clone(&entered), Arc::clone(&leave));
    let slow = async move || {
        inside.notify_one();
        gate.notified().await;
        "done"
    };
    let (_dir, at, app) = serve_routes("", Router::new().route("/slow", routing::get(slow))).await;
    let call = tokio::spawn(async move { get(at, "/slow").await });
    entered.notified().await;
    app.shutdown.cancel();
    // The listener goes, the call stays.
    while TcpStream::connect(at).await.is_ok() {
        tokio::task::yield_now().await;
    }
    leave.notify_one();
    assert_eq!(call.await.unwrap().body, "done");
}

#[tokio::test]
async fn what_does_not_finish_is_cut_off_after_the_drain_time() {
    let (_dir, app) = app("[server]\ndrain_s = 1\n").await;
    let entered = Arc::new(tokio::sync::Notify::new());
    let inside = Arc::clone(&entered);
    let stuck = async move || -> String {
        inside.notify_one();
        std::future::pending().await
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let front = Front::new(app.clone(), Router::new().route("/stuck", routing::get(stuck)), true);
    let (config, stop) = (Arc::clone(&app.config), app.shutdown.clone());
    let serving = tokio::spawn(async move { server::serve(listener, front, &config.server, None, stop).await });
    let call = tokio::spawn(async move {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(b"GET /stuck HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
        stream
    });
    entered.notified().await;
    let asked = Instant::now();
    app.shutdown.cancel();
    assert!(!serving.await.unwrap());
    assert!(asked.elapsed() >= Duration::from_secs(1));
    drop(call);
}
