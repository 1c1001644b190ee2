//! Name resolution with the guard inside: only checked addresses are ever connected to.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    vec,
};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::guard::{Guard, Refused};

/// Turns a name into addresses; the machine's resolver, or a test's.
#[async_trait::async_trait]
pub trait Lookup: Send + Sync {
    /// The addresses of `host`.
    ///
    /// # Errors
    /// Whatever the resolver says.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's resolver.
pub(super) struct System;

#[async_trait::async_trait]
impl Lookup for System {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Resolves and keeps what the guard permits; the result is the list that is connected to.
pub(super) struct Guarded {
    pub(super) guard: Guard,
    pub(super) lookup: Arc<dyn Lookup>,
}

type Refusal = Box<dyn std::error::Error + Send + Sync>;

impl Guarded {
    async fn permitted(&self, host: &str) -> Result<vec::IntoIter<SocketAddr>, Refusal> {
        let found = self.lookup.lookup(host).await?;
        let mut refused: Option<Refused> = None;
        let mut permitted = Vec::with_capacity(found.len());
        for address in found {
            match self.guard.permits(host, address) {
                Ok(()) => permitted.push(SocketAddr::new(address, 0)),
                Err(why) => refused = Some(why),
            }
        }
        match refused {
            Some(why) if permitted.is_empty() => Err(why.into()),
            _ => Ok(permitted.into_iter()),
        }
    }
}

/// The same resolver, for either client.
#[derive(Clone)]
pub(super) struct Resolver(pub(super) Arc<Guarded>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guarded = Arc::clone(&self.0);
        Box::pin(async move { Ok(Box::new(guarded.permitted(name.as_str()).await?) as Addrs) })
    }
}

impl tower::Service<dns::Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Refusal;
    type Future = BoxFuture<'static, Result<Self::Response, Refusal>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        let guarded = Arc::clone(&self.0);
        Box::pin(async move { guarded.permitted(name.as_str()).await })
    }
}
