//! The embedded store under SIGKILL.

use std::{path::Path, process::Stdio, time::Duration};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::{
    Dice, beside_others,
    house::{House, Node},
    ledger::{Writer, acknowledged, audit, writers},
    size, tell,
};

pub(crate) const WRITERS: usize = 4;

/// What SQLite itself says about the file.
pub(crate) async fn integrity(data: &Path) -> String {
    let file = SqliteConnectOptions::new().filename(data.join("hubgate.db")).busy_timeout(Duration::from_secs(10));
    let mut connection = file.connect().await.unwrap();
    let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    said.join("; ")
}

/// All writers at once against this node, until each has seen a write fail.
pub(crate) fn set_to_work(
    node: &Node,
    writers: Vec<Writer>,
) -> impl Future<Output = Result<Vec<Writer>, tokio::task::JoinError>> + use<> {
    let tasks: Vec<_> =
        writers.into_iter().map(|writer| tokio::spawn(writer.write(node.base.clone(), node.client.clone()))).collect();
    futures_util::future::try_join_all(tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let _turn = beside_others().await;
    let check = "kill -9, embedded store";
    let cycles = size(12, 300);
    let mut dice = Dice::new(check);
    let house = House::embedded(false).await;
    let mut writers = writers(WRITERS, &house, &mut dice);
    let mut node = house.node(&[]).await;
    let mut starts_killed = 0;
    for cycle in 0..cycles {
        let work = set_to_work(&node, writers);
        tokio::time::sleep(dice.moment(400)).await;
        // SIGKILL, in its drop.
        drop(node);
        writers = work.await.unwrap();
        if cycle % 4 == 3 {
            // Starting again is no safe place either.
            let mut command = house.command(&["serve", "--listen", "127.0.0.1:0"]);
            let mut child = command.stdout(Stdio::null()).spawn().unwrap();
            tokio::time::sleep(dice.moment(2000)).await;
            child.kill().unwrap();
            child.wait().unwrap();
            starts_killed += 1;
        }
        node = house.node(&[]).await;
        let wrong = audit(&node, &house, &mut writers).await;
        assert!(wrong.is_empty(), "cycle {cycle}: {wrong:#?}");
        assert_eq!(integrity(&house.data()).await, "ok", "cycle {cycle}");
    }
    let acknowledged = acknowledged(&writers);
    let unanswered: usize = writers.iter().map(|writer| writer.unanswered).sum();
    assert!(acknowledged >= cycles, "only {acknowledged} writes: nothing is shown");
    tell(
        check,
        format_args!(
            "{cycles} kills under load and {starts_killed} while starting, {acknowledged} writes acknowledged, \
             {unanswered} cut off, 0 lost, integrity_check ok each time"
        ),
    );
}
