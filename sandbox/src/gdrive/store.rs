//! One account's files: its own tree and the shared drives it is a member of.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::failure::{FORBIDDEN, Failure, Outcome};
use crate::{
    content::{Content, Hash},
    core::person,
    seed,
};

/// The type of folders.
pub(super) const FOLDER: &str = "application/vnd.google-apps.folder";
/// What the types of the provider's own documents begin with.
pub(super) const NATIVE: &str = "application/vnd.google-apps.";
/// The room of an account, in bytes.
pub(super) const QUOTA: u64 = 15 * 1024 * 1024 * 1024;

/// One account's files.
pub(super) struct Drive {
    pub(super) account: u32,
    pub(super) root: String,
    items: BTreeMap<String, Item>,
    /// Shared drives by id, which is also the id of their root folder: name and time of making.
    pub(super) shared: BTreeMap<String, (String, DateTime<Utc>)>,
    made: u64,
}

/// A file or a folder.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: String,
    /// Counts what was made; the newest is the highest.
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) parent: Option<String>,
    /// The shared drive it is in.
    pub(super) drive: Option<String>,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    pub(super) trashed: Option<DateTime<Utc>>,
    pub(super) version: u64,
    pub(super) description: Option<String>,
    pub(super) starred: bool,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) app_properties: BTreeMap<String, String>,
    /// Oldest first; empty for a folder.
    pub(super) revisions: Vec<Revision>,
    pub(super) permissions: Vec<Permission>,
    pub(super) comments: Vec<Comment>,
}

/// One state of a file's content; of the provider's own documents, what they export.
#[derive(Clone, Debug)]
pub(super) struct Revision {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) modified: DateTime<Utc>,
    pub(super) content: Content,
}

/// Who may do what.
#[derive(Clone, Debug)]
pub(super) struct Permission {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) role: String,
    pub(super) email: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) discoverable: bool,
    pub(super) expires: Option<DateTime<Utc>>,
}

/// A remark on a file.
#[derive(Clone, Debug)]
pub(super) struct Comment {
    pub(super) id: String,
    pub(super) content: String,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    pub(super) deleted: bool,
}

impl Item {
    pub(super) fn is_folder(&self) -> bool {
        self.mime == FOLDER
    }

    /// One of the provider's own documents, which have no bytes.
    pub(super) fn is_native(&self) -> bool {
        self.mime.starts_with(NATIVE)
    }

    pub(super) fn content(&self) -> Option<&Content> {
        self.revisions.last().map(|revision| &revision.content)
    }
}

/// What is to be made.
pub(super) struct New {
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) parent: String,
    pub(super) content: Option<Content>,
}

impl Drive {
    /// What a new account holds.
    pub(super) fn seeded(account: u32, now: DateTime<Utc>) -> Self {
        let mut drive = Self {
            account,
            root: format!("0A{}Uk9PVA", sum(account, 0).get(..11).unwrap_or_default()),
            items: BTreeMap::new(),
            shared: BTreeMap::new(),
            made: 0,
        };
        let root = drive.root.clone();
        drive.insert(root, New::folder("My Drive", ""), None, now);
        for (path, mime, text) in seed::files(&person(account).full()) {
            drive.store(path, mime, Content::of(Hash::Sha1, text), now);
        }
        let shared = drive.make_shared("Team Sandbox", now);
        let minutes = New {
            name: "Minutes".to_owned(),
            mime: format!("{NATIVE}document"),
            parent: shared.clone(),
            content: Some(Content::of(Hash::Sha1, "Minutes of the first meeting.\n")),
        };
        drive.add(minutes, now);
        let plan = Content::of(Hash::Sha1, "What the team is going to do.\n");
        let plan = New { name: "plan.txt".into(), mime: "text/plain".into(), parent: shared, content: Some(plan) };
        drive.add(plan, now);
        drive
    }

