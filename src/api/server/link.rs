//! A connection with deadlines: for the head of a request, for silence between requests, for a stalled answer.
//!
//! A request that somebody can answer by its bytes alone is answered here, and hyper never sees it. Between calls a
//! connection does without hyper after a while, for the room that it takes.

use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes, buf::Chain};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::calls::{Call, Calls};

/// Answers requests by their bytes.
pub(in crate::api) trait Repeats: fmt::Debug + Send + Sync {
    /// The answer to the request that `head` is, if it can be told without reading it: its head put into `answer`, its body
    /// given back.
    fn repeat(&self, head: &[u8], answer: &mut Vec<u8>) -> Option<Bytes>;
}

/// After so much silence hyper is done without: making it anew costs less than keeping its buffers for long.
const PARKED_AFTER: Duration = Duration::from_secs(1);

/// What is read at once where hyper does not say.
const PIECE: usize = 8 << 10;

/// A body that is no longer is put behind its head, so that both go out as one piece.
const SMALL: usize = 16 << 10;

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the first byte of a request's head (on a new connection: from its start) to the last.
    pub(super) header: Duration,
    /// Between requests, and while the other side takes nothing of our answer.
    pub(super) idle: Duration,
}

/// A byte stream that fails with [`io::ErrorKind::TimedOut`] at its deadlines.
#[derive(Debug)]
pub(super) struct Link<S> {
    stream: S,
    calls: Calls,
    limits: Limits,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    repeats: Option<Arc<dyn Repeats>>,
    /// What was read already and is passed on first.
    ahead: Bytes,
    parking: Parking,
    /// Whether something was written through us that may not have gone out yet.
    unsent: bool,
    /// What is left to be sent of an answer given here.
    rest: Option<Box<Rest>>,
}

/// How it is with hyper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parking {
    /// It is not there.
    Away,
    /// It reads from us.
    There,
    /// It was told to go, for there is nothing to do.
    Told,
}

/// The rest of an answer, head before body; its call is in flight.
#[derive(Debug)]
struct Rest {
    left: Chain<Bytes, Bytes>,
    _call: Call,
}

impl<S> Link<S> {
    /// A connection whose first head begins now.
    pub(super) fn new(stream: S, limits: Limits, calls: Calls) -> Self {
        let read_timer = Box::pin(tokio::time::sleep_until(calls.connect() + limits.header));
        Self {
            stream,
            calls,
            limits,
            read_timer,
            write_timer: None,
            repeats: None,
            ahead: Bytes::new(),
            parking: Parking::Away,
            unsent: false,
            rest: None,
        }
    }

    /// From now on hyper reads.
    pub(super) fn unpark(&mut self) {
        self.parking = Parking::There;
    }

    /// This connection again, if hyper was told to go and it goes on by itself.
    pub(super) fn parked(mut self) -> Option<Self> {
        (std::mem::replace(&mut self.parking, Parking::Away) == Parking::Told).then_some(self)
    }

    /// With somebody who answers requests by their bytes.
    pub(super) fn repeating(self, repeats: Arc<dyn Repeats>) -> Self {
        Self { repeats: Some(repeats), ..self }
    }

    /// Whether `bytes` that came now begin a message, and all before them was answered.
    fn is_between(&self) -> bool {
        !self.unsent && self.calls.is_between()
    }

