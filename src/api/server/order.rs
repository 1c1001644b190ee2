//! Whatever comes in whatever pieces: every request gets its answer, in its turn, whoever gives it.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Request, Response};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, duplex};

use super::*;

/// A request on the wire.
#[derive(Debug, Clone)]
enum Asked {
    /// The one that is answered by its bytes.
    Known,
    Get(u16),
    /// With a body of so many bytes.
    Post(usize),
    Chunked(usize),
    /// Its lines end with a bare LF, which hyper takes.
    BareLf(u16),
    /// A body that looks like the known request.
    Posing,
}

const KNOWN: &str = "GET /known HTTP/1.1\r\nhost: a\r\n\r\n";

impl Asked {
    fn wire(&self) -> String {
        match self {
            Self::Known => KNOWN.to_owned(),
            Self::Get(n) => format!("GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n"),
            Self::Post(length) => {
                format!("POST /post HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{}", "x".repeat(*length))
            }
            Self::Chunked(length) => {
                let body = "y".repeat(*length);
                let chunk = if *length > 0 { format!("{length:x}\r\n{body}\r\n") } else { String::new() };
                format!("POST /chunked HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
            }
            Self::BareLf(n) => format!("GET /{n} HTTP/1.1\nhost: a\n\n"),
            Self::Posing => {
                format!("POST /posing HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{KNOWN}", KNOWN.len())
            }
        }
    }

    /// The sizes of head and body.
    fn parts(&self) -> [usize; 2] {
        let wire = self.wire();
        let head = wire.find("\r\n\r\n").map_or(wire.len(), |end| end + 4);
        [head, wire.len() - head]
    }

    fn answer(&self) -> String {
        match self {
            Self::Known => "/known 0".to_owned(),
            Self::Get(n) | Self::BareLf(n) => format!("/{n} 0"),
            Self::Post(length) => format!("/post {length}"),
            Self::Chunked(length) => format!("/chunked {length}"),
            Self::Posing => format!("/posing {}", KNOWN.len()),
        }
    }
}

/// Answers the known request as the service does, and counts how often.
#[derive(Debug, Default)]
struct Repeating(AtomicUsize);

impl Repeats for Repeating {
    fn repeat(&self, head: &[u8], answer: &mut Vec<u8>) -> Option<Bytes> {
        (head == KNOWN.as_bytes()).then(|| {
            self.0.fetch_add(1, Ordering::Relaxed);
            answer.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n");
            Bytes::from_static(b"/known 0")
        })
    }
}

/// Tells what was asked and how long the body was; without `reads`, before it has come.
async fn tell(calls: Calls, request: Request<Incoming>, reads: bool) -> Result<Response<Body>, Infallible> {
    let _call = calls.begin(request.version(), request.body().size_hint().exact());
    let (path, length) = (request.uri().path().to_owned(), request.body().size_hint().exact());
    let length = match length {
        // The rest is taken by somebody else, after the answer.
        Some(length) if !reads => {
            tokio::spawn(request.into_body().collect());
            usize::try_from(length).unwrap()
        }
        _ => request.into_body().collect().await.unwrap().to_bytes().len(),
    };
    Ok(Response::new(Body::from(format!("{path} {length}"))))
}

/// What comes back when `asked` is sent in pieces of these sizes (the last ones as long as they need be), and how many were
/// answered by their bytes.
async fn converse(asked: &[Asked], pieces: &[usize], reads: bool) -> (Vec<String>, usize) {
    let (mut far, near) = duplex(1 << 16);
    let calls = Calls::new(metrics::Gauge::noop());
    let limits = Limits { header: Duration::from_secs(5), idle: Duration::from_secs(5) };
    let repeating = Arc::new(Repeating::default());
    let link = Link::new(near, limits, calls.clone()).repeating(Arc::<Repeating>::clone(&repeating));
    let crowd = Crowd::new(&Server::default(), CancellationToken::new());
    let serving = tokio::spawn(async move {
        let place = crowd.enter(calls.clone()).await;
        let service = move |request| tell(calls.clone(), request, reads);
        carry(&builder(Workers::none()), link, service, &place).await;
    });
    let wire: String = asked.iter().map(Asked::wire).collect();
    let mut rest = wire.as_bytes();
    for piece in pieces.iter().copied().chain(std::iter::repeat(usize::MAX)) {
        let (now, later) = rest.split_at(piece.min(rest.len()));
        far.write_all(now).await.unwrap();
        rest = later;
        if rest.is_empty() {
            break;
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
    let mut told = Vec::new();
    let mut answers = Vec::new();
    while answers.len() < asked.len() {
        let text = std::str::from_utf8(&told).unwrap();
        let whole = text.split_once("\r\n\r\n").and_then(|(head, rest)| {
            assert!(head.starts_with("HTTP/1.1 200 "), "{text}");
            let length = head.split_once("content-length: ")?.1.lines().next()?.parse().unwrap();
            Some((rest.get(..length)?.to_owned(), head.len() + 4 + length))
        });
        match whole {
            Some((answer, length)) => {
                answers.push(answer);
                told.drain(..length);
            }
            None => assert!(far.read_buf(&mut told).await.unwrap() > 0, "no answer after {answers:?}"),
        }
    }
    assert!(told.is_empty(), "{}", told.escape_ascii());
    drop(far);
    serving.await.unwrap();
    (answers, repeating.0.load(Ordering::Relaxed))
}

fn run<T>(conversation: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(conversation)
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        4 => Just(Asked::Known),
        2 => any::<u16>().prop_map(Asked::Get),
        2 => (0_usize..200).prop_map(Asked::Post),
        1 => (0_usize..50).prop_map(Asked::Chunked),
        1 => any::<u16>().prop_map(Asked::BareLf),
        1 => Just(Asked::Posing),
    ]
}

/// Sizes of pieces: many of them as long as a request.
fn pieces() -> impl Strategy<Value = Vec<usize>> {
    let whole = asked().prop_map(|asked| asked.wire().len());
    proptest::collection::vec(prop_oneof![3 => whole, 1 => 1_usize..80], 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_request_gets_its_answer_in_its_turn(
        asked in proptest::collection::vec(asked(), 1..12),
        pieces in pieces(),
        by in 0..3,
        reads in any::<bool>(),
    ) {
        let pieces = match by {
            0 => pieces,
            1 => asked.iter().map(|asked| asked.wire().len()).collect(),
            _ => asked.iter().flat_map(Asked::parts).collect(),
        };
        let (answers, _) = run(converse(&asked, &pieces, reads));
        let expected: Vec<String> = asked.iter().map(Asked::answer).collect();
        prop_assert_eq!(answers, expected);
    }
}

#[test]
fn what_is_known_is_answered_by_its_bytes_between_bodies_of_known_length() {
    use Asked::{Chunked, Get, Known, Post};
    let whole = |asked: &[Asked]| asked.iter().map(|asked| asked.wire().len()).collect::<Vec<_>>();
    let known = |asked: &[Asked], pieces: &[usize]| run(converse(asked, pieces, true)).1;
    let plain = [Known, Get(1), Known, Post(100), Known, Post(0), Known];
    assert_eq!(known(&plain, &whole(&plain)), 4);
    // A head and its body apart, and a head in pieces.
    let (head, body) = (Post(100).wire().len() - 100, 100);
    assert_eq!(known(&[Post(100), Known], &[head, body]), 1);
    assert_eq!(known(&[Get(1), Known], &[7, Get(1).wire().len() - 7]), 1);
    // Two at once, a body of unknown length.
    assert_eq!(known(&[Known, Known], &[]), 0);
    assert_eq!(known(&[Chunked(3), Known], &whole(&[Chunked(3), Known])), 0);
}
