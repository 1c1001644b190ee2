//! The steps of a refresh as points where a test can let the process "die".

use std::sync::Arc;

/// A point of the refresh protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Before the lease and the intent are written (R2).
    BeforeIntent,
    /// They are committed; the provider is not called yet.
    AfterIntent,
    /// The answer was lost; the replay is not sent yet.
    BeforeReplay,
    /// The provider answered; nothing is stored yet (R4).
    AfterProviderAnswer,
    /// The answer is committed; nobody has it yet (R5).
    AfterCommit,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 5] =
        [Self::BeforeIntent, Self::AfterIntent, Self::BeforeReplay, Self::AfterProviderAnswer, Self::AfterCommit];
}

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The refresh goes on.
    Continue,
    /// The refresh stops as if the process had died: nothing is cleaned up, nothing is said.
    Crash,
}

/// Called at every step; may block, or kill the process.
pub type Hook = Arc<dyn Fn(Step) -> Verdict + Send + Sync>;
