//! Calls that are made again until the provider has finished what it took on.

use std::time::Duration;

use super::{
    call::{Call, compiled},
    read::Node,
};
use crate::mapping::condition::Match;

/// How often a call is made at most, and how many times can be asked for.
const TIMES: u64 = 100;
const MAX_TIMES: u64 = 1_000;
/// The longest pause between two calls, in seconds, where the file says none.
const SECONDS: u64 = 2;

/// Until when a call is made again.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// What the answer looks like when all is done.
    pub until: Match,
    /// What it looks like when it failed.
    pub failed: Option<Match>,
    /// The longest pause between two calls; shorter ones come before.
    pub pause: Duration,
    /// Calls at most.
    pub times: u64,
}

impl Wait {
    /// Reads the `wait` of a call.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&["until", "failed", "seconds", "times"])?;
        let until = node.require("until")?;
        let times = node.opt_number("times").unwrap_or(TIMES);
        if times == 0 || times > MAX_TIMES {
            node.problem_hint(format!("`times` is {times}"), format!("keep it from 1 to {MAX_TIMES}"));
        }
        Some(Self {
            until: compiled(&until, || Match::compile(until.value))?,
            failed: node.get("failed").and_then(|failed| compiled(&failed, || Match::compile(failed.value))),
            pause: Duration::from_secs(node.opt_number("seconds").unwrap_or(SECONDS).clamp(1, 60)),
            times,
        })
    }
}

/// A call that reads again the items of a list that are told incompletely.
#[derive(Debug, Clone, PartialEq)]
pub struct Complete {
    /// What an incomplete item looks like; every item when absent.
    pub items: Option<Match>,
    /// The call; its `when` is about the whole list.
    pub call: Call,
}

impl Complete {
    /// Reads the `complete` of an operation.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let call = Call::read(node, &["items"])?;
        let items = node.get("items").and_then(|items| compiled(&items, || Match::compile(items.value)));
        Some(Self { items, call })
    }
}
