//! The house rules that no compiler knows: which module may use which, how long a file may be, and that no provider is
//! named in the source.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test says what is wrong by failing"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Longest file, its own tests included; files of tests alone may be longer.
const LONGEST: usize = 600;
const LONGEST_TESTS: usize = 800;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The modules of a source file, outermost first: `src/api/front.rs` is `["api", "front"]`.
fn modules(file: &Path) -> Vec<String> {
    let path = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    path.iter().map(|part| part.to_str().unwrap().to_owned()).collect()
}

/// Lines of code: comments and the inline test module left out.
fn code(text: &str) -> String {
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = production.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The names right behind `prefix`, be it `prefix::a` or `prefix::{a::b, c}`.
fn names_behind(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$')) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.extend(identifier(rest));
            continue;
        };
        let mut depth = 0_i32;
        let mut expecting = true;
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => expecting = true,
                c if expecting && (c.is_alphabetic() || c == '_') => {
                    names.extend(identifier(&group[index..]));
                    expecting = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// What each module may use, from the table of docs/architecture.md.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let quoted = |cell: &str| -> Vec<String> {
        let names = cell.split('`').skip(1).step_by(2);
        names.map(|name| name.trim_end_matches(".rs").trim_end_matches('/').to_owned()).collect()
    };
    let all: BTreeSet<String> = rows.iter().flat_map(|row| quoted(row[0])).collect();
    let mut allowed = BTreeMap::new();
    for row in &rows {
        let (words, named) = (*row.last().unwrap(), quoted(row.last().unwrap()).into_iter().collect::<BTreeSet<_>>());
        let may = match words {
            words if words.starts_with("all but") => all.difference(&named).cloned().collect(),
            words if words.starts_with("all") => all.clone(),
            _ => named,
        };
        for module in quoted(row[0]) {
            allowed.insert(module, may.clone());
        }
    }
    allowed
}

#[test]
fn modules_use_each_other_as_the_table_says() {
    let shared = ["error", "clock", "recent", "telemetry"];
    let allowed = allowed();
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let modules = modules(&file);
        let own = modules[0].as_str();
        if own == "lib" || own == "main" {
            continue;
        }
        let code = code(&fs::read_to_string(&file).unwrap());
        let mut used = names_behind(&code, "crate::");
        used.extend(names_behind(&code, &"super::".repeat(modules.len())));
        let may = allowed.get(own).unwrap_or_else(|| panic!("{own} is missing in docs/architecture.md"));
        for module in used {
            let is_module = allowed.contains_key(&module);
            if is_module && module != own && !shared.contains(&module.as_str()) && !may.contains(&module) {
                wrong.push(format!("{}: `{own}` may not use `{module}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_in_their_modules() {
    let homes: [(&str, &[&str]); 5] = [
        ("axum::", &["api"]),
        ("hyper::", &["api", "upstream"]),
        ("reqwest::", &["upstream", "grant"]),
        ("sqlx::", &["store"]),
        ("clap::", &["cli"]),
    ];
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let own = modules(&file)[0].clone();
        let code = code(&fs::read_to_string(&file).unwrap());
        for (library, homes) in homes {
            if !homes.contains(&own.as_str()) && !names_behind(&code, library).is_empty() {
                wrong.push(format!("{}: `{own}` may not use `{library}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_and_none_is_named_mod() {
    let mut wrong = Vec::new();
    for (dir, longest) in [("src", LONGEST), ("sandbox/src", LONGEST), ("tests", LONGEST_TESTS), ("benches", LONGEST)] {
        for file in rust_files(&root().join(dir)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            if lines > longest {
                wrong.push(format!("{}: {lines} lines", file.display()));
            }
            if file.ends_with("mod.rs") {
                wrong.push(format!("{}: foo.rs and foo/, never mod.rs", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_provider_is_named_in_the_source() {
    let (mut keys, mut names) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(root().join("mappings/elements")).unwrap() {
        let dir = entry.unwrap().path();
        keys.insert(dir.file_name().unwrap().to_str().unwrap().to_lowercase());
        if let Ok(text) = fs::read_to_string(dir.join("element.json")) {
            let element: serde_json::Value = serde_json::from_str(&text).unwrap();
            names.extend(element["name"].as_str().map(str::to_owned));
        }
    }
    assert!(!keys.is_empty());
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for word in line.split(|c: char| !c.is_alphanumeric()) {
                // `Box` is Rust's own word as well, and a name such as "Close" an ordinary one in small letters.
                if word != "Box" && (keys.contains(&word.to_lowercase()) || names.contains(word)) {
                    wrong.push(format!("{}:{}: {word}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_scan_reads_groups_and_paths() {
    let names = |code| names_behind(code, "crate::").into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("use crate::{a::{x, y}, b, c::d};\nlet z = crate::e::f(my_crate::g);"), "a b c e");
    assert_eq!(code("a // crate::x\n// b\nc\n#[cfg(test)]\nmod tests {\nd"), "a\nc");
}
