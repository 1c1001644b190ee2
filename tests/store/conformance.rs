//! What any store does.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use hubgate::{
    clock::Clock as _,
    error::Kind,
    store::{Actor, GrantState, InstanceChange, InstanceFilter, NewAccount, NewGrant, NewInstance, RefreshFailure},
};
use secrecy::ExposeSecret as _;
use serde_json::{Map, json};

use super::{Bench, Shared, account, audit, named, object, secret, tokens};

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

    assert!(store.delete_instance(made.id, &Actor::default()).await.unwrap());
    assert!(!store.delete_instance(made.id, &Actor::default()).await.unwrap());
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

    let (first, latest) =
        (store.instance(ids[23]).await.unwrap().unwrap(), store.instance(ids[24]).await.unwrap().unwrap());
    assert_eq!(store.latest_elements(1).await.unwrap(), std::slice::from_ref(&latest.element_key));
    let mut both = vec![first.element_key, latest.element_key];
    both.sort();
    assert_eq!(store.latest_elements(9).await.unwrap(), both);
    assert_eq!(store.latest_elements(0).await.unwrap(), Vec::<String>::new());

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

async fn a_refresh_is_fenced(bench: &Bench) {
    let (store, clock) = (&bench.store, &bench.clock);
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
    bench.pass(TimeDelta::seconds(31)).await;
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

async fn failures_back_off_and_death_is_final_until_fresh_credentials(bench: &Bench) {
    let (store, clock) = (&bench.store, &bench.clock);
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
    bench.pass(TimeDelta::seconds(61)).await;
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
    bench.pass(TimeDelta::days(9)).await;
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

/// What is kept alive, the longest due first.
async fn idle_grants_are_taken_once_and_when_they_are_due(bench: &Bench) {
    let (store, clock) = (&bench.store, &bench.clock);
    let user = account(store, "idle@example.com").await;
    let (day, hold) = (Duration::from_hours(24), Duration::from_secs(600));
    // What other parts of this suite left.
    while !store.claim_keep_alives(100, 9000 * day).await.unwrap().is_empty() {}
    let made = async |days: Option<u32>, refresh: Option<&str>| {
        let keep_alive_in = days.map(|days| days * day);
        let grant = Some(NewGrant { keep_alive_in, ..tokens("A", refresh) });
        store.insert_instance(NewInstance { grant, ..named(&user, "x") }).await.unwrap().id
    };
    let (late, soon, unknown) =
        (made(Some(30), Some("R")).await, made(Some(20), Some("R")).await, made(None, Some("R")).await);
    let never = made(Some(0), None).await;
    assert_eq!(store.grant(never).await.unwrap().unwrap().keep_alive_at, None);
    let at = store.grant(late).await.unwrap().unwrap().keep_alive_at.unwrap() - clock.now();
    assert!((TimeDelta::hours(719)..=TimeDelta::hours(720)).contains(&at), "{at}");
    assert_eq!(store.claim_keep_alives(10, hold).await.unwrap(), [unknown], "it is to be looked at, at once");
    assert!(store.claim_keep_alives(10, hold).await.unwrap().is_empty());
    store.keep_alive_in(unknown, 1, 9000 * day).await.unwrap();

    bench.pass(TimeDelta::days(31)).await;
    assert_eq!(store.claim_keep_alives(1, hold).await.unwrap(), [soon]);
    assert_eq!(store.claim_keep_alives(10, hold).await.unwrap(), [late]);
    assert!(store.claim_keep_alives(10, hold).await.unwrap().is_empty(), "somebody is at them");
    bench.pass(TimeDelta::seconds(601)).await;
    let mut again = store.claim_keep_alives(10, hold).await.unwrap();
    again.sort_unstable();
    assert_eq!(again, [late.min(soon), late.max(soon)], "he died");

    // A refresh begins its time anew; who looked before that puts nothing off.
    let lease = store.begin_refresh(soon, 1, "me", hold).await.unwrap().unwrap();
    let next = NewGrant { keep_alive_in: Some(day), ..tokens("B", None) };
    assert!(store.commit_refresh(soon, lease.epoch, 1, next, Map::new()).await.unwrap());
    store.keep_alive_in(soon, 1, 9000 * day).await.unwrap();
    store.keep_alive_in(never, 1, Duration::ZERO).await.unwrap();
    // The dead are left alone.
    let lease = store.begin_refresh(late, 1, "me", hold).await.unwrap().unwrap();
    assert!(store.mark_reauth(late, lease.epoch, 1, "revoked").await.unwrap());
    bench.pass(TimeDelta::days(2)).await;
    assert_eq!(store.claim_keep_alives(10, hold).await.unwrap(), [soon]);
    let row = store.grant(late).await.unwrap().unwrap();
    assert_eq!((row.state, row.keep_alive_at), (GrantState::ReauthRequired, None));

    // Many at once take each of them once.
    let many: Vec<i64> = futures_util::future::join_all((0..40).map(|_| made(None, Some("R")))).await;
    let taken = futures_util::future::join_all((0..8).map(|_| store.claim_keep_alives(7, hold))).await;
    let mut taken: Vec<i64> = taken.into_iter().flat_map(Result::unwrap).collect();
    loop {
        let rest = store.claim_keep_alives(7, hold).await.unwrap();
        if rest.is_empty() {
            break;
        }
        taken.extend(rest);
    }
    taken.sort_unstable();
    let mut many = many;
    many.sort_unstable();
    assert_eq!(taken, many);
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

async fn what_cannot_be_stored_is_refused_or_kept(store: &Shared) {
    let user = account(store, "odd@example.com").await;
    // One database keeps it, the other cannot; neither is at fault.
    for name in ["nul \0 in the middle", "\u{feff}\u{202e}", "🦀".repeat(5000).as_str()] {
        match store.insert_instance(named(&user, name)).await {
            Ok(made) => assert_eq!(store.instance(made.id).await.unwrap().unwrap().name, name),
            Err(error) => assert_eq!(error.kind(), Kind::BadRequest, "{name:?}: {error:?}"),
        }
    }
    let long = NewInstance { tags: (0..400).map(|at| format!("{at:0100}")).collect(), ..named(&user, "tags") };
    assert_eq!(store.insert_instance(long).await.unwrap().tags.len(), 400);
    let random: String = (0..3000_u32).map(|at| char::from_u32(0x4e00 + at * 7).unwrap()).collect();
    let endless = NewInstance { tags: vec![random], ..named(&user, "endless") };
    if let Err(error) = store.insert_instance(endless).await {
        assert_eq!(error.kind(), Kind::BadRequest, "{error:?}");
    }
}

async fn changes_at_once_lose_nothing(store: &Shared) {
    let user = account(store, "race@example.com").await;
    let new = NewInstance { grant: Some(tokens("A0", Some("R0"))), ..named(&user, "x") };
    let id = store.insert_instance(new).await.unwrap().id;
    let changes = (0..8).map(|at| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..5 {
                loop {
                    let seen = store.instance(id).await.unwrap().unwrap();
                    let mut configuration = seen.configuration.clone();
                    configuration.insert(format!("{at}-{round}"), json!(true));
                    let change = InstanceChange {
                        configuration: Some(configuration),
                        tags: Some(vec![format!("{at}-{round}")]),
                        grant: (round == 2).then(|| tokens("A", Some("R"))),
                        ..InstanceChange::default()
                    };
                    match store.update_instance(id, seen.version, change).await {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error:?}"),
                    }
                }
                // A refresh that captures something goes on beside it.
                let seen = store.grant(id).await.unwrap().unwrap().generation;
                if let Some(lease) = store.begin_refresh(id, seen, "me", Duration::from_secs(30)).await.unwrap() {
                    let capture = object(json!({format!("captured-{at}-{round}"): true}));
                    store.commit_refresh(id, lease.epoch, seen, tokens("B", None), capture).await.unwrap();
                }
            }
        })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.unwrap();
    }
    let kept = store.instance(id).await.unwrap().unwrap();
    let made = kept.configuration.keys().filter(|key| !key.starts_with("captured")).count();
    assert_eq!(made, 40, "{:?}", kept.configuration);
    assert_eq!(kept.version, 1 + i64::try_from(kept.configuration.len()).unwrap());
}

