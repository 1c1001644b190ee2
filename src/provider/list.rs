//! Reads pages: the provider's on one side, the caller's on the other.
//!
//! A [`Position`] names a provider page and an item in it, so a caller's page may begin in the middle of a provider's, and
//! two pages of n are one page of 2n.

use serde_json::{Map, Value};

use super::{
    Connection, Engine, Invocation, Outcome, PageFacts, Position, ancestors,
    filter::Parted,
    scope::CallScope,
    sink::{Sink, Written},
    steps::{Along, Last},
};
use crate::{
    catalog::{Call, Element, Operation, operation::Paging},
    error::{Error, Kind, Result},
    mapping::stream::Cut,
    query::{eval, order},
};

/// Provider pages read for one caller's page, at most.
pub(super) const MAX_PAGES: usize = 50;

/// The member by which an ordered record finds back to what it was read from; no field can have such a name.
const SOURCE: &str = "\u{0}source";

struct ProviderPage {
    items: Items,
    next: Option<Position>,
    total: Option<u64>,
}

/// The records of a page of the provider's.
enum Items {
    Documents(Vec<Value>),
    /// So many were there, so many of them were wanted and are in the sink.
    Written {
        count: u64,
        written: u64,
    },
}

impl Engine {
    /// Carries out a list operation.
    pub(super) async fn list(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        mut scope: CallScope<'_>,
        parted: &Parted,
    ) -> Result<Outcome> {
        let operation = &invocation.operation;
        let paging = operation.paging.as_ref();
        let (want, mut remark) = page_size(paging, invocation.page.size);
        if !parted.local_order.is_empty() {
            let ordered = self.list_ordered_here(element, connection, invocation, scope, parted, want, remark);
            return Box::pin(ordered).await;
        }
        let walked = ancestors::field(&operation.plan).is_some() && invocation.paths;
        let mut at = beginning(invocation, parted, want);
        let mut drop = invocation.page.drop;
        let mut found: Vec<Map<String, Value>> = Vec::new();
        let mut sources: Vec<Value> = Vec::new();
        let mut total = None;
        let mut next = None;
        let mut sink = self.sink(invocation, parted, &scope);
        // How many records are in the sink, and no longer (or never) in `found`.
        let mut sunk = 0;
        for round in 0.. {
            if let Some(sink) = &mut sink {
                if !found.is_empty() {
                    sink.append(&found);
                    sunk += found.drain(..).len() as u64;
                }
                sink.cut = Cut { skip: at.skip.saturating_add(drop), take: want - sunk };
            }
            let page = self.page(element, connection, invocation, parted, &mut scope, &at, sink.as_mut()).await?;
            total = total.or(page.total);
            let mut full = false;
            let items = match page.items {
                Items::Documents(items) => items,
                Items::Written { count, written } => {
                    let left = count.saturating_sub(at.skip);
                    let dropped = drop.min(left);
                    drop -= dropped;
                    sunk += written;
                    if left - dropped > written {
                        next = Some(Position { skip: at.skip + dropped + written, ..at.clone() });
                        full = true;
                    }
                    Vec::new()
                }
            };
            for (index, item) in items.iter().enumerate().skip(usize::try_from(at.skip).unwrap_or(usize::MAX)) {
                let Some(record) = accept(invocation, operation, item, parted, &scope) else { continue };
                if drop > 0 {
                    drop -= 1;
                    continue;
                }
                if sunk + found.len() as u64 == want {
                    next = Some(Position { skip: index as u64, ..at.clone() });
                    full = true;
                    break;
                }
                found.push(record);
                if walked {
                    sources.push(item.clone());
                }
            }
            if full {
                break;
            }
            let Some(following) = page.next else { break };
            let enough = sunk + found.len() as u64 == want;
            // Without a filter of ours the provider's word that there is more is enough.
            if (enough && !parted.leaves_out() && operation.below.is_none()) || round + 1 >= MAX_PAGES {
                next = Some(following);
                break;
            }
            at = following;
        }
        if drop > 0 && next.is_some() {
            return Err(Error::bad_request(
                "That page is too far from the beginning to be counted off; follow the page tokens instead",
            )
            .with_detail("page", "use nextPage with the Elements-Next-Page-Token of the page before"));
        }
        if walked {
            let left_out = self.add_paths(element, connection, invocation, &scope, &sources, &mut found).await?;
            remark = remark.or(left_out);
        }
        if parted.leaves_out() || operation.below.is_some() {
            total = None;
        }
        // A list that was read from its beginning to its end has told its number.
        if invocation.count && invocation.page.position.is_none() && invocation.page.drop == 0 && next.is_none() {
            total = total.or(Some(sunk + found.len() as u64));
        }
        if invocation.count && total.is_none() && !parted.leaves_out() {
            total = Box::pin(self.count(element, connection, operation, &scope, invocation)).await?;
        }
        let Some(mut sink) = sink.filter(|_| sunk > 0) else {
            return Ok(Outcome::List { items: found, next, total, remark });
        };
        sink.append(&found);
        let count = sunk + found.len() as u64;
        Ok(Outcome::Text { json: sink.list().into(), page: Some(PageFacts { count, next, total, remark }) })
    }

