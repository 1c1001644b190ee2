//! Dates as filters write them.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};

/// A point in time read from a filter or a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The instant; midnight UTC for a date without a time.
    pub at: DateTime<Utc>,
    /// Whether only a date was given.
    pub date_only: bool,
}

impl Moment {
    /// Reads an ISO 8601 date (`2020-01-02`) or date-time; a blank may stand for the `T`.
    ///
    /// A time without a zone is UTC. The zone may be `Z`, `+01:00`, `+0100` or `+01`.
    pub fn parse(text: &str) -> Option<Self> {
        let day = parse_day(text.get(..10)?)?;
        let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else {
            return Some(Self { at: day.and_time(NaiveTime::MIN).and_utc(), date_only: true });
        };
        let time = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, zone) = match time.find(['Z', 'z', '+', '-']) {
            Some(at) => time.split_at_checked(at)?,
            None => (time, "Z"),
        };
        let clock = ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(clock, form).ok())?;
        let local = NaiveDateTime::new(day, clock);
        let at = local.and_local_timezone(parse_zone(zone)?).single()?;
        Some(Self { at: at.with_timezone(&Utc), date_only: false })
    }

    /// Reads what may stand without quotes: the same, but no blank inside.
    pub(super) fn parse_bare(text: &str) -> Option<Self> {
        if text.contains(' ') { None } else { Self::parse(text) }
    }

    /// The instant at `ms` milliseconds since 1970.
    pub fn from_epoch_ms(ms: i64) -> Option<Self> {
        DateTime::from_timestamp_millis(ms).map(|at| Self { at, date_only: false })
    }

    /// The date, if the time is midnight UTC.
    pub fn as_date(self) -> Option<NaiveDate> {
        (self.at.time() == NaiveTime::MIN).then(|| self.at.date_naive())
    }

    /// RFC 3339 in UTC, with milliseconds only where there are some.
    pub fn to_rfc3339(self) -> String {
        let form = if self.at.timestamp_subsec_millis() == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
        self.at.to_rfc3339_opts(form, true)
    }
}

/// `2020-01-02`, exactly: chrono alone would also take `2020-1-2` and signs.
fn parse_day(text: &str) -> Option<NaiveDate> {
    let shape = text.bytes().enumerate().all(|(n, b)| if n == 4 || n == 7 { b == b'-' } else { b.is_ascii_digit() });
    if shape { text.parse().ok() } else { None }
}

fn parse_zone(text: &str) -> Option<FixedOffset> {
    if text.eq_ignore_ascii_case("z") {
        return FixedOffset::east_opt(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replacen(':', "", 1);
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = if digits.len() == 2 { (number, 0) } else { (number / 100, number % 100) };
    if minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_in_use() {
        for (text, utc) in [
            ("2020-01-02", "2020-01-02T00:00:00Z"),
            ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
            ("2020-01-02 03:04:05", "2020-01-02T03:04:05Z"),
            ("2020-01-02T03:04:05.678+0100", "2020-01-02T02:04:05.678Z"),
            ("2020-01-02T03:04-02:30", "2020-01-02T05:34:00Z"),
            ("2020-01-02T03:04:05+01", "2020-01-02T02:04:05Z"),
        ] {
            assert_eq!(Moment::parse(text).map(Moment::to_rfc3339).as_deref(), Some(utc), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "2020", "2020-1-2", "2020-13-01", "2020-01-02T", "2020-01-02x", "2020-01-02T25:00:00Z", "é"] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
