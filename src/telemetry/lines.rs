//! Log lines on their way out, many in one write: a line for each request is else a system call for each request.
//!
//! A line is out after [`LONGEST`] at the latest. One that warns or tells of an error takes all before it along at once,
//! so that what leads to a crash is there.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others.
const LONGEST: Duration = Duration::from_millis(100);
/// Bytes that go out without waiting.
const ENOUGH: usize = 32 * 1024;

/// Lines that wait, and where they go; all clones are one.
pub(super) struct Lines<W>(Arc<Inner<W>>);

struct Inner<W> {
    waiting: Mutex<Vec<u8>>,
    /// Told when the first line begins to wait.
    begun: Condvar,
    /// Taken before `waiting`, so that lines keep their order.
    output: Mutex<W>,
}

impl<W> Clone for Lines<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> Lines<W> {
    /// Lines to `output`, by a thread that ends with the process.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn to(output: W) -> io::Result<Self> {
        let inner = Inner { waiting: Mutex::default(), begun: Condvar::new(), output: Mutex::new(output) };
        let lines = Self(Arc::new(inner));
        let own = lines.clone();
        std::thread::Builder::new().name("log-lines".to_owned()).spawn(move || {
            loop {
                own.wait();
                std::thread::sleep(LONGEST);
                own.send();
            }
        })?;
        Ok(lines)
    }
}

impl<W: Write> Lines<W> {
    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        // Whole lines are put in, so a poisoned lock harms nothing.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let mut waiting = self.waiting();
        while waiting.is_empty() {
            waiting = self.0.begun.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes out what waits.
    pub(super) fn send(&self) {
        let mut output = self.0.output.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut *self.waiting());
        // Where nobody reads the log any more there is nobody to tell.
        drop(output.write_all(&lines).and_then(|()| output.flush()));
    }
}

/// The place of one line; whoever writes gives it whole, in one piece.
pub(super) struct Line<'a, W: Write> {
    lines: &'a Lines<W>,
    urgent: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.put(line, self.urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Lines<W> {
    pub(super) fn put(&self, line: &[u8], urgent: bool) {
        let mut waiting = self.waiting();
        let first = waiting.is_empty();
        waiting.extend_from_slice(line);
        let enough = waiting.len() >= ENOUGH;
        drop(waiting);
        if urgent || enough {
            self.send();
        } else if first {
            self.0.begun.notify_one();
        }
    }

    fn line(&self, urgent: bool) -> Line<'_, W> {
        Line { lines: self, urgent }
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Line<'a, W> {
        self.line(true)
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Line<'a, W> {
        self.line(*of.level() <= Level::WARN)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Sent(mpsc::Sender<String>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_go_out_together_by_themselves_or_with_one_that_is_urgent() {
        let (sender, sent) = mpsc::channel();
        let lines = Lines::to(Sent(sender)).unwrap();
        lines.line(false).write_all(b"a\n").unwrap();
        let bound = Duration::from_secs(10);
        assert_eq!(sent.recv_timeout(bound).unwrap(), "a\n");
        let held = lines.0.output.lock().unwrap();
        lines.line(false).write_all(b"b\n").unwrap();
        let last = lines.clone();
        let urgent = std::thread::spawn(move || last.line(true).write_all(b"c\n").unwrap());
        while lines.waiting().len() < 4 {
            std::thread::yield_now();
        }
        drop(held);
        urgent.join().unwrap();
        assert_eq!(sent.recv_timeout(bound).unwrap(), "b\nc\n");
    }
}
