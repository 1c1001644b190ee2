//! The account's records.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    failure::Failure,
    lists::Lists,
    object::{OBJECTS, Object, PORTAL, link_name, primary_kind},
    pipeline::{self, Pipelines},
    property::{Property, properties, written},
    seed::{self, OWNERS},
};

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) properties: BTreeMap<String, String>,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    pub(super) archived: Option<DateTime<Utc>>,
}

/// All records and properties of an account.
pub(super) struct Store {
    records: HashMap<&'static str, BTreeMap<u64, Record>>,
    properties: HashMap<&'static str, Vec<Property>>,
    /// Associations, in both directions: type and identifier of either side.
    links: BTreeSet<(&'static str, u64, &'static str, u64)>,
    /// The company that a record mainly belongs to, by the record's type and identifier.
    primary: BTreeMap<(&'static str, u64), u64>,
    pub(super) pipelines: Pipelines,
    pub(super) lists: Lists,
    next: u64,
}

/// An association that a new record is to have: the other object and the record.
pub(super) type Link = (&'static Object, u64);

impl Store {
    /// The account as it is at the start.
    pub(super) fn new() -> Self {
        let mut store = Self {
            records: OBJECTS.iter().map(|object| (object.id, BTreeMap::new())).collect(),
            properties: OBJECTS.iter().map(|object| (object.id, properties(object.id))).collect(),
            links: BTreeSet::new(),
            primary: BTreeMap::new(),
            pipelines: pipeline::start(DateTime::<Utc>::from_timestamp(1_704_067_200, 0).unwrap_or_default()),
            lists: Lists::new(),
            next: 30_101,
        };
        seed::fill(&mut store);
        store
    }

    pub(super) fn properties(&self, object: &Object) -> &[Property] {
        self.properties.get(object.id).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn property(&self, object: &Object, name: &str) -> Option<&Property> {
        self.properties(object).iter().find(|property| property.name == name)
    }

    pub(super) fn add_property(&mut self, object: &Object, property: Property) {
        self.properties.entry(object.id).or_default().push(property);
    }

    pub(super) fn drop_property(&mut self, object: &Object, name: &str) {
        if let Some(properties) = self.properties.get_mut(object.id) {
            properties.retain(|property| property.name != name);
        }
    }

    /// The records of a type in the order of creation.
    pub(super) fn records(&self, object: &Object, archived: bool) -> impl Iterator<Item = &Record> {
        let records = self.records.get(object.id).into_iter().flat_map(BTreeMap::values);
        records.filter(move |record| record.archived.is_some() == archived)
    }

    /// A record by its identifier.
    pub(super) fn get(&self, object: &Object, id: &str, archived: bool) -> Result<&Record, Failure> {
        let record = id.parse().ok().and_then(|id: u64| self.records.get(object.id)?.get(&id));
        record.filter(|record| record.archived.is_some() == archived).ok_or_else(Failure::missing)
    }

    /// A record by the value of a property whose values are unique.
    pub(super) fn by_value(&self, object: &Object, property: &str, value: &str) -> Option<&Record> {
        self.records(object, false)
            .find(|record| record.properties.get(property).is_some_and(|known| known.eq_ignore_ascii_case(value)))
    }

    /// Checks values that a client sends; every one that is not taken is told.
    fn accept(&self, object: &Object, values: &Map<String, Value>) -> Result<BTreeMap<String, String>, Failure> {
        let mut taken = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, value) in values {
            let Value::String(value) = value else {
                let problem = format!(
                    "Cannot deserialize value of type `java.lang.String` from {} token (property \"{name}\")",
                    token(value)
                );
                return Err(Failure::unreadable(&problem));
            };
            let checked = match self.property(object, name) {
                None => Err(("PROPERTY_DOESNT_EXIST", format!("Property \"{name}\" does not exist"))),
                Some(_)
                    if name == "hubspot_owner_id"
                        && !value.is_empty()
                        && !OWNERS.iter().any(|owner| owner.id == value) =>
                {
                    Err(("INVALID_OWNER_ID", format!("Owner with id {value} does not exist")))
                }
                Some(property) => property.accept(value),
            };
            match checked {
                Ok(value) => {
                    taken.insert(name.clone(), value);
                }
                Err((code, message)) => problems.push((name.as_str(), code, message)),
            }
        }
        if problems.is_empty() { Ok(taken) } else { Err(unfit(&problems)) }
    }

    /// Refuses a contact whose e-mail address another contact has.
    fn unique(&self, object: &Object, values: &BTreeMap<String, String>, own: Option<u64>) -> Result<(), Failure> {
        let email = values.get("email").filter(|email| object.name == "contacts" && !email.is_empty());
        let other = email.and_then(|email| self.by_value(object, "email", email)).filter(|other| Some(other.id) != own);
        match other {
            None => Ok(()),
            Some(other) => {
                let message = format!("Contact already exists. Existing ID: {}", other.id);
                Err(Failure::new(409, "CONFLICT", message))
            }
        }
    }

    /// Creates a record.
    pub(super) fn create(
        &mut self,
        object: &'static Object,
        values: &Map<String, Value>,
        links: &[Link],
        now: DateTime<Utc>,
    ) -> Result<&Record, Failure> {
        let mut values = self.accept(object, values)?;
        let absent = |name: &&&str| values.get(**name).is_none_or(String::is_empty);
        let missing: Vec<&str> = object.required.iter().filter(absent).copied().collect();
        if !missing.is_empty() {
            return Err(Failure::required(object.spoken, &missing));
        }
        if object.name == "leads" && !links.iter().any(|(other, _)| matches!(other.name, "contacts" | "companies")) {
            let message = "A lead must be associated with a contact or a company when it is created.";
            return Err(Failure::invalid(message));
        }
        for (other, id) in links {
            if self.get(other, &id.to_string(), false).is_err() {
                let message = format!("Cannot associate to {} {id}: no such object", other.spoken);
                return Err(Failure::invalid(message));
            }
        }
        self.unique(object, &values, None)?;
        for (name, preset) in presets(object) {
            if values.get(*name).is_none_or(String::is_empty) {
                values.insert((*name).to_owned(), (*preset).to_owned());
            }
        }
        let id = self.next;
        self.next += 17;
        values.insert("hs_object_id".to_owned(), id.to_string());
        values.insert(object.created.to_owned(), written(now));
        let mut record = Record { id, properties: values, created: now, updated: now, archived: None };
        compute(object, &mut record, now);
        self.records.entry(object.id).or_default().insert(id, record);
        for (other, other_id) in links {
            self.link(object, id, other, *other_id, None, now);
        }
        self.get(object, &id.to_string(), false)
    }

    /// Associates two records. The first company of a record is its primary one; `primary` makes this one it.
    pub(super) fn link(
        &mut self,
        from: &'static Object,
        id: u64,
        to: &'static Object,
        other: u64,
        primary: Option<bool>,
        now: DateTime<Utc>,
    ) {
        self.links.insert((from.id, id, to.id, other));
        self.links.insert((to.id, other, from.id, id));
        for (one, id, two, other) in [(from, id, to, other), (to, other, from, id)] {
            if primary_kind(one, two).is_none() {
                continue;
            }
            if primary == Some(true) || !self.primary.contains_key(&(one.id, id)) {
                self.primary.insert((one.id, id), other);
                self.tell_primary(one, id, &other.to_string(), now);
            }
        }
    }

    /// Takes every association of two records away.
    pub(super) fn unlink(
        &mut self,
        from: &'static Object,
        id: u64,
        to: &'static Object,
        other: u64,
        now: DateTime<Utc>,
    ) {
        self.links.remove(&(from.id, id, to.id, other));
        self.links.remove(&(to.id, other, from.id, id));
        for (one, id, two, other) in [(from, id, to, other), (to, other, from, id)] {
            if primary_kind(one, two).is_some() && self.primary.get(&(one.id, id)) == Some(&other) {
                self.primary.remove(&(one.id, id));
                self.tell_primary(one, id, "", now);
            }
        }
    }

    /// Keeps the property that tells the primary company.
    fn tell_primary(&mut self, object: &Object, id: u64, company: &str, now: DateTime<Utc>) {
        let name = match object.name {
            "contacts" => "associatedcompanyid",
            // Their primary record is a contact.
            "leads" => return,
            _ => "hs_primary_associated_company",
        };
        if let Some(record) = self.records.get_mut(object.id).and_then(|records| records.get_mut(&id)) {
            record.properties.insert(name.to_owned(), company.to_owned());
            compute(object, record, now);
        }
    }

    /// The records of another type that a record is associated with.
    pub(super) fn linked(&self, from: &Object, id: u64, to: &Object) -> Vec<u64> {
        self.links.range((from.id, id, to.id, 0)..=(from.id, id, to.id, u64::MAX)).map(|(.., id)| *id).collect()
    }

    /// The company that a record mainly belongs to.
    pub(super) fn primary(&self, from: &Object, id: u64, to: &Object) -> Option<u64> {
        primary_kind(from, to)?;
        self.primary.get(&(from.id, id)).copied()
    }

    /// Changes a record; an empty value clears a property.
    pub(super) fn update(
        &mut self,
        object: &Object,
        id: u64,
        values: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<&Record, Failure> {
        let values = self.accept(object, values)?;
        self.unique(object, &values, Some(id))?;
        let record =
            self.records.get_mut(object.id).and_then(|records| records.get_mut(&id)).ok_or_else(Failure::missing)?;
        record.properties.extend(values);
        compute(object, record, now);
        Ok(record)
    }

    /// Archives a record; it does not matter whether there is one.
    pub(super) fn archive(&mut self, object: &Object, id: &str, now: DateTime<Utc>) {
        let id = id.parse().unwrap_or_default();
        if let Some(record) = self.records.get_mut(object.id).and_then(|records| records.get_mut(&id)) {
            record.archived.get_or_insert(now);
        }
    }

    /// A record in answers.
    ///
    /// `wanted` are the properties asked for; without any the type's own defaults are given. What is not known is
    /// left out, what has no value is null; identifier and stamps always come along.
    pub(super) fn shown(&self, object: &Object, record: &Record, wanted: &[String], linked: &[&Object]) -> Value {
        let system = ["hs_object_id", object.created, object.modified];
        let defaults: Vec<&str> = object.defaults.to_vec();
        let names: Vec<&str> = if wanted.is_empty() { defaults } else { wanted.iter().map(String::as_str).collect() };
        let known = |name: &&str| self.property(object, name).is_some();
        let names: BTreeSet<&str> = system.into_iter().chain(names).filter(known).collect();
        let value = |name: &str| record.properties.get(name).filter(|value| !value.is_empty());
        let shown: Map<String, Value> = names.into_iter().map(|name| (name.to_owned(), json!(value(name)))).collect();
        let mut answer = envelope(record, &shown);
        if let Some(members) = answer.as_object_mut().filter(|_| !linked.is_empty()) {
            let groups: Map<String, Value> = linked
                .iter()
                .filter_map(|other| {
                    let name = link_name(object, other);
                    let plain = match primary_kind(object, other) {
                        Some(_) => format!("{name}_unlabeled"),
                        None => name.clone(),
                    };
                    let shown = |id: u64, kind: &str| json!({"id": id.to_string(), "type": kind});
                    let primary = self.primary(object, record.id, other).map(|id| shown(id, &name));
                    let all = self.linked(object, record.id, other).into_iter().map(|id| shown(id, &plain));
                    let results: Vec<Value> = primary.into_iter().chain(all).collect();
                    (!results.is_empty()).then(|| (other.name.to_owned(), json!({ "results": results })))
                })
                .collect();
            if !groups.is_empty() {
                members.insert("associations".to_owned(), Value::Object(groups));
            }
        }
        answer
    }

    /// A record in the answer to a create call (everything it has) or a change (what was changed).
    pub(super) fn written(object: &Object, record: &Record, changed: Option<&Map<String, Value>>) -> Value {
        let system = ["hs_object_id", object.created, object.modified];
        let wanted = |name: &str| changed.is_none_or(|changed| system.contains(&name) || changed.contains_key(name));
        let shown = record.properties.iter().filter(|(name, _)| wanted(name));
        let shown = shown.filter(|(_, value)| changed.is_some() || !value.is_empty());
        envelope(record, &shown.map(|(name, value)| (name.clone(), json!(value))).collect())
    }
}

fn envelope(record: &Record, properties: &Map<String, Value>) -> Value {
    let mut answer = json!({
        "id": record.id.to_string(),
        "properties": properties,
        "createdAt": written(record.created),
        "updatedAt": written(record.updated),
        "archived": record.archived.is_some(),
    });
    if let (Some(members), Some(archived)) = (answer.as_object_mut(), record.archived) {
        members.insert("archivedAt".to_owned(), written(archived).into());
    }
    answer
}

/// The refusal that lists every value not taken.
fn unfit(problems: &[(&str, &'static str, String)]) -> Failure {
    let list: Vec<Value> = problems
        .iter()
        .map(|(name, code, message)| {
            json!({
                "isValid": false,
                "message": message,
                "error": code,
                "name": name,
                "localizedErrorMessage": message,
                "portalId": PORTAL,
            })
        })
        .collect();
    let errors: Vec<Value> = problems
        .iter()
        .map(|(name, code, message)| json!({"message": message, "code": code, "context": {"propertyName": [name]}}))
        .collect();
    Failure::invalid(format!("Property values were not valid: {}", Value::Array(list))).with("errors", json!(errors))
}

/// The JSON parser's name for a value.
pub(super) fn token(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null value",
        Value::Bool(_) => "Boolean value",
        Value::Number(_) => "Number value",
        Value::String(_) => "String value",
        Value::Array(_) => "Array value",
        Value::Object(_) => "Object value",
    }
}

/// What a new record has unless the client says otherwise.
fn presets(object: &Object) -> &'static [(&'static str, &'static str)] {
    match object.name {
        "contacts" | "companies" => &[("lifecyclestage", "lead")],
        "deals" => &[("pipeline", "default")],
        "tickets" => &[("hs_pipeline", "0")],
        "leads" => &[("hs_pipeline", "lead-pipeline-id"), ("hs_pipeline_stage", "new-stage-id")],
        "tasks" => &[("hs_task_status", "NOT_STARTED"), ("hs_task_priority", "NONE"), ("hs_task_type", "TODO")],
        _ => &[],
    }
}

/// Fills in what the provider computes.
fn compute(object: &Object, record: &mut Record, now: DateTime<Utc>) {
    record.updated = now;
    let get = |name: &str| record.properties.get(name).cloned().unwrap_or_default();
    let mut made: Vec<(&str, String)> = vec![(object.modified, written(now))];
    match object.name {
        "contacts" => {
            let email = get("email");
            let full = format!("{} {}", get("firstname"), get("lastname"));
            let full = full.trim().to_owned();
            made.push((
                "hs_email_domain",
                email.split_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default(),
            ));
            made.push(("hs_full_name_or_email", if full.is_empty() { email } else { full }));
        }
        "deals" => {
            let stage = get("dealstage");
            let probability = match stage.as_str() {
                "appointmentscheduled" => "0.2",
                "qualifiedtobuy" => "0.4",
                "presentationscheduled" => "0.6",
                "decisionmakerboughtin" => "0.8",
                "contractsent" => "0.9",
                "closedwon" => "1",
                _ => "0",
            };
            made.push(("hs_deal_stage_probability", probability.to_owned()));
            made.push(("hs_is_closed", stage.starts_with("closed").to_string()));
            made.push(("hs_is_closed_won", (stage == "closedwon").to_string()));
        }
        "emails" => {
            // Addresses are sent as one JSON text, and answered one by one.
            let headers: Value = serde_json::from_str(&get("hs_email_headers")).unwrap_or_default();
            let address = |entry: &Value| entry.get("email").and_then(Value::as_str).unwrap_or_default().to_owned();
            let addresses = |name: &str| {
                let list = headers.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                list.iter().map(address).collect::<Vec<_>>().join(";")
            };
            made.push(("hs_email_from_email", headers.get("from").map(address).unwrap_or_default()));
            made.push(("hs_email_to_email", addresses("to")));
            made.push(("hs_email_cc_email", addresses("cc")));
        }
        "tasks" if get("hs_task_status") == "COMPLETED" && get("hs_task_completion_date").is_empty() => {
            made.push(("hs_task_completion_date", written(now)));
        }
        _ => {}
    }
    record.properties.extend(made.into_iter().map(|(name, value)| (name.to_owned(), value)));
}
