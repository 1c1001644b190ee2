//! Gives a session up that will not be finished, also when its caller is gone.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    catalog::{Call, Element, Session},
    provider::{
        Connection, Engine,
        scope::{CallScope, Place},
    },
};

/// How long it may take.
const LONGEST: Duration = Duration::from_secs(20);

/// Gives the session up when it is dropped, unless it was finished.
pub(super) struct Abandon(Option<Open>);

/// What it takes to give it up, owned: the caller may be gone by then.
struct Open {
    engine: Engine,
    element: Arc<Element>,
    connection: Connection,
    call: Call,
    session: Value,
    target: Place,
    destination: Place,
    file: Map<String, Value>,
    steps: Map<String, Value>,
}

impl Abandon {
    pub(super) fn new(
        engine: &Engine,
        element: &Arc<Element>,
        connection: &Connection,
        session: &Session,
        scope: &CallScope<'_>,
    ) -> Self {
        Self(session.abort.as_ref().map(|call| Open {
            engine: engine.clone(),
            element: Arc::clone(element),
            connection: connection.clone(),
            call: call.clone(),
            session: scope.session.clone(),
            target: scope.target.clone(),
            destination: scope.destination.clone(),
            file: scope.file.clone(),
            steps: scope.steps.clone(),
        }))
    }

    /// The session is finished.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }

    /// Gives the session up and waits for it; the work goes on when nobody waits any more.
    pub(super) async fn now(mut self) {
        if let Some(open) = self.0.take()
            && tokio::spawn(open.abort()).await.is_err()
        {
            tracing::debug!("giving an upload session up was cut short");
        }
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if let (Some(open), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn(open.abort()));
        }
    }
}

impl Open {
    async fn abort(self) {
        let deadline = Instant::now() + LONGEST;
        let mut scope = CallScope::bare(&self.connection);
        scope.session = self.session;
        scope.target = self.target;
        scope.destination = self.destination;
        scope.file = self.file;
        scope.steps = self.steps;
        let mut upload = None;
        let sent =
            self.engine.send(&self.element, &self.connection, &self.call, &scope, &[], &mut upload, None, deadline);
        match tokio::time::timeout_at(deadline, sent).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "an upload session could not be given up"),
            Err(_) => tracing::debug!("an upload session could not be given up in time"),
        }
    }
}
