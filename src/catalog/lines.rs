//! Reads field lines into a plan and holds them against the hub's model.

use std::sync::Arc;

use super::{
    call::{compiled, read_path},
    hub::{Field, FieldKind, Model},
    operation::Context,
    read::{Node, nearest},
};
use crate::mapping::{
    Access, Codec, Line, Path, Plan, ValueTemplate,
    condition::Match,
    plan::{Given, Open},
};

/// Reads `fields`, `open`, `ignored`, `unsupported`, `constants` of a resource file.
///
/// `fields` may be the name of another resource of the element, whose lines then serve here too.
pub(super) fn read_plan(node: &Node<'_>, context: &Context<'_>, model: Option<&str>) -> Option<Arc<Plan>> {
    let Some(fields) = node.get("fields") else {
        return Some(Arc::new(Plan::default()));
    };
    if let Some(name) = fields.value.as_str() {
        let known: Vec<&str> = context.plans.keys().map(String::as_str).collect();
        return match context.plans.get(name) {
            Some(plan) => Some(Arc::clone(plan)),
            None => {
                fields.problem_hint(format!("no field lines of a resource `{name}` here"), nearest(name, &known));
                None
            }
        };
    }
    let model = model.and_then(|name| context.models.get(name));
    let mut plan = read_lines(&fields, model.map(Arc::as_ref));
    if let Some(place) = node.get("open") {
        plan.open = read_open(&place, model.map(Arc::as_ref));
    }
    plan.ignored = read_paths(node, "ignored");
    plan.unsupported = node.text_map("unsupported");
    if let Some(place) = node.get("constants") {
        for (source, value) in place.members() {
            if let Some(path) = compiled(&value, || Path::compile(source)) {
                if path.steps().is_none() {
                    value.problem(format!("`{source}` can have several places, so nothing can be put there"));
                }
                plan.constants.push((path, value.value.clone()));
            }
        }
    }
    plan.clearing = node.get("clearing").map_or_else(|| context.clearing.clone(), |place| place.value.clone());
    if let Some(model) = model {
        hold_against(node, &fields, &plan, model);
    }
    Some(Arc::new(plan))
}

fn read_paths(node: &Node<'_>, key: &str) -> Vec<Path> {
    node.get(key).map_or_else(Vec::new, |list| {
        list.items()
            .iter()
            .filter_map(|place| compiled(place, || Path::compile(place.text().unwrap_or_default())))
            .collect()
    })
}

/// Reads the lines of a `fields` object; without a model any name is allowed.
pub(super) fn read_lines(fields: &Node<'_>, model: Option<&Model>) -> Plan {
    let mut plan = Plan::default();
    for (name, place) in fields.members() {
        for place in place.one_or_many() {
            let field = model.and_then(|model| model.field(name));
            if let (Some(model), None) = (model, field) {
                let known: Vec<&str> = model.fields.iter().map(|field| field.name.as_str()).collect();
                place.problem_hint(format!("the model `{}` has no field `{name}`", model.name), nearest(name, &known));
                continue;
            }
            if place.get("value").is_some() {
                plan.given.extend(read_given(name, &place, field));
            } else if let Some(line) = read_line(name, &place, field) {
                plan.lines.push(line);
            }
        }
    }
    plan
}

/// Reads a line whose value the call knows.
fn read_given(name: &str, node: &Node<'_>, field: Option<&Field>) -> Option<Given> {
    node.object(&["value"])?;
    if field.is_some_and(|field| !field.read_only) {
        node.problem_hint(
            format!("`{name}` can be written, and a `value` only reads"),
            "give it a path, or make the field readOnly in its model",
        );
    }
    let place = node.get("value")?;
    Some(Given { name: name.to_owned(), value: compiled(&place, || ValueTemplate::compile(place.value))? })
}

