//! Reads again the items of a list that the provider tells incompletely, a few at a time or many a call.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::{Connection, Engine, Invocation, list, scope::CallScope};
use crate::{
    catalog::{
        Element, Operation,
        wait::{Batch, Beside, Complete},
    },
    error::{Kind, Result},
    mapping::{Line, Path, condition::Match, path::Step},
    query::{self, Expr, eval},
};

/// Items read at the same time.
const AT_ONCE: usize = 8;

impl Engine {
    /// The items of a page, each complete; one that is gone by now, or that `local` leaves out for what is known of it
    /// already, is left out.
    pub(super) async fn completed(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        local: Option<&Expr>,
        scope: &CallScope<'_>,
        mut items: Vec<Value>,
    ) -> Result<Vec<Value>> {
        let (operation, deadline) = (&*invocation.operation, invocation.deadline);
        let Some(complete) = &operation.complete else { return Ok(items) };
        if complete.call.when.as_ref().is_some_and(|when| !when.holds(scope)) {
            return Ok(items);
        }
        let local = local.filter(|_| !invocation.native).zip(complete.beside.as_ref());
        if let Some(known) = local.and_then(|(local, beside)| known_before(operation, &beside.member, local)) {
            items.retain(|item| eval::matches(&known, &Value::Object(operation.plan.read(item, true, false))));
        }
        let reader = Reader { engine: self, element, connection, operation, complete, list: scope, deadline };
        let batch = complete.beside.as_ref().and_then(|beside| Some((beside, beside.batch.as_ref()?)));
        if let Some((beside, batch)) = batch {
            return reader.batches(beside, batch, items).await;
        }
        let read: Vec<Option<Value>> =
            stream::iter(items.into_iter().map(|item| reader.one(item))).buffered(AT_ONCE).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }
}

/// What the calls that complete one page share.
struct Reader<'a, 'c> {
    engine: &'a Engine,
    element: &'a Element,
    connection: &'c Connection,
    operation: &'a Operation,
    complete: &'a Complete,
    list: &'a CallScope<'c>,
    deadline: Instant,
}

impl Reader<'_, '_> {
    fn wants(&self, item: &Value) -> bool {
        self.complete.items.as_ref().is_none_or(|incomplete| incomplete.holds(item))
    }

    /// What the provider tells of an item, or of several.
    async fn ask(&self, item: Value) -> Result<Value> {
        let mut scope = CallScope::bare(self.connection);
        scope.lookup.clone_from(&self.list.lookup);
        scope.object.clone_from(&self.list.object);
        scope.select.clone_from(&self.list.select);
        scope.members.clone_from(&self.list.members);
        scope.item = Some(Box::new(item));
        let (call, rules) = (&self.complete.call, &self.operation.errors);
        self.engine.json(self.element, self.connection, call, &scope, rules, self.deadline).await
    }

    /// One item with a call of its own; none when it is gone.
    async fn one(&self, mut item: Value) -> Result<Option<Value>> {
        if !self.wants(&item) {
            return Ok(Some(item));
        }
        match self.ask(item.clone()).await {
            Ok(answer) => {
                let record = self.complete.call.answer.record.get(&answer);
                let Some(beside) = &self.complete.beside else { return Ok(record.cloned()) };
                put(&mut item, beside, record);
                Ok(Some(item))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Many items a call. Where one of them is gone the provider tells of none, and its batch stays as it is.
    async fn batches(&self, beside: &Beside, batch: &Batch, mut items: Vec<Value>) -> Result<Vec<Value>> {
        let wanted: Vec<Value> = items.iter().filter(|item| self.wants(item)).cloned().collect();
        let ask = |items: &[Value]| {
            let items = Value::Array(items.to_vec());
            async move {
                match self.ask(items).await {
                    Ok(answer) => list::items(&self.complete.call, &answer, &CallScope::bare(self.connection)),
                    Err(error) if error.kind() == Kind::NotFound => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            }
        };
        let asked: Vec<_> = wanted.chunks(batch.size).map(ask).collect();
        let told: Vec<Vec<Value>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let name = |path: &Path, value: &Value| path.get(value).and_then(Value::as_str).map(str::to_lowercase);
        let told: HashMap<String, Value> =
            told.into_iter().flatten().filter_map(|told| Some((name(&batch.answer, &told)?, told))).collect();
        for item in items.iter_mut().filter(|item| self.wants(item)) {
            let found = name(&batch.item, item).and_then(|name| told.get(&name));
            put(item, beside, found);
        }
        Ok(items)
    }
}

/// What of a filter asks for nothing that is read from `member`, which the items do not have yet.
fn known_before(operation: &Operation, member: &str, filter: &Expr) -> Option<Expr> {
    let known = |path: &Path| match path.steps().and_then(<[_]>::first) {
        Some(Step::Key(first)) => first != member,
        _ => false,
    };
    let known = |field: &str| {
        let mut lines = operation.plan.lines.iter().filter(|line| line.name == field).peekable();
        let told = |line: &Line| known(&line.path) && line.when.iter().flat_map(Match::paths).all(known);
        lines.peek().is_some() && lines.all(told)
    };
    let all_known = |part: &Expr| {
        let mut all = true;
        part.visit_fields(&mut |field| all &= known(field));
        all
    };
    query::split(filter.clone(), &all_known).0
}

/// Puts what was told of an item into it.
fn put(item: &mut Value, beside: &Beside, told: Option<&Value>) {
    let value = told.and_then(|told| beside.value.get(told));
    if let (Some(value), Value::Object(members)) = (value, item) {
        members.insert(beside.member.clone(), value.clone());
    }
}
