//! Where a provider tells how much of its quota is left, and how long to wait when nothing is.

use http::HeaderName;

use super::{call::compiled, read::Node};
use crate::mapping::Path;

/// What the value of a header means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// Seconds from now.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// The time itself, in seconds since 1970.
    Epoch,
}

/// Where a budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetSource {
    /// In headers of their own.
    Headers {
        /// How many calls there are in all.
        limit: Option<HeaderName>,
        /// How many are left.
        remaining: HeaderName,
        /// When they are renewed.
        reset: Option<(HeaderName, TimeForm)>,
    },
    /// In one header, `limit=100, remaining=50, reset=5`.
    Pairs(HeaderName),
    /// In one header, `api-usage=18/5000`: used and all.
    Usage(HeaderName),
}

/// One budget of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetSpec {
    /// Its name in the uniform headers.
    pub name: String,
    /// The seconds it is for.
    pub window_s: Option<u64>,
    /// Where it stands.
    pub source: BudgetSource,
}

/// Where an answer that refuses for the quota says how long to wait.
#[derive(Debug, Clone, PartialEq)]
pub enum WaitSource {
    /// In a header: seconds, or a date as `Retry-After` has it.
    Header(HeaderName, TimeForm),
    /// In the body: seconds.
    Body(Path),
}

/// A provider's quota.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quota {
    /// Its budgets.
    pub budgets: Vec<BudgetSpec>,
    /// Where the waiting time is, first found first; `Retry-After` is looked at in any case.
    pub waits: Vec<WaitSource>,
    /// The seconds to wait where nothing tells; doubled at each further try.
    pub default_wait_s: Option<u64>,
}

const FORMS: [(&str, TimeForm); 3] =
    [("seconds", TimeForm::Seconds), ("milliseconds", TimeForm::Milliseconds), ("epoch", TimeForm::Epoch)];

impl Quota {
    /// Reads `quota` of element.json.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&["budgets", "wait", "defaultWait"])?;
        let budgets = node.get("budgets").map_or_else(Vec::new, |list| list.items());
        let waits = node.get("wait").map_or_else(Vec::new, |list| list.one_or_many());
        Some(Self {
            budgets: budgets.iter().filter_map(read_budget).collect(),
            waits: waits.iter().filter_map(read_wait).collect(),
            default_wait_s: node.opt_number("defaultWait"),
        })
    }
}

fn read_budget(node: &Node<'_>) -> Option<BudgetSpec> {
    #[derive(Clone, Copy)]
    enum Form {
        Pairs,
        Usage,
    }
    node.object(&["name", "window", "limit", "remaining", "reset", "resetForm", "header", "form"])?;
    let name = node.require_text("name")?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        node.problem_hint(format!("`{name}` cannot name a budget"), "use letters, digits, `-`, `_` and `.`");
    }
    let source = match (node.get("header"), node.get("remaining")) {
        (Some(place), None) => {
            let header = header(&place)?;
            match node.require("form")?.word(&[("pairs", Form::Pairs), ("usage", Form::Usage)])? {
                Form::Pairs => BudgetSource::Pairs(header),
                Form::Usage => BudgetSource::Usage(header),
            }
        }
        (None, Some(remaining)) => {
            let form = match node.get("resetForm") {
                None => TimeForm::Seconds,
                Some(word) => word.word(&FORMS)?,
            };
            BudgetSource::Headers {
                limit: node.get("limit").and_then(|place| header(&place)),
                remaining: header(&remaining)?,
                reset: node.get("reset").and_then(|place| Some((header(&place)?, form))),
            }
        }
        _ => {
            node.problem_hint("says not where the budget stands", "add `remaining`, or `header` with `form`");
            return None;
        }
    };
    Some(BudgetSpec { name, window_s: node.opt_number("window"), source })
}

fn read_wait(node: &Node<'_>) -> Option<WaitSource> {
    if node.value.is_string() {
        return header(node).map(|name| WaitSource::Header(name, TimeForm::Seconds));
    }
    node.object(&["header", "form", "body"])?;
    if let Some(place) = node.get("body") {
        return compiled(&place, || Path::compile(place.text().unwrap_or_default())).map(WaitSource::Body);
    }
    let form = match node.get("form") {
        None => TimeForm::Seconds,
        Some(word) => word.word(&FORMS)?,
    };
    Some(WaitSource::Header(header(&node.require("header")?)?, form))
}

fn header(node: &Node<'_>) -> Option<HeaderName> {
    node.header_name(node.text()?)
}
