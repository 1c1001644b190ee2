//! What is PostgreSQL's own: many nodes on one database, which can go away and come back.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use hubgate::{
    clock::{Clock as _, ShiftedClock},
    error::{Kind, Result},
    store::{self, Actor, Change, Follower, InstanceChange, NewInstance, RefreshFailure, Settings, Store},
};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::{Bench, Raw, Shared, account, cable::Cable, conformance, database::Database, named, secret, tokens};

fn settings(url: &str, key: Option<PathBuf>) -> Settings {
    Settings { database_url: Some(secret(url)), master_key_file: key, ..Settings::new("nowhere") }
}

async fn try_open(url: &str, dir: &Path) -> Result<Shared> {
    store::open(&settings(url, Some(dir.join("key"))), Arc::new(ShiftedClock::default())).await
}

async fn open(url: &str, dir: &Path) -> Shared {
    try_open(url, dir).await.expect("opens")
}

/// Asks until `done`, for ten seconds at most.
async fn eventually<F: Future<Output = bool>>(what: &str, done: impl Fn() -> F) {
    let until = Instant::now() + Duration::from_secs(10);
    while !done().await {
        assert!(Instant::now() < until, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let Some(database) = Database::new("postgres_conforms").await else { return };
    let dir = TempDir::new().unwrap();
    let clock = Arc::new(ShiftedClock::default());
    let store = store::open(&settings(&database.url(None), Some(dir.path().join("key"))), clock.clone()).await.unwrap();
    let raw = Raw::Postgres(PgPool::connect_with(database.options()).await.unwrap());
    let bench = Bench { store, clock, raw };
    conformance::conforms(&bench).await;
    for table in ["organization", "account_user", "instance", "instance_grant", "audit_log", "audit_head"] {
        let found = bench.raw(&format!("SELECT 1 FROM {table} AS t WHERE t::text ~ 'canary-|63616e6172792d'")).await;
        assert_eq!(found, 0, "a secret in clear in {table}");
    }
    bench.store.close().await;
    let error = bench.store.organization(1).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after().is_some()), (Kind::Unavailable, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_agree_on_schema_and_key() {
    let Some(database) = Database::new("nodes_that_start_at_once_agree_on_schema_and_key").await else { return };
    let dir = TempDir::new().unwrap();
    let url = database.url(None);
    let nodes = futures_util::future::join_all((0..6).map(|_| open(&url, dir.path()))).await;
    for node in &nodes {
        node.ping().await.unwrap();
        let token = node.sealer().seal_token("cursor", b"x");
        assert!(nodes[0].sealer().open_token("cursor", &token).is_some());
    }
    assert_eq!(database.raw("SELECT 1 FROM master_key").await, 1);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_a_reason() {
    let Some(database) = Database::new("what_does_not_fit_is_refused_with_a_reason").await else { return };
    let dir = TempDir::new().unwrap();
    let url = database.url(None);
    let why = async |url: &str, dir: &Path| {
        let error = try_open(url, dir).await.err().expect("refused");
        assert_eq!(error.kind(), Kind::Internal);
        error.to_string()
    };
    let unset = store::open(&settings(&url, None), Arc::new(ShiftedClock::default())).await.err().expect("refused");
    assert!(unset.to_string().contains("store.master_key_file is missing"), "{unset}");

    open(&url, dir.path()).await.close().await;
    let (other, none) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(other.path().join("key"), "hubgate-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").unwrap();
    fs::set_permissions(other.path().join("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert!(why(&url, other.path()).await.contains("is not the one"));
    let missing = why(&url, none.path()).await;
    assert!(missing.contains("is missing") && missing.contains("copy it from another node"), "{missing}");
    assert!(!none.path().join("key").exists(), "no new key for an old database");

    database
        .raw(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'of the future', true, '', 0)",
        )
        .await;
    let newer = why(&url, dir.path()).await;
    assert!(newer.contains("newer version of hubgate") && newer.contains("9999"), "{newer}");

    let nobody = why("postgres://me:hunter2@127.0.0.1:1/nothing", dir.path()).await;
    assert!(nobody.contains("nothing at 127.0.0.1:1 cannot be opened") && !nobody.contains("hunter2"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_by_the_clock_of_the_database() {
    let Some(database) = Database::new("leases_are_by_the_clock_of_the_database").await else { return };
    let dir = TempDir::new().unwrap();
    let url = database.url(None);
    let right = open(&url, dir.path()).await;
    let fast = Arc::new(ShiftedClock::default());
    fast.shift(TimeDelta::days(1));
    let ahead = store::open(&settings(&url, Some(dir.path().join("key"))), fast.clone()).await.unwrap();
    let user = account(&right, "a@example.com").await;
    let new = NewInstance { grant: Some(tokens("A", Some("R"))), ..named(&user, "x") };
    let id = right.insert_instance(new).await.unwrap().id;

    let lease = right.begin_refresh(id, 1, "right", Duration::from_secs(30)).await.unwrap().unwrap();
    assert_eq!(ahead.begin_refresh(id, 1, "ahead", Duration::from_secs(30)).await.unwrap(), None, "not over yet");
    let near = |at: Option<DateTime<Utc>>, seconds: i64, now: DateTime<Utc>| {
        let left = (at.unwrap() - now).num_seconds();
        assert!((seconds - 20..=seconds).contains(&left), "{left}");
    };
    near(right.grant(id).await.unwrap().unwrap().lease_until, 30, Utc::now());
    near(ahead.grant(id).await.unwrap().unwrap().lease_until, 30, fast.now());

    let failure = |at| RefreshFailure { error: "down".to_owned(), next_attempt_at: Some(at), uncertain: false };
    assert!(right.fail_refresh(id, lease.epoch, failure(Utc::now() + TimeDelta::seconds(60))).await.unwrap());
    assert_eq!(ahead.begin_refresh(id, 1, "ahead", Duration::from_secs(30)).await.unwrap(), None, "still a pause");
    near(ahead.grant(id).await.unwrap().unwrap().next_attempt_at, 60, fast.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_back_needs_no_restart() {
    let Some(database) = Database::new("a_database_that_comes_back_needs_no_restart").await else { return };
    let dir = TempDir::new().unwrap();
    let cable = Cable::to(&database.address(), "hubgate listener").await;
    let store = open(&database.url(Some(cable.address)), dir.path()).await;
    let user = account(&store, "a@example.com").await;
    for round in 0..3 {
        let made = store.insert_instance(named(&user, "x")).await.unwrap();
        if round == 1 {
            cable.freeze();
        } else {
            cable.cut();
        }
        assert_eq!(store.ping().await.unwrap_err().kind(), Kind::Unavailable);
        if round != 1 {
            for _ in 0..2 {
                assert_eq!(store.instance(made.id).await.unwrap_err().kind(), Kind::Unavailable);
            }
            let error = store.insert_instance(named(&user, "lost")).await.unwrap_err();
            assert_eq!((error.kind(), error.retry_after().is_some()), (Kind::Unavailable, true));
        }
        cable.mend();
        eventually("the store serves again", async || store.ping().await.is_ok()).await;
        assert_eq!(store.instance(made.id).await.unwrap().unwrap().version, 1);
    }
}

/// A guard against hanging for ever, not a measure of speed.
const FAR: Duration = Duration::from_secs(60);

fn silent(error: &hubgate::error::Error) -> bool {
    error.kind() == Kind::Unavailable && error.retry_after().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_never_answers_is_given_up_in_time() {
    let Some(database) = Database::new("a_database_that_never_answers_is_given_up_in_time").await else { return };
    let dir = TempDir::new().unwrap();
    let cable = Cable::to(&database.address(), "hubgate listener").await;
    let mut settings = settings(&database.url(Some(cable.address)), Some(dir.path().join("key")));
    (settings.patience, settings.max_connections) = (Duration::from_secs(1), 3);
    let store = store::open(&settings, Arc::new(ShiftedClock::default())).await.unwrap();
    let user = account(&store, "a@example.com").await;
    let grant = Some(tokens("A", Some("R")));
    let id = store.insert_instance(NewInstance { grant, ..named(&user, "x") }).await.unwrap().id;
    // As many as there are connections, which are all in use a moment before nothing comes from them any more.
    let busy = async || futures_util::future::join_all((0..3).map(|_| store.instance(id))).await;
    for round in 0..4 {
        eventually("all connections are in use", async || busy().await.iter().all(Result::is_ok)).await;
        let all_silent = match round {
            0 => {
                cable.freeze();
                let reads = futures_util::future::join_all((0..6).map(|_| store.instance(id)));
                let others = async {
                    let (made, leased, generation) = tokio::join!(
                        store.insert_instance(named(&user, "lost")),
                        store.begin_refresh(id, 1, "me", FAR),
                        store.generations().unwrap().generation(id, "files"),
                    );
                    [made.map(drop), leased.map(drop), generation.map(drop)]
                };
                let (reads, others) = timeout(FAR, futures_util::future::join(reads, others)).await.expect("in time");
                cable.mend();
                reads.iter().all(|read| read.as_ref().is_err_and(silent))
                    && others.iter().all(|done| done.as_ref().is_err_and(silent))
            }
            // Who hangs up in the midst leaves a connection of which nobody knows where it stands, too.
            1 => {
                cable.lose();
                let calls: Vec<_> = (0..3)
                    .map(|_| {
                        let store = Arc::clone(&store);
                        tokio::spawn(
                            async move { timeout(Duration::from_millis(100), store.instance(id)).await.is_err() },
                        )
                    })
                    .collect();
                futures_util::future::join_all(calls).await.into_iter().any(Result::unwrap)
            }
            _ => {
                cable.lose();
                let reads = timeout(FAR, busy()).await.expect("in time");
                // One that was on its way back to the pool may be replaced in time.
                reads.iter().all(|read| read.as_ref().err().is_none_or(silent))
            }
        };
        assert!(all_silent, "round {round}");
        eventually("the store serves again, over new connections", async || store.instance(id).await.is_ok()).await;
    }
    let lost = database.raw("SELECT 1 FROM instance WHERE name = 'lost'").await;
    assert!(lost <= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_walks_through_a_table_gives_up_a_database_that_does_not_answer() {
    let test = "what_walks_through_a_table_gives_up_a_database_that_does_not_answer";
    let Some(database) = Database::new(test).await else { return };
    let dir = TempDir::new().unwrap();
    let cable = Cable::to(&database.address(), "hubgate listener").await;
    let mut settings = settings(&database.url(Some(cable.address)), Some(dir.path().join("key")));
    settings.patience = Duration::from_secs(1);
    let store = store::open(&settings, Arc::new(ShiftedClock::default())).await.unwrap();
    let user = account(&store, "a@example.com").await;
    store.insert_instance(named(&user, "x")).await.unwrap();
    let gives_up = async |store: &Shared, what: &str| {
        let (verified, resealed) =
            timeout(FAR, async { tokio::join!(store.verify_audit(), store.reseal()) }).await.expect(what);
        [verified.err(), resealed.err()]
    };
    let says_so = |errors: [Option<hubgate::error::Error>; 2], what: &str| {
        for error in errors {
            let error = error.expect(what);
            assert!(silent(&error) && error.public() == "The store does not answer", "{what}: {error}");
        }
    };

    cable.freeze();
    says_so(gives_up(&store, "nothing comes from it").await, "nothing comes from it");
    let keys = timeout(FAR, store.master_keys()).await.expect("in time").unwrap_err();
    let retired = timeout(FAR, store.retire_key("nothing")).await.expect("in time").unwrap_err();
    assert!(silent(&keys) && silent(&retired), "{keys}, {retired}");
    cable.mend();
    eventually("the store serves again", async || store.verify_audit().await.is_ok()).await;

    // In the midst of the walk, over connections that know nothing of that: somebody holds what is to be read for longer.
    store.close().await;
    let store = store::open(&settings, Arc::new(ShiftedClock::default())).await.unwrap();
    let mut holder = database.connect().await;
    for statement in ["BEGIN", "LOCK TABLE audit_log, instance IN ACCESS EXCLUSIVE MODE"] {
        sqlx::query(statement).execute(&mut holder).await.unwrap();
    }
    says_so(gives_up(&store, "it is held").await, "it is held");
    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!(matches!(store.verify_audit().await.unwrap(), store::AuditVerdict::Whole { .. }));
    assert_eq!(store.reseal().await.unwrap(), 0);
}

#[derive(Default)]
struct Heard(Mutex<Vec<Change>>);

#[async_trait]
impl Follower for Heard {
    async fn changed(&self, change: Change) {
        self.0.lock().unwrap().push(change);
    }
}

impl Heard {
    fn has(&self, change: Change) -> bool {
        self.0.lock().unwrap().contains(&change)
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_hears_of_changes_or_knows_that_it_does_not() {
    let Some(database) = Database::new("every_node_hears_of_changes_or_knows_that_it_does_not").await else { return };
    let dir = TempDir::new().unwrap();
    let cable = Cable::to(&database.address(), "hubgate listener").await;
    let (here, there) =
        (open(&database.url(None), dir.path()).await, open(&database.url(Some(cable.address)), dir.path()).await);
    let heard = Arc::new(Heard::default());
    let follower = (Arc::clone(&there), Arc::clone(&heard));
    let following = tokio::spawn(async move { follower.0.follow(&*follower.1).await });
    let long_ago = Instant::now();
    eventually("it listens", async || long_ago.elapsed().as_secs() >= 1 && there.believes(long_ago)).await;
    assert!(heard.has(Change::Everything), "what was before is not known");
    assert!(!here.believes(long_ago), "who does not listen does not believe");

    let user = account(&here, "a@example.com").await;
    let made = here.insert_instance(named(&user, "x")).await.unwrap();
    let off = InstanceChange { disabled: Some(true), ..InstanceChange::default() };
    here.update_instance(made.id, 1, off.clone()).await.unwrap();
    eventually("the change is heard", async || heard.has(Change::Instance { id: made.id, version: 2 })).await;
    assert!(!heard.has(Change::Instance { id: made.id, version: 1 }), "a new instance changes nothing");
    assert!(!heard.has(Change::Accounts), "nor does a new account");
    database.raw("UPDATE account_user SET first_name = 'Ada'").await;
    eventually("so is one by hand", async || heard.has(Change::Accounts)).await;

    assert_eq!(cable.marked(), 1, "one connection listens");
    for way in [Cable::deafen, Cable::freeze, Cable::cut] {
        heard.clear();
        way(&cable);
        let broken = Instant::now();
        eventually("it notices", async || !there.believes(long_ago)).await;
        // Bound by construction (see the unit test); here only that nothing else keeps the belief alive.
        assert!(broken.elapsed() < Duration::from_secs(5));
        let version = here.instance(made.id).await.unwrap().unwrap().version;
        here.update_instance(made.id, version, off.clone()).await.unwrap();
        cable.mend();
        eventually("it listens again", async || there.believes(long_ago)).await;
        assert!(heard.has(Change::Everything), "what it missed is not known");
    }
    here.delete_instance(made.id, &Actor::default()).await.unwrap();
    eventually("the end is heard", async || heard.has(Change::Instance { id: made.id, version: i64::MAX })).await;
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn generations_tell_what_a_write_made_stale() {
    let Some(database) = Database::new("generations_tell_what_a_write_made_stale").await else { return };
    let dir = TempDir::new().unwrap();
    let store: Arc<dyn Store> = open(&database.url(None), dir.path()).await;
    let user = account(&store, "a@example.com").await;
    let id = store.insert_instance(named(&user, "x")).await.unwrap().id;
    let shared = store.generations().unwrap();
    let minute = Duration::from_secs(60);
    let first = shared.generation(id, "files").await.unwrap().unwrap();
    shared.begin_write(id, "files", minute).await.unwrap();
    shared.begin_write(id, "files", minute).await.unwrap();
    assert_eq!(shared.generation(id, "files").await.unwrap(), None, "while a write is under way");
    assert_eq!(shared.generation(id, "folders").await.unwrap(), Some(first), "another resource");
    shared.end_write(id, "files").await.unwrap();
    assert_eq!(shared.generation(id, "files").await.unwrap(), None, "there is another one");
    shared.end_write(id, "files").await.unwrap();
    let second = shared.generation(id, "files").await.unwrap().unwrap();
    assert!(second > first);

    // The node of this one died: until it must be over nothing is kept, and then nothing from before is found.
    shared.begin_write(id, "files", minute).await.unwrap();
    database.raw("UPDATE cache_generation SET busy_until = busy_until - 61000").await;
    let third = shared.generation(id, "files").await.unwrap().unwrap();
    assert!(third > second);
    shared.begin_write(id, "files", minute).await.unwrap();
    shared.end_write(id, "files").await.unwrap();
    assert!(shared.generation(id, "files").await.unwrap().unwrap() > third, "the dead one is not waited for");

    store.delete_instance(id, &Actor::default()).await.unwrap();
    shared.begin_write(id, "files", minute).await.unwrap();
    shared.end_write(id, "files").await.unwrap();
}
