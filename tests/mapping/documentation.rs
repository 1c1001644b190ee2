//! `docs/mapping.md` tells of every word.

use std::collections::BTreeSet;

use super::keys;

const REFERENCE: &str = include_str!("../../docs/mapping.md");

fn untold(words: BTreeSet<String>, write: impl Fn(&str) -> String) -> Vec<String> {
    words.into_iter().filter(|word| !REFERENCE.contains(&write(word))).collect()
}

#[test]
fn every_word_is_in_the_reference() {
    let quoted = |word: &str| format!("`{word}`");
    assert_eq!(untold(keys::keys(), quoted), Vec::<String>::new(), "keys");
    assert_eq!(untold(keys::example_keys(), quoted), Vec::<String>::new(), "keys of examples");
    assert_eq!(untold(keys::words(), quoted), Vec::<String>::new(), "words");
    assert_eq!(untold(keys::codecs(), quoted), Vec::<String>::new(), "codecs");
    assert_eq!(untold(keys::roots(), quoted), Vec::<String>::new(), "roots of references");
    assert_eq!(untold(keys::filters(), |word| format!("|{word}")), Vec::<String>::new(), "filters of references");
}
