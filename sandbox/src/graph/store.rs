//! One drive: items with ids in a tree, each with a path as well.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::failure::{Failure, Outcome, name_in_use, not_found};
use crate::content::{Content, Hash};

/// What a drive belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A person's own files.
    Person(u32),
    /// A library of a site, open to everybody.
    Site(usize),
}

/// One drive.
pub(super) struct Drive {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) owner: Owner,
    /// The root's id.
    pub(super) root: String,
    items: BTreeMap<String, Item>,
    /// The items of every folder by their names in lower case.
    names: BTreeMap<(String, String), String>,
    last: u64,
    /// Counts the changes, for delta.
    pub(super) clock: u64,
    /// What is gone, and when it went.
    pub(super) gone: Vec<(u64, String)>,
}

/// A file or a folder.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) name: String,
    /// Absent for the root.
    pub(super) parent: Option<String>,
    pub(super) etag: u64,
    pub(super) changed: u64,
    pub(super) description: Option<String>,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    /// All versions, oldest first; empty for a folder.
    pub(super) versions: Vec<Version>,
    pub(super) links: Vec<Link>,
}

/// One state of a file.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) modified: DateTime<Utc>,
    pub(super) content: Content,
}

/// A sharing link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) scope: String,
    pub(super) password: bool,
    pub(super) expires: Option<DateTime<Utc>>,
}

/// What happens when a name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    Fail,
    Replace,
    Rename,
}

impl Conflict {
    pub(super) fn read(text: Option<&str>, default: Self) -> Outcome<Self> {
        match text {
            None => Ok(default),
            Some("fail") => Ok(Self::Fail),
            Some("replace") => Ok(Self::Replace),
            Some("rename") => Ok(Self::Rename),
            Some(other) => {
                Err(Failure::invalid(format!("Invalid value '{other}' for @microsoft.graph.conflictBehavior")))
            }
        }
    }
}

impl Item {
    pub(super) fn is_file(&self) -> bool {
        !self.versions.is_empty()
    }

    pub(super) fn content(&self) -> Option<&Content> {
        self.versions.last().map(|version| &version.content)
    }
}

