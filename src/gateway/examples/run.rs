//! Runs the examples of an element.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{answer, compare::Difference, format, invoke, play::Player};
use crate::{
    catalog::{Catalog, Element, Example, Hub, Operation, Problem, read::Problems},
    error::{Error, Result},
    provider::{Connection, Credentials, Engine, Limits, Outcome, Token},
};

/// Time for one example; nothing of it should ever wait.
const TIME: Duration = Duration::from_secs(60);

/// Runs every example; what is wrong with them.
pub(super) fn all(catalog: &Catalog, element: &Arc<Element>) -> Vec<Problem> {
    let Some(hub) = catalog.hub(&element.hub) else { return Vec::new() };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return vec![Problem {
                file: format!("elements/{}/examples", element.key),
                pointer: String::new(),
                message: format!("the examples cannot be run: {error}"),
                hint: None,
            }];
        }
    };
    let examples = element.examples.iter().filter(|example| element.operation(&example.operation).is_some());
    examples.flat_map(|example| runtime.block_on(one(hub, element, example))).collect()
}

async fn one(hub: &Arc<Hub>, element: &Arc<Element>, example: &Example) -> Vec<Problem> {
    let problems = Problems::default();
    let Some(recorded) = format::read(example, &problems) else { return problems.take() };
    let Some(known) = element.operation(&example.operation) else { return Vec::new() };
    let operation = match element.operation_at(&known.hub, &recorded.request.path) {
        Ok(operation) => operation,
        Err(why) => {
            return vec![Problem {
                file: example.file.clone(),
                pointer: format!("{}/request/path", example.pointer),
                message: format!("`{}` cannot do `{}` there: {why}", element.key, example.operation),
                hint: None,
            }];
        }
    };
    let player = Arc::new(Player::new(recorded.calls, format!("{}/calls", example.pointer)));
    let engine = Engine::new(
        Arc::clone(&player) as Arc<dyn crate::upstream::Transport>,
        Limits { quota_waits: 0, ..Limits::default() },
    );
    let connection = connection(element, &recorded.configuration, recorded.secrets);
    let outcome = Box::pin(pages(&engine, hub, element, &connection, &recorded.request, operation)).await;
    let (mut found, mut comparison) = player.finish();
    if found.is_empty() {
        let answer = &recorded.answer;
        let differences = answer::differences(answer, outcome, &mut comparison).await;
        found.extend(
            differences
                .into_iter()
                .map(|one| Difference { pointer: format!("{}{}", answer.pointer, one.pointer), ..one }),
        );
    } else if let Err(error) = &outcome
        && error.kind() != crate::error::Kind::Internal
    {
        // Calls were left out because the request was refused: that is the thing to say.
        found.push(Difference {
            pointer: recorded.answer.pointer.clone(),
            message: format!("the operation failed: {}", answer::told(error)),
        });
    }
    found
        .into_iter()
        .map(|one| Problem {
            file: example.file.clone(),
            pointer: one.pointer,
            message: format!("the example of `{}` fails: {}", example.operation, one.message),
            hint: None,
        })
        .collect()
}

/// Reads as many pages as the example wants, as one list.
async fn pages(
    engine: &Engine,
    hub: &Arc<Hub>,
    element: &Arc<Element>,
    connection: &Connection,
    request: &format::Request,
    operation: &Arc<Operation>,
) -> Result<Outcome> {
    let deadline = Instant::now() + TIME;
    let mut read: Vec<Map<String, Value>> = Vec::new();
    let mut position = None;
    for page in 1.. {
        let mut prepared = invoke::prepared(element, hub, operation, connection, request, deadline)?;
        if position.is_some() {
            prepared.invocation.page.drop = 0;
        }
        prepared.invocation.page.position = position;
        match Box::pin(engine.run(element, connection, &prepared.invocation, prepared.upload)).await?.opened()? {
            Outcome::Record(record) => return Ok(Outcome::Record(prepared.view.apply(record))),
            Outcome::List { items, next, total, remark } => {
                read.extend(items.into_iter().map(|item| prepared.view.apply(item)));
                if page >= request.pages || next.is_none() {
                    return Ok(Outcome::List { items: read, next, total, remark });
                }
                position = next;
            }
            other => return Ok(other),
        }
    }
    Err(Error::internal("no page"))
}

fn connection(element: &Element, configuration: &Map<String, Value>, secrets: Vec<(String, String)>) -> Connection {
    let mut effective = Map::new();
    for entry in element.configuration.iter().filter(|entry| !entry.secret) {
        if let Some(default) = &entry.default {
            effective.insert(entry.key.clone(), Value::String(default.clone()));
        }
    }
    effective.extend(configuration.clone());
    let secrets: BTreeMap<String, SecretString> =
        secrets.into_iter().map(|(key, secret)| (key, SecretString::from(secret))).collect();
    Connection { instance_id: 1, configuration: effective, secrets, credentials: Arc::new(Fixed) }
}

/// Gives `access-token`, and `access-token-2` after that was refused.
struct Fixed;

#[async_trait::async_trait]
impl Credentials for Fixed {
    async fn token(&self, _: Instant) -> Result<Token> {
        Ok(Token { secret: SecretString::from("access-token"), signer: None, generation: 1 })
    }

    async fn renew(&self, _: i64, _: Instant) -> Result<Token> {
        Ok(Token { secret: SecretString::from("access-token-2"), signer: None, generation: 2 })
    }
}
