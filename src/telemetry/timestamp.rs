//! The time at the head of a log line: RFC 3339, in UTC, to the microsecond.

use std::{cell::RefCell, fmt};

use chrono::{DateTime, SecondsFormat, Utc};
use tracing_subscriber::fmt::{format::Writer, time::FormatTime};

/// The machine's time. What all lines of a second have in common is written once a second by each thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp;

/// `2026-11-22T15:04:05`.
const SECONDS: usize = 19;

impl FormatTime for Timestamp {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        write(line, Utc::now())
    }
}

/// Writes `now` as lines have it.
pub(super) fn write(line: &mut impl fmt::Write, now: DateTime<Utc>) -> fmt::Result {
    thread_local! {
        static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    LAST.with_borrow_mut(|(second, text)| {
        if *second != now.timestamp() {
            *second = now.timestamp();
            *text = now.to_rfc3339_opts(SecondsFormat::Secs, true);
            text.truncate(SECONDS);
        }
        line.write_str(text)
    })?;
    let mut digits = *b".000000Z";
    // A leap second has more than a million.
    let mut left = now.timestamp_subsec_micros().min(999_999);
    for digit in digits.iter_mut().rev().skip(1).take(6) {
        // A remainder of ten is a digit.
        *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
    }
    line.write_str(std::str::from_utf8(&digits).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_the_standard_has_them() {
        for nanos in
            [0, 1_000, 999_999_999, 1_700_000_000_120_034_999, 1_700_000_000_999_000_000, 1_700_000_001_000_000_000]
        {
            let time = DateTime::from_timestamp_nanos(nanos);
            let mut line = String::new();
            write(&mut line, time).unwrap();
            assert_eq!(line, time.to_rfc3339_opts(SecondsFormat::Micros, true));
        }
    }
}
