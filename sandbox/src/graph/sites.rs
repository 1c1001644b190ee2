//! Sites of one tenant, each with its libraries and lists.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    failure::{Failure, Outcome, not_found},
    store::{Drive, Owner, seed},
    view,
};
use crate::core::random_hex;

/// The host name of the tenant.
pub(super) const HOST: &str = "acme.sharepoint.com";
/// Path and title of every site; the first one is the root.
const SITES: [(&str, &str); 5] = [
    ("", "Acme"),
    ("/sites/team", "Team"),
    ("/sites/team/plans", "Plans"),
    ("/marketing", "Marketing"),
    ("/plain", "Plain"),
];

/// Every site's plain list.
const LIST: &str = "Announcements";

/// One site.
pub(super) struct Site {
    pub(super) path: &'static str,
    title: &'static str,
    /// Its libraries, by their place among the drives; the first one is its default.
    pub(super) libraries: Vec<usize>,
    entries: Vec<Entry>,
    created: DateTime<Utc>,
}

/// An item of the plain list.
struct Entry {
    id: u64,
    fields: Map<String, Value>,
    at: DateTime<Utc>,
}

/// The sites and the drives of their libraries.
pub(super) fn seeded(now: DateTime<Utc>) -> (Vec<Site>, Vec<Drive>) {
    let (mut sites, mut drives) = (Vec::new(), Vec::new());
    for (number, (path, title)) in SITES.into_iter().enumerate() {
        let mut libraries = Vec::new();
        for name in ["Documents", "Archive"] {
            let id = format!("b!{number:0>4}{}0000000000000000", if name == "Documents" { "docs" } else { "arch" });
            let mut drive = Drive::new(&id, name, Owner::Site(number), now);
            if number == 0 && name == "Documents" {
                seed(&mut drive, "Acme", now);
            }
            libraries.push(drives.len());
            drives.push(drive);
        }
        let fields = Map::from_iter([("Title".to_owned(), json!(format!("Welcome to {title}")))]);
        sites.push(Site { path, title, libraries, entries: vec![Entry { id: 1, fields, at: now }], created: now });
    }
    (sites, drives)
}

impl Site {
    pub(super) fn id(number: usize) -> String {
        format!("{HOST},{number:0>8}-0000-4000-8000-00000000000a,{number:0>8}-0000-4000-8000-00000000000b")
    }

    pub(super) fn show(&self, number: usize, origin: &str) -> Value {
        let mut shown = Map::from_iter([
            ("id".to_owned(), json!(Self::id(number))),
            ("name".to_owned(), json!(self.path.rsplit('/').next().unwrap_or_default())),
            ("displayName".to_owned(), json!(self.title)),
            ("description".to_owned(), json!(format!("The site {}", self.title))),
            ("createdDateTime".to_owned(), json!(view::time(self.created))),
            ("lastModifiedDateTime".to_owned(), json!(view::time(self.created))),
            ("webUrl".to_owned(), json!(format!("{origin}/web{}", self.path))),
            ("siteCollection".to_owned(), json!({ "hostname": HOST })),
        ]);
        if number == 0 {
            shown.insert("root".to_owned(), json!({}));
        }
        Value::Object(shown)
    }

    /// Its lists: the libraries, and the plain one.
    pub(super) fn lists(&self, number: usize, drives: &[Drive]) -> Vec<Value> {
        let names = self.libraries.iter().filter_map(|library| drives.get(*library)).map(|drive| drive.name.as_str());
        names
            .map(|name| self.list(number, name, "documentLibrary"))
            .chain([self.list(number, LIST, "genericList")])
            .collect()
    }

    fn list(&self, number: usize, name: &str, template: &str) -> Value {
        let letter = name.chars().next().unwrap_or('x') as u32;
        json!({
            "id": format!("{number:0>8}-0000-4000-9000-{letter:0>12}"),
            "name": name,
            "displayName": name,
            "createdDateTime": view::time(self.created),
            "lastModifiedDateTime": view::time(self.created),
            "list": { "contentTypesEnabled": false, "hidden": false, "template": template },
        })
    }

