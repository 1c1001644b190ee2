//! How long it takes to find what every call needs: the instance of a token, and an answer in the cache.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use hubgate::{
    cache::{Answer, CacheKey, Policy, ResponseCache, Settings},
    clock::SystemClock,
    instance::Directory,
    store::{self, NewAccount, NewInstance},
};

const TOKEN: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

fn token(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let home = tempfile::TempDir::new().unwrap();
    let directory = runtime.block_on(async {
        let store = store::open(&store::Settings::new(home.path()), Arc::new(SystemClock)).await.unwrap();
        let account = NewAccount { email: "a@bench.example".to_owned(), ..NewAccount::default() };
        let user = store.create_account(account).await.unwrap().user;
        let instance = NewInstance {
            organization_id: user.organization_id,
            user_id: user.id,
            element_key: "bench".to_owned(),
            token: Some(TOKEN.to_owned().into()),
            ..NewInstance::default()
        };
        store.insert_instance(instance).await.unwrap();
        Directory::new(store)
    });
    c.bench_function("the instance of a token", |b| {
        b.iter(|| runtime.block_on(directory.by_token(black_box(TOKEN))).unwrap().unwrap().id);
    });
    c.bench_function("no instance of a token", |b| {
        b.iter(|| runtime.block_on(directory.by_token(black_box("nobody's"))).unwrap().is_none());
    });
}

fn cache(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cache = ResponseCache::new(&Settings::default(), Arc::new(SystemClock));
    let key = || CacheKey::new(1, "contacts", "GET contacts/51001", "pageSize=100", "application/json");
    let policy = Policy { ttl: Duration::from_hours(1), ..Policy::default() };
    let answer = Answer { status: 200, headers: Vec::new(), body: vec![b' '; 1600].into(), stored_at: None };
    runtime.block_on(cache.get_or_compute(key(), policy, move || async move { Ok(answer) })).unwrap();
    c.bench_function("an answer from the cache", |b| b.iter(|| cache.hit(&key(), None).unwrap().entry.body.len()));
    let other = CacheKey::new(2, "contacts", "GET contacts/51001", "pageSize=100", "application/json");
    c.bench_function("no answer in the cache", |b| b.iter(|| cache.hit(black_box(&other), None).is_none()));
}

criterion_group!(benches, token, cache);
criterion_main!(benches);
