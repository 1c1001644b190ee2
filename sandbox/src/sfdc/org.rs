//! One organization: its objects, its records, and the operations on them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    API, describe,
    failure::Failure,
    id, record,
    schema::{Object, Schema},
    seed, service, soql,
    store::Tables,
    time,
};
use crate::core::{Core, hold};

/// The organization's identifier.
pub(super) const ORGANIZATION: &str = "00D5e000001TaXEEA0";
/// Calls allowed per day.
pub(super) const DAILY_CALLS: u64 = 15_000;
/// Rows of a page of a query's answer: the most, and the least a client can ask for.
const PAGE: (usize, usize) = (2000, 200);

/// One organization.
pub(super) struct Org {
    pub(super) core: Arc<Core>,
    pub(super) schema: Schema,
    data: Mutex<Data>,
    calls: AtomicU64,
}

#[derive(Default)]
struct Data {
    tables: Tables,
    /// The rest of answers that did not fit into a page, by locator.
    locators: HashMap<String, Arc<Vec<Value>>>,
}

/// Who calls, and when.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) user: String,
    pub(super) now: DateTime<Utc>,
}

impl Org {
    pub(super) fn new(core: Arc<Core>) -> Self {
        let org = Self { core, schema: Schema::new(), data: Mutex::default(), calls: AtomicU64::new(0) };
        org.reset();
        org
    }

    /// Puts the records of the start back.
    pub(super) fn reset(&self) {
        let tables = seed::tables(&self.schema);
        *hold(&self.data) = Data { tables, locators: HashMap::new() };
        self.calls.store(0, Ordering::Relaxed);
    }

    /// Counts a call; answers with how many there have been.
    pub(super) fn count(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The object with this name.
    pub(super) fn object(&self, name: &str) -> Result<&Object, Failure> {
        self.schema.object(name).ok_or_else(Failure::missing)
    }

    /// What `GET /sobjects/T` answers.
    pub(super) fn root(&self, object: &Object) -> Value {
        let data = hold(&self.data);
        let mut recent: Vec<_> =
            data.tables.records(object.name).filter(|record| !record::is_deleted(record)).collect();
        recent.sort_by_key(|record| record.get("LastModifiedDate").and_then(Value::as_str).map(str::to_owned));
        let names = object.fields.iter().find(|field| field.names).map_or("Id", |field| field.name);
        let recent: Vec<Value> = recent
            .into_iter()
            .rev()
            .take(5)
            .map(|record| {
                json!({
                    "attributes": record::attributes(object.name, record),
                    "Id": record.get("Id"),
                    names: record.get(names),
                })
            })
            .collect();
        json!({"objectDescribe": describe::brief(object), "recentItems": recent})
    }

    /// A record, whole or some fields of it.
    pub(super) fn read(&self, object: &Object, id: &str, fields: Option<&str>) -> Result<Value, Failure> {
        let data = hold(&self.data);
        let (id, record) = existing(&data.tables, object, id)?;
        let Some(fields) = fields else { return Ok(record::whole(object.name, object.fields.iter(), record)) };
        let mut wanted = Vec::new();
        for name in fields.split(',').map(str::trim) {
            let field = object.field(name).ok_or_else(|| {
                let message = format!("No such column '{name}' on sobject of type {}", object.name);
                Failure::bad("INVALID_FIELD", message)
            })?;
            wanted.push(field);
        }
        let mut answer = record::whole(object.name, wanted.into_iter(), record);
        if let Some(members) = answer.as_object_mut() {
            members.insert("Id".to_owned(), id.into());
        }
        Ok(answer)
    }

    /// Creates a record; answers with its identifier.
    pub(super) fn create(
        &self,
        object: &Object,
        body: &Map<String, Value>,
        caller: &Caller,
    ) -> Result<String, Failure> {
        let mut data = hold(&self.data);
        let values = record::check(object, body, None, &self.schema, &data.tables)?;
        record::create(object, values, &caller.user, &mut data.tables, caller.now)
    }

    /// Changes a record.
    pub(super) fn update(
        &self,
        object: &Object,
        id: &str,
        body: &Map<String, Value>,
        caller: &Caller,
    ) -> Result<(), Failure> {
        let mut data = hold(&self.data);
        let (id, record) = existing(&data.tables, object, id)?;
        service::draft(object.name, record)?;
        let values = record::check(object, body, Some(&id), &self.schema, &data.tables)?;
        let changed = record::update(object, record, values, &caller.user, caller.now)?;
        if let Some(record) = data.tables.any_mut(object.name, &id) {
            *record = changed;
        }
        Ok(())
    }

    /// Changes a record in a way that is not open to clients.
    pub(super) fn change(
        &self,
        object: &Object,
        id: &str,
        change: impl FnOnce(&mut record::Record) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut data = hold(&self.data);
        let (id, _) = existing(&data.tables, object, id)?;
        data.tables.any_mut(object.name, &id).map_or(Ok(()), change)
    }

    /// Deletes a record.
    pub(super) fn delete(&self, object: &Object, id: &str, caller: &Caller) -> Result<(), Failure> {
        let mut data = hold(&self.data);
        let (id, record) = existing(&data.tables, object, id)?;
        service::draft(object.name, record)?;
        if let Some(record) = data.tables.any_mut(object.name, &id) {
            record::remove(record, &caller.user, caller.now);
        }
        Ok(())
    }

    /// The identifier of the record with this value of an external key.
    pub(super) fn by_key(&self, object: &Object, field: &str, value: &str) -> Result<Option<String>, Failure> {
        let unusable = || {
            Failure::new(
                404,
                "NOT_FOUND",
                format!("Provided external ID field does not exist or is not accessible: {field}"),
            )
        };
        let field = object.field(field).filter(|field| field.external && field.is_custom()).ok_or_else(unusable)?;
        let data = hold(&self.data);
        let found = data.tables.records(object.name).find(|record| {
            !record::is_deleted(record)
                && record.get(field.name).and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(value))
        });
        Ok(found.and_then(|record| record.get("Id")).and_then(Value::as_str).map(str::to_owned))
    }

