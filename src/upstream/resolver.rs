//! Name resolution with the guard inside: only checked addresses are ever connected to.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

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

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup) = (self.guard.clone(), Arc::clone(&self.lookup));
        Box::pin(async move {
            let host = name.as_str();
            let found = lookup.lookup(host).await?;
            let mut refused: Option<Refused> = None;
            let mut permitted = Vec::with_capacity(found.len());
            for address in found {
                match guard.permits(host, address) {
                    Ok(()) => permitted.push(SocketAddr::new(address, 0)),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                Some(why) if permitted.is_empty() => Err(why.into()),
                _ => Ok(Box::new(permitted.into_iter()) as Addrs),
            }
        })
    }
}
