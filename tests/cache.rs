//! The response cache: isolation, invalidation, coalescing, bounds.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::{FutureExt as _, future::join_all};
use hubgate::{
    cache::{Answer, CacheKey, Found, Held, Outcome, Policy, ResponseCache, Settings},
    clock::{Clock as _, ShiftedClock},
    error::{Error, Kind, Result},
};
use proptest::prelude::*;
use tokio::sync::{Semaphore, oneshot};

fn answer(body: impl Into<bytes::Bytes>) -> Answer {
    let headers = vec![("content-type".into(), "application/json".into())];
    Answer { status: 200, headers, body: body.into(), stored_at: None }
}

fn key(instance: i64, query: &str) -> CacheKey {
    CacheKey::new(instance, "contacts", "GET contacts", query, "application/json")
}

fn policy() -> Policy {
    Policy { ttl: Duration::from_mins(1), ..Policy::default() }
}

fn cache() -> (ResponseCache, Arc<ShiftedClock>) {
    with(&Settings::default())
}

fn with(settings: &Settings) -> (ResponseCache, Arc<ShiftedClock>) {
    let clock = Arc::new(ShiftedClock::default());
    (ResponseCache::new(settings, Arc::clone(&clock) as _), clock)
}

async fn read(cache: &ResponseCache, key: CacheKey, policy: Policy, body: &str) -> Found {
    let body = body.to_owned();
    cache.get_or_compute(key, policy, || async { Ok(answer(body)) }).await.unwrap()
}

#[tokio::test]
async fn what_is_held_is_given_as_long_as_it_would_be_found() {
    let (cache, clock) = cache();
    let hold = |found: &Found, max_age| Held::new(key(1, "a"), &found.entry, max_age);
    let given = |held: &Held| cache.held(held).map(|found| (found.outcome, found.entry.body.to_vec()));
    let hit = |body: &[u8]| Some((Outcome::Hit, body.to_vec()));
    let first = read(&cache, key(1, "a"), policy(), "one").await;
    let one = hold(&first, None);
    assert_eq!(given(&one), hit(b"one"));

    // Another takes its place: then the old one is not given any more, though somebody has it still.
    let anew = Policy { max_age: Some(Duration::ZERO), ..policy() };
    let second = read(&cache, key(1, "a"), anew, "two").await;
    assert_eq!((given(&one), &first.entry.body[..]), (None, &b"one"[..]));
    let (two, young) = (hold(&second, None), hold(&second, Some(Duration::from_secs(5))));
    assert_eq!((given(&two), given(&young)), (hit(b"two"), hit(b"two")));
    clock.shift(TimeDelta::seconds(6));
    assert_eq!((given(&two), given(&young)), (hit(b"two"), None));
    clock.shift(TimeDelta::seconds(60));
    assert_eq!(given(&two), None, "its time is over");

    let third = read(&cache, key(1, "a"), policy(), "three").await;
    let three = hold(&third, None);
    assert_eq!(given(&three), hit(b"three"));
    cache.invalidate(1, "contacts");
    assert_eq!(given(&three), None);
    let fourth = read(&cache, key(1, "a"), policy(), "four").await;
    let four = hold(&fourth, None);
    assert_eq!(given(&four), hit(b"four"));
    cache.forget(1);
    assert_eq!(given(&four), None);

    // Nobody has it any more.
    let fifth = hold(&read(&cache, key(1, "a"), policy(), "five").await, None);
    assert_eq!(given(&fifth), hit(b"five"));
    cache.forget_all();
    assert!(cache.is_empty());
    assert_eq!(given(&fifth), None);
}

#[tokio::test]
async fn keeps_an_answer_for_its_time() {
    let (cache, clock) = cache();
    let first = read(&cache, key(1, "a"), policy(), "one").await;
    assert_eq!((first.outcome, first.stored), (Outcome::Miss, true));
    assert_eq!(first.cache_status(clock.now()), "hubgate; fwd=uri-miss; stored");
    assert_eq!(first.age_s(clock.now()), None);
    clock.shift(TimeDelta::seconds(10));
    let second = read(&cache, key(1, "a"), policy(), "two").await;
    assert_eq!((second.outcome, &second.entry.body[..]), (Outcome::Hit, &b"one"[..]));
    assert_eq!(second.age_s(clock.now()), Some(10));
    assert!(second.cache_status(clock.now()).starts_with("hubgate; hit; ttl="));
    assert_eq!(second.entry.etag, first.entry.etag);
    clock.shift(TimeDelta::seconds(51));
    let third = read(&cache, key(1, "a"), policy(), "three").await;
    assert_eq!((third.outcome, &third.entry.body[..]), (Outcome::Expired, &b"three"[..]));
    assert_eq!(third.cache_status(clock.now()), "hubgate; fwd=stale; stored");
    assert_ne!(third.entry.etag, first.entry.etag);
    // A clock that goes back makes the age unknown, not negative.
    clock.shift(TimeDelta::seconds(-30));
    assert_eq!(read(&cache, key(1, "a"), policy(), "four").await.outcome, Outcome::Expired);
}

