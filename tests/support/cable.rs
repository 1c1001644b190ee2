//! A TCP connection that can be cut, or hold its breath.

use std::{net::SocketAddr, sync::Arc};

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
    /// Connections are closed, and new ones at once.
    Cut,
}

/// Forwards connections to an address.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

impl Cable {
    pub(crate) async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(watch::channel(State::Whole).0);
        let (target, shared) = (target.to_owned(), Arc::clone(&state));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *shared.borrow() == State::Cut {
                    continue;
                }
                let (target, state) = (target.clone(), shared.subscribe());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(&target).await else { return };
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::select! {
                        () = carry(near_in, far_out, state.clone()) => {}
                        () = carry(far_in, near_out, state.clone()) => {}
                        () = until(state, State::Cut) => {}
                    }
                });
            }
        });
        Self { address, state, task }
    }

    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub(crate) fn freeze(&self) {
        self.state.send_replace(State::Frozen);
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

async fn until(mut state: watch::Receiver<State>, wanted: State) {
    drop(state.wait_for(|state| *state == wanted).await);
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: watch::Receiver<State>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read) = from.read(&mut buffer).await else { return };
        if read == 0 {
            return;
        }
        until(state.clone(), State::Whole).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
