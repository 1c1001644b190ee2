//! Upload sessions: how a provider takes a file in parts.

use serde_json::Value;

use super::{
    call::{Call, compiled, read_calls, read_path},
    read::Node,
};
use crate::mapping::{Path, Reference, Root, ValueTemplate, codec::scalar_text, condition::Match};

/// The size of parts when the mapping names none.
pub const PART_BYTES: u64 = 8 << 20;
/// The largest part, and so the most that one upload holds in memory.
pub const MAX_PART_BYTES: u64 = 64 << 20;
/// The most parts of one file when the mapping names no bound.
const MOST_PARTS: u64 = 10_000;

/// How large the parts are.
#[derive(Debug, Clone, PartialEq)]
pub enum PartSize {
    /// So many bytes.
    Fixed(u64),
    /// What the provider says.
    Given(Reference),
}

/// How an answer tells what has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// As a number of bytes.
    Count,
    /// As the range that is there: `bytes=0-99`.
    Received,
    /// As the range (or a list of ranges) still missing: `100-199`.
    Missing,
    /// By the status's answer having the part.
    Part,
}

/// Where an answer tells how many bytes of the file have arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrived {
    path: Path,
    told: Told,
    /// Whether an answer that says nothing means that nothing has arrived; otherwise the part has.
    absent_is_nothing: bool,
}

/// An upload session.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Files of more bytes go this way.
    pub above: u64,
    /// Opens it; the first whose `when` holds is made.
    pub start: Vec<Call>,
    /// How large the parts are.
    pub size: PartSize,
    /// What a part's size has to be a multiple of.
    pub align: u64,
    /// The most parts of one file.
    pub most: u64,
    /// Sends one part.
    pub part: Call,
    /// What is kept of each part's answer for `{parts}`: the first that has a value.
    pub collect: Vec<ValueTemplate>,
    /// Where a part's or the status's answer tells what has arrived.
    pub arrived: Option<Arrived>,
    /// Asks what has arrived.
    pub status: Option<Call>,
    /// What an answer looks like that is the finished file.
    pub done: Option<Match>,
    /// Closes it; without one the last part's answer is the file.
    pub finish: Vec<Call>,
    /// Statuses of `finish` that mean: ask again later.
    pub again: Vec<u16>,
    /// Gives it up.
    pub abort: Option<Call>,
}

impl Arrived {
    /// The number of bytes that `answer` tells of, of which the part at hand has those from `at` to `next`; `asked`
    /// when it is the status's.
    pub fn read(&self, answer: &Value, asked: bool, at: u64, next: u64) -> Option<u64> {
        let found = self.path.get(answer).filter(|value| !value.is_null());
        if self.told == Told::Part {
            return asked.then_some(if found.is_some() { next } else { at });
        }
        let found = match found {
            Some(Value::Array(items)) => items.first(),
            found => found,
        };
        let Some(text) = found.and_then(scalar_text) else { return self.absent_is_nothing.then_some(0) };
        let range = text.trim().trim_start_matches("bytes").trim_start_matches([' ', '=']);
        match self.told {
            Told::Count => range.parse().ok(),
            Told::Received => range.rsplit('-').next()?.trim().parse::<u64>().ok()?.checked_add(1),
            Told::Missing => range.split('-').next()?.trim().parse().ok(),
            Told::Part => None,
        }
    }
}

impl Session {
    /// Whether it needs the file's size before the whole file has been read.
    pub fn needs_size(&self) -> bool {
        let mut needed = false;
        let mut visit = |reference: &Reference| {
            needed |= reference.root == Root::File && reference.key == "size" && reference.is_required();
        };
        self.start.iter().chain([&self.part]).chain(&self.status).for_each(|call| call.visit(&mut visit));
        needed
    }

    /// Whether its templates use a member of `root` whose name begins with `name`.
    pub fn uses(&self, root: Root, name: &str) -> bool {
        let mut used = false;
        self.visit(&mut |reference| used |= reference.root == root && reference.key.starts_with(name));
        used
    }

    /// Calls `visit` with every reference.
    pub fn visit(&self, visit: &mut dyn FnMut(&Reference)) {
        let calls = self.start.iter().chain([&self.part]).chain(&self.status).chain(&self.finish).chain(&self.abort);
        for call in calls {
            call.visit(visit);
        }
        if let PartSize::Given(reference) = &self.size {
            visit(reference);
        }
        for collect in &self.collect {
            collect.visit(visit);
        }
    }
}

