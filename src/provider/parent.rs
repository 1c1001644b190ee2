//! Records below a parent: which list it has, what makes a new record its own, and whether a record is.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Connection, Engine, FieldDescription, Invocation,
    request::unfilled,
    scope::{CallScope, Names},
    steps::{Along, Last},
};
use crate::{
    catalog::{Element, Ids, hub::AnswerKind, parents::Told, routes::PARENT_ID},
    error::{Error, Result},
    mapping::{Path, ValueTemplate, codec::scalar_text},
};

/// How the records of one call belong to the parent in its path.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// The parent's id.
    pub(super) id: String,
    /// How ids compare.
    ids: Ids,
    /// Where a record tells it.
    pub(super) path: Option<Path>,
    /// What the provider's query language calls it.
    pub(super) column: Option<String>,
    /// Whether a record that is read (or listed) tells it, without a further call.
    pub(super) in_record: bool,
    /// Whether the operation sees to the parent itself.
    pub(super) replaced: bool,
    /// What a new record carries.
    set: Vec<(Path, ValueTemplate)>,
}

impl Bound {
    /// Whether the provider's `record` belongs to the parent.
    pub(super) fn holds(&self, record: &Value) -> bool {
        let told = self.path.as_ref().map(|path| path.all(record)).unwrap_or_default();
        told.into_iter().filter_map(scalar_text).any(|id| self.ids.same(&id, &self.id))
    }

    /// Whether a record that is found has to be held against the parent before (`get`: after) it is touched.
    pub(super) fn is_checked(&self, invocation: &Invocation) -> bool {
        !self.replaced
            && invocation.operation.hub.method != "POST"
            && !matches!(invocation.operation.hub.answer, AnswerKind::List(_))
    }

    /// Whether what a `get` answers tells it.
    pub(super) fn is_told_by(&self, invocation: &Invocation) -> bool {
        self.in_record && invocation.operation.hub.name == "get"
    }

    /// The column that has to be among the fields wanted, so that records tell their parent.
    pub(super) fn selected(&self) -> Option<&str> {
        self.column.as_deref().filter(|_| self.in_record)
    }

    /// Makes the new record in `scope` the parent's own.
    pub(super) fn attach(&self, invocation: &Invocation, scope: &mut CallScope<'_>) -> Result<()> {
        if invocation.operation.hub.method != "POST" || self.replaced {
            return Ok(());
        }
        for (path, template) in &self.set {
            if let Some(value) = template.render(scope).map_err(|error| unfilled(&error))? {
                path.set(&mut scope.record, value);
            }
        }
        Ok(())
    }
}

/// The body without the uniform `parentId`, which the path tells already.
///
/// # Errors
/// When it is another one.
pub(super) fn told_once<'b>(
    invocation: &Invocation,
    body: &'b Map<String, Value>,
) -> Result<Cow<'b, Map<String, Value>>> {
    let (Some(parent), Some(told)) = (&invocation.parent, body.get(PARENT_ID).filter(|_| !invocation.native)) else {
        return Ok(Cow::Borrowed(body));
    };
    if told.as_str().is_some_and(|told| !parent.ids.same(told, &parent.id)) {
        return Err(Error::bad_request("The body names another parent than the path")
            .with_detail("/parentId", "leave it out, or use the id in the path"));
    }
    let mut body = body.clone();
    body.remove(PARENT_ID);
    Ok(Cow::Owned(body))
}

/// That a record is not the parent's, which for callers is the same as not being there.
pub(super) fn elsewhere(invocation: &Invocation) -> Error {
    let name = invocation.parent.as_ref().map(|parent| parent.name.as_str()).unwrap_or_default();
    Error::not_found(format!("No such record belongs to this record of `{name}`"))
}

