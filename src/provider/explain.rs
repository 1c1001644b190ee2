//! What a call would ask of the provider, told without asking it.
//!
//! The steps are those of a real call, with a scope in which what only the provider could tell stays open: a reference to
//! it stands for itself, and a condition on it is shown instead of decided.

use serde_json::{Map, Value, json};

use super::{
    Connection, Engine, FieldDescription, Invocation, Position,
    begin::{begin, select, to_describe},
    filter::{Parted, part},
    list::{MAX_PAGES, beginning, page_size, set_page},
    parent::{Bound, bind},
    scope::{CallScope, Names, Open},
    send::kind_of_status,
};
use crate::{
    catalog::{
        Call, Element, Operation,
        hub::AnswerKind,
        operation::{Paging, Refusal, Step},
        parents::Told,
        walk::Walk,
    },
    error::{Error, Result},
    mapping::Condition,
    query::Direction,
};

mod places;
mod shown;

/// What is gathered of one call.
struct Account<'a> {
    engine: &'a Engine,
    element: &'a Element,
    connection: &'a Connection,
    invocation: &'a Invocation,
    calls: Vec<Value>,
    refusals: Vec<Value>,
}

/// What is told of a call besides what it sends.
#[derive(Default)]
struct Remark<'a> {
    /// What it is for.
    purpose: &'a str,
    /// The name of its step, by which later calls refer to its answer.
    step: Option<&'a str>,
    /// The conditions it hangs on.
    when: Vec<Value>,
    /// How often it is made, where that is not once.
    repeated: Option<String>,
}

impl Engine {
    /// What `invocation` would ask of the provider. Nothing is asked.
    ///
    /// # Errors
    /// What the caller got wrong.
    pub fn explain(&self, element: &Element, connection: &Connection, invocation: &Invocation) -> Result<Value> {
        let operation = &*invocation.operation;
        let mut scope = CallScope::new(connection, invocation);
        scope.open = Some(Open::default());
        begin(operation, invocation, &mut scope)?;
        let mut account =
            Account { engine: self, element, connection, invocation, calls: Vec::new(), refusals: Vec::new() };
        let (described, complete) = account.described(&scope)?;
        let lists = matches!(operation.hub.answer, AnswerKind::List(_));
        let bound = account.bound(&described, complete, &scope)?;
        if let Some(bound) = &bound {
            bound.attach(invocation, &mut scope)?;
        }
        let parted = if lists { part(operation, invocation, &described, bound.as_deref())? } else { Parted::default() };
        scope.filter = parted.filter.clone().map(Box::new);
        scope.order = parted.order.clone().map(Box::new);
        if !complete && invocation.native && invocation.fields.is_empty() {
            scope.open = Some(Open { fields: true, ..Open::default() });
        } else {
            scope.name_fields(operation, |naming| {
                select(operation, invocation, &described, &parted, bound.as_deref(), naming)
            })?;
        }
        account.look_up(&mut scope)?;
        account.locate(&mut scope)?;
        account.refusals(&operation.refuse, &scope)?;
        let mut told = Map::new();
        told.insert("element".to_owned(), json!(element.key));
        told.insert("operation".to_owned(), json!(operation.hub.id()));
        told.insert("model".to_owned(), json!(if invocation.native { "native" } else { "uniform" }));
        if lists {
            let (paging, page) = account.list(&parted, &mut scope)?;
            told.extend(filtering(operation, &parted, page));
            told.insert("paging".to_owned(), paging);
        } else {
            account.belonging(bound.as_deref(), &mut scope)?;
            account.steps(&mut scope)?;
        }
        if !complete {
            told.insert(
                "remark".to_owned(),
                json!("The account's description of the object is not known here yet; fields and kinds of values that only it tells may come out otherwise"),
            );
        }
        if !account.refusals.is_empty() {
            told.insert("refusals".to_owned(), Value::Array(account.refusals));
        }
        told.insert("calls".to_owned(), Value::Array(account.calls));
        let mut told = Value::Object(told);
        shown::mask(&mut told, connection);
        Ok(told)
    }

    /// What a single call of the element, about `object`, would ask of the provider; without a call nothing would be.
    ///
    /// # Errors
    /// When the call cannot be made of what is known.
    pub fn explain_call(
        &self,
        element: &Element,
        connection: &Connection,
        call: Option<&Call>,
        object: Option<&str>,
    ) -> Result<Value> {
        let mut scope = CallScope::bare(connection);
        scope.open = Some(Open::default());
        scope.object = object.map(|name| Value::String(name.to_owned()));
        let call = call.map(|call| self.shown(element, connection, call, &scope).map(Value::Object)).transpose()?;
        let mut told = json!({"element": element.key, "calls": call.into_iter().collect::<Vec<_>>()});
        shown::mask(&mut told, connection);
        Ok(told)
    }
}

