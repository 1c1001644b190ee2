//! One account's files: a tree addressed by lower-case path, with revisions, tombstones and a change journal.

mod write;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    content::{Content, Hash},
    core::person,
    seed,
};

/// The number of the account's root namespace.
pub(super) const ROOT_NAMESPACE: &str = "3235641";

/// One account's files.
#[derive(Default)]
pub(super) struct Drive {
    nodes: BTreeMap<String, Node>,
    ids: HashMap<String, String>,
    /// All versions of a file, oldest first, by the file's id.
    history: HashMap<String, Vec<Version>>,
    journal: Vec<(String, Value)>,
    revisions: u64,
}

/// A file, a folder, or what is left of one.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) display: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Folder,
    File(Version),
    Deleted,
}

/// One state of a file.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) rev: String,
    pub(super) client_modified: DateTime<Utc>,
    pub(super) server_modified: DateTime<Utc>,
    pub(super) content: Content,
}

/// Why something cannot be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupError {
    Malformed,
    NotFound,
    NotFile,
    NotFolder,
}

/// Why something cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteError {
    Malformed,
    Disallowed,
    FileConflict,
    FolderConflict,
    FileAncestor,
}

impl LookupError {
    pub(super) fn json(self) -> Value {
        let tag = match self {
            Self::Malformed => "malformed_path",
            Self::NotFound => "not_found",
            Self::NotFile => "not_file",
            Self::NotFolder => "not_folder",
        };
        json!({ ".tag": tag })
    }
}

impl WriteError {
    pub(super) fn json(self) -> Value {
        let conflict = |with: &str| json!({ ".tag": "conflict", "conflict": { ".tag": with } });
        match self {
            Self::Malformed => json!({ ".tag": "malformed_path" }),
            Self::Disallowed => json!({ ".tag": "disallowed_name" }),
            Self::FileConflict => conflict("file"),
            Self::FolderConflict => conflict("folder"),
            Self::FileAncestor => conflict("file_ancestor"),
        }
    }
}

/// How an upload treats what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Add,
    Overwrite,
    Update(String),
}

/// The time in the API's format.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Node {
    /// The metadata, without the tag that says what it is.
    pub(super) fn metadata(&self, key: &str) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("name".to_owned(), json!(self.name));
        map.insert("path_lower".to_owned(), json!(key));
        map.insert("path_display".to_owned(), json!(self.display));
        match &self.kind {
            Kind::Deleted => return map,
            Kind::Folder => {
                map.insert("id".to_owned(), json!(self.id));
            }
            Kind::File(version) => {
                map.insert("id".to_owned(), json!(self.id));
                map.insert("client_modified".to_owned(), json!(timestamp(version.client_modified)));
                map.insert("server_modified".to_owned(), json!(timestamp(version.server_modified)));
                map.insert("rev".to_owned(), json!(version.rev));
                map.insert("size".to_owned(), json!(version.content.size));
                map.insert("is_downloadable".to_owned(), json!(true));
                map.insert("content_hash".to_owned(), json!(version.content.hash));
            }
        }
        map
    }

    /// The metadata with its tag in front.
    pub(super) fn tagged(&self, key: &str) -> Value {
        let tag = match self.kind {
            Kind::Folder => "folder",
            Kind::File(_) => "file",
            Kind::Deleted => "deleted",
        };
        let mut map = Map::from_iter([(".tag".to_owned(), json!(tag))]);
        map.extend(self.metadata(key));
        Value::Object(map)
    }

    pub(super) fn deleted(&self) -> bool {
        matches!(self.kind, Kind::Deleted)
    }
}

impl Drive {
    /// What a new account holds.
    pub(super) fn seeded(now: DateTime<Utc>, account: u32) -> Self {
        let mut drive = Self::default();
        for (path, _, text) in seed::files(&person(account).full()) {
            drive.store(path, Content::of(Hash::Blocks, text), now);
        }
        drive.journal.clear();
        drive
    }

    /// Puts a file at a well-formed path that is free.
    pub(super) fn store(&mut self, path: &str, content: Content, now: DateTime<Utc>) {
        // Only a conflict could stop it, and then what is there stays.
        drop(self.write(path, content, &Mode::Overwrite, false, false, now, now));
    }

