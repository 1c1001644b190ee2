//! Sends a large file in parts: opens a session, sends part after part, resumes what broke off, closes the session.
//!
//! At most one part is held in memory. A part that did not get through is sent again from where the provider says it
//! arrived; whatever ends the upload early, the caller's hanging up too, gives the session up.

mod part;
mod reader;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use self::part::{Beat, Hashes};
pub(super) use self::{
    part::PartBody,
    reader::{Chunk, Reader, broken, wrong_size},
};
use super::{Connection, Engine, abandon::Abandon, request::unfilled, scope::CallScope, upload::Prepared};
use crate::{
    catalog::{
        Call, Element, Operation, Session,
        session::{MAX_PART_BYTES, PartSize},
    },
    error::{Error, Kind, Result},
    mapping::Root,
};

/// How often one part is sent (or its status asked for) before the upload fails; any progress starts anew.
const ATTEMPTS: u32 = 6;
/// The pause after the first failure; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause, whatever the provider asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a part may stand still, and how long one of the other calls may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the provider may take to put the file together.
const FINISHING: Duration = Duration::from_secs(600);

/// What all steps of one session use.
struct Run<'a, 'o> {
    engine: &'a Engine,
    element: &'a Arc<Element>,
    connection: &'a Connection,
    operation: &'a Operation,
    session: &'o Session,
    deadline: Instant,
}

/// What came of a part.
enum Sent {
    /// The provider has it, and answered this.
    Part(Value),
    /// The provider has the file.
    File(Value),
}

/// A file on its way in parts.
pub(super) struct InParts {
    /// The element, for what outlives the call.
    pub(super) element: Arc<Element>,
    /// The file.
    pub(super) reader: Reader,
    /// The size of parts, over the mapping's.
    pub(super) part_size: Option<u64>,
}

impl Engine {
    /// Sends the file in parts; the answer that is the file, and its call.
    pub(super) async fn in_parts<'o>(
        &self,
        connection: &Connection,
        operation: &Operation,
        session: &'o Session,
        scope: &mut CallScope<'_>,
        file: InParts,
        deadline: Instant,
    ) -> Result<(Value, &'o Call)> {
        let InParts { element, mut reader, part_size } = file;
        let run = Run { engine: self, element: &element, connection, operation, session, deadline };
        if let Some(size) = reader.size() {
            scope.file.insert("size".to_owned(), size.into());
        }
        let start = pick(&session.start, scope)?;
        *scope.session = run.json(start, scope).await?;
        let mut abandon = Abandon::new(self, &element, connection);
        if let Some(abort) = &session.abort {
            abandon.add(abort, scope);
        }
        match run.file(scope, &mut reader, part_size).await {
            Ok(done) => {
                abandon.keep();
                Ok(done)
            }
            Err(error) => {
                abandon.now().await;
                Err(error)
            }
        }
    }
}

