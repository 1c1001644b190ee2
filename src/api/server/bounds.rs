//! How long the other side can keep a connection with the settings as they come, by a clock that is wound forward.

use std::{sync::Arc, task::Poll};

use axum::{Router, body, extract::Request};
use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::Instant,
};

use super::*;
use crate::{app::App, clock::SystemClock, config::Config};

/// What is promised of every bad connection.
const PROMISED: Duration = Duration::from_secs(15);

/// Takes the body as it comes, for so many seconds.
async fn swallow(seconds: u64, request: Request) -> String {
    let whole = body::to_bytes(request.into_body(), usize::MAX);
    let taken = tokio::time::timeout(Duration::from_secs(seconds), whole).await;
    format!("{}", taken.map_or(0, |bytes| bytes.map_or(0, |bytes| bytes.len())))
}

/// Asks for the body, is busy with something else for so many seconds, and takes it then.
async fn dither(seconds: u64, request: Request) -> String {
    let mut body = request.into_body().into_data_stream();
    let first = futures_util::poll!(body.next());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (mut length, mut next) = (0, first);
    loop {
        let piece = match next {
            Poll::Ready(piece) => piece,
            Poll::Pending => body.next().await,
        };
        let Some(Ok(piece)) = piece else { return length.to_string() };
        length += piece.len();
        next = Poll::Pending;
    }
}

/// The gateway's outermost layer before a few routes; the clock stands still from then on, and jumps when there is nothing to do.
async fn front(max_in_flight: usize) -> (tempfile::TempDir, Arc<Front>) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.server.max_in_flight = max_in_flight;
    config.store.data_dir = dir.path().join("data");
    config.catalog.path = dir.path().join("mappings");
    let app = App::build(config, Arc::new(SystemClock)).await.unwrap();
    let routes = Router::new().fallback(async |request: Request| {
        let seconds = match request.uri().path() {
            "/swallow" => 3600,
            "/late" => 11,
            "/busy" => return dither(40, request).await,
            _ => return "refused".to_owned(),
        };
        swallow(seconds, request).await
    });
    tokio::time::pause();
    (dir, Arc::new(Front::new(app, routes, false)))
}

/// The far end of a connection that is attended to.
fn connect(front: &Arc<Front>) -> DuplexStream {
    let (far, near) = duplex(1024);
    let settings = &front.app().config.server;
    let limits = Limits { header: settings.header_timeout(), idle: settings.idle_timeout() };
    let (calls, crowd) = (Calls::new(metrics::Gauge::noop()), Crowd::new(settings, CancellationToken::new()));
    let front = Arc::clone(front);
    tokio::spawn(async move {
        let place = crowd.enter(calls.clone()).await;
        attend(&builder(Workers::none()), near, limits, calls, front, &place).await;
    });
    far
}

#[tokio::test]
async fn a_connection_goes_on_after_a_silence() {
    let (_dir, front) = front(10).await;
    let mut far = connect(&front);
    for silence in [0, 5, 1, 50] {
        tokio::time::sleep(Duration::from_secs(silence)).await;
        far.write_all(b"GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n").await.unwrap();
        let mut told = Vec::new();
        while !told.ends_with(b"refused") {
            assert!(far.read_buf(&mut told).await.unwrap() > 0, "{}", told.escape_ascii());
        }
        assert!(told.starts_with(b"HTTP/1.1 200 "), "{}", told.escape_ascii());
    }
    let closed = Instant::now();
    assert_eq!(far.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(closed.elapsed() >= front.app().config.server.idle_timeout());
}

fn head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n")
}

/// Sends this and then, if it drips, a byte each second: after how long it is put out, and what it was told.
async fn misbehave(mut far: DuplexStream, first: &str, drips: bool) -> (Duration, String) {
    let connected = Instant::now();
    far.write_all(first.as_bytes()).await.unwrap();
    let (mut from, mut to) = tokio::io::split(far);
    let mut told = Vec::new();
    let reading = async { while from.read_buf(&mut told).await.is_ok_and(|read| read > 0) {} };
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if drips && to.write_all(b"x").await.is_err() {
                break;
            }
        }
    };
    tokio::select! { () = reading => {} () = dripping => {} }
    (connected.elapsed(), String::from_utf8(told).unwrap())
}