/// How the records of `invocation` belong to its parent, of which descriptions of fields speak as `referred`.
pub(super) fn bind(
    invocation: &Invocation,
    described: &[FieldDescription],
    referred: Option<&str>,
) -> Result<Option<Box<Bound>>> {
    let Some(parent) = &invocation.parent else { return Ok(None) };
    let relation = &parent.relation;
    let mut bound = Box::new(Bound {
        id: parent.id.clone(),
        ids: parent.ids,
        path: None,
        column: None,
        in_record: relation.read.is_none(),
        replaced: relation.instead.contains_key(&invocation.operation.hub.name),
        set: relation.set.clone(),
    });
    match &relation.told {
        Told::At { path, column } => {
            bound.path = Some(path.clone());
            bound.column.clone_from(column);
        }
        Told::Described { member } => {
            let name = referred.unwrap_or(&parent.name);
            let field = referring(described, name).ok_or_else(|| {
                Error::not_found(format!("These records have no field that refers to one of `{}`", parent.name))
            })?;
            let path = place(&field.name, member.as_deref())?;
            let id = ValueTemplate::compile(&Value::String("{path.parentId}".to_owned())).map_err(Error::internal)?;
            bound.set.push((path.clone(), id));
            bound.path = Some(path);
            bound.column = Some(field.name.clone());
        }
        Told::Nowhere => bound.in_record = false,
    }
    Ok(Some(bound))
}

/// The field whose values are ids of `object`'s records. Of several one that can be written, for the others are made by
/// the provider itself (who created a record, say).
fn referring<'d>(described: &'d [FieldDescription], object: &str) -> Option<&'d FieldDescription> {
    let refers = |field: &&FieldDescription| match field.record.get("referenceTo") {
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).any(|name| name.eq_ignore_ascii_case(object))
        }
        Some(Value::String(name)) => name.eq_ignore_ascii_case(object),
        _ => false,
    };
    let writable = |field: &&FieldDescription| {
        ["createable", "updateable"].iter().any(|may| field.record.get(*may) == Some(&Value::Bool(true)))
    };
    let mut fields = described.iter().filter(refers);
    fields.clone().find(writable).or_else(|| fields.next())
}

/// The path of a field's value, or of a member of it.
fn place(field: &str, member: Option<&str>) -> Result<Path> {
    let quoted = |name: &str| format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"));
    Path::compile(&format!("${}{}", quoted(field), member.map(quoted).unwrap_or_default())).map_err(Error::internal)
}

impl Engine {
    /// [`bind`], after asking what descriptions call the parent's object where the mapping says so.
    pub(super) async fn bound(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        described: &[FieldDescription],
        scope: &CallScope<'_>,
    ) -> Result<Option<Box<Bound>>> {
        let call = invocation.parent.as_ref().and_then(|parent| parent.relation.referred_as.as_ref());
        let referred = match call {
            Some(step) => {
                scalar_text(&Box::pin(self.found(element, connection, step, scope, invocation.deadline)).await?)
            }
            None => None,
        };
        bind(invocation, described, referred.as_deref())
    }

    /// Fails with 404 unless the record that `invocation` is about belongs to the parent.
    pub(super) async fn belongs(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        bound: &Bound,
        scope: &CallScope<'_>,
    ) -> Result<()> {
        let (rules, deadline) = (&invocation.operation.errors, invocation.deadline);
        let read = invocation.parent.as_ref().and_then(|parent| parent.relation.read.as_ref());
        let mut scope = scope.fork();
        let (answer, call) = if let Some(read) = read {
            (self.json(element, connection, read, &scope, rules, deadline).await?, read)
        } else {
            let hub = &invocation.operation.hub;
            let get = element.operation(&format!("{}.get", hub.resource)).ok_or_else(|| {
                Error::internal(format!("`{}` is below a parent, and there is no `{}.get`", hub.id(), hub.resource))
            })?;
            let names = Names::of(bound.column.as_ref());
            (scope.select, scope.members) = (Some(names.clone()), Some(names));
            self.look_up(element, connection, get, &mut scope, deadline).await?;
            let mut along = Along::default();
            match Box::pin(self.steps(element, connection, get, &mut scope, &mut along, deadline)).await? {
                Last::Json(answer, call) => (answer, call),
                Last::Written(..) | Last::Stream(..) => {
                    return Err(Error::internal(format!("`{}` answers with no document", get.hub.id())));
                }
            }
        };
        match call.answer.record.get(&answer) {
            Some(record) if bound.holds(record) => Ok(()),
            _ => Err(elsewhere(invocation)),
        }
    }
}
