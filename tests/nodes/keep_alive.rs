//! Refresh tokens that die of idleness: used in time, by one node, and only where that is of use.

use std::sync::Arc;

use chrono::TimeDelta;
use hubgate::{
    app::App,
    clock::{ShiftedClock, SystemClock},
    store::{Actor, GrantRecord, GrantState, InstanceChange},
};

use super::{house::House, token_server::Fault};

/// All that is due is looked at, by all `nodes` at once; how many looks that took.
async fn look(nodes: &[&App]) -> usize {
    let mut looks = 0;
    loop {
        let turns = futures_util::future::join_all(nodes.iter().map(|node| node.keeper.turn())).await;
        let taken: usize = turns.into_iter().map(Result::unwrap).sum();
        if taken == 0 {
            return looks;
        }
        looks += taken;
    }
}

async fn row(node: &App, id: i64) -> GrantRecord {
    node.store.grant(id).await.unwrap().unwrap()
}

/// The embedded store lives by this clock, so time passes in tests as it likes.
struct Alone {
    house: House,
    clock: Arc<ShiftedClock>,
    node: App,
}

impl Alone {
    async fn new() -> Self {
        let house = House::embedded(false).await;
        let clock = Arc::new(ShiftedClock::default());
        let node = house.app(clock.clone()).await;
        // A grant of unknown origin is looked at once, and found to be young.
        assert_eq!((look(&[&node]).await, look(&[&node]).await), (1, 0));
        assert_eq!(house.provider.counters().calls, 0);
        Self { house, clock, node }
    }

    async fn after(&self, days: i64) -> (usize, usize) {
        self.clock.shift(TimeDelta::days(days));
        (look(&[&self.node]).await, self.house.provider.counters().calls)
    }

    async fn change(&self, change: InstanceChange) {
        let id = self.house.instance;
        let version = self.node.store.instance(id).await.unwrap().unwrap().version;
        self.node.store.update_instance(id, version, change).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_nobody_uses_is_used_before_half_its_idle_time_is_over() {
    let alone = Alone::new().await;
    assert_eq!(alone.after(23).await, (0, 0));
    assert_eq!(alone.after(7).await, (1, 1), "on the thirtieth day at the latest");
    let kept = row(&alone.node, alone.house.instance).await;
    assert_eq!((kept.generation, kept.state), (2, GrantState::Valid));
    assert_eq!(alone.after(23).await, (0, 1));
    assert_eq!(alone.after(7).await, (1, 2));
    assert_eq!(alone.house.provider.counters().spent, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_keep_each_of_many_alive_once() {
    let Some(house) = House::build("two_nodes_keep_each_of_many_alive_once", false).await else { return };
    house.expired_guests(79).await;
    let clock = Arc::new(SystemClock);
    let (one, other) = (house.app(clock.clone()).await, house.app(clock).await);
    let due = "UPDATE instance_grant SET keep_alive_at = 1, obtained_at = obtained_at - 31 * 86400000::bigint";
    assert_eq!(house.database().raw(due).await, 80);
    assert_eq!(look(&[&one, &other]).await, 80);
    let seen = house.provider.counters();
    assert_eq!((seen.calls, seen.rotations, seen.spent), (80, 80, 0));
    assert!(seen.concurrent <= 8, "{} at once", seen.concurrent);
    let later = "SELECT 1 FROM instance_grant WHERE generation = 2 AND state = 'valid' AND keep_alive_at \
                 BETWEEN (extract(epoch FROM now()) * 1000)::bigint + 23 * 86400000::bigint \
                 AND (extract(epoch FROM now()) * 1000)::bigint + 31 * 86400000::bigint";
    assert_eq!(house.database().raw(later).await, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_waits_and_what_is_switched_on_again_does_not_die() {
    let alone = Alone::new().await;
    alone.change(InstanceChange { disabled: Some(true), ..InstanceChange::default() }).await;
    assert_eq!(alone.after(31).await, (1, 0));
    assert_eq!(alone.after(2).await, (1, 0), "once a day");
    alone.change(InstanceChange { disabled: Some(false), ..InstanceChange::default() }).await;
    assert_eq!(alone.after(1).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_took_back_is_asked_for_once() {
    let alone = Alone::new().await;
    alone.house.provider.revoke_all();
    assert_eq!(alone.after(31).await, (1, 1));
    let dead = row(&alone.node, alone.house.instance).await;
    assert_eq!((dead.state, dead.keep_alive_at), (GrantState::ReauthRequired, None));
    assert_eq!(alone.after(400).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_is_asked_again_later_and_not_at_once() {
    let alone = Alone::new().await;
    let down = || Fault::Answer(503, vec![("content-type", "text/plain")], "down".to_owned());
    alone.house.provider.fail([down()]);
    assert_eq!(alone.after(31).await, (1, 1));
    let row_after = row(&alone.node, alone.house.instance).await;
    assert_eq!((row_after.generation, row_after.state), (1, GrantState::ProviderDown));
    assert_eq!(alone.after(0).await, (0, 1));
    assert_eq!(alone.after(1).await, (1, 2));
    assert_eq!(row(&alone.node, alone.house.instance).await.generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_gone_is_not_looked_for() {
    let alone = Alone::new().await;
    alone.node.store.delete_instance(alone.house.instance, &Actor::default()).await.unwrap();
    assert_eq!(alone.after(31).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_without_an_idle_time_costs_a_look_in_a_while_and_no_token_call() {
    let house = House::embedded(false).await;
    house.remap(|mapping| drop(mapping["authentication"].as_object_mut().unwrap().remove("refreshTokenIdleDays")));
    let clock = Arc::new(ShiftedClock::default());
    let node = house.app(clock.clone()).await;
    assert_eq!(look(&[&node]).await, 1);
    for _ in 0..5 {
        clock.shift(TimeDelta::days(4));
        assert_eq!(look(&[&node]).await, 0);
        clock.shift(TimeDelta::days(6));
        assert_eq!(look(&[&node]).await, 1);
    }
    assert_eq!(house.provider.counters().calls, 0);
    // The word comes with the next version of the mapping: the grant is old by then.
    node.close().await;
    house.remap(|mapping| mapping["authentication"]["refreshTokenIdleDays"] = 90.into());
    let node = house.app(clock.clone()).await;
    clock.shift(TimeDelta::days(10));
    assert_eq!((look(&[&node]).await, house.provider.counters().calls), (1, 1));
}
