//! The keys and words the reader knows, taken from its source, so that no list of them has to be kept twice.

use std::{collections::BTreeSet, fs, path::Path};

/// Texts between quotes in `source`, from each place after `start` to the next `end`.
fn quoted(source: &str, start: &str, end: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    for part in source.split(start).skip(1) {
        let list = part.split(end).next().unwrap_or_default();
        found.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    found
}

fn sources(below: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(below);
    let mut text = String::new();
    if root.is_file() {
        return fs::read_to_string(root).unwrap();
    }
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&format!("{below}/{}", path.file_name().unwrap().to_str().unwrap())));
        } else {
            // Each file ends its own tests.
            let source = fs::read_to_string(path).unwrap();
            text.push_str(source.split("#[cfg(test)]").next().unwrap());
        }
    }
    text
}

/// Every key of hub, element and resource files.
pub(crate) fn keys() -> BTreeSet<String> {
    let source = squeezed(&sources("catalog"));
    let mut keys = quoted(&source, ".object(&[", "]");
    keys.extend(quoted(&source, "_KEYS: &[&str] = &[", "]"));
    // Stands beside the keys of an operation only.
    keys.insert("steps".to_owned());
    keys
}

/// Every key of examples.
pub(crate) fn example_keys() -> BTreeSet<String> {
    let source = squeezed(&sources("gateway/examples/format.rs"));
    let mut keys = quoted(&source, ".object(&[", "]");
    keys.extend(quoted(&source, "KEYS: &[&str] = &[", "]"));
    keys.insert("examples".to_owned());
    keys
}

/// Every word of a closed set.
pub(crate) fn words() -> BTreeSet<String> {
    let source = squeezed(&sources("catalog"));
    let mut words = BTreeSet::new();
    for part in source.split(".word(&[").skip(1) {
        let list = part.split("])").next().unwrap_or_default();
        words.extend(list.split("(\"").skip(1).filter_map(|pair| pair.split('"').next()).map(str::to_owned));
    }
    words.extend(pairs(&source, "FIELD_KINDS: &[(&str, FieldKind)] = &["));
    words
}

/// The codecs.
pub(crate) fn codecs() -> BTreeSet<String> {
    let source = squeezed(&sources("mapping/codec.rs"));
    let mut words = pairs(&source, "WORDS: &[(&str, Codec)] = &[");
    words.extend(quoted(&source, "STRUCTURED: &[&str] = &[", "]"));
    words
}

/// The filters of references.
pub(crate) fn filters() -> BTreeSet<String> {
    quoted(&squeezed(&sources("mapping/template/filter.rs")), "FILTERS: &[&str] = &[", "]")
        .into_iter()
        .map(|filter| filter.trim_end_matches('…').to_owned())
        .collect()
}

/// The roots of references.
pub(crate) fn roots() -> BTreeSet<String> {
    pairs(&squeezed(&sources("mapping/template.rs")), "ROOTS: &[(&str, Root)] = &[")
}

/// The first texts of a list of pairs.
fn pairs(source: &str, start: &str) -> BTreeSet<String> {
    let list = source.split(start).nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    list.split("(\"").skip(1).filter_map(|pair| pair.split('"').next()).map(str::to_owned).collect()
}

/// With every run of blanks as one, and none after an opening bracket.
fn squeezed(source: &str) -> String {
    source.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(").replace("[ ", "[")
}

#[test]
fn the_source_is_read_as_meant() {
    assert!(keys().contains("alsoServedUnder") && keys().contains("orElse") && keys().contains("readOnly"));
    assert!(example_keys().contains("calls") && example_keys().contains("fileName"));
    assert!(words().contains("rateLimit") && words().contains("timestamp") && words().contains("soql"));
    assert!(codecs().contains("joinPath") && codecs().contains("pathId"));
    assert!(filters().contains("csv") && filters().contains("default:"));
    assert!(roots().contains("orderBy"));
}
