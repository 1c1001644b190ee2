//! The answers that tell about objects and fields.

use serde_json::{Value, json};

use super::{
    API,
    schema::{Field, Kind, Object, Preset, Schema},
};

/// What `/sobjects` tells of every object.
pub(super) fn global(schema: &Schema) -> Value {
    let objects: Vec<Value> = schema.objects().iter().map(brief).collect();
    json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects})
}

/// An object without its fields.
pub(super) fn brief(object: &Object) -> Value {
    let url = format!("{API}/sobjects/{}", object.name);
    json!({
        "activateable": false,
        "associateEntityType": null,
        "associateParentEntity": null,
        "createable": true,
        "custom": object.is_custom(),
        "customSetting": false,
        "deepCloneable": false,
        "deletable": object.deletable,
        "deprecatedAndHidden": false,
        "feedEnabled": true,
        "hasSubtypes": false,
        "isInterface": false,
        "isSubtype": false,
        "keyPrefix": object.prefix,
        "label": object.label,
        "labelPlural": object.plural,
        "layoutable": true,
        "mergeable": matches!(object.name, "Account" | "Contact" | "Lead"),
        "mruEnabled": true,
        "name": object.name,
        "queryable": true,
        "replicateable": true,
        "retrieveable": true,
        "searchable": true,
        "triggerable": true,
        "undeletable": object.deletable,
        "updateable": true,
        "urls": {
            "rowTemplate": format!("{url}/{{ID}}"),
            "describe": format!("{url}/describe"),
            "sobject": url,
        },
    })
}

/// An object with everything.
pub(super) fn full(object: &Object, schema: &Schema) -> Value {
    let mut answer = brief(object);
    let fields: Vec<Value> = object.fields.iter().map(field).collect();
    let children: Vec<Value> = schema
        .objects()
        .iter()
        .flat_map(|child| child.fields.iter().map(move |field| (child, field)))
        .filter(|(_, field)| field.refers.contains(&object.name))
        .map(|(child, field)| {
            json!({
                "cascadeDelete": false,
                "childSObject": child.name,
                "deprecatedAndHidden": false,
                "field": field.name,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": null,
                "restrictedDelete": false,
            })
        })
        .collect();
    if let Some(members) = answer.as_object_mut() {
        members.insert("actionOverrides".to_owned(), json!([]));
        members.insert("childRelationships".to_owned(), json!(children));
        members.insert("compactLayoutable".to_owned(), json!(true));
        members.insert("fields".to_owned(), json!(fields));
        members.insert("listviewable".to_owned(), Value::Null);
        members.insert("lookupLayoutable".to_owned(), Value::Null);
        members.insert("namedLayoutInfos".to_owned(), json!([]));
        members.insert("networkScopeFieldName".to_owned(), Value::Null);
        members.insert("recordTypeInfos".to_owned(), json!([]));
        members.insert("searchLayoutable".to_owned(), json!(true));
        members.insert("sobjectDescribeOption".to_owned(), json!("FULL"));
        members.insert(
            "supportedScopes".to_owned(),
            json!([{"label": format!("All {}", object.plural), "name": "everything"}, {"label": format!("My {}", object.plural), "name": "mine"}]),
        );
    }
    answer
}

fn field(field: &Field) -> Value {
    let kind = field.kind;
    let choices: Vec<Value> = field
        .choices
        .iter()
        .map(|choice| {
            let preset = field.preset == Preset::Choice(choice);
            json!({"active": true, "defaultValue": preset, "label": choice, "validFor": null, "value": choice})
        })
        .collect();
    let (precision, scale) = field.digits;
    let preset = match field.preset {
        Preset::Flag(flag) => json!(flag),
        Preset::Choice(choice) => json!(choice),
        Preset::None | Preset::Creator => Value::Null,
    };
    let filterable = field.is_filterable();
    let mut answer = json!({
        "aggregatable": filterable && kind != Kind::Boolean,
        "byteLength": field.length * 3,
        "compoundFieldName": field.part_of,
        "createable": field.createable,
        "custom": field.is_custom(),
        "defaultValue": preset,
        "defaultedOnCreate": field.preset != Preset::None || !field.createable && !field.is_nillable(),
        "digits": if kind == Kind::Int { precision } else { 0 },
        "externalId": field.external && field.is_custom(),
        "extraTypeInfo": (kind == Kind::Area).then_some("plaintextarea"),
        "filterable": filterable,
        "groupable": filterable && !kind.is_number() && kind != Kind::DateTime,
        "idLookup": matches!(kind, Kind::Id | Kind::Email) || field.external || (field.name == "Name" && field.createable),
        "label": field.label,
        "length": field.length,
        "name": field.name,
        "nameField": field.names,
        "namePointing": field.refers.len() > 1,
        "nillable": field.is_nillable(),
        "permissionable": field.createable && !field.required,
        "picklistValues": choices,
        "polymorphicForeignKey": field.refers.len() > 1,
        "precision": if kind == Kind::Int { 0 } else { precision },
        "referenceTo": field.refers,
        "relationshipName": field.relationship,
        "restrictedPicklist": field.restricted,
        "scale": scale,
        "searchPrefilterable": kind == Kind::Reference,
        "soapType": kind.soap(),
        "sortable": field.is_sortable(),
        "type": kind.name(),
        "unique": field.external,
        "updateable": field.updateable,
    });
    if let Some(members) = answer.as_object_mut() {
        members.extend(NEVER.iter().map(|name| ((*name).to_owned(), Value::Bool(false))));
        members.extend(ABSENT.iter().map(|name| ((*name).to_owned(), Value::Null)));
    }
    answer
}

/// What no field of the organization is.
const NEVER: [&str; 15] = [
    "aiPredictionField",
    "autoNumber",
    "calculated",
    "cascadeDelete",
    "caseSensitive",
    "dependentPicklist",
    "deprecatedAndHidden",
    "displayLocationInDecimal",
    "encrypted",
    "formulaTreatNullNumberAsZero",
    "highScaleNumber",
    "htmlFormatted",
    "queryByDistance",
    "restrictedDelete",
    "writeRequiresMasterRead",
];

/// What no field of the organization has.
const ABSENT: [&str; 9] = [
    "calculatedFormula",
    "controllerName",
    "defaultValueFormula",
    "filteredLookupInfo",
    "inlineHelpText",
    "mask",
    "maskType",
    "referenceTargetField",
    "relationshipOrder",
];
