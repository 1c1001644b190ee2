//! The files and folders of a share.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use dav_server::fs::{DavProp, FsError, FsResult};

use crate::{
    content::{Content, Hash},
    core::person,
    seed,
};

/// What fits on the share, in bytes.
pub(super) const ROOM: u64 = 1 << 40;

/// Everything on the share, by paths such as `/a/b`; the root's is empty.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Counts the writes, so that every content has a tag of its own.
    writes: u64,
}

/// A file, or a folder where there is no content.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) content: Option<Content>,
    pub(super) tag: u64,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    /// By namespace and name.
    pub(super) properties: BTreeMap<(String, String), DavProp>,
}

impl Tree {
    pub(super) fn seeded(now: DateTime<Utc>) -> Self {
        let mut tree = Self { nodes: BTreeMap::new(), writes: 0 };
        tree.insert("", None, now);
        for (path, _, text) in seed::files(&person(1).full()) {
            for (end, _) in path.match_indices('/').skip(1) {
                let folder = path.get(..end).unwrap_or_default();
                if !tree.nodes.contains_key(folder) {
                    tree.insert(folder, None, now);
                }
            }
            tree.insert(path, Some(Content::of(Hash::Md5, text)), now);
        }
        tree
    }

    fn insert(&mut self, path: &str, content: Option<Content>, now: DateTime<Utc>) {
        self.writes += 1;
        let node = Node { content, tag: self.writes, created: now, modified: now, properties: BTreeMap::new() };
        self.nodes.insert(path.to_owned(), node);
    }

    pub(super) fn node(&self, path: &str) -> FsResult<&Node> {
        self.nodes.get(path).ok_or(FsError::NotFound)
    }

    pub(super) fn node_mut(&mut self, path: &str) -> FsResult<&mut Node> {
        self.nodes.get_mut(path).ok_or(FsError::NotFound)
    }

    /// What is in a folder, by name.
    pub(super) fn children(&self, path: &str) -> FsResult<Vec<(String, Node)>> {
        if self.node(path)?.content.is_some() {
            return Err(FsError::Forbidden);
        }
        let children = self
            .below(path)
            .filter(|(name, _)| !name.contains('/'))
            .map(|(name, node)| (name.to_owned(), node.clone()));
        Ok(children.collect())
    }

    /// Everything below a folder, by the path from there.
    fn below(&self, path: &str) -> impl Iterator<Item = (&str, &Node)> {
        let start = format!("{path}/");
        let after = start.clone();
        self.nodes.range(start..).map_while(move |(below, node)| Some((below.strip_prefix(after.as_str())?, node)))
    }

    /// That something can be put at this path: its folder is there.
    pub(super) fn place(&self, path: &str) -> FsResult<()> {
        let (folder, _) = path.rsplit_once('/').ok_or(FsError::Forbidden)?;
        match self.nodes.get(folder) {
            Some(Node { content: None, .. }) => Ok(()),
            _ => Err(FsError::NotFound),
        }
    }

    /// Puts a content at a path, in the place of the one that is there.
    pub(super) fn write(&mut self, path: &str, content: Content, now: DateTime<Utc>) -> FsResult<()> {
        self.place(path)?;
        match self.nodes.get_mut(path) {
            Some(Node { content: None, .. }) => return Err(FsError::Forbidden),
            Some(node) => {
                self.writes += 1;
                node.content = Some(content);
                node.tag = self.writes;
                node.modified = now;
            }
            None => {
                self.insert(path, Some(content), now);
                self.touch_folder(path, now);
            }
        }
        Ok(())
    }

    pub(super) fn create_folder(&mut self, path: &str, now: DateTime<Utc>) -> FsResult<()> {
        if self.nodes.contains_key(path) {
            return Err(FsError::Exists);
        }
        self.place(path)?;
        self.insert(path, None, now);
        self.touch_folder(path, now);
        Ok(())
    }

    /// Takes a file, or a folder with everything in it, away.
    pub(super) fn remove(&mut self, path: &str, now: DateTime<Utc>) -> FsResult<()> {
        if path.is_empty() {
            return Err(FsError::Forbidden);
        }
        self.node(path)?;
        self.take(path);
        self.touch_folder(path, now);
        Ok(())
    }

    fn take(&mut self, path: &str) -> Vec<(String, Node)> {
        let below: Vec<String> = self.below(path).map(|(name, _)| format!("/{name}")).collect();
        std::iter::once(String::new())
            .chain(below)
            .filter_map(|rest| self.nodes.remove(&format!("{path}{rest}")).map(|node| (rest, node)))
            .collect()
    }

    /// Moves a file, or a folder with everything in it, in the place of what is there.
    pub(super) fn rename(&mut self, from: &str, to: &str, now: DateTime<Utc>) -> FsResult<()> {
        self.node(from)?;
        self.place(to)?;
        if from.is_empty() || to == from || to.starts_with(&format!("{from}/")) {
            return Err(FsError::Forbidden);
        }
        self.take(to);
        for (rest, node) in self.take(from) {
            self.nodes.insert(format!("{to}{rest}"), node);
        }
        self.touch_folder(from, now);
        self.touch_folder(to, now);
        Ok(())
    }

    /// Copies a file with its properties.
    pub(super) fn copy(&mut self, from: &str, to: &str, now: DateTime<Utc>) -> FsResult<()> {
        let source = self.node(from)?.clone();
        let content = source.content.ok_or(FsError::Forbidden)?;
        self.write(to, content, now)?;
        self.node_mut(to)?.properties = source.properties;
        Ok(())
    }

    fn touch_folder(&mut self, path: &str, now: DateTime<Utc>) {
        let folder = path.rsplit_once('/').and_then(|(folder, _)| self.nodes.get_mut(folder));
        if let Some(folder) = folder {
            folder.modified = now;
        }
    }

    /// How many bytes there are.
    pub(super) fn used(&self) -> u64 {
        self.nodes.values().filter_map(|node| node.content.as_ref()).map(|content| content.size).sum()
    }
}
