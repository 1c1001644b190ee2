//! The steps of an operation, one after the other: which of its calls each makes, and what became of it.

use http::HeaderMap;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Connection, Engine,
    abandon::Abandon,
    decode::Decoded,
    request::unfilled,
    scope::CallScope,
    send::kind_of_status,
    sign::signer,
    sink::{Sink, Written},
    upload::Prepared,
};
use crate::{
    catalog::{
        Authentication, Call, Element, Operation,
        call::{Format, Presign},
        operation::{Refusal, Step},
    },
    error::{Error, Kind, Result},
    mapping::time,
    upstream::Response,
};

/// What goes along with the steps of an operation.
#[derive(Default)]
pub(super) struct Along<'a, 'i> {
    /// The file of an upload.
    pub(super) upload: Option<Prepared>,
    /// Headers that pass to a streamed answer's call.
    pub(super) pass: Option<&'a HeaderMap>,
    /// Where records go that need no document.
    pub(super) sink: Option<&'a mut Sink<'i>>,
    /// What takes back the steps done so far.
    pub(super) undo: Option<Abandon>,
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

/// Fails with the first refusal that holds.
pub(super) fn refuse(refusals: &[Refusal], scope: &CallScope<'_>) -> Result<()> {
    match refusals.iter().find(|refusal| refusal.when.holds(scope)) {
        Some(refusal) => Err(Error::new(kind_of_status(refusal.status), refusal.message.clone())),
        None => Ok(()),
    }
}

impl Engine {
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
