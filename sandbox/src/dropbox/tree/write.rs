//! Changes to the tree.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Drive, Kind, Mode, Node, ROOT_NAMESPACE, Version, WriteError};
use crate::{content::Content, core::random_hex};

impl Drive {
    /// Writes a file.
    #[expect(clippy::too_many_arguments, reason = "they are the members of the API's commit")]
    pub(in crate::dropbox) fn write(
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
    pub(in crate::dropbox) fn make_folder(
        &mut self,
        path: &str,
        autorename: bool,
    ) -> Result<Map<String, Value>, WriteError> {
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
    pub(in crate::dropbox) fn delete(&mut self, key: &str) {
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
    pub(in crate::dropbox) fn relocate(
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

/// Whether a name is one that Dropbox does not store.
fn disallowed(name: &str) -> bool {
    matches!(
        name.to_lowercase().as_str(),
        "desktop.ini" | "thumbs.db" | ".ds_store" | "icon\r" | ".dropbox" | ".dropbox.attr" | ".dropbox.cache"
    )
}
