//! The ways providers write times, and the two ways we do.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeZone, Utc};
use serde_json::Value;

/// Reads a time: RFC 3339, the same with a zone like `+0000`, without a zone (taken as UTC), a calendar date, the
/// form of HTTP headers, or epoch milliseconds as number or digits.
pub fn parse(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Number(number) => millis(number.as_i64()?),
        Value::String(text) => parse_text(text),
        _ => None,
    }
}

/// [`parse`] for text.
pub fn parse_text(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.with_timezone(&Utc));
        }
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(time) = chrono::NaiveDateTime::parse_from_str(text, format) {
            return Some(Utc.from_utc_datetime(&time));
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(Utc.from_utc_datetime(&date.and_hms_opt(0, 0, 0)?));
    }
    // The form of HTTP headers: Mon, 01 Jan 2024 00:00:00 GMT.
    if let Ok(time) = DateTime::parse_from_rfc2822(text) {
        return Some(time.with_timezone(&Utc));
    }
    if text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return millis(text.parse().ok()?);
    }
    None
}

/// The epoch milliseconds of a time in the form most providers write, `2024-01-31T12:00:00.123Z`; what has another form
/// is for [`parse_text`].
pub(super) fn utc_millis(text: &[u8]) -> Option<i64> {
    let (head, rest) = text.split_at_checked(19)?;
    let (year, month, day) = usual_day(head)?;
    let marks = [(10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| head.get(*at) != Some(mark)) {
        return None;
    }
    let part = |start: usize, end: usize| number(head.get(start..end)?);
    let (fraction, zone) = match rest {
        [b'.', a, b, c, zone @ ..] => (number(&[*a, *b, *c])?, zone),
        zone => (0, zone),
    };
    if !matches!(zone, b"Z" | b"+0000" | b"+00:00") {
        return None;
    }
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970-01-01, counted in years that begin with March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + fraction)
}

/// The number that is written in decimal digits.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// Year, month and day at the beginning of a text in the form `2024-01-31`; leap days are left to those who know which years have
/// one.
fn usual_day(text: &[u8]) -> Option<(i64, i64, i64)> {
    let [a, b, c, d, b'-', m1, m2, b'-', d1, d2, ..] = text else { return None };
    let (year, month, day) = (number(&[*a, *b, *c, *d])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let days = match month {
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    ((1..=12).contains(&month) && (1..=days).contains(&day)).then_some((year, month, day))
}

/// The beginning of `text` that is a date, as [`date`] has it; what has another form than the usual one is for that.
pub(super) fn usual_date(text: &[u8]) -> Option<&[u8]> {
    usual_day(text).and_then(|_| text.get(..10))
}

/// RFC 3339 knows the years 0 to 9999 only; what lies beyond is no time anybody meant.
fn millis(ms: i64) -> Option<DateTime<Utc>> {
    Utc.timestamp_millis_opt(ms).single().filter(|time| (0..=9999).contains(&time.year()))
}

/// RFC 3339 in UTC, with milliseconds only where there are any.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    let format = if time.timestamp_subsec_millis() == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    time.to_rfc3339_opts(format, true)
}

/// The calendar date of a time or date text; a text that begins with a date keeps it as written.
pub fn date(text: &str) -> Option<String> {
    let head = text.get(..10)?;
    if usual_date(head.as_bytes()).is_none() {
        NaiveDate::parse_from_str(head, "%Y-%m-%d").ok()?;
    }
    Some(head.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn the_usual_form_reads_the_same_both_ways(
            ms in -62_167_219_200_000_i64..253_402_300_799_999, day in 0..40_u32, form in 0..3_u8
        ) {
            let time = rfc3339(Utc.timestamp_millis_opt(ms - if form == 0 { ms.rem_euclid(1_000) } else { 0 }).unwrap());
            let time = if form == 1 { time.replace('Z', "+0000") } else { time };
            // Some that are no days.
            let time = if form == 2 { format!("{}{day:02}{}", time.get(..8).unwrap(), time.get(10..).unwrap()) } else { time };
            let slow = parse_text(&time).map(|time| time.timestamp_millis());
            let quick = utc_millis(time.as_bytes());
            prop_assert!(quick.is_none() || quick == slow, "{time}: {quick:?}, {slow:?}");
            let usual = form != 2 && time.get(4..10) != Some("-02-29");
            prop_assert!(quick.is_some() || !usual, "{time}");
            let known = NaiveDate::parse_from_str(time.get(..10).unwrap(), "%Y-%m-%d").is_ok();
            let day = usual_date(time.as_bytes());
            prop_assert!(day.is_none() || known && day == Some(time.get(..10).unwrap().as_bytes()), "{time}: {day:?}");
            prop_assert!(day.is_some() || !known || time.get(4..10) == Some("-02-29"), "{time}");
        }
    }

    #[test]
    fn reads_what_providers_write() {
        for text in [
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.000+0000",
            "2024-01-01T01:00:00+01:00",
            "2024-01-01",
            "Mon, 01 Jan 2024 00:00:00 GMT",
            "1704067200000",
        ] {
            assert_eq!(rfc3339(parse(&json!(text)).unwrap()), "2024-01-01T00:00:00Z", "{text}");
        }
        assert_eq!(rfc3339(parse(&json!(1_704_067_200_120_i64)).unwrap()), "2024-01-01T00:00:00.120Z");
        assert!(parse(&json!("yesterday")).is_none());
    }
}
