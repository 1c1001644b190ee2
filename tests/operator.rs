//! What an operator does beside a running gateway: look through the audit log, back the store up and put it back.
//! The real binary, its real files, and a provider on a port of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

#[path = "operator/house.rs"]
mod house;
#[path = "operator/keys.rs"]
mod keys;
#[path = "support/nothing_else.rs"]
mod nothing_else;

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use house::{House, said};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

async fn raw(database: &Path, sql: &'static str) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(false);
    let mut connection = options.connect().await.unwrap();
    let rows = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

/// Exit code and everything said.
fn run(house: &House, arguments: &[&str]) -> (i32, String) {
    let output = house.command(arguments).output().unwrap();
    (output.status.code().unwrap(), said(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_verify_tells_the_first_record_that_does_not_fit() {
    let house = House::build().await;
    let node = house.serve();
    for _ in 0..3 {
        node.create().await;
    }
    let (code, text) = run(&house, &["audit", "verify"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("5 records, whole; head 5:"), "{text}");
    let head = text.trim().rsplit(' ').next().unwrap().to_owned();
    node.create().await;
    assert_eq!(run(&house, &["audit", "verify", "--head", &head]).0, 0);
    let (code, text) = run(&house, &["audit", "verify", "--head", "5:00"]);
    assert!(code == 1 && text.contains("record 5"), "{text}");
    assert_eq!(run(&house, &["audit", "verify", "--head", "five"]).0, 2);
    drop(node);
    raw(&house.database(), "DROP TRIGGER audit_log_is_not_changed").await;
    raw(&house.database(), "UPDATE audit_log SET actor_id = 77 WHERE seq = 4").await;
    let (code, text) = run(&house, &["audit", "verify"]);
    assert!(code == 1 && text.contains("broken at record 4"), "{text}");
}

/// Makes instances until it is told to stop; those whose making was answered are in the list.
fn writer(
    node: &Arc<house::Node>,
    stop: &Arc<AtomicBool>,
    made: &Arc<Mutex<Vec<house::Instance>>>,
) -> tokio::task::JoinHandle<()> {
    let (node, stop, made) = (Arc::clone(node), Arc::clone(stop), Arc::clone(made));
    tokio::spawn(async move {
        while !stop.load(Ordering::SeqCst) {
            let instance = node.create().await;
            made.lock().unwrap().push(instance);
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_writes_is_put_back_and_its_instances_answer() {
    let house = House::build().await;
    let node = Arc::new(house.serve());
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(vec![node.create().await])));
    let writers: Vec<_> = (0..3).map(|_| writer(&node, &stop, &made)).collect();
    let mut before = Vec::new();
    for n in 0..3 {
        while made.lock().unwrap().len() < 5 * (n + 1) {
            tokio::task::yield_now().await;
        }
        before = made.lock().unwrap().clone();
        let (code, text) = run(&house, &["backup", &format!("backup-{n}.db")]);
        assert_eq!(code, 0, "{text}");
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    // A gateway that serves the directory is noticed, whatever became of the files.
    let (code, text) = run(&house, &["restore", "backup-2.db"]);
    assert!(code == 1 && text.contains("in use"), "{text}");
    drop(node);
    let (code, text) = run(&house, &["restore", "backup-2.db"]);
    assert!(code == 1 && text.contains("exists already"), "{text}");

    // Everything but the key is lost.
    let key = fs::read(house.path("data/master.key")).unwrap();
    fs::remove_dir_all(house.path("data")).unwrap();
    let (code, text) = run(&house, &["restore", "backup-2.db"]);
    assert!(code == 1 && text.contains("master key file") && text.contains("missing"), "{text}");
    house.put_key("data/master.key", &key);
    let (code, text) = run(&house, &["restore", "backup-2.db"]);
    assert_eq!(code, 0, "{text}");
    let left: Vec<_> = fs::read_dir(house.path("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "the database, the key, the lock: {left:?}");

    let node = house.serve();
    assert!(before.len() >= 15);
    for instance in &before {
        assert_eq!(node.contents(instance).await, 200, "made before the backup began");
    }
    let mut answered = 0;
    let all = made.lock().unwrap().clone();
    for instance in &all {
        let status = node.contents(instance).await;
        assert!(matches!(status, 200 | 401), "{status}");
        answered += usize::from(status == 200);
    }
    assert!(answered >= before.len());
    let (code, text) = run(&house, &["audit", "verify"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(raw(&house.database(), "SELECT action FROM audit_log WHERE action = 'store.restored'").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_does_not_come_back_with_an_older_backup() {
    let house = House::build().await;
    let node = house.serve();
    let (kept, gone) = (node.create().await, node.create().await);
    assert_eq!(run(&house, &["backup", "old.db"]).0, 0);
    node.delete(&gone).await;
    let late = node.create().await;
    assert_eq!(run(&house, &["backup", "new.db"]).0, 0);
    drop(node);
    let wrapped = raw(&house.path("old.db"), "SELECT hex(data_key) FROM instance").await;
    assert_eq!(wrapped, ["", ""], "the database of a backup has no keys");
    fs::remove_file(house.database()).unwrap();
    for ending in ["-wal", "-shm"] {
        drop(fs::remove_file(house.path(&format!("data/hubgate.db{ending}"))));
    }
    let (code, text) = run(&house, &["restore", "old.db"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("1 instances put back") && text.contains("1 that were deleted since"), "{text}");
    let node = house.serve();
    assert_eq!(node.contents(&kept).await, 200);
    assert_eq!(node.contents(&gone).await, 401);
    // No instance gets a number that callers may know as another one's.
    assert!(node.create().await.id > late.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_backed_up_or_put_back_is_refused_with_a_reason() {
    let house = House::build().await;
    let node = house.serve();
    node.create().await;
    let refused = |arguments: &[&str], reason: &str| {
        let (code, text) = run(&house, arguments);
        assert!(code == 1 && text.contains(reason), "{arguments:?}: {code} {text}");
    };
    refused(&["backup", "b.db", "--data", "elsewhere"], "There is no database");
    assert_eq!(run(&house, &["backup", "b.db"]).0, 0);
    let first = fs::read(house.path("b.db")).unwrap();
    refused(&["backup", "b.db"], "overwrites nothing");
    assert_eq!(fs::read(house.path("b.db")).unwrap(), first);
    fs::write(house.path("mine.txt"), "mine").unwrap();
    refused(&["backup", "c.db", "--keys", "mine.txt"], "is no file of instance keys");
    assert_eq!(fs::read(house.path("mine.txt")).unwrap(), b"mine");
    assert!(!house.path("c.db").exists());

    let elsewhere = ["restore", "b.db", "--data", "elsewhere"];
    refused(&["restore", "nothing.db", "--data", "elsewhere"], "cannot be put back");
    refused(&elsewhere, "is missing");
    let key = fs::read(house.path("data/master.key")).unwrap();
    house.put_key("elsewhere/master.key", b"hubgate-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    refused(&elsewhere, "is not the one");
    house.put_key("elsewhere/master.key", &key);
    refused(&["restore", "mine.txt", "--keys", "instance.keys", "--data", "elsewhere"], "is no backup");
    fs::copy(house.database(), house.path("live.db")).unwrap();
    refused(&["restore", "live.db", "--data", "elsewhere"], "is no backup");
    let mut damaged = first;
    for byte in damaged.iter_mut().skip(9 * 4096).step_by(64) {
        *byte ^= 0xff;
    }
    fs::write(house.path("damaged.db"), damaged).unwrap();
    let (code, text) = run(&house, &["restore", "damaged.db", "--data", "elsewhere"]);
    assert!(code == 1 && (text.contains("is damaged") || text.contains("is no backup")), "{text}");
    let keys = fs::read_to_string(house.path("instance.keys")).unwrap();
    fs::write(house.path("other.keys"), keys.replace("\"key\":\"A", "\"key\":\"B")).unwrap();
    refused(&["restore", "b.db", "--keys", "other.keys", "--data", "elsewhere"], "do not open");
    assert!(!house.path("elsewhere/hubgate.db").exists(), "nothing half-way is left");
    // A backup is nothing to serve as it is.
    fs::copy(house.path("b.db"), house.path("elsewhere/hubgate.db")).unwrap();
    refused(&["audit", "verify", "--data", "elsewhere"], "hubgate restore");

    for (arguments, means) in [(["backup", "x.db"], "pg_dump"), (["restore", "b.db"], "pg_restore")] {
        let mut command = house.command(&arguments);
        command.env("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/nothing");
        let output = command.env("HUBGATE_STORE__MASTER_KEY_FILE", "key").output().unwrap();
        let text = said(&output);
        assert!(output.status.code() == Some(1) && text.contains(means) && !text.contains("hunter2"), "{text}");
    }
}
