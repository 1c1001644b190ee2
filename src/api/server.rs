//! The accept loop over hyper: connection limit, deadlines, graceful shutdown.
//!
//! axum's own loop has neither a deadline for a request's head nor one for idle connections, so that a few hundred
//! silent connections can make it unavailable.

#[cfg(test)]
mod bounds;
mod calls;
mod crowd;
mod heads;
mod lent;
mod link;
#[cfg(test)]
mod order;
mod tls;
mod workers;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::body::Body;
use futures_util::FutureExt as _;
use hyper::{
    body::{Body as _, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

pub use self::tls::Tls;
pub(super) use self::{
    calls::{Awaited, Calls},
    link::Repeats,
    workers::Workers,
};
use self::{
    crowd::{Crowd, Leave, Place},
    lent::Home,
    link::{Limits, Link},
};
use super::Front;
use crate::{config::Server, telemetry::metric};

/// After an accept that failed for want of resources.
const PAUSE: Duration = Duration::from_millis(50);
const HTTP2_PING: Duration = Duration::from_secs(20);

/// Serves until `stop`, by TLS where `tls` is given, then lets calls in flight finish within the drain time.
///
/// Gives back whether all of them did.
pub async fn serve(
    listener: TcpListener,
    front: Front,
    settings: &Server,
    tls: Option<Tls>,
    stop: CancellationToken,
) -> bool {
    serve_by(Workers::none(), listener, front, settings, tls, stop).await
}

/// As [`serve`], with connections that are accepted here and served by `workers`.
pub(super) async fn serve_by(
    workers: Workers,
    listener: TcpListener,
    front: Front,
    settings: &Server,
    tls: Option<Tls>,
    stop: CancellationToken,
) -> bool {
    let front = Arc::new(front);
    let builder = Arc::new(builder(workers.clone()));
    let connections = TaskTracker::new();
    let limits = Limits { header: settings.header_timeout(), idle: settings.idle_timeout() };
    let (open, in_flight) = (metrics::gauge!(metric::CONNECTIONS), metrics::gauge!(metric::HTTP_IN_FLIGHT));
    let crowd = Crowd::new(settings, stop.clone());
    let _keeper = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&crowd).keep_order()));

    while let Some(stream) = stop.run_until_cancelled(accept(&listener, &crowd)).await {
        let calls = Calls::new(in_flight.clone());
        let Some(place) = stop.run_until_cancelled(crowd.enter(calls.clone())).await else { break };
        let (front, builder, open) = (Arc::clone(&front), Arc::clone(&builder), open.clone());
        let acceptor = tls.as_ref().map(Tls::acceptor);
        let (runtime, seat) = workers.seat();
        let stream = match moved(stream, &runtime) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!("a connection was lost on its way to a worker: {error}");
                continue;
            }
        };
        connections.spawn_on(
            async move {
                let _seat = seat;
                open.increment(1.0);
                match acceptor {
                    None => attend(&builder, stream, limits, calls, front, &place).await,
                    // It takes more room, which those without TLS need not have.
                    Some(acceptor) => {
                        if let Some(stream) = Box::pin(shake_hands(&acceptor, stream, limits, &place)).await {
                            attend(&builder, stream, limits, calls, front, &place).await;
                        }
                    }
                }
                open.decrement(1.0);
            },
            &runtime,
        );
    }
    drop(listener);
    connections.close();
    tokio::time::timeout(settings.drain(), connections.wait()).await.is_ok()
}

/// The connection that the handshake leads to, if it comes to an end in time.
async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    limits: Limits,
    place: &Place,
) -> Option<Box<TlsStream<TcpStream>>> {
    match place.stay(tokio::time::timeout(limits.header, acceptor.accept(stream))).await.ok()? {
        Ok(Ok(stream)) => return Some(Box::new(stream)),
        Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
    None
}

/// `stream`, with `runtime` to be told when there is something to read.
fn moved(stream: TcpStream, runtime: &Handle) -> io::Result<TcpStream> {
    let _there = runtime.enter();
    TcpStream::from_std(stream.into_std()?)
}

/// Serves one connection to its end.
async fn attend<S>(
    builder: &auto::Builder<Workers>,
    stream: S,
    limits: Limits,
    calls: Calls,
    front: Arc<Front>,
    place: &Place,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let link = Link::new(stream, limits, calls.clone()).repeating(Arc::<Front>::clone(&front));
    let service = move |request: hyper::Request<Incoming>| {
        let guard = calls.begin(request.version(), request.body().size_hint().exact());
        let (front, calls) = (Arc::clone(&front), calls.clone());
        // The connection keeps room for what is made here, also between calls.
        Box::pin(front.answer(request, calls, Box::new(guard)).map(Ok::<_, Infallible>))
    };
    carry(builder, link, service, place).await;
}

/// Has hyper serve what `link` does not, whenever there is something.
async fn carry<S, F>(
    builder: &auto::Builder<Workers>,
    mut link: Link<S>,
    service: impl Fn(hyper::Request<Incoming>) -> F + Clone + Send + 'static,
    place: &Place,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<hyper::Response<Body>, Infallible>> + Send + 'static,
{
    loop {
        match place.stay(link.wait()).await {
            Ok(Ok(true)) => {}
            // What is left of an answer goes out; whether the other side takes our word that this is the end is its own affair.
            Ok(Ok(false)) | Err(Leave::Finishing) => return drop(link.shutdown().await),
            Ok(Err(error)) => return tracing::debug!("a connection ended early: {error}"),
            Err(Leave::AtOnce) => return tracing::debug!("{GAVE_WAY}"),
        }
        link.unpark();
        let home = Home::new();
        let io = TokioIo::new(home.lend(link));
        let mut connection = Box::pin(builder.serve_connection(io, service_fn(service.clone())).into_owned());
        let ended = match place.stay(connection.as_mut()).await {
            Ok(ended) => ended,
            Err(Leave::Finishing) => {
                connection.as_mut().graceful_shutdown();
                connection.as_mut().await
            }
            Err(Leave::AtOnce) => return tracing::debug!("{GAVE_WAY}"),
        };
        drop(connection);
        match (home.back().and_then(Link::parked), ended) {
            (Some(parked), _) => link = parked,
            (None, Ok(())) => return,
            (None, Err(error)) => return tracing::debug!("a connection ended early: {error}"),
        }
    }
}

const GAVE_WAY: &str = "a connection that kept us waiting gave way to others";

fn builder(workers: Workers) -> auto::Builder<Workers> {
    let mut builder = auto::Builder::new(workers);
    // The deadlines of HTTP/1 are the link's.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING)
        .max_concurrent_streams(256)
        .max_header_list_size(64 * 1024);
    builder
}

async fn accept(listener: &TcpListener, crowd: &Crowd) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!("TCP_NODELAY was refused: {error}");
                }
                return stream;
            }
            // The caller was gone before we came.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::warn!("no connection can be accepted just now: {error}");
                crowd.make_room();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
