//! Tests of the grammar and its printer.

use proptest::prelude::*;

use super::*;

fn text(source: &str) -> Value {
    Value::Text(source.to_owned())
}

fn compare(field: &str, op: CompareOp, value: Value) -> Expr {
    Expr::Compare { field: field.to_owned(), op, value }
}

#[test]
fn reads_what_clients_send() {
    use CompareOp::{Eq, Gt, Ne};
    for (source, expected) in [
        ("Name='Churro''s'", compare("Name", Eq, text("Churro's"))),
        ("Name = 'Churro\\'s'", compare("Name", Eq, text("Churro's"))),
        ("active='true'", compare("active", Eq, text("true"))),
        ("active=TRUE", compare("active", Eq, Value::Boolean(true))),
        ("email=''", compare("email", Eq, text(""))),
        ("id=\"2b45 \"\"x\"\"\"", compare("id", Eq, text("2b45 \"x\""))),
        (
            "`metaData.lastUpdateTime` > 2020-01-02T03:04:05Z",
            compare("metaData.lastUpdateTime", Gt, Value::Date("2020-01-02T03:04:05Z".into())),
        ),
        ("'Modified Time'>'2020-06-01 00:00:00'", compare("Modified Time", Gt, text("2020-06-01 00:00:00"))),
        ("config.url <> null", compare("config.url", Ne, Value::Null)),
        ("size = -1.5e3", compare("size", Eq, Value::Number("-1.5e3".into()))),
        ("path = 'C:\\temp'", compare("path", Eq, text("C:\\temp"))),
        (
            "internalId in (1,2)",
            Expr::In {
                field: "internalId".into(),
                values: vec![Value::Number("1".into()), Value::Number("2".into())],
                negated: false,
            },
        ),
        ("key NOT IN('a')", Expr::In { field: "key".into(), values: vec![text("a")], negated: true }),
        ("name like 'a%'", Expr::Like { field: "name".into(), pattern: "a%".into(), negated: false }),
        ("name not like 'a\\%'", Expr::Like { field: "name".into(), pattern: "a\\%".into(), negated: true }),
        ("tags is null", Expr::IsNull { field: "tags".into(), negated: false }),
        ("tags IS NOT NULL", Expr::IsNull { field: "tags".into(), negated: true }),
        ("`Modified Time`<='2020-06-01'", compare("Modified Time", CompareOp::Le, text("2020-06-01"))),
        ("'First Name'=\"O'Neil\"", compare("First Name", Eq, text("O'Neil"))),
        ("created >= 2020-06-01", compare("created", CompareOp::Ge, Value::Date("2020-06-01".into()))),
        ("'Is Open' IS NULL", Expr::IsNull { field: "Is Open".into(), negated: false }),
        ("`a b` LIKE '%''%'", Expr::Like { field: "a b".into(), pattern: "%'%".into(), negated: false }),
        ("android = 1", compare("android", Eq, Value::Number("1".into()))),
        ("`not` = 1", compare("not", Eq, Value::Number("1".into()))),
        ("straße = 'é'", compare("straße", Eq, text("é"))),
    ] {
        assert_eq!(parse(source).as_ref(), Ok(&expected), "{source}");
    }
}

#[test]
fn binds_not_before_and_before_or() {
    for (source, printed) in [
        ("a=1 or b=2 and not c=3", "a = 1 OR b = 2 AND NOT c = 3"),
        ("(a=1 or b=2) and c=3", "(a = 1 OR b = 2) AND c = 3"),
        ("not(a=1 and b=2)or c=3", "NOT (a = 1 AND b = 2) OR c = 3"),
        ("((a=1))", "a = 1"),
        ("NOT NOT a=1", "NOT NOT a = 1"),
        ("a='x'AND b='y'", "a = 'x' AND b = 'y'"),
    ] {
        assert_eq!(parse(source).unwrap().to_string(), printed, "{source}");
    }
}

