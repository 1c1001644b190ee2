//! Goes over a tree or a long list within bounds, page by page, a few calls at a time.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Connection, Engine, Position,
    list::{items, next_position, set_page},
    request::unfilled,
    scope::CallScope,
};
use crate::{
    catalog::{Call, Element, Operation, walk::Walk},
    error::{Error, Kind, Result},
    mapping::ValueTemplate,
};

/// A folder to go into.
struct Folder {
    id: Value,
    /// What it was found as, where something is done on entering it.
    item: Option<Value>,
    /// What entering the folder above gave.
    entered: Arc<Value>,
    depth: u64,
}

/// What the calls of one walk share.
struct Walker<'a, 'c> {
    engine: &'a Engine,
    element: &'a Element,
    connection: &'c Connection,
    operation: &'a Operation,
    walk: &'a Walk,
    deadline: Instant,
}

impl Engine {
    /// Carries out `walk`: `{"items": […], "count": n}`, with the items where nothing is done with them.
    pub(super) async fn walk(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &Operation,
        walk: &Walk,
        scope: &CallScope<'_>,
        deadline: Instant,
    ) -> Result<Value> {
        let walker = Walker { engine: self, element, connection, operation, walk, deadline };
        walker.run(scope).await
    }
}

impl Walker<'_, '_> {
    async fn run(&self, scope: &CallScope<'_>) -> Result<Value> {
        let walk = self.walk;
        let first = |template: &Option<ValueTemplate>| -> Result<Value> {
            let Some(template) = template else { return Ok(Value::Null) };
            Ok(template.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default())
        };
        let start = Folder { id: first(&walk.start)?, item: None, entered: Arc::new(first(&walk.entered)?), depth: 0 };
        let mut folders = VecDeque::from([start]);
        let mut collected: Vec<Value> = Vec::new();
        let (mut seen, mut done) = (0_u64, 0_u64);
        while let Some(Folder { id, item, mut entered, depth }) = folders.pop_front() {
            if depth > walk.depth {
                let told = format!("The folder is more than {} folders deep", walk.depth);
                return Err(after(done, None, Error::bad_request(told)));
            }
            let mut scope = scope.fork();
            scope.walk.insert("folder".to_owned(), id);
            scope.walk.insert("entered".to_owned(), Value::clone(&entered));
            if let Some(item) = item {
                scope.walk.insert("item".to_owned(), item);
                if let Some(call) = walk.enter.iter().find(|call| holds(call, &scope)) {
                    entered = Arc::new(self.json(call, &scope).await.map_err(|error| after(done, None, error))?);
                    scope.walk.insert("entered".to_owned(), Value::clone(&entered));
                }
                scope.walk.remove("item");
            }
            let mut at =
                Position { page: walk.paging.as_ref().map_or(1_000, |paging| paging.max), ..Position::default() };
            loop {
                set_page(&mut scope, &at);
                let following = walk.paging.iter().flat_map(|paging| &paging.next);
                let next = following.filter(|_| at.cursor.is_some()).find(|call| holds(call, &scope));
                let call = next.unwrap_or(&walk.list);
                let answer = self.json(call, &scope).await.map_err(|error| after(done, None, error))?;
                let found = items(call, &answer, &scope)?;
                let count = found.len() as u64;
                seen += count;
                if seen > walk.max {
                    let told = format!("There are more than {} items, which is too many for one call", walk.max);
                    return Err(after(done, None, Error::bad_request(told)));
                }
                if let Some((test, path)) = &walk.folders {
                    for item in found.iter().filter(|item| test.holds(item)) {
                        let Some(id) = path.get(item).cloned() else { continue };
                        let item = (!walk.enter.is_empty()).then(|| item.clone());
                        folders.push_back(Folder { id, item, entered: Arc::clone(&entered), depth: depth + 1 });
                    }
                }
                if walk.calls.is_empty() {
                    collected.extend(found);
                } else if walk.pages {
                    if count > 0 {
                        let mut scope = scope.fork();
                        scope.walk.insert("items".to_owned(), Value::Array(found));
                        self.act(&scope).await.map_err(|error| after(done, None, error))?;
                        done += count;
                    }
                } else {
                    self.each(found, &scope, &mut done).await?;
                }
                match walk.paging.as_ref().and_then(|paging| next_position(paging, &answer, count, &at)) {
                    Some(position) => at = position,
                    None => break,
                }
            }
        }
        let mut answer = Map::new();
        answer.insert("items".to_owned(), Value::Array(collected));
        answer.insert("count".to_owned(), Value::from(seen));
        Ok(Value::Object(answer))
    }

    /// Makes the calls for each item, a few at a time; after a failure those under way are waited for, and no more made.
    async fn each(&self, found: Vec<Value>, scope: &CallScope<'_>, done: &mut u64) -> Result<()> {
        let mut scopes = Vec::with_capacity(found.len());
        for item in found {
            let mut scope = scope.fork();
            let mut name = None;
            if let Some((of, beginning)) = &self.walk.rest {
                let beginning = beginning.render(&scope).map_err(|error| unfilled(&error))?.unwrap_or_default();
                let text = of.get(&item).and_then(Value::as_str).unwrap_or_default();
                name = Some(text.to_owned());
                let rest = text.strip_prefix(&beginning).unwrap_or(text).to_owned();
                scope.walk.insert("rest".to_owned(), Value::String(rest));
            }
            scope.walk.insert("item".to_owned(), item);
            scopes.push((scope, name));
        }
        let mut failed: Option<(Option<String>, Error)> = None;
        let mut waiting = scopes.into_iter();
        let mut under_way = stream::FuturesUnordered::new();
        loop {
            while failed.is_none() && under_way.len() < self.walk.parallel {
                let Some((scope, name)) = waiting.next() else { break };
                under_way.push(async move { self.act(&scope).await.map_err(|error| (name, error)) });
            }
            match under_way.next().await {
                None => break,
                Some(Ok(())) => *done += 1,
                Some(Err(failure)) => failed = failed.or(Some(failure)),
            }
        }
        match failed {
            None => Ok(()),
            Some((name, error)) => Err(after(*done, name, error)),
        }
    }

    /// Makes the first of the calls whose `when` holds; an item that none is for is passed over.
    async fn act(&self, scope: &CallScope<'_>) -> Result<()> {
        match self.walk.calls.iter().find(|call| holds(call, scope)) {
            Some(call) => self.json(call, scope).await.map(drop),
            None => Ok(()),
        }
    }

    async fn json(&self, call: &Call, scope: &CallScope<'_>) -> Result<Value> {
        if let Some(give) = &call.give {
            return Ok(give.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default());
        }
        let rules = &self.operation.errors;
        self.engine.json(self.element, self.connection, call, scope, rules, self.deadline).await
    }
}

fn holds(call: &Call, scope: &CallScope<'_>) -> bool {
    call.when.as_ref().is_none_or(|when| when.holds(scope))
}

/// A failure in the middle of a walk, which says how far it came.
fn after(done: u64, name: Option<String>, error: Error) -> Error {
    let at = name.map_or_else(String::new, |name| format!(" at `{name}`"));
    if done == 0 && at.is_empty() {
        return error;
    }
    let told = format!("Carried out for {done} items, then it failed{at}: {}", error.public());
    // That an item is gone does not mean that the caller's is.
    if error.kind() == Kind::NotFound {
        return Error::new(Kind::ProviderFailed, told).with_source(error);
    }
    error.reworded(told)
}