#[tokio::test]
async fn tells_questions_apart() {
    let (cache, _) = cache();
    let keys = [
        key(1, "a"),
        key(2, "a"),
        key(1, "b"),
        CacheKey::new(1, "contacts", "GET contacts", "a", "text/csv"),
        CacheKey::new(1, "contacts", "GET contacts/1", "a", "application/json"),
        CacheKey::new(1, "accounts", "GET contacts", "a", "application/json"),
    ];
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(read(&cache, key.clone(), policy(), &n.to_string()).await.outcome, Outcome::Miss);
    }
    for (n, key) in keys.iter().enumerate() {
        let found = read(&cache, key.clone(), policy(), "x").await;
        assert_eq!((found.outcome, &found.entry.body[..]), (Outcome::Hit, n.to_string().as_bytes()));
    }
}

#[tokio::test]
async fn keeps_only_what_may_be_kept() {
    let (cache, _) = with(&Settings { max_entry_bytes: 4, ..Settings::default() });
    for (what, policy, status, body) in [
        ("no-store", Policy { store: false, ..policy() }, 200, "x"),
        ("no lifetime", Policy { ttl: Duration::ZERO, ..policy() }, 200, "x"),
        ("no success", policy(), 404, "x"),
        ("too large", policy(), 200, "12345"),
    ] {
        for _ in 0..2 {
            let answer = Answer { status, ..answer(body) };
            let found = cache.get_or_compute(key(1, what), policy, || async { Ok(answer) }).await.unwrap();
            assert_eq!((found.outcome, found.stored), (Outcome::Miss, false), "{what}");
        }
    }
    assert!(cache.is_empty());
}

#[tokio::test]
async fn heeds_what_the_request_wants() {
    let (cache, clock) = cache();
    read(&cache, key(1, "a"), policy(), "one").await;
    clock.shift(TimeDelta::seconds(10));
    let within = |seconds| Policy { max_age: Some(Duration::from_secs(seconds)), ..policy() };
    assert_eq!(read(&cache, key(1, "a"), within(20), "x").await.outcome, Outcome::Hit);
    let fresh = read(&cache, key(1, "a"), within(0), "two").await;
    assert_eq!((fresh.outcome, fresh.stored), (Outcome::Request, true));
    assert_eq!(fresh.cache_status(clock.now()), "hubgate; fwd=request; stored");
    // The fresh answer serves the next one.
    assert_eq!(read(&cache, key(1, "a"), policy(), "x").await.entry.body, "two");
    clock.shift(TimeDelta::seconds(10));
    assert_eq!(read(&cache, key(1, "a"), within(5), "three").await.outcome, Outcome::Expired);
}

#[tokio::test]
async fn invalidates_one_resource_of_one_instance() {
    let (cache, _) = cache();
    let other = || CacheKey::new(1, "accounts", "GET accounts", "", "*/*");
    for key in [key(1, "a"), key(1, "b"), key(2, "a"), other()] {
        read(&cache, key, policy(), "old").await;
    }
    cache.invalidate(1, "contacts");
    for (key, outcome) in [
        (key(1, "a"), Outcome::Miss),
        (key(1, "b"), Outcome::Miss),
        (key(2, "a"), Outcome::Hit),
        (other(), Outcome::Hit),
    ] {
        assert_eq!(read(&cache, key, policy(), "new").await.outcome, outcome);
    }
    cache.forget(1);
    assert_eq!(cache.len(), 1, "only the other instance's entry is left");
    assert_eq!(read(&cache, other(), policy(), "new").await.outcome, Outcome::Miss);
    assert_eq!(read(&cache, key(2, "a"), policy(), "new").await.outcome, Outcome::Hit);
}

#[tokio::test]
async fn invalidates_also_when_a_write_is_cancelled() {
    let (cache, _) = cache();
    read(&cache, key(1, "a"), policy(), "old").await;
    let write = async {
        let _writing = cache.writing(1, ["contacts"]);
        std::future::pending::<()>().await;
    };
    assert!(write.now_or_never().is_none());
    assert_eq!(read(&cache, key(1, "a"), policy(), "new").await.outcome, Outcome::Miss);
}

