//! Templates of property fields, and what files have under them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Api, Caller,
    args::{self, Field, PropertyGroup, TemplateField},
    failure::{Failure, Outcome},
    files::check_path,
};
use crate::core::{hold, random_hex};

/// The templates and property groups of every account.
#[derive(Default)]
pub(super) struct Properties {
    /// By account and template.
    templates: BTreeMap<(u32, String), args::AddTemplate>,
    /// By account, file and template.
    groups: BTreeMap<(u32, String, String), Vec<Field>>,
}

impl Properties {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The most fields of a template.
const MOST: usize = 32;

fn unknown(template: &str) -> Failure {
    Failure::nested("template_not_found", json!(template))
}

/// `file_properties/templates/add_for_user`
pub(super) fn add_template(api: &Api, caller: &Caller, arg: args::AddTemplate) -> Outcome {
    check_fields(&[], &arg.fields)?;
    let id = format!("ptid:{}", random_hex(12));
    hold(&api.properties).templates.insert((caller.account, id.clone()), arg);
    Ok(json!({ "template_id": id }))
}

/// A template's fields may not share a name, nor be too many.
fn check_fields(known: &[TemplateField], added: &[TemplateField]) -> Outcome<()> {
    if known.len() + added.len() > MOST {
        return Err(Failure::tag("too_many_properties"));
    }
    let mut names: Vec<&str> = known.iter().chain(added).map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    let total = names.len();
    names.dedup();
    if names.len() < total { Err(Failure::tag("conflicting_property_names")) } else { Ok(()) }
}

/// `file_properties/templates/list_for_user`
pub(super) fn list_templates(api: &Api, caller: &Caller) -> Value {
    let properties = hold(&api.properties);
    let own = properties.templates.keys().filter(|(account, _)| *account == caller.account);
    json!({ "template_ids": own.map(|(_, id)| id).collect::<Vec<_>>() })
}

/// `file_properties/templates/get_for_user`
pub(super) fn get_template(api: &Api, caller: &Caller, arg: &args::Template) -> Outcome {
    let properties = hold(&api.properties);
    let found = properties.templates.get(&(caller.account, arg.template_id.clone()));
    let found = found.ok_or_else(|| unknown(&arg.template_id))?;
    let field = |field: &TemplateField| json!({ "name": field.name, "description": field.description, "type": { ".tag": "string" } });
    let fields: Vec<Value> = found.fields.iter().map(field).collect();
    Ok(json!({ "name": found.name, "description": found.description, "fields": fields }))
}

/// `file_properties/templates/update_for_user`
pub(super) fn update_template(api: &Api, caller: &Caller, arg: args::UpdateTemplate) -> Outcome {
    let mut properties = hold(&api.properties);
    let found = properties.templates.get_mut(&(caller.account, arg.template_id.clone()));
    let found = found.ok_or_else(|| unknown(&arg.template_id))?;
    let added = arg.add_fields.unwrap_or_default();
    check_fields(&found.fields, &added)?;
    found.fields.extend(added);
    if let Some(name) = arg.name {
        found.name = name;
    }
    if let Some(description) = arg.description {
        found.description = description;
    }
    Ok(json!({ "template_id": arg.template_id }))
}

/// `file_properties/templates/remove_for_user`: with all that files have under it.
pub(super) fn remove_template(api: &Api, caller: &Caller, arg: &args::Template) -> Outcome {
    let mut properties = hold(&api.properties);
    let gone = properties.templates.remove(&(caller.account, arg.template_id.clone()));
    gone.ok_or_else(|| unknown(&arg.template_id))?;
    properties.groups.retain(|(account, _, id), _| *account != caller.account || *id != arg.template_id);
    Ok(Value::Null)
}

/// The id of what is at a path.
fn target(api: &Api, caller: &Caller, path: &str) -> Outcome<String> {
    check_path("path", path, &["id:", "ns:"])?;
    let found = api.drive(caller.account, |drive| drive.live(path).map(|(_, node)| node.id.clone()));
    found.map_err(|error| Failure::lookup("path", error))
}

fn fits(properties: &Properties, caller: &Caller, template: &str, fields: &[Field]) -> Outcome<()> {
    let known = properties.templates.get(&(caller.account, template.to_owned())).ok_or_else(|| unknown(template))?;
    let fits = |field: &Field| known.fields.iter().any(|known| known.name == field.name);
    if fields.iter().all(fits) { Ok(()) } else { Err(Failure::tag("does_not_fit_template")) }
}

/// `file_properties/properties/add`
pub(super) fn add(api: &Api, caller: &Caller, arg: args::AddProperties) -> Outcome {
    let file = target(api, caller, &arg.path)?;
    let mut properties = hold(&api.properties);
    for PropertyGroup { template_id, fields } in &arg.property_groups {
        fits(&properties, caller, template_id, fields)?;
        if properties.groups.contains_key(&(caller.account, file.clone(), template_id.clone())) {
            return Err(Failure::tag("property_group_already_exists"));
        }
    }
    for PropertyGroup { template_id, fields } in arg.property_groups {
        properties.groups.insert((caller.account, file.clone(), template_id), fields);
    }
    Ok(Value::Null)
}

fn no_group() -> Failure {
    Failure::nested("property_group_lookup", json!({ ".tag": "property_group_not_found" }))
}

/// `file_properties/properties/update`
pub(super) fn update(api: &Api, caller: &Caller, arg: args::UpdateProperties) -> Outcome {
    let file = target(api, caller, &arg.path)?;
    let mut properties = hold(&api.properties);
    for change in arg.update_property_groups {
        let changed = change.add_or_update_fields.unwrap_or_default();
        fits(&properties, caller, &change.template_id, &changed)?;
        let group = properties.groups.get_mut(&(caller.account, file.clone(), change.template_id));
        let group = group.ok_or_else(no_group)?;
        let gone = change.remove_fields.unwrap_or_default();
        group.retain(|field| !gone.contains(&field.name) && changed.iter().all(|new| new.name != field.name));
        group.extend(changed);
    }
    Ok(Value::Null)
}

/// `file_properties/properties/remove`
pub(super) fn remove(api: &Api, caller: &Caller, arg: &args::RemoveProperties) -> Outcome {
    let file = target(api, caller, &arg.path)?;
    let mut properties = hold(&api.properties);
    for template in &arg.property_template_ids {
        fits(&properties, caller, template, &[])?;
        let gone = properties.groups.remove(&(caller.account, file.clone(), template.clone()));
        gone.ok_or_else(no_group)?;
    }
    Ok(Value::Null)
}

/// The property groups of a file that `include_property_groups` asks for.
pub(super) fn asked(api: &Api, caller: &Caller, file: &str, filter: &Value) -> Vec<Value> {
    let wanted: Vec<&str> = match filter.get("filter_some") {
        Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let properties = hold(&api.properties);
    let group = |template: &str| {
        let fields = properties.groups.get(&(caller.account, file.to_owned(), template.to_owned()))?;
        let fields = fields.iter().map(|field| json!({ "name": field.name, "value": field.value }));
        let mut group = Map::from_iter([("template_id".to_owned(), json!(template))]);
        group.insert("fields".to_owned(), fields.collect());
        Some(Value::Object(group))
    };
    wanted.into_iter().filter_map(group).collect()
}