    /// Turns a pending write into an error once it has been pending for too long.
    fn stalled<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if self.write_timer.take().is_some() {
                self.calls.stalls(None);
            }
            return polled;
        }
        if self.write_timer.is_none() {
            self.calls.stalls(Some(Instant::now()));
        }
        let idle = self.limits.idle;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> Link<S> {
    /// Answers `bytes`, if they are a request that can be answered by its bytes; whether it was.
    fn repeat(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> bool {
        thread_local! {
            static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        ANSWER.with_borrow_mut(|head| {
            head.clear();
            let repeats = self.repeats.as_ref().filter(|_| self.is_between());
            let Some(mut body) = repeats.and_then(|repeats| repeats.repeat(bytes, head)) else { return false };
            if body.len() <= SMALL {
                head.extend_from_slice(&body);
                body = Bytes::new();
            }
            self.calls.answered();
            self.send(cx, head, body);
            true
        })
    }

    /// Sends as much as goes out at once; what is left goes out before anything else is read or written.
    fn send(&mut self, cx: &mut Context<'_>, head: &[u8], body: Bytes) {
        let stream = Pin::new(&mut self.stream);
        let polled = if body.is_empty() {
            stream.poll_write(cx, head)
        } else {
            stream.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(&body)])
        };
        let written = match polled {
            Poll::Ready(Ok(written)) => written,
            // It is met with again by whoever writes next.
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        let is_out = written == head.len() + body.len();
        if is_out && matches!(Pin::new(&mut self.stream).poll_flush(cx), Poll::Ready(Ok(()))) {
            return;
        }
        let mut left = Bytes::copy_from_slice(head).chain(body);
        left.advance(written);
        self.rest = Some(Box::new(Rest { left, _call: self.calls.enter() }));
    }

    /// Sends what is left of an answer given here.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(mut rest) = self.rest.take() else { return Poll::Ready(Ok(())) };
        let polled = loop {
            if !rest.left.has_remaining() {
                break Pin::new(&mut self.stream).poll_flush(cx);
            }
            match Pin::new(&mut self.stream).poll_write(cx, rest.left.chunk()) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => rest.left.advance(written),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        if polled.is_pending() {
            self.rest = Some(rest);
        }
        self.stalled(cx, polled)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Waits for something that has to be read, which is passed on to whoever reads then; `false` at the end.
    ///
    /// # Errors
    /// Those of the connection, and its deadlines.
    pub(super) async fn wait(&mut self) -> io::Result<bool> {
        thread_local! {
            static PIECES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        poll_fn(|cx| {
            PIECES.with_borrow_mut(|piece| {
                piece.resize(PIECE, 0);
                let mut buf = ReadBuf::new(piece);
                ready!(Pin::new(&mut *self).poll_read(cx, &mut buf))?;
                self.ahead = Bytes::copy_from_slice(buf.filled());
                Poll::Ready(Ok(!self.ahead.is_empty()))
            })
        })
        .await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Link<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = loop {
            ready!(self.poll_rest(cx))?;
            let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
            let came = buf.filled().get(before..).unwrap_or_default();
            if polled.is_pending() || came.is_empty() {
                break polled;
            }
            if !self.repeat(cx, came) {
                self.calls.passed(came, self.repeats.is_some());
                break polled;
            }
            buf.set_filled(before);
        };
        if polled.is_ready() {
            return polled;
        }
        let Some(deadline) = self.calls.read_deadline(&self.limits, cx.waker()) else { return Poll::Pending };
        let parks = self.parking == Parking::There && self.is_between();
        let parked = if parks { self.calls.idle_since() + PARKED_AFTER } else { deadline };
        let (deadline, parks) = (deadline.min(parked), parks && parked < deadline);
        // A timer that is set too early only fires in vain, and is moved then: moving it with every call costs more.
        if self.read_timer.deadline() > deadline {
            self.read_timer.as_mut().reset(deadline);
        }
        while self.read_timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                if parks {
                    self.parking = Parking::Told;
                }
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.read_timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Link<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        self.unsent = true;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.stalled(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        self.unsent = true;
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.stalled(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        // Whoever writes through us flushes only when he has nothing more to write.
        self.unsent &= !matches!(polled, Poll::Ready(Ok(())));
        self.stalled(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        // Hyper takes its leave as if the other side had gone.
        if self.parking == Parking::Told {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.stalled(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use hyper::Version;
    use metrics::Gauge;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMITS: Limits = Limits { header: Duration::from_millis(20), idle: Duration::from_millis(60) };

    #[tokio::test]
    async fn a_silent_connection_gets_the_header_deadline_at_first_and_the_idle_one_between_calls() {
        let (mut far, near) = duplex(64);
        far.write_all(b"head").await.unwrap();
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone());
        link.read_exact(&mut [0; 4]).await.unwrap();
        let started = Instant::now();
        assert_eq!(link.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);

        drop(calls.begin(Version::HTTP_11, Some(0)));
        assert_eq!(link.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= LIMITS.idle);
    }

    #[tokio::test]
    async fn a_dripped_head_is_cut_off() {
        let (mut far, near) = duplex(64);
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone());
        drop(calls.begin(Version::HTTP_11, Some(0)));
        let dripping = async {
            // Never silent for as long as the idle deadline, and without an end.
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                far.write_all(b"x").await.unwrap();
            }
        };
        let reading = async {
            loop {
                if let Err(error) = link.read_u8().await {
                    break error;
                }
            }
        };
        tokio::select! {
            () = dripping => {}
            error = reading => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
        }
    }

    #[tokio::test]
    async fn nothing_hurries_a_call_in_flight_and_its_end_starts_the_idle_deadline() {
        let (_far, near) = duplex(64);
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone());
        let call = calls.begin(Version::HTTP_11, Some(0));
        let patient = tokio::time::timeout(4 * LIMITS.idle, link.read_u8()).await;
        assert!(patient.is_err());
        let ending = async {
            tokio::task::yield_now().await;
            drop(call);
        };
        let (read, ()) = tokio::join!(link.read_u8(), ending);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_given_up() {
        let (_far, near) = duplex(4);
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone());
        let _call = calls.begin(Version::HTTP_11, Some(0));
        assert_eq!(calls.waiting_since(), None, "the call is ours to do");
        assert_eq!(link.write_all(b"more than fits").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(calls.waiting_since().is_some(), "nobody takes the answer");
    }

    /// Knows one request.
    #[derive(Debug)]
    struct One;

    const KNOWN: &[u8] = b"GET /known HTTP/1.1\r\n\r\n";
    const OTHER: &[u8] = b"GET /other HTTP/1.1\r\n\r\n";
    /// More than a small body.
    const BODY: &[u8] = &[b'x'; SMALL + 1];

    impl Repeats for One {
        fn repeat(&self, head: &[u8], answer: &mut Vec<u8>) -> Option<Bytes> {
            (head == KNOWN).then(|| {
                answer.extend_from_slice(b"head");
                Bytes::from_static(BODY)
            })
        }
    }

    fn repeating<S>(stream: S) -> (Link<S>, Calls) {
        let calls = Calls::new(Gauge::noop());
        let limits = Limits { header: Duration::from_secs(60), idle: Duration::from_secs(60) };
        (Link::new(stream, limits, calls.clone()).repeating(Arc::new(One)), calls)
    }

    #[tokio::test]
    async fn a_known_request_is_answered_whole_and_the_next_one_is_passed_on() {
        // Of so little room that an answer takes many turns.
        let (mut far, near) = duplex(64);
        let (mut link, calls) = repeating(near);
        let asking = async {
            let (mut answer, whole) = (Vec::new(), [b"head", BODY].concat());
            for _ in 0..3 {
                far.write_all(KNOWN).await.unwrap();
                answer.resize(whole.len(), 0);
                far.read_exact(&mut answer).await.unwrap();
                assert!(answer == whole);
            }
            far.write_all(OTHER).await.unwrap();
            far
        };
        let mut passed = [0; OTHER.len()];
        let (mut far, read) = tokio::join!(asking, link.read_exact(&mut passed));
        assert_eq!((read.unwrap(), &passed[..]), (OTHER.len(), OTHER));
        assert!(calls.with_head(|head| head == OTHER).unwrap());
        // No repeat comes between an answer and its end, nor in a message.
        let call = calls.begin(Version::HTTP_11, Some(0));
        far.write_all(KNOWN).await.unwrap();
        link.read_exact(&mut passed).await.unwrap();
        assert_eq!(passed, KNOWN);
        drop(call);
        far.write_all(KNOWN).await.unwrap();
        link.read_exact(&mut passed).await.unwrap();
        assert_eq!(passed, KNOWN, "the place is lost");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_sends_hyper_away_and_goes_on_by_itself() {
        let (mut far, near) = duplex(4096);
        let (mut link, calls) = repeating(near);
        let (mut passed, mut more) = ([0; OTHER.len()], [0; 64]);
        for _ in 0..3 {
            far.write_all(OTHER).await.unwrap();
            assert!(link.wait().await.unwrap());
            link.unpark();
            // Hyper begins with a few bytes.
            link.read_exact(&mut passed[..7]).await.unwrap();
            link.read_exact(&mut passed[7..]).await.unwrap();
            assert_eq!(passed, OTHER);
            let call = calls.begin(Version::HTTP_11, Some(0));
            let waited = tokio::time::timeout(10 * PARKED_AFTER, link.read(&mut more)).await;
            assert!(waited.is_err(), "not while there is something to do");
            drop(call);
            assert_eq!(link.read(&mut more).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            link.shutdown().await.unwrap();
            link = link.parked().unwrap();
            assert!(calls.waiting_since().is_some_and(|since| since.elapsed() >= PARKED_AFTER));
        }
        drop(far);
        assert!(!link.wait().await.unwrap(), "the other side is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_message_may_not_have_ended_hyper_stays() {
        let (mut far, near) = duplex(4096);
        let (mut link, calls) = repeating(near);
        far.write_all(b"POST / HTTP/1.1\r\n\r\n5\r\nab").await.unwrap();
        assert!(link.wait().await.unwrap());
        link.unpark();
        let mut more = [0; 64];
        assert!(link.read(&mut more).await.unwrap() > 0);
        drop(calls.begin(Version::HTTP_11, None));
        assert_eq!(link.read(&mut more).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(calls.idle_since().elapsed() >= Duration::from_secs(60));
        assert!(link.parked().is_none(), "that was the end");
    }

    #[tokio::test]
    async fn nothing_is_repeated_before_the_answer_before_it_has_gone_out() {
        let (mut far, near) = duplex(4096);
        let (mut link, calls) = repeating(near);
        far.write_all(OTHER).await.unwrap();
        let mut passed = [0; OTHER.len()];
        link.read_exact(&mut passed).await.unwrap();
        drop(calls.begin(Version::HTTP_11, Some(0)));
        link.write_all(b"answer").await.unwrap();
        far.write_all(KNOWN).await.unwrap();
        link.read_exact(&mut passed).await.unwrap();
        assert_eq!(passed, KNOWN, "more of the answer may come");
        drop(calls.begin(Version::HTTP_11, Some(0)));
        link.flush().await.unwrap();
        far.write_all(KNOWN).await.unwrap();
        let mut answer = [0; b"answerhead".len()];
        tokio::select! {
            _ = link.read(&mut passed) => panic!("it was passed on"),
            read = far.read_exact(&mut answer) => drop(read.unwrap()),
        }
        assert_eq!(&answer, b"answerhead");
    }

    #[tokio::test]
    async fn a_repeat_that_nobody_takes_is_given_up() {
        let (mut far, near) = duplex(64);
        let calls = Calls::new(Gauge::noop());
        let mut link = Link::new(near, LIMITS, calls.clone()).repeating(Arc::new(One));
        far.write_all(KNOWN).await.unwrap();
        assert_eq!(link.read(&mut [0; 64]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(calls.waiting_since().is_some(), "nobody takes the answer");
    }
}
