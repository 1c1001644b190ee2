//! The outbound client against real sockets on the loopback interface.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body as Answer, to_bytes},
    extract::{Request as Incoming, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response as Outgoing},
    routing::any,
};
use base64::Engine as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hubgate::{
    clock::SystemClock,
    error::Kind,
    upstream::{
        Body, Lookup, Request, Response, Transport as _, breaker,
        client::{Client, Settings},
        collect,
        guard::Guard,
    },
};
use reqwest::{Method, header::HeaderName};
use tokio::{net::TcpListener, sync::oneshot, time::Instant};

/// A server whose every request goes to `answer`, with the number of requests before it.
struct Server {
    base: String,
    hits: Arc<AtomicUsize>,
}

impl Server {
    async fn start<F, R>(answer: impl Fn(usize, Incoming) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = R> + Send,
        R: IntoResponse,
    {
        let hits = Arc::new(AtomicUsize::new(0));
        let handler = move |State(hits): State<Arc<AtomicUsize>>, request: Incoming| {
            let answer = answer.clone();
            async move { answer(hits.fetch_add(1, Ordering::SeqCst), request).await.into_response() }
        };
        let app = Router::new().fallback(any(handler)).with_state(Arc::clone(&hits));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, hits }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn client(allow: &[&str]) -> Client {
    let settings = Settings { backoff: Duration::from_millis(2), ..Settings::default() };
    Client::new(Guard::new(allow).unwrap(), settings, Arc::new(SystemClock)).unwrap()
}

fn open() -> Client {
    client(&["127.0.0.1"])
}

fn request(method: Method, url: &str) -> Request {
    Request {
        method,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        sensitive: vec![HeaderName::from_static("x-api-token")],
        body: Body::Empty,
        hosts: Arc::new([]),
        deadline: Instant::now() + Duration::from_secs(20),
        idle: Duration::from_secs(10),
        follow_redirects: true,
        retryable: false,
    }
}

fn get(url: &str) -> Request {
    request(Method::GET, url)
}

fn post(url: &str) -> Request {
    Request { body: Body::Bytes(Bytes::from_static(b"hello")), ..request(Method::POST, url) }
}

async fn text(response: Response) -> String {
    let body = collect(response.body, 1 << 20, Instant::now() + Duration::from_secs(20)).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Says what came: verb, path, credentials, body.
async fn echo(incoming: Incoming) -> String {
    let (head, body) = incoming.into_parts();
    let value = |name: &str| head.headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    format!(
        "{} {} auth={} token={} cookie={} type={} length={} te={} body={}",
        head.method,
        head.uri,
        value("authorization"),
        value("x-api-token"),
        value("cookie"),
        value("content-type"),
        value("content-length"),
        value("transfer-encoding"),
        String::from_utf8_lossy(&body)
    )
}

fn redirect(status: u16, to: &str) -> Outgoing {
    (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, to.to_owned())], "moved").into_response()
}

fn with_credentials(mut request: Request) -> Request {
    for (name, value) in
        [("authorization", "Bearer secret"), ("x-api-token", "secret"), ("cookie", "secret"), ("content-type", "a/b")]
    {
        request.headers.insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn calls_and_reads() {
    let server = Server::start(|_, incoming| echo(incoming)).await;
    let answer = open().send(with_credentials(post(&server.url("/a?b=c")))).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        text(answer).await,
        "POST /a?b=c auth=Bearer secret token=secret cookie=secret type=a/b length=5 te=- body=hello"
    );
}

#[tokio::test]
async fn tells_that_there_is_no_body_where_one_is_expected() {
    let server = Server::start(|_, incoming| echo(incoming)).await;
    for (method, length) in
        [(Method::POST, "0"), (Method::PUT, "0"), (Method::PATCH, "0"), (Method::GET, "-"), (Method::DELETE, "-")]
    {
        let told = text(open().send(request(method.clone(), &server.url("/"))).await.unwrap()).await;
        assert!(told.ends_with(&format!("length={length} te=- body=")), "{method}: {told}");
    }
}

#[tokio::test]
async fn streams_an_upload_with_its_length_or_chunked() {
    let server = Server::start(|_, incoming| echo(incoming)).await;
    let upload = |length| {
        let chunks = [Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"cd"))];
        Request {
            body: Body::Stream { stream: stream::iter(chunks).boxed(), length },
            ..request(Method::PUT, &server.url("/"))
        }
    };
    let known = text(open().send(upload(Some(4))).await.unwrap()).await;
    assert!(known.ends_with("length=4 te=- body=abcd"), "{known}");
    let unknown = text(open().send(upload(None)).await.unwrap()).await;
    assert!(unknown.ends_with("length=- te=chunked body=abcd"), "{unknown}");
    for wrong in [3, 5] {
        assert_eq!(open().send(upload(Some(wrong))).await.unwrap_err().kind(), Kind::BadRequest, "{wrong}");
    }
}

