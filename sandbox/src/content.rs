//! What is in a file: small contents in memory, big ones in a spool file, synthetic ones nowhere at all.

use std::{
    io::SeekFrom,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use axum::body::{Body, Bytes};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};
use tokio_util::io::ReaderStream;

use crate::core::Spool;

/// Contents up to this size stay in memory.
const IN_MEMORY: usize = 1024 * 1024;
/// The block size of Dropbox's content hash, and the period of synthetic contents.
const BLOCK: usize = 4 * 1024 * 1024;
/// How much of a synthetic content is sent at a time.
const PIECE: usize = 64 * 1024;

/// Which hash a provider keeps of its files.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hash {
    /// SHA-1 of the whole.
    Sha1,
    /// MD5 of the whole.
    Md5,
    /// SHA-256 of the SHA-256 sums of all blocks of 4 MiB.
    Blocks,
}

/// An unchanging content, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// The provider's hash, lower-case hexadecimal.
    pub(crate) hash: String,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    Memory(Bytes),
    Spooled(Arc<Spooled>),
    Pattern,
}

/// A spool file; removed when nothing refers to it any longer.
#[derive(Debug)]
struct Spooled(PathBuf);

impl Drop for Spooled {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "a spool file could not be removed");
        }
    }
}

impl Content {
    /// A content that is at hand.
    pub(crate) fn of(hash: Hash, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let mut running = Running::new(hash);
        running.update(&bytes);
        Self { size: bytes.len() as u64, hash: running.finish(), store: Store::Memory(bytes) }
    }

    /// A content of any size that takes no room: a fixed pattern with a period of 4 MiB. Takes long for SHA-1 and
    /// gigabytes, so call it where blocking is allowed.
    pub(crate) fn pattern(hash: Hash, size: u64) -> Self {
        let block = pattern_block();
        let whole = usize::try_from(size / BLOCK as u64).unwrap_or(usize::MAX);
        let mut running = Running::new(hash);
        match &mut running {
            Running::Sha1(sum) => (0..whole).for_each(|_| sum.update(&block)),
            Running::Md5(sum) => (0..whole).for_each(|_| sum.update(&block)),
            Running::Blocks { sums, .. } => {
                // All blocks are the same, so one sum does for all of them.
                let sum = Sha256::digest(&block);
                (0..whole).for_each(|_| sums.update(sum));
            }
        }
        let rest = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        running.update(&block.slice(..rest));
        Self { size, hash: running.finish(), store: Store::Pattern }
    }

    /// The bytes from `start` up to, not including, `end`, as a body that is read as it is sent.
    pub(crate) async fn body(&self, start: u64, end: u64) -> std::io::Result<Body> {
        let end = end.min(self.size);
        let start = start.min(end);
        match &self.store {
            Store::Memory(bytes) => {
                let range = usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
                Ok(Body::from(bytes.slice(range)))
            }
            Store::Spooled(spooled) => {
                let mut file = File::open(&spooled.0).await?;
                file.seek(SeekFrom::Start(start)).await?;
                let kept = Arc::clone(spooled);
                let stream = ReaderStream::with_capacity(file.take(end - start), PIECE);
                Ok(Body::from_stream(futures_util::StreamExt::map(stream, move |piece| {
                    let _held = &kept;
                    piece
                })))
            }
            Store::Pattern => {
                let block = pattern_block();
                Ok(Body::from_stream(futures_util::stream::unfold(start, move |at| {
                    let block = block.clone();
                    async move {
                        if at >= end {
                            return None;
                        }
                        let from = usize::try_from(at % BLOCK as u64).unwrap_or(0);
                        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
                        let piece = block.slice(from..BLOCK.min(from.saturating_add(left)).min(from + PIECE));
                        let next = at + piece.len() as u64;
                        Some((Ok::<_, std::io::Error>(piece), next))
                    }
                })))
            }
        }
    }
}

/// The one block that synthetic contents repeat.
fn pattern_block() -> Bytes {
    static PATTERN: OnceLock<Bytes> = OnceLock::new();
    PATTERN
        .get_or_init(|| {
            let mut block = Vec::with_capacity(BLOCK);
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            while block.len() < BLOCK {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                block.extend_from_slice(&state.to_le_bytes());
            }
            block.into()
        })
        .clone()
}

/// A content that is being received, piece by piece, in constant memory.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) size: u64,
    hash: Running,
    memory: Vec<u8>,
    file: Option<(File, Spooled)>,
}

impl Intake {
    pub(crate) fn new(hash: Hash) -> Self {
        Self { size: 0, hash: Running::new(hash), memory: Vec::new(), file: None }
    }

    /// Takes the next piece.
    pub(crate) async fn push(&mut self, spool: &Spool, piece: &[u8]) -> std::io::Result<()> {
        self.hash.update(piece);
        self.size += piece.len() as u64;
        if self.file.is_none() && self.memory.len() + piece.len() > IN_MEMORY {
            let path = spool.fresh()?;
            let mut file = File::create(&path).await?;
            file.write_all(&self.memory).await?;
            self.memory = Vec::new();
            self.file = Some((file, Spooled(path)));
        }
        match &mut self.file {
            Some((file, _)) => file.write_all(piece).await?,
            None => self.memory.extend_from_slice(piece),
        }
        Ok(())
    }

