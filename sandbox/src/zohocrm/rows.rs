//! Records: how they are shown, made and changed, and what is told of each.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{
    outcome::Failure,
    schema::{Module, SUBJECTS, named},
};
use crate::{
    core::person,
    crm::{self, Row, Tables},
};

/// The identifier of a user.
pub(super) fn user_id(number: u32) -> String {
    format!("55402300000023500{number}")
}

/// Each row's outcome; the status tells whether all, some or none were good.
pub(super) fn told(
    good: u16,
    outcomes: &[Result<(String, &str), Failure>],
    user: u32,
    now: DateTime<Utc>,
) -> (u16, Value) {
    let by = json!({"name": person(user).full(), "id": user_id(user)});
    let rows: Vec<Value> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok((id, "record deleted")) => {
                json!({"code": "SUCCESS", "details": {"id": id}, "message": "record deleted", "status": "success"})
            }
            Ok((id, message)) => {
                json!({"code": "SUCCESS", "message": message, "status": "success", "details": {"id": id,
                "Created_Time": stamp(now), "Modified_Time": stamp(now), "Created_By": by, "Modified_By": by}})
            }
            Err(failure) => failure.body(),
        })
        .collect();
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let status = match failed {
        0 => good,
        some if some < outcomes.len() => 207,
        _ => 202,
    };
    (status, json!({ "data": rows }))
}

/// A row as the provider shows it: links with the name of what they lead to.
pub(super) fn shown(tables: &Tables, module: &Module, row: &Row, fields: Option<&String>) -> Row {
    let mut shown = row.clone();
    for field in module.fields {
        let value = shown.entry(field.name).or_insert(Value::Null);
        let (Some(object), Some(id)) = (field.link, value.get("id").map(crm::text_of)) else { continue };
        let name = |row: &Row| {
            let names = ["full_name", "Full_Name", "Account_Name", "Campaign_Name", "Deal_Name"];
            names.iter().find_map(|name| row.get(*name).filter(|name| name.is_string()).cloned())
        };
        *value = json!({"name": tables.row(object, &id).and_then(name), "id": id});
    }
    if fields.is_none() {
        // What comes of its own accord with a record that is read whole.
        shown.insert("$editable".to_owned(), json!(true));
        shown.insert("$approval_state".to_owned(), json!("approved"));
        shown.insert("Tag".to_owned(), json!([]));
    }
    if let Some(fields) = fields {
        let wanted: Vec<&str> = fields.split(',').map(|name| name.split('.').next().unwrap_or_default()).collect();
        shown.retain(|name, _| name == "id" || wanted.contains(&name.as_str()));
    }
    shown
}

/// The member that tells in which module the record is that an activity is about.
const SUBJECT_MODULE: &str = "$se_module";

/// Whether the record that an activity is about is there; without its module nobody could tell.
fn about(tables: &Tables, row: &Row) -> Result<(), Failure> {
    let Some(subject) = row.get("What_Id").filter(|subject| !subject.is_null()) else { return Ok(()) };
    let module = row.get(SUBJECT_MODULE).and_then(Value::as_str);
    let Some(module) = module else {
        let lacks = Failure::new(400, "MANDATORY_NOT_FOUND", "required field not found");
        return Err(lacks.with(json!({"api_name": SUBJECT_MODULE})));
    };
    let known = SUBJECTS.iter().find(|known| **known == module);
    let id = subject.get("id").map(crm::text_of).unwrap_or_default();
    match known {
        Some(known) if tables.row(known, &id).is_some() => Ok(()),
        known => Err(Failure::field("What_Id", crm::Wrong::Link(known.unwrap_or(&"module")))),
    }
}

fn check(tables: &Tables, module: &Module, body: &Row, new: bool) -> Result<(), Failure> {
    let exists =
        |object: &str, value: &Value| value.get("id").is_some_and(|id| tables.row(object, &crm::text_of(id)).is_some());
    match crm::problems(module.fields, body, new, &exists).first() {
        Some((name, wrong)) => Err(Failure::field(name, *wrong)),
        None => Ok(()),
    }
}

/// Makes a record; answers with its identifier.
pub(super) fn make(
    tables: &mut Tables,
    module: &'static Module,
    mut row: Row,
    user: u32,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    about(tables, &row)?;
    let kept = row.remove(SUBJECT_MODULE);
    check(tables, module, &row, true)?;
    row.extend(kept.map(|module| (SUBJECT_MODULE.to_owned(), module)));
    if let Some(parent) = row.get("Parent_Id") {
        let at = |name: &str| parent.pointer(name).map(crm::text_of).unwrap_or_default();
        let lacks =
            || Failure::new(400, "MANDATORY_NOT_FOUND", "required field not found").with(json!({"api_name": "module"}));
        let object = named(&at("/module/api_name")).ok_or_else(lacks)?;
        if tables.row(object.name, &at("/id")).is_none() {
            return Err(Failure::field("Parent_Id", crm::Wrong::Link(object.name)));
        }
    }
    let last =
        tables.rows(module.name).last().and_then(|row| crm::text_of(row.get("id")?).get(15..)?.parse::<u64>().ok());
    let id = format!("55402300000{:04}{:03}", module.number * 100, last.map_or(1, |last| last + 1));
    row.insert("id".to_owned(), json!(id));
    let by = json!({"name": person(user).full(), "id": user_id(user), "email": person(user).email});
    for name in ["Created_By", "Modified_By"] {
        row.insert(name.to_owned(), by.clone());
    }
    for name in ["Created_Time", "Modified_Time"] {
        row.insert(name.to_owned(), json!(stamp(now)));
    }
    row.entry("Owner").or_insert_with(|| json!({"id": user_id(user)}));
    complete(module, &mut row);
    tables.add(module.name, row);
    Ok(id)
}

/// Changes a record; answers with its identifier.
pub(super) fn change(
    tables: &mut Tables,
    module: &'static Module,
    id: &str,
    body: Row,
    user: u32,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let mut row = tables.row(module.name, id).cloned().ok_or_else(Failure::unknown_id)?;
    let before = shown(tables, module, &row, None);
    // What was read may be sent back.
    let body: Row = body.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect();
    let told: Row = row.iter().chain(&body).map(|(name, value)| (name.clone(), value.clone())).collect();
    if body.contains_key("What_Id") {
        about(tables, &told)?;
    }
    let mut body = body;
    let kept = body.remove(SUBJECT_MODULE);
    check(tables, module, &body, false)?;
    row.extend(kept.map(|module| (SUBJECT_MODULE.to_owned(), module)));
    row.extend(body);
    row.insert("Modified_Time".to_owned(), json!(stamp(now)));
    row.insert("Modified_By".to_owned(), json!({"name": person(user).full(), "id": user_id(user)}));
    complete(module, &mut row);
    if let Some(kept) = tables.row_mut(module.name, id) {
        *kept = row;
    }
    Ok(id.to_owned())
}

fn complete(module: &Module, row: &mut Row) {
    if matches!(module.name, "Contacts" | "Leads") {
        let name = |part: &str| row.get(part).map(crm::text_of).unwrap_or_default();
        let full = format!("{} {}", name("First_Name"), name("Last_Name"));
        row.insert("Full_Name".to_owned(), json!(full.trim()));
    }
}

/// A time as the provider writes it.
fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}
