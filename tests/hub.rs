//! The hub APIs as an app sees them: the real binary (`hubgate demo`), driven over HTTP against the sandboxes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

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
