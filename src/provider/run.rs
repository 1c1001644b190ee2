//! One uniform call from its invocation to its outcome: the steps of an operation in order.

use std::sync::Arc;

use http::{HeaderMap, header};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Connection, Engine, FieldDescription, Invocation, Outcome, PageFacts, Upload,
    abandon::Abandon,
    decode::Decoded,
    filter::{Parted, part},
    parent::{self, Bound, elsewhere},
    request::unfilled,
    scope::{CallScope, Names},
    send::kind_of_status,
    sign::signer,
    sink::{Sink, Written},
    upload::{Prepared, prepare},
};
use crate::{
    catalog::{
        Authentication, Call, Element, Operation,
        call::{Format, Presign},
        hub::{AnswerKind, RequestKind},
        operation::{Refusal, Step},
        parents::Told,
    },
    error::{Error, Kind, Result},
    mapping::{Naming, Root, WriteMode, media, time},
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

/// What goes along with the steps of an operation.
#[derive(Default)]
pub(super) struct Along<'a, 'i> {
    /// The file of an upload.
    upload: Option<Prepared>,
    /// Headers that pass to a streamed answer's call.
    pass: Option<&'a HeaderMap>,
    /// Where records go that need no document.
    sink: Option<&'a mut Sink<'i>>,
    /// What takes back the steps done so far.
    undo: Option<Abandon>,
}

impl<'a, 'i> Along<'a, 'i> {
    /// Nothing but a place for records.
    pub(super) fn into(sink: Option<&'a mut Sink<'i>>) -> Self {
        Self { sink, ..Self::default() }
    }
}

/// What the last step of an operation gave.
pub(super) enum Last<'a> {
    Json(Value, &'a Call),
    /// The records are in the sink.
    Written(Written, &'a Call),
    Stream(Response, &'a Call),
}

impl Engine {
    /// Carries out `invocation` through `connection`, with the file of an upload.
    ///
    /// # Errors
    /// What the caller got wrong, or what the provider said, in uniform terms.
    pub async fn run(
        &self,
        element: &Arc<Element>,
        connection: &Connection,
        invocation: &Invocation,
        upload: Option<Upload>,
    ) -> Result<Outcome> {
        let operation = &*invocation.operation;
        let mut scope = CallScope::new(connection, invocation);
        begin(operation, invocation, &mut scope)?;
        // What most calls do not need has a place of its own below, so that the rest is moved about cheaply.
        let described = match to_describe(operation, invocation, &scope) {
            Some(object) => match self.known_fields(element, connection, object) {
                Ok(known) => known,
                Err(_) => Box::pin(self.described(element, connection, object, invocation)).await?,
            },
            None => Arc::default(),
        };
        let bound = self.bound(element, connection, invocation, &described, &scope).await?;
        if let Some(bound) = &bound {
            bound.attach(invocation, &mut scope)?;
        }
        let list;
        let parted = if matches!(operation.hub.answer, AnswerKind::List(_)) {
            list = Box::new(part(operation, invocation, &described, bound.as_deref())?);
            &*list
        } else {
            Parted::none()
        };
        scope.filter = parted.filter.clone().map(Box::new);
        scope.order = parted.order.clone().map(Box::new);
        scope.name_fields(operation, |naming| {
            select(operation, invocation, &described, parted, bound.as_deref(), naming)
        })?;
        if let Some(upload) = &upload {
            let mut tell =
                |key: &str, value: Option<Value>| value.map(|value| scope.file.insert(key.to_owned(), value));
            tell("size", upload.size.map(Value::from));
            tell("contentType", content_type(upload, invocation).map(|kind| Value::String(kind.to_owned())));
        }
        self.look_up(element, connection, operation, &mut scope, invocation.deadline).await?;
        if operation.hub.target.is_some() {
            Box::pin(self.locate(element, connection, invocation, &mut scope)).await?;
        }
        refuse(&operation.refuse, &scope)?;
        if matches!(operation.hub.answer, AnswerKind::List(_)) {
            return Box::pin(self.list(element, connection, invocation, scope, parted)).await;
        }
        let checked = bound.filter(|bound| bound.is_checked(invocation));
        if let Some(bound) = checked.as_ref().filter(|bound| !bound.is_told_by(invocation)) {
            Box::pin(self.belongs(element, connection, invocation, bound, &scope)).await?;
        }
        let (upload, cut_off) = match upload {
            Some(upload) => {
                let session = operation.steps.iter().find_map(|step| step.session.as_deref());
                let (upload, cut_off) = prepare(upload, session, element).await?;
                if let Prepared::Small(bytes) = &upload {
                    scope.file.insert("size".to_owned(), bytes.len().into());
                }
                (Some(upload), Some(cut_off))
            }
            None => (None, None),
        };
        let told_here = checked.filter(|bound| bound.is_told_by(invocation));
        // Whose record it is, is seen in the document.
        let mut sink = if told_here.is_some() { None } else { self.sink(invocation, parted, &scope) };
        let undo = operation.steps.iter().any(|step| step.undo.is_some());
        let undo = undo.then(|| Abandon::new(self, element, connection));
        let mut along = Along { upload, pass: Some(&invocation.pass), sink: sink.as_mut(), undo };
        let last = self.steps(element, connection, operation, &mut scope, &mut along, invocation.deadline).await;
        let last = match (last, along.undo) {
            (Err(error), Some(undo)) => Err(undo.now().await.tell(error)),
            (last, Some(undo)) => {
                undo.keep();
                last
            }
            (last, None) => last,
        };
        let last = last.map_err(|error| match &cut_off {
            Some(cut_off) => cut_off.explain(error),
            None => error,
        })?;
        match (&operation.hub.answer, last) {
            (AnswerKind::File, Last::Stream(response, call)) => {
                let told = call.answer.file_name.as_ref().map(|name| name.render(&scope));
                let told = told.transpose().map_err(|error| unfilled(&error))?.flatten();
                Ok(file(response, scope.target.take().name.or(told)))
            }
            (AnswerKind::Empty, _) => Ok(Outcome::Empty),
            (AnswerKind::Record(_), Last::Written(..)) => {
                let json = sink.map(Sink::record).unwrap_or_default().into();
                Ok(Outcome::Text { json, page: None })
            }
            (AnswerKind::Record(_), Last::Json(answer, call)) => match call.answer.record.get(&answer) {
                Some(found) if found.is_object() => {
                    if told_here.is_some_and(|bound| !bound.holds(found)) {
                        return Err(elsewhere(invocation));
                    }
                    let mut records = [invocation.shape(found, &scope)];
                    let items = std::slice::from_ref(found);
                    self.add_paths(element, connection, invocation, &scope, items, &mut records).await?;
                    let [record] = records;
                    Ok(Outcome::Record(record))
                }
                _ => Err(Error::new(Kind::ProviderFailed, "The provider's answer holds no record")),
            },
            (_, _) => Err(Error::internal(format!(
                "the mapping of `{}` answers in another form than its hub says",
                operation.hub.id()
            ))),
        }
    }

    /// Where the records of `invocation` go, when they need no document.
    pub(super) fn sink<'i>(
        &self,
        invocation: &'i Invocation,
        parted: &Parted,
        scope: &CallScope<'_>,
    ) -> Option<Sink<'i>> {
        if self.limits.documents { None } else { Sink::of(invocation, parted, scope) }
    }

    /// The fields of `object`, which the operation needs to know.
    async fn described(
        &self,
        element: &Element,
        connection: &Connection,
        object: &str,
        invocation: &Invocation,
    ) -> Result<Arc<Vec<FieldDescription>>> {
        match self.describe(element, connection, object, invocation.deadline).await {
            // An account that may not describe still may read; then only the mapped fields are known.
            Err(error) if error.kind() == Kind::Forbidden && !invocation.native => Ok(Arc::default()),
            described => described,
        }
    }

    /// Runs the steps; what the last one gave.
    pub(super) async fn steps<'o>(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &'o Operation,
        scope: &mut CallScope<'_>,
        along: &mut Along<'_, '_>,
        deadline: Instant,
    ) -> Result<Last<'o>> {
        let mut last = None;
        for step in &operation.steps {
            if step.when.as_ref().is_some_and(|when| !when.holds(scope)) {
                continue;
            }
            refuse(&step.refuse, scope)?;
            if let Some(walk) = &step.walk {
                let answer = Box::pin(self.walk(element, connection, operation, walk, scope, deadline)).await?;
                scope.steps.insert(step.name.clone(), answer.clone());
                last = Some(Last::Json(answer, &walk.list));
            } else {
                let done = self.step(element, connection, operation, step, scope, along, deadline).await?;
                if let Last::Json(answer, _) = &done {
                    scope.steps.insert(step.name.clone(), answer.clone());
                }
                last = Some(done);
            }
            if let (Some(call), Some(undo)) = (&step.undo, &mut along.undo) {
                undo.add(call, scope);
            }
        }
        last.ok_or_else(|| Error::bad_request("The request changes nothing that this element can change"))
    }

    #[expect(clippy::too_many_arguments, reason = "everything one step may use; a struct would only rename them")]
    async fn step<'o>(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &'o Operation,
        step: &'o Step,
        scope: &mut CallScope<'_>,
        along: &mut Along<'_, '_>,
        deadline: Instant,
    ) -> Result<Last<'o>> {
        if let (Some(session), Some(Prepared::Parts(file))) = (&step.session, along.upload.as_mut()) {
            let file = file.take().ok_or_else(|| Error::internal("a file was to be sent twice"))?;
            let sent = Box::pin(self.in_parts(connection, operation, session, scope, *file, deadline)).await?;
            return Ok(Last::Json(sent.0, sent.1));
        }
        let scope = &*scope;
        let first = step.calls.iter().find(|call| call.when.as_ref().is_none_or(|when| when.holds(scope)));
        let Some(first) = first else {
            return Err(Error::bad_request("The request asks for a combination that this element does not know"));
        };
        let mut result = self.one(element, connection, operation, first, scope, along, deadline).await;
        for call in &step.or_else {
            match &result {
                Err(error) if error.kind() == Kind::NotFound => {
                    if call.when.as_ref().is_none_or(|when| when.holds(scope)) {
                        result = self.one(element, connection, operation, call, scope, along, deadline).await;
                    }
                }
                _ => break,
            }
        }
        result
    }

    #[expect(clippy::too_many_arguments, reason = "as `step`")]
    pub(super) async fn one<'o>(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &'o Operation,
        call: &'o Call,
        scope: &CallScope<'_>,
        along: &mut Along<'_, '_>,
        deadline: Instant,
    ) -> Result<Last<'o>> {
        if let Some(give) = &call.give {
            let value = give.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default();
            return Ok(Last::Json(value, call));
        }
        if let Some(wait) = &call.wait {
            let settled = self.settled(element, connection, call, wait, scope, &operation.errors, deadline);
            let done = Box::pin(settled).await?;
            return Ok(Last::Json(done, call));
        }
        if let Some(presign) = &call.presign {
            let link = self.presign(element, connection, call, presign, scope, deadline)?;
            return Ok(Last::Json(link, call));
        }
        let rules = &operation.errors;
        let pass = along.pass.filter(|_| call.answer.format == Format::Stream);
        let response = self.send(element, connection, call, scope, rules, &mut along.upload, pass, deadline).await?;
        match (response, call.answer.format) {
            (None, _) => Ok(Last::Json(Value::Null, call)),
            (Some(response), Format::Stream) => Ok(Last::Stream(response, call)),
            (Some(response), _) => {
                let sink = along.sink.as_deref_mut();
                match self.decode_into(element, connection, call, scope, rules, response, sink, deadline).await? {
                    Decoded::Document(document) => Ok(Last::Json(document, call)),
                    Decoded::Written(written) => Ok(Last::Written(written, call)),
                }
            }
        }
    }
}

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

