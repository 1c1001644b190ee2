//! Translation in one pass against translation by way of a document: for every built-in sheet they write the same bytes,
//! whatever the provider sends, or both refuse it.

use std::{borrow::Cow, cell::Cell, fmt::Write as _, sync::Arc};

use hubgate::{
    catalog::{Call, Catalog, Operation, hub::AnswerKind, load, source::Files},
    mapping::{
        Root, Scope,
        stream::{Cut, Sheet, Stop, Wish, check},
    },
    query::eval,
};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};

fn catalog() -> Catalog {
    load::load(&Files::built_in()).unwrap_or_else(|refused| panic!("{refused}"))
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

/// A call whose answers have a sheet.
struct Sheeted {
    name: String,
    operation: Arc<Operation>,
    call: Call,
    /// Answers recorded for its element.
    answers: Vec<Value>,
}

impl Sheeted {
    fn sheet(&self) -> &Sheet {
        self.call.answer.sheet.as_ref().unwrap()
    }
}

fn replies(value: &Value) -> Vec<Value> {
    let calls = value["calls"].as_array().into_iter().flatten();
    calls.filter_map(|call| call["reply"].get("body")).filter(|body| !body.is_string()).cloned().collect()
}

fn sheeted(catalog: &Catalog) -> Vec<Sheeted> {
    let mut all = Vec::new();
    for element in catalog.elements().flatten() {
        let mut answers: Vec<Value> = element.examples.iter().flat_map(|example| replies(&example.value)).collect();
        answers.dedup();
        for (id, operation) in &element.operations {
            let steps = operation.steps.iter().flat_map(|step| step.calls.iter().chain(&step.or_else));
            let calls = steps.chain(operation.paging.iter().flat_map(|paging| &paging.next));
            all.extend(calls.filter(|call| call.answer.sheet.is_some()).map(|call| Sheeted {
                name: format!("{}.{id}", element.key),
                operation: Arc::clone(operation),
                call: call.clone(),
                answers: answers.clone(),
            }));
        }
    }
    all
}

struct Nothing;

impl Scope for Nothing {
    fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>> {
        (root == Root::Path).then(|| Cow::Owned(json!(format!("the \"{key}\""))))
    }
}

/// How the caller wants records, owned.
#[derive(Debug, Clone, Default)]
struct Wanted {
    iso_dates: bool,
    keep_nulls: bool,
    fields: Vec<String>,
    without: bool,
    skip: u64,
    take: u64,
}

impl Wanted {
    fn without(&self) -> &'static [&'static str] {
        if self.without { &["path"] } else { &[] }
    }

    fn wish(&self) -> Wish<'_> {
        Wish { iso_dates: self.iso_dates, keep_nulls: self.keep_nulls, fields: &self.fields, without: self.without() }
    }
}

/// The record by way of a document.
fn read(operation: &Operation, item: &Value, wanted: &Wanted) -> Map<String, Value> {
    let mut record = operation.plan.read(item, wanted.iso_dates, wanted.keep_nulls);
    operation.plan.give(&mut record, &Nothing);
    for field in operation.model.iter().flat_map(|model| &model.fields).filter(|field| field.hidden) {
        record.shift_remove(&field.name);
    }
    if !wanted.fields.is_empty()
        && let Value::Object(selected) = eval::select(Value::Object(record.clone()), &wanted.fields)
    {
        record = selected;
    }
    for name in wanted.without() {
        record.shift_remove(*name);
    }
    record
}

