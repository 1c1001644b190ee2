//! The store: one conformance suite over `Arc<dyn Store>`, and what is SQLite's and the key file's own.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use hubgate::{
    clock::{Clock as _, ShiftedClock},
    error::Kind,
    store::{
        self, GrantState, InstanceChange, InstanceFilter, NewAccount, NewGrant, NewInstance, RefreshFailure, Settings,
        Store, User,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

type Shared = Arc<dyn Store>;

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

async fn open(dir: &Path) -> (Shared, Arc<ShiftedClock>) {
    let clock = Arc::new(ShiftedClock::default());
    (store::open(&Settings::new(dir), clock.clone()).await.expect("opens"), clock)
}

async fn account(store: &Shared, email: &str) -> User {
    let new = NewAccount { organization: "Acme".to_owned(), email: email.to_owned(), ..NewAccount::default() };
    store.create_account(new).await.expect("an account").user
}

fn named(user: &User, name: &str) -> NewInstance {
    NewInstance {
        organization_id: user.organization_id,
        user_id: user.id,
        element_id: 19,
        element_key: "acmedocs".to_owned(),
        name: name.to_owned(),
        ..NewInstance::default()
    }
}

fn tokens(access: &str, refresh: Option<&str>) -> NewGrant {
    NewGrant {
        access: Some(secret(access)),
        refresh: refresh.map(secret),
        expires_at: Some(Utc::now() + TimeDelta::hours(1)),
        secret: None,
    }
}

// ---- conformance: any store ----

async fn accounts_are_found_by_their_secrets(store: &Shared) {
    let made = store
        .create_account(NewAccount {
            organization: "Acme".to_owned(),
            email: "Ada@Example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "L".to_owned(),
            ..NewAccount::default()
        })
        .await
        .unwrap();
    let (organization, user) = (made.organization_secret.expose_secret(), made.user_secret.expose_secret());
    assert!(organization.len() == 32 && organization.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(user.len() == 44 && user.ends_with('='));
    assert_eq!(store.organization_by_secret(organization).await.unwrap().as_ref(), Some(&made.organization));
    assert_eq!(store.organization(made.organization.id).await.unwrap(), Some(made.organization.clone()));
    assert_eq!(store.user_by_secret(user).await.unwrap().as_ref(), Some(&made.user));
    assert_eq!(store.user(made.user.id).await.unwrap().as_ref(), Some(&made.user));
    assert_eq!(store.user_by_email("ada@example.COM").await.unwrap().as_ref(), Some(&made.user));
    // A secret of one kind is not one of another kind.
    assert_eq!(store.organization_by_secret(user).await.unwrap(), None);
    assert_eq!(store.user_by_secret(organization).await.unwrap(), None);
    assert_eq!(store.user_secret(made.user.id).await.unwrap().unwrap().expose_secret(), user);
    let opened = store.organization_secret(made.organization.id).await.unwrap().unwrap();
    assert_eq!(opened.expose_secret(), organization);

    let again = NewAccount { email: "ADA@example.com".to_owned(), ..NewAccount::default() };
    assert_eq!(store.create_account(again).await.unwrap_err().kind(), Kind::Conflict);
    let given = NewAccount {
        email: "given@example.com".to_owned(),
        organization_secret: Some(secret("0123")),
        user_secret: Some(secret("a/b+c=")),
        ..NewAccount::default()
    };
    let given = store.create_account(given).await.unwrap();
    assert_eq!(store.user_by_secret("a/b+c=").await.unwrap(), Some(given.user));
    assert_eq!(store.organization_by_secret("0123").await.unwrap(), Some(given.organization));
}

async fn an_instance_keeps_everything(store: &Shared) {
    let user = account(store, "keeps@example.com").await;
    let new = NewInstance {
        tags: vec!["b".to_owned(), "a".to_owned(), "b".to_owned()],
        configuration: object(json!({"base.url": "https://x.example", "n": 1})),
        secrets: BTreeMap::from([("password".to_owned(), secret("hunter2"))]),
        caching_enabled: true,
        cache_ttl_s: 300,
        max_cache_size: 20,
        events_enabled: true,
        external_authentication: "initial".to_owned(),
        grant: Some(tokens("A1", Some("R1"))),
        ..named(&user, "one")
    };
    let made = store.insert_instance(new).await.unwrap();
    assert_eq!((made.token.expose_secret().len(), made.version, made.valid), (44, 1, true));
    let read = store.instance(made.id).await.unwrap().unwrap();
    let by_token = store.instance_by_token(made.token.expose_secret()).await.unwrap().unwrap();
    assert_eq!(store.instance_by_token("nobody's").await.unwrap().map(|found| found.id), None);
    for found in [&read, &by_token] {
        assert_eq!(found.id, made.id);
        assert_eq!(found.tags, ["b", "a"]);
        assert_eq!(found.configuration, made.configuration);
        assert_eq!(found.secrets.get("password").unwrap().expose_secret(), "hunter2");
        assert_eq!(found.token.expose_secret(), made.token.expose_secret());
        assert_eq!((found.cache_ttl_s, found.max_cache_size, found.caching_enabled), (300, 20, true));
        assert_eq!((found.events_enabled, found.trace_logging, found.disabled), (true, false, false));
        assert_eq!((found.external_authentication.as_str(), found.element_id), ("initial", 19));
    }
    let grant = store.grant(made.id).await.unwrap().unwrap();
    assert_eq!((grant.generation, grant.state), (1, GrantState::Valid));
    assert_eq!(grant.refresh.unwrap().expose_secret(), "R1");

    let change = InstanceChange {
        name: Some("two".to_owned()),
        tags: Some(vec!["c".to_owned()]),
        secrets: Some(BTreeMap::from([("password".to_owned(), secret("changed"))])),
        disabled: Some(true),
        ..InstanceChange::default()
    };
    let changed = store.update_instance(made.id, 1, change.clone()).await.unwrap();
    let read = store.instance(made.id).await.unwrap().unwrap();
    for found in [changed, read] {
        assert_eq!((found.name.as_str(), found.version, found.disabled), ("two", 2, true));
        assert_eq!((found.tags, found.configuration), (vec!["c".to_owned()], made.configuration.clone()));
        assert_eq!(found.secrets.get("password").unwrap().expose_secret(), "changed");
        assert_eq!(found.token.expose_secret(), made.token.expose_secret());
    }
    let stale = store.update_instance(made.id, 1, change.clone()).await.unwrap_err();
    assert_eq!(stale.kind(), Kind::Conflict);
    assert_eq!(store.update_instance(1 << 40, 1, change).await.unwrap_err().kind(), Kind::NotFound);

    assert!(store.delete_instance(made.id).await.unwrap());
    assert!(!store.delete_instance(made.id).await.unwrap());
    assert!(store.instance(made.id).await.unwrap().is_none());
    assert!(store.instance_by_token(made.token.expose_secret()).await.unwrap().is_none());
    assert!(store.grant(made.id).await.unwrap().is_none());
    // Ids are not used again.
    assert!(store.insert_instance(named(&user, "next")).await.unwrap().id > made.id);
}

async fn a_taken_token_leaves_nothing_behind(store: &Shared) {
    let user = account(store, "taken@example.com").await;
    let new = || NewInstance { token: Some(secret("same")), tags: vec!["t".to_owned()], ..named(&user, "x") };
    store.insert_instance(new()).await.unwrap();
    assert_eq!(store.insert_instance(new()).await.unwrap_err().kind(), Kind::Conflict);
    let filter = InstanceFilter { organization_id: user.organization_id, ..InstanceFilter::default() };
    assert_eq!(store.count_instances(&filter).await.unwrap(), 1);
}

async fn instances_are_listed_by_page_and_filter(store: &Shared) {
    let (user, other) = (account(store, "list@example.com").await, account(store, "other@example.com").await);
    store.insert_instance(named(&other, "foreign")).await.unwrap();
    let mut ids = Vec::new();
    for at in 0..25 {
        let mut new = named(&user, &format!("Größe {at} 100%_x"));
        if at % 2 == 1 {
            new.element_key = String::from("AcmeCRM");
        }
        new.tags = (1..=3).filter(|step| at % step == 0).map(|step| format!("every{step}")).collect();
        ids.push(store.insert_instance(new).await.unwrap().id);
    }
    let all = InstanceFilter { organization_id: user.organization_id, limit: 10, ..InstanceFilter::default() };
    let (mut filter, mut seen, mut pages) = (all.clone(), Vec::new(), 0);
    loop {
        let (page, next) = store.list_instances(&filter).await.unwrap();
        seen.extend(page.iter().map(|instance| instance.id));
        pages += 1;
        filter.after_id = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (ids.clone(), 3));
    assert_eq!(store.count_instances(&filter).await.unwrap(), 25);

    let count = async |change: &dyn Fn(&mut InstanceFilter)| {
        let mut filter = InstanceFilter { limit: 0, ..all.clone() };
        change(&mut filter);
        let listed = store.list_instances(&filter).await.unwrap().0.len();
        assert_eq!(store.count_instances(&filter).await.unwrap(), listed as u64);
        listed
    };
    let tags = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(count(&|filter| filter.tags = tags(&["every2"])).await, 13);
    assert_eq!(count(&|filter| filter.tags = tags(&["every2", "every3"])).await, 5);
    assert_eq!(count(&|filter| filter.tags = tags(&["every2", "never"])).await, 0);
    assert_eq!(count(&|filter| filter.element_key = Some("AcmeCRM".to_owned())).await, 12);
    assert_eq!(count(&|filter| filter.user_id = Some(other.id)).await, 0);
    assert_eq!(count(&|filter| filter.search = Some("gRÖSSE".to_owned())).await, 0);
    assert_eq!(count(&|filter| filter.search = Some("gRÖßE 7 ".to_owned())).await, 1);
    assert_eq!(count(&|filter| filter.search = Some("acmecrm".to_owned())).await, 12);
    assert_eq!(count(&|filter| filter.search = Some("100%_".to_owned())).await, 25);
    assert_eq!(count(&|filter| filter.search = Some("100_%".to_owned())).await, 0);
    assert_eq!(count(&|filter| filter.search = Some("' OR 1=1 --".to_owned())).await, 0);
    assert_eq!(count(&|filter| filter.search = Some(String::new())).await, 25);

    let kept = store.instance(ids[0]).await.unwrap().unwrap();
    let change = InstanceChange { tags: Some(Vec::new()), ..InstanceChange::default() };
    store.update_instance(kept.id, kept.version, change).await.unwrap();
    assert_eq!(count(&|filter| filter.tags = tags(&["every2"])).await, 12);
}

async fn a_refresh_is_fenced(store: &Shared, clock: &ShiftedClock) {
    let user = account(store, "fence@example.com").await;
    let new = NewInstance {
        grant: Some(tokens("A1", Some("R1"))),
        configuration: object(json!({"a": "1"})),
        ..named(&user, "x")
    };
    let id = store.insert_instance(new).await.unwrap().id;
    let lease = Duration::from_secs(30);
    let first = store.begin_refresh(id, 1, "one", lease).await.unwrap().unwrap();
    assert!(!first.uncertain);
    let row = store.grant(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.lease_owner.as_deref()), (GrantState::Refreshing, Some("one")));
    assert!(row.intent_at.is_some() && row.lease_until > Some(clock.now()));
    // Leased, and asked for a generation that is gone.
    assert_eq!(store.begin_refresh(id, 1, "two", lease).await.unwrap(), None);
    clock.shift(TimeDelta::seconds(31));
    assert_eq!(store.begin_refresh(id, 0, "two", lease).await.unwrap(), None);
    let second = store.begin_refresh(id, 1, "two", lease).await.unwrap().unwrap();
    assert!(second.uncertain && second.epoch > first.epoch);
    // The first holder writes nothing any more.
    let stale = tokens("stale", Some("stale"));
    assert!(!store.commit_refresh(id, first.epoch, 1, stale.clone(), object(json!({"a": "stale"}))).await.unwrap());
    assert!(!store.mark_reauth(id, first.epoch, 1, "stale").await.unwrap());
    let failure = RefreshFailure { error: "stale".to_owned(), next_attempt_at: Some(clock.now()), uncertain: true };
    assert!(!store.fail_refresh(id, first.epoch, failure).await.unwrap());
    // The second does; without a refresh token the old one stays.
    let answer = tokens("A2", None);
    let capture = object(json!({"a": "2", "b": "3"}));
    assert!(store.commit_refresh(id, second.epoch, 1, answer.clone(), capture).await.unwrap());
    assert!(!store.commit_refresh(id, second.epoch, 1, answer, Map::new()).await.unwrap());
    let row = store.grant(id).await.unwrap().unwrap();
    assert_eq!((row.generation, row.state, row.lease_until, row.intent_at), (2, GrantState::Valid, None, None));
    assert_eq!(row.access.unwrap().expose_secret(), "A2");
    assert_eq!(row.refresh.unwrap().expose_secret(), "R1");
    let instance = store.instance(id).await.unwrap().unwrap();
    assert_eq!((instance.configuration, instance.version), (object(json!({"a": "2", "b": "3"})), 2));
}

async fn failures_back_off_and_death_is_final_until_fresh_credentials(store: &Shared, clock: &ShiftedClock) {
    let user = account(store, "fail@example.com").await;
    let new = NewInstance { grant: Some(tokens("A1", Some("R1"))), ..named(&user, "x") };
    let made = store.insert_instance(new).await.unwrap();
    let (id, lease) = (made.id, Duration::from_secs(30));
    let held = store.begin_refresh(id, 1, "one", lease).await.unwrap().unwrap();
    let next = clock.now() + TimeDelta::seconds(60);
    let failure = |uncertain, next_attempt_at| RefreshFailure { error: "down".to_owned(), next_attempt_at, uncertain };
    assert!(store.fail_refresh(id, held.epoch, failure(true, Some(next))).await.unwrap());
    let row = store.grant(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.fail_count, row.last_error.as_deref()), (GrantState::ProviderDown, 1, Some("down")));
    assert!(row.intent_at.is_some());
    assert_eq!(store.begin_refresh(id, 1, "one", lease).await.unwrap(), None);
    clock.shift(TimeDelta::seconds(61));
    let held = store.begin_refresh(id, 1, "one", lease).await.unwrap().unwrap();
    assert!(held.uncertain);
    // A fault that is not the grant's leaves it as it was.
    assert!(store.fail_refresh(id, held.epoch, failure(false, None)).await.unwrap());
    let row = store.grant(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.fail_count, row.intent_at), (GrantState::Valid, 1, None));

    let held = store.begin_refresh(id, 1, "one", lease).await.unwrap().unwrap();
    assert!(store.mark_reauth(id, held.epoch, 1, "revoked").await.unwrap());
    let row = store.grant(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.reauth_reason.as_deref()), (GrantState::ReauthRequired, Some("revoked")));
    clock.shift(TimeDelta::days(9));
    assert_eq!(store.begin_refresh(id, 1, "one", lease).await.unwrap(), None);
    let dead = store.instance(id).await.unwrap().unwrap();
    assert!(!dead.valid && dead.version > made.version);

    let change = InstanceChange { grant: Some(tokens("A9", Some("R9"))), ..InstanceChange::default() };
    let healed = store.update_instance(id, dead.version, change).await.unwrap();
    assert!(healed.valid);
    let row = store.grant(id).await.unwrap().unwrap();
    assert_eq!((row.generation, row.state, row.reauth_reason, row.fail_count), (2, GrantState::Valid, None, 0));
    // A refresh that began with the old grant is fenced off.
    assert!(!store.commit_refresh(id, held.epoch, 1, tokens("old", None), Map::new()).await.unwrap());
    assert!(!store.commit_refresh(id, held.epoch, 2, tokens("old", None), Map::new()).await.unwrap());
}

