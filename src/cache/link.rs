//! The connection to Redis: asked for a moment only, and left alone for a while after it failed.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use redis::{
    Client, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, timeout};

use crate::error::{Error, Kind, Result};

/// How long one question to Redis may take.
const PATIENCE: Duration = Duration::from_millis(100);
const CONNECT: Duration = Duration::from_secs(1);
/// How long Redis is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It was not asked: it failed a moment ago.
    Skipped,
    /// It failed, or took too long.
    Failed,
}

impl Silence {
    /// The word for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// A Redis that nodes share.
pub struct Link {
    connection: ConnectionManager,
    start: Instant,
    /// Milliseconds after `start` before which Redis is left alone.
    closed_until: AtomicU64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

impl Link {
    /// The Redis at `url`; connects when it is first needed, within a runtime.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn new(url: &SecretString) -> Result<Self> {
        let refused = |error| Error::new(Kind::Internal, "cache.redis_url cannot be used").with_source(error);
        let client = Client::open(url.expose_secret()).map_err(refused)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1)
            .set_max_delay(PAUSE);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(refused)?;
        Ok(Self { connection, start: Instant::now(), closed_until: AtomicU64::new(0) })
    }

    /// The answer of Redis, if it gives one in time.
    ///
    /// # Errors
    /// [`Silence`] when there is none; nobody else is told.
    pub async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Silence> {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < self.closed_until.load(Ordering::Relaxed) {
            return Err(Silence::Skipped);
        }
        let mut connection = self.connection.clone();
        let answered: RedisResult<T> = match timeout(PATIENCE, command.query_async(&mut connection)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))),
        };
        let pause = u64::try_from(PAUSE.as_millis()).unwrap_or_default();
        self.closed_until.store(now.saturating_add(pause), Ordering::Relaxed);
        tracing::warn!(error = ?answered.err().map(|error| error.kind()), "Redis is left alone for a while");
        Err(Silence::Failed)
    }
}
