//! The document providers and the shared parts, driven over sockets.

mod dropbox;
mod oauth;
mod shared;
#[cfg(test)]
mod support;
