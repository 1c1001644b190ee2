//! The laws, for every built-in mapping.

use std::{collections::BTreeSet, sync::Arc};

use hubgate::{
    catalog::{Catalog, Operation, hub::FieldKind, load, read::nearest, source::Files},
    gateway::examples::laws::{is_two_way, round_trip},
    mapping::{Codec, Line, Path, Plan, WriteMode, path::Step},
};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};

fn catalog() -> Catalog {
    load::load(&Files::built_in()).unwrap_or_else(|refused| panic!("{refused}"))
}

/// Every operation of every element, with the element's key.
fn operations(catalog: &Catalog) -> Vec<(String, Arc<Operation>)> {
    catalog
        .elements()
        .flatten()
        .flat_map(|element| element.operations.values().map(|operation| (element.key.clone(), Arc::clone(operation))))
        .collect()
}

/// Of the operations that share a plan the first.
fn one_of_each_plan(catalog: &Catalog) -> Vec<(String, Arc<Operation>)> {
    let mut seen = BTreeSet::new();
    operations(catalog).into_iter().filter(|(_, operation)| seen.insert(Arc::as_ptr(&operation.plan))).collect()
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

/// Values of a field, in the form they are answered.
fn values(kind: Option<FieldKind>, codec: &Codec) -> BoxedStrategy<Value> {
    let word = "[a-zA-Z0-9äß日 ._%+-]{1,12}";
    match codec {
        Codec::Words { pairs, .. } => {
            let words: Vec<Value> = pairs.iter().map(|(uniform, _)| uniform.clone()).collect();
            return prop::sample::select(words).boxed();
        }
        Codec::PathId => {
            return "/[^\\u{0}]{0,20}".prop_map(|path| json!(hubgate::mapping::codec::path_id(&path))).boxed();
        }
        Codec::Digits => return (0..i64::from(u32::MAX)).prop_map(|number| json!(number.to_string())).boxed(),
        Codec::Rooted => return "/[a-z ]{0,20}".prop_map(Value::from).boxed(),
        Codec::Split(separator) => {
            let separator = separator.clone();
            return prop::collection::vec("[a-z]{1,6}( [a-z]{1,6})?", 0..4)
                .prop_map(move |items| {
                    json!(items.into_iter().filter(|item| !item.contains(&separator)).collect::<Vec<_>>())
                })
                .boxed();
        }
        _ => {}
    }
    match kind {
        Some(FieldKind::Text) | None => word.prop_map(Value::from).boxed(),
        Some(FieldKind::Integer) => (-9_007_199_254_740_991_i64..9_007_199_254_740_991).prop_map(Value::from).boxed(),
        // Two decimals, as money has: exact behind a scale too.
        Some(FieldKind::Number) => (-100_000_000i64..100_000_000).prop_map(|cents| number(cents, 100)).boxed(),
        Some(FieldKind::Boolean) => any::<bool>().prop_map(Value::from).boxed(),
        Some(FieldKind::Timestamp) => (0..4_000_000_000_000_i64).prop_map(Value::from).boxed(),
        Some(FieldKind::DateTime) => (0..4_000_000_000_000_i64)
            .prop_map(|ms| json!(hubgate::mapping::time::rfc3339(hubgate::mapping::time::parse(&json!(ms)).unwrap())))
            .boxed(),
        Some(FieldKind::Date) => (1970..2100i32, 1..13u32, 1..29u32)
            .prop_map(|(year, month, day)| json!(format!("{year:04}-{month:02}-{day:02}")))
            .boxed(),
        Some(FieldKind::List) => prop::collection::vec(word, 0..4).prop_map(|items| json!(items)).boxed(),
        Some(FieldKind::Map) => {
            prop::collection::hash_map("[a-z]{1,5}", any::<i32>(), 0..4).prop_map(|map| json!(map)).boxed()
        }
    }
}

/// `whole` parts as a number, written the way people do.
fn number(whole: i64, parts: i64) -> Value {
    if whole % parts == 0 {
        return json!(whole / parts);
    }
    let (sign, digits) = (if whole < 0 { "-" } else { "" }, whole.abs());
    serde_json::from_str(&format!("{sign}{}.{:02}", digits / parts, digits % parts)).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let catalog = catalog();
    let mut held = 0;
    for (element, operation) in operations(&catalog) {
        let plan = &operation.plan;
        for line in plan.lines.iter().filter(|line| is_two_way(plan, line)) {
            let kind = operation.model.as_ref().and_then(|model| model.field(&line.name)).map(|field| field.kind);
            let id = operation.hub.id();
            let law = runner(48).run(&values(kind, &line.codec), |value| match round_trip(plan, line, &value) {
                Ok(true) => Ok(()),
                Ok(false) => Err(TestCaseError::fail(format!("{value} is refused"))),
                Err(message) => Err(TestCaseError::fail(message)),
            });
            if let Err(error) = law {
                panic!("{element}: {id}: {}: {error}", line.name);
            }
            held += 1;
        }
    }
    // The documents hub writes nothing through field lines; every hub with records does.
    let writes = operations(&catalog)
        .iter()
        .any(|(_, operation)| operation.plan.lines.iter().any(|line| is_two_way(&operation.plan, line)));
    assert_eq!(held > 0, writes);
}

/// A record that was read can be sent back, and reads the same.
#[test]
fn what_was_read_can_be_sent_back() {
    let catalog = catalog();
    for (element, operation) in one_of_each_plan(&catalog) {
        let plan = Arc::clone(&operation.plan);
        let id = operation.hub.id();
        let law = runner(24).run(&native(&plan), |record| {
            let read = plan.read(&record, false, false);
            let Ok(written) = plan.write(&read, WriteMode::Create) else {
                // Values of the wrong type may be read (as they are) and then be refused; records of a provider are not so.
                return Ok(());
            };
            let again = plan.read(&written, false, false);
            // A scale is exact for numbers as callers have them, not for the outermost ones.
            let lines =
                plan.lines.iter().filter(|line| is_two_way(&plan, line) && !matches!(line.codec, Codec::Scale(_)));
            for line in lines {
                let name = line.name.as_str();
                prop_assert_eq!(at(&read, name), at(&again, name), "{}", name);
            }
            Ok(())
        });
        if let Err(error) = law {
            panic!("{element}: {id}: {error}");
        }
    }
}

fn at<'a>(record: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    match name.split_once('.') {
        None => record.get(name),
        Some((first, rest)) => at(record.get(first)?.as_object()?, rest),
    }
}

