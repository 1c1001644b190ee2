//! The provider's way to write points in time.

use chrono::{DateTime, SubsecRound, Utc};

/// `2024-01-01T00:00:00.000+0000`, the form of every answer; fractions of a second are not kept.
pub(super) fn written(moment: DateTime<Utc>) -> String {
    moment.trunc_subsecs(0).format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// Reads an ISO 8601 point in time with a `T` and an offset, which may lack its colon.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let found =
        DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    text.contains('T').then_some(found.ok()?.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_the_same() {
        let text = "2024-01-01T00:00:00.000+0000";
        assert_eq!(moment(text).map(written).as_deref(), Some(text));
        assert_eq!(moment("2024-01-01T01:00:00+01:00").map(written).as_deref(), Some(text));
        assert_eq!(moment("2024-01-01 00:00:00Z"), None);
        assert_eq!(moment("2024-01-01"), None);
    }
}