#[tokio::test]
async fn every_bad_connection_is_closed_as_soon_as_is_promised() {
    let (_dir, front) = front(4).await;
    for path in ["/swallow", "/late", "/refuse"] {
        for drips in [false, true] {
            let first = head(path, 1000);
            let (lasted, told) = misbehave(connect(&front), &first, drips).await;
            assert!(lasted < PROMISED, "{path}, dripping: {drips}: {lasted:?}");
            let status = if path == "/swallow" { "HTTP/1.1 408 " } else { "HTTP/1.1 200 " };
            assert!(told.starts_with(status), "{path}: {told}");
        }
    }
    for (first, drips) in [("", false), ("GET /", false), ("GET /", true), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false)]
    {
        let (lasted, _) = misbehave(connect(&front), first, drips).await;
        assert!(lasted < PROMISED, "{first:?}, dripping: {drips}: {lasted:?}");
    }
}

#[tokio::test]
async fn an_upload_that_goes_on_is_taken_however_long_it_is() {
    let (_dir, front) = front(4).await;
    let (pieces, piece) = (60, 4096);
    let mut far = connect(&front);
    far.write_all(head("/swallow", pieces * piece).as_bytes()).await.unwrap();
    for _ in 0..pieces {
        tokio::time::sleep(Duration::from_secs(4)).await;
        far.write_all(&vec![b'x'; piece]).await.unwrap();
    }
    let mut answer = [0; 15];
    far.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn an_upload_that_is_there_does_not_pay_for_what_keeps_us_from_taking_it() {
    let (_dir, front) = front(4).await;
    let mut far = connect(&front);
    far.write_all(head("/busy", 5).as_bytes()).await.unwrap();
    // It is asked for before it comes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    far.write_all(b"whole").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n5") {
        assert!(far.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    // The same, but it does not come.
    let (lasted, told) = misbehave(connect(&front), &head("/busy", 5), false).await;
    assert!(told.starts_with("HTTP/1.1 408 ") && lasted < PROMISED, "{lasted:?}: {told}");
}

#[tokio::test]
async fn little_is_taken_of_the_body_of_a_call_that_is_shed() {
    // There is no room for any.
    let (_dir, front) = front(0).await;
    for drips in [false, true] {
        let (lasted, told) = misbehave(connect(&front), &head("/swallow", 1000), drips).await;
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(lasted < Duration::from_secs(2), "dripping: {drips}: {lasted:?}");
    }

    // Sent as fast as it is taken.
    let mut far = connect(&front);
    far.write_all(head("/swallow", 64 << 20).as_bytes()).await.unwrap();
    let (mut from, mut to) = tokio::io::split(far);
    let sending = async {
        let mut sent = 0;
        while to.write_all(&[b'x'; 1024]).await.is_ok() {
            sent += 1024;
        }
        sent
    };
    let mut told = Vec::new();
    let reading = async { while from.read_buf(&mut told).await.is_ok_and(|read| read > 0) {} };
    let (sent, ()) = tokio::join!(sending, reading);
    assert!(String::from_utf8_lossy(&told).starts_with("HTTP/1.1 503 "));
    assert!((256 << 10..512 << 10).contains(&sent), "{sent} bytes were taken");

    // A small one is taken whole: its sender hears what there is to hear, and may stay.
    let mut far = connect(&front);
    for _ in 0..2 {
        let length = 64 << 10;
        far.write_all(head("/swallow", length).as_bytes()).await.unwrap();
        far.write_all(&vec![b'x'; length]).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert!(far.read_buf(&mut answer).await.unwrap() > 0, "it is cut off");
        }
        assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&answer));
    }
}
