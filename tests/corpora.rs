//! Everything the fuzzer is given or has found (`fuzz/corpus`), and simple changes of it, through the fuzzer's targets.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

/// Changes of a seed: cut, doubled, a byte set to what often matters.
fn changed(seed: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![seed.to_vec(), [seed, seed].concat()];
    let step = (seed.len() / 40).max(1);
    for at in (0..seed.len()).step_by(step) {
        found.push(seed.iter().take(at).copied().collect());
        found.push(seed.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, byte)| *byte).collect());
        for byte in [b'"', b'{', b'\\', b'\'', 0, 0xff] {
            found.push(seed.iter().enumerate().map(|(n, old)| if n == at { byte } else { *old }).collect());
        }
    }
    found
}

#[test]
fn what_the_fuzzer_found_stays_found() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            seeds += 1;
            for bytes in changed(&seed) {
                target(&bytes);
            }
        }
        assert!(seeds > 0, "{name} has no seeds");
    }
}