    /// The key of what a `path` argument means (`""` for the root), whether or not anything is there.
    pub(super) fn key(&self, path: &str) -> Result<String, LookupError> {
        if path.starts_with("id:") {
            return self.ids.get(path).cloned().ok_or(LookupError::NotFound);
        }
        let path = match path.strip_prefix("ns:") {
            Some(rest) => rest.strip_prefix(ROOT_NAMESPACE).ok_or(LookupError::NotFound)?,
            None => path,
        };
        if path.is_empty() {
            return Ok(String::new());
        }
        let rest = path.strip_prefix('/').ok_or(LookupError::Malformed)?;
        if rest.split('/').any(malformed) {
            return Err(LookupError::Malformed);
        }
        Ok(path.to_lowercase())
    }

    /// What is at a path, tombstones included.
    pub(super) fn any(&self, path: &str) -> Result<(String, &Node), LookupError> {
        let key = self.key(path)?;
        let node = self.nodes.get(&key).ok_or(LookupError::NotFound)?;
        Ok((key, node))
    }

    /// What is at a path.
    pub(super) fn live(&self, path: &str) -> Result<(String, &Node), LookupError> {
        self.any(path).and_then(|found| if found.1.deleted() { Err(LookupError::NotFound) } else { Ok(found) })
    }

    /// The file at a path or of a revision.
    pub(super) fn file(&self, path: &str) -> Result<(String, Node, Version), LookupError> {
        if let Some(rev) = path.strip_prefix("rev:") {
            let of = |(id, versions): (&String, &Vec<Version>)| {
                let version = versions.iter().find(|version| version.rev == rev)?;
                Some((id.clone(), version.clone()))
            };
            let (id, version) = self.history.iter().find_map(of).ok_or(LookupError::NotFound)?;
            let key = self.ids.get(&id).ok_or(LookupError::NotFound)?;
            let mut node = self.nodes.get(key).ok_or(LookupError::NotFound)?.clone();
            node.kind = Kind::File(version.clone());
            return Ok((key.clone(), node, version));
        }
        let (key, node) = self.live(path)?;
        match &node.kind {
            Kind::File(version) => Ok((key, node.clone(), version.clone())),
            _ => Err(LookupError::NotFile),
        }
    }

    /// The key of a folder.
    pub(super) fn folder(&self, path: &str) -> Result<String, LookupError> {
        let key = self.key(path)?;
        if key.is_empty() {
            return Ok(key);
        }
        match self.nodes.get(&key).map(|node| &node.kind) {
            Some(Kind::Folder) => Ok(key),
            Some(Kind::File(_)) => Err(LookupError::NotFolder),
            Some(Kind::Deleted) | None => Err(LookupError::NotFound),
        }
    }

    /// What is below a folder, in the order of the keys, after a key.
    pub(super) fn below(&self, folder: &str, after: Option<&str>) -> impl Iterator<Item = (&String, &Node)> {
        let prefix = format!("{folder}/");
        let from = after.map_or_else(|| prefix.clone(), |after| format!("{after}\0"));
        self.nodes.range(from..).take_while(move |(key, _)| key.starts_with(&prefix))
    }

    /// The versions of a file, newest first.
    pub(super) fn versions(&self, id: &str) -> Vec<Version> {
        self.history.get(id).map(|versions| versions.iter().rev().cloned().collect()).unwrap_or_default()
    }

    /// How many bytes all files hold.
    pub(super) fn used(&self) -> u64 {
        let size = |node: &Node| if let Kind::File(version) = &node.kind { version.content.size } else { 0 };
        self.nodes.values().map(size).sum()
    }

    /// Where the change journal ends.
    pub(super) fn position(&self) -> usize {
        self.journal.len()
    }

    /// The changes from a position on.
    pub(super) fn changes(&self, from: usize) -> &[(String, Value)] {
        self.journal.get(from..).unwrap_or_default()
    }
}

/// Whether a path component can be no name at all.
fn malformed(name: &str) -> bool {
    name.is_empty() || name == "." || name == ".." || name.contains(['\\', '\0']) || name.chars().count() > 255
}
