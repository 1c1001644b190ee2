//! Grants against a strict token server over a socket and a real SQLite file: one refresh for all, nothing lost.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use hubgate::{
    error::Kind,
    grant::{Grants, OAuth2, Pkce, Settings, Step, Verdict},
    store::{Actor, GrantState, InstanceChange, NewGrant},
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::{sync::Barrier, time::Instant};

#[path = "grant/crash.rs"]
mod crash;
#[path = "support/postgres.rs"]
#[expect(dead_code, reason = "shared with other tests, which use the rest")]
mod database;
#[path = "grant/machine.rs"]
mod machine;
#[path = "grant/spill.rs"]
mod spill;
#[path = "support/token_server.rs"]
mod token_server;
#[path = "support/world.rs"]
mod world;

use token_server::{Counters, Fault, Policy, Rotation};
use world::{World, open, secret, soon};

fn policy(rotation: Rotation) -> Policy {
    Policy { rotation, ..Policy::default() }
}

fn answer(status: u16, body: &Value) -> Fault {
    Fault::Answer(status, vec![("content-type", "application/json")], body.to_string())
}

/// So many callers at once, all of one generation.
async fn storm(world: &World, nodes: &[Grants], callers: usize) -> i64 {
    let barrier = Arc::new(Barrier::new(callers));
    let calls = (0..callers).map(|at| {
        let (grants, oauth, barrier) = (nodes[at % nodes.len()].clone(), world.oauth.clone(), barrier.clone());
        let id = world.id;
        tokio::spawn(async move {
            barrier.wait().await;
            grants.access(id, &oauth, soon()).await.unwrap()
        })
    });
    let mut generations = std::collections::BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        let access = call.await.unwrap();
        assert!(world.works(&access));
        generations.insert(access.generation);
    }
    assert_eq!(generations.len(), 1, "{generations:?}");
    generations.first().copied().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_makes_no_wait_longer() {
    let mut world = World::new(policy(Rotation::Strict)).await;
    let down = || Fault::Answer(503, vec![("retry-after", "120")], "down".to_owned());
    let grants = world.grants();
    world.pass(TimeDelta::hours(10));
    world.provider.fail([down()]);
    assert_eq!(world.access(&grants).await.unwrap_err().kind(), Kind::ProviderFailed);
    world.pass(TimeDelta::minutes(-30));
    let refused = world.access(&grants).await.unwrap_err();
    assert!(refused.retry_after().is_some_and(|left| left <= Duration::from_secs(120)), "{refused:?}");
    assert_eq!(world.provider.counters().calls, 1, "the wait is not over");
    world.pass(TimeDelta::seconds(121));
    assert_eq!(world.access(&grants).await.unwrap().generation, 2);

    // By more than any wait is long, while nothing ran.
    world.pass(TimeDelta::hours(10));
    world.provider.fail([down()]);
    world.access(&grants).await.unwrap_err();
    drop(grants);
    world.pass(TimeDelta::hours(-5));
    world.reopen().await;
    assert_eq!(world.access(&world.grants()).await.unwrap().generation, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_on_an_expired_token_make_one_token_call() {
    let world = World::new(policy(Rotation::Strict)).await;
    world.expire();
    assert_eq!(storm(&world, &[world.grants()], 1000).await, 2);
    assert_eq!(world.provider.counters(), Counters { calls: 1, rotations: 1, spent: 0, concurrent: 1 });
    assert_eq!(world.row().await.generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_on_one_store_make_one_token_call() {
    let world = World::new(policy(Rotation::Strict)).await;
    let mut nodes = vec![world.grants()];
    for _ in 0..2 {
        nodes.push(World::over(open(&world.dir, &world.clock).await, &world.clock, Settings::default()).0);
    }
    for generation in 2..5 {
        world.expire();
        assert_eq!(storm(&world, &nodes, 150).await, generation);
    }
    assert_eq!(world.provider.counters(), Counters { calls: 3, rotations: 3, spent: 0, concurrent: 1 });
}

#[tokio::test]
async fn a_fresh_token_costs_no_call_and_a_due_one_is_refreshed_while_it_works() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    for _ in 0..3 {
        assert_eq!(world.access(&grants).await.unwrap().generation, 1);
    }
    world.pass(TimeDelta::minutes(50));
    assert_eq!(world.access(&grants).await.unwrap().generation, 1);
    assert_eq!(world.provider.counters().calls, 0);
    // A tenth of its life is six minutes, give or take a fifth.
    world.pass(TimeDelta::minutes(6));
    let access = world.access(&grants).await.unwrap();
    assert!(access.generation == 2 && world.works(&access));
    assert!(world.row().await.expires_at.unwrap() > world.now() + TimeDelta::minutes(59));
}

#[tokio::test]
async fn every_kind_of_provider_is_served_for_long() {
    for rotation in [Rotation::Strict, Rotation::Grace, Rotation::Keep] {
        for expires_in in [json!(3600), json!("3600")] {
            let world = World::new(Policy { rotation, expires_in, ..Policy::default() }).await;
            let grants = world.grants();
            for generation in 2..6 {
                world.expire();
                let access = world.access(&grants).await.unwrap();
                assert!(access.generation == generation && world.works(&access), "{rotation:?}");
                assert!(world.honoured().await, "{rotation:?}");
            }
            assert_eq!(world.provider.counters(), Counters { calls: 4, rotations: 4, spent: 0, concurrent: 1 });
            let kept = world.row().await.refresh.unwrap().expose_secret() == world.refresh;
            assert_eq!(kept, rotation == Rotation::Keep);
        }
    }
}

#[tokio::test]
async fn without_expires_in_only_a_401_leads_to_a_refresh() {
    for expires_in in [Value::Null, json!(0)] {
        let world = World::new(Policy { expires_in, ..Policy::default() }).await;
        let grants = world.grants();
        world.expire();
        assert_eq!(world.access(&grants).await.unwrap().generation, 2);
        world.pass(TimeDelta::days(300));
        assert_eq!(world.access(&grants).await.unwrap().generation, 2);
        assert_eq!(world.row().await.expires_at, None);
        let access = grants.renew(world.id, 2, &world.oauth, soon()).await.unwrap();
        assert!(access.generation == 3 && world.works(&access));
        assert_eq!(world.provider.counters().calls, 2);
    }
}

#[tokio::test]
async fn a_default_life_stands_in_for_expires_in() {
    let world = World::new(Policy { expires_in: Value::Null, ..Policy::default() }).await;
    let oauth = Arc::new(OAuth2 { default_lifetime: Some(Duration::from_hours(2)), ..(*world.oauth).clone() });
    world.expire();
    let access = world.grants().access(world.id, &oauth, soon()).await.unwrap();
    let life = access.expires_at.unwrap() - world.now();
    assert!(life > TimeDelta::minutes(119) && life <= TimeDelta::minutes(120));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_401_a_later_generation_is_used_and_else_one_refresh_made() {
    let world = World::new(policy(Rotation::Strict)).await;
    let (one, other) = (world.grants(), world.grants());
    assert_eq!(world.access(&other).await.unwrap().generation, 1);
    // A hundred calls saw generation 1 refused: one refresh for all of them.
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let (grants, oauth, id) = (one.clone(), world.oauth.clone(), world.id);
            tokio::spawn(async move { grants.renew(id, 1, &oauth, soon()).await.unwrap().generation })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 2);
    }
    assert_eq!(world.provider.counters().calls, 1);
    // Another node, with generation 1 in memory, finds the row newer.
    let access = other.renew(world.id, 1, &world.oauth, soon()).await.unwrap();
    assert!(access.generation == 2 && world.works(&access));
    assert_eq!(world.access(&other).await.unwrap().generation, 2);
    assert_eq!(world.provider.counters().calls, 1);
}

#[tokio::test]
async fn a_token_that_is_refused_however_fresh_does_not_become_a_storm() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    let mut seen = 1;
    for _ in 0..50 {
        seen = grants.renew(world.id, seen, &world.oauth, soon()).await.unwrap().generation;
    }
    assert_eq!(world.provider.counters().calls, 10);
    assert_eq!(world.row().await.state, GrantState::Valid);
}

#[tokio::test]
async fn a_refused_refresh_token_means_reauth_and_no_further_calls_until_it_is_healed() {
    for expired in [true, false] {
        let world = World::new(policy(Rotation::Strict)).await;
        let grants = world.grants();
        let token = world.store.instance(world.id).await.unwrap().unwrap().token.expose_secret().to_owned();
        world.provider.revoke_all();
        if expired {
            world.expire();
        }
        let changed = Arc::new(std::sync::atomic::AtomicI64::new(0));
        let told = changed.clone();
        grants.on_change(move |id| told.store(id, std::sync::atomic::Ordering::SeqCst));
        let error = if expired {
            world.access(&grants).await.unwrap_err()
        } else {
            grants.renew(world.id, 1, &world.oauth, soon()).await.unwrap_err()
        };
        assert_eq!(error.kind(), Kind::ReauthRequired);
        assert!(error.public().contains("providerData"), "{error}");
        assert_eq!(error.provider().unwrap().code.as_deref(), Some("invalid_grant"));
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert_eq!(changed.load(std::sync::atomic::Ordering::SeqCst), world.id);
        for _ in 0..20 {
            assert_eq!(world.access(&grants).await.unwrap_err().kind(), Kind::ReauthRequired);
            let renewed = grants.renew(world.id, 1, &world.oauth, soon()).await;
            assert_eq!(renewed.unwrap_err().kind(), Kind::ReauthRequired);
            world.pass(TimeDelta::hours(1));
        }
        assert_eq!(world.provider.counters().calls, 1);
        let row = world.row().await;
        assert_eq!((row.state, row.generation), (GrantState::ReauthRequired, 1));
        let instance = world.store.instance(world.id).await.unwrap().unwrap();
        assert!(!instance.valid);

        let (access, refresh) = world.provider.first();
        let fresh = NewGrant { access: Some(secret(&access)), refresh: Some(secret(&refresh)), ..NewGrant::default() };
        let change = InstanceChange { grant: Some(fresh), ..InstanceChange::default() };
        let healed = world.store.update_instance(world.id, instance.version, change).await.unwrap();
        grants.forget(world.id);
        assert!(healed.valid && healed.token.expose_secret() == token);
        let access = world.access(&grants).await.unwrap();
        assert!(access.generation == 2 && world.works(&access));
    }
}

#[tokio::test]
async fn an_outage_heals_by_itself_and_never_kills_the_grant() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    let page = || Fault::Answer(503, vec![("content-type", "text/html")], "<h1>down</h1>".to_owned());
    world.expire();
    for failures in 1..=12 {
        world.provider.fail([page()]);
        let error = world.access(&grants).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ProviderFailed);
        let row = world.row().await;
        assert_eq!((row.state, row.fail_count), (GrantState::ProviderDown, failures));
        // While it backs off nobody calls.
        let error = world.access(&grants).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ProviderUnreachable);
        assert!(error.retry_after().unwrap() <= Duration::from_mins(6));
        assert_eq!(world.provider.counters().calls, failures as usize);
        world.pass(row.next_attempt_at.unwrap() - world.now() + TimeDelta::seconds(1));
    }
    let access = world.access(&grants).await.unwrap();
    assert!(access.generation == 2 && world.works(&access));
    let row = world.row().await;
    assert_eq!((row.state, row.fail_count, row.last_error), (GrantState::Valid, 0, None));
    assert_eq!(world.provider.counters().spent, 0);
}