    /// Runs a query; the answer holds the first page.
    pub(super) fn query(&self, text: &str, deleted: bool, page: usize, caller: &Caller) -> Result<Value, Failure> {
        let query = soql::parse(text)?;
        let plan = soql::check(&query, &self.schema, caller.now)?;
        let mut data = hold(&self.data);
        let rows = match soql::run(&plan, &data.tables, deleted) {
            soql::Rows::Count(count) => return Ok(json!({"totalSize": count, "done": true, "records": []})),
            soql::Rows::Records(rows) => rows,
        };
        let total = rows.len();
        if total <= page {
            return Ok(json!({"totalSize": total, "done": true, "records": rows}));
        }
        let locator = id::new("01g", u64::try_from(data.locators.len()).unwrap_or_default());
        let rows = Arc::new(rows);
        data.locators.insert(locator.clone(), Arc::clone(&rows));
        Ok(slice(&locator, &rows, 0, page))
    }

    /// A further page of a query's answer.
    pub(super) fn more(&self, locator: &str, page: usize) -> Result<Value, Failure> {
        let invalid = || Failure::bad("INVALID_QUERY_LOCATOR", "invalid query locator");
        let (locator, from) = locator.rsplit_once('-').ok_or_else(invalid)?;
        let from: usize = from.parse().map_err(|_| invalid())?;
        let locator = id::normal(locator).ok_or_else(invalid)?;
        let rows = hold(&self.data).locators.get(&locator).cloned().ok_or_else(invalid)?;
        if from >= rows.len() {
            return Err(invalid());
        }
        Ok(slice(&locator, &rows, from, page))
    }