impl Account<'_> {
    /// Notes a call. One that is not sure to be made may lack what it needs, which then is told instead.
    fn call(&mut self, call: &Call, scope: &CallScope<'_>, remark: Remark<'_>) -> Result<()> {
        let mut told = Map::new();
        told.insert("for".to_owned(), json!(remark.purpose));
        if let Some(step) = remark.step {
            told.insert("step".to_owned(), json!(step));
        }
        let unsure = !remark.when.is_empty();
        match remark.when.as_slice() {
            [] => {}
            [when] => drop(told.insert("when".to_owned(), when.clone())),
            _ => drop(told.insert("when".to_owned(), Value::Array(remark.when))),
        }
        if let Some(wait) = &call.wait {
            let repeated = format!("until the provider is done, at most {} times", wait.times);
            told.insert("repeated".to_owned(), json!(repeated));
        }
        if let Some(repeated) = remark.repeated {
            told.insert("repeated".to_owned(), json!(repeated));
        }
        match self.engine.shown(self.element, self.connection, call, scope) {
            Ok(shown) => told.extend(shown),
            Err(error) if unsure => drop(told.insert("lacks".to_owned(), json!(error.public()))),
            Err(error) => return Err(error),
        }
        self.calls.push(Value::Object(told));
        Ok(())
    }

    /// The fields of the object as far as they are known here, and whether that is all there is to know.
    fn described(&mut self, scope: &CallScope<'_>) -> Result<(std::sync::Arc<Vec<FieldDescription>>, bool)> {
        let Some(object) = to_describe(&self.invocation.operation, self.invocation, scope) else {
            return Ok((std::sync::Arc::default(), true));
        };
        match self.engine.known_fields(self.element, self.connection, object) {
            Ok(known) => Ok((known, true)),
            Err((call, _)) => {
                let remark = Remark { purpose: "the fields of the object", ..Remark::default() };
                self.call(call, scope, remark)?;
                Ok((std::sync::Arc::default(), false))
            }
        }
    }

    /// Fails with a refusal that holds; notes one that nobody can decide yet.
    fn refusals(&mut self, refusals: &[Refusal], scope: &CallScope<'_>) -> Result<()> {
        for refusal in refusals {
            match refusal.when.decide(scope) {
                Some(true) => return Err(Error::new(kind_of_status(refusal.status), refusal.message.clone())),
                Some(false) => {}
                None => self.refusals.push(json!({"when": refusal.when.source(), "status": refusal.status,
                    "message": refusal.message})),
            }
        }
        Ok(())
    }

    /// How records belong to the parent; nothing where only the provider's description of fields would tell.
    fn bound(
        &mut self,
        described: &[FieldDescription],
        complete: bool,
        scope: &CallScope<'_>,
    ) -> Result<Option<Box<Bound>>> {
        let Some(parent) = &self.invocation.parent else { return Ok(None) };
        if let Some(step) = &parent.relation.referred_as {
            for call in &step.calls {
                self.call(call, scope, Remark { purpose: "the name of the parent's object", ..Remark::default() })?;
            }
        }
        if matches!(parent.relation.told, Told::Described { .. })
            && (!complete || parent.relation.referred_as.is_some())
        {
            return Ok(None);
        }
        bind(self.invocation, described, None)
    }

    /// The calls that tell whether the record belongs to the parent.
    fn belonging(&mut self, bound: Option<&Bound>, scope: &mut CallScope<'_>) -> Result<()> {
        let invocation = self.invocation;
        let checked = bound.filter(|bound| bound.is_checked(invocation) && !bound.is_told_by(invocation));
        let (Some(bound), Some(parent)) = (checked, &invocation.parent) else { return Ok(()) };
        let mut scope = scope.fork();
        let names = Names::of(bound.column.as_ref());
        (scope.select, scope.members) = (Some(names.clone()), Some(names));
        let get = self.element.operation(&format!("{}.get", invocation.operation.hub.resource));
        let of_get = get.into_iter().flat_map(|get| &get.steps).flat_map(|step| &step.calls);
        let calls: Vec<&Call> = parent.relation.read.as_ref().map_or_else(|| of_get.collect(), |read| vec![read]);
        for call in calls {
            if decided(call.when.as_ref(), &scope) == Some(true) {
                let remark = Remark { purpose: "whether the record belongs to its parent", ..Remark::default() };
                self.call(call, &scope, remark)?;
            }
        }
        Ok(())
    }

    fn steps(&mut self, scope: &mut CallScope<'_>) -> Result<()> {
        let invocation = self.invocation;
        let mut taken = false;
        for step in &invocation.operation.steps {
            match decided(step.when.as_ref(), scope) {
                Some(false) => drop(scope.steps.insert(step.name.clone(), Value::Null)),
                sure => {
                    self.step(step, sure.is_some(), scope)?;
                    taken = true;
                }
            }
        }
        if taken { Ok(()) } else { Err(Error::bad_request("The request changes nothing that this element can change")) }
    }

    fn step(&mut self, step: &Step, sure: bool, scope: &mut CallScope<'_>) -> Result<()> {
        let hangs: Vec<Value> = step.when.iter().filter(|_| !sure).map(Condition::source).collect();
        if sure {
            self.refusals(&step.refuse, scope)?;
        }
        let named =
            |when: Vec<Value>| Remark { purpose: "the operation", step: Some(&step.name), when, repeated: None };
        if let Some(session) = &step.session {
            self.session(session, &step.name, scope)?;
        }
        if let Some(walk) = &step.walk {
            return self.going_over(walk, &step.name, hangs, scope);
        }
        let mut possible = false;
        for call in &step.calls {
            let decision = decided(call.when.as_ref(), scope);
            if decision == Some(false) {
                continue;
            }
            possible = true;
            let mut when = hangs.clone();
            when.extend(call.when.iter().filter(|_| decision.is_none()).map(Condition::source));
            if step.session.is_some() {
                when.push(json!("the file is not sent in parts"));
            }
            match &call.give {
                // What is given without a call is known, when all that it is made of is.
                Some(give) if when.is_empty() && !give.is_open(scope) => {
                    let value = give.render(scope).map_err(|error| super::request::unfilled(&error))?;
                    scope.steps.insert(step.name.clone(), value.unwrap_or_default());
                }
                Some(_) => {}
                None => self.call(call, scope, named(when))?,
            }
            if decision == Some(true) {
                break;
            }
        }
        if !possible && sure {
            return Err(Error::bad_request("The request asks for a combination that this element does not know"));
        }
        for call in &step.or_else {
            let decision = decided(call.when.as_ref(), scope);
            if decision == Some(false) {
                continue;
            }
            let mut when = hangs.clone();
            when.extend(call.when.iter().filter(|_| decision.is_none()).map(Condition::source));
            when.push(json!("the call before found nothing"));
            self.call(call, scope, named(when))?;
        }
        Ok(())
    }

    /// The calls of a walk: each once, with what they are made for.
    fn going_over(&mut self, walk: &Walk, step: &str, hangs: Vec<Value>, scope: &CallScope<'_>) -> Result<()> {
        let scope = &mut scope.fork();
        let page = walk.paging.as_ref().map_or(1_000, |paging| paging.max);
        set_page(scope, &Position { page, ..Position::default() });
        let max = walk.max;
        let repeated = |of: &str| Some(format!("for each {of}, over at most {max} items"));
        let list = Remark {
            purpose: "going over",
            step: Some(step),
            when: hangs.clone(),
            repeated: repeated("folder and page"),
        };
        // What is given is asked of nobody.
        if walk.list.give.is_none() {
            self.call(&walk.list, scope, list)?;
        }
        let of = if walk.pages { "page of what is found" } else { "item that is found" };
        let entering = walk.enter.iter().map(|call| (call, "folder that is found"));
        for (call, of) in entering.chain(walk.calls.iter().map(|call| (call, of))) {
            let decision = decided(call.when.as_ref(), scope);
            if decision == Some(false) {
                continue;
            }
            let mut when = hangs.clone();
            when.extend(call.when.iter().filter(|_| decision.is_none()).map(Condition::source));
            self.call(
                call,
                scope,
                Remark { purpose: "the operation", step: Some(step), when, repeated: repeated(of) },
            )?;
        }
        Ok(())
    }

    /// The calls of a list, what is told of its pages, and the size of the provider's.
    fn list(&mut self, parted: &Parted, scope: &mut CallScope<'_>) -> Result<(Value, u64)> {
        let invocation = self.invocation;
        let operation = &*invocation.operation;
        let paging = operation.paging.as_ref();
        let (want, remark) = page_size(paging, invocation.page.size);
        let at = beginning(invocation, parted, want);
        set_page(scope, &at);
        let next = paging.map_or(&[] as &[Call], |paging| paging.next.as_slice());
        let following =
            next.iter().find(|call| at.cursor.is_some() && decided(call.when.as_ref(), scope) != Some(false));
        match following {
            Some(call) => self.call(call, scope, Remark { purpose: "the page", ..Remark::default() })?,
            None => self.steps(scope)?,
        }
        if let Some(complete) = &operation.complete
            && decided(complete.call.when.as_ref(), scope) != Some(false)
        {
            let batch = complete.beside.as_ref().and_then(|beside| beside.batch.as_ref());
            let repeated = Some(match batch {
                Some(batch) => format!("for each {} records of the list", batch.size),
                None => "for each record that the list tells incompletely".to_owned(),
            });
            let remark = Remark { purpose: "the rest of a record", repeated, ..Remark::default() };
            self.call(&complete.call, scope, remark)?;
        }
        if let Some(count) = operation.count.as_ref().filter(|_| invocation.count) {
            self.call(count, scope, Remark { purpose: "the number of all records", ..Remark::default() })?;
        }
        let more = following.is_none() && !next.is_empty();
        if more && let Some(open) = &mut scope.open {
            open.cursor = true;
        }
        for call in next.iter().filter(|_| more) {
            let decision = decided(call.when.as_ref(), scope);
            if decision != Some(false) {
                let mut when = vec![json!("there is a further page")];
                when.extend(call.when.iter().filter(|_| decision.is_none()).map(Condition::source));
                self.call(call, scope, Remark { purpose: "the next page", when, ..Remark::default() })?;
            }
        }
        let mut told = json!({"pageSize": want, "providerPageSize": at.page, "by": how(paging),
            "providerPagesAtMost": if parted.local_order.is_empty() { json!(MAX_PAGES) } else { Value::Null }});
        if let Some(told) = told.as_object_mut() {
            told.retain(|_, value| !value.is_null());
            if at.offset > 0 {
                told.insert("offset".to_owned(), json!(at.offset));
            }
            if invocation.page.drop > 0 {
                told.insert("passedOver".to_owned(), json!(invocation.page.drop));
            }
            if let Some(remark) = remark {
                told.insert("remark".to_owned(), json!(remark));
            }
        }
        Ok((told, at.page))
    }
}

