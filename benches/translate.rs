//! What translating a provider's answer costs: by way of a document, in one pass, and, to compare, only validating the text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hubgate::catalog::{load, source::Files};
use serde::de::IgnoredAny;

#[path = "translate/answers.rs"]
mod answers;
use answers::{by_document, contact, in_one_pass, page};

fn translate(c: &mut Criterion) {
    let catalog = load::load(&Files::built_in()).unwrap_or_else(|refused| panic!("{refused}"));
    let element = catalog.element("hubspot").unwrap().unwrap();
    let (get, list) = (element.operation("contacts.get").unwrap(), element.operation("contacts.list").unwrap());
    let documents =
        [(get, contact(1, true).to_string()), (list, page(100).to_string()), (list, page(1_000).to_string())];
    for (operation, text) in documents {
        let call = &operation.steps[0].calls[0];
        assert_eq!(in_one_pass(call, text.as_bytes()), by_document(operation, call, &text));
        let mut group = c.benchmark_group(format!("translate {} bytes", text.len()));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("IgnoredAny", |b| {
            b.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(text.as_bytes())).is_ok());
        });
        group.bench_function("one pass", |b| b.iter(|| in_one_pass(call, black_box(text.as_bytes()))));
        group.bench_function("document", |b| b.iter(|| by_document(operation, call, black_box(&text))));
        group.finish();
    }
}

criterion_group!(benches, translate);
criterion_main!(benches);