    /// The records changed, or deleted, from one minute to before another.
    pub(super) fn changed(
        &self,
        object: &Object,
        deleted: bool,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Result<Value, Failure> {
        let minute = |moment: DateTime<Utc>| moment.timestamp().div_euclid(60);
        if minute(end) <= minute(start) {
            let message = "endDate must be at least one minute greater than startDate";
            return Err(Failure::bad("INVALID_REPLICATION_DATE", message));
        }
        let data = hold(&self.data);
        let stamp =
            |record: &record::Record| record.get("SystemModstamp").and_then(Value::as_str).and_then(time::moment);
        let found = data
            .tables
            .records(object.name)
            .filter(|record| record::is_deleted(record) == deleted)
            .filter(|record| stamp(record).is_some_and(|at| (minute(start)..minute(end)).contains(&minute(at))));
        let covered = time::written(end);
        if deleted {
            let found: Vec<Value> = found
                .map(|record| json!({"id": record.get("Id"), "deletedDate": record.get("SystemModstamp")}))
                .collect();
            let earliest = "2024-01-01T00:00:00.000+0000";
            return Ok(
                json!({"deletedRecords": found, "earliestDateAvailable": earliest, "latestDateCovered": covered}),
            );
        }
        let found: Vec<&Value> = found.filter_map(|record| record.get("Id")).collect();
        Ok(json!({"ids": found, "latestDateCovered": covered}))
    }

    /// The user with this number.
    pub(super) fn user(&self, number: u32) -> Map<String, Value> {
        let data = hold(&self.data);
        data.tables.any("User", &user_id(number)).cloned().unwrap_or_default()
    }
}

/// The identifier of the user with this number.
pub(super) fn user_id(number: u32) -> String {
    id::new("005", number.into())
}

/// The page size that a `Sforce-Query-Options` header asks for.
pub(super) fn page_size(options: Option<&str>) -> usize {
    let (most, least) = PAGE;
    options
        .into_iter()
        .flat_map(|options| options.split([',', ';']))
        .filter_map(|option| option.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("batchSize"))
        .and_then(|(_, size)| size.trim().parse().ok())
        .map_or(most, |size: usize| size.clamp(least, most))
}

fn slice(locator: &str, rows: &[Value], from: usize, page: usize) -> Value {
    let to = (from + page).min(rows.len());
    let part = rows.get(from..to).unwrap_or_default();
    let mut answer = json!({"totalSize": rows.len(), "done": to == rows.len(), "records": part});
    if let Some(members) = answer.as_object_mut().filter(|_| to < rows.len()) {
        members.insert("nextRecordsUrl".to_owned(), json!(format!("{API}/query/{locator}-{to}")));
    }
    answer
}

/// The record with this identifier in either length.
fn existing<'t>(tables: &'t Tables, object: &Object, text: &str) -> Result<(String, &'t record::Record), Failure> {
    let unknown = || {
        let message = format!("Provided external ID field does not exist or is not accessible: {text}");
        Failure::new(404, "NOT_FOUND", message)
    };
    let id = match id::normal(text) {
        Some(id) => id,
        None if text.len() == 18 && text.starts_with(object.prefix) => {
            return Err(Failure::bad("MALFORMED_ID", format!("malformed id {text}")));
        }
        None => return Err(unknown()),
    };
    let record = tables.any(object.name, &id).ok_or_else(Failure::missing)?;
    if record::is_deleted(record) {
        return Err(Failure::new(404, "ENTITY_IS_DELETED", "entity is deleted"));
    }
    Ok((id, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes_keep_within_limits() {
        assert_eq!(page_size(None), 2000);
        assert_eq!(page_size(Some("batchSize=1")), 200);
        assert_eq!(page_size(Some("batchSize=500")), 500);
        assert_eq!(page_size(Some("batchSize=9000")), 2000);
        assert_eq!(page_size(Some("nonsense")), 2000);
    }

    #[test]
    fn the_organization_identifier_is_well_formed() {
        assert_eq!(id::normal(ORGANIZATION).as_deref(), Some(ORGANIZATION));
    }
}
