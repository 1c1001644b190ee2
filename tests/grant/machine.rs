//! Instances and their grants beside a model of them: whatever is done in whatever order, with crashes in between, the store,
//! the nodes and the provider agree with the model after each step.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use hubgate::{
    error::Kind,
    grant::{Grants, Settings, Step},
    store::{Actor, AuditVerdict, GrantState, InstanceChange, InstanceFilter, NewGrant, NewInstance},
};
use proptest::{prelude::*, sample::Index};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    database::Database,
    dies_at, policy, secret, soon,
    token_server::{Fault, Rotation},
    world::World,
};

#[derive(Debug, Clone)]
enum Deed {
    Create,
    Rename(Index, u8),
    Configure(Index, u8),
    Switch(Index, bool),
    Reauthenticate(Index),
    Delete(Index),
    /// By one of two nodes.
    Access(Index, usize),
    /// Many callers at both nodes at once.
    Together(Index),
    /// After a 401.
    Renew(Index, usize),
    /// All access tokens expire.
    Expire,
    /// The end user takes the connection back at the provider.
    TakeBack(Index),
    /// The provider fails once.
    Down(Index),
    /// A node dies at this step.
    Crash(Index, Step),
    Reopen,
}

fn deed(steps: &'static [Step]) -> impl Strategy<Value = Deed> {
    let which = any::<Index>;
    prop_oneof![
        2 => Just(Deed::Create),
        1 => (which(), any::<u8>()).prop_map(|(which, name)| Deed::Rename(which, name)),
        1 => (which(), any::<u8>()).prop_map(|(which, value)| Deed::Configure(which, value)),
        1 => (which(), any::<bool>()).prop_map(|(which, off)| Deed::Switch(which, off)),
        2 => which().prop_map(Deed::Reauthenticate),
        1 => which().prop_map(Deed::Delete),
        4 => (which(), 0..2_usize).prop_map(|(which, node)| Deed::Access(which, node)),
        3 => which().prop_map(Deed::Together),
        2 => (which(), 0..2_usize).prop_map(|(which, node)| Deed::Renew(which, node)),
        4 => Just(Deed::Expire),
        1 => which().prop_map(Deed::TakeBack),
        1 => which().prop_map(Deed::Down),
        3 => (which(), proptest::sample::select(steps)).prop_map(|(which, step)| Deed::Crash(which, step)),
        1 => Just(Deed::Reopen),
    ]
}

/// What is known of one instance.
#[derive(Debug, Clone, Default)]
struct Known {
    name: String,
    value: Option<u8>,
    disabled: bool,
    generation: i64,
    epoch: i64,
    version: i64,
    expired: bool,
    /// The provider does not honour it any more.
    taken_back: bool,
    /// The store knows that.
    dead: bool,
    /// A refresh ended without a known answer.
    uncertain: bool,
}

struct Machine {
    world: World,
    nodes: Vec<Grants>,
    known: BTreeMap<i64, Known>,
    /// How many spent tokens may have been presented: one for each crash after an answer.
    forgiven: usize,
}

impl Machine {
    async fn new(database: Option<Database>, rotation: Rotation) -> Self {
        let world = World::on(database, policy(rotation)).await;
        let first = Known { generation: 1, version: 1, ..Known::default() };
        let known = BTreeMap::from([(world.id, first)]);
        let nodes = vec![world.grants(), world.grants()];
        Self { world, nodes, known, forgiven: 0 }
    }

    fn fresh(&self) -> NewGrant {
        let (access, refresh) = self.world.provider.first();
        let expires_at = Some(self.world.now() + TimeDelta::hours(1));
        NewGrant { access: Some(secret(&access)), refresh: Some(secret(&refresh)), expires_at, ..NewGrant::default() }
    }

    fn pick(&self, which: Index) -> Option<i64> {
        let ids: Vec<i64> = self.known.keys().copied().collect();
        (!ids.is_empty()).then(|| *which.get(&ids))
    }

    fn of(&mut self, id: i64) -> &mut Known {
        self.known.get_mut(&id).unwrap()
    }

