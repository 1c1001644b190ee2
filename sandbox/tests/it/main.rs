//! The document providers and the shared parts, driven over sockets.

#[cfg(test)]
mod boxcom;
#[cfg(test)]
mod dropbox;
#[cfg(test)]
mod gdrive;
#[cfg(test)]
mod graph;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod support;
