//! Hears what other nodes change, and knows how far that can be relied upon.
//!
//! One connection listens. It is asked for a sign of life all the time; an answer proves that every change committed
//! before the question has been heard, since the database delivers notices before it answers. Without a recent answer
//! nothing is believed for longer than [`UNCHECKED`].

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::store::{Change, Follower};

const CHANNEL: &str = "hubgate";
/// From one question to the next.
const BEAT: Duration = Duration::from_millis(150);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_millis(300);
/// How long an answer counts, from its question on.
const COUNTS: Duration = Duration::from_millis(500);
/// How long what was read is believed while nothing is heard. With [`COUNTS`] it stays below a second.
const UNCHECKED: Duration = Duration::from_millis(400);
const CONNECT: Duration = Duration::from_secs(2);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// When the listening connection was known to be whole.
pub(super) struct Pulse {
    start: Instant,
    /// Milliseconds after `start`, plus one; 0 is never.
    heard: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { start: Instant::now(), heard: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// Whether what was read at `read_at` still holds, as far as this node can know.
    pub(super) fn believes(&self, read_at: Instant) -> bool {
        read_at.elapsed() < UNCHECKED || self.is_live()
    }

    fn is_live(&self) -> bool {
        let heard = self.heard.load(Ordering::SeqCst);
        heard > 0 && self.start.elapsed() < Duration::from_millis(heard - 1) + COUNTS
    }

    fn confirm(&self, asked: Instant) {
        let after = u64::try_from((asked - self.start).as_millis()).unwrap_or(u64::MAX - 1);
        self.heard.store(after + 1, Ordering::SeqCst);
    }

    fn lose(&self) {
        self.heard.store(0, Ordering::SeqCst);
    }
}

/// Tells `follower` of changes, for ever; connects anew whenever the connection is lost.
pub(super) async fn follow(options: &PgConnectOptions, pulse: &Pulse, follower: &dyn Follower) {
    let mut pause = PAUSE_MIN;
    let mut deaf = false;
    loop {
        let began = Instant::now();
        let lost = listen(options, pulse, follower).await;
        pulse.lose();
        if !deaf || began.elapsed() > PAUSE_MAX {
            tracing::warn!(reason = %lost, "changes by other nodes are not heard; the store is asked each time");
            pause = PAUSE_MIN;
        }
        deaf = true;
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Listens until the connection is lost; tells why.
async fn listen(options: &PgConnectOptions, pulse: &Pulse, follower: &dyn Follower) -> String {
    // A pool of its own, dropped with the connection: what is broken is not used again.
    let options = options.clone().application_name("hubgate listener");
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT).connect_lazy_with(options);
    let connect = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let mut listener = match timeout(CONNECT, connect).await {
        Ok(Ok(listener)) => listener,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "no connection in time".to_owned(),
    };
    // What happened before we listened has been missed.
    follower.changed(Change::Everything).await;
    tracing::debug!("changes by other nodes are heard");
    loop {
        let asked = Instant::now();
        match timeout(ANSWER, sqlx::query("SELECT 1").execute(&mut listener)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "no sign of life".to_owned(),
        }
        while let Some(notice) = listener.next_buffered() {
            tell(follower, &notice).await;
        }
        pulse.confirm(asked);
        loop {
            match timeout_at(asked + BEAT, listener.try_recv()).await {
                Err(_) => break,
                Ok(Ok(Some(notice))) => tell(follower, &notice).await,
                Ok(Ok(None)) => return "the connection was closed".to_owned(),
                Ok(Err(error)) => return error.to_string(),
            }
        }
    }
}

async fn tell(follower: &dyn Follower, notice: &PgNotification) {
    follower.changed(read(notice.payload())).await;
}

/// What a notice says; what is not understood may be anything.
fn read(payload: &str) -> Change {
    let mut words = payload.split(' ');
    match (words.next(), words.next().and_then(|id| id.parse().ok()), words.next()) {
        (Some("instance"), Some(id), Some("gone")) => Change::Instance { id, version: i64::MAX },
        (Some("instance"), Some(id), Some(version)) => {
            Change::Instance { id, version: version.parse().unwrap_or(i64::MAX) }
        }
        (Some("accounts"), None, None) => Change::Accounts,
        _ => Change::Everything,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read() {
        assert_eq!(read("instance 7 3"), Change::Instance { id: 7, version: 3 });
        assert_eq!(read("instance 7 gone"), Change::Instance { id: 7, version: i64::MAX });
        assert_eq!(read("accounts"), Change::Accounts);
        for odd in ["", "instance", "instance x 1", "news"] {
            assert_eq!(read(odd), Change::Everything, "{odd}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_believed_for_a_second_without_a_sign_of_life() {
        let pulse = Pulse::default();
        let read_at = Instant::now();
        assert!(pulse.believes(read_at));
        tokio::time::advance(UNCHECKED).await;
        assert!(!pulse.believes(read_at), "never heard");
        pulse.confirm(Instant::now());
        assert!(pulse.believes(read_at));
        tokio::time::advance(COUNTS).await;
        assert!(!pulse.believes(read_at), "heard too long ago");
        pulse.confirm(Instant::now());
        pulse.lose();
        assert!(!pulse.believes(read_at) && pulse.believes(Instant::now()));
        assert!(UNCHECKED + COUNTS < Duration::from_secs(1));
    }
}
