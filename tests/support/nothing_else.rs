//! A catalog without the built-in elements, for gateways that are started often: to compile them is most of a start.

use std::{fs, path::Path};

use serde_json::json;

/// Lays an element that does nothing over each built-in one, in this directory of mapping files.
pub(crate) fn lay_over_all(mappings: &Path) {
    let elements = mappings.join("elements");
    fs::create_dir_all(&elements).unwrap();
    let built_in = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/elements")).unwrap();
    for (number, entry) in built_in.enumerate() {
        let key = entry.unwrap().file_name().into_string().unwrap();
        let nothing = json!({
            "id": 980_000 + number, "key": key, "name": "Nothing", "description": "Nothing", "hub": "documents",
            "configuration": [{"key": "username", "name": "Name"}, {"key": "password", "name": "Password"}],
            "authentication": {"type": "basic"}, "hosts": {"api": "https://nothing.example"},
            "egress": ["nothing.example"], "unsupported": {"*": "It does nothing"}, "resources": {}
        });
        fs::write(elements.join(format!("{key}.json")), nothing.to_string()).unwrap();
    }
}
