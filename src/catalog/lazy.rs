//! What is made of something that never changes, when it is first asked for.

use std::{fmt, sync::OnceLock};

/// A value that is made once. It says nothing that is not said by what it is made of, so it counts for nothing in a
/// comparison, and a copy makes its own.
pub struct Lazy<T>(OnceLock<T>);

impl<T> Lazy<T> {
    /// The value, if it was made.
    pub fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// The value, which `make` makes if nobody did.
    pub fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(make)
    }
}

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Clone for Lazy<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> PartialEq for Lazy<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy").field("made", &self.0.get().is_some()).finish()
    }
}
