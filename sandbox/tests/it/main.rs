//! The document providers and the shared parts, driven over sockets.

mod boxcom;
mod dropbox;
mod oauth;
mod shared;
#[cfg(test)]
mod support;
