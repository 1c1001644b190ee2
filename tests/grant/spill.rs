//! What was written to the journal goes on top of the very grant it was got with, and of nothing else.

use std::sync::Arc;

use chrono::TimeDelta;
use hubgate::{
    clock::SystemClock,
    error::{Kind, Result},
    grant::{Access, Grants, Settings},
    store::{
        self, Actor, GrantState, InstanceChange, NewGrant,
        journal::{Journal, Spilled},
    },
};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::task::JoinHandle;

use crate::{
    policy, secret, soon,
    token_server::{Policy, Rotation},
    world::World,
};

fn journal(world: &World) -> Arc<Journal> {
    Arc::new(Journal::open(&world.dir, world.store.sealer().clone()).unwrap())
}

fn with_journal(world: &World) -> Settings {
    Settings { journal: Some(journal(world)), ..Settings::default() }
}

fn files(world: &World) -> usize {
    let names = std::fs::read_dir(&world.dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().ends_with(".journal")).count()
}

/// A process took the lease, got new tokens, wrote them down and died.
async fn rotated_and_died(world: &World) -> Spilled {
    let row = world.row().await;
    let lease = std::time::Duration::from_secs(30);
    let lease = world.store.begin_refresh(world.id, row.generation, "dead", lease).await.unwrap().unwrap();
    let refresh = row.refresh.unwrap();
    let answer = world.grants().redeem(&world.oauth, &refresh, soon()).await.unwrap();
    let record = Spilled {
        instance_id: world.id,
        epoch: lease.epoch,
        generation: row.generation,
        spent: Some(Sha256::digest(refresh.expose_secret()).into()),
        grant: answer.grant(),
        configuration: answer.capture,
    };
    journal(world).append(&record).unwrap();
    record
}

/// A caller whose tokens are on their way from the provider, which holds them back.
async fn rotating(world: &World, grants: &Grants) -> JoinHandle<Result<Access>> {
    world.provider.hold();
    let (grants, oauth, id) = (grants.clone(), world.oauth.clone(), world.id);
    let calling = tokio::spawn(async move { grants.access(id, &oauth, soon()).await });
    world.provider.held().await;
    calling
}

async fn started(world: &World) -> Grants {
    let grants = world.node(with_journal(world)).0;
    grants.replay().await;
    grants
}

#[tokio::test]
async fn it_is_stored_at_the_start_under_the_lease_of_the_dead() {
    let world = World::new(policy(Rotation::Strict)).await;
    rotated_and_died(&world).await;
    world.expire();
    let grants = started(&world).await;
    assert_eq!((world.row().await.generation, world.row().await.state), (2, GrantState::Valid));
    let access = world.access(&grants).await.unwrap();
    assert_eq!(access.generation, 3, "the first one has expired by now");
    assert!(world.works(&access));
    assert_eq!((world.provider.counters().calls, world.provider.counters().spent, files(&world)), (2, 0, 0));
}

#[tokio::test]
async fn fresh_credentials_are_not_overwritten() {
    let world = World::new(policy(Rotation::Strict)).await;
    rotated_and_died(&world).await;
    let (access, refresh) = world.provider.first();
    let fresh = NewGrant { access: Some(secret(&access)), refresh: Some(secret(&refresh)), ..NewGrant::default() };
    let change = InstanceChange { grant: Some(fresh), actor: Actor::default(), ..InstanceChange::default() };
    world.store.update_instance(world.id, 1, change).await.unwrap();
    started(&world).await;
    let row = world.row().await;
    assert_eq!((row.generation, row.refresh.unwrap().expose_secret()), (2, refresh.as_str()));
    assert_eq!(files(&world), 0);
}

#[tokio::test]
async fn an_older_record_never_takes_the_place_of_a_newer_one() {
    let world = World::new(policy(Rotation::Strict)).await;
    let first = rotated_and_died(&world).await;
    let grants = started(&world).await;
    world.expire();
    assert_eq!(world.access(&grants).await.unwrap().generation, 3);
    // Both again, as if the file had been put back; and one that claims the generation but was got with another token.
    let row = world.row().await;
    let forged = Spilled { generation: row.generation, epoch: row.epoch, ..first.clone() };
    let left = journal(&world);
    left.append(&first).unwrap();
    left.append(&forged).unwrap();
    drop(left);
    started(&world).await;
    let after = world.row().await;
    assert_eq!(after.generation, 3);
    assert_eq!(after.refresh.unwrap().expose_secret(), row.refresh.unwrap().expose_secret());
    assert_eq!(files(&world), 0);
}

