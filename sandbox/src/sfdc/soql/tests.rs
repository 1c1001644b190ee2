use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    super::{schema::Schema, seed},
    Rows, check, parse, run,
};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_706_000_000, 0).unwrap()
}

fn query(text: &str) -> Result<Vec<Value>, (String, String)> {
    let schema = Schema::new();
    let tables = seed::tables(&schema);
    let refused = |failure: super::Failure| (failure.code.to_owned(), failure.message);
    let query = parse(text).map_err(refused)?;
    let plan = check(&query, &schema, now()).map_err(refused)?;
    match run(&plan, &tables, false) {
        Rows::Records(rows) => Ok(rows),
        Rows::Count(count) => Ok(vec![count.into()]),
    }
}

/// The values of one column of what a query finds.
fn column(text: &str, name: &str) -> Vec<String> {
    let rows = query(text).unwrap_or_else(|refused| panic!("{text}: {refused:?}"));
    rows.iter().map(|row| row[name].as_str().unwrap_or_else(|| panic!("{row}")).to_owned()).collect()
}

fn names(filter: &str) -> Vec<String> {
    column(&format!("SELECT LastName FROM Contact WHERE {filter} ORDER BY LastName"), "LastName")
}

fn refusal(text: &str) -> (String, String) {
    query(text).expect_err(text)
}

#[test]
fn filters_by_text_without_case() {
    assert_eq!(names("LastName = 'RINALDI'"), ["Rinaldi"]);
    assert_eq!(names("lastname LIKE 'n%'"), ["Nakamura"]);
    assert_eq!(names("LastName = 'O\\'Hara'"), ["O'Hara"]);
    assert_eq!(names("LastName IN ('Nakamura', 'Rinaldi')"), ["Nakamura", "Rinaldi"]);
    assert_eq!(names("LastName NOT IN ('Nakamura', 'Rinaldi')"), ["Ekström", "O'Hara"]);
    assert_eq!(column("SELECT Name FROM Account WHERE Name LIKE '%\\%'", "Name"), ["Umbra Energy 100%"]);
    assert_eq!(column("SELECT Name FROM Account WHERE Name LIKE '%100\\%'", "Name"), ["Umbra Energy 100%"]);
    assert!(column("SELECT Name FROM Account WHERE Name LIKE '%\\_'", "Name").is_empty());
}

#[test]
fn filters_by_null_and_its_absence() {
    assert_eq!(names("FirstName = null"), ["Nakamura"]);
    assert_eq!(names("FirstName = ''"), ["Nakamura"]);
    assert_eq!(names("FirstName != null"), ["Ekström", "O'Hara", "Rinaldi"]);
    assert_eq!(names("FirstName != 'Maya'"), ["Nakamura", "O'Hara", "Rinaldi"], "nothing is not Maya either");
    assert_eq!(names("(NOT FirstName LIKE 'M%')"), ["Nakamura", "O'Hara", "Rinaldi"]);
}

#[test]
fn filters_by_numbers_flags_and_times() {
    assert_eq!(names("Loyalty_Points__c > 75"), ["Ekström"]);
    assert_eq!(names("Loyalty_Points__c >= 75.0 AND Loyalty_Points__c <> 420"), ["Rinaldi"]);
    assert_eq!(names("HasOptedOutOfEmail = TRUE"), ["Rinaldi"]);
    assert_eq!(names("Birthdate = 1984-05-17"), ["Ekström"]);
    assert_eq!(names("CreatedDate >= 2024-01-01T10:00:00Z"), ["Nakamura"]);
    assert_eq!(names("CreatedDate > 2024-01-01T11:00:00+01:00"), Vec::<String>::new());
    assert_eq!(names("CreatedDate = LAST_N_DAYS:40 AND CreatedDate < TODAY").len(), 4);
    assert_eq!(names("CreatedDate = TODAY").len(), 0);
}

#[test]
fn combines_conditions() {
    assert_eq!(
        names("LastName = 'Ekström' OR (FirstName = null AND Email LIKE '%@example.com')"),
        ["Ekström", "Nakamura"]
    );
    assert_eq!(names("(((LastName = 'Ekström')))"), ["Ekström"]);
    assert_eq!(names("NOT (LastName = 'Ekström' OR LastName = 'Nakamura')"), ["O'Hara", "Rinaldi"]);
}

