use proptest::prelude::*;
use serde_json::json;

use super::*;

fn entry(key: &str, kind: &str, secret: bool) -> ConfigurationEntry {
    ConfigurationEntry {
        key: key.to_owned(),
        name: key.to_uppercase(),
        description: format!("the {key}"),
        kind: kind.to_owned(),
        required: true,
        default: None,
        secret,
        hide_from_console: false,
        options: Vec::new(),
        choices: Vec::new(),
    }
}

fn entries() -> Vec<ConfigurationEntry> {
    vec![
        entry("username", "TEXTFIELD_128", false),
        entry("password", "PASSWORD", true),
        entry("pin", "TEXTFIELD_32", true),
        entry("page.token", "TEXTFIELD_32", false),
    ]
}

fn values(sent: Value) -> Values {
    let mut values = Values::default();
    values.merge(&entries(), &Values::default(), sent.as_object().unwrap());
    values
}

#[test]
fn knows_secrets_by_contract_by_entry_and_by_name() {
    for key in
        ["password", "oauth.api.key", "oauth.api.secret", "oauth.user.refresh_token", "pin", "crm.vendor.password"]
    {
        assert!(is_secret(&entries(), key), "{key}");
    }
    for key in [
        "username",
        "page.token",
        "base.url",
        "oauth.token.url",
        "oauth.token.refresh_url",
        "oauth.user.refresh_interval",
        "oauth.callback.url",
        "event.notification.enabled",
        "pagination.max",
    ] {
        assert!(!is_secret(&entries(), key), "{key}");
    }
    assert!(is_secret(&[], "filemanagement.provider.secret_key"));
    assert!(is_secret(&[], "vendor.authorization.apikey"));
}

#[test]
fn keeps_types_and_masks_secrets() {
    let values = values(json!({
        "username": "ann", "password": "s3cret", "pin": 1234, "event.notification.enabled": false,
        "pagination.max": 100, "event.poller.configuration": {"contacts": {"idField": "id"}},
    }));
    assert_eq!(
        Value::Object(values.masked()),
        json!({
            "username": "ann", "event.notification.enabled": false, "pagination.max": 100,
            "event.poller.configuration": {"contacts": {"idField": "id"}}, "password": MASK, "pin": MASK,
        })
    );
    assert_eq!(values.text("pin").unwrap(), "1234");
    assert_eq!(values.text("event.notification.enabled").unwrap(), "false");
    assert!(!format!("{values:?}").contains("s3cret"));
}

#[test]
fn a_mask_changes_nothing_and_null_takes_away() {
    let mut values = values(json!({"username": "ann", "password": "s3cret", "pin": "1"}));
    let sent = json!({"username": "bob", "password": MASK, "pin": null, "never": MASK, "new": "x"});
    values.merge(&entries(), &Values::default(), sent.as_object().unwrap());
    assert_eq!(values.text("password").unwrap(), "s3cret");
    assert_eq!(values.text("username").unwrap(), "bob");
    assert_eq!(values.text("new").unwrap(), "x");
    assert!(!values.contains("pin") && !values.contains("never"));
}

#[test]
fn an_inherited_value_that_comes_back_is_not_pinned() {
    let inherited = values(json!({"base.url": "https://api.example", "pagination.max": "100", "password": "default"}));
    let mut own = values(json!({"pagination.max": "50"}));
    let sent = json!({"base.url": "https://api.example", "pagination.max": 100, "password": "default"});
    own.merge(&entries(), &inherited, sent.as_object().unwrap());
    assert_eq!(Value::Object(own.masked()), json!({"pagination.max": 100}));
}

#[test]
fn put_drops_what_is_not_sent_but_keeps_what_the_provider_gave() {
    let mut own =
        values(json!({"username": "ann", "password": "s3cret", "old": "x", "base.url": "https://eu.example"}));
    let kept = BTreeSet::from(["base.url".to_owned()]);
    own.replace(
        &entries(),
        &Values::default(),
        &kept,
        json!({"password": MASK, "username": "ann"}).as_object().unwrap(),
    );
    assert_eq!(
        Value::Object(own.masked()),
        json!({"username": "ann", "base.url": "https://eu.example", "password": MASK})
    );
}

#[test]
fn layers_win_from_above_whichever_side_they_are_on() {
    let below = values(json!({"username": "default", "page.token": "t", "password": "p"}));
    let above = values(json!({"username": "ann"})).over(&below);
    assert_eq!(above.text("username").unwrap(), "ann");
    assert_eq!(above.text("password").unwrap(), "p");
}

#[test]
fn items_have_stable_numbers_and_are_found_by_number_or_key() {
    let values = values(json!({"username": "ann", "password": "s3cret", "mine": {"a": 1}}));
    let items = items(5001, &entries(), &values);
    let keys: Vec<&str> = items.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["username", "password", "pin", "page.token", "mine"]);
    assert_eq!(items[1].value, json!(MASK));
    assert_eq!(items[2].value, Value::Null);
    assert_eq!(items[4].kind, "TEXTAREA");
    // Written out, so that a change of the numbering shows: clients keep them.
    assert_eq!(item_id(5001, "username"), items[0].id);
    assert_ne!(item_id(5002, "username"), items[0].id);
    assert!(items.iter().all(|item| item.id < 1 << 48));
    assert_eq!(find_item(items.clone(), &items[4].id.to_string()).unwrap().key, "mine");
    assert_eq!(find_item(items.clone(), "pin").unwrap().id, items[2].id);
    assert!(find_item(items, "nothing").is_none());
}

proptest! {
    #[test]
    fn sending_an_answer_back_changes_nothing(
        own in proptest::collection::btree_map("[a-z.]{1,8}|password|oauth\\.api\\.key|pin|username", "[a-z]{1,6}", 0..8),
        default in proptest::collection::btree_map("[a-z.]{1,8}|password|pin|username", "[a-z]{1,6}", 0..8),
    ) {
        let own = values(json!(own));
        let inherited = values(json!(default));
        let answer = own.over(&inherited).masked();
        let mut patched = own.clone();
        patched.merge(&entries(), &inherited, &answer);
        let mut put = own.clone();
        put.replace(&entries(), &inherited, &BTreeSet::new(), &answer);
        for after in [patched, put] {
            prop_assert_eq!(&after.clear, &own.clear);
            prop_assert_eq!(
                after.secrets.iter().map(|(k, v)| (k.clone(), v.expose_secret().to_owned())).collect::<Vec<_>>(),
                own.secrets.iter().map(|(k, v)| (k.clone(), v.expose_secret().to_owned())).collect::<Vec<_>>()
            );
        }
    }
}
