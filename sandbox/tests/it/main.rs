//! The document providers and the shared parts, driven over sockets.

mod oauth;
mod shared;
mod support;
