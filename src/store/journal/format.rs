//! How records lie in a file of the journal: `mark | length | check | body`, one behind the other.
//!
//! The check covers length and body, so that what was written in part only is told from what was written. What fails at
//! the end of a file is a record that was being written when the process died. What fails before another whole record was
//! damaged later.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

/// What every file begins with.
pub(super) const HEAD: &[u8] = b"hubgate grant journal 1\n";
const MARK: &[u8; 4] = b"\x9ehgj";
const CHECK: usize = 8;
/// The longest body. A token endpoint's answer is read up to 64 KiB.
pub(super) const LONGEST: usize = 1024 * 1024;

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    /// The bodies of whole records, with the bytes of the file that each takes.
    pub(super) records: Vec<(Range<usize>, &'a [u8])>,
    /// What is damaged: bytes that are no record, with a record behind them.
    pub(super) damaged: Vec<Range<usize>>,
    /// Where a record begins that is not whole and has none behind it.
    pub(super) torn: Option<usize>,
}

fn check(length: [u8; 4], body: &[u8]) -> [u8; CHECK] {
    let digest = Sha256::new().chain_update(length).chain_update(body).finalize();
    digest.first_chunk().copied().unwrap_or_default()
}

/// A record with this body; `None` when it is too long.
pub(super) fn record(body: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= LONGEST)?.to_be_bytes();
    Some([MARK.as_slice(), &length, &check(length, body), body].concat())
}

/// The body of the whole record at the beginning of `bytes`, and what follows it.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<CHECK>()?;
    let longest = usize::try_from(u32::from_be_bytes(*length)).ok().filter(|length| *length <= LONGEST)?;
    let (body, rest) = rest.split_at_checked(longest)?;
    (check(*length, body) == *sum).then_some((body, rest))
}

/// Reads a whole file.
pub(super) fn parse(file: &[u8]) -> Parsed<'_> {
    let mut parsed = Parsed::default();
    let mut at = HEAD.len();
    if !file.starts_with(HEAD) {
        if HEAD.starts_with(file) {
            // The process died before anything was in it.
            parsed.torn = (!file.is_empty()).then_some(0);
            return parsed;
        }
        at = 0;
    }
    while let Some(rest) = file.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some((body, behind)) = take(rest) {
            let end = file.len() - behind.len();
            parsed.records.push((at..end, body));
            at = end;
            continue;
        }
        let whole = |next: &usize| rest.get(*next..).and_then(take).is_some();
        let Some(next) = (1..rest.len()).find(whole) else {
            parsed.torn = Some(at);
            break;
        };
        parsed.damaged.push(at..at + next);
        at += next;
    }
    parsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let mut file = HEAD.to_vec();
        let mut ends = Vec::new();
        for body in bodies {
            file.extend(record(body).unwrap());
            ends.push(file.len());
        }
        (file, ends)
    }

    fn bodies(parsed: &Parsed<'_>) -> Vec<Vec<u8>> {
        parsed.records.iter().map(|(_, body)| body.to_vec()).collect()
    }

    fn some_bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
        // Bodies that hold marks, too.
        let body = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(prop_oneof![Just(0x9e), Just(b'h'), Just(b'g'), Just(b'j'), Just(0)], 0..40),
            proptest::collection::vec(any::<u8>(), 0..10).prop_map(|inner| record(&inner).unwrap_or_default()),
        ];
        proptest::collection::vec(body, 1..5)
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_keeps_what_was_whole_and_says_so(bodies_in in some_bodies()) {
            let (file, ends) = file(&bodies_in);
            for cut in 0..=file.len() {
                let parsed = parse(&file[..cut]);
                let whole = ends.iter().filter(|end| **end <= cut).count();
                prop_assert_eq!(bodies(&parsed).get(..whole).map(<[_]>::to_vec), Some(bodies_in[..whole].to_vec()));
                let clean = cut == 0 || cut == HEAD.len() || ends.contains(&cut);
                if parsed.records.len() == whole {
                    prop_assert!(parsed.damaged.is_empty());
                    prop_assert_eq!(parsed.torn.is_none(), clean, "cut at {}", cut);
                } else {
                    // Only a body that holds a whole record itself can seem to go on; that is told as damage.
                    prop_assert!(!parsed.damaged.is_empty());
                }
            }
        }

        #[test]
        fn a_changed_byte_is_found_wherever_it_is(
            bodies_in in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..5),
            at in any::<proptest::sample::Index>(),
            change in 1_u8..,
        ) {
            let (mut file, ends) = file(&bodies_in);
            let at = at.index(file.len());
            file[at] ^= change;
            let parsed = parse(&file);
            let hit = (at >= HEAD.len()).then(|| ends.iter().filter(|end| **end <= at).count());
            let kept: Vec<_> = bodies_in.iter().enumerate().filter(|(n, _)| Some(*n) != hit).map(|(_, body)| body.clone()).collect();
            prop_assert_eq!(bodies(&parsed), kept);
            let last = hit == Some(bodies_in.len() - 1);
            prop_assert_eq!(parsed.torn.is_some(), last);
            prop_assert_eq!(parsed.damaged.len(), usize::from(!last));
        }

        #[test]
        fn whatever_a_file_holds_nothing_breaks(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let parsed = parse(&file);
            prop_assert!(parsed.records.is_empty());
        }
    }

    #[test]
    fn zeros_at_the_end_are_a_torn_record() {
        // What some file systems leave when the length of a file was written and its data was not.
        let (mut file, ends) = file(&[b"one".to_vec()]);
        file.extend([0; 100]);
        let parsed = parse(&file);
        assert_eq!((bodies(&parsed), parsed.torn), (vec![b"one".to_vec()], Some(ends[0])));
        assert_eq!(record(&vec![0; LONGEST + 1]), None);
    }
}
