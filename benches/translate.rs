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
use hubgate::{
    catalog::{Call, Operation, load, source::Files},
    mapping::stream::{Cut, Wish},
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// A contact with 30 properties of which a third are the provider's own business; about 530 bytes, or 1.6 KB when `large`.
fn contact(number: usize, large: bool) -> Value {
    let mut record = json!({
        "id": format!("{}", 51_000 + number),
        "properties": {
            "firstname": "Ada", "lastname": format!("Lovelace {number}"), "email": format!("ada.{number}@analytical.example"),
            "phone": "+44 20 7946 0001", "jobtitle": "Countess", "city": "London", "zip": "SW1Y 4JH", "hubspot_owner_id": "7",
            "mobilephone": null, "hs_object_id": format!("{}", 51_000 + number), "createdate": "2024-05-12T15:50:38.120Z",
        },
        "createdAt": "2024-05-12T15:50:38.120Z", "updatedAt": "2024-06-01T08:00:00.000Z", "archived": false
    });
    if large {
        for (name, value) in [
            ("address", "12 St James's Square, second floor, ring twice and wait for the porter to come down"),
            ("state", "Greater London"), ("country", "United Kingdom"), ("salutation", "The Right Honourable"),
            ("department", "Computation of Bernoulli numbers"), ("hs_analytics_source", "OFFLINE"),
            ("message", "She was the first to see that the engine might act upon other things besides number, were objects found whose mutual fundamental relations could be expressed by those of the abstract science of operations."),
            ("fax", "+44 20 7946 0002"), ("date_of_birth", "1815-12-10"), ("lastmodifieddate", "2024-06-01T08:00:00.000Z"),
            ("favourite_engine", "analytical"), ("colour_of_the_cover", "dark green"), ("hs_createdate", "2024-05-12T15:50:38.120Z"),
        ] {
            record["properties"][name] = json!(value);
        }
        let long = "Notes that only the provider keeps, in a member that nobody reads. ".repeat(5);
        record["hidden_notes"] = json!(long.trim());
    }
    record
}

fn page(records: usize) -> Value {
    let results: Vec<Value> = (0..records).map(|number| contact(number, false)).collect();
    json!({"results": results, "paging": {"next": {"after": "51100", "link": "https://api.provider.example/crm?after=51100"}}})
}

fn by_document(operation: &Operation, call: &Call, text: &str) -> Vec<u8> {
    let answer: Value = serde_json::from_slice(text.as_bytes()).unwrap();
    if call.answer.sheet.as_ref().unwrap().is_list() {
        let items = call.answer.items[0].get(&answer).and_then(Value::as_array).unwrap();
        let records: Vec<Map<String, Value>> =
            items.iter().map(|item| operation.plan.read(item, false, false)).collect();
        serde_json::to_vec(&records).unwrap()
    } else {
        serde_json::to_vec(&operation.plan.read(&answer, false, false)).unwrap()
    }
}

fn in_one_pass(call: &Call, body: &[u8]) -> Vec<u8> {
    let sheet = call.answer.sheet.as_ref().unwrap();
    let text = std::str::from_utf8(body).unwrap();
    let mut out = Vec::with_capacity(text.len() + 2);
    if sheet.is_list() {
        out.push(b'[');
        sheet.write_list(text, Wish::default(), &[], Cut::ALL, &mut out).unwrap();
        out.push(b']');
    } else {
        sheet.write_record(text, Wish::default(), &[], &mut out).unwrap();
    }
    out
}

fn translate(c: &mut Criterion) {
    let catalog = load::load(&Files::built_in()).unwrap_or_else(|refused| panic!("{refused}"));
    let element = catalog.element("hubspot").unwrap();
    let (get, list) = (element.operation("contacts.get").unwrap(), element.operation("contacts.list").unwrap());
    let documents = [
        (get, contact(1, true).to_string()),
        (list, page(100).to_string()),
        (list, page(1_000).to_string()),
    ];
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
