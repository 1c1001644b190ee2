//! Translates one answer so many times, for counting instructions: `translate validate|pass|document RECORDS TURNS`, where
//! no records means a single one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a tool that says what is wrong by failing"
)]

use std::hint::black_box;

use hubgate::catalog::{load, source::Files};
use serde::de::IgnoredAny;

#[path = "../benches/translate/answers.rs"]
mod answers;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, records, turns] = arguments.as_slice() else { panic!("translate validate|pass|document RECORDS TURNS") };
    let (records, turns): (usize, u32) = (records.parse().unwrap(), turns.parse().unwrap());
    let catalog = load::load(&Files::built_in()).unwrap_or_else(|refused| panic!("{refused}"));
    let element = catalog.element("hubspot").unwrap().unwrap();
    let (id, document) = if records == 0 {
        ("contacts.get", answers::contact(1, true))
    } else {
        ("contacts.list", answers::page(records))
    };
    let operation = element.operation(id).unwrap();
    let (call, text) = (&operation.steps[0].calls[0], document.to_string());
    for _ in 0..turns {
        match way.as_str() {
            "validate" => drop(black_box(serde_json::from_str::<IgnoredAny>(black_box(&text)))),
            "pass" => drop(black_box(answers::in_one_pass(call, black_box(text.as_bytes())))),
            "document" => drop(black_box(answers::by_document(operation, call, black_box(&text)))),
            _ => panic!("unknown way {way}"),
        }
    }
}
