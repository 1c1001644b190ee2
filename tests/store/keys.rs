//! Master keys take turns under a store that is used, on either database.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hubgate::{
    clock::{SharedClock, ShiftedClock},
    error::Kind,
    store::{self, AuditVerdict, CreatedAccount, MasterKey, NewAccount, NewInstance, Settings},
};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::{Shared, database::Database, named, secret, tokens};

fn clock() -> SharedClock {
    Arc::new(ShiftedClock::default())
}

async fn open(settings: &Settings) -> Shared {
    store::open(settings, clock()).await.expect("opens")
}

async fn account(store: &Shared) -> CreatedAccount {
    let new = NewAccount { organization: "O".to_owned(), email: "a@b.example".to_owned(), ..NewAccount::default() };
    store.create_account(new).await.unwrap()
}

/// Uses a store until it is told to stop, as a gateway would; every call must work.
async fn use_it(store: &Shared, account: &CreatedAccount, known: &[(i64, String)], stop: &AtomicBool) -> usize {
    let mut calls = 0;
    let cursor = store.sealer().seal_token("cursor", b"7");
    while !stop.load(Ordering::SeqCst) {
        let (id, token) = &known[calls % known.len()];
        assert_eq!(store.instance_by_token(token).await.unwrap().expect("found").id, *id);
        let user = store.user_by_secret(account.user_secret.expose_secret()).await.unwrap().expect("found");
        let house = store.organization_by_secret(account.organization_secret.expose_secret()).await.unwrap();
        assert_eq!(house.expect("found").id, user.organization_id);
        assert!(store.grant(*id).await.unwrap().unwrap().access.is_some());
        assert!(store.sealer().open_token("cursor", &cursor).is_some());
        let made = store.insert_instance(named(&user, "meanwhile")).await.unwrap();
        let found = store.instance_by_token(made.token.expose_secret()).await.unwrap();
        assert_eq!(found.expect("found at once").id, made.id);
        calls += 1;
    }
    calls
}

fn only_sealing(keys: &[MasterKey]) -> (&str, u64) {
    let sealing: Vec<&MasterKey> = keys.iter().filter(|key| key.seals).collect();
    assert_eq!(sealing.len(), 1);
    (&sealing[0].id, sealing[0].rows)
}

fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// `here` rotates; the store of `there` (another process, or another node with a key file of its own) is used meanwhile.
async fn a_rotation_disturbs_nobody(here: &Settings, there: &Settings, file: &Path, copy: &Path) {
    let store = open(there).await;
    let account = account(&store).await;
    let mut known = Vec::new();
    for n in 0..120 {
        let new = NewInstance { grant: Some(tokens("A", Some("R"))), ..named(&account.user, &format!("{n}")) };
        let made = store.insert_instance(new).await.unwrap();
        known.push((made.id, made.token.expose_secret().to_owned()));
    }
    let (keys, held) = store::list_keys(here, clock()).await.unwrap();
    let (old, rows) = only_sealing(&keys);
    assert_eq!((held.len(), rows), (1, 120 + 3), "and the account, and the log's key");
    let old = old.to_owned();
    let refused = store::remove_key(here, clock(), &old).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict, "{refused}");

    let stop = AtomicBool::new(false);
    let rotating = async {
        if here.database_url.is_some() {
            let refused = store::rotate_key(here, clock()).await.unwrap_err();
            assert!(refused.to_string().contains("hubgate key add"), "{refused}");
            let new = store::add_key(here, clock()).await.unwrap();
            assert!(store::add_key(here, clock()).await.unwrap_err().to_string().contains(&new));
            put(copy, &fs::read_to_string(file).unwrap());
        }
        let rotated = store::rotate_key(here, clock()).await.unwrap();
        stop.store(true, Ordering::SeqCst);
        rotated
    };
    let (rotated, calls) = tokio::join!(rotating, use_it(&store, &account, &known, &stop));
    assert!(calls > 0 && rotated.turned && rotated.rows >= 123, "{calls} {rotated:?}");
    assert_eq!(rotated.spare.as_slice(), std::slice::from_ref(&old));
    let (keys, held) = store::list_keys(here, clock()).await.unwrap();
    let (new, rows) = only_sealing(&keys);
    let new = new.to_owned();
    assert_eq!(rows, 123 + u64::try_from(calls).unwrap(), "every row is under the new key");
    assert_eq!((new.clone(), held), (rotated.key, vec![new.clone(), old.clone()]));

    let before = fs::read_to_string(file).unwrap();
    store::remove_key(here, clock(), &old).await.unwrap();
    put(copy, &fs::read_to_string(file).unwrap());
    let (_, held) = store::list_keys(here, clock()).await.unwrap();
    assert_eq!(held.as_slice(), std::slice::from_ref(&new));
    stop.store(false, Ordering::SeqCst);
    let one = async {
        tokio::task::yield_now().await;
        stop.store(true, Ordering::SeqCst);
    };
    let (calls, ()) = tokio::join!(use_it(&store, &account, &known, &stop), one);
    assert!(calls > 0);
    let again = open(there).await;
    for (id, token) in &known {
        assert_eq!(again.instance_by_token(token).await.unwrap().unwrap().id, *id);
    }
    assert!(matches!(again.verify_audit().await.unwrap(), AuditVerdict::Whole { .. }));
    assert!(again.user_secret(account.user.id).await.unwrap().is_some());

    // A removed key stays removed, also when somebody puts it back.
    put(file, &before);
    assert!(store::remove_key(here, clock(), &old).await.is_ok(), "it is taken from the file again");
    assert_eq!(store::list_keys(here, clock()).await.unwrap().1, [new]);
    // The old key alone opens nothing.
    let line = before.lines().nth(1).unwrap();
    put(file, line);
    let refused = store::open(here, clock()).await.err().expect("refused");
    assert!(refused.to_string().contains("is not the one"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_disturbs_nobody_on_sqlite() {
    let dir = TempDir::new().unwrap();
    let (settings, file) = (Settings::new(dir.path()), dir.path().join("master.key"));
    a_rotation_disturbs_nobody(&settings, &settings, &file, &file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_disturbs_nobody_on_postgres() {
    let Some(database) = Database::new("a_rotation_disturbs_nobody_on_postgres").await else { return };
    let dir = TempDir::new().unwrap();
    let (file, copy) = (dir.path().join("key"), dir.path().join("copy"));
    let settings = |file: &PathBuf| Settings {
        database_url: Some(secret(&database.url(None))),
        master_key_file: Some(file.clone()),
        ..Settings::new("nowhere")
    };
    open(&settings(&file)).await.close().await;
    put(&copy, &fs::read_to_string(&file).unwrap());
    a_rotation_disturbs_nobody(&settings(&file), &settings(&copy), &file, &copy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_new_key_says_so_until_it_has_it() {
    let Some(database) = Database::new("a_node_without_the_new_key_says_so_until_it_has_it").await else { return };
    let dir = TempDir::new().unwrap();
    let (file, copy) = (dir.path().join("key"), dir.path().join("copy"));
    let settings = |file: &PathBuf| Settings {
        database_url: Some(secret(&database.url(None))),
        master_key_file: Some(file.clone()),
        ..Settings::new("nowhere")
    };
    let store = open(&settings(&file)).await;
    put(&copy, &fs::read_to_string(&file).unwrap());
    let account = account(&store).await;
    let made = store.insert_instance(named(&account.user, "x")).await.unwrap();
    let behind = open(&settings(&copy)).await;
    store::add_key(&settings(&file), clock()).await.unwrap();
    let new = store::rotate_key(&settings(&file), clock()).await.unwrap().key;
    let token = made.token.expose_secret();
    assert_eq!(behind.instance_by_token(token).await.unwrap_err().kind(), Kind::Unavailable, "it does not know");
    assert_eq!(behind.instance(made.id).await.unwrap_err().kind(), Kind::Unavailable);
    let refused = store::open(&settings(&copy), clock()).await.err().expect("refused").to_string();
    assert!(refused.contains("lacks the key") && refused.contains(&new), "{refused}");
    put(&copy, &fs::read_to_string(&file).unwrap());
    assert_eq!(behind.instance_by_token(token).await.unwrap().expect("found").id, made.id);
    assert!(behind.instance_by_token("nobody's").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_stopped_goes_on() {
    let dir = TempDir::new().unwrap();
    let settings = Settings::new(dir.path());
    let store = open(&settings).await;
    let account = account(&store).await;
    for n in 0..60 {
        store.insert_instance(named(&account.user, &format!("{n}"))).await.unwrap();
    }
    // As if it had died right after the turn.
    let new = store::add_key(&settings, clock()).await.unwrap();
    store.seal_with(&new).await.unwrap();
    store.insert_instance(named(&account.user, "late")).await.unwrap();
    let keys = store.master_keys().await.unwrap();
    assert_eq!((only_sealing(&keys), keys[0].rows), ((new.as_str(), 1), 63));
    let rotated = store::rotate_key(&settings, clock()).await.unwrap();
    assert_eq!((rotated.key, rotated.turned, rotated.rows), (new, false, 63));
    assert_eq!(rotated.spare.len(), 1);
    // A file without the old key, and one whose keys are all others, are not taken up by a store that is open.
    let good = fs::read_to_string(dir.path().join("master.key")).unwrap();
    for bad in ["hubgate-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "nonsense"] {
        put(&dir.path().join("master.key"), bad);
        assert!(store.instance_by_token("nobody's").await.unwrap().is_none());
        assert!(store.user_by_secret(account.user_secret.expose_secret()).await.unwrap().is_some(), "{bad}");
    }
    put(&dir.path().join("master.key"), &good);
}