#[tokio::test]
async fn refuses_every_spelling_of_a_private_address_without_a_packet() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    let client = client(&[]);
    for host in [
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ] {
        for scheme in ["http", "https"] {
            let url: url::Url = format!("{scheme}://{host}:{port}/").parse().unwrap();
            // Even where the element itself names the host and the port.
            let named = format!("{}:{port}", url.host_str().unwrap());
            let call = Request { hosts: Arc::new([named]), ..get(url.as_str()) };
            assert_eq!(client.send(call).await.unwrap_err().kind(), Kind::Forbidden, "{scheme} {host}");
        }
    }
    assert_untouched(&canary).await;
}

async fn assert_untouched(canary: &TcpListener) {
    let waiting = std::future::poll_fn(|cx| std::task::Poll::Ready(canary.poll_accept(cx).is_ready())).await;
    assert!(!waiting, "someone connected");
}

/// A resolver that says what it is told.
struct Says(Vec<IpAddr>);

#[async_trait::async_trait]
impl Lookup for Says {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn client_that_resolves_to(allow: &[&str], addresses: &[&str]) -> Client {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let settings = Settings::default();
    Client::with_lookup(Guard::new(allow).unwrap(), settings, Arc::new(SystemClock), Arc::new(Says(addresses))).unwrap()
}

#[tokio::test]
async fn refuses_a_name_that_stands_for_a_private_address() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254"] {
        let client = client_that_resolves_to(&[], &[address, address]);
        let hosts: Arc<[String]> = Arc::new([format!("good.test:{port}")]);
        let call = Request { hosts, ..get(&format!("https://good.test:{port}/?secret=1")) };
        let error = client.send(call).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Forbidden, "{address}");
        assert!(error.public().contains("good.test") && !format!("{error:?}").contains("secret"), "{error:?}");
    }
    assert_untouched(&canary).await;
}

#[tokio::test]
async fn connects_only_to_the_checked_addresses() {
    let server = Server::start(|_, incoming| echo(incoming)).await;
    let port = server.base.rsplit(':').next().unwrap();
    // The first address is refused, the second one is the operator's.
    let client = client_that_resolves_to(&["good.test", "127.0.0.1"], &["10.0.0.1", "127.0.0.1"]);
    let answer = client.send(get(&format!("http://good.test:{port}/x"))).await.unwrap();
    assert!(text(answer).await.starts_with("GET /x "));
}

