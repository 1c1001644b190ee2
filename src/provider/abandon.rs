//! Takes back what was begun and will not be finished, also when its caller is gone.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Connection, Engine,
    rare::Rare,
    scope::{CallScope, Made, Place},
};
use crate::{
    catalog::{Call, Element},
    error::{Error, Kind},
};

/// How long it may take.
const LONGEST: Duration = Duration::from_secs(20);

/// Makes the calls that take back what was begun when it is dropped, unless all was finished.
pub(super) struct Abandon(Option<Box<Open>>);

/// What it takes to make them, owned: the caller may be gone by then.
struct Open {
    engine: Engine,
    element: Arc<Element>,
    connection: Connection,
    calls: Vec<(Call, Known)>,
}

/// What was known when a call was added.
struct Known {
    session: Rare<Value>,
    target: Rare<Place>,
    destination: Rare<Place>,
    file: Rare<Map<String, Value>>,
    steps: Rare<Map<String, Value>>,
    lookup: Rare<Map<String, Value>>,
    made: Arc<Made>,
}

/// What became of what had been begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// There was nothing to take back.
    Nothing,
    /// It is as it was.
    Back,
    /// Something of it is left.
    InPart,
}

impl Taken {
    /// Tells it with the error that led to it.
    pub(super) fn tell(self, error: Error) -> Error {
        let told = match self {
            Self::Nothing => return error,
            Self::Back => "what had been done by then has been taken back",
            Self::InPart => "not all that had been done by then could be taken back",
        };
        let told = format!("{}; {told}", error.public());
        error.reworded(told)
    }
}

impl Abandon {
    pub(super) fn new(engine: &Engine, element: &Arc<Element>, connection: &Connection) -> Self {
        Self(Some(Box::new(Open {
            engine: engine.clone(),
            element: Arc::clone(element),
            connection: connection.clone(),
            calls: Vec::new(),
        })))
    }

    /// `call` takes back what was done last.
    pub(super) fn add(&mut self, call: &Call, scope: &CallScope<'_>) {
        let Some(open) = &mut self.0 else { return };
        let known = Known {
            session: scope.session.clone(),
            target: scope.target.clone(),
            destination: scope.destination.clone(),
            file: scope.file.clone(),
            steps: scope.steps.clone(),
            lookup: scope.lookup.clone(),
            made: Arc::clone(&scope.made),
        };
        open.calls.push((call.clone(), known));
    }

    /// All is finished.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }

    /// Takes it back and waits for that; the work goes on when nobody waits any more.
    pub(super) async fn now(mut self) -> Taken {
        let Some(open) = self.0.take().filter(|open| !open.calls.is_empty()) else { return Taken::Nothing };
        tokio::spawn(open.take_back()).await.unwrap_or_else(|_| {
            tracing::debug!("taking back what was begun was cut short");
            Taken::InPart
        })
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        let open = self.0.take().filter(|open| !open.calls.is_empty());
        if let (Some(open), Ok(runtime)) = (open, tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn(open.take_back()));
        }
    }
}

impl Open {
    /// Makes the calls, the one added last first. One that fails holds none of the others up: each undoes its own. What
    /// is gone by itself needs no taking back.
    async fn take_back(self: Box<Self>) -> Taken {
        let Self { engine, element, connection, calls } = *self;
        let mut taken = Taken::Nothing;
        for (call, known) in calls.into_iter().rev() {
            let deadline = Instant::now() + LONGEST;
            let mut scope = CallScope::bare(&connection);
            scope.session = known.session;
            scope.target = known.target;
            scope.destination = known.destination;
            scope.file = known.file;
            scope.steps = known.steps;
            scope.lookup = known.lookup;
            scope.made = known.made;
            if call.when.as_ref().is_some_and(|when| !when.holds(&scope)) {
                continue;
            }
            let mut upload = None;
            let sent = engine.send(&element, &connection, &call, &scope, &[], &mut upload, None, deadline);
            let failed = match tokio::time::timeout_at(deadline, sent).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) if error.kind() == Kind::NotFound => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(late) => Some(late.to_string()),
            };
            if let Some(error) = &failed {
                tracing::debug!(%error, "what was begun could not be taken back");
            }
            taken = if failed.is_some() || taken == Taken::InPart { Taken::InPart } else { Taken::Back };
        }
        taken
    }
}
