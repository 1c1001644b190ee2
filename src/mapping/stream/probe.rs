//! Tests of documents, asked of what a pass found.

use serde_json::Value;

use super::{
    put::document,
    scan::{Kind, Stop},
    tree::{Place, Tree},
    walk::Found,
};
use crate::mapping::condition::{Match, Test};

/// A [`Match`] over places of a tree.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Probes(Vec<Probe>);

#[derive(Debug, Clone, PartialEq)]
struct Probe {
    place: Place,
    test: Test,
    /// The text of the one value that is wanted, where that is a plain text.
    wanted: Option<Box<[u8]>>,
}

impl Probes {
    /// The tests of `test`, whose paths are put into the tree; nothing where one of them has no single place.
    pub(super) fn compile(test: &Match, tree: &mut Tree, root: Place) -> Option<Self> {
        let probes = test.tests().iter().map(|(path, test)| {
            let wanted = match test {
                Test::Is(Value::String(text))
                    if !text.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')) =>
                {
                    Some(format!("\"{text}\"").into_bytes().into_boxed_slice())
                }
                _ => None,
            };
            Some(Probe { place: tree.place(root, path.steps()?)?, test: test.clone(), wanted })
        });
        probes.collect::<Option<_>>().map(Self)
    }

    /// Whether all tests are met.
    #[inline]
    pub(super) fn hold(&self, text: &str, found: &Found<'_>) -> Result<bool, Stop> {
        for probe in &self.0 {
            if !probe.holds(text, found)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Probe {
    #[inline]
    fn holds(&self, text: &str, found: &Found<'_>) -> Result<bool, Stop> {
        let slot = found.slot(self.place);
        if let Test::Present(wanted) = &self.test {
            return Ok(!matches!(slot.kind, Kind::Absent | Kind::Null) == *wanted);
        }
        match (&self.wanted, slot.kind) {
            (_, Kind::Absent) => Ok(false),
            (Some(wanted), Kind::Plain) => {
                Ok(text.as_bytes().get(slot.start as usize..slot.end as usize) == Some(&**wanted))
            }
            _ => Ok(self.test.holds(&[&document(text, slot)?])),
        }
    }
}