/// A computation that waits for `gate` and counts itself.
fn gated(
    gate: &Arc<Semaphore>,
    count: &Arc<AtomicUsize>,
    result: impl FnOnce() -> Result<Answer> + Send + 'static,
) -> impl FnOnce() -> futures_util::future::BoxFuture<'static, Result<Answer>> + Send + 'static {
    let (gate, count) = (Arc::clone(gate), Arc::clone(count));
    move || {
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            drop(gate.acquire().await);
            result()
        }
        .boxed()
    }
}

fn closed() -> (Arc<Semaphore>, Arc<AtomicUsize>) {
    (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)))
}

#[tokio::test]
async fn computes_equal_misses_once() {
    let (cache, clock) = cache();
    let (gate, count) = closed();
    let readers = join_all(
        (0..100).map(|_| cache.get_or_compute(key(1, "a"), policy(), gated(&gate, &count, || Ok(answer("x"))))),
    );
    // The readers are polled first, so all of them wait when the gate opens.
    let (found, ()) = tokio::join!(readers, async { gate.add_permits(1) });
    let found: Vec<Found> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let coalesced: Vec<&Found> = found.iter().filter(|found| found.outcome == Outcome::Coalesced).collect();
    assert_eq!(coalesced.len(), 99);
    assert_eq!(coalesced[0].cache_status(clock.now()), "hubgate; fwd=uri-miss; collapsed; stored");
    assert_eq!(read(&cache, key(1, "a"), policy(), "y").await.outcome, Outcome::Hit);
}

