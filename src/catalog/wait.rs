//! Calls that are made again until the provider has finished what it took on.

use std::time::Duration;

use super::{
    call::{Call, compiled, read_path},
    read::Node,
};
use crate::mapping::{Path, condition::Match};

/// How often a call is made at most, and how many times can be asked for.
const TIMES: u64 = 100;
const MAX_TIMES: u64 = 1_000;
/// The longest pause between two calls, in seconds, where the file says none.
const SECONDS: u64 = 2;

/// What the block has beside a call's keys.
const COMPLETE_KEYS: &[&str] = &["items", "as", "value", "batch"];

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
    /// What of the answer is put beside what is known of the item; without it the answer takes the item's place.
    pub beside: Option<Beside>,
}

/// What is put into an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    /// The member it becomes.
    pub member: String,
    /// Items that one call is about, and how they are found in its answer.
    pub batch: Option<Batch>,
    /// What of the record (or of what the answer has of the item) it is.
    pub value: Path,
}

/// Several items in one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// So many, at most.
    pub size: usize,
    /// A text in the item …
    pub item: Path,
    /// … and the same one in what the answer has of it; compared without case.
    pub answer: Path,
}

impl Complete {
    /// Reads the `complete` of an operation.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let call = Call::read(node, COMPLETE_KEYS)?;
        let items = node.get("items").and_then(|items| compiled(&items, || Match::compile(items.value)));
        let batch = node.get("batch");
        let beside = node.opt_text("as").and_then(|member| {
            let batch = match &batch {
                Some(place) => Some(Batch::read(place)?),
                None => None,
            };
            Some(Beside { member, batch, value: read_path(node, "value").unwrap_or_else(Path::root) })
        });
        if let (None, Some(place)) = (node.get("as"), batch.or_else(|| node.get("value"))) {
            place.problem_hint("nothing says where in an item it goes", "name the member with `as`");
        }
        Some(Self { items, call, beside })
    }
}

impl Batch {
    fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&["size", "item", "answer"])?;
        let size = usize::try_from(node.require("size")?.number()?).ok()?;
        if size == 0 {
            node.problem_hint("`size` is 0", "keep it from 1");
        }
        node.require("item")?;
        node.require("answer")?;
        Some(Self { size: size.max(1), item: read_path(node, "item")?, answer: read_path(node, "answer")? })
    }
}
