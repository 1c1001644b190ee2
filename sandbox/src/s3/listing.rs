//! Lists of objects, in both their versions.

use std::ops::ControlFlow;

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    OWNER,
    api::{Call, Query, document},
    failure::Failure,
    store::{Object, Version, iso},
    xml::Xml,
};

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'*');
/// Entries of a page, at most.
const PAGE: usize = 1000;

/// What all lists are asked for in the same way.
pub(super) struct Wanted<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
    pub(super) max: usize,
    encoded: bool,
}

/// Where a list goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// With what comes after this key.
    Key(String),
    /// With what comes after all keys that begin so.
    Prefix(String),
}

/// What becomes of a key on its way into a list.
pub(super) enum Place {
    /// It was on an earlier page, or does not begin as wanted.
    Out,
    /// It stands for itself.
    Key,
    /// It is one of those that share this beginning.
    Common(String),
}

impl<'a> Wanted<'a> {
    pub(super) fn read(query: &'a Query) -> Result<Self, Failure> {
        let encoded = match query.get("encoding-type") {
            None => false,
            Some("url") => true,
            Some(other) => {
                return Err(Failure::argument("encoding-type", other, "Invalid Encoding Method specified in Request"));
            }
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.get("delimiter").unwrap_or_default(),
            max: query.number("max-keys", PAGE, PAGE)?,
            encoded,
        })
    }

    /// Where a key belongs.
    pub(super) fn place(&self, key: &str, after: Option<&After>) -> Place {
        let Some(rest) = key.strip_prefix(self.prefix) else { return Place::Out };
        let seen = match after {
            None => false,
            Some(After::Key(last)) => key <= last.as_str(),
            Some(After::Prefix(last)) => key <= last.as_str() || key.starts_with(last.as_str()),
        };
        if seen {
            return Place::Out;
        }
        match rest.split_once(self.delimiter).filter(|_| !self.delimiter.is_empty()) {
            Some((head, _)) => Place::Common(format!("{}{head}{}", self.prefix, self.delimiter)),
            None => Place::Key,
        }
    }

    /// A marker as a caller gives it: what ends in the delimiter stands for all that begins so.
    pub(super) fn marker(&self, text: &str) -> After {
        if !self.delimiter.is_empty() && text.ends_with(self.delimiter) {
            After::Prefix(text.to_owned())
        } else {
            After::Key(text.to_owned())
        }
    }

    /// A key or the beginning of one, as the caller wants it told.
    pub(super) fn told(&self, text: &str) -> String {
        if self.encoded { utf8_percent_encode(text, PLAIN).to_string() } else { text.to_owned() }
    }

    /// What was asked for, as every list repeats it.
    pub(super) fn repeat(&self, xml: &mut Xml) {
        xml.text("Prefix", &self.told(self.prefix));
        xml.text("MaxKeys", &self.max.to_string());
        if !self.delimiter.is_empty() {
            xml.text("Delimiter", &self.told(self.delimiter));
        }
        if self.encoded {
            xml.text("EncodingType", "url");
        }
    }

    /// The beginnings that keys share.
    pub(super) fn prefixes(&self, xml: &mut Xml, prefixes: &[String]) {
        for prefix in prefixes {
            xml.element("CommonPrefixes", |xml| xml.text("Prefix", &self.told(prefix)));
        }
    }
}

/// One page.
struct Page<'a> {
    objects: Vec<(&'a str, &'a Version, &'a Object)>,
    prefixes: Vec<String>,
    /// The last entry, where there are more.
    next: Option<After>,
}

