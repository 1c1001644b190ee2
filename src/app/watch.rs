//! Noticing changes of files.

use std::{path::PathBuf, sync::Arc, time::Duration};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Files are changed in several steps; it counts as one change when this long nothing more happened.
const SETTLE: Duration = Duration::from_millis(200);

/// A watch over directories.
pub(crate) struct Watch {
    changed: Arc<Notify>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches `directories`, those below them only if `recursive`.
    ///
    /// # Errors
    /// When the system will not watch one of them.
    pub(crate) fn new(directories: &[PathBuf], recursive: bool) -> notify::Result<Self> {
        let changed = Arc::new(Notify::new());
        let tell = Arc::clone(&changed);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the files is itself an event.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                tell.notify_one();
            }
        })?;
        let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        for directory in directories {
            watcher.watch(directory, mode)?;
        }
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits for the next change.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
        while tokio::time::timeout(SETTLE, self.changed.notified()).await.is_ok() {}
    }
}
