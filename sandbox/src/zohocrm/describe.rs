//! What modules there are, and their fields.

use serde_json::{Value, json};

use super::{
    outcome::{self, Failure},
    schema::{MODULES, named},
};
use crate::{
    crm::{self, Kind},
    http::Form,
};

/// Every module.
pub(super) fn modules() -> Vec<Value> {
    MODULES
        .iter()
        .map(|module| {
            json!({"api_name": module.name, "module_name": module.name, "singular_label": module.singular,
                "plural_label": module.name, "id": format!("5540230000000020{:02}", module.number), "api_supported": true,
                "creatable": true, "editable": true, "deletable": true, "viewable": true, "visible": true,
                "generated_type": if module.custom { "custom" } else { "default" }, "status": "visible"})
        })
        .collect()
}

/// The fields of a module.
pub(super) fn fields(query: &Form) -> Result<Value, Failure> {
    let name = query.get("module").ok_or_else(|| {
        Failure::new(400, "REQUIRED_PARAM_MISSING", "One of the expected parameter is missing")
            .with(json!({"param": "module"}))
    })?;
    let module =
        named(name).ok_or_else(|| Failure::new(400, "INVALID_MODULE", "the module name given seems to be invalid"))?;
    let one = |(index, field): (usize, &crm::Field)| {
        let kind = match (field.link, field.kind) {
            (Some("users"), _) => "ownerlookup",
            (Some(_), _) => "lookup",
            _ if !field.choices.is_empty() => "picklist",
            (None, kind) => outcome::word(kind),
        };
        let choices: Vec<Value> = field
            .choices
            .iter()
            .enumerate()
            .map(|(index, choice)| {
                json!({"display_value": choice, "actual_value": choice, "sequence_number": index + 1, "type": "used",
                "id": format!("5540230000000{index:05}")})
            })
            .collect();
        let fixed = field.access == crm::Access::Fixed;
        json!({"api_name": field.name, "field_label": field.label, "display_label": field.label, "data_type": kind,
            "custom_field": field.custom, "read_only": fixed, "field_read_only": fixed, "visible": true, "length": 255,
            "json_type": match field.kind { Kind::Map => "jsonobject", Kind::List => "jsonarray", Kind::Number => "double", Kind::Flag => "boolean", _ => "string" },
            "system_mandatory": matches!(field.access, crm::Access::Required | crm::Access::Once), "searchable": true,
            "filterable": true, "sortable": true, "id": format!("55402300000{:02}{index:05}", module.number),
            "lookup": {"module": field.link.map(|module| json!({ "api_name": module }))},
            "operation_type": {"web_update": !fixed, "api_create": !fixed, "web_create": !fixed,
                "api_update": !fixed && field.access != crm::Access::Once},
            "pick_list_values": choices})
    };
    let all: Vec<Value> = module.fields.iter().enumerate().map(one).collect();
    Ok(json!({ "fields": all }))
}
