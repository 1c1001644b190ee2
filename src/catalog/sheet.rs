//! Which answers are translated in one pass: decided when an element is loaded, for each call by itself.

use std::sync::Arc;

use super::{
    answer::{Answer, Format},
    call::{Call, ErrorRule},
    hub::AnswerKind,
    operation::Operation,
};
use crate::mapping::{
    Path, Reference, Root,
    condition::Match,
    stream::{Choice, Sheet},
};

/// Gives the calls of `operation` whose answers need no document their sheets; `errors` are the element's rules.
pub(super) fn compile(operation: &mut Operation, errors: &[ErrorRule]) {
    let [step] = operation.steps.as_slice() else { return };
    // A link is completed here; what is read again, or sought above, has to be looked into.
    let computed = operation.model.as_ref().is_some_and(|model| model.fields.iter().any(|field| field.computed));
    if step.walk.is_some()
        || step.session.is_some()
        // What is read again only at times is told by the call.
        || operation.complete.as_ref().is_some_and(|complete| complete.call.when.is_none())
        || operation.below.is_some()
        || computed
        || looks_at_answers(operation)
    {
        return;
    }
    let sheets: Vec<Option<Arc<Sheet>>> = calls(operation).map(|call| sheet(operation, call, errors)).collect();
    for (call, sheet) in calls_mut(operation).zip(sheets) {
        call.answer.sheet = sheet;
    }
}

fn calls(operation: &Operation) -> impl Iterator<Item = &Call> {
    let steps = operation.steps.iter().flat_map(|step| step.calls.iter().chain(&step.or_else));
    steps.chain(operation.paging.iter().flat_map(|paging| &paging.next))
}

fn calls_mut(operation: &mut Operation) -> impl Iterator<Item = &mut Call> {
    let steps = operation.steps.iter_mut().flat_map(|step| step.calls.iter_mut().chain(&mut step.or_else));
    steps.chain(operation.paging.iter_mut().flat_map(|paging| &mut paging.next))
}

/// Whether a template of the operation refers to an answer as a whole.
fn looks_at_answers(operation: &Operation) -> bool {
    let mut found = false;
    let mut visit = |reference: &Reference| {
        found |= matches!(reference.root, Root::Steps | Root::Answer | Root::Item | Root::Page);
    };
    for given in &operation.plan.given {
        given.value.visit(&mut visit);
    }
    let mut visit = |reference: &Reference| found |= matches!(reference.root, Root::Steps | Root::Answer);
    for call in operation.paging.iter().flat_map(|paging| &paging.next).chain(operation.count.as_deref()) {
        call.visit(&mut visit);
    }
    found
}

/// The sheet of one call's answers, if they can have one.
fn sheet(operation: &Operation, call: &Call, errors: &[ErrorRule]) -> Option<Arc<Sheet>> {
    let Answer { format, items, merge_by, item, wrap, skip, only, include, .. } = &call.answer;
    let plain = *format == Format::Json
        && include.is_empty()
        && call.give.is_none()
        && call.wait.is_none()
        && call.presign.is_none()
        && call.accept.is_empty();
    if !plain {
        return None;
    }
    // Rules that tell of a failure although the status says success.
    let rules = call.errors.iter().chain(&operation.errors).chain(errors);
    let rules =
        rules.filter(|rule| rule.statuses.iter().any(|status| *status < 300)).filter_map(|rule| rule.matches.as_ref());
    let tests = call.answer.gone.iter().chain(&call.answer.failure).chain(rules);
    let hidden: Vec<&str> = operation
        .model
        .iter()
        .flat_map(|model| &model.fields)
        .filter(|field| field.hidden)
        .map(|field| field.name.as_str())
        .collect();
    let sheet = match operation.hub.answer {
        AnswerKind::Record(_) => {
            let told: Vec<&Path> = tests.flat_map(Match::paths).collect();
            Sheet::record(&operation.plan, &call.answer.record, &told, &hidden)
        }
        AnswerKind::List(_) => {
            let ([items], [], true, None) = (items.as_slice(), merge_by.as_slice(), item.steps() == Some(&[]), wrap)
            else {
                return None;
            };
            let paging = operation.paging.as_ref();
            let tests = tests.chain(paging.and_then(|paging| paging.more.as_ref()));
            let told = tests.flat_map(Match::paths).chain(paging.and_then(|paging| paging.cursor.as_ref()));
            let told: Vec<&Path> = told.chain(&call.answer.total).collect();
            // A test that refers to the call is another one each time.
            let fixed = |test: &Option<Box<super::answer::Skip>>| match test {
                Some(test) => test.fixed().map(|test| Some(test.clone())),
                None => Some(None),
            };
            let (skip, only) = (fixed(skip)?, fixed(only)?);
            let choice = Choice { skip: skip.as_ref(), only: only.as_ref() };
            Sheet::list(&operation.plan, items, choice, &told, &hidden)
        }
        AnswerKind::File | AnswerKind::Empty => None,
    };
    sheet.map(Arc::new)
}
