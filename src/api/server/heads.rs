//! Where in a connection's bytes a message ends and the next begins, as far as it can be told from outside of hyper.
//!
//! It is told only where there is no doubt: a head ends with its first empty line, and has no line that ends otherwise than
//! with CRLF (hyper takes a bare LF, too), and bodies have a length that hyper names. After anything else the place is lost for
//! the rest of the connection, which costs nothing but that repeats are read like everything else.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering},
};

/// What is known of the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// So many bytes before the next message; none is exactly between two.
    Before(u64),
    /// In a head.
    Within(Line),
    /// Behind a whole head and so many bytes of its body; no call was made of it yet.
    Behind(u64),
    /// Nobody can tell.
    Lost,
}

/// The line of a head that has not ended yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Bytes of it so far.
    length: usize,
    /// The last of them.
    last: u8,
    /// Whether there was one before it.
    follows: bool,
}

impl Line {
    const FIRST: Self = Self { length: 0, last: 0, follows: false };

    /// The place behind `bytes`, which go on with it.
    fn followed_by(mut self, bytes: &[u8]) -> Place {
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.add(bytes.get(begin..end).unwrap_or_default());
            begin = end + 1;
            match (self.last, self.length, self.follows) {
                (b'\r', 1, true) => return Place::Behind((bytes.len() - begin) as u64),
                (b'\r', 2.., _) => self = Self { follows: true, ..Self::FIRST },
                _ => return Place::Lost,
            }
        }
        self.add(bytes.get(begin..).unwrap_or_default());
        Place::Within(self)
    }

    fn add(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len());
        self.last = bytes.last().copied().unwrap_or(self.last);
    }
}

impl Place {
    /// `bytes` are passed on.
    pub(super) fn passed(&mut self, bytes: &[u8]) {
        let count = bytes.len() as u64;
        *self = match *self {
            Self::Before(0) => Line::FIRST.followed_by(bytes),
            Self::Within(line) => line.followed_by(bytes),
            Self::Before(left) => left.checked_sub(count).map_or(Self::Lost, Self::Before),
            Self::Behind(_) | Self::Lost => Self::Lost,
        };
    }

    /// A call was made of the last head; its body has so many bytes, if that is known.
    pub(super) fn called(&mut self, body: Option<u64>) {
        *self = match *self {
            Self::Behind(passed) => body.and_then(|body| body.checked_sub(passed)).map_or(Self::Lost, Self::Before),
            Self::Before(_) | Self::Within(_) | Self::Lost => Self::Lost,
        };
    }
}

/// No head is kept that is longer.
const LONGEST: usize = 2048;

thread_local! {
    static LAST: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
}

/// Keeps `head` until this thread keeps another; gives back the number to ask for it by, which is used only once.
pub(super) fn keep(head: &[u8]) -> Option<u64> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    if head.len() > LONGEST {
        return None;
    }
    LAST.with_borrow_mut(|(number, kept)| {
        *number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        kept.clear();
        kept.extend_from_slice(head);
        Some(*number)
    })
}

/// What `read` makes of the head of this number, if this thread keeps it still.
pub(super) fn with<R>(number: u64, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
    LAST.with_borrow(|(kept, head)| (*kept == number).then(|| read(head)))
}

#[cfg(test)]
mod tests {
    use Step::{Called, Passed};

    use super::*;

    #[derive(Debug)]
    enum Step<'a> {
        Passed(&'a [u8]),
        Called(Option<u64>),
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    #[test]
    fn a_head_ends_with_its_first_empty_line_in_however_many_pieces_it_comes() {
        let more = [GET, b"abc\n\r\n\r\n"].concat();
        for cut in 0..GET.len() {
            let (first, second) = GET.split_at(cut);
            assert_eq!(after(&[Passed(first), Passed(second), Called(Some(0))]), Place::Before(0), "{cut}");
            let (first, second) = more.split_at(cut);
            assert_eq!(after(&[Passed(first), Passed(second)]), Place::Behind(8), "{cut}");
        }
        let doubtful: [&[u8]; 6] = [
            b"\r\nGET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\nhost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a\n\n",
            b"GET / HTTP/1.1\r\nhost: a\n\nGET /b HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n\n",
            b"\n\r\n\r\n",
        ];
        for bytes in doubtful {
            for cut in 0..=bytes.len() {
                let (first, second) = bytes.split_at(cut);
                assert_eq!(after(&[Passed(first), Passed(second)]), Place::Lost, "{} {cut}", bytes.escape_ascii());
            }
        }
        let begun = after(&[Passed(b"GET / HTTP/1.1\r\nhost: a\r\n")]);
        assert!(matches!(begun, Place::Within(Line { length: 0, follows: true, .. })), "{begun:?}");
    }

    fn after(steps: &[Step<'_>]) -> Place {
        let mut place = Place::Before(0);
        for step in steps {
            match *step {
                Passed(bytes) => place.passed(bytes),
                Called(body) => place.called(body),
            }
        }
        place
    }

    #[test]
    fn the_place_is_known_as_long_as_nothing_is_in_doubt() {
        let post = [GET, b"abc"].concat();
        assert_eq!(after(&[Passed(GET), Called(Some(0)), Passed(GET), Called(Some(0))]), Place::Before(0));
        assert_eq!(after(&[Passed(GET)]), Place::Behind(0));
        assert_eq!(after(&[Passed(&post), Called(Some(3))]), Place::Before(0));
        assert_eq!(after(&[Passed(&post), Called(Some(7)), Passed(b"de")]), Place::Before(2));
        assert_eq!(
            after(&[Passed(&post), Called(Some(7)), Passed(b"defg"), Passed(GET), Called(Some(0))]),
            Place::Before(0)
        );
        let lost: [&[Step<'_>]; 7] = [
            // A body of unknown length, more than one message at once, or more than a body.
            &[Passed(GET), Called(None)],
            &[Passed(&post), Called(Some(0))],
            &[Passed(&post), Called(Some(4)), Passed(b"de")],
            // More before a call was made of it, or two calls of one head.
            &[Passed(GET), Passed(GET)],
            &[Passed(GET), Called(Some(0)), Passed(b""), Called(Some(0))],
            // A call before the head has ended.
            &[Passed(b"GET / HTTP/1.1\r\n"), Called(Some(0))],
            // For good.
            &[Passed(GET), Called(None), Passed(GET), Called(Some(0))],
        ];
        for steps in lost {
            assert_eq!(after(steps), Place::Lost, "{steps:?}");
        }
    }

    #[test]
    fn a_head_is_kept_until_the_next() {
        let first = keep(GET).unwrap();
        assert!(with(first, |head| head == GET).unwrap());
        assert_eq!(keep(&[b'a'; LONGEST + 1]), None);
        let second = keep(b"other").unwrap();
        assert_eq!(with(first, <[u8]>::len), None);
        assert_eq!(with(second, <[u8]>::len), Some(5));
        assert_eq!(std::thread::scope(|scope| scope.spawn(|| with(second, <[u8]>::len)).join().unwrap()), None);
    }
}
