//! The store: one conformance suite over `Arc<dyn Store>`, run on either database, and what is each one's own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails loudly"
)]

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use hubgate::{
    clock::ShiftedClock,
    store::{NewAccount, NewGrant, NewInstance, Store, User},
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

#[path = "store/audit.rs"]
mod audit;
#[path = "support/cable.rs"]
mod cable;
#[path = "store/conformance.rs"]
mod conformance;
#[path = "support/postgres.rs"]
mod database;
#[path = "store/keys.rs"]
mod keys;
#[path = "store/postgres.rs"]
mod postgres;
#[path = "store/sqlite.rs"]
mod sqlite;

type Shared = Arc<dyn Store>;

/// A store to be tested, and a way past it.
struct Bench {
    store: Shared,
    clock: Arc<ShiftedClock>,
    raw: Raw,
}

enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Bench {
    /// Runs one statement beside the store.
    async fn raw(&self, sql: &str) -> u64 {
        self.attempt(sql).await.unwrap()
    }

    /// Runs one statement that may be refused.
    async fn attempt(&self, sql: &str) -> sqlx::Result<u64> {
        Ok(match &self.raw {
            Raw::Sqlite(pool) => sqlx::query(AssertSqlSafe(sql)).execute(pool).await?.rows_affected(),
            Raw::Postgres(pool) => sqlx::query(AssertSqlSafe(sql)).execute(pool).await?.rows_affected(),
        })
    }

    /// Lets time pass for leases and pauses, whoever's clock they are by.
    async fn pass(&self, time: TimeDelta) {
        let ms = time.num_milliseconds();
        self.raw(&format!(
            "UPDATE instance_grant SET lease_until = lease_until - {ms}, next_attempt_at = next_attempt_at - {ms}, \
             keep_alive_at = keep_alive_at - {ms}"
        ))
        .await;
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
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
        keep_alive_in: None,
    }
}
