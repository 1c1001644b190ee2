//! The audit log of any store: nothing without its record, no record without its deed, and no way to alter it unseen.

use std::sync::Arc;

use hubgate::{
    clock::ShiftedClock,
    error::Kind,
    store::{
        self, Actor, AuditFilter, AuditRecord, AuditVerdict, By, InstanceChange, NewInstance, Settings, User, action,
    },
};
use serde_json::json;
use tempfile::TempDir;

use super::{Bench, Raw, Shared, account, database::Database, named, object, secret, tokens};

pub(crate) fn by_user(id: i64, request: &str) -> Actor {
    Actor { by: By::User(id), request: Some(request.into()) }
}

fn of(user: &User) -> AuditFilter {
    AuditFilter { organization_id: user.organization_id, user_id: user.id, limit: 100, ..AuditFilter::default() }
}

async fn records(store: &Shared, filter: &AuditFilter) -> Vec<AuditRecord> {
    let (records, next) = store.audit_records(filter).await.unwrap();
    assert_eq!(next, None);
    records
}

async fn whole(store: &Shared) -> (i64, String) {
    match store.verify_audit().await.unwrap() {
        AuditVerdict::Whole { records, head } => (records, head),
        broken @ AuditVerdict::Broken { .. } => panic!("{broken:?}"),
    }
}

pub(crate) async fn every_deed_has_its_record(bench: &Bench) {
    let store = &bench.store;
    let (user, other) = (account(store, "audit@example.com").await, account(store, "audit-2@example.com").await);
    let actor = by_user(user.id, "request-1");
    let new = NewInstance {
        token: Some(secret("audited-token")),
        configuration: object(json!({"base": "canary-value"})),
        actor: actor.clone(),
        grant: Some(tokens("canary-audit", None)),
        ..named(&user, "canary-name")
    };
    let made = store.insert_instance(new.clone()).await.unwrap();
    let before = whole(store).await;
    assert_eq!(store.insert_instance(new).await.unwrap_err().kind(), Kind::Conflict);
    let change = |change: InstanceChange| InstanceChange { actor: actor.clone(), ..change };
    let off = change(InstanceChange { disabled: Some(true), ..InstanceChange::default() });
    assert_eq!(store.update_instance(made.id, 7, off.clone()).await.unwrap_err().kind(), Kind::Conflict);
    assert!(!store.delete_instance(1 << 40, &actor).await.unwrap());
    assert_eq!(whole(store).await, before, "what was refused is not told");
    assert_eq!(store.audit_hash(before.0).await.unwrap(), Some(before.1));

    store.update_instance(made.id, 1, off).await.unwrap();
    let on = InstanceChange { disabled: Some(false), ..InstanceChange::default() };
    store.update_instance(made.id, 2, change(on)).await.unwrap();
    let renamed = InstanceChange {
        name: Some("canary-name-2".to_owned()),
        tags: Some(vec!["canary-tag".to_owned()]),
        configuration: Some(object(json!({"base": "canary-value"}))),
        secrets: Some([("password".to_owned(), secret("canary-password"))].into()),
        ..InstanceChange::default()
    };
    store.update_instance(made.id, 3, change(renamed)).await.unwrap();
    let fresh = InstanceChange { grant: Some(tokens("canary-audit-2", Some("R"))), ..InstanceChange::default() };
    store.update_instance(made.id, 4, change(fresh)).await.unwrap();
    let seen = store.grant(made.id).await.unwrap().unwrap();
    assert!(store.mark_reauth(made.id, seen.epoch, seen.generation, "invalid_grant").await.unwrap());
    assert!(!store.mark_reauth(made.id, seen.epoch + 1, seen.generation, "invalid_grant").await.unwrap());
    let holder = Actor { by: By::Instance(made.id), request: None };
    store.note_read(&holder, (user.organization_id, user.id), &[made.id, 70_000]).await.unwrap();
    assert!(store.user_secret(user.id).await.unwrap().is_some());
    assert!(store.delete_instance(made.id, &actor).await.unwrap());

    let all = records(store, &of(&user)).await;
    let told: Vec<&str> = all.iter().rev().map(|record| record.action.as_str()).collect();
    assert_eq!(
        told,
        [
            action::ACCOUNT_CREATED,
            action::INSTANCE_CREATED,
            action::INSTANCE_DISABLED,
            action::INSTANCE_ENABLED,
            action::INSTANCE_CHANGED,
            action::INSTANCE_REAUTHENTICATED,
            action::INSTANCE_INVALIDATED,
            action::INSTANCE_READ,
            action::ACCOUNT_READ,
            action::INSTANCE_DELETED,
        ]
    );
    let (created, changed, read) = (&all[8], &all[5], &all[2]);
    assert_eq!((created.actor.as_str(), created.actor_id), ("user", Some(user.id)));
    assert_eq!(
        (created.request_id.as_deref(), created.instances.as_slice()),
        (Some("request-1"), [made.id].as_slice())
    );
    assert_eq!(created.details, object(json!({"element": "acmedocs"})));
    assert_eq!(changed.details["changed"], json!(["name", "tags", "secrets"]));
    assert_eq!((read.actor.as_str(), read.actor_id), ("instance", Some(made.id)));
    assert_eq!(read.instances, [made.id, 70_000]);

    let filter = AuditFilter { instance_id: Some(70_000), ..of(&user) };
    assert_eq!(records(store, &filter).await.len(), 1);
    assert_eq!(records(store, &AuditFilter { instance_id: Some(7_000), ..of(&user) }).await.len(), 0);
    let filter = AuditFilter { action: Some(action::INSTANCE_DELETED.to_owned()), ..of(&user) };
    assert_eq!(records(store, &filter).await.len(), 1);
    let at = created.at.timestamp_millis();
    assert_eq!(records(store, &AuditFilter { until_ms: Some(at - 60_000), ..of(&user) }).await.len(), 0);
    assert_eq!(records(store, &AuditFilter { since_ms: Some(at - 60_000), ..of(&user) }).await.len(), all.len());
    let mut page = AuditFilter { limit: 4, ..of(&user) };
    let mut seen = Vec::new();
    loop {
        let (records, next) = store.audit_records(&page).await.unwrap();
        assert!(records.len() <= 4);
        seen.extend(records.iter().map(|record| record.seq));
        page.before = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, all.iter().map(|record| record.seq).collect::<Vec<_>>());

    let others = records(store, &of(&other)).await;
    assert_eq!(others.iter().map(|record| record.action.as_str()).collect::<Vec<_>>(), [action::ACCOUNT_CREATED]);
    let mixed = AuditFilter { user_id: other.id, ..of(&user) };
    assert_eq!(records(store, &mixed).await.len(), 0);
    let shown = format!("{all:?}");
    assert!(!shown.contains("canary-") && !shown.contains("audited-token"), "{shown}");
    whole(store).await;
}

