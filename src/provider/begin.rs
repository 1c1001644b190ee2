//! What a call is before its first step: its object, the record of its body, the fields it wants of the provider.

use std::sync::Arc;

use serde_json::Value;

use super::{
    FieldDescription, Invocation,
    filter::Parted,
    parent::{self, Bound},
    request::unfilled,
    scope::{CallScope, Names},
};
use crate::{
    catalog::{
        Operation,
        hub::{AnswerKind, RequestKind},
        parents::Told,
    },
    error::{Error, Result},
    mapping::{Naming, Root, WriteMode},
};

/// The object of which the operation needs to know the fields.
pub(super) fn to_describe<'s>(
    operation: &Operation,
    invocation: &Invocation,
    scope: &'s CallScope<'_>,
) -> Option<&'s str> {
    let selects = operation.needs(Root::Select, "") || operation.needs(Root::Members, "");
    let described = invocation.parent.as_ref().map(|parent| &parent.relation.told);
    let wanted = selects && (invocation.native || operation.plan.open.is_some())
        || invocation.filter.is_some() && operation.object.is_some()
        || matches!(described, Some(Told::Described { .. }));
    scope.object.as_ref().and_then(Value::as_str).filter(|_| wanted)
}

/// Puts the name of the object and the record of the body into the scope.
pub(super) fn begin(operation: &Operation, invocation: &Invocation, scope: &mut CallScope<'_>) -> Result<()> {
    if let Some(object) = &operation.object {
        let name = object.render(scope).map_err(|error| unfilled(&error))?;
        if let Some(name) = name.as_deref().filter(|name| !is_name(name)) {
            return Err(Error::not_found(format!("No object has the name `{name}`")));
        }
        scope.object = name.map(Value::String);
    }
    if matches!(operation.hub.request, RequestKind::Record) {
        *scope.record = record(operation, invocation)?;
        fill_in(operation, invocation, scope)?;
    }
    Ok(())
}

/// The provider-shaped record of the body.
fn record(operation: &Operation, invocation: &Invocation) -> Result<Value> {
    let Value::Object(body) = &invocation.body else {
        return Err(Error::bad_request("The body should be a JSON object").with_detail("", "should be an object"));
    };
    let body = &parent::told_once(invocation, body)?;
    if invocation.native {
        // With its envelope or without.
        let inside = operation.envelope.as_deref().and_then(|envelope| body.get(envelope));
        return Ok(inside.filter(|inside| inside.is_object()).unwrap_or(&invocation.body).clone());
    }
    let mode = write_mode(operation);
    operation.plan.write(body, mode).map_err(|problems| {
        let told: Vec<String> =
            problems.iter().map(|problem| format!("`{}`: {}", problem.name, problem.detail)).collect();
        let error = Error::bad_request(format!("The body has fields that cannot be written: {}", told.join("; ")));
        problems.into_iter().fold(error, |error, problem| {
            error.with_detail(format!("/{}", problem.name.replace('.', "/")), problem.detail)
        })
    })
}

/// Puts what the mapping says into a new record where the body leaves it out.
fn fill_in(operation: &Operation, invocation: &Invocation, scope: &mut CallScope<'_>) -> Result<()> {
    if invocation.native || write_mode(operation) == WriteMode::Update {
        return Ok(());
    }
    for (path, template) in &operation.defaults {
        if path.get(&scope.record).is_none()
            && let Some(value) = template.render(scope).map_err(|error| unfilled(&error))?
        {
            path.set(&mut scope.record, value);
        }
    }
    Ok(())
}

fn write_mode(operation: &Operation) -> WriteMode {
    if operation.hub.method == "POST" { WriteMode::Create } else { WriteMode::Update }
}

/// Whether a caller's name of an object or a field can stand in a query without leaving its place: letters, digits and
/// `_ - .` only.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The provider's names of the fields wanted.
pub(super) fn select(
    operation: &Operation,
    invocation: &Invocation,
    described: &[FieldDescription],
    parted: &Parted,
    bound: Option<&Bound>,
    naming: Naming,
) -> Result<Names> {
    let is_list = matches!(operation.hub.answer, AnswerKind::List(_));
    let tells = |bound: &&Bound| if is_list { parted.parent.is_some() } else { bound.is_checked(invocation) };
    let parent = bound.filter(tells).and_then(Bound::selected);
    // The names, and how many of them are the plan's own.
    let (mut names, own) = if invocation.native {
        let names: Vec<String> = match invocation.fields.as_slice() {
            [] => described.iter().map(|field| field.name.clone()).collect(),
            fields => {
                let envelope = operation.envelope.as_deref().map(|envelope| format!("{envelope}."));
                let inner = |field: &String| {
                    let inside = envelope.as_deref().and_then(|envelope| field.strip_prefix(envelope));
                    inside.unwrap_or(field).to_owned()
                };
                fields.iter().map(inner).collect()
            }
        };
        (names, 0)
    } else {
        // A filter or an order made here needs every field it may name.
        let fields: &[String] =
            if parted.local.is_some() || !parted.local_order.is_empty() { &[] } else { &invocation.fields };
        let open = operation.plan.open.as_ref().map(|open| open.field.as_str());
        let opens = open.is_some_and(|open| fields.is_empty() || fields.iter().any(|field| field == open));
        let mut custom =
            described.iter().filter(|field| opens && field.custom).map(|field| field.name.clone()).peekable();
        if fields.is_empty() && parent.is_none() && custom.peek().is_none() {
            return Ok(Names::Own(Arc::clone(operation.own(naming))));
        }
        let mut names = operation.plan.select(naming, fields);
        let own = names.len();
        names.extend(custom);
        (names, own)
    };
    names.extend(parent.map(str::to_owned));
    // The plan's own are told apart already.
    if names.len() > own {
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.to_lowercase()));
    }
    if names.is_empty() {
        // Nothing that was asked for is known: what is answered is empty, but a query needs something to ask for.
        return Ok(Names::Own(Arc::clone(operation.own(naming))));
    }
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        return Err(Error::bad_request(format!("`{name}` is not the name of a field"))
            .with_detail("fields", "should be names separated by commas"));
    }
    Ok(Names::Other(Box::new(names.into_iter().map(Value::String).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        for name in ["Account", "My_Object__c", "Owner.Name", "p123_things", "2-1000101"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "Id FROM User", "(SELECT Id FROM Contacts)", "a,b", "a'b", "a/b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
