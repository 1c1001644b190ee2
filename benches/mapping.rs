//! How long it takes to compile all mapping files, and to apply field lines: one record and a hundred, both ways.

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
use hubgate::{
    catalog::{Catalog, load, source::Files},
    mapping::{Codec, WriteMode, plan::Plan},
};
use serde_json::{Map, Value, json};

fn compile(c: &mut Criterion) {
    let files = Files::built_in();
    let bytes: usize = files.0.values().map(String::len).sum();
    let mut group = c.benchmark_group("compile");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(format!("the built-in set, {} files", files.0.len()), |b| {
        b.iter(|| load::load(black_box(&files)).is_ok());
    });
    group.finish();
}

/// The plan with the most lines that write, else with the most lines: what a caller of a record hub meets.
fn largest(catalog: &Catalog) -> (String, Plan) {
    let plans = catalog.elements().flatten().flat_map(|element| {
        element.plans.iter().map(|(name, plan)| (format!("{}.{name}", element.key), Plan::clone(plan)))
    });
    plans
        .max_by_key(|(_, plan)| {
            (plan.write(&body(plan), WriteMode::Create).map_or(0, |record| record.to_string().len()), plan.lines.len())
        })
        .unwrap_or_default()
}

/// A provider's record with a text (or what the codec reads) at every place a line looks at.
fn record(plan: &Plan) -> Value {
    let mut record = json!({});
    for line in &plan.lines {
        let value = match &line.codec {
            Codec::Timestamp | Codec::DateTime | Codec::Date | Codec::DateOfTime => {
                json!("2024-05-12T15:50:38.000+0000")
            }
            Codec::Integer | Codec::Number => json!(20480),
            Codec::IntegerText | Codec::NumberText => json!("20480"),
            Codec::BooleanText => json!("true"),
            Codec::Words { pairs, .. } => pairs.first().map_or(Value::Null, |(_, provider)| provider.clone()),
            _ => json!("/Demo/Some text of a usual length.pdf"),
        };
        if line.path.steps().is_some_and(|steps| !steps.is_empty()) {
            line.path.set(&mut record, value);
        }
    }
    record
}

/// A uniform body of every line that writes on its own.
fn body(plan: &Plan) -> Map<String, Value> {
    let read = plan.read(&record(plan), false, false);
    let writes = |name: &String, value: &Value| {
        let mut one = Map::new();
        one.insert(name.clone(), value.clone());
        plan.write(&one, WriteMode::Create).is_ok()
    };
    read.into_iter().filter(|(name, value)| writes(name, value)).collect()
}

fn apply(c: &mut Criterion) {
    let catalog = load::load(&Files::built_in()).unwrap_or_default();
    let (name, plan) = largest(&catalog);
    let (record, body) = (record(&plan), body(&plan));
    let records: Vec<Value> = vec![record.clone(); 100];
    let bodies: Vec<Map<String, Value>> = vec![body.clone(); 100];
    let mut group = c.benchmark_group(format!("apply {name} ({} lines)", plan.lines.len()));
    group.bench_function("read, one record", |b| b.iter(|| plan.read(black_box(&record), false, false)));
    group.bench_function("write, one record", |b| b.iter(|| plan.write(black_box(&body), WriteMode::Create)));
    group.throughput(Throughput::Elements(100));
    group.bench_function("read, 100 records", |b| {
        b.iter(|| black_box(&records).iter().map(|record| plan.read(record, false, false).len()).sum::<usize>());
    });
    group.bench_function("write, 100 records", |b| {
        b.iter(|| black_box(&bodies).iter().filter(|body| plan.write(body, WriteMode::Create).is_ok()).count());
    });
    group.finish();
}

criterion_group!(benches, compile, apply);
criterion_main!(benches);
