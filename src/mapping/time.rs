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
    NaiveDate::parse_from_str(head, "%Y-%m-%d").ok()?;
    Some(head.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
