//! How long sealing and opening takes: stateless tokens and look-up digests.

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
use hubgate::store::seal::Sealer;

fn seal(c: &mut Criterion) {
    let sealer = Sealer::new(&[7; 32]);
    let mut group = c.benchmark_group("seal");
    for size in [64_usize, 1024, 16 * 1024] {
        let plain = vec![0x2a; size];
        let token = sealer.seal_token("bench", &plain);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("seal_token/{size}"), |b| {
            b.iter(|| sealer.seal_token("bench", black_box(&plain)));
        });
        group.bench_function(format!("open_token/{size}"), |b| {
            b.iter(|| sealer.open_token("bench", black_box(&token)));
        });
    }
    group.finish();
    c.bench_function("digest of a secret", |b| {
        b.iter(|| sealer.digest("instance", black_box("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=")));
    });
}

criterion_group!(benches, seal);
criterion_main!(benches);
