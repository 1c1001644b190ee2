//! No call leaves for an address that is not a public one, however it is written, found out or redirected to.
//!
//! `egress/refused.txt` is the list, one URL a line, free for others to use; `egress/corpus.rs` makes it.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod egress {
    pub(crate) mod corpus;
}

use std::{
    io,
    net::IpAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use egress::corpus;
use hubgate::{
    clock::SystemClock,
    error::{Error, Kind, Result},
    upstream::{
        Body, Lookup, Request, Transport as _,
        client::{Client, Settings},
        guard::Guard,
        url,
    },
};
use reqwest::Method;
use tokio::{net::TcpListener, time::Instant};

/// Resolves every name to the loopback interface and counts how often it was asked.
#[derive(Default)]
struct Loopback(AtomicUsize);

#[async_trait::async_trait]
impl Lookup for Loopback {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()])
    }
}

/// Changes its mind with every question: the operator's address, the one beside it, both in either order.
#[derive(Default)]
struct Flips(AtomicUsize);

#[async_trait::async_trait]
impl Lookup for Flips {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let (own, private) = (IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 1]));
        Ok(match self.0.fetch_add(1, Ordering::SeqCst) % 4 {
            0 => vec![own],
            1 => vec![private],
            2 => vec![private, own],
            _ => vec![own, private],
        })
    }
}

fn client(allow: &[&str], lookup: Arc<dyn Lookup>) -> Client {
    let settings = Settings { connect_timeout: Duration::from_millis(200), attempts: 1, ..Settings::default() };
    Client::with_lookup(Guard::new(allow).unwrap(), settings, Arc::new(SystemClock), lookup).unwrap()
}

/// A call whose element opens the very host that is called, and `good.test`.
fn call(url: ::url::Url) -> Request {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = url.host_str().map(|host| format!("{host}{port}"));
    let hosts = host.into_iter().filter(|host| !host.ends_with("good.test") || port.is_empty());
    Request {
        method: Method::GET,
        url,
        headers: HeaderMap::new(),
        sensitive: Vec::new(),
        body: Body::Empty,
        hosts: hosts.chain(["good.test".to_owned()]).collect(),
        deadline: Instant::now() + Duration::from_secs(20),
        idle: Duration::from_secs(10),
        follow_redirects: true,
        retryable: false,
    }
}

async fn send(client: &Client, text: &str) -> Result<()> {
    let url = ::url::Url::parse(text).map_err(|error| Error::bad_request(error.to_string()))?;
    client.send(call(url)).await.map(drop)
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), Kind::Forbidden | Kind::BadRequest)
}

/// A listener on the loopback interface that nobody may have connected to in the end.
struct Canary(TcpListener);

impl Canary {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// The case with the canary's port, where it has room for one.
    fn aim(&self, case: &str) -> Option<String> {
        let port = self.0.local_addr().unwrap().port();
        let host = case.strip_prefix("https://")?.strip_suffix('/')?;
        (!host.contains(['/', '?', '#', '@', '\\', '\t']) && !host.trim_end_matches(']').contains(":4"))
            .then(|| format!("http://{host}:{port}/"))
    }

    async fn assert_untouched(&self) {
        let came = std::future::poll_fn(|cx| std::task::Poll::Ready(self.0.poll_accept(cx).is_ready())).await;
        assert!(!came, "someone connected");
    }
}

#[test]
fn the_list_is_what_its_rules_make_of_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/egress/refused.txt");
    // A tab would not survive editors; it is written as they write it.
    let made: String = corpus::refused().iter().map(|case| case.replace('\t', "\\t") + "\n").collect();
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "{} is not what corpus.rs makes: UPDATE_CORPUS=1 writes it anew", path.display());
    assert!(made.lines().count() >= 1_000, "{}", made.lines().count());
}

#[tokio::test]
async fn no_case_is_called_even_where_the_element_names_its_host() {
    let canary = Canary::new().await;
    let lookup = Arc::new(Loopback::default());
    let client = client(&[], lookup.clone());
    let mut bypasses = Vec::new();
    for case in corpus::refused() {
        for url in [Some(case.clone()), canary.aim(&case)].into_iter().flatten() {
            match send(&client, &url).await {
                Err(error) if is_refusal(&error) => {}
                outcome => bypasses.push(format!("{url}: {outcome:?}")),
            }
        }
    }
    assert!(bypasses.is_empty(), "{bypasses:#?}");
    canary.assert_untouched().await;
}

