//! What an entry is found by.

use std::sync::Arc;

/// The key of an entry. There is no way to make one without an instance.
///
/// It holds its parts whole, not a hash of them: two different questions never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(Arc<Parts>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Parts {
    instance: i64,
    resource: Arc<str>,
    operation: Box<str>,
    query: Box<str>,
    accept: Box<str>,
    /// The instance's version and the resource's generation, where several nodes agree about them.
    agreed: Option<(i64, i64)>,
}

impl CacheKey {
    /// The key of one question asked through `instance`.
    ///
    /// `resource` is what writes invalidate; `operation` names the call (verb, resource, ids in the path); `query` is the
    /// canonical form of everything else that changes the answer: parameters in a fixed order, the filter as printed
    /// after parsing, forwarded headers; `accept` the media type asked for.
    pub fn new(instance: i64, resource: &str, operation: &str, query: &str, accept: &str) -> Self {
        Self(Arc::new(Parts {
            instance,
            resource: resource.into(),
            operation: operation.into(),
            query: query.into(),
            accept: accept.into(),
            agreed: None,
        }))
    }

    /// The same question at this version of the instance and generation of the resource, about which all nodes agree.
    pub fn agreed(self, version: i64, generation: i64) -> Self {
        let Parts { instance, resource, operation, query, accept, .. } = &*self.0;
        Self(Arc::new(Parts {
            instance: *instance,
            resource: Arc::clone(resource),
            operation: operation.clone(),
            query: query.clone(),
            accept: accept.clone(),
            agreed: Some((version, generation)),
        }))
    }

    /// One text per key: every part with its length before it.
    pub(super) fn canonical(&self) -> String {
        let Parts { instance, resource, operation, query, accept, agreed } = &*self.0;
        let mut text = format!("{instance} {agreed:?}");
        for part in [&**resource, &**operation, &**query, &**accept] {
            text.extend([" ", &part.len().to_string(), " ", part]);
        }
        text
    }

    /// The instance the entry belongs to.
    pub fn instance(&self) -> i64 {
        self.0.instance
    }

    pub(super) fn resource(&self) -> &Arc<str> {
        &self.0.resource
    }

    /// Roughly the bytes it takes, its place in the indexes included.
    pub(super) fn weight(&self) -> usize {
        const OVERHEAD: usize = 200;
        OVERHEAD + self.0.resource.len() + self.0.operation.len() + self.0.query.len() + self.0.accept.len()
    }
}
