//! What a request says about caching: `Cache-Control` and `If-None-Match`.

use std::time::Duration;

/// The directives of a request's `Cache-Control` that we honour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    /// `no-store`: the answer is not kept.
    pub no_store: bool,
    /// `max-age`, and `no-cache` as its zero: the oldest entry that is taken.
    pub max_age: Option<Duration>,
}

impl Directives {
    /// Reads the values of all `Cache-Control` headers (and `Pragma: no-cache`); what it does not know it skips.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for directive in values.into_iter().flat_map(|value| value.split(',')) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let name = name.trim();
            if name.eq_ignore_ascii_case("no-store") {
                found.no_store = true;
            } else if name.eq_ignore_ascii_case("no-cache") {
                found.max_age = Some(Duration::ZERO);
            } else if name.eq_ignore_ascii_case("max-age") {
                // An age that cannot be read is taken as the strictest one (RFC 9111, 4.2.1).
                let age = Duration::from_secs(value.trim().trim_matches('"').parse().unwrap_or(0));
                found.max_age = Some(found.max_age.map_or(age, |other| other.min(age)));
            }
        }
        found
    }
}

/// Whether `header`, the value of `If-None-Match`, names `etag`, so that the answer is 304.
pub fn if_none_match(header: &str, etag: &str) -> bool {
    header.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_directives() {
        let parse = |value: &str| Directives::parse([value]);
        assert_eq!(parse("max-stale=5, private"), Directives::default());
        assert_eq!(parse("No-Cache").max_age, Some(Duration::ZERO));
        assert_eq!(parse("max-age=30, max-age=20").max_age, Some(Duration::from_secs(20)));
        assert_eq!(parse("max-age=x").max_age, Some(Duration::ZERO));
        assert!(parse("a, no-store").no_store);
    }

    #[test]
    fn compares_tags() {
        assert!(if_none_match("*", "\"a\""));
        assert!(if_none_match("\"b\", W/\"a\"", "\"a\""));
        assert!(!if_none_match("\"b\", a", "\"a\""));
    }
}