/// Holds both ways against each other; whether the pass went through.
fn compare(one: &Sheeted, text: &str, wanted: &Wanted) -> Result<bool, TestCaseError> {
    let Sheeted { name, operation, call, .. } = one;
    let given = operation.plan.give_values(&Nothing);
    let document: Result<Value, _> = serde_json::from_str(text);
    let mut out = Vec::new();
    let told = if let AnswerKind::List(_) = operation.hub.answer {
        out.push(b'[');
        let cut = Cut { skip: wanted.skip, take: wanted.take };
        match one.sheet().write_list(text, wanted.wish(), &given, cut, &mut out) {
            Err(stop) => {
                // What is odd the document decides, also whether it is JSON to its end.
                prop_assert!(stop == Stop::Odd || document.is_err(), "{}: refused {}", name, text);
                return Ok(false);
            }
            Ok(page) => {
                out.push(b']');
                prop_assert!(document.is_ok(), "{}: took {}", name, text);
                let items = call.answer.list(document.as_ref().unwrap(), &Nothing);
                prop_assert!(items.is_some(), "{}: saw a list in {}", name, text);
                let items = items.unwrap();
                prop_assert_eq!(page.count, items.len() as u64, "{}: {}", name, text);
                let (skip, take) = (wanted.skip.try_into().unwrap(), wanted.take.try_into().unwrap());
                let records: Vec<Map<String, Value>> =
                    items.iter().skip(skip).take(take).map(|item| read(operation, item, wanted)).collect();
                prop_assert_eq!(page.written, records.len() as u64);
                let slow = serde_json::to_string(&records).unwrap();
                prop_assert_eq!(std::str::from_utf8(&out).unwrap(), slow, "{} with {:?}: {}", name, wanted, text);
                page.told
            }
        }
    } else {
        match one.sheet().write_record(text, wanted.wish(), &given, &mut out) {
            Err(stop) => {
                // What is odd the document decides, also whether it is JSON to its end.
                prop_assert!(stop == Stop::Odd || document.is_err(), "{}: refused {}", name, text);
                return Ok(false);
            }
            Ok(told) => {
                prop_assert!(document.is_ok(), "{}: took {}", name, text);
                let found = call.answer.record.get(document.as_ref().unwrap()).cloned();
                prop_assert!(found.as_ref().is_some_and(Value::is_object), "{}: saw a record in {}", name, text);
                let slow = serde_json::to_string(&read(operation, &found.unwrap(), wanted)).unwrap();
                prop_assert_eq!(std::str::from_utf8(&out).unwrap(), slow, "{} with {:?}: {}", name, wanted, text);
                told
            }
        }
    };
    // What is asked of the answer besides is the same in both.
    let document = document.unwrap();
    let paging = operation.paging.as_ref();
    let is_list = matches!(operation.hub.answer, AnswerKind::List(_));
    let paths = paging.and_then(|paging| paging.cursor.as_ref()).into_iter().chain(&call.answer.total);
    for path in paths.filter(|_| is_list) {
        prop_assert_eq!(path.get(&told), path.get(&document), "{}: {} of {}", name, path, text);
    }
    let tests = call.answer.gone.iter().chain(&call.answer.failure);
    for test in tests.chain(paging.and_then(|paging| paging.more.as_ref()).filter(|_| is_list)) {
        prop_assert_eq!(test.holds(&told), test.holds(&document), "{}: {:?} of {}", name, test, text);
    }
    Ok(true)
}

#[test]
fn most_reading_operations_have_a_sheet_and_their_examples_pass_through() {
    let catalog = catalog();
    let all = sheeted(&catalog);
    let reading = |operation: &Operation| {
        operation.hub.method == "GET" && matches!(operation.hub.answer, AnswerKind::Record(_) | AnswerKind::List(_))
    };
    let operations: usize = catalog
        .elements()
        .flatten()
        .map(|element| element.operations.values().filter(|one| reading(one)).count())
        .sum();
    let mut names: Vec<&str> = all.iter().filter(|one| reading(&one.operation)).map(|one| one.name.as_str()).collect();
    names.dedup();
    assert!(names.len() * 2 > operations, "{} of {operations}", names.len());
    let (mut passed, mut tried) = (0, 0);
    for one in &all {
        for answer in &one.answers {
            let text = answer.to_string();
            for manner in 0..4 {
                let wanted = Wanted {
                    iso_dates: manner & 1 == 1,
                    keep_nulls: manner & 2 == 2,
                    take: 1_000,
                    ..Wanted::default()
                };
                let went_through = compare(one, &text, &wanted).unwrap();
                tried += 1;
                passed += usize::from(went_through);
                // An answer of another operation is refused in every manner, before anything is written.
                if !went_through {
                    break;
                }
            }
        }
    }
    // Answers of other operations of the element are among them, which have no list where one should be.
    assert!(passed * 3 > tried, "{passed} of {tried}");
}

/// Writes a document in one of the many ways that mean the same, and some that do not.
struct Printer<'a> {
    style: &'a [u8],
    at: Cell<usize>,
}