    async fn reopen(&mut self) {
        self.nodes.clear();
        self.world.reopen().await;
        self.nodes = vec![self.world.grants(), self.world.grants()];
    }

    async fn expire(&mut self) {
        self.world.expire_all().await;
        self.known.values_mut().for_each(|known| known.expired = true);
    }

    async fn change(&mut self, id: i64, change: InstanceChange) {
        let version = self.world.store.instance(id).await.unwrap().unwrap().version;
        let changed = self.world.store.update_instance(id, version, change.clone()).await.unwrap();
        assert_eq!(changed.version, version + 1);
        let stale = self.world.store.update_instance(id, version, change).await.unwrap_err();
        assert_eq!(stale.kind(), Kind::Conflict, "who comes late with an old version changes nothing");
        self.nodes.iter().for_each(|node| node.forget(id));
    }

    /// Checks what `node` gets, and notes what it did to the grant.
    async fn access(&mut self, id: i64, node: &Grants) {
        let result = node.access(id, &self.world.oauth, soon()).await;
        let before = self.of(id).clone();
        let known = self.of(id);
        if before.dead || (before.expired && before.taken_back) {
            known.dead = true;
            assert_eq!(result.unwrap_err().kind(), Kind::ReauthRequired);
            return;
        }
        let access = result.unwrap();
        if before.expired {
            known.generation += 1;
            (known.expired, known.uncertain) = (false, false);
            assert_eq!(access.generation, known.generation);
            assert!(self.world.works(&access));
        } else if access.generation < before.generation {
            // What a node has in memory may be older; the provider's 401 leads to the later one, without a token call.
            let calls = self.world.provider.counters().calls;
            let newer = node.renew(id, access.generation, &self.world.oauth, soon()).await.unwrap();
            assert_eq!((newer.generation, self.world.provider.counters().calls), (before.generation, calls));
        } else {
            assert_eq!(access.generation, before.generation);
        }
    }

