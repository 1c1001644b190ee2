//! Nodes are replaced one after the other, and nobody notices.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    attempt, beside_others, eventually,
    house::{CONTENTS, House},
    size,
    support::client,
    tell,
};

#[derive(Debug, Default)]
struct Seen {
    served: usize,
    retried: usize,
    failed: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_replaced_one_after_the_other_and_nobody_notices() {
    let _turn = beside_others().await;
    let check = "rolling restart";
    let test = "nodes_are_replaced_one_after_the_other_and_nobody_notices";
    let Some(house) = House::build(test, false).await else { return };
    house.pause_ms.store(20, Ordering::SeqCst);
    let mut nodes = futures_util::future::join_all((0..3).map(|_| house.node(&[]))).await;
    let bases = Arc::new(Mutex::new(nodes.iter().map(|node| node.base.clone()).collect::<Vec<_>>()));
    let stop = Arc::new(AtomicBool::new(false));
    let done: Arc<[AtomicUsize; 8]> = Arc::default();
    let callers: Vec<_> = (0..done.len())
        .map(|at| {
            let (bases, stop, token, client) = (Arc::clone(&bases), Arc::clone(&stop), house.token.clone(), client());
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut seen = Seen::default();
                let mut turn = at;
                while !stop.load(Ordering::SeqCst) {
                    let mut tried = Vec::new();
                    // One call and one retry, at the next node.
                    while tried.len() < 2 {
                        turn += 1;
                        let base = bases.lock().unwrap()[turn % 3].clone();
                        let request = client.get(format!("{base}{CONTENTS}")).header("Authorization", &token);
                        match attempt(request).await {
                            Some(reply) if reply.status == 200 => break,
                            reply => tried.push(reply.map(|reply| (reply.status, reply.body))),
                        }
                    }
                    done[at].fetch_add(1, Ordering::SeqCst);
                    match tried.len() {
                        0 => seen.served += 1,
                        1 => {
                            seen.served += 1;
                            seen.retried += 1;
                        }
                        _ => seen.failed.push(format!("{tried:?}")),
                    }
                }
                seen
            })
        })
        .collect();
    let rounds = size(1, 10);
    for _ in 0..rounds {
        for at in 0..3 {
            let old = nodes.remove(0);
            let (watched, root) = (old.client.clone(), old.base.trim_end_matches("/elements/api-v2").to_owned());
            old.signal("TERM");
            // Not ready from then on: it says so, or takes no connection any more.
            eventually("it is not ready any more", async || {
                attempt(watched.get(format!("{root}/readyz"))).await.is_none_or(|reply| reply.status == 503)
            })
            .await;
            assert_eq!(old.ended().await, Some(0));
            let new = house.node(&[]).await;
            bases.lock().unwrap()[at].clone_from(&new.base);
            nodes.push(new);
            // The next one goes when every caller knows the new one.
            let before: Vec<_> = done.iter().map(|done| done.load(Ordering::SeqCst)).collect();
            eventually("every caller has called again", async || {
                done.iter().zip(&before).all(|(done, before)| done.load(Ordering::SeqCst) > before + 1)
            })
            .await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut all = Seen::default();
    for caller in callers {
        let seen = caller.await.unwrap();
        all.served += seen.served;
        all.retried += seen.retried;
        all.failed.extend(seen.failed);
    }
    assert!(all.failed.is_empty(), "{} failed, the first: {}", all.failed.len(), all.failed[0]);
    assert!(all.served > 100, "only {} calls: nothing is shown", all.served);
    tell(
        check,
        format_args!(
            "{} nodes replaced: {} calls served, {} of them by their one retry, 0 failed",
            3 * rounds,
            all.served,
            all.retried
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_outlives_the_order_to_stop() {
    let _turn = beside_others().await;
    let house = House::embedded(true).await;
    let node = house.node(&[]).await;
    house.provider.hold();
    let request = node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &house.token);
    let call = tokio::spawn(attempt(request));
    house.provider.held().await;
    let address = node.address().to_owned();
    node.signal("TERM");
    eventually("it takes no connection any more", async || tokio::net::TcpStream::connect(&address).await.is_err())
        .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    house.provider.release();
    call.await.unwrap().expect("it is answered").expect(200);
    assert_eq!(node.ended().await, Some(0));
    // And what it refreshed is stored.
    let node = house.node(&[]).await;
    node.get(CONTENTS).await.expect(200);
    assert_eq!(house.provider.counters().calls, 1);
}
