//! The hub APIs as an app sees them: the real binary (`hubgate demo`), driven over HTTP against the sandboxes.

mod hub {
    mod documents;
    pub(crate) mod support;
}