    async fn together(&mut self, id: i64) {
        let known = self.of(id).clone();
        let calls = (0..8).map(|at| {
            let (node, oauth) = (self.nodes[at % 2].clone(), self.world.oauth.clone());
            tokio::spawn(async move { node.access(id, &oauth, soon()).await })
        });
        let before = self.world.provider.counters().calls;
        let calls: Vec<_> = calls.collect();
        for call in calls {
            match call.await.unwrap() {
                Ok(access) if known.expired => assert_eq!(access.generation, known.generation + 1),
                Ok(access) => assert!(access.generation <= known.generation),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::ReauthRequired);
                    assert!(known.dead || known.taken_back);
                }
            }
        }
        let calls = self.world.provider.counters().calls - before;
        assert_eq!(calls, usize::from(known.expired && !known.dead), "one token call for all, or none");
        let known = self.of(id);
        if known.expired && known.taken_back {
            known.dead = true;
        } else if known.expired {
            known.generation += 1;
            (known.expired, known.uncertain) = (false, false);
        }
    }

    async fn crash(&mut self, id: i64, step: Step) {
        let known = self.of(id).clone();
        let (dying, _) = self.world.node(dies_at(step));
        if known.dead || !known.expired || (known.taken_back && step == Step::AfterCommit) {
            self.access(id, &dying).await;
            return;
        }
        assert_eq!(dying.access(id, &self.world.oauth, soon()).await.unwrap_err().kind(), Kind::Unavailable);
        drop(dying);
        let known = self.of(id);
        match step {
            Step::AfterCommit => {
                known.generation += 1;
                (known.expired, known.uncertain) = (false, false);
            }
            Step::AfterProviderAnswer if !known.taken_back => {
                known.uncertain = true;
                self.forgiven += 1;
            }
            _ => {}
        }
        self.reopen().await;
    }

    async fn does(&mut self, deed: &Deed) {
        let which = match deed {
            Deed::Create => {
                let new =
                    NewInstance { grant: Some(self.fresh()), element_key: "acmedocs".to_owned(), ..self.owner().await };
                let made = self.world.store.insert_instance(new).await.unwrap();
                assert!(!self.known.contains_key(&made.id), "an id is never used again");
                let known = Known { generation: 1, version: 1, ..Known::default() };
                self.known.insert(made.id, known);
                return;
            }
            Deed::Expire => return self.expire().await,
            Deed::Reopen => return self.reopen().await,
            Deed::Rename(which, _)
            | Deed::Configure(which, _)
            | Deed::Switch(which, _)
            | Deed::Reauthenticate(which)
            | Deed::Delete(which)
            | Deed::Access(which, _)
            | Deed::Together(which)
            | Deed::Renew(which, _)
            | Deed::TakeBack(which)
            | Deed::Down(which)
            | Deed::Crash(which, _) => which,
        };
        let Some(id) = self.pick(*which) else { return };
        match deed {
            Deed::Rename(_, name) => {
                self.of(id).name = format!("name {name}");
                let name = Some(format!("name {name}"));
                self.change(id, InstanceChange { name, ..InstanceChange::default() }).await;
            }
            Deed::Configure(_, value) => {
                self.of(id).value = Some(*value);
                let configuration = json!({"value": value}).as_object().cloned();
                self.change(id, InstanceChange { configuration, ..InstanceChange::default() }).await;
            }
            Deed::Switch(_, off) => {
                self.of(id).disabled = *off;
                self.change(id, InstanceChange { disabled: Some(*off), ..InstanceChange::default() }).await;
            }
            Deed::Reauthenticate(_) => {
                let grant = Some(self.fresh());
                self.change(id, InstanceChange { grant, ..InstanceChange::default() }).await;
                let known = self.of(id);
                known.generation += 1;
                (known.expired, known.taken_back, known.dead, known.uncertain) = (false, false, false, false);
            }
            Deed::Delete(_) => {
                assert!(self.world.store.delete_instance(id, &Actor::default()).await.unwrap());
                assert!(!self.world.store.delete_instance(id, &Actor::default()).await.unwrap());
                self.known.remove(&id);
                self.nodes.iter().for_each(|node| node.forget(id));
                let gone = self.nodes[0].access(id, &self.world.oauth, soon()).await.unwrap_err();
                assert_eq!(gone.kind(), Kind::ReauthRequired);
            }
            Deed::Access(_, node) => {
                let node = self.nodes[*node].clone();
                self.access(id, &node).await;
            }
            Deed::Together(_) => self.together(id).await,
            Deed::Renew(_, node) => {
                let known = self.of(id).clone();
                let renewed = self.nodes[*node].renew(id, known.generation, &self.world.oauth, soon()).await;
                let known = self.of(id);
                match renewed {
                    // A token that is refused however often it is renewed is not renewed for ever.
                    Ok(access) if access.generation == known.generation => {}
                    Ok(access) => {
                        known.generation += 1;
                        (known.expired, known.uncertain) = (false, false);
                        assert_eq!(access.generation, known.generation);
                        assert!(!known.dead && !known.taken_back);
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), Kind::ReauthRequired);
                        assert!(known.dead || known.taken_back);
                        known.dead = true;
                        // As the notices of the database would have it.
                        self.nodes.iter().for_each(|node| node.forget(id));
                    }
                }
            }
            Deed::TakeBack(_) if !self.known[&id].uncertain => {
                let row = self.world.store.grant(id).await.unwrap().unwrap();
                assert!(self.nodes[0].revoke(&self.world.oauth, None, row.refresh.as_ref()).await);
                self.of(id).taken_back = true;
            }
            Deed::Down(_) if self.known[&id].expired && !self.known[&id].dead => {
                let down = Fault::Answer(503, vec![("content-type", "text/plain")], "down".to_owned());
                self.world.provider.fail([down]);
                let error = self.nodes[1].access(id, &self.world.oauth, soon()).await.unwrap_err();
                assert!(error.retry_after().is_some(), "{error:?}");
                assert_eq!(self.world.store.grant(id).await.unwrap().unwrap().state, GrantState::ProviderDown);
                self.expire().await;
            }
            Deed::Crash(_, step) => self.crash(id, *step).await,
            _ => {}
        }
    }

    async fn owner(&self) -> NewInstance {
        let user = self.world.store.user_by_email("a@example.com").await.unwrap().unwrap();
        NewInstance { organization_id: user.organization_id, user_id: user.id, ..NewInstance::default() }
    }

    async fn agrees(&mut self, after: &Deed) {
        let owner = self.owner().await.organization_id;
        let filter = InstanceFilter { organization_id: owner, ..InstanceFilter::default() };
        let listed = self.world.store.list_instances(&filter).await.unwrap().0;
        let ids: Vec<i64> = listed.iter().map(|record| record.id).collect();
        assert_eq!(ids, self.known.keys().copied().collect::<Vec<_>>(), "{after:?}");
        for record in listed {
            let row = self.world.store.grant(record.id).await.unwrap().unwrap();
            let refresh = row.refresh.as_ref().unwrap().expose_secret().to_owned();
            let honoured = self.world.provider.honours(&refresh);
            let known = self.of(record.id);
            let value = record.configuration.get("value").cloned();
            assert_eq!(
                (&record.name, record.disabled, record.valid),
                (&known.name, known.disabled, !known.dead),
                "{after:?}"
            );
            assert_eq!(value, known.value.map(Value::from), "{after:?}");
            assert_eq!(row.generation, known.generation, "{after:?} {known:?}");
            assert_eq!(row.state == GrantState::ReauthRequired, known.dead, "{after:?}");
            assert_eq!(honoured, !known.taken_back, "what the provider honours is stored: {after:?} {known:?}");
            assert!(row.epoch >= known.epoch && record.version >= known.version, "{after:?}");
            assert_eq!(row.keep_alive_at.is_none(), known.dead, "{after:?}");
            (known.epoch, known.version) = (row.epoch, record.version);
        }
        let seen = self.world.provider.counters();
        assert!(
            seen.spent <= self.forgiven,
            "{after:?}: {} spent tokens presented, {} crashes",
            seen.spent,
            self.forgiven
        );
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    File,
    /// Where there is a server.
    Postgres,
}

