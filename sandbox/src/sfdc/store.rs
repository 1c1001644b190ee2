//! The organization's records.

use std::collections::BTreeMap;

use super::{
    id,
    record::{self, Record},
    schema::Object,
};

/// All records, by object and identifier. Identifiers ascend in the order of creation.
#[derive(Debug, Default)]
pub(super) struct Tables {
    records: BTreeMap<&'static str, BTreeMap<String, Record>>,
    /// Which object an identifier's first characters tell.
    prefixes: BTreeMap<&'static str, &'static str>,
    numbers: BTreeMap<&'static str, u64>,
}

impl Tables {
    /// Every record of an object, deleted ones included.
    pub(super) fn records(&self, object: &str) -> impl Iterator<Item = &Record> {
        self.records.get(object).into_iter().flat_map(BTreeMap::values)
    }

    /// A record that is not deleted, and its object.
    pub(super) fn find(&self, id: &str) -> Option<(&'static str, &Record)> {
        let (_, object) = self.prefixes.get_key_value(id.get(..3)?)?;
        let record = self.records.get(object)?.get(id).filter(|record| !record::is_deleted(record))?;
        Some((object, record))
    }

    /// A record that is not deleted.
    pub(super) fn get(&self, id: &str) -> Option<&Record> {
        self.find(id).map(|(_, record)| record)
    }

    /// A record of an object, deleted or not.
    pub(super) fn any(&self, object: &str, id: &str) -> Option<&Record> {
        self.records.get(object)?.get(id)
    }

    /// The same, to be changed.
    pub(super) fn any_mut(&mut self, object: &str, id: &str) -> Option<&mut Record> {
        self.records.get_mut(object)?.get_mut(id)
    }

    /// Gives a record an identifier and keeps it.
    pub(super) fn insert(&mut self, object: &Object, mut record: Record) -> String {
        let number = self.numbers.entry(object.name).or_default();
        *number += 1;
        let id = id::new(object.prefix, *number);
        record.insert("Id".to_owned(), id.clone().into());
        self.prefixes.insert(object.prefix, object.name);
        self.records.entry(object.name).or_default().insert(id.clone(), record);
        id
    }
}