async fn only_one_of_many_gets_the_lease(store: &Shared) {
    let user = account(store, "many@example.com").await;
    let new = NewInstance { grant: Some(tokens("A1", Some("R1"))), ..named(&user, "x") };
    let id = store.insert_instance(new).await.unwrap().id;
    let tries = (0..64).map(|at| {
        let store = store.clone();
        tokio::spawn(
            async move { store.begin_refresh(id, 1, &format!("n{at}"), Duration::from_secs(30)).await.unwrap() },
        )
    });
    let mut leases = 0;
    for tried in tries.collect::<Vec<_>>() {
        leases += usize::from(tried.await.unwrap().is_some());
    }
    assert_eq!(leases, 1);
}

async fn conforms(store: &Shared, clock: &ShiftedClock) {
    store.ping().await.unwrap();
    accounts_are_found_by_their_secrets(store).await;
    an_instance_keeps_everything(store).await;
    a_taken_token_leaves_nothing_behind(store).await;
    instances_are_listed_by_page_and_filter(store).await;
    a_refresh_is_fenced(store, clock).await;
    failures_back_off_and_death_is_final_until_fresh_credentials(store, clock).await;
    only_one_of_many_gets_the_lease(store).await;
}

// ---- SQLite and the key file ----

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_conforms() {
    let dir = TempDir::new().unwrap();
    let (store, clock) = open(dir.path()).await;
    conforms(&store, &clock).await;
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

async fn raw(dir: &Path, sql: &str) -> u64 {
    let options = SqliteConnectOptions::new().filename(dir.join("hubgate.db")).busy_timeout(Duration::from_secs(5));
    let mut connection = options.connect().await.unwrap();
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap().rows_affected()
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    raw(
        dir.path(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of the future', 1, x'00', 0)",
    )
    .await;
    let text = refused(dir.path()).await;
    assert!(text.contains("newer version of hubgate") && text.contains("9999"), "{text}");
}

#[tokio::test]
async fn a_sealed_value_in_another_row_does_not_open() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path()).await;
    let user = account(&store, "a@example.com").await;
    let new = |name: &str| NewInstance {
        grant: Some(tokens("A", Some("R"))),
        secrets: BTreeMap::from([("p".to_owned(), secret("s"))]),
        ..named(&user, name)
    };
    let (mine, yours) =
        (store.insert_instance(new("1")).await.unwrap().id, store.insert_instance(new("2")).await.unwrap().id);
    let columns = [
        ("instance", "id", "token_sealed"),
        ("instance", "id", "secrets_sealed"),
        ("instance", "id", "data_key"),
        ("instance_grant", "instance_id", "access_sealed"),
        ("instance_grant", "instance_id", "refresh_sealed"),
    ];
    for (table, id, column) in columns {
        let sql = |from: &str| format!("UPDATE {table} SET {column} = ({from}) WHERE {id} = {mine}");
        raw(dir.path(), &format!("CREATE TABLE keep AS SELECT {column} AS old FROM {table} WHERE {id} = {mine}")).await;
        assert_eq!(raw(dir.path(), &sql(&format!("SELECT {column} FROM {table} WHERE {id} = {yours}"))).await, 1);
        let (instance, grant) = (store.instance(mine).await, store.grant(mine).await);
        let error = if table == "instance" { instance.err() } else { grant.err() };
        assert_eq!(error.expect("does not open").kind(), Kind::Internal, "{column}");
        raw(dir.path(), &sql("SELECT old FROM keep")).await;
        raw(dir.path(), "DROP TABLE keep").await;
        assert!(store.instance(mine).await.is_ok() && store.grant(mine).await.is_ok());
    }
    // Another column of the same row, too.
    raw(dir.path(), &format!("UPDATE instance_grant SET access_sealed = refresh_sealed WHERE instance_id = {mine}"))
        .await;
    assert!(store.grant(mine).await.is_err());
    // And the whole data key with everything under it.
    raw(
        dir.path(),
        &format!(
            "UPDATE instance SET (data_key, token_sealed, secrets_sealed) = \
             (SELECT data_key, token_sealed, secrets_sealed FROM instance WHERE id = {yours}) WHERE id = {mine}"
        ),
    )
    .await;
    assert!(store.instance(mine).await.is_err());
}

