//! The body of one part, which can be sent again, and whose progress is watched.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{catalog::Session, mapping::Root, upstream::Body};

/// What is handed to the connection at once.
const SLICE: usize = 64 << 10;

/// The time at which a part last moved.
#[derive(Clone)]
pub(in crate::provider) struct Beat {
    start: Instant,
    at: Arc<AtomicU64>,
}

impl Beat {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), at: Arc::default() }
    }

    fn now(&self) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at.store(elapsed, Ordering::Relaxed);
    }

    /// Comes back when nothing has moved for `longest`.
    pub(super) async fn silent_for(&self, longest: Duration) {
        loop {
            let due = self.start + Duration::from_millis(self.at.load(Ordering::Relaxed)) + longest;
            if Instant::now() >= due {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

/// The bytes of one part.
pub(in crate::provider) struct PartBody {
    pub(super) bytes: Bytes,
    pub(super) beat: Beat,
}

impl PartBody {
    /// Its body: a stream, so that the client sends it once; whether to send it again is decided here.
    pub(in crate::provider) fn body(&self) -> Body {
        let (mut rest, beat) = (self.bytes.clone(), self.beat.clone());
        let length = rest.len() as u64;
        beat.now();
        let slices = std::iter::from_fn(move || {
            beat.now();
            (!rest.is_empty()).then(|| Ok(rest.split_to(SLICE.min(rest.len()))))
        });
        Body::Stream { stream: stream::iter(slices).boxed(), length: Some(length) }
    }
}

/// Hashes that grow with what is fed to them; only those the mapping asks for.
#[derive(Clone)]
pub(super) struct Hashes {
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

impl Hashes {
    pub(super) fn wanted(session: &Session, root: Root) -> Self {
        Self {
            sha1: session.uses(root, "sha1").then(Sha1::new),
            sha256: session.uses(root, "sha256").then(Sha256::new),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.sha1 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha256 {
            hash.update(bytes);
        }
    }

    /// Puts the hashes under their names, in hexadecimal and in Base64.
    pub(super) fn tell(self, members: &mut Map<String, Value>) {
        let mut put = |name: &str, hash: &[u8]| {
            members.insert(name.to_owned(), Value::String(hex::encode(hash)));
            let text = base64::engine::general_purpose::STANDARD.encode(hash);
            members.insert(format!("{name}Base64"), Value::String(text));
        };
        if let Some(hash) = self.sha1 {
            put("sha1", &hash.finalize());
        }
        if let Some(hash) = self.sha256 {
            put("sha256", &hash.finalize());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_beat_puts_silence_off() {
        let beat = Beat::new();
        let other = beat.clone();
        let begun = Instant::now();
        let moving = async {
            tokio::time::sleep(Duration::from_secs(8)).await;
            other.now();
        };
        tokio::join!(beat.silent_for(Duration::from_secs(10)), moving);
        assert_eq!(begun.elapsed().as_secs(), 18);
    }
}