#[tokio::test]
async fn no_case_is_a_base_url_that_would_be_called() {
    let client = client(&[], Arc::new(Loopback::default()));
    let mut bypasses = Vec::new();
    for case in corpus::refused() {
        let Ok(base) = url::base(&case) else { continue };
        match url::build(&base, "v1/things", "q=x") {
            Ok(url) => match client.send(call(url)).await {
                Err(error) if is_refusal(&error) => {}
                outcome => bypasses.push(format!("{case}: {:?}", outcome.map(drop))),
            },
            Err(error) => assert!(is_refusal(&error), "{case}: {error}"),
        }
    }
    assert!(bypasses.is_empty(), "{bypasses:#?}");
}

#[tokio::test]
async fn no_case_is_followed_to() {
    let canary = Canary::new().await;
    let (hits, lookup) = (Arc::new(AtomicUsize::new(0)), Arc::new(Loopback::default()));
    let answer = |State(hits): State<Arc<AtomicUsize>>, Query(asked): Query<Vec<(String, String)>>| async move {
        hits.fetch_add(1, Ordering::SeqCst);
        let value = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, value("to").into_bytes().try_into().unwrap());
        (StatusCode::from_u16(value("status").parse().unwrap()).unwrap(), headers)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/", get(answer)).with_state(Arc::clone(&hits));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    // The operator opens one port of the loopback interface, nothing else.
    let client = client(&[&address.to_string()], lookup);
    let mut sent = 0;
    let mut bypasses = Vec::new();
    for (n, case) in corpus::refused().into_iter().enumerate() {
        let status = ["301", "302", "303", "307", "308"][n % 5];
        for to in [Some(case.clone()), canary.aim(&case)].into_iter().flatten() {
            let mut url: ::url::Url = format!("http://{address}/").parse().unwrap();
            // `http:127.0.0.1` is a path here: it stays where the operator lets it be.
            if url.join(&to).is_ok_and(|next| url::same_origin(&next, &url)) {
                continue;
            }
            url.query_pairs_mut().append_pair("status", status).append_pair("to", &to);
            sent += 1;
            match client.send(call(url)).await {
                Err(error) if is_refusal(&error) || error.kind() == Kind::ProviderFailed => {}
                outcome => bypasses.push(format!("{to}: {:?}", outcome.map(|answer| answer.status))),
            }
        }
    }
    assert!(bypasses.is_empty(), "{bypasses:#?}");
    assert_eq!(hits.load(Ordering::SeqCst), sent);
    canary.assert_untouched().await;
}

#[tokio::test]
async fn no_name_stands_for_an_address_of_the_list() {
    struct Says(IpAddr);
    #[async_trait::async_trait]
    impl Lookup for Says {
        async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(vec![self.0])
        }
    }
    for address in corpus::addresses() {
        let outcome = send(&client(&[], Arc::new(Says(address))), "https://good.test/").await;
        assert_eq!(outcome.unwrap_err().kind(), Kind::Forbidden, "{address}");
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_name_that_changes_its_mind_is_called_at_checked_addresses_alone() {
    let canary = Canary::new().await;
    let port = canary.0.local_addr().unwrap().port();
    // The whole of 127.0.0.0/8 is there on Linux.
    let listener = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let routes = Router::new().route("/", get(|| async { [(header::CONNECTION, "close")] }));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let client = client(&["good.test", "127.0.0.2"], Arc::new(Flips::default()));
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..1_000 {
        match send(&client, &format!("http://good.test:{port}/")).await {
            Ok(()) => answered += 1,
            Err(error) if error.kind() == Kind::Forbidden => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((answered, refused), (750, 250));
    canary.assert_untouched().await;
}

#[test]
fn public_addresses_are_not_on_the_list() {
    for address in corpus::PUBLIC {
        let address: IpAddr = address.parse().unwrap();
        assert!(hubgate::upstream::guard::is_public(address), "{address}");
    }
    for address in corpus::addresses() {
        assert!(!hubgate::upstream::guard::is_public(address), "{address}");
    }
}