    /// Puts a file at a path of the account's own tree, with the folders above it; for seeds and the control API.
    pub(super) fn store(&mut self, path: &str, mime: &str, content: Content, now: DateTime<Utc>) -> String {
        let path = path.trim_start_matches('/');
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = self.root.clone();
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            let there = self.children(&parent).find(|item| item.name == folder && item.is_folder());
            parent = match there.map(|item| item.id.clone()) {
                Some(id) => id,
                None => self.add(New::folder(folder, &parent), now),
            };
        }
        self.add(New { name: name.to_owned(), mime: mime.to_owned(), parent, content: Some(content) }, now)
    }

    /// An id that nothing has yet.
    pub(super) fn fresh_id(&mut self) -> String {
        self.made += 1;
        format!("1{}", sum(self.account, self.made).get(..32).unwrap_or_default())
    }

    /// Makes a shared drive with its root folder.
    pub(super) fn make_shared(&mut self, name: &str, now: DateTime<Utc>) -> String {
        self.made += 1;
        let id = format!("0A{}Uk9PVA", sum(self.account, self.made).get(..11).unwrap_or_default());
        self.insert(id.clone(), New::folder("Drive", ""), Some(id.clone()), now);
        self.shared.insert(id.clone(), (name.to_owned(), now));
        id
    }

    /// Takes a shared drive away, with all in it.
    pub(super) fn drop_shared(&mut self, id: &str) {
        self.shared.remove(id);
        self.items.retain(|_, item| item.drive.as_deref() != Some(id));
    }

    /// Makes a file in a folder that exists.
    pub(super) fn add(&mut self, new: New, now: DateTime<Utc>) -> String {
        let id = self.fresh_id();
        let drive = self.items.get(&new.parent).and_then(|parent| parent.drive.clone());
        self.insert(id.clone(), new, drive, now);
        id
    }

    fn insert(&mut self, id: String, new: New, drive: Option<String>, now: DateTime<Utc>) {
        let person = person(self.account);
        let role = if drive.is_some() { "organizer" } else { "owner" };
        let own = Permission {
            id: format!("{:020}", 10_000_000_000_u64 + u64::from(person.number)),
            kind: "user".to_owned(),
            role: role.to_owned(),
            email: Some(person.email.to_owned()),
            domain: None,
            discoverable: false,
            expires: None,
        };
        let folder = new.mime == FOLDER;
        let item = Item {
            id: id.clone(),
            number: self.made,
            name: new.name,
            mime: new.mime,
            parent: Some(new.parent).filter(|parent| !parent.is_empty()),
            drive,
            created: now,
            modified: now,
            trashed: None,
            version: 1,
            description: None,
            starred: false,
            properties: BTreeMap::new(),
            app_properties: BTreeMap::new(),
            revisions: Vec::new(),
            permissions: vec![own],
            comments: Vec::new(),
        };
        self.items.insert(id.clone(), item);
        if !folder {
            let content = new.content.unwrap_or_else(|| Content::of(Hash::Sha1, ""));
            self.revise(&id, content, now);
        }
    }

    /// Gives a file a new revision.
    pub(super) fn revise(&mut self, id: &str, content: Content, now: DateTime<Utc>) {
        self.made += 1;
        let revision = format!("0B{}", sum(self.account, self.made).get(..38).unwrap_or_default());
        if let Some(item) = self.items.get_mut(id) {
            let (name, mime) = (item.name.clone(), item.mime.clone());
            item.revisions.push(Revision { id: revision, name, mime, modified: now, content });
            item.modified = now;
            item.version += 1;
        }
    }

    /// The item an id (or the alias `root`) stands for; those of shared drives only for clients that know of such.
    pub(super) fn find(&self, id: &str, all_drives: bool) -> Outcome<&Item> {
        let key = if id == "root" { &self.root } else { id };
        let found = self.items.get(key).filter(|item| all_drives || item.drive.is_none());
        found.ok_or_else(|| Failure::NotFound(id.to_owned()))
    }

    /// The folder that something is to be put into.
    pub(super) fn folder(&self, id: &str, all_drives: bool) -> Outcome<&Item> {
        let item = self.find(id, all_drives)?;
        if item.is_folder() {
            Ok(item)
        } else {
            Err(Failure::Other(403, "parentNotAFolder", "The specified parent is not a folder."))
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Item> {
        self.items.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Outcome<&mut Item> {
        self.items.get_mut(id).ok_or_else(|| Failure::NotFound(id.to_owned()))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    pub(super) fn children<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items.values().filter(move |item| item.parent.as_deref() == Some(folder))
    }

    /// Whether it, or a folder above it, is in the trash.
    pub(super) fn is_trashed(&self, item: &Item) -> bool {
        let mut at = Some(item);
        while let Some(item) = at {
            if item.trashed.is_some() {
                return true;
            }
            at = item.parent.as_ref().and_then(|parent| self.items.get(parent));
        }
        false
    }

    /// Whether `below` is `folder` or somewhere in it.
    pub(super) fn is_in(&self, below: &str, folder: &str) -> bool {
        let mut at = Some(below);
        while let Some(id) = at {
            if id == folder {
                return true;
            }
            at = self.items.get(id).and_then(|item| item.parent.as_deref());
        }
        false
    }

    /// Whether it is the root of the tree or of a shared drive, which stay where and as they are.
    pub(super) fn is_root(&self, id: &str) -> bool {
        id == self.root || self.shared.contains_key(id)
    }

    /// Deletes an item with everything below, for good.
    pub(super) fn delete(&mut self, id: &str) {
        let children: Vec<String> = self.children(id).map(|item| item.id.clone()).collect();
        for child in children {
            self.delete(&child);
        }
        self.items.remove(id);
    }

    /// The bytes of the account's own files, those in the trash too.
    pub(super) fn used(&self, trash: bool) -> u64 {
        let mine = self.items.values().filter(|item| item.drive.is_none() && !item.is_native());
        let counted = mine.filter(|item| !trash || self.is_trashed(item));
        counted.filter_map(Item::content).map(|content| content.size).sum()
    }

    /// Refuses what the account has no room for.
    pub(super) fn check_room(&self, size: u64) -> Outcome<()> {
        if self.used(false).saturating_add(size) > QUOTA {
            let message = "The user's Drive storage quota has been exceeded.";
            return Err(Failure::Other(403, "storageQuotaExceeded", message));
        }
        Ok(())
    }

    /// Moves an item into another folder.
    pub(super) fn place(&mut self, id: &str, parent: &str) -> Outcome<()> {
        if self.is_root(id) {
            return Err(FORBIDDEN);
        }
        if self.is_in(parent, id) {
            let message = "The specified parent is inside the file that is moved.";
            return Err(Failure::Other(403, "cannotAddParent", message));
        }
        let drive = self.items.get(parent).and_then(|parent| parent.drive.clone());
        let below: Vec<String> = self.items.keys().filter(|below| self.is_in(below, id)).cloned().collect();
        for below in below {
            self.get_mut(&below)?.drive.clone_from(&drive);
        }
        let item = self.get_mut(id)?;
        item.parent = Some(parent.to_owned());
        item.version += 1;
        Ok(())
    }
}

impl New {
    pub(super) fn folder(name: &str, parent: &str) -> Self {
        Self { name: name.to_owned(), mime: FOLDER.to_owned(), parent: parent.to_owned(), content: None }
    }
}

/// What looks random and is the same every time.
fn sum(account: u32, number: u64) -> String {
    hex::encode(Sha256::digest(format!("{account}/{number}")))
}
