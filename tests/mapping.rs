//! The mapping language and every built-in mapping file: laws, schemas, documentation, examples.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

#[path = "mapping/answers.rs"]
mod answers;
#[path = "mapping/documentation.rs"]
mod documentation;
#[path = "mapping/keys.rs"]
mod keys;
#[path = "mapping/laws.rs"]
mod laws;
#[path = "mapping/schemas.rs"]
mod schemas;
#[path = "mapping/sessions.rs"]
mod sessions;
#[path = "mapping/stream.rs"]
mod stream;

use hubgate::{catalog::source::Files, gateway::examples};

#[test]
fn the_built_in_set_has_no_problems() {
    let report = examples::check(&Files::built_in());
    let told: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert!(report.is_clean(), "{report}\n{}", told.join("\n"));
    assert!(report.examples >= report.operations, "{report}");
}