    /// A list whose order the provider cannot make: all of it is read (within the mapping's bound), ordered and cut here.
    #[expect(clippy::too_many_arguments, reason = "everything one call may use; a struct would only rename them")]
    async fn list_ordered_here(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        mut scope: CallScope<'_>,
        parted: &Parted,
        want: u64,
        remark: Option<String>,
    ) -> Result<Outcome> {
        let operation = &invocation.operation;
        let mut at = beginning(invocation, parted, want);
        let mut records: Vec<Value> = Vec::new();
        let mut sources: Vec<Value> = Vec::new();
        let walked = ancestors::field(&operation.plan).is_some() && invocation.paths;
        loop {
            let page = self.page(element, connection, invocation, parted, &mut scope, &at, None).await?;
            let Items::Documents(items) = &page.items else {
                return Err(Error::internal("records to be ordered were written"));
            };
            for item in items {
                let Some(mut record) = accept(invocation, operation, item, parted, &scope) else { continue };
                if walked {
                    record.insert(SOURCE.to_owned(), Value::from(sources.len()));
                    sources.push(item.clone());
                }
                records.push(Value::Object(record));
            }
            if records.len() as u64 > parted.max {
                return Err(Error::bad_request(format!(
                    "Ordering is done here for this element, over at most {} records, and there are more; narrow the request or leave orderBy out",
                    parted.max
                ))
                .with_detail("orderBy", "leave it out, or filter with where"));
            }
            match page.next {
                Some(next) => at = next,
                None => break,
            }
        }
        let total = records.len() as u64;
        order::sort(&mut records, &parted.local_order);
        let offset = invocation.page.position.as_ref().map_or(invocation.page.drop, |position| position.offset);
        let mut items: Vec<Map<String, Value>> = records
            .into_iter()
            .skip(usize::try_from(offset).unwrap_or(usize::MAX))
            .take(usize::try_from(want).unwrap_or(usize::MAX))
            .filter_map(|record| match record {
                Value::Object(record) => Some(record),
                _ => None,
            })
            .collect();
        if walked {
            let source = |record: &mut Map<String, Value>| {
                let index = usize::try_from(record.remove(SOURCE)?.as_u64()?).ok()?;
                sources.get(index).cloned()
            };
            let shown: Vec<Value> = items.iter_mut().map(|record| source(record).unwrap_or_default()).collect();
            self.add_paths(element, connection, invocation, &scope, &shown, &mut items).await?;
        }
        let end = offset + items.len() as u64;
        let next = (end < total).then(|| Position { offset: end, ..Position::default() });
        Ok(Outcome::List { items, next, total: Some(total), remark })
    }

