//! What is SQLite's own, and the key file's.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use hubgate::{
    clock::ShiftedClock,
    error::Kind,
    store::{self, AuditVerdict, NewInstance, Settings},
};
use secrecy::ExposeSecret as _;
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{Bench, Raw, Shared, account, conformance, named, tokens};

async fn open(dir: &Path) -> (Shared, Arc<ShiftedClock>) {
    let clock = Arc::new(ShiftedClock::default());
    (store::open(&Settings::new(dir), clock.clone()).await.expect("opens"), clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_conforms() {
    let dir = TempDir::new().unwrap();
    let (store, clock) = open(dir.path()).await;
    let raw = Raw::Sqlite(beside(dir.path()).await);
    conformance::conforms(&Bench { store, clock, raw }).await;
}

#[tokio::test]
async fn a_closed_store_answers_and_an_opened_one_remembers() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("made/by/open");
    let (store, _) = open(&data).await;
    let user = account(&store, "a@example.com").await;
    let made = store.insert_instance(named(&user, "x")).await.unwrap();
    store.close().await;
    let error = store.instance(made.id).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.retry_after().is_some());
    drop(store);
    for (file, mode) in [("", 0o700), ("master.key", 0o600), ("hubgate.db", 0o600)] {
        assert_eq!(fs::metadata(data.join(file)).unwrap().permissions().mode() & 0o777, mode, "{file}");
    }
    let (store, _) = open(&data).await;
    assert!(store.instance_by_token(made.token.expose_secret()).await.unwrap().is_some());
    let token = store.sealer().seal_token("cursor", b"x");
    drop(store);
    assert_eq!(open(&data).await.0.sealer().open_token("cursor", &token).as_deref(), Some(b"x".as_slice()));
}

async fn refused(dir: &Path) -> String {
    let opened = store::open(&Settings::new(dir), Arc::new(ShiftedClock::default())).await;
    let error = opened.err().expect("refused");
    assert_eq!(error.kind(), Kind::Internal);
    error.to_string()
}

#[tokio::test]
async fn the_master_key_is_refused_with_a_reason() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("master.key");
    let (store, _) = open(dir.path()).await;
    store.close().await;
    drop(store);
    let good = fs::read(&key).unwrap();

    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    assert!(refused(dir.path()).await.contains("chmod 600"));
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();

    for bad in ["", "hello", "hubgate-key-1 AAAA", "hubgate-key-1 ????"] {
        fs::write(&key, bad).unwrap();
        assert!(refused(dir.path()).await.contains("is not a master key file"), "{bad}");
    }
    let other = TempDir::new().unwrap();
    drop(open(other.path()).await);
    fs::copy(other.path().join("master.key"), &key).unwrap();
    assert!(refused(dir.path()).await.contains("is not the one"));

    fs::remove_file(&key).unwrap();
    assert!(refused(dir.path()).await.contains("is missing"));
    assert!(!key.exists(), "no new key for an old database");

    fs::write(&key, &good).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    drop(open(dir.path()).await);
    // A key file elsewhere.
    let elsewhere = TempDir::new().unwrap();
    fs::rename(&key, elsewhere.path().join("key")).unwrap();
    let settings = Settings { master_key_file: Some(elsewhere.path().join("key")), ..Settings::new(dir.path()) };
    assert!(store::open(&settings, Arc::new(ShiftedClock::default())).await.is_ok());
}

async fn beside(dir: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(dir.join("hubgate.db")).busy_timeout(Duration::from_secs(5));
    SqlitePool::connect_with(options).await.unwrap()
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of the future', 1, x'00', 0)",
    )
    .execute(&beside(dir.path()).await)
    .await
    .unwrap();
    let text = refused(dir.path()).await;
    assert!(text.contains("newer version of hubgate") && text.contains("9999"), "{text}");
}

#[tokio::test]
async fn no_secret_reaches_the_disk() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path()).await;
    conformance::no_debug_text_shows_a_secret(&store).await;

    let look = |phase: &str| {
        let mut seen_name = false;
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!has(b"canary-"), "{phase}: {}", path.display());
            seen_name |= has(b"visible-name");
        }
        assert!(seen_name, "{phase}: the search finds what is there");
    };
    look("open, with the write-ahead log");
    store.close().await;
    look("closed");
}

#[tokio::test]
async fn a_restart_releases_the_leases_of_the_dead_but_a_second_process_does_not() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path()).await;
    let user = account(&store, "a@example.com").await;
    let new = NewInstance { grant: Some(tokens("A", Some("R"))), ..named(&user, "x") };
    let id = store.insert_instance(new).await.unwrap().id;
    store.begin_refresh(id, 1, "me", Duration::from_secs(30)).await.unwrap().unwrap();
    let (second, _) = open(dir.path()).await;
    assert!(second.grant(id).await.unwrap().unwrap().lease_until.is_some(), "its holder is alive");
    store.close().await;
    drop(store);
    let (third, _) = open(dir.path()).await;
    assert!(third.grant(id).await.unwrap().unwrap().lease_until.is_some(), "the second is alive");
    drop((second, third));
    let (alone, _) = open(dir.path()).await;
    let row = alone.grant(id).await.unwrap().unwrap();
    assert!(row.lease_until.is_none() && row.intent_at.is_some());
    assert!(alone.begin_refresh(id, 1, "new", Duration::from_secs(30)).await.unwrap().unwrap().uncertain);
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_brought_up_to_date() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path()).await;
    let user = account(&store, "a@example.com").await;
    let new = NewInstance { grant: Some(tokens("A", Some("R"))), ..named(&user, "x") };
    let made = store.insert_instance(new).await.unwrap();
    store.close().await;
    drop(store);
    let raw = beside(dir.path()).await;
    for step in [
        "DROP TABLE audit_log",
        "DROP TABLE audit_head",
        "DROP INDEX master_key_that_seals",
        "ALTER TABLE master_key DROP COLUMN seals",
        "ALTER TABLE master_key DROP COLUMN removed_at",
        "DROP INDEX instance_grant_by_keep_alive",
        "ALTER TABLE instance_grant DROP COLUMN keep_alive_at",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        sqlx::query(step).execute(&raw).await.unwrap();
    }
    raw.close().await;
    let (store, _) = open(dir.path()).await;
    let token = made.token.expose_secret();
    assert_eq!(store.instance_by_token(token).await.unwrap().expect("found").token.expose_secret(), token);
    let keys = store.master_keys().await.unwrap();
    assert!(keys.len() == 1 && keys[0].seals && keys[0].rows == 4, "{keys:?}");
    assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole { records: 1, .. }));
    let day = Duration::from_hours(24);
    assert_eq!(store.claim_keep_alives(9, day).await.unwrap(), [made.id], "nobody knows how long it has been idle");
    store.insert_instance(named(&user, "y")).await.unwrap();
    assert!(matches!(store.verify_audit().await.unwrap(), AuditVerdict::Whole { records: 2, .. }));
}
