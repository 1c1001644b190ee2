//! Tests of the codecs.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn path_ids_are_the_contracts() {
    assert_eq!(path_id("/My Folder"), "%252FMy%2BFolder");
    assert_eq!(path_id("/"), "%252F");
    for form in ["%252FMy%2BFolder", "%2FMy+Folder", "/My Folder", "%25252FMy%252BFolder"] {
        assert_eq!(decode_path_id(form).as_deref(), Some("/My Folder"), "{form}");
    }
    assert_eq!(decode_path_id("id:abc"), None);
}

#[test]
fn scales_numbers_without_dust() {
    let cents = Codec::compile(&json!({"scale": 100})).unwrap();
    assert_eq!(cents.write(&json!(19.99)).unwrap(), json!(1999));
    assert_eq!(cents.read(&json!(1999)), Some(json!(19.99)));
    let percent = Codec::compile(&json!({"scale": 0.01})).unwrap();
    assert_eq!(percent.read(&json!("0.07")), Some(json!(7)));
    assert_eq!(percent.write(&json!(7)).unwrap(), json!(0.07));
    assert!(Codec::compile(&json!({"scale": 0})).is_err());
}

#[test]
fn digits_are_numbers_at_the_provider() {
    assert_eq!(Codec::Digits.read(&json!(42)), Some(json!("42")));
    assert_eq!(Codec::Digits.read(&json!("x")), None);
    assert_eq!(Codec::Digits.write(&json!("42")).unwrap(), json!(42));
    assert!(Codec::Digits.write(&json!("x")).is_err() && Codec::Digits.write(&json!(42)).is_err());
}

#[test]
fn prefixes_go_and_come() {
    let own = Codec::compile(&json!({"prefix": "custom."})).unwrap();
    assert_eq!(own.read(&json!("cf_1")), Some(json!("custom.cf_1")));
    assert_eq!(own.write(&json!("custom.cf_1")).unwrap(), json!("cf_1"));
    assert!(own.write(&json!("cf_1")).is_err());
}

#[test]
fn parts_names() {
    let (first, last) = (Codec::NamePart { last: false }, Codec::NamePart { last: true });
    assert_eq!(first.read(&json!("Ada King Byron")), Some(json!("Ada King")));
    assert_eq!(last.read(&json!("Ada King Byron")), Some(json!("Byron")));
    assert_eq!((first.read(&json!("Byron")), last.read(&json!("Byron"))), (None, Some(json!("Byron"))));
    assert_eq!(first.join(Some(&json!("Byron")), json!("Ada")), json!("Ada Byron"));
    assert_eq!(last.join(Some(&json!("Ada")), json!("Byron")), json!("Ada Byron"));
    assert_eq!(last.join(None, json!("Byron")), json!("Byron"));
}

#[test]
fn joins_ancestors_into_a_path() {
    let codec = Codec::compile(&json!({"joinPath": {"parents": "$.up", "name": "$.name"}})).unwrap();
    assert_eq!(codec.read(&json!({"up": [{"name": "All"}, {"name": "a"}], "name": "b"})), Some(json!("/a/b")));
    assert_eq!(codec.read(&json!({"up": [], "name": "All"})), Some(json!("/")));
}

#[test]
fn takes_members_of_each_item() {
    let codec = Codec::compile(&json!({"each": {"value": "$.Value", "label": "$.Label.Text"}})).unwrap();
    let told = codec.read(&json!([{"Value": 1, "Label": {"Text": "One"}}, {"Value": 2}, 3]));
    assert_eq!(told, Some(json!([{"value": 1, "label": "One"}, {"value": 2}, {}])));
    assert!(codec.read(&json!("x")).is_none() && codec.write(&json!([])).is_err());
    assert!(Codec::compile(&json!({"each": {"value": "Value"}})).is_err());
    let of_words = json!({"each": {"label": "$", "shown": {"path": "$.off", "codec": {"words": {"true": false, "false": true}}}, "known": {"codec": {"constant": true}}}});
    let told = Codec::compile(&of_words).unwrap().read(&json!(["A", {"off": true}]));
    assert_eq!(
        told,
        Some(json!([{"label": "A", "known": true}, {"label": {"off": true}, "shown": false, "known": true}]))
    );
    for wrong in
        [json!({"each": {"value": {"codec": "text"}}}), json!({"each": {"value": {"path": "$", "code": "text"}}})]
    {
        assert!(Codec::compile(&wrong).is_err(), "{wrong}");
    }
    assert!(Codec::compile(&json!({"each": {}})).is_err());
}

