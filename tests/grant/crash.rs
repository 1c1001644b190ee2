//! Crashes: simulated at every step, and with a real `kill -9`.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::Arc,
};

use chrono::TimeDelta;
use hubgate::{
    clock::ShiftedClock,
    error::Kind,
    grant::{OAuth2, Settings, Step, Verdict},
    store::GrantState,
};

use crate::{
    dies_at, policy,
    token_server::{Fault, Rotation},
    world::{World, open, secret, soon},
};

/// After a crash the next call has a token that works, unless the provider itself does not honour the old one.
async fn recovers(world: &World, what: &str) {
    let honoured = world.honoured().await;
    let grants = world.grants();
    let mut result = world.access(&grants).await;
    if result.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable) {
        result = world.access(&grants).await;
    }
    if !honoured && world.row().await.state == GrantState::ReauthRequired {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::ReauthRequired, "{what}");
        let calls = world.provider.counters().calls;
        assert!(world.access(&grants).await.is_err());
        assert_eq!(world.provider.counters().calls, calls, "{what}");
        return;
    }
    let access = result.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert!(world.works(&access), "{what}");
    let row = world.row().await;
    assert_eq!((row.state, row.generation), (GrantState::Valid, access.generation), "{what}");
    assert!(world.honoured().await, "{what}");
    // And the one after that.
    world.expire();
    assert!(world.works(&world.access(&grants).await.unwrap()), "{what}");
}

fn may_lose(rotation: Rotation, step: Step) -> bool {
    rotation == Rotation::Strict && step == Step::AfterProviderAnswer
}

#[tokio::test]
async fn a_crash_at_any_step_loses_nothing_that_the_provider_honours() {
    for rotation in [Rotation::Strict, Rotation::Grace, Rotation::Keep] {
        for step in Step::ALL {
            let what = format!("{rotation:?} {step:?}");
            let mut world = World::new(policy(rotation)).await;
            world.expire();
            if step == Step::BeforeReplay {
                world.provider.fail([if rotation == Rotation::Strict { Fault::DropBefore } else { Fault::DropAfter }]);
            }
            let (dying, _) = world.node(dies_at(step));
            assert_eq!(world.access(&dying).await.unwrap_err().kind(), Kind::Unavailable, "{what}");
            drop(dying);
            world.reopen().await;
            world.pass(TimeDelta::seconds(31));
            recovers(&world, &what).await;
            assert_eq!(world.row().await.state == GrantState::ReauthRequired, may_lose(rotation, step), "{what}");
            let spent = world.provider.counters().spent;
            assert!(spent <= 1, "{what}: a spent token was presented {spent} times after one crash");
        }
    }
}

#[tokio::test]
async fn two_crashes_in_a_row_lose_nothing_that_the_provider_honours() {
    for rotation in [Rotation::Strict, Rotation::Grace, Rotation::Keep] {
        for first in Step::ALL {
            for second in Step::ALL {
                if first == Step::BeforeReplay || second == Step::BeforeReplay {
                    continue;
                }
                let what = format!("{rotation:?} {first:?} {second:?}");
                let mut world = World::new(policy(rotation)).await;
                world.expire();
                for step in [first, second] {
                    let (dying, _) = world.node(dies_at(step));
                    // After a commit the second finds nothing to do.
                    drop(world.access(&dying).await);
                    drop(dying);
                    world.reopen().await;
                    world.pass(TimeDelta::seconds(31));
                }
                recovers(&world, &what).await;
                assert!(world.provider.counters().spent <= 2, "{what}");
                let lost = world.row().await.state == GrantState::ReauthRequired;
                assert!(!lost || may_lose(rotation, first) || may_lose(rotation, second), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_process_that_lives_on_takes_over_when_the_lease_of_a_dead_one_runs_out() {
    let world = World::new(policy(Rotation::Grace)).await;
    world.expire();
    let (dying, _) = world.node(dies_at(Step::AfterProviderAnswer));
    assert!(world.access(&dying).await.is_err());
    // The lease still runs: nobody calls.
    let other = world.grants();
    let short = tokio::time::Instant::now();
    assert_eq!(other.access(world.id, &world.oauth, short).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(world.provider.counters().calls, 1);
    world.pass(TimeDelta::seconds(31));
    assert!(world.works(&world.access(&other).await.unwrap()));
    assert_eq!((world.provider.counters().calls, world.provider.counters().spent), (2, 1));
}

const CHILD: &str = "HUBGATE_TEST_KILLED_CHILD";

/// Not a test by itself: the process that [`kill_9_at_any_step`] kills. It refreshes, reports the step, and waits.
#[tokio::test(flavor = "multi_thread")]
async fn the_process_to_be_killed() {
    let Some(order) = std::env::var_os(CHILD) else { return };
    let order: serde_json::Value = serde_json::from_str(order.to_str().unwrap()).unwrap();
    let text = |name: &str| order[name].as_str().unwrap().to_owned();
    let (wanted, report) = (text("step"), text("report"));
    let hook = move |at: Step| {
        if format!("{at:?}") == wanted {
            TcpStream::connect(&report).unwrap().write_all(b"here").unwrap();
            loop {
                std::thread::park();
            }
        }
        Verdict::Continue
    };
    let clock = Arc::new(ShiftedClock::default());
    clock.shift(TimeDelta::minutes(61));
    let store = open(text("dir").as_ref(), &clock).await;
    let settings = Settings { hook: Some(Arc::new(hook)), ..Settings::default() };
    let (grants, _) = World::over(store, &clock, settings);
    let oauth = Arc::new(OAuth2 {
        token_url: text("token_url"),
        client_id: "client".to_owned(),
        client_secret: Some(secret("canary-client-secret")),
        ..OAuth2::default()
    });
    drop(grants.access(order["id"].as_i64().unwrap(), &oauth, soon()).await);
    panic!("should have been killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_any_step() {
    for rotation in [Rotation::Strict, Rotation::Grace, Rotation::Keep] {
        for step in Step::ALL {
            let what = format!("kill -9, {rotation:?} {step:?}");
            let mut world = World::new(policy(rotation)).await;
            if step == Step::BeforeReplay {
                world.provider.fail([if rotation == Rotation::Strict { Fault::DropBefore } else { Fault::DropAfter }]);
            }
            world.store.close().await;
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let order = serde_json::json!({
                "step": format!("{step:?}"), "report": listener.local_addr().unwrap().to_string(), "dir": world.dir,
                "token_url": world.provider.url("/token"), "id": world.id,
            });
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "crash::the_process_to_be_killed"])
                .env(CHILD, order.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            tokio::task::spawn_blocking(move || listener.accept().unwrap()).await.unwrap();
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success());
            // The same process starts again: no lease to wait for.
            world.expire();
            world.reopen().await;
            recovers(&world, &what).await;
            assert_eq!(world.row().await.state == GrantState::ReauthRequired, may_lose(rotation, step), "{what}");
            assert!(world.provider.counters().spent <= 1, "{what}");
        }
    }
}
