//! `multipart/related`, read as it comes: lines may end in CRLF or, as some clients write them, in LF alone.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use memchr::memmem;

use super::failure::{Failure, Outcome};

/// The longest head of a part.
const HEAD_LIMIT: usize = 16 * 1024;

pub(super) const MALFORMED: Failure = Failure::Other(400, "badContent", "Malformed multipart body.");

/// A body of several parts.
pub(super) struct Parts {
    body: BodyDataStream,
    buffer: Vec<u8>,
    /// What stands between two parts: a line feed, two hyphens, the boundary.
    delimiter: Vec<u8>,
}

impl Parts {
    pub(super) fn new(body: Body, boundary: &str) -> Self {
        // The line feed that the first delimiter does without.
        Self {
            body: body.into_data_stream(),
            buffer: b"\n".to_vec(),
            delimiter: format!("\n--{boundary}").into_bytes(),
        }
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> Outcome<bool> {
        match self.body.next().await {
            Some(Ok(piece)) => {
                self.buffer.extend_from_slice(&piece);
                Ok(true)
            }
            Some(Err(error)) => Err(Failure::Io(std::io::Error::other(error))),
            None => Ok(false),
        }
    }

    /// The next piece of the current part; none at its end.
    pub(super) async fn piece(&mut self) -> Outcome<Option<Vec<u8>>> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, &self.delimiter) {
                if at == 0 {
                    return Ok(None);
                }
                let mut piece: Vec<u8> = self.buffer.drain(..at).collect();
                if piece.last() == Some(&b'\r') {
                    piece.pop();
                }
                return Ok(Some(piece));
            }
            // What may be the beginning of a delimiter, with the CR before it, waits for what follows.
            let safe = self.buffer.len().saturating_sub(self.delimiter.len() + 1);
            if safe > 0 {
                return Ok(Some(self.buffer.drain(..safe).collect()));
            }
            if !self.more().await? {
                return Err(MALFORMED);
            }
        }
    }

    /// Goes on to the next part, whose head is given; none after the last. The current part has to be read.
    pub(super) async fn next(&mut self) -> Outcome<Option<Head>> {
        while self.buffer.len() < self.delimiter.len() + 2 {
            if !self.more().await? {
                return Err(MALFORMED);
            }
        }
        if !self.buffer.starts_with(&self.delimiter) {
            return Err(MALFORMED);
        }
        self.buffer.drain(..self.delimiter.len());
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        self.line().await?;
        let mut content_type = None;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(Some(Head { content_type }));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-type")
            {
                let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                content_type = Some(kind).filter(|kind| !kind.is_empty());
            }
        }
    }

    /// A line of a head, without its end.
    async fn line(&mut self) -> Outcome<String> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer) {
                let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return String::from_utf8(line).map_err(|_| MALFORMED);
            }
            if self.buffer.len() > HEAD_LIMIT || !self.more().await? {
                return Err(MALFORMED);
            }
        }
    }
}

/// The head of a part.
pub(super) struct Head {
    /// Its media type, without parameters.
    pub(super) content_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &str, step: usize) -> Outcome<Vec<(Option<String>, String)>> {
        let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
            body.as_bytes().chunks(step).map(|piece| Ok(piece.to_vec())).collect();
        let mut parts = Parts::new(Body::from_stream(futures_util::stream::iter(pieces)), "b");
        let mut found = Vec::new();
        while let Some(head) = parts.next().await? {
            let mut content = Vec::new();
            while let Some(piece) = parts.piece().await? {
                content.extend(piece);
            }
            found.push((head.content_type, String::from_utf8(content).unwrap()));
        }
        Ok(found)
    }

    #[tokio::test]
    async fn reads_both_ends_of_lines_in_any_pieces() {
        let crlf =
            "--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n--b\r\n\r\na\n\r\n--c\r\n\r\n--b--\r\n";
        let lf = "--b\nContent-Type: application/json\nMIME-Version: 1.0\n\n{}\n--b\n\na\n\r\n--c\r\n\n--b--";
        for body in [crlf, lf] {
            for step in [1, 2, 3, 7, 1000] {
                let found = read(body, step).await.unwrap();
                let wanted =
                    vec![(Some("application/json".to_owned()), "{}".to_owned()), (None, "a\n\r\n--c\r\n".to_owned())];
                assert_eq!(found, wanted, "{step}: {body:?}");
            }
        }
        assert_eq!(read("--b\r\n\r\n\r\n--b--", 4).await.unwrap(), [(None, String::new())]);
    }

    #[tokio::test]
    async fn refuses_what_breaks_off() {
        for body in ["", "--b", "--b\r\n\r\nabc", "--b\r\nContent-Type: x", "--c\r\n\r\n--c--"] {
            assert!(read(body, 5).await.is_err(), "{body:?}");
        }
    }
}