async fn a_sealed_value_in_another_row_does_not_open(bench: &Bench) {
    let store = &bench.store;
    let user = account(store, "sealed@example.com").await;
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
        bench.raw(&format!("CREATE TABLE keep AS SELECT {column} AS old FROM {table} WHERE {id} = {mine}")).await;
        assert_eq!(bench.raw(&sql(&format!("SELECT {column} FROM {table} WHERE {id} = {yours}"))).await, 1);
        let (instance, grant) = (store.instance(mine).await, store.grant(mine).await);
        let error = if table == "instance" { instance.err() } else { grant.err() };
        assert_eq!(error.expect("does not open").kind(), Kind::Internal, "{column}");
        bench.raw(&sql("SELECT old FROM keep")).await;
        bench.raw("DROP TABLE keep").await;
        assert!(store.instance(mine).await.is_ok() && store.grant(mine).await.is_ok());
    }
    // Another column of the same row, too.
    bench.raw(&format!("UPDATE instance_grant SET access_sealed = refresh_sealed WHERE instance_id = {mine}")).await;
    assert!(store.grant(mine).await.is_err());
    // And the whole data key with everything under it.
    bench
        .raw(&format!(
            "UPDATE instance SET (data_key, token_sealed, secrets_sealed) = \
             (SELECT data_key, token_sealed, secrets_sealed FROM instance WHERE id = {yours}) WHERE id = {mine}"
        ))
        .await;
    assert!(store.instance(mine).await.is_err());
}

pub(crate) async fn no_debug_text_shows_a_secret(store: &Shared) {
    let made = store
        .create_account(NewAccount {
            email: "canary@example.com".to_owned(),
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
    assert!(!shown.contains("canary-"), "{shown}");
}

pub(crate) async fn conforms(bench: &Bench) {
    let store = &bench.store;
    store.ping().await.unwrap();
    assert!(store.schema() > 0 && store.believes(tokio::time::Instant::now()));
    accounts_are_found_by_their_secrets(store).await;
    an_instance_keeps_everything(store).await;
    a_taken_token_leaves_nothing_behind(store).await;
    instances_are_listed_by_page_and_filter(store).await;
    a_refresh_is_fenced(bench).await;
    failures_back_off_and_death_is_final_until_fresh_credentials(bench).await;
    idle_grants_are_taken_once_and_when_they_are_due(bench).await;
    only_one_of_many_gets_the_lease(store).await;
    what_cannot_be_stored_is_refused_or_kept(store).await;
    changes_at_once_lose_nothing(store).await;
    a_sealed_value_in_another_row_does_not_open(bench).await;
    no_debug_text_shows_a_secret(store).await;
    audit::every_deed_has_its_record(bench).await;
    audit::nothing_is_altered_unseen(bench).await;
}
