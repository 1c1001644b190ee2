//! One uniform call from its invocation to its outcome: the steps of an operation in order.

use http::{HeaderMap, header};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Connection, Engine, FieldDescription, Invocation, Outcome, Upload,
    filter::{Parted, part},
    request::{Prepared, prepare, unfilled},
    scope::CallScope,
    send::kind_of_status,
};
use crate::{
    catalog::{
        Call, Element, Operation,
        call::Format,
        hub::{AnswerKind, RequestKind},
        operation::Step,
    },
    error::{Error, Kind, Result},
    mapping::{Root, WriteMode},
    upstream::Response,
};

/// The headers of a streamed answer that pass to the caller.
const PASSED: &[header::HeaderName] = &[
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
    header::CONTENT_DISPOSITION,
];

/// What the last step of an operation gave.
enum Last<'a> {
    Json(Value, &'a Call),
    Stream(Response),
}

impl Engine {
    /// Carries out `invocation` through `connection`, with the file of an upload.
    ///
    /// # Errors
    /// What the caller got wrong, or what the provider said, in uniform terms.
    pub async fn run(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: Invocation,
        upload: Option<Upload>,
    ) -> Result<Outcome> {
        let operation = std::sync::Arc::clone(&invocation.operation);
        let mut scope = CallScope::new(connection, &invocation);
        if let Some(object) = &operation.object {
            let name = object.render(&scope).map_err(|error| unfilled(&error))?;
            if let Some(name) = name.as_deref().filter(|name| !is_name(name)) {
                return Err(Error::not_found(format!("No object has the name `{name}`")));
            }
            scope.object = name.map(Value::String);
        }
        if matches!(operation.hub.request, RequestKind::Record) {
            scope.record = record(&operation, &invocation)?;
            fill_in(&operation, &invocation, &mut scope)?;
        }
        let described = self.described(element, connection, &operation, &invocation, &scope).await?;
        let parted = if matches!(operation.hub.answer, AnswerKind::List(_)) {
            part(&operation, &invocation, &described)?
        } else {
            Parted::default()
        };
        scope.filter.clone_from(&parted.filter);
        scope.order.clone_from(&parted.order);
        if operation.needs(Root::Select, "") {
            scope.select = Some(select(&operation, &invocation, &described, &parted)?);
        }
        if let Some(upload) = &upload {
            let mut tell =
                |key: &str, value: Option<Value>| value.map(|value| scope.file.insert(key.to_owned(), value));
            tell("size", upload.size.map(Value::from));
            tell("contentType", upload.content_type.clone().map(Value::String));
        }
        self.locate(element, connection, &invocation, &mut scope).await?;
        if let Some(refusal) = operation.refuse.iter().find(|refusal| refusal.when.holds(&scope)) {
            return Err(Error::new(kind_of_status(refusal.status), refusal.message.clone()));
        }
        if matches!(operation.hub.answer, AnswerKind::List(_)) {
            return self.list(element, connection, &invocation, scope, &parted).await;
        }
        let mut upload = match upload {
            Some(upload) => Some(prepare(upload).await?),
            None => None,
        };
        let last = self
            .steps(
                element,
                connection,
                &operation,
                &mut scope,
                &mut upload,
                Some(&invocation.pass),
                invocation.deadline,
            )
            .await?;
        match (&operation.hub.answer, last) {
            (AnswerKind::File, Last::Stream(response)) => Ok(file(response, scope.target.name.take())),
            (AnswerKind::Empty, _) => Ok(Outcome::Empty),
            (AnswerKind::Record(_), Last::Json(answer, call)) => match call.answer.record.get(&answer) {
                Some(found) if found.is_object() => Ok(Outcome::Record(invocation.shape(found))),
                _ => Err(Error::new(Kind::ProviderFailed, "The provider's answer holds no record")),
            },
            (_, _) => Err(Error::internal(format!(
                "the mapping of `{}` answers in another form than its hub says",
                operation.hub.id()
            ))),
        }
    }

    /// The fields of the object, where the operation needs to know them.
    async fn described(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &Operation,
        invocation: &Invocation,
        scope: &CallScope<'_>,
    ) -> Result<std::sync::Arc<Vec<FieldDescription>>> {
        let wanted = operation.needs(Root::Select, "") && (invocation.native || operation.plan.open.is_some())
            || invocation.filter.is_some() && operation.object.is_some();
        let Some(object) = scope.object.as_ref().and_then(Value::as_str).filter(|_| wanted) else {
            return Ok(std::sync::Arc::default());
        };
        match self.describe(element, connection, object, invocation.deadline).await {
            // An account that may not describe still may read; then only the mapped fields are known.
            Err(error) if error.kind() == Kind::Forbidden && !invocation.native => Ok(std::sync::Arc::default()),
            described => described,
        }
    }

