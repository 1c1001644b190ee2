//! What an element can do, told from its mapping files alone: operations, fields, and who applies which operator.

use serde_json::{Map, Value, json};

use super::filter::{By, condition_by, order_by};
use crate::{
    catalog::{
        Element, Hub, HubOperation, Operation,
        filtering::Otherwise,
        hub::{AnswerKind, FieldKind, Model, Resource},
        parents::Relations,
    },
    mapping::{Access, Codec, Line},
    query::{CompareOp, Expr, Operator, Value as Literal},
};

/// The capability matrix of an element: by resource, its operations and the fields of its records.
///
/// ```json
/// {"contacts": {
///   "operations": {"list": {"supported": true, "maxPageSize": 100, "filterLimit": 10000, "refuses": {"text": "…"}},
///                  "delete": {"supported": false, "reason": "…"}},
///   "fields": {"email": {"read": true, "create": true, "update": true,
///                        "where": {"provider": ["="], "gateway": ["LIKE"]}, "orderBy": "provider"},
///              "fax": {"supported": false, "reason": "…"}}},
///  "notes": {"parents": {"accounts": {"supported": true}, "leads": {"supported": false, "reason": "…"}}}}
/// ```
///
/// `refuses` names the parameters (and members of the body) that an operation of the hub takes and this element does not, each
/// with the reason. `where` and `orderBy` say who does it: the provider, or the gateway over at most `filterLimit` records. An operator that
/// stands in neither list is refused with a 400. Resources that only some providers have stand here where this one has them.
pub fn capabilities(element: &Element, hub: &Hub) -> Map<String, Value> {
    let mut matrix = Map::new();
    for resource in hub.resources.values() {
        let has = |operation: &HubOperation| element.operation(&operation.id()).is_some();
        if resource.optional && !resource.operations.iter().any(|operation| has(operation)) {
            continue;
        }
        matrix.insert(resource.name.clone(), capabilities_of(element, hub, resource));
    }
    matrix
}

fn capabilities_of(element: &Element, hub: &Hub, resource: &Resource) -> Value {
    let mut operations = Map::new();
    for operation in &resource.operations {
        let told = match element.operation(&operation.id()) {
            Some(operation) => supported(operation),
            None => json!({
                "supported": false,
                "reason": element.unsupported.reason(operation).unwrap_or("The provider has no such thing"),
            }),
        };
        operations.insert(operation.name.clone(), told);
    }
    let model = resource.model.as_ref().and_then(|name| hub.models.get(name));
    let fields = model.map(|model| fields(element, resource, model)).unwrap_or_default();
    let mut told = json!({"operations": operations, "fields": fields});
    if let (Value::Object(told), false) = (&mut told, resource.parents.is_empty()) {
        told.insert("parents".to_owned(), Value::Object(parents(element, resource)));
    }
    told
}

/// Below which parents there are such records, and what cannot be done there.
fn parents(element: &Element, resource: &Resource) -> Map<String, Value> {
    let carried = |operation: &&std::sync::Arc<HubOperation>| element.operation(&operation.id()).is_some();
    let below = |parent: &str| {
        let lacks: Map<String, Value> = resource
            .operations
            .iter()
            .filter(carried)
            .filter_map(|operation| {
                let why = element.operation_below(operation, Some(parent)).err()?;
                Some((operation.name.clone(), json!({"supported": false, "reason": why})))
            })
            .collect();
        match element.relation(&resource.name, parent) {
            Err(why) => json!({"supported": false, "reason": why}),
            Ok(_) if lacks.is_empty() => json!({"supported": true}),
            Ok(_) => json!({"supported": true, "operations": lacks}),
        }
    };
    let own = element.relations.get(&resource.name);
    let own = own.into_iter().flat_map(Relations::all).map(|relation| relation.parent.as_str());
    let mut names: Vec<&str> = resource.parents.iter().map(String::as_str).chain(own).collect();
    names.dedup();
    if !resource.operations.iter().any(|operation| carried(&operation)) {
        return Map::new();
    }
    names.into_iter().map(|parent| (parent.to_owned(), below(parent))).collect()
}

fn supported(operation: &Operation) -> Value {
    let mut told = Map::from_iter([("supported".to_owned(), json!(true))]);
    if matches!(operation.hub.answer, AnswerKind::List(_)) {
        if let Some(paging) = &operation.paging {
            told.insert("maxPageSize".to_owned(), json!(paging.max));
        }
        if let Otherwise::Local { max } = operation.filtering.clone().unwrap_or_default().otherwise {
            told.insert("filterLimit".to_owned(), json!(max));
        }
    }
    let refused = operation.refuse.iter().filter_map(|refusal| Some((refusal.when.given()?, &refusal.message)));
    let refused: Map<String, Value> = refused.map(|(name, why)| (name.to_owned(), json!(why))).collect();
    if !refused.is_empty() {
        told.insert("refuses".to_owned(), Value::Object(refused));
    }
    Value::Object(told)
}

