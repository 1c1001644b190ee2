//! The mapping language: paths, codecs, templates, conditions, field lines; compiled once, applied both ways. Pure.
//!
//! Everything here is total: no loops, no recursion over data deeper than the mapping itself, no I/O. What can be decided
//! at load time is decided by the `compile` functions; the reference of the language is `docs/mapping.md`.

pub mod codec;
pub mod condition;
mod joined;
pub mod media;
mod open;
pub mod path;
pub mod plan;
pub mod stream;
pub mod template;
pub mod time;
pub mod xml;

pub use codec::Codec;
pub use condition::Condition;
pub use path::Path;
pub use plan::{Access, Line, Naming, Plan, WriteMode};
pub use template::{Reference, Root, Scope, TextTemplate, ValueTemplate};

/// The one of `known` that is most like `word`, case apart, and how like it is, from 0 to 1.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<(f64, &'a str)> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &word), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
}

/// A mistake in an expression of a mapping file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// Where below the compiled value, as a JSON pointer (empty: the value itself).
    pub pointer: String,
}

impl CompileError {
    /// A mistake in the value itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, pointer: String::new() }
    }

    /// Says what would be right.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Moves the place one step down.
    pub fn below(mut self, step: &str) -> Self {
        self.pointer = format!("/{}{}", step.replace('~', "~0").replace('/', "~1"), self.pointer);
        self
    }
}

/// A value that an expression could not work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApplyError {
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ApplyError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