#[tokio::test]
async fn while_the_old_token_works_an_outage_is_not_noticed() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    world.pass(TimeDelta::minutes(56));
    world.provider.fail([Fault::Answer(429, vec![("retry-after", "120")], "{}".to_owned())]);
    for _ in 0..5 {
        let access = world.access(&grants).await.unwrap();
        assert!(access.generation == 1 && world.works(&access));
    }
    assert_eq!(world.provider.counters().calls, 1);
    let row = world.row().await;
    assert_eq!(row.state, GrantState::ProviderDown);
    let pause = row.next_attempt_at.unwrap() - world.now();
    assert!(pause > TimeDelta::seconds(110) && pause <= TimeDelta::seconds(120), "{pause}");
    world.pass(TimeDelta::seconds(121));
    assert_eq!(world.access(&grants).await.unwrap().generation, 2);
}

#[tokio::test]
async fn an_unreachable_provider_is_an_outage() {
    let world = World::new(policy(Rotation::Strict)).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/token", listener.local_addr().unwrap());
    drop(listener);
    let oauth = Arc::new(OAuth2 { token_url: nobody, ..(*world.oauth).clone() });
    let grants = world.grants();
    world.expire();
    let error = grants.access(world.id, &oauth, soon()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ProviderUnreachable);
    assert!(error.retry_after().is_some());
    assert_eq!(world.row().await.state, GrantState::ProviderDown);
    world.pass(TimeDelta::minutes(1));
    assert_eq!(world.access(&grants).await.unwrap().generation, 2);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more() {
    // (what happens, provider, recovers)
    for (fault, rotation, recovers) in [
        (Fault::DropBefore, Rotation::Strict, true),
        (Fault::DropBefore, Rotation::Keep, true),
        (Fault::DropAfter, Rotation::Grace, true),
        (Fault::DropAfter, Rotation::Keep, true),
        (Fault::DropAfter, Rotation::Strict, false),
    ] {
        let world = World::new(policy(rotation)).await;
        let grants = world.grants();
        world.expire();
        world.provider.fail([fault.clone()]);
        let result = world.access(&grants).await;
        assert_eq!(world.provider.counters().calls, 2, "{fault:?} {rotation:?}");
        if recovers {
            let access = result.unwrap();
            assert!(access.generation == 2 && world.works(&access) && world.honoured().await);
        } else {
            assert_eq!(result.unwrap_err().kind(), Kind::ReauthRequired);
            assert!(!world.honoured().await, "the provider itself no longer honours it");
            assert!(world.row().await.reauth_reason.unwrap().contains("lost rotation"));
        }
    }
}

#[tokio::test]
async fn lost_answers_one_after_the_other_do_not_kill_what_the_provider_honours() {
    let world = World::new(policy(Rotation::Grace)).await;
    let grants = world.grants();
    world.expire();
    world.provider.fail([Fault::DropAfter, Fault::DropBefore]);
    assert_eq!(world.access(&grants).await.unwrap_err().kind(), Kind::ProviderUnreachable);
    assert_eq!(world.provider.counters().calls, 2);
    for calls in 3..6 {
        world.pass(TimeDelta::minutes(1));
        world.provider.fail([Fault::DropAfter]);
        assert_eq!(world.access(&grants).await.unwrap_err().kind(), Kind::ProviderUnreachable);
        // It is a replay already: there is no second one.
        assert_eq!(world.provider.counters().calls, calls);
        assert_eq!(world.row().await.state, GrantState::ProviderDown);
    }
    world.pass(TimeDelta::minutes(1));
    let access = world.access(&grants).await.unwrap();
    assert!(access.generation == 2 && world.works(&access) && world.honoured().await);
}

#[tokio::test]
async fn a_refused_client_is_the_elements_fault() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    world.provider.client_secret("rotated");
    world.expire();
    for _ in 0..10 {
        let error = world.access(&grants).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ProviderFailed);
        assert_eq!(error.provider().unwrap().code.as_deref(), Some("invalid_client"));
        assert!(error.retry_after().is_some());
    }
    assert_eq!(world.provider.counters().calls, 1, "the breaker keeps the rest away");
    let row = world.row().await;
    assert_eq!((row.state, row.generation, row.fail_count), (GrantState::Valid, 1, 0));
    assert!(world.store.instance(world.id).await.unwrap().unwrap().valid);
    world.pass(TimeDelta::seconds(31));
    assert!(world.access(&grants).await.is_err());
    assert_eq!(world.provider.counters().calls, 2);
    // Put right by the operator: another secret is another client, no waiting.
    let oauth = Arc::new(OAuth2 { client_secret: Some(secret("rotated")), ..(*world.oauth).clone() });
    let access = grants.access(world.id, &oauth, soon()).await.unwrap();
    assert!(access.generation == 2 && world.works(&access));
}