    /// Runs the steps; the last JSON answer with its call.
    pub(super) async fn steps_json<'o>(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &'o Operation,
        scope: &mut CallScope<'_>,
        deadline: Instant,
    ) -> Result<(Value, &'o Call)> {
        match self.steps(element, connection, operation, scope, &mut None, None, deadline).await? {
            Last::Json(answer, call) => Ok((answer, call)),
            Last::Stream(_) => Err(Error::internal(format!("the mapping of `{}` streams a list", operation.hub.id()))),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "everything one step may use; a struct would only rename them")]
    async fn steps<'o>(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &'o Operation,
        scope: &mut CallScope<'_>,
        upload: &mut Option<Prepared>,
        pass: Option<&HeaderMap>,
        deadline: Instant,
    ) -> Result<Last<'o>> {
        let mut last = None;
        for step in &operation.steps {
            if step.when.as_ref().is_some_and(|when| !when.holds(scope)) {
                continue;
            }
            let done = self.step(element, connection, operation, step, scope, upload, pass, deadline).await?;
            if let Last::Json(answer, _) = &done {
                scope.steps.insert(step.name.clone(), answer.clone());
            }
            last = Some(done);
        }
        last.ok_or_else(|| Error::bad_request("The request changes nothing that this element can change"))
    }

    #[expect(clippy::too_many_arguments, reason = "as `steps`")]
    async fn step<'o>(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &'o Operation,
        step: &'o Step,
        scope: &CallScope<'_>,
        upload: &mut Option<Prepared>,
        pass: Option<&HeaderMap>,
        deadline: Instant,
    ) -> Result<Last<'o>> {
        let first = step.calls.iter().find(|call| call.when.as_ref().is_none_or(|when| when.holds(scope)));
        let Some(first) = first else {
            return Err(Error::bad_request("The request asks for a combination that this element does not know"));
        };
        let mut result = self.one(element, connection, operation, first, scope, upload, pass, deadline).await;
        for call in &step.or_else {
            match &result {
                Err(error) if error.kind() == Kind::NotFound => {
                    if call.when.as_ref().is_none_or(|when| when.holds(scope)) {
                        result = self.one(element, connection, operation, call, scope, upload, pass, deadline).await;
                    }
                }
                _ => break,
            }
        }
        result
    }

    #[expect(clippy::too_many_arguments, reason = "as `steps`")]
    async fn one<'o>(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &'o Operation,
        call: &'o Call,
        scope: &CallScope<'_>,
        upload: &mut Option<Prepared>,
        pass: Option<&HeaderMap>,
        deadline: Instant,
    ) -> Result<Last<'o>> {
        if let Some(give) = &call.give {
            let value = give.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default();
            return Ok(Last::Json(value, call));
        }
        let pass = pass.filter(|_| call.answer.format == Format::Stream);
        let response = self.send(element, connection, call, scope, &operation.errors, upload, pass, deadline).await?;
        match (response, call.answer.format) {
            (None, _) | (Some(_), Format::None) => Ok(Last::Json(Value::Null, call)),
            (Some(response), Format::Stream) => Ok(Last::Stream(response)),
            (Some(response), Format::Json) => Ok(Last::Json(self.decode(response, deadline).await?, call)),
        }
    }
}

/// The provider-shaped record of the body.
fn record(operation: &Operation, invocation: &Invocation) -> Result<Value> {
    let Value::Object(body) = &invocation.body else {
        return Err(Error::bad_request("The body should be a JSON object").with_detail("", "should be an object"));
    };
    if invocation.native {
        return Ok(invocation.body.clone());
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
fn select(
    operation: &Operation,
    invocation: &Invocation,
    described: &[FieldDescription],
    parted: &Parted,
) -> Result<Value> {
    let mut names: Vec<String> = if invocation.native {
        match invocation.fields.as_slice() {
            [] => described.iter().map(|field| field.name.clone()).collect(),
            fields => fields.to_vec(),
        }
    } else {
        // A filter or an order made here needs every field it may name.
        let fields: &[String] =
            if parted.local.is_some() || !parted.local_order.is_empty() { &[] } else { &invocation.fields };
        let mut names = operation.plan.select(fields);
        let open = operation.plan.open.as_ref().map(|open| open.field.as_str());
        if open.is_some_and(|open| fields.is_empty() || fields.iter().any(|field| field == open)) {
            names.extend(described.iter().filter(|field| field.custom).map(|field| field.name.clone()));
        }
        names
    };
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.to_lowercase()));
    if names.is_empty() {
        // Nothing that was asked for is known: what is answered is empty, but a query needs something to ask for.
        names = operation.plan.select(&[]);
    }
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        return Err(Error::bad_request(format!("`{name}` is not the name of a field"))
            .with_detail("fields", "should be names separated by commas"));
    }
    Ok(Value::Array(names.into_iter().map(Value::String).collect()))
}

/// A streamed answer with the headers that pass.
fn file(response: Response, name: Option<String>) -> Outcome {
    let mut headers = HeaderMap::new();
    for name in PASSED {
        if let Some(value) = response.headers.get(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    Outcome::File { status: response.status, headers, body: response.body, name }
}

impl Outcome {
    /// The record, when it is one.
    pub fn record(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Record(record) => Some(record),
            _ => None,
        }
    }
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
