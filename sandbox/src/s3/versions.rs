//! The list of all versions of a bucket's objects.

use axum::response::Response;

use super::{
    OWNER,
    api::{Call, document},
    failure::Failure,
    listing::{Place, Wanted, described},
    store::{Version, iso},
    xml::Xml,
};

/// One page of the list.
#[derive(Default)]
struct Page<'a> {
    /// Key, version, and whether it is the newest of its key.
    versions: Vec<(&'a str, &'a Version, bool)>,
    prefixes: Vec<String>,
    /// The key and the version after which there are more.
    next: Option<(String, String)>,
}

/// All versions, those of a key newest first.
pub(super) fn list(call: &Call<'_>) -> Result<Response, Failure> {
    let wanted = Wanted::read(&call.query)?;
    let key_marker = call.query.get("key-marker").filter(|key| !key.is_empty());
    let version_marker = call.query.get("version-id-marker").filter(|id| !id.is_empty());
    if let (None, Some(id)) = (key_marker, version_marker) {
        return Err(Failure::argument(
            "version-id-marker",
            id,
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let mut state = call.state();
    let bucket = state.bucket(&call.bucket)?;
    let after = key_marker.map(|key| wanted.marker(key));
    let mut page = Page::default();
    let mut last = None;
    'keys: for (key, versions) in &bucket.keys {
        // With a version the marker's key itself goes on after it.
        let within = version_marker.filter(|_| key_marker == Some(key));
        let place = wanted.place(key, after.as_ref().filter(|_| within.is_none()));
        match place {
            Place::Out => {}
            Place::Common(prefix) => {
                if page.prefixes.last() == Some(&prefix) {
                    continue;
                }
                if page.versions.len() + page.prefixes.len() == wanted.max {
                    page.next = last;
                    break;
                }
                last = Some((prefix.clone(), String::new()));
                page.prefixes.push(prefix);
            }
            Place::Key => {
                let newest_first = versions.iter().rev().enumerate();
                let left = match within {
                    Some(id) => versions.iter().rev().position(|version| version.id == id).map_or(0, |at| at + 1),
                    None => 0,
                };
                for (at, version) in newest_first.skip(left) {
                    if page.versions.len() + page.prefixes.len() == wanted.max {
                        page.next = last;
                        break 'keys;
                    }
                    last = Some((key.clone(), version.id.clone()));
                    page.versions.push((key, version, at == 0));
                }
            }
        }
    }
    Ok(document(Xml::document("ListVersionsResult", |xml| {
        xml.text("Name", &call.bucket);
        wanted.repeat(xml);
        xml.text("KeyMarker", &wanted.told(key_marker.unwrap_or_default()));
        xml.text("VersionIdMarker", version_marker.unwrap_or_default());
        xml.text("IsTruncated", if page.next.is_some() { "true" } else { "false" });
        if let Some((key, id)) = &page.next {
            xml.text("NextKeyMarker", &wanted.told(key));
            if !id.is_empty() {
                xml.text("NextVersionIdMarker", id);
            }
        }
        for (key, version, newest) in &page.versions {
            xml.element(if version.object.is_some() { "Version" } else { "DeleteMarker" }, |xml| {
                xml.text("Key", &wanted.told(key));
                xml.text("VersionId", &version.id);
                xml.text("IsLatest", if *newest { "true" } else { "false" });
                match &version.object {
                    Some(object) => described(xml, version, object),
                    None => xml.text("LastModified", &iso(version.modified)),
                }
                xml.element("Owner", |xml| xml.text("ID", OWNER));
            });
        }
        wanted.prefixes(xml, &page.prefixes);
    })))
}
