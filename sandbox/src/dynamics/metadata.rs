//! What the organization tells of its tables: `EntityDefinitions`.

use serde_json::{Value, json};

use super::{
    failure::Failure,
    schema::{Column, Kind, Table},
    store::Store,
};
use crate::http::Form;

/// The definitions of all tables, or of the one whose set the filter names; with their columns where they are asked for.
pub(super) fn definitions(store: &Store, origin: &str, query: &Form) -> Result<Value, Failure> {
    if let Some(name) = query.keys().find(|name| !matches!(name.as_str(), "$select" | "$filter" | "$expand")) {
        return Err(Failure::query(format!("The query parameter {name} is not supported")));
    }
    let wanted = match query.get("$filter") {
        None => None,
        Some(text) => {
            let set = text.strip_prefix("EntitySetName eq '").and_then(|rest| rest.strip_suffix('\''));
            Some(set.ok_or_else(|| Failure::query("Syntax error in $filter"))?)
        }
    };
    let columns = match query.get("$expand").map(String::as_str) {
        None => false,
        Some("Attributes") => true,
        Some(_) => return Err(Failure::query("Only Attributes can be expanded here")),
    };
    let tables = store.tables.iter().filter(|table| wanted.is_none_or(|wanted| table.set == wanted));
    let shown = |table: &Table| {
        let mut shown = definition(table);
        if let Some(members) = shown.as_object_mut().filter(|_| columns) {
            members.insert("Attributes".to_owned(), table.columns.iter().map(attribute).collect());
        }
        shown
    };
    let value: Vec<Value> = tables.map(shown).collect();
    Ok(json!({"@odata.context": format!("{origin}/api/data/v9.2/$metadata#EntityDefinitions"), "value": value}))
}

/// One table's definition.
pub(super) fn definition(table: &Table) -> Value {
    json!({
        "LogicalName": table.name, "EntitySetName": table.set, "LogicalCollectionName": table.set,
        "PrimaryIdAttribute": table.key, "PrimaryNameAttribute": table.naming, "IsCustomEntity": custom(table.name),
        "DisplayName": label(table.label), "MetadataId": identifier(table.name),
    })
}

/// The columns of a table; with a type's name only those of the type, with their choices.
pub(super) fn attributes(table: &Table, of: Option<&str>) -> Result<Value, Failure> {
    let columns = table.columns.iter();
    let value: Vec<Value> = match of {
        None => columns.map(attribute).collect(),
        Some("Microsoft.Dynamics.CRM.PicklistAttributeMetadata") => columns
            .filter(|column| matches!(column.kind, Kind::Choice(_)))
            .map(|column| {
                let mut shown = attribute(column);
                if let (Some(members), Kind::Choice(choices)) = (shown.as_object_mut(), column.kind) {
                    let options: Vec<Value> =
                        choices.iter().map(|(value, name)| json!({"Value": value, "Label": label(name)})).collect();
                    members.insert("OptionSet".to_owned(), json!({ "Options": options }));
                }
                shown
            })
            .collect(),
        Some(other) => return Err(Failure::query(format!("Resource not found for the segment '{other}'."))),
    };
    Ok(json!({ "value": value }))
}

fn attribute(column: &Column) -> Value {
    let (kind, format) = match column.kind {
        Kind::Key => ("Uniqueidentifier", None),
        Kind::Text(_) => ("String", None),
        Kind::Memo => ("Memo", None),
        Kind::Int => ("Integer", None),
        Kind::Number => ("Decimal", None),
        Kind::Money => ("Money", None),
        Kind::Flag => ("Boolean", None),
        Kind::Date => ("DateTime", Some("DateOnly")),
        Kind::Time => ("DateTime", Some("DateAndTime")),
        Kind::Choice(_) => ("Picklist", None),
        Kind::State(_) if column.name == "statecode" => ("State", None),
        Kind::State(_) => ("Status", None),
        Kind::Lookup(_) if column.name == "ownerid" => ("Owner", None),
        Kind::Lookup(_) if matches!(column.name, "parentcustomerid" | "customerid") => ("Customer", None),
        Kind::Lookup(_) => ("Lookup", None),
    };
    let mut shown = json!({
        "LogicalName": column.name, "SchemaName": column.name, "AttributeType": kind, "DisplayName": label(column.label),
        "Description": label(""), "IsCustomAttribute": custom(column.name), "IsValidForCreate": column.writable,
        "IsValidForUpdate": column.writable && column.kind != Kind::Key, "IsValidForRead": true, "AttributeOf": null,
        "RequiredLevel": {"Value": "None"}, "MetadataId": identifier(column.name),
    });
    if let Some(members) = shown.as_object_mut() {
        if let Some(format) = format {
            members.insert("Format".to_owned(), format.into());
        }
        match column.kind {
            Kind::Text(length) => {
                members.insert("MaxLength".to_owned(), length.into());
            }
            Kind::Lookup(targets) => {
                let targets: Vec<&str> = targets.iter().map(|(target, _)| *target).collect();
                members.insert("Targets".to_owned(), json!(targets));
            }
            _ => {}
        }
    }
    shown
}

fn custom(name: &str) -> bool {
    name.starts_with("new_")
}

fn label(text: &str) -> Value {
    json!({"UserLocalizedLabel": {"Label": text, "LanguageCode": 1033}})
}

fn identifier(name: &str) -> String {
    let sum = name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{:08x}-0000-4000-8000-{:012x}", sum & 0xffff_ffff, sum & 0xffff_ffff_ffff)
}