    /// The content, now that all of it is here.
    pub(crate) async fn finish(self) -> std::io::Result<Content> {
        let store = match self.file {
            Some((mut file, spooled)) => {
                file.flush().await?;
                Store::Spooled(Arc::new(spooled))
            }
            None => Store::Memory(self.memory.into()),
        };
        Ok(Content { size: self.size, hash: self.hash.finish(), store })
    }
}

/// A hash in progress.
#[derive(Clone, Debug)]
enum Running {
    Sha1(Sha1),
    Md5(Md5),
    Blocks { sums: Sha256, block: Sha256, filled: usize },
}

impl Running {
    fn new(hash: Hash) -> Self {
        match hash {
            Hash::Sha1 => Self::Sha1(Sha1::new()),
            Hash::Md5 => Self::Md5(Md5::new()),
            Hash::Blocks => Self::Blocks { sums: Sha256::new(), block: Sha256::new(), filled: 0 },
        }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        match self {
            Self::Sha1(sum) => sum.update(bytes),
            Self::Md5(sum) => sum.update(bytes),
            Self::Blocks { sums, block, filled } => {
                while !bytes.is_empty() {
                    let (now, later) = bytes.split_at(bytes.len().min(BLOCK - *filled));
                    block.update(now);
                    *filled += now.len();
                    if *filled == BLOCK {
                        sums.update(block.finalize_reset());
                        *filled = 0;
                    }
                    bytes = later;
                }
            }
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha1(sum) => hex::encode(sum.finalize()),
            Self::Md5(sum) => hex::encode(sum.finalize()),
            Self::Blocks { mut sums, block, filled } => {
                if filled > 0 {
                    sums.update(block.finalize());
                }
                hex::encode(sums.finalize())
            }
        }
    }
}

/// What a `Range` header asks of a content of `size` bytes: the first byte and the one after the last.
///
/// `None` when there is none, or one that is not understood and therefore ignored.
pub(crate) fn range(header: Option<&str>, size: u64) -> Option<Result<(u64, u64), Unsatisfiable>> {
    let (first, last) = header?.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let suffix: u64 = last.parse().ok()?;
        return Some(if suffix == 0 || size == 0 {
            Err(Unsatisfiable)
        } else {
            Ok((size.saturating_sub(suffix), size))
        });
    }
    let first: u64 = first.parse().ok()?;
    let end = if last.is_empty() { size } else { last.parse::<u64>().ok()?.checked_add(1)?.min(size) };
    Some(if first < end { Ok((first, end)) } else { Err(Unsatisfiable) })
}

/// A range beyond the end of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsatisfiable;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_blocks_as_documented() {
        // The sum of no block at all is the sum of nothing.
        let empty = Content::of(Hash::Blocks, Bytes::new());
        assert_eq!(empty.hash, hex::encode(Sha256::digest(b"")));
        let one = Content::of(Hash::Blocks, "abc");
        assert_eq!(one.hash, hex::encode(Sha256::digest(Sha256::digest(b"abc"))));
        let two = Content::of(Hash::Blocks, vec![7_u8; BLOCK + 1]);
        let mut sums = Sha256::digest(vec![7_u8; BLOCK]).to_vec();
        sums.extend(Sha256::digest([7_u8]));
        assert_eq!(two.hash, hex::encode(Sha256::digest(sums)));
    }

    #[tokio::test]
    async fn spools_what_is_big_and_reads_it_back() {
        let spool = Spool::default();
        let mut intake = Intake::new(Hash::Sha1);
        for _ in 0..5 {
            intake.push(&spool, &vec![1_u8; 300_000]).await.unwrap();
        }
        let content = intake.finish().await.unwrap();
        assert_eq!(content.size, 1_500_000);
        assert_eq!(content.hash, Content::of(Hash::Sha1, vec![1_u8; 1_500_000]).hash);
        let body = content.body(1_499_990, 1_500_000).await.unwrap();
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap().len(), 10);
    }

    #[tokio::test]
    async fn synthesises_the_same_bytes_at_any_offset() {
        let content = Content::pattern(Hash::Blocks, BLOCK as u64 + 100_000);
        let whole = axum::body::to_bytes(content.body(0, content.size).await.unwrap(), BLOCK * 2).await.unwrap();
        assert_eq!(whole.len() as u64, content.size);
        assert_eq!(content.hash, Content::of(Hash::Blocks, whole.clone()).hash);
        let part = axum::body::to_bytes(content.body(70_000, 200_000).await.unwrap(), BLOCK).await.unwrap();
        assert_eq!(part[..], whole[70_000..200_000]);
    }

    #[test]
    fn reads_ranges() {
        assert_eq!(range(None, 10), None);
        assert_eq!(range(Some("bytes=2-4"), 10), Some(Ok((2, 5))));
        assert_eq!(range(Some("bytes=8-"), 10), Some(Ok((8, 10))));
        assert_eq!(range(Some("bytes=-3"), 10), Some(Ok((7, 10))));
        assert_eq!(range(Some("bytes=10-"), 10), Some(Err(Unsatisfiable)));
        assert_eq!(range(Some("pages=1-2"), 10), None);
        assert_eq!(range(Some("bytes=2-4,6-7"), 10), None);
    }
}