fn run(kept: Kept, rotation: Rotation, deeds: &[Deed]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = match kept {
            Kept::File => None,
            Kept::Postgres => {
                let Some(database) = Database::new("instances and grants beside a model, on PostgreSQL").await else {
                    return;
                };
                Some(database)
            }
        };
        let mut machine = Machine::new(database, rotation).await;
        for deed in deeds {
            machine.does(deed).await;
            machine.agrees(deed).await;
        }
        // Whatever was done, what the provider honours works.
        machine.expire().await;
        for id in machine.known.keys().copied().collect::<Vec<_>>() {
            let node = World::over(Arc::clone(&machine.world.store), &machine.world.clock, Settings::default()).0;
            machine.access(id, &node).await;
        }
        machine.agrees(&Deed::Expire).await;
        let verdict = machine.world.store.verify_audit().await.unwrap();
        assert!(matches!(verdict, AuditVerdict::Whole { .. }), "{verdict:?}");
    });
}

const SAFE: &[Step] = &[Step::BeforeIntent, Step::AfterIntent, Step::AfterCommit];
const ALL: &[Step] = &[Step::BeforeIntent, Step::AfterIntent, Step::AfterProviderAnswer, Step::AfterCommit];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A provider that never forgives: nodes die wherever nothing is lost by it.
    #[test]
    fn with_a_strict_provider_all_agree_after_each_deed(deeds in proptest::collection::vec(deed(SAFE), 1..30)) {
        run(Kept::File, Rotation::Strict, &deeds);
    }

    /// A provider that answers the token before the current one: nodes die anywhere, and nothing is lost.
    #[test]
    fn with_a_lenient_provider_all_agree_after_each_deed(deeds in proptest::collection::vec(deed(ALL), 1..30)) {
        run(Kept::File, Rotation::Grace, &deeds);
    }
}

proptest! {
    // Each in a database of its own.
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 50, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same with the store that nodes share.
    #[test]
    fn on_postgres_all_agree_after_each_deed((rotation, deeds) in prop_oneof![
        (Just(Rotation::Strict), proptest::collection::vec(deed(SAFE), 10..30)),
        (Just(Rotation::Grace), proptest::collection::vec(deed(ALL), 10..30)),
    ]) {
        run(Kept::Postgres, rotation, &deeds);
    }
}
