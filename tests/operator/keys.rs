//! Keys rotated under a gateway that serves.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{house::House, raw, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_serves_on_while_its_keys_are_rotated() {
    let house = House::build().await;
    let node = Arc::new(house.serve());
    let mut instances = Vec::new();
    for _ in 0..40 {
        instances.push(node.create().await);
    }
    assert_eq!(run(&house, &["backup", "before.db"]).0, 0);
    let old = raw(&house.database(), "SELECT key_id FROM master_key").await.remove(0);
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..3)
        .map(|n| {
            let (node, stop, instances) = (Arc::clone(&node), Arc::clone(&stop), instances.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::SeqCst) {
                    let made = node.create().await;
                    for instance in [&instances[(n + calls) % instances.len()], &made] {
                        assert_eq!(node.contents(instance).await, 200);
                    }
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let (code, text) = run(&house, &["key", "rotate"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("hubgate key remove {old}")), "{text}");
    let (code, text) = run(&house, &["key", "remove", &old]);
    assert_eq!(code, 0, "{text}");
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        assert!(caller.await.unwrap() > 0, "no call failed, and there were some");
    }
    let keys = raw(&house.database(), "SELECT DISTINCT key_id FROM instance").await;
    assert!(keys.len() == 1 && keys[0] != old, "{keys:?}");
    let (code, text) = run(&house, &["key", "list"]);
    assert!(code == 0 && text.contains("seals what is new") && text.contains("removed"), "{text}");
    assert_eq!(run(&house, &["key", "remove", &keys[0]]).0, 1);
    assert_eq!(run(&house, &["key", "remove", "nothing"]).0, 1);
    assert_eq!(run(&house, &["audit", "verify"]).0, 0);
    drop(node);

    let node = house.serve();
    for instance in &instances {
        assert_eq!(node.contents(instance).await, 200, "after a restart with the new key alone");
    }
    drop(node);
    // With the old key destroyed, so is what the backup from before could open.
    fs::create_dir(house.path("elsewhere")).unwrap();
    house.put_key("elsewhere/master.key", &fs::read(house.path("data/master.key")).unwrap());
    let (code, text) = run(&house, &["restore", "before.db", "--data", "elsewhere"]);
    assert!(code == 1 && text.contains("is not the one") && text.contains(&old), "{text}");
}