    /// The list with this id or title.
    pub(super) fn find_list(&self, number: usize, drives: &[Drive], wanted: &str) -> Outcome<Value> {
        let same = |list: &Value, key: &str| {
            list.get(key).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(wanted))
        };
        let found = self.lists(number, drives).into_iter().find(|list| same(list, "id") || same(list, "displayName"));
        found.ok_or_else(not_found)
    }

    /// The library of a list.
    pub(super) fn library<'a>(&self, list: &Value, drives: &'a [Drive]) -> Outcome<&'a Drive> {
        let name = list.get("displayName").and_then(Value::as_str).unwrap_or_default();
        let mut own = self.libraries.iter().filter_map(|library| drives.get(*library));
        own.find(|drive| drive.name == name).ok_or_else(|| Failure::invalid("The list is no document library."))
    }

    fn check_plain(list: &Value) -> Outcome<()> {
        let plain = list.get("displayName").and_then(Value::as_str) == Some(LIST);
        if plain { Ok(()) } else { Err(Failure::invalid("Use the library's drive.")) }
    }

    /// The items of the plain list; with their fields when the query expands them.
    pub(super) fn entries(&self, list: &Value, expanded: bool) -> Vec<Value> {
        match Self::check_plain(list) {
            Ok(()) => self.entries.iter().map(|entry| entry.show(expanded)).collect(),
            Err(_) => Vec::new(),
        }
    }

    pub(super) fn entry(&self, id: &str) -> Outcome<Value> {
        let entry = self.entries.iter().find(|entry| entry.id.to_string() == id);
        entry.map(|entry| entry.show(true)).ok_or_else(not_found)
    }

    pub(super) fn add_entry(&mut self, list: &Value, body: &Map<String, Value>, now: DateTime<Utc>) -> Outcome<Value> {
        Self::check_plain(list)?;
        let fields = checked(body.get("fields"))?;
        let id = self.entries.iter().map(|entry| entry.id).max().unwrap_or_default() + 1;
        let entry = Entry { id, fields, at: now };
        let shown = entry.show(true);
        self.entries.push(entry);
        Ok(shown)
    }

    pub(super) fn change_entry(&mut self, id: &str, body: &Map<String, Value>) -> Outcome<Value> {
        let fields = checked(Some(&Value::Object(body.clone())))?;
        let entry = self.entries.iter_mut().find(|entry| entry.id.to_string() == id).ok_or_else(not_found)?;
        entry.fields.extend(fields);
        Ok(Value::Object(entry.fields.clone()))
    }

    pub(super) fn delete_entry(&mut self, id: &str) -> Outcome<()> {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id.to_string() != id);
        if self.entries.len() < before { Ok(()) } else { Err(not_found()) }
    }

    /// Whether a search for sites finds it.
    pub(super) fn fits(&self, words: &str) -> bool {
        words == "*" || self.title.to_lowercase().contains(&words.to_lowercase())
    }
}

/// The fields of a list item: `Title` is the only one that is a column.
fn checked(fields: Option<&Value>) -> Outcome<Map<String, Value>> {
    let Some(Value::Object(fields)) = fields else { return Err(Failure::invalid("'fields' should be an object.")) };
    match fields.iter().find(|(name, value)| *name != "Title" || !value.is_string()) {
        Some((name, _)) => Err(Failure::invalid(format!("Field '{name}' is not recognized"))),
        None => Ok(fields.clone()),
    }
}

impl Entry {
    fn show(&self, expanded: bool) -> Value {
        let mut shown = Map::from_iter([
            ("id".to_owned(), json!(self.id.to_string())),
            ("eTag".to_owned(), json!(format!("\"{},1\"", self.id))),
            ("createdDateTime".to_owned(), json!(view::time(self.at))),
            ("lastModifiedDateTime".to_owned(), json!(view::time(self.at))),
        ]);
        if expanded {
            shown.insert("fields".to_owned(), Value::Object(self.fields.clone()));
        }
        Value::Object(shown)
    }
}

/// An id nobody can guess, for links and sessions.
pub(super) fn secret() -> String {
    random_hex(24)
}