/// Reads the `session` of a node.
pub(super) fn read_session(node: &Node<'_>) -> Option<Session> {
    let node = node.get("session")?;
    node.object(&[
        "above", "start", "size", "align", "most", "part", "collect", "arrived", "status", "done", "finish", "again",
        "abort",
    ])?;
    let align = node.opt_number("align").unwrap_or(1).max(1);
    let part = Call::read(&node.require("part")?, &[])?;
    if !part.carries_file() {
        node.get("part")?.problem_hint("carries no file", "add \"file\": true, or a part with it to `multipart`");
    }
    let call = |key: &str| node.get(key).and_then(|call| Call::read(&call, &[]));
    let session = Session {
        above: node.require("above")?.number()?,
        start: read_calls(&node, "start"),
        size: read_size(&node, align)?,
        align,
        most: node.opt_number("most").unwrap_or(MOST_PARTS).clamp(1, MOST_PARTS),
        part,
        collect: node.get("collect").map_or_else(Vec::new, |collect| {
            let compile = |one: &Node<'_>| compiled(one, || ValueTemplate::compile(one.value));
            collect.one_or_many().iter().filter_map(compile).collect()
        }),
        arrived: node.get("arrived").and_then(|arrived| read_arrived(&arrived)),
        status: call("status"),
        done: node.get("done").and_then(|done| compiled(&done, || Match::compile(done.value))),
        finish: read_calls(&node, "finish"),
        again: node.get("again").map_or_else(Vec::new, |list| super::call::statuses(&list)),
        abort: call("abort"),
    };
    if session.start.is_empty() {
        node.require("start");
    }
    if session.status.is_some() && session.arrived.is_none() {
        node.problem_hint("asks for the status, but not where the answer tells what has arrived", "add `arrived`");
    }
    if let Some(abort) = &session.abort {
        check_outlives(&node, "abort", abort);
    }
    Some(session)
}

/// Holds a call that may be made when its caller is gone to what is still known then.
pub(super) fn check_outlives(node: &Node<'_>, key: &str, call: &Call) {
    let roots = [
        Root::Config,
        Root::Secret,
        Root::Session,
        Root::Target,
        Root::Destination,
        Root::File,
        Root::Steps,
        Root::Lookup,
        Root::Unique,
        Root::Now,
    ];
    call.visit(&mut |reference| {
        if !roots.contains(&reference.root) {
            node.problem_hint(
                format!("`{key}` refers to what is gone once the caller has hung up"),
                "use config, secret, session, target, destination, file, steps, lookup, unique, now",
            );
        }
    });
}

fn read_size(node: &Node<'_>, align: u64) -> Option<PartSize> {
    let Some(place) = node.get("size") else { return Some(PartSize::Fixed(PART_BYTES / align * align)) };
    if place.value.is_string() {
        let text = place.text()?;
        let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let Some(inside) = inside else {
            place.problem_hint(format!("`{text}` is not a reference"), "write a number, or like {session.part_size}");
            return None;
        };
        return Some(PartSize::Given(compiled(&place, || Reference::compile(inside))?));
    }
    let size = place.number()?;
    if size == 0 || size > MAX_PART_BYTES || size % align != 0 {
        place.problem_hint(
            format!("parts of {size} bytes cannot be"),
            format!("a part has 1 to {MAX_PART_BYTES} bytes and is a multiple of `align`"),
        );
    }
    Some(PartSize::Fixed(size))
}

fn read_arrived(node: &Node<'_>) -> Option<Arrived> {
    if node.value.is_string() {
        let path = compiled(node, || Path::compile(node.text().unwrap_or_default()))?;
        return Some(Arrived { path, told: Told::Count, absent_is_nothing: false });
    }
    node.object(&["path", "told", "absent"])?;
    node.require("path")?;
    Some(Arrived {
        path: read_path(node, "path")?,
        told: node
            .get("told")
            .and_then(|told| {
                told.word(&[
                    ("count", Told::Count),
                    ("received", Told::Received),
                    ("missing", Told::Missing),
                    ("part", Told::Part),
                ])
            })
            .unwrap_or(Told::Count),
        absent_is_nothing: node
            .get("absent")
            .and_then(|absent| absent.word(&[("all", false), ("nothing", true)]))
            .unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arrived(told: Told, absent_is_nothing: bool) -> Arrived {
        Arrived { path: Path::compile("$.at").unwrap(), told, absent_is_nothing }
    }

    #[test]
    fn reads_what_arrived() {
        for (told, value, expected) in [
            (Told::Count, json!(7), Some(7)),
            (Told::Count, json!("7"), Some(7)),
            (Told::Received, json!("bytes=0-99"), Some(100)),
            (Told::Received, json!("0-99"), Some(100)),
            (Told::Missing, json!(["100-199", "300-"]), Some(100)),
            (Told::Missing, json!("100-"), Some(100)),
            (Told::Missing, json!([]), None),
            (Told::Count, json!("many"), None),
            (Told::Received, json!("bytes=0-18446744073709551615"), None),
            (Told::Count, Value::Null, None),
        ] {
            assert_eq!(arrived(told, false).read(&json!({"at": value}), true, 0, 200), expected, "{told:?} {value}");
        }
        assert_eq!(arrived(Told::Received, true).read(&Value::Null, false, 0, 200), Some(0));
        let part = arrived(Told::Part, false);
        assert_eq!(part.read(&json!({"at": {"id": 1}}), true, 100, 200), Some(200));
        assert_eq!(part.read(&Value::Null, true, 100, 200), Some(100));
        assert_eq!(part.read(&Value::Null, false, 100, 200), None);
    }
}
