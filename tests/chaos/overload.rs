//! Three times more calls than can be done.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use crate::{
    alone, attempt,
    house::{CONTENTS, House},
    size, tell,
};

/// Calls at a time, and what each takes at the provider: that is what the node can do.
const AT_A_TIME: usize = 32;
const EACH_MS: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_turned_away_and_the_rest_is_served() {
    let _turn = alone().await;
    let check = "overload";
    let house = House::embedded(false).await;
    house.pause_ms.store(EACH_MS, Ordering::SeqCst);
    let limit = AT_A_TIME.to_string();
    let node = house.node(&[("HUBGATE_SERVER__MAX_IN_FLIGHT", &limit)]).await;
    let call = || attempt(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &house.token));
    let time = Duration::from_secs(u64::try_from(size(3, 60)).unwrap());

    // What it can do: as many callers as calls at a time, each after its last answer.
    let started = Instant::now();
    let workers = (0..AT_A_TIME).map(|_| async {
        let mut served = 0_usize;
        while started.elapsed() < time / 3 {
            served += usize::from(call().await.unwrap().status == 200);
        }
        served
    });
    let served: usize = futures_util::future::join_all(workers).await.iter().sum();
    let capacity = per_second(served, started.elapsed());
    assert!(served >= AT_A_TIME, "only {served} calls: nothing is shown");

    // Three times as many, whatever becomes of those before.
    let before = node.resident_bytes();
    let every = Duration::from_secs_f64(1.0 / (3.0 * capacity));
    let mut due = tokio::time::interval(every);
    let (started, mut calls, mut most) = (Instant::now(), Vec::new(), before);
    while started.elapsed() < time {
        due.tick().await;
        let request = node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &house.token);
        calls.push(tokio::spawn(async move {
            let asked = Instant::now();
            (attempt(request).await, asked.elapsed())
        }));
        if calls.len().is_multiple_of(100) {
            most = most.max(node.resident_bytes());
        }
    }
    let offered = per_second(calls.len(), started.elapsed());
    let (mut statuses, mut refusals) = (BTreeMap::<u16, usize>::new(), Vec::new());
    for call in calls {
        let (reply, lasted) = call.await.unwrap();
        let reply = reply.expect("every call is answered");
        let status = reply.status.as_u16();
        *statuses.entry(status).or_default() += 1;
        if status != 200 {
            assert!(matches!(status, 429 | 503), "{status} {}", reply.body);
            assert!(!reply.header("retry-after").is_empty(), "{}", reply.body);
            refusals.push(lasted);
        }
    }
    let served = statuses.get(&200).copied().unwrap_or_default();
    let goodput = per_second(served, started.elapsed());
    assert!(served > AT_A_TIME && !refusals.is_empty(), "nothing is shown: {statuses:?}");
    most = most.max(node.resident_bytes());
    assert!(most < before + before / 2 + (64 << 20), "{most} bytes of memory, {before} before");
    refusals.sort();
    // Well again at once.
    call().await.unwrap().expect(200);
    tell(
        check,
        format_args!(
            "capacity {capacity:.0} calls a second, offered {offered:.0} for {} s: served {goodput:.0} a second ({:.0} %), \
             the others 429 or 503 with Retry-After, half of them in {} ms, 99 % in {} ms; resident memory {} MiB, {} MiB \
             before",
            time.as_secs(),
            100.0 * goodput / capacity,
            refusals[refusals.len() / 2].as_millis(),
            refusals[refusals.len() * 99 / 100].as_millis(),
            most >> 20,
            before >> 20
        ),
    );
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_second(number: usize, time: Duration) -> f64 {
    number as f64 / time.as_secs_f64()
}
