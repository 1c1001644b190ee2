//! Where the records of a call go that are translated in one pass.

use http::StatusCode;
use serde_json::{Map, Value};

use super::{Invocation, ancestors, filter::Parted, scope::CallScope, send::denied};
use crate::{
    catalog::{Call, Element, ErrorRule},
    mapping::stream::{self, Cut, Wish},
};

/// The text of the records written so far, and how they are wanted.
pub(super) struct Sink<'i> {
    wish: Wish<'i>,
    given: Vec<Option<Value>>,
    /// What is wanted of the next page.
    pub(super) cut: Cut,
    out: Vec<u8>,
}

/// What an answer told that was translated in one pass.
pub(super) struct Written {
    /// All but its records.
    pub(super) told: Value,
    /// Its records.
    pub(super) count: u64,
    /// Those of them that were wanted.
    pub(super) wanted: u64,
}

impl<'i> Sink<'i> {
    /// A sink for the records of `invocation`, unless they have to be documents: to be filtered or ordered here, or shown in
    /// another form than the uniform one.
    pub(super) fn of(invocation: &'i Invocation, parted: &Parted, scope: &CallScope<'_>) -> Option<Self> {
        // A path made of the folders above needs the record they are above.
        let climbs = invocation.paths && ancestors::field(&invocation.operation.plan).is_some();
        let complete = invocation.operation.complete.as_ref();
        let completed = complete.is_some_and(|it| it.call.when.as_ref().is_none_or(|when| when.holds(scope)));
        let document = climbs
            || completed
            || invocation.native
            || invocation.raw
            || parted.local.is_some()
            || parted.parent.is_some()
            || !parted.local_order.is_empty()
            // The order of the members of what a dotted name cuts out is made of what is there.
            || invocation.fields.iter().any(|field| field.contains('.'));
        (!document).then(|| Self {
            wish: Wish {
                iso_dates: invocation.iso_dates,
                keep_nulls: invocation.keep_nulls,
                fields: &invocation.fields,
                without: &invocation.without,
            },
            given: invocation.operation.plan.give_values(scope),
            cut: Cut::ALL,
            out: Vec::new(),
        })
    }

    /// Translates the answer `body` of `call`; nothing where it tells of a failure, or has to be a document after all.
    pub(super) fn write(
        &mut self,
        element: &Element,
        call: &Call,
        rules: &[ErrorRule],
        status: StatusCode,
        body: &[u8],
    ) -> Option<Written> {
        let sheet = call.answer.sheet.as_ref()?;
        let text = std::str::from_utf8(body).ok()?;
        let before = self.out.len();
        // Uniform records are rarely longer than the provider's.
        self.out.reserve(body.len() + 2);
        if before == 0 && sheet.is_list() {
            self.out.push(b'[');
        }
        let written = if sheet.is_list() {
            sheet.write_list(text, self.wish, &self.given, self.cut, &mut self.out).map(|page| Written {
                told: page.told,
                count: page.count,
                wanted: page.written,
            })
        } else {
            sheet.write_record(text, self.wish, &self.given, &mut self.out).map(|told| Written {
                told,
                count: 1,
                wanted: 1,
            })
        };
        let written = written.ok().filter(|written| {
            let told = &written.told;
            // What failed is told by the document.
            !(call.answer.gone.iter().any(|gone| gone.holds(told))
                || call.answer.failure.as_ref().is_some_and(|test| test.holds(told))
                || denied(element, call, rules, status, told).is_some())
        });
        if written.is_none() {
            self.out.truncate(before);
        }
        written
    }

    /// Adds records that had to be documents.
    pub(super) fn append(&mut self, records: &[Map<String, Value>]) {
        if self.out.is_empty() {
            self.out.push(b'[');
        }
        stream::append(records, &mut self.out);
    }

    /// The text of one record.
    pub(super) fn record(self) -> Vec<u8> {
        self.out
    }

    /// The text of all records as a list.
    pub(super) fn list(mut self) -> Vec<u8> {
        self.append(&[]);
        self.out.push(b']');
        self.out
    }
}