#[test]
fn pairs_are_texts_and_every_pair_has_one_of_its_own() {
    let codec = Codec::compile(&json!({"pairs": {"name": "Key", "value": "Value"}})).unwrap();
    let kept = json!([
        {"Key": "draft", "Value": ""}, {"Key": "Project", "Value": "a=b"}, {"Key": "a=b", "Value": "100%"},
        {"Key": "50%3D", "Value": ""}
    ]);
    let texts = json!(["draft", "Project=a=b", "a%3Db=100%", "50%253D"]);
    assert_eq!(codec.read(&kept), Some(texts.clone()));
    assert_eq!(codec.write(&texts).unwrap(), kept);
    assert_eq!(
        codec.write(&json!(["a", "a=", "a", "a=1"])).unwrap(),
        json!([{"Key": "a", "Value": ""}, {"Key": "a", "Value": "1"}])
    );
    assert_eq!(codec.read(&json!([{"Key": "a"}, {"Value": "b"}, 1])), Some(json!(["a"])));
    assert!(codec.read(&json!("x")).is_none() && codec.write(&json!([{}])).is_err());
    for wrong in
        [json!({"name": "Key"}), json!({"name": "A", "value": "A"}), json!({"name": "A", "value": "B", "more": 1})]
    {
        assert!(Codec::compile(&json!({"pairs": wrong})).is_err(), "{wrong}");
    }
}

#[test]
fn names_what_it_does_not_know() {
    let error = Codec::compile(&json!("datetim")).unwrap_err();
    assert!(error.hint.unwrap().contains("datetime"));
    assert!(Codec::compile(&json!({"words": {"a": "x", "b": "x"}})).is_err());
}

proptest! {
    #[test]
    fn path_ids_round_trip(path in "/[^\\u{0}]{0,40}") {
        prop_assert_eq!(decode_path_id(&path_id(&path)), Some(path));
    }

    #[test]
    fn every_pair_comes_back(pairs in prop::collection::hash_map("[%=3Da-c]{0,8}", "[%=3Da-c]{0,8}", 0..4)) {
        let codec = Codec::compile(&json!({"pairs": {"name": "k", "value": "v"}})).unwrap();
        let kept: Vec<_> = pairs.iter().map(|(name, value)| json!({"k": name, "v": value})).collect();
        prop_assert_eq!(codec.write(&codec.read(&json!(kept)).unwrap()).unwrap(), json!(kept));
    }

    #[test]
    fn two_way_codecs_give_back_what_was_written(whole in -9_007_199_254_740_000i64..9_007_199_254_740_000, flag in any::<bool>(), ms in 0i64..4_000_000_000_000) {
        for codec in [Codec::IntegerText, Codec::Integer, Codec::Number, Codec::NumberText] {
            prop_assert_eq!(codec.read(&codec.write(&json!(whole)).unwrap()), Some(json!(whole)));
        }
        prop_assert_eq!(Codec::BooleanText.read(&Codec::BooleanText.write(&json!(flag)).unwrap()), Some(json!(flag)));
        prop_assert_eq!(Codec::Timestamp.read(&Codec::Timestamp.write(&json!(ms)).unwrap()), Some(json!(ms)));
        let text = json!(time::rfc3339(time::parse(&json!(ms)).unwrap()));
        for codec in [Codec::DateTime, Codec::DateTimeEpochText] {
            prop_assert_eq!(codec.read(&codec.write(&text).unwrap()), Some(text.clone()));
        }
    }
}