pub(crate) async fn nothing_is_altered_unseen(bench: &Bench) {
    let store = &bench.store;
    for table in ["audit_log", "audit_head"] {
        assert!(bench.attempt(&format!("DELETE FROM {table}")).await.is_err(), "{table} is not emptied");
    }
    assert!(bench.attempt("UPDATE audit_log SET details = '{}'").await.is_err(), "records are not changed");
    // Whoever may do everything takes the triggers away first.
    let walls: &[&str] = match bench.raw {
        Raw::Sqlite(_) => &[
            "DROP TRIGGER audit_log_is_not_changed",
            "DROP TRIGGER audit_log_is_not_deleted",
            "DROP TRIGGER audit_head_is_not_deleted",
        ],
        Raw::Postgres(_) => {
            &["ALTER TABLE audit_log DISABLE TRIGGER ALL", "ALTER TABLE audit_head DISABLE TRIGGER ALL"]
        }
    };
    for wall in walls {
        bench.raw(wall).await;
    }
    let (last, head) = whole(store).await;
    assert!(last > 10, "{last}");
    for table in ["audit_log", "audit_head"] {
        bench.raw(&format!("CREATE TABLE keep_{table} AS SELECT * FROM {table}")).await;
    }
    let mid = last - 3;
    let columns = "at, actor, actor_id, organization_id, user_id, action, instances, request_id, details, hash";
    let insert = |seq: i64| {
        format!("INSERT INTO audit_log (seq, {columns}) SELECT {seq}, {columns} FROM keep_audit_log WHERE seq = {mid}")
    };
    let cut = format!("DELETE FROM audit_log WHERE seq > {mid}");
    let fit = format!("UPDATE audit_head SET seq = {mid}, hash = (SELECT hash FROM audit_log WHERE seq = {mid})");
    let damages = [
        (vec![format!("UPDATE audit_log SET details = '{{}} ' WHERE seq = {mid}")], mid),
        (vec![format!("UPDATE audit_log SET organization_id = 1 + organization_id WHERE seq = {mid}")], mid),
        (vec![format!("UPDATE audit_log SET actor_id = 77 WHERE seq = {mid}")], mid),
        (
            vec![format!(
                "UPDATE audit_log SET hash = (SELECT hash FROM keep_audit_log WHERE seq = 1) WHERE seq = {mid}"
            )],
            mid,
        ),
        (vec![format!("DELETE FROM audit_log WHERE seq = {mid}")], mid),
        (vec!["DELETE FROM audit_log WHERE seq = 1".to_owned()], 1),
        (vec![cut.clone()], mid + 1),
        (vec![cut, fit.clone()], mid),
        (vec![fit], mid + 1),
        (vec![insert(last + 1)], last + 1),
        (vec![insert(0)], 0),
        (vec!["DELETE FROM audit_log".to_owned()], 1),
        (vec!["DELETE FROM audit_head".to_owned()], 0),
    ];
    for (damage, expected) in &damages {
        for step in damage {
            assert!(bench.raw(step).await > 0, "{step}");
        }
        match store.verify_audit().await.unwrap() {
            AuditVerdict::Broken { record, .. } => assert_eq!(record, *expected, "{damage:?}"),
            AuditVerdict::Whole { .. } => panic!("{damage:?} was not seen"),
        }
        for table in ["audit_log", "audit_head"] {
            bench.raw(&format!("DELETE FROM {table}")).await;
            bench.raw(&format!("INSERT INTO {table} SELECT * FROM keep_{table}")).await;
        }
        assert_eq!(whole(store).await, (last, head.clone()));
    }
    // Nothing is done where it cannot be recorded, and a head that is not ours is not built upon.
    let user = account(store, "unrecorded@example.com").await;
    for damage in ["UPDATE audit_head SET seq = seq - 1", "DELETE FROM audit_head"] {
        let kept = whole(store).await;
        bench.raw("DROP TABLE keep_audit_head").await;
        bench.raw("CREATE TABLE keep_audit_head AS SELECT * FROM audit_head").await;
        bench.raw(damage).await;
        assert_eq!(store.insert_instance(named(&user, "x")).await.unwrap_err().kind(), Kind::Internal);
        let actor = Actor::default();
        assert!(store.note_read(&actor, (user.organization_id, user.id), &[1]).await.is_err());
        bench.raw("DELETE FROM audit_head").await;
        bench.raw("INSERT INTO audit_head SELECT * FROM keep_audit_head").await;
        assert_eq!(whole(store).await, kept);
    }
    let filter = store::InstanceFilter { organization_id: user.organization_id, ..store::InstanceFilter::default() };
    assert_eq!(store.count_instances(&filter).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_write_one_chain() {
    let Some(database) = Database::new("several_nodes_write_one_chain").await else { return };
    let dir = TempDir::new().unwrap();
    let settings = Settings {
        database_url: Some(secret(&database.url(None))),
        master_key_file: Some(dir.path().join("key")),
        ..Settings::new("nowhere")
    };
    let mut nodes: Vec<Shared> = Vec::new();
    for _ in 0..3 {
        nodes.push(store::open(&settings, Arc::new(ShiftedClock::default())).await.unwrap());
    }
    let user = account(&nodes[0], "a@example.com").await;
    let work = nodes.iter().enumerate().flat_map(|(n, node)| (0..20).map(move |k| (n, k, node)));
    let work = work.map(|(n, k, node)| {
        let actor = by_user(user.id, &format!("{n}-{k}"));
        let new = NewInstance { actor, ..named(&user, "x") };
        async move {
            let made = node.insert_instance(new).await.unwrap();
            let change = InstanceChange { name: Some("y".to_owned()), ..InstanceChange::default() };
            node.update_instance(made.id, 1, change).await.unwrap();
        }
    });
    futures_util::future::join_all(work).await;
    // The log's beginning, the account, and two for each.
    assert_eq!(whole(&nodes[2]).await.0, 2 + 120);
    let made = AuditFilter { action: Some(action::INSTANCE_CREATED.to_owned()), ..of(&user) };
    assert_eq!(records(&nodes[1], &made).await.len(), 60);
}
