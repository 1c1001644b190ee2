//! Connections to providers, kept for the next call: HTTP/1.1, one call at a time, and HTTP/2, which all calls share.
//!
//! hyper has the protocols, the system and rustls the bytes; here is only which connection a call goes over. A call that
//! finds one does nothing but take it and put it back.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::url::{Position, Url};
use bytes::Bytes;
use foldhash::fast::RandomState;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::{
    client::legacy::connect::Connection as _,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::lean::{Connector, Fault};

/// The most that is read at a time, and the longest head of an answer, in bytes. It is also what an answer whose reader has
/// stopped keeps in memory.
const READ: usize = 192 * 1024;
/// Connections are not looked through more often.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

type Body = Full<Bytes>;

/// The connections of one thread.
pub(super) struct Pool {
    connector: Connector,
    kept: Arc<Kept>,
}

struct Kept {
    /// By scheme, host and port.
    shelves: Mutex<HashMap<String, Arc<Shelf>, RandomState>>,
    /// How long an unused connection is kept.
    idle: Duration,
}

/// The connections to one origin that can take a call.
struct Shelf {
    /// What the `Host` header says.
    host: HeaderValue,
    /// The one that was used last is the last.
    single: Mutex<Vec<Idle<http1::SendRequest<Body>>>>,
    shared: Mutex<Option<Idle<http2::SendRequest<Body>>>>,
    /// Whether it spoke HTTP/2 when it was met last: then one new connection is enough for everybody.
    shares: AtomicBool,
    opening: tokio::sync::Mutex<()>,
}

struct Idle<S> {
    sender: S,
    since: Instant,
}

enum Sender {
    Single(http1::SendRequest<Body>),
    Shared(http2::SendRequest<Body>),
}

impl Pool {
    /// Without a connection yet.
    pub(super) fn new(connector: Connector, idle: Duration) -> Self {
        Self { connector, kept: Arc::new(Kept { shelves: Mutex::default(), idle }) }
    }

    /// Sends `request` to the origin of `url`, over a connection that is there or over a new one.
    ///
    /// A connection that is found dead before anything was sent over it is no failure: the next one is tried.
    ///
    /// # Errors
    /// [`Fault::Uri`] when the URL is none for HTTP, [`Fault::Connect`] when no connection came about,
    /// [`Fault::Exchange`] when it broke.
    pub(super) async fn exchange(&self, url: &Url, mut request: Request<Body>) -> Result<Response<Incoming>, Fault> {
        let shelf = self.shelf(url)?;
        loop {
            let (mut sender, known) = match shelf.take(self.kept.idle) {
                Some(sender) => (sender, true),
                None => Box::pin(self.open(url, &shelf)).await?,
            };
            let sent = match &mut sender {
                Sender::Single(sender) => {
                    *request.uri_mut() = target(&url[Position::BeforePath..Position::AfterQuery])?;
                    request.headers_mut().insert(header::HOST, shelf.host.clone());
                    sender.try_send_request(request).await
                }
                Sender::Shared(sender) => {
                    *request.uri_mut() = target(&url[..Position::AfterQuery])?;
                    request.headers_mut().remove(header::HOST);
                    sender.try_send_request(request).await
                }
            };
            match sent {
                Ok(answer) => {
                    shelf.put_back(sender);
                    return Ok(answer);
                }
                Err(mut error) => {
                    shelf.forget(&sender);
                    request = match error.take_message() {
                        Some(unsent) if known => unsent,
                        _ => return Err(Fault::Exchange(error.into_error())),
                    };
                }
            }
        }
    }

    fn shelf(&self, url: &Url) -> Result<Arc<Shelf>, Fault> {
        let origin = &url[..Position::BeforePath];
        let mut shelves = locked(&self.kept.shelves);
        if let Some(shelf) = shelves.get(origin) {
            return Ok(Arc::clone(shelf));
        }
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
        let shelf = Arc::new(Shelf {
            host: host.map_err(|error| Fault::Uri(error.into()))?,
            single: Mutex::default(),
            shared: Mutex::default(),
            shares: AtomicBool::new(false),
            opening: tokio::sync::Mutex::default(),
        });
        if shelves.is_empty() {
            tokio::spawn(tidy(Arc::downgrade(&self.kept), (self.kept.idle / 2).max(SHORTEST_PAUSE)));
        }
        shelves.insert(origin.to_owned(), Arc::clone(&shelf));
        Ok(shelf)
    }

    /// Opens a connection; whether it is one that was there by then.
    async fn open(&self, url: &Url, shelf: &Arc<Shelf>) -> Result<(Sender, bool), Fault> {
        let _turn = if shelf.shares.load(Ordering::Relaxed) { Some(shelf.opening.lock().await) } else { None };
        if let Some(sender) = shelf.take(self.kept.idle) {
            return Ok((sender, true));
        }
        let stream =
            self.connector.clone().oneshot(target(&url[..Position::AfterQuery])?).await.map_err(Fault::Connect)?;
        let shares = stream.connected().is_negotiated_h2();
        shelf.shares.store(shares, Ordering::Relaxed);
        if !shares {
            let mut builder = http1::Builder::new();
            builder.max_buf_size(READ);
            let (mut sender, connection) =
                builder.handshake(stream).await.map_err(|error| Fault::Connect(error.into()))?;
            tokio::spawn(carried(connection));
            sender.ready().await.map_err(|error| Fault::Connect(error.into()))?;
            return Ok((Sender::Single(sender), false));
        }
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        let (mut sender, connection) = builder.handshake(stream).await.map_err(|error| Fault::Connect(error.into()))?;
        tokio::spawn(carried(connection));
        sender.ready().await.map_err(|error| Fault::Connect(error.into()))?;
        // Where several were opened at once, the first is the one that all use.
        let mut shared = locked(&shelf.shared);
        shared.take_if(|kept| kept.sender.is_closed());
        let kept = shared.get_or_insert_with(|| Idle { sender, since: Instant::now() });
        Ok((Sender::Shared(kept.sender.clone()), false))
    }
}

impl Shelf {
    /// A connection that can take a call.
    fn take(&self, idle: Duration) -> Option<Sender> {
        let mut single = locked(&self.single);
        while let Some(Idle { sender, since }) = single.pop() {
            if sender.is_ready() && since.elapsed() < idle {
                return Some(Sender::Single(sender));
            }
        }
        drop(single);
        if !self.shares.load(Ordering::Relaxed) {
            return None;
        }
        let mut shared = locked(&self.shared);
        match &mut *shared {
            Some(kept) if !kept.sender.is_closed() => {
                kept.since = Instant::now();
                Some(Sender::Shared(kept.sender.clone()))
            }
            dead => {
                *dead = None;
                None
            }
        }
    }

    /// Keeps a connection for the next call, as soon as it can take one.
    fn put_back(self: &Arc<Self>, sender: Sender) {
        // Those that share never gave theirs away.
        let Sender::Single(mut sender) = sender else { return };
        if sender.is_ready() {
            self.keep(sender);
        } else if !sender.is_closed() {
            let shelf = Arc::clone(self);
            // The body of the answer is still to come.
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    shelf.keep(sender);
                }
            });
        }
    }

    fn keep(&self, sender: http1::SendRequest<Body>) {
        locked(&self.single).push(Idle { sender, since: Instant::now() });
    }

    /// Has nobody use again what failed.
    fn forget(&self, failed: &Sender) {
        if matches!(failed, Sender::Shared(_)) {
            *locked(&self.shared) = None;
        }
    }

    /// Closes what was not used for `idle`; whether nothing is left.
    fn tidied(&self, idle: Duration) -> bool {
        let mut single = locked(&self.single);
        single.retain(|kept| !kept.sender.is_closed() && kept.since.elapsed() < idle);
        let mut shared = locked(&self.shared);
        shared.take_if(|kept| kept.sender.is_closed() || kept.since.elapsed() >= idle);
        single.is_empty() && shared.is_none()
    }
}