#[tokio::test]
async fn who_tries_the_spent_token_meanwhile_is_waited_for() {
    let world = World::new(policy(Rotation::Strict)).await;
    rotated_and_died(&world).await;
    world.expire();
    let lease = std::time::Duration::from_secs(30);
    let other = world.store.begin_refresh(world.id, 1, "other", lease).await.unwrap().unwrap();
    let (grants, tracker) = world.node(with_journal(&world));
    grants.replay().await;
    assert_eq!((world.row().await.generation, files(&world)), (1, 1), "the lease is somebody's");
    assert_eq!(
        grants.access(world.id, &world.oauth, tokio::time::Instant::now()).await.unwrap_err().kind(),
        Kind::Unavailable
    );
    assert_eq!(world.provider.counters().calls, 1, "and nobody here presents the spent token");
    // He found the grant dead, as well he might: those who wait put it right.
    assert!(world.store.mark_reauth(world.id, other.epoch, 1, "lost rotation").await.unwrap());
    let revived = async {
        while files(&world) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout_at(soon(), revived).await.unwrap();
    // Whoever waited for it finds it expired by now, and refreshes it.
    tracker.close();
    tracker.wait().await;
    let row = world.row().await;
    assert!((2..=3).contains(&row.generation) && row.state == GrantState::Valid, "{row:?}");
    assert!(world.honoured().await && world.store.instance(world.id).await.unwrap().unwrap().valid);
    assert_eq!(world.provider.counters().spent, 0);
}

#[tokio::test]
async fn who_needs_it_stores_it_when_the_lease_of_another_has_run_out() {
    let world = World::new(policy(Rotation::Strict)).await;
    rotated_and_died(&world).await;
    world.expire();
    let lease = std::time::Duration::from_secs(30);
    world.store.begin_refresh(world.id, 1, "other", lease).await.unwrap().unwrap();
    let grants = started(&world).await;
    assert_eq!((world.row().await.generation, files(&world)), (1, 1), "the lease is somebody's");
    world.pass(TimeDelta::seconds(31));
    assert!(world.works(&world.access(&grants).await.unwrap()));
    assert_eq!((world.provider.counters().spent, files(&world)), (0, 0));
}

#[tokio::test]
async fn what_was_found_dead_by_the_spent_token_is_put_right_with_all_that_came() {
    let extra = json!({"instance_url": "https://acme.example"});
    let world = World::new(Policy { extra, ..policy(Rotation::Strict) }).await;
    let record = rotated_and_died(&world).await;
    assert!(world.store.mark_reauth(world.id, record.epoch, 1, "lost rotation").await.unwrap());
    started(&world).await;
    let (row, instance) = (world.row().await, world.store.instance(world.id).await.unwrap().unwrap());
    assert!(row.state == GrantState::Valid && instance.valid && world.honoured().await);
    assert_eq!((&instance.configuration["instance.url"], files(&world)), (&json!("https://acme.example"), 0));
}

#[tokio::test]
async fn a_token_that_stays_the_same_makes_no_older_record_a_newer_one() {
    let world = World::new(policy(Rotation::Keep)).await;
    let first = rotated_and_died(&world).await;
    let grants = started(&world).await;
    world.expire();
    assert_eq!(world.access(&grants).await.unwrap().generation, 3);
    journal(&world).append(&first).unwrap();
    started(&world).await;
    assert_eq!((world.row().await.generation, files(&world)), (3, 0));
    // Nor does one without a refresh token of its own bring back what the provider refuses.
    let row = world.row().await;
    journal(&world).append(&Spilled { generation: 3, ..first }).unwrap();
    assert!(world.store.mark_reauth(world.id, row.epoch, 3, "taken back").await.unwrap());
    started(&world).await;
    assert_eq!((world.row().await.state, files(&world)), (GrantState::ReauthRequired, 0));
}

#[tokio::test]
async fn a_record_of_a_deleted_instance_is_dropped() {
    let world = World::new(policy(Rotation::Strict)).await;
    rotated_and_died(&world).await;
    world.store.delete_instance(world.id, &Actor::default()).await.unwrap();
    started(&world).await;
    assert_eq!(files(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_a_store_that_is_away() {
    let world = World::new(policy(Rotation::Strict)).await;
    world.expire();
    let (grants, tracker) = world.node(with_journal(&world));
    let calling = rotating(&world, &grants).await;
    world.store.close().await;
    world.provider.release();
    tracker.close();
    tokio::time::timeout_at(soon(), tracker.wait()).await.unwrap();
    assert_eq!(calling.await.unwrap().unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(files(&world), 1);
    drop(grants);
    let mut world = world;
    world.reopen().await;
    let grants = started(&world).await;
    assert!(world.works(&world.access(&grants).await.unwrap()));
    assert_eq!((world.provider.counters().calls, world.provider.counters().spent, files(&world)), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_journal_needs_is_not_removed() {
    let world = World::new(policy(Rotation::Strict)).await;
    rotated_and_died(&world).await;
    let settings = store::Settings::new(&world.dir);
    let old = world.store.sealer().key_ids().remove(0);
    let rotated = store::rotate_key(&settings, Arc::new(SystemClock)).await.unwrap();
    assert_ne!(rotated.key, old);
    let refused = store::remove_key(&settings, Arc::new(SystemClock), &old).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert!(refused.public().contains("journal"), "{refused}");
    started(&world).await;
    assert_eq!((world.row().await.generation, files(&world)), (2, 0));
    store::remove_key(&settings, Arc::new(SystemClock), &old).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_only_slow_has_it_in_the_end() {
    let world = World::new(policy(Rotation::Strict)).await;
    world.expire();
    let (grants, _) = world.node(with_journal(&world));
    let calling = rotating(&world, &grants).await;
    let options = SqliteConnectOptions::new().filename(world.dir.join("hubgate.db"));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    world.provider.release();
    while files(&world) == 0 {
        tokio::task::yield_now().await;
    }
    other.close().await.unwrap();
    let access = calling.await.unwrap().unwrap();
    assert!(access.generation == 2 && world.works(&access));
    assert_eq!((world.provider.counters().calls, files(&world)), (1, 0));
}
