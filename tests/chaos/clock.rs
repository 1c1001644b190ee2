//! The clock of the node jumps.

use std::{fs, path::PathBuf};

use reqwest::Method;

use crate::{
    beside_others,
    disk::skip,
    house::{CONTENTS, House, Node},
    size,
    support::send,
    tell,
};

/// The library that shows a process another time.
fn library() -> Option<PathBuf> {
    let places = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    places.map(|place| place.path().join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
}

/// So many calls at once, each answered 200.
async fn all_served(node: &Node, token: &str, calls: usize) {
    let asked =
        (0..calls).map(|_| send(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", token)));
    for reply in futures_util::future::join_all(asked).await {
        reply.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_costs_no_grant_and_no_storm() {
    let _turn = beside_others().await;
    let check = "clock that jumps";
    let Some(library) = library() else {
        return skip("a_clock_that_jumps_costs_no_grant_and_no_storm", "there is no libfaketime (Debian: faketime)");
    };
    let house = House::embedded(false).await;
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    let set = |to: &str| fs::write(&clock, to).unwrap();
    set("+0");
    let environment = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let mut node = house.node(&environment).await;
    let calls = size(40, 500);
    all_served(&node, &house.token, calls).await;
    assert_eq!(house.provider.counters().calls, 0, "its token is good for nine hours");

    // Ahead, past its end: one refresh, for an hour.
    set("+10h");
    all_served(&node, &house.token, calls).await;
    let seen = house.provider.counters();
    assert_eq!((seen.calls, seen.rotations, seen.spent), (1, 1, 0));

    // Back: what looks good for three hours has ended where time goes on; the provider says so.
    set("+8h");
    all_served(&node, &house.token, calls).await;
    assert_eq!(house.provider.counters(), seen, "the token looks good");
    house.provider.end_access();
    all_served(&node, &house.token, calls).await;
    let seen = house.provider.counters();
    assert_eq!((seen.calls, seen.rotations, seen.spent), (2, 2, 0));

    // To and fro; whoever asks is served, and nothing is presented twice.
    let mut refreshes = seen.rotations;
    for to in ["+10h", "+6h", "+12h", "-2h", "+0", "+30d", "+0"] {
        set(to);
        all_served(&node, &house.token, calls).await;
        let seen = house.provider.counters();
        assert!(seen.rotations <= refreshes + 1 && seen.spent == 0, "{to}: {seen:?}");
        refreshes = seen.rotations;
        assert_eq!(node.ready().await, 200, "{to}");
        node.platform(Method::GET, "/instances").await.expect(200);
        node.platform(Method::GET, "/audit-logs").await.expect(200);
        assert!(node.runs());
    }
    assert!(refreshes > 2, "no jump led to a refresh: nothing is shown");
    tell(
        check,
        format_args!("10 jumps of up to 30 days, {calls} calls at once after each: all 200, {refreshes} refreshes"),
    );
}
