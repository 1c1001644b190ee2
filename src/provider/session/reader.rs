//! An upload read in pieces of a wanted size.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    error::{Error, Result},
    upstream::ByteStream,
};

/// The file of an upload, read part by part.
pub(in crate::provider) struct Reader {
    stream: ByteStream,
    /// What was read, but not given yet.
    held: Bytes,
    ended: bool,
    given: u64,
    size: Option<u64>,
}

/// Consecutive bytes of a file.
pub(in crate::provider) struct Chunk {
    pub(in crate::provider) bytes: Bytes,
    /// Whether nothing follows.
    pub(in crate::provider) last: bool,
}

impl Reader {
    pub(in crate::provider) fn new(stream: ByteStream, size: Option<u64>) -> Self {
        Self { stream, held: Bytes::new(), ended: false, given: 0, size }
    }

    /// The announced size.
    pub(in crate::provider) fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next `size` bytes, or what is left of the file.
    pub(in crate::provider) async fn next(&mut self, size: usize) -> Result<Chunk> {
        let expected = self.size.map_or(size as u64, |whole| whole.saturating_sub(self.given).min(size as u64));
        let mut bytes =
            BytesMut::with_capacity(usize::try_from(expected).unwrap_or(size).max(self.held.len().min(size)));
        loop {
            let wanted = size - bytes.len();
            bytes.extend_from_slice(&self.held.split_to(wanted.min(self.held.len())));
            if !self.held.is_empty() || self.ended {
                break;
            }
            // Whether a full part is the last one is known only when the stream has ended.
            match self.stream.try_next().await {
                Ok(Some(piece)) => self.held = piece,
                Ok(None) => self.ended = true,
                Err(error) => return Err(broken(error)),
            }
        }
        self.given += bytes.len() as u64;
        let last = self.ended && self.held.is_empty();
        match self.size {
            Some(size) if self.given > size || last && self.given != size => Err(wrong_size(size)),
            _ => Ok(Chunk { bytes: bytes.freeze(), last }),
        }
    }

    /// The same file, its size known by now.
    pub(in crate::provider) fn expecting(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Puts back what was read first.
    pub(in crate::provider) fn put_back(&mut self, bytes: Bytes) {
        self.given -= (bytes.len() as u64).min(self.given);
        let held = std::mem::replace(&mut self.held, bytes);
        if !held.is_empty() {
            let rest = std::mem::replace(&mut self.stream, stream::empty().boxed());
            self.stream = stream::iter([Ok(held)]).chain(rest).boxed();
        }
        self.ended = false;
    }

    /// The rest as one stream, which breaks off after `most` bytes and says so.
    pub(in crate::provider) fn capped(self, most: u64) -> (ByteStream, Arc<AtomicBool>) {
        let over = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&over);
        let mut left = most;
        let whole = stream::iter([Ok(self.held)]).chain(self.stream);
        let stream = whole.map(move |piece| {
            let piece = piece?;
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
                tell.store(true, Ordering::Relaxed);
                std::io::Error::other("the file is too large to be sent without its size")
            })?;
            Ok(piece)
        });
        (stream.boxed(), over)
    }
}

/// The caller's mistake about the size.
pub(in crate::provider) fn wrong_size(announced: u64) -> Error {
    Error::bad_request(format!("The file is not of the announced size, {announced} bytes"))
        .with_detail("size", "should be the file's size in bytes")
}

/// The caller's stream broke off.
pub(in crate::provider) fn broken(error: std::io::Error) -> Error {
    Error::bad_request("The upload broke off or is not a well-formed multipart body").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(pieces: &[&'static str], size: Option<u64>) -> Reader {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        Reader::new(stream::iter(pieces).boxed(), size)
    }

    #[tokio::test]
    async fn cuts_parts_whatever_the_pieces() {
        for pieces in [&["abcdefgh"][..], &["a", "", "bcd", "efgh"], &["abcd", "efgh", ""]] {
            let mut reader = reader(pieces, None);
            let mut parts = Vec::new();
            loop {
                let chunk = reader.next(4).await.unwrap();
                parts.push(chunk.bytes);
                if chunk.last {
                    break;
                }
            }
            assert_eq!(parts, ["abcd", "efgh"], "{pieces:?}");
        }
        let mut reader = reader(&["abc", "de"], Some(5));
        let first = reader.next(4).await.unwrap();
        assert!(!first.last);
        reader.put_back(first.bytes);
        assert_eq!(reader.next(4).await.unwrap().bytes, "abcd");
        let rest = reader.next(4).await.unwrap();
        assert_eq!((rest.bytes, rest.last), (Bytes::from_static(b"e"), true));
    }

    #[tokio::test]
    async fn holds_the_caller_to_the_size() {
        for size in [4, 6] {
            let mut reader = reader(&["abc", "de"], Some(size));
            assert!(reader.next(9).await.is_err(), "{size}");
        }
        let (stream, over) = reader(&["abc", "de"], None).capped(4);
        assert!(stream.try_collect::<Vec<_>>().await.is_err());
        assert!(over.load(Ordering::Relaxed));
    }
}