impl<'a> Page<'a> {
    fn of(
        wanted: &Wanted<'_>,
        objects: impl Iterator<Item = (&'a str, &'a Version, &'a Object)>,
        after: Option<&After>,
    ) -> Self {
        let mut page = Self { objects: Vec::new(), prefixes: Vec::new(), next: None };
        let mut last = None;
        let mut objects = objects;
        let more = objects.try_for_each(|(key, version, object)| {
            let place = wanted.place(key, after);
            if let Place::Common(prefix) = &place
                && page.prefixes.last() == Some(prefix)
            {
                return ControlFlow::Continue(());
            }
            if matches!(place, Place::Out) {
                return ControlFlow::Continue(());
            }
            if page.objects.len() + page.prefixes.len() == wanted.max {
                return ControlFlow::Break(());
            }
            match place {
                Place::Out => {}
                Place::Key => {
                    last = Some(After::Key(key.to_owned()));
                    page.objects.push((key, version, object));
                }
                Place::Common(prefix) => {
                    last = Some(After::Prefix(prefix.clone()));
                    page.prefixes.push(prefix);
                }
            }
            ControlFlow::Continue(())
        });
        if more.is_break() {
            page.next = last;
        }
        page
    }
}

/// A list of a bucket's objects.
pub(super) fn list(call: &Call<'_>) -> Result<Response, Failure> {
    let second = match call.query.get("list-type") {
        None => false,
        Some("2") => true,
        Some(other) => return Err(Failure::argument("list-type", other, "Invalid List Type specified in Request")),
    };
    let wanted = Wanted::read(&call.query)?;
    let (given, start) = if second {
        (call.query.get("continuation-token"), call.query.get("start-after").map(|key| After::Key(key.to_owned())))
    } else {
        (None, call.query.get("marker").map(|marker| wanted.marker(marker)))
    };
    let after = match given {
        Some(token) => Some(read(token).ok_or_else(|| {
            Failure::argument("continuation-token", token, "The continuation token provided is incorrect")
        })?),
        None => start,
    };
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let page = Page::of(&wanted, bucket.objects(), after.as_ref());
    let owned = !second || call.query.get("fetch-owner") == Some("true");
    Ok(document(Xml::document("ListBucketResult", |xml| {
        xml.text("Name", &call.bucket);
        wanted.repeat(xml);
        if second {
            xml.text("KeyCount", &(page.objects.len() + page.prefixes.len()).to_string());
            if let Some(key) = call.query.get("start-after") {
                xml.text("StartAfter", &wanted.told(key));
            }
            if let Some(token) = given {
                xml.text("ContinuationToken", token);
            }
        } else {
            xml.text("Marker", &wanted.told(call.query.get("marker").unwrap_or_default()));
        }
        xml.text("IsTruncated", if page.next.is_some() { "true" } else { "false" });
        match &page.next {
            Some(next) if second => xml.text("NextContinuationToken", &write(next)),
            // Without a delimiter the last key does.
            Some(After::Key(key) | After::Prefix(key)) if !wanted.delimiter.is_empty() => {
                xml.text("NextMarker", &wanted.told(key));
            }
            _ => {}
        }
        for (key, version, object) in &page.objects {
            xml.element("Contents", |xml| {
                xml.text("Key", &wanted.told(key));
                described(xml, version, object);
                if owned {
                    xml.element("Owner", |xml| xml.text("ID", OWNER));
                }
            });
        }
        wanted.prefixes(xml, &page.prefixes);
    })))
}

/// What lists tell of an object.
pub(super) fn described(xml: &mut Xml, version: &Version, object: &Object) {
    xml.text("LastModified", &iso(version.modified));
    xml.text("ETag", &format!("\"{}\"", object.etag));
    xml.text("Size", &object.content.size.to_string());
    xml.text("StorageClass", "STANDARD");
}

/// A token of the page that comes after this entry.
fn write(after: &After) -> String {
    let (kind, text) = match after {
        After::Key(key) => ('k', key),
        After::Prefix(prefix) => ('p', prefix),
    };
    STANDARD.encode(format!("{kind}{text}"))
}

fn read(token: &str) -> Option<After> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let mut characters = text.chars();
    match characters.next()? {
        'k' => Some(After::Key(characters.collect())),
        'p' => Some(After::Prefix(characters.collect())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for after in [After::Key("a/b".into()), After::Prefix("ä/".into())] {
            assert_eq!(read(&write(&after)), Some(after));
        }
        assert_eq!(read("nonsense"), None);
    }
}
