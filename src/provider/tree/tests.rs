//! Tests of paths.

use super::*;

#[test]
fn paths_cannot_climb() {
    assert_eq!(normal("/a//b/").unwrap(), "/a/b");
    assert_eq!(normal("/").unwrap(), "/");
    for bad in ["a", "/../a", "/a/./b", "/a\u{0}", ""] {
        assert!(normal(bad).is_err(), "{bad:?}");
    }
}
