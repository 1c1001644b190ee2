//! When two of a provider's ids name the same record.

use super::read::Node;

/// How a provider's ids compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ids {
    /// Character by character.
    #[default]
    Exact,
    /// Case does not count.
    Caseless,
    /// They have a short form, in which case counts, and a long one, which begins with it and in which case does not.
    Forms {
        /// The characters of the short form.
        short: usize,
        /// The characters of the long form.
        long: usize,
    },
}

const WORDS: [(&str, Ids); 2] = [("exact", Ids::Exact), ("caseless", Ids::Caseless)];

impl Ids {
    /// Reads `ids` of element.json.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        if node.value.is_string() {
            return node.word(&WORDS);
        }
        node.object(&["short", "long"])?;
        let length = |key: &str| {
            let place = node.require(key)?;
            usize::try_from(place.number()?).ok()
        };
        let (short, long) = (length("short")?, length("long")?);
        if short == 0 || short >= long {
            node.problem_hint("the short form has to be shorter than the long one", "{\"short\": 15, \"long\": 18}");
            return None;
        }
        Some(Self::Forms { short, long })
    }

    /// Whether two ids name the same record.
    pub fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Exact => one == other,
            Self::Caseless => one.eq_ignore_ascii_case(other),
            Self::Forms { short, long } => match (one.len(), other.len()) {
                (a, b) if a == long && b == long => one.eq_ignore_ascii_case(other),
                (a, b) if a == short && b == long => other.starts_with(one),
                (a, b) if a == long && b == short => one.starts_with(other),
                _ => one == other,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_ids() {
        assert!(Ids::Exact.same("lead_aB", "lead_aB") && !Ids::Exact.same("lead_aB", "lead_Ab"));
        assert!(Ids::Caseless.same("0A-1", "0a-1") && !Ids::Caseless.same("0A-1", "0a-2"));
    }

    #[test]
    fn a_short_form_is_the_beginning_of_a_long_one() {
        let ids = Ids::Forms { short: 15, long: 18 };
        let (short, long) = ("001R0000005hDFY", "001R0000005hDFYIA2");
        assert!(ids.same(short, long) && ids.same(long, short) && ids.same(short, short) && ids.same(long, long));
        assert!(ids.same("001r0000005hdfyia2", long), "the last three tell the case");
        assert!(
            !ids.same("001r0000005hdfy", long) && !ids.same("001R0000005hDFy", short),
            "case counts in the short form"
        );
        assert!(!ids.same("001R0000005hDF", long) && !ids.same("", long) && !ids.same("001R0000005hDFYI", long));
    }
}
