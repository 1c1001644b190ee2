//! One account's files: items with numeric ids in a tree.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    failure::{FORBIDDEN, Failure, Outcome},
    records::Records,
    view,
};
use crate::{
    content::{Content, Hash},
    core::person,
    seed,
};

/// The root folder's id.
pub(super) const ROOT: u64 = 0;

/// One account's files.
pub(super) struct Drive {
    pub(super) account: u32,
    items: BTreeMap<u64, Item>,
    /// The items of every folder by their names in lower case.
    names: BTreeMap<(u64, String), u64>,
    last_id: u64,
    /// Comments, collaborations and whatever else has an id.
    pub(super) records: Records,
    /// What was deleted and could still be restored.
    trash: BTreeSet<(u64, bool)>,
}

/// A file or a folder.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) parent: u64,
    pub(super) etag: u64,
    pub(super) description: String,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    pub(super) content_created: DateTime<Utc>,
    pub(super) content_modified: DateTime<Utc>,
    pub(super) tags: Vec<String>,
    pub(super) link: Option<Link>,
    pub(super) lock: Option<Value>,
    /// What it has under templates, by scope and key.
    pub(super) metadata: BTreeMap<(String, String), Value>,
    /// All versions, oldest first; empty for a folder.
    pub(super) versions: Vec<Version>,
}

/// One state of a file.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) created: DateTime<Utc>,
    pub(super) content: Content,
}

/// A shared link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) secret: String,
    pub(super) access: String,
    pub(super) password: bool,
    pub(super) unshared_at: Option<DateTime<Utc>>,
    pub(super) can_download: bool,
}

impl Item {
    pub(super) fn is_file(&self) -> bool {
        !self.versions.is_empty()
    }

    /// `file` or `folder`.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_file() { "file" } else { "folder" }
    }

    /// Marks a change.
    pub(super) fn touch(&mut self, now: DateTime<Utc>) {
        self.etag += 1;
        self.modified = now;
    }
}

/// What is to be made.
pub(super) struct New {
    pub(super) name: String,
    pub(super) parent: u64,
    pub(super) content: Option<Content>,
    pub(super) content_created: Option<DateTime<Utc>>,
    pub(super) content_modified: Option<DateTime<Utc>>,
}

impl New {
    pub(super) fn folder(name: &str, parent: u64) -> Self {
        Self { name: name.to_owned(), parent, content: None, content_created: None, content_modified: None }
    }

    pub(super) fn file(name: &str, parent: u64, content: Content) -> Self {
        Self { content: Some(content), ..Self::folder(name, parent) }
    }
}

impl Drive {
    /// What a new account holds.
    pub(super) fn seeded(account: u32, now: DateTime<Utc>) -> Self {
        let mut drive = Self {
            account,
            items: BTreeMap::new(),
            names: BTreeMap::new(),
            last_id: 160_000_000_000 + u64::from(account) * 1_000_000,
            records: Records::default(),
            trash: BTreeSet::new(),
        };
        for (path, _, text) in seed::files(&person(account).full()) {
            drive.store(path, Content::of(Hash::Sha1, text), now);
        }
        drive
    }

