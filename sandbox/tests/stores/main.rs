//! The stores that know their callers by keys, driven over sockets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod dav;
mod s3;
mod signer;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the other test binaries")]
mod support;
