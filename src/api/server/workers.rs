//! Threads that serve connections, each with a runtime of its own.
//!
//! A connection stays on one of them with all that is done for it: nothing is handed to another thread, which costs more
//! than most calls have to do. Streams of an HTTP/2 connection are spread, for one such connection can carry everybody.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The threads; they end when the last clone is dropped.
#[derive(Debug, Clone)]
pub(in crate::api) struct Workers(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    workers: Vec<Worker>,
    next: AtomicUsize,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// Connections that it has.
    connections: Arc<AtomicUsize>,
}

/// One of a worker's connections, counted until this is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Workers {
    /// No threads: everything is done by the runtime of the caller.
    pub(super) fn none() -> Self {
        Self::of(Vec::new(), CancellationToken::new())
    }

    fn of(workers: Vec<Worker>, stop: CancellationToken) -> Self {
        Self(Arc::new(Parts { workers, next: AtomicUsize::new(0), _stop: stop.drop_guard() }))
    }

    /// `count` threads.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub(in crate::api) fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let workers: Vec<_> = (0..count).map(|number| start(number, stop.clone())).collect::<io::Result<_>>()?;
        Ok(Self::of(workers, stop))
    }

    /// The runtime for one more connection: that of the worker who has fewest.
    pub(super) fn seat(&self) -> (Handle, Option<Seat>) {
        let fewest = self.0.workers.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed));
        let Some(worker) = fewest else { return (Handle::current(), None) };
        worker.connections.fetch_add(1, Ordering::Relaxed);
        (worker.runtime.clone(), Some(Seat(Arc::clone(&worker.connections))))
    }

    /// The runtime for one more stream: each in turn.
    fn next(&self) -> Handle {
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed);
        let worker = turn.checked_rem(self.0.workers.len()).and_then(|turn| self.0.workers.get(turn));
        worker.map_or_else(Handle::current, |worker| worker.runtime.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Spawns what an HTTP/2 connection has to do beside itself.
impl<F> hyper::rt::Executor<F> for Workers
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.next().spawn(future);
    }
}

fn start(number: usize, stop: CancellationToken) -> io::Result<Worker> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || runtime.block_on(stop.cancelled()))?;
    Ok(Worker { runtime: handle, connections: Arc::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_go_to_whoever_has_fewest() {
        let workers = Workers::start(2).unwrap();
        let (first, seat) = workers.seat();
        let (second, _other) = workers.seat();
        let name = |runtime: Handle| runtime.spawn(async { thread::current().name().map(str::to_owned) });
        assert_ne!(name(first.clone()).await.unwrap(), name(second).await.unwrap());
        drop(seat);
        let (third, _seat) = workers.seat();
        assert_eq!(name(third).await.unwrap(), name(first).await.unwrap());
    }

    #[tokio::test]
    async fn without_threads_the_caller_does_it() {
        let workers = Workers::none();
        let (runtime, seat) = workers.seat();
        assert!(seat.is_none());
        let here = thread::current().id();
        assert_eq!(runtime.spawn(async { thread::current().id() }).await.unwrap(), here);
        assert_eq!(workers.next().spawn(async { thread::current().id() }).await.unwrap(), here);
    }
}