fn fields(element: &Element, resource: &Resource, model: &Model) -> Map<String, Value> {
    let operations: Vec<_> =
        resource.operations.iter().filter_map(|operation| element.operation(&operation.id())).collect();
    // The list's lines are the resource's; where there is no list, those of whatever answers the model.
    let of_model = |operation: &&&std::sync::Arc<Operation>| {
        operation.model.as_ref().is_some_and(|answered| answered.name == model.name)
    };
    let list =
        operations.iter().find(|operation| matches!(operation.hub.answer, AnswerKind::List(_)) && of_model(operation));
    let Some(told_by) = list.or_else(|| operations.iter().find(of_model)) else { return Map::new() };
    let can = |name: &str| resource.operation(name).is_some_and(|one| element.operation(&one.id()).is_some());
    let writes = |line: &Line, create: bool| match line.access {
        Access::ReadWrite | Access::Write => true,
        Access::Create => create,
        Access::Read => false,
    };
    let mut fields = Map::new();
    for field in &model.fields {
        let lines: Vec<&Line> = told_by.plan.lines.iter().filter(|line| line.name == field.name).collect();
        let told = if let Some((_, why)) = told_by.plan.unsupported.iter().find(|(name, _)| *name == field.name) {
            json!({"supported": false, "reason": why})
        } else if lines.is_empty() {
            let open = told_by.plan.open.as_ref().is_some_and(|open| open.field == field.name);
            if !open && !field.computed {
                continue;
            }
            json!({"read": true, "create": open && can("create"), "update": open && can("update")})
        } else {
            let mut told = Map::from_iter([
                ("read".to_owned(), json!(!field.hidden && lines.iter().any(|line| line.access != Access::Write))),
                ("create".to_owned(), json!(can("create") && lines.iter().any(|line| writes(line, true)))),
                ("update".to_owned(), json!(can("update") && lines.iter().any(|line| writes(line, false)))),
            ]);
            if let (Some(list), Some(line)) = (list, lines.first())
                && field.kind != FieldKind::Map
            {
                told.insert("where".to_owned(), operators(list, line, field.kind));
                told.insert("orderBy".to_owned(), order(order_by(list, &line.name)));
            }
            Value::Object(told)
        };
        fields.insert(field.name.clone(), told);
    }
    fields
}

fn order(by: By) -> Value {
    match by {
        By::Provider => json!("provider"),
        By::Gateway => json!("gateway"),
        By::Nobody => Value::Null,
    }
}

fn operators(list: &Operation, line: &Line, kind: FieldKind) -> Value {
    let (mut provider, mut gateway) = (Vec::new(), Vec::new());
    for operator in Operator::ALL {
        match condition_by(list, &sample(&line.name, operator, &literal(line, kind))) {
            By::Provider => provider.push(operator.as_str()),
            By::Gateway => gateway.push(operator.as_str()),
            By::Nobody => {}
        }
    }
    let mut told = Map::new();
    for (by, operators) in [("provider", provider), ("gateway", gateway)] {
        if !operators.is_empty() {
            told.insert(by.to_owned(), json!(operators));
        }
    }
    Value::Object(told)
}

/// A value such as a caller would compare the field with.
fn literal(line: &Line, kind: FieldKind) -> Literal {
    let text = |text: &str| Literal::Text(text.to_owned());
    if let Codec::Words { pairs, .. } = &line.codec
        && let Some((Value::String(word), _)) = pairs.first()
    {
        return text(word);
    }
    match kind {
        FieldKind::Integer | FieldKind::Number => Literal::Number("1".to_owned()),
        FieldKind::Boolean => Literal::Boolean(true),
        FieldKind::Date => Literal::Date("2024-01-31".to_owned()),
        FieldKind::Timestamp | FieldKind::DateTime => Literal::Date("2024-01-31T12:00:00Z".to_owned()),
        FieldKind::Text | FieldKind::List | FieldKind::Map => text("a"),
    }
}

/// A condition with this operator.
fn sample(field: &str, operator: Operator, value: &Literal) -> Expr {
    let field = field.to_owned();
    let compare = |op| Expr::Compare { field: field.clone(), op, value: value.clone() };
    match operator {
        Operator::Eq => compare(CompareOp::Eq),
        Operator::Ne => compare(CompareOp::Ne),
        Operator::Lt => compare(CompareOp::Lt),
        Operator::Le => compare(CompareOp::Le),
        Operator::Gt => compare(CompareOp::Gt),
        Operator::Ge => compare(CompareOp::Ge),
        Operator::Like | Operator::NotLike => {
            Expr::Like { field, pattern: "a%".to_owned(), negated: operator == Operator::NotLike }
        }
        Operator::In | Operator::NotIn => {
            Expr::In { field, values: vec![value.clone()], negated: operator == Operator::NotIn }
        }
        Operator::IsNull | Operator::IsNotNull => Expr::IsNull { field, negated: operator == Operator::IsNotNull },
    }
}
