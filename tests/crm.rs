//! The CRM hub's mapping files, run through the engine against the sandboxes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

mod crm {
    mod records;
    pub(crate) mod support;
}