    /// Puts a file at a path, with the folders above it; for seeds and the control API.
    pub(super) fn store(&mut self, path: &str, content: Content, now: DateTime<Utc>) -> Option<u64> {
        let (folders, name) =
            path.trim_start_matches('/').rsplit_once('/').unwrap_or_else(|| ("", path.trim_start_matches('/')));
        let mut parent = ROOT;
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            parent = match self.child(parent, folder) {
                Some(item) => item.id,
                None => self.add(New::folder(folder, parent), now).ok()?,
            };
        }
        match self.child(parent, name).map(|item| item.id) {
            Some(id) => self.replace(id, content, None, None, now).ok(),
            None => self.add(New::file(name, parent, content), now).ok(),
        }
    }

    pub(super) fn fresh_id(&mut self) -> u64 {
        self.last_id += 13;
        self.last_id
    }

    /// The file with this id.
    pub(super) fn file(&self, id: &str) -> Outcome<&Item> {
        let item = id.parse().ok().and_then(|number: u64| self.items.get(&number)).filter(|item| item.is_file());
        item.ok_or_else(|| Failure::NotFound { kind: "file", id: id.to_owned() })
    }

    /// The folder with this id; the root is no item and gives `None`.
    pub(super) fn folder(&self, id: &str) -> Outcome<Option<&Item>> {
        if id == "0" {
            return Ok(None);
        }
        let item = id.parse().ok().and_then(|number: u64| self.items.get(&number)).filter(|item| !item.is_file());
        item.map(Some).ok_or_else(|| Failure::NotFound { kind: "folder", id: id.to_owned() })
    }

    /// The number of a folder that exists.
    pub(super) fn folder_id(&self, id: &str) -> Outcome<u64> {
        Ok(self.folder(id)?.map_or(ROOT, |item| item.id))
    }

    pub(super) fn item(&self, id: u64) -> Option<&Item> {
        self.items.get(&id)
    }

    pub(super) fn item_mut(&mut self, id: u64) -> Option<&mut Item> {
        self.items.get_mut(&id)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Item> {
        self.items.values_mut()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    pub(super) fn children(&self, folder: u64) -> impl Iterator<Item = &Item> {
        let names = self.names.range((folder, String::new())..(folder + 1, String::new()));
        names.filter_map(|(_, id)| self.items.get(id))
    }

    /// The folders above an item, the nearest first; the root is not among them.
    pub(super) fn above(&self, item: &Item) -> Vec<&Item> {
        let mut found = Vec::new();
        let mut at = item.parent;
        while let Some(folder) = self.items.get(&at) {
            found.push(folder);
            at = folder.parent;
        }
        found
    }

    /// The size of a folder: that of all files below.
    pub(super) fn size(&self, folder: u64) -> u64 {
        let below = |item: &&Item| folder == ROOT || self.above(item).iter().any(|above| above.id == folder);
        let size = |item: &Item| item.versions.last().map_or(0, |version| version.content.size);
        self.items.values().filter(below).map(size).sum()
    }

    fn child(&self, folder: u64, name: &str) -> Option<&Item> {
        self.names.get(&(folder, name.to_lowercase())).and_then(|id| self.items.get(id))
    }

    /// Checks a name and that it is free in a folder; `own` is the item that would bear it.
    pub(super) fn check_name(&self, folder: u64, name: &str, own: Option<u64>, file: bool) -> Outcome<()> {
        if name.chars().count() > 255 {
            return Err(Failure::Other(400, "item_name_too_long", "Item name too long"));
        }
        let bad = name.is_empty()
            || name == "."
            || name == ".."
            || name.trim() != name
            || name.chars().any(|letter| letter == '/' || letter == '\\' || letter.is_control());
        if bad {
            return Err(Failure::Other(400, "item_name_invalid", "Item name invalid"));
        }
        match self.child(folder, name) {
            Some(item) if Some(item.id) != own => {
                let conflict = Value::Object(view::mini(item));
                // A file's conflict is an object, a folder's a list.
                Err(Failure::NameInUse(if file { conflict } else { json!([conflict]) }))
            }
            _ => Ok(()),
        }
    }

    /// Makes a file or folder.
    pub(super) fn add(&mut self, new: New, now: DateTime<Utc>) -> Outcome<u64> {
        self.check_name(new.parent, &new.name, None, new.content.is_some())?;
        let id = self.fresh_id();
        let version = |id| Version { id, name: new.name.clone(), created: now, content: Content::of(Hash::Sha1, "") };
        let versions = match new.content {
            Some(content) => vec![Version { content, ..version(self.fresh_id()) }],
            None => Vec::new(),
        };
        let item = Item {
            id,
            name: new.name,
            parent: new.parent,
            etag: 0,
            description: String::new(),
            created: now,
            modified: now,
            content_created: new.content_created.unwrap_or(now),
            content_modified: new.content_modified.unwrap_or(now),
            tags: Vec::new(),
            link: None,
            lock: None,
            metadata: BTreeMap::new(),
            versions,
        };
        self.names.insert((item.parent, item.name.to_lowercase()), id);
        self.items.insert(id, item);
        Ok(id)
    }

    /// Gives an item a name and a folder, which must be free and no cycle.
    pub(super) fn place(&mut self, id: u64, name: String, parent: u64) {
        if let Some(item) = self.items.get_mut(&id) {
            self.names.remove(&(item.parent, item.name.to_lowercase()));
            self.names.insert((parent, name.to_lowercase()), id);
            item.name = name;
            item.parent = parent;
        }
    }

    /// Gives a file a new version.
    pub(super) fn replace(
        &mut self,
        id: u64,
        content: Content,
        name: Option<String>,
        content_modified: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Outcome<u64> {
        if let (Some(name), Some(parent)) = (name, self.items.get(&id).map(|item| item.parent)) {
            self.check_name(parent, &name, Some(id), true)?;
            self.place(id, name, parent);
        }
        let version = self.fresh_id();
        if let Some(item) = self.items.get_mut(&id) {
            item.versions.push(Version { id: version, name: item.name.clone(), created: now, content });
            item.content_modified = content_modified.unwrap_or(now);
            item.touch(now);
        }
        Ok(id)
    }

    /// Deletes an item with everything below.
    pub(super) fn delete(&mut self, id: u64) {
        let children: Vec<u64> = self.children(id).map(|item| item.id).collect();
        for child in children {
            self.delete(child);
        }
        if let Some(item) = self.items.remove(&id) {
            self.names.remove(&(item.parent, item.name.to_lowercase()));
            self.trash.insert((id, item.is_file()));
        }
    }

    /// Deletes for good what is in the trash.
    pub(super) fn purge(&mut self, id: &str, file: bool) -> Outcome<()> {
        let known = id.parse().is_ok_and(|number: u64| self.trash.remove(&(number, file)));
        let kind = if file { "file" } else { "folder" };
        if known { Ok(()) } else { Err(Failure::NotFound { kind, id: id.to_owned() }) }
    }

    /// Copies an item, with everything below, into a folder.
    pub(super) fn copy(&mut self, id: u64, parent: u64, name: Option<&str>, now: DateTime<Utc>) -> Outcome<u64> {
        let item = self.items.get(&id).ok_or(FORBIDDEN)?.clone();
        let name = name.unwrap_or(&item.name);
        let children: Vec<u64> = self.children(id).map(|child| child.id).collect();
        let content = item.versions.last().map(|version| version.content.clone());
        let new = New {
            name: name.to_owned(),
            parent,
            content,
            content_created: Some(item.content_created),
            content_modified: Some(item.content_modified),
        };
        let copy = self.add(new, now)?;
        for child in children {
            self.copy(child, copy, None, now)?;
        }
        Ok(copy)
    }

    /// Refuses to put a folder into itself.
    pub(super) fn check_cycle(&self, folder: u64, into: u64) -> Outcome<()> {
        let inside = self.item(into).is_some_and(|target| self.above(target).iter().any(|above| above.id == folder));
        if into == folder || inside {
            return Err(Failure::Other(
                400,
                "cyclical_folder_structure",
                "Folder move creates cyclical folder structure",
            ));
        }
        Ok(())
    }

    /// The item whose shared link has this secret.
    pub(super) fn linked(&self, secret: &str) -> Option<&Item> {
        self.items.values().find(|item| item.link.as_ref().is_some_and(|link| link.secret == secret))
    }
}
