//! The disk is full, or fails: what cannot be written is not acknowledged, and everything else goes on.

use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    Dice, attempt, beside_others,
    disk::Disk,
    eventually,
    house::{CONTENTS, House, Kept, Node},
    kills::{WRITERS, integrity, set_to_work},
    ledger::{self, Writer, audit},
    size,
    support::{Reply, send},
    tell,
    token_server::Policy,
    tracer::{Tracer, ended},
};

const LONG: Duration = Duration::from_secs(60);
/// Callers do not wait long for a refresh that cannot be stored.
const IMPATIENT: [(&str, &str); 1] = [("HUBGATE_GRANTS__WAIT_S", "1")];

async fn call(node: &Node, token: &str) -> Reply {
    send(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", token)).await
}

/// Writers that take a refusal for what it is.
fn writers(house: &House, dice: &mut Dice) -> Vec<Writer> {
    let mut writers = ledger::writers(WRITERS, house, dice);
    for writer in &mut writers {
        writer.may_be_refused = true;
    }
    writers
}

/// All of them have been refused, in these words.
fn refused(writers: &[Writer], words: &str) {
    for writer in writers {
        let said = writer.refusal.as_deref().unwrap_or("nothing");
        assert!(said.contains(words), "a write was refused with {said:?}, not {words:?}");
    }
}

/// What a node that cannot write does all the same, and what it says.
async fn reads_go_on(node: &mut Node, house: &House, words: &str) {
    assert!(node.runs());
    let root = node.base.trim_end_matches("/elements/api-v2").to_owned();
    send(node.client.get(format!("{root}/healthz"))).await.expect(200);
    let ready = send(node.client.get(format!("{root}/readyz"))).await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body["message"].as_str().unwrap().contains(words), "{}", ready.body);
    node.get(CONTENTS).await.expect(200);
    house.shelf.lock().unwrap().insert("/thing".to_owned());
    node.delete("/hubs/documents/files?path=/thing").await.expect(200);
    node.platform(Method::GET, "/elements/shelf").await.expect(200);
    node.platform(Method::GET, "/audit-logs").await.expect(200);
    // An account is given tokens only with a record of it. On a full disk something that small may find room.
    let listed = node.platform(Method::GET, "/instances").await;
    assert!(listed.status == 503 || listed.status == 200 && words.contains("full"), "{}", listed.body);
}

/// Ready again without a restart, and everything that was acknowledged is there, also after a SIGKILL.
async fn it_is_well_again(node: Node, house: &House, mut writers: Vec<Writer>) -> Vec<Writer> {
    eventually("it is ready again", async || node.ready().await == 200).await;
    let wrong = audit(&node, house, &mut writers).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    let before = ledger::acknowledged(&writers);
    let work = set_to_work(&node, writers);
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(node);
    let mut writers = work.await.unwrap();
    let after = ledger::acknowledged(&writers);
    assert!(after > before, "nothing was written after it");
    let node = house.node(&IMPATIENT).await;
    let wrong = audit(&node, house, &mut writers).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    drop(node);
    assert_eq!(integrity(&house.data()).await, "ok");
    writers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_nothing_else_until_there_is_room() {
    let _turn = beside_others().await;
    let check = "full disk";
    let test = "a_full_disk_refuses_writes_and_nothing_else_until_there_is_room";
    let mut dice = Dice::new(check);
    let dir = tempfile::tempdir().unwrap();
    let (mut acknowledged, rounds) = (0, size(2, 20));
    for round in 0..rounds {
        let Some(disk) = Disk::small(dir.path().join(round.to_string()), test) else { return };
        let house = House::furnish(Kept::Files(disk.data()), Policy::default(), false).await;
        let [late, early]: [String; 2] = house.expired_guests(2).await.try_into().unwrap();
        let mut node = house.node(&IMPATIENT).await;

        // Its tokens have been replaced when the disk is full, and are stored when there is room again.
        house.provider.hold();
        let request = node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &early);
        let refreshing = tokio::spawn(attempt(request));
        house.provider.held().await;
        disk.fill();
        house.provider.release();
        let reply = refreshing.await.unwrap().unwrap();
        assert_eq!(reply.status, 503, "{}", reply.body);
        // A refresh that cannot be announced is not begun.
        let before = house.provider.counters();
        let reply = call(&node, &late).await;
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.body["message"].as_str().unwrap().contains("disk is full"), "{}", reply.body);
        assert_eq!(house.provider.counters(), before);
        reads_go_on(&mut node, &house, "disk is full").await;
        disk.clear();
        eventually("the refreshed grant is stored", async || call(&node, &early).await.status == 200).await;
        call(&node, &late).await.expect(200);
        let seen = house.provider.counters();
        assert_eq!((seen.rotations, seen.spent), (before.rotations + 1, 0), "round {round}");

        let work = set_to_work(&node, writers(&house, &mut dice));
        tokio::time::sleep(Duration::from_millis(50) + dice.moment(150)).await;
        disk.fill();
        let writers = timeout(LONG, work).await.expect("every writer is refused").unwrap();
        refused(&writers, "disk is full");
        reads_go_on(&mut node, &house, "disk is full").await;
        disk.clear();
        acknowledged += ledger::acknowledged(&it_is_well_again(node, &house, writers).await);
    }
    tell(
        check,
        format_args!(
            "{rounds} times: {acknowledged} writes acknowledged, 0 lost, the others refused with 503; calls through \
             instances served, {rounds} rotated grants kept and stored when there was room, ready again without a restart"
        ),
    );
}