/// Closes connections that nobody uses, as long as there are any.
async fn tidy(kept: Weak<Kept>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut shelves = locked(&kept.shelves);
        // Calls under way have theirs in hand and put their connections back.
        shelves.retain(|_, shelf| !shelf.tidied(kept.idle) || Arc::strong_count(shelf) > 1);
        if shelves.is_empty() {
            return;
        }
    }
}

/// Has a connection do its work.
async fn carried(connection: impl Future<Output = hyper::Result<()>>) {
    if let Err(error) = connection.await {
        tracing::debug!("a connection to a provider ended: {error}");
    }
}

fn target(text: &str) -> Result<Uri, Fault> {
    Uri::try_from(text).map_err(|error| Fault::Uri(error.into()))
}

/// What it guards is changed in single steps: it is whole even where a thread panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        io::{Read as _, Write as _},
        net::{SocketAddr, TcpListener},
        sync::{atomic::AtomicUsize, mpsc},
        thread,
    };

    use futures_util::future::join_all;
    use http::Version;
    use http_body_util::BodyExt as _;
    use hyper::service::service_fn;
    use hyper_rustls::HttpsConnectorBuilder;
    use hyper_util::{rt::TokioIo, server::conn::auto};
    use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
    use tokio_rustls::TlsAcceptor;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn pool(roots: RootCertStore, idle: Duration) -> Pool {
        drop(rustls::crypto::ring::default_provider().install_default());
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().build();
        Pool::new(Connector::new(https), idle)
    }

    async fn call(pool: &Pool, url: &str) -> Result<(Version, String), Fault> {
        let answer = pool.exchange(&Url::parse(url).unwrap(), Request::new(Full::default())).await?;
        let version = answer.version();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Ok((version, String::from_utf8(body.to_vec()).unwrap()))
    }

    /// Answers with the number of the connection; closes it after as many calls as `calls` says, and tells when it is closed.
    fn server(calls: usize) -> (SocketAddr, mpsc::Receiver<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, closed) = mpsc::channel();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (mut stream, tell) = (stream.unwrap(), tell.clone());
                thread::spawn(move || {
                    let (mut read, mut piece) = (Vec::new(), [0; 1024]);
                    let mut left = calls;
                    while left > 0 {
                        let count = stream.read(&mut piece).unwrap_or(0);
                        if count == 0 {
                            break;
                        }
                        read.extend_from_slice(&piece[..count]);
                        if read.ends_with(b"\r\n\r\n") {
                            read.clear();
                            left -= 1;
                            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}").unwrap();
                        }
                    }
                    drop(stream);
                    let _nobody_listens = tell.send(());
                });
            }
        });
        (address, closed)
    }

    #[tokio::test]
    async fn a_connection_serves_one_call_after_the_other_and_is_closed_when_nobody_uses_it() {
        let (address, closed) = server(100);
        let pool = pool(RootCertStore::empty(), Duration::from_millis(300));
        let url = format!("http://{address}/a?b=c");
        for _ in 0..5 {
            assert_eq!(call(&pool, &url).await.unwrap(), (Version::HTTP_11, "0".to_owned()));
        }
        let gone = tokio::task::spawn_blocking(move || closed.recv_timeout(Duration::from_secs(20)));
        gone.await.unwrap().unwrap();
        assert!(locked(&pool.kept.shelves).is_empty(), "what is not used is forgotten");
        assert_eq!(call(&pool, &url).await.unwrap().1, "1");
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_no_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ask, asked) = mpsc::channel();
        let (tell, closed) = mpsc::channel();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let read = stream.read(&mut [0; 1024]).unwrap();
                assert!(read > 0, "nothing was asked");
                let (may, answer) = mpsc::channel();
                ask.send(may).unwrap();
                answer.recv().unwrap();
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}").unwrap();
                drop(stream);
                tell.send(()).unwrap();
            }
        });
        let pool = pool(RootCertStore::empty(), IDLE);
        let url = format!("http://{address}/");
        for number in ["0", "1", "2"] {
            // While this thread waits nothing is read: the answer and the end of its connection are met together.
            let closing = async {
                let may = loop {
                    match asked.try_recv() {
                        Ok(may) => break may,
                        Err(_) => tokio::task::yield_now().await,
                    }
                };
                may.send(()).unwrap();
                closed.recv_timeout(Duration::from_secs(20)).unwrap();
            };
            let (answer, ()) = tokio::join!(call(&pool, &url), closing);
            assert_eq!(answer.unwrap().1, number);
        }
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(call(&pool, &format!("http://{nobody}/")).await, Err(Fault::Connect(_))));
    }

    #[tokio::test]
    async fn calls_at_once_have_connections_of_their_own() {
        let (address, _closed) = server(100);
        let pool = pool(RootCertStore::empty(), IDLE);
        let url = format!("http://{address}/");
        let mut numbers: Vec<_> =
            join_all((0..3).map(|_| call(&pool, &url))).await.into_iter().map(Result::unwrap).collect();
        numbers.sort_by(|one, other| one.1.cmp(&other.1));
        assert_eq!(numbers.iter().map(|(_, number)| number.as_str()).collect::<Vec<_>>(), ["0", "1", "2"]);
        assert!(["0", "1", "2"].contains(&call(&pool, &url).await.unwrap().1.as_str()));
    }

    #[tokio::test]
    async fn http_2_is_shared() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let pool = pool(roots, IDLE);
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut tls =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/path", listener.local_addr().unwrap().port());
        let (accepted, hang_up) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let (count, end) = (Arc::clone(&accepted), hang_up.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let stream = TokioIo::new(acceptor.accept(stream).await.unwrap());
                let end =
                    if count.fetch_add(1, Ordering::SeqCst) == 0 { end.clone() } else { CancellationToken::new() };
                tokio::spawn(async move {
                    let echo = service_fn(|request: Request<Incoming>| async move {
                        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(request.uri().path().to_owned())))
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ended = end.run_until_cancelled(builder.serve_connection(stream, echo)).await;
                });
            }
        });
        assert_eq!(call(&pool, &url).await.unwrap(), (Version::HTTP_2, "/path".to_owned()));
        assert!(join_all((0..20).map(|_| call(&pool, &url))).await.into_iter().all(|answer| answer.is_ok()));
        assert_eq!(accepted.load(Ordering::SeqCst), 1);
        hang_up.cancel();
        // What was on its way may be lost, and nothing after it.
        let again = async { while call(&pool, &url).await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
        assert!(join_all((0..20).map(|_| call(&pool, &url))).await.into_iter().all(|answer| answer.is_ok()));
        assert_eq!(accepted.load(Ordering::SeqCst), 2);
    }
}