fn read_line(name: &str, node: &Node<'_>, field: Option<&Field>) -> Option<Line> {
    let (path, codec, access, column, loss, when) = if node.value.is_string() {
        (compiled(node, || Path::compile(node.text().unwrap_or_default()))?, None, None, None, None, None)
    } else {
        node.object(&["path", "codec", "access", "column", "loss", "when"])?;
        let codec = match node.get("codec") {
            Some(place) => Some(compiled(&place, || Codec::compile(place.value))?),
            None => None,
        };
        let path = match codec {
            Some(Codec::Constant(_)) => Path::root(),
            _ => {
                node.require("path")?;
                read_path(node, "path")?
            }
        };
        let access = match node.get("access") {
            Some(place) => Some(place.word(&[
                ("readWrite", Access::ReadWrite),
                ("read", Access::Read),
                ("write", Access::Write),
                ("create", Access::Create),
            ])?),
            None => None,
        };
        let when = match node.get("when") {
            Some(place) => Some(compiled(&place, || Match::compile(place.value))?),
            None => None,
        };
        (path, codec, access, node.opt_text("column"), node.opt_text("loss"), when)
    };
    let codec = codec.unwrap_or_else(|| default_codec(field));
    let access = access.unwrap_or(match field {
        Some(field) if field.read_only => Access::Read,
        _ => Access::ReadWrite,
    });
    let mut line = compiled(node, || Line::new(name, path, codec, access))?;
    if let Some(column) = column {
        line.column = column;
    }
    line.timestamp = field.is_some_and(|field| field.kind == FieldKind::Timestamp);
    line.loss = loss.or_else(|| line.codec.loss().map(str::to_owned));
    line.when = when;
    Some(line)
}

/// The codec of a line that names none: the one of the model's type.
fn default_codec(field: Option<&Field>) -> Codec {
    match field.map(|field| field.kind) {
        Some(FieldKind::Text) => Codec::Text,
        Some(FieldKind::Integer) => Codec::Integer,
        Some(FieldKind::Number) => Codec::Number,
        Some(FieldKind::Boolean) => Codec::BooleanText,
        Some(FieldKind::Timestamp) => Codec::Timestamp,
        Some(FieldKind::DateTime) => Codec::DateTime,
        Some(FieldKind::Date) => Codec::Date,
        Some(FieldKind::List | FieldKind::Map) | None => Codec::Same,
    }
}

fn read_open(node: &Node<'_>, model: Option<&Model>) -> Option<Open> {
    node.object(&["field", "path", "endings", "beginnings", "codec"])?;
    let field = node.require_text("field")?;
    if let Some(model) = model
        && model.field(&field).is_none_or(|field| field.kind != FieldKind::Map)
    {
        node.problem(format!("the model `{}` has no map field `{field}`", model.name));
    }
    node.require("path")?;
    let codec = match node.get("codec") {
        Some(place) => compiled(&place, || Codec::compile(place.value))?,
        None => Codec::Same,
    };
    if !codec.is_two_way() {
        node.problem_hint("the codec of an open map has to run both ways", "use text, or none");
    }
    let (endings, beginnings) = (node.texts("endings"), node.texts("beginnings"));
    Some(Open { field, path: read_path(node, "path")?, endings, beginnings, codec })
}

/// Every field of the model must have a line, be the open map, be computed here, or be declared unsupported.
fn hold_against(node: &Node<'_>, fields: &Node<'_>, plan: &Plan, model: &Model) {
    for (name, _) in &plan.unsupported {
        if model.field(name).is_none() {
            let known: Vec<&str> = model.fields.iter().map(|field| field.name.as_str()).collect();
            if let Some(place) = node.get("unsupported").and_then(|place| place.get(name)) {
                place.problem_hint(format!("the model `{}` has no field `{name}`", model.name), nearest(name, &known));
            }
        }
        if plan.lines.iter().any(|line| line.name == *name)
            && let Some(place) = node.get("unsupported").and_then(|place| place.get(name))
        {
            place.problem(format!("`{name}` has a line and is declared unsupported"));
        }
    }
    for field in &model.fields {
        let mapped = field.computed
            || field.optional
            // A line with a mistake of its own counts: the mistake is told.
            || fields.get(&field.name).is_some()
            || plan.open.as_ref().is_some_and(|open| open.field == field.name)
            || plan.unsupported.iter().any(|(name, _)| *name == field.name);
        if !mapped {
            fields.problem_hint(
                format!(
                    "the field `{}` of the model `{}` is neither mapped nor declared unsupported",
                    field.name, model.name
                ),
                format!("add a line for it, or \"unsupported\": {{\"{}\": \"why\"}}", field.name),
            );
        }
    }
}
