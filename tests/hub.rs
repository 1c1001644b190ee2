//! The hub APIs as an app sees them: the real binary (`hubgate demo`), driven over HTTP against the sandboxes.

mod hub {
    mod caching;
    mod crm;
    mod documents;
    mod errors;
    mod grants;
    mod streaming;
    pub(crate) mod support;
    mod third_element;
}