/// Whether what hangs on `when` is done; `None` while nobody knows.
fn decided(when: Option<&Condition>, scope: &CallScope<'_>) -> Option<bool> {
    when.map_or(Some(true), |when| when.decide(scope))
}

/// How the provider's pages follow each other.
fn how(paging: Option<&Paging>) -> &'static str {
    match paging {
        Some(paging) if paging.cursor.is_some() => "cursor",
        Some(paging) if paging.offset => "offset",
        _ => "nothing",
    }
}

/// What of the filter and the order the provider does, and what is done here.
fn filtering(operation: &Operation, parted: &Parted, page: u64) -> Map<String, Value> {
    let language = operation.filtering.as_ref().map_or("none", |filtering| filtering.language.word());
    let reads = if parted.local_order.is_empty() { MAX_PAGES as u64 * page.max(1) } else { parted.max };
    let mut told = Map::new();
    let mut filter = Map::new();
    if let Some(pushed) = &parted.filter {
        filter.insert("language".to_owned(), json!(language));
        filter.insert("pushedDown".to_owned(), pushed.clone());
    }
    if let Some(local) = &parted.local {
        filter.insert("here".to_owned(), json!({"where": local.to_string(), "recordsAtMost": reads}));
    }
    if let Some(path) = parted.parent.as_ref().and_then(|parent| parent.path.as_ref()) {
        told.insert("parent".to_owned(), json!({"here": path.to_string(), "recordsAtMost": reads}));
    }
    if !filter.is_empty() {
        told.insert("where".to_owned(), Value::Object(filter));
    }
    let mut order = Map::new();
    if let Some(pushed) = &parted.order {
        order.insert("language".to_owned(), json!(language));
        order.insert("pushedDown".to_owned(), pushed.clone());
    }
    if !parted.local_order.is_empty() {
        let fields: Vec<String> = parted
            .local_order
            .iter()
            .map(|order| {
                let direction = if order.direction == Direction::Ascending { "asc" } else { "desc" };
                format!("{} {direction}", order.field)
            })
            .collect();
        order.insert("here".to_owned(), json!({"orderBy": fields.join(", "), "recordsAtMost": parted.max}));
    }
    if !order.is_empty() {
        told.insert("orderBy".to_owned(), Value::Object(order));
    }
    told
}