impl Printer<'_> {
    /// The next choice, of `of`.
    fn choice(&self, of: u8) -> u8 {
        let at = self.at.get();
        self.at.set(at + 1);
        self.style.get(at % self.style.len().max(1)).copied().unwrap_or_default() % of
    }

    fn space(&self, out: &mut String) {
        match self.choice(24) {
            0 => out.push(' '),
            1 => out.push_str("\n\t"),
            2 => out.push_str("\r "),
            _ => {}
        }
    }

    fn text(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match (self.choice(40), c) {
                (0, c) => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        write!(out, "\\u{unit:04x}").unwrap();
                    }
                }
                (_, '"') => out.push_str("\\\""),
                (_, '\\') => out.push_str("\\\\"),
                (1..10, '/') => out.push_str("\\/"),
                (_, '\n') => out.push_str("\\n"),
                (_, c) if c < ' ' => write!(out, "\\u{:04X}", u32::from(c)).unwrap(),
                (_, c) => out.push(c),
            }
        }
        out.push('"');
    }

    fn value(&self, value: &Value, out: &mut String) {
        match value {
            Value::String(text) => self.text(text, out),
            Value::Number(number) => match (self.choice(12), number.as_i64()) {
                (0, Some(_)) => write!(out, "{number}.0").unwrap(),
                (1, Some(_)) => write!(out, "{number}e2").unwrap(),
                (2, Some(_)) => write!(out, "{number}.250").unwrap(),
                (3, Some(_)) => out.push_str("-0"),
                (4, Some(_)) => write!(out, "{number}00000000000000000000").unwrap(),
                _ => out.push_str(&number.to_string()),
            },
            Value::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.space(out);
                    self.value(item, out);
                    self.space(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    self.space(out);
                    // Said twice now and then, the former not meant.
                    if self.choice(60) == 0 {
                        self.text(name, out);
                        out.push_str(":{\"x\":[1]},");
                    }
                    self.text(name, out);
                    self.space(out);
                    out.push(':');
                    self.space(out);
                    self.value(member, out);
                    self.space(out);
                }
                out.push('}');
            }
            other => out.push_str(&other.to_string()),
        }
    }
}

/// Any JSON, with texts that providers write among it.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000..1_000_000_i64).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        (-100_000..100_000_i64).prop_map(|cents| json!(f64::from(i32::try_from(cents).unwrap()) / 100.0)),
        "[ -~éß日\\n\\t\"\\\\]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "2024-05-12T15:50:38Z",
            "2024-05-12T15:50:38.120Z",
            "2024-02-30T00:00:00Z",
            "2024-05-12T15:50:38.000+0000",
            "2024-05-12",
            "1704067200000",
            "true",
            "FALSE",
            "007",
            "42",
            "-0",
            "12.50",
            "/a/b c/d.pdf",
            "",
            "Ada Lovelace",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Puts `new` at a place of `value` that `way` leads to.
fn put(value: &mut Value, way: &[u8], new: Value) {
    let Some((turn, rest)) = way.split_first() else {
        *value = new;
        return;
    };
    let turn = usize::from(*turn);
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = turn % items.len();
            put(&mut items[at], rest, new);
        }
        Value::Object(members) if !members.is_empty() => {
            let at = turn % members.len();
            put(members.values_mut().nth(at).unwrap(), rest, new);
        }
        other => *other = new,
    }
}

#[test]
fn both_ways_write_the_same_bytes() {
    let catalog = catalog();
    let all = sheeted(&catalog);
    let fields: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let lines = one.operation.plan.lines.iter().map(|line| line.name.split('.').next().unwrap().to_owned());
            lines.chain(["customFields".to_owned(), "properties".to_owned(), "none".to_owned()]).collect()
        })
        .collect();
    let case = (
        0..all.len(),
        any::<prop::sample::Index>(),
        prop::collection::vec((prop::collection::vec(any::<u8>(), 0..6), any_value()), 0..6),
        prop::collection::vec(any::<u8>(), 1..200),
        (any::<[bool; 3]>(), prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..3_u64, 0..4_u64),
        prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
    );
    let passed = Cell::new(0);
    runner(6_000)
        .run(&case, |(which, answer, changes, style, (flags, names, skip, take), damage)| {
            let one = &all[which];
            let mut document =
                if one.answers.is_empty() { json!({}) } else { one.answers[answer.index(one.answers.len())].clone() };
            for (way, new) in changes {
                put(&mut document, &way, new);
            }
            let printer = Printer { style: &style, at: Cell::new(0) };
            let mut text = String::new();
            printer.value(&document, &mut text);
            if let Some((at, byte)) = damage {
                let at = at.index(text.len());
                let mut bytes = text.into_bytes();
                bytes[at] = byte;
                text = String::from_utf8_lossy(&bytes).into_owned();
            }
            let wanted = Wanted {
                iso_dates: flags[0],
                keep_nulls: flags[1],
                without: flags[2],
                fields: names.iter().map(|name| fields[which][name.index(fields[which].len())].clone()).collect(),
                skip,
                take: if take == 3 { 1_000 } else { take },
            };
            passed.set(passed.get() + u32::from(compare(one, &text, &wanted)?));
            Ok(())
        })
        .unwrap();
    assert!(passed.get() > 1_000, "{}", passed.get());
}

