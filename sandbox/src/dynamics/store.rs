//! The organization's rows.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::{
    failure::Failure,
    row,
    schema::{Kind, Table, tables},
    seed,
};

/// A row by the names of its columns; a lookup holds the row it names.
pub(super) type Row = Map<String, Value>;

/// All tables and rows.
pub(super) struct Store {
    pub(super) tables: Vec<Table>,
    /// Rows of a table in the order they were made, each with its version.
    rows: BTreeMap<&'static str, Vec<(u64, Row)>>,
    /// The members of lists, by list.
    members: BTreeMap<String, Vec<String>>,
    next: u64,
    version: u64,
}

impl Store {
    /// The organization as it is at the start.
    pub(super) fn new() -> Self {
        let mut store =
            Self { tables: tables(), rows: BTreeMap::new(), members: BTreeMap::new(), next: 1, version: 1_000_000 };
        seed::fill(&mut store);
        store
    }

    pub(super) fn of_set(&self, set: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.set == set)
    }

    pub(super) fn table(&self, index: usize) -> Option<&Table> {
        self.tables.get(index)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    pub(super) fn rows(&self, table: &Table) -> impl Iterator<Item = &(u64, Row)> {
        self.rows.get(table.name).into_iter().flatten()
    }

    /// The row with this identifier, and its version.
    pub(super) fn row(&self, table: &Table, id: &str) -> Option<&(u64, Row)> {
        self.rows(table).find(|(_, row)| row.get(table.key).and_then(Value::as_str) == Some(id))
    }

    /// Makes a row of what a client sends; its identifier is returned.
    pub(super) fn create(
        &mut self,
        index: usize,
        body: &Row,
        id: Option<&str>,
        user: &str,
        now: DateTime<Utc>,
    ) -> Result<String, Failure> {
        let table = self.tables.get(index).ok_or_else(unknown)?;
        let values = row::read(self, table, body, None)?;
        let id = id.map_or_else(|| identifier(self.next), str::to_owned);
        let mut made = Row::new();
        made.insert(table.key.to_owned(), id.clone().into());
        for column in &table.columns {
            match column.kind {
                Kind::State(choices) => {
                    if let Some((first, _)) = choices.first() {
                        made.insert(column.name.to_owned(), (*first).into());
                    }
                }
                Kind::Flag => {
                    made.insert(column.name.to_owned(), false.into());
                }
                _ => {}
            }
        }
        if let Some(user) = self.named("systemuser").filter(|_| table.column("ownerid").is_some()).map(|_| user) {
            made.insert("ownerid".to_owned(), user.into());
        }
        let stamp = written(now);
        made.insert("createdon".to_owned(), stamp.clone().into());
        made.insert("modifiedon".to_owned(), stamp.into());
        made.extend(values);
        row::compute(table, &mut made, now)?;
        let name = table.name;
        self.next += 1;
        self.version += 1;
        self.rows.entry(name).or_default().push((self.version, made));
        Ok(id)
    }

    /// Changes a row.
    pub(super) fn update(&mut self, index: usize, id: &str, body: &Row, now: DateTime<Utc>) -> Result<(), Failure> {
        let table = self.tables.get(index).ok_or_else(unknown)?;
        let (_, before) = self.row(table, id).ok_or_else(|| Failure::missing(table.name, id))?;
        let mut changed = before.clone();
        let values = row::read(self, table, body, Some(before))?;
        changed.extend(values);
        changed.insert("modifiedon".to_owned(), written(now).into());
        row::compute(table, &mut changed, now)?;
        let (name, key) = (table.name, table.key);
        self.version += 1;
        let version = self.version;
        let same = |row: &Row| row.get(key).and_then(Value::as_str) == Some(id);
        if let Some(place) = self.rows.get_mut(name).and_then(|rows| rows.iter_mut().find(|(_, row)| same(row))) {
            *place = (version, changed);
        }
        Ok(())
    }

    /// Takes a row away.
    pub(super) fn delete(&mut self, index: usize, id: &str) -> Result<(), Failure> {
        let table = self.tables.get(index).ok_or_else(unknown)?;
        if self.row(table, id).is_none() {
            return Err(Failure::missing(table.name, id));
        }
        let (name, key) = (table.name, table.key);
        if let Some(rows) = self.rows.get_mut(name) {
            rows.retain(|(_, row)| row.get(key).and_then(Value::as_str) != Some(id));
        }
        self.members.remove(id);
        let lists: Vec<String> = self.members.keys().cloned().collect();
        for list in lists {
            self.take_off(&list, id);
        }
        Ok(())
    }

    /// The members of a list.
    pub(super) fn members(&self, list: &str) -> &[String] {
        self.members.get(list).map_or(&[], Vec::as_slice)
    }

    /// Puts a row on a list; nothing happens where it is on it.
    pub(super) fn put_on(&mut self, list: &str, member: &str) {
        let members = self.members.entry(list.to_owned()).or_default();
        if !members.iter().any(|known| known == member) {
            members.push(member.to_owned());
        }
        self.count(list);
    }

    /// Takes a row off a list. False when it is not on it.
    pub(super) fn take_off(&mut self, list: &str, member: &str) -> bool {
        let Some(members) = self.members.get_mut(list) else { return false };
        let before = members.len();
        members.retain(|known| known != member);
        let taken = members.len() < before;
        self.count(list);
        taken
    }

    fn count(&mut self, list: &str) {
        let count = self.members(list).len();
        let rows = self.rows.get_mut("list").into_iter().flatten();
        for (_, row) in rows.filter(|(_, row)| row.get("listid").and_then(Value::as_str) == Some(list)) {
            row.insert("membercount".to_owned(), count.into());
        }
    }
}

fn unknown() -> Failure {
    Failure::new(404, "0x80060888", "Resource not found for the segment")
}

/// The identifier of the row with this number.
pub(super) fn identifier(number: u64) -> String {
    format!("{number:08x}-51ca-ee11-9078-6045bd8c5a00")
}

/// A time as the interface writes it.
pub(super) fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