#[tokio::test]
async fn the_error_decides_not_the_status() {
    for (status, body, kind) in [
        (403, json!({"error": "invalid_grant"}), Kind::ReauthRequired),
        (200, json!({"error": "invalid_grant"}), Kind::ReauthRequired),
        (400, json!({"status": "GONE_FOR_GOOD"}), Kind::ReauthRequired),
        (401, json!({"error": "unauthorized_client"}), Kind::ProviderFailed),
        (400, json!({"error": "invalid_request"}), Kind::ProviderFailed),
        (403, json!({"message": "blocked"}), Kind::ProviderFailed),
        (200, json!("<html>"), Kind::ProviderFailed),
        (302, json!({}), Kind::ProviderFailed),
    ] {
        let world = World::new(policy(Rotation::Strict)).await;
        let oauth = Arc::new(OAuth2 { dead_errors: vec!["GONE_FOR_GOOD".to_owned()], ..(*world.oauth).clone() });
        world.expire();
        world.provider.fail([answer(status, &body)]);
        let error = world.grants().access(world.id, &oauth, soon()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}");
        assert_eq!(world.provider.counters().calls, 1, "{status} {body}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let world = World::new(policy(Rotation::Strict)).await;
    world.expire();
    world.provider.fail([Fault::Answer(200, vec![], "x".repeat(1 << 20))]);
    assert_eq!(world.access(&world.grants()).await.unwrap_err().kind(), Kind::ProviderFailed);
}

#[tokio::test]
async fn without_a_refresh_token_an_expired_grant_is_dead_and_a_living_one_lives() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    let (access, _) = world.provider.first();
    let instance = world.store.instance(world.id).await.unwrap().unwrap();
    let expires_at = Some(world.now() + TimeDelta::hours(1));
    let only = NewGrant { access: Some(secret(&access)), expires_at, ..NewGrant::default() };
    let change = InstanceChange { grant: Some(only), ..InstanceChange::default() };
    world.store.update_instance(world.id, instance.version, change).await.unwrap();
    world.pass(TimeDelta::minutes(58));
    assert_eq!(world.access(&grants).await.unwrap().generation, 2);
    // A 401 meanwhile is the caller's answer, but does not bury the grant.
    let renewed = grants.renew(world.id, 2, &world.oauth, soon()).await;
    assert_eq!(renewed.unwrap_err().kind(), Kind::ReauthRequired);
    assert_eq!(world.access(&grants).await.unwrap().generation, 2);
    world.pass(TimeDelta::minutes(3));
    assert_eq!(world.access(&grants).await.unwrap_err().kind(), Kind::ReauthRequired);
    assert_eq!(world.row().await.state, GrantState::ReauthRequired);
    assert_eq!(world.provider.counters().calls, 0);
}

#[tokio::test]
async fn a_refresh_token_alone_is_enough_to_begin_with() {
    let world = World::new(policy(Rotation::Strict)).await;
    let instance = world.store.instance(world.id).await.unwrap().unwrap();
    let only = NewGrant { refresh: Some(secret(&world.refresh)), ..NewGrant::default() };
    let change = InstanceChange { grant: Some(only), ..InstanceChange::default() };
    world.store.update_instance(world.id, instance.version, change).await.unwrap();
    let access = world.access(&world.grants()).await.unwrap();
    assert!(access.generation == 3 && world.works(&access));
}

#[tokio::test]
async fn no_grant_means_reauth() {
    let world = World::new(policy(Rotation::Strict)).await;
    world.store.delete_instance(world.id, &Actor::default()).await.unwrap();
    assert_eq!(world.access(&world.grants()).await.unwrap_err().kind(), Kind::ReauthRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_does_not_lose_the_rotation() {
    let world = World::new(policy(Rotation::Strict)).await;
    let (grants, tracker) = world.node(Settings::default());
    world.expire();
    world.provider.hold();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (grants, oauth, id) = (grants.clone(), world.oauth.clone(), world.id);
            tokio::spawn(async move { grants.access(id, &oauth, soon()).await.map(|access| access.generation) })
        })
        .collect();
    world.provider.held().await;
    for call in &calls {
        call.abort();
    }
    for call in calls {
        assert!(call.await.unwrap_err().is_cancelled());
    }
    world.provider.release();
    // What a graceful shutdown does: the refresh is waited for.
    tracker.close();
    tracker.wait().await;
    assert_eq!(world.row().await.generation, 2);
    let access = world.access(&grants).await.unwrap();
    assert!(access.generation == 2 && world.works(&access));
    assert_eq!(world.provider.counters(), Counters { calls: 1, rotations: 1, spent: 0, concurrent: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_past_the_deadline() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    world.expire();
    world.provider.hold();
    let error = grants.access(world.id, &world.oauth, Instant::now()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.retry_after().is_some());
    world.provider.held().await;
    world.provider.release();
    assert_eq!(world.access(&grants).await.unwrap().generation, 2);
    assert_eq!(world.provider.counters().calls, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_slept_past_its_lease_writes_nothing() {
    let world = World::new(policy(Rotation::Grace)).await;
    let (slow, tracker) = world.node(Settings::default());
    world.expire();
    world.provider.hold();
    let (sleeper, oauth, id) = (slow.clone(), world.oauth.clone(), world.id);
    let sleeping = tokio::spawn(async move { sleeper.access(id, &oauth, soon()).await });
    world.provider.held().await;
    // Its lease runs out; another node takes over and stores what it got.
    world.pass(TimeDelta::seconds(31));
    let fresh = {
        let (other, oauth) = (world.grants(), world.oauth.clone());
        tokio::spawn(async move { other.access(id, &oauth, soon()).await })
    };
    world.provider.held().await;
    world.provider.release();
    let (first, second) = (sleeping.await.unwrap().unwrap(), fresh.await.unwrap().unwrap());
    tracker.close();
    tracker.wait().await;
    // Whichever answer came first, one was stored, by the holder of the epoch, and both use that one.
    assert_eq!((first.generation, second.generation), (2, 2));
    assert_eq!(first.token.expose_secret(), second.token.expose_secret());
    let row = world.row().await;
    assert_eq!((row.generation, row.state), (2, GrantState::Valid));
    assert!(world.works(&first) && world.honoured().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_held_up_for_too_long_does_not_call() {
    let world = World::new(policy(Rotation::Strict)).await;
    world.expire();
    let once = std::sync::Once::new();
    // As if the process were stopped: what is left of the lease is less than a call may take.
    let hook = move |at| {
        if at == Step::AfterIntent {
            once.call_once(|| std::thread::sleep(Duration::from_millis(1200)));
        }
        Verdict::Continue
    };
    let (lease, token_timeout) = (Duration::from_secs(2), Duration::from_secs(1));
    let settings = Settings { lease, token_timeout, hook: Some(Arc::new(hook)), ..Settings::default() };
    let access = world.access(&world.node(settings).0).await.unwrap();
    assert!(access.generation == 2 && world.works(&access));
    assert_eq!(world.provider.counters().calls, 1);
    assert!(world.row().await.epoch > 2, "it called under a lease that it might have lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_credentials_during_a_refresh_win() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    world.expire();
    world.provider.hold();
    let (waiting, oauth, id) = (grants.clone(), world.oauth.clone(), world.id);
    let call = tokio::spawn(async move { waiting.access(id, &oauth, soon()).await });
    world.provider.held().await;
    let (access, refresh) = world.provider.first();
    let expires_at = Some(world.now() + TimeDelta::hours(1));
    let fresh =
        NewGrant { access: Some(secret(&access)), refresh: Some(secret(&refresh)), expires_at, ..NewGrant::default() };
    let version = world.store.instance(id).await.unwrap().unwrap().version;
    let change = InstanceChange { grant: Some(fresh), ..InstanceChange::default() };
    world.store.update_instance(id, version, change).await.unwrap();
    world.provider.release();
    assert_eq!(call.await.unwrap().unwrap().token.expose_secret(), access);
    assert_eq!(world.row().await.refresh.unwrap().expose_secret(), refresh);
}

#[tokio::test]
async fn captured_members_are_stored_with_the_tokens() {
    let extra = json!({"instance_url": "https://eu1.example", "other": {"deep": 7}});
    let world = World::new(Policy { extra, expires_in: Value::Null, ..Policy::default() }).await;
    let oauth = Arc::new(OAuth2 {
        capture: vec![
            ("base.url".to_owned(), "instance_url".to_owned()),
            ("deep".to_owned(), "other.deep".to_owned()),
            ("none".to_owned(), "not.there".to_owned()),
        ],
        ..(*world.oauth).clone()
    });
    let grants = world.grants();
    let told = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = told.clone();
    grants.on_change(move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    world.expire();
    grants.access(world.id, &oauth, soon()).await.unwrap();
    let instance = world.store.instance(world.id).await.unwrap().unwrap();
    assert_eq!(Value::Object(instance.configuration), json!({"base.url": "https://eu1.example", "deep": "7"}));
    assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_code_is_exchanged_once_with_its_proof() {
    for basic in [false, true] {
        let extra = json!({"instance_url": "https://eu1.example", "team": {"id": 5}});
        let world = World::new(Policy { extra, basic, ..Policy::default() }).await;
        let grants = world.grants();
        let pkce = Pkce::new().unwrap();
        let code = world.provider.code(Some(pkce.challenge.clone()));
        let answer = grants.exchange(&world.oauth, &code, Some(&pkce.verifier), soon()).await.unwrap();
        assert!(world.provider.api(answer.access.expose_secret()));
        assert_eq!(answer.capture.get("instance.url"), Some(&json!("https://eu1.example")));
        assert_eq!(answer.get("team.id"), Some(&json!(5)));
        assert!(answer.expires_at.is_some() && answer.refresh.is_some() && answer.grant().access.is_some());
        assert!(!format!("{answer:?}").contains("canary"));

        let error = grants.exchange(&world.oauth, &code, Some(&pkce.verifier), soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadRequest);
        let fault = error.provider().unwrap();
        assert_eq!((fault.status, fault.code.as_deref()), (400, Some("invalid_grant")));
        assert_eq!(fault.message.as_deref(), Some("code ******** is not valid"));

        let code = world.provider.code(Some(pkce.challenge));
        let other = Pkce::new().unwrap();
        let error = grants.exchange(&world.oauth, &code, Some(&other.verifier), soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadRequest);
        let oauth = OAuth2 { client_secret: Some(secret("wrong")), ..(*world.oauth).clone() };
        let code = world.provider.code(None);
        let error = grants.exchange(&oauth, &code, None, soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadRequest);
        assert_eq!(error.provider().unwrap().code.as_deref(), Some("invalid_client"));
        world.provider.fail([Fault::Answer(502, vec![], String::new())]);
        let error = grants.exchange(&world.oauth, &code, None, soon()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ProviderFailed);
    }
}

#[tokio::test]
async fn a_token_is_revoked_at_the_provider() {
    let world = World::new(policy(Rotation::Strict)).await;
    let grants = world.grants();
    assert!(grants.revoke(&world.oauth, None, Some(&secret(&world.refresh))).await);
    assert!(!world.provider.honours(&world.refresh));
    let oauth = OAuth2 { revocation: None, ..(*world.oauth).clone() };
    assert!(!grants.revoke(&oauth, None, Some(&secret(&world.refresh))).await);
}

#[tokio::test]
async fn a_panic_in_a_refresh_frees_those_who_wait() {
    let world = World::new(policy(Rotation::Strict)).await;
    let hook = Settings { hook: Some(Arc::new(|_| panic!("a fault of ours"))), ..Settings::default() };
    let (grants, _) = world.node(hook);
    world.expire();
    for _ in 0..2 {
        assert_eq!(world.access(&grants).await.unwrap_err().kind(), Kind::Unavailable);
    }
    assert_eq!(world.access(&world.grants()).await.unwrap().generation, 2);
}

/// A hook that lets the process die at one step, once.
fn dies_at(step: Step) -> Settings {
    let hook = move |at| if at == step { Verdict::Crash } else { Verdict::Continue };
    Settings { hook: Some(Arc::new(hook)), ..Settings::default() }
}
