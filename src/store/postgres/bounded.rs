//! Every call ends in time, also when the database takes connections and never answers.
//!
//! The limits that the server keeps (`statement_timeout`) are of no use when nothing comes from it any more.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{FOR_EVER, PostgresStore};
use crate::{
    error::Result,
    store::{
        Accounts, Actor, Audit, AuditFilter, AuditRecord, AuditVerdict, CreatedAccount, Follower, Generations,
        GrantRecord, Grants, InstanceChange, InstanceFilter, InstanceRecord, Instances, Lease, MasterKey, MasterKeys,
        NewAccount, NewGrant, NewInstance, Organization, RefreshFailure, Store, User, seal::Sealer,
    },
};

/// A store whose calls end in time. What walks through whole tables takes as long as it takes, statement by statement, each
/// of which ends in time (`in_time`).
pub(in crate::store) struct Bounded {
    store: PostgresStore,
    longest: Duration,
}

impl Bounded {
    pub(in crate::store) fn new(store: PostgresStore, longest: Duration) -> Self {
        Self { store, longest }
    }

    /// Takes as long as it takes.
    async fn at_length<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.store.pool.within(FOR_EVER, call).await
    }

    async fn within<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.store.pool.within(self.longest, call).await
    }
}

#[async_trait]
impl Store for Bounded {
    async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    fn schema(&self) -> i64 {
        self.store.schema()
    }

    fn sealer(&self) -> &Sealer {
        self.store.sealer()
    }

    fn believes(&self, read_at: Instant) -> bool {
        self.store.believes(read_at)
    }

    async fn follow(&self, follower: &dyn Follower) {
        self.store.follow(follower).await;
    }

    fn generations(&self) -> Option<&dyn Generations> {
        Some(self)
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[async_trait]
impl Generations for Bounded {
    async fn generation(&self, instance_id: i64, resource: &str) -> Result<Option<i64>> {
        self.within(self.store.generation(instance_id, resource)).await
    }

    async fn begin_write(&self, instance_id: i64, resource: &str, longest: Duration) -> Result<()> {
        self.within(self.store.begin_write(instance_id, resource, longest)).await
    }

    async fn end_write(&self, instance_id: i64, resource: &str) -> Result<()> {
        self.within(self.store.end_write(instance_id, resource)).await
    }
}

#[async_trait]
impl Accounts for Bounded {
    async fn create_account(&self, new: NewAccount) -> Result<CreatedAccount> {
        self.within(self.store.create_account(new)).await
    }

    async fn organization(&self, id: i64) -> Result<Option<Organization>> {
        self.within(self.store.organization(id)).await
    }

    async fn organization_by_secret(&self, secret: &str) -> Result<Option<Organization>> {
        self.within(self.store.organization_by_secret(secret)).await
    }

    async fn organization_secret(&self, id: i64) -> Result<Option<SecretString>> {
        self.within(self.store.organization_secret(id)).await
    }

    async fn user(&self, id: i64) -> Result<Option<User>> {
        self.within(self.store.user(id)).await
    }

    async fn user_by_secret(&self, secret: &str) -> Result<Option<User>> {
        self.within(self.store.user_by_secret(secret)).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        self.within(self.store.user_by_email(email)).await
    }

    async fn user_secret(&self, id: i64) -> Result<Option<SecretString>> {
        self.within(self.store.user_secret(id)).await
    }
}

#[async_trait]
impl Instances for Bounded {
    async fn insert_instance(&self, new: NewInstance) -> Result<InstanceRecord> {
        self.within(self.store.insert_instance(new)).await
    }

    async fn instance(&self, id: i64) -> Result<Option<InstanceRecord>> {
        self.within(self.store.instance(id)).await
    }

    async fn instance_by_token(&self, token: &str) -> Result<Option<InstanceRecord>> {
        self.within(self.store.instance_by_token(token)).await
    }

    async fn list_instances(&self, filter: &InstanceFilter) -> Result<(Vec<InstanceRecord>, Option<i64>)> {
        self.within(self.store.list_instances(filter)).await
    }

    async fn count_instances(&self, filter: &InstanceFilter) -> Result<u64> {
        self.within(self.store.count_instances(filter)).await
    }

    async fn latest_elements(&self, looked_at: u32) -> Result<Vec<String>> {
        self.within(self.store.latest_elements(looked_at)).await
    }

    async fn update_instance(&self, id: i64, version: i64, change: InstanceChange) -> Result<InstanceRecord> {
        self.within(self.store.update_instance(id, version, change)).await
    }

    async fn delete_instance(&self, id: i64, actor: &Actor) -> Result<bool> {
        self.within(self.store.delete_instance(id, actor)).await
    }
}

#[async_trait]
impl Grants for Bounded {
    async fn grant(&self, instance_id: i64) -> Result<Option<GrantRecord>> {
        self.within(self.store.grant(instance_id)).await
    }

    async fn begin_refresh(&self, id: i64, seen: i64, owner: &str, lease: Duration) -> Result<Option<Lease>> {
        self.within(self.store.begin_refresh(id, seen, owner, lease)).await
    }

    async fn commit_refresh(
        &self,
        id: i64,
        epoch: i64,
        seen: i64,
        grant: NewGrant,
        configuration: Map<String, Value>,
    ) -> Result<bool> {
        self.within(self.store.commit_refresh(id, epoch, seen, grant, configuration)).await
    }

    async fn fail_refresh(&self, id: i64, epoch: i64, failure: RefreshFailure) -> Result<bool> {
        self.within(self.store.fail_refresh(id, epoch, failure)).await
    }

    async fn claim_keep_alives(&self, limit: u32, hold: Duration) -> Result<Vec<i64>> {
        self.within(self.store.claim_keep_alives(limit, hold)).await
    }

    async fn keep_alive_in(&self, id: i64, generation: i64, after: Duration) -> Result<()> {
        self.within(self.store.keep_alive_in(id, generation, after)).await
    }

    async fn mark_reauth(&self, id: i64, epoch: i64, seen: i64, reason: &str) -> Result<bool> {
        self.within(self.store.mark_reauth(id, epoch, seen, reason)).await
    }
}

#[async_trait]
impl Audit for Bounded {
    async fn note_read(&self, actor: &Actor, owner: (i64, i64), instances: &[i64]) -> Result<()> {
        self.within(self.store.note_read(actor, owner, instances)).await
    }

    async fn audit_records(&self, filter: &AuditFilter) -> Result<(Vec<AuditRecord>, Option<i64>)> {
        self.within(self.store.audit_records(filter)).await
    }

    async fn audit_hash(&self, seq: i64) -> Result<Option<String>> {
        self.within(self.store.audit_hash(seq)).await
    }

    async fn verify_audit(&self) -> Result<AuditVerdict> {
        self.at_length(self.store.verify_audit()).await
    }
}

#[async_trait]
impl MasterKeys for Bounded {
    async fn master_keys(&self) -> Result<Vec<MasterKey>> {
        self.at_length(self.store.master_keys()).await
    }

    async fn seal_with(&self, key_id: &str) -> Result<()> {
        self.within(self.store.seal_with(key_id)).await
    }

    async fn reseal(&self) -> Result<u64> {
        self.at_length(self.store.reseal()).await
    }

    async fn retire_key(&self, key_id: &str) -> Result<()> {
        self.at_length(self.store.retire_key(key_id)).await
    }
}