#[tokio::test]
async fn gives_an_error_to_all_and_keeps_it_for_nobody() {
    let (cache, _) = cache();
    let (gate, count) = closed();
    let refuse = || Err(Error::new(Kind::TooManyRequests, "slow down").with_retry_after(Duration::from_secs(7)));
    let readers = join_all((0..10).map(|_| cache.get_or_compute(key(1, "a"), policy(), gated(&gate, &count, refuse))));
    let (found, ()) = tokio::join!(readers, async { gate.add_permits(1) });
    for result in found {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.public()), (Kind::TooManyRequests, "slow down"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(read(&cache, key(1, "a"), policy(), "y").await.outcome, Outcome::Miss);
}

async fn fails(cache: &ResponseCache, policy: Policy, kind: Kind) -> Result<Found> {
    cache.get_or_compute(key(1, "a"), policy, move || async move { Err(Error::new(kind, "no")) }).await
}

#[tokio::test]
async fn an_entry_past_its_end_stands_in_for_a_provider_that_fails() {
    let (cache, clock) = cache();
    let policy = Policy { stale_if_error: Duration::from_mins(10), ..policy() };
    read(&cache, key(1, "a"), policy, "one").await;
    clock.shift(TimeDelta::seconds(90));
    for kind in [Kind::ProviderFailed, Kind::ProviderUnreachable, Kind::ProviderTimeout, Kind::ProviderDown] {
        let found = fails(&cache, policy, kind).await.unwrap();
        assert_eq!((found.outcome, &found.entry.body[..], found.stored), (Outcome::Stale, &b"one"[..], false));
        assert_eq!(found.cache_status(clock.now()), "hubgate; fwd=stale; ttl=-30; detail=stale-if-error");
        assert_eq!(found.age_s(clock.now()), Some(90));
    }
    // What is no fault of the provider's is told.
    for kind in [Kind::Unauthorized, Kind::NotFound, Kind::TooManyRequests, Kind::Internal, Kind::ReauthRequired] {
        assert_eq!(fails(&cache, policy, kind).await.unwrap_err().kind(), kind);
    }
    // Nor does it stand in for a request that names an age, nor where the instance no longer allows it.
    let names_an_age = Policy { max_age: Some(Duration::from_hours(1)), ..policy };
    let afresh = Policy { max_age: Some(Duration::ZERO), ..policy };
    let forbidden = Policy { stale_if_error: Duration::ZERO, ..policy };
    let shorter = Policy { stale_if_error: Duration::from_secs(20), ..policy };
    for policy in [names_an_age, afresh, forbidden, shorter] {
        assert!(fails(&cache, policy, Kind::ProviderDown).await.is_err(), "{policy:?}");
    }
    // A provider that is well again is asked.
    assert_eq!(read(&cache, key(1, "a"), policy, "two").await.outcome, Outcome::Expired);
    clock.shift(TimeDelta::seconds(61));
    cache.invalidate(1, "contacts");
    assert!(fails(&cache, policy, Kind::ProviderDown).await.is_err(), "a write came in between");
    read(&cache, key(1, "a"), policy, "three").await;
    clock.shift(TimeDelta::seconds(60 + 600));
    assert!(fails(&cache, policy, Kind::ProviderDown).await.is_err(), "its time is over");
}

#[tokio::test]
async fn survives_a_panic() {
    let (cache, _) = cache();
    let (gate, count) = closed();
    let readers = join_all(
        (0..10).map(|_| cache.get_or_compute(key(1, "a"), policy(), gated(&gate, &count, || panic!("on purpose")))),
    );
    let (found, ()) = tokio::join!(readers, async { gate.add_permits(1) });
    assert!(found.into_iter().all(|result| result.unwrap_err().kind() == Kind::Internal));
    assert_eq!(read(&cache, key(1, "a"), policy(), "y").await.outcome, Outcome::Miss);
}

#[tokio::test]
async fn goes_on_when_the_first_caller_leaves() {
    let (cache, _) = cache();
    let (gate, count) = closed();
    let (started, start) = oneshot::channel();
    let leader = {
        let (cache, work) = (cache.clone(), gated(&gate, &count, || Ok(answer("x"))));
        tokio::spawn(async move {
            let work = move || {
                started.send(()).unwrap();
                work()
            };
            cache.get_or_compute(key(1, "a"), policy(), work).await
        })
    };
    start.await.unwrap();
    let waiter = cache.get_or_compute(key(1, "a"), policy(), gated(&gate, &count, || Ok(answer("second"))));
    let (found, ()) = tokio::join!(waiter, async {
        leader.abort();
        assert!(leader.await.unwrap_err().is_cancelled());
        gate.add_permits(1);
    });
    let found = found.unwrap();
    assert_eq!((found.outcome, &found.entry.body[..]), (Outcome::Coalesced, &b"x"[..]));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn starts_anew_when_all_callers_left() {
    let (cache, _) = cache();
    let (gate, count) = closed();
    for n in 1..=3 {
        let work = gated(&gate, &count, || Ok(answer("x")));
        assert!(cache.get_or_compute(key(1, "a"), policy(), work).now_or_never().is_none());
        assert_eq!(count.load(Ordering::SeqCst), n);
    }
    assert_eq!(read(&cache, key(1, "a"), policy(), "y").await.entry.body, "y");
}

#[tokio::test]
async fn does_not_keep_what_a_write_overtook() {
    let (cache, _) = cache();
    let (gate, count) = closed();
    let before = cache.get_or_compute(key(1, "a"), policy(), gated(&gate, &count, || Ok(answer("old"))));
    let (before, after) = tokio::join!(before, async {
        drop(cache.writing(1, ["contacts"]));
        // Who comes after the write does not join the computation from before it.
        let after = read(&cache, key(1, "a"), policy(), "new").await;
        gate.add_permits(1);
        after
    });
    let before = before.unwrap();
    assert_eq!((before.stored, &before.entry.body[..]), (false, &b"old"[..]));
    assert_eq!((after.outcome, after.stored, &after.entry.body[..]), (Outcome::Miss, true, &b"new"[..]));
    assert_eq!(read(&cache, key(1, "a"), policy(), "x").await.entry.body, "new");
}

#[tokio::test]
async fn evicts_an_instances_own_oldest() {
    let (cache, _) = cache();
    let three = Policy { max_entries: 3, ..policy() };
    read(&cache, key(2, "other"), policy(), "x").await;
    for n in 0..5 {
        read(&cache, key(1, &n.to_string()), three, "x").await;
    }
    let mut outcomes = Vec::new();
    for n in [4, 3, 2] {
        outcomes.push(read(&cache, key(1, &n.to_string()), three, "x").await.outcome);
    }
    assert_eq!(outcomes, [Outcome::Hit; 3]);
    assert_eq!(read(&cache, key(2, "other"), policy(), "x").await.outcome, Outcome::Hit);
    assert_eq!(cache.len(), 4);
    assert_eq!(read(&cache, key(1, "0"), three, "x").await.outcome, Outcome::Miss);
    assert_eq!(read(&cache, key(1, "2"), three, "x").await.outcome, Outcome::Miss, "it was the oldest");
}

#[tokio::test]
async fn keeps_within_its_bytes() {
    let (cache, _) = with(&Settings { max_bytes: 100_000, ..Settings::default() });
    for n in 0..1000 {
        read(&cache, key(n % 7, &n.to_string()), policy(), &"x".repeat(1000)).await;
    }
    assert!(cache.bytes() <= 100_000 && cache.len() <= 100, "{} {}", cache.bytes(), cache.len());
    for instance in 0..7 {
        cache.forget(instance);
    }
    assert!(cache.is_empty());
}

#[tokio::test]
async fn generations_that_share_a_counter_make_misses_not_stale_hits() {
    let (cache, _) = with(&Settings { max_generations: 4, ..Settings::default() });
    read(&cache, key(1, "a"), policy(), "old").await;
    cache.invalidate(1, "contacts");
    for n in 100..200 {
        read(&cache, key(n, "a"), policy(), "x").await;
    }
    assert_eq!(read(&cache, key(1, "a"), policy(), "new").await.entry.body, "new");
}

#[derive(Debug, Clone)]
enum Step {
    Read { instance: i64, resource: usize, query: u8 },
    Write { instance: i64, resource: usize },
    Forget { instance: i64 },
    Wait { seconds: i64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let (instance, resource) = (1..4_i64, 0..3_usize);
    prop_oneof![
        6 => (instance.clone(), resource.clone(), 0..3_u8)
            .prop_map(|(instance, resource, query)| Step::Read { instance, resource, query }),
        2 => (instance.clone(), resource).prop_map(|(instance, resource)| Step::Write { instance, resource }),
        1 => instance.prop_map(|instance| Step::Forget { instance }),
        1 => (0..90_i64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

const RESOURCES: [&str; 3] = ["contacts", "accounts", "leads"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is read, with the cache of whatever size, is what the provider would have said just then.
    #[test]
    fn answers_as_if_it_were_not_there(
        steps in prop::collection::vec(any_step(), 1..120),
        max_bytes in prop::sample::select(vec![0_u64, 700, 3000, 1 << 20]),
        max_generations in prop::sample::select(vec![0_usize, 2, 5, 1000]),
        max_entries in 0..4_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (cache, clock) = with(&Settings { max_bytes, max_generations, ..Settings::default() });
            let provider: Arc<Mutex<HashMap<(i64, usize), u64>>> = Arc::default();
            let version = |at| provider.lock().unwrap().get(&at).copied().unwrap_or_default();
            for step in steps {
                match step {
                    Step::Read { instance, resource, query } => {
                        let says = format!("{instance}/{resource}/{query}/{}", version((instance, resource)));
                        let key = CacheKey::new(instance, RESOURCES[resource], "GET", &query.to_string(), "*/*");
                        let found = read(&cache, key, Policy { max_entries, ..policy() }, &says).await;
                        prop_assert_eq!(&found.entry.body[..], says.as_bytes());
                    }
                    Step::Write { instance, resource } => {
                        let _writing = cache.writing(instance, [RESOURCES[resource]]);
                        *provider.lock().unwrap().entry((instance, resource)).or_default() += 1;
                    }
                    Step::Forget { instance } => {
                        (0..RESOURCES.len()).for_each(|resource| {
                            *provider.lock().unwrap().entry((instance, resource)).or_default() += 1;
                        });
                        cache.forget(instance);
                    }
                    Step::Wait { seconds } => clock.shift(TimeDelta::seconds(seconds)),
                }
            }
            Ok(())
        })?;
    }

    /// Many instances asking the same at the same time, some of them leaving: nobody ever gets another's answer.
    #[test]
    fn never_shows_an_instance_anothers_entry(
        asks in prop::collection::vec((0..8_i64, 0..3_u8, any::<bool>()), 1..200),
        max_bytes in prop::sample::select(vec![1500_u64, 1 << 20]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (cache, _) = with(&Settings { max_bytes, ..Settings::default() });
            let answers = join_all(asks.iter().map(|&(instance, query, leaves)| {
                let cache = cache.clone();
                async move {
                    let says = format!("canary {instance} {query}");
                    let body = says.clone();
                    let work = || async move {
                        tokio::task::yield_now().await;
                        Ok(answer(body))
                    };
                    let ask = cache.get_or_compute(key(instance, &query.to_string()), policy(), work);
                    if leaves {
                        ask.now_or_never();
                        return true;
                    }
                    ask.await.unwrap().entry.body == says.as_bytes()
                }
            }))
            .await;
            prop_assert!(answers.into_iter().all(|own| own));
            Ok(())
        })?;
    }
}