/// Any JSON value.
fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["", "/", "/a/b.txt", "2024-02-30", "2024-01-01T00:00:00Z", "1e400", "%252F", "true"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-zA-Z.]{0,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Records that have something at the places where the lines look.
fn native(plan: &Plan) -> BoxedStrategy<Value> {
    let paths: Vec<Path> = plan.lines.iter().map(|line| line.path.clone()).collect();
    prop::collection::vec(anything(), paths.len())
        .prop_map(move |values| {
            let mut record = json!({});
            for (path, value) in paths.iter().zip(values) {
                // Indexes beyond a few would only make long lists.
                let small = path.steps().is_some_and(|steps| {
                    !steps.is_empty() && steps.iter().all(|step| !matches!(step, Step::Index(index) if *index > 8))
                });
                if small {
                    path.set(&mut record, value);
                }
            }
            record
        })
        .boxed()
}

#[test]
fn applying_never_panics() {
    let catalog = catalog();
    for (_, operation) in one_of_each_plan(&catalog) {
        let plan = Arc::clone(&operation.plan);
        let names: Vec<String> = plan
            .lines
            .iter()
            .map(|line| line.name.split('.').next().unwrap_or_default().to_owned())
            .chain(["x".to_owned()])
            .collect();
        let bodies = prop::collection::vec((prop::sample::select(names), anything()), 0..6);
        runner(24)
            .run(&(native(&plan), anything(), bodies), |(record, other, members)| {
                for record in [&record, &other] {
                    for (iso, nulls) in [(false, false), (true, true)] {
                        drop(plan.read(record, iso, nulls));
                    }
                }
                let body: Map<String, Value> = members.into_iter().collect();
                drop(plan.write(&body, WriteMode::Create));
                drop(plan.write(&body, WriteMode::Update));
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn every_field_of_a_model_has_a_place() {
    let catalog = catalog();
    for (element, operation) in operations(&catalog) {
        let (plan, Some(model)) = (&operation.plan, &operation.model) else { continue };
        if plan.lines.is_empty() {
            continue; // An operation that answers nothing, or native records only.
        }
        for field in &model.fields {
            let placed = field.computed
                || field.optional
                || plan.given.iter().any(|given| given.name == field.name)
                || plan.lines.iter().any(|line: &Line| line.name == field.name)
                || plan.open.as_ref().is_some_and(|open| open.field == field.name)
                || plan.unsupported.iter().any(|(name, _)| *name == field.name);
            assert!(placed, "{element}: {}: `{}` has no place", operation.hub.id(), field.name);
        }
    }
}

/// Misspells each key of each file in turn: the mistake is told with file, pointer and the word that was meant.
#[test]
fn misspelt_keys_are_told_with_their_place_and_the_nearest_word() {
    let built_in = Files::built_in();
    let mut seen = BTreeSet::new();
    for (file, pointer, key) in [
        ("hubs/documents/hub.json", "", "models"),
        ("hubs/documents/files.json", "/operations/upload", "parameters"),
        ("elements/dropbox/element.json", "", "authentication"),
        ("elements/dropbox/element.json", "/authentication", "authorizeParameters"),
        ("elements/dropbox/files.json", "", "operations"),
        ("elements/dropbox/files.json", "/operations/download", "repeatable"),
        ("elements/box/element.json", "/addressing/children", "paging"),
        ("elements/box/folders.json", "/operations/listContents/steps/0/calls/0/answer", "items"),
    ] {
        let mut value: Value = serde_json::from_str(&built_in.0[file]).unwrap();
        let object = value.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        let member = object.remove(key).unwrap();
        let mut misspelt = key.to_owned();
        misspelt.remove(1);
        object.insert(misspelt.clone(), member);
        let mut files = built_in.clone();
        files.0.insert(file.to_owned(), value.to_string());
        let problems = load::lenient(&files).1;
        let told =
            problems.iter().find(|problem| problem.pointer == format!("{pointer}/{misspelt}") && problem.file == file);
        let told = told.unwrap_or_else(|| panic!("{file}{pointer}/{misspelt} is not told of: {problems:?}"));
        assert_eq!(told.hint.as_deref(), Some(format!("did you mean `{key}`?").as_str()), "{file}{pointer}");
        seen.insert(key);
    }
    assert_eq!(seen.len(), 8);
    assert!(nearest("pth", &["path", "query"]).contains("path"));
}
