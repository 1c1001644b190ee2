//! Reloading the catalog: on demand, or when the mapping directory changes.

use std::sync::Arc;

use super::{App, Watch};
use crate::{
    catalog::{self, Refused},
    error::{Error, Result},
    telemetry::metric,
};

/// How many of the latest instances tell which elements are in use.
const LATEST: u32 = 1_000;

impl App {
    /// Reads the mapping files anew and swaps the catalog; a set with a fault changes nothing.
    ///
    /// Everything that is wrong is logged and given back.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) with all findings, the old catalog serving on.
    pub async fn reload_catalog(&self) -> Result<()> {
        let (shared, directory) = (Arc::clone(&self.catalog), self.config.catalog.path.clone());
        let outcome = tokio::task::spawn_blocking(move || catalog::reload(&shared, Some(&directory))).await;
        match outcome.map_err(Error::internal)? {
            Ok(()) => {
                metrics::counter!(metric::CATALOG_RELOADS, "outcome" => "ok").increment(1);
                tracing::info!("the mapping files were reloaded");
                Ok(())
            }
            Err(Refused(problems)) => {
                metrics::counter!(metric::CATALOG_RELOADS, "outcome" => "refused").increment(1);
                for problem in &problems {
                    tracing::error!("mapping files refused, the old ones serve on: {problem}");
                }
                let refused = Refused(problems);
                Err(Error::internal(refused))
            }
        }
    }

    /// Compiles in the background what the latest instances are of, so that the first call of none of them has to wait for it.
    pub fn prepare_elements(&self) {
        let app = self.clone();
        self.tracker.spawn(async move {
            let keys = match app.shutdown.run_until_cancelled(app.store.latest_elements(LATEST)).await {
                Some(Ok(keys)) => keys,
                Some(Err(error)) => return tracing::debug!(?error, "elements are compiled when they are called"),
                None => return,
            };
            for key in keys {
                let catalog = app.catalog.load_full();
                let compiled = tokio::task::spawn_blocking(move || catalog.compile(&key)).await;
                if compiled.is_err() || app.shutdown.is_cancelled() {
                    return;
                }
            }
        });
    }

    /// Reloads the catalog whenever something changes in the mapping directory, until shutdown.
    ///
    /// Does nothing when watching is off or the directory is absent.
    pub fn watch_catalog(&self) {
        let directory = &self.config.catalog.path;
        if !self.config.catalog.watch || !directory.is_dir() {
            return;
        }
        let watch = match Watch::new(std::slice::from_ref(directory), true) {
            Ok(watch) => watch,
            Err(error) => return tracing::warn!("changes of {} are not noticed: {error}", directory.display()),
        };
        let app = self.clone();
        self.tracker.spawn(async move {
            while app.shutdown.run_until_cancelled(watch.changed()).await.is_some() {
                // Its findings are logged.
                drop(app.reload_catalog().await);
            }
        });
    }
}
