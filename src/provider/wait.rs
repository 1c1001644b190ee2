//! Makes a call again until the provider has finished what it took on.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    Connection, Engine,
    scope::CallScope,
    send::{judge, retry_after},
};
use crate::{
    catalog::{Call, Element, ErrorRule, wait::Wait},
    error::{Error, Kind, Result},
};

/// The pause after the first call; it doubles up to what the mapping says.
const FIRST: Duration = Duration::from_millis(100);

impl Engine {
    /// The answer of `call` once it says that all is done.
    ///
    /// The provider's `Retry-After` is kept; the caller's deadline and the mapping's number of calls end it.
    #[expect(clippy::too_many_arguments, reason = "everything one call may use; a struct would only rename them")]
    pub(super) async fn settled(
        &self,
        element: &Element,
        connection: &Connection,
        call: &Call,
        wait: &Wait,
        scope: &CallScope<'_>,
        rules: &[ErrorRule],
        deadline: Instant,
    ) -> Result<Value> {
        let mut pause = FIRST;
        for _ in 0..wait.times {
            let Some(response) = self.send(element, connection, call, scope, rules, &mut None, None, deadline).await?
            else {
                return Ok(Value::Null);
            };
            let (status, after) = (response.status, retry_after(&response.headers));
            let document = self.decode(element, connection, call, scope, rules, response, deadline).await?;
            if wait.until.holds(&document) {
                return Ok(document);
            }
            if wait.failed.as_ref().is_some_and(|failed| failed.holds(&document)) {
                return Err(judge(element, call, rules, status, &document).into_error(status));
            }
            let rest = after.unwrap_or(pause);
            if Instant::now() + rest >= deadline {
                break;
            }
            sleep(rest).await;
            pause = (pause * 2).min(wait.pause);
        }
        Err(Error::new(
            Kind::ProviderTimeout,
            "The provider has taken the request but not finished it in time; it may still be carried out",
        ))
    }
}
