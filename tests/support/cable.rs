//! A TCP connection that can be cut, or hold its breath.
#![allow(dead_code, reason = "no test uses all of it")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinHandle,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything goes through.
    Whole,
    /// Nothing goes through, and nobody is told.
    Frozen,
    /// As frozen, but only for connections that named themselves with the mark.
    Deaf,
    /// Connections are closed, and new ones at once.
    Cut,
}

/// Forwards connections to an address.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    marked: Arc<AtomicUsize>,
    losses: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// One connection, and whether it named itself with the mark.
struct Connection {
    marked: AtomicBool,
    all_marked: Arc<AtomicUsize>,
    /// How many times connections had been lost when it was made.
    born: usize,
    losses: Arc<AtomicUsize>,
}

impl Connection {
    fn mark(&self) {
        if !self.marked.swap(true, Ordering::SeqCst) {
            self.all_marked.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn is_lost(&self) -> bool {
        self.born < self.losses.load(Ordering::SeqCst)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if *self.marked.get_mut() {
            self.all_marked.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Cable {
    /// A cable to `target`; `mark` is what some connections begin with, see [`Cable::deafen`].
    pub(crate) async fn to(target: &str, mark: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(watch::channel(State::Whole).0);
        let marked = Arc::<AtomicUsize>::default();
        let losses = Arc::<AtomicUsize>::default();
        let (target, shared, all_marked) = (target.to_owned(), Arc::clone(&state), Arc::clone(&marked));
        let lost = Arc::clone(&losses);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *shared.borrow() == State::Cut {
                    continue;
                }
                let (target, state) = (target.clone(), shared.subscribe());
                let connection = Connection {
                    marked: AtomicBool::new(false),
                    all_marked: Arc::clone(&all_marked),
                    born: lost.load(Ordering::SeqCst),
                    losses: Arc::clone(&lost),
                };
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(&target).await else { return };
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::select! {
                        () = carry(near_in, far_out, state.clone(), mark, &connection) => {}
                        () = carry(far_in, near_out, state.clone(), "", &connection) => {}
                        () = until(state, |state| state == State::Cut) => {}
                    }
                });
            }
        });
        Self { address, state, marked, losses, task }
    }

    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub(crate) fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    /// Nothing goes through the connections there are any more, ever, and nobody is told; new ones are whole.
    pub(crate) fn lose(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
        self.mend();
    }

    /// How many connections named themselves with the mark and are open.
    pub(crate) fn marked(&self) -> usize {
        self.marked.load(Ordering::SeqCst)
    }

    /// Freezes the connections that named themselves with the mark, and no others.
    pub(crate) fn deafen(&self) {
        self.state.send_replace(State::Deaf);
    }

    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn until(mut state: watch::Receiver<State>, wanted: impl Fn(State) -> bool) {
    drop(state.wait_for(|state| wanted(*state)).await);
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: watch::Receiver<State>,
    mark: &str,
    connection: &Connection,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read) = from.read(&mut buffer).await else { return };
        if read == 0 {
            return;
        }
        if !mark.is_empty() && buffer[..read].windows(mark.len()).any(|window| window == mark.as_bytes()) {
            connection.mark();
        }
        let deaf = connection.marked.load(Ordering::SeqCst);
        let whole = |state: State| !connection.is_lost() && (state == State::Whole || (state == State::Deaf && !deaf));
        until(state.clone(), whole).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
