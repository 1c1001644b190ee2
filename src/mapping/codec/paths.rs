//! Paths and the ids that are made of them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// An empty provider path as `/`.
pub(super) fn rooted(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// The parent of an absolute path; the root has none.
pub fn parent(path: &str) -> Option<&str> {
    if path == "/" {
        return None;
    }
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => Some("/"),
        Some((parent, _)) => Some(parent),
        None => None,
    }
}

/// What `application/x-www-form-urlencoded` leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

fn form_encode(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string().replace(' ', "+")
}

/// The id of a path: form-encoded twice, so `/My Folder` is `%252FMy%2BFolder`.
pub fn path_id(path: &str) -> String {
    form_encode(&form_encode(path))
}

/// The path of an id, however many times a client encoded it: decoded until it starts with `/`, at most four times.
pub fn decode_path_id(id: &str) -> Option<String> {
    let mut text = id.to_owned();
    for _ in 0..=4 {
        if text.starts_with('/') {
            return Some(text);
        }
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
        if decoded == text {
            return None;
        }
        text = decoded;
    }
    None
}
