//! The imitation of a provider: fixed answers, made beforehand, as fast as hyper sends them.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{AUTHORIZATION, CONTENT_TYPE},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::{Outcome, documents};

/// The access token that every call brings, until it is refreshed.
pub const TOKEN: &str = "bench-access-token";
/// An access token that is no good.
pub const EXPIRED: &str = "bench-expired-token";

/// How long the token endpoint takes.
const TOKEN_TIME: Duration = Duration::from_millis(200);

/// A running provider, and what it counted.
#[derive(Debug, Clone)]
pub struct Provider {
    pub address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    tokens: AtomicU64,
    refused: AtomicU64,
    uploaded: AtomicU64,
}

impl Provider {
    /// Starts on a thread of its own, which ends with the process.
    pub fn start(file_bytes: u64) -> Outcome<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let provider = Self { address: listener.local_addr()?, counts: Arc::default() };
        let counts = Arc::clone(&provider.counts);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    let counts = Arc::clone(&counts);
                    tokio::spawn(async move {
                        stream.set_nodelay(true).ok();
                        let service = service_fn(move |request| answer(request, Arc::clone(&counts), file_bytes));
                        let connection = hyper::server::conn::http1::Builder::new();
                        // Who hangs up has had enough.
                        connection.serve_connection(TokioIo::new(stream), service).await.ok();
                    });
                }
            });
        });
        Ok(provider)
    }

    /// Calls of the token endpoint.
    pub fn token_calls(&self) -> u64 {
        self.counts.tokens.load(Ordering::SeqCst)
    }

    /// Calls with a token that is no good.
    pub fn refused(&self) -> u64 {
        self.counts.refused.load(Ordering::SeqCst)
    }

    /// Bytes taken in uploads.
    pub fn uploaded(&self) -> u64 {
        self.counts.uploaded.load(Ordering::SeqCst)
    }
}

type Answer = Response<Either<Full<Bytes>, File>>;

fn json(bytes: &Bytes) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(bytes.clone())));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

fn status(status: StatusCode) -> Answer {
    let mut response = json(&Bytes::from_static(b"{\"message\":\"no\"}"));
    *response.status_mut() = status;
    response
}

async fn answer(request: Request<Incoming>, counts: Arc<Counts>, file_bytes: u64) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    if path == "/oauth/token" {
        drop(request.into_body().collect().await);
        let n = counts.tokens.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(TOKEN_TIME).await;
        let grant = format!(
            "{{\"access_token\":\"{TOKEN}\",\"refresh_token\":\"refresh-{n}\",\"token_type\":\"bearer\",\"expires_in\":86400}}"
        );
        return Ok(json(&grant.into()));
    }
    let expired =
        request.headers().get(AUTHORIZATION).is_some_and(|value| value.as_bytes().ends_with(EXPIRED.as_bytes()));
    if expired {
        counts.refused.fetch_add(1, Ordering::SeqCst);
        return Ok(status(StatusCode::UNAUTHORIZED));
    }
    let reads = request.method() == Method::GET;
    Ok(match path {
        "/crm/v3/objects/contacts" if reads => json(&documents::PAGE),
        "/crm/v3/properties/contacts" => json(&documents::PROPERTIES),
        // The shipped element's look at its credentials.
        "/2/users/get_current_account" => json(&Bytes::from_static(b"{\"account_id\":\"dbid:1\"}")),
        "/2/files/list_folder" => {
            drop(request.into_body().collect().await);
            json(&documents::LISTING)
        }
        "/crm/v3/objects/contacts" => {
            drop(request.into_body().collect().await);
            json(&documents::CONTACT)
        }
        "/files" => {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                let taken = frame.data_ref().map_or(0, Bytes::len) as u64;
                counts.uploaded.fetch_add(taken, Ordering::Relaxed);
            }
            json(&Bytes::from_static(b"{\"id\":\"f1\",\"name\":\"file\",\"size\":1}"))
        }
        path if reads && path.starts_with("/crm/v3/objects/contacts/") => json(&documents::CONTACT),
        path if reads && path.starts_with("/files/") => {
            let mut response = Response::new(Either::Right(File { left: file_bytes }));
            let kind = hyper::header::HeaderValue::from_static("application/x-bench");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        _ => status(StatusCode::NOT_FOUND),
    })
}

static CHUNK: [u8; 64 * 1024] = [0x2a; 64 * 1024];

/// A file that is nowhere: the same bytes over and over.
pub struct File {
    left: u64,
}

impl Body for File {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = self.left.min(CHUNK.len() as u64);
        self.left -= size;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&CHUNK[..size as usize])))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
