//! Parts of a call's state that most calls leave empty.

use std::{
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

use serde_json::{Map, Value};

/// A `T` that takes the room of a pointer until it is written: what is carried through a call is moved, and kept while the
/// provider is waited for.
#[derive(Clone)]
pub(super) struct Rare<T>(Option<Box<T>>);

/// What has an empty value to be read where nothing was written.
pub(super) trait Empty: Default + 'static {
    fn empty() -> &'static Self;
}

impl Empty for Value {
    fn empty() -> &'static Self {
        static NULL: Value = Value::Null;
        &NULL
    }
}

impl Empty for Map<String, Value> {
    fn empty() -> &'static Self {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        &NONE
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Empty> Rare<T> {
    /// What is in it, which is then empty.
    pub(super) fn take(&mut self) -> T {
        self.0.take().map(|value| *value).unwrap_or_default()
    }
}

impl<T: Empty> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::empty())
    }
}

impl<T: Empty> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
