//! Instances: the token directory and the rules of their configuration.
//!
//! An instance is one authenticated connection of one account to one element. The [`Directory`] answers "whose token is
//! this?" from memory; [`configuration`] knows which values are secret, how they are masked, merged and listed; [`text`]
//! cleans names and tags. How an instance comes to be is told in `gateway::connect`.

pub mod configuration;
pub mod directory;
pub mod text;

pub use directory::{Directory, Met};