#[test]
fn says_where_and_what_was_expected() {
    for (source, at, expected, found) in [
        ("", 0..0, "a field name", "the end"),
        ("name", 4..4, "an operator", "the end"),
        ("name = ", 7..7, "a value", "the end"),
        ("name = foo", 7..10, "a value", "`foo`"),
        ("name = 'foo", 7..8, "a quoted text that is closed", "`'`"),
        ("name ~ 'x'", 5..6, "an operator", "`~`"),
        ("a = 1 b = 2", 6..7, "AND, OR or the end", "`b`"),
        ("a = 1 AND", 9..9, "a field name", "the end"),
        ("(a = 1", 6..6, "AND, OR or a closing parenthesis", "the end"),
        ("a = 1)", 5..6, "AND, OR or the end", "`)`"),
        ("a IN ()", 6..7, "a value", "`)`"),
        ("a IN (1 2)", 8..9, "a comma or a closing parenthesis", "`2`"),
        ("a IN 1", 5..6, "a list of values", "`1`"),
        ("a LIKE 5", 7..8, "a pattern in quotes", "`5`"),
        ("a IS 5", 5..6, "NULL or NOT NULL", "`5`"),
        ("a NOT = 5", 6..7, "LIKE or IN", "`=`"),
        ("and = 5", 0..3, "a field name", "`and`"),
        ("a..b = 5", 0..4, "a field name", "`a..b`"),
        ("'' = 5", 0..1, "a field name", "`'`"),
        ("a = 2020-13-01", 4..14, "a value", "`2020-13-01`"),
        ("a = 1.2.3", 4..9, "a value", "`1.2.3`"),
        ("a = é", 4..6, "a value", "`é`"),
    ] {
        let error = parse(source).unwrap_err();
        assert!(error.expected.starts_with(expected), "{source}: {error}");
        assert_eq!((error.at, error.found.as_str()), (at, found), "{source}");
    }
}

#[test]
fn keeps_to_its_limits() {
    let nested = |n: usize| format!("{}a = 1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 1)).unwrap_err().expected.contains("32 levels"));
    assert!(parse(&format!("{}a = 1", "NOT ".repeat(MAX_DEPTH + 1))).is_err());
    let wide = |n: usize| vec!["a=1"; n].join(" OR ");
    assert!(parse(&wide(MAX_TERMS)).is_ok());
    assert!(parse(&wide(MAX_TERMS + 1)).unwrap_err().expected.contains("256 conditions"));
    assert!(parse(&format!("a = '{}'", "x".repeat(MAX_LENGTH))).unwrap_err().found.contains("bytes"));
}

#[test]
fn becomes_a_bad_request() {
    let error = crate::error::Error::from(parse("name = foo").unwrap_err());
    assert_eq!(error.kind(), crate::error::Kind::BadRequest);
    assert!(error.public().starts_with("Error parsing query: `where` at position 7"), "{}", error.public());
}

#[test]
fn splits_at_the_top_and() {
    let pushable = |expr: &Expr| expr.fields().iter().all(|field| field.starts_with('p'));
    for (source, pushed, local) in [
        ("p1 = 1 AND l1 = 2 AND p2 = 3", Some("p1 = 1 AND p2 = 3"), Some("l1 = 2")),
        ("p1 = 1 OR p2 = 2", Some("p1 = 1 OR p2 = 2"), None),
        ("p1 = 1 OR l2 = 2", None, Some("p1 = 1 OR l2 = 2")),
        ("(p1 = 1 AND l1 = 2) AND l2 = 3", Some("p1 = 1"), Some("l1 = 2 AND l2 = 3")),
        ("NOT l1 = 1", None, Some("NOT l1 = 1")),
    ] {
        let (yes, no) = split(parse(source).unwrap(), &pushable);
        assert_eq!(yes.map(|e| e.to_string()).as_deref(), pushed, "{source}");
        assert_eq!(no.map(|e| e.to_string()).as_deref(), local, "{source}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,12}".prop_map(Value::Text),
        "[a-c'\\\\\"%_ ]{0,8}".prop_map(Value::Text),
        "-?[0-9]{1,6}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?".prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        (1970..2100, 1..13, 1..29).prop_map(|(y, m, d)| Value::Date(format!("{y:04}-{m:02}-{d:02}"))),
        (0..24, 0..60).prop_map(|(h, m)| Value::Date(format!("2020-01-02T{h:02}:{m:02}:00+01:00"))),
        Just(Value::Null),
    ]
}

fn any_field() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-e](\\.[a-e])?",
        "[a-zA-Z_][a-zA-Z0-9_]{0,8}(\\.[a-z]{1,4}){0,2}",
        ".{1,8}",
        "[`'\"\\\\ a]{1,6}",
        Just("not".to_owned()),
    ]
}

/// Any filter the grammar can write.
pub(super) fn any_expr() -> impl Strategy<Value = Expr> {
    let op = prop_oneof![
        Just(CompareOp::Eq),
        Just(CompareOp::Ne),
        Just(CompareOp::Lt),
        Just(CompareOp::Le),
        Just(CompareOp::Gt),
        Just(CompareOp::Ge)
    ];
    let condition = prop_oneof![
        (any_field(), op, any_value()).prop_map(|(field, op, value)| Expr::Compare { field, op, value }),
        (any_field(), prop::collection::vec(any_value(), 1..4), any::<bool>())
            .prop_map(|(field, values, negated)| Expr::In { field, values, negated }),
        (any_field(), any::<bool>()).prop_map(|(field, negated)| Expr::IsNull { field, negated }),
        (any_field(), "[a-c%_'\\\\]{0,6}", any::<bool>()).prop_map(|(field, pattern, negated)| Expr::Like {
            field,
            pattern,
            negated
        }),
    ];
    condition.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

fn any_record() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (-5..5).prop_map(|n| json!(n)),
        "[a-c0-9]{0,3}".prop_map(|s| json!(s)),
        prop::collection::vec("[a-c]{0,2}", 0..3).prop_map(|v| json!(v)),
    ];
    prop::collection::btree_map("[a-e]", value, 0..5).prop_map(|map| json!(map))
}

