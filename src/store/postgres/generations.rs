//! Generations of what response caches hold, in rows of the database.
//!
//! A write counts itself in before its provider is called and out afterwards. In between nothing may be kept or given
//! out; if its node dies half-way, that lasts until the write must be over, and nothing from before is found after it.

use std::time::Duration;

use async_trait::async_trait;

use super::PostgresStore;
use crate::{
    error::Result,
    store::{Generations, error::Error},
};

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 2)
}

#[async_trait]
impl Generations for PostgresStore {
    async fn generation(&self, instance_id: i64, resource: &str) -> Result<Option<i64>> {
        let query = sqlx::query_as(concat!(
            "SELECT generation, busy_until > ",
            db_now!(),
            " FROM cache_generation WHERE instance_id = $1 AND resource = $2"
        ));
        let row: Option<(i64, bool)> =
            query.bind(instance_id).bind(resource).fetch_optional(&self.reader()).await.map_err(Error::from)?;
        let (generation, busy) = row.unwrap_or((0, false));
        Ok((!busy).then_some(generation))
    }

    async fn begin_write(&self, instance_id: i64, resource: &str, longest: Duration) -> Result<()> {
        let query = sqlx::query(concat!(
            "INSERT INTO cache_generation AS known (instance_id, resource, generation, writers, busy_until) \
             VALUES ($1, $2, 1, 1, $3 + ",
            db_now!(),
            ") ON CONFLICT (instance_id, resource) DO UPDATE SET generation = known.generation + 1, \
             writers = CASE WHEN known.busy_until <= ",
            db_now!(),
            " THEN 1 ELSE known.writers + 1 END, busy_until = greatest(known.busy_until, excluded.busy_until)",
        ));
        match query.bind(instance_id).bind(resource).bind(millis(longest)).execute(&self.reader()).await {
            // Of an instance that was deleted meanwhile nothing is kept anyway.
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => Ok(()),
            done => Ok(done.map(drop).map_err(Error::from)?),
        }
    }

    async fn end_write(&self, instance_id: i64, resource: &str) -> Result<()> {
        let query = sqlx::query(
            "UPDATE cache_generation SET generation = generation + 1, writers = greatest(writers - 1, 0), \
             busy_until = CASE WHEN writers > 1 THEN busy_until ELSE 0 END WHERE instance_id = $1 AND resource = $2",
        );
        query.bind(instance_id).bind(resource).execute(&self.reader()).await.map_err(Error::from)?;
        Ok(())
    }
}
