//! The provider has rotated the refresh token, and the store is gone before it knows: the journal has it.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::task::JoinHandle;

use super::{
    cable::Cable,
    eventually,
    house::{CONTENTS, House, Node},
    token_server::Counters,
};

const ONE_ROTATION: Counters = Counters { calls: 1, rotations: 1, spent: 0, concurrent: 1 };

/// A call whose answer nobody waits for.
fn call(house: &House, node: &Node) -> JoinHandle<Option<u16>> {
    let request = node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &house.token);
    tokio::spawn(async move { request.send().await.ok().map(|response| response.status().as_u16()) })
}

async fn written_down(house: &House) {
    eventually("the grant is in the journal", async || house.journals().iter().any(|(_, length)| *length > 100)).await;
}

/// After the next start the grant works, without another token call.
async fn has_lost_nothing(house: &House, node: &Node) {
    assert_eq!(node.get(CONTENTS).await.status, 200);
    assert_eq!(house.provider.counters(), ONE_ROTATION);
    assert!(house.journals().is_empty(), "{:?}", house.journals());
}

/// A node on PostgreSQL that has tokens on their way from the provider, and the caller who waits for them; `None`: skipped.
async fn rotating(test: &str) -> Option<(House, Cable, Node, JoinHandle<Option<u16>>)> {
    let house = House::build(test, true).await?;
    let cable = Cable::to(&house.database().address(), "hubgate listener").await;
    let node = house.node_by(&cable, &[]).await;
    house.provider.hold();
    let caller = call(&house, &node);
    house.provider.held().await;
    Some((house, cable, node, caller))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_postgres_did_not_take_outlives_the_process() {
    let test = "a_rotation_that_postgres_did_not_take_outlives_the_process";
    let Some((house, cable, node, caller)) = rotating(test).await else { return };
    cable.cut();
    house.provider.release();
    written_down(&house).await;
    drop(node);
    drop(caller.await);
    cable.mend();
    let node = house.node_by(&cable, &[]).await;
    let stored = house.database().raw("SELECT 1 FROM instance_grant WHERE generation = 2 AND state = 'valid'").await;
    assert_eq!(stored, 1, "it is stored before the first call");
    has_lost_nothing(&house, &node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_postgres_did_not_take_is_stored_when_it_is_back() {
    let test = "a_rotation_that_postgres_did_not_take_is_stored_when_it_is_back";
    let Some((house, cable, node, caller)) = rotating(test).await else { return };
    cable.freeze();
    house.provider.release();
    written_down(&house).await;
    cable.mend();
    eventually("the journal is empty", async || house.journals().is_empty()).await;
    drop(caller.await);
    eventually("calls are served", async || node.get(CONTENTS).await.status == 200).await;
    has_lost_nothing(&house, &node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_sqlite_did_not_take_outlives_the_process() {
    let house = House::embedded(true).await;
    let node = house.node(&[]).await;
    house.provider.hold();
    let caller = call(&house, &node);
    house.provider.held().await;
    let options = SqliteConnectOptions::new().filename(house.data().join("hubgate.db"));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    house.provider.release();
    written_down(&house).await;
    drop(node);
    drop(caller.await);
    other.close().await.unwrap();
    let node = house.node(&[]).await;
    has_lost_nothing(&house, &node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_place_for_the_journal_says_so() {
    let Some(house) = House::build("a_node_without_a_place_for_the_journal_says_so", false).await else { return };
    for (dir, complains) in [("/proc/hubgate", true), ("hubgate-data", false)] {
        let mut command = house.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.env("HUBGATE_STORE__DATA_DIR", dir).stdout(Stdio::piped()).spawn().unwrap();
        let mut before = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.contains("\"listening\"") {
                break;
            }
            before.push(line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(before.iter().any(|line| line.contains("NO JOURNAL") && line.contains("store.data_dir")), complains);
    }
}