impl<'o> Run<'_, 'o> {
    async fn file(
        &self,
        scope: &mut CallScope<'_>,
        reader: &mut Reader,
        part_size: Option<u64>,
    ) -> Result<(Value, &'o Call)> {
        let size = match (part_size, &self.session.size) {
            (_, PartSize::Given(reference)) => {
                self.given_size(reference.value(scope).and_then(|size| size.as_u64()))?
            }
            (Some(size), PartSize::Fixed(_)) => size,
            (None, PartSize::Fixed(size)) => *size,
        };
        if let Some(whole) = reader.size()
            && whole.div_ceil(size.max(1)) > self.session.most
        {
            return Err(too_many_parts(size.saturating_mul(self.session.most)));
        }
        let size = usize::try_from(size).map_err(Error::internal)?;
        let mut hashes = Hashes::wanted(self.session, Root::File);
        let (mut offset, mut number) = (0, 0);
        let mut parts = Vec::new();
        let last = loop {
            let Chunk { bytes, last } = reader.next(size).await?;
            number += 1;
            if number > self.session.most {
                return Err(too_many_parts(offset));
            }
            hashes.update(&bytes);
            let next = offset + bytes.len() as u64;
            if last {
                scope.file.insert("size".to_owned(), next.into());
            }
            let sent = self.part(scope, bytes, offset, number, last).await?;
            offset = next;
            match sent {
                Sent::File(file) if last => break Some(file),
                Sent::File(_) => return Err(failed("The provider took the file for complete before its end")),
                Sent::Part(answer) => {
                    *scope.answer = answer;
                    for collect in &self.session.collect {
                        if let Some(kept) = collect.render(scope).map_err(|error| unfilled(&error))? {
                            parts.push(kept);
                            break;
                        }
                    }
                }
            }
            if last {
                break None;
            }
        };
        hashes.tell(&mut scope.file);
        *scope.parts = Value::Array(parts);
        if !self.session.finish.is_empty() {
            return self.finish(scope).await;
        }
        match last {
            Some(file) => Ok((file, &self.session.part)),
            None if self.session.done.is_none() => Ok((scope.answer.take(), &self.session.part)),
            None => Err(failed("The provider has every part, but does not say that the file is complete")),
        }
    }

    fn given_size(&self, size: Option<u64>) -> Result<u64> {
        let size = size.map(|size| size / self.session.align * self.session.align).filter(|size| *size > 0);
        match size {
            Some(size) if size <= MAX_PART_BYTES => Ok(size),
            Some(size) => Err(failed(format!("The provider wants parts of {size} bytes, which are too large"))),
            None => Err(failed("The provider does not say how large the parts have to be")),
        }
    }

    /// Sends `bytes`, as often as it takes, until the provider has all of them.
    async fn part(
        &self,
        scope: &mut CallScope<'_>,
        bytes: Bytes,
        offset: u64,
        number: u64,
        last: bool,
    ) -> Result<Sent> {
        let (mut rest, mut at, mut attempt, mut unsure) = (bytes, offset, 1, false);
        loop {
            let ask = self.session.status.as_ref().filter(|_| unsure);
            let answered = match ask {
                Some(status) => self.json(status, scope).await,
                None => {
                    self.describe(scope, &rest, at, number, last);
                    self.send(scope, &rest).await
                }
            };
            let error = match answered {
                Ok(answer) => {
                    if self.session.done.as_ref().is_some_and(|done| done.holds(&answer)) {
                        return Ok(Sent::File(answer));
                    }
                    let next = at + rest.len() as u64;
                    let arrived = self
                        .session
                        .arrived
                        .as_ref()
                        .and_then(|arrived| arrived.read(&answer, ask.is_some(), at, next));
                    match arrived {
                        None if ask.is_some() => return Err(failed("The provider does not say what has arrived")),
                        None => return Ok(Sent::Part(answer)),
                        Some(arrived) if arrived > next || arrived < at => {
                            return Err(failed("The provider has other bytes of the file than were sent"));
                        }
                        // All of it is there; of the last part the answer that is the file may have been lost.
                        Some(arrived) if arrived == next && !(last && self.wants_file()) => {
                            return Ok(Sent::Part(answer));
                        }
                        Some(arrived) if arrived > at && arrived < next => {
                            rest = rest.slice(usize::try_from(arrived - at).map_err(Error::internal)?..);
                            (at, attempt, unsure) = (arrived, 1, false);
                            continue;
                        }
                        // Nothing of it is there: it was lost on the way, and is sent once more.
                        Some(arrived) if arrived == at && ask.is_some() => {
                            unsure = false;
                            continue;
                        }
                        Some(arrived) => {
                            unsure = arrived == next;
                            failed("The provider does not take the file's bytes")
                        }
                    }
                }
                Err(error) => {
                    if !passes(&error) {
                        return Err(lost(error));
                    }
                    unsure = true;
                    error
                }
            };
            let pause = error.retry_after().unwrap_or_else(|| PAUSE * 2_u32.pow(attempt - 1)).min(LONGEST_PAUSE);
            if attempt >= ATTEMPTS || Instant::now() + pause >= self.deadline {
                return Err(error);
            }
            tracing::debug!(%error, part = number, attempt, "a part of an upload is tried again after a pause");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Whether the answer to the last part is the file.
    fn wants_file(&self) -> bool {
        self.session.finish.is_empty() && self.session.done.is_some()
    }

    fn describe(&self, scope: &mut CallScope<'_>, bytes: &Bytes, at: u64, number: u64, last: bool) {
        let size = bytes.len() as u64;
        let mut hashes = Hashes::wanted(self.session, Root::Chunk);
        hashes.update(bytes);
        scope.chunk.clear();
        let mut put = |name: &str, value: Value| scope.chunk.insert(name.to_owned(), value);
        put("offset", at.into());
        put("size", size.into());
        put("end", (at + size).saturating_sub(1).into());
        put("next", (at + size).into());
        put("number", number.into());
        put("index", number.saturating_sub(1).into());
        put("last", last.into());
        hashes.tell(&mut scope.chunk);
    }

    async fn send(&self, scope: &CallScope<'_>, bytes: &Bytes) -> Result<Value> {
        let beat = Beat::new();
        let mut upload = Some(Prepared::Part(PartBody { bytes: bytes.clone(), beat: beat.clone() }));
        let call = &self.session.part;
        let sent = async {
            let rules = &self.operation.errors;
            let (element, connection) = (self.element, self.connection);
            let response =
                self.engine.send(element, connection, call, scope, rules, &mut upload, None, self.deadline).await?;
            match response {
                Some(response) => {
                    self.engine.decode(element, connection, call, scope, rules, response, self.soon()).await
                }
                None => Ok(Value::Null),
            }
        };
        tokio::select! {
            answer = sent => answer,
            () = beat.silent_for(PATIENCE) => {
                Err(Error::new(Kind::ProviderTimeout, "The provider stopped taking the file"))
            }
        }
    }

    async fn finish(&self, scope: &CallScope<'_>) -> Result<(Value, &'o Call)> {
        let call = pick(&self.session.finish, scope)?;
        let until = self.deadline.min(Instant::now() + FINISHING);
        loop {
            let (element, rules) = (self.element, &self.operation.errors);
            let deadline = until.min(self.soon());
            let sent =
                self.engine.send(element, self.connection, call, scope, rules, &mut None, None, deadline).await?;
            let Some(response) = sent else { return Ok((Value::Null, call)) };
            if self.session.again.contains(&response.status.as_u16()) {
                let asked = super::send::retry_after(&response.headers);
                let pause = asked.unwrap_or(Duration::from_secs(1)).clamp(PAUSE, LONGEST_PAUSE);
                if Instant::now() + pause >= until {
                    let late = "The provider did not put the file together in time";
                    return Err(Error::new(Kind::ProviderTimeout, late));
                }
                tokio::time::sleep(pause).await;
                continue;
            }
            let answer = self.engine.decode(element, self.connection, call, scope, rules, response, deadline).await?;
            return match &self.session.done {
                Some(done) if !done.holds(&answer) => Err(failed("The provider did not confirm the whole file")),
                _ => Ok((answer, call)),
            };
        }
    }

    async fn json(&self, call: &Call, scope: &CallScope<'_>) -> Result<Value> {
        self.engine.json(self.element, self.connection, call, scope, &self.operation.errors, self.soon()).await
    }

    /// The end of a call that moves no file.
    fn soon(&self) -> Instant {
        self.deadline.min(Instant::now() + PATIENCE)
    }
}

/// The first call whose `when` holds.
fn pick<'c>(calls: &'c [Call], scope: &CallScope<'_>) -> Result<&'c Call> {
    calls.iter().find(|call| call.when.as_ref().is_none_or(|when| when.holds(scope))).ok_or_else(|| {
        Error::bad_request("The request asks for a combination that this element does not know for large files")
    })
}

/// Whether a failure may pass when the part is sent again.
fn passes(error: &Error) -> bool {
    let status = error.provider().map(|fault| fault.status);
    match error.kind() {
        Kind::ProviderUnreachable | Kind::ProviderTimeout | Kind::ProviderDown | Kind::TooManyRequests => true,
        Kind::ProviderFailed => status.is_some_and(|status| status >= 500 || status == 408),
        _ => false,
    }
}

/// A session that the provider no longer knows is not a file that is not there.
fn lost(error: Error) -> Error {
    if error.kind() != Kind::NotFound {
        return error;
    }
    let provider = error.provider().cloned();
    let told = Error::new(Kind::ProviderFailed, "The provider gave the upload up; please send the file once more");
    match provider {
        Some(fault) => told.with_provider(fault),
        None => told.with_source(error.to_string()),
    }
}

fn failed(public: impl Into<String>) -> Error {
    Error::new(Kind::ProviderFailed, public)
}

fn too_many_parts(most: u64) -> Error {
    Error::new(Kind::PayloadTooLarge, format!("This element takes files of at most {most} bytes"))
}