#[test]
fn follows_relationships() {
    let rows =
        query("SELECT Id, Account.Name, Account.Owner.Email FROM Contact WHERE Account.Name LIKE 'North%'").unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["Account"]["Name"], "Northwind Traders");
    assert_eq!(rows[0]["Account"]["attributes"]["type"], "Account");
    assert_eq!(rows[0]["Account"]["Owner"]["attributes"]["type"], "User");
    assert_eq!(
        rows[0]["attributes"]["url"],
        format!("/services/data/v59.0/sobjects/Contact/{}", rows[0]["Id"].as_str().unwrap())
    );
    let alone = query("SELECT Account.Name FROM Contact WHERE AccountId = null").unwrap();
    assert_eq!(alone[0]["Account"], Value::Null);
    let tasks = query("SELECT Who.Name, What.Name FROM Task ORDER BY CreatedDate").unwrap();
    assert_eq!(tasks[0]["Who"]["Name"], "Maya Ekström");
    assert_eq!(tasks[1]["Who"]["attributes"]["type"], "Lead");
    assert_eq!(tasks[1]["What"], Value::Null);
    let own = query("SELECT Name FROM My_Object__c WHERE Contact__r.Account.Name != null").unwrap();
    assert_eq!(own.len(), 1);
}

#[test]
fn answers_with_exact_names_in_the_order_asked() {
    let rows = query("select EMAIL, id from CONTACT limit 1").unwrap();
    let members: Vec<_> = rows[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["attributes", "Email", "Id"]);
}

#[test]
fn orders_with_nulls_first_unless_told_otherwise() {
    let ordered = |order: &str| column(&format!("SELECT LastName FROM Contact ORDER BY {order}"), "LastName");
    assert_eq!(ordered("Loyalty_Points__c, LastName DESC"), ["O'Hara", "Nakamura", "Rinaldi", "Ekström"]);
    assert_eq!(ordered("Loyalty_Points__c DESC NULLS LAST, LastName"), ["Ekström", "Rinaldi", "Nakamura", "O'Hara"]);
    assert_eq!(ordered("Loyalty_Points__c DESC, LastName"), ["Nakamura", "O'Hara", "Ekström", "Rinaldi"]);
    assert_eq!(column("SELECT LastName FROM Contact ORDER BY Id LIMIT 1 OFFSET 1", "LastName"), ["O'Hara"]);
}

#[test]
fn counts() {
    assert_eq!(query("SELECT COUNT() FROM Contact WHERE Email != null").unwrap(), [Value::from(4)]);
    assert_eq!(query("SELECT FIELDS(CUSTOM) FROM Contact LIMIT 200").unwrap()[0].as_object().unwrap().len(), 3);
}

