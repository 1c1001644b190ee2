//! Many callers, one expired grant, a provider that forgives nothing; then the same while nodes are killed.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    Dice, alone, attempt, beside_others,
    database::Database,
    house::{CONTENTS, House, Kept, Node},
    is_full, size,
    support::Reply,
    tell,
    token_server::{Counters, Policy, Rotation},
};

async fn call(node: &Node, token: &str) -> Option<Reply> {
    attempt(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", token)).await
}

async fn three(house: &House, environment: &[(&str, &str)]) -> Vec<Node> {
    futures_util::future::join_all((0..3).map(|_| house.node(environment))).await
}

/// How many answers of each status; 0 is none at all.
fn tally(replies: &[Option<Reply>]) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    for reply in replies {
        *tally.entry(reply.as_ref().map_or(0, |reply| reply.status.as_u16())).or_default() += 1;
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_on_an_expired_grant_is_one_token_call() {
    let _turn = alone().await;
    let check = "refresh storm";
    let Some(house) = House::build("a_storm_on_an_expired_grant_is_one_token_call", true).await else { return };
    let nodes = three(&house, &[]).await;
    let calls = size(600, 5000);
    house.provider.hold();
    let asked = Instant::now();
    let (house, nodes) = (&house, &nodes);
    let storm = futures_util::future::join_all((0..calls).map(|at| async move {
        let reply = call(&nodes[at % 3], &house.token).await;
        (reply, asked.elapsed())
    }));
    let answered = async {
        house.provider.held().await;
        // The provider takes its time.
        tokio::time::sleep(Duration::from_millis(300)).await;
        house.provider.release();
    };
    let (answers, ()) = futures_util::future::join(storm, answered).await;
    let (replies, mut times): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    times.sort();
    let seen = tally(&replies);
    let served = seen.get(&200).copied().unwrap_or_default();
    assert_eq!(house.provider.counters(), Counters { calls: 1, rotations: 1, spent: 0, concurrent: 1 });
    assert!(served * 1000 >= calls * 999, "{seen:?}");
    tell(
        check,
        format_args!(
            "{calls} calls at once over 3 nodes: 1 token call, {served} answered 200; all answered after {:.1} s, half of \
             them after {:.1} s",
            times[calls - 1].as_secs_f64(),
            times[calls / 2].as_secs_f64()
        ),
    );
}

/// Rounds of: an expired grant, callers at three nodes, one of which is killed at some moment of the refresh.
async fn nodes_killed_while_they_refresh(check: &str, rotation: Rotation, rounds: usize, dice: &mut Dice) {
    let Some(database) = Database::new(check).await else { return };
    let policy = Policy { rotation, ..Policy::default() };
    let house = House::furnish(Kept::Server(Box::new(database)), policy, false).await;
    let settings = [("HUBGATE_GRANTS__TOKEN_TIMEOUT_S", "2"), ("HUBGATE_GRANTS__LEASE_S", "5")];
    let mut nodes = three(&house, &settings).await;
    let (mut served, mut told, mut cut_off, mut refused, mut lost, mut replays) = (0, 0, 0, 0, 0, 0);
    for round in 0..rounds {
        let guest = house.expired_guests(1).await.remove(0);
        let before = house.provider.counters();
        house.provider.hold();
        let victim = usize::try_from(dice.below(3)).unwrap();
        let caller = |at: usize| {
            let node = &nodes[at % 3];
            let request = node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &guest);
            tokio::spawn(attempt(request))
        };
        // Every other time it is the one that refreshes, and killed once the provider has done it; or else any of the three,
        // at any moment.
        let aimed = round.is_multiple_of(2);
        let mut callers = Vec::new();
        if aimed {
            callers.push(caller(victim));
            house.provider.held().await;
        }
        callers.extend((0..size(90, 250)).map(caller));
        tokio::time::sleep(dice.moment(if aimed { 20 } else { 150 })).await;
        let answered_first = aimed && dice.below(2) == 0;
        if answered_first {
            house.provider.release();
            tokio::time::sleep(dice.moment(10)).await;
        }
        // SIGKILL, in its drop.
        drop(nodes.remove(victim));
        if !aimed {
            house.provider.held().await;
        }
        if !answered_first {
            house.provider.release();
        }
        let back = house.node(&settings).await;
        let replies: Vec<_> = futures_util::future::join_all(callers).await.into_iter().map(Result::unwrap).collect();
        nodes.push(back);

        // Whoever died, one of the others has taken it over by now.
        let word = call(&nodes[0], &guest).await.unwrap();
        let after = house.provider.counters();
        let (rotated, spent) = (after.rotations - before.rotations, after.spent - before.spent);
        assert!(spent <= 1, "round {round}: a spent token was presented {spent} times");
        replays += spent;
        let dead = spent == 1 && rotation == Rotation::Strict;
        lost += usize::from(dead);
        let right = if dead { 401 } else { 200 };
        for reply in [word, call(&nodes[1], &guest).await.unwrap(), call(&nodes[2], &guest).await.unwrap()] {
            assert_eq!(reply.status, right, "round {round}, rotated {rotated}, spent {spent}: {}", reply.body);
            assert!(!dead || reply.body["code"] == "reauth-required", "{}", reply.body);
        }
        assert_eq!(house.provider.counters(), after, "round {round}: it is settled");
        for reply in &replies {
            match reply {
                None => cut_off += 1,
                Some(reply) if reply.status == 200 && !dead => served += 1,
                Some(reply) if reply.status == 401 && dead => told += 1,
                // Its node did not know yet what had become of the refresh.
                Some(reply) if reply.status == 503 && !reply.header("retry-after").is_empty() => refused += 1,
                Some(reply) => panic!("round {round}: {} {}", reply.status, reply.body),
            }
        }
    }
    assert!(served + told > rounds, "only {} calls were answered: nothing is shown", served + told);
    tell(
        check,
        format_args!(
            "{rounds} kills: {served} calls served, {cut_off} cut off with their node, {refused} told to come again, \
             {replays} spent tokens presented, {lost} grants lost that the provider no longer honoured, 0 that it did"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_killed_while_they_refresh_lose_nothing_that_is_honoured() {
    let _turn = beside_others().await;
    let mut dice = Dice::new("kill -9 of nodes while they refresh");
    let (strict, lenient) = (
        "kill -9 of nodes while they refresh, strict provider",
        "kill -9 of nodes while they refresh, lenient provider",
    );
    let mut other = Dice::seeded(dice.below(1 << 40));
    let rounds = size(3, 24);
    let strict = nodes_killed_while_they_refresh(strict, Rotation::Strict, rounds, &mut dice);
    let lenient = nodes_killed_while_they_refresh(lenient, Rotation::Grace, rounds, &mut other);
    if is_full() {
        strict.await;
        lenient.await;
    } else {
        // Most of it is waiting for leases to run out.
        futures_util::future::join(strict, lenient).await;
    }
}
