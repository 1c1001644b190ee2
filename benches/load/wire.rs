//! A client's side of HTTP/1.1 with as little work as it takes: it competes with what is measured for the processor.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};

use super::Outcome;

/// One connection.
#[derive(Debug)]
pub struct Wire<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
    filled: usize,
}

/// A connection whose thread waits for it, without a runtime: whatever is done with it is done at once.
#[derive(Debug)]
pub struct Blocking(std::net::TcpStream);

impl AsyncRead for Blocking {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.0.read(buf.initialize_unfilled())?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Blocking {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The head of an answer, and where its body lies in the buffer.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    pub status: u16,
    pub body: (usize, usize),
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new(), filled: 0 })
    }
}

impl Wire<Blocking> {
    /// A connection of a thread's own.
    pub fn block(address: SocketAddr) -> Outcome<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Blocking(stream), buffer: Vec::new(), filled: 0 })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// One call whose answer has a length and is read whole.
    pub async fn call(&mut self, request: &[u8]) -> Outcome<Reply> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let (status, start, length) = self.head().await?;
        let length = usize::try_from(length)?;
        while self.filled < start + length {
            self.fill().await?;
        }
        if self.filled > start + length {
            return Err("an answer is longer than it says".into());
        }
        Ok(Reply { status, body: (start, start + length) })
    }

    /// The body of a reply to the call before.
    pub fn body(&self, reply: Reply) -> &[u8] {
        &self.buffer[reply.body.0..reply.body.1]
    }

    /// The head of the last reply.
    pub fn head_text(&self, reply: Reply) -> String {
        String::from_utf8_lossy(&self.buffer[..reply.body.0]).into_owned()
    }

    /// Sends a request and reads the head alone; the body's length and how much of it came along.
    pub async fn begin(&mut self, request: &[u8]) -> Outcome<(u16, u64, usize)> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        let (status, start, length) = self.head().await?;
        Ok((status, length, self.filled - start))
    }

    /// Reads and throws away `left` bytes of a body.
    pub async fn discard(&mut self, mut left: u64) -> Outcome<()> {
        let mut piece = vec![0; 256 * 1024];
        while left > 0 {
            let read = self.stream.read(&mut piece).await?;
            if read == 0 {
                return Err("a body broke off".into());
            }
            left = left.saturating_sub(read as u64);
        }
        Ok(())
    }

    /// Sends a head and `length` bytes of a body after `lead` and before `tail`, then reads the reply.
    pub async fn upload(&mut self, head: &[u8], lead: &[u8], length: u64, tail: &[u8]) -> Outcome<Reply> {
        self.stream.write_all(head).await?;
        self.stream.write_all(lead).await?;
        let piece = vec![0x2a; 256 * 1024];
        let mut left = length;
        while left > 0 {
            let size = usize::try_from(left.min(piece.len() as u64))?;
            self.stream.write_all(&piece[..size]).await?;
            left -= size as u64;
        }
        self.call(tail).await
    }

    async fn fill(&mut self) -> Outcome<()> {
        if self.buffer.len() - self.filled < 16 * 1024 {
            self.buffer.resize(self.buffer.len().max(16 * 1024) * 2, 0);
        }
        let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
        if read == 0 {
            return Err("a connection was closed in the middle of an answer".into());
        }
        self.filled += read;
        Ok(())
    }

    async fn head(&mut self) -> Outcome<(u16, usize, u64)> {
        let end = loop {
            if let Some(end) = memmem::find(&self.buffer[..self.filled], b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let head = &self.buffer[..end];
        let status: u16 = std::str::from_utf8(&head[9..12])?.parse()?;
        let mut length = None;
        for line in head.split(|byte| *byte == b'\n').skip(1) {
            let (name, value) = line.split_at(line.len().min(15));
            if name.eq_ignore_ascii_case(b"content-length:") {
                length = Some(std::str::from_utf8(value)?.trim().parse()?);
            }
        }
        let length = if status == 304 || status == 204 { Some(0) } else { length };
        Ok((status, end, length.ok_or("an answer without a Content-Length")?))
    }
}

/// The text of a request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !body.is_empty() {
        let length = body.len().to_string();
        text.extend(["Content-Type: application/json\r\nContent-Length: ", &length, "\r\n"]);
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
