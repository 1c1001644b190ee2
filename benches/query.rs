//! How long it takes to read a filter, to render it, and to ask it of a record.

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

use criterion::{Criterion, criterion_group, criterion_main};
use hubgate::query::{self, Column, ColumnKind, Operators, RenderError, filter_groups, odata, soql};

const SHORT: &str = "email = 'ada@example.test'";
const LONG: &str = "(lastName LIKE 'B%' OR lastName IN ('King', 'O''Brien', 'Lovelace')) AND \
    `modifiedDate` >= '2024-01-01T00:00:00Z' AND NOT (active = 'false' OR size < 10) AND email IS NOT NULL";

#[expect(clippy::unnecessary_wraps, reason = "the renderers' signature")]
fn resolve(field: &str) -> Result<Column<'static>, RenderError> {
    let kind = match field {
        "modifiedDate" => ColumnKind::DateTime,
        "active" => ColumnKind::Boolean,
        "size" => ColumnKind::Number,
        _ => ColumnKind::Text,
    };
    Ok(Column { name: field.to_owned(), kind, operators: Operators::ALL, encode: None })
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("where");
    for (name, source) in [("short", SHORT), ("long", LONG)] {
        let Ok(expr) = query::parse(source) else { continue };
        group.bench_function(format!("parse/{name}"), |b| b.iter(|| query::parse(black_box(source))));
        group.bench_function(format!("print/{name}"), |b| b.iter(|| black_box(&expr).to_string()));
        group.bench_function(format!("soql/{name}"), |b| b.iter(|| soql::render(black_box(&expr), &resolve)));
        group.bench_function(format!("odata/{name}"), |b| b.iter(|| odata::render(black_box(&expr), &resolve)));
        let limits = filter_groups::Limits { max_groups: 64, ..filter_groups::Limits::default() };
        group.bench_function(format!("filter_groups/{name}"), |b| {
            b.iter(|| filter_groups::render(black_box(&expr), &resolve, &limits));
        });
        let record = serde_json::json!({
            "email": "ada@example.test", "lastName": "Byron", "active": true, "size": 12,
            "modifiedDate": "2024-05-01T00:00:00Z"
        });
        group.bench_function(format!("matches/{name}"), |b| {
            b.iter(|| query::eval::matches(black_box(&expr), black_box(&record)));
        });
    }
    group.finish();
}

criterion_group!(query_benches, benches);
criterion_main!(query_benches);