    /// Reads one page of the provider's.
    #[expect(clippy::too_many_arguments, reason = "as `list_ordered_here`")]
    async fn page(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        parted: &Parted,
        scope: &mut CallScope<'_>,
        at: &Position,
        sink: Option<&mut Sink<'_>>,
    ) -> Result<ProviderPage> {
        let operation = &invocation.operation;
        set_page(scope, at);
        let continuing = at.cursor.is_some();
        let following = operation
            .paging
            .iter()
            .flat_map(|paging| &paging.next)
            .find(|call| continuing && call.when.as_ref().is_none_or(|when| when.holds(scope)));
        let deadline = invocation.deadline;
        let mut along = Along::into(sink);
        let last = match following {
            Some(call) => self.one(element, connection, operation, call, scope, &mut along, deadline).await?,
            None => self.steps(element, connection, operation, scope, &mut along, deadline).await?,
        };
        let (answer, call) = match last {
            Last::Json(answer, call) => (answer, call),
            Last::Written(Written { told, count, wanted: written }, call) => {
                let (next, total) = around(operation, call, &told, count, at);
                return Ok(ProviderPage { items: Items::Written { count, written }, next, total });
            }
            Last::Stream(..) => {
                return Err(Error::internal(format!("the mapping of `{}` streams a list", operation.hub.id())));
            }
        };
        let items = items(call, &answer, scope)?;
        let items = self.keep_below(element, connection, invocation, scope, items).await?;
        let (next, total) = around(operation, call, &answer, items.len() as u64, at);
        let items = self.completed(element, connection, invocation, parted.local.as_ref(), scope, items).await?;
        Ok(ProviderPage { items: Items::Documents(items), next, total })
    }

    async fn count(
        &self,
        element: &Element,
        connection: &Connection,
        operation: &Operation,
        scope: &CallScope<'_>,
        invocation: &Invocation,
    ) -> Result<Option<u64>> {
        let Some(call) = &operation.count else { return Ok(None) };
        let answer = self.json(element, connection, call, scope, &operation.errors, invocation.deadline).await?;
        Ok(call.answer.total.as_ref().and_then(|path| path.get(&answer)).and_then(Value::as_u64))
    }
}

/// Where the page after one of `count` records is, and the number of all, as far as `answer` tells.
fn around(
    operation: &Operation,
    call: &Call,
    answer: &Value,
    count: u64,
    at: &Position,
) -> (Option<Position>, Option<u64>) {
    let total = call.answer.total.as_ref().and_then(|path| path.get(answer)).and_then(Value::as_u64);
    let paging = operation.paging.as_ref();
    let next = paging
        .and_then(|paging| next_position(paging, answer, count, at))
        // A full page may be the last one, where the provider tells how many there are.
        .filter(|next| next.cursor.is_some() || total.is_none_or(|total| next.offset < total));
    (next, total)
}

/// The provider's page that a list begins with.
pub(super) fn beginning(invocation: &Invocation, parted: &Parted, want: u64) -> Position {
    let paging = invocation.operation.paging.as_ref();
    if !parted.local_order.is_empty() {
        return Position { page: paging.map_or(want, |paging| paging.max), ..Position::default() };
    }
    let start = invocation.page.position.clone().unwrap_or_default();
    let page = match paging {
        Some(_) if start.page > 0 => start.page,
        // A filter applied here would make small provider pages cost many calls.
        Some(paging) if parted.leaves_out() || invocation.operation.below.is_some() => paging.max,
        Some(paging) => (want + invocation.page.drop.min(paging.max)).clamp(paging.min, paging.max),
        None => want,
    };
    Position { page, ..start }
}