#[tokio::test]
async fn keeps_credentials_on_their_origin() {
    let other = Server::start(|_, incoming| echo(incoming)).await;
    let target = other.url("/there");
    let server = Server::start(move |_, incoming| {
        let target = target.clone();
        async move {
            match incoming.uri().path() {
                "/away" => redirect(302, &target),
                "/away307" => redirect(307, &target),
                "/home" => redirect(302, "/here?x=1"),
                "/see" => redirect(303, "/here"),
                _ => echo(incoming).await.into_response(),
            }
        }
    })
    .await;
    let client = open();
    let answer = client.send(with_credentials(get(&server.url("/away")))).await.unwrap();
    assert_eq!(text(answer).await, "GET /there auth=- token=- cookie=- type=a/b length=- te=- body=");
    let answer = client.send(with_credentials(post(&server.url("/away307")))).await.unwrap();
    assert_eq!(text(answer).await, "POST /there auth=- token=- cookie=- type=a/b length=5 te=- body=hello");
    let answer = client.send(with_credentials(get(&server.url("/home")))).await.unwrap();
    assert_eq!(
        text(answer).await,
        "GET /here?x=1 auth=Bearer secret token=secret cookie=secret type=a/b length=- te=- body="
    );
    let answer = client.send(with_credentials(post(&server.url("/see")))).await.unwrap();
    assert_eq!(
        text(answer).await,
        "GET /here auth=Bearer secret token=secret cookie=secret type=- length=- te=- body="
    );
}

#[tokio::test]
async fn checks_every_redirect_again() {
    for target in [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/",
        "http://[::1]/",
        "//evil.test/",
        "http://2130706434/",
        "https://user:pass@127.0.0.1/",
        "file:///etc/passwd",
        "\\\\evil.test\\x",
    ] {
        let server = Server::start(move |_, _| async move { redirect(302, target) }).await;
        let error = open().send(get(&server.url("/"))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Forbidden, "{target}");
        assert_eq!(server.hits(), 1);
    }
}

#[tokio::test]
async fn follows_three_redirects_and_no_more() {
    let server = Server::start(|_, incoming: Incoming| async move {
        let left: u32 = incoming.uri().path().trim_matches('/').parse().unwrap();
        if left == 0 { "done".into_response() } else { redirect(302, &format!("/{}", left - 1)) }
    })
    .await;
    assert_eq!(text(open().send(get(&server.url("/3"))).await.unwrap()).await, "done");
    assert_eq!(open().send(get(&server.url("/4"))).await.unwrap_err().kind(), Kind::ProviderFailed);
    assert_eq!(server.hits(), 4 + 4);
    let unfollowed = Request { follow_redirects: false, ..get(&server.url("/1")) };
    assert_eq!(open().send(unfollowed).await.unwrap().status, StatusCode::FOUND);
}

/// Answers `status` (with `retry_after`) to the first `failures` requests.
async fn failing(failures: usize, status: u16, retry_after: Option<&'static str>) -> Server {
    Server::start(move |n, incoming| async move {
        if n >= failures {
            return echo(incoming).await.into_response();
        }
        let mut answer = StatusCode::from_u16(status).unwrap().into_response();
        if let Some(after) = retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, after.parse().unwrap());
        }
        answer
    })
    .await
}

/// What it shows, the failing status, its Retry-After, the call, the requests seen, the status in the end.
type Case<'a> = (&'a str, u16, Option<&'static str>, &'a dyn Fn(&str) -> Request, usize, u16);

#[tokio::test]
async fn retries_what_may_be_retried() {
    let stream = |request: Request| Request {
        body: Body::Stream { stream: stream::iter([Ok(Bytes::from_static(b"hello"))]).boxed(), length: Some(5) },
        ..request
    };
    let harmless = |request: Request| Request { retryable: true, ..request };
    let cases: [Case<'_>; 11] = [
        ("503 with Retry-After: even a POST was not carried out", 503, Some("0"), &post, 3, 200),
        ("the pause is kept", 429, Some("1"), &|url| get(url), 3, 200),
        ("too long to wait for", 429, Some("3600"), &get, 1, 429),
        ("a GET without Retry-After", 503, None, &get, 3, 200),
        ("a POST without Retry-After", 503, None, &post, 1, 503),
        ("a POST said to be harmless", 503, None, &|url| harmless(post(url)), 3, 200),
        ("a gateway on the way, GET", 502, None, &get, 3, 200),
        ("a gateway on the way, POST", 504, None, &post, 1, 504),
        ("a streamed body is sent once", 503, Some("0"), &|url| stream(post(url)), 1, 503),
        ("a fault is final", 500, None, &get, 1, 500),
        ("so is a refusal", 404, Some("0"), &get, 1, 404),
    ];
    for (what, status, after, call, hits, expected) in cases {
        let server = failing(2, status, after).await;
        let answer = open().send(call(&server.url("/"))).await.unwrap();
        assert_eq!((server.hits(), answer.status.as_u16()), (hits, expected), "{what}");
    }
    let server = failing(3, 503, Some("0")).await;
    assert_eq!(open().send(get(&server.url("/"))).await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.hits(), 3, "three attempts in all");
}