/// A start that comes to nothing, and says that it is the disk of `data`.
fn told(mut command: Command, data: &Path) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let ends = ended(&mut child, 60);
    drop(child.kill());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert!(ends, "it serves: {said}");
    assert_eq!(status.code(), Some(1), "{said}");
    let words = format!("The disk of the data directory {} is full", data.display());
    assert!(said.contains(&words), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_serves_or_says_why_not_and_loses_nothing() {
    let _turn = beside_others().await;
    let check = "start on a full disk";
    let test = "a_start_on_a_full_disk_serves_or_says_why_not_and_loses_nothing";
    let mut dice = Dice::new(check);
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::small(dir.path().join("disk"), test) else { return };
    let house = House::furnish(Kept::Files(disk.data()), Policy::default(), false).await;
    let mut writers = ledger::writers(WRITERS, &house, &mut dice);
    let (serve, fresh) = (["serve", "--listen", "127.0.0.1:0"], disk.place.join("fresh"));
    for ends_well in [true, false] {
        let mut node = house.node(&[]).await;
        let work = set_to_work(&node, writers);
        tokio::time::sleep(dice.moment(300)).await;
        if ends_well {
            node.signal("TERM");
            writers = work.await.unwrap();
            while node.runs() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } else {
            node.signal("KILL");
            writers = work.await.unwrap();
        }
        drop(node);
        disk.fill();
        let mut first = house.command(&serve);
        first.env("HUBGATE_STORE__DATA_DIR", &fresh).env("HUBGATE_STORE__MASTER_KEY_FILE", fresh.join("master.key"));
        told(first, &fresh);
        let node = if ends_well {
            // Its files were cleared away, and take room to be made again.
            told(house.command(&serve), &disk.data());
            disk.clear();
            house.node(&[]).await
        } else {
            // What was killed left them.
            let mut node = house.node(&[]).await;
            reads_go_on(&mut node, &house, "disk is full").await;
            disk.clear();
            node
        };
        eventually("it is ready", async || node.ready().await == 200).await;
        let wrong = audit(&node, &house, &mut writers).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
        drop(node);
        assert_eq!(integrity(&house.data()).await, "ok");
    }
    let fresh = fresh.to_str().unwrap();
    let key = format!("{fresh}/master.key");
    let node = house.node(&[("HUBGATE_STORE__DATA_DIR", fresh), ("HUBGATE_STORE__MASTER_KEY_FILE", &key)]).await;
    assert_eq!(node.ready().await, 200, "what a first start left half-made is made good");
    let acknowledged = ledger::acknowledged(&writers);
    assert!(acknowledged > 0, "nothing was written: nothing is shown");
    tell(
        check,
        format_args!(
            "a first start and one after a good end told, exit code 1; one after a kill serves, and is ready when there is room; \
             {acknowledged} writes acknowledged before, 0 lost"
        ),
    );
}

/// Each time that a sync fails, its file is closed before it is synced again.
fn no_failed_file_is_synced_again(seen: &[String]) -> usize {
    let (mut failed, mut failures) = (std::collections::BTreeSet::new(), 0);
    for line in seen {
        let Some((_, call)) = line.split_once(' ') else { continue };
        let Some((name, rest)) = call.trim_start().split_once('(') else { continue };
        let Some((file, path)) = rest.split_once('<') else { continue };
        if !path.contains("/hubgate.db") {
            continue;
        }
        if name == "close" {
            failed.remove(file);
        } else if line.contains("EIO") {
            assert!(failed.insert(file.to_owned()), "a file on which a sync failed was synced again: {seen:#?}");
            failures += 1;
        } else {
            assert!(!failed.contains(file), "a file on which a sync failed was synced again: {seen:#?}");
        }
    }
    failures
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_sync_fails_is_not_acknowledged_and_its_file_not_used_again() {
    let _turn = beside_others().await;
    let check = "failing disk";
    let test = "a_write_whose_sync_fails_is_not_acknowledged_and_its_file_not_used_again";
    let mut dice = Dice::new(check);
    let (mut acknowledged, mut failures, rounds) = (0, 0, size(2, 20));
    for _ in 0..rounds {
        let house = House::embedded(false).await;
        let told = tempfile::tempdir().unwrap();
        let guest = house.expired_guests(1).await.remove(0);
        let mut node = house.node(&IMPATIENT).await;
        let work = set_to_work(&node, writers(&house, &mut dice));
        tokio::time::sleep(dice.moment(200)).await;
        let trace = told.path().join("trace");
        let Some(tracer) = Tracer::attach(node.pid(), "error=EIO", trace, test) else { return };
        let writers = timeout(LONG, work).await.expect("every writer is refused").unwrap();
        refused(&writers, "disk fails");
        reads_go_on(&mut node, &house, "disk fails").await;
        let before = house.provider.counters();
        let reply = call(&node, &guest).await;
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert_eq!(house.provider.counters(), before, "a refresh that cannot be announced is not begun");
        failures += no_failed_file_is_synced_again(&tracer.detach());
        eventually("the guest is served", async || call(&node, &guest).await.status == 200).await;
        acknowledged += ledger::acknowledged(&it_is_well_again(node, &house, writers).await);
    }
    assert!(failures > rounds, "only {failures} syncs failed: nothing is shown");
    tell(
        check,
        format_args!(
            "{rounds} times: {failures} syncs failed, {acknowledged} writes acknowledged, 0 lost; no file was synced again on \
             which a sync had failed, ready again without a restart"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_changed_by_an_account_that_was_refused_before() {
    // The least that a caller sees: 503, then 200, and nothing in between.
    let _turn = beside_others().await;
    let test = "a_name_is_changed_by_an_account_that_was_refused_before";
    let house = House::embedded(false).await;
    let told = tempfile::tempdir().unwrap();
    let node = house.node(&[]).await;
    let Some(tracer) = Tracer::attach(node.pid(), "error=EIO", told.path().join("trace"), test) else { return };
    let change = async |name: &str| {
        let request = node.client.request(Method::PATCH, format!("{}/instances/{}", node.base, house.instance));
        send(request.header("Authorization", &house.account).json(&json!({"name": name}))).await
    };
    for name in ["first", "second", "third"] {
        let reply = change(name).await;
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"), "{}", reply.body);
        assert_eq!(reply.body["code"], "unavailable");
    }
    drop(tracer);
    change("fourth").await.expect(200);
}
