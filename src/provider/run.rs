//! One uniform call from its invocation to its outcome: the steps of an operation in order.

use std::sync::Arc;

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::{
    Connection, Engine, FieldDescription, Invocation, Outcome, PageFacts, Upload,
    abandon::Abandon,
    begin::{begin, select, to_describe},
    filter::{Parted, part},
    parent::elsewhere,
    request::unfilled,
    scope::CallScope,
    sink::Sink,
    steps::{Along, Last, refuse},
    upload::{Prepared, prepare},
};
use crate::{
    catalog::{Element, hub::AnswerKind},
    error::{Error, Kind, Result},
    mapping::media,
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