/// The same with members left out, put in and moved.
fn rearranged(value: &Value, ways: &mut impl Iterator<Item = u8>) -> Value {
    match value {
        Value::Object(members) => {
            let mut others: Vec<(String, Value)> = Vec::new();
            for (name, member) in members {
                let one = (name.clone(), rearranged(member, ways));
                match ways.next().unwrap_or_default() % 12 {
                    0 => {}
                    1 => others.extend([(format!("{name}_too"), json!([1])), one]),
                    2 => others.insert(0, one),
                    _ => others.push(one),
                }
            }
            Value::Object(others.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(|item| rearranged(item, ways)).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_records_before_change_nothing() {
    let catalog = catalog();
    let mut all = sheeted(&catalog);
    all.retain(|one| matches!(one.operation.hub.answer, AnswerKind::Record(_)) && !one.answers.is_empty());
    let ways = prop::collection::vec(any::<u8>(), 0..60);
    let case = (0..all.len(), any::<prop::sample::Index>(), prop::collection::vec(ways, 1..5));
    let passed = Cell::new(0);
    runner(1_500)
        .run(&case, |(which, answer, records)| {
            let one = &all[which];
            // A clone knows nothing of records before.
            let one = Sheeted {
                name: one.name.clone(),
                operation: Arc::clone(&one.operation),
                call: one.call.clone(),
                answers: vec![one.answers[answer.index(one.answers.len())].clone()],
            };
            let wanted = Wanted { keep_nulls: true, take: 1_000, ..Wanted::default() };
            for ways in records {
                let text = rearranged(&one.answers[0], &mut ways.into_iter().cycle()).to_string();
                passed.set(passed.get() + u32::from(compare(&one, &text, &wanted)?));
                compare(&one, &one.answers[0].to_string(), &wanted)?;
            }
            Ok(())
        })
        .unwrap();
    assert!(passed.get() > 1_000, "{}", passed.get());
}

#[test]
fn the_scanner_takes_what_serde_json_takes() {
    let agree = |text: &str| {
        let theirs = serde_json::from_str::<Value>(text);
        prop_assert_eq!(check(text).is_ok(), theirs.is_ok(), "{}: {:?}", text, theirs);
        Ok(())
    };
    for depth in 1..260 {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
            agree(&format!("{}1{}", open.repeat(depth), close.repeat(depth))).unwrap();
            agree(&format!("{}{}", open.repeat(depth), close.repeat(depth))).unwrap();
        }
    }
    for text in [
        "",
        " ",
        "-",
        "-0",
        "01",
        "-01",
        "1.",
        ".1",
        "1e",
        "1e+",
        "1E-5",
        "1e400",
        "-1e400",
        "0e999999999999",
        "1e-999999999999",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83dx\"",
        "\"\\ud83d\\u0041\"",
        "\"\\x\"",
        "\"\u{1f}\"",
        "\"\u{7f}\"",
        "nul",
        "nulll",
        "true false",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{1:2}",
        "[1 2]",
        "\u{feff}1",
        "\u{c}1",
        "[}",
        "{]",
        "\"",
        "\"\\",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "1 ",
        "\t[ ]\r\n",
    ] {
        agree(text).unwrap();
    }
    agree(&format!("1{}", "0".repeat(400))).unwrap();
    agree(&format!("0.{}1e300", "0".repeat(400))).unwrap();
    agree(&"9".repeat(309)).unwrap();
    runner(20_000).run(&"[]\\[{}:,\"\\\\ \\ntrufalsn0-9eE+.u\u{1}é-]{0,24}", |text| agree(&text)).unwrap();
    runner(20_000)
        .run(
            &"([]\\[{}:,]|\"a\"|\"\\\\\\\\u[0-9a-f]{4}\"|-?[0-9]{1,3}|[0-9]\\.[0-9]e[0-9]{1,3}|null| ){0,12}",
            |text| agree(&text),
        )
        .unwrap();
    let damaged = (any_value(), prop::collection::vec(any::<u8>(), 1..60), any::<prop::sample::Index>(), "[ -~]");
    runner(10_000)
        .run(&damaged, |(value, style, at, with)| {
            let mut text = String::new();
            Printer { style: &style, at: Cell::new(0) }.value(&value, &mut text);
            agree(&text)?;
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            characters.splice(at..=at, with.chars());
            agree(&characters.into_iter().collect::<String>())
        })
        .unwrap();
}
