//! What a URL points at: by id, or by a path between colons.

use percent_encoding::percent_decode_str;

use super::failure::{Failure, Outcome};

/// The parts of a URL below the version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// What comes before a path, in decoded segments.
    pub(super) before: Vec<String>,
    /// The path between colons, when there is one.
    pub(super) path: Option<Vec<String>>,
    /// What comes after it.
    pub(super) after: Vec<String>,
}

impl Address {
    /// Reads the raw path below `/v1.0/`.
    pub(super) fn read(raw: &str) -> Outcome<Self> {
        // The text of a search may hold colons.
        let searches = raw.split('/').next_back().is_some_and(|last| last.starts_with("search("));
        let (head, search) = match raw.rfind('/').filter(|_| searches) {
            Some(at) => raw.split_at(at),
            None => (raw, ""),
        };
        let parts: Vec<&str> = head.split(':').collect();
        let (before, path, after) = match parts.as_slice() {
            [before] => (*before, None, ""),
            [before, path] => (*before, Some(*path), ""),
            [before, path, after] => (*before, Some(*path), *after),
            _ => return Err(Failure::invalid("Resource not found for the segment.")),
        };
        if path.is_some_and(|path| !path.starts_with('/')) || (!after.is_empty() && !after.starts_with('/')) {
            return Err(Failure::invalid("Resource not found for the segment."));
        }
        let mut before = segments(before)?;
        let mut after = segments(after)?;
        let last = if path.is_some() { &mut after } else { &mut before };
        last.extend(segments(search)?);
        Ok(Self { before, path: path.map(segments).transpose()?, after })
    }
}

fn segments(text: &str) -> Outcome<Vec<String>> {
    let decode = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8();
        decoded.map(std::borrow::Cow::into_owned).map_err(|_| Failure::invalid("The URL is not UTF-8."))
    };
    text.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_at_colons() {
        let read = |raw: &str| {
            let address = Address::read(raw).unwrap();
            let join = |segments: &[String]| segments.join("|");
            (join(&address.before), address.path.as_deref().map(join), join(&address.after))
        };
        assert_eq!(read("me/drive/items/A%21101"), ("me|drive|items|A!101".to_owned(), None, String::new()));
        assert_eq!(
            read("drives/d/root:/a%20b/c%23:/children"),
            ("drives|d|root".to_owned(), Some("a b|c#".to_owned()), "children".to_owned())
        );
        assert_eq!(read("me/drive/root:/a:"), ("me|drive|root".to_owned(), Some("a".to_owned()), String::new()));
        assert_eq!(read("me/drive/root/search(q='a:b')").0, "me|drive|root|search(q='a:b')");
        assert!(Address::read("a:/b:/c:/d").is_err());
    }
}
