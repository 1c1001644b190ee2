//! One account's files: a tree addressed by lower-case path, with revisions, tombstones and a change journal.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::{
    content::{Content, Hash},
    core::random_hex,
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
        let owner = crate::core::person(account).full();
        let files: [(&str, String); 6] = [
            ("/Documents/Welcome.txt", format!("Welcome to this sandbox, {owner}.\n")),
            ("/Documents/Contracts/Lease 2026.txt", "This lease starts on 1 January 2026.\n".repeat(40)),
            ("/Documents/Contracts/Übersicht.csv", "name,amount\nMiete,1200\nStrom,80\n".to_owned()),
            (
                "/Pictures/pixel.svg",
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\"/>\n".to_owned(),
            ),
            ("/Reports/2026/q1.csv", "month,total\n2026-01,10\n2026-02,12\n2026-03,9\n".to_owned()),
            ("/readme.md", "# Sandbox\n\nNothing here leaves this machine.\n".to_owned()),
        ];
        for (path, text) in files {
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
        if rest.split('/').any(|name| malformed(name)) {
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

    /// Writes a file.
    #[expect(clippy::too_many_arguments, reason = "they are the members of the API's commit")]
    pub(super) fn write(
        &mut self,
        path: &str,
        content: Content,
        mode: &Mode,
        autorename: bool,
        strict: bool,
        client_modified: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Map<String, Value>, WriteError> {
        let mut display = match path.strip_prefix("id:") {
            Some(_) => self.live(path).map_err(|_| WriteError::Malformed)?.1.display.clone(),
            None => self.writable(path)?,
        };
        let mut key = display.to_lowercase();
        self.ancestors(&key)?;
        let conflict = match self.nodes.get(&key).map(|node| &node.kind) {
            None | Some(Kind::Deleted) => match mode {
                Mode::Update(_) if strict => Some(WriteError::FileConflict),
                _ => None,
            },
            Some(Kind::Folder) => Some(WriteError::FolderConflict),
            Some(Kind::File(version)) => match mode {
                Mode::Overwrite => None,
                _ if !strict && version.content.hash == content.hash => {
                    // The same bytes are there already, which the service does not take for a conflict.
                    return Ok(self.nodes.get(&key).map(|node| node.metadata(&key)).unwrap_or_default());
                }
                Mode::Update(rev) if *rev == version.rev => None,
                _ => Some(WriteError::FileConflict),
            },
        };
        if let Some(error) = conflict {
            if !autorename {
                return Err(error);
            }
            display = self.free_name(&display);
            key = display.to_lowercase();
        }
        self.make_parents(&display);
        let version = Version { rev: self.next_rev(), client_modified, server_modified: now, content };
        let id = match self.nodes.get(&key) {
            Some(node) if !node.deleted() => node.id.clone(),
            _ => new_id(),
        };
        self.history.entry(id.clone()).or_default().push(version.clone());
        let node = Node { id, name: name_of(&display).to_owned(), display, kind: Kind::File(version) };
        let metadata = node.metadata(&key);
        self.put(key, node);
        Ok(metadata)
    }

    /// Makes a folder.
    pub(super) fn make_folder(&mut self, path: &str, autorename: bool) -> Result<Map<String, Value>, WriteError> {
        let mut display = self.writable(path)?;
        self.ancestors(&display.to_lowercase())?;
        if let Some(error) = self.occupied(&display.to_lowercase()) {
            if !autorename {
                return Err(error);
            }
            display = self.free_name(&display);
        }
        self.make_parents(&display);
        let key = display.to_lowercase();
        let node = Node { id: new_id(), name: name_of(&display).to_owned(), display, kind: Kind::Folder };
        let metadata = node.metadata(&key);
        self.put(key, node);
        Ok(metadata)
    }

    /// Deletes what is at a key, with everything below.
    pub(super) fn delete(&mut self, key: &str) {
        let mut keys: Vec<String> = self.below(key, None).map(|(key, _)| key.clone()).collect();
        keys.push(key.to_owned());
        for key in keys {
            if let Some(mut node) = self.nodes.get(&key).filter(|node| !node.deleted()).cloned() {
                node.kind = Kind::Deleted;
                self.put(key, node);
            }
        }
    }

    /// Moves or copies what is at a key to a path, and answers with its new metadata.
    pub(super) fn relocate(
        &mut self,
        from: &str,
        to: &str,
        copy: bool,
        autorename: bool,
        now: DateTime<Utc>,
    ) -> Result<Value, WriteError> {
        let mut display = self.writable(to)?;
        let target = display.to_lowercase();
        self.ancestors(&target)?;
        if let Some(error) = self.occupied(&target) {
            if !autorename {
                return Err(error);
            }
            display = self.free_name(&display);
        }
        self.make_parents(&display);
        let mut moving: Vec<(String, Node)> = vec![];
        moving.extend(self.nodes.get(from).map(|node| (from.to_owned(), node.clone())));
        moving.extend(self.below(from, None).map(|(key, node)| (key.clone(), node.clone())));
        moving.retain(|(_, node)| !node.deleted());
        if !copy {
            self.delete(from);
        }
        let depth = from.matches('/').count();
        for (key, mut node) in moving {
            let rest = node.display.match_indices('/').nth(depth).and_then(|(at, _)| node.display.get(at..));
            let rest = rest.unwrap_or_default();
            let new_display = if key == from { display.clone() } else { format!("{display}{rest}") };
            name_of(&new_display).clone_into(&mut node.name);
            node.display = new_display;
            if copy {
                node.id = new_id();
            }
            if let Kind::File(version) = &mut node.kind {
                version.rev = self.next_rev();
                version.server_modified = now;
                self.history.entry(node.id.clone()).or_default().push(version.clone());
            }
            self.put(node.display.to_lowercase(), node);
        }
        let key = display.to_lowercase();
        Ok(self.nodes.get(&key).map(|node| node.tagged(&key)).unwrap_or_default())
    }

    fn put(&mut self, key: String, node: Node) {
        self.journal.push((key.clone(), node.tagged(&key)));
        if !node.deleted() || self.ids.get(&node.id) == Some(&key) {
            self.ids.insert(node.id.clone(), key.clone());
        }
        self.nodes.insert(key, node);
    }

    fn next_rev(&mut self) -> String {
        self.revisions += 1;
        format!("{:015x}", 0x0005_a1b2_c300_0000_u64 + self.revisions)
    }

    /// The display path for something to be written: well formed, and spelled as the folders that exist.
    fn writable(&self, path: &str) -> Result<String, WriteError> {
        let key = self.key(path).map_err(|_| WriteError::Malformed)?;
        if key.is_empty() || path.starts_with("id:") {
            return Err(WriteError::Malformed);
        }
        let path = path.strip_prefix("ns:").and_then(|rest| rest.strip_prefix(ROOT_NAMESPACE)).unwrap_or(path);
        if path.split('/').any(disallowed) {
            return Err(WriteError::Disallowed);
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or_default();
        let mut spelled = String::new();
        for folder in parent.split('/').skip(1) {
            let next = format!("{spelled}/{folder}");
            spelled = match self.nodes.get(&next.to_lowercase()) {
                Some(node) if !node.deleted() => node.display.clone(),
                _ => next,
            };
        }
        Ok(format!("{spelled}/{name}"))
    }

    fn ancestors(&self, key: &str) -> Result<(), WriteError> {
        let file = |at: usize| {
            let node = key.get(..at).and_then(|parent| self.nodes.get(parent));
            node.is_some_and(|node| matches!(node.kind, Kind::File(_)))
        };
        if key.match_indices('/').skip(1).any(|(at, _)| file(at)) { Err(WriteError::FileAncestor) } else { Ok(()) }
    }

    fn occupied(&self, key: &str) -> Option<WriteError> {
        match self.nodes.get(key).map(|node| &node.kind) {
            Some(Kind::File(_)) => Some(WriteError::FileConflict),
            Some(Kind::Folder) => Some(WriteError::FolderConflict),
            Some(Kind::Deleted) | None => None,
        }
    }

    fn make_parents(&mut self, display: &str) {
        for (at, _) in display.match_indices('/').skip(1) {
            let Some(parent) = display.get(..at) else { continue };
            let key = parent.to_lowercase();
            if self.occupied(&key).is_none() {
                let name = name_of(parent).to_owned();
                self.put(key, Node { id: new_id(), name, display: parent.to_owned(), kind: Kind::Folder });
            }
        }
    }

    /// `name (1).ext`, with the first number that is free.
    fn free_name(&self, display: &str) -> String {
        let (folder, name) = display.rsplit_once('/').unwrap_or_default();
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
            _ => (name, String::new()),
        };
        let mut number = 1_u32;
        loop {
            let candidate = format!("{folder}/{stem} ({number}){extension}");
            if self.occupied(&candidate.to_lowercase()).is_none() {
                return candidate;
            }
            number += 1;
        }
    }
}

fn new_id() -> String {
    format!("id:{}", random_hex(11))
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Whether a path component can be no name at all.
fn malformed(name: &str) -> bool {
    name.is_empty() || name == "." || name == ".." || name.contains(['\\', '\0']) || name.chars().count() > 255
}

/// Whether a name is one that Dropbox does not store.
fn disallowed(name: &str) -> bool {
    matches!(
        name.to_lowercase().as_str(),
        "desktop.ini" | "thumbs.db" | ".ds_store" | "icon\r" | ".dropbox" | ".dropbox.attr" | ".dropbox.cache"
    )
}