#[tokio::test]
async fn no_secret_reaches_the_disk_or_a_debug_text() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(dir.path()).await;
    let made = store
        .create_account(NewAccount {
            email: "a@example.com".to_owned(),
            organization_secret: Some(secret("canary-organization")),
            user_secret: Some(secret("canary-user")),
            ..NewAccount::default()
        })
        .await
        .unwrap();
    let new = NewInstance {
        token: Some(secret("canary-token")),
        secrets: BTreeMap::from([("password".to_owned(), secret("canary-password"))]),
        grant: Some(NewGrant {
            secret: Some(secret("canary-oauth1")),
            ..tokens("canary-access", Some("canary-refresh"))
        }),
        ..named(&made.user, "visible-name")
    };
    let before = format!("{made:?}{new:?}");
    let instance = store.insert_instance(new).await.unwrap();
    let lease = store.begin_refresh(instance.id, 1, "me", Duration::from_secs(30)).await.unwrap().unwrap();
    let next = tokens("canary-access-2", Some("canary-refresh-2"));
    assert!(store.commit_refresh(instance.id, lease.epoch, 1, next, Map::new()).await.unwrap());
    let grant = store.grant(instance.id).await.unwrap().unwrap();
    let shown = format!("{before}{instance:?}{grant:?}{:?}", store.sealer());
    assert!(!shown.contains("canary"), "{shown}");

    let look = |phase: &str| {
        let mut seen_name = false;
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!has(b"canary"), "{phase}: {}", path.display());
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
