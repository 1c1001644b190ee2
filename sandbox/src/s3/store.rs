//! Buckets, objects and uploads under way.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{BUCKET, PLAIN_BUCKET, failure::Failure, tagging::Tags};
use crate::{
    content::{Content, Hash},
    core::{person, random_hex},
    seed,
};

/// Everything there is.
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
}

/// Whether a bucket keeps what is replaced or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versioning {
    Never,
    Enabled,
    Suspended,
}

pub(super) struct Bucket {
    pub(super) created: DateTime<Utc>,
    pub(super) versioning: Versioning,
    /// The versions of each key, the newest last; never empty.
    pub(super) keys: BTreeMap<String, Vec<Version>>,
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// One version of an object, or the mark that it was deleted.
#[derive(Clone)]
pub(super) struct Version {
    /// `null` for what was made without versioning.
    pub(super) id: String,
    pub(super) modified: DateTime<Utc>,
    /// Absent for a delete marker.
    pub(super) object: Option<Object>,
}

#[derive(Clone)]
pub(super) struct Object {
    pub(super) content: Content,
    /// Without quotes.
    pub(super) etag: String,
    /// Headers that are kept and told: the media type, those of the user, and what else describes the content.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) tags: Tags,
}

/// An upload in parts that is under way.
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) started: DateTime<Utc>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) tags: Tags,
    pub(super) parts: BTreeMap<u32, Part>,
}

#[derive(Clone)]
pub(super) struct Part {
    pub(super) content: Content,
    pub(super) modified: DateTime<Utc>,
}

impl State {
    pub(super) fn seeded(now: DateTime<Utc>) -> Self {
        let mut files = Bucket::new(now);
        files.versioning = Versioning::Enabled;
        for (path, kind, text) in seed::files(&person(1).full()) {
            let content = Content::of(Hash::Md5, text);
            let etag = content.hash.clone();
            let headers = BTreeMap::from([("content-type".to_owned(), kind.to_owned())]);
            files.put(path.trim_start_matches('/'), Object { content, etag, headers, tags: Tags::new() }, now);
        }
        let buckets = [(BUCKET, files), (PLAIN_BUCKET, Bucket::new(now))];
        Self { buckets: buckets.into_iter().map(|(name, bucket)| (name.to_owned(), bucket)).collect() }
    }

    pub(super) fn bucket(&mut self, name: &str) -> Result<&mut Bucket, Failure> {
        self.buckets.get_mut(name).ok_or_else(|| Failure::no_bucket(name))
    }
}

impl Bucket {
    pub(super) fn new(created: DateTime<Utc>) -> Self {
        Self { created, versioning: Versioning::Never, keys: BTreeMap::new(), uploads: BTreeMap::new() }
    }

    /// The newest version of a key, unless that is a delete marker.
    pub(super) fn current(&self, key: &str) -> Option<(&Version, &Object)> {
        let newest = self.keys.get(key)?.last()?;
        Some((newest, newest.object.as_ref()?))
    }

    /// All keys there are, with their newest version.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&str, &Version, &Object)> {
        self.keys.iter().filter_map(|(key, versions)| {
            let newest = versions.last()?;
            Some((key.as_str(), newest, newest.object.as_ref()?))
        })
    }

    /// A version of a key: the newest, or the one of this identifier.
    pub(super) fn version(&self, key: &str, id: Option<&str>) -> Result<(&Version, &Object), Failure> {
        let Some(id) = id else {
            let Some(newest) = self.keys.get(key).and_then(|versions| versions.last()) else {
                return Err(Failure::no_key(key));
            };
            let object = newest.object.as_ref().ok_or_else(|| {
                Failure::no_key(key).header("x-amz-delete-marker", "true").header("x-amz-version-id", &newest.id)
            })?;
            return Ok((newest, object));
        };
        let found = self.keys.get(key).and_then(|versions| versions.iter().find(|version| version.id == id));
        let version = found.ok_or_else(|| no_version(key, id))?;
        let object = version.object.as_ref().ok_or_else(|| {
            Failure::method("GET", "DeleteMarker")
                .header("x-amz-delete-marker", "true")
                .header("x-amz-version-id", &version.id)
                .header("allow", "DELETE")
        })?;
        Ok((version, object))
    }

    /// The object of a version, to be changed as it is: neither its time nor its identifier become others.
    pub(super) fn object_mut(&mut self, key: &str, id: &str) -> Option<&mut Object> {
        self.keys.get_mut(key)?.iter_mut().find(|version| version.id == id)?.object.as_mut()
    }

    /// Puts an object in its place; gives the version's identifier where there is versioning.
    pub(super) fn put(&mut self, key: &str, object: Object, now: DateTime<Utc>) -> Option<String> {
        self.push(key, Some(object), now)
    }

    /// Deletes a key as a call without version does: by a marker where there is versioning.
    pub(super) fn delete(&mut self, key: &str, now: DateTime<Utc>) -> Option<String> {
        if self.versioning == Versioning::Never {
            self.keys.remove(key);
            return None;
        }
        self.push(key, None, now)
    }

    /// Deletes one version for good; says whether it was a delete marker.
    pub(super) fn delete_version(&mut self, key: &str, id: &str) -> bool {
        let Some(versions) = self.keys.get_mut(key) else { return false };
        let marker = versions.iter().any(|version| version.id == id && version.object.is_none());
        versions.retain(|version| version.id != id);
        if versions.is_empty() {
            self.keys.remove(key);
        }
        marker
    }

    fn push(&mut self, key: &str, object: Option<Object>, now: DateTime<Utc>) -> Option<String> {
        let versions = self.keys.entry(key.to_owned()).or_default();
        let id = match self.versioning {
            Versioning::Enabled => random_hex(16),
            // There is one version without identifier at most.
            Versioning::Never | Versioning::Suspended => {
                versions.retain(|version| version.id != "null");
                "null".to_owned()
            }
        };
        versions.push(Version { id: id.clone(), modified: now, object });
        (self.versioning != Versioning::Never).then_some(id)
    }
}

/// What is said of a version that is not there.
fn no_version(key: &str, id: &str) -> Failure {
    if id == "null" || (id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit())) {
        return Failure::new("NoSuchVersion", "The specified version does not exist.")
            .with("Key", key)
            .with("VersionId", id);
    }
    Failure::argument("versionId", id, "Invalid version id specified")
}

/// A time as the bodies tell it.
pub(super) fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A time as headers tell it.
pub(super) fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
