//! Several real gateways on one database: what one does, all know; what breaks between them is slower, but never wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    dead_code,
    missing_docs,
    reason = "a test says what is wrong by failing; its support is shared"
)]

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use tokio::time::Instant;

#[path = "support/cable.rs"]
mod cable;
#[path = "support/postgres.rs"]
mod database;
#[path = "nodes/house.rs"]
mod house;
#[path = "nodes/journal.rs"]
mod journal;
#[path = "nodes/keep_alive.rs"]
mod keep_alive;
#[path = "support/nothing_else.rs"]
mod nothing_else;
#[path = "nodes/rates.rs"]
mod rates;
#[path = "hub/support.rs"]
mod support;
#[path = "support/token_server.rs"]
mod token_server;

use cable::Cable;
use house::{CONTENTS, House, Node, redis};
use token_server::Counters;

/// Asks until `done`, for ten seconds at most: long before anything would end by its age.
async fn eventually<F: Future<Output = bool>>(what: &str, done: impl Fn() -> F) {
    let until = Instant::now() + Duration::from_secs(10);
    while !done().await {
        assert!(Instant::now() < until, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_and_many_callers_make_one_token_call() {
    let Some(house) = House::build("three_nodes_and_many_callers_make_one_token_call", true).await else { return };
    let nodes = [house.node(&[]).await, house.node(&[]).await, house.node(&[]).await];
    house.provider.hold();
    let asked = (0..300).map(|at| nodes[at % 3].get(CONTENTS));
    let all = futures_util::future::join_all(asked);
    let answers = async {
        house.provider.held().await;
        house.provider.release();
    };
    let (replies, ()) = futures_util::future::join(all, answers).await;
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert!(refused.is_empty(), "{} refused, the first: {:?}", refused.len(), refused[0]);
    assert_eq!(house.provider.counters(), Counters { calls: 1, rotations: 1, spent: 0, concurrent: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_changes_holds_on_all() {
    let Some(house) = House::build("what_one_node_changes_holds_on_all", false).await else { return };
    let cable = Cable::to(&house.database().address(), "hubgate listener").await;
    let here = house.node(&[]).await;
    let there = house.node_by(&cable, &[]).await;
    let status = async |node: &Node| node.get(CONTENTS).await.status.as_u16();
    let switch = async |method: Method| {
        here.platform(method, &format!("/instances/{}/enabled", house.instance)).await.expect(200);
    };
    for deaf in [false, true] {
        assert_eq!((status(&here).await, status(&there).await), (200, 200));
        if deaf {
            // Its notices do not arrive, and nobody tells it; the rest of its connections are well.
            assert_eq!(cable.marked(), 1, "one connection listens");
            cable.deafen();
        }
        switch(Method::DELETE).await;
        eventually("switched off", async || status(&there).await == 403).await;
        switch(Method::PUT).await;
        eventually("switched on", async || status(&there).await == 200).await;
    }
    here.platform(Method::DELETE, &format!("/instances/{}", house.instance)).await.expect(200);
    eventually("a token that is revoked is refused", async || status(&there).await == 401).await;
    assert_eq!(status(&here).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_told_and_waited_for() {
    let Some(house) = House::build("a_database_that_is_away_is_told_and_waited_for", false).await else { return };
    let cable = Cable::to(&house.database().address(), "hubgate listener").await;
    let node = house.node_by(&cable, &[]).await;
    for _ in 0..2 {
        assert_eq!(node.get(CONTENTS).await.status, 200);
        cable.cut();
        eventually("it says that it is not ready", async || node.ready().await == 503).await;
        eventually("calls are refused", async || node.get(CONTENTS).await.status == 503).await;
        let refused = node.get(CONTENTS).await.expect(503);
        assert!(!refused.header("retry-after").is_empty(), "{}", refused.body);
        cable.mend();
        eventually("it is ready by itself", async || node.ready().await == 200).await;
        eventually("calls are served", async || node.get(CONTENTS).await.status == 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_never_answers_is_told_within_a_callers_time() {
    let Some(house) = House::build("a_database_that_never_answers_is_told_within_a_callers_time", false).await else {
        return;
    };
    let cable = Cable::to(&house.database().address(), "hubgate listener").await;
    let node = house.node_by(&cable, &[("HUBGATE_SERVER__REQUEST_TIMEOUT_S", "5")]).await;
    assert_eq!(node.get(CONTENTS).await.status, 200);
    cable.freeze();
    // What is believed for a moment still is not asked for.
    eventually("calls are refused", async || node.get(CONTENTS).await.status != 200).await;
    let refused = node.get(CONTENTS).await.expect(503);
    assert!(!refused.header("retry-after").is_empty(), "{}", refused.body);
    cable.mend();
    eventually("calls are served", async || node.get(CONTENTS).await.status == 200).await;
    cable.lose();
    eventually("calls are served again", async || node.get(CONTENTS).await.status == 200).await;
}

async fn no_write_leaves_anything_stale(house: &House, nodes: &[&Node], rounds: usize) {
    for round in 0..rounds {
        for turn in 0..nodes.len() {
            let name = format!("/f{round}-{turn}.txt");
            house.shelf.lock().unwrap().insert(name.clone());
            // A file that came without our doing is seen at the latest after the next write of ours.
            for node in nodes {
                node.get(CONTENTS).await.expect(200);
                node.get(CONTENTS).await.expect(200);
            }
            nodes[turn].delete(&format!("/files?path={name}")).await.expect(200);
            for (at, node) in nodes.iter().enumerate() {
                let names: BTreeSet<String> = node.get(CONTENTS).await.expect(200).names().into_iter().collect();
                assert!(!names.contains(&name[1..]), "written by {turn}, read by {at}: {names:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_shared_and_never_stale_after_a_write() {
    let Some(house) = House::build("answers_are_shared_and_never_stale_after_a_write", false).await else { return };
    let Some(redis) = redis("answers_are_shared_and_never_stale_after_a_write").await else { return };
    let cable = Cable::to(&redis, "").await;
    let near = format!("redis://{redis}");
    let far = format!("redis://{}", cable.address);
    let (one, two) = (
        house.node(&[("HUBGATE_CACHE__REDIS_URL", &near)]).await,
        house.node(&[("HUBGATE_CACHE__REDIS_URL", &far)]).await,
    );
    house.enable_caching(&one).await;
    let how = async |node: &Node| node.get(CONTENTS).await.expect(200).header("cache-status").to_owned();
    eventually("what one computed, the other gives out", async || {
        let before = house.calls();
        let (first, second) = (how(&one).await, how(&two).await);
        first.contains("hit") && second.contains("hit") && house.calls() == before
    })
    .await;
    assert_eq!(two.get(CONTENTS).await.header("age").parse::<u64>().unwrap_or(99) / 60, 0);
    no_write_leaves_anything_stale(&house, &[&one, &two], 5).await;
    // One node loses Redis, and writes nevertheless.
    for way in [Cable::cut, Cable::freeze] {
        way(&cable);
        no_write_leaves_anything_stale(&house, &[&one, &two], 2).await;
        cable.mend();
        no_write_leaves_anything_stale(&house, &[&one, &two], 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_without_redis_agree_about_what_is_stale() {
    let Some(house) = House::build("nodes_without_redis_agree_about_what_is_stale", false).await else { return };
    let (one, two) = (house.node(&[]).await, house.node(&[]).await);
    house.enable_caching(&one).await;
    for node in [&one, &two] {
        eventually("answers are kept", async || {
            node.get(CONTENTS).await.expect(200).header("cache-status").contains("hit")
        })
        .await;
    }
    no_write_leaves_anything_stale(&house, &[&one, &two], 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_makes_the_schema_and_the_key_once() {
    let Some(house) = House::build("migrate_makes_the_schema_and_the_key_once", false).await else { return };
    for _ in 0..2 {
        let output = house.command(&["migrate"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("the store is at schema "));
    }
    let mut nowhere = house.command(&["migrate"]);
    nowhere.env("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/nothing");
    let output = nowhere.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1") && !said.contains("hunter2"), "{said}");
    let mut keyless = house.command(&["migrate"]);
    keyless.env_remove("HUBGATE_STORE__MASTER_KEY_FILE");
    let output = keyless.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("store.master_key_file: must be set with store.database_url"), "{said}");
}
