//! What is fuzzed: each function takes any bytes and panics only on a fault of hubgate's.
//!
//! `cargo fuzz` drives them (`fuzz_targets/`), and so does the test `corpora` with everything that was found worth keeping.

use std::{borrow::Cow, collections::BTreeMap, str};

use hubgate::{
    catalog::{load, source::Files},
    mapping::{Codec, Condition, Path, Root, Scope, TextTemplate, ValueTemplate, stream, xml},
    query,
    store::seal::Sealer,
    upstream::url as address,
};
use serde_json::Value;

/// A function that takes any bytes.
pub(crate) type Target = fn(&[u8]);

/// All of them, by name.
pub(crate) const TARGETS: [(&str, Target); 11] = [
    ("filter", filter),
    ("lists", lists),
    ("template", template),
    ("path", path),
    ("codec", codec),
    ("scan", scan),
    ("files", files),
    ("cursor", cursor),
    ("head", head),
    ("multipart", multipart),
    ("url", url),
];

/// `where`: what is read is said in words that are read as the same.
pub(crate) fn filter(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(read) = query::parse(text) else { return };
    let said = read.to_string();
    assert_eq!(query::parse(&said).map_err(|error| error.to_string()), Ok(read), "{text:?} is said as {said:?}");
}

/// `orderBy` and `fields`.
pub(crate) fn lists(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    drop(query::parse_order_by(text));
    drop(query::parse_fields(text));
}

/// A scope in which every name stands for one text.
struct Everything<'a>(&'a Value);

impl Scope for Everything<'_> {
    fn value(&self, _: Root, _: &str) -> Option<Cow<'_, Value>> {
        Some(Cow::Borrowed(self.0))
    }
}

/// Templates of texts: compiled and rendered, with what follows the first line as every value.
pub(crate) fn template(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (source, value) = text.split_once('\n').unwrap_or((text, "value"));
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let scope = Everything(&value);
    if let Ok(template) = TextTemplate::compile(source) {
        drop(template.render(&scope));
    }
    if let Ok(template) = ValueTemplate::compile(&Value::String(source.to_owned())) {
        drop(template.render(&scope));
    }
}

/// Paths into records, and writing by them.
pub(crate) fn path(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (source, document) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(path) = Path::compile(source) else { return };
    let mut document: Value = serde_json::from_str(document).unwrap_or_default();
    path.all(&document);
    if path.steps().is_some() && path.set(&mut document, Value::Bool(true)) {
        assert_eq!(path.get(&document), Some(&Value::Bool(true)), "{source:?}");
    }
}

/// Codecs and conditions: compiled and applied both ways.
pub(crate) fn codec(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (source, value) = text.split_once('\n').unwrap_or((text, "null"));
    let Ok(source) = serde_json::from_str::<Value>(source) else { return };
    let value: Value = serde_json::from_str(value).unwrap_or_default();
    if let Ok(codec) = Codec::compile(&source) {
        drop(codec.read(&value));
        drop(codec.write(&value));
    }
    if let Ok(condition) = Condition::compile(&source) {
        condition.holds(&Everything(&value));
    }
}

/// The one pass over JSON takes what serde_json takes, and the reader of XML ends.
pub(crate) fn scan(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let known = serde_json::from_str::<Value>(text).is_ok();
    // The pass may leave a text to the document path; it never takes one that is no JSON.
    assert!(known || stream::check(text).is_err(), "{text:?}");
    drop(xml::Vocabulary::default().read(text));
}

/// Mapping files: parted by lines `== path`, laid over the built-in hubs.
pub(crate) fn files(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut given = BTreeMap::new();
    let mut parts = text.split("\n== ");
    parts.next();
    for part in parts {
        if let Some((name, content)) = part.split_once('\n') {
            given.insert(name.trim().to_owned(), content.to_owned());
        }
    }
    let hubs: BTreeMap<String, String> =
        Files::built_in().0.into_iter().filter(|(name, _)| name.starts_with("hubs/documents/")).collect();
    let (catalog, problems) = load::lenient(&Files(hubs).overlaid(Files(given)));
    assert!(catalog.hubs().count() <= 32);
    for problem in problems {
        assert!(!problem.to_string().is_empty());
    }
}

/// Page tokens and links: nothing that we did not seal opens.
pub(crate) fn cursor(data: &[u8]) {
    let sealer = Sealer::new(&[7; 32]);
    let Ok(text) = str::from_utf8(data) else { return };
    assert_eq!(sealer.open_token("page|1", text), None);
    let token = sealer.seal_token("page|1", data);
    assert_eq!(sealer.open_token("page|1", &token).as_deref(), Some(data));
    assert_eq!(sealer.open_token("page|2", &token), None);
}

/// The `Authorization` header and the beginning of a form.
pub(crate) fn head(data: &[u8]) {
    hubgate::api::read_head(data);
}

/// Uploads: what is taken for the file stands in the body, however it comes. The first byte is the size of its pieces, the rest
/// of the line the type of the body.
pub(crate) fn multipart(data: &[u8]) {
    let Some((&piece, rest)) = data.split_first() else { return };
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let (Some(content_type), Some(body)) = (parts.next(), parts.next()) else { return };
    let whole = hubgate::api::read_upload(content_type, body.len(), body);
    let pieces = hubgate::api::read_upload(content_type, piece.into(), body);
    assert_eq!(whole, pieces, "read in pieces of {piece} bytes");
    if let Some(file) = whole.filter(|file| !file.is_empty()) {
        assert!(body.windows(file.len()).any(|part| part == file), "the file is not in the body");
    }
}

/// URLs: nothing leaves the base, and a value stays one segment. The lines are a base, a path, a value.
pub(crate) fn url(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let Some(Ok(base)) = lines.next().map(address::base) else { return };
    let (path, value) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let depth = |url: &::url::Url| url.path().trim_matches('/').split('/').filter(|part| !part.is_empty()).count();
    if let Ok(built) = address::build(&base, path, &address::query(&[("q", value)])) {
        assert_eq!(built.origin(), base.origin(), "{text:?}");
        assert!(depth(&built) >= depth(&base), "{text:?}");
        assert_eq!(built.query_pairs().map(|(_, found)| found.into_owned()).collect::<Vec<_>>(), [value], "{text:?}");
    }
    let Ok(segment) = address::segment(value) else { return };
    if let Ok(built) = address::build(&base, &format!("a/{segment}"), "") {
        assert_eq!(built.origin(), base.origin(), "{text:?}");
        assert_eq!(depth(&built), depth(&base) + 2, "{text:?}");
    }
}
