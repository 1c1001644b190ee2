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
    mod books;
    mod caching;
    pub(crate) mod capability;
    mod children;
    mod choices;
    mod closeio;
    mod crm;
    mod document_extras;
    mod document_tags;
    mod documents;
    mod dropboxbusiness;
    mod errors;
    mod explain;
    mod further;
    mod googledrive;
    mod grants;
    mod graph;
    mod helpdesk;
    mod paging;
    mod pipedrive;
    mod quotas;
    mod streaming;
    pub(crate) mod support;
    mod third_element;
    mod uploads;
    mod zohocrm;
}