/// Puts the page at hand into the scope.
pub(super) fn set_page(scope: &mut CallScope<'_>, at: &Position) {
    scope.page.insert("size".to_owned(), Value::from(at.page));
    scope.page.insert("offset".to_owned(), Value::from(at.offset));
    scope.page.insert("position".to_owned(), Value::from(at.offset + 1));
    scope.page.insert("number".to_owned(), Value::from(at.offset / at.page.max(1) + 1));
    match &at.cursor {
        Some(cursor) => scope.page.insert("cursor".to_owned(), Value::String(cursor.clone())),
        None => scope.page.remove("cursor"),
    };
}

/// The items of an answer.
pub(super) fn items(call: &Call, answer: &Value, scope: &CallScope<'_>) -> Result<Vec<Value>> {
    call.answer
        .list(answer, scope)
        .ok_or_else(|| Error::new(Kind::ProviderFailed, "The provider's answer has no list where one should be"))
}

/// Where the provider's next page is, if it says there is one.
pub(super) fn next_position(paging: &Paging, answer: &Value, count: u64, at: &Position) -> Option<Position> {
    let said = paging.more.as_ref().map(|more| more.holds(answer));
    let cursor = paging
        .cursor
        .as_ref()
        .and_then(|path| path.get(answer))
        .and_then(crate::mapping::codec::scalar_text)
        .filter(|cursor| !cursor.is_empty());
    // Where some lists of a provider have cursors and others offsets, a cursor speaks for itself.
    if said == Some(false) && !(paging.offset && cursor.is_some()) {
        return None;
    }
    if let Some(cursor) = cursor {
        return Some(Position { cursor: Some(cursor), offset: at.offset + count, skip: 0, page: at.page });
    }
    if paging.cursor.is_some() && at.cursor.is_some() {
        return None;
    }
    if paging.offset {
        let more = said.unwrap_or(count >= at.page);
        return (more && count > 0).then(|| Position {
            cursor: None,
            offset: at.offset + count,
            skip: 0,
            page: at.page,
        });
    }
    None
}

/// The page size the caller gets, and a remark when it is not the one asked for.
pub(super) fn page_size(paging: Option<&Paging>, wanted: u64) -> (u64, Option<String>) {
    match paging {
        Some(paging) if wanted > paging.max => (
            paging.max,
            Some(format!("pageSize {wanted} is more than this element allows and was lowered to {}", paging.max)),
        ),
        _ => (wanted.max(1), None),
    }
}

/// The record of an item, if the filters applied here accept it.
fn accept(
    invocation: &Invocation,
    operation: &Operation,
    item: &Value,
    parted: &Parted,
    scope: &CallScope<'_>,
) -> Option<Map<String, Value>> {
    if parted.parent.as_ref().is_some_and(|parent| !parent.holds(item)) {
        return None;
    }
    if let Some(local) = &parted.local {
        let seen = if invocation.native {
            item.clone()
        } else {
            let mut seen = operation.plan.read(item, true, false);
            operation.plan.give(&mut seen, scope);
            Value::Object(seen)
        };
        if !eval::matches(local, &seen) {
            return None;
        }
    }
    Some(invocation.shape(item, scope))
}

impl Invocation {
    /// A provider record as the caller gets it.
    pub(super) fn shape(&self, item: &Value, scope: &CallScope<'_>) -> Map<String, Value> {
        let mut record = if self.native {
            let own = item.as_object().cloned().unwrap_or_default();
            match &self.operation.envelope {
                Some(envelope) => Map::from_iter([(envelope.clone(), Value::Object(own))]),
                None => own,
            }
        } else {
            let mut record = self.operation.plan.read(item, self.iso_dates, self.keep_nulls);
            self.operation.plan.give(&mut record, scope);
            if let Some(model) = &self.operation.model {
                for field in model.fields.iter().filter(|field| field.hidden) {
                    record.shift_remove(&field.name);
                }
            }
            record
        };
        if !self.fields.is_empty()
            && !self.native
            && let Value::Object(selected) = eval::select(Value::Object(record.clone()), &self.fields)
        {
            record = selected;
        }
        if self.raw && !self.native {
            record.insert("raw".to_owned(), item.clone());
        }
        record
    }
}