proptest! {
    #[test]
    fn reading_what_is_printed_gives_it_back(expr in any_expr()) {
        let printed = expr.to_string();
        prop_assert_eq!(parse(&printed), Ok(expr), "{}", printed);
    }

    #[test]
    fn never_panics(source in ".{0,80}") {
        drop(parse(&source));
        drop(parse_order_by(&source));
        drop(parse_fields(&source));
    }

    #[test]
    fn never_panics_near_the_grammar(words in prop::collection::vec(
        prop::sample::select(vec!["a", "AND", "or", "NOT", "in", "(", ")", "'x'", "=", "<", "5", ",", "like", "is", "null", "`", "'", "\\"]), 0..20)) {
        let source = words.join(" ");
        if let Err(error) = parse(&source) {
            prop_assert!(source.get(error.at.clone()).is_some(), "{:?}", error);
        }
        drop(parse(&words.concat()));
    }

    #[test]
    fn normal_forms_mean_the_same(expr in any_expr(), record in any_record()) {
        let truth = eval::matches(&expr, &record);
        let spelled = normal::without_nulls(expr.clone());
        prop_assert_eq!(eval::matches(&spelled, &record), truth);
        if let Some(groups) = normal::groups(&expr, 64) {
            let spread = groups.iter().any(|group| group.iter().all(|one| eval::matches(one, &record)));
            // An array holds several values, so `NOT tags < 5` and `tags >= 5` part ways there; values that have no
            // order with the field (a text and a boolean) do too.
            let plain = record.as_object().is_some_and(|o| o.values().all(|v| v.is_number() || v.is_null()));
            let mut ordered = false;
            any_order(&expr, &mut ordered);
            if plain || !ordered {
                prop_assert!(spread == truth || ordered && !comparable(&expr), "{} {}", expr, record);
            }
        }
    }

    #[test]
    fn halves_of_a_split_mean_the_whole(expr in any_expr(), record in any_record()) {
        let truth = eval::matches(&expr, &record);
        let (pushed, local) = split(expr, &|part| part.fields().iter().all(|field| *field < "c"));
        let holds = |half: Option<Expr>| half.is_none_or(|half| eval::matches(&half, &record));
        prop_assert_eq!(holds(pushed) && holds(local), truth);
    }

    #[test]
    fn renderers_never_panic_and_never_break_out(expr in any_expr()) {
        let resolve = |field: &str| {
            let kind = if field.len().is_multiple_of(2) { ColumnKind::Text } else { ColumnKind::Other };
            Ok(Column { name: "c".into(), kind, operators: Operators::ALL, encode: None })
        };
        if let Ok(text) = soql::render(&expr, &resolve) {
            // Outside quotes only words of the language remain.
            let mut outside = String::new();
            let (mut quoted, mut chars) = (false, text.chars());
            while let Some(c) = chars.next() {
                match c {
                    '\\' if quoted => { chars.next(); }
                    '\'' => quoted = !quoted,
                    c if !quoted => outside.push(c),
                    _ => {}
                }
            }
            prop_assert!(!quoted, "{}", text);
            prop_assert!(outside.chars().all(|c| c.is_ascii_alphanumeric() || "() ,.=!<>-+:".contains(c)), "{}", text);
        }
        if let Ok(text) = odata::render(&expr, &resolve) {
            prop_assert!(text.matches('\'').count() % 2 == 0, "{}", text);
        }
        drop(params::render(&expr, &resolve, &[]));
        drop(coql::render(&expr, &resolve));
        drop(condition_tree::render(&expr, &resolve, &condition_tree::Target::default()));
        drop(filter_groups::render(&expr, &resolve, &filter_groups::Limits::default()));
    }
}

fn any_order(expr: &Expr, found: &mut bool) {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| any_order(part, found)),
        Expr::Not(inner) => any_order(inner, found),
        Expr::Compare { op, .. } => *found |= !matches!(op, CompareOp::Eq | CompareOp::Ne),
        _ => {}
    }
}

/// Whether every value has an order with a number.
fn comparable(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().all(comparable),
        Expr::Not(inner) => comparable(inner),
        Expr::Compare { value, .. } => matches!(value, Value::Number(_)),
        _ => true,
    }
}
