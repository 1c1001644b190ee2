//! The line that every call leaves, written without the library: through a span and its visitors it costs more than all
//! else that an answer from the cache takes.
//!
//! It looks as the library would have written it, inside the request's span; a test holds the two together.

use std::{
    fmt::{self, Write as _},
    io,
    time::Duration,
};

use chrono::Utc;
use tracing::Level;

use super::{lines::Lines, timestamp};
use crate::config::{Log, LogFormat};

/// What the line tells.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The id of the request.
    pub request_id: &'a str,
    /// The verb.
    pub method: &'a str,
    /// The template of the route.
    pub route: &'a str,
    /// The status code.
    pub status: u16,
    /// The time to the head of the answer.
    pub elapsed: Duration,
}

/// The event's module, by which it is let through or not, and which JSON lines name.
macro_rules! target {
    () => {
        "hubgate::api::front"
    };
}

/// Where the lines go.
pub(super) struct Access {
    lines: Lines<io::Stdout>,
    format: LogFormat,
}

impl Access {
    /// `None` where a line may depend on more than its module and level, so that the library has to decide.
    pub(super) fn of(settings: &Log, lines: &Lines<io::Stdout>) -> Option<Self> {
        let plain = !settings.level.contains(['[', '{']);
        plain.then(|| Self { lines: lines.clone(), format: settings.format })
    }

    fn write(&self, line: &Answered<'_>) {
        let mut text = String::with_capacity(LIKELY);
        // A text takes all there is room for.
        if compose(&mut text, self.format, line).is_ok() {
            self.lines.put(text.as_bytes(), false);
        }
    }
}

/// Room for a line as they usually are.
const LIKELY: usize = 256;

impl Answered<'_> {
    /// Logs it, `loud` at `info`, else at `debug`; whoever calls need not be in the request's span.
    pub fn log(&self, loud: bool) {
        match super::access().filter(|_| loud) {
            Some(access) if tracing::enabled!(target: target!(), Level::INFO) => access.write(self),
            Some(_) => {}
            None => self.log_by_the_library(loud),
        }
    }

    fn log_by_the_library(&self, loud: bool) {
        let Self { request_id, method, route, status, .. } = *self;
        let duration_ms = self.milliseconds();
        let _span = tracing::Span::current().is_none().then(|| tracing::info_span!("request", %request_id).entered());
        if loud {
            tracing::info!(target: target!(), method, route, status, duration_ms, "answered");
        } else {
            tracing::debug!(target: target!(), method, route, status, duration_ms, "answered");
        }
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Writes the line, its end included.
fn compose(text: &mut String, format: LogFormat, line: &Answered<'_>) -> fmt::Result {
    let Answered { request_id, method, route, status, .. } = *line;
    let duration_ms = line.milliseconds();
    let mut number = itoa::Buffer::new();
    match format {
        LogFormat::Human => {
            timestamp::write(text, Utc::now())?;
            text.push_str("  INFO request{request_id=");
            text.push_str(request_id);
            text.push_str("}: answered method=");
            quote(text, method)?;
            text.push_str(" route=");
            quote(text, route)?;
            text.push_str(" status=");
            text.push_str(number.format(status));
            text.push_str(" duration_ms=");
            text.push_str(number.format(duration_ms));
        }
        LogFormat::Json => {
            text.push_str("{\"timestamp\":\"");
            timestamp::write(text, Utc::now())?;
            text.push_str("\",\"level\":\"INFO\",\"message\":\"answered\",\"method\":");
            quote(text, method)?;
            text.push_str(",\"route\":");
            quote(text, route)?;
            text.push_str(",\"status\":");
            text.push_str(number.format(status));
            text.push_str(",\"duration_ms\":");
            text.push_str(number.format(duration_ms));
            text.push_str(concat!(",\"target\":\"", target!(), "\",\"span\":{\"request_id\":"));
            quote(text, request_id)?;
            text.push_str(",\"name\":\"request\"}}");
        }
    }
    text.push('\n');
    Ok(())
}

/// Ours are plain: verbs, templates, digits.
fn quote(text: &mut String, value: &str) -> fmt::Result {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        text.push('"');
        text.push_str(value);
        text.push('"');
        return Ok(());
    }
    write!(text, "{value:?}")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{subscriber, tests::Lines},
        *,
    };

    const LINE: Answered<'_> = Answered {
        request_id: "0123456789abcdef01234567",
        method: "GET",
        route: "/elements/api-v2/hubs/{hub}/{*rest}",
        status: 304,
        elapsed: Duration::from_micros(12_345),
    };

    #[test]
    fn the_line_is_the_librarys() {
        for format in [LogFormat::Human, LogFormat::Json] {
            let lines = Lines::default();
            let writer = lines.clone();
            let log = Log { format, level: "info".to_owned() };
            tracing::subscriber::with_default(subscriber(&log, move || writer.clone()), || {
                LINE.log_by_the_library(true);
            });
            let mut ours = String::new();
            compose(&mut ours, format, &LINE).unwrap();
            // Both begin with a time of the same length, in JSON behind its name.
            let skip = if format == LogFormat::Json { "{\"timestamp\":\"".len() } else { 0 }
                + "2026-01-01T00:00:00.000000Z".len();
            assert_eq!(ours.get(skip..), lines.text().get(skip..), "{format:?}");
            assert_eq!(ours.get(..5), lines.text().get(..5));
        }
    }

    #[test]
    fn whoever_filters_by_spans_or_fields_is_answered_by_the_library() {
        let lines = super::Lines::to(io::stdout()).unwrap();
        let direct = |level: &str| {
            let log = Log { format: LogFormat::Human, level: level.to_owned() };
            Access::of(&log, &lines).is_some()
        };
        assert!(direct("info") && direct("warn,hubgate::api=info"));
        assert!(!direct("info,[request]=debug") && !direct("hubgate[request{request_id=1}]=trace"));
    }
}