impl Drive {
    pub(super) fn new(id: &str, name: &str, owner: Owner, now: DateTime<Utc>) -> Self {
        let root = match owner {
            Owner::Person(_) => format!("{}!101", id.to_uppercase()),
            Owner::Site(_) => format!("01{}ROOT", id.get(2..8).unwrap_or_default().to_uppercase()),
        };
        let item = Item {
            id: root.clone(),
            name: "root".to_owned(),
            parent: None,
            etag: 1,
            changed: 1,
            description: None,
            created: now,
            modified: now,
            versions: Vec::new(),
            links: Vec::new(),
        };
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            owner,
            items: BTreeMap::from([(root.clone(), item)]),
            root,
            names: BTreeMap::new(),
            last: 101,
            clock: 1,
            gone: Vec::new(),
        }
    }

    /// Puts a file at a path, with the folders above it; for seeds and the control API.
    pub(super) fn store(&mut self, path: &str, content: Content, now: DateTime<Utc>) -> Option<String> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (name, folders) = segments.split_last()?;
        let parent = self.folders(&self.root.clone(), folders, now).ok()?;
        self.put(&parent, name, content, Conflict::Replace, now).ok().map(|(id, _)| id)
    }

    /// The folder below another one, made where it is missing.
    pub(super) fn folders(&mut self, from: &str, names: &[&str], now: DateTime<Utc>) -> Outcome<String> {
        let mut at = from.to_owned();
        for name in names {
            at = match self.child(&at, name) {
                Some(item) if item.is_file() => {
                    return Err(Failure::Said(409, "nameAlreadyExists", "The parent is a file.".to_owned()));
                }
                Some(item) => item.id.clone(),
                None => self.add(&at, name, None, Conflict::Fail, now)?.0,
            };
        }
        Ok(at)
    }

    fn fresh_id(&mut self) -> String {
        self.last += 1;
        match self.owner {
            Owner::Person(_) => format!("{}!{}", self.id.to_uppercase(), self.last),
            Owner::Site(_) => format!("01{}{:0>24X}", self.id.get(2..8).unwrap_or_default().to_uppercase(), self.last),
        }
    }

    pub(super) fn item(&self, id: &str) -> Outcome<&Item> {
        self.items.get(id).ok_or_else(not_found)
    }

    /// Acts on an item and marks it as changed.
    pub(super) fn change(&mut self, id: &str, act: impl FnOnce(&mut Item)) {
        self.clock += 1;
        let clock = self.clock;
        if let Some(item) = self.items.get_mut(id) {
            item.etag += 1;
            item.changed = clock;
            act(item);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    pub(super) fn children(&self, folder: &str) -> Vec<&Item> {
        let from = (folder.to_owned(), String::new());
        let names = self.names.range(from..).take_while(|((parent, _), _)| parent == folder);
        names.filter_map(|(_, id)| self.items.get(id)).collect()
    }

    pub(super) fn child(&self, folder: &str, name: &str) -> Option<&Item> {
        self.names.get(&(folder.to_owned(), name.to_lowercase())).and_then(|id| self.items.get(id))
    }

    /// The item at a path below another one.
    pub(super) fn find(&self, from: &str, path: &[String]) -> Option<&Item> {
        let mut at = self.items.get(from)?;
        for name in path {
            at = self.child(&at.id, name)?;
        }
        Some(at)
    }

    /// The names of an item and of what is above it, the root apart, outermost first.
    pub(super) fn path(&self, item: &Item) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = Some(item);
        while let Some(item) = at.filter(|item| item.parent.is_some()) {
            names.push(item.name.clone());
            at = item.parent.as_ref().and_then(|parent| self.items.get(parent));
        }
        names.reverse();
        names
    }

    /// The size of an item: of a folder that of all files below.
    pub(super) fn size(&self, item: &Item) -> u64 {
        match item.content() {
            Some(content) => content.size,
            None => self.children(&item.id).into_iter().map(|child| self.size(child)).sum(),
        }
    }

    /// Whether an item is a folder's or below it.
    pub(super) fn is_below(&self, item: &Item, folder: &str) -> bool {
        let mut at = Some(item);
        while let Some(item) = at {
            if item.id == folder {
                return true;
            }
            at = item.parent.as_ref().and_then(|parent| self.items.get(parent));
        }
        false
    }

    /// Makes an item; what stands in its way is dealt with as `conflict` says. Tells whether it took another's place.
    pub(super) fn add(
        &mut self,
        parent: &str,
        name: &str,
        content: Option<Content>,
        conflict: Conflict,
        now: DateTime<Utc>,
    ) -> Outcome<(String, bool)> {
        check_name(name)?;
        if self.item(parent)?.is_file() {
            return Err(Failure::invalid("The parent is not a folder."));
        }
        let (name, replaced) = self.make_room(parent, name, None, conflict)?;
        let id = self.fresh_id();
        self.clock += 1;
        let item = Item {
            id: id.clone(),
            name: name.clone(),
            parent: Some(parent.to_owned()),
            etag: 1,
            changed: self.clock,
            description: None,
            created: now,
            modified: now,
            versions: content.map(|content| Version { modified: now, content }).into_iter().collect(),
            links: Vec::new(),
        };
        self.names.insert((parent.to_owned(), name.to_lowercase()), id.clone());
        self.items.insert(id.clone(), item);
        Ok((id, replaced))
    }

    /// Writes a file: a new one, or a new version of what is there.
    pub(super) fn put(
        &mut self,
        parent: &str,
        name: &str,
        content: Content,
        conflict: Conflict,
        now: DateTime<Utc>,
    ) -> Outcome<(String, bool)> {
        let there = self.child(parent, name).map(|item| (item.id.clone(), item.is_file()));
        match there {
            Some((id, true)) if conflict == Conflict::Replace => {
                self.version(&id, content, now);
                Ok((id, true))
            }
            Some((_, false)) if conflict == Conflict::Replace => Err(name_in_use()),
            _ => self.add(parent, name, Some(content), conflict, now),
        }
    }

    /// Gives a file a new version.
    pub(super) fn version(&mut self, id: &str, content: Content, now: DateTime<Utc>) {
        self.change(id, |item| {
            item.versions.push(Version { modified: now, content });
            item.modified = now;
        });
    }

    fn make_room(
        &mut self,
        parent: &str,
        name: &str,
        own: Option<&str>,
        conflict: Conflict,
    ) -> Outcome<(String, bool)> {
        let Some(there) = self.child(parent, name).map(|item| item.id.clone()).filter(|id| Some(id.as_str()) != own)
        else {
            return Ok((name.to_owned(), false));
        };
        match conflict {
            Conflict::Fail => Err(name_in_use()),
            Conflict::Replace => {
                self.delete(&there);
                Ok((name.to_owned(), true))
            }
            Conflict::Rename => {
                let (stem, ending) = name.rsplit_once('.').map_or((name, String::new()), |(s, e)| (s, format!(".{e}")));
                let free = (1_u32..1_000).map(|n| format!("{stem} {n}{ending}"));
                let free = free.into_iter().find(|name| self.child(parent, name).is_none());
                free.map(|name| (name, false)).ok_or_else(name_in_use)
            }
        }
    }

    /// Gives an item a name and a folder.
    pub(super) fn place(&mut self, id: &str, name: &str, parent: &str, conflict: Conflict) -> Outcome<()> {
        check_name(name)?;
        let folder = self.item(parent)?;
        if folder.is_file() || self.is_below(folder, id) {
            return Err(Failure::invalid("The destination is not a folder, or is inside of what is moved."));
        }
        let (name, _) = self.make_room(parent, name, Some(id), conflict)?;
        let old = self.item(id)?;
        let key = (old.parent.clone().unwrap_or_default(), old.name.to_lowercase());
        self.names.remove(&key);
        self.names.insert((parent.to_owned(), name.to_lowercase()), id.to_owned());
        self.change(id, |item| {
            item.name = name;
            item.parent = Some(parent.to_owned());
        });
        Ok(())
    }

    /// Deletes an item with everything below.
    pub(super) fn delete(&mut self, id: &str) {
        let children: Vec<String> = self.children(id).into_iter().map(|item| item.id.clone()).collect();
        for child in children {
            self.delete(&child);
        }
        if let Some(item) = self.items.remove(id) {
            self.clock += 1;
            self.gone.push((self.clock, item.id.clone()));
            self.names.remove(&(item.parent.unwrap_or_default(), item.name.to_lowercase()));
        }
    }

    /// Copies an item, with everything below, into a folder.
    pub(super) fn copy(&mut self, id: &str, parent: &str, name: Option<&str>, now: DateTime<Utc>) -> Outcome<String> {
        let item = self.item(id)?.clone();
        if self.is_below(self.item(parent)?, id) {
            return Err(Failure::invalid("The destination is inside of what is copied."));
        }
        let children: Vec<String> = self.children(id).into_iter().map(|child| child.id.clone()).collect();
        let name = name.unwrap_or(&item.name);
        let (copy, _) = self.add(parent, name, item.content().cloned(), Conflict::Fail, now)?;
        for child in children {
            self.copy(&child, &copy, None, now)?;
        }
        Ok(copy)
    }

    /// The file and link behind a link's id.
    pub(super) fn linked(&self, id: &str) -> Option<(&Item, &Link)> {
        self.items.values().find_map(|item| Some((item, item.links.iter().find(|link| link.id == id)?)))
    }
}

/// Refuses names that OneDrive does not take.
pub(super) fn check_name(name: &str) -> Outcome<()> {
    let bad = name.is_empty()
        || name.chars().count() > 255
        || matches!(name, "." | "..")
        || name.trim() != name
        || name.ends_with('.')
        || name.chars().any(|letter| letter.is_control() || "\"*:<>?/\\|".contains(letter));
    if bad {
        Err(Failure::invalid("The provided name cannot contain any of the following characters: \" * : < > ? / \\ |"))
    } else {
        Ok(())
    }
}

/// What a new drive holds.
pub(super) fn seed(drive: &mut Drive, owner: &str, now: DateTime<Utc>) {
    for (path, _, text) in crate::seed::files(owner) {
        drive.store(path, Content::of(Hash::Sha1, text), now);
    }
}