#[tokio::test]
async fn keeps_retries_within_the_deadline() {
    let server = failing(1, 503, Some("5")).await;
    let call = Request { deadline: Instant::now() + Duration::from_secs(3), ..get(&server.url("/")) };
    assert_eq!(open().send(call).await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn keeps_retries_within_the_budget() {
    let server = failing(usize::MAX, 503, None).await;
    // Without a breaker, which would end it sooner.
    let breaker = breaker::Settings { failures: u32::MAX, ..breaker::Settings::default() };
    let settings = Settings { breaker, backoff: Duration::from_millis(2), ..Settings::default() };
    let client = Client::new(Guard::new(&["127.0.0.1"]).unwrap(), settings, Arc::new(SystemClock)).unwrap();
    for _ in 0..60 {
        assert_eq!(client.send(get(&server.url("/"))).await.unwrap().status.as_u16(), 503);
    }
    // Without a budget it would be 180: two retries each.
    assert!(server.hits() < 110, "{}", server.hits());
}

#[tokio::test]
async fn retries_when_nothing_listens_and_says_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?secret=1", listener.local_addr().unwrap());
    drop(listener);
    let error = open().send(post(&url)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ProviderUnreachable);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn repeats_a_call_that_broke_off_only_if_that_is_harmless() {
    // Every connection is closed as soon as something came.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let hits = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&hits);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            socket.readable().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert_eq!(open().send(post(&base)).await.unwrap_err().kind(), Kind::ProviderUnreachable);
    assert_eq!(hits.swap(0, Ordering::SeqCst), 1);
    assert_eq!(open().send(get(&base)).await.unwrap_err().kind(), Kind::ProviderUnreachable);
    assert_eq!(hits.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn stops_at_the_deadline() {
    let server = Server::start(|_, _| std::future::pending::<StatusCode>()).await;
    let call = Request { deadline: Instant::now() + Duration::from_millis(200), ..get(&server.url("/")) };
    assert_eq!(open().send(call).await.unwrap_err().kind(), Kind::ProviderTimeout);
    let call = Request { deadline: Instant::now(), ..get(&server.url("/")) };
    assert_eq!(open().send(call).await.unwrap_err().kind(), Kind::ProviderTimeout);
    assert_eq!(server.hits(), 1);
}

/// Answers with a first chunk at once and a second one when told.
async fn dripping() -> (Server, oneshot::Sender<()>) {
    let (tell, told) = oneshot::channel::<()>();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let server = Server::start(move |_, _| {
        let told = told.lock().unwrap().take().unwrap();
        async move {
            let first = stream::iter([Ok::<_, io::Error>("first ")]);
            let second = stream::once(async move {
                told.await.map_err(io::Error::other)?;
                Ok("second")
            });
            Answer::from_stream(first.chain(second))
        }
    })
    .await;
    (server, tell)
}

#[tokio::test]
async fn lets_a_streamed_answer_outlive_the_deadline() {
    let (server, tell) = dripping().await;
    let deadline = Instant::now() + Duration::from_millis(300);
    let mut answer = open().send(Request { deadline, ..get(&server.url("/")) }).await.unwrap();
    assert_eq!(answer.body.next().await.unwrap().unwrap(), "first ");
    tokio::time::sleep_until(deadline).await;
    tell.send(()).unwrap();
    assert_eq!(answer.body.next().await.unwrap().unwrap(), "second");
    assert!(answer.body.next().await.is_none());
}

#[tokio::test]
async fn gives_up_on_silence_in_a_body() {
    let (server, _tell) = dripping().await;
    let call = Request { idle: Duration::from_millis(100), ..get(&server.url("/")) };
    let mut answer = open().send(call).await.unwrap();
    assert_eq!(answer.body.next().await.unwrap().unwrap(), "first ");
    assert_eq!(answer.body.next().await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
}

/// 20,000 zeros.
const BOMB: &str = "H4sIAAAAAAACA+3BMQEAAADCoErrn84aHkABAAAAAAAAAAAAAAAAAAAAAAAA8GC9DxuMIE4AAA==";

#[tokio::test]
async fn bounds_what_is_unpacked() {
    let server = Server::start(|_, incoming: Incoming| async move {
        assert_eq!(incoming.headers()[header::ACCEPT_ENCODING], "gzip");
        let packed = base64::engine::general_purpose::STANDARD.decode(BOMB).unwrap();
        ([(header::CONTENT_ENCODING, "gzip")], packed)
    })
    .await;
    let deadline = Instant::now() + Duration::from_secs(20);
    let answer = open().send(get(&server.url("/"))).await.unwrap();
    assert_eq!(collect(answer.body, 20_000, deadline).await.unwrap().len(), 20_000);
    let answer = open().send(get(&server.url("/"))).await.unwrap();
    assert_eq!(collect(answer.body, 19_999, deadline).await.unwrap_err().kind(), Kind::ProviderFailed);
}

/// A client of few slots and short pauses.
fn careful() -> Client {
    let breaker = breaker::Settings { pause: Duration::from_millis(20), ..breaker::Settings::default() };
    let settings = Settings { breaker, attempts: 1, origin_concurrency: 4, ..Settings::default() };
    Client::new(Guard::new(&["127.0.0.1"]).unwrap(), settings, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn leaves_a_failing_origin_alone_and_finds_it_well_again() {
    let (client, well) = (careful(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let told = Arc::clone(&well);
    let sick = Server::start(move |_, _| {
        let status = if told.load(Ordering::SeqCst) { 200 } else { 503 };
        std::future::ready(StatusCode::from_u16(status).unwrap())
    })
    .await;
    let other = Server::start(|_, incoming| echo(incoming)).await;
    for _ in 0..10 {
        assert_eq!(client.send(get(&sick.url("/"))).await.unwrap().status, 503);
    }
    let error = client.send(get(&sick.url("/"))).await.unwrap_err();
    assert_eq!((error.kind(), sick.hits()), (Kind::ProviderDown, 10));
    assert!(error.retry_after().is_some());
    assert_eq!(client.send(get(&other.url("/"))).await.unwrap().status, 200, "another origin is not meant");
    well.store(true, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    while client.send(get(&sick.url("/"))).await.is_err() {
        assert!(Instant::now() < until);
        tokio::task::yield_now().await;
    }
    assert_eq!(sick.hits(), 11, "one probe");
    assert_eq!(client.send(get(&sick.url("/"))).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_hanging_origin_takes_its_own_slots_and_no_others() {
    let client = careful();
    let hanging = Server::start(|_, _| std::future::pending::<StatusCode>()).await;
    let other = Server::start(|_, incoming| echo(incoming)).await;
    let mut held = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (client, url) = (client.clone(), hanging.url("/"));
        held.spawn(async move { drop(client.send(get(&url)).await) });
    }
    while hanging.hits() < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.send(get(&hanging.url("/"))).await.unwrap_err().kind(), Kind::ProviderDown);
    for _ in 0..20 {
        // A body that is not read holds its slot; one that is dropped gives it back.
        assert_eq!(client.send(get(&other.url("/"))).await.unwrap().status, 200);
    }
    held.shutdown().await;
    let until = Instant::now() + Duration::from_secs(20);
    while hanging.hits() < 5 {
        let late = Request { deadline: Instant::now() + Duration::from_millis(100), ..get(&hanging.url("/")) };
        drop(client.send(late).await);
        assert!(Instant::now() < until, "the slots are free again");
    }
}