#[test]
fn refuses_what_the_provider_refuses() {
    let cases = [
        ("SELECT * FROM Contact", "MALFORMED_QUERY", "character '*'"),
        ("SELECT Id Contact", "MALFORMED_QUERY", "unexpected token: 'Contact'"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Contact;", "MALFORMED_QUERY", "';'"),
        ("", "MALFORMED_QUERY", "empty"),
        ("SELECT Id FROM Contact WHERE LastName = 'a' AND LastName = 'b' OR LastName = 'c'", "MALFORMED_QUERY", "'OR'"),
        ("SELECT Id FROM Contact WHERE NOT LastName = 'a' AND LastName = 'b'", "MALFORMED_QUERY", "'AND'"),
        ("SELECT Id FROM Contact WHERE LastName = 'a' AND NOT LastName = 'b'", "MALFORMED_QUERY", "'NOT'"),
        ("SELECT Id FROM Contact WHERE LastName = \"a\"", "MALFORMED_QUERY", "'\"'"),
        ("SELECT Id FROM Contact WHERE LastName = 'a", "MALFORMED_QUERY", "<EOF>"),
        ("SELECT Id FROM Contact WHERE LastName = 'O'Hara'", "MALFORMED_QUERY", "Hara"),
        ("SELECT Id FROM Contact WHERE LastName = 'a\\d'", "MALFORMED_QUERY", "Illegal character sequence '\\d'"),
        ("SELECT Id FROM Contact WHERE LastName = abc", "MALFORMED_QUERY", "Bind variables"),
        ("SELECT Id FROM Contact WHERE LastName IS NULL", "MALFORMED_QUERY", "'IS'"),
        ("SELECT Id FROM Contact WHERE Id IN ()", "MALFORMED_QUERY", "')'"),
        ("SELECT Id FROM Contact WHERE CreatedDate > 2024-01-01T00:00:00", "MALFORMED_QUERY", "2024-01-01T00:00:00"),
        ("SELECT Id FROM Contact LIMIT -1", "MALFORMED_QUERY", "'-1'"),
        ("SELECT Id FROM Contact LIMIT x", "MALFORMED_QUERY", "'x'"),
        ("SELECT Id FROM Contact OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
        ("SELECT MAX(CreatedDate) FROM Contact", "MALFORMED_QUERY", "'('"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY", "'('"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD", "No such column 'Nope' on entity 'Contact'"),
        ("SELECT Id FROM Contact WHERE Nope = 1", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Id, id FROM Contact", "INVALID_FIELD", "duplicate field selected: id"),
        ("SELECT Nope.Name FROM Contact", "INVALID_FIELD", "Didn't understand relationship 'Nope'"),
        ("SELECT Who.Department FROM Task", "INVALID_FIELD", "on entity 'Name'"),
        ("SELECT Id FROM Nope", "INVALID_TYPE", "sObject type 'Nope' is not supported"),
        (
            "SELECT Id FROM Contact WHERE CreatedDate > '2024-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        ("SELECT Id FROM Contact WHERE CreatedDate > 2024-01-01", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Contact WHERE Birthdate = 2024-01-01T00:00:00Z", "INVALID_FIELD", "must be of type date and"),
        ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD", "must be of type string and should be enclosed"),
        ("SELECT Id FROM Contact WHERE DoNotCall = 'true'", "INVALID_FIELD", "must be of type boolean and should not"),
        (
            "SELECT Id FROM Contact WHERE Loyalty_Points__c = '5'",
            "INVALID_FIELD",
            "must be of type double and should not",
        ),
        ("SELECT Id FROM Contact WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
        (
            "SELECT Id FROM Contact WHERE Id LIKE '003%'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on id field",
        ),
        ("SELECT Id FROM Contact WHERE DoNotCall > false", "INVALID_QUERY_FILTER_OPERATOR", "on boolean field"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered in a query call"),
        ("SELECT Id FROM Contact ORDER BY MailingAddress", "INVALID_FIELD", "can not be sorted"),
        ("SELECT FIELDS(ALL) FROM Contact", "MALFORMED_QUERY", "LIMIT of at most 200"),
    ];
    for (text, code, part) in cases {
        let (found, message) = refusal(text);
        assert_eq!(found, code, "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn a_refusal_points_at_its_place() {
    let (_, message) = refusal("SELECT Id, Nope FROM Contact");
    assert!(
        message.starts_with("\nSELECT Id, Nope FROM Contact\n           ^\nERROR at Row:1:Column:12\n"),
        "{message}"
    );
}

#[test]
fn deep_nesting_is_refused_without_harm() {
    let text = format!("SELECT Id FROM Contact WHERE {}LastName = 'a'{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(refusal(&text).0, "QUERY_TOO_COMPLICATED");
}

/// Whatever is asked, there is an answer or a refusal.
#[test]
fn no_query_does_harm() {
    const WORDS: [&str; 40] = [
        "SELECT",
        "FROM",
        "WHERE",
        "Id",
        "Name",
        "Contact",
        "Account.Name",
        "AND",
        "OR",
        "NOT",
        "IN",
        "LIKE",
        "=",
        "!=",
        "<",
        ">=",
        "(",
        ")",
        ",",
        "'a'",
        "'\\'",
        "'",
        "5",
        "-1.5e9",
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "null",
        "TRUE",
        "TODAY",
        "LAST_N_DAYS:99999",
        "ORDER",
        "BY",
        "DESC",
        "NULLS",
        "LAST",
        "LIMIT",
        "OFFSET",
        "COUNT()",
        "FIELDS(ALL)",
        "é",
    ];
    let mut seed: u64 = 7;
    for _ in 0..3000 {
        let mut text = String::from(if seed.is_multiple_of(3) { "SELECT Id FROM Contact WHERE " } else { "" });
        for _ in 0..seed % 12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(WORDS[usize::try_from(seed >> 33).unwrap() % WORDS.len()]);
            text.push(' ');
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if let Ok(query) = parse(&text) {
            drop(check(&query, &Schema::new(), now()));
        }
    }
}