/// What an upload is: as its sender says, or, where that says nothing, as the file's name tells.
fn content_type<'a>(upload: &'a Upload, invocation: &Invocation) -> Option<&'a str> {
    let given = upload.content_type.as_deref();
    if let Some(given) = given.filter(|given| !media::is_vague(given)) {
        return Some(given);
    }
    let path = invocation.query.get("path").and_then(Value::as_str);
    path.and_then(media::of_name).or(given)
}

/// Fails with the first refusal that holds.
fn refuse(refusals: &[Refusal], scope: &CallScope<'_>) -> Result<()> {
    match refusals.iter().find(|refusal| refusal.when.holds(scope)) {
        Some(refusal) => Err(Error::new(kind_of_status(refusal.status), refusal.message.clone())),
        None => Ok(()),
    }
}

impl Engine {
    /// A link that makes `call` with the instance's signature: `url`, and when it ends (`expires`).
    fn presign(
        &self,
        element: &Element,
        connection: &Connection,
        call: &Call,
        presign: &Presign,
        scope: &CallScope<'_>,
        deadline: Instant,
    ) -> Result<Value> {
        let request = self.request(element, connection, call, scope, deadline)?;
        let now = chrono::Utc::now();
        let longest = i64::try_from(presign.seconds).unwrap_or(i64::MAX);
        let wrong = |detail: String| Error::bad_request("Invalid link expiration date.").with_detail("expires", detail);
        let until = match &presign.until {
            Some(until) => until.render(scope).map_err(|error| unfilled(&error))?,
            None => None,
        };
        let seconds = match until {
            None => longest,
            Some(until) => {
                let until = time::parse(&until).ok_or_else(|| wrong("should be a date like 2030-01-31".to_owned()))?;
                let seconds = (until - now).num_seconds();
                if seconds <= 0 {
                    return Err(wrong("should be in the future".to_owned()));
                }
                if seconds > longest {
                    return Err(wrong(format!("should be within {} days", presign.seconds / 86_400)));
                }
                seconds
            }
        };
        let Authentication::AwsSignature4(spec) = element.authentication.of(&connection.configuration) else {
            return Err(Error::internal(format!("element `{}` does not sign its calls", element.key)));
        };
        let signer = signer(connection, spec)?;
        let url = signer.presign(&request.method, request.url, now, u64::try_from(seconds).unwrap_or_default());
        let expires = time::rfc3339(now + chrono::TimeDelta::seconds(seconds));
        Ok(serde_json::json!({"url": url.as_str(), "expires": expires}))
    }
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
    /// The outcome with records that are text made documents again.
    ///
    /// # Errors
    /// When the text is not what it should be.
    pub fn opened(self) -> Result<Self> {
        Ok(match self {
            Self::Text { json, page: None } => Self::Record(serde_json::from_slice(&json).map_err(Error::internal)?),
            Self::Text { json, page: Some(PageFacts { next, total, remark, .. }) } => {
                Self::List { items: serde_json::from_slice(&json).map_err(Error::internal)?, next, total, remark }
            }
            other => other,
        })
    }

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
